"""Certificates of radios that are trust centres: which one there is, another one, and back to the maker's.

As in the gateway manual (CPX2-SE, Appendix B): without a certificate no device can establish keys with the radio, and
all devices of a network have certificates of the same kind, production or test.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from hub.errors import InvalidError, UnsupportedError
from hub.zigbee.key_establishment import KeyEstablishment
from hub.zigbee.model import CertificateFacts, CertificateStatus
from hub.zigbee.network import Network
from hub.zigbee.own_certificates import Held, OwnCertificates
from hub.zigbee.service import told
from protocols.certificate import DeviceCertificate
from protocols.errors import RangeError
from protocols.ids import Eui64
from radios.api import KeysBy

log = logging.getLogger(__name__)


class Certificates:
    """`hub.certificates`: of radios that keep theirs, and of those that have it from us."""

    def __init__(
        self,
        network: Callable[[str], Network],
        own: OwnCertificates,
        key_establishments: Mapping[str, KeyEstablishment],
        changed: Callable[[Network], None],
    ) -> None:
        """`network(radio)` raises `NotFoundError`."""
        self._network, self._own, self._changed = network, own, changed
        self._key_establishments = key_establishments

    def _able(self, radio: str) -> Network:
        network = self._network(radio)
        can = network.capabilities
        if not can.certificates and can.keys_by is not KeysBy.HUB:
            raise UnsupportedError(f"{radio!r} has no certificate: only Smart Energy radios do")
        return network

    async def status(self, radio: str) -> CertificateStatus:
        """Whether there is one, and for whom it has to be."""
        network = self._able(radio)
        stick = network.need_radio()
        ieee = stick.network.ieee
        if stick.capabilities.keys_by is KeysBy.HUB:
            return _status(radio, ieee, await self._own.load(radio, ieee))
        async with told(f"asking {radio!r} for its certificate"):
            installed = await stick.has_certificate()
        # The module keeps it, and tells of it that it is there.
        facts = CertificateFacts(suite=1, subject=ieee, issuer=None, is_test=None, place="radio")
        return CertificateStatus(
            radio=radio,
            ieee=ieee,
            installed=installed,
            keys_by=stick.capabilities.keys_by.value,
            certificates=(facts,) if installed else (),
        )

    async def install(self, radio: str, text: str) -> CertificateStatus:
        """Install a certificate in the authority's text form; checked whole before anything reaches the radio."""
        network = self._able(radio)
        stick = network.need_radio()
        if stick.capabilities.keys_by is KeysBy.HUB:
            held = await self._own.install(radio, stick.network.ieee, text)
            log.warning("%s: a certificate for %s is installed", radio, stick.network.ieee)
            await self._key_establishments[radio].certified()
            self._changed(network)
            return _status(radio, stick.network.ieee, held)
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
        """Remove it: the radio goes back to the one that it was made with, if it has one. Of ours, all are deleted."""
        network = self._able(radio)
        stick = network.need_radio()
        if stick.capabilities.keys_by is KeysBy.HUB:
            await self._own.remove(radio)
            await self._key_establishments[radio].certified()
        else:
            async with told(f"removing the certificate of {radio!r}"):
                await stick.remove_certificate()
        log.warning("%s: its certificate is removed", radio)
        self._changed(network)
        return await self.status(radio)


def _status(radio: str, ieee: Eui64, held: Held) -> CertificateStatus:
    return CertificateStatus(
        radio=radio,
        ieee=ieee,
        installed=bool(held.credentials),
        keys_by=KeysBy.HUB.value,
        certificates=held.facts(),
        problems=held.problems,
    )
