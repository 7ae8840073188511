"""`hub.tunnels`: tunnels between devices and programs of this home, both ways (SE 1.1b, D.6).

A program opens a tunnel to a device that serves the cluster, or answers a protocol for a while: devices may open
tunnels of it to us then. When nobody answers a protocol any more (the program has not said so again in time) its
tunnels are closed, and devices hear that it is not supported. What comes through a tunnel is a hub event; nothing of it
is kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from hub.bus import Bus
from hub.clock import Clock
from hub.errors import HubError, InvalidError, NotFoundError, RefusedError, UnsupportedError, ZclStatusError
from hub.events import DeviceLeft, DeviceRemoved, TunnelChanged, TunnelData
from hub.smart_energy.peer import Peer
from hub.smart_energy.tunnel_clusters import TunnelClientCluster, TunnelServerCluster
from hub.smart_energy.tunnels import Closed, Heard, Protocol, Tunnel, TunnelClient, TunnelServer
from hub.zigbee.member import Member, device_id_of
from hub.zigbee.network import Network
from hub.zigbee.servers.base import ClusterServer
from hub.zigbee.service import told
from hub.zigbee.transactions import ZclRequest
from protocols.errors import CodecError
from protocols.ids import Profile
from protocols.se import tunneling as wire
from protocols.se.base import SeCommand
from protocols.se.tunneling import TunnelStatus
from protocols.zcl.general import DefaultResponse
from protocols.zcl.header import Direction, FrameType, ZclHeader
from radios.api import RadioError

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often it is looked at what has waited for too long."""
DEFAULT_LEASE_S, MAX_LEASE_S = 300, 86_400
"""For so long a program answers a protocol, unless it says so again."""
HEADER_BYTES, NUMBER_BYTES = 3, 2
"""Before the data of a frame: the ZCL header, and the tunnel."""
SAFE_PAYLOAD = 76
"""Of a radio that is not there: what fits one packet anywhere."""
WHY_NOT = {
    TunnelStatus.BUSY: "it is busy; try again later",
    TunnelStatus.NO_MORE_TUNNELS: "it has no tunnel left",
    TunnelStatus.PROTOCOL_NOT_SUPPORTED: "it does not support the protocol",
    TunnelStatus.FLOW_CONTROL_NOT_SUPPORTED: "it does not support flow control",
}

Spawn = Callable[[Coroutine[None, None, None], str], object]
Side = TunnelServer | TunnelClient


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelView:
    """A tunnel as interfaces see it."""

    radio: str
    id: int
    device_id: str
    endpoint: int
    is_served: bool
    """The device has opened it to us; else we to the device."""
    protocol: Protocol
    flow_control: bool
    number: int
    """As the server has given it."""
    sent: int
    received: int
    waiting: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A protocol that a program answers."""

    radio: str
    protocol: Protocol
    flow_control: bool
    seconds_left: float


class _Ends:
    """Our two sides on one network (`tunnel_clusters.Carrying`)."""

    def __init__(self, radio: str, service: Tunnels, monotonic: Callable[[], float]) -> None:
        self.radio, self._service, self.monotonic = radio, service, monotonic
        self.server, self.client = TunnelServer(), TunnelClient()
        self.leases: dict[Protocol, float] = {}
        """Until when a protocol is answered, monotonic."""
        self.opening: dict[Peer, asyncio.Lock] = {}
        self.pumping: set[int] = set()
        self._handles = count(1)

    def __iter__(self) -> Iterator[tuple[Side, Tunnel]]:
        for side in (self.server, self.client):
            for tunnel in side:
                yield side, tunnel

    def requested(self, peer: Peer, asked: wire.RequestTunnel) -> wire.RequestTunnelResponse:
        """A device wants a tunnel."""
        answer, tunnel = self.server.request(peer, asked, self.monotonic())
        if tunnel is not None:
            self.opened(tunnel)
        return answer

    def opened(self, tunnel: Tunnel) -> None:
        """A tunnel is there."""
        tunnel.handle = next(self._handles)
        self._service.changed(self.radio, tunnel, "opened", "")

    def heard(self, side: Side, found: Heard) -> None:
        """A command has come."""
        self._service.heard(self, side, found)

    def room(self) -> int:
        """Bytes of a command's payload that the radio carries."""
        return self._service.payload(self.radio) - HEADER_BYTES


class Tunnels:
    """The tunnels of all networks."""

    def __init__(
        self,
        radios: Sequence[str],
        network: Callable[[str], Network],
        find: Callable[[str], Member | None],
        bus: Bus,
        clock: Clock,
        spawn: Spawn,
    ) -> None:
        """`radios`: where we are an energy service interface. `network(radio)` raises `NotFoundError`."""
        self._network, self._find, self._bus, self._clock, self._spawn = network, find, bus, clock, spawn
        self.ends = {radio: _Ends(radio, self, clock.monotonic) for radio in radios}

    def clusters(self, radio: str) -> list[ClusterServer]:
        """Both sides, as our Smart Energy endpoint hosts them."""
        ends = self.ends.get(radio)
        if ends is None:
            return []
        return [TunnelServerCluster(ends, ends.server), TunnelClientCluster(ends, ends.client)]

    # -- life --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Close what has waited for too long, and tunnels of devices that go; ends by cancellation."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_time(), name="tunnels' time")
            tasks.create_task(self._watch_devices(), name="tunnels' devices")

    async def _watch_time(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self.due(self._clock.monotonic())

    async def _watch_devices(self) -> None:
        async with self._bus.subscribe(DeviceRemoved, DeviceLeft) as events:
            async for event in events:
                match event:
                    case DeviceRemoved(device_id=gone) | DeviceLeft(device_id=gone, rejoin=False):
                        self._forget(gone)

    def _forget(self, device_id: str) -> None:
        for ends in self.ends.values():
            for side, tunnel in list(ends):
                if device_id_of(tunnel.peer.ieee) == device_id and side.drop(tunnel):
                    self._closed(ends, side, tunnel, Closed.DEVICE_GONE, tell=False)

    def due(self, now: float) -> None:
        """Look at the time."""
        for ends in self.ends.values():
            for protocol in [one for one, until in ends.leases.items() if until <= now]:
                self._stop(ends, protocol)
            for side in (ends.server, ends.client):
                for tunnel, why in side.due(now):
                    self._closed(ends, side, tunnel, why, tell=True)

    # -- what comes --------------------------------------------------------------------------------------------------

    def heard(self, ends: _Ends, side: Side, found: Heard) -> None:
        """A command of a tunnel has come: hand on what it says."""
        tunnel = found.tunnel
        if tunnel is None:
            return
        if found.data:
            now, device_id = self._clock.now(), device_id_of(tunnel.peer.ieee)
            self._bus.publish(TunnelData(now, ends.radio, tunnel.handle, device_id, found.data))
            ready = side.taken(tunnel, len(found.data))
            if ready is not None:
                self._soon(ends, side, tunnel, ready)
        if found.dropped:
            self.changed(ends.radio, tunnel, "overflow", "the device had no room: what was sent is lost")
        if found.closed is not None:
            self._closed(ends, side, tunnel, found.closed, tell=False)
        self._pump_soon(ends, side, tunnel)

    def changed(self, radio: str, tunnel: Tunnel, what: str, detail: str) -> None:
        """Tell everybody."""
        device_id = device_id_of(tunnel.peer.ieee)
        self._bus.publish(TunnelChanged(self._clock.now(), radio, tunnel.handle, device_id, what, str(detail)))

    def _closed(self, ends: _Ends, side: Side, tunnel: Tunnel, why: Closed, *, tell: bool) -> None:
        """A tunnel is open no more; `tell`: its other side does not know it yet."""
        self.changed(ends.radio, tunnel, "closed", why)
        if tell:
            self._soon(ends, side, tunnel, side.goodbye(tunnel))

    # -- what goes ---------------------------------------------------------------------------------------------------

    def payload(self, radio: str) -> int:
        """Bytes of an APS payload."""
        stick = self._network(radio).radio
        return stick.capabilities.max_payload if stick is not None else SAFE_PAYLOAD

    def _pump_soon(self, ends: _Ends, side: Side, tunnel: Tunnel) -> None:
        if tunnel.waiting and tunnel.handle not in ends.pumping and side.has(tunnel):
            ends.pumping.add(tunnel.handle)
            self._spawn(self._pump(ends, side, tunnel), f"tunnel {tunnel.handle} of {ends.radio}")

    async def _pump(self, ends: _Ends, side: Side, tunnel: Tunnel) -> None:
        """Send what waits, frame by frame, as long as more may go."""
        try:
            while True:
                limit = self.payload(ends.radio) - HEADER_BYTES - NUMBER_BYTES
                command = side.next(tunnel, limit, self._clock.monotonic())
                if command is None:
                    return
                await self._send(ends, side, tunnel, command)
        except (RadioError, HubError) as error:
            log.info("%s: tunnel %d to %s: %s", ends.radio, tunnel.handle, tunnel.peer, error)
            if side.drop(tunnel):  # a stream that lacks a part is worth nothing
                self._closed(ends, side, tunnel, Closed.UNDELIVERED, tell=True)
        finally:
            ends.pumping.discard(tunnel.handle)

    def _soon(self, ends: _Ends, side: Side, tunnel: Tunnel, command: SeCommand) -> None:
        self._spawn(self._quietly(ends, side, tunnel, command), f"{type(command).__name__} to {tunnel.peer}")

    async def _quietly(self, ends: _Ends, side: Side, tunnel: Tunnel, command: SeCommand) -> None:
        try:
            await self._send(ends, side, tunnel, command)
        except (RadioError, HubError) as error:
            log.info("%s: %s did not reach %s: %s", ends.radio, type(command).__name__, tunnel.peer, error)

    async def _send(self, ends: _Ends, side: Side, tunnel: Tunnel, command: SeCommand) -> None:
        network, member = self._network(ends.radio), self._find(device_id_of(tunnel.peer.ieee))
        if member is None:
            raise NotFoundError("device", device_id_of(tunnel.peer.ieee))
        direction = Direction.TO_CLIENT if isinstance(side, TunnelServer) else Direction.TO_SERVER
        header = ZclHeader(FrameType.CLUSTER, direction, network.conversations.next_tsn(), command.COMMAND, True)
        frame = network.frame(
            member, tunnel.peer.endpoint, wire.CLUSTER, header, command.encode(), profile=Profile.SMART_ENERGY
        )
        await network.send(member, frame)

    # -- what programs want ------------------------------------------------------------------------------------------

    def all(self, radio: str) -> list[TunnelView]:
        """The tunnels on a network, oldest first. Raises `NotFoundError`."""
        self._network(radio)
        ends = self.ends.get(radio)
        found = [self._view(ends, side, tunnel) for side, tunnel in ends] if ends is not None else []
        return sorted(found, key=lambda one: one.id)

    def answered(self, radio: str) -> list[Answered]:
        """The protocols that programs answer on a network."""
        ends, now = self.ends.get(radio), self._clock.monotonic()
        if ends is None:
            return []
        return [
            Answered(
                radio=radio,
                protocol=protocol,
                flow_control=ends.server.protocols[protocol],
                seconds_left=max(0.0, until - now),
            )
            for protocol, until in ends.leases.items()
        ]

    def answer(self, radio: str, protocol: Protocol, lease_s: int, *, flow_control: bool) -> Answered:
        """A program answers a protocol for so long from now on. Raises `RefusedError` when there are too many."""
        ends = self._able(radio)
        if not 1 <= lease_s <= MAX_LEASE_S:
            raise InvalidError("lease_s", lease_s, f"1 to {MAX_LEASE_S}")
        try:
            ends.server.register(protocol, flow_control=flow_control)
        except OverflowError as error:
            raise RefusedError(str(error)) from None
        ends.leases[protocol] = self._clock.monotonic() + lease_s
        [found] = [one for one in self.answered(radio) if one.protocol == protocol]
        return found

    def stop(self, radio: str, protocol: Protocol) -> None:
        """It answers it no more: its tunnels are closed. Raises `NotFoundError`."""
        ends = self._able(radio)
        if protocol not in ends.leases:
            raise NotFoundError("answered protocol", str(int(protocol.number)))
        self._stop(ends, protocol)

    def _stop(self, ends: _Ends, protocol: Protocol) -> None:
        ends.leases.pop(protocol, None)
        for tunnel in ends.server.unregister(protocol):
            self._closed(ends, ends.server, tunnel, Closed.PROTOCOL_GONE, tell=True)

    async def open(self, device_id: str, endpoint: int | None, protocol: Protocol, *, flow_control: bool) -> TunnelView:
        """Open a tunnel to a device; `endpoint` None: the first that serves the cluster.

        Raises `NotFoundError`, `UnsupportedError`, `RefusedError` with the device's reason, `UnavailableError`.
        """
        member = self._find(device_id)
        if member is None:
            raise NotFoundError("Zigbee device", device_id)
        ends, network = self._able(member.radio), self._network(member.radio)
        network.need_radio()
        serving = [one for one in member.servers(wire.CLUSTER) if member.profile(one) == Profile.SMART_ENERGY]
        if not serving:
            raise UnsupportedError(f"{device_id} does not serve tunnels")
        if endpoint is not None and endpoint not in serving:
            raise InvalidError("endpoint", endpoint, ", ".join(map(str, serving)))
        peer = Peer(member.ieee, serving[0] if endpoint is None else endpoint)
        async with ends.opening.setdefault(peer, asyncio.Lock()):
            asked = ends.client.request(peer, protocol, flow_control=flow_control)
            try:
                answer = await self._ask(network, member, peer, asked)
                if answer.status is not TunnelStatus.SUCCESS:
                    why = WHY_NOT.get(answer.status, f"status {int(answer.status)}")
                    raise RefusedError(f"{device_id} opens no tunnel: {why}")
                tunnel, early = ends.client.opened(
                    peer, protocol, answer, self._clock.monotonic(), flow_control=flow_control
                )
            finally:
                ends.client.failed(peer)
        ends.opened(tunnel)
        for found in early:
            for command in found.answers:
                self._soon(ends, ends.client, tunnel, command)
            self.heard(ends, ends.client, found)
        return self._view(ends, ends.client, tunnel)

    async def _ask(
        self, network: Network, member: Member, peer: Peer, asked: wire.RequestTunnel
    ) -> wire.RequestTunnelResponse:
        async with told(f"a tunnel to {member.device_id}"):
            answer = await network.request(
                member,
                peer.endpoint,
                wire.CLUSTER,
                ZclRequest(
                    command=asked.COMMAND,
                    payload=asked.encode(),
                    frame_type=FrameType.CLUSTER,
                    responses=frozenset((wire.RequestTunnelResponse.COMMAND,)),
                ),
            )
        try:
            if answer.header.frame_type is FrameType.GENERAL:
                status = DefaultResponse.decode(answer.payload).status
                raise ZclStatusError(f"{member.device_id} opens no tunnel", status, status.name)
            return wire.RequestTunnelResponse.decode(answer.payload)
        except CodecError as error:
            raise RefusedError(f"{member.device_id} opens no tunnel: its answer cannot be read: {error}") from None

    def send(self, radio: str, handle: int, data: bytes) -> TunnelView:
        """Let data go through a tunnel, in order. Raises `NotFoundError`, `RefusedError` when too much waits."""
        ends, side, tunnel = self._one(radio, handle)
        try:
            side.send(tunnel, data)
        except OverflowError as error:
            raise RefusedError(f"tunnel {handle}: {error}") from None
        self._pump_soon(ends, side, tunnel)
        return self._view(ends, side, tunnel)

    def close(self, radio: str, handle: int) -> TunnelView:
        """Close a tunnel; the device is told. Raises `NotFoundError`."""
        ends, side, tunnel = self._one(radio, handle)
        view = self._view(ends, side, tunnel)
        side.drop(tunnel)
        self._closed(ends, side, tunnel, Closed.HERE, tell=True)
        return view

    def _one(self, radio: str, handle: int) -> tuple[_Ends, Side, Tunnel]:
        self._network(radio)
        ends = self.ends.get(radio)
        for side, tunnel in ends or ():
            if tunnel.handle == handle and ends is not None:
                return ends, side, tunnel
        raise NotFoundError("tunnel", str(handle))

    def _able(self, radio: str) -> _Ends:
        self._network(radio)
        ends = self.ends.get(radio)
        if ends is None:
            raise UnsupportedError(f"{radio!r} carries no tunnels: that takes hub.role esi_coordinator or esi_router")
        stick = self._network(radio).radio
        if stick is not None and not stick.capabilities.aps_encryption:
            raise UnsupportedError(f"{radio!r} cannot encrypt for single devices, which Smart Energy takes")
        return ends

    def _view(self, ends: _Ends, side: Side, tunnel: Tunnel) -> TunnelView:
        return TunnelView(
            radio=ends.radio,
            id=tunnel.handle,
            device_id=device_id_of(tunnel.peer.ieee),
            endpoint=tunnel.peer.endpoint,
            is_served=isinstance(side, TunnelServer),
            protocol=tunnel.protocol,
            flow_control=tunnel.flow_control,
            number=tunnel.number,
            sent=tunnel.sent,
            received=tunnel.received,
            waiting=tunnel.waiting_bytes,
        )
