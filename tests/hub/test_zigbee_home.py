"""The hub on a Zigbee network: joining, interviews, sleep, restarts, presence, reports, commands."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from zigbee_home import LAMP, PLUG, SENSOR, device_id, interviewed, joined, plug, running, sensor, thermostat
from zigbee_room import DRIVER, HUB, Device, Room

from hub.config import parse
from hub.errors import (
    InvalidError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)
from hub.events import DeviceAnnounced, DeviceLeft, GestureMade, InterviewProgress
from hub.hub import Hub
from hub.model import Action, Availability, Channel, DeviceKind, Outcome, Quantity, ThermostatMode
from hub.registry import MAX_SEQUENTIAL_TX_FAILURES, REQUIRE_EXPLICIT_DEVICE_ADD
from hub.zigbee import interview, reporting
from hub.zigbee.model import InterviewStep, Side, StepState
from protocols import zdo
from protocols.ids import Eui64
from protocols.zcl.datatypes import BOOL, INT16, STRING, UINT16
from protocols.zcl.status import Status
from tests.hub.waiting import eventually

pytestmark = pytest.mark.usefixtures("quick_zigbee")


# -- joining and interviews ----------------------------------------------------------------------------------------


async def test_a_device_joins_is_interviewed_in_the_manuals_order_and_becomes_a_plug(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room), hub.bus.subscribe(DeviceAnnounced, InterviewProgress) as told:
        device = plug()
        name = await joined(hub, room, device)
        events = told.drain()
        announced = events[0]
        assert isinstance(announced, DeviceAnnounced)
        assert (announced.device_id, announced.short, announced.is_new, announced.accepted) == (
            name,
            0x2001,
            True,
            True,
        )
        done = [e.step for e in events if isinstance(e, InterviewProgress) and e.state is StepState.DONE]
        assert done == list(InterviewStep)
        last = events[-1]
        assert isinstance(last, InterviewProgress)
        assert last.done == last.total
        questions = [asked for asked in device.asked if not asked[0].isdigit()]
        assert questions[:5] == [
            "MatchDescriptorRequest",
            "NodeDescriptorRequest",
            "PowerDescriptorRequest",
            "ActiveEndpointsRequest",
            "SimpleDescriptorRequest",
        ]
        found = hub.devices.get(name)
        assert (found.kind, found.manufacturer, found.model) == (DeviceKind.PLUG, "Example", "plug")
        assert found.availability is Availability.AVAILABLE
        assert found.switch is not None
        assert found.switch.on is False
        assert {record.attribute for record in device.configured} >= {0x0000, 0x0400}
        assert "BindRequest" in device.asked
        latest = hub.devices.latest(name).values
        assert latest[Channel.TOTAL, Quantity.POWER] == pytest.approx(60)
        assert latest[Channel.TOTAL, Quantity.ENERGY_DELIVERED] == pytest.approx(123_456)
        room.report(device, 1, 0x0702, x0400=75)
        await eventually(lambda: hub.devices.latest(name).values[Channel.TOTAL, Quantity.POWER] == pytest.approx(75))


async def test_a_sleepy_device_is_asked_again_when_it_is_heard(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room), hub.bus.subscribe(InterviewProgress) as told:
        device = sensor()
        device.is_mute = True
        room.join(device)
        waiting: list[InterviewProgress] = []
        async for event in told:
            assert isinstance(event, InterviewProgress)
            if event.state is StepState.WAITING:
                waiting.append(event)
                break
        assert waiting[0].step is InterviewStep.MATCH_DESCRIPTOR
        assert "wake it" in waiting[0].detail
        device.is_mute = False
        room.report(device, 1, 0x0402, x0000=2200)
        await eventually(lambda: interviewed(hub, SENSOR))
        assert hub.devices.get(device_id(SENSOR)).sleepy
        assert hub.devices.get(device_id(SENSOR)).kind is DeviceKind.SENSOR


async def test_an_interview_goes_on_after_a_restart_where_it_stopped(tmp_path: Path) -> None:
    device = plug()
    async with running(tmp_path) as (hub, room):
        original = device.answer_zcl
        device.answer_zcl = lambda frame: None  # type: ignore[method-assign, assignment]
        room.join(device)
        await eventually(lambda: "SimpleDescriptorRequest" in device.asked)
        await eventually(lambda: bool(hub.household.members[PLUG].endpoints))
    device.answer_zcl = original  # type: ignore[method-assign]
    device.asked.clear()
    async with running(tmp_path) as (hub, room):
        await eventually(lambda: interviewed(hub, PLUG))
        assert not {"NodeDescriptorRequest", "ActiveEndpointsRequest", "SimpleDescriptorRequest"} & set(device.asked)
        assert hub.devices.get(device_id(PLUG)).kind is DeviceKind.PLUG


async def test_only_devices_that_were_added_may_come_when_that_is_asked_for(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room), hub.bus.subscribe(DeviceAnnounced) as told:
        await hub.registry.set(REQUIRE_EXPLICIT_DEVICE_ADD, True)
        assert hub.networks.get("han").explicit_add
        device = plug()
        room.join(device)
        event = await anext(aiter(told))
        assert isinstance(event, DeviceAnnounced)
        assert not event.accepted
        assert hub.devices.find(device_id(PLUG)) is None
        room.report(device, 1, 6, x0000=True)
        await hub.networks.add_device("han", str(PLUG), name="Kettle")
        room.join(device)
        await eventually(lambda: interviewed(hub, PLUG))
        assert hub.devices.get(device_id(PLUG)).name == "Kettle"


async def test_a_device_that_only_speaks_is_detected_by_its_message(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        device = plug()
        room.devices[device.ieee] = device
        room.report(device, 1, 6, x0000=True)
        await eventually(lambda: interviewed(hub, PLUG))
        assert hub.devices.get(device_id(PLUG)).availability is Availability.AVAILABLE


async def test_a_device_that_comes_back_with_another_address_is_the_same(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        device = plug()
        name = await joined(hub, room, device)
        room.join(device, short=0x5555)
        await eventually(lambda: hub.devices.get(name).address == "0x5555")
        assert len(hub.devices.all()) == 1
        command = await hub.controls.switch(name, Action.ON, "test")
        assert command.outcome is Outcome.CONFIRMED
        assert room.sent[-1].destination == 0x5555


async def test_devices_survive_a_restart_and_a_change_of_stick(tmp_path: Path) -> None:
    device = plug()
    async with running(tmp_path, "han") as (hub, room):
        name = await joined(hub, room, device)
        await hub.devices.update(name, name="Kettle")
        room.report(device, 1, 6, x0000=True)
        await eventually(lambda: hub.devices.get(name).switch is not None and hub.devices.get(name).switch.on is True)  # type: ignore[union-attr]
    async with running(tmp_path, "other") as (hub, room):
        assert hub.devices.get(name).name == "Kettle"
        assert hub.devices.get(name).availability is Availability.UNAVAILABLE
        with pytest.raises(UnavailableError, match="not configured any more"):
            await hub.controls.switch(name, Action.ON, "test")
        await joined(hub, room, device)
        await eventually(lambda: hub.devices.get(name).radio == "other")
        assert (hub.devices.get(name).name, hub.devices.get(name).kind) == ("Kettle", DeviceKind.PLUG)
        assert (await hub.controls.switch(name, Action.OFF, "test")).outcome is Outcome.CONFIRMED


async def test_what_two_announces_of_one_joining_say_is_told_once(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room), hub.bus.subscribe(DeviceAnnounced) as told:
        device = plug()
        room.join(device)
        room.join(device)
        await eventually(lambda: interviewed(hub, PLUG))
        assert len(told.drain()) == 1


# -- presence ------------------------------------------------------------------------------------------------------


async def test_a_device_is_inactive_after_failures_in_a_row_and_active_when_it_is_heard(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        device = plug()
        name = await joined(hub, room, device)
        await hub.registry.set(MAX_SEQUENTIAL_TX_FAILURES, 2)
        device.is_there = False
        with pytest.raises((UnavailableError, UnknownOutcomeError)):
            await hub.controls.switch(name, Action.ON, "test")
        await eventually(lambda: hub.devices.get(name).availability is Availability.UNAVAILABLE)
        assert "not delivered" in hub.devices.get(name).availability_detail
        assert not hub.networks.device(name).is_active
        assert (Channel.TOTAL, Quantity.POWER) not in hub.devices.latest(name).values
        device.is_there = True
        room.report(device, 1, 6, x0000=True)
        await eventually(lambda: hub.devices.get(name).availability is Availability.AVAILABLE)


async def test_a_device_that_leaves_is_away_and_stays_known(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room), hub.bus.subscribe(DeviceLeft) as told:
        device = plug()
        name = await joined(hub, room, device)
        room.leave(device)
        event = await anext(aiter(told))
        assert isinstance(event, DeviceLeft)
        assert (event.device_id, event.rejoin) == (name, False)
        assert hub.devices.get(name).availability is Availability.UNAVAILABLE
        assert "join it again" in hub.devices.get(name).availability_detail


async def test_a_lost_radio_takes_its_devices_with_it_and_brings_them_back(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        device = plug()
        name = await joined(hub, room, device)
        room.lose()
        await eventually(lambda: hub.devices.get(name).availability is Availability.UNAVAILABLE)
        assert "pulled out" in hub.devices.get(name).availability_detail
        await eventually(lambda: room.opened == 2)
        await eventually(lambda: hub.devices.get(name).availability is Availability.AVAILABLE)


async def test_a_stick_that_is_not_there_does_not_keep_the_hub_from_starting(tmp_path: Path) -> None:
    room = DRIVER.rooms["han"] = Room()
    room.is_absent = True
    table = {"radio": [{"name": "han", "driver": "room", "pipe": "pty:/dev/null"}]}
    async with Hub(parse(table, data_dir=tmp_path)) as hub:
        await eventually(lambda: hub.networks.get("han").state == "down")
        assert "not there" in hub.networks.get("han").detail
        with pytest.raises(UnavailableError, match="not there"):
            await hub.networks.permit_join("han", 60)
        room.is_absent = False
        await eventually(lambda: hub.networks.get("han").state == "up")


# -- reports -------------------------------------------------------------------------------------------------------


async def test_what_a_device_cannot_report_is_polled_and_told_as_a_report_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interview, "POLL_AT_LEAST_S", 0)
    monkeypatch.setattr(reporting, "LOOK_S", 0.05)
    async with running(tmp_path) as (hub, room):
        device = sensor()
        device.capability = 0x8E
        device.reportable = False
        name = await joined(hub, room, device)
        rows = hub.networks.device(name).reporting
        assert [(row.cluster, row.pseudo, row.state) for row in rows] == [(0x0402, True, "configured")]
        await hub.attributes.configure_reporting(name, 1, 0x0402, 0, min_s=1, max_s=3600, change=10, pseudo=True)
        device.put(1, 0x0402, 0, 2500)
        await eventually(lambda: hub.devices.latest(name).values[Channel.TOTAL, Quantity.TEMPERATURE] == 25.0)


async def test_reports_that_stop_are_configured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "GRACE_S", 0.0)
    monkeypatch.setattr(reporting, "LOOK_S", 0.05)
    async with running(tmp_path) as (hub, room):
        device = plug()
        name = await joined(hub, room, device)
        row = await hub.attributes.configure_reporting(name, 1, 6, 0, min_s=0, max_s=1)
        assert row.state == "configured"
        before = len(device.configured)
        await eventually(lambda: len(device.configured) > before)
        assert (device.configured[-1].attribute, device.configured[-1].max_s) == (0, 1)


async def test_gestures_are_told_when_they_are_made_and_not_when_they_are_read(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room), hub.bus.subscribe(GestureMade) as told:
        attributes = {(0, 4): (STRING, "LUMI"), (0, 5): (STRING, "lumi.sensor_cube"), (3, 0): (UINT16, 0)}
        device = Device(
            Eui64(0x00158D0001A2B3C4),
            0x279B,
            {1: attributes, 2: {(0x12, 0x55): (UINT16, 4)}},  # type: ignore[dict-item]
            {1: 0x5F01, 2: 0x5F02},
        )
        name = await joined(hub, room, device)
        room.report(device, 2, 0x12, x0055=0)
        event = await anext(aiter(told))
        assert isinstance(event, GestureMade)
        assert (event.device_id, event.gesture) == (name, "shake")
        assert hub.devices.get(name).kind is DeviceKind.REMOTE


# -- attributes ----------------------------------------------------------------------------------------------------


async def test_attributes_are_read_and_written_and_wrong_ones_named(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        device = thermostat()
        name = await joined(hub, room, device)
        [value] = await hub.attributes.read_attributes(name, 1, 0x0201, (0x0000,))
        assert (value.value, value.data_type, value.status) == (2000, INT16, 0)
        [result] = await hub.attributes.write_attributes(name, 1, 0x0201, {0x0012: 2250})
        assert result.status == 0
        assert device.endpoints[1][0x0201, 0x0012] == (INT16, 2250)
        with pytest.raises(InvalidError, match="endpoint"):
            await hub.attributes.read_attributes(name, 7, 0x0201, (0,))
        with pytest.raises((InvalidError, NotFoundError)) as caught:
            await hub.attributes.read_attributes(name, 1, 0x0702, (0,))
        assert "thermostat" in str(caught.value)
        with pytest.raises(InvalidError):
            await hub.attributes.write_attributes(name, 1, 0x0201, {0x0012: "warm"})
        device.writable = False
        with pytest.raises(RefusedError, match="READ_ONLY"):
            results = await hub.attributes.write_attributes(name, 1, 0x0201, {0x0012: 2000})
            raise RefusedError(Status(results[0].status).name)
        assert hub.networks.device(name).endpoints[0].clusters[0].side is Side.SERVER


# -- commands ------------------------------------------------------------------------------------------------------


async def test_a_plug_is_switched_and_every_outcome_is_told(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        device = plug()
        name = await joined(hub, room, device)
        assert (await hub.controls.switch(name, Action.ON, "test")).outcome is Outcome.CONFIRMED
        assert device.endpoints[1][6, 0] == (BOOL, True)
        await eventually(lambda: hub.devices.get(name).switch.on is True)  # type: ignore[union-attr]
        obeys, device.obeys = device.obeys, lambda *_: Status.FAILURE
        with pytest.raises(RefusedError, match="FAILURE"):
            await hub.controls.switch(name, Action.OFF, "test")
        device.obeys = obeys
        device.is_mute = True
        with pytest.raises(UnknownOutcomeError):
            await hub.controls.switch(name, Action.TOGGLE, "test")
        device.is_mute = False


async def test_a_setpoint_outside_the_devices_limits_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        device = thermostat()
        name = await joined(hub, room, device)
        sent = len(room.sent)
        with pytest.raises(InvalidError, match="5 to 28"):
            await hub.controls.setpoint(name, "test", heating_c=31)
        with pytest.raises(InvalidError, match="off, heat"):
            await hub.controls.mode(name, ThermostatMode.COOL, "test")
        assert len(room.sent) == sent
        assert (await hub.controls.setpoint(name, "test", heating_c=21.5)).outcome is Outcome.CONFIRMED
        assert device.endpoints[1][0x0201, 0x0012] == (INT16, 2150)
        state = hub.devices.get(name).thermostat
        assert state is not None
        assert state.heating_setpoint_c == 21.5


async def test_what_a_device_cannot_do_is_said_with_what_it_can(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        name = await joined(hub, room, plug())
        with pytest.raises(UnsupportedError, match="switch"):
            await hub.controls.level(name, 50, 0, "test")
        with pytest.raises(UnsupportedError, match="window open"):
            await hub.networks.add_device("han", str(LAMP), install_code="83FED3407A939723A5C639FF4C12")
        with pytest.raises(NotFoundError, match="han"):
            hub.networks.get("hna")
        with pytest.raises(InvalidError, match="3600"):
            await hub.networks.permit_join("han", 5000)


# -- the network ---------------------------------------------------------------------------------------------------


async def test_joining_is_opened_held_open_and_closed(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        await eventually(
            lambda: room.permits == [(0, None)]
        )  # whoever opened it before the start is not there any more
        status = await hub.networks.permit_join("han", 600)
        assert status.joining_until is not None
        assert room.permits[1:] == [(254, None)]
        status = await hub.networks.permit_join("han", 0)
        assert status.joining_until is None
        assert room.permits[-1] == (0, None)


async def test_a_device_is_removed_by_asking_it_to_leave(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        device = plug()
        name = await joined(hub, room, device)
        device.is_there = False
        with pytest.raises(UnavailableError, match="force"):
            await hub.networks.remove(name)
        assert hub.devices.find(name) is not None
        device.is_there = True
        await hub.networks.remove(name)
        assert "MgmtLeaveRequest" in device.asked
        assert hub.devices.find(name) is None
    async with running(tmp_path) as (hub, _):
        assert hub.devices.find(name) is None
        assert PLUG not in hub.household.members


async def test_who_hears_whom_and_how_well(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        device = plug()
        device.neighbours = (
            zdo.NeighbourRow(1, HUB, 0, 0x04, 0, 0, 250),
            zdo.NeighbourRow(1, SENSOR, 0x3001, 0x12, 0, 2, 90),
        )
        name = await joined(hub, room, device)
        await joined(hub, room, sensor())
        found = await hub.networks.scan_topology("han")
        [router] = [row for row in found.devices if row.device_id == name]
        assert router.answered
        assert {(row.short, row.device_id, row.lqi) for row in router.neighbours} == {
            (0, None, 250),
            (0x3001, device_id(SENSOR), 90),
        }
        assert hub.networks.topology("han") == found


async def test_commands_at_once_wait_their_turn_and_are_all_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        name = await joined(hub, room, plug())
        reads = [hub.attributes.read_attributes(name, 1, 0x0702, (0x0000,)) for _ in range(300)]
        answers = await asyncio.gather(*reads)
        assert all(values[0].value == 123_456 for values in answers)
        assert hub.networks.get("han").pending == 0
        room.devices[PLUG].is_mute = True
        flood = [asyncio.create_task(hub.attributes.read_attributes(name, 1, 6, (0,))) for _ in range(800)]
        await eventually(lambda: any(task.done() for task in flood))
        refused = [task for task in flood if task.done()]
        assert all(isinstance(task.exception(), UnavailableError) for task in refused)
        assert hub.networks.get("han").pending <= 128 + 512
        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)
        assert hub.networks.get("han").pending == 0
