"""The device object (ZDO) of an emulated device: who it is, what is behind it, what is bound, whom it hears."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from radios.emulators.air import Air

if TYPE_CHECKING:
    from radios.emulators.device import EmulatedDevice

MAX_BINDINGS = 16
"""Of a small device; one more is refused, as theirs are."""
ROWS_AT_ONCE = 3
"""Of a table, so that an answer is one radio packet."""
LEAVE = 0x0034


class DeviceObject:
    """Answers for a device."""

    def __init__(self, device: EmulatedDevice) -> None:
        self._device = device

    def answer(self, cluster: int, body: bytes, *, is_broadcast: bool) -> bytes | None:
        """What the device says to a request, without its transaction number; None: nothing."""
        device = self._device
        short = struct.pack("<H", device.short)
        if cluster == 0x0000:
            if int.from_bytes(body[:8], "little") != device.ieee:
                return None if is_broadcast else b"\x81" + body[:8]
            return b"\x00" + device.ieee.to_bytes(8, "little") + short
        if cluster in (0x0021, 0x0022):
            return bytes((self._bind(body, undo=cluster == 0x0022),))
        if cluster in (0x0031, 0x0033):
            return self._table(cluster, body[0])
        if cluster == LEAVE:
            ieee = int.from_bytes(body[:8], "little")
            return bytes((0x00 if ieee in (0, device.ieee) else 0x81,))
        if cluster == 0x0036:
            if device.capability & 2 and device.air is not None:
                device.air.permit(body[0], device.ieee)
            return None if is_broadcast else b"\x00"
        if cluster not in (0x0001, 0x0002, 0x0003, 0x0004, 0x0005, 0x0006):
            return None if is_broadcast else b"\x84"
        about = struct.unpack_from("<H", body)[0]
        if about != device.short and not (cluster == 0x0006 and about >= 0xFFF8):
            return None if is_broadcast else b"\x80" + body[:2]
        match cluster:
            case 0x0001:
                return b"\x00" + device.ieee.to_bytes(8, "little") + short
            case 0x0002:
                logical = 1 if device.capability & 2 else 2
                return (
                    b"\x00"
                    + short
                    + struct.pack(
                        "<BBBHBHHHB", logical, 0x40, device.capability, device.manufacturer_code, 82, 82, 0, 82, 0
                    )
                )
            case 0x0003:
                mains = bool(device.capability & 4)
                return b"\x00" + short + bytes((0x10 if mains else 0x42, 0xC1 if mains else 0xC4))
            case 0x0004:
                return self._simple(short, body[2])
            case 0x0005:
                return b"\x00" + short + bytes((len(device.endpoints), *device.endpoints))
        return self._match(short, body, is_broadcast=is_broadcast)

    def _simple(self, short: bytes, number: int) -> bytes:
        found = self._device.endpoints.get(number)
        if found is None:
            return (b"\x82" if not 0 < number < 0xF1 else b"\x83") + short + b"\x00"
        descriptor = struct.pack("<BHHB", number, found.profile, found.device_type, 1)
        for clusters in (found.listed, found.clients):
            descriptor += bytes((len(clusters),)) + b"".join(struct.pack("<H", cluster) for cluster in clusters)
        return b"\x00" + short + bytes((len(descriptor),)) + descriptor

    def _match(self, short: bytes, body: bytes, *, is_broadcast: bool) -> bytes | None:
        profile, servers = struct.unpack_from("<HB", body, 2)
        at = 5
        wanted = set(struct.unpack_from(f"<{servers}H", body, at))
        at += 2 * servers
        clients = set(struct.unpack_from(f"<{body[at]}H", body, at + 1))
        found = [
            number
            for number, endpoint in self._device.endpoints.items()
            if profile in (endpoint.profile, 0xFFFF)
            and (wanted & set(endpoint.listed) or clients & set(endpoint.clients))
        ]
        if not found and is_broadcast:
            return None
        return b"\x00" + short + bytes((len(found), *found))

    def _bind(self, body: bytes, *, undo: bool) -> int:
        source, endpoint, cluster, mode = struct.unpack_from("<QBHB", body)
        if source != self._device.ieee or endpoint not in self._device.endpoints:
            return 0x82
        if mode != 3:
            return 0x84
        target, target_endpoint = struct.unpack_from("<QB", body, 12)
        row = (endpoint, cluster, target, target_endpoint)
        if undo:
            if row not in self._device.bindings:
                return 0x88
            self._device.bindings.remove(row)
            return 0x00
        if row not in self._device.bindings:
            if len(self._device.bindings) >= MAX_BINDINGS:
                return 0x8C
            self._device.bindings.append(row)
        return 0x00

    def _table(self, cluster: int, start: int) -> bytes:
        device = self._device
        if cluster == 0x0031:
            if not device.capability & 2 or device.air is None:
                return b"\x84"
            return table(neighbour_rows(device.air, device.ieee), start)
        return table(
            [
                struct.pack("<QBHBQB", device.ieee, endpoint, number, 3, target, target_endpoint)
                for endpoint, number, target, target_endpoint in device.bindings
            ],
            start,
        )


def neighbour_rows(air: Air, ieee: int) -> list[bytes]:
    """Rows of a neighbour table; 0: the coordinator's."""
    return [
        struct.pack("<QQHBBBB", air.extended_pan_id, other, short, _flags(kind, relation), 2, depth, lqi)
        for other, short, kind, relation, depth, lqi in air.neighbours(ieee)
    ]


def table(rows: list[bytes], start: int) -> bytes:
    """Status, number of rows, and those from `start` on that fit."""
    shown = rows[start : start + ROWS_AT_ONCE]
    return bytes((0, len(rows), start, len(shown))) + b"".join(shown)


def _flags(kind: int, relation: int) -> int:
    """Device type, receiver on when idle, relationship."""
    return kind | (4 if kind != 2 else 0) | relation << 4
