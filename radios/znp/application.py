"""zigpy-znp, held to what the hub asks of it: its line, its tables of commands, its reading of the stick's flash."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import zigpy_znp.commands as c
import zigpy_znp.types as t
from zigpy_znp.zigbee.application import ControllerApplication

from protocols.aps import ApsFrame, Delivery, Security
from protocols.ids import Profile
from protocols.zdo import SimpleDescriptor
from radios.api import DeliveryError, NoLinkKeyError, NoReplyError
from radios.zigpy_backend import HOME_ENDPOINT, SMART_ENERGY_ENDPOINT, Listener, NoBuffersError, Quiet, eui64_of
from radios.zigpy_flights import Flights
from radios.znp.link import Link, StickRestartedError

log = logging.getLogger(__name__)

DEFAULT_RADIUS = 30
RESPONSE_BIT = 0x8000
DEVICE_ANNOUNCE = 0x0013
TO_MANY = 0xFFFD
"""Z-Stack tells that a frame was for many, and not which broadcast address it had."""
PART_BYTES = 230
"""Of a long message that is fetched at once."""
_HEAD = struct.Struct("<HHHBBBBBIBB")
"""Of a message that arrives: group, cluster, sender, its endpoint, ours, by broadcast, link quality, encrypted, time,
number, length (AF_INCOMING_MSG)."""
_LONG_HEAD = struct.Struct("<HHB8sBHBBBBIBH")
"""The same of one that may be too long: group, cluster, mode and address of the sender, its endpoint and PAN, and so on
(AF_INCOMING_MSG_EXT)."""
_LONG_TAIL = 3
"""Bytes behind the message: the last router, and how many hops were left."""
NO_BUFFERS = frozenset((t.Status.MEM_ERROR, t.Status.BUFFER_FULL, t.Status.MAC_NO_RESOURCES))
"""Nothing was sent: there is no room at the moment."""
NO_KEY = frozenset((t.Status.SEC_NO_KEY, t.Status.APS_NOT_AUTHENTICATED))
SILENCE = frozenset((
    t.Status.APS_NO_ACK, t.Status.NWK_NO_ACK, t.Status.NWK_NO_ROUTE, t.Status.MAC_NO_ACK,
    t.Status.MAC_TRANSACTION_EXPIRED,
))  # fmt: skip
"""Statuses that speak of the far device."""
OUR_ENDPOINTS = (
    SimpleDescriptor(
        HOME_ENDPOINT, Profile.HOME_AUTOMATION, 0x0050, 1, (0x0000, 0x0003, 0x000A),
        (0x0001, 0x0003, 0x0004, 0x0006, 0x0008, 0x0020, 0x0201, 0x0400, 0x0402, 0x0405, 0x0406, 0x0500, 0x0702,
         0x0B04),
    ),
    SimpleDescriptor(
        SMART_ENERGY_ENDPOINT, Profile.SMART_ENERGY, 0x0500, 1,
        (0x0000, 0x0003, 0x000A, 0x0700, 0x0701, 0x0703, 0x0704, 0x0800), (0x0702, 0x0704, 0x0800),
    ),
)  # fmt: skip
"""What the hub serves as an energy services interface, until it says so itself: the stick is on the air before."""


def undelivered(status: int) -> DeliveryError:
    """The error for a status of the stick."""
    found = t.Status(status)
    name, code = found.name.upper(), int(status)
    if found in NO_KEY:
        return NoLinkKeyError("the stick did not send it", name, code)
    if found in NO_BUFFERS:
        return NoBuffersError("the stick has no room for it", name, code, is_silence=False)
    return DeliveryError("the stick did not deliver it", name, code, is_silence=found in SILENCE)


def ok(answer: Any, what: str) -> None:
    """Raise `DeliveryError` for anything but success."""
    if answer.Status != t.Status.SUCCESS:
        found = t.Status(answer.Status)
        raise DeliveryError(f"the stick refuses {what}", found.name.upper(), int(found), is_silence=False)


class ZnpApplication(Quiet, ControllerApplication):  # type: ignore[misc]
    """The stick's commands as the driver needs them."""

    def __init__(
        self,
        settings: dict[str, object],
        listener: Listener,
        spawn: Callable[[Coroutine[Any, Any, None], str], object],
        trace: Callable[[str, bytes], None] | None,
        flights: Flights,
    ) -> None:
        super().__init__(settings)
        self._znp: Link | None = None
        self.listener, self.spawn, self._trace_frame = listener, spawn, trace
        self._flights = flights
        self.endpoints: tuple[SimpleDescriptor, ...] = OUR_ENDPOINTS
        """That the hub serves."""
        self._registered: dict[int, SimpleDescriptor] = {}
        """That the stick knows. A frame that arrives does not say which profile it is of: that of the endpoint."""
        self._registering = asyncio.Lock()
        self.short = 0

    @property
    def stick(self) -> Link:
        """The connection."""
        if self._znp is None:
            raise NoReplyError("the stick is closed")
        return self._znp

    # -- life --------------------------------------------------------------------------------------------------------

    async def open(self, *, has_pins: bool) -> None:
        """Open the port, and see what is there. Raises what the port or zigpy-znp raises."""
        device = self.config["device"]
        self._znp = Link(
            self.config,
            self,
            heard=self.listener.heard,
            unreadable=self.listener.unreadable,
            messages={
                c.AF.IncomingMsg.Callback.header: self._message,
                c.AF.IncomingMsgExt.Callback.header: self._long_message,
            },
            trace=self._trace_frame,
        )
        self._bind_callbacks()
        await self._znp.open(device["path"], device["baudrate"], device["flow_control"], has_pins=has_pins)

    async def set_up(self) -> None:
        """Endpoints, and what the host wants to hear of: the stick forgets both with each start."""
        self._registered.clear()
        await self.register_all()
        ok(await self.stick.request(c.ZDO.MsgCallbackRegister.Req(ClusterId=0xFFFF)), "to tell of device objects")

    async def register_all(self) -> None:
        """Have the stick know `endpoints`, and no others. Raises `DeliveryError`."""
        async with self._registering:
            wanted = {one.endpoint: one for one in self.endpoints}
            for number, known in list(self._registered.items()):
                if wanted.get(number) != known:
                    await self.stick.request(c.AF.Delete.Req(Endpoint=number))
                    self._registered.pop(number, None)
            for number, one in wanted.items():
                if number not in self._registered:
                    await self._register(one)

    async def register(self, one: SimpleDescriptor) -> None:
        """Have one more endpoint. Raises `DeliveryError`."""
        async with self._registering:
            if one.endpoint not in self._registered:
                await self._register(one)

    async def _register(self, one: SimpleDescriptor) -> None:
        answer = await self.stick.request(
            c.AF.Register.Req(
                Endpoint=one.endpoint,
                ProfileId=int(one.profile),
                DeviceId=one.device_type,
                DeviceVersion=one.version,
                LatencyReq=c.af.LatencyReq.NoLatencyReqs,
                InputClusters=t.ClusterIdList(one.input_clusters),
                OutputClusters=t.ClusterIdList(one.output_clusters),
            )
        )
        if answer.Status != t.Status.APS_DUPLICATE_ENTRY:  # its first answer was lost
            ok(answer, f"endpoint 0x{one.endpoint:02X}")
        self._registered[one.endpoint] = one

    def profile_of(self, endpoint: int) -> int | None:
        """The profile that an endpoint of ours was registered with."""
        known = self._registered.get(endpoint)
        return int(known.profile) if known is not None else None

    async def disconnect(self) -> None:
        """Close the port."""
        if self._znp is not None:
            await self._znp.disconnect()
            self._znp = None

    @staticmethod
    def is_restart(reason: BaseException | None) -> bool:
        """Whether the stick has started anew, over a port that is open."""
        return isinstance(reason, StickRestartedError)

    # -- in ----------------------------------------------------------------------------------------------------------

    def _bind_callbacks(self) -> None:
        """What the stick says unasked. zigpy-znp would search for routes and begin interviews."""
        for command, taker in (
            (c.AF.DataConfirm.Callback, self._confirm),
            (c.ZDO.StateChangeInd.Callback, lambda _: self.listener.network_moved()),
            (c.ZDO.MsgCbIncoming.Callback, self._object),
            (c.ZDO.TCDevInd.Callback, lambda told: self.listener.joined(eui64_of(told.SrcIEEE), rejoined=None)),
            (c.ZDO.LeaveInd.Callback, lambda told: self.listener.left(eui64_of(told.IEEE), rejoin=bool(told.Rejoin))),
        ):
            self.stick.callback_for_response(command(partial=True), partial(self._taken, taker))

    @staticmethod
    def _taken(taker: Callable[[Any], None], told: Any) -> None:
        try:
            taker(told)
        except Exception:  # zigpy-znp would not tell of it where anybody looks
            log.exception("what the stick has told was not taken")

    def _confirm(self, told: Any) -> None:
        self._flights.ended(int(told.Endpoint), int(told.TSN), int(told.Status))

    def _message(self, data: bytes) -> None:
        (group, cluster, source, source_endpoint, endpoint, is_broadcast, lqi, is_encrypted, _, counter,
         length) = _HEAD.unpack_from(data)  # fmt: skip
        payload = data[_HEAD.size : _HEAD.size + length]
        if len(payload) < length:
            self.listener.unreadable()
            return
        self._arrived(
            payload,
            cluster=cluster,
            source=source,
            source_endpoint=source_endpoint,
            endpoint=endpoint,
            group=group,
            is_broadcast=bool(is_broadcast),
            is_encrypted=bool(is_encrypted),
            counter=counter,
            lqi=lqi,
        )

    def _arrived(
        self,
        payload: bytes,
        *,
        cluster: int,
        source: int,
        source_endpoint: int,
        endpoint: int,
        group: int,
        is_broadcast: bool,
        is_encrypted: bool,
        counter: int,
        lqi: int,
    ) -> None:
        known = self._registered.get(endpoint)
        delivery, destination = Delivery.UNICAST, self.short
        if group:
            delivery, destination = Delivery.GROUP, group
        elif is_broadcast:
            delivery, destination = Delivery.BROADCAST, TO_MANY
        self.listener.arrived(
            ApsFrame(
                profile=Profile.HOME_AUTOMATION if known is None else int(known.profile),
                cluster=cluster,
                source_endpoint=source_endpoint,
                destination_endpoint=endpoint,
                payload=payload,
                source=source,
                destination=destination,
                delivery=delivery,
                security=Security.LINK_KEY if is_encrypted else Security.NETWORK,
                counter=counter,
                lqi=lqi,
            )
        )

    def _object(self, told: Any) -> None:
        """To the device object: the firmware has answered requests, so the hub hears announces and answers."""
        cluster = int(told.ClusterId)
        if not cluster & RESPONSE_BIT and cluster != DEVICE_ANNOUNCE:
            return
        self.listener.arrived(
            ApsFrame(
                profile=Profile.ZDO,
                cluster=cluster,
                source_endpoint=0,
                destination_endpoint=0,
                payload=bytes((int(told.TSN),)) + bytes(told.Data),
                source=int(told.Src),
                destination=TO_MANY if told.IsBroadcast else self.short,
                delivery=Delivery.BROADCAST if told.IsBroadcast else Delivery.UNICAST,
                security=Security.LINK_KEY if told.SecurityUse else Security.NETWORK,
            )
        )

    def _long_message(self, data: bytes) -> None:
        """A message that may be too long to be told at once."""
        (group, cluster, mode, wide, source_endpoint, _, endpoint, is_broadcast, lqi, is_encrypted, stamp, counter,
         length) = _LONG_HEAD.unpack_from(data)  # fmt: skip
        if mode != t.AddrMode.NWK:
            return  # from another network
        about: dict[str, Any] = {
            "cluster": cluster, "source": int.from_bytes(wide[:2], "little"), "source_endpoint": source_endpoint,
            "endpoint": endpoint, "group": group, "is_broadcast": bool(is_broadcast),
            "is_encrypted": bool(is_encrypted), "counter": counter, "lqi": lqi,
        }  # fmt: skip
        here = data[_LONG_HEAD.size :]
        if len(here) >= length + _LONG_TAIL:
            self._arrived(here[:length], **about)
        else:
            self.spawn(self._fetch(stamp, length, about), "long message")

    async def _fetch(self, stamp: int, length: int, about: dict[str, Any]) -> None:
        whole = b""
        while len(whole) < length:
            part = min(PART_BYTES, length - len(whole))
            answer = await self.stick.request(c.AF.DataRetrieve.Req(TimeStamp=stamp, Index=len(whole), Length=part))
            if answer.Status != t.Status.SUCCESS or not answer.Data:
                return  # it was not fetched in time
            whole += bytes(answer.Data)
        self._arrived(whole, **about)
        await self.stick.request(c.AF.DataRetrieve.Req(TimeStamp=stamp, Index=0, Length=0))  # its memory is free

    # -- out ---------------------------------------------------------------------------------------------------------

    async def send(self, mode: Any, to: int, frame: ApsFrame, options: Any, *, is_confirmed: bool) -> None:
        """Send one frame, and where the stick tells wait for its fate. Raises `DeliveryError`, `NoReplyError`."""
        with self._flights.begun(frame.source_endpoint) as (tag, flight):
            await self._given(tag, mode, to, frame, options, is_confirmed=is_confirmed)
            if is_confirmed:
                status = await self._flights.fate(flight)
                if status != t.Status.SUCCESS:
                    raise undelivered(status)

    async def _given(self, tag: int, mode: Any, to: int, frame: ApsFrame, options: Any, *, is_confirmed: bool) -> None:
        """The stick takes the frame. When its answer is lost, the word of the frame's fate may come all the same."""
        try:
            answer = await self.stick.request(
                c.AF.DataRequestExt.Req(
                    DstAddrModeAddress=t.AddrModeAddress(mode, to),
                    DstEndpoint=frame.destination_endpoint,
                    DstPanId=0x0000,
                    SrcEndpoint=frame.source_endpoint,
                    ClusterId=frame.cluster,
                    TSN=tag,
                    Options=options,
                    Radius=frame.radius or DEFAULT_RADIUS,
                    Data=t.LongBytes(frame.payload),
                )
            )
        except TimeoutError:
            if not is_confirmed:
                raise NoReplyError("the stick did not say whether it has sent it") from None
        else:
            if answer.Status != t.Status.SUCCESS:
                raise undelivered(answer.Status)

    async def permit(self, time_s: int = 60, node: Any = None) -> None:
        """Open the stick itself for so many seconds; 0: close it."""
        await self.permit_at(t.AddrMode.NWK, self.short, time_s)

    async def permit_at(self, mode: Any, to: int, seconds: int) -> None:
        """Let a router, or all, take devices in. As a plain frame it would not let the stick hand out its key."""
        ok(
            await self.stick.request(
                c.ZDO.MgmtPermitJoinReq.Req(AddrMode=mode, Dst=to, Duration=seconds, TCSignificance=0)
            ),
            "to open or close joining",
        )

    async def permit_ncp(self, time_s: int = 60) -> None:
        """zigpy's word for the same."""
        await self.permit(time_s)
