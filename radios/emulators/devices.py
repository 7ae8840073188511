"""The kinds of emulated Zigbee devices: what is in a home, with believable values."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from math import floor

from radios.emulators import zcl
from radios.emulators.air import SLEEPY_CAPABILITY, Air
from radios.emulators.attributes import Attribute
from radios.emulators.device import Cluster, EmulatedDevice, Endpoint
from radios.emulators.home import Home, Load, Refrigerator, drift, noise
from radios.emulators.se_devices import Display, EnergyServiceInterface, LoadControl, SeThermostat, SmartMeter
from radios.emulators.se_sleepy_meters import GasMeter, WaterMeter
from radios.emulators.se_tunnels import TunnelMeter
from radios.emulators.servers import Meter, WholeHome, basic, groups, identify, on_off, power_configuration

A = Attribute
LUMI = 0x115F
CUBE_BATTERY_S = 3000.0
"""Between two of a cube's reports of its battery."""
LUMI_FIRST = 0x00158D0001000000
"""Extended addresses of the cube's maker; other devices have those of `OTHERS_FIRST`."""
OTHERS_FIRST = 0x00124B0014D90000


class Cube(EmulatedDevice):
    """lumi.sensor_cube: it sleeps deeply, reports by itself, and tells gestures."""

    kind = "cube"
    manufacturer, model = "LUMI", "lumi.sensor_cube"
    manufacturer_code = LUMI
    capability = SLEEPY_CAPABILITY
    power_source = 0x03

    def build(self) -> None:
        """Three endpoints, as the pairing guide shows them."""
        about = basic(self)
        about.attributes[0xFF01] = A(zcl.STRING, self._tags)
        about.manufacturer[LUMI, 0xFF01] = about.attributes[0xFF01]
        self._gesture = A(zcl.UINT16, 0, reportable=True)
        self._degrees = A(zcl.SINGLE, 0.0, reportable=True)
        self.endpoints = {
            1: Endpoint(
                0x5F01,
                {0x0000: about, 0x0003: identify(self), 0x0019: Cluster(), 0x0012: Cluster({0x55: A(zcl.UINT16, 0)})},
                (0x0000, 0x0004, 0x0003, 0x0005, 0x0019, 0x0012),
            ),
            2: Endpoint(
                0x5F02,
                {0x0003: identify(self), 0x0012: Cluster({0x0055: self._gesture})},
                (0x0004, 0x0003, 0x0005, 0x0012),
            ),
            3: Endpoint(
                0x5F03,
                {0x0003: identify(self), 0x000C: Cluster({0x0055: self._degrees})},
                (0x0004, 0x0003, 0x0005, 0x000C),
            ),
        }
        self._next = 0.0

    def _millivolts(self) -> int:
        return 3035 - self.seed % 30

    def _tags(self) -> bytes:
        """0xFF01: battery, temperature and counters as tag, type, value."""
        return (
            b"\x01\x21" + struct.pack("<H", self._millivolts())
            + b"\x03\x28" + bytes((21 + self.seed % 5,))
            + b"\x05\x21" + struct.pack("<H", 8)
            + b"\x06\x24" + bytes(5)
            + b"\x0a\x21" + struct.pack("<H", 0)
            + b"\x97\x21" + bytes(2) + b"\x98\x21" + bytes(2) + b"\x99\x21" + bytes(2) + b"\x9a\x21" + bytes(2)
        )  # fmt: skip

    def gesture(self, name: str, side: int = 1) -> None:
        """Somebody does something with it. Raises `KeyError` for what nobody can do."""
        if name == "rotate":
            self._degrees.value = 45.0 + 10 * side
            self.report_now(3, 0x000C, 0x0055)
            return
        base = {"shake": 0, "wake": 2, "fall": 3, "flip90": 64 + 8, "flip180": 128, "slide": 256, "tap": 512}[name]
        self._gesture.value = base if base < 64 else base + side
        self.report_now(2, 0x0012, 0x0055)

    def network_joined(self, air: Air, short: int) -> None:
        """It tells its model at once, as the real one does."""
        super().network_joined(air, short)
        self._next = self.model_time() + 1.0
        self._told_at: float | None = None

    def tick(self) -> None:
        """It is played with now and then, and tells its battery every fifty minutes."""
        now = self.model_time()
        if now < self._next:
            return
        if self._told_at is None:
            self.report_now(1, 0x0000, 0x0005)
        if self._told_at is None or now - self._told_at >= CUBE_BATTERY_S:
            self._told_at = now
            self.report_now(1, 0x0000, 0xFF01, manufacturer=LUMI)
        else:
            step = floor(now)
            names = ("shake", "flip90", "slide", "tap", "rotate", "flip180")
            self.gesture(names[floor(noise(self.seed, step) * len(names))], 1 + step % 6)
        self._next = now + 60.0 + 120.0 * noise(self.seed, floor(now))


class Plug(EmulatedDevice):
    """A smart plug with a meter, and a refrigerator in it."""

    kind = "plug"
    manufacturer, model = "Example", "smart-plug-16A"
    load: Load

    def build(self) -> None:
        """One endpoint."""
        self.load = Refrigerator(self.seed)
        self._switch = on_off(True, self._switched)
        self.meter = Meter(self, self._watts, 12_000 + self.seed % 900)
        volts = A(
            zcl.UINT16, lambda: round(2300 + 40 * (drift(self.seed, self.model_time(), 45.0) - 0.5)), reportable=True
        )
        measured = Cluster(
            {
                0x0000: A(zcl.MAP32, 0x09),
                0x0300: A(
                    zcl.UINT16, lambda: 5000 + round(6 * (drift(7, self.model_time(), 12.0) - 0.5)), reportable=True
                ),
                0x0400: A(zcl.UINT16, 1),
                0x0401: A(zcl.UINT16, 100),
                0x0505: volts,
                0x0508: A(zcl.UINT16, lambda: round(self.meter.power_w / 230 * 1000 * 1.08), reportable=True),
                0x050B: A(zcl.INT16, lambda: round(self.meter.power_w * 10), reportable=True),
                0x0510: A(zcl.INT8, lambda: 93 if self.meter.power_w else None),
                0x0600: A(zcl.UINT16, 1),
                0x0601: A(zcl.UINT16, 10),
                0x0602: A(zcl.UINT16, 1),
                0x0603: A(zcl.UINT16, 1000),
                0x0604: A(zcl.UINT16, 1),
                0x0605: A(zcl.UINT16, 10),
            }
        )
        self.endpoints = {
            1: Endpoint(
                0x0051,
                {
                    0x0000: basic(self),
                    0x0003: identify(self),
                    0x0004: groups(self, 1),
                    0x0006: self._switch,
                    0x0702: self.meter.cluster(),
                    0x0B04: measured,
                },
                (0x000A, 0x0019),
            )
        }

    def _switched(self, _: bool) -> None:
        self.meter.tick()
        self.changed()

    @property
    def is_on(self) -> bool:
        """Whether it lets current through."""
        return bool(self._switch.attributes[0].value)

    def _watts(self) -> float:
        return self.load.demand(self.model_time()).watts if self.is_on else 0.0

    def press(self) -> None:
        """Somebody presses its button."""
        self._switch.commands[0x02](b"")

    def tick(self) -> None:
        """Count energy."""
        self.meter.tick()


class HomeMeter(WholeHome):
    """The home's electricity meter, with solar power on the roof."""

    kind = "meter"
    manufacturer, model = "Example", "in-home-meter"
    start_wh = 4_310_000

    def build(self) -> None:
        """One endpoint."""
        super().build()
        self.endpoints = {
            1: Endpoint(
                0x0053,
                {0x0000: basic(self), 0x0003: identify(self), 0x0702: self.meter.cluster(both_ways=True)},
                (0x000A,),
            )
        }


class Thermostat(EmulatedDevice):
    """A heating thermostat: the room follows its setpoint slowly."""

    kind = "thermostat"
    manufacturer, model = "Example", "radiator-control"

    def build(self) -> None:
        """One endpoint."""
        self.room_c = 18.5 + (self.seed % 20) / 10
        self._setpoint = A(
            zcl.INT16, 2050, writable=True, reportable=True, minimum=500, maximum=3000, written=lambda _: self._decide()
        )
        self._mode = A(
            zcl.ENUM8, 0x04, writable=True, reportable=True, minimum=0, maximum=4, written=lambda _: self._decide()
        )
        self._demand = 0
        self._at: float | None = None
        thermostat = Cluster(
            {
                0x0000: A(zcl.INT16, lambda: round(self.room_c * 100), reportable=True),
                0x0003: A(zcl.INT16, 500),
                0x0004: A(zcl.INT16, 3000),
                0x0008: A(zcl.UINT8, lambda: self._demand, reportable=True),
                0x0012: self._setpoint,
                0x0015: A(zcl.INT16, 500, writable=True, minimum=500, maximum=3000, written=self._at_least),
                0x0016: A(zcl.INT16, 3000, writable=True, minimum=500, maximum=3000, written=self._at_most),
                0x001B: A(zcl.ENUM8, 0x02),
                0x001C: self._mode,
                0x0029: A(zcl.MAP16, lambda: 1 if self._demand else 0, reportable=True),
            },
            {0x00: self._raise_lower},
        )
        face = Cluster({0x0000: A(zcl.ENUM8, 0, writable=True), 0x0001: A(zcl.ENUM8, 0, writable=True)})
        self.endpoints = {
            1: Endpoint(
                0x0301,
                {
                    0x0000: basic(self),
                    0x0003: identify(self),
                    0x0004: groups(self, 1),
                    0x0201: thermostat,
                    0x0204: face,
                },
                (0x000A, 0x0019),
            )
        }

    def _raise_lower(self, payload: bytes) -> int:
        mode, amount = struct.unpack_from("<Bb", payload)
        if mode not in (0, 2):
            return zcl.INVALID_FIELD
        known = self._setpoint.value
        assert isinstance(known, int)
        self._set(known + 10 * amount)
        return zcl.SUCCESS

    def _set(self, setpoint: zcl.Value) -> None:
        """Within the limits that somebody may have written."""
        least, most = self._setpoint.minimum, self._setpoint.maximum
        assert isinstance(setpoint, int)
        assert least is not None
        assert most is not None
        self._setpoint.value = int(max(least, min(most, setpoint)))
        self._decide()

    def _at_least(self, limit: zcl.Value) -> None:
        self._setpoint.minimum = float(limit)
        self._set(self._setpoint.get() or 0)

    def _at_most(self, limit: zcl.Value) -> None:
        self._setpoint.maximum = float(limit)
        self._set(self._setpoint.get() or 0)

    def _decide(self) -> None:
        wanted = self._setpoint.value
        assert isinstance(wanted, int | float)
        missing = wanted / 100 - self.room_c
        self._demand = 0 if self._mode.value == 0 else round(max(0.0, min(1.0, missing / 1.5)) * 100)

    def tick(self) -> None:
        """Heat flows in by demand, and out to a cool day."""
        now = self.model_time()
        elapsed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now
        outside = 6.0 + 4.0 * drift(self.seed, now, 3600.0)
        change = self._demand / 100 * 4.0 - (self.room_c - outside) * 0.12  # °C in an hour
        self.room_c = max(-20.0, min(60.0, self.room_c + change * elapsed / 3600))
        self._decide()


class Lamp(EmulatedDevice):
    """A dimmable light."""

    kind = "lamp"
    manufacturer, model = "Example", "bulb-806lm"

    def build(self) -> None:
        """One endpoint."""
        self._switch = on_off(False, lambda _: self.changed())
        self._level = A(zcl.UINT8, 200, reportable=True)
        level = Cluster(
            {0x0000: self._level, 0x0001: A(zcl.UINT16, 0), 0x0010: A(zcl.UINT16, 5, writable=True)},
            {
                0x00: lambda payload: self._to(payload, with_switch=False),
                0x04: lambda payload: self._to(payload, with_switch=True),
            },
        )
        self.endpoints = {
            1: Endpoint(
                0x0101,
                {
                    0x0000: basic(self),
                    0x0003: identify(self),
                    0x0004: groups(self, 1),
                    0x0006: self._switch,
                    0x0008: level,
                },
                (0x0019,),
            )
        }

    def _to(self, payload: bytes, *, with_switch: bool) -> int:
        level, _ = struct.unpack_from("<BH", payload)
        if level == 0xFF:
            return zcl.INVALID_FIELD
        self._level.value = max(1, level)
        if with_switch:
            self._switch.attributes[0].value = level > 0
        return zcl.SUCCESS


class Sensor(EmulatedDevice):
    """Temperature and humidity, on a battery."""

    kind = "sensor"
    manufacturer, model = "Example", "climate-sensor"
    capability = SLEEPY_CAPABILITY
    power_source = 0x03
    poll_s = 5.0

    def build(self) -> None:
        """One endpoint."""
        celsius = A(zcl.INT16, lambda: round(2000 + 300 * drift(self.seed, self.model_time(), 1800.0)), reportable=True)
        humidity = A(
            zcl.UINT16, lambda: round(4200 + 900 * drift(self.seed + 1, self.model_time(), 2400.0)), reportable=True
        )
        self.endpoints = {
            1: Endpoint(
                0x0302,
                {
                    0x0000: basic(self),
                    0x0001: power_configuration(self),
                    0x0003: identify(self),
                    0x0402: Cluster({0x0000: celsius, 0x0001: A(zcl.INT16, -2000), 0x0002: A(zcl.INT16, 6000)}),
                    0x0405: Cluster({0x0000: humidity}),
                },
            )
        }


class Motion(EmulatedDevice):
    """Occupancy and light, on a battery."""

    kind = "motion"
    manufacturer, model = "Example", "motion-sensor"
    capability = SLEEPY_CAPABILITY
    power_source = 0x03
    poll_s = 6.0

    def build(self) -> None:
        """One endpoint."""
        self.endpoints = {
            1: Endpoint(
                0x0107,
                {
                    0x0000: basic(self),
                    0x0001: power_configuration(self),
                    0x0003: identify(self),
                    0x0400: Cluster({0x0000: A(zcl.UINT16, self._light, reportable=True)}),
                    0x0406: Cluster({0x0000: A(zcl.MAP8, self._seen, reportable=True), 0x0001: A(zcl.ENUM8, 0)}),
                },
            )
        }

    def _seen(self) -> int:
        return int(noise(self.seed, floor(self.model_time() / 90)) > 0.6)

    def _light(self) -> int:
        hour = self.model_time() % 86_400 / 3600
        return 24_000 if 8 <= hour < 18 else 16_000


class Contact(EmulatedDevice):
    """A door contact: an alarm zone, on a battery."""

    kind = "contact"
    manufacturer, model = "Example", "door-contact"
    capability = SLEEPY_CAPABILITY
    power_source = 0x03
    poll_s = 6.0

    def build(self) -> None:
        """One endpoint."""
        self._status = A(zcl.MAP16, 0, reportable=True)
        self.zone = A(zcl.UINT8, 0xFF)
        self._state = A(zcl.ENUM8, 0)
        zone = Cluster(
            {
                0x0000: self._state,
                0x0001: A(zcl.ENUM16, 0x0015),
                0x0002: self._status,
                0x0010: A(zcl.EUI64, 0, writable=True, written=lambda _: self._enroll()),
                0x0011: self.zone,
            },
            {0x00: self._enrolled},
        )
        self.endpoints = {
            1: Endpoint(
                0x0402,
                {0x0000: basic(self), 0x0001: power_configuration(self), 0x0003: identify(self), 0x0500: zone},
            )
        }

    def _enroll(self) -> None:
        body = struct.pack("<HH", 0x0015, self.manufacturer_code)
        self.say(1, 0x0500, zcl.frame(self.next_tsn(), 0x01, body, is_cluster=True, quiet=False))

    def _enrolled(self, payload: bytes) -> int:
        code, zone = payload[0], payload[1]
        if code == 0:
            self._state.value, self.zone.value = 1, zone
        return zcl.SUCCESS

    def move(self, *, is_open: bool) -> None:
        """Somebody opens or closes the door."""
        self._status.value = int(is_open)
        body = struct.pack("<HBBH", int(is_open), 0, 0xFF, 0)
        self.say(1, 0x0500, zcl.frame(self.next_tsn(), 0x00, body, is_cluster=True))


DEVICES: Mapping[str, type[EmulatedDevice]] = {
    found.kind: found
    for found in (
        Cube,
        Plug,
        HomeMeter,
        Thermostat,
        Lamp,
        Sensor,
        Motion,
        Contact,
        SmartMeter,
        Display,
        SeThermostat,
        LoadControl,
        GasMeter,
        WaterMeter,
        TunnelMeter,
        EnergyServiceInterface,
    )
}
"""By the name that a command line gives."""


def make(kind: str, number: int, seed: int, home: Home) -> EmulatedDevice:
    """The `number`th device of a home. Raises `KeyError`."""
    return make_one(DEVICES[kind], number, seed, home)


def make_one(kind: type[EmulatedDevice], number: int, seed: int, home: Home) -> EmulatedDevice:
    """The `number`th device of a home, of a class."""
    first = LUMI_FIRST if kind is Cube else OTHERS_FIRST
    made = kind(
        first + (seed & 0xFF) * 0x100 + number,
        seed * 1000 + number,
        lambda: home.model_time(asyncio.get_running_loop().time()),
        home.speed,
    )
    if isinstance(made, EnergyServiceInterface):
        made.clock.set(home.utc(asyncio.get_running_loop().time()))
    return made
