"""Key Establishment, cluster 0x0800 (Smart Energy profile 1.1b, annex C): certificates, ephemeral data, confirmation.

Both sides send commands of the same ids and layouts: the initiator to the server, the responder to the client. What
certificates and points weigh depends on the suite.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Annotated

from protocols.fields import U8, U16, Octets, OpenEnum, u8
from protocols.packet import Rest
from protocols.record import record
from protocols.se.base import Commands, SeCommand

CLUSTER = 0x0800
KEY_ESTABLISHMENT_SUITE = 0x0000
"""Attribute, on both sides."""


class Suite(IntFlag):
    """Cryptographic suites."""

    SECT163K1 = 1
    """Suite 1: CBKE with ECMQV over sect163k1."""
    SECT283K1 = 2
    """Suite 2: over sect283k1."""


CERTIFICATE_SIZES = {Suite.SECT163K1: 48, Suite.SECT283K1: 74}
POINT_SIZES = {Suite.SECT163K1: 22, Suite.SECT283K1: 37}
MAC_SIZE = 16


class TerminateStatus(OpenEnum):
    """Why key establishment ends."""

    UNKNOWN_ISSUER = 1
    BAD_KEY_CONFIRM = 2
    BAD_MESSAGE = 3
    NO_RESOURCES = 4
    UNSUPPORTED_SUITE = 5
    INVALID_CERTIFICATE = 6
    """SE 1.2."""


@record
class InitiateKeyEstablishmentRequest(SeCommand):
    """Initiator to responder: begin; who I am, and how long my steps take."""

    CLUSTER, COMMAND = CLUSTER, 0x00
    suite: Annotated[Suite, U16]
    """One of them."""
    ephemeral_data_generate_s: u8
    confirm_key_generate_s: u8
    certificate: Annotated[bytes, Rest()]


@record
class InitiateKeyEstablishmentResponse(InitiateKeyEstablishmentRequest):
    """Responder to initiator: the same of itself."""

    TO_SERVER = False


@record
class EphemeralDataRequest(SeCommand):
    """Initiator to responder: its ephemeral public key QEU."""

    CLUSTER, COMMAND = CLUSTER, 0x01
    point: Annotated[bytes, Rest()]


@record
class EphemeralDataResponse(EphemeralDataRequest):
    """Responder to initiator: QEV."""

    TO_SERVER = False


@record
class ConfirmKeyDataRequest(SeCommand):
    """Initiator to responder: proof that it has the key, MACU."""

    CLUSTER, COMMAND = CLUSTER, 0x02
    mac: Annotated[bytes, Octets(MAC_SIZE)]


@record
class ConfirmKeyDataResponse(ConfirmKeyDataRequest):
    """Responder to initiator: MACV."""

    TO_SERVER = False


@record
class TerminateByInitiator(SeCommand):
    """Initiator to responder: it ends without a key."""

    CLUSTER, COMMAND = CLUSTER, 0x03
    status: Annotated[TerminateStatus, U8]
    wait_s: u8
    """Before it may be tried again."""
    suite: Annotated[Suite, U16]
    """What the sender can."""


@record
class TerminateByResponder(TerminateByInitiator):
    """Responder to initiator: the same."""

    TO_SERVER = False


COMMANDS = Commands(
    CLUSTER,
    InitiateKeyEstablishmentRequest,
    InitiateKeyEstablishmentResponse,
    EphemeralDataRequest,
    EphemeralDataResponse,
    ConfirmKeyDataRequest,
    ConfirmKeyDataResponse,
    TerminateByInitiator,
    TerminateByResponder,
)
