"""Data types of the ZCL: the bytes of ZCL8's table 2-10, invalid values, and whatever else arrives."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import CodecError, RangeError, TruncatedError
from protocols.ids import Eui64
from protocols.zcl import datatypes as zcl
from protocols.zcl.datatypes import TYPES, Collection, Structure, Typed, Value, decode_value, encode_value

GOLDEN: list[tuple[int, str, Value]] = [
    # Written by hand from ZCL8, 2.6.2: type, bytes in hex, value.
    (zcl.BOOL, "00", False),
    (zcl.BOOL, "01", True),
    (zcl.MAP8, "ff", 0xFF),
    (zcl.MAP16, "3412", 0x1234),
    (zcl.MAP32, "00000080", 0x80000000),
    (zcl.UINT8, "fe", 254),
    (zcl.UINT16, "e803", 1000),
    (zcl.UINT24, "40420f", 1_000_000),
    (zcl.UINT32, "15cd5b07", 123456789),
    (zcl.UINT40, "ffffffff7f", 0x7FFFFFFFFF),
    (zcl.UINT48, "010000000080", 0x800000000001),
    (zcl.UINT56, "01020304050607", 0x07060504030201),
    (zcl.UINT64, "0807060504030201", 0x0102030405060708),
    (zcl.INT8, "ff", -1),
    (zcl.INT16, "18fc", -1000),
    (zcl.INT24, "ffffff", -1),
    (zcl.INT24, "c0bdf0", -1_000_000),
    (zcl.INT32, "ffffff7f", 0x7FFFFFFF),
    (zcl.INT48, "ffffffffffff", -1),
    (zcl.INT64, "0100000000000080", -(2**63) + 1),
    (zcl.ENUM8, "04", 4),
    (zcl.ENUM16, "0d00", 13),
    (zcl.SEMI, "003c", 1.0),
    (zcl.SINGLE, "0000c03f", 1.5),
    (zcl.DOUBLE, "000000000000f0bf", -1.0),
    (zcl.OCTETS, "03000102", b"\x00\x01\x02"),
    (zcl.OCTETS, "00", b""),
    (zcl.STRING, "106c756d692e73656e736f725f63756265", "lumi.sensor_cube"),
    (zcl.STRING, "03c2b043", "°C"),
    (zcl.LONG_OCTETS, "0200abcd", b"\xab\xcd"),
    (zcl.LONG_STRING, "02006869", "hi"),
    (zcl.TIME_OF_DAY, "0c1e0000", 0x00001E0C),
    (zcl.DATE, "7a0b1504", 0x04150B7A),
    (zcl.UTC, "80510100", 86400),
    (zcl.CLUSTER_ID, "0207", 0x0702),
    (zcl.ATTRIBUTE_ID, "0104", 0x0401),
    (zcl.BACNET_OID, "01000000", 1),
    (zcl.EUI64, "5634120000a21300", Eui64(0x0013A20000123456)),
    (zcl.KEY128, "00112233445566778899aabbccddeeff", bytes.fromhex("00112233445566778899aabbccddeeff")),
    (zcl.NO_DATA, "", None),
]

INVALID = [
    # ZCL8, table 2-10, column "Invalid value".
    (zcl.BOOL, "ff"),
    (zcl.UINT8, "ff"),
    (zcl.UINT16, "ffff"),
    (zcl.UINT24, "ffffff"),
    (zcl.UINT32, "ffffffff"),
    (zcl.UINT40, "ff" * 5),
    (zcl.UINT48, "ff" * 6),
    (zcl.UINT56, "ff" * 7),
    (zcl.UINT64, "ff" * 8),
    (zcl.INT8, "80"),
    (zcl.INT16, "0080"),
    (zcl.INT24, "000080"),
    (zcl.INT32, "00000080"),
    (zcl.INT40, "0000000080"),
    (zcl.INT48, "000000000080"),
    (zcl.INT56, "00000000000080"),
    (zcl.INT64, "0000000000000080"),
    (zcl.ENUM8, "ff"),
    (zcl.ENUM16, "ffff"),
    (zcl.OCTETS, "ff"),
    (zcl.STRING, "ff"),
    (zcl.LONG_OCTETS, "ffff"),
    (zcl.LONG_STRING, "ffff"),
    (zcl.STRUCTURE, "ffff"),
    (zcl.TIME_OF_DAY, "ffffffff"),
    (zcl.DATE, "ffffffff"),
    (zcl.UTC, "ffffffff"),
    (zcl.CLUSTER_ID, "ffff"),
    (zcl.ATTRIBUTE_ID, "ffff"),
    (zcl.BACNET_OID, "ffffffff"),
    (zcl.EUI64, "ff" * 8),
]


@pytest.mark.parametrize(("type_id", "raw", "value"), GOLDEN, ids=lambda item: str(item)[:20])
def test_a_value_has_the_bytes_of_the_standard(type_id: int, raw: str, value: Value) -> None:
    data = bytes.fromhex(raw)
    assert decode_value(type_id, data) == (value, len(data))
    assert encode_value(type_id, value) == data


@pytest.mark.parametrize(("type_id", "raw"), INVALID, ids=lambda item: str(item))
def test_the_invalid_value_is_none_both_ways(type_id: int, raw: str) -> None:
    data = bytes.fromhex(raw)
    assert decode_value(type_id, data) == (None, len(data))
    assert encode_value(type_id, None) == data


@pytest.mark.parametrize("type_id", [zcl.SEMI, zcl.SINGLE, zcl.DOUBLE])
def test_a_float_that_is_not_a_number_is_invalid(type_id: int) -> None:
    raw = encode_value(type_id, None)
    assert decode_value(type_id, raw) == (None, TYPES[type_id].size)


@pytest.mark.parametrize("name", ["data8", "data64", "map8", "map24", "map64"])
def test_bitmaps_and_data_have_no_invalid_value(name: str) -> None:
    row = zcl.BY_NAME[name]
    assert row.size is not None
    every_bit = b"\xff" * row.size
    assert decode_value(row.id, every_bit) == ((1 << 8 * row.size) - 1, row.size)
    with pytest.raises(RangeError, match="no invalid value"):
        encode_value(row.id, None)


def test_collections_and_structures_nest() -> None:
    array = bytes.fromhex("2102000100ffff")
    assert encode_value(zcl.ARRAY, Collection(zcl.UINT16, (1, None))) == array
    assert decode_value(zcl.ARRAY, array) == (Collection(zcl.UINT16, (1, None)), len(array))
    # A structure of a bool, text, and an array of two uint8.
    raw = bytes.fromhex("030010014201614820020007ff")
    value = Structure((Typed(0x10, True), Typed(0x42, "a"), Typed(0x48, Collection(0x20, (7, None)))))
    assert decode_value(zcl.STRUCTURE, raw) == (value, len(raw))
    assert encode_value(zcl.STRUCTURE, value) == raw
    for kind in (zcl.SET, zcl.BAG):
        assert decode_value(kind, array)[0] == Collection(zcl.UINT16, (1, None))


def test_nesting_has_an_end() -> None:
    deep = bytes.fromhex("01004c") * 40
    with pytest.raises(CodecError):
        decode_value(zcl.STRUCTURE, deep)


def test_an_array_of_nothing_is_not_followed() -> None:
    with pytest.raises(RangeError, match="data type"):
        decode_value(zcl.ARRAY, bytes.fromhex("00ff7f"))


def test_text_that_is_not_utf8_comes_back_as_it_was() -> None:
    raw = b"\x04ab\xff\xfe"
    value, end = decode_value(zcl.STRING, raw)
    assert end == 5
    assert encode_value(zcl.STRING, value) == raw


@pytest.mark.parametrize(
    ("type_id", "value", "says"),
    [
        (zcl.UINT8, 256, "0 to 255"),
        (zcl.UINT8, -1, "0 to 255"),
        (zcl.INT16, 32768, "-32768 to 32767"),
        (zcl.UINT16, "7", "whole number"),
        (zcl.UINT16, True, "whole number"),
        (zcl.BOOL, 2, "true or false"),
        (zcl.STRING, b"x", "text"),
        (zcl.OCTETS, "x", "bytes"),
        (zcl.STRING, "x" * 255, "at most 254"),
        (zcl.SEMI, 1e9, "fits"),
        (zcl.SINGLE, "x", "a number"),
        (zcl.KEY128, b"short", "16 bytes"),
        (zcl.STRUCTURE, 1, "structure"),
        (zcl.ARRAY, 1, "collection"),
        (0x77, 1, "data type"),
    ],
)
def test_a_value_that_its_type_cannot_carry_is_refused_by_name(type_id: int, value: Value, says: str) -> None:
    with pytest.raises(RangeError, match=says):
        encode_value(type_id, value)


def test_a_key_is_never_told_in_an_error() -> None:
    with pytest.raises(RangeError) as caught:
        encode_value(zcl.KEY128, b"secret-key-bytes-too-many")
    assert "secret" not in str(caught.value)


def test_a_type_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(RangeError, match="0x77"):
        decode_value(0x77, b"1234")


@pytest.mark.parametrize("row", [row for row in TYPES.values() if row.size != 0], ids=lambda row: row.name)
def test_a_value_cut_short_is_an_error(row: zcl.TypeInfo) -> None:
    size = row.size if row.size is not None else 3
    for length in range(size):
        data = (b"\x05" + bytes(10))[:length] if row.size is None else bytes(length)
        with pytest.raises(TruncatedError):
            decode_value(row.id, data)


_FIXED = [row for row in TYPES.values() if row.size and row.name.startswith(("uint", "int", "map", "data", "enum"))]


@given(row=st.sampled_from(_FIXED), data=st.binary(min_size=8, max_size=8))
def test_every_number_comes_back_as_its_bytes(row: zcl.TypeInfo, data: bytes) -> None:
    assert row.size is not None
    value, end = decode_value(row.id, data)
    assert end == row.size
    assert encode_value(row.id, value) == data[: row.size]


@given(type_id=st.integers(0, 255), data=st.binary(max_size=80))
def test_any_bytes_are_a_value_or_a_codec_error(type_id: int, data: bytes) -> None:
    try:
        value, end = decode_value(type_id, data)
    except CodecError:
        return
    assert 0 <= end <= len(data)
    if isinstance(value, float) and math.isnan(value):
        raise AssertionError("a NaN left the decoder")
    again = encode_value(type_id, value)
    assert decode_value(type_id, again)[0] == value
