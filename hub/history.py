"""Readings and commands over time: append, roll up, query by device and time.

Every reading goes into `raw`, which is kept for some days, and in the same transaction into the sums over a minute, a
quarter of an hour, an hour and a day, which are kept for years. So a sum never counts a reading twice and never misses
one, whenever the power goes. Days are UTC days.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from hub.bus import Bus, SubscriberLaggedError
from hub.clock import Clock
from hub.errors import InvalidError, StorageError
from hub.events import ReadingsTaken
from hub.model import QUANTITIES, Action, Channel, Command, Outcome, Position, Quantity, QuantityKind
from hub.store import Statement, Store

log = logging.getLogger(__name__)

DEFAULT_RAW_HISTORY = timedelta(hours=48)
MAX_POINTS = 20_000
"""Of one answer: 5.5 hours at 1 Hz, about 1 MB of JSON."""
AUTO_POINTS = 1_500
"""What a chart as wide as a screen can show."""
RECORD_INTERVAL_S = 1.0
"""Readings are handed to the database in batches of so long."""
TIDY_INTERVAL_S = 600.0
TIDY_ROWS = 2_000
"""Rows deleted in one go: a few milliseconds, so that nobody waits for the writer."""
EVENTS_WAITING = 65_536
"""Events the recorder may be behind: five minutes of 200 breakers at 1 Hz."""


class Resolution(StrEnum):
    """How finely a series is told."""

    RAW = "raw"
    MINUTE = "1m"
    QUARTER = "15m"
    HOUR = "1h"
    DAY = "1d"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class _Level:
    """A level of sums: how long a bucket is, and how long buckets are kept."""

    resolution: Resolution
    seconds: int
    kept: timedelta | None


LEVELS: tuple[_Level, ...] = (
    # Ten breakers have some 60 series, 50 bytes a bucket. A year of the home then takes 4.3 GB of minutes if all were
    # kept, so these go after 30 days (130 MB); quarters after two years (210 MB); hours and days (27 MB a year) stay.
    _Level(Resolution.MINUTE, 60, timedelta(days=30)),
    _Level(Resolution.QUARTER, 900, timedelta(days=731)),
    _Level(Resolution.HOUR, 3600, None),
    _Level(Resolution.DAY, 86400, None),
)
_BY_RESOLUTION = {level.resolution: level for level in LEVELS}


@dataclass(frozen=True, slots=True)
class Point:
    """A reading, or a bucket of readings: `value` is the mean of a gauge and the last value of a counter."""

    time: datetime
    value: float
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points of one quantity of one channel of one device, oldest first. A gap in time is a gap in the points."""

    device_id: str
    quantity: Quantity
    channel: Channel
    resolution: Resolution
    start: datetime
    end: datetime
    points: tuple[Point, ...]


_ROLL_UP = """
INSERT INTO rollup (level, series, time, count, sum, min, max, first, last, last_time)
VALUES (?1, ?2, ?3, 1, ?4, ?4, ?4, ?4, ?4, ?5)
ON CONFLICT (level, series, time) DO UPDATE SET
    count = count + 1, sum = sum + ?4, min = min(min, ?4), max = max(max, ?4),
    last = CASE WHEN ?5 >= last_time THEN ?4 ELSE last END, last_time = max(last_time, ?5)
"""
_ROLL_UP_IF_NEW = _ROLL_UP.replace(
    "VALUES (?1, ?2, ?3, 1, ?4, ?4, ?4, ?4, ?4, ?5)",
    "SELECT ?1, ?2, ?3, 1, ?4, ?4, ?4, ?4, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM raw WHERE series = ?2 AND time = ?5)",
)
_RAW = "INSERT INTO raw (series, time, value) VALUES (?, ?, ?)"
_RAW_IF_NEW = "INSERT OR IGNORE INTO raw (series, time, value) VALUES (?, ?, ?)"

_Key = tuple[str, Channel, Quantity]


class History:
    """What was read and what was asked for."""

    def __init__(self, store: Store, clock: Clock, raw_kept: timedelta = DEFAULT_RAW_HISTORY) -> None:
        self._store, self._clock, self._raw_kept = store, clock, raw_kept
        self._series: dict[_Key, int] = {}
        self._next_series = 1
        self._newest: dict[_Key, int] = {}
        """Time of the reading of a series that was recorded last."""
        self._highest: dict[_Key, int] = {}
        """The latest time that a series ever had; after a clock was set back it lies ahead."""
        self._held: dict[_Key, tuple[int, float]] = {}
        """The newest reading of a thinned series that was not recorded yet."""
        self._rows: list[tuple[int, int, float]] = []
        self._late: list[tuple[int, int, float]] = []
        """Readings not later than all before them: the clock was set back, so their time may be taken already."""
        self._last_number: int | None = None
        """Of the commands; None until it was read."""

    async def load(self) -> None:
        """Read the list of series back after a start."""
        rows = await self._store.read(
            "SELECT id, device, channel, quantity, (SELECT max(time) FROM raw WHERE series = series.id) FROM series"
        )
        for number, device, channel, quantity, newest in rows:
            assert isinstance(number, int)
            self._next_series = max(self._next_series, number + 1)
            try:
                key = (str(device), Channel(str(channel)), Quantity(str(quantity)))
            except ValueError:
                continue  # of another version of this program; its readings stay
            self._series[key] = number
            if isinstance(newest, int):
                self._newest[key] = self._highest[key] = newest

    # -- readings ------------------------------------------------------------------------------------------------

    async def run(self, bus: Bus) -> None:
        """Record every reading that is published, and tidy up, until cancelled."""
        while True:
            try:
                await self._run(bus)
            except SubscriberLaggedError as error:
                log.error("history: readings were lost: %s", error)

    async def _run(self, bus: Bus) -> None:
        async with bus.subscribe(ReadingsTaken, limit=EVENTS_WAITING) as events:
            tidied = self._clock.monotonic()
            try:
                while True:
                    self.record(await events.get())
                    for event in events.drain():
                        self.record(event)
                    self.hand_over()
                    if self._clock.monotonic() - tidied >= TIDY_INTERVAL_S:
                        tidied = self._clock.monotonic()
                        try:
                            await self.tidy()
                        except StorageError as error:
                            log.warning("history: what is past its time stays for now: %s", error)
                    await asyncio.sleep(RECORD_INTERVAL_S)
            finally:
                for event in events.drain():
                    self.record(event)
                self.record_held()
                self.hand_over()

    def record(self, event: ReadingsTaken) -> None:
        """Take the readings of an event; those of a quantity that is thinned wait until they are due."""
        time = _milliseconds(event.time)
        for reading in event.readings:
            key = (event.device_id, reading.channel, reading.quantity)
            interval = QUANTITIES[reading.quantity].history_interval_s
            newest = self._newest.get(key)
            if newest is not None:
                if time == newest:
                    continue  # the same reading again
                if interval and newest < time < newest + interval * 1000:
                    self._held[key] = (time, reading.value)
                    continue
            self._held.pop(key, None)
            self._put(key, time, reading.value)

    def record_held(self) -> None:
        """Record what was held back, before closing."""
        held, self._held = self._held, {}
        for key, (time, value) in held.items():
            self._put(key, time, value)

    def hand_over(self) -> None:
        """Give what was recorded to the database: the readings and all their sums in one transaction."""
        if self._rows:
            rows, self._rows = self._rows, []
            self._store.append((_RAW, rows), *_roll_ups(_ROLL_UP, rows))
        if self._late:
            rows, self._late = self._late, []
            for row in rows:  # one by one: each is counted only if its time is free
                self._store.append(*_roll_ups(_ROLL_UP_IF_NEW, [row]), (_RAW_IF_NEW, [row]))

    def _put(self, key: _Key, time: int, value: float) -> None:
        highest = self._highest.get(key)
        late = highest is not None and time <= highest
        self._newest[key] = time
        self._highest[key] = time if highest is None else max(time, highest)
        number = self._series.get(key)
        if number is None:
            number = self._series[key] = self._next_series
            self._next_series += 1
            device, channel, quantity = key
            self._store.append(
                (
                    "INSERT OR IGNORE INTO series (id, device, channel, quantity) VALUES (?, ?, ?, ?)",
                    [(number, device, channel.value, quantity.value)],
                )
            )
        (self._late if late else self._rows).append((number, time, value))

    async def tidy(self) -> None:
        """Delete what is past its time, in slices."""
        now = self._clock.now()
        await self._delete("raw", "time < ?", (_milliseconds(now - self._raw_kept),))
        for level in LEVELS:
            if level.kept is not None:
                await self._delete("rollup", "level = ? AND time < ?", (level.seconds, _milliseconds(now - level.kept)))

    async def _delete(self, table: str, condition: str, parameters: Sequence[object]) -> None:
        keys = {"raw": "series, time", "rollup": "level, series, time"}[table]
        where = f"({keys}) IN (SELECT {keys} FROM {table} WHERE {condition} LIMIT {TIDY_ROWS})"
        while await self._store.read(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1", parameters):
            await self._store.write((f"DELETE FROM {table} WHERE {where}", [tuple(parameters)]))

    async def series(
        self,
        device_id: str,
        quantity: Quantity,
        channel: Channel,
        start: datetime,
        end: datetime,
        resolution: Resolution = Resolution.AUTO,
    ) -> Series:
        """Points from `start` to before `end`. What is answered is on disk. Raises `InvalidError`."""
        if end <= start:
            raise InvalidError("from", start.isoformat(), f"a time before {end.isoformat()}")
        if resolution is Resolution.AUTO:
            resolution = self._choose(start, end)
        self.hand_over()
        await self._store.flush()
        number = self._series.get((device_id, channel, quantity))
        points: tuple[Point, ...] = ()
        if number is not None:
            span = (_milliseconds(start), _milliseconds(end))
            if resolution is Resolution.RAW:
                points = await self._raw(number, span)
            else:
                points = await self._rolled(number, _BY_RESOLUTION[resolution], quantity, span)
        return Series(
            device_id=device_id,
            quantity=quantity,
            channel=channel,
            resolution=resolution,
            start=start,
            end=end,
            points=points,
        )

    def _choose(self, start: datetime, end: datetime) -> Resolution:
        """The finest resolution that gives no more points than a chart can show and that still exists at `start`."""
        seconds = (end - start).total_seconds()
        now = self._clock.now()
        if seconds <= AUTO_POINTS and now - start <= self._raw_kept:
            return Resolution.RAW
        for level in LEVELS:
            if seconds / level.seconds <= AUTO_POINTS and (level.kept is None or now - start <= level.kept):
                return level.resolution
        return Resolution.DAY

    async def _raw(self, number: int, span: tuple[int, int]) -> tuple[Point, ...]:
        rows = await self._store.read(
            "SELECT time, value FROM raw WHERE series = ? AND time >= ? AND time < ? ORDER BY time LIMIT ?",
            (number, *span, MAX_POINTS + 1),
        )
        _refuse_too_many(rows, span)
        return tuple(Point(_time(row[0]), _float(row[1])) for row in rows)

    async def _rolled(self, number: int, level: _Level, quantity: Quantity, span: tuple[int, int]) -> tuple[Point, ...]:
        start = span[0] - span[0] % (level.seconds * 1000)
        rows = await self._store.read(
            "SELECT time, sum / count, min, max, last FROM rollup "
            "WHERE level = ? AND series = ? AND time >= ? AND time < ? ORDER BY time LIMIT ?",
            (level.seconds, number, start, span[1], MAX_POINTS + 1),
        )
        _refuse_too_many(rows, span)
        value = 4 if QUANTITIES[quantity].kind is QuantityKind.COUNTER else 1
        return tuple(Point(_time(row[0]), _float(row[value]), _float(row[2]), _float(row[3])) for row in rows)

    # -- commands ------------------------------------------------------------------------------------------------

    async def begin_command(self, device_id: str, action: Action, requested_by: str) -> Command:
        """Record an intent; it is on disk when this returns. Raises `StorageError`."""
        [command] = await self.begin_commands((device_id,), action, requested_by)
        return command

    async def begin_commands(self, device_ids: Sequence[str], action: Action, requested_by: str) -> list[Command]:
        """Record one intent for each device, all or none. Raises `StorageError`."""
        now = self._clock.now()
        first = await self._reserve(len(device_ids))
        commands = [
            Command(
                id=f"c-{first + index:06d}",
                device_id=device_id,
                action=action,
                requested_at=now,
                requested_by=requested_by,
            )
            for index, device_id in enumerate(device_ids)
        ]
        await self._store.write(
            (
                "INSERT INTO command (number, device, action, requested_at, requested_by, outcome, detail) "
                "VALUES (?, ?, ?, ?, ?, ?, '')",
                [
                    (
                        _number(command),
                        command.device_id,
                        action.value,
                        _milliseconds(now),
                        requested_by,
                        Outcome.PENDING.value,
                    )
                    for command in commands
                ],
            )
        )
        return commands

    async def _reserve(self, count: int) -> int:
        """The first of `count` command numbers that were never used."""
        if self._last_number is None:
            rows = await self._store.read("SELECT max(seq) FROM sqlite_sequence WHERE name = 'command'")
            found = rows[0][0] if rows else None
            if self._last_number is None:  # nobody was faster
                self._last_number = found if isinstance(found, int) else 0
        first = self._last_number + 1
        self._last_number += count
        return first

    async def finish_command(self, command: Command) -> None:
        """Record how a command ended; it is on disk when this returns. Raises `StorageError`."""
        await self._store.write(
            (
                "UPDATE command SET outcome = ?, detail = ?, position = ?, finished_at = ? WHERE number = ?",
                [
                    (
                        command.outcome.value,
                        command.detail,
                        command.position.value if command.position else None,
                        _milliseconds(command.finished_at) if command.finished_at else None,
                        _number(command),
                    )
                ],
            )
        )

    async def commands(self, device_id: str | None = None, limit: int = 100) -> list[Command]:
        """The latest commands, newest first."""
        where, parameters = ("WHERE device = ? ", (device_id,)) if device_id is not None else ("", ())
        return await self._commands(f"{where}ORDER BY number DESC LIMIT ?", (*parameters, limit))

    async def unfinished(self) -> list[Command]:
        """Commands whose end was never recorded."""
        return await self._commands("WHERE outcome = ? ORDER BY number", (Outcome.PENDING.value,))

    async def _commands(self, condition: str, parameters: Sequence[object]) -> list[Command]:
        rows = await self._store.read(
            "SELECT number, device, action, requested_at, requested_by, outcome, detail, position, finished_at "
            f"FROM command {condition}",
            parameters,
        )
        return [
            Command(
                id=f"c-{number:06d}",
                device_id=str(device),
                action=Action(str(action)),
                requested_at=_time(requested_at),
                requested_by=str(requested_by),
                outcome=Outcome(str(outcome)),
                detail=str(detail),
                position=Position(str(position)) if position is not None else None,
                finished_at=_time(finished_at) if finished_at is not None else None,
            )
            for number, device, action, requested_at, requested_by, outcome, detail, position, finished_at in rows
        ]


def _roll_ups(sql: str, rows: Sequence[tuple[int, int, float]]) -> list[Statement]:
    """One statement for each level of sums."""
    statements: list[Statement] = []
    for level in LEVELS:
        length = level.seconds * 1000
        statements.append(
            (sql, [(level.seconds, series, time - time % length, value, time) for series, time, value in rows])
        )
    return statements


def _refuse_too_many(rows: Sequence[object], span: tuple[int, int]) -> None:
    if len(rows) > MAX_POINTS:
        hours = (span[1] - span[0]) / 3_600_000
        raise InvalidError(
            "resolution", f"more than {MAX_POINTS} points in {hours:.1f} h", "a coarser resolution, or a shorter time"
        )


def _number(command: Command) -> int:
    return int(command.id.removeprefix("c-"))


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _time(value: object) -> datetime:
    assert isinstance(value, int)
    return datetime.fromtimestamp(value / 1000, UTC)


def _float(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)
