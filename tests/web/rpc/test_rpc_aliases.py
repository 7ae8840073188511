"""Aliases: for parameters, values and whole requests; circles and floods are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hub.errors import StorageError
from tests.web.rpc.engines import engine_with
from web.auth import Role
from web.rpc.aliases import MAX_ALIASES, Aliases, AliasRefusedError
from web.rpc.build import Context
from web.rpc.check import Checked, Problem, Reason
from web.rpc.markup import parse, write
from web.rpc.table import TABLE
from web.rpc.values import Mac, Record, Values

EXAMPLES: Any = json.loads((Path(__file__).parents[2] / "golden" / "rpc_examples.json").read_text())["manual"]


def context() -> Context:
    from datetime import UTC, datetime

    return Context(TABLE, datetime(2026, 1, 1, tzinfo=UTC))


def expanded(aliases: Aliases, markup: str) -> str:
    found = aliases.expand(parse(markup.encode()), context())
    assert isinstance(found, list), found
    return "".join(write(one) for one in found)


def refused(aliases: Aliases, markup: str) -> str:
    found = aliases.expand(parse(markup.encode()), context())
    assert isinstance(found, Problem)
    assert found.reason is Reason.ALIAS
    return found.text


def test_the_manuals_example() -> None:
    aliases = Aliases({"EXAMPLE_ALIAS": EXAMPLES["alias_body"]})
    assert expanded(aliases, EXAMPLES["alias_use"]) == f"<request_name>{EXAMPLES['alias_body']}</request_name>"


def test_an_alias_stands_for_a_value_for_requests_and_for_others() -> None:
    aliases = Aliases(
        {
            "ADDRESS": "00:11:22:33:44:55:66:77",
            "THERMOSTAT": '<destination_address><ADDRESS type="alias"/></destination_address>',
            "BOTH": '<get_time/>\n<identify><THERMOSTAT type="ALIAS"/></identify>',
            "NOTHING": "",
        }
    )
    assert expanded(aliases, '<BOTH type="alias"/>') == (
        "<get_time/><identify><destination_address>00:11:22:33:44:55:66:77</destination_address></identify>"
    )
    assert expanded(aliases, '<a>1<NOTHING type="alias"/>2<b/><NOTHING type="alias"/>3</a>') == "<a>12<b/>3</a>"
    # Twice in one request: each is a copy of its own.
    assert expanded(aliases, '<a><THERMOSTAT type="alias"/><THERMOSTAT type="alias"/></a>').count("00:11") == 2


def test_what_is_kept_as_xml_keeps_its_aliases() -> None:
    aliases = Aliases({"A": "<x/>"})
    for markup in (
        '<add_alias><B type="xml"><A type="alias"/></B></add_alias>',
        '<add_alias><B><A type="alias"/></B></add_alias>',
        '<a><b type="xml"><A type="alias"/></b></a>',
    ):
        assert expanded(aliases, markup) == markup


async def test_circles_are_refused_when_they_are_made_and_when_they_are_used() -> None:
    aliases = Aliases()
    await aliases.add("A", '<x><B type="alias"/></x>')
    await aliases.add("B", '<C type="alias"/>')
    with pytest.raises(AliasRefusedError, match="the alias C stands for itself: C -> A -> B -> C"):
        await aliases.add("C", '<A type="alias"/>')
    assert "C" not in aliases.all()
    with pytest.raises(AliasRefusedError, match="the alias D stands for itself: D -> D"):
        await aliases.add("D", '<D type="alias"/>')
    kept = Aliases({"A": '<B type="alias"/>', "B": '<A type="alias"/>'})
    assert refused(kept, '<get_time><A type="alias"/></get_time>') == "the alias A stands for itself: A -> B -> A"


async def test_aliases_that_use_each_other_in_many_ways_are_looked_through_at_once() -> None:
    aliases = Aliases()
    for n in range(60):
        for side in "LR":
            await aliases.add(f"{side}{n}", f'<L{n + 1} type="alias"/><R{n + 1} type="alias"/>')
    with pytest.raises(AliasRefusedError, match=r"stands for itself: L60 -> L0 -> [LR]1 -> "):
        await aliases.add("L60", '<L0 type="alias"/>')


def test_an_alias_whose_xml_is_damaged_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    assert Aliases({"A": "<x", "B": "<y/>"}).all() == {"B": "<y/>"}
    assert "the alias A is left out" in caplog.text


async def test_an_alias_that_cannot_be_kept_is_none() -> None:
    async def fail(name: str, markup: str | None) -> None:
        raise StorageError("disk full")

    aliases = Aliases({"A": "<x/>"}, fail)
    with pytest.raises(StorageError):
        await aliases.add("A", "<y/>")
    with pytest.raises(StorageError):
        await aliases.add("B", "<y/>")
    with pytest.raises(StorageError):
        await aliases.remove("A")
    assert aliases.all() == {"A": "<x/>"}
    assert expanded(aliases, '<A type="alias"/>') == "<x/>"


async def test_an_alias_that_is_refused_leaves_the_one_there_was() -> None:
    aliases = Aliases({"A": "<x/>"})
    with pytest.raises(AliasRefusedError):
        await aliases.add("A", '<A type="alias"/>')
    assert expanded(aliases, '<A type="alias"/>') == "<x/>"


def test_aliases_of_aliases_cannot_flood() -> None:
    aliases = Aliases({f"A{n}": f'<A{n + 1} type="alias"/>' * 10 for n in range(9)} | {"A9": "<x/>"})
    assert "more than 20000 tags once aliases are replaced" in refused(aliases, '<A0 type="alias"/>')
    deep = Aliases({f"A{n}": f'<x><A{n + 1} type="alias"/></x>' for n in range(100)} | {"A100": "<x/>"})
    assert "within each other" in refused(deep, '<A0 type="alias"/>')


def test_an_alias_that_there_is_not_is_told_with_the_identifier() -> None:
    aliases = Aliases({"THERMOSTAT": "<x/>"})
    found = aliases.expand(
        parse(b'<get_time><TERMOSTAT type="alias"/><request_identifier>5</request_identifier></get_time>'), context()
    )
    assert isinstance(found, Problem)
    assert found.identifier == 5
    assert found.text == "there is no alias 'TERMOSTAT'; did you mean THERMOSTAT?"


async def test_there_may_be_so_many_aliases_and_no_more() -> None:
    aliases = Aliases({f"A{n}": "" for n in range(MAX_ALIASES)})
    with pytest.raises(AliasRefusedError, match="500 aliases already"):
        await aliases.add("ONE_MORE", "")
    await aliases.add("A0", "<x/>")
    with pytest.raises(AliasRefusedError, match="at most 65536"):
        await aliases.add("A0", "x" * 100_000)


async def test_requests_use_them() -> None:
    seen: list[Checked] = []

    async def identify(request: Checked) -> Values:
        seen.append(request)
        return {"identify_time": request.arguments["identify_time"]}

    async with engine_with({"identify": identify}) as bench:
        ask = bench.engine.request_xml
        body = EXAMPLES["thermostat_body"]
        made = await ask(
            parse(f'<add_alias synchronous="TRUE"><THERMOSTAT type="xml">{body}</THERMOSTAT></add_alias>'.encode()),
            Role.OPERATOR,
        )
        assert made[0].parameters == {"alias_name": "THERMOSTAT"}
        request = (
            '<identify synchronous="TRUE"><THERMOSTAT type="alias"/>'
            "<destination_endpoint_id>1</destination_endpoint_id><identify_time>9</identify_time></identify>"
        )
        [done] = await ask(parse(request.encode()), Role.OPERATOR)
        assert done.parameters == {"identify_time": 9}
        assert seen[0].arguments["destination_address"] == Mac.parse("00:11:22:33:44:55:66:77")
        both = (
            f'<add_alias synchronous="TRUE"><BOTH type="xml"><get_time synchronous="TRUE"/>{request}</BOTH></add_alias>'
        )
        await ask(parse(both.encode()), Role.OPERATOR)
        found = await ask(parse(b'<BOTH type="alias"/>'), Role.OPERATOR)
        assert [one.name for one in found] == ["get_time_response", "identify_response"]
        [refused] = await ask(parse(b'<list_aliases synchronous="TRUE"/>'), Role.VIEWER)
        assert "operator" in str(refused.parameters["description"])
        [listed] = await ask(parse(b'<list_aliases synchronous="TRUE"/>'), Role.OPERATOR)
        assert list(listed.parameters["alias_list"]) == ["BOTH", "THERMOSTAT"]  # type: ignore[arg-type]
        [gone] = await ask(parse(b'<remove_alias synchronous="TRUE"><BOTH/></remove_alias>'), Role.OPERATOR)
        assert gone.parameters == {"BOTH": True}
        [gone] = await ask(parse(b'<remove_alias synchronous="TRUE"><BOTH/></remove_alias>'), Role.OPERATOR)
        assert gone.parameters == {"BOTH": False}


async def test_requests_in_json_use_them_too() -> None:
    seen: list[Values] = []

    async def take(request: Checked) -> Values:
        seen.append(request.arguments)
        return {}

    async with engine_with({"identify": take, "create_price_event": take}) as bench:
        aliases, ask = bench.engine.aliases, bench.engine.request_json
        await aliases.add(
            "THERMOSTAT", EXAMPLES["thermostat_body"] + "<destination_endpoint_id>9</destination_endpoint_id>"
        )
        await aliases.add("PEAK", " 1234 ")
        await aliases.add("FOREVER", "<duration_in_minutes>0xFFFF</duration_in_minutes>")
        found = await ask("identify", {"THERMOSTAT": {"type": "alias"}, "identify_time": 5}, Role.OPERATOR)
        assert not isinstance(found, Problem)
        record = {"issuer_event_id": 1, "price": {"type": "alias", "value": "PEAK"}, "FOREVER": {"type": "alias"}}
        found = await ask("create_price_event", {"record": record}, Role.OPERATOR)
        assert not isinstance(found, Problem)
        assert seen[0] == {
            "destination_endpoint_id": 9,
            "destination_address": Mac.parse("00:11:22:33:44:55:66:77"),
            "identify_time": 5,
        }
        price = seen[1]["record"]
        assert isinstance(price, Record)
        assert (price.fields["price"], price.fields["duration_in_minutes"]) == (1234, 0xFFFF)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"NOBODY": {"type": "alias"}}, "there is no alias 'NOBODY'"),
        ({"identify_time": {"type": "alias", "value": 5}}, "is no alias; allowed"),
        ({"identify_time": 1, "TIME": {"type": "alias"}}, "'identify_time' is given twice, once by the alias 'TIME'"),
        ({"identify_time": {"type": "alias", "value": "LOOP"}}, "stands for itself"),
    ],
)
async def test_an_alias_in_json_that_cannot_be_replaced_is_a_problem(parameters: dict[str, object], words: str) -> None:
    async with engine_with({}) as bench:
        bench.engine.aliases.load(
            {
                "TIME": "<identify_time>5</identify_time>",
                "LOOP": '<LOOP2 type="alias"/>',
                "LOOP2": '<LOOP type="alias"/>',
            }
        )
        found = await bench.engine.request_json("identify", {**parameters, "request_identifier": 3}, Role.OPERATOR)
        assert isinstance(found, Problem)
        assert (found.reason, found.identifier) == (Reason.ALIAS, 3)
        assert words in found.text
