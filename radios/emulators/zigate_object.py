"""What the firmware answers by itself: the stick's own device object, and default responses."""

from __future__ import annotations

import struct

from radios.emulators.air import Air, AirFrame
from radios.emulators.device_object import neighbour_rows, table


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
            return table(neighbour_rows(air, 0), body[0] if body else 0)
    return None


def default_response(frame: AirFrame) -> bytes | None:
    """The firmware confirms what devices report and command, where they want it."""
    if len(frame.payload) < 3 or frame.destination >= 0xFFF8:
        return None
    control = frame.payload[0]
    at = 3 if control & 4 else 1
    if control & 0x10 or len(frame.payload) < at + 2:
        return None
    command = frame.payload[at + 1]
    if control & 3 == 0 and command != 0x0A:
        return None
    return bytes(((control & 0x0C) ^ 0x08 | 0x10,)) + frame.payload[1 : at + 1] + bytes((0x0B, command, 0))
