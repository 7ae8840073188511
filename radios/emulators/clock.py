"""The time of day, for emulated devices that know it. They know no clock of the hub's, as real devices do not."""

from __future__ import annotations

from datetime import UTC, datetime

from radios.emulators.errors import EmulatorError

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""Devices of Zigbee count seconds since then."""
LAST_S = 0xFFFFFFFE
"""Of 32 bits; the next one means that the time is not known."""


def machine_time() -> float:
    """What the machine says, in seconds since 2000-01-01 UTC."""
    return (datetime.now(UTC) - EPOCH).total_seconds()


def parse_time(text: str) -> float:
    """A time such as 2026-10-31T18:00Z in seconds since 2000-01-01 UTC; it is UTC where it says no zone.

    Raises `EmulatorError`.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise EmulatorError(f"{text!r} is not a time such as 2026-10-31T18:00Z") from None
    seconds = ((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - EPOCH).total_seconds()
    if not 0 <= seconds <= LAST_S:
        raise EmulatorError(f"{text!r}: must be from 2000-01-01 to 2136-02-07")
    return seconds
