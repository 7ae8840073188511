"""The hub on an emulated XBee Smart Energy module, over a real pseudo terminal."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub.clock import SystemClock
from hub.config import parse
from hub.errors import InvalidError
from hub.events import DeviceAnnounced, DeviceAuthenticated
from hub.hub import Hub
from hub.model import Action, Availability, Channel, DeviceKind, Outcome, Quantity
from hub.zigbee.link_keys import FILE_NAME
from hub.zigbee.model import InterviewStep, NetworkState, Stage
from radios.emulators.device import EmulatedDevice
from radios.emulators.se_endpoint import SmartEnergyDevice
from radios.emulators.stick_command import Console
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from tests.hub.waiting import eventually


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)


@asynccontextmanager
async def hub_on(module: XbeeEmulator, folder: Path) -> AsyncIterator[Hub]:
    async with Hub(parse(tomllib.loads(module.toml("han")), data_dir=folder)) as hub:
        await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
        yield hub


def name_of(device: EmulatedDevice) -> str:
    return f"zigbee-{device.ieee:016x}"


def is_interviewed(hub: Hub, device: EmulatedDevice) -> bool:
    member = hub.household.members.get(device.ieee)
    return member is not None and member.interview is InterviewStep.DONE


async def test_devices_join_with_their_keys_authenticate_and_are_used(tmp_path: Path) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("plug", "thermostat"))) as module:
        plug, thermostat = module.devices
        async with hub_on(module, tmp_path) as hub:
            assert hub.networks.get("han").model == "XBee Smart Energy"
            await hub.networks.permit_join("han", 600)
            assert not module.press(plug)
            for device in module.devices:
                assert device.link_key is not None
                await hub.networks.add_device("han", f"{device.ieee:016x}", link_key=device.link_key.hex())
                assert module.press(device)
            await eventually(lambda: all(device.is_authenticated for device in module.devices))
            await eventually(lambda: all(is_interviewed(hub, device) for device in module.devices))
            assert hub.devices.get(name_of(plug)).kind is DeviceKind.PLUG
            assert hub.devices.get(name_of(thermostat)).kind is DeviceKind.THERMOSTAT
            command = await hub.controls.switch(name_of(plug), Action.OFF, "test")
            assert command.outcome is Outcome.CONFIRMED
            place = (Channel.TOTAL, Quantity.POWER)
            await eventually(lambda: hub.devices.latest(name_of(plug)).values.get(place) == 0.0)
        assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
        assert module.registers.number("AO") == 1
        # A module that was exchanged knows no keys; the hub gives them back.
        module.table.clear()
        async with hub_on(module, tmp_path) as hub:
            await eventually(lambda: set(module.table) == {device.ieee for device in module.devices})
            await eventually(lambda: hub.devices.get(name_of(plug)).availability is Availability.AVAILABLE)


async def test_a_smart_meter_is_asked_for_secrets_once_keys_are_established(tmp_path: Path) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("smart-meter",))) as module, hub_on(module, tmp_path) as hub:
        [meter] = module.devices
        assert meter.link_key is not None
        await hub.networks.permit_join("han", 60)
        await hub.networks.add_device("han", f"{meter.ieee:016x}", link_key=meter.link_key.hex())
        name = name_of(meter)
        listed = hub.networks.device(name)
        assert (listed.stage, listed.has_key, listed.authenticated) == (Stage.REGISTERED, True, False)
        async with hub.bus.subscribe(DeviceAnnounced, DeviceAuthenticated) as told:
            assert module.press(meter)
            await eventually(lambda: is_interviewed(hub, meter), within_s=40)
            assert [type(event) for event in told.drain()] == [DeviceAnnounced, DeviceAuthenticated]
        found = hub.networks.device(name)
        assert (found.stage, found.has_key, found.authenticated) == (Stage.ACTIVE, True, True)
        member = hub.household.members[meter.ieee]
        assert member.interview_detail == ""
        place = (Channel.TOTAL, Quantity.POWER)
        await eventually(lambda: place in hub.devices.latest(name_of(meter)).values)
        assert meter.bindings
        secret = [frame for frame in meter.heard if frame.cluster == 0x0702]
        assert secret
        assert all(frame.encrypted for frame in secret)


async def test_a_restart_of_the_module_is_no_end(tmp_path: Path) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("plug",), joined=(0,))) as module, hub_on(module, tmp_path) as hub:
        [plug] = module.devices
        plug.report_now(1, 0x0006, 0x0000)
        await eventually(lambda: is_interviewed(hub, plug))
        module.reset()
        await eventually(lambda: module.registers.number("AO") == 1)
        await eventually(lambda: module.registers.number("AO") == 3)
        command = await hub.controls.switch(name_of(plug), Action.OFF, "test")
        assert command.outcome is Outcome.CONFIRMED


async def test_a_module_that_is_pulled_out_comes_back_with_its_devices(tmp_path: Path) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("plug",), joined=(0,))) as module, hub_on(module, tmp_path) as hub:
        [plug] = module.devices
        plug.report_now(1, 0x0006, 0x0000)
        await eventually(lambda: is_interviewed(hub, plug))
        module.kill()
        await eventually(lambda: hub.networks.get("han").state is NetworkState.DOWN)
        assert hub.devices.get(name_of(plug)).availability is Availability.UNAVAILABLE
        module.revive()
        await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
        await eventually(lambda: hub.devices.get(name_of(plug)).availability is Availability.AVAILABLE)


async def test_a_wrong_code_reaches_neither_radio_nor_disk(tmp_path: Path) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("plug",))) as module, hub_on(module, tmp_path) as hub:
        before = len(module.commands)
        with pytest.raises(InvalidError, match="is the CRC missing"):
            await hub.networks.add_device("han", f"{module.devices[0].ieee:016x}", install_code="83FED3407A93")
        assert not any(frame[0] == 0x24 for frame in module.commands[before:])
        assert module.table == {}
    assert not (tmp_path / FILE_NAME).exists()


def certificate_text(ieee: int) -> str:
    implicit = "02" + "00" * 21 + f"{ieee:016x}" + b"TESTSECA".hex() + "01091234" + "00" * 6
    return f"CA Public Key: 03{'11' * 21}\nDevice Implicit Cert: {implicit}\nDevice Private Key: {PRIVATE}\n"


PRIVATE = "5c" * 21


async def test_a_certificate_is_installed_by_its_text_and_checked_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with XbeeEmulator(XbeeConfig(is_certified=False)) as module, hub_on(module, tmp_path) as hub:
        assert not (await hub.certificates.status("han")).installed
        before = len(module.commands)
        with pytest.raises(InvalidError, match=f"one for {module.ieee:016x}"):
            await hub.certificates.install("han", certificate_text(module.ieee + 1))
        with pytest.raises(InvalidError, match="Device Private Key is '20 bytes'"):
            await hub.certificates.install("han", certificate_text(module.ieee).replace(PRIVATE, PRIVATE[2:]))
        assert not any(frame[2:4] in (b"ZU", b"ZT", b"ZV") for frame in module.commands[before:])
        found = await hub.certificates.install("han", certificate_text(module.ieee))
        assert (found.installed, found.ieee) == (True, module.ieee)
        assert not (await hub.certificates.revert("han")).installed
    assert PRIVATE not in caplog.text
    assert str(bytes.fromhex(PRIVATE)) not in caplog.text


async def test_smart_energy_devices_read_the_hubs_time_and_take_what_an_interface_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radios.emulators.se_endpoint.SEARCH_AGAIN_S", 0.3)
    config = XbeeConfig(devices=("display", "load-control", "esi"), speed=10.0)
    async with XbeeEmulator(config) as module, hub_on(module, tmp_path) as hub:
        await hub.networks.permit_join("han", 600)
        for device in module.devices:
            assert device.link_key is not None
            await hub.networks.add_device("han", f"{device.ieee:016x}", link_key=device.link_key.hex())
            assert module.press(device)
        await eventually(lambda: all(is_interviewed(hub, device) for device in module.devices))
        assert hub.devices.get(name_of(module.devices[0])).kind is DeviceKind.DISPLAY
        lines = Console(module, lambda: None)
        display, box, esi = module.devices
        now = SystemClock().now().timestamp() - 946_684_800
        clocks = [device.clock for device in module.devices if isinstance(device, SmartEnergyDevice)]
        await eventually(lambda: len(clocks) == 3 and all(abs(clock.now - now) < 3600 for clock in clocks))
        assert lines.answer("message esi Peak hours").endswith(("1 client", "2 clients"))
        assert lines.answer("drlc esi 60 criticality=4").startswith("ok event ")
        await eventually(lambda: display.shown()["message"] == "Peak hours")
        await eventually(lambda: box.shown()["relay"] == "open")
        assert esi.is_authenticated
