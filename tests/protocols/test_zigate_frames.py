"""ZiGate's commands and messages: the guide's fields, versions, truncations, and every code that is described."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import CodecError, RangeError
from protocols.packet import Packet
from protocols.zigate import catalogue, commands, responses
from protocols.zigate.address import Address, AddressMode
from protocols.zigate.frames import COMMANDS, RESPONSES, Unknown, name_of, parse, parse_command
from protocols.zigate.framing import Deframer, RawFrame
from protocols.zigate.status import ExtendedError, SerialStatus, StackStatus

GUIDE = json.loads((Path(__file__).parent.parent / "golden" / "zigate_guide.json").read_text())["frames"]


def plain(value: object) -> object:
    """A decoded value as the golden file writes it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return list(value)
    return value


@pytest.mark.parametrize("frame", GUIDE, ids=lambda frame: frame["id"])
def test_every_frame_of_the_guide_decodes_to_the_fields_that_it_prints(frame: dict[str, Any]) -> None:
    is_response = frame["kind"] == "response"
    [raw] = Deframer(RawFrame, has_lqi=is_response).feed(bytes.fromhex(frame["wire"]))
    assert isinstance(raw, RawFrame)
    found = parse(raw) if is_response else parse_command(raw)
    assert isinstance(found, Packet)
    for name, expected in frame["fields"].items():
        if name == "lqi":
            assert raw.lqi == expected
        elif name == "ieee":
            assert str(getattr(found, name)) == expected
        elif name == "descriptor":
            assert isinstance(found, responses.SimpleDescriptorResponse)
            for part, value in expected.items():
                assert plain(getattr(found.descriptor, part)) == value, part
        else:
            assert plain(getattr(found, name)) == expected, name
    assert found.encode() == raw.payload


def all_codes() -> list[int]:
    rows = [row.code for row in (*catalogue.COMMANDS, *catalogue.RESPONSES)]
    return sorted({*RESPONSES, *COMMANDS, *rows})


def test_no_code_is_described_twice_in_one_direction() -> None:
    to_stick = [row.code for row in catalogue.COMMANDS] + list(COMMANDS)
    from_stick = [row.code for row in catalogue.RESPONSES] + list(RESPONSES)
    assert len(to_stick) == len(set(to_stick))
    assert len(from_stick) == len(set(from_stick))
    assert len(to_stick) > 110
    assert len(from_stick) > 85


@pytest.mark.parametrize("code", all_codes(), ids=hex)
def test_every_described_frame_has_a_name_and_survives_any_bytes(code: int) -> None:
    assert not name_of(code).startswith("0x")
    read = 0
    for reader in (parse, parse_command):
        for size in range(80):
            payload = bytes((size * 7 + i * 13) % 256 for i in range(size))
            try:
                found = reader(RawFrame(code, payload))
            except CodecError:
                continue
            read += isinstance(found, Packet)
    assert read > 0


@given(st.sampled_from(all_codes()), st.binary(max_size=120))
def test_random_payloads_raise_nothing_but_codec_errors(code: int, payload: bytes) -> None:
    for reader in (parse, parse_command):
        try:
            found = reader(RawFrame(code, payload))
        except CodecError:
            continue
        if isinstance(found, responses.SimpleDescriptorResponse):
            assert found.descriptor is None or found.descriptor.endpoint == found.data[0]
        elif isinstance(found, responses.LqiResponse):
            assert len(found.neighbours) <= (found.count or 0)
        elif isinstance(found, responses.ConfigureReportingResponse):
            assert 0 <= found.status <= 255
        assert isinstance(found, Packet | Unknown)


def test_an_unknown_code_is_kept_as_it_is() -> None:
    assert parse(RawFrame(0x7ABC, b"\x01\x02")) == Unknown(0x7ABC, b"\x01\x02")
    assert name_of(0x7ABC) == "0x7ABC"


@pytest.mark.parametrize(
    ("payload", "request_sent", "counter", "apdu"),
    [
        ("00 3b 0530", None, None, None),
        ("00 3b 0530 01 3b", 1, 0x3B, None),
        ("00 3b 0530 01 3b 00 04", 1, 0x3B, 4),
        ("00 3b 0530 01 3b 00 04 07 06", 1, 0x3B, 4),
    ],
)
def test_a_status_is_read_by_what_the_firmware_sends(
    payload: str, request_sent: int | None, counter: int | None, apdu: int | None
) -> None:
    found = responses.Status.decode(bytes.fromhex(payload.replace(" ", "")))
    assert (found.status, found.command) == (SerialStatus.SUCCESS, 0x0530)
    assert (found.request_sent, found.aps_counter, found.apdu_used) == (request_sent, counter, apdu)


def test_an_address_takes_two_or_eight_bytes_by_its_mode() -> None:
    head = bytes.fromhex("00 0104 0006 01 01".replace(" ", ""))
    short = responses.ApsIndication.decode(head + bytes.fromhex("02 1234 02 0000 18010a".replace(" ", "")))
    assert short.source == Address(AddressMode.SHORT, 0x1234)
    assert short.data.hex() == "18010a"
    long = responses.ApsIndication.decode(head + bytes.fromhex("03 0123456789abcdef 02 0000 ff".replace(" ", "")))
    assert long.source == Address(AddressMode.IEEE, 0x0123456789ABCDEF)
    assert long.source.is_ieee
    assert long.encode() == head + bytes.fromhex("030123456789abcdef020000ff")


def test_a_failed_confirm_of_old_firmware_has_a_long_address_whatever_its_mode() -> None:
    old = responses.ApsConfirmFailed.decode(bytes.fromhex("d4 01 03 02 0123456789abcdef b9".replace(" ", "")))
    assert old.destination == Address(AddressMode.SHORT, 0x0123)
    assert (old.aps_counter, old.npdu_used) == (0xB9, None)
    new = responses.ApsConfirmFailed.decode(bytes.fromhex("d4 01 01 02 6ead b5 00 01".replace(" ", "")))
    assert new.destination == Address(AddressMode.SHORT, 0x6EAD)
    assert (new.aps_counter, new.apdu_used) == (0xB5, 1)
    assert new.status is StackStatus.NWK_FRAME_IS_BUFFERED


def test_group_memberships_of_old_and_new_firmware() -> None:
    new = responses.GroupMembership.decode(bytes.fromhex("01010004 10 02 abcd 9876 1234".replace(" ", "")))
    old = responses.GroupMembership.decode(bytes.fromhex("01010004 1234 10 02 abcd 9876".replace(" ", "")))
    assert new.read() == old.read() == (0x1234, 16, (0xABCD, 0x9876))


def test_a_neighbour_table_ends_where_its_bytes_do() -> None:
    row = bytes.fromhex("1d4d db95a5201556ccd8 00158d0001e56372 01 b0 1a".replace(" ", ""))
    whole = responses.LqiResponse.decode(bytes.fromhex("e6000e0200") + row + row + b"\xab\xcd")
    assert [entry.lqi for entry in whole.neighbours] == [0xB0, 0xB0]
    assert whole.short == 0xABCD
    cut = responses.LqiResponse.decode(bytes.fromhex("e6000e0200") + row + row[:9])
    assert len(cut.neighbours) == 1


def test_commands_are_written_as_the_firmware_reads_them() -> None:
    on = commands.OnOff(mode=2, short=0x279B, source_endpoint=1, destination_endpoint=1, command=1)
    assert on.encode().hex() == "02279b010101"
    data = bytes.fromhex("1007000100")
    sent = commands.SendAps(Address(AddressMode.SHORT, 0x282B), 1, 1, 0, 0x0104, 2, 30, data)
    assert sent.encode().hex() == "02282b010100000104021e05" + data.hex()
    with pytest.raises(RangeError, match="short"):
        commands.ActiveEndpointsRequest(0x10000).encode()


def test_unknown_statuses_keep_their_number() -> None:
    found = responses.StackError.decode(b"\x77")
    assert found.error == 0x77
    assert not found.error.is_known
    assert ExtendedError(0x83).name == "NO_FREE_APS_ACK"


def test_tables_of_the_stick_are_read_row_by_row() -> None:
    found = parse(RawFrame(0x8052, bytes.fromhex("02 01 0012 01 ff 0006 03 00158d0001a2b3c4 01 02 0702")))
    assert [(row.target, row.cluster) for row in found.bindings] == [  # type: ignore[union-attr]
        (Address(AddressMode.GROUP, 0x12), 6),
        (Address(AddressMode.IEEE, 0x00158D0001A2B3C4), 0x0702),
    ]
    routes = parse(RawFrame(0x8053, bytes.fromhex("00 279b 0000 01 1234 279b")))
    assert [(row.destination, row.next_hop) for row in routes.routes] == [(0x279B, 0), (0x1234, 0x279B)]  # type: ignore[union-attr]
