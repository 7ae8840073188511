"""A Zigbee radio without hardware or wire: scripted devices that answer at the level of APS frames.

For the rules of the hub, one at a time; the emulators behind a real pty are in tests/flows and tests/radios.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from protocols import zdo
from protocols.aps import ApsFrame, Delivery, Security
from protocols.certificate import DeviceCertificate
from protocols.ids import FIRST_BROADCAST, Eui64, Profile
from protocols.zcl import general
from protocols.zcl.datatypes import Value
from protocols.zcl.header import Direction, FrameType, ZclHeader, parse_header
from protocols.zcl.records import ReadRecord, ReportingRecord, ReportingStatus, StatusRecord, WriteRecord
from protocols.zcl.status import Status
from radios.api import (
    Capabilities,
    DeliveryError,
    DeviceJoined,
    DeviceLeft,
    FrameReceived,
    NetworkChanged,
    NetworkInfo,
    RadioConfig,
    RadioError,
    RadioLostError,
    ZigbeeEvent,
)

HUB = Eui64(0x00158D00000000FF)
ROUTER, SLEEPER = 0x8E, 0x80
NO_ACK = 0xA7

Attributes = dict[tuple[int, int], tuple[int, Value]]
"""(cluster, attribute) -> (data type, value)."""


@dataclass
class Device:
    """One device: endpoints with attributes, and what it does when asked."""

    ieee: Eui64
    short: int
    endpoints: dict[int, Attributes]
    device_types: Mapping[int, int] = field(default_factory=dict)
    output_clusters: tuple[int, ...] = ()
    capability: int = ROUTER
    profile: int = Profile.HOME_AUTOMATION
    encrypts: bool = True
    """What its profile wants encrypted it says encrypted."""
    is_there: bool = True
    """False: nothing that is sent to it arrives."""
    is_mute: bool = False
    """Frames arrive, and it says nothing."""
    reportable: bool = True
    writable: bool = True
    asked: list[str] = field(default_factory=list)
    """Names of ZDO requests and ids of general commands, in order."""
    configured: list[ReportingRecord] = field(default_factory=list)
    commands: list[tuple[int, int, bytes]] = field(default_factory=list)
    """Cluster, command and payload of cluster commands."""
    obeys: Callable[[Device, int, int, bytes], Status] | None = None
    neighbours: tuple[zdo.NeighbourRow, ...] = ()

    def put(self, endpoint: int, cluster: int, attribute: int, value: Value) -> None:
        """Change a value that is there."""
        data_type, _ = self.endpoints[endpoint][cluster, attribute]
        self.endpoints[endpoint][cluster, attribute] = (data_type, value)

    def answer_zdo(self, frame: ApsFrame) -> tuple[int, bytes] | None:
        """Cluster and payload of the answer."""
        tsn, request = zdo.decode_zdo(frame.cluster, frame.payload)
        self.asked.append(type(request).__name__)
        ok, answer = zdo.ZdoStatus.SUCCESS, None
        match request:
            case zdo.MatchDescriptorRequest():
                answer = zdo.MatchDescriptorResponse(ok, self.short, ())
            case zdo.NodeDescriptorRequest():
                kind = 1 if self.capability & zdo.MacCapability.FULL_FUNCTION else 2
                node = zdo.NodeDescriptor(kind, 0x40, self.capability, 0x1234, 80, 160, 0, 160, 0)
                answer = zdo.NodeDescriptorResponse(ok, self.short, node)
            case zdo.PowerDescriptorRequest():
                answer = zdo.PowerDescriptorResponse(ok, self.short, zdo.PowerDescriptor(0x10, 0xC1))
            case zdo.ActiveEndpointsRequest():
                answer = zdo.ActiveEndpointsResponse(ok, self.short, tuple(self.endpoints))
            case zdo.SimpleDescriptorRequest():
                servers = tuple(dict.fromkeys(cluster for cluster, _ in self.endpoints[request.endpoint]))
                kind = self.device_types.get(request.endpoint, 0x0051)
                found = zdo.SimpleDescriptor(request.endpoint, self.profile, kind, 1, servers, self.output_clusters)
                answer = zdo.SimpleDescriptorResponse(ok, self.short, found)
            case zdo.IeeeAddressRequest():
                answer = zdo.IeeeAddressResponse(ok, self.ieee, self.short)
            case zdo.BindRequest():
                answer = zdo.BindResponse(ok)
            case zdo.MgmtLqiRequest():
                part = self.neighbours[request.start_index : request.start_index + 1]
                answer = zdo.MgmtLqiResponse(ok, len(self.neighbours), request.start_index, part)
            case zdo.MgmtLeaveRequest():
                answer = zdo.MgmtLeaveResponse(ok)
        return (answer.CLUSTER, zdo.encode_zdo(tsn, answer)) if answer is not None else None

    def answer_zcl(self, frame: ApsFrame) -> bytes | None:
        """Payload of the answer."""
        header, payload = parse_header(frame.payload)
        here = self.endpoints.get(frame.destination_endpoint, {})
        if header.frame_type is FrameType.CLUSTER:
            self.commands.append((frame.cluster, header.command, payload))
            status = self.obeys(self, frame.cluster, header.command, payload) if self.obeys else Status.SUCCESS
            if status is Status.SUCCESS and header.disable_default_response:
                return None
            return self.default(header, status)
        self.asked.append(f"{frame.cluster:04x}:{header.command:02x}")
        command = general.decode_general(header.command, payload)
        body: general.GeneralCommand
        match command:
            case general.ReadAttributes():
                body = general.ReadAttributesResponse(
                    tuple(
                        ReadRecord(attribute, Status.SUCCESS, *here[frame.cluster, attribute])
                        if (frame.cluster, attribute) in here
                        else ReadRecord(attribute, Status.UNSUPPORTED_ATTRIBUTE)
                        for attribute in command.attributes
                    )
                )
            case general.WriteAttributes():
                if not self.writable:
                    refused = tuple(StatusRecord(Status.READ_ONLY, record.attribute) for record in command.records)
                    body = general.WriteAttributesResponse(refused)
                else:
                    for record in command.records:
                        here[frame.cluster, record.attribute] = (record.type, record.value)
                    body = general.WriteAttributesResponse()
            case general.ConfigureReporting():
                self.configured.extend(command.records)
                body = general.ConfigureReportingResponse(
                    ()
                    if self.reportable
                    else tuple(
                        ReportingStatus(Status.UNREPORTABLE_ATTRIBUTE, 0, record.attribute)
                        for record in command.records
                    )
                )
            case general.DefaultResponse():
                return None
            case _:
                return self.default(header, Status.UNSUP_GENERAL_COMMAND)
        return header.answer(body.COMMAND).encode() + body.encode()

    def default(self, header: ZclHeader, status: Status) -> bytes:
        """A default response."""
        back = header.answer(general.General.DEFAULT_RESPONSE, FrameType.GENERAL)
        return back.encode() + general.DefaultResponse(header.command, status).encode()


CAPABILITIES = Capabilities(
    answers_zdo=True,
    answers_default_response=False,
    aps_encryption=False,
    install_codes=False,
    link_keys=False,
    router=False,
    group_send=True,
    broadcast_send=True,
    acks=True,
    max_payload=80,
    energy_scan=True,
    channel_change=True,
    led=True,
    tx_power=True,
    certification=True,
    erase=True,
)


class Room:
    """The radio, and the devices within its reach."""

    def __init__(self) -> None:
        self.devices: dict[int, Device] = {}
        self.events_waiting: asyncio.Queue[ZigbeeEvent | RadioLostError] = asyncio.Queue()
        self.permits: list[tuple[int, int | None]] = []
        self.removed: list[Eui64] = []
        self.keys: dict[int, bytes] = {}
        self.refuses_keys = False
        self.hosted: tuple[zdo.SimpleDescriptor, ...] = ()
        """What the hub has said that it serves."""
        self.sent: list[ApsFrame] = []
        self.opened = 0
        self.is_absent = False
        """The stick is pulled out: it cannot be opened."""
        self.capabilities = CAPABILITIES
        self.network = NetworkInfo(
            ieee=HUB,
            short=0,
            pan_id=0x1A2B,
            extended_pan_id=0x1122334455667788,
            channel=15,
            is_coordinator=True,
            model="room",
            firmware="1",
        )
        self.counters: Mapping[str, int] = Counter()
        self.listed: set[int] = set()
        """Devices without a key that are in backups."""
        self.backup_fails: RadioError | None = None
        self.restore_fails: RadioError | None = None
        self.restored: list[Mapping[str, object]] = []

    async def __aenter__(self) -> Self:
        if self.is_absent:
            raise RadioLostError("the stick is not there")
        self.opened += 1
        self.events_waiting = asyncio.Queue()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def events(self) -> AsyncIterator[ZigbeeEvent]:
        while True:
            event = await self.events_waiting.get()
            if isinstance(event, RadioLostError):
                raise event
            yield event

    async def host(self, endpoints: Sequence[zdo.SimpleDescriptor]) -> None:
        self.hosted = tuple(endpoints)

    async def send(self, frame: ApsFrame) -> None:
        self.sent.append(frame)
        await asyncio.sleep(0)
        if frame.destination is not None and frame.destination >= FIRST_BROADCAST:
            for device in list(self.devices.values()):
                self._deliver(device, frame)
            return
        device = next((found for found in self.devices.values() if found.short == frame.destination), None)
        if device is None or not device.is_there:
            raise DeliveryError("nobody acknowledged it", "NO_ACK", NO_ACK)
        self._deliver(device, frame)

    def _deliver(self, device: Device, frame: ApsFrame) -> None:
        if not device.is_there or device.is_mute:
            return
        if frame.profile == Profile.ZDO and frame.destination_endpoint == 0:
            answer = device.answer_zdo(frame)
            if answer is not None:
                self.hear(device, 0, 0, answer[0], answer[1])
            return
        body = device.answer_zcl(frame)
        if body is not None:
            self.hear(device, frame.destination_endpoint, frame.profile, frame.cluster, body)

    def hear(self, device: Device, endpoint: int, profile: int, cluster: int, payload: bytes) -> None:
        """A frame of a device arrives at the radio."""
        ours = 0 if endpoint == 0 else 0x5E if profile == Profile.SMART_ENERGY else 1
        is_secret = profile == Profile.SMART_ENERGY and cluster not in (0, 1, 3) and device.encrypts
        self.events_waiting.put_nowait(
            FrameReceived(
                ApsFrame(
                    profile=profile,
                    cluster=cluster,
                    source_endpoint=endpoint,
                    destination_endpoint=ours,
                    payload=payload,
                    source=device.short,
                    destination=0,
                    delivery=Delivery.UNICAST,
                    security=Security.LINK_KEY if is_secret else Security.NETWORK,
                    lqi=180,
                )
            )
        )

    # -- what devices do by themselves -----------------------------------------------------------------------------

    def join(self, device: Device, short: int | None = None) -> None:
        """A device announces itself."""
        if short is not None:
            device.short = short
        self.devices[device.ieee] = device
        self.events_waiting.put_nowait(
            DeviceJoined(ieee=device.ieee, short=device.short, mac_capability=device.capability, lqi=180)
        )

    def leave(self, device: Device, *, rejoin: bool = False) -> None:
        """A device leaves."""
        self.events_waiting.put_nowait(DeviceLeft(device.ieee, rejoin))

    _tsn = 0

    def report(self, device: Device, endpoint: int, cluster: int, **attributes: Value) -> None:
        """A device reports attributes, as `x0000=...`, with the types that it has them in."""
        self._tsn = (self._tsn + 1) & 0xFF
        records = []
        for name, value in attributes.items():
            attribute = int(name[1:], 16)
            device.put(endpoint, cluster, attribute, value)
            records.append(WriteRecord(attribute, device.endpoints[endpoint][cluster, attribute][0], value))
        header = ZclHeader(FrameType.GENERAL, Direction.TO_CLIENT, self._tsn, general.General.REPORT_ATTRIBUTES, True)
        self.hear(
            device,
            endpoint,
            device.profile,
            cluster,
            header.encode() + general.ReportAttributes(tuple(records)).encode(),
        )

    def lose(self, reason: str = "the stick was pulled out") -> None:
        """The radio is gone."""
        self.events_waiting.put_nowait(RadioLostError(reason))

    # -- the rest of the contract ------------------------------------------------------------------------------------

    async def permit_join(self, duration_s: int, via: int | None = None) -> None:
        self.permits.append((duration_s, via))

    async def remove(self, ieee: Eui64, parent: Eui64 | None = None) -> None:
        self.removed.append(ieee)

    async def register_key(self, ieee: Eui64, key: bytes) -> None:
        if self.refuses_keys:
            raise DeliveryError("the trust centre refuses the key", "TABLE_FULL", 0xB4)
        self.keys[ieee] = key

    async def remove_key(self, ieee: Eui64) -> None:
        self.keys.pop(ieee, None)

    async def has_certificate(self) -> bool:
        return False

    async def install_certificate(self, certificate: DeviceCertificate) -> None:
        return None

    async def remove_certificate(self) -> None:
        return None

    async def energy_scan(self, channels: Sequence[int]) -> Mapping[int, int]:
        return {channel: 10 * (channel - 10) for channel in channels}

    async def set_channel(self, channel: int) -> None:
        self.network = replace(self.network, channel=channel)

    async def set_led(self, on: bool) -> None:
        return None

    async def set_tx_power(self, level: int) -> int:
        return level

    async def set_certification(self, region: str) -> None:
        return None

    async def set_time(self, utc_s: int) -> None:
        return None

    async def erase(self) -> None:
        self.network = replace(self.network, pan_id=0x4444, extended_pan_id=self.network.extended_pan_id + 1)

    async def backup(self) -> Mapping[str, object]:
        if self.backup_fails is not None:
            raise self.backup_fails
        return document_of(self)

    async def restore(self, kept: Mapping[str, object]) -> None:
        self.restored.append(kept)
        if self.restore_fails is not None:
            raise self.restore_fails
        self.network = replace(
            self.network,
            ieee=Eui64.parse(str(kept["coordinator_ieee"])),
            pan_id=int(str(kept["pan_id"]), 16),
            extended_pan_id=int(str(kept["extended_pan_id"]), 16),
            channel=int(str(kept["channel"])),
            waits_for="",
        )
        rows: Any = kept["devices"]
        self.listed = {Eui64.parse(row["ieee_address"]) for row in rows}
        self.keys = {
            Eui64.parse(row["ieee_address"]): bytes.fromhex(row["link_key"]["key"]) for row in rows if "link_key" in row
        }
        self.events_waiting.put_nowait(NetworkChanged(self.network))


NETWORK_KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


def document_of(room: Room) -> dict[str, object]:
    """A backup, as drivers make them."""
    here = room.network
    return {
        "metadata": {
            "format": "zigpy/open-coordinator-backup",
            "version": 1,
            "source": "room",
            "internal": {"creation_time": "2026-01-01T00:00:00+00:00"},
        },
        "stack_specific": {},
        "coordinator_ieee": f"{here.ieee}",
        "pan_id": f"{here.pan_id:04x}",
        "extended_pan_id": f"{here.extended_pan_id:016x}",
        "nwk_update_id": 0,
        "security_level": 5,
        "channel": here.channel,
        "channel_mask": [here.channel],
        "network_key": {"key": NETWORK_KEY, "sequence_number": 0, "frame_counter": 77},
        "devices": [
            {
                "ieee_address": f"{Eui64(ieee)}",
                "nwk_address": f"{room.devices[ieee].short:04x}" if ieee in room.devices else None,
                "is_child": False,
                **(
                    {"link_key": {"key": room.keys[ieee].hex(), "tx_counter": 1, "rx_counter": 2}}
                    if ieee in room.keys
                    else {}
                ),
            }
            for ieee in sorted(room.keys.keys() | room.listed)
        ],
    }


class RoomDriver:
    """What the loader finds; the test puts the room in."""

    carries = "zigbee"
    joins = False

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}

    def check(self, config: RadioConfig) -> None:
        return None

    def open(self, config: RadioConfig, trace: Callable[[str, bytes, str], None] | None) -> Room:
        return self.rooms.setdefault(config.name, Room())


DRIVER = RoomDriver()
