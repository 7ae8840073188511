"""`hubctl radio list`: which sticks are plugged into this machine, and the lines that make radios of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from web.hubctl.context import json_option
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.output import STATE_STYLES, Cell, Column, Table, clean, line, print_json, show, words
from web.hubctl.progress import waiting
from web.hubctl.units import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.sticks import Stick

STYLES = STATE_STYLES | {
    "found": "green",
    "not_taken": "yellow",
    "in_use": "yellow",
    "forbidden": "bold red",
    "not_opened": "red",
    "silent": "dim",
    "strange": "dim",
    "not_asked": "cyan",
}
PIPES = "serial:/dev/ttyAMA0 (a board's own port), tcp:192.168.1.40:9999 (a stick on the LAN), pty:/dev/pts/7"
GROUP_HINT = "add this user to group dialout (sudo usermod -aG dialout $USER), log in again, and try once more"


@click.command("list")
@click.argument("pipe", nargs=-1, metavar="[PIPE ...]")
@click.option("--no-probe", is_flag=True, help="Ask no port what is behind it: go by USB ids and names alone.")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path("/"),
    metavar="DIR",
    help="Below which sys, dev and proc are, as in a container.  [default: /]",
)
@json_option
def list_(pipe: tuple[str, ...], no_probe: bool, root: Path, as_json: bool) -> int:
    """Find sticks on this machine, and print the lines that make them radios in hub.toml.

    Looks at all USB serial ports, and at each PIPE beside them: serial:/dev/ttyAMA0, tcp:HOST:PORT,
    pty:/dev/pts/7. Each is asked whether it is an XBee, a ZiGate, a Z-Stack or an EZSP stick; nothing on a
    stick is changed. An EZSP stick restarts when it is asked, so a port that another program has open is
    left alone, as is what is known for something else. Needs no hub.

    Exit code 3 when no stick was found.
    """
    sticks = _find(pipe, not no_probe, root)
    if as_json:
        print_json({"sticks": sticks})
    elif sticks:
        _tell(sticks)
    reason = _why_none(sticks, no_probe, root)
    if reason is not None:
        raise reason
    return Exit.OK


def _find(places: Sequence[str], probes: bool, root: Path) -> list[Stick]:
    from hub.errors import ConfigError
    from hub.sticks import find_sticks

    with waiting("looking for sticks") as told:
        try:
            return asyncio.run(find_sticks(places, probes=probes, root=root, told=told))
        except ConfigError as error:
            raise HubctlError(f"PIPE {clean(error.problem)}", Exit.USAGE) from None


def _tell(sticks: Sequence[Stick]) -> None:
    rows = [
        (
            Cell(stick.port, "bold"),
            stick.make or UNKNOWN,
            stick.driver or UNKNOWN,
            stick.firmware or UNKNOWN,
            Cell(words(stick.state), STYLES.get(stick.state, "")),
        )
        for stick in sticks
    ]
    columns = (Column("Port"), Column("Make", rank=2), Column("Driver"), Column("Firmware", rank=1), Column("State"))
    show(Table(columns, rows))
    for stick in sticks:
        if stick.detail:
            line("")
            line(f"{stick.port}: {stick.detail}", "yellow")
        if stick.toml:
            line("")
            for text in stick.toml.splitlines():
                line(text)


def _why_none(sticks: Sequence[Stick], no_probe: bool, root: Path) -> HubctlError | None:
    """Why no stick was found, and what to try; None: one was."""
    if any(stick.is_found for stick in sticks) or (no_probe and sticks):
        return None
    if not sticks:
        from hub.sticks import LOOKED_IN

        looked = " and ".join(str(root / folder.lstrip("/")) for folder in LOOKED_IN)
        return HubctlError(
            f"no USB serial port is plugged in (looked at {looked}); plug the stick in, hand its port into the "
            f"container or virtual machine that this is, or name its pipe: {PIPES}",
            Exit.NOT_FOUND,
        )
    if any(stick.is_forbidden for stick in sticks):
        return HubctlError(f"a port may not be opened: {GROUP_HINT}", Exit.FAILED)
    if any(stick.state == "in_use" for stick in sticks):
        return HubctlError(
            "a port is in use, and was not asked: if it is not the hub that has it, end that program", Exit.NOT_FOUND
        )
    asked = ", ".join(clean(stick.port) for stick in sticks)
    return HubctlError(
        f"no stick answers (looked at {asked}); pull it out and put it in again, see that nothing else uses it, "
        f"and that it has firmware for coordinators; if its baud rate is not the usual one, say "
        "serial:/dev/...?baud=57600",
        Exit.NOT_FOUND,
    )
