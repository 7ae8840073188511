"""A sign of life while a device takes its time: only in a terminal, and on stderr, so that no output is disturbed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from web.hubctl.context import is_terminal
from web.hubctl.output import clean, width_of

ECHO = "^C"
"""What a terminal itself writes behind the last line when a person ends the command."""


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None] | None]:
    """Show `what` and the seconds that pass, until left. Gives how to say something else; None: nobody looks."""
    if not is_terminal("stderr"):
        yield None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from web.hubctl.output import console

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task(clean(what), total=None)
        yield lambda text: progress.update(task, description=clean(text), refresh=True)


class LastLine:
    """The last line of a terminal, written over in place; in a pipe it is not there."""

    def __init__(self) -> None:
        self.is_seen = is_terminal("stderr")
        self._shown = ""

    def show(self, text: str) -> None:
        """Write over it; nothing takes it away."""
        text = clean(text)[: shutil.get_terminal_size().columns - len(ECHO) - 1]
        if not self.is_seen or text == self._shown:
            return
        blanks = " " * (width_of(self._shown) + len(ECHO))
        sys.stderr.write(f"\r{blanks}\r{text}")
        sys.stderr.flush()
        self._shown = text

    @contextmanager
    def above(self) -> Iterator[None]:
        """What is printed meanwhile stands above it."""
        shown = self._shown
        self.show("")
        yield
        self.show(shown)
