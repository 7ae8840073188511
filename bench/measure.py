"""Two things measured in turn, A B A B ..., so that a machine whose speed drifts is fair to both."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """One row: `ours` and `theirs` in `unit`, and how the ratio of ours to theirs compares with what was promised."""

    name: str
    ours: float
    theirs: float
    unit: str
    promise: str
    kept: bool
    ratio: float

    def row(self) -> str:
        """The row as text."""
        mark = "ok  " if self.kept else "MISS"
        figures = f"{self.ours:12,.1f} {self.theirs:12,.1f} {self.unit:10} {self.ratio:7.3f}"
        return f"{mark} {self.name:58} {figures}  {self.promise}"


def median_ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the ratios pair by pair."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def compare(
    name: str, ours: Callable[[], float], theirs: Callable[[], float], *, unit: str, at_least: float, rounds: int = 7
) -> Result:
    """Run both in turn; each call returns a rate (more is better)."""
    a: list[float] = []
    b: list[float] = []
    for _ in range(rounds):
        a.append(ours())
        b.append(theirs())
    ratio = median_ratio(a, b)
    return Result(
        name, statistics.median(a), statistics.median(b), unit, f">= {at_least:.2f}", ratio >= at_least, ratio
    )


async def compare_async(
    name: str,
    ours: Callable[[], Awaitable[float]],
    theirs: Callable[[], Awaitable[float]],
    *,
    unit: str,
    at_least: float,
    rounds: int = 5,
) -> Result:
    """The same for coroutines."""
    a: list[float] = []
    b: list[float] = []
    for _ in range(rounds):
        a.append(await ours())
        b.append(await theirs())
    ratio = median_ratio(a, b)
    return Result(
        name, statistics.median(a), statistics.median(b), unit, f">= {at_least:.2f}", ratio >= at_least, ratio
    )
