/** The hub's JSON, as docs/api.md and /api/v1/openapi.json describe it, and calls that give it. */

export type Position = 'open' | 'closed' | 'mismatch' | 'unknown';
export type Availability = 'available' | 'unavailable' | 'no_key' | 'key_expired';
export type Outcome = 'pending' | 'confirmed' | 'refused' | 'unknown';
export type Channel = 'total' | 'pole_0' | 'pole_1';
export type Readings = Partial<Record<Channel, Record<string, number>>>;

export interface BreakerState {
  position: Position;
  commanded: 'open' | 'closed' | null;
  changed_at: string | null;
  cause: 'discovered' | 'command' | 'unsolicited' | null;
}

export interface Device {
  id: string;
  radio: string;
  kind: string;
  name: string;
  area: string;
  manufacturer: string;
  model: string;
  address: string;
  capabilities: string[];
  availability: Availability;
  availability_detail: string;
  protected: boolean;
  first_seen: string | null;
  last_seen: string | null;
  breaker: BreakerState | null;
  readings_at: string | null;
  readings: Readings;
}

export interface Command {
  id: string;
  device_id: string;
  action: 'open' | 'close' | 'toggle' | 'led';
  requested_at: string;
  requested_by: string;
  outcome: Outcome;
  detail: string;
  position: Position | null;
  finished_at: string | null;
}

export interface House {
  power_w: number | null;
  complete: boolean;
  missing: string[];
  energy_delivered_wh: number | null;
  energy_received_wh: number | null;
  today: { energy_delivered_wh: number | null; energy_received_wh: number | null; since: string | null } | null;
  time: string | null;
}

export interface Radio {
  name: string;
  driver: string;
  state: 'starting' | 'up' | 'down';
  detail: string;
}

export interface Storage {
  state: 'ok' | 'full' | 'read_only' | 'failed';
  detail: string;
}

export interface Key {
  radio: string;
  device_id: string | null;
  state: 'valid' | 'expiring' | 'expired' | 'missing';
  expires_at: string | null;
}

export interface Point {
  time: string;
  value: number;
}

export type Event =
  | {
      event: 'snapshot';
      seq: number;
      hub: { name: string; version: string };
      devices: Device[];
      house: House;
      radios: Radio[];
      storage: Storage;
      keys: Key[];
      commands: Command[];
    }
  | { event: 'readings_taken'; seq: number; time: string; device_id: string; readings: Readings }
  | { event: 'house_changed'; seq: number; house: House }
  | { event: 'device_added' | 'device_changed'; seq: number; device: Device }
  | { event: 'device_removed'; seq: number; device_id: string }
  | {
      event: 'breaker_changed';
      seq: number;
      device_id: string;
      position: Position;
      previous: Position;
      cause: 'discovered' | 'command' | 'unsolicited';
    }
  | { event: 'command_changed'; seq: number; command: Command }
  | { event: 'key_changed'; seq: number; key: Key }
  | { event: 'radio_changed'; seq: number; radio: Radio }
  | { event: 'storage_changed'; seq: number; storage: Storage };

/** An answer that is not what was asked for: problem+json (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    detail: string,
    readonly command: Command | null,
  ) {
    super(detail);
  }
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      credentials: 'same-origin',
      headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    throw new Problem(0, 'Hub not reachable', 'The hub does not answer. Is it running, and is this device on its network?', null);
  }
  if (answer.ok) return (answer.status === 204 ? undefined : await answer.json()) as T;
  let problem: { title?: string; detail?: string; command?: Command } = {};
  try {
    problem = (await answer.json()) as typeof problem;
  } catch {
    // not JSON: a proxy in between; the status has to do
  }
  throw new Problem(
    answer.status,
    problem.title ?? `Error ${answer.status}`,
    problem.detail ?? 'The hub gave no reason.',
    problem.command ?? null,
  );
}

const device = (id: string) => encodeURIComponent(id);

export const api = {
  session: () => call<{ name: string; role: string }>('GET', '/api/v1/session'),
  login: (token: string) => call<{ name: string; role: string }>('POST', '/api/v1/login', { token }),
  logout: () => call<void>('POST', '/api/v1/logout'),
  move: (id: string, action: 'open' | 'close') => call<Command>('POST', `/api/v1/breakers/${device(id)}/${action}`),
  leds: (id: string, body: unknown) => call<Command>('PUT', `/api/v1/breakers/${device(id)}/led`, body),
  update: (id: string, change: { name?: string; area?: string; protected?: boolean }) =>
    call<Device>('PATCH', `/api/v1/devices/${device(id)}`, change),
  commands: (id: string) =>
    call<{ commands: Command[] }>('GET', `/api/v1/commands?device=${device(id)}&limit=8`).then((a) => a.commands),
  power: (id: string, from: Date) =>
    call<{ points: Point[] }>(
      'GET',
      `/api/v1/readings?device=${device(id)}&quantity=power_w&resolution=raw&from=${encodeURIComponent(from.toISOString())}`,
    ).then((a) => a.points),
};
