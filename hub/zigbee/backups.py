"""Backups of Zigbee coordinators: `hub.backups`.

Each radio that can is backed up nightly and on demand, and each backup is compared with the last one: the alarm is
raised when a device or a link key is not in it any more and nobody removed it (`hub.zigbee.backup_rules`). A backup is
restored to the stick that it was made of, or to another one, only when somebody says the radio's name once more.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final, TypeVar

from hub.bus import Bus
from hub.clock import Clock
from hub.config import BackupSection
from hub.errors import HubError, InvalidError, RefusedError, StorageError, UnavailableError, UnsupportedError
from hub.events import BackupChanged, DeviceLeft, DeviceRemoved, HubEvent
from hub.zigbee.backup_files import BackupFiles, Document, time_of
from hub.zigbee.backup_form import CoordinatorBackup, NetworkId, parse
from hub.zigbee.backup_rules import (
    BackupStatus,
    BackupSummary,
    Standing,
    acknowledged,
    formed_anew,
    is_due,
    judge,
    removed,
    summary,
)
from hub.zigbee.member import Member, ieee_of
from hub.zigbee.model import DEVICE_PREFIX
from hub.zigbee.network import Network
from hub.zigbee.service import told
from protocols.ids import Eui64
from radios.api import DeliveryError, ZigbeeRadio

log = logging.getLogger(__name__)

LOOK_S: Final = 10.0
"""How often it is looked whether a backup is due."""
SETTLE_S: Final = 30.0
"""After a radio came up: it is given the keys that it should have first."""
READ_S: Final = 120.0
"""For a stick to read out all that it knows: the slowest take a minute for a flash full of keys."""
WRITE_S: Final = 300.0
"""For a stick to become another one."""
OLD_STICK: Final = (
    "The stick that had this network before must not be on the air again: two coordinators with the same address and "
    "keys break the network. Erase it before it is used for anything else."
)

T = TypeVar("T")
Spawn = Callable[[Coroutine[None, None, None], str], "asyncio.Task[None]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A backup is on the stick."""

    radio: str
    backup: str
    """Its name; empty where it came from a file that could not be kept."""
    made_at: datetime | None
    """None: a file does not say."""
    network: NetworkId
    saved: str
    """Backup of what was on the stick before; empty: there was nothing, or it could not be read."""
    warning: str
    """What has to be seen to now, for people."""


class _Kept:
    """What is in memory of one radio's backups."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        """One at a time reads or writes the stick, and the folder."""
        self.standing = Standing()
        self.written = Standing()
        """What of that is on disk."""
        self.last: BackupSummary | None = None
        self.count = 0
        self.failure = ""
        self.tried_at: datetime | None = None
        self.radio: ZigbeeRadio | None = None
        self.up_at = 0.0
        """Monotonic; of `radio`."""


class Backups:
    """The backups of all Zigbee radios."""

    def __init__(
        self,
        settings: BackupSection,
        data_dir: Path,
        networks: Mapping[str, Network],
        network: Callable[[str], Network],
        member: Callable[[Eui64], Member | None],
        returned: Callable[[str, Mapping[Eui64, int]], None],
        bus: Bus,
        clock: Clock,
        zone: tzinfo,
        spawn: Spawn,
    ) -> None:
        """`networks`: of each radio; `network(radio)` raises `NotFoundError`. `returned(radio, addresses)` is told of a
        network that was restored, with the network addresses that the backup has."""
        self._returned, self._settings, self._networks, self._network = returned, settings, networks, network
        self._member, self._bus, self._clock, self._zone, self._spawn = member, bus, clock, zone, spawn
        self._files = BackupFiles(data_dir, settings.keep)
        self._kept = {name: _Kept() for name in networks}
        self._events = bus.subscribe(DeviceRemoved, DeviceLeft)

    async def load(self) -> None:
        """Read what was remembered."""
        for radio, kept in self._kept.items():
            kept.standing = kept.written = await asyncio.to_thread(self._files.standing, radio)
            if kept.standing.restoring:
                kept.failure = f"{kept.standing.restoring} was not finished: restore it again"
            await self._look_into(radio)

    async def run(self) -> None:
        """Make backups when they are due, and note who was removed; ends by cancellation."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(), name="removed devices")
            while True:
                await asyncio.sleep(LOOK_S)
                await self.look()
                await self._flush()

    async def _watch(self) -> None:
        async with self._events as events:
            async for event in events:
                self._note(event)

    async def _flush(self) -> None:
        """Keep what was noted meanwhile."""
        for radio, kept in self._kept.items():
            if kept.standing != kept.written and not kept.lock.locked():
                async with kept.lock:
                    try:
                        await self._remember(radio)
                    except StorageError as error:
                        log.warning("%s: %s", radio, error)
                        kept.written = kept.standing  # the next change is tried

    def persist(self) -> None:
        """The hub ends: keep what was noted last."""
        for radio, kept in self._kept.items():
            if kept.standing != kept.written:
                try:
                    self._files.remember(radio, kept.standing)
                except StorageError as error:
                    log.warning("%s: %s", radio, error)

    async def _remember(self, radio: str) -> None:
        standing = self._kept[radio].standing
        await asyncio.to_thread(self._files.remember, radio, standing)
        self._kept[radio].written = standing

    def _note(self, event: HubEvent) -> None:
        """A device was removed, or left for good: sticks may forget it."""
        match event:
            case DeviceRemoved(device_id=gone) | DeviceLeft(device_id=gone, rejoin=False):
                pass
            case _:
                return
        if not gone.startswith(DEVICE_PREFIX):
            return
        ieee = ieee_of(gone)
        for radio, kept in self._kept.items():
            if kept.standing.network is None or (isinstance(event, DeviceLeft) and event.radio != radio):
                continue
            had_alarm = kept.standing.alarm
            kept.standing = removed(kept.standing, ieee)
            if kept.standing.alarm != had_alarm:
                self._tell(radio, "well" if kept.standing.alarm is None else "alarm", f"{ieee} was removed")

    # -- nightly ---------------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Back up each radio for which that is due. What goes wrong is told, and tried again later."""
        if not self._settings.nightly:
            return
        for radio, kept in self._kept.items():
            stick, now = self._networks[radio].radio, self._clock.monotonic()
            if stick is None or not stick.capabilities.backup or not stick.network.is_operational:
                kept.radio = None
                continue
            if stick is not kept.radio:
                kept.radio, kept.up_at = stick, now
            is_settled = now - kept.up_at >= SETTLE_S
            made_at, tried_at = kept.standing.made_at, kept.tried_at
            if is_settled and is_due(self._clock.now(), self._zone, self._settings.at, made_at, tried_at):
                kept.tried_at = self._clock.now()
                with suppress(HubError):  # it has been told
                    await self.make(radio)

    # -- what there is ---------------------------------------------------------------------------------------------

    def status(self, radio: str) -> BackupStatus | None:
        """How it is; None where the radio cannot, and never could. Raises `NotFoundError`."""
        network, kept = self._network(radio), self._kept[radio]
        able = network.radio is not None and network.radio.capabilities.backup
        if not able and kept.last is None:
            return None
        return BackupStatus(
            radio=radio, kept=kept.count, last=kept.last, alarm=kept.standing.alarm, failure=kept.failure
        )

    async def all(self, radio: str) -> list[BackupSummary]:
        """Every backup that is kept, newest first. Raises `NotFoundError`."""
        self._network(radio)
        return await self._look_into(radio)

    async def _look_into(self, radio: str) -> list[BackupSummary]:
        found = await asyncio.to_thread(self._summaries, radio)
        kept = self._kept[radio]
        kept.count, kept.last = len(found), found[0] if found else None
        return found

    def _summaries(self, radio: str) -> list[BackupSummary]:
        rows = list(self._files.all(radio))
        olders = [older for _, older in rows[1:]]
        return [
            summary(name, time_of(name), backup, olders[place] if place < len(olders) else None)
            for place, (name, backup) in enumerate(rows)
        ]

    async def document(self, radio: str, name: str) -> Document:
        """A whole backup, with all keys: who asks must be allowed to have them. Raises `NotFoundError`."""
        self._network(radio)
        return await asyncio.to_thread(self._files.read, radio, name)

    async def acknowledge(self, radio: str) -> BackupStatus:
        """A person has seen the alarm: from now on it is as the newest backup has it. Raises `RefusedError`."""
        self._network(radio)
        kept = self._kept[radio]
        async with kept.lock:
            if kept.standing.alarm is None:
                raise RefusedError(f"there is no alarm about the backups of {radio!r}")
            last = kept.last
            standing = acknowledged(
                kept.standing, last.name if last is not None else "", last.network if last is not None else None
            )
            await asyncio.to_thread(self._files.remember, radio, standing)
            log.warning("%s: acknowledged: %s", radio, kept.standing.alarm)
            kept.standing = kept.written = standing
            return self._tell(radio, "acknowledged", "")

    def formed_anew(self, radio: str) -> None:
        """Somebody had it leave its network for another one: that is no alarm."""
        self._kept[radio].standing = formed_anew(self._kept[radio].standing)

    def _tell(self, radio: str, what: str, detail: str) -> BackupStatus:
        kept = self._kept[radio]
        status = BackupStatus(
            radio=radio, kept=kept.count, last=kept.last, alarm=kept.standing.alarm, failure=kept.failure
        )
        self._bus.publish(BackupChanged(self._clock.now(), radio, what, detail, status))
        return status

    # -- making one ------------------------------------------------------------------------------------------------

    def _able(self, radio: str) -> ZigbeeRadio:
        stick = self._network(radio).need_radio()
        if not stick.capabilities.backup:
            raise UnsupportedError(f"{radio!r} cannot be backed up: its stick does not tell its keys")
        return stick

    async def make(self, radio: str) -> BackupSummary:
        """Back up a radio now. Raises `UnsupportedError`, `UnavailableError`, `StorageError`."""
        stick = self._able(radio)
        async with self._kept[radio].lock, self._failing(radio):
            return await self._make(radio, stick)

    @asynccontextmanager
    async def _failing(self, radio: str) -> AsyncIterator[None]:
        """What goes wrong is told to whoever asked, and shown until it goes well."""
        kept = self._kept[radio]
        try:
            yield
        except HubError as error:
            kept.failure = str(error)
            log.error("%s: %s", radio, error)
            self._tell(radio, "failed", kept.failure)
            raise

    async def _read(self, radio: str, stick: ZigbeeRadio) -> tuple[Document, CoordinatorBackup]:
        async with told(f"backing up {radio!r}"):
            try:
                async with asyncio.timeout(READ_S):
                    document = await stick.backup()
            except TimeoutError:
                raise UnavailableError(f"backing up {radio!r}: the stick has not told all in {READ_S:g} s") from None
        try:
            # Drivers may have integers of their libraries in it; what is kept and compared is plain JSON.
            plain: Document = json.loads(json.dumps(document))
            return plain, parse(plain)
        except (InvalidError, TypeError, ValueError) as error:
            raise UnavailableError(f"backing up {radio!r}: what the stick told is no backup: {error}") from None

    async def _make(self, radio: str, stick: ZigbeeRadio, before: CoordinatorBackup | None = None) -> BackupSummary:
        """With the lock. `before`: what it is compared with, where that is not the last one."""
        kept = self._kept[radio]
        document, after = await self._read(radio, stick)
        if before is None:
            found = await asyncio.to_thread(self._files.of_network, radio, kept.standing.network, kept.standing.latest)
            if found is not None:
                name, before = found
                kept.standing = replace(kept.standing, latest=name)
        now = self._clock.now()
        name = await asyncio.to_thread(self._files.write, radio, now, document)
        for event in self._events.drain():
            self._note(event)
        had_alarm = kept.standing.alarm
        kept.standing, diff = judge(
            kept.standing,
            before,
            after,
            name,
            now,
            lambda ieee: self._is(radio, ieee, active=False),
            lambda ieee: self._is(radio, ieee, active=True),
        )
        kept.tried_at = None
        kept.failure = ""
        await asyncio.to_thread(self._files.tidy, radio, kept.standing.needed | {name})
        await self._look_into(radio)
        made = replace(summary(name, time_of(name), after, None), diff=diff)
        log.info("%s: backup %s: %d devices, %d link keys", radio, name, made.devices, made.link_keys)
        await self._remember(radio)
        alarm = kept.standing.alarm
        if alarm is not None and (had_alarm is None or alarm != had_alarm):
            log.error("%s: %s", radio, alarm)
            self._tell(radio, "alarm", str(alarm))
        else:
            self._tell(radio, "made" if had_alarm is None or alarm is not None else "well", "")
        return made

    def _is(self, radio: str, ieee: Eui64, *, active: bool) -> bool:
        member = self._member(ieee)
        return member is not None and member.radio == radio and (member.is_active or not active)

    # -- restoring -------------------------------------------------------------------------------------------------

    async def restore(
        self, radio: str, confirm: str, *, backup: str | None = None, document: Document | None = None
    ) -> Restored:
        """Have the stick be as in a kept backup, or in a document of a file. `confirm` is the radio's name.

        Raises `InvalidError`, `NotFoundError`, `RefusedError` before anything is written; `UnavailableError` says when
        it may have been.
        """
        stick = self._able(radio)
        if (backup is None) == (document is None):
            given = "missing" if backup is None else "given beside document"
            raise InvalidError("backup", given, "the name of a backup, or a document: one of the two")
        _confirmed(radio, confirm)
        if document is None:
            assert backup is not None
            document = await asyncio.to_thread(self._files.read, radio, backup)
        kept = parse(document)
        self._check_free(radio, kept.network)
        return await self._whole(self._put(radio, stick, document, kept, backup), f"restoring {radio}")

    async def replace(self, radio: str, confirm: str, *, overwrite: bool = False) -> Restored:
        """Have the stick that is there now take the network of the one before it, from its last good backup.

        `overwrite`: although it has another network, which is lost by this (but backed up before).
        """
        kept = self._kept[self._network(radio).name]
        network, name = kept.standing.network, kept.standing.good
        if network is None or not name:
            raise RefusedError(
                f"there is no backup of {radio!r} that another stick could take over; hubctl radio restore takes a file"
            )
        stick = self._able(radio)
        _confirmed(radio, confirm)
        found = await asyncio.to_thread(self._files.of_network, radio, network, name)
        if found is None:
            raise RefusedError(f"the backups of {radio!r} cannot be read any more; the log says why")
        name, backup = found
        document = await asyncio.to_thread(self._files.read, radio, name)
        self._check_free(radio, network)
        here = stick.network
        if here.is_operational:
            if NetworkId(here.ieee, here.extended_pan_id) == network:
                raise RefusedError(
                    f"the stick of {radio!r} has this network already; to go back to an earlier state of it, restore "
                    "that backup"
                )
            if not overwrite:
                raise RefusedError(
                    f"the stick of {radio!r} has another network (PAN 0x{here.pan_id:04x}, channel {here.channel}, "
                    f"{here.extended_pan_id:016x}), which would be lost: say overwrite if it may be. A stick without a "
                    "network is given one when the hub starts, so a new stick has one, too"
                )
        return await self._whole(self._put(radio, stick, document, backup, name), f"replacing {radio}")

    def _check_free(self, radio: str, network: NetworkId) -> None:
        if self._kept[radio].lock.locked():
            raise RefusedError(f"{radio!r} is being backed up or restored just now: try again when that is done")
        for name, other in self._networks.items():
            if name != radio and other.radio is not None and other.radio.network.is_operational:
                here = other.radio.network
                if NetworkId(here.ieee, here.extended_pan_id) == network:
                    raise RefusedError(
                        f"the stick of {name!r} is on the air as the coordinator of this network: unplug it for good "
                        "first, since two break it"
                    )

    async def _whole(self, work: Coroutine[None, None, T], what: str) -> T:
        """Do something to its end although the caller may go away: half a network on a stick is none."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        done.add_done_callback(lambda one: one.cancelled() or one.exception())

        async def chore() -> None:
            try:
                result = await work
            except HubError as error:
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

        task = self._spawn(chore(), what)
        task.add_done_callback(lambda _: (work.close(), done.done() or done.cancel()))
        return await asyncio.shield(done)

    async def _put(
        self, radio: str, stick: ZigbeeRadio, document: Document, wanted: CoordinatorBackup, name: str | None
    ) -> Restored:
        kept = self._kept[radio]
        made_at = time_of(name) if name is not None else None
        async with kept.lock:
            saved = await self._save(radio, stick)
            if name is None:
                name = await self._keep_file(radio, document)
            what = f"restoring {f'backup {name}' if name else 'a file'} to {radio!r}"
            async with self._failing(radio):
                await self._unfinished(radio, what)
                await self._write(radio, stick, document, what)
            log.warning("%s: the stick is restored: %s", radio, wanted.network)
            kept.standing = Standing(network=wanted.network, latest=name, good=name, made_at=kept.standing.made_at)
            kept.failure = ""
            try:
                await self._make(radio, stick, wanted)  # whether it has taken everything
            except HubError as error:
                log.error("%s: it is restored, but could not be backed up after that: %s", radio, error)
                kept.failure = str(error)
                await self._unfinished(radio, "")
            self._returned(radio, {ieee: one.short for ieee, one in wanted.devices.items() if one.short is not None})
            self._tell(radio, "restored", name)
        return Restored(
            radio=radio,
            backup=name,
            made_at=made_at,
            network=wanted.network,
            saved=saved,
            warning=OLD_STICK,
        )

    async def _save(self, radio: str, stick: ZigbeeRadio) -> str:
        """Back up what the stick has now, so that there is a way back; its name, or empty."""
        if not stick.network.is_operational:
            return ""
        try:
            document, _ = await self._read(radio, stick)
            return await asyncio.to_thread(self._files.write, radio, self._clock.now(), document)
        except HubError as error:
            log.warning("%s: what is on the stick could not be backed up before it is replaced: %s", radio, error)
            return ""

    async def _keep_file(self, radio: str, document: Document) -> str:
        try:
            return await asyncio.to_thread(self._files.write, radio, self._clock.now(), document)
        except StorageError as error:
            log.warning("%s: the backup that is restored could not be kept: %s", radio, error)
            return ""

    async def _unfinished(self, radio: str, what: str) -> None:
        """Remember that something is being restored, over the end of this hub; a full disk keeps nobody from it."""
        kept = self._kept[radio]
        kept.standing = replace(kept.standing, restoring=what)
        try:
            await self._remember(radio)
        except StorageError as error:
            log.warning("%s: %s", radio, error)

    async def _write(self, radio: str, stick: ZigbeeRadio, document: Document, what: str) -> None:
        try:
            async with told(what):
                try:
                    async with asyncio.timeout(WRITE_S):
                        await stick.restore(document)
                except DeliveryError as error:
                    raise RefusedError(f"{what}: {error}") from None
                except TimeoutError:
                    raise UnavailableError(f"{what}: the stick was not ready in {WRITE_S:g} s") from None
        except HubError:
            if stick.network.is_operational:
                await self._unfinished(radio, "")  # nothing was written
            raise


def _confirmed(radio: str, confirm: str) -> None:
    if confirm != radio:
        raise InvalidError("confirm", confirm[:40], f"the radio's name, {radio!r}, since its network is replaced")
