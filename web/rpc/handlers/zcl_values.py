"""Values of ZCL attributes as parameters, and back.

| data type | parameter |
|---|---|
| bool | bool |
| integers, enumerations, bitmaps, times | int; one that is invalid by its type is the number that says so |
| semi, single, double | float; none for what is no number |
| string | string |
| octet strings | string if they are printable, as gateways had them; else base16. Either is taken |
| eui64 | MAC |
| key128 | base16 is taken; it is never told |
| array, set, bag | ZCL_ArrayRecord |
| struct | list of dicts with attribute_type and value |
"""

from __future__ import annotations

from math import isfinite

from protocols.errors import CodecError
from protocols.ids import Eui64
from protocols.zcl import datatypes
from protocols.zcl.datatypes import BY_NAME, Collection, Structure, Typed, invalid_value, type_name
from protocols.zcl.datatypes import Value as ZclValue
from web.rpc.types import ValueRefusedError, kind_of, shown
from web.rpc.values import Mac, Octets, Record, Value

ARRAY_RECORD = "ZCL_ArrayRecord"
_TEXTS = (datatypes.STRING, datatypes.LONG_STRING)
_OCTETS = (datatypes.OCTETS, datatypes.LONG_OCTETS)
_FLOATS = (datatypes.SEMI, datatypes.SINGLE, datatypes.DOUBLE)
_COLLECTIONS = (datatypes.ARRAY, datatypes.SET, datatypes.BAG)
_SIGNED = {BY_NAME[f"int{bits}"].id: bits for bits in range(8, 65, 8)}
_EUI64_BITS = 64
KEY_OCTETS = 16


def told(value: ZclValue, type_id: int | None) -> Value:
    """A value for an answer."""
    if type_id == datatypes.KEY128:
        return None
    match value:
        case None:
            return invalid_value(type_id) if type_id is not None else None
        case Eui64():
            return Mac.of(value)
        case float():
            return value if isfinite(value) else None
        case bool() | int():
            return value
        case str():
            return "".join(one for one in value if one.isprintable() or one in "\t\n\r")
        case bytes():
            text = value.rstrip(b"\0")
            printable = text.isascii() and text.decode("ascii").isprintable()
            return text.decode("ascii") if printable else Octets(value)
        case Collection():
            return Record(
                ARRAY_RECORD,
                {"attribute_type": value.type, "value": [told(one, value.type) for one in value.items]},
            )
    return [{"attribute_type": one.type, "value": told(one.value, one.type)} for one in value.items]


def taken(value: Value, type_id: int, where: str) -> ZclValue:
    """A value as its data type has it. Raises `ValueRefusedError` for one of another kind."""
    if type_id in _TEXTS and isinstance(value, str):
        return value
    if type_id in _OCTETS and isinstance(value, str | Octets):
        return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value.data
    if type_id in _TEXTS or type_id in _OCTETS:
        raise _refused(value, type_id, where, 'string, with type="string" where it looks like a number')
    if type_id == datatypes.EUI64:
        if isinstance(value, Mac) and value.eui64 is not None:
            return value.eui64
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << _EUI64_BITS:
            return Eui64(value)
        raise _refused(value, type_id, where, "MAC of 8 octets")
    if type_id == datatypes.KEY128:
        if not isinstance(value, Octets) or len(value.data) != KEY_OCTETS:
            raise ValueRefusedError(where, "no key", f"base16 of {KEY_OCTETS} octets")
        return value.data
    if type_id in _COLLECTIONS:
        return _collection(value, type_id, where)
    if type_id == datatypes.STRUCTURE:
        return _structure(value, where)
    if isinstance(value, Octets) and len(value.data) <= 8:
        value = int.from_bytes(value.data)  # digits without 0x
    if isinstance(value, bool) or not isinstance(value, int | float):
        if isinstance(value, bool):
            return value if type_id == datatypes.BOOL else int(value)
        raise _refused(value, type_id, where, "float" if type_id in _FLOATS else "int")
    bits = _SIGNED.get(type_id)
    if bits is not None and isinstance(value, int) and 1 << (bits - 1) <= value < 1 << bits:
        value -= 1 << bits
    return value


def encoded(value: Value, type_id: int, where: str) -> bytes:
    """A value's octets. Raises `ValueRefusedError`."""
    try:
        return datatypes.encode_value(type_id, taken(value, type_id, where))
    except CodecError as error:
        raise ValueRefusedError(where, "wrong", f"{error}") from None


def _collection(value: Value, type_id: int, where: str) -> Collection:
    if not isinstance(value, Record) or value.name != ARRAY_RECORD:
        raise _refused(value, type_id, where, ARRAY_RECORD)
    item, items = value.fields["attribute_type"], value.fields["value"]
    assert isinstance(item, int)
    assert isinstance(items, list)
    return Collection(item, tuple(taken(one, item, f"{where}.value[{at}]") for at, one in enumerate(items)))


def _structure(value: Value, where: str) -> Structure:
    if not isinstance(value, list):
        raise _refused(value, datatypes.STRUCTURE, where, "list of dicts with attribute_type and value")
    found: list[Typed] = []
    for at, one in enumerate(value):
        inside = f"{where}[{at}]"
        item = one.get("attribute_type") if isinstance(one, dict) else None
        if not isinstance(one, dict) or not isinstance(item, int) or "value" not in one:
            raise _refused(one, datatypes.STRUCTURE, inside, "dict with attribute_type and value")
        found.append(Typed(item, taken(one["value"], item, f"{inside}.value")))
    return Structure(tuple(found))


def _refused(value: Value, type_id: int, where: str, allowed: str) -> ValueRefusedError:
    given = shown(value) if isinstance(value, bool | int | float | str) else f"a {kind_of(value)}"
    return ValueRefusedError(where, given, f"{allowed}, for the data type {type_name(type_id)}")
