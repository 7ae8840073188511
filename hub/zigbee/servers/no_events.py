"""Servers of Smart Energy events while there are none: who asks hears NOT_FOUND, who tells is thanked.

Smart Energy profile 1.1b, D.2 (Demand Response), D.4 (Price), D.5 (Messaging): a request for events that do not exist
is answered by a default response of NOT_FOUND, although the request has asked for none of success.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hub.zigbee.servers.base import Answer, ClusterServer
from protocols.aps import ApsFrame
from protocols.zcl.clusters import DEMAND_RESPONSE, MESSAGING, PRICE
from protocols.zcl.header import ZclHeader, unsupported_command
from protocols.zcl.status import Status

ASKS: Final[Mapping[int, frozenset[int]]] = {
    PRICE: frozenset((0x00, 0x01)),
    DEMAND_RESPONSE: frozenset((0x01,)),
    MESSAGING: frozenset((0x00,)),
}
"""Get Current Price, Get Scheduled Prices; Get Scheduled Events; Get Last Message."""
TELLS: Final[Mapping[int, frozenset[int]]] = {
    PRICE: frozenset((0x02,)),
    DEMAND_RESPONSE: frozenset((0x00,)),
    MESSAGING: frozenset((0x01,)),
}
"""Price Acknowledgement; Report Event Status; Message Confirmation."""


class NoEventsServer(ClusterServer):
    """The server side of one of these clusters."""

    def __init__(self, cluster: int) -> None:
        super().__init__(cluster=cluster)
        self._asks, self._tells = ASKS[cluster], TELLS[cluster]

    def command(self, header: ZclHeader, payload: bytes, frame: ApsFrame, now: float) -> Answer:
        """See `ClusterServer`."""
        if header.manufacturer is None and header.command in self._asks:
            return Answer(Status.NOT_FOUND)
        if header.manufacturer is None and header.command in self._tells:
            return Answer()
        return Answer(unsupported_command(header))
