"""Backups of EZSP sticks: what is in one, and another stick that takes its place, with the devices none the wiser."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from test_ezsp_driver import opened_on
from zigbee_contract import read_model

from protocols.aps import Security
from protocols.ids import Eui64
from radios.api import DeliveryError, DeviceJoined, FrameReceived, NotSupportedError, RadioConfig
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.ezsp.driver import DRIVER, EzspRadio
from tests.hub.waiting import eventually

PAIRS = [("7.4.4", "7.4.4"), ("7.4.4", "8.0.2"), ("9.0.0", "7.1.5")]


async def joined_in_secret(stick: EzspEmulator, radio: EzspRadio) -> None:
    [device] = stick.devices
    assert device.link_key is not None
    await radio.register_key(Eui64(device.ieee), device.link_key)
    await radio.permit_join(60)
    assert stick.press(device)
    async with asyncio.timeout(5):
        async for event in radio.events():
            if isinstance(event, DeviceJoined):
                break
    device.is_authenticated = True


async def asked(radio: EzspRadio, short: int, security: Security) -> bool:
    """Read the meter's model."""
    frame = read_model(short, 0x31, security=security)
    await radio.send(replace(frame, profile=0x0109, source_endpoint=0x5E, destination_endpoint=10))
    async with asyncio.timeout(5):
        async for event in radio.events():
            if isinstance(event, FrameReceived) and event.frame.cluster == 0:
                return event.frame.payload[1] == 0x31
    return False


@pytest.mark.parametrize(("before", "after"), PAIRS)
async def test_another_stick_takes_the_place_and_no_device_joins_anew(before: str, after: str) -> None:
    config = EzspConfig(devices=("smart-meter",), firmware=before)
    async with EzspEmulator(config) as old:
        async with opened_on(old) as radio:
            await joined_in_secret(old, radio)
            assert radio.capabilities.backup
            kept = json.loads(json.dumps(await radio.backup()))
            network, ieee = radio.network, old.ieee
            [row] = [one for one in kept["devices"] if "link_key" in one]
            assert int(row["ieee_address"], 16) == old.devices[0].ieee
            assert bytes.fromhex(row["link_key"]["key"]) == old.devices[0].link_key
        old.kill()
        async with EzspEmulator(EzspConfig(devices=(), firmware=after, seed=5), old) as new, opened_on(new) as radio:
            assert radio.network.extended_pan_id != network.extended_pan_id
            await radio.restore(kept)
            found = radio.network
            assert (found.ieee, found.short, found.pan_id) == (ieee, 0, network.pan_id)
            assert (found.extended_pan_id, found.channel) == (network.extended_pan_id, network.channel)
            for counter in ("network_counter", "link_counter"):
                assert getattr(new.flash, counter) >= getattr(old.flash, counter) + 1000
            [device] = new.devices
            # APS counters begin anew, and devices take the same one within seconds for a repetition.
            new.messages._sequence = 100
            assert await asked(radio, device.short, Security.NETWORK)
            assert await asked(radio, device.short, Security.LINK_KEY)
            again = json.loads(json.dumps(await radio.backup()))
            for part in ("network_key", "pan_id", "extended_pan_id", "coordinator_ieee", "channel"):
                assert (
                    {**again[part], "frame_counter": 0} == {**kept[part], "frame_counter": 0}
                    if isinstance(kept[part], dict)
                    else again[part] == kept[part]
                )


async def test_a_stick_that_cannot_have_the_address_is_left_as_it_is() -> None:
    async with EzspEmulator(EzspConfig(devices=(), firmware="7.4.4")) as old, opened_on(old) as radio:
        kept = await radio.backup()
    async with EzspEmulator(EzspConfig(devices=(), firmware="6.10.3", seed=5)) as new, opened_on(new) as radio:
        network = radio.network
        with pytest.raises(DeliveryError, match="only once for all"):
            await radio.restore(kept)
        await radio.energy_scan((11,))
        assert radio.network == network
        assert (await radio.backup())["extended_pan_id"] == f"{network.extended_pan_id:016x}"


@pytest.mark.parametrize(
    "broken", [{}, {"metadata": {"source": "x"}}, {"metadata": None}], ids=["empty", "cut", "none"]
)
async def test_what_is_no_backup_is_refused_and_changes_nothing(broken: dict[str, object]) -> None:
    async with EzspEmulator(EzspConfig(devices=())) as stick, opened_on(stick) as radio:
        before = stick.flash.network
        with pytest.raises(DeliveryError, match="no backup"):
            await radio.restore(broken)
        assert stick.flash.network is before
        assert radio.network.is_operational


async def test_a_router_has_no_backup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radios.ezsp.router.JOIN_INTERVAL_S", 0.5)
    async with EzspEmulator(EzspConfig(devices=(), trust_centre="smart-meter")) as stick:
        options = {"link_key": stick.factory_key.hex()}
        config = RadioConfig(name="han", driver="ezsp", pipe=stick.pipe_url, options=options, joins=True)
        async with DRIVER.open(config, None) as radio:
            await eventually(lambda: radio.network.is_operational)
            for act in (radio.backup(), radio.restore({})):
                with pytest.raises(NotSupportedError, match="trust centre"):
                    await act
