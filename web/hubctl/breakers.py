"""`hubctl breaker list|open|close|toggle`."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import click

from web.hubctl.context import App, is_terminal, json_option, now, pass_app
from web.hubctl.devices import availability_cell, bar_cell, greatest_power, position_cell, power_cell, voltage
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.find import complete_device, find_breakers
from web.hubctl.output import (
    OUTCOME_STYLES,
    POSITION_STYLES,
    Cell,
    Column,
    Table,
    line,
    pieces,
    print_json,
    show,
    words,
)
from web.hubctl.progress import waiting
from web.hubctl.units import energy, heard, number

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_model import Command, Device

T = TypeVar("T")

_DOING = {"open": "opening", "close": "closing", "toggle": "toggling"}
_DONE = {"open": "opened", "close": "closed", "toggle": "toggled"}
_LOCKOUT = "a breaker takes one command in 10 s"

ids_argument = click.argument("breakers", nargs=-1, metavar="BREAKER...", shell_complete=complete_device)
all_option = click.option("--all", "everything", is_flag=True, help="All breakers of the house.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask before more than one breaker is moved.")


@click.command("list")
@json_option
@pass_app
def list_(app: App, as_json: bool) -> None:
    """All breakers: position, power, voltage."""

    async def work(hub: HubClient) -> None:
        found = await hub.breakers()
        if as_json:
            print_json({"breakers": found})
        else:
            show(_table(found))

    app.run(work)


@click.command("open")
@ids_argument
@all_option
@yes_option
@json_option
@pass_app
def open_(app: App, breakers: tuple[str, ...], everything: bool, yes: bool, as_json: bool) -> int:
    """Cut the power of one breaker, several, or all.

    Says what is known to have happened: confirmed, refused, or unknown.
    """
    return _move(app, "open", breakers, everything, yes, as_json)


@click.command()
@ids_argument
@all_option
@yes_option
@json_option
@pass_app
def close(app: App, breakers: tuple[str, ...], everything: bool, yes: bool, as_json: bool) -> int:
    """Give power to one breaker, several, or all.

    Says what is known to have happened: confirmed, refused, or unknown.
    """
    return _move(app, "close", breakers, everything, yes, as_json)


@click.command()
@click.argument("breaker", shell_complete=complete_device)
@json_option
@pass_app
def toggle(app: App, breaker: str, as_json: bool) -> int:
    """Put a breaker into its other position.

    It is sent once and never again: when no answer comes, nobody knows.
    """
    return _move(app, "toggle", (breaker,), False, True, as_json)


def _move(app: App, action: str, said: tuple[str, ...], everything: bool, yes: bool, as_json: bool) -> int:
    if everything and said:
        raise HubctlError("say which breakers, or --all, not both", Exit.USAGE)
    if not everything and not said:
        raise HubctlError(f"which breaker? hubctl breaker {action} NAME-OR-ID..., or --all", Exit.USAGE)

    async def work(hub: HubClient) -> Exit:
        found = await hub.breakers() if everything else await find_breakers(hub, said)
        if not found:
            raise HubctlError("the hub knows no breakers", Exit.NOT_FOUND)
        if len(found) > 1 and not yes and is_terminal("stdin", "stderr"):
            names = ", ".join(device.name for device in found)
            line(f"{_DOING[action]} {len(found)} breakers: {names}", err=True)
            if not click.confirm("Go on?", err=True):
                raise HubctlError("nothing was done")
        if len(found) == 1 and not everything:
            return await _move_one(hub, action, found[0], as_json)
        return await _move_group(hub, action, found, everything, as_json)

    return app.run(work)


async def _move_one(hub: HubClient, action: str, device: Device, as_json: bool) -> Exit:
    from web.client import ProblemError

    try:
        with waiting(f"{device.name}: {_DOING[action]} ({_LOCKOUT})"):
            command = await ask(hub.move(device.id, action), device.name, _DONE[action])
    except ProblemError as error:
        if error.command is None:
            raise
        command = error.command
    if as_json:
        print_json(command)
    else:
        tell(command, device.name)
    return exit_of((command,))


async def _move_group(hub: HubClient, action: str, found: Sequence[Device], everything: bool, as_json: bool) -> Exit:
    what = f"{len(found)} breakers"
    with waiting(f"{what}: {_DOING[action]} ({_LOCKOUT})"):
        # "All" is said as such: a breaker that the hub found a moment ago belongs to it.
        ids = None if everything else [device.id for device in found]
        result = await ask(hub.move_group(action, ids), what, _DONE[action])
    if as_json:
        print_json({"outcome": result.outcome, "commands": result.commands})
    else:
        names = {device.id: device.name for device in found}
        for command in result.commands:
            tell(command, names.get(command.device_id, command.device_id))
        if not result.commands:
            line(result.detail or f"{what}: {result.outcome}", OUTCOME_STYLES.get(result.outcome, ""))
    code = exit_of(result.commands)
    return code if code or result.outcome == "confirmed" else _CODES.get(result.outcome, Exit.FAILED)


async def ask(command: Awaitable[T], name: str, done: str) -> T:
    """Await a command; when its answer is lost, say what that means instead of what broke."""
    import asyncio

    from web.client import AnswerLostError

    try:
        return await command
    except AnswerLostError as error:
        raise HubctlError(
            f"{name}: unknown: {error.reason} while the hub was at work, so nobody here knows whether it was {done}; "
            "hubctl commands tells how it ended",
            Exit.UNKNOWN,
        ) from None
    except asyncio.CancelledError:
        line(f"{name}: the hub goes on without us; hubctl commands tells how it ended", err=True)
        raise


def tell(command: Command, name: str) -> None:
    """What is known of a command that ended, in one honest line."""
    style = OUTCOME_STYLES.get(command.outcome, "")
    if command.outcome == "confirmed":
        position = command.position or command.action
        pieces((f"{name}: ", "bold"), (words(position), POSITION_STYLES.get(position, "")), (" (confirmed)", style))
    elif command.outcome == "unknown":
        detail = command.detail or f"nobody knows whether it {_DONE.get(command.action, 'took the command')}"
        look = "" if "look at" in detail else " - look at the breaker"
        pieces((f"{name}: ", "bold"), ("unknown: ", style), (f"{detail.rstrip('.')}{look}", ""))
    else:
        pieces((f"{name}: ", "bold"), (f"{words(command.outcome)}: ", style), (command.detail or "no reason given", ""))


_CODES: Mapping[str, Exit] = {"confirmed": Exit.OK, "refused": Exit.FAILED, "unknown": Exit.UNKNOWN}


def exit_of(commands: Sequence[Command]) -> Exit:
    """The worst of all: unknown before refused before confirmed."""
    codes = {_CODES.get(command.outcome, Exit.UNKNOWN) for command in commands}
    return Exit.UNKNOWN if Exit.UNKNOWN in codes else Exit.FAILED if Exit.FAILED in codes else Exit.OK


def _table(found: Sequence[Device]) -> Table:
    greatest = greatest_power(found)
    moment = now()
    columns = (
        Column("Breaker"),
        Column("Position"),
        Column("Power", right=True),
        Column("", rank=2, terminal_only=True),
        Column("Voltage", right=True, rank=3),
        Column("Current", right=True, rank=5),
        Column("Delivered", right=True, rank=6),
        Column("Received", right=True, rank=7),
        Column("State"),
        Column("Note", rank=4),
        Column("Heard", right=True, rank=8),
        Column("ID", rank=1),
    )
    rows = [
        (
            Cell(device.name, "bold"),
            position_cell(device),
            power_cell(device),
            bar_cell(device, greatest),
            number(voltage(device), "V", 1),
            number(device.reading("current_a"), "A", 2),
            energy(device.reading("energy_delivered_wh")),
            energy(device.reading("energy_received_wh")),
            availability_cell(device),
            "protected" if device.protected else "",
            Cell(heard(device.last_seen, moment), "dim"),
            Cell(device.id, "dim"),
        )
        for device in found
    ]
    return Table(columns, rows, "no breakers yet: the hub lists them as soon as they answer (hubctl status says more)")
