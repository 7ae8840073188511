"""Counters to energy that never jumps and power that is never invented."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.energy import INSISTENCE, MILLIJOULE_PER_WH, BreakerMeter, PoleLedger
from hub.model import Channel, Quantity, Reading
from protocols.emcb import MeterRecord, PoleTelemetry

PERIOD_MS = 200
KWH = 3_600_000_000
"""mJ"""


def pole(q1: int = 0, q2: int = 0, q3: int = 0, q4: int = 0, *, mv: int = 120_000, ma: int = 0) -> PoleTelemetry:
    """A pole whose active energy lies in the given quadrants; apparent energy equals active."""
    return PoleTelemetry(
        active_energy_mj=q1 - q2 - q3 + q4,
        reactive_energy_mvars=0,
        apparent_energy_mvas=q1 + q2 + q3 + q4,
        voltage_mv=mv,
        current_ma=ma,
        active_q1_mj=q1, active_q2_mj=q2, active_q3_mj=q3, active_q4_mj=q4,
        reactive_q1_mvars=0, reactive_q2_mvars=0, reactive_q3_mvars=0, reactive_q4_mvars=0,
        apparent_q1_mvas=q1, apparent_q2_mvas=q2, apparent_q3_mvas=q3, apparent_q4_mvas=q4,
    )  # fmt: skip


def record(number: int, first: PoleTelemetry, second: PoleTelemetry | None = None, mhz: int = 60_000) -> MeterRecord:
    return MeterRecord(
        update_number=number % 256,
        line_frequency_mhz=mhz,
        period_ms=PERIOD_MS,
        pole_0=first,
        pole_1=second or pole(),
        line_to_line_voltage_mv=208_000,
    )


def value(readings: tuple[Reading, ...], quantity: Quantity, channel: Channel = Channel.TOTAL) -> float | None:
    found = [reading.value for reading in readings if (reading.quantity, reading.channel) == (quantity, channel)]
    assert len(found) <= 1, "no reading is given twice"
    return found[0] if found else None


def meter(signs: tuple[int, int] = (-1, -1)) -> BreakerMeter:
    return BreakerMeter("emcb-x", signs)


def test_power_is_the_energy_difference_over_the_periods_between_two_records() -> None:
    m = meter()
    first = m.take(record(10, pole(q2=5 * KWH)), 100.0)
    assert value(first, Quantity.POWER) is None, "one record alone has no power"
    second = m.take(record(15, pole(q2=5 * KWH + 1_500_000)), 101.0)
    assert value(second, Quantity.POWER) == pytest.approx(1500.0), "1500 J in five periods of 200 ms"
    assert value(second, Quantity.POWER, Channel.POLE_0) == pytest.approx(1500.0)
    assert value(second, Quantity.POWER, Channel.POLE_1) == 0.0


def test_the_update_number_wraps_without_a_trace() -> None:
    m = meter()
    m.take(record(254, pole(q2=KWH)), 100.0)
    assert value(m.take(record(259, pole(q2=KWH + 100_000)), 101.0), Quantity.POWER) == pytest.approx(100.0)


def test_a_record_that_repeats_the_last_one_is_no_reading() -> None:
    m = meter()
    m.take(record(1, pole(q2=KWH)), 100.0)
    assert m.take(record(1, pole(q2=KWH)), 100.1) == ()


def test_no_power_is_invented_over_a_gap_but_the_energy_is_counted() -> None:
    m = meter()
    m.take(record(1, pole(q2=KWH)), 100.0)
    readings = m.take(record(1 + 300 % 256, pole(q2=2 * KWH)), 100.0 + 3600)
    assert value(readings, Quantity.POWER) is None
    assert value(readings, Quantity.ENERGY_DELIVERED) == pytest.approx(2000.0)


def test_no_power_when_the_periods_do_not_fill_the_time_between() -> None:
    m = meter()
    m.take(record(100, pole(q2=KWH)), 100.0)
    assert value(m.take(record(101, pole(q2=KWH + 200_000)), 110.0), Quantity.POWER) is None


def test_no_power_right_after_an_interruption() -> None:
    m = meter()
    m.take(record(100, pole(q2=KWH)), 100.0)
    m.interrupt()
    assert value(m.take(record(105, pole(q2=KWH + 200_000)), 101.0), Quantity.POWER) is None
    assert value(m.take(record(110, pole(q2=KWH + 400_000)), 102.0), Quantity.POWER) == pytest.approx(200.0)


def test_the_sign_says_which_side_consumes_for_each_pole() -> None:
    loads = pole(q2=KWH), pole(q1=KWH)
    grown = pole(q2=KWH + 100_000), pole(q1=KWH + 300_000)
    expected = {
        (-1, 1): (400.0, 100.0, 300.0),
        (-1, -1): (-200.0, 100.0, -300.0),
        (1, 1): (200.0, -100.0, 300.0),
    }
    for signs, (total, p0, p1) in expected.items():
        m = meter(signs)
        m.take(record(1, *loads), 100.0)
        readings = m.take(record(6, *grown), 101.0)
        assert value(readings, Quantity.POWER) == pytest.approx(total)
        assert value(readings, Quantity.POWER, Channel.POLE_0) == pytest.approx(p0)
        assert value(readings, Quantity.POWER, Channel.POLE_1) == pytest.approx(p1)
        delivered = value(readings, Quantity.ENERGY_DELIVERED)
        received = value(readings, Quantity.ENERGY_RECEIVED)
        assert delivered is not None
        assert received is not None
        assert delivered + received == pytest.approx(2000 + 400_000 / MILLIJOULE_PER_WH)


def test_a_frequency_without_a_line_is_absent_and_a_voltage_of_zero_is_a_voltage() -> None:
    readings = meter().take(record(1, pole(mv=0), mhz=0), 1.0)
    assert value(readings, Quantity.FREQUENCY) is None
    assert value(readings, Quantity.VOLTAGE, Channel.POLE_0) == 0.0


def test_a_restart_from_zero_never_takes_energy_back() -> None:
    m = meter()
    before = value(m.take(record(1, pole(q2=7 * KWH)), 100.0), Quantity.ENERGY_DELIVERED)
    after = value(m.take(record(0, pole(q2=36_000)), 105.0), Quantity.ENERGY_DELIVERED)
    assert before == pytest.approx(7000.0)
    assert after == pytest.approx(7000.01), "what it counted since the restart is added"


def test_a_leap_is_kept_out_and_believed_only_when_the_breaker_insists() -> None:
    m = meter()
    m.take(record(0, pole(q2=KWH)), 100.0)
    for number in range(1, INSISTENCE):
        assert m.take(record(5 * number, pole(q2=500 * KWH + number)), 100.0 + number) == ()
    assert m.dropped == INSISTENCE - 1
    readings = m.take(record(5 * INSISTENCE, pole(q2=500 * KWH + 100)), 100.0 + INSISTENCE)
    assert value(readings, Quantity.ENERGY_DELIVERED) == pytest.approx(1000.0), "the leap itself is not energy"


def test_one_wrong_record_between_good_ones_leaves_no_trace() -> None:
    m = meter()
    m.take(record(0, pole(q2=KWH)), 100.0)
    assert m.take(record(5, pole(q2=1 << 62)), 101.0) == ()
    readings = m.take(record(10, pole(q2=KWH + 200_000)), 102.0)
    assert value(readings, Quantity.POWER) == pytest.approx(100.0)


def test_a_record_that_contradicts_itself_is_dropped() -> None:
    m = meter()
    m.take(record(0, pole(q2=KWH)), 100.0)
    bad = replace(pole(q2=KWH + 5), active_energy_mj=12)
    assert m.take(record(5, bad), 101.0) == ()
    assert m.dropped == 1


def test_energy_goes_on_over_a_restart_of_the_hub() -> None:
    m = meter()
    m.take(record(0, pole(q2=10 * KWH)), 100.0)
    again = BreakerMeter("emcb-x", (-1, -1), m.ledgers, heard=100.0)
    readings = again.take(record(77, pole(q2=11 * KWH)), 100.0 + 7200)
    assert value(readings, Quantity.ENERGY_DELIVERED) == pytest.approx(11_000.0)
    assert value(readings, Quantity.POWER) is None


def test_a_counter_that_fell_during_a_short_absence_adds_only_what_can_be_true() -> None:
    m = meter()
    m.take(record(0, pole(q2=10 * KWH)), 100.0)
    again = BreakerMeter("emcb-x", (-1, -1), m.ledgers, heard=100.0)
    assert again.take(record(1, pole(q2=9 * KWH)), 130.0) == (), "9 kWh in 30 s is not a restart from zero"


def test_quadrants_come_with_their_detail_but_not_every_second() -> None:
    m = meter()
    first = m.take(record(0, pole(q1=1 * KWH, q2=2 * KWH, q3=3 * KWH, q4=4 * KWH)), 100.0)
    for number, quantity in enumerate(
        (Quantity.ACTIVE_ENERGY_Q1, Quantity.ACTIVE_ENERGY_Q2, Quantity.ACTIVE_ENERGY_Q3, Quantity.ACTIVE_ENERGY_Q4), 1
    ):
        assert value(first, quantity, Channel.POLE_0) == pytest.approx(1000.0 * number)
    assert value(first, Quantity.APPARENT_ENERGY) == pytest.approx(10_000.0)
    assert value(m.take(record(5, pole(q1=2 * KWH)), 101.0), Quantity.ACTIVE_ENERGY_Q1) is None


counters = st.lists(st.integers(0, 1 << 50), min_size=12, max_size=12).map(tuple)


@given(st.lists(st.tuples(counters, st.floats(0, 1e6)), max_size=40), st.sampled_from([-1, 1]))
def test_whatever_a_breaker_says_no_total_ever_falls(history: list[tuple[tuple[int, ...], float]], sign: int) -> None:
    ledger = PoleLedger()
    before: dict[Quantity, int] = {}
    for counter, elapsed in history:
        ledger.take(counter, elapsed, sign)
        assert all(ledger.totals[quantity] >= total for quantity, total in before.items())
        before = dict(ledger.totals)
