"""Did a request do what it was asked for? Its response says so in parameters that the table marks: `Param.outcome`.

Whoever shows responses to people, or ends with an exit code, asks here and not by the names of parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from web.rpc.as_json import TYPE
from web.rpc.declare import Param, RecordRow, ResponseRow
from web.rpc.types import Kind, shown

MESSAGE_SAYS_WHY = " (a message in the mailbox says why)"


def failures(
    row: ResponseRow | None, parameters: Mapping[str, object], record: Callable[[str], RecordRow | None]
) -> list[str]:
    """What a response as JSON says that went wrong, each as a sentence; nothing when all of it went well.

    `record` finds a class of records by its name.
    """
    if row is None:
        return []
    # Of a response whose tag bears a name of the client's choice, that is the first parameter.
    free = row.params[0] if row.has_free_names and row.params[0].name not in parameters else None
    return list(_failures(parameters, row.by_name, "", record, free))


def _failures(
    values: Mapping[str, object],
    by_name: Mapping[str, Param],
    inside: str,
    record: Callable[[str], RecordRow | None],
    free: Param | None = None,
) -> Iterator[str]:
    for name, value in values.items():
        param = by_name.get(name.lower(), free)
        if param is None:
            continue
        if param.outcome is None:
            yield from _within(value, param, f"{inside}{name}", record)
        elif isinstance(value, bool | int | str) and value not in param.outcome.successes:
            why = values.get(param.outcome.reason)
            more = MESSAGE_SAYS_WHY if param.outcome.has_message else ""
            yield str(why) if why else f"{inside}{name} is {_told(value, param)}{more}"


def _within(value: object, param: Param, where: str, record: Callable[[str], RecordRow | None]) -> Iterator[str]:
    """Records have statuses of their own, as those of attributes."""
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from _within(one, param, f"{where}[{number}]", record)
    elif isinstance(value, Mapping):
        type_ = param.type.item or param.type
        name = value.get(TYPE)
        if not isinstance(name, str) and type_.takes(Kind.RECORD) and len(type_.records) == 1:
            [name] = type_.records
        found = record(name) if isinstance(name, str) else None
        if found is not None:
            yield from _failures(value, found.by_name, f"{where}.", record)


def _told(value: bool | int | str, param: Param) -> str:
    text = shown(value) if isinstance(value, str) else str(value).upper() if isinstance(value, bool) else f"{value:#x}"
    meaning = param.meaning_of(value)
    return f"{text}: {meaning}" if meaning else text
