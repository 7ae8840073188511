"""Signatures of reports: in which form they go out, what they are worth when they come, and how that is kept."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hub.smart_energy import kept
from hub.smart_energy.drlc_server import MAX_STATUSES, DrlcServer, Told
from hub.smart_energy.peer import Peer
from hub.smart_energy.signatures import Signature, Signatures
from protocols.ids import Eui64
from protocols.se.base import SeVersion
from protocols.se.drlc import (
    Criticality,
    DeviceClass,
    EventStatus,
    LoadControlEvent,
    ReportEventStatus,
    SignatureType,
)
from protocols.se.ecqv import Credentials, public_key
from protocols.se.event_signature import DUMMY, SIGNED_SIZE
from tests.hub.zigbee_pair import BOTH, GUEST, equip

NOW = 850_000_000
OURS = equip(GUEST, BOTH[0])
KEY = public_key(OURS.certificate, OURS.authority_key).encode()
REPORT = ReportEventStatus(
    issuer_event_id=7, status=EventStatus.STARTED, status_time=NOW, criticality_applied=Criticality.LEVEL_1
)
BOX = Peer(GUEST, 0x5E)


def signatures(credentials: Credentials | None = OURS, key: bytes | None = KEY) -> Signatures:
    return Signatures(lambda: credentials, lambda ieee: key)


async def test_a_report_of_1_0_is_signed_where_there_is_a_certificate() -> None:
    signed = await signatures().finished(REPORT, SeVersion.V1_0)
    assert (signed.signature_type, len(signed.encode())) == (SignatureType.ECDSA, 60)
    assert replace(signed, signature_type=SignatureType.NONE, signature=None) == REPORT
    again = await signatures().finished(REPORT, SeVersion.V1_0)
    assert again.signature != signed.signature, "a seed is used once"
    assert await signatures().verified(GUEST, signed) is Signature.VALID
    assert await signatures().verified(GUEST, again) is Signature.VALID


@pytest.mark.parametrize(
    ("version", "credentials", "tail"),
    [
        (SeVersion.V1_0, None, b"\0" + DUMMY),
        (SeVersion.V1_1, OURS, b"\0" + DUMMY),
        (SeVersion.V1_2, OURS, b"\0"),
    ],
)
async def test_others_say_that_they_are_not(version: SeVersion, credentials: Credentials | None, tail: bytes) -> None:
    sent = await signatures(credentials).finished(REPORT, version)
    assert sent.encode() == REPORT.encode()[: SIGNED_SIZE - 1] + tail
    assert await signatures().verified(GUEST, sent) is Signature.NONE


async def test_a_bit_that_is_wrong_anywhere_is_found() -> None:
    raw = (await signatures().finished(REPORT, SeVersion.V1_0)).encode()
    for place in (0, 4, 8, 9, SIGNED_SIZE - 2, SIGNED_SIZE, 38, 39, 59):
        bent = bytearray(raw)
        bent[place] ^= 1
        found = ReportEventStatus.decode(bytes(bent))
        assert await signatures().verified(GUEST, found) is Signature.INVALID, place


async def test_what_cannot_be_verified() -> None:
    signed = await signatures().finished(REPORT, SeVersion.V1_0)
    assert await signatures(key=None).verified(GUEST, signed) is Signature.UNVERIFIED
    other = equip(GUEST, BOTH[0])
    theirs = public_key(other.certificate, other.authority_key).encode()
    assert await signatures(key=theirs).verified(GUEST, signed) is Signature.INVALID
    for filler in (bytes(42), b"\xff" * 42, None):
        said = replace(REPORT, signature_type=SignatureType.ECDSA, signature=filler)
        assert await signatures().verified(GUEST, said) is Signature.NONE


def served() -> DrlcServer:
    server = DrlcServer()
    event = LoadControlEvent(
        issuer_event_id=7, device_class=DeviceClass.EV, duration_min=60, criticality=Criticality.LEVEL_1
    )
    server.create(event, NOW)
    return server


async def test_what_is_known_of_a_signature_outlives_a_restart() -> None:
    server, signed = served(), await signatures().finished(REPORT, SeVersion.V1_0)
    for report in (signed, REPORT):
        assert server.hear(BOX, report, NOW) is not None
    event = server.events[7]
    assert [told.signature for told in event.told[BOX]] == [Signature.UNVERIFIED, Signature.NONE]
    assert server.verified(event, BOX, event.told[BOX][0], Signature.INVALID)
    text = kept.to_text(event)
    assert kept.event_from(text) == event
    assert [told.signature for told in event.told[BOX]] == [Signature.INVALID, Signature.NONE]
    # As it was kept before there were signatures.
    state = json.loads(text)
    state["told"] = {peer: [row[:3] for row in rows] for peer, rows in state["told"].items()}
    assert [told.signature for told in kept.event_from(json.dumps(state)).told[BOX]] == [Signature.NONE] * 2


async def test_a_report_that_has_given_way_is_not_marked() -> None:
    server, signed = served(), await signatures().finished(REPORT, SeVersion.V1_0)
    server.hear(BOX, signed, NOW)
    event = server.events[7]
    first = event.told[BOX][0]
    for _ in range(MAX_STATUSES):
        server.hear(BOX, REPORT, NOW)
    assert not server.verified(event, BOX, first, Signature.VALID)
    assert not server.verified(event, Peer(Eui64(1), 1), first, Signature.VALID)
    assert {told.signature for told in event.told[BOX]} == {Signature.NONE}
    assert isinstance(first, Told)
