"""Tunnels of both sides: who may open one, what goes through it, and when it is closed (SE 1.1b, D.6). Pure.

Time is an argument: monotonic seconds. What is to be sent comes out as commands, in order; sending is the caller's.
Data wait in a tunnel until they may go: at most so many bytes at once as the other side takes, and with flow control
not before it has acknowledged the last ones and has room.

==============================================  =======================================================================
data for a tunnel that there is not             Transfer Data Error, no such tunnel
data of a device that has not opened it         Transfer Data Error, wrong device
more data than we take at once                  Transfer Data Error, data overflow; none of them is taken
our data for a tunnel unknown or not ours there  the tunnel is closed here
our data overflow the other side                what waits is dropped, and who sent it hears so
an acknowledgement does not come                the tunnel is closed
nothing comes or goes for the time-out (server)  the tunnel is closed, and the client is told
==============================================  =======================================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from hub.smart_energy.peer import Peer
from protocols.se import tunneling as wire
from protocols.se.base import SeCommand
from protocols.se.tunneling import NO_MANUFACTURER, NO_TUNNEL, TransferStatus, TunnelProtocol, TunnelStatus

MAX_TUNNELS = 16
"""Served at once on a network. Chosen: a house has a handful of devices that could want one."""
MAX_OF_PROTOCOL = 4
"""Of one protocol: whoever answers it talks to few at once; the next hears that we are busy."""
MAX_PROTOCOLS = 16
CLOSE_TIMEOUT_S = 300
"""CloseTunnelTimeout: a tunnel through which nothing has come or gone for so long is closed. Chosen: the standard's own
default, 0xFFFF s, would let devices that are gone keep tunnels for a day."""
ACKNOWLEDGED_WITHIN_S = 30.0
"""With flow control. Chosen: a sleepy device hears within its poll interval, 7.5 s at most, and may try thrice."""
MAX_WAITING_BYTES = 64 << 10
"""Data that wait in a tunnel; more is refused to whoever sends."""
MAX_EARLY = 4
"""Frames that may come for a tunnel before we know that it is open."""
FIRST_OF_MANUFACTURERS, LAST_OF_MANUFACTURERS = 200, 254
OUR_TRANSFER: Final = wire.DEFAULT_TRANSFER
"""Bytes that we take at once. Chosen: always told, whatever revision is spoken (1.1.1 has added it). Who does not know
the field ignores bytes behind the last one; who does takes a command without it for malformed."""


class Closed(StrEnum):
    """Why a tunnel is closed."""

    HERE = "closed here"
    THERE = "closed by the device"
    IDLE = "nothing came or went for too long"
    UNANSWERED = "the device did not acknowledge in time"
    UNKNOWN_THERE = "the device does not know it any more"
    UNDELIVERED = "data did not reach the device"
    DEVICE_GONE = "the device is gone"
    PROTOCOL_GONE = "nobody answers its protocol any more"


@dataclass(frozen=True, slots=True)
class Protocol:
    """What goes through a tunnel: the standard's, or by its code a manufacturer's (200 to 254)."""

    number: TunnelProtocol
    manufacturer: int = NO_MANUFACTURER

    def __post_init__(self) -> None:
        is_makers = FIRST_OF_MANUFACTURERS <= self.number <= LAST_OF_MANUFACTURERS
        if not 0 <= self.number <= LAST_OF_MANUFACTURERS:
            raise ValueError(f"protocol is {int(self.number)}; allowed: 0 to {LAST_OF_MANUFACTURERS}")
        if is_makers and not 0 <= self.manufacturer < NO_MANUFACTURER:
            raise ValueError(f"protocol {int(self.number)} is a manufacturer's: its code is missing (0 to 0xFFFE)")
        if not is_makers and self.manufacturer != NO_MANUFACTURER:
            raise ValueError(f"protocol {int(self.number)} is the standard's: it has no manufacturer code")


@dataclass(slots=True, kw_only=True)
class Tunnel:
    """One tunnel."""

    peer: Peer
    number: int
    """As the server has given it."""
    protocol: Protocol
    flow_control: bool
    transfer: int
    """Bytes that the other side takes at once."""
    handle: int = 0
    """By which programs know it: numbers of servers are not different from each other."""
    used_at: float
    """When something last came or went."""
    waiting: deque[bytes] = field(default_factory=deque)
    room: int | None = None
    """Bytes that the other side has room for, as far as flow control has told."""
    unacknowledged_since: float | None = None
    unread: int = 0
    """Bytes that nobody here has taken yet."""
    sent: int = 0
    received: int = 0

    @property
    def waiting_bytes(self) -> int:
        """What is to go yet."""
        return sum(map(len, self.waiting))


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a command of the other side does."""

    answers: tuple[SeCommand, ...] = ()
    tunnel: Tunnel | None = None
    data: bytes = b""
    """To be handed on."""
    dropped: int = 0
    """Bytes of ours that were lost, since the other side has no room."""
    closed: Closed | None = None
    is_known: bool = True
    """False: no tunnel of that sender has this number."""


NOTHING = Heard()
UNKNOWN = Heard(is_known=False)

Transfer = wire.TransferDataToServer
TransferError = wire.TransferDataErrorToServer
Acknowledgement = wire.AckTransferDataToServer
_READY = (wire.ReadyDataToServer, wire.ReadyDataToClient)


class _Side:
    """A base: what both sides do."""

    _TRANSFER: type[wire.TransferDataToServer]
    _ERROR: type[wire.TransferDataErrorToServer]
    _ACKNOWLEDGE: type[wire.AckTransferDataToServer]
    _IS_READY: type[wire.AckTransferDataToServer]

    def __init__(self, transfer: int = OUR_TRANSFER) -> None:
        """`transfer`: bytes that we take at once, and have room for."""
        self.transfer = transfer
        self._tunnels: dict[tuple[Peer, int], Tunnel] = {}

    def __iter__(self) -> Iterator[Tunnel]:
        """All of them, oldest first."""
        return iter(tuple(self._tunnels.values()))

    def __len__(self) -> int:
        return len(self._tunnels)

    def has(self, tunnel: Tunnel) -> bool:
        """Whether it is open."""
        return self._tunnels.get((tunnel.peer, tunnel.number)) is tunnel

    def drop(self, tunnel: Tunnel) -> bool:
        """It is closed; whether it was open."""
        if not self.has(tunnel):
            return False
        del self._tunnels[tunnel.peer, tunnel.number]
        return True

    # -- out ---------------------------------------------------------------------------------------------------------

    def send(self, tunnel: Tunnel, data: bytes) -> None:
        """Let data wait for their turn. Raises `OverflowError` when too much waits already, `KeyError` when closed."""
        if not self.has(tunnel):
            raise KeyError(tunnel.number)
        if tunnel.waiting_bytes + len(data) > MAX_WAITING_BYTES:
            raise OverflowError(f"{tunnel.waiting_bytes} bytes wait already; at most {MAX_WAITING_BYTES} may")
        if data:
            tunnel.waiting.append(data)

    def next(self, tunnel: Tunnel, limit: int, now: float) -> SeCommand | None:
        """The next data that may go, at most `limit` bytes in one frame; None: nothing may, now."""
        if not self.has(tunnel) or not tunnel.waiting or tunnel.unacknowledged_since is not None:
            return None
        size = min(limit, tunnel.transfer, MAX_WAITING_BYTES if tunnel.room is None else tunnel.room)
        if size <= 0:
            return None
        part = tunnel.waiting.popleft()
        if len(part) > size:
            tunnel.waiting.appendleft(part[size:])
            part = part[:size]
        tunnel.sent += len(part)
        tunnel.used_at = now
        if tunnel.flow_control:
            tunnel.unacknowledged_since = now
        return self._TRANSFER(tunnel.number, part)

    def taken(self, tunnel: Tunnel, count: int) -> SeCommand | None:
        """Somebody here has taken received bytes; what the other side is told, if it waits for room."""
        was_full = tunnel.unread >= self.transfer
        tunnel.unread = max(0, tunnel.unread - count)
        if tunnel.flow_control and was_full and tunnel.unread < self.transfer and self.has(tunnel):
            return self._IS_READY(tunnel.number, self.transfer - tunnel.unread)
        return None

    # -- in ----------------------------------------------------------------------------------------------------------

    def _of(self, peer: Peer, number: int) -> Tunnel | None:
        return self._tunnels.get((peer, number))

    def _receive(self, peer: Peer, command: Transfer, now: float) -> Heard:
        tunnel = self._of(peer, command.tunnel)
        if tunnel is None:
            is_others = any(number == command.tunnel for _, number in self._tunnels)
            status = TransferStatus.WRONG_DEVICE if is_others else TransferStatus.NO_SUCH_TUNNEL
            return Heard(answers=(self._ERROR(command.tunnel, status),), is_known=False)
        tunnel.used_at = now
        if len(command.data) > self.transfer - tunnel.unread:
            return Heard(answers=(self._ERROR(command.tunnel, TransferStatus.DATA_OVERFLOW),), tunnel=tunnel)
        tunnel.unread += len(command.data)
        tunnel.received += len(command.data)
        answers: tuple[SeCommand, ...] = ()
        if tunnel.flow_control:
            answers = (self._ACKNOWLEDGE(tunnel.number, self.transfer - tunnel.unread),)
        return Heard(answers=answers, tunnel=tunnel, data=command.data)

    def _refused(self, peer: Peer, command: TransferError, now: float) -> Heard:
        tunnel = self._of(peer, command.tunnel)
        if tunnel is None:
            return UNKNOWN
        tunnel.used_at = now
        if command.status is not TransferStatus.DATA_OVERFLOW:
            self.drop(tunnel)
            return Heard(tunnel=tunnel, closed=Closed.UNKNOWN_THERE)
        dropped = tunnel.waiting_bytes
        tunnel.waiting.clear()
        tunnel.unacknowledged_since = None
        return Heard(tunnel=tunnel, dropped=max(1, dropped))

    def _acknowledged(self, peer: Peer, command: Acknowledgement, now: float) -> Heard:
        tunnel = self._of(peer, command.tunnel)
        if tunnel is None:
            return UNKNOWN
        tunnel.used_at = now
        if tunnel.flow_control:
            tunnel.room = command.bytes_left
            if not isinstance(command, _READY):
                tunnel.unacknowledged_since = None
        return Heard(tunnel=tunnel)

    def _unanswered(self, now: float) -> list[Tunnel]:
        late = [
            tunnel
            for tunnel in self
            if tunnel.unacknowledged_since is not None and now - tunnel.unacknowledged_since >= ACKNOWLEDGED_WITHIN_S
        ]
        for tunnel in late:
            self.drop(tunnel)
        return late


class TunnelServer(_Side):
    """The server: devices open tunnels to us, of protocols that somebody answers."""

    _TRANSFER, _ERROR = wire.TransferDataToClient, wire.TransferDataErrorToClient
    _ACKNOWLEDGE, _IS_READY = wire.AckTransferDataToClient, wire.ReadyDataToClient

    def __init__(self, transfer: int = OUR_TRANSFER, close_timeout_s: int = CLOSE_TIMEOUT_S) -> None:
        super().__init__(transfer)
        self.close_timeout_s = close_timeout_s
        self.protocols: dict[Protocol, bool] = {}
        """What is answered, and whether with flow control where the device wants it."""
        self._last = NO_TUNNEL

    def register(self, protocol: Protocol, *, flow_control: bool = True) -> None:
        """Somebody answers a protocol. Raises `OverflowError` when there are too many."""
        if protocol not in self.protocols and len(self.protocols) >= MAX_PROTOCOLS:
            raise OverflowError(f"{MAX_PROTOCOLS} protocols are answered already")
        self.protocols[protocol] = flow_control

    def unregister(self, protocol: Protocol) -> list[Tunnel]:
        """Nobody answers it any more: its tunnels, which are closed."""
        self.protocols.pop(protocol, None)
        gone = [tunnel for tunnel in self if tunnel.protocol == protocol]
        for tunnel in gone:
            self.drop(tunnel)
        return gone

    def request(
        self, peer: Peer, asked: wire.RequestTunnel, now: float
    ) -> tuple[wire.RequestTunnelResponse, Tunnel | None]:
        """A device wants a tunnel: the answer, and the tunnel if there is one now."""
        status, protocol = self._check(asked)
        if protocol is None:
            return wire.RequestTunnelResponse(
                tunnel=NO_TUNNEL, status=status, max_incoming_transfer=self.transfer
            ), None
        tunnel = Tunnel(
            peer=peer,
            number=self._free_number(),
            protocol=protocol,
            flow_control=bool(asked.flow_control),
            transfer=asked.max_incoming_transfer or wire.DEFAULT_TRANSFER,
            used_at=now,
        )
        self._tunnels[peer, tunnel.number] = tunnel
        return wire.RequestTunnelResponse(
            tunnel=tunnel.number, status=status, max_incoming_transfer=self.transfer
        ), tunnel

    def _check(self, asked: wire.RequestTunnel) -> tuple[TunnelStatus, Protocol | None]:
        try:
            protocol = Protocol(asked.protocol, asked.manufacturer)
        except ValueError:
            return TunnelStatus.PROTOCOL_NOT_SUPPORTED, None
        if protocol not in self.protocols:
            return TunnelStatus.PROTOCOL_NOT_SUPPORTED, None
        if asked.flow_control and not self.protocols[protocol]:
            return TunnelStatus.FLOW_CONTROL_NOT_SUPPORTED, None
        if len(self) >= MAX_TUNNELS:
            return TunnelStatus.NO_MORE_TUNNELS, None
        if sum(tunnel.protocol == protocol for tunnel in self) >= MAX_OF_PROTOCOL:
            return TunnelStatus.BUSY, None
        return TunnelStatus.SUCCESS, protocol

    def _free_number(self) -> int:
        """One after another: a late frame of a closed tunnel must not come into a new one."""
        used = {number for _, number in self._tunnels}
        while True:
            self._last = (self._last + 1) % NO_TUNNEL
            if self._last not in used:
                return self._last

    def supported(self, offset: int, room: int) -> wire.SupportedTunnelProtocolsResponse:
        """Get Supported Tunnel Protocols: from the `offset`th on, as many as go into `room` bytes."""
        ordered = sorted(
            self.protocols, key=lambda one: (one.manufacturer != NO_MANUFACTURER, one.number, one.manufacturer)
        )
        rows = ordered[offset:]
        shown = rows[: max(0, (room - 2) // 3)]
        listed = tuple(wire.SupportedProtocol(one.manufacturer, one.number) for one in shown)
        return wire.SupportedTunnelProtocolsResponse(int(len(shown) == len(rows)), listed)

    def receive(self, peer: Peer, command: SeCommand, now: float) -> Heard:
        """A command of a client but its request."""
        match command:
            case wire.CloseTunnel():
                tunnel = self._of(peer, command.tunnel)
                if tunnel is None:
                    return UNKNOWN
                self.drop(tunnel)
                return Heard(tunnel=tunnel, closed=Closed.THERE)
            case wire.TransferDataToServer():
                return self._receive(peer, command, now)
            case wire.TransferDataErrorToServer():
                return self._refused(peer, command, now)
            case wire.AckTransferDataToServer():
                return self._acknowledged(peer, command, now)
        return UNKNOWN

    def goodbye(self, tunnel: Tunnel) -> SeCommand:
        """What the client is told when we close a tunnel."""
        return wire.TunnelClosureNotification(tunnel.number)

    def due(self, now: float) -> list[tuple[Tunnel, Closed]]:
        """Tunnels that are closed now, and why; their clients are to be told."""
        late = [(tunnel, Closed.UNANSWERED) for tunnel in self._unanswered(now)]
        idle = [tunnel for tunnel in self if now - tunnel.used_at >= self.close_timeout_s]
        for tunnel in idle:
            self.drop(tunnel)
        return late + [(tunnel, Closed.IDLE) for tunnel in idle]


class TunnelClient(_Side):
    """The client: we open tunnels to devices."""

    _TRANSFER, _ERROR = wire.TransferDataToServer, wire.TransferDataErrorToServer
    _ACKNOWLEDGE, _IS_READY = wire.AckTransferDataToServer, wire.ReadyDataToServer

    def __init__(self, transfer: int = OUR_TRANSFER) -> None:
        super().__init__(transfer)
        self._early: dict[Peer, list[Transfer]] = {}

    def request(self, peer: Peer, protocol: Protocol, *, flow_control: bool) -> wire.RequestTunnel:
        """What a server is asked. Until `opened` or `failed` its first data may come before we know of the tunnel."""
        self._early[peer] = []
        return wire.RequestTunnel(
            protocol=protocol.number,
            manufacturer=protocol.manufacturer,
            flow_control=int(flow_control),
            max_incoming_transfer=self.transfer,
        )

    def failed(self, peer: Peer) -> None:
        """No tunnel was opened."""
        self._early.pop(peer, None)

    def opened(
        self, peer: Peer, protocol: Protocol, answer: wire.RequestTunnelResponse, now: float, *, flow_control: bool
    ) -> tuple[Tunnel, list[Heard]]:
        """A server has opened a tunnel; what has come through it already. `answer` says success."""
        tunnel = Tunnel(
            peer=peer,
            number=answer.tunnel,
            protocol=protocol,
            flow_control=flow_control,
            transfer=answer.max_incoming_transfer or wire.DEFAULT_TRANSFER,
            used_at=now,
        )
        self._tunnels[peer, tunnel.number] = tunnel
        early = [command for command in self._early.pop(peer, []) if command.tunnel == tunnel.number]
        return tunnel, [self._receive(peer, command, now) for command in early]

    def receive(self, peer: Peer, command: SeCommand, now: float) -> Heard:
        """A command of a server but its answer to a request."""
        match command:
            case wire.TunnelClosureNotification():
                tunnel = self._of(peer, command.tunnel)
                if tunnel is None:
                    return UNKNOWN
                self.drop(tunnel)
                return Heard(tunnel=tunnel, closed=Closed.THERE)
            case wire.TransferDataToServer() if peer in self._early and self._of(peer, command.tunnel) is None:
                if len(self._early[peer]) >= MAX_EARLY:
                    return Heard(answers=(self._ERROR(command.tunnel, TransferStatus.DATA_OVERFLOW),))
                self._early[peer].append(command)
                return NOTHING
            case wire.TransferDataToServer():
                return self._receive(peer, command, now)
            case wire.TransferDataErrorToServer():
                return self._refused(peer, command, now)
            case wire.AckTransferDataToServer():
                return self._acknowledged(peer, command, now)
        return UNKNOWN

    def goodbye(self, tunnel: Tunnel) -> SeCommand:
        """What the server is told when we close a tunnel."""
        return wire.CloseTunnel(tunnel.number)

    def due(self, now: float) -> list[tuple[Tunnel, Closed]]:
        """Tunnels that are closed now, and why; their servers are to be told."""
        return [(tunnel, Closed.UNANSWERED) for tunnel in self._unanswered(now)]
