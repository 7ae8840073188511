"""ECQV implicit certificates of both suites (Smart Energy profile, annex C; SEC 4): layout, keys, and an authority.

An implicit certificate carries no signature. Whoever has the authority's public key computes from the certificate the
public key that its subject must have; that the other side has the private key to it, key establishment shows.

A device asks for a certificate with a point R = r * G of its own; the authority makes P = R + k * G, the certificate
with P in it, and s = e * k + its private key, where e is the hash of the certificate. The device's private key is
e * r + s, its public key e * P + the authority's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Final

from protocols.certificate import TEST_ISSUER, DeviceCertificate, read_parts, write_parts
from protocols.errors import RangeError
from protocols.fields import U8, U32, U64, Octets, OpenEnum, u8
from protocols.ids import Eui64, Profile
from protocols.install_code import aes_mmo
from protocols.packet import U40, Packet
from protocols.record import record
from protocols.se.binary_curve import PURE_PYTHON, SECT163K1, SECT283K1, Arithmetic, Curve, Point
from protocols.se.key_establishment import CERTIFICATE_SIZES, Suite

CURVES: Final = {Suite.SECT163K1: SECT163K1, Suite.SECT283K1: SECT283K1}
ISSUER_SIZE: Final = 8
ATTRIBUTES: Final = Profile.SMART_ENERGY.to_bytes(2, "big") + bytes(8)
"""Of a certificate of suite 1: the profile, and nothing of the maker."""
SERIAL_SIZE: Final = 8
NO_END: Final = 0xFFFFFFFF
"""`Certificate2.valid_s`: for ever."""


class CertificateCurve(OpenEnum):
    """Curves of certificates of suite 2."""

    SECT283K1 = 0x0D


class CertificateHash(OpenEnum):
    """Hashes of certificates of suite 2."""

    AES_MMO = 0x08


SIGNATURE: Final = 0x80
"""A bit of `key_usage`: the key signs."""
KEY_AGREEMENT: Final = 0x08
"""A bit of `key_usage`: the key establishes keys."""


@record(kw_only=True)
class Certificate1(Packet, order=">"):
    """An implicit certificate of suite 1, 48 bytes."""

    SUITE: ClassVar[Suite] = Suite.SECT163K1
    point: Annotated[bytes, Octets(22)]
    """The public reconstruction point."""
    subject: Annotated[Eui64, U64]
    issuer: Annotated[bytes, Octets(ISSUER_SIZE)]
    attributes: Annotated[bytes, Octets(10)] = ATTRIBUTES

    def check(self) -> None:
        """Raise `RangeError` when it is not one for key establishment; of suite 1 all are."""


@record(kw_only=True)
class Certificate2(Packet, order=">"):
    """An implicit certificate of suite 2, 74 bytes."""

    SUITE: ClassVar[Suite] = Suite.SECT283K1
    kind: u8 = 0
    serial: Annotated[bytes, Octets(SERIAL_SIZE)]
    curve: Annotated[CertificateCurve, U8] = CertificateCurve.SECT283K1
    hash: Annotated[CertificateHash, U8] = CertificateHash.AES_MMO
    issuer: Annotated[bytes, Octets(ISSUER_SIZE)]
    valid_from: Annotated[int, U40]
    """Unix time. Not looked at in key establishment: a device may not know the time before it has a key."""
    valid_s: Annotated[int, U32] = NO_END
    """For how long from then on."""
    subject: Annotated[Eui64, U64]
    key_usage: u8 = SIGNATURE | KEY_AGREEMENT
    point: Annotated[bytes, Octets(37)]
    """The public reconstruction point."""

    def check(self) -> None:
        """Raise `RangeError` when it is not one for key establishment."""
        for name, value, wanted in (
            ("type of the certificate", self.kind, 0),
            ("curve of the certificate", int(self.curve), int(CertificateCurve.SECT283K1)),
            ("hash of the certificate", int(self.hash), int(CertificateHash.AES_MMO)),
            ("key usage of the certificate", self.key_usage & KEY_AGREEMENT, KEY_AGREEMENT),
        ):
            if value != wanted:
                raise RangeError(name, f"0x{value:02x}", f"0x{wanted:02x}")


Certificate = Certificate1 | Certificate2
_LAYOUTS: Final[dict[Suite, type[Certificate1 | Certificate2]]] = {
    Suite.SECT163K1: Certificate1,
    Suite.SECT283K1: Certificate2,
}


def read_certificate(suite: Suite, data: bytes) -> Certificate:
    """The certificate in `data`, which it has to fill. Raises `RangeError`. Its point is read with its public key."""
    size = CERTIFICATE_SIZES[suite]
    if len(data) != size:
        raise RangeError("certificate", f"{len(data)} bytes", f"{size} bytes")
    return _LAYOUTS[suite].decode(data)


def public_key(certificate: Certificate, authority_key: Point, arithmetic: Arithmetic = PURE_PYTHON) -> Point:
    """The public key of the certificate's subject (SEC 4, 3.5). Raises `RangeError` for a point that is none."""
    point = CURVES[certificate.SUITE].read_point(certificate.point)
    found = arithmetic.combine((_hash(certificate), point), (1, authority_key))
    if found is None:
        raise RangeError("certificate", "for a public key at infinity", "one for a key")
    return found


def _hash(certificate: Certificate) -> int:
    # Shorter than either order: nothing to cut off.
    return int.from_bytes(aes_mmo(certificate.encode()), "big")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a device needs of one suite: who issued, its certificate, its private key."""

    authority_key: Point
    certificate: Certificate
    private_key: int = field(repr=False)

    @property
    def suite(self) -> Suite:
        """The suite."""
        return self.certificate.SUITE

    @property
    def curve(self) -> Curve:
        """The suite's curve."""
        return CURVES[self.suite]

    @classmethod
    def read(cls, suite: Suite, authority_key: bytes, certificate: bytes, private_key: bytes) -> Credentials:
        """Of the three parts as they are installed. Raises `RangeError`, which never shows the private key."""
        curve = CURVES[suite]
        read = read_certificate(suite, certificate)
        read.check()
        return cls(curve.read_point(authority_key), read, curve.read_scalar(private_key))

    @classmethod
    def of(cls, certificate: DeviceCertificate) -> Credentials:
        """Of a certificate of suite 1 in the authority's text form. Raises `RangeError`."""
        return cls.read(Suite.SECT163K1, certificate.authority_key, certificate.implicit, certificate.private_key)

    @classmethod
    def parse(cls, text: str) -> Credentials:
        """Of the authority's text form; the certificate's length tells the suite. Raises `RangeError` as `read`."""
        parts = read_parts(text)
        size = len(parts["implicit"])
        suite = next((suite for suite, wanted in CERTIFICATE_SIZES.items() if wanted == size), None)
        if suite is None:
            wanted = " or ".join(f"{size} bytes (suite {int(suite)})" for suite, size in CERTIFICATE_SIZES.items())
            raise RangeError("Device Implicit Cert", f"{size} bytes", wanted)
        return cls.read(suite, parts["authority_key"], parts["implicit"], parts["private_key"])

    def to_text(self) -> str:
        """The authority's text form, as `parse` reads it. Shows the private key."""
        return write_parts(
            {
                "authority_key": self.authority_key.encode(),
                "implicit": self.certificate.encode(),
                "private_key": self.private_key.to_bytes(self.curve.scalar_size, "big"),
            }
        )

    def check(self, arithmetic: Arithmetic = PURE_PYTHON) -> None:
        """Raise `RangeError` when the private key is another's than the certificate's, or the authority another."""
        found = arithmetic.combine((self.private_key, self.curve.base))
        if found != public_key(self.certificate, self.authority_key, arithmetic):
            raise RangeError("private key", "another one's", "the one that this authority's certificate was made for")

    def to_device_certificate(self) -> DeviceCertificate:
        """The form in which certificates of suite 1 are installed. Raises `RangeError` for suite 2."""
        return DeviceCertificate(
            authority_key=self.authority_key.encode(),
            implicit=self.certificate.encode(),
            private_key=self.private_key.to_bytes(self.curve.scalar_size, "big"),
        )


@dataclass(frozen=True, slots=True)
class Authority:
    """A test authority: whoever has its private key makes devices that its other devices trust."""

    suite: Suite
    private_key: int = field(repr=False)
    issuer: bytes = TEST_ISSUER
    public_key: Point = field(init=False)

    def __post_init__(self) -> None:
        curve = CURVES[self.suite]
        if not 0 < self.private_key < curve.order:
            raise RangeError("authority's private key", "out of range", f"from 1 to the order of {curve.name} - 1")
        if len(self.issuer) != ISSUER_SIZE:
            raise RangeError("issuer", self.issuer, f"{ISSUER_SIZE} bytes")
        found = PURE_PYTHON.combine((self.private_key, curve.base))
        assert found is not None  # only multiples of the order are infinity
        object.__setattr__(self, "public_key", found)

    def issue(
        self, subject: Eui64, request: Point, seed: bytes, *, serial: bytes = bytes(SERIAL_SIZE), valid_from: int = 0
    ) -> tuple[Certificate, int]:
        """A certificate, and the data from which the one who asked for it makes its private key (SEC 4, 3.4).

        `request` is his point R, `seed` random bytes as many as the curve wants; `serial` and `valid_from` are of
        suite 2. Raises `RangeError`, when R happens to cancel the authority's part too.
        """
        curve = CURVES[self.suite]
        share = curve.scalar(seed)
        point = PURE_PYTHON.combine((1, request), (share, curve.base))
        if point is None:
            raise RangeError("request for a certificate", "a point that leads to infinity", "another point")
        certificate: Certificate
        if self.suite == Suite.SECT163K1:
            certificate = Certificate1(point=point.encode(), subject=subject, issuer=self.issuer)
        else:
            certificate = Certificate2(
                serial=serial, issuer=self.issuer, valid_from=valid_from, subject=subject, point=point.encode()
            )
        return certificate, (_hash(certificate) * share + self.private_key) % curve.order

    def equip(
        self,
        subject: Eui64,
        request_seed: bytes,
        seed: bytes,
        *,
        serial: bytes = bytes(SERIAL_SIZE),
        valid_from: int = 0,
    ) -> Credentials:
        """All that a device needs, where the authority makes the device's part too; both seeds are random bytes."""
        curve = CURVES[self.suite]
        secret = curve.scalar(request_seed)
        request = PURE_PYTHON.combine((secret, curve.base))
        assert request is not None  # only multiples of the order are infinity
        certificate, data = self.issue(subject, request, seed, serial=serial, valid_from=valid_from)
        return receive(certificate, data, secret, self.public_key)


def receive(certificate: Certificate, data: int, secret: int, authority_key: Point) -> Credentials:
    """What the one who asked for a certificate makes of it: e * r + s (SEC 4, 3.6). Raises `RangeError`.

    `data` is s as the authority gave it, `secret` the r to the point that was asked with.
    """
    found = Credentials(
        authority_key, certificate, (_hash(certificate) * secret + data) % CURVES[certificate.SUITE].order
    )
    found.check()
    return found
