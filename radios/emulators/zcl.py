"""Just enough ZCL and ZDO for emulated devices, written from the standards and shared with no driver.

Little endian throughout. Values travel as the bytes of their data type; what a type number means is in `SIZES`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

BOOL, MAP8, MAP16, MAP32 = 0x10, 0x18, 0x19, 0x1B
UINT8, UINT16, UINT24, UINT32, UINT48 = 0x20, 0x21, 0x22, 0x23, 0x25
INT8, INT16, INT24, INT32 = 0x28, 0x29, 0x2A, 0x2B
ENUM8, ENUM16, SINGLE, OCTETS, STRING, STRUCT, UTC, EUI64 = 0x30, 0x31, 0x39, 0x41, 0x42, 0x4C, 0xE2, 0xF0

SIZES: dict[int, int] = {
    0x08: 1, 0x09: 2, 0x0A: 3, 0x0B: 4, BOOL: 1, MAP8: 1, MAP16: 2, 0x1A: 3, MAP32: 4,
    UINT8: 1, UINT16: 2, UINT24: 3, UINT32: 4, 0x24: 5, UINT48: 6, 0x26: 7, 0x27: 8,
    INT8: 1, INT16: 2, INT24: 3, INT32: 4, 0x2C: 5, 0x2D: 6, 0x2E: 7, 0x2F: 8,
    ENUM8: 1, ENUM16: 2, 0x38: 2, SINGLE: 4, 0x3A: 8, 0xE0: 4, 0xE1: 4, UTC: 4, 0xE8: 2, 0xE9: 2, 0xEA: 4,
    EUI64: 8, 0xF1: 16,
}  # fmt: skip
"""Bytes of a value, by data type; strings say it themselves."""
ANALOG = frozenset((*range(0x20, 0x30), 0x38, 0x39, 0x3A, 0xE0, 0xE1, 0xE2))
"""Types that report upon a least change."""
_SIGNED = frozenset(range(0x28, 0x30))

SUCCESS, FAILURE, MALFORMED, UNSUP_CLUSTER_COMMAND, UNSUP_GENERAL_COMMAND = 0x00, 0x01, 0x80, 0x81, 0x82
UNSUP_MANUF_CLUSTER, UNSUP_MANUF_GENERAL, INVALID_FIELD, UNSUPPORTED_ATTRIBUTE = 0x83, 0x84, 0x85, 0x86
INVALID_VALUE, READ_ONLY, INSUFFICIENT_SPACE, NOT_FOUND, UNREPORTABLE = 0x87, 0x88, 0x89, 0x8B, 0x8C
INVALID_TYPE, UNSUPPORTED_CLUSTER, NOT_AUTHORIZED = 0x8D, 0xC3, 0x7E

READ, READ_RESPONSE, WRITE, WRITE_UNDIVIDED, WRITE_RESPONSE, WRITE_QUIETLY = 0x00, 0x01, 0x02, 0x03, 0x04, 0x05
CONFIGURE, CONFIGURE_RESPONSE, READ_CONFIGURATION, READ_CONFIGURATION_RESPONSE = 0x06, 0x07, 0x08, 0x09
REPORT, DEFAULT_RESPONSE, DISCOVER, DISCOVER_RESPONSE = 0x0A, 0x0B, 0x0C, 0x0D
DISCOVER_EXTENDED, DISCOVER_EXTENDED_RESPONSE = 0x15, 0x16
ANSWERS = frozenset(
    (
        READ_RESPONSE,
        WRITE_RESPONSE,
        CONFIGURE_RESPONSE,
        READ_CONFIGURATION_RESPONSE,
        DEFAULT_RESPONSE,
        DISCOVER_RESPONSE,
        DISCOVER_EXTENDED_RESPONSE,
    )
)
"""General commands that answer another one."""


class BadFrameError(Exception):
    """Bytes that are no such frame."""


@dataclass(frozen=True, slots=True)
class Header:
    """A ZCL header."""

    is_cluster: bool
    to_client: bool
    quiet: bool
    """Disable default response."""
    manufacturer: int | None
    tsn: int
    command: int


def read_header(data: bytes) -> tuple[Header, bytes]:
    """Header and payload of a ZCL frame."""
    if len(data) < 3:
        raise BadFrameError
    control, at, manufacturer = data[0], 1, None
    if control & 0x04:
        if len(data) < 5:
            raise BadFrameError
        manufacturer, at = data[1] | data[2] << 8, 3
    header = Header(control & 3 == 1, bool(control & 8), bool(control & 16), manufacturer, data[at], data[at + 1])
    return header, data[at + 2 :]


def frame(
    tsn: int,
    command: int,
    payload: bytes,
    *,
    is_cluster: bool = False,
    to_client: bool = True,
    quiet: bool = True,
    manufacturer: int | None = None,
) -> bytes:
    """A ZCL frame; the defaults are those of what a server says."""
    control = (1 if is_cluster else 0) | (8 if to_client else 0) | (16 if quiet else 0)
    code = b""
    if manufacturer is not None:
        control |= 4
        code = struct.pack("<H", manufacturer)
    return bytes((control,)) + code + bytes((tsn, command)) + payload


Value = int | float | bool | str | bytes


def pack(type_id: int, value: Value | None) -> bytes:
    """A value's bytes; None is the type's invalid value."""
    if type_id in (STRING, OCTETS):
        raw = value.encode() if isinstance(value, str) else bytes(value) if isinstance(value, bytes) else b""
        return bytes((0xFF,)) if value is None else bytes((len(raw),)) + raw
    if type_id == STRUCT:
        return bytes(value) if isinstance(value, bytes) else b"\xff\xff"
    if type_id == SINGLE:
        return struct.pack("<f", float("nan") if value is None else float(value))
    size = SIZES[type_id]
    signed = type_id in _SIGNED
    invalid = -(1 << (8 * size - 1)) if signed else (1 << (8 * size)) - 1
    number = invalid if value is None else int(value)
    low, high = (-(1 << (8 * size - 1)), (1 << (8 * size - 1)) - 1) if signed else (0, (1 << (8 * size)) - 1)
    return max(low, min(high, number)).to_bytes(size, "little", signed=signed)


def unpack(type_id: int, data: bytes, at: int) -> tuple[Value, int]:
    """A value and the place behind it."""
    if type_id in (STRING, OCTETS):
        if at >= len(data) or at + 1 + data[at] > len(data):
            raise BadFrameError
        raw = data[at + 1 : at + 1 + data[at]]
        return (raw.decode(errors="replace") if type_id == STRING else raw), at + 1 + data[at]
    size = SIZES.get(type_id)
    if size is None or at + size > len(data):
        raise BadFrameError
    raw = data[at : at + size]
    if type_id == SINGLE:
        return float(struct.unpack("<f", raw)[0]), at + size
    number = int.from_bytes(raw, "little", signed=type_id in _SIGNED)
    return (bool(number) if type_id == BOOL else number), at + size


def records(payload: bytes) -> dict[int, Value]:
    """Attributes of a Read Attributes Response that were read, by number."""
    found: dict[int, Value] = {}
    at = 0
    while at < len(payload):
        attribute, status = struct.unpack_from("<HB", payload, at)
        at += 3
        if status == SUCCESS:
            found[attribute], at = unpack(payload[at], payload, at + 1)
    return found


def default_response(header: Header, status: int) -> bytes:
    """The frame that says how a command was taken."""
    return frame(
        header.tsn,
        DEFAULT_RESPONSE,
        bytes((header.command, status)),
        to_client=not header.to_client,
        manufacturer=header.manufacturer,
    )
