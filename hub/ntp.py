"""Asking the registry's time servers how far the machine's clock is from theirs. Nobody sets it from here."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from datetime import timedelta

from hub.clock import Clock
from hub.errors import InvalidError, UnavailableError
from protocols import sntp
from protocols.errors import CodecError

log = logging.getLogger(__name__)

ANSWER_S = 5.0
"""For a server to answer; what RFC 4330 has clients wait at most."""


class _Question(asyncio.DatagramProtocol):
    """Waits for the answer to one question; what is none is as if it had not come."""

    def __init__(self, clock: Clock, nonce: int) -> None:
        self._clock, self._nonce = clock, nonce
        self.answer: asyncio.Future[tuple[sntp.Answer, float]] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, address: object) -> None:
        """Something came from the server's address."""
        now = self._clock.now().timestamp()
        try:
            found = sntp.parse(data, self._nonce)
        except CodecError as error:
            log.debug("no answer of a time server: %s", error)
            return
        if not self.answer.done():
            self.answer.set_result((found, now))

    def error_received(self, error: Exception) -> None:
        """Nobody is there."""
        if not self.answer.done():
            self.answer.set_exception(error)


async def offset(servers: Sequence[str], clock: Clock) -> tuple[str, timedelta]:
    """The first server that answers, and its clock less ours. Raises `UnavailableError` when none does."""
    told: list[str] = []
    for server in filter(None, servers):
        try:
            async with asyncio.timeout(ANSWER_S):
                return server, await _ask(server, clock)
        except TimeoutError:
            told.append(f"{server} did not answer within {ANSWER_S:g} s")
        except (OSError, UnicodeError) as error:
            told.append(f"{server}: {getattr(error, 'strerror', None) or error}")
    raise UnavailableError("; ".join(told) or "no time server is named in the registry (NTP_client.server1)")


async def _ask(server: str, clock: Clock) -> timedelta:
    host, port = address(server)
    nonce = secrets.randbits(64)
    loop = asyncio.get_running_loop()
    transport, question = await loop.create_datagram_endpoint(lambda: _Question(clock, nonce), remote_addr=(host, port))
    try:
        asked = clock.now().timestamp()
        transport.sendto(sntp.request(nonce))
        answer, answered = await question.answer
    finally:
        transport.close()
    return timedelta(seconds=answer.offset_s(asked, answered))


def address(server: str) -> tuple[str, int]:
    """`host`, `host:port`, `[address]` or `[address]:port`. Raises `InvalidError`."""
    host, separator, port = server.rpartition(":")
    if not separator or (server.startswith("[") and server.endswith("]")):
        host, port = server, str(sntp.PORT)
    if not port.isdecimal() or not 0 < int(port) <= 0xFFFF:
        raise InvalidError("time server", server[:80], "a host, with a port from 1 to 65535 or without")
    return host.removeprefix("[").removesuffix("]"), int(port)
