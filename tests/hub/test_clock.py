"""Whether the machine's clock follows NTP: asked of the kernel, now and then."""

from __future__ import annotations

import ctypes

import pytest

from hub import clock
from hub.clock import SystemClock, kernel_follows_ntp


def test_a_clock_that_follows_ntp_was_corrected_lately(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, asked = [True, False], []

    def follows() -> bool:
        asked.append(True)
        return answers[len(asked) - 1]

    machine = SystemClock(follows)
    first = machine.corrected_at()
    assert first is not None
    assert (machine.now() - first).total_seconds() < 60
    assert (machine.corrected_at(), len(asked)) == (first, 1)  # not at each read of an attribute
    monkeypatch.setattr(clock, "NTP_LOOK_S", 0)
    assert (machine.corrected_at(), len(asked)) == (None, 2)


@pytest.mark.parametrize(("state", "follows"), [(0, True), (4, True), (5, False), (-1, False)])
def test_the_kernel_tells_by_adjtimex(monkeypatch: pytest.MonkeyPatch, state: int, follows: bool) -> None:
    class Library:
        @staticmethod
        def adjtimex(buffer: ctypes.Array[ctypes.c_char]) -> int:
            assert not any(buffer.raw)  # modes is 0: it is read, not set
            return state

    monkeypatch.setattr("ctypes.CDLL", lambda _name: Library)
    assert kernel_follows_ntp() is follows


def test_a_machine_that_cannot_tell_does_not_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _name: object())
    assert kernel_follows_ntp() is False
