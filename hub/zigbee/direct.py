"""Clusters asked by whoever says all of it: which device or ourselves, which endpoints, which side (`hub.direct`).

That is how utilities' programs ask (CPX2-SE, ZigBee and ZCL Requests/Responses). Nothing is refused for what a device
has not said of itself: it may have more than its descriptors tell, and says by a status what it has not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass

from hub.clock import Clock
from hub.errors import ConversationError, Conversing, HubError, InvalidError, UnsupportedError, ZclStatusError
from hub.registry import DEFAULT_TIMEOUT, Registry
from hub.zigbee import attributes
from hub.zigbee.household import Household
from hub.zigbee.member import Member, device_id_of
from hub.zigbee.model import AttributeValue, Side, WriteResult
from hub.zigbee.network import Network
from hub.zigbee.service import Networks
from hub.zigbee.transactions import ZclAnswer
from hub.zigbee.ways import Ourselves, RawCommand, Through, conversing
from protocols.aps import ApsFrame, Security
from protocols.ids import BROADCAST_ENDPOINT, MAX_APPLICATION_ENDPOINT, ZDO_ENDPOINT, Eui64, Profile
from protocols.zcl.commands import Identify
from protocols.zcl.datatypes import UNKNOWN, Value
from protocols.zcl.general import DefaultResponse
from protocols.zcl.header import Direction, FrameType
from protocols.zcl.status import Status
from protocols.zdo import (
    Binding,
    BindRequest,
    BindResponse,
    BindTarget,
    NodeDescriptorRequest,
    NodeDescriptorResponse,
    PowerDescriptorRequest,
    PowerDescriptorResponse,
    UnbindRequest,
    UnbindResponse,
    ZdoRequest,
    encode_zdo,
)
from radios.api import ZigbeeRadio

log = logging.getLogger(__name__)

Spawn = Callable[[Coroutine[None, None, None], str], "asyncio.Task[None]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A cluster that is asked, and the endpoint of ours that asks it."""

    network: Network
    member: Member
    """Of a device; for a cluster of ours one that stands for us, which nobody keeps."""
    is_local: bool
    endpoint: int
    source_endpoint: int
    profile: int
    cluster: int
    side: Side = Side.SERVER
    manufacturer: int | None = None

    @property
    def place(self) -> Conversing:
        """Where it is, for people."""
        return Conversing(self.member.ieee, self.endpoint, self.profile, self.cluster)

    @property
    def direction(self) -> Direction:
        """Of commands to it."""
        return Direction.TO_SERVER if self.side is Side.SERVER else Direction.TO_CLIENT


class Direct:
    """`hub.direct`."""

    def __init__(
        self, networks: Networks, household: Household, registry: Registry, clock: Clock, spawn: Spawn
    ) -> None:
        self._networks, self._household, self._registry = networks, household, registry
        self._clock, self._spawn = clock, spawn

    # -- who is asked --------------------------------------------------------------------------------------------

    def target(
        self,
        radio: str,
        ieee: Eui64 | None,
        endpoint: int,
        cluster: int,
        side: Side = Side.SERVER,
        *,
        source_endpoint: int | None = None,
        manufacturer: int | None = None,
    ) -> Target:
        """The cluster of a device wherever it is a member, or of ours on a radio's network: for None and our address.

        `source_endpoint` None: the endpoint of ours that speaks its profile. Raises `NotFoundError`, `InvalidError`,
        `UnavailableError`.
        """
        network = self._networks.network(radio)
        if ieee is None or (network.radio is not None and network.radio.network.ieee == ieee):
            return self._local(network, endpoint, cluster, side, source_endpoint, manufacturer)
        network, member = self._networks.find(device_id_of(ieee))
        network.need_radio()
        if not 1 <= endpoint <= BROADCAST_ENDPOINT:
            raise InvalidError("endpoint", endpoint, f"1 to {MAX_APPLICATION_ENDPOINT}, or 255 for all")
        profile = member.profile(endpoint)
        source = self._source(network, source_endpoint, profile)
        return Target(
            network=network,
            member=member,
            is_local=False,
            endpoint=endpoint,
            source_endpoint=source,
            profile=self._profile(network, source) if profile is None else profile,
            cluster=cluster,
            side=side,
            manufacturer=manufacturer,
        )

    def _local(
        self,
        network: Network,
        endpoint: int,
        cluster: int,
        side: Side,
        source_endpoint: int | None,
        manufacturer: int | None,
    ) -> Target:
        radio = network.need_radio()
        ours = [one.endpoint for one in network.local or ()]
        if endpoint == BROADCAST_ENDPOINT:
            endpoint = network.own_endpoint(Profile.SMART_ENERGY)
        if endpoint not in ours:
            raise InvalidError("endpoint", endpoint, f"one of ours: {', '.join(f'{one:#x}' for one in ours)}")
        return Target(
            network=network,
            member=_standing_for(network, radio),
            is_local=True,
            endpoint=endpoint,
            source_endpoint=endpoint if source_endpoint is None else self._source(network, source_endpoint, None),
            profile=self._profile(network, endpoint),
            cluster=cluster,
            side=side,
            manufacturer=manufacturer,
        )

    def ourselves(self, radio: str) -> Member | None:
        """What others see of us on a radio's network, as of any device; None while the radio is away.

        The member is a copy that nobody keeps.
        """
        network = self._networks.network(radio)
        if network.radio is None:
            return None
        member = _standing_for(network, network.radio)
        member.is_active = network.radio.network.is_operational
        member.endpoints = {one.endpoint: one.simple_descriptor() for one in network.local or ()}
        member.endpoint_ids = tuple(member.endpoints)
        if network.answer_zdo is not None and member.short is not None:
            node = _ask_ours(network, NodeDescriptorRequest(member.short))
            power = _ask_ours(network, PowerDescriptorRequest(member.short))
            member.node = NodeDescriptorResponse.decode(node).descriptor
            member.power = PowerDescriptorResponse.decode(power).descriptor
        return member

    @staticmethod
    def _source(network: Network, given: int | None, profile: int | None) -> int:
        ours = [one.endpoint for one in network.local or ()]
        if given is None:
            return network.own_endpoint(Profile.SMART_ENERGY if profile is None else profile)
        if given not in ours:
            raise InvalidError("source_endpoint", given, f"one of ours: {', '.join(f'{one:#x}' for one in ours)}")
        return given

    @staticmethod
    def _profile(network: Network, endpoint: int) -> int:
        found = network.local.get(endpoint) if network.local is not None else None
        return found.profile if found is not None else Profile.SMART_ENERGY

    def way(self, target: Target) -> Ourselves | Through:
        """How its questions go."""
        if target.is_local:
            return Ourselves(target.network, self._clock, target.source_endpoint)
        return self._through(target)

    def _through(self, target: Target) -> Through:
        return Through(target.network, self._registry, target.source_endpoint, target.profile)

    # -- attributes ----------------------------------------------------------------------------------------------

    async def read(self, target: Target, ids: tuple[int, ...]) -> tuple[AttributeValue, ...]:
        """Read attributes; each has its own status. Raises `ConversationError`, `ZclStatusError`."""
        async with conversing(target.place):
            values = await attributes.read(
                self.way(target),
                target.member,
                target.endpoint,
                target.cluster,
                ids,
                now=self._clock.now,
                side=target.side,
                manufacturer=target.manufacturer,
            )
        if not target.is_local:
            self._household.learn(target.member, values)
        return values

    async def write(
        self,
        target: Target,
        values: Mapping[int, Value],
        data_types: Mapping[int, int],
        *,
        undivided: bool = False,
    ) -> tuple[WriteResult, ...]:
        """Write attributes; each has its own result. Raises as `read`, and `InvalidError` for a wrong value."""
        async with conversing(target.place):
            results = await attributes.write(
                self.way(target),
                target.member,
                target.endpoint,
                target.cluster,
                values,
                data_types=data_types,
                side=target.side,
                manufacturer=target.manufacturer,
                undivided=undivided,
            )
        if not target.is_local:
            written = tuple(
                AttributeValue(
                    endpoint=target.endpoint,
                    cluster=target.cluster,
                    side=target.side,
                    attribute=result.attribute,
                    manufacturer=target.manufacturer,
                    data_type=data_types[result.attribute],
                    value=values[result.attribute],
                    time=self._clock.now(),
                    source="write",
                )
                for result in results
                if result.status == 0
            )
            self._household.learn(target.member, written)
        return results

    async def discover(self, target: Target) -> tuple[AttributeValue, ...]:
        """Which attributes a cluster has, with their data types. Raises as `read`."""
        async with conversing(target.place):
            found = await attributes.discover(
                self.way(target),
                target.member,
                target.endpoint,
                target.cluster,
                side=target.side,
                manufacturer=target.manufacturer,
            )
        if not target.is_local:
            target.member.keep(found)
        return found

    def type_of(self, target: Target, attribute: int, given: int = UNKNOWN) -> int:
        """An attribute's data type: as given, as the cluster or the standard has it. Raises `InvalidError`."""
        if target.is_local and given == UNKNOWN:
            local = target.network.local
            hosted = local.hosted(target.endpoint, target.cluster, target.side) if local is not None else None
            row = hosted.attribute(attribute, target.manufacturer) if hosted is not None else None
            if row is not None:
                return row.type
        types = {} if given == UNKNOWN else {attribute: given}
        return attributes.type_of(
            target.member, target.endpoint, target.cluster, attribute, target.manufacturer, target.side, types
        )

    # -- commands ------------------------------------------------------------------------------------------------

    async def command(self, target: Target, raw: RawCommand) -> ZclAnswer:
        """Send any command, and wait for what answers it. Raises `ConversationError`."""
        async with conversing(target.place):
            return await self.way(target).send(target.member, target.endpoint, target.cluster, raw)

    async def broadcast(
        self,
        radio: str,
        endpoint: int,
        cluster: int,
        raw: RawCommand,
        *,
        source_endpoint: int | None = None,
        further: Callable[[ZclAnswer, int, int], None],
    ) -> tuple[int, int, ZclAnswer | None]:
        """Send a command to everybody: our endpoint and profile, and the first answer, None where none is named.

        `further` is told the answers behind it, too, until the registry's conversation timeout. Raises
        `ConversationError` when nobody answers.
        """
        network = self._networks.network(radio)
        network.need_radio()
        if raw.security is Security.LINK_KEY:
            raise InvalidError("encryption", "wanted", "none of a broadcast: a link key is of two devices only")
        source = self._source(network, source_endpoint, None)
        profile = self._profile(network, source)
        where = Conversing(Eui64(0xFFFF), endpoint, profile, cluster)
        way = Through(network, self._registry, source, profile)
        first: asyncio.Future[ZclAnswer | None] = asyncio.get_running_loop().create_future()
        wait_s = self._registry.seconds(DEFAULT_TIMEOUT)

        def heard(answer: ZclAnswer) -> None:
            if first.done():
                further(answer, source, profile)
            else:
                first.set_result(answer)

        async def whole() -> None:
            try:
                async with conversing(where):
                    await way.broadcast(endpoint, cluster, raw, wait_s, heard)
            except HubError as error:
                if not first.done():
                    first.set_exception(error)
            finally:
                if not first.done():
                    first.set_result(None)

        task = self._spawn(whole(), f"broadcast on {radio}")
        try:
            found = await first
        except asyncio.CancelledError:
            task.cancel()
            raise
        if found is None and raw.response is not None:
            raise ConversationError(where, f"nobody answered within {wait_s:g} s")
        return source, profile, found

    async def identify(self, target: Target, seconds: int) -> None:
        """Have it show itself, and say that it does. Raises as `read`.

        All endpoints of a device at once (0xFF) need not answer (ZCL8, 2.5.12.2): there delivered is enough.
        """
        raw = RawCommand(command=Identify.COMMAND, payload=Identify(seconds).encode(), direction=target.direction)
        if target.endpoint == BROADCAST_ENDPOINT and not target.is_local:
            async with conversing(target.place):
                await self._through(target).deliver(target.member, target.endpoint, target.cluster, raw)
            return
        answer = await self.command(target, raw)
        if answer.header.frame_type is FrameType.GENERAL:
            refused(DefaultResponse.decode(answer.payload), "identify", target)

    # -- bindings ------------------------------------------------------------------------------------------------

    async def bind(self, target: Target, *, undo: bool = False) -> int:
        """Have its endpoint send what its cluster has to say to ours, or no longer: the ZDO status.

        Raises `ConversationError`.
        """
        ours = target.network.need_radio().network.ieee
        where = BindTarget(ieee=ours, endpoint=target.source_endpoint)
        binding = Binding(target.member.ieee, target.endpoint, target.cluster, where)
        request = UnbindRequest(binding) if undo else BindRequest(binding)
        if target.is_local:
            return self._bind_ours(target, request)
        async with conversing(Conversing(target.member.ieee, ZDO_ENDPOINT, Profile.ZDO, request.CLUSTER)):
            answer: BindResponse | UnbindResponse = (
                await target.network.zdo_request(target.member, request, UnbindResponse)
                if undo
                else await target.network.zdo_request(target.member, request, BindResponse)
            )
        return int(answer.status)

    @staticmethod
    def _bind_ours(target: Target, request: BindRequest | UnbindRequest) -> int:
        if target.network.answer_zdo is None:
            raise UnsupportedError(f"the firmware of {target.network.name!r} keeps its bindings to itself")
        return int(BindResponse.decode(_ask_ours(target.network, request)).status)

    # -- refresh -------------------------------------------------------------------------------------------------

    def refresh(self, members: tuple[Member, ...], *, whole: bool) -> None:
        """Look now whether devices are there, or (`whole`) ask them everything anew; events tell what comes of it.

        What is asked anew is forgotten first, so that of several devices those that are away are only looked for.
        """
        for member in members:
            network = self._household.network_of(member)
            if network is None or network.radio is None or member.short is None:
                continue
            if whole and (member.is_active or len(members) == 1):
                self._household.start_interview(member, anew=True)
            else:
                self._spawn(self._household.presence.refresh(network, member), f"refresh of {member.device_id}")


def _standing_for(network: Network, radio: ZigbeeRadio) -> Member:
    """Ourselves as a member."""
    info = radio.network
    return Member(info.ieee, network.name, info.short if info.channel else None)


def _ask_ours(network: Network, request: ZdoRequest) -> bytes:
    """What our device object answers ourselves, behind the transaction number."""
    info = network.need_radio().network
    assert network.answer_zdo is not None, "checked before"
    frame = ApsFrame(
        profile=Profile.ZDO,
        cluster=request.CLUSTER,
        source_endpoint=ZDO_ENDPOINT,
        destination_endpoint=ZDO_ENDPOINT,
        payload=encode_zdo(network.conversations.next_tsn(), request),
        source=info.short,
        source_ieee=info.ieee,
    )
    [reply] = network.answer_zdo(frame)
    return reply.payload[1:]


def refused(answer: DefaultResponse, what: str, target: Target) -> None:
    """Raise `ZclStatusError` for a default response that is no success."""
    if answer.status is not Status.SUCCESS:
        raise ZclStatusError(f"{target.member.ieee}: {what}", answer.status, answer.status.name)
