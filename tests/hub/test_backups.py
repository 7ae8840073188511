"""Backups as the hub makes, keeps, compares and restores them, on a radio without wire."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta, timezone
from pathlib import Path

import pytest
from zigbee_home import PLUG, SENSOR, joined, plug, sensor
from zigbee_room import CAPABILITIES, DRIVER, NETWORK_KEY, Room, document_of

from hub.clock import ManualClock
from hub.config import ConfigError, parse
from hub.errors import InvalidError, NotFoundError, RefusedError, StorageError, UnavailableError, UnsupportedError
from hub.events import BackupChanged
from hub.hub import Hub
from hub.model import Availability
from hub.zigbee.backup_files import BackupFiles
from hub.zigbee.backup_rules import Lost
from hub.zigbee.backups import SETTLE_S
from protocols.ids import Eui64
from radios.api import DeliveryError, NetworkChanged, NoReplyError
from tests.hub.waiting import eventually

pytestmark = pytest.mark.usefixtures("quick_zigbee")

METER, OTHER = Eui64(0x00158D00000000A1), Eui64(0x00158D00000000A2)
KEY = bytes(range(0x40, 0x50))
EVENING = datetime(2026, 3, 10, 20, 0, tzinfo=UTC)
ABLE = replace(CAPABILITIES, backup=True, link_keys=True, configurable=False)


@asynccontextmanager
async def running(
    tmp_path: Path, clock: ManualClock | None = None, names: tuple[str, ...] = ("han",), **options: object
) -> AsyncIterator[tuple[Hub, Room]]:
    for name in names:
        room = DRIVER.rooms.setdefault(name, Room())
        room.capabilities = ABLE
        room.keys = room.keys or {METER: KEY, OTHER: KEY}
    table = {
        "radio": [{"name": name, "driver": "room", "pipe": "pty:/dev/null"} for name in names],
        "backup": {"nightly": False, **options},
    }
    async with Hub(parse(table, data_dir=tmp_path), clock or ManualClock(EVENING)) as hub:
        await eventually(lambda: all(status.state == "up" for status in hub.networks.all()))
        yield hub, DRIVER.rooms[names[0]]


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "backups" / "han").glob("????-*"))


def another_network(room: Room) -> None:
    """Another stick is in place, or this one was erased by another program."""
    room.network = replace(room.network, ieee=Eui64(0x00158D00000000EE), extended_pan_id=0xABCD, pan_id=0x7777)
    room.keys, room.listed = {}, set()


async def test_a_backup_is_the_open_format_for_its_owner_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(tmp_path) as (hub, room):
        with _listening(hub) as events:
            made = await hub.backups.make("han")
        [path] = files(tmp_path)
        assert path.name == "2026-03-10T200000.json"
        assert json.loads(path.read_text()) == document_of(room)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert (made.name, made.devices, made.link_keys, made.diff) == ("2026-03-10T200000", 2, 2, None)
        assert await hub.backups.document("han", made.name) == document_of(room)
        [event] = events
        assert event.what == "made"
        told = f"{caplog.text} {events} {await hub.backups.all('han')} {hub.networks.get('han')}"
        state = (path.parent / "state.json").read_text()
        for secret in (NETWORK_KEY, KEY.hex(), repr(KEY)[2:-1]):
            assert secret not in told
            assert secret not in state
        assert stat.S_IMODE((path.parent / "state.json").stat().st_mode) == 0o600


@contextmanager
def _listening(hub: Hub) -> Iterator[list[BackupChanged]]:
    """What is told while the block runs."""
    told: list[BackupChanged] = []
    subscription = hub.bus.subscribe(BackupChanged)
    try:
        yield told
    finally:
        told.extend(event for event in subscription.drain() if isinstance(event, BackupChanged))
        hub.bus._unsubscribe(subscription)


async def test_each_night_one_is_made_and_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.zigbee_parts.local_zone", lambda: timezone(timedelta(hours=1)))
    clock = ManualClock(EVENING)
    async with running(tmp_path, clock, nightly=True, at="03:00", keep=3) as (hub, _):
        await hub.backups.look()
        assert files(tmp_path) == [], "the radio has just come up"
        clock.advance(SETTLE_S)
        await hub.backups.look()
        assert len(files(tmp_path)) == 1, "there was none yet"
        await hub.backups.look()
        clock.advance(5 * 3600)
        await hub.backups.look()
        assert len(files(tmp_path)) == 1, "01:00 UTC is 02:00 here"
        clock.advance(3600)
        await hub.backups.look()
        assert len(files(tmp_path)) == 2
        for _ in range(5):
            clock.advance(24 * 3600)
            await hub.backups.look()
        assert [path.stem for path in files(tmp_path)] == [
            "2026-03-14T020030",
            "2026-03-15T020030",
            "2026-03-16T020030",
        ]


async def test_a_night_that_was_missed_is_made_up_for_when_the_radio_is_up(tmp_path: Path) -> None:
    async with running(tmp_path, ManualClock(EVENING)) as (hub, _):
        await hub.backups.make("han")
    clock = ManualClock(EVENING + timedelta(days=3))
    DRIVER.rooms["han"].is_absent = True
    table = {"radio": [{"name": "han", "driver": "room", "pipe": "pty:/dev/null"}]}
    async with Hub(parse(table, data_dir=tmp_path), clock) as hub:
        await eventually(lambda: hub.networks.get("han").state == "down")
        clock.advance(SETTLE_S)
        await hub.backups.look()
        assert len(files(tmp_path)) == 1
        DRIVER.rooms["han"].is_absent = False
        await eventually(lambda: hub.networks.get("han").state == "up")
        await hub.backups.look()
        clock.advance(SETTLE_S)
        await hub.backups.look()
        assert len(files(tmp_path)) == 2


async def test_a_radio_that_fails_at_night_is_told_of_and_asked_again(tmp_path: Path) -> None:
    clock = ManualClock(EVENING)
    async with running(tmp_path, clock, nightly=True) as (hub, room):
        await hub.backups.look()
        clock.advance(SETTLE_S)
        room.backup_fails = NoReplyError("the stick did not answer")
        with _listening(hub) as events:
            await hub.backups.look()
            await hub.backups.look()
        assert [event.what for event in events] == ["failed"]
        status = hub.backups.status("han")
        assert status is not None
        assert "did not answer" in status.failure
        room.backup_fails = None
        clock.advance(3600)
        await hub.backups.look()
        status = hub.backups.status("han")
        assert status is not None
        assert (status.failure, status.kept) == ("", 1)


async def test_nights_can_be_left_out(tmp_path: Path) -> None:
    clock = ManualClock(EVENING)
    async with running(tmp_path, clock, nightly=False) as (hub, _):
        await hub.backups.look()
        clock.advance(3 * 86400)
        await hub.backups.look()
        assert files(tmp_path) == []


async def test_a_link_key_that_is_missing_raises_the_alarm_until_it_is_acknowledged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as (hub, room):
        await hub.backups.make("han")
        del room.keys[METER]
        room.listed = {METER}
        with _listening(hub) as events:
            made = await hub.backups.make("han")
        assert made.diff is not None
        assert made.diff.keys_gone == (METER,)
        [event] = events
        assert event.what == "alarm"
        assert f"the link key of {METER} disappeared" in event.detail
        assert event.detail in caplog.text
        alarm = hub.networks.get("han").backup.alarm  # type: ignore[union-attr]
        assert alarm is not None
        assert [(row.ieee, row.what) for row in alarm.missing] == [(METER, Lost.LINK_KEY)]
    async with running(tmp_path, ManualClock(EVENING + timedelta(days=1))) as (hub, _):
        status = hub.backups.status("han")
        assert status is not None
        assert status.alarm == alarm, "it is still there after a restart"
        await hub.backups.make("han")
        assert (await hub.backups.acknowledge("han")).alarm is None
        await hub.backups.make("han")
        assert hub.backups.status("han").alarm is None  # type: ignore[union-attr]
        with pytest.raises(RefusedError, match="no alarm"):
            await hub.backups.acknowledge("han")


async def test_the_alarm_ends_when_the_key_is_there_again(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        await hub.backups.make("han")
        key = room.keys.pop(METER)
        with _listening(hub) as events:
            await hub.backups.make("han")
            await hub.backups.make("han")
            room.keys[METER] = key
            await hub.backups.make("han")
        assert [event.what for event in events] == ["alarm", "made", "well"]


async def test_a_device_that_was_removed_by_name_raises_none(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        device = plug()
        await joined(hub, room, device)
        room.keys[PLUG] = KEY
        await hub.backups.make("han")
        await hub.networks.remove(f"zigbee-{PLUG}")
        del room.keys[PLUG]
        made = await hub.backups.make("han")
        assert made.diff is not None
        assert made.diff.keys_gone == (PLUG,)
        assert hub.backups.status("han").alarm is None  # type: ignore[union-attr]


async def test_a_key_that_the_hub_itself_takes_back_raises_none(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        await hub.backups.make("han")
        hub.link_keys.establish("han", METER, None)
        del room.keys[METER]
        await hub.backups.make("han")
        hub.link_keys.put("han", OTHER, KEY)
        hub.link_keys.forget(OTHER)
        del room.keys[OTHER]
        assert (await hub.backups.make("han")).link_keys == 0
        assert hub.backups.status("han").alarm is None  # type: ignore[union-attr]


async def test_a_stick_that_keeps_fewer_addresses_than_the_one_before_raises_none(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        room.listed = {PLUG}
        made = await hub.backups.make("han")
        another_network(room)
        restore = room.restore

        async def frugal(kept: dict[str, object]) -> None:
            await restore(kept)
            room.listed = set()

        room.restore = frugal  # type: ignore[method-assign,assignment]
        await hub.backups.restore("han", "han", backup=made.name)
        await hub.backups.make("han")
        assert hub.backups.status("han").alarm is None  # type: ignore[union-attr]


async def test_what_an_alarm_needs_is_kept_however_old_it_is(tmp_path: Path) -> None:
    async with running(tmp_path, keep=2) as (hub, room):
        first = await hub.backups.make("han")
        del room.keys[METER]
        for _ in range(4):
            await hub.backups.make("han")
        kept = [path.stem for path in files(tmp_path)]
        assert first.name in kept
        assert len(kept) == 2
        assert str(METER) in json.dumps(await hub.backups.document("han", first.name))


async def test_a_folder_that_cannot_be_written_is_told_and_the_hub_goes_on(tmp_path: Path) -> None:
    clock = ManualClock(EVENING)
    async with running(tmp_path, clock, nightly=True) as (hub, _):
        (tmp_path / "backups").write_text("in the way")
        await hub.backups.look()
        clock.advance(SETTLE_S)
        with _listening(hub) as events:
            await hub.backups.look()
        [event] = events
        assert (event.what, event.status.kept) == ("failed", 0)
        assert "cannot be written" in event.detail
        with pytest.raises(StorageError, match="cannot be written"):
            await hub.backups.make("han")
        assert hub.networks.get("han").state == "up"
        (tmp_path / "backups").unlink()
        await hub.backups.make("han")
        assert hub.backups.status("han").failure == ""  # type: ignore[union-attr]


async def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as (hub, _):
        await hub.backups.make("han")
        before = files(tmp_path)

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("hub.private_file.os.fsync", full)
        with pytest.raises(StorageError, match="No space left"):
            await hub.backups.make("han")
        assert files(tmp_path) == before
        monkeypatch.undo()


KILLED = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from hub.zigbee.backup_files import BackupFiles
print("ready", flush=True)
os.fsync = lambda descriptor: os.kill(os.getpid(), 9)
BackupFiles(Path(sys.argv[1]), 14).write("han", datetime(2026, 3, 11, tzinfo=UTC), {"devices": "x" * 9000})
"""


async def test_a_hub_that_is_killed_while_it_writes_leaves_no_half_of_a_backup(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, _):
        made = await hub.backups.make("han")
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, str(tmp_path))
        assert await process.wait() == -signal.SIGKILL
        folder = tmp_path / "backups" / "han"
        assert (folder / "2026-03-11T000000.new").exists()
        assert [one.name for one in await hub.backups.all("han")] == [made.name]
        await hub.backups.make("han")
        assert not (folder / "2026-03-11T000000.new").exists()


async def test_a_file_that_was_spoilt_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(tmp_path) as (hub, room):
        first = await hub.backups.make("han")
        second = await hub.backups.make("han")
        path = tmp_path / "backups" / "han" / f"{second.name}.json"
        path.write_bytes(path.read_bytes()[:100])
        assert [one.name for one in await hub.backups.all("han")] == [first.name]
        assert "not what was written" in caplog.text
        with pytest.raises(StorageError, match="not what was written"):
            await hub.backups.restore("han", "han", backup=second.name)
        del room.keys[METER]
        await hub.backups.make("han")
        alarm = hub.backups.status("han").alarm  # type: ignore[union-attr]
        assert alarm is not None, "it is compared with the one before"


async def test_names_lead_to_no_other_file(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, _):
        await hub.backups.make("han")
        for name in ("state", "../../token", "2026-03-10T200000.json", "2026-13-10T200000", ""):
            with pytest.raises(NotFoundError):
                await hub.backups.document("han", name)
        with pytest.raises(NotFoundError):
            await hub.backups.document("other", "2026-03-10T200000")


async def test_a_radio_that_cannot_be_backed_up_says_so(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        room.capabilities = replace(ABLE, backup=False)
        assert hub.networks.get("han").backup is None
        with pytest.raises(UnsupportedError, match="cannot be backed up"):
            await hub.backups.make("han")
        with pytest.raises(UnsupportedError):
            await hub.backups.restore("han", "han", document=document_of(room))


# -- restoring -------------------------------------------------------------------------------------------------------


async def test_a_backup_is_restored_by_name_and_what_was_there_is_kept(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        made = await hub.backups.make("han")
        wanted, before = document_of(room), room.network
        another_network(room)
        with pytest.raises(InvalidError, match="the radio's name"):
            await hub.backups.restore("han", "", backup=made.name)
        with pytest.raises(InvalidError, match="one of the two"):
            await hub.backups.restore("han", "han")
        with pytest.raises(NotFoundError):
            await hub.backups.restore("han", "han", backup="2020-01-01T000000")
        assert room.restored == []
        with _listening(hub) as events:
            done = await hub.backups.restore("han", "han", backup=made.name)
        assert room.restored == [wanted]
        assert room.network == before
        assert "must not be on the air" in done.warning
        saved = await hub.backups.document("han", done.saved)
        assert saved["extended_pan_id"] == f"{0xABCD:016x}"
        assert events[-1].what == "restored"
        status = hub.backups.status("han")
        assert status is not None
        assert (status.alarm, status.failure) == (None, "")


async def test_a_stick_that_did_not_take_all_keys_raises_the_alarm(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        document = document_of(room)
        another_network(room)
        restore = room.restore

        async def forgetful(kept: dict[str, object]) -> None:
            await restore(kept)
            del room.keys[METER]

        room.restore = forgetful  # type: ignore[method-assign,assignment]
        done = await hub.backups.restore("han", "han", document=document)
        alarm = hub.backups.status("han").alarm  # type: ignore[union-attr]
        assert alarm is not None
        assert [(row.ieee, row.last_in) for row in alarm.missing] == [(METER, done.backup)]
        assert await hub.backups.document("han", done.backup) == document


async def test_a_document_that_is_none_never_reaches_the_stick(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        with pytest.raises(InvalidError, match="network_key"):
            await hub.backups.restore("han", "han", document={**document_of(room), "network_key": {"key": "abc"}})
        assert room.restored == []


async def test_what_the_stick_refuses_is_said_in_its_words_and_is_no_unfinished_work(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        made = await hub.backups.make("han")
        room.restore_fails = DeliveryError("the stick cannot take the address", "ADDRESS_FIXED", 0x0F)
        with pytest.raises(RefusedError, match="cannot take the address"):
            await hub.backups.restore("han", "han", backup=made.name)
        assert "restoring" not in json.loads((tmp_path / "backups" / "han" / "state.json").read_text())


async def test_a_file_that_the_stick_refuses_is_not_kept(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        made = await hub.backups.make("han")
        room.restore_fails = DeliveryError("the stick cannot take the address", "ADDRESS_FIXED", 0x0F)
        document = {**document_of(room), "coordinator_ieee": "00158d00000000aa"}
        with pytest.raises(RefusedError):
            await hub.backups.restore("han", "han", document=document)
        kept = await hub.backups.all("han")
        assert made.name in {one.name for one in kept}
        assert {one.network for one in kept} == {made.network}


async def test_a_restoration_that_broke_off_is_remembered(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        made = await hub.backups.make("han")
        room.restore_fails = NoReplyError("the stick did not answer")
        room.network = replace(room.network, waits_for="it is being restored")
        with pytest.raises(UnavailableError, match="did not answer"):
            await hub.backups.restore("han", "han", backup=made.name)
    room.restore_fails = None
    room.network = replace(room.network, waits_for="")
    async with running(tmp_path, ManualClock(EVENING + timedelta(hours=1))) as (hub, _):
        failure = hub.backups.status("han").failure  # type: ignore[union-attr]
        assert made.name in failure
        assert "not finished" in failure
        await hub.backups.restore("han", "han", backup=made.name)
        assert hub.backups.status("han").failure == ""  # type: ignore[union-attr]


async def test_it_goes_on_to_its_end_although_the_caller_goes_away(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        made = await hub.backups.make("han")
        begun, go_on = asyncio.Event(), asyncio.Event()
        restore = room.restore

        async def slow(kept: dict[str, object]) -> None:
            begun.set()
            await go_on.wait()
            await restore(kept)

        room.restore = slow  # type: ignore[method-assign,assignment]
        caller = asyncio.create_task(hub.backups.restore("han", "han", backup=made.name))
        await begun.wait()
        caller.cancel()
        with suppress(asyncio.CancelledError):
            await caller
        with _listening(hub) as events:
            go_on.set()
            await eventually(lambda: len(files(tmp_path)) == 3)
            await eventually(lambda: not hub.backups._radios["han"].lock.locked())
        assert events[-1].what == "restored"
        assert len(room.restored) == 1


async def test_another_stick_takes_the_network_of_the_one_before(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        with pytest.raises(RefusedError, match="no backup"):
            await hub.backups.replace("han", "han")
        device = plug()
        name = await joined(hub, room, device)
        made = await hub.backups.make("han")
        before = room.network
        with pytest.raises(RefusedError, match="already"):
            await hub.backups.replace("han", "han", overwrite=True)
        another_network(room)
        await hub.backups.make("han")
        assert hub.backups.status("han").alarm.other is not None  # type: ignore[union-attr]
        with pytest.raises(InvalidError, match="confirm"):
            await hub.backups.replace("han", "yes", overwrite=True)
        with pytest.raises(RefusedError, match="another network"):
            await hub.backups.replace("han", "han")
        assert room.restored == []
        done = await hub.backups.replace("han", "han", overwrite=True)
        assert done.backup == made.name, "not the last one, which is of the new stick's own network"
        assert room.network == before
        assert room.keys[METER] == KEY
        assert hub.devices.get(name).id == name
        assert hub.backups.status("han").alarm is None  # type: ignore[union-attr]


async def test_sleepy_devices_are_where_they_were_when_their_network_is_back(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        device = sensor()
        name = await joined(hub, room, device)
        room.listed = {SENSOR}
        await hub.backups.make("han")
        here, devices = room.network, room.devices
        another_network(room)
        room.devices = {}
        room.events_waiting.put_nowait(NetworkChanged(room.network))
        await eventually(lambda: hub.household.members[SENSOR].short is None)
        room.devices = devices
        await hub.backups.replace("han", "han", overwrite=True)
        assert room.network == here
        assert hub.household.members[SENSOR].short == device.short
        assert hub.devices.get(name).availability is Availability.AVAILABLE


async def test_a_stick_without_a_network_takes_it_unasked(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        made = await hub.backups.make("han")
        before = room.network
        another_network(room)
        room.network = replace(room.network, waits_for="it is being restored; if that has failed, restore it again")
        done = await hub.backups.replace("han", "han")
        assert (done.backup, done.saved) == (made.name, "")
        assert room.network == before


async def test_two_sticks_are_never_the_same_coordinator_at_once(tmp_path: Path) -> None:
    async with running(tmp_path, names=("han", "new")) as (hub, room):
        document = document_of(room)
        another_network(DRIVER.rooms["new"])
        with pytest.raises(RefusedError, match="'han' is on the air"):
            await hub.backups.restore("new", "new", document=document)
        assert DRIVER.rooms["new"].restored == []


async def test_one_thing_at_a_time_is_done_with_a_stick(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        made = await hub.backups.make("han")
        begun, go_on = asyncio.Event(), asyncio.Event()
        backup = room.backup

        async def slow() -> object:
            begun.set()
            await go_on.wait()
            return await backup()

        room.backup = slow  # type: ignore[method-assign,assignment]
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(hub.backups.make("han"))
            await begun.wait()
            second = tasks.create_task(hub.backups.make("han"))
            with pytest.raises(RefusedError, match="just now"):
                await hub.backups.restore("han", "han", backup=made.name)
            go_on.set()
        assert len({made.name, first.result().name, second.result().name}) == 3


async def test_the_last_good_one_that_was_deleted_by_hand_is_the_one_before_it(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        first, second = await hub.backups.make("han"), await hub.backups.make("han")
        another_network(room)
        (tmp_path / "backups" / "han" / f"{second.name}.json").unlink()
        assert (await hub.backups.replace("han", "han", overwrite=True)).backup == first.name


async def test_a_network_that_was_erased_by_name_is_not_missed_not_even_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        await hub.backups.make("han")
        await hub.networks.erase("han", "han")
        room.keys = {}
    room.keys = {OTHER: KEY}
    async with running(tmp_path, ManualClock(EVENING + timedelta(hours=1))) as (hub, _):
        await hub.backups.make("han")
        assert hub.backups.status("han").alarm is None  # type: ignore[union-attr]


def test_options_are_checked(tmp_path: Path) -> None:
    found = parse({"backup": {"at": "04:30", "keep": 30, "nightly": False}}, data_dir=tmp_path).backup
    assert (found.at, found.keep, found.nightly) == (time(4, 30), 30, False)
    assert parse({}, data_dir=tmp_path).backup.at == time(3, 0)
    for key, value in (("at", "25:00"), ("at", 3), ("keep", 1), ("keep", True), ("nightly", "no"), ("often", 1)):
        with pytest.raises(ConfigError, match=rf"backup\.{key}"):
            parse({"backup": {key: value}}, data_dir=tmp_path)


def test_state_that_cannot_be_read_is_made_of_the_newest_backup(tmp_path: Path) -> None:
    kept = BackupFiles(tmp_path, 14)
    name = kept.write("han", EVENING, document_of(Room()))
    (kept.folder("han") / "state.json").write_text("{")
    found = kept.standing("han")
    assert (found.latest, found.good, found.made_at, found.alarm) == (name, name, EVENING, None)
