"""Networks as people and programs set them up: who is a member where, the registry's timeout, the stick's clock."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from zigbee_home import PLUG, joined, plug, running, sensor
from zigbee_room import DRIVER, HUB, Room

from hub.clock import ManualClock
from hub.errors import InvalidError, NotFoundError, RefusedError, UnknownOutcomeError, UnsupportedError
from hub.model import Action
from hub.registry import DEFAULT_TIMEOUT
from hub.zigbee import joining
from hub.zigbee.model import NetworkState
from radios.api import NetworkChanged, NotSupportedError
from tests.hub.waiting import eventually

pytestmark = pytest.mark.usefixtures("quick_zigbee")


async def test_a_router_of_another_network_opens_no_joining_and_is_said_to_be_there(tmp_path: Path) -> None:
    async with running(tmp_path, "han", "attic") as (hub, room):
        name = await joined(hub, room, plug())
        attic = DRIVER.rooms["attic"]
        with pytest.raises(InvalidError, match=r"a router of 'attic'.* member of 'han'"):
            await hub.networks.permit_join("attic", 60, name)
        assert attic.permits == [(0, None)]  # closed as the radio came up
        assert hub.networks.get("attic").joining_until is None
        await hub.networks.permit_join("han", 60, name)
        assert room.permits == [(0, None), (60, 0x2001)]
        asleep = await joined(hub, room, sensor())
        with pytest.raises(InvalidError, match="a router of this network"):
            await hub.networks.permit_join("han", 60, asleep)


async def test_joining_goes_on_when_the_radio_is_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.supervisor.FIRST_PAUSE_S", 0.05)
    async with running(tmp_path) as (hub, room):
        until = (await hub.networks.permit_join("han", 200)).joining_until
        room.permits.clear()
        room.is_absent = True
        room.lose()
        await eventually(lambda: hub.networks.get("han").state is NetworkState.DOWN)
        assert hub.networks.get("han").joining_until is None
        room.is_absent = False
        await eventually(lambda: hub.networks.get("han").joining_until is not None)
        [(seconds, via)] = room.permits
        assert 190 <= seconds <= 200
        assert via is None
        again = hub.networks.get("han").joining_until
        assert until is not None and again is not None  # noqa: PT018 - for the type checker
        assert abs((again - until).total_seconds()) < 1
        # One that a person closes stays closed.
        await hub.networks.permit_join("han", 0)
        room.lose()
        await eventually(lambda: room.permits[2:] == [(0, None)])
        assert hub.networks.get("han").joining_until is None


async def test_joining_at_a_router_ends_with_the_routers_network(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        name = await joined(hub, room, plug())
        await hub.networks.permit_join("han", 60, name)
        assert room.permits[-1] == (60, 0x2001)
        room.network = replace(room.network, extended_pan_id=0x99)
        room.events_waiting.put_nowait(NetworkChanged(room.network))
        await eventually(lambda: room.permits[-1] == (0, None))
        assert hub.networks.get("han").joining_until is None


async def test_nobody_closes_the_network_of_somebody_else(tmp_path: Path) -> None:
    room = DRIVER.rooms["han"] = Room()
    room.network = replace(room.network, is_coordinator=False, short=0x1234)
    async with running(tmp_path) as (hub, _):
        room.events_waiting.put_nowait(NetworkChanged(room.network))
        await hub.networks.permit_join("han", 60)
        assert room.permits == [(60, None)]


async def test_a_live_member_is_not_added_to_another_network(tmp_path: Path) -> None:
    async with running(tmp_path, "han", "attic") as (hub, room):
        name = await joined(hub, room, plug())
        member = hub.household.members[PLUG]
        with pytest.raises(RefusedError, match=r"active member of 'han': remove it there first"):
            await hub.networks.add_device("attic", str(PLUG), name="Kettle")
        assert (member.radio, member.short, member.added_by_hand) == ("han", 0x2001, False)
        assert hub.devices.get(name).name != "Kettle"
        assert (hub.networks.get("han").devices, hub.networks.get("attic").devices) == (1, 0)
        assert (await hub.networks.add_device("han", str(PLUG))).device_id == name
        await hub.networks.remove(name)
        assert (await hub.networks.add_device("attic", str(PLUG), name="Kettle")).device_id == name
        assert (hub.networks.get("han").devices, hub.networks.get("attic").devices) == (0, 1)


@pytest.mark.parametrize(
    ("eui64", "said"),
    [
        ("00:00:00:00:00:00:00:00", "the address of a device, which is never all 0 or all f"),
        ("ffffffffffffffff", "the address of a device, which is never all 0 or all f"),
        (str(HUB), "the address of a device; this is the one of 'han' itself"),
        ("00124b0014d9010", "16 hex digits (it has 15), as 00137a00000123fc"),
        ("00124b0014d901011", "16 hex digits (it has 17), as 00137a00000123fc"),
        ("00124b0014d9010g", "16 hex digits, as 00137a00000123fc"),
    ],
)
async def test_what_no_device_has_for_an_address_is_not_added(tmp_path: Path, eui64: str, said: str) -> None:
    async with running(tmp_path) as (hub, _):
        with pytest.raises(InvalidError, match=re.escape(f"allowed: {said}")):
            await hub.networks.add_device("han", eui64)
        assert not hub.devices.all()


async def test_a_device_that_was_only_listed_was_never_heard(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        listed = await hub.networks.add_device("han", str(PLUG))
        assert hub.devices.get(listed.device_id).last_seen is None
        await joined(hub, room, plug())
        assert hub.devices.get(listed.device_id).last_seen is not None


async def test_a_member_that_is_away_may_be_expected_on_another_network(tmp_path: Path) -> None:
    async with running(tmp_path, "han", "attic") as (hub, room):
        await joined(hub, room, plug())
        hub.household.members[PLUG].is_active = False
        await hub.networks.add_device("attic", str(PLUG))
        assert (hub.networks.get("han").devices, hub.networks.get("attic").devices) == (0, 1)


async def test_commands_and_scans_wait_no_longer_than_the_registry_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.zigbee.control.ANSWER_S", 15.0)
    monkeypatch.setattr("hub.zigbee.control.READ_BACK_S", 10.0)
    async with running(tmp_path) as (hub, room):
        device = plug()
        name = await joined(hub, room, device)
        await hub.registry.set(DEFAULT_TIMEOUT, 1)
        device.is_mute = True
        began = time.monotonic()
        with pytest.raises(UnknownOutcomeError, match="within 1 s"):
            await hub.controls.switch(name, Action.ON, "test")
        assert time.monotonic() - began < 8
        began = time.monotonic()
        found = await hub.networks.scan_topology("han")
        assert not any(row.answered for row in found.devices if row.device_id == name)
        assert time.monotonic() - began < 8


async def test_the_sticks_clock_is_set_to_the_hubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    async def set_time(self: Room, utc_s: int) -> None:
        told.append(utc_s)

    async def cannot(self: Room, utc_s: int) -> None:
        raise NotSupportedError("this stick has no clock")

    monkeypatch.setattr(Room, "set_time", set_time)
    clock = ManualClock(datetime(2000, 1, 2, tzinfo=UTC))
    monkeypatch.setattr("hub.hub.SystemClock", lambda: clock)
    async with running(tmp_path) as (hub, _):
        clock.advance(100)
        await hub.networks.configure_radio("han", led=True)
        assert set(told) <= {86_400}
        told.clear()
        await hub.networks.configure_radio("han", set_time=True)
        assert told == [86_500]
        monkeypatch.setattr(Room, "set_time", cannot)
        with pytest.raises(UnsupportedError, match="no clock"):
            await hub.networks.configure_radio("han", set_time=True)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Nope", ""),
        ("refresh_rate", "ZDO_Device_Manager.refresh_rate"),
        ("conversation.DEFAULT_timeout", DEFAULT_TIMEOUT),
    ],
)
async def test_a_setting_that_is_not_there_is_told_with_the_nearest(tmp_path: Path, name: str, near: str) -> None:
    async with running(tmp_path) as (hub, _):
        with pytest.raises(NotFoundError) as caught:
            await hub.registry.set(name, 3)
        assert len(caught.value.near) >= 1
        if near in hub.registry.all():
            assert caught.value.near[0] == near


async def test_a_long_window_is_opened_again_before_the_radio_closes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert joining.REOPEN_S < joining.RADIO_WINDOW_S
    monkeypatch.setattr(joining, "REOPEN_S", 0.2)
    async with running(tmp_path) as (hub, room):
        room.permits.clear()
        await hub.networks.permit_join("han", 600)
        await eventually(lambda: len(room.permits) >= 3)
        assert set(room.permits) == {(joining.RADIO_WINDOW_S, None)}
        await hub.networks.permit_join("han", 0)
        count = len(room.permits)
        assert room.permits[-1] == (0, None)
        # Nothing opens again what a person has closed: the window after it is opened once.
        monkeypatch.setattr(joining, "REOPEN_S", 240)
        await hub.networks.permit_join("han", 100)
        assert [round(seconds, -1) for seconds, _ in room.permits[count:]] == [100]
