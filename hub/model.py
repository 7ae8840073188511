"""The common device model: what a device is, whatever radio it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

HOUSE = "house"
"""Device id of the sums over the whole home; no radio carries it."""


class DeviceKind(StrEnum):
    """What a device is to the people who live with it."""

    BREAKER = "breaker"
    PLUG = "plug"
    SWITCH = "switch"
    LIGHT = "light"
    METER = "meter"
    THERMOSTAT = "thermostat"
    SENSOR = "sensor"
    REMOTE = "remote"
    """Buttons, cubes: it only tells what a person did with it."""
    ROUTER = "router"
    """It carries other devices' frames and nothing else."""
    DISPLAY = "display"
    LOAD_CONTROL = "load_control"
    """It sheds a load when the utility asks."""
    ENERGY_SERVICE = "energy_service"
    """The utility's end of a Smart Energy network: prices, messages, load control events."""
    OTHER = "other"


class Capability(StrEnum):
    """What a device can do for us; interfaces show controls by these, never by kind or radio."""

    BREAKER = "breaker"
    METER = "meter"
    LEDS = "leds"
    SWITCH = "switch"
    LEVEL = "level"
    THERMOSTAT = "thermostat"
    TEMPERATURE = "temperature"
    HUMIDITY = "humidity"
    ILLUMINANCE = "illuminance"
    OCCUPANCY = "occupancy"
    ALARM = "alarm"
    BATTERY = "battery"
    GESTURES = "gestures"
    IDENTIFY = "identify"


class Availability(StrEnum):
    """Whether a device can be talked to, and if not, why."""

    AVAILABLE = "available"
    UNAVAILABLE = "unavailable"
    NO_KEY = "no_key"
    KEY_EXPIRED = "key_expired"


class Position(StrEnum):
    """Remote handle position of a breaker. MISMATCH: the contacts are not where the last command put them."""

    OPEN = "open"
    CLOSED = "closed"
    MISMATCH = "mismatch"
    UNKNOWN = "unknown"


class Channel(StrEnum):
    """Which part of a device a reading belongs to."""

    TOTAL = "total"
    POLE_0 = "pole_0"
    POLE_1 = "pole_1"
    PHASE_A = "phase_a"
    PHASE_B = "phase_b"
    PHASE_C = "phase_c"
    EP_2 = "ep_2"
    """The second and further endpoints with the same quantity: a double socket, a meter with two commodities."""
    EP_3 = "ep_3"
    EP_4 = "ep_4"
    EP_5 = "ep_5"
    EP_6 = "ep_6"
    EP_7 = "ep_7"
    EP_8 = "ep_8"
    TIER_1 = "tier_1"
    """What a meter counts while a price tier holds; all of them together are the total."""
    TIER_2 = "tier_2"
    TIER_3 = "tier_3"
    TIER_4 = "tier_4"
    TIER_5 = "tier_5"
    TIER_6 = "tier_6"
    TIER_7 = "tier_7"
    TIER_8 = "tier_8"
    TIER_9 = "tier_9"
    TIER_10 = "tier_10"
    TIER_11 = "tier_11"
    TIER_12 = "tier_12"
    TIER_13 = "tier_13"
    TIER_14 = "tier_14"
    TIER_15 = "tier_15"


class QuantityKind(StrEnum):
    """How a quantity behaves in time: a gauge may be averaged, a counter only grows and is subtracted."""

    GAUGE = "gauge"
    COUNTER = "counter"


class Quantity(StrEnum):
    """What is measured; the value is its name in JSON and ends in its unit. `QUANTITIES` says more."""

    POWER = "power_w"
    VOLTAGE = "voltage_v"
    LINE_TO_LINE_VOLTAGE = "line_to_line_voltage_v"
    CURRENT = "current_a"
    FREQUENCY = "frequency_hz"
    ENERGY_DELIVERED = "energy_delivered_wh"
    ENERGY_RECEIVED = "energy_received_wh"
    REACTIVE_ENERGY_DELIVERED = "reactive_energy_delivered_varh"
    REACTIVE_ENERGY_RECEIVED = "reactive_energy_received_varh"
    APPARENT_ENERGY = "apparent_energy_vah"
    ACTIVE_ENERGY_Q1 = "active_energy_q1_wh"
    ACTIVE_ENERGY_Q2 = "active_energy_q2_wh"
    ACTIVE_ENERGY_Q3 = "active_energy_q3_wh"
    ACTIVE_ENERGY_Q4 = "active_energy_q4_wh"
    REACTIVE_ENERGY_Q1 = "reactive_energy_q1_varh"
    REACTIVE_ENERGY_Q2 = "reactive_energy_q2_varh"
    REACTIVE_ENERGY_Q3 = "reactive_energy_q3_varh"
    REACTIVE_ENERGY_Q4 = "reactive_energy_q4_varh"
    APPARENT_ENERGY_Q1 = "apparent_energy_q1_vah"
    APPARENT_ENERGY_Q2 = "apparent_energy_q2_vah"
    APPARENT_ENERGY_Q3 = "apparent_energy_q3_vah"
    APPARENT_ENERGY_Q4 = "apparent_energy_q4_vah"
    REACTIVE_POWER = "reactive_power_var"
    APPARENT_POWER = "apparent_power_va"
    POWER_FACTOR = "power_factor"
    VOLUME_DELIVERED = "volume_delivered_m3"
    FLOW = "flow_m3_h"
    TEMPERATURE = "temperature_c"
    HUMIDITY = "humidity_percent"
    ILLUMINANCE = "illuminance_lx"
    OCCUPANCY = "occupancy"
    ALARM = "alarm"
    BATTERY = "battery_percent"
    BATTERY_VOLTAGE = "battery_voltage_v"
    HEATING_SETPOINT = "heating_setpoint_c"
    COOLING_SETPOINT = "cooling_setpoint_c"
    HEATING_DEMAND = "heating_demand_percent"
    COOLING_DEMAND = "cooling_demand_percent"
    LEVEL = "level_percent"


@dataclass(frozen=True, slots=True)
class QuantityInfo:
    """A row of `QUANTITIES`."""

    label: str
    unit: str
    kind: QuantityKind
    decimals: int
    """Digits after the point that the source can justify."""
    history_interval_s: float
    """Least time between two recorded raw readings of one series; the newest one is never lost, only thinned."""


GAUGE_HISTORY_S = 0.0
"""Gauges: every reading is recorded."""
COUNTER_HISTORY_S = 10.0
"""Energies: ten seconds resolve any tariff, and the counter keeps what lies between."""
QUADRANT_HISTORY_S = 300.0
"""Quadrants: for analysis of power factor over hours."""


def _gauge(label: str, unit: str, decimals: int) -> QuantityInfo:
    return QuantityInfo(label, unit, QuantityKind.GAUGE, decimals, GAUGE_HISTORY_S)


def _counter(label: str, unit: str, interval_s: float = COUNTER_HISTORY_S) -> QuantityInfo:
    return QuantityInfo(label, unit, QuantityKind.COUNTER, 3, interval_s)


QUANTITIES: Mapping[Quantity, QuantityInfo] = {
    Quantity.POWER: _gauge("power", "W", 1),
    Quantity.VOLTAGE: _gauge("voltage", "V", 3),
    Quantity.LINE_TO_LINE_VOLTAGE: _gauge("line-to-line voltage", "V", 3),
    Quantity.CURRENT: _gauge("current", "A", 3),
    Quantity.FREQUENCY: _gauge("frequency", "Hz", 3),
    Quantity.ENERGY_DELIVERED: _counter("energy delivered to the home", "Wh"),
    Quantity.ENERGY_RECEIVED: _counter("energy received from the home", "Wh"),
    Quantity.REACTIVE_ENERGY_DELIVERED: _counter("reactive energy delivered", "varh", QUADRANT_HISTORY_S),
    Quantity.REACTIVE_ENERGY_RECEIVED: _counter("reactive energy received", "varh", QUADRANT_HISTORY_S),
    Quantity.APPARENT_ENERGY: _counter("apparent energy", "VAh", QUADRANT_HISTORY_S),
    Quantity.ACTIVE_ENERGY_Q1: _counter("active energy, quadrant I", "Wh", QUADRANT_HISTORY_S),
    Quantity.ACTIVE_ENERGY_Q2: _counter("active energy, quadrant II", "Wh", QUADRANT_HISTORY_S),
    Quantity.ACTIVE_ENERGY_Q3: _counter("active energy, quadrant III", "Wh", QUADRANT_HISTORY_S),
    Quantity.ACTIVE_ENERGY_Q4: _counter("active energy, quadrant IV", "Wh", QUADRANT_HISTORY_S),
    Quantity.REACTIVE_ENERGY_Q1: _counter("reactive energy, quadrant I", "varh", QUADRANT_HISTORY_S),
    Quantity.REACTIVE_ENERGY_Q2: _counter("reactive energy, quadrant II", "varh", QUADRANT_HISTORY_S),
    Quantity.REACTIVE_ENERGY_Q3: _counter("reactive energy, quadrant III", "varh", QUADRANT_HISTORY_S),
    Quantity.REACTIVE_ENERGY_Q4: _counter("reactive energy, quadrant IV", "varh", QUADRANT_HISTORY_S),
    Quantity.APPARENT_ENERGY_Q1: _counter("apparent energy, quadrant I", "VAh", QUADRANT_HISTORY_S),
    Quantity.APPARENT_ENERGY_Q2: _counter("apparent energy, quadrant II", "VAh", QUADRANT_HISTORY_S),
    Quantity.APPARENT_ENERGY_Q3: _counter("apparent energy, quadrant III", "VAh", QUADRANT_HISTORY_S),
    Quantity.APPARENT_ENERGY_Q4: _counter("apparent energy, quadrant IV", "VAh", QUADRANT_HISTORY_S),
    Quantity.REACTIVE_POWER: _gauge("reactive power", "var", 1),
    Quantity.APPARENT_POWER: _gauge("apparent power", "VA", 1),
    Quantity.POWER_FACTOR: _gauge("power factor", "", 2),
    Quantity.VOLUME_DELIVERED: _counter("volume delivered to the home", "m3"),
    Quantity.FLOW: _gauge("flow", "m3/h", 3),
    Quantity.TEMPERATURE: _gauge("temperature", "°C", 2),
    Quantity.HUMIDITY: _gauge("relative humidity", "%", 1),
    Quantity.ILLUMINANCE: _gauge("illuminance", "lx", 0),
    Quantity.OCCUPANCY: _gauge("occupancy", "", 0),
    Quantity.ALARM: _gauge("alarm", "", 0),
    Quantity.BATTERY: _gauge("battery", "%", 1),
    Quantity.BATTERY_VOLTAGE: _gauge("battery voltage", "V", 3),
    Quantity.HEATING_SETPOINT: _gauge("heating setpoint", "°C", 2),
    Quantity.COOLING_SETPOINT: _gauge("cooling setpoint", "°C", 2),
    Quantity.HEATING_DEMAND: _gauge("heating demand", "%", 0),
    Quantity.COOLING_DEMAND: _gauge("cooling demand", "%", 0),
    Quantity.LEVEL: _gauge("level", "%", 1),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A scaled value. Unknown values are never readings: they are absent."""

    quantity: Quantity
    channel: Channel
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """Where a breaker's contacts are, and who put them there."""

    position: Position = Position.UNKNOWN
    commanded: Position | None = None
    """What we asked for last, OPEN or CLOSED; None if we never did."""
    changed_at: datetime | None = None
    cause: ChangeCause | None = None


class ThermostatMode(StrEnum):
    """System Mode of the Thermostat cluster (ZCL8, 6.3.2.2.2.12)."""

    OFF = "off"
    AUTO = "auto"
    COOL = "cool"
    HEAT = "heat"
    EMERGENCY_HEATING = "emergency_heating"
    PRECOOLING = "precooling"
    FAN_ONLY = "fan_only"
    DRY = "dry"
    SLEEP = "sleep"


class Running(StrEnum):
    """What a thermostat does now."""

    IDLE = "idle"
    HEATING = "heating"
    COOLING = "cooling"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchState:
    """Something that is on or off, and perhaps how much. None: not known yet."""

    on: bool | None = None
    level_percent: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThermostatState:
    """What a thermostat measures, wants and does. None: not known, or it has none."""

    temperature_c: float | None = None
    heating_setpoint_c: float | None = None
    cooling_setpoint_c: float | None = None
    mode: ThermostatMode | None = None
    running: Running | None = None
    min_heating_c: float = 7.0
    """Limits of the setpoints: the device's own, else the standard's (ZCL8, 6.3.2.2.2)."""
    max_heating_c: float = 30.0
    min_cooling_c: float = 16.0
    max_cooling_c: float = 32.0
    modes: tuple[ThermostatMode, ...] = ()
    """What it can be set to, by its Control Sequence of Operation."""


class ChangeCause(StrEnum):
    """Why a breaker's position is what it is."""

    DISCOVERED = "discovered"
    COMMAND = "command"
    UNSOLICITED = "unsolicited"
    """Tripped, moved by hand, or by another coordinator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device as everything above layer 1 sees it. `id` is stable over restarts, addresses and sticks."""

    id: str
    radio: str
    kind: DeviceKind
    name: str
    capabilities: tuple[Capability, ...]
    area: str = ""
    manufacturer: str = ""
    model: str = ""
    address: str = ""
    """Where the radio reaches it now: an IP address, a network address."""
    availability: Availability = Availability.UNAVAILABLE
    availability_detail: str = ""
    """One sentence: why, and what to do."""
    protected: bool = False
    """Never opened by this hub: a freezer, a medical device."""
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    breaker: BreakerState | None = None
    switch: SwitchState | None = None
    thermostat: ThermostatState | None = None
    lqi: int | None = None
    """Link quality of the last frame's last hop, 0 to 255; radios on the LAN have none."""
    sleepy: bool = False
    """It hears us only now and then: what is sent to it may wait for seconds or minutes."""


@dataclass(frozen=True, slots=True)
class LatestReadings:
    """The newest readings of a device and when they were taken."""

    time: datetime | None = None
    values: Mapping[tuple[Channel, Quantity], float] = field(default_factory=dict)


class Action(StrEnum):
    """What a command asks of a device."""

    OPEN = "open"
    CLOSE = "close"
    TOGGLE = "toggle"
    LED = "led"
    ON = "on"
    OFF = "off"
    LEVEL = "level"
    SETPOINT = "setpoint"
    MODE = "mode"
    IDENTIFY = "identify"


class Outcome(StrEnum):
    """How a command ended. A timed-out write is UNKNOWN, not failed."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """An intent with its outcome. Recorded before anything is sent."""

    id: str
    device_id: str
    action: Action
    requested_at: datetime
    requested_by: str
    """Name of the token that asked, or "hub"."""
    outcome: Outcome = Outcome.PENDING
    detail: str = ""
    argument: str = ""
    """What was asked for beside the action, for people: "40 %", "heating 21.5 °C"."""
    position: Position | None = None
    """Where the contacts were found at the end; None when nobody knows."""
    finished_at: datetime | None = None


class RadioState(StrEnum):
    """Life of a radio under its supervisor."""

    STARTING = "starting"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioStatus:
    """A radio as people see it."""

    name: str
    driver: str
    state: RadioState
    detail: str = ""
    since: datetime
    restarts: int = 0
    counters: Mapping[str, int] = field(default_factory=dict)
    """What the driver counts: sent, received, and one entry for each reason to drop."""


class StorageState(StrEnum):
    """Whether the database takes what it is given."""

    OK = "ok"
    FULL = "full"
    READ_ONLY = "read_only"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageStatus:
    """The database as people see it."""

    state: StorageState = StorageState.OK
    detail: str = ""
    waiting: int = 0
    """Records in memory that are not on disk yet."""
    lost: int = 0
    """Records given up because memory for waiting ones ran out."""


class KeyState(StrEnum):
    """Life of a key that expires."""

    VALID = "valid"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatus:
    """A key as people may see it: never the key itself."""

    radio: str
    device_id: str | None
    """None for the broadcast key of the radio."""
    state: KeyState
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseStatus:
    """The whole home now. Unknown is None, never 0."""

    time: datetime | None = None
    power_w: float | None = None
    """Positive: the home consumes; negative: it exports."""
    complete: bool = False
    """Whether every breaker that counts is in `power_w`."""
    missing: tuple[str, ...] = ()
    """Device ids that should count and are not known now."""
    energy_delivered_wh: float | None = None
    energy_received_wh: float | None = None
    today_since: datetime | None = None
    """Local midnight, or when the hub first counted after it."""
    today_delivered_wh: float | None = None
    today_received_wh: float | None = None
