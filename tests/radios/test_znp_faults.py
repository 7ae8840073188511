"""A Z-Stack stick that fails under the hands of the driver, or is not what it should be: nothing is wiped for that."""

from __future__ import annotations

import asyncio
import os
import pty
import tty
from collections.abc import Callable

import pytest
from test_znp_driver import config, hurry, opened_on
from zigbee_contract import is_answer, read_model

from protocols.ids import Eui64
from radios.api import (
    DeliveryError,
    FrameReceived,
    NetworkChanged,
    NetworkSettings,
    NoReplyError,
    NotReachableError,
    NotSupportedError,
    PipeError,
    RadioLostError,
)
from radios.emulators.znp import ZnpConfig, ZnpEmulator
from radios.emulators.znp_nvram import IS_ON_NETWORK, NIB, ROLE
from radios.znp.driver import DRIVER, ZnpRadio
from tests.hub.waiting import eventually

FIRMWARES = ["1.2", "3.0", "3.x"]
HOME = ZnpConfig(devices=("plug",), joined=(0,))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


async def back(radio: ZnpRadio) -> None:
    async with asyncio.timeout(10):
        async for event in radio.events():
            if isinstance(event, NetworkChanged):
                return


@pytest.mark.parametrize("fail", [ZnpEmulator.crash, ZnpEmulator.reset], ids=["crash", "reset"])
async def test_a_stick_that_restarts_is_set_up_again_and_frames_wait_for_it(
    fail: Callable[[ZnpEmulator], None],
) -> None:
    async with ZnpEmulator(HOME) as stick, opened_on(stick) as radio:
        [device] = stick.devices
        network = radio.network
        await radio.register_key(Eui64(0x0013A20000000001), bytes(16))
        fail(stick)
        await eventually(lambda: radio.counters["restarts"] >= 1)
        await radio.send(read_model(device.short, 0x51))  # it waits
        assert radio.network == network
        async with asyncio.timeout(5):
            async for event in radio.events():
                if isinstance(event, FrameReceived) and is_answer(event, 0x51):
                    break
        assert stick.keys.key_for(0x0013A20000000001) == bytes(16)
        assert stick.keys.only_codes


async def test_what_is_on_its_way_when_the_stick_restarts_is_unknown_at_once() -> None:
    async with ZnpEmulator(HOME) as stick, opened_on(stick) as radio:
        stick.messages.outcomes = [None]  # nothing is heard of it
        sending = asyncio.ensure_future(radio.send(read_model(stick.devices[0].short, 1)))
        await eventually(lambda: not stick.messages.outcomes)
        stick.crash()
        with pytest.raises(NoReplyError, match="restarted"):
            async with asyncio.timeout(3):
                await sending
        await back(radio)


async def test_who_waits_for_an_answer_hears_at_once_that_the_stick_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ZnpEmulator(HOME) as stick, opened_on(stick) as radio:
        heard: list[int] = []
        monkeypatch.setattr(stick, "_command", lambda command, fields: heard.append(command))  # and says nothing
        asking = asyncio.ensure_future(radio.register_key(Eui64(0x0013A20000000001), bytes(16)))
        sending = asyncio.ensure_future(radio.send(read_model(stick.devices[0].short, 1)))
        await eventually(lambda: bool(heard))
        stick.kill()
        for waiting in (asking, sending):
            with pytest.raises((RadioLostError, NoReplyError)):
                async with asyncio.timeout(1.0):
                    await waiting


async def test_a_stick_without_buffers_is_asked_again() -> None:
    async with ZnpEmulator(HOME) as stick, opened_on(stick) as radio:
        stick.overflow(2)
        await radio.send(read_model(stick.devices[0].short, 1))
        assert radio.counters["backed_off"] == 2
        await radio.configure(NetworkSettings(send_retries=0))
        stick.overflow(1)
        with pytest.raises(DeliveryError, match="no room") as caught:
            await radio.send(read_model(stick.devices[0].short, 2))
        assert not caught.value.is_silence


async def test_a_frame_whose_answer_is_lost_is_told_by_its_fate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radios.znp.link.ANSWER_S", 0.1)
    async with ZnpEmulator(HOME) as stick, opened_on(stick) as radio:
        say, lost = stick._say, []

        def forgetful(command: int, data: bytes) -> None:
            if command == 0x6402:
                lost.append(data)
            else:
                say(command, data)

        monkeypatch.setattr(stick, "_say", forgetful)
        await radio.send(read_model(stick.devices[0].short, 1))
        assert lost == [b"\x00"]
        assert len([command for command, _ in stick.commands if command == 0x2402]) == 1  # it was sent once


async def test_an_answer_that_comes_late_is_not_taken_for_that_to_the_next_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("radios.znp.link.ANSWER_S", 0.1)
    async with ZnpEmulator(HOME) as stick, opened_on(stick) as radio:
        devices = {Eui64(0x0013A20000000001 + number): bytes((number,)) * 16 for number in range(5)}
        for ieee, key in devices.items():
            await radio.register_key(ieee, key)
        send, waiting, late = stick.end.send_frame, [], []
        monkeypatch.setattr(stick.end, "send_frame", waiting.append)  # it is busy for a while, and slow then

        def go_on() -> None:
            if waiting:
                late.append(waiting[0])
                send(waiting.pop(0))
            asyncio.get_running_loop().call_later(0.02, go_on)

        asyncio.get_running_loop().call_later(0.25, go_on)
        assert [await radio._keys.get(ieee) for ieee in devices] == list(devices.values())
        assert len(late) > len(devices)


async def test_a_stick_that_has_lost_its_network_is_not_given_another_one() -> None:
    async with ZnpEmulator(HOME) as stick, opened_on(stick) as radio:
        stick.nvram.drop(NIB)
        stick.crash()
        with pytest.raises(RadioLostError, match="knows its network no more"):
            async for _ in radio.events():
                pass
        assert not stick.nvram.get(NIB)


def as_router(stick: ZnpEmulator) -> None:
    stick.nvram.put(ROLE, b"\x01")


def half(stick: ZnpEmulator) -> None:
    stick.nvram.put(IS_ON_NETWORK, b"\x00")


def elsewhere(stick: ZnpEmulator) -> None:
    base = bytearray(stick.nvram.get(NIB))
    at = 22 if stick.firmware.is_aligned else 20
    base[at : at + 2] = b"\x34\x12"
    stick.nvram.put(NIB, bytes(base))


REASONS = {as_router: "router or an end device", half: "does not take for whole", elsewhere: "somebody else's network"}


@pytest.mark.parametrize(
    ("firmware", "change"),
    [(one, change) for one in FIRMWARES for change in REASONS if (one, change) != ("1.2", half)],  # it has no such mark
)
async def test_a_stick_that_is_something_else_is_left_as_it_is_until_it_is_erased_by_name(
    firmware: str, change: Callable[[ZnpEmulator], None]
) -> None:
    async with ZnpEmulator(ZnpConfig(devices=(), firmware=firmware, is_formed=True)) as stick:
        change(stick)
        before = {key: bytes(item) for key, item in stick.nvram.items.items()}
        async with opened_on(stick) as radio:
            assert not radio.network.is_operational
            assert REASONS[change] in radio.network.waits_for
            assert "erase this radio" in radio.network.waits_for
            with pytest.raises(NotReachableError, match="not on its network"):
                await radio.send(read_model(0x1234, 1))
            for act in (
                radio.permit_join(60),
                radio.backup(),
                radio.register_key(Eui64(0x0013A20000000001), bytes(16)),
            ):
                with pytest.raises(NotReachableError):
                    await act
        assert {key: bytes(item) for key, item in stick.nvram.items.items()} == before
        assert not [one for one in stick.commands if one[0] in (0x2F05, 0x2540, 0x4100)]  # not even restarted
        async with opened_on(stick, channels=[25]) as radio:
            await radio.erase()
            assert radio.network.is_operational
            assert radio.network.channel == 25


@pytest.mark.parametrize("firmware", FIRMWARES)
async def test_erasing_makes_another_network_and_a_start_none(firmware: str) -> None:
    async with ZnpEmulator(ZnpConfig(devices=(), firmware=firmware)) as stick:
        networks = []
        for _ in range(2):
            async with opened_on(stick) as radio:
                networks.append(radio.network)
        assert networks[0] == networks[1]
        async with opened_on(stick, channels=[20], extended_pan_id="00000000000000aa") as radio:
            assert radio.network == networks[0]  # a running network is not left for that
            await radio.register_key(Eui64(0x0013A20000000001), bytes(16))
            await radio.erase()
            assert (radio.network.extended_pan_id, radio.network.channel) == (0xAA, 20)
            assert stick.keys.plain(0x0013A20000000001) is None
            with pytest.raises(NotSupportedError, match="a key of its own"):
                await radio.configure(NetworkSettings(link_key=bytes(16)))
            await radio.configure(NetworkSettings(extended_pan_id=0xBB, channels=(25,)))
            assert (radio.network.extended_pan_id, radio.network.channel) == (0xBB, 25)


async def test_what_is_no_z_stack_stick_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radios.znp.link.FIND_S", 0.3)
    ours, theirs = pty.openpty()
    try:
        tty.setraw(theirs)
        with pytest.raises(RadioLostError, match="no Z-Stack stick answers"):
            async with DRIVER.open(config(f"pty:{os.ttyname(theirs)}"), None):
                pass
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("pipe", ["serial:/dev/there-is-none", "tcp:127.0.0.1:9"])
async def test_a_port_that_is_not_there_is_told(pipe: str) -> None:
    with pytest.raises(PipeError):
        async with DRIVER.open(config(pipe), None):
            pass


async def test_a_stick_without_its_hub_is_off_the_air_and_comes_back_with_it() -> None:
    async with ZnpEmulator(HOME) as stick:
        async with opened_on(stick) as radio:
            network = radio.network
            assert stick.core.is_up
        assert not stick.core.is_up  # it acknowledges nothing that nobody hears
        async with DRIVER.open(config(stick.pipe_url.replace("pty:", "serial:")), None) as radio:  # its pins are tried
            assert radio.network == network
            await radio.send(read_model(stick.devices[0].short, 1))
