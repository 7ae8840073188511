"""Profiles page by page against a plain model of a meter, and what a meter grants to whoever wants to ask often."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.smart_energy.fast_poll import Granted, granted
from hub.smart_energy.profile import INVALID, MAX_QUESTIONS, Interval, ProfileEnd, ProfileReader
from protocols.se.metering import (
    INTERVAL_S,
    GetProfile,
    GetProfileResponse,
    IntervalChannel,
    ProfileInterval,
    ProfileStatus,
    RequestFastPollModeResponse,
)

NOW = 850_000_123
DELIVERED = IntervalChannel.DELIVERED
HALF_HOUR = 1800
NEWEST = NOW - NOW % HALF_HOUR


def page(
    end: int, *counts: int, status: int = 0, interval: ProfileInterval = ProfileInterval.MINUTES_30
) -> GetProfileResponse:
    return GetProfileResponse(end, ProfileStatus(status), interval, counts)


@dataclass
class Meter:
    """A meter that keeps `counts`, newest first, back from `newest`."""

    newest: int
    counts: list[int]
    interval: ProfileInterval = ProfileInterval.MINUTES_30
    most: int = 6
    too_many: bool = False
    """It says so, rather than SUCCESS, when it was asked for more than it returns."""
    returns_what_fits: bool = True
    overlap: int = 0
    """Intervals that it tells again before those that were asked for."""

    def answer(self, asked: GetProfile) -> GetProfileResponse:
        length = INTERVAL_S[self.interval]
        first = 0 if asked.end_time == 0 else max(0, -(-(self.newest - asked.end_time) // length))
        if first >= len(self.counts):
            return page(asked.end_time, status=5)
        first = max(0, first - self.overlap)
        is_more = self.too_many and asked.number_of_periods > self.most
        if is_more and not self.returns_what_fits:
            return page(asked.end_time, status=4, interval=self.interval)
        found = self.counts[first : first + min(asked.number_of_periods, self.most)]
        end = self.newest - first * length
        return page(end, *found, status=4 if is_more else 0, interval=self.interval)

    def all(self, start: int, end: int) -> list[Interval]:
        """What it counted in the intervals that end within a span."""
        length = INTERVAL_S[self.interval]
        found = [
            Interval(self.newest - (number + 1) * length, self.newest - number * length, count)
            for number, count in enumerate(self.counts)
            if count != INVALID and start < self.newest - number * length <= end
        ]
        return found[::-1]


def read(reader: ProfileReader, meter: Meter) -> list[GetProfile]:
    """Ask to the end; the questions."""
    questions = []
    while (question := reader.question()) is not None:
        questions.append(question)
        reader.take(meter.answer(question))
    return questions


@given(
    st.lists(st.one_of(st.just(INVALID), st.integers(0, 5000)), max_size=60),
    st.sampled_from([one for one in ProfileInterval if one in INTERVAL_S]),
    st.integers(1, 24),
    st.integers(-30 * HALF_HOUR, 70 * HALF_HOUR),
    st.integers(1, 50 * HALF_HOUR),
    st.booleans(),
    st.booleans(),
    st.integers(0, 3),
)
@example([1] * 60, ProfileInterval.MINUTES_30, 5, 0, 3600, True, False, 0)
@example([INVALID] * 4 + [0], ProfileInterval.MINUTES_60, 2, 0, 14924, False, False, 1)
def test_pages_give_what_a_plain_look_at_the_meter_gives(
    counts: list[int],
    interval: ProfileInterval,
    most: int,
    back: int,
    length: int,
    too_many: bool,
    returns_what_fits: bool,
    overlap: int,
) -> None:
    newest = NOW - NOW % INTERVAL_S[interval]
    # A page that is all repetition goes no further back: then nobody can.
    meter = Meter(newest, counts, interval, most, too_many, returns_what_fits, min(overlap, most - 1))
    if too_many and not returns_what_fits:
        meter.overlap = 0
    end = NOW - back
    reader = ProfileReader(DELIVERED, end - length, end, NOW)
    questions = read(reader, meter)
    assert reader.intervals == tuple(meter.all(end - length, end))
    assert len(questions) <= MAX_QUESTIONS
    assert reader.ended is not None
    assert reader.question() is None


def test_the_next_question_ends_where_the_last_answer_began() -> None:
    reader = ProfileReader(DELIVERED, NEWEST - 10 * HALF_HOUR, NEWEST, NOW)
    questions = read(reader, Meter(NEWEST, list(range(1, 40)), most=4))
    ends = [(question.end_time, question.number_of_periods) for question in questions]
    assert ends == [(NEWEST, 24), (NEWEST - 4 * HALF_HOUR, 6), (NEWEST - 8 * HALF_HOUR, 2)]
    assert [one.count for one in reader.intervals] == list(range(10, 0, -1))
    assert reader.ended is ProfileEnd.COVERED


def test_the_newest_block_is_asked_for_where_the_span_goes_on() -> None:
    reader = ProfileReader(DELIVERED, NOW - HALF_HOUR, NOW + 86_400, NOW, most=20)
    question = reader.question()
    assert question == GetProfile(DELIVERED, 0, 20)


def test_a_meter_that_returns_less_is_asked_for_less_and_one_that_returns_nothing_for_half() -> None:
    reader = ProfileReader(DELIVERED, NEWEST - 20 * HALF_HOUR, NEWEST, NOW)
    asked = read(reader, Meter(NEWEST, [7] * 40, most=5, too_many=True))
    assert [question.number_of_periods for question in asked] == [24, 5, 5, 5]
    reader = ProfileReader(DELIVERED, NEWEST - 6 * HALF_HOUR, NEWEST, NOW)
    asked = read(reader, Meter(NEWEST, [7] * 40, most=5, too_many=True, returns_what_fits=False))
    assert [question.number_of_periods for question in asked] == [24, 12, 6, 3, 3]
    assert len(reader.intervals) == 6


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        (1, ProfileEnd.UNSUPPORTED),
        (2, ProfileEnd.UNSUPPORTED),
        (3, ProfileEnd.NO_MORE),
        (5, ProfileEnd.NO_MORE),
        (9, ProfileEnd.STUCK),
    ],
)
def test_what_the_meter_says_ends_it(status: int, ended: ProfileEnd) -> None:
    reader = ProfileReader(DELIVERED, NEWEST - 20 * HALF_HOUR, NEWEST, NOW)
    reader.question()
    reader.take(page(NEWEST, 5, 6))
    reader.question()
    reader.take(page(0, status=status))
    assert (reader.ended, [one.count for one in reader.intervals]) == (ended, [6, 5])


def test_a_meter_that_tells_the_same_again_or_nonsense_is_not_asked_for_ever() -> None:
    for answer in (page(NEWEST, 5, 6), page(0, 5), page(0xFFFFFFFF, 5), page(NEWEST, 5, interval=ProfileInterval(99))):
        reader = ProfileReader(DELIVERED, NEWEST - 20 * HALF_HOUR, NEWEST, NOW)
        asked = 0
        while reader.question() is not None:
            asked += 1
            reader.take(answer)
        assert asked <= 3
        assert reader.ended is ProfileEnd.STUCK
        assert len(reader.intervals) in (0, 2)


def test_nothing_is_counted_twice_when_the_length_of_intervals_changes() -> None:
    reader = ProfileReader(DELIVERED, NEWEST - 8 * HALF_HOUR, NEWEST, NOW)
    reader.question()
    reader.take(page(NEWEST, 1, 2))
    reader.question()
    reader.take(page(NEWEST - HALF_HOUR, 10, 20, 30, interval=ProfileInterval.MINUTES_60))
    edges = [(one.start, one.end) for one in reader.intervals]
    assert edges[-2:] == [(NEWEST - 2 * HALF_HOUR, NEWEST - HALF_HOUR), (NEWEST - HALF_HOUR, NEWEST)]
    assert all(before[1] <= after[0] for before, after in pairwise(edges))


def test_a_meter_without_end_is_left_alone_after_a_while() -> None:
    reader = ProfileReader(DELIVERED, NEWEST - 10_000 * HALF_HOUR, NEWEST, NOW, periods=1)
    assert len(read(reader, Meter(NEWEST, [1] * 9000, most=1))) == MAX_QUESTIONS
    assert reader.ended is ProfileEnd.ENOUGH


@pytest.mark.parametrize(
    ("period", "left", "found"),
    [
        (5, 600, Granted(5, 600)),
        (30, 900, Granted(30, 900)),  # it has something new less often than was asked
        (2, 930, Granted(2, 900)),  # never over 15 minutes
        (0, 60, Granted(5, 60)),
        (5, 0, None),
        (5, -100, None),  # it is over
        (5, 1_000_000, Granted(5, 600)),  # its clock is another one
        (5, -1_000_000, Granted(5, 600)),
    ],
)
def test_what_a_meter_grants_is_obeyed(period: int, left: int, found: Granted | None) -> None:
    assert granted(RequestFastPollModeResponse(period, NOW + left), 5, 10, NOW) == found


def test_an_end_is_what_was_asked_for_while_nobody_knows_the_time() -> None:
    assert granted(RequestFastPollModeResponse(5, NOW), 5, 10, 0) == Granted(5, 600)
    assert granted(RequestFastPollModeResponse(5, 0xFFFFFFFF), 5, 10, NOW) == Granted(5, 600)
    assert granted(RequestFastPollModeResponse(5, 0), 5, 10, NOW) is None
