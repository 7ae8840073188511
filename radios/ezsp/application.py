"""bellows, held to what the hub asks of it: its line protocol, its tables of commands, and its reading of the stick."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import bellows.ezsp
import bellows.types as t
import zigpy.types
from bellows.ash import NcpFailure
from bellows.zigbee.application import ControllerApplication

from radios.api import DeliveryError, NoLinkKeyError, NoReplyError
from radios.ezsp.fragments import Reassembly
from radios.zigpy_backend import HOME_ENDPOINT, SMART_ENERGY_ENDPOINT, Listener, NoBuffersError, Quiet, eui64_of
from radios.zigpy_flights import Flights

NETWORK_UP_S = 10.0
SILENT_S = 1.0
"""For a stick to restart when the hub ends."""
INCOMING = 0x0045
WITH_KEYS = frozenset((
    0x0066, 0x0068, 0x006A, 0x0071, 0x0072, 0x00AF, 0x00CE, 0x00CF, 0x0102, 0x0103, 0x010D, 0x010E, 0x010F, 0x0111,
    0x0112, 0x0113, 0x0114, 0x0115,
))  # fmt: skip
"""Frames with keys in them, or with items of flash: a trace shows zeros in their place."""
HEAD_BYTES = 5
OUR_ENDPOINTS = ((HOME_ENDPOINT, 0x0104, 0x0050), (SMART_ENERGY_ENDPOINT, 0x0109, 0x0500))
"""Endpoint, profile and type of device, so that the stick lets frames to them through. The hub answers for the rest."""
NO_BUFFERS = frozenset((
    t.sl_Status.ALLOCATION_FAILED, t.sl_Status.ZIGBEE_MAX_MESSAGE_LIMIT_REACHED, t.sl_Status.MAC_TRANSMIT_QUEUE_FULL,
    t.sl_Status.BUSY,
))  # fmt: skip
"""Nothing was sent: there is no room at the moment."""
NO_KEY = frozenset((
    t.sl_Status.ZIGBEE_APS_ENCRYPTION_ERROR, t.sl_Status.ZIGBEE_KEY_NOT_AUTHORIZED, t.sl_Status.INVALID_KEY,
))  # fmt: skip
SILENCE = frozenset((
    t.sl_Status.ZIGBEE_DELIVERY_FAILED, t.sl_Status.MAC_INDIRECT_TIMEOUT, t.sl_Status.MAC_NO_ACK_RECEIVED,
    t.sl_Status.ZIGBEE_SOURCE_ROUTE_FAILURE, t.sl_Status.ZIGBEE_MANY_TO_ONE_ROUTE_FAILURE,
))  # fmt: skip
"""Statuses that speak of the far device."""


def undelivered(status: Any) -> DeliveryError:
    """The error for a status of the stick."""
    name, code = getattr(status, "name", f"STATUS_{int(status):X}"), int(status)
    if status in NO_KEY:
        return NoLinkKeyError("the stick did not send it", name, code)
    if status in NO_BUFFERS:
        return NoBuffersError("the stick has no room for it", name, code, is_silence=False)
    return DeliveryError("the stick did not deliver it", name, code, is_silence=status in SILENCE)


def ok(status: Any, what: str) -> None:
    """Raise `DeliveryError` for anything but success. `status`: of whichever numbering."""
    found = t.sl_Status.from_ember_status(status)
    if found != t.sl_Status.OK:
        raise DeliveryError(f"the stick refuses {what}", found.name, int(found), is_silence=False)


class Link(bellows.ezsp.EZSP):  # type: ignore[misc]
    """One connection to the stick. It puts long messages together itself: bellows cannot since EZSP 14."""

    def __init__(self, config: dict[str, object], application: EzspApplication) -> None:
        super().__init__(config, application)
        self._owner = application
        self._reassembly = Reassembly()

    def frame_received(self, data: bytes) -> None:
        """A frame of the stick."""
        self._owner.listener.heard()
        self._owner.traced("rx", data)
        if len(data) >= HEAD_BYTES and self.ezsp_version >= 8 and _command_of(data) == INCOMING:
            schema = self._protocol.COMMANDS["incomingMessageHandler"][2]
            try:
                fields, _ = t.deserialize_dict(data[HEAD_BYTES:], schema)
            except ValueError:
                return  # cut short
            values = list(fields.values())
            if values[1].options & t.EmberApsOption.APS_OPTION_FRAGMENT:
                self._block(values)
            else:
                # As bellows would after it had read the fields once more, which takes as long as all the hub does.
                self.handle_callback("incomingMessageHandler", values)
            return
        super().frame_received(data)

    def _block(self, values: list[Any]) -> None:
        """A block of a long message: acknowledge it, and tell the message when it is whole."""
        aps, sender, at = values[1], values[2 if self.ezsp_version >= 14 else 4], len(values) - 1
        reply = t.EmberApsFrame(
            profileId=aps.profileId,
            clusterId=aps.clusterId,
            sourceEndpoint=aps.destinationEndpoint,
            destinationEndpoint=aps.sourceEndpoint,
            options=aps.options,
            groupId=0xFF00 | (aps.groupId & 0xFF),
            sequence=aps.sequence,
        )

        async def acknowledge() -> None:
            await self.sendReply(sender, reply, b"")

        self._owner.spawn(acknowledge(), "acknowledgement of a block")
        place = (int(sender), int(aps.sequence), int(aps.profileId), int(aps.clusterId), int(aps.sourceEndpoint))
        now = asyncio.get_running_loop().time()
        whole = self._reassembly.take(place, int(aps.groupId), bytes(values[at]), now)
        if whole is not None:
            values[1] = aps.replace(options=aps.options & ~t.EmberApsOption.APS_OPTION_FRAGMENT, groupId=0)
            values[at] = whole
            self.handle_callback("incomingMessageHandler", values)

    async def connect(self, *, use_thread: bool = False) -> None:
        """Open the port and agree on a version."""
        self._gw = await bellows.uart.connect(self._config, self, use_thread=False)
        send = self._gw.send_data

        async def send_traced(data: bytes) -> None:
            self._owner.traced("tx", data)
            await send(data)

        self._gw.send_data = send_traced
        await self.startup_reset()


def _command_of(data: bytes) -> int:
    """Number of a frame with the long header."""
    return int.from_bytes(data[3:5], "little")


class EzspApplication(Quiet, ControllerApplication):  # type: ignore[misc]
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
        self._ezsp: Link | None = None
        self.listener, self.spawn, self._trace_frame = listener, spawn, trace
        self._flights = flights

    @property
    def stick(self) -> Any:
        """The commands, by their names in bellows' tables."""
        if self._ezsp is None:
            raise NoReplyError("the stick is closed")
        return self._ezsp

    def traced(self, direction: str, data: bytes) -> None:
        """Show a frame, without keys."""
        if self._trace_frame is not None:
            if len(data) >= HEAD_BYTES and data[2] == 0x01 and _command_of(data) in WITH_KEYS:
                data = data[:HEAD_BYTES] + bytes(len(data) - HEAD_BYTES)
            self._trace_frame(direction, data)

    # -- life --------------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Open the port, agree on a version. Raises what the port or bellows raises."""
        self._ezsp = Link(self.config["device"], self)
        await self._ezsp.connect()
        self._ezsp.add_callback(self.ezsp_callback_handler)

    async def reset(self) -> None:
        """Over the open port: the stick starts anew, and is on no network until it is told to."""
        self.stick.stop_ezsp()
        await self.stick.startup_reset()

    async def set_up(self) -> None:
        """Sizes of tables and endpoints, which the stick forgets with each start."""
        await self.stick.write_config(self.config["ezsp_config"])
        for endpoint, profile, device_type in OUR_ENDPOINTS:
            (status,) = await self.stick.addEndpoint(
                endpoint=endpoint,
                profileId=profile,
                deviceId=device_type,
                deviceVersion=0,
                inputClusterCount=0,
                outputClusterCount=0,
                inputClusterList=[],
                outputClusterList=[],
            )
            ok(status, f"endpoint 0x{endpoint:02X}")

    async def resume(self) -> bool:
        """Bring up the network that it knows; False: it knows none."""
        if await self.is_up():
            return True
        with self.stick.wait_for_stack_status(t.sl_Status.NETWORK_UP) as up:
            status = await self.stick.initialize_network()
            if status == t.sl_Status.NOT_JOINED:
                return False
            ok(status, "to come back to its network")
            async with asyncio.timeout(NETWORK_UP_S):
                await up
        return True

    def know_own_address(self, short: Any) -> None:
        """bellows tells frames to us as sent to this network address."""
        self.state.node_info.nwk = zigpy.types.NWK(short)  # type: ignore[no-untyped-call]

    async def is_up(self) -> bool:
        """Whether it is on a network now."""
        (state,) = await self.stick.networkState()
        return bool(state == t.EmberNetworkStatus.JOINED_NETWORK)

    async def silence(self) -> None:
        """Take the stick off the air: it would acknowledge what nobody hears, and nobody would send that again."""
        self.stick.stop_ezsp()
        async with asyncio.timeout(SILENT_S):
            await self.stick._gw.reset()  # noqa: SLF001 - its own way resets for a start, with more commands

    async def disconnect(self) -> None:
        """Close the port."""
        if self._ezsp is not None:
            await self._ezsp.disconnect()
            self._ezsp = None

    @staticmethod
    def is_restart(reason: BaseException | None) -> bool:
        """Whether the stick's own line protocol ended, over a port that is open."""
        return isinstance(reason, NcpFailure)

    # -- in ----------------------------------------------------------------------------------------------------------

    def ezsp_callback_handler(self, frame_name: str, args: list[Any]) -> None:
        """What the stick says unasked. bellows would erase keys and change the manufacturer's code on joinings."""
        if frame_name == "trustCenterJoinHandler":
            self._joining(*args)
        elif frame_name == "stackStatusHandler":
            self.listener.network_moved()
        elif frame_name in ("incomingMessageHandler", "messageSentHandler"):
            super().ezsp_callback_handler(frame_name, args)

    def _joining(self, nwk: Any, ieee: Any, what: Any, decision: Any, parent: Any) -> None:
        if what == t.EmberDeviceUpdate.DEVICE_LEFT:
            self.listener.left(eui64_of(ieee))
        elif decision != t.EmberJoinDecision.DENY_JOIN:
            is_new = what == t.EmberDeviceUpdate.STANDARD_SECURITY_UNSECURED_JOIN
            self.listener.joined(eui64_of(ieee), rejoined=not is_new)

    def _handle_frame_sent(
        self, message_type: Any, destination: Any, aps_frame: Any, message_tag: Any, status: Any, message: bytes
    ) -> None:
        self._flights.ended(int(destination), int(message_tag), int(t.sl_Status.from_ember_status(status)))

    # -- out ---------------------------------------------------------------------------------------------------------

    async def unicast(self, short: int, aps: Any, payload: bytes) -> int:
        """Send one frame and wait for its fate; its APS counter. Raises `DeliveryError`, `NoReplyError`."""
        with self._flights.begun(short) as (tag, flight):
            status, sequence = await self.stick.send_unicast(nwk=short, aps_frame=aps, message_tag=tag, data=payload)
            if status != t.sl_Status.OK:
                raise undelivered(status)
            fate = t.sl_Status(await self._flights.fate(flight))
            if fate != t.sl_Status.OK:
                raise undelivered(fate)
            return int(sequence)

    async def to_many(self, short: int, aps: Any, radius: int, payload: bytes) -> None:
        """Send to many; nobody acknowledges it."""
        status, _ = await self.stick.send_broadcast(
            address=t.BroadcastAddress(short),
            aps_frame=aps,
            radius=radius,
            message_tag=0,
            aps_sequence=0,
            data=payload,
        )
        if status != t.sl_Status.OK:
            raise undelivered(status)

    async def to_group(self, aps: Any, radius: int, payload: bytes) -> None:
        """Send to a group; nobody acknowledges it."""
        status, _ = await self.stick.send_multicast(
            aps_frame=aps, radius=radius, non_member_radius=3, message_tag=0, data=payload
        )
        if status != t.sl_Status.OK:
            raise undelivered(status)
