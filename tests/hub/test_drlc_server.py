"""Demand response events at their server: what is taken, cancelled, asked for again, and the matrix of statuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_drlc_client import HOUR, T, client, event

from hub.errors import InvalidError, RefusedError
from hub.smart_energy import kept
from hub.smart_energy.drlc_limits import LIMITS
from hub.smart_energy.drlc_server import MAX_EVENTS, MAX_STATUSES, DrlcServer
from hub.smart_energy.peer import Peer
from protocols.ids import Eui64
from protocols.se.drlc import (
    AT_ONCE,
    CancelLoadControlEvent,
    Criticality,
    DeviceClass,
    EventControl,
    EventStatus,
    GetScheduledEvents,
    LoadControlEvent,
    ReportEventStatus,
)

BOX, ROOM = Peer(Eui64(0x11), 10), Peer(Eui64(0x22), 10)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"device_class": DeviceClass(0)}, "device_class"),
        ({"device_class": DeviceClass(0x1000)}, "device_class"),
        ({"criticality": Criticality(0)}, "criticality"),
        ({"minutes": 1441}, "duration_min"),
        ({"start": 0xFFFFFFFF}, "start_time"),
        ({"heating_set_point": -27316}, "heating_set_point"),
        ({"load_adjustment": -101}, "load_adjustment"),
        ({"duty_cycle": 101}, "duty_cycle"),
        ({"event_control": EventControl(4)}, "event_control"),
        ({"start": T - HOUR}, "start_time"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_kept(changed: dict[str, object], field: str) -> None:
    server = DrlcServer()
    with pytest.raises(InvalidError) as caught:
        server.create(event(**changed), T)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert server.events == {}
    assert field in {limit.field for limit in LIMITS}


def test_a_number_is_used_once() -> None:
    server = DrlcServer()
    server.create(event(7), T)
    with pytest.raises(RefusedError, match="an event 7 already"):
        server.create(event(7), T)


def test_a_number_is_free_at_the_end_of_its_event() -> None:
    server = DrlcServer()
    server.create(event(8), T)
    for number, now in ((7, T), (7, T + HOUR)):
        first = server.create(event(number, 0), now)
        first.delivered.add(BOX)
    server.cancel(CancelLoadControlEvent(issuer_event_id=7, device_class=DeviceClass(0x0FFF)))
    with pytest.raises(RefusedError, match="an event 7 already"):
        server.create(event(7, T + 3 * HOUR), T + 2 * HOUR - 1)
    last = server.create(event(7, 0), T + 2 * HOUR)
    assert (last.cancelled, last.delivered, last.start) == (False, set(), T + 2 * HOUR)
    assert list(server.events) == [8, 7]


def test_now_is_when_it_was_made_and_is_sent_as_that() -> None:
    server = DrlcServer()
    made = server.create(event(1, 0), T)
    assert (made.start, made.end) == (T, T + HOUR)
    assert server.answer(GetScheduledEvents(), T + 600)[0].start_time == T


def test_events_are_asked_for_by_their_end() -> None:
    server = DrlcServer()
    for number, start in ((1, T + 4 * HOUR), (2, T), (3, T + 2 * HOUR)):
        server.create(event(number, start), T)

    def asked(**what: int) -> list[int]:
        return [one.issuer_event_id for one in server.answer(GetScheduledEvents(**what), T + 60)]

    assert asked() == [2, 3, 1]
    assert asked(number_of_events=2) == [2, 3]
    assert asked(start_time=T + HOUR) == [3, 1]
    assert asked(start_time=T + HOUR - 1) == [2, 3, 1]
    assert asked(start_time=T + 4 * HOUR, issuer_event_id=2) == []
    assert asked(start_time=T + 4 * HOUR, issuer_event_id=0xFFFFFFFF) == [1]
    assert asked(start_time=T + 9 * HOUR) == []


def test_a_cancel_for_one_group_keeps_an_event_for_all_to_the_other_groups() -> None:
    server = DrlcServer()
    server.create(event(1, device_class=DeviceClass.EV), T)
    for_five = CancelLoadControlEvent(issuer_event_id=1, device_class=DeviceClass.EV, utility_enrollment_group=5)
    left = server.cancel(for_five)
    assert left is not None
    assert (left.cancelled, left.classes, server.unheard(BOX, T)) == (False, DeviceClass.EV, [])
    again = DrlcServer()
    again.load([kept.event_from(kept.to_text(left))])
    # Devices of that group that come back, or ask, take it and are told at once that it is not for them.
    assert again.answer(GetScheduledEvents(), T) == [left.command(), for_five]
    assert again.cancel(replace(for_five, utility_enrollment_group=0)) is again.events[1]
    assert (again.events[1].cancelled, again.events[1].withdrawals_for_groups()) == (True, [])


def test_a_client_that_asks_does_not_take_an_older_event_for_the_newest() -> None:
    server = DrlcServer()
    both = DeviceClass.EV | DeviceClass.WATER_HEATER
    server.create(event(1, T + HOUR, 120, device_class=both), T)
    server.create(event(2, T + HOUR, 120, device_class=DeviceClass.HVAC), T)
    server.create(event(3, T, 120, device_class=DeviceClass.EV | DeviceClass.HVAC), T)
    again = DrlcServer()
    again.load([kept.event_from(kept.to_text(one)) for one in server.events.values()])
    fresh = client(device_class=both | DeviceClass.HVAC)
    for told in again.answer(GetScheduledEvents(), T):
        assert isinstance(told, LoadControlEvent)
        fresh.receive(told, BOX, T)
    assert {one.number: one.classes for one in fresh.events.values()} == {
        3: DeviceClass.EV | DeviceClass.HVAC,
        1: DeviceClass.WATER_HEATER,
    }


def test_a_cancel_for_some_classes_keeps_the_event_for_the_others() -> None:
    server = DrlcServer()
    both = DeviceClass.EV | DeviceClass.WATER_HEATER
    server.create(event(1, device_class=both, utility_enrollment_group=4), T)
    other_group = CancelLoadControlEvent(issuer_event_id=1, device_class=both, utility_enrollment_group=5)
    assert not server.cancel(other_group).cancelled  # type: ignore[union-attr]
    half = CancelLoadControlEvent(issuer_event_id=1, device_class=DeviceClass.EV)
    left = server.cancel(half)
    assert left is not None
    assert (left.cancelled, left.command().device_class) == (False, DeviceClass.WATER_HEATER)
    rest = CancelLoadControlEvent(issuer_event_id=1, device_class=DeviceClass.WATER_HEATER)
    assert server.cancel(rest).cancelled  # type: ignore[union-attr]
    assert server.valid(T) == []
    assert server.cancel(CancelLoadControlEvent(issuer_event_id=99, device_class=both)) is None


def test_everything_is_cancelled_and_then_cleared() -> None:
    server = DrlcServer()
    for number in (1, 2):
        server.create(event(number, T + number * 10 * HOUR), T)
    assert [one.number for one in server.cancel_all(AT_ONCE, T)] == [1, 2]
    assert server.cancel_all(AT_ONCE, T) == []
    assert (server.clear(T), server.events) == (2, {})


def test_a_client_that_comes_back_gets_what_it_has_not() -> None:
    server = DrlcServer()
    first, second = server.create(event(1), T), server.create(event(2, T + 9 * HOUR), T)
    first.delivered.add(BOX)
    assert server.missing(BOX, T) == [second]
    assert server.missing(ROOM, T) == [first, second]
    assert server.missing(ROOM, T + 3 * HOUR) == [second]
    # A newer one for the same classes at the same time takes its place.
    third = server.create(event(3, T + 9 * HOUR), T)
    assert (second.superseded_by, server.missing(ROOM, T)) == (3, [first, third])
    server.create(event(4, T + 9 * HOUR, device_class=DeviceClass.EV), T)
    assert third.superseded_by is None


def report(number: int, status: EventStatus, at: int = T) -> ReportEventStatus:
    return ReportEventStatus(
        issuer_event_id=number, status=status, status_time=at, criticality_applied=Criticality.GREEN
    )


def test_reports_make_a_matrix() -> None:
    server = DrlcServer()
    made = server.create(event(1), T)
    assert server.hear(BOX, report(9, EventStatus.RECEIVED), T) is None
    for status in (EventStatus.RECEIVED, EventStatus.STARTED, EventStatus.STARTED):
        assert server.hear(BOX, report(1, status), T + 5) is made
    server.hear(ROOM, report(1, EventStatus.OPTED_OUT), T + 6)
    assert [told.status for told in made.told[BOX]] == [EventStatus.RECEIVED, EventStatus.STARTED, EventStatus.STARTED]
    assert (made.last(BOX), made.last(ROOM), made.last(Peer(Eui64(3), 1))) == (
        EventStatus.STARTED, EventStatus.OPTED_OUT, None,
    )  # fmt: skip
    assert made.delivered == {BOX, ROOM}
    for _ in range(3 * MAX_STATUSES):
        server.hear(BOX, report(1, EventStatus.COMPLETED), T + 7)
    assert len(made.told[BOX]) == MAX_STATUSES


def test_the_store_is_bounded_and_gives_up_only_what_is_over() -> None:
    server = DrlcServer()
    for number in range(MAX_EVENTS):
        server.create(event(number, T + number * HOUR), T)
    with pytest.raises(RefusedError, match="cancel some first"):
        server.create(event(9999), T)
    server.create(event(9999, T + 3 * HOUR), T + HOUR)
    assert 0 not in server.events
    again = DrlcServer()
    again.load(server.events.values())
    assert list(again.events) == list(server.events)


def test_a_client_is_told_of_a_cancel_until_it_has_reported_the_end() -> None:
    server = DrlcServer()
    known = server.create(event(1), T)
    known.delivered |= {BOX}
    server.cancel(CancelLoadControlEvent(issuer_event_id=1, device_class=known.event.device_class))
    assert server.unheard(ROOM, T) == []
    for status, waits in (("RECEIVED", True), ("STARTED", True), ("REJECTED_CANCEL", True), ("CANCELLED", False)):
        server.hear(BOX, report(1, EventStatus[status]), T)
        assert [one.number for one in server.unheard(BOX, T)] == ([1] if waits else [])
    known.told.clear()
    assert [one.withdrawal().device_class for one in server.unheard(BOX, T)] == [known.event.device_class]
    assert server.unheard(BOX, known.end) == []


def test_a_client_hears_for_which_classes_and_groups_an_event_was_cancelled_while_it_was_away() -> None:
    server = DrlcServer()
    known = server.create(event(1, device_class=DeviceClass.POOL_PUMP | DeviceClass.EV | DeviceClass.HVAC), T)
    known.delivered |= {BOX, ROOM}
    assert server.wide(BOX, T) == []
    server.cancel(CancelLoadControlEvent(issuer_event_id=1, device_class=DeviceClass.POOL_PUMP))
    server.cancel(CancelLoadControlEvent(issuer_event_id=1, device_class=DeviceClass.EV, utility_enrollment_group=7))
    assert server.wide(BOX, T) == server.wide(ROOM, T) == [known]
    assert [(one.device_class, one.utility_enrollment_group) for one in known.narrowings()] == [
        (DeviceClass.POOL_PUMP, 0), (DeviceClass.EV, 7),
    ]  # fmt: skip
    known.narrowed.add(BOX)
    server.hear(ROOM, report(1, EventStatus.CANCELLED), T)
    assert server.wide(BOX, T) == server.wide(ROOM, T) == []
    server.cancel(CancelLoadControlEvent(issuer_event_id=1, device_class=DeviceClass.EV))
    assert server.wide(BOX, T) == [known]
    assert server.wide(BOX, known.end) == []
    assert kept.event_from(kept.to_text(known)) == known
    server.cancel(CancelLoadControlEvent(issuer_event_id=1, device_class=DeviceClass.HVAC))
    assert (server.wide(BOX, T), server.unheard(BOX, T)) == ([], [known])
