"""`hubctl event drlc ...`, `hubctl price ...`, `hubctl message ...`: what we ask of Smart Energy devices."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from math import isnan
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, now, pass_app
from web.hubctl.event_tables import (
    CURRENCIES,
    EVENT_COLUMNS,
    MESSAGE_COLUMNS,
    PRICE_COLUMNS,
    Cells,
    amount,
    event_cells,
    message_cells,
    price_cells,
)
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.networks import complete_radio
from web.hubctl.output import Column, Table, clean, line, print_json, show, words
from web.hubctl.units import UNKNOWN, local, parse_span

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_smart_energy import DrlcEvent, ItemClient

CLASSES = (
    "hvac", "strip_heater", "water_heater", "pool_pump", "smart_appliance", "irrigation_pump", "commercial_load",
    "simple_load", "exterior_lighting", "interior_lighting", "ev", "generation",
)  # fmt: skip
LONGEST_MIN = 1440
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")

radio_option = click.option("--radio", metavar="RADIO", shell_complete=complete_radio, help="If there are several.")


def start_of(said: str | None) -> str | None:
    """A start as the interface takes it: now (None), 18:00 (the next one), +30m, or a whole time."""
    if said is None or said == "now":
        return None
    moment = now().astimezone()
    match = _CLOCK.fullmatch(said)
    if match is not None and int(match[1]) < 24 and int(match[2]) < 60:
        found = moment.replace(hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0)
        return (found if found > moment else found + timedelta(days=1)).isoformat()
    if said.startswith("+"):
        return (moment + parse_span(said[1:], "--start")).isoformat()
    try:
        found = datetime.fromisoformat(said).astimezone()
    except (ValueError, OverflowError):
        allowed = "now, 18:00 (the next one), +30m, or a whole time as 2026-12-24T18:00"
        raise HubctlError(f"--start is {clean(said)!r}; allowed: {allowed}", Exit.USAGE) from None
    return found.isoformat()


def _text(said: str, name: str) -> str:
    """What people read. Raises `HubctlError` for bytes that are no text."""
    try:
        said.encode()
    except UnicodeEncodeError:
        raise HubctlError(f"{name} is {clean(ascii(said))}; allowed: text in UTF-8", Exit.USAGE) from None
    return said


def _minutes(said: str, name: str = "--duration") -> int:
    """Minutes of `60`, `90m` or `2h`. How many there may be the hub says, of none too."""
    return int(said) if said.isdecimal() else max(1, round(parse_span(said, name).total_seconds() / 60))


def classes_of_words(_ctx: click.Context, _: click.Parameter, said: str | None) -> list[str] | None:
    if said is None:
        return None
    found = [word for word in re.split(r"[,\s]+", said) if word]
    wrong = [word for word in found if word not in CLASSES]
    if wrong or not found:
        raise click.BadParameter(f"{clean(said)!r}: some of {', '.join(CLASSES)}")
    return found


def _number(_ctx: click.Context, _: click.Parameter, said: float) -> float:
    if isnan(said):
        raise click.BadParameter("nan is no price: a number from 0 to 4294967295")
    return said


def _number_or_all(said: str, what: str) -> int | None:
    """None: all."""
    if said == "all":
        return None
    if not (said.isascii() and said.isdecimal()) or int(said) > 0xFFFFFFFF:
        raise HubctlError(f"{clean(said)!r} is no {what}; allowed: its number, or all", Exit.USAGE)
    return int(said)


# -- demand response ---------------------------------------------------------------------------------------------------


@click.command()
@click.option(
    "--class", "classes", metavar="CLASS,...", required=True, callback=classes_of_words, help=", ".join(CLASSES)
)
@click.option("--duration", metavar="MINUTES|2h", required=True, help="At most a day.")
@click.option("--criticality", type=click.IntRange(1, 15), default=1, show_default=True, help="7 to 9 are mandatory.")
@click.option("--start", metavar="TIME", help="now, 18:00, +30m, or a whole time.")
@click.option("--duty-cycle", type=click.IntRange(0, 100), metavar="PERCENT", help="Of the time that it may be on.")
@click.option("--load-adjustment", type=click.IntRange(-100, 100), metavar="PERCENT", help="Of its average load.")
@click.option("--cooling-offset", type=click.FloatRange(0, 25.4), metavar="°C", help="Warmer than it holds.")
@click.option("--heating-offset", type=click.FloatRange(0, 25.4), metavar="°C", help="Colder than it holds.")
@click.option("--cooling-set-point", type=click.FloatRange(-273.15, 327.67), metavar="°C", help="To cool down to.")
@click.option("--heating-set-point", type=click.FloatRange(-273.15, 327.67), metavar="°C", help="To heat up to.")
@click.option("--group", type=click.IntRange(0, 255), default=0, help="Utility enrollment group; 0: all.")
@click.option("--id", "number", type=click.IntRange(0, 0xFFFFFFFF), help="Issuer event id; the time if left out.")
@click.option("--sharp", is_flag=True, help="All devices at once: nothing is drawn by lot.")
@radio_option
@json_option
@pass_app
def create(app: App, /, as_json: bool, **given: object) -> None:
    """Ask devices of some classes to shed load."""
    body: dict[str, object] = {
        "device_classes": given["classes"],
        "duration_min": _minutes(str(given["duration"])),
        "criticality": given["criticality"],
        "utility_enrollment_group": given["group"],
        "randomize_start": not given["sharp"],
        "randomize_end": not given["sharp"],
        "start": start_of(given["start"]),  # type: ignore[arg-type]
        "duty_cycle_percent": given["duty_cycle"],
        "load_adjustment_percent": given["load_adjustment"],
        "cooling_offset_c": given["cooling_offset"],
        "heating_offset_c": given["heating_offset"],
        "cooling_set_point_c": given["cooling_set_point"],
        "heating_set_point_c": given["heating_set_point"],
        "issuer_event_id": given["number"],
        "radio": given["radio"],
    }

    async def work(hub: HubClient) -> None:
        made = await hub.create_drlc_event({name: value for name, value in body.items() if value is not None})
        if as_json:
            print_json(made)
        else:
            line(f"event {made.issuer_event_id}: {made.state}, {local(made.start, now())} to {local(made.end, now())}")
            line(f"what devices say to it: hubctl event drlc show {made.issuer_event_id}", "dim")

    app.run(work)


@click.command("list")
@radio_option
@json_option
@pass_app
def list_(app: App, radio: str | None, as_json: bool) -> None:
    """All demand response events."""

    async def work(hub: HubClient) -> None:
        found = await hub.drlc_events(radio)
        if as_json:
            print_json({"events": found})
            return
        columns = (*EVENT_COLUMNS, Column("Devices", right=True), Column("Say"))
        rows = [(*_event_cells(one), str(len(one.clients)), _said(one)) for one in found]
        show(Table(columns, rows, "no demand response events"))

    app.run(work)


def _event_cells(event: DrlcEvent) -> Cells:
    """Of those that we make it is known which give way to newer ones."""
    number, state, *others = event_cells(event)
    gives_way = event.superseded_by is not None and event.state in ("scheduled", "running")
    return number, "superseded" if gives_way else state, *others


def _said(event: DrlcEvent) -> str:
    counts: dict[str, int] = {}
    for client in event.clients:
        status = words(client.status) if client.status else "nothing yet"
        counts[status] = counts.get(status, 0) + 1
    return ", ".join(f"{count} {status}" for status, count in counts.items()) or UNKNOWN


@click.command()
@click.argument("number", metavar="ID|all")
@click.option("--class", "classes", metavar="CLASS,...", callback=classes_of_words, help="For these classes only.")
@click.option("--group", type=click.IntRange(0, 255), default=0, help="For this group of the utility; 0: all.")
@click.option("--randomized", is_flag=True, help="Running devices end when they have drawn.")
@radio_option
@json_option
@pass_app
def cancel(
    app: App, number: str, classes: list[str] | None, group: int, randomized: bool, radio: str | None, as_json: bool
) -> None:
    """Cancel a demand response event, whole or for some devices, or all."""
    wanted = _number_or_all(number, "event")
    if wanted is None and (classes or group):
        raise HubctlError("all: no command cancels all events for some classes or a group; name one", Exit.USAGE)

    async def work(hub: HubClient) -> None:
        told = ",".join(classes) if classes else None
        found = await hub.cancel_drlc(wanted, radio=radio, classes=told, group=group, randomize=randomized)
        if as_json:
            print_json(found)
            return
        what = ", ".join(map(str, found.cancelled)) or ("nothing" if wanted is None else f"{wanted}, not known here")
        line(f"cancelled: {what}; {found.clients} device(s) told")

    app.run(work)


# -- prices ------------------------------------------------------------------------------------------------------------


@click.command()
@click.argument("price", type=click.FloatRange(0, 4_294_967_295), callback=_number)
@click.option("--duration", metavar="MINUTES|2h", help="Until another price takes its place, if left out.")
@click.option("--start", metavar="TIME", help="now, 18:00, +30m, or a whole time.")
@click.option("--label", default="", help="At most 12 bytes, as PEAK.")
@click.option("--tier", type=click.IntRange(0, 15), default=0, help="Which it is of; 0: none.")
@click.option("--tiers", type=click.IntRange(0, 15), default=0, help="How many there are.")
@click.option("--acknowledge", is_flag=True, help="Devices are to say that they have it; takes hub.se_version 1.1.")
@click.option("--currency", type=click.Choice(tuple(CURRENCIES)), default="EUR", show_default=True, help="By ISO 4217.")
@click.option("--provider", type=click.IntRange(0, 0xFFFFFFFF), default=0, help="Its number, of several.")
@click.option("--id", "number", type=click.IntRange(0, 0xFFFFFFFF), help="Issuer event id; the time if left out.")
@radio_option
@json_option
@pass_app
def publish(app: App, /, price: float, as_json: bool, **given: object) -> None:
    """Publish what a kWh costs."""
    body = {
        "price": price,
        "duration_min": None if given["duration"] is None else _minutes(str(given["duration"])),
        "start": start_of(given["start"]),  # type: ignore[arg-type]
        "rate_label": _text(str(given["label"]), "--label"),
        "tier": given["tier"],
        "tiers": given["tiers"],
        "currency": CURRENCIES[str(given["currency"])],
        "provider_id": given["provider"],
        "acknowledge": given["acknowledge"],
        "issuer_event_id": given["number"],
        "radio": given["radio"],
    }

    async def work(hub: HubClient) -> None:
        made = await hub.publish_price({name: value for name, value in body.items() if value is not None})
        if as_json:
            print_json(made)
        else:
            line(f"price {made.issuer_event_id}: {amount(made.price, made.currency)} from {local(made.start, now())}")

    app.run(work)


def _list_prices(app: App, radio: str | None, as_json: bool, *, current: bool) -> None:
    async def work(hub: HubClient) -> None:
        found = await hub.prices(radio, current=current)
        if as_json:
            print_json({"prices": found})
            return
        columns = (*PRICE_COLUMNS, Column("Devices", right=True), Column("Acknowledged", right=True, rank=2))
        rows = [(*price_cells(one), str(len(one.clients)), str(_acknowledged(one.clients))) for one in found]
        show(Table(columns, rows, "no price holds now" if current else "no prices"))

    app.run(work)


def _acknowledged(clients: tuple[ItemClient, ...]) -> int:
    return sum(client.acknowledged is not None for client in clients)


@click.command("list")
@radio_option
@json_option
@pass_app
def list_prices(app: App, radio: str | None, as_json: bool) -> None:
    """All prices."""
    _list_prices(app, radio, as_json, current=False)


@click.command()
@radio_option
@json_option
@pass_app
def current(app: App, radio: str | None, as_json: bool) -> None:
    """What it costs now."""
    _list_prices(app, radio, as_json, current=True)


@click.command()
@radio_option
@json_option
@pass_app
def forget(app: App, radio: str | None, as_json: bool) -> None:
    """Forget all prices here: devices keep what they have until a newer one takes its place."""

    async def work(hub: HubClient) -> None:
        found = await hub.forget_prices(radio)
        if as_json:
            print_json(found)
        else:
            line(f"{found.forgotten} {found.note}")

    app.run(work)


# -- messages ----------------------------------------------------------------------------------------------------------


@click.command()
@click.argument("text")
@click.option("--duration", metavar="MINUTES|2h", help="Until another message is sent, if left out.")
@click.option("--start", metavar="TIME", help="now, 18:00, +30m, or a whole time.")
@click.option("--importance", type=click.Choice(("low", "medium", "high", "critical")), default="low", help="(low)")
@click.option("--confirm", is_flag=True, help="Somebody is to confirm it.")
@click.option("--id", "number", type=click.IntRange(0, 0xFFFFFFFF), help="Message id; the time if left out.")
@radio_option
@json_option
@pass_app
def send(app: App, /, text: str, as_json: bool, **given: object) -> None:
    """Have a text shown on every display."""
    body = {
        "text": _text(text, "TEXT"),
        "duration_min": None if given["duration"] is None else _minutes(str(given["duration"])),
        "start": start_of(given["start"]),  # type: ignore[arg-type]
        "importance": given["importance"],
        "confirm": given["confirm"],
        "message_id": given["number"],
        "radio": given["radio"],
    }

    async def work(hub: HubClient) -> None:
        made = await hub.send_message({name: value for name, value in body.items() if value is not None})
        if as_json:
            print_json(made)
        else:
            line(f"message {made.message_id}: {made.state}")

    app.run(work)


@click.command("list")
@radio_option
@json_option
@pass_app
def list_messages(app: App, radio: str | None, as_json: bool) -> None:
    """All messages, and who has confirmed them."""

    async def work(hub: HubClient) -> None:
        found = await hub.display_messages(radio)
        if as_json:
            print_json({"messages": found})
            return
        columns = (*MESSAGE_COLUMNS, Column("Devices", right=True), Column("Confirmed", right=True))
        rows = [
            (
                *message_cells(one),
                str(len(one.clients)),
                str(_acknowledged(one.clients)) if one.wants_confirmation else UNKNOWN,
            )
            for one in found
        ]
        show(Table(columns, rows, "no messages"))

    app.run(work)


@click.command("cancel")
@click.argument("number")
@click.option("--confirm", is_flag=True, help="Somebody is to confirm that it was taken away.")
@radio_option
@json_option
@pass_app
def cancel_message(app: App, number: str, confirm: bool, radio: str | None, as_json: bool) -> None:
    """Take a message away, or all."""
    wanted = _number_or_all(number, "message")

    async def work(hub: HubClient) -> None:
        found = await hub.cancel_message(wanted, radio=radio, confirm=confirm)
        if as_json:
            print_json(found)
            return
        if wanted is not None and not found.cancelled:
            line(f"message {wanted} is not known here; {found.clients} device(s) told to take it away")
            return
        what = f"message {wanted}" if wanted is not None else ", ".join(map(str, found.cancelled)) or "nothing"
        verb = "are" if len(found.cancelled) > 1 else "is"
        line(f"{what} {verb} taken away; {found.clients} device(s) told")

    app.run(work)
