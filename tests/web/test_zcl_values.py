"""Attribute values: as JSON, as text for people, and back; a refused one names type and range, never a key."""

from __future__ import annotations

import math

import pytest

from hub.errors import InvalidError
from protocols.ids import Eui64
from protocols.zcl import datatypes as d
from protocols.zcl.clusters import attribute_def
from protocols.zcl.datatypes import BY_NAME, Collection, Structure, Typed, Value
from web import zcl_values

KEY = bytes(range(16))
NESTED = Structure((Typed(d.BOOL, True), Typed(d.ARRAY, Collection(BY_NAME["uint8"].id, (1, 2)))))


@pytest.mark.parametrize(
    ("type_name", "value", "as_json"),
    [
        ("bool", True, True),
        ("uint8", 255 - 1, 254),
        ("int16", -5, -5),
        ("single", 1.5, 1.5),
        ("string", "plug", "plug"),
        ("octstr", b"\x01\xff", "01ff"),
        ("eui64", Eui64.parse("00137a00000123fc"), "00137a00000123fc"),
        (
            "struct",
            NESTED,
            [
                {"type": "bool", "value": True},
                {"type": "array", "value": [{"type": "uint8", "value": 1}, {"type": "uint8", "value": 2}]},
            ],
        ),
    ],
)
def test_what_goes_out_comes_back_the_same(type_name: str, value: Value, as_json: object) -> None:
    type_id = BY_NAME[type_name].id
    assert zcl_values.to_json(value, type_id) == as_json
    assert zcl_values.from_json(as_json, type_id) == value


@pytest.mark.parametrize("value", [None, math.inf, -math.inf, math.nan])
def test_what_json_has_no_number_for_is_null(value: float | None) -> None:
    assert zcl_values.to_json(value, d.SINGLE) is None


def test_a_key_is_never_told() -> None:
    assert zcl_values.to_json(KEY, d.KEY128) is None
    assert KEY.hex() not in zcl_values.text_of(KEY, d.KEY128).replace(" ", "")
    held = Structure((Typed(d.KEY128, KEY),))
    assert zcl_values.to_json(held, d.STRUCTURE) == [{"type": "key128", "value": None}]
    assert KEY.hex() not in zcl_values.text_of(held, d.STRUCTURE).replace(" ", "")


@pytest.mark.parametrize("given", [KEY.hex() * 2, KEY.hex()[:-1], [KEY.hex()]])
def test_a_refused_key_is_not_shown_back(given: object) -> None:
    with pytest.raises(InvalidError) as caught:
        zcl_values.from_json(given, d.KEY128)
    assert KEY.hex()[:20] not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "type_name", "allowed"),
    [
        (300, "uint8", "0 to 255"),
        (-1, "uint8", "0 to 255"),
        (70_000, "int16", "32767"),
        (1.5, "uint8", "a whole number"),
        (True, "uint8", "a whole number"),
        ("maybe", "bool", "true or false"),
        ("zz", "eui64", "16 hex digits"),
        ("abc", "octstr", "hex digits"),
        (1, "string", "text"),
        ("x" * 300, "string", "254 bytes"),
        ({"type": "bool"}, "struct", "a list"),
        ([{"type": "bool", "value": True}, {"type": "uint8", "value": 1}], "array", "items of one type"),
    ],
)
def test_a_value_that_does_not_fit_is_told_what_does(given: object, type_name: str, allowed: str) -> None:
    with pytest.raises(InvalidError) as caught:
        zcl_values.from_json(given, BY_NAME[type_name].id)
    assert caught.value.field == "value"
    assert allowed in caught.value.allowed


def test_a_fault_deep_inside_is_named_by_its_place() -> None:
    given = [{"type": "bool", "value": True}, {"type": "uint8", "value": 256}]
    with pytest.raises(InvalidError) as caught:
        zcl_values.from_json(given, d.STRUCTURE)
    assert caught.value.field == "value[1].value"


def test_nesting_has_an_end() -> None:
    given: object = []
    for _ in range(d.MAX_DEPTH + 2):
        given = [{"type": "struct", "value": given}]
    with pytest.raises(InvalidError, match=str(d.MAX_DEPTH)):
        zcl_values.from_json(given, d.STRUCTURE)


def test_an_enumeration_is_named_both_ways() -> None:
    row = attribute_def(0x0201, 0x001C)
    assert row is not None
    [number, name] = next((number, name) for number, name in row.values.items() if number == 4)
    assert zcl_values.text_of(number, row.type, row) == name
    assert zcl_values.from_json(name, row.type, row) == number
    assert zcl_values.text_of(0xEE, row.type, row) == "238 (0xee)"


@pytest.mark.parametrize(
    ("cluster", "attribute", "name"),
    [(0x0006, 0x4003, "previous"), (0x0001, 0x0031, "unknown"), (0x0400, 0x0004, "unknown")],
)
def test_an_invalid_number_that_has_a_meaning_is_told_as_that(cluster: int, attribute: int, name: str) -> None:
    row = attribute_def(cluster, attribute)
    assert row is not None
    data = d.encode_value(row.type, zcl_values.from_json(name, row.type, row))
    value, _ = d.decode_value(row.type, data)
    assert value is None
    assert zcl_values.to_json(value, row.type, row) == 0xFF
    assert zcl_values.text_of(value, row.type, row) == name


def test_an_invalid_number_without_a_meaning_stays_invalid() -> None:
    for cluster, attribute in ((0x0201, 0x001C), (0x0201, 0x0000), (0x0702, 0x0306)):
        row = attribute_def(cluster, attribute)
        assert row is not None
        assert zcl_values.to_json(None, row.type, row) is None
        assert zcl_values.text_of(None, row.type, row) == zcl_values.INVALID
    assert zcl_values.to_json(None, None, attribute_def(0x0006, 0x4003)) is None


def test_a_scaled_number_has_its_unit_and_no_dust_of_binary_fractions() -> None:
    row = attribute_def(0x0201, 0x0000)
    assert row is not None
    assert zcl_values.text_of(2150, row.type, row) == f"21.5 {row.unit}"
    assert zcl_values.text_of(None, row.type, row) == zcl_values.INVALID


def test_a_data_type_goes_by_name_or_number() -> None:
    uint24 = BY_NAME["uint24"].id
    assert zcl_values.type_id_of("uint24") == zcl_values.type_id_of(uint24) == zcl_values.type_id_of(hex(uint24))
    with pytest.raises(InvalidError, match="uint24"):
        zcl_values.type_id_of("uint25")
