"""`hubctl event received`, `hubctl event drlc opt-out`, `hubctl message confirm`: what interfaces ask of us."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, now, pass_app
from web.hubctl.event_tables import (
    EVENT_COLUMNS,
    MESSAGE_COLUMNS,
    PRICE_COLUMNS,
    event_cells,
    message_cells,
    price_cells,
)
from web.hubctl.output import Column, Table, line, print_json, show, words
from web.hubctl.smart_energy import radio_option
from web.hubctl.units import UNKNOWN, local

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_smart_energy import Received, ReceivedEvent

number_argument = click.argument("number", type=click.IntRange(0, 0xFFFFFFFF))


@click.command()
@radio_option
@json_option
@pass_app
def received(app: App, radio: str | None, as_json: bool) -> None:
    """Events, prices and messages that an energy service interface has sent us."""

    async def work(hub: HubClient) -> None:
        found = await hub.received(radio)
        if as_json:
            print_json(found)
            return
        tables = [table for table in (_events(found), _prices(found), _messages(found)) if table.rows]
        for table in tables:
            show(table)
        if not tables:
            line("nothing has come; only with hub.role aux_gateway does an interface send us events")

    app.run(work)


def _events(found: Received) -> Table:
    columns = (*EVENT_COLUMNS, Column("We say"))
    rows = [
        (
            *event_cells(one),
            words(one.status) + (", opts out" if one.opted_out and one.state == "scheduled" else ""),
        )
        for one in found.events
    ]
    return Table(columns, rows)


def _prices(found: Received) -> Table:
    return Table(PRICE_COLUMNS, [price_cells(one) for one in found.prices])


def _messages(found: Received) -> Table:
    columns = (*MESSAGE_COLUMNS, Column("Confirm"))
    rows = [
        (*message_cells(one), _confirm(one.confirmed, waits=one.waits_for_person, number=one.message_id))
        for one in found.messages
    ]
    return Table(columns, rows)


def _confirm(confirmed: str | None, *, waits: bool, number: int) -> str:
    if confirmed is not None:
        return local(confirmed, now())
    return f"hubctl message confirm {number}" if waits else UNKNOWN


def _told(event: ReceivedEvent, as_json: bool, what: str) -> None:
    if as_json:
        print_json(event)
    elif event.state == "running":
        line(f"event {event.issuer_event_id}: {what} from now on")
    else:
        line(f"event {event.issuer_event_id}: {what} when it starts, {local(event.start, now())}")


@click.command("opt-out")
@number_argument
@radio_option
@json_option
@pass_app
def opt_out(app: App, number: int, radio: str | None, as_json: bool) -> None:
    """Do not take part in an event that has come to us."""

    async def work(hub: HubClient) -> None:
        _told(await hub.opt_out(number, radio), as_json, "we do not take part")

    app.run(work)


@click.command("opt-in")
@number_argument
@radio_option
@json_option
@pass_app
def opt_in(app: App, number: int, radio: str | None, as_json: bool) -> None:
    """Take part after all in an event that has come to us."""

    async def work(hub: HubClient) -> None:
        _told(await hub.opt_in(number, radio), as_json, "we take part")

    app.run(work)


@click.command("confirm")
@number_argument
@radio_option
@json_option
@pass_app
def confirm(app: App, number: int, radio: str | None, as_json: bool) -> None:
    """Confirm that somebody has read a message that has come to us."""

    async def work(hub: HubClient) -> None:
        found = await hub.confirm_message(number, radio)
        if as_json:
            print_json(found)
        else:
            line(f"message {number} is confirmed")

    app.run(work)
