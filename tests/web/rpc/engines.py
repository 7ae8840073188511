"""An engine with handlers of the test's own, without a hub."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from web.rpc.aliases import Aliases
from web.rpc.check import Checked
from web.rpc.engine import Engine, Handler, Settings
from web.rpc.handlers.aliasing import Aliasing
from web.rpc.table import TABLE
from web.rpc.values import Values

AT = 1351008765
NOW = datetime.fromtimestamp(AT, UTC)


@dataclass
class Bench:
    """The engine, and what a test turns."""

    engine: Engine
    settings: Settings
    now: datetime = NOW
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def idle(self) -> None:
        """Until nothing is under way."""
        while self.tasks:
            await asyncio.wait(self.tasks)


@asynccontextmanager
async def engine_with(handlers: Mapping[str, Handler], settings: Settings | None = None) -> AsyncIterator[Bench]:
    """An engine; `get_time` and the requests about aliases are always there."""
    aliases = Aliases()
    found: dict[str, Handler] = {"get_time": tell_time, **Aliasing(aliases).handlers(), **handlers}
    async with asyncio.TaskGroup() as group:

        def spawn(work: object, name: str) -> asyncio.Task[None]:
            task = group.create_task(work, name=name)  # type: ignore[arg-type]
            bench.tasks.add(task)
            task.add_done_callback(bench.tasks.discard)
            return task

        engine = Engine(
            TABLE,
            found,
            now=lambda: bench.now,
            spawn=spawn,  # type: ignore[arg-type]
            settings=lambda: bench.settings,
            aliases=aliases,
        )
        bench = Bench(engine, settings or Settings())
        yield bench
        for task in tuple(bench.tasks):
            task.cancel()


async def tell_time(request: Checked) -> Values:
    """Of the manual's example."""
    return {"UTC_2000": 0x133FDDDD, "UTC_1970": 0x4BAD215D}


class Gate:
    """A handler that is done when the test says so."""

    def __init__(self, answer: Values | None = None) -> None:
        self.begun: list[Checked] = []
        self.open = asyncio.Event()
        self.answer = answer if answer is not None else {}

    async def __call__(self, request: Checked) -> Values:
        self.begun.append(request)
        await self.open.wait()
        return dict(self.answer)
