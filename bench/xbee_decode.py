"""A stream of XBee frames in API mode 2, as a serial port gives it, deframed and decoded: against zigpy-xbee."""

from __future__ import annotations

import logging
import time

from bench.measure import Result, compare
from protocols.ids import Eui64
from protocols.xbee import frames
from protocols.xbee.framing import ApiMode, deframer, encode
from protocols.xbee.status import AtStatus, DeliveryStatus, DiscoveryStatus

READ = 64
"""Bytes of one read, as USB serial converters give them."""
FRAMES = 4000
PROMISE = 5.0


def stream() -> bytes:
    """Of ten frames: three AT responses, three transmit statuses, four APS frames with a report."""
    wires = []
    for number in range(FRAMES):
        kind = number % 10
        found: frames.XbeeFrame
        if kind < 3:
            found = frames.AtResponse(1 + number % 255, b"AI", AtStatus.OK, b"\x00")
        elif kind < 6:
            found = frames.TransmitStatus(
                1 + number % 255, 0x1000 + number % 50, 0, DeliveryStatus.DELIVERED, DiscoveryStatus.NONE
            )
        else:
            report = (
                bytes.fromhex("18") + bytes((number & 0xFF,)) + bytes.fromhex("0a000025") + number.to_bytes(6, "little")
            )
            found = frames.ExplicitReceive(
                Eui64(0x0013A20040400000 + number % 50),
                0x1000 + number % 50,
                1,
                0x5E,
                0x0702,
                0x0109,
                frames.ReceiveOption(0x21),
                report,
            )
        wires.append(encode(found.to_data(), ApiMode.ESCAPED))
    return b"".join(wires)


def run() -> list[Result]:
    """The one row."""
    from zigpy_xbee.api import XBee
    from zigpy_xbee.uart import Gateway

    logging.getLogger("zigpy_xbee").setLevel(logging.CRITICAL)
    data = stream()
    chunks = [data[at : at + READ] for at in range(0, len(data), READ)]

    def ours() -> float:
        line, seen = deframer(ApiMode.ESCAPED, frames.read), 0
        started = time.perf_counter()
        for chunk in chunks:
            for found in line.feed(chunk):
                assert isinstance(found, frames.XbeeFrame)
                seen += 1
        elapsed = time.perf_counter() - started
        assert seen == FRAMES, seen
        return seen / elapsed

    def theirs() -> float:
        seen = [0]

        class Quiet(XBee):  # type: ignore[misc]
            def _seen(self, *_: object) -> None:
                seen[0] += 1

            _handle_at_response = _handle_tx_status = _handle_explicit_rx_indicator = _seen

        gateway = Gateway(Quiet({"path": "/dev/null", "baudrate": 115200, "flow_control": None}))
        started = time.perf_counter()
        for chunk in chunks:
            gateway.data_received(chunk)
        elapsed = time.perf_counter() - started
        assert seen[0] == FRAMES, seen
        return seen[0] / elapsed

    name = "XBee, mode 2: deframe + decode a mix / zigpy-xbee"
    return [compare(name, ours, theirs, unit="frames/s", at_least=PROMISE)]
