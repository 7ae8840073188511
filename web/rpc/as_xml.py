"""Values as XML (CPX2-SE, Chapter 3, Parameter Type Specification).

What is written always bears its type, ints are lower-case hex and times have one decimal: gateways wrote them so, and
clients cut off the first two characters of an int. What is read may lack types, have blanks around values and any case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from web.rpc.build import Context, Given, Read, build, build_record, record_row
from web.rpc.declare import RequestRow, ResponseRow
from web.rpc.markup import Element, escape, tag_of, write_inside
from web.rpc.response import Response
from web.rpc.types import ALIAS, ANY, KIND_OF_NAME, Kind, Type, ValueRefusedError, declared, fitted, shown, typed
from web.rpc.values import Mac, Octets, Record, Value, Xml

ITEM = "item"
SYNCHRONOUS = "synchronous"
TIMESTAMP = "timestamp"


# -- reading ---------------------------------------------------------------------------------------------------------


def arguments(element: Element, context: Context) -> Given:
    """The parameters of a request."""
    for child in element.children:
        yield child.tag, _reader(child, context)


def _reader(element: Element, context: Context) -> Read:
    return lambda type_, where: read(element, type_, where, context)


def read(element: Element, type_: Type, where: str, context: Context) -> Value:
    """What a tag says, as its parameter takes it.

    Raises `ValueRefusedError`, and `ArgumentsRefusedError` for what is inside of records and dicts.
    """
    name = element.get("type")
    if not name:
        return _without_type(element, type_, where, context)
    kind = KIND_OF_NAME.get(name.lower())
    if kind is None:
        if name.lower() == ALIAS:
            raise ValueRefusedError(where, "an alias that could not be replaced", "a tag of type alias in a request")
        row = record_row(name, type_, where, context)
        if not type_.takes(Kind.RECORD):
            raise ValueRefusedError(where, f"a {row.name}", type_.allowed)
        return _record(element, row.name, type_, where, context)
    if kind in (Kind.LIST, Kind.DICT, Kind.XML):
        if not type_.takes(kind):
            raise ValueRefusedError(where, f"a {kind}", type_.allowed)
        return _nested(element, kind, type_, where, context)
    if element.children:
        raise ValueRefusedError(where, f"a tag of type {kind} with tags inside", f"{type_.allowed}, as text")
    try:
        value = typed(kind, element.text)
    except ValueError as error:
        raise ValueRefusedError(where, f"{kind} {shown(element.text)}", str(error)) from None
    return fitted(value, type_, where)


def _without_type(element: Element, type_: Type, where: str, context: Context) -> Value:
    is_empty = not element.children and not element.text.strip()
    if element.children or (is_empty and not type_.takes(Kind.NONE)):
        if type_.takes(Kind.RECORD) and len(type_.records) == 1:
            return _record(element, type_.records[0], type_, where, context)
        for kind in (Kind.LIST, Kind.DICT, Kind.XML):
            if type_.takes(kind) and not type_.is_any:
                return _nested(element, kind, type_, where, context)
        if element.children:
            raise ValueRefusedError(where, "a tag without type with tags inside", f"{type_.allowed}, with its type")
        if not type_.takes(Kind.STRING):
            raise ValueRefusedError(where, "empty", type_.allowed)
    return fitted(declared(type_, element.text, where), type_, where)


def _nested(element: Element, kind: Kind, type_: Type, where: str, context: Context) -> Value:
    if kind is Kind.XML:
        return Xml(write_inside(element))
    _no_text(element, kind, where)
    if kind is Kind.LIST:
        item = type_.item or ANY
        # The names of the items do not count.
        return [read(child, item, f"{where}[{index}]", context) for index, child in enumerate(element.children)]
    fields = {name.lower(): param for param in type_.fields for name in (param.name, *param.names)}
    others = None if type_.fields else ANY
    return build(type_.fields, fields, arguments(element, context), context, f"{where}.", others=others)


def _record(element: Element, name: str, type_: Type, where: str, context: Context) -> Record:
    _no_text(element, Kind.RECORD, where)
    row = record_row(name, type_, where, context)
    return build_record(row, arguments(element, context), where, context)


def _no_text(element: Element, kind: Kind, where: str) -> None:
    if element.has_stray_text:
        raise ValueRefusedError(where, f"a {kind} with text between its tags", "tags only")


def is_synchronous(element: Element) -> bool:
    """Whether a request wants its response in the reply. Raises `ValueRefusedError`."""
    text = element.get(SYNCHRONOUS)
    match (text or "false").lower():
        case "true" | "1":
            return True
        case "false" | "0":
            return False
    raise ValueRefusedError(SYNCHRONOUS, shown(text or ""), "TRUE or FALSE")


# -- writing ---------------------------------------------------------------------------------------------------------


def write(tag: str, value: Value) -> str:
    """A parameter with its type."""
    parts: list[str] = []
    _add(parts, tag, value)
    return "".join(parts)


def write_request(row: RequestRow, values: Mapping[str, Value], *, synchronous: bool = True) -> str:
    """A request, as a client would send it."""
    asks = f' {SYNCHRONOUS}="TRUE"' if synchronous else ""
    parts: list[str] = []
    for name, value in values.items():
        _add(parts, name, value)
    return f"<{row.name}{asks}>{''.join(parts)}</{row.name}>" if parts else f"<{row.name}{asks}/>"


def write_response(response: Response, row: ResponseRow | None) -> str:
    """A response."""
    opening = f"<{response.name}"
    if response.timestamp is not None:
        opening += f' {TIMESTAMP}="{timestamp(response.timestamp)}"'
    parts = [f"{opening}>"]
    for name, value in response.parameters.items():
        param = row.by_name.get(name.lower()) if row is not None and isinstance(value, dict) else None
        if isinstance(value, dict) and param is not None and param.type.kinds == (Kind.LIST,):
            # A list whose items have names, as that of aliases.
            _add_all(parts, name, Kind.LIST, value.items())
        else:
            _add(parts, name, value)
    if len(parts) == 1:
        return f"{opening}/>"
    parts.append(f"</{response.name}>")
    return "".join(parts)


def timestamp(seconds: float) -> str:
    """A time in seconds since 1970, as gateways wrote it: whole seconds with one decimal."""
    return f"{int(seconds)}.0"


_tag = lru_cache(maxsize=4096)(tag_of)
"""Names come again and again."""


def _add(parts: list[str], name: str, value: Value) -> None:
    """Append a parameter. Ints come first: a list of 50 prices has 800 of them."""
    tag = _tag(name)
    kind = type(value)
    if kind is int:
        parts.append(f'<{tag} type="int">{value:#x}</{tag}>')
    elif isinstance(value, Record):
        _add_all(parts, tag, value.name, value.fields.items())
    elif value is None:
        parts.append(f"<{tag}/>")
    elif kind is bool:
        parts.append(f'<{tag} type="bool">{"TRUE" if value else "FALSE"}</{tag}>')
    elif isinstance(value, str):
        parts.append(f'<{tag} type="string">{escape(value)}</{tag}>')
    elif isinstance(value, float):
        parts.append(f'<{tag} type="float">{value!r}</{tag}>')
    elif isinstance(value, Mac):
        parts.append(f'<{tag} type="MAC">{value}</{tag}>')
    elif isinstance(value, Octets):
        parts.append(f'<{tag} type="base{value.base}">{value}</{tag}>')
    elif isinstance(value, Xml):
        parts.append(f'<{tag} type="xml">{value.markup}</{tag}>')
    elif isinstance(value, list):
        _add_all(parts, tag, Kind.LIST, ((ITEM, item) for item in value))
    elif isinstance(value, dict):
        _add_all(parts, tag, Kind.DICT, value.items())
    else:
        parts.append(f'<{tag} type="int">{int(value):#x}</{tag}>')


def _add_all(parts: list[str], tag: str, kind: str, items: Iterable[tuple[str, Value]]) -> None:
    parts.append(f'<{tag} type="{kind}">')
    for key, item in items:
        _add(parts, key, item)
    parts.append(f"</{tag}>")
