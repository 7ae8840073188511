"""Waiting for the state of several objects, which no one event tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def eventually(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait until `condition` holds; fails after a while."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the state of several objects has no one event
            await asyncio.sleep(0.02)
