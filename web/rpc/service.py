"""The RPC of a hub: the engine with its handlers, settings out of the registry, aliases out of the database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from hub import registry
from hub.errors import StorageError
from hub.hub import Hub
from web.roles import Role
from web.rpc.aliases import Aliases
from web.rpc.announcer import Announcer
from web.rpc.engine import Engine, Handler, Settings
from web.rpc.envelope import Post, response_text
from web.rpc.extending import Extending
from web.rpc.extension import Surroundings
from web.rpc.handlers.aliasing import Aliasing
from web.rpc.handlers.drlc import DemandResponse
from web.rpc.handlers.extending import ExtendingRequests
from web.rpc.handlers.general import General
from web.rpc.handlers.messaging import Messages
from web.rpc.handlers.meters import Meters
from web.rpc.handlers.places import Places
from web.rpc.handlers.price import Prices
from web.rpc.handlers.targets import Targets
from web.rpc.handlers.times import Times
from web.rpc.handlers.zcl import Zcl
from web.rpc.handlers.zigbee import ZigBee
from web.rpc.ini import IniError
from web.rpc.ini_files import IniFiles
from web.rpc.kept import Kept
from web.rpc.log_lines import LogLines
from web.rpc.modules import ModuleDirectory
from web.rpc.present import Present
from web.rpc.push import SPOOL, Pusher, PushSettings
from web.rpc.reports import tell_reports
from web.rpc.response import Response, message
from web.rpc.table import TABLE
from web.rpc.unsolicited import tell

log = logging.getLogger(__name__)


class RpcService:
    """`async with RpcService(hub) as rpc`: requests can be made until the block is left, which ends all of them."""

    def __init__(self, hub: Hub, stop: Callable[[], None] | None = None) -> None:
        """`stop` ends the program, for the request `exit`."""
        self._hub = hub
        self._kept = Kept(hub.store)
        self._tasks = asyncio.TaskGroup()
        self._under_way: set[asyncio.Task[None]] = set()
        self._found: tuple[object, ...] = ()
        self._read = Settings()
        """Settings as they were last, and what they were made of."""
        self._until_left = ExitStack()
        self.device_id = ""
        self.aliases = Aliases(keep=self._kept.keep_alias)
        handlers: dict[str, Handler] = {}
        self.engine = Engine(
            TABLE, handlers, now=hub.clock.now, spawn=self._spawn, settings=self._settings, aliases=self.aliases
        )
        config = hub.config
        directory = config.rpc.push_dir or (None if config.rpc.push_url else config.data_dir / SPOOL)
        self._pusher = Pusher(
            self.engine.mailbox,
            lambda: self.engine.table,
            self._push_settings,
            hub.clock.now,
            directory=directory,
            url=config.rpc.push_url,
        )
        hub.registry.watch(registry.USE_PUSH, self._switched)
        around = Surroundings(hub, self.engine.message, self.engine.unsolicited)
        present = Present(self.engine, handlers, ModuleDirectory(config.rpc.modules), hub.household.added, around)
        self.extending = Extending(present, self._kept, around)
        self.files = IniFiles(hub, self.extending)
        general = General(self.engine, hub.registry, hub.clock, hub.version, config.hub.se_version, stop, present)
        handlers |= general.handlers() | ExtendingRequests(self.extending).handlers()
        handlers |= Times(hub).handlers()
        handlers |= Aliasing(self.aliases).handlers()
        places = Places(hub, self.engine)
        handlers |= DemandResponse(places).handlers() | Messages(places).handlers() | Prices(places).handlers()
        self._announcer = Announcer(hub, self.engine)
        targets = Targets(hub, self.engine)
        handlers |= ZigBee(self.engine, hub, targets).handlers()
        handlers |= Meters(hub, targets).handlers()
        handlers |= Zcl(self.engine, hub, targets).handlers()

    async def __aenter__(self) -> Self:
        """Read back what was kept."""
        try:
            self.aliases.load(await self._kept.aliases())
            self.device_id = await self._kept.device_id()
        except StorageError as error:
            log.warning("aliases cannot be read: %s", error)
            self.device_id = self.device_id or "00000000-00000000-000000FF-FF000000"
        try:
            await self.extending.load()
        except (StorageError, IniError) as error:
            log.warning("modules, interfaces, endpoints and clusters cannot be read: %s", error)
        await self._tasks.__aenter__()
        self._until_left.enter_context(
            LogLines(
                lambda severity, text: self.engine.unsolicited(message(severity, text)),
                lambda: self._hub.registry.number(registry.DEBUG_RPC_SEVERITY),
                self._hub.clock.monotonic,
            )
        )
        self._spawn(self._pusher.run(), "rpc push")
        self._spawn(tell_reports(self._hub, self.engine), "rpc reports")
        self._spawn(tell(self._hub.bus, self.engine, self._hub.devices.all), "rpc messages")
        self._spawn(self._announcer.run(), "rpc announcements")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what is under way: who waited for it has gone."""
        self._until_left.close()
        for task in tuple(self._under_way):
            task.cancel()
        await self._tasks.__aexit__(None, None, None)

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = self._tasks.create_task(work, name=name)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        task.add_done_callback(lambda _: work.close())  # cancelled before its first step, it would complain
        return task

    def _settings(self) -> Settings:
        entries = self._hub.registry
        timeout_s, items = (
            entries.seconds(registry.SYNCHRONOUS_REQUEST_TIMEOUT),
            entries.number(registry.MAX_BUFFER_ITEMS),
        )
        has_times = entries.is_on(registry.USE_TIMESTAMPS)
        told, printed = entries.number(registry.DEBUG_RPC_SEVERITY), entries.number(registry.DEBUG_PRINT_SEVERITY)
        found = timeout_s, items, has_times, told, printed
        if found != self._found:
            # Each request asks for them several times, and they hardly ever change.
            self._found = found
            self._read = Settings(
                synchronous_timeout_s=timeout_s,
                max_buffer_items=items,
                use_timestamps=has_times,
                rpc_severity=told,
                print_severity=printed,
            )
        return self._read

    def _push_settings(self) -> PushSettings:
        entries = self._hub.registry
        return PushSettings(
            is_on=entries.is_on(registry.USE_PUSH),
            prefix=entries.text(registry.PUSHED_FILE_PREFIX),
            extension=entries.text(registry.PUSHED_FILE_EXTENSION),
        )

    async def _switched(self) -> None:
        self._pusher.wake()

    def xml_of(self, response: Response) -> str:
        """A response as a reply in XML has it now."""
        printed = self._hub.registry.is_on(registry.PRINTED_REPLY_LAYOUT)
        return response_text(response, self.engine.table, is_printed_layout=printed)

    def post(self, role: Role, is_gone: Callable[[], bool]) -> Post:
        """From whom a document comes; `is_gone` tells whether nobody is there any more to read the reply."""
        printed = self._hub.registry.is_on(registry.PRINTED_REPLY_LAYOUT)
        return Post(self.engine, role, self.device_id, printed, is_gone)
