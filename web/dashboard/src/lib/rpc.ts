/**
 * RPC requests as forms, as JSON, as XML, and as commands of a shell: what is sent is made here from what was typed,
 * and is checked by the hub alone.
 */

import type { RpcInfo, RpcParameter, RpcRecordInfo, RpcRequestInfo } from './api';

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type Notation = 'xml' | 'json';

/** Stands for a key or a code wherever a request is kept or copied. */
export const HIDDEN = '(hidden)';
const LIST = 'list of ';
/** Options of hubctl itself, of which a parameter of an added module may have the name. */
const HUBCTLS = new Set(['async', 'xml', 'json', 'help']);
const DOCUMENT = ['<rci_request version="1.1">', '  <do_command target="RPC_request">', '  </do_command>', '</rci_request>'] as const;

/** What of a form is filled in: text, a record's or dict's entries, a list's items. */
export interface Entry {
  param: RpcParameter;
  kind: 'text' | 'flag' | 'choice' | 'record' | 'list';
  text: string;
  /** Of a record that may be missing; of a flag: whether it is there. */
  given: boolean;
  /** Class of the record. */
  record: string;
  fields: Entry[];
  items: Entry[];
}

/** A form for parameters; a record has fields as its class has, a list begins without items. */
export function entriesOf(params: readonly RpcParameter[], records: ReadonlyMap<string, RpcRecordInfo>): Entry[] {
  return params.filter((param) => !param.answer_only).map((param) => entryOf(param, records));
}

export function entryOf(param: RpcParameter, records: ReadonlyMap<string, RpcRecordInfo>): Entry {
  const entry: Entry = { param, kind: 'text', text: '', given: param.required, record: '', fields: [], items: [] };
  const record = param.records?.[0];
  if (param.type.startsWith(LIST)) entry.kind = 'list';
  else if (record !== undefined && records.has(record)) {
    entry.kind = 'record';
    setRecord(entry, record, records);
  } else if (param.type === 'none') entry.kind = 'flag';
  else if (param.values || param.type === 'bool') entry.kind = 'choice';
  return entry;
}

export function setRecord(entry: Entry, name: string, records: ReadonlyMap<string, RpcRecordInfo>): void {
  entry.record = name;
  entry.fields = entriesOf(records.get(name)?.fields ?? [], records);
}

/** What an item of a list is. */
export function itemOf(list: RpcParameter): RpcParameter {
  const type = list.type.slice(LIST.length);
  return { name: 'item', type, meaning: '', required: true, allowed: type, ...(list.records ? { records: list.records } : {}) };
}

/** Chapters as people call them. */
export const chapterTitle = (chapter: string): string => chapter.replace(' Requests/Responses', '').replace(/^SE: /, 'Smart Energy: ');

// -- what was typed, as JSON -------------------------------------------------------------------------------------------

const isWhole = (text: string) => /^[+-]?(0x[0-9a-f]+|\d+)$/i.test(text);

/** The parameters that are given; what is empty is left out. `hides`: keys and codes are not in it. */
export function valuesOf(entries: readonly Entry[], hides = false): { [name: string]: Json } {
  const found: { [name: string]: Json } = {};
  for (const entry of entries) {
    const value = valueOf(entry, hides);
    if (value !== undefined) found[entry.param.name] = value;
  }
  return found;
}

function valueOf(entry: Entry, hides: boolean): Json | undefined {
  switch (entry.kind) {
    case 'flag':
      return entry.given ? null : undefined;
    case 'record': {
      if (!entry.given) return undefined;
      const fields = valuesOf(entry.fields, hides);
      return (entry.param.records?.length ?? 0) > 1 ? { type: entry.record, ...fields } : fields;
    }
    case 'list':
      if (entry.items.length === 0 && !entry.param.required) return undefined;
      return entry.items.map((item) => valueOf(item, hides) ?? null);
  }
  if (entry.text.trim() === '') return undefined;
  return entry.param.secret && hides ? HIDDEN : typed(entry.param.type, entry.text);
}

/** Text as the parameter takes it; what fits nothing goes as text, and the hub says what is allowed. */
function typed(type: string, text: string): Json {
  const plain = text.trim();
  const isAny = type.startsWith('any');
  const takes = (kind: string) => isAny || type.split(/, | or /).includes(kind);
  if (/^(true|false)$/i.test(plain) && takes('bool')) return plain.toLowerCase() === 'true';
  // From 2^53 on a number of JavaScript is not the one that was typed. Digits without 0x may be those of a key.
  if (isWhole(plain) && takes('int') && (isAny || !takes('base16'))) {
    const number = Number(plain.replace('+', ''));
    return Number.isSafeInteger(number) ? number : plain;
  }
  if (takes('float') && plain !== '' && Number.isFinite(Number(plain)) && !isWhole(plain)) return Number(plain);
  if (/^[[{]/.test(plain) && (type === 'any type' || takes('dict') || takes('list') || type.includes('record'))) {
    try {
      return JSON.parse(plain) as Json;
    } catch {
      return text;
    }
  }
  return text;
}

/** A form filled in with values that were sent before. */
export function fill(entries: readonly Entry[], values: { [name: string]: Json }, records: ReadonlyMap<string, RpcRecordInfo>): void {
  for (const entry of entries) {
    const value = values[entry.param.name];
    if (value !== undefined) fillOne(entry, value, records);
  }
}

function fillOne(entry: Entry, value: Json, records: ReadonlyMap<string, RpcRecordInfo>): void {
  entry.given = true;
  if (entry.kind === 'list' && Array.isArray(value)) {
    entry.items = value.map((one) => {
      const item = entryOf(itemOf(entry.param), records);
      fillOne(item, one, records);
      return item;
    });
  } else if (entry.kind === 'record' && isObject(value)) {
    if (typeof value['type'] === 'string' && records.has(value['type'])) setRecord(entry, value['type'], records);
    fill(entry.fields, value, records);
  } else if (value !== HIDDEN) {
    entry.text = typeof value === 'string' ? value : typeof value === 'boolean' ? (value ? 'TRUE' : 'FALSE') : value === null ? '' : JSON.stringify(value);
  }
}

function isObject(value: Json | undefined): value is { [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// -- as XML ------------------------------------------------------------------------------------------------------------

const escape = (text: string) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
const SIMPLE = ['int', 'bool', 'float', 'string', 'MAC', 'base16', 'base64'];

/** A request in its envelope. */
export function asXml(request: RpcRequestInfo, values: { [name: string]: Json }, waits: boolean, info: RpcInfo): string {
  const records = new Map(info.records.map((one) => [one.name, one]));
  const params = new Map(request.parameters.map((one) => [one.name, one]));
  const free = request.free_name ? request.parameters[0] : undefined;
  const inside = Object.entries(values).flatMap(([name, value]) => element(name, value, params.get(name) ?? free, records, '      '));
  const opening = `${request.name}${waits ? ' synchronous="TRUE"' : ''}`;
  const lines = inside.length ? [`    <${opening}>`, ...inside, `    </${request.name}>`] : [`    <${opening}/>`];
  return [DOCUMENT[0], DOCUMENT[1], ...lines, DOCUMENT[2], DOCUMENT[3]].join('\n');
}

function element(name: string, value: Json, param: RpcParameter | undefined, records: ReadonlyMap<string, RpcRecordInfo>, before: string): string[] {
  const deeper = `${before}  `;
  if (value === null) return [`${before}<${name}/>`];
  if (Array.isArray(value)) {
    const item = param?.type.startsWith(LIST) ? itemOf(param) : undefined;
    return around(name, 'list', value.flatMap((one) => element('item', one, item, records, deeper)), before);
  }
  if (isObject(value)) {
    const kind = value['type'];
    if (typeof kind === 'string' && 'value' in value && Object.keys(value).length === 2) return [`${before}<${name} type="${escape(kind)}">${kind === 'xml' ? String(value['value']) : escape(String(value['value']))}</${name}>`];
    const named = typeof kind === 'string' ? kind : param?.records?.length === 1 ? param.records[0] : undefined;
    const fields = new Map((named !== undefined ? records.get(named)?.fields : undefined)?.map((one) => [one.name, one]));
    const inside = Object.entries(value).filter(([key]) => key !== 'type' || named === undefined);
    return around(name, named ?? 'dict', inside.flatMap(([key, one]) => element(key, one, fields.get(key), records, deeper)), before);
  }
  const type = param?.type ?? '';
  if (type === 'xml') return [`${before}<${name} type="xml">${String(value)}</${name}>`];
  if (typeof value === 'number' && Number.isInteger(value) && type !== 'float') return [`${before}<${name} type="int">${value < 0 ? '-' : ''}0x${Math.abs(value).toString(16)}</${name}>`];
  const text = typeof value === 'boolean' ? (value ? 'TRUE' : 'FALSE') : escape(String(value));
  // Where several types are possible the text says by itself what it is.
  const told = typeof value === 'boolean' ? 'bool' : SIMPLE.includes(type) ? type : '';
  return [`${before}<${name}${told ? ` type="${told}"` : ''}>${text}</${name}>`];
}

function around(name: string, type: string, inside: string[], before: string): string[] {
  const opening = `${before}<${name} type="${escape(type)}"`;
  return inside.length ? [`${opening}>`, ...inside, `${before}</${name}>`] : [`${opening}/>`];
}

// -- as commands -------------------------------------------------------------------------------------------------------

const quoted = (text: string) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

export function asCurl(request: RpcRequestInfo, values: { [name: string]: Json }, notation: Notation, waits: boolean, info: RpcInfo): string {
  if (notation === 'xml') return `curl -s --user "utility:$TOKEN" ${location.origin}/UE/rci --data ${quoted(asXml(request, values, waits, info))}`;
  return `curl -s -H "Authorization: Bearer $TOKEN" ${quoted(`${location.origin}/api/v1/rpc/${request.name}${waits ? '' : '?async'}`)} --json ${quoted(JSON.stringify(values))}`;
}

export function asHubctl(request: RpcRequestInfo, values: { [name: string]: Json }, waits: boolean): string {
  const words = ['hubctl', 'rpc', request.name];
  // A record's fields are options where a request has one record.
  const flat = request.parameters.filter((one) => one.records?.length === 1 && !one.type.startsWith(LIST));
  const own = new Set(request.parameters.map((one) => one.name));
  const say = (name: string, value: Json): void => {
    const plain = name.toLowerCase().replaceAll('_', '-');
    const option = HUBCTLS.has(plain) ? `--parameter-${plain}` : `--${plain}`;
    if (value === null) words.push(option);
    else if (Array.isArray(value)) for (const one of value) words.push(option, word(one));
    else words.push(option, word(value));
  };
  for (const [name, value] of Object.entries(values)) {
    if (request.free_name && name !== 'request_identifier') words.push(quoted(name), ...(value === null ? [] : [word(value)]));
    else if (flat.length === 1 && flat[0]?.name === name && isObject(value) && Object.keys(value).length && Object.keys(value).every((key) => !own.has(key)))
      for (const [key, one] of Object.entries(value)) say(key, one);
    else say(name, value);
  }
  if (!waits) words.push('--async');
  return words.join(' ');
}

const word = (value: Json): string => quoted(typeof value === 'string' ? value : typeof value === 'boolean' ? (value ? 'TRUE' : 'FALSE') : JSON.stringify(value));
