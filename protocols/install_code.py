"""Installation codes: the short number on a device from which its link key is derived (Smart Energy profile, 5.4.8.1).

A code of 6, 8, 12 or 16 bytes with its CRC (X.25, least significant byte first) behind it; the link key is the AES-MMO
hash over both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from protocols.errors import RangeError

CODE_SIZES: Final = (6, 8, 12, 16)
"""Bytes of a code without its CRC."""
CRC_SIZE: Final = 2
KEY_SIZE: Final = 16
_SEPARATORS = re.compile(r"[\s:.\-_,]+")
_ALLOWED = "6, 8, 12 or 16 bytes and the 2 of the CRC behind them: 16, 20, 28 or 36 hex digits"


def hex_digits(text: str) -> str:
    """A key or code without what people write between its digits, and without 0x; it need not be hex yet."""
    return _SEPARATORS.sub("", text).removeprefix("0x").removeprefix("0X")


def crc16_x25(data: bytes) -> int:
    """CRC-16/X-25: polynomial 0x1021 reflected, begun with and xored with 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return crc ^ 0xFFFF


def aes_mmo(data: bytes) -> bytes:
    """The Matyas-Meyer-Oseas hash of `data` with AES-128, 16 bytes (Zigbee R21, B.6)."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    bits = 8 * len(data)
    if bits < 1 << 16:
        tail = bits.to_bytes(2, "big")
    elif bits < 1 << 32:
        tail = bits.to_bytes(4, "big") + bytes(2)
    else:
        raise RangeError("data to be hashed", len(data), "less than 512 MiB")
    padded = data + b"\x80"
    padded += bytes(-(len(padded) + len(tail)) % KEY_SIZE) + tail
    found = bytes(KEY_SIZE)
    for at in range(0, len(padded), KEY_SIZE):
        block = padded[at : at + KEY_SIZE]
        encryptor = Cipher(algorithms.AES(found), modes.ECB()).encryptor()
        found = bytes(a ^ b for a, b in zip(encryptor.update(block), block, strict=True))
    return found


@dataclass(frozen=True, slots=True)
class InstallCode:
    """A code whose length and CRC are right. Never shown: whoever knows it knows the link key."""

    code: bytes = field(repr=False)
    """Without its CRC."""

    def __post_init__(self) -> None:
        if len(self.code) not in CODE_SIZES:
            raise RangeError("installation code", f"{len(self.code)} bytes", _ALLOWED)

    @classmethod
    def from_bytes(cls, data: bytes) -> InstallCode:
        """A code with its CRC. Raises `RangeError`, which says the lengths and never the code."""
        size = len(data) - CRC_SIZE
        if size not in CODE_SIZES:
            shown = f"{len(data)} bytes"
            if len(data) in CODE_SIZES:
                shown += " (is the CRC missing?)"
            raise RangeError("installation code", shown, _ALLOWED)
        code = data[:size]
        if crc16_x25(code).to_bytes(CRC_SIZE, "little") != data[size:]:
            raise RangeError(
                "installation code",
                f"{len(data)} bytes of which the last two are not the CRC of the {size} before them",
                "a code as it is printed on the device; look for a digit that was read or typed wrongly",
            )
        return cls(code)

    @classmethod
    def parse(cls, text: str) -> InstallCode:
        """Read hex digits with any of space, `-`, `:`, `.` between them. Raises `RangeError` without the code."""
        digits = hex_digits(text)
        if not re.fullmatch("[0-9A-Fa-f]*", digits):
            wrong = next(at for at, character in enumerate(digits, 1) if character not in "0123456789abcdefABCDEF")
            raise RangeError("installation code", f"not hex at its digit {wrong}", "hex digits 0 to 9 and a to f")
        if len(digits) % 2:
            raise RangeError("installation code", f"{len(digits)} hex digits", _ALLOWED)
        return cls.from_bytes(bytes.fromhex(digits))

    def to_bytes(self) -> bytes:
        """The code with its CRC."""
        return self.code + crc16_x25(self.code).to_bytes(CRC_SIZE, "little")

    @property
    def link_key(self) -> bytes:
        """The link key, 16 bytes."""
        return aes_mmo(self.to_bytes())


def parse_link_key(text: str) -> bytes:
    """A link key of 32 hex digits. Raises `RangeError` without the key."""
    digits = hex_digits(text)
    if not re.fullmatch("[0-9A-Fa-f]{32}", digits):
        shown = f"{len(digits)} characters" if len(digits) != 2 * KEY_SIZE else "not hex throughout"
        raise RangeError("link key", shown, "32 hex digits (16 bytes)")
    key = bytes.fromhex(digits)
    if not any(key):
        raise RangeError("link key", "all zero", "a key that is not all zero: radios take that for no key")
    return key
