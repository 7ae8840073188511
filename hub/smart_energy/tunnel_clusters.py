"""Tunneling as clusters that we host: commands in, answers out."""

from __future__ import annotations

from typing import Protocol

from hub.smart_energy.peer import Peer, peer_of
from hub.smart_energy.tunnels import Heard, TunnelClient, TunnelServer
from hub.zigbee.model import Side
from hub.zigbee.servers.base import Answer, ClusterServer, HostedAttribute, Response
from protocols.aps import ApsFrame
from protocols.se import tunneling as wire
from protocols.se.base import SeCommand
from protocols.zcl.datatypes import UINT16
from protocols.zcl.header import Direction, ZclHeader, unsupported_command
from protocols.zcl.status import Status

CLOSE_TUNNEL_TIMEOUT = 0x0000


class Carrying(Protocol):
    """Who hands on what comes through tunnels."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def requested(self, peer: Peer, asked: wire.RequestTunnel) -> wire.RequestTunnelResponse:
        """A device wants a tunnel to us."""
        ...

    def heard(self, side: TunnelServer | TunnelClient, found: Heard) -> None:
        """A command has come of a tunnel; its answers are sent by who calls, before anything else."""
        ...

    def room(self) -> int:
        """Bytes of a command's payload that the radio carries."""
        ...


class _TunnelCluster(ClusterServer):
    """A base: both sides."""

    def __init__(
        self, ends: Carrying, side: TunnelServer | TunnelClient, attributes: tuple[HostedAttribute, ...] = ()
    ) -> None:
        super().__init__(attributes, cluster=wire.CLUSTER)
        self._ends, self._tunnels = ends, side

    def command(self, header: ZclHeader, payload: bytes, frame: ApsFrame, now: float) -> Answer:
        """See `ClusterServer`. A tunnel that is not the sender's is NOT_FOUND, where no other answer says so."""
        peer, found = peer_of(frame), None
        if header.manufacturer is None:
            to_server = header.direction is Direction.TO_SERVER
            found = wire.COMMANDS.read(header.command, payload, to_server=to_server)
        if found is None or peer is None or found.COMMAND not in self.RECEIVES:
            return Answer(unsupported_command(header))
        return self._take(peer, found)

    def _take(self, peer: Peer, found: SeCommand) -> Answer:
        heard = self._tunnels.receive(peer, found, self._ends.monotonic())
        self._ends.heard(self._tunnels, heard)
        if heard.answers:
            return _answer(*heard.answers)
        return Answer(Status.SUCCESS if heard.is_known else Status.NOT_FOUND)


class TunnelServerCluster(_TunnelCluster):
    """Devices open tunnels to us."""

    RECEIVES = (
        wire.RequestTunnel.COMMAND,
        wire.CloseTunnel.COMMAND,
        wire.TransferDataToServer.COMMAND,
        wire.TransferDataErrorToServer.COMMAND,
        wire.AckTransferDataToServer.COMMAND,
        wire.ReadyDataToServer.COMMAND,
        wire.GetSupportedTunnelProtocols.COMMAND,
    )
    GENERATES = (
        wire.RequestTunnelResponse.COMMAND,
        wire.TransferDataToClient.COMMAND,
        wire.TransferDataErrorToClient.COMMAND,
        wire.AckTransferDataToClient.COMMAND,
        wire.ReadyDataToClient.COMMAND,
        wire.SupportedTunnelProtocolsResponse.COMMAND,
        wire.TunnelClosureNotification.COMMAND,
    )

    def __init__(self, ends: Carrying, server: TunnelServer) -> None:
        timeout = HostedAttribute(
            id=CLOSE_TUNNEL_TIMEOUT,
            name="close_tunnel_timeout",
            type=UINT16,
            get=lambda _now: server.close_timeout_s,
        )
        super().__init__(ends, server, (timeout,))
        self._server = server

    def _take(self, peer: Peer, found: SeCommand) -> Answer:
        match found:
            case wire.RequestTunnel():
                return _answer(self._ends.requested(peer, found))
            case wire.GetSupportedTunnelProtocols():
                return _answer(self._server.supported(found.offset, self._ends.room()))
        return super()._take(peer, found)


class TunnelClientCluster(_TunnelCluster):
    """We open tunnels to devices."""

    SIDE = Side.CLIENT
    RECEIVES = (
        wire.TransferDataToClient.COMMAND,
        wire.TransferDataErrorToClient.COMMAND,
        wire.AckTransferDataToClient.COMMAND,
        wire.ReadyDataToClient.COMMAND,
        wire.TunnelClosureNotification.COMMAND,
    )
    GENERATES = (
        wire.RequestTunnel.COMMAND,
        wire.CloseTunnel.COMMAND,
        wire.TransferDataToServer.COMMAND,
        wire.TransferDataErrorToServer.COMMAND,
        wire.AckTransferDataToServer.COMMAND,
        wire.ReadyDataToServer.COMMAND,
    )

    def __init__(self, ends: Carrying, client: TunnelClient) -> None:
        super().__init__(ends, client)


def _answer(*commands: SeCommand) -> Answer:
    return Answer(responses=tuple(Response(one.COMMAND, one.encode()) for one in commands))
