"""What the stick says (ZIGATE; reference table "device to host"). Rarer ones are rows of `catalogue`.

Fields that newer firmware appends are optional tails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from protocols.errors import TruncatedError
from protocols.fields import U8, u8, u16, u32, u64
from protocols.packet import Counted, Packet, Repeated, Rest
from protocols.record import record
from protocols.zigate.address import ADDRESS, FAILED_ADDRESS, Address, ieee
from protocols.zigate.status import ExtendedError, RestartStatus, SerialStatus, StackStatus, StartStatus


class Response(Packet, order=">"):
    """Base of all that the stick says."""

    __slots__ = ()
    CODE: ClassVar[int]


@record
class DeviceListEntry(Packet, order=">"):
    """A row of the address map."""

    number: u8
    short: u16
    ieee: ieee
    mains_powered: u8
    lqi: u8


@record
class AttributeRecord(Response):
    """Base of attributes read, reported or written. `value` is most significant byte first, whatever its type."""

    sequence: u8
    short: u16
    endpoint: u8
    cluster: u16
    attribute: u16
    status: u8
    data_type: u8
    size: u16 | None = None
    value: Annotated[bytes, Rest()] | None = None


@record
class SimpleDescriptorResponse(Response):
    """A simple descriptor. Firmware before 3.0d cut the second list short; `is_truncated` says so."""

    CODE = 0x8043
    sequence: u8
    status: Annotated[StackStatus, U8]
    short: u16
    length: u8 = 0
    """What the device said; the lists are read by their own counts."""
    data: Annotated[bytes, Rest()] = b""

    @property
    def descriptor(self) -> SimpleDescriptor | None:
        """What is there of the descriptor; None if it holds nothing."""
        if len(self.data) < SimpleDescriptor.MINIMUM_BYTES:
            return None
        return SimpleDescriptor.read(self.data)


@dataclass(frozen=True, slots=True)
class SimpleDescriptor:
    """The descriptor inside `SimpleDescriptorResponse`."""

    MINIMUM_BYTES: ClassVar[int] = 7
    endpoint: int
    profile: int
    device_type: int
    bits: int
    input_count: int
    input_clusters: tuple[int, ...]
    output_count: int
    output_clusters: tuple[int, ...]

    @property
    def is_truncated(self) -> bool:
        """Fewer clusters are there than were counted."""
        return len(self.input_clusters) < self.input_count or len(self.output_clusters) < self.output_count

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read by the two counts, as far as the bytes go."""
        inputs, offset = _clusters(data, 7, data[6])
        count = data[offset] if offset < len(data) else 0
        outputs, _ = _clusters(data, offset + 1, count)
        return cls(
            data[0],
            int.from_bytes(data[1:3], "big"),
            int.from_bytes(data[3:5], "big"),
            data[5],
            data[6],
            inputs,
            count,
            outputs,
        )


def _clusters(data: bytes, offset: int, count: int) -> tuple[tuple[int, ...], int]:
    end = min(offset + 2 * count, len(data) - (len(data) - offset) % 2 if offset < len(data) else len(data))
    return tuple(int.from_bytes(data[at : at + 2], "big") for at in range(offset, end, 2)), offset + 2 * count


@record
class LqiEntry(Packet, order=">"):
    """A row of a neighbour table. `bits`: as the device sent them, type, relationship and permit joining."""

    short: u16
    extended_pan_id: u64
    ieee: ieee
    depth: u8
    lqi: u8
    bits: u8


@record
class LqiResponse(Response):
    """A part of a neighbour table. With another status than success there are counts, but no rows."""

    CODE = 0x804E
    sequence: u8
    status: Annotated[StackStatus, U8]
    total: u8 | None = None
    count: u8 | None = None
    start_index: u8 | None = None
    rows: Annotated[bytes, Rest()] = b""

    @property
    def neighbours(self) -> tuple[LqiEntry, ...]:
        """The rows that are there whole."""
        size = LqiEntry.MINIMUM
        whole = min(self.count or 0, len(self.rows) // size)
        return tuple(LqiEntry.decode(self.rows[at * size : (at + 1) * size]) for at in range(whole))

    @property
    def short(self) -> int | None:
        """Whose table it is (from 3.1a); None where the firmware does not tell."""
        tail = self.rows[len(self.neighbours) * LqiEntry.MINIMUM :]
        return int.from_bytes(tail, "big") if len(tail) == 2 else None


@record
class GroupMembership(Response):
    """The groups of a device. Before 3.0f its address comes first in `data`, later last."""

    CODE = 0x8062
    sequence: u8
    endpoint: u8
    cluster: u16
    data: Annotated[bytes, Rest()]

    def read(self) -> tuple[int | None, int, tuple[int, ...]]:
        """Network address where told, capacity, groups. Raises `TruncatedError`."""
        data = self.data
        for at, trailing in ((0, 2), (2, 0), (0, 0)):
            if len(data) < at + 2:
                continue
            count = data[at + 1]
            if len(data) != at + 2 + 2 * count + trailing:
                continue
            groups = tuple(int.from_bytes(data[i : i + 2], "big") for i in range(at + 2, at + 2 + 2 * count, 2))
            short = int.from_bytes(data[:2] if at else data[-2:], "big") if at or trailing else None
            return short, data[at], groups
        raise TruncatedError("GroupMembership", 2, len(data))


@record
class ConfigureReportingResponse(Response):
    """How configuring a report was taken. Newer firmware names the attribute before the status."""

    CODE = 0x8120
    sequence: u8
    short: u16
    endpoint: u8
    cluster: u16
    data: Annotated[bytes, Rest()]

    @property
    def attribute(self) -> int | None:
        """The attribute, where the firmware names it."""
        return int.from_bytes(self.data[:2], "big") if len(self.data) >= 3 else None

    @property
    def status(self) -> int:
        """ZCL status; 1 (failure) when even that is missing."""
        return self.data[-1] if self.data else 1


@record
class DeviceAnnounce(Response):
    """A device is there. Each join gives two: the network layer's (with `rejoin`) and the device's."""

    CODE = 0x004D
    short: u16
    ieee: ieee
    mac_capability: u8
    rejoin: u8 | None = None


@record
class PersistentDataLoaded(Response):
    """The stick's memory is loaded: it has restarted (from 3.1d)."""

    CODE = 0x0302
    status: u8


@record
class Status(Response):
    """Answer to a command, matched by its code: the stick works strictly in order."""

    CODE = 0x8000
    status: Annotated[SerialStatus, U8]
    sequence: u8
    command: u16
    request_sent: u8 | None = None
    aps_counter: u8 | None = None
    npdu_used: u8 | None = None
    apdu_used: u8 | None = None


@record
class Log(Response):
    """A line of the firmware's log; the only frame without link quality."""

    CODE = 0x8001
    level: u8 | None = None
    text: Annotated[bytes, Rest()] | None = None


@record
class ApsIndication(Response):
    """An APS frame arrived (raw and hybrid mode)."""

    CODE = 0x8002
    status: u8
    profile: u16
    cluster: u16
    source_endpoint: u8
    destination_endpoint: u8
    source: Annotated[Address, ADDRESS]
    destination: Annotated[Address, ADDRESS]
    data: Annotated[bytes, Rest()]


@record
class RestartedOnNetwork(Response):
    """The stick has restarted and knows its network."""

    CODE = 0x8006
    status: Annotated[RestartStatus, U8]


@record
class RestartedFactoryNew(Response):
    """The stick has restarted and knows no network."""

    CODE = 0x8007
    status: Annotated[RestartStatus, U8]


@record
class Heartbeat(Response):
    """The stick is alive (V2 from 3.20)."""

    CODE = 0x8008
    uptime: u32


@record
class NetworkState(Response):
    """The network. All ones or zero where there is none."""

    CODE = 0x8009
    short: u16
    ieee: ieee
    pan_id: u16
    extended_pan_id: u64
    channel: u8


@record
class Version(Response):
    """The firmware: `installer` holds the version in hex digits, 0x031D is 3.1d."""

    CODE = 0x8010
    major: u16
    installer: u16


@record
class ApsAck(Response):
    """The far end acknowledged, or did not (from 3.1b; the counter is right from 3.1e on)."""

    CODE = 0x8011
    status: Annotated[StackStatus, U8]
    short: u16
    destination_endpoint: u8
    cluster: u16
    aps_counter: u8 | None = None


@record
class ApsConfirm(Response):
    """The first hop has the frame (from 3.1e)."""

    CODE = 0x8012
    status: Annotated[StackStatus, U8]
    source_endpoint: u8
    destination_endpoint: u8
    destination: Annotated[Address, ADDRESS]
    aps_counter: u8
    npdu_used: u8 | None = None
    apdu_used: u8 | None = None


@record
class PermitJoinState(Response):
    """Whether joining is open."""

    CODE = 0x8014
    is_open: u8


@record
class DeviceList(Response):
    """The address map."""

    CODE = 0x8015
    devices: Annotated[tuple[DeviceListEntry, ...], Repeated(DeviceListEntry)]


@record
class Time(Response):
    """The clock, s since 2000-01-01 UTC."""

    CODE = 0x8017
    utc: u32


@record
class NetworkStarted(Response):
    """How starting or joining ended."""

    CODE = 0x8024
    status: Annotated[StartStatus, U8]
    short: u16 | None = None
    ieee: ieee | None = None
    channel: u8 | None = None


@record
class BindResponse(Response):
    """How binding ended."""

    CODE = 0x8030
    sequence: u8
    status: Annotated[StackStatus, U8]
    address_mode: u8 | None = None
    short: u16 | None = None


@record
class UnbindResponse(Response):
    """How undoing a binding ended."""

    CODE = 0x8031
    sequence: u8
    status: Annotated[StackStatus, U8]
    address_mode: u8 | None = None
    short: u16 | None = None


@record
class PersistentDataEvent(Response):
    """The stick's memory says something."""

    CODE = 0x8035
    event: u8
    record: u32


@record
class NetworkAddressResponse(Response):
    """A network address."""

    CODE = 0x8040
    sequence: u8
    status: Annotated[StackStatus, U8]
    ieee: ieee
    short: u16
    count: u8 | None = None
    start_index: u8 | None = None
    associated: Annotated[bytes, Rest()] | None = None


@record
class IeeeAddressResponse(Response):
    """An extended address."""

    CODE = 0x8041
    sequence: u8
    status: Annotated[StackStatus, U8]
    ieee: ieee
    short: u16
    count: u8 | None = None
    start_index: u8 | None = None
    associated: Annotated[bytes, Rest()] | None = None


@record
class NodeDescriptorResponse(Response):
    """A node descriptor."""

    CODE = 0x8042
    sequence: u8
    status: Annotated[StackStatus, U8]
    short: u16
    manufacturer: u16 | None = None
    max_incoming: u16 | None = None
    max_outgoing: u16 | None = None
    server_mask: u16 | None = None
    descriptor_capability: u8 | None = None
    mac_capability: u8 | None = None
    max_buffer: u8 | None = None
    bits: u16 | None = None


@record
class PowerDescriptorResponse(Response):
    """A power descriptor; it does not say whose."""

    CODE = 0x8044
    sequence: u8
    status: Annotated[StackStatus, U8]
    bits: u16 | None = None


@record
class ActiveEndpointsResponse(Response):
    """The endpoints of a device."""

    CODE = 0x8045
    sequence: u8
    status: Annotated[StackStatus, U8]
    short: u16
    endpoints: Annotated[tuple[int, ...], Counted(U8, U8)]


@record
class MatchDescriptorResponse(Response):
    """The endpoints that match."""

    CODE = 0x8046
    sequence: u8
    status: Annotated[StackStatus, U8]
    short: u16
    endpoints: Annotated[tuple[int, ...], Counted(U8, U8)]


@record
class LeaveResponse(Response):
    """How a leave request was taken; it does not say by whom."""

    CODE = 0x8047
    sequence: u8
    status: Annotated[StackStatus, U8]


@record
class LeaveIndication(Response):
    """A device left."""

    CODE = 0x8048
    ieee: ieee
    rejoin: u8


@record
class PermitJoiningResponse(Response):
    """How a permit request was taken; it does not say by whom."""

    CODE = 0x8049
    sequence: u8
    status: Annotated[StackStatus, U8]


@record
class NetworkUpdateNotify(Response):
    """Energy on channels."""

    CODE = 0x804A
    sequence: u8
    status: Annotated[StackStatus, U8]
    total: u16
    failures: u16
    channels: u32
    energy: Annotated[tuple[int, ...], Counted(U8, U8)]
    short: u16 | None = None


@record
class LevelCommand(Response):
    """A remote asks for a level."""

    CODE = 0x8085
    sequence: u8
    endpoint: u8
    cluster: u16
    source: Annotated[Address, ADDRESS]
    command: u8
    arguments: Annotated[bytes, Rest()]


@record
class OnOffCommand(Response):
    """A remote asks for on or off."""

    CODE = 0x8095
    sequence: u8
    endpoint: u8
    cluster: u16
    source: Annotated[Address, ADDRESS]
    command: u8
    arguments: Annotated[bytes, Rest()]


@record
class ReadAttributeResponse(AttributeRecord):
    """An attribute was read. Before 3.1d `AttributeReport` may come in its place."""

    CODE = 0x8100


@record
class DefaultResponse(Response):
    """A default response; it does not say whose."""

    CODE = 0x8101
    sequence: u8
    endpoint: u8
    cluster: u16
    command: u8
    status: u8


@record
class AttributeReport(AttributeRecord):
    """An attribute was reported. Before 3.1d answers to reads come as this."""

    CODE = 0x8102


@record
class WriteAttributeResponse(AttributeRecord):
    """An attribute was written."""

    CODE = 0x8110


@record
class ReadReportingConfigurationResponse(Response):
    """How an attribute is reported; the maximum comes first."""

    CODE = 0x8122
    sequence: u8
    short: u16
    endpoint: u8
    cluster: u16
    status: u8
    data_type: u8 | None = None
    attribute: u16 | None = None
    maximum: u16 | None = None
    minimum: u16 | None = None


@record
class DiscoverAttributesResponseV2(Response):
    """An attribute that there is (V2)."""

    CODE = 0x8139
    complete: u8
    data_type: u8
    attribute: u16
    short: u16 | None = None
    endpoint: u8 | None = None
    cluster: u16 | None = None


@record
class DiscoverAttributesResponse(Response):
    """An attribute that there is."""

    CODE = 0x8140
    complete: u8
    data_type: u8
    attribute: u16
    short: u16 | None = None
    endpoint: u8 | None = None
    cluster: u16 | None = None


@record
class IasZoneStatusChange(Response):
    """An alarm zone changed."""

    CODE = 0x8401
    sequence: u8
    endpoint: u8
    cluster: u16
    source: Annotated[Address, ADDRESS]
    zone_status: u16
    extended_status: u8
    zone: u8
    delay: u16


@record
class RouteDiscoveryConfirm(Response):
    """How route discovery ended."""

    CODE = 0x8701
    status: u8
    network_status: Annotated[StackStatus, U8]
    short: u16 | None = None


@record
class ApsConfirmFailed(Response):
    """The frame was not delivered. Before 3.1a the address takes 8 bytes whatever its mode."""

    CODE = 0x8702
    status: Annotated[StackStatus, U8]
    source_endpoint: u8
    destination_endpoint: u8
    destination: Annotated[Address, FAILED_ADDRESS]
    aps_counter: u8
    npdu_used: u8 | None = None
    apdu_used: u8 | None = None


@record
class NetworkStatus(Response):
    """A network status (V2 3.24)."""

    CODE = 0x8703
    short: u16
    status: u8


@record
class TxPower(Response):
    """The transmit power was set."""

    CODE = 0x8806
    level: u8
    data: Annotated[bytes, Rest()] | None = None


@record
class TxPowerState(Response):
    """The transmit power."""

    CODE = 0x8807
    level: u8
    data: Annotated[bytes, Rest()] | None = None


@record
class StackError(Response):
    """The stack is out of something, or has given up (from 3.1e)."""

    CODE = 0x9999
    error: Annotated[ExtendedError, U8]
