"""Keys, long messages and policies of the EZSP driver, for each generation of its commands."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from test_ezsp_driver import opened_on
from zigbee_contract import read_model

from protocols.aps import ApsFrame, Security
from protocols.ids import Eui64
from protocols.install_code import InstallCode, crc16_x25
from protocols.zcl.header import parse_header
from radios.api import (
    DeliveryError,
    DeviceJoined,
    FrameReceived,
    KeysBy,
    NetworkSettings,
    NoLinkKeyError,
    NotSupportedError,
    RadioConfig,
    RadioLostError,
    ZigbeeEvent,
)
from radios.emulators.device import EmulatedDevice
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.emulators.ezsp_settings import ALLOW_JOINS, KEY_TABLE, TRUST_CENTRE_POLICY
from radios.ezsp.driver import DRIVER, EzspRadio
from radios.ezsp.fragments import MAX_BLOCKS, Reassembly, blocks_of
from tests.hub.waiting import eventually

FIRMWARES = ["6.10.3", "7.4.4", "8.0.2", "9.0.0"]
LENGTHS = [6, 8, 12, 16]


@pytest.fixture(params=FIRMWARES)
def firmware(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def home(firmware: str, *kinds: str, **options: object) -> AsyncIterator[tuple[EzspEmulator, EzspRadio]]:
    async with (
        EzspEmulator(EzspConfig(devices=kinds, firmware=firmware)) as stick,
        opened_on(stick, **options) as radio,
    ):
        yield stick, radio


async def until(radio: EzspRadio, kind: type[ZigbeeEvent], wanted: object = None) -> ZigbeeEvent:
    import asyncio

    async with asyncio.timeout(5):
        async for event in radio.events():
            if isinstance(event, kind) and (wanted is None or wanted(event)):  # type: ignore[operator]
                return event
    raise AssertionError


async def let_in(stick: EzspEmulator, radio: EzspRadio, device: EmulatedDevice) -> None:
    await radio.permit_join(60)
    assert stick.press(device)
    await until(radio, DeviceJoined)
    device.is_authenticated = True  # it takes its key for one to speak in secret with


@pytest.mark.parametrize("length", LENGTHS)
async def test_a_device_joins_by_its_installation_code_and_speaks_in_secret(firmware: str, length: int) -> None:
    raw = bytes(range(0x31, 0x31 + length))
    code = InstallCode.from_bytes(raw + crc16_x25(raw).to_bytes(2, "little"))
    async with home(firmware, "smart-meter") as (stick, radio):
        [device] = stick.devices
        device.link_key, ieee = code.link_key, Eui64(device.ieee)
        await radio.permit_join(60)
        assert not stick.press(device)  # nobody is let in for a key that everybody knows, or any other
        await radio.register_key(ieee, bytes(16))
        assert not stick.press(device)
        await radio.register_key(ieee, code.link_key)
        await let_in(stick, radio, device)
        await radio.send(read_model(device.short, 0x21, security=Security.LINK_KEY))
        assert device.heard[-1].encrypted
        device._send(10, 0x5E, 0x0109, 0x0702, b"\x09\x01\x0a", 0)
        answer = await until(radio, FrameReceived, lambda event: event.frame.cluster == 0x0702)
        assert isinstance(answer, FrameReceived)
        assert answer.frame.security is Security.LINK_KEY


async def test_a_key_of_the_hubs_takes_the_place_of_the_one_that_it_joined_with(firmware: str) -> None:
    async with home(firmware, "smart-meter") as (stick, radio):
        [device] = stick.devices
        joined_with, ieee = device.link_key, Eui64(device.ieee)
        assert joined_with is not None
        assert radio.capabilities.keys_by is KeysBy.HUB
        await radio.register_key(ieee, joined_with)
        await let_in(stick, radio, device)
        fresh = bytes(range(16))
        await radio.set_link_key(ieee, fresh)
        frame = read_model(device.short, 0x22, security=Security.LINK_KEY)
        with pytest.raises(DeliveryError):  # the device has the old one still
            await radio.send(frame)
        device.link_key = fresh
        await radio.send(frame)
        rows = {place: (row.key, id(row)) for place, row in stick.flash.link_keys.items()}
        await radio.set_link_key(ieee, fresh)  # as after each start: the counters of the key stay
        assert {place: (row.key, id(row)) for place, row in stick.flash.link_keys.items()} == rows
        await radio.register_key(ieee, joined_with)
        assert stick.security.key_for(ieee) == joined_with
        await radio.remove_key(ieee)
        await radio.remove_key(ieee)  # it is gone already
        assert not stick.flash.link_keys
        with pytest.raises(NoLinkKeyError):
            await radio.send(frame)


async def test_a_full_table_is_told_by_name(firmware: str) -> None:
    async with home(firmware) as (stick, radio):
        size = stick.core.settings[KEY_TABLE]
        assert size >= 32
        for number in range(size):
            await radio.register_key(Eui64(0x0013A20000000001 + number), bytes((number,)) * 16)
        with pytest.raises(DeliveryError, match="FULL") as caught:
            await radio.register_key(Eui64(0x0013A20000009999), bytes(16))
        assert not caught.value.is_silence
        await radio.remove_key(Eui64(0x0013A20000000001))
        await radio.register_key(Eui64(0x0013A20000009999), bytes(16))


async def test_the_trust_centres_policy_is_put_back_when_the_window_closes(
    firmware: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with home(firmware, "plug", well_known_key=True) as (stick, radio):
        policies = stick.core.policies
        assert not policies[TRUST_CENTRE_POLICY] & ALLOW_JOINS
        await radio.permit_join(1)
        assert policies[TRUST_CENTRE_POLICY] & ALLOW_JOINS
        assert stick.security.transient
        await eventually(lambda: not policies[TRUST_CENTRE_POLICY] & ALLOW_JOINS)
        await eventually(lambda: not stick.security.transient)
        await radio.permit_join(60)
        await radio.permit_join(0)
        assert not policies[TRUST_CENTRE_POLICY] & ALLOW_JOINS
        assert not stick.press(stick.devices[0])
        await radio.permit_join(60)
    assert not policies[TRUST_CENTRE_POLICY] & ALLOW_JOINS  # a hub that ends leaves no window open
    async with home(firmware, "plug") as (stick, radio):
        await radio.permit_join(60)
        assert not stick.security.transient
        assert not stick.press(stick.devices[0])


@pytest.mark.parametrize("security", [Security.NETWORK, Security.LINK_KEY])
async def test_long_messages_go_out_and_come_in(firmware: str, security: Security) -> None:
    async with home(firmware, "smart-meter") as (stick, radio):
        [device] = stick.devices
        assert device.link_key is not None
        await radio.register_key(Eui64(device.ieee), device.link_key)
        await let_in(stick, radio, device)
        payload = bytes((0x01, 0x33, 0x7E)) + bytes(range(radio.capabilities.max_payload - 3))
        out = ApsFrame(
            profile=0x0109, cluster=0x0704, source_endpoint=0x5E, destination_endpoint=10, payload=payload,
            destination=device.short, security=security,
        )  # fmt: skip
        await radio.send(out)
        heard = [frame for frame in device.heard if frame.cluster == 0x0704]
        assert [(frame.payload, frame.source_endpoint, frame.profile) for frame in heard] == [(payload, 0x5E, 0x0109)]
        assert heard[0].encrypted is (security is Security.LINK_KEY)
        device._send(10, 0x5E, 0x0109, 0x0704, payload, 0)
        event = await until(radio, FrameReceived, lambda event: event.frame.payload == payload)
        assert isinstance(event, FrameReceived)
        assert (event.frame.destination_endpoint, event.frame.security) == (0x5E, Security.LINK_KEY)
        too_long = ApsFrame(
            profile=0x0109, cluster=0x0704, source_endpoint=0x5E, destination_endpoint=10, payload=bytes(100),
            destination=0xFFFF, ack=False,
        )  # fmt: skip
        with pytest.raises(NotSupportedError, match="broadcast carries"):
            await radio.send(too_long)


def test_blocks_are_put_together_in_any_order_and_told_once() -> None:
    payload = bytes(range(250))
    blocks = blocks_of(payload, 82, encrypted=True)
    assert [len(block) for block in blocks] == [71, 71, 71, 37]
    place = (1, 2, 3, 4, 5)
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 1, 0, 3, 0, 2]):
        reassembly, told = Reassembly(), []
        for index in [*order, *order]:
            group = index | (len(blocks) << 8 if index == 0 else 0)
            told.append(reassembly.take(place, group, blocks[index], 0.0))
        assert [whole for whole in told if whole is not None] == [payload]
    assert Reassembly().take(place, MAX_BLOCKS + 1 << 8, b"x", 0.0) is None


def test_a_message_that_never_ends_is_forgotten() -> None:
    reassembly = Reassembly()
    assert reassembly.take((1, 2, 3, 4, 5), 2 << 8, b"old", 0.0) is None
    assert reassembly.take((1, 2, 3, 4, 5), 1, b"late", 100.0) is None
    for number in range(100):
        assert reassembly.take((number, 2, 3, 4, 5), 2 << 8, b"x", 200.0) is None
    assert len(reassembly._messages) <= 16


async def test_nothing_goes_on_the_air_unasked_and_no_key_into_logs_or_traces(
    firmware: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    traced: list[bytes] = []
    key = bytes(range(0xA0, 0xB0))
    async with EzspEmulator(EzspConfig(devices=(), firmware=firmware)) as stick:
        given = RadioConfig(name="han", driver="ezsp", pipe=stick.pipe_url)
        async with DRIVER.open(given, lambda direction, data, peer: traced.append(data)) as radio:
            sent = {number for number, _ in stick.commands} & {0x0034, 0x0036, 0x0037, 0x0038}
            assert not sent
            await radio.register_key(Eui64(0x0013A20000000001), key)
            network = stick.flash.network
            assert network is not None
            secrets = (key, network.security.network_key, network.security.link_key)
    assert len(traced) > 50
    assert not [data for data in traced for one in secrets if one in data]
    assert not [record for record in caplog.records if record.name.split(".")[0] in ("zigpy", "bellows", "serialx")]
    assert not [one for one in secrets if one.hex() in caplog.text]


async def test_source_endpoint_and_profile_are_on_the_air_as_sent_and_broadcasts_too(firmware: str) -> None:
    async with home(firmware, "plug", well_known_key=True) as (stick, radio):
        [device] = stick.devices
        await let_in(stick, radio, device)
        header = read_model(device.short, 7).payload
        for destination, ack in ((device.short, True), (0xFFFD, False)):
            device.heard.clear()
            await radio.send(
                ApsFrame(
                    profile=0x0109,
                    cluster=0x0000,
                    source_endpoint=0x5E,
                    destination_endpoint=1,
                    payload=header,
                    destination=destination,
                    ack=ack,
                )
            )
            await eventually(lambda: bool(device.heard))
            found = device.heard[0]
            assert (found.source_endpoint, found.profile, found.payload) == (0x5E, 0x0109, header)
        assert parse_header(header)[0].tsn == 7


async def test_erasing_makes_another_network_and_a_start_none(firmware: str) -> None:
    async with EzspEmulator(EzspConfig(devices=(), firmware=firmware)) as stick:
        networks = []
        for _ in range(2):
            async with opened_on(stick) as radio:
                networks.append(radio.network.extended_pan_id)
        assert networks[0] == networks[1]
        async with opened_on(stick, channels=[20], extended_pan_id="00000000000000aa") as radio:
            assert radio.network.extended_pan_id == networks[0]  # a running network is not left for that
            await radio.register_key(Eui64(0x0013A20000000001), bytes(16))
            await radio.erase()
            assert (radio.network.extended_pan_id, radio.network.channel) == (0xAA, 20)
            assert not stick.flash.link_keys


async def test_another_network_is_formed_when_it_is_asked_for(firmware: str) -> None:
    async with home(firmware) as (stick, radio):
        await radio.configure(NetworkSettings(tx_status_timeout_s=5.0))
        before = stick.flash.network
        with pytest.raises(NotSupportedError, match="a key of its own"):
            await radio.configure(NetworkSettings(link_key=bytes(16)))
        assert stick.flash.network is before
        await radio.configure(NetworkSettings(extended_pan_id=0xBB, channels=(25,)))
        assert (radio.network.extended_pan_id, radio.network.channel) == (0xBB, 25)


async def test_firmware_that_is_too_old_is_refused_with_what_to_do() -> None:
    from radios.ezsp.versions import version_of

    with pytest.raises(RadioLostError, match=r"EmberZNet 6\.7"):
        version_of(7)
    assert version_of(13).has_security_manager
