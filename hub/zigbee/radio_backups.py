"""The backups of one radio: made, compared, put on a stick; `hub.zigbee.backups` says when and whether.

`make`, `put` and `acknowledge` are for whoever holds `lock`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from hub.clock import Clock
from hub.errors import HubError, InvalidError, RefusedError, StorageError, UnavailableError
from hub.zigbee.backup_files import BackupFiles, Document, time_of
from hub.zigbee.backup_form import CoordinatorBackup, NetworkId, parse
from hub.zigbee.backup_rules import (
    BackupStatus,
    BackupSummary,
    Standing,
    acknowledged,
    judge,
    removed,
    summary,
)
from hub.zigbee.member import Member
from hub.zigbee.service import told
from protocols.ids import Eui64
from radios.api import DeliveryError, ZigbeeRadio

log = logging.getLogger(__name__)

READ_S: Final = 120.0
"""For a stick to read out all that it knows: the slowest take a minute for a flash full of keys."""
WRITE_S: Final = 300.0
"""For a stick to become another one."""
OLD_STICK: Final = (
    "The stick that had this network before must not be on the air again: two coordinators with the same address and "
    "keys break the network. Erase it before it is used for anything else."
)


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


class RadioBackups:
    """What there is of one radio."""

    def __init__(
        self,
        radio: str,
        files: BackupFiles,
        member: Callable[[Eui64], Member | None],
        note: Callable[[], None],
        tell: Callable[[str, str, BackupStatus], None],
        clock: Clock,
    ) -> None:
        """`note()`: have `removed` told of everybody who was removed until now. `tell(what, detail, status)`: as
        `BackupChanged` has it."""
        self.radio = radio
        self._files, self._member, self._note, self._tell_all, self._clock = files, member, note, tell, clock
        self.lock = asyncio.Lock()
        """One at a time reads or writes the stick, and the folder."""
        self.standing = Standing()
        self._written = Standing()
        """What of that is on disk."""
        self.last: BackupSummary | None = None
        self._count = 0
        self._failure = ""

    # -- what there is ---------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read what was remembered."""
        self.standing = self._written = await asyncio.to_thread(self._files.standing, self.radio)
        if self.standing.restoring:
            self._failure = f"{self.standing.restoring} was not finished: restore it again"
        await self.look()

    async def look(self) -> list[BackupSummary]:
        """All that are kept, newest first."""
        found = await asyncio.to_thread(self._summaries)
        self._count, self.last = len(found), found[0] if found else None
        return found

    def _summaries(self) -> list[BackupSummary]:
        rows = list(self._files.all(self.radio))
        olders = [older for _, older in rows[1:]]
        return [
            summary(name, time_of(name), backup, olders[place] if place < len(olders) else None)
            for place, (name, backup) in enumerate(rows)
        ]

    def status(self) -> BackupStatus:
        """How it is."""
        return BackupStatus(
            radio=self.radio, kept=self._count, last=self.last, alarm=self.standing.alarm, failure=self._failure
        )

    def _tell(self, what: str, detail: str) -> None:
        self._tell_all(what, detail, self.status())

    # -- what is remembered ----------------------------------------------------------------------------------------

    def removed(self, ieee: Eui64) -> None:
        """A device was removed, or left for good: the stick may forget it."""
        if self.standing.network is None:
            return
        had_alarm = self.standing.alarm
        self.standing = removed(self.standing, ieee)
        if self.standing.alarm != had_alarm:
            self._tell("well" if self.standing.alarm is None else "alarm", f"{ieee} was removed")

    async def acknowledge(self) -> None:
        """A person has seen the alarm: from now on it is as the newest backup has it. Raises `RefusedError`."""
        if self.standing.alarm is None:
            raise RefusedError(f"there is no alarm about the backups of {self.radio!r}")
        last = self.last
        standing = acknowledged(
            self.standing, last.name if last is not None else "", last.network if last is not None else None
        )
        await asyncio.to_thread(self._files.remember, self.radio, standing)
        log.warning("%s: acknowledged: %s", self.radio, self.standing.alarm)
        self.standing = self._written = standing
        self._tell("acknowledged", "")

    async def flush(self) -> None:
        """Keep what was noted meanwhile."""
        if self.standing != self._written and not self.lock.locked():
            async with self.lock:
                try:
                    await self._remember()
                except StorageError as error:
                    log.warning("%s: %s", self.radio, error)
                    self._written = self.standing  # the next change is tried

    def persist(self) -> None:
        """The hub ends: keep what was noted last."""
        if self.standing != self._written:
            try:
                self._files.remember(self.radio, self.standing)
            except StorageError as error:
                log.warning("%s: %s", self.radio, error)

    async def _remember(self) -> None:
        standing = self.standing
        await asyncio.to_thread(self._files.remember, self.radio, standing)
        self._written = standing

    # -- making one ------------------------------------------------------------------------------------------------

    async def make(self, stick: ZigbeeRadio) -> BackupSummary:
        """Back it up now. Raises `UnavailableError`, `StorageError`."""
        async with self._failing():
            return await self._make(stick)

    @asynccontextmanager
    async def _failing(self) -> AsyncIterator[None]:
        """What goes wrong is told to whoever asked, and shown until it goes well."""
        try:
            yield
        except HubError as error:
            self._failure = str(error)
            log.error("%s: %s", self.radio, error)
            self._tell("failed", self._failure)
            raise

    async def _read(self, stick: ZigbeeRadio) -> tuple[Document, CoordinatorBackup]:
        what = f"backing up {self.radio!r}"
        async with told(what):
            try:
                async with asyncio.timeout(READ_S):
                    document = await stick.backup()
            except TimeoutError:
                raise UnavailableError(f"{what}: the stick has not told all in {READ_S:g} s") from None
        try:
            # Drivers may have integers of their libraries in it; what is kept and compared is plain JSON.
            plain: Document = json.loads(json.dumps(document))
            return plain, parse(plain)
        except (InvalidError, TypeError, ValueError) as error:
            raise UnavailableError(f"{what}: what the stick told is no backup: {error}") from None

    async def _make(self, stick: ZigbeeRadio, restored: CoordinatorBackup | None = None) -> BackupSummary:
        """`restored`: what is on the stick now, and what it is compared with instead of the last one."""
        radio = self.radio
        document, after = await self._read(stick)
        before = restored
        if before is None:
            standing = self.standing
            found = await asyncio.to_thread(self._files.of_network, radio, standing.network, standing.latest)
            if found is not None:
                name, before = found
                self.standing = replace(self.standing, latest=name)
        now = self._clock.now()
        name = await asyncio.to_thread(self._files.write, radio, now, document)
        self._note()
        had_alarm = self.standing.alarm
        # A stick of another make may keep fewer addresses of devices that have no key with it.
        is_heard = self._is_heard if restored is None else lambda ieee: True
        self.standing, diff = judge(self.standing, before, after, name, now, self._is_member, is_heard)
        self._failure = ""
        await asyncio.to_thread(self._files.tidy, radio, self.standing.needed | {name})
        await self.look()
        made = replace(summary(name, time_of(name), after, None), diff=diff)
        log.info("%s: backup %s: %d devices, %d link keys", radio, name, made.devices, made.link_keys)
        await self._remember()
        alarm = self.standing.alarm
        if alarm is not None and alarm != had_alarm:
            log.error("%s: %s", radio, alarm)
            self._tell("alarm", str(alarm))
        else:
            self._tell("made" if had_alarm is None or alarm is not None else "well", "")
        return made

    def _is_member(self, ieee: Eui64) -> bool:
        member = self._member(ieee)
        return member is not None and member.radio == self.radio

    def _is_heard(self, ieee: Eui64) -> bool:
        member = self._member(ieee)
        return member is not None and member.radio == self.radio and member.is_active

    # -- putting one on a stick ------------------------------------------------------------------------------------

    async def put(
        self, stick: ZigbeeRadio, document: Document, wanted: CoordinatorBackup, name: str | None
    ) -> Restored:
        """Have a stick be as in a backup, called `name`, or of a file (None). Raises `RefusedError` when nothing was
        written, else `UnavailableError`."""
        made_at = time_of(name) if name is not None else None
        saved, is_file = await self._save(stick), name is None
        if name is None:
            name = await self._keep_file(document)
        what = f"restoring {f'backup {name}' if name else 'a file'} to {self.radio!r}"
        try:
            async with self._failing():
                await self._restoring(what)
                await self._write(stick, document, what)
        except RefusedError:
            if is_file:  # it would take the place of one that the stick takes
                await asyncio.to_thread(self._files.discard, self.radio, name)
            raise
        log.warning("%s: the stick is restored: %s", self.radio, wanted.network)
        self.standing = Standing(network=wanted.network, latest=name, good=name, made_at=self.standing.made_at)
        self._failure = ""
        try:
            await self._make(stick, wanted)  # whether it has taken everything
        except HubError as error:
            log.error("%s: it is restored, but could not be backed up after that: %s", self.radio, error)
            self._failure = str(error)
            await self._restoring("")
        self._tell("restored", name)
        return Restored(
            radio=self.radio,
            backup=name,
            made_at=made_at,
            network=wanted.network,
            saved=saved,
            warning=OLD_STICK,
        )

    async def _save(self, stick: ZigbeeRadio) -> str:
        """Back up what the stick has now, so that there is a way back; its name, or empty."""
        if not stick.network.is_operational:
            return ""
        try:
            document, _ = await self._read(stick)
            return await asyncio.to_thread(self._files.write, self.radio, self._clock.now(), document)
        except HubError as error:
            log.warning("%s: what is on the stick could not be backed up before it is replaced: %s", self.radio, error)
            return ""

    async def _keep_file(self, document: Document) -> str:
        try:
            return await asyncio.to_thread(self._files.write, self.radio, self._clock.now(), document)
        except StorageError as error:
            log.warning("%s: the backup that is restored could not be kept: %s", self.radio, error)
            return ""

    async def _restoring(self, what: str) -> None:
        """Remember that something is being restored, over the end of this hub; a full disk keeps nobody from it."""
        self.standing = replace(self.standing, restoring=what)
        try:
            await self._remember()
        except StorageError as error:
            log.warning("%s: %s", self.radio, error)

    async def _write(self, stick: ZigbeeRadio, document: Document, what: str) -> None:
        try:
            async with told(what):
                try:
                    async with asyncio.timeout(WRITE_S):
                        await stick.restore(document)
                except DeliveryError as error:
                    raise RefusedError(f"{what}: {error}") from None
                except TimeoutError:
                    raise UnavailableError(f"{what}: the stick was not ready in {WRITE_S:g} s") from None
        except HubError as error:
            if not stick.network.is_operational:
                raise UnavailableError(f"{error}; it is half done: restore it again") from None
            await self._restoring("")  # nothing was written
            raise
