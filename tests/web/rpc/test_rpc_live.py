"""RPC responses on the websocket: to those who ask for them, as the mailbox gets them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.hub.waiting import eventually
from tests.web.conftest import Served
from web.rpc.engine import Engine
from web.rpc.markup import parse
from web.rpc.response import Response, Severity


def engine_of(served: Served) -> Engine:
    return served.server._services.rpc.engine


async def next_of(socket: Any, key: str) -> Any:
    """The next message that has a key, whatever comes before."""
    async with asyncio.timeout(10):
        while True:
            found = json.loads((await socket.receive()).data)
            if key in found:
                return found


async def said(socket: Any, command: str, **args: object) -> Any:
    await socket.send_json({"id": 1, "command": command, "args": args})
    return await next_of(socket, "id")


async def rpc_response(socket: Any) -> Any:
    while True:
        found = await next_of(socket, "event")
        if found["event"] == "rpc_response":
            return found


async def test_who_subscribes_hears_responses_and_they_stay_in_the_mailbox(served: Served) -> None:
    engine = engine_of(served)
    async with served.websocket() as socket:
        assert (await said(socket, "rpc.subscribe"))["result"] == {"rpc": True, "xml": False}
        engine.message(Severity.ERROR, "no more room", free=0)
        found = await rpc_response(socket)
        assert set(found) == {"event", "response"}
        assert found["response"]["response"] == "message"
        assert found["response"]["parameters"] == {"description": "no more room", "severity": 2, "free": 0}
        assert found["response"]["time"].endswith("Z")
        assert [one.response.parameters["free"] for one in engine.mailbox.waiting()] == [0]


async def test_responses_come_in_xml_too_to_who_asks_for_that(served: Served) -> None:
    engine = engine_of(served)
    async with served.websocket() as plain, served.websocket() as socket:
        assert (await said(plain, "rpc.subscribe"))["result"] == {"rpc": True, "xml": False}
        assert (await said(socket, "rpc.subscribe", xml=True))["result"] == {"rpc": True, "xml": True}
        engine.message(Severity.ERROR, "a < b")
        assert "xml" not in await rpc_response(plain)
        found = await rpc_response(socket)
        assert found["response"]["parameters"]["description"] == "a < b"
        told = parse(found["xml"].encode())
        assert (told.tag, [child.text for child in told.children]) == ("message", ["a < b", "0x2"])
        # It is what the mailbox gives.
        mail = (await served.ask("POST", "/rpc", data=b"<get_responses/>")).body.decode()
        assert found["xml"] in mail
        assert (await said(socket, "rpc.subscribe"))["result"] == {"rpc": True, "xml": False}
        engine.message(Severity.ERROR, "plain again")
        assert "xml" not in await rpc_response(socket)
        assert (await said(socket, "rpc.subscribe", xml="yes"))["error"]["status"] == 400


async def test_an_asynchronous_request_is_answered_there(served: Served) -> None:
    async with served.websocket() as socket:
        await said(socket, "rpc.subscribe")
        answer = await served.ask("POST", "/api/v1/rpc/get_time?async", {"request_identifier": 9})
        assert (answer.status, answer.json) == (202, {"accepted": "get_time"})
        found = (await rpc_response(socket))["response"]
        assert found["response"] == "get_time_response"
        assert found["parameters"]["request_identifier"] == 9


async def test_others_hear_nothing_and_nobody_does_who_has_enough(served: Served) -> None:
    engine = engine_of(served)
    async with served.websocket() as listener, served.websocket() as other:
        await said(listener, "rpc.subscribe")
        engine.message(Severity.ERROR, "first")
        assert (await rpc_response(listener))["response"]["parameters"]["description"] == "first"
        assert (await said(listener, "rpc.unsubscribe"))["result"] == {"rpc": False, "xml": False}
        engine.message(Severity.ERROR, "second")
        for socket in (listener, other):
            await socket.send_json({"id": 2, "command": "ping"})
            # The answer comes behind everything that was written before.
            while "id" not in (found := json.loads((await socket.receive()).data)):
                assert found["event"] != "rpc_response"


async def test_a_viewer_may_not_listen(served: Served) -> None:
    async with served.websocket(await served.new_token("eyes", "viewer")) as socket:
        refused = await said(socket, "rpc.subscribe")
    assert refused["error"]["status"] == 403
    assert "operator" in refused["error"]["detail"]


async def test_a_response_that_cannot_be_told_silences_nobody(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    engine = engine_of(served)
    async with served.websocket() as socket:
        await said(socket, "rpc.subscribe")
        engine.unsolicited(Response("message", {"description": object()}))  # type: ignore[dict-item]
        engine.message(Severity.ERROR, "still here")
        assert (await rpc_response(socket))["response"]["parameters"]["description"] == "still here"
    assert "could not be encoded" in caplog.text


async def test_a_listener_that_leaves_is_forgotten(served: Served) -> None:
    engine = engine_of(served)
    async with served.websocket() as socket:
        await said(socket, "rpc.subscribe")
    await eventually(lambda: served.server._services.fanout.clients == 0)
    engine.message(Severity.ERROR, "to nobody")
    assert len(engine.mailbox) == 1
