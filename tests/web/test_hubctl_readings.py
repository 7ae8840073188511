"""hubctl readings: times and quantities as people say them, a table, CSV, JSON; and the pieces it draws with."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.web.fake_hub import FRIDGE, FakeHub
from tests.web.hubctl_runs import Hubctl
from tests.web.hubctl_runs import alone as alone
from tests.web.hubctl_runs import fake as fake
from tests.web.hubctl_runs import hubctl as hubctl
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.readings import Row, condense, parse_quantity
from web.hubctl.units import age, bar, energy, number, parse_moment, parse_span, power, span, sparkline

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
READINGS = ("GET", "/api/v1/readings")


def series(*points: dict[str, Any], **more: Any) -> tuple[int, dict[str, Any]]:
    return 200, {
        "device_id": FRIDGE,
        "quantity": "power_w",
        "channel": "total",
        "unit": "W",
        "resolution": "raw",
        "from": "2026-11-20T11:00:00.000Z",
        "to": "2026-11-20T12:00:00.000Z",
        "points": list(points),
        **more,
    }


RAW = [{"time": f"2026-11-20T11:00:0{second}.000Z", "value": second * 100.0} for second in range(4)]
BUCKETS = [{"time": "2026-11-20T11:00:00.000Z", "value": 150.0, "min": 1.5, "max": 420.0}]


def test_a_table_in_a_pipe_has_every_point(hubctl: Hubctl, fake: FakeHub) -> None:
    fake.answers[READINGS] = series(*RAW)
    ran = hubctl("readings", "Refrigerator", "--since", "2h")
    asked = fake.asked[-1].query
    assert (asked["device"], asked["quantity"], asked["channel"]) == (FRIDGE, "power_w", "total")
    assert asked["resolution"] == "auto"
    assert "to" not in asked
    since = datetime.now(UTC) - datetime.fromisoformat(asked["from"])
    assert timedelta(hours=2) <= since < timedelta(hours=2, minutes=1)
    assert [line.split("  ")[-1].strip() for line in ran.lines] == ["VALUE", "0.0 W", "100.0 W", "200.0 W", "300.0 W"]


def test_buckets_show_their_least_and_most(hubctl: Hubctl, fake: FakeHub) -> None:
    fake.answers[READINGS] = series(*BUCKETS, resolution="1m")
    ran = hubctl("readings", "house", "power", "--resolution", "1m", "--until", "30m")
    assert ran.lines[0].split() == ["TIME", "VALUE", "LEAST", "MOST"]
    assert ran.lines[1].split()[2:] == ["150.0", "W", "1.5", "W", "420.0", "W"]
    assert fake.asked[-1].query["device"] == "house"
    assert "channel" not in fake.asked[-1].query
    assert "to" in fake.asked[-1].query


def test_csv_is_for_programs(hubctl: Hubctl, fake: FakeHub) -> None:
    fake.answers[READINGS] = series(*RAW)
    rows = list(csv.reader(io.StringIO(hubctl("readings", "house", "--csv").out)))
    assert rows[0] == ["time", "power_w"]
    assert rows[2] == ["2026-11-20T11:00:01.000Z", "100.0"]
    fake.answers[READINGS] = series(*BUCKETS)
    rows = list(csv.reader(io.StringIO(hubctl("readings", "house", "--csv").out)))
    assert rows == [["time", "power_w", "min", "max"], ["2026-11-20T11:00:00.000Z", "150.0", "1.5", "420.0"]]
    assert hubctl("readings", "house", "--csv", "--json").code == Exit.USAGE


def test_json_is_what_the_interface_says(hubctl: Hubctl, fake: FakeHub) -> None:
    fake.answers[READINGS] = series(*RAW)
    assert hubctl("readings", "house", "--json").json == fake.answers[READINGS][1]
    fake.answers[READINGS] = series(*BUCKETS)
    assert hubctl("readings", "house", "--json").json["points"] == BUCKETS


def test_a_quantity_is_asked_for_where_the_device_measures_it(hubctl: Hubctl, fake: FakeHub) -> None:
    fake.answers[READINGS] = series(quantity="voltage_v", unit="V")
    ran = hubctl("readings", "Refrigerator", "voltage")
    assert fake.asked[-1].query["channel"] == "pole_0"
    assert "no voltage between" in ran.err
    hubctl("readings", "Refrigerator", "voltage", "--channel", "pole_1")
    assert fake.asked[-1].query["channel"] == "pole_1"


def test_a_counter_shows_what_it_grew_by(hubctl: Hubctl, fake: FakeHub) -> None:
    points = [{"time": point["time"], "value": 1000.0 + point["value"]} for point in RAW]
    fake.answers[READINGS] = series(*points, quantity="energy_delivered_wh", unit="Wh")
    ran = hubctl("readings", "Refrigerator", "energy")
    assert fake.asked[-1].query["quantity"] == "energy_delivered_wh"
    assert ran.lines[0].split() == ["TIME", "VALUE", "CHANGE"]
    assert ran.lines[-1].endswith("1,300.000 Wh  300.000 Wh")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("house", "powr"), "did you mean power"),
        (("house", "xyz"), "allowed: power, voltage"),
        (("house", "--since", "yesterday"), "allowed: 90s, 15m, 1h, 2d or 1w ago, or a time as 2026-11-20"),
        (("house", "--since", "0s"), "allowed: 90s"),
        (("house", "--since", "1h", "--until", "2h"), "--since 1h is not before --until 2h"),
        (("house", "--resolution", "2m"), "'raw', '1m', '15m', '1h', '1d'"),
        (("house", "--channel", "pole_7"), "'total', 'pole_0', 'pole_1'"),
    ],
)
def test_wrong_usage_says_what_is_allowed(hubctl: Hubctl, fake: FakeHub, arguments: tuple[str, ...], said: str) -> None:
    ran = hubctl("readings", *arguments)
    assert ran.code == Exit.USAGE
    assert said in ran.err
    assert fake.asked == []


# -- pieces ------------------------------------------------------------------------------------------------------------


def test_quantities_go_with_and_without_their_unit() -> None:
    assert parse_quantity("power_factor") == "power_factor"
    assert parse_quantity("flow") == "flow_m3_h"
    assert parse_quantity("occupancy") == "occupancy"
    assert parse_quantity("temperature") == "temperature_c"
    assert parse_quantity("power") == parse_quantity(" POWER_W ") == "power_w"
    assert parse_quantity("line-to-line-voltage") == "line_to_line_voltage_v"
    assert parse_quantity("energy") == "energy_delivered_wh"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1h30m", 5400), ("2 d", 172_800), ("1.5h", 5400), ("1w", 604_800), ("5min", 300)],
)
def test_spans_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_span(text, "--since") == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "h", "-1h", "1", "1y", "1h!", "999999999999w", "١h x"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(HubctlError, match="allowed"):
        parse_span(text, "--since")


def test_a_moment_is_a_time_or_a_span_before_now() -> None:
    assert parse_moment("1h", NOW, "--since") == NOW - timedelta(hours=1)
    assert parse_moment("2026-11-20T11:00:00Z", NOW, "--since") == NOW - timedelta(hours=1)
    assert parse_moment("2026-11-20T12:00:00+01:00", NOW, "--since") == NOW - timedelta(hours=1)


def test_many_points_become_few_rows_over_round_times() -> None:
    start = datetime(2026, 11, 20, 11, 0, 3, tzinfo=UTC)
    rows = [
        Row((start + timedelta(seconds=second)).isoformat(), float(second), second - 1.0, second + 1.0)
        for second in range(600)
    ]
    few = condense(rows, counter=False, most=30)
    assert len(few) == 21
    assert few[1].time == "2026-11-20T11:00:30.000Z"
    assert few[1].value == pytest.approx(41.5)
    assert (few[1].least, few[1].most) == (26.0, 57.0)
    last = condense(rows, counter=True, most=30)[1]
    assert (last.value, last.time) == (56.0, rows[56].time)
    assert condense(rows[:30], counter=False, most=30) == rows[:30]


def test_numbers_are_aligned_and_nothing_is_never_minus_nothing() -> None:
    assert power(-0.04) == "0.0 W"
    assert power(-1234.56) == "-1,234.6 W"
    assert power(None) == "-"
    assert energy(1234567.0) == "1,234.567 kWh"
    assert number(3.456, "A", 2) == "3.46 A"


def test_times_are_told_in_the_units_that_matter() -> None:
    assert [span(seconds) for seconds in (5, 65, 3700, 90_000)] == ["5 s", "1 min 5 s", "1 h 1 min", "1 d 1 h"]
    assert age("2026-11-20T11:59:48.000Z", NOW) == "12 s ago"
    assert age("2026-11-20T12:00:05.000Z", NOW) == "0 s ago"
    assert age(None, NOW) == "never"


def test_bars_and_sparklines() -> None:
    assert bar(100.0, 100.0, 4) == "████"
    assert bar(-50.0, 100.0, 4) == "██"
    assert bar(0.1, 100.0, 4) == "▏"
    assert bar(500.0, 100.0, 4) == "████"
    assert bar(0.0, 100.0, 4) == bar(None, 100.0, 4) == bar(5.0, 0.0, 4) == ""
    assert sparkline([0.0, 50.0, None, 100.0]) == "▁▅ █"
    assert sparkline([1.0, 2.0, 3.0], 2) == "▁█"
    # Trembling of one percent does not fill the height.
    assert len(set(sparkline([100.0, 101.0]))) == 1 or sparkline([100.0, 101.0]) == "▄▅"
    assert sparkline([None, None]) == sparkline([]) == ""
    assert sparkline([0.0, 0.0]) == "▁▁"
