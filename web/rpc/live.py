"""Responses on the websocket, as they come: to those who have asked for them.

Nothing is taken out of the mailbox by that. They bear no `seq`, since others do not get them.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from web import schema
from web.rpc.engine import Engine
from web.rpc.http import RpcResponse, rendered
from web.rpc.response import Response


class RpcResponseMessage(Struct, frozen=True, tag_field="event", tag="rpc_response"):
    """A response that came by the mailbox: unsolicited, or to a request that nobody waited for."""

    response: RpcResponse


def follow(engine: Engine, tell: Callable[[Callable[[], bytes]], None]) -> Callable[[], None]:
    """Have `tell` hear of every response, and how to encode it; ends when what is given back is called."""

    def heard(response: Response) -> None:
        tell(lambda: schema.encode(RpcResponseMessage(rendered(response, engine))))

    return engine.mailbox.on_response(heard)
