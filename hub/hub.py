"""The hub: builds the parts, owns their task group, nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import Self, cast

from hub import VERSION
from hub.breaker_watch import DEVICE_PREFIX
from hub.breakers import BreakerService, Ended
from hub.bus import Bus
from hub.clock import Clock, SystemClock
from hub.config import Config, RadioSection
from hub.devices import Devices
from hub.errors import ConfigError, HubError
from hub.events import DeviceRemoved, RadioChanged, StorageChanged
from hub.history import History
from hub.keys import Keys
from hub.metering import HOUSE_INTERVAL_S, PERSIST_INTERVAL_S, Metering
from hub.model import HouseStatus, RadioState, RadioStatus, StorageStatus
from hub.registry import Registry
from hub.startup import Startup, startup
from hub.store import Store
from hub.supervisor import supervise
from hub.zigbee.network import Network
from hub.zigbee_parts import ZigbeeParts
from protocols.aps import ApsFrame
from radios.api import (
    BreakerEvent,
    BreakerRadio,
    BreakerSeen,
    OptionError,
    PipeError,
    Radio,
    UdpKeys,
    ZigbeeEvent,
    ZigbeeRadio,
)
from radios.loader import load_driver
from radios.trace import Trace

log = logging.getLogger(__name__)

DATABASE_NAME = "hub.db"
ZIGBEE = "zigbee"


class _Line:
    """One configured radio: its section, its state, and the radio itself while it is up."""

    def __init__(self, section: RadioSection, status: RadioStatus) -> None:
        self.section = section
        self.status = status
        self.radio: Radio | None = None
        self.trace: Trace | None = None

    @property
    def is_zigbee(self) -> bool:
        """Whether it carries a Zigbee network; else it carries breakers."""
        return self.section.carries == ZIGBEE


class Hub:
    """`async with Hub(config) as hub`: all services, from the database up to the radios."""

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        self.config = config
        self.version = VERSION
        self.clock = clock or SystemClock()
        self.bus = Bus()
        self.store = Store(config.data_dir / DATABASE_NAME, self.clock, self._storage_changed)
        self.history = History(self.store, self.clock, timedelta(hours=config.history.raw_h))
        self.devices = Devices(self.store, self.bus, self.clock)
        self.energy = Metering(self.store, self.bus, self.clock, self.devices, config.home.mains)
        with_breakers = tuple(section for section in config.radios if section.carries != ZIGBEE)
        self.keys = Keys(with_breakers, config.data_dir, self.bus, self.clock, self._apply_keys, DEVICE_PREFIX)
        self.breakers = BreakerService(
            with_breakers,
            self.devices,
            self.energy,
            self.history,
            self.bus,
            self.clock,
            self.keys.detail,
            self._spawn,
        )
        self.registry = Registry(self.store)
        parts = self._zigbee = ZigbeeParts(
            tuple(section for section in config.radios if section.carries == ZIGBEE),
            config.hub,
            config.backup,
            config.data_dir,
            self.registry,
            self.store,
            self.history,
            self.devices,
            self.energy,
            self.bus,
            self.clock,
            self._background,
            self._spawn,
        )
        self.household = parts.household
        self.link_keys = parts.link_keys
        self.key_establishments = parts.key_establishments
        self.networks = parts.networks
        self.network_setup = parts.network_setup
        self.backups = parts.backups
        self.at_commands = parts.at_commands
        self.smart_energy = parts.smart_energy
        self.premises = parts.premises
        self.mirrors = parts.mirrors
        self.tunnels = parts.tunnels
        self.meters = parts.meters
        self.fast_polls = parts.fast_polls
        self.certificates = parts.certificates
        self.attributes = parts.attributes
        self.direct = parts.direct
        self.direct_reports = parts.direct_reports
        self.controls = parts.controls
        now = self.clock.now()
        self._lines = {
            section.name: _Line(
                section,
                RadioStatus(name=section.name, driver=section.radio.driver, state=RadioState.STARTING, since=now),
            )
            for section in config.radios
        }
        self._started = self.clock.monotonic()
        self._stack = AsyncExitStack()
        self._tasks: asyncio.TaskGroup | None = None
        self._services: list[asyncio.Task[None]] = []
        self._commands: set[asyncio.Task[Ended | Exception]] = set()
        self._chores: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Start everything. Raises `ConfigError` when a radio's pipe cannot be opened at all."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.store)
            self.keys.load()
            await self.history.load()
            await self.devices.load()
            await self.energy.load()
            await self.registry.load()
            await self._zigbee.load()
            await self.breakers.resume()
            for line in self._lines.values():
                await self._open_first(line, stack)
            self._tasks = await stack.enter_async_context(asyncio.TaskGroup())
            stack.callback(self._stop)
            self._serve(self.history.run(self.bus), "history")
            self._serve(self._tick(), "house")
            self._serve(self._persist(), "ledgers")
            self._serve(self.keys.run(), "keys")
            self._serve(self._forget(), "removed devices")
            for service, name in self._zigbee.services():
                self._serve(service, name)
            for line in self._lines.values():
                self._serve(self._supervise(line), f"radio {line.section.name}")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The body's own error must come out as it is, not wrapped in a group: the services are not its cause.
        await self._stack.__aexit__(None, None, None)

    def uptime_s(self) -> float:
        """Seconds since the hub was made."""
        return self.clock.monotonic() - self._started

    def radios(self) -> list[RadioStatus]:
        """Every configured radio, with its counters now."""
        return [
            replace(line.status, counters=dict(line.radio.counters) if line.radio is not None else line.status.counters)
            for line in self._lines.values()
        ]

    def startup(self) -> Startup:
        """How far the start is."""
        return startup(self.clock.now(), self.networks.all(), is_loaded=self._tasks is not None)

    def house(self) -> HouseStatus:
        """The sums over the home now."""
        return self.energy.house()

    # -- services ------------------------------------------------------------------------------------------------

    def _serve(self, service: Coroutine[None, None, None], name: str) -> None:
        assert self._tasks is not None
        self._services.append(self._tasks.create_task(service, name=name))

    def _stop(self) -> None:
        """Leave the task group: commands under way are left unfinished on disk, which the next start resolves."""
        self.energy.persist()
        self._zigbee.persist()
        for task in (*self._services, *self._commands, *self._chores):
            task.cancel()

    def _spawn(self, command: Coroutine[None, None, Ended]) -> asyncio.Task[Ended | Exception]:
        """Run a command to its end although its caller may go away."""
        assert self._tasks is not None
        task = self._tasks.create_task(_contained(command), name="command")
        self._commands.add(task)
        task.add_done_callback(self._commands.discard)
        task.add_done_callback(lambda _: command.close())  # cancelled before its first step, it would complain
        return task

    def _background(self, chore: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        """Run something that nobody waits for: an interview, an answer, a joining window."""
        assert self._tasks is not None
        task = self._tasks.create_task(_contained_chore(chore, name), name=name)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)
        task.add_done_callback(lambda _: chore.close())
        return task

    async def _tick(self) -> None:
        while True:
            self.energy.tick()
            await asyncio.sleep(HOUSE_INTERVAL_S)

    async def _persist(self) -> None:
        while True:
            await asyncio.sleep(PERSIST_INTERVAL_S)
            self.energy.persist()

    async def _forget(self) -> None:
        """A device that a person removed is not asked any more, until it answers discovery again."""
        async with self.bus.subscribe(DeviceRemoved) as events:
            async for event in events:
                for line in self._lines.values():
                    if line.radio is not None and not line.is_zigbee:
                        cast("BreakerRadio", line.radio).forget(event.device_id.removeprefix(DEVICE_PREFIX))

    def _storage_changed(self, status: StorageStatus) -> None:
        self.bus.publish(StorageChanged(self.clock.now(), status))

    # -- radios --------------------------------------------------------------------------------------------------

    def _driver(self, line: _Line) -> Radio:
        trace = line.trace.frame if line.trace is not None else None
        return load_driver(line.section.radio.driver).open(line.section.radio, trace)

    async def _open_first(self, line: _Line, stack: AsyncExitStack) -> None:
        """Open a radio before the hub is up, so that a pipe which cannot open is a clear refusal to start."""
        where = f"radio {line.section.name!r}: pipe"
        if line.section.trace is not None:
            try:
                line.trace = stack.enter_context(Trace(line.section.trace, self.clock.now, is_zigbee=line.is_zigbee))
            except OSError as error:
                problem = f"'{line.section.trace}' cannot be written: {error.strerror}"
                raise ConfigError(f"radio {line.section.name!r}: trace", problem) from None
        if line.is_zigbee:
            if line.trace is not None:
                _trace_frames(self.household.networks[line.section.name], line.trace)
            # A stick that is pulled out must not keep the rest of the home from starting: its supervisor opens it.
            return
        try:
            await stack.enter_async_context(_probe(self._driver(line)))
        except PipeError as error:
            raise ConfigError(where, f"{line.section.radio.pipe!r}: {error}") from None
        except OptionError as error:
            raise ConfigError(f"radio {line.section.name!r}: {error.key}", error.problem) from None

    async def _supervise(self, line: _Line) -> None:
        name = line.section.name

        @asynccontextmanager
        async def open_radio() -> AsyncIterator[Radio]:
            async with self._driver(line) as radio:
                if line.is_zigbee:
                    await self.network_setup.radio_up(cast("ZigbeeRadio", radio))
                yield radio

        def up(radio: Radio) -> None:
            line.radio = radio
            if line.is_zigbee:
                self.networks.radio_up(name, cast("ZigbeeRadio", radio))
            else:
                breakers = cast("BreakerRadio", radio)
                breakers.set_keys(self.keys.keys_of(name))
                self.breakers.radio_up(name, breakers)
            self._set_state(line, RadioState.UP, "")

        def hear(event: object) -> None:
            if line.is_zigbee:
                self.networks.hear(name, cast("ZigbeeEvent", event))
                return
            assert isinstance(event, BreakerEvent)
            if isinstance(event, BreakerSeen):
                self.keys.seen(name, event.device_id)
            self.breakers.hear(name, event)

        def down(reason: str) -> None:
            line.radio = None
            if line.is_zigbee:
                self.networks.radio_down(name, reason)
            else:
                self.breakers.radio_down(name, f"its radio is down: {reason}")
            self._set_state(line, RadioState.DOWN, reason)

        await supervise(open_radio, up=up, hear=hear, down=down, monotonic=self.clock.monotonic)

    def _set_state(self, line: _Line, state: RadioState, detail: str) -> None:
        restarts = line.status.restarts + (1 if state is RadioState.DOWN else 0)
        counters = dict(line.radio.counters) if line.radio is not None else line.status.counters
        line.status = replace(
            line.status, state=state, detail=detail, since=self.clock.now(), restarts=restarts, counters=counters
        )
        self.bus.publish(RadioChanged(self.clock.now(), line.status))

    def _apply_keys(self, radio: str, keys: UdpKeys) -> None:
        line = self._lines.get(radio)
        if line is not None and line.radio is not None:
            cast("BreakerRadio", line.radio).set_keys(keys)


def _trace_frames(network: Network, trace: Trace) -> None:
    """Zigbee frames as applications see them; what stick and driver say to each other is traced by the driver."""

    def told(direction: str, frame: ApsFrame) -> None:
        if network.radio is not None:
            about = network.radio.network
            trace.aps(direction, frame, about.short, about.pan_id)

    network.trace = told


async def _contained(command: Coroutine[None, None, Ended]) -> Ended | Exception:
    """What went wrong with a command belongs to its caller, not to the hub."""
    try:
        return await command
    except HubError as error:
        return error
    except Exception as error:  # a task's top
        log.exception("a command failed by a fault of ours")
        return error


async def _contained_chore(chore: Coroutine[None, None, None], name: str) -> None:
    """A chore that fails is a fault of ours, not the end of the hub."""
    try:
        await chore
    except Exception:  # a task's top
        log.exception("%s failed by a fault of ours", name)


@asynccontextmanager
async def _probe(radio: Radio) -> AsyncIterator[None]:
    """Open and close a radio."""
    async with radio:
        pass
    yield
