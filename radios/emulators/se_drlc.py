"""The client of Demand Response and Load Control: it keeps events, sheds load while one runs, and reports statuses.

Chosen: where the revisions of the standard differ it behaves as SE 1.0 and 1.1 say. A randomised start does not move
the end, an opt-out before the start is reported at the start, and the event that arrives later wins.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from radios.emulators import zcl
from radios.emulators.attributes import Attribute
from radios.emulators.errors import EmulatorError
from radios.emulators.home import noise
from radios.emulators.se_endpoint import Client, Peer, SmartEnergyDevice
from radios.emulators.se_payloads import (
    CANCEL_ALL_LOAD_CONTROL_EVENTS,
    CANCEL_LOAD_CONTROL_EVENT,
    CANCELLED,
    COMPLETED,
    DRLC,
    ENDED_IN,
    ENDED_OUT,
    EXPIRED,
    GET_SCHEDULED_EVENTS,
    INVALID_CANCEL,
    INVALID_EFFECTIVE_TIME,
    LOAD_CONTROL_EVENT,
    NEVER_SET,
    NEVER_TOOK_PART,
    NO_LOAD,
    NO_SET_POINT,
    OPTED_IN,
    OPTED_OUT,
    RECEIVED,
    REJECTED,
    REPORT_EVENT_STATUS,
    STARTED,
    STATUSES,
    SUPERSEDED,
    UNDEFINED_EVENT,
    UNSIGNED,
    CancelLoadControlEvent,
    LoadControlEvent,
    ReportEventStatus,
)

A = Attribute
MAX_EVENTS, MAX_PAST = 8, 16
"""Events that it keeps, and those that are over that it still knows."""
MAX_REPORT_DELAY_S = 5.0
"""Reports of many devices do not come at once."""
MAX_WAITING_REPORTS = 32
REPORT_AGAIN_S, REPORTS_AT_MOST = 4.0, 3
"""A report that nobody acknowledged, in seconds of the person who looks on; how often it is sent in all."""
RANDOM_MINUTES = 30
LONGEST_MINUTES = 1440
HIGHEST_CRITICALITY = 0x0F
MANDATORY = range(7, 10)
"""Criticality levels that nobody opts out of: emergency, planned outage, service disconnect."""
LOWEST_SET_POINT = -27315
SLACK_S = 5.0
"""Chosen: what starts now starts when it arrives, seconds later than its sender meant; so much is no overlap."""


@dataclass(slots=True)
class KnownEvent:
    """A load control event that the device keeps. Times are its clock's."""

    event: LoadControlEvent
    server: Peer
    classes: int
    """Those of the device's that it still holds for."""
    start: float
    end: float
    begins: float
    """With what was drawn for it."""
    ends: float
    start_delay: float
    end_delay: float
    waits_for_time: bool = False
    """Its start means nothing to a clock that was never set."""
    state: str = "scheduled"
    """scheduled, running, or by which status it is over."""
    is_out: bool = False
    took_part: bool = False
    came_back: bool = False
    """Somebody opted in while it was running."""
    successor: int | None = None
    """The event that takes its place when that starts."""
    is_cancelled: bool = False
    """It ends when `ends` says, as cancelled."""
    cancel_at: float | None = None
    cancel_classes: int = 0
    cancel_control: int = 0
    told: list[tuple[int, int]] = field(default_factory=list)
    """Statuses that were reported, with their times."""

    @property
    def number(self) -> int:
        """Its issuer event id."""
        return self.event.issuer_event_id

    def overlaps(self, other: KnownEvent) -> bool:
        """By their schedule, not by what was drawn."""
        return self.start < other.end - SLACK_S and other.start < self.end - SLACK_S

    def is_before(self, other: KnownEvent) -> bool:
        """The other one starts when this one ends."""
        return abs(self.end - other.start) <= SLACK_S


@dataclass(slots=True)
class WaitingReport:
    """A report that is to be sent, or sent again."""

    peer: Peer
    payload: bytes
    tsn: int | None
    due: float
    """By the device's own time, until it was sent once."""
    sent: int = 0
    again: float = 0.0
    """By the loop's time."""


Applied = tuple[int, int, int, int]
"""Cooling and heating setpoint, load adjustment, duty cycle, as an event makes them."""


class DrlcClient(Client):
    """Takes events; `current` is the one that the device has to follow now."""

    cluster = DRLC
    poll_s = 6 * 3600.0

    def __init__(
        self, device: SmartEnergyDevice, device_class: int, applied: Callable[[LoadControlEvent], Applied]
    ) -> None:
        self._group = A(zcl.UINT8, 0, writable=True)
        self._start_minutes = A(zcl.UINT8, RANDOM_MINUTES, writable=True, maximum=60)
        self._stop_minutes = A(zcl.UINT8, RANDOM_MINUTES, writable=True, maximum=60)
        self._class = A(zcl.UINT16, device_class, writable=True)
        super().__init__(
            device, {0x0000: self._group, 0x0001: self._start_minutes, 0x0002: self._stop_minutes, 0x0003: self._class}
        )
        self._applied = applied
        self.events: dict[int, KnownEvent] = {}
        """By issuer event id."""
        self.past: deque[KnownEvent] = deque(maxlen=MAX_PAST)
        self._reports: deque[WaitingReport] = deque(maxlen=MAX_WAITING_REPORTS)
        self._last_due = 0.0
        self._drawn = 0
        self.clock.first_set.append(self._clock_set)

    def forget(self) -> None:
        """No events any more."""
        self.events.clear()
        self._reports.clear()

    def ask(self, server: Peer) -> None:
        """Get Scheduled Events: all from now on."""
        self.say(server, GET_SCHEDULED_EVENTS, bytes(5))

    @property
    def current(self) -> LoadControlEvent | None:
        """What holds for the device now: the most critical event that runs and that nobody has opted out of."""
        running = [known for known in self.events.values() if known.state == "running" and not known.is_out]
        return max(running, key=lambda known: known.event.criticality_level).event if running else None

    # -- in ------------------------------------------------------------------------------------------------------------

    def heard(self, peer: Peer, header: zcl.Header, payload: bytes) -> int | None:
        """Load Control Event, Cancel Load Control Event, Cancel All Load Control Events."""
        if header.command == LOAD_CONTROL_EVENT:
            self._received(LoadControlEvent.unpack(payload), peer, header.tsn)
        elif header.command == CANCEL_LOAD_CONTROL_EVENT:
            self._cancelled(CancelLoadControlEvent.unpack(payload), peer, header.tsn)
        elif header.command == CANCEL_ALL_LOAD_CONTROL_EVENTS:
            control = payload[0]
            for known in list(self.events.values()):
                self._cancel(known, known.classes, control)
        else:
            return zcl.UNSUP_CLUSTER_COMMAND
        return zcl.SUCCESS

    def _number(self, attribute: Attribute) -> int:
        value = attribute.get()
        return value if isinstance(value, int) else 0

    def _received(self, event: LoadControlEvent, peer: Peer, tsn: int) -> None:
        classes = event.device_class & self._number(self._class)
        group, own = event.utility_enrollment_group, self._number(self._group)
        if not classes or (group and own and group != own):
            return
        now = self.clock.now
        waits = bool(event.start_time) and not self.clock.is_set
        start = float(event.start_time) if event.start_time else now
        end = start + 60.0 * event.duration_in_minutes
        if not is_valid(event):
            self._refuse(event.issuer_event_id, REJECTED, peer, tsn)
        elif end <= now and not waits:
            self._refuse(event.issuer_event_id, EXPIRED, peer, tsn)
        elif event.issuer_event_id in self.events or any(old.number == event.issuer_event_id for old in self.past):
            return
        elif len(self.events) >= MAX_EVENTS:
            self._refuse(event.issuer_event_id, REJECTED, peer, tsn)
        else:
            seed, number = self.device.seed, event.issuer_event_id
            start_delay = end_delay = 0.0
            if event.event_control & 1:
                most = min(self._number(self._start_minutes), event.duration_in_minutes)
                start_delay = 60.0 * most * noise(seed, number)
            if event.event_control & 2:
                end_delay = 60.0 * self._number(self._stop_minutes) * noise(seed + 1, number)
            known = KnownEvent(
                event, peer, classes, start, end, start + start_delay, end + end_delay, start_delay, end_delay, waits
            )
            self._report(known, RECEIVED, tsn)
            self._arrange(known)
            self.events[known.number] = known
            self._advance()

    def _arrange(self, new: KnownEvent) -> None:
        """What overlaps the new event gives way to it; what ends where another one starts goes on until that starts."""
        for known in list(self.events.values()):
            if not known.classes & new.classes:
                continue
            if known.overlaps(new):
                if known.state == "running":
                    known.successor = new.number
                else:
                    known.classes &= ~new.classes
                    if not known.classes:
                        self._finish(known, SUPERSEDED)
            elif known.is_before(new):
                known.ends = new.begins
            elif new.is_before(known):
                new.ends = known.begins

    def _cancelled(self, cancel: CancelLoadControlEvent, peer: Peer, tsn: int) -> None:
        if not cancel.device_class & self._number(self._class):
            return
        known = self.events.get(cancel.issuer_event_id)
        if known is None:
            self._refuse(cancel.issuer_event_id, UNDEFINED_EVENT, peer, tsn)
            return
        group, own = cancel.utility_enrollment_group, known.event.utility_enrollment_group
        if not cancel.device_class & known.classes or (group and group != own):
            self._refuse(cancel.issuer_event_id, INVALID_CANCEL, peer, tsn)
        elif cancel.effective_time and cancel.effective_time > known.end:
            self._refuse(cancel.issuer_event_id, INVALID_EFFECTIVE_TIME, peer, tsn)
        elif cancel.effective_time and cancel.effective_time > self.clock.now:
            known.cancel_at = float(cancel.effective_time)
            known.cancel_classes, known.cancel_control = cancel.device_class, cancel.cancel_control
        else:
            self._cancel(known, cancel.device_class, cancel.cancel_control)

    def _cancel(self, known: KnownEvent, classes: int, control: int) -> None:
        left = known.classes & ~classes
        if left:
            known.classes, known.cancel_at = left, None
            return
        if known.state == "running" and control & 1:
            late = known.end_delay if known.event.event_control & 2 else known.start_delay
            known.ends, known.is_cancelled = min(known.ends, self.clock.now + late), True
            self._advance()
        else:
            self._finish(known, CANCELLED)

    # -- hands ---------------------------------------------------------------------------------------------------------

    def _choose(self, number: int | None) -> KnownEvent:
        """The one with that number, else the one that runs, else the next one. Raises `EmulatorError`."""
        if number is not None:
            found = self.events.get(number)
            if found is None:
                there = ", ".join(map(str, self.events)) or "none"
                raise EmulatorError(f"there is no event {number}; there are: {there}")
            return found
        known = sorted(self.events.values(), key=lambda one: (one.state != "running", one.begins))
        if not known:
            raise EmulatorError("there is no event")
        return known[0]

    def opt_out(self, number: int | None) -> int:
        """Somebody does not want an event; its number. Raises `EmulatorError`."""
        known = self._choose(number)
        if known.event.criticality_level in MANDATORY:
            raise EmulatorError(f"event {known.number} is mandatory: nobody opts out of it")
        if not known.is_out:
            known.is_out = True
            if known.state == "running":
                self._report(known, OPTED_OUT)
        return known.number

    def opt_in(self, number: int | None) -> int:
        """Somebody wants an event after all; its number. Raises `EmulatorError`."""
        known = self._choose(number)
        if known.is_out:
            known.is_out = False
            if known.state == "running":
                known.took_part = known.came_back = True
                self._report(known, OPTED_IN)
        return known.number

    # -- as time goes by -----------------------------------------------------------------------------------------------

    def _clock_set(self, jump: float) -> None:
        for known in list(self.events.values()):
            if known.waits_for_time:
                known.waits_for_time = False
                if known.end <= self.clock.now:
                    self._finish(known, EXPIRED)
                continue
            known.start += jump
            known.end += jump
            known.begins += jump
            known.ends += jump

    def tick(self) -> None:
        """Events start and end; reports go out."""
        super().tick()
        self._advance()
        self._send_reports()

    def _advance(self) -> None:
        now = self.clock.now
        for known in sorted(self.events.values(), key=lambda one: one.begins):
            if known.number not in self.events or known.waits_for_time:
                continue
            if known.cancel_at is not None and now >= known.cancel_at:
                self._cancel(known, known.cancel_classes, known.cancel_control)
                continue
            if known.state == "scheduled" and now >= known.begins:
                self._begin(known)
            is_held = known.successor is not None and not known.is_cancelled
            if known.state == "running" and now >= known.ends and not is_held:
                self._end(known)

    def _begin(self, known: KnownEvent) -> None:
        for other in list(self.events.values()):
            if other.successor == known.number:
                other.successor = None
                other.classes &= ~known.classes
                if not other.classes:
                    self._finish(other, SUPERSEDED)
        known.state = "running"
        known.took_part = not known.is_out
        self._report(known, OPTED_OUT if known.is_out else STARTED)

    def _end(self, known: KnownEvent) -> None:
        if known.is_cancelled:
            self._finish(known, CANCELLED)
        elif known.is_out:
            self._finish(known, ENDED_OUT if known.took_part else NEVER_TOOK_PART)
        else:
            self._finish(known, ENDED_IN if known.came_back else COMPLETED)

    def _finish(self, known: KnownEvent, status: int) -> None:
        self.events.pop(known.number, None)
        for other in self.events.values():
            if other.successor == known.number:
                other.successor = None
        known.state = STATUSES[status]
        self.past.append(known)
        self._report(known, status)

    # -- out -----------------------------------------------------------------------------------------------------------

    def _report(self, known: KnownEvent, status: int, tsn: int | None = None) -> None:
        event = known.event
        cooling, heating, load, duty = self._applied(event)
        known.told.append((status, self.clock.stamp))
        told = ReportEventStatus(
            issuer_event_id=event.issuer_event_id,
            event_status=status,
            event_status_time=self.clock.stamp,
            criticality_level_applied=event.criticality_level,
            cooling_temperature_set_point_applied=cooling,
            heating_temperature_set_point_applied=heating,
            average_load_adjustment_percentage_applied=load,
            duty_cycle_applied=duty,
            event_control=event.event_control,
        )
        self._queue(known.server, told, tsn)

    def _refuse(self, number: int, status: int, peer: Peer, tsn: int) -> None:
        told = ReportEventStatus(issuer_event_id=number, event_status=status, event_status_time=self.clock.stamp)
        self._queue(peer, told, tsn)

    def _queue(self, peer: Peer, told: ReportEventStatus, tsn: int | None) -> None:
        """Reports keep their order, however long each one waits."""
        self._drawn += 1
        delay = MAX_REPORT_DELAY_S * noise(self.device.seed + 2, self._drawn)
        self._last_due = max(self._last_due, self.device.model_time() + delay)
        self._reports.append(WaitingReport(peer, told.pack() + UNSIGNED, tsn, self._last_due))

    def _send_reports(self) -> None:
        now = asyncio.get_running_loop().time()
        for waiting in list(self._reports):
            if not waiting.sent and self.device.model_time() < waiting.due:
                break
            if waiting.sent and now < waiting.again:
                continue
            if waiting.sent >= REPORTS_AT_MOST:
                self._reports.remove(waiting)
                continue
            waiting.sent += 1
            waiting.again = now + REPORT_AGAIN_S
            waiting.tsn = self.say(waiting.peer, REPORT_EVENT_STATUS, waiting.payload, tsn=waiting.tsn, quiet=False)

    def answered(self, peer: Peer, header: zcl.Header, payload: bytes) -> None:
        """A report was taken."""
        if header.command != zcl.DEFAULT_RESPONSE or payload[:1] != bytes((REPORT_EVENT_STATUS,)):
            return
        for waiting in self._reports:
            if waiting.sent and waiting.tsn == header.tsn and waiting.peer == peer:
                self._reports.remove(waiting)
                return

    def shown(self) -> dict[str, object]:
        """For those who look on."""
        current = self.current
        return {
            "event": None if current is None else current.issuer_event_id,
            "events": [_row(known) for known in (*self.past, *self.events.values())],
        }


def _row(known: KnownEvent) -> dict[str, object]:
    return {
        "id": known.number,
        "state": known.state,
        "opted_out": known.is_out,
        "criticality": known.event.criticality_level,
        "classes": f"0x{known.classes:04x}",
        "begins": round(known.begins),
        "ends": round(known.ends),
        "statuses": [f"0x{status:02x} {STATUSES[status]}" for status, _ in known.told],
    }


def is_valid(event: LoadControlEvent) -> bool:
    """Whether all its fields are within what the standard allows."""
    load, duty = event.average_load_adjustment_percentage, event.duty_cycle
    set_points = event.cooling_temperature_set_point, event.heating_temperature_set_point
    return (
        1 <= event.criticality_level <= HIGHEST_CRITICALITY
        and 1 <= event.duration_in_minutes <= LONGEST_MINUTES
        and event.start_time != NEVER_SET
        and all(point == NO_SET_POINT or point >= LOWEST_SET_POINT for point in set_points)
        and (load == NO_LOAD or -100 <= load <= 100)
        and (duty == 0xFF or duty <= 100)
    )
