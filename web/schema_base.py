"""What all parts of web/schema.py are made of: times, counts, and what every message of the websocket has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Count = Annotated[int, Meta(ge=0)]
Json = Annotated[object, Meta(extra_json_schema={"description": "A boolean, a number, text, a list, or null"})]
_HALF_MILLISECOND = timedelta(microseconds=500)


def time(value: datetime) -> str:
    """RFC 3339, UTC, to the nearest millisecond, which is what the database keeps."""
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return (value + _HALF_MILLISECOND).isoformat(timespec="milliseconds")[:-6] + "Z"


def time_or_none(value: datetime | None) -> str | None:
    """The same for a time that may be unknown."""
    return None if value is None else time(value)


class EventMessage(Struct, frozen=True, tag_field="event", kw_only=True):
    """What every message of the websocket has: `seq` counts up by one, a gap means: connect again."""

    seq: Count
    time: Time
