"""Payloads of Smart Energy commands, written from the standard for emulated devices and shared with no driver.

The mandatory fields are read, then optional ones while there are bytes; what a newer revision has added behind them is
let be. A field that is there in part raises `struct.error`. Times are seconds since 2000-01-01 UTC; 0 is now.
"""

from __future__ import annotations

import struct
from dataclasses import astuple, dataclass, fields
from typing import Any, ClassVar, Self

from radios.emulators import zcl

TIME, PRICE, DRLC, METERING, MESSAGING = 0x000A, 0x0700, 0x0701, 0x0702, 0x0703
NEVER_SET = 0xFFFFFFFF
"""A time that nobody knows."""
UNTIL_CHANGED = 0xFFFF
"""A duration of a price or a message."""
NO_SET_POINT, NO_LOAD, NO_BYTE = -0x8000, -0x80, 0xFF
"""Fields of a load control event that say nothing."""
SIGNATURE_BYTES = 42
MAX_LABEL_BYTES = 12
MAX_MESSAGE_BYTES = 54
"""Of a text that goes into one radio packet with its header and its encryption."""

LOAD_CONTROL_EVENT, CANCEL_LOAD_CONTROL_EVENT, CANCEL_ALL_LOAD_CONTROL_EVENTS = 0x00, 0x01, 0x02
REPORT_EVENT_STATUS, GET_SCHEDULED_EVENTS = 0x00, 0x01
PUBLISH_PRICE = 0x00
GET_CURRENT_PRICE, GET_SCHEDULED_PRICES, PRICE_ACKNOWLEDGEMENT = 0x00, 0x01, 0x02
DISPLAY_MESSAGE, CANCEL_MESSAGE, DISPLAY_PROTECTED_MESSAGE, CANCEL_ALL_MESSAGES = 0x00, 0x01, 0x02, 0x03
GET_LAST_MESSAGE, MESSAGE_CONFIRMATION = 0x00, 0x01

RECEIVED, STARTED, COMPLETED, OPTED_OUT, OPTED_IN, CANCELLED, SUPERSEDED = 1, 2, 3, 4, 5, 6, 7
ENDED_OUT, ENDED_IN, NEVER_TOOK_PART = 8, 9, 0x0A
INVALID_CANCEL, INVALID_EFFECTIVE_TIME, EXPIRED, UNDEFINED_EVENT, REJECTED = 0xF8, 0xF9, 0xFB, 0xFD, 0xFE
STATUSES = {
    RECEIVED: "received",
    STARTED: "started",
    COMPLETED: "completed",
    OPTED_OUT: "opted out",
    OPTED_IN: "opted in",
    CANCELLED: "cancelled",
    SUPERSEDED: "superseded",
    ENDED_OUT: "partially completed with opt-out",
    ENDED_IN: "partially completed due to opt-in",
    NEVER_TOOK_PART: "completed without participation",
    INVALID_CANCEL: "invalid cancel command",
    INVALID_EFFECTIVE_TIME: "invalid effective time",
    EXPIRED: "expired when received",
    UNDEFINED_EVENT: "undefined event in cancel",
    REJECTED: "rejected",
}
"""Event statuses in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A base: fields of fixed size, in the order of their declaration."""

    LAYOUT: ClassVar[struct.Struct]

    def pack(self) -> bytes:
        """Its bytes."""
        return self.LAYOUT.pack(*astuple(self))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read it. Raises `struct.error`."""
        names: dict[str, Any] = dict(zip((one.name for one in fields(cls)), cls.LAYOUT.unpack_from(data), strict=True))
        return cls(**names)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadControlEvent(Payload):
    """Demand Response and Load Control, to the client: shed load."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<IHBIHBBBhhbBB")

    issuer_event_id: int
    device_class: int
    utility_enrollment_group: int = 0
    start_time: int = 0
    duration_in_minutes: int
    criticality_level: int = 1
    cooling_temperature_offset: int = NO_BYTE
    """0.1 °C."""
    heating_temperature_offset: int = NO_BYTE
    cooling_temperature_set_point: int = NO_SET_POINT
    """0.01 °C."""
    heating_temperature_set_point: int = NO_SET_POINT
    average_load_adjustment_percentage: int = NO_LOAD
    duty_cycle: int = NO_BYTE
    """Percent of the time that it may be on."""
    event_control: int = 0
    """Bit 0: its start is randomised; bit 1: its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelLoadControlEvent(Payload):
    """To the client: one event, or some of its classes, is no more."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<IHBBI")

    issuer_event_id: int
    device_class: int
    utility_enrollment_group: int = 0
    cancel_control: int = 0
    """Bit 0: as its randomisation wants, not at once."""
    effective_time: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportEventStatus(Payload):
    """To the server: what became of an event. A signature follows, which SE 1.2 leaves out."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<IBIBhhbBB")

    issuer_event_id: int
    event_status: int
    event_status_time: int
    criticality_level_applied: int = 0
    cooling_temperature_set_point_applied: int = NO_SET_POINT
    heating_temperature_set_point_applied: int = NO_SET_POINT
    average_load_adjustment_percentage_applied: int = NO_LOAD
    duty_cycle_applied: int = NO_BYTE
    event_control: int = 0


UNSIGNED = b"\x00" + b"\xff" * SIGNATURE_BYTES
"""Signature type and signature of a report without one, as SE 1.1 has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceAcknowledgement(Payload):
    """Price, to the server."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<IIIB")

    provider_id: int
    issuer_event_id: int
    price_ack_time: int
    control: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageConfirmation(Payload):
    """Messaging, to the server: somebody has seen it."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<II")

    message_id: int
    confirmation_time: int


_PRICE = struct.Struct("<IIBHBBIHIBIB")
"""Behind the label, up to the generation price ratio: what every revision has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPrice:
    """Price, to the client. Written as SE 1.1 has it, read as any revision does."""

    provider_id: int = 0xFFFFFFFF
    rate_label: str = ""
    issuer_event_id: int
    current_time: int
    unit_of_measure: int = 0
    currency: int = 840
    """ISO 4217."""
    trailing_digits_and_tier: int = 0x20
    """High nibble: digits right of the point; low nibble: the price's tier, 0 none."""
    tiers_and_register: int = 0
    start_time: int = 0
    duration_in_minutes: int
    price: int
    price_control: int = 0
    """Bit 0: it is to be acknowledged."""

    @property
    def amount(self) -> float:
        """Of the currency for one unit."""
        return float(self.price / 10 ** (self.trailing_digits_and_tier >> 4))

    @property
    def tier(self) -> int:
        """0: none."""
        return self.trailing_digits_and_tier & 0x0F

    def pack(self) -> bytes:
        """Its bytes: no ratios, no generation price, no alternate cost, no blocks."""
        label = self.rate_label.encode()[:MAX_LABEL_BYTES]
        return (
            struct.pack("<IB", self.provider_id, len(label))
            + label
            + _PRICE.pack(
                self.issuer_event_id,
                self.current_time,
                self.unit_of_measure,
                self.currency,
                self.trailing_digits_and_tier,
                self.tiers_and_register,
                self.start_time,
                self.duration_in_minutes,
                self.price,
                0xFF,
                0xFFFFFFFF,
                0xFF,
            )
            + struct.pack("<IBBBB", 0xFFFFFFFF, 0xFF, 0xFF, 0xFF, self.price_control)
        )

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read it. Raises `struct.error` or `zcl.BadFrameError`."""
        provider = struct.unpack_from("<I", data)[0]
        label, at = zcl.unpack(zcl.OCTETS, data, 4)
        found = _PRICE.unpack_from(data, at)
        at += _PRICE.size
        later: list[int] = []
        for field in ("<I", "<B", "<B", "<B", "<B", "<B", "<B", "<B", "<B", "<B"):
            if at >= len(data):
                break
            later.append(struct.unpack_from(field, data, at)[0])
            at += struct.calcsize(field)
        return cls(
            provider_id=provider,
            rate_label=label.decode(errors="replace") if isinstance(label, bytes) else "",
            issuer_event_id=found[0],
            current_time=found[1],
            unit_of_measure=found[2],
            currency=found[3],
            trailing_digits_and_tier=found[4],
            tiers_and_register=found[5],
            start_time=found[6],
            duration_in_minutes=found[7],
            price=found[8],
            price_control=later[4] if len(later) > 4 else 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayMessage:
    """Messaging, to the client."""

    message_id: int
    message_control: int = 0
    """Bits 2 and 3: importance; bit 7: somebody has to confirm it."""
    start_time: int = 0
    duration_in_minutes: int
    message: str
    is_confirmed: bool = False
    """By somebody else already (SE 1.2)."""

    @property
    def wants_confirmation(self) -> bool:
        """Somebody has to confirm it."""
        return bool(self.message_control & 0x80)

    def pack(self) -> bytes:
        """Its bytes."""
        text = self.message.encode()
        return (
            struct.pack(
                "<IBIHB", self.message_id, self.message_control, self.start_time, self.duration_in_minutes, len(text)
            )
            + text
        )

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read it. Raises `struct.error` or `zcl.BadFrameError`."""
        number, control, start, duration = struct.unpack_from("<IBIH", data)
        text, at = zcl.unpack(zcl.STRING, data, 11)
        return cls(
            message_id=number,
            message_control=control,
            start_time=start,
            duration_in_minutes=duration,
            message=str(text),
            is_confirmed=bool(data[at] & 1) if at < len(data) else False,
        )
