"""The stick's own device object: the firmware answers, not the host."""

from __future__ import annotations

import struct

from radios.emulators.air import Air


def _flags(kind: int, relation: int) -> int:
    return kind | (4 if kind != 2 else 0) | relation << 4


def device_object(air: Air, ieee: int, cluster: int, body: bytes) -> bytes | None:
    """What the firmware answers for the stick's own device object; None: nothing."""
    zero = b"\x00\x00"
    match cluster:
        case 0x0000 | 0x0001:
            return b"\x00" + ieee.to_bytes(8, "little") + zero
        case 0x0002:
            return b"\x00" + zero + struct.pack("<BBBHBHHHB", 0, 0x40, 0x8F, 0x1037, 127, 100, 0x2C00, 100, 0)
        case 0x0005:
            return b"\x00" + zero + b"\x01\x01"
        case 0x0004:
            descriptor = struct.pack("<BHHBBHHBHH", 1, 0x0104, 0x0840, 1, 2, 0, 3, 2, 6, 8)
            return b"\x00" + zero + bytes((len(descriptor),)) + descriptor
        case 0x0006:
            return b"\x00" + zero + b"\x00"
        case 0x0031:
            rows = [
                struct.pack("<QQHBBBB", air.extended_pan_id, ieee, short, _flags(kind, relation), 2, depth, lqi)
                for ieee, short, kind, relation, depth, lqi in air.neighbours(0)
            ]
            start = body[0] if body else 0
            shown = rows[start : start + 3]
            return bytes((0, len(rows), start, len(shown))) + b"".join(shown)
    return None
