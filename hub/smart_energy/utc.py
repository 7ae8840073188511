"""The standard's time: whole seconds since 2000-01-01 UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def to_utc(moment: datetime) -> int:
    """Seconds of a moment; begun ones do not count."""
    return (moment - EPOCH) // timedelta(seconds=1)


def from_utc(seconds: int) -> datetime:
    """The moment of seconds."""
    return EPOCH + timedelta(seconds=seconds)
