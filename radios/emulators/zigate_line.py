"""ZiGate's serial frames, from the stick's side: its own reader and writer, shared with no driver."""

from __future__ import annotations

START, ESCAPE, END, FLIP = 0x01, 0x02, 0x03, 0x10
MAX_FRAME = 270
"""The firmware's receive buffer."""
LOG = 0x8001


def write(code: int, payload: bytes, lqi: int = 0) -> bytes:
    """A frame for the host, with the link quality at its end (log messages have none)."""
    body = payload if code == LOG else payload + bytes((lqi,))
    head = code.to_bytes(2, "big") + len(body).to_bytes(2, "big")
    check = 0
    for byte in head + body:
        check ^= byte
    line = bytearray((START,))
    for byte in head + bytes((check,)) + body:
        if byte < FLIP:
            line += bytes((ESCAPE, byte ^ FLIP))
        else:
            line.append(byte)
    line.append(END)
    return bytes(line)


class Reader:
    """The firmware's receive machine: bad frames are dropped without a word."""

    def __init__(self) -> None:
        self._frame: bytearray | None = None
        self._flip = False
        self.bad = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Code and payload of each good frame."""
        found: list[tuple[int, bytes]] = []
        for byte in data:
            if byte == START:
                self._frame, self._flip = bytearray(), False
            elif self._frame is None:
                continue
            elif byte == END:
                frame, self._frame = bytes(self._frame), None
                good = self._check(frame)
                if good is None:
                    self.bad += 1
                else:
                    found.append(good)
            elif byte == ESCAPE:
                self._flip = True
            else:
                self._frame.append(byte ^ FLIP if self._flip else byte)
                self._flip = False
                if len(self._frame) > MAX_FRAME:
                    self._frame = None
                    self.bad += 1
        return found

    @staticmethod
    def _check(frame: bytes) -> tuple[int, bytes] | None:
        if len(frame) < 5 or int.from_bytes(frame[2:4], "big") != len(frame) - 5:
            return None
        check = 0
        for byte in frame:
            check ^= byte
        return (int.from_bytes(frame[:2], "big"), frame[5:]) if check == 0 else None
