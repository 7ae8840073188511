/** What the hub said of a form, at the field that it is of. */

import { Problem } from './api';

/** The standard's names in answers, and the fields that people fill in. */
const FIELD: Record<string, string> = {
  message: 'text',
  start_time: 'start',
  device_class: 'device_classes',
  cooling_offset: 'cooling_offset_c',
  heating_offset: 'heating_offset_c',
  cooling_set_point: 'cooling_set_point_c',
  heating_set_point: 'heating_set_point_c',
  load_adjustment: 'load_adjustment_percent',
  duty_cycle: 'duty_cycle_percent',
};

/** Its value is the standard's seconds, which nobody has typed. */
const SECONDS = 'start_time';

export class Refusal {
  /** By field. */
  at = $state.raw<Readonly<Record<string, string>>>({});
  /** What is of no field here. */
  whole = $state('');

  clear(): void {
    this.at = {};
    this.whole = '';
  }

  /** Take what was thrown; `fields` are those of the form. */
  take(error: unknown, fields: readonly string[]): void {
    this.clear();
    if (!(error instanceof Problem)) {
      this.whole = String(error);
      return;
    }
    const at: Record<string, string> = {};
    for (const one of error.errors) {
      const said = one.field.split(/[.[]/)[0] ?? '';
      const field = FIELD[said] ?? said;
      if (fields.includes(field)) at[field] = `${one.value === undefined || said === SECONDS ? 'Not that' : `Not ${one.value}`}: allowed is ${one.allowed}.`;
    }
    this.at = at;
    if (Object.keys(at).length === 0) this.whole = error.message;
  }
}
