"""Data types of the ZCL and their values (ZCL8, 2.6.2).

A value in Python is `bool`, `int` (integers, bitmaps, enumerations, times, identifiers), `float`, `str`, `bytes`,
`Eui64`, a `Collection` (array, set, bag) or a `Structure`. **None is the type's invalid value**: absent, not zero.
Encoding None gives the invalid value's bytes back.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Union, cast

from protocols.errors import RangeError, TruncatedError
from protocols.ids import Eui64

MAX_DEPTH = 15
"""Nesting of arrays and structures (ZCL8, 2.6.2.13): deeper is refused, not followed."""


class Kind(Enum):
    """Whether a difference of two values means anything: only analog types report by change (ZCL8, 2.6.2)."""

    ANALOG = "analog"
    DISCRETE = "discrete"
    COMPOSITE = "composite"


class TypeInfo(NamedTuple):
    """A row of `TYPES`."""

    id: int
    name: str
    kind: Kind
    size: int | None
    """Bytes of a value; None: it says so itself."""


@dataclass(frozen=True, slots=True)
class Collection:
    """An array, set or bag: values of one type."""

    type: int
    items: tuple[Value, ...]


class Typed(NamedTuple):
    """A value with its data type."""

    type: int
    value: Value


@dataclass(frozen=True, slots=True)
class Structure:
    """Values of mixed types, in order."""

    items: tuple[Typed, ...]


Value = Union[None, bool, int, float, str, bytes, Collection, Structure]  # noqa: UP007 - it names itself

_ANALOG, _DISCRETE, _COMPOSITE = Kind.ANALOG, Kind.DISCRETE, Kind.COMPOSITE
NO_DATA, BOOL, ENUM8, ENUM16 = 0x00, 0x10, 0x30, 0x31
MAP8, MAP16, MAP24, MAP32 = 0x18, 0x19, 0x1A, 0x1B
UINT8, UINT16, UINT24, UINT32, UINT40, UINT48, UINT56, UINT64 = range(0x20, 0x28)
INT8, INT16, INT24, INT32, INT40, INT48, INT56, INT64 = range(0x28, 0x30)
SEMI, SINGLE, DOUBLE = 0x38, 0x39, 0x3A
OCTETS, STRING, LONG_OCTETS, LONG_STRING = 0x41, 0x42, 0x43, 0x44
ARRAY, STRUCTURE, SET, BAG = 0x48, 0x4C, 0x50, 0x51
TIME_OF_DAY, DATE, UTC = 0xE0, 0xE1, 0xE2
CLUSTER_ID, ATTRIBUTE_ID, BACNET_OID, EUI64, KEY128, UNKNOWN = 0xE8, 0xE9, 0xEA, 0xF0, 0xF1, 0xFF


def _rows() -> list[TypeInfo]:
    rows = [TypeInfo(NO_DATA, "nodata", _DISCRETE, 0), TypeInfo(BOOL, "bool", _DISCRETE, 1)]
    for size in range(1, 9):
        bits = 8 * size
        rows.append(TypeInfo(0x07 + size, f"data{bits}", _DISCRETE, size))
        rows.append(TypeInfo(0x17 + size, f"map{bits}", _DISCRETE, size))
        rows.append(TypeInfo(0x1F + size, f"uint{bits}", _ANALOG, size))
        rows.append(TypeInfo(0x27 + size, f"int{bits}", _ANALOG, size))
    return [
        *rows,
        TypeInfo(ENUM8, "enum8", _DISCRETE, 1),
        TypeInfo(ENUM16, "enum16", _DISCRETE, 2),
        TypeInfo(SEMI, "semi", _ANALOG, 2),
        TypeInfo(SINGLE, "single", _ANALOG, 4),
        TypeInfo(DOUBLE, "double", _ANALOG, 8),
        TypeInfo(OCTETS, "octstr", _COMPOSITE, None),
        TypeInfo(STRING, "string", _COMPOSITE, None),
        TypeInfo(LONG_OCTETS, "octstr16", _COMPOSITE, None),
        TypeInfo(LONG_STRING, "string16", _COMPOSITE, None),
        TypeInfo(ARRAY, "array", _COMPOSITE, None),
        TypeInfo(STRUCTURE, "struct", _COMPOSITE, None),
        TypeInfo(SET, "set", _COMPOSITE, None),
        TypeInfo(BAG, "bag", _COMPOSITE, None),
        TypeInfo(TIME_OF_DAY, "tod", _ANALOG, 4),
        TypeInfo(DATE, "date", _ANALOG, 4),
        TypeInfo(UTC, "utc", _ANALOG, 4),
        TypeInfo(CLUSTER_ID, "cluster_id", _DISCRETE, 2),
        TypeInfo(ATTRIBUTE_ID, "attribute_id", _DISCRETE, 2),
        TypeInfo(BACNET_OID, "bacnet_oid", _DISCRETE, 4),
        TypeInfo(EUI64, "eui64", _DISCRETE, 8),
        TypeInfo(KEY128, "key128", _DISCRETE, 16),
        TypeInfo(UNKNOWN, "unknown", _DISCRETE, 0),
    ]


TYPES: Mapping[int, TypeInfo] = {row.id: row for row in _rows()}
"""Every data type by its id."""
BY_NAME: Mapping[str, TypeInfo] = {row.name: row for row in TYPES.values()}


class _Fixed(NamedTuple):
    """How a type of fixed size is read: by struct where it knows the size, else as an integer of odd size."""

    size: int
    reader: struct.Struct | None
    signed: bool
    invalid: int | None
    minimum: int
    maximum: int


def _fixed() -> dict[int, _Fixed]:
    found: dict[int, _Fixed] = {}
    letters = {1: "b", 2: "h", 4: "i", 8: "q"}
    for row in TYPES.values():
        if row.size in (None, 0, 16) or row.id in (SEMI, SINGLE, DOUBLE, BOOL):
            continue
        assert row.size is not None
        signed = INT8 <= row.id <= INT64
        letter = letters.get(row.size)
        reader = struct.Struct("<" + (letter if signed else letter.upper())) if letter else None
        span = 1 << (8 * row.size)
        low, high = (-(span >> 1), (span >> 1) - 1) if signed else (0, span - 1)
        invalid: int | None = low if signed else high
        if row.name.startswith(("data", "map")):
            invalid = None
        found[row.id] = _Fixed(row.size, reader, signed, invalid, low, high)
    return found


_FIXED = _fixed()
_FLOATS = {SEMI: struct.Struct("<e"), SINGLE: struct.Struct("<f"), DOUBLE: struct.Struct("<d")}
_LENGTH = {OCTETS: 1, STRING: 1, LONG_OCTETS: 2, LONG_STRING: 2}
_TEXT = frozenset((STRING, LONG_STRING))
_COLLECTIONS = frozenset((ARRAY, SET, BAG))


def invalid_value(type_id: int) -> int | None:
    """The number that means "invalid" in a type of integers; None where every number is valid."""
    fixed = _FIXED.get(type_id)
    return fixed.invalid if fixed is not None else None


def type_name(type_id: int) -> str:
    """A data type's name, or its number in hex."""
    row = TYPES.get(type_id)
    return row.name if row is not None else f"0x{type_id:02x}"


def is_analog(type_id: int) -> bool:
    """Whether a report of this type has a least change (ZCL8, 2.5.7.1.7)."""
    row = TYPES.get(type_id)
    return row is not None and row.kind is Kind.ANALOG


def decode_value(type_id: int, data: bytes, offset: int = 0, depth: int = 0) -> tuple[Value, int]:
    """The value of type `type_id` at `offset`, and the offset behind it.

    Raises `TruncatedError`, or `RangeError` for a data type that nobody knows (so that its length is not known either).
    """
    fixed = _FIXED.get(type_id)
    if fixed is not None:
        end = offset + fixed.size
        if end > len(data):
            raise TruncatedError(TYPES[type_id].name, fixed.size, len(data) - offset)
        if fixed.reader is not None:
            number = cast("int", fixed.reader.unpack_from(data, offset)[0])
        else:
            number = int.from_bytes(data[offset:end], "little", signed=fixed.signed)
        if number == fixed.invalid:
            return None, end
        return (Eui64(number) if type_id == EUI64 else number), end
    if type_id == BOOL:
        if offset >= len(data):
            raise TruncatedError("bool", 1, 0)
        return (None if data[offset] == 0xFF else data[offset] != 0), offset + 1
    if type_id in _LENGTH:
        return _decode_text(type_id, data, offset)
    if type_id in _FLOATS:
        reader = _FLOATS[type_id]
        if offset + reader.size > len(data):
            raise TruncatedError(TYPES[type_id].name, reader.size, len(data) - offset)
        real = cast("float", reader.unpack_from(data, offset)[0])
        return (None if real != real else real), offset + reader.size
    if type_id in _COLLECTIONS or type_id == STRUCTURE:
        return _decode_nested(type_id, data, offset, depth)
    if type_id in (NO_DATA, UNKNOWN):
        return None, offset
    if type_id == KEY128:
        if offset + 16 > len(data):
            raise TruncatedError("key128", 16, len(data) - offset)
        return data[offset : offset + 16], offset + 16
    raise RangeError("data type", f"0x{type_id:02X}", "a data type of ZCL8, 2.6.2")


def _decode_text(type_id: int, data: bytes, offset: int) -> tuple[Value, int]:
    prefix = _LENGTH[type_id]
    start = offset + prefix
    if start > len(data):
        raise TruncatedError(TYPES[type_id].name, prefix, len(data) - offset)
    size = int.from_bytes(data[offset:start], "little")
    if size == (1 << (8 * prefix)) - 1:
        return None, start
    end = start + size
    if end > len(data):
        raise TruncatedError(TYPES[type_id].name, prefix + size, len(data) - offset)
    raw = data[start:end]
    # Bytes that are not UTF-8 (old devices, padded with what was in memory) are kept as surrogates: nothing is lost.
    return (raw.decode("utf-8", "surrogateescape") if type_id in _TEXT else raw), end


def _decode_nested(type_id: int, data: bytes, offset: int, depth: int) -> tuple[Value, int]:
    if depth >= MAX_DEPTH:
        raise RangeError("nesting", depth + 1, f"at most {MAX_DEPTH}")
    item_type = 0
    if type_id != STRUCTURE:
        if offset >= len(data):
            raise TruncatedError(TYPES[type_id].name, 3, 0)
        item_type, offset = data[offset], offset + 1
    if offset + 2 > len(data):
        raise TruncatedError(TYPES[type_id].name, 2, len(data) - offset)
    count, offset = int.from_bytes(data[offset : offset + 2], "little"), offset + 2
    if count == 0xFFFF:
        return None, offset
    if type_id == STRUCTURE:
        members: list[Typed] = []
        for _ in range(count):
            if offset >= len(data):
                raise TruncatedError("struct", count, len(members))
            member_type = data[offset]
            value, offset = decode_value(member_type, data, offset + 1, depth + 1)
            members.append(Typed(member_type, value))
        return Structure(tuple(members)), offset
    if item_type in (NO_DATA, UNKNOWN) and count:
        raise RangeError("data type", f"0x{item_type:02X}", "a type with a value, in an array, set or bag")
    items: list[Value] = []
    for _ in range(count):
        value, offset = decode_value(item_type, data, offset, depth + 1)
        items.append(value)
    return Collection(item_type, tuple(items)), offset


def encode_value(type_id: int, value: Value) -> bytes:
    """The bytes of `value` as `type_id`; None gives the invalid value. Raises `RangeError`."""
    fixed = _FIXED.get(type_id)
    if fixed is not None:
        if value is None:
            if fixed.invalid is None:
                raise RangeError(TYPES[type_id].name, value, "a number: this type has no invalid value")
            value = fixed.invalid
        if isinstance(value, bool) or not isinstance(value, int) or not fixed.minimum <= value <= fixed.maximum:
            raise RangeError(TYPES[type_id].name, value, f"a whole number from {fixed.minimum} to {fixed.maximum}")
        return int(value).to_bytes(fixed.size, "little", signed=fixed.signed)
    if type_id == BOOL:
        if value is None:
            return b"\xff"
        if not isinstance(value, bool) and value not in (0, 1):
            raise RangeError("bool", value, "true or false")
        return b"\x01" if value else b"\x00"
    if type_id in _LENGTH:
        return _encode_text(type_id, value)
    if type_id in _FLOATS:
        if value is None:
            value = float("nan")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RangeError(TYPES[type_id].name, value, "a number")
        try:
            return _FLOATS[type_id].pack(value)
        except (OverflowError, struct.error):
            raise RangeError(TYPES[type_id].name, value, "a number that fits") from None
    if type_id in _COLLECTIONS:
        return _encode_collection(type_id, value)
    if type_id == STRUCTURE:
        if value is None:
            return b"\xff\xff"
        if not isinstance(value, Structure):
            raise RangeError("struct", value, "a structure")
        parts = [len(value.items).to_bytes(2, "little")]
        parts.extend(bytes((item.type,)) + encode_value(item.type, item.value) for item in value.items)
        return b"".join(parts)
    if type_id in (NO_DATA, UNKNOWN):
        return b""
    if type_id == KEY128:
        if not isinstance(value, bytes) or len(value) != 16:
            raise RangeError("key128", "(hidden)", "16 bytes")
        return value
    raise RangeError("data type", f"0x{type_id:02X}", "a data type of ZCL8, 2.6.2")


def _encode_text(type_id: int, value: Value) -> bytes:
    prefix = _LENGTH[type_id]
    limit = (1 << (8 * prefix)) - 2
    if value is None:
        return b"\xff" * prefix
    if type_id in _TEXT and isinstance(value, str):
        raw = value.encode("utf-8", "surrogateescape")
    elif type_id not in _TEXT and isinstance(value, bytes):
        raw = value
    else:
        raise RangeError(TYPES[type_id].name, value, "text" if type_id in _TEXT else "bytes")
    if len(raw) > limit:
        raise RangeError(TYPES[type_id].name, f"{len(raw)} bytes", f"at most {limit} bytes")
    return len(raw).to_bytes(prefix, "little") + raw


def _encode_collection(type_id: int, value: Value) -> bytes:
    if value is None:
        return bytes((UNKNOWN,)) + b"\xff\xff"
    if not isinstance(value, Collection):
        raise RangeError(TYPES[type_id].name, value, "a collection")
    head = bytes((value.type,)) + len(value.items).to_bytes(2, "little")
    return head + b"".join(encode_value(value.type, item) for item in value.items)
