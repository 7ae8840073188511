"""A stream of ZiGate frames, as a serial port gives it, deframed and decoded: against zigpy-zigate's gateway."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from bench.measure import Result, compare
from protocols.zigate import frames
from protocols.zigate.framing import Deframer, encode

READ = 64
"""Bytes of one read, as USB serial converters give them."""
FRAMES = 4000
PROMISE = 5.0


def _report(number: int, endpoint: int, cluster: int, zcl: str) -> tuple[int, bytes]:
    """A data indication (0x8002) with a ZCL frame; `n` in `zcl` are places for what differs from frame to frame."""
    varied = f"{number & 0xFFFFFF:06x}".encode()
    head = f"00 0104 {cluster:04x} {endpoint:02x}01 02{0x1000 + number % 200:04x} 020000"
    body = zcl.replace("nnnnnn", varied.decode()).replace("nn", f"{number & 0xFF:02x}")
    return 0x8002, bytes.fromhex(head + body)


def _sent(number: int) -> list[tuple[int, bytes]]:
    """What is said of a frame that was sent: its status, that it is on the air, that the far end has it."""
    counter = number & 0xFF
    return [
        (0x8000, bytes((0, counter, 0x05, 0x30, 0, counter, 0, 0))),
        (0x8012, bytes((0, 1, 1, 2, 0x27, 0x9B, counter, 0, 0))),
        (0x8011, bytes((0, 0x27, 0x9B, 1, 0x07, 0x02, counter))),
    ]


def _answer(number: int) -> tuple[int, bytes]:
    """In turn: what a meter measures in, who made a plug, who hears whom."""
    match number // 40 % 3:
        case 0:
            units = "18 nn 01 0003 00 30 00 0103 00 22 010000 0203 00 22 e80300 0303 00 18 33"
            return _report(number, 1, 0x0702, units)
        case 1:
            return _report(number, 1, 0, "18 nn 01 0400 00 42 07 4578616d706c65 0500 00 42 0a 736d6172742d706c7567")
    neighbour = "d2a3b4c5d6e7f809 22b4c5d6e7f8a900 nn12 25 02 01 c8"
    zdo = bytes.fromhex(f"nn00 050003 {neighbour * 3}".replace("nn", f"{number & 0xFF:02x}"))
    return 0x8002, bytes.fromhex("00 0000 8031 0000 021234 020000") + zdo


def _forty(number: int) -> list[tuple[int, bytes]]:
    """Forty frames of a home with meters, plugs and sensors: 36 told unasked, and a question with all that it brings.

    Of what the ZiGate of `hubd --demo` says in a quarter of an hour, 1,099 of 1,103 frames are told unasked.
    """
    found = []
    for at in range(number, number + 5):
        # A meter and a plug's: summation and demand. Voltage, current and power. A room. A thermostat. A switch.
        found.append(_report(at, 1, 0x0702, "18 nn 0a 0000 25 nnnnnn000000 0004 2a nnnnnn"))
        found.append(_report(at + 9, 1, 0x0702, "18 nn 0a 0000 25 nnnnnn000000 0004 2a nnnnnn"))
        found.append(_report(at, 1, 0x0702, "18 nn 0a 0004 2a nnnnnn"))
        found.append(_report(at, 1, 0x0B04, "18 nn 0a 0505 21 09nn 0805 21 7bnn 0b05 29 f4nn"))
        found.append(_report(at, 1, 0x0402, "18 nn 0a 0000 29 66nn"))
        found.append(_report(at, 1, 0x0201, "18 nn 0a 0000 29 66nn 0800 20 nn"))
        found.append(_report(at, 1, 0x0006, "18 nn 0a 0000 10 01"))
    # Of Xiaomi: 0xFF01 with battery, temperature and counters.
    xiaomi = "1c 5f11 nn 0a 01ff 42 19 0121d10b 0328nn 0421a813 0521nn00 0624nnnnnn0000 0a21nnnn"
    found.append(_report(number, 1, 0x0000, xiaomi))
    return [*found, *_sent(number), _answer(number)]


def stream() -> bytes:
    """`FRAMES` frames as they come over the line."""
    frames = [frame for number in range(0, FRAMES, 40) for frame in _forty(number)]
    assert len(frames) == FRAMES
    return b"".join(encode(code, payload + b"\xc8") for code, payload in frames)


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
        deframer, seen = Deframer(frames.read), 0
        started = time.perf_counter()
        for chunk in chunks:
            for _packet, _lqi in deframer.feed(chunk):  # type: ignore[misc] # garbage would be no pair
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
