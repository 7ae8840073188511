"""Every frame of a radio, both ways, to a file: text for people, pcap for a protocol analyser.

The driver masks what is secret (signatures, keys) before a frame comes here. A pcap holds what an analyser knows:

=================  ===================================================================================================
breakers           UDP datagrams, as raw IP packets
Zigbee             APS frames, as IEEE 802.15.4 packets with MAC, network and APS headers. These are made up from
                   what radio and hub know, and nothing is encrypted in the file, though it was on the air: an analyser
                   needs no keys. Fragments are shown as the one frame that they make.
=================  ===================================================================================================
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

from protocols.aps import ApsFrame, Delivery
from protocols.ids import FIRST_BROADCAST

MAX_TRACE_BYTES = 64 << 20
"""A trace ends here: a day of four breakers at 1 Hz is about 150 MB, and a forgotten trace must not fill the card."""

_RAW_IP, _IEEE_802_15_4 = 101, 230
"""Link types of pcap; 230 is without the check sum at the end."""
_THIS_HOST = "127.0.0.1"
_MAC_DATA = 0x8841
"""IEEE 802.15.4, 7.2.1.1: a data frame of one PAN between short addresses."""
_NETWORK_DATA = 0x0008
"""Zigbee R21, 3.3.1.1: a data frame of protocol version 2."""
_DELIVERY = {Delivery.UNICAST: 0x00, Delivery.BROADCAST: 0x08, Delivery.GROUP: 0x0C}
_APS_ACK = 0x40
"""Zigbee R21, 2.2.5.1.1: delivery mode and acknowledgement request in the frame control of a data frame."""
_UNKNOWN_SHORT, _ALL = 0xFFFE, 0xFFFF
_RADIUS = 30


class Trace:
    """A trace file, 0600. `.pcap` in its name chooses pcap, anything else text."""

    def __init__(self, path: Path, now: Callable[[], datetime], *, is_zigbee: bool = False) -> None:
        """`now` gives aware times. `is_zigbee`: a pcap is of APS frames, not of datagrams. `with` makes the file."""
        self.path = path
        self._now = now
        self._is_pcap, self._is_zigbee = path.suffix == ".pcap", is_zigbee
        self._counter = 0
        self._file: BinaryIO | None = None
        self._size = 0

    def __enter__(self) -> Self:
        self._file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        if self._is_pcap:
            link_type = _IEEE_802_15_4 if self._is_zigbee else _RAW_IP
            self._put(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link_type))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def frame(self, direction: str, frame: bytes, peer: str) -> None:
        """Record one frame. `direction` is "tx" or "rx", `peer` an "address:port", or what else the radio is at.

        What a Zigbee stick and its driver say to each other is not for a pcap: see `aps`.
        """
        if self._file is None or self._size >= MAX_TRACE_BYTES or (self._is_pcap and self._is_zigbee):
            return
        now = self._now()
        if self._is_pcap:
            self._put(_udp_record(now, direction, frame, peer))
        else:
            time = now.astimezone(UTC).isoformat(timespec="microseconds")
            self._put(f"{time} {direction} {peer} {frame.hex()}\n".encode())

    def aps(self, direction: str, frame: ApsFrame, own: int, pan_id: int) -> None:
        """Record an APS frame in a pcap of Zigbee; text has it within the stick's frames.

        `own`: our network address, in place of whichever one the frame does not tell.
        """
        if self._file is None or self._size >= MAX_TRACE_BYTES or not (self._is_pcap and self._is_zigbee):
            return
        self._counter = (self._counter + 1) & 0xFF
        self._put(_record(self._now(), _zigbee_packet(direction, frame, own, pan_id, self._counter)))

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
    return _record(now, header + ports + frame)


def _zigbee_packet(direction: str, frame: ApsFrame, own: int, pan_id: int, counter: int) -> bytes:
    """MAC, network and APS headers around a payload. Zigbee R21, 3.3.1 and 2.2.5.1."""
    is_ours = direction == "tx"
    source = frame.source if frame.source is not None else own if is_ours else _UNKNOWN_SHORT
    to = frame.destination if frame.destination is not None else _UNKNOWN_SHORT if is_ours else own
    is_group = frame.delivery is Delivery.GROUP
    network_to = 0xFFFD if is_group else to
    mac_to = _ALL if network_to >= FIRST_BROADCAST else network_to
    mac = struct.pack("<HBHHH", _MAC_DATA, counter, pan_id, mac_to, source)
    network = struct.pack("<HHHBB", _NETWORK_DATA, network_to, source, frame.radius or _RADIUS, counter)
    asks = frame.ack and frame.delivery is Delivery.UNICAST
    control = _DELIVERY[frame.delivery] | (_APS_ACK if asks else 0)
    target = struct.pack("<H", to) if is_group else struct.pack("<B", frame.destination_endpoint)
    number = frame.counter if frame.counter is not None else counter
    return (
        mac
        + network
        + struct.pack("<B", control)
        + target
        + struct.pack("<HHBB", frame.cluster, frame.profile, frame.source_endpoint, number)
        + frame.payload
    )


def _record(now: datetime, packet: bytes) -> bytes:
    stamp = int(now.timestamp() * 1_000_000)
    return struct.pack("<IIII", stamp // 1_000_000, stamp % 1_000_000, len(packet), len(packet)) + packet


def _ip_checksum(header: bytes) -> int:
    total: int = sum(struct.unpack(">10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
