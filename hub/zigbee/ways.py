"""Ways to clusters, as whoever asks has chosen: by one of our endpoints to a device, to everybody, or to ourselves.

`Network.request` asks by the endpoint that speaks a device's profile. A utility's program says by itself which of our
endpoints asks, and may ask our own clusters just as it asks those of others (CPX2-SE, ZCL Requests/Responses).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

from hub.clock import Clock
from hub.errors import ConversationError, Conversing, UnsupportedError
from hub.registry import DISABLE_DEFAULT_RESPONSE, Registry
from hub.zigbee.member import Member
from hub.zigbee.network import Network
from hub.zigbee.security import security_of
from hub.zigbee.transactions import EVERYBODY, ZclAnswer, ZclRequest, answers_to
from protocols.aps import ApsFrame, Delivery, Security
from protocols.ids import BroadcastAddress
from protocols.zcl.general import DefaultResponse, General
from protocols.zcl.header import Direction, FrameType, ZclHeader, parse_header
from protocols.zcl.status import Status
from radios.api import (
    DeliveryError,
    NoLinkKeyError,
    NoReplyError,
    NotReachableError,
    NotSupportedError,
    RadioLostError,
)

IsAnswer = Callable[[ZclHeader, bytes], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawCommand:
    """A ZCL command as it is to be sent, and what answers it."""

    command: int
    payload: bytes
    frame_type: FrameType = FrameType.CLUSTER
    direction: Direction = Direction.TO_SERVER
    manufacturer: int | None = None
    response: tuple[FrameType, int] | None = None
    """Kind and identifier of the command that answers it; None: whatever the device answers."""
    security: Security | None = None
    """None: as the cluster wants it."""
    confirm: bool = True
    """Ask for a default response of success, too."""

    def answered_by(self, tsn: int) -> IsAnswer:
        """Whether a command answers this one. A default response that refuses it always does."""
        asked = ZclHeader(self.frame_type, self.direction, tsn, self.command, not self.confirm, self.manufacturer)
        usual = answers_to(asked, None)

        def is_answer(found: ZclHeader, payload: bytes) -> bool:
            if self.response is None:
                return usual(found, payload)
            if (found.frame_type, found.command) == self.response:
                return True
            is_default = found.frame_type is FrameType.GENERAL and found.command == General.DEFAULT_RESPONSE
            return is_default and usual(found, payload) and DefaultResponse.decode(payload).status is not Status.SUCCESS

        return is_answer


@asynccontextmanager
async def conversing(where: Conversing) -> AsyncIterator[None]:
    """What a radio raises of one conversation, as the hub tells it. Raises `ConversationError`, `UnsupportedError`."""
    try:
        yield
    except NotSupportedError as error:
        raise UnsupportedError(str(error)) from None
    except DeliveryError as error:
        cause = error.status.replace("_", " ").capitalize()
        raise ConversationError(where, cause, error.code, lacks_key=isinstance(error, NoLinkKeyError)) from None
    except (NoReplyError, NotReachableError, RadioLostError) as error:
        raise ConversationError(where, str(error)) from None


class Through:
    """To devices of a network, from one of our endpoints (`attributes.Asks`)."""

    def __init__(self, network: Network, registry: Registry, source_endpoint: int, profile: int) -> None:
        self._network, self._registry = network, registry
        self._endpoint, self._profile = source_endpoint, profile

    async def request(self, member: Member, endpoint: int, cluster: int, asked: ZclRequest) -> ZclAnswer:
        """See `Network.request`."""
        raw = replace(_raw(asked), confirm=asked.confirm or not self._registry.is_on(DISABLE_DEFAULT_RESPONSE))
        return await self._exchange(member, endpoint, cluster, raw, asked.answered_by, asked.timeout_s, asked.more)

    async def send(self, member: Member, endpoint: int, cluster: int, raw: RawCommand) -> ZclAnswer:
        """Send a command and wait for what answers it. Raises as `request`."""
        return await self._exchange(member, endpoint, cluster, raw, raw.answered_by, None, None)

    async def deliver(self, member: Member, endpoint: int, cluster: int, raw: RawCommand) -> None:
        """Send a command that nobody answers; it is delivered when this returns. Raises as `request`."""
        network = self._network
        header = _header(raw, network.conversations.next_tsn())
        frame = network.frame(member, endpoint, cluster, header, raw.payload, raw.security, self._profile)
        await network.send(member, replace(frame, source_endpoint=self._endpoint))

    async def _exchange(
        self,
        member: Member,
        endpoint: int,
        cluster: int,
        raw: RawCommand,
        answered_by: Callable[[int], IsAnswer],
        timeout_s: float | None,
        more: Callable[[ZclAnswer], bool] | None,
    ) -> ZclAnswer:
        network = self._network
        async with network.conversations.begin(
            member.ieee, endpoint, self._profile, cluster, raw.direction.back, answered_by
        ) as conversation:
            header = _header(raw, conversation.key.tsn)
            frame = network.frame(member, endpoint, cluster, header, raw.payload, raw.security, self._profile)
            frame = replace(frame, source_endpoint=self._endpoint)
            answer = await network.exchange(member, frame, conversation, timeout_s)
            return await conversation.last(answer, more)

    async def broadcast(
        self, endpoint: int, cluster: int, raw: RawCommand, collect_s: float, heard: Callable[[ZclAnswer], None]
    ) -> None:
        """Send a command to everybody; `heard` is told who answers within `collect_s`.

        Nobody is waited for where `raw` names no response: to a broadcast none has to answer. Raises as `request`.
        """
        network = self._network
        if not network.capabilities.broadcast_send:
            raise NotSupportedError(f"radio {network.name!r} does not send broadcasts")
        async with network.conversations.begin(
            EVERYBODY, endpoint, self._profile, cluster, raw.direction.back, raw.answered_by
        ) as conversation:
            await network.transmit(
                ApsFrame(
                    profile=self._profile,
                    cluster=cluster,
                    source_endpoint=self._endpoint,
                    destination_endpoint=endpoint,
                    payload=_header(raw, conversation.key.tsn).encode() + raw.payload,
                    destination=int(BroadcastAddress.ALL_DEVICES),
                    delivery=Delivery.BROADCAST,
                    ack=False,
                )
            )
            if raw.response is None:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(collect_s):
                    while True:
                        answer = await conversation.next()
                        assert isinstance(answer, ZclAnswer)
                        heard(answer)


class Ourselves:
    """To clusters of ours, as if one of our endpoints had asked over the air (`attributes.Asks`)."""

    def __init__(self, network: Network, clock: Clock, source_endpoint: int) -> None:
        self._network, self._clock, self._endpoint = network, clock, source_endpoint

    async def request(self, member: Member, endpoint: int, cluster: int, asked: ZclRequest) -> ZclAnswer:
        """The answer of our cluster, at once. Raises `NoReplyError` where it gives none."""
        answer = await self.send(member, endpoint, cluster, _raw(asked))
        if asked.more is not None:
            asked.more(answer)
        return answer

    async def send(self, member: Member, endpoint: int, cluster: int, raw: RawCommand) -> ZclAnswer:
        """See `request`."""
        radio, local = self._network.need_radio(), self._network.local
        assert local is not None, "it is there as long as the radio is"
        hosted = local.get(endpoint)
        assert hosted is not None, "checked before"
        tsn = self._network.conversations.next_tsn()
        frame = ApsFrame(
            profile=hosted.profile,
            cluster=cluster,
            source_endpoint=self._endpoint,
            destination_endpoint=endpoint,
            payload=_header(replace(raw, confirm=True), tsn).encode() + raw.payload,
            source=radio.network.short,
            source_ieee=radio.network.ieee,
            security=raw.security or security_of(hosted.profile, cluster),
        )
        is_answer = raw.answered_by(tsn)
        for reply in local.handle(frame, self._clock.monotonic()):
            header, payload = parse_header(reply.payload)
            if is_answer(header, payload):
                return ZclAnswer(member.ieee, endpoint, header, payload, reply.security)
        if not radio.capabilities.answers_default_response or raw.response is not None:
            raise NoReplyError("our own cluster gives no such answer")
        # What the radio's firmware would have said to anybody else.
        header = ZclHeader(FrameType.GENERAL, raw.direction.back, tsn, General.DEFAULT_RESPONSE, True, None)
        return ZclAnswer(
            member.ieee, endpoint, header, DefaultResponse(raw.command, Status.SUCCESS).encode(), frame.security
        )


def _raw(asked: ZclRequest) -> RawCommand:
    return RawCommand(
        command=asked.command,
        payload=asked.payload,
        frame_type=asked.frame_type,
        direction=asked.direction,
        manufacturer=asked.manufacturer,
    )


def _header(raw: RawCommand, tsn: int) -> ZclHeader:
    return ZclHeader(raw.frame_type, raw.direction, tsn, raw.command, not raw.confirm, raw.manufacturer)
