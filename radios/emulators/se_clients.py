"""Clients of Time, Price, Messaging and Metering servers, as a display has them."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from math import inf

from radios.emulators import zcl
from radios.emulators.attributes import Attribute
from radios.emulators.errors import EmulatorError
from radios.emulators.se_endpoint import Client, Clock, Peer, SmartEnergyDevice
from radios.emulators.se_payloads import (
    CANCEL_ALL_MESSAGES,
    CANCEL_MESSAGE,
    DISPLAY_MESSAGE,
    DISPLAY_PROTECTED_MESSAGE,
    GET_CURRENT_PRICE,
    GET_LAST_MESSAGE,
    MESSAGE_CONFIRMATION,
    MESSAGING,
    METERING,
    NEVER_SET,
    PRICE,
    PRICE_ACKNOWLEDGEMENT,
    PUBLISH_PRICE,
    TIME,
    UNTIL_CHANGED,
    DisplayMessage,
    MessageConfirmation,
    PriceAcknowledgement,
    PublishPrice,
)

A = Attribute
DAY_S, HOUR_S = 86_400.0, 3600.0
MAX_PRICES, MAX_MESSAGES = 8, 8
"""That a client keeps; the oldest gives way."""
CONFIRM_S = 20.0
"""Of its own time: somebody has read a message so long after it was shown first."""
IMPORTANCE = ("low", "medium", "high", "critical")


def begin_and_end(clock: Clock, start_time: int, minutes: int, sent_at: int | None = None) -> tuple[float, float]:
    """By the device's clock. One that was never set still knows how long after `sent_at` something starts."""
    start = float(start_time) if start_time else clock.now
    if start_time and not clock.is_set and sent_at is not None:
        start = clock.now + start_time - sent_at
    return start, inf if minutes == UNTIL_CHANGED else start + 60.0 * minutes


class TimeClient(Client):
    """Sets the device's clock."""

    cluster = TIME
    poll_s = DAY_S

    def ask(self, server: Peer) -> None:
        """For Time."""
        self.read_from(server, 0x0000)

    def read(self, values: dict[int, zcl.Value]) -> None:
        """The server knows the time, or not yet."""
        utc = values.get(0x0000)
        if isinstance(utc, int) and 0 < utc < NEVER_SET:
            self.clock.set(utc)
            self.settled()


@dataclass(slots=True)
class KnownPrice:
    """A price that was published."""

    price: PublishPrice
    start: float
    end: float


class PriceClient(Client):
    """Keeps the prices that are published, and acknowledges those that ask for it."""

    cluster = PRICE
    poll_s = HOUR_S

    def __init__(self, device: SmartEnergyDevice) -> None:
        super().__init__(
            device,
            {
                0x0000: A(zcl.UINT8, 5, writable=True, maximum=60),
                0x0001: A(zcl.UINT8, 15, writable=True, maximum=60),
                0x0002: A(zcl.ENUM8, 0),
            },
        )
        self.prices: list[KnownPrice] = []
        self.acknowledged = 0
        self.clock.first_set.append(self._jump)

    def forget(self) -> None:
        """No prices any more."""
        self.prices.clear()

    def _jump(self, seconds: float) -> None:
        for known in self.prices:
            known.start += seconds
            known.end += seconds

    def ask(self, server: Peer) -> None:
        """Get Current Price; its receiver is on while it is idle."""
        self.say(server, GET_CURRENT_PRICE, b"\x01")

    @property
    def current(self) -> KnownPrice | None:
        """What holds now."""
        now = self.clock.now
        found = [known for known in self.prices if known.start <= now < known.end]
        return max(found, key=lambda known: known.start, default=None)

    def heard(self, peer: Peer, header: zcl.Header, payload: bytes) -> int | None:
        """Publish Price."""
        if header.command != PUBLISH_PRICE:
            return zcl.UNSUP_CLUSTER_COMMAND
        price = PublishPrice.unpack(payload)
        start, end = begin_and_end(self.clock, price.start_time, price.duration_in_minutes, price.current_time)
        if end <= self.clock.now:
            return zcl.FAILURE
        self._keep(KnownPrice(price, start, end))
        if not price.price_control & 1:
            return zcl.SUCCESS
        self.acknowledged += 1
        told = PriceAcknowledgement(
            provider_id=price.provider_id,
            issuer_event_id=price.issuer_event_id,
            price_ack_time=self.clock.stamp,
            control=price.price_control,
        )
        self.say(peer, PRICE_ACKNOWLEDGEMENT, told.pack(), tsn=header.tsn)
        return None

    def _keep(self, new: KnownPrice) -> None:
        """The larger event id is the newer one: it takes the place of what it overlaps."""
        kept: list[KnownPrice] = []
        for known in self.prices:
            if known.end <= self.clock.now:
                continue
            if known.start < new.end and new.start < known.end:
                if known.price.issuer_event_id >= new.price.issuer_event_id:
                    return
                if known.start >= new.start:
                    continue
                known.end = new.start
            kept.append(known)
        self.prices = [*kept, new][-MAX_PRICES:]

    def shown(self) -> dict[str, object]:
        """For those who look on."""
        current = self.current
        return {
            "price": None if current is None else _price_row(current),
            "prices": [_price_row(known) for known in self.prices],
            "acknowledged": self.acknowledged,
        }


def _price_row(known: KnownPrice) -> dict[str, object]:
    price = known.price
    return {
        "id": price.issuer_event_id,
        "amount": price.amount,
        "currency": price.currency,
        "unit": price.unit_of_measure,
        "tier": price.tier,
        "label": price.rate_label,
        "start": round(known.start),
        "end": None if known.end == inf else round(known.end),
    }


@dataclass(slots=True)
class KnownMessage:
    """A message, and what has become of it."""

    message: DisplayMessage
    server: Peer
    start: float
    end: float
    state: str = "waiting"
    """waiting, shown, ended, replaced, or cancelled."""
    confirmed_at: int | None = None


class MessagingClient(Client):
    """Shows one message at a time. Somebody reads it, and confirms those that ask for it."""

    cluster = MESSAGING
    poll_s = HOUR_S

    def __init__(self, device: SmartEnergyDevice) -> None:
        super().__init__(device)
        self.messages: deque[KnownMessage] = deque(maxlen=MAX_MESSAGES)
        self.confirms_by_itself = True
        """Somebody lives there who reads."""
        self._all_cancelled_at: float | None = None
        self.clock.first_set.append(self._jump)

    def forget(self) -> None:
        """No messages any more."""
        self.messages.clear()
        self._all_cancelled_at = None

    def _jump(self, seconds: float) -> None:
        for known in self.messages:
            if not known.message.start_time:
                known.start += seconds
                known.end += seconds

    def ask(self, server: Peer) -> None:
        """Get Last Message."""
        self.say(server, GET_LAST_MESSAGE, b"")

    @property
    def on_screen(self) -> KnownMessage | None:
        """What it shows."""
        return next((known for known in self.messages if known.state == "shown"), None)

    def heard(self, peer: Peer, header: zcl.Header, payload: bytes) -> int | None:
        """Display Message, Cancel Message, Cancel All Messages."""
        if header.command in (DISPLAY_MESSAGE, DISPLAY_PROTECTED_MESSAGE):
            return self._displayed(peer, DisplayMessage.unpack(payload))
        if header.command == CANCEL_MESSAGE:
            number, control = struct.unpack_from("<IB", payload)
            return self._cancelled(peer, number, is_confirmed=bool(control & 0x80))
        if header.command == CANCEL_ALL_MESSAGES:
            self._all_cancelled_at = float(struct.unpack_from("<I", payload)[0])
            self._advance()
            return zcl.SUCCESS
        return zcl.UNSUP_CLUSTER_COMMAND

    def _displayed(self, peer: Peer, message: DisplayMessage) -> int:
        known = self._find(message.message_id)
        if known is not None:
            if message.is_confirmed and known.confirmed_at is None:
                known.confirmed_at = self.clock.stamp
            return zcl.SUCCESS
        start, end = begin_and_end(self.clock, message.start_time, message.duration_in_minutes)
        if end <= self.clock.now and (self.clock.is_set or not message.start_time):
            return zcl.FAILURE
        self.messages.append(KnownMessage(message, peer, start, end))
        self._advance()
        return zcl.SUCCESS

    def _cancelled(self, peer: Peer, number: int, *, is_confirmed: bool) -> int:
        known = self._find(number)
        if known is None or known.state not in ("waiting", "shown"):
            return zcl.NOT_FOUND
        known.state = "cancelled"
        if is_confirmed:
            self._confirm(known, peer)
        return zcl.SUCCESS

    def _find(self, number: int) -> KnownMessage | None:
        return next((known for known in self.messages if known.message.message_id == number), None)

    def confirm(self) -> int:
        """Somebody presses the button: the message's number. Raises `EmulatorError`."""
        known = self.on_screen
        if known is None or not known.message.wants_confirmation or known.confirmed_at is not None:
            raise EmulatorError("no message is shown that has to be confirmed")
        self._confirm(known, known.server)
        return known.message.message_id

    def _confirm(self, known: KnownMessage, peer: Peer) -> None:
        known.confirmed_at = self.clock.stamp
        told = MessageConfirmation(message_id=known.message.message_id, confirmation_time=known.confirmed_at)
        self.say(peer, MESSAGE_CONFIRMATION, told.pack())

    def tick(self) -> None:
        """Messages come and go."""
        super().tick()
        self._advance()

    def _advance(self) -> None:
        now = self.clock.now
        if self._all_cancelled_at is not None and (not self._all_cancelled_at or self._all_cancelled_at <= now):
            self._all_cancelled_at = None
            for known in self.messages:
                if known.state in ("waiting", "shown"):
                    known.state = "cancelled"
        for known in list(self.messages):
            is_due = known.start <= now and (self.clock.is_set or not known.message.start_time)
            if known.state == "waiting" and is_due:
                before = self.on_screen
                if before is not None:
                    before.state = "replaced"
                known.state = "shown"
            if known.state == "shown" and now >= known.end:
                known.state = "ended"
            if (
                self.confirms_by_itself
                and known.state == "shown"
                and known.message.wants_confirmation
                and known.confirmed_at is None
                and now >= known.start + CONFIRM_S
            ):
                self._confirm(known, known.server)

    def shown(self) -> dict[str, object]:
        """For those who look on."""
        current = self.on_screen
        return {
            "message": None if current is None else current.message.message,
            "messages": [
                {
                    "id": known.message.message_id,
                    "text": known.message.message,
                    "importance": IMPORTANCE[known.message.message_control >> 2 & 3],
                    "state": known.state,
                    "wants_confirmation": known.message.wants_confirmation,
                    "confirmed": known.confirmed_at is not None,
                }
                for known in self.messages
            ],
        }


class MeteringClient(Client):
    """Reads the meter, if there is one."""

    cluster = METERING
    poll_s = 60.0

    def __init__(self, device: SmartEnergyDevice) -> None:
        super().__init__(device)
        self.values: dict[int, zcl.Value] = {}

    def forget(self) -> None:
        """No meter any more."""
        self.values.clear()

    def ask(self, server: Peer) -> None:
        """For what it counted, what flows, and in which unit."""
        self.read_from(server, 0x0000, 0x0400, 0x0300, 0x0301, 0x0302)

    def read(self, values: dict[int, zcl.Value]) -> None:
        """The meter says."""
        self.values |= values
        self.settled()

    def _scaled(self, attribute: int) -> float | None:
        raw = self.values.get(attribute)
        if not isinstance(raw, int | float):
            return None
        return float(raw) * (float(self.values.get(0x0301) or 1)) / float(self.values.get(0x0302) or 1)

    def shown(self) -> dict[str, object]:
        """For those who look on."""
        return {"meter_kwh": self._scaled(0x0000), "meter_kw": self._scaled(0x0400)}
