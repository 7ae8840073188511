"""Frames of TI's Monitor and Test interface, from the stick's side: its own reader and writer."""

from __future__ import annotations

from functools import reduce
from operator import xor

START = 0xFE
MAX_DATA = 250
SYNCHRONOUS, ASYNCHRONOUS, RESPONSE = 0x20, 0x40, 0x60
"""Kinds of frames: a command that is answered at once, one that is not (and what nobody asked for), the answer."""


def check(data: bytes) -> int:
    """Of length, command and data (FCS)."""
    return reduce(xor, data, 0)


def written(command: int, data: bytes) -> bytes:
    """A frame; `command` holds kind and subsystem in its high byte. Raises `ValueError` for more than 250 bytes."""
    if len(data) > MAX_DATA:
        raise ValueError(f"{len(data)} bytes: at most {MAX_DATA} fit into a frame")
    body = bytes((len(data),)) + command.to_bytes(2, "big") + data
    return bytes((START,)) + body + bytes((check(body),))


class Reader:
    """The firmware's receive machine: what is wrong is dropped without a word."""

    def __init__(self) -> None:
        self._line = bytearray()
        self.bad = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Command and data of each good frame."""
        self._line += data
        found: list[tuple[int, bytes]] = []
        while True:
            at = self._line.find(START)
            if at < 0:
                self._line.clear()
                return found
            del self._line[:at]
            if len(self._line) < 5:
                return found
            length = self._line[1]
            if length <= MAX_DATA and len(self._line) < length + 5:
                return found
            body = bytes(self._line[1 : length + 4])
            if length <= MAX_DATA and check(body) == self._line[length + 4]:
                found.append((int.from_bytes(body[1:3], "big"), body[3:]))
                del self._line[: length + 5]
            else:
                self.bad += 1
                del self._line[:1]  # it only looked like a beginning
