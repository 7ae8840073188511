"""The client's calls of the RPC: a part of `web.client.HubClient`, with the answers as it takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import Struct

from web.client_calls import COMMAND_TIMEOUT_S, Calls
from web.client_model import Problem

if TYPE_CHECKING:
    from web.rpc.describe import RpcInfo

RPC_SUBSCRIBE = "rpc.subscribe"
"""The websocket's command after which responses come."""


class RpcResponse(Struct, frozen=True):
    """A response: its name and parameters, and when it was made."""

    response: str
    parameters: dict[str, object] = {}
    time: str | None = None


class RpcAnswer(Struct, frozen=True):
    """A response, or the name of a request whose response comes by the mailbox, or that has none."""

    response: str = ""
    parameters: dict[str, object] = {}
    time: str | None = None
    accepted: str = ""


class Mail(Struct, frozen=True):
    """Responses out of the mailbox, the oldest first, and how many are left there."""

    responses: tuple[RpcResponse, ...] = ()
    remaining: int = 0


class RpcOutcome(Struct, frozen=True):
    """What came of one request of several: a response, a problem, or nothing when it comes by the mailbox."""

    request: str
    response: RpcResponse | None = None
    problem: Problem | None = None


class RpcOutcomes(Struct, frozen=True):
    """What came of each request, in their order."""

    outcomes: tuple[RpcOutcome, ...] = ()


class Heard(Struct, frozen=True):
    """What the websocket says, as far as it concerns the RPC."""

    response: RpcResponse | None = None
    error: Problem | None = None


class RpcCalls(Calls):
    """Calls of /api/v1/rpc and /UE/rci."""

    async def rpc(self, request: str, parameters: Mapping[str, object], *, waits: bool = True) -> RpcAnswer:
        """Make a request; without `waits` its response comes by the mailbox."""
        query = None if waits else {"async": "true"}
        path = f"/api/v1/rpc/{quote(request, safe='')}"
        return await self._call("POST", path, RpcAnswer, query=query, body=parameters, timeout_s=COMMAND_TIMEOUT_S)

    async def rpc_info(self) -> RpcInfo:
        """All that can be asked for, what modules have added with it; `web.rpc.described` makes a table of it."""
        # The table is large, and most clients never need it.
        from web.rpc.describe import RpcInfo

        return await self._call("GET", "/api/v1/rpc", RpcInfo)

    async def rpc_alias(self, name: str, *, waits: bool = True) -> tuple[RpcOutcome, ...]:
        """Make the requests that an alias stands for; without `waits` all responses come by the mailbox."""
        body: Sequence[object] = [{"request": name, "synchronous": waits}]
        answer = await self._call("POST", "/api/v1/rpc", RpcOutcomes, body=body, timeout_s=COMMAND_TIMEOUT_S)
        return answer.outcomes

    async def rpc_document(self, document: str) -> str:
        """Send XML, bare or in an envelope; the reply, in the same."""
        answer = await self._request("POST", "/UE/rci", body=document.encode(), timeout_s=COMMAND_TIMEOUT_S)
        return answer.decode("utf-8", "replace")

    async def rpc_responses(self, limit: int | None = None) -> Mail:
        """Take responses out of the mailbox: they are there no more, for anybody."""
        query = {"limit": None if limit is None else str(limit)}
        return await self._call("GET", "/api/v1/rpc/responses", Mail, query=query)
