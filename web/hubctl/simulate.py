"""`hubctl simulate`: one line to an emulator that runs with `--control`, and its answer."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from web.hubctl.context import App, is_terminal, json_option, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.output import Cell, Column, Table, clean, line, pieces, print_json, show, words
from web.hubctl.units import UNKNOWN

if TYPE_CHECKING:
    import socket

VARIABLE = "HEH_SIMULATE"
PLACE_FILE = "simulate"
"""In the data directory: where the emulators of `hubd --demo` listen, as HOST:PORT in one line."""
LONGEST_PLACE_FILE = 256
LOOPBACK = "127.0.0.1"
PATIENCE_S = 5.0
"""For a connection and for each answer: an emulator answers at once."""
LONGEST_LINE, LONGEST_ANSWER = 4096, 4 * 1024 * 1024
"""Bytes; a line as the emulators take it."""
WHERE = f"say where with --at or {VARIABLE}; an emulator listens when it is started with --control PORT"
PROMPT = "simulate> "
INDENT, NAME_WIDTH = 2, 16
FIRST_COLUMNS = 4
"""Of a list; the others give way in a narrow terminal."""


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("command", nargs=-1, metavar="[COMMAND ...]")
@click.option("--at", metavar="HOST:PORT", help=f"Where the emulator listens.  [{VARIABLE}; default: hubd --demo]")
@json_option
@pass_app
def simulate(app: App, command: tuple[str, ...], at: str | None, as_json: bool) -> int:
    """Tell emulated devices what to do, and see what they know.

    COMMAND is a line for the emulator: help, list, show display, price esi 0.25 tier=2, opt-out thermostat. Without
    one, lines are read until the end of input or "exit".
    """
    place = find_place(app, at, os.environ)
    with connected(place) as emulator:
        if command:
            tell(emulator.ask(" ".join(command)), as_json=as_json, is_help=command[0] == "help")
            return Exit.OK
        return _converse(emulator, as_json=as_json)


def find_place(app: App, at: str | None, environ: Mapping[str, str]) -> tuple[str, int]:
    """Host and port: the option before the environment before the demo's file. Raises `HubctlError`."""
    if at:
        return parse_place(at, "--at")
    if environ.get(VARIABLE):
        return parse_place(environ[VARIABLE], VARIABLE)
    path = app.token_path().with_name(PLACE_FILE)
    host, port = parse_place(_read(path), str(path))
    if not _is_loopback(host):
        raise HubctlError(f"{path} names {host}, which is not this machine; say --at if that is meant", Exit.USAGE)
    return host, port


def parse_place(said: str, where: str) -> tuple[str, int]:
    """HOST:PORT, or PORT of this machine. Raises `HubctlError`."""
    host, _, port = said.strip().removeprefix("tcp:").rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or LOOPBACK
    if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) <= 0xFFFF and host.isprintable()):
        raise HubctlError(f"{where} is {clean(said.strip())!r}; allowed: HOST:PORT, or PORT", Exit.USAGE)
    return host, int(port)


def _read(path: Path) -> str:
    try:
        with path.open(encoding="ascii") as file:
            return file.read(LONGEST_PLACE_FILE)
    except OSError:
        raise HubctlError(f"no demo has left its place in {path}; {WHERE}", Exit.UNREACHABLE) from None
    except UnicodeDecodeError:
        return ""


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Emulator:
    """A connection to one."""

    def __init__(self, connection: socket.socket, place: str) -> None:
        self._connection, self._place = connection, place
        self._rest = b""

    def ask(self, text: str) -> str:
        """The answer to a line, without its `ok`. Raises `HubctlError` for an error, and when none comes."""
        asked = text.encode(errors="replace")
        if b"\n" in asked or len(asked) > LONGEST_LINE:
            raise HubctlError(f"a command is one line of at most {LONGEST_LINE} bytes", Exit.USAGE)
        try:
            self._connection.sendall(asked + b"\n")
            answer = self._line()
        except OSError as problem:
            reason = "it does not answer" if isinstance(problem, TimeoutError) else problem.strerror
            raise HubctlError(f"the emulator at {self._place} is gone: {reason}", Exit.UNREACHABLE) from None
        if answer.startswith("error: "):
            raise HubctlError(clean(answer.removeprefix("error: ")))
        if answer != "ok" and not answer.startswith("ok "):
            raise HubctlError(f"what listens at {self._place} is no emulator", Exit.UNREACHABLE)
        return answer[3:]

    def _line(self) -> str:
        while b"\n" not in self._rest:
            piece = self._connection.recv(65_536)
            if not piece or len(self._rest) > LONGEST_ANSWER:
                raise HubctlError(f"the emulator at {self._place} has closed the connection", Exit.UNREACHABLE)
            self._rest += piece
        answer, self._rest = self._rest.split(b"\n", 1)
        return answer.decode(errors="replace")


@contextmanager
def connected(place: tuple[str, int]) -> Iterator[Emulator]:
    """The emulator at a place. Raises `HubctlError`."""
    import socket

    shown = f"{clean(place[0])}:{place[1]}"
    try:
        connection = socket.create_connection(place, timeout=PATIENCE_S)
    except (OSError, UnicodeError) as problem:
        reason = (problem.strerror or str(problem)) if isinstance(problem, OSError) else "no such host"
        raise HubctlError(f"no emulator at {shown}: {reason}; {WHERE}", Exit.UNREACHABLE) from None
    with connection:
        yield Emulator(connection, shown)


def _converse(emulator: Emulator, *, as_json: bool) -> Exit:
    """Line by line; of a program, the first that fails gives the exit code."""
    is_person = is_terminal("stdin", "stdout")
    if is_person:
        import contextlib

        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  # arrow keys and the lines before
        line('help tells the commands; "exit" leaves', "dim")
    code = Exit.OK
    for text in _lines(is_person):
        said = text.split()
        if not said:
            continue
        if said == ["exit"]:
            break
        try:
            tell(emulator.ask(" ".join(said)), as_json=as_json, is_help=said[0] == "help")
        except HubctlError as error:
            if error.code is Exit.UNREACHABLE:
                raise
            line(str(error), "red", err=True)
            code = code if is_person or code is not Exit.OK else error.code
        if said == ["quit"]:
            break
    return code


def _lines(is_person: bool) -> Iterator[str]:
    if not is_person:
        yield from sys.stdin
        return
    while True:
        try:
            yield input(PROMPT)
        except EOFError:
            click.echo("")
            return


def tell(answer: str, *, as_json: bool, is_help: bool = False) -> None:
    """An answer as its reader needs it."""
    value = _parsed(answer)
    if as_json:
        print_json({"answer": answer} if value is None else value)
    elif isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        show(_table(cast("list[dict[str, object]]", value)))
    elif isinstance(value, dict):
        _tell_rows(cast("dict[str, object]", value), 0)
    elif isinstance(value, list):
        line("nothing to show" if not value else _words(value), "dim" if not value else "")
    elif is_help:
        for one in answer.split("; "):
            name, _, use = one.partition(" ")
            pieces((f"{name:<{NAME_WIDTH}}", "bold"), (use, ""))
    else:
        line(answer or "ok")


def _parsed(answer: str) -> object:
    """The value of an answer that is JSON; None: it is text."""
    import json

    if answer[:1] not in ("{", "["):
        return None
    try:
        found: object = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return found


def _table(rows: list[dict[str, object]]) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = tuple(
        Column(words(name).capitalize(), rank=0 if place < FIRST_COLUMNS else place) for place, name in enumerate(names)
    )
    cells = [[Cell(_words(row.get(name)), "bold" if name == "kind" else "") for name in names] for row in rows]
    return Table(columns, cells)


def _tell_rows(value: Mapping[str, object], depth: int) -> None:
    """Names and values; what is inside a value stands indented below it."""
    blanks = " " * (INDENT * depth)
    for name, item in value.items():
        title = blanks + words(name)
        if isinstance(item, dict) and item:
            line(title, "bold")
            _tell_rows(cast("dict[str, object]", item), depth + 1)
        elif isinstance(item, list) and any(isinstance(row, dict) for row in item):
            line(title, "bold")
            for row in item:
                pieces((blanks + " " * INDENT, ""), (_words(row), ""))
        else:
            pieces((f"{title:<{NAME_WIDTH + INDENT * depth}} ", "dim"), (_words(item), ""))


def _words(item: object) -> str:
    if item is None or item in ({}, []):
        return UNKNOWN
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, dict):
        return ", ".join(f"{words(str(name))} {_words(one)}" for name, one in item.items())
    if isinstance(item, list):
        return ", ".join(map(_words, item))
    return f"{item:g}" if isinstance(item, float) else str(item)
