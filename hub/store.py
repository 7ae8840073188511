"""The database: one SQLite file, numbered migrations, one writer that batches.

Whoever awaits `write()` is answered when its records are on disk; all who wait at the same time share one transaction
and one flush of the disk. `append()` is for streams: it joins the next batch. When the disk is full or read-only, what
was appended waits in bounded memory and is tried again; `write()` fails at once, and nothing of it is applied later.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import aiosqlite

from hub.clock import Clock
from hub.errors import ConfigError, StorageError
from hub.model import StorageState, StorageStatus
from hub.schema import MIGRATIONS

log = logging.getLogger(__name__)

Statement = tuple[str, Sequence[Sequence[object]]]
"""SQL and its rows."""

FLUSH_INTERVAL_S = 1.0
"""Appended records reach the disk so often: one flush a second is what a memory card bears for years."""
RETRY_INTERVAL_S = 5.0
"""A database that cannot be written is tried again so often."""
WAITING_ROWS = 200_000
"""Rows that may wait in memory for the disk: half an hour of a home of ten breakers, some 60 MB."""
BUSY_TIMEOUT_MS = 5000
"""Another program (a backup) may hold the database for so long."""
CLOSE_TIMEOUT_S = 1.0
"""The last flush may take so long; a hub leaves within 2 s."""


@dataclass(slots=True)
class _Job:
    """Statements that are applied together or not at all; `done` is None for appended ones."""

    statements: tuple[Statement, ...]
    done: asyncio.Future[None] | None

    @property
    def rows(self) -> int:
        return sum(len(rows) for _, rows in self.statements)


_FAULTS_OF_A_JOB = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, OverflowError)
"""These are wrong statements or values: they concern one job, not the database."""


class Store:
    """`async with Store(path, clock)`: the open database."""

    def __init__(
        self, path: Path, clock: Clock, on_status: Callable[[StorageStatus], None] = lambda status: None
    ) -> None:
        """`on_status` is told when the database stops taking records, and when it takes them again."""
        self._path, self._clock, self._on_status = path, clock, on_status
        self._status = StorageStatus()
        self._writer: aiosqlite.Connection | None = None
        self._reader: aiosqlite.Connection | None = None
        self._in_memory = False
        self._urgent: deque[_Job] = deque()
        self._stream: deque[_Job] = deque()
        self._waiting_rows = 0
        self._lost = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Open and migrate. Raises `ConfigError` for a database that a newer program wrote."""
        try:
            await self._open()
        except BaseException:
            await self._close_connections()
            raise
        self._task = asyncio.get_running_loop().create_task(self._run(), name="store writer")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._wake.set()
        if self._task is not None:
            done, _ = await asyncio.wait((self._task,), timeout=CLOSE_TIMEOUT_S)
            if not done:
                log.error("the last records did not reach the disk in %.0f s", CLOSE_TIMEOUT_S)
                self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for job in (*self._urgent, *self._stream):
            if job.done is not None and not job.done.done():
                job.done.set_exception(StorageError("the hub is closing"))
        for connection in (self._reader, self._writer):
            if connection is not None:
                await connection.close()

    @property
    def status(self) -> StorageStatus:
        """Whether the database takes what it is given, and how much waits."""
        return replace(self._status, waiting=self._waiting_rows, lost=self._lost)

    async def write(self, *statements: Statement) -> None:
        """Apply `statements` in one transaction; they are on disk when this returns.

        Raises `StorageError` when that cannot be; then none of it is applied, now or later.
        """
        if self._closing:
            raise StorageError("the hub is closing")
        if self._in_memory:
            raise StorageError(self._status.detail)
        job = _Job(statements, asyncio.get_running_loop().create_future())
        assert job.done is not None
        self._urgent.append(job)
        self._wake.set()
        await job.done

    def append(self, *statements: Statement) -> None:
        """Let `statements` join the next batch, together. Never fails; see `status` for what waits or was lost."""
        job = _Job(statements, None)
        if self._in_memory:
            self._lost += job.rows  # a history in memory would grow until there is none left
            return
        self._stream.append(job)
        self._waiting_rows += job.rows
        while self._waiting_rows > WAITING_ROWS and len(self._stream) > 1:
            oldest = self._stream.popleft()
            self._waiting_rows -= oldest.rows
            self._lost += oldest.rows

    async def flush(self) -> None:
        """Everything appended so far is on disk when this returns. Raises `StorageError`."""
        if self._stream or self._urgent:
            await self.write()

    async def read(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Rows of committed data. Raises `StorageError` when the database cannot be read."""
        if self._reader is None:
            raise StorageError("the database is not open")
        try:
            async with self._reader.execute(sql, tuple(parameters)) as cursor:
                return [tuple(row) for row in await cursor.fetchall()]
        except sqlite3.Error as error:
            raise StorageError(f"the database cannot be read: {error}") from error

    async def size_bytes(self) -> int:
        """Bytes that the database takes on disk, its write-ahead log included; 0 in memory."""
        if self._in_memory:
            return 0
        return sum(
            path.stat().st_size
            for suffix in ("", "-wal", "-shm")
            if (path := self._path.with_name(self._path.name + suffix)).exists()
        )

    # -- opening -------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        try:
            self._prepare_files()
            await self._connect(str(self._path))
        except sqlite3.DatabaseError as error:
            await self._close_connections()
            if not _is_damaged(error):
                await self._open_in_memory(error)
                return
            aside = self._set_aside()
            self._set_status(StorageState.OK, f"the database was damaged ({error}); it was moved to {aside.name}")
            await self._connect(str(self._path))
        except OSError as error:
            await self._close_connections()
            await self._open_in_memory(error)

    def _prepare_files(self) -> None:
        """The directory 0700 and the file 0600, from the first byte."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.touch(mode=0o600, exist_ok=True)
        # A file that is there may still be on a file system that takes nothing.
        probe = self._path.with_suffix(".probe")
        probe.write_bytes(b"x")
        probe.unlink()

    async def _connect(self, name: str) -> None:
        self._writer = await aiosqlite.connect(name, isolation_level=None, uri=name.startswith("file:"))
        await self._writer.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        await self._writer.execute("PRAGMA journal_mode = WAL")
        await self._writer.execute("PRAGMA synchronous = FULL")
        await self._writer.execute("PRAGMA foreign_keys = ON")
        await self._migrate(self._writer)
        self._reader = await aiosqlite.connect(name, isolation_level=None, uri=name.startswith("file:"))
        await self._reader.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        await self._reader.execute("PRAGMA query_only = ON")

    async def _migrate(self, connection: aiosqlite.Connection) -> None:
        async with connection.execute("PRAGMA user_version") as cursor:
            row = await cursor.fetchone()
        version = int(row[0]) if row is not None else 0
        if version > len(MIGRATIONS):
            raise ConfigError(
                str(self._path), f"was written by a newer home-energy-hub (format {version}, known: {len(MIGRATIONS)})"
            )
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
            await connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")

    async def _open_in_memory(self, cause: Exception) -> None:
        """Without a place on disk the hub still shows live values; it says so and records nothing for later."""
        state, detail = _explain(cause, self._path)
        self._in_memory = True
        await self._connect(f"file:hub-{id(self)}?mode=memory&cache=shared")
        self._set_status(state, detail)

    def _set_aside(self) -> Path:
        stamp = self._clock.now().strftime("%Y%m%dT%H%M%SZ")
        aside = self._path.with_name(f"{self._path.name}.damaged-{stamp}")
        for suffix in ("", "-wal", "-shm"):
            path = self._path.with_name(self._path.name + suffix)
            if path.exists():
                path.rename(aside.with_name(aside.name + suffix))
        log.error("%s is damaged; moved to %s", self._path, aside)
        self._path.touch(mode=0o600)
        return aside

    async def _close_connections(self) -> None:
        for connection in (self._reader, self._writer):
            if connection is not None:
                await connection.close()
        self._reader = self._writer = None

    # -- the writer ----------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        pause = FLUSH_INTERVAL_S
        while not self._closing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            self._wake.clear()
            ok = await self._write_batch()
            pause = FLUSH_INTERVAL_S if ok else RETRY_INTERVAL_S
        await self._write_batch()

    async def _write_batch(self) -> bool:
        """Write what waits in one transaction; False when the database does not take it."""
        urgent = list(self._urgent)
        self._urgent.clear()
        stream = list(self._stream)
        jobs = stream + urgent
        if not jobs:
            return True
        try:
            refused = await self._commit(jobs)
        except (sqlite3.Error, OSError) as error:
            state, detail = _explain(error, self._path)
            self._set_status(state, detail)
            for job in urgent:
                _fail(job, StorageError(detail))
            return False
        # Appended meanwhile, or dropped for want of room: take out what was written, and only that.
        written = set(map(id, stream))
        self._stream = deque(job for job in self._stream if id(job) not in written)
        self._waiting_rows = sum(job.rows for job in self._stream)
        for job in urgent:
            if job.done is not None and not job.done.done():
                error_of = refused.get(id(job))
                if error_of is None:
                    job.done.set_result(None)
                else:
                    job.done.set_exception(StorageError(f"the database refused it: {error_of}"))
        if self._status.state is not StorageState.OK and not self._in_memory:
            self._set_status(StorageState.OK, "")
        return True

    async def _commit(self, jobs: list[_Job]) -> dict[int, sqlite3.Error]:
        """One transaction with a savepoint for each job; returns the jobs whose statements were wrong."""
        assert self._writer is not None
        refused: dict[int, sqlite3.Error] = {}
        connection = self._writer
        await connection.execute("BEGIN IMMEDIATE")
        try:
            for job in jobs:
                await connection.execute("SAVEPOINT job")
                try:
                    for sql, rows in job.statements:
                        await connection.executemany(sql, [tuple(row) for row in rows])
                except (
                    sqlite3.IntegrityError,
                    sqlite3.ProgrammingError,
                    sqlite3.InterfaceError,
                    OverflowError,
                ) as error:
                    await connection.execute("ROLLBACK TO job")
                    refused[id(job)] = error if isinstance(error, sqlite3.Error) else sqlite3.DataError(str(error))
                    if job.done is None:
                        log.error("records refused by the database: %s", error)
                await connection.execute("RELEASE job")
            await connection.execute("COMMIT")
        except BaseException:
            # A failed COMMIT may have rolled back by itself already.
            with contextlib.suppress(sqlite3.Error):
                await connection.execute("ROLLBACK")
            raise
        return refused

    def _set_status(self, state: StorageState, detail: str) -> None:
        before = self._status
        self._status = StorageStatus(state=state, detail=detail)
        if before.state is not state:
            (log.info if state is StorageState.OK else log.error)("database: %s %s", state.value, detail)
            self._on_status(self.status)


def _fail(job: _Job, error: StorageError) -> None:
    if job.done is not None and not job.done.done():
        job.done.set_exception(error)


def _is_damaged(error: sqlite3.Error) -> bool:
    return error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) if _has_code(error) else False


def _has_code(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) is not None


def _explain(error: Exception, path: Path) -> tuple[StorageState, str]:
    """State and one sentence for people."""
    code = error.sqlite_errorcode & 0xFF if isinstance(error, sqlite3.Error) and _has_code(error) else None
    number = error.errno if isinstance(error, OSError) else None
    if code == sqlite3.SQLITE_FULL or number in (errno.ENOSPC, errno.EDQUOT):
        return (
            StorageState.FULL,
            f"the disk that holds {path.parent} is full: make room; records wait in memory meanwhile",
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN) or number in (errno.EROFS, errno.EACCES, errno.EPERM):
        return (
            StorageState.READ_ONLY,
            f"{path.parent} cannot be written: make it writable for this account, then restart",
        )
    return StorageState.FAILED, f"the database in {path.parent} fails: {error}"
