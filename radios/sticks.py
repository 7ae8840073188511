"""Which Zigbee sticks are there: the USB serial ports of this machine, and pipes that somebody names, asked one
question after the other (`probes`).

A port that another program has open is never asked: an EZSP stick only answers after a reset.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby
from pathlib import Path

from radios.errors import OptionError, PipeError, PortForbiddenError, PortInUseError, RadioLostError
from radios.ports import LINKS, ROOT, TTYS, UsbPort, holder_of, usb_ports
from radios.probes import PROBES, Answer, Line, Probe, Step
from radios.stream import DEFAULT_BAUD, FORMS, StreamPipe, StreamUrl, parse_stream_url
from radios.usb_ids import KnownUsb, known_usb

__all__ = ["LINKS", "ROOT", "TTYS", "PortReport", "PortState", "look_for_sticks", "parse_place"]

LONGEST_ANSWER = 1024
"""Bytes that are looked at: what a port says without end is not kept."""
AT_ONCE = 8
"""Ports that are asked at the same time."""


class PortState(Enum):
    """What has become of a port's probing."""

    FOUND = "found"
    NOT_TAKEN = "not_taken"
    """A stick, which its driver does not take."""
    SILENT = "silent"
    STRANGE = "strange"
    """It says something, and none of it is a stick's."""
    IN_USE = "in_use"
    FORBIDDEN = "forbidden"
    NOT_OPENED = "not_opened"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortReport:
    """A port, and what is behind it."""

    url: StreamUrl
    """As its driver has to open it."""
    state: PortState
    make: str = ""
    """What it is for people; empty: nobody knows."""
    driver: str = ""
    """Whose stick answered; where none did, the one that its USB device is known for."""
    firmware: str = ""
    usb: str = ""
    """Vendor and product, "10c4:ea60"; empty: no USB device."""
    detail: str = ""
    """What is the matter, for people."""
    hint: str = ""
    """What the configuration has to say besides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A port that may have a stick."""

    url: StreamUrl
    is_given: bool = False
    """How it is opened was said by a person."""
    usb: UsbPort | None = None
    known: KnownUsb | None = None


def parse_place(text: str) -> StreamUrl:
    """A pipe as people write it: also a bare path, and `tcp://`. Raises `OptionError`."""
    if text.startswith("/"):
        text = f"pty:{text}" if text.startswith("/dev/pts/") else f"serial:{text}"
    kind, _, rest = text.partition(":")
    if kind not in ("serial", "pty", "tcp"):
        raise OptionError("pipe", f"{text!r} is none; allowed are {FORMS}, or a path")
    return parse_stream_url(f"tcp:{rest.removeprefix('//')}" if kind == "tcp" else text)


async def look_for_sticks(
    places: Sequence[str] = (),
    *,
    probes: bool = True,
    root: Path = ROOT,
    told: Callable[[str], None] | None = None,
    patience: float = 1.0,
) -> list[PortReport]:
    """The ports of this machine and `places`, each with what is behind it. Raises `OptionError` for what is no place.

    `told` hears who is asked for what; `patience` stretches how long answers are waited for. A port takes some four
    seconds when nobody answers, and all are asked at the same time.
    """
    candidates = _candidates([parse_place(place) for place in places], root)
    if not probes:
        return [_report(one, PortState.NOT_ASKED) for one in candidates]
    limit = asyncio.Semaphore(AT_ONCE)

    async def asked(candidate: _Candidate) -> PortReport:
        async with limit:
            holder = holder_of(candidate.usb, root) if candidate.usb is not None else ""
            if holder:
                return _report(candidate, PortState.IN_USE, f"{holder} has it")
            return await _asked(candidate, told or (lambda _: None), patience)

    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(asked(one), name=one.url.peer) for one in candidates]
    return [task.result() for task in asking]


def _candidates(given: Sequence[StreamUrl], root: Path) -> list[_Candidate]:
    """USB ports, then what was given beside them; each once."""
    ports = {os.path.realpath(port.path): port for port in usb_ports(root)}
    found = {}
    for place, port in ports.items():
        known = known_usb(port)
        line = (known.line if known is not None else None) or Line()
        url = StreamUrl("serial", path=port.path, baud=line.baud, rtscts=line.rtscts)
        found[place] = _Candidate(url=url, usb=port, known=known)
    for url in given:
        place = os.path.realpath(url.path) if url.path else url.peer
        there = found.get(place, _Candidate(url=url))
        is_said = url.kind == "serial" and (url.baud, url.rtscts) != (DEFAULT_BAUD, False)
        if not is_said and there.known is not None and there.known.line is not None:
            url = replace(url, baud=there.known.line.baud, rtscts=there.known.line.rtscts)
        found[place] = replace(there, url=url, is_given=is_said)
    return list(found.values())


def _report(candidate: _Candidate, state: PortState, detail: str = "") -> PortReport:
    """What is known of a port that has not answered."""
    usb, known = candidate.usb, candidate.known
    make = known.make if known is not None else " ".join(filter(None, (usb.maker, usb.name))) if usb is not None else ""
    return PortReport(
        url=candidate.url,
        state=state,
        make=make,
        driver=known.driver if known is not None else "",
        usb=usb.ids if usb is not None else "",
        detail=detail,
    )


def _attempts(candidate: _Candidate) -> Iterator[tuple[Line, Probe]]:
    """Who is asked for, and how the port is opened for it: in the rows' order, except that what is known comes first.

    The first line of each kind before the second of any.
    """
    known, url = candidate.known, candidate.url
    first = known.driver if known is not None else ""

    def lines(probe: Probe) -> tuple[Line, ...]:
        if candidate.is_given or url.kind != "serial":
            return (Line(url.baud, url.rtscts),)
        if known is not None and known.line is not None and probe.driver == first:
            return tuple(dict.fromkeys((known.line, *probe.lines)))
        return probe.lines

    order = [(probe, lines(probe)) for probe in sorted(PROBES.values(), key=lambda probe: probe.driver != first)]
    for turn in range(max(len(ways) for _, ways in order)):
        for probe, ways in order:
            if turn < len(ways):
                yield ways[turn], probe


async def _asked(candidate: _Candidate, told: Callable[[str], None], patience: float) -> PortReport:
    if candidate.known is not None and candidate.known.never:
        return _report(candidate, PortState.NOT_ASKED, candidate.known.never)
    has_spoken = False
    try:
        for line, attempts in groupby(_attempts(candidate), key=lambda attempt: attempt[0]):
            url = replace(candidate.url, baud=line.baud, rtscts=line.rtscts)
            async with _Conversation(url, patience) as port:
                for _, probe in attempts:
                    told(f"{url.peer}: {probe.model}?")
                    answer = await port.greet(probe)
                    if answer is not None:
                        return _found(candidate, url, probe, answer)
                has_spoken |= port.has_spoken
    except PortInUseError:
        return _report(candidate, PortState.IN_USE, "another program has it")
    except PortForbiddenError as error:
        return _report(candidate, PortState.FORBIDDEN, str(error))
    except (PipeError, RadioLostError) as error:
        return _report(candidate, PortState.NOT_OPENED, str(error))
    if has_spoken:
        return _report(candidate, PortState.STRANGE, "what it says is no stick's that there is a driver for")
    return _report(candidate, PortState.SILENT, "nobody answers")


def _found(candidate: _Candidate, url: StreamUrl, probe: Probe, answer: Answer) -> PortReport:
    bare = _report(candidate, PortState.NOT_TAKEN if answer.problem else PortState.FOUND, answer.problem)
    is_as_known = candidate.known is not None and candidate.known.driver == probe.driver
    return replace(
        bare,
        url=url,
        make=bare.make if is_as_known else answer.model or probe.model,
        driver=probe.driver,
        firmware=answer.firmware,
        hint=answer.hint,
    )


class _Conversation:
    """A port that is open, one question at a time."""

    def __init__(self, url: StreamUrl, patience: float) -> None:
        self.has_spoken = False
        self._url, self._patience = url, patience
        self._open = AsyncExitStack()
        self._heard = bytearray()
        self._news = asyncio.Event()
        self._lost: str | None = None
        self._pipe = StreamPipe(url, self._received, self._closed)

    async def __aenter__(self) -> _Conversation:
        await self._open.enter_async_context(self._pipe)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._open.aclose()

    def _received(self, data: bytes) -> None:
        self.has_spoken = True
        self._heard += data
        del self._heard[:-LONGEST_ANSWER]
        self._news.set()

    def _closed(self, reason: str) -> None:
        self._lost = reason
        self._news.set()

    async def greet(self, probe: Probe) -> Answer | None:
        """What a stick of this kind says of itself; None: there is none. Raises `RadioLostError`."""
        found: Answer | None = None
        for step in probe.steps:
            answer = await self._ask(step)
            if answer is None:
                break
            found = answer
        return found

    async def _ask(self, step: Step) -> Answer | None:
        for _ in range(step.times):
            self._heard.clear()
            self._pipe.write(step.ask)
            try:
                async with asyncio.timeout(step.wait_s * self._patience / step.times):
                    answer = await self._answer(step)
            except TimeoutError:
                continue
            if step.then:
                self._pipe.write(step.then)
            return answer
        return None

    async def _answer(self, step: Step) -> Answer:
        while True:
            if self._lost is not None:
                raise RadioLostError(self._lost)
            answer = step.read(bytes(self._heard))
            if answer is not None:
                return answer
            self._news.clear()
            await self._news.wait()
