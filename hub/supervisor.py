"""Keep a radio running: when it is lost, make a new one, ever more patiently. Anything else is a bug and propagates."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from radios.api import PipeError, RadioLostError

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""A stick that is pulled out is back within a minute of being put in again."""
STEADY_S = 60.0
"""A radio that was up for so long starts again with the shortest pause."""

E = TypeVar("E", covariant=True)


class Supervised(Protocol[E]):
    """What a supervisor needs of a radio."""

    def events(self) -> AsyncIterator[E]:
        """Ends by raising `RadioLostError`."""
        ...


R = TypeVar("R", bound=Supervised[object])


async def supervise(
    open_radio: Callable[[], AbstractAsyncContextManager[R]],
    *,
    up: Callable[[R], None],
    hear: Callable[[object], None],
    down: Callable[[str], None],
    monotonic: Callable[[], float],
) -> None:
    """Open a radio, hand its events to `hear`, and open another when it is lost; ends only by cancellation.

    `up(radio)` and `down(reason)` tell of its life; `down` is called also when it cannot be opened.
    """
    pause = FIRST_PAUSE_S
    while True:
        started = monotonic()
        try:
            async with open_radio() as radio:
                up(radio)
                async for event in radio.events():
                    hear(event)
            reason = "its events ended"
        except (RadioLostError, PipeError) as error:
            reason = str(error)
        down(reason)
        if monotonic() - started >= STEADY_S:
            pause = FIRST_PAUSE_S
        log.warning("radio lost: %s; next try in %.0f s", reason, pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)
