"""Firmware before 3.1a has no raw frames: the hub's frames become the stick's own commands, its answers frames again.

What the firmware has a command for goes: device objects, reading and writing attributes, configuring reports, on/off,
level, identify. The rest is refused by name. Integers of the serial line have their most significant byte first, values
of attributes too; strings come without their length. Answers carry no number of ours, so they are matched by what they
are and whom they are from, oldest first, and by the firmware's own number where a status and its answer both give one.
An answer may be lost, so questions that ask the same are all answered by one answer, and none waits for ever: else each
later answer would be given to the question before it. Reads are answered by one message for each attribute, in 3.0f
with the code of a report: they are put together again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from protocols import zdo
from protocols.aps import ApsFrame, Delivery
from protocols.errors import CodecError
from protocols.ids import Eui64, Profile
from protocols.packet import Packet
from protocols.zcl import general
from protocols.zcl.commands import Identify, MoveToLevel, OnOff
from protocols.zcl.datatypes import (
    LONG_OCTETS,
    LONG_STRING,
    OCTETS,
    STRING,
    TYPES,
    decode_value,
    encode_value,
    is_analog,
)
from protocols.zcl.header import Direction, FrameType, ZclHeader, parse_header
from protocols.zcl.records import ReadRecord, ReportingStatus, StatusRecord, WriteRecord
from protocols.zcl.status import Status
from protocols.zdo import ZdoStatus
from protocols.zigate import commands, responses
from protocols.zigate.address import Address, AddressMode
from protocols.zigate.status import SerialStatus
from radios.api import NotSupportedError
from radios.zigate.aps import OUR_ENDPOINT
from radios.zigate.delivery import not_sent
from radios.zigate.link import ZigateLink

ON_OFF, LEVEL, IDENTIFY, IAS_ZONE = 0x0006, 0x0008, 0x0003, 0x0500
READ_COLLECT_S = 1.5
"""For the attributes of one read to come one by one; what is missing then is asked for again by who wants it."""
WAITING = 64
"""Questions that wait for an answer; the oldest is given up for one more."""
WAIT_S = 30.0
"""For an answer; by then whoever asked has given up, and its transaction number may be another's."""
TO_DEVICE = 2
"""Address mode of the firmware's commands: a network address, with acknowledgement."""
MOST_ATTRIBUTES = 10
"""Of one read (ZIGATE, 0x0100)."""
_TEXTS = {STRING: 1, OCTETS: 1, LONG_STRING: 2, LONG_OCTETS: 2}


@dataclass(slots=True, eq=False)
class _Asked:
    """A question that waits for its answer."""

    answer: type[Packet]
    tsn: int
    short: int
    question: object = None
    """What was asked; equal ones are answered by the same answer."""
    endpoint: int = 0
    cluster: int = 0
    command: int = 0
    wanted: tuple[int, ...] = ()
    """Attributes of a read."""
    records: dict[int, ReadRecord] = field(default_factory=dict)
    number: int = 0
    """The firmware's own, 0 where its status gave none."""
    since: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    timer: asyncio.TimerHandle | None = None


class Native:
    """Frames to commands, answers to frames."""

    def __init__(self, tell: Callable[[ApsFrame], None]) -> None:
        self._tell = tell
        self._asked: list[_Asked] = []
        self._tsn = 0

    def close(self) -> None:
        """Nothing is waited for any more."""
        for asked in self._asked:
            if asked.timer is not None:
                asked.timer.cancel()
        self._asked.clear()

    # -- out -----------------------------------------------------------------------------------------------------

    async def send(self, frame: ApsFrame, link: ZigateLink) -> None:
        """Send it by the firmware's own command, which tells nothing of the frame's way.

        Raises `NotSupportedError` for what there is no command for, and what `ZigateLink.command` raises.
        """
        if frame.delivery is not Delivery.UNICAST:
            raise NotSupportedError("firmware without raw mode sends no groups and broadcasts; 3.23 does")
        try:
            asking = self.ask(frame)
        except CodecError as error:
            raise NotSupportedError(f"firmware without raw mode sends no such frame: {error}") from None
        if asking is None:
            return
        command, asked = asking
        try:
            status = await link.command(command, attempts=1)
        except BaseException:
            self.forget(asked)
            raise
        if status.status is not SerialStatus.SUCCESS:
            self.forget(asked)
            raise not_sent(int(status.status))
        self.numbered(asked, status.sequence)

    def ask(self, frame: ApsFrame) -> tuple[commands.Command, _Asked] | None:
        """The command for what a frame does, and what waits for its answer; None: the firmware does it by itself.

        Raises `NotSupportedError` for what it has no command for.
        """
        command = self._command(frame)
        return None if command is None else (command, self._asked[-1])

    def numbered(self, asked: _Asked, number: int) -> None:
        """The status of its command gave the firmware's number."""
        asked.number = number

    def forget(self, asked: _Asked) -> None:
        """The question was never sent."""
        self._end(asked)

    def _command(self, frame: ApsFrame) -> commands.Command | None:
        if frame.destination is None:
            raise NotSupportedError("firmware without raw mode sends to network addresses only")
        if frame.profile == Profile.ZDO:
            return self._device_object(frame, frame.destination)
        header, payload = parse_header(frame.payload)
        if header.frame_type is FrameType.GENERAL:
            return self._general(frame, frame.destination, header, payload)
        return self._cluster(frame, frame.destination, header, payload)

    def _wait(self, asked: _Asked) -> None:
        self._give_up()
        if len(self._asked) >= WAITING:
            self._end(self._asked[0])
        self._asked.append(asked)

    def _give_up(self) -> None:
        """Questions come in the order of their age."""
        latest = asyncio.get_running_loop().time() - WAIT_S
        while self._asked and self._asked[0].since < latest:
            self._end(self._asked[0])

    def _end(self, asked: _Asked) -> None:
        if asked in self._asked:
            self._asked.remove(asked)
        if asked.timer is not None:
            asked.timer.cancel()

    def _device_object(self, frame: ApsFrame, short: int) -> commands.Command:
        tsn, request = zdo.decode_zdo(frame.cluster, frame.payload)
        command: commands.Command
        answer: type[Packet]
        match request:
            case zdo.NwkAddressRequest():
                command = commands.NetworkAddressRequest(short, request.ieee, request.request_type, request.start_index)
                answer = responses.NetworkAddressResponse
            case zdo.IeeeAddressRequest():
                command = commands.IeeeAddressRequest(short, request.short, request.request_type, request.start_index)
                answer = responses.IeeeAddressResponse
            case zdo.NodeDescriptorRequest():
                command, answer = commands.NodeDescriptorRequest(request.short), responses.NodeDescriptorResponse
            case zdo.PowerDescriptorRequest():
                command, answer = commands.PowerDescriptorRequest(request.short), responses.PowerDescriptorResponse
            case zdo.SimpleDescriptorRequest():
                command = commands.SimpleDescriptorRequest(request.short, request.endpoint)
                answer = responses.SimpleDescriptorResponse
            case zdo.ActiveEndpointsRequest():
                command, answer = commands.ActiveEndpointsRequest(request.short), responses.ActiveEndpointsResponse
            case zdo.MatchDescriptorRequest():
                command = commands.MatchDescriptorRequest(
                    request.short, request.profile, request.input_clusters, request.output_clusters
                )
                answer = responses.MatchDescriptorResponse
            case zdo.BindRequest() | zdo.UnbindRequest():
                return self._binding(tsn, short, request)
            case zdo.MgmtLqiRequest():
                command, answer = commands.LqiRequest(short, request.start_index), responses.LqiResponse
            case zdo.MgmtLeaveRequest():
                rejoin, children = bool(request.flags & zdo.REJOIN), bool(request.flags & zdo.REMOVE_CHILDREN)
                command = commands.LeaveRequest(short, request.ieee, int(rejoin), int(children))
                answer = responses.LeaveResponse
            case _:
                raise NotSupportedError(f"firmware without raw mode has no command for ZDO 0x{frame.cluster:04x}")
        self._wait(_Asked(answer, tsn, short, request))
        return command

    def _binding(self, tsn: int, short: int, request: zdo.BindRequest | zdo.UnbindRequest) -> commands.Command:
        row, target = request.binding, request.binding.target
        if target.ieee is not None:
            destination, endpoint = Address(AddressMode.IEEE, target.ieee), target.endpoint
        else:
            destination, endpoint = Address(AddressMode.GROUP, target.group or 0), None
        if isinstance(request, zdo.BindRequest):
            self._wait(_Asked(responses.BindResponse, tsn, short, request))
            return commands.Bind(row.ieee, row.endpoint, row.cluster, destination, endpoint)
        self._wait(_Asked(responses.UnbindResponse, tsn, short, request))
        return commands.Unbind(row.ieee, row.endpoint, row.cluster, destination, endpoint)

    def _general(self, frame: ApsFrame, short: int, header: ZclHeader, payload: bytes) -> commands.Command | None:
        place = (TO_DEVICE, short, OUR_ENDPOINT, frame.destination_endpoint)
        maker = (int(header.manufacturer is not None), header.manufacturer or 0)
        rest = (frame.cluster, int(header.direction is Direction.TO_CLIENT), *maker)
        asked = _Asked(
            responses.ReadAttributeResponse,
            header.tsn,
            short,
            (header.manufacturer, header.direction, payload),
            frame.destination_endpoint,
            frame.cluster,
            header.command,
        )
        match general.decode_general(header.command, payload):
            case general.ReadAttributes(attributes=ids):
                if len(ids) > MOST_ATTRIBUTES:
                    raise NotSupportedError(f"firmware without raw mode reads {MOST_ATTRIBUTES} attributes at once")
                asked.wanted = ids
                command: commands.Command = commands.ReadAttributes(*place, *rest, ids)
            case general.WriteAttributes(records=records) if header.command == general.General.WRITE_ATTRIBUTES:
                asked.answer = responses.WriteAttributeResponse
                command = commands.WriteAttributes(*place, *rest, len(records), b"".join(map(_written, records)))
            case general.ConfigureReporting(records=rows):
                asked.answer = responses.ConfigureReportingResponse
                body = b"".join(
                    bytes((row.direction, row.type))
                    + row.attribute.to_bytes(2, "big")
                    + row.min_s.to_bytes(2, "big")
                    + row.max_s.to_bytes(2, "big")
                    + row.timeout_s.to_bytes(2, "big")
                    + (encode_value(row.type, row.change)[::-1] if is_analog(row.type) else b"")
                    for row in rows
                )
                asked.wanted = tuple(row.attribute for row in rows)
                command = commands.ConfigureReporting(*place, *rest, len(rows), body)
            case general.DefaultResponse():
                return None  # the firmware answers by itself
            case _:
                raise NotSupportedError(f"firmware without raw mode has no general command 0x{header.command:02x}")
        self._wait(asked)
        return command

    def _cluster(self, frame: ApsFrame, short: int, header: ZclHeader, payload: bytes) -> commands.Command:
        place = (TO_DEVICE, short, OUR_ENDPOINT, frame.destination_endpoint)
        command: commands.Command
        if header.direction is not Direction.TO_SERVER or header.manufacturer is not None:
            raise NotSupportedError("firmware without raw mode sends the standard's commands to servers only")
        if frame.cluster == ON_OFF and header.command in (OnOff.OFF, OnOff.ON, OnOff.TOGGLE):
            command = commands.OnOff(*place, header.command)
        elif frame.cluster == LEVEL and header.command in (0x00, 0x04):
            move = MoveToLevel.decode(payload)
            command = commands.MoveToLevel(*place, int(header.command == 0x04), move.level, move.transition)
        elif frame.cluster == IDENTIFY and header.command == Identify.COMMAND:
            command = commands.Identify(*place, Identify.decode(payload).duration_s)
        else:
            raise NotSupportedError(
                f"firmware without raw mode has no command 0x{header.command:02x} of cluster 0x{frame.cluster:04x}"
            )
        place_there = (frame.destination_endpoint, frame.cluster, header.command)
        self._wait(_Asked(responses.DefaultResponse, header.tsn, short, payload, *place_there))
        return command

    # -- in ------------------------------------------------------------------------------------------------------

    def take(self, frame: Packet, lqi: int) -> bool:
        """What the stick said; whether it was a frame of a device."""
        self._give_up()
        match frame:
            case responses.AttributeRecord():
                self._attribute(frame, lqi)
            case responses.ConfigureReportingResponse():
                for asked in self._find(frame, frame.short, frame.endpoint, frame.cluster):
                    failed = tuple(ReportingStatus(Status(frame.status), 0, one) for one in asked.wanted)
                    body = general.ConfigureReportingResponse(() if frame.status == 0 else failed)
                    self._zcl(asked, body, lqi)
            case responses.DefaultResponse():
                for asked in self._find_default(frame):
                    self._zcl(asked, general.DefaultResponse(frame.command, Status(frame.status)), lqi)
            case responses.OnOffCommand() | responses.LevelCommand():
                self._remote(frame, lqi)
            case responses.IasZoneStatusChange():
                self._zone(frame, lqi)
            case _:
                return self._answered_object(frame, lqi)
        return True

    def _find(self, frame: Packet, short: int | None, endpoint: int = 0, cluster: int = 0) -> list[_Asked]:
        """The oldest question that this may answer, and those that ask the same: none of them waits any more."""
        sequence = getattr(frame, "sequence", 0)
        for asked in self._asked:
            same = short is None or asked.short == short
            other = asked.number and sequence and asked.number != sequence
            here = (asked.endpoint, asked.cluster) == (endpoint, cluster)
            if asked.answer is type(frame) and same and here and not other:
                return self._take_all(asked)
        return []

    def _find_default(self, frame: responses.DefaultResponse) -> list[_Asked]:
        """A default response names no device: the oldest question about that command of that cluster and endpoint.

        Reads, writes and configurations have answers of their own: a default response to them tells of a failure.
        General commands and a cluster's have the same numbers (0x00 is a read, and Off).
        """
        for asked in self._asked:
            place = (asked.endpoint, asked.cluster, asked.command)
            if asked.answer not in _BY_DEFAULT or (not frame.status and asked.answer is not responses.DefaultResponse):
                continue
            if place == (frame.endpoint, frame.cluster, frame.command):
                return self._take_all(asked)
        return []

    def _take_all(self, first: _Asked) -> list[_Asked]:
        found = [asked for asked in self._asked if _is_same(asked, first)]
        for asked in found:
            self._end(asked)
        return found

    def _answered_object(self, frame: Packet, lqi: int) -> bool:
        told = _object(frame)
        if told is None:
            return False
        answer, about = told
        for asked in self._find(frame, about) or self._find(frame, None):
            self._say(0, answer.CLUSTER, zdo.encode_zdo(asked.tsn, answer), asked.short, lqi, profile=0)
        return True

    def _attribute(self, frame: responses.AttributeRecord, lqi: int) -> None:
        if isinstance(frame, responses.WriteAttributeResponse):
            for asked in self._find(frame, frame.short, frame.endpoint, frame.cluster):
                failed = (StatusRecord(Status(frame.status), frame.attribute),) if frame.status else ()
                self._zcl(asked, general.WriteAttributesResponse(failed), lqi)
            return
        record = _read(frame)
        waiting = [asked for asked in self._asked if _wants(asked, frame)]
        for asked in waiting:
            asked.records[frame.attribute] = record
            if len(asked.records) >= len(asked.wanted):
                self._flush(asked, lqi)
            elif asked.timer is None:
                asked.timer = asyncio.get_running_loop().call_later(READ_COLLECT_S, self._flush, asked, lqi)
        if waiting:
            return
        if record.status is Status.SUCCESS and record.type is not None:
            report = general.ReportAttributes((WriteRecord(record.attribute, record.type, record.value),))
            header = self._header(FrameType.GENERAL, general.General.REPORT_ATTRIBUTES)
            self._say(frame.endpoint, frame.cluster, header.encode() + report.encode(), frame.short, lqi)

    def _flush(self, asked: _Asked, lqi: int) -> None:
        self._end(asked)
        self._zcl(asked, general.ReadAttributesResponse(tuple(asked.records.values())), lqi)

    def _zcl(self, asked: _Asked, body: general.GeneralCommand, lqi: int) -> None:
        header = ZclHeader(FrameType.GENERAL, Direction.TO_CLIENT, asked.tsn, body.COMMAND, True)
        self._say(asked.endpoint, asked.cluster, header.encode() + body.encode(), asked.short, lqi)

    def _remote(self, frame: responses.OnOffCommand | responses.LevelCommand, lqi: int) -> None:
        header = self._header(FrameType.CLUSTER, frame.command, Direction.TO_SERVER)
        body = frame.arguments
        if isinstance(frame, responses.LevelCommand) and len(body) >= 3:
            body = body[:-2] + body[-2:][::-1]  # the transition time, the one integer of two bytes
        if not frame.source.is_ieee:
            self._say(frame.endpoint, frame.cluster, header.encode() + body, frame.source.value, lqi)

    def _zone(self, frame: responses.IasZoneStatusChange, lqi: int) -> None:
        header = self._header(FrameType.CLUSTER, 0x00)
        body = frame.zone_status.to_bytes(2, "little") + bytes((frame.extended_status, frame.zone))
        body += frame.delay.to_bytes(2, "little")
        if not frame.source.is_ieee:
            self._say(frame.endpoint, IAS_ZONE, header.encode() + body, frame.source.value, lqi)

    def _header(self, kind: FrameType, command: int, direction: Direction = Direction.TO_CLIENT) -> ZclHeader:
        self._tsn = (self._tsn + 1) & 0xFF
        return ZclHeader(kind, direction, self._tsn, command, True)

    def _say(self, endpoint: int, cluster: int, payload: bytes, short: int, lqi: int, profile: int = 0x0104) -> None:
        self._tell(
            ApsFrame(
                profile=profile,
                cluster=cluster,
                source_endpoint=endpoint,
                destination_endpoint=OUR_ENDPOINT if profile else 0,
                payload=payload,
                source=short,
                destination=0,
                lqi=lqi or None,
            )
        )


_BY_DEFAULT = frozenset(
    (
        responses.DefaultResponse,
        responses.ReadAttributeResponse,
        responses.WriteAttributeResponse,
        responses.ConfigureReportingResponse,
    )
)
"""Answers of questions that a default response may answer too."""


def _is_same(one: _Asked, other: _Asked) -> bool:
    """Whether both ask the same of the same device."""
    return (one.answer, one.short, one.endpoint, one.cluster, one.command, one.question) == (
        other.answer,
        other.short,
        other.endpoint,
        other.cluster,
        other.command,
        other.question,
    )


def _wants(asked: _Asked, frame: responses.AttributeRecord) -> bool:
    here = (asked.short, asked.endpoint, asked.cluster) == (frame.short, frame.endpoint, frame.cluster)
    is_open = frame.attribute in asked.wanted and frame.attribute not in asked.records
    return here and is_open and asked.answer is responses.ReadAttributeResponse


def _object(frame: Packet) -> tuple[zdo.ZdoResponse, int | None] | None:
    """The ZDO response that a native answer stands for, and whom it is about where it says so."""
    match frame:
        case responses.NetworkAddressResponse():
            return zdo.NwkAddressResponse(_status(frame.status), Eui64(frame.ieee), frame.short), frame.short
        case responses.IeeeAddressResponse():
            return zdo.IeeeAddressResponse(_status(frame.status), Eui64(frame.ieee), frame.short), frame.short
        case responses.NodeDescriptorResponse():
            return zdo.NodeDescriptorResponse(_status(frame.status), frame.short, _node(frame)), frame.short
        case responses.PowerDescriptorResponse():
            power = None if frame.bits is None else zdo.PowerDescriptor(frame.bits & 0xFF, frame.bits >> 8)
            return zdo.PowerDescriptorResponse(_status(frame.status), 0, power), None
        case responses.SimpleDescriptorResponse():
            return zdo.SimpleDescriptorResponse(_status(frame.status), frame.short, _simple(frame)), frame.short
        case responses.ActiveEndpointsResponse():
            return zdo.ActiveEndpointsResponse(_status(frame.status), frame.short, frame.endpoints), frame.short
        case responses.MatchDescriptorResponse():
            return zdo.MatchDescriptorResponse(_status(frame.status), frame.short, frame.endpoints), frame.short
        case responses.BindResponse():
            return zdo.BindResponse(_status(frame.status)), frame.short
        case responses.UnbindResponse():
            return zdo.UnbindResponse(_status(frame.status)), frame.short
        case responses.LeaveResponse():
            return zdo.MgmtLeaveResponse(_status(frame.status)), None
        case responses.LqiResponse():
            return zdo.MgmtLqiResponse(
                _status(frame.status), frame.total, frame.start_index, tuple(map(_neighbour, frame.neighbours))
            ), frame.short
    return None


def _status(status: int) -> ZdoStatus:
    return ZdoStatus(int(status))


def _node(frame: responses.NodeDescriptorResponse) -> zdo.NodeDescriptor | None:
    if frame.bits is None or frame.manufacturer is None:
        return None
    return zdo.NodeDescriptor(
        frame.bits & 0xFF,
        frame.bits >> 8,
        frame.mac_capability or 0,
        frame.manufacturer,
        frame.max_buffer or 0,
        frame.max_incoming or 0,
        frame.server_mask or 0,
        frame.max_outgoing or 0,
        frame.descriptor_capability or 0,
    )


def _simple(frame: responses.SimpleDescriptorResponse) -> zdo.SimpleDescriptor | None:
    found = frame.descriptor
    if found is None:
        return None
    return zdo.SimpleDescriptor(
        found.endpoint,
        found.profile,
        found.device_type,
        found.bits & 0x0F,
        found.input_clusters,
        found.output_clusters,
    )


def _neighbour(row: responses.LqiEntry) -> zdo.NeighbourRow:
    """Bits of the serial line: 0-1 type, 2-3 permit joining, 4-5 relationship, 6-7 receiver (ZIGATE, 0x804E)."""
    bits = row.bits
    flags = bits & 0x03 | (bits >> 6 & 0x03) << 2 | (bits >> 4 & 0x03) << 4
    return zdo.NeighbourRow(
        row.extended_pan_id, Eui64(row.ieee), row.short, flags, bits >> 2 & 0x03, row.depth, row.lqi
    )


def _read(frame: responses.AttributeRecord) -> ReadRecord:
    """An attribute with its value turned round."""
    if frame.status:
        return ReadRecord(frame.attribute, Status(frame.status))
    raw = frame.value or b""
    prefix = _TEXTS.get(frame.data_type)
    if prefix is not None:
        raw = len(raw).to_bytes(prefix, "little") + raw
    elif frame.data_type in TYPES and TYPES[frame.data_type].size is not None:
        raw = raw[::-1]
    try:
        value, _ = decode_value(frame.data_type, raw)
    except CodecError:
        return ReadRecord(frame.attribute, Status.INVALID_DATA_TYPE)
    return ReadRecord(frame.attribute, Status.SUCCESS, frame.data_type, value)


def _written(record: WriteRecord) -> bytes:
    raw = encode_value(record.type, record.value)
    if record.type not in _TEXTS and TYPES[record.type].size is not None:
        raw = raw[::-1]
    return record.attribute.to_bytes(2, "big") + bytes((record.type,)) + raw
