"""Values of ZCL attributes: as JSON for programs, as text for people, and back from JSON.

| data type | JSON |
|---|---|
| bool | true, false |
| integers, enumerations, bitmaps, times | a number |
| semi, single, double | a number |
| string | text |
| octet strings | hex text |
| eui64 | 16 hex digits |
| key128 | always null: a key is never told |
| array, set, bag, struct | a list of {"type", "value"} |

An invalid value is null, unless the attribute gives that number a meaning of its own: 0xFF of start_up_on_off is its
previous state. On the way in, an enumeration also takes its value's name, a bitmap a list of its bits' names,
and an integer its text ("0x10").
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from hub.errors import InvalidError
from protocols.errors import CodecError, RangeError
from protocols.ids import Eui64
from protocols.zcl import datatypes
from protocols.zcl.clusters import cluster_name
from protocols.zcl.datatypes import BY_NAME, TYPES, Collection, Structure, Typed, Value
from protocols.zcl.definition import AttributeDef

SE_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""Where the ZCL's UTC times begin (ZCL8, 2.6.2.22)."""
DIGITS = 7
"""Significant digits of a floating point number that is shown: a single has no more."""
MAX_SHOWN = 80
"""Characters of a refused value that are shown back."""
HIDDEN = "hidden"
INVALID = "invalid"
_FLOATS = (datatypes.SEMI, datatypes.SINGLE, datatypes.DOUBLE)
_TEXTS = (datatypes.STRING, datatypes.LONG_STRING)
_OCTETS = (datatypes.OCTETS, datatypes.LONG_OCTETS)
_COLLECTIONS = (datatypes.ARRAY, datatypes.SET, datatypes.BAG)
_ANY_DAY = 0xFF
"""A field of a date or time of day that is not given."""
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


# -- out -----------------------------------------------------------------------------------------------------------


def with_meaning(value: Value, type_id: int | None, row: AttributeDef | None) -> Value:
    """A value as its attribute means it: the number that is invalid in its type where the attribute names that."""
    if value is not None or type_id is None or row is None or row.is_bitmap:
        return value
    number = datatypes.invalid_value(type_id)
    return number if number in row.values else None


def to_json(value: Value, type_id: int | None, row: AttributeDef | None = None) -> object:
    """A value for programs."""
    value = with_meaning(value, type_id, row)
    if value is None or type_id == datatypes.KEY128:
        return None
    if isinstance(value, Eui64):
        return str(value)
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        # JSON has no infinity.
        return value if math.isfinite(value) else None
    if isinstance(value, Collection):
        return [_nested(value.type, item) for item in value.items]
    if isinstance(value, Structure):
        return [_nested(item.type, item.value) for item in value.items]
    return value


def text_of(value: Value, type_id: int | None, row: AttributeDef | None = None) -> str:
    """A value for people: the name of an enumeration's value, a bitmap's bits, a number with its unit."""
    value = with_meaning(value, type_id, row)
    if value is None:
        return INVALID
    if type_id == datatypes.KEY128:
        return HIDDEN
    if isinstance(value, bool):
        named = row.values.get(int(value)) if row is not None else None
        return named or ("true" if value else "false")
    if isinstance(value, Eui64):
        return str(value)
    if isinstance(value, int | float):
        return _number_text(value, type_id, row)
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, bytes):
        return value.hex(" ")
    if isinstance(value, Collection):
        return "[" + ", ".join(text_of(item, value.type) for item in value.items) + "]"
    members = (f"{datatypes.type_name(item.type)} {text_of(item.value, item.type)}" for item in value.items)
    return "{" + ", ".join(members) + "}"


def _nested(type_id: int, value: Value) -> dict[str, object]:
    return {"type": datatypes.type_name(type_id), "value": to_json(value, type_id)}


def _clean(text: str) -> str:
    """Text without the padding of old devices; bytes that are no UTF-8 are replaced: JSON is UTF-8."""
    return text.rstrip("\0 ").encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _number_text(value: int | float, type_id: int | None, row: AttributeDef | None) -> str:
    if isinstance(value, int):
        if row is not None and row.is_bitmap:
            return _bits_text(value, row.values)
        if row is not None and row.values:
            return row.values.get(value, f"{value} (0x{value:02x})")
        special = _special_text(value, type_id)
        if special is not None:
            return special
    scale = row.scale if row is not None else 1.0
    number = value if scale == 1.0 else value * scale
    shown = str(number) if isinstance(number, int) else f"{_rounded(number, scale):.{DIGITS}g}"
    unit = row.unit if row is not None else ""
    return f"{shown} {unit}" if unit else shown


def _rounded(number: float, scale: float) -> float:
    """Without what binary fractions leave behind: 2150 * 0.01 is 21.5."""
    if scale == 1.0 or not math.isfinite(number):
        return number
    return round(number, max(0, 1 - math.floor(math.log10(abs(scale)))))


def _bits_text(value: int, names: Mapping[int, str]) -> str:
    bits = [bit for bit in range(value.bit_length()) if value >> bit & 1]
    return ", ".join(names.get(bit, f"bit {bit}") for bit in bits) or "none"


def _special_text(value: int, type_id: int | None) -> str | None:
    """Integers that are not quantities."""
    if type_id == datatypes.UTC:
        return f"{SE_EPOCH + timedelta(seconds=value):%Y-%m-%d %H:%M:%S} UTC"
    if type_id == datatypes.TIME_OF_DAY:
        hour, minute, second, hundredth = value.to_bytes(4, "little")
        return ":".join("--" if part == _ANY_DAY else f"{part:02d}" for part in (hour, minute, second)) + (
            f".{hundredth:02d}" if hundredth not in (0, _ANY_DAY) else ""
        )
    if type_id == datatypes.DATE:
        year, month, day, weekday = value.to_bytes(4, "little")
        parts = ["----" if year == _ANY_DAY else str(1900 + year)]
        parts += ["--" if part == _ANY_DAY else f"{part:02d}" for part in (month, day)]
        name = _WEEKDAYS[weekday - 1] if 1 <= weekday <= len(_WEEKDAYS) else ""
        return "-".join(parts) + (f" {name}" if name else "")
    if type_id == datatypes.CLUSTER_ID:
        return cluster_name(value)
    name = datatypes.type_name(type_id) if type_id is not None else ""
    if name.startswith(("map", "data")) or name in ("attribute_id", "bacnet_oid"):
        size = next(row.size for row in TYPES.values() if row.name == name) or 1
        return f"0x{value:0{2 * size}x}"
    return None


# -- in ------------------------------------------------------------------------------------------------------------


def type_id_of(given: int | str, field: str = "type") -> int:
    """A data type by its name or number. Raises `InvalidError` that says which there are."""
    number = given if isinstance(given, int) else -1
    if isinstance(given, str):
        found = BY_NAME.get(given.strip().lower())
        if found is not None:
            return found.id
        with contextlib.suppress(ValueError):
            number = int(given, 0)
    if number not in TYPES:
        raise InvalidError(field, _shown(given, number), f"one of {', '.join(BY_NAME)}")
    return number


def from_json(
    given: object, type_id: int, row: AttributeDef | None = None, field: str = "value", depth: int = 0
) -> Value:
    """A value of the data type out of JSON. Raises `InvalidError` that names the type and its range."""
    if depth > datatypes.MAX_DEPTH:
        raise InvalidError("value", "nested too deeply", f"at most {datatypes.MAX_DEPTH} lists within each other")
    value = _read(given, type_id, row, field, depth)
    try:
        datatypes.encode_value(type_id, value)
    except RangeError as error:
        raise InvalidError(field, _shown(given, type_id), f"{error.allowed} ({_type(type_id)})") from None
    except CodecError:
        raise InvalidError(field, _shown(given, type_id), f"a value of {_type(type_id)}") from None
    return value


def _read(given: object, type_id: int, row: AttributeDef | None, field: str, depth: int) -> Value:
    if given is None:
        return None
    if type_id == datatypes.BOOL:
        return _read_bool(given, row, field)
    if type_id in _FLOATS:
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise InvalidError(field, _shown(given, type_id), f"a number ({_type(type_id)})")
        try:
            return float(given)
        except OverflowError:
            raise InvalidError(field, _shown(given, type_id), f"a number that fits ({_type(type_id)})") from None
    if type_id in _TEXTS:
        if not isinstance(given, str):
            raise InvalidError(field, _shown(given, type_id), f"text ({_type(type_id)})")
        return given
    if type_id in _OCTETS or type_id == datatypes.KEY128:
        return _read_octets(given, type_id, field)
    if type_id == datatypes.EUI64:
        return _read_eui64(given, field)
    if type_id in _COLLECTIONS or type_id == datatypes.STRUCTURE:
        return _read_nested(given, type_id, field, depth)
    if type_id in (datatypes.NO_DATA, datatypes.UNKNOWN):
        raise InvalidError(field, _shown(given, type_id), f"null: {_type(type_id)} has no values")
    return _read_integer(given, type_id, row, field)


def _read_bool(given: object, row: AttributeDef | None, field: str) -> bool:
    if isinstance(given, bool) or given in (0, 1):
        return bool(given)
    names = {name: bool(number) for number, name in row.values.items()} if row is not None else {}
    if isinstance(given, str):
        words = {"true": True, "false": False, "on": True, "off": False, "1": True, "0": False, **names}
        found = words.get(given.strip().lower())
        if found is not None:
            return found
    raise InvalidError(field, _shown(given, datatypes.BOOL), "true or false")


def _read_octets(given: object, type_id: int, field: str) -> bytes:
    if isinstance(given, str):
        try:
            return bytes.fromhex(given.removeprefix("0x").replace(":", ""))
        except ValueError:
            pass
    raise InvalidError(field, _shown(given, type_id), f"hex digits, two for each byte ({_type(type_id)})")


def _read_eui64(given: object, field: str) -> Eui64:
    if isinstance(given, str):
        try:
            return Eui64.parse(given)
        except RangeError:
            pass
    raise InvalidError(field, _shown(given, datatypes.EUI64), "16 hex digits, as 00137a00000123fc")


def _read_integer(given: object, type_id: int, row: AttributeDef | None, field: str) -> int:
    values = row.values if row is not None else {}
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    if isinstance(given, float) and given.is_integer():
        return int(given)
    if row is not None and row.is_bitmap and isinstance(given, list):
        bits = {name: bit for bit, name in values.items()}
        number = 0
        for name in given:
            if not isinstance(name, str) or name not in bits:
                raise InvalidError(field, _shown(name, type_id), f"a number, or a list of {', '.join(bits)}")
            number |= 1 << bits[name]
        return number
    if isinstance(given, str):
        word = given.strip().lower()
        if row is not None and not row.is_bitmap:
            named = {name.lower(): number for number, name in values.items()}
            if word in named:
                return named[word]
        try:
            return int(word, 0)
        except ValueError:
            pass
    names = f", or one of {', '.join(values.values())}" if values and not (row and row.is_bitmap) else ""
    raise InvalidError(field, _shown(given, type_id), f"a whole number{names} ({_type(type_id)})")


def _read_nested(given: object, type_id: int, field: str, depth: int) -> Value:
    allowed = f'a list of {{"type": ..., "value": ...}} ({_type(type_id)})'
    if not isinstance(given, list):
        raise InvalidError(field, _shown(given, type_id), allowed)
    items: list[Typed] = []
    for place, one in enumerate(given):
        inner = f"{field}[{place}]"
        if not isinstance(one, dict) or set(one) != {"type", "value"}:
            raise InvalidError(inner, _shown(one, datatypes.KEY128), allowed)
        kind = one["type"]
        if isinstance(kind, bool) or not isinstance(kind, int | str):
            raise InvalidError(f"{inner}.type", _shown(kind, type_id), "a data type's name or number")
        item_type = type_id_of(kind, f"{inner}.type")
        items.append(Typed(item_type, from_json(one["value"], item_type, None, f"{inner}.value", depth + 1)))
    if type_id == datatypes.STRUCTURE:
        return Structure(tuple(items))
    if not items:
        return Collection(datatypes.UNKNOWN, ())
    if any(item.type != items[0].type for item in items):
        kinds = ", ".join(dict.fromkeys(datatypes.type_name(item.type) for item in items))
        raise InvalidError(field, kinds, f"items of one type ({_type(type_id)})")
    return Collection(items[0].type, tuple(item.value for item in items))


def _type(type_id: int) -> str:
    return f"data type {datatypes.type_name(type_id)}"


def _shown(given: object, type_id: int) -> object:
    """What is said of a refused value; of a key nothing, nor of what may hold one."""
    if type_id == datatypes.KEY128:
        return f"({HIDDEN})"
    if isinstance(given, list | dict):
        return "a list" if isinstance(given, list) else "an object"
    text = str(given)
    return given if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."
