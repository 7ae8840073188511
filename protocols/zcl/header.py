"""The ZCL header: what kind of command, whose, whether an answer is wanted (ZCL8, 2.4.1)."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from protocols.errors import TruncatedError
from protocols.zcl.status import Status


class FrameType(IntEnum):
    """Whose command ids these are."""

    GENERAL = 0
    CLUSTER = 1
    RESERVED_2 = 2
    RESERVED_3 = 3


class Direction(IntEnum):
    """Which side of the cluster a command goes to."""

    TO_SERVER = 0
    TO_CLIENT = 1

    @property
    def back(self) -> Direction:
        """Of an answer."""
        return Direction.TO_CLIENT if self is Direction.TO_SERVER else Direction.TO_SERVER


_TYPES = tuple(FrameType)
_DIRECTIONS = tuple(Direction)
_MANUFACTURER, _DIRECTION, _NO_DEFAULT_RESPONSE = 0x04, 0x08, 0x10


class ZclHeader(NamedTuple):
    """A ZCL header. A NamedTuple, since one is made for every frame that arrives."""

    frame_type: FrameType
    direction: Direction
    tsn: int
    command: int
    disable_default_response: bool = False
    manufacturer: int | None = None

    def encode(self) -> bytes:
        """The header's bytes: 3, or 5 with a manufacturer code."""
        control = self.frame_type | (_DIRECTION if self.direction else 0)
        if self.disable_default_response:
            control |= _NO_DEFAULT_RESPONSE
        if self.manufacturer is None:
            return bytes((control, self.tsn, self.command))
        code = self.manufacturer
        return bytes((control | _MANUFACTURER, code & 0xFF, code >> 8, self.tsn, self.command))

    def answer(self, command: int, frame_type: FrameType | None = None) -> ZclHeader:
        """The header of an answer: same transaction, other direction, no answer to the answer."""
        return ZclHeader(
            self.frame_type if frame_type is None else frame_type,
            Direction.TO_SERVER if self.direction else Direction.TO_CLIENT,
            self.tsn,
            command,
            True,
            self.manufacturer,
        )


def parse_header(data: bytes) -> tuple[ZclHeader, bytes]:
    """The header of a ZCL frame and what follows it. Raises `TruncatedError`."""
    if len(data) < 3:
        raise TruncatedError("ZclHeader", 3, len(data))
    control = data[0]
    frame_type, direction = _TYPES[control & 3], _DIRECTIONS[(control >> 3) & 1]
    if not control & _MANUFACTURER:
        return (
            ZclHeader(frame_type, direction, data[1], data[2], bool(control & _NO_DEFAULT_RESPONSE), None),
            data[3:],
        )
    if len(data) < 5:
        raise TruncatedError("ZclHeader", 5, len(data))
    code = data[1] | data[2] << 8
    return ZclHeader(frame_type, direction, data[3], data[4], bool(control & _NO_DEFAULT_RESPONSE), code), data[5:]


def wants_default_response(
    header: ZclHeader, *, is_unicast: bool, is_default_response: bool, has_response: bool, status: Status
) -> bool:
    """Whether a default response answers a command (ZCL8, 2.5.12.2).

    Never for a command that was not unicast to us, never for a default response, never beside a specific response;
    else always for a failure, and for success unless the sender has asked not to.
    """
    if not is_unicast or is_default_response or has_response:
        return False
    return status is not Status.SUCCESS or not header.disable_default_response


def unsupported_command(header: ZclHeader) -> Status:
    """The status for a command that is not known (ZCL8, 2.6.3)."""
    if header.frame_type is FrameType.GENERAL:
        return Status.UNSUP_GENERAL_COMMAND if header.manufacturer is None else Status.UNSUP_MANUF_GENERAL_COMMAND
    return Status.UNSUP_CLUSTER_COMMAND if header.manufacturer is None else Status.UNSUP_MANUF_CLUSTER_COMMAND
