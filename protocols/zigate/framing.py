"""Frames of ZiGate's serial line: start 0x01, end 0x03, and 0x02 before every byte below 0x10, which is sent xor 0x10.

    01 | escaped( type u16 | length u16 | checksum u8 | payload ) | 03         integers most significant byte first

The checksum is the xor of type, length and payload. What the stick sends ends with one byte of link quality, which
counts as payload; only its log messages have none (ZIGATE firmware, SerialLink). A receiver starts anew at every
0x01 and may meet escaped bytes that need not be escaped.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Generic, NamedTuple, TypeVar

from protocols.errors import CodecError, RangeError
from protocols.garbage import Garbage

START, ESCAPE, END = 0x01, 0x02, 0x03
ESCAPE_MASK = 0x10
LOG_CODE = 0x8001
"""The one message of the stick without a link quality byte."""
MAX_PAYLOAD = 255
"""To the stick; its buffer holds 270 bytes with the header."""
MAX_FRAME = 1100
"""Unescaped bytes of the longest message, the device list with 70 entries (911), with room."""
MAX_WIRE = 2 * MAX_FRAME + 2
_HEADER = Struct(">xHHx")
"""Start, code, length, checksum."""
_LEAST, _read_header = _HEADER.size, _HEADER.unpack_from
_TYPE_AND_LENGTH = Struct(">HH")
_FLIPS = bytes(ESCAPE_MASK if byte == ESCAPE else 0 for byte in range(0x100))
_MARKS = tuple((shift, bytes((ESCAPE | ESCAPE_MASK << shift,))) for shift in (3, 2, 1))
"""What an escape may become while escapes are taken away; see `_unescaped`."""
_SHIFT, _MARK = _MARKS[0]
_ESCAPE_PAIR = ESCAPE ^ ESCAPE_MASK
"""What an escape changes in the xor of a frame's bytes: itself, and the bit that it flips behind it."""
_WITH_START = START, START ^ _ESCAPE_PAIR
"""The xor of a good frame's bytes as they were sent, by whether its escapes are odd in number."""
_TO_ESCAPE = {byte: bytes((ESCAPE, byte ^ ESCAPE_MASK)) for byte in range(0x10)}


class RawFrame(NamedTuple):
    """A frame whose checksum and length are right."""

    code: int
    payload: bytes
    """Without the link quality byte."""
    lqi: int = 0
    """0 to 255; 0 for answers of the stick itself."""


_from_bytes = int.from_bytes


def checksum(data: bytes) -> int:
    """The xor of all bytes."""
    size, value = len(data), _from_bytes(data)
    if size > 64:
        value = _fold_to_64(value, size)
    # Halving a big integer folds 64 bytes in six steps, where a loop takes 64. What is left above the lowest byte of
    # each step is of no interest, and so is not masked away.
    value ^= value >> 256
    value ^= value >> 128
    value ^= value >> 64
    value ^= value >> 32
    value ^= value >> 16
    return (value ^ value >> 8) & 0xFF


def _fold_to_64(value: int, size: int) -> int:
    """An integer of `size` bytes whose lowest 64 have the same xor."""
    half = 1024
    while half < 8 * size:
        half *= 2
    while half > 512:
        half //= 2
        value ^= value >> half
    return value


def encode(code: int, payload: bytes) -> bytes:
    """A frame for the stick. Raises `RangeError` for a payload that its buffer does not hold."""
    if len(payload) > MAX_PAYLOAD:
        raise RangeError("ZiGate payload", len(payload), f"at most {MAX_PAYLOAD} bytes")
    start = _TYPE_AND_LENGTH.pack(code, len(payload))
    body = start + bytes((checksum(start + payload),)) + payload
    escaped = b"".join(_TO_ESCAPE.get(byte) or bytes((byte,)) for byte in body)
    return b"\x01" + escaped + b"\x03"


def unescape(data: bytes) -> bytes | None:
    """The bytes behind the escapes; None if the last one escapes nothing."""
    marks = _from_bytes(data.translate(_FLIPS))
    return _unescaped(data, _from_bytes(data), marks, marks.bit_count())


def _unescaped(data: bytes, value: int, marks: int, escapes: int) -> bytes | None:
    """`unescape`. `value` is the bytes as an integer, `marks` has 0x10 where an escape is and 0 elsewhere."""
    # All at once: one xor of big integers flips the byte behind each escape, and makes each escape a byte that is then
    # deleted. It must not occur otherwise, which the length tells; and an escape may be what stands behind another.
    behind = marks >> 8
    if not marks & (behind | ESCAPE_MASK):
        size = len(data)
        for shift, made in _MARKS:
            body = (value ^ behind ^ marks << shift).to_bytes(size).translate(None, made)
            if len(body) + escapes == size:
                return body
    return _unescape_each(data)


def _unescape_each(data: bytes) -> bytes | None:
    """The same for any bytes, one by one."""
    found = bytearray()
    bytes_left = iter(data)
    for one in bytes_left:
        if one != ESCAPE:
            found.append(one)
            continue
        following = next(bytes_left, None)
        if following is None:
            return None
        found.append(following ^ ESCAPE_MASK)
    return bytes(found)


T = TypeVar("T")


class Deframer(Generic[T]):
    """Bytes in, frames out. Never raises: what is no frame comes out as `Garbage`, and the next good frame at once.

    Reasons: "noise", "cut", "checksum", "length", "escape", "overlong", "payload".
    """

    def __init__(self, make: Callable[[int, bytes, int], T], *, has_lqi: bool = True) -> None:
        """`make(code, payload, lqi)`: what a frame becomes, `RawFrame` or `frames.read`.

        `has_lqi`: the sender ends its payloads with a link quality byte (the stick does, the host does not).
        """
        self._make, self._has_lqi = make, has_lqi
        self._pending = b""

    def feed(self, data: bytes) -> list[T | Garbage]:
        """What ends within `data`, in order."""
        # The functions above, of `piece` with its start, are written out here: calls were a fifth of the time.
        found: list[T | Garbage] = []
        make, has_lqi = self._make, self._has_lqi
        pieces = (self._pending + data).split(b"\x03")
        self._pending = pending = pieces.pop()
        if not pieces and len(pending) > MAX_WIRE:
            self._pending = _overlong(pending, found)
            return found
        for piece in pieces:
            if piece.rfind(b"\x01"):
                piece = _cut(piece, found)
                if not piece:
                    continue
            size, value = len(piece), _from_bytes(piece)
            marks = _from_bytes(piece.translate(_FLIPS))
            behind, escapes = marks >> 8, marks.bit_count()
            body = (value ^ behind ^ marks << _SHIFT).to_bytes(size).translate(None, _MARK)
            if marks & (behind | ESCAPE_MASK) or len(body) + escapes != size:
                whole = _unescaped(piece, value, marks, escapes)
                if whole is None:
                    found.append(Garbage(piece[1:], "escape"))
                    continue
                body, escapes = whole, size - len(whole)
            if len(body) < _LEAST:
                found.append(Garbage(piece[1:], "length"))
                continue
            code, length = _read_header(body)
            if length + _LEAST != len(body):
                found.append(Garbage(piece[1:], "length"))
                continue
            # The xor of the bytes as they were sent tells as much, and is at hand.
            if size > 32:
                if size > 64:
                    value = value ^ value >> 512 if size <= 128 else _fold_to_64(value, size)
                value ^= value >> 256
            value ^= value >> 128
            value ^= value >> 64
            value ^= value >> 32
            value ^= value >> 16
            if (value ^ value >> 8) & 0xFF != _WITH_START[escapes & 1]:
                found.append(Garbage(piece[1:], "checksum"))
                continue
            try:
                if length and has_lqi and code != LOG_CODE:
                    found.append(make(code, body[6:-1], body[-1]))
                else:
                    found.append(make(code, body[6:], 0))
            except CodecError as error:
                found.append(Garbage(piece[1:], "payload", str(error)))
        return found


def _cut(piece: bytes, found: list[T | Garbage]) -> bytes:
    """What begins with the last start of `piece`, and what came before as garbage."""
    noise, start, rest = piece.rpartition(b"\x01")
    if not start:
        # Without its start a piece is noise, and so is its end marker.
        found.append(Garbage(piece + b"\x03", "noise"))
        return b""
    found.append(Garbage(noise, "cut" if START in noise else "noise"))
    return start + rest


def _overlong(pending: bytes, found: list[T | Garbage]) -> bytes:
    """What may still become a frame of bytes that are too many for one."""
    noise, start, rest = pending.rpartition(b"\x01")
    if start and len(rest) < MAX_WIRE:
        found.append(Garbage(noise, "overlong"))
        return start + rest
    found.append(Garbage(pending, "overlong"))
    return b""
