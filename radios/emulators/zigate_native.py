"""A ZiGate without raw mode: its own commands become frames on the air, what comes back its own messages."""

from __future__ import annotations

import struct
from collections.abc import Callable

from radios.emulators import zcl
from radios.emulators.air import AirFrame

OK, BAD_PARAMETERS = 0, 1
_OBJECTS = {0x0040: 0x0000, 0x0041: 0x0001, 0x0042: 0x0002, 0x0043: 0x0004, 0x0044: 0x0003, 0x0045: 0x0005}
_STRINGS = frozenset((zcl.STRING, zcl.OCTETS))
REPORT_CODE, READ_CODE = 0x8102, 0x8100


class NativeCommands:
    """Commands of the firmware, without memory of who asked: answers are told as they come."""

    CODES = (*_OBJECTS, 0x0046, 0x0030, 0x0031, 0x0047, 0x004E, 0x0070, 0x0081, 0x0092, 0x0100, 0x0110, 0x0120)

    def __init__(self, send: Callable[[AirFrame], None], say: Callable[[int, bytes, int], None]) -> None:
        """`send` puts a frame on the air, `say(code, payload, lqi)` tells the host."""
        self._send, self._say = send, say
        self._sequence = 0

    def carry_out(self, code: int, payload: bytes) -> int:
        """One command of the host; its status. Raises `struct.error` for a payload that is too short."""
        self._sequence = (self._sequence + 1) & 0xFF
        if code in _OBJECTS or code in (0x0046, 0x0030, 0x0031, 0x0047, 0x004E):
            short, body = self._object(code, payload)
            cluster = {0x0046: 0x0006, 0x0030: 0x0021, 0x0031: 0x0022, 0x0047: 0x0034, 0x004E: 0x0031, **_OBJECTS}[code]
            self._put(short, 0, 0, 0, cluster, bytes((self._sequence,)) + body)
            return OK
        mode, short, source, endpoint = struct.unpack_from(">BHBB", payload)
        if mode not in (2, 7):
            return BAD_PARAMETERS
        body = payload[5:]
        if code in (0x0070, 0x0081, 0x0092):
            cluster, command, args = _command(code, body)
            frame = zcl.frame(self._sequence, command, args, is_cluster=True, to_client=False, quiet=False)
        else:
            cluster, direction, special, manufacturer, count = struct.unpack_from(">HBBHB", body)
            command, args = _general(code, count, body[7:])
            frame = zcl.frame(
                self._sequence,
                command,
                args,
                to_client=bool(direction),
                manufacturer=manufacturer if special else None,
            )
        self._put(short, source, endpoint, 0x0104, cluster, frame)
        return OK

    def _put(self, short: int, source: int, endpoint: int, profile: int, cluster: int, payload: bytes) -> None:
        self._send(
            AirFrame(
                source=0,
                destination=short,
                source_endpoint=source,
                destination_endpoint=endpoint,
                profile=profile,
                cluster=cluster,
                payload=payload,
                counter=self._sequence,
            )
        )

    def _object(self, code: int, payload: bytes) -> tuple[int, bytes]:
        """Whom to ask, and the request as it is on the air."""
        if code == 0x0040:
            short, ieee, kind, start = struct.unpack(">HQBB", payload)
            return short, struct.pack("<QBB", ieee, kind, start)
        if code == 0x0041:
            short, about, kind, start = struct.unpack(">HHBB", payload)
            return short, struct.pack("<HBB", about, kind, start)
        if code in (0x0042, 0x0044, 0x0045):
            short = struct.unpack(">H", payload)[0]
            return short, struct.pack("<H", short)
        if code == 0x0043:
            short, endpoint = struct.unpack(">HB", payload)
            return short, struct.pack("<HB", short, endpoint)
        if code == 0x0046:
            short, profile, count = struct.unpack_from(">HHB", payload)
            inputs = struct.unpack_from(f">{count}H", payload, 5)
            outputs = struct.unpack_from(f">{payload[5 + 2 * count]}H", payload, 6 + 2 * count)
            body = struct.pack("<HHB", short, profile, count) + struct.pack(f"<{count}H", *inputs)
            return short, body + bytes((len(outputs),)) + struct.pack(f"<{len(outputs)}H", *outputs)
        if code in (0x0030, 0x0031):
            ieee, endpoint, cluster, mode = struct.unpack_from(">QBHB", payload)
            head = struct.pack("<QBHB", ieee, endpoint, cluster, mode)
            if mode == 3:
                target, target_endpoint = struct.unpack_from(">QB", payload, 12)
                return self.short_of(ieee), head + struct.pack("<QB", target, target_endpoint)
            return self.short_of(ieee), head + struct.pack("<H", struct.unpack_from(">H", payload, 12)[0])
        if code == 0x0047:
            short, ieee, rejoin, children = struct.unpack(">HQBB", payload)
            return short, struct.pack("<QB", ieee, (0x80 if rejoin else 0) | (0x40 if children else 0))
        short, start = struct.unpack(">HB", payload)
        return short, bytes((start,))

    short_of: Callable[[int], int] = staticmethod(lambda ieee: 0xFFFE)
    """The network address of an extended one, set by the stick."""

    # -- what comes back -----------------------------------------------------------------------------------------------

    def tell(self, frame: AirFrame, lqi: int) -> None:
        """A frame of a device, in the firmware's words; what it has none for is swallowed."""
        if frame.profile == 0:
            told = _told(frame.cluster, frame.payload)
            if told is not None:
                self._say(told[0], told[1], lqi)
            return
        header, payload = zcl.read_header(frame.payload)
        place = struct.pack(">HBH", frame.source, frame.source_endpoint, frame.cluster)
        if header.is_cluster:
            if frame.cluster == 0x0500 and header.command == 0:
                status, extended, zone, delay = struct.unpack_from("<HBBH", payload)
                head = struct.pack(">BBHBH", header.tsn, frame.source_endpoint, frame.cluster, 2, frame.source)
                self._say(0x8401, head + struct.pack(">HBBH", status, extended, zone, delay), lqi)
            elif frame.cluster == 0x0006:
                head = struct.pack(">BBHBH", header.tsn, frame.source_endpoint, frame.cluster, 2, frame.source)
                self._say(0x8095, head + bytes((header.command,)) + payload, lqi)
            return
        match header.command:
            case zcl.READ_RESPONSE | zcl.REPORT:
                # 3.0f mixes the two up: an answer comes with the code of a report.
                for record in _records(payload, with_status=header.command == zcl.READ_RESPONSE):
                    self._say(REPORT_CODE, bytes((0,)) + place + record, lqi)
            case zcl.WRITE_RESPONSE:
                status, attribute = (0, 0) if payload[0] == 0 else (payload[0], payload[1] | payload[2] << 8)
                body = bytes((header.tsn,)) + place + struct.pack(">HBBH", attribute, status, 0, 0)
                self._say(0x8110, body, lqi)
            case zcl.CONFIGURE_RESPONSE:
                self._say(0x8120, bytes((header.tsn,)) + place + payload[:1], lqi)
            case zcl.DEFAULT_RESPONSE:
                head = struct.pack(">BBH", header.tsn, frame.source_endpoint, frame.cluster)
                self._say(0x8101, head + payload[:2], lqi)


def _command(code: int, body: bytes) -> tuple[int, int, bytes]:
    if code == 0x0070:
        return 0x0003, 0x00, struct.pack("<H", struct.unpack_from(">H", body)[0])
    if code == 0x0092:
        return 0x0006, body[0], b""
    with_switch, level, time = struct.unpack_from(">BBH", body)
    return 0x0008, 0x04 if with_switch else 0x00, struct.pack("<BH", level, time)


def _general(code: int, count: int, body: bytes) -> tuple[int, bytes]:
    if code == 0x0100:
        return zcl.READ, struct.pack(f"<{count}H", *struct.unpack_from(f">{count}H", body))
    out, at = b"", 0
    for _ in range(count):
        if code == 0x0110:
            attribute, type_id = struct.unpack_from(">HB", body, at)
            size = 1 + body[at + 3] if type_id in _STRINGS else zcl.SIZES[type_id]
            raw = body[at + 3 : at + 3 + size]
            out += struct.pack("<HB", attribute, type_id) + (raw if type_id in _STRINGS else raw[::-1])
            at += 3 + size
        else:
            direction, type_id, attribute, least, most, _timeout = struct.unpack_from(">BBHHHH", body, at)
            at += 10
            out += struct.pack("<BHBHH", direction, attribute, type_id, least, most)
            if type_id in zcl.ANALOG:
                out += body[at : at + zcl.SIZES[type_id]][::-1]
                at += zcl.SIZES[type_id]
    return (zcl.WRITE if code == 0x0110 else zcl.CONFIGURE), out


def _records(payload: bytes, *, with_status: bool) -> list[bytes]:
    """Attributes in the firmware's words: attribute, status, type, size, value (most significant byte first)."""
    found: list[bytes] = []
    at = 0
    while at + 3 <= len(payload):
        attribute, status = payload[at] | payload[at + 1] << 8, 0
        at += 2
        if with_status:
            status, at = payload[at], at + 1
        if status:
            found.append(struct.pack(">HBBH", attribute, status, 0, 0))
            continue
        type_id, at = payload[at], at + 1
        _, end = zcl.unpack(type_id, payload, at)
        raw = payload[at + 1 : end] if type_id in _STRINGS else payload[at:end][::-1]
        found.append(struct.pack(">HBBH", attribute, 0, type_id, len(raw)) + raw)
        at = end
    return found


def _told(cluster: int, payload: bytes) -> tuple[int, bytes] | None:
    """A response of a device object, in the firmware's words."""
    tsn, body = payload[:1], payload[1:]
    status = body[:1]
    match cluster:
        case 0x8000 | 0x8001 if len(body) >= 11:
            ieee, short = struct.unpack_from("<QH", body, 1)
            return 0x8040 + (cluster & 1), tsn + status + struct.pack(">QH", ieee, short) + b"\x00\x00"
        case 0x8002 if len(body) >= 16:
            short, flags, bands, mac, maker, buffer, most_in, mask, most_out, bits = struct.unpack_from(
                "<HBBBHBHHHB", body, 1
            )
            values = (short, maker, most_in, most_out, mask, bits, mac, buffer, bands << 8 | flags)
            return 0x8042, tsn + status + struct.pack(">HHHHHBBBH", *values)
        case 0x8003 if len(body) >= 5:
            return 0x8044, tsn + status + body[3:5][::-1]
        case 0x8004:
            return 0x8043, tsn + status + body[1:3][::-1] + _descriptor(body[3:])
        case 0x8005 | 0x8006:
            return 0x8040 + (cluster & 0xF), tsn + status + body[1:3][::-1] + body[3:]
        case 0x8021 | 0x8022:
            return 0x8030 + (cluster & 0xF) - 1, tsn + status
        case 0x8034:
            return 0x8047, tsn + status
        case 0x8031 if len(body) >= 4:
            total, start, count = body[1:4]
            rows = b""
            for at in range(4, 4 + 22 * count, 22):
                epid, ieee, short, flags, permit, depth, lqi = struct.unpack_from("<QQHBBBB", body, at)
                bits = flags & 3 | (permit & 3) << 2 | (flags >> 4 & 3) << 4 | (flags >> 2 & 3) << 6
                rows += struct.pack(">HQQBBB", short, epid, ieee, depth, lqi, bits)
            return 0x804E, tsn + status + bytes((total, count, start)) + rows
    return None


def _descriptor(body: bytes) -> bytes:
    """Length and simple descriptor, its numbers turned round."""
    if not body or not body[0]:
        return b"\x00"
    endpoint, profile, device, version, count = struct.unpack_from("<BHHBB", body, 1)
    inputs = struct.unpack_from(f"<{count}H", body, 8)
    outputs = struct.unpack_from(f"<{body[8 + 2 * count]}H", body, 9 + 2 * count)
    return (
        body[:1]
        + struct.pack(">BHHBB", endpoint, profile, device, version, count)
        + struct.pack(f">{count}H", *inputs)
        + bytes((len(outputs),))
        + struct.pack(f">{len(outputs)}H", *outputs)
    )
