"""The table for programs: every request and record with its parameters, and a JSON Schema of each.

Forms, completion and checks before sending are made from it.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET, Struct, UnsetType

from web.roles import Role
from web.rpc import as_json
from web.rpc.declare import Default, Outcome, Param, RecordRow, RequestRow, ResponseRow
from web.rpc.table import Table
from web.rpc.types import ANY, INT, Kind, Type
from web.schema_base import Json as Value

Json = dict[str, object]
_PLAIN: Mapping[Kind, Json] = {
    Kind.BOOL: {"type": "boolean"},
    Kind.FLOAT: {"type": "number"},
    Kind.STRING: {"type": "string"},
    Kind.NONE: {"type": "null"},
    Kind.XML: {"type": "string"},
    Kind.DICT: {"type": "object"},
}
_MAC_PATTERN = "^[^0-9A-Za-z]*(0[xX])?[0-9A-Fa-f]([^0-9A-Za-z]*[0-9A-Fa-f])*[^0-9A-Za-z]*$"
_INT_PATTERN = "^\\s*[+-]?(0[xX][0-9A-Fa-f]+|[0-9]+)\\s*$"


class TypeInfo(Struct, frozen=True):
    """What a value may be, for programs that read it before they send it: `web.rpc.described` does."""

    kinds: list[str]
    minimum: Value | UnsetType = UNSET
    maximum: Value | UnsetType = UNSET
    """Of an int; text as "0x5e" from 2^53 on."""
    bits: int | UnsetType = UNSET
    """Of an int that is taken with and without sign."""
    values: dict[str, str] | UnsetType = UNSET
    """The only numbers there are."""
    records: list[str] | UnsetType = UNSET
    item: TypeInfo | UnsetType = UNSET
    """Of a list."""
    fields: list[ParameterInfo] | UnsetType = UNSET
    """Of a dict."""
    octets: int | UnsetType = UNSET
    is_name: bool | UnsetType = UNSET
    """Text without the blanks around it."""


class OutcomeInfo(Struct, frozen=True):
    """What a parameter of a response says of how its request went: `successes` are the values of one that went well."""

    successes: list[Value]
    meanings: dict[str, str] | UnsetType = UNSET
    """Of numbers, beside the parameter's own `values`."""
    reason: str | UnsetType = UNSET
    """The parameter beside it that says why."""
    has_message: bool | UnsetType = UNSET
    """A message by the mailbox says why."""


class ParameterInfo(Struct, frozen=True):
    """A parameter or field: what it takes and means."""

    name: str
    type: str
    meaning: str
    required: bool
    allowed: str
    takes: TypeInfo
    default: Value | UnsetType = UNSET
    default_text: str | UnsetType = UNSET
    values: dict[str, str] | UnsetType = UNSET
    """The only numbers there are, with what they mean."""
    records: list[str] | UnsetType = UNSET
    """Classes of the record, or of the records in the list."""
    names: list[str] | UnsetType = UNSET
    """Other names that it is taken under."""
    ours: bool | UnsetType = UNSET
    """Not in the manual."""
    secret: bool | UnsetType = UNSET
    """A key or a code: better not shown while it is typed."""
    answer_only: bool | UnsetType = UNSET
    """Seen in answers, never given in a request."""
    outcome: OutcomeInfo | UnsetType = UNSET


class RequestInfo(Struct, frozen=True):
    """A request; `pending` ones are declared, and nothing does them yet."""

    name: str
    chapter: str
    section: str
    meaning: str
    role: Role
    response: str | None
    quick: bool
    ours: bool
    pending: bool
    free_name: bool
    """Its one parameter bears a name of the client's choice."""
    parameters: list[ParameterInfo]
    schema: dict[str, Value]
    """JSON Schema of its parameters as JSON."""
    role_with: dict[str, Role] | UnsetType = UNSET
    """The role that it needs with a parameter."""


class RecordInfo(Struct, frozen=True):
    """A class of records."""

    name: str
    meaning: str
    fields: list[ParameterInfo]
    chapter: str
    ours: bool
    names: list[str] | UnsetType = UNSET
    """Other names that it is taken under."""


class ResponseInfo(Struct, frozen=True):
    """A response."""

    name: str
    meaning: str
    unsolicited: bool
    parameters: list[ParameterInfo]
    chapter: str
    ours: bool
    free_names: bool
    """Beside its parameters there may be others."""


class AliasInfo(Struct, frozen=True):
    """An alias, and the first of the requests that it stands for; none where it stands for parameters or a value."""

    name: str
    request: str | None


class RpcInfo(Struct, frozen=True):
    """All of it; `device_id` is by which SCI knows this hub."""

    device_id: str
    waiting: int
    """Responses in the mailbox."""
    requests: list[RequestInfo]
    responses: list[ResponseInfo]
    records: list[RecordInfo]
    aliases: list[AliasInfo]


def describe(
    table: Table, pending: frozenset[str], device_id: str, waiting: int, aliases: Mapping[str, str | None]
) -> RpcInfo:
    """The table as it is now; `aliases` by their names, each with the first request that it stands for."""
    return RpcInfo(
        device_id,
        waiting,
        [_request(row, row.name in pending, table) for row in table.requests.values()],
        [_response(row, table) for row in table.responses.values()],
        [_record_info(row, table) for row in table.records.values()],
        [AliasInfo(name, request) for name, request in sorted(aliases.items())],
    )


def _request(row: RequestRow, is_pending: bool, table: Table) -> RequestInfo:
    return RequestInfo(
        row.name,
        row.chapter,
        row.section,
        row.meaning,
        row.role,
        row.response,
        row.is_quick,
        row.is_ours,
        is_pending,
        row.has_free_name,
        _params(row.params, table),
        request_schema(row, table),
        dict(row.role_with) or UNSET,
    )


def _record_info(row: RecordRow, table: Table) -> RecordInfo:
    fields = _params(row.params, table)
    return RecordInfo(row.name, row.meaning, fields, row.chapter, row.is_ours, list(row.names) or UNSET)


def _response(row: ResponseRow, table: Table) -> ResponseInfo:
    params = _params(row.params, table)
    return ResponseInfo(row.name, row.meaning, row.is_unsolicited, params, row.chapter, row.is_ours, row.has_free_names)


def _params(params: tuple[Param, ...], table: Table) -> list[ParameterInfo]:
    return [_param(param, table) for param in params]


def _param(param: Param, table: Table) -> ParameterInfo:
    type_, item = param.type, param.type.item
    records = [*type_.records, *(item.records if item is not None else ())]
    default: object | UnsetType = UNSET
    if not isinstance(param.default, Default):
        default = as_json.write(param.default, type_, table.records)
    return ParameterInfo(
        param.name,
        str(type_),
        param.meaning,
        param.is_required,
        type_.allowed,
        _type(type_, table),
        default,
        param.default_text or UNSET,
        _words(type_.meanings),
        records or UNSET,
        list(param.names) or UNSET,
        param.is_ours or UNSET,
        param.is_secret or UNSET,
        param.is_answer_only or UNSET,
        UNSET if param.outcome is None else _outcome(param.outcome),
    )


def _type(type_: Type, table: Table) -> TypeInfo:
    return TypeInfo(
        [kind.value for kind in type_.kinds],
        _limit(type_.minimum),
        _limit(type_.maximum),
        type_.wraps or UNSET,
        _words(type_.meanings),
        list(type_.records) or UNSET,
        UNSET if type_.item is None else _type(type_.item, table),
        _params(type_.fields, table) or UNSET,
        UNSET if type_.octets is None else type_.octets,
        type_.is_name or UNSET,
    )


def _limit(number: int | None) -> object | UnsetType:
    return UNSET if number is None else as_json.write(number, INT, {})


def _outcome(outcome: Outcome) -> OutcomeInfo:
    successes = [as_json.write(value, ANY, {}) for value in outcome.successes]
    return OutcomeInfo(successes, _words(outcome.meanings), outcome.reason or UNSET, outcome.has_message or UNSET)


def _words(meanings: Mapping[int, str]) -> dict[str, str] | UnsetType:
    return {str(number): meaning for number, meaning in meanings.items()} or UNSET


# -- JSON Schema -----------------------------------------------------------------------------------------------------


def request_schemas(table: Table) -> dict[str, Json]:
    """The schemas of all requests, by the names they have in the OpenAPI document."""
    return {f"rpc.{row.name}": request_schema(row, table) for row in table.requests.values()}


def request_schema(row: RequestRow, table: Table) -> Json:
    """JSON Schema of a request's parameters as JSON; the records it takes are inside of it."""
    if row.has_free_name:
        name, *others = row.params
        return {
            "type": "object",
            "description": row.meaning,
            "properties": {param.name: _schema(param.type, table, 0) for param in others},
            "additionalProperties": _schema(name.type, table, 0) | {"description": name.meaning},
            "minProperties": 1,
            "maxProperties": 1 + len(others),
        }
    return _object(row.params, table, 0) | {"description": row.meaning}


_DEEPEST = 4


def _object(params: tuple[Param, ...], table: Table, depth: int) -> Json:
    given = [param for param in params if not param.is_answer_only]
    return {
        "type": "object",
        "properties": {
            param.name: _schema(param.type, table, depth) | {"description": param.meaning} for param in given
        },
        "required": [param.name for param in given if param.is_required],
        "additionalProperties": False,
    }


def _schema(type_: Type, table: Table, depth: int) -> Json:
    if type_.is_any or depth > _DEEPEST:
        return {}
    choices = [_of_kind(kind, type_, table, depth) for kind in type_.kinds]
    return choices[0] if len(choices) == 1 else {"anyOf": choices}


def _of_kind(kind: Kind, type_: Type, table: Table, depth: int) -> Json:
    match kind:
        case Kind.INT:
            # Where text is text, a number that JavaScript would round says what it is.
            return {"anyOf": [_int(type_), _tagged(kind)]} if type_.takes(Kind.STRING) else _int(type_)
        case Kind.MAC:
            text: Json = {"type": "string", "pattern": _MAC_PATTERN}
            return text if len(type_.kinds) == 1 else {"anyOf": [text, _tagged(kind)]}
        case Kind.BASE16 | Kind.BASE64:
            text = {"type": "string", "contentEncoding": str(kind)}
            return text if len(type_.kinds) == 1 else {"anyOf": [text, _tagged(kind)]}
        case Kind.LIST:
            return {"type": "array", "items": _schema(type_.item or ANY, table, depth + 1)}
        case Kind.DICT if type_.fields:
            return _object(type_.fields, table, depth + 1)
        case Kind.RECORD:
            return _records(type_, table, depth)
    return dict(_PLAIN[kind])


def _int(type_: Type) -> Json:
    # Of either sign: both forms of an unused value are taken.
    low, high = type_.minimum, type_.maximum
    if type_.wraps and low is not None and high is not None:
        low, high = -(1 << (type_.wraps - 1)), (1 << type_.wraps) - 1
    whole: Json = {"type": "integer"}
    if type_.meanings:
        whole = {"enum": sorted(type_.meanings)}
    elif low is not None and high is not None:
        whole |= {"minimum": low, "maximum": high}
    return {"anyOf": [whole, {"type": "string", "pattern": _INT_PATTERN}]}


def _tagged(kind: Kind) -> Json:
    return {
        "type": "object",
        "properties": {as_json.TYPE: {"const": str(kind)}, as_json.VALUE: {"type": "string"}},
        "required": [as_json.TYPE, as_json.VALUE],
        "additionalProperties": False,
    }


def _records(type_: Type, table: Table, depth: int) -> Json:
    rows: list[RecordRow] = [row for name in type_.records if (row := table.record(name)) is not None]
    if not rows:
        return {"type": "object", "properties": {as_json.TYPE: {"type": "string"}}, "required": [as_json.TYPE]}
    found: list[Json] = []
    for row in rows:
        schema = _object(row.params, table, depth + 1)
        properties = schema["properties"]
        assert isinstance(properties, dict)
        schema["properties"] = {as_json.TYPE: {"type": "string"}, **properties}
        found.append(schema | {"title": row.name})
    return found[0] if len(found) == 1 else {"anyOf": found}
