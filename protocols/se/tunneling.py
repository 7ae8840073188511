"""Tunneling, cluster 0x0704 (Smart Energy profile 1.1b, D.6; 1.1.1 for what it adds)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from protocols.fields import U8, OpenEnum, u8, u16
from protocols.packet import Counted, Packet, Rest
from protocols.record import record
from protocols.se.base import Commands, SeCommand, SeVersion

CLUSTER = 0x0704
NO_TUNNEL, NO_MANUFACTURER = 0xFFFF, 0xFFFF
DEFAULT_TRANSFER = 0x05DC


class TunnelProtocol(OpenEnum):
    """What goes through a tunnel; 200 and more are manufacturers' own."""

    DLMS_COSEM = 0
    IEC_61107 = 1
    ANSI_C12 = 2
    M_BUS = 3
    SML = 4
    CLIMATE_TALK = 5
    GB_HRGP = 6
    IPV4 = 7
    IPV6 = 8
    NULL = 9


class TunnelStatus(OpenEnum):
    """How a request for a tunnel went."""

    SUCCESS = 0
    BUSY = 1
    NO_MORE_TUNNELS = 2
    PROTOCOL_NOT_SUPPORTED = 3
    FLOW_CONTROL_NOT_SUPPORTED = 4


class TransferStatus(OpenEnum):
    """Why data were not taken."""

    NO_SUCH_TUNNEL = 0
    WRONG_DEVICE = 1
    DATA_OVERFLOW = 2


@record(kw_only=True)
class RequestTunnel(SeCommand):
    """Client to server: open a tunnel."""

    CLUSTER, COMMAND = CLUSTER, 0x00
    SINCE: ClassVar[Mapping[str, SeVersion]] = {"max_incoming_transfer": SeVersion.V1_2}
    protocol: Annotated[TunnelProtocol, U8]
    manufacturer: u16 = NO_MANUFACTURER
    flow_control: u8 = 0
    max_incoming_transfer: u16 | None = None


@record
class CloseTunnel(SeCommand):
    """Client to server: close it."""

    CLUSTER, COMMAND = CLUSTER, 0x01
    tunnel: u16


@record
class TransferDataToServer(SeCommand):
    """Data, to the end of the frame."""

    CLUSTER, COMMAND = CLUSTER, 0x02
    tunnel: u16
    data: Annotated[bytes, Rest()]


@record
class TransferDataToClient(TransferDataToServer):
    """The other way."""

    COMMAND, TO_SERVER = 0x01, False


@record
class TransferDataErrorToServer(SeCommand):
    """Data were not taken."""

    CLUSTER, COMMAND = CLUSTER, 0x03
    tunnel: u16
    status: Annotated[TransferStatus, U8]


@record
class TransferDataErrorToClient(TransferDataErrorToServer):
    """The other way."""

    COMMAND, TO_SERVER = 0x02, False


@record
class AckTransferDataToServer(SeCommand):
    """Data were taken; so many bytes have room still."""

    CLUSTER, COMMAND = CLUSTER, 0x04
    tunnel: u16
    bytes_left: u16


@record
class AckTransferDataToClient(AckTransferDataToServer):
    """The other way."""

    COMMAND, TO_SERVER = 0x03, False


@record
class ReadyDataToServer(AckTransferDataToServer):
    """There is room again."""

    COMMAND = 0x05


@record
class ReadyDataToClient(AckTransferDataToServer):
    """The other way."""

    COMMAND, TO_SERVER = 0x04, False


@record
class GetSupportedTunnelProtocols(SeCommand):
    """Client to server: what may go through tunnels (SE 1.1.1)."""

    CLUSTER, COMMAND = CLUSTER, 0x06
    offset: u8


@record(kw_only=True)
class RequestTunnelResponse(SeCommand):
    """Server to client: the tunnel, or why there is none."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x00, False
    SINCE: ClassVar[Mapping[str, SeVersion]] = {"max_incoming_transfer": SeVersion.V1_2}
    tunnel: u16
    status: Annotated[TunnelStatus, U8]
    max_incoming_transfer: u16 | None = None


@record
class SupportedProtocol(Packet):
    """One of a list."""

    manufacturer: u16
    protocol: Annotated[TunnelProtocol, U8]


@record
class SupportedTunnelProtocolsResponse(SeCommand):
    """Server to client: what may go through tunnels (SE 1.1.1)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x05, False
    is_complete: u8
    protocols: Annotated[tuple[SupportedProtocol, ...], Counted(U8, SupportedProtocol)]


@record
class TunnelClosureNotification(SeCommand):
    """Server to client: a tunnel is closed."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x06, False
    tunnel: u16


COMMANDS = Commands(
    CLUSTER,
    RequestTunnel,
    CloseTunnel,
    TransferDataToServer,
    TransferDataToClient,
    TransferDataErrorToServer,
    TransferDataErrorToClient,
    AckTransferDataToServer,
    AckTransferDataToClient,
    ReadyDataToServer,
    ReadyDataToClient,
    GetSupportedTunnelProtocols,
    RequestTunnelResponse,
    SupportedTunnelProtocolsResponse,
    TunnelClosureNotification,
)
