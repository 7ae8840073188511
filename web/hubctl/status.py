"""`hubctl status`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, now, pass_app
from web.hubctl.energy import tell_house
from web.hubctl.keys import key_table
from web.hubctl.output import AVAILABILITY_STYLES, STATE_STYLES, Cell, Column, Table, pieces, print_json, show, words
from web.hubctl.units import age, heard, parse_time, size, span

if TYPE_CHECKING:
    from datetime import datetime

    from web.client import HubClient
    from web.client_model import Device, Key, Radio, System

DROPPED = "dropped_"
"""Beginning of the names of counters of datagrams that changed nothing."""


@click.command()
@json_option
@pass_app
def status(app: App, as_json: bool) -> None:
    """The hub: its radios and what they dropped, database, keys, and the power of the house."""

    async def work(hub: HubClient) -> None:
        system = await hub.system()
        if as_json:
            print_json(system)
            return
        _tell_system(system, now())
        click.echo()
        tell_house(await hub.house())
        silent = [device for device in await hub.devices() if device.availability != "available"]
        if silent:
            click.echo()
            show(_silent_table(silent, now()))

    app.run(work)


def _tell_system(system: System, moment: datetime) -> None:
    storage, devices = system.storage, system.devices
    pieces((system.name, "bold"), (f"  home-energy-hub {system.version}, up {span(system.uptime_s)}", "dim"))
    if system.startup.step != "operational":
        pieces(
            ("  start    ", "dim"),
            (f"step {system.startup.number} of 4, {system.startup.step}", "yellow"),
            (f"  {system.startup.detail}" if system.startup.detail else "", ""),
        )
    all_there = devices.available == devices.total
    pieces(
        ("  devices  ", "dim"),
        (f"{devices.available} of {devices.total} available", "green" if all_there else "yellow"),
    )
    waiting = f", {storage.waiting} waiting" if storage.waiting and storage.state != "ok" else ""
    lost = f", {storage.lost} lost" if storage.lost else ""
    pieces(
        ("  database ", "dim"),
        (words(storage.state), STATE_STYLES.get(storage.state, "")),
        (f"  {size(system.database_bytes)}{waiting}{lost}", "red" if lost else ""),
        (f"  {storage.detail}" if storage.detail else "", ""),
    )
    if system.keys:
        pieces(("  keys     ", "dim"), *_keys(system.keys, moment))
    click.echo()
    show(_radio_table(system.radios, moment))
    for radio in system.radios:
        if radio.detail:
            pieces((f"{radio.name}: ", "bold"), (radio.detail, ""))
    wrong = [key for key in system.keys if key.state != "valid"]
    if wrong:
        click.echo()
        show(key_table(wrong))


def _keys(keys: tuple[Key, ...], moment: datetime) -> tuple[tuple[str, str], ...]:
    """How many are valid, and when the first of these ends."""
    ends = [key.expires_at for key in keys if key.state == "valid" and key.expires_at is not None]
    valid = sum(key.state == "valid" for key in keys)
    left = f"  the first ends in {span((min(map(parse_time, ends)) - moment).total_seconds())}" if ends else ""
    return (f"{valid} of {len(keys)} valid", "green" if valid == len(keys) else "yellow"), (left, "dim")


def _radio_table(radios: tuple[Radio, ...], moment: datetime) -> Table:
    columns = (
        Column("Radio"),
        Column("Driver", rank=2),
        Column("State"),
        Column("For", rank=1),
        Column("Restarts", right=True, rank=3),
        Column("Sent", right=True),
        Column("Received", right=True),
        Column("Dropped"),
    )
    rows = [
        (
            Cell(radio.name, "bold"),
            radio.driver,
            Cell(words(radio.state), STATE_STYLES.get(radio.state, "")),
            age(radio.since, moment).removesuffix(" ago"),
            str(radio.restarts),
            _count(radio.counters.get("sent")),
            _count(radio.counters.get("received")),
            _dropped(radio.counters),
        )
        for radio in radios
    ]
    return Table(columns, rows, "no radios: add [[radio]] to hub.toml")


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _dropped(counters: Mapping[str, int]) -> Cell:
    reasons = {name.removeprefix(DROPPED): count for name, count in counters.items() if name.startswith(DROPPED)}
    told = ", ".join(f"{words(reason)} {count:,}" for reason, count in reasons.items() if count)
    return Cell(told or "nothing", "yellow" if told else "dim")


def _silent_table(silent: list[Device], moment: datetime) -> Table:
    rows = [
        (
            Cell(device.name, "bold"),
            Cell(words(device.availability), AVAILABILITY_STYLES.get(device.availability, "")),
            heard(device.last_seen, moment),
            device.availability_detail,
        )
        for device in silent
    ]
    return Table((Column("Device"), Column("State"), Column("Heard"), Column("Why")), rows)
