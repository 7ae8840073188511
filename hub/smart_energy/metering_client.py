"""`hub.meters`: what the hub asks meters beside their reports: profiles, days and tiers, and often for a while.

It is for every radio that carries Smart Energy, in every role. A profile is told as the meter told it; what is missing
in it stays missing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from hub.bus import Bus
from hub.clock import Clock
from hub.errors import HubError, InvalidError, NotFoundError, RefusedError, UnavailableError, UnsupportedError
from hub.events import DeviceRemoved
from hub.model import Quantity
from hub.smart_energy.consumption import PLACES, Span, tier_places
from hub.smart_energy.fast_poll import MAX_PERIOD_S, Granted, granted
from hub.smart_energy.profile import PERIODS, ProfileEnd, ProfileReader
from hub.smart_energy.utc import EPOCH, from_utc, to_utc
from hub.zigbee import attributes
from hub.zigbee.member import Member
from hub.zigbee.model import AttributeValue
from hub.zigbee.network import Network
from hub.zigbee.service import told
from hub.zigbee.translate.metering import DELIVERED, DEMAND, DIVISOR, MULTIPLIER, RECEIVED, UNIT, Scaling, scaling_of
from protocols.errors import CodecError
from protocols.se.base import INVALID_UTC, SeCommand
from protocols.se.metering import (
    CLUSTER,
    MAX_FAST_POLL_MIN,
    GetProfileResponse,
    IntervalChannel,
    RequestFastPollMode,
    RequestFastPollModeResponse,
)
from protocols.zcl.general import DefaultResponse
from protocols.zcl.header import FrameType
from protocols.zcl.status import Status
from radios.api import NoReplyError, RadioError

log = logging.getLogger(__name__)

MAX_SPAN = timedelta(days=400)
"""Of one profile: a year and some; meters keep far less."""
PROFILE_S = 60.0
"""For all pages of one profile: nobody waits longer."""
ANSWER_HEAD = 3 + 4 + 1 + 1 + 1
"""Bytes of Get Profile Response before its intervals: ZCL header, end time, status, period, count."""
INTERVAL_BYTES = 3
MAX_PERIODS, FAST_PERIOD, INTERVAL_PERIOD = 0x0500, 0x000B, 0x000F
FAILURES = 3
"""Questions in a row without an answer that end asking often."""
ENDED_KEPT = 16
"""Meters of which it is known how asking often has ended."""
_UNABLE = frozenset((Status.UNSUP_CLUSTER_COMMAND, Status.UNSUP_GENERAL_COMMAND, Status.UNSUPPORTED_CLUSTER))

Spawn = Callable[[Coroutine[None, None, None], str], "asyncio.Task[None]"]
R = TypeVar("R", bound=SeCommand)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FastPollStatus:
    """A meter that is, or was, asked often."""

    device_id: str
    endpoint: int
    period_s: int
    """As the meter has granted it."""
    started_at: datetime
    ends_at: datetime
    running: bool
    readings: int
    """Times that it has answered."""
    detail: str
    """How it has ended; empty while it runs."""


@dataclass(slots=True)
class _Poll:
    status: FastPollStatus
    task: asyncio.Task[None] | None = None


class MeteringClient:
    """All meters."""

    def __init__(
        self,
        find: Callable[[str], tuple[Network, Member]],
        learn: Callable[[Member, Sequence[AttributeValue]], None],
        utc: Callable[[str], int],
        spawn: Spawn,
        bus: Bus,
        clock: Clock,
    ) -> None:
        """`find` gives a device's network and member, or raises; `utc(radio)` the standard's time there, 0: unknown."""
        self._find, self._learn, self._utc, self._spawn = find, learn, utc, spawn
        self._bus, self._clock = bus, clock
        self._lanes: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._polls: dict[str, _Poll] = {}

    async def run(self) -> None:
        """Leave devices alone that were removed; ends by cancellation."""
        async with self._bus.subscribe(DeviceRemoved) as events:
            async for event in events:
                self._lanes.pop(event.device_id, None)
                poll = self._polls.pop(event.device_id, None)
                if poll is not None and poll.task is not None:
                    poll.task.cancel()

    # -- what all of it needs ----------------------------------------------------------------------------------------

    def _meter(self, device_id: str, endpoint: int | None) -> tuple[Network, Member, int]:
        network, member = self._find(device_id)
        network.need_radio()
        places = member.servers(CLUSTER)
        if not places:
            raise UnsupportedError(f"{device_id} is no meter: it has no Metering cluster")
        if endpoint is None:
            return network, member, places[0]
        if endpoint not in places:
            raise InvalidError("endpoint", endpoint, f"an endpoint that meters: {', '.join(map(str, places))}")
        return network, member, endpoint

    async def _ask(
        self, network: Network, member: Member, endpoint: int, command: SeCommand, response: type[R], what: str
    ) -> R:
        """Send a command and read its answer; `what` the meter may not be able to."""
        answer = await network.request(
            member,
            endpoint,
            command.CLUSTER,
            command.COMMAND,
            command.encode(),
            frame_type=FrameType.CLUSTER,
            responses=frozenset((response.COMMAND,)),
        )
        try:
            if answer.header.frame_type is FrameType.GENERAL:
                status = DefaultResponse.decode(answer.payload).status
                if status in _UNABLE:
                    raise UnsupportedError(f"{member.device_id} does not {what}: it answers {status.name}")
                raise RefusedError(f"{member.device_id}: {what}: it answers {status.name}")
            return response.decode(answer.payload)
        except CodecError as error:
            raise NoReplyError(f"the answer cannot be read: {error}") from None

    async def _read(
        self, network: Network, member: Member, endpoint: int, ids: Sequence[int]
    ) -> dict[int, AttributeValue]:
        values = await attributes.read(network, member, endpoint, CLUSTER, ids, now=self._clock.now)
        self._learn(member, values)
        return {value.attribute: value for value in values}

    async def _scaling(self, network: Network, member: Member, endpoint: int) -> Scaling:
        """What its counts mean; asked for where it is not known yet."""
        found = scaling_of(lambda attribute: member.value(endpoint, CLUSTER, attribute))
        if found is None:
            values = await self._read(network, member, endpoint, (UNIT, MULTIPLIER, DIVISOR))
            found = scaling_of(values.get)
        if found is None:
            raise UnsupportedError(
                f"{member.device_id} does not say what its counts mean, or counts what is no energy and no volume"
            )
        return found

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
        network, member, place = self._meter(device_id, endpoint)
        async with self._lanes[device_id], told(f"profile of {device_id}"):
            scaling = await self._scaling(network, member, place)
            quantity = scaling.quantity(received=channel is IntervalChannel.RECEIVED)
            if quantity is None:
                raise UnsupportedError(f"{device_id} meters what is delivered only")
            periods = await self._periods(network, member, place)
            room = (network.capabilities.max_payload - ANSWER_HEAD) // INTERVAL_BYTES
            now = self._utc(network.name) or to_utc(self._clock.now())
            reader = ProfileReader(channel, to_utc(start), to_utc(end), now, periods, room)
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
                MeterInterval(from_utc(one.start), from_utc(one.end), value)
                for one, value in found
                if value is not None
            ),
            complete=reader.ended is ProfileEnd.COVERED,
            detail=problem or (_ENDS[reader.ended] if reader.ended is not None else ""),
        )

    async def _periods(self, network: Network, member: Member, endpoint: int) -> int:
        """How many intervals the meter returns at once."""
        known = member.value(endpoint, CLUSTER, MAX_PERIODS)
        if known is None or (known.time is None and not known.status):
            known = (await self._read(network, member, endpoint, (MAX_PERIODS,))).get(MAX_PERIODS)
        value = known.value if known is not None and not known.status else None
        return value if isinstance(value, int) and value > 0 else PERIODS

    async def _pages(self, network: Network, member: Member, endpoint: int, reader: ProfileReader) -> str:
        """Ask page by page; what has stopped it, once there is something to tell."""
        started = self._clock.monotonic()
        while (question := reader.question()) is not None:
            if self._clock.monotonic() - started > PROFILE_S:
                return f"stopped after {PROFILE_S:g} s: ask for a shorter span"
            try:
                answer = await self._ask(
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
        network, member, place = self._meter(device_id, endpoint)
        async with self._lanes[device_id], told(f"consumption of {device_id}"):
            scaling = await self._scaling(network, member, place)
            seen: dict[int, AttributeValue] = {}
            groups = [[(one.delivered, one.received) for one in PLACES if one.span is span] for span in Span]
            for group in (*groups, [(delivered, received) for _, delivered, received in tier_places()]):
                # Meters have the first ones of a run: where a pair is missing, none is asked for that lies behind it.
                for at in range(0, len(group), 3):
                    ids = [attribute for pair in group[at : at + 3] for attribute in pair]
                    read = await self._read(network, member, place, ids)
                    seen |= read
                    if all(value.status for value in read.values()):
                        break
        quantity = scaling.quantity(received=False)
        assert quantity is not None

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
        )

    # -- often, for a while ------------------------------------------------------------------------------------------

    async def fast_poll(
        self, device_id: str, period_s: int, duration_min: int, endpoint: int | None = None
    ) -> FastPollStatus:
        """Ask a meter so often, so long; as it grants it. Raises as `profile`, `RefusedError` while it is going on."""
        if not 1 <= period_s <= MAX_PERIOD_S:
            raise InvalidError("period_s", period_s, f"1 to {MAX_PERIOD_S}")
        if not 1 <= duration_min <= MAX_FAST_POLL_MIN:
            raise InvalidError("duration_min", duration_min, f"1 to {MAX_FAST_POLL_MIN}")
        network, member, place = self._meter(device_id, endpoint)
        async with self._lanes[device_id], told(f"asking {device_id} often"):
            going = self._polls.get(device_id)
            if going is not None and going.status.running:
                until = f"{going.status.ends_at:%H:%M:%S} UTC"
                raise RefusedError(f"{device_id} is asked every {going.status.period_s} s already, until {until}")
            asked = RequestFastPollMode(period_s, duration_min)
            answer = await self._ask(
                network,
                member,
                place,
                asked,
                RequestFastPollModeResponse,
                "let itself be asked often, which is of Smart Energy 1.1",
            )
            found = granted(answer, period_s, duration_min, self._utc(network.name))
            if found is None:
                end = "never" if answer.end_time in (0, INVALID_UTC) else f"{from_utc(answer.end_time):%H:%M:%S} UTC"
                raise RefusedError(f"{device_id} does not let itself be asked often now: it ends that at {end}")
            now = self._clock.now()
            status = FastPollStatus(
                device_id=device_id,
                endpoint=place,
                period_s=found.period_s,
                started_at=now,
                ends_at=now + timedelta(seconds=found.duration_s),
                running=True,
                readings=0,
                detail="",
            )
            poll = self._polls[device_id] = _Poll(status)
            self._forget_ended()
            poll.task = self._spawn(self._poll(poll, found), f"asking {device_id} often")
        return poll.status

    def fast_poll_of(self, device_id: str) -> FastPollStatus:
        """How a meter is asked often, or how that has ended. Raises `NotFoundError` where it never was."""
        self._find(device_id)
        poll = self._polls.get(device_id)
        if poll is None:
            raise NotFoundError("fast poll of", device_id)
        return poll.status

    def end_fast_poll(self, device_id: str) -> FastPollStatus:
        """Ask it no more often; the meter is not told, it ends by itself. Raises `NotFoundError`."""
        self.fast_poll_of(device_id)
        poll = self._polls[device_id]
        if poll.status.running:
            self._end(poll, "somebody has ended it")
            if poll.task is not None:
                poll.task.cancel()
        return poll.status

    def _forget_ended(self) -> None:
        ended = [device_id for device_id, poll in self._polls.items() if not poll.status.running]
        for device_id in ended[: max(0, len(ended) - ENDED_KEPT)]:
            del self._polls[device_id]

    def _end(self, poll: _Poll, detail: str) -> None:
        if poll.status.running:
            poll.status = replace(poll.status, running=False, detail=detail, ends_at=self._clock.now())

    async def _poll(self, poll: _Poll, found: Granted) -> None:
        """Read demand and summations at each period until the end, or until the meter is not there any more."""
        device_id, place = poll.status.device_id, poll.status.endpoint
        started = self._clock.monotonic()
        failures, number, detail = 0, 0, "its time is over"
        while self._clock.monotonic() - started < found.duration_s:
            try:
                network, member = self._find(device_id)
                if not member.is_active:
                    detail = "the meter is away"
                    break
                ids = [
                    attribute
                    for attribute in (DEMAND, DELIVERED, RECEIVED)
                    if (known := member.value(place, CLUSTER, attribute)) is None or not known.status
                ]
                await self._read(network, member, place, ids or (DELIVERED,))
                failures = 0
                poll.status = replace(poll.status, readings=poll.status.readings + 1)
            except (RadioError, HubError) as error:
                failures += 1
                log.info("%s: asked often, and no answer: %s", device_id, error)
                if failures >= FAILURES:
                    detail = f"{failures} questions in a row were not answered: {error}"
                    break
            # In step with the start; periods that an answer has taken are left out, not made up for.
            passed = self._clock.monotonic() - started
            number = max(number + 1, int(passed // found.period_s) + 1)
            await asyncio.sleep(max(0.0, min(number * found.period_s, found.duration_s) - passed))
        self._end(poll, detail)


_INVALID_48 = 0xFFFFFFFFFFFF
_ENDS = {
    ProfileEnd.COVERED: "",
    ProfileEnd.NO_MORE: "the meter keeps nothing that is older",
    ProfileEnd.ENOUGH: "the meter tells few intervals at once: ask for a shorter span",
    ProfileEnd.STUCK: "the meter does not go further back, or tells what cannot be understood",
    ProfileEnd.UNSUPPORTED: "",
}
