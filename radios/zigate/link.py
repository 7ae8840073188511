"""The serial line to a ZiGate: one command at a time, its status, its answer.

The stick carries no tag from a command to its status (0x8000 names only the code), and does one command after the
other. So exactly one command is out at a time. After one whose status did not come, nothing is sent until the stick has
answered a harmless command (Get Version): whatever was late has come by then, and is not mistaken for the status of the
next.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from protocols.garbage import Garbage
from protocols.packet import Packet
from protocols.zigate import frames
from protocols.zigate.commands import Command, GetVersion
from protocols.zigate.framing import Deframer, encode
from protocols.zigate.responses import Log, Response, Status, Version
from protocols.zigate.status import SerialStatus
from radios.api import NoReplyError, RadioLostError
from radios.stream import StreamPipe, StreamUrl

log = logging.getLogger(__name__)

STATUS_S = 2.0
"""For the status of a command; the stick answers within 100 ms unless its queue is full."""
STATUS_BEHIND_S = 0.2
"""For a status that comes after the answer it belongs to."""
ANSWER_S = 2.0
"""For the answer behind it."""
BARRIER_S = 1.0
BARRIERS = 12
"""Harmless commands without an answer, in a row, that make the stick a lost one although it goes on telling what it
hears."""
LOCAL_ATTEMPTS = 3
"""A command to the stick itself, which may be done twice, is sent so often: bridges and long cables lose bytes."""
QUIET_S = 4.0
"""After so long without a frame the stick is asked whether it is there."""
MUTE_S = 6.5
"""Without any frame for so long, although it was asked, it is lost: well within the 10 s in which that is promised."""
LOOK_S = 0.5

A = TypeVar("A", bound=Response)


class ZigateLink:
    """Frames in and out. `async with` opens the pipe."""

    def __init__(
        self,
        url: StreamUrl,
        on_frame: Callable[[Packet | frames.Unknown, int], None],
        on_lost: Callable[[str], None],
        trace: Callable[[str, bytes, str], None] | None,
        counters: Counter[str],
    ) -> None:
        """`on_frame(frame, lqi)` is told every frame that is no status of a command."""
        self._pipe = StreamPipe(url, self._received, self._closed)
        self._peer = url.peer
        self._on_frame, self._on_lost, self._trace, self.counters = on_frame, on_lost, trace, counters
        self._deframer = Deframer(frames.read)
        self._lane = asyncio.Lock()
        self._status: asyncio.Future[Status] | None = None
        self._status_of = 0
        self._answer: asyncio.Future[Response] | None = None
        self._answer_type: type[Response] | None = None
        self._is_behind = False
        """A status is outstanding that may still come."""
        self._lost: str | None = None
        self._heard = 0.0
        self._strange: set[int] = set()

    async def __aenter__(self) -> Self:
        """Open the pipe. Raises `PipeError`."""
        await self._pipe.__aenter__()
        self._heard = asyncio.get_running_loop().time()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pipe.__aexit__(kind, error, trace)
        self._end("closed")

    def lose(self, reason: str) -> None:
        """The stick is of no use any more."""
        if self._lost is None:
            self._end(reason)
            self._on_lost(reason)

    def _closed(self, reason: str) -> None:
        self.lose(reason)

    def _end(self, reason: str) -> None:
        self._lost = self._lost or reason
        for future in (self._status, self._answer):
            if future is not None and not future.done():
                future.set_exception(RadioLostError(self._lost))
                future.exception()  # nobody may be waiting for it any more

    # -- out -----------------------------------------------------------------------------------------------------

    async def command(self, command: Command, attempts: int = LOCAL_ATTEMPTS) -> Status:
        """Send a command and return its status; `attempts` 1 for what must not be done twice.

        Raises `NoReplyError`, `RadioLostError`.
        """
        async with self._lane:
            while True:
                await self._catch_up()
                attempts -= 1
                try:
                    return await self._exchange(command, STATUS_S)
                except NoReplyError:
                    if attempts <= 0:
                        raise

    async def ask(self, command: Command, answer: type[A], timeout_s: float = ANSWER_S) -> A:
        """Send a command and return its answer. Raises `NoReplyError` also for a refusal, which it names."""
        async with self._lane:
            attempts = LOCAL_ATTEMPTS
            while True:
                await self._catch_up()
                attempts -= 1
                try:
                    return await self._question(command, answer, timeout_s)
                except NoReplyError:
                    if attempts <= 0:
                        raise

    async def _question(self, command: Command, answer: type[A], timeout_s: float) -> A:
        """An answer may come before its status; either is proof that the stick is there."""
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._answer, self._answer_type = future, answer
        name = type(command).__name__
        status = self._send(command)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.wait((status, future), return_when=asyncio.FIRST_COMPLETED)
                if status.done() and status.result().status is not SerialStatus.SUCCESS and not future.done():
                    raise NoReplyError(f"the stick refuses {name}: {status.result().status.name}")
                response = await future
            if not status.done():
                # A moment for the status behind it, so that it is not taken for the next command's.
                await asyncio.wait((status,), timeout=STATUS_BEHIND_S)
        except TimeoutError:
            raise NoReplyError(f"the stick did not answer {name} within {timeout_s:g} s") from None
        finally:
            self._sent(status)
            self._answer = self._answer_type = None
        assert isinstance(response, answer)
        return response

    async def _exchange(self, command: Command, timeout_s: float) -> Status:
        status = self._send(command)
        try:
            async with asyncio.timeout(timeout_s):
                return await status
        except TimeoutError:
            self.counters["no_status"] += 1
            name = type(command).__name__
            raise NoReplyError(f"the stick did not say within {timeout_s:g} s what it did with {name}") from None
        finally:
            self._sent(status)

    def _send(self, command: Command) -> asyncio.Future[Status]:
        self._check()
        # Wait for it before it is sent: the stick may be faster than we.
        future: asyncio.Future[Status] = asyncio.get_running_loop().create_future()
        self._status, self._status_of = future, command.CODE
        frame = encode(command.CODE, command.encode())
        if self._trace is not None:
            self._trace("tx", frame, self._peer)
        self.counters["sent"] += 1
        self._pipe.write(frame)
        return future

    def _sent(self, status: asyncio.Future[Status]) -> None:
        """A command is over. One whose status is outstanding leaves us behind, also when its caller was cancelled."""
        if not status.done() or status.cancelled():
            self._is_behind = True
        self._status = None

    async def _catch_up(self) -> None:
        """After a missing status: wait until the stick has done all that came before."""
        self._check()
        loop = asyncio.get_running_loop()
        for _ in range(BARRIERS):
            if not self._is_behind:
                return
            self._is_behind = False
            try:
                await self._question(GetVersion(), Version, BARRIER_S)
                return
            except NoReplyError:
                self._is_behind = True
            if loop.time() - self._heard >= MUTE_S:
                break
        if self._is_behind:
            self.lose("the stick does not answer any more")
            self._check()

    def _check(self) -> None:
        if self._lost is not None:
            raise RadioLostError(self._lost)

    async def watch(self) -> None:
        """Ask a quiet stick whether it is there; ends when it is lost, or by cancellation."""
        loop = asyncio.get_running_loop()
        while self._lost is None:
            await asyncio.sleep(LOOK_S)
            if loop.time() - self._heard < QUIET_S or self._lane.locked():
                continue
            async with self._lane:
                self._is_behind = True
                self.counters["heartbeats"] += 1
                try:
                    await self._catch_up()
                except RadioLostError:
                    return

    # -- in ------------------------------------------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        if self._trace is not None:
            self._trace("rx", data, self._peer)
        for found in self._deframer.feed(data):
            if isinstance(found, Garbage):
                self.counters[f"garbage_{found.reason}"] += 1
                if found.detail:
                    log.debug("the stick sends what cannot be read: %s", found.detail)
                continue
            self.counters["received"] += 1
            self._heard = asyncio.get_running_loop().time()
            self._take(*found)

    def _take(self, frame: Packet | frames.Unknown, lqi: int) -> None:
        if isinstance(frame, Status):
            waiting = self._status
            if waiting is None or waiting.done() or frame.command != self._status_of:
                self.counters["stray_status"] += 1
            else:
                waiting.set_result(frame)
                return
        elif isinstance(frame, Log):
            log.debug("stick: %s", (frame.text or b"").decode("ascii", "replace"))
            return
        elif isinstance(frame, frames.Unknown):
            if frame.code not in self._strange:
                self._strange.add(frame.code)
                log.info("the stick sends 0x%04X, which is not known", frame.code)
            self.counters["unknown"] += 1
            return
        answer = self._answer
        if (
            answer is not None
            and not answer.done()
            and self._answer_type is not None
            and isinstance(frame, self._answer_type)
        ):
            answer.set_result(frame)
        self._on_frame(frame, lqi)
