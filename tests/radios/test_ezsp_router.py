"""An EZSP stick as a router on somebody else's network: the contract, and its way there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from zigbee_contract import Far, ZigbeeContract, hastening, read_model

from protocols.ids import Eui64
from radios import zigpy_radio
from radios.api import (
    NetworkChanged,
    NetworkInfo,
    NotReachableError,
    NotSupportedError,
    OptionError,
    RadioConfig,
    RadioLostError,
)
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.emulators.stick import link_key_of
from radios.ezsp.driver import DRIVER, EzspRadio
from tests.hub.waiting import eventually

VERSIONS = {"EZSP 8": "6.10.3", "EZSP 13": "7.4.4", "EZSP 16": "8.1.1"}


def room(**more: object) -> EzspConfig:
    given: dict[str, object] = {"devices": (), "trust_centre": "smart-meter", **more}
    return EzspConfig(**given)  # type: ignore[arg-type]


def config(stick: EzspEmulator, **options: object) -> RadioConfig:
    given = {"link_key": stick.factory_key.hex(), **options}
    return RadioConfig(name="han", driver="ezsp", pipe=stick.pipe_url, options=given, joins=True)


@asynccontextmanager
async def opened_on(stick: EzspEmulator, **options: object) -> AsyncIterator[EzspRadio]:
    async with DRIVER.open(config(stick, **options), None) as radio:
        yield radio


async def until(radio: EzspRadio, wanted: Callable[[NetworkInfo], bool]) -> NetworkInfo:
    await eventually(lambda: wanted(radio.network), 15.0)
    return radio.network


async def operational(radio: EzspRadio) -> NetworkInfo:
    return await until(radio, lambda network: network.is_operational)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.ezsp.router.JOIN_INTERVAL_S", 0.5)


class TestEzspRouter(ZigbeeContract):
    """The contract."""

    @pytest.fixture(params=VERSIONS)
    async def opened(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Far]:
        names = ("TICK_S", "ASKED_AFTER_S", "MUTE_S") if request.param != "EZSP 18" else ()
        start = room(devices=("plug",), firmware=VERSIONS[request.param])
        async with EzspEmulator(start) as stick, opened_on(stick) as radio:
            await operational(radio)
            assert stick.trust_centre is not None
            for device in stick.devices:
                if device is not stick.trust_centre:
                    device.link_key = stick.trust_centre.table[device.ieee] = link_key_of(device.ieee)
            yield Far(
                radio,
                {device.kind: device for device in stick.devices},
                stick.press,
                stick.mute,
                stick.reset,
                stick.kill,
                is_router=True,
                hasten=hastening(monkeypatch, zigpy_radio, *names),
            )


async def test_it_joins_and_says_how_far_it_is() -> None:
    async with EzspEmulator(room(is_open=False, is_registered=False)) as stick, opened_on(stick) as radio:
        events = aiter(radio.events())
        assert not radio.network.is_operational
        with pytest.raises(NotReachableError, match="not on its network"):
            await radio.send(read_model(0, 1))
        await until(radio, lambda network: "open joining at the trust centre" in network.waits_for)
        stick.air.permit(3600)
        await until(radio, lambda network: "is this radio registered" in network.waits_for)
        stick.register()
        network = await operational(radio)
        assert (network.channel, network.extended_pan_id) == (stick.air.channel, stick.air.extended_pan_id)
        assert (network.short, network.is_coordinator) == (stick.air.short_of(stick.ieee), False)
        told: list[NetworkInfo] = []
        async with asyncio.timeout(5):
            while not told or not told[-1].is_operational:
                event = await anext(events)
                if isinstance(event, NetworkChanged):
                    told.append(event.network)
        assert told[-1] == network
        assert all(before != after for before, after in pairwise(told))


async def test_without_a_key_or_with_another_network_wanted_nothing_is_joined() -> None:
    async with EzspEmulator(room()) as stick:
        async with opened_on(stick, link_key=None) as radio:
            await until(radio, lambda network: "set install_code or link_key" in network.waits_for)
        async with opened_on(stick, extended_pan_id="00000000000000aa") as radio:
            await until(radio, lambda network: "extended PAN id and channels" in network.waits_for)
        assert stick.flash.network is None


async def test_one_that_is_made_to_leave_looks_for_a_network_again() -> None:
    async with EzspEmulator(room()) as stick, opened_on(stick) as radio:
        await operational(radio)
        stick.air.permit(0)
        assert stick.air.drop(stick.ieee, told=True)
        await until(radio, lambda network: not network.is_operational)
        stick.air.permit(3600)
        await operational(radio)
        stick.reset()  # it comes back by itself, and asks nobody to be let in
        stick.air.permit(0)
        await eventually(lambda: radio.counters["restarts"] == 1)
        await operational(radio)
        await radio.leave()
        await until(radio, lambda network: "open joining" in network.waits_for)


async def test_what_only_a_trust_centre_does_is_refused() -> None:
    async with EzspEmulator(room()) as stick, opened_on(stick) as radio:
        await operational(radio)
        assert not radio.capabilities.link_keys
        with pytest.raises(NotSupportedError, match="trust centre"):
            await radio.register_key(Eui64(1), bytes(16))
        with pytest.raises(NotSupportedError, match="trust centre"):
            await radio.remove_key(Eui64(1))


async def test_a_stick_that_is_something_else_is_left_as_it_is() -> None:
    async with EzspEmulator(room()) as stick:
        async with opened_on(stick) as radio:
            await operational(radio)
        before = stick.flash.network
        wants_centre = RadioConfig(name="han", driver="ezsp", pipe=stick.pipe_url)
        with pytest.raises(RadioLostError, match="left as it is"):
            async with DRIVER.open(wants_centre, None):
                pass
        assert stick.flash.network is before
    async with EzspEmulator(EzspConfig(devices=(), is_formed=True)) as stick:
        before = stick.flash.network
        with pytest.raises(RadioLostError, match="left as it is"):
            async with opened_on(stick):
                pass
        assert stick.flash.network is before


def test_a_key_to_join_with_is_for_routers() -> None:
    centre = RadioConfig(name="han", driver="ezsp", pipe="pty:/dev/null", options={"link_key": bytes(16).hex()})
    with pytest.raises(OptionError, match="joins a network"):
        DRIVER.check(centre)


async def test_a_stick_that_is_on_the_network_already_starts_without_a_word_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with EzspEmulator(room()) as stick:
        async with opened_on(stick) as radio:
            joined = await operational(radio)
        caplog.clear()
        async with opened_on(stick) as radio:
            assert await operational(radio) == joined
    assert caplog.records == []
