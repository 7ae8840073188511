"""Requests that wait for answers: matched by device, endpoint, profile, cluster, transaction number and direction.

A frame that only happens to carry a pending number is not an answer: it must also be a command that can answer that
request. One request may have several answers; all are delivered.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self

from hub.errors import UnavailableError
from protocols.aps import Security
from protocols.zcl.general import REQUIRED_RESPONSE, DefaultResponse, General
from protocols.zcl.header import Direction, FrameType, ZclHeader

MAX_CONVERSATIONS = 128
"""Requests that wait for their answers at once, of one network; half of the transaction numbers. The next ones wait."""
MAX_WAITING = 512
"""Requests that wait for their turn. A home's requests are few; a loop that asks without end meets this limit, and is
told so, before the memory does."""
MAX_ANSWERS = 256
"""Answers kept of one conversation: a broadcast to 200 devices is answered by each once."""
TRANSACTIONS = 256
MORE_S = 0.5
"""For one more answer to a request that has been answered in part."""

EVERYBODY = -1
"""In place of a device: a broadcast, which anybody answers."""


class ConversationKey(NamedTuple):
    """What an answer has in common with its request. `device` is the extended address, or EVERYBODY."""

    device: int
    endpoint: int
    profile: int
    cluster: int
    tsn: int
    direction: int
    """Of the answer: 0 to the server, 1 to the client; ZDO answers have 1."""


@dataclass(frozen=True, slots=True)
class ZclAnswer:
    """A ZCL answer."""

    device: int
    endpoint: int
    header: ZclHeader
    payload: bytes
    security: Security = Security.NETWORK


@dataclass(frozen=True, slots=True)
class ZdoAnswer:
    """A ZDO answer."""

    short: int | None
    device: int | None
    payload: bytes
    """Without the transaction number."""


Answer = ZclAnswer | ZdoAnswer


def answers_to(header: ZclHeader, responses: frozenset[int] | None) -> Callable[[ZclHeader, bytes], bool]:
    """Whether a ZCL frame can be an answer to a request with `header`.

    `responses`: ids of cluster commands that answer it; None: any cluster command but the request's own direction's.
    """

    def is_answer(found: ZclHeader, payload: bytes) -> bool:
        if found.frame_type is FrameType.GENERAL:
            if found.command == General.DEFAULT_RESPONSE:
                try:
                    return DefaultResponse.decode(payload).command == header.command
                except ValueError:
                    return False
            return (
                header.frame_type is FrameType.GENERAL
                and found.command == REQUIRED_RESPONSE.get(header.command)
                and found.manufacturer == header.manufacturer
            )
        if header.frame_type is FrameType.GENERAL or found.manufacturer != header.manufacturer:
            return False
        return responses is None or found.command in responses

    return is_answer


@dataclass(frozen=True, slots=True, kw_only=True)
class ZclRequest:
    """A ZCL command that is answered."""

    command: int
    payload: bytes = b""
    frame_type: FrameType = FrameType.GENERAL
    direction: Direction = Direction.TO_SERVER
    manufacturer: int | None = None
    responses: frozenset[int] | None = None
    """See `answers_to`."""
    confirm: bool = False
    """Ask for a default response of success too."""
    timeout_s: float | None = None
    """For the answer; None: as the registry says."""
    more: Callable[[ZclAnswer], bool] | None = None
    """Is told each answer, and says whether to wait a moment for another one."""

    def answered_by(self, tsn: int) -> Callable[[ZclHeader, bytes], bool]:
        """Whether a command answers this one."""
        return answers_to(
            ZclHeader(self.frame_type, self.direction, tsn, self.command, True, self.manufacturer), self.responses
        )


class Conversation:
    """A request with the answers that came so far. `async with` keeps it listed; `next` waits for one answer."""

    __slots__ = ("_answers", "_close", "_failed", "_waiting", "is_answer", "key", "lost")

    def __init__(
        self,
        key: ConversationKey,
        is_answer: Callable[[ZclHeader, bytes], bool] | None,
        close: Callable[[Conversation], None],
    ) -> None:
        self.key = key
        self.is_answer = is_answer
        self._close = close
        self._answers: deque[Answer] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._failed: Exception | None = None
        self.lost = 0

    def put(self, answer: Answer) -> None:
        """Deliver an answer."""
        if len(self._answers) >= MAX_ANSWERS:
            self.lost += 1
            return
        self._answers.append(answer)
        self._wake()

    def fail(self, cause: Exception) -> None:
        """No answer will come any more."""
        self._failed = cause
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def next(self) -> Answer:
        """The next answer. Raises what `fail` was given, once all answers are taken."""
        while not self._answers:
            if self._failed is not None:
                raise self._failed
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        return self._answers.popleft()

    async def last(self, answer: Answer, more: Callable[[ZclAnswer], bool] | None) -> ZclAnswer:
        """The last of the ZCL answers from `answer` on, as long as `more` wants another and it comes in `MORE_S`."""
        assert isinstance(answer, ZclAnswer)
        with suppress(TimeoutError):
            while more is not None and more(answer):
                async with asyncio.timeout(MORE_S):
                    another = await self.next()
                assert isinstance(another, ZclAnswer)
                answer = another
        return answer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(self)


class Conversations:
    """The one table of what is pending in a network."""

    def __init__(self, limit: int = MAX_CONVERSATIONS) -> None:
        self._open: dict[ConversationKey, Conversation] = {}
        self._places = asyncio.Semaphore(limit)
        self._waiting = 0
        self._last_tsn = 0
        self._uses = [0] * TRANSACTIONS

    def uses_of(self, tsn: int) -> int:
        """How often a transaction number was used for a request since the start."""
        return self._uses[tsn]

    def __len__(self) -> int:
        """Requests that wait for an answer or for their turn."""
        return len(self._open) + self._waiting

    @asynccontextmanager
    async def begin(
        self,
        device: int,
        endpoint: int,
        profile: int,
        cluster: int,
        direction: Direction,
        is_answer: Callable[[int], Callable[[ZclHeader, bytes], bool] | None],
    ) -> AsyncIterator[Conversation]:
        """A conversation with a transaction number that no other one with the same device has.

        `direction` is the answer's; `is_answer(tsn)` makes the check for its answers. Where the table is full, it
        waits for a place. Raises `UnavailableError` when too many wait already.
        """
        if self._waiting >= MAX_WAITING:
            raise UnavailableError(
                f"{len(self._open)} requests wait for answers and {self._waiting} for their turn: try again in a moment"
            )
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            async with self._new(device, endpoint, profile, cluster, direction, is_answer) as conversation:
                yield conversation
        finally:
            self._places.release()

    def _new(
        self,
        device: int,
        endpoint: int,
        profile: int,
        cluster: int,
        direction: Direction,
        is_answer: Callable[[int], Callable[[ZclHeader, bytes], bool] | None],
    ) -> Conversation:
        for _ in range(TRANSACTIONS):
            self._last_tsn = (self._last_tsn + 1) % TRANSACTIONS
            key = ConversationKey(device, endpoint, profile, cluster, self._last_tsn, int(direction))
            if not any(key.tsn == other.tsn and other.device in (device, EVERYBODY) for other in self._open):
                conversation = Conversation(key, is_answer(key.tsn), self._end)
                self._open[key] = conversation
                self._uses[key.tsn] += 1
                return conversation
        raise UnavailableError("all transaction numbers are in use: try again in a moment")

    def pending(self) -> tuple[ConversationKey, ...]:
        """What is pending."""
        return tuple(self._open)

    def next_tsn(self) -> int:
        """A transaction number for a frame that nobody answers."""
        self._last_tsn = (self._last_tsn + 1) % TRANSACTIONS
        return self._last_tsn

    def _end(self, conversation: Conversation) -> None:
        if self._open.get(conversation.key) is conversation:
            del self._open[conversation.key]

    def deliver_zcl(
        self,
        device: int,
        endpoint: int,
        profile: int,
        cluster: int,
        header: ZclHeader,
        payload: bytes,
        security: Security = Security.NETWORK,
    ) -> bool:
        """Give a ZCL frame to the conversation that it answers; False when it answers none."""
        if not self._open:
            return False
        for who in (device, EVERYBODY):
            key = ConversationKey(who, endpoint, profile, cluster, header.tsn, int(header.direction))
            found = self._open.get(key)
            if found is None:
                # What goes to endpoint 0xFF, all of them, is answered by any.
                found = self._open.get(key._replace(endpoint=0xFF))
            if found is not None and found.is_answer is not None and found.is_answer(header, payload):
                found.put(ZclAnswer(device, endpoint, header, payload, security))
                return True
        return False

    def deliver_zdo(self, device: int | None, short: int | None, cluster: int, tsn: int, payload: bytes) -> bool:
        """Give a ZDO response to the conversation that it answers; False when it answers none."""
        for who in (device, EVERYBODY):
            if who is None:
                continue
            found = self._open.get(ConversationKey(who, 0, 0, cluster, tsn, 1))
            if found is not None:
                found.put(ZdoAnswer(short, device, payload))
                return True
        return False

    def fail_all(self, cause: Exception) -> None:
        """The radio is gone: nobody will be answered."""
        for conversation in list(self._open.values()):
            conversation.fail(cause)
