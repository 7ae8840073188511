"""The mailbox: responses that nobody has waited for, until they are asked for (CPX2-SE, RPC_Manager.max_buffer_items).

Full, it drops the oldest, and says so in front of what is left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from web.rpc.response import Response, Severity, message


@dataclass(frozen=True, slots=True)
class Letter:
    """A response with its number, which grows."""

    number: int
    response: Response


class Mailbox:
    """Responses in the order in which they came."""

    def __init__(self, limit: Callable[[], int], timestamp: Callable[[], float | None] = lambda: None) -> None:
        """`limit` says how many there may be, now; `timestamp` when that is, None where times are not to be told."""
        self._limit, self._timestamp = limit, timestamp
        self._letters: deque[Letter] = deque()
        self._next = 0
        self._dropped = 0
        self._listeners: list[Callable[[Response], None]] = []

    def __len__(self) -> int:
        return len(self._letters)

    @property
    def dropped(self) -> int:
        """How many were dropped since somebody was told."""
        return self._dropped

    def on_response(self, listener: Callable[[Response], None]) -> Callable[[], None]:
        """`listener` hears every response as it comes, until the function that is given back is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def put(self, response: Response) -> None:
        """Take a response in."""
        self._letters.append(Letter(self._next, response))
        self._next += 1
        while len(self._letters) > max(1, self._limit()):
            self._letters.popleft()
            self._dropped += 1
        for listener in tuple(self._listeners):
            listener(response)

    def take(self, limit: int | None = None) -> tuple[list[Response], int]:
        """At most `limit` responses, the oldest first, and how many remain.

        A message that says how many were dropped is one of them, and the first.
        """
        tells_loss = self._dropped > 0 and limit != 0
        count = len(self._letters) if limit is None else min(limit - tells_loss, len(self._letters))
        taken = [self._letters.popleft().response for _ in range(count)]
        if tells_loss:
            text = f"{self._dropped} older responses were dropped: the buffer holds {self._limit()}"
            lost = message(Severity.WARNING, text, dropped=self._dropped)
            # As old as what it stands in front of.
            oldest = taken[0] if taken else self._letters[0].response if self._letters else None
            timestamp = self._timestamp() if oldest is None else oldest.timestamp
            taken.insert(0, Response(lost.name, lost.parameters, timestamp))
            self._dropped = 0
        return taken, len(self._letters)

    def waiting(self) -> list[Letter]:
        """What is there, and stays."""
        return list(self._letters)

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove what has been delivered in another way."""
        gone = frozenset(numbers)
        self._letters = deque(letter for letter in self._letters if letter.number not in gone)
