/** Prices in the order of time, the same for those that we publish and those that come to us. */

import type { Price } from './api';

/** What a price says, whoever published it. */
export type PriceRow = Omit<Price, 'clients'>;

/** From when to when (ms) one price holds, or none does. */
export interface Step {
  from: number;
  to: number;
  held: PriceRow | null;
}

const BINARY_CODED = 0x80;

/** Prices of one provider and unit follow each other; those of another are another line. */
export function tariffOf(one: PriceRow): string {
  return `${one.radio} ${one.provider_id} ${one.unit_of_measure & ~BINARY_CODED}`;
}

const startOf = (one: PriceRow) => Date.parse(one.start);
const endOf = (one: PriceRow) => (one.end === null ? Infinity : Date.parse(one.end));

/** What holds at a moment; where two do, the newer one. */
export function heldAt(list: readonly PriceRow[], moment: number): PriceRow | null {
  let best: PriceRow | null = null;
  for (const one of list) if (startOf(one) <= moment && moment < endOf(one) && (best === null || one.issuer_event_id > best.issuer_event_id)) best = one;
  return best;
}

/** Steps from one time to another, without a break: where no price holds is a step too. */
export function stepsOf(list: readonly PriceRow[], from: number, to: number): Step[] {
  const edges = new Set([from, to]);
  for (const one of list) for (const edge of [startOf(one), endOf(one)]) if (from < edge && edge < to) edges.add(edge);
  const corners = [...edges].sort((a, b) => a - b);
  const steps: Step[] = [];
  corners.slice(0, -1).forEach((corner, index) => {
    const held = heldAt(list, corner);
    const until = corners[index + 1] ?? to;
    const before = steps.at(-1);
    if (before && before.held === held) before.to = until;
    else steps.push({ from: corner, to: until, held });
  });
  return steps;
}
