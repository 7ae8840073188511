"""What all emulated Zigbee sticks have: a line, a room with devices, and hands that pull them out and put them in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from types import TracebackType

from radios.emulators.air import Air, AirFrame
from radios.emulators.device import EmulatedDevice
from radios.emulators.devices import DEVICES
from radios.emulators.errors import EmulatorError
from radios.emulators.stream import StreamEnd, StreamFaults


def check_kinds(kinds: tuple[str, ...]) -> None:
    """Raise `EmulatorError` for a kind of device that there is not."""
    unknown = [kind for kind in kinds if kind not in DEVICES]
    if unknown:
        raise EmulatorError(f"device {unknown[0]!r} is not known; there are {', '.join(DEVICES)}")


class EmulatedStick:
    """A base: it is deaf and dumb, and a driver's protocol is up to the class that derives from it."""

    def __init__(
        self, *, seed: int, loss: float, faults: StreamFaults, tcp_port: int | None, link: Path | None
    ) -> None:
        self.random = Random(seed)
        self.air = Air(self.random, loss=loss)
        self.end = StreamEnd(self._received, self.random, tcp_port=tcp_port, link=link)
        self.end.faults = faults
        self.devices: list[EmulatedDevice] = []
        self.is_mute = False
        self._booting = False
        self._overflow = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for timer in self._timers:
            timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.air.close()
        await self.end.__aexit__(kind, error, trace)

    def _received(self, data: bytes) -> None:
        raise NotImplementedError

    def _restarted(self) -> None:
        """It has power again: boot."""
        raise NotImplementedError

    @property
    def pipe_url(self) -> str:
        """What the driver opens."""
        return self.end.pipe_url

    def device(self, kind: str) -> EmulatedDevice:
        """The first device of a kind. Raises `KeyError`."""
        for found in self.devices:
            if found.kind == kind:
                return found
        raise KeyError(kind)

    def press(self, device: EmulatedDevice) -> bool:
        """Somebody presses a device's button so that it joins; whether it could."""
        return self.air.join(device)

    def mute(self) -> None:
        """It hangs: it neither hears nor says anything."""
        self.is_mute = True

    def unmute(self) -> None:
        """It is well again."""
        self.is_mute = False

    def reset(self) -> None:
        """It loses its power and gets it back."""
        self._restarted()

    def overflow(self, count: int) -> None:
        """It has no room for the next frames."""
        self._overflow = count

    def kill(self) -> None:
        """It is pulled out."""
        self.end.kill()

    def revive(self) -> None:
        """It is put in again, and boots."""
        self.end.revive()
        self._restarted()

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(handle)
            act()

        handle = asyncio.get_running_loop().call_later(seconds, run)
        self._timers.add(handle)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, frame: AirFrame) -> None:
        """Send something whose fate nobody hears of."""
        await self.air.send(frame)
