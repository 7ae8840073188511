"""The hub's events, from whoever publishes to whoever subscribed.

Publishing never waits: a subscriber that falls behind is told so and ends, it does not hold up the others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Generic, Self, TypeVar, cast

from hub.events import HubEvent

DEFAULT_QUEUE = 4096
"""Events a subscriber may be behind: some ten seconds of a home of 200 breakers polled at 1 Hz."""

E = TypeVar("E", bound=HubEvent)


class SubscriberLaggedError(Exception):
    """The subscriber let its queue run over; it has missed events and must begin anew."""


class Subscription(Generic[E]):
    """A bounded async iterator over the events of some types; `async with` opens and closes it."""

    def __init__(self, types: tuple[type[E], ...], limit: int, close: Callable[[Subscription[E]], None]) -> None:
        self.types = types
        self._limit = limit
        self._close = close
        self._events: deque[E] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._lagged = False

    def put(self, event: E) -> None:
        """Take an event, or mark the subscriber as lagged when `limit` are waiting."""
        if len(self._events) >= self._limit:
            self._lagged = True
        else:
            self._events.append(event)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def get(self) -> E:
        """The next event. Raises `SubscriberLaggedError` after the last one before a gap."""
        while not self._events:
            if self._lagged:
                raise SubscriberLaggedError(f"more than {self._limit} events behind")
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        return self._events.popleft()

    def drain(self) -> list[E]:
        """All events that are waiting now, without waiting for more."""
        events = list(self._events)
        self._events.clear()
        return events

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(self)

    def __aiter__(self) -> AsyncIterator[E]:
        return self

    async def __anext__(self) -> E:
        return await self.get()


class Bus:
    """Publish to all subscriptions whose types include the event's."""

    def __init__(self) -> None:
        self._by_type: dict[type[object], list[Subscription[HubEvent]]] = {}

    def has_listeners(self, kind: type[object]) -> bool:
        """Whether anybody hears events of a type: what is dear to make need not be made for nobody."""
        return bool(self._by_type.get(kind))

    def publish(self, event: HubEvent) -> None:
        """Hand `event` to every subscriber of its type, in the order of their subscribing."""
        for subscription in self._by_type.get(type(event), ()):
            subscription.put(event)

    def subscribe(self, *types: type[E], limit: int = DEFAULT_QUEUE) -> Subscription[E]:
        """Events of `types` from now on, at most `limit` of them waiting. Use with `async with`.

        It takes effect at once, before the `async with` is entered, so that a snapshot taken after this call and the
        events together leave no gap.
        """
        subscription = Subscription(types, limit, self._unsubscribe)
        for kind in types:
            self._by_type.setdefault(kind, []).append(cast("Subscription[HubEvent]", subscription))
        return subscription

    def _unsubscribe(self, subscription: Subscription[E]) -> None:
        for kind in subscription.types:
            listeners = self._by_type.get(kind, [])
            if subscription in listeners:
                listeners.remove(cast("Subscription[HubEvent]", subscription))
