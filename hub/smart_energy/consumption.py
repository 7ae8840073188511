"""What a meter has counted by day, week and month (Smart Energy 1.2, D.3.2.2.5): the historical consumption set.

Days, weeks and months are the meter's own: they end at its freeze time, as it knows the time of day.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Span(StrEnum):
    """Of what length."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a meter keeps a span: its attributes both ways, and the value that says it knows none."""

    span: Span
    ago: int
    """0: the one that goes on, 1: the one before ..."""
    delivered: int
    received: int
    invalid: int


_INVALID_24, _INVALID_32 = 0xFFFFFF, 0xFFFFFFFF


def _run(span: Span, first_ago: int, count: int, first: int, invalid: int) -> tuple[Place, ...]:
    """Places one behind the other, each a pair of attributes."""
    return tuple(
        Place(span, first_ago + number, first + 2 * number, first + 2 * number + 1, invalid) for number in range(count)
    )


PLACES: tuple[Place, ...] = (
    *_run(Span.DAY, 0, 2, 0x0401, _INVALID_24),
    *_run(Span.DAY, 2, 7, 0x0420, _INVALID_24),
    *_run(Span.WEEK, 0, 6, 0x0430, _INVALID_24),
    *_run(Span.MONTH, 0, 14, 0x0440, _INVALID_32),
)
"""Today and eight days before, this week and five, this month and thirteen."""
TIERS = 15
"""Of 1.0 and 1.1; later revisions have 48."""


def tier_places() -> tuple[tuple[int, int, int], ...]:
    """Number of a tier and its attributes both ways (D.3.2.2.2)."""
    return tuple((number, 0x0100 + 2 * (number - 1), 0x0101 + 2 * (number - 1)) for number in range(1, TIERS + 1))
