"""A lost radio is opened again; a bug is not swallowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hub import supervisor
from hub.clock import ManualClock
from radios.api import PipeError, RadioLostError


class FakeRadio:
    """Says two things, then ends as told."""

    def __init__(self, end: Exception) -> None:
        self._end = end

    async def events(self) -> AsyncIterator[str]:
        yield "one"
        yield "two"
        raise self._end


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were taken, none of them for real; the sixth ends the test."""
    taken: list[float] = []

    async def sleep(seconds: float) -> None:
        taken.append(seconds)
        if len(taken) >= 8:
            raise asyncio.CancelledError

    monkeypatch.setattr(supervisor.asyncio, "sleep", sleep)
    return taken


async def test_a_lost_radio_is_opened_again_ever_more_patiently(pauses: list[float]) -> None:
    heard: list[object] = []
    lives: list[str] = []
    opened = 0

    @asynccontextmanager
    async def open_radio() -> AsyncIterator[FakeRadio]:
        nonlocal opened
        opened += 1
        if opened == 3:
            raise PipeError("no such device")
        yield FakeRadio(RadioLostError("unplugged"))

    with pytest.raises(asyncio.CancelledError):
        await supervisor.supervise(
            open_radio,
            up=lambda radio: lives.append("up"),
            hear=heard.append,
            down=lives.append,
            monotonic=ManualClock().monotonic,
        )
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert lives[:6] == ["up", "unplugged", "up", "unplugged", "no such device", "up"]
    assert heard[:2] == ["one", "two"]


async def test_a_radio_that_was_steady_starts_again_with_the_shortest_pause(pauses: list[float]) -> None:
    clock = ManualClock()

    @asynccontextmanager
    async def open_radio() -> AsyncIterator[FakeRadio]:
        yield FakeRadio(RadioLostError("unplugged"))
        raise AssertionError("not reached")

    def up(_: FakeRadio) -> None:
        clock.advance(61)

    with pytest.raises(asyncio.CancelledError):
        await supervisor.supervise(
            open_radio, up=up, hear=lambda event: None, down=lambda reason: None, monotonic=clock.monotonic
        )
    assert set(pauses) == {1}


async def test_anything_else_is_a_bug_and_propagates(pauses: list[float]) -> None:
    @asynccontextmanager
    async def open_radio() -> AsyncIterator[FakeRadio]:
        yield FakeRadio(ZeroDivisionError("a bug"))

    with pytest.raises(ZeroDivisionError):
        await supervisor.supervise(
            open_radio,
            up=lambda radio: None,
            hear=lambda event: None,
            down=lambda reason: None,
            monotonic=ManualClock().monotonic,
        )
    assert pauses == []
