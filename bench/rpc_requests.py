"""RPC requests over HTTP, XML and JSON in and out: against a bare aiohttp handler with lxml, and one with msgspec.

The reference knows its two requests by heart: it parses, looks at the name, and builds the same document out of values
that it holds ready. It has no authentication, no roles, no argument checks, no defaults, no aliases and no mailbox.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sys
import tempfile
import time
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web as aioweb

from bench.http_client import CONNECTIONS
from bench.measure import Result, compare_async
from hub.config import Config, parse
from hub.hub import Hub
from hub.smart_energy.utc import EPOCH, to_utc
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from web.server import serve

UNIX_OF_2000 = int(EPOCH.timestamp())
PRICES = 50
COUNT = {"get_time": 125 * CONNECTIONS, "get_price_events": 25 * CONNECTIONS}
PROMISE = 0.60
UP_S = 30.0
"""An emulated radio is up within a second."""
RECORD = "PublishPriceRecord"
_TIMES = re.compile(rb'timestamp="[^"]*"|remaining="\d+"|"time":"[^"]*"|0x[0-9a-f]{8}\b|\b\d{9,10}\b')
"""What differs from one answer to the next."""
RCI = '<rci_request version="1.1"><do_command target="RPC_request"><{} synchronous="TRUE"/></do_command></rci_request>'


@dataclass(frozen=True, slots=True)
class Client:
    """The client's process."""

    process: asyncio.subprocess.Process

    async def rate(self, port: int, request: str, count: int) -> tuple[float, bytes]:
        """Requests per second, and the last answer's body."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"port": port, "request": request, "count": count}).encode() + b"\n")
        found = json.loads(await stdout.readline())
        return count / found["seconds"], base64.b64decode(found["body"])


@asynccontextmanager
async def client() -> AsyncIterator[Client]:
    """A client until the block is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.http_client",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20,
    )  # fmt: skip
    try:
        yield Client(process)
    finally:
        process.terminate()
        await process.wait()


def http(path: str, body: str, kind: str, token: str) -> str:
    """A request as it goes over the wire."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )


async def publish(hub: Hub, url: str, token: str) -> dict[str, object]:
    """Publish fifty prices, an hour each; the answer's parameters to the question what there is."""
    begin = to_utc(hub.clock.now())
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        for number in range(PRICES):
            record = {
                "rate_label": f"TIER {number % 8}",
                "issuer_event_id": begin + number,
                "start_time": begin + 3600 * number,
                "duration_in_minutes": 60,
                "price": 3000 + number,
            }
            body = {"record": record}
            async with session.post(f"{url}/api/v1/rpc/create_price_event", json=body) as answer:
                made = await answer.json()
                assert answer.status == 200, made
                assert made["parameters"]["status"] == 0, made
        async with session.post(f"{url}/api/v1/rpc/get_price_events", json={}) as answer:
            found = await answer.json()
    parameters: dict[str, object] = found["parameters"]
    events = parameters["events_record_list"]
    assert isinstance(events, list)
    assert len(events) == PRICES, found
    return parameters


# -- the reference -----------------------------------------------------------------------------------------------------


def xml_reference(prices: dict[str, object]) -> Callable[[aioweb.Request], Awaitable[aioweb.Response]]:
    """A handler that parses and builds with lxml."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True)

    def add(parent: etree._Element, name: str, value: object) -> None:
        if isinstance(value, int):
            etree.SubElement(parent, name, type="int").text = hex(value)
        elif isinstance(value, list):
            items = etree.SubElement(parent, name, type="list")
            for one in value:
                item = etree.SubElement(items, "item", type=RECORD)
                for key, inner in one.items():
                    add(item, key, inner)
        else:
            etree.SubElement(parent, name, type="string").text = str(value)

    async def handle(request: aioweb.Request) -> aioweb.Response:
        root = etree.fromstring(await request.read(), parser)
        now = time.time()
        stamp = f"{int(now)}.0"
        reply = etree.Element("rci_reply", version=root.get("version") or "1.1")
        command = etree.SubElement(reply, "do_command", target="RPC_request")
        responses = etree.SubElement(command, "responses", remaining="0", timestamp=stamp)
        for asked in root.find("do_command"):  # type: ignore[union-attr]
            assert asked.get("synchronous") == "TRUE"
            response = etree.SubElement(responses, f"{asked.tag}_response", timestamp=stamp)
            told = prices
            if asked.tag == "get_time":
                told = {"UTC_1970": int(now), "UTC_2000": int(now) - UNIX_OF_2000}
            for name, value in told.items():
                add(response, name, value)
        body = etree.tostring(reply, xml_declaration=True, encoding="UTF-8")
        return aioweb.Response(body=body, content_type="application/xml", charset="utf-8")

    return handle


def json_reference(prices: dict[str, object]) -> Callable[[aioweb.Request], Awaitable[aioweb.Response]]:
    """A handler that parses and builds with msgspec, every type known beforehand."""
    events = prices["events_record_list"]
    assert isinstance(events, list)
    price = msgspec.defstruct("Price", [(name, type(value)) for name, value in events[0].items()], frozen=True)
    fields = [(name, list[price] if name == "events_record_list" else int) for name in prices]  # type: ignore[valid-type]
    kept = msgspec.defstruct("Prices", fields, frozen=True)
    names = tuple(events[0])

    def built() -> object:
        told = [price(*[event[name] for name in names]) for event in events]
        return kept(*(told if name == "events_record_list" else value for name, value in prices.items()))

    class Time(msgspec.Struct):
        UTC_1970: int
        UTC_2000: int

    class Answer(msgspec.Struct):
        response: str
        parameters: object
        time: str

    class Nothing(msgspec.Struct):
        """Neither request has a parameter that is given here."""

    encode = msgspec.json.Encoder().encode
    decode = msgspec.json.Decoder(Nothing).decode

    async def handle(request: aioweb.Request) -> aioweb.Response:
        decode(await request.read())
        name = request.match_info["request"]
        now = time.time()
        parameters = Time(int(now), int(now) - UNIX_OF_2000) if name == "get_time" else built()
        whole, part = divmod(now, 1)
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int(part * 1000):03}Z"
        return aioweb.Response(
            body=encode(Answer(f"{name}_response", parameters, stamp)), content_type="application/json"
        )

    return handle


# -- measuring ---------------------------------------------------------------------------------------------------------


async def measure() -> list[Result]:
    """Four rows."""
    with tempfile.TemporaryDirectory() as directory:
        async with XbeeEmulator(XbeeConfig(devices=())) as module:
            table = tomllib.loads(module.toml("han")) | {"web": {"listen": "127.0.0.1:0"}}
            return await _with_radio(parse(table, data_dir=Path(directory)))


async def _with_radio(config: Config) -> list[Result]:
    results: list[Result] = []
    async with Hub(config) as hub, serve(hub) as server, client() as asking:
        async with asyncio.timeout(UP_S):
            while hub.networks.get("han").state != "up":  # noqa: ASYNC110 - a benchmark's start
                await asyncio.sleep(0.05)
        token = (config.data_dir / "token").read_text().strip()
        prices = await publish(hub, server.url, token)
        application = aioweb.Application()
        application.router.add_post("/UE/rci", xml_reference(prices))
        application.router.add_post("/api/v1/rpc/{request}", json_reference(prices))
        runner = aioweb.AppRunner(application, access_log=None)
        await runner.setup()
        await aioweb.TCPSite(runner, "127.0.0.1", 0).start()
        ports = int(server.url.rpartition(":")[2]), int(runner.addresses[0][1])
        try:
            for notation, library in (("XML", "aiohttp + lxml"), ("JSON", "aiohttp + msgspec")):
                for name, count in COUNT.items():
                    if notation == "XML":
                        request = http("/UE/rci", RCI.format(name), "application/xml", token)
                    else:
                        request = http(f"/api/v1/rpc/{name}", "{}", "application/json", token)
                    answers = [_steady((await asking.rate(port, request, CONNECTIONS))[1]) for port in ports]
                    assert answers[0] == answers[1], answers
                    results.append(
                        await compare_async(
                            f"RPC in {notation}: {name}{', 50 prices' if 'price' in name else ''} / {library}",
                            _rate(asking, ports[0], request, count),
                            _rate(asking, ports[1], request, count),
                            unit="per CPU s",
                            at_least=PROMISE,
                            rounds=7,
                        )
                    )
        finally:
            await runner.cleanup()
    return results


def _rate(asking: Client, port: int, request: str, count: int) -> Callable[[], Awaitable[float]]:
    async def run() -> float:
        # By the time that this process computed, in which both servers are: the client is in another, and on a shared
        # machine others are on both cores.
        begun = time.process_time()
        await asking.rate(port, request, count)
        return count / (time.process_time() - begun)

    return run


def _steady(body: bytes) -> bytes:
    return _TIMES.sub(b"", body).replace(b"'", b'"')


def run() -> Iterator[Result]:
    """Four rows."""
    yield from asyncio.run(measure())
