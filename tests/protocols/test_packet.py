"""Declared frames of variable length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import FrozenInstanceError, dataclass
from importlib import import_module
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RangeError, TruncatedError
from protocols.fields import U8, U16, U64, Frame, Octets, OpenEnum, s8, u8, u16, u32
from protocols.ids import Eui64
from protocols.packet import Counted, Packet, Prefixed, PrefixedText, Repeated, Rest, s24, u24, u48


class Colour(OpenEnum):
    RED = 1


@dataclass(frozen=True, slots=True)
class Row(Packet):
    number: u8
    size: u16


@dataclass(frozen=True, slots=True)
class Everything(Packet):
    first: u8
    colour: Annotated[Colour, U8]
    address: Annotated[Eui64, U64]
    key: Annotated[bytes, Octets(2)]
    odd: u24
    negative: s24
    wide: u48
    name: Annotated[str, PrefixedText(U8)]
    blob: Annotated[bytes, Prefixed(U16)]
    ids: Annotated[tuple[int, ...], Counted(U8, U16)]
    rows: Annotated[tuple[Row, ...], Counted(U8, Row)]
    row: Row
    tail: u16 | None = None
    last: Annotated[tuple[Row, ...], Repeated(Row)] | None = None


@dataclass(frozen=True, slots=True)
class Big(Packet, order=">"):
    number: u16
    rest: Annotated[bytes, Rest()] = b""


@dataclass(frozen=True, slots=True)
class Base(Packet, order=">"):
    number: u16


@dataclass(frozen=True, slots=True)
class Derived(Base):
    more: u8


WHOLE = Everything(
    first=1,
    colour=Colour.RED,
    address=Eui64(0x00137A00000123FC),
    key=b"\x01\x02",
    odd=0x030201,
    negative=-2,
    wide=0x060504030201,
    name="é",
    blob=b"abc",
    ids=(1, 2),
    rows=(Row(1, 2), Row(3, 4)),
    row=Row(5, 6),
    tail=7,
    last=(Row(8, 9),),
)


def test_fields_lie_on_the_wire_in_order() -> None:
    assert WHOLE.encode().hex() == (
        "01" "01" "fc230100007a1300" "0102" "010203" "feffff" "010203040506" "02c3a9" "0300616263" "0201000200"
        "02010200030400" "050600" "0700" "080900"
    )  # fmt: skip
    assert Everything.decode(WHOLE.encode()) == WHOLE


def test_a_decoded_frame_is_frozen_and_of_its_class() -> None:
    found = Everything.decode(WHOLE.encode())
    assert type(found) is Everything
    assert type(found.address) is Eui64
    with pytest.raises(FrozenInstanceError):
        found.first = 2  # type: ignore[misc]


def test_optional_tails_end_where_the_bytes_end() -> None:
    data = WHOLE.encode()
    assert Everything.decode(data[:-3]).last is None
    assert Everything.decode(data[:-5]).tail is None
    assert Everything.decode(data[:-5]).encode() == data[:-5]


def test_every_truncation_is_an_error_or_an_absent_tail() -> None:
    data = WHOLE.encode()
    whole = {len(data), len(data) - 3, len(data) - 5}
    for size in range(len(data)):
        if size in whole:
            Everything.decode(data[:size])
        else:
            with pytest.raises(TruncatedError):
                Everything.decode(data[:size])


def test_bytes_behind_the_last_field_are_left() -> None:
    row, end = Row.decode_part(b"\x01\x02\x00rest")
    assert (row, end) == (Row(1, 2), 3)


def test_byte_order_belongs_to_the_class_and_is_inherited() -> None:
    assert Big(0x0102, b"x").encode() == b"\x01\x02x"
    assert Big.decode(b"\x01\x02xyz").rest == b"xyz"
    found = Derived.decode(b"\x01\x02\x03")
    assert found == Derived(0x0102, 3)
    assert found.encode() == b"\x01\x02\x03"
    with pytest.raises(FrozenInstanceError):
        found.number = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"first": 256}, "Everything.first"),
        ({"key": b"123"}, "Everything.key"),
        ({"odd": 1 << 24}, "Everything.odd"),
        ({"name": "x" * 256}, "Everything.name"),
        ({"ids": tuple(range(256))}, "Everything.ids"),
        ({"ids": (70000,)}, "Everything.ids"),
        ({"rows": (Row(256, 0),)}, "Row.number"),
        ({"tail": -1}, "Everything.tail"),
    ],
)
def test_a_value_that_does_not_fit_is_named(change: dict[str, object], named: str) -> None:
    from dataclasses import replace

    with pytest.raises(RangeError) as caught:
        replace(WHOLE, **change).encode()  # type: ignore[arg-type]
    assert caught.value.field == named


def test_text_that_is_not_utf8_comes_back_as_it_was() -> None:
    @dataclass(frozen=True, slots=True)
    class Text(Packet):
        text: Annotated[str, PrefixedText(U8)]

    globals()["Text"] = Text
    assert Text.decode(b"\x03a\xff\x00").encode() == b"\x03a\xff\x00"


@given(st.binary(max_size=120))
def test_random_bytes_raise_nothing_but_codec_errors(data: bytes) -> None:
    for kind in (Everything, Big, Derived, Row):
        try:
            found = kind.decode(data)
        except TruncatedError:
            continue
        assert data.startswith(found.encode())


@given(st.integers(0, (1 << 64) - 1), st.integers(-128, 127), st.integers(0, 0xFFFFFFFF))
def test_integers_survive_a_round_trip(address: int, small: int, wide: int) -> None:
    @dataclass(frozen=True, slots=True)
    class Numbers(Packet, order=">"):
        address: Annotated[Eui64, U64]
        small: s8
        wide: u32

    assert Numbers.decode(Numbers(Eui64(address), small, wide).encode()) == Numbers(Eui64(address), small, wide)


def test_a_field_that_says_nothing_about_the_wire_is_our_fault() -> None:
    @dataclass(frozen=True, slots=True)
    class Wrong(Packet):
        number: int

    with pytest.raises(TypeError, match="says nothing about the wire"):
        Wrong.decode(b"")


def test_every_frame_that_there_is_can_be_compiled() -> None:
    def below(base: type) -> Iterator[type]:
        for found in base.__subclasses__():
            yield found
            yield from below(found)

    for name in ("zdo", "emcb", "zcl.general", "zcl.commands", "xbee.frames", "zigate.frames", "se.tariff", "se.drlc"):
        import_module(f"protocols.{name}")
    ours = [found for base in (Packet, Frame) for found in below(base) if found.__module__.startswith("protocols.")]
    compiled = [found for found in ours if {"__dataclass_fields__", "__slots__"} <= set(found.__dict__)]
    assert len(compiled) > 200
    for found in compiled:
        assert getattr(found, "MINIMUM", None) is not None or getattr(found, "SIZE", None) is not None
