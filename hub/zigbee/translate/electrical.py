"""The Electrical Measurement cluster (ZCL8, 4.9): power, voltage, current, frequency, of one or three phases.

Its active power is preferred to the Metering cluster's demand when a device gives both, so that a device has one series
of power: demand is often rounded to the meter's counts or averaged over its interval, active power is what flows now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hub.model import Channel, Quantity
from hub.zigbee.capabilities import Facts
from hub.zigbee.model import AttributeValue, ReportingRow
from hub.zigbee.translate.findings import Findings, Places, Wanted, whole
from protocols.zcl.clusters import ELECTRICAL_MEASUREMENT
from protocols.zcl.datatypes import INT16, INT32, UINT16
from protocols.zcl.header import ZclHeader

_VOLTAGE, _CURRENT, _POWER = (0x0600, 0x0601), (0x0602, 0x0603), (0x0604, 0x0605)
_FREQUENCY, _TOTAL = (0x0400, 0x0401), (0x0402, 0x0403)
_DC_VOLTAGE, _DC_CURRENT, _DC_POWER = (0x0200, 0x0201), (0x0202, 0x0203), (0x0204, 0x0205)
"""Multiplier and divisor (4.9.2.2.4, .6, .9): 1 by default."""
_FACTOR = (-1, -1)
_SCALES = frozenset(
    attribute
    for pair in (_VOLTAGE, _CURRENT, _POWER, _FREQUENCY, _TOTAL, _DC_VOLTAGE, _DC_CURRENT, _DC_POWER)
    for attribute in pair
)
TOTAL_ACTIVE_POWER, ACTIVE_POWER, MEASUREMENT_TYPE = 0x0304, 0x050B, 0x0000
_PHASE_POWERS: Mapping[int, Channel] = {
    0x050B: Channel.PHASE_A,
    0x090B: Channel.PHASE_B,
    0x0A0B: Channel.PHASE_C,
}


@dataclass(frozen=True, slots=True)
class _Gauge:
    """A row of `GAUGES`."""

    quantity: Quantity
    scale: tuple[int, int]
    phase: Channel | None = None
    """None: of the whole device."""


def _phase(offset: int, phase: Channel) -> dict[int, _Gauge]:
    return {
        0x0505 + offset: _Gauge(Quantity.VOLTAGE, _VOLTAGE, phase),
        0x0508 + offset: _Gauge(Quantity.CURRENT, _CURRENT, phase),
        0x050B + offset: _Gauge(Quantity.POWER, _POWER, phase),
        0x050E + offset: _Gauge(Quantity.REACTIVE_POWER, _POWER, phase),
        0x050F + offset: _Gauge(Quantity.APPARENT_POWER, _POWER, phase),
        0x0510 + offset: _Gauge(Quantity.POWER_FACTOR, _FACTOR, phase),
    }


GAUGES: Mapping[int, _Gauge] = {
    0x0100: _Gauge(Quantity.VOLTAGE, _DC_VOLTAGE),
    0x0103: _Gauge(Quantity.CURRENT, _DC_CURRENT),
    0x0106: _Gauge(Quantity.POWER, _DC_POWER),
    0x0300: _Gauge(Quantity.FREQUENCY, _FREQUENCY),
    0x0304: _Gauge(Quantity.POWER, _TOTAL),
    0x0305: _Gauge(Quantity.REACTIVE_POWER, _TOTAL),
    0x0306: _Gauge(Quantity.APPARENT_POWER, _TOTAL),
    **_phase(0, Channel.PHASE_A),
    **_phase(0x400, Channel.PHASE_B),
    **_phase(0x500, Channel.PHASE_C),
}
_DC = frozenset((0x0100, 0x0103, 0x0106))
_INVALID_16 = -0x8000
"""Active power and the like: 0x8000 is "not known", whatever width a device gives it in."""


class Electrical:
    """All Electrical Measurement servers of a device."""

    clusters = (ELECTRICAL_MEASUREMENT,)

    def __init__(self, facts: Facts, places: Places) -> None:
        self._facts, self._places = facts, places
        self._scales: dict[tuple[int, int], int] = {}
        self._waiting: dict[tuple[int, int], AttributeValue] = {}
        self._phases: dict[int, dict[int, float]] = {}
        """Power of each phase, by endpoint and attribute."""
        self._polyphase: set[int] = set()
        self._totals: set[int] = set()
        """Endpoints that give the sum of their phases themselves."""
        self._with_power: set[int] = set()
        self._absent: set[tuple[int, int]] = set()

    def has_power(self, endpoint: int) -> bool:
        """Whether an endpoint gives its active power here."""
        return endpoint in self._with_power

    def take(self, value: AttributeValue, found: Findings) -> None:
        if value.manufacturer is not None:
            return
        endpoint, attribute = value.endpoint, value.attribute
        if attribute in _SCALES:
            raw = 1 if value.status else whole(value)
            if raw:
                self._scales[endpoint, attribute] = raw
                self._wake(endpoint, found)
        elif value.status:
            self._absent.add((endpoint, attribute))
        elif attribute in GAUGES:
            self._value(value, GAUGES[attribute], found)

    def _wake(self, endpoint: int, found: Findings) -> None:
        for key in [key for key in self._waiting if key[0] == endpoint]:
            value = self._waiting[key]
            gauge = GAUGES[key[1]]
            if self._ratio(endpoint, gauge) is not None:
                del self._waiting[key]
                self._value(value, gauge, found)

    def _ratio(self, endpoint: int, gauge: _Gauge) -> float | None:
        if gauge.scale is _FACTOR:
            return 0.01
        multiplier, divisor = (self._scales.get((endpoint, attribute)) for attribute in gauge.scale)
        return None if multiplier is None or divisor is None else multiplier / divisor

    def _value(self, value: AttributeValue, gauge: _Gauge, found: Findings) -> None:
        endpoint, attribute = value.endpoint, value.attribute
        ratio = self._ratio(endpoint, gauge)
        if ratio is None:
            self._waiting[endpoint, attribute] = value
            return
        raw = whole(value)
        scaled = None if raw is None or raw == _INVALID_16 else raw * ratio
        if gauge.quantity is Quantity.POWER_FACTOR and scaled is not None and not -1 <= scaled <= 1:
            scaled = None
        if gauge.phase not in (None, Channel.PHASE_A) and scaled is not None:
            self._polyphase.add(endpoint)
        channel = self._places.channel(ELECTRICAL_MEASUREMENT, endpoint)
        if channel is None:
            return
        if gauge.quantity is Quantity.POWER:
            self._power(endpoint, attribute, gauge, channel, scaled, found)
        elif gauge.phase is None or endpoint not in self._polyphase:
            if gauge.phase in (None, Channel.PHASE_A):
                found.gauge(gauge.quantity, channel, scaled)
        elif channel is Channel.TOTAL:
            found.gauge(gauge.quantity, gauge.phase, scaled)

    def _power(
        self, endpoint: int, attribute: int, gauge: _Gauge, channel: Channel, watts: float | None, found: Findings
    ) -> None:
        if watts is not None:
            self._with_power.add(endpoint)
        if gauge.phase is None:
            if attribute == TOTAL_ACTIVE_POWER and watts is not None:
                self._totals.add(endpoint)
            if attribute not in _DC or attribute == 0x0106:
                found.gauge(Quantity.POWER, channel, watts)
            return
        phases = self._phases.setdefault(endpoint, {})
        if watts is None:
            phases.pop(attribute, None)
        else:
            phases[attribute] = watts
        if endpoint not in self._polyphase:
            if gauge.phase is Channel.PHASE_A and endpoint not in self._totals:
                found.gauge(Quantity.POWER, channel, watts)
            return
        if channel is Channel.TOTAL:
            found.gauge(Quantity.POWER, gauge.phase, watts)
        if endpoint in self._totals:
            return
        known = [phase for phase in _PHASE_POWERS if (endpoint, phase) not in self._absent]
        # A sum with a phase missing would be a wrong power.
        total = sum(phases.values()) if all(phase in phases for phase in known) else None
        found.gauge(Quantity.POWER, channel, total)

    def command(self, endpoint: int, cluster: int, header: ZclHeader, payload: bytes, found: Findings) -> None:
        """No command of it changes what it measures."""

    def wanted(self) -> list[Wanted]:
        return [
            (endpoint, ELECTRICAL_MEASUREMENT, attribute, None)
            for endpoint in self._facts.servers(ELECTRICAL_MEASUREMENT)
            for attribute in (MEASUREMENT_TYPE, *sorted(_SCALES), *GAUGES)
        ]

    def reporting(self) -> list[ReportingRow]:
        rows: list[ReportingRow] = []
        for endpoint in self._facts.servers(ELECTRICAL_MEASUREMENT):
            for attribute, data_type, min_s, max_s, change in _REPORTS:
                gauge = GAUGES[attribute]
                if (endpoint, attribute) in self._absent:
                    continue
                if gauge.phase in (Channel.PHASE_B, Channel.PHASE_C) and endpoint not in self._polyphase:
                    continue
                raw = max(1, round(change / (self._ratio(endpoint, gauge) or 1.0)))
                rows.append(
                    ReportingRow(
                        endpoint=endpoint,
                        cluster=ELECTRICAL_MEASUREMENT,
                        attribute=attribute,
                        data_type=data_type,
                        min_s=min_s,
                        max_s=max_s,
                        change=min(raw, 0x7FFF),
                    )
                )
        return rows


_REPORTS: tuple[tuple[int, int, int, int, float], ...] = (
    # Attribute, type, shortest and longest interval in seconds, least change in W, V, A.
    (0x0304, INT32, 5, 300, 1.0),
    (0x050B, INT16, 5, 300, 1.0),
    (0x090B, INT16, 5, 300, 1.0),
    (0x0A0B, INT16, 5, 300, 1.0),
    (0x0505, UINT16, 30, 300, 1.0),
    (0x0905, UINT16, 30, 300, 1.0),
    (0x0A05, UINT16, 30, 300, 1.0),
    (0x0508, UINT16, 10, 300, 0.05),
    (0x0908, UINT16, 10, 300, 0.05),
    (0x0A08, UINT16, 10, 300, 0.05),
)
