"""Frames that have to be encrypted for their two ends: on the Smart Energy profile, and only there."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from zigbee_home import basic, joined, plug, running
from zigbee_room import CAPABILITIES, DRIVER, Device, Room

from hub.events import DeviceAuthenticated
from hub.model import Channel, Quantity
from hub.registry import DISABLE_APS_ENCRYPTION
from hub.zigbee.member import Member, from_row, to_row
from hub.zigbee.model import InterviewStep, Stage, ZigbeeDevice
from hub.zigbee.security import is_too_open, security_of
from protocols.aps import ApsFrame, Security
from protocols.ids import Eui64
from protocols.zcl.datatypes import ENUM8, INT24, UINT24, UINT48
from protocols.zcl.header import parse_header
from radios.api import DeviceAuthenticated as RadioDeviceAuthenticated
from radios.api import KeysBy
from tests.hub.waiting import eventually

pytestmark = pytest.mark.usefixtures("quick_zigbee")

METER = Eui64(0x0013A20040AABBCC)
POWER = (Channel.TOTAL, Quantity.POWER)


def meter() -> Device:
    attributes = {
        **basic("meter"),
        (0x0702, 0x0000): (UINT48, 123_456),
        (0x0702, 0x0300): (ENUM8, 0),
        (0x0702, 0x0301): (UINT24, 1),
        (0x0702, 0x0302): (UINT24, 1000),
        (0x0702, 0x0400): (INT24, 60),
    }
    return Device(METER, 0x6001, {1: attributes}, {1: 0x0501}, profile=0x0109)  # type: ignore[dict-item]


@pytest.fixture
def room() -> Room:
    """A radio that encrypts frame by frame."""
    room = DRIVER.rooms["han"] = Room()
    room.capabilities = replace(CAPABILITIES, aps_encryption=True, link_keys=True)
    return room


def zcl(room: Room) -> list[ApsFrame]:
    return [frame for frame in room.sent if frame.profile]


async def test_smart_energy_clusters_are_asked_with_the_link_key_and_others_without(tmp_path: Path, room: Room) -> None:
    async with running(tmp_path) as (hub, _):
        await joined(hub, room, meter())
        await joined(hub, room, plug())
        by_cluster = {(frame.profile, frame.cluster): frame.security for frame in zcl(room)}
        assert by_cluster[0x0109, 0x0702] is Security.LINK_KEY
        assert by_cluster[0x0109, 0x0000] is Security.NETWORK
        assert by_cluster[0x0104, 0x0702] is Security.NETWORK


async def test_what_ought_to_be_encrypted_is_refused_unless_that_is_switched_off(tmp_path: Path, room: Room) -> None:
    async with running(tmp_path) as (hub, _):
        device = meter()
        name = await joined(hub, room, device)
        room.report(device, 1, 0x0702, x0400=70)
        await eventually(lambda: hub.devices.latest(name).values[POWER] == 70)
        device.encrypts = False
        room.report(device, 1, 0x0702, x0400=99_000)
        await eventually(lambda: zcl(room)[-1].cluster == 0x0702 and zcl(room)[-1].payload[2] == 0x0B)
        header, payload = parse_header(zcl(room)[-1].payload)
        assert (header.command, payload) == (0x0B, b"\x0a\x01")  # the report's default response: FAILURE
        assert hub.devices.latest(name).values[POWER] == 70
        assert hub.household.networks["han"].counters["too_open"] == 1
        await hub.registry.set(DISABLE_APS_ENCRYPTION, True)
        room.report(device, 1, 0x0702, x0400=80)
        await eventually(lambda: hub.devices.latest(name).values[POWER] == 80)


async def test_a_radio_that_cannot_encrypt_does_without(tmp_path: Path, room: Room) -> None:
    room.capabilities = CAPABILITIES
    async with running(tmp_path) as (hub, _):
        device = meter()
        device.encrypts = False
        name = await joined(hub, room, device)
        room.report(device, 1, 0x0702, x0400=70)
        await eventually(lambda: hub.devices.latest(name).values[POWER] == 70)
        assert all(frame.security is Security.NETWORK for frame in zcl(room))


async def test_that_keys_are_established_is_told_and_kept_until_the_device_leaves(tmp_path: Path, room: Room) -> None:
    async with running(tmp_path) as (hub, _), hub.bus.subscribe(DeviceAuthenticated) as told:
        device = plug()
        name = await joined(hub, room, device)
        assert told.drain() == []
        assert hub.networks.device(name).authenticated is False
        room.events_waiting.put_nowait(RadioDeviceAuthenticated(device.ieee, device.short))
        room.events_waiting.put_nowait(RadioDeviceAuthenticated(Eui64(5), 0x1111))
        await eventually(lambda: hub.networks.device(name).authenticated)
        await asyncio.sleep(0.1)
        assert [(event.radio, event.device_id) for event in told.drain()] == [("han", name)]
        assert hub.networks.device(name).stage is Stage.ACTIVE
    async with running(tmp_path) as (hub, _):
        assert hub.networks.device(name).authenticated
        room.leave(device)
        await eventually(lambda: not hub.networks.device(name).authenticated)
        assert hub.networks.device(name).stage is Stage.REGISTERED
    async with running(tmp_path) as (hub, _):
        assert hub.networks.device(name).authenticated is False


async def test_who_sends_encrypted_has_keys(tmp_path: Path, room: Room) -> None:
    async with running(tmp_path) as (hub, _), hub.bus.subscribe(DeviceAuthenticated) as told:
        device = meter()
        name = await joined(hub, room, device)
        assert [event.device_id for event in told.drain()] == [name]
        assert hub.networks.device(name).authenticated
        # What was on its way when the device left proves nothing.
        room.leave(device)
        await eventually(lambda: not hub.networks.device(name).authenticated)
        room.report(device, 1, 0x0702, x0400=72)
        await eventually(lambda: hub.household.members[METER].value(1, 0x0702, 0x0400).value == 72)  # type: ignore[union-attr]
        assert hub.networks.device(name).authenticated is False


async def test_a_network_without_link_keys_has_no_such_stage(tmp_path: Path, room: Room) -> None:
    room.capabilities = CAPABILITIES
    async with running(tmp_path) as (hub, _):
        listed = await hub.networks.add_device("han", str(METER))
        assert (listed.stage, listed.has_key, listed.authenticated) == (Stage.REGISTERED, False, None)
        device = meter()
        device.encrypts = False
        found = hub.networks.device(await joined(hub, room, device))
        assert (found.stage, found.authenticated) == (Stage.ACTIVE, None)


def test_the_stage_is_the_furthest_that_a_device_has_come() -> None:
    def stage(**known: object) -> Stage:
        return replace(ZigbeeDevice(device_id="", radio="", ieee=METER, short=None), **known).stage  # type: ignore[arg-type]

    now, done = datetime(2026, 1, 1, tzinfo=UTC), InterviewStep.DONE
    there = {"short": 1, "announced_at": now}
    assert stage() is Stage.REGISTERED
    assert stage(short=None, announced_at=now, interview=done) is Stage.REGISTERED
    assert stage(**there) is Stage.ANNOUNCED
    assert stage(**there, is_active=True, authenticated=False) is Stage.ANNOUNCED
    assert stage(**there, is_active=True, authenticated=True) is Stage.AUTHENTICATED
    assert stage(**there, interview=done) is Stage.INTERVIEWED
    assert stage(**there, interview=done, is_active=True) is Stage.ACTIVE


def test_a_member_of_an_older_version_has_no_keys() -> None:
    member = Member(METER, "han", 1)
    member.is_authenticated = True
    [[device, radio, short, state]] = to_row(member)[1]
    assert from_row(device, radio, short, state).is_authenticated
    older = json.dumps({key: value for key, value in json.loads(state).items() if key != "authenticated"})
    assert not from_row(device, radio, short, older).is_authenticated


@pytest.mark.parametrize("cluster", [0x0000, 0x0001, 0x0003, 0x0025, 0x0800])
def test_what_a_device_needs_before_it_has_keys_is_open(cluster: int) -> None:
    assert security_of(0x0109, cluster) is Security.NETWORK
    assert not is_too_open(0x0109, cluster, Security.NETWORK)


@pytest.mark.parametrize("cluster", [0x000A, 0x0015, 0x0019, 0x0700, 0x0701, 0x0702, 0x0703, 0x0704, 0x0705, 0xFC00])
def test_everything_else_of_smart_energy_is_not(cluster: int) -> None:
    assert security_of(0x0109, cluster) is Security.LINK_KEY
    assert is_too_open(0x0109, cluster, Security.NETWORK)
    assert not is_too_open(0x0109, cluster, Security.LINK_KEY)
    assert security_of(0x0104, cluster) is Security.NETWORK
    assert not is_too_open(0x0104, cluster, Security.NETWORK)


def test_alarms_are_sent_encrypted_and_taken_either_way() -> None:
    assert security_of(0x0109, 0x0009) is Security.LINK_KEY
    assert not is_too_open(0x0109, 0x0009, Security.NETWORK)


async def test_a_device_that_establishes_no_keys_with_the_hub_in_time_stays_without(
    tmp_path: Path, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.zigbee.interview.KEYS_S", 1.0)
    monkeypatch.setattr("hub.zigbee.interview.KEYS_LOOK_S", 0.1)
    room.capabilities = replace(room.capabilities, keys_by=KeysBy.HUB)
    async with running(tmp_path) as (hub, _):
        room.join(meter())
        await eventually(lambda: METER in hub.household.members)
        member = hub.household.members[METER]
        await eventually(lambda: member.interview_detail == "keys are not established yet")
        assert hub.networks.device(f"zigbee-{METER}").authenticated is False
        # Who only says that it has encrypted is not believed: nobody has a key with it.
        room.report(room.devices[METER], 1, 0x0702, x0400=77)
        await eventually(lambda: member.interview_detail.startswith("not answered"))
        assert hub.household.networks["han"].counters["too_open"] == 1
        assert (member.is_authenticated, member.failures) == (False, 0)
        assert hub.networks.device(f"zigbee-{METER}").stage is not Stage.AUTHENTICATED
        assert not [frame for frame in zcl(room) if frame.cluster == 0x0702]
        assert POWER not in hub.devices.latest(f"zigbee-{METER}").values
