"""Responses pushed to where nobody asks for them: as files into a directory, and by PUT to an address (CPX2-SE,
Automatic Response Pushing).

Each goes alone, without an envelope, under the name that gateways gave: prefix, seconds since 1970, a number within the
second, name of the response, extension. It leaves the mailbox only when it has arrived everywhere; until then it can
be taken there as ever.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from aiohttp import ClientError, ClientSession, ClientTimeout

from web.rpc import as_xml
from web.rpc.mailbox import Letter, Mailbox
from web.rpc.table import Table

log = logging.getLogger(__name__)

SPOOL = "pushed"
"""Directory within the data directory where nothing else is configured."""
MAX_FILES = 10_000
"""A directory that nobody empties must not fill the disk: from here on responses stay in the mailbox."""
TIMEOUT_S = 10.0
"""Of one PUT: a server that takes longer for a kilobyte does not take it."""
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 300.0
"""After a failure it is tried again so much later, twice as late each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushSettings:
    """What the registry says, now."""

    is_on: bool = False
    prefix: str = "RPC_Response"
    extension: str = "xml"


@dataclass(slots=True)
class _Parcel:
    """A letter under way: its name, and where it has arrived."""

    name: str
    arrived: set[str] = field(default_factory=set)


class PushError(Exception):
    """A response did not arrive; the text is for people and names no address, which may hold a secret."""


class Pusher:
    """Pushes what comes into the mailbox, the oldest first, while that is on."""

    def __init__(
        self,
        mailbox: Mailbox,
        table: Callable[[], Table],
        settings: Callable[[], PushSettings],
        now: Callable[[], datetime],
        *,
        directory: Path | None,
        url: str = "",
        first_wait_s: float = FIRST_WAIT_S,
    ) -> None:
        self._mailbox, self._table, self._settings, self._now = mailbox, table, settings, now
        self._directory, self._url = directory, url.rstrip("/")
        self._first_wait_s = first_wait_s
        self._parcels: dict[int, _Parcel] = {}
        self._second, self._number = 0, 0
        self._wake = asyncio.Event()
        self.failures = 0
        """Attempts in a row that failed."""

    def wake(self) -> None:
        """Look again: something has come, or pushing was switched on."""
        self._wake.set()

    async def run(self) -> None:
        """Push for ever."""
        forget = self._mailbox.on_response(lambda _: self.wake())
        try:
            async with ClientSession(timeout=ClientTimeout(total=TIMEOUT_S)) as session:
                while True:
                    if self.failures:
                        await asyncio.sleep(min(self._first_wait_s * 2 ** min(self.failures - 1, 20), LONGEST_WAIT_S))
                    else:
                        await self._wake.wait()
                    self._wake.clear()
                    await self._push_all(session)
        finally:
            forget()

    async def _push_all(self, session: ClientSession) -> None:
        while self._settings().is_on and (letters := self._mailbox.waiting()):
            known = {letter.number for letter in letters}
            self._parcels = {number: parcel for number, parcel in self._parcels.items() if number in known}
            try:
                await self._push(letters[0], session)
            except PushError as error:
                if not self.failures:
                    log.warning("responses cannot be pushed: %s; they stay in the mailbox", error)
                self.failures += 1
                return
            if self.failures:
                log.info("responses are pushed again")
            self.failures = 0
            self._mailbox.remove([letters[0].number])
        self.failures = 0

    async def _push(self, letter: Letter, session: ClientSession) -> None:
        response = letter.response
        text = as_xml.write_response(response, self._table().responses.get(response.name))
        parcel = self._parcels.get(letter.number)
        if parcel is None:
            parcel = self._parcels[letter.number] = _Parcel(self._name(response.name))
        data = text.encode()
        if self._directory is not None and "file" not in parcel.arrived:
            await asyncio.to_thread(_write, self._directory, parcel.name, data)
            parcel.arrived.add("file")
        if self._url and "url" not in parcel.arrived:
            await _put(session, f"{self._url}/{quote(parcel.name)}", data)
            parcel.arrived.add("url")

    def _name(self, response: str) -> str:
        settings, second = self._settings(), int(self._now().timestamp())
        # A clock that is set back must not give a name twice.
        self._second, self._number = (self._second, self._number + 1) if second <= self._second else (second, 0)
        return f"{settings.prefix}-{self._second}-{self._number:04d}-{response}.{settings.extension}"


def _write(directory: Path, name: str, data: bytes) -> None:
    """A file that is there whole or not at all. Raises `PushError`."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sum(1 for _ in os.scandir(directory)) >= MAX_FILES:
            raise PushError(f"there are {MAX_FILES} files already; somebody has to take them away")
        half = directory / f".{name}.part"
        with half.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        half.replace(directory / name)
    except OSError as error:
        raise PushError(f"the directory takes no file: {error.strerror or error}") from None


async def _put(session: ClientSession, url: str, data: bytes) -> None:
    """Give a file to a server. Raises `PushError`."""
    try:
        async with session.put(
            url, data=data, headers={"Content-Type": "application/xml"}, allow_redirects=False
        ) as got:
            if not 200 <= got.status < 300:
                raise PushError(f"the server answered {got.status}")
    except TimeoutError:
        raise PushError(f"the server did not answer within {TIMEOUT_S:g} s") from None
    except (ClientError, OSError, ValueError) as error:
        # The error's own words name the address.
        raise PushError(f"the server is not reached ({type(error).__name__})") from None
