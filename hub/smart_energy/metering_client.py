"""`hub.meters`: what the hub asks meters beside their reports: profiles, days and tiers, and often for a while.

It is for every radio that carries Smart Energy, in every role. A profile is told as the meter told it; what is missing
in it stays missing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.clock import Clock
from hub.errors import HubError, InvalidError, RefusedError, UnavailableError, UnsupportedError
from hub.history import History
from hub.model import Channel, Quantity
from hub.smart_energy import gap
from hub.smart_energy.consumption import PLACES, Span, tier_places
from hub.smart_energy.meter_link import MeterLink
from hub.smart_energy.profile import PERIODS, ProfileEnd, ProfileReader
from hub.smart_energy.register_display import UNITS as UNIT_NAMES
from hub.smart_energy.register_display import shown
from hub.smart_energy.utc import EPOCH, from_utc, to_utc
from hub.zigbee.capabilities import facts_of
from hub.zigbee.member import Member
from hub.zigbee.model import AttributeValue
from hub.zigbee.network import Network
from hub.zigbee.service import told
from hub.zigbee.translate.findings import Places
from hub.zigbee.translate.metering import DELIVERED, DIVISOR, MULTIPLIER, RECEIVED, UNIT, Scaling
from protocols.se.metering import (
    CLUSTER,
    INTERVAL_S,
    GetProfileResponse,
    IntervalChannel,
    ProfileInterval,
)
from radios.api import RadioError

log = logging.getLogger(__name__)

RESCALE_S = 600.0
"""A device's scaling is read again no more often, however its counters leap."""
MAX_SPAN = timedelta(days=400)
"""Of one profile: a year and some; meters keep far less."""
MINUTE = timedelta(minutes=1)
LEAST_GAP = timedelta(minutes=15)
"""Meters report every five minutes at least: nothing was missed before. Nor is there anything to fill a gap with that
is shorter than the meter's intervals."""
USUAL_INTERVAL = timedelta(minutes=30)
"""Where the meter does not say how long they are."""
MAX_FILLED = 8
"""Gaps that are filled in one go."""
PROFILE_S = 60.0
"""For all pages of one profile: nobody waits longer."""
ANSWER_HEAD = 3 + 4 + 1 + 1 + 1
"""Bytes of Get Profile Response before its intervals: ZCL header, end time, status, period, count."""
INTERVAL_BYTES = 3
MAX_PERIODS, INTERVAL_PERIOD, FORMATTING = 0x0500, 0x000F, 0x0303


Spawn = Callable[[Coroutine[None, None, None], str], object]


@dataclass(frozen=True, slots=True)
class MeterInterval:
    """What a meter counted from `start` to before `end`, in the unit of the profile's quantity."""

    start: datetime
    end: datetime
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterProfile:
    """Intervals that end within a span, oldest first. What the meter knows no value of is left out."""

    device_id: str
    endpoint: int
    quantity: Quantity
    start: datetime
    end: datetime
    interval_s: int | None
    """None: the meter has told no interval."""
    intervals: tuple[MeterInterval, ...]
    complete: bool
    """The meter has told all of the span."""
    detail: str
    """Why not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledGap:
    """A gap in the recorded history, and how many readings it has got; none, and why."""

    since: datetime
    until: datetime
    counted: float
    """Between both ends, in the unit of the counter."""
    readings: int
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledHistory:
    """What a meter's profile has added to the history of its counter."""

    device_id: str
    quantity: Quantity
    channel: Channel
    gaps: tuple[FilledGap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumed:
    """One day, week or month of a meter; None: it does not say, or does not count that way."""

    span: Span
    ago: int
    delivered: float | None
    received: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TierTotal:
    """What a meter counted in a tier since ever."""

    tier: int
    delivered: float | None
    received: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterTotals:
    """Days, weeks, months and tiers of a meter, in the units of `quantities`: delivered, received."""

    device_id: str
    endpoint: int
    quantities: tuple[Quantity, Quantity | None]
    read_at: datetime
    spans: tuple[Consumed, ...]
    tiers: tuple[TierTotal, ...]
    registers: tuple[str | None, str | None]
    """Delivered and received as the meter's own display shows them; None: it does not say how, or has none."""


class MeteringClient:
    """All meters."""

    def __init__(
        self, link: MeterLink, utc: Callable[[str], int], history: History, clock: Clock, spawn: Spawn
    ) -> None:
        """`utc(radio)`: the standard's time there; 0: unknown."""
        self._link, self._utc, self._history, self._clock, self._spawn = link, utc, history, clock, spawn
        self._rescaled: dict[str, float] = {}
        """When each device's scaling was read again last, monotonic."""

    # -- scaling -----------------------------------------------------------------------------------------------------

    def doubted(self, device_id: str) -> None:
        """A counter of a device leaps: its scaling is read again, though not all the time."""
        now = self._clock.monotonic()
        if now - self._rescaled.get(device_id, -RESCALE_S) >= RESCALE_S:
            self._rescaled[device_id] = now
            self._spawn(self._rescale(device_id), f"scaling of {device_id}")

    async def _rescale(self, device_id: str) -> None:
        try:
            network, member, _ = self._link.meter(device_id, None)
            for place in member.servers(CLUSTER):
                await self._link.read(network, member, place, (UNIT, MULTIPLIER, DIVISOR))
        except (RadioError, HubError) as error:
            log.info("%s: its scaling was not read again: %s", device_id, error)

    # -- profiles ----------------------------------------------------------------------------------------------------

    async def profile(
        self, device_id: str, channel: IntervalChannel, start: datetime, end: datetime, endpoint: int | None = None
    ) -> MeterProfile:
        """What a meter counted in its intervals that end after `start`, and not after `end`.

        Raises `InvalidError`, `NotFoundError`, `UnsupportedError`, `UnavailableError`, `RefusedError`.
        """
        if not EPOCH <= start < end:
            raise InvalidError("from", start.isoformat(), f"a time from 2000 on before {end.isoformat()}")
        if end - start > MAX_SPAN:
            raise InvalidError("from", start.isoformat(), f"{MAX_SPAN.days} days at most before {end.isoformat()}")
        network, member, place = self._link.meter(device_id, endpoint)
        async with self._link.lanes[device_id], told(f"profile of {device_id}"):
            scaling = await self._link.scaling(network, member, place)
            quantity = scaling.quantity(received=channel is IntervalChannel.RECEIVED)
            if quantity is None:
                raise UnsupportedError(f"{device_id} meters what is delivered only")
            periods = await self._periods(network, member, place)
            room = (network.capabilities.max_payload - ANSWER_HEAD) // INTERVAL_BYTES
            # People's times are the machine's; the meter's are the network's.
            machine = to_utc(self._clock.now())
            now = self._utc(network.name) or machine
            ahead = now - machine
            reader = ProfileReader(channel, to_utc(start) + ahead, to_utc(end) + ahead, now, periods, room)
            problem = await self._pages(network, member, place, reader)
        if reader.ended is ProfileEnd.UNSUPPORTED:
            raise UnsupportedError(f"{device_id} keeps no profile of what is {channel.name.lower()}")
        found = [(one, scaling.value(one.count)) for one in reader.intervals]
        return MeterProfile(
            device_id=device_id,
            endpoint=place,
            quantity=quantity,
            start=start,
            end=end,
            interval_s=reader.interval_s,
            intervals=tuple(
                MeterInterval(from_utc(one.start - ahead), from_utc(one.end - ahead), value)
                for one, value in found
                if value is not None
            ),
            complete=reader.ended is ProfileEnd.COVERED,
            detail=problem or (_ENDS[reader.ended] if reader.ended is not None else ""),
        )

    async def fill_history(
        self, device_id: str, channel: IntervalChannel, start: datetime, end: datetime, endpoint: int | None = None
    ) -> FilledHistory:
        """Fill gaps in the history of a meter's counter with its profile, the latest ones first. Raises as `profile`,
        and `StorageError`."""
        if not EPOCH <= start < end:
            raise InvalidError("from", start.isoformat(), f"a time from 2000 on before {end.isoformat()}")
        network, member, place = self._link.meter(device_id, endpoint)
        async with told(f"scaling of {device_id}"):
            scaling = await self._link.scaling(network, member, place)
            interval = await self._interval(network, member, place)
        quantity = scaling.quantity(received=channel is IntervalChannel.RECEIVED)
        where = Places(facts_of(member)).channel(CLUSTER, place)
        if quantity is None or where is None:
            raise UnsupportedError(f"{device_id} meters what is delivered only")
        found = await self._history.gaps(device_id, quantity, where, start, end, max(LEAST_GAP, interval + MINUTE))
        filled: list[FilledGap] = []
        for before, after in reversed(found[-MAX_FILLED:]):
            one = gap.Gap(before.time, before.value, after.time, after.value)
            filling = await self._filling(device_id, channel, one, interval, place, scaling.value(1) or 0.0)
            self._history.insert(device_id, quantity, where, filling.points)
            filled.append(
                FilledGap(
                    since=one.since,
                    until=one.until,
                    counted=one.after - one.before,
                    readings=len(filling.points),
                    problem=filling.problem,
                )
            )
        self._history.hand_over()
        return FilledHistory(device_id=device_id, quantity=quantity, channel=where, gaps=tuple(filled))

    async def _filling(
        self,
        device_id: str,
        channel: IntervalChannel,
        one: gap.Gap,
        margin: timedelta,
        endpoint: int,
        count: float,
    ) -> gap.Filling:
        """What the meter kept of a gap, and of the intervals at both its ends."""
        if one.until - one.since > MAX_SPAN - 2 * margin:
            return gap.Filling(problem=f"it is longer than {(MAX_SPAN - 2 * margin).days} days")
        profile = await self.profile(device_id, channel, one.since - margin, one.until + margin, endpoint)
        return gap.fill(one, [gap.Span(part.start, part.end, part.value) for part in profile.intervals], count)

    async def _interval(self, network: Network, member: Member, endpoint: int) -> timedelta:
        """How long the meter's intervals are."""
        found = (await self._link.read(network, member, endpoint, (INTERVAL_PERIOD,))).get(INTERVAL_PERIOD)
        code = found.value if found is not None and not found.status else None
        known = INTERVAL_S.get(ProfileInterval(code)) if isinstance(code, int) else None
        return timedelta(seconds=known) if known is not None else USUAL_INTERVAL

    async def _periods(self, network: Network, member: Member, endpoint: int) -> int:
        """How many intervals the meter returns at once."""
        known = member.value(endpoint, CLUSTER, MAX_PERIODS)
        if known is None or (known.time is None and not known.status):
            known = (await self._link.read(network, member, endpoint, (MAX_PERIODS,))).get(MAX_PERIODS)
        value = known.value if known is not None and not known.status else None
        return value if isinstance(value, int) and value > 0 else PERIODS

    async def _pages(self, network: Network, member: Member, endpoint: int, reader: ProfileReader) -> str:
        """Ask page by page; what has stopped it, once there is something to tell."""
        started = self._clock.monotonic()
        while (question := reader.question()) is not None:
            if self._clock.monotonic() - started > PROFILE_S:
                return f"stopped after {PROFILE_S:g} s: ask for a shorter span"
            try:
                answer = await self._link.ask(
                    network, member, endpoint, question, GetProfileResponse, "keep a profile of what it has counted"
                )
            except (RadioError, UnavailableError, RefusedError) as error:
                if not reader.intervals:
                    raise
                return f"stopped: {error}"
            reader.take(answer)
        return ""

    # -- days and tiers ----------------------------------------------------------------------------------------------

    async def totals(self, device_id: str, endpoint: int | None = None) -> MeterTotals:
        """Days, weeks, months and tiers, read now. Raises as `profile`."""
        network, member, place = self._link.meter(device_id, endpoint)
        async with self._link.lanes[device_id], told(f"consumption of {device_id}"):
            scaling = await self._link.scaling(network, member, place)
            seen: dict[int, AttributeValue] = {}
            groups = [[(one.delivered, one.received) for one in PLACES if one.span is span] for span in Span]
            for group in (*groups, [(delivered, received) for _, delivered, received in tier_places()]):
                # Meters have the first ones of a run: where a pair is missing, none is asked for that lies behind it.
                for at in range(0, len(group), 3):
                    ids = [attribute for pair in group[at : at + 3] for attribute in pair]
                    read = await self._link.read(network, member, place, ids)
                    seen |= read
                    if all(value.status for value in read.values()):
                        break
            read = await self._link.read(network, member, place, (FORMATTING, DELIVERED, RECEIVED))
        quantity = scaling.quantity(received=False)
        assert quantity is not None
        digits = [_register(read.get(attribute), read.get(FORMATTING), scaling) for attribute in (DELIVERED, RECEIVED)]

        def value(attribute: int, invalid: int) -> float | None:
            found = seen.get(attribute)
            raw = found.value if found is not None and not found.status else None
            if not isinstance(raw, int) or isinstance(raw, bool) or raw == invalid:
                return None
            return scaling.value(raw)

        spans = tuple(
            Consumed(
                span=one.span,
                ago=one.ago,
                delivered=value(one.delivered, one.invalid),
                received=value(one.received, one.invalid),
            )
            for one in PLACES
        )
        tiers = tuple(
            TierTotal(tier=tier, delivered=value(delivered, _INVALID_48), received=value(received, _INVALID_48))
            for tier, delivered, received in tier_places()
        )
        if not any(value.status == 0 for value in seen.values()):
            raise UnsupportedError(f"{device_id} keeps no sums by day, week, month or tier")
        return MeterTotals(
            device_id=device_id,
            endpoint=place,
            quantities=(quantity, scaling.quantity(received=True)),
            read_at=self._clock.now(),
            spans=tuple(one for one in spans if one.delivered is not None or one.received is not None),
            tiers=tuple(one for one in tiers if one.delivered is not None or one.received is not None),
            registers=(digits[0], digits[1]),
        )


def _register(value: AttributeValue | None, formatting: AttributeValue | None, scaling: Scaling) -> str | None:
    """What the display of a meter shows."""
    raw = value.value if value is not None and not value.status else None
    how = formatting.value if formatting is not None and not formatting.status else None
    counts = scaling.counts(raw) if isinstance(raw, int) else None
    if counts is None or not isinstance(how, int):
        return None
    return f"{shown(counts, scaling.multiplier, scaling.divisor, how)} {UNIT_NAMES[scaling.code]}"


_INVALID_48 = 0xFFFFFFFFFFFF
_ENDS = {
    ProfileEnd.COVERED: "",
    ProfileEnd.NO_MORE: "the meter keeps nothing that is older",
    ProfileEnd.ENOUGH: "the meter tells few intervals at once: ask for a shorter span",
    ProfileEnd.STUCK: "the meter does not go further back, or tells what cannot be understood",
    ProfileEnd.UNSUPPORTED: "",
}
