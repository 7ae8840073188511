"""Backups of Zigbee coordinators: `hub.backups`.

Each radio that can is backed up nightly and on demand, and each backup is compared with the last one: the alarm is
raised when a device or a link key is not in it any more and nobody removed it (`hub.zigbee.backup_rules`). A backup is
restored to the stick that it was made of, or to another one, only when somebody says the radio's name once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final, TypeVar

from hub.bus import Bus
from hub.clock import Clock
from hub.config import BackupSection
from hub.errors import HubError, InvalidError, RefusedError, UnsupportedError
from hub.events import BackupChanged, DeviceLeft, DeviceRemoved, HubEvent
from hub.zigbee.backup_files import BackupFiles, Document
from hub.zigbee.backup_form import CoordinatorBackup, NetworkId, parse
from hub.zigbee.backup_rules import BackupStatus, BackupSummary, formed_anew, is_due
from hub.zigbee.member import Member, ieee_of
from hub.zigbee.model import DEVICE_PREFIX
from hub.zigbee.network import Network
from hub.zigbee.radio_backups import RadioBackups, Restored
from protocols.ids import Eui64
from radios.api import ZigbeeRadio

LOOK_S: Final = 10.0
"""How often it is looked whether a backup is due."""
SETTLE_S: Final = 30.0
"""After a radio came up: it is given the keys that it should have first."""

T = TypeVar("T")
Spawn = Callable[[Coroutine[None, None, None], str], "asyncio.Task[None]"]


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
        self._bus, self._clock, self._zone, self._spawn = bus, clock, zone, spawn
        self._files = BackupFiles(data_dir, settings.keep)
        self._radios = {name: self._radio(name, member) for name in networks}
        self._events = bus.subscribe(DeviceRemoved, DeviceLeft)
        self._up: dict[str, tuple[ZigbeeRadio, float]] = {}
        """Radios, and since when they are up, monotonic."""
        self._tried: dict[str, datetime] = {}
        """When a nightly backup was tried that has failed."""

    def _radio(self, name: str, member: Callable[[Eui64], Member | None]) -> RadioBackups:
        def tell(what: str, detail: str, status: BackupStatus) -> None:
            self._bus.publish(BackupChanged(self._clock.now(), name, what, detail, status))

        return RadioBackups(name, self._files, member, self._drain, tell, self._clock)

    async def load(self) -> None:
        """Read what was remembered."""
        for one in self._radios.values():
            await one.load()

    async def run(self) -> None:
        """Make backups when they are due, and note who was removed; ends by cancellation."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(), name="removed devices")
            while True:
                await asyncio.sleep(LOOK_S)
                await self.look()
                for one in self._radios.values():
                    await one.flush()

    def persist(self) -> None:
        """The hub ends: keep what was noted last."""
        self._drain()
        for one in self._radios.values():
            one.persist()

    async def _watch(self) -> None:
        async with self._events as events:
            async for event in events:
                self._note(event)

    def _drain(self) -> None:
        for event in self._events.drain():
            self._note(event)

    def _note(self, event: HubEvent) -> None:
        match event:
            case DeviceRemoved(device_id=gone) if gone.startswith(DEVICE_PREFIX):
                for one in self._radios.values():
                    one.removed(ieee_of(gone))
            case DeviceLeft(device_id=gone, rejoin=False, radio=radio) if radio in self._radios:
                self._radios[radio].removed(ieee_of(gone))
            case _:
                pass

    # -- nightly ---------------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Back up each radio for which that is due. What goes wrong is told, and tried again later."""
        if not self._settings.nightly:
            return
        for radio, one in self._radios.items():
            if self._is_settled(radio) and is_due(
                self._clock.now(), self._zone, self._settings.at, one.standing.made_at, self._tried.get(radio)
            ):
                self._tried[radio] = self._clock.now()
                with suppress(HubError):  # it has been told
                    await self.make(radio)

    def _is_settled(self, radio: str) -> bool:
        """It can be backed up, and was up for a while."""
        stick, now = self._networks[radio].radio, self._clock.monotonic()
        if stick is None or not stick.capabilities.backup or not stick.network.is_operational:
            self._up.pop(radio, None)
            return False
        known = self._up.get(radio)
        if known is None or known[0] is not stick:
            known = self._up[radio] = stick, now
        return now - known[1] >= SETTLE_S

    # -- what there is ---------------------------------------------------------------------------------------------

    def status(self, radio: str) -> BackupStatus | None:
        """How it is; None where the radio cannot, and never could. Raises `NotFoundError`."""
        stick = self._network(radio).radio
        one = self._radios[radio]
        able = stick is not None and stick.capabilities.backup
        return one.status() if able or one.last is not None else None

    async def all(self, radio: str) -> list[BackupSummary]:
        """Every backup that is kept, newest first. Raises `NotFoundError`."""
        self._network(radio)
        return await self._radios[radio].look()

    async def document(self, radio: str, name: str) -> Document:
        """A whole backup, with all keys: who asks must be allowed to have them. Raises `NotFoundError`."""
        self._network(radio)
        return await asyncio.to_thread(self._files.read, radio, name)

    async def acknowledge(self, radio: str) -> BackupStatus:
        """A person has seen the alarm: from now on it is as the newest backup has it. Raises `RefusedError`."""
        self._network(radio)
        one = self._radios[radio]
        async with one.lock:
            await one.acknowledge()
        return one.status()

    def key_removed(self, radio: str, ieee: Eui64) -> None:
        """A device's key is being removed from a radio."""
        if radio in self._radios:
            self._radios[radio].removed(ieee)

    def formed_anew(self, radio: str) -> None:
        """Somebody had it leave its network for another one: that is no alarm."""
        self._radios[radio].standing = formed_anew(self._radios[radio].standing)

    # -- making and restoring --------------------------------------------------------------------------------------

    def _able(self, radio: str) -> ZigbeeRadio:
        stick = self._network(radio).need_radio()
        if not stick.capabilities.backup:
            raise UnsupportedError(f"{radio!r} cannot be backed up: its stick does not tell its keys")
        return stick

    async def make(self, radio: str) -> BackupSummary:
        """Back up a radio now. Raises `UnsupportedError`, `UnavailableError`, `StorageError`."""
        stick, one = self._able(radio), self._radios[radio]
        async with one.lock:
            made = await one.make(stick)
        self._tried.pop(radio, None)
        return made

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
        self._network(radio)
        standing = self._radios[radio].standing
        network, name = standing.network, standing.good
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
        if self._radios[radio].lock.locked():
            raise RefusedError(f"{radio!r} is being backed up or restored just now: try again when that is done")
        for name, other in self._networks.items():
            if name != radio and other.radio is not None and other.radio.network.is_operational:
                here = other.radio.network
                if NetworkId(here.ieee, here.extended_pan_id) == network:
                    raise RefusedError(
                        f"the stick of {name!r} is on the air as the coordinator of this network: unplug it for good "
                        "first, since two break it"
                    )

    async def _put(
        self, radio: str, stick: ZigbeeRadio, document: Document, wanted: CoordinatorBackup, name: str | None
    ) -> Restored:
        one = self._radios[radio]
        async with one.lock:
            done = await one.put(stick, document, wanted, name)
        self._tried.pop(radio, None)
        self._returned(radio, {ieee: row.short for ieee, row in wanted.devices.items() if row.short is not None})
        return done

    async def _whole(self, work: Coroutine[None, None, T], what: str) -> T:
        """Do something to its end although the caller may go away: half a network on a stick is none."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        done.add_done_callback(lambda one: one.cancelled() or one.exception())

        async def chore() -> None:
            try:
                result = await work
            except Exception as error:  # noqa: BLE001 - a task's top: whoever waits raises it
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

        task = self._spawn(chore(), what)
        task.add_done_callback(lambda _: (work.close(), done.done() or done.cancel()))
        return await asyncio.shield(done)


def _confirmed(radio: str, confirm: str) -> None:
    if confirm != radio:
        raise InvalidError("confirm", confirm[:40], f"the radio's name, {radio!r}, since its network is replaced")
