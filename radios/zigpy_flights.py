"""Frames that a stick of zigpy's libraries has taken, and of which it has yet to say what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from radios.api import NoReplyError

DELIVERED_S = 9.0
"""For word of a frame: a child that sleeps is waited for 7.7 s, and the stack repeats for others in less."""


class Flights:
    """By the place that the stick tells beside the tag, and the tag."""

    def __init__(self) -> None:
        self._flights: dict[tuple[int, int], asyncio.Future[int]] = {}
        self._tags = count()
        self.delivered_s: float | None = None
        """For word of a frame, where it is not the usual time."""

    @contextmanager
    def begun(self, place: int) -> Iterator[tuple[int, asyncio.Future[int]]]:
        """A frame that is given to the stick: its tag, 0 to 255, and its fate."""
        tag = next(tag for tag in (next(self._tags) & 0xFF for _ in range(0x100)) if (place, tag) not in self._flights)
        flight: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._flights[place, tag] = flight
        try:
            yield tag, flight
        finally:
            del self._flights[place, tag]

    def ended(self, place: int, tag: int, status: int) -> None:
        """The stick says what became of a frame."""
        flight = self._flights.get((place, tag))
        if flight is not None and not flight.done():
            flight.set_result(status)

    async def fate(self, flight: asyncio.Future[int]) -> int:
        """The stick's status of a frame. Raises `NoReplyError` when it says none in time."""
        limit = DELIVERED_S if self.delivered_s is None else self.delivered_s
        try:
            async with asyncio.timeout(limit):
                return await flight
        except TimeoutError:
            raise NoReplyError(f"the stick did not say within {limit:g} s whether it was delivered") from None

    def fail(self, reason: str) -> None:
        """Nothing will be heard of what is on its way."""
        for flight in self._flights.values():
            if not flight.done():
                flight.set_exception(NoReplyError(f"{reason}: whether it was delivered is unknown"))
                flight.exception()  # who waits gets it; who does not any more, need not
