/**
 * Everything that the hub says, live: a websocket that gives a snapshot and then every event.
 *
 * Events are collected and applied once per frame, so that two hundred breakers at one reading a second cost one update
 * of the page per frame and not two hundred. A gap in `seq` means that something was missed: connect again.
 */

import type { Command, Device, Event, House, Key, Network, PlacedAttribute, Progress, Radio, Readings, RpcHeard, Stage, Storage, Topology, ZigbeeDevice } from './api';
import { api, Problem } from './api';
import { Ring } from './ring';
import { further } from './words';

export type Link = 'connecting' | 'connected' | 'waiting' | 'signed-out';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const TOKEN_ENDED = 4401;
const SPARK_POINTS = 300;
const NOTICES = 4;

export interface Notice {
  id: number;
  kind: 'good' | 'warn' | 'bad';
  text: string;
}

const EMPTY_HOUSE: House = {
  power_w: null,
  complete: false,
  missing: [],
  energy_delivered_wh: null,
  energy_received_wh: null,
  today: { energy_delivered_wh: null, energy_received_wh: null, since: null },
  time: null,
};

type Listener = (deviceId: string, time: number, watts: number) => void;
/** `kind` is drlc, price or message. */
type SmartEnergyListener = (kind: string) => void;
type RpcListener = (heard: RpcHeard) => void;

/** One device on its way in: what it was asked, and how far that is. */
export interface Joining {
  id: string;
  radio: string;
  isNew: boolean;
  accepted: boolean;
  stage: Stage;
  /** Null where there are no keys to be established. */
  authenticated: boolean | null;
  steps: readonly Progress[];
}
export interface Gesture {
  gesture: string;
  value: number | null;
  time: string;
}
const JOININGS = 12;

class Live {
  link = $state<Link>('connecting');
  everConnected = $state(false);
  retryInS = $state(0);
  hub = $state.raw<{ name: string; version: string }>({ name: 'home', version: '' });
  devices = $state.raw<ReadonlyMap<string, Device>>(new Map());
  house = $state.raw<House>(EMPTY_HOUSE);
  radios = $state.raw<readonly Radio[]>([]);
  storage = $state.raw<Storage>({ state: 'ok', detail: '', waiting: 0, lost: 0 });
  keys = $state.raw<readonly Key[]>([]);
  pending = $state.raw<ReadonlyMap<string, Command>>(new Map());
  notices = $state.raw<readonly Notice[]>([]);
  networks = $state.raw<readonly Network[]>([]);
  /** Devices that were registered here or announced themselves since the page was opened, newest first. */
  joinings = $state.raw<readonly Joining[]>([]);
  gestures = $state.raw<ReadonlyMap<string, Gesture>>(new Map());
  topologies = $state.raw<ReadonlyMap<string, Topology>>(new Map());
  /** The attributes that were told last, for an open device page. */
  told = $state.raw<{ id: string; attributes: readonly PlacedAttribute[] } | null>(null);
  role = $state('viewer');
  now = $state(Date.now());

  /** Recent power of each device, newest last; not reactive: who draws it redraws when its device changes. */
  readonly recent = new Map<string, Ring>();

  #socket: WebSocket | null = null;
  #seq = 0;
  #pause = FIRST_PAUSE_MS;
  #retryAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #waiting: Event[] = [];
  #scheduled = false;
  #notice = 0;
  readonly #listeners = new Set<Listener>();
  readonly #smartEnergy = new Set<SmartEnergyListener>();
  readonly #rpc = new Set<RpcListener>();

  start(): void {
    setInterval(() => {
      this.now = Date.now();
      if (this.link === 'waiting') this.retryInS = Math.max(0, Math.ceil((this.#retryAt - this.now) / 1000));
    }, 1000);
    addEventListener('online', () => this.#hurry());
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.#hurry();
    });
    void this.connect();
  }

  /** Called with each power reading as it arrives; returns how to stop that. */
  onPower(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Called when an event, a price or a message is not what it was; returns how to stop that. */
  onSmartEnergy(listener: SmartEnergyListener): () => void {
    this.#smartEnergy.add(listener);
    return () => this.#smartEnergy.delete(listener);
  }

  /** Called with each RPC response that comes to the mailbox; returns how to stop that. */
  onRpc(listener: RpcListener): () => void {
    if (this.#rpc.size === 0) this.#hearRpc();
    this.#rpc.add(listener);
    return () => {
      this.#rpc.delete(listener);
      if (this.#rpc.size === 0) this.#ask('rpc.unsubscribe');
    };
  }

  /** A command whose answer nobody waits for; what is not connected will say it when it is. */
  #ask(command: string, args: Record<string, unknown> = {}): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ id: command, command, args }));
  }

  /** In XML, too: which of both is shown may change at any time. */
  #hearRpc(): void {
    this.#ask('rpc.subscribe', { xml: true });
  }

  async connect(): Promise<void> {
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#socket = null;
    this.link = 'connecting';
    try {
      this.role = (await api.session()).role;
    } catch (error) {
      if (error instanceof Problem && error.status === 401) {
        this.link = 'signed-out';
        return;
      }
      this.#retry();
      return;
    }
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/v1/ws`);
    this.#socket = socket;
    socket.onmessage = (message) => {
      if (socket === this.#socket) this.#take(JSON.parse(String(message.data)) as Event | RpcHeard);
    };
    socket.onopen = () => {
      if (socket === this.#socket && this.#rpc.size > 0) this.#hearRpc();
    };
    socket.onclose = (closing) => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      if (closing.code === TOKEN_ENDED) this.link = 'signed-out';
      else this.#retry();
    };
  }

  say(kind: Notice['kind'], message: string): void {
    const id = ++this.#notice;
    this.notices = [...this.notices.slice(-(NOTICES - 1)), { id, kind, text: message }];
    if (kind === 'good') setTimeout(() => this.dismiss(id), 6000);
  }

  dismiss(id: number): void {
    this.notices = this.notices.filter((notice) => notice.id !== id);
  }

  nameOf(id: string): string {
    return this.devices.get(id)?.name ?? id;
  }

  /** A device was registered: it is waited for. */
  expect(device: ZigbeeDevice): void {
    const { device_id: id, radio, stage, authenticated } = device;
    this.#joins({ id, radio, isNew: true, accepted: true, stage, authenticated, steps: [] });
  }

  #joins(joining: Joining): void {
    this.joinings = [joining, ...this.joinings.filter((one) => one.id !== joining.id)].slice(0, JOININGS);
  }

  #comes(id: string, stage: Stage, authenticated: boolean | null = null): void {
    this.joinings = this.joinings.map((one) =>
      one.id === id ? { ...one, stage: further(one.stage, stage), authenticated: one.authenticated === null ? null : one.authenticated || authenticated === true } : one,
    );
  }

  /** What no event tells: how far a device was before, and what was missed while the hub was not reachable. */
  #look(id: string): void {
    api.zigbee(id).then(
      (found) => this.#comes(id, found.stage, found.authenticated),
      () => undefined, // removed meanwhile
    );
  }

  #hurry(): void {
    if (this.link === 'waiting') {
      this.#pause = FIRST_PAUSE_MS;
      void this.connect();
    }
  }

  #retry(): void {
    // Jitter, so that all the pages of a home do not come back in the same instant.
    const pause = this.#pause * (0.75 + Math.random() / 2);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
    this.#retryAt = Date.now() + pause;
    this.retryInS = Math.ceil(pause / 1000);
    this.link = 'waiting';
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.connect(), pause);
  }

  #take(event: Event | RpcHeard): void {
    if (!('event' in event)) return; // the answer to a command
    if (event.event === 'rpc_response') {
      for (const listener of this.#rpc) listener(event);
      return;
    }
    if (event.event === 'snapshot') this.#waiting = [];
    else if (event.seq !== this.#seq + 1) {
      void this.connect();
      return;
    }
    this.#seq = event.seq;
    this.#waiting.push(event);
    if (this.#scheduled) return;
    this.#scheduled = true;
    const apply = () => {
      this.#scheduled = false;
      this.#apply(this.#waiting.splice(0));
    };
    // A hidden page gets no frames; it must not collect events for ever.
    if (document.hidden) setTimeout(apply, 1000);
    else requestAnimationFrame(apply);
  }

  #apply(events: Event[]): void {
    let devices: Map<string, Device> | null = null;
    const changing = (): Map<string, Device> => (devices ??= new Map(this.devices));
    for (const event of events) {
      switch (event.event) {
        case 'snapshot':
          devices = new Map(event.devices.map((device) => [device.id, device]));
          this.hub = event.hub;
          this.house = event.house;
          this.radios = event.radios;
          this.storage = event.storage;
          this.keys = event.keys;
          this.pending = new Map(event.commands.map((command) => [command.device_id, command]));
          this.networks = event.networks;
          this.link = 'connected';
          this.everConnected = true;
          this.#pause = FIRST_PAUSE_MS;
          for (const one of this.joinings) if (one.accepted) this.#look(one.id);
          break;
        case 'readings_taken': {
          this.#power(event.device_id, event.time, event.readings);
          const device = (devices ?? this.devices).get(event.device_id);
          if (device)
            changing().set(device.id, {
              ...device,
              readings: merged(device.readings, event.readings),
              readings_at: event.time,
              last_seen: event.time,
            });
          break;
        }
        case 'house_changed':
          this.house = event.house;
          break;
        case 'device_added':
        case 'device_changed':
          changing().set(event.device.id, event.device);
          break;
        case 'device_removed':
          changing().delete(event.device_id);
          this.recent.delete(event.device_id);
          break;
        case 'breaker_changed':
          if (event.cause === 'unsolicited') {
            const name = (devices ?? this.devices).get(event.device_id)?.name ?? event.device_id;
            const how = event.position === 'mismatch' ? 'reports a feedback mismatch: it tripped, or its contacts stick' : `is ${event.position}`;
            this.say('warn', `${name} ${how}. Nobody asked for it here: tripped, or moved by hand.`);
          }
          break;
        case 'command_changed': {
          const pending = new Map(this.pending);
          if (event.command.outcome === 'pending') pending.set(event.command.device_id, event.command);
          else pending.delete(event.command.device_id);
          this.pending = pending;
          break;
        }
        case 'key_changed':
          this.keys = [
            ...this.keys.filter((key) => key.radio !== event.key.radio || key.device_id !== event.key.device_id),
            event.key,
          ];
          break;
        case 'radio_changed':
          this.radios = [...this.radios.filter((radio) => radio.name !== event.radio.name), event.radio];
          break;
        case 'storage_changed':
          this.storage = event.storage;
          break;
        case 'network_changed':
          this.networks = this.networks.map((network) => (network.radio === event.network.radio ? event.network : network));
          break;
        case 'backup_changed':
          this.networks = this.networks.map((network) => (network.radio === event.radio ? { ...network, backup: event.backup } : network));
          break;
        case 'device_announced': {
          const { device_id: id, radio, is_new: isNew, accepted } = event;
          const keyed = this.networks.find((one) => one.radio === radio)?.can.link_keys;
          this.#joins({ id, radio, isNew, accepted, stage: 'announced', authenticated: keyed ? false : null, steps: [] });
          if (accepted) this.#look(id);
          break;
        }
        case 'device_authenticated':
          this.#comes(event.device_id, 'authenticated', true);
          break;
        case 'interview_progress':
          this.joinings = this.joinings.map((one) => (one.id === event.device_id ? { ...one, steps: advanced(one.steps, event) } : one));
          if (event.step === 'done' && event.state === 'done') this.#comes(event.device_id, 'interviewed');
          break;
        case 'attributes_reported':
          this.told = { id: event.device_id, attributes: event.attributes };
          break;
        case 'gesture_made':
          this.gestures = new Map(this.gestures).set(event.device_id, { gesture: event.gesture, value: event.value, time: event.time });
          break;
        case 'device_left': {
          if (!event.rejoin)
            this.joinings = this.joinings.map((one) =>
              one.id === event.device_id ? { ...one, stage: 'registered', authenticated: one.authenticated === null ? null : false, steps: [] } : one,
            );
          const name = (devices ?? this.devices).get(event.device_id)?.name ?? event.device_id;
          this.say('warn', event.rejoin ? `${name} left its network and will come back.` : `${name} left its network. Join it again, or remove it.`);
          break;
        }
        case 'topology_scanned':
          this.topologies = new Map(this.topologies).set(event.topology.radio, event.topology);
          break;
        case 'smart_energy_changed':
          for (const listener of this.#smartEnergy) listener(event.kind);
          break;
        case 'identify_requested':
          if (event.duration_s > 0) this.say('warn', `Somebody on ${event.radio} asks this hub to show itself: it is here.`);
          break;
      }
    }
    if (devices) this.devices = devices;
  }

  #power(id: string, time: string, readings: Readings): void {
    const watts = readings.total?.['power_w'];
    if (watts === undefined) return;
    const at = Date.parse(time) / 1000;
    let ring = this.recent.get(id);
    if (!ring) this.recent.set(id, (ring = new Ring(SPARK_POINTS)));
    ring.push(at, watts);
    for (const listener of this.#listeners) listener(id, at, watts);
  }
}

/** Each step once, with its newest state; the endpoints' descriptors each by their own detail. */
function advanced(steps: readonly Progress[], event: Progress): readonly Progress[] {
  const last = steps.at(-1);
  const replaces = last !== undefined && last.step === event.step && last.state !== 'done';
  return [...(replaces ? steps.slice(0, -1) : steps), event];
}

function merged(before: Readings, after: Readings): Readings {
  const result: Readings = { ...before };
  for (const channel of Object.keys(after) as (keyof Readings)[]) result[channel] = { ...before[channel], ...after[channel] };
  return result;
}

export const live = new Live();
