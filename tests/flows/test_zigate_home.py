"""The hub on an emulated ZiGate, over a real pseudo terminal and TCP."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from hub.config import parse
from hub.errors import UnavailableError
from hub.events import GestureMade
from hub.hub import Hub
from hub.model import Action, Availability, Channel, DeviceKind, Outcome, Quantity
from hub.zigbee.model import InterviewStep, NetworkState
from radios.emulators.devices import Cube, Plug
from radios.emulators.stream import StreamFaults
from radios.emulators.zigate import ZigateConfig, ZigateEmulator

KINDS = ("cube", "plug", "meter", "thermostat")


async def eventually(condition: Callable[[], bool], within_s: float = 30.0) -> None:
    """Wait until `condition` holds; fails after a while."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the state of several objects has no one event
            await asyncio.sleep(0.02)


@asynccontextmanager
async def home(tmp_path: Path, config: ZigateConfig, data: str = "data") -> AsyncIterator[tuple[Hub, ZigateEmulator]]:
    async with ZigateEmulator(config) as stick:
        table = tomllib.loads(stick.toml("han"))
        async with Hub(parse(table, data_dir=tmp_path / data)) as hub:
            await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
            yield hub, stick


def name_of(stick: ZigateEmulator, kind: str) -> str:
    return f"zigbee-{stick.device(kind).ieee:016x}"


def is_interviewed(hub: Hub, device_id: str) -> bool:
    return any(
        member.device_id == device_id and member.interview is InterviewStep.DONE
        for member in hub.household.members.values()
    )


async def join_all(hub: Hub, stick: ZigateEmulator) -> None:
    await hub.networks.permit_join("han", 120)
    for device in stick.devices:
        if not device.is_joined:
            assert stick.press(device)
    await eventually(lambda: all(is_interviewed(hub, f"zigbee-{device.ieee:016x}") for device in stick.devices))


@pytest.mark.parametrize("line", ["pty", "tcp"])
async def test_the_pairing_story_of_four_devices(tmp_path: Path, line: str) -> None:
    config = ZigateConfig(speed=10.0, factory_new=True, tcp_port=0 if line == "tcp" else None)
    async with home(tmp_path, config) as (hub, stick), hub.bus.subscribe(GestureMade) as gestures:
        network = hub.networks.get("han")
        assert network.channel in range(11, 27)
        assert network.firmware == "3.23"
        await join_all(hub, stick)
        kinds = {device.kind for device in hub.devices.all()}
        assert kinds == {DeviceKind.REMOTE, DeviceKind.PLUG, DeviceKind.METER, DeviceKind.THERMOSTAT}
        cube = hub.networks.device(name_of(stick, "cube"))
        assert [endpoint.endpoint for endpoint in cube.endpoints] == [1, 2, 3]
        assert cube.endpoints[0].device_type == 0x5F01
        assert hub.devices.get(name_of(stick, "cube")).model == "lumi.sensor_cube"
        device = stick.device("cube")
        assert isinstance(device, Cube)
        gestures.drain()
        device.gesture("shake")
        async with asyncio.timeout(10):
            async for event in gestures:
                if isinstance(event, GestureMade) and event.gesture == "shake":
                    break
        latest = hub.devices.latest
        await eventually(lambda: (Channel.TOTAL, Quantity.BATTERY) in latest(name_of(stick, "cube")).values)
        await eventually(
            lambda: latest(name_of(stick, "meter")).values.get((Channel.TOTAL, Quantity.POWER), 0.0) != 0.0
        )
        await eventually(lambda: (Channel.TOTAL, Quantity.ENERGY_DELIVERED) in latest(name_of(stick, "plug")).values)
        await eventually(lambda: (Channel.TOTAL, Quantity.TEMPERATURE) in latest(name_of(stick, "thermostat")).values)


@pytest.mark.parametrize("firmware", ["3.0f", "3.1a", "3.23"])
async def test_a_plug_and_a_thermostat_do_what_they_are_told(tmp_path: Path, firmware: str) -> None:
    config = ZigateConfig(devices=("plug", "thermostat"), joined=(), speed=5.0, firmware=firmware)
    async with home(tmp_path, config) as (hub, stick):
        await join_all(hub, stick)
        plug = stick.device("plug")
        assert isinstance(plug, Plug)
        name = name_of(stick, "plug")
        command = await hub.controls.switch(name, Action.OFF, "test")
        assert command.outcome is Outcome.CONFIRMED
        assert not plug.is_on
        await eventually(lambda: hub.devices.latest(name).values.get((Channel.TOTAL, Quantity.POWER)) == 0.0)
        plug.press()
        await eventually(lambda: hub.devices.get(name).switch.on is True)  # type: ignore[union-attr]
        warmth = name_of(stick, "thermostat")
        assert (await hub.controls.setpoint(warmth, "test", heating_c=23.0)).outcome is Outcome.CONFIRMED
        state = hub.devices.get(warmth).thermostat
        assert state is not None
        assert state.heating_setpoint_c == 23.0
        assert (await hub.controls.identify(name, 5, "test")).outcome is Outcome.CONFIRMED
        [row] = await hub.attributes.read_attributes(name, 1, 3, (0,))
        assert isinstance(row.value, int)
        assert 0 < row.value <= 5


FAULTS = {
    "one byte at a time": StreamFaults(one_byte=True),
    "noise": StreamFaults(noise=0.3, damage=0.05, cut=0.05),
    "loss": StreamFaults(loss=0.2),
    "delay": StreamFaults(delay=0.1),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_bad_line_makes_joining_slow_and_not_wrong(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radios.zigate.link.STATUS_S", 0.5)
    monkeypatch.setattr("radios.zigate.driver.ACKNOWLEDGED_S", 1.0)
    monkeypatch.setattr("hub.zigbee.interview.ANSWER_S", 1.0)
    monkeypatch.setattr("hub.zigbee.interview.ATTEMPTS", 12)
    monkeypatch.setattr("hub.zigbee.interview.PAUSES_S", (0.05, 0.05))
    config = ZigateConfig(devices=("thermostat",), speed=5.0)
    async with home(tmp_path, config) as (hub, stick):
        stick.end.faults = FAULTS[name]
        device = name_of(stick, "thermostat")
        async with asyncio.timeout(60):
            while hub.devices.find(device) is None:
                # The line loses commands and announces: a person clicks again, and presses again.
                try:
                    await hub.networks.permit_join("han", 120)
                except UnavailableError as error:
                    assert "stick" in str(error)
                stick.press(stick.device("thermostat"))
                with suppress(TimeoutError):
                    await eventually(lambda: hub.devices.find(device) is not None, 3)
        await eventually(lambda: is_interviewed(hub, device), 150)
        assert hub.devices.get(device).kind is DeviceKind.THERMOSTAT
        warmth = (Channel.TOTAL, Quantity.TEMPERATURE)
        await eventually(lambda: warmth in hub.devices.latest(device).values, 60)
        assert 10 <= hub.devices.latest(device).values[warmth] <= 30


async def test_a_stick_that_is_pulled_out_and_put_back_takes_nothing_with_it(tmp_path: Path) -> None:
    async with home(tmp_path, ZigateConfig(devices=("plug", "meter"), speed=5.0)) as (hub, stick):
        await join_all(hub, stick)
        names = [device.name for device in hub.devices.all()]
        stick.kill()
        await eventually(lambda: hub.networks.get("han").state is NetworkState.DOWN)
        assert all(device.availability is Availability.UNAVAILABLE for device in hub.devices.all())
        stick.revive()
        await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
        await eventually(lambda: all(device.availability is Availability.AVAILABLE for device in hub.devices.all()))
        assert [device.name for device in hub.devices.all()] == names
        assert (await hub.controls.switch(name_of(stick, "plug"), Action.ON, "test")).outcome is Outcome.CONFIRMED


async def test_a_mute_stick_is_noticed_within_ten_seconds(tmp_path: Path) -> None:
    async with home(tmp_path, ZigateConfig(devices=())) as (hub, stick):
        stick.mute()
        await eventually(lambda: hub.networks.get("han").state is NetworkState.DOWN, 10.0)
        assert "does not answer" in hub.networks.get("han").detail
        stick.unmute()
        await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)


async def test_devices_and_their_reports_survive_a_restart_of_the_hub(tmp_path: Path) -> None:
    async with ZigateEmulator(ZigateConfig(devices=("plug",), speed=5.0)) as stick:
        table = tomllib.loads(stick.toml("han"))
        async with Hub(parse(table, data_dir=tmp_path)) as hub:
            await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
            await join_all(hub, stick)
            device = name_of(stick, "plug")
            await eventually(lambda: (Channel.TOTAL, Quantity.POWER) in hub.devices.latest(device).values)
            energy = hub.devices.latest(device).values[Channel.TOTAL, Quantity.ENERGY_DELIVERED]
        stick.commands.clear()
        async with Hub(parse(table, data_dir=tmp_path)) as hub:
            assert hub.devices.get(device).kind is DeviceKind.PLUG
            await eventually(lambda: hub.devices.get(device).availability is Availability.AVAILABLE)
            total = (Channel.TOTAL, Quantity.ENERGY_DELIVERED)
            await eventually(lambda: total in hub.devices.latest(device).values)
            assert hub.devices.latest(device).values[total] >= energy
            zdo = [payload for code, payload in stick.commands if code == 0x0530 and payload[3] == 0]
            assert not [payload for payload in zdo if payload[5:7] in (b"\x00\x04", b"\x00\x05")]


async def test_a_scan_shows_who_hears_whom(tmp_path: Path) -> None:
    async with home(tmp_path, ZigateConfig(devices=("plug", "lamp", "sensor"), speed=5.0)) as (hub, stick):
        await join_all(hub, stick)
        found = await hub.networks.scan_topology("han")
        answered = {device.device_id for device in found.devices if device.answered}
        assert {name_of(stick, "plug"), name_of(stick, "lamp"), None} == answered
        heard = {row.device_id for device in found.devices for row in device.neighbours}
        assert name_of(stick, "sensor") in heard
