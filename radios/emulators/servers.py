"""Servers that several kinds of emulated devices have: Basic, Identify, Groups, On/Off, batteries, Metering."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from math import floor

from radios.emulators import zcl
from radios.emulators.attributes import Attribute
from radios.emulators.device import Cluster, EmulatedDevice
from radios.emulators.home import Lighting, Load, Refrigerator, Solar, WaterHeater

A = Attribute
JOULES_PER_WH = 3600.0
MAX_GROUPS = 16
"""Of an endpoint."""


def basic(device: EmulatedDevice) -> Cluster:
    """What every device says of itself."""
    return Cluster(
        {
            0x0000: A(zcl.UINT8, 3),
            0x0001: A(zcl.UINT8, 1),
            0x0003: A(zcl.UINT8, 2),
            0x0004: A(zcl.STRING, device.manufacturer),
            0x0005: A(zcl.STRING, device.model),
            0x0006: A(zcl.STRING, "20260301"),
            0x0007: A(zcl.ENUM8, device.power_source),
            0x0010: A(zcl.STRING, "", writable=True, maximum=16),
            0x4000: A(zcl.STRING, "1.4.2"),
            0xFFFD: A(zcl.UINT16, 2),
        },
        {0x00: lambda _: zcl.SUCCESS},
    )


def identify(device: EmulatedDevice) -> Cluster:
    """Shows itself for some seconds."""

    def left() -> int:
        return max(0, round(device.identify_until - asyncio.get_running_loop().time()))

    def begin(payload: bytes) -> int:
        set_time(struct.unpack_from("<H", payload)[0])
        return zcl.SUCCESS

    def set_time(seconds: zcl.Value) -> None:
        device.identify_until = asyncio.get_running_loop().time() + float(seconds)

    def query(_: bytes) -> int | tuple[int, bytes]:
        return (0x00, struct.pack("<H", left())) if left() else zcl.SUCCESS

    return Cluster(
        {0x0000: A(zcl.UINT16, left, writable=True, written=set_time), 0xFFFD: A(zcl.UINT16, 1)},
        {0x00: begin, 0x01: query, 0x40: lambda _: zcl.SUCCESS},
    )


def groups(device: EmulatedDevice, endpoint: int) -> Cluster:
    """Membership of an endpoint in groups."""

    def members() -> set[int]:
        return device.groups.setdefault(endpoint, set())

    def add(payload: bytes) -> tuple[int, bytes]:
        group = struct.unpack_from("<H", payload)[0]
        status = zcl.SUCCESS
        if group not in members() and len(members()) >= MAX_GROUPS:
            status = zcl.INSUFFICIENT_SPACE
        else:
            members().add(group)
        return 0x00, struct.pack("<BH", status, group)

    def view(payload: bytes) -> tuple[int, bytes]:
        group = struct.unpack_from("<H", payload)[0]
        return 0x01, struct.pack("<BHB", 0 if group in members() else zcl.NOT_FOUND, group, 0)

    def which(payload: bytes) -> tuple[int, bytes]:
        asked = struct.unpack_from(f"<{payload[0]}H", payload, 1)
        found = [group for group in sorted(members()) if not asked or group in asked]
        capacity = MAX_GROUPS - len(members())
        return 0x02, bytes((capacity, len(found))) + struct.pack(f"<{len(found)}H", *found)

    def remove(payload: bytes) -> tuple[int, bytes]:
        group = struct.unpack_from("<H", payload)[0]
        status = zcl.SUCCESS if group in members() else zcl.NOT_FOUND
        members().discard(group)
        return 0x03, struct.pack("<BH", status, group)

    def remove_all(_: bytes) -> int:
        members().clear()
        return zcl.SUCCESS

    return Cluster({0x0000: A(zcl.MAP8, 0)}, {0: add, 1: view, 2: which, 3: remove, 4: remove_all})


def on_off(initial: bool, changed: Callable[[bool], None] | None = None) -> Cluster:
    """A switch."""
    state = A(zcl.BOOL, initial, reportable=True)
    start_up = A(zcl.ENUM8, 0xFF, writable=True, values=frozenset((0, 1, 2, 0xFF)))

    def to(value: bool | None) -> Callable[[bytes], int]:
        def act(_: bytes) -> int:
            state.value = (not state.value) if value is None else value
            if changed is not None:
                changed(bool(state.value))
            return zcl.SUCCESS

        return act

    return Cluster(
        {0x0000: state, 0x4003: start_up, 0xFFFD: A(zcl.UINT16, 2)},
        {0x00: to(False), 0x01: to(True), 0x02: to(None)},
    )


def power_configuration(device: EmulatedDevice, full_mv: int = 3000) -> Cluster:
    """A battery that empties over a year."""

    def percent() -> int:
        days = device.model_time() / 86_400
        return max(0, 200 - floor(days / 365 * 200) - device.seed % 20)

    return Cluster(
        {
            0x0020: A(zcl.UINT8, lambda: round(full_mv / 100 - (200 - percent()) / 40), reportable=True),
            0x0021: A(zcl.UINT8, percent, reportable=True),
        }
    )


class Meter:
    """Watt-hours both ways, counted from what flows."""

    def __init__(self, device: EmulatedDevice, watts: Callable[[], float], start_wh: int) -> None:
        self._device, self._watts = device, watts
        self.delivered_wh, self.received_wh = float(start_wh), 0.0
        self.power_w = 0.0
        self._at: float | None = None

    def tick(self) -> None:
        """Count what flowed since the last one."""
        now = self._device.model_time()
        elapsed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now
        self._count(elapsed)
        self.power_w = self._watts()

    def _count(self, elapsed_s: float) -> None:
        """What flowed since the last one."""
        energy = self.power_w * elapsed_s / JOULES_PER_WH
        if energy >= 0:
            self.delivered_wh += energy
        else:
            self.received_wh -= energy

    def cluster(self, *, both_ways: bool = False, kind: int = 0x00) -> Cluster:
        """The Metering server: counts of 1 Wh, demand in W."""
        attributes = {
            0x0000: A(zcl.UINT48, lambda: floor(self.delivered_wh), reportable=True),
            0x0200: A(zcl.MAP8, 0, reportable=True),
            0x0300: A(zcl.ENUM8, 0x00),
            0x0301: A(zcl.UINT24, 1),
            0x0302: A(zcl.UINT24, 1000),
            0x0303: A(zcl.MAP8, 0b0_0110_011),
            0x0304: A(zcl.MAP8, 0b0_0100_011),
            0x0306: A(zcl.MAP8, kind),
            0x0400: A(zcl.INT24, lambda: round(self.power_w), reportable=True),
        }
        if both_ways:
            attributes[0x0001] = A(zcl.UINT48, lambda: floor(self.received_wh), reportable=True)
        return Cluster(attributes)


class WholeHome(EmulatedDevice):
    """A base of meters of a whole home, with solar power on its roof."""

    start_wh = 0
    """What the meter has counted already, about."""

    def build(self) -> None:
        """The home's loads; endpoints are up to the class that derives from it."""
        self._loads: tuple[Load, ...] = (
            Lighting(self.seed),
            Refrigerator(self.seed + 1),
            WaterHeater(self.seed + 2),
            Solar(self.seed + 3),
        )
        self.meter = self._meter(self.start_wh + self.seed % 9000)

    def _meter(self, start_wh: int) -> Meter:
        return Meter(self, self._watts, start_wh)

    def _watts(self) -> float:
        return self._watts_at(self.model_time())

    def _watts_at(self, model_time: float) -> float:
        return sum(load.demand(model_time).watts for load in self._loads)

    def tick(self) -> None:
        """Count energy."""
        self.meter.tick()
