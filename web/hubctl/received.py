"""`hubctl event received`, `hubctl event drlc opt-out`, `hubctl message confirm`: what interfaces ask of us."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, now, pass_app
from web.hubctl.output import Cell, Column, Table, line, print_json, show, words
from web.hubctl.smart_energy import STATE_STYLES, amount, radio_option
from web.hubctl.units import UNKNOWN, local

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_smart_energy import Received, ReceivedEvent

STYLES = {**STATE_STYLES, "shown": "green", "waiting": "yellow", "replaced": "dim"}
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
    columns = (
        Column("Event", right=True),
        Column("State"),
        Column("From"),
        Column("To"),
        Column("Classes", rank=1),
        Column("Criticality", right=True, rank=2),
        Column("We say"),
    )
    rows = [
        (
            Cell(str(one.issuer_event_id), "bold"),
            Cell(one.state, STYLES.get(one.state, "")),
            local(one.start, now()),
            local(one.end, now()),
            ", ".join(map(words, one.device_classes)),
            str(one.criticality),
            words(one.status) + (", opts out" if one.opted_out and one.state == "scheduled" else ""),
        )
        for one in found.events
    ]
    return Table(columns, rows)


def _prices(found: Received) -> Table:
    columns = (
        Column("Price", right=True),
        Column("State"),
        Column("From"),
        Column("To"),
        Column("Tier", right=True, rank=1),
        Column("Label", rank=1),
        Column("ID", right=True, rank=2),
    )
    rows = [
        (
            Cell(amount(one.price, one.currency), "bold"),
            Cell(one.state, STYLES.get(one.state, "")),
            local(one.start, now()),
            "until changed" if one.end is None else local(one.end, now()),
            str(one.tier or UNKNOWN),
            one.rate_label or UNKNOWN,
            str(one.issuer_event_id),
        )
        for one in found.prices
    ]
    return Table(columns, rows)


def _messages(found: Received) -> Table:
    columns = (
        Column("Message", right=True),
        Column("State"),
        Column("Text"),
        Column("Importance", rank=1),
        Column("From"),
        Column("Confirm"),
    )
    rows = [
        (
            str(one.message_id),
            Cell(one.state, STYLES.get(one.state, "")),
            Cell(one.text, "bold"),
            one.importance,
            local(one.start, now()),
            _confirm(one.confirmed, waits=one.waits_for_person, number=one.message_id),
        )
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
