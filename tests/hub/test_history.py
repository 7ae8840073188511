"""Readings over time: appended, rolled up, queried; and commands."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub import history as module
from hub import store as store_module
from hub.bus import Bus
from hub.clock import ManualClock
from hub.errors import InvalidError, StorageError
from hub.events import ReadingsTaken
from hub.history import LEVELS, History, Resolution
from hub.model import Action, Channel, Outcome, Position, Quantity, Reading
from hub.store import Store

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DEVICE = "emcb-a"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(tmp_path / "hub.db", ManualClock(START)) as opened:
        yield opened


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def history(store: Store, clock: ManualClock) -> History:
    return History(store, clock)


def taken(seconds: float, value: float, quantity: Quantity = Quantity.POWER, device: str = DEVICE) -> ReadingsTaken:
    time = START + timedelta(seconds=seconds)
    return ReadingsTaken(time, device, (Reading(quantity, Channel.TOTAL, value),))


async def values(history: History, resolution: Resolution, quantity: Quantity = Quantity.POWER) -> list[float]:
    series = await history.series(
        DEVICE, quantity, Channel.TOTAL, START - timedelta(days=2), START + timedelta(days=2), resolution
    )
    assert series.resolution is resolution
    return [point.value for point in series.points]


async def test_readings_come_back_in_order_with_their_times(history: History) -> None:
    for second in (0, 1, 2):
        history.record(taken(second, 100.0 + second))
    series = await history.series(
        DEVICE, Quantity.POWER, Channel.TOTAL, START, START + timedelta(seconds=2), Resolution.RAW
    )
    assert [(point.time, point.value) for point in series.points] == [
        (START, 100.0),
        (START + timedelta(seconds=1), 101.0),
    ], "up to, not including, the end"


async def test_buckets_have_mean_minimum_and_maximum(history: History) -> None:
    for second, value in ((0, 10.0), (20, 30.0), (59, 50.0), (60, 7.0)):
        history.record(taken(second, value))
    series = await history.series(
        DEVICE, Quantity.POWER, Channel.TOTAL, START, START + timedelta(hours=1), Resolution.MINUTE
    )
    assert [(p.value, p.minimum, p.maximum) for p in series.points] == [(30.0, 10.0, 50.0), (7.0, 7.0, 7.0)]
    assert [p.time for p in series.points] == [START, START + timedelta(minutes=1)]


async def test_a_bucket_of_a_counter_has_its_last_value(history: History) -> None:
    for second in (0, 10, 20):
        history.record(taken(second, 1000.0 + second, Quantity.ENERGY_DELIVERED))
    assert await values(history, Resolution.HOUR, Quantity.ENERGY_DELIVERED) == [1020.0]


async def test_a_gap_stays_a_gap(history: History) -> None:
    history.record(taken(0, 1.0))
    history.record(taken(3600, 2.0))
    assert await values(history, Resolution.MINUTE) == [1.0, 2.0]


async def test_the_same_reading_again_is_counted_once(history: History) -> None:
    for _ in range(3):
        history.record(taken(5, 42.0))
    assert await values(history, Resolution.RAW) == [42.0]
    series = await history.series(
        DEVICE, Quantity.POWER, Channel.TOTAL, START, START + timedelta(hours=1), Resolution.DAY
    )
    assert len(series.points) == 1


async def test_counters_are_thinned_and_the_newest_is_never_lost(history: History) -> None:
    for second in range(26):
        history.record(taken(second, 1000.0 + second, Quantity.ENERGY_DELIVERED))
    assert await values(history, Resolution.RAW, Quantity.ENERGY_DELIVERED) == [1000.0, 1010.0, 1020.0]
    history.record_held()
    assert await values(history, Resolution.RAW, Quantity.ENERGY_DELIVERED) == [1000.0, 1010.0, 1020.0, 1025.0]


async def test_a_clock_that_is_set_back_loses_no_reading_and_doubles_none(history: History, store: Store) -> None:
    for second in range(10):
        history.record(taken(second, float(second)))
    for late in (2.5, 3.0, 3.5):  # one of them at a time that is taken
        history.record(taken(late, 100.0))
    raw = await values(history, Resolution.RAW)
    assert len(raw) == 12
    [(total,)] = await store.read("SELECT sum(count) FROM rollup WHERE level = 60")
    assert total == 12


async def test_sums_equal_what_the_readings_say_over_a_restart_too(tmp_path: Path, clock: ManualClock) -> None:
    chance = random.Random(3)
    readings = [(second, round(chance.uniform(-50, 50), 3)) for second in range(0, 40_000, 37)]
    half = len(readings) // 2
    for part in (readings[:half], readings[half:]):
        async with Store(tmp_path / "h.db", clock) as store:
            history = History(store, clock)
            await history.load()
            for second, value in part:
                history.record(taken(second, value))
            history.hand_over()
    async with Store(tmp_path / "h.db", clock) as store:
        for level in LEVELS:
            rows = await store.read(
                "SELECT time, count, sum, min, max, first, last FROM rollup WHERE level = ? ORDER BY time",
                (level.seconds,),
            )
            expected: dict[int, list[float]] = {}
            for second, value in readings:
                at = int((START.timestamp() + second) * 1000)
                expected.setdefault(at - at % (level.seconds * 1000), []).append(value)
            assert [row[0] for row in rows] == sorted(expected)
            for time, number, total, low, high, first, last in rows:
                assert isinstance(time, int)
                bucket = expected[time]
                assert (number, low, high, first, last) == (
                    len(bucket), min(bucket), max(bucket), bucket[0], bucket[-1],
                )  # fmt: skip
                assert total == pytest.approx(sum(bucket))


async def test_late_readings_leave_the_sums_as_a_recomputation_gives_them(history: History, store: Store) -> None:
    chance = random.Random(5)
    seconds = [chance.randrange(7200) for _ in range(600)]  # with many twice
    for index, second in enumerate(seconds):
        history.record(taken(second, float(second)))
        if index % 50 == 0:
            history.hand_over()
    await values(history, Resolution.RAW)
    for level in LEVELS:
        length = level.seconds * 1000
        again = await store.read(
            "SELECT time - time % ?1, count(*), sum(value), min(value), max(value), min(value), max(value) "
            "FROM raw GROUP BY 1 ORDER BY 1",
            (length,),
        )
        sums = await store.read(
            "SELECT time, count, sum, min, max, first, last FROM rollup WHERE level = ? ORDER BY time",
            (level.seconds,),
        )
        assert sums == again, "the value is the second, so the first of a bucket is its smallest"
    assert await store.read("SELECT count(*) FROM raw") == [(len(set(seconds)),)]


async def test_a_value_that_is_no_number_costs_no_other_reading(history: History) -> None:
    for second, value in enumerate((1.0, math.nan, 2.0, math.inf, 3.0)):
        history.record(taken(second, value))
    assert await values(history, Resolution.RAW) == [1.0, 2.0, 3.0]


async def test_the_last_of_a_counter_before_a_gap_is_recorded(history: History) -> None:
    for second in (0, 4, 9, 7200):
        history.record(taken(second, 1000.0 + second, Quantity.ENERGY_DELIVERED))
    assert await values(history, Resolution.RAW, Quantity.ENERGY_DELIVERED) == [1000.0, 1009.0, 8200.0]


async def test_a_new_series_never_gets_the_readings_of_one_that_was_lost(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "WAITING_ROWS", 10)
    async with Store(tmp_path / "h.db", clock) as store:
        history = History(store, clock)
        for second in range(30):
            history.record(taken(second, 1.0))
            history.hand_over()
        assert store.status.lost > 0
    async with Store(tmp_path / "h.db", clock) as store:
        history = History(store, clock)
        await history.load()
        history.record(taken(60, 7.0, device="emcb-b"))
        series = await history.series(
            "emcb-b", Quantity.POWER, Channel.TOTAL, START, START + timedelta(hours=1), Resolution.RAW
        )
        assert [point.value for point in series.points] == [7.0]
        assert 0 < len(await values(history, Resolution.RAW)) < 30, "and the old one has what was kept"


async def test_a_disk_that_takes_nothing_does_not_hide_what_it_took_before(history: History, store: Store) -> None:
    history.record(taken(0, 5.0))
    assert await values(history, Resolution.RAW) == [5.0]
    assert store._writer is not None
    [(pages,)] = await store.read("PRAGMA page_count")
    await store._writer.execute(f"PRAGMA max_page_count = {pages}")
    for second in range(1, 15_000):
        history.record(taken(second, 5.0))
    assert await values(history, Resolution.RAW) == [5.0]
    assert store.status.waiting > 0
    await store._writer.execute("PRAGMA max_page_count = 1000000")
    assert len(await values(history, Resolution.RAW)) == 15_000


async def test_auto_takes_the_finest_that_a_chart_can_show(history: History, clock: ManualClock) -> None:
    spans = {
        timedelta(minutes=20): Resolution.RAW,
        timedelta(hours=1): Resolution.MINUTE,
        timedelta(days=1): Resolution.MINUTE,
        timedelta(days=10): Resolution.QUARTER,
        timedelta(days=40): Resolution.HOUR,
        timedelta(days=3650): Resolution.DAY,
    }
    for span, expected in spans.items():
        series = await history.series(DEVICE, Quantity.POWER, Channel.TOTAL, START - span, START)
        assert series.resolution is expected, span
    old = await history.series(
        DEVICE, Quantity.POWER, Channel.TOTAL, START - timedelta(days=900), START - timedelta(days=899)
    )
    assert old.resolution is Resolution.HOUR, "finer ones are not kept so long"


async def test_a_query_that_makes_no_sense_is_named(history: History) -> None:
    with pytest.raises(InvalidError, match="from is"):
        await history.series(DEVICE, Quantity.POWER, Channel.TOTAL, START, START, Resolution.RAW)
    for second in range(20_001):
        history.record(taken(second, 1.0))
    with pytest.raises(InvalidError, match=r"more than 20000 points in 96.0 h.*a coarser resolution, or at most \d+ s"):
        await values(history, Resolution.RAW)
    assert len(await values(history, Resolution.MINUTE)) == 334


async def test_an_unknown_series_is_empty(history: History) -> None:
    assert await values(history, Resolution.RAW) == []


async def test_what_is_past_its_time_is_deleted_and_the_sums_stay(
    history: History, store: Store, clock: ManualClock
) -> None:
    for second in range(0, 9000, 2):
        history.record(taken(second, 1.0))
    history.hand_over()
    await store.flush()
    for device in range(3):  # several series in one slice
        history.record(taken(0, 1.0, device=f"emcb-{device}"))
        history.record(taken(8000, 1.0, device=f"emcb-{device}"))
    history.hand_over()
    await store.flush()
    clock.advance(timedelta(hours=49).total_seconds())
    await history.tidy()
    [(raw, oldest)] = await store.read("SELECT count(*), min(time) FROM raw")
    assert raw == (9000 - 3600) // 2 + 3
    assert oldest == int((START + timedelta(hours=1)).timestamp() * 1000)
    clock.advance(timedelta(days=40).total_seconds())
    await history.tidy()
    levels = {row[0] for row in await store.read("SELECT DISTINCT level FROM rollup")}
    assert levels == {900, 3600, 86400}


async def test_commands_are_numbered_over_restarts_and_newest_first(tmp_path: Path, clock: ManualClock) -> None:
    async with Store(tmp_path / "h.db", clock) as store:
        history = History(store, clock)
        first = await history.begin_command(DEVICE, Action.OPEN, "me")
        assert first.id == "c-000001"
        assert [command.id for command in await history.unfinished()] == ["c-000001"]
    async with Store(tmp_path / "h.db", clock) as store:
        history = History(store, clock)
        [second, third] = await history.begin_commands((DEVICE, "emcb-b"), Action.CLOSE, "you")
        assert [second.id, third.id] == ["c-000002", "c-000003"]
        from dataclasses import replace

        done = replace(second, outcome=Outcome.CONFIRMED, position=Position.CLOSED, finished_at=START, detail="so")
        await history.finish_command(done)
        assert [command.id for command in await history.commands()] == ["c-000003", "c-000002", "c-000001"]
        assert await history.commands(DEVICE, limit=1) == [done]
        assert [command.id for command in await history.unfinished()] == ["c-000001", "c-000003"]


async def test_the_recorder_goes_on_when_tidying_fails_and_after_it_fell_behind(
    history: History, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "TIDY_INTERVAL_S", 0.0)
    monkeypatch.setattr(module, "RECORD_INTERVAL_S", 0.0)
    monkeypatch.setattr(module, "EVENTS_WAITING", 3)

    async def full() -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(history, "tidy", full)
    bus = Bus()
    recorder = asyncio.ensure_future(history.run(bus))
    await asyncio.sleep(0)
    for second in range(3):
        bus.publish(taken(second, 1.0))
    await until(lambda: "stays for now" in caplog.text)
    for second in range(10, 20):
        bus.publish(taken(second, 1.0))  # more than it may be behind
    await until(lambda: "readings were lost" in caplog.text)
    bus.publish(taken(30, 1.0))
    await asyncio.sleep(0.01)
    recorder.cancel()
    with pytest.raises(asyncio.CancelledError):
        await recorder
    history.hand_over()
    await store.flush()
    times = [(await store.read("SELECT count(*) FROM raw"))[0][0]]
    assert times == [7], "three before, three until it was behind, and one after"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.005)
