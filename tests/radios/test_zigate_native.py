"""Firmware without raw mode: which question an answer is given to, when answers get lost and look alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import zdo
from protocols.aps import ApsFrame
from protocols.errors import CodecError
from protocols.zcl.general import DefaultResponse, ReadAttributes, ReadAttributesResponse
from protocols.zcl.header import Direction, FrameType, ZclHeader, parse_header
from protocols.zigate import frames
from protocols.zigate.framing import RawFrame
from radios.zigate import native
from radios.zigate.native import Native

PLUG = 0x1234
MODEL = bytes.fromhex("00 1234 01 0000 0005 00 42 0003") + b"abc"
OFF_DONE = bytes.fromhex("00 01 0006 00 00")
ANSWERS = (
    *(0x8030, 0x8031, 0x8040, 0x8041, 0x8042, 0x8043, 0x8044, 0x8045, 0x8046, 0x8047, 0x804E),
    *(0x8085, 0x8095, 0x8100, 0x8101, 0x8102, 0x8110, 0x8120, 0x8401),
)


def zcl(tsn: int, cluster: int, command: int, body: bytes = b"", kind: FrameType = FrameType.GENERAL) -> ApsFrame:
    return ApsFrame(
        profile=0x0104,
        cluster=cluster,
        source_endpoint=1,
        destination_endpoint=1,
        payload=ZclHeader(kind, Direction.TO_SERVER, tsn, command, True).encode() + body,
        destination=PLUG,
    )


def read(tsn: int, cluster: int = 0, *attributes: int) -> ApsFrame:
    return zcl(tsn, cluster, ReadAttributes.COMMAND, ReadAttributes(attributes or (5,)).encode())


def simple(tsn: int, endpoint: int) -> ApsFrame:
    request = zdo.SimpleDescriptorRequest(PLUG, endpoint)
    return ApsFrame(
        profile=0,
        cluster=request.CLUSTER,
        source_endpoint=0,
        destination_endpoint=0,
        payload=zdo.encode_zdo(tsn, request),
        destination=PLUG,
    )


class Bench:
    """The translation, and what it told."""

    def __init__(self) -> None:
        self.told: list[ApsFrame] = []
        self.native = Native(self.told.append)

    def hears(self, code: int, payload: bytes) -> list[int]:
        """The transaction numbers that an answer was given to."""
        self.told.clear()
        frame = frames.parse(RawFrame(code, payload, 200))
        assert not isinstance(frame, frames.Unknown)
        self.native.take(frame, 200)
        return [
            parse_header(frame.payload)[0].tsn if frame.profile else frame.payload[0]
            for frame in self.told
            if not frame.profile or parse_header(frame.payload)[0].command != 0x0A
        ]


@pytest.fixture
async def bench() -> Bench:
    return Bench()


async def test_a_lost_answer_does_not_put_the_later_ones_off_by_one(bench: Bench) -> None:
    bench.native.ask(read(1))  # its answer never comes
    bench.native.ask(read(2))
    assert 2 in bench.hears(0x8100, MODEL)
    for tsn in (3, 4):
        bench.native.ask(read(tsn))
        assert bench.hears(0x8100, MODEL) == [tsn]


async def test_an_attribute_answers_every_read_that_waits_for_it(bench: Bench) -> None:
    bench.native.ask(read(1, 0, 4, 5))
    bench.native.ask(read(2, 0, 5))
    assert bench.hears(0x8100, MODEL) == [2]
    assert bench.hears(0x8100, MODEL.replace(b"\x00\x05", b"\x00\x04")) == [1]
    records = ReadAttributesResponse.decode(parse_header(bench.told[0].payload)[1]).records
    assert {record.attribute for record in records} == {4, 5}


async def test_success_of_a_command_is_not_told_to_a_read_of_the_same_number(bench: Bench) -> None:
    bench.native.ask(read(1, 6, 0))
    bench.native.ask(zcl(2, 6, 0x00, kind=FrameType.CLUSTER))
    assert bench.hears(0x8101, OFF_DONE) == [2]


async def test_a_read_may_fail_by_a_default_response(bench: Bench) -> None:
    bench.native.ask(read(1, 6, 0))
    assert bench.hears(0x8101, OFF_DONE[:-1] + b"\x82") == [1]
    assert DefaultResponse.decode(parse_header(bench.told[0].payload)[1]).status == 0x82


async def test_numbers_of_the_firmware_tell_answers_apart(bench: Bench) -> None:
    for tsn, endpoint, number in ((1, 1, 0x3B), (2, 2, 0x3C)):
        asking = bench.native.ask(simple(tsn, endpoint))
        assert asking is not None
        bench.native.numbered(asking[1], number)
    answer = bytes.fromhex("3c 00 1234 08 02 0104 0051 00 00 00")  # of the second; the first is lost
    assert bench.hears(0x8043, answer) == [2]
    assert bench.hears(0x8043, answer) == []


async def test_a_question_is_given_up_in_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.native.ask(simple(1, 1))
    monkeypatch.setattr(native, "WAIT_S", -1.0)
    assert bench.hears(0x8043, bytes.fromhex("00 00 1234 08 01 0104 0051 00 00 00")) == []


@given(code=st.sampled_from(ANSWERS), payload=st.binary(max_size=60))
async def test_no_answer_breaks_it(code: int, payload: bytes) -> None:
    bench = Bench()
    questions: tuple[Callable[[], ApsFrame], ...] = (
        lambda: read(1),
        lambda: simple(2, 1),
        lambda: zcl(3, 6, 0x00, kind=FrameType.CLUSTER),
    )
    for question in questions:
        bench.native.ask(question())
    try:
        frame = frames.parse(RawFrame(code, payload, 200))
    except CodecError:
        return
    assert not isinstance(frame, frames.Unknown)
    bench.native.take(frame, 200)
    assert all(told.source is not None for told in bench.told)
    bench.native.close()
