"""Certificates of Smart Energy radios."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from hub.zigbee.model import CertificateStatus
from protocols.certificate import MAX_TEXT
from web.auth import Role
from web.routes import API, Call, Route
from web.schema_base import Time, time_or_none

FAILS = (409, 503)
"""The radio cannot, or is down."""


class CertificateKnown(Struct, frozen=True):
    """A certificate, without its private key. `suite` 1 is over sect163k1, 2 over sect283k1.

    `issuer` and `is_test` (issued by a test authority) are null where the radio keeps it and does not tell. `place`:
    "radio", or the hub's file. `valid_from` and `valid_until` are of suite 2; null: for ever.
    """

    suite: int
    subject: str
    issuer: str | None
    is_test: bool | None
    place: str
    valid_from: Time | None
    valid_until: Time | None


class Certificate(Struct, frozen=True):
    """Whether a radio has a certificate; without one no device can establish keys with it.

    `keys_by`: who establishes them, "radio" (its firmware, with a certificate inside) or "hub" (with files of the
    hub's). `ieee`: for whom a certificate has to be. `problems`: of files that are there and are not used.
    """

    radio: str
    ieee: str
    installed: bool
    keys_by: str
    certificates: list[CertificateKnown]
    problems: list[str]


class NewCertificate(Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate as the authority sends it: lines of a name, a colon and hex digits. It is never told again."""

    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]

    def __repr__(self) -> str:
        return "NewCertificate(...)"


def _told(found: CertificateStatus) -> Certificate:
    return Certificate(
        found.radio,
        str(found.ieee),
        found.installed,
        found.keys_by,
        [
            CertificateKnown(
                one.suite,
                str(one.subject),
                None if one.issuer is None else _issuer(one.issuer),
                one.is_test,
                one.place,
                time_or_none(one.valid_from),
                time_or_none(one.valid_until),
            )
            for one in found.certificates
        ],
        list(found.problems),
    )


def _issuer(raw: bytes) -> str:
    """As text where it is text, else in hex."""
    return raw.decode("ascii") if raw.isascii() and raw.decode("ascii").isprintable() else raw.hex()


async def show(call: Call[None, None]) -> Certificate:
    """Show which certificates a radio has, whether it keeps them itself or the hub does."""
    return _told(await call.hub.certificates.status(call.path["radio"]))


async def install(call: Call[None, NewCertificate]) -> Certificate:
    """Install a certificate: in the radio, which restarts and keeps its network, or at the hub, one of each suite.

    The three parts, their lengths and the address that it was made for are checked before anything reaches the radio.
    """
    return _told(await call.hub.certificates.install(call.path["radio"], call.body.text))


async def revert(call: Call[None, None]) -> Certificate:
    """Remove the certificate; the radio goes back to the one that it was made with, if any. Of the hub's: all."""
    return _told(await call.hub.certificates.revert(call.path["radio"]))


_ONE = f"{API}/networks/{{radio}}/certificate"
ROUTES = (
    Route("GET", _ONE, Role.ADMIN, show, fails=FAILS, tag="networks"),
    Route("PUT", _ONE, Role.ADMIN, install, fails=FAILS, tag="networks"),
    Route("DELETE", _ONE, Role.ADMIN, revert, fails=FAILS, tag="networks"),
)
