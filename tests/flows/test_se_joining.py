"""Devices that join a Smart Energy network: how long keys may take, and the key of one that leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_hubctl_xbee import served
from test_xbee_home import name_of

from hub.hub import Hub
from hub.zigbee import interview
from hub.zigbee.model import InterviewStep
from protocols.ids import Eui64
from radios.emulators.device import EmulatedDevice
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from tests.hub.waiting import eventually


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    monkeypatch.setattr("hub.zigbee.interview.ANSWER_S", 1.0)
    monkeypatch.setattr("hub.zigbee.interview.KEYS_LOOK_S", 0.2)
    monkeypatch.setattr("radios.emulators.device.KEY_SEARCHES", 100)
    monkeypatch.setattr("radios.emulators.device.KEY_SEARCH_AGAIN_S", 0.5)


async def joins(hub: Hub, module: XbeeEmulator) -> EmulatedDevice:
    [device] = module.devices
    assert device.link_key is not None
    await hub.networks.add_device("han", f"{device.ieee:016x}", link_key=device.link_key.hex())
    await hub.networks.permit_join("han", 600)
    assert module.press(device)
    await eventually(lambda: Eui64(device.ieee) in hub.household.members)
    return device


async def test_keys_are_waited_for_and_what_is_secret_is_asked_when_they_come(tmp_path: Path) -> None:
    assert interview.KEYS_S == 20 * 60
    async with (
        XbeeEmulator(XbeeConfig(devices=("smart-meter",), is_certified=False)) as module,
        served(module, tmp_path) as home,
    ):
        device = await joins(home.hub, module)
        member = home.hub.household.members[Eui64(device.ieee)]
        await eventually(lambda: member.interview_detail == "keys are not established yet")
        assert member.interview is not InterviewStep.DONE
        assert home.hub.networks.device(name_of(device)).stage != "active"
        assert module.authenticate(device.ieee) is False
        module.config = XbeeConfig(devices=("smart-meter",))  # now it has its certificate
        await eventually(lambda: member.interview is InterviewStep.DONE, 40)
        assert (member.interview_detail, device.is_authenticated) == ("", True)


async def test_a_device_without_keys_in_time_is_left_as_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interview, "KEYS_S", 1.0)
    async with (
        XbeeEmulator(XbeeConfig(devices=("smart-meter",), is_certified=False)) as module,
        served(module, tmp_path) as home,
    ):
        device = await joins(home.hub, module)
        member = home.hub.household.members[Eui64(device.ieee)]
        await eventually(lambda: member.interview_detail.startswith("not answered: attributes"), 40)
        assert 0x0702 in member.endpoints[10].input_clusters
        found = home.hub.networks.device(name_of(device))
        assert (found.authenticated, found.has_key) == (False, True)


async def test_a_device_that_leaves_keeps_its_key_and_may_come_again(tmp_path: Path) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("plug",))) as module, served(module, tmp_path) as home:
        plug = await joins(home.hub, module)
        key = plug.link_key
        await eventually(lambda: home.hub.household.members[Eui64(plug.ieee)].interview is InterviewStep.DONE, 40)
        assert module.air.drop(plug.ieee, told=True)
        await eventually(lambda: home.hub.household.members[Eui64(plug.ieee)].announced_at is None)
        assert home.hub.networks.device(name_of(plug)).has_key
        assert module.table == {plug.ieee: key}
    async with XbeeEmulator(XbeeConfig(devices=("plug",))) as module, served(module, tmp_path) as home:
        [plug] = module.devices
        await eventually(lambda: module.table == {plug.ieee: key})
        await home.hub.networks.permit_join("han", 600)
        assert module.press(plug)
        await eventually(lambda: home.hub.household.members[Eui64(plug.ieee)].announced_at is not None)
