"""Demand response events at a client: the reception checks in order, overlaps, cancels, opting out, every status."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from hub.smart_energy import kept_client
from hub.smart_energy.drlc_client import DrlcClient, DrlcPolicy, Report, State
from hub.smart_energy.peer import Peer
from protocols.errors import CodecError
from protocols.ids import Eui64
from protocols.se.base import SeVersion
from protocols.se.drlc import (
    AT_ONCE,
    PUNCTUAL,
    UNUSED_SET_POINT,
    CancelControl,
    CancelLoadControlEvent,
    Criticality,
    DeviceClass,
    EventControl,
    EventStatus,
    LoadControlEvent,
)
from protocols.zcl.status import Status

S = EventStatus
ESI, OTHER = Peer(Eui64(0x0013A20000000001), 0x5E), Peer(Eui64(0x0013A20000000002), 0x0A)
T = 850_000_000
HOUR = 3600


def event(number: int = 1, start: int = T + HOUR, minutes: int = 60, **more: object) -> LoadControlEvent:
    fields: dict[str, object] = {
        "issuer_event_id": number,
        "device_class": DeviceClass.WATER_HEATER,
        "start_time": start,
        "duration_min": minutes,
        "criticality": Criticality.LEVEL_2,
        "event_control": PUNCTUAL,
        **more,
    }
    return LoadControlEvent(**fields)  # type: ignore[arg-type]


def client(draw: int | None = None, **policy: object) -> DrlcClient:
    return DrlcClient(DrlcPolicy(**policy), lambda most: most if draw is None else draw)  # type: ignore[arg-type]


def said(reports: object) -> list[tuple[int, EventStatus]]:
    assert isinstance(reports, list | tuple)
    return [(report.status.issuer_event_id, report.status.status) for report in reports]


def run(at: DrlcClient, start: int, end: int, step: int = 60) -> list[tuple[int, int, EventStatus]]:
    """What is reported while time goes by: seconds since T, event, status."""
    found = []
    for now in range(start, end + 1, step):
        found += [(now - T, number, status) for number, status in said(at.due(now))]
    return found


def test_an_event_runs_through_its_states() -> None:
    at = client()
    taken = at.receive(event(), ESI, T)
    assert (taken.status, said(taken.reports)) == (Status.SUCCESS, [(1, S.RECEIVED)])
    assert taken.reports[0].answers
    assert at.next_time() == T + HOUR
    assert run(at, T, T + 3 * HOUR) == [(HOUR, 1, S.STARTED), (2 * HOUR, 1, S.COMPLETED)]
    assert at.events == {}
    assert at.next_time() is None


@pytest.mark.parametrize(
    ("changed", "statuses"),
    [
        ({"device_class": DeviceClass.EV}, []),
        ({"utility_enrollment_group": 9}, []),
        ({"utility_enrollment_group": 9, "duration_min": 0}, []),  # not for us, whatever else is wrong
        ({"criticality": Criticality(0)}, [(1, S.REJECTED)]),
        ({"criticality": Criticality(0x10)}, [(1, S.REJECTED)]),
        ({"duration_min": 0}, [(1, S.REJECTED)]),
        ({"duration_min": 1441}, [(1, S.REJECTED)]),
        ({"start_time": 0xFFFFFFFF}, [(1, S.REJECTED)]),
        ({"cooling_set_point": -27316}, [(1, S.REJECTED)]),
        ({"load_adjustment": 101}, [(1, S.REJECTED)]),
        ({"load_adjustment": -128}, [(1, S.RECEIVED)]),
        ({"duty_cycle": 101}, [(1, S.REJECTED)]),
        ({"duty_cycle": 255}, [(1, S.RECEIVED)]),
        ({"start_time": T - 2 * HOUR}, [(1, S.REJECTED_EXPIRED)]),
        ({"start_time": T - HOUR}, [(1, S.REJECTED_EXPIRED)]),  # its end is now
        ({"start_time": T - HOUR + 1}, [(1, S.RECEIVED), (1, S.STARTED)]),
        ({"start_time": 0}, [(1, S.RECEIVED), (1, S.STARTED)]),
    ],
)
def test_an_event_is_looked_at_in_order(changed: dict[str, object], statuses: list[tuple[int, EventStatus]]) -> None:
    at = client(device_class=DeviceClass.WATER_HEATER, utility_enrollment_group=4)
    assert said(at.receive(replace(event(utility_enrollment_group=4), **changed), ESI, T).reports) == statuses  # type: ignore[arg-type]


def test_an_event_that_came_already_is_a_duplicate_and_one_of_another_esi_is_reported_to_both() -> None:
    at = client()
    at.receive(event(), ESI, T)
    again = at.receive(event(), ESI, T + 1)
    assert (again.status, again.reports) == (Status.DUPLICATE_EXISTS, ())
    other = at.receive(event(), OTHER, T + 2)
    assert [(report.issuer, report.status.status) for report in other.reports] == [(OTHER, S.RECEIVED)]
    assert [report.issuer for report in at.due(T + HOUR)] == [ESI, OTHER]


def test_an_event_is_its_issuers() -> None:
    at = client()
    at.receive(event(), ESI, T)
    cancel = CancelLoadControlEvent(issuer_event_id=1, device_class=DeviceClass.WATER_HEATER)
    refused = at.cancel(cancel, OTHER, T)
    assert [(one.issuer, one.status.status) for one in refused.reports] == [(OTHER, S.REJECTED_UNDEFINED)]
    another = at.receive(event(minutes=30, duty_cycle=0), OTHER, T)
    assert [(one.issuer, one.status.status) for one in another.reports] == [(OTHER, S.REJECTED)]
    assert at.events[1].issuers == [ESI]
    assert said(at.cancel(cancel, ESI, T).reports) == [(1, S.CANCELLED)]


def test_a_full_client_refuses() -> None:
    at = client(capacity=1)
    at.receive(event(1), ESI, T)
    assert said(at.receive(event(2, T + 5 * HOUR), ESI, T).reports) == [(2, S.REJECTED)]


@pytest.mark.parametrize(("version", "end"), [(SeVersion.V1_0, 3600 + 3600), (SeVersion.V1_2, 3600 + 1800 + 3600)])
def test_what_is_drawn_is_drawn_once_and_moves_the_end_only_from_se_1_2_on(version: SeVersion, end: int) -> None:
    at = client(version=version)
    at.receive(event(event_control=EventControl.RANDOMIZE_START), ESI, T)
    [known] = at.events.values()
    assert (known.begins, known.ends(version)) == (T + 3600 + 1800, T + end)
    assert run(at, T, T + 4 * HOUR) == [(5400, 1, S.STARTED), (end, 1, S.COMPLETED)]


def test_an_end_is_drawn_where_the_event_wants_it() -> None:
    at = client(stop_randomize_min=200)  # no more than an hour
    at.receive(event(event_control=EventControl.RANDOMIZE_END), ESI, T)
    assert run(at, T, T + 4 * HOUR) == [(3600, 1, S.STARTED), (3 * 3600, 1, S.COMPLETED)]


def test_a_scheduled_event_is_superseded_at_once_and_a_running_one_when_the_next_starts() -> None:
    at = client()
    at.receive(event(1), ESI, T)
    assert said(at.receive(event(2, T + HOUR + 60), ESI, T).reports) == [(2, S.RECEIVED), (1, S.SUPERSEDED)]
    run(at, T, T + HOUR + 120)
    assert said(at.receive(event(3, T + HOUR + 1800), ESI, T + HOUR + 120).reports) == [(3, S.RECEIVED)]
    assert run(at, T + HOUR + 180, T + 4 * HOUR) == [
        (5400, 2, S.SUPERSEDED), (5400, 3, S.STARTED), (9000, 3, S.COMPLETED),
    ]  # fmt: skip


def test_a_running_event_stays_when_the_one_that_would_supersede_it_is_cancelled() -> None:
    at = client()
    at.receive(event(1, 0), ESI, T)
    at.receive(event(2, T + 1800), ESI, T)
    cancel = CancelLoadControlEvent(issuer_event_id=2, device_class=DeviceClass.WATER_HEATER)
    assert said(at.cancel(cancel, ESI, T + 60).reports) == [(2, S.CANCELLED)]
    assert run(at, T + 120, T + 2 * HOUR) == [(HOUR, 1, S.COMPLETED)]


def test_there_is_no_gap_between_an_event_and_the_one_that_takes_its_place() -> None:
    at = client(draw=1500)
    at.receive(event(1, T, 60), ESI, T)
    # It overlaps, and its start is drawn to be after the end of the first.
    at.receive(event(2, T + 3000, 60, event_control=EventControl.RANDOMIZE_START), ESI, T + 60)
    assert run(at, T + 60, T + 3 * HOUR) == [(4500, 1, S.SUPERSEDED), (4500, 2, S.STARTED), (6600, 2, S.COMPLETED)]


def test_successive_events_do_not_overlap_and_leave_no_gap() -> None:
    at = client(draw=600)
    at.receive(event(1, T, 60, event_control=EventControl.RANDOMIZE_END), ESI, T)
    at.receive(event(2, T + HOUR, 60, event_control=EventControl.RANDOMIZE_START), ESI, T)
    assert run(at, T + 60, T + 3 * HOUR) == [(4200, 1, S.COMPLETED), (4200, 2, S.STARTED), (7200, 2, S.COMPLETED)]


def test_an_event_gives_way_class_by_class() -> None:
    both = DeviceClass.WATER_HEATER | DeviceClass.EV
    at = client()
    at.receive(event(1, device_class=both), ESI, T)
    assert said(at.receive(event(2, device_class=DeviceClass.EV), ESI, T).reports) == [(2, S.RECEIVED)]
    assert at.events[1].classes == DeviceClass.WATER_HEATER
    assert said(at.receive(event(3), ESI, T).reports) == [(3, S.RECEIVED), (1, S.SUPERSEDED)]
    assert set(at.events) == {2, 3}


def test_an_older_event_that_overlaps_is_refused_from_se_1_2_on() -> None:
    for version, status in ((SeVersion.V1_1, S.RECEIVED), (SeVersion.V1_2, S.REJECTED)):
        at = client(version=version)
        at.receive(event(5), ESI, T)
        assert said(at.receive(event(4), ESI, T).reports)[0] == (4, status)


@pytest.mark.parametrize(
    ("acts", "reports"),
    [
        ([(0, "out")], [(3600, S.OPTED_OUT), (7200, S.NO_PARTICIPATION)]),
        ([(0, "out"), (60, "in")], [(3600, S.STARTED), (7200, S.COMPLETED)]),
        ([(5400, "out")], [(3600, S.STARTED), (5400, S.OPTED_OUT), (7200, S.PARTIAL_OPTED_OUT)]),
        (
            [(5400, "out"), (6000, "in")],
            [(3600, S.STARTED), (5400, S.OPTED_OUT), (6000, S.OPTED_IN), (7200, S.PARTIAL_OPTED_IN)],
        ),
        ([(0, "out"), (6000, "in")], [(3600, S.OPTED_OUT), (6000, S.OPTED_IN), (7200, S.PARTIAL_OPTED_IN)]),
        ([(0, "out"), (30, "out"), (60, "in"), (90, "in")], [(3600, S.STARTED), (7200, S.COMPLETED)]),
    ],
)
def test_people_opt_out_and_in(acts: list[tuple[int, str]], reports: list[tuple[int, EventStatus]]) -> None:
    at = client()
    at.receive(event(), ESI, T)
    told: list[tuple[int, EventStatus]] = []
    wanted = dict(acts)
    for now in range(0, 3 * HOUR, 30):
        told += [(now, status) for _, status in said(at.due(T + now))]
        if now in wanted:
            act = at.opt_out if wanted[now] == "out" else at.opt_in
            told += [(now, status) for _, status in said(act(1, T + now))]
    assert told == reports


def test_nobody_opts_out_of_what_is_mandatory() -> None:
    at = client()
    at.receive(event(criticality=Criticality.EMERGENCY), ESI, T)
    with pytest.raises(PermissionError):
        at.opt_out(1, T)
    with pytest.raises(KeyError):
        at.opt_out(2, T)


def cancel(number: int = 1, **more: object) -> CancelLoadControlEvent:
    fields: dict[str, object] = {"issuer_event_id": number, "device_class": DeviceClass.WATER_HEATER, **more}
    return CancelLoadControlEvent(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("command", "statuses"),
    [
        (cancel(2), [(2, S.REJECTED_UNDEFINED)]),
        (cancel(device_class=DeviceClass.EV), [(1, S.REJECTED_CANCEL)]),
        (cancel(utility_enrollment_group=7), [(1, S.REJECTED_CANCEL)]),
        (cancel(effective_time=T + 2 * HOUR + 1), [(1, S.REJECTED_EFFECTIVE_TIME)]),
        (cancel(effective_time=T + 60), []),
        (cancel(), [(1, S.CANCELLED)]),
        (cancel(device_class=DeviceClass.GENERATION << 1), []),
    ],
)
def test_a_cancel_is_looked_at_in_order(
    command: CancelLoadControlEvent, statuses: list[tuple[int, EventStatus]]
) -> None:
    at = client()
    at.receive(event(utility_enrollment_group=4), ESI, T)
    taken = at.cancel(command, ESI, T)
    assert said(taken.reports) == statuses
    for report in taken.reports:
        if report.status.status >= S.REJECTED_CANCEL:
            assert (report.status.criticality_applied, report.status.cooling_set_point_applied) == (0, -0x8000)
            assert (report.status.load_adjustment_applied, report.status.duty_cycle_applied) == (-0x80, 0xFF)


def test_a_cancel_for_another_group_leaves_an_event_for_all_groups_to_ours() -> None:
    at = client(utility_enrollment_group=4)
    at.receive(event(), ESI, T)
    assert said(at.cancel(cancel(utility_enrollment_group=7), ESI, T).reports) == [(1, S.REJECTED_CANCEL)]
    assert said(at.cancel(cancel(utility_enrollment_group=4), ESI, T).reports) == [(1, S.CANCELLED)]


def test_what_is_over_here_is_not_taken_again() -> None:
    at = client()
    older, newer = event(1, T, minutes=600), event(2, T + HOUR)
    at.receive(older, ESI, T)
    at.receive(newer, ESI, T)
    assert run(at, T, T + HOUR) == [(HOUR, 1, S.SUPERSEDED), (HOUR, 2, S.STARTED)]
    again = client()
    kept_client.restore(again, kept_client.to_text(at))
    for told in (older, newer):  # as a server answers that is asked after a restart
        assert again.receive(told, ESI, T + HOUR + 60).status is Status.DUPLICATE_EXISTS
    assert run(again, T + HOUR, T + 3 * HOUR) == [(2 * HOUR, 2, S.COMPLETED)]
    # A clock that is set back starts nothing again, and another server's event is another one.
    assert (again.receive(newer, ESI, T).status, list(again.events)) == (Status.DUPLICATE_EXISTS, [])
    assert said(again.receive(newer, OTHER, T).reports) == [(2, S.RECEIVED)]


def test_a_cancel_waits_for_its_time() -> None:
    at = client()
    at.receive(event(), ESI, T)
    at.cancel(cancel(effective_time=T + 5400), ESI, T)
    assert at.next_time() == T + 3600
    assert run(at, T, T + 3 * HOUR) == [(3600, 1, S.STARTED), (5400, 1, S.CANCELLED)]


def test_a_cancel_for_some_classes_leaves_the_others() -> None:
    at = client()
    at.receive(event(device_class=DeviceClass.WATER_HEATER | DeviceClass.EV), ESI, T)
    assert at.cancel(cancel(), ESI, T).reports == ()
    assert at.events[1].classes == DeviceClass.EV
    assert said(at.cancel(cancel(device_class=DeviceClass.EV), ESI, T).reports) == [(1, S.CANCELLED)]


def test_a_cancel_with_randomization_ends_a_running_event_a_little_later() -> None:
    for control, ended in ((AT_ONCE, 3660), (CancelControl.WITH_RANDOMIZATION, 3660 + 600)):
        at = client(draw=600)
        at.receive(event(event_control=EventControl.RANDOMIZE_END), ESI, T)
        run(at, T, T + 3600)
        first = [
            (3660, 1, status) for _, status in said(at.cancel(cancel(cancel_control=control), ESI, T + 3660).reports)
        ]
        assert first + run(at, T + 3660, T + 3 * HOUR) == [(ended, 1, S.CANCELLED)]


def test_cancel_all_ends_everything() -> None:
    at = client()
    at.receive(event(1, 0), ESI, T)
    at.receive(event(2, T + 5 * HOUR), ESI, T)
    assert sorted(said(at.cancel_all(AT_ONCE, T + 60).reports)) == [(1, S.CANCELLED), (2, S.CANCELLED)]
    assert at.events == {}


def test_a_report_says_what_was_applied() -> None:
    at = client()
    wanted = event(heating_set_point=1800, duty_cycle=50, load_adjustment=-20, criticality=Criticality.LEVEL_4)
    [report] = at.receive(wanted, ESI, T).reports
    status = report.status
    assert (status.heating_set_point_applied, status.duty_cycle_applied) == (1800, 50)
    assert (status.load_adjustment_applied, status.criticality_applied) == (-20, Criticality.LEVEL_4)
    assert (status.status_time, status.event_control) == (T, PUNCTUAL)


def test_what_is_active_is_shown_with_the_most_critical_first() -> None:
    at = client()
    at.receive(event(1, 0), ESI, T)
    at.receive(event(2, 0, device_class=DeviceClass.EV, criticality=Criticality.LEVEL_5), ESI, T)
    assert [known.number for known in at.active()] == [2, 1]
    assert all(known.state is State.RUNNING for known in at.active())


def test_a_clock_that_is_set_back_starts_nothing_again() -> None:
    at = client()
    at.receive(event(), ESI, T)
    run(at, T, T + HOUR)
    assert run(at, T - 10 * HOUR, T - 9 * HOUR) == []  # it goes on: nobody is told that it starts twice
    assert run(at, T + HOUR, T + 3 * HOUR) == [(2 * HOUR, 1, S.COMPLETED)]
    assert run(at, T, T + 3 * HOUR) == []


def test_a_clock_that_is_set_forward_past_everything_tells_all_of_it() -> None:
    at = client()
    at.receive(event(), ESI, T)
    assert said(at.due(T + 10 * HOUR)) == [(1, S.STARTED), (1, S.COMPLETED)]


def test_times_may_pass_32_bits() -> None:
    at = client()
    late = 0xFFFFFFF0
    at.receive(event(start=late), ESI, late - 100)
    assert said(at.due(late)) == [(1, S.STARTED)]
    assert at.next_time() == late + 3600
    assert said(at.due(late + 3600)) == [(1, S.COMPLETED)]


def test_what_is_over_is_remembered_for_a_day_and_another_time_is_another_event() -> None:
    at = client(capacity=2)
    at.receive(event(1), ESI, T)
    run(at, T, T + 2 * HOUR)
    at.receive(event(2, T + 2 * HOUR), ESI, T + 2 * HOUR)
    at.cancel(CancelLoadControlEvent(issuer_event_id=2, device_class=DeviceClass.WATER_HEATER), ESI, T + 2 * HOUR + 60)
    assert at.events == {}
    assert [(one.number, one.last_status, one.ended_at) for one in at.past.values()] == [
        (1, S.COMPLETED, T + 2 * HOUR),
        (2, S.CANCELLED, T + 2 * HOUR + 60),
    ]
    assert all(one.state is State.OVER for one in at.past.values())
    assert said(at.receive(event(2, T + 4 * HOUR), ESI, T + 3 * HOUR).reports) == [(2, S.RECEIVED)]  # as a new one
    with pytest.raises(KeyError):
        at.opt_out(1, T + 3 * HOUR)
    run(at, T + 3 * HOUR, T + 5 * HOUR)
    at.receive(event(3, T + 27 * HOUR), ESI, T + 27 * HOUR)
    at.cancel(CancelLoadControlEvent(issuer_event_id=3, device_class=DeviceClass.WATER_HEATER), ESI, T + 27 * HOUR)
    assert list(at.past) == [2, 3]  # the first one ended more than a day ago
    at.receive(event(4, T + 27 * HOUR), ESI, T + 27 * HOUR)
    at.cancel(CancelLoadControlEvent(issuer_event_id=4, device_class=DeviceClass.WATER_HEATER), ESI, T + 27 * HOUR)
    assert list(at.past) == [3, 4]  # no more than there may be events


def test_what_was_kept_goes_on_after_a_restart() -> None:
    at = client()
    at.receive(event(1, 0), ESI, T)
    at.receive(event(2, T + 5 * HOUR), ESI, T)
    at.opt_out(2, T)
    again = client()
    again.load(at.events.values())
    assert run(again, T + 60, T + 7 * HOUR) == [
        (3600, 1, S.COMPLETED), (5 * 3600, 2, S.OPTED_OUT), (6 * 3600, 2, S.NO_PARTICIPATION),
    ]  # fmt: skip


def test_a_week_of_random_events_ends_with_every_event_told_to_its_end() -> None:
    source = Random(5)
    at = DrlcClient(DrlcPolicy(), lambda most: source.randint(0, most))
    told: dict[int, list[EventStatus]] = {}

    def hear(reports: list[Report] | tuple[Report, ...]) -> None:
        for report in reports:
            told.setdefault(report.status.issuer_event_id, []).append(report.status.status)

    number = 0
    for now in range(T, T + 7 * 86_400, 300):
        hear(at.due(now))
        if source.random() < 0.05:
            number += 1
            start = 0 if source.random() < 0.2 else now + source.randint(0, 6 * HOUR)
            classes = DeviceClass(source.randint(1, 0x0FFF))
            control = EventControl(source.randint(0, 3))
            new = event(number, start, source.randint(1, 240), device_class=classes, event_control=control)
            hear(at.receive(new, ESI, now).reports)
        if at.events and source.random() < 0.02:
            chosen = source.choice(list(at.events))
            hear(at.opt_out(chosen, now) if source.random() < 0.5 else at.opt_in(chosen, now))
        if at.events and source.random() < 0.01:
            chosen = source.choice(list(at.events))
            classes = DeviceClass(source.randint(1, 0x0FFF))
            hear(at.cancel(cancel(chosen, device_class=classes), ESI, now).reports)
    hear(at.cancel_all(AT_ONCE, T + 7 * 86_400).reports)
    last = {
        S.COMPLETED, S.CANCELLED, S.SUPERSEDED, S.PARTIAL_OPTED_OUT, S.PARTIAL_OPTED_IN, S.NO_PARTICIPATION, S.REJECTED,
    }  # fmt: skip
    assert number > 80
    for statuses in told.values():
        heard = [status for status in statuses if status is not S.REJECTED_CANCEL]
        assert heard[0] in (S.RECEIVED, S.REJECTED)
        assert heard[-1] in last
        assert sum(status in last for status in heard) == 1
        assert heard.count(S.STARTED) <= 1


def test_an_event_that_came_late_keeps_its_end() -> None:
    at = client()
    taken = at.receive(event(start=T - HOUR // 2), ESI, T)
    assert said(taken.reports) == [(1, S.RECEIVED), (1, S.STARTED)]
    assert run(at, T, T + HOUR) == [(HOUR // 2, 1, S.COMPLETED)]


@pytest.mark.parametrize("before_start", [True, False])
def test_an_event_is_cancelled_although_somebody_has_opted_out(before_start: bool) -> None:
    at = client()
    at.receive(event(), ESI, T)
    now = T if before_start else T + HOUR
    at.due(now)
    at.opt_out(1, now)
    cancel = CancelLoadControlEvent(issuer_event_id=1, device_class=DeviceClass.WATER_HEATER)
    assert said(at.cancel(cancel, ESI, now).reports) == [(1, S.CANCELLED)]


@pytest.mark.parametrize("level", [Criticality(level) for level in range(1, 16)])
def test_levels_7_to_9_are_mandatory_and_no_others(level: Criticality) -> None:
    at = client()
    at.receive(event(criticality=level), ESI, T)
    if level in (7, 8, 9):
        with pytest.raises(PermissionError):
            at.opt_out(1, T)
    else:
        assert at.opt_out(1, T) == []
        assert at.events[1].is_out


def test_criticality_does_not_decide_between_events_that_overlap() -> None:
    at = client()
    at.receive(event(1, criticality=Criticality.EMERGENCY), ESI, T)
    taken = at.receive(event(2, criticality=Criticality.GREEN), ESI, T)
    assert said(taken.reports) == [(2, S.RECEIVED), (1, S.SUPERSEDED)]


def test_the_highest_set_point_is_taken_and_told() -> None:
    highest = 0x7FFF
    at = client()
    [report] = at.receive(event(cooling_set_point=highest, heating_set_point=highest), ESI, T).reports
    told = report.status
    assert (told.status, told.cooling_set_point_applied, told.heating_set_point_applied) == (
        S.RECEIVED,
        highest,
        highest,
    )
    assert LoadControlEvent.decode(event(cooling_set_point=highest).encode()).cooling_set_point == highest
    with pytest.raises(CodecError, match="cooling_set_point"):
        event(cooling_set_point=highest + 1).encode()


def test_a_set_point_that_is_only_offset_is_told_as_unused() -> None:
    at = client()
    at.receive(event(start=0, cooling_offset=20, heating_offset=15), ESI, T)
    [ended] = at.due(T + HOUR)
    told = ended.status
    assert (told.status, told.cooling_set_point_applied, told.heating_set_point_applied) == (
        S.COMPLETED, UNUSED_SET_POINT, UNUSED_SET_POINT,
    )  # fmt: skip


def test_a_cancel_with_randomization_takes_a_drawn_start_for_a_drawn_end_from_se_1_2_on() -> None:
    randomly = CancelControl.WITH_RANDOMIZATION
    for version, ended in ((SeVersion.V1_1, 1200), (SeVersion.V1_2, 1800)):
        at = client(draw=600, version=version)
        at.receive(event(start=T, event_control=EventControl.RANDOMIZE_START), ESI, T)
        assert run(at, T, T + 1140) == [(600, 1, S.STARTED)]
        first = said(at.cancel(cancel(cancel_control=randomly), ESI, T + 1200).reports)
        assert [(1200, *one) for one in first] + run(at, T + 1200, T + 3 * HOUR) == [(ended, 1, S.CANCELLED)]


def test_a_cancel_with_randomization_takes_away_at_once_what_does_not_run() -> None:
    for version in (SeVersion.V1_1, SeVersion.V1_2):
        at = client(draw=600, version=version)
        at.receive(event(event_control=EventControl.RANDOMIZE_START | EventControl.RANDOMIZE_END), ESI, T)
        found = at.cancel(cancel(cancel_control=CancelControl.WITH_RANDOMIZATION), ESI, T + 60)
        assert said(found.reports) == [(1, S.CANCELLED)]
        assert run(at, T + 60, T + 3 * HOUR) == []
