/** What states are called, the same everywhere. */
import type { Availability, Device, Importance, ItemState, LoadClass, Position, Stage } from './api';

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

export const IMPORTANCE: Record<Importance, string> = {
  low: 'Low',
  medium: 'Medium',
  high: 'High',
  critical: 'Critical',
};

/** Smart Energy's names of how urgent an event is; 10 to 15 are the utility's own. */
const CRITICALITY: Record<number, string> = { 1: 'green', 7: 'emergency', 8: 'planned outage', 9: 'service disconnect' };

export function criticalityWords(level: number): string {
  const name = CRITICALITY[level] ?? (level < 7 ? `voluntary ${level - 1}` : `utility ${level - 9}`);
  return `${level} (${name})`;
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
