"""ZigBee Device Objects: requests and responses on endpoint 0, profile 0 (R21: Zigbee specification 05-3474-21, 2.4).

On the air a transaction number comes first, which `encode_zdo` and `decode_zdo` put in front and take off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from protocols.errors import RangeError, TruncatedError
from protocols.fields import U8, U16, U64, OpenEnum, u8, u16, u32, u64
from protocols.ids import Eui64
from protocols.packet import Counted, Packet, Repeated
from protocols.record import record

eui64 = Annotated[Eui64, U64]
RESPONSE_BIT = 0x8000
"""Set in the cluster id of a response."""


class ZdoStatus(OpenEnum):
    """R21, 2.4.5."""

    SUCCESS = 0x00
    INV_REQUESTTYPE = 0x80
    DEVICE_NOT_FOUND = 0x81
    INVALID_EP = 0x82
    NOT_ACTIVE = 0x83
    NOT_SUPPORTED = 0x84
    TIMEOUT = 0x85
    NO_MATCH = 0x86
    NO_ENTRY = 0x88
    NO_DESCRIPTOR = 0x89
    INSUFFICIENT_SPACE = 0x8A
    NOT_PERMITTED = 0x8B
    TABLE_FULL = 0x8C
    NOT_AUTHORIZED = 0x8D
    DEVICE_BINDING_TABLE_FULL = 0x8E


class ZdoRequest(Packet):
    """Base of requests, and of announcements, which nobody answers."""

    __slots__ = ()
    CLUSTER: ClassVar[int]


class ZdoResponse(Packet):
    """Base of responses: with another status than success all that follows may be missing."""

    __slots__ = ()
    CLUSTER: ClassVar[int]


# -- descriptors -----------------------------------------------------------------------------------------------------


class MacCapability:
    """Bits of a device's capability (R21, 2.3.2.3.6)."""

    ALTERNATE_COORDINATOR = 0x01
    FULL_FUNCTION = 0x02
    MAINS_POWERED = 0x04
    RECEIVER_ON_WHEN_IDLE = 0x08
    HIGH_SECURITY = 0x40
    ALLOCATE_ADDRESS = 0x80


class LogicalType(OpenEnum):
    """What a device is to its network."""

    COORDINATOR = 0
    ROUTER = 1
    END_DEVICE = 2


@record
class NodeDescriptor(Packet):
    """R21, 2.3.2.3: 13 bytes."""

    flags: u8
    """Bits 0 to 2: logical type; bit 3: has a complex descriptor; bit 4: has a user descriptor."""
    bands: u8
    """Bits 3 to 7: frequency bands, bit 6 is 2.4 GHz; bits 0 to 2: APS flags."""
    mac_capability: u8
    manufacturer: u16
    max_buffer: u8
    max_incoming: u16
    server_mask: u16
    max_outgoing: u16
    descriptor_capability: u8

    @property
    def logical_type(self) -> LogicalType:
        """Coordinator, router or end device."""
        return LogicalType(self.flags & 0x07)


@record
class PowerDescriptor(Packet):
    """R21, 2.3.2.4: four numbers of four bits."""

    mode_and_sources: u8
    """Low: current mode, 0 follows the receiver, 1 periodically, 2 when stimulated. High: bits of available sources."""
    source_and_level: u8
    """Low: bit of the current source, 1 mains, 2 rechargeable, 4 disposable. High: 0 critical, 4, 8, 12 full."""

    @property
    def is_on_mains(self) -> bool:
        """It runs on mains power now."""
        return bool(self.source_and_level & 0x01)

    @property
    def level_percent(self) -> int | None:
        """How full its source is: 0 (critical), 33, 66 or 100; None for a number that the standard does not have."""
        return {0b0000: 0, 0b0100: 33, 0b1000: 66, 0b1100: 100}.get(self.source_and_level >> 4)


@record
class SimpleDescriptor(Packet):
    """R21, 2.3.2.5: what an endpoint is."""

    endpoint: u8
    profile: u16
    device_type: u16
    version: u8
    """Low four bits: version of the device type."""
    input_clusters: Annotated[tuple[int, ...], Counted(U8, U16)] = ()
    """Server side."""
    output_clusters: Annotated[tuple[int, ...], Counted(U8, U16)] = ()
    """Client side."""


@dataclass(frozen=True, slots=True)
class SizedSimpleDescriptor:
    """A simple descriptor behind its length, on the wire of `SimpleDescriptorResponse`.

    The length of some devices is wrong (ZIGATE-GUIDE, step 4): the descriptor is read by its own counts, and a list
    that breaks off is taken as far as it goes.
    """

    def read(self, data: bytes, offset: int, order: str) -> tuple[SimpleDescriptor | None, int]:
        """See `protocols.packet.Wire`."""
        size = data[offset]
        if size == 0:
            return None, offset + 1
        body = data[offset + 1 :]
        try:
            found, used = SimpleDescriptor.decode_part(body)
        except TruncatedError:
            if len(body) < 6:
                raise
            inputs, at = _as_far(body, 6)
            outputs, _ = _as_far(body, at)
            head = body[:6]
            found = SimpleDescriptor(
                head[0],
                int.from_bytes(head[1:3], "little"),
                int.from_bytes(head[3:5], "little"),
                head[5],
                inputs,
                outputs,
            )
            used = len(body)
        return found, offset + 1 + used

    def write(self, value: SimpleDescriptor | None, order: str) -> bytes:
        """See `protocols.packet.Wire`."""
        body = value.encode() if value is not None else b""
        if len(body) > 0xFF:
            raise ValueError("a descriptor of at most 255 bytes")
        return bytes((len(body),)) + body


def _as_far(body: bytes, at: int) -> tuple[tuple[int, ...], int]:
    """The clusters counted at `at`, as far as the bytes go."""
    if at >= len(body):
        return (), len(body)
    whole = min(body[at], (len(body) - at - 1) // 2)
    start = at + 1
    return tuple(int.from_bytes(body[i : i + 2], "little") for i in range(start, start + 2 * whole, 2)), (
        start + 2 * body[at]
    )


SIMPLE_DESCRIPTOR = SizedSimpleDescriptor()


# -- addresses and descriptors: requests and responses ---------------------------------------------------------------


@record
class NwkAddressRequest(ZdoRequest):
    """Which network address has this extended address; by broadcast."""

    CLUSTER = 0x0000
    ieee: eui64
    request_type: u8 = 0
    """0: only the address; 1: with its children."""
    start_index: u8 = 0


@record
class AddressResponse(ZdoResponse):
    """Base of the two answers about addresses."""

    status: Annotated[ZdoStatus, U8]
    ieee: Annotated[Eui64, U64] | None = None
    short: u16 | None = None
    count: u8 | None = None
    start_index: u8 | None = None
    children: Annotated[tuple[int, ...], Repeated(U16)] | None = None


@record
class NwkAddressResponse(AddressResponse):
    """The network address."""

    CLUSTER = 0x8000


@record
class IeeeAddressRequest(ZdoRequest):
    """Which extended address has this network address."""

    CLUSTER = 0x0001
    short: u16
    request_type: u8 = 0
    start_index: u8 = 0


@record
class IeeeAddressResponse(AddressResponse):
    """The extended address."""

    CLUSTER = 0x8001


@record
class NodeDescriptorRequest(ZdoRequest):
    """What the device is."""

    CLUSTER = 0x0002
    short: u16


@record
class NodeDescriptorResponse(ZdoResponse):
    """The node descriptor."""

    CLUSTER = 0x8002
    status: Annotated[ZdoStatus, U8]
    short: u16 | None = None
    descriptor: NodeDescriptor | None = None


@record
class PowerDescriptorRequest(ZdoRequest):
    """How the device is powered."""

    CLUSTER = 0x0003
    short: u16


@record
class PowerDescriptorResponse(ZdoResponse):
    """The power descriptor."""

    CLUSTER = 0x8003
    status: Annotated[ZdoStatus, U8]
    short: u16 | None = None
    descriptor: PowerDescriptor | None = None


@record
class SimpleDescriptorRequest(ZdoRequest):
    """What an endpoint is."""

    CLUSTER = 0x0004
    short: u16
    endpoint: u8


@record
class SimpleDescriptorResponse(ZdoResponse):
    """The simple descriptor."""

    CLUSTER = 0x8004
    status: Annotated[ZdoStatus, U8]
    short: u16 | None = None
    descriptor: Annotated[SimpleDescriptor, SIMPLE_DESCRIPTOR] | None = None

    def encode(self) -> bytes:
        """The payload; without a descriptor its length, 0, is there all the same (R21, 2.4.4.1.5)."""
        is_there = self.descriptor is not None or self.short is None
        return ZdoResponse.encode(self) + (b"" if is_there else b"\x00")


@record
class ActiveEndpointsRequest(ZdoRequest):
    """Which endpoints there are."""

    CLUSTER = 0x0005
    short: u16


@record
class ActiveEndpointsResponse(ZdoResponse):
    """The endpoints."""

    CLUSTER = 0x8005
    status: Annotated[ZdoStatus, U8]
    short: u16 | None = None
    endpoints: Annotated[tuple[int, ...], Counted(U8, U8)] | None = None


@record
class MatchDescriptorRequest(ZdoRequest):
    """Which endpoints have one of these clusters."""

    CLUSTER = 0x0006
    short: u16
    """Of whom: a device, or a broadcast address."""
    profile: u16
    input_clusters: Annotated[tuple[int, ...], Counted(U8, U16)] = ()
    output_clusters: Annotated[tuple[int, ...], Counted(U8, U16)] = ()


@record
class MatchDescriptorResponse(ZdoResponse):
    """The endpoints that match."""

    CLUSTER = 0x8006
    status: Annotated[ZdoStatus, U8]
    short: u16 | None = None
    endpoints: Annotated[tuple[int, ...], Counted(U8, U8)] | None = None


@record
class DeviceAnnounce(ZdoRequest):
    """A device says that it is there; nobody answers."""

    CLUSTER = 0x0013
    short: u16
    ieee: eui64
    mac_capability: u8


@record
class ParentAnnounce(ZdoRequest):
    """A router says which children it has after a restart."""

    CLUSTER = 0x001F
    children: Annotated[tuple[int, ...], Counted(U8, U64)] = ()


# -- bindings --------------------------------------------------------------------------------------------------------

TO_GROUP, TO_DEVICE = 0x01, 0x03


@dataclass(frozen=True, slots=True)
class BindTarget:
    """Where a binding leads: a group, or an endpoint of a device."""

    group: int | None = None
    ieee: Eui64 | None = None
    endpoint: int | None = None


@dataclass(frozen=True, slots=True)
class BindTargetWire:
    """A `BindTarget` behind its address mode."""

    def read(self, data: bytes, offset: int, order: str) -> tuple[BindTarget, int]:
        """See `protocols.packet.Wire`."""
        mode = data[offset]
        if mode == TO_GROUP:
            end = offset + 3
            if end > len(data):
                raise IndexError
            return BindTarget(group=int.from_bytes(data[offset + 1 : end], "little")), end
        if mode != TO_DEVICE:
            raise RangeError("address mode", mode, "1 (group) or 3 (device)")
        end = offset + 10
        if end > len(data):
            raise IndexError
        return BindTarget(ieee=Eui64(int.from_bytes(data[offset + 1 : end - 1], "little")), endpoint=data[end - 1]), end

    def write(self, value: BindTarget, order: str) -> bytes:
        """See `protocols.packet.Wire`."""
        if value.group is not None and value.ieee is None:
            return bytes((TO_GROUP,)) + value.group.to_bytes(2, "little")
        if value.ieee is None or value.endpoint is None:
            raise RangeError("BindTarget", value, "a group, or an extended address with an endpoint")
        return bytes((TO_DEVICE,)) + value.ieee.to_bytes(8, "little") + bytes((value.endpoint,))


BIND_TARGET = BindTargetWire()


@record
class Binding(Packet):
    """From a cluster of an endpoint to a target: a row of a binding table (R21, 2.4.4.3.4)."""

    ieee: eui64
    endpoint: u8
    cluster: u16
    target: Annotated[BindTarget, BIND_TARGET]


@record
class BindRequest(ZdoRequest):
    """Make a binding in the device that is asked; `binding.ieee` is that device."""

    CLUSTER = 0x0021
    binding: Binding


@record
class UnbindRequest(ZdoRequest):
    """Undo a binding."""

    CLUSTER = 0x0022
    binding: Binding


@record
class BindResponse(ZdoResponse):
    """How binding ended."""

    CLUSTER = 0x8021
    status: Annotated[ZdoStatus, U8]


@record
class UnbindResponse(ZdoResponse):
    """How undoing a binding ended."""

    CLUSTER = 0x8022
    status: Annotated[ZdoStatus, U8]


# -- network management ----------------------------------------------------------------------------------------------


@record
class MgmtLqiRequest(ZdoRequest):
    """Ask for the neighbour table, from a row on."""

    CLUSTER = 0x0031
    start_index: u8


@record
class NeighbourRow(Packet):
    """R21, 2.4.4.3.2: whom a device hears."""

    extended_pan_id: u64
    ieee: eui64
    short: u16
    flags: u8
    """Bits 0-1 device type (0 coordinator, 1 router, 2 end device), 2-3 receiver on when idle (0 off, 1 on), 4-6
    relationship (0 parent, 1 child, 2 sibling, 3 none, 4 previous child)."""
    permit_joining: u8
    """Bits 0-1: 0 no, 1 yes, 2 unknown."""
    depth: u8
    lqi: u8

    @property
    def logical_type(self) -> int:
        """0 coordinator, 1 router, 2 end device, 3 unknown."""
        return self.flags & 0x03

    @property
    def relationship(self) -> int:
        """0 parent, 1 child, 2 sibling, 3 none, 4 previous child."""
        return (self.flags >> 4) & 0x07


@record
class MgmtLqiResponse(ZdoResponse):
    """A part of the neighbour table."""

    CLUSTER = 0x8031
    status: Annotated[ZdoStatus, U8]
    total: u8 | None = None
    start_index: u8 | None = None
    neighbours: Annotated[tuple[NeighbourRow, ...], Counted(U8, NeighbourRow)] | None = None


@record
class MgmtRoutingRequest(ZdoRequest):
    """Ask for the routing table, from a row on."""

    CLUSTER = 0x0032
    start_index: u8


@record
class RoutingRow(Packet):
    """R21, 2.4.4.3.3: which way frames go."""

    destination: u16
    flags: u8
    """Bits 0-2: 0 active, 1 discovery underway, 2 discovery failed, 3 inactive."""
    next_hop: u16


@record
class MgmtRoutingResponse(ZdoResponse):
    """A part of the routing table."""

    CLUSTER = 0x8032
    status: Annotated[ZdoStatus, U8]
    total: u8 | None = None
    start_index: u8 | None = None
    routes: Annotated[tuple[RoutingRow, ...], Counted(U8, RoutingRow)] | None = None


@record
class MgmtBindRequest(ZdoRequest):
    """Ask for the binding table, from a row on."""

    CLUSTER = 0x0033
    start_index: u8


@record
class MgmtBindResponse(ZdoResponse):
    """A part of the binding table."""

    CLUSTER = 0x8033
    status: Annotated[ZdoStatus, U8]
    total: u8 | None = None
    start_index: u8 | None = None
    bindings: Annotated[tuple[Binding, ...], Counted(U8, Binding)] | None = None


REMOVE_CHILDREN, REJOIN = 0x40, 0x80


@record
class MgmtLeaveRequest(ZdoRequest):
    """Ask a device to leave, or to make its child leave; all zero: itself."""

    CLUSTER = 0x0034
    ieee: eui64
    flags: u8 = 0
    """REMOVE_CHILDREN, REJOIN."""


@record
class MgmtLeaveResponse(ZdoResponse):
    """How it was taken."""

    CLUSTER = 0x8034
    status: Annotated[ZdoStatus, U8]


@record
class MgmtPermitJoiningRequest(ZdoRequest):
    """Open joining at a device for `duration` s; 0 closes it, 255 is for ever (until R20)."""

    CLUSTER = 0x0036
    duration: u8
    tc_significance: u8 = 1
    """R21 always sends 1."""


@record
class MgmtPermitJoiningResponse(ZdoResponse):
    """How it was taken."""

    CLUSTER = 0x8036
    status: Annotated[ZdoStatus, U8]


@record
class MgmtNwkUpdateRequest(ZdoRequest):
    """Energy scan (`duration` 0 to 5), channel move (0xFE) or channel mask (0xFF)."""

    CLUSTER = 0x0038
    channels: u32
    duration: u8
    count_or_update_id: u8 | None = None
    """Number of scans with `duration` 0 to 5, the network's update id with 0xFE and 0xFF."""
    update_manager: u16 | None = None
    """Only with 0xFF."""


@record
class MgmtNwkUpdateNotify(ZdoResponse):
    """What a scan heard."""

    CLUSTER = 0x8038
    status: Annotated[ZdoStatus, U8]
    channels: u32 | None = None
    total: u16 | None = None
    failures: u16 | None = None
    energy: Annotated[tuple[int, ...], Counted(U8, U8)] | None = None


@dataclass(frozen=True, slots=True)
class UnknownZdo:
    """A request or response that is not described here."""

    cluster: int
    payload: bytes


ZdoCommand = ZdoRequest | ZdoResponse


def _classes() -> dict[int, type[ZdoRequest] | type[ZdoResponse]]:
    return {
        found.__dict__["CLUSTER"]: found
        for found in globals().values()
        if isinstance(found, type) and issubclass(found, ZdoRequest | ZdoResponse) and "CLUSTER" in found.__dict__
    }


CLASSES: dict[int, type[ZdoRequest] | type[ZdoResponse]] = _classes()
"""Cluster id -> class."""


def encode_zdo(tsn: int, command: ZdoCommand) -> bytes:
    """The payload of an APS frame."""
    return bytes((tsn,)) + command.encode()


def decode_zdo(cluster: int, payload: bytes) -> tuple[int, ZdoCommand | UnknownZdo]:
    """Transaction number and command. Raises `CodecError`."""
    if not payload:
        raise TruncatedError("ZDO", 1, 0)
    found = CLASSES.get(cluster)
    if found is None:
        return payload[0], UnknownZdo(cluster, payload[1:])
    return payload[0], found.decode(payload[1:])
