"""ZiGate's frames on the wire: the pairing guide's, hostile streams, and every way to cut them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RangeError
from protocols.garbage import Garbage
from protocols.zigate.frames import read
from protocols.zigate.framing import MAX_PAYLOAD, MAX_WIRE, Deframer, RawFrame, checksum, encode, unescape
from protocols.zigate.responses import Version

GUIDE = json.loads((Path(__file__).parent.parent / "golden" / "zigate_guide.json").read_text())["frames"]


def wire_of(code: int, payload: bytes, lqi: int = 0) -> bytes:
    """A frame as the stick sends it."""
    return encode(code, payload + bytes((lqi,)))


def fed(data: bytes, size: int, **options: bool) -> list[RawFrame | Garbage]:
    deframer = Deframer(RawFrame, **options)
    found: list[RawFrame | Garbage] = []
    for start in range(0, len(data), size):
        found += deframer.feed(data[start : start + size])
    return found


@pytest.mark.parametrize("frame", GUIDE, ids=lambda frame: frame["id"])
def test_every_frame_of_the_guide_has_the_right_length_and_checksum(frame: dict[str, Any]) -> None:
    is_response = frame["kind"] == "response"
    [found] = Deframer(RawFrame, has_lqi=is_response).feed(bytes.fromhex(frame["wire"]))
    assert isinstance(found, RawFrame)
    assert found.code == frame["code"]
    assert found.lqi == frame["fields"].get("lqi", 0)
    if not is_response:
        assert encode(found.code, found.payload) == bytes.fromhex(frame["printed"].replace(" ", ""))


TELLING = st.lists(
    st.sampled_from([0x02, 0x02, 0x12, 0x22, 0x32, 0x42, 0x52, 0x82, 0x92, 0x00, 0x10, 0xC8]), max_size=90
).map(bytes)
"""Bytes with which taking escapes away all at once might go wrong."""


def unescaped_one_by_one(data: bytes) -> bytes | None:
    found, at = bytearray(), 0
    while at < len(data):
        if data[at] == 2:
            at += 1
            if at == len(data):
                return None
            found.append(data[at] ^ 0x10)
        else:
            found.append(data[at])
        at += 1
    return bytes(found)


@given(TELLING)
def test_escapes_taken_away_at_once_are_those_taken_away_one_by_one(data: bytes) -> None:
    assert unescape(data) == unescaped_one_by_one(data)


@given(TELLING, st.integers(0, 3), st.booleans())
def test_a_frame_is_what_its_bytes_say_one_by_one(escaped: bytes, more: int, is_right: bool) -> None:
    content = unescaped_one_by_one(escaped)
    length = (len(content or b"") + more) & 0xFF
    check = 0 if is_right else 0x44
    for byte in (0x90, 0x32, 0, length, *(content or b"")):
        check ^= byte
    head = b"".join(bytes((byte,)) if byte >= 0x10 else bytes((2, byte ^ 0x10)) for byte in (0, length, check))
    [found] = Deframer(RawFrame, has_lqi=False).feed(b"\x01\x90\x32" + head + escaped + b"\x03")
    if content is None:
        assert isinstance(found, Garbage)
        assert found.reason == "escape"
    elif more:
        assert isinstance(found, Garbage)
        assert found.reason == "length"
    elif not is_right:
        assert isinstance(found, Garbage)
        assert found.reason == "checksum"
    else:
        assert found == RawFrame(0x9032, content)


def test_a_frame_that_is_right_and_cannot_be_read_is_told_with_the_reason() -> None:
    good = wire_of(0x8010, bytes.fromhex("0003031e"), 7)
    bad, found = Deframer(read).feed(wire_of(0x8000, b"\x00") + good)
    assert isinstance(bad, Garbage)
    assert bad.reason == "payload"
    assert bad.detail == "Status needs 4 bytes, got 1"
    assert found == (Version(3, 0x031E), 7)


@pytest.mark.parametrize("frame", [f for f in GUIDE if f["kind"] == "response"], ids=lambda frame: frame["id"])
def test_what_the_guide_prints_is_the_wire_form_without_its_escapes(frame: dict[str, Any]) -> None:
    wire, printed = bytes.fromhex(frame["wire"]), bytes.fromhex(frame["printed"].replace(" ", ""))
    assert unescape(wire[1:-1]) == printed[1:-1]


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=80), st.integers(0, 255)), max_size=8), st.data())
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(
    frames: list[tuple[int, bytes, int]], data: st.DataObject
) -> None:
    stream = b"".join(wire_of(code, payload, lqi) for code, payload, lqi in frames)
    size = data.draw(st.integers(1, 64))
    expected = [
        RawFrame(code, payload + bytes((lqi,)), 0) if code == 0x8001 else RawFrame(code, payload, lqi)
        for code, payload, lqi in frames
    ]
    assert fed(stream, size) == expected


@given(st.binary(max_size=300), st.integers(1, 40))
def test_random_bytes_never_raise_and_a_good_frame_after_them_comes_at_once(noise: bytes, size: int) -> None:
    good = wire_of(0x8010, bytes.fromhex("0003031e"), 7)
    deframer = Deframer(RawFrame)
    for start in range(0, len(noise), size):
        deframer.feed(noise[start : start + size])
    assert deframer.feed(good)[-1] == RawFrame(0x8010, bytes.fromhex("0003031e"), 7)


@given(st.binary(min_size=1, max_size=60), st.integers(0, 10_000))
def test_one_changed_bit_never_gives_another_frame_of_the_same_length(payload: bytes, where: int) -> None:
    wire = bytearray(wire_of(0x8002, payload))
    bit = where % (8 * len(wire))
    wire[bit // 8] ^= 1 << (bit % 8)
    for found in Deframer(RawFrame).feed(bytes(wire) + b"\x03"):
        assert not (isinstance(found, RawFrame) and found.payload != payload and len(found.payload) == len(payload))


def test_a_start_in_the_middle_drops_the_frame_that_was_cut() -> None:
    good = wire_of(0x8010, bytes.fromhex("0003031e"))
    found = Deframer(RawFrame).feed(good[:5] + good)
    assert found == [Garbage(good[:5], "cut"), RawFrame(0x8010, bytes.fromhex("0003031e"))]


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"\x01\x80\x02\x10\x03", "length"),
        (b"\x01" + b"\x80\x10\x02\x10\x02\x15\xff\x41\x42\x43\x44\x45" + b"\x03", "checksum"),
        (b"\x01" + b"\x80\x10\x02\x10\x02\x12\xaa\x41\x42\x43" + b"\x03", "length"),
        (b"\x01" + b"\x80\x10\x02\x10\x02\x12\xaa\x41\x02" + b"\x03", "escape"),
        (b"hello\x03", "noise"),
    ],
)
def test_a_bad_frame_says_why_and_does_not_cost_the_next_one(wire: bytes, reason: str) -> None:
    good = wire_of(0x8000, bytes.fromhex("00010010"))
    bad, found = Deframer(RawFrame).feed(wire + good)
    assert isinstance(bad, Garbage)
    assert bad.reason == reason
    assert found == RawFrame(0x8000, bytes.fromhex("00010010"))


def test_bytes_may_be_escaped_that_need_not_be() -> None:
    # 0x10 sent as 02 00, as some hosts do.
    plain = wire_of(0x8010, b"\x10\x20")
    assert b"\x10" in plain
    needless = (
        b"\x01"
        + plain[1:-1].replace(b"\x02\x10", b"\xfe").replace(b"\x10", b"\x02\x00").replace(b"\xfe", b"\x02\x10")
        + b"\x03"
    )
    assert needless != plain
    assert Deframer(RawFrame).feed(needless) == Deframer(RawFrame).feed(plain)


def test_a_log_message_has_no_link_quality_byte() -> None:
    assert Deframer(RawFrame).feed(encode(0x8001, b"\x04hello")) == [RawFrame(0x8001, b"\x04hello", 0)]
    assert Deframer(RawFrame).feed(encode(0x8001, b"")) == [RawFrame(0x8001, b"", 0)]


def test_a_stream_without_an_end_does_not_grow_for_ever() -> None:
    deframer = Deframer(RawFrame)
    kept = 0
    for _ in range(50):
        found = deframer.feed(b"\x01" + b"\x55" * 1000)
        kept += 1001
        kept -= sum(len(one.data) for one in found if isinstance(one, Garbage))
        assert kept <= MAX_WIRE + 1001
    good = wire_of(0x8010, b"1234")
    assert deframer.feed(good)[-1] == RawFrame(0x8010, b"1234")


def test_a_payload_that_the_stick_cannot_hold_is_refused() -> None:
    assert encode(0x0530, b"\x55" * MAX_PAYLOAD)
    with pytest.raises(RangeError, match="at most 255"):
        encode(0x0530, b"\x55" * (MAX_PAYLOAD + 1))


@given(st.binary(max_size=200))
def test_the_checksum_is_the_xor_of_all_bytes(data: bytes) -> None:
    value = 0
    for byte in data:
        value ^= byte
    assert checksum(data) == value
