"""`hubctl rpc` with what its table lacks: requests that modules have added, and aliases; against a real hub."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from hub.config import parse
from hub.hub import Hub
from tests.web.conftest import Served
from tests.web.hubctl_runs import Hubctl, Ran
from tests.web.hubctl_runs import alone as alone
from tests.web.rpc.modules import directory_in, write
from tests.web.test_hubctl_rpc import completed
from web.server import serve

LAMP = '''
from web.rpc.extension import (
    U8, Chapter, Checked, Interface, Outcome, Param, RequestRow, ResponseRow, Role, Surroundings, Values, one_of,
)

LEVEL = one_of({0: "off", 1: "dim", 2: "bright"})


class Lamp(Interface):
    """A lamp."""

    REQUESTS = (
        RequestRow(
            "set_lamp",
            Chapter.ADDED,
            "Sets the lamp.",
            (Param("level", LEVEL, "how bright"), Param("json", U8, "of no use", 7)),
            response="set_lamp_response",
            role=Role.OPERATOR,
        ),
    )
    RESPONSES = (
        ResponseRow(
            "set_lamp_response",
            Chapter.ADDED,
            "the lamp is set",
            (
                Param("level", LEVEL, "how bright it is"),
                Param("glow", U8, "how it went", outcome=Outcome(meanings={3: "burnt out"})),
                Param("json", U8, "as it was given"),
            ),
        ),
    )

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)

    async def set_lamp(self, request: Checked) -> Values:
        level = request.arguments["level"]
        return {"level": level, "glow": 3 if level == 2 else 0, "json": request.arguments["json"]}
'''
Run = Callable[..., Awaitable[Ran]]


@pytest.fixture
async def extended(tmp_path: Path) -> AsyncIterator[Served]:
    """A hub with a module whose interface is there, and aliases."""
    data, modules = tmp_path / "data", directory_in(tmp_path)
    write(modules, "lamp", LAMP)
    config = parse({"web": {"listen": "127.0.0.1:0"}, "rpc": {"modules": str(modules)}}, data_dir=data)
    async with (
        Hub(config) as hub,
        serve(hub, dist=tmp_path / "no-dashboard") as server,
        aiohttp.ClientSession() as session,
    ):
        served = Served(hub, server, session, (data / "token").read_text().strip(), data)
        for name, parameters in (
            ("add_module", {"module_name": "lamp"}),
            ("add_interface", {"interface_class": "Lamp"}),
            ("add_alias", {"CLOCK": '<get_time synchronous="TRUE"/>'}),
            ("add_alias", {"BOTH": '<CLOCK type="alias"/><set_lamp synchronous="TRUE"><level>2</level></set_lamp>'}),
            ("add_alias", {"LEVEL": "<level>1</level>"}),
        ):
            answer = await served.ask("POST", f"/api/v1/rpc/{name}", parameters)
            assert answer.status == 200, answer.body
        yield served


@pytest.fixture
def run(extended: Served, alone: Hubctl, monkeypatch: pytest.MonkeyPatch) -> Run:
    """hubctl that knows the hub; in a thread, since it has a loop of its own."""
    monkeypatch.setenv("HEH_URL", extended.server.url)
    monkeypatch.setenv("HEH_DATA_DIR", str(extended.data_dir))

    async def call(*arguments: str) -> Ran:
        return await asyncio.to_thread(alone, *arguments)

    return call


async def test_an_added_request_is_made_by_its_name(run: Run) -> None:
    done = await run("rpc", "set-lamp", "--level", "dim")
    assert (done.code, done.err) == (0, "")
    assert "  level: 1 (dim)" in done.lines
    asked = await run("rpc", "set_lamp", "--level", "0x1", "--parameter-json", "9", "--json")
    assert asked.json["parameters"] == {"level": 1, "glow": 0, "json": 9}
    helped = " ".join((await run("rpc", "set_lamp", "--help")).out.split())
    assert "--level INT how bright; int: 0x0 (off), 0x1 (dim), 0x2 (bright) [must be given]" in helped
    assert "of no use; int from 0x0 to 0xff [default: 0x7]" in helped
    assert "operator" in helped


async def test_what_is_wrong_with_an_added_request_is_told_as_of_ours(run: Run, extended: Served) -> None:
    wrong = await run("rpc", "set_lamp", "--level", "9")
    assert (wrong.code, wrong.out) == (2, "")
    assert "set_lamp: level is 9; allowed: int: 0x0 (off)" in wrong.err
    broken = await run("rpc", "set_lamp", "--level", "2")
    assert (broken.code, broken.err) == (1, "hubctl: glow is 0x3: burnt out\n")
    document = (await run("rpc", "set_lamp", "--level", "1", "--xml")).lines
    assert '      <level type="int">0x1</level>' in document
    assert len(extended.server._services.rpc.engine.mailbox) == 0
    later = await run("rpc", "set_lamp", "--level", "1", "--async")
    assert later.out == "accepted; see: hubctl rpc responses\n"
    assert "set_lamp_response" in (await run("rpc", "responses")).out


async def test_aliases_of_requests_are_made_by_their_names(run: Run) -> None:
    clock = await run("rpc", "CLOCK")
    assert (clock.code, clock.err) == (0, "")
    assert clock.lines[0].startswith("get_time_response  ")
    assert (await run("rpc", "clock", "--json")).json["outcomes"][0]["response"]["response"] == "get_time_response"
    both = await run("rpc", "BOTH")
    assert (both.code, both.err) == (1, "hubctl: glow is 0x3: burnt out\n")
    assert [line.split()[0] for line in both.lines if not line.startswith(" ")] == [
        "get_time_response",
        "set_lamp_response",
    ]
    assert '<CLOCK type="alias"/>' in (await run("rpc", "CLOCK", "--xml")).out
    later = await run("rpc", "CLOCK", "--async")
    assert later.out == "get_time: accepted; see: hubctl rpc responses\n"
    assert "get_time_response" in (await run("rpc", "responses")).out
    assert (await run("rpc", "CLOCK", "--xml", "--async")).code == 2
    part = await run("rpc", "LEVEL")
    assert part.code == 2
    assert "stands for parameters or a value" in part.err


async def test_a_viewers_alias_is_refused_as_its_request_is(
    run: Run, extended: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await extended.ask("POST", "/api/v1/rpc/add_alias", {"END": "<exit/>"})).status == 200
    monkeypatch.setenv("HEH_TOKEN", await extended.new_token("eyes", "viewer"))
    refused = await run("rpc", "END")
    assert refused.code == 1
    assert "needs the role admin" in refused.err


async def test_added_requests_and_aliases_are_listed_and_completed(
    run: Run, extended: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = {one["name"]: one for one in (await run("rpc", "--list", "--json")).json}
    assert listed["set_lamp"] == {
        "name": "set_lamp",
        "chapter": "Added Modules",
        "meaning": "Sets the lamp.",
        "role": "operator",
        "response": "set_lamp_response",
    }
    assert (listed["BOTH"]["chapter"], listed["BOTH"]["role"]) == ("Aliases", "viewer")
    assert "LEVEL" not in listed
    assert "get_time" in listed
    near = await run("rpc", "set_lmp")
    assert (near.code, "did you mean set_lamp" in near.err, "cannot be asked" in near.err) == (2, True, False)
    for words, found in (
        ("hubctl rpc set_", ["set_time", "set_lamp"]),
        ("hubctl rpc BO", ["BOTH"]),
        ("hubctl rpc set_lamp --lev", ["--level"]),
        ("hubctl rpc set_lamp --level ", ["0", "1", "2"]),
    ):
        more = {"HEH_URL": extended.server.url, "HEH_DATA_DIR": str(extended.data_dir)}
        assert await asyncio.to_thread(completed, words, None, **more) == found


def test_a_hub_that_cannot_be_asked_is_told_beside_the_nearest_names(
    alone: Hubctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEH_URL", "http://127.0.0.1:9")
    done = alone("rpc", "get_tiem")
    assert done.code == 2
    assert "did you mean get_time" in done.err
    assert "the hub cannot be asked for those that were added: no hub answers at http://127.0.0.1:9" in done.err
    assert any(line.startswith("get_time ") for line in alone("rpc", "--list").lines)
