"""The client's calls of meters: a part of `web.client.HubClient`, with the answers as it takes them."""

from __future__ import annotations

from msgspec import Struct

from web.client_calls import Calls
from web.client_zigbee import segment

PROFILE_TIMEOUT_S = 90.0
"""A meter is asked page by page."""


class MeterInterval(Struct, frozen=True):
    """What was counted from `start` to before `end`."""

    start: str
    end: str
    value: float


class Profile(Struct, frozen=True):
    """Intervals of a meter, oldest first."""

    device: str
    quantity: str
    unit: str
    start: str
    end: str
    intervals: tuple[MeterInterval, ...] = ()
    complete: bool = True
    detail: str = ""
    interval_s: int | None = None
    endpoint: int | None = None


class FilledGap(Struct, frozen=True):
    """A gap in the recorded history; without readings, `problem` says why."""

    since: str
    until: str
    counted: float
    readings: int = 0
    problem: str = ""


class FilledHistory(Struct, frozen=True):
    """Gaps, the latest first."""

    device: str
    quantity: str
    channel: str
    unit: str
    gaps: tuple[FilledGap, ...] = ()


class Consumed(Struct, frozen=True):
    """A day, week or month of a meter."""

    span: str
    ago: int
    delivered: float | None = None
    received: float | None = None


class TierTotal(Struct, frozen=True):
    """A tier of a meter."""

    tier: int
    delivered: float | None = None
    received: float | None = None


class Consumption(Struct, frozen=True):
    """A meter's sums."""

    device: str
    quantity: str
    unit: str
    read_at: str
    spans: tuple[Consumed, ...] = ()
    tiers: tuple[TierTotal, ...] = ()
    display_delivered: str | None = None
    display_received: str | None = None
    endpoint: int | None = None


class FastPoll(Struct, frozen=True):
    """How a meter is asked often."""

    device: str
    running: bool
    period_s: int
    started_at: str
    ends_at: str
    readings: int = 0
    detail: str = ""
    endpoint: int | None = None


class MeteringCalls(Calls):
    """Calls of /api/v1/devices/{id}/metering."""

    async def metering_profile(
        self, device_id: str, channel: str, *, start: str | None = None, end: str | None = None
    ) -> Profile:
        """What a meter counted in its intervals; `channel` is delivered or received."""
        query = {"channel": channel, "from": start, "to": end}
        path = f"/api/v1/devices/{segment(device_id)}/metering/profile"
        return await self._call("GET", path, Profile, query=query, timeout_s=PROFILE_TIMEOUT_S)

    async def fill_history(
        self, device_id: str, channel: str, *, start: str | None = None, end: str | None = None
    ) -> FilledHistory:
        """Fill gaps in the recorded history with what the meter kept."""
        wanted = {"channel": channel, "from": start, "to": end}
        body = {name: value for name, value in wanted.items() if value is not None}
        path = f"/api/v1/devices/{segment(device_id)}/metering/history"
        return await self._call("POST", path, FilledHistory, body=body, timeout_s=PROFILE_TIMEOUT_S)

    async def metering_consumption(self, device_id: str) -> Consumption:
        """A meter's sums by day, week, month and tier."""
        path = f"/api/v1/devices/{segment(device_id)}/metering/consumption"
        return await self._call("GET", path, Consumption, timeout_s=PROFILE_TIMEOUT_S)

    async def fast_poll(self, device_id: str) -> FastPoll:
        """How a meter is asked often, or how that has ended."""
        return await self._call("GET", f"/api/v1/devices/{segment(device_id)}/metering/fast-poll", FastPoll)

    async def begin_fast_poll(self, device_id: str, period_s: int, duration_min: int) -> FastPoll:
        """Ask a meter often for a while."""
        body = {"period_s": period_s, "duration_min": duration_min}
        path = f"/api/v1/devices/{segment(device_id)}/metering/fast-poll"
        return await self._call("POST", path, FastPoll, body=body, timeout_s=PROFILE_TIMEOUT_S)

    async def end_fast_poll(self, device_id: str) -> FastPoll:
        """Ask a meter no more often."""
        return await self._call("DELETE", f"/api/v1/devices/{segment(device_id)}/metering/fast-poll", FastPoll)
