"""Envelopes: what the manual prints, what gateways wrote, and what is neither (tests/golden/rpc_examples.json)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocols.ids import Eui64
from tests.web.rpc.engines import AT, Bench, engine_with
from web.auth import Role
from web.rpc.check import Checked
from web.rpc.engine import Settings, conversation_failed
from web.rpc.envelope import DECLARATION, Envelope, Post, answer, plain_id
from web.rpc.markup import Element, parse
from web.rpc.response import Response, Severity
from web.rpc.values import Mac, Record, Values

GOLDEN: Any = json.loads((Path(__file__).parents[2] / "golden" / "rpc_examples.json").read_text())
MANUAL, FIELD = GOLDEN["manual"], GOLDEN["field"]
OURS = "00000000-00000000-001122FF-FF334455"
READ = (
    '<rci_request version="1.1"><do_command target="RPC_request"><read_attributes synchronous="true">'
    "<cluster_id>0x701</cluster_id><server_or_client>1</server_or_client>"
    "<destination_endpoint_id>1</destination_endpoint_id><source_endpoint_id>0x5E</source_endpoint_id>"
    '<destination_address type="mac">000CC1002719C4D5</destination_address><record_list type="list">'
    '<item type="ReadAttributeRecord"><attribute_id>3</attribute_id></item></record_list></read_attributes>'
    "</do_command></rci_request>"
)


async def reply(
    bench: Bench, document: str, assumed: Envelope = Envelope.RCI, role: Role = Role.ADMIN, *, printed: bool = False
) -> str:
    found = await answer(document.encode(), None, assumed, Post(bench.engine, role, OURS, printed))
    assert found.startswith(DECLARATION)
    parse(found.encode())
    return found.removeprefix(DECLARATION)


def one(found: str, *path: str) -> Element:
    element: Element | None = parse(found.encode())
    for tag in path:
        assert element is not None
        element = element.child(tag)
    assert element is not None
    return element


async def get_version(request: Checked) -> Values:
    return {"module_name": "Version", "version": "1.3.0", "version_extended": {"SE_spec_version": "1.0 revision 15"}}


async def test_the_manuals_two_gateways_of_whom_we_are_one() -> None:
    async with engine_with({"get_version": get_version}) as bench:
        found = await reply(bench, MANUAL["sci_request"], Envelope.SCI)
        first, second = one(found, "send_message").children
        assert (first.get("id"), second.get("id")) == (OURS, "00000000-00000000-001122FF-FF334456")
        replied = first.children[0]
        assert (replied.tag, replied.get("version")) == ("rci_reply", "1.1")
        command = replied.children[0]
        assert (command.tag, command.get("target")) == ("do_command", "RPC_request")
        [responses] = command.children
        [told] = responses.children
        assert told.tag == "get_time_response"
        assert {child.tag: child.text for child in told.children} == MANUAL["get_time_response"]
        assert FIELD["unknown_device"] in found
        assert FIELD["no_device"] not in found
        await bench.idle()
        version = await reply(bench, MANUAL["get_responses_limit"])
        inside = one(version, "do_command", "responses", "get_version_response")
        assert [(child.tag, child.get("type")) for child in inside.children] == [
            ("module_name", "string"),
            ("version", "string"),
            ("version_extended", "dict"),
        ]


async def test_the_manuals_layout_behind_a_switch() -> None:
    async with engine_with({}) as bench:
        found = await reply(
            bench,
            '<rci_request version="1.1"><do_command target="RPC_request"><get_time synchronous="TRUE"/></do_command>'
            "</rci_request>",
            printed=True,
        )
        assert found == (
            '<rci_reply version="1.1"><do_command><get_time_response timestamp="1351008765.0">'
            '<UTC_2000 type="int">0x133fdddd</UTC_2000><UTC_1970 type="int">0x4bad215d</UTC_1970>'
            "</get_time_response></do_command></rci_reply>"
        )


async def test_by_the_letter_of_the_manual_there_is_nothing_of_ours() -> None:
    kilowatts = Record("PublishPriceRecord", {"issuer_event_id": 1, "unit_of_measure": 0, "price": 5})
    other = Record("PublishPriceRecord", {"issuer_event_id": 1, "unit_of_measure": 1, "price": 5})
    async with engine_with({}) as bench:
        for printed in (False, True):
            bench.engine.unsolicited(Response("updated_active_price_events", {"record_list": [kilowatts, other]}))
            bench.engine.unsolicited(Response("updated_active_message_events", {"destination_endpoint_id": 0x5E}))
            found = await reply(bench, MANUAL["get_responses"], printed=printed)
            assert found.count("<unit_of_measure ") == (1 if printed else 2)
            assert found.count('<destination_endpoint_id type="int">0x5e<') == 1
            assert found.count('<destination_address_id type="int">0x5e<') == (1 if printed else 0)
            assert ('<unit_of_measure type="int">0x0<' in found) is not printed


async def test_a_read_is_answered_as_gateways_did() -> None:
    async def read(request: Checked) -> Values:
        record = Record(
            "ReadAttributeStatusRecord", {"status": 0, "attribute_id": 3, "attribute_type": 0x20, "value": 3}
        )
        return {"cluster_id": 0x701, "server_or_client": 1, "profile_id": 0x109, "record_list": [record]}

    async with engine_with({"read_attributes": read}) as bench:
        found = await reply(bench, READ)
        for wanted in (FIELD["read_response"], FIELD["status"], FIELD["attribute_type"], FIELD["value"]):
            assert wanted in found
        wrapper = FIELD["wrapper"].replace(FIELD["timestamps"][0], FIELD["timestamps"][1])
        assert f'<do_command target="RPC_request">{wrapper}<read_attributes_response' in found


async def test_a_device_that_was_not_reached_is_told_as_gateways_did() -> None:
    async def read(request: Checked) -> Values:
        address = request.arguments["destination_address"]
        assert isinstance(address, Mac)
        raise conversation_failed(address.eui64 or Eui64(0), 1, 0x109, 0x701, "Key not authorized", 0xBB)

    async with engine_with({"read_attributes": read}) as bench:
        found = await reply(bench, READ)
        told = one(found, "do_command", "responses", "message")
        assert FIELD["failure"] in found
        assert told.get("timestamp") == f"{AT}.0"
        assert told.children[0].tag == "description"
        assert "read_attributes_response" not in found


async def test_the_mailbox_is_taken_from_the_oldest_on() -> None:
    async with engine_with({}) as bench:
        for number in range(12):
            bench.engine.message(Severity.WARNING, f"{number}: {MANUAL['message']}")
        found = one(await reply(bench, MANUAL["get_responses_limit"]), "do_command")
        assert found.get("target") == "RPC_response"
        [responses] = found.children
        assert responses.attributes == {"remaining": "2", "timestamp": f"{AT}.0"}
        assert len(responses.children) == 10
        assert responses.children[0].children[0].text == f"0: {MANUAL['message']}"
        rest = one(await reply(bench, MANUAL["get_responses"]), "do_command", "responses")
        assert (rest.get("remaining"), len(rest.children)) == ("0", 2)
        empty = one(await reply(bench, MANUAL["get_responses"]), "do_command", "responses")
        assert (empty.get("remaining"), empty.children) == ("0", [])
        assert "message" not in await reply(bench, "<get_responses/>", Envelope.NONE)


@pytest.mark.parametrize("limit", ["-1", "x", "0x", "1e3"])
async def test_a_limit_that_is_none_takes_nothing(limit: str) -> None:
    async with engine_with({}) as bench:
        bench.engine.message(Severity.ERROR, "here")
        found = await reply(bench, f'<get_responses limit="{limit}"/>', Envelope.NONE)
        assert "allowed: a whole number of at least 0" in found
        assert len(bench.engine.mailbox) == 1


async def test_a_viewer_takes_nothing_from_others() -> None:
    async with engine_with({}) as bench:
        bench.engine.message(Severity.ERROR, "here")
        assert "needs the role operator" in await reply(bench, MANUAL["get_responses"], role=Role.VIEWER)
        assert len(bench.engine.mailbox) == 1


async def test_a_bare_request_has_a_bare_response() -> None:
    async with engine_with({}, Settings(use_timestamps=False)) as bench:
        found = await reply(bench, '<get_time synchronous="TRUE"/>', Envelope.NONE)
        assert one(found).tag == "get_time_response"
        assert one(found).attributes == {}
        assert await reply(bench, "<get_time/>", Envelope.NONE) == '<responses remaining="0"/>'


@pytest.mark.parametrize(
    ("document", "envelope", "path"),
    [
        ('<rci_request version="1.1"><do_command>', Envelope.NONE, ("do_command", "responses", "message")),
        ("<get_time>", Envelope.RCI, ("do_command", "responses", "message")),
        (
            "<sci_request><send_message></sci_request>",
            Envelope.NONE,
            ("send_message", "device", "rci_reply", "do_command", "responses", "message"),
        ),
        ("<get_time>&x;</get_time>", Envelope.NONE, ()),
        ('<!DOCTYPE get_time SYSTEM "file:///etc/passwd"><get_time/>', Envelope.NONE, ()),
        ("", Envelope.RCI, ("do_command", "responses", "message")),
    ],
)
async def test_what_is_no_xml_is_one_message_in_its_envelope(
    document: str, envelope: Envelope, path: tuple[str, ...]
) -> None:
    async with engine_with({}) as bench:
        told = one(await reply(bench, document, envelope), *path)
        assert told.tag == "message"
        fields = {child.tag: child.text for child in told.children}
        assert fields["severity"] == "0x2"
        assert "line 1, column " in fields["description"]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (
            '<rci_request><do_command target="zigbee"/></rci_request>',
            "there is no target 'zigbee'; allowed: RPC_request",
        ),
        ("<rci_request><query_state/></rci_request>", "only do_command is taken here, not query_state"),
        ("<rci_request/>", "there is nothing to do"),
        ('<rci_request><do_command target="RPC_response"><get_time/></do_command></rci_request>', "get_responses"),
        ("<sci_request><reboot/></sci_request>", "only send_message is taken here"),
        (
            '<sci_request><send_message><targets><device id="all"/></targets></send_message></sci_request>',
            "nothing to send",
        ),
        ("<sci_request><send_message/></sci_request>", "No valid targets found"),
        ("<html/>", "there is no request 'html'"),
    ],
)
async def test_an_envelope_with_something_else_in_it_says_what_is_allowed(document: str, words: str) -> None:
    async with engine_with({}) as bench:
        assert words in await reply(bench, document)


async def test_a_gateway_goes_by_its_identifier_however_it_is_written() -> None:
    assert plain_id("00000000-0000000-001122FF-FF334455") == plain_id(OURS)
    assert plain_id("001122ffff334455") == plain_id(OURS)
    template = (
        "<sci_request><send_message><targets>{}</targets><rci_request><do_command target='RPC_request'>"
        "<get_time/></do_command></rci_request></send_message></sci_request>"
    )
    async with engine_with({}) as bench:
        targets = '<device id="001122ffff334455"/><device id="all"/><device id="00000000-0000000-001122FF-FF334455"/>'
        found = one(await reply(bench, template.format(targets)), "send_message")
        assert len(found.children) == 1, "what is asked of one gateway twice is done once"
        await bench.idle()
        assert len(bench.engine.mailbox) == 1
        nobody = await reply(bench, template.format('<device id="1"/>'))
        assert FIELD["unknown_device"] + "</device>" + FIELD["no_device"] in nobody


async def test_one_request_that_is_wrong_does_not_keep_others_from_being_done() -> None:
    async with engine_with({}) as bench:
        bench.settings = replace(bench.settings, use_timestamps=False)
        found = await reply(
            bench,
            '<rci_request><do_command target="rpc_request"><get_tiem/><get_time synchronous="TRUE"/>'
            '<enable_joining synchronous="TRUE"><request_identifier>8</request_identifier></enable_joining>'
            "</do_command></rci_request>",
        )
        responses = one(found, "do_command", "responses")
        assert [child.tag for child in responses.children] == ["message", "get_time_response", "message"]
        last = {child.tag: child.text for child in responses.children[2].children}
        assert last["request_identifier"] == "0x8"
        assert "join_time is missing" in last["description"]
