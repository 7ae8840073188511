"""The hash of Zigbee, with a key and without, and the link keys of installation codes."""

from __future__ import annotations

import binascii

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

CODE_LENGTHS = (8, 10, 14, 18)
"""Of installation codes with their checksums."""
BLOCK = 16
INNER, OUTER = 0x36, 0x5C
"""What a key is changed with (FIPS 198-1)."""


def mmo_hash(data: bytes) -> bytes:
    """Matyas-Meyer-Oseas with AES-128 (Zigbee, annex B.6), of less than 8 KiB."""
    bits = len(data) * 8
    padded = data + b"\x80"
    padded += bytes((BLOCK - 2 - len(padded)) % BLOCK) + bits.to_bytes(2, "big")
    found = bytes(BLOCK)
    for at in range(0, len(padded), BLOCK):
        block = padded[at : at + BLOCK]
        made = Cipher(algorithms.AES(found), modes.ECB()).encryptor().update(block)
        found = bytes(one ^ other for one, other in zip(made, block, strict=True))
    return found


def keyed_hash(key: bytes, data: bytes) -> bytes:
    """HMAC with that hash (Zigbee, annex B.1.4), with a key of one block."""
    inner, outer = (bytes(byte ^ change for byte in key) for change in (INNER, OUTER))
    return mmo_hash(outer + mmo_hash(inner + data))


def with_checksum(code: bytes) -> bytes:
    """An installation code as it is printed on a device: with its CRC-16/X-25 behind it."""
    reflected = bytes(int(f"{byte:08b}"[::-1], 2) for byte in code)
    checksum = int(f"{binascii.crc_hqx(reflected, 0xFFFF) ^ 0xFFFF:016b}"[::-1], 2)
    return code + checksum.to_bytes(2, "little")


def key_of(code: bytes) -> bytes | None:
    """The link key of an installation code with its checksum; None: it is none."""
    return mmo_hash(code) if len(code) in CODE_LENGTHS and with_checksum(code[:-2]) == code else None
