"""Tables and lines: rich in a terminal, aligned plain text in a pipe.

rich is imported when there is a terminal and never before.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import click

from web.hubctl.context import is_terminal
from web.hubctl.units import UNKNOWN

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

GAP = "  "
"""Between two columns of plain text."""
POSITION_STYLES = {"closed": "green", "open": "yellow", "mismatch": "bold red", "unknown": "magenta"}
AVAILABILITY_STYLES = {"available": "green", "unavailable": "red", "no_key": "yellow", "key_expired": "yellow"}
OUTCOME_STYLES = {"confirmed": "green", "refused": "red", "unknown": "bold magenta", "pending": "cyan"}
STATE_STYLES = {
    "up": "green",
    "ok": "green",
    "valid": "green",
    "starting": "cyan",
    "expiring": "yellow",
    "full": "bold red",
    "read_only": "bold red",
    "failed": "bold red",
    "down": "bold red",
    "expired": "bold red",
    "missing": "bold red",
}
"""Unknown words of a newer hub get no colour."""


class Cell(NamedTuple):
    """A text and its style in a terminal."""

    text: str
    style: str = ""


class Column(NamedTuple):
    """A heading; columns of the highest `rank` give way first when a terminal is narrow, those of rank 0 never."""

    title: str
    right: bool = False
    rank: int = 0
    terminal_only: bool = False
    """Bars: they say nothing that a program could use."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings."""

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Cell | str]]
    empty: str = "nothing to show"
    """Said instead of a table without rows."""


def clean(text: str) -> str:
    """`text` without control characters: names come from people and devices, and a terminal obeys what it is told."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else ("?" if unicodedata.category(sign)[0] == "C" else " ") for sign in text
    )


def words(state: str) -> str:
    """`key_expired` -> `key expired`"""
    return clean(state.replace("_", " "))


def width_of(text: str) -> int:
    """Columns that a text takes: wide signs take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text
    )


def console(stderr: bool = False) -> Console:
    """rich's console, which honours NO_COLOR."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, emoji=False, markup=False)


def show(table: Table) -> None:
    """Print a table as the reader needs it."""
    if not table.rows:
        line(table.empty, "dim")
    elif is_terminal("stdout"):
        target = console()
        target.print(rich_table(table, target.width))
    else:
        click.echo(plain(table))


def plain(table: Table) -> str:
    """Aligned text, no colours, no trailing blanks."""
    kept = [number for number, column in enumerate(table.columns) if not column.terminal_only]
    lines = [[table.columns[number].title.upper() for number in kept]]
    lines += [[_text(row[number]) for number in kept] for row in table.rows]
    widths = [max(width_of(texts[place]) for texts in lines) for place in range(len(kept))]
    told = []
    for texts in lines:
        cells = []
        for place, text in enumerate(texts):
            blanks = " " * (widths[place] - width_of(text))
            cells.append(blanks + text if table.columns[kept[place]].right else text + blanks)
        told.append(GAP.join(cells).rstrip())
    return "\n".join(told)


def rich_table(table: Table, width: int) -> RichTable:
    """The same for a terminal of `width` columns; what does not fit is left out by rank, then shortened."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    widths = [
        max([width_of(column.title), *(width_of(_text(row[number])) for row in table.rows)])
        for number, column in enumerate(table.columns)
    ]
    kept = [
        number
        for number, column in enumerate(table.columns)
        # What nobody has said anything in only takes room.
        if column.rank == 0 or any(_text(row[number]) not in ("", UNKNOWN) for row in table.rows)
    ]
    while sum(widths[number] + 2 for number in kept) - 1 > width:
        rank = max(table.columns[number].rank for number in kept)
        if rank == 0:
            break
        kept.remove(next(number for number in reversed(kept) if table.columns[number].rank == rank))
    made = RichTable(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
        border_style="dim",
    )
    for number in kept:
        column = table.columns[number]
        made.add_column(column.title, justify="right" if column.right else "left", no_wrap=True, overflow="ellipsis")
    for row in table.rows:
        made.add_row(*(Text(_text(row[number]), style=_style(row[number])) for number in kept))
    return made


def line(text: str, style: str = "", *, err: bool = False) -> None:
    """One line; in a terminal with a style."""
    pieces((text, style), err=err)


def pieces(*parts: tuple[str, str], err: bool = False) -> None:
    """One line of pieces, each a text and its style."""
    if is_terminal("stderr" if err else "stdout"):
        from rich.text import Text

        console(err).print(Text.assemble(*((clean(text), style) for text, style in parts)), soft_wrap=True)
    else:
        click.echo("".join(clean(text) for text, _ in parts), err=err)


def print_json(value: object) -> None:
    """One value as JSON: indented for a person, one line for a program."""
    import msgspec

    encoded = msgspec.json.encode(value)
    if is_terminal("stdout"):
        encoded = msgspec.json.format(encoded, indent=2)
    sys.stdout.buffer.write(encoded + b"\n")


def _text(cell: Cell | str) -> str:
    return clean(cell.text if isinstance(cell, Cell) else cell)


def _style(cell: Cell | str) -> str:
    return cell.style if isinstance(cell, Cell) else ""
