/** What stands on a device's label, checked as it is typed: address, installation code, link key. The hub checks again. */

/** `digits` is what is sent, empty until it is right; `problem` is empty for what is right, or not begun. */
export interface Checked {
  digits: string;
  problem: string;
}

const ADDRESS_DIGITS = 16;
const KEY_DIGITS = 32;
/** Bytes of an installation code; two of its CRC follow. */
const CODE_BYTES = [6, 8, 12, 16];
export const CODE_LENGTHS = '16, 20, 28 or 36 hex digits (6, 8, 12 or 16 bytes and 2 of the CRC)';

/** CRC-16/X-25: polynomial 0x1021 reflected, begun with and xored with 0xFFFF. */
export function crc16X25(data: readonly number[]): number {
  let crc = 0xffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x8408 : 0);
  }
  return crc ^ 0xffff;
}

/** Hex digits without what people put between them. */
function plain(text: string): Checked {
  const digits = text.replace(/[\s:.\-_,]+/g, '').replace(/^0x/i, '');
  const wrong = digits.search(/[^0-9a-f]/i);
  return wrong < 0 ? { digits, problem: '' } : { digits: '', problem: `Character ${wrong + 1} is no hex digit; those are 0 to 9 and A to F.` };
}

function exactly(text: string, length: number): Checked {
  const found = plain(text);
  if (found.problem || !found.digits || found.digits.length === length) return found;
  return { digits: '', problem: `${found.digits.length} of ${length} hex digits.` };
}

export function checkAddress(text: string): Checked {
  return exactly(text, ADDRESS_DIGITS);
}

export function checkLinkKey(text: string): Checked {
  const found = exactly(text, KEY_DIGITS);
  return /^0+$/.test(found.digits) ? { digits: '', problem: 'A key of zeros only is no key.' } : found;
}

export function checkInstallCode(text: string): Checked {
  const found = plain(text);
  const { digits } = found;
  if (found.problem || !digits) return found;
  const size = digits.length / 2 - 2;
  if (!CODE_BYTES.includes(size)) {
    const hint = CODE_BYTES.includes(digits.length / 2) ? ' Is the CRC missing, the last 4 digits?' : '';
    return { digits: '', problem: `${digits.length} hex digits; right are ${CODE_LENGTHS}.${hint}` };
  }
  const bytes = (digits.match(/../g) ?? []).map((pair) => parseInt(pair, 16));
  const crc = (bytes[size] ?? 0) | ((bytes[size + 1] ?? 0) << 8);
  if (crc16X25(bytes.slice(0, size)) !== crc)
    return { digits: '', problem: `The last 4 of the ${digits.length} digits are not the CRC of those before them: a digit is wrong, or some are missing.` };
  return found;
}
