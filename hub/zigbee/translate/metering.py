"""The Metering cluster (Smart Energy 1.1b, D.3): summations, demand, and the scaling between counts and units.

A value means `raw * Multiplier / Divisor` in Unit of Measure; demand has the same scaling per hour. Until all three
are known, values wait. A device that has no Multiplier or Divisor means 1 by them (D.3.2.2.4), one without a unit
counts kWh (the attribute's default). Formatting concerns displays only: it says how many digits to show, not what they
mean.
Positive demand is delivered to the home, negative demand received from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hub.counters import CounterSample
from hub.model import Channel, Quantity
from hub.zigbee.capabilities import Facts
from hub.zigbee.model import AttributeValue, ReportingRow
from hub.zigbee.translate.electrical import Electrical
from hub.zigbee.translate.findings import Findings, Places, Wanted, whole
from protocols.ids import Profile
from protocols.zcl.clusters import METERING
from protocols.zcl.datatypes import INT24, UINT48
from protocols.zcl.header import ZclHeader

DELIVERED, RECEIVED, POWER_FACTOR, DEMAND = 0x0000, 0x0001, 0x0006, 0x0400
UNIT, MULTIPLIER, DIVISOR = 0x0300, 0x0301, 0x0302
_SCALING = (UNIT, MULTIPLIER, DIVISOR)
_BCD = 0x80
"""Bit of Unit of Measure: counts are binary-coded decimals."""
COUNTS = 1 << 48
BCD_COUNTS = 10**12
"""Where a summation wraps: 48 bits, or twelve decimal digits."""
PERCENT = 100.0
MILLIONTHS = 6
"""Digits behind the point: finer than any meter counts, and without the noise of binary fractions."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """What one unit of a meter is in ours."""

    delivered: Quantity
    received: Quantity | None
    rate: Quantity | None
    factor: float
    """Of our counter's unit in one of the meter's."""
    rate_factor: float


def _energy(watt_hours: float) -> _Unit:
    return _Unit(Quantity.ENERGY_DELIVERED, Quantity.ENERGY_RECEIVED, Quantity.POWER, watt_hours, watt_hours)


def _volume(cubic_metres: float) -> _Unit:
    return _Unit(Quantity.VOLUME_DELIVERED, None, Quantity.FLOW, cubic_metres, cubic_metres)


CUBIC_FOOT_M3 = 0.028316846592
US_GALLON_M3 = 0.003785411784
IMPERIAL_GALLON_M3 = 0.00454609
UNITS: Mapping[int, _Unit] = {
    0: _energy(1000.0),  # kWh, kW
    1: _volume(1.0),
    2: _volume(CUBIC_FOOT_M3),
    3: _volume(100 * CUBIC_FOOT_M3),
    4: _volume(US_GALLON_M3),
    5: _volume(IMPERIAL_GALLON_M3),
    6: _energy(0.29307107),  # BTU (IT)
    7: _volume(0.001),
    10: _volume(1000 * CUBIC_FOOT_M3),
    12: _energy(1_000_000 / 3600),  # MJ, MJ/h
    13: _Unit(
        Quantity.REACTIVE_ENERGY_DELIVERED,
        Quantity.REACTIVE_ENERGY_RECEIVED,
        Quantity.REACTIVE_POWER,
        1000.0,
        1000.0,
    ),
}
"""Unit of Measure without its BCD bit (D.3.2.2.4.1). Pressures (8, 9) and 11, unitless, are none of our quantities."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """What counts of a meter mean."""

    unit: _Unit
    code: int
    """Unit of Measure, without its BCD bit."""
    multiplier: int
    divisor: int
    is_bcd: bool

    def quantity(self, *, received: bool) -> Quantity | None:
        """What is counted; None: that direction is none of ours."""
        return self.unit.received if received else self.unit.delivered

    def value(self, raw: int) -> float | None:
        """Counts in the quantity's unit, to its millionth; None where they show no number."""
        counts = self.counts(raw)
        if counts is None:
            return None
        return round(counts * self.multiplier / self.divisor * self.unit.factor, MILLIONTHS)

    def counts(self, raw: int) -> int | None:
        """The number that a register shows; None where its digits are none."""
        return from_bcd(raw) if self.is_bcd else raw


def scaling_of(told: Callable[[int], AttributeValue | None]) -> Scaling | None:
    """A meter's scaling by what it has told of its attributes; None while it is not known, or is none of ours.

    `told(attribute)`: None where it was not asked yet.
    """
    meter = _Meter()
    for attribute in _SCALING:
        value = told(attribute)
        if value is not None and (value.time is not None or value.status):
            meter.note(value)
    unit = meter.unit if meter.is_known else None
    if unit is None:
        return None
    known = meter.scaling
    return Scaling(unit, known[UNIT] & ~_BCD, known[MULTIPLIER], known[DIVISOR], meter.is_bcd)


@dataclass(slots=True)
class _Meter:
    """What is known of one endpoint's scaling, and what waits for it."""

    scaling: dict[int, int] = field(default_factory=dict)
    waiting: dict[int, AttributeValue] = field(default_factory=dict)
    absent: set[int] = field(default_factory=set)
    """Attributes that the device has none of."""
    tiers: set[int] = field(default_factory=set)
    """Tiers' attributes that it has."""

    @property
    def is_known(self) -> bool:
        return len(self.scaling) == len(_SCALING)

    @property
    def is_bcd(self) -> bool:
        return bool(self.scaling[UNIT] & _BCD)

    @property
    def unit(self) -> _Unit | None:
        return UNITS.get(self.scaling[UNIT] & ~_BCD)

    @property
    def ratio(self) -> float:
        return self.scaling[MULTIPLIER] / self.scaling[DIVISOR]

    def note(self, value: AttributeValue) -> bool:
        """Note a scaling attribute; whether all are known now."""
        raw = _DEFAULTS[value.attribute] if value.status else whole(value)
        if raw is None or (value.attribute != UNIT and raw == 0):
            # Invalid, or a division by nothing: the device is not ready, and what it counts means nothing yet.
            return False
        self.scaling[value.attribute] = raw
        return self.is_known


_DEFAULTS = {UNIT: 0, MULTIPLIER: 1, DIVISOR: 1}
_VALUES = (DELIVERED, RECEIVED, DEMAND)
FIRST_TIER, TIERS = 0x0100, 15
"""CurrentTierNSummation: delivered and received of each tier in turn (D.3.2.2.2)."""
TIERS_ASKED = 6
"""Of a new meter of Smart Energy; more are taken where somebody has read or reported them."""
_TIERS = {
    FIRST_TIER + 2 * number + side: (Channel(f"tier_{number + 1}"), bool(side))
    for number in range(TIERS)
    for side in (0, 1)
}
"""Attribute -> channel, and whether it is received."""


class Metering:
    """All Metering servers of a device."""

    clusters = (METERING,)

    def __init__(self, facts: Facts, places: Places, electrical: Electrical) -> None:
        """`electrical`: whose power is taken rather than the demand."""
        self._facts, self._places, self._electrical = facts, places, electrical
        self._meters: dict[int, _Meter] = {}

    def take(self, value: AttributeValue, found: Findings) -> None:
        meter = self._meters.setdefault(value.endpoint, _Meter())
        if value.manufacturer is not None:
            return
        if value.attribute in _SCALING:
            if meter.note(value):
                for waiting in list(meter.waiting.values()):
                    self._value(meter, waiting, found)
                meter.waiting.clear()
        elif value.status:
            meter.absent.add(value.attribute)
        elif value.attribute in _VALUES or value.attribute in _TIERS:
            if value.attribute in _TIERS and value.value is not None:
                meter.tiers.add(value.attribute)
            if meter.is_known:
                self._value(meter, value, found)
            else:
                meter.waiting[value.attribute] = value
        elif value.attribute == POWER_FACTOR and not self._electrical.has_power(value.endpoint):
            channel = self._places.channel(METERING, value.endpoint)
            raw = whole(value)
            if channel is not None:
                factor = raw / PERCENT if raw is not None and -100 <= raw <= 100 else None
                found.gauge(Quantity.POWER_FACTOR, channel, factor)

    def _value(self, meter: _Meter, value: AttributeValue, found: Findings) -> None:
        channel, unit = self._places.channel(METERING, value.endpoint), meter.unit
        if channel is None or unit is None:
            return
        raw = whole(value)
        if raw is not None and meter.is_bcd:
            raw = from_bcd(raw)
        if value.attribute == DEMAND:
            self._demand(meter, unit, value.endpoint, channel, raw, found)
            return
        is_received = value.attribute == RECEIVED
        if value.attribute in _TIERS:
            if channel is not Channel.TOTAL:
                return  # tiers of a second meter would be taken for those of the first
            channel, is_received = _TIERS[value.attribute]
        quantity = unit.received if is_received else unit.delivered
        if quantity is None or raw is None:
            return
        modulus = BCD_COUNTS if meter.is_bcd else COUNTS
        found.counters.append(CounterSample(quantity, channel, raw, meter.ratio * unit.factor, modulus))

    def _demand(
        self, meter: _Meter, unit: _Unit, endpoint: int, channel: Channel, raw: int | None, found: Findings
    ) -> None:
        if unit.rate is None:
            return
        if unit.rate is Quantity.POWER and self._electrical.has_power(endpoint):
            return
        found.gauge(unit.rate, channel, None if raw is None else raw * meter.ratio * unit.rate_factor)

    def command(self, endpoint: int, cluster: int, header: ZclHeader, payload: bytes, found: Findings) -> None:
        """No command of a meter changes what it measures."""

    def wanted(self) -> list[Wanted]:
        ids = (UNIT, MULTIPLIER, DIVISOR, 0x0303, 0x0304, 0x0306, DELIVERED, RECEIVED, DEMAND, POWER_FACTOR, 0x0200)
        tiers = range(FIRST_TIER, FIRST_TIER + 2 * TIERS_ASKED)
        return [
            (endpoint, METERING, attribute, None)
            for endpoint in self._facts.servers(METERING)
            for attribute in (*ids, *(tiers if self._facts.endpoints[endpoint].profile == Profile.SMART_ENERGY else ()))
        ]

    def reporting(self) -> list[ReportingRow]:
        rows: list[ReportingRow] = []
        for endpoint in self._facts.servers(METERING):
            meter = self._meters.get(endpoint, _Meter())
            unit = meter.unit if meter.is_known else None
            worth = meter.ratio * unit.factor if unit is not None else 1.0
            is_volume = unit is not None and unit.delivered is Quantity.VOLUME_DELIVERED
            energy, power = (0.01, 0.005) if is_volume else (10.0, 1.0)  # 10 l and 5 l/h; 10 Wh and 1 W
            for attribute in (DELIVERED, RECEIVED):
                if attribute not in meter.absent:
                    change = max(1, round(energy / worth))
                    rows.append(_row(endpoint, attribute, UINT48, 10, 300, change))
            for attribute in sorted(meter.tiers - meter.absent):
                rows.append(_row(endpoint, attribute, UINT48, 60, 900, max(1, round(energy / worth))))
            if DEMAND not in meter.absent and not self._electrical.has_power(endpoint):
                rows.append(_row(endpoint, DEMAND, INT24, 5, 300, max(1, round(power / worth))))
        return rows


def _row(endpoint: int, attribute: int, data_type: int, min_s: int, max_s: int, change: int) -> ReportingRow:
    return ReportingRow(
        endpoint=endpoint,
        cluster=METERING,
        attribute=attribute,
        data_type=data_type,
        min_s=min_s,
        max_s=max_s,
        change=change,
    )


def from_bcd(raw: int) -> int | None:
    """The number that the decimal digits of `raw` show; None where a digit is none. The sign is the value's own."""
    digits = f"{abs(raw):x}"
    if not digits.isdecimal():
        return None
    return int(digits) if raw >= 0 else -int(digits)
