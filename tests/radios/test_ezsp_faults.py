"""An EZSP stick that fails under the hands of the driver: it restarts, gives up its line, hangs, is another device."""

from __future__ import annotations

import asyncio
import os
import pty
import tty
from collections.abc import Callable

import pytest
from test_ezsp_driver import config, opened_on
from zigbee_contract import is_answer, read_model

from protocols.ids import Eui64
from radios.api import (
    DeliveryError,
    FrameReceived,
    NetworkChanged,
    NetworkSettings,
    NoReplyError,
    PipeError,
    RadioLostError,
)
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.ezsp.driver import DRIVER, EzspRadio
from tests.hub.waiting import eventually

HOME = EzspConfig(devices=("plug",), joined=(0,))


async def back(radio: EzspRadio) -> None:
    async with asyncio.timeout(10):
        async for event in radio.events():
            if isinstance(event, NetworkChanged):
                return


@pytest.mark.parametrize(
    "fail", [EzspEmulator.crash, EzspEmulator.fail, EzspEmulator.reset], ids=["crash", "fail", "reset"]
)
async def test_a_stick_that_restarts_is_set_up_again_and_frames_wait_for_it(
    fail: Callable[[EzspEmulator], None],
) -> None:
    async with EzspEmulator(HOME) as stick, opened_on(stick) as radio:
        [device] = stick.devices
        network, boots = radio.network, stick.flash.boots
        await radio.register_key(Eui64(0x0013A20000000001), bytes(16))
        fail(stick)
        await eventually(lambda: radio.counters["restarts"] >= 1)
        await radio.send(read_model(device.short, 0x51))  # it waits
        assert radio.network == network
        assert stick.flash.boots > boots
        async with asyncio.timeout(5):
            async for event in radio.events():
                if isinstance(event, FrameReceived) and is_answer(event, 0x51):
                    break
        assert stick.security.key_for(0x0013A20000000001) == bytes(16)


async def test_what_is_on_its_way_when_the_stick_restarts_is_unknown_at_once() -> None:
    async with EzspEmulator(HOME) as stick, opened_on(stick) as radio:
        stick.messages.outcomes = [None]  # nothing is heard of it
        sending = asyncio.ensure_future(radio.send(read_model(stick.devices[0].short, 1)))
        await eventually(lambda: not stick.messages.outcomes)
        stick.crash()
        with pytest.raises(NoReplyError, match="restarted"):
            async with asyncio.timeout(3):
                await sending
        await back(radio)


async def test_a_stick_without_buffers_is_asked_again() -> None:
    async with EzspEmulator(HOME) as stick, opened_on(stick) as radio:
        stick.overflow(2)
        await radio.send(read_model(stick.devices[0].short, 1))
        assert radio.counters["backed_off"] == 2
        await radio.configure(NetworkSettings(send_retries=0))
        stick.overflow(1)
        with pytest.raises(DeliveryError, match="no room") as caught:
            await radio.send(read_model(stick.devices[0].short, 2))
        assert not caught.value.is_silence


async def test_a_stick_that_has_lost_its_network_is_not_given_another_one() -> None:
    async with EzspEmulator(HOME) as stick, opened_on(stick) as radio:
        stick.flash.network = None
        stick.crash()
        with pytest.raises(RadioLostError, match="knows its network no more"):
            async for _ in radio.events():
                pass
        assert stick.flash.network is None


async def test_what_is_no_ezsp_stick_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bellows.uart.RESET_TIMEOUT", 0.2)
    ours, theirs = pty.openpty()
    try:
        tty.setraw(theirs)
        with pytest.raises(RadioLostError, match="no EZSP stick answers"):
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
    async with EzspEmulator(HOME) as stick:
        async with opened_on(stick) as radio:
            network = radio.network
            assert stick.core.is_up
        assert not stick.core.is_up  # it acknowledges nothing that nobody hears
        async with opened_on(stick) as radio:
            assert radio.network == network
            await radio.send(read_model(stick.devices[0].short, 1))
