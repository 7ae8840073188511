"""Certificates of Smart Energy radios."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from hub.zigbee.model import CertificateStatus
from protocols.certificate import MAX_TEXT
from web.auth import Role
from web.routes import API, Call, Route

FAILS = (409, 503)
"""The radio cannot, or is down."""


class Certificate(Struct, frozen=True):
    """Whether a radio has a certificate; without one no device can establish keys with it."""

    radio: str
    ieee: str
    """For whom a certificate has to be."""
    installed: bool


class NewCertificate(Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate as the authority sends it: lines of a name, a colon and hex digits. It is never told again."""

    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]

    def __repr__(self) -> str:
        return "NewCertificate(...)"


def _told(found: CertificateStatus) -> Certificate:
    return Certificate(found.radio, str(found.ieee), found.installed)


async def show(call: Call[None, None]) -> Certificate:
    """Show whether a radio has a certificate."""
    return _told(await call.hub.certificates.status(call.path["radio"]))


async def install(call: Call[None, NewCertificate]) -> Certificate:
    """Install a certificate; the radio restarts, and its network stays.

    The three parts, their lengths and the address that it was made for are checked before anything reaches the radio.
    """
    return _told(await call.hub.certificates.install(call.path["radio"], call.body.text))


async def revert(call: Call[None, None]) -> Certificate:
    """Remove the certificate; the radio goes back to the one that it was made with, if it has one."""
    return _told(await call.hub.certificates.revert(call.path["radio"]))


_ONE = f"{API}/networks/{{radio}}/certificate"
ROUTES = (
    Route("GET", _ONE, Role.ADMIN, show, fails=FAILS, tag="networks"),
    Route("PUT", _ONE, Role.ADMIN, install, fails=FAILS, tag="networks"),
    Route("DELETE", _ONE, Role.ADMIN, revert, fails=FAILS, tag="networks"),
)
