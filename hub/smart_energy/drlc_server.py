"""The server of Demand Response and Load Control: events that were made here, who has them, what they report. Pure.

Smart Energy profile 1.1b, D.2.2; the gateway manual, SE Server Clusters. Events are unicast to every client, and again
to those that come back; a client may get one twice. Their reports make a matrix of events, clients and statuses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from hub.errors import InvalidError, RefusedError
from hub.smart_energy.drlc_limits import broken_limit
from hub.smart_energy.peer import Peer
from hub.smart_energy.signatures import Signature, at_first
from protocols.se.drlc import (
    ALL_EVENTS,
    ANY_EVENT,
    CancelControl,
    CancelLoadControlEvent,
    DeviceClass,
    EventStatus,
    GetScheduledEvents,
    LoadControlEvent,
    ReportEventStatus,
)

MAX_EVENTS = 500
"""Kept at once; the profile asks for 2 at least."""
MAX_STATUSES = 32
"""Of one client about one event: a device that repeats itself does not fill the memory."""

NO_CLASS = DeviceClass(0)

LAST_STATUSES = frozenset(EventStatus) - {
    EventStatus.RECEIVED,
    EventStatus.STARTED,
    EventStatus.OPTED_OUT,
    EventStatus.OPTED_IN,
    EventStatus.REJECTED_CANCEL,
    EventStatus.REJECTED_EFFECTIVE_TIME,
}
"""After which a client has an event no more."""


@dataclass(frozen=True, slots=True)
class Told:
    """A status that a client has reported."""

    status: EventStatus
    time: int
    """By the client's clock."""
    received: int
    """By ours."""
    signature: Signature = Signature.NONE


@dataclass(slots=True, kw_only=True)
class ServerEvent:
    """An event that was made here."""

    event: LoadControlEvent
    """`start_time` as it was asked for."""
    start: int
    """When it starts, by our clock."""
    classes: DeviceClass
    """Those that it was not cancelled for."""
    groups: dict[int, DeviceClass] = field(default_factory=dict)
    """Groups of the utility that it was cancelled for, though it is for all, with the classes; others keep it."""
    cancelled: bool = False
    superseded_by: int | None = None
    """A newer event that overlaps it, for all of its classes."""
    taken: DeviceClass = NO_CLASS
    """Classes of newer events that it begins within: told after one of those, it would win by coming last."""
    delivered: set[Peer] = field(default_factory=set)
    """Clients whose radio has acknowledged it."""
    narrowed: set[Peer] = field(default_factory=set)
    """Of these those that have heard for which classes and groups it was cancelled."""
    told: dict[Peer, list[Told]] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """Its issuer event id."""
        return self.event.issuer_event_id

    @property
    def end(self) -> int:
        """When it ends, whatever clients draw."""
        return self.start + 60 * self.event.duration_min

    def is_valid(self, now: int) -> bool:
        """It runs, or will."""
        return not self.cancelled and self.end > now

    def has_number(self, now: int) -> bool:
        """Its number is not free for another one."""
        return self.end > now

    def command(self) -> LoadControlEvent:
        """As it is sent: with its absolute start, for the classes that are left."""
        return replace(self.event, start_time=self.start, device_class=self.classes)

    def retold(self) -> LoadControlEvent | None:
        """As a client is told that has missed it, and gets newer ones first; None: those have taken its place."""
        left = self.classes & ~self.taken
        return replace(self.command(), device_class=left) if left else None

    def withdrawal(self) -> CancelLoadControlEvent:
        """What a client is told that was away when it was cancelled: whatever was randomised then, it ends now."""
        return CancelLoadControlEvent(
            issuer_event_id=self.number,
            device_class=self.event.device_class,
            utility_enrollment_group=self.event.utility_enrollment_group,
        )

    def withdrawals_for_groups(self) -> list[CancelLoadControlEvent]:
        """What follows the event, wherever it is sent: which groups it is not for."""
        return [
            CancelLoadControlEvent(issuer_event_id=self.number, device_class=classes, utility_enrollment_group=group)
            for group, classes in sorted(self.groups.items())
            if not self.cancelled
        ]

    def narrowings(self) -> list[CancelLoadControlEvent]:
        """What a client that has it is told that was away when it was cancelled for some classes or a group."""
        gone = self.event.device_class & ~self.classes
        if self.cancelled:
            return []
        group = self.event.utility_enrollment_group
        cancel = CancelLoadControlEvent(issuer_event_id=self.number, device_class=gone, utility_enrollment_group=group)
        return [*([cancel] if gone else []), *self.withdrawals_for_groups()]

    def last(self, client: Peer) -> EventStatus | None:
        """What a client has reported last."""
        told = self.told.get(client)
        return told[-1].status if told else None


class DrlcServer:
    """All events of one server endpoint."""

    def __init__(self) -> None:
        self.events: dict[int, ServerEvent] = {}
        """By issuer event id, oldest first."""

    def load(self, events: Iterable[ServerEvent]) -> None:
        """Go on with what was kept before a restart."""
        self.events = {one.number: one for one in events}

    def create(self, event: LoadControlEvent, now: int) -> ServerEvent:
        """Take an event. Raises `InvalidError` that names the field, `RefusedError` for a number that is in use.

        A number is free again at the end of its event (CPX2-SE, Hidden Saved Files), also of one that was cancelled:
        devices may remember it until then, and those that were away hear that it is.
        """
        limit = broken_limit(event, is_ours=True)
        if limit is not None:
            raise InvalidError(limit.field, getattr(event, limit.field), limit.allowed)
        known = self.events.get(event.issuer_event_id)
        if known is not None and known.has_number(now):
            raise RefusedError(f"there is an event {event.issuer_event_id} already; each needs a number of its own")
        start = event.start_time or now
        new = ServerEvent(event=event, start=start, classes=event.device_class)
        if new.end <= now:
            raise InvalidError("start_time", event.start_time, "a start from which the duration reaches past now")
        self.events.pop(new.number, None)
        self._make_room(now)
        for other in self.valid(now):
            if other.start < new.end and new.start < other.end and not other.classes & ~new.classes:
                other.superseded_by = new.number
            if new.start <= other.start < new.end:
                other.taken |= new.classes
        self.events[new.number] = new
        return new

    def _make_room(self, now: int) -> None:
        if len(self.events) < MAX_EVENTS:
            return
        over = next((one.number for one in self.events.values() if not one.is_valid(now)), None)
        if over is None:
            raise RefusedError(f"{MAX_EVENTS} events are waiting already; cancel some first")
        del self.events[over]

    def cancel(self, cancel: CancelLoadControlEvent) -> ServerEvent | None:
        """Cancel an event, whole or for some classes or a group. One that is not known may be known to clients."""
        known = self.events.get(cancel.issuer_event_id)
        if known is None:
            return None
        group, wanted = known.event.utility_enrollment_group, cancel.utility_enrollment_group
        if group and wanted and group != wanted:
            return known
        if wanted and not group:
            known.groups[wanted] = known.groups.get(wanted, NO_CLASS) | cancel.device_class
            known.narrowed.clear()
            return known
        known.classes &= ~cancel.device_class
        known.narrowed.clear()
        known.cancelled = not known.classes
        return known

    def cancel_all(self, control: CancelControl, now: int) -> list[ServerEvent]:
        """Cancel every event that is not over; which those were."""
        del control  # for the clients
        found = self.valid(now)
        for known in found:
            known.cancelled = True
        return found

    def clear(self, now: int) -> int:
        """Forget what is over or cancelled; how many those were."""
        over = [one.number for one in self.events.values() if not one.is_valid(now)]
        for number in over:
            del self.events[number]
        return len(over)

    def valid(self, now: int) -> list[ServerEvent]:
        """Scheduled and running events, earliest start first."""
        found = [one for one in self.events.values() if one.is_valid(now)]
        return sorted(found, key=lambda one: (one.start, one.number))

    def missing(self, client: Peer, now: int) -> list[ServerEvent]:
        """Events that a client has not got yet."""
        return [one for one in self.valid(now) if client not in one.delivered and one.superseded_by is None]

    def unheard(self, client: Peer, now: int) -> list[ServerEvent]:
        """Cancelled events that a client has got, and has not reported the end of.

        That a radio has acknowledged a cancel does not count: its host may have been down.
        """
        return [
            one
            for one in self.events.values()
            if one.cancelled and one.end > now and client in one.delivered and one.last(client) not in LAST_STATUSES
        ]

    def wide(self, client: Peer, now: int) -> list[ServerEvent]:
        """Events that a client has got, and may follow for classes or a group that they were cancelled for since."""
        return [
            one
            for one in self.valid(now)
            if one.narrowings()
            and client in one.delivered
            and client not in one.narrowed
            and one.last(client) not in LAST_STATUSES
        ]

    def answer(self, asked: GetScheduledEvents, now: int) -> list[LoadControlEvent | CancelLoadControlEvent]:
        """What Get Scheduled Events is answered with; none: NOT_FOUND. Cancels are for groups that an event is not for.

        Chosen: the time asked for is the least end, as 1.0 and 1.1 have it; what 1.2 may mean by it is contained in
        that, and clients drop what they know.
        """
        found = [one for one in self.valid(now) if one.end > max(asked.start_time, now) and one.retold()]
        least = asked.issuer_event_id
        if least not in (None, ANY_EVENT):
            found = [one for one in found if one.start != asked.start_time or one.number >= (least or 0)]
        if asked.number_of_events != ALL_EVENTS:
            found = found[: asked.number_of_events]
        commands: list[LoadControlEvent | CancelLoadControlEvent] = []
        for one in found:
            command = one.retold()
            if command is not None:
                commands += [command, *one.withdrawals_for_groups()]
        return commands

    def hear(self, client: Peer, report: ReportEventStatus, now: int) -> ServerEvent | None:
        """Report Event Status: whatever is reported is kept, repeats too; None for an event that is not ours."""
        known = self.events.get(report.issuer_event_id)
        if known is None:
            return None
        told = known.told.setdefault(client, [])
        told.append(Told(report.status, report.status_time, now, at_first(report)))
        del told[:-MAX_STATUSES]
        known.delivered.add(client)
        return known

    def verified(self, event: ServerEvent, client: Peer, told: Told, signature: Signature) -> bool:
        """What the signature of a report is worth; False when that has given way to others meanwhile."""
        rows = event.told.get(client, [])
        for place, one in enumerate(rows):
            if one is told:
                rows[place] = replace(told, signature=signature)
                return True
        return False
