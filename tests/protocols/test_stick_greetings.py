"""Frames of ASH and of MT, as far as a port is asked with them what is behind it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import ash, mt
from radios.emulators import ash as stick_ash
from radios.emulators import mt_line as stick_mt

ASH_FRAMES = [
    # UG101: the reset, its acknowledgement, and a version request in a data frame.
    ("c038bc7e", ash.RST, b""),
    ("c1020b0a527e", ash.RSTACK, b"\x02\x0b"),
    ("254221a856a6097e", 0x25, b"\x00\x00\x00\x02"),
]
"""As on the line; control; data, plain."""


@pytest.mark.parametrize(("line", "control", "data"), ASH_FRAMES)
def test_ash_frames_of_the_document(line: str, control: int, data: bytes) -> None:
    assert ash.encode(control, data).hex() == line
    assert ash.frames(bytes.fromhex(line)) == [ash.AshFrame(control, data)]


@given(st.integers(0, 0x7F), st.binary(max_size=ash.MAX_DATA))
def test_ash_frames_come_back_whatever_they_hold(control: int, data: bytes) -> None:
    line = ash.encode(control, data)
    assert ash.frames(line) == [ash.AshFrame(control, data)]
    assert ash.frames(line[:-1]) == []
    assert ash.frames(b"noise" + bytes((ash.CANCEL,)) + line) == [ash.AshFrame(control, data)]


@given(st.integers(0, 0x7F), st.binary(min_size=1, max_size=stick_ash.MAX_DATA))
def test_the_stick_reads_and_writes_the_same_ash(control: int, data: bytes) -> None:
    assert stick_ash.written(control, stick_ash.randomised(data)) == ash.encode(control, data)


def test_mt_frames_of_the_document() -> None:
    assert mt.encode(0x2101).hex() == "fe00210120"
    assert mt.frames(bytes.fromhex("fe026101590762" + "00")) == []
    pong = bytes.fromhex("fe02610159063d")
    assert mt.frames(pong) == [mt.MtFrame(0x6101, b"\x59\x06")]
    # A start within what is no frame hides nothing.
    assert mt.frames(b"\xfe\x05\xfe" + pong) == [mt.MtFrame(0x6101, b"\x59\x06")]


@given(st.integers(0, 0xFFFF), st.binary(max_size=mt.MAX_DATA))
def test_the_stick_writes_the_same_mt(command: int, data: bytes) -> None:
    line = mt.encode(command, data)
    assert line == stick_mt.written(command, data)
    assert mt.frames(line) == [mt.MtFrame(command, data)]
    assert mt.frames(line[:-1]) != [mt.MtFrame(command, data)]


@given(st.binary(max_size=600))
def test_no_bytes_raise(line: bytes) -> None:
    for frame in ash.frames(line):
        assert len(frame.data) <= ash.MAX_DATA
    for found in mt.frames(line):
        assert mt.encode(found.command, found.data) in line
