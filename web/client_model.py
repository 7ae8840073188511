"""What a hub says, as its clients know it: devices, commands, history, events.

These take what they know and leave out what a newer hub adds. Words that may grow (positions, outcomes, states) are
plain text. Times are RFC 3339 text, as they came.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Struct, UnsetType

from web.client_mirrors import MirrorChanged
from web.client_smart_energy import EventStatusReported
from web.client_tunnels import TunnelChanged, TunnelData
from web.client_zigbee_model import (
    AttributesReported,
    BackupChanged,
    DeviceAnnounced,
    DeviceAuthenticated,
    DeviceLeft,
    GestureMade,
    IdentifyRequested,
    InterviewProgress,
    Network,
    NetworkChanged,
    SmartEnergyChanged,
    Switch,
    Thermostat,
    TopologyScanned,
)

Readings = dict[str, dict[str, float]]
"""Channel -> quantity -> value. Unknown values are absent."""


# -- models ------------------------------------------------------------------------------------------------------------


class Breaker(Struct, frozen=True):
    """Where a breaker's contacts are."""

    position: str
    commanded: str | None = None
    changed_at: str | None = None
    cause: str | None = None


class Device(Struct, frozen=True):
    """A device with its latest readings."""

    id: str
    radio: str
    kind: str
    name: str
    area: str = ""
    manufacturer: str = ""
    model: str = ""
    address: str = ""
    capabilities: tuple[str, ...] = ()
    availability: str = ""
    availability_detail: str = ""
    protected: bool = False
    first_seen: str | None = None
    last_seen: str | None = None
    breaker: Breaker | None = None
    switch: Switch | UnsetType = UNSET
    thermostat: Thermostat | UnsetType = UNSET
    lqi: int | UnsetType = UNSET
    sleepy: bool = False
    readings_at: str | None = None
    readings: Readings = {}

    def reading(self, quantity: str, *channels: str) -> float | None:
        """The latest value of the first of `channels` that has one; None when none has."""
        for channel in channels or ("total", "pole_0", "pole_1"):
            value = self.readings.get(channel, {}).get(quantity)
            if value is not None:
                return value
        return None


class Command(Struct, frozen=True):
    """What somebody asked of a device, and what became of it."""

    id: str
    device_id: str
    action: str
    requested_at: str
    requested_by: str
    outcome: str
    detail: str = ""
    argument: str = ""
    position: str | None = None
    finished_at: str | None = None


class GroupResult(Struct, frozen=True):
    """A group command: `outcome` is the worst of its commands'."""

    outcome: str
    commands: tuple[Command, ...] = ()
    detail: str = ""


class Today(Struct, frozen=True):
    """Energy since local midnight."""

    energy_delivered_wh: float | None = None
    energy_received_wh: float | None = None
    since: str | None = None


class House(Struct, frozen=True):
    """The whole home; `power_w` is negative while it exports."""

    power_w: float | None = None
    complete: bool = False
    missing: tuple[str, ...] = ()
    energy_delivered_wh: float | None = None
    energy_received_wh: float | None = None
    today: Today = Today()
    time: str | None = None


class Radio(Struct, frozen=True):
    """A radio and what its driver counts."""

    name: str
    driver: str
    state: str
    detail: str = ""
    since: str | None = None
    restarts: int = 0
    counters: dict[str, int] = {}


class Storage(Struct, frozen=True):
    """The database's state."""

    state: str
    detail: str = ""
    waiting: int = 0
    lost: int = 0


class Key(Struct, frozen=True):
    """The life of a key; `device_id` is None for a radio's broadcast key."""

    radio: str
    device_id: str | None
    state: str
    expires_at: str | None = None


class DeviceCount(Struct, frozen=True):
    """How many devices there are, and how many of them answer."""

    total: int = 0
    available: int = 0


class Startup(Struct, frozen=True):
    """How far the start is: `number` of 4."""

    step: str
    number: int
    detail: str = ""


class System(Struct, frozen=True):
    """The hub itself."""

    name: str
    version: str
    startup: Startup = Startup("operational", 4)
    uptime_s: float = 0.0
    python: str = ""
    radios: tuple[Radio, ...] = ()
    storage: Storage = Storage("ok")
    keys: tuple[Key, ...] = ()
    database_bytes: int = 0
    devices: DeviceCount = DeviceCount()


class HealthRadio(Struct, frozen=True):
    """A radio as everybody may see it."""

    name: str
    driver: str
    state: str


class Health(Struct, frozen=True):
    """What the hub tells everybody."""

    status: str
    version: str
    uptime_s: float = 0.0
    radios: tuple[HealthRadio, ...] = ()


class Point(Struct, frozen=True, omit_defaults=True):
    """A reading, or a bucket of them with its least and greatest."""

    time: str
    value: float
    min: float | UnsetType = UNSET
    max: float | UnsetType = UNSET


class Series(Struct, frozen=True):
    """Points of one quantity, oldest first."""

    device_id: str
    quantity: str
    channel: str
    unit: str
    resolution: str
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    points: tuple[Point, ...] = ()


class Token(Struct, frozen=True):
    """A token as it may be listed; `token` itself only in the answer that made it."""

    id: str
    name: str
    role: str
    created_at: str | None = None
    last_used_at: str | None = None
    token: str | UnsetType = UNSET


class Session(Struct, frozen=True):
    """Who we are to the hub."""

    name: str
    role: str


class LoginLink(Struct, frozen=True):
    """An address that logs a browser in, once."""

    url: str
    expires_at: str


class Led(Struct, frozen=True):
    """One light of the bargraph: `#rrggbb`."""

    color: str
    blinking: bool = False


class FieldProblem(Struct, frozen=True):
    """One value that the hub did not take."""

    field: str = ""
    allowed: str = ""
    value: object = None


class Problem(Struct, frozen=True):
    """An error as the hub tells it."""

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    errors: tuple[FieldProblem, ...] = ()
    near: tuple[str, ...] = ()
    outcome: str = ""
    command: Command | None = None
    commands: tuple[Command, ...] = ()
    zcl_status: str | None = None
    """Name of the ZCL status with which a Zigbee device said no: READ_ONLY ..."""


# -- events ------------------------------------------------------------------------------------------------------------


class HubIdentity(Struct, frozen=True):
    """Who speaks on a websocket."""

    name: str = ""
    version: str = ""


class Snapshot(Struct, frozen=True, tag_field="event", tag="snapshot", kw_only=True):
    """Everything as it is now; always the first event."""

    seq: int
    time: str
    hub: HubIdentity = HubIdentity()
    devices: tuple[Device, ...] = ()
    house: House = House()
    radios: tuple[Radio, ...] = ()
    storage: Storage = Storage("ok")
    keys: tuple[Key, ...] = ()
    commands: tuple[Command, ...] = ()
    networks: tuple[Network, ...] = ()


class ReadingsTaken(Struct, frozen=True, tag_field="event", tag="readings_taken", kw_only=True):
    """New readings of a device, to be merged into what is known."""

    seq: int
    time: str
    device_id: str
    readings: Readings


class HouseChanged(Struct, frozen=True, tag_field="event", tag="house_changed", kw_only=True):
    """The sums over the home."""

    seq: int
    time: str
    house: House


class DeviceAdded(Struct, frozen=True, tag_field="event", tag="device_added", kw_only=True):
    """A device was heard for the first time."""

    seq: int
    time: str
    device: Device


class DeviceChanged(Struct, frozen=True, tag_field="event", tag="device_changed", kw_only=True):
    """A device as it is now."""

    seq: int
    time: str
    device: Device


class DeviceRemoved(Struct, frozen=True, tag_field="event", tag="device_removed", kw_only=True):
    """A person removed a device."""

    seq: int
    time: str
    device_id: str


class BreakerChanged(Struct, frozen=True, tag_field="event", tag="breaker_changed", kw_only=True):
    """A breaker's contacts moved."""

    seq: int
    time: str
    device_id: str
    position: str
    previous: str
    cause: str


class CommandChanged(Struct, frozen=True, tag_field="event", tag="command_changed", kw_only=True):
    """A command was recorded, or ended."""

    seq: int
    time: str
    command: Command


class KeyChanged(Struct, frozen=True, tag_field="event", tag="key_changed", kw_only=True):
    """A key was set, expires soon, or expired."""

    seq: int
    time: str
    key: Key


class RadioChanged(Struct, frozen=True, tag_field="event", tag="radio_changed", kw_only=True):
    """A radio came up or went down."""

    seq: int
    time: str
    radio: Radio


class StorageChanged(Struct, frozen=True, tag_field="event", tag="storage_changed", kw_only=True):
    """The database stopped taking records, or takes them again."""

    seq: int
    time: str
    storage: Storage


Event = (
    Snapshot
    | ReadingsTaken
    | HouseChanged
    | DeviceAdded
    | DeviceChanged
    | DeviceRemoved
    | BreakerChanged
    | CommandChanged
    | KeyChanged
    | RadioChanged
    | StorageChanged
    | NetworkChanged
    | BackupChanged
    | DeviceAnnounced
    | DeviceAuthenticated
    | SmartEnergyChanged
    | EventStatusReported
    | MirrorChanged
    | TunnelChanged
    | TunnelData
    | InterviewProgress
    | AttributesReported
    | GestureMade
    | DeviceLeft
    | TopologyScanned
    | IdentifyRequested
)
"""What the websocket says."""
