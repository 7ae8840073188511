"""Traces as text and as pcap."""

from __future__ import annotations

import stat
import struct
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from protocols.aps import ApsFrame
from radios import trace
from radios.trace import Trace

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)


def test_text_has_a_line_for_each_frame_in_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    with Trace(path, lambda: NOW) as opened:
        opened.frame("tx", b"\x01\x02", "127.0.0.2:32866")
        opened.frame("rx", b"", "127.0.0.2:32866")
    assert path.read_text().splitlines() == [
        "2026-11-20T12:00:00.123456+00:00 tx 127.0.0.2:32866 0102",
        "2026-11-20T12:00:00.123456+00:00 rx 127.0.0.2:32866 ",
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_pcap_holds_whole_ip_packets(tmp_path: Path) -> None:
    path = tmp_path / "t.pcap"
    with Trace(path, lambda: NOW) as opened:
        opened.frame("tx", b"abc", "127.0.0.2:32866")
        opened.frame("rx", b"defg", "127.0.0.2:32866")
    data = path.read_bytes()
    assert struct.unpack_from("<IHHiIII", data) == (0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    offset, packets = 24, []
    while offset < len(data):
        seconds, micro, size, original = struct.unpack_from("<IIII", data, offset)
        assert (seconds, micro, size) == (int(NOW.timestamp()), 123456, original)
        packets.append(data[offset + 16 : offset + 16 + size])
        offset += 16 + size
    assert [packet[28:] for packet in packets] == [b"abc", b"defg"]
    for packet in packets:
        assert packet[0] == 0x45
        assert struct.unpack_from(">H", packet, 2)[0] == len(packet)
        total = sum(struct.unpack(">10H", packet[:20]))
        assert (total & 0xFFFF) + (total >> 16) == 0xFFFF, "header checksum"
        assert struct.unpack_from(">HHH", packet, 20) == (32866, 32866, 8 + len(packet) - 28)
    assert packets[0][16:20] == bytes([127, 0, 0, 2])
    assert packets[1][12:16] == bytes([127, 0, 0, 2])


def test_pcap_of_zigbee_holds_application_frames_in_packets_of_the_air(tmp_path: Path) -> None:
    path = tmp_path / "t.pcap"
    sent = ApsFrame(
        profile=0x0109, cluster=0x0701, source_endpoint=0x5E, destination_endpoint=10, destination=0x1A2B,
        payload=b"\x11\x07\x00",
    )  # fmt: skip
    heard = replace(sent, source=0x1A2B, destination=None, source_endpoint=10, destination_endpoint=0x5E, counter=9)
    with Trace(path, lambda: NOW, is_zigbee=True) as opened:
        opened.frame("tx", b"what the stick gets", "/dev/ttyUSB0")
        opened.aps("tx", sent, 0x0000, 0x4321)
        opened.aps("rx", heard, 0x0000, 0x4321)
    data = path.read_bytes()
    assert struct.unpack_from("<HHiIII", data, 4) == (2, 4, 0, 0, 65535, 230)
    size = struct.unpack_from("<I", data, 32)[0]
    assert data[40 : 40 + size] == bytes.fromhex(
        "4188 01 2143 2b1a 0000"  # a data frame to 0x1A2B from 0x0000
        "0800 2b1a 0000 1e 01"  # of the network, without security
        "40 0a 0107 0901 5e 01"  # of applications, to be acknowledged
        "110700"
    )
    assert data[56 + size : 56 + 2 * size] == bytes.fromhex(
        "4188 02 2143 0000 2b1a 0800 0000 2b1a 1e 02 40 5e 0107 0901 0a 09 110700"
    )
    with Trace(tmp_path / "t.txt", lambda: NOW, is_zigbee=True) as opened:
        opened.aps("tx", sent, 0x0000, 0x4321)  # it is within what the stick gets
        opened.frame("tx", b"\x7e", "/dev/ttyUSB0")
    assert (tmp_path / "t.txt").read_text().endswith(" tx /dev/ttyUSB0 7e\n")
    assert len((tmp_path / "t.txt").read_text().splitlines()) == 1


def test_a_forgotten_trace_does_not_fill_the_disk(tmp_path: Path, monkeypatch: object) -> None:
    limit, trace.MAX_TRACE_BYTES = trace.MAX_TRACE_BYTES, 200
    try:
        with Trace(tmp_path / "t.txt", lambda: NOW) as opened:
            for _ in range(100):
                opened.frame("tx", bytes(20), "127.0.0.2:1")
    finally:
        trace.MAX_TRACE_BYTES = limit
    assert (tmp_path / "t.txt").stat().st_size < 400
