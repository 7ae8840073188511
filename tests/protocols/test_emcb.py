"""EMCB datagrams: captures of the document, sequence arithmetic, signatures, hostile bytes."""

from __future__ import annotations

import hmac
import json
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import emcb
from protocols.emcb import Led, Message, SigningKey
from protocols.errors import CodecError, RangeError, SignatureError, TrailingBytesError, TruncatedError
from protocols.fields import Frame

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "emcb.json").read_text())
KEY = SigningKey(bytes.fromhex(GOLDEN["key"]))
OTHER_KEY = SigningKey(bytes(32))
FRAMES = {entry["name"]: entry for entry in GOLDEN["frames"]}


def decode(entry: dict[str, str]) -> emcb.Datagram:
    decoder = emcb.decode_request if entry["direction"] == "request" else emcb.decode_response
    return decoder(bytes.fromhex(entry["frame"]), KEY)


@pytest.mark.parametrize("name", FRAMES)
def test_every_verifying_capture_decodes_and_encodes_to_the_same_bytes(name: str) -> None:
    entry = FRAMES[name]
    sequence, message = decode(entry)
    encoder = emcb.encode_request if entry["direction"] == "request" else emcb.encode_response
    assert encoder(sequence, message, KEY).hex() == entry["frame"]


def test_a_captured_status_has_the_values_that_the_document_prints() -> None:
    sequence, status = decode(FRAMES["device status of 30000c2a69113173"])
    assert sequence == 0x7EB36161
    assert isinstance(status, emcb.DeviceStatus)
    assert status.position is emcb.HandlePosition.CLOSED
    meter = status.meter
    assert (meter.update_number, meter.line_frequency_mhz, meter.period_ms) == (228, 60000, 200)
    assert meter.line_to_line_voltage_mv == 114
    assert (meter.pole_0.voltage_mv, meter.pole_0.current_ma) == (124763, 41)
    assert (meter.pole_1.voltage_mv, meter.pole_1.current_ma) == (124763, 1217)
    assert meter.pole_0.active_q3_mj == 43092186205
    assert meter.pole_0.apparent_energy_mvas == 43969102919
    assert meter.pole_1.apparent_energy_mvas == 55923660067
    assert meter.pole_1.reactive_q2_mvars == 494284883
    assert meter.pole_0.active_energy_mj < 0, "captured loads count backwards"


def test_a_captured_meter_record_without_a_line_has_no_frequency() -> None:
    _, telemetry = decode(FRAMES["meter telemetry of 30000c2a690c7652"])
    assert isinstance(telemetry, emcb.MeterTelemetry)
    assert telemetry.meter.line_frequency_mhz == 0
    assert telemetry.meter.update_number == 188
    assert telemetry.meter.pole_0.current_ma == 15


def test_nets_and_quadrants_agree_in_every_captured_pole_and_not_in_a_damaged_one() -> None:
    for name, entry in FRAMES.items():
        _, message = decode(entry)
        if isinstance(message, emcb.DeviceStatus | emcb.MeterTelemetry):
            assert all(pole.is_consistent() for pole in message.meter.poles), name
    _, message = decode(FRAMES["meter telemetry of 30000c2a69112b6f"])
    assert isinstance(message, emcb.MeterTelemetry)
    pole = message.meter.pole_0
    values = {field.name: getattr(pole, field.name) for field in fields(pole)}
    for name in values:
        if name not in ("voltage_mv", "current_ma"):
            assert not emcb.PoleTelemetry(**{**values, name: values[name] + 1}).is_consistent(), name


SIZES = {
    emcb.GetNextSequence: 46, emcb.NextSequence: 70, emcb.GetDeviceStatus: 42, emcb.DeviceStatus: 310,
    emcb.GetHandlePosition: 42, emcb.HandlePositionResponse: 43, emcb.GetMeterTelemetry: 42, emcb.MeterTelemetry: 309,
    emcb.SetNextSequence: 46, emcb.SetNextSequenceResponse: 43, emcb.SetHandlePosition: 43,
    emcb.SetHandlePositionResponse: 44, emcb.SetBargraphLeds: 67, emcb.SetBargraphLedsResponse: 43,
    emcb.SetMeterMode: 47, emcb.SetMeterModeResponse: 43, emcb.GetEvseSettings: 42, emcb.EvseSettings: 49,
    emcb.GetEvseState: 42, emcb.EvseStateResponse: 53, emcb.GetEvseConfiguration: 42, emcb.EvseConfiguration: 50,
    emcb.SetEvseConfiguration: 50, emcb.SetEvseConfigurationResponse: 43,
}  # fmt: skip
"""Bytes of the whole datagram."""


@pytest.mark.parametrize("message", SIZES, ids=lambda message: message.__name__)
def test_every_message_has_the_size_of_the_document(message: type[Message]) -> None:
    assert SIZES[message] == 10 + message.SIZE + 32


def test_every_message_is_found_by_its_code() -> None:
    assert set(emcb.REQUESTS) == set(emcb.RESPONSES)
    assert {message for table in (emcb.REQUESTS, emcb.RESPONSES) for message in table.values()} == set(SIZES)


def test_leds_are_sent_nearest_the_status_led_first() -> None:
    leds = tuple(Led(number, 0, 0, number % 2) for number in range(5))
    data = emcb.SetBargraphLeds(1, 60, leds).encode()
    assert data.hex() == "01" + "3c000000" + "00000000" + "01000001" + "02000000" + "03000001" + "04000000"


def test_the_evse_configuration_of_eight_ff_is_an_internal_error() -> None:
    assert emcb.EvseConfiguration.decode(b"\xff" * 8).is_internal_error
    assert not emcb.EvseConfiguration.decode(b"\x01\x01\x01\x20\x00\x00\x00\x00").is_internal_error


# -- signatures ------------------------------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=400))
def test_the_signature_is_hmac_sha256(key: bytes, data: bytes) -> None:
    assert SigningKey(key).sign(data) == hmac.digest(key, data, "sha256")


def test_a_key_of_another_length_is_refused_and_no_key_is_ever_shown() -> None:
    for size in (0, 16, 31, 33, 64):
        with pytest.raises(RangeError, match=f"UDP key length is {size}, allowed: 32 bytes"):
            SigningKey(b"k" * size)
    assert "k" * 3 not in repr(SigningKey(b"k" * 32))
    assert SigningKey(b"k" * 32) == SigningKey(b"k" * 32)
    assert SigningKey(b"k" * 32) != SigningKey(b"l" * 32)


@pytest.mark.parametrize("name", FRAMES)
def test_one_changed_bit_anywhere_breaks_the_signature_or_the_start(name: str) -> None:
    entry = FRAMES[name]
    frame = bytearray.fromhex(entry["frame"])
    decoder = emcb.decode_request if entry["direction"] == "request" else emcb.decode_response
    for position in range(len(frame)):
        frame[position] ^= 1 << (position % 8)
        with pytest.raises(CodecError):
            decoder(bytes(frame), KEY)
        frame[position] ^= 1 << (position % 8)


def test_another_key_does_not_verify() -> None:
    with pytest.raises(SignatureError):
        emcb.decode_request(bytes.fromhex(FRAMES["get device status"]["frame"]), OTHER_KEY)


def test_a_request_is_not_a_response() -> None:
    with pytest.raises(RangeError, match="start"):
        emcb.decode_response(bytes.fromhex(FRAMES["get device status"]["frame"]), KEY)


@pytest.mark.parametrize("name", FRAMES)
def test_every_truncation_is_refused(name: str) -> None:
    entry = FRAMES[name]
    frame = bytes.fromhex(entry["frame"])
    decoder = emcb.decode_request if entry["direction"] == "request" else emcb.decode_response
    for size in range(len(frame)):
        with pytest.raises(CodecError):
            decoder(frame[:size], KEY)


def signed(start: bytes, sequence: int, code: int, data: bytes) -> bytes:
    body = start + sequence.to_bytes(4, "little") + code.to_bytes(2, "little") + data
    return body + KEY.sign(body)


def test_an_unknown_code_and_a_body_of_the_wrong_size_are_named_although_signed() -> None:
    with pytest.raises(RangeError, match="message code is 6"):
        emcb.decode_request(signed(b"ETNM", 4, 6, b"\xab\xba"), KEY)
    with pytest.raises(TruncatedError, match="SetHandlePosition needs 1 bytes, got 0"):
        emcb.decode_request(signed(b"ETNM", 4, 0x8100, b""), KEY)
    with pytest.raises(TrailingBytesError, match="GetDeviceStatus takes 0 bytes, got 1458"):
        emcb.decode_request(signed(b"ETNM", 4, 0x00FF, bytes(1458)), KEY)
    with pytest.raises(TrailingBytesError, match="EMCB datagram takes 1500 bytes, got 1501"):
        emcb.decode_request(signed(b"ETNM", 4, 0x00FF, bytes(1459)), KEY)


@given(st.binary(max_size=1600))
def test_random_bytes_raise_nothing_but_codec_errors(data: bytes) -> None:
    for decoder in (emcb.decode_request, emcb.decode_response):
        with pytest.raises(CodecError):
            decoder(data, KEY)


@given(st.sampled_from(sorted(emcb.RESPONSES)), st.integers(0, 0xFFFFFFFF), st.binary(max_size=300), st.booleans())
def test_signed_random_bodies_decode_to_what_encodes_to_them_or_raise_codec_errors(
    code: int, sequence: int, data: bytes, fit: bool
) -> None:
    message = emcb.RESPONSES[code]
    body = data.ljust(message.SIZE, b"\0")[: message.SIZE] if fit else data
    frame = signed(b"ETNS", sequence, code, body)
    try:
        datagram = emcb.decode_response(frame, KEY)
    except CodecError:
        return
    assert emcb.encode_response(datagram.sequence, datagram.message, KEY) == frame


def test_every_message_round_trips_with_its_largest_values() -> None:
    for message in SIZES:
        frame = b"\x7f" * message.SIZE
        assert Frame.encode(message.decode(frame)) == frame


# -- sequence numbers ------------------------------------------------------------------------------------------------

u32s = st.integers(0, 0xFFFFFFFF)


@given(u32s, st.integers(0, 99))
def test_the_window_holds_a_hundred_numbers_from_the_expected_one(expected: int, step: int) -> None:
    assert emcb.in_window(emcb.sequence_add(expected, step), expected)
    assert not emcb.in_window(emcb.sequence_add(expected, -1 - step), expected)
    assert not emcb.in_window(emcb.sequence_add(expected, 100 + step), expected)


@given(u32s)
def test_a_number_may_be_set_unless_it_is_within_a_hundred_of_the_expected_one(expected: int) -> None:
    for step, settable in ((-101, True), (-100, False), (0, False), (99, False), (100, True), (1 << 31, True)):
        assert emcb.is_settable(emcb.sequence_add(expected, step), expected) is settable
