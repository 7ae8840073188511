"""History: one quantity of one device over time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from hub.errors import InvalidError
from hub.history import Resolution
from hub.model import HOUSE, Channel, Quantity
from web import schema
from web.auth import Role
from web.routes import API, Call, Route

DEFAULT_SPAN = timedelta(hours=1)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""Times outside are mistakes, and far outside cannot be converted between zones."""

When = Annotated[datetime, Meta(tz=True)]


class ReadingsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which readings; `device` may be "house"."""

    device: Annotated[str, Meta(min_length=1, max_length=64)]
    quantity: Quantity = Quantity.POWER
    channel: Channel = Channel.TOTAL
    start: When | UnsetType = msgspec.field(default=UNSET, name="from")
    end: When | UnsetType = msgspec.field(default=UNSET, name="to")
    resolution: Resolution = Resolution.AUTO


async def list_readings(call: Call[ReadingsQuery, None]) -> schema.Series:
    """Readings of one quantity over time.

    Without `from` the last hour before `to`, without `to` up to now. At most 20,000 points: else ask for a coarser
    resolution.
    """
    query = call.query
    end = call.hub.clock.now() if query.end is UNSET else _within("to", query.end)
    start = max(end - DEFAULT_SPAN, EARLIEST) if query.start is UNSET else _within("from", query.start)
    found = await call.hub.history.series(query.device, query.quantity, query.channel, start, end, query.resolution)
    if not found.points and query.device != HOUSE:
        # A device that was removed has its history still; one that never was is a mistake.
        call.hub.devices.get(query.device)
    return schema.series(found)


def _within(field: str, time: datetime) -> datetime:
    if not EARLIEST <= time <= LATEST:
        raise InvalidError(field, time.isoformat(), f"{EARLIEST.year} to {LATEST.year}")
    return time


ROUTES = (Route("GET", f"{API}/readings", Role.VIEWER, list_readings, fails=(404, 507), tag="readings"),)
