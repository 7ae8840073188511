"""Every error is a problem document, whoever found it; and what HTTP itself can throw at a server."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from hub import errors as hub_errors
from hub.config import Config, WebSection
from hub.errors import ConfigError, HubError
from hub.hub import Hub
from tests.web.conftest import FRIDGE, Answer, Served, serving
from web import errors
from web.server import MAX_BODY_BYTES, serve


async def raw(served: Served, request: bytes) -> Answer:
    """Send bytes as they are; read the answer to its end."""
    parts = urlsplit(served.server.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(request)
        async with asyncio.timeout(10):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines[1:] if line)
            body = await reader.readexactly(int(headers.get("Content-Length", "0")))
        return Answer(int(lines[0].split()[1]), headers, body)
    finally:
        writer.close()
        await writer.wait_closed()


def all_errors() -> list[type[Exception]]:
    found: list[type[Exception]] = []
    todo: list[type[Exception]] = [HubError, errors.RequestError]
    while todo:
        for kind in todo.pop().__subclasses__():
            found.append(kind)
            todo.append(kind)
    return found


def test_every_error_of_the_hub_and_of_the_web_layer_has_a_row() -> None:
    kinds = [kind for kind in all_errors() if kind.__module__ in (hub_errors.__name__, errors.__name__)]
    assert len(kinds) > 12
    for kind in kinds:
        assert errors.row_of(kind.__new__(kind)) is not None, kind
    assert errors.row_of(ValueError()) is None


def test_the_table_says_what_the_contract_says() -> None:
    expected = {
        hub_errors.NotFoundError: (404, 3),
        hub_errors.InvalidError: (400, 2),
        hub_errors.RefusedError: (409, 1),
        hub_errors.UnsupportedError: (409, 1),
        hub_errors.UnknownOutcomeError: (504, 4),
        hub_errors.UnavailableError: (503, 1),
        hub_errors.StorageError: (507, 1),
    }
    for row in errors.TABLE:
        if row.error in expected:
            assert (row.status, row.exit_code) == expected.pop(row.error)
    assert expected == {}


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"this is not http\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20000 + b"\r\n\r\n", 400),
        (b"POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET /api/v1/nix HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
        (b"GET /nix.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
        (b"DELETE /api/v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 405),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 405),
        (b"GET /api/v1/health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 421),
        (b"GET /api/v1/health HTTP/1.1\r\nHost: evil.example:80@localhost\r\nConnection: close\r\n\r\n", 421),
        (b"POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n", 413),
        (b"GET /api/v1/devices HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 401),
    ],
)
async def test_whatever_is_wrong_with_a_request_comes_back_as_a_problem(
    served: Served, request_bytes: bytes, status: int
) -> None:
    answer = await raw(served, request_bytes)
    answer.problem(status)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


async def test_405_says_what_is_allowed(served: Served) -> None:
    answer = await served.ask("PUT", f"/api/v1/devices/{FRIDGE}")
    assert "allowed: DELETE, GET, PATCH" in answer.problem(405)["detail"]
    assert answer.headers["Allow"] == "DELETE, GET, PATCH"


async def test_a_fault_of_ours_says_nothing_outside_and_all_in_the_log(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> list[object]:
        raise ZeroDivisionError("the secret inside")

    served.hub.devices.all = broken  # type: ignore[method-assign, assignment]
    answer = await served.ask("GET", "/api/v1/devices")
    answer.problem(500)
    assert b"secret" not in answer.body
    assert b"ZeroDivision" not in answer.body
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None


BAD_BODIES: list[tuple[bytes, str]] = [
    (b"", "not JSON"),
    (b"{", "not JSON"),
    (b"[]", "not a JSON object"),
    (b"null", "not a JSON object"),
    (b'"x"', "not a JSON object"),
    (b'{"name": "x", "role": "viewer"} x', "not JSON"),
    (b'{"name": NaN}', "not JSON"),
    (b"\xff\xfe", "not JSON"),
    (b'{"name": "\xff"}', "not JSON"),
    (b'{"name": "\\ud800", "role": "viewer"}', "not JSON"),
    (b"[" * 100_000, "nested too deeply"),
    (b'{"a":' * 100_000, "nested too deeply"),
    (b'{"name": "x", "role": "viewer", "more": 1}', "no field 'more'; allowed: only name, role"),
    (b'{"name": "x"}', "role is missing; allowed: one of viewer, operator, admin"),
    (b'{"name": "x", "role": "root"}', "role is 'root'; allowed: one of viewer, operator, admin"),
    (b'{"name": 5, "role": "viewer"}', "name is '5'; allowed: text of 1 to 64 characters"),
    (b'{"name": "", "role": "viewer"}', "name is ''; allowed: text of 1 to 64 characters"),
    (b'{"name": "a\\u0000b", "role": "viewer"}', "printable"),
]


@pytest.mark.parametrize(("body", "detail"), BAD_BODIES, ids=[str(number) for number in range(len(BAD_BODIES))])
async def test_a_bad_body_is_told_what_is_wrong_and_what_is_allowed(served: Served, body: bytes, detail: str) -> None:
    answer = await served.ask("POST", "/api/v1/tokens", data=body, headers={"Content-Type": "application/json"})
    assert detail in answer.problem(400)["detail"]


async def test_fields_inside_lists_are_named(served: Served) -> None:
    leds: list[Any] = [{"color": "#00ff00"}] * 4
    path = f"/api/v1/breakers/{FRIDGE}/led"
    for body, field in (
        ({"leds": leds}, "leds"),
        ({"leds": [*leds, {"color": "green"}]}, "leds[4].color"),
        ({"leds": [*leds, {"color": "#00ff00", "blink": True}]}, "leds[4].blink"),
        ({"leds": [*leds, {"color": "#00ff00"}], "duration_s": -1}, "duration_s"),
        ({"leds": [*leds, {"color": "#00ff00"}], "off": True}, "leds"),
        ({}, "leds"),
    ):
        problem = (await served.ask("PUT", path, body)).problem(400)
        assert problem["errors"][0]["field"] == field
        assert problem["errors"][0]["allowed"]


async def test_bodies_have_a_kind_and_a_size(served: Served) -> None:
    form = await served.ask("POST", "/api/v1/tokens", data={"name": "x", "role": "viewer"})
    assert "application/json" in form.problem(415)["detail"]
    headers = {"Content-Type": "application/json"}
    big = io.BytesIO(b'{"name": "' + b"x" * MAX_BODY_BYTES + b'"}')
    (await served.ask("POST", "/api/v1/tokens", data=big, headers=headers)).problem(413)
    latin = {"Content-Type": "application/json; charset=latin-1"}
    (await served.ask("POST", "/api/v1/tokens", data=b"{}", headers=latin)).problem(415)
    (await served.ask("POST", f"/api/v1/breakers/{FRIDGE}/open", {"force": True})).problem(400)


async def test_a_body_without_a_stated_size_is_bounded_too(served: Served) -> None:
    async def endless() -> Any:
        for _ in range(64):
            yield b"x" * 65536

    headers = {"Content-Type": "application/json"}
    (await served.ask("POST", "/api/v1/tokens", data=endless(), headers=headers)).problem(413)


async def test_a_compressed_bomb_is_bounded_too(served: Served) -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    assert len(bomb) < MAX_BODY_BYTES
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await served.ask("POST", "/api/v1/tokens", data=bomb, headers=headers)
    assert answer.status in (400, 413)
    answer.problem(answer.status)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True),
        ("LOCALHOST:8080", True),
        ("hub.localhost", True),
        ("127.0.0.1:1", True),
        ("192.168.1.9", True),
        ("[::1]:8080", True),
        ("hub.lan", True),
        ("hub.lan.", True),
        ("evil.lan", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("[::1].evil.example", False),
        ("", False),
    ],
)
async def test_only_our_own_names_are_answered(tmp_path: Path, host: str, allowed: bool) -> None:
    async with serving(tmp_path, allowed_hosts=("hub.lan",)) as served:
        answer = await served.ask("GET", "/api/v1/health", token=None, headers={"Host": host})
        if allowed:
            assert answer.status == 200
        else:
            assert "allowed_hosts" in answer.problem(421)["detail"]


@pytest.mark.parametrize("busy", ["port in use", "foreign address"])
async def test_an_address_that_cannot_be_had_is_one_clear_line(tmp_path: Path, busy: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        listen = ("127.0.0.1", port) if busy == "port in use" else ("192.0.2.1", port)
        async with Hub(Config(data_dir=tmp_path, web=WebSection(listen=listen))) as hub:
            with pytest.raises(ConfigError) as caught:
                async with serve(hub):
                    pytest.fail("it listens")
    assert caught.value.key == "web.listen"
    assert f"{listen[0]}:{port}" in str(caught.value)
    assert "allowed: " in str(caught.value)


async def test_what_fails_in_the_callers_block_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        async with Hub(Config(data_dir=tmp_path, web=WebSection(listen=("127.0.0.1", 0)))) as hub:
            try:
                async with serve(hub):
                    raise KeyError("mine")
            except KeyError:
                caught = True
        assert caught
        raise KeyError("seen")


async def test_leaving_takes_a_second_at_most_whatever_is_under_way(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    config = Config(data_dir=tmp_path, web=WebSection(listen=("127.0.0.1", 0)))
    async with Hub(config) as hub:
        writers = []
        async with serve(hub) as server:
            parts = urlsplit(server.url)
            token = (tmp_path / "token").read_text().strip()
            head = f"Host: localhost\r\nAuthorization: Bearer {token}\r\n"
            for request in (
                f"POST /api/v1/tokens HTTP/1.1\r\n{head}Content-Length: 100\r\n\r\n{{",
                f"GET /api/v1/devices HTTP/1.1\r\n{head}\r\n",
                "GET /api/v1/dev",
                "",
                f"GET /api/v1/ws HTTP/1.1\r\n{head}Upgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
            ):
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
                writer.write(request.encode())
                writers.append((reader, writer))
            await writers[-1][0].readuntil(b'"event":"snapshot"')
            before = loop.time()
        assert loop.time() - before < 1.3
        rest = await writers[-1][0].read()
        assert (1001).to_bytes(2, "big") in rest
        for _, writer in writers:
            writer.close()


def test_a_long_value_is_shown_cut() -> None:
    assert len(errors.shown("x" * 10_000)) < 130
    assert json.dumps(errors.shown([1, 2])) == '"[1, 2]"'


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_body_that_is_not_coded_as_it_says_is_no_fault_of_the_hub(served: Served, coding: str) -> None:
    body = b"\x1f\x8b\x08\xff no such thing"
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(served.server.url).port)
    try:
        writer.write(
            f"POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Encoding: {coding}\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        assert b" 100 " in await reader.readuntil(b"\r\n\r\n")
        # The hub is reading by now.
        writer.write(body)
        assert b" 400 " in await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()
