"""Counters of devices become energy that never jumps, and power that is never invented.

Every counter of a device is followed by a ledger: the device's own value last seen (the base) and our lifetime total,
both integers. Only differences are added, so a total never falls whatever the device does: a counter that falls has
been restarted, and what it shows since is added if it can be true; a leap that no breaker could have carried is kept
out until the device insists on it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from hub.model import Channel, Quantity, Reading
from protocols.emcb import MeterRecord, PoleTelemetry

log = logging.getLogger(__name__)

MILLIJOULE_PER_WH = 3_600_000
PLAUSIBLE_POWER_W = 100_000
"""More than one pole can carry: the largest frame is 125 A at 277 V, 35 kW; three times that leaves room for surges."""
LEAP_GRACE_S = 2.0
"""Added to the time between two records when judging a leap: polls and periods are not in step."""
INSISTENCE = 5
"""Records in a row that agree with each other, but not with the ledger, until the device is believed."""
LONGEST_GAP_S = 25.0
"""Half of the 51.2 s in which the update number wraps: over longer gaps no power is computed."""
UPDATE_NUMBERS = 256
DETAIL_INTERVAL_S = 10.0
"""Quadrants, reactive and apparent energy are published no more often than this."""

_QUADRANTS: tuple[tuple[str, Quantity], ...] = (
    ("active_q1_mj", Quantity.ACTIVE_ENERGY_Q1),
    ("active_q2_mj", Quantity.ACTIVE_ENERGY_Q2),
    ("active_q3_mj", Quantity.ACTIVE_ENERGY_Q3),
    ("active_q4_mj", Quantity.ACTIVE_ENERGY_Q4),
    ("reactive_q1_mvars", Quantity.REACTIVE_ENERGY_Q1),
    ("reactive_q2_mvars", Quantity.REACTIVE_ENERGY_Q2),
    ("reactive_q3_mvars", Quantity.REACTIVE_ENERGY_Q3),
    ("reactive_q4_mvars", Quantity.REACTIVE_ENERGY_Q4),
    ("apparent_q1_mvas", Quantity.APPARENT_ENERGY_Q1),
    ("apparent_q2_mvas", Quantity.APPARENT_ENERGY_Q2),
    ("apparent_q3_mvas", Quantity.APPARENT_ENERGY_Q3),
    ("apparent_q4_mvas", Quantity.APPARENT_ENERGY_Q4),
)
"""Field of the meter record -> quantity. Unlike the nets these counters only grow."""
_A1, _A2, _A3, _A4, _R1, _R2, _R3, _R4, _S1, _S2, _S3, _S4 = range(12)
_DETAIL = tuple(quantity for _, quantity in _QUADRANTS)
_DERIVED: tuple[tuple[Quantity, dict[int, tuple[int, ...]]], ...] = (
    # Which quadrants count, for consumption sign +1 and -1: with -1 the breaker is fed from the other side.
    (Quantity.ENERGY_DELIVERED, {1: (_A1, _A4), -1: (_A2, _A3)}),
    (Quantity.ENERGY_RECEIVED, {1: (_A2, _A3), -1: (_A1, _A4)}),
    (Quantity.REACTIVE_ENERGY_DELIVERED, {1: (_R1, _R2), -1: (_R3, _R4)}),
    (Quantity.REACTIVE_ENERGY_RECEIVED, {1: (_R3, _R4), -1: (_R1, _R2)}),
    (Quantity.APPARENT_ENERGY, {1: (_S1, _S2, _S3, _S4), -1: (_S1, _S2, _S3, _S4)}),
)
_ALWAYS = (Quantity.ENERGY_DELIVERED, Quantity.ENERGY_RECEIVED)


@dataclass(slots=True)
class PoleLedger:
    """What is kept of one pole: the device's twelve quadrant counters, and our totals of them and of what they give."""

    base: tuple[int, ...] | None = None
    totals: dict[Quantity, int] = field(default_factory=dict)
    doubted: tuple[int, ...] | None = None
    """The last record that was not believed."""
    doubts: int = 0

    def take(self, counters: tuple[int, ...], elapsed_s: float, sign: int) -> bool:
        """Add what `counters` show since the last record, `elapsed_s` ago.

        False when the record is not believed; then nothing changes.
        """
        if self.base is None:
            # The first record: our lifetime totals begin with the device's own.
            return self._add(counters, counters, sign)
        deltas = tuple(new - old for new, old in zip(counters, self.base, strict=True))
        if min(deltas) < 0:
            if _plausible(counters, elapsed_s):
                return self._add(counters, counters, sign)  # restarted from zero: all that it shows is new
            return self._doubt(counters, elapsed_s, sign)
        if not _plausible(deltas, elapsed_s):
            return self._doubt(counters, elapsed_s, sign)
        return self._add(deltas, counters, sign)

    def _add(self, deltas: tuple[int, ...], counters: tuple[int, ...], sign: int) -> bool:
        totals = self.totals
        for (_, quantity), delta in zip(_QUADRANTS, deltas, strict=True):
            totals[quantity] = totals.get(quantity, 0) + delta
        for quantity, by_sign in _DERIVED:
            totals[quantity] = totals.get(quantity, 0) + sum(deltas[index] for index in by_sign[sign])
        self.base = counters
        self.doubted, self.doubts = None, 0
        return True

    def _doubt(self, counters: tuple[int, ...], elapsed_s: float, sign: int) -> bool:
        doubted = self.doubted
        agrees = doubted is not None and _plausible(
            tuple(new - old for new, old in zip(counters, doubted, strict=True)), elapsed_s
        )
        self.doubted = counters
        self.doubts = self.doubts + 1 if agrees else 1
        if self.doubts < INSISTENCE:
            return False
        # It insists: go on from here, and add nothing for the leap.
        return self._add((0,) * len(counters), counters, sign)


def _plausible(deltas: tuple[int, ...], elapsed_s: float) -> bool:
    """Whether one pole can have counted `deltas` (mJ) in `elapsed_s`."""
    return min(deltas) >= 0 and max(deltas) <= PLAUSIBLE_POWER_W * 1000 * (elapsed_s + LEAP_GRACE_S)


@dataclass(slots=True)
class _Last:
    """The last meter record and when it came."""

    record: MeterRecord
    monotonic: float


class BreakerMeter:
    """One breaker's meter records become readings."""

    def __init__(
        self,
        device_id: str,
        signs: tuple[int, int],
        ledgers: tuple[PoleLedger, PoleLedger] | None = None,
        heard: float = 0.0,
    ) -> None:
        """`signs`: which sign of each pole's active energy is consumption.

        `ledgers` as they were before a restart, and `heard`, the monotonic seconds of their last record.
        """
        self.device_id = device_id
        self.ledgers = ledgers or (PoleLedger(), PoleLedger())
        self._heard = heard
        self.dropped = 0
        """Records that contradict themselves or were not believed."""
        self._signs = signs
        self._last: _Last | None = None
        self._detailed: float | None = None

    def take(self, record: MeterRecord, monotonic: float) -> tuple[Reading, ...]:
        """The readings of a record that came at `monotonic` seconds; none when it repeats the last one."""
        last = self._last
        if last is not None and record == last.record:
            return ()
        if not all(pole.is_consistent() for pole in record.poles):
            self.dropped += 1
            log.warning("%s: meter record %d contradicts itself; dropped", self.device_id, record.update_number)
            return ()
        elapsed = max(0.0, monotonic - self._heard)
        counters = tuple(_counters(pole) for pole in record.poles)
        believed = [
            ledger.take(counter, elapsed, sign)
            for ledger, counter, sign in zip(self.ledgers, counters, self._signs, strict=True)
        ]
        if not all(believed):
            self.dropped += 1
            if max(ledger.doubts for ledger in self.ledgers) == 1:  # not once for each record that says the same
                log.warning("%s: meter record %d leaps; not believed yet", self.device_id, record.update_number)
            return ()
        self._last = _Last(record, monotonic)
        self._heard = monotonic
        readings = self._gauges(record, self._power(last, record, monotonic))
        readings += self._energies(monotonic)
        return tuple(readings)

    def interrupt(self) -> None:
        """The breaker was silent or restarted: the next record begins a new period, without a power."""
        self._last = None

    def _power(self, last: _Last | None, record: MeterRecord, monotonic: float) -> tuple[float, float] | None:
        """Watts of each pole since the last record; None when the periods between them cannot be counted."""
        if last is None or not record.period_ms:
            return None
        elapsed = monotonic - last.monotonic
        if not 0 < elapsed <= LONGEST_GAP_S:
            return None
        periods = (record.update_number - last.record.update_number) % UPDATE_NUMBERS
        if not periods:
            return None
        milliseconds = periods * record.period_ms
        if abs(milliseconds - elapsed * 1000) > max(3 * record.period_ms, elapsed * 500):
            return None  # a restart, or a period that changed: this is not the time that the energy took
        deltas = (
            new.active_energy_mj - old.active_energy_mj
            for new, old in zip(record.poles, last.record.poles, strict=True)
        )
        first, second = (sign * delta / milliseconds for sign, delta in zip(self._signs, deltas, strict=True))
        if max(abs(first), abs(second)) > PLAUSIBLE_POWER_W:
            return None
        return first, second

    def _gauges(self, record: MeterRecord, power: tuple[float, float] | None) -> list[Reading]:
        readings = [
            Reading(Quantity.LINE_TO_LINE_VOLTAGE, Channel.TOTAL, record.line_to_line_voltage_mv / 1000),
        ]
        if record.line_frequency_mhz:  # 0: there is no line, so no frequency either
            readings.append(Reading(Quantity.FREQUENCY, Channel.TOTAL, record.line_frequency_mhz / 1000))
        if power is not None:
            readings.append(Reading(Quantity.POWER, Channel.TOTAL, power[0] + power[1]))
        for index, (channel, pole) in enumerate(zip(_CHANNELS, record.poles, strict=True)):
            readings.append(Reading(Quantity.VOLTAGE, channel, pole.voltage_mv / 1000))
            readings.append(Reading(Quantity.CURRENT, channel, pole.current_ma / 1000))
            if power is not None:
                readings.append(Reading(Quantity.POWER, channel, power[index]))
        return readings

    def _energies(self, monotonic: float) -> list[Reading]:
        quantities: tuple[Quantity, ...] = _ALWAYS
        if self._detailed is None or monotonic - self._detailed >= DETAIL_INTERVAL_S:
            self._detailed = monotonic
            quantities = (*(quantity for quantity, _ in _DERIVED), *_DETAIL)
        readings: list[Reading] = []
        for quantity in quantities:
            totals = [ledger.totals[quantity] for ledger in self.ledgers]
            readings.append(Reading(quantity, Channel.TOTAL, sum(totals) / MILLIJOULE_PER_WH))
            for channel, total in zip(_CHANNELS, totals, strict=True):
                readings.append(Reading(quantity, channel, total / MILLIJOULE_PER_WH))
        return readings


_CHANNELS = (Channel.POLE_0, Channel.POLE_1)


def _counters(pole: PoleTelemetry) -> tuple[int, ...]:
    return (
        pole.active_q1_mj, pole.active_q2_mj, pole.active_q3_mj, pole.active_q4_mj,
        pole.reactive_q1_mvars, pole.reactive_q2_mvars, pole.reactive_q3_mvars, pole.reactive_q4_mvars,
        pole.apparent_q1_mvas, pole.apparent_q2_mvas, pole.apparent_q3_mvas, pole.apparent_q4_mvas,
    )  # fmt: skip
