"""Devices that leave and come back, networks that are others than before, and answers that nobody expected."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from zigbee_home import PLUG, SENSOR, basic, device_id, interviewed, joined, plug, running, sensor, thermostat
from zigbee_room import CAPABILITIES, HUB, SLEEPER, Device, Room

from hub.events import AttributesReported
from hub.hub import Hub
from hub.model import Action, Availability, Channel, Outcome, Quantity
from hub.registry import MAX_SEQUENTIAL_TX_FAILURES, REQUIRE_EXPLICIT_DEVICE_ADD
from hub.zigbee import household, interview, repeats, reporting
from hub.zigbee.model import InterviewStep
from protocols import zdo
from protocols.aps import ApsFrame
from protocols.ids import Eui64
from protocols.zcl import general
from protocols.zcl.datatypes import BOOL, ENUM8, EUI64, INT16, MAP16
from protocols.zcl.header import Direction, FrameType, ZclHeader, parse_header
from protocols.zcl.records import ReadRecord, WriteRecord
from protocols.zcl.status import Status
from radios.api import DeliveryFailed, NetworkChanged
from tests.hub.waiting import eventually

pytestmark = pytest.mark.usefixtures("quick_zigbee")

DOOR = Eui64(0x00158D0000000009)


def asked(device: Device, what: str) -> int:
    return device.asked.count(what)


def says(hub: Hub, name: str) -> tuple[Availability, str]:
    device = hub.devices.get(name)
    return device.availability, device.availability_detail


def zcl(room: Room, device: Device, cluster: int, header: ZclHeader, payload: bytes) -> None:
    room.hear(device, 1, 0x0104, cluster, header.encode() + payload)


# -- leaving and coming back -----------------------------------------------------------------------------------------


async def test_a_device_that_left_is_bound_and_configured_anew(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        device = plug()
        name = await joined(hub, room, device)
        binds, reports = asked(device, "BindRequest"), len(device.configured)
        assert binds
        assert reports
        room.leave(device)
        await eventually(lambda: says(hub, name)[0] is Availability.UNAVAILABLE)
        device.put(1, 6, 0, True)
        room.join(device, 0x7777)
        await eventually(lambda: len(device.configured) == 2 * reports)
        assert asked(device, "BindRequest") == 2 * binds
        await eventually(lambda: hub.devices.get(name).switch is not None and hub.devices.get(name).switch.on is True)  # type: ignore[union-attr]


async def test_a_frame_on_its_way_does_not_bring_back_who_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as (hub, room):
        device = plug()
        name = await joined(hub, room, device)
        room.leave(device)
        room.report(device, 1, 6, x0000=True)
        await asyncio.sleep(0.1)
        assert says(hub, name) == (Availability.UNAVAILABLE, "it left the network; join it again")
        monkeypatch.setattr(household, "LEAVING_S", 0.0)
        room.report(device, 1, 6, x0000=False)
        await eventually(lambda: says(hub, name)[0] is Availability.AVAILABLE)


async def test_a_silent_report_is_bound_again_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "GRACE_S", 0.0)
    monkeypatch.setattr(reporting, "LOOK_S", 0.05)
    async with running(tmp_path) as (hub, room):
        device = plug()
        name = await joined(hub, room, device)
        await hub.attributes.configure_reporting(name, 1, 6, 0, min_s=0, max_s=1)
        before, binds = len(device.configured), asked(device, "BindRequest")
        await eventually(lambda: len(device.configured) > before)
        assert asked(device, "BindRequest") > binds


# -- another network -------------------------------------------------------------------------------------------------


async def test_after_an_erasure_nobody_has_the_address_that_it_had(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        device, other = plug(), sensor(0x2001)
        name = await joined(hub, room, device)
        room.network = replace(room.network, pan_id=0x7777, extended_pan_id=0x99)
        room.events_waiting.put_nowait(NetworkChanged(room.network))
        await eventually(
            lambda: says(hub, name) == (Availability.UNAVAILABLE, "the network is another one: join it again")
        )
        assert hub.household.members[PLUG].short is None
        # A new device has got the plug's old address: what it says is its own.
        device.short = 0xFFFE
        room.join(other)
        await eventually(lambda: interviewed(hub, SENSOR))
        room.report(other, 1, 0x0402, x0000=2500)
        found = device_id(SENSOR)
        await eventually(lambda: hub.devices.latest(found).values.get((Channel.TOTAL, Quantity.TEMPERATURE)) == 25.0)
        assert (Channel.TOTAL, Quantity.TEMPERATURE) not in hub.devices.latest(name).values
        reports = len(device.configured)
        room.join(device, 0x2002)
        await eventually(lambda: len(device.configured) == 2 * reports)


async def test_another_stick_with_the_same_network_binds_everybody_to_itself(tmp_path: Path) -> None:
    device = plug()
    async with running(tmp_path) as (hub, room):
        name = await joined(hub, room, device)
    reports = len(device.configured)
    room.network = replace(room.network, ieee=Eui64(HUB + 1))
    async with running(tmp_path) as (hub, _):
        await eventually(lambda: len(device.configured) == 2 * reports)
        assert hub.household.members[PLUG].short == 0x2001
        await eventually(lambda: interviewed(hub, PLUG))
        assert says(hub, name)[0] is Availability.AVAILABLE
    async with running(tmp_path) as (hub, _):
        await eventually(lambda: says(hub, name)[0] is Availability.AVAILABLE)
        await asyncio.sleep(0.1)
    assert len(device.configured) == 2 * reports


# -- interviews ------------------------------------------------------------------------------------------------------


class Refusing(Device):
    """It has no power descriptor, and says so with a status alone."""

    def answer_zdo(self, frame: ApsFrame) -> tuple[int, bytes] | None:
        if frame.cluster == zdo.PowerDescriptorRequest.CLUSTER:
            self.asked.append("PowerDescriptorRequest")
            return zdo.PowerDescriptorResponse.CLUSTER, bytes((frame.payload[0], zdo.ZdoStatus.NOT_SUPPORTED))
        return super().answer_zdo(frame)


async def test_a_refusal_is_an_answer(tmp_path: Path) -> None:
    made = plug()
    device = Refusing(made.ieee, made.short, made.endpoints, obeys=made.obeys)
    async with running(tmp_path) as (hub, room):
        await joined(hub, room, device)
        assert asked(device, "PowerDescriptorRequest") == 1
        assert hub.household.members[PLUG].interview_detail == ""
        room.leave(device, rejoin=True)
        room.join(device)
        await asyncio.sleep(0.3)
        assert asked(device, "PowerDescriptorRequest") == 1


async def test_an_interview_without_answers_is_taken_up_again_when_the_device_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interview, "ANSWER_S", 0.02)
    async with running(tmp_path) as (hub, room):
        device = plug()
        device.is_mute = True
        room.join(device)
        await eventually(lambda: PLUG in hub.household.members)
        await eventually(lambda: "not answered" in hub.household.members[PLUG].interview_detail)
        device.is_mute = False
        monkeypatch.setattr(interview, "ANSWER_S", 0.2)
        room.report(device, 1, 6, x0000=True)
        await asyncio.sleep(0.2)
        assert not interviewed(hub, PLUG)
        monkeypatch.setattr(household, "INTERVIEW_AGAIN_S", 0.0)
        room.report(device, 1, 6, x0000=False)
        await eventually(lambda: interviewed(hub, PLUG))


async def test_a_device_that_was_added_and_not_heard_is_interviewed_whole_when_it_joins(tmp_path: Path) -> None:
    device = plug()
    async with running(tmp_path) as (hub, room):
        await hub.networks.add_device("han", str(PLUG))
    async with running(tmp_path) as (hub, room):
        await asyncio.sleep(0.2)
        assert hub.household.members[PLUG].steps_done == set()
        room.join(device)
        await eventually(lambda: interviewed(hub, PLUG))
        assert device.configured
        assert hub.devices.get(device_id(PLUG)).model == "plug"


class Shy(Device):
    """Its simple descriptor does not come at first."""

    is_shy = True

    def answer_zdo(self, frame: ApsFrame) -> tuple[int, bytes] | None:
        if self.is_shy and frame.cluster == zdo.SimpleDescriptorRequest.CLUSTER:
            return None
        return super().answer_zdo(frame)


async def test_what_an_endpoint_has_is_asked_once_it_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(household, "INTERVIEW_AGAIN_S", 0.0)
    made = plug()
    device = Shy(made.ieee, made.short, made.endpoints, obeys=made.obeys)
    async with running(tmp_path) as (hub, room):
        room.join(device)
        await eventually(lambda: PLUG in hub.household.members)
        await eventually(lambda: "simple descriptor 1" in hub.household.members[PLUG].interview_detail)
        assert not device.configured
        device.is_shy = False
        room.report(device, 1, 6, x0000=True)
        await eventually(lambda: interviewed(hub, PLUG))
        assert device.configured
        assert hub.devices.get(device_id(PLUG)).model == "plug"


async def test_an_alarm_zone_is_told_whom_to_tell_and_its_alarms_are_confirmed(tmp_path: Path) -> None:
    attributes = {
        **basic("door"),
        (0x0500, 0x0000): (ENUM8, 0),
        (0x0500, 0x0002): (MAP16, 0),
        (0x0500, 0x0010): (EUI64, 0),
    }
    device = Device(DOOR, 0x5001, {1: attributes}, {1: 0x0402}, capability=SLEEPER)  # type: ignore[dict-item]
    async with running(tmp_path) as (hub, room):
        room.capabilities = replace(CAPABILITIES, answers_default_response=False)
        name = await joined(hub, room, device)
        assert device.endpoints[1][0x0500, 0x0010] == (EUI64, HUB)
        assert (0x0500, 0x00, b"\x00\x00") in device.commands
        header = ZclHeader(FrameType.CLUSTER, Direction.TO_CLIENT, 0x44, 0x00, False)
        zcl(room, device, 0x0500, header, b"\x01\x00\x00\x00\x00\x00")
        await eventually(lambda: hub.devices.latest(name).values.get((Channel.TOTAL, Quantity.ALARM)) == 1.0)
        await eventually(lambda: room.sent[-1].cluster == 0x0500 and room.sent[-1].payload[1] == 0x44)
        _, payload = parse_header(room.sent[-1].payload)
        assert payload == b"\x00\x00"  # command 0x00: SUCCESS
        sent = len(room.sent)
        zcl(room, device, 0x0500, header._replace(tsn=0x45, disable_default_response=True), b"\x00" * 6)
        await asyncio.sleep(0.1)
        assert len(room.sent) == sent


async def test_a_sleepy_device_that_checks_in_stays_awake_for_its_interview(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as (hub, room):
        device = sensor()
        device.is_mute = True
        room.join(device)
        await eventually(lambda: len(room.sent) > 0)
        await asyncio.sleep(0.4)
        header = ZclHeader(FrameType.CLUSTER, Direction.TO_CLIENT, 0x31, 0x00, False)
        zcl(room, device, 0x0020, header, b"")
        await eventually(lambda: any(frame.cluster == 0x0020 for frame in room.sent))
        [answer] = [frame for frame in room.sent if frame.cluster == 0x0020]
        assert parse_header(answer.payload)[1] == b"\x01\x28\x00"
        assert hub.household.members[SENSOR].interview is not InterviewStep.DONE


# -- answers ---------------------------------------------------------------------------------------------------------


class InParts(Device):
    """It answers a question for several attributes with as many answers."""

    def answer_zcl(self, frame: ApsFrame) -> bytes | None:
        header, payload = parse_header(frame.payload)
        if header.frame_type is not FrameType.GENERAL or header.command != general.General.READ_ATTRIBUTES:
            return super().answer_zcl(frame)
        self.asked.append("read")
        for attribute in general.ReadAttributes.decode(payload).attributes:
            found = self.endpoints[1].get((frame.cluster, attribute))
            record = (
                ReadRecord(attribute, Status.SUCCESS, *found)
                if found is not None
                else ReadRecord(attribute, Status.UNSUPPORTED_ATTRIBUTE)
            )
            body = general.ReadAttributesResponse((record,))
            self.room.hear(self, 1, 0x0104, frame.cluster, header.answer(body.COMMAND).encode() + body.encode())
        return None

    room: Room


async def test_all_answers_to_one_question_are_taken(tmp_path: Path) -> None:
    made = plug()
    device = InParts(made.ieee, made.short, made.endpoints, obeys=made.obeys)
    async with running(tmp_path) as (hub, room):
        device.room = room
        name = await joined(hub, room, device)
        before = asked(device, "read")
        values = await hub.attributes.read_attributes(name, 1, 0x0702, (0, 0x0301, 0x0302))
        assert [value.value for value in values] == [123_456, 1, 1000]
        assert asked(device, "read") == before + 1


async def test_an_answer_that_nobody_waits_for_any_more_is_learnt_from(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room), hub.bus.subscribe(AttributesReported) as told:
        device = thermostat()
        name = await joined(hub, room, device)
        told.drain()
        body = general.ReadAttributesResponse((ReadRecord(0x0012, Status.SUCCESS, INT16, 1850),))
        header = ZclHeader(FrameType.GENERAL, Direction.TO_CLIENT, 0xE0, body.COMMAND, True)
        sent = len(room.sent)
        zcl(room, device, 0x0201, header, body.encode())
        await eventually(lambda: any(event.attributes[0].value == 1850 for event in told.drain()))
        state = hub.devices.get(name).thermostat
        assert state is not None
        assert state.heating_setpoint_c == 18.5
        assert len(room.sent) == sent


async def test_an_answer_of_a_maker_is_none_to_a_question_about_the_standard(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        device = thermostat()
        name = await joined(hub, room, device)
        device.is_mute, sent = True, len(room.sent)
        task = asyncio.ensure_future(hub.attributes.read_attributes(name, 1, 0x0201, (0,)))
        await eventually(lambda: len(room.sent) > sent)
        tsn = room.sent[-1].payload[1]
        body = general.ReadAttributesResponse((ReadRecord(0, Status.SUCCESS, INT16, 1911),))
        header = ZclHeader(FrameType.GENERAL, Direction.TO_CLIENT, tsn, body.COMMAND, True, 0x115F)
        zcl(room, device, 0x0201, header, body.encode())
        right = general.ReadAttributesResponse((ReadRecord(0, Status.SUCCESS, INT16, 2011),))
        zcl(room, device, 0x0201, header._replace(manufacturer=None), right.encode())
        assert [value.value for value in await task] == [2011]


async def test_who_always_says_the_same_is_heard_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "DUPLICATE_S", 0.25)
    async with running(tmp_path) as (hub, room), hub.bus.subscribe(AttributesReported) as told:
        device = plug()
        await joined(hub, room, device)
        told.drain()
        header = ZclHeader(FrameType.GENERAL, Direction.TO_CLIENT, 9, general.General.REPORT_ATTRIBUTES, True)
        for _ in range(8):
            zcl(room, device, 6, header, general.ReportAttributes((WriteRecord(0, BOOL, True),)).encode())
            await asyncio.sleep(0.1)
        assert 2 <= len(told.drain()) <= 4


async def test_reports_of_ours_go_to_nobody_who_is_away(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        device = thermostat()
        name = await joined(hub, room, device)
        ours = hub.household._ours["han"]
        frame = ApsFrame(
            profile=0x0104,
            cluster=0,
            source_endpoint=1,
            destination_endpoint=1,
            payload=b"",
            destination_ieee=device.ieee,
        )
        assert ours.endpoints is not None
        ours.endpoints.reporting.due = lambda now: [frame]  # type: ignore[method-assign]
        await eventually(lambda: any(one.payload == b"" for one in room.sent))
        room.leave(device)
        await eventually(lambda: says(hub, name)[0] is Availability.UNAVAILABLE)
        sent = len(room.sent)
        await asyncio.sleep(1.2)
        assert len(room.sent) == sent


async def test_failures_that_are_told_later_count(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        device = plug()
        name = await joined(hub, room, device)
        await hub.registry.set(MAX_SEQUENTIAL_TX_FAILURES, 2)
        for _ in range(2):
            room.events_waiting.put_nowait(DeliveryFailed(device.short, "NO_ACK", 0xA7))
        await eventually(lambda: says(hub, name)[0] is Availability.UNAVAILABLE)
        assert "not delivered" in says(hub, name)[1]


async def test_a_device_that_is_added_while_it_speaks_is_known_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        await hub.registry.set(REQUIRE_EXPLICIT_DEVICE_ADD, True)
        device = plug()
        room.devices[device.ieee] = device
        room.report(device, 1, 6, x0000=True)
        await asyncio.sleep(0.3)
        assert PLUG not in hub.household.members
        await hub.networks.add_device("han", str(PLUG))
        room.report(device, 1, 6, x0000=True)
        await eventually(lambda: interviewed(hub, PLUG))
        command = await hub.controls.switch(device_id(PLUG), Action.ON, "test")
        assert command.outcome is Outcome.CONFIRMED
