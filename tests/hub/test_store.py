"""The database: one writer, and a clear state whatever the disk does."""

from __future__ import annotations

import asyncio
import contextlib
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
    with pytest.raises(StorageError, match="not open"):
        await store.read("SELECT 1")


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


def damage_from_page(path: Path, page: int) -> None:
    content = bytearray(path.read_bytes())
    assert len(content) > page * 4096
    content[page * 4096 :] = b"\xaa" * (len(content) - page * 4096)
    path.write_bytes(content)


async def test_damage_deep_in_the_file_does_not_stop_every_start(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    async with Store(path, ManualClock()) as store:
        await store.write(
            *((TOKEN[0], [(f"{number}", "n" * 300, "viewer", f"{number}", 1, None)]) for number in range(200))
        )
    damage_from_page(path, 20)
    async with Store(path, ManualClock()) as store:
        assert "was damaged" in store.status.detail
        assert await store.read("SELECT * FROM token") == []
        await store.write(row(1))
    assert list(tmp_path.glob("hub.db.damaged-*"))


async def test_damage_met_on_the_way_is_dealt_with_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    async with Store(path, ManualClock()) as store:
        await store.write((INSERT, [(series, time, 0.5) for series in range(10) for time in range(3000)]))
    damage_from_page(path, 40)
    async with Store(path, ManualClock()) as store:
        assert store.status == StorageStatus(), "a start reads little of the history"
        with pytest.raises(StorageError, match="is damaged: restart the hub"):
            await store.read("SELECT sum(value) FROM raw")
    async with Store(path, ManualClock()) as store:
        assert "was damaged" in store.status.detail
        assert await count(store) == 0
    async with Store(path, ManualClock()) as store:
        assert store.status == StorageStatus()
    assert len(list(tmp_path.glob("hub.db.damaged-*"))) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        ("INSERT INTO nonsense VALUES (1)", [()]),
        ("INSERT INTO token VALUES (?, ?, ?, ?, ?, ?)", [("\ud800", "n", "r", "h", 1, None)]),
        (INSERT, [(1, 2)]),
        (INSERT, [(1, 1 << 80, 0.5)]),
        (INSERT, [(1, 2, object())]),
    ],
)
async def test_a_wrong_statement_concerns_nobody_else(tmp_path: Path, wrong: Statement) -> None:
    async with Store(tmp_path / "hub.db", ManualClock()) as store, asyncio.timeout(10):
        store.append(row(1))
        store.append(wrong)
        with pytest.raises(StorageError, match="refused"):
            await store.write(wrong)
        await store.write(row(3))
        assert await count(store) == 2
        assert store.status == StorageStatus(lost=1)


async def test_rows_that_statements_share_wait_once(tmp_path: Path) -> None:
    rows = [(1, number, 0.5) for number in range(100)]
    async with Store(tmp_path / "hub.db", ManualClock()) as store:
        store.append((INSERT, rows), ("DELETE FROM raw WHERE series = ?1 AND time = ?2 AND value > ?3", rows))
        assert store.status.waiting == 100


async def test_a_long_queue_is_written_in_parts_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_ROWS", 10)
    async with Store(tmp_path / "hub.db", ManualClock()) as store:
        for number in range(95):
            store.append(row(number))
        await store.write(("DELETE FROM raw WHERE time < ?", [(90,)]))
        assert await count(store) == 5, "whoever waits comes after what was appended before"
        assert store.status.waiting == 0


async def test_closing_answers_whoever_waits_although_the_disk_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLOSE_TIMEOUT_S", 0.05)
    path = tmp_path / "hub.db"
    other: sqlite3.Connection
    async with asyncio.timeout(20), Store(path, ManualClock()) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert store._writer is not None
        await store._writer.execute("PRAGMA busy_timeout = 300")
        writing = asyncio.ensure_future(store.write(row(1)))
        await asyncio.sleep(0)
    with pytest.raises(StorageError, match="closing"):
        await writing
    other.execute("ROLLBACK")
    assert other.execute("SELECT count(*) FROM raw").fetchone() == (0,), "and it was not applied after all"
    other.close()


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
        ballast = fill(small_disk)
        rows = [(1, number, 0.5) for number in range(1, 20_001)]
        store.append((INSERT, rows))
        with pytest.raises(StorageError, match="is full: make room"):
            await store.write(row(99_999))
        assert store.status.state is StorageState.FULL
        assert store.status.waiting == 20_000
        assert await count(store) == 1, "reading goes on"
        ballast.unlink()
        async with asyncio.timeout(10):
            while store.status.waiting:  # noqa: ASYNC110 - the writer's own pace is what is tested
                await asyncio.sleep(0.02)
        assert store.status == StorageStatus()
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
        assert store.status == StorageStatus()


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


def fill(place: Path) -> Path:
    """Leave no byte on the file system at `place`; the file that takes the room."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return ballast


TOKEN: Statement = ("INSERT INTO token VALUES (?, ?, ?, ?, ?, ?)", [("t", "name", "viewer", "hash", 1, None)])


async def test_a_disk_that_is_full_at_the_start_still_shows_what_is_recorded(small_disk: Path) -> None:
    path = small_disk / "hub.db"
    async with Store(path, ManualClock()) as store:
        await store.write(TOKEN)
    ballast = fill(small_disk)
    async with Store(path, ManualClock()) as store:
        assert store.status.state is StorageState.FULL
        assert "make room; then restart the hub" in store.status.detail
        assert await store.read("SELECT id FROM token") == [("t",)]
        with pytest.raises(StorageError, match="is full"):
            await store.write(row(1))
    ballast.unlink()
    async with Store(path, ManualClock()) as store:
        await store.write(row(1))
        assert await store.read("SELECT id FROM token") == [("t",)]


def remount_read_only(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)


async def test_a_read_only_directory_with_a_database_still_shows_what_is_recorded(small_disk: Path) -> None:
    async with Store(small_disk / "hub.db", ManualClock()) as store:
        await store.write(TOKEN, row(1))
    remount_read_only(small_disk)
    async with Store(small_disk / "hub.db", ManualClock()) as store:
        assert store.status.state is StorageState.READ_ONLY
        assert await store.read("SELECT id FROM token") == [("t",)]
        assert await count(store) == 1


async def test_a_read_only_directory_gives_a_clear_state(small_disk: Path) -> None:
    remount_read_only(small_disk)
    async with Store(small_disk / "hub.db", ManualClock()) as store:
        assert store.status.state is StorageState.READ_ONLY
        assert "cannot be written" in store.status.detail
        with pytest.raises(StorageError, match="cannot be written"):
            await store.write(row(1))
    assert list(small_disk.iterdir()) == []
