"""Frames of an XBee's serial line (90033931_A, API operation; reference xbee-se.md, 1).

    7E | length u16 | frame data, its type first | FF - sum of the frame data      integers most significant byte first

In API mode 2 every 7E, 7D, 11 and 13 behind the start is sent as 7D and itself xor 20: a start is always a start, and a
bad frame costs only itself. In mode 1 a 7E may be anywhere; what seemed to be a frame and is none is searched again.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Generic, Protocol, TypeVar

from protocols.errors import CodecError, RangeError
from protocols.fields import OpenEnum
from protocols.garbage import Garbage

START, ESCAPE, ESCAPE_MASK = 0x7E, 0x7D, 0x20
MAX_DATA = 300
"""Bytes of frame data that are believed: the longest received frame has 275."""
_LENGTH = Struct(">H")
_HEADER_SIZE = _LENGTH.size
_SPECIAL = {byte: bytes((ESCAPE, byte ^ ESCAPE_MASK)) for byte in (START, ESCAPE, 0x11, 0x13)}

_ESCAPED = bytes(_SPECIAL)

T = TypeVar("T")


class ApiMode(OpenEnum):
    """Register AP."""

    TRANSPARENT = 0
    PLAIN = 1
    ESCAPED = 2


def encode(data: bytes, mode: ApiMode) -> bytes:
    """A frame around `data`, whose first byte is its type. Raises `RangeError` for one that is empty or too long."""
    if not 0 < len(data) <= MAX_DATA:
        raise RangeError("XBee frame data", len(data), f"1 to {MAX_DATA} bytes")
    body = _LENGTH.pack(len(data)) + data + bytes((0xFF - (sum(data) & 0xFF),))
    if mode is ApiMode.ESCAPED and len(body.translate(None, _ESCAPED)) != len(body):
        body = b"".join(_SPECIAL.get(byte) or bytes((byte,)) for byte in body)
    return b"\x7e" + body


def unescape(data: bytes) -> bytes:
    """The bytes behind the escapes; a last escape that escapes nothing yet is left away."""
    first, *parts = data.split(b"\x7d")
    found, at = [first], 0
    while at < len(parts):
        part = parts[at]
        if part:
            found.append(bytes((part[0] ^ ESCAPE_MASK,)) + part[1:])
        elif at + 1 < len(parts):
            # An escape that is escaped needlessly: what stands between the two is nothing, and behind them is as it is.
            at += 1
            found.append(bytes((ESCAPE ^ ESCAPE_MASK,)) + parts[at])
        at += 1
    return b"".join(found)


class Deframer(Protocol[T]):
    """Bytes in, frames out. Never raises: what is no frame comes out as `Garbage`, and every good frame behind it.

    Reasons: "noise", "cut", "checksum", "length", "payload".
    """

    def feed(self, data: bytes) -> list[T | Garbage]:
        """What ends within `data`, in order."""
        ...

    @property
    def is_begun(self) -> bool:
        """Whether a frame has begun and is not complete."""
        ...

    def give_up(self) -> list[T | Garbage]:
        """The line has been quiet: a frame that has begun does not go on. What may be found behind its start."""
        ...


def deframer(mode: ApiMode, make: Callable[[bytes], T]) -> Deframer[T]:
    """`make(data)`: what a frame becomes, by its data with the type first; `frames.read`, or `bytes`."""
    return EscapedDeframer(make) if mode is ApiMode.ESCAPED else PlainDeframer(make)


class EscapedDeframer(Generic[T]):
    """API mode 2."""

    def __init__(self, make: Callable[[bytes], T]) -> None:
        self._make = make
        self._pending = b""

    def feed(self, data: bytes) -> list[T | Garbage]:
        """See `Deframer`."""
        found: list[T | Garbage] = []
        noise, *pieces = (self._pending + data).split(b"\x7e")
        self._pending = b""
        if noise:
            found.append(Garbage(noise, "noise"))
        left = len(pieces)
        for piece in pieces:
            left -= 1
            body = unescape(piece) if b"\x7d" in piece else piece
            if len(body) >= _HEADER_SIZE:
                length = body[0] << 8 | body[1]
                end = length + 3
                if end <= len(body) and length:
                    if (sum(body) - body[0] - body[1] if end == len(body) else sum(body[2:end])) & 0xFF != 0xFF:
                        found.append(Garbage(b"\x7e" + piece, "checksum"))
                        continue
                    try:
                        found.append(self._make(body[2 : end - 1]))
                    except CodecError as error:
                        found.append(Garbage(b"\x7e" + piece, "payload", str(error)))
                    if end != len(body):
                        found.append(Garbage(body[end:], "noise"))
                    continue
                if not 0 < length <= MAX_DATA:
                    found.append(Garbage(b"\x7e" + piece, "length"))
                    continue
            if left:
                found.append(Garbage(b"\x7e" + piece, "cut"))
            else:
                self._pending = b"\x7e" + piece
        return found

    @property
    def is_begun(self) -> bool:
        """See `Deframer`."""
        return bool(self._pending)

    def give_up(self) -> list[T | Garbage]:
        """See `Deframer`. Nothing can be behind a start."""
        pending, self._pending = self._pending, b""
        return [Garbage(pending, "cut")] if pending else []


class PlainDeframer(Generic[T]):
    """API mode 1."""

    def __init__(self, make: Callable[[bytes], T]) -> None:
        self._make = make
        self._pending = b""

    def feed(self, data: bytes) -> list[T | Garbage]:
        """See `Deframer`."""
        return self._read(self._pending + data, 0, [])

    @property
    def is_begun(self) -> bool:
        """See `Deframer`."""
        return bool(self._pending)

    def give_up(self) -> list[T | Garbage]:
        """See `Deframer`."""
        if not self._pending:
            return []
        return self._read(self._pending, 1, [Garbage(self._pending[:1], "cut")])

    def _read(self, data: bytes, at: int, found: list[T | Garbage]) -> list[T | Garbage]:
        """Frames from `at` on; what may still become one is kept."""
        self._pending = b""
        while at < len(data):
            start = data.find(START, at)
            if start != at:
                found.append(Garbage(data[at : start if start >= 0 else len(data)], "noise"))
                if start < 0:
                    break
            if len(data) < start + 1 + _HEADER_SIZE:
                self._pending = data[start:]
                break
            length = data[start + 1] << 8 | data[start + 2]
            end = start + length + 4
            if not 0 < length <= MAX_DATA:
                found.append(Garbage(data[start : start + 1], "length"))
                at = start + 1
                continue
            if end > len(data):
                self._pending = data[start:]
                break
            if sum(data[start + 3 : end]) & 0xFF != 0xFF:
                # Behind what was no start there may be one.
                found.append(Garbage(data[start : start + 1], "checksum"))
                at = start + 1
                continue
            try:
                found.append(self._make(data[start + 3 : end - 1]))
            except CodecError as error:
                found.append(Garbage(data[start:end], "payload", str(error)))
            at = end
        return found
