"""The database: one writer, and a clear state whatever the disk does."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import store as module
from hub.clock import ManualClock
from hub.errors import ConfigError, StorageError
from hub.model import StorageState, StorageStatus
from hub.schema import MIGRATIONS
from hub.store import Statement, Store

INSERT = "INSERT INTO raw (series, time, value) VALUES (?, ?, ?)"


def row(number: int) -> Statement:
    return (INSERT, [(1, number, 0.5)])


async def count(store: Store) -> int:
    [(number,)] = await store.read("SELECT count(*) FROM raw")
    assert isinstance(number, int)
    return number


async def test_what_was_written_is_there_and_readable_by_anybody_with_sqlite(tmp_path: Path) -> None:
    async with Store(tmp_path / "hub.db", ManualClock()) as store:
        await store.write(row(1), row(2))
        assert await count(store) == 2
        with sqlite3.connect(tmp_path / "hub.db") as other:
            assert other.execute("SELECT count(*) FROM raw").fetchone() == (2,)
            assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        other.close()
        assert await store.size_bytes() > 0


async def test_the_database_and_its_directory_are_private(tmp_path: Path) -> None:
    place = tmp_path / "new" / "hub.db"
    async with Store(place, ManualClock()) as store:
        await store.write(row(1))
        for path in place.parent.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700


async def test_all_statements_of_one_write_are_applied_or_none(tmp_path: Path) -> None:
    async with Store(tmp_path / "hub.db", ManualClock()) as store:
        await store.write(row(1))
        with pytest.raises(StorageError, match="refused"):
            await store.write(row(2), row(1))
        assert await count(store) == 1


async def test_a_wrong_write_harms_nobody_who_writes_at_the_same_time(tmp_path: Path) -> None:
    async with Store(tmp_path / "hub.db", ManualClock()) as store:
        store.append(row(50))
        results = await asyncio.gather(
            store.write(row(1)), store.write(row(1)), store.write(row(2)), return_exceptions=True
        )
        assert [type(result) for result in results] == [type(None), StorageError, type(None)]
        assert await count(store) == 3
        assert store.status.state is StorageState.OK


async def test_a_cancelled_writer_breaks_nothing(tmp_path: Path) -> None:
    async with Store(tmp_path / "hub.db", ManualClock()) as store:
        writing = asyncio.ensure_future(store.write(row(1)))
        await asyncio.sleep(0)
        writing.cancel()
        await store.write(row(2))
        assert await count(store) in (1, 2)


async def test_what_was_appended_is_on_disk_after_a_flush_and_after_closing(tmp_path: Path) -> None:
    async with Store(tmp_path / "hub.db", ManualClock()) as store:
        store.append(row(1))
        assert store.status.waiting == 1
        await store.flush()
        assert store.status.waiting == 0
        assert await count(store) == 1
        store.append(row(2))
    async with Store(tmp_path / "hub.db", ManualClock()) as store:
        assert await count(store) == 2


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    async with Store(tmp_path / "hub.db", ManualClock()) as store:
        pass
    with pytest.raises(StorageError, match="closing"):
        await store.write(row(1))


async def test_a_database_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    async with Store(path, ManualClock()):
        pass
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    other.close()
    with pytest.raises(ConfigError, match="newer home-energy-hub"):
        async with Store(path, ManualClock()):
            pass
    assert list(tmp_path.glob("*damaged*")) == []


async def test_every_migration_leads_from_an_older_database_to_the_newest(tmp_path: Path) -> None:
    for version in range(len(MIGRATIONS) + 1):
        path = tmp_path / f"{version}.db"
        with sqlite3.connect(path) as old:
            for script in MIGRATIONS[:version]:
                old.executescript(script)
            old.execute(f"PRAGMA user_version = {version}")
        old.close()
        async with Store(path, ManualClock()) as store:
            await store.write(row(1))
            assert (await store.read("PRAGMA user_version"))[0][0] == len(MIGRATIONS)


@pytest.mark.parametrize("damage", [b"this is not a database at all " * 200, b"SQLite format 3\0" + b"\xff" * 4080])
async def test_a_damaged_database_is_moved_aside_and_a_new_one_begun(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "hub.db"
    path.write_bytes(damage)
    async with Store(path, ManualClock()) as store:
        await store.write(row(1))
        assert store.status.state is StorageState.OK
        assert await count(store) == 1
    [aside] = tmp_path.glob("hub.db.damaged-20260101T000000Z")
    assert aside.read_bytes() == damage


# -- disks that do not want --------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one megabyte; only root may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() or mount is None:
        pytest.skip("mounting a small disk needs root; the limit on pages is tested instead")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


async def test_a_full_disk_is_said_so_loses_nothing_and_heals_by_itself(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_INTERVAL_S", 0.05)
    statuses: list[StorageStatus] = []
    async with Store(small_disk / "hub.db", ManualClock(), statuses.append) as store:
        await store.write(row(0))
        (small_disk / "ballast").write_bytes(bytes(1 << 14))
        with (small_disk / "ballast").open("ab", buffering=0) as ballast:
            try:
                while ballast.write(bytes(4096)):
                    pass
            except OSError:
                pass
        rows = [(1, number, 0.5) for number in range(1, 20_001)]
        store.append((INSERT, rows))
        with pytest.raises(StorageError, match="is full: make room"):
            await store.write(row(99_999))
        assert store.status.state is StorageState.FULL
        assert store.status.waiting == 20_000
        assert await count(store) == 1, "reading goes on"
        (small_disk / "ballast").unlink()
        async with asyncio.timeout(10):
            while store.status.waiting:  # noqa: ASYNC110 - the writer's own pace is what is tested
                await asyncio.sleep(0.02)
        assert store.status.state is StorageState.OK
        assert await count(store) == 20_001, "what was appended came through; what failed was not applied later"
    assert [status.state for status in statuses] == [StorageState.FULL, StorageState.OK]


async def test_a_database_that_may_not_grow_is_full(tmp_path: Path) -> None:
    async with Store(tmp_path / "hub.db", ManualClock()) as store:
        assert store._writer is not None
        async with store._writer.execute("PRAGMA page_count") as cursor:
            [pages] = await cursor.fetchone() or [0]
        await store._writer.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StorageError, match="is full"):
            await store.write((INSERT, [(1, number, 0.5) for number in range(20_000)]))
        assert store.status.state is StorageState.FULL
        await store._writer.execute("PRAGMA max_page_count = 1000000")
        await store.write(row(1))
        assert store.status.state is StorageState.OK


async def test_memory_for_waiting_records_is_bounded_and_the_loss_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_ROWS", 100)
    async with Store(tmp_path / "hub.db", ManualClock()) as store:
        for number in range(250):
            store.append(row(number))
        assert (store.status.waiting, store.status.lost) == (100, 150)
        await store.flush()
        rows = await store.read("SELECT min(time), max(time) FROM raw")
        assert rows == [(150, 249)], "the oldest went first"


async def test_without_a_place_on_disk_the_hub_still_has_a_database_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    async with Store(tmp_path / "file" / "hub.db", ManualClock()) as store:
        assert store.status.state in (StorageState.READ_ONLY, StorageState.FAILED)
        assert str(tmp_path / "file") in store.status.detail
        with pytest.raises(StorageError):
            await store.write(row(1))
        store.append(row(2))
        await store.flush()
        assert (store.status.waiting, store.status.lost) == (0, 1), "memory does not fill up instead"
        assert await count(store) == 0
        assert await store.size_bytes() == 0


def remount_read_only(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)


async def test_a_read_only_directory_gives_a_clear_state(small_disk: Path) -> None:
    remount_read_only(small_disk)
    async with Store(small_disk / "hub.db", ManualClock()) as store:
        assert store.status.state is StorageState.READ_ONLY
        assert "cannot be written" in store.status.detail
        with pytest.raises(StorageError, match="cannot be written"):
            await store.write(row(1))
    assert list(small_disk.iterdir()) == []
