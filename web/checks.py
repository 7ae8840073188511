"""Query and body -> structs: strict, unknown fields refused; a refusal names field, value and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import inspect

from web.errors import BadRequestError, FieldError, shown

SECRET_FIELDS = frozenset(("token", "broadcast_key", "unicast_keys", "install_code", "link_key"))
"""Fields whose values are never shown back; a struct may name more of its own in `secret_fields`."""

_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `(?P<key>key in )?\$(?P<path>.*)`)?$", re.DOTALL)
_NAMED = re.compile(r"(?P<kind>missing required|unknown) field `(?P<field>[^`]*)`")
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+|\.\.\.)\]")

S = TypeVar("S", bound=msgspec.Struct)


def body(raw: bytes, kind: type[S], what: str = "body") -> S:
    """The body of a request, or another `what`; none at all where every field may be left out.

    Raises `BadRequestError`.
    """
    if not raw and all(not field.required for field in msgspec.structs.fields(kind)):
        return convert({}, kind)
    try:
        value = msgspec.json.decode(raw)
    except RecursionError:
        raise BadRequestError(f"the {what} is nested too deeply") from None
    except msgspec.DecodeError as error:
        raise BadRequestError(f"the {what} is not JSON: {error}") from None
    except UnicodeDecodeError:
        raise BadRequestError(f"the {what} is not JSON: it is not UTF-8") from None
    if not isinstance(value, dict):
        raise BadRequestError(f"the {what} is not a JSON object")
    return convert(value, kind)


def query(pairs: list[tuple[str, str]], kind: type[S]) -> S:
    """The query of a request. Raises `BadRequestError`."""
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise _refusal(name, value, "one value: it is given twice")
        values[name] = value
    return convert(values, kind, strict=False)


def convert(values: Mapping[str, object], kind: type[S], *, strict: bool = True) -> S:
    """`values` as a struct; `strict=False` for texts that stand for numbers. Raises `BadRequestError`."""
    try:
        return msgspec.convert(values, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise _explain(str(error), values, kind) from None
    except RecursionError:
        raise BadRequestError("the request is nested too deeply") from None


def no_body(raw: bytes) -> None:
    """A call that takes nothing gets nothing, or an empty object. Raises `BadRequestError`."""
    if raw.strip() not in (b"", b"{}"):
        raise BadRequestError("this call takes no body")


def _refusal(field: str, value: object, allowed: str, secret: frozenset[str] = SECRET_FIELDS) -> BadRequestError:
    if field.split(".")[0].split("[")[0] in secret:
        return BadRequestError(f"{field} is wrong; allowed: {allowed}", (FieldError(field, allowed),))
    text = shown(value)
    return BadRequestError(f"{field} is {text!r}; allowed: {allowed}", (FieldError(field, allowed, text),))


def _explain(text: str, values: Mapping[str, object], kind: type[msgspec.Struct]) -> BadRequestError:
    """Say in the request's words what msgspec found."""
    match = _PLACE.match(text)
    what, path = (match["what"], match["path"] or "") if match is not None else (text, "")
    found: object = values
    wanted: inspect.Type | None = inspect.type_info(kind)
    for step in _STEP.finditer(path):
        found, wanted = _walk(found, wanted, step["name"], step["index"])
    named = _NAMED.search(what)
    prefix = path.removeprefix(".")
    if named is not None:
        field = f"{prefix}.{named['field']}" if prefix else named["field"]
        struct = _struct(wanted)
        names = [one.encode_name for one in struct.fields] if struct is not None else []
        if named["kind"] == "unknown":
            allowed = f"only {', '.join(names)}" if names else "no field at all"
            return BadRequestError(
                f"there is no field {field[:80]!r}; allowed: {allowed}", (FieldError(field[:80], allowed),)
            )
        allowed = _field_allowed(struct, named["field"])
        return BadRequestError(f"{field} is missing; allowed: {allowed}", (FieldError(field, allowed),))
    allowed = describe(wanted) if wanted is not None and prefix else what[:1].lower() + what[1:]
    secret: frozenset[str] = getattr(kind, "secret_fields", frozenset())
    return _refusal(prefix or "body", found, allowed, SECRET_FIELDS | secret)


def _walk(
    found: object, wanted: inspect.Type | None, name: str | None, index: str | None
) -> tuple[object, inspect.Type | None]:
    if name is not None:
        struct = _struct(wanted)
        field = next((one for one in struct.fields if one.encode_name == name), None) if struct else None
        return (found.get(name) if isinstance(found, dict) else None), (field.type if field else None)
    plain = _plain(wanted)
    item = getattr(plain, "item_type", None) or getattr(plain, "value_type", None)
    if isinstance(found, list) and index is not None and index.isdecimal() and int(index) < len(found):
        return found[int(index)], item
    return None, item


def _plain(wanted: inspect.Type | None) -> inspect.Type | None:
    """The type without `null` and "absent" beside it."""
    if isinstance(wanted, inspect.Metadata):
        return _plain(wanted.type)
    if isinstance(wanted, inspect.UnionType):
        rest = [one for one in wanted.types if not isinstance(one, inspect.NoneType)]
        return _plain(rest[0]) if len(rest) == 1 else wanted
    return wanted


def _struct(wanted: inspect.Type | None) -> inspect.StructType | None:
    plain = _plain(wanted)
    return plain if isinstance(plain, inspect.StructType) else None


def _field_allowed(struct: inspect.StructType | None, name: str) -> str:
    for one in struct.fields if struct is not None else ():
        if one.encode_name == name:
            return describe(one.type)
    return "a value"


def describe(wanted: inspect.Type) -> str:
    """What a type allows, for people: its own description where it has one."""
    if isinstance(wanted, inspect.Metadata):
        description = (wanted.extra_json_schema or {}).get("description")
        return str(description) if description else describe(wanted.type)
    plain = _plain(wanted)
    match plain:
        case inspect.UnionType():
            kinds = (one for one in plain.types if not isinstance(one, inspect.NoneType))
            return " or ".join(describe(one) for one in kinds)
        case inspect.EnumType():
            return "one of " + ", ".join(str(member.value) for member in plain.cls)
        case inspect.LiteralType():
            return "one of " + ", ".join(str(value) or "nothing" for value in plain.values)
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() | inspect.FloatType():
            name = "a whole number" if isinstance(plain, inspect.IntType) else "a number"
            if plain.ge is not None and plain.le is not None:
                return f"{name} from {plain.ge} to {plain.le}"
            return f"{name} of at least {plain.ge}" if plain.ge is not None else name
        case inspect.StrType():
            if plain.pattern is not None:
                return f"text that matches {plain.pattern}"
            if plain.max_length is not None:
                return f"text of {plain.min_length or 0} to {plain.max_length} characters"
            return "text"
        case inspect.DateTimeType():
            return "a time with its zone, as 2026-01-31T12:00:00Z"
        case inspect.ListType() | inspect.VarTupleType():
            if plain.min_length is not None and plain.min_length == plain.max_length:
                return f"a list of exactly {plain.min_length}"
            low = plain.min_length or 0
            return f"a list of {low} to {plain.max_length}" if plain.max_length is not None else "a list"
        case inspect.DictType() | inspect.StructType():
            return "an object"
    return "a value"
