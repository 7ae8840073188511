"""Certificate-based key establishment: the computation (Smart Energy profile, annex C.4.2; SEC 1, 3.4).

Elliptic curve MQV with two keys of each side, the certificate's and an ephemeral one, gives a secret Z; of it come the
key of the two proofs (MACU and MACV) and the link key. U is the initiator, V the responder. Both suites hash with
AES-MMO.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final

from protocols.errors import RangeError
from protocols.ids import Eui64
from protocols.install_code import aes_mmo
from protocols.se.binary_curve import PURE_PYTHON, Arithmetic, Point

_BLOCK: Final = 16
_MAC_KEY, _LINK_KEY = b"\0\0\0\1", b"\0\0\0\2"
"""Counters of the key derivation (C.4.2.2.5)."""
_FROM_U, _FROM_V = b"\2", b"\3"
"""What the two proofs begin with (C.4.2.2.6)."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key and its point."""

    private: int = field(repr=False)
    public: Point

    @classmethod
    def make(cls, private: int, base: Point, arithmetic: Arithmetic = PURE_PYTHON) -> KeyPair:
        """Of the private key and its curve's base point."""
        found = arithmetic.combine((private, base))
        if found is None:
            raise RangeError("private key", "a multiple of the order", "any other number")
        return cls(private, found)


@dataclass(frozen=True, slots=True)
class Party:
    """What both sides know of each in the two proofs."""

    ieee: Eui64
    ephemeral: bytes
    """Its ephemeral public key, compressed."""

    def identity(self) -> bytes:
        """As it stands in the proofs."""
        return self.ieee.to_bytes(8, "big")


@dataclass(frozen=True, slots=True)
class EstablishedKeys:
    """What is derived from the secret. Never shown."""

    mac_key: bytes = field(repr=False)
    link_key: bytes = field(repr=False)

    def mac_u(self, u: Party, v: Party) -> bytes:
        """The initiator's proof that it has the keys."""
        return hmac_mmo(self.mac_key, _FROM_U + u.identity() + v.identity() + u.ephemeral + v.ephemeral)

    def mac_v(self, u: Party, v: Party) -> bytes:
        """The responder's."""
        return hmac_mmo(self.mac_key, _FROM_V + v.identity() + u.identity() + v.ephemeral + u.ephemeral)


def hmac_mmo(key: bytes, data: bytes) -> bytes:
    """HMAC with AES-MMO, whose blocks are of 16 bytes; for keys of 16 bytes (Zigbee R21, B.1.4)."""
    if len(key) != _BLOCK:
        raise RangeError("key", f"{len(key)} bytes", f"{_BLOCK} bytes")
    inner = aes_mmo(bytes(byte ^ 0x36 for byte in key) + data)
    return aes_mmo(bytes(byte ^ 0x5C for byte in key) + inner)


def shared_secret(
    static: int, ephemeral: KeyPair, peer_static: Point, peer_ephemeral: Point, arithmetic: Arithmetic = PURE_PYTHON
) -> bytes:
    """Z: the x of the point that both sides arrive at (SEC 1, 3.4). Raises `RangeError` when that is infinity."""
    curve = ephemeral.public.curve
    implicit = curve.cofactor * (ephemeral.private + _associate(ephemeral.public) * static)
    found = arithmetic.combine(
        (implicit % curve.order, peer_ephemeral), (implicit * _associate(peer_ephemeral) % curve.order, peer_static)
    )
    if found is None:
        raise RangeError("shared secret", "infinity", "any other point")
    return found.x.to_bytes(curve.field.size, "big")


def _associate(point: Point) -> int:
    """The associate value: the lower half of x, as many bits as half of the order's, with a one before them."""
    bits = (point.curve.order.bit_length() + 1) // 2
    return point.x & (1 << bits) - 1 | 1 << bits


def derive(secret: bytes) -> EstablishedKeys:
    """The keys of Z (C.4.2.2.5)."""
    return EstablishedKeys(aes_mmo(secret + _MAC_KEY), aes_mmo(secret + _LINK_KEY))


def same_mac(a: bytes, b: bytes) -> bool:
    """Whether two proofs are the same, in a time that tells nothing."""
    return compare_digest(a, b)
