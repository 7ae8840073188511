"""An XBee's serial frames, from the module's side: its own reader and writer, shared with no driver."""

from __future__ import annotations

START, ESCAPE, FLIP = 0x7E, 0x7D, 0x20
SPECIAL = frozenset((START, ESCAPE, 0x11, 0x13))
MAX_FRAME = 300


def write(data: bytes, *, escaped: bool) -> bytes:
    """A frame around `data`, whose first byte is its type."""
    body = len(data).to_bytes(2, "big") + data + bytes((0xFF - sum(data) % 256,))
    if not escaped:
        return bytes((START,)) + body
    line = bytearray((START,))
    for byte in body:
        if byte in SPECIAL:
            line += bytes((ESCAPE, byte ^ FLIP))
        else:
            line.append(byte)
    return bytes(line)


class Reader:
    """The module's receive machine: what is wrong is dropped without a word."""

    def __init__(self) -> None:
        self.escaped = False
        self.bad = 0
        self._frame: bytearray | None = None
        self._flip = False

    def feed(self, data: bytes) -> list[bytes]:
        """The data of each good frame."""
        found: list[bytes] = []
        for byte in data:
            if byte == START and (self.escaped or self._frame is None):
                self._frame, self._flip = bytearray(), False
                continue
            if self._frame is None:
                continue
            if self.escaped and byte == ESCAPE:
                self._flip = True
                continue
            self._frame.append(byte ^ FLIP if self._flip else byte)
            self._flip = False
            if len(self._frame) < 3:
                continue
            length = self._frame[0] << 8 | self._frame[1]
            if not 0 < length <= MAX_FRAME:
                self.bad += 1
                self._frame = None
            elif len(self._frame) == length + 3:
                frame, self._frame = bytes(self._frame), None
                if sum(frame[2:]) & 0xFF == 0xFF:
                    found.append(frame[2:-1])
                else:
                    self.bad += 1
        return found
