"""The interval in which a breaker's expected sequence number lies."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocols.emcb import SEQUENCE_WINDOW, in_window, sequence_add
from radios.emcb.sequence import MAX_JUMP, SequenceTracker, is_ahead

u32s = st.integers(0, 0xFFFFFFFF)


class Breaker:
    """A breaker's side of the rule, written from EMCB 4.3."""

    def __init__(self, expected: int) -> None:
        self.expected = expected

    def accepts(self, sequence: int) -> bool:
        if (sequence - self.expected) % 2**32 >= 100:
            return False
        self.expected = (sequence + 1) % 2**32
        return True


def synchronised(expected: int) -> SequenceTracker:
    tracker = SequenceTracker()
    tracker.synchronise(expected)
    return tracker


def test_nothing_is_known_before_the_breaker_says_what_it_expects() -> None:
    tracker = SequenceTracker()
    assert not tracker.is_synchronised
    tracker.synchronise(7)
    assert tracker.is_synchronised
    assert tracker.take() == 7
    tracker.lose()
    assert not tracker.is_synchronised


@given(u32s, st.lists(st.sampled_from(["answered", "request lost", "answer lost"]), max_size=400))
def test_a_breaker_accepts_everything_that_reaches_it_whatever_is_lost(start: int, fates: list[str]) -> None:
    breaker, tracker = Breaker(start), synchronised(start)
    for fate in fates:
        if not tracker.is_synchronised:
            tracker.synchronise(breaker.expected)
        sequence = tracker.take()
        assert sequence != 0
        if fate == "request lost":
            continue
        assert breaker.accepts(sequence)
        if fate == "answered":
            tracker.confirm(sequence)


def test_ninety_nine_unanswered_in_a_row_are_safe_and_then_the_number_must_be_asked_for() -> None:
    tracker = synchronised(5)
    for _ in range(SEQUENCE_WINDOW):
        assert tracker.is_synchronised
        tracker.take()
    assert not tracker.is_synchronised


def test_no_number_is_used_twice() -> None:
    tracker = synchronised(2**32 - 3)
    taken = [tracker.take() for _ in range(10)]
    assert len(set(taken)) == 10
    assert 0 not in taken


def test_a_late_confirmation_never_takes_the_interval_back() -> None:
    tracker = synchronised(10)
    for _ in range(5):
        tracker.take()
    tracker.confirm(14)
    usable = tracker.last_usable
    tracker.confirm(11)
    assert tracker.last_usable == usable


def test_a_restarted_breaker_is_told_from_one_that_is_only_late() -> None:
    tracker = synchronised(1000)
    for _ in range(10):
        tracker.confirm(tracker.take())
    tracker.take()
    assert tracker.agrees(1010), "the last request was lost"
    assert tracker.agrees(1011), "its answer was lost"
    assert tracker.agrees(1003), "an old answer, overtaken"
    assert not tracker.agrees(1012)
    assert not tracker.agrees(5)
    assert not SequenceTracker().agrees(0)


@given(u32s, st.integers(1, 5000))
def test_catching_up_reaches_the_front_by_steps_that_the_breaker_accepts(start: int, lead: int) -> None:
    breaker, tracker = Breaker(start), synchronised(start)
    front = sequence_add(start, lead)
    for _ in range(lead // (MAX_JUMP - 1) + 2):
        tracker.catch_up(front)
        sequence = tracker.take()
        assert breaker.accepts(sequence)
        tracker.confirm(sequence)
    assert not is_ahead(front, tracker.next)


def test_catching_up_leaves_half_the_window_for_lost_answers() -> None:
    breaker, tracker = Breaker(5), synchronised(5)
    for _ in range(MAX_JUMP - 1):
        tracker.catch_up(4000)
        if tracker.is_synchronised:
            assert in_window(tracker.next, breaker.expected)
        tracker.take()
    assert tracker.is_synchronised


def test_a_broadcast_at_or_past_the_next_number_moves_it_on() -> None:
    tracker = synchronised(100)
    tracker.sent(120)
    assert tracker.next == 121
    tracker.sent(90)
    assert tracker.next == 121
