"""Traces as text and as pcap."""

from __future__ import annotations

import stat
import struct
from datetime import UTC, datetime
from pathlib import Path

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


def test_a_forgotten_trace_does_not_fill_the_disk(tmp_path: Path, monkeypatch: object) -> None:
    limit, trace.MAX_TRACE_BYTES = trace.MAX_TRACE_BYTES, 200
    try:
        with Trace(tmp_path / "t.txt", lambda: NOW) as opened:
            for _ in range(100):
                opened.frame("tx", bytes(20), "127.0.0.2:1")
    finally:
        trace.MAX_TRACE_BYTES = limit
    assert (tmp_path / "t.txt").stat().st_size < 400
