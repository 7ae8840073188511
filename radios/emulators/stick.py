"""What all emulated Zigbee sticks have: a line, a room with devices, and hands that pull them out and put them in."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, fields
from pathlib import Path
from random import Random
from types import TracebackType

from radios.emulators.air import COORDINATOR, NO_MAC_ACK, Air, AirFrame
from radios.emulators.certificates import certificates_of
from radios.emulators.clock import machine_time
from radios.emulators.device import SMART_ENERGY, EmulatedDevice
from radios.emulators.devices import DEVICES, make
from radios.emulators.errors import EmulatorError
from radios.emulators.home import Home
from radios.emulators.keyed_hash import mmo_hash, with_checksum
from radios.emulators.se_endpoint import SmartEnergyDevice
from radios.emulators.stream import StreamEnd, StreamFaults

MAX_SPEED = 100_000
"""A day in less than a second."""


def install_code_of(ieee: int) -> bytes:
    """The installation code of an emulated device, with its checksum."""
    return with_checksum(hashlib.sha256(b"emulated installation code" + ieee.to_bytes(8, "big")).digest()[:16])


def link_key_of(ieee: int) -> bytes:
    """The key that an emulated device was made with: its installation code's."""
    return mmo_hash(install_code_of(ieee))


def check_kinds(kinds: tuple[str, ...]) -> None:
    """Raise `EmulatorError` for a kind of device that there is not."""
    unknown = [kind for kind in kinds if kind not in DEVICES]
    if unknown:
        raise EmulatorError(f"device {unknown[0]!r} is not known; there are {', '.join(DEVICES)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StickConfig:
    """How an emulated stick is set up, whatever it speaks."""

    devices: tuple[str, ...] = ()
    """Kinds, in order; the same kind may come more than once."""
    joined: tuple[int, ...] | None = None
    """Which of them (by place in `devices`) are on the network at the start; None: none."""
    tcp_port: int | None = None
    """Serve TCP there (0: a free port) instead of a pseudo terminal."""
    link: Path | None = None
    seed: int = 1
    speed: float = 1.0
    start_of_day_s: float = 18 * 3600.0
    start_utc_s: float | None = None
    """Seconds since 2000-01-01 UTC at the start, for devices that know the time; None: what the machine says."""
    certificates: Path | None = None
    """Folder with those of Smart Energy devices, or their authority's key; None: they have none. Of use where the
    stick's firmware leaves key establishment to its host."""
    loss: float = 0.0
    """On the air."""
    faults: StreamFaults = field(default_factory=StreamFaults)
    """On the line."""
    lost_status: float = 0.0
    """Probability that the status of a command or a transmission is not sent."""

    def __post_init__(self) -> None:
        if not 0 < self.speed <= MAX_SPEED:
            raise EmulatorError(f"speed {self.speed:g}: must be above 0 and at most {MAX_SPEED:g}")
        if not 0 <= self.loss <= 1:
            raise EmulatorError(f"air-loss {self.loss:g}: must be from 0 to 1")


@dataclass(slots=True)
class StatusFaults:
    """What happens to statuses that the host waits for; may be changed at any time."""

    lost_status: float = 0.0
    """Probability that the status of a command or a transmission is not sent."""
    failed_status: float = 0.0
    """Probability that a transmission fails, and its status says so: the frame does not get onto the air."""

    def __setattr__(self, name: str, value: float) -> None:
        if not 0.0 <= value <= 1.0:
            raise EmulatorError(f"{name.replace('_', '-')} {value!r}: must be from 0 to 1")
        object.__setattr__(self, name, float(value))


STATUS_FAULT_NAMES = tuple(field.name for field in fields(StatusFaults))


class EmulatedStick:
    """A base: it is deaf and dumb, and a driver's protocol is up to the class that derives from it."""

    short = COORDINATOR
    """Its network address."""

    def __init__(self, config: StickConfig, air: Air | None = None, room: EmulatedStick | None = None) -> None:
        """`air`: of another stick, whose network it joins; None: its own. `room`: it stands in the room of another
        stick, with that one's devices, to take its place. Raises `EmulatorError` for a kind of device that there is
        not, or a folder of certificates that there is not."""
        check_kinds(config.devices)
        self._home_config, self._room = config, room
        self._certificates = None if config.certificates is None else certificates_of(config.certificates)
        self.random = Random(config.seed)
        shared = room.air if room is not None else air
        self._is_guest = shared is not None
        self.air: Air = shared if shared is not None else Air(self.random, loss=config.loss)
        self.home: Home
        self.end = StreamEnd(self._received, self.random, tcp_port=config.tcp_port, link=config.link)
        self.end.faults = config.faults
        self.statuses = StatusFaults(config.lost_status)
        self.devices: list[EmulatedDevice] = []
        self.is_mute = False
        self._booting = False
        self._overflow = self._counter = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()

    def _furnish(self) -> None:
        """Put the devices into the room."""
        if self._room is not None:
            self.home, self.devices = self._room.home, self._room.devices
            return
        config = self._home_config
        utc = machine_time() if config.start_utc_s is None else config.start_utc_s
        origin = asyncio.get_running_loop().time()
        self.home = Home(config.seed, config.start_of_day_s, config.speed, origin, utc)
        self.devices = [make(kind, number, config.seed, self.home) for number, kind in enumerate(config.devices, 1)]
        for device in self.devices:
            if self._certificates is not None and isinstance(device, SmartEnergyDevice):
                device.keys.certificate = self._certificates(device.ieee, Random(device.seed).randint)

    def _give_keys(self) -> None:
        """Devices of Smart Energy have link keys of their own; others know the one that everybody knows.

        In the room of another stick they have theirs already, or those that they established since.
        """
        if self._room is not None:
            return
        for device in self.devices:
            if any(endpoint.profile == SMART_ENERGY for endpoint in device.endpoints.values()):
                device.link_key = link_key_of(device.ieee)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for timer in self._timers:
            timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._is_guest:
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

    async def _deliver(self, frame: AirFrame) -> int:
        """Send a frame of the host to a device; the outcome."""
        if self.statuses.failed_status and self.random.random() < self.statuses.failed_status:
            return NO_MAC_ACK
        return await self.air.send(frame)

    def can_read(self, frame: AirFrame) -> bool:
        """See `air.Coordinator`: it has no keys of single devices unless its class says so."""
        return not frame.encrypted

    def _reply(self, frame: AirFrame, cluster: int, payload: bytes) -> None:
        """Answer a device's frame."""
        self._counter = (self._counter + 1) & 0xFF
        back = AirFrame(
            source=self.short,
            destination=frame.source,
            source_endpoint=frame.destination_endpoint,
            destination_endpoint=frame.source_endpoint,
            profile=frame.profile,
            cluster=cluster,
            payload=payload,
            counter=self._counter,
        )
        self._spawn(self._quietly(back))

    async def _quietly(self, frame: AirFrame) -> None:
        """Send something whose fate nobody hears of."""
        await self.air.send(frame)
