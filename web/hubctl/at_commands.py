"""`hubctl network at`: registers of XBee radios."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, is_terminal, json_option, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.networks import complete_radio, the_radio
from web.hubctl.output import Cell, Column, Table, clean, line, pieces, print_json, show

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from web.client import HubClient
    from web.client_zigbee_model import AtRegister

LONGEST_VALUE = 256
"""Characters of a line that is piped in."""
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]+|-")


def _complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from protocols.xbee.at import REGISTERS

    begun = incomplete.upper()
    known = [CompletionItem(row.name, help=row.meaning) for row in REGISTERS.values() if row.name.startswith(begun)]
    return known + complete_radio(ctx, parameter, incomplete)


@click.command()
@click.argument("words", nargs=-1, metavar="[RADIO] COMMAND [VALUE|-]", shell_complete=_complete)
@click.option("--list", "lists", is_flag=True, help="All registers, and what they mean; asks no radio.")
@click.option("--yes", is_flag=True, help="Although the network is formed anew by it, and every device is lost.")
@json_option
@pass_app
def at(app: App, words: tuple[str, ...], lists: bool, yes: bool, as_json: bool) -> None:
    """Read a register of an XBee, write it, or carry out a command.

    \b
    hubctl network at NJ          how long joining is open
    hubctl network at han PL 4    the highest power
    hubctl network at WR          keep all registers over a loss of power

    VALUE is decimal, or hex with 0x before it, which keeps its length; that of what is written only, a key or a
    certificate, is hex with or without 0x and with any separators. With - it is asked for and not shown, or piped in,
    as a key should be. What would break the link to the radio is refused.
    """
    if lists:
        if words:
            raise HubctlError("--list takes nothing else", Exit.USAGE)
        _list(as_json)
        return
    radio, command, said = _meant(words)
    value = _value(command, said)
    _confirmed(command, value, yes)

    async def work(hub: HubClient) -> None:
        name = await the_radio(hub, radio)
        found = await hub.at_command(name, command, value, confirm=name if yes else None)
        if as_json:
            print_json(found)
        else:
            _show(found, is_written=value is not None)

    app.run(work)


def _meant(words: tuple[str, ...]) -> tuple[str | None, str, str | None]:
    """Radio, command and value, of which only the command has to be there."""
    if not 1 <= len(words) <= 3:
        raise HubctlError("say [RADIO] COMMAND [VALUE]; hubctl network at --list shows the commands", Exit.USAGE)
    if len(words) == 1:
        return None, words[0], None
    if len(words) == 3:
        return words[0], words[1], words[2]
    if _NUMBER.fullmatch(words[1]) or _is_key(*words):
        return None, words[0], words[1]
    return words[0], words[1], None


def _is_key(first: str, second: str) -> bool:
    """Whether the second word is a key for the register that the first one names, and not a register of a radio."""
    from protocols.xbee.at import REGISTERS

    row = REGISTERS.get(first.upper())
    return row is not None and row.is_written_only and second.upper() not in REGISTERS


def _value(command: str, said: str | None) -> int | str | None:
    """As it is sent: a number, or hex digits. Raises `HubctlError`, which never shows it."""
    from protocols.errors import RangeError
    from protocols.xbee.at import REGISTERS

    if said is None:
        return None
    if said == "-":
        if is_terminal("stdin"):
            said = str(click.prompt(f"Value of {clean(command)}", hide_input=True, err=True))
        else:
            said = sys.stdin.readline(LONGEST_VALUE)
        said = said.strip()
    row = REGISTERS.get(command.upper())
    if row is not None and row.is_written_only:
        try:
            row.value_of(said)
        except RangeError as error:
            raise HubctlError(f"the value is {error.value}; allowed: {error.allowed}", Exit.USAGE) from None
        return said
    if said.isascii() and said.isdecimal():
        return int(said)
    if _NUMBER.fullmatch(said) and said != "-":
        return said
    allowed = "" if row is None or not row.can_write else f"{row.allowed}; "
    raise HubctlError(f"the value is no number; allowed: {allowed}decimal, or hex as 0x1F", Exit.USAGE)


def _confirmed(command: str, value: int | str | None, yes: bool) -> None:
    """Ask for --yes before a network is lost."""
    from protocols.xbee.at import REGISTERS, Effect

    row = REGISTERS.get(command.upper())
    if row is None or yes or not row.can_write:
        return
    if row.effect_of(None if value is None else row.value_of(value)) is Effect.NETWORK:
        raise HubctlError(f"{row.name}: {Effect.NETWORK.value} by this, and devices are lost; say --yes", Exit.USAGE)


def _show(found: AtRegister, *, is_written: bool) -> None:
    if found.value_hex is None:
        line(f"{found.command}: {'set' if is_written else 'done'}")
        return
    unit = f"x {found.unit}" if found.unit[:1].isdecimal() else found.unit
    number = f"0x{found.value_hex}" if found.value is None else f"{found.value} {unit}".rstrip()
    raw = "" if found.value is None else f"  0x{found.value_hex}"
    pieces((f"{found.command} = {number}", "bold"), (f"{raw}  {found.meaning}", "dim"))


def _list(as_json: bool) -> None:
    from protocols.xbee.at import REGISTERS

    rows = list(REGISTERS.values())
    if as_json:
        print_json(
            {
                "registers": [
                    {
                        "command": row.name,
                        "size": row.size,
                        "access": row.access.value,
                        "unit": row.unit,
                        "meaning": row.meaning,
                        "effect": row.effect.value,
                    }
                    for row in rows
                ]
            }
        )
        return
    columns = (
        Column("AT"),
        Column("Bytes", right=True),
        Column("May be"),
        Column("Unit"),
        Column("Meaning"),
        Column("Writing it", rank=1),
    )
    table = [
        (Cell(row.name, "bold"), str(row.size), row.access.value, row.unit, row.meaning, row.effect.value)
        for row in rows
    ]
    show(Table(columns, table))
