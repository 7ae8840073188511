/** What states are called, the same everywhere. */
import type { Availability, Device, Position } from './api';

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

export function positionOf(device: Device): Position {
  return device.breaker?.position ?? 'unknown';
}
