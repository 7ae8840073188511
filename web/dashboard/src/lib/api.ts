/** The hub's JSON, by the types that its own OpenAPI document gives (`schema.d.ts`, made by every build), and calls. */

import type { components } from './schema';

type Schemas = components['schemas'];
export type Position = Schemas['Position'];
export type Availability = Schemas['Availability'];
export type Device = Schemas['Device'];
export type Command = Schemas['Command'];
export type House = Schemas['House'];
export type Radio = Schemas['Radio'];
export type Storage = Schemas['Storage'];
export type Key = Schemas['Key'];
export type Point = Schemas['Point'];
export type Readings = Device['readings'];
export type Channel = Schemas['Channel'];
export type Event =
  | Schemas['Snapshot']
  | Schemas['ReadingsTakenMessage']
  | Schemas['HouseChangedMessage']
  | Schemas['DeviceAddedMessage']
  | Schemas['DeviceChangedMessage']
  | Schemas['DeviceRemovedMessage']
  | Schemas['BreakerChangedMessage']
  | Schemas['CommandChangedMessage']
  | Schemas['KeyChangedMessage']
  | Schemas['RadioChangedMessage']
  | Schemas['StorageChangedMessage'];

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
