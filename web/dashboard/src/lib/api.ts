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
export type Network = Schemas['Network'];
export type BackupState = Schemas['BackupState'];
export type ZigbeeDevice = Schemas['ZigbeeDevice'];
export type Attribute = Schemas['Attribute'];
export type PlacedAttribute = Schemas['PlacedAttribute'];
export type Reporting = Schemas['Reporting'];
export type Topology = Schemas['Topology'];
export type EnergyScan = Schemas['EnergyScan'];
export type Stage = Schemas['Stage'];
export type NewDevice = Schemas['NewDevice'];
export type DemandEvent = Schemas['DrlcEvent'];
export type NewDemandEvent = Partial<Schemas['NewEvent']> & Pick<Schemas['NewEvent'], 'device_classes' | 'duration_min'>;
export type LoadClass = Schemas['Class'];
export type ItemState = Schemas['ItemState'];
export type MessageState = Schemas['MessageState'];
export type ItemClient = Schemas['ItemClient'];
export type Price = Schemas['Price'];
export type Message = Schemas['Message'];
export type Received = Schemas['Received'];
export type ReceivedEvent = Schemas['ReceivedEvent'];
export type ReceivedPrice = Schemas['ReceivedPrice'];
export type ReceivedMessage = Schemas['ReceivedMessage'];
export type MessageShown = Schemas['MessageShown'];
export type NewMessage = Partial<Schemas['NewMessage']> & Pick<Schemas['NewMessage'], 'text'>;
export type Importance = Schemas['NewMessage']['importance'];
export type Cancelled = Schemas['Cancelled'];
export type FieldError = Schemas['FieldError'];
export type RpcInfo = Schemas['RpcInfo'];
export type RpcRequestInfo = Schemas['RequestInfo'];
export type RpcRecordInfo = Schemas['RecordInfo'];
/** What a form is made of; `takes` says the same for programs that check before they send. */
export type RpcParameter = Omit<Schemas['ParameterInfo'], 'takes'>;
export type RpcResponse = Schemas['RpcResponse'];
export type RpcHeard = Schemas['RpcResponseMessage'];
export type Progress = Schemas['InterviewProgressMessage'];
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
  | Schemas['StorageChangedMessage']
  | Schemas['NetworkChangedMessage']
  | Schemas['BackupChangedMessage']
  | Schemas['DeviceAnnouncedMessage']
  | Schemas['DeviceAuthenticatedMessage']
  | Schemas['InterviewProgressMessage']
  | Schemas['AttributesReportedMessage']
  | Schemas['GestureMadeMessage']
  | Schemas['DeviceLeftMessage']
  | Schemas['TopologyScannedMessage']
  | Schemas['IdentifyRequestedMessage']
  | Schemas['SmartEnergyChangedMessage'];

/** An answer that is not what was asked for: problem+json (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    detail: string,
    readonly command: Command | null,
    /** The values that are wrong, by their fields. */
    readonly errors: readonly FieldError[] = [],
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
  let problem: { title?: string; detail?: string; command?: Command; errors?: FieldError[] } = {};
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
    problem.errors ?? [],
  );
}

/** An answer as it came: status, text, and how long it took. */
export interface Raw {
  status: number;
  text: string;
  ms: number;
}

/** A request whose answer is shown as it is, whatever it says. */
export async function raw(path: string, type: string, body: string): Promise<Raw> {
  const begun = performance.now();
  try {
    const answer = await fetch(path, { method: 'POST', credentials: 'same-origin', headers: { 'Content-Type': type }, body });
    return { status: answer.status, text: await answer.text(), ms: performance.now() - begun };
  } catch {
    throw new Problem(0, 'Hub not reachable', 'The hub does not answer. Nobody knows whether the request was done.', null);
  }
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
  switch: (id: string, action: 'on' | 'off' | 'toggle') => call<Command>('POST', `/api/v1/devices/${device(id)}/${action}`),
  level: (id: string, level_percent: number) => call<Command>('PUT', `/api/v1/devices/${device(id)}/level`, { level_percent, transition_s: 0.5 }),
  setpoint: (id: string, change: { heating_c?: number; cooling_c?: number }) => call<Command>('PUT', `/api/v1/devices/${device(id)}/setpoint`, change),
  mode: (id: string, mode: string) => call<Command>('PUT', `/api/v1/devices/${device(id)}/mode`, { mode }),
  identify: (id: string, duration_s: number) => call<Command>('POST', `/api/v1/devices/${device(id)}/identify`, { duration_s }),
  remove: (id: string, force: boolean) => call<void>('DELETE', `/api/v1/devices/${device(id)}${force ? '?force=true' : ''}`),
  zigbee: (id: string) => call<ZigbeeDevice>('GET', `/api/v1/devices/${device(id)}/zigbee`),
  interview: (id: string) => call<void>('POST', `/api/v1/devices/${device(id)}/interview`),
  read: (id: string, place: { endpoint: number; cluster: number; side: string }, attributes: number[], manufacturer?: number) =>
    call<{ attributes: Attribute[] }>('POST', `/api/v1/devices/${device(id)}/attributes/read`, { ...place, attributes, ...(manufacturer === undefined ? {} : { manufacturer }) }),
  write: (id: string, place: { endpoint: number; cluster: number; side: string }, attribute: number, value: unknown, manufacturer?: number) =>
    call<unknown>('POST', `/api/v1/devices/${device(id)}/attributes/write`, { ...place, attribute, value, ...(manufacturer === undefined ? {} : { manufacturer }) }),
  discover: (id: string, place: { endpoint: number; cluster: number; side: string }) =>
    call<{ attributes: Attribute[] }>('POST', `/api/v1/devices/${device(id)}/attributes/discover`, place),
  report: (id: string, row: { endpoint: number; cluster: number; attribute: number; min_s: number; max_s: number; change?: number; pseudo?: boolean }) =>
    call<Reporting>('PUT', `/api/v1/devices/${device(id)}/reporting`, row),
  unreport: (id: string, row: { endpoint: number; cluster: number; attribute: number }) =>
    call<void>('DELETE', `/api/v1/devices/${device(id)}/reporting?endpoint=${row.endpoint}&cluster=${row.cluster}&attribute=${row.attribute}`),
  permit: (radio: string, duration_s: number) => call<Network>('POST', `/api/v1/networks/${device(radio)}/permit-join`, { duration_s }),
  add: (radio: string, body: NewDevice) => call<ZigbeeDevice>('POST', `/api/v1/networks/${device(radio)}/devices`, body),
  topology: (radio: string) => call<Topology>('GET', `/api/v1/networks/${device(radio)}/topology`),
  scan: (radio: string) => call<Topology>('POST', `/api/v1/networks/${device(radio)}/topology`),
  energy: (radio: string) => call<EnergyScan>('POST', `/api/v1/networks/${device(radio)}/energy-scan`),
  makeBackup: (radio: string) => call<unknown>('POST', `/api/v1/radios/${device(radio)}/backups`),
  acknowledgeBackup: (radio: string) => call<unknown>('POST', `/api/v1/radios/${device(radio)}/acknowledge`),
  prices: (radio: string) => call<{ prices: Price[] }>('GET', `/api/v1/events/price?radio=${device(radio)}`).then((a) => a.prices),
  messages: (radio: string) => call<{ messages: Message[] }>('GET', `/api/v1/events/message?radio=${device(radio)}`).then((a) => a.messages),
  sendMessage: (body: NewMessage) => call<Message>('POST', '/api/v1/events/message', body),
  cancelMessage: (radio: string, id: number) => call<Cancelled>('DELETE', `/api/v1/events/message/${id}?radio=${device(radio)}`),
  demandEvents: (radio: string) => call<{ events: DemandEvent[] }>('GET', `/api/v1/events/drlc?radio=${device(radio)}`).then((a) => a.events),
  createDemandEvent: (body: NewDemandEvent) => call<DemandEvent>('POST', '/api/v1/events/drlc', body),
  cancelDemandEvent: (radio: string, id: number, randomize: boolean) =>
    call<Cancelled>('DELETE', `/api/v1/events/drlc/${id}?radio=${device(radio)}&randomize=${randomize}`),
  received: () => call<Received>('GET', '/api/v1/events/received'),
  optOut: (radio: string, id: number) => call<ReceivedEvent>('POST', `/api/v1/events/drlc/${id}/opt-out?radio=${device(radio)}`),
  optIn: (radio: string, id: number) => call<ReceivedEvent>('POST', `/api/v1/events/drlc/${id}/opt-in?radio=${device(radio)}`),
  confirmMessage: (radio: string, id: number) => call<ReceivedMessage>('POST', `/api/v1/events/message/${id}/confirm?radio=${device(radio)}`),
  rpc: () => call<RpcInfo>('GET', '/api/v1/rpc'),
  power: (id: string, from: Date) =>
    call<{ points: Point[] }>(
      'GET',
      `/api/v1/readings?device=${device(id)}&quantity=power_w&resolution=raw&from=${encodeURIComponent(from.toISOString())}`,
    ).then((a) => a.points),
};
