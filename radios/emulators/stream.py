"""The far end of a byte stream: a pseudo terminal or a TCP port, and what a bad line does to frames on it."""

from __future__ import annotations

import asyncio
import os
import pty
import shutil
import socket
import tempfile
import termios
import tty
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from radios.emulators.errors import EmulatorError

READ_BYTES = 4096
MAX_UNSENT_BYTES = 16 * 1024
"""Of a host that does not read; then whole frames are dropped, as a stick's queue does."""
MAX_DELAY_S = 60.0


@dataclass(slots=True)
class StreamFaults:
    """What the line does to frames, each way by itself; may be changed at any time."""

    loss: float = 0.0
    """Probability that a whole frame is lost."""
    noise: float = 0.0
    """Probability of bytes between two frames that are none."""
    damage: float = 0.0
    """Probability that one byte of a frame is another one."""
    cut: float = 0.0
    """Probability that a frame ends early."""
    delay: float = 0.0
    """Seconds before a frame is on the line."""
    one_byte: bool = False
    """Every byte by itself."""

    def __setattr__(self, name: str, value: float) -> None:
        limit = MAX_DELAY_S if name == "delay" else 1.0
        if not 0.0 <= value <= limit:
            raise EmulatorError(f"{name} {value!r}: must be from 0 to {limit:g}")
        object.__setattr__(self, name, value)


STREAM_FAULT_NAMES = tuple(field.name for field in fields(StreamFaults))


class StreamEnd:
    """Serves one stream at a time. `async with` opens it; `kill` and `revive` are a stick pulled out and put back."""

    def __init__(
        self,
        on_bytes: Callable[[bytes], None],
        randomness: Random,
        *,
        tcp_port: int | None = None,
        link: Path | None = None,
    ) -> None:
        """`tcp_port`: serve TCP there (0: a free port) instead of a pseudo terminal. `link`: path that always leads to
        the pseudo terminal; default: one in a new directory of its own."""
        self._on_bytes, self._random = on_bytes, randomness
        self._tcp_port, self._link = tcp_port, link
        self.faults = StreamFaults()
        self._folder: str | None = None
        self._listener: socket.socket | None = None
        self._master: int | None = None
        self._slave: int | None = None
        self._connection: socket.socket | None = None
        self._unsent: deque[bytes] = deque()
        self._timers: set[asyncio.TimerHandle] = set()
        self._last = 0.0
        self.dropped = 0

    @property
    def pipe_url(self) -> str:
        """What the driver opens."""
        if self._tcp_port is not None:
            return f"tcp:127.0.0.1:{self._tcp_port}"
        return f"pty:{self._link}"

    async def __aenter__(self) -> Self:
        if self._tcp_port is None and self._link is None:
            self._folder = tempfile.mkdtemp(prefix="emulator-")
            self._link = Path(self._folder) / "stick"
        self.revive()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def revive(self) -> None:
        """The stick is there (again). Raises `EmulatorError` when its port or its link cannot be had."""
        loop = asyncio.get_running_loop()
        if self._tcp_port is not None:
            if self._listener is None:
                listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    listener.bind(("127.0.0.1", self._tcp_port))
                except (OSError, OverflowError) as problem:
                    listener.close()
                    reason = problem.strerror if isinstance(problem, OSError) else "must be from 0 (any) to 65535"
                    raise EmulatorError(f"port {self._tcp_port} cannot be used: {reason}") from None
                listener.listen(4)
                listener.setblocking(False)
                self._tcp_port = listener.getsockname()[1]
                self._listener = listener
                loop.add_reader(listener.fileno(), self._accept)
            return
        if self._master is not None:
            return
        assert self._link is not None
        master, slave = pty.openpty()
        try:
            tty.setraw(slave, termios.TCSANOW)
            os.set_blocking(master, False)
            if self._link.is_symlink():
                self._link.unlink()
            self._link.symlink_to(os.ttyname(slave))
        except OSError as problem:
            os.close(slave)
            os.close(master)
            raise EmulatorError(f"link {self._link} cannot be made: {problem.strerror}") from None
        self._master, self._slave = master, slave
        loop.add_reader(master, self._readable, master)

    def kill(self) -> None:
        """The stick is pulled out."""
        loop = asyncio.get_running_loop()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._unsent.clear()
        self._last = 0.0
        if self._listener is not None:
            loop.remove_reader(self._listener.fileno())
            self._listener.close()
            self._listener = None
        self._hang_up()
        if self._master is not None and self._slave is not None:
            loop.remove_reader(self._master)
            loop.remove_writer(self._master)
            os.close(self._slave)
            os.close(self._master)
            self._master = self._slave = None
            if self._link is not None:
                with suppress(FileNotFoundError):
                    self._link.unlink()

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        self._hang_up()  # one host at a time: the newest
        connection.setblocking(False)
        self._connection = connection
        asyncio.get_running_loop().add_reader(connection.fileno(), self._readable, connection.fileno())

    def _hang_up(self) -> None:
        if self._connection is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._connection.fileno())
            loop.remove_writer(self._connection.fileno())
            self._connection.close()
            self._connection = None
            self._unsent.clear()

    def _file(self) -> int | None:
        return self._master if self._tcp_port is None else self._connection.fileno() if self._connection else None

    def _readable(self, file: int) -> None:
        try:
            data = os.read(file, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._hang_up()
            return
        self._on_bytes(data)

    # -- frames ------------------------------------------------------------------------------------------------------

    def survives(self) -> bool:
        """Whether a frame from the host gets through."""
        return not (self.faults.loss and self._random.random() < self.faults.loss)

    def send_frame(self, frame: bytes) -> None:
        """Put a frame on the line, as good as the line is."""
        faults, chance = self.faults, self._random.random
        if faults.loss and chance() < faults.loss:
            self.dropped += 1
            return
        if faults.damage and chance() < faults.damage:
            at = self._random.randrange(len(frame))
            frame = frame[:at] + bytes((frame[at] ^ (1 << self._random.randrange(8)),)) + frame[at + 1 :]
        if faults.cut and chance() < faults.cut:
            frame = frame[: self._random.randrange(1, len(frame))]
        if faults.noise and chance() < faults.noise:
            frame = self._random.randbytes(self._random.randint(1, 12)) + frame
        if faults.delay <= 0:
            self._write(frame)
            return
        # Frames stay in order, however long they take.
        loop = asyncio.get_running_loop()
        at_time = max(self._last, loop.time() + faults.delay * chance())
        self._last = at_time

        def arrive() -> None:
            self._timers.discard(handle)
            self._write(frame)

        handle = loop.call_at(at_time, arrive)
        self._timers.add(handle)

    def _write(self, data: bytes) -> None:
        file = self._file()
        if file is None:
            return
        if sum(map(len, self._unsent)) + len(data) > MAX_UNSENT_BYTES:
            self.dropped += 1
            return
        if self.faults.one_byte:
            self._unsent.extend(bytes((byte,)) for byte in data)
        else:
            self._unsent.append(data)
        self._writable()

    def _writable(self) -> None:
        file = self._file()
        loop = asyncio.get_running_loop()
        while file is not None and self._unsent:
            data = self._unsent[0]
            try:
                sent = os.write(file, data)
            except BlockingIOError:
                loop.add_writer(file, self._writable)
                return
            except OSError:
                self._unsent.clear()
                return
            if sent < len(data):
                self._unsent[0] = data[sent:]
            else:
                self._unsent.popleft()
        if file is not None:
            loop.remove_writer(file)
