"""Gaps in the history of a counter: found on disk, and filled with what the meter kept, no more and no less."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.clock import ManualClock
from hub.events import ReadingsTaken
from hub.history import History, Resolution
from hub.model import Channel, Quantity, Reading
from hub.smart_energy.gap import Gap, Span, fill
from hub.store import Store

DAY = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ENERGY = Quantity.ENERGY_DELIVERED


def at(minutes: float) -> datetime:
    return DAY + minutes * MINUTE


def spans(used: Sequence[float], length: int) -> list[Span]:
    """A meter's intervals over what was used in each minute."""
    return [
        Span(at(start), at(start + length), sum(used[start : start + length]))
        for start in range(0, len(used) - length + 1, length)
    ]


@given(
    st.lists(st.floats(0, 100), min_size=240, max_size=240),
    st.sampled_from([5, 10, 15, 30]),
    st.integers(0, 200),
    st.integers(16, 200),
)
def test_a_filled_counter_goes_as_the_meter_counted(used: list[float], length: int, since: int, lasts: int) -> None:
    until = since + lasts
    if until >= 240:
        until = 239
    true = [0.0, *accumulate(used)]
    gap = Gap(at(since), true[since], at(until), true[until])
    kept = spans(used, length)
    filling = fill(gap, kept)
    whole = [span for span in kept if gap.since <= span.start and span.end <= gap.until]
    assert bool(filling.problem) is (not whole)
    values = [gap.before, *(value for _, value in filling.points), gap.after]
    assert all(one <= two + 1e-6 for one, two in pairwise(values))
    told = dict(filling.points)
    # Between the ends of whole intervals it is the meter's own word.
    for span in whole:
        if span.start in told and span.end in told:
            assert told[span.end] - told[span.start] == pytest.approx(span.value, abs=1e-6)
    # What was counted before the first whole one is known as well as the intervals at both ends let it be.
    doubt = max((span.value for span in kept if span not in whole), default=0.0) + 1e-6
    for moment, value in filling.points:
        assert abs(value - true[round((moment - DAY) / MINUTE)]) <= doubt


HALF_HOURS = [Span(at(30 * number), at(30 * number + 30), 100.0) for number in range(8)]


def test_a_gap_from_edge_to_edge_is_filled_exactly() -> None:
    filling = fill(Gap(at(30), 1000.0, at(120), 1300.0), HALF_HOURS)
    assert filling.points == ((at(60), 1100.0), (at(90), 1200.0))


def test_what_lies_outside_of_whole_intervals_is_divided_as_they_counted() -> None:
    spans = [*HALF_HOURS[:1], Span(at(30), at(60), 100.0), Span(at(60), at(90), 300.0)]
    # 15 minutes of the first and 10 of the last: 50 and 100 are expected, 75 are there to divide.
    filling = fill(Gap(at(15), 0.0, at(70), 175.0), spans)
    assert filling.points == ((at(30), pytest.approx(25.0)), (at(60), pytest.approx(125.0)))


@pytest.mark.parametrize(
    ("gap", "spans", "problem"),
    [
        (Gap(at(31), 0.0, at(59), 90.0), HALF_HOURS, "no interval"),
        (Gap(at(15), 0.0, at(200), 600.0), [*HALF_HOURS[:3], *HALF_HOURS[4:]], "knows no value of some"),
        (Gap(at(15), 0.0, at(200), 600.0), HALF_HOURS[1:], "does not keep all"),
        (Gap(at(15), 0.0, at(200), 600.0), HALF_HOURS[:6], "is not over yet"),
        (Gap(at(15), 0.0, at(200), 60.0), HALF_HOURS, "do not fit what was counted: 500 of 60"),
        (Gap(at(15), 0.0, at(200), 6000.0), HALF_HOURS, "do not fit"),
    ],
)
def test_what_does_not_fit_is_not_filled(gap: Gap, spans: list[Span], problem: str) -> None:
    filling = fill(gap, spans)
    assert filling.points == ()
    assert problem in filling.problem


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    clock = ManualClock(at(600))
    async with Store(tmp_path / "hub.db", clock) as store:
        yield History(store, clock)


def test_whole_counts_of_intervals_may_be_less_than_what_was_counted() -> None:
    cut = [Span(span.start, span.end, 0.0) for span in HALF_HOURS]
    gap = Gap(at(15), 0.0, at(200), 5.0)
    assert "do not fit" in fill(gap, cut).problem
    assert [value for _, value in fill(gap, cut, 1.0).points] == pytest.approx([2.14] * 6, abs=0.01)


async def test_gaps_are_found_and_what_is_inserted_closes_them(history: History) -> None:

    def record(minutes: float, value: float) -> None:
        history.record(ReadingsTaken(at(minutes), "m", (Reading(ENERGY, Channel.TOTAL, value),)))

    for minutes in (0, 5, 10, 70, 75, 200, 205):
        record(minutes, 10.0 * minutes)
    span = ("m", ENERGY, Channel.TOTAL)
    quarter = timedelta(minutes=15)
    found = await history.gaps(*span, at(0), at(300), quarter)
    assert [(one.time, one.value, two.time, two.value) for one, two in found] == [
        (at(10), 100.0, at(70), 700.0),
        (at(75), 750.0, at(200), 2000.0),
    ]
    # A gap counts that lies in the time in part only.
    assert len(await history.gaps(*span, at(100), at(110), quarter)) == 1
    assert await history.gaps(*span, at(0), at(300), timedelta(hours=3)) == []
    assert await history.gaps("m", ENERGY, Channel.EP_2, at(0), at(300), quarter) == []
    points = [(at(minutes), 10.0 * minutes) for minutes in range(20, 70, 10)]
    for _ in range(2):
        history.insert(*span, points)
        history.hand_over()
    assert len(await history.gaps(*span, at(0), at(300), quarter)) == 1
    record(206, 2060.0)
    raw = await history.series(*span, at(0), at(300), Resolution.RAW)
    assert [point.value for point in raw.points] == [0, 50, 100, 200, 300, 400, 500, 600, 700, 750, 2000, 2050, 2060]
    hours = await history.series(*span, at(0), at(300), Resolution.HOUR)
    assert [point.value for point in hours.points] == [500, 750, 2060]
