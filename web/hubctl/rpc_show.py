"""RPC responses and documents, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from web.hubctl.context import now
from web.hubctl.output import clean, line, pieces
from web.hubctl.units import local
from web.rpc.as_json import TYPE
from web.rpc.declare import Param
from web.rpc.markup import Element, XmlError, attributes_of, escape, parse
from web.rpc.outcome import failures
from web.rpc.table import MESSAGE, TABLE, Table
from web.rpc.types import KIND_OF_NAME, Kind, untyped

if TYPE_CHECKING:
    from web.client_rpc import RpcAnswer, RpcResponse

RCI = '<rci_request version="1.1"><do_command target="RPC_request">{}</do_command></rci_request>'
STEP = "  "
MOST_TOLD = 3
"""Failures of one request that are told in the sentence about it; its response is shown whole."""
_ERROR, _DESC = "error", "desc"
"""What is wrong with an envelope itself."""
SEVERITY = {0: ("debug", "dim"), 1: ("warning", "yellow"), 2: ("error", "bold red")}
_SMALL = 10
"""Below it a number is the same in both notations."""


def answer_of(answer: RpcAnswer | RpcResponse) -> dict[str, object]:
    """A response as the hub gave it."""
    time = {} if answer.time is None else {"time": answer.time}
    return {"response": answer.response, "parameters": answer.parameters, **time}


def show_response(name: str, parameters: Mapping[str, object], time: str | None, table: Table = TABLE) -> None:
    """A response with a line for each value."""
    row = table.responses.get(name)
    pieces((name, "bold"), (f"  {local(time, now())}" if time else "", "dim"))
    _values(parameters, row.by_name if row is not None else {}, STEP, table)


def _values(values: Mapping[str, object], by_name: Mapping[str, Param], before: str, table: Table) -> None:
    for name, value in values.items():
        _value(name, value, by_name.get(name.lower()), before, table)


def _value(name: str, value: object, param: Param | None, before: str, table: Table) -> None:
    if isinstance(value, Mapping):
        kind = value.get("type")
        if isinstance(kind, str) and set(value) == {"type", "value"}:
            _value(name, value["value"], param, before, table)
            return
        names = [*param.type.records, *(param.type.item.records if param.type.item else ())] if param else []
        record = table.record(kind) if isinstance(kind, str) else table.record(names[0]) if len(names) == 1 else None
        pieces((f"{before}{name}", ""), (f"  {record.name}" if record is not None else "", "dim"))
        inner = {key: one for key, one in value.items() if record is None or key != "type"}
        _values(inner, record.by_name if record is not None else {}, before + STEP, table)
    elif isinstance(value, list):
        if all(not isinstance(one, Mapping | list) for one in value):
            pieces((f"{before}{name}: ", ""), (", ".join(_text(one, param) for one in value) or "none", "cyan"))
            return
        line(f"{before}{name}: {len(value)}")
        for number, one in enumerate(value):
            _value(str(number), one, param, before + STEP, table)
    else:
        pieces((f"{before}{name}: ", ""), (_text(value, param), "cyan"))


def _text(value: object, param: Param | None) -> str:
    """A value on one line; a number with its hexadecimal, as the manual has it, and what it means."""
    match value:
        case None:
            return "-"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            meaning = param.meaning_of(value) if param is not None else ""
            notes = [f"{value:#x}"] if abs(value) >= _SMALL else []
            notes += [meaning] if meaning else []
            return f"{value} ({', '.join(notes)})" if notes else str(value)
    return str(value)


def show_line(name: str, parameters: Mapping[str, object], time: str | None) -> None:
    """A response on one line: a message by what it says, another by its values."""
    at = (f"{local(time, now())}  " if time else "", "dim")
    if name == MESSAGE:
        word, style = SEVERITY.get(_number(parameters.get("severity")), ("message", ""))
        pieces(at, (f"{word}  ", style), (str(parameters.get("description", "")), ""))
        return
    told = " ".join(f"{key}={_brief(value)}" for key, value in parameters.items())
    pieces(at, (f"{name}  ", "bold"), (told, ""))


def _number(value: object) -> int:
    return value if isinstance(value, int) else -1


def _brief(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + " ".join(f"{key}={_brief(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_brief, value)) + "]"
    return _text(value, None)


def failed(problems: Sequence[str]) -> str:
    """Why a request counts as failed, in one sentence."""
    more = f"; and {len(problems) - MOST_TOLD} more" if len(problems) > MOST_TOLD else ""
    return clean("; ".join(problems[:MOST_TOLD])) + more


def failures_in(document: str) -> list[str]:
    """What the responses in a reply, and its envelope, say that went wrong."""
    try:
        root = parse(document.encode())
    except XmlError as error:
        return [f"the reply is no XML: {error}"]
    found: list[str] = []
    waiting = [root]
    while waiting:
        element = waiting.pop()
        row = TABLE.responses.get(element.tag)
        if row is not None:
            found += failures(row, _object(element), TABLE.record)
        elif element.tag == _ERROR:
            desc = element.child(_DESC)
            found.append((desc or element).text.strip())
        else:
            waiting += reversed(element.children)
    return found


def _object(element: Element) -> dict[str, object]:
    return {child.tag: _json(child) for child in element.children}


def _json(element: Element) -> object:
    """What a tag says, as the same response in JSON has it."""
    type_ = element.get(TYPE) or ""
    match KIND_OF_NAME.get(type_.lower()):
        case Kind.LIST:
            return [_json(child) for child in element.children]
        case Kind.DICT:
            return _object(element)
        case Kind.INT | Kind.BOOL | Kind.FLOAT:
            return untyped(element.text)
        case None if type_:
            return {TYPE: type_, **_object(element)}
    return element.text


def indented(document: str) -> str:
    """XML with a line for each tag; what is no XML as it is."""
    try:
        root = parse(document.encode())
    except XmlError:
        return clean(document)
    return "\n".join(_lines(root, ""))


def _lines(element: Element, before: str) -> Iterator[str]:
    opening = f"<{element.tag}{attributes_of(element.attributes.items())}"
    if not element.children:
        text = element.text
        yield f"{before}{opening}>{escape(text)}</{element.tag}>" if text else f"{before}{opening}/>"
        return
    yield f"{before}{opening}>{escape(element.text.strip())}"
    for child in element.children:
        yield from _lines(child, before + STEP)
        if child.tail.strip():
            yield f"{before}{STEP}{escape(child.tail.strip())}"
    yield f"{before}</{element.tag}>"
