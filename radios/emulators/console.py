"""Command lines of emulators, and the lines that they take on standard input while they run."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn, Protocol

USAGE_ERROR = 2
MAX_LINE = 4096
"""Of standard input; a longer one is cut there."""
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


async def obey(lines: Sequence[str], console_of: Callable[[Callable[[], None]], Answering]) -> None:
    """Say where the emulator is, and answer lines of standard input until SIGINT, SIGTERM or `quit`."""
    loop = asyncio.get_running_loop()
    end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end.set)
    print_line("\n".join((*lines, READY)))
    console = console_of(end.set)

    def hear(line: str) -> None:
        if line.strip():
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(lambda: print_line(console.answer(line)))

    if sys.stdin is not None:
        # A daemon: it may wait in a read that never ends.
        threading.Thread(target=read_lines, args=(sys.stdin.fileno(), hear), daemon=True).start()
    await end.wait()
