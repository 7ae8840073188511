"""Time: the network's clock, which we are the master of (ZCL8, 3.12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC as UTC_ZONE
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise

from hub.clock import Clock
from hub.zigbee.servers.base import ClusterServer, Get, bound
from protocols.zcl.clusters import TIME

ZIGBEE_EPOCH = datetime(2000, 1, 1, tzinfo=UTC_ZONE)
"""Second 0 of the type UTC (ZCL8, 2.6.2)."""
MAX_TIME = 0xFFFFFFFE
"""Last second of the type UTC, in the year 2136; 0xFFFFFFFF is its invalid value."""
MASTER, SYNCHRONIZED, MASTER_ZONE_DST, SUPERSEDING = 0x01, 0x02, 0x04, 0x08
"""Bits of TimeStatus (ZCL8, 3.12.2.2)."""
VALID_FOR = timedelta(days=1)
"""Chosen: ValidUntilTime is a day behind the last NTP correction. A crystal of 20 ppm is 2 s off by then."""
PLAUSIBLE_FROM = datetime(2024, 1, 1, tzinfo=UTC_ZONE)
"""A clock before this was never set (a board without a battery starts in 1970): its time is told as invalid."""
REPORTABLE = frozenset(range(6))
"""Chosen: the time, its status and the zone's rules may be reported, so that displays hear of a change at once."""
_SEARCH_DAYS = 400
"""How far from today a change of summer time is looked for: more than a year each way."""


@dataclass(frozen=True, slots=True)
class DstRules:
    """Summer time as the Time cluster tells it: one period, and the zone without it."""

    zone_s: int
    """Standard time minus UTC."""
    shift_s: int
    """Summer time minus standard time; 0 where there is none."""
    start: datetime | None
    end: datetime | None


def dst_rules(zone: tzinfo, now: datetime) -> DstRules:
    """The summer time of this year in `zone`.

    It is the period whose start and end both lie in the local year. Where summer time goes over the turn of the year
    (south of the equator), and where now is inside another period, it is the period that contains now or else the next:
    so that LocalTime = StandardTime + DstShift exactly while DstStart <= Time < DstEnd, as the standard has it.
    """
    periods = _dst_periods(zone, now)
    local_year = now.astimezone(zone).year
    chosen = next((found for found in periods if found[0] <= now < found[1]), None)
    if chosen is None:
        chosen = next(
            (found for found in periods if all(edge.astimezone(zone).year == local_year for edge in found)), None
        )
    if chosen is None:
        chosen = next((found for found in periods if found[0] > now), None)
    standard = _offset(zone, now) - _dst(zone, now)
    if chosen is None:
        return DstRules(int(standard.total_seconds()), 0, None, None)
    shift = _dst(zone, chosen[0])
    return DstRules(int(standard.total_seconds()), int(shift.total_seconds()), *chosen)


def _dst_periods(zone: tzinfo, now: datetime) -> list[tuple[datetime, datetime]]:
    """All whole periods of summer time within the search, first to last."""
    day = timedelta(days=1)
    start = now.astimezone(UTC_ZONE).replace(hour=0, minute=0, second=0, microsecond=0) - _SEARCH_DAYS * day
    edges: list[tuple[datetime, bool]] = []
    before = bool(_dst(zone, start))
    for number in range(1, 2 * _SEARCH_DAYS + 1):
        later = start + number * day
        after = bool(_dst(zone, later))
        if after != before:
            edges.append((_edge(zone, later - day, later, before), after))
        before = after
    return [
        (begun, ended)
        for (begun, is_start), (ended, is_next_start) in pairwise(edges)
        if is_start and not is_next_start
    ]


def _edge(zone: tzinfo, low: datetime, high: datetime, before: bool) -> datetime:
    """The first whole second at which summer time is no longer as `before`."""
    first, last = 0, int((high - low).total_seconds())
    while last - first > 1:
        middle = (first + last) // 2
        if bool(_dst(zone, low + timedelta(seconds=middle))) == before:
            first = middle
        else:
            last = middle
    return low + timedelta(seconds=last)


def _dst(zone: tzinfo, at: datetime) -> timedelta:
    return at.astimezone(zone).dst() or timedelta()


def _offset(zone: tzinfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


class TimeServer(ClusterServer):
    """The Time cluster of one of our endpoints.

    We are the master: nobody on the network may set the time, every write is READ_ONLY. The Synchronized bit means
    "set over the network" and is never together with Master (ZCL8, 3.12.2.2), so that it stays 0; that the machine's
    clock follows NTP shows in Superseding (other clocks shall give way to it), LastSetTime and ValidUntilTime.
    """

    CLUSTER = TIME
    REVISION = 2

    def __init__(
        self,
        clock: Clock,
        zone: tzinfo,
        ntp_set_at: Callable[[], datetime | None],
        valid_for: Callable[[], timedelta] = lambda: VALID_FOR,
    ) -> None:
        """`ntp_set_at()`: when NTP last corrected the machine's clock; None while it does not follow NTP.

        `valid_for()`: for how long it counts as right afterwards.
        """
        self._clock, self._zone, self._corrected_at, self._valid_for = clock, zone, ntp_set_at, valid_for
        self._rules: tuple[datetime, DstRules] | None = None
        """With the time at which they were made."""
        getters: dict[int, Get] = {
            0x0000: lambda _: self._seconds(self._now()),
            0x0001: lambda _: self._status(),
            0x0002: lambda _: self._zone_s(),
            0x0003: lambda _: self._seconds(self._dst_rules().start),
            0x0004: lambda _: self._seconds(self._dst_rules().end),
            0x0005: lambda _: self._dst_rules().shift_s,
            0x0006: lambda _: self._standard_time(),
            0x0007: lambda _: self._local_time(),
            0x0008: lambda _: self._seconds(self._ntp_set_at()),
            0x0009: lambda _: self._valid_until(),
        }
        super().__init__(bound(TIME, number, get, reportable=number in REPORTABLE) for number, get in getters.items())

    def _ntp_set_at(self) -> datetime | None:
        """When it was corrected last, if it still counts as right."""
        found = self._corrected_at()
        return found if found is None or found + self._valid_for() >= self._clock.now() else None

    def _now(self) -> datetime | None:
        """The time, unless the clock was never set."""
        now = self._clock.now()
        return now if now >= PLAUSIBLE_FROM else None

    @staticmethod
    def _seconds(at: datetime | None, offset_s: int = 0) -> int | None:
        if at is None:
            return None
        seconds = (at - ZIGBEE_EPOCH) // timedelta(seconds=1) + offset_s
        return seconds if 0 <= seconds <= MAX_TIME else None

    def _status(self) -> int:
        superseding = SUPERSEDING if self._ntp_set_at() is not None else 0
        return MASTER | MASTER_ZONE_DST | superseding if self._now() is not None else 0

    def _dst_rules(self) -> DstRules:
        now = self._clock.now()
        if self._rules is None or _is_stale(*self._rules, now):
            self._rules = now, dst_rules(self._zone, now)
        return self._rules[1]

    def _zone_s(self) -> int:
        return self._dst_rules().zone_s

    def _standard_time(self) -> int | None:
        return self._seconds(self._now(), self._zone_s())

    def _local_time(self) -> int | None:
        now = self._now()
        return self._seconds(now, int(_offset(self._zone, now).total_seconds())) if now is not None else None

    def _valid_until(self) -> int | None:
        set_at = self._ntp_set_at()
        return self._seconds(set_at + self._valid_for()) if set_at is not None else None


def _is_stale(made: datetime, rules: DstRules, now: datetime) -> bool:
    """Once a day is enough for what changes once a year; only the end of a period is looked at on time."""
    return made.date() != now.date() or (rules.end is not None and made < rules.end <= now)
