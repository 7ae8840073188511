"""Writes to a database and says on standard output what is acknowledged, until it is killed."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hub.clock import SystemClock
from hub.events import ReadingsTaken
from hub.history import History
from hub.model import Action, Channel, Quantity, Reading
from hub.store import Store

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def say(text: str) -> None:
    """One acknowledged line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def main(path: Path, first: int) -> None:
    """Commands by `write()`, readings by `append()` and `flush()`."""
    async with Store(path, SystemClock()) as store:
        history = History(store, SystemClock())
        await history.load()
        say("ready")
        number = first
        while True:
            for _ in range(5):
                time = EPOCH + timedelta(seconds=7 * number)
                history.record(ReadingsTaken(time, "d", (Reading(Quantity.POWER, Channel.TOTAL, float(number)),)))
                number += 1
            history.hand_over()
            await store.flush()
            say(f"readings {number}")
            command = await history.begin_command("d", Action.OPEN, "writer")
            say(f"command {command.id}")


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
