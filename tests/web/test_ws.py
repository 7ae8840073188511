"""The websocket: a snapshot and then every event once, fair to fast clients and firm with slow ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any, get_args
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web as aioweb

from hub.events import HubEvent, KeyChanged, ReadingsTaken
from hub.model import Channel, KeyState, KeyStatus, Quantity, Reading
from tests.web.conftest import FRIDGE, Served, fridge, power
from web import ws
from web.schema import EVENT_TYPES


async def events(socket: Any, number: int) -> list[Any]:
    async with asyncio.timeout(10):
        return [json.loads((await socket.receive()).data) for _ in range(number)]


async def until(socket: Any, event: str) -> list[Any]:
    """Messages up to and with the first of a kind."""
    found: list[Any] = []
    async with asyncio.timeout(10):
        while not found or found[-1].get("event") != event:
            found.append(json.loads((await socket.receive()).data))
    return found


async def closed(socket: Any) -> int:
    """Read to the end; the close code."""
    async with asyncio.timeout(10):
        while True:
            received = await socket.receive()
            if received.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
                assert isinstance(socket.close_code, int)
                return socket.close_code
            assert received.type is aiohttp.WSMsgType.TEXT, received


async def command(socket: Any, text: str) -> Any:
    await socket.send_str(text)
    while True:
        [answer] = await events(socket, 1)
        if "event" not in answer:
            return answer


def mark(served: Served) -> None:
    """Publish an event that tests wait for."""
    now = served.hub.clock.now()
    served.hub.bus.publish(KeyChanged(now, KeyStatus(radio="r", device_id=None, state=KeyState.VALID)))


async def test_the_first_message_is_everything_as_it_is(served: Served) -> None:
    served.hub.devices.add(fridge())
    served.hub.devices.take(FRIDGE, power(150))
    async with served.websocket() as socket:
        [snapshot] = await events(socket, 1)
    assert snapshot["event"] == "snapshot"
    assert snapshot["hub"] == {"name": "home", "version": served.hub.version}
    assert snapshot["devices"] == (await served.get("/api/v1/devices"))["devices"]
    assert snapshot["storage"]["state"] == "ok"
    assert snapshot.keys() == {
        *("event", "seq", "time", "hub", "devices", "house", "radios", "storage", "keys", "commands", "networks"),
    }


async def test_events_follow_the_snapshot_without_gap_or_duplicate(served: Served) -> None:
    """Clients come in the middle of a stream of readings; what each knows at the end is what the hub knows."""
    served.hub.devices.add(fridge())
    done = asyncio.Event()

    async def publish() -> None:
        for number in range(400):
            served.hub.devices.take(FRIDGE, power(float(number)))
            if number % 3 == 0:
                await asyncio.sleep(0)
        await done.wait()
        served.hub.devices.take(FRIDGE, power(1000.0))
        mark(served)

    async def follow() -> None:
        async with served.websocket() as socket:
            [snapshot] = await events(socket, 1)
            seq, known = snapshot["seq"], snapshot["devices"][0]["readings"].get("total", {}).get("power_w", -1.0)
            arrived.append(known)
            if len(arrived) == 20:
                done.set()
            for event in await until(socket, "key_changed"):
                seq += 1
                assert event["seq"] == seq
                if event["event"] == "readings_taken" and event["device_id"] == FRIDGE:
                    power_w = event["readings"]["total"]["power_w"]
                    assert power_w == (known + 1 if power_w != 1000.0 else 1000.0), (known, power_w)
                    known = power_w
            assert known == 1000.0

    arrived: list[float] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(publish())
        for _ in range(20):
            group.create_task(follow())
            await asyncio.sleep(0)


async def test_every_kind_of_event_is_told(served: Served) -> None:
    async with served.websocket() as socket:
        await events(socket, 1)
        served.hub.devices.add(fridge())
        await served.hub.devices.update(FRIDGE, name="Freezer")
        await served.hub.devices.remove(FRIDGE)
        mark(served)
        told = [event for event in await until(socket, "key_changed") if event["event"] != "house_changed"]
    assert [event["event"] for event in told] == ["device_added", "device_changed", "device_removed", "key_changed"]
    assert told[1]["device"]["name"] == "Freezer"
    assert told[2]["device_id"] == FRIDGE
    assert told[3]["key"] == {"radio": "r", "device_id": None, "state": "valid", "expires_at": None}


async def test_a_hundred_clients_hear_the_same(served: Served) -> None:
    served.hub.devices.add(fridge())
    sockets = [await served.websocket() for _ in range(100)]
    for socket in sockets:
        await events(socket, 1)
    for number in range(20):
        served.hub.devices.take(FRIDGE, power(float(number)))
    mark(served)
    for socket in sockets:
        heard = await until(socket, "key_changed")
        mine = [event for event in heard if event["event"] == "readings_taken" and event["device_id"] == FRIDGE]
        assert [event["readings"]["total"]["power_w"] for event in mine] == [float(number) for number in range(20)]
    assert "hub_websocket_clients 100.0" in (await served.ask("GET", "/metrics")).body.decode()
    for socket in sockets:
        await socket.close()


@pytest.mark.parametrize("size", [1, 125, 126, 127, 65535, 65536, 100_000])
def test_frames_are_as_the_standard_says(size: int) -> None:
    framed = ws.frame(b"x" * size)
    assert framed[0] == 0x81
    short = framed[1]
    length, header = (
        (short, 2)
        if short < 126
        else (int.from_bytes(framed[2:4], "big"), 4)
        if short == 126
        else (int.from_bytes(framed[2:10], "big"), 10)
    )
    assert (length, len(framed) - header) == (size, size)
    assert (header == 2) == (size < 126)
    assert (header == 10) == (size > 65535)


async def test_long_messages_arrive_whole(served: Served) -> None:
    for number in range(400):
        served.hub.devices.add(fridge(f"emcb-30000c2a{number:08x}"))
    async with served.websocket() as socket:
        [snapshot] = await events(socket, 1)
        assert len(snapshot["devices"]) == 400
        answer = await command(socket, '{"id": "again", "command": "snapshot"}')
        assert len(answer["result"]["devices"]) == 400


async def test_commands_are_answered_with_their_id(served: Served) -> None:
    async with served.websocket() as socket:
        await events(socket, 1)
        assert (await command(socket, '{"id": 7, "command": "ping"}'))["result"].keys() == {"time"}
        assert (await command(socket, '{"id": "x", "command": "ping", "args": {}}'))["id"] == "x"
        answer = await command(socket, json.dumps({"id": 8, "command": "breaker.open", "args": {"device": "emcb-1"}}))
        assert (answer["id"], answer["error"]["status"]) == (8, 404)


@pytest.mark.parametrize(
    ("text", "request_id", "detail"),
    [
        ("", None, "not JSON"),
        ("{", None, "not JSON"),
        ("[1]", None, "not a JSON object"),
        ("[" * 60_000, None, "nested too deeply"),
        ('{"command": "ping"}', None, "id is missing"),
        ('{"id": 1}', 1, "command is missing"),
        ('{"id": 1, "command": "reboot"}', 1, "allowed: ping, snapshot, breaker.open"),
        ('{"id": 1, "command": "ping", "args": 5}', 1, "args is '5'; allowed: an object"),
        ('{"id": 1, "command": "ping", "more": 5}', 1, "no field 'more'"),
        ('{"id": 1, "command": "ping", "args": {"x": 1}}', 1, "no field 'x'"),
        ('{"id": 1, "command": "breaker.open"}', 1, "device is missing"),
        ('{"id": 1, "command": "breaker.open", "args": {"device": 3}}', 1, "device is '3'"),
        ('{"id": {}, "command": "ping"}', None, "id is"),
    ],
)
async def test_a_wrong_message_is_answered_and_the_connection_stays(
    served: Served, text: str, request_id: object, detail: str
) -> None:
    async with served.websocket() as socket:
        await events(socket, 1)
        answer = await command(socket, text)
        assert answer["id"] == request_id
        assert detail in answer["error"]["detail"]
        assert answer["error"]["status"] == 400
        assert "result" in await command(socket, '{"id": 2, "command": "ping"}')


async def test_a_viewer_may_watch_and_not_switch(served: Served) -> None:
    served.hub.devices.add(fridge())
    viewer = await served.new_token("v", "viewer")
    async with served.websocket(viewer) as socket:
        await events(socket, 1)
        answer = await command(socket, json.dumps({"id": 1, "command": "breaker.open", "args": {"device": FRIDGE}}))
        assert answer["error"]["status"] == 403


async def test_a_binary_message_closes_with_1003(served: Served) -> None:
    async with served.websocket() as socket:
        await socket.send_bytes(b"\x00")
        assert await closed(socket) == 1003


@pytest.mark.parametrize("size", [ws.MAX_MESSAGE_BYTES, 5_000_000])
async def test_a_message_that_is_too_long_closes_the_connection_and_nothing_else(
    served: Served, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with served.websocket() as other, served.websocket() as socket:
        await events(socket, 1)
        await events(other, 1)
        # Where the hub hangs up in the middle of a message, the rest of it may reset the connection before the close
        # code is read; that is how TCP is.
        with contextlib.suppress(ConnectionError):
            await socket.send_str("x" * (size + 1))
        assert await closed(socket) in (1009, 1006)
        assert "result" in await command(other, '{"id": 1, "command": "ping"}')
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_client_that_does_not_read_is_cut_off_with_1013_and_others_are_not(served: Served) -> None:
    served.hub.devices.add(fridge())
    parts = urlsplit(served.server.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1024)
    writer.write(
        f"GET /api/v1/ws HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.token}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    async with served.websocket() as quick:
        await events(quick, 1)
        many = tuple(Reading(quantity, channel, 1.0) for channel in Channel for quantity in Quantity)
        sent = 0
        async with asyncio.timeout(30):
            while "hub_websocket_slow_clients_total 0.0" in (await served.ask("GET", "/metrics")).body.decode():
                for _ in range(200):
                    served.hub.bus.publish(ReadingsTaken(served.hub.clock.now(), FRIDGE, many))
                sent += 200
                mark(served)
                await until(quick, "key_changed")
        mark(served)
        assert (await until(quick, "key_changed"))[-1]["key"]["radio"] == "r"
    async with asyncio.timeout(10):
        received = bytearray()
        while chunk := await reader.read(1 << 20):
            received += chunk
    assert received.endswith(b"bytes unread")
    assert (1013).to_bytes(2, "big") in received[-200:]
    assert len(received) >= ws.MAX_WAITING_BYTES
    writer.close()
    await writer.wait_closed()


async def test_a_revoked_token_closes_its_websockets_with_4401(served: Served) -> None:
    phone = await served.new_token("phone", "viewer")
    [listed] = [token for token in (await served.get("/api/v1/tokens"))["tokens"] if token["name"] == "phone"]
    async with served.websocket(phone) as theirs, served.websocket() as ours:
        await events(theirs, 1)
        await events(ours, 1)
        await served.ask("DELETE", f"/api/v1/tokens/{listed['id']}")
        assert await closed(theirs) == 4401
        assert "result" in await command(ours, '{"id": 1, "command": "ping"}')


async def test_a_token_that_ends_during_the_handshake_gets_no_events(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = await served.new_token("phone", "viewer")
    [listed] = [token for token in (await served.get("/api/v1/tokens"))["tokens"] if token["name"] == "phone"]
    prepare = aioweb.WebSocketResponse.prepare

    async def slow(socket: Any, request: Any) -> Any:
        writer = await prepare(socket, request)
        await served.server._services.auth.revoke(listed["id"])
        return writer

    monkeypatch.setattr(aioweb.WebSocketResponse, "prepare", slow)
    async with served.websocket(phone) as socket:
        assert await closed(socket) == 4401


async def test_signing_out_closes_the_websockets_of_that_browser(served: Served) -> None:
    answer = await served.ask("POST", "/api/v1/login", {"token": served.token}, token=None)
    headers = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0], "Origin": served.server.url}
    async with served.session.ws_connect(f"{served.server.url}/api/v1/ws", headers=headers) as socket:
        await events(socket, 1)
        await served.ask("POST", "/api/v1/logout", token=None, headers=headers)
        assert await closed(socket) == 4401


async def test_a_page_of_another_site_gets_no_websocket(served: Served) -> None:
    answer = await served.ask("POST", "/api/v1/login", {"token": served.token}, token=None)
    cookie = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
    for origin in ({"Origin": "http://evil.example"}, {}):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await served.session.ws_connect(f"{served.server.url}/api/v1/ws", headers={**cookie, **origin})
        assert caught.value.status == 403


async def test_without_a_token_or_a_handshake_there_is_no_websocket(served: Served) -> None:
    (await served.ask("GET", "/api/v1/ws", token=None)).problem(401)
    assert "Upgrade" in (await served.ask("GET", "/api/v1/ws")).problem(400)["detail"]
    assert (await served.ask("HEAD", "/api/v1/ws")).status == 405


async def test_clients_of_a_hub_that_fell_behind_are_told_to_begin_anew(served: Served) -> None:
    served.hub.devices.add(fridge())
    async with served.websocket() as socket:
        await events(socket, 1)
        for _ in range(ws.EVENTS_WAITING + 1):
            mark(served)
        assert await closed(socket) == 1013
    async with served.websocket() as socket:
        [snapshot] = await events(socket, 1)
        mark(served)
        assert (await until(socket, "key_changed"))[0]["seq"] == snapshot["seq"] + 1


async def test_commands_under_way_are_bounded_and_do_not_hold_up_others(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = asyncio.Event()

    async def move(*_: object) -> object:
        await hold.wait()
        raise AssertionError("nobody waits for this any more")

    monkeypatch.setattr(served.hub.breakers, "move", move)
    async with served.websocket() as socket:
        await events(socket, 1)
        for number in range(ws.MAX_COMMANDS):
            await socket.send_str(json.dumps({"id": number, "command": "breaker.open", "args": {"device": "x"}}))
        answer = await command(socket, '{"id": 99, "command": "ping"}')
        assert (answer["id"], answer["error"]["status"]) == (99, 429)
    async with served.websocket() as socket:
        await events(socket, 1)
        assert "result" in await command(socket, '{"id": 1, "command": "ping"}')


async def test_an_event_that_cannot_be_told_does_not_silence_the_others(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async with served.websocket() as socket:
        [snapshot] = await events(socket, 1)
        served.hub.bus.publish(KeyChanged(served.hub.clock.now(), "not a key"))  # type: ignore[arg-type]
        mark(served)
        told = await until(socket, "key_changed")
        assert [event["seq"] for event in told] == [snapshot["seq"] + 1 + number for number in range(len(told))]
    assert "KeyChanged could not be encoded" in caplog.text


def test_every_event_of_the_hub_has_its_message() -> None:
    assert set(EVENT_TYPES) == set(get_args(HubEvent))
