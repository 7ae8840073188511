"""Declared frames: what the annotations say is what goes over the wire."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, fields
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RangeError, TrailingBytesError, TruncatedError
from protocols.fields import S16, U8, Ascii, Frame, Octets, OpenEnum, Times, s16, s32, u8, u16, u32, u64


class Colour(OpenEnum):
    RED = 0
    GREEN = 1


@dataclass(frozen=True, slots=True)
class Pair(Frame):
    low: u8
    high: s16


@dataclass(frozen=True, slots=True)
class Everything(Frame):
    colour: Annotated[Colour, U8]
    label: Annotated[str, Ascii(4)]
    raw: Annotated[bytes, Octets(2)]
    pairs: Annotated[tuple[Pair, ...], Times(2)]
    one: Pair
    big: u64


@dataclass(frozen=True, slots=True)
class Widths(Frame):
    a: u16
    b: u32
    c: s32


@dataclass(frozen=True, slots=True)
class Nothing(Frame):
    """A frame without fields is zero bytes."""


EXAMPLE = Everything(Colour.GREEN, "abcd", b"\x01\x02", (Pair(1, -2), Pair(3, 4)), Pair(5, -6), 1 << 63)
WIRE = bytes.fromhex("01 61626364 0102 01feff 030400 05faff 0000000000000080")


def test_fields_lie_on_the_wire_in_order_and_little_endian() -> None:
    assert EXAMPLE.encode() == WIRE
    assert len(WIRE) == Everything.SIZE


def test_a_decoded_frame_is_the_frozen_class_itself() -> None:
    decoded = Everything.decode(WIRE)
    assert decoded == EXAMPLE
    assert type(decoded) is Everything
    assert type(decoded.one) is Pair
    assert hash(decoded) == hash(EXAMPLE)
    with pytest.raises(FrozenInstanceError):
        decoded.big = 0  # type: ignore[misc]
    assert [field.name for field in fields(decoded)][:2] == ["colour", "label"]


def test_every_truncation_and_a_trailing_byte_are_named() -> None:
    for size in range(len(WIRE)):
        with pytest.raises(TruncatedError, match=f"Everything needs {len(WIRE)} bytes, got {size}"):
            Everything.decode(WIRE[:size])
    with pytest.raises(TrailingBytesError, match=f"takes {len(WIRE)} bytes, got {len(WIRE) + 1}"):
        Everything.decode(WIRE + b"\0")


def test_a_frame_without_fields_is_no_bytes() -> None:
    assert Nothing().encode() == b""
    assert Nothing.decode(b"") == Nothing()
    with pytest.raises(TrailingBytesError):
        Nothing.decode(b"x")


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        (Pair(256, 0), r"Pair.low is 256, allowed: 0 to 255"),
        (Pair(0, -32769), r"Pair.high is -32769, allowed: -32768 to 32767"),
        (Everything(Colour.RED, "abc", b"12", (Pair(0, 0),) * 2, Pair(0, 0), 0), "label is 'abc'"),
        (Everything(Colour.RED, "äbcd", b"12", (Pair(0, 0),) * 2, Pair(0, 0), 0), "4 ASCII characters"),
        (Everything(Colour.RED, "abcd", b"1", (Pair(0, 0),) * 2, Pair(0, 0), 0), "raw is b'1', allowed: 2 bytes"),
        (
            Everything(Colour.RED, "abcd", b"12", (Pair(0, 0), Pair(0, 99999)), Pair(0, 0), 0),
            r"pairs\[1\].high is 99999",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_named_when_encoding(frame: Frame, named: str) -> None:
    with pytest.raises(RangeError, match=named):
        frame.encode()


def test_text_that_is_not_ascii_is_refused_when_decoding() -> None:
    with pytest.raises(RangeError, match="label"):
        Everything.decode(WIRE[:1] + b"\xff" + WIRE[2:])


def test_an_open_enum_keeps_a_value_that_it_does_not_name() -> None:
    decoded = Everything.decode(b"\x2a" + WIRE[1:])
    assert decoded.colour == 0x2A
    assert decoded.colour.name == "UNKNOWN_0x2A"
    assert not decoded.colour.is_known
    assert decoded.colour is Colour(0x2A)
    assert decoded.encode()[0] == 0x2A
    assert Colour.RED.is_known
    with pytest.raises(ValueError):
        Colour("red")


def test_a_field_that_says_nothing_about_the_wire_is_refused_when_the_class_is_used() -> None:
    @dataclass(frozen=True, slots=True)
    class Bad(Frame):
        plain: int

    with pytest.raises(TypeError, match="says nothing about the wire"):
        Bad.decode(b"")


@given(st.integers(0, 255), st.integers(-32768, 32767))
def test_round_trip(low: int, high: int) -> None:
    assert Pair.decode(Pair(low, high).encode()) == Pair(low, high)


@given(st.binary(min_size=Everything.SIZE, max_size=Everything.SIZE))
def test_any_bytes_of_the_right_size_decode_or_raise_a_codec_error(data: bytes) -> None:
    try:
        decoded = Everything.decode(data)
    except RangeError as error:
        assert error.field.endswith("label")
    else:
        assert decoded.encode() == data


def test_integers_have_the_range_of_their_type() -> None:
    edge = Widths(0xFFFF, 0xFFFFFFFF, -(1 << 31))
    assert Widths.decode(edge.encode()) == edge
    assert (S16.minimum, S16.maximum) == (-32768, 32767)
