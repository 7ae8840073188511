"""Emulated Smart Energy devices over the air: a display, load control, a thermostat, a meter, and a utility's end."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radios.emulators import zcl
from radios.emulators.air import Air, AirFrame, Station
from radios.emulators.device import EmulatedDevice
from radios.emulators.devices import make
from radios.emulators.errors import EmulatorError
from radios.emulators.home import Home
from radios.emulators.se_devices import Display, EnergyServiceInterface, LoadControl, SeThermostat, SmartMeter
from radios.emulators.se_payloads import (
    UNSIGNED,
    CancelLoadControlEvent,
    DisplayMessage,
    LoadControlEvent,
    PublishPrice,
    ReportEventStatus,
)
from tests.hub.waiting import eventually

FAST = 1200.0
"""A minute of the devices takes 50 ms."""
NOON = 846_763_200
POOL_PUMP = 1 << 3
UNSET, NOBODY = -0x8000, -0x80


class Interface:
    """An energy service interface at the coordinator's place, whose frames are made by hand."""

    ieee = 0x00158D00000000FE

    def __init__(self, *, has_servers: bool = True) -> None:
        self.heard: list[AirFrame] = []
        self.has_servers = has_servers
        self.tsn = 0x80
        self.utc: Callable[[], int] = lambda: 0xFFFFFFFF
        self.device: EmulatedDevice

    def receive(self, frame: AirFrame, lqi: int) -> None:
        self.heard.append(frame)
        if frame.profile == 0 and frame.cluster == 0x0006 and self.has_servers:
            tsn, _, _, _, cluster, _ = struct.unpack("<BHHBHB", frame.payload)
            answer = (
                struct.pack("<BBHBB", tsn, 0, 0, 1, 0x5E) if cluster != 0x0702 else struct.pack("<BBHB", tsn, 0, 0, 0)
            )
            self._to(0, 0, 0, 0x8006, answer)
        elif frame.cluster == 0x000A and frame.payload[2] == zcl.READ:
            body = struct.pack("<HBBI", 0, 0, 0xE2, self.utc())
            self._to(0x5E, 0x0A, 0x0109, 0x000A, zcl.frame(frame.payload[1], zcl.READ_RESPONSE, body))
        elif frame.profile and not frame.payload[0] & 0x10 and frame.payload[0] & 3 == 1:
            told = zcl.frame(frame.payload[1], zcl.DEFAULT_RESPONSE, bytes((frame.payload[2], 0)))
            self._to(0x5E, 0x0A, 0x0109, frame.cluster, told)

    def _to(self, source: int, to: int, profile: int, cluster: int, payload: bytes, *, encrypted: bool = True) -> None:
        self.device.receive(
            AirFrame(
                source=0, destination=self.device.short, source_endpoint=source, destination_endpoint=to,
                profile=profile, cluster=cluster, payload=payload, encrypted=encrypted,
            )
        )  # fmt: skip

    def say(self, cluster: int, command: int, payload: bytes, *, quiet: bool = True, encrypted: bool = True) -> int:
        self.tsn = (self.tsn + 1) & 0xFF
        body = zcl.frame(self.tsn, command, payload, is_cluster=True, quiet=quiet)
        self._to(0x5E, 0x0A, 0x0109, cluster, body, encrypted=encrypted)
        return self.tsn

    def commands(self, cluster: int, command: int) -> list[bytes]:
        """Payloads of a cluster's command that came, without their headers."""
        return [
            frame.payload[3:]
            for frame in self.heard
            if frame.cluster == cluster and frame.payload[0] & 0x0B == 1 and frame.payload[2] == command
        ]

    def statuses(self, number: int) -> list[int]:
        """Of an event, in the order in which they were reported."""
        reports = [ReportEventStatus.unpack(payload) for payload in self.commands(0x0701, 0)]
        return [report.event_status for report in reports if report.issuer_event_id == number]

    def can_read(self, frame: AirFrame) -> bool:
        return True

    def admits(self, station: Station) -> bool:
        return True

    @property
    def leaves_keys_to_host(self) -> bool:
        return False

    def authenticate(self, ieee: int) -> bool:
        return True

    def joined(self, ieee: int, short: int, capability: int, *, rejoin: bool) -> None:
        return None

    def left(self, ieee: int, *, rejoin: bool) -> None:
        return None


class Room:
    """A device on the air with an interface that knows the time."""

    def __init__(self, kind: str, *, speed: float = FAST, knows_time: bool = True, has_servers: bool = True) -> None:
        loop = asyncio.get_running_loop()
        self.home = Home(1, 0.0, speed, loop.time())
        self.air, self.interface = Air(Random(1), delay_s=0.0), Interface(has_servers=has_servers)
        self.air.attach(self.interface)
        self.air.channel = 15
        self.device = self.interface.device = make(kind, 1, 1, self.home)
        if knows_time:
            self.interface.utc = self.utc
        self.enter(self.device)

    def enter(self, device: EmulatedDevice) -> None:
        device.link_key, device.is_authenticated = bytes(16), True
        assert self.air.join(device, quietly=True)

    def utc(self) -> int:
        return NOON + int(self.device.model_time())


def event(number: int = 0x1234, minutes: int = 60, **more: int) -> bytes:
    return LoadControlEvent(issuer_event_id=number, device_class=0x0FFF, duration_in_minutes=minutes, **more).pack()


def cancel(number: int, device_class: int = 0x0FFF, **more: int) -> bytes:
    return CancelLoadControlEvent(issuer_event_id=number, device_class=device_class, **more).pack()


def load_control(room: Room) -> LoadControl:
    assert isinstance(room.device, LoadControl)
    return room.device


# -- layouts -----------------------------------------------------------------------------------------------------------


def test_payloads_are_laid_out_as_the_standard_says() -> None:
    golden = bytes.fromhex("34120000ff0f00000000003c0001ffff0080008080ff03")
    assert event(0x1234, 60, event_control=3) == golden
    assert LoadControlEvent.unpack(golden).pack() == golden
    assert len(cancel(1)) == 12
    report = ReportEventStatus(issuer_event_id=1, event_status=1, event_status_time=NOON)
    assert (len(report.pack()) + 1, len(report.pack() + UNSIGNED)) == (18, 60)
    price = PublishPrice(
        issuer_event_id=7, current_time=NOON, duration_in_minutes=60, price=2375, rate_label="PEAK", price_control=1
    )
    assert len(price.pack()) == 42 + 4
    assert PublishPrice.unpack(price.pack()) == price
    for size in (34 + 4, 40 + 4):  # r14, and SE 1.0
        assert PublishPrice.unpack(price.pack()[:size]) == replace(price, price_control=0)
    with pytest.raises(struct.error):
        PublishPrice.unpack(price.pack()[:40])
    assert PublishPrice.unpack(price.pack() + bytes(5)) == price
    message = DisplayMessage(message_id=3, duration_in_minutes=5, message="Spanish Inquisition")
    assert len(message.pack()) == 12 + 19
    assert DisplayMessage.unpack(message.pack()) == message


# -- clients in general ------------------------------------------------------------------------------------------------


async def test_a_display_looks_for_its_servers_once_it_is_authenticated_and_asks_them() -> None:
    room = Room("display")
    interface, display = room.interface, room.device
    assert isinstance(display, Display)
    await eventually(lambda: display.clock.is_set and bool(interface.commands(0x0703, 0)))
    await eventually(lambda: bool(interface.commands(0x0700, 0)))
    assert interface.commands(0x0700, 0)[0] == b"\x01"
    assert abs(display.clock.now - room.utc()) < 1.1
    assert all(frame.encrypted for frame in interface.heard if frame.profile == 0x0109)
    assert set(display.servers) == {0x000A, 0x0700, 0x0703}
    room.air.close()


async def test_keys_are_established_before_anything_is_asked() -> None:
    room = Room("display")
    room.air.drop(room.device.ieee)
    interface, display = room.interface, room.device
    interface.heard.clear()
    assert not display.is_authenticated
    room.air.permit(60)
    assert room.air.join(display)
    await eventually(lambda: bool(interface.commands(0x0703, 0)))
    asked = [struct.unpack_from("<H", frame.payload, 6)[0] for frame in interface.heard if frame.cluster == 0x0006]
    assert asked[0] == 0x0800
    room.air.close()


async def test_a_client_takes_nothing_in_clear_and_answers_what_is_no_command() -> None:
    room = Room("display")
    interface = room.interface
    message = DisplayMessage(message_id=1, duration_in_minutes=60, message="no").pack()
    interface.say(0x0703, 0, message, encrypted=False)
    tsn = interface.say(0x0703, 0x44, b"")
    interface.say(0x0703, 0, message[:9])
    await eventually(lambda: len([f for f in interface.heard if f.cluster == 0x0703 and f.payload[2] == 0x0B]) == 3)
    told = [frame.payload for frame in interface.heard if frame.cluster == 0x0703 and frame.payload[2] == 0x0B]
    assert told[0][3:] == bytes((0, zcl.NOT_AUTHORIZED))
    assert told[1] == bytes((0x10, tsn, 0x0B, 0x44, zcl.UNSUP_CLUSTER_COMMAND))
    assert told[2][3:] == bytes((0, zcl.MALFORMED))
    assert room.device.shown()["message"] is None
    room.air.close()


async def test_attributes_of_a_client_are_read_and_written_towards_it() -> None:
    room = Room("load-control")
    interface = room.interface
    read = zcl.frame(9, zcl.READ, struct.pack("<HH", 1, 3), quiet=False)
    interface._to(0x5E, 0x0A, 0x0109, 0x0701, read)
    write = zcl.frame(10, zcl.WRITE, struct.pack("<HBB", 1, 0x20, 61), quiet=False)
    interface._to(0x5E, 0x0A, 0x0109, 0x0701, write)
    configure = zcl.frame(11, zcl.CONFIGURE, bytes(8), quiet=False)
    interface._to(0x5E, 0x0A, 0x0109, 0x0701, configure)
    await eventually(lambda: len([f for f in interface.heard if f.cluster == 0x0701 and not f.payload[0] & 3]) == 3)
    told = [frame.payload for frame in interface.heard if frame.cluster == 0x0701 and not frame.payload[0] & 3]
    assert told[0] == bytes.fromhex("100901") + bytes.fromhex("010000201e") + bytes.fromhex(
        "0300002188 00".replace(" ", "")
    )
    assert told[1] == bytes((0x10, 10, zcl.WRITE_RESPONSE, zcl.INVALID_VALUE, 1, 0))
    assert told[2] == bytes((0x10, 11, 0x0B, zcl.CONFIGURE, zcl.UNSUP_GENERAL_COMMAND))
    room.air.close()


# -- prices and messages -----------------------------------------------------------------------------------------------


async def test_a_price_is_shown_acknowledged_and_replaced_by_a_newer_one() -> None:
    room = Room("display")
    interface, display = room.interface, room.device
    assert isinstance(display, Display)
    await eventually(lambda: display.clock.is_set)

    def publish(number: int, price: int, *, control: int = 0, start: int = 0, minutes: int = 600) -> int:
        made = PublishPrice(
            issuer_event_id=number, current_time=room.utc(), duration_in_minutes=minutes, price=price,
            trailing_digits_and_tier=0x42, start_time=start, price_control=control, rate_label="PEAK",
        )  # fmt: skip
        return interface.say(0x0700, 0, made.pack(), quiet=False)

    tsn = publish(5, 2375, control=1)
    await eventually(lambda: bool(interface.commands(0x0700, 2)))
    [acknowledgement] = [f for f in interface.heard if f.cluster == 0x0700 and f.payload[2] == 2]
    assert acknowledgement.payload[:3] == bytes((0x11, tsn, 2))
    provider, number, at, control = struct.unpack("<IIIB", acknowledgement.payload[3:])
    assert (provider, number, control) == (0xFFFFFFFF, 5, 1)
    assert abs(at - room.utc()) < 3000
    assert display.price.current is not None
    assert (display.price.current.price.amount, display.price.current.price.tier) == (0.2375, 2)
    publish(4, 999)  # an older one
    assert display.price.current.price.price == 2375
    publish(6, 1000)
    assert display.price.current.price.price == 1000
    publish(7, 3, start=room.utc() - 3600, minutes=10)
    await eventually(lambda: any(f.payload[3:] == bytes((0, zcl.FAILURE)) for f in interface.heard))
    room.air.close()


async def test_a_message_that_asks_for_it_is_confirmed_after_a_while_or_by_hand() -> None:
    room = Room("display")
    interface, display = room.interface, room.device
    assert isinstance(display, Display)
    await eventually(lambda: display.clock.is_set)
    with pytest.raises(EmulatorError, match="no message is shown"):
        display.messaging.confirm()
    first = DisplayMessage(message_id=11, message_control=0x88, duration_in_minutes=0xFFFF, message="Peak from 5 pm")
    interface.say(0x0703, 0, first.pack())
    assert display.shown()["message"] == "Peak from 5 pm"
    await eventually(lambda: bool(interface.commands(0x0703, 1)))
    number, at = struct.unpack("<II", interface.commands(0x0703, 1)[0])
    assert number == 11
    assert abs(at - room.utc()) < 3000
    display.messaging.confirms_by_itself = False
    interface.say(
        0x0703, 0, DisplayMessage(message_id=12, message_control=0x80, duration_in_minutes=600, message="B").pack()
    )
    assert display.messaging.confirm() == 12
    await eventually(lambda: len(interface.commands(0x0703, 1)) == 2)
    interface.say(0x0703, 1, struct.pack("<IB", 12, 0x80))
    await eventually(lambda: len(interface.commands(0x0703, 1)) == 3)  # the cancellation
    interface.say(0x0703, 1, struct.pack("<IB", 99, 0))
    await eventually(lambda: any(f.payload[3:] == bytes((1, zcl.NOT_FOUND)) for f in interface.heard))
    assert [known.state for known in display.messaging.messages] == ["replaced", "cancelled"]
    interface.say(0x0703, 0, DisplayMessage(message_id=13, duration_in_minutes=600, message="C").pack())
    interface.say(0x0703, 3, bytes(4))
    assert display.shown()["message"] is None
    room.air.close()


async def test_a_message_waits_for_its_start_and_ends() -> None:
    room = Room("display")
    interface, display = room.interface, room.device
    assert isinstance(display, Display)
    await eventually(lambda: display.clock.is_set)
    soon = DisplayMessage(message_id=1, start_time=room.utc() + 120, duration_in_minutes=2, message="soon")
    interface.say(0x0703, 0, soon.pack())
    [known] = display.messaging.messages
    assert known.state == "waiting"
    await eventually(lambda: known.state == "shown")
    await eventually(lambda: known.state == "ended")
    room.air.close()


# -- load control ------------------------------------------------------------------------------------------------------


async def test_an_event_is_received_started_and_completed_and_sheds_the_load_meanwhile() -> None:
    room = Room("load-control")
    device, interface = load_control(room), room.interface
    await eventually(lambda: device.clock.is_set)
    await eventually(lambda: bool(interface.commands(0x0701, 1)))
    assert interface.commands(0x0701, 1)[0] == bytes(5)
    assert device.is_closed
    tsn = interface.say(0x0701, 0, event(7, 20, start_time=room.utc() + 60, criticality_level=4))
    await eventually(lambda: interface.statuses(7) == [1])
    [first] = [frame for frame in interface.heard if frame.cluster == 0x0701 and frame.payload[2] == 0]
    assert first.payload[:3] == bytes((0x01, tsn, 0))
    assert len(first.payload) == 63
    assert first.payload[-43:] == b"\x00" + b"\xff" * 42
    await eventually(lambda: not device.is_closed)
    await eventually(lambda: device.meter.power_w == 0)
    await eventually(lambda: interface.statuses(7) == [1, 2, 3])
    assert device.is_closed
    reports = [ReportEventStatus.unpack(payload) for payload in interface.commands(0x0701, 0)]
    assert [report.criticality_level_applied for report in reports] == [4, 4, 4]
    assert 1140 <= reports[2].event_status_time - reports[1].event_status_time <= 2400
    room.air.close()


async def test_a_duty_cycle_and_a_load_in_percent_leave_a_share() -> None:
    room = Room("load-control")
    device, interface = load_control(room), room.interface
    interface.say(0x0701, 0, event(1, 600, duty_cycle=40))
    assert device.share == 0.4
    interface.say(0x0701, 2, b"\x00")
    interface.say(0x0701, 0, event(2, 600, average_load_adjustment_percentage=-30))
    assert device.share == pytest.approx(0.7)
    room.air.close()


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"minutes": 0}, 0xFE),
        ({"minutes": 1441}, 0xFE),
        ({"criticality_level": 0}, 0xFE),
        ({"criticality_level": 0x10}, 0xFE),
        ({"duty_cycle": 101}, 0xFE),
        ({"average_load_adjustment_percentage": -101}, 0xFE),
        ({"cooling_temperature_set_point": -27316}, 0xFE),
        ({"start_time": 0xFFFFFFFF}, 0xFE),
        ({"start_time": NOON - 7200}, 0xFB),
    ],
)
async def test_what_no_event_may_be_is_rejected(wrong: dict[str, int], status: int) -> None:
    room = Room("load-control")
    await eventually(lambda: load_control(room).clock.is_set)
    room.interface.say(0x0701, 0, event(9, **wrong))
    await eventually(lambda: bool(room.interface.statuses(9)))
    [report] = [ReportEventStatus.unpack(payload) for payload in room.interface.commands(0x0701, 0)]
    assert report.event_status == status
    assert report.cooling_temperature_set_point_applied == UNSET
    assert report.average_load_adjustment_percentage_applied == NOBODY
    assert report.criticality_level_applied == 0
    room.air.close()


async def test_events_of_other_classes_and_groups_are_none_of_its_business() -> None:
    room = Room("load-control")
    device, interface = load_control(room), room.interface
    device.drlc._group.value = 3
    other = LoadControlEvent(issuer_event_id=1, device_class=0x0001, duration_in_minutes=60)
    interface.say(0x0701, 0, other.pack(), quiet=False)
    interface.say(0x0701, 0, event(2, utility_enrollment_group=4))
    interface.say(0x0701, 1, cancel(1, device_class=0x0001))
    await eventually(lambda: any(f.payload[3:] == b"\x00\x00" for f in interface.heard if f.cluster == 0x0701))
    interface.say(0x0701, 0, event(3, utility_enrollment_group=3))
    await eventually(lambda: interface.statuses(3) == [1, 2])
    assert set(device.drlc.events) == {3}
    interface.say(0x0701, 0, event(3, utility_enrollment_group=3))  # again
    assert interface.statuses(1) + interface.statuses(2) == []
    room.air.close()


async def test_it_keeps_only_so_many_events() -> None:
    room = Room("load-control")
    await eventually(lambda: load_control(room).clock.is_set)
    for number in range(1, 10):
        room.interface.say(0x0701, 0, event(number, 1, start_time=room.utc() + 100_000 + 600 * number))
    await eventually(lambda: room.interface.statuses(9) == [0xFE])
    assert room.interface.statuses(8) == [1]
    room.air.close()


@pytest.mark.parametrize(
    ("hands", "statuses"),
    [
        ((("out", "scheduled"),), [1, 4, 0x0A]),
        ((("out", "scheduled"), ("in", "scheduled")), [1, 2, 3]),
        ((("out", "running"),), [1, 2, 4, 8]),
        ((("out", "running"), ("in", "running")), [1, 2, 4, 5, 9]),
        ((("out", "scheduled"), ("in", "running")), [1, 4, 5, 9]),
        ((("out", "running"), ("out", "running")), [1, 2, 4, 8]),
    ],
)
async def test_somebody_opts_out_and_in(hands: tuple[tuple[str, str], ...], statuses: list[int]) -> None:
    room = Room("load-control")
    device, interface = load_control(room), room.interface
    await eventually(lambda: device.clock.is_set)
    interface.say(0x0701, 0, event(7, 20, start_time=room.utc() + 240))
    known = device.drlc.events[7]
    for hand, when in hands:
        await eventually(lambda when=when: known.state == when)  # type: ignore[misc]
        (device.drlc.opt_out if hand == "out" else device.drlc.opt_in)(None)
    await eventually(lambda: known.state == "running")
    assert device.is_closed is (hands[-1][0] == "out")
    await eventually(lambda: interface.statuses(7) == statuses)
    room.air.close()


async def test_nobody_opts_out_of_a_mandatory_event_or_of_none() -> None:
    room = Room("load-control")
    device = load_control(room)
    with pytest.raises(EmulatorError, match="there is no event"):
        device.drlc.opt_out(None)
    room.interface.say(0x0701, 0, event(7, 60, criticality_level=7))
    with pytest.raises(EmulatorError, match="event 7 is mandatory"):
        device.drlc.opt_out(None)
    with pytest.raises(EmulatorError, match="no event 8; there are: 7"):
        device.drlc.opt_in(8)
    room.air.close()


async def test_cancels_are_obeyed_or_refused_with_the_status_that_says_why() -> None:
    room = Room("load-control")
    device, interface = load_control(room), room.interface
    await eventually(lambda: device.clock.is_set)
    interface.say(0x0701, 0, event(1, 600))
    interface.say(0x0701, 0, event(2, 60, start_time=room.utc() + 90_000))
    interface.say(0x0701, 0, event(3, 60, start_time=room.utc() + 98_000, utility_enrollment_group=5))
    interface.say(0x0701, 1, cancel(99))
    interface.say(0x0701, 1, cancel(3, utility_enrollment_group=6))
    interface.say(0x0701, 1, cancel(2, effective_time=room.utc() + 900_000))
    interface.say(0x0701, 1, cancel(1, device_class=1))
    interface.say(0x0701, 1, cancel(1))
    await eventually(lambda: interface.statuses(1) == [1, 2, 6])
    await eventually(lambda: interface.statuses(99) == [0xFD])
    await eventually(lambda: interface.statuses(3) == [1, 0xF8])
    await eventually(lambda: interface.statuses(2) == [1, 0xF9])
    interface.say(0x0701, 1, cancel(2, effective_time=room.utc() + 60))
    assert 2 in device.drlc.events
    await eventually(lambda: interface.statuses(2) == [1, 0xF9, 6])
    interface.say(0x0701, 2, b"\x00")
    await eventually(lambda: interface.statuses(3) == [1, 0xF8, 6])
    assert device.is_closed
    room.air.close()


async def test_a_cancel_that_honours_randomisation_ends_the_event_later() -> None:
    room = Room("load-control", speed=6000.0)
    device, interface = load_control(room), room.interface
    interface.say(0x0701, 0, event(1, 600, event_control=2))
    known = device.drlc.events[1]
    assert 0 < known.end_delay <= 1800
    interface.say(0x0701, 1, cancel(1, cancel_control=1))
    assert known.state == "running"
    assert 0 < known.ends - device.clock.now <= 1800
    await eventually(lambda: interface.statuses(1) == [1, 2, 6])
    room.air.close()


async def test_a_randomised_start_comes_later_and_is_the_same_for_one_seed() -> None:
    room = Room("load-control", speed=6000.0)
    device, interface = load_control(room), room.interface
    interface.say(0x0701, 0, event(1, 20, event_control=1))
    known = device.drlc.events[1]
    assert known.state == "scheduled"
    assert 0 < known.start_delay <= 1200
    assert known.ends == known.end
    await eventually(lambda: interface.statuses(1) == [1, 2, 3])
    again = Room("load-control")
    again.interface.say(0x0701, 0, event(1, 20, event_control=1))
    assert load_control(again).drlc.events[1].start_delay == known.start_delay
    room.air.close()
    again.air.close()


async def test_an_overlapping_event_ends_a_scheduled_one_at_once_and_a_running_one_at_its_start() -> None:
    room = Room("load-control")
    device, interface = load_control(room), room.interface
    await eventually(lambda: device.clock.is_set)
    interface.say(0x0701, 0, event(1, 60))
    now = room.utc()
    interface.say(0x0701, 0, event(2, 60, start_time=now + 1800))
    assert device.drlc.events[1].state == "running"
    interface.say(0x0701, 0, event(3, 60, start_time=now + 2400))
    await eventually(lambda: interface.statuses(2) == [1, 7])
    assert device.drlc.events[1].successor == 3
    await eventually(lambda: interface.statuses(3) == [1, 2])
    assert interface.statuses(1) == [1, 2, 7]
    order = [ReportEventStatus.unpack(p) for p in interface.commands(0x0701, 0)]
    pairs = [(report.issuer_event_id, report.event_status) for report in order]
    assert pairs.index((1, 7)) < pairs.index((3, 2))
    room.air.close()


async def test_between_two_successive_events_there_is_no_gap_and_no_overlap() -> None:
    room = Room("load-control")
    device, interface = load_control(room), room.interface
    await eventually(lambda: device.clock.is_set)
    now = room.utc()
    interface.say(0x0701, 0, event(1, 60, start_time=now + 36_000, event_control=3))
    interface.say(0x0701, 0, event(2, 60, start_time=now + 39_600, event_control=3))
    interface.say(0x0701, 0, event(3, 60, start_time=now + 32_400, event_control=3))
    first, second, before = (device.drlc.events[number] for number in (1, 2, 3))
    assert first.ends == second.begins > second.start
    assert before.ends == first.begins > first.start
    assert second.ends > second.end
    interface.say(0x0701, 0, event(4, 60))
    interface.say(0x0701, 0, event(5, 60, start_time=int(device.drlc.events[4].end) - 1))
    assert device.drlc.events[4].successor is None
    assert device.drlc.events[4].ends == device.drlc.events[5].begins
    room.air.close()


async def test_an_event_loses_the_classes_that_a_newer_one_or_a_cancel_takes() -> None:
    room = Room("se-thermostat")
    device, interface = room.device, room.interface
    assert isinstance(device, SeThermostat)
    await eventually(lambda: device.clock.is_set)
    later = room.utc() + 36_000
    interface.say(0x0701, 0, event(1, 60, start_time=later))
    strips = LoadControlEvent(issuer_event_id=2, device_class=2, duration_in_minutes=60, start_time=later)
    interface.say(0x0701, 0, strips.pack())
    assert {number: known.classes for number, known in device.drlc.events.items()} == {1: 1, 2: 2}
    interface.say(0x0701, 1, cancel(2, device_class=1))
    await eventually(lambda: interface.statuses(2) == [1, 0xF8])
    interface.say(0x0701, 0, event(3, 60))
    interface.say(0x0701, 1, cancel(3, device_class=1))
    assert device.drlc.events[3].classes == 2
    interface.say(0x0701, 1, cancel(3, device_class=2))
    await eventually(lambda: interface.statuses(3) == [1, 2, 6])
    assert interface.statuses(1) == [1]
    room.air.close()


async def test_a_device_that_leaves_forgets_what_it_was_told() -> None:
    room = Room("load-control")
    device, interface = load_control(room), room.interface
    await eventually(lambda: device.clock.is_set)
    interface.say(0x0701, 0, event(1, 600))
    room.air.drop(device.ieee, rejoin=True)
    assert device.drlc.events
    room.enter(device)
    room.air.drop(device.ieee)
    assert not device.drlc.events
    assert device.is_closed
    assert device.servers == {}
    display = make("display", 2, 1, room.home)
    assert isinstance(display, Display)
    room.interface.device = display
    room.enter(display)
    price = PublishPrice(issuer_event_id=1, current_time=room.utc(), duration_in_minutes=600, price=1)
    interface.say(0x0700, 0, price.pack())
    interface.say(0x0703, 0, DisplayMessage(message_id=1, duration_in_minutes=600, message="A").pack())
    assert display.shown()["price"] is not None
    room.air.drop(display.ieee)
    assert (display.shown()["price"], display.shown()["message"]) == (None, None)
    room.air.close()


async def test_before_it_knows_the_time_a_display_goes_by_the_time_that_a_price_carries() -> None:
    room = Room("display", knows_time=False, speed=1.0)
    display = room.device
    assert isinstance(display, Display)
    later = PublishPrice(issuer_event_id=1, current_time=NOON, start_time=NOON + 600, duration_in_minutes=60, price=1)
    room.interface.say(0x0700, 0, later.pack())
    running = PublishPrice(issuer_event_id=2, current_time=NOON, start_time=NOON - 60, duration_in_minutes=5, price=2)
    room.interface.say(0x0700, 0, running.pack())
    cut = PublishPrice(
        issuer_event_id=3, current_time=NOON, start_time=NOON + 1200, duration_in_minutes=0xFFFF, price=3
    )
    room.interface.say(0x0700, 0, cut.pack())
    room.interface.say(0x0703, 0, DisplayMessage(message_id=1, duration_in_minutes=60, message="now").pack())
    assert display.price.current is not None
    assert display.price.current.price.price == 2
    display.clock.set(NOON)
    assert display.price.current.price.price == 2
    spans = [(round(known.start) - NOON, known.end - NOON) for known in display.price.prices]
    assert [start for start, _ in spans] == [600, -60, 1200]
    assert [round(end) for _, end in spans[:2]] == [1200, 240]
    assert display.shown()["message"] == "now"
    room.air.close()


async def test_when_the_newer_event_is_cancelled_the_older_one_goes_on() -> None:
    room = Room("load-control")
    device, interface = load_control(room), room.interface
    await eventually(lambda: device.clock.is_set)
    interface.say(0x0701, 0, event(1, 20))
    interface.say(0x0701, 0, event(2, 20, start_time=room.utc() + 900))
    interface.say(0x0701, 1, cancel(2))
    await eventually(lambda: interface.statuses(1) == [1, 2, 3])
    assert interface.statuses(2) == [1, 6]
    room.air.close()


async def test_before_it_knows_the_time_only_what_starts_now_starts() -> None:
    room = Room("load-control", knows_time=False)
    device, interface = load_control(room), room.interface
    interface.say(0x0701, 0, event(1, 600))
    interface.say(0x0701, 0, event(2, 60, start_time=NOON + 90_000))
    interface.say(0x0701, 0, event(3, 60, start_time=NOON - 90_000))
    await eventually(lambda: interface.statuses(1) == [1, 2])
    [first] = [ReportEventStatus.unpack(p) for p in interface.commands(0x0701, 0)][:1]
    assert first.event_status_time == 0xFFFFFFFF
    assert device.drlc.events[2].state == device.drlc.events[3].state == "scheduled"
    device.clock.set(room.utc())
    assert device.drlc.events[1].state == "running"
    assert abs(device.drlc.events[1].end - room.utc() - 36_000) < 2400
    await eventually(lambda: interface.statuses(3) == [1, 0xFB])
    assert device.drlc.events[2].state == "scheduled"
    room.air.close()


async def test_a_report_that_nobody_takes_is_sent_again_and_then_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radios.emulators.se_drlc.REPORT_AGAIN_S", 0.05)
    room = Room("load-control", has_servers=False)
    device, interface = load_control(room), room.interface
    monkeypatch.setattr(device.drlc, "answered", lambda *_: None)
    interface.say(0x0701, 1, cancel(99))
    await eventually(lambda: interface.statuses(99) == [0xFD] * 3)
    await eventually(lambda: not device.drlc._reports)
    room.air.close()


async def test_a_thermostat_moves_its_setpoints_while_an_event_runs() -> None:
    room = Room("se-thermostat")
    device, interface = room.device, room.interface
    assert isinstance(device, SeThermostat)
    await eventually(lambda: device.clock.is_set)
    assert (device.shown()["cooling_c"], device.shown()["heating_c"]) == (24.5, 20.0)
    interface.say(0x0701, 0, event(1, 20, cooling_temperature_offset=15, heating_temperature_set_point=1700))
    assert (device.shown()["cooling_c"], device.shown()["heating_c"]) == (26.0, 17.0)
    await eventually(lambda: interface.statuses(1) == [1, 2, 3])
    [report, *_] = [ReportEventStatus.unpack(payload) for payload in interface.commands(0x0701, 0)]
    assert report.cooling_temperature_set_point_applied == 2600
    assert report.heating_temperature_set_point_applied == 1700
    assert (device.shown()["cooling_c"], device.shown()["heating_c"]) == (24.5, 20.0)
    room.air.close()


# -- the meter ---------------------------------------------------------------------------------------------------------


async def test_a_meter_counts_what_it_is_told_to() -> None:
    room = Room("smart-meter")
    device, interface = room.device, room.interface
    assert isinstance(device, SmartMeter)
    meter = device.meter
    meter.use_tier(2)
    meter.stand_still(5000)
    assert sum(meter.tiers_delivered) == pytest.approx(5000, abs=1)
    meter.rise(3600)
    meter.export(1800)
    before = list(meter.tiers_delivered)
    await eventually(lambda: meter.delivered_wh > 5050)
    meter.tick()
    assert meter.power_w == 1800
    assert meter.received_wh == pytest.approx((meter.delivered_wh - 5000) / 2, rel=0.05)
    assert [now > then for now, then in zip(meter.tiers_delivered, before, strict=True)] == [False, True, False, False]
    meter.export(0)
    meter.stand_still(7000)
    meter.tick()
    assert (meter.delivered_wh, meter.power_w) == (7000, 0)
    for ask, said in (
        (lambda: meter.stand_still(-1), "from 0 to"),
        (lambda: meter.rise(float("nan")), "from 0 to"),
        (lambda: meter.export(1e9), "from 0 to"),
        (lambda: meter.use_tier(5), "from 1 to 4, or 0"),
    ):
        with pytest.raises(EmulatorError, match=said):
            ask()
    meter.follow_home()
    read = zcl.frame(9, zcl.READ, struct.pack("<HHHH", 0x0102, 0x0107, 0x0300, 0x0108), to_client=False)
    interface._to(0x5E, 0x0A, 0x0109, 0x0702, read)
    await eventually(lambda: any(frame.cluster == 0x0702 for frame in interface.heard))
    [told] = [frame.payload[3:] for frame in interface.heard if frame.cluster == 0x0702]
    assert told[:4] == bytes.fromhex("02010025")
    assert told[-3:] == bytes.fromhex("080186")
    room.air.close()


# -- the utility's end -------------------------------------------------------------------------------------------------


async def test_an_interface_on_the_air_serves_a_display_a_meter_and_load_control(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("radios.emulators.se_endpoint.SEARCH_AGAIN_S", 0.1)
    room = Room("display", has_servers=False, knows_time=False, speed=600.0)
    display = room.device
    assert isinstance(display, Display)
    esi = make("esi", 2, 1, room.home)
    box, meter = make("load-control", 3, 1, room.home), make("smart-meter", 4, 1, room.home)
    assert isinstance(esi, EnergyServiceInterface)
    assert isinstance(box, LoadControl)
    for device in (esi, box, meter):
        room.enter(device)
    await eventually(lambda: display.clock.is_set and box.clock.is_set)
    assert abs(display.clock.now - esi.utc()) < 600
    await eventually(lambda: set(display.servers) == {0x000A, 0x0700, 0x0703, 0x0702} and 0x0701 in box.servers)
    assert {server.short for server in display.servers.values()} == {esi.short, meter.short}
    await eventually(lambda: len(esi.price.subscribers) == len(esi.drlc.subscribers) == 1)
    price = PublishPrice(issuer_event_id=5, current_time=0, duration_in_minutes=600, price=12, price_control=1)
    assert esi.price.create(price) == 1
    assert (
        esi.messaging.create(
            DisplayMessage(message_id=6, message_control=0x80, duration_in_minutes=600, message="hello")
        )
        == 1
    )
    event = LoadControlEvent(issuer_event_id=7, device_class=POOL_PUMP, duration_in_minutes=10)
    assert esi.drlc.create(event) == 1
    await eventually(lambda: esi.price.shown()[0]["acknowledged"] == [f"0x{display.short:04x}/10"])
    await eventually(lambda: esi.messaging.shown()[0]["confirmed"] == [f"0x{display.short:04x}/10"])
    await eventually(lambda: [status for _, status, _ in esi.drlc.events[0].heard] == [1, 2, 3])
    await eventually(lambda: display.shown()["meter_kwh"] is not None)
    for device in (esi, box, meter, display):
        json.dumps(device.shown())
    room.air.close()


async def test_an_interface_answers_what_clients_ask_or_says_that_there_is_nothing() -> None:
    room = Room("esi", has_servers=False)
    esi, interface = room.device, room.interface
    assert isinstance(esi, EnergyServiceInterface)
    interface.heard.clear()

    def ask(cluster: int, command: int, payload: bytes) -> int:
        interface.tsn = (interface.tsn + 1) & 0xFF
        body = zcl.frame(interface.tsn, command, payload, is_cluster=True, to_client=False)
        interface._to(0x01, 0x0A, 0x0109, cluster, body)
        return interface.tsn

    def answers(cluster: int) -> list[bytes]:
        return [frame.payload for frame in interface.heard if frame.cluster == cluster]

    questions = ((0x0700, 0, b"\x01"), (0x0700, 1, bytes(5)), (0x0703, 0, b""), (0x0701, 1, bytes(5)))
    for cluster, command, payload in questions:
        interface.heard.clear()
        tsn = ask(cluster, command, payload)
        await eventually(lambda cluster=cluster: bool(answers(cluster)))  # type: ignore[misc]
        assert answers(cluster) == [bytes((0x18, tsn, 0x0B, command, zcl.NOT_FOUND))]
    for number in (1, 2):
        start = int(esi.utc()) + 90_000 * number
        esi.drlc.create(
            LoadControlEvent(issuer_event_id=number, device_class=1, start_time=start, duration_in_minutes=5)
        )
        esi.price.create(
            PublishPrice(
                issuer_event_id=number, current_time=0, start_time=0 if number == 1 else start,
                duration_in_minutes=60, price=7,
            )
        )  # fmt: skip
    esi.messaging.create(DisplayMessage(message_id=9, duration_in_minutes=60, message="x"))
    await asyncio.sleep(0)
    for cluster, command, payload, count, size in (
        (0x0700, 0, b"\x01", 1, 42), (0x0700, 1, bytes(5), 2, 42), (0x0700, 1, bytes(4) + b"\x01", 1, 42),
        (0x0703, 0, b"", 1, 13), (0x0701, 1, bytes(5), 2, 23),
    ):  # fmt: skip
        await eventually(lambda: not room.air._timers)
        interface.heard.clear()
        tsn = ask(cluster, command, payload)
        await eventually(lambda cluster=cluster, count=count: len(answers(cluster)) == count)  # type: ignore[misc]
        assert tsn in [answer[1] for answer in answers(cluster)]
        assert [(answer[0], answer[2], len(answer)) for answer in answers(cluster)] == [(0x19, 0, 3 + size)] * count
    room.air.close()


async def test_an_interface_takes_the_time_from_who_holds_the_network() -> None:
    room = Room("esi")
    esi = room.device
    assert isinstance(esi, EnergyServiceInterface)
    room.interface.utc = lambda: NOON + 90_000_000
    assert abs(esi.utc() - NOON) < 90_000
    await eventually(lambda: esi.utc() > NOON + 80_000_000)
    room.air.close()


async def test_what_an_interface_cannot_send_is_refused_by_name() -> None:
    room = Room("esi", has_servers=False)
    esi = room.device
    assert isinstance(esi, EnergyServiceInterface)
    event = LoadControlEvent(issuer_event_id=1, device_class=1, duration_in_minutes=5)
    esi.drlc.create(event)
    with pytest.raises(EmulatorError, match="already"):
        esi.drlc.create(event)
    with pytest.raises(EmulatorError, match="limits"):
        esi.drlc.create(LoadControlEvent(issuer_event_id=2, device_class=1, duration_in_minutes=1441))
    with pytest.raises(EmulatorError, match="1 to 54 bytes"):
        esi.messaging.create(DisplayMessage(message_id=1, duration_in_minutes=1, message="x" * 55))
    with pytest.raises(EmulatorError, match="no message"):
        esi.messaging.cancel(None)
    room.air.close()


# -- hostile bytes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["display", "load-control", "se-thermostat", "esi", "smart-meter"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(control=st.integers(0, 0x1F), command=st.integers(0, 0x0D), payload=st.binary(max_size=70))
def test_no_encrypted_frame_breaks_a_device(kind: str, control: int, command: int, payload: bytes) -> None:
    async def hear() -> None:
        room = Room(kind)
        for cluster in (0x000A, 0x0700, 0x0701, 0x0702, 0x0703):
            room.interface._to(0x5E, 0x0A, 0x0109, cluster, bytes((control & ~4, 1, command)) + payload)
        room.interface._to(0, 0, 0, 0x8006, payload)
        room.device.tick()
        json.dumps(room.device.shown())
        room.air.close()

    asyncio.run(hear())
