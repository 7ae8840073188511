"""`hubctl event drlc show`: what each device says to a demand response event, live with --watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, is_terminal, json_option, now, pass_app
from web.hubctl.event_tables import STATE_STYLES
from web.hubctl.output import Cell, Column, Table, console, line, pieces, print_json, rich_table, show, words
from web.hubctl.smart_energy import radio_option
from web.hubctl.units import UNKNOWN, local, span

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from web.client import HubClient
    from web.client_smart_energy import DrlcEvent

COLUMNS = (
    Column("Device"),
    Column("Status"),
    Column("Device's time"),
    Column("Received"),
    Column("Signature", rank=1),
)
ENDED = frozenset(("over", "cancelled"))
GOES_ON = frozenset(("received", "started", "opted_out", "opted_in"))
"""Statuses that another one follows."""


@click.command("show")
@click.argument("number", type=click.IntRange(0, 0xFFFFFFFF))
@click.option("--watch", is_flag=True, help="Statuses as they come, until all is told, or until Ctrl-C.")
@radio_option
@json_option
@pass_app
def show_(app: App, number: int, watch: bool, radio: str | None, as_json: bool) -> None:
    """A demand response event, and every status that its devices have reported."""

    async def work(hub: HubClient) -> None:
        event = await hub.drlc_event(number, radio)
        if as_json:
            print_json(event)
            if watch:
                async for changed in _changes(hub, event, radio):
                    print_json(changed)
            return
        names = {device.id: device.name for device in await hub.devices()}
        if watch and is_terminal("stdout"):
            await _live(hub, event, radio, names)
            return
        for parts in _facts(event):
            pieces(*parts)
        show(_statuses(event, names))
        if watch:
            await _lines(hub, event, radio, names)

    try:
        app.run(work)
    except KeyboardInterrupt:
        if not watch:
            raise


def _standing(event: DrlcEvent) -> str:
    return event.state + (f", superseded by {event.superseded_by}" if event.superseded_by is not None else "")


def _facts(event: DrlcEvent) -> Iterator[tuple[tuple[str, str], ...]]:
    yield (f"event {event.issuer_event_id}", "bold"), (f"  {_standing(event)}", STATE_STYLES.get(event.state, ""))
    facts = (
        ("from", f"{local(event.start, now())} to {local(event.end, now())}, {span(60 * event.duration_min)}"),
        ("classes", ", ".join(map(words, event.device_classes))),
        ("criticality", str(event.criticality)),
        ("duty cycle", _with(event.duty_cycle_percent, "%")),
        ("load", _with(event.load_adjustment_percent, "%")),
        ("cooling", _moved(event.cooling_set_point_c, event.cooling_offset_c, "+")),
        ("heating", _moved(event.heating_set_point_c, event.heating_offset_c, "-")),
    )
    for title, told in facts:
        if told:
            yield (f"  {title:<12}", "dim"), (told, "")


def _statuses(event: DrlcEvent, names: Mapping[str, str]) -> Table:
    rows: list[tuple[str | Cell, ...]] = []
    for client in event.clients:
        name = names.get(client.device_id, client.device_id)
        if not client.statuses:
            rows.append((Cell(name, "bold"), "has it, says nothing yet", UNKNOWN, UNKNOWN, ""))
        for place, one in enumerate(client.statuses):
            title = Cell(name if place == 0 else "", "bold")
            times = local(one.time, now()), local(one.received, now())
            rows.append((title, words(one.status), *times, _signature(one.signature)))
    return Table(COLUMNS, rows, "no device has it yet")


# -- as it changes -----------------------------------------------------------------------------------------------------


async def _changes(hub: HubClient, event: DrlcEvent, radio: str | None) -> AsyncIterator[DrlcEvent]:
    """The event each time that it is another than before, until all is told."""
    from web.client_model import Snapshot
    from web.client_zigbee_model import SmartEnergyChanged
    from web.hubctl.watch import Lost, unbroken

    last = event
    async for told in unbroken(hub.events):
        if _is_told(last):
            return
        match told:
            case Lost():
                line(f"{told.reason}; trying again", "yellow", err=True)
            case Snapshot():
                pass  # connected, or connected again: something may have been missed
            case SmartEnergyChanged(kind="drlc", id=number) if number == event.issuer_event_id:
                pass
            case _:
                continue
        if not isinstance(told, Lost):
            found = await hub.drlc_event(event.issuer_event_id, radio)
            if found != last:
                last = found
                yield found


def _is_told(event: DrlcEvent) -> bool:
    """It is over, and whoever takes part has said so."""
    return event.state in ENDED and not any(client.status in GOES_ON for client in event.clients)


async def _live(hub: HubClient, event: DrlcEvent, radio: str | None, names: Mapping[str, str]) -> None:
    """In a terminal: a picture that renews itself."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    target = console()

    def picture(of: DrlcEvent) -> Group:
        facts = [Text.assemble(*parts) for parts in _facts(of)]
        return Group(*facts, rich_table(_statuses(of, names), target.width))

    with Live(picture(event), console=target, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
        async for changed in _changes(hub, event, radio):
            live.update(picture(changed), refresh=True)


async def _lines(hub: HubClient, event: DrlcEvent, radio: str | None, names: Mapping[str, str]) -> None:
    """In a pipe: a line for each status that comes."""
    told = {client.device_id: len(client.statuses) for client in event.clients}
    async for changed in _changes(hub, event, radio):
        for client in changed.clients:
            for one in client.statuses[told.get(client.device_id, 0) :]:
                name = names.get(client.device_id, client.device_id)
                line(f"{local(one.received, now())}  {name}  {words(one.status)}")
            told[client.device_id] = len(client.statuses)


def _signature(told: str) -> Cell:
    return Cell("" if told == "none" else told, "red" if told == "invalid" else "")


def _with(value: int | None, unit: str) -> str:
    return "" if value is None else f"{value} {unit}"


def _moved(set_point: float | None, offset: float | None, sign: str) -> str:
    if set_point is not None:
        return f"{set_point:g} °C"
    return "" if offset is None else f"{sign}{offset:g} °C"
