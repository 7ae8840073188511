"""Command lines of emulators, and the lines that they take on standard input or over TCP while they run."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import NoReturn, Protocol, Self, cast

from radios.emulators.errors import EmulatorError

USAGE_ERROR = 2
MAX_LINE = 4096
"""Of standard input; a longer one is cut there. Over TCP it is refused."""
LOOPBACK = "127.0.0.1"
MAX_CLIENTS = 8
"""Programs that are connected at once."""
STDOUT, STDERR = 1, 2
READY = "# ready: type help"
"""The last line printed at the start."""


class Answering(Protocol):
    """Whoever obeys lines."""

    def answer(self, line: str) -> str:
        """Carry out one line; the line that says how it went."""
        ...


class CommandParser(argparse.ArgumentParser):
    """It says in one line what was wrong."""

    def error(self, message: str) -> NoReturn:
        print_line(f"{self.prog}: {message}", STDERR)
        raise SystemExit(USAGE_ERROR)


def print_line(text: str, descriptor: int = STDOUT) -> None:
    """Write a line at once. Somebody who has stopped reading does not end the emulator."""
    data = (text + "\n").encode()
    with suppress(OSError):
        while data:
            data = data[os.write(descriptor, data) :]


def read_lines(descriptor: int, hear: Callable[[str], None]) -> None:
    """Tell `hear` of each line until the end of input.

    It runs in a thread: an event loop cannot wait for files and /dev/null.
    """
    rest = b""
    with suppress(OSError):
        while piece := os.read(descriptor, MAX_LINE):
            *lines, rest = (rest + piece).split(b"\n")
            rest = rest[:MAX_LINE]
            for line in lines:
                hear(line[:MAX_LINE].decode(errors="replace"))


class _Conversation(asyncio.Protocol):
    """One client of a `ControlServer`."""

    def __init__(self, server: ControlServer) -> None:
        self._server = server
        self._lines: deque[bytes] = deque()
        """Of one piece that came, as long as it does not read the answers."""
        self._rest = b""
        self._is_paused = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        if len(self._server.clients) >= MAX_CLIENTS:
            self._leave(f"error: {MAX_CLIENTS} are connected already")
            return
        self._server.clients.add(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._transport is not None:
            self._server.clients.discard(self._transport)
        self._transport = None

    def pause_writing(self) -> None:
        """It does not read what it is told: nothing more is done for it, or taken from it, meanwhile."""
        self._is_paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_paused = False
        self._obey()
        if not self._is_paused and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._lines.extend(lines)
        self._obey()
        if len(self._rest) > MAX_LINE:
            self._leave(f"error: a line has at most {MAX_LINE} bytes")

    def _obey(self) -> None:
        while self._lines and not self._is_paused:
            self._hear(self._lines.popleft())

    def _hear(self, line: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        text = line[: MAX_LINE + 1].decode(errors="replace").strip()
        if len(line) > MAX_LINE:
            self._leave(f"error: a line has at most {MAX_LINE} bytes")
        elif " HTTP/1." in text:
            # A web page that a browser on this machine shows may connect, too.
            self._leave("error: this is no web server")
        elif text:
            self._transport.write(self._server.answer(text).encode() + b"\n")

    def _leave(self, reason: str) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(reason.encode() + b"\n")
            self._transport.close()


class ControlServer:
    """Lines over TCP, for programs on this machine: one line in, one line out. `async with` opens it."""

    def __init__(self, answer: Callable[[str], str], port: int = 0) -> None:
        """`port` 0: a free one."""
        self.answer, self.port = answer, port
        self.clients: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    @property
    def place(self) -> str:
        """Where it listens, as HOST:PORT."""
        return f"{LOOPBACK}:{self.port}"

    async def __aenter__(self) -> Self:
        """Raises `EmulatorError` when the port cannot be had."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Conversation(self), LOOPBACK, self.port)
        except (OSError, OverflowError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else "must be from 0 to 65535"
            raise EmulatorError(f"control port {self.port} cannot be used: {reason}") from None
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for transport in list(self.clients):
            if transport.get_write_buffer_size():
                transport.abort()  # it does not read
            else:
                transport.close()
        await asyncio.sleep(0)  # they are closed with the next turn of the loop
        await self._server.wait_closed()


async def obey(
    lines: Sequence[str], console_of: Callable[[Callable[[], None]], Answering], control: int | None = None
) -> None:
    """Say where the emulator is, and answer lines of standard input until SIGINT, SIGTERM or `quit`.

    `control`: a TCP port for lines of other programs, 0 for a free one; None: none.
    """
    loop = asyncio.get_running_loop()
    end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end.set)
    console = console_of(end.set)

    def hear(line: str) -> None:
        if line.strip():
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(lambda: print_line(console.answer(line)))

    async with AsyncExitStack() as open_:
        more = []
        if control is not None:
            server = await open_.enter_async_context(ControlServer(console.answer, control))
            more.append(f"# control tcp:{server.place}")
        print_line("\n".join((*lines, *more, READY)))
        if sys.stdin is not None:
            # A daemon: it may wait in a read that never ends.
            threading.Thread(target=read_lines, args=(sys.stdin.fileno(), hear), daemon=True).start()
        await end.wait()
