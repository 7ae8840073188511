"""Options of RPC requests, made from their rows in the table; and values, read from what was typed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from web.hubctl.exits import Exit, HubctlError
from web.hubctl.files import read_text
from web.rpc import as_json
from web.rpc.build import Context, record_row
from web.rpc.declare import Param, RecordRow, RequestRow
from web.rpc.table import TABLE, Table, near
from web.rpc.types import ANY, KIND_OF_NAME, Kind, Type, ValueRefusedError, declared, fitted, shown
from web.rpc.values import Record, Value, Values

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

NAME, VALUE = "chosen_name", "chosen_value"
"""Of a request whose one parameter has a name of the client's choice."""
OURS = ("async", "xml", "json", "help")
"""Options that every request has; a parameter that is called so is `--parameter-json`."""
FROM_FILE = "@"
_PREFIX = "zigbee-"
"""Of ids that are addresses."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an option's value belongs: to a parameter, or to a field of its record."""

    param: Param
    record: RecordRow | None = None
    field: Param | None = None
    has_fields: bool = False
    """A record whose fields have options of their own."""

    @property
    def what(self) -> Param:
        """What says how it is read."""
        return self.field or self.param

    @property
    def name(self) -> str:
        """As people call it."""
        return self.what.name


class RpcOption(click.Option):
    """An option of a request's parameter, or of a field of its record."""

    def __init__(self, number: int, place: Place) -> None:
        what = place.what
        self.place = place
        names = [f"--{option_name(what.name)}", f"rpc_{number}"]
        if what.type.kinds == (Kind.NONE,):
            super().__init__(names, is_flag=True, flag_value="", default=None, help=what.meaning)
            return
        is_list = what.type.takes(Kind.LIST)
        super().__init__(names, metavar=_metavar(what.type), multiple=is_list, help=_help(place))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Numbers with what they mean, TRUE and FALSE, addresses of devices."""
        from click.shell_completion import CompletionItem

        type_ = self.place.what.type
        if type_.item is not None:
            type_ = type_.item
        if type_.meanings:
            found = [CompletionItem(str(number), help=text) for number, text in type_.meanings.items()]
        elif type_.kinds == (Kind.BOOL,):
            found = [CompletionItem(text) for text in ("TRUE", "FALSE")]
        elif type_.takes(Kind.MAC) and not type_.is_any_simple:
            found = _addresses(ctx)
        else:
            found = []
        return [item for item in found if str(item.value).lower().startswith(incomplete.lower())]


def option_name(name: str) -> str:
    """`Start_Time` -> `start-time`"""
    plain = name.lower().replace("_", "-")
    return f"parameter-{plain}" if plain in OURS else plain


def places(row: RequestRow, table: Table = TABLE) -> list[Place]:
    """What can be said of a request: its parameters, and the fields of its record where it has a single one."""
    given = [param for param in row.params if not param.is_answer_only]
    found = [Place(param) for param in given]
    records = [param for param in given if param.type.kinds[0] is Kind.RECORD and len(param.type.records) == 1]
    if len(records) == 1:
        [param] = records
        record = table.record(param.type.records[0])
        if record is None:
            return found
        taken = {one.name.lower() for one in given}
        fields = [one for one in record.params if not one.is_answer_only and one.name.lower() not in taken]
        whole = found.index(Place(param))
        found[whole] = Place(param, has_fields=True)
        found += [Place(param, record, one) for one in fields]
    return found


def _metavar(type_: Type) -> str:
    if type_.takes(Kind.LIST):
        return _metavar(type_.item) if type_.item is not None else "VALUE"
    if type_.is_any_simple:
        return "VALUE"
    if type_.takes(Kind.RECORD) or type_.takes(Kind.DICT):
        return "JSON"
    if type_.kinds[0] is Kind.BOOL:
        return "TRUE|FALSE"
    return {Kind.STRING: "TEXT", Kind.BASE16: "HEX", Kind.BASE64: "BASE64"}.get(type_.kinds[0], type_.kinds[0].upper())


def _help(place: Place) -> str:
    param = place.what
    notes = [param.meaning]
    if not param.type.is_any:
        notes.append(param.type.allowed)
    if param.type.takes(Kind.LIST):
        notes.append("once for each")
    if param.is_secret:
        notes.append(f"better as {FROM_FILE}FILE")
    if param.is_ours:
        notes.append("not in the manual")
    default = "must be given" if param.is_required else f"default: {param.default_text}" if param.default_text else ""
    if place.has_fields:
        default = "or its fields, below"
    return "; ".join(notes) + (f"  [{default}]" if default else "")


def _addresses(ctx: click.Context) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from web.hubctl.find import asked_quietly

    devices = asked_quietly(ctx, lambda hub: hub.devices())
    return [
        # Without colons, at which bash breaks words.
        CompletionItem(device.id.removeprefix(_PREFIX), help=device.name)
        for device in devices
        if device.id.startswith(_PREFIX)
    ]


# -- values ----------------------------------------------------------------------------------------------------------


def values_of(row: RequestRow, said: Iterable[tuple[Place, str | Sequence[str]]], context: Context) -> Values:
    """What was given, in the order of the rows, without defaults. Raises `HubctlError` that names what is wrong."""
    found: Values = {}
    try:
        for place, text in said:
            try:
                value = _read(text, place.what.type, place.name, context)
            except ValueRefusedError:
                if not place.what.is_secret:
                    raise
                # A key or a code is not shown back.
                raise ValueRefusedError(place.name, "wrong", place.what.type.allowed) from None
            if place.record is None:
                found[place.param.name] = value
                continue
            record = found.setdefault(place.param.name, Record(place.record.name))
            assert isinstance(record, Record)
            record.fields[place.name] = value
    except ValueRefusedError as error:
        raise HubctlError(f"{row.name}: {error}", Exit.USAGE) from None
    return {param.name: found[param.name] for param in row.params if param.name in found}


def chosen(row: RequestRow, name: str, text: str | None, context: Context) -> Values:
    """The one parameter of a request that has a name of the client's choice."""
    type_ = row.params[0].type
    try:
        return {name: _read(text or "", type_, name, context)}
    except ValueRefusedError as error:
        raise HubctlError(f"{row.name}: {error}", Exit.USAGE) from None


def _read(said: str | Sequence[str], type_: Type, where: str, context: Context) -> Value:
    if isinstance(said, str):
        return _text(said, type_, where, context)
    if len(said) == 1 and said[0].lstrip().startswith("["):
        return _text(said[0], type_, where, context)
    item = type_.item or ANY
    return [_text(one, item, f"{where}[{index}]", context) for index, one in enumerate(said)]


def _text(text: str, type_: Type, where: str, context: Context) -> Value:
    if text.startswith(FROM_FILE) and len(text) > 1:
        text = read_text(text[1:], "")[1].strip()
    is_complex = type_.takes(Kind.RECORD) or type_.takes(Kind.DICT) or type_.takes(Kind.LIST)
    if is_complex and text.lstrip().startswith(("{", "[")):
        return _sparse(_json(text, where), type_, where, context)
    if type_.takes(Kind.RECORD) and len(type_.records) == 1:
        return _fields(text, type_, where, context)
    if type_.kinds == (Kind.XML,):
        return as_json.read(text, type_, where, context)
    if type_.is_any and text.lstrip().startswith("<"):
        return as_json.read({as_json.TYPE: Kind.XML.value, as_json.VALUE: text}, type_, where, context)
    for number, meaning in type_.meanings.items():
        if text.strip().casefold() == meaning.casefold():
            return number
    return fitted(declared(type_, text, where), type_, where)


def _json(text: str, where: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueRefusedError(where, f"no JSON ({error})", '{"field": value, ...}') from None


def _sparse(given: object, type_: Type, where: str, context: Context) -> Value:
    """JSON as a value without the defaults of what it leaves out: the hub fills them in."""
    if isinstance(given, list):
        if not type_.takes(Kind.LIST):
            raise ValueRefusedError(where, "a list", type_.allowed)
        item = type_.item or ANY
        return [_sparse(one, item, f"{where}[{index}]", context) for index, one in enumerate(given)]
    name = given.get(as_json.TYPE) if isinstance(given, dict) else None
    if name is None and len(type_.records) == 1:
        [name] = type_.records
    is_record = isinstance(name, str) and name.lower() not in KIND_OF_NAME
    if isinstance(given, dict) and type_.takes(Kind.RECORD) and is_record:
        row = record_row(str(name), type_, where, context)
        fields: Values = {}
        for key, value in given.items():
            if key != as_json.TYPE:
                field = _field(row, key, where)
                fields[field.name] = _sparse(value, field.type, f"{where}.{field.name}", context)
        return Record(row.name, fields)
    return as_json.read(given, type_, where, context)


def _fields(text: str, type_: Type, where: str, context: Context) -> Record:
    """`a=1,b=2` as a record."""
    row = record_row(type_.records[0], type_, where, context)
    fields: Values = {}
    for part in text.split(","):
        name, sign, value = part.partition("=")
        if not sign:
            raise ValueRefusedError(where, shown(part), 'FIELD=VALUE,FIELD=VALUE or {"field": value, ...}')
        field = _field(row, name, where)
        fields[field.name] = _text(value.strip(), field.type, f"{where}.{field.name}", context)
    return Record(row.name, fields)


def _field(row: RecordRow, name: str, where: str) -> Param:
    by_name: Mapping[str, Param] = row.by_name
    param = by_name.get(name.strip().lower().replace("-", "_"))
    if param is None:
        alike = near(name.replace("-", "_"), [one.name for one in row.params])
        hint = f"; did you mean {' or '.join(alike)}?" if alike else ""
        raise ValueRefusedError(f"{where}.{name.strip()[:80]}", "no field of it", ", ".join(by_name) + hint)
    return param
