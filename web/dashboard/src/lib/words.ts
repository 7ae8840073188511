/** What states are called, the same everywhere. */
import type { Availability, DemandEvent, Device, Importance, ItemState, LoadClass, MessageShown, MessageState, Position, ReceivedEvent, Stage } from './api';

export const POSITION: Record<Position, string> = {
  open: 'Open',
  closed: 'Closed',
  mismatch: 'Feedback mismatch',
  unknown: 'Position unknown',
};

export const POSITION_MEANS: Record<Position, string> = {
  open: 'no power flows',
  closed: 'power can flow',
  mismatch: 'the contacts are not where the last command put them: tripped or stuck',
  unknown: 'not heard yet',
};

export const AVAILABILITY: Record<Availability, string> = {
  available: 'Available',
  unavailable: 'Not answering',
  no_key: 'No key',
  key_expired: 'Key expired',
};

export const KIND: Record<Device['kind'], string> = {
  breaker: 'Breaker',
  plug: 'Plug',
  switch: 'Switch',
  light: 'Light',
  meter: 'Meter',
  thermostat: 'Thermostat',
  sensor: 'Sensor',
  remote: 'Remote',
  router: 'Router',
  display: 'Display',
  load_control: 'Load control',
  energy_service: 'Energy service',
  other: 'Other device',
};

/** What the hub is on a network that has link keys. */
export const ROLE: Record<string, string> = {
  esi_coordinator: 'trust centre',
  esi_router: 'router, energy service',
  aux_gateway: 'in-premise display',
};

export const STEP: Record<string, string> = {
  announce: 'Announced itself',
  match_descriptor: 'Asked for Smart Energy',
  node_descriptor: 'What it is',
  power_descriptor: 'How it is powered',
  active_endpoints: 'Its endpoints',
  simple_descriptor: 'What an endpoint can do',
  basic: 'Maker and model',
  attributes: 'What it measures',
  reporting: 'What it will report',
  done: 'Ready',
};

/** How far a device has come, in order. */
export const STAGES: readonly Stage[] = ['registered', 'announced', 'authenticated', 'interviewed', 'active'];

export const STAGE: Record<Stage, string> = {
  registered: 'Registered',
  announced: 'Announced',
  authenticated: 'Authenticated',
  interviewed: 'Interviewed',
  active: 'Active',
};

/** The further of two stages. */
export function further(one: Stage, other: Stage): Stage {
  return STAGES.indexOf(one) >= STAGES.indexOf(other) ? one : other;
}

/** Link quality, 0 to 255, in words. */
export function quality(lqi: number | undefined): string {
  if (lqi === undefined) return '';
  return lqi >= 170 ? 'strong' : lqi >= 90 ? 'fair' : 'weak';
}

export function gestureWords(gesture: string, value: number | null): string {
  const name = gesture.replaceAll('_', ' ');
  if (value === null) return name;
  return gesture.startsWith('rotate') ? `${name} ${Math.round(value)}°` : gesture === 'level' || gesture.startsWith('step') ? `${name} ${value} %` : `${name} ${value}`;
}

export function positionOf(device: Device): Position {
  return device.breaker?.position ?? 'unknown';
}

export const LOAD_CLASS: Record<LoadClass, string> = {
  hvac: 'Heating and cooling',
  strip_heater: 'Strip heater',
  water_heater: 'Water heater',
  pool_pump: 'Pool pump',
  smart_appliance: 'Smart appliance',
  irrigation_pump: 'Irrigation pump',
  commercial_load: 'Commercial load',
  simple_load: 'Simple load',
  exterior_lighting: 'Exterior lighting',
  interior_lighting: 'Interior lighting',
  ev: 'Electric vehicle',
  generation: 'Generation',
};

export const ITEM_STATE: Record<ItemState, string> = {
  scheduled: 'Scheduled',
  running: 'Running',
  over: 'Over',
  cancelled: 'Cancelled',
};

export const MESSAGE_STATE: Record<MessageState, string> = { ...ITEM_STATE, replaced: 'Replaced' };

export const MESSAGE_SHOWN: Record<MessageShown, string> = {
  waiting: 'Scheduled',
  shown: 'Shown now',
  over: 'Over',
  replaced: 'Replaced',
  cancelled: 'Taken away',
};

export const IMPORTANCE: Record<Importance, string> = {
  low: 'Low',
  medium: 'Medium',
  high: 'High',
  critical: 'Critical',
};

/** Smart Energy's names of how urgent an event is; 10 to 15 are the utility's own. */
const CRITICALITY: Record<number, string> = { 1: 'green', 7: 'emergency', 8: 'planned outage', 9: 'service disconnect' };

export function levelWords(level: number): string {
  return CRITICALITY[level] ?? (level < 7 ? `voluntary ${level - 1}` : `utility ${level - 9}`);
}

export function criticalityWords(level: number): string {
  return `${level} (${levelWords(level)})`;
}

/** Levels that nobody may opt out of. */
export function isMandatory(level: number): boolean {
  return level >= 7 && level <= 9;
}

/** The loads of an event, by name. */
export function loadsOf(event: { device_classes: readonly LoadClass[] }): string {
  return event.device_classes.map((one) => LOAD_CLASS[one]).join(', ') || 'No class';
}

type Asks = Pick<
  DemandEvent,
  'cooling_offset_c' | 'heating_offset_c' | 'cooling_set_point_c' | 'heating_set_point_c' | 'load_adjustment_percent' | 'duty_cycle_percent'
>;

/** What an event asks of loads, as far as it says. */
export function asksOf(event: Asks): { name: string; amount: string }[] {
  const asks: [string, number | null, string][] = [
    ['Cooling offset', event.cooling_offset_c, '°C'],
    ['Heating offset', event.heating_offset_c, '°C'],
    ['Cooling set point', event.cooling_set_point_c, '°C'],
    ['Heating set point', event.heating_set_point_c, '°C'],
    ['Load adjustment', event.load_adjustment_percent, '%'],
    ['Duty cycle', event.duty_cycle_percent, '%'],
  ];
  return asks.flatMap(([name, amount, unit]) => (amount === null ? [] : [{ name, amount: `${amount.toLocaleString()} ${unit}` }]));
}

/** How an event is drawn on a line of time. */
export type Look = 'scheduled' | 'running' | 'out' | 'over' | 'cancelled' | 'superseded';

export function lookOfOurs(event: DemandEvent): Look {
  return event.superseded_by !== null && event.state !== 'cancelled' ? 'superseded' : event.state;
}

export function lookOfReceived(event: ReceivedEvent): Look {
  if (event.state !== 'over') return event.opted_out ? 'out' : event.state;
  return event.status === 'cancelled' || event.status === 'superseded' ? event.status : 'over';
}

/** Statuses of an event whose names say too little by themselves. */
const STATUS: Record<string, string> = {
  partial_opted_out: 'ended early by its user',
  partial_opted_in: 'joined late by its user',
  no_participation: 'did not take part',
  not_found: 'did not find it',
  rejected_cancel: 'rejected: cancelled wrongly',
  rejected_effective_time: 'rejected: wrong time',
  rejected_expired: 'rejected: came too late',
  rejected_undefined: 'rejected: not known there',
};

export function statusWords(status: string): string {
  return STATUS[status] ?? status.replaceAll('_', ' ');
}

/** A status or field of the API, as a word. */
export function sentenceCase(name: string): string {
  const text = name.replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}
