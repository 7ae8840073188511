/** Where marks stand on axes: whole hours of this place on a line of time, round numbers on a scale. */

const HOUR_MS = 3_600_000;
const STEPS_H = [0.5, 1, 2, 3, 6, 12, 24, 48, 96, 168];
/** Of what a step between round numbers may be, in powers of ten. */
const ROUND = [1, 2, 2.5, 5, 10];
/** Halves of a step: what lies so near to a mark is that mark, however it was computed. */
const SLACK = 1e-9;

/** At most so many whole hours (or halves, or days) from one time to another. */
export function hourTicks(from: number, to: number, most: number): number[] {
  const hours = STEPS_H.find((one) => (to - from) / (one * HOUR_MS) <= Math.max(2, most)) ?? (to - from) / HOUR_MS;
  const step = hours * HOUR_MS;
  const shift = new Date(from).getTimezoneOffset() * 60_000; // whole hours of this place, not of UTC
  const found: number[] = [];
  for (let time = Math.ceil((from - shift) / step) * step + shift; time < to; time += step) found.push(time);
  return found;
}

/** Round numbers from below `low` to above `high`, some `count` of them. */
export function roundTicks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = (ROUND.find((one) => one * power >= rough - SLACK * power) ?? 10) * power;
  const found: number[] = [];
  for (let index = Math.floor(low / step + SLACK); index <= Math.ceil(high / step - SLACK); index += 1) found.push(index * step);
  return found;
}

/** How a word of this width stands at its place without leaving the line. */
export function anchorAt(x: number, width: number, word: number): 'start' | 'middle' | 'end' {
  return x < word / 2 ? 'start' : width - x < word / 2 ? 'end' : 'middle';
}
