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
"""SQL and its rows. The rows belong to the store from then on; statements may share one list of them."""

FLUSH_INTERVAL_S = 1.0
"""Appended records reach the disk so often: one flush a second is what a memory card bears for years."""
RETRY_INTERVAL_S = 5.0
"""A database that cannot be written is tried again so often."""
WAITING_ROWS = 200_000
"""Rows that may wait in memory for the disk: half an hour of a home of ten breakers (100 readings/s), some 30 MB."""
BATCH_ROWS = 20_000
"""Waiting rows go to disk in transactions of about so many: half a second, so that closing and a disk with little room
get at least a part through."""
BUSY_TIMEOUT_MS = 5000
"""Another program (a backup) may hold the database for so long."""
CLOSE_TIMEOUT_S = 1.0
"""The last flush may take so long; a hub leaves within 2 s."""


_SMALL_TABLES = ("device", "ledger", "command", "token", "session", "series")
"""What a start reads whole: damage in one of them would stop every start."""
_PROBE_HISTORY = "SELECT max((SELECT max(time) FROM raw WHERE series = series.id)) FROM series"
"""What a start reads of the large tables."""
_FAULTS_OF_THE_DATABASE = frozenset(
    {
        sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOTADB,
    }
)  # fmt: skip
"""These concern everybody who writes; any other error is of a wrong statement or value, and concerns its job alone."""


@dataclass(slots=True)
class _Job:
    """Statements that are applied together or not at all; `done` is None for appended ones."""

    statements: tuple[Statement, ...]
    done: asyncio.Future[None] | None
    rows: int
    """Rows held in memory; a list that several statements share counts once."""


def _job(statements: tuple[Statement, ...], done: asyncio.Future[None] | None) -> _Job:
    return _Job(statements, done, sum({id(rows): len(rows) for _, rows in statements}.values()))


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
        self._recording = True
        self._urgent: deque[_Job] = deque()
        self._stream: deque[_Job] = deque()
        self._in_flight = 0
        """Jobs at the head of the stream that are being written just now."""
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
        if self._recording:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="store writer")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._wake.set()
        try:
            if self._task is not None:
                done, _ = await asyncio.wait((self._task,), timeout=CLOSE_TIMEOUT_S)
                if not done:
                    log.error("the last records did not reach the disk in %.0f s", CLOSE_TIMEOUT_S)
                    self._task.cancel()
                    await asyncio.wait((self._task,))
        finally:
            for job in self._urgent:
                _fail(job, StorageError("the hub is closing"))
            await self._close_connections()

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
        if not self._recording:
            raise StorageError(self._status.detail)
        job = _job(statements, asyncio.get_running_loop().create_future())
        assert job.done is not None
        self._urgent.append(job)
        self._wake.set()
        await job.done

    def append(self, *statements: Statement) -> None:
        """Let `statements` join the next batch, together. Never fails; see `status` for what waits or was lost."""
        job = _job(statements, None)
        if not self._recording:
            self._lost += job.rows  # a history in memory would grow until there is none left
            return
        self._stream.append(job)
        self._waiting_rows += job.rows
        while self._waiting_rows > WAITING_ROWS and len(self._stream) > self._in_flight + 1:
            oldest = self._stream[self._in_flight]
            del self._stream[self._in_flight]
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
            self._mark_if_damaged(error)
            raise StorageError(f"the database cannot be read: {_explain(error, self._path)[1]}") from error

    async def size_bytes(self) -> int:
        """Bytes that the database takes on disk, its write-ahead log included; 0 when there is none."""
        return sum(
            path.stat().st_size
            for suffix in ("", "-wal", "-shm")
            if (path := self._path.with_name(self._path.name + suffix)).exists()
        )

    # -- opening -------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        try:
            self._prepare_files()
            try:
                await self._connect()
            except sqlite3.DatabaseError as error:
                if not _is_damaged(error):
                    raise
                await self._close_connections()
                aside = self._set_aside()
                self._set_status(StorageState.OK, f"the database was damaged ({error}); it was moved to {aside.name}")
                await self._connect()
        except (sqlite3.Error, OSError) as error:
            await self._close_connections()
            await self._open_read_only(error)

    def _prepare_files(self) -> None:
        """The directory 0700 and the file 0600, from the first byte."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.touch(mode=0o600, exist_ok=True)
        # A file that is there may still be on a file system that takes nothing.
        probe = self._path.with_suffix(".probe")
        probe.write_bytes(b"x")
        probe.unlink()

    async def _connect(self) -> None:
        self._writer = await aiosqlite.connect(self._path, isolation_level=None)
        await self._writer.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        await self._writer.execute("PRAGMA journal_mode = WAL")
        await self._writer.execute("PRAGMA synchronous = FULL")
        await self._writer.execute("PRAGMA foreign_keys = ON")
        await self._migrate(self._writer)
        await self._check(self._writer)
        self._reader = await aiosqlite.connect(self._path, isolation_level=None)
        await self._reader.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        await self._reader.execute("PRAGMA query_only = ON")

    async def _check(self, connection: aiosqlite.Connection) -> None:
        """Raise what SQLite raises for a damaged file, if what a start needs is damaged.

        The whole file is only checked when an earlier run met damage: for a history of years that takes minutes.
        """
        marker = self._marker()
        scopes = ("",) if marker.exists() else tuple(f"('{table}')" for table in _SMALL_TABLES)
        for scope in scopes:
            async with connection.execute(f"PRAGMA quick_check{scope}") as cursor:
                row = await cursor.fetchone()
            if row is not None and row[0] != "ok":
                fault = sqlite3.DatabaseError(str(row[0]).splitlines()[-1])
                fault.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise fault
        await connection.execute_fetchall(_PROBE_HISTORY)
        marker.unlink(missing_ok=True)

    def _marker(self) -> Path:
        """An empty file beside the database: a run met damage, so the next start checks all of it."""
        return self._path.with_name(f"{self._path.name}.check")

    def _mark_if_damaged(self, error: Exception) -> None:
        if self._recording and isinstance(error, sqlite3.Error) and _is_damaged(error):
            with contextlib.suppress(OSError):
                self._marker().touch(mode=0o600)

    async def _migrate(self, connection: aiosqlite.Connection) -> None:
        version = await self._version(connection)
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
            await connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")

    async def _open_read_only(self, cause: Exception) -> None:
        """Nothing can be recorded: live values are still shown, and what an earlier run recorded, if it can be read."""
        self._recording = False
        state, detail = _explain(cause, self._path, starting=True)
        # Without its write-ahead log the file can be read as it is ("immutable"): nobody can write it now either.
        for option in ("mode=ro", "mode=ro&immutable=1") if self._path.exists() else ():
            try:
                self._reader = await aiosqlite.connect(
                    f"{self._path.absolute().as_uri()}?{option}", isolation_level=None, uri=True
                )
                version = await self._version(self._reader)
                if version == len(MIGRATIONS):
                    for table in _SMALL_TABLES:
                        await self._reader.execute_fetchall(f"SELECT * FROM {table}")
                    await self._reader.execute_fetchall(_PROBE_HISTORY)
                    break
            except (sqlite3.Error, OSError) as error:
                log.debug("%s cannot be read with %s: %s", self._path, option, error)
            await self._close_connections()
        else:
            self._reader = await aiosqlite.connect(":memory:", isolation_level=None)
            await self._migrate(self._reader)
        await self._reader.execute("PRAGMA query_only = ON")
        self._set_status(state, detail)

    async def _version(self, connection: aiosqlite.Connection) -> int:
        """Format of the database. Raises `ConfigError` when it is newer than this program."""
        async with connection.execute("PRAGMA user_version") as cursor:
            row = await cursor.fetchone()
        version = int(row[0]) if row is not None else 0
        if version > len(MIGRATIONS):
            raise ConfigError(
                str(self._path), f"was written by a newer home-energy-hub (format {version}, known: {len(MIGRATIONS)})"
            )
        return version

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
            pause = FLUSH_INTERVAL_S if await self._write_waiting() else RETRY_INTERVAL_S
        await self._write_waiting()

    async def _write_waiting(self) -> bool:
        """Write what waits, in transactions of a bounded size; False when the database does not take it."""
        urgent = list(self._urgent)
        self._urgent.clear()
        left = len(self._stream)
        try:
            while left or urgent:
                left = min(left, len(self._stream))  # some may have been dropped for want of room meanwhile
                taken, rows = 0, 0
                while taken < left and (not taken or rows + self._stream[taken].rows <= BATCH_ROWS):
                    rows += self._stream[taken].rows
                    taken += 1
                left -= taken
                # Whoever waits for an answer also waits for what was appended before: `flush` lives by that.
                last = [] if left else urgent
                self._in_flight = taken
                await self._write_batch([self._stream[index] for index in range(taken)], last)
                if last:
                    urgent = []
        except Exception as error:  # a task's top: without its writer the hub would wait for ever
            if not _concerns_database(error):
                log.exception("the database's writer failed by a fault of ours")
            self._mark_if_damaged(error)
            state, detail = _explain(error, self._path)
            self._set_status(state, detail)
            for job in urgent:
                _fail(job, StorageError(detail))
            return False
        finally:
            self._in_flight = 0
            for job in urgent:
                _fail(job, StorageError("the hub is closing"))  # cancelled: any other failure was told above
        if self._status.state is not StorageState.OK:
            self._set_status(StorageState.OK, "")
        return True

    async def _write_batch(self, stream: list[_Job], urgent: list[_Job]) -> None:
        """Write the head of the stream and `urgent` in one transaction, and tell who waits."""
        refused = await self._commit([*stream, *urgent])
        for job in stream:
            self._stream.popleft()
            self._waiting_rows -= job.rows
            if id(job) in refused:
                self._lost += job.rows
        self._in_flight = 0
        for job in urgent:
            error = refused.get(id(job))
            if error is not None:
                _fail(job, StorageError(f"the database refused it: {error}"))
            elif job.done is not None and not job.done.done():
                job.done.set_result(None)

    async def _commit(self, jobs: list[_Job]) -> dict[int, Exception]:
        """One transaction with a savepoint for each job; returns the jobs whose statements were wrong."""
        assert self._writer is not None
        refused: dict[int, Exception] = {}
        connection = self._writer
        await connection.execute("BEGIN IMMEDIATE")
        try:
            for job in jobs:
                await connection.execute("SAVEPOINT job")
                try:
                    for sql, rows in job.statements:
                        await connection.executemany(sql, rows)
                except Exception as error:
                    if _concerns_database(error):
                        raise
                    await connection.execute("ROLLBACK TO job")
                    refused[id(job)] = error
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


def _code(error: BaseException) -> int | None:
    """SQLite's primary result code; None for what the Python module itself found wrong."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def _concerns_database(error: Exception) -> bool:
    """Whether everybody is concerned, not only the job whose statement it was."""
    return isinstance(error, OSError | MemoryError) or _code(error) in _FAULTS_OF_THE_DATABASE


def _is_damaged(error: sqlite3.Error) -> bool:
    return _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _explain(error: Exception, path: Path, *, starting: bool = False) -> tuple[StorageState, str]:
    """State and one sentence for people: what is wrong and what to do."""
    code = _code(error)
    number = error.errno if isinstance(error, OSError) else None
    then = "then restart the hub; nothing is recorded until then" if starting else "records wait in memory meanwhile"
    if code == sqlite3.SQLITE_FULL or number in (errno.ENOSPC, errno.EDQUOT):
        return StorageState.FULL, f"the disk that holds {path.parent} is full: make room; {then}"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN) or number in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StorageState.READ_ONLY, f"{path.parent} cannot be written: make it writable for this account; {then}"
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return (
            StorageState.FAILED,
            f"{path} is damaged: restart the hub, which checks it, moves it aside and begins a new one",
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StorageState.FAILED, f"another program holds {path}: end it; {then}"
    return StorageState.FAILED, f"the database in {path.parent} fails ({error}): check the disk; {then}"
