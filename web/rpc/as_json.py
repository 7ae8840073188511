"""Values as JSON: the same requests and responses as in XML.

| type | JSON |
|---|---|
| int | a number, or text as "0x5E"; written as text from 2^53 on, which JavaScript would round |
| float, bool, string | number, true or false, text |
| MAC, base16, base64, xml | text, where a parameter takes nothing else; else {"type": "MAC", "value": "00:11:..."} |
| none | null |
| list, dict | array, object |
| a record | an object of its fields; {"type": "LoadControlEventRecord", ...} where several are possible |
"""

from __future__ import annotations

from collections.abc import Mapping

from web.rpc import as_xml
from web.rpc.build import Context, Given, Read, build, build_record, record_row
from web.rpc.declare import SAFE_INTEGER, Param, RecordRow, ResponseRow
from web.rpc.markup import Element, XmlError, parse_inside, write_inside
from web.rpc.response import Response
from web.rpc.types import ANY, FLOAT, KIND_OF_NAME, Kind, Type, ValueRefusedError, fitted, kind_of, shown, typed
from web.rpc.values import Mac, Octets, Record, Value, Xml

TYPE, VALUE = "type", "value"
_PLAIN = frozenset((int, bool, str, type(None)))
MAX_DEPTH = 24
"""Arrays and objects within each other."""


# -- reading ---------------------------------------------------------------------------------------------------------


def arguments(given: Mapping[str, object], context: Context) -> Given:
    """The parameters of a request."""
    for name, value in given.items():
        yield name, _reader(value, context, 1)


def _reader(given: object, context: Context, depth: int) -> Read:
    return lambda type_, where: read(given, type_, where, context, depth)


def read(given: object, type_: Type, where: str, context: Context, depth: int = 1) -> Value:
    """What JSON says, as its parameter takes it.

    Raises `ValueRefusedError`, and `ArgumentsRefusedError` for what is inside of records and dicts.
    """
    if depth > MAX_DEPTH:
        raise ValueRefusedError(where, "nested too deeply", f"at most {MAX_DEPTH} arrays and objects in each other")
    if isinstance(given, Element):
        # An alias has stood here.
        return as_xml.read(given, type_, where, context)
    if isinstance(given, dict):
        return _object(given, type_, where, context, depth)
    if isinstance(given, list):
        if not type_.takes(Kind.LIST):
            raise ValueRefusedError(where, "a list", type_.allowed)
        item = type_.item or ANY
        return [read(one, item, f"{where}[{index}]", context, depth + 1) for index, one in enumerate(given)]
    if isinstance(given, str):
        return _text(given, type_, where)
    if given is None and not type_.takes(Kind.NONE):
        raise ValueRefusedError(where, "empty", type_.allowed)
    assert given is None or isinstance(given, bool | int | float)
    return fitted(given, type_, where)


def _text(given: str, type_: Type, where: str) -> Value:
    if type_.takes(Kind.STRING):
        return fitted(given, type_, where)
    if type_.kinds == (Kind.XML,):
        return _xml(given, where)
    kinds = [kind for kind in type_.kinds if kind in (Kind.INT, Kind.MAC, Kind.BASE16, Kind.BASE64)]
    if Kind.INT in kinds and given.strip().lower().startswith(("0x", "-0x")):
        kinds = [Kind.INT]
    elif len(kinds) > 1 and Kind.INT in kinds:
        # Hex digits without 0x are a key, not a decimal number.
        kinds.remove(Kind.INT)
    for kind in kinds:
        try:
            return fitted(typed(kind, given), type_, where)
        except ValueError:
            continue
    raise ValueRefusedError(where, f"text {shown(given)}", type_.allowed)


def _xml(given: str, where: str) -> Xml:
    try:
        return Xml(write_inside(parse_inside(given)))
    except XmlError as error:
        raise ValueRefusedError(where, f"no XML ({error})", "what may stand inside of a tag") from None


def _object(given: Mapping[str, object], type_: Type, where: str, context: Context, depth: int) -> Value:
    name = given.get(TYPE)
    if isinstance(name, str):
        kind = KIND_OF_NAME.get(name.strip().lower())
        if kind is not None and given.keys() == {TYPE, VALUE}:
            return _tagged(given[VALUE], kind, type_, where, context, depth)
        if type_.takes(Kind.RECORD) and (not type_.takes(Kind.DICT) or context.table.record(name) is not None):
            return _record(given, record_row(name, type_, where, context), where, context, depth)
    elif type_.takes(Kind.RECORD) and len(type_.records) == 1:
        return _record(given, record_row(type_.records[0], type_, where, context), where, context, depth)
    if type_.takes(Kind.DICT):
        fields = {one.lower(): param for param in type_.fields for one in (param.name, *param.names)}
        others = None if type_.fields else ANY
        items = ((key, _reader(value, context, depth + 1)) for key, value in given.items())
        return build(type_.fields, fields, items, context, f"{where}.", others=others)
    raise ValueRefusedError(where, "an object", type_.allowed)


def _record(given: Mapping[str, object], row: RecordRow, where: str, context: Context, depth: int) -> Record:
    items = ((key, _reader(value, context, depth + 1)) for key, value in given.items() if key != TYPE)
    return build_record(row, items, where, context)


def _tagged(given: object, kind: Kind, type_: Type, where: str, context: Context, depth: int) -> Value:
    """{"type": "MAC", "value": ...}: a value that says what it is."""
    if kind in (Kind.LIST, Kind.DICT):
        if type_.takes(kind) and isinstance(given, list if kind is Kind.LIST else dict):
            return read(given, type_, where, context, depth)
        raise ValueRefusedError(where, f"a {kind}", type_.allowed)
    if kind is Kind.XML and type_.takes(kind) and isinstance(given, str):
        return _xml(given, where)
    if isinstance(given, str) and kind not in (Kind.STRING, Kind.XML):
        try:
            return fitted(typed(kind, given), type_, where)
        except ValueError as error:
            raise ValueRefusedError(where, f"{kind} {shown(given)}", str(error)) from None
    if given is None or isinstance(given, bool | int | float | str):
        if kind is Kind.FLOAT and kind_of(given) is Kind.INT:
            given = fitted(given, FLOAT, where)
        if kind_of(given) is kind:
            return fitted(given, type_, where)
    raise ValueRefusedError(where, f"no {kind}", type_.allowed)


# -- writing ---------------------------------------------------------------------------------------------------------


def write(value: Value, type_: Type, records: Mapping[str, RecordRow]) -> object:
    """A value as what a JSON encoder takes; `type_` is what its parameter takes."""
    match value:
        case None | bool() | float() | str():
            return value
        case int():
            if abs(value) < SAFE_INTEGER:
                return value
            return f"{value:#x}" if not type_.takes(Kind.STRING) else {TYPE: Kind.INT.value, VALUE: f"{value:#x}"}
        case Mac() | Octets():
            text = str(value)
            return text if len(type_.kinds) == 1 else {TYPE: kind_of(value).value, VALUE: text}
        case Xml():
            return value.markup if type_.kinds == (Kind.XML,) else {TYPE: Kind.XML.value, VALUE: value.markup}
        case Record():
            row = records.get(value.name)
            fields: Mapping[str, object] = value.fields
            # A list of 50 prices has 850 values, and most records none that is anything else in JSON.
            if row is None or not row.is_plain or not _PLAIN.issuperset(map(type, value.fields.values())):
                fields = {key: write(item, _type_of(row, key), records) for key, item in value.fields.items()}
            return fields if type_.takes(Kind.RECORD) and len(type_.records) == 1 else {TYPE: value.name, **fields}
        case list():
            item = type_.item or ANY
            row = records.get(item.records[0]) if len(item.records) == 1 and item.kinds == (Kind.RECORD,) else None
            if row is None or not row.is_plain:
                return [write(one, item, records) for one in value]
            # A list may be long, and what its records hold is by their row the same in JSON.
            return [
                one.fields if type(one) is Record and one.name == row.name else write(one, item, records)
                for one in value
            ]
    by_name = {param.name: param.type for param in type_.fields}
    # A list whose items have names is an object, too.
    inner = type_.item if type_.kinds == (Kind.LIST,) and type_.item is not None else ANY
    return {key: write(item, by_name.get(key, inner), records) for key, item in value.items()}


def _type_of(row: RecordRow | ResponseRow | None, name: str) -> Type:
    param: Param | None = row.by_name.get(name.lower()) if row is not None else None
    return param.type if param is not None else ANY


def write_values(
    values: Mapping[str, Value], by_name: Mapping[str, Param], records: Mapping[str, RecordRow], free: Type = ANY
) -> dict[str, object]:
    """Parameters as an object; `free` is the type of those without a row."""
    return {
        name: write(value, by_name[name.lower()].type if name.lower() in by_name else free, records)
        for name, value in values.items()
    }


def write_response(response: Response, row: ResponseRow | None, records: Mapping[str, RecordRow]) -> dict[str, object]:
    """A response's parameters as an object."""
    return write_values(response.parameters, row.by_name if row is not None else {}, records)
