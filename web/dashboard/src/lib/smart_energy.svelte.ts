/**
 * Demand response events, prices and messages while a page shows them: read once, and read again when the hub says so.
 *
 * The websocket tells what changed, not how; a burst of changes is one reading.
 */

import type { DemandEvent, Message, Price } from './api';
import { api, Problem } from './api';
import { live } from './live.svelte';

const GATHER_MS = 120;
/** What begins or ends without an event of its own is read again at least so often. */
const AGAIN_MS = 30_000;
const KINDS = ['price', 'message', 'drlc'] as const;
type Kind = (typeof KINDS)[number];

class SmartEnergy {
  /** Radios that serve Smart Energy devices; null: not known yet. */
  radios = $state.raw<readonly string[] | null>(null);
  prices = $state.raw<readonly Price[]>([]);
  current = $state.raw<readonly Price[]>([]);
  messages = $state.raw<readonly Message[]>([]);
  events = $state.raw<readonly DemandEvent[]>([]);
  problem = $state('');

  readonly #dirty = new Set<Kind>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #reading = false;

  /** Follow the hub; returns how to stop that. */
  follow(): () => void {
    const stop = live.onSmartEnergy((kind) => {
      if ((KINDS as readonly string[]).includes(kind)) this.#look(kind as Kind);
    });
    const timer = setInterval(() => {
      if (!document.hidden && live.link === 'connected') this.look();
    }, AGAIN_MS);
    return () => {
      stop();
      clearInterval(timer);
      clearTimeout(this.#timer);
      this.#timer = undefined;
    };
  }

  /** Read everything again. */
  look(): void {
    this.#look(...KINDS);
  }

  #look(...kinds: Kind[]): void {
    for (const kind of kinds) this.#dirty.add(kind);
    if (this.#timer === undefined && !this.#reading) this.#timer = setTimeout(() => void this.#read(), GATHER_MS);
  }

  async #read(): Promise<void> {
    this.#timer = undefined;
    this.#reading = true;
    const kinds = [...this.#dirty];
    this.#dirty.clear();
    try {
      const able: string[] = [];
      const found = { prices: [] as Price[], current: [] as Price[], messages: [] as Message[], events: [] as DemandEvent[] };
      // A radio that is away may be able to; the hub knows what it was.
      for (const network of live.networks.filter((one) => one.role !== 'aux_gateway' && (one.can.aps_encryption || one.state !== 'up'))) {
        const radio = network.radio;
        try {
          if (kinds.includes('price')) {
            const [prices, current] = await Promise.all([api.prices(radio), api.currentPrices(radio)]);
            found.prices.push(...prices);
            found.current.push(...current);
          }
          if (kinds.includes('message')) found.messages.push(...(await api.messages(radio)));
          if (kinds.includes('drlc')) found.events.push(...(await api.demandEvents(radio)));
          able.push(radio);
        } catch (error) {
          // not served by this hub: it takes APS encryption, and the role of the energy service interface
          if (!(error instanceof Problem) || (error.status !== 404 && error.status !== 409)) throw error;
        }
      }
      if (kinds.includes('price')) [this.prices, this.current] = [kept(this.prices, found.prices), kept(this.current, found.current)];
      if (kinds.includes('message')) this.messages = kept(this.messages, found.messages);
      if (kinds.includes('drlc')) this.events = kept(this.events, found.events);
      this.radios = kept(this.radios ?? [], able);
      this.problem = '';
    } catch (error) {
      this.problem = error instanceof Problem ? error.message : String(error);
    } finally {
      this.#reading = false;
      if (this.#dirty.size) this.#look(...this.#dirty);
    }
  }
}

/** What was, where what is says the same: nothing is drawn anew for nothing. */
function kept<T>(before: readonly T[], after: readonly T[]): readonly T[] {
  return JSON.stringify(before) === JSON.stringify(after) ? before : after;
}

export const smartEnergy = new SmartEnergy();
