"""Frames of ASH, the line protocol of EZSP sticks (UG101): what it takes to greet one.

    escaped( control u8 | data | CRC u16 ) | 7E           CRC-CCITT from FFFF, most significant byte first

7E, 7D, 11, 13, 18 and 1A are sent as 7D and itself xor 20. The data of data frames are exchanged with a fixed sequence,
so that no byte comes too often. The EZSP driver's library has the whole protocol; this is for who asks a port what it
is.
"""

from __future__ import annotations

import binascii
from typing import NamedTuple

FLAG, ESCAPE, XON, XOFF, SUBSTITUTE, CANCEL = 0x7E, 0x7D, 0x11, 0x13, 0x18, 0x1A
ESCAPE_MASK = 0x20
_RESERVED = frozenset((FLAG, ESCAPE, XON, XOFF, SUBSTITUTE, CANCEL))
RST, RSTACK = 0xC0, 0xC1
_IS_NO_DATA = 0x80
MAX_DATA = 220
"""Bytes; the longest EZSP frame, with room."""
_LEAST = 3
"""Control and CRC."""


class AshFrame(NamedTuple):
    """A frame whose CRC is right. `data` is plain."""

    control: int
    data: bytes

    @property
    def is_data(self) -> bool:
        """It carries an EZSP frame."""
        return not self.control & _IS_NO_DATA


def _sequence(count: int) -> bytes:
    """UG101, 4.3."""
    made, value = bytearray(), 0x42
    for _ in range(count):
        made.append(value)
        value = value >> 1 ^ (0xB8 if value & 1 else 0)
    return bytes(made)


_MASK = _sequence(MAX_DATA)


def _exchanged(data: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(data, _MASK, strict=False))


def encode(control: int, data: bytes = b"") -> bytes:
    """A frame as it goes onto the line; `data` of at most `MAX_DATA` bytes is plain."""
    body = bytes((control,)) + (data if control & _IS_NO_DATA else _exchanged(data))
    body += binascii.crc_hqx(body, 0xFFFF).to_bytes(2, "big")
    line = b"".join(bytes((ESCAPE, byte ^ ESCAPE_MASK)) if byte in _RESERVED else bytes((byte,)) for byte in body)
    return line + bytes((FLAG,))


def frames(line: bytes) -> list[AshFrame]:
    """The good frames that end within a piece of the line; what is none is left out."""
    found = []
    *pieces, _ = line.split(bytes((FLAG,)))
    for piece in pieces:
        frame = _frame(piece[piece.rfind(CANCEL) + 1 :])
        if frame is not None:
            found.append(frame)
    return found


def _frame(piece: bytes) -> AshFrame | None:
    body, flip = bytearray(), 0
    for byte in piece:
        if byte == SUBSTITUTE:
            return None
        if byte in (XON, XOFF):
            continue
        if byte == ESCAPE:
            flip = ESCAPE_MASK
            continue
        body.append(byte ^ flip)
        flip = 0
    if flip or not _LEAST <= len(body) <= MAX_DATA + _LEAST:
        return None
    inside = bytes(body[:-2])
    if binascii.crc_hqx(inside, 0xFFFF).to_bytes(2, "big") != body[-2:]:
        return None
    return AshFrame(inside[0], inside[1:] if inside[0] & _IS_NO_DATA else _exchanged(inside[1:]))
