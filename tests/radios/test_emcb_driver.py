"""The EMCB driver against emulated breakers, over real UDP, on a clean wire and on hostile ones."""

from __future__ import annotations

import asyncio
import socket
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

import pytest

from protocols import emcb
from protocols.emcb import HandleAction, HandlePosition, SigningKey, is_settable
from radios.api import (
    BreakerReported,
    BreakerSeen,
    BreakerUnanswered,
    NoReplyError,
    NotSupportedError,
    OptionError,
    RadioConfig,
    UdpKeys,
)
from radios.emcb.driver import DRIVER, EmcbRadio
from radios.emcb.link import ANSWER_TIMEOUT_S
from radios.emcb.options import EmcbOptions, parse_options
from radios.emulators.emcb import EmcbConfig, EmcbEmulator
from tests.radios.breaker_contract import Bench, BreakerRadioContract, all_reported, until

CLOCK_S = 0.002
"""The timer may fire so much early: the loop's clock resolution."""


@dataclass
class EmcbBench:
    """A radio on its emulator, with every datagram that went either way."""

    radio: EmcbRadio
    emulator: EmcbEmulator
    datagrams: list[tuple[float, str, bytes, str]] = field(default_factory=list)
    """(time, "tx" or "rx", datagram with the signature masked, peer)"""

    @property
    def breakers(self) -> list:  # type: ignore[type-arg]
        return self.emulator.breakers

    def moves(self, device_id: str) -> list[tuple[int, int]]:
        breaker = next(breaker for breaker in self.emulator.breakers if breaker.device_id == device_id)
        return [(command.action, command.result) for command in breaker.commands_applied]

    def sent(self, code: int) -> list[tuple[str, bytes]]:
        """(peer, data) of every request with `code`."""
        return [
            (peer, frame[10:-32])
            for _, direction, frame, peer in self.datagrams
            if direction == "tx" and frame[8:10] == code.to_bytes(2, "little")
        ]


def radio_config(emulator: EmcbEmulator, **options: object) -> RadioConfig:
    table = tomllib.loads(emulator.toml())["radio"][0]
    own = {key: value for key, value in table.items() if key not in ("name", "driver", "pipe")}
    return RadioConfig(name="b", driver="emcb", pipe=table["pipe"], options={"poll_interval_s": 0.3, **own, **options})


@asynccontextmanager
async def open_radio(
    emulator: EmcbEmulator, change: Callable[[EmcbOptions], EmcbOptions] = lambda options: options, **options: object
) -> AsyncIterator[EmcbBench]:
    config = radio_config(emulator, **options)
    loop = asyncio.get_running_loop()
    datagrams: list[tuple[float, str, bytes, str]] = []

    def trace(direction: str, frame: bytes, peer: str) -> None:
        datagrams.append((loop.time(), direction, frame, peer))

    async with EmcbRadio(config, change(parse_options(config)), trace) as radio:
        yield EmcbBench(radio, emulator, datagrams)


WIRES: dict[str, dict[str, float]] = {
    "clean": {},
    "loss": {"loss": 0.2},
    "duplicates": {"duplicate": 0.5},
    "reordering": {"reorder": 0.4, "jitter": 0.03},
    "delay": {"delay": 0.04, "jitter": 0.06},
    "all": {"loss": 0.1, "duplicate": 0.2, "reorder": 0.2, "delay": 0.01, "jitter": 0.03},
}


@pytest.mark.parametrize("wire", WIRES)
class TestContract(BreakerRadioContract):
    @pytest.fixture
    def open_bench(self, wire: str, loopback: str) -> Callable[[], AbstractAsyncContextManager[Bench]]:
        @asynccontextmanager
        async def bench() -> AsyncIterator[Bench]:
            async with EmcbEmulator(EmcbConfig(count=3, bind=loopback)) as emulator:
                for name, value in WIRES[wire].items():
                    setattr(emulator.faults, name, value)
                async with open_radio(emulator) as opened:
                    yield opened
                assert_application_layer_timing(opened)

        return bench


def assert_application_layer_timing(bench: EmcbBench) -> None:
    """One transaction in flight per breaker, and nothing within 200 ms of one without an answer (EMCB chapter 4)."""
    everybody = {f"{breaker.address}:{bench.emulator.port}" for breaker in bench.breakers}
    broadcast = f"127.255.255.255:{bench.emulator.port}"
    for peer in everybody:
        waiting_since: float | None = None
        waiting_for = b""
        for time, direction, frame, other in bench.datagrams:
            if direction == "rx" and other == peer and frame[4:10] == waiting_for:
                waiting_since = None
            elif direction == "tx" and other in (peer, broadcast):
                if waiting_since is not None:
                    assert time - waiting_since >= ANSWER_TIMEOUT_S - CLOCK_S, f"{peer}: {time - waiting_since:.3f} s"
                waiting_since, waiting_for = time, frame[4:10]


async def test_every_datagram_has_a_sequence_number_of_its_own(loopback: str) -> None:
    async with EmcbEmulator(EmcbConfig(count=2, bind=loopback)) as emulator:
        emulator.faults.loss = 0.3
        async with open_radio(emulator) as bench:
            await all_reported(bench.radio, {breaker.device_id for breaker in bench.breakers})
            for breaker in bench.breakers:
                with suppress(NoReplyError):
                    await bench.radio.position(breaker.device_id)
    for breaker in bench.breakers:
        taken = [
            frame[4:8]
            for _, direction, frame, peer in bench.datagrams
            if direction == "tx" and peer.startswith(f"{breaker.address}:") and frame[8:10] != b"\0\0"
        ]
        assert len(taken) == len(set(taken))


async def test_a_restarted_breaker_is_back_without_help(loopback: str) -> None:
    async with EmcbEmulator(EmcbConfig(count=1, bind=loopback)) as emulator, open_radio(emulator) as bench:
        [breaker] = emulator.breakers
        await all_reported(bench.radio, {breaker.device_id})
        before = breaker.expected
        breaker.reboot()
        assert breaker.expected != before
        started = asyncio.get_running_loop().time()
        rebooted = started
        # Its meter counts from 0 again: a report that says so comes from after the reboot.
        await until(
            bench.radio,
            lambda event: (
                isinstance(event, BreakerReported)
                and event.received > rebooted
                and event.status.meter.update_number <= (event.received - rebooted) / 0.2 + 1
            ),
        )
        assert asyncio.get_running_loop().time() - started < 5
        await all_reported(bench.radio, {breaker.device_id})


async def test_a_restarted_hub_goes_on_with_breakers_that_know_nothing_of_it(loopback: str) -> None:
    async with EmcbEmulator(EmcbConfig(count=2, bind=loopback)) as emulator:
        ids = {breaker.device_id for breaker in emulator.breakers}
        for _ in range(2):
            async with open_radio(emulator) as bench:
                await all_reported(bench.radio, ids)


async def test_a_breaker_at_a_new_address_is_found_again(loopback: str) -> None:
    async with EmcbEmulator(EmcbConfig(count=2, bind=loopback)) as emulator, open_radio(emulator) as bench:
        breaker = emulator.breakers[0]
        await all_reported(bench.radio, {breaker.device_id})
        breaker.move_to(loopback.removesuffix(".2") + ".77")
        await until(
            bench.radio,
            lambda event: isinstance(event, BreakerSeen) and event.address == f"{breaker.address}:{emulator.port}",
        )
        events = await all_reported(bench.radio, {breaker.device_id})
        assert events


async def test_a_new_breaker_is_found_and_one_without_a_key_is_shown(loopback: str) -> None:
    async with (
        EmcbEmulator(EmcbConfig(count=1, bind=loopback)) as emulator,
        open_radio(emulator, discovery_interval_s=5) as bench,
    ):
        await all_reported(bench.radio, {emulator.breakers[0].device_id})
        added = emulator.add_breaker()
        events = await until(bench.radio, lambda event: event.device_id == added.device_id)
        assert isinstance(events[-1], BreakerSeen)
        assert not events[-1].has_key
        bench.radio.set_keys(UdpKeys(unicast={added.device_id: (added.published_key,)}))
        await all_reported(bench.radio, {added.device_id})


async def test_a_forgotten_breaker_comes_back_with_its_key_when_it_answers_discovery(loopback: str) -> None:
    async with (
        EmcbEmulator(EmcbConfig(count=2, bind=loopback)) as emulator,
        open_radio(emulator, discovery_interval_s=5) as bench,
    ):
        gone, stays = emulator.breakers
        await all_reported(bench.radio, {gone.device_id, stays.device_id})
        bench.radio.forget(gone.device_id)
        events = await all_reported(bench.radio, {gone.device_id})
        assert any(
            isinstance(event, BreakerSeen) and event.device_id == gone.device_id and event.has_key for event in events
        )


async def test_a_vanished_breaker_is_unanswered_ever_more_rarely(loopback: str) -> None:
    async with EmcbEmulator(EmcbConfig(count=2, bind=loopback)) as emulator, open_radio(emulator) as bench:
        gone, stays = emulator.breakers
        await all_reported(bench.radio, {gone.device_id, stays.device_id})
        gone.muted = True
        events = await until(bench.radio, lambda event: isinstance(event, BreakerUnanswered) and event.misses == 14)
        misses = [event for event in events if isinstance(event, BreakerUnanswered)]
        assert [event.misses for event in misses] == list(range(1, 15))
        assert {event.device_id for event in misses} == {gone.device_id}
        assert not misses[-1].answers_discovery
        reports = [
            event for event in events if isinstance(event, BreakerReported) and event.device_id == stays.device_id
        ]
        assert len(reports) >= 3, "the others are polled as before"
        gone.muted = False
        await all_reported(bench.radio, {gone.device_id})


async def test_a_wrong_unicast_key_is_told_from_absence(loopback: str) -> None:
    async with EmcbEmulator(EmcbConfig(count=1, bind=loopback)) as emulator:
        [breaker] = emulator.breakers
        breaker.use_wrong_key()
        async with open_radio(emulator) as bench:
            await until(bench.radio, lambda event: isinstance(event, BreakerUnanswered) and event.answers_discovery)
            bench.radio.set_keys(
                UdpKeys(unicast={breaker.device_id: (bytes(o ^ 0x5A for o in breaker.published_key),)})
            )
            await all_reported(bench.radio, {breaker.device_id})


async def test_the_secondary_key_is_tried_in_turn(loopback: str) -> None:
    async with EmcbEmulator(EmcbConfig(count=1, bind=loopback)) as emulator:
        [breaker] = emulator.breakers
        pair = {breaker.device_id: ["00" * 32, breaker.published_key.hex()]}
        async with open_radio(emulator, unicast_keys=pair) as bench:
            await all_reported(bench.radio, {breaker.device_id})


async def test_breakers_that_no_broadcast_reaches_are_polled_at_their_configured_address(loopback: str) -> None:
    async with EmcbEmulator(EmcbConfig(count=1, bind=loopback)) as emulator:
        [breaker] = emulator.breakers
        async with open_radio(emulator, broadcast_key=None, addresses={breaker.device_id: breaker.address}) as bench:
            await all_reported(bench.radio, {breaker.device_id})
            assert bench.sent(0x0000)
            assert all(not peer.startswith("127.255") for _, _, _, peer in bench.datagrams)


# -- the group -------------------------------------------------------------------------------------------------------


async def synchronised(bench: EmcbBench) -> None:
    """Wait until every breaker would accept one broadcast."""
    ids = {breaker.device_id for breaker in bench.breakers}
    for _ in range(30):
        await all_reported(bench.radio, ids)
        expected = [breaker.expected for breaker in bench.breakers]
        if max(expected) - min(expected) < 40:
            return
    raise AssertionError("the breakers were not brought together")


async def test_one_broadcast_moves_all_breakers_once_they_are_synchronised(loopback: str) -> None:
    async with EmcbEmulator(EmcbConfig(count=4, bind=loopback)) as emulator, open_radio(emulator) as bench:
        await synchronised(bench)
        answers = await bench.radio.move_all(HandleAction.OPEN)
        assert set(answers) == {breaker.device_id for breaker in emulator.breakers}
        assert {answer.position for answer in answers.values() if answer} == {HandlePosition.OPEN}
        assert [breaker.state for breaker in emulator.breakers] == [0, 0, 0, 0]
        assert len(bench.sent(0x8100)) == 1
        assert bench.sent(0x8100)[0][0].startswith("127.255.255.255:")
        await all_reported(bench.radio, set(answers))
    assert_application_layer_timing(bench)


async def test_the_number_that_is_set_is_outside_the_forbidden_window_and_never_a_constant(
    loopback: str,
) -> None:
    values: list[bytes] = []
    for _ in range(2):
        async with EmcbEmulator(EmcbConfig(count=3, bind=loopback)) as emulator, open_radio(emulator) as bench:
            expected = {breaker.address: breaker.expected for breaker in emulator.breakers}
            await synchronised(bench)
            asked = bench.sent(0x8000)
            assert asked, "random at boot, so two of three must be set"
            for peer, data in asked:
                assert is_settable(int.from_bytes(data, "little"), expected[peer.split(":")[0]])
                values.append(data)
            assert [breaker.counters["dropped_sequence"] for breaker in emulator.breakers] == [0, 0, 0]
    assert len(set(values)) > 1
    assert b"\0\0\0\0" not in values


async def test_a_broadcast_is_refused_while_one_breaker_would_only_accept_it_later(loopback: str) -> None:
    async with EmcbEmulator(EmcbConfig(count=3, bind=loopback)) as emulator, open_radio(emulator) as bench:
        await synchronised(bench)
        late = bench.radio._breakers[emulator.breakers[2].device_id]
        ahead = bench.radio._breakers[emulator.breakers[0].device_id]
        ahead.sequence.synchronise(emcb.sequence_add(late.sequence.next, 150))
        with pytest.raises(NotSupportedError, match=f"not synchronised with the others.*{late.device_id}"):
            await bench.radio.move_all(HandleAction.OPEN)
        assert bench.sent(0x8100) == []


async def test_without_a_broadcast_key_or_with_group_control_off_there_is_no_broadcast(loopback: str) -> None:
    async with EmcbEmulator(EmcbConfig(count=2, bind=loopback)) as emulator:
        async with open_radio(emulator, group_control=False) as bench:
            await all_reported(bench.radio, {breaker.device_id for breaker in emulator.breakers})
            with pytest.raises(NotSupportedError, match="group_control is off"):
                await bench.radio.move_all(HandleAction.OPEN)
            assert bench.sent(0x8000) == [], "and nobody's sequence number is set"
        async with open_radio(emulator, broadcast_key=None) as bench:
            with pytest.raises(NotSupportedError, match="no broadcast key"):
                await bench.radio.move_all(HandleAction.OPEN)


# -- hostile datagrams -----------------------------------------------------------------------------------------------


async def test_forged_replayed_truncated_and_foreign_datagrams_change_nothing_and_are_counted(loopback: str) -> None:
    async with EmcbEmulator(EmcbConfig(count=1, bind=loopback)) as emulator, open_radio(emulator) as bench:
        [breaker] = emulator.breakers
        await all_reported(bench.radio, {breaker.device_id})
        link = bench.radio._link
        assert link._pipe._socket is not None
        target = link._pipe._socket.getsockname()
        key, forger = SigningKey(breaker.published_key), SigningKey(bytes(32))
        # Mute the breaker, so that whatever is believed from here on was not its word.
        breaker.muted = True
        await until(bench.radio, lambda event: isinstance(event, BreakerUnanswered))
        before = dict(bench.radio.counters)
        opened = emcb.HandlePositionResponse(HandlePosition.OPEN)
        replayed = emcb.encode_response(12345, opened, key)
        hostile = {
            "dropped_malformed": [b"", b"E", b"ETNS" + bytes(37), b"\xff" * 1501],
            "dropped_signature": [emcb.encode_response(7, opened, forger), replayed[:-1] + b"\0"],
            "dropped_replayed": [replayed, replayed],
            "dropped_foreign": [emcb.encode_request(1, emcb.GetDeviceStatus(), key)],
        }
        for datagrams in hostile.values():
            for datagram in datagrams:
                # Straight from the breaker's own address: the source proves nothing.
                breaker._socket.sendto(datagram, target)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind((loopback.removesuffix(".2") + ".99", 0))
            stranger.sendto(replayed, target)
            stranger.sendto(emcb.encode_response(0, emcb.NextSequence(1, "30000c2a69666666", 1, 99), forger), target)
            stranger.sendto(
                emcb.encode_response(
                    0, emcb.NextSequence(1, "30000c2a69666666", 1, 99), SigningKey(emulator.broadcast_key)
                ),
                target,
            )
        async with asyncio.timeout(5):
            while bench.radio.counters["received"] < before["received"] + 12:  # noqa: ASYNC110 - a counter has no event
                await asyncio.sleep(0.01)
        grown = {name: bench.radio.counters[name] - before[name] for name in hostile}
        assert grown == {
            "dropped_malformed": 4,
            "dropped_signature": 3,
            "dropped_replayed": 3,
            "dropped_foreign": 2,
        }
        assert bench.radio.counters["answered"] == before["answered"]
        assert "30000c2a69666666" not in bench.radio._breakers
        breaker.muted = False
        events = await all_reported(bench.radio, {breaker.device_id})
        assert all(
            event.status.position is HandlePosition.CLOSED for event in events if isinstance(event, BreakerReported)
        )


async def test_random_datagrams_never_disturb_the_radio(loopback: str) -> None:
    import random

    chance = random.Random(5)
    async with EmcbEmulator(EmcbConfig(count=1, bind=loopback)) as emulator, open_radio(emulator) as bench:
        [breaker] = emulator.breakers
        await all_reported(bench.radio, {breaker.device_id})
        assert bench.radio._link._pipe._socket is not None
        target = bench.radio._link._pipe._socket.getsockname()
        for _ in range(300):
            size = chance.choice((0, 1, 41, 42, 43, 70, 310, 311, 1500, 1501))
            start = chance.choice((b"ETNS", b"ETNM", b""))
            breaker._socket.sendto((start + chance.randbytes(size))[:size], target)
        await all_reported(bench.radio, {breaker.device_id})
        assert await bench.radio.position(breaker.device_id) is HandlePosition.CLOSED


async def test_a_trace_never_holds_a_signature_or_a_key(loopback: str) -> None:
    async with EmcbEmulator(EmcbConfig(count=1, bind=loopback)) as emulator, open_radio(emulator) as bench:
        [breaker] = emulator.breakers
        await all_reported(bench.radio, {breaker.device_id})
    assert bench.datagrams
    for _, _, frame, _ in bench.datagrams:
        assert frame[-32:] == bytes(32)
        assert breaker.published_key not in frame


async def test_an_answer_that_comes_late_is_still_a_report(loopback: str) -> None:
    async with EmcbEmulator(EmcbConfig(count=1, bind=loopback)) as emulator, open_radio(emulator) as bench:
        [breaker] = emulator.breakers
        await all_reported(bench.radio, {breaker.device_id})
        emulator.faults.delay = 0.13  # each way: every answer comes after 260 ms
        await until(bench.radio, lambda event: isinstance(event, BreakerUnanswered))
        await until(bench.radio, lambda event: isinstance(event, BreakerReported))
        assert bench.radio.counters["late"] >= 1


@pytest.mark.slow
async def test_two_hundred_breakers_on_one_radio(loopback: str) -> None:
    async with (
        EmcbEmulator(EmcbConfig(count=200, bind=loopback)) as emulator,
        open_radio(emulator, poll_interval_s=1.0) as bench,
    ):
        ids = {breaker.device_id for breaker in emulator.breakers}
        await all_reported(bench.radio, ids)
        for _ in range(5):  # a machine that stands still for 200 ms misses all that are on their way
            unanswered = bench.radio.counters["unanswered"]
            await all_reported(bench.radio, ids)
            await all_reported(bench.radio, ids)
            missed = bench.radio.counters["unanswered"] - unanswered
            if missed < 20:
                break
        assert missed < 20
        assert bench.radio.counters["dropped_malformed"] == 0


# -- options ---------------------------------------------------------------------------------------------------------


def test_the_driver_checks_its_options_without_opening_anything() -> None:
    config = RadioConfig(name="b", driver="emcb", pipe="udp:10.0.0.255:32866")
    DRIVER.check(config)
    with pytest.raises(OptionError, match="the port must be"):
        DRIVER.check(replace(config, pipe="udp:10.0.0.255"))
