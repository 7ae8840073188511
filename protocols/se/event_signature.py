"""The signature of Report Event Status in Smart Energy 1.0 (DRLC 0x00): ECDSA over sect163k1 and AES-MMO.

Made with the private key of the device's certificate of suite 1, over the 18 bytes of the report from the event's id to
the type of the signature; r and s follow, 21 bytes each. SE 1.1 has removed it: type 0 and 42 bytes of 0xFF.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from protocols.errors import RangeError, SignatureError
from protocols.install_code import aes_mmo
from protocols.se.binary_curve import PURE_PYTHON, SECT163K1, Arithmetic, Point
from protocols.se.drlc import SIGNATURE_SIZE, ReportEventStatus, SignatureType

SIGNED_SIZE: Final = 18
"""Bytes of a report that are signed."""
DUMMY: Final = b"\xff" * SIGNATURE_SIZE
"""Where a signature would be."""
_CURVE: Final = SECT163K1
_HALF: Final = SIGNATURE_SIZE // 2


def sign_report(
    report: ReportEventStatus, private_key: int, seed: bytes, arithmetic: Arithmetic = PURE_PYTHON
) -> ReportEventStatus:
    """The report with its signature (SEC 1, 4.1.3).

    `seed` are random bytes as `SECT163K1.scalar` wants them, other ones for each report: two reports with the same seed
    give the private key away. Raises `RangeError` for a seed that leads nowhere: take another.
    """
    unsigned = replace(report, signature_type=SignatureType.ECDSA, signature=None)
    n, nonce = _CURVE.order, _CURVE.scalar(seed)
    point = arithmetic.combine((nonce, _CURVE.base))
    r = 0 if point is None else point.x % n
    s = pow(nonce, -1, n) * (_digest(unsigned) + r * private_key) % n
    if not r or not s:
        raise RangeError("random seed", "one that leads to 0", "another one")
    return replace(unsigned, signature=r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big"))


def verify_report(report: ReportEventStatus, public_key: Point, arithmetic: Arithmetic = PURE_PYTHON) -> None:
    """Raise `SignatureError` unless the owner of the key has signed this report (SEC 1, 4.1.4)."""
    signature, n = report.signature, _CURVE.order
    if report.signature_type != SignatureType.ECDSA or not is_signed(report) or signature is None:
        raise SignatureError("the report is not signed")
    r, s = (int.from_bytes(half, "big") for half in (signature[:_HALF], signature[_HALF:]))
    if not (0 < r < n and 0 < s < n):
        raise SignatureError("the signature is out of range")
    inverse = pow(s, -1, n)
    point = arithmetic.combine((_digest(report) * inverse % n, _CURVE.base), (r * inverse % n, public_key))
    if point is None or point.x % n != r:
        raise SignatureError("the signature is another's or another report's")


def is_signed(report: ReportEventStatus) -> bool:
    """Whether there is something to verify: many devices of SE 1.0 say that they sign and send zeros or 0xFF."""
    return (
        report.signature_type == SignatureType.ECDSA
        and report.signature is not None
        and report.signature not in (DUMMY, bytes(SIGNATURE_SIZE))
    )


def _digest(report: ReportEventStatus) -> int:
    # 128 bits, shorter than the order: nothing to cut off.
    return int.from_bytes(aes_mmo(report.encode()[:SIGNED_SIZE]), "big")
