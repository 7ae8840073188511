"""`hubctl device profile|consumption|fast-poll`: what a meter keeps, and asking it often for a while."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, now, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.find import complete_device, find_device
from web.hubctl.output import Cell, Column, Table, line, pieces, print_json, show, words
from web.hubctl.progress import waiting
from web.hubctl.units import UNKNOWN, bar, local, number, parse_moment, parse_time, rfc3339, span

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_metering import FastPoll, FilledHistory, Profile
    from web.client_model import Device

BAR_WIDTH = 30
DEFAULT_SINCE = "1d"
CHANNELS = ("delivered", "received")

device_argument = click.argument("device", shell_complete=complete_device)


@click.command()
@device_argument
@click.option(
    "--from", "since", default=DEFAULT_SINCE, show_default=True, metavar="TIME", help="How long ago, or when."
)
@click.option("--to", "until", metavar="TIME", help="How long ago, or when.  [default: now]")
@click.option("--channel", type=click.Choice(CHANNELS), default=CHANNELS[0], show_default=True, help="Which way.")
@click.option("--fill", is_flag=True, help="Fill gaps of the recorded history with it.")
@json_option
@pass_app
def profile(app: App, device: str, since: str, until: str | None, channel: str, fill: bool, as_json: bool) -> None:
    """What a meter counted in each of its intervals, as it keeps them itself."""
    moment = now()
    start = parse_moment(since, moment, "--from")
    end = moment if until is None else parse_moment(until, moment, "--to")
    if start >= end:
        raise HubctlError(f"--from {since} is not before --to {until or 'now'}", Exit.USAGE)

    async def work(hub: HubClient) -> None:
        one = await find_device(hub, device)
        if fill:
            with waiting(f"{one.name}: filling gaps"):
                filled = await hub.fill_history(one.id, channel, start=rfc3339(start), end=rfc3339(end))
            if as_json:
                print_json(filled)
            else:
                _tell_gaps(filled, one)
            return
        with waiting(f"{one.name}: asking for its profile"):
            found = await hub.metering_profile(one.id, channel, start=rfc3339(start), end=rfc3339(end))
        if as_json:
            print_json(found)
        else:
            _tell(found, one, channel)

    app.run(work)


def _amount(value: float | None, unit: str) -> str:
    """In the kilo unit where people have one."""
    if value is None:
        return UNKNOWN
    return number(value / 1000, f"k{unit}", 3) if unit.endswith("h") else number(value, unit, 3)


def _tell_gaps(found: FilledHistory, device: Device) -> None:
    pieces((device.name, "bold"), (f"  {found.quantity}", "dim"))
    columns = (Column("From"), Column("To"), Column("Counted", right=True), Column("Filled with"))
    rows = [
        (
            Cell(local(one.since), "dim"),
            Cell(local(one.until), "dim"),
            _amount(one.counted, found.unit),
            Cell(f"{one.readings} readings") if one.readings else Cell(one.problem or "nothing", "yellow"),
        )
        for one in found.gaps
    ]
    show(Table(columns, rows, "the recorded history has no gap in that time"))


def _tell(found: Profile, device: Device, channel: str) -> None:
    length = f", every {span(found.interval_s).removesuffix(' 0 s')}" if found.interval_s else ""
    pieces((device.name, "bold"), (f"  {channel}{length}", "dim"))
    greatest = max((one.value for one in found.intervals), default=0.0)
    rows = []
    for one in found.intervals:
        cells = (Cell(local(one.start), "dim"), Cell(local(one.end, parse_time(one.start)), "dim"))
        rows.append((*cells, _amount(one.value, found.unit), Cell(bar(one.value, greatest, BAR_WIDTH), "cyan")))
    columns = (Column("From"), Column("To"), Column("Counted", right=True), Column("", terminal_only=True, rank=1))
    show(Table(columns, rows, "the meter keeps no interval of that time"))
    if rows:
        line(f"{len(rows)} intervals, {_amount(sum(one.value for one in found.intervals), found.unit)}")
    if not found.complete:
        line(f"not all: {found.detail}", "yellow")


@click.command()
@device_argument
@json_option
@pass_app
def consumption(app: App, device: str, as_json: bool) -> None:
    """What a meter counted by day, week, month and tier, as it sums them up itself."""

    async def work(hub: HubClient) -> None:
        one = await find_device(hub, device)
        with waiting(f"{one.name}: asking for its sums"):
            found = await hub.metering_consumption(one.id)
        if as_json:
            print_json(found)
            return
        pieces((one.name, "bold"), (f"  {local(found.read_at, now())}", "dim"))
        rows = [
            (_when(of.span, of.ago), _amount(of.delivered, found.unit), _amount(of.received, found.unit))
            for of in found.spans
        ]
        rows += [
            (f"tier {of.tier}", _amount(of.delivered, found.unit), _amount(of.received, found.unit))
            for of in found.tiers
        ]
        if found.display_delivered is not None or found.display_received is not None:
            rows.append(("on its display", found.display_delivered or UNKNOWN, found.display_received or UNKNOWN))
        show(Table((Column("Of"), Column("Delivered", right=True), Column("Received", right=True)), rows))

    app.run(work)


def _when(name: str, ago: int) -> str:
    if name == "day" and ago < 2:
        return ("today", "yesterday")[ago]
    if ago < 2:
        return f"{('this', 'last')[ago]} {words(name)}"
    return f"{ago} {words(name)}s ago"


@click.command("fast-poll")
@device_argument
@click.option(
    "--period", type=click.IntRange(1, 255), default=5, show_default=True, metavar="SECONDS", help="How often."
)
@click.option(
    "--duration", type=click.IntRange(1, 15), default=15, show_default=True, metavar="MINUTES", help="How long."
)
@click.option("--end", "ends", is_flag=True, help="Ask it no more often.")
@click.option("--show", "shows", is_flag=True, help="How it is asked now, or how that has ended.")
@json_option
@pass_app
def fast_poll(app: App, device: str, period: int, duration: int, ends: bool, shows: bool, as_json: bool) -> None:
    """Ask a meter often for a while: power and energy nearly as they happen.

    The meter says how often it has something new, and for how long.
    """
    if ends and shows:
        raise HubctlError("--end or --show, not both", Exit.USAGE)

    async def work(hub: HubClient) -> None:
        one = await find_device(hub, device)
        if ends:
            found = await hub.end_fast_poll(one.id)
        elif shows:
            found = await hub.fast_poll(one.id)
        else:
            with waiting(f"{one.name}: asking it"):
                found = await hub.begin_fast_poll(one.id, period, duration)
        if as_json:
            print_json(found)
        else:
            _tell_poll(found, one)

    app.run(work)


def _tell_poll(found: FastPoll, device: Device) -> None:
    moment = now()
    if found.running:
        left = max(timedelta(), parse_time(found.ends_at) - moment).total_seconds()
        told = f"asked every {found.period_s} s, for {span(left)} more (until {local(found.ends_at, moment)})"
    else:
        told = f"not asked often any more since {local(found.ends_at, moment)}: {found.detail}"
    pieces((f"{device.name}: ", "bold"), (told, ""), (f"  {found.readings} answers", "dim"))
