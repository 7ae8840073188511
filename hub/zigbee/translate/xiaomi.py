"""Devices of LUMI (Xiaomi, Aqara): private attributes of Basic, gestures of the cube, buttons, contacts.

Attribute 0xFF01 of Basic has the type of a string, but holds a list of tag, data type and value; 0xFF02 holds a
structure with the same members in fixed places. The cube tells its gestures in the Present Value of Multistate Input
(endpoint 2) and its rotation in that of Analog Input (endpoint 3). Facts: ZIGATE-GUIDE and the makers' communities; the
manufacturer publishes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from hub.model import Channel, Quantity
from hub.zigbee.capabilities import Facts
from hub.zigbee.model import AttributeValue, ReportingRow
from hub.zigbee.translate.findings import Findings, Wanted, number, truth, whole
from protocols.errors import CodecError
from protocols.zcl.clusters import ANALOG_INPUT, BASIC, MULTISTATE_INPUT, ON_OFF
from protocols.zcl.datatypes import Structure, Typed, Value, decode_value
from protocols.zcl.header import ZclHeader

ATTRIBUTES, STRUCTURE, PRESENT_VALUE, ROTATION = 0xFF01, 0xFF02, 0x0055, 0xFF05
TAG_BATTERY_MV = 0x01
_STRUCTURE_BATTERY = 1
"""Place of the battery's millivolts in 0xFF02."""
FULL_MV, EMPTY_MV = 3000, 2850
"""A CR2450 or CR2032 holds its voltage until near its end: below 2.85 V the radio fails."""
_FLIP_90, _FLIP_180, _SLIDE, _TAP = 64, 128, 256, 512
_PLAIN = {0: "shake", 2: "wake", 3: "fall"}
_SIDE = 7
_BUTTON = {0: "hold", 1: "single", 2: "double", 3: "triple", 4: "quadruple", 5: "many", 255: "release"}
_CLICKS = {1: "single", 2: "double", 3: "triple", 4: "quadruple", 128: "many"}
XIAOMI_CLICKS = 0x8000
"""On/Off attribute of a button: how often it was pressed."""


class Xiaomi:
    """What a LUMI device says in its own way."""

    clusters = (BASIC, MULTISTATE_INPUT, ANALOG_INPUT, ON_OFF)

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._is_cube = "cube" in facts.model
        self._is_contact = "magnet" in facts.model

    def take(self, value: AttributeValue, found: Findings) -> None:
        if value.status:
            return
        if value.cluster == BASIC:
            if value.attribute == ATTRIBUTES:
                self._tags(value.value, found)
            elif value.attribute == STRUCTURE:
                self._structure(value.value, found)
        elif value.source != "report":
            return  # what was read again is no gesture of now
        elif value.attribute == PRESENT_VALUE and value.cluster == MULTISTATE_INPUT:
            raw = whole(value)
            if raw is not None:
                found.gestures.extend(cube_gesture(raw) if self._is_cube else _button(raw))
        elif value.attribute == PRESENT_VALUE and value.cluster == ANALOG_INPUT and self._is_cube:
            degrees = number(value)
            if degrees:
                found.gestures.append(("rotate_right" if degrees > 0 else "rotate_left", abs(degrees)))
        elif value.cluster == ON_OFF and self._facts.is_lumi_sensor:
            self._on_off(value, found)

    def _on_off(self, value: AttributeValue, found: Findings) -> None:
        state = truth(value)
        if value.attribute == 0 and self._is_contact:
            found.gauge(Quantity.ALARM, Channel.TOTAL, None if state is None else float(state))
        elif value.attribute == 0 and state is not None:
            # Pressed is off, released is on: the press is the gesture.
            found.gestures.append(("press" if not state else "release", None))
        elif value.attribute == XIAOMI_CLICKS:
            raw = whole(value)
            name = _CLICKS.get(raw) if raw is not None else None
            if name is not None:
                found.gestures.append((name, None))

    def _tags(self, value: Value, found: Findings) -> None:
        raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        if not isinstance(raw, bytes):
            return
        for tag, item in tags(raw):
            if tag == TAG_BATTERY_MV and isinstance(item.value, int) and not isinstance(item.value, bool):
                _battery(item.value, found)

    def _structure(self, value: Value, found: Findings) -> None:
        if isinstance(value, Structure) and len(value.items) > _STRUCTURE_BATTERY:
            millivolts = value.items[_STRUCTURE_BATTERY].value
            if isinstance(millivolts, int) and not isinstance(millivolts, bool):
                _battery(millivolts, found)

    def command(self, endpoint: int, cluster: int, header: ZclHeader, payload: bytes, found: Findings) -> None:
        """It sends no commands."""

    def wanted(self) -> list[Wanted]:
        return []

    def reporting(self) -> list[ReportingRow]:
        return []


def tags(raw: bytes) -> Iterator[tuple[int, Typed]]:
    """Tags and values of 0xFF01; ends at the first that cannot be read."""
    offset = 0
    while offset + 2 <= len(raw):
        tag, type_id = raw[offset], raw[offset + 1]
        try:
            value, offset = decode_value(type_id, raw, offset + 2)
        except CodecError:
            return
        yield tag, Typed(type_id, value)


def cube_gesture(raw: int) -> Iterator[tuple[str, float | None]]:
    """What a cube's Present Value tells, with the side that is up after it."""
    if raw >= _TAP:
        yield "tap", float(raw & _SIDE)
    elif raw >= _SLIDE:
        yield "slide", float(raw & _SIDE)
    elif raw >= _FLIP_180:
        yield "flip_180", float(raw & _SIDE)
    elif raw >= _FLIP_90:
        yield "flip_90", float(raw & _SIDE)
    elif raw in _PLAIN:
        yield _PLAIN[raw], None


def _button(raw: int) -> Iterator[tuple[str, float | None]]:
    name = _BUTTON.get(raw)
    if name is not None:
        yield name, None


def _battery(millivolts: int, found: Findings) -> None:
    if not 1000 <= millivolts <= 5000:
        return
    found.gauge(Quantity.BATTERY_VOLTAGE, Channel.TOTAL, millivolts / 1000)
    percent = (millivolts - EMPTY_MV) / (FULL_MV - EMPTY_MV) * 100
    found.gauge(Quantity.BATTERY, Channel.TOTAL, round(min(100.0, max(0.0, percent)), 1))
