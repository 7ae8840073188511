"""Frames of TI's Monitor and Test interface, which Z-Stack sticks speak (MT-API): what it takes to greet one.

    FE | length u8 | command u16 | data | xor of length, command and data          most significant byte first

The Z-Stack driver's library has all the commands; this is for who asks a port what it is.
"""

from __future__ import annotations

from functools import reduce
from operator import xor
from typing import NamedTuple

START = 0xFE
MAX_DATA = 250
_AROUND = 5
"""Start, length, command, checksum."""


class MtFrame(NamedTuple):
    """A frame whose checksum is right. The high byte of `command` holds kind and subsystem."""

    command: int
    data: bytes


def encode(command: int, data: bytes = b"") -> bytes:
    """A frame as it goes onto the line, `data` of at most `MAX_DATA` bytes."""
    body = bytes((len(data),)) + command.to_bytes(2, "big") + data
    return bytes((START,)) + body + bytes((reduce(xor, body),))


def frames(line: bytes) -> list[MtFrame]:
    """The good frames within a piece of the line; what only looked like a beginning is searched again."""
    found = []
    at = line.find(START)
    while at >= 0:
        body = line[at + 1 : at + 2]
        end = at + _AROUND + (body[0] if body else 0)
        step = at + 1
        if body and body[0] <= MAX_DATA and end <= len(line):
            body = line[at + 1 : end - 1]
            if reduce(xor, body) == line[end - 1]:
                found.append(MtFrame(int.from_bytes(body[1:3], "big"), body[3:]))
                step = end
        at = line.find(START, step)
    return found
