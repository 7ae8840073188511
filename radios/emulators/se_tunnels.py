"""An emulated meter that serves tunnels, and opens them: a manufacturer's protocol, whose server echoes what comes."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass, field

from radios.emulators import zcl
from radios.emulators.air import COORDINATOR, AirFrame
from radios.emulators.attributes import Attribute
from radios.emulators.device import SMART_ENERGY, Cluster
from radios.emulators.errors import EmulatorError
from radios.emulators.se_clients import TimeClient
from radios.emulators.se_endpoint import (
    ENDPOINT,
    MATCH_DESCRIPTOR,
    MATCH_DESCRIPTOR_RESPONSE,
    Client,
    Peer,
    SmartEnergyDevice,
)

TUNNELING = 0x0704
METERING_DEVICE = 0x0501
PROTOCOL, MAKER = 200, 0x1234
"""What it speaks: its maker's own."""
OPEN, BUSY, NO_MORE, NOT_SUPPORTED, NO_FLOW_CONTROL = range(5)
NO_SUCH_TUNNEL, WRONG_DEVICE, OVERFLOW = range(3)
MAX_TUNNELS = 2
TRANSFER = 0x0060
"""Bytes that it takes at once: few."""
PACKET = 64
"""Bytes of data that it puts into one frame."""
NO_TUNNEL = 0xFFFF
STATUSES = {
    OPEN: "open",
    BUSY: "busy",
    NO_MORE: "no tunnel left",
    NOT_SUPPORTED: "protocol not supported",
    NO_FLOW_CONTROL: "no flow control",
}


class Up:
    """Commands to a server."""

    REQUEST, CLOSE, DATA, ERROR, ACKNOWLEDGE, READY, SUPPORTED = range(7)


class Down:
    """Commands to a client."""

    REQUESTED, DATA, ERROR, ACKNOWLEDGE, READY, SUPPORTED, CLOSED = range(7)


@dataclass(slots=True)
class Line:
    """A tunnel."""

    peer: Peer
    flow_control: bool
    waiting: deque[bytes] = field(default_factory=deque)
    is_acknowledged: bool = True
    room: int = TRANSFER
    received: bytes = b""


class TunnelMeter(SmartEnergyDevice):
    """Echoes what comes through tunnels that others open, and keeps what comes through its own."""

    kind = "tunnel-meter"
    manufacturer, model = "Example", "tunnel-meter"
    device_type = METERING_DEVICE

    def build(self) -> None:
        """Both sides of the cluster."""
        super().build()
        self.served: dict[int, Line] = {}
        """Tunnels that others have opened."""
        self.own: dict[int, Line] = {}
        """Tunnels that it has opened."""
        self.status: int | None = None
        """What its last request was answered; None: nothing yet."""
        self.supported: list[tuple[int, int]] | None = None
        """Protocols that a server has told, manufacturer and number; None: it was not asked."""
        self.errors: list[tuple[int, int]] = []
        """Transfer Data Errors that it got: tunnel and status."""
        self._server: Peer | None = None
        self._question: tuple[int, bytes] | None = None
        self._with_flow_control = False
        """Of the last request."""
        self._next = 0
        place = self.endpoints[ENDPOINT]
        place.servers[TUNNELING] = Cluster({0x0000: Attribute(zcl.UINT16, 600)}, hear=self._serve)
        place.clients = (*place.clients, TUNNELING)
        place.client_sides[TUNNELING] = Cluster(hear=self._hear)

    def make_clients(self) -> tuple[Client, ...]:
        """It wants to know the time."""
        return (TimeClient(self),)

    def _tell(self, peer: Peer, command: int, body: bytes, *, to_client: bool) -> None:
        frame = zcl.frame(self.next_tsn(), command, body, is_cluster=True, to_client=to_client)
        self.say(ENDPOINT, TUNNELING, frame, to=peer.short, to_endpoint=peer.endpoint)

    # -- the server ----------------------------------------------------------------------------------------------------

    def _serve(self, frame: AirFrame, header: zcl.Header, payload: bytes) -> int | tuple[int, bytes] | None:
        """A command of a client."""
        if not header.is_cluster:
            return None
        peer = Peer(frame.source, frame.source_endpoint)
        if header.command == Up.REQUEST:
            return self._requested(peer, payload)
        if header.command == Up.SUPPORTED:
            rows = struct.pack("<HB", MAKER, PROTOCOL) if payload[0] == 0 else b""
            return Down.SUPPORTED, bytes((1, len(rows) // 3)) + rows
        [number] = struct.unpack_from("<H", payload)
        line = self.served.get(number)
        if line is None or line.peer != peer:
            if header.command != Up.DATA:
                return zcl.NOT_FOUND
            return Down.ERROR, struct.pack("<HB", number, NO_SUCH_TUNNEL if line is None else WRONG_DEVICE)
        match header.command:
            case Up.CLOSE:
                del self.served[number]
            case Up.DATA:
                if len(payload) - 2 > TRANSFER:
                    return Down.ERROR, struct.pack("<HB", number, OVERFLOW)
                line.received += payload[2:]
                line.waiting.extend(payload[at : at + PACKET] for at in range(2, len(payload), PACKET))
                if line.flow_control:
                    self._tell(peer, Down.ACKNOWLEDGE, struct.pack("<HH", number, TRANSFER), to_client=True)
                self._flow(number, line, Down.DATA, to_client=True)
            case Up.ERROR:
                self.errors.append((number, payload[2]))
            case Up.ACKNOWLEDGE | Up.READY:
                line.is_acknowledged, line.room = True, struct.unpack_from("<H", payload, 2)[0]
                self._flow(number, line, Down.DATA, to_client=True)
            case _:
                return zcl.UNSUP_CLUSTER_COMMAND
        return zcl.SUCCESS

    def _requested(self, peer: Peer, payload: bytes) -> tuple[int, bytes]:
        protocol, manufacturer, flow_control = struct.unpack_from("<BHB", payload)
        status = OPEN
        if (protocol, manufacturer) != (PROTOCOL, MAKER):
            status = NOT_SUPPORTED
        elif len(self.served) >= MAX_TUNNELS:
            status = NO_MORE
        number = NO_TUNNEL
        if status == OPEN:
            number, self._next = self._next, self._next + 1
            self.served[number] = Line(peer, bool(flow_control))
        return Down.REQUESTED, struct.pack("<HBH", number, status, TRANSFER)

    def close_served(self) -> None:
        """Close all tunnels that others have opened, and tell them."""
        for number, line in self.served.items():
            self._tell(line.peer, Down.CLOSED, struct.pack("<H", number), to_client=True)
        self.served.clear()

    # -- the client ----------------------------------------------------------------------------------------------------

    def open_tunnel(self, protocol: int = PROTOCOL, manufacturer: int = MAKER, *, flow_control: bool = False) -> None:
        """Look for a server at the coordinator, and ask it for a tunnel."""
        self.status, self._with_flow_control = None, flow_control
        body = struct.pack("<BHBH", protocol, manufacturer, flow_control, TRANSFER)
        self._ask(Up.REQUEST, body)

    def ask_protocols(self) -> None:
        """Ask the coordinator what it supports."""
        self._ask(Up.SUPPORTED, b"\x00")

    def _ask(self, command: int, body: bytes) -> None:
        if self._server is not None:
            self._tell(self._server, command, body, to_client=False)
            return
        self._question = command, body
        search = struct.pack("<BHHBHB", self.next_tsn(), COORDINATOR, SMART_ENERGY, 1, TUNNELING, 0)
        self._send(0, 0, 0, MATCH_DESCRIPTOR, search, COORDINATOR)

    def object_answered(self, cluster: int, tsn: int, body: bytes) -> None:
        """Somebody serves tunnels."""
        super().object_answered(cluster, tsn, body)
        if cluster == MATCH_DESCRIPTOR_RESPONSE and self._question is not None and len(body) >= 5 and body[0] == 0:
            self._server = Peer(body[1] | body[2] << 8, body[4])
            asked, self._question = self._question, None
            self._tell(self._server, *asked, to_client=False)

    def send(self, number: int, data: bytes) -> None:
        """Send through a tunnel of its own. Raises `EmulatorError`."""
        line = self.own.get(number)
        if line is None:
            raise EmulatorError(f"it has not opened a tunnel {number}")
        line.waiting.extend(data[at : at + PACKET] for at in range(0, len(data), PACKET))
        self._flow(number, line, Up.DATA, to_client=False)

    def close(self, number: int) -> None:
        """Close a tunnel of its own. Raises `EmulatorError`."""
        line = self.own.pop(number, None)
        if line is None:
            raise EmulatorError(f"it has not opened a tunnel {number}")
        self._tell(line.peer, Up.CLOSE, struct.pack("<H", number), to_client=False)

    def _hear(self, frame: AirFrame, header: zcl.Header, payload: bytes) -> int | tuple[int, bytes] | None:
        """A command of a server."""
        if not header.is_cluster:
            return None
        peer = Peer(frame.source, frame.source_endpoint)
        if header.command == Down.SUPPORTED:
            rows = [struct.unpack_from("<HB", payload, 2 + 3 * at) for at in range(payload[1])]
            self.supported = [(manufacturer, protocol) for manufacturer, protocol in rows]
            return zcl.SUCCESS
        [number] = struct.unpack_from("<H", payload)
        if header.command == Down.REQUESTED:
            self.status = payload[2]
            if self.status == OPEN:
                self.own[number] = Line(peer, self._with_flow_control)
            return zcl.SUCCESS
        line = self.own.get(number)
        if line is None:
            return zcl.NOT_FOUND
        match header.command:
            case Down.DATA:
                line.received += payload[2:]
                if line.flow_control:
                    self._tell(peer, Up.ACKNOWLEDGE, struct.pack("<HH", number, TRANSFER), to_client=False)
            case Down.ERROR:
                self.errors.append((number, payload[2]))
            case Down.ACKNOWLEDGE | Down.READY:
                line.is_acknowledged, line.room = True, struct.unpack_from("<H", payload, 2)[0]
                self._flow(number, line, Up.DATA, to_client=False)
            case Down.CLOSED:
                del self.own[number]
            case _:
                return zcl.UNSUP_CLUSTER_COMMAND
        return zcl.SUCCESS

    # -- both ----------------------------------------------------------------------------------------------------------

    def _flow(self, number: int, line: Line, command: int, *, to_client: bool) -> None:
        """Send what waits, as far as the other side has room."""
        while line.waiting:
            if line.flow_control and (not line.is_acknowledged or line.room < len(line.waiting[0])):
                return
            line.is_acknowledged = not line.flow_control
            self._tell(line.peer, command, struct.pack("<H", number) + line.waiting.popleft(), to_client=to_client)

    def shown(self) -> dict[str, object]:
        """Its tunnels."""
        return super().shown() | {
            "served": {str(number): len(line.received) for number, line in self.served.items()},
            "tunnels": {str(number): line.received.decode(errors="replace") for number, line in self.own.items()},
            "status": None if self.status is None else STATUSES.get(self.status, str(self.status)),
        }
