/** What the page "RPC" knows: the table, what has come, and what was sent from this browser. */

import type { RpcInfo, RpcRecordInfo, RpcRequestInfo, RpcResponse } from './api';
import { api, Problem } from './api';
import { live } from './live.svelte';
import { HIDDEN, type Json, type Notation } from './rpc';

const STREAM = 300;
const HISTORY = 50;
const KEY = 'heh-rpc-history';

/** A response of the stream; `number` counts up. */
export interface Heard {
  number: number;
  response: RpcResponse;
  /** The same as a reply in XML has it; null from a hub that gives none. */
  xml: string | null;
  /** Of a message: 0 debug, 1 warning, 2 error. */
  severity: number | null;
}

/** What was sent: without keys and codes. */
export interface Sent {
  id: number;
  time: number;
  request: string;
  notation: Notation;
  waits: boolean;
  values: { [name: string]: Json };
  outcome: 'ok' | 'later' | 'bad';
  ms: number;
}

class RpcConsole {
  info = $state.raw<RpcInfo | null>(null);
  problem = $state('');
  heard = $state.raw<readonly Heard[]>([]);
  paused = $state(false);
  /** Came while the stream was paused. */
  missed = $state(0);
  sent = $state.raw<readonly Sent[]>(remembered());
  notation = $state<Notation>('xml');

  #number = 0;

  readonly records = $derived<ReadonlyMap<string, RpcRecordInfo>>(new Map(this.info?.records.map((one) => [one.name, one])));
  /** Names under which keys and codes go, wherever they stand. */
  readonly #secrets = $derived<ReadonlySet<string>>(
    new Set([...(this.info?.requests.flatMap((one) => one.parameters) ?? []), ...(this.info?.records.flatMap((one) => one.fields) ?? [])].filter((one) => one.secret && one.name !== 'value').map((one) => one.name)),
  );

  requestOf(name: string): RpcRequestInfo | undefined {
    return this.info?.requests.find((one) => one.name === name);
  }

  async load(): Promise<void> {
    try {
      this.info = await api.rpc();
      this.problem = '';
    } catch (error) {
      this.problem = error instanceof Problem ? error.message : String(error);
    }
  }

  /** Hear responses as long as the page is open; returns how to stop that. */
  follow(): () => void {
    return live.onRpc(({ response, xml }) => {
      if (this.paused) {
        this.missed++;
        return;
      }
      const severity = response.parameters['severity'];
      const one = { number: ++this.#number, response, xml: xml ?? null, severity: response.response === 'message' && typeof severity === 'number' ? severity : null };
      this.heard = [one, ...this.heard].slice(0, STREAM);
    });
  }

  pause(): void {
    this.paused = !this.paused;
    this.missed = 0;
  }

  remember(one: Omit<Sent, 'id' | 'time'>): void {
    const values = this.#without(one.values) as { [name: string]: Json };
    this.sent = [{ ...one, values, time: Date.now(), id: (this.sent[0]?.id ?? 0) + 1 }, ...this.sent].slice(0, HISTORY);
    this.#keep();
  }

  forget(): void {
    this.sent = [];
    this.#keep();
  }

  /** Keys and codes within JSON and XML that somebody typed as a whole. */
  #without(value: Json): Json {
    if (Array.isArray(value)) return value.map((one) => this.#without(one));
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, this.#secrets.has(name) ? HIDDEN : this.#without(one)]));
    if (typeof value !== 'string' || !value.includes('<')) return value;
    let text = value;
    for (const name of this.#secrets) text = text.replace(new RegExp(`(<${name}\\b[^>]*>)[^<]*`, 'gi'), `$1${HIDDEN}`);
    return text;
  }

  #keep(): void {
    try {
      if (this.sent.length) localStorage.setItem(KEY, JSON.stringify(this.sent));
      else localStorage.removeItem(KEY);
    } catch {
      // a browser that keeps nothing: it is known as long as this page is
    }
  }
}

function remembered(): readonly Sent[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return Array.isArray(found) ? (found as Sent[]) : [];
  } catch {
    return [];
  }
}

export const rpcConsole = new RpcConsole();
