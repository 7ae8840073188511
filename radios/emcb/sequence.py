"""What we know of the sequence number that one breaker expects (EMCB 4.3). Pure.

A breaker accepts a datagram whose number is 0 to 99 ahead of what it expects, and then expects one more. Whether it
heard a datagram that stayed unanswered nobody knows, so what it expects is an interval: from one past the last number
it confirmed to one past the last that was sent. Every datagram takes the upper end; each repeat takes a new number,
since a repeated datagram is dropped. 99 unanswered in a row are safe; then, or after a restart of either side, the
number must be asked for.
"""

from __future__ import annotations

from protocols.emcb import SEQUENCE_WINDOW, sequence_add, sequence_distance

_HALF = 1 << 31
_STALE = 1000
"""An expected number so little behind the confirmed one comes from a delayed answer, not from a restart: the random
number of a restart falls there once in four million times, and then the next poll finds out."""
MAX_JUMP = SEQUENCE_WINDOW // 2
"""How far ahead of the last confirmed number a breaker is moved to catch up with its group: it leaves as many
unanswered datagrams again before the number must be asked for."""


def is_ahead(sequence: int, other: int) -> bool:
    """Whether `sequence` comes after `other` in serial arithmetic modulo 2^32."""
    return 0 < sequence_distance(other, sequence) < _HALF


class SequenceTracker:
    """The interval in which one breaker's expected number lies."""

    __slots__ = ("_confirmed", "_next")

    def __init__(self) -> None:
        self._confirmed: int | None = None
        self._next = 0

    @property
    def is_synchronised(self) -> bool:
        """Whether the next number is known to lie in the breaker's window."""
        return self._confirmed is not None and sequence_distance(self._confirmed, self._next) < SEQUENCE_WINDOW

    @property
    def next(self) -> int:
        """The number that the next datagram takes. 0 is passed over: it means "not synchronised" in 0x0000 (5.1.1)."""
        return self._next or 1

    @property
    def last_usable(self) -> int:
        """The highest number that the breaker accepts whatever it heard so far."""
        assert self._confirmed is not None
        return sequence_add(self._confirmed, SEQUENCE_WINDOW - 1)

    def synchronise(self, expected: int) -> None:
        """The breaker itself said which number it expects."""
        self._confirmed = self._next = expected

    def lose(self) -> None:
        """Nothing is known any more: the breaker restarted, or a set-sequence stayed unanswered."""
        self._confirmed = None

    def take(self) -> int:
        """The number for a datagram that is sent now."""
        sequence = self.next
        self._next = sequence_add(sequence, 1)
        return sequence

    def sent(self, sequence: int) -> None:
        """A broadcast with `sequence`, at or past `next`, went out to this breaker among others."""
        if not is_ahead(self._next, sequence):
            self._next = sequence_add(sequence, 1)

    def confirm(self, sequence: int) -> None:
        """The breaker answered `sequence`, so it expects the number after it or a later one."""
        after = sequence_add(sequence, 1)
        if self._confirmed is not None and is_ahead(after, self._confirmed):
            self._confirmed = after

    def agrees(self, expected: int) -> bool:
        """Whether a breaker that says it expects `expected` fits what we know: it has not restarted."""
        if self._confirmed is None:
            return False
        behind = sequence_distance(expected, self._confirmed)
        if 0 < behind <= _STALE:
            return True  # said before the last answer, and overtaken by it
        return sequence_distance(self._confirmed, expected) <= sequence_distance(self._confirmed, self._next)

    def catch_up(self, front: int) -> None:
        """Move `next` towards `front`, the group's highest number, as far as one step safely goes."""
        if self._confirmed is None or not is_ahead(front, self._next):
            return
        reach = sequence_add(self._confirmed, MAX_JUMP)
        target = reach if is_ahead(front, reach) else front
        if is_ahead(target, self._next):
            self._next = target
