"""The table out of what a hub tells of it (`GET /api/v1/rpc`): what its modules have added is read and checked as ours.

What a hub of a later version tells and nobody here knows is left out: it is the hub that checks in the end.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

from msgspec import UNSET, UnsetType

from web.rpc import as_json
from web.rpc.build import ArgumentsRefusedError, Context
from web.rpc.declare import Chapter, Default, Outcome, Param, RecordRow, RequestRow, ResponseRow
from web.rpc.describe import OutcomeInfo, ParameterInfo, RecordInfo, RequestInfo, ResponseInfo, RpcInfo, TypeInfo
from web.rpc.table import TABLE, Table
from web.rpc.types import ANY, INT, Kind, Type, ValueRefusedError
from web.rpc.values import Value

T = TypeVar("T")
_CHAPTERS = {chapter.value: chapter for chapter in Chapter}
_KINDS = {kind.value: kind for kind in Kind}
_DEFAULTS = {default.value: default for default in (Default.NOW, Default.AT_SENDING)}
_CONTEXT = Context(TABLE, datetime(2000, 1, 1, tzinfo=UTC))
"""For defaults, which are simple values."""


def table_of(info: RpcInfo) -> Table:
    """The requests, responses and records that the hub has."""
    return Table(
        {one.name: _request(one) for one in info.requests},
        {one.name: _response(one) for one in info.responses},
        {one.name: _record(one) for one in info.records},
    )


def _request(info: RequestInfo) -> RequestRow:
    return RequestRow(
        info.name,
        _chapter(info.chapter),
        info.meaning,
        _params(info.parameters),
        response=info.response,
        role=info.role,
        role_with=_set(info.role_with, {}),
        is_quick=info.quick,
        has_free_name=info.free_name,
        is_ours=info.ours,
    )


def _response(info: ResponseInfo) -> ResponseRow:
    return ResponseRow(
        info.name,
        _chapter(info.chapter),
        info.meaning,
        _params(info.parameters),
        is_unsolicited=info.unsolicited,
        has_free_names=info.free_names,
        is_ours=info.ours,
    )


def _record(info: RecordInfo) -> RecordRow:
    names = tuple(_set(info.names, []))
    return RecordRow(info.name, _chapter(info.chapter), info.meaning, _params(info.fields), names, info.ours)


def _chapter(name: str) -> Chapter:
    return _CHAPTERS.get(name, Chapter.ADDED)


def _params(infos: list[ParameterInfo]) -> tuple[Param, ...]:
    return tuple(map(_param, infos))


def _param(info: ParameterInfo) -> Param:
    type_ = _type(info.takes)
    return Param(
        info.name,
        type_,
        info.meaning,
        _default(info, type_),
        tuple(_set(info.names, [])),
        is_answer_only=_set(info.answer_only, False),
        is_ours=_set(info.ours, False),
        is_secret=_set(info.secret, False),
        outcome=None if info.outcome is UNSET else _outcome(info.outcome),
    )


def _default(info: ParameterInfo, type_: Type) -> Value | Default:
    if info.required:
        return Default.REQUIRED
    if info.default is UNSET:
        return _DEFAULTS.get(_set(info.default_text, ""), Default.LEFT_OUT)
    try:
        return as_json.read(info.default, type_, info.name, _CONTEXT)
    except (ValueRefusedError, ArgumentsRefusedError):
        return Default.LEFT_OUT


def _type(info: TypeInfo) -> Type:
    kinds = tuple(_KINDS[name] for name in info.kinds if name in _KINDS)
    if len(kinds) != len(info.kinds) or not kinds:
        return ANY
    return Type(
        kinds=kinds,
        minimum=_limit(info.minimum),
        maximum=_limit(info.maximum),
        wraps=_set(info.bits, 0),
        meanings=_words(info.values),
        records=tuple(_set(info.records, [])),
        item=None if info.item is UNSET else _type(info.item),
        fields=_params(_set(info.fields, [])),
        is_name=_set(info.is_name, False),
        octets=None if info.octets is UNSET else info.octets,
    )


def _limit(given: object) -> int | None:
    found = None if given is UNSET else as_json.read(given, INT, "limit", _CONTEXT)
    return found if isinstance(found, int) else None


def _outcome(info: OutcomeInfo) -> Outcome:
    successes = tuple(as_json.read(one, ANY, "outcome", _CONTEXT) for one in info.successes)
    return Outcome(successes, _words(info.meanings), _set(info.reason, ""), _set(info.has_message, False))


def _words(given: dict[str, str] | UnsetType) -> dict[int, str]:
    return {int(number): meaning for number, meaning in _set(given, {}).items()}


def _set(given: T | UnsetType, default: T) -> T:
    return default if isinstance(given, UnsetType) else given
