"""The live table of `hubctl watch`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text

from web.client import HubClient
from web.client_model import Device
from web.hubctl.context import now
from web.hubctl.devices import (
    availability_cell,
    bar_cell,
    greatest_power,
    position_cell,
    power_cell,
    power_style,
    voltage,
)
from web.hubctl.energy import house_words
from web.hubctl.house import HouseView
from web.hubctl.output import STATE_STYLES, Cell, Column, Table, clean, console, rich_table, words
from web.hubctl.units import energy, local, number, power, sparkline
from web.hubctl.watch import Lost, unbroken

FRAME_S = 0.25
"""Between two pictures: faster than people read, slower than 200 breakers speak."""
SPARK_WIDTH = 20
HOUSE_SPARK_WIDTH = 40
HOUSE_WORDS_WIDTH = 68
"""Columns of the line of the house without its sparkline."""
HAPPENINGS = 6
"""Lines for what happened last."""
OTHER_LINES = 8
"""Of the screen besides devices and happenings: two for the house, headings, rule, blanks, the last line."""


async def watch_screen(hub: HubClient) -> None:
    """Show the house until cancelled."""
    view, lost = HouseView(), _Connection()
    target = console()
    events = unbroken(hub.events)
    # The first event comes before the screen is taken: an error is then said on the screen that the person knows.
    first = await anext(events)
    if not isinstance(first, Lost):
        view.apply(first)
    with Live(console=target, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
        async with asyncio.TaskGroup() as tasks:
            painter = tasks.create_task(_paint(live, view, lost, target))
            try:
                async for event in events:
                    lost.now = event if isinstance(event, Lost) else None
                    if not isinstance(event, Lost):
                        view.apply(event)
            finally:
                painter.cancel()


class _Connection:
    """Whether the hub is there; None: it is."""

    def __init__(self) -> None:
        self.now: Lost | None = None


async def _paint(live: Live, view: HouseView, connection: _Connection, target: Console) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            live.update(picture(view, connection.now, target.width, target.height), refresh=True)
            await asyncio.sleep(FRAME_S)


def picture(view: HouseView, lost: Lost | None, width: int, height: int) -> Group:
    """The whole screen."""
    devices = sorted(view.devices.values(), key=lambda device: (device.area, device.name))
    room = max(2, height - OTHER_LINES)
    happenings = list(view.happenings)[-HAPPENINGS:]
    hidden = 0
    if len(devices) > room:
        # Who draws most is what people look for; the rest is counted.
        devices.sort(key=lambda device: abs(device.reading("power_w") or 0.0), reverse=True)
        hidden = len(devices) - room + 1
        devices = devices[: room - 1]
    parts: list[Text | RichTable] = [_headline(view, lost, width), _house_line(view, width), Text()]
    parts.append(rich_table(_table(devices, view, stale=lost is not None), width))
    if hidden:
        parts.append(Text(f"... and {hidden} more that draw less", style="dim"))
    parts.append(Text())
    moment = now()
    # On a low screen devices come before what happened to them.
    left = max(0, room - len(devices) - bool(hidden))
    for time, who, what in happenings[max(0, len(happenings) - left) :]:
        parts.append(
            Text.assemble(
                (f"{local(time, moment)}  ", "dim"),
                (clean(who), "bold"),
                f"  {clean(what)}",
                no_wrap=True,
                overflow="ellipsis",
            )
        )
    parts.append(Text("Ctrl-C ends", style="dim"))
    return Group(*parts)


def _headline(view: HouseView, lost: Lost | None, width: int) -> Text:
    left = Text(clean(view.hub.name or "hub"), style="bold")
    if lost is None:
        left = Text.assemble(left, (f"  home-energy-hub {clean(view.hub.version)}", "dim"))
        right = Text.assemble(("● live ", "green"), (now().astimezone().strftime("%H:%M:%S"), "dim"))
    else:
        right = Text(f"● {clean(lost.reason)}; trying again", style="bold red")
    for radio in view.radios.values():
        if radio.state != "up":
            left.append(f"  radio {clean(radio.name)} {words(radio.state)}", STATE_STYLES.get(radio.state, ""))
    if view.storage.state != "ok":
        left.append(f"  database {words(view.storage.state)}", STATE_STYLES.get(view.storage.state, ""))
    gap = max(2, width - left.cell_len - right.cell_len)
    made = Text.assemble(left, " " * gap, right)
    made.no_wrap, made.overflow = True, "ellipsis"
    return made


def _house_line(view: HouseView, width: int) -> Text:
    house, today = view.house, view.house.today
    style = power_style(house.power_w)
    spark_width = max(0, min(HOUSE_SPARK_WIDTH, width - HOUSE_WORDS_WIDTH))
    made = Text.assemble(
        ("house ", "dim"),
        (f"{power(house.power_w):>11}", f"bold {style}"),
        (
            f" {sparkline(list(view.house_powers)[-spark_width:], spark_width) if spark_width else '':<{spark_width}}",
            style or "dim",
        ),
        ("  today ", "dim"),
        (f"{energy(today.energy_delivered_wh)} used", "cyan"),
        (f"  {energy(today.energy_received_wh)} given", "green"),
    )
    words_of_it, words_style = house_words(house)
    made.append(words_of_it, words_style)
    made.no_wrap, made.overflow = True, "ellipsis"
    return made


def _table(devices: Sequence[Device], view: HouseView, *, stale: bool) -> Table:
    greatest = greatest_power(list(view.devices.values()))
    columns = (
        Column("Device"),
        Column("Area", rank=4),
        Column("Position"),
        Column("Power", right=True),
        Column("", rank=1),
        Column("Last minutes", rank=3),
        Column("Voltage", right=True, rank=2),
        Column("Current", right=True, rank=5),
        Column("State"),
    )
    rows = []
    for device in devices:
        powers = list(view.powers.get(device.id, ()))
        row = (
            Cell(device.name, "bold"),
            Cell(device.area, "dim"),
            position_cell(device),
            power_cell(device),
            bar_cell(device, greatest),
            Cell(f"{sparkline(powers, SPARK_WIDTH):>{SPARK_WIDTH}}", "blue"),
            number(voltage(device), "V", 1),
            number(device.reading("current_a"), "A", 2),
            availability_cell(device),
        )
        # What is old is not shown as if it were now.
        rows.append(tuple(Cell(cell.text if isinstance(cell, Cell) else cell, "dim") for cell in row) if stale else row)
    return Table(columns, rows)
