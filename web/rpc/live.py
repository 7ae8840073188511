"""Responses on the websocket, as they come: to those who have asked for them, in XML too where that is asked for.

Nothing is taken out of the mailbox by that. They bear no `seq`, since others do not get them.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET, Struct, UnsetType

from web import schema
from web.rpc.http import RpcResponse, rendered
from web.rpc.response import Response
from web.rpc.service import RpcService


class RpcResponseMessage(Struct, frozen=True, tag_field="event", tag="rpc_response"):
    """A response that came by the mailbox: unsolicited, or to a request that nobody waited for."""

    response: RpcResponse
    xml: str | UnsetType = UNSET
    """The same as it stands in a reply in XML, for those who have asked for that."""


def follow(service: RpcService, tell: Callable[[Callable[[bool], bytes]], None]) -> Callable[[], None]:
    """Have `tell` hear of every response, and how to encode it, with XML or without; ends by what is given back."""
    engine = service.engine

    def heard(response: Response) -> None:
        def encoded(has_xml: bool) -> bytes:
            xml = service.xml_of(response) if has_xml else UNSET
            return schema.encode(RpcResponseMessage(rendered(response, engine), xml))

        tell(encoded)

    return engine.mailbox.on_response(heard)
