"""Lines of the hub's log that are told to clients: messages of severity 2 for errors, 1 for warnings, 0 for the rest.

`RPC_General_Interface.debug_rpc_severity` decides which of them are (CPX2-SE). What the RPC itself logs is not told:
messages are in the log as it is, and a place that takes no pushed responses would fill the mailbox with its own news.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Self

from web.rpc.response import Severity

OURS = ("hub", "radios", "protocols", "web")
"""Packages whose lines are told; libraries speak to their developers."""
NOT_TOLD = "web.rpc"
MOST_IN_A_PERIOD, PERIOD_S = 30, 60.0
"""Chosen: a fault that repeats itself must not drive everything else out of the mailbox."""


class LogLines(logging.Handler):
    """`with LogLines(...)`: lines of the log are told until the block is left. Lines may come from any thread."""

    def __init__(
        self,
        tell: Callable[[Severity, str], None],
        least: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        """`tell`: on the loop that this is made on. `least`: the least severity that is told, now."""
        super().__init__(logging.INFO)
        self._tell, self._least, self._monotonic = tell, least, monotonic
        self._loop = asyncio.get_running_loop()
        self._began, self._told, self._left_out = 0.0, 0, 0

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Tell a line, if it is one of ours."""
        package = record.name.partition(".")[0]
        if package not in OURS or record.name == NOT_TOLD or record.name.startswith(f"{NOT_TOLD}."):
            return
        severity = severity_of(record.levelno)
        try:
            text = record.getMessage()
            self._loop.call_soon_threadsafe(self._take, severity, text)
        except RuntimeError:
            return  # the loop has ended, and nobody is there to be told
        except (TypeError, ValueError):  # arguments that do not fit: the fault of who logs
            self.handleError(record)

    def _take(self, severity: Severity, text: str) -> None:
        if severity < self._least():
            return
        now = self._monotonic()
        if not self._told or now - self._began >= PERIOD_S:
            if self._left_out:
                self._tell(Severity.WARNING, f"{self._left_out} more lines are in the log of the hub")
            self._began, self._told, self._left_out = now, 0, 0
        if self._told >= MOST_IN_A_PERIOD:
            self._left_out += 1
            return
        self._told += 1
        self._tell(severity, text)


def severity_of(level: int) -> Severity:
    """A level of the log as a message has it."""
    if level >= logging.ERROR:
        return Severity.ERROR
    return Severity.WARNING if level >= logging.WARNING else Severity.DEBUG
