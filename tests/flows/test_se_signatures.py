"""Signed reports from one hub to another, over keys that the two have established: seen in REST and by hubctl."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from test_hubctl_zigbee import Shell
from test_rest_zigbee import Service

from hub.events import SmartEnergyChanged
from hub.hub import Hub
from hub.zigbee.model import InterviewStep
from protocols.aps import ApsFrame
from protocols.se.drlc import (
    CLUSTER,
    PUNCTUAL,
    Criticality,
    DeviceClass,
    LoadControlEvent,
    ReportEventStatus,
    SignatureType,
)
from protocols.se.key_establishment import Suite
from protocols.zcl.header import FrameType, parse_header
from tests.hub.waiting import eventually
from tests.hub.zigbee_pair import BOTH, CENTRE, GUEST, Pair, all_have_keys
from tests.hub.zigbee_pair import pair as pair
from web.server import serve

ONE, TWO = BOTH


@dataclass(frozen=True, slots=True)
class Home:
    """Both hubs, and somebody who asks the one that has made the event."""

    interface: Hub
    display: Hub
    web: Service
    shell: Shell


@asynccontextmanager
async def home(pair: Pair, *suites: Suite) -> AsyncIterator[Home]:
    pair.certify_both(*suites)
    async with pair.both() as (centre, guest), serve(centre) as server:
        await eventually(lambda: all_have_keys([(centre, GUEST), (guest, CENTRE)]))
        member = centre.household.members[GUEST]
        await eventually(lambda: member.interview is InterviewStep.DONE)
        folder = pair.folder / "centre"
        web = Service(centre, None, server.url, (folder / "token").read_text().strip())  # type: ignore[arg-type]
        yield Home(centre, guest, web, Shell(web, folder))


def event(number: int = 7) -> LoadControlEvent:
    return LoadControlEvent(
        issuer_event_id=number, device_class=DeviceClass.EV, duration_min=60, criticality=Criticality.LEVEL_1,
        event_control=PUNCTUAL, duty_cycle=50,
    )  # fmt: skip


def reports(pair: Pair) -> list[ReportEventStatus]:
    found = []
    for frame in pair.air.frames:
        if frame.cluster == CLUSTER:
            header, payload = parse_header(frame.payload)
            if header.frame_type is FrameType.CLUSTER and header.command == 0 and not header.direction:
                found.append(ReportEventStatus.decode(payload))
    return found


async def told(home: Home, number: int = 7) -> list[tuple[str, str]]:
    _, found = await home.web.ask("GET", f"/events/drlc/{number}")
    return [(one["status"], one["signature"]) for client in found["clients"] for one in client["statuses"]]


async def test_reports_are_signed_at_one_side_and_verified_at_the_other(pair: Pair) -> None:
    async with home(pair, ONE) as both, both.interface.bus.subscribe(SmartEnergyChanged) as changes:
        await both.interface.smart_energy.create_event(None, event())
        await eventually(lambda: len(reports(pair)) >= 2)
        assert {report.signature_type for report in reports(pair)} == {SignatureType.ECDSA}
        made = both.interface.smart_energy.event(None, 7)
        await eventually(lambda: [one.signature for rows in made.told.values() for one in rows] == ["valid"] * 2)
        assert await told(both) == [("received", "valid"), ("started", "valid")]
        ran = await both.shell.run("event", "drlc", "show", "7")
        assert (ran.code, ran.out.count("valid")) == (0, 2)
        ran = await both.shell.run("event", "drlc", "show", "7", "--json")
        assert {one["signature"] for one in json.loads(ran.out)["clients"][0]["statuses"]} == {"valid"}
        assert [change.what for change in changes.drain()].count("signature_valid") == 2


async def test_a_report_that_was_changed_on_its_way_is_kept_and_marked(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    def bend(frame: ApsFrame) -> ApsFrame:
        if frame.cluster != CLUSTER or len(frame.payload) != 63:
            return frame
        bent = bytearray(frame.payload)
        bent[3 + 5] ^= 1  # the status time
        return replace(frame, payload=bytes(bent))

    async with home(pair, ONE) as both, both.interface.bus.subscribe(SmartEnergyChanged) as changes:
        pair.air.bend = bend
        await both.interface.smart_energy.create_event(None, event())
        made = both.interface.smart_energy.event(None, 7)
        await eventually(lambda: [one.signature for rows in made.told.values() for one in rows] == ["invalid"] * 2)
        assert await told(both) == [("received", "invalid"), ("started", "invalid")]
        assert "RECEIVED of event 7" in caplog.text
        assert "signature_invalid" in [change.what for change in changes.drain()]


async def test_without_a_certificate_of_suite_1_reports_say_that_they_are_not_signed(pair: Pair) -> None:
    async with home(pair, TWO) as both:
        await both.interface.smart_energy.create_event(None, event())
        made = both.interface.smart_energy.event(None, 7)
        await eventually(lambda: sum(map(len, made.told.values())) == 2)
        assert {(one.signature_type, one.signature) for one in reports(pair)} == {(SignatureType.NONE, b"\xff" * 42)}
        assert await told(both) == [("received", "none"), ("started", "none")]


async def test_a_certificate_that_is_not_known_leaves_a_signature_unverified(pair: Pair) -> None:
    # Keys come of suite 2, which both have; reports are signed with suite 1, whose certificate nobody has seen.
    async with home(pair, ONE, TWO) as both:
        await both.interface.smart_energy.create_event(None, event())
        made = both.interface.smart_energy.event(None, 7)
        await eventually(lambda: sum(map(len, made.told.values())) == 2)
        assert await told(both) == [("received", "unverified"), ("started", "unverified")]


async def test_certificates_are_looked_at_by_one_call(pair: Pair) -> None:
    async with home(pair, ONE, TWO) as both:
        _, found = await both.web.ask("GET", "/networks/centre/certificate")
        assert (found["installed"], found["keys_by"], found["problems"]) == (True, "hub", [])
        assert [(one["suite"], one["issuer"], one["subject"]) for one in found["certificates"]] == [
            (1, "TESTSECA", str(CENTRE)),
            (2, "TESTSECA", str(CENTRE)),
        ]
        credentials = both.interface.key_establishments["centre"].held.credentials
        ran = await both.shell.run("certificate", "status")
        assert (ran.code, ran.out.splitlines()[0]) == (0, f"centre: there is a certificate for {CENTRE}")
        assert "suite 2 by TESTSECA" in ran.out
        assert not any(f"{one.private_key:x}" in json.dumps(found) + ran.out for one in credentials)
        place = pair.folder / "centre" / "certificates" / "centre" / "0.txt"
        place.chmod(0o640)
        ran = await both.shell.run("certificate", "status")
        assert f"chmod 600 {place}" in ran.out.replace("\n", "")
        file = pair.folder / "own.txt"
        file.write_text(credentials[0].to_text())
        ran = await both.shell.run("certificate", "revert")
        assert ran.out.strip() == f"centre: there is no certificate; one for {CENTRE} is needed"
        ran = await both.shell.run("certificate", "install", str(file), "--json")
        assert [one["suite"] for one in json.loads(ran.out)["certificates"]] == [1]
        file.write_text(credentials[0].to_text().replace("Private Key: ", "Private Key: 0"))
        ran = await both.shell.run("certificate", "install", str(file))
        assert (ran.code, f"{credentials[0].private_key:x}" in ran.err) == (2, False)
