"""Certificates of Smart Energy devices: implicit certificates over sect163k1 (Smart Energy profile, annex C).

A device's certificate has three parts that are installed together: the public key of the authority (22 bytes), the
implicit certificate (48) and the private key (21). In the certificate lie a public reconstruction point (22), the
device's extended address (8, most significant byte first), the issuer (8) and attributes (10), of which the first two
bytes are the profile.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from protocols.errors import RangeError
from protocols.ids import Eui64, Profile

AUTHORITY_KEY_SIZE: Final = 22
CERTIFICATE_SIZE: Final = 48
PRIVATE_KEY_SIZE: Final = 21
TEST_ISSUER: Final = b"TESTSECA"
_POINT_SIZE = 22
MAX_TEXT: Final = 16_384
"""Characters of a certificate file that are looked at."""
_NAMES: Final = {
    "capublickey": "authority_key",
    "capubkey": "authority_key",
    "deviceimplicitcert": "implicit",
    "deviceimplicitcertificate": "implicit",
    "deviceprivatekey": "private_key",
    "privatekeyreconstructiondata": "private_key",
}
_LABELS: Final = {
    "authority_key": ("CA Public Key", AUTHORITY_KEY_SIZE),
    "implicit": ("Device Implicit Cert", CERTIFICATE_SIZE),
    "private_key": ("Device Private Key", PRIVATE_KEY_SIZE),
}


@dataclass(frozen=True, slots=True)
class DeviceCertificate:
    """The three parts. The private key is never shown."""

    authority_key: bytes
    implicit: bytes
    private_key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        for name, (label, size) in _LABELS.items():
            found = len(getattr(self, name))
            if found != size:
                raise RangeError(label, f"{found} bytes", f"{size} bytes ({2 * size} hex digits)")
        for name in ("authority_key", "implicit"):
            if getattr(self, name)[0] not in (0x02, 0x03):
                label = _LABELS[name][0]
                raise RangeError(label, f"begins with {getattr(self, name)[0]:02x}", "02 or 03: a compressed point")
        if self.profile != Profile.SMART_ENERGY:
            raise RangeError("profile of the certificate", f"0x{self.profile:04x}", "0x0109, Smart Energy")

    @property
    def subject(self) -> Eui64:
        """The device that it was made for."""
        return Eui64(int.from_bytes(self.implicit[_POINT_SIZE : _POINT_SIZE + 8], "big"))

    @property
    def issuer(self) -> bytes:
        """Who made it, 8 bytes."""
        return self.implicit[_POINT_SIZE + 8 : _POINT_SIZE + 16]

    @property
    def is_test(self) -> bool:
        """Whether the test authority made it: such a device speaks to no production network."""
        return self.issuer == TEST_ISSUER

    @property
    def profile(self) -> int:
        """The profile in its attributes."""
        return int.from_bytes(self.implicit[_POINT_SIZE + 16 : _POINT_SIZE + 18], "big")

    def check_subject(self, ieee: Eui64) -> None:
        """Raise `RangeError` when it is another device's."""
        if self.subject != ieee:
            raise RangeError("certificate", f"for {self.subject}", f"one for {ieee}, the device that shall have it")

    def to_text(self) -> str:
        """The authority's text form, as `parse` reads it. Shows the private key."""
        return write_parts({name: getattr(self, name) for name in _LABELS})

    @classmethod
    def parse(cls, text: str) -> DeviceCertificate:
        """Read the authority's text form: lines of a name, a colon and hex digits; other lines are passed over.

        The digits may go on in the lines behind. Raises `RangeError`, which names the part and never shows its value.
        """
        return cls(**read_parts(text))


def read_parts(text: str) -> dict[str, bytes]:
    """The three parts in the authority's text form, by the names of `DeviceCertificate`, of any length.

    Raises `RangeError`, which names the part and never shows its value.
    """
    parts: dict[str, str] = {}
    name: str | None = None
    for line in text[:MAX_TEXT].splitlines():
        label, colon, value = line.partition(":")
        if colon:
            name = _NAMES.get(re.sub("[^a-z]", "", label.lower()))
            if name is not None and name in parts:
                raise RangeError(_LABELS[name][0], "there twice", "one of each")
        else:
            value = line
            if not value.strip():
                name = None
        if name is not None:
            parts[name] = parts.get(name, "") + re.sub(r"[\s-]", "", value)
    missing = [label for part, (label, _) in _LABELS.items() if part not in parts]
    if missing:
        wanted = ", ".join(f"{label}: <{2 * size} hex digits>" for label, size in _LABELS.values())
        raise RangeError("certificate file", f"without {' and '.join(missing)}", f"lines as {wanted}")
    found: dict[str, bytes] = {}
    for part, digits in parts.items():
        if not re.fullmatch("(?:[0-9A-Fa-f]{2})*", digits):
            shown = f"{len(digits)} characters that are not hex throughout"
            raise RangeError(_LABELS[part][0], shown, "an even number of hex digits")
        found[part] = bytes.fromhex(digits)
    return found


def write_parts(parts: Mapping[str, bytes]) -> str:
    """The text form of the three parts, as `read_parts` reads it. Shows the private key."""
    return "".join(f"{label}: {parts[name].hex()}\n" for name, (label, _) in _LABELS.items())
