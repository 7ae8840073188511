"""Frames of ZiGate's serial line: start 0x01, end 0x03, and 0x02 before every byte below 0x10, which is sent xor 0x10.

    01 | escaped( type u16 | length u16 | checksum u8 | payload ) | 03         integers most significant byte first

The checksum is the xor of type, length and payload. What the stick sends ends with one byte of link quality, which
counts as payload; only its log messages have none (ZIGATE firmware, SerialLink). A receiver starts anew at every
0x01 and may meet escaped bytes that need not be escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple

from protocols.errors import RangeError

START, ESCAPE, END = 0x01, 0x02, 0x03
ESCAPE_MASK = 0x10
LOG_CODE = 0x8001
"""The one message of the stick without a link quality byte."""
MAX_PAYLOAD = 255
"""To the stick; its buffer holds 270 bytes with the header."""
MAX_FRAME = 1100
"""Unescaped bytes of the longest message, the device list with 70 entries (911), with room."""
MAX_WIRE = 2 * MAX_FRAME + 2
_HEADER = Struct(">HHB")
_HEADER_SIZE, _read_header = _HEADER.size, _HEADER.unpack_from
_TYPE_AND_LENGTH = Struct(">HH")
_FLIPS = bytes(ESCAPE_MASK if byte == ESCAPE else 0 for byte in range(0x100))
_MARK = ESCAPE | ESCAPE_MASK << 3
"""What an escape becomes while escapes are taken away; see `unescape`."""
_MARKS = bytes((_MARK,))
_ESCAPE_PAIR = ESCAPE ^ ESCAPE_MASK
"""What an escape changes in the xor of a frame's bytes: itself, and the bit that it flips behind it."""
_TO_ESCAPE = {byte: bytes((ESCAPE, byte ^ ESCAPE_MASK)) for byte in range(0x10)}


class RawFrame(NamedTuple):
    """A frame whose checksum and length are right. A NamedTuple, since one is made for every frame that arrives."""

    code: int
    payload: bytes
    """Without the link quality byte."""
    lqi: int = 0
    """0 to 255; 0 for answers of the stick itself."""


_from_bytes = int.from_bytes
_new_frame = tuple.__new__
"""A `RawFrame` made so takes half the time."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes that are no frame."""

    data: bytes
    reason: str
    """"noise", "cut", "checksum", "length", "escape", "overlong"."""


def checksum(data: bytes) -> int:
    """The xor of all bytes."""
    return _fold(_from_bytes(data, "big"), len(data))


def _fold(value: int, size: int) -> int:
    """The xor of the bytes of an integer of `size` bytes."""
    # Halving a big integer folds 32 bytes in five steps, where a loop takes 32. What is left above the lowest byte of
    # each step is of no interest, and so is not masked away.
    if size > 32:
        if size > 64:
            half = 512
            while 16 * half < 64 * size:
                half *= 2
            while half > 256:
                value ^= value >> half
                half //= 2
        value ^= value >> 256
    value ^= value >> 128
    value ^= value >> 64
    value ^= value >> 32
    value ^= value >> 16
    return (value ^ value >> 8) & 0xFF


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
    return _unescaped(data, _from_bytes(data, "big"))


def _unescaped(data: bytes, value: int) -> bytes | None:
    """`unescape`, of bytes that are at hand as an integer too."""
    # All at once: one xor of big integers flips the byte behind each escape, and makes each escape a byte that does not
    # occur here, which is then deleted; an escape itself may be what stands behind another.
    marks = _from_bytes(data.translate(_FLIPS), "big")
    if not marks:
        return data
    behind = marks >> 8
    if _MARK not in data and not marks & (behind | ESCAPE_MASK):
        size = len(data)
        body = (value ^ behind ^ marks << 3).to_bytes(size, "big").translate(None, _MARKS)
        if len(body) + marks.bit_count() == size:
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


class Deframer:
    """Bytes in, frames out. Never raises: what is no frame comes out as `Garbage`, and the next good frame at once."""

    def __init__(self, *, has_lqi: bool = True) -> None:
        """`has_lqi`: the sender ends its payloads with a link quality byte (the stick does, the host does not)."""
        self._has_lqi = has_lqi
        self._pending = b""

    def feed(self, data: bytes) -> list[RawFrame | Garbage]:
        """What ends within `data`, in order."""
        found: list[RawFrame | Garbage] = []
        has_lqi = self._has_lqi
        pieces = (self._pending + data).split(b"\x03")
        pending = pieces.pop()
        for piece in pieces:
            at = piece.rfind(b"\x01")
            if at < 0:
                # Without its start a piece is noise, and so is its end marker.
                found.append(Garbage(piece + b"\x03", "noise"))
                continue
            if at:
                noise = piece[:at]
                found.append(Garbage(noise, "cut" if START in noise else "noise"))
            escaped = piece[at + 1 :]
            size, value = len(escaped), _from_bytes(escaped, "big")
            body = _unescaped(escaped, value)
            if body is None or len(body) < _HEADER_SIZE:
                found.append(Garbage(escaped, "escape" if body is None else "length"))
                continue
            code, length, _ = _read_header(body)
            # The xor of the bytes with their escapes tells as much, and is at hand: it differs by what each escape
            # changes.
            if length + _HEADER_SIZE != len(body):
                found.append(Garbage(escaped, "length"))
            elif _fold(value, size) != (_ESCAPE_PAIR if (size - len(body)) & 1 else 0):
                found.append(Garbage(escaped, "checksum"))
            elif length and has_lqi and code != LOG_CODE:
                found.append(_new_frame(RawFrame, (code, body[_HEADER_SIZE:-1], body[-1])))
            else:
                found.append(RawFrame(code, body[_HEADER_SIZE:]))
        if len(pending) > MAX_WIRE:
            _, start, rest = pending.rpartition(b"\x01")
            if start and len(rest) < MAX_WIRE:
                found.append(Garbage(pending[: -len(rest) - 1], "overlong"))
                pending = start + rest
            else:
                found.append(Garbage(pending, "overlong"))
                pending = b""
        self._pending = pending
        return found
