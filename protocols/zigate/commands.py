"""Commands to the stick (ZIGATE; reference table "host to device"). Rarer ones are rows of `catalogue`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from protocols.fields import U8, U16, OpenEnum, u8, u16, u32, u64
from protocols.packet import Counted, Packet, Prefixed, Rest
from protocols.record import record
from protocols.zigate.address import ADDRESS, Address, ieee


class Command(Packet, order=">"):
    """Base of all commands."""

    __slots__ = ()
    CODE: ClassVar[int]


class RawMode(OpenEnum):
    """How incoming APS frames are told."""

    OFF = 0
    RAW = 1
    HYBRID = 2


class Certification(OpenEnum):
    """Radio regulations."""

    CE = 1
    FCC = 2


@record
class ClusterCommand(Command):
    """Base of commands that the firmware turns into ZCL. Network addresses only: the firmware misreads others here."""

    mode: u8
    """1 group, 2 device with acknowledgement, 4 broadcast, 7 device without."""
    short: u16
    source_endpoint: u8
    destination_endpoint: u8


@record
class SetRawMode(Command):
    """How APS frames come (raw from 3.1a, hybrid from 3.1d). The stick keeps it."""

    CODE = 0x0002
    mode: Annotated[RawMode, U8]


@record
class SetHeartbeat(Command):
    """Heartbeats of the stick (V2 from 3.20)."""

    CODE = 0x0008
    on: u8


@record
class GetNetworkState(Command):
    """Ask for the network: answered by `NetworkState`."""

    CODE = 0x0009


@record
class GetVersion(Command):
    """Ask for the version: answered by `Version`."""

    CODE = 0x0010


@record
class Reset(Command):
    """Restart the stick; its network stays."""

    CODE = 0x0011


@record
class ErasePersistentData(Command):
    """Forget network, devices and keys."""

    CODE = 0x0012


@record
class GetPermitJoin(Command):
    """Ask whether joining is open: answered by `PermitJoinState`."""

    CODE = 0x0014


@record
class GetDeviceList(Command):
    """Ask for the address map: answered by `DeviceList`."""

    CODE = 0x0015


@record
class SetTime(Command):
    """Set the clock."""

    CODE = 0x0016
    utc: u32
    """s since 2000-01-01 UTC"""


@record
class GetTime(Command):
    """Ask for the clock: answered by `Time`."""

    CODE = 0x0017


@record
class SetLed(Command):
    """Switch the LED."""

    CODE = 0x0018
    on: u8


@record
class SetCertification(Command):
    """Choose the radio regulations."""

    CODE = 0x0019
    region: Annotated[Certification, U8]


@record
class SetExtendedPanId(Command):
    """Choose the extended PAN id; refused with STACK_ALREADY_STARTED on a network."""

    CODE = 0x0020
    extended_pan_id: u64


@record
class SetChannelMask(Command):
    """Choose the channels: a mask, or 11 to 26 as a number for one channel."""

    CODE = 0x0021
    mask: u32


@record
class StartNetwork(Command):
    """Form a network: answered by `NetworkStarted`."""

    CODE = 0x0024


@record
class RemoveDevice(Command):
    """As trust centre make a device leave, by way of its parent."""

    CODE = 0x0026
    parent: ieee
    child: ieee


@record
class Bind(Command):
    """Bind a cluster of a device to a group or an endpoint."""

    CODE = 0x0030
    ieee: ieee
    endpoint: u8
    cluster: u16
    destination: Annotated[Address, ADDRESS]
    destination_endpoint: u8 | None = None


@record
class Unbind(Command):
    """Undo a binding."""

    CODE = 0x0031
    ieee: ieee
    endpoint: u8
    cluster: u16
    destination: Annotated[Address, ADDRESS]
    destination_endpoint: u8 | None = None


@record
class NetworkAddressRequest(Command):
    """Which network address has an extended address."""

    CODE = 0x0040
    destination: u16
    ieee: ieee
    request_type: u8
    start_index: u8


@record
class IeeeAddressRequest(Command):
    """Which extended address has a network address."""

    CODE = 0x0041
    destination: u16
    short: u16
    request_type: u8
    start_index: u8


@record
class NodeDescriptorRequest(Command):
    """Ask for the node descriptor."""

    CODE = 0x0042
    short: u16


@record
class SimpleDescriptorRequest(Command):
    """Ask for the simple descriptor of an endpoint."""

    CODE = 0x0043
    short: u16
    endpoint: u8


@record
class PowerDescriptorRequest(Command):
    """Ask for the power descriptor."""

    CODE = 0x0044
    short: u16


@record
class ActiveEndpointsRequest(Command):
    """Ask for the endpoints."""

    CODE = 0x0045
    short: u16


@record
class MatchDescriptorRequest(Command):
    """Ask for endpoints with clusters."""

    CODE = 0x0046
    short: u16
    profile: u16
    input_clusters: Annotated[tuple[int, ...], Counted(U8, U16)]
    output_clusters: Annotated[tuple[int, ...], Counted(U8, U16)]


@record
class LeaveRequest(Command):
    """Ask a device to leave (Mgmt_Leave_req)."""

    CODE = 0x0047
    short: u16
    ieee: ieee
    rejoin: u8
    remove_children: u8


@record
class PermitJoining(Command):
    """Open joining for `duration` s, at one device or by broadcast 0xFFFC; 0 closes."""

    CODE = 0x0049
    target: u16
    duration: u8
    tc_significance: u8


@record
class NetworkUpdateRequest(Command):
    """Energy scan (duration 0 to 5) or channel move (0xFE)."""

    CODE = 0x004A
    short: u16
    channels: u32
    duration: u8
    count: u8
    update_id: u8
    update_manager: u16


@record
class Leave(Command):
    """Make a device leave."""

    CODE = 0x004C
    ieee: ieee
    rejoin: u8
    remove_children: u8


@record
class LqiRequest(Command):
    """Ask for a neighbour table."""

    CODE = 0x004E
    short: u16
    start_index: u8


@record
class Identify(ClusterCommand):
    """Make a device show itself."""

    CODE = 0x0070
    duration: u16
    """s"""


@record
class MoveToLevel(ClusterCommand):
    """Move to a level."""

    CODE = 0x0081
    with_on_off: u8
    level: u8
    transition: u16
    """0.1 s"""


@record
class OnOff(ClusterCommand):
    """Off 0, on 1, toggle 2."""

    CODE = 0x0092
    command: u8


@record
class ReadAttributes(ClusterCommand):
    """Read attributes."""

    CODE = 0x0100
    cluster: u16
    direction: u8
    manufacturer_specific: u8
    manufacturer: u16
    attributes: Annotated[tuple[int, ...], Counted(U8, U16)]


@record
class WriteAttributes(ClusterCommand):
    """Write attributes; `records` are attribute u16, type u8, value."""

    CODE = 0x0110
    cluster: u16
    direction: u8
    manufacturer_specific: u8
    manufacturer: u16
    count: u8
    records: Annotated[bytes, Rest()]


@record
class ConfigureReporting(ClusterCommand):
    """Configure reports: direction u8, type u8, attribute u16, minimum u16, maximum u16, timeout u16, change."""

    CODE = 0x0120
    cluster: u16
    direction: u8
    manufacturer_specific: u8
    manufacturer: u16
    count: u8
    records: Annotated[bytes, Rest()]


@record
class ReadReportingConfiguration(ClusterCommand):
    """Ask how an attribute is reported."""

    CODE = 0x0122
    cluster: u16
    direction: u8
    count: u8
    manufacturer_specific: u8
    manufacturer: u16
    records: Annotated[bytes, Rest()]


@record
class DiscoverAttributes(ClusterCommand):
    """Ask which attributes there are."""

    CODE = 0x0140
    cluster: u16
    first: u16
    direction: u8
    manufacturer_specific: u8
    manufacturer: u16
    maximum: u8


@record
class SendAps(Command):
    """Send an APS frame as it is. The firmware sends the profile of the source endpoint, whatever this says."""

    CODE = 0x0530
    destination: Annotated[Address, ADDRESS]
    source_endpoint: u8
    destination_endpoint: u8
    cluster: u16
    profile: u16
    security: u8
    radius: u8
    data: Annotated[bytes, Prefixed()]


@record
class SetTxPower(Command):
    """Set the transmit power: answered by `TxPower`."""

    CODE = 0x0806
    level: u8


@record
class GetTxPower(Command):
    """Ask for the transmit power: answered by `TxPowerState`."""

    CODE = 0x0807
