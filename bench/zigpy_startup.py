"""From nothing to a network that is up, on sticks of zigpy's libraries: our driver against the library alone."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Iterator

from bench.measure import Result, median_ratio
from bench.zigpy_sticks import Kind, kinds, ours, quiet, theirs
from radios.emulators.console import READY

ROUNDS = 9
SETTLE_S = 0.3
"""Between two starts: who leaves may have restarted the stick, and the next one shall not wait for that."""
PROMISE = 1.2


async def _run(kind: Kind) -> Result:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "radios.emulators", kind.driver, "--devices", "plug", "--joined", "1",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    while READY not in (await process.stdout.readline()).decode():
        pass

    async def our_start() -> float:
        radio = ours(kind, url)
        started = time.perf_counter()
        async with radio:
            took = time.perf_counter() - started
            assert radio.network.is_operational
            assert radio.network.channel
        await asyncio.sleep(SETTLE_S)
        return took * 1000

    async def their_start() -> float:
        app = theirs(kind, url)
        started = time.perf_counter()
        await app.startup(auto_form=False)
        took = time.perf_counter() - started
        assert app.state.network_info.channel
        await app.shutdown(db=False)
        await asyncio.sleep(SETTLE_S)
        return took * 1000

    a, b = [], []
    try:
        await our_start()  # what is imported is imported
        await their_start()
        for _ in range(ROUNDS):
            a.append(await our_start())
            b.append(await their_start())
    finally:
        process.terminate()
        await process.wait()
    ratio = median_ratio(a, b)
    name = f"{kind.driver}: start-up to network up / {kind.library} alone"
    return Result(name, statistics.median(a), statistics.median(b), "ms", f"<= {PROMISE:.2f}", ratio <= PROMISE, ratio)


def run() -> Iterator[Result]:
    """A row for each kind of stick."""
    quiet()
    for kind in kinds():
        yield asyncio.run(_run(kind))
