"""Parameters put together: names found, defaults filled in, what is missing or too much told. The same for both
notations, which give names and ways to read a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from hub.smart_energy.utc import to_utc
from web.rpc.declare import Default, Param, RecordRow
from web.rpc.table import Table, near
from web.rpc.types import ANY, Type, ValueRefusedError
from web.rpc.values import Record, Value, Values

Read = Callable[[Type, str], Value]
"""Reads a value of a type; the text is where it stands, for errors. Raises `ValueRefusedError`."""
Given = Iterable[tuple[str, Read]]
"""Names and values, as they stand in a request."""
MAX_PROBLEMS = 8
"""Told of one request; with more than these something else is wrong."""


@dataclass(frozen=True, slots=True)
class Context:
    """What reading needs beside the text: the table, and the time for fields that default to now."""

    table: Table
    now: datetime
    reads_answers: bool = False
    """What is part of answers only is taken, too."""


class ArgumentsRefusedError(Exception):
    """Parameters are wrong: one problem for each."""

    def __init__(self, problems: list[ValueRefusedError]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


def build(
    params: tuple[Param, ...],
    by_name: Mapping[str, Param],
    given: Given,
    context: Context,
    inside: str = "",
    *,
    others: Type | None = None,
) -> Values:
    """Values of parameters in the order of their rows.

    `inside` is where they stand (`record.`); `others` is the type of names that no row has, None: there may be none.
    Raises `ArgumentsRefusedError` that names every one that is wrong.
    """
    found: Values = {}
    problems: list[ValueRefusedError] = []
    for name, read in given:
        if len(problems) >= MAX_PROBLEMS:
            break
        where = f"{inside}{name[:80]}"
        param = by_name.get(name.lower())
        try:
            if param is None and others is None:
                raise _unknown(where, name, params)
            key = param.name if param is not None else name
            if key in found:
                raise ValueRefusedError(where, "given twice", "each parameter once")
            if param is not None and param.is_answer_only and not context.reads_answers:
                raise ValueRefusedError(where, "part of answers only", f"any of {_names(params)}")
            value = read(param.type if param is not None else others or ANY, where)
            found[key] = value
        except ArgumentsRefusedError as error:
            problems += error.problems
        except ValueRefusedError as error:
            # An empty tag of a parameter that may be missing is one that is missing.
            if param is not None and error.value == "empty" and not param.is_required:
                continue
            if param is not None and param.is_secret:
                error = ValueRefusedError(where, "wrong", param.type.allowed)
            problems.append(error)
    refused = {problem.where for problem in problems}
    for param in params:
        where = f"{inside}{param.name}"
        is_told = where in refused or any(name.startswith((f"{where}.", f"{where}[")) for name in refused)
        if param.is_required and param.name not in found and not is_told:
            problems.append(ValueRefusedError(where, "missing", param.type.allowed))
    if problems:
        raise ArgumentsRefusedError(problems[:MAX_PROBLEMS])
    return _in_order(params, found, context)


def _in_order(params: tuple[Param, ...], found: Values, context: Context) -> Values:
    values: Values = {}
    for param in params:
        if param.name in found:
            values[param.name] = found.pop(param.name)
        elif not isinstance(param.default, Default):
            values[param.name] = param.default
        elif param.default is Default.NOW:
            values[param.name] = to_utc(context.now)
    return values | found


def _unknown(where: str, name: str, params: tuple[Param, ...]) -> ValueRefusedError:
    alike = near(name, (param.name for param in params))
    hint = f"no parameter there is; did you mean {' or '.join(alike)}?" if alike else "no parameter there is"
    return ValueRefusedError(where, hint.rstrip("?"), f"any of {_names(params)}" if params else "none")


def _names(params: tuple[Param, ...]) -> str:
    return ", ".join(param.name for param in params if not param.is_answer_only)


def record_row(name: str, type_: Type, where: str, context: Context) -> RecordRow:
    """The class of a record that a request names, if its parameter takes that. Raises `ValueRefusedError`."""
    row = context.table.record(name)
    if row is None:
        alike = near(name, context.table.records)
        allowed = type_.allowed if type_.records else " or ".join(alike) or "a record class of help records"
        raise ValueRefusedError(where, f"of type {name[:60]!r}, which there is not", allowed)
    if type_.records and row.name not in type_.records:
        raise ValueRefusedError(where, f"a {row.name}", type_.allowed)
    return row


def build_record(row: RecordRow, given: Given, where: str, context: Context) -> Record:
    """A record with all of its fields. Raises `ArgumentsRefusedError`."""
    return Record(row.name, build(row.params, row.by_name, given, context, f"{where}."))
