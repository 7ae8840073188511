"""Events to a hundred websocket clients, against a bare aiohttp loop that sends the same bytes to each."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web as aioweb

from bench.measure import Result, compare_async
from bench.ws_clients import MARK
from hub.config import parse
from hub.events import DeviceRemoved, ReadingsTaken
from hub.hub import Hub
from hub.model import QUANTITIES, Channel, Reading
from web import schema
from web.server import serve

PARTS = (Channel.TOTAL, Channel.POLE_0, Channel.POLE_1, Channel.PHASE_A, Channel.PHASE_B, Channel.PHASE_C)
MEASURED = tuple(QUANTITIES)[:11]
"""66 readings at once: more than any breaker or meter tells."""
CLIENTS = 100
BATCH = 50
BATCHES = 6
"""After each batch the sender waits until all clients have read it, so that no buffer grows."""


@asynccontextmanager
async def clients(port: int, token: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """A hundred clients; the call returns when all of them have read another batch."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.ws_clients", str(port), str(CLIENTS), token, stdout=asyncio.subprocess.PIPE
    )
    stdout = process.stdout
    assert stdout is not None
    try:
        assert (await stdout.readline()).strip() == b"ready"

        async def batch() -> None:
            assert (await stdout.readline()).strip() == b"batch"

        yield batch
    finally:
        process.terminate()
        await process.wait()


async def rate(send: Callable[[bool], Awaitable[None]], batch: Callable[[], Awaitable[None]]) -> float:
    """Messages per second to all clients together; `send(last)` sends one."""
    started = time.perf_counter()
    for _ in range(BATCHES):
        for number in range(BATCH):
            await send(number == BATCH - 1)
        await batch()
    return CLIENTS * BATCH * BATCHES / (time.perf_counter() - started)


async def measure() -> Result:
    """The one row."""
    with tempfile.TemporaryDirectory() as directory:
        config = parse({"web": {"listen": "127.0.0.1:0"}}, data_dir=Path(directory))
        async with Hub(config) as hub, serve(hub) as server:
            readings = tuple(Reading(quantity, channel, 1234.567) for quantity in MEASURED for channel in PARTS)
            event = ReadingsTaken(hub.clock.now(), "emcb-30000c2a69113173", readings)
            last = DeviceRemoved(hub.clock.now(), MARK.decode())
            text = schema.message(event, 1, hub.devices).decode()
            last_text = schema.message(last, 1, hub.devices).decode()

            async def ours(is_last: bool) -> None:
                hub.bus.publish(last if is_last else event)
                await asyncio.sleep(0)  # one event at a time, as the radios bring them

            sockets: list[aioweb.WebSocketResponse] = []

            async def connect(request: aioweb.Request) -> aioweb.WebSocketResponse:
                socket = aioweb.WebSocketResponse(compress=False)
                await socket.prepare(request)
                sockets.append(socket)
                async for _ in socket:
                    pass
                return socket

            async def theirs(is_last: bool) -> None:
                message = last_text if is_last else text
                for socket in sockets:
                    await socket.send_str(message)

            application = aioweb.Application()
            application.router.add_get("/api/v1/ws", connect)
            runner = aioweb.AppRunner(application, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await aioweb.TCPSite(runner, "127.0.0.1", 0).start()
            token = (Path(directory) / "token").read_text().strip()
            ours_port = int(server.url.rpartition(":")[2])
            theirs_port = runner.addresses[0][1]
            try:
                async with clients(ours_port, token) as our_batch, clients(theirs_port, "none") as their_batch:
                    return await compare_async(
                        f"websocket messages to {CLIENTS} clients, {len(text)} bytes / aiohttp",
                        lambda: rate(ours, our_batch),
                        lambda: rate(theirs, their_batch),
                        unit="per s",
                        at_least=0.70,
                    )
            finally:
                await runner.cleanup()


def run() -> Iterator[Result]:
    """The one row."""
    yield asyncio.run(measure())
