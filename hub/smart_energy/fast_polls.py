"""Meters that are asked often for a while, as they have granted it: `hub.fast_polls`.

While it runs the hub reads demand and summations at the applied period, and what they say is published as any other
readings. It ends by itself, by somebody, or when the meter is not there any more; one at a time for each meter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hub.bus import Bus
from hub.clock import Clock
from hub.errors import HubError, InvalidError, NotFoundError, RefusedError
from hub.events import DeviceRemoved
from hub.smart_energy.fast_poll import MAX_PERIOD_S, Granted, granted
from hub.smart_energy.meter_link import MeterLink
from hub.smart_energy.utc import from_utc
from hub.zigbee.service import told
from hub.zigbee.translate.metering import DELIVERED, DEMAND, RECEIVED
from protocols.se.base import INVALID_UTC
from protocols.se.metering import CLUSTER, MAX_FAST_POLL_MIN, RequestFastPollMode, RequestFastPollModeResponse
from radios.api import RadioError

log = logging.getLogger(__name__)

FAILURES = 3
"""Questions in a row without an answer that end asking often."""
ENDED_KEPT = 16
"""Meters of which it is known how asking often has ended."""

Spawn = Callable[[Coroutine[None, None, None], str], "asyncio.Task[None]"]


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


class FastPolls:
    """All meters that are asked often."""

    def __init__(self, link: MeterLink, utc: Callable[[str], int], spawn: Spawn, bus: Bus, clock: Clock) -> None:
        """`utc(radio)`: the standard's time there; 0: unknown."""
        self._link, self._utc, self._spawn, self._bus, self._clock = link, utc, spawn, bus, clock
        self._polls: dict[str, _Poll] = {}

    async def run(self) -> None:
        """Leave devices alone that were removed; ends by cancellation."""
        async with self._bus.subscribe(DeviceRemoved) as events:
            async for event in events:
                poll = self._polls.pop(event.device_id, None)
                if poll is not None and poll.task is not None:
                    poll.task.cancel()

    async def begin(
        self, device_id: str, period_s: int, duration_min: int, endpoint: int | None = None
    ) -> FastPollStatus:
        """Ask a meter so often, so long; as it grants it. Raises as `profile`, `RefusedError` while it is going on."""
        if not 1 <= period_s <= MAX_PERIOD_S:
            raise InvalidError("period_s", period_s, f"1 to {MAX_PERIOD_S}")
        if not 1 <= duration_min <= MAX_FAST_POLL_MIN:
            raise InvalidError("duration_min", duration_min, f"1 to {MAX_FAST_POLL_MIN}")
        network, member, place = self._link.meter(device_id, endpoint)
        async with self._link.lanes[device_id], told(f"asking {device_id} often"):
            going = self._polls.get(device_id)
            if going is not None and going.status.running:
                until = f"{going.status.ends_at:%H:%M:%S} UTC"
                raise RefusedError(f"{device_id} is asked every {going.status.period_s} s already, until {until}")
            asked = RequestFastPollMode(period_s, duration_min)
            answer = await self._link.ask(
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

    def of(self, device_id: str) -> FastPollStatus:
        """How a meter is asked often, or how that has ended. Raises `NotFoundError` where it never was."""
        self._link.find(device_id)
        poll = self._polls.get(device_id)
        if poll is None:
            raise NotFoundError("fast poll of", device_id)
        return poll.status

    def end(self, device_id: str) -> FastPollStatus:
        """Ask it no more often; the meter is not told, it ends by itself. Raises `NotFoundError`."""
        self.of(device_id)
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
                network, member = self._link.find(device_id)
                if not member.is_active:
                    detail = "the meter is away"
                    break
                ids = [
                    attribute
                    for attribute in (DEMAND, DELIVERED, RECEIVED)
                    if (known := member.value(place, CLUSTER, attribute)) is None or not known.status
                ]
                await self._link.read(network, member, place, ids or (DELIVERED,))
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
