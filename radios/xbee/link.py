"""The serial line to an XBee: frames with ids and their answers, in API mode 2 wherever the module lets us.

An id stays taken until its answer is there or its caller has given up; ids go round, so that an answer which comes late
meets nobody, and is dropped. AT commands go one at a time, transmissions side by side.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeVar

from protocols.garbage import Garbage
from protocols.ids import Eui64
from protocols.xbee import frames
from protocols.xbee.at import register
from protocols.xbee.frames import (
    AtCommand,
    AtResponse,
    ExplicitTransmit,
    QueuedAtCommand,
    RegisterDevice,
    RegisterStatus,
    XbeeFrame,
)
from protocols.xbee.framing import ApiMode, deframer, encode
from protocols.xbee.status import AtStatus, RegistrationStatus
from radios.api import NoReplyError, RadioError, RadioLostError
from radios.stream import StreamPipe, StreamUrl

log = logging.getLogger(__name__)

AT_S = 3.0
"""For the answer to an AT command; the module takes milliseconds."""
PROBE_S, PROBE_ATTEMPTS = 0.6, 2
REGISTER_S = 5.0
READ_ATTEMPTS = 3
"""Of a question, which may be asked twice."""
QUIET_S = 4.0
"""After so long without a frame the module is asked whether it is there."""
MUTE_S = 6.5
"""Without any frame for so long, although it was asked, it is lost."""
LOOK_S = 0.5
FRAME_GAP_S = 0.25
"""A frame that has begun and does not go on for so long is cut."""
BAUDS = (115200, 9600, 57600, 38400, 19200)
"""Looked for in this order; 9600 is what a module has after its firmware was changed."""

F = TypeVar("F", bound=XbeeFrame)


class AtError(RadioError):
    """The module refuses an AT command."""

    def __init__(self, name: str, status: AtStatus) -> None:
        super().__init__(f"the module refuses {name}: {status.name}")
        self.name, self.status = name, status


class XbeeLink:
    """Frames in and out. `async with` finds the module."""

    def __init__(
        self,
        url: StreamUrl,
        on_frame: Callable[[XbeeFrame], None],
        on_lost: Callable[[str], None],
        trace: Callable[[str, bytes, str], None] | None,
        counters: Counter[str],
    ) -> None:
        """`on_frame` is told every frame that answers nothing."""
        self.url = url
        self._on_frame, self._on_lost, self._trace, self.counters = on_frame, on_lost, trace, counters
        self._pipe: StreamPipe | None = None
        self.mode = ApiMode.ESCAPED
        self._deframer = deframer(self.mode, frames.read)
        self._gap: asyncio.TimerHandle | None = None
        self._waiting: dict[int, tuple[type[XbeeFrame], asyncio.Future[XbeeFrame]]] = {}
        self._last_id = 0
        self._lane = asyncio.Lock()
        self._lost: str | None = None
        self._is_found = False
        self._heard = 0.0
        self._strange: set[int] = set()

    async def __aenter__(self) -> Self:
        """Open the pipe, find the baud rate, choose API mode 2. Raises `PipeError`, `RadioLostError`."""
        bauds = dict.fromkeys((self.url.baud, *(BAUDS if self.url.kind == "serial" else ())))
        urls = [replace(self.url, baud=baud) for baud in bauds]
        for url in urls:
            self._lost, self._pipe = None, StreamPipe(url, self._received, self._closed)
            await self._pipe.__aenter__()
            try:
                # No byte of it needs an escape, so a module in API mode 1 understands it too.
                await self.at("AP", bytes((ApiMode.ESCAPED,)), timeout_s=PROBE_S, attempts=PROBE_ATTEMPTS)
            except NoReplyError:
                await self._close()
                continue
            except AtError as error:
                log.warning("%s: %s: API mode 1 is used, in which a lost byte may cost two frames", url.peer, error)
                self.mode = ApiMode.PLAIN
                self._deframer = deframer(self.mode, frames.read)
            except BaseException:
                await self._close()
                raise
            if url != self.url:
                log.info("%s: the module speaks %d baud; say so in its pipe to be quicker", url.peer, url.baud)
            self._is_found = True
            return self
        tried = f" at {', '.join(str(url.baud) for url in urls)} baud" if len(urls) > 1 else ""
        raise RadioLostError(
            f"no XBee answers at {self.url.peer}{tried}: is it this port, is its firmware in API mode, "
            "and is nothing else using it?"
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()
        self._end("closed")

    async def _close(self) -> None:
        if self._gap is not None:
            self._gap.cancel()
            self._gap = None
        if self._pipe is not None:
            await self._pipe.__aexit__(None, None, None)
            self._pipe = None
        self._deframer.give_up()

    def lose(self, reason: str) -> None:
        """The module is of no use any more."""
        if self._lost is None:
            self._end(reason)
            if self._is_found:
                self._on_lost(reason)

    @property
    def is_lost(self) -> bool:
        """It will not come back; a module that restarts does."""
        return self._lost is not None

    def _closed(self, reason: str) -> None:
        self.lose(reason)

    def _end(self, reason: str) -> None:
        self._lost = self._lost or reason
        self.fail_all(self._lost)

    def fail_all(self, reason: str) -> None:
        """Nothing that is out will be answered."""
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(RadioLostError(reason))
                future.exception()  # nobody may be waiting for it any more
        self._waiting.clear()

    def _check(self) -> StreamPipe:
        if self._lost is not None:
            raise RadioLostError(self._lost)
        if self._pipe is None:
            raise RadioLostError("the module is not open")
        return self._pipe

    # -- out -----------------------------------------------------------------------------------------------------

    async def at(
        self,
        name: str,
        value: bytes = b"",
        *,
        timeout_s: float | None = None,
        attempts: int | None = None,
        queued: bool = False,
    ) -> bytes:
        """Carry out an AT command; without a value it reads. A question is repeated, all else only by `attempts`.

        `queued`: it is applied with the next one that is not, so that several count together.

        Raises `AtError`, `NoReplyError`, `RadioLostError`.
        """
        code = name.encode("ascii")
        kind = QueuedAtCommand if queued else AtCommand
        limit = AT_S if timeout_s is None else timeout_s
        if attempts is None:
            attempts = READ_ATTEMPTS if not value and register(name).size else 1
        async with self._lane:
            while True:
                attempts -= 1
                try:
                    answer = await self._ask(lambda number: kind(number, code, value), AtResponse, limit, name)
                except NoReplyError:
                    if attempts <= 0:
                        raise
                    continue
                if answer.status is not AtStatus.OK:
                    raise AtError(name, answer.status)
                return answer.value

    async def register_device(self, ieee: Eui64, key: bytes) -> RegistrationStatus:
        """Give the trust centre a device's link key; an empty one removes it. Raises `NoReplyError`."""
        answer = await self._ask(
            lambda number: RegisterDevice(number, ieee, key=key), RegisterStatus, REGISTER_S, "Register Joining Device"
        )
        return answer.status

    async def transmit(self, make: Callable[[int], ExplicitTransmit], timeout_s: float) -> frames.TransmitStatus:
        """Send a frame and return its status. Raises `NoReplyError` when none came, `RadioLostError`."""
        return await self._ask(make, frames.TransmitStatus, timeout_s, "a transmission")

    async def _ask(self, make: Callable[[int], XbeeFrame], answer: type[F], timeout_s: float, what: str) -> F:
        self._check()
        number = self._free_id(make)
        future: asyncio.Future[XbeeFrame] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer, future
        try:
            self.post(make(number))
            async with asyncio.timeout(timeout_s):
                found = await future
        except TimeoutError:
            self.counters["unanswered"] += 1
            raise NoReplyError(f"the module did not answer {what} within {timeout_s:g} s") from None
        finally:
            waiting = self._waiting.get(number)
            if waiting is not None and waiting[1] is future:
                del self._waiting[number]
        assert isinstance(found, answer)
        return found

    def _free_id(self, make: Callable[[int], XbeeFrame]) -> int:
        for _ in range(255):
            self._last_id = self._last_id % 255 + 1
            if self._last_id not in self._waiting and not self._is_cryptic(make(self._last_id)):
                return self._last_id
        raise NoReplyError("255 frames are out without an answer")

    @staticmethod
    def _is_cryptic(frame: XbeeFrame) -> bool:
        """Whether a module that has just restarted, in API mode 1, would not understand that it shall be in mode 2.

        Of that frame only id and checksum may need an escape.
        """
        if not isinstance(frame, AtCommand) or frame.command != b"AP":
            return False
        return encode(frame.to_data(), ApiMode.ESCAPED) != encode(frame.to_data(), ApiMode.PLAIN)

    def post(self, frame: XbeeFrame) -> None:
        """Send a frame to which no answer is expected."""
        pipe = self._check()
        wire = encode(frame.to_data(), self.mode)
        if self._trace is not None:
            self._trace("tx", encode(_masked(frame).to_data(), self.mode), pipe.url.peer)
        self.counters["sent"] += 1
        pipe.write(wire)

    async def watch(self) -> None:
        """Ask a quiet module whether it is there; ends when it is lost, or by cancellation."""
        loop = asyncio.get_running_loop()
        self._heard = loop.time()
        while self._lost is None:
            await asyncio.sleep(LOOK_S)
            quiet = loop.time() - self._heard
            if quiet >= MUTE_S:
                self.lose("the module does not answer any more")
                return
            if quiet < QUIET_S or self._lane.locked():
                continue
            self.counters["heartbeats"] += 1
            try:
                await self.at("AI", timeout_s=1.0, attempts=1)
            except (NoReplyError, AtError):
                continue
            except RadioLostError:
                return

    # -- in ------------------------------------------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        if self._trace is not None:
            self._trace("rx", data, self.url.peer)
        self._take(self._deframer.feed(data))
        if self._gap is not None:
            self._gap.cancel()
            self._gap = None
        if self._deframer.is_begun:
            self._gap = asyncio.get_running_loop().call_later(FRAME_GAP_S, self._quiet)

    def _quiet(self) -> None:
        self._gap = None
        self._take(self._deframer.give_up())

    def _take(self, found: list[XbeeFrame | frames.Unknown | Garbage]) -> None:
        for frame in found:
            if isinstance(frame, Garbage):
                self.counters[f"garbage_{frame.reason}"] += 1
                if frame.detail:
                    log.debug("the module sends what cannot be read: %s", frame.detail)
                continue
            self.counters["received"] += 1
            self._heard = asyncio.get_running_loop().time()
            if isinstance(frame, frames.Unknown):
                self.counters["unknown"] += 1
                if frame.type not in self._strange:
                    self._strange.add(frame.type)
                    log.info("the module sends a frame of type 0x%02X, which is not known", frame.type)
            elif isinstance(frame, AtResponse | frames.TransmitStatus | RegisterStatus):
                self._answered(frame)
            elif isinstance(frame, frames.FrameError):
                log.warning("the module did not understand a frame (status 0x%02X)", frame.status)
            elif self._is_found:
                self._on_frame(frame)

    def _answered(self, frame: AtResponse | frames.TransmitStatus | RegisterStatus) -> None:
        expected, future = self._waiting.get(frame.frame_id, (None, None))
        if future is None or expected is not type(frame) or future.done():
            self.counters["stray_answer"] += 1
            return
        future.set_result(frame)


def _masked(frame: XbeeFrame) -> XbeeFrame:
    """The frame with zeros in place of a key, for traces."""
    if isinstance(frame, AtCommand | QueuedAtCommand) and frame.command in frames.SECRET_REGISTERS:
        return replace(frame, parameter=bytes(len(frame.parameter)))
    if isinstance(frame, RegisterDevice):
        return replace(frame, key=bytes(len(frame.key)))
    return frame
