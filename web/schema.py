"""The one table event or model -> JSON. What stands here is what the OpenAPI document says, word for word.

Keys carry their unit, times are RFC 3339 in UTC. An unknown reading is absent; an unknown scalar of a device is null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec
from msgspec import UNSET, Struct, UnsetType

from hub import history
from hub import model as hub_model
from hub.devices import Devices
from hub.events import (
    BreakerChanged,
    CommandChanged,
    DeviceAdded,
    DeviceChanged,
    DeviceRemoved,
    HouseChanged,
    HubEvent,
    KeyChanged,
    RadioChanged,
    ReadingsTaken,
    StorageChanged,
)
from web import schema_backup, schema_mirrors, schema_se, schema_tunnels, schema_zigbee, schema_zigbee_events
from web.schema_base import Count as Count
from web.schema_base import EventMessage as _Message
from web.schema_base import Time as Time
from web.schema_base import time as time
from web.schema_base import time_or_none as time_or_none

Readings = dict[str, dict[str, float]]
"""Channel -> quantity -> value."""

_KEYS: Mapping[hub_model.Quantity, tuple[str, int]] = {
    quantity: (quantity.value, info.decimals) for quantity, info in hub_model.QUANTITIES.items()
}
_CHANNELS: Mapping[hub_model.Channel, str] = {channel: channel.value for channel in hub_model.Channel}
_encoder = msgspec.json.Encoder()


def encode(value: object) -> bytes:
    """JSON of a struct of this module, or of what is made of them."""
    return _encoder.encode(value)


class Breaker(Struct, frozen=True):
    """Where a breaker's contacts are, and who put them there."""

    position: hub_model.Position
    commanded: hub_model.Position | None
    changed_at: Time | None
    cause: hub_model.ChangeCause | None


class Switch(Struct, frozen=True):
    """Something that is on or off, and perhaps how much. Null: not known yet, or it has no level."""

    on: bool | None
    level_percent: float | None


class Thermostat(Struct, frozen=True):
    """What a thermostat measures, wants and does; the limits of its setpoints, and what it can be set to."""

    temperature_c: float | None
    heating_setpoint_c: float | None
    cooling_setpoint_c: float | None
    mode: hub_model.ThermostatMode | None
    running: hub_model.Running | None
    min_heating_c: float
    max_heating_c: float
    min_cooling_c: float
    max_cooling_c: float
    modes: tuple[hub_model.ThermostatMode, ...]


class Device(Struct, frozen=True):
    """A device with its latest readings. Controls are shown by `capabilities`, never by kind or radio.

    `lqi` is the link quality of its last frame, 0 to 255, absent on the LAN; a `sleepy` one may answer late.
    """

    id: str
    radio: str
    kind: hub_model.DeviceKind
    name: str
    area: str
    manufacturer: str
    model: str
    address: str
    capabilities: tuple[hub_model.Capability, ...]
    availability: hub_model.Availability
    availability_detail: str
    protected: bool
    first_seen: Time | None
    last_seen: Time | None
    breaker: Breaker | None
    readings_at: Time | None
    readings: Readings
    sleepy: bool
    switch: Switch | UnsetType = UNSET
    thermostat: Thermostat | UnsetType = UNSET
    lqi: int | UnsetType = UNSET


class Command(Struct, frozen=True):
    """What somebody asked of a device, and what became of it. `unknown`: it was sent and nobody knows.

    `argument` is what was asked for beside the action, for people: "40 %".
    """

    id: str
    device_id: str
    action: hub_model.Action
    requested_at: Time
    requested_by: str
    outcome: hub_model.Outcome
    detail: str
    argument: str
    position: hub_model.Position | None
    finished_at: Time | None


class Today(Struct, frozen=True):
    """Energy since local midnight, or since the hub first counted after it."""

    energy_delivered_wh: float | None
    energy_received_wh: float | None
    since: Time | None


class House(Struct, frozen=True):
    """The whole home now; `power_w` is negative while it exports."""

    power_w: float | None
    complete: bool
    missing: tuple[str, ...]
    energy_delivered_wh: float | None
    energy_received_wh: float | None
    today: Today
    time: Time | None


class Radio(Struct, frozen=True):
    """A radio under its supervisor, with what its driver counts."""

    name: str
    driver: str
    state: hub_model.RadioState
    detail: str
    since: Time
    restarts: Count
    counters: dict[str, int]


class Storage(Struct, frozen=True):
    """Whether the database takes what it is given."""

    state: hub_model.StorageState
    detail: str
    waiting: Count
    lost: Count


class Key(Struct, frozen=True):
    """The life of a key, never the key. `device_id` is null for a radio's broadcast key."""

    radio: str
    device_id: str | None
    state: hub_model.KeyState
    expires_at: Time | None


class Point(Struct, frozen=True, omit_defaults=True):
    """A reading, or a bucket of them: `value` is the mean of a gauge and the last value of a counter."""

    time: Time
    value: float
    min: float | UnsetType = UNSET
    max: float | UnsetType = UNSET


class Series(Struct, frozen=True):
    """Points of one quantity, oldest first. A gap in time is a gap in the points."""

    device_id: str
    quantity: hub_model.Quantity
    channel: hub_model.Channel
    unit: str
    resolution: history.Resolution
    start: Time = msgspec.field(name="from")
    end: Time = msgspec.field(name="to")
    points: list[Point]


# -- models ------------------------------------------------------------------------------------------------------


def device(value: hub_model.Device, latest: hub_model.LatestReadings) -> Device:
    """A device with what it said last."""
    readings: Readings = {}
    for (channel, quantity), number in latest.values.items():
        key, decimals = _KEYS[quantity]
        readings.setdefault(_CHANNELS[channel], {})[key] = round(number, decimals)
    state = value.breaker
    return Device(
        id=value.id,
        radio=value.radio,
        kind=value.kind,
        name=value.name,
        area=value.area,
        manufacturer=value.manufacturer,
        model=value.model,
        address=value.address,
        capabilities=value.capabilities,
        availability=value.availability,
        availability_detail=value.availability_detail,
        protected=value.protected,
        first_seen=time_or_none(value.first_seen),
        last_seen=time_or_none(value.last_seen),
        breaker=None
        if state is None
        else Breaker(state.position, state.commanded, time_or_none(state.changed_at), state.cause),
        readings_at=time_or_none(latest.time),
        readings=readings,
        sleepy=value.sleepy,
        switch=UNSET if value.switch is None else _switch(value.switch),
        thermostat=UNSET if value.thermostat is None else _thermostat(value.thermostat),
        lqi=UNSET if value.lqi is None else value.lqi,
    )


def _switch(value: hub_model.SwitchState) -> Switch:
    return Switch(value.on, _rounded(value.level_percent, 1))


def _thermostat(value: hub_model.ThermostatState) -> Thermostat:
    return Thermostat(
        temperature_c=_rounded(value.temperature_c, 2),
        heating_setpoint_c=_rounded(value.heating_setpoint_c, 2),
        cooling_setpoint_c=_rounded(value.cooling_setpoint_c, 2),
        mode=value.mode,
        running=value.running,
        min_heating_c=value.min_heating_c,
        max_heating_c=value.max_heating_c,
        min_cooling_c=value.min_cooling_c,
        max_cooling_c=value.max_cooling_c,
        modes=value.modes,
    )


def devices(found: Iterable[hub_model.Device], source: Devices) -> list[Device]:
    """Devices with what they said last."""
    return [device(one, source.latest(one.id)) for one in found]


def command(value: hub_model.Command) -> Command:
    """A command with its outcome so far."""
    return Command(
        id=value.id,
        device_id=value.device_id,
        action=value.action,
        requested_at=time(value.requested_at),
        requested_by=value.requested_by,
        outcome=value.outcome,
        detail=value.detail,
        argument=value.argument,
        position=value.position,
        finished_at=time_or_none(value.finished_at),
    )


def house(value: hub_model.HouseStatus) -> House:
    """The sums over the home."""
    return House(
        power_w=_rounded(value.power_w, 1),
        complete=value.complete,
        missing=value.missing,
        energy_delivered_wh=_rounded(value.energy_delivered_wh, 3),
        energy_received_wh=_rounded(value.energy_received_wh, 3),
        today=Today(
            _rounded(value.today_delivered_wh, 3),
            _rounded(value.today_received_wh, 3),
            time_or_none(value.today_since),
        ),
        time=time_or_none(value.time),
    )


def radio(value: hub_model.RadioStatus) -> Radio:
    """A radio's state."""
    return Radio(
        value.name, value.driver, value.state, value.detail, time(value.since), value.restarts, dict(value.counters)
    )


def storage(value: hub_model.StorageStatus) -> Storage:
    """The database's state."""
    return Storage(value.state, value.detail, value.waiting, value.lost)


def key(value: hub_model.KeyStatus) -> Key:
    """A key's life."""
    return Key(value.radio, value.device_id, value.state, time_or_none(value.expires_at))


def series(value: history.Series) -> Series:
    """A stretch of history."""
    info = hub_model.QUANTITIES[value.quantity]
    digits = info.decimals
    return Series(
        device_id=value.device_id,
        quantity=value.quantity,
        channel=value.channel,
        unit=info.unit,
        resolution=value.resolution,
        start=time(value.start),
        end=time(value.end),
        points=[
            Point(time(point.time), round(point.value, digits))
            if point.minimum is None or point.maximum is None
            else Point(
                time(point.time),
                round(point.value, digits),
                round(point.minimum, digits),
                round(point.maximum, digits),
            )
            for point in value.points
        ],
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


# -- websocket ---------------------------------------------------------------------------------------------------


class Hub(Struct, frozen=True):
    """Who is speaking."""

    name: str
    version: str


class Snapshot(_Message, frozen=True, tag="snapshot", kw_only=True):
    """The first message: everything as it is now. Events that follow have `seq` + 1, `seq` + 2 ..."""

    hub: Hub
    devices: list[Device]
    house: House
    radios: list[Radio]
    storage: Storage
    keys: list[Key]
    commands: list[Command]
    networks: list[schema_zigbee.Network]


class ReadingsTakenMessage(_Message, frozen=True, tag="readings_taken", kw_only=True):
    """New readings of a device, to be merged into what is known; `device_id` may be "house"."""

    device_id: str
    readings: Readings


class HouseChangedMessage(_Message, frozen=True, tag="house_changed", kw_only=True):
    """The sums over the home, about once a second."""

    house: House


class DeviceAddedMessage(_Message, frozen=True, tag="device_added", kw_only=True):
    """A device was heard for the first time."""

    device: Device


class DeviceChangedMessage(_Message, frozen=True, tag="device_changed", kw_only=True):
    """A device as it is now; it replaces what was known, readings too."""

    device: Device


class DeviceRemovedMessage(_Message, frozen=True, tag="device_removed", kw_only=True):
    """A person removed a device."""

    device_id: str


class BreakerChangedMessage(_Message, frozen=True, tag="breaker_changed", kw_only=True):
    """A breaker's contacts moved."""

    device_id: str
    position: hub_model.Position
    previous: hub_model.Position
    cause: hub_model.ChangeCause


class CommandChangedMessage(_Message, frozen=True, tag="command_changed", kw_only=True):
    """A command was recorded, waits, or ended."""

    command: Command


class KeyChangedMessage(_Message, frozen=True, tag="key_changed", kw_only=True):
    """A key was set, expires within a day, or expired."""

    key: Key


class RadioChangedMessage(_Message, frozen=True, tag="radio_changed", kw_only=True):
    """A radio came up or went down."""

    radio: Radio


class StorageChangedMessage(_Message, frozen=True, tag="storage_changed", kw_only=True):
    """The database stopped taking records, or takes them again."""

    storage: Storage


Message = (
    Snapshot
    | ReadingsTakenMessage
    | HouseChangedMessage
    | DeviceAddedMessage
    | DeviceChangedMessage
    | DeviceRemovedMessage
    | BreakerChangedMessage
    | CommandChangedMessage
    | KeyChangedMessage
    | RadioChangedMessage
    | StorageChangedMessage
    | schema_zigbee_events.ZigbeeMessage
    | schema_se.EventStatusReportedMessage
    | schema_mirrors.MirrorChangedMessage
    | schema_backup.BackupChangedMessage
    | schema_tunnels.TunnelMessage
)
"""Whatever the server says on the websocket by itself."""


def _readings_taken(event: ReadingsTaken, seq: int, _: Devices) -> Message:
    # The hottest path of the web layer: 200 breakers at 1 Hz with some 50 readings each.
    keys = _KEYS
    readings: Readings = {}
    channel: hub_model.Channel | None = None
    into: dict[str, float] = {}
    for reading in event.readings:
        if reading.channel is not channel:
            channel = reading.channel
            into = readings.setdefault(_CHANNELS[channel], {})
        name, decimals = keys[reading.quantity]
        into[name] = round(reading.value, decimals)
    return ReadingsTakenMessage(seq=seq, time=time(event.time), device_id=event.device_id, readings=readings)


def _house_changed(event: HouseChanged, seq: int, _: Devices) -> Message:
    return HouseChangedMessage(seq=seq, time=time(event.time), house=house(event.house))


def _device_added(event: DeviceAdded, seq: int, source: Devices) -> Message:
    return DeviceAddedMessage(
        seq=seq, time=time(event.time), device=device(event.device, source.latest(event.device.id))
    )


def _device_changed(event: DeviceChanged, seq: int, source: Devices) -> Message:
    return DeviceChangedMessage(
        seq=seq, time=time(event.time), device=device(event.device, source.latest(event.device.id))
    )


def _device_removed(event: DeviceRemoved, seq: int, _: Devices) -> Message:
    return DeviceRemovedMessage(seq=seq, time=time(event.time), device_id=event.device_id)


def _breaker_changed(event: BreakerChanged, seq: int, _: Devices) -> Message:
    return BreakerChangedMessage(
        seq=seq,
        time=time(event.time),
        device_id=event.device_id,
        position=event.position,
        previous=event.previous,
        cause=event.cause,
    )


def _command_changed(event: CommandChanged, seq: int, _: Devices) -> Message:
    return CommandChangedMessage(seq=seq, time=time(event.time), command=command(event.command))


def _key_changed(event: KeyChanged, seq: int, _: Devices) -> Message:
    return KeyChangedMessage(seq=seq, time=time(event.time), key=key(event.key))


def _radio_changed(event: RadioChanged, seq: int, _: Devices) -> Message:
    return RadioChangedMessage(seq=seq, time=time(event.time), radio=radio(event.radio))


def _storage_changed(event: StorageChanged, seq: int, _: Devices) -> Message:
    return StorageChangedMessage(seq=seq, time=time(event.time), storage=storage(event.storage))


def _zigbee(make: Callable[..., Message]) -> Callable[..., Message]:
    def made(event: HubEvent, seq: int, _: Devices) -> Message:
        return make(event, seq)

    return made


_MAKERS: Mapping[type[HubEvent], Callable[..., Message]] = {
    ReadingsTaken: _readings_taken,
    HouseChanged: _house_changed,
    DeviceAdded: _device_added,
    DeviceChanged: _device_changed,
    DeviceRemoved: _device_removed,
    BreakerChanged: _breaker_changed,
    CommandChanged: _command_changed,
    KeyChanged: _key_changed,
    RadioChanged: _radio_changed,
    StorageChanged: _storage_changed,
    **{
        kind: _zigbee(make)
        for makers in (
            schema_zigbee_events.MAKERS,
            schema_backup.MAKERS,
            schema_se.MAKERS,
            schema_mirrors.MAKERS,
            schema_tunnels.MAKERS,
        )
        for kind, make in makers.items()
    },
}

EVENT_TYPES: tuple[type[HubEvent], ...] = tuple(_MAKERS)
"""Events that reach the websocket: all of them."""


def message(event: HubEvent, seq: int, source: Devices) -> bytes:
    """An event as the websocket tells it."""
    return _encoder.encode(_MAKERS[type(event)](event, seq, source))
