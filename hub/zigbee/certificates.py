"""Certificates of radios that are trust centres: which one there is, another one, and back to the maker's.

As in the gateway manual (CPX2-SE, Appendix B): without a certificate no device can establish keys with the radio, and
all devices of a network have certificates of the same kind, production or test.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from hub.errors import InvalidError, UnsupportedError
from hub.zigbee.model import CertificateStatus
from hub.zigbee.network import Network
from hub.zigbee.service import told
from protocols.certificate import DeviceCertificate
from protocols.errors import RangeError

log = logging.getLogger(__name__)


class Certificates:
    """`hub.certificates`."""

    def __init__(self, network: Callable[[str], Network], changed: Callable[[Network], None]) -> None:
        """`network(radio)` raises `NotFoundError`."""
        self._network, self._changed = network, changed

    def _able(self, radio: str) -> Network:
        network = self._network(radio)
        if not network.capabilities.certificates:
            raise UnsupportedError(f"{radio!r} has no certificate: only Smart Energy radios do")
        return network

    async def status(self, radio: str) -> CertificateStatus:
        """Whether there is one, and for whom it has to be."""
        network = self._able(radio)
        async with told(f"asking {radio!r} for its certificate"):
            stick = network.need_radio()
            return CertificateStatus(radio=radio, ieee=stick.network.ieee, installed=await stick.has_certificate())

    async def install(self, radio: str, text: str) -> CertificateStatus:
        """Install a certificate in the authority's text form; checked whole before anything reaches the radio."""
        network = self._able(radio)
        stick = network.need_radio()
        try:
            certificate = DeviceCertificate.parse(text)
            certificate.check_subject(stick.network.ieee)
        except RangeError as error:
            raise InvalidError(error.field, error.value, error.allowed) from None
        async with told(f"installing a certificate on {radio!r}"):
            await stick.install_certificate(certificate)
        kind = "test" if certificate.is_test else "production"
        log.warning("%s: a %s certificate for %s is installed", radio, kind, certificate.subject)
        self._changed(network)
        return await self.status(radio)

    async def revert(self, radio: str) -> CertificateStatus:
        """Remove it: the radio goes back to the one that it was made with, if it has one."""
        network = self._able(radio)
        async with told(f"removing the certificate of {radio!r}"):
            await network.need_radio().remove_certificate()
        log.warning("%s: its certificate is removed", radio)
        self._changed(network)
        return await self.status(radio)
