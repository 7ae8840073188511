"""Talking to meters: which one is meant, commands and their answers, attributes, and what counts mean."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

from hub.clock import Clock
from hub.errors import InvalidError, RefusedError, UnsupportedError
from hub.zigbee import attributes
from hub.zigbee.member import Member
from hub.zigbee.model import AttributeValue
from hub.zigbee.network import Network
from hub.zigbee.transactions import ZclRequest
from hub.zigbee.translate.metering import DIVISOR, MULTIPLIER, UNIT, Scaling, scaling_of
from protocols.errors import CodecError
from protocols.se.base import SeCommand
from protocols.se.metering import CLUSTER
from protocols.zcl.general import DefaultResponse
from protocols.zcl.header import FrameType
from protocols.zcl.status import Status
from radios.api import NoReplyError

_UNABLE = frozenset((Status.UNSUP_CLUSTER_COMMAND, Status.UNSUP_GENERAL_COMMAND, Status.UNSUPPORTED_CLUSTER))

R = TypeVar("R", bound=SeCommand)


class MeterLink:
    """The way to all meters."""

    def __init__(
        self,
        find: Callable[[str], tuple[Network, Member]],
        learn: Callable[[Member, Sequence[AttributeValue]], None],
        clock: Clock,
    ) -> None:
        """`find` gives a device's network and member, or raises."""
        self.find, self._learn, self._clock = find, learn, clock
        self.lanes: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """By device: what takes several questions is asked by one at a time."""

    def meter(self, device_id: str, endpoint: int | None) -> tuple[Network, Member, int]:
        """A meter's network and endpoint, the first where none is said. Raises `UnsupportedError`, `InvalidError`."""
        network, member = self.find(device_id)
        network.need_radio()
        places = member.servers(CLUSTER)
        if not places:
            raise UnsupportedError(f"{device_id} is no meter: it has no Metering cluster")
        if endpoint is None:
            return network, member, places[0]
        if endpoint not in places:
            raise InvalidError("endpoint", endpoint, f"an endpoint that meters: {', '.join(map(str, places))}")
        return network, member, endpoint

    async def ask(
        self, network: Network, member: Member, endpoint: int, command: SeCommand, response: type[R], what: str
    ) -> R:
        """Send a command and read its answer; `what` the meter may not be able to."""
        answer = await network.request(
            member,
            endpoint,
            command.CLUSTER,
            ZclRequest(
                command=command.COMMAND,
                payload=command.encode(),
                frame_type=FrameType.CLUSTER,
                responses=frozenset((response.COMMAND,)),
            ),
        )
        try:
            if answer.header.frame_type is FrameType.GENERAL:
                status = DefaultResponse.decode(answer.payload).status
                if status in _UNABLE:
                    raise UnsupportedError(f"{member.device_id} does not {what}: it answers {status.name}")
                raise RefusedError(f"{member.device_id}: {what}: it answers {status.name}")
            return response.decode(answer.payload)
        except CodecError as error:
            raise NoReplyError(f"the answer cannot be read: {error}") from None

    async def read(
        self, network: Network, member: Member, endpoint: int, ids: Sequence[int]
    ) -> dict[int, AttributeValue]:
        """Read attributes; what they say is known to everybody."""
        values = await attributes.read(network, member, endpoint, CLUSTER, ids, now=self._clock.now)
        self._learn(member, values)
        return {value.attribute: value for value in values}

    async def scaling(self, network: Network, member: Member, endpoint: int) -> Scaling:
        """What its counts mean; asked for where it is not known yet."""
        found = scaling_of(lambda attribute: member.value(endpoint, CLUSTER, attribute))
        if found is None:
            values = await self.read(network, member, endpoint, (UNIT, MULTIPLIER, DIVISOR))
            found = scaling_of(values.get)
        if found is None:
            raise UnsupportedError(
                f"{member.device_id} does not say what its counts mean, or counts what is no energy and no volume"
            )
        return found
