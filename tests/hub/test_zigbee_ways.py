"""What answers a command that somebody has put together by hand."""

from __future__ import annotations

import pytest

from hub.errors import ConversationError, Conversing, UnsupportedError
from hub.zigbee.transactions import Conversations
from hub.zigbee.ways import RawCommand, conversing
from protocols.aps import Security
from protocols.ids import Eui64
from protocols.zcl.general import DefaultResponse, General
from protocols.zcl.header import Direction, FrameType, ZclHeader
from protocols.zcl.status import Status
from radios.api import DeliveryError, NoLinkKeyError, NoReplyError, NotSupportedError

TSN = 7
WHERE = Conversing(Eui64(0x000CC1002719C4D5), 1, 0x0109, 0x0701)


def cluster(command: int, manufacturer: int | None = None) -> ZclHeader:
    return ZclHeader(FrameType.CLUSTER, Direction.TO_CLIENT, TSN, command, True, manufacturer)


def general(command: int) -> ZclHeader:
    return ZclHeader(FrameType.GENERAL, Direction.TO_CLIENT, TSN, command, True, None)


def default(command: int, status: Status) -> bytes:
    return DefaultResponse(command, status).encode()


def test_the_answer_that_is_named_is_waited_for_and_a_refusal_is_one_too() -> None:
    asked = RawCommand(command=0x00, payload=b"", response=(FrameType.CLUSTER, 0x05))
    is_answer = asked.answered_by(TSN)
    assert is_answer(cluster(0x05), b"")
    assert not is_answer(cluster(0x04), b"")
    assert not is_answer(general(0x05), b"")
    assert is_answer(general(General.DEFAULT_RESPONSE), default(0x00, Status.UNSUP_CLUSTER_COMMAND))
    assert not is_answer(general(General.DEFAULT_RESPONSE), default(0x00, Status.SUCCESS)), (
        "it says that more will come"
    )
    assert not is_answer(general(General.DEFAULT_RESPONSE), default(0x09, Status.FAILURE)), "that is to another command"


def test_without_one_whatever_can_answer_does() -> None:
    asked = RawCommand(command=0x00, payload=b"").answered_by(TSN)
    assert asked(cluster(0x05), b"")
    assert asked(general(General.DEFAULT_RESPONSE), default(0x00, Status.SUCCESS))
    assert not asked(general(General.READ_ATTRIBUTES_RESPONSE), b"")
    read = RawCommand(command=General.READ_ATTRIBUTES, payload=b"", frame_type=FrameType.GENERAL).answered_by(TSN)
    assert read(general(General.READ_ATTRIBUTES_RESPONSE), b"")
    assert not read(cluster(0x01), b"")


async def test_what_goes_to_all_endpoints_is_answered_by_any_and_its_protection_is_told() -> None:
    table = Conversations()
    raw = RawCommand(command=0x01, payload=b"")
    async with table.begin(WHERE.ieee, 0xFF, 0x0109, 3, Direction.TO_CLIENT, raw.answered_by) as conversation:
        header = cluster(0x00)._replace(tsn=conversation.key.tsn)
        assert not table.deliver_zcl(1, 10, 0x0109, 3, header, b""), "another device"
        assert table.deliver_zcl(WHERE.ieee, 10, 0x0109, 3, header, b"", Security.LINK_KEY)
        answer = await conversation.next()
    assert (answer.endpoint, answer.security) == (10, Security.LINK_KEY)  # type: ignore[union-attr]


async def test_what_a_radio_raises_is_told_with_place_status_and_missing_keys() -> None:
    for error, cause, status, lacks_key in (
        (DeliveryError("x", "NO_MAC_ACK", 0x01), "No mac ack", 0x01, False),
        (NoLinkKeyError("x", "KEY_NOT_AUTHORIZED", 0xBB), "Key not authorized", 0xBB, True),
        (NoReplyError("it did not answer within 40 s"), "it did not answer within 40 s", None, False),
    ):
        with pytest.raises(ConversationError) as told:
            async with conversing(WHERE):
                raise error
        assert (told.value.cause, told.value.status, told.value.lacks_key) == (cause, status, lacks_key)
        assert told.value.where == WHERE
        assert "000cc1002719c4d5, endpoint 1, cluster 0x0701" in str(told.value)
    with pytest.raises(UnsupportedError, match="broadcasts"):
        async with conversing(WHERE):
            raise NotSupportedError("it sends no broadcasts")
