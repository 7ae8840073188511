"""Commands that devices send to our client side and that want more than a default response."""

from __future__ import annotations

from hub.zigbee.member import Member
from hub.zigbee.model import InterviewStep
from hub.zigbee.network import Network
from protocols.aps import ApsFrame, Delivery
from protocols.errors import CodecError
from protocols.zcl.clusters import IAS_ZONE, OTA, POLL_CONTROL
from protocols.zcl.commands import (
    CHECK_IN,
    NO_IMAGE_AVAILABLE,
    CheckInResponse,
    QueryNextImage,
    ZoneEnrollRequest,
    ZoneEnrollResponse,
)
from protocols.zcl.header import Direction, ZclHeader

FAST_POLL_QUARTERS = 40
"""Quarters of a second that a device listens after a check-in while something waits for it: 10 s, one answer."""
ZONE_ID = 0
"""Every alarm zone gets this number: zones are told apart by their devices."""
QUERY_NEXT_IMAGE_RESPONSE = 0x02


def answer(network: Network, member: Member, frame: ApsFrame, header: ZclHeader, payload: bytes) -> bool:
    """Answer a command to our client side; False for one that is not known here."""
    if frame.delivery is not Delivery.UNICAST or header.manufacturer is not None:
        return False
    to_us = header.direction is Direction.TO_CLIENT
    body: bytes | None = None
    command = 0
    if frame.cluster == IAS_ZONE and to_us and header.command == ZoneEnrollRequest.COMMAND:
        if not _fits(ZoneEnrollRequest, payload):
            return False
        body, command = ZoneEnrollResponse(0, ZONE_ID).encode(), ZoneEnrollResponse.COMMAND
    elif frame.cluster == POLL_CONTROL and to_us and header.command == CHECK_IN:
        waits = member.interview is not InterviewStep.DONE or any(
            key.device == member.ieee for key in network.conversations.pending()
        )
        body = CheckInResponse(int(waits), FAST_POLL_QUARTERS if waits else 0).encode()
        command = CheckInResponse.COMMAND
    elif frame.cluster == OTA and not to_us and header.command == QueryNextImage.COMMAND:
        if not _fits(QueryNextImage, payload):
            return False
        body, command = NO_IMAGE_AVAILABLE, QUERY_NEXT_IMAGE_RESPONSE
    if body is None:
        return False
    head = header.answer(command)
    network.send_soon(network.frame(member, frame.source_endpoint, frame.cluster, head, body, frame.security))
    return True


def _fits(kind: type[ZoneEnrollRequest] | type[QueryNextImage], payload: bytes) -> bool:
    try:
        kind.decode(payload)
    except CodecError:
        return False
    return True
