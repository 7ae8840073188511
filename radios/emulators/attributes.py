"""Attributes of emulated devices, and reading and writing them (ZCL8, 2.5.1 to 2.5.5)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from radios.emulators import zcl
from radios.emulators.zcl import Value

MAX_PAYLOAD = 76
"""Bytes of a ZCL payload that leave room for its header in one radio packet."""


@dataclass(slots=True)
class Attribute:
    """One attribute of a server."""

    type: int
    value: Value | Callable[[], Value | None] | None = None
    """None: invalid now. A callable is asked each time."""
    writable: bool = False
    reportable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    """Of a string: bytes that it may have."""
    values: frozenset[int] | None = None
    """The only ones that it takes."""
    written: Callable[[Value], None] | None = None
    """Told after a write."""

    def get(self) -> Value | None:
        """What it is now."""
        return self.value() if callable(self.value) else self.value


def read_attributes(payload: bytes, look: Callable[[int], Attribute | None]) -> bytes:
    """The payload that answers Read Attributes, as far as one packet goes."""
    body = b""
    for at in range(0, len(payload) - 1, 2):
        attribute = payload[at] | payload[at + 1] << 8
        row = look(attribute)
        record = struct.pack("<H", attribute)
        if row is None:
            record += bytes((zcl.UNSUPPORTED_ATTRIBUTE,))
        else:
            record += bytes((0, row.type)) + zcl.pack(row.type, row.get())
        if len(body) + len(record) > MAX_PAYLOAD:
            break  # the asker sees which are missing
        body += record
    return body


def write_attributes(payload: bytes, look: Callable[[int], Attribute | None], *, undivided: bool) -> bytes:
    """Carry out Write Attributes: the payload that answers. `undivided`: all of them or none."""
    failed, at = b"", 0
    ready: list[tuple[Attribute, Value]] = []
    while at < len(payload):
        attribute, type_id = struct.unpack_from("<HB", payload, at)
        start = at + 3
        value, at = zcl.unpack(type_id, payload, start)
        row = look(attribute)
        status = zcl.SUCCESS
        if row is None:
            status = zcl.UNSUPPORTED_ATTRIBUTE
        elif not row.writable:
            status = zcl.READ_ONLY
        elif row.type != type_id:
            status = zcl.INVALID_TYPE
        elif not _fits(row, at - start - 1 if isinstance(value, str | bytes) else value):
            status = zcl.INVALID_VALUE
        if status != zcl.SUCCESS:
            failed += struct.pack("<BH", status, attribute)
        elif row is not None:
            ready.append((row, value))
    if not (failed and undivided):
        for row, value in ready:
            if not callable(row.value):
                row.value = value
            if row.written is not None:
                row.written(value)
    return failed or b"\x00"


def _fits(row: Attribute, number: float) -> bool:
    """Whether an attribute takes a number, or a string of that many bytes."""
    if row.values is not None and number not in row.values:
        return False
    return (row.minimum is None or number >= row.minimum) and (row.maximum is None or number <= row.maximum)
