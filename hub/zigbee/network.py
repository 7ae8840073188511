"""One Zigbee network: frames in and out, transactions, duplicates, who is who. The same for every radio.

Everything that is heard goes one way: duplicates are dropped, the sender is looked up (or asked for), answers go to the
conversation that waits for them, requests to our own endpoints, and the rest to the `Listener`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import TypeVar

from hub.clock import Clock
from hub.errors import UnavailableError
from hub.registry import DEFAULT_TIMEOUT, DISABLE_APS_ENCRYPTION, DISABLE_DEFAULT_RESPONSE, TX_STATUS_TIMEOUT, Registry
from hub.zigbee.endpoint import LocalEndpoints
from hub.zigbee.listener import Listener, Taken
from hub.zigbee.member import Member
from hub.zigbee.repeats import Repeats
from hub.zigbee.security import LinkKeyHolder, RadioHolds, check_sendable, is_too_open, security_of
from hub.zigbee.transactions import (
    EVERYBODY,
    Conversation,
    Conversations,
    ZclAnswer,
    ZclRequest,
    ZdoAnswer,
)
from protocols.aps import ApsFrame, Delivery, Security
from protocols.errors import CodecError
from protocols.ids import COORDINATOR, FIRST_BROADCAST, ZDO_ENDPOINT, BroadcastAddress, Profile
from protocols.zcl.general import General
from protocols.zcl.header import Direction, FrameType, ZclHeader, parse_header
from protocols.zcl.status import Status
from protocols.zdo import (
    RESPONSE_BIT,
    DeviceAnnounce,
    IeeeAddressRequest,
    IeeeAddressResponse,
    ZdoRequest,
    ZdoResponse,
    ZdoStatus,
    decode_zdo,
    encode_zdo,
)
from radios.api import (
    Capabilities,
    DeliveryError,
    DeliveryFailed,
    DeviceAuthenticated,
    DeviceJoined,
    DeviceLeft,
    FrameReceived,
    NetworkChanged,
    NoReplyError,
    NotReachableError,
    NotSupportedError,
    RadioError,
    RadioLostError,
    ZigbeeEvent,
    ZigbeeRadio,
)

log = logging.getLogger(__name__)

SENDING = 4
"""Frames given to the radio at once: what its window holds; more would only wait there, past their time."""
STRANGERS = 32
"""Senders whose extended address is being asked for; a home has no more at once, an attack may."""
STRANGER_FRAMES = 16
"""Frames kept of each meanwhile."""
STRANGER_S = 60.0
"""An unknown sender that does not answer is not asked again for so long."""

R = TypeVar("R", bound=ZdoResponse)


class Network:
    """A network, whether its radio is there now or not."""

    def __init__(
        self,
        name: str,
        registry: Registry,
        clock: Clock,
        listener: Listener,
        spawn: Callable[[Coroutine[None, None, None], str], None],
    ) -> None:
        """`spawn(coroutine, name)` runs something in the hub's task group."""
        self.name = name
        self._registry, self._clock, self._listener, self._spawn = registry, clock, listener, spawn
        self.radio: ZigbeeRadio | None = None
        self.down_reason = "it is starting"
        self.conversations = Conversations()
        self.local: LocalEndpoints | None = None
        self.answer_zdo: Callable[[ApsFrame], list[ApsFrame]] | None = None
        self.keys: LinkKeyHolder = RadioHolds()
        self.members: dict[int, Member] = {}
        """By extended address."""
        self._by_short: dict[int, Member] = {}
        self._strangers: OrderedDict[int, tuple[float, deque[ApsFrame]]] = OrderedDict()
        self._repeats = Repeats()
        self._window = asyncio.Semaphore(SENDING)
        self.trace: Callable[[str, ApsFrame], None] = lambda *_: None
        """Told every frame, with "tx" or "rx"."""
        counted = ("duplicates", "unreadable", "strangers", "unanswered", "undelivered", "too_open")
        self.counters = dict.fromkeys(counted, 0)

    # -- radio and members ---------------------------------------------------------------------------------------

    def up(self, radio: ZigbeeRadio) -> None:
        """The radio is there."""
        self.radio, self.down_reason = radio, ""

    def down(self, reason: str) -> None:
        """The radio is gone: nobody will be answered."""
        self.radio, self.down_reason = None, reason
        self.conversations.fail_all(RadioLostError(reason))
        self._strangers.clear()

    def need_radio(self) -> ZigbeeRadio:
        """The radio. Raises `UnavailableError` with the reason while it is down."""
        if self.radio is None:
            raise UnavailableError(f"radio {self.name!r} is down: {self.down_reason}")
        return self.radio

    @property
    def capabilities(self) -> Capabilities:
        """What the radio can do. Raises `UnavailableError` while it is down."""
        return self.need_radio().capabilities

    def add(self, member: Member) -> None:
        """A device is part of this network."""
        self.members[member.ieee] = member
        if member.short is not None:
            self.place(member, member.short)

    def forget_strangers(self) -> None:
        """Whoever was left alone may be known now."""
        self._strangers.clear()

    def lose_addresses(self) -> None:
        """It is another network: nobody has the address that it had."""
        self._by_short.clear()
        self._repeats.clear()
        for member in self.members.values():
            member.short = None

    def remove(self, member: Member) -> None:
        """A device is not part of it any more."""
        self.members.pop(member.ieee, None)
        if member.short is not None and self._by_short.get(member.short) is member:
            del self._by_short[member.short]

    def place(self, member: Member, short: int) -> bool:
        """A device has a network address; whether that is news. Two devices never have one address: the last has it."""
        other = self._by_short.get(short)
        if other is member and member.short == short:
            return False
        if other is not None and other is not member:
            other.short = None
        if member.short is not None and self._by_short.get(member.short) is member:
            del self._by_short[member.short]
        member.short = short
        self._by_short[short] = member
        return True

    def at(self, short: int) -> Member | None:
        """The device with a network address."""
        return self._by_short.get(short)

    # -- in ------------------------------------------------------------------------------------------------------

    def hear(self, event: ZigbeeEvent) -> None:
        """An event of the radio."""
        match event:
            case FrameReceived():
                self.trace("rx", event.frame)
                self._frame(event.frame)
            case DeviceJoined():
                self._strangers.pop(event.short, None)
                self._listener.announced(self, event)
            case DeviceAuthenticated():
                self._listener.authenticated(self, event)
            case DeviceLeft():
                if not event.rejoin:
                    self.keys.left(event.ieee)
                self._listener.left(self, event)
            case DeliveryFailed():
                member = self._by_short.get(event.short)
                if member is not None:
                    self.count_failure(member)
            case NetworkChanged():
                self._listener.moved(self, event.network)

    def _frame(self, frame: ApsFrame) -> None:
        # The same answer to another request with the same number is no repeat.
        use = self.conversations.uses_of(frame.payload[1] if len(frame.payload) > 1 else 0)
        if self._repeats.is_one(frame, use, self._clock.monotonic()):
            self.counters["duplicates"] += 1
            return
        if frame.profile == Profile.ZDO and frame.destination_endpoint == ZDO_ENDPOINT:
            self._zdo(frame)
            return
        member = self._sender(frame)
        if member is None:
            return
        member.lqi, member.rssi_dbm = frame.lqi, frame.rssi_dbm
        self._listener.heard(member)
        self._zcl(member, frame)

    def _sender(self, frame: ApsFrame) -> Member | None:
        """Who sent a frame. The frames of somebody unknown wait until its extended address is known."""
        member = self._by_ieee(frame)
        if member is not None:
            return member
        short = frame.source
        if short is None:
            return None
        member = self._by_short.get(short)
        if member is None and not (short == COORDINATOR and self.is_coordinator):
            self._unknown(short, frame)
        return member

    def _by_ieee(self, frame: ApsFrame) -> Member | None:
        """The member that a frame's extended address names; it is at the frame's network address now."""
        member = self.members.get(frame.source_ieee) if frame.source_ieee is not None else None
        if member is not None and frame.source is not None and frame.source < FIRST_BROADCAST:
            self.place(member, frame.source)
        return member

    def _unknown(self, short: int, frame: ApsFrame) -> None:
        now = self._clock.monotonic()
        waiting = self._strangers.get(short)
        if waiting is not None:
            since, frames = waiting
            if len(frames) < STRANGER_FRAMES and now - since < STRANGER_S:
                frames.append(frame)
                return
            if now - since < STRANGER_S:
                return
        self.counters["strangers"] += 1
        self._strangers[short] = (now, deque((frame,)))
        if len(self._strangers) > STRANGERS:
            self._strangers.popitem(last=False)
        self._spawn(self._ask_who(short), f"who is 0x{short:04x}")

    async def _ask_who(self, short: int) -> None:
        """Ask an unknown sender for its extended address, and take its frames again once it is known."""
        try:
            answer = await self.zdo_request(short, IeeeAddressRequest(short), IeeeAddressResponse)
        except (RadioError, UnavailableError) as error:
            log.info("0x%04x is unknown and does not say who it is: %s", short, error)
            return
        if answer.status is not ZdoStatus.SUCCESS or answer.ieee is None:
            return
        member = self.members.get(answer.ieee) or self._listener.stranger(self, answer.ieee, short)
        if member is None:
            return
        self.place(member, short)
        _, frames = self._strangers.pop(short, (0.0, deque[ApsFrame]()))
        for frame in frames:
            self._listener.heard(member)
            self._zcl(member, frame)

    def _zdo(self, frame: ApsFrame) -> None:
        try:
            tsn, command = decode_zdo(frame.cluster, frame.payload)
        except CodecError as error:
            self.counters["unreadable"] += 1
            log.debug("%s: ZDO 0x%04x: %s", self.name, frame.cluster, error)
            return
        if isinstance(command, DeviceAnnounce):
            joined = DeviceJoined(
                ieee=command.ieee, short=command.short, mac_capability=command.mac_capability, lqi=frame.lqi
            )
            self._listener.announced(self, joined)
            return
        member = self._by_ieee(frame)
        if member is None and frame.source_ieee is None and frame.source is not None:
            member = self._by_short.get(frame.source)
        if member is not None:
            member.lqi = frame.lqi if frame.lqi is not None else member.lqi
            self._listener.heard(member)
        if frame.cluster & RESPONSE_BIT:
            device = member.ieee if member is not None else None
            payload = frame.payload[1:]
            if not self.conversations.deliver_zdo(device, frame.source, frame.cluster, tsn, payload) and (
                frame.source is not None
            ):
                # Somebody who has no extended address yet was asked by the network address.
                self.conversations.deliver_zdo(_nameless(frame.source), frame.source, frame.cluster, tsn, payload)
            return
        if self.answer_zdo is not None and (self.radio is None or not self.radio.capabilities.answers_zdo):
            self._reply(self.answer_zdo(frame))

    def _zcl(self, member: Member, frame: ApsFrame) -> None:
        is_secret = frame.security is Security.LINK_KEY and self.keys.has_key(member.ieee)
        if is_secret and not member.is_authenticated and member.left_at is None:
            # What nobody saw, as before a start of ours: who can encrypt for us has keys.
            self._listener.authenticated(self, DeviceAuthenticated(member.ieee, member.short or 0))
        try:
            header, payload = parse_header(frame.payload)
        except CodecError as error:
            self.counters["unreadable"] += 1
            log.debug("%s: frame of %s: %s", self.name, member.ieee, error)
            return
        chosen = self.local.encryption(frame.destination_endpoint, frame.cluster) if self.local is not None else None
        if not is_secret and is_too_open(frame.profile, frame.cluster, Security.NETWORK, chosen) and self._encrypts:
            self.counters["too_open"] += 1
            log.debug("%s: cluster 0x%04x of %s without encryption", self.name, frame.cluster, member.ieee)
            # With the key that a device has joined with it is dropped without a word (SE 1.4a, table 5-12).
            if self.local is not None and frame.security is not Security.LINK_KEY:
                self._reply(self.local.confirm(self._known(frame, member), Status.FAILURE))
            return
        if self.conversations.deliver_zcl(
            member.ieee, frame.source_endpoint, frame.profile, frame.cluster, header, payload, frame.security
        ):
            return
        if header.frame_type is FrameType.GENERAL and header.command == General.REPORT_ATTRIBUTES:
            if self._listener.reported(member, frame, header, payload) and header.disable_default_response:
                return  # the sender wants to hear only what went wrong, and nothing did
        elif header.frame_type is FrameType.GENERAL and header.command == General.READ_ATTRIBUTES_RESPONSE:
            self._listener.answered(member, frame, header, payload)
            return
        taken = Taken.UNKNOWN
        if header.frame_type is FrameType.CLUSTER:
            taken = self._listener.commanded(self, member, frame, header, payload)
        if self.local is None or taken is Taken.ANSWERED:
            return
        known = self._known(frame, member)
        if taken is Taken.UNDERSTOOD:
            self._reply(self.local.confirm(known))
        else:
            self._reply(self.local.handle(known, self._clock.monotonic()))

    @staticmethod
    def _known(frame: ApsFrame, member: Member) -> ApsFrame:
        return replace(frame, source=member.short, source_ieee=member.ieee)

    def _reply(self, frames: list[ApsFrame]) -> None:
        for frame in frames:
            self.send_soon(frame)

    # -- out -----------------------------------------------------------------------------------------------------

    def send_soon(self, frame: ApsFrame) -> None:
        """Send something that nobody here waits for: an answer, a report of ours."""
        self._spawn(self._send_quietly(frame), "answer")

    async def _send_quietly(self, frame: ApsFrame) -> None:
        try:
            await self.transmit(frame)
        except (RadioError, UnavailableError) as error:
            log.debug("%s: an answer was not sent: %s", self.name, error)

    async def transmit(self, frame: ApsFrame) -> None:
        """Give a frame to the radio once it is its turn; returns when it has been delivered."""
        await check_sendable(frame, self.name, self.capabilities, self.keys)
        limit = 2 * self._registry.seconds(TX_STATUS_TIMEOUT)  # its own time, and that of the frames before it
        if frame.destination is None and frame.destination_ieee in self.members:
            frame = replace(frame, destination=self.members[frame.destination_ieee].short)
        async with self._window:
            radio = self.need_radio()
            self.trace("tx", frame)
            try:
                async with asyncio.timeout(limit):
                    await radio.send(frame)
            except NotReachableError as error:
                if radio.network.is_operational:
                    raise
                raise UnavailableError(
                    f"radio {self.name!r} is on no network yet, which the start still waits for: {error}"
                ) from None
            except TimeoutError:
                raise NoReplyError(f"radio {self.name!r} did not say within {limit} s whether it has sent") from None

    async def send(self, member: Member, frame: ApsFrame) -> None:
        """Send a frame to a device. Raises `DeliveryError`, `NoReplyError`; silences in a row are counted.

        What a radio refuses for its own reasons says nothing of the device, and leaves the count alone.
        """
        try:
            await self.transmit(frame)
        except (DeliveryError, NoReplyError) as error:
            if not isinstance(error, DeliveryError) or error.is_silence:
                self.count_failure(member)
            raise
        member.failures = 0

    def count_failure(self, member: Member) -> None:
        """A transmission to a device failed."""
        self.counters["undelivered"] += 1
        member.failures += 1
        self._listener.failed(member)

    def frame(
        self,
        member: Member,
        endpoint: int,
        cluster: int,
        header: ZclHeader,
        payload: bytes,
        security: Security | None = None,
        profile: int | None = None,
    ) -> ApsFrame:
        """A ZCL frame for a device's endpoint, of its own profile if none is said; encrypted where that wants it."""
        profile = profile or member.profile(endpoint) or Profile.HOME_AUTOMATION
        return ApsFrame(
            profile=profile,
            cluster=cluster,
            source_endpoint=self.own_endpoint(profile),
            destination_endpoint=endpoint,
            payload=header.encode() + payload,
            destination=member.short,
            destination_ieee=member.ieee,
            security=security if security is not None else self._security_of(profile, cluster),
        )

    def _security_of(self, profile: int, cluster: int) -> Security:
        own = self.own_endpoint(profile)
        chosen = self.local.encryption(own, cluster) if self.local is not None else None
        return security_of(profile, cluster, chosen) if self._encrypts else Security.NETWORK

    @property
    def is_coordinator(self) -> bool:
        """We hold the network; while the radio is away it counts as ours."""
        return self.radio is None or self.radio.network.is_coordinator

    @property
    def _encrypts(self) -> bool:
        """Whether clusters that want to be encrypted are."""
        can = self.radio is not None and self.radio.capabilities.aps_encryption
        return can and not self._registry.is_on(DISABLE_APS_ENCRYPTION)

    def own_endpoint(self, profile: int) -> int:
        """The endpoint of ours that speaks a profile, added ones last; the first one if none does."""
        found = sorted(self.local, key=lambda one: one.is_added) if self.local is not None else []
        for endpoint in found:
            if endpoint.profile == profile:
                return endpoint.endpoint
        return found[0].endpoint if found else 1

    async def request(self, member: Member, endpoint: int, cluster: int, asked: ZclRequest) -> ZclAnswer:
        """Send a ZCL command and wait for its answer; the last one taken.

        Raises `DeliveryError`, `NoReplyError` (no answer in time), `RadioLostError`, `UnavailableError`.
        """
        profile = member.profile(endpoint)
        async with self.conversations.begin(
            member.ieee,
            endpoint,
            Profile.HOME_AUTOMATION if profile is None else profile,
            cluster,
            asked.direction.back,
            asked.answered_by,
        ) as conversation:
            disable = not asked.confirm and self._registry.is_on(DISABLE_DEFAULT_RESPONSE)
            header = ZclHeader(
                asked.frame_type, asked.direction, conversation.key.tsn, asked.command, disable, asked.manufacturer
            )
            frame = self.frame(member, endpoint, cluster, header, asked.payload)
            answer = await self.exchange(member, frame, conversation, asked.timeout_s)
            return await conversation.last(answer, asked.more)

    async def exchange(
        self, member: Member | None, frame: ApsFrame, conversation: Conversation, timeout_s: float | None
    ) -> ZclAnswer | ZdoAnswer:
        """Send a frame, and wait for what its conversation hears first. Raises as `request`."""
        limit = timeout_s if timeout_s is not None else self._registry.seconds(DEFAULT_TIMEOUT)
        try:
            if member is not None:
                await self.send(member, frame)
            else:
                await self.transmit(frame)
        except (DeliveryError, NoReplyError):
            # The frame may have arrived although its acknowledgement did not: an answer says more than a confirm.
            try:
                async with asyncio.timeout(0):
                    return await conversation.next()
            except TimeoutError:
                pass
            raise
        try:
            async with asyncio.timeout(limit):
                return await conversation.next()
        except TimeoutError:
            self.counters["unanswered"] += 1
            who = member.device_id if member is not None else f"0x{frame.destination or 0:04x}"
            raise NoReplyError(f"{who} did not answer within {limit:g} s") from None

    async def zdo_request(
        self, target: Member | int, request: ZdoRequest, response: type[R], timeout_s: float | None = None
    ) -> R:
        """Ask the device object of a device, or of whoever has a network address.

        Raises as `request` does; an answer that nobody can read is a `NoReplyError` as well.
        """
        member = target if isinstance(target, Member) else None
        device = member.ieee if member is not None else _nameless(target)
        cluster = request.CLUSTER | RESPONSE_BIT
        with_tsn = self.conversations.begin(device, 0, 0, cluster, Direction.TO_CLIENT, lambda _: None)
        async with with_tsn as conversation:
            frame = ApsFrame(
                profile=Profile.ZDO,
                cluster=request.CLUSTER,
                source_endpoint=ZDO_ENDPOINT,
                destination_endpoint=ZDO_ENDPOINT,
                payload=encode_zdo(conversation.key.tsn, request),
                destination=member.short if member is not None else target if isinstance(target, int) else None,
                destination_ieee=member.ieee if member is not None else None,
            )
            answer = await self.exchange(member, frame, conversation, timeout_s)
        try:
            return response.decode(answer.payload)
        except CodecError as error:
            raise NoReplyError(f"the answer cannot be read: {error}") from None

    async def zdo_broadcast(
        self, request: ZdoRequest, to: BroadcastAddress, collect_s: float
    ) -> list[tuple[int | None, bytes]]:
        """Ask everybody, and collect answers: network address and payload of each. Empty where the radio cannot."""
        if not self.capabilities.broadcast_send:
            raise NotSupportedError(f"radio {self.name!r} does not send broadcasts")
        cluster = request.CLUSTER | RESPONSE_BIT
        found: list[tuple[int | None, bytes]] = []
        async with self.conversations.begin(
            EVERYBODY, 0, 0, cluster, Direction.TO_CLIENT, lambda _: None
        ) as conversation:
            await self.transmit(
                ApsFrame(
                    profile=Profile.ZDO,
                    cluster=request.CLUSTER,
                    source_endpoint=ZDO_ENDPOINT,
                    destination_endpoint=ZDO_ENDPOINT,
                    payload=encode_zdo(conversation.key.tsn, request),
                    destination=int(to),
                    delivery=Delivery.BROADCAST,
                    ack=False,
                )
            )
            try:
                async with asyncio.timeout(collect_s):
                    while True:
                        answer = await conversation.next()
                        if isinstance(answer, ZdoAnswer):
                            found.append((answer.short, answer.payload))
            except TimeoutError:
                return found


def _nameless(short: int | Member) -> int:
    """The place of somebody in the table of conversations who is known by its network address only."""
    assert isinstance(short, int)
    return -2 - short
