/** Numbers and times as people read them. */

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const one = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const two = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const minute = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

export interface Quantity {
  number: string;
  unit: string;
}

export const UNKNOWN = '–';

export function power(watts: number | null | undefined): Quantity {
  if (watts == null) return { number: UNKNOWN, unit: 'W' };
  const size = Math.abs(watts);
  if (size >= 10_000) return { number: one.format(watts / 1000), unit: 'kW' };
  if (size >= 1000) return { number: two.format(watts / 1000), unit: 'kW' };
  if (size < 0.05) return { number: '0', unit: 'W' };
  return { number: (size < 10 ? one : whole).format(watts), unit: 'W' };
}

export function energy(wattHours: number | null | undefined): Quantity {
  if (wattHours == null) return { number: UNKNOWN, unit: 'kWh' };
  if (wattHours === 0) return { number: '0', unit: 'Wh' };
  if (Math.abs(wattHours) < 1000) return { number: (wattHours < 10 ? two : one).format(wattHours), unit: 'Wh' };
  if (wattHours >= 1_000_000) return { number: whole.format(wattHours / 1000), unit: 'kWh' };
  return { number: two.format(wattHours / 1000), unit: 'kWh' };
}

export function text(quantity: Quantity): string {
  return `${quantity.number} ${quantity.unit}`;
}

export function value(number: number | undefined, unit: string, digits = 1): string {
  if (number === undefined) return UNKNOWN;
  return `${number.toLocaleString(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}`;
}

export function timeOf(iso: string | null): string {
  return iso === null ? UNKNOWN : clock.format(new Date(iso));
}

export function dateOf(iso: string | null): string {
  return iso === null ? UNKNOWN : day.format(new Date(iso));
}

export function ago(iso: string | null, now: number): string {
  if (iso === null) return 'never';
  const seconds = Math.max(0, Math.round((now - Date.parse(iso)) / 1000));
  if (seconds < 10) return 'just now';
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86_400)} days ago`;
}

/** A time of today by its clock, others with their day. */
export function momentOf(iso: string, now: number): string {
  const moment = new Date(iso);
  return (moment.toDateString() === new Date(now).toDateString() ? minute : weekday).format(moment);
}

/** How long something takes, given in ms. */
export function span(duration: number): string {
  const seconds = Math.ceil(duration / 1000);
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.ceil(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** How long until then; empty when it is past. */
export function timeLeft(iso: string, now: number): string {
  const left = Date.parse(iso) - now;
  return left <= 0 ? '' : `${span(left)} left`;
}

/** From when to when; the day is said once where it is the same. */
export function spanOf(start: string, end: string | null, now: number): string {
  const from = momentOf(start, now);
  if (end === null) return `from ${from}`;
  const sameDay = new Date(start).toDateString() === new Date(end).toDateString();
  return `${from} – ${sameDay ? minute.format(new Date(end)) : momentOf(end, now)}`;
}

/** Currencies of ISO 4217 by their numbers, as meters and tariffs name them. */
const CURRENCY: Record<number, string> = {
  36: 'AUD', 124: 'CAD', 156: 'CNY', 203: 'CZK', 208: 'DKK', 348: 'HUF', 356: 'INR', 392: 'JPY', 410: 'KRW', 484: 'MXN', 554: 'NZD',
  578: 'NOK', 702: 'SGD', 710: 'ZAR', 752: 'SEK', 756: 'CHF', 826: 'GBP', 840: 'USD', 949: 'TRY', 978: 'EUR', 985: 'PLN', 986: 'BRL',
};
/** Units of measure of the Metering cluster; bit 7 says how numbers are coded. */
const PER = ['kWh', 'm³', 'ft³', 'ccf', 'US gal', 'imp gal', 'BTU', 'l'];

export function price(amount: number, currency: number): string {
  const code = CURRENCY[currency];
  const digits = { minimumFractionDigits: 2, maximumFractionDigits: 6 };
  if (code === undefined) return `${amount.toLocaleString(undefined, digits)} (currency ${currency})`;
  return amount.toLocaleString(undefined, { ...digits, style: 'currency', currency: code });
}

export function perUnit(unit: number): string {
  return `per ${PER[unit & 0x7f] ?? `unit ${unit & 0x7f}`}`;
}
