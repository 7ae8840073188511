"""Emulated Smart Energy devices that follow load control events: a load control box and a thermostat."""

from __future__ import annotations

import pytest
from se_room import NOBODY, NOON, UNSET, Room, cancel, event

from radios.emulators.devices import make
from radios.emulators.errors import EmulatorError
from radios.emulators.se_devices import Display, LoadControl, SeThermostat
from radios.emulators.se_payloads import (
    DisplayMessage,
    LoadControlEvent,
    PublishPrice,
    ReportEventStatus,
)
from tests.hub.waiting import eventually


def load_control(room: Room) -> LoadControl:
    assert isinstance(room.device, LoadControl)
    return room.device


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
