"""Time, Price, Messaging, and Demand Response and Load Control servers, as an energy service interface has them.

They do not know which device is the coordinator. Whom they publish to are the clients that have asked them something,
and those that `Subscribers.add` was told of.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf
from typing import ClassVar, Protocol

from radios.emulators import zcl
from radios.emulators.air import AirFrame
from radios.emulators.attributes import Attribute
from radios.emulators.device import Cluster
from radios.emulators.errors import EmulatorError
from radios.emulators.se_drlc import is_valid
from radios.emulators.se_endpoint import Peer
from radios.emulators.se_payloads import (
    CANCEL_ALL_LOAD_CONTROL_EVENTS,
    CANCEL_LOAD_CONTROL_EVENT,
    CANCEL_MESSAGE,
    DISPLAY_MESSAGE,
    DRLC,
    GET_CURRENT_PRICE,
    GET_LAST_MESSAGE,
    GET_SCHEDULED_EVENTS,
    GET_SCHEDULED_PRICES,
    LOAD_CONTROL_EVENT,
    MAX_MESSAGE_BYTES,
    MESSAGE_CONFIRMATION,
    MESSAGING,
    NEVER_SET,
    PRICE,
    PRICE_ACKNOWLEDGEMENT,
    PUBLISH_PRICE,
    REPORT_EVENT_STATUS,
    STATUSES,
    UNTIL_CHANGED,
    CancelLoadControlEvent,
    DisplayMessage,
    LoadControlEvent,
    MessageConfirmation,
    PriceAcknowledgement,
    PublishPrice,
    ReportEventStatus,
)

A = Attribute
MAX_SUBSCRIBERS = 32
"""Clients of one server; the one that was longest ago gives way."""
MAX_KEPT = 16
"""Events, prices or messages of one server; the oldest gives way."""
MAX_HEARD = 64
"""Answers of clients that are kept for each of them."""
TIME_MASTER = 0b0001
ALL_CLASSES = 0x0FFF

Heard = tuple[Peer, int, int]
"""Who said it, what (a status, or a control field), and when."""


class Speaking(Protocol):
    """The device that a server is part of."""

    def next_tsn(self) -> int:
        """A transaction number."""
        ...

    def say(self, endpoint: int, cluster: int, payload: bytes, *, to: int, to_endpoint: int) -> None:
        """Send a ZCL frame."""
        ...


class Server:
    """A base: one server, its clients, and what they answer."""

    cluster: ClassVar[int]

    def __init__(self, device: Speaking, endpoint: int, now: Callable[[], float]) -> None:
        """`now()`: seconds since 2000-01-01 UTC."""
        self._device, self._endpoint, self.now = device, endpoint, now
        self.subscribers: dict[Peer, None] = {}
        """Clients that are published to, the latest last."""
        self.side = Cluster({}, hear=self._hear)
        self._last = 0

    @property
    def stamp(self) -> int:
        """The time as frames carry it."""
        return int(self.now()) & 0xFFFFFFFF

    def next_id(self, wanted: int | None = None) -> int:
        """A number for an event: the time, as utilities do, and larger than the last one."""
        number = max(self._last + 1, self.stamp) & 0xFFFFFFFF if wanted is None else wanted
        self._last = max(self._last, number)
        return number

    def add(self, peer: Peer) -> None:
        """A client is there."""
        self.subscribers.pop(peer, None)
        self.subscribers[peer] = None
        while len(self.subscribers) > MAX_SUBSCRIBERS:
            del self.subscribers[next(iter(self.subscribers))]

    def send(self, peer: Peer, command: int, payload: bytes) -> None:
        """To one client."""
        body = zcl.frame(self._device.next_tsn(), command, payload, is_cluster=True)
        self._device.say(self._endpoint, self.cluster, body, to=peer.short, to_endpoint=peer.endpoint)

    def publish(self, command: int, payload: bytes) -> int:
        """To each client by itself, as its link key wants it; how many there are."""
        for peer in list(self.subscribers):
            self.send(peer, command, payload)
        return len(self.subscribers)

    def asked(self, peer: Peer, command: int, payload: bytes) -> int | tuple[int, bytes] | None:
        """A client's command."""
        raise NotImplementedError

    def _hear(self, frame: AirFrame, header: zcl.Header, payload: bytes) -> int | tuple[int, bytes] | None:
        if not header.is_cluster:
            return None
        peer = Peer(frame.source, frame.source_endpoint)
        self.add(peer)
        return self.asked(peer, header.command, payload)

    def several(self, peer: Peer, command: int, payloads: list[bytes]) -> int | tuple[int, bytes]:
        """Answer with the first, and send the others behind it; nothing is NOT_FOUND."""
        if not payloads:
            return zcl.NOT_FOUND
        for payload in payloads[1:]:
            self.send(peer, command, payload)
        return command, payloads[0]


def time_server(now: Callable[[], float]) -> Cluster:
    """Time: it is the master, and knows no zone but UTC."""

    def utc() -> int:
        return int(now()) & 0xFFFFFFFF

    return Cluster(
        {
            0x0000: A(zcl.UTC, utc),
            0x0001: A(zcl.MAP8, TIME_MASTER),
            0x0002: A(zcl.INT32, 0),
            0x0006: A(zcl.UINT32, utc),
            0x0007: A(zcl.UINT32, utc),
        }
    )


@dataclass(slots=True, kw_only=True)
class Published:
    """A price, a message or an event that is out, and what clients said to it."""

    start: float
    end: float
    is_cancelled: bool = False
    heard: list[Heard] = field(default_factory=list)

    def hear(self, peer: Peer, what: int, at: int) -> None:
        """A client says something."""
        self.heard.append((peer, what, at))
        del self.heard[:-MAX_HEARD]


@dataclass(slots=True, kw_only=True)
class PublishedPrice(Published):
    """A price that is out."""

    price: PublishPrice


@dataclass(slots=True, kw_only=True)
class PublishedMessage(Published):
    """A message that is out."""

    message: DisplayMessage


@dataclass(slots=True, kw_only=True)
class PublishedEvent(Published):
    """A load control event that is out."""

    event: LoadControlEvent


def _end(start: float, minutes: int) -> float:
    return inf if minutes == UNTIL_CHANGED else start + 60.0 * minutes


class PriceServer(Server):
    """Publishes prices."""

    cluster = PRICE

    def __init__(self, device: Speaking, endpoint: int, now: Callable[[], float]) -> None:
        super().__init__(device, endpoint, now)
        self.prices: list[PublishedPrice] = []

    def create(self, price: PublishPrice) -> int:
        """Publish; to how many clients. Raises `EmulatorError`."""
        if price.duration_in_minutes < 1:
            raise EmulatorError("a price holds for 1 minute or more")
        start = float(price.start_time or self.stamp)
        new = PublishedPrice(start=start, end=_end(start, price.duration_in_minutes), price=price)
        kept = []
        for old in self.prices:
            if old.start < new.end and new.start < old.end:
                if old.start >= new.start:
                    continue
                old.end = new.start
            kept.append(old)
        self.prices = [*kept, new][-MAX_KEPT:]
        return self.publish(PUBLISH_PRICE, self._payload(new))

    def _payload(self, known: PublishedPrice) -> bytes:
        return replace(known.price, current_time=self.stamp, start_time=int(known.start)).pack()

    def asked(self, peer: Peer, command: int, payload: bytes) -> int | tuple[int, bytes] | None:
        """Get Current Price, Get Scheduled Prices, Price Acknowledgement."""
        now = self.now()
        if command == GET_CURRENT_PRICE:
            if not payload:
                return zcl.MALFORMED
            found = [known for known in self.prices if known.start <= now < known.end]
            return (PUBLISH_PRICE, self._payload(found[-1])) if found else zcl.NOT_FOUND
        if command == GET_SCHEDULED_PRICES:
            least, most = struct.unpack_from("<IB", payload)
            due = [known for known in self.prices if known.end > max(least, now)]
            due = sorted(due, key=lambda known: known.start)[: most or None]
            return self.several(peer, PUBLISH_PRICE, [self._payload(known) for known in due])
        if command == PRICE_ACKNOWLEDGEMENT:
            told = PriceAcknowledgement.unpack(payload)
            for known in self.prices:
                if known.price.issuer_event_id == told.issuer_event_id:
                    known.hear(peer, told.control, told.price_ack_time)
            return zcl.SUCCESS
        return zcl.UNSUP_CLUSTER_COMMAND

    def shown(self) -> list[dict[str, object]]:
        """For those who look on."""
        return [
            {
                "id": known.price.issuer_event_id,
                "amount": known.price.amount,
                "tier": known.price.tier,
                "label": known.price.rate_label,
                "start": round(known.start),
                "end": None if known.end == inf else round(known.end),
                "acknowledged": sorted({_name(peer) for peer, _, _ in known.heard}),
            }
            for known in self.prices
        ]


class MessagingServer(Server):
    """Has messages displayed."""

    cluster = MESSAGING

    def __init__(self, device: Speaking, endpoint: int, now: Callable[[], float]) -> None:
        super().__init__(device, endpoint, now)
        self.messages: list[PublishedMessage] = []

    def create(self, message: DisplayMessage) -> int:
        """Send it; to how many clients. Raises `EmulatorError`."""
        if not message.message or len(message.message.encode()) > MAX_MESSAGE_BYTES:
            raise EmulatorError(f"a message has 1 to {MAX_MESSAGE_BYTES} bytes of text")
        if message.duration_in_minutes < 1:
            raise EmulatorError("a message lasts for 1 minute or more")
        start = float(message.start_time or self.stamp)
        new = PublishedMessage(start=start, end=_end(start, message.duration_in_minutes), message=message)
        self.messages = [*self.messages, new][-MAX_KEPT:]
        return self.publish(DISPLAY_MESSAGE, message.pack())

    def cancel(self, number: int | None, *, confirm: bool = False) -> tuple[int, int]:
        """Cancel a message, or the last one: its number, and how many clients were told. Raises `EmulatorError`."""
        left = [known for known in self.messages if not known.is_cancelled]
        if number is not None:
            left = [known for known in left if known.message.message_id == number]
        if not left:
            raise EmulatorError("there is no such message" if number is not None else "there is no message")
        left[-1].is_cancelled = True
        found = left[-1].message.message_id
        return found, self.publish(CANCEL_MESSAGE, struct.pack("<IB", found, 0x80 if confirm else 0))

    def asked(self, peer: Peer, command: int, payload: bytes) -> int | tuple[int, bytes] | None:
        """Get Last Message, Message Confirmation."""
        if command == GET_LAST_MESSAGE:
            left = [known for known in self.messages if not known.is_cancelled and known.end > self.now()]
            if not left:
                return zcl.NOT_FOUND
            return DISPLAY_MESSAGE, replace(left[-1].message, start_time=int(left[-1].start)).pack()
        if command == MESSAGE_CONFIRMATION:
            told = MessageConfirmation.unpack(payload)
            for known in self.messages:
                if known.message.message_id == told.message_id:
                    known.hear(peer, 0, told.confirmation_time)
            return zcl.SUCCESS
        return zcl.UNSUP_CLUSTER_COMMAND

    def shown(self) -> list[dict[str, object]]:
        """For those who look on."""
        return [
            {
                "id": known.message.message_id,
                "text": known.message.message,
                "cancelled": known.is_cancelled,
                "confirmed": sorted({_name(peer) for peer, _, _ in known.heard}),
            }
            for known in self.messages
        ]


class DrlcServer(Server):
    """Has devices shed load."""

    cluster = DRLC

    def __init__(self, device: Speaking, endpoint: int, now: Callable[[], float]) -> None:
        super().__init__(device, endpoint, now)
        self.events: list[PublishedEvent] = []
        self.refusals: list[Heard] = []
        """Statuses of events that it does not know."""

    def create(self, event: LoadControlEvent) -> int:
        """Send it; to how many clients. Raises `EmulatorError`."""
        if not is_valid(event):
            raise EmulatorError("a field of the event is not within its limits")
        if any(known.event.issuer_event_id == event.issuer_event_id for known in self.events):
            raise EmulatorError(f"there is an event {event.issuer_event_id} already")
        start = float(event.start_time or self.stamp)
        new = PublishedEvent(start=start, end=_end(start, event.duration_in_minutes), event=event)
        self.events = [*self.events, new][-MAX_KEPT:]
        return self.publish(LOAD_CONTROL_EVENT, event.pack())

    def cancel(self, number: int, control: int = 0) -> int:
        """Cancel an event, known or not; how many clients were told."""
        for known in self.events:
            if known.event.issuer_event_id == number:
                known.is_cancelled = True
        told = CancelLoadControlEvent(issuer_event_id=number, device_class=ALL_CLASSES, cancel_control=control)
        return self.publish(CANCEL_LOAD_CONTROL_EVENT, told.pack())

    def cancel_all(self, control: int = 0) -> int:
        """Cancel all events; how many clients were told."""
        for known in self.events:
            known.is_cancelled = True
        return self.publish(CANCEL_ALL_LOAD_CONTROL_EVENTS, bytes((control,)))

    def asked(self, peer: Peer, command: int, payload: bytes) -> int | tuple[int, bytes] | None:
        """Report Event Status, Get Scheduled Events."""
        if command == REPORT_EVENT_STATUS:
            told = ReportEventStatus.unpack(payload)
            found = [known for known in self.events if known.event.issuer_event_id == told.issuer_event_id]
            for known in found:
                known.hear(peer, told.event_status, told.event_status_time)
            if not found:
                self.refusals.append((peer, told.event_status, told.event_status_time))
                del self.refusals[:-MAX_HEARD]
            return zcl.SUCCESS
        if command == GET_SCHEDULED_EVENTS:
            least, most = struct.unpack_from("<IB", payload)
            due = [known for known in self.events if not known.is_cancelled and known.end > max(least, self.now())]
            due = sorted(due, key=lambda known: known.start)[: most or None]
            payloads = [replace(known.event, start_time=int(known.start)).pack() for known in due]
            return self.several(peer, LOAD_CONTROL_EVENT, payloads)
        return zcl.UNSUP_CLUSTER_COMMAND

    def shown(self) -> list[dict[str, object]]:
        """For those who look on."""
        rows = []
        for known in self.events:
            told: dict[str, list[str]] = {}
            for peer, status, at in known.heard:
                when = "" if at == NEVER_SET else f" {at}"
                told.setdefault(_name(peer), []).append(f"0x{status:02x} {STATUSES.get(status, 'reserved')}{when}")
            rows.append(
                {
                    "id": known.event.issuer_event_id,
                    "cancelled": known.is_cancelled,
                    "start": round(known.start),
                    "end": round(known.end),
                    "statuses": told,
                }
            )
        return rows


def _name(peer: Peer) -> str:
    return f"0x{peer.short:04x}/{peer.endpoint}"
