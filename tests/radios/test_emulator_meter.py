"""The emulated meter and the home behind it."""

from __future__ import annotations

import struct
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radios.emulators.emcb_meter import RECORD_SIZE, Meter
from radios.emulators.home import DAY_S, HOUR_S, LOADS, Demand, Home, load_for

BOOT_S = 500.0
POLE = struct.Struct("<qqQii4Q4Q4Q")


class Record:
    """A record taken apart by offsets of its own, not by the emulator's struct."""

    def __init__(self, data: bytes) -> None:
        assert len(data) == RECORD_SIZE
        self.update, self.frequency, self.period = struct.unpack_from("<BiH", data)
        self.poles = [POLE.unpack_from(data, 7), POLE.unpack_from(data, 135)]
        (self.pole_to_pole,) = struct.unpack_from("<i", data, 263)

    def active_mj(self) -> int:
        return sum(pole[0] for pole in self.poles)

    def check(self) -> None:
        for active, reactive, apparent, _, _, *quadrants in self.poles:
            a, r, s = quadrants[0:4], quadrants[4:8], quadrants[8:12]
            assert active == a[0] - a[1] - a[2] + a[3]
            assert reactive == r[0] + r[1] - r[2] - r[3]
            assert apparent == sum(s)
            assert apparent + 1000 * 8 >= abs(active)


def meter_of(kind: str, *, time_of_day: float = 12 * HOUR_S, speed: float = 1.0, **more: object) -> Meter:
    load = load_for(kind, 5)
    home = Home(1, time_of_day, speed, BOOT_S)
    made = Meter(home, load.demand, two_pole=load.two_pole, **more)  # type: ignore[arg-type]
    made.boot(BOOT_S, keep_energies=True)
    return made


def steady(watts: float, vars_: float, **more: object) -> Meter:
    made = Meter(Home(1, 0.0, 1.0, BOOT_S), lambda _: Demand(watts, vars_), two_pole=False, **more)  # type: ignore[arg-type]
    made.boot(BOOT_S, keep_energies=True)
    return made


def test_a_record_lasts_for_200_ms_and_the_update_number_wraps() -> None:
    meter = meter_of("lighting")
    first = meter.record(BOOT_S)
    assert Record(first).update == 0
    assert meter.record(BOOT_S + 0.199) == first
    assert Record(meter.record(BOOT_S + 0.2)).update == 1
    assert Record(meter.record(BOOT_S + 51.0)).update == 255
    assert Record(meter.record(BOOT_S + 51.2)).update == 0
    assert Record(first).period == 200


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(sorted(LOADS)),
    time_of_day=st.floats(0, DAY_S - 1),
    questions=st.lists(st.floats(0, 300), min_size=1, max_size=8),
)
def test_energy_does_not_depend_on_who_asks_when(kind: str, time_of_day: float, questions: list[float]) -> None:
    asked, unasked = meter_of(kind, time_of_day=time_of_day), meter_of(kind, time_of_day=time_of_day)
    last: Record | None = None
    for after in sorted(questions):
        record = Record(asked.record(BOOT_S + after))
        record.check()
        if last is not None:
            for before, now in zip(last.poles, record.poles, strict=True):
                assert all(old <= new for old, new in zip(before[5:], now[5:], strict=True))
        last = record
    assert asked.record(BOOT_S + 301) == unasked.record(BOOT_S + 301)


def test_energy_is_power_times_the_periods() -> None:
    record = Record(steady(150.0, 0.0).record(BOOT_S + 6.2))
    assert record.poles[0][0] == -150 * 1000 * 62 // 10
    millivolts, milliamps = record.poles[0][3:5]
    assert millivolts * milliamps / 1e6 == pytest.approx(150, abs=0.2)
    assert record.poles[1][4] == 0
    assert 118_000 < millivolts < 125_000
    assert record.pole_to_pole < 1000
    assert 59_900 < record.frequency < 60_100


@pytest.mark.parametrize(
    ("watts", "vars_", "positive", "quadrant"),
    [
        (100, 40, False, 3),  # an inductive load, fed so that it counts as negative, as captured
        (100, -40, False, 2),
        (-100, 40, False, 4),
        (-100, -40, False, 1),
        (100, 40, True, 1),
        (100, -40, True, 4),
        (-100, 40, True, 2),
        (-100, -40, True, 3),
    ],
)
def test_the_quadrant_follows_from_the_signs(watts: float, vars_: float, positive: bool, quadrant: int) -> None:
    record = Record(steady(watts, vars_, consumption_positive=(positive, positive)).record(BOOT_S + 10))
    record.check()
    quadrants = record.poles[0][5:9]
    assert [index + 1 for index, energy in enumerate(quadrants) if energy] == [quadrant]
    assert (record.poles[0][0] > 0) == ((watts > 0) == positive)
    assert abs(record.poles[0][1]) == 400_000


def test_an_open_breaker_meters_nothing_but_keeps_the_voltage_of_its_line_side() -> None:
    meter = steady(1000.0, 0.0)
    meter.set_contacts(BOOT_S + 10, closed=False)
    opened = Record(meter.record(BOOT_S + 10.2))
    later = Record(meter.record(BOOT_S + 100))
    assert opened.active_mj() == later.active_mj() == -10_000_000
    assert later.poles[0][4] == 0
    assert later.poles[0][3] > 118_000
    meter.set_contacts(BOOT_S + 100, closed=True)
    assert Record(meter.record(BOOT_S + 101)).active_mj() == -11_000_000


def test_a_dead_line_has_no_voltage_and_no_frequency() -> None:
    meter = steady(1000.0, 0.0)
    meter.set_line(BOOT_S + 1, live=False)
    record = Record(meter.record(BOOT_S + 2))
    assert (record.frequency, record.pole_to_pole, record.poles[0][3:5]) == (0, 0, (0, 0))
    assert record.active_mj() == -1_000_000


def test_energies_outlive_a_reboot_unless_told_otherwise() -> None:
    meter = steady(1000.0, 0.0)
    meter.advance(BOOT_S + 10)
    meter.boot(BOOT_S + 10.1, keep_energies=True)
    record = Record(meter.record(BOOT_S + 10.1))
    assert (record.update, record.active_mj()) == (0, -10_000_000)
    meter.boot(BOOT_S + 11, keep_energies=False)
    record = Record(meter.record(BOOT_S + 11.2))
    assert (record.update, record.active_mj()) == (1, -200_000)


def test_two_poles_share_the_load_and_are_240_v_apart() -> None:
    record = Record(meter_of("ev_charger", time_of_day=20 * HOUR_S).record(BOOT_S + 60))
    first, second = record.poles
    assert first[0] == second[0] < -3000 * 1000 * 55
    assert 236_000 < record.pole_to_pole < 250_000


def test_hours_without_a_question_are_caught_up_in_a_bounded_number_of_steps() -> None:
    asked: list[float] = []

    def demand(time_s: float) -> Demand:
        asked.append(time_s)
        return Demand(100.0, 0.0)

    meter = Meter(Home(1, 0.0, 1.0, BOOT_S), demand, two_pole=False)
    meter.boot(BOOT_S, keep_energies=True)
    year_s = 365 * 86_400
    assert Record(meter.record(BOOT_S + year_s)).active_mj() == -100 * 1000 * year_s
    assert len(asked) < 4000


def test_speed_moves_the_time_of_day_and_not_the_energy() -> None:
    asked: list[float] = []

    def demand(time_s: float) -> Demand:
        asked.append(time_s)
        return Demand(100.0, 0.0)

    meter = Meter(Home(1, 6 * HOUR_S, 60.0, BOOT_S), demand, two_pole=False)
    meter.boot(BOOT_S, keep_energies=True)
    assert Record(meter.record(BOOT_S + 10)).active_mj() == -1_000_000
    assert asked[-1] == 6 * HOUR_S + 9 * 60.0


def test_a_used_solar_breaker_has_exported_and_a_used_load_has_consumed() -> None:
    solar, kitchen = meter_of("solar"), meter_of("kitchen")
    for meter in (solar, kitchen):
        meter.live_through_the_past(Random(4))
    exported, consumed = Record(solar.record(BOOT_S)), Record(kitchen.record(BOOT_S))
    exported.check()
    consumed.check()
    assert exported.active_mj() > 200_000_000_000
    assert consumed.active_mj() < -200_000_000_000


def day_kwh(kind: str) -> float:
    load = load_for(kind, 5)
    return sum(load.demand(5 * DAY_S + minute * 60.0).watts for minute in range(24 * 60)) / 60_000


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [
        ("refrigerator", 0.8, 3.0),
        ("ev_charger", 25, 55),
        ("solar", -45, -8),
        ("kitchen", 1, 4),
        ("hvac", 10, 60),
        ("water_heater", 3, 18),
        ("lighting", 1.5, 5),
    ],
)
def test_a_day_of_each_load_is_believable(kind: str, least: float, most: float) -> None:
    assert least < day_kwh(kind) < most


def test_the_refrigerator_cycles_and_the_sun_sets() -> None:
    fridge = load_for("refrigerator", 9)
    running = [fridge.demand(minute * 60.0).watts > 50 for minute in range(24 * 60)]
    starts = sum(now and not before for before, now in pairwise(running))
    assert 20 < starts < 45
    solar = load_for("solar", 9)
    assert solar.demand(1 * HOUR_S).watts > 0 > solar.demand(12.5 * HOUR_S).watts
