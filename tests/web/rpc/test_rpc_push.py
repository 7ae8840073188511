"""Responses pushed: as files, to a server, again after a failure, and never lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web as aioweb

from hub.config import Config, RpcSection, WebSection, parse
from hub.errors import ConfigError
from hub.hub import Hub
from tests.hub.waiting import eventually
from tests.web.conftest import Served, serving
from tests.web.rpc.engines import AT, Bench, engine_with
from web.auth import Role
from web.rpc import push
from web.rpc.markup import parse as parse_xml
from web.rpc.push import Pusher, PushSettings
from web.rpc.response import Severity
from web.server import serve


@dataclass
class Far:
    """A server that takes files."""

    url: str = ""
    status: int = 201
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    asked: int = 0

    async def handle(self, request: aioweb.BaseRequest) -> aioweb.Response:
        self.asked += 1
        assert request.method == "PUT"
        if self.status < 300:
            self.taken.append((request.path, await request.read()))
        return aioweb.Response(status=self.status)


@asynccontextmanager
async def far() -> AsyncIterator[Far]:
    found = Far()
    runner = aioweb.ServerRunner(aioweb.Server(found.handle))
    await runner.setup()
    site = aioweb.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    found.url = f"http://{host}:{port}/gateway/"
    try:
        yield found
    finally:
        await runner.cleanup()


@asynccontextmanager
async def pushing(
    directory: Path | None, url: str = "", settings: PushSettings | None = None
) -> AsyncIterator[tuple[Bench, Pusher]]:
    given = settings or PushSettings(is_on=True)
    async with engine_with({}) as bench:
        pusher = Pusher(
            bench.engine.mailbox,
            lambda: bench.engine.table,
            lambda: given,
            lambda: bench.now,
            directory=directory,
            url=url,
            first_wait_s=0.01,
        )
        task = asyncio.create_task(pusher.run())
        # The pusher hears of responses from its first step on.
        await asyncio.sleep(0)
        yield bench, pusher
        task.cancel()
        await asyncio.wait([task])


async def test_files_bear_the_names_that_gateways_gave(tmp_path: Path) -> None:
    async with pushing(tmp_path / "spool") as (bench, _):
        for number in range(3):
            bench.engine.message(Severity.WARNING, f"message {number}")
        await bench.engine.request_xml(parse_xml(b"<get_time/>"), Role.ADMIN)
        await eventually(lambda: len(bench.engine.mailbox) == 0)
        files = sorted((tmp_path / "spool").iterdir())
        assert [file.name for file in files] == [
            f"RPC_Response-{AT}-0000-message.xml",
            f"RPC_Response-{AT}-0001-message.xml",
            f"RPC_Response-{AT}-0002-message.xml",
            f"RPC_Response-{AT}-0003-get_time_response.xml",
        ]
        root = parse_xml(files[0].read_bytes())
        assert (root.tag, root.children[0].text) == ("message", "message 0")
        assert files[0].stat().st_mode & 0o077 == 0 or files[0].parent.stat().st_mode & 0o077 == 0


async def test_prefix_and_extension_are_settings(tmp_path: Path) -> None:
    async with pushing(tmp_path, settings=PushSettings(is_on=True, prefix="home", extension="txt")) as (bench, _):
        bench.engine.message(Severity.WARNING, "here")
        await eventually(lambda: len(bench.engine.mailbox) == 0)
        assert [file.name for file in tmp_path.iterdir()] == [f"home-{AT}-0000-message.txt"]


async def test_what_is_off_pushes_nothing(tmp_path: Path) -> None:
    async with pushing(tmp_path, settings=PushSettings()) as (bench, pusher):
        bench.engine.message(Severity.WARNING, "here")
        pusher.wake()
        for _ in range(5):
            await asyncio.sleep(0)
        assert list(tmp_path.iterdir()) == []
        assert len(bench.engine.mailbox) == 1


async def test_a_server_gets_them_in_order_and_a_failure_keeps_them_in_the_mailbox(tmp_path: Path) -> None:
    async with far() as server, pushing(tmp_path, server.url) as (bench, pusher):
        server.status = 503
        bench.engine.message(Severity.WARNING, "first")
        bench.engine.message(Severity.WARNING, "second")
        await eventually(lambda: pusher.failures >= 2)
        assert [one.response.parameters["description"] for one in bench.engine.mailbox.waiting()] == ["first", "second"]
        assert len(list(tmp_path.iterdir())) == 1, "the file was written once, whatever becomes of the server"
        server.status = 201
        await eventually(lambda: len(bench.engine.mailbox) == 0)
        assert [path for path, _ in server.taken] == [
            f"/gateway/RPC_Response-{AT}-0000-message.xml",
            f"/gateway/RPC_Response-{AT}-0001-message.xml",
        ]
        assert b"first" in server.taken[0][1]
        await eventually(lambda: pusher.failures == 0)
        assert len(list(tmp_path.iterdir())) == 2


async def test_what_is_taken_meanwhile_is_not_pushed_any_more() -> None:
    async with far() as server, pushing(None, server.url) as (bench, pusher):
        server.status = 500
        bench.engine.message(Severity.WARNING, "first")
        await eventually(lambda: pusher.failures >= 1)
        assert len(bench.engine.mailbox.take()[0]) == 1
        server.status = 201
        bench.engine.message(Severity.WARNING, "second")
        await eventually(lambda: len(bench.engine.mailbox) == 0)
        assert [b"second" in body for _, body in server.taken] == [True]


async def test_a_server_that_is_not_there_and_a_directory_that_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    secret = "http://127.0.0.1:1/token-of-the-house"
    for directory, url in ((None, secret), (tmp_path / "file", "")):
        async with pushing(directory, url) as (bench, pusher):
            bench.engine.message(Severity.WARNING, "first")
            await eventually(lambda pusher=pusher: pusher.failures >= 2)  # type: ignore[misc]
            assert len(bench.engine.mailbox) == 1
    told = [one.getMessage() for one in caplog.records if one.name == "web.rpc.push"]
    assert len(told) == 2, "it is told once, not at each attempt"
    assert "they stay in the mailbox" in told[0]
    assert "token-of-the-house" not in caplog.text


async def test_a_server_that_does_not_answer_holds_nothing_up() -> None:
    held = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, asyncio.timeout(5), pushing(None, f"http://127.0.0.1:{port}") as (bench, _):
        bench.engine.message(Severity.WARNING, "first")
        await held.wait()
        [found] = await bench.engine.request_xml(parse_xml(b'<get_time synchronous="TRUE"/>'), Role.ADMIN)
        assert found.name == "get_time_response"
        assert len(bench.engine.mailbox) == 1


async def test_a_directory_that_nobody_empties_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "MAX_FILES", 3)
    async with pushing(tmp_path) as (bench, pusher):
        for number in range(5):
            bench.engine.message(Severity.WARNING, str(number))
        await eventually(lambda: pusher.failures >= 1)
        assert (len(list(tmp_path.iterdir())), len(bench.engine.mailbox)) == (3, 2)
        for file in tmp_path.iterdir():
            file.unlink()
        await eventually(lambda: len(bench.engine.mailbox) == 0)


async def test_a_clock_that_is_set_back_gives_no_name_twice(tmp_path: Path) -> None:
    async with pushing(tmp_path) as (bench, _):
        now = bench.now
        for seconds in (10, 0, 10, 11):
            bench.now = now.fromtimestamp(AT + seconds, now.tzinfo)
            bench.engine.message(Severity.WARNING, "here")
            await eventually(lambda: len(bench.engine.mailbox) == 0)
        assert len(list(tmp_path.iterdir())) == 4


async def test_a_head_end_switches_it_on(tmp_path: Path) -> None:
    config = Config(
        data_dir=tmp_path, web=WebSection(listen=("127.0.0.1", 0)), rpc=RpcSection(push_dir=tmp_path / "out")
    )
    async with Hub(config) as hub, serve(hub, dist=tmp_path) as server:
        engine = server._services.rpc.engine
        engine.message(Severity.ERROR, "waits")
        for name, value in (
            ("RPC_Manager.pushed_file_prefix", "house"),
            ("RPC_Manager.pushed_file_extension", "rsp"),
            ("RPC_Manager.use_push", True),
        ):
            await engine.request_json("registry_configuration", {"name": name, "value": value}, Role.ADMIN)
        await eventually(lambda: len(engine.mailbox) == 0)
        [file] = (tmp_path / "out").iterdir()
        assert file.name.startswith("house-")
        assert file.name.endswith("-0000-message.rsp")
    async with Hub(config) as hub:
        assert hub.registry.text("RPC_Manager.pushed_file_prefix") == "house"
        assert hub.registry.is_on("RPC_Manager.use_push")


@pytest.mark.parametrize("value", ["../../etc/cron", "a/b", "", "x" * 40, "a b", 5])
async def test_a_name_that_could_lead_elsewhere_is_refused(served: Served, value: object) -> None:
    answer = await served.ask(
        "POST",
        "/api/v1/rpc/registry_configuration",
        {
            "name": "RPC_Manager.pushed_file_prefix",
            "value": {"type": "string", "value": str(value)} if value == 5 else value,
        },
    )
    if value == 5:
        assert answer.json["parameters"]["write_status"] is True
    else:
        assert answer.json["parameters"]["write_status"] is False
        assert "1 to 32 letters, digits, dashes and underscores" in answer.json["parameters"]["write_errors"]


async def test_without_a_place_it_is_a_directory_of_the_hubs_own(tmp_path: Path) -> None:
    async with serving(tmp_path) as one:
        await one.hub.registry.set("RPC_Manager.use_push", True)
        one.server._services.rpc.engine.message(Severity.ERROR, "here")
        await eventually(lambda: (tmp_path / "pushed").is_dir() and len(list((tmp_path / "pushed").iterdir())) == 1)


def test_the_configuration_says_what_is_wrong(tmp_path: Path) -> None:
    found = parse({"rpc": {"push_dir": "/tmp/x", "push_url": "https://127.0.0.1/in"}}, data_dir=tmp_path)
    assert found.rpc == RpcSection(push_dir=Path("/tmp/x"), push_url="https://127.0.0.1/in")
    for table, words in (
        ({"push_url": "ftp://x"}, "rpc.push_url"),
        ({"push_dir": 5}, "rpc.push_dir"),
        ({"push": True}, "rpc.push"),
    ):
        with pytest.raises(ConfigError, match=words):
            parse({"rpc": table}, data_dir=tmp_path)
