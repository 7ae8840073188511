/**
 * Demand response events, prices and messages, of both roles: what we publish, and what a utility has sent us.
 *
 * The websocket tells what changed, not how; a burst of changes is one reading. What begins or ends is read again then.
 */

import type { DemandEvent, Message, Price, Received } from './api';
import { api, Problem } from './api';
import { live } from './live.svelte';

const GATHER_MS = 120;
/** What begins or ends without an event of its own is read again at least so often. */
const AGAIN_MS = 30_000;
/** The hub looks once a second what begins and ends; this page's clock may go a little before. */
const BEHIND_MS = 1500;
const KINDS = ['price', 'message', 'drlc'] as const;
type Kind = (typeof KINDS)[number];

const NOTHING: Received = { events: [], prices: [], messages: [] };

class SmartEnergy {
  /** Radios that serve Smart Energy devices; null: not known yet. */
  radios = $state.raw<readonly string[] | null>(null);
  /** Radios on whose network an energy service interface serves us. */
  clients = $state.raw<readonly string[]>([]);
  prices = $state.raw<readonly Price[]>([]);
  messages = $state.raw<readonly Message[]>([]);
  events = $state.raw<readonly DemandEvent[]>([]);
  received = $state.raw<Received>(NOTHING);
  problem = $state('');

  /** The utility's clock less this one's, in ms, where the hub goes by that: its times are meant so. */
  get shift(): number {
    const clock = live.networks.find((one) => one.role === 'aux_gateway' && one.clock?.followed)?.clock;
    return clock ? clock.offset_s * 1000 : 0;
  }

  readonly #dirty = new Set<Kind>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #next: ReturnType<typeof setTimeout> | undefined;
  #reading = false;

  /** Follow the hub; returns how to stop that. */
  follow(): () => void {
    const stop = live.onSmartEnergy((kind) => {
      if ((KINDS as readonly string[]).includes(kind)) this.#look(kind as Kind);
    });
    return () => {
      stop();
      clearTimeout(this.#timer);
      clearTimeout(this.#next);
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
      const clients = live.networks.filter((one) => one.role === 'aux_gateway').map((one) => one.radio);
      const [able, received] = await Promise.all([this.#ours(kinds), clients.length ? api.received() : NOTHING]);
      this.received = kept(this.received, received);
      this.clients = kept(this.clients, clients);
      this.radios = kept(this.radios ?? [], able);
      this.problem = '';
    } catch (error) {
      this.problem = error instanceof Problem ? error.message : String(error);
    } finally {
      this.#reading = false;
      this.#again();
      if (this.#dirty.size) this.#look(...this.#dirty);
    }
  }

  /** Read what we publish; the radios that can. */
  async #ours(kinds: readonly Kind[]): Promise<string[]> {
    const able: string[] = [];
    const found = { prices: [] as Price[], messages: [] as Message[], events: [] as DemandEvent[] };
    // A radio that is away may be able to; the hub knows what it was.
    for (const network of live.networks.filter((one) => one.role !== 'aux_gateway' && (one.can.aps_encryption || one.state !== 'up'))) {
      const radio = network.radio;
      try {
        if (kinds.includes('price')) found.prices.push(...(await api.prices(radio)));
        if (kinds.includes('message')) found.messages.push(...(await api.messages(radio)));
        if (kinds.includes('drlc')) found.events.push(...(await api.demandEvents(radio)));
        able.push(radio);
      } catch (error) {
        // not served by this hub: it takes APS encryption, and the role of the energy service interface
        if (!(error instanceof Problem) || (error.status !== 404 && error.status !== 409)) throw error;
      }
    }
    if (kinds.includes('price')) this.prices = kept(this.prices, found.prices);
    if (kinds.includes('message')) this.messages = kept(this.messages, found.messages);
    if (kinds.includes('drlc')) this.events = kept(this.events, found.events);
    return able;
  }

  /** Look again when something begins or ends, and in any case after a while. */
  #again(): void {
    const now = Date.now();
    const edgesOf = (items: readonly { start: string; end: string | null }[], shift: number) =>
      items.flatMap((one) => [one.start, one.end]).map((edge) => (edge === null ? Infinity : Date.parse(edge) - shift));
    const { prices, messages, events } = this.received;
    const edges = [...edgesOf([...this.prices, ...this.messages, ...this.events], 0), ...edgesOf([...prices, ...messages, ...events], this.shift)];
    const next = Math.min(now + AGAIN_MS, ...edges.filter((edge) => edge > now).map((edge) => edge + BEHIND_MS));
    clearTimeout(this.#next);
    this.#next = setTimeout(() => {
      if (document.hidden || live.link !== 'connected') this.#again();
      else this.look();
    }, next - now);
  }
}

/** What was, where what is says the same: nothing is drawn anew for nothing. */
function kept<T>(before: T, after: T): T {
  return JSON.stringify(before) === JSON.stringify(after) ? before : after;
}

export const smartEnergy = new SmartEnergy();
