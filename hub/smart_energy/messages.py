"""Messages: at the server that has them shown, and at the client that shows them. Pure.

Smart Energy profile 1.1b, D.5; the gateway manual, Messaging. A client shows one message at a time: a newer one takes
the place of the one before. A message that is over may still be confirmed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from hub.errors import InvalidError, RefusedError
from hub.smart_energy.peer import Peer
from protocols.se.base import INVALID_UTC, SeVersion
from protocols.se.messaging import (
    UNTIL_CHANGED,
    CancelMessage,
    DisplayMessage,
    ExtendedMessageControl,
    MessageConfirmation,
    MessageControl,
    Transmission,
    transmission_of,
    wants_confirmation,
)
from protocols.zcl.status import Status

MAX_MESSAGES = 100
"""Kept at each side."""
OVERHEAD = 15
"""Bytes of a Display Message around its text, with the header."""


def _end_of(message: DisplayMessage, start: int) -> int | None:
    return None if message.duration_min == UNTIL_CHANGED else start + 60 * message.duration_min


# -- server ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class ServerMessage:
    """A message that was made here."""

    message: DisplayMessage
    start: int
    end: int | None
    cancelled: bool = False
    cancel_wants_confirmation: bool = False
    delivered: set[Peer] = field(default_factory=set)
    confirmed: dict[Peer, int] = field(default_factory=dict)
    """Clients where somebody has read it, with the time by their clocks."""
    withdrawn: set[Peer] = field(default_factory=set)
    """Clients whose radio has acknowledged that it is cancelled."""

    @property
    def number(self) -> int:
        """Its message id."""
        return self.message.message_id

    def is_valid(self, now: int) -> bool:
        """It is to be shown now or later."""
        return not self.cancelled and (self.end is None or self.end > now)

    def has_number(self, now: int) -> bool:
        """Its number is not free for another one: clients may remember it."""
        return not self.cancelled if self.end is None else self.end > now

    def command(self) -> DisplayMessage:
        """As it is sent."""
        return replace(self.message, start_time=self.start)

    def withdrawal(self) -> CancelMessage:
        """The command that takes it away."""
        control = MessageControl.CONFIRMATION if self.cancel_wants_confirmation else MessageControl(0)
        return CancelMessage(message_id=self.number, control=int(control))


class MessageServer:
    """All messages of one server endpoint."""

    def __init__(self) -> None:
        self.messages: dict[int, ServerMessage] = {}
        """By message id, oldest first."""

    def load(self, messages: Iterable[ServerMessage]) -> None:
        """Go on with what was kept before a restart."""
        self.messages = {one.number: one for one in messages}

    def create(self, message: DisplayMessage, now: int, longest: int) -> ServerMessage:
        """Take a message of at most `longest` bytes. Raises `InvalidError` that names the field, `RefusedError`.

        A number is free again at the end of its message, also of one that was cancelled; without an end, at its cancel.
        """
        size = len(message.message.encode("utf-8", "surrogateescape"))
        if not 0 < size <= longest:
            raise InvalidError("message", f"{size} bytes", f"1 to {longest} bytes of UTF-8: so much the radio carries")
        if any("\ud800" <= letter <= "\udfff" for letter in message.message):
            raise InvalidError("message", "not UTF-8 throughout", "text")
        if message.duration_min < 1:
            raise InvalidError("duration_min", message.duration_min, "1 to 65534 minutes, or 65535: until changed")
        if message.start_time == INVALID_UTC:
            raise InvalidError("start_time", message.start_time, "0 (now), or a time before 2136")
        known = self.messages.get(message.message_id)
        if known is not None and known.has_number(now):
            raise RefusedError(f"there is a message {message.message_id} already; each needs a number of its own")
        start = message.start_time or now
        end = _end_of(message, start)
        if end is not None and end <= now:
            raise InvalidError("start_time", message.start_time, "a start from which the duration reaches past now")
        self.messages.pop(message.message_id, None)
        while len(self.messages) >= MAX_MESSAGES:
            del self.messages[next(iter(self.messages))]
        new = self.messages[message.message_id] = ServerMessage(message=message, start=start, end=end)
        return new

    def cancel(self, number: int, *, confirm: bool = False) -> ServerMessage | None:
        """Take a message away; None for one that is not known, which clients may still have."""
        known = self.messages.get(number)
        if known is not None:
            known.cancelled, known.cancel_wants_confirmation = True, confirm
        return known

    def clear(self, now: int) -> int:
        """Forget what is over or cancelled; how many those were."""
        over = [one.number for one in self.messages.values() if not one.is_valid(now)]
        for number in over:
            del self.messages[number]
        return len(over)

    def last(self, now: int) -> ServerMessage | None:
        """What Get Last Message is answered with; None: NOT_FOUND."""
        return next((one for one in reversed(self.messages.values()) if one.is_valid(now)), None)

    def replaced(self, now: int) -> set[int]:
        """Numbers of messages that would be shown, had not a newer one taken their place."""
        begun = [one for one in self.messages.values() if one.is_valid(now) and one.start <= now]
        return {one.number for one in sorted(begun, key=lambda one: one.start)[:-1]}

    def missing(self, client: Peer, now: int) -> list[ServerMessage]:
        """The message that a client that comes back has not got."""
        last = self.last(now)
        return [last] if last is not None and client not in last.delivered else []

    def unheard(self, client: Peer, now: int, *, again: bool = False) -> list[ServerMessage]:
        """Cancelled messages that a client has got, and has not heard of; `again`: or may have forgotten since."""
        return [
            one
            for one in self.messages.values()
            if one.cancelled
            and (one.end is None or one.end > now)
            and client in one.delivered
            and (again or client not in one.withdrawn)
        ]

    def confirm(self, client: Peer, confirmation: MessageConfirmation) -> ServerMessage | None:
        """Message Confirmation: one of each client counts; None for a message that is not ours."""
        known = self.messages.get(confirmation.message_id)
        if known is not None:
            known.confirmed.setdefault(client, confirmation.confirmation_time)
            known.delivered.add(client)
        return known


# -- client ------------------------------------------------------------------------------------------------------------


class Shown(StrEnum):
    """What has become of a message at a client."""

    WAITING = "waiting"
    SHOWN = "shown"
    OVER = "over"
    REPLACED = "replaced"
    CANCELLED = "cancelled"


@dataclass(slots=True, kw_only=True)
class ClientMessage:
    """A message that a server wants to be shown."""

    message: DisplayMessage
    servers: list[Peer]
    start: int
    end: int | None
    state: Shown = Shown.WAITING
    cancel_wants_confirmation: bool = False
    cancel_control: int | None = None
    """Of the command that took it off the display; None: none did."""
    confirmed_at: int | None = None

    @property
    def number(self) -> int:
        """Its message id."""
        return self.message.message_id

    @property
    def waits_for_person(self) -> bool:
        """Somebody is to confirm it, or that it was taken away."""
        asked = wants_confirmation(self.message.control) or self.cancel_wants_confirmation
        return asked and self.confirmed_at is None


class MessageClient:
    """All messages of one client endpoint."""

    def __init__(self, version: SeVersion = SeVersion.V1_0) -> None:
        """`version`: from SE 1.2 on a message for inter-PAN transmission alone is refused."""
        self._version = version
        self.messages: dict[int, ClientMessage] = {}
        """By message id, oldest first."""
        self.cancel_all_at: int | None = None
        """When all that there are now are to be taken away."""

    def load(self, messages: Iterable[ClientMessage]) -> None:
        """Go on with what was kept before a restart."""
        self.messages = {one.number: one for one in messages}

    def receive(self, message: DisplayMessage, server: Peer, now: int) -> Status:
        """Display Message."""
        if self._version >= SeVersion.V1_2 and transmission_of(message.control) == Transmission.INTER_PAN:
            return Status.INVALID_FIELD
        start = message.start_time or now
        end = _end_of(message, start)
        known = self.messages.get(message.message_id)
        if known is not None:
            if server not in known.servers:
                known.servers.append(server)
            is_confirmed = message.extended_control is not None and bool(
                message.extended_control & ExtendedMessageControl.CONFIRMED
            )
            if is_confirmed and known.confirmed_at is None:
                known.confirmed_at = now  # somebody has done so elsewhere
            return Status.DUPLICATE_EXISTS
        if end is not None and end <= now:
            return Status.FAILURE
        while len(self.messages) >= MAX_MESSAGES:
            del self.messages[next(iter(self.messages))]
        new = ClientMessage(message=message, servers=[server], start=start, end=end)
        self.messages[new.number] = new
        self.due(now)
        return Status.SUCCESS

    def cancel(self, cancel: CancelMessage, now: int) -> Status:
        """Cancel Message."""
        known = self.messages.get(cancel.message_id)
        if known is None or known.state not in (Shown.WAITING, Shown.SHOWN):
            return Status.NOT_FOUND
        if known.state is Shown.SHOWN:
            known.cancel_control = cancel.control
        known.state = Shown.CANCELLED
        if cancel.control & MessageControl.CONFIRMATION:
            known.cancel_wants_confirmation, known.confirmed_at = True, None
        return Status.SUCCESS

    def cancel_all(self, at: int, now: int) -> Status:
        """Cancel All Messages (SE 1.2), at a time; 0: now."""
        self.cancel_all_at = at or now
        self.due(now)
        return Status.SUCCESS

    def confirm(self, number: int, now: int) -> tuple[MessageConfirmation, list[Peer]]:
        """Somebody has read it: what to tell, and whom. Raises `KeyError`, `ValueError` when nobody asks for that."""
        known = self.messages[number]
        if not known.waits_for_person:
            raise ValueError(number)
        known.confirmed_at = now
        told = MessageConfirmation(message_id=number, confirmation_time=now & 0xFFFFFFFF)
        return told, list(known.servers)

    def clear(self) -> None:
        """Forget all messages."""
        self.messages.clear()
        self.cancel_all_at = None

    @property
    def on_display(self) -> list[ClientMessage]:
        """What is shown, and what was taken off the display while somebody is to confirm that."""
        return [
            one
            for one in self.messages.values()
            if one.state is Shown.SHOWN
            or (one.cancel_control is not None and one.cancel_wants_confirmation and one.waits_for_person)
        ]

    @property
    def active(self) -> ClientMessage | None:
        """What is shown."""
        return next((one for one in self.messages.values() if one.state is Shown.SHOWN), None)

    def due(self, now: int) -> bool:
        """Begin and end what is due; whether what is shown has changed."""
        before = self.active
        if self.cancel_all_at is not None and now >= self.cancel_all_at:
            self.cancel_all_at = None
            for known in self.messages.values():
                if known.state in (Shown.WAITING, Shown.SHOWN):
                    known.state = Shown.CANCELLED
        for known in self.messages.values():
            if known.state is Shown.WAITING and now >= known.start:
                shown = self.active
                if shown is not None:
                    shown.state = Shown.REPLACED
                known.state = Shown.SHOWN
            if known.state is Shown.SHOWN and known.end is not None and now >= known.end:
                known.state = Shown.OVER
        return self.active is not before

    def next_time(self, now: int) -> int | None:
        """When something begins or ends next; None: never."""
        times = [
            time
            for one in self.messages.values()
            if one.state in (Shown.WAITING, Shown.SHOWN)
            for time in (one.start, one.end)
            if time is not None and time > now
        ]
        if self.cancel_all_at is not None:
            times.append(self.cancel_all_at)
        return min(times, default=None)
