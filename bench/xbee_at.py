"""AT round trips over a pseudo terminal to an emulated module in a process of its own: against zigpy-xbee."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import Counter

from bench.measure import Result, compare_async
from radios.emulators.console import READY
from radios.stream import parse_stream_url
from radios.xbee.link import XbeeLink

ROUND_TRIPS = 400
PROMISE = 1.0


async def _run() -> Result:
    from zigpy_xbee.api import XBee

    logging.getLogger("zigpy_xbee").setLevel(logging.CRITICAL)
    module = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "radios.emulators", "xbee", "--devices", "plug",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert module.stdout is not None
    url = (await module.stdout.readline()).decode().strip()
    while READY not in (await module.stdout.readline()).decode():
        pass

    async def ours() -> float:
        async with XbeeLink(parse_stream_url(url), lambda _: None, lambda _: None, None, Counter()) as link:
            started = time.perf_counter()
            for _ in range(ROUND_TRIPS):
                assert await link.at("AI") == b"\x00"
            return ROUND_TRIPS / (time.perf_counter() - started)

    async def theirs() -> float:
        api = XBee({"path": url.removeprefix("pty:"), "baudrate": 115200, "flow_control": None})
        await api.connect()
        try:
            started = time.perf_counter()
            for _ in range(ROUND_TRIPS):
                assert await api._at_command("AI") == 0
            return ROUND_TRIPS / (time.perf_counter() - started)
        finally:
            await api.disconnect()

    try:
        name = "XBee: AT round trips over a pty / zigpy-xbee"
        return await compare_async(name, ours, theirs, unit="per s", at_least=PROMISE)
    finally:
        module.terminate()
        await module.wait()


def run() -> list[Result]:
    """The one row."""
    return [asyncio.run(_run())]
