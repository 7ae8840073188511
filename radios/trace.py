"""Every frame of a radio, both ways, to a file: text for people, pcap for a protocol analyser.

The driver masks what is secret (signatures, keys) before a frame comes here.
"""

from __future__ import annotations

import ipaddress
import os
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

MAX_TRACE_BYTES = 64 << 20
"""A trace ends here: a day of four breakers at 1 Hz is about 150 MB, and a forgotten trace must not fill the card."""

_PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
"""Classic pcap, microseconds, link type 101: raw IP."""
_THIS_HOST = "127.0.0.1"


class Trace:
    """A trace file, 0600. `.pcap` in its name chooses pcap of UDP datagrams, anything else text."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        """`now` gives aware times. The file is made by `async with`, or by the first frame."""
        self.path = path
        self._now = now
        self._is_pcap = path.suffix == ".pcap"
        self._file: BinaryIO | None = None
        self._size = 0

    def __enter__(self) -> Self:
        self._file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        if self._is_pcap:
            self._put(_PCAP_HEADER)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def frame(self, direction: str, frame: bytes, peer: str) -> None:
        """Record one frame. `direction` is "tx" or "rx", `peer` an "address:port"."""
        if self._file is None or self._size >= MAX_TRACE_BYTES:
            return
        now = self._now()
        if self._is_pcap:
            self._put(_udp_record(now, direction, frame, peer))
        else:
            time = now.astimezone(UTC).isoformat(timespec="microseconds")
            self._put(f"{time} {direction} {peer} {frame.hex()}\n".encode())

    def _put(self, data: bytes) -> None:
        assert self._file is not None
        self._file.write(data)
        self._file.flush()
        self._size += len(data)


def _udp_record(now: datetime, direction: str, frame: bytes, peer: str) -> bytes:
    host, _, port_text = peer.rpartition(":")
    there, port = ipaddress.IPv4Address(host).packed, int(port_text)
    here = ipaddress.IPv4Address(_THIS_HOST).packed
    source, destination = (here, there) if direction == "tx" else (there, here)
    ports = struct.pack(">HHHH", port, port, 8 + len(frame), 0)
    header = struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(frame), 0, 0, 64, 17, 0) + source + destination
    header = header[:10] + struct.pack(">H", _ip_checksum(header)) + header[12:]
    packet = header + ports + frame
    stamp = int(now.timestamp() * 1_000_000)
    return struct.pack("<IIII", stamp // 1_000_000, stamp % 1_000_000, len(packet), len(packet)) + packet


def _ip_checksum(header: bytes) -> int:
    total: int = sum(struct.unpack(">10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
