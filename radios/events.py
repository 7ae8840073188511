"""What a radio has heard and the hub has not taken yet."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

from radios.errors import RadioLostError

EVENTS_WAITING = 4096
"""Of a hub that does not keep up; more would be memory without end, so the radio is given up and opened again."""

E = TypeVar("E")


class EventQueue(Generic[E]):
    """Events in order, and then the reason why there are no more."""

    def __init__(self, overflow: Callable[[str], None]) -> None:
        """`overflow(reason)` is told when nobody takes them; it ends the radio."""
        self._overflow = overflow
        self._events: deque[E] = deque()
        self._woken = asyncio.Event()
        self.lost: str | None = None
        """Why the radio is gone."""

    def tell(self, event: E) -> None:
        """Add one."""
        if len(self._events) >= EVENTS_WAITING:
            self._overflow(f"{EVENTS_WAITING} events wait for a hub that does not take them")
            return
        self._events.append(event)
        self._woken.set()

    def end(self, reason: str) -> str:
        """The radio is gone; the first reason counts and is returned."""
        self.lost = self.lost or reason
        self._woken.set()
        return self.lost

    async def take(self) -> AsyncIterator[E]:
        """What is heard; what came before the end is told first. Ends by raising `RadioLostError`."""
        while True:
            while self._events:
                yield self._events.popleft()
            if self.lost is not None:
                raise RadioLostError(self.lost)
            self._woken.clear()
            await self._woken.wait()
