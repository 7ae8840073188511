"""Implicit certificates of emulated Smart Energy devices (suite 1; Smart Energy profile, annex C; SEC 4).

They come from a folder of text files: `EUI64.txt` of a device, in the authority's text form, or `test-ca.key`, with the
private key of a test authority, of which a device makes its own. Whoever shares the authority establishes keys with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from radios.emulators import sect163k1
from radios.emulators.errors import EmulatorError
from radios.emulators.keyed_hash import mmo_hash
from radios.emulators.sect163k1 import COORDINATE_SIZE, ORDER, POINT_SIZE, Point

CERTIFICATE_SIZE = 48
SUBJECT, ISSUER = slice(POINT_SIZE, POINT_SIZE + 8), slice(POINT_SIZE + 8, POINT_SIZE + 16)
TEST_ISSUER = b"TESTSECA"
ATTRIBUTES = b"\x01\x09" + bytes(8)
"""The profile, and nothing of the maker."""
AUTHORITY_FILE = "test-ca.key"
AUTHORITY_KEY, CERTIFICATE, PRIVATE_KEY = "CA Public Key", "Device Implicit Cert", "Device Private Key"
AUTHORITY_PRIVATE_KEY = "CA Private Key"
LONGEST_FILE = 16_384
PUBLIC_KEYS_KEPT = 64


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a device has of its authority."""

    authority: bytes
    """Public key, compressed."""
    implicit: bytes
    private_key: int = field(repr=False)

    @property
    def subject(self) -> int:
        """For whom it was made."""
        return int.from_bytes(self.implicit[SUBJECT], "big")

    @classmethod
    def parse(cls, text: str) -> Certificate:
        """The authority's text form. Raises `EmulatorError`, which shows no private key."""
        implicit = _part(text, CERTIFICATE, CERTIFICATE_SIZE)
        private_key = int.from_bytes(_part(text, PRIVATE_KEY, COORDINATE_SIZE), "big")
        return cls(_part(text, AUTHORITY_KEY, POINT_SIZE), implicit, private_key)

    def check(self, ieee: int) -> None:
        """Raise `EmulatorError` when it is another device's, or its private key is another one's."""
        if self.subject != ieee:
            raise EmulatorError(f"the certificate is for {self.subject:016x}, not for {ieee:016x}")
        if public_key(self.implicit, self.authority) != sect163k1.multiple(self.private_key):
            raise EmulatorError(f"the certificate for {ieee:016x} and its private key do not belong together")


@lru_cache(PUBLIC_KEYS_KEPT)
def public_key(implicit: bytes, authority: bytes) -> Point:
    """Of a certificate's subject (SEC 4, 3.5). Raises `EmulatorError` for a certificate that is none."""
    share = sect163k1.multiple(_digest(implicit), sect163k1.read(implicit[:POINT_SIZE]))
    return sect163k1.plus(share, sect163k1.read(authority))


def _digest(implicit: bytes) -> int:
    return int.from_bytes(mmo_hash(implicit), "big")


@dataclass(frozen=True, slots=True)
class Authority:
    """A test authority."""

    private_key: int = field(repr=False)
    public_key: bytes
    """Compressed."""

    @classmethod
    def parse(cls, text: str) -> Authority:
        """The file that `hubctl certificate test-ca new` writes. Raises `EmulatorError`."""
        private_key = int.from_bytes(_part(text, AUTHORITY_PRIVATE_KEY, COORDINATE_SIZE), "big")
        found = cls(private_key, sect163k1.written(sect163k1.multiple(private_key)))
        if found.public_key != _part(text, AUTHORITY_KEY, POINT_SIZE):
            raise EmulatorError(f"{AUTHORITY_PRIVATE_KEY} and {AUTHORITY_KEY} do not belong together")
        return found

    def issue(self, ieee: int, random: Callable[[int, int], int]) -> Certificate:
        """Make a device's (SEC 4, 3.4 to 3.6, both sides of it). `random(least, most)` gives numbers."""
        request, share = random(1, ORDER - 1), random(1, ORDER - 1)
        point = sect163k1.multiple((request + share) % ORDER)
        implicit = sect163k1.written(point) + ieee.to_bytes(8, "big") + TEST_ISSUER + ATTRIBUTES
        private_key = (_digest(implicit) * (request + share) + self.private_key) % ORDER
        return Certificate(self.public_key, implicit, private_key)


def certificates_of(folder: Path) -> Callable[[int, Callable[[int, int], int]], Certificate | None]:
    """Who finds or makes a device's certificate, by its address; None: it gets none. Raises `EmulatorError`."""
    authority_file = folder / AUTHORITY_FILE
    authority = Authority.parse(_text(authority_file)) if authority_file.exists() else None
    if authority is None and not folder.is_dir():
        raise EmulatorError(f"{folder}: no such folder")

    def find(ieee: int, random: Callable[[int, int], int]) -> Certificate | None:
        path = folder / f"{ieee:016x}.txt"
        if path.exists():
            found = Certificate.parse(_text(path))
            found.check(ieee)
            return found
        return authority.issue(ieee, random) if authority is not None else None

    return find


def _text(path: Path) -> str:
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            return file.read(LONGEST_FILE)
    except OSError as error:
        raise EmulatorError(f"{path} cannot be read: {error.strerror}") from None


def _part(text: str, label: str, size: int) -> bytes:
    """A line of a label, a colon and hex digits."""
    found = re.search(rf"^{label}:\s*([0-9A-Fa-f]*)\s*$", text, re.MULTILINE)
    if found is None or len(found[1]) != 2 * size:
        raise EmulatorError(f"a line `{label}: <{2 * size} hex digits>` is missing")
    return bytes.fromhex(found[1])
