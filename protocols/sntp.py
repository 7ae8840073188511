"""Asking a time server: the simple network time protocol (RFC 4330, RFC 5905).

A request is 48 bytes: version 4, mode 3 (client), and a transmit timestamp. An answer repeats that one as its originate
timestamp. Timestamps are seconds since 1900 and their 2^32th parts, which begin anew in 2036.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from protocols.errors import RangeError, TruncatedError

PORT: Final = 123
SIZE: Final = 48
_FORM: Final = struct.Struct(">BBbb II 4s QQQQ")
_CLIENT: Final = 0x23
"""No warning, version 4, client."""
_SERVER_MODE: Final = 4
_UNSYNCHRONIZED: Final = 3
_MAX_STRATUM: Final = 15
_FRACTION: Final = 1 << 32
_EPOCH_S: Final = 2_208_988_800
"""1900 to 1970."""
_ERA_BIT: Final = 1 << 31
"""Seconds without it are of the era that begins in 2036 (RFC 4330, 3)."""


def request(nonce: int) -> bytes:
    """A question. `nonce`, 64 bits, stands for our time, which is nobody's business: the answer repeats it."""
    return _FORM.pack(_CLIENT, 0, 0, 0, 0, 0, bytes(4), 0, 0, 0, nonce)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server says: when the question came to it and when its answer left, in seconds since 1970."""

    received_s: float
    sent_s: float

    def offset_s(self, asked_s: float, answered_s: float) -> float:
        """The server's clock less ours, which was `asked_s` and `answered_s` then."""
        return ((self.received_s - asked_s) + (self.sent_s - answered_s)) / 2


def parse(data: bytes, nonce: int) -> Answer:
    """Read an answer. Raises `TruncatedError`, `RangeError` for one that answers another question or knows no time."""
    if len(data) < SIZE:
        raise TruncatedError("SNTP answer", SIZE, len(data))
    first, stratum, _, _, _, _, _, _, originate, received, sent = _FORM.unpack(data[:SIZE])
    if first & 0x07 != _SERVER_MODE:
        raise RangeError("mode", first & 0x07, "4, of a server")
    if originate != nonce:
        raise RangeError("originate timestamp", originate, "that of the question")
    if first >> 6 == _UNSYNCHRONIZED or not 1 <= stratum <= _MAX_STRATUM or not sent:
        raise RangeError("stratum", stratum, "1 to 15, of a server that knows the time")
    return Answer(_seconds(received), _seconds(sent))


def _seconds(stamp: int) -> float:
    whole, part = divmod(stamp, _FRACTION)
    if not whole & _ERA_BIT:
        whole += 1 << 32
    return whole - _EPOCH_S + part / _FRACTION
