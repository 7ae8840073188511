"""`hubctl radio ...`: what radios are and can do; backups of coordinators, restoring them, another stick."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, now, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.files import read_text, write_secret
from web.hubctl.networks import STATE_STYLES, complete_radio
from web.hubctl.output import Cell, Column, Table, clean, line, pieces, print_json, show, words
from web.hubctl.progress import waiting
from web.hubctl.units import UNKNOWN, age, local

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_backups import RadioInfo, RestoredNetwork
    from web.client_zigbee_model import Backup, BackupDiff, BackupState

_BACKUP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{6}")
"""What a kept backup is called; anything else is a file."""
ABLE = "backup"

radio_argument = click.argument("name", required=False, shell_complete=complete_radio)
named_radio_argument = click.argument("name", shell_complete=complete_radio)
yes_option = click.option("--yes", is_flag=True, help="Do it: the stick's present network is replaced.")


async def _radio(hub: HubClient, said: str | None) -> RadioInfo:
    """The radio that is meant: the only one that can be backed up where none was named. Raises `HubctlError`."""
    found = await hub.radios()
    if said is not None:
        for one in found:
            if one.name == said:
                return one
        known = f"there are {', '.join(clean(one.name) for one in found)}" if found else "this hub has none"
        raise HubctlError(f"there is no radio {clean(said)!r}; {known}", Exit.NOT_FOUND)
    able = [one for one in found if ABLE in one.capabilities]
    if len(able) == 1:
        return able[0]
    if not able:
        raise HubctlError("no radio of this hub can be backed up now", Exit.FAILED)
    raise HubctlError(f"which radio? there are {', '.join(clean(one.name) for one in able)}", Exit.USAGE)


@click.command()
@radio_argument
@json_option
@pass_app
def info(app: App, name: str | None, as_json: bool) -> None:
    """What each radio is: its stick, firmware, what it can do, and how it is with its backups."""

    async def work(hub: HubClient) -> None:
        found = await hub.radios() if name is None else (await _radio(hub, name),)
        if as_json:
            print_json({"radios": found} if name is None else found[0])
            return
        for one in found:
            _show(one)
        if not found:
            line("this hub has no radio; hub.toml names radios")

    app.run(work)


def _show(radio: RadioInfo) -> None:
    pieces((clean(radio.name), "bold"), (f"  {radio.driver}", "dim"))
    facts = [
        ("state", f"{radio.state}{': ' + clean(radio.detail) if radio.detail else ''}", STATE_STYLES.get(radio.state)),
        ("pipe", clean(radio.pipe), ""),
    ]
    if radio.carries == "zigbee":
        facts.append(("stick", clean(radio.model) or UNKNOWN, ""))
        facts.append(("firmware", clean(radio.firmware) or UNKNOWN, ""))
        facts.append(("used as", clean(radio.mode) or UNKNOWN, ""))
        facts.append(("can", ", ".join(words(one) for one in radio.capabilities) or UNKNOWN, ""))
    if radio.backup is not None:
        facts.append(("backup", _last(radio.backup), ""))
    for title, told, style in facts:
        pieces((f"  {title:<9}", "dim"), (told, style or ""))
    if radio.backup is not None:
        _warn(radio.backup)


def _last(state: BackupState) -> str:
    if state.last is None:
        return "none yet"
    last = state.last
    return f"{last.id}, {age(last.time, now())}: {_counts(last)}; {state.kept} kept"


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _counts(made: Backup) -> str:
    return f"{_number(made.devices, 'device')}, {_number(made.link_keys, 'link key')}"


def _warn(state: BackupState) -> None:
    if state.alarm is not None:
        line(f"  alarm     {clean(state.alarm.text)}", "red")
        line(
            f"            it stays until hubctl radio acknowledge {clean(state.radio)}, or until it is right again",
            "dim",
        )
    if state.failure:
        line(f"  failed    {clean(state.failure)}", "red")


@click.command()
@radio_argument
@click.option(
    "--output", metavar="FILE|-", type=click.Path(allow_dash=True), help="Put the whole backup there, with all keys."
)
@json_option
@pass_app
def backup(app: App, name: str | None, output: str | None, as_json: bool) -> None:
    """Back up a coordinator now: its network, keys and devices; the hub keeps it.

    With --output the whole backup comes out of the hub, in the open coordinator format. It holds the network key and
    all link keys: keep it as a password is kept.
    """

    async def work(hub: HubClient) -> None:
        radio = await _radio(hub, name)
        with waiting(f"{radio.name}: backing up"):
            made = await hub.make_backup(radio.name)
        if output is not None:
            document = await hub.backup_document(radio.name, made.id)
            write_secret(output, document)
            where = "standard output" if output == "-" else output
            holds = f"the network key and {_number(made.link_keys, 'link key')}: keep it as a password is kept"
            line(f"{radio.name}: backup {made.id} is in {where}; it holds {holds}", err=True)
            if as_json and output != "-":
                print_json(made)
            return
        if as_json:
            print_json(made)
            return
        line(f"{radio.name}: backup {made.id}: {_counts(made)}")
        for told in _changes(made.diff):
            line(f"  {told}")
        state = (await hub.radio(radio.name)).backup
        if state is not None:
            _warn(state)

    app.run(work)


@click.command()
@named_radio_argument
@json_option
@pass_app
def backups(app: App, name: str, as_json: bool) -> None:
    """Backups that the hub keeps, newest first, each with what changed since the one before."""

    async def work(hub: HubClient) -> None:
        radio = await _radio(hub, name)
        found = await hub.backups(radio.name)
        if as_json:
            print_json({"backups": found})
            return
        show(_table(found))
        if radio.backup is not None:
            _warn(radio.backup)

    app.run(work)


def _table(found: tuple[Backup, ...]) -> Table:
    columns = (
        Column("Backup"),
        Column("Made"),
        Column("PAN"),
        Column("Channel", right=True, rank=1),
        Column("Devices", right=True),
        Column("Keys", right=True),
        Column("Changed"),
    )
    rows = [
        (
            Cell(one.id, "bold"),
            local(one.time, now()),
            f"{one.pan_id} {one.extended_pan_id}",
            str(one.channel),
            str(one.devices),
            str(one.link_keys),
            "; ".join(_changes(one.diff)),
        )
        for one in found
    ]
    return Table(columns, rows, "there is no backup yet; hubctl radio backup makes one")


SHOWN = 3
"""Devices that are named in a line; the rest are counted."""


def _changes(diff: BackupDiff | None) -> list[str]:
    if diff is None:
        return []
    told = []
    for what, ids in (
        ("new", diff.devices_added),
        ("gone", diff.devices_gone),
        ("link key new", diff.keys_added),
        ("link key gone", diff.keys_gone),
        ("link key changed", diff.keys_changed),
    ):
        if ids:
            more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
            told.append(f"{what}: {', '.join(clean(one) for one in ids[:SHOWN])}{more}")
    for change in diff.network:
        values = f": {change.before} -> {change.after}" if change.before or change.after else ""
        told.append(f"{words(change.what)}{values or ' changed'}")
    return told


@click.command()
@named_radio_argument
@click.argument("source", metavar="BACKUP|FILE|-")
@yes_option
@json_option
@pass_app
def restore(app: App, name: str, source: str, yes: bool, as_json: bool) -> None:
    """Have a stick be as in a backup: one that the hub keeps (hubctl radio backups), or a file.

    The stick is that coordinator then, with its address, network and keys, and no device joins anew. What is on it now
    is backed up first. The stick that had the network before must not be on the air again.
    """
    document: dict[str, object] | None = None
    if not _BACKUP.fullmatch(source):
        document = _document(source)
    _need(yes, f"{clean(name)} would leave its present network for the one of the backup")

    async def work(hub: HubClient) -> None:
        radio = await _radio(hub, name)
        with waiting(f"{radio.name}: restoring"):
            done = await hub.restore_backup(
                radio.name, radio.name, backup=source if document is None else None, document=document
            )
        _tell(done, "restored", as_json)

    app.run(work)


def _document(source: str) -> dict[str, object]:
    import msgspec

    where, text = read_text(source, "paste the backup, then Ctrl-D")
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except msgspec.DecodeError:
        raise HubctlError(f"{clean(where)} is no backup: it is no JSON object", Exit.USAGE) from None


@click.command()
@named_radio_argument
@yes_option
@click.option("--overwrite", is_flag=True, help="Although the stick in place has another network, as a new one has.")
@json_option
@pass_app
def replace(app: App, name: str, yes: bool, overwrite: bool, as_json: bool) -> None:
    """Have a new stick take the network of the old one, from its last good backup.

    Unplug the old stick, plug in the new one, of the same or another make, and change driver and pipe in hub.toml if
    they are others. Network, keys and devices stay; the old stick must not be on the air again.
    """
    _need(yes, f"the stick that {clean(name)} has now would take the network of its last good backup")

    async def work(hub: HubClient) -> None:
        radio = await _radio(hub, name)
        with waiting(f"{radio.name}: replacing its stick"):
            done = await hub.replace_radio(radio.name, radio.name, overwrite=overwrite)
        _tell(done, "the new stick has its network", as_json)

    app.run(work)


def _need(yes: bool, what: str) -> None:
    if not yes:
        raise HubctlError(f"{what}: say --yes if it shall", Exit.USAGE)


def _tell(done: RestoredNetwork, what: str, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    of = f" of {local(done.time, now())}" if done.time else ""
    line(f"{clean(done.radio)}: {what}: backup {done.backup or 'from a file'}{of}, network {done.extended_pan_id}")
    if done.saved:
        line(f"  what was on the stick before is kept as backup {done.saved}", "dim")
    line(f"  {clean(done.warning)}", "yellow")


@click.command()
@named_radio_argument
@json_option
@pass_app
def acknowledge(app: App, name: str, as_json: bool) -> None:
    """Acknowledge the alarm about a backup: from now on things are as they should be."""

    async def work(hub: HubClient) -> None:
        radio = await _radio(hub, name)
        state = await hub.acknowledge_backup(radio.name)
        if as_json:
            print_json(state)
        else:
            line(f"{radio.name}: acknowledged")

    app.run(work)
