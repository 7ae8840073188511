"""Signatures of Report Event Status on one network: made as a client, verified as a server (SE 1.0, D.2.3.3).

Smart Energy 1.0 has devices sign with the private key of their certificate of suite 1. From 1.1 on there is none: its
place is filled, and from 1.2 on left out. Where the radio keeps the certificate nobody else has its private key, and a
report goes out as one that is not signed. Computed in threads: some milliseconds each.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

from protocols.errors import RangeError, SignatureError
from protocols.ids import Eui64
from protocols.se.base import SeVersion
from protocols.se.binary_curve import PURE_PYTHON, SECT163K1, Arithmetic
from protocols.se.drlc import ReportEventStatus, SignatureType
from protocols.se.ecqv import Credentials
from protocols.se.event_signature import DUMMY, is_signed, sign_report, verify_report


class Signature(StrEnum):
    """What is known of a report's signature."""

    NONE = "none"
    """There is none, or only its place, filled with zeros or ones."""
    VALID = "valid"
    INVALID = "invalid"
    """It is another's, or the report was changed on its way. The report is kept all the same."""
    UNVERIFIED = "unverified"
    """There is one, and no certificate of its sender is known: keys with it were not established by the hub."""


def at_first(report: ReportEventStatus) -> Signature:
    """What is known before anything is computed."""
    return Signature.UNVERIFIED if is_signed(report) else Signature.NONE


class Signatures:
    """Who signs and verifies on one network."""

    def __init__(
        self,
        credentials: Callable[[], Credentials | None] = lambda: None,
        public_key: Callable[[Eui64], bytes | None] = lambda ieee: None,
        arithmetic: Arithmetic = PURE_PYTHON,
    ) -> None:
        """`credentials()`: ours, of suite 1. `public_key(device)`: of its certificate of suite 1, compressed."""
        self._credentials, self._public_key, self._arithmetic = credentials, public_key, arithmetic

    async def finished(self, report: ReportEventStatus, version: SeVersion) -> ReportEventStatus:
        """A report as it goes out, in the form of the revision that is spoken."""
        if version >= SeVersion.V1_2:
            return replace(report, signature_type=SignatureType.NONE, signature=None)
        ours = self._credentials() if version < SeVersion.V1_1 else None
        if ours is not None:
            return await asyncio.to_thread(self._signed, report, ours.private_key)
        return replace(report, signature_type=SignatureType.NONE, signature=DUMMY)

    def _signed(self, report: ReportEventStatus, private_key: int) -> ReportEventStatus:
        # A seed that leads nowhere is one in 2^162: it is not looked for.
        return sign_report(report, private_key, secrets.token_bytes(SECT163K1.seed_size), self._arithmetic)

    def can_verify(self, sender: Eui64) -> bool:
        """Whether a certificate of the sender is known."""
        return self._public_key(sender) is not None

    async def verified(self, sender: Eui64, report: ReportEventStatus) -> Signature:
        """What a report's signature is worth."""
        found, key = at_first(report), self._public_key(sender)
        if found is Signature.NONE or key is None:
            return found
        return await asyncio.to_thread(self._verified, key, report)

    def _verified(self, key: bytes, report: ReportEventStatus) -> Signature:
        try:
            verify_report(report, SECT163K1.read_point(key), self._arithmetic)
        except (SignatureError, RangeError):
            return Signature.INVALID
        return Signature.VALID
