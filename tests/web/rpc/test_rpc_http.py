"""The RPC over HTTP: a head-end's XML, a program's JSON, and what is sent by neither."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.clock import ManualClock
from hub.config import Config, HubSection, WebSection
from hub.hub import Hub
from protocols.se.base import SeVersion
from tests.hub.waiting import eventually
from tests.web.conftest import Served, serving
from tests.web.rpc.engines import Gate
from tests.web.rpc.fits import assert_fits
from web.auth import Role
from web.rpc import as_xml
from web.rpc.build import Context
from web.rpc.check import Checked
from web.rpc.declare import Chapter, RequestRow
from web.rpc.engine import Engine
from web.rpc.markup import Element, parse, write_inside
from web.rpc.response import Response, Severity
from web.rpc.service import RpcService
from web.rpc.table import TABLE
from web.rpc.types import ANY, Kind
from web.rpc.values import Values
from web.server import serve

RCI = '<rci_request version="1.1"><do_command target="RPC_request">{}</do_command></rci_request>'
ARGUMENTS: dict[str, tuple[str, dict[str, object]]] = {
    "registry_configuration": ("<name>RPC_Manager.use_timestamps</name>", {"name": "RPC_Manager.use_timestamps"}),
    "help": ("<registry/><methods/><records/>", {"registry": None, "methods": None, "records": None}),
    "add_alias": ('<THERMOSTAT type="xml"><a>1</a></THERMOSTAT>', {"THERMOSTAT": "<a>1</a>"}),
    "remove_alias": ("<NOBODY/>", {"NOBODY": None}),
    "add_module": ("<module_name>RPC_SE_Interface</module_name>", {"module_name": "RPC_SE_Interface"}),
    "remove_module": ("<module_name>nothing</module_name>", {"module_name": "nothing"}),
    "add_interface": ("<interface_class>RPC_Manager</interface_class>", {"interface_class": "RPC_Manager"}),
}
ELSEWHERE = {
    "set_time",
    "resync_time",
    "exit",
    "remove_interface",
    "add_endpoint",
    "remove_endpoint",
    "add_cluster",
    "remove_cluster",
}
"""What cannot be done twice, or not without a network: the others' tests do it both ways."""


def engine_of(served: Served) -> Engine:
    return rpc_of(served).engine


def rpc_of(served: Served) -> RpcService:
    return served.server._services.rpc


async def post(served: Served, path: str, document: str | bytes, **options: Any) -> Element:
    answer = await served.ask("POST", path, data=document, **options)
    assert answer.status == 200, (answer.status, answer.body)
    assert answer.headers["Content-Type"] == "application/xml; charset=utf-8"
    return parse(answer.body)


def inside(element: Element, *path: str) -> Element:
    for tag in path:
        found = element.child(tag)
        assert found is not None, (tag, [child.tag for child in element.children])
        element = found
    return element


async def rci(served: Served, request: str, **options: Any) -> list[Element]:
    found = await post(served, "/UE/rci", RCI.format(request), **options)
    return inside(found, "do_command", "responses").children


def read_back(element: Element, name: str) -> Values:
    """Parameters of a response in XML, by their types."""
    row = TABLE.responses[name]
    found: Values = {}
    for child in element.children:
        param = row.by_name.get(child.tag.lower())
        if param is not None and param.type.kinds == (Kind.LIST,) and name == "list_aliases_response":
            found[child.tag] = {one.tag: write_inside(one) for one in child.children}
        else:
            found[child.tag] = as_xml.read(child, param.type if param else ANY, child.tag, CONTEXT)
    return found


CONTEXT = Context(TABLE, ManualClock().now())


# -- one answer, both ways ---------------------------------------------------------------------------------------------


@pytest.fixture
async def still(tmp_path: Path) -> AsyncIterator[Served]:
    """A hub whose clock stands still."""
    async with serving(tmp_path, clock=ManualClock()) as one:
        yield one


async def test_every_request_that_is_done_gives_the_same_answer_both_ways(still: Served) -> None:
    chapters = (Chapter.GENERAL, Chapter.ALIASING)  # the others are of networks, which this hub has none of
    done = [name for name in TABLE.requests if name in engine_of(still).handlers and name not in ELSEWHERE]
    done = [name for name in done if TABLE.requests[name].chapter in chapters]
    assert {"get_time", "get_version", "help", "registry_configuration", "add_alias", "list_aliases"} <= set(done)
    for name in done:
        markup, parameters = ARGUMENTS.get(name, ("", {}))
        identifier = "<request_identifier>17</request_identifier>"
        [xml] = await rci(still, f'<{name} synchronous="TRUE">{markup}{identifier}</{name}>')
        answer = await still.ask("POST", f"/api/v1/rpc/{name}", {**parameters, "request_identifier": 17})
        assert answer.status == 200, (name, answer.body)
        assert (answer.json["response"], answer.json["time"]) == (xml.tag, "2026-01-01T00:00:00.000Z")
        assert xml.get("timestamp") == "1767225600.0"
        assert read_back(xml, xml.tag) == answer.json["parameters"], name
        assert answer.json["parameters"]["request_identifier"] == 17
        if name not in ("remove_alias", "list_aliases"):
            assert_fits(Response(xml.tag, read_back(xml, xml.tag)))


async def test_every_request_that_nothing_does_yet_says_so_both_ways(still: Served) -> None:
    pending = engine_of(still).pending
    assert set(pending) == set(TABLE.requests) - set(engine_of(still).handlers)
    for name in pending:
        row = TABLE.requests[name]
        if any(param.is_required for param in row.params):
            continue
        [xml] = await rci(still, f'<{name} synchronous="TRUE"/>')
        assert xml.tag == "message"
        assert inside(xml, "description").text == f"{name} is not implemented yet"
        problem = (await still.ask("POST", f"/api/v1/rpc/{name}")).problem(501)
        assert problem["detail"] == f"{name} is not implemented yet"


# -- XML ---------------------------------------------------------------------------------------------------------------


async def test_a_head_end_asks_by_sci_and_takes_what_came_later(served: Served) -> None:
    device = rpc_of(served).device_id
    document = (
        f'<sci_request version="1.0"><send_message><targets><device id="{device}"/>'
        '<device id="00000000-00000000-001122FF-FF334455"/></targets><rci_request version="1.1">'
        '<do_command target="RPC_request"><get_time synchronous="TRUE"/><get_version/></do_command></rci_request>'
        "</send_message></sci_request>"
    )
    ours, other = inside(await post(served, "/ws/sci", document), "send_message").children
    assert ours.get("id") == device
    told = inside(ours, "rci_reply", "do_command", "responses", "get_time_response")
    assert all(child.get("type") == "int" and child.text.startswith("0x") for child in told.children)
    assert other.children[0].get("id") == "303"
    await eventually(lambda: len(engine_of(served).mailbox) == 1)
    taken = await post(
        served,
        "/UE/rci",
        '<rci_request><do_command target="RPC_response"><get_responses limit="10"/></do_command></rci_request>',
    )
    responses = inside(taken, "do_command", "responses")
    assert responses.get("remaining") == "0"
    assert inside(responses, "get_version_response", "version").text == served.hub.version


async def test_name_and_password_are_asked_for_and_taken(served: Served) -> None:
    document = RCI.format('<get_time synchronous="TRUE"/>').encode()
    for path in ("/UE/rci", "/rpc", "/ws/sci"):
        refused = await served.ask("POST", path, data=document, token=None)
        assert refused.status == 401
        assert refused.headers["WWW-Authenticate"] == 'Basic realm="home-energy-hub"'
    basic = base64.b64encode(f"utility:{served.token}".encode()).decode()
    found = await rci(served, '<get_time synchronous="TRUE"/>', token=None, headers={"Authorization": f"Basic {basic}"})
    assert found[0].tag == "get_time_response"
    json = await served.ask("POST", "/api/v1/rpc/get_time", token=None)
    assert json.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "kind", ["text/xml", "application/xml; charset=ISO-8859-1", "application/x-www-form-urlencoded"]
)
async def test_xml_comes_under_any_name(served: Served, kind: str) -> None:
    [found] = await rci(served, '<get_time synchronous="TRUE"/>', headers={"Content-Type": kind})
    assert found.tag == "get_time_response"


async def test_the_transports_encoding_counts(served: Served) -> None:
    alias = '<add_alias synchronous="TRUE"><A type="xml">ä</A></add_alias>'.encode("iso-8859-1")
    found = await post(served, "/rpc", alias, headers={"Content-Type": "text/xml; charset=iso-8859-1"})
    assert found.tag == "add_alias_response"
    assert rpc_of(served).aliases.all() == {"A": "ä"}
    refused = await post(served, "/rpc", alias, headers={"Content-Type": "text/xml; charset=utf-8"})
    assert refused.tag == "message"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_hundred_megabytes_are_refused_long_before_they_are_sent(served: Served, chunked: bool) -> None:
    total, sent = 100 << 20, 0
    host, port = served.server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {total}"
    bearer = f"Authorization: Bearer {served.token}"
    writer.write(f"POST /UE/rci HTTP/1.1\r\nHost: {host}:{port}\r\n{bearer}\r\n{length}\r\n\r\n".encode())
    answered = asyncio.create_task(reader.readline())
    block = b"<a>" + b"x" * 65533
    try:
        while sent < total and not answered.done():
            writer.write(b"%x\r\n%s\r\n" % (len(block), block) if chunked else block)
            sent += len(block)
            await writer.drain()
            await asyncio.sleep(0)
    except (ConnectionError, OSError):
        assert answered.done() or sent < total
    assert await answered == b"HTTP/1.1 413 Request Entity Too Large\r\n"
    assert sent < 32 << 20
    writer.close()


async def test_a_hostile_document_costs_one_message(served: Served) -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "' + b"x" * 100_000 + b'">]><a>' + b"&b;" * 100_000 + b"</a>"
    found = await post(served, "/UE/rci", bomb)
    assert "document types and entities" in inside(found, "do_command", "responses", "message", "description").text
    deep = await post(served, "/rpc", b"<a>" * 200_000)
    assert "more than 32 tags within each other" in inside(deep, "description").text


async def test_twenty_clients_one_of_whom_blocks(served: Served) -> None:
    gate = Gate({"join_time": 5})
    handlers: Any = engine_of(served).handlers
    handlers["enable_joining"] = gate

    async def identify(request: Checked) -> Values:
        return {"identify_time": request.arguments["identify_time"]}

    handlers["identify"] = identify
    body = "<destination_endpoint_id>1</destination_endpoint_id><identify_time>{0}</identify_time>"
    blocking = asyncio.create_task(
        rci(served, '<enable_joining synchronous="TRUE"><join_time>5</join_time></enable_joining>')
    )
    await eventually(lambda: bool(gate.begun))
    others = [
        asyncio.create_task(rci(served, f'<identify synchronous="TRUE">{body.format(number)}</identify>'))
        for number in range(18)
    ]
    [time] = await rci(served, '<get_time synchronous="TRUE"/>')
    assert time.tag == "get_time_response"
    await eventually(lambda: engine_of(served).under_way == 19)
    gate.open.set()
    [first] = await blocking
    assert first.tag == "enable_joining_response"
    for number, task in enumerate(others):
        [found] = await task
        assert inside(found, "identify_time").text == hex(number)


@pytest.mark.parametrize("way", ["xml", "json"])
async def test_a_client_that_hangs_up_finds_its_response_in_the_mailbox(served: Served, way: str) -> None:
    gate = Gate({"join_time": 5})
    handlers: Any = engine_of(served).handlers
    handlers["enable_joining"] = gate
    request = '<enable_joining synchronous="TRUE"><join_time>5</join_time></enable_joining>'
    asked = rci(served, request) if way == "xml" else served.ask("POST", "/api/v1/rpc/enable_joining", {"join_time": 5})
    caller: asyncio.Task[object] = asyncio.create_task(asked)
    await eventually(lambda: bool(gate.begun))
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    # A walk to the hub and back: it has seen by then that the other connection is closed.
    await rci(served, '<get_time synchronous="TRUE"/>')
    gate.open.set()
    await eventually(lambda: len(engine_of(served).mailbox) == 1)
    mail = await served.get("/api/v1/rpc/responses")
    assert [one["response"] for one in mail["responses"]] == ["enable_joining_response"]
    [time] = await rci(served, '<get_time synchronous="TRUE"/>')
    assert time.tag == "get_time_response"


# -- roles -------------------------------------------------------------------------------------------------------------


async def test_roles_are_those_of_the_requests(served: Served) -> None:
    viewer = await served.new_token("eyes", "viewer")
    [time] = await rci(served, '<get_time synchronous="TRUE"/>', token=viewer)
    assert time.tag == "get_time_response"
    [refused] = await rci(
        served,
        "<registry_configuration><name>RPC_Manager.use_timestamps</name><value>FALSE</value>"
        "<request_identifier>4</request_identifier></registry_configuration>",
        token=viewer,
    )
    assert "needs the role admin; yours is viewer" in inside(refused, "description").text
    assert inside(refused, "request_identifier").text == "0x4"
    (await served.ask("POST", "/api/v1/rpc/exit", token=viewer)).problem(403)
    (await served.ask("GET", "/api/v1/rpc/responses", token=viewer)).problem(403)
    assert served.hub.registry.is_on("RPC_Manager.use_timestamps")


# -- the registry ------------------------------------------------------------------------------------------------------


async def test_the_registry_is_told_set_and_has_its_effect(served: Served) -> None:
    [told] = await rci(
        served,
        '<registry_configuration synchronous="TRUE"><name>RPC_Manager.max_buffer_items</name></registry_configuration>',
    )
    assert [(child.tag, child.text) for child in told.children] == [
        ("name", "RPC_Manager.max_buffer_items"),
        ("value", "0xfa"),
    ]
    for name, value in (("RPC_Manager.max_buffer_items", "2"), ("RPC_Manager.use_timestamps", "FALSE")):
        [done] = await rci(
            served,
            f'<registry_configuration synchronous="TRUE"><name>{name}</name><value>{value}</value>'
            "</registry_configuration>",
        )
        assert inside(done, "write_status").text == "TRUE"
    assert done.attributes == {}
    for number in range(3):
        engine_of(served).message(Severity.ERROR, str(number))
    assert len(engine_of(served).mailbox) == 2


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "RPC_Manager.max_buffer_items",
            '<value type="string">many</value>',
            "allowed: a whole number from 1 to 100000",
        ),
        ("RPC_Manager.max_buffer_items", "<value>0</value>", "a whole number from 1 to 100000"),
        ("RPC_Manager.use_timestamps", "<value>5</value>", "true or false"),
        ("RPC_Manager.use_timestamp", "<value>1</value>", "did you mean RPC_Manager.use_timestamps"),
    ],
)
async def test_a_setting_that_is_refused_says_why(served: Served, name: str, value: str, words: str) -> None:
    before = served.hub.registry.all()
    [told] = await rci(
        served,
        f'<registry_configuration synchronous="TRUE"><name>{name}</name>{value}</registry_configuration>',
    )
    assert told.tag == "registry_configuration_response"
    assert inside(told, "write_status").text == "FALSE"
    assert words in inside(told, "write_errors").text
    assert served.hub.registry.all() == before


async def test_an_entry_that_there_is_not_is_told_with_the_nearest(served: Served) -> None:
    [told] = await rci(
        served, '<registry_configuration synchronous="1"><name>max_buffer</name></registry_configuration>'
    )
    assert told.tag == "message"
    answer = await served.ask("POST", "/api/v1/rpc/registry_configuration", {"name": "max_buffer"})
    problem = answer.problem(404)
    assert "RPC_Manager.max_buffer_items" in problem["near"]
    assert problem["detail"] == inside(told, "description").text


async def test_the_printed_layout_is_a_setting(served: Served) -> None:
    await served.hub.registry.set("RPC_Manager.printed_reply_layout", True)
    found = await post(served, "/UE/rci", RCI.format('<get_time synchronous="TRUE"/>'))
    assert inside(found, "do_command", "get_time_response").children
    assert inside(found, "do_command").attributes == {}


# -- help, versions, exit ----------------------------------------------------------------------------------------------


async def test_help_lists_what_is_asked_for(served: Served) -> None:
    [topics] = await rci(served, '<help synchronous="TRUE"/>')
    assert [item.text for item in inside(topics, "parameters").children] == [
        "registry", "methods", "interfaces", "endpoints", "clusters", "records", "paths",
    ]  # fmt: skip
    found = (await served.ask("POST", "/api/v1/rpc/help", {"methods": None, "records": None, "registry": None})).json
    methods = {one["name"]: one for one in found["parameters"]["methods"]}
    assert set(methods) == set(TABLE.requests) - set(engine_of(served).pending)
    assert methods["get_time"]["module"] == "RPC_General_Interface"
    assert "module_name (optional) - string" in methods["get_version"]["description"]
    records = {one["name"]: one["description"] for one in found["parameters"]["records"]}
    assert set(records) == set(TABLE.records)
    assert "device_class - int from 0x0 to 0xffff" in records["LoadControlEventRecord"]
    assert "default: 0xfff" in records["LoadControlEventRecord"]
    registry = {one["name"]: one for one in found["parameters"]["registry"]}
    assert registry["RPC_Manager.max_buffer_items"]["value"] == 250
    assert "(s)" in registry["RPC_Manager.synchronous_request_timeout"]["description"]


async def test_a_module_that_there_is_not_has_no_version(served: Served) -> None:
    [told] = await rci(served, '<get_version synchronous="TRUE"><module_name>Versio</module_name></get_version>')
    assert "there is no module 'Versio'; did you mean Version?" in inside(told, "description").text
    problem = (await served.ask("POST", "/api/v1/rpc/get_version", {"module_name": "Versio"})).problem(404)
    assert problem["near"] == ["Version"]


async def test_exit_ends_the_program_and_has_no_response(tmp_path: Path) -> None:
    stopped = asyncio.Event()
    config = Config(data_dir=tmp_path, web=WebSection(listen=("127.0.0.1", 0)))
    async with Hub(config) as hub, serve(hub, dist=tmp_path, stop=stopped.set) as server:
        service = server._services.rpc
        assert await service.engine.request_json("exit", {}, Role.OPERATOR) is not None
        assert not stopped.is_set()
        assert await service.engine.request_json("exit", {}, Role.ADMIN) is None
        assert stopped.is_set()


async def test_where_nobody_can_end_the_program_exit_says_so(served: Served) -> None:
    problem = (await served.ask("POST", "/api/v1/rpc/exit")).problem(409)
    assert "whoever has started this program ends it" in problem["detail"]


# -- what is kept ------------------------------------------------------------------------------------------------------


async def test_aliases_and_our_identifier_survive_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path) as one:
        device = rpc_of(one).device_id
        await rci(one, '<add_alias synchronous="1"><T type="xml"><get_time synchronous="1"/></T></add_alias>')
        await rci(one, '<add_alias synchronous="1"><GONE type="xml"/></add_alias>')
        await rci(one, '<remove_alias synchronous="1"><GONE/></remove_alias>')
    async with serving(tmp_path) as again:
        assert rpc_of(again).device_id == device
        assert device.startswith("00000000-00000000-")
        assert len(device) == 35
        [found] = await rci(again, '<T type="alias"/>')
        assert found.tag == "get_time_response"
        assert list(rpc_of(again).aliases.all()) == ["T"]


# -- JSON --------------------------------------------------------------------------------------------------------------


async def test_several_requests_in_one_body_are_done_in_order(served: Served) -> None:
    answer = await served.ask(
        "POST",
        "/api/v1/rpc",
        [
            {"request": "add_alias", "parameters": {"A": "<x/>"}},
            {"request": "list_aliases"},
            {"request": "get_tiem"},
            {"request": "get_version", "synchronous": False},
        ],
    )
    assert answer.status == 200
    made, listed, unknown, later = answer.json["outcomes"]
    assert made["response"]["parameters"] == {"alias_name": "A"}
    assert listed["response"]["parameters"] == {"alias_list": {"A": "<x/>"}}
    assert (unknown["problem"]["status"], unknown["problem"]["near"][0]) == (404, "get_time")
    assert later == {"request": "get_version"}
    await eventually(lambda: len(engine_of(served).mailbox) == 1)
    mail = await served.get("/api/v1/rpc/responses?limit=5")
    assert mail["remaining"] == 0
    assert [one["response"] for one in mail["responses"]] == ["get_version_response"]


@pytest.mark.parametrize("query", ["?async", "?async=true"])
async def test_an_asynchronous_request_is_accepted(served: Served, query: str) -> None:
    answer = await served.ask("POST", f"/api/v1/rpc/get_time{query}", {"request_identifier": "x"})
    assert (answer.status, answer.json) == (202, {"accepted": "get_time"})
    await eventually(lambda: len(engine_of(served).mailbox) == 1)
    assert (await served.ask("HEAD", "/api/v1/rpc/responses")).status == 200
    mail = await served.get("/api/v1/rpc/responses")
    assert mail["responses"][0]["parameters"]["request_identifier"] == "x"


async def test_a_query_that_is_none_is_told_with_what_is_allowed(served: Served) -> None:
    problem = (await served.ask("POST", "/api/v1/rpc/get_time?async=1")).problem(400)
    assert problem["detail"] == "async is '1'; allowed: one of nothing, false, true"


@pytest.mark.parametrize(
    ("request_name", "body", "status", "words"),
    [
        ("get_tiem", {}, 404, "did you mean get_time"),
        ("enable_joining", {}, 400, "join_time is missing"),
        ("enable_joining", {"join_time": "soon"}, 400, "text 'soon'"),
        ("enable_joining", [], 400, "an object of parameters"),
        ("get_time", {"at": 1}, 400, "at is no parameter there is"),
    ],
)
async def test_json_that_is_wrong_is_a_problem(
    served: Served, request_name: str, body: object, status: int, words: str
) -> None:
    assert words in (await served.ask("POST", f"/api/v1/rpc/{request_name}", body)).problem(status)["detail"]


@pytest.mark.parametrize(
    ("request_name", "parameters", "status"),
    [("get_tiem", {}, 404), ("enable_joining", {"join_time": "soon"}, 400), ("get_version", {"module_name": "X"}, 404)],
)
async def test_a_problem_bears_the_identifier_of_its_request(
    served: Served, request_name: str, parameters: dict[str, object], status: int
) -> None:
    for identifier in (7, "seven", {"type": "MAC", "value": "0011"}, False):
        given = {**parameters, "request_identifier": identifier}
        answer = await served.ask("POST", f"/api/v1/rpc/{request_name}", given)
        assert answer.problem(status)["request_identifier"] == identifier
        [outcome] = (await served.ask("POST", "/api/v1/rpc", [{"request": request_name, "parameters": given}])).json[
            "outcomes"
        ]
        assert outcome["problem"]["request_identifier"] == identifier
    answer = await served.ask("POST", f"/api/v1/rpc/{request_name}", parameters)
    assert "request_identifier" not in answer.problem(status)


@pytest.mark.parametrize("body", ["{", "5", "[5]", '[{"request": 5}]', '[{"parameters": {}}]', "[" * 5000])
async def test_a_list_that_is_none_is_a_problem(served: Served, body: str) -> None:
    answer = await served.ask("POST", "/api/v1/rpc", data=body, headers={"Content-Type": "application/json"})
    assert (
        "allowed" in answer.problem(400)["detail"]
        or "JSON" in answer.json["detail"]
        or "nested" in answer.json["detail"]
    )


async def test_keys_and_codes_are_never_shown_back(served: Served) -> None:
    secret = "83FED3407A93-no-digits"
    for name, parameters in (
        ("add_device", {"device_address": "00:11:22:33:44:55:66:77", "link_key": secret}),
        ("xbee_AT", {"command": "KY", "value": secret}),
        ("install_certificate", {"ca_public_key": "00", "implicit_certificate": "00", "private_key": secret}),
    ):
        answer = await served.ask("POST", f"/api/v1/rpc/{name}", parameters)
        answer.problem(400)
        assert secret.encode() not in answer.body
        markup = "".join(f"<{key}>{value}</{key}>" for key, value in parameters.items())
        xml = await served.ask("POST", "/rpc", data=f"<{name}>{markup}</{name}>".encode())
        assert b"is wrong; allowed" in xml.body
        assert secret.encode() not in xml.body


async def test_the_table_is_told_to_programs(served: Served) -> None:
    found = await served.get("/api/v1/rpc")
    assert found["device_id"] == rpc_of(served).device_id
    requests = {one["name"]: one for one in found["requests"]}
    assert set(requests) == set(TABLE.requests)
    price = requests["create_price_event"]
    assert price["role"] == "operator"
    assert price["section"] == "Appendix A, SE Requests/Responses: Price"
    [record] = [one for one in price["parameters"] if one["name"] == "record"]
    assert record["records"] == ["PublishPriceRecord"]
    assert {one["name"] for one in found["records"]} == set(TABLE.records)
    responses = {one["name"]: {param["name"]: param for param in one["parameters"]} for one in found["responses"]}
    assert set(responses) == set(TABLE.responses)
    assert responses["bind_response"]["status"]["outcome"]["meanings"]["130"] == "invalid ep"
    written = responses["registry_configuration_response"]["write_status"]["outcome"]
    assert written == {"successes": [True], "reason": "write_errors"}
    assert "outcome" not in responses["get_zigbee_network_status_response"]["status"]
    assert requests["get_time"]["pending"] is False
    assert {name for name, one in requests.items() if one["pending"]} == set(engine_of(served).pending)


async def test_a_module_brings_requests_that_can_be_made_at_once(served: Served) -> None:
    engine = engine_of(served)

    async def magic(request: Checked) -> Values:
        return {"spell": "xyzzy"}

    engine.table = engine.table.with_rows(
        [RequestRow("magic", TABLE.requests["help"].chapter, "Does.", response="magic_response")]
    )
    handlers: Any = engine.handlers
    handlers["magic"] = magic
    [found] = await rci(served, '<magic synchronous="TRUE"/>')
    assert inside(found, "spell").text == "xyzzy"
    assert (await served.ask("POST", "/api/v1/rpc/magic")).json["parameters"] == {"spell": "xyzzy"}


async def talk(served: Served, head: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = served.server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST /UE/rci HTTP/1.1\r\nHost: {host}:{port}\r\nExpect: 100-continue\r\n{head}\r\n\r\n".encode())
    return reader, writer


async def test_a_client_that_waits_for_leave_to_send_gets_it(served: Served) -> None:
    """.NET waits so before each body, curl before a long one."""
    body = RCI.format('<get_time synchronous="TRUE"/>').encode()
    bearer = f"Authorization: Bearer {served.token}"
    reader, writer = await talk(served, f"{bearer}\r\nContent-Length: {len(body)}")
    assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
    assert await reader.readline() == b"\r\n"
    writer.write(body)
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    assert b"<get_time_response " in await reader.readuntil(b"</rci_reply>")
    writer.close()


@pytest.mark.parametrize(
    ("with_token", "length", "line"),
    [
        (True, 100 << 20, b"HTTP/1.1 413 Request Entity Too Large\r\n"),
        (False, 100, b"HTTP/1.1 401 Unauthorized\r\n"),
    ],
)
async def test_a_body_that_will_be_refused_is_not_asked_for(
    served: Served, with_token: bool, length: int, line: bytes
) -> None:
    token = served.token if with_token else "wrong"
    reader, writer = await talk(served, f"Authorization: Bearer {token}\r\nContent-Length: {length}")
    assert await reader.readline() == line
    writer.close()


async def test_the_version_tells_which_smart_energy_it_is(tmp_path: Path) -> None:
    config = Config(
        data_dir=tmp_path, hub=HubSection(se_version=SeVersion.V1_1), web=WebSection(listen=("127.0.0.1", 0))
    )
    async with Hub(config) as hub, serve(hub, dist=tmp_path) as server:
        found = await server._services.rpc.engine.request_json("get_version", {"module_name": "version"}, Role.VIEWER)
        assert isinstance(found, Response)
        assert found.parameters["module_name"] == "Version"
        extended = found.parameters["version_extended"]
        assert isinstance(extended, dict)
        assert extended["SE_spec_version"] == "1.1 revision 16"


async def test_an_alias_of_whole_requests_is_asked_for_in_json(served: Served) -> None:
    add = '<add_alias synchronous="TRUE"><{0} type="xml">{1}</{0}></add_alias>'
    clock = '<get_time synchronous="TRUE"/>'
    version = '<get_version synchronous="TRUE"><request_identifier>3</request_identifier></get_version>'
    for name, markup in (("CLOCK", clock), ("BOTH", version + '<CLOCK type="alias"/>'), ("LOST", '<NO type="alias"/>')):
        await rci(served, add.format(name, markup))
    answer = await served.ask("POST", "/api/v1/rpc/CLOCK", {})
    assert (answer.status, answer.json["response"]) == (200, "get_time_response")
    answer = await served.ask("POST", "/api/v1/rpc", [{"request": "BOTH"}, {"request": "get_time"}])
    assert [one["response"]["response"] for one in answer.json["outcomes"]] == [
        "get_version_response",
        "get_time_response",
        "get_time_response",
    ]
    assert answer.json["outcomes"][0]["response"]["parameters"]["request_identifier"] == 3
    for name, parameters, words in (
        ("BOTH", {}, "the alias BOTH stands for 2 requests"),
        ("CLOCK", {"a": 1}, "the alias CLOCK stands for whole requests; allowed: no parameters"),
        ("LOST", {}, "there is no alias 'NO'"),
    ):
        answer = await served.ask("POST", f"/api/v1/rpc/{name}", parameters)
        assert answer.status == 400, answer.body
        assert words in answer.json["detail"]
