"""ASH, the line protocol of EZSP sticks, from the stick's side: frames, windows, acknowledgements, repetition.

After Silicon Labs UG101, "UART-EZSP Gateway Protocol Reference". Nothing here knows EZSP.
"""

from __future__ import annotations

import asyncio
import binascii
from collections import deque
from collections.abc import Callable

FLAG, ESCAPE, XON, XOFF, SUBSTITUTE, CANCEL = 0x7E, 0x7D, 0x11, 0x13, 0x18, 0x1A
RESERVED = frozenset((FLAG, ESCAPE, XON, XOFF, SUBSTITUTE, CANCEL))
FLIP = 0x20
RST, RSTACK, ERROR = 0xC0, 0xC1, 0xC2
VERSION = 2
POWER_ON, WATCHDOG, ASSERT, SOFTWARE = 0x02, 0x03, 0x06, 0x0B
"""Why the stick was reset."""
TOO_MANY_TIMEOUTS = 0x51
MAX_DATA = 200
"""Bytes of an EZSP frame; the protocol's own 128 hold without the extended header and long messages."""
MAX_FRAME = 1 + MAX_DATA + 2
WINDOW = 5
"""Frames without acknowledgement (TX_K)."""
ACK_WAIT_S = 1.6
MAX_REPEATS = 4
NOT_READY_S = 1.0
"""A host that has said that it is not ready is taken for ready again after so long (T_REMOTE_NOTRDY)."""
MAX_QUEUE = 256
"""Frames that wait for the host; what comes then is lost, as in a stick without buffers."""


def pseudo_random(count: int) -> bytes:
    """The sequence that data are exchanged with, so that no bytes come too often (section 4.3)."""
    made, value = bytearray(), 0x42
    for _ in range(count):
        made.append(value)
        value = value >> 1 ^ (0xB8 if value & 1 else 0)
    return bytes(made)


_MASK = pseudo_random(MAX_DATA)


def randomised(data: bytes) -> bytes:
    """The same once is hidden, twice is plain."""
    return bytes(one ^ other for one, other in zip(data, _MASK, strict=False))


def written(control: int, data: bytes = b"") -> bytes:
    """A whole frame as it goes onto the line."""
    body = bytes((control,)) + data
    body += binascii.crc_hqx(body, 0xFFFF).to_bytes(2, "big")
    line = bytearray()
    for byte in body:
        line += bytes((ESCAPE, byte ^ FLIP)) if byte in RESERVED else bytes((byte,))
    line.append(FLAG)
    return bytes(line)


class Reader:
    """Cuts the line into frames; what is wrong comes as None."""

    def __init__(self) -> None:
        self._frame = bytearray()
        self._flip = self._spoilt = False

    def feed(self, data: bytes) -> list[bytes | None]:
        """Each frame without its checksum, or None for one that is damaged."""
        found: list[bytes | None] = []
        for byte in data:
            if byte == FLAG:
                frame, spoilt = bytes(self._frame), self._spoilt or self._flip
                self._clear()
                if frame or spoilt:
                    found.append(None if spoilt else self._checked(frame))
            elif byte == CANCEL:
                self._clear()
            elif byte == SUBSTITUTE:
                self._spoilt = True
            elif byte in (XON, XOFF):
                continue
            elif byte == ESCAPE:
                self._flip = True
            elif len(self._frame) >= MAX_FRAME:
                self._spoilt = True
            else:
                self._frame.append(byte ^ FLIP if self._flip else byte)
                self._flip = False
        return found

    def _clear(self) -> None:
        self._frame, self._flip, self._spoilt = bytearray(), False, False

    @staticmethod
    def _checked(frame: bytes) -> bytes | None:
        if len(frame) < 3 or binascii.crc_hqx(frame[:-2], 0xFFFF).to_bytes(2, "big") != frame[-2:]:
            return None
        return frame[:-2]


class Ash:
    """One connection. `write` puts a frame onto the line, `on_data` gets what the host says, `on_reset` its resets."""

    def __init__(
        self, write: Callable[[bytes], None], on_data: Callable[[bytes], None], on_reset: Callable[[], None]
    ) -> None:
        self._write, self._on_data, self._on_reset = write, on_data, on_reset
        self.survives: Callable[[], bool] = lambda: True
        """Whether a frame from the host gets through."""
        self.bad = 0
        """Frames that were damaged or out of their order."""
        self._timer: asyncio.TimerHandle | None = None
        self._start()

    def _start(self) -> None:
        self._reader = Reader()
        self._queue: deque[bytes] = deque()
        self._unacknowledged: deque[tuple[int, bytes]] = deque()
        self._next_out = self._next_in = self._repeats = 0
        self._rejecting = self._failed = False
        self._ready_at = 0.0
        self._stop_timer()

    def close(self) -> None:
        """The stick has no power."""
        self._start()

    def connected(self, reason: int) -> None:
        """The stick has started: everything begins anew."""
        self._start()
        self._write(written(RSTACK, bytes((VERSION, reason))))

    def fail(self, code: int) -> None:
        """Nothing goes any more until the host resets the stick."""
        self._start()
        self._failed = True
        self._failure = code
        self._write(written(ERROR, bytes((VERSION, code))))

    # -- out -----------------------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> bool:
        """An EZSP frame for the host; False when there is no room for it."""
        if self._failed or len(self._queue) >= MAX_QUEUE:
            return False
        self._queue.append(data)
        self._pump()
        return True

    def _pump(self) -> None:
        wait = self._ready_at - asyncio.get_running_loop().time()
        if wait > 0:
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(wait, self._expired)
            return
        while self._queue and len(self._unacknowledged) < WINDOW:
            number, data = self._next_out, self._queue.popleft()
            self._next_out = (number + 1) & 7
            self._unacknowledged.append((number, data))
            self._put(number, data, again=False)
        if self._unacknowledged and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(ACK_WAIT_S, self._expired)

    def _put(self, number: int, data: bytes, *, again: bool) -> None:
        self._write(written(number << 4 | (8 if again else 0) | self._next_in, randomised(data)))

    def _expired(self) -> None:
        self._timer = None
        if self._unacknowledged:
            self._repeats += 1
            if self._repeats > MAX_REPEATS:
                self.fail(TOO_MANY_TIMEOUTS)
                return
            self._repeat()
        self._pump()

    def _repeat(self) -> None:
        for number, data in self._unacknowledged:
            self._put(number, data, again=True)

    def _acknowledged(self, number: int) -> None:
        """The host expects this frame next: those before it have arrived."""
        known = [one for one, _ in self._unacknowledged]
        if number != self._next_out and number not in known:
            return
        arrived = False
        while self._unacknowledged and self._unacknowledged[0][0] != number:
            self._unacknowledged.popleft()
            arrived = True
        if arrived:
            self._repeats = 0
            self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- in ------------------------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Bytes from the host."""
        for frame in self._reader.feed(data):
            if frame is None:
                self.bad += 1
                if not self._failed:
                    self._reject()
            elif self.survives():
                self._frame(frame[0], frame[1:])

    def _frame(self, control: int, data: bytes) -> None:
        if control == RST:
            self._on_reset()
        elif self._failed:
            self._write(written(ERROR, bytes((VERSION, self._failure))))
        elif control < 0x80:
            self._data(control, data)
        elif control & 0xE0 in (0x80, 0xA0):
            self._ready_at = asyncio.get_running_loop().time() + NOT_READY_S if control & 0x08 else 0.0
            self._acknowledged(control & 7)
            if control & 0xE0 == 0xA0:
                self._repeat()
            self._pump()
        else:
            self.bad += 1

    def _data(self, control: int, data: bytes) -> None:
        number, again = control >> 4 & 7, bool(control & 8)
        self._acknowledged(control & 7)
        if number == self._next_in:
            self._next_in = (number + 1) & 7
            self._rejecting = False
            before = self._next_out
            self._on_data(randomised(data))
            self._pump()
            if self._next_out == before:  # no answer took the acknowledgement along
                self._write(written(0x80 | self._next_in))
        elif again:
            self._write(written(0x80 | self._next_in))
        else:
            self.bad += 1
            self._reject()

    def _reject(self) -> None:
        """Ask once for the frame that is missing."""
        if not self._rejecting:
            self._rejecting = True
            self._write(written(0xA0 | self._next_in))
