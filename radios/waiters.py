"""Requests that wait for their reply: matched by key, given up at a deadline, failed all together when a radio is lost.

All deadlines share one timer of the loop: a timer for each request halves the rate at 64 breakers.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Hashable
from itertools import count
from typing import Generic, TypeVar

from radios.api import NoReplyError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Waiters(Generic[K, V]):
    """Futures by key, each with a deadline."""

    def __init__(self, no_reply: Callable[[K], str] = lambda key: f"no reply to {key}") -> None:
        """`no_reply(key)` is the text of the `NoReplyError` when nobody answers."""
        self._no_reply = no_reply
        self._loop = asyncio.get_running_loop()
        self._futures: dict[K, asyncio.Future[V]] = {}
        self._deadlines: list[tuple[float, int, K, asyncio.Future[V]]] = []
        self._serial = count()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._futures)

    def __contains__(self, key: K) -> bool:
        return key in self._futures

    def expect(self, key: K, timeout: float) -> asyncio.Future[V]:
        """A future for the reply called `key`, which fails with `NoReplyError` after `timeout` seconds.

        A key that is already waited for is a bug of the caller and raises `ValueError`.
        """
        if key in self._futures:
            raise ValueError(f"already waiting for {key}")
        future: asyncio.Future[V] = self._loop.create_future()
        self._futures[key] = future
        deadline = self._loop.time() + timeout
        heapq.heappush(self._deadlines, (deadline, next(self._serial), key, future))
        if self._timer is None or self._deadlines[0][3] is future:
            self._arm()
        return future

    def resolve(self, key: K, value: V) -> bool:
        """Give the reply to who waits for it; False when nobody does (any more)."""
        future = self._futures.pop(key, None)
        if future is None or future.done():
            return False
        future.set_result(value)
        return True

    def discard(self, key: K) -> None:
        """Stop waiting for `key`: its caller was cancelled."""
        future = self._futures.pop(key, None)
        if future is not None:
            future.cancel()

    def fail_all(self, cause: Exception) -> None:
        """Fail everything that waits, and forget all deadlines."""
        futures = list(self._futures.values())
        self._futures.clear()
        self._deadlines.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for future in futures:
            if not future.done():
                future.set_exception(cause)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._deadlines and self._deadlines[0][3].done():
            heapq.heappop(self._deadlines)
        if self._deadlines:
            self._timer = self._loop.call_at(self._deadlines[0][0], self._expire)

    def _expire(self) -> None:
        now = self._loop.time()
        while self._deadlines and (self._deadlines[0][3].done() or self._deadlines[0][0] <= now):
            _, _, key, future = heapq.heappop(self._deadlines)
            if not future.done():
                if self._futures.get(key) is future:
                    del self._futures[key]
                future.set_exception(NoReplyError(self._no_reply(key)))
        self._timer = None
        self._arm()
