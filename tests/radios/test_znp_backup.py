"""Backups of Z-Stack sticks and of other makes: another stick takes the place, with the devices none the wiser."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from test_znp_driver import hurry
from zigbee_contract import read_model

from protocols.aps import Security
from protocols.ids import Eui64
from radios.api import DeliveryError, DeviceJoined, FrameReceived, RadioConfig, ZigbeeRadio
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.emulators.stick import EmulatedStick
from radios.emulators.znp import ZnpConfig, ZnpEmulator
from radios.emulators.znp_keys import SECURED
from radios.emulators.znp_nvram import LINK_ROWS, SEED
from radios.ezsp.driver import DRIVER as EZSP
from radios.zigpy_backend import WELL_KNOWN
from radios.znp.driver import DRIVER as ZNP

METER = ("smart-meter",)
NAMES = {"EZSP 13": "7.4.4", "Z-Stack 1.2": "1.2", "Z-Stack 3.0": "3.0", "Z-Stack 3.x": "3.x"}


def stick_of(name: str, room: EmulatedStick | None = None) -> EzspEmulator | ZnpEmulator:
    """A stick with a meter, or another one in the room of the first."""
    devices, seed = ((), 5) if room is not None else (METER, 0)
    if name.startswith("EZSP"):
        return EzspEmulator(EzspConfig(devices=devices, firmware=NAMES[name], seed=seed), room)
    return ZnpEmulator(ZnpConfig(devices=devices, firmware=NAMES[name], seed=seed), room)


PAIRS = [
    ("Z-Stack 3.x", "Z-Stack 3.x"),
    ("Z-Stack 1.2", "Z-Stack 3.x"),
    ("Z-Stack 3.x", "Z-Stack 1.2"),
    ("EZSP 13", "Z-Stack 3.x"),
    ("Z-Stack 3.x", "EZSP 13"),
    ("EZSP 13", "Z-Stack 3.0"),
    ("EZSP 13", "Z-Stack 1.2"),
    ("Z-Stack 1.2", "EZSP 13"),
]
PARTS = ("network_key", "pan_id", "extended_pan_id", "coordinator_ieee", "channel", "nwk_update_id")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@asynccontextmanager
async def opened_on(stick: EmulatedStick) -> AsyncIterator[ZigbeeRadio]:
    driver = EZSP if isinstance(stick, EzspEmulator) else ZNP
    config = RadioConfig(name="han", driver="ezsp" if driver is EZSP else "znp", pipe=stick.pipe_url)
    async with driver.open(config, None) as radio:
        yield radio


async def joined_in_secret(stick: EmulatedStick, radio: ZigbeeRadio) -> None:
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


async def asked(radio: ZigbeeRadio, short: int, security: Security) -> bool:
    """Read the meter's model."""
    frame = read_model(short, 0x31, security=security)
    await radio.send(replace(frame, profile=0x0109, source_endpoint=0x5E, destination_endpoint=10))
    async with asyncio.timeout(5):
        async for event in radio.events():
            if isinstance(event, FrameReceived) and event.frame.cluster == 0:
                return event.frame.payload[1] == 0x31
    return False


def without_counters(part: object) -> object:
    return {**part, "frame_counter": 0} if isinstance(part, dict) else part


@pytest.mark.parametrize(("before", "after"), PAIRS)
async def test_another_stick_takes_the_place_and_no_device_joins_anew(before: str, after: str) -> None:
    async with stick_of(before) as old:
        async with opened_on(old) as radio:
            await joined_in_secret(old, radio)
            [device] = old.devices
            kept = json.loads(json.dumps(await radio.backup()))
            network = radio.network
            [row] = [one for one in kept["devices"] if "link_key" in one]
            assert int(row["ieee_address"], 16) == device.ieee
            assert bytes.fromhex(row["link_key"]["key"]) == device.link_key
        old.kill()
        async with stick_of(after, old) as new, opened_on(new) as radio:
            assert radio.network.extended_pan_id != network.extended_pan_id
            unchanged = json.dumps(kept)
            await radio.restore(kept)
            assert json.dumps(kept) == unchanged
            found = radio.network
            assert found.is_operational
            assert (found.ieee, found.short, found.pan_id) == (network.ieee, 0, network.pan_id)
            assert (found.extended_pan_id, found.channel) == (network.extended_pan_id, network.channel)
            [device] = new.devices
            # APS counters begin anew, and devices take the same one within seconds for a repetition.
            new.messages._sequence = 100
            assert await asked(radio, device.short, Security.NETWORK)
            assert await asked(radio, device.short, Security.LINK_KEY)
            again = json.loads(json.dumps(await radio.backup()))
            for part in PARTS:
                assert without_counters(again[part]) == without_counters(kept[part])
            [there] = [one for one in again["devices"] if "link_key" in one]
            assert there["link_key"]["key"] == row["link_key"]["key"]
            assert again["network_key"]["frame_counter"] >= kept["network_key"]["frame_counter"] + 100_000


@pytest.mark.parametrize("firmware", ["1.2", "3.0", "3.x"])
async def test_counters_of_keys_go_on_where_devices_have_seen_them(firmware: str) -> None:
    async with ZnpEmulator(ZnpConfig(devices=(), firmware=firmware)) as stick, opened_on(stick) as radio:
        for number in (1, 2, 3):
            await radio.register_key(Eui64(0x0013A20000000000 + number), bytes((number,)) * 16)
        await radio.remove_key(Eui64(0x0013A20000000001))
        kept = json.loads(json.dumps(await radio.backup()))
        for row in kept["devices"]:
            row["link_key"] |= {"tx_counter": 5000, "rx_counter": 700}
        await radio.restore(kept)
        again = json.loads(json.dumps(await radio.backup()))
        assert [
            (int(row["ieee_address"], 16) & 0xFF, row["link_key"]["tx_counter"], row["link_key"]["rx_counter"])
            for row in again["devices"]
        ] == [(2, 105_000, 700), (3, 105_000, 700)]
        assert stick.keys.key_for(0x0013A20000000002) == b"\x02" * 16


async def test_keys_that_follow_from_a_seed_go_to_another_stick_with_it() -> None:
    """As other programs let devices in: thousands fit, since only a number is kept of each."""
    ieee = 0x0013A20000000007
    async with ZnpEmulator(ZnpConfig(devices=())) as old, opened_on(old) as radio:
        at = old.nvram.hashed_rows[0]
        row = bytearray(old.nvram.items[at])
        row[8:19] = ieee.to_bytes(8, "little") + bytes((2, 0, 5))
        old.nvram.items[at] = row
        old.keys.note(ieee, 0x1234, SECURED)
        kept = json.loads(json.dumps(await radio.backup()))
        key = old.keys.key_for(ieee)
        assert key is not None
    for firmware in ("3.x", "3.0"):
        config = ZnpConfig(devices=(), seed=5, firmware=firmware)
        async with ZnpEmulator(config) as new, opened_on(new) as radio:
            await radio.restore(kept)
            assert new.nvram.get(SEED) == old.nvram.get(SEED)
            assert new.keys.plain(ieee) is None
            assert new.keys.key_for(ieee) == key
            await radio.remove_key(Eui64(ieee))
            assert new.keys.key_for(ieee) is None
    async with ZnpEmulator(ZnpConfig(devices=(), seed=6, firmware="1.2")) as new, opened_on(new) as radio:
        await radio.restore(kept)
        assert new.keys.plain(ieee) == key


async def test_a_backup_with_more_keys_than_the_stick_has_room_for_changes_nothing() -> None:
    async with EzspEmulator(EzspConfig(devices=(), firmware="7.4.4")) as old, opened_on(old) as radio:
        for number in range(LINK_ROWS + 1):
            await radio.register_key(Eui64(0x0013A20000000001 + number), bytes((number + 1,)) * 16)
        kept = await radio.backup()
    async with ZnpEmulator(ZnpConfig(devices=(), seed=5)) as new, opened_on(new) as radio:
        network, before = radio.network, {key: bytes(item) for key, item in new.nvram.items.items()}
        with pytest.raises(DeliveryError, match=f"{LINK_ROWS + 1} link keys of devices, and the stick has room for 20"):
            await radio.restore(kept)
        assert radio.network == network
        assert {key: bytes(item) for key, item in new.nvram.items.items()} == before


async def test_an_ezsp_stick_has_room_for_so_many_keys_too() -> None:
    async with EzspEmulator(EzspConfig(devices=())) as stick, opened_on(stick) as radio:
        kept = json.loads(json.dumps(await radio.backup()))
        kept["devices"] = [
            {
                "ieee_address": f"{0x0013A20000000001 + number:016x}",
                "nwk_address": None,
                "is_child": False,
                "link_key": {"key": bytes((number + 1,)).hex() * 16, "tx_counter": 1, "rx_counter": 1},
            }
            for number in range(33)
        ]
        network, before = radio.network, stick.flash.network
        with pytest.raises(DeliveryError, match="33 link keys of devices, and the stick has room for 32"):
            await radio.restore(kept)
        assert (radio.network, stick.flash.network) == (network, before)


BEHIND = {"form_quickly": True, "ezsp": {"i_understand_i_can_update_eui64_only_once_and_i_still_want_to_do_it": True}}


@pytest.mark.parametrize("make", ["EZSP 13", "Z-Stack 3.x"])
async def test_a_backup_of_another_program_is_taken_and_says_nothing_to_the_libraries(make: str) -> None:
    """As Zigbee2MQTT writes, without what zigpy adds; and words that would have a library do something else."""
    async with stick_of(make) as stick, opened_on(stick) as radio:
        await joined_in_secret(stick, radio)
        kept = json.loads(json.dumps(await radio.backup()))
        network = radio.network
        kept["metadata"]["internal"] = {"date": "2026-01-01T00:00:00.000Z", "znpVersion": 1}
        kept["stack_specific"] = kept["stack_specific"] | BEHIND
        kept["security_level"] = 0
        kept["devices"].append({"ieee_address": "f" * 16, "nwk_address": "fffe", "is_child": False, "link_key": None})
        for row in kept["devices"]:
            row["nwk_address"] = (row["nwk_address"] or "abc").lstrip("0")
        stick.kill()
        async with stick_of(make, stick) as new, opened_on(new) as radio:
            await radio.restore(kept)
            assert (radio.network.ieee, radio.network.pan_id) == (network.ieee, network.pan_id)
            again = await radio.backup()
            assert without_counters(again["network_key"]) == without_counters(kept["network_key"])
            assert again["security_level"] == 5
            [device] = new.devices
            assert await asked(radio, device.short, Security.LINK_KEY)


async def test_the_key_that_everybody_knows_does_not_come_with_a_backup() -> None:
    async with ZnpEmulator(ZnpConfig(devices=())) as old, opened_on(old) as radio:
        kept = json.loads(json.dumps(await radio.backup()))
    assert bytes.fromhex(kept["metadata"]["internal"]["network"]["tc_link_key"]["key"]) == WELL_KNOWN
    async with EzspEmulator(EzspConfig(devices=(), seed=5)) as new, opened_on(new) as radio:
        await radio.restore(kept)
        assert new.flash.network is not None
        assert new.flash.network.security.link_key != WELL_KNOWN


@pytest.mark.parametrize("make", ["EZSP 13", "Z-Stack 3.x"])
@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("stack_specific", {"ezsp": {"hashed_tclk": "5ec4e7"}, "zstack": {"tclk_seed": "5ec4e7"}}),
        ("metadata", {"source": "x", "internal": {"node": {"nwk": "0000", "type": "router"}}}),
    ],
)
async def test_what_cannot_be_put_on_it_is_refused_before_anything_is(make: str, place: str, value: object) -> None:
    async with stick_of(make) as stick, opened_on(stick) as radio:
        kept, network = await radio.backup(), radio.network
        with pytest.raises(DeliveryError, match=r"no key|of a router") as raised:
            await radio.restore({**kept, place: value})
        assert "5ec4e7" not in str(raised.value)
        assert radio.network == network
        assert (await radio.backup())["extended_pan_id"] == kept["extended_pan_id"]


@pytest.mark.parametrize(
    "broken", [{}, {"metadata": {"source": "x"}}, {"metadata": None}], ids=["empty", "cut", "none"]
)
async def test_what_is_no_backup_is_refused_and_changes_nothing(broken: dict[str, object]) -> None:
    async with ZnpEmulator(ZnpConfig(devices=())) as stick, opened_on(stick) as radio:
        before = {key: bytes(item) for key, item in stick.nvram.items.items()}
        with pytest.raises(DeliveryError, match="no backup"):
            await radio.restore(broken)
        assert {key: bytes(item) for key, item in stick.nvram.items.items()} == before
        assert radio.network.is_operational


@pytest.mark.parametrize("make", ["EZSP 13", "Z-Stack 3.x"])
async def test_devices_in_the_room_keep_the_key_that_they_established_with_the_stick_before(make: str) -> None:
    async with stick_of("EZSP 13") as old:
        [device] = old.devices
        device.link_key = bytes(range(16))
        async with stick_of(make, old) as new:
            assert new.devices == [device]
            assert device.link_key == bytes(range(16))
