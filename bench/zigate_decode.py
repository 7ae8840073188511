"""A stream of ZiGate frames, as a serial port gives it, deframed and decoded: against zigpy-zigate's gateway."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from bench.measure import Result, compare
from protocols.zigate import frames
from protocols.zigate.framing import Deframer, RawFrame, encode

READ = 64
"""Bytes of one read, as USB serial converters give them."""
FRAMES = 4000
PROMISE = 5.0


def _indication(number: int) -> bytes:
    """A data indication (0x8002) with a report of a summation and a demand, as a meter sends it."""
    zcl = bytes((0x18, number & 0xFF, 0x0A)) + bytes.fromhex("000025") + number.to_bytes(6, "little")
    zcl += bytes.fromhex("00042a") + (number % 9000).to_bytes(3, "little")
    return (
        b"\x00"
        + bytes.fromhex("01040702")
        + b"\x01\x01"
        + b"\x02"
        + (0x1000 + number % 200).to_bytes(2, "big")
        + b"\x02\x00\x00"
        + zcl
    )


def stream() -> bytes:
    """Of ten frames: six reports, and a status, a confirm, an acknowledgement, and an announce."""
    parts = []
    for number in range(FRAMES // 10):
        for report in range(6):
            parts.append((0x8002, _indication(number * 6 + report)))
        sequence = number & 0xFF
        parts.append((0x8000, bytes((0, sequence, 0x05, 0x30, 0, sequence, 0, 0))))
        parts.append((0x8012, bytes((0, 1, 1, 2, 0x27, 0x9B, sequence))))
        parts.append((0x8011, bytes((0, 0x27, 0x9B, 1, 0x07, 0x02, sequence))))
        parts.append((0x004D, bytes.fromhex("279b00158d0001a2b3c48e")))
    return b"".join(encode(code, payload + b"\xc8") for code, payload in parts)


def reads(data: bytes) -> Iterator[bytes]:
    """The stream as it is read."""
    for at in range(0, len(data), READ):
        yield data[at : at + READ]


class _Quiet:
    """What zigpy-zigate calls with each decoded frame."""

    def __init__(self) -> None:
        self.seen = 0

    def zigate_callback_handler(self, message: object, response: object, lqi: int) -> None:
        self.seen += 1


def run() -> list[Result]:
    """The one row."""
    from zigpy_zigate.api import ZiGate
    from zigpy_zigate.uart import Gateway

    logging.getLogger("zigpy_zigate").setLevel(logging.ERROR)
    data = stream()
    chunks = list(reads(data))

    def ours() -> float:
        deframer, seen = Deframer(has_lqi=True), 0
        started = time.perf_counter()
        for chunk in chunks:
            for raw in deframer.feed(chunk):
                assert isinstance(raw, RawFrame)
                frames.parse(raw)
                seen += 1
        elapsed = time.perf_counter() - started
        assert seen == FRAMES, seen
        return seen / elapsed

    def theirs() -> float:
        api = ZiGate({"path": "/dev/null", "baudrate": 115200, "flow_control": None})
        quiet = _Quiet()
        api._app = quiet
        gateway = Gateway(api)
        started = time.perf_counter()
        for chunk in chunks:
            gateway.data_received(chunk)
        elapsed = time.perf_counter() - started
        assert quiet.seen == FRAMES, quiet.seen
        return quiet.seen / elapsed

    name = "ZiGate: deframe + decode a mix / zigpy-zigate's gateway"
    return [compare(name, ours, theirs, unit="frames/s", at_least=PROMISE)]
