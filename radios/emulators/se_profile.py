"""What an emulated meter keeps beside its registers: a profile of intervals, sums by day, and fast polls.

The profile goes back ten days at once: what the home used before the emulator started follows from its loads, which
are functions of the time.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import floor
from typing import NamedTuple

from radios.emulators import zcl
from radios.emulators.attributes import Attribute
from radios.emulators.device import Cluster
from radios.emulators.home import DAY_S
from radios.emulators.se_endpoint import Clock

A = Attribute
GET_PROFILE, REQUEST_FAST_POLL = 0x00, 0x03
SUCCESS, UNDEFINED_CHANNEL, INVALID_END, TOO_MANY, NO_INTERVALS = 0, 1, 3, 4, 5
"""Statuses of a profile."""
PERIODS = {0: 86_400, 1: 3600, 2: 1800, 3: 900, 4: 600, 5: 450, 6: 300, 7: 150}
"""Seconds of an interval, by its code."""
HALF_HOURS = 2
MOST_AT_ONCE = 6
"""Intervals in one answer."""
DAYS_KEPT = 10
STEP_S = 150.0
"""The past is added up in such steps."""
INVALID_24 = 0xFFFFFF
FAST_PERIOD_S, DEFAULT_PERIOD_S, MAX_FAST_MINUTES = 2, 30, 15
PREVIOUS_DAYS = 8


class Kept(NamedTuple):
    """What was counted in an interval."""

    end: int
    both: tuple[float, float]
    """Wh delivered and received."""


class Profile:
    """The profile of one meter; without a time of day there is none."""

    def __init__(self, clock: Clock, totals: Callable[[], tuple[float, float]], past: Callable[[float], float]) -> None:
        """`totals()`: the registers, Wh both ways. `past(utc)`: watts that flowed then."""
        self._clock, self._totals, self._past = clock, totals, past
        self.period = HALF_HOURS
        """A code of `PERIODS`."""
        self.most = MOST_AT_ONCE
        self.is_fast = True
        """It lets itself be asked often, as meters of 1.1 on do."""
        self.fast_until = 0
        """Seconds since 2000-01-01 UTC."""
        self.fast_period_s = 0
        self._kept: list[Kept] = []
        self._base = (0.0, 0.0)
        self._index: int | None = None

    @property
    def seconds(self) -> int:
        """Length of an interval."""
        return PERIODS[self.period]

    def change_period(self, code: int) -> None:
        """From now on intervals are of another length; those before are forgotten."""
        self.period, self._index = code, None

    def tick(self) -> None:
        """Close the intervals that are over."""
        if not self._clock.is_set:
            return
        index = floor(self._clock.now / self.seconds)
        if self._index is None or index < self._index - 1:
            self._begin(index)
        elif index > self._index:
            totals, count = self._totals(), index - self._index
            counted = (totals[0] - self._base[0]) / count, (totals[1] - self._base[1]) / count
            self._kept += [Kept((self._index + 1 + one) * self.seconds, counted) for one in range(count)]
            self._base, self._index = totals, index
            del self._kept[: -floor(DAYS_KEPT * DAY_S / self.seconds)]

    def _begin(self, index: int) -> None:
        """The clock is set, or was set back: what was before is what the home would have used."""
        count = floor(DAYS_KEPT * DAY_S / self.seconds)
        ends = [(index - count + number + 1) * self.seconds for number in range(count)]
        self._kept = [Kept(end, self._flowed(end - self.seconds, end)) for end in ends]
        begun = self._flowed(index * self.seconds, self._clock.now)
        totals = self._totals()
        self._base = totals[0] - begun[0], totals[1] - begun[1]
        self._index = index

    def _flowed(self, start: float, end: float) -> tuple[float, float]:
        """Wh both ways."""
        delivered = received = 0.0
        at = start
        while at < end:
            step = min(STEP_S, end - at)
            watts = self._past(at + step / 2)
            delivered += max(0.0, watts) * step / 3600
            received += max(0.0, -watts) * step / 3600
            at += step
        return delivered, received

    # -- what others ask ---------------------------------------------------------------------------------------------

    def add_to(self, cluster: Cluster) -> None:
        """Commands and attributes of the Metering server."""
        cluster.commands[GET_PROFILE] = self._get_profile
        cluster.commands[REQUEST_FAST_POLL] = self._fast_poll
        cluster.attributes |= {
            0x000A: A(zcl.UINT8, DEFAULT_PERIOD_S),
            0x000B: A(zcl.UINT8, FAST_PERIOD_S),
            0x000F: A(zcl.ENUM8, lambda: self.period),
            0x0305: A(zcl.MAP8, 0b0_0100_011),
            0x0500: A(zcl.UINT8, lambda: self.most),
        }
        for ago in range(PREVIOUS_DAYS + 1):
            first = 0x0401 + 2 * ago if ago < 2 else 0x0420 + 2 * (ago - 2)
            cluster.attributes[first] = A(zcl.UINT24, self._day(ago, 0), reportable=True)
            cluster.attributes[first + 1] = A(zcl.UINT24, self._day(ago, 1), reportable=True)

    def _day(self, ago: int, place: int) -> Callable[[], int | None]:
        """The sum of a day; UTC days."""

        def total() -> int | None:
            self.tick()
            if self._index is None:
                return None
            first = (floor(self._clock.now / DAY_S) - ago) * DAY_S
            found = [both[place] for end, both in self._kept if first < end <= first + DAY_S]
            if ago:
                return floor(sum(found)) if found else None
            return floor(sum(found) + self._totals()[place] - self._base[place])

        return total

    def _get_profile(self, payload: bytes) -> tuple[int, bytes]:
        channel, end, count = struct.unpack_from("<BIB", payload)
        self.tick()
        newest = self._kept[-1].end if self._kept and self._index is not None else 0

        def answer(status: int, found: list[Kept]) -> tuple[int, bytes]:
            counts = [min(floor(kept.both[channel]), INVALID_24 - 1) for kept in found]
            told = b"".join(one.to_bytes(3, "little") for one in counts)
            return GET_PROFILE, struct.pack(
                "<IBBB", found[0].end if found else end, status, self.period, len(found)
            ) + told

        if channel > 1:
            return answer(UNDEFINED_CHANNEL, [])
        if not newest:
            return answer(NO_INTERVALS, [])
        if end > newest + self.seconds:
            return answer(INVALID_END, [])
        found = [kept for kept in reversed(self._kept) if not end or kept.end <= end]
        if not found:
            return answer(NO_INTERVALS, [])
        return answer(TOO_MANY if count > self.most else SUCCESS, found[: min(count, self.most)])

    def _fast_poll(self, payload: bytes) -> int | tuple[int, bytes]:
        if not self.is_fast:
            return zcl.UNSUP_CLUSTER_COMMAND
        period, minutes = struct.unpack_from("<BB", payload)
        now = self._clock.stamp
        if self.fast_until <= now:
            self.fast_period_s = max(FAST_PERIOD_S, period)
            self.fast_until = now + 60 * min(minutes, MAX_FAST_MINUTES)
        return REQUEST_FAST_POLL, struct.pack("<BI", self.fast_period_s, self.fast_until & 0xFFFFFFFF)
