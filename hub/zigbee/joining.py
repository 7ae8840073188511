"""Joining windows: who opened one and until when, and what becomes of it when a radio or the hub loses its power.

Chosen: a window that a person opened stays open until its end, whatever becomes of the radio meanwhile: it is opened
again when the radio is back. It does not outlive the hub: after a start of the hub joining is closed, since whoever
opened it cannot see any more that it is open, and a module opens by itself when it gets its power (90033931_A, p. 26).
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.clock import Clock
from hub.zigbee.member import Member
from hub.zigbee.network import Network
from radios.api import RadioError, RadioLostError

log = logging.getLogger(__name__)

RADIO_WINDOW_S = 254
"""What a radio's own timer can hold (Zigbee R21, 2.4.3.3.7); a longer window is opened again."""
REOPEN_S = 240

Spawn = Callable[[Coroutine[None, None, None], str], "asyncio.Task[None]"]


@dataclass(slots=True, eq=False)
class _Window:
    """An open window of one network."""

    end: float
    """Monotonic seconds."""
    router: Member | None
    """Where it is open; None: everywhere."""
    is_open: bool = True
    """The radio knows, and is there."""


class Joining:
    """The joining windows of all networks."""

    def __init__(self, clock: Clock, spawn: Spawn, changed: Callable[[Network], None]) -> None:
        """`changed(network)` is told when a window opens or closes by itself."""
        self._clock, self._spawn, self._changed = clock, spawn, changed
        self._windows: dict[str, _Window] = {}
        self._holding: dict[str, asyncio.Task[None]] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """What a person says last is what counts, however long a radio takes."""

    def until(self, radio: str) -> datetime | None:
        """When joining ends; None: nobody may join now, be it that the radio is away."""
        window = self._windows.get(radio)
        if window is None or not window.is_open:
            return None
        return self._clock.now() + timedelta(seconds=window.end - self._clock.monotonic())

    async def permit(self, network: Network, duration_s: int, router: Member | None) -> None:
        """Open a window in place of the one before, or close it with 0. Raises as the radio does."""
        async with self._locks[network.name]:
            window = _Window(self._clock.monotonic() + duration_s, router)
            await self._tell(network, window)
            self._drop(network.name)
            if duration_s:
                self._windows[network.name] = window
                self._holding[network.name] = self._spawn(self._hold(network, window), f"joining {network.name}")

    def radio_down(self, radio: str) -> None:
        """Nobody can join while the radio is away."""
        window = self._windows.get(radio)
        if window is not None:
            window.is_open = False

    async def restore(self, network: Network) -> None:
        """The radio has just started: it is told what counts, since it has forgotten, or was told by another hub."""
        async with self._locks[network.name]:
            if network.radio is None:
                return
            window = self._windows.get(network.name)
            was_open = window is not None
            if window is not None and window.router is not None and window.router.short is None:
                log.info("%s: joining is closed, the router that it was open at is not there", network.name)
                self._drop(network.name)
                window = None
            if window is None and not network.radio.network.is_coordinator:
                return  # the network is somebody else's
            try:
                await self._tell(network, window or _Window(0.0, None))
            except RadioLostError:
                return  # its next start comes here again
            except RadioError as error:
                log.warning("%s: joining could not be set after a start of the radio: %s", network.name, error)
                self._drop(network.name)
            else:
                if window is not None:
                    window.is_open = True
        if was_open:
            self._changed(network)

    async def _hold(self, network: Network, window: _Window) -> None:
        """Open the window again before the radio's own timer closes it, and tell when it is over."""
        while (left := window.end - self._clock.monotonic()) > 0:
            await asyncio.sleep(min(left, REOPEN_S))
            async with self._locks[network.name]:
                if self._clock.monotonic() >= window.end or not window.is_open:
                    continue
                try:
                    await self._tell(network, window)
                except RadioLostError:
                    continue  # `restore` opens it again
                except RadioError as error:
                    log.warning("%s: joining could not be held open: %s", network.name, error)
                    break
        if self._windows.get(network.name) is window:
            del self._windows[network.name], self._holding[network.name]
            self._changed(network)

    async def _tell(self, network: Network, window: _Window) -> None:
        left = max(0, round(window.end - self._clock.monotonic()))
        short = window.router.short if window.router is not None else None
        await network.need_radio().permit_join(min(left, RADIO_WINDOW_S), short)

    def _drop(self, radio: str) -> None:
        self._windows.pop(radio, None)
        task = self._holding.pop(radio, None)
        if task is not None:
            task.cancel()
