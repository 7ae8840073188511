"""Records that general commands of the ZCL are lists of (ZCL8, 2.5): each reads and writes itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self, TypeVar

from protocols.errors import CodecError, RangeError, TruncatedError
from protocols.fields import Members
from protocols.zcl.datatypes import Value, decode_value, encode_value, is_analog
from protocols.zcl.status import Status

_STATUS = Members(Status)


class ReadRecord(NamedTuple):
    """An attribute in a read response; `type` and `value` only with status SUCCESS."""

    attribute: int
    status: Status
    type: int | None = None
    value: Value = None

    @classmethod
    def read(cls, data: bytes, at: int) -> tuple[Self, int]:
        """One record at `at`."""
        attribute, status = u16_at(data, at), _STATUS[u8_at(data, at + 2)]
        if status is not Status.SUCCESS:
            return cls(attribute, status), at + 3
        type_id = u8_at(data, at + 3)
        value, end = decode_value(type_id, data, at + 4)
        return cls(attribute, status, type_id, value), end

    def write(self) -> bytes:
        """The record's bytes."""
        head = from_u16("attribute", self.attribute) + bytes((self.status,))
        if self.status is not Status.SUCCESS:
            return head
        if self.type is None:
            raise RangeError("ReadRecord.type", None, "a data type, with status SUCCESS")
        return head + bytes((self.type,)) + encode_value(self.type, self.value)


class WriteRecord(NamedTuple):
    """An attribute to be written, or as reported."""

    attribute: int
    type: int
    value: Value

    @classmethod
    def read(cls, data: bytes, at: int) -> tuple[Self, int]:
        """One record at `at`."""
        if at + 3 > len(data):
            raise TruncatedError("record", 3, len(data) - at)
        type_id = data[at + 2]
        value, end = decode_value(type_id, data, at + 3)
        return cls(data[at] | data[at + 1] << 8, type_id, value), end

    def write(self) -> bytes:
        """The record's bytes."""
        return from_u16("attribute", self.attribute) + bytes((self.type,)) + encode_value(self.type, self.value)


class StatusRecord(NamedTuple):
    """How writing an attribute ended."""

    status: Status
    attribute: int

    @classmethod
    def read(cls, data: bytes, at: int) -> tuple[Self, int]:
        """One record at `at`."""
        return cls(_STATUS[u8_at(data, at)], u16_at(data, at + 1)), at + 3

    def write(self) -> bytes:
        """The record's bytes."""
        return bytes((self.status,)) + from_u16("attribute", self.attribute)


SENT, RECEIVED = 0, 1
"""Direction of a reporting configuration: what the receiver of the command shall send, or may expect."""


class ReportingRecord(NamedTuple):
    """How an attribute shall be reported (direction SENT), or is reported (RECEIVED: only `timeout_s`)."""

    direction: int
    attribute: int
    type: int = 0
    min_s: int = 0
    max_s: int = 0
    change: Value = None
    """Least change, of the attribute's own type; only analog types have one."""
    timeout_s: int = 0

    @classmethod
    def read(cls, data: bytes, at: int) -> tuple[Self, int]:
        """One record at `at`."""
        direction, attribute = u8_at(data, at), u16_at(data, at + 1)
        return cls.read_body(direction, attribute, data, at + 3)

    @classmethod
    def read_body(cls, direction: int, attribute: int, data: bytes, at: int) -> tuple[Self, int]:
        """What follows direction and attribute."""
        if direction == RECEIVED:
            return cls(direction, attribute, timeout_s=u16_at(data, at)), at + 2
        if direction != SENT:
            raise RangeError("direction", direction, "0 or 1")
        type_id, min_s, max_s = u8_at(data, at), u16_at(data, at + 1), u16_at(data, at + 3)
        change: Value = None
        end = at + 5
        if is_analog(type_id):
            change, end = decode_value(type_id, data, end)
        return cls(direction, attribute, type_id, min_s, max_s, change), end

    def write(self) -> bytes:
        """The record's bytes."""
        return bytes((self.direction,)) + from_u16("attribute", self.attribute) + self.write_body()

    def write_body(self) -> bytes:
        """What follows direction and attribute."""
        if self.direction == RECEIVED:
            return from_u16("timeout_s", self.timeout_s)
        body = bytes((self.type,)) + from_u16("min_s", self.min_s) + from_u16("max_s", self.max_s)
        if is_analog(self.type):
            body += encode_value(self.type, self.change)
        return body


class ReportingStatus(NamedTuple):
    """How configuring a report was taken."""

    status: Status
    direction: int = SENT
    attribute: int = 0

    @classmethod
    def read(cls, data: bytes, at: int) -> tuple[Self, int]:
        """One record at `at`. A single status without an attribute means: all as asked."""
        status = _STATUS[u8_at(data, at)]
        if at == 0 and len(data) == 1:
            return cls(status), 1
        return cls(status, u8_at(data, at + 1), u16_at(data, at + 2)), at + 4

    def write(self) -> bytes:
        """The record's bytes."""
        return bytes((self.status, self.direction)) + from_u16("attribute", self.attribute)


class ReportingQuery(NamedTuple):
    """Which reporting configuration is asked for."""

    direction: int
    attribute: int

    @classmethod
    def read(cls, data: bytes, at: int) -> tuple[Self, int]:
        """One record at `at`."""
        return cls(u8_at(data, at), u16_at(data, at + 1)), at + 3

    def write(self) -> bytes:
        """The record's bytes."""
        return bytes((self.direction,)) + from_u16("attribute", self.attribute)


class ReportingAnswer(NamedTuple):
    """A reporting configuration as the device has it; `configuration` only with status SUCCESS."""

    status: Status
    direction: int
    attribute: int
    configuration: ReportingRecord | None = None

    @classmethod
    def read(cls, data: bytes, at: int) -> tuple[Self, int]:
        """One record at `at`."""
        status, direction, attribute = _STATUS[u8_at(data, at)], u8_at(data, at + 1), u16_at(data, at + 2)
        if status is not Status.SUCCESS:
            return cls(status, direction, attribute), at + 4
        record, end = ReportingRecord.read_body(direction, attribute, data, at + 4)
        return cls(status, direction, attribute, record), end

    def write(self) -> bytes:
        """The record's bytes."""
        head = bytes((self.status, self.direction)) + from_u16("attribute", self.attribute)
        return head + (self.configuration.write_body() if self.configuration is not None else b"")


class AttributeType(NamedTuple):
    """An attribute that there is."""

    attribute: int
    type: int

    @classmethod
    def read(cls, data: bytes, at: int) -> tuple[Self, int]:
        """One record at `at`."""
        return cls(u16_at(data, at), u8_at(data, at + 2)), at + 3

    def write(self) -> bytes:
        """The record's bytes."""
        return from_u16("attribute", self.attribute) + bytes((self.type,))


READABLE, WRITABLE, REPORTABLE = 0x01, 0x02, 0x04


class AttributeAccess(NamedTuple):
    """An attribute that there is, and what may be done with it (bits READABLE, WRITABLE, REPORTABLE)."""

    attribute: int
    type: int
    access: int

    @classmethod
    def read(cls, data: bytes, at: int) -> tuple[Self, int]:
        """One record at `at`."""
        return cls(u16_at(data, at), u8_at(data, at + 2), u8_at(data, at + 3)), at + 4

    def write(self) -> bytes:
        """The record's bytes."""
        return from_u16("attribute", self.attribute) + bytes((self.type, self.access))


class Selector(NamedTuple):
    """Where in an attribute: `indices` into arrays and structures; `action` is for sets and bags."""

    indices: tuple[int, ...] = ()
    action: int = 0

    @classmethod
    def read(cls, data: bytes, at: int) -> tuple[Self, int]:
        """The selector at `at`."""
        head = u8_at(data, at)
        end = at + 1 + 2 * (head & 0x0F)
        return cls(tuple(u16_at(data, i) for i in range(at + 1, end, 2)), head >> 4), end

    def write(self) -> bytes:
        """The selector's bytes."""
        if len(self.indices) > 15:
            raise RangeError("Selector.indices", len(self.indices), "at most 15")
        return bytes((len(self.indices) | self.action << 4,)) + b"".join(from_u16("index", i) for i in self.indices)


class StructuredQuery(NamedTuple):
    """An attribute to be read, or a part of it."""

    attribute: int
    selector: Selector = Selector()

    @classmethod
    def read(cls, data: bytes, at: int) -> tuple[Self, int]:
        """One record at `at`."""
        attribute = u16_at(data, at)
        selector, end = Selector.read(data, at + 2)
        return cls(attribute, selector), end

    def write(self) -> bytes:
        """The record's bytes."""
        return from_u16("attribute", self.attribute) + self.selector.write()


class StructuredWrite(NamedTuple):
    """An attribute to be written, or a part of it."""

    attribute: int
    selector: Selector
    type: int
    value: Value

    @classmethod
    def read(cls, data: bytes, at: int) -> tuple[Self, int]:
        """One record at `at`."""
        attribute = u16_at(data, at)
        selector, at = Selector.read(data, at + 2)
        type_id = u8_at(data, at)
        value, end = decode_value(type_id, data, at + 1)
        return cls(attribute, selector, type_id, value), end

    def write(self) -> bytes:
        """The record's bytes."""
        head = from_u16("attribute", self.attribute) + self.selector.write()
        return head + bytes((self.type,)) + encode_value(self.type, self.value)


class StructuredStatus(NamedTuple):
    """How writing a part of an attribute ended."""

    status: Status
    attribute: int = 0
    selector: Selector = Selector()

    @classmethod
    def read(cls, data: bytes, at: int) -> tuple[Self, int]:
        """One record at `at`. A single status without an attribute means: all as asked."""
        status = _STATUS[u8_at(data, at)]
        if at == 0 and len(data) == 1:
            return cls(status), 1
        selector, end = Selector.read(data, at + 3)
        return cls(status, u16_at(data, at + 1), selector), end

    def write(self) -> bytes:
        """The record's bytes."""
        return bytes((self.status,)) + from_u16("attribute", self.attribute) + self.selector.write()


def u8_at(data: bytes, at: int) -> int:
    try:
        return data[at]
    except IndexError:
        raise TruncatedError("record", at + 1, len(data)) from None


def u16_at(data: bytes, at: int) -> int:
    if at + 2 > len(data):
        raise TruncatedError("record", at + 2, len(data))
    return data[at] | data[at + 1] << 8


def from_u8(name: str, value: int) -> bytes:
    if not 0 <= value <= 0xFF:
        raise RangeError(name, value, "0 to 255")
    return bytes((value,))


def from_u16(name: str, value: int) -> bytes:
    if not 0 <= value <= 0xFFFF:
        raise RangeError(name, value, "0 to 65535")
    return bytes((value & 0xFF, value >> 8))


_R = TypeVar("_R")


def read_records(
    read: Callable[[bytes, int], tuple[_R, int]], data: bytes, at: int = 0
) -> tuple[tuple[_R, ...], bytes]:
    """Records to the end, and what could not be read. Raises when not even the first can be."""
    found: list[_R] = []
    size = len(data)
    while at < size:
        try:
            record, at = read(data, at)
        except CodecError:
            if not found:
                raise
            return tuple(found), data[at:]
        found.append(record)
    return tuple(found), b""
