"""Readings and commands over time: append, roll up, query by device and time.

Every reading goes into `raw`, which is kept for some days, and in the same transaction into the sums over a minute, a
quarter of an hour, an hour and a day, which are kept for years. So a sum never counts a reading twice and never misses
one, whenever the power goes. Days are UTC days.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NoReturn

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
MAX_GAPS = 100
"""Of one answer."""
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
    # A breaker has 60 series: 9 gauges, 6 energies every 10 s, 45 quadrants every 300 s, so it fills 34,600 minutes,
    # 5,760 quarters, 1,440 hours and 60 days of buckets a day, about 50 bytes each. For ten breakers that is 520 MB of
    # minutes in 30 days, 2.1 GB of quarters in two years, and 270 MB of hours and days a year, which stay; with 390 MB
    # of raw readings in 48 h the database stays under 5 GB for seven years.
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


_RAW = "INSERT INTO raw (series, time, value) VALUES (?1, ?2, ?3)"
_RAW_IF_NEW = "INSERT OR IGNORE INTO raw (series, time, value) VALUES (?1, ?2, ?3)"


def _roll_up(level: _Level, *, late: bool) -> str:
    """SQL that counts a row of `raw` (series, time, value) into its bucket of `level`; a late one only if it is new."""
    bucket = f"?2 - ?2 % {level.seconds * 1000}"
    values = f"{level.seconds}, ?1, {bucket}, 1, ?3, ?3, ?3, ?3, ?3, ?2"
    source, first = f"VALUES ({values})", "first"
    if late:
        source = f"SELECT {values} WHERE NOT EXISTS (SELECT 1 FROM raw WHERE series = ?1 AND time = ?2)"
        earlier = f"SELECT 1 FROM raw WHERE series = ?1 AND time >= {bucket} AND time < ?2"
        first = f"CASE WHEN EXISTS ({earlier}) THEN first ELSE ?3 END"
    return f"""
        INSERT INTO rollup (level, series, time, count, sum, min, max, first, last, last_time) {source}
        ON CONFLICT (level, series, time) DO UPDATE SET
            count = count + 1, sum = sum + ?3, min = min(min, ?3), max = max(max, ?3), first = {first},
            last = CASE WHEN ?2 >= last_time THEN ?3 ELSE last END, last_time = max(last_time, ?2)
    """


_ROLL_UPS = tuple(_roll_up(level, late=False) for level in LEVELS)
_ROLL_UPS_LATE = tuple(_roll_up(level, late=True) for level in LEVELS)
_SERIES = "INSERT OR IGNORE INTO series (id, device, channel, quantity) VALUES (?, ?, ?, ?)"

_Key = tuple[str, Channel, Quantity]


class History:
    """What was read and what was asked for."""

    def __init__(self, store: Store, clock: Clock, raw_kept: timedelta = DEFAULT_RAW_HISTORY) -> None:
        self._store, self._clock, self._raw_kept = store, clock, raw_kept
        self._series: dict[_Key, int] = {}
        self._next_series = 1
        self._unsaved: dict[int, _Key] = {}
        """Series not yet seen on disk. Every batch carries them: one that was lost for want of room must not leave
        readings behind whose number another series then gets."""
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
                    await self._confirm()
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
            if not math.isfinite(reading.value):
                log.warning("%s: %s is %s; not recorded", event.device_id, reading.quantity.value, reading.value)
                continue
            key = (event.device_id, reading.channel, reading.quantity)
            interval = QUANTITIES[reading.quantity].history_interval_s
            newest = self._newest.get(key)
            if newest is not None:
                if time == newest:
                    continue  # the same reading again
                if interval and newest < time < newest + interval * 1000:
                    self._held[key] = (time, reading.value)
                    continue
            held = self._held.pop(key, None)
            if held is not None and (time < held[0] or time - held[0] >= interval * 1000):
                self._put(key, *held)  # the last one before a gap, or before the clock was set back
            self._put(key, time, reading.value)

    def record_held(self) -> None:
        """Record what was held back, before closing."""
        held, self._held = self._held, {}
        for key, (time, value) in held.items():
            self._put(key, time, value)

    def hand_over(self) -> None:
        """Give what was recorded to the database: the readings and all their sums in one transaction."""
        if not self._rows and not self._late:
            return
        series: list[Statement] = []
        if self._unsaved:
            rows_of_series = [(number, key[0], key[1].value, key[2].value) for number, key in self._unsaved.items()]
            series = [(_SERIES, rows_of_series)]
        if self._rows:
            rows, self._rows = self._rows, []
            self._store.append(*series, (_RAW, rows), *((sql, rows) for sql in _ROLL_UPS))
        if self._late:
            # Each is counted only if its time is free, so each time may come once. The latest go first: then the
            # earliest of a bucket is the last to claim that it is the first.
            late, self._late = sorted({row[:2]: row for row in reversed(self._late)}.values(), reverse=True), []
            self._store.append(*series, *((sql, late) for sql in _ROLL_UPS_LATE), (_RAW_IF_NEW, late))

    async def _confirm(self) -> None:
        """Look which new series have reached the disk."""
        if not self._unsaved:
            return
        try:
            rows = await self._store.read("SELECT id FROM series WHERE id >= ?", (min(self._unsaved),))
        except StorageError:
            return  # they go with every batch until it can be read again
        for (number,) in rows:
            if isinstance(number, int):
                self._unsaved.pop(number, None)

    def _put(self, key: _Key, time: int, value: float) -> None:
        highest = self._highest.get(key)
        late = highest is not None and time <= highest
        self._newest[key] = time
        self._highest[key] = time if highest is None else max(time, highest)
        number = self._series.get(key)
        if number is None:
            number = self._series[key] = self._next_series
            self._next_series += 1
            self._unsaved[number] = key
        (self._late if late else self._rows).append((number, time, value))

    def insert(
        self, device_id: str, quantity: Quantity, channel: Channel, points: Sequence[tuple[datetime, float]]
    ) -> None:
        """Record readings of another time; where one is recorded of a very time already, that stays."""
        number = self._series.get((device_id, channel, quantity))
        if number is not None:
            self._late += [(number, _milliseconds(time), value) for time, value in points]

    async def gaps(
        self,
        device_id: str,
        quantity: Quantity,
        channel: Channel,
        start: datetime,
        end: datetime,
        longer_than: timedelta,
    ) -> list[tuple[Point, Point]]:
        """Where nothing was recorded of a counter for so long, between `start` and `end` in part: the readings before
        and after. The second is as fine in time as what is kept of it, at best a minute, and never too late."""
        self.hand_over()
        await self._store.flush()
        number = self._series.get((device_id, channel, quantity))
        if number is None:
            return []
        now = self._clock.now()
        level = next(level for level in LEVELS if level.kept is None or now - start <= level.kept)
        where = (level.seconds, number)
        rows = await self._store.read(
            "SELECT since, before, time, min FROM ("
            "SELECT lag(last_time) OVER w AS since, lag(last) OVER w AS before, time, min FROM rollup "
            "WHERE level = ? AND series = ? "
            "AND time >= coalesce((SELECT max(time) FROM rollup WHERE level = ? AND series = ? AND time <= ?), 0) "
            "AND time <= coalesce((SELECT min(time) FROM rollup WHERE level = ? AND series = ? AND time >= ?), ?) "
            "WINDOW w AS (ORDER BY time)) WHERE time - since > ? AND time > ? AND since < ? ORDER BY time LIMIT ?",
            (
                *where, *where, _milliseconds(start), *where, _milliseconds(end), _milliseconds(end),
                longer_than // timedelta(milliseconds=1), _milliseconds(start), _milliseconds(end), MAX_GAPS,
            ),
        )  # fmt: skip
        return [(Point(_time(row[0]), _float(row[1])), Point(_time(row[2]), _float(row[3]))) for row in rows]

    async def tidy(self) -> None:
        """Delete what is past its time, in slices."""
        now = self._clock.now()
        await self._delete("raw", (), now - self._raw_kept)
        for level in LEVELS:
            if level.kept is not None:
                await self._delete("rollup", (level.seconds,), now - level.kept)

    async def _delete(self, table: str, level: tuple[int, ...], before: datetime) -> None:
        """Delete the rows before a time, of one level if there are levels, in slices.

        Series by series: each is one stretch of the table. A search by time alone would read all that is kept.
        """
        where = ("level = ? AND " if level else "") + "series = ? AND time < ?"
        bound = _milliseconds(before)
        slices: list[tuple[object, ...]] = []
        rows = 0
        for (number,) in await self._store.read("SELECT id FROM series"):
            end: object = None
            while end != bound:
                found = await self._store.read(
                    f"SELECT count(*), max(time) FROM (SELECT time FROM {table} WHERE {where} ORDER BY time LIMIT ?)",
                    (*level, number, bound, TIDY_ROWS - rows),
                )
                [(count, last)] = found
                assert isinstance(count, int)
                if not count:
                    break
                assert isinstance(last, int)
                end = bound if count < TIDY_ROWS - rows else last + 1
                slices.append((*level, number, end))
                rows += count
                if rows >= TIDY_ROWS:
                    await self._store.write((f"DELETE FROM {table} WHERE {where}", slices))
                    slices, rows = [], 0
        if slices:
            await self._store.write((f"DELETE FROM {table} WHERE {where}", slices))

    async def series(
        self,
        device_id: str,
        quantity: Quantity,
        channel: Channel,
        start: datetime,
        end: datetime,
        resolution: Resolution = Resolution.AUTO,
    ) -> Series:
        """Points from `start` to before `end`. What is answered is on disk. Raises `InvalidError`.

        A disk that takes nothing now is no reason to hide what it took before.
        """
        if end <= start:
            raise InvalidError("from", start.isoformat(), f"a time before {end.isoformat()}")
        if resolution is Resolution.AUTO:
            resolution = self._choose(start, end)
        self.hand_over()
        try:
            await self._store.flush()
        except StorageError as error:
            log.debug("history: answered without what waits in memory: %s", error)
        await self._confirm()
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
        if len(rows) > MAX_POINTS:
            _refuse_too_many(Resolution.RAW, span, _whole(rows[-1][0]) - span[0])
        return tuple(Point(_time(row[0]), _float(row[1])) for row in rows)

    async def _rolled(self, number: int, level: _Level, quantity: Quantity, span: tuple[int, int]) -> tuple[Point, ...]:
        start = span[0] - span[0] % (level.seconds * 1000)
        rows = await self._store.read(
            "SELECT time, sum / count, min, max, last FROM rollup "
            "WHERE level = ? AND series = ? AND time >= ? AND time < ? ORDER BY time LIMIT ?",
            (level.seconds, number, start, span[1], MAX_POINTS + 1),
        )
        if len(rows) > MAX_POINTS:
            _refuse_too_many(level.resolution, span, _whole(rows[-1][0]) - span[0])
        value = 4 if QUANTITIES[quantity].kind is QuantityKind.COUNTER else 1
        return tuple(Point(_time(row[0]), _float(row[value]), _float(row[2]), _float(row[3])) for row in rows)

    # -- commands ------------------------------------------------------------------------------------------------

    async def begin_command(self, device_id: str, action: Action, requested_by: str, argument: str = "") -> Command:
        """Record an intent; it is on disk when this returns. Raises `StorageError`."""
        [command] = await self.begin_commands((device_id,), action, requested_by, argument)
        return command

    async def begin_commands(
        self, device_ids: Sequence[str], action: Action, requested_by: str, argument: str = ""
    ) -> list[Command]:
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
                argument=argument,
            )
            for index, device_id in enumerate(device_ids)
        ]
        await self._store.write(
            (
                "INSERT INTO command (number, device, action, requested_at, requested_by, outcome, detail, argument) "
                "VALUES (?, ?, ?, ?, ?, ?, '', ?)",
                [
                    (
                        _number(command),
                        command.device_id,
                        action.value,
                        _milliseconds(now),
                        requested_by,
                        Outcome.PENDING.value,
                        argument,
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
            "SELECT number, device, action, requested_at, requested_by, outcome, detail, position, finished_at, "
            f"argument FROM command {condition}",
            parameters,
        )
        return [_command(row) for row in rows]


def _refuse_too_many(resolution: Resolution, span: tuple[int, int], fits: int) -> NoReturn:
    """`fits`: milliseconds from the start of the span that an answer can hold."""
    hours = (span[1] - span[0]) / 3_600_000
    raise InvalidError(
        "resolution",
        f"{resolution.value}: more than {MAX_POINTS} points in {hours:.1f} h",
        f"a coarser resolution, or at most {fits // 1000} s from that start",
    )


def _command(row: tuple[object, ...]) -> Command:
    number, device, action, requested_at, requested_by, outcome, detail, position, finished_at, argument = row
    return Command(
        id=f"c-{number:06d}",
        device_id=str(device),
        action=Action(str(action)),
        requested_at=_time(requested_at),
        requested_by=str(requested_by),
        outcome=Outcome(str(outcome)),
        detail=str(detail),
        argument=str(argument),
        position=Position(str(position)) if position is not None else None,
        finished_at=_time(finished_at) if finished_at is not None else None,
    )


def _number(command: Command) -> int:
    return int(command.id.removeprefix("c-"))


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _whole(value: object) -> int:
    assert isinstance(value, int)
    return value


def _time(value: object) -> datetime:
    return datetime.fromtimestamp(_whole(value) / 1000, UTC)


def _float(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)
