"""`hubctl devices` and `hubctl device ...`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, now, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.find import complete_device, find_device
from web.hubctl.output import (
    AVAILABILITY_STYLES,
    POSITION_STYLES,
    Cell,
    Column,
    Table,
    clean,
    line,
    pieces,
    print_json,
    words,
)
from web.hubctl.output import show as show_table
from web.hubctl.units import UNKNOWN, age, bar, heard, local, number, power

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_model import Device

BAR_WIDTH = 12
"""Columns of the longest power bar in a list."""
LEAST_FULL_BAR_W = 100.0
"""A bar is never fuller than its load deserves: a house that draws 3 W shows no full bars."""
HEARD_AT_ONCE_S = 10.0
"""Since the last word of a device that counts as live."""


@click.command()
@click.option("--kind", metavar="KIND", help="Only these: breaker, evse.")
@click.option("--availability", metavar="WORD", help="Only these: available, unavailable, no_key, key_expired.")
@json_option
@pass_app
def devices(app: App, kind: str | None, availability: str | None, as_json: bool) -> None:
    """All devices and what they say now."""

    async def work(hub: HubClient) -> None:
        found = await hub.devices(kind, availability)
        if as_json:
            print_json({"devices": found})
        else:
            show_table(_devices_table(found, now()))

    app.run(work)


@click.command()
@click.argument("device", shell_complete=complete_device)
@json_option
@pass_app
def show(app: App, device: str, as_json: bool) -> None:
    """Everything about one device."""

    async def work(hub: HubClient) -> None:
        found = await find_device(hub, device)
        if as_json:
            print_json(found)
        else:
            _show_device(found, now())

    app.run(work)


@click.command("set")
@click.argument("device", shell_complete=complete_device)
@click.option("--name", metavar="TEXT", help="What people call it.")
@click.option("--area", metavar="TEXT", help="Where it is; '' for nowhere.")
@click.option("--protected/--no-protected", default=None, help="Never opened by this hub: a freezer, a medical device.")
@json_option
@pass_app
def set_(app: App, device: str, name: str | None, area: str | None, protected: bool | None, as_json: bool) -> None:
    """Give a device a name, an area, protection."""
    if name is None and area is None and protected is None:
        raise HubctlError("nothing to set; say --name, --area, --protected or --no-protected", Exit.USAGE)

    async def work(hub: HubClient) -> None:
        found = await find_device(hub, device)
        changed = await hub.update_device(found.id, name=name, area=area, protected=protected)
        if as_json:
            print_json(changed)
            return
        facts = [f"area {changed.area}" if changed.area else "no area", "protected" if changed.protected else ""]
        line(f"{changed.name} ({changed.id}): {', '.join(fact for fact in facts if fact)}")

    app.run(work)


@click.command()
@click.argument("device", shell_complete=complete_device)
@click.option("--force", is_flag=True, help="Although a Zigbee device does not answer that it leaves its network.")
@pass_app
def remove(app: App, device: str, force: bool) -> None:
    """Forget a device; if it still answers it is found again. A Zigbee device leaves its network first."""

    async def work(hub: HubClient) -> None:
        found = await find_device(hub, device)
        await hub.remove_device(found.id, force=force)
        line(f"{found.name} ({found.id}): removed")

    app.run(work)


# -- cells that other commands show too --------------------------------------------------------------------------------


def position_cell(device: Device) -> Cell:
    """Where a breaker's contacts are."""
    if device.breaker is None:
        return Cell("")
    position = device.breaker.position
    return Cell(words(position), POSITION_STYLES.get(position, ""))


def voltage(device: Device) -> float | None:
    """Volts of the load: between the legs of a two-pole breaker, else of its one leg.

    A one-pole breaker measures next to nothing between its two sensors, which hang on one leg.
    """
    between, leg = device.reading("line_to_line_voltage_v"), device.reading("voltage_v")
    return max((value for value in (between, leg) if value is not None), default=None)


def availability_cell(device: Device) -> Cell:
    """Whether a device answers."""
    return Cell(words(device.availability), AVAILABILITY_STYLES.get(device.availability, ""))


def power_cell(device: Device) -> Cell:
    """Watts; dim when the device is silent and they are old."""
    value = device.reading("power_w")
    return Cell(power(value), power_style(value) if device.availability == "available" else "dim")


def bar_cell(device: Device, greatest: float, width: int = BAR_WIDTH) -> Cell:
    """Watts as a bar against the greatest of the house."""
    value = device.reading("power_w") if device.availability == "available" else None
    return Cell(bar(value, greatest, width), power_style(value))


def power_style(value: float | None) -> str:
    """Green gives to the house, cyan takes."""
    return "" if value is None else "green" if value < 0 else "cyan"


def greatest_power(found: Sequence[Device]) -> float:
    """What a full bar means."""
    return max([LEAST_FULL_BAR_W, *(abs(device.reading("power_w") or 0.0) for device in found)])


def _devices_table(found: Sequence[Device], moment: datetime) -> Table:
    greatest = greatest_power(found)
    columns = (
        Column("Name"),
        Column("Area", rank=3),
        Column("ID", rank=1),
        Column("Model", rank=5),
        Column("Address", rank=4),
        Column("State"),
        Column("Position"),
        Column("Power", right=True),
        Column("", rank=2, terminal_only=True),
        Column("Heard", right=True, rank=6),
    )
    rows = [
        (
            Cell(device.name, "bold"),
            device.area or UNKNOWN,
            Cell(device.id, "dim"),
            " ".join(word for word in (device.manufacturer, device.model) if word) or UNKNOWN,
            device.address or UNKNOWN,
            availability_cell(device),
            position_cell(device),
            power_cell(device),
            bar_cell(device, greatest),
            Cell(heard(device.last_seen, moment), "dim"),
        )
        for device in found
    ]
    return Table(columns, rows, "no devices yet: the hub lists them as soon as they answer (hubctl status says more)")


def _show_device(device: Device, moment: datetime) -> None:
    pieces((device.name, "bold"), (f"  {device.id}", "dim"))
    detail = f"  {device.availability_detail}" if device.availability_detail else ""
    since = local(device.first_seen, moment)
    facts: list[tuple[str, tuple[tuple[str, str], ...]]] = [
        ("state", (tuple(availability_cell(device)), (detail, ""))),  # type: ignore[list-item]
        ("area", ((device.area or UNKNOWN, ""),)),
        ("kind", ((f"{device.kind}: {', '.join(device.capabilities)}", ""),)),
        ("made by", ((" ".join(word for word in (device.manufacturer, device.model) if word) or UNKNOWN, ""),)),
        ("reached at", ((f"{device.address or UNKNOWN} by radio {device.radio}", ""),)),
        ("heard", ((age(device.last_seen, moment), ""), (f"  first {since}" if device.last_seen else "", "dim"))),
    ]
    if device.breaker is not None:
        breaker = device.breaker
        why = "" if breaker.cause is None else f" ({breaker.cause})"
        when = "" if breaker.changed_at is None else f"  since {local(breaker.changed_at, moment)}{why}"
        facts.append(("position", ((position_cell(device).text, position_cell(device).style), (when, "dim"))))
        facts.append(("commanded", ((breaker.commanded or "never", ""),)))
    facts.append(("protected", (("yes: never opened by this hub" if device.protected else "no", ""),)))
    for title, told in facts:
        pieces((f"  {title:<11}", "dim"), *told)
    if device.readings:
        click.echo()
        show_table(_readings_table(device))
        pieces((f"read {age(device.readings_at, moment)}", "dim"))


def _readings_table(device: Device) -> Table:
    from hub.model import QUANTITIES, Quantity

    channels = sorted(device.readings, key=lambda channel: (channel != "total", channel))
    known = {quantity.value: QUANTITIES[quantity] for quantity in Quantity}
    said = {name for readings in device.readings.values() for name in readings}
    order = [name for name in known if name in said] + sorted(said - set(known))
    rows = []
    for name in order:
        info = known.get(name)
        title = info.label if info is not None else clean(name)
        values = [device.readings[channel].get(name) for channel in channels]
        if info is None:
            told = ["" if value is None else f"{value:g}" for value in values]
        elif info.unit in ("Wh", "varh", "VAh"):
            told = ["" if value is None else number(value / 1000, f"k{info.unit}", 3) for value in values]
        else:
            told = ["" if value is None else number(value, info.unit, info.decimals) for value in values]
        rows.append((title, *told))
    return Table((Column("Reading"), *(Column(words(channel), right=True) for channel in channels)), rows)
