"""What every breaker radio must do, whatever its wire is like. A driver's tests subclass this and open one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Protocol

import pytest

from protocols.emcb import Ack, HandleAction, HandlePosition, Led
from radios.api import BreakerEvent, BreakerRadio, BreakerReported, BreakerSeen, NoReplyError, NotReachableError

DEADLINE_S = 40.0


class FarBreaker(Protocol):
    """What the contract wants of an emulated breaker."""

    device_id: str
    state: int

    @property
    def commands_applied(self) -> object: ...


class Bench(Protocol):
    """A radio on its emulator."""

    radio: BreakerRadio
    breakers: list[FarBreaker]

    def moves(self, device_id: str) -> list[tuple[int, int]]:
        """(action, ack) of every command that a breaker took."""
        ...


async def until(radio: BreakerRadio, wanted: Callable[[BreakerEvent], bool]) -> list[BreakerEvent]:
    """Events up to the first that is wanted; fails after a while."""
    seen: list[BreakerEvent] = []
    async with asyncio.timeout(DEADLINE_S):
        async for event in radio.events():
            seen.append(event)
            if wanted(event):
                return seen
    raise AssertionError("events ended")


async def all_reported(radio: BreakerRadio, device_ids: set[str]) -> list[BreakerEvent]:
    """Events until every breaker has answered a poll."""
    missing = set(device_ids)

    def wanted(event: BreakerEvent) -> bool:
        if isinstance(event, BreakerReported):
            missing.discard(event.device_id)
        return not missing

    return await until(radio, wanted)


class BreakerRadioContract:
    """Subclasses give `open_bench`."""

    @pytest.fixture
    def open_bench(self) -> Callable[[], AbstractAsyncContextManager[Bench]]:
        """A radio on an emulator with three breakers."""
        raise NotImplementedError

    async def test_every_breaker_is_seen_and_then_reported(
        self, open_bench: Callable[[], AbstractAsyncContextManager[Bench]]
    ) -> None:
        async with open_bench() as bench:
            ids = {breaker.device_id for breaker in bench.breakers}
            events = await all_reported(bench.radio, ids)
            for device_id in ids:
                of_this = [event for event in events if event.device_id == device_id]
                assert isinstance(of_this[0], BreakerSeen)
                assert of_this[0].has_key

    async def test_no_reading_comes_twice_or_backwards(
        self, open_bench: Callable[[], AbstractAsyncContextManager[Bench]]
    ) -> None:
        async with open_bench() as bench:
            reports: dict[str, list[BreakerReported]] = {}

            def enough(event: BreakerEvent) -> bool:
                if isinstance(event, BreakerReported):
                    reports.setdefault(event.device_id, []).append(event)
                return len(reports) == 3 and min(map(len, reports.values())) >= 4

            await until(bench.radio, enough)
            for events in reports.values():
                numbers = [event.status.meter.update_number for event in events]
                assert numbers == sorted(numbers), "newer records only (no wrap in so short a time)"
                energies = [event.status.meter.pole_0.apparent_energy_mvas for event in events]
                assert energies == sorted(energies)
                received = [event.received for event in events]
                assert received == sorted(received)

    async def test_a_move_happens_once_and_its_answer_is_the_breakers_own(
        self, open_bench: Callable[[], AbstractAsyncContextManager[Bench]]
    ) -> None:
        async with open_bench() as bench:
            breaker = bench.breakers[0]
            await all_reported(bench.radio, {breaker.device_id})
            for action, position in (
                (HandleAction.OPEN, HandlePosition.OPEN),
                (HandleAction.CLOSE, HandlePosition.CLOSED),
            ):
                before = len(bench.moves(breaker.device_id))
                try:
                    answer = await bench.radio.move(breaker.device_id, action)
                except NoReplyError:
                    assert len(bench.moves(breaker.device_id)) - before <= 1, "unanswered, and never sent again"
                else:
                    assert (answer.ack, answer.position) == (Ack.ACKNOWLEDGE, position)
                    assert bench.moves(breaker.device_id)[before:] == [(action, 0)]
                    assert breaker.state == position

    async def test_a_toggle_is_never_resent(self, open_bench: Callable[[], AbstractAsyncContextManager[Bench]]) -> None:
        async with open_bench() as bench:
            breaker = bench.breakers[1]
            await all_reported(bench.radio, {breaker.device_id})
            for round_number in range(1, 4):
                with suppress(NoReplyError):
                    await bench.radio.move(breaker.device_id, HandleAction.TOGGLE)
                await bench.radio.position(breaker.device_id)  # answered, so nothing older can arrive any more
                assert len(bench.moves(breaker.device_id)) <= round_number

    async def test_reads_are_repeated_until_they_are_answered(
        self, open_bench: Callable[[], AbstractAsyncContextManager[Bench]]
    ) -> None:
        async with open_bench() as bench:
            breaker = bench.breakers[2]
            await all_reported(bench.radio, {breaker.device_id})
            assert await bench.radio.position(breaker.device_id) is HandlePosition.CLOSED

    async def test_leds_reach_the_breaker(self, open_bench: Callable[[], AbstractAsyncContextManager[Bench]]) -> None:
        async with open_bench() as bench:
            breaker = bench.breakers[0]
            await all_reported(bench.radio, {breaker.device_id})
            leds = tuple(Led(255, 10 * number, 0, 1) for number in range(5))
            assert await bench.radio.set_leds(breaker.device_id, leds, 60) is Ack.ACKNOWLEDGE
            assert await bench.radio.set_leds(breaker.device_id, leds, 10_737_419) is not Ack.ACKNOWLEDGE
            assert await bench.radio.set_leds(breaker.device_id, None, 0) is Ack.ACKNOWLEDGE

    async def test_a_breaker_that_was_never_seen_is_not_reachable(
        self, open_bench: Callable[[], AbstractAsyncContextManager[Bench]]
    ) -> None:
        async with open_bench() as bench:
            with pytest.raises(NotReachableError, match="30000c2a69ffffff"):
                await bench.radio.move("30000c2a69ffffff", HandleAction.OPEN)
            with pytest.raises(NotReachableError):
                await bench.radio.position("30000c2a69ffffff")

    async def test_what_waits_for_an_answer_ends_when_the_radio_is_closed(
        self, open_bench: Callable[[], AbstractAsyncContextManager[Bench]]
    ) -> None:
        async with open_bench() as bench:
            breaker = bench.breakers[0]
            await all_reported(bench.radio, {breaker.device_id})
            async with asyncio.timeout(5):
                moving = asyncio.ensure_future(bench.radio.position(breaker.device_id))
                await asyncio.sleep(0)
                await bench.radio.__aexit__(None, None, None)
                with pytest.raises((NoReplyError, NotReachableError)):
                    await moving
                    raise NoReplyError("it was answered before the radio closed")
