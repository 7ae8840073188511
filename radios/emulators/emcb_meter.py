"""A breaker's meter: a new record every 200 ms, computed when somebody asks.

EMCB chapters 5.2 and 5.4. Nothing runs between two questions: energy is added up period by period on the breaker's own
grid of 200 ms since boot, so a record is what it would have been with a timer, at the cost of none. All counters are
integers (mJ, mvar.s, mVA.s), and net values are sums of the quadrants: the identities seen in every capture hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import floor, hypot
from random import Random
from struct import Struct

from radios.emulators.home import HOUR_S, Demand, Home

PERIOD_MS = 200
"""In all captures."""
PERIODS_PER_S = 1000 // PERIOD_MS
PERIODS_PER_SLOT = PERIODS_PER_S
"""The draw is taken anew once a second and held: about what a home's loads change by."""
MAX_DRAWS = 3600
"""Chosen: hours that nobody asked about are computed in so many steps at most, so that catching up takes some 20 ms."""
ROUNDING = 1e-6
"""In periods: a clock of floating-point seconds may show 0.6 s as a hair less than three periods."""
SHARED_LEG_MV = 114
"""Pole to pole when both poles hang on one leg (captured)."""
QUADRANT_OF_SIGNS = {(True, True): 0, (False, True): 1, (False, False): 2, (True, False): 3}
"""(active >= 0, reactive >= 0) as metered -> quadrant index, by active = Q1-Q2-Q3+Q4 and reactive = Q1+Q2-Q3-Q4."""

RECORD = Struct("<BiH" + 2 * "qqQii12Q" + "i")
RECORD_SIZE = 267
assert RECORD.size == RECORD_SIZE

LEAST_PAST_J, MOST_PAST_J = 200_000_000, 20_000_000_000
"""What a breaker in use for months has metered per pole: 55 kWh to 5.5 MWh."""
NOON_S = 12 * HOUR_S


@dataclass(slots=True)
class _Pole:
    """Counters of one pole, twelve in the record's order: active, reactive, apparent, each Q1 to Q4."""

    counters: list[int] = field(default_factory=lambda: [0] * 12)
    quadrant: int = 0
    active: int = 0
    """Magnitudes of one period, mJ, mvar.s, mVA.s."""
    reactive: int = 0
    apparent: int = 0
    millivolts: int = 0
    shown: tuple[int, int] = (0, 0)
    """RMS mV and mA of the last complete period."""

    def add(self, periods: int) -> None:
        counters, quadrant = self.counters, self.quadrant
        counters[quadrant] += self.active * periods
        counters[4 + quadrant] += self.reactive * periods
        counters[8 + quadrant] += self.apparent * periods
        milliamps = self.apparent * PERIODS_PER_S * 1000 // self.millivolts if self.millivolts else 0
        self.shown = (self.millivolts, milliamps)

    def block(self) -> tuple[int, ...]:
        """Its 17 numbers in the record."""
        c = self.counters
        net_active = c[0] - c[1] - c[2] + c[3]
        net_reactive = c[4] + c[5] - c[6] - c[7]
        return (net_active, net_reactive, c[8] + c[9] + c[10] + c[11], *self.shown, *c)


class Meter:
    """Both poles of one breaker."""

    def __init__(
        self,
        home: Home,
        demand: Callable[[float], Demand],
        *,
        two_pole: bool,
        leg: int = 0,
        consumption_positive: tuple[bool, bool] = (False, False),
        on_consumed: Callable[[int], None] | None = None,
    ) -> None:
        """`demand` is asked with the home's model time; `on_consumed` is told the mJ that flowed into the load.

        Consumption counts into Q2 and Q3, a negative net, as in all captures: how a breaker is fed decides it. A pole
        in `consumption_positive` is fed the other way round.
        """
        self._home = home
        self._demand = demand
        self._two_pole = two_pole
        self._legs = (0, 1) if two_pole else (leg, leg)
        self._positive = consumption_positive
        self._on_consumed = on_consumed
        self._poles = (_Pole(), _Pole())
        self._boot_s = 0.0
        self._periods = 0
        self._slot = -1
        self._frequency = 0
        self._closed = True
        self._line = True
        self._record = b""
        self._record_of = -1

    def boot(self, now: float, *, keep_energies: bool) -> None:
        """Start at update number 0."""
        if not keep_energies:
            for pole in self._poles:
                pole.counters = [0] * 12
        self._boot_s = now
        self._periods = 0
        self._slot = -1
        self._record_of = -1
        self._draw(0)
        for pole in self._poles:
            pole.shown = (pole.millivolts, 0)

    def live_through_the_past(self, randomness: Random) -> None:
        """Counters as after months of use."""
        generates = self._demand(NOON_S).watts < 0
        for positive, pole in zip(self._positive, self._poles[: 2 if self._two_pole else 1], strict=False):
            millijoules = randomness.randrange(LEAST_PAST_J, MOST_PAST_J) * 1000
            self._set_flow(pole, positive, Demand(-1.0 if generates else 1.0, 0.3))
            quadrant = pole.quadrant
            pole.counters[quadrant] += millijoules
            pole.counters[4 + quadrant] += millijoules // 4
            pole.counters[8 + quadrant] += millijoules + millijoules // 32

    def set_contacts(self, now: float, *, closed: bool) -> None:
        """The contacts moved. Chosen: the period that is running still counts as it began."""
        self.advance(now)
        self._closed = closed
        self._slot = -1

    def set_line(self, now: float, *, live: bool) -> None:
        """The line side gained or lost its voltage (the breaker itself stays fed)."""
        self.advance(now)
        self._line = live
        self._slot = -1

    def advance(self, now: float) -> None:
        """Meter all periods that are complete."""
        target = floor((now - self._boot_s) * PERIODS_PER_S + ROUNDING)
        span = PERIODS_PER_SLOT * (1 + (target - self._periods) // (PERIODS_PER_SLOT * MAX_DRAWS))
        while self._periods < target:
            slot, inside = divmod(self._periods, PERIODS_PER_SLOT)
            if slot != self._slot:
                self._draw(slot)
            periods = min(target - self._periods, span - inside)
            for pole in self._poles:
                pole.add(periods)
            if self._on_consumed is not None:
                self._on_consumed(sum(pole.active for pole in self._poles) * periods)
            self._periods += periods

    def record(self, now: float) -> bytes:
        """The 267 bytes of the last complete period; the same bytes until the next one is."""
        if self._record_of != floor((now - self._boot_s) * PERIODS_PER_S + ROUNDING):
            self.advance(now)
            self._record_of = self._periods
            first, second = self._poles
            self._record = RECORD.pack(
                self._periods & 0xFF, self._frequency, PERIOD_MS, *first.block(), *second.block(), self._between_poles()
            )
        return self._record

    def _between_poles(self) -> int:
        first, second = (pole.shown[0] for pole in self._poles)
        if not self._line:
            return 0
        return first + second if self._two_pole else SHARED_LEG_MV

    def _draw(self, slot: int) -> None:
        """What flows during one slot."""
        self._slot = slot
        began_s = self._boot_s + slot * PERIODS_PER_SLOT / PERIODS_PER_S
        demand = Demand(0.0, 0.0)
        if self._closed and self._line:
            demand = self._demand(self._home.model_time(began_s))
        share = 0.5 if self._two_pole else 1.0
        on_pole = (Demand(demand.watts * share, demand.vars * share), Demand(0.0, 0.0))
        self._frequency = self._home.frequency_mhz(began_s) if self._line else 0
        for index, pole in enumerate(self._poles):
            pole.millivolts = self._home.leg_mv(self._legs[index], began_s) if self._line else 0
            self._set_flow(pole, self._positive[index], on_pole[0 if self._two_pole else index])

    @staticmethod
    def _set_flow(pole: _Pole, positive: bool, demand: Demand) -> None:
        active = round(demand.watts * PERIOD_MS)
        reactive = round(demand.vars * PERIOD_MS)
        if not positive:
            active, reactive = -active, -reactive
        pole.quadrant = QUADRANT_OF_SIGNS[active >= 0, reactive >= 0]
        pole.active, pole.reactive = abs(active), abs(reactive)
        pole.apparent = round(hypot(active, reactive))
