"""`hubctl readings`: history as a table with bars, CSV or JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import click
from click.shell_completion import CompletionItem

from web.hubctl.context import App, is_terminal, json_option, now, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.find import HOUSE, complete_device, find_device
from web.hubctl.output import Cell, Column, Table, clean, line, pieces, print_json, show
from web.hubctl.units import bar, local, number, parse_moment, parse_time, rfc3339, sparkline

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_model import Point, Series

RESOLUTIONS = ("auto", "raw", "1m", "15m", "1h", "1d")
CHANNELS = ("total", "pole_0", "pole_1", *(f"tier_{number}" for number in range(1, 16)))
CHANNEL_HELP = "total, pole_0, pole_1, tier_1 to tier_15  [default: total, else the first that is measured]"
DEFAULT_SINCE = "1h"
ROWS_IN_TERMINAL = 30
"""What a person takes in at once; more is told in fewer rows, each the mean of several."""
BAR_WIDTH = 30
SPARKLINE_WIDTH = 60
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800)
"""Lengths of a row that a clock on the wall knows."""


class Row(NamedTuple):
    """Some points as one line."""

    time: str
    value: float
    least: float
    most: float


def complete_quantity(_ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of quantities."""
    from hub.model import QUANTITIES

    return [
        CompletionItem(quantity.value, help=info.label)
        for quantity, info in QUANTITIES.items()
        if quantity.value.startswith(incomplete)
    ]


@click.command()
@click.argument("device", shell_complete=complete_device)
@click.argument("quantity", default="power_w", shell_complete=complete_quantity)
@click.option("--since", default=DEFAULT_SINCE, show_default=True, metavar="TIME", help="How long ago, or a time.")
@click.option("--until", metavar="TIME", help="How long ago, or a time.  [default: now]")
@click.option("--resolution", type=click.Choice(RESOLUTIONS), default="auto", show_default=True, help="How finely.")
@click.option("--channel", type=click.Choice(CHANNELS), metavar="CHANNEL", help=CHANNEL_HELP)
@click.option("--all", "everything", is_flag=True, help="In a terminal: every point, not fewer rows.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV instead of a table.")
@json_option
@pass_app
def readings(
    app: App,
    device: str,
    quantity: str,
    since: str,
    until: str | None,
    resolution: str,
    channel: str | None,
    everything: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """What DEVICE measured over time: QUANTITY is power, voltage, current, energy_delivered ...

    DEVICE may be "house".

    \b
    hubctl readings Kitchen
    hubctl readings Kitchen voltage --since 2h --resolution 1m
    hubctl readings house power --since 2026-11-20 --csv > house.csv
    """
    if as_csv and as_json:
        raise HubctlError("--csv or --json, not both", Exit.USAGE)
    name = parse_quantity(quantity)
    moment = now()
    start = parse_moment(since, moment, "--since")
    end = moment if until is None else parse_moment(until, moment, "--until")
    if start >= end:
        raise HubctlError(f"--since {since} is not before --until {until or 'now'}", Exit.USAGE)

    async def work(hub: HubClient) -> None:
        device_id, title, measured = await _whose(hub, device, name)
        series = await hub.readings(
            device_id,
            name,
            channel=channel or measured,
            start=rfc3339(start),
            end=None if until is None else rfc3339(end),
            resolution=resolution,
        )
        if as_json:
            print_json(series)
        elif as_csv:
            _write_csv(series)
        else:
            _tell(series, title, everything)

    app.run(work)


def parse_quantity(text: str) -> str:
    """The interface's name of a quantity, which may be said without its unit. Raises `HubctlError`."""
    import difflib

    from hub.model import QUANTITIES, Quantity

    said = text.strip().lower().replace("-", "_")
    short = {
        # Names end in their units; "°C", "%" and "m3/h" are spelt out in them, and what has no unit is whole as it is.
        (quantity.value.removesuffix("_h").rpartition("_")[0] if info.unit else quantity.value): quantity.value
        for quantity, info in QUANTITIES.items()
    }
    for known in (quantity.value for quantity in Quantity):
        if said == known:
            return known
    short["energy"] = Quantity.ENERGY_DELIVERED.value
    if said in short:
        return short[said]
    near = difflib.get_close_matches(said, short, 3, 0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"allowed: {', '.join(short)}"
    raise HubctlError(f"there is no quantity {clean(text)!r}; {hint}", Exit.USAGE)


async def _whose(hub: HubClient, said: str, quantity: str) -> tuple[str, str, str | None]:
    """Id and name of the device that is meant, and the channel on which it measures the quantity now."""
    if said.strip().casefold() == HOUSE:
        return HOUSE, "house", None
    device = await find_device(hub, said)
    measured = next((channel for channel in CHANNELS if quantity in device.readings.get(channel, {})), None)
    return device.id, device.name, measured


def _write_csv(series: Series) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    buckets = any(isinstance(point.min, float | int) for point in series.points)
    writer.writerow(("time", series.quantity, "min", "max") if buckets else ("time", series.quantity))
    for point in series.points:
        row: list[object] = [point.time, point.value]
        writer.writerow([*row, *_ends(point)] if buckets else row)


def _tell(series: Series, title: str, everything: bool) -> None:
    from hub.model import QUANTITIES, Quantity, QuantityKind

    try:
        info = QUANTITIES[Quantity(series.quantity)]
    except ValueError:
        counter, decimals, label = False, 3, series.quantity
    else:
        counter, decimals, label = info.kind is QuantityKind.COUNTER, info.decimals, info.label
    terminal = is_terminal("stdout")
    rows = [Row(point.time, point.value, *_ends(point)) for point in series.points]
    if not rows:
        line(f"{title}: no {label} between {local(series.start)} and {local(series.end)}", err=True)
        return
    fewer = rows
    if terminal:
        _tell_summary(series, rows, title, label, counter, decimals)
        fewer = rows if everything else condense(rows, counter, ROWS_IN_TERMINAL)
    show(
        _table(
            fewer,
            series,
            counter,
            decimals,
            ranges=len(fewer) < len(rows) or series.resolution != "raw",
            short=terminal,
        )
    )
    if len(fewer) < len(rows):
        how = "the last" if counter else "the mean"
        line(f"{len(rows):,} points in {len(fewer)} rows, each {how} of several; --all shows every one", "dim")


def _tell_summary(series: Series, rows: Sequence[Row], title: str, label: str, counter: bool, decimals: int) -> None:
    values = [row.value for row in rows]
    pieces((title, "bold"), (f"  {label}", ""), (f"  {series.channel}, {series.resolution}", "dim"))
    if counter:
        grown = values[-1] - values[0]
        pieces(
            (number(values[-1], series.unit, decimals), "bold"), (f"  +{number(grown, series.unit, decimals)}", "cyan")
        )
        return
    mean = sum(values) / len(values)
    facts = (("now", values[-1]), ("least", min(row.least for row in rows)), ("mean", mean))
    for word, value in (*facts, ("most", max(row.most for row in rows))):
        pieces(
            (f"  {word:<6}", "dim"), (f"{number(value, series.unit, decimals):>14}", "bold" if word == "now" else "")
        )
    line("  " + sparkline(_resampled(values, SPARKLINE_WIDTH)), "cyan")


def _table(rows: Sequence[Row], series: Series, counter: bool, decimals: int, *, ranges: bool, short: bool) -> Table:
    base = rows[0].value if counter else 0.0
    # For a program every time is whole; a person needs the date only when the rows are not all of today.
    moment = now()
    today = moment if short and parse_time(rows[0].time).astimezone().date() == moment.astimezone().date() else None
    greatest = max(abs(row.value - base) for row in rows)
    columns = [Column("Time"), Column("Value", right=True)]
    if counter:
        columns.append(Column("Change", right=True))
    columns.append(Column("", terminal_only=True, rank=2))
    if ranges and not counter:
        columns += [Column("Least", right=True, rank=1), Column("Most", right=True, rank=1)]
    told = []
    for row in rows:
        cells: list[Cell | str] = [Cell(local(row.time, today), "dim"), number(row.value, series.unit, decimals)]
        if counter:
            cells.append(number(row.value - base, series.unit, decimals))
        cells.append(Cell(bar(row.value - base, greatest, BAR_WIDTH), "green" if row.value < 0 else "cyan"))
        if ranges and not counter:
            cells += [number(row.least, series.unit, decimals), number(row.most, series.unit, decimals)]
        told.append(cells)
    return Table(tuple(columns), told)


def condense(rows: Sequence[Row], counter: bool, most: int) -> list[Row]:
    """At most about `most` rows, each over a step that a clock knows; a gap stays a gap."""
    if len(rows) <= most:
        return list(rows)
    reach = (parse_time(rows[-1].time) - parse_time(rows[0].time)).total_seconds()
    step = next((step for step in STEPS_S if reach / step <= most), STEPS_S[-1])
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(int(parse_time(row.time).timestamp() // step), []).append(row)
    return [
        Row(
            group[-1].time if counter else rfc3339(_moment(number_of * step)),
            group[-1].value if counter else sum(row.value for row in group) / len(group),
            min(row.least for row in group),
            max(row.most for row in group),
        )
        for number_of, group in groups.items()
    ]


def _moment(seconds: int) -> datetime:
    return parse_time("1970-01-01T00:00:00Z") + timedelta(seconds=seconds)


def _resampled(values: Sequence[float], width: int) -> list[float]:
    if len(values) <= width:
        return list(values)
    edges = [place * len(values) // width for place in range(width + 1)]
    return [sum(values[low:high]) / (high - low) for low, high in pairwise(edges)]


def _ends(point: Point) -> tuple[float, float]:
    least = point.min if isinstance(point.min, float | int) else point.value
    most = point.max if isinstance(point.max, float | int) else point.value
    return least, most
