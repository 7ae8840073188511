"""ZCL headers and general commands: bytes written by hand from ZCL8, 2.4 and 2.5."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import CodecError, RangeError, TruncatedError
from protocols.zcl import general
from protocols.zcl.datatypes import BOOL, INT24, STRING, UINT8, UINT16, UINT48
from protocols.zcl.general import RESPONSES, General, decode_general
from protocols.zcl.header import (
    Direction,
    FrameType,
    ZclHeader,
    parse_header,
    unsupported_command,
    wants_default_response,
)
from protocols.zcl.records import (
    RECEIVED,
    SENT,
    AttributeAccess,
    AttributeType,
    ReadRecord,
    ReportingAnswer,
    ReportingQuery,
    ReportingRecord,
    ReportingStatus,
    StatusRecord,
    WriteRecord,
)
from protocols.zcl.status import Status

GOLDEN: list[tuple[str, general.GeneralCommand, bool]] = [
    ("0400050007 00", general.ReadAttributes((0x0004, 0x0005, 0x0007)), False),
    (
        "0400 00 42 044c554d49 0500 86",
        general.ReadAttributesResponse(
            (ReadRecord(4, Status.SUCCESS, STRING, "LUMI"), ReadRecord(5, Status.UNSUPPORTED_ATTRIBUTE))
        ),
        True,
    ),
    ("1200 29 6608", general.WriteAttributes((WriteRecord(0x12, 0x29, 2150),)), True),
    ("00", general.WriteAttributesResponse(), True),
    (
        "88 0000 8d 1200",
        general.WriteAttributesResponse(
            (StatusRecord(Status.READ_ONLY, 0), StatusRecord(Status.INVALID_DATA_TYPE, 0x12))
        ),
        True,
    ),
    (
        "00 0004 2a 0500 2c01 010000  00 0000 10 0000 2c01",
        general.ConfigureReporting(
            (ReportingRecord(SENT, 0x0400, INT24, 5, 300, 1), ReportingRecord(SENT, 0x0000, BOOL, 0, 300))
        ),
        True,
    ),
    ("01 0000 5802", general.ConfigureReporting((ReportingRecord(RECEIVED, 0, timeout_s=600),)), True),
    (
        "8c 00 0400",
        general.ConfigureReportingResponse((ReportingStatus(Status.UNREPORTABLE_ATTRIBUTE, SENT, 4),)),
        True,
    ),
    ("00 0000", general.ReadReportingConfiguration((ReportingQuery(SENT, 0),)), True),
    (
        "00 00 0000 25 0a00 2c01 010000000000",
        general.ReadReportingConfigurationResponse(
            (ReportingAnswer(Status.SUCCESS, SENT, 0, ReportingRecord(SENT, 0, UINT48, 10, 300, 1)),)
        ),
        True,
    ),
    ("5500 21 0200", general.ReportAttributes((WriteRecord(0x55, UINT16, 2),)), True),
    ("02 81", general.DefaultResponse(2, Status.UNSUP_CLUSTER_COMMAND), True),
    ("0000 14", general.DiscoverAttributes(0, 20), True),
    (
        "01 0000 10 0140 21",
        general.DiscoverAttributesResponse(True, (AttributeType(0, BOOL), AttributeType(0x4001, UINT16))),
        True,
    ),
    ("00 0000 20 07", general.DiscoverAttributesExtendedResponse(False, (AttributeAccess(0, UINT8, 7),)), True),
    ("00 ff", general.DiscoverCommandsReceived(0, 255), True),
    ("01 000102", general.DiscoverCommandsReceivedResponse(True, b"\x00\x01\x02"), True),
]


@pytest.mark.parametrize(("raw", "command", "_exact"), GOLDEN, ids=[type(row[1]).__name__ for row in GOLDEN])
def test_a_command_has_the_bytes_of_the_standard(raw: str, command: general.GeneralCommand, _exact: bool) -> None:
    data = bytes.fromhex(raw.replace(" ", ""))
    assert decode_general(command.COMMAND, data) == command
    assert command.encode() == data


def test_every_general_command_is_known_and_no_other() -> None:
    for command in range(0x100):
        try:
            known = decode_general(command, bytes(40)) is not None
        except CodecError:
            known = True
        assert known is (command in set(General)), hex(command)


def test_a_list_that_breaks_off_gives_what_came_before_it() -> None:
    raw = bytes.fromhex("00002001050021ff")
    report = general.ReportAttributes.decode(raw)
    assert report.records == (WriteRecord(0, UINT8, 1),)
    assert report.rest == bytes.fromhex("050021ff")
    assert report.encode() == raw


def test_a_report_with_an_unknown_type_keeps_its_start() -> None:
    report = general.ReportAttributes.decode(bytes.fromhex("000010010100770102"))
    assert report.records == (WriteRecord(0, BOOL, True),)
    assert report.rest == bytes.fromhex("0100770102")


@given(command=st.integers(0, 0x16), data=st.binary(max_size=80))
def test_any_payload_is_a_command_or_a_codec_error(command: int, data: bytes) -> None:
    try:
        decoded = decode_general(command, data)
    except CodecError:
        return
    assert decoded is not None
    assert decode_general(command, decoded.encode()) == decoded


# -- header ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "header"),
    [
        ("000a00", ZclHeader(FrameType.GENERAL, Direction.TO_SERVER, 0x0A, 0x00)),
        ("180b0a", ZclHeader(FrameType.GENERAL, Direction.TO_CLIENT, 0x0B, 0x0A, True)),
        ("010102", ZclHeader(FrameType.CLUSTER, Direction.TO_SERVER, 1, 2)),
        ("1c5f11070a", ZclHeader(FrameType.GENERAL, Direction.TO_CLIENT, 7, 0x0A, True, 0x115F)),
    ],
)
def test_a_header_reads_and_writes_itself(raw: str, header: ZclHeader) -> None:
    data = bytes.fromhex(raw)
    assert parse_header(data + b"rest") == (header, b"rest")
    assert header.encode() == data


@pytest.mark.parametrize("raw", ["", "00", "0001", "04010203"])
def test_a_header_cut_short_is_an_error(raw: str) -> None:
    with pytest.raises(TruncatedError):
        parse_header(bytes.fromhex(raw))


@given(st.binary(min_size=5, max_size=20))
def test_any_header_is_read_and_written_back(data: bytes) -> None:
    header, rest = parse_header(data)
    again, same = parse_header(header.encode() + rest)
    assert (again, same) == (header, rest)


# -- default responses (ZCL8, 2.5.12.2) -------------------------------------------------------------------------------

ASKED = ZclHeader(FrameType.CLUSTER, Direction.TO_SERVER, 1, 2)
QUIET = ZclHeader(FrameType.CLUSTER, Direction.TO_SERVER, 1, 2, True)


@pytest.mark.parametrize(
    ("header", "unicast", "is_default", "has_response", "status", "wanted"),
    [
        (ASKED, True, False, False, Status.SUCCESS, True),
        (QUIET, True, False, False, Status.SUCCESS, False),
        (QUIET, True, False, False, Status.UNSUP_CLUSTER_COMMAND, True),
        (ASKED, True, False, True, Status.SUCCESS, False),
        (ASKED, False, False, False, Status.SUCCESS, False),
        (ASKED, False, False, False, Status.MALFORMED_COMMAND, False),
        (ASKED, True, True, False, Status.FAILURE, False),
    ],
)
def test_when_a_default_response_is_sent(
    header: ZclHeader, unicast: bool, is_default: bool, has_response: bool, status: Status, wanted: bool
) -> None:
    assert (
        wants_default_response(
            header, is_unicast=unicast, is_default_response=is_default, has_response=has_response, status=status
        )
        is wanted
    )


def test_the_status_for_an_unknown_command_tells_which_kind_it_was() -> None:
    maker = 0x115F
    statuses = {
        (FrameType.GENERAL, None): Status.UNSUP_GENERAL_COMMAND,
        (FrameType.GENERAL, maker): Status.UNSUP_MANUF_GENERAL_COMMAND,
        (FrameType.CLUSTER, None): Status.UNSUP_CLUSTER_COMMAND,
        (FrameType.CLUSTER, maker): Status.UNSUP_MANUF_CLUSTER_COMMAND,
    }
    for (frame_type, manufacturer), status in statuses.items():
        header = ZclHeader(frame_type, Direction.TO_SERVER, 1, 0x70, False, manufacturer)
        assert unsupported_command(header) is status


def test_every_answer_is_known_as_one() -> None:
    assert set(general.REQUIRED_RESPONSE.values()) <= RESPONSES
    assert not set(general.REQUIRED_RESPONSE) & RESPONSES


@pytest.mark.parametrize(
    "command",
    [
        general.DiscoverAttributes(0, 300),
        general.DiscoverAttributes(0, -1),
        general.DiscoverAttributesExtended(0x10000, 1),
        general.DiscoverCommandsReceived(256, 1),
        general.DiscoverCommandsGenerated(0, 256),
        general.DefaultResponse(256, Status.SUCCESS),
    ],
)
def test_a_number_that_does_not_fit_is_a_range_error(command: general.GeneralCommand) -> None:
    with pytest.raises(RangeError, match="allowed: 0 to "):
        command.encode()
