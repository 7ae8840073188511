"""API frames of an XBee, both ways (90033931_A; reference xbee-se.md, 2). Most significant byte first.

Smart Energy firmware takes 08, 09, 11, 21 and 24, and sends 88, 8A, 8B, 91 and A1 to A5. The others belong to the ZB
firmware that a module may have before it is converted: they are read, and never needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Annotated, ClassVar, Final

from protocols.fields import U8, U16, U64, Octets, u8, u16
from protocols.ids import Eui64
from protocols.packet import Counted, Decoders, Packet, Rest
from protocols.record import record
from protocols.xbee.status import (
    AtStatus,
    DeliveryStatus,
    DiscoveryStatus,
    JoinStatus,
    ModemStatusCode,
    RegistrationStatus,
)

eui64 = Annotated[Eui64, U64]
UNKNOWN_SHORT: Final = 0xFFFE
"""Let the module find the network address."""
COORDINATOR_IEEE: Final = Eui64(0)
"""With `UNKNOWN_SHORT`: the coordinator, whoever it is."""
BROADCAST_IEEE: Final = Eui64(0xFFFF)
SHORT_ONLY_IEEE: Final = Eui64(0xFFFF_FFFF_FFFF_FFFF)
"""The network address alone counts."""
SECRET_REGISTERS: Final = frozenset((b"KY", b"NK", b"ZV"))
"""Registers whose values are keys."""


class TransmitOption(IntFlag):
    """Options of an explicit transmit."""

    NO_RETRIES = 0x01
    INDIRECT = 0x04
    MULTICAST = 0x08
    APS_ENCRYPTION = 0x20
    EXTENDED_TIMEOUT = 0x40
    """For a destination that sleeps."""


class ReceiveOption(IntFlag):
    """Options of an explicit receive."""

    ACKNOWLEDGED = 0x01
    BROADCAST = 0x02
    APS_ENCRYPTED = 0x20
    FROM_END_DEVICE = 0x40


class XbeeFrame(Packet, order=">"):
    """Base of all frames; `TYPE` is the first byte of the frame data."""

    __slots__ = ()
    TYPE: ClassVar[int]

    def to_data(self) -> bytes:
        """Frame data, for `framing.encode`. Raises `RangeError`."""
        return bytes((self.TYPE,)) + self.encode()


def _shown(command: bytes, value: bytes) -> str:
    shown = f"<{len(value)} secret bytes>" if command.upper() in SECRET_REGISTERS and value else value.hex()
    return f"{command.decode('ascii', 'replace')}={shown}"


class _Command(XbeeFrame):
    """Base of AT commands: keys are not shown."""

    __slots__ = ()
    command: Annotated[bytes, Octets(2)]
    parameter: Annotated[bytes, Rest()]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_shown(self.command, self.parameter)})"


class _Response(XbeeFrame):
    """Base of answers to AT commands: keys are not shown."""

    __slots__ = ()
    command: Annotated[bytes, Octets(2)]
    status: Annotated[AtStatus, U8]
    value: Annotated[bytes, Rest()]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_shown(self.command, self.value)}, {self.status.name})"


# -- to the module -------------------------------------------------------------------------------------------------


@record
class AtCommand(_Command):
    """Read a register, write it, or carry out a command; applied at once. No parameter is a question."""

    TYPE = 0x08
    frame_id: u8
    command: Annotated[bytes, Octets(2)]
    parameter: Annotated[bytes, Rest()] = b""


@record
class QueuedAtCommand(_Command):
    """The same, applied with AC or the next `AtCommand`."""

    TYPE = 0x09
    frame_id: u8
    command: Annotated[bytes, Octets(2)]
    parameter: Annotated[bytes, Rest()] = b""


@record
class TransmitRequest(XbeeFrame):
    """Data for a device; ZB firmware only."""

    TYPE = 0x10
    frame_id: u8
    ieee: eui64
    short: u16
    radius: u8
    options: Annotated[TransmitOption, U8]
    data: Annotated[bytes, Rest()] = b""


@record
class ExplicitTransmit(XbeeFrame):
    """An APS frame. Frame id 0: no transmit status is wanted. Radius 0: as register NH says."""

    TYPE = 0x11
    frame_id: u8
    ieee: eui64
    short: u16
    source_endpoint: u8
    destination_endpoint: u8
    cluster: u16
    profile: u16
    radius: u8
    options: Annotated[TransmitOption, U8]
    data: Annotated[bytes, Rest()] = b""


@record
class RemoteAtCommand(_Command):
    """An AT command for another module; ZB firmware only."""

    TYPE = 0x17
    frame_id: u8
    ieee: eui64
    short: u16
    options: u8
    command: Annotated[bytes, Octets(2)]
    parameter: Annotated[bytes, Rest()] = b""


@record
class CreateSourceRoute(XbeeFrame):
    """The way to a device, beginning with its neighbour. There is no answer."""

    TYPE = 0x21
    frame_id: u8
    ieee: eui64
    short: u16
    options: u8
    hops: Annotated[tuple[int, ...], Counted(U8, U16)] = ()


@record
class RegisterDevice(XbeeFrame):
    """A link key for a device that shall join; no key removes it. Smart Energy trust centre only."""

    TYPE = 0x24
    frame_id: u8
    ieee: eui64
    short: u16 = UNKNOWN_SHORT
    options: u8 = 0
    key: Annotated[bytes, Rest()] = field(default=b"", repr=False)


# -- from the module -----------------------------------------------------------------------------------------------


@record
class AtResponse(_Response):
    """The answer to an AT command; a value only to a question."""

    TYPE = 0x88
    frame_id: u8
    command: Annotated[bytes, Octets(2)]
    status: Annotated[AtStatus, U8]
    value: Annotated[bytes, Rest()] = b""


@record
class ModemStatus(XbeeFrame):
    """Something has happened to the module."""

    TYPE = 0x8A
    status: Annotated[ModemStatusCode, U8]


@record
class TransmitStatus(XbeeFrame):
    """What became of a transmission. `short` is FFFD or FFFE where it is not known."""

    TYPE = 0x8B
    frame_id: u8
    short: u16
    retries: u8
    delivery: Annotated[DeliveryStatus, U8]
    discovery: Annotated[DiscoveryStatus, U8]


@record
class Receive(XbeeFrame):
    """Data of a device; ZB firmware only."""

    TYPE = 0x90
    ieee: eui64
    short: u16
    options: Annotated[ReceiveOption, U8]
    data: Annotated[bytes, Rest()] = b""


@record
class ExplicitReceive(XbeeFrame):
    """An APS frame has arrived."""

    TYPE = 0x91
    ieee: eui64
    short: u16
    source_endpoint: u8
    destination_endpoint: u8
    cluster: u16
    profile: u16
    options: Annotated[ReceiveOption, U8]
    data: Annotated[bytes, Rest()] = b""


@record
class IoSample(XbeeFrame):
    """Inputs of another module; ZB firmware only. `samples` as they are."""

    TYPE = 0x92
    ieee: eui64
    short: u16
    options: Annotated[ReceiveOption, U8]
    samples: Annotated[bytes, Rest()] = b""


@record
class SensorRead(XbeeFrame):
    """Values of a 1-wire sensor; ZB firmware only."""

    TYPE = 0x94
    ieee: eui64
    short: u16
    options: Annotated[ReceiveOption, U8]
    values: Annotated[bytes, Rest()] = b""


@record
class NodeIdentification(XbeeFrame):
    """Another module says who it is; ZB firmware only. `identification` as it is."""

    TYPE = 0x95
    ieee: eui64
    short: u16
    options: Annotated[ReceiveOption, U8]
    remote_short: u16
    remote_ieee: eui64
    identification: Annotated[bytes, Rest()] = b""


@record
class RemoteAtResponse(_Response):
    """The answer of another module; ZB firmware only."""

    TYPE = 0x97
    frame_id: u8
    ieee: eui64
    short: u16
    command: Annotated[bytes, Octets(2)]
    status: Annotated[AtStatus, U8]
    value: Annotated[bytes, Rest()] = b""


@record
class RouteRecord(XbeeFrame):
    """The way that a frame has come."""

    TYPE = 0xA1
    ieee: eui64
    short: u16
    options: Annotated[ReceiveOption, U8]
    hops: Annotated[tuple[int, ...], Counted(U8, U16)] = ()


@record
class DeviceAuthenticated(XbeeFrame):
    """Key establishment with a device is complete; trust centre only."""

    TYPE = 0xA2
    ieee: eui64
    short: u16
    status: u8


@record
class ManyToOneRoute(XbeeFrame):
    """A concentrator asks for routes; routers only."""

    TYPE = 0xA3
    ieee: eui64
    short: u16
    reserved: u8 | None = None


@record
class RegisterStatus(XbeeFrame):
    """The answer to `RegisterDevice`."""

    TYPE = 0xA4
    frame_id: u8
    status: Annotated[RegistrationStatus, U8]


@record
class JoinNotification(XbeeFrame):
    """A device has come or gone; trust centre only, with bit 1 of register DO."""

    TYPE = 0xA5
    parent: u16
    short: u16
    ieee: eui64
    status: Annotated[JoinStatus, U8]


@record
class FrameError(XbeeFrame):
    """The module did not understand a frame; newer firmware only."""

    TYPE = 0xFE
    status: u8


@dataclass(frozen=True, slots=True)
class Unknown:
    """A frame whose type nobody has described."""

    type: int
    payload: bytes


FRAMES: dict[int, type[XbeeFrame]] = {
    found.TYPE: found
    for found in list(globals().values())
    if isinstance(found, type) and issubclass(found, XbeeFrame) and "TYPE" in found.__dict__
}
"""By type, both ways."""
_DECODERS: dict[int, Callable[[bytes], XbeeFrame]] = Decoders(FRAMES)
# Some firmware is said to have a frame id in front of it.
_DECODERS[JoinNotification.TYPE] = lambda payload: JoinNotification.decode(payload[-JoinNotification.MINIMUM :])


def read(data: bytes) -> XbeeFrame | Unknown:
    """A frame by its data, the type first. Raises `CodecError` when it is too short for its type."""
    try:
        decode = _DECODERS[data[0]]
    except KeyError:
        return Unknown(data[0], data[1:])
    return decode(data[1:])
