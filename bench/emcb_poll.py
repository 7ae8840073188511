"""Status polls over loopback UDP, against a minimal asyncio echo of the same sizes; and polls on a lossy wire."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast

from bench.measure import Result, compare_async
from radios.api import BreakerEvent, BreakerReported, RadioConfig, UdpKeys
from radios.emcb.driver import EVENTS_WAITING, EmcbRadio
from radios.emcb.options import EmcbOptions
from radios.pipe import parse_udp_url

SPAN_S = 1.5
LOSSY_SPAN_S = 10.0
REQUEST = b"x" * 42


@asynccontextmanager
async def far_side(*arguments: str) -> AsyncIterator[dict[str, Any]]:
    """A far side in a process of its own, and what it printed first."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.far_side", *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield json.loads(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def polling(keys: dict[str, Any]) -> AsyncIterator[EmcbRadio]:
    """Our driver, polling as fast as it can, once every breaker has answered."""
    unicast = {device: (bytes.fromhex(key),) for device, key in keys["unicast"].items()}
    options = EmcbOptions(
        url=parse_udp_url(keys["pipe"]),
        keys=UdpKeys(broadcast=(bytes.fromhex(keys["broadcast"]),), unicast=unicast),
        addresses={},
        poll_interval_s=0.0,
        discovery_interval_s=3600.0,
        group_control=False,
    )
    async with EmcbRadio(RadioConfig(name="bench", driver="emcb", pipe=keys["pipe"]), options) as radio:
        missing = set(unicast)
        started = time.perf_counter()
        async for event in radio.events():
            missing.discard(event.device_id if isinstance(event, BreakerReported) else "")
            if not missing and time.perf_counter() - started > 5:  # past the rounds of discovery
                break
        yield radio


async def count_answers(radio: EmcbRadio, span_s: float) -> float:
    """Good answers per second, from when what waited in the radio's queue has been taken out."""
    started = time.perf_counter()
    before: int | None = None
    waiting = EVENTS_WAITING
    async for event in radio.events():
        waiting -= 1
        if waiting == 0:
            started, before = time.perf_counter(), radio.counters["answered"]
        if before is not None and (elapsed := time.perf_counter() - started) >= span_s:
            return (radio.counters["answered"] - before) / elapsed
        assert isinstance(event, BreakerEvent)
    raise AssertionError("events never end")


class Client(asyncio.DatagramProtocol):
    """The echo's client: one request at a time for each of `count` stations."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.answers = 0
        self.waiting: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """An answer came: wake the station that waits."""
        self.answers += 1
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(None)

    async def run(self, span_s: float) -> float:
        """Round trips per second, each awaited by a coroutine as a driver's are."""
        loop = asyncio.get_running_loop()
        started = time.perf_counter()
        while time.perf_counter() - started < span_s:
            self.waiting = loop.create_future()
            self.transport.sendto(REQUEST)
            await self.waiting
        return self.answers / (time.perf_counter() - started)


async def echo_rate(port: int, count: int) -> float:
    """Round trips per second of `count` clients, one request in flight each."""
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_datagram_endpoint(lambda: Client(count), remote_addr=("127.0.0.1", port)))
        for _ in range(count)
    ]
    try:
        return sum(await asyncio.gather(*(client.run(SPAN_S) for _, client in clients)))
    finally:
        for transport, _ in clients:
            transport.close()


async def measure(count: int) -> Result:
    """One row: polls of `count` breakers against echoes of `count` stations."""
    async with far_side("echo") as plain, far_side("breakers", str(count), "0") as emulated, polling(emulated) as radio:
        return await compare_async(
            f"EMCB polls, {count} breakers / asyncio UDP echo",
            lambda: count_answers(radio, SPAN_S),
            lambda: echo_rate(plain["port"], count),
            unit="per s",
            at_least=0.50,
        )


async def measure_lossy(count: int, promised: float) -> Result:
    """One row: good answers per second with 20 % loss each way, against what was promised."""
    async with far_side("breakers", str(count), "0.2") as emulated, polling(emulated) as radio:
        rate = await count_answers(radio, LOSSY_SPAN_S)
    return Result(
        f"EMCB good answers, {count} breakers, 20 % loss each way / promise",
        rate, promised, "per s", ">= 1.00", rate >= promised, rate / promised,
    )  # fmt: skip


def run() -> Iterator[Result]:
    """All rows."""
    for count in (1, 8, 64):
        yield asyncio.run(measure(count))
    yield asyncio.run(measure_lossy(32, 200.0))
