"""`hubctl rpc`: requests with options from their table, documents, the mailbox."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from aiohttp import web as aioweb

from hub.clock import ManualClock
from tests.web.fake_hub import SILENT, FakeHub, breaker, problem, snapshot
from tests.web.hubctl_runs import Hubctl
from tests.web.hubctl_runs import alone as alone
from tests.web.hubctl_runs import fake as fake
from tests.web.hubctl_runs import hubctl as hubctl
from tests.web.test_hubctl_program import HUBCTL, LONGEST_S, environment
from web.hubctl.rpc import RpcCommand
from web.hubctl.rpc_options import RpcOption
from web.rpc.build import Context
from web.rpc.check import Checked, check_json, check_xml
from web.rpc.declare import RequestRow
from web.rpc.markup import parse
from web.rpc.table import TABLE

TIME = {
    "response": "get_time_response",
    "parameters": {"UTC_1970": 94, "UTC_2000": 5},
    "time": "2026-11-20T12:00:00.000Z",
}
PRICE = ("rpc", "create_price_event", "--issuer-event-id", "5", "--duration-in-minutes", "60", "--price", "0x4D2")
MESSAGE = {"description": "no room", "severity": 2}
REPLY = '<?xml version="1.0" encoding="UTF-8"?>\n<rci_reply version="1.1"><a type="int">0x5</a><b/></rci_reply>'


def answers(fake: FakeHub, request: str, answer: object, status: int = 200) -> None:
    fake.answers["POST", f"/api/v1/rpc/{request}"] = status, answer


def test_a_request_is_made_and_its_response_is_shown(fake: FakeHub, hubctl: Hubctl) -> None:
    answers(fake, "get_time", TIME)
    done = hubctl("rpc", "get_time")
    assert done.code == 0
    assert done.lines[0].startswith("get_time_response  ")
    assert done.lines[1:] == ["  UTC_1970: 94 (0x5e)", "  UTC_2000: 5"]
    assert [(one.path, one.query, one.body) for one in fake.asked] == [("/api/v1/rpc/get_time", {}, {})]


def test_json_gives_the_response_as_the_hub_gave_it(fake: FakeHub, hubctl: Hubctl) -> None:
    answers(fake, "get_time", TIME)
    assert hubctl("rpc", "get-time", "--json").json == TIME


def test_a_records_fields_are_options(fake: FakeHub, hubctl: Hubctl) -> None:
    answers(fake, "create_price_event", {"response": "create_price_event_response", "parameters": {"status": 0}})
    assert hubctl(*PRICE, "--rate_label", "peak", "--source-endpoint-id", "0x5E").code == 0
    assert fake.asked[-1].body == {
        "source_endpoint_id": 0x5E,
        "record": {"issuer_event_id": 5, "duration_in_minutes": 60, "price": 1234, "rate_label": "peak"},
    }


@pytest.mark.parametrize(
    "record", ['{"issuer_event_id": 5, "duration_in_minutes": "0x3c", "price": 1}', "issuer_event_id=5,price=1"]
)
def test_a_record_is_json_or_fields_and_options_add_to_it(fake: FakeHub, hubctl: Hubctl, record: str) -> None:
    answers(fake, "create_price_event", {"response": "create_price_event_response"})
    assert hubctl("rpc", "create_price_event", "--record", record, "--duration-in-minutes", "60").code == 0
    assert fake.asked[-1].body == {"record": {"issuer_event_id": 5, "duration_in_minutes": 60, "price": 1}}


def test_xml_is_printed_and_nothing_is_sent(fake: FakeHub, hubctl: Hubctl) -> None:
    done = hubctl(*PRICE, "--xml")
    assert (done.code, fake.asked) == (0, [])
    [command] = parse(done.out.encode()).children
    [request] = command.children
    checked = check_xml(request, Context(TABLE, ManualClock().now()))
    assert isinstance(checked, Checked)
    assert checked.synchronous
    assert checked.row.name == "create_price_event"
    assert '      <record type="PublishPriceRecord">' in done.lines
    assert '        <price type="int">0x4d2</price>' in done.lines
    assert "synchronous" not in hubctl(*PRICE, "--xml", "--async").out


def test_async_says_where_the_response_will_be(fake: FakeHub, hubctl: Hubctl) -> None:
    answers(fake, "get_time", {"accepted": "get_time"}, 202)
    done = hubctl("rpc", "get_time", "--async")
    assert (done.code, done.out) == (0, "accepted; see: hubctl rpc responses\n")
    assert fake.asked[-1].query == {"async": "true"}


def test_a_request_without_response_is_done(fake: FakeHub, hubctl: Hubctl) -> None:
    answers(fake, "exit", {"accepted": "exit"}, 202)
    assert hubctl("rpc", "exit").out == "done; it has no response\n"


def test_a_message_of_severity_2_is_a_failure(fake: FakeHub, hubctl: Hubctl) -> None:
    answers(fake, "get_time", {"response": "message", "parameters": MESSAGE})
    done = hubctl("rpc", "get_time")
    assert (done.code, done.out, done.err) == (1, "", "hubctl: no room\n")
    asked = hubctl("rpc", "get_time", "--json")
    assert (asked.code, asked.json["parameters"]) == (1, MESSAGE)


def test_a_status_that_is_none_of_success_is_a_failure_whose_meaning_is_told(fake: FakeHub, hubctl: Hubctl) -> None:
    refused = {"response": "create_price_event_response", "parameters": {"status": 0x85, "device_list": []}}
    answers(fake, "create_price_event", refused)
    done = hubctl(*PRICE)
    assert (done.code, done.err) == (1, "hubctl: status is 0x85: invalid field (a message in the mailbox says why)\n")
    assert "  status: 133 (0x85, invalid field)" in done.lines
    asked = hubctl(*PRICE, "--json")
    assert (asked.code, asked.json, asked.err) == (1, refused, "")


def test_failures_of_a_document_are_failures(fake: FakeHub, hubctl: Hubctl, tmp_path: Path) -> None:
    (tmp_path / "request.xml").write_text("<get_time/>")
    for inside, said in (
        ('<get_time_response><UTC_1970 type="int">0x5</UTC_1970></get_time_response>', None),
        ('<message><severity type="int">0x1</severity><description>soon</description></message>', None),
        ('<message><severity type="int">0x2</severity><description>no room</description></message>', "no room"),
        ('<bind_response><status type="int">0xaa</status></bind_response>', "status is 0xaa: not supported"),
        ('<remove_alias_response><A type="bool">FALSE</A></remove_alias_response>', "A is FALSE: there was none"),
        (
            '<write_attributes_response><record_list type="list"><item type="WriteAttributeResponseRecord">'
            '<status type="int">0x88</status></item></record_list></write_attributes_response>',
            "record_list[0].status is 0x88: read only",
        ),
        ('<error id="1"><desc>there is no target</desc></error>', "there is no target"),
    ):
        text = f'<rci_reply version="1.1"><do_command><responses>{inside}</responses></do_command></rci_reply>'
        fake.answers["POST", "/UE/rci"] = aioweb.Response(text=text, content_type="application/xml")
        done = hubctl("rpc", "--file", "request.xml")
        assert (done.code, done.err) == ((1, f"hubctl: {said}\n") if said else (0, "")), inside
        assert done.lines[0] == '<rci_reply version="1.1">'


def test_what_is_wrong_is_told_before_anything_is_sent(fake: FakeHub, hubctl: Hubctl) -> None:
    for wrong, said in (
        (("--price", "0x123456789"), "price is 4886718345; allowed: int from 0x0 to 0xffffffff"),
        (("--price", "cheap"), "price is 'cheap'; allowed: int"),
        (("--record", '{"prise": 1}'), "did you mean price"),
        (("--record", "{"), "record is no JSON"),
        (("--record", "price"), "allowed: FIELD=VALUE"),
        (("--issuer-event-id", "5"), "record.price is missing"),
    ):
        done = hubctl("rpc", "create_price_event", *wrong)
        assert (done.code, done.out) == (2, ""), wrong
        assert said in done.err, wrong
    assert fake.asked == []


def test_a_key_is_not_shown_back(fake: FakeHub, hubctl: Hubctl) -> None:
    done = hubctl("rpc", "add_device", "--device-address", "0013A20040401122", "--link-key", "C0FFEE11 no", "--xml")
    assert done.code == 2
    assert "C0FFEE11" not in done.err
    assert "link_key is wrong" in done.err


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("get_tiem",), "did you mean get_time or"),
        (("create_price_event", "--prise", "1"), "--price"),
        (("wholly_different_words_here",), "see: hubctl rpc --list"),
    ],
)
def test_a_mistake_gets_the_nearest_names(hubctl: Hubctl, arguments: tuple[str, ...], near: str) -> None:
    done = hubctl("rpc", *arguments)
    assert done.code == 2
    assert near in done.err


def test_meanings_files_flags_and_free_names_are_taken(fake: FakeHub, hubctl: Hubctl, tmp_path: Path) -> None:
    (tmp_path / "alias.xml").write_text("<get_time/>\n")
    for name in ("get_DRLC_events", "help", "add_alias", "remove_alias"):
        answers(fake, name, {"response": f"{name}_response"})
    assert hubctl("rpc", "get_DRLC_events", "--server-or-client", "Server").code == 0
    assert fake.asked[-1].body == {"server_or_client": 0}
    assert hubctl("rpc", "help", "--methods", "--records").code == 0
    assert fake.asked[-1].body == {"methods": None, "records": None}
    assert hubctl("rpc", "add_alias", "CLOCK", "@alias.xml").code == 0
    assert fake.asked[-1].body == {"CLOCK": "<get_time/>"}
    assert hubctl("rpc", "remove_alias", "CLOCK").code == 0
    assert list(fake.asked[-1].body) == ["CLOCK"]


def test_the_hubs_no_is_told(fake: FakeHub, hubctl: Hubctl) -> None:
    fake.answers["POST", "/api/v1/rpc/get_time"] = problem(501, "not-implemented", "get_time is not implemented yet")
    done = hubctl("rpc", "get_time")
    assert done.code == 1
    assert "get_time is not implemented yet" in done.err


def test_a_document_is_sent_as_it_is(fake: FakeHub, hubctl: Hubctl, tmp_path: Path) -> None:
    document = '<rci_request version="1.1"><do_command target="RPC_request"><get_time/></do_command></rci_request>'
    (tmp_path / "request.xml").write_text(document)
    fake.answers["POST", "/UE/rci"] = aioweb.Response(text=REPLY, content_type="application/xml")
    done = hubctl("rpc", "--file", "request.xml")
    assert done.lines == ['<rci_reply version="1.1">', '  <a type="int">0x5</a>', "  <b/>", "</rci_reply>"]
    assert fake.asked[-1].body == document


def test_the_list_needs_no_hub(alone: Hubctl) -> None:
    done = alone("rpc", "--list")
    assert len(done.lines) == len(TABLE.requests) + 1
    assert any(line.startswith("create_price_event ") for line in done.lines)
    assert [one["name"] for one in alone("rpc", "--list", "--json").json] == list(TABLE.requests)
    assert alone("rpc").out == alone("rpc", "--help").out
    assert alone("rpc", "--list", "get_time").code == 2


def test_help_tells_types_defaults_and_what_is_allowed(alone: Hubctl) -> None:
    told = " ".join(alone("rpc", "create_price_event", "--help").out.split())
    assert "Fields of the PublishPriceRecord" in told
    assert "--price INT price of a unit, in its trailing digits; int from 0x0 to 0xffffffff [must be given]" in told
    assert "[default: 0x5e]" in told
    assert "operator" in told


def test_the_mailbox_is_emptied_and_tells_what_is_left(fake: FakeHub, hubctl: Hubctl) -> None:
    fake.answers["GET", "/api/v1/rpc/responses"] = 200, {"responses": [TIME], "remaining": 3}
    done = hubctl("rpc", "responses", "--limit", "1")
    assert fake.asked[-1].query == {"limit": "1"}
    assert done.lines[1:] == ["  UTC_1970: 94 (0x5e)", "  UTC_2000: 5", "3 more are waiting"]
    assert hubctl("rpc", "responses", "--json").json == {"responses": [TIME], "remaining": 3}
    fake.answers["GET", "/api/v1/rpc/responses"] = 200, {"responses": [], "remaining": 0}
    assert hubctl("rpc", "responses").out == "the mailbox is empty\n"


def test_responses_are_followed(fake: FakeHub, hubctl: Hubctl) -> None:
    message = {"response": "message", "parameters": {"description": "Device\n1 is here", "severity": 1}}
    said = [{"event": "rpc_response", "response": one} for one in (TIME, message)]
    fake.streams = [[snapshot(), {"id": "rpc.subscribe", "result": {"rpc": True}}, *said, SILENT]] * 2
    done = hubctl("rpc", "responses", "--follow", "--limit", "2")
    assert done.lines[0].endswith("get_time_response  UTC_1970=94 (0x5e) UTC_2000=5")
    assert done.lines[1] == "warning  Device?1 is here"
    lines = hubctl("rpc", "responses", "--follow", "--limit", "2", "--json").lines
    assert [json.loads(one)["response"] for one in lines] == ["get_time_response", "message"]


def test_who_may_not_listen_is_told(fake: FakeHub, hubctl: Hubctl) -> None:
    refusal = problem(403, "forbidden", "rpc.subscribe needs the role operator")[1]
    fake.streams = [[snapshot(), {"id": "rpc.subscribe", "error": refusal}, SILENT]]
    done = hubctl("rpc", "responses", "--follow")
    assert done.code == 1
    assert "needs the role operator" in done.err


# -- all of the table --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", TABLE.requests.values(), ids=str)
def test_every_request_has_a_command_whose_options_stand_once(row: RequestRow) -> None:
    command = RpcCommand(row)
    options = [name for param in command.params for name in (*param.opts, *param.secondary_opts)]
    assert len(options) == len(set(options))
    with click.Context(command) as ctx:
        assert row.meaning.split()[0] in command.get_help(ctx)
    said = {param.place.param.name for param in command.params if isinstance(param, RpcOption)}
    given = {param.name for param in row.params if not param.is_answer_only}
    assert said == given - ({row.params[0].name} if row.has_free_name else set())


def completed(words: str, fake: FakeHub | None = None, **more: str) -> list[str]:
    place = str(len(words.split(" ")) - 1)
    env = environment(fake, COMP_WORDS=words, COMP_CWORD=place, _HUBCTL_COMPLETE="bash_complete", **more)
    done = subprocess.run(HUBCTL, env=env, capture_output=True, text=True, timeout=LONGEST_S, check=True)
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_completion_knows_requests_options_and_values(fake: FakeHub) -> None:
    assert completed("hubctl rpc create_p") == ["create_price_event"]
    assert completed("hubctl rpc create-pr") == ["create_price_event"]
    assert completed("hubctl rpc create_price_event --price-r") == ["--price-ratio"]
    assert completed("hubctl rpc get_DRLC_events --server-or-client ") == ["0", "1"]
    meter = breaker("zigbee-0013a20040401122", "Meter")
    fake.answers["GET", "/api/v1/devices"] = 200, {"devices": [breaker(), meter]}
    assert completed("hubctl rpc read_attributes --destination-address 00", fake) == ["0013a20040401122"]


def test_the_table_is_read_without_the_hub_and_only_by_this_command() -> None:
    heavy = ("aiohttp", "msgspec", "rich", "web.auth", "web.schema", "hub.hub", "web.client")
    program = (
        "import sys; from web.hubctl import main\nsys.argv = ['hubctl', *sys.argv[1:]]\nmain()\n"
        f"print(*[name for name in (*{heavy!r}, 'web.rpc.table') if name in sys.modules], file=sys.stderr)"
    )
    for arguments, loaded in ((["--help"], ""), (["rpc", "get_time", "--help"], "web.rpc.table")):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env=environment(), capture_output=True, text=True, timeout=LONGEST_S, check=True,
        )  # fmt: skip
        assert done.stderr.strip() == loaded


def test_what_is_given_in_options_is_what_a_client_sends_in_json(fake: FakeHub, hubctl: Hubctl) -> None:
    answers(fake, "create_price_event", {"response": "create_price_event_response"})
    hubctl(*PRICE)
    context = Context(TABLE, ManualClock().now())
    assert isinstance(check_json("create_price_event", fake.asked[-1].body, context), Checked)
