"""What each part of `web.client.HubClient` stands on: one request, and one answer as the type that it is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TypeVar

ANSWER_TIMEOUT_S = 30.0
"""For an answer to a question; a year of history takes a Raspberry Pi some seconds."""
COMMAND_TIMEOUT_S = 120.0
"""For a command: a breaker takes one in 10 s, four may wait for it, and each may be sent three times."""

T = TypeVar("T")
Query = Mapping[str, str | None]


class Calls(ABC):
    """Requests to the hub; none is ever repeated. Both raise `web.client.ClientError`."""

    @abstractmethod
    async def _call(
        self,
        method: str,
        path: str,
        kind: type[T],
        *,
        query: Query | None = None,
        body: Mapping[str, object] | Sequence[object] | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> T:
        """The answer, as `kind`."""

    @abstractmethod
    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, object] | Sequence[object] | bytes | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> bytes:
        """The answer's bytes; a body of bytes is XML."""
