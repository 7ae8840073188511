"""The client of Demand Response and Load Control: which events hold here, and what is reported of them. Pure.

Rules of the Smart Energy profile (1.1b, D.2.4 and annex E); where its revisions differ, `DrlcPolicy.version` decides.

=====================================  =============================================================================
an event                               is, in this order: not for us (no report), malformed (0xFE), over already (0xFB),
                                       known (no second report), too much (0xFE), or kept (0x01)
it overlaps one that is scheduled      that one is superseded at once (0x07), for the classes that both have
it overlaps one that is running        that one goes on until the new one starts, and is superseded then
it begins when another one ends        no overlap: the first goes on until the second has started, whatever was drawn
somebody opts out before it starts     nothing now; 0x04 in place of 0x02 at its start, 0x0A at its end
somebody opts out while it runs        0x04 now, 0x08 at its end
somebody opts in again while it runs   0x05 now, 0x09 at its end
it is cancelled                        0x06, at once or at an end that was drawn; for some classes: when none is left
a cancel of something unknown          0xFD; of other classes or another group 0xF8; past the event's end 0xF9
=====================================  =============================================================================

All times are seconds since 2000-01-01 UTC, in integers without end: start and duration may pass 32 bits together.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from hub.schedule import Schedule
from hub.smart_energy.drlc_limits import broken_limit
from hub.smart_energy.peer import Peer
from protocols.se.base import SeVersion
from protocols.se.drlc import (
    AT_ONCE,
    PUNCTUAL,
    CancelControl,
    CancelLoadControlEvent,
    Criticality,
    DeviceClass,
    EventControl,
    EventStatus,
    LoadControlEvent,
    ReportEventStatus,
)
from protocols.zcl.status import Status

MAX_RANDOMIZE_MIN = 60
"""Attributes StartRandomizeMinutes and StopRandomizeMinutes."""
DEFAULT_RANDOMIZE_MIN = 30
"""Of both (SE 1.1b, D.2.3.2)."""
ALL_CLASSES, NO_CLASS = DeviceClass(0x0FFF), DeviceClass(0)
MANDATORY = frozenset((Criticality.EMERGENCY, Criticality.PLANNED_OUTAGE, Criticality.SERVICE_DISCONNECT))
"""Nobody opts out of these."""
REMEMBERED_S = 24 * 3600
"""People see for a day what was over; no document asks for it."""


@dataclass(slots=True, kw_only=True)
class DrlcPolicy:
    """What the client is, by its attributes and by the revision that it follows."""

    version: SeVersion = SeVersion.V1_0
    device_class: DeviceClass = ALL_CLASSES
    utility_enrollment_group: int = 0
    start_randomize_min: int = DEFAULT_RANDOMIZE_MIN
    stop_randomize_min: int = DEFAULT_RANDOMIZE_MIN
    capacity: int = 64
    """Events at once; a device has 3, a gateway more."""


class State(StrEnum):
    """Where an event is."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Report:
    """What to tell the issuers of an event. Of one event they are told in order."""

    issuer: Peer
    status: ReportEventStatus
    answers: bool = False
    """It is sent with the number of the command that it answers."""


@dataclass(slots=True, kw_only=True)
class ClientEvent:
    """An event that is kept."""

    event: LoadControlEvent
    issuers: list[Peer]
    classes: DeviceClass
    """Those of ours that it still holds for."""
    start: int
    end: int
    """As scheduled."""
    start_delay_s: int = 0
    end_delay_s: int = 0
    """Drawn once."""
    state: State = State.SCHEDULED
    last_status: EventStatus = EventStatus.RECEIVED
    is_out: bool = False
    """Somebody has opted out."""
    took_part: bool = False
    came_back: bool = False
    """Somebody opted in while it was running."""
    successors: set[int] = field(default_factory=set)
    """Events that take its place when they start."""
    extended_until: int | None = None
    """Another event begins where this one ends, and starts then."""
    cancel_at: int | None = None
    """A cancel waits for its effective time."""
    cancel_classes: DeviceClass = NO_CLASS
    cancel_control: CancelControl = AT_ONCE
    cancelled_end: int | None = None
    """It was cancelled, and ends then."""
    ended_at: int | None = None
    """When it was over; None: it is not."""

    @property
    def number(self) -> int:
        """Its issuer event id."""
        return self.event.issuer_event_id

    @property
    def begins(self) -> int:
        """With what was drawn."""
        return self.start + self.start_delay_s

    def ends(self, version: SeVersion) -> int:
        """With what was drawn; from SE 1.2 on the drawn start moves the end too."""
        if self.cancelled_end is not None:
            return self.cancelled_end
        if self.extended_until is not None:
            return self.extended_until
        moved = self.start_delay_s if version >= SeVersion.V1_2 else 0
        return self.end + moved + self.end_delay_s

    def overlaps(self, start: int, end: int) -> bool:
        """By the schedule, whatever was drawn."""
        return self.start < end and start < self.end


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a command: the status of a default response, where one is due, and reports."""

    status: Status = Status.SUCCESS
    reports: tuple[Report, ...] = ()


class DrlcClient:
    """All events of one client endpoint."""

    def __init__(self, policy: DrlcPolicy, draw: Callable[[int], int]) -> None:
        """`draw(most)`: a number from 0 to `most`, both included, all as likely."""
        self.policy, self._draw = policy, draw
        self.events: dict[int, ClientEvent] = {}
        """By issuer event id."""
        self._places: dict[int, int] = {}
        """In which order they came."""
        self._place = 0
        self._schedule: Schedule[int] = Schedule()
        """Which ones something is due with, so that the others cost nothing as time goes by."""
        self._linked: set[int] = set()
        """Those that wait for another one to start."""
        self.past: dict[int, ClientEvent] = {}
        """What has been over for less than a day, in that order: people see it, and it is not taken again."""
        self.unheard: list[Report] = []
        """What issuers have not been told yet, in order: a restart loses nothing of it."""

    def _keep(self, known: ClientEvent) -> None:
        self.events[known.number] = known
        self._place += 1
        self._places[known.number] = self._place
        self._look_at(known)

    def _look_at(self, known: ClientEvent) -> None:
        """Something about its times has changed."""
        number = known.number
        if number not in self.events:
            return
        at = known.begins if known.state is State.SCHEDULED else known.ends(self.policy.version)
        if known.cancel_at is not None and known.cancel_at < at:
            at = known.cancel_at
        self._schedule.set(number, at)
        if known.successors or known.extended_until is not None:
            self._linked.add(number)
        else:
            self._linked.discard(number)

    def _drop(self, known: ClientEvent) -> None:
        number = known.number
        if self.events.pop(number, None) is not None:
            del self._places[number]
            self._schedule.remove(number)
            self._linked.discard(number)

    def _waiting(self) -> list[ClientEvent]:
        """Those that wait for another one to start, as they came."""
        return [self.events[number] for number in sorted(self._linked, key=self._places.__getitem__)]

    # -- commands ----------------------------------------------------------------------------------------------------

    def receive(self, event: LoadControlEvent, issuer: Peer, now: int) -> Taken:
        """Load Control Event."""
        policy = self.policy
        classes = event.device_class & policy.device_class
        if not classes or not _same_group(event.utility_enrollment_group, policy.utility_enrollment_group):
            return Taken()
        if broken_limit(event) is not None:
            return self._refused(event.issuer_event_id, issuer, EventStatus.REJECTED, now, event)
        start = event.start_time or now
        end = start + 60 * event.duration_min
        if end <= now:
            return self._refused(event.issuer_event_id, issuer, EventStatus.REJECTED_EXPIRED, now, event)
        known = self.events.get(event.issuer_event_id)
        if known is not None:
            if issuer in known.issuers:
                return Taken(Status.DUPLICATE_EXISTS)
            if replace(known.event, start_time=event.start_time) != event:
                # Another one's, by chance with the same number: it cannot be told apart from the first.
                return self._refused(event.issuer_event_id, issuer, EventStatus.REJECTED, now, event)
            known.issuers.append(issuer)
            return Taken(reports=(self._report(known, EventStatus.RECEIVED, now, to=issuer, answers=True),))
        gone = self.past.get(event.issuer_event_id)
        if gone is not None and issuer in gone.issuers and replace(gone.event, start_time=gone.start) == event:
            # A server that is asked after a restart tells what was superseded here, too: it would win, as the newest.
            return Taken(Status.DUPLICATE_EXISTS)
        if len(self.events) >= policy.capacity:
            return self._refused(event.issuer_event_id, issuer, EventStatus.REJECTED, now, event)
        if policy.version >= SeVersion.V1_2 and any(
            other.number > event.issuer_event_id and other.classes & classes and other.overlaps(start, end)
            for other in self.events.values()
        ):
            return self._refused(event.issuer_event_id, issuer, EventStatus.REJECTED, now, event)
        new = ClientEvent(event=event, issuers=[issuer], classes=classes, start=start, end=end)
        if event.event_control & EventControl.RANDOMIZE_START:
            new.start_delay_s = self._draw(60 * min(policy.start_randomize_min, MAX_RANDOMIZE_MIN))
        if event.event_control & EventControl.RANDOMIZE_END:
            new.end_delay_s = self._draw(60 * min(policy.stop_randomize_min, MAX_RANDOMIZE_MIN))
        reports = [self._report(new, EventStatus.RECEIVED, now, to=issuer, answers=True)]
        reports += self._arrange(new, now)
        self._keep(new)
        return Taken(reports=(*reports, *self.due(now)))

    def _arrange(self, new: ClientEvent, now: int) -> list[Report]:
        """Make room for a new event among the others."""
        reports: list[Report] = []
        for other in list(self.events.values()):
            if not other.classes & new.classes:
                continue
            if other.overlaps(new.start, new.end):
                if other.state is State.RUNNING:
                    other.successors.add(new.number)
                    self._look_at(other)
                else:
                    reports += self._give_way(other, new.classes, now)
            elif other.end == new.start:
                other.extended_until = new.begins
                self._look_at(other)
            elif new.end == other.start:
                new.extended_until = other.begins
        return reports

    def _give_way(self, other: ClientEvent, classes: DeviceClass, now: int) -> list[Report]:
        other.classes &= ~classes
        return [] if other.classes else self._finish(other, EventStatus.SUPERSEDED, now)

    def cancel(self, cancel: CancelLoadControlEvent, issuer: Peer, now: int) -> Taken:
        """Cancel Load Control Event."""
        number = cancel.issuer_event_id
        if not cancel.device_class & self.policy.device_class:
            return Taken()
        known = self.events.get(number)
        if known is None or issuer not in known.issuers:
            return self._refused(number, issuer, EventStatus.REJECTED_UNDEFINED, now)
        group = cancel.utility_enrollment_group
        if (
            not cancel.device_class & known.classes
            or not _same_group(group, known.event.utility_enrollment_group)
            or not _same_group(group, self.policy.utility_enrollment_group)
        ):
            return self._refused(number, issuer, EventStatus.REJECTED_CANCEL, now)
        effective = cancel.effective_time
        if effective > known.end:
            return self._refused(number, issuer, EventStatus.REJECTED_EFFECTIVE_TIME, now)
        if effective > now:
            known.cancel_at, known.cancel_classes = effective, cancel.device_class
            known.cancel_control = cancel.cancel_control
            self._look_at(known)
            return Taken()
        reports = self._cancel(known, cancel.device_class, cancel.cancel_control, now)
        return Taken(reports=tuple(reports))

    def cancel_all(self, control: CancelControl, now: int) -> Taken:
        """Cancel All Load Control Events: each as if it were cancelled by itself, at once."""
        reports: list[Report] = []
        for known in list(self.events.values()):
            reports += self._cancel(known, known.classes, control, now)
        return Taken(reports=tuple(reports))

    def _cancel(self, known: ClientEvent, classes: DeviceClass, control: CancelControl, now: int) -> list[Report]:
        known.cancel_at = None
        left = known.classes & ~classes
        if left:
            known.classes = left
            self._look_at(known)
            return []
        if known.state is State.RUNNING and control & CancelControl.WITH_RANDOMIZATION:
            drawn = known.event.event_control
            delay = known.end_delay_s if drawn & EventControl.RANDOMIZE_END else 0
            if not delay and self.policy.version >= SeVersion.V1_2:
                delay = known.start_delay_s
            if delay:
                known.cancelled_end = min(known.ends(self.policy.version), now + delay)
                self._look_at(known)
                return []
        return self._finish(known, EventStatus.CANCELLED, now)

    # -- people ------------------------------------------------------------------------------------------------------

    def opt_out(self, number: int, now: int) -> list[Report]:
        """Somebody does not take part. Raises `KeyError`, or `PermissionError` for an event that is mandatory."""
        known = self.events[number]
        if known.event.criticality in MANDATORY:
            raise PermissionError(number)
        if known.is_out:
            return []
        known.is_out = True
        if known.state is not State.RUNNING:
            return []
        return self._tell(known, EventStatus.OPTED_OUT, now)

    def opt_in(self, number: int, now: int) -> list[Report]:
        """Somebody takes part after all. Raises `KeyError`."""
        known = self.events[number]
        if not known.is_out:
            return []
        known.is_out = False
        if known.state is not State.RUNNING:
            return []
        known.took_part = known.came_back = True
        return self._tell(known, EventStatus.OPTED_IN, now)

    # -- time --------------------------------------------------------------------------------------------------------

    def due(self, now: int) -> list[Report]:
        """Start and end what is due. A clock that was set back starts nothing again, since what is over is gone."""
        reports: list[Report] = []
        found = self._schedule.due(now)
        if not found:
            return reports
        waiting = [self._turn(number) for number in found]
        heapq.heapify(waiting)
        seen = set(found)
        later: list[int] = []
        while waiting:
            turn = heapq.heappop(waiting)
            known = self.events.get(turn[2])
            if known is None:
                continue
            reports += self._visit(known, now)
            self._look_at(known)
            for number in self._schedule.due(now):
                # What becomes due through another one has its turn now, unless that is over already.
                if number in seen or self._turn(number) < turn:
                    later.append(number)
                else:
                    seen.add(number)
                    heapq.heappush(waiting, self._turn(number))
        for number in later:
            if number in self.events:
                self._look_at(self.events[number])
        return reports

    def _turn(self, number: int) -> tuple[int, int, int]:
        """Events have their turns as they begin, and as they came."""
        return self.events[number].begins, self._places[number], number

    def _visit(self, known: ClientEvent, now: int) -> list[Report]:
        reports: list[Report] = []
        if known.cancel_at is not None and now >= known.cancel_at:
            reports += self._cancel(known, known.cancel_classes, known.cancel_control, now)
            if known.number not in self.events:
                return reports
        if known.state is State.SCHEDULED and now >= known.begins:
            reports += self._begin(known, now)
        is_over = known.state is State.RUNNING and now >= known.ends(self.policy.version)
        if is_over and not self._is_held(known):
            reports += self._end(known, now)
        return reports

    def _is_held(self, known: ClientEvent) -> bool:
        """Its end has come, but for some classes it goes on until the event that takes its place has started."""
        if known.cancelled_end is not None:
            return False
        taken_over = NO_CLASS
        for number in known.successors:
            taken_over |= self.events[number].classes if number in self.events else NO_CLASS
        if not known.classes & taken_over:
            return False
        known.classes &= taken_over
        return True

    def _begin(self, known: ClientEvent, now: int) -> list[Report]:
        reports: list[Report] = []
        for other in self._waiting():
            if known.number in other.successors:
                other.successors.discard(known.number)
                self._look_at(other)
                reports += self._give_way(other, known.classes, now)
        known.state = State.RUNNING
        known.took_part = not known.is_out
        return reports + self._tell(known, EventStatus.OPTED_OUT if known.is_out else EventStatus.STARTED, now)

    def _end(self, known: ClientEvent, now: int) -> list[Report]:
        if known.cancelled_end is not None:
            return self._finish(known, EventStatus.CANCELLED, now)
        if known.is_out:
            status = EventStatus.PARTIAL_OPTED_OUT if known.took_part else EventStatus.NO_PARTICIPATION
        else:
            status = EventStatus.PARTIAL_OPTED_IN if known.came_back else EventStatus.COMPLETED
        return self._finish(known, status, now)

    def _finish(self, known: ClientEvent, status: EventStatus, now: int) -> list[Report]:
        known.state, known.ended_at = State.OVER, now
        self._drop(known)
        self._remember(known, now)
        for other in self._waiting():
            other.successors.discard(known.number)
            if other.extended_until is not None and other.end == known.start:
                other.extended_until = None  # what it waited for does not come
            self._look_at(other)
        return self._tell(known, status, now)

    def _remember(self, known: ClientEvent, now: int) -> None:
        self.past.pop(known.number, None)
        self.past[known.number] = known
        recent = list(self.past.values())[-self.policy.capacity :]
        self.past = {one.number: one for one in recent if (one.ended_at or 0) > now - REMEMBERED_S}

    def clear(self) -> None:
        """Forget all events that are not over, and report nothing of them."""
        for known in list(self.events.values()):
            self._drop(known)
        self.unheard.clear()

    def next_time(self) -> int | None:
        """When something is due next; None: never."""
        return self._schedule.next()

    def active(self) -> list[ClientEvent]:
        """Events that hold now, the most critical first; those that somebody has opted out of included."""
        running = [known for known in self.events.values() if known.state is State.RUNNING]
        return sorted(running, key=lambda known: (-known.event.criticality, known.begins))

    # -- reports -----------------------------------------------------------------------------------------------------

    def _tell(self, known: ClientEvent, status: EventStatus, now: int) -> list[Report]:
        known.last_status = status
        return [self._report(known, status, now, to=issuer) for issuer in known.issuers]

    @staticmethod
    def _report(known: ClientEvent, status: EventStatus, now: int, *, to: Peer, answers: bool = False) -> Report:
        event = known.event
        return Report(
            to,
            ReportEventStatus(
                issuer_event_id=event.issuer_event_id,
                status=status,
                status_time=now,
                criticality_applied=event.criticality,
                cooling_set_point_applied=event.cooling_set_point,
                heating_set_point_applied=event.heating_set_point,
                load_adjustment_applied=event.load_adjustment,
                duty_cycle_applied=event.duty_cycle,
                event_control=event.event_control,
            ),
            answers,
        )

    @staticmethod
    def _refused(
        number: int, issuer: Peer, status: EventStatus, now: int, event: LoadControlEvent | None = None
    ) -> Taken:
        report = ReportEventStatus(
            issuer_event_id=number,
            status=status,
            status_time=now,
            criticality_applied=event.criticality if event is not None else Criticality(0),
            event_control=event.event_control if event is not None else PUNCTUAL,
        )
        return Taken(reports=(Report(issuer, report, answers=True),))

    def load(self, events: Iterable[ClientEvent], past: Iterable[ClientEvent] = ()) -> None:
        """Go on with what was kept before a restart."""
        found = list(events)
        self.past = {one.number: one for one in past}
        for known in list(self.events.values()):
            self._drop(known)
        for known in found:
            self._keep(known)


def _same_group(one: int, other: int) -> bool:
    return not one or not other or one == other
