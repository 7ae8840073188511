"""What is due when: keys with a time each, in any number. Pure; the time is an argument.

Times are whole seconds of any epoch, as large as they like. A key that is set again has only its last time. Asking
costs little while nothing is due, however many keys wait.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Schedule(Generic[K]):
    """Keys by their times."""

    def __init__(self) -> None:
        self._times: dict[K, int] = {}
        self._heap: list[tuple[int, int, K]] = []
        self._number = 0
        """Keeps keys of one time in the order in which they were set, and keeps them from being compared."""

    def __len__(self) -> int:
        return len(self._times)

    def __contains__(self, key: K) -> bool:
        return key in self._times

    def set(self, key: K, at: int) -> None:
        """A key is due at a time, and not at the one before."""
        if self._times.get(key) == at:
            return
        self._times[key] = at
        self._number += 1
        heapq.heappush(self._heap, (at, self._number, key))
        if len(self._heap) > 64 and len(self._heap) > 2 * len(self._times):
            self._heap = [entry for entry in self._heap if self._times.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)

    def remove(self, key: K) -> None:
        """A key is not due any more."""
        self._times.pop(key, None)

    def due(self, now: int) -> list[K]:
        """Keys whose time has come, earliest first; they are removed."""
        found = []
        heap, times = self._heap, self._times
        while heap and (heap[0][0] <= now or times.get(heap[0][2]) != heap[0][0]):
            at, _, key = heapq.heappop(heap)
            if times.get(key) == at:
                del times[key]
                found.append(key)
        return found

    def next(self) -> int | None:
        """When the next key is due; None: never."""
        while self._heap and self._times.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None
