"""A sign of life while a device takes its time: only in a terminal, and on stderr, so that no output is disturbed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from web.hubctl.context import is_terminal
from web.hubctl.output import clean


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show `what` and the seconds that pass, until left."""
    if not is_terminal("stderr"):
        yield
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from web.hubctl.output import console

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        progress.add_task(clean(what), total=None)
        yield
