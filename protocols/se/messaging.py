"""Messaging, cluster 0x0703 (Smart Energy profile 1.1b, D.5; 1.2 for what it adds)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, IntFlag
from typing import Annotated, ClassVar

from protocols.fields import U8, u8, u16, u32
from protocols.packet import PrefixedText
from protocols.record import record
from protocols.se.base import Commands, SeCommand, SeVersion, label20, utc

CLUSTER = 0x0703
UNTIL_CHANGED = 0xFFFF
"""A duration."""


class Transmission(IntEnum):
    """By which way a message goes; bits 0 and 1 of its control."""

    NORMAL = 0
    NORMAL_AND_INTER_PAN = 1
    INTER_PAN = 2


class Importance(IntEnum):
    """Bits 2 and 3 of a message's control."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2
    CRITICAL = 3


class MessageControl(IntFlag):
    """The single bits of a message's control."""

    ENHANCED_CONFIRMATION = 1 << 5
    CONFIRMATION = 1 << 7


def message_control(
    importance: Importance,
    *,
    confirm: bool = False,
    transmission: Transmission = Transmission.NORMAL,
    enhanced: bool = False,
) -> int:
    """The control byte of a message."""
    bits = MessageControl.CONFIRMATION if confirm else MessageControl(0)
    bits |= MessageControl.ENHANCED_CONFIRMATION if enhanced else MessageControl(0)
    return transmission | importance << 2 | bits


def transmission_of(control: int) -> int:
    """The way in a control byte: a `Transmission`, or 3, which is reserved."""
    return control & 3


def importance_of(control: int) -> Importance:
    """The importance in a control byte."""
    return Importance(control >> 2 & 3)


def wants_confirmation(control: int) -> bool:
    """Whether the reader is to confirm a message."""
    return bool(control & MessageControl.CONFIRMATION)


class ExtendedMessageControl(IntFlag):
    """SE 1.2."""

    CONFIRMED = 1
    """Somebody has confirmed it already."""


class ConfirmationControl(IntFlag):
    """What the reader has answered; SE 1.2."""

    NO = 1
    YES = 2


@record(kw_only=True)
class DisplayMessage(SeCommand):
    """Server to client: show a text."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x00, False
    SINCE: ClassVar[Mapping[str, SeVersion]] = {"extended_control": SeVersion.V1_2}
    message_id: u32
    control: u8
    """See `message_control`."""
    start_time: utc = 0
    """0: now."""
    duration_min: u16
    """0xFFFF: until changed."""
    message: Annotated[str, PrefixedText()]
    extended_control: Annotated[ExtendedMessageControl, U8] | None = None


@record(kw_only=True)
class CancelMessage(SeCommand):
    """Server to client: take a text away."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x01, False
    message_id: u32
    control: u8 = 0
    """Only the bit of confirmation counts."""


@record(kw_only=True)
class DisplayProtectedMessage(DisplayMessage):
    """Server to client: show a text to who has the PIN (SE 1.2)."""

    COMMAND = 0x02


@record
class CancelAllMessages(SeCommand):
    """Server to client: take all texts away (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x03, False
    implementation_time: utc


@record
class GetLastMessage(SeCommand):
    """Client to server: which text is to be shown."""

    CLUSTER, COMMAND = CLUSTER, 0x00


@record(kw_only=True)
class MessageConfirmation(SeCommand):
    """Client to server: somebody has read a text."""

    CLUSTER, COMMAND = CLUSTER, 0x01
    SINCE: ClassVar[Mapping[str, SeVersion]] = {"confirmation_control": SeVersion.V1_2, "response": SeVersion.V1_2}
    message_id: u32
    confirmation_time: utc
    confirmation_control: Annotated[ConfirmationControl, U8] | None = None
    response: label20 | None = None


@record
class GetMessageCancellation(SeCommand):
    """Client to server: whether all texts were taken away (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x02
    earliest_implementation_time: utc


COMMANDS = Commands(
    CLUSTER,
    DisplayMessage,
    CancelMessage,
    DisplayProtectedMessage,
    CancelAllMessages,
    GetLastMessage,
    MessageConfirmation,
    GetMessageCancellation,
)
