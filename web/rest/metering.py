"""Meters: profiles, days and tiers, and asking them often for a while."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from hub.errors import InvalidError
from hub.smart_energy.fast_poll import DEFAULT_DURATION_MIN, DEFAULT_PERIOD_S, MAX_PERIOD_S
from protocols.se.metering import MAX_FAST_POLL_MIN, IntervalChannel
from web import schema_metering as schema
from web.auth import Role
from web.rest.attributes import Endpoint
from web.rest.readings import EARLIEST, LATEST, When
from web.routes import API, Call, Route

DEFAULT_SPAN = timedelta(days=1)


class Direction(StrEnum):
    """Which way it went."""

    DELIVERED = "delivered"
    RECEIVED = "received"


class ProfileQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which intervals: those that end after `from`, and not after `to`."""

    channel: Direction = Direction.DELIVERED
    start: When | UnsetType = msgspec.field(default=UNSET, name="from")
    end: When | UnsetType = msgspec.field(default=UNSET, name="to")
    endpoint: Endpoint | UnsetType = UNSET


class FillRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Gaps of which time."""

    channel: Direction = Direction.DELIVERED
    start: When | UnsetType = msgspec.field(default=UNSET, name="from")
    end: When | UnsetType = msgspec.field(default=UNSET, name="to")
    endpoint: Endpoint | UnsetType = UNSET


class MeterQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which of several meters of a device; the first where it is left out."""

    endpoint: Endpoint | UnsetType = UNSET


class FastPollRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """How often, and for how long; the meter may grant less."""

    period_s: Annotated[int, Meta(ge=1, le=MAX_PERIOD_S)] = DEFAULT_PERIOD_S
    duration_min: Annotated[int, Meta(ge=1, le=MAX_FAST_POLL_MIN)] = DEFAULT_DURATION_MIN
    endpoint: Endpoint | UnsetType = UNSET


def _endpoint(given: int | UnsetType) -> int | None:
    return None if given is UNSET else given


def _span(start: datetime | UnsetType, end: datetime | UnsetType, now: datetime) -> tuple[datetime, datetime]:
    until = now if end is UNSET else end
    if not EARLIEST <= until <= LATEST:
        raise InvalidError("to", until.isoformat(), f"{EARLIEST.year} to {LATEST.year}")
    since = until - DEFAULT_SPAN if start is UNSET else start
    if not EARLIEST <= since <= LATEST:
        raise InvalidError("from", since.isoformat(), f"{EARLIEST.year} to {LATEST.year}")
    return since, until


async def metering_profile(call: Call[ProfileQuery, None]) -> schema.Profile:
    """Ask a meter what it counted in each of its intervals.

    Without `from` the day before `to`, without `to` up to now. The meter is asked page by page; `complete` is false
    where it does not keep all of that, and `detail` says why. Intervals that it knows no value of are left out.
    """
    query = call.query
    start, end = _span(query.start, query.end, call.hub.clock.now())
    channel = IntervalChannel[query.channel.name]
    found = await call.hub.meters.profile(call.path["id"], channel, start, end, _endpoint(query.endpoint))
    return schema.profile(found)


async def fill_history(call: Call[None, FillRequest]) -> schema.FilledHistory:
    """Fill gaps in the recorded history of a meter's energy with what the meter kept itself.

    A gap lies between two readings that are more than 15 minutes apart. What was counted between them stays as it is;
    the meter's intervals say when. Where they do not fit, nothing is filled, and `problem` says why.
    """
    body = call.body
    start, end = _span(body.start, body.end, call.hub.clock.now())
    channel = IntervalChannel[body.channel.name]
    found = await call.hub.meters.fill_history(call.path["id"], channel, start, end, _endpoint(body.endpoint))
    return schema.filled_history(found)


async def metering_consumption(call: Call[MeterQuery, None]) -> schema.Consumption:
    """Ask a meter for its sums by day, week, month and tier.

    Days, weeks and months are the meter's own. What it does not have is left out.
    """
    return schema.consumption(await call.hub.meters.totals(call.path["id"], _endpoint(call.query.endpoint)))


async def show_fast_poll(call: Call[None, None]) -> schema.FastPoll:
    """Show how a meter is asked often, or how that has ended; 404 where it never was."""
    return schema.fast_poll(call.hub.fast_polls.of(call.path["id"]))


async def begin_fast_poll(call: Call[None, FastPollRequest]) -> schema.FastPoll:
    """Ask a meter often for a while, at most 15 minutes.

    The answer says what the meter has granted. Power and energy are then read at that period and published as any other
    readings; it ends by itself, by DELETE, or when the meter is gone. One at a time for each meter.
    """
    body = call.body
    found = await call.hub.fast_polls.begin(call.path["id"], body.period_s, body.duration_min, _endpoint(body.endpoint))
    return schema.fast_poll(found)


async def end_fast_poll(call: Call[None, None]) -> schema.FastPoll:
    """Ask a meter no more often."""
    return schema.fast_poll(call.hub.fast_polls.end(call.path["id"]))


_PATH = f"{API}/devices/{{id}}/metering"
_FAILS = (409, 503)
ROUTES = (
    Route("GET", f"{_PATH}/profile", Role.VIEWER, metering_profile, fails=_FAILS, tag="metering"),
    Route("POST", f"{_PATH}/history", Role.OPERATOR, fill_history, fails=(*_FAILS, 507), tag="metering"),
    Route("GET", f"{_PATH}/consumption", Role.VIEWER, metering_consumption, fails=_FAILS, tag="metering"),
    Route("GET", f"{_PATH}/fast-poll", Role.VIEWER, show_fast_poll, fails=_FAILS, tag="metering"),
    Route("POST", f"{_PATH}/fast-poll", Role.OPERATOR, begin_fast_poll, fails=_FAILS, tag="metering"),
    Route("DELETE", f"{_PATH}/fast-poll", Role.OPERATOR, end_fast_poll, fails=_FAILS, tag="metering"),
)
