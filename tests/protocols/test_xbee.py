"""XBee frames: both API modes, hostile streams, and digi-xbee as an independent encoder and decoder."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from digi.xbee.models.address import XBee16BitAddress, XBee64BitAddress
from digi.xbee.models.mode import OperatingMode
from digi.xbee.models.options import RegisterKeyOptions
from digi.xbee.models.status import (
    ATCommandStatus,
    ZigbeeRegisterStatus,
)
from digi.xbee.models.status import (
    DiscoveryStatus as TheirDiscovery,
)
from digi.xbee.models.status import (
    ModemStatus as TheirModemStatus,
)
from digi.xbee.models.status import (
    TransmitStatus as TheirTransmitStatus,
)
from digi.xbee.packets.aft import ApiFrameType
from digi.xbee.packets.common import (
    ATCommPacket,
    ATCommQueuePacket,
    ATCommResponsePacket,
    ExplicitAddressingPacket,
    ExplicitRXIndicatorPacket,
    ModemStatusPacket,
    TransmitStatusPacket,
)
from digi.xbee.packets.factory import build_frame
from digi.xbee.packets.zigbee import RegisterDeviceStatusPacket, RegisterJoiningDevicePacket
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import CodecError, RangeError
from protocols.garbage import Garbage
from protocols.ids import Eui64
from protocols.xbee import at, frames
from protocols.xbee.framing import MAX_DATA, ApiMode, deframer, encode, unescape
from protocols.xbee.status import (
    AssociationStatus,
    AtStatus,
    DeliveryStatus,
    DiscoveryStatus,
    JoinStatus,
    ModemStatusCode,
    RegistrationStatus,
)

MODES = (ApiMode.PLAIN, ApiMode.ESCAPED)
IEEE = Eui64(0x0013A20040401122)
KEY = bytes.fromhex("00112233445566778899aabbccddeeff")


def fed(data: bytes, mode: ApiMode, size: int = 64, make: Callable[[bytes], Any] = bytes) -> list[Any]:
    line, found = deframer(mode, make), []
    for start in range(0, len(data), size):
        found += line.feed(data[start : start + size])
    return found


@given(st.lists(st.binary(min_size=1, max_size=MAX_DATA), max_size=6), st.integers(1, 80), st.sampled_from(MODES))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(sent: list[bytes], size: int, mode: ApiMode) -> None:
    assert fed(b"".join(encode(data, mode) for data in sent), mode, size) == sent


@given(st.binary(max_size=400), st.integers(1, 80), st.sampled_from(MODES))
def test_noise_loses_no_byte_and_costs_no_later_frame(noise: bytes, size: int, mode: ApiMode) -> None:
    line = deframer(mode, bytes)
    found: list[Any] = []
    for start in range(0, len(noise), size):
        found += line.feed(noise[start : start + size])
    while quiet := line.give_up():
        found += quiet
    good = encode(b"\x8a\x06", mode)
    assert line.feed(good) == [b"\x8a\x06"]
    if mode is ApiMode.PLAIN:
        rebuilt = b"".join(one.data if isinstance(one, Garbage) else encode(one, mode) for one in found)
        assert rebuilt == noise


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (lambda wire: wire[:-1] + bytes((wire[-1] ^ 1,)), "checksum"),
        (lambda wire: wire[:4] + bytes((wire[4] ^ 0x40,)) + wire[5:], "checksum"),
        (lambda wire: b"\x7e\x00\x00\xff", "length"),
        (lambda wire: b"\x7e\x40\x00" + wire[3:], "length"),
        (lambda wire: b"abc" + wire[1:], "noise"),
    ],
    ids=["checksum", "payload", "empty", "long", "noise"],
)
def test_a_bad_frame_and_a_good_one_give_the_good_one_at_once(
    mode: ApiMode, bad: Callable[[bytes], bytes], reason: str
) -> None:
    wire = encode(b"\x88\x01VR\x00\x31\x10", mode)
    found = fed(bad(wire) + wire, mode)
    assert found[-1] == b"\x88\x01VR\x00\x31\x10"
    assert all(isinstance(one, Garbage) for one in found[:-1])
    assert reason in {one.reason for one in found[:-1]}


@pytest.mark.parametrize("cut", range(1, 11))
def test_a_cut_frame_never_costs_the_next_in_mode_2(cut: int) -> None:
    wire = encode(b"\x88\x01VR\x00\x31\x10", ApiMode.ESCAPED)
    [bad, good] = fed(wire[:cut] + wire, ApiMode.ESCAPED)
    assert isinstance(bad, Garbage)
    assert bad.reason == "cut"
    assert good == b"\x88\x01VR\x00\x31\x10"


@pytest.mark.parametrize("cut", range(1, 11))
def test_a_cut_frame_in_mode_1_costs_none_once_the_line_is_quiet(cut: int) -> None:
    wire = encode(b"\x88\x01VR\x00\x31\x10", ApiMode.PLAIN)
    line = deframer(ApiMode.PLAIN, bytes)
    found = line.feed(wire[:cut] + wire)
    while quiet := line.give_up():
        found += quiet
    assert b"\x88\x01VR\x00\x31\x10" in found


def test_a_start_inside_a_frame_of_mode_1_is_data() -> None:
    data = b"\x91" + encode(b"\x8a\x00", ApiMode.PLAIN) * 2
    assert fed(encode(data, ApiMode.PLAIN), ApiMode.PLAIN, 1) == [data]


@given(st.binary(max_size=60))
def test_escapes_are_taken_away_as_one_by_one(data: bytes) -> None:
    found, escaped = bytearray(), False
    for byte in data:
        if escaped:
            found.append(byte ^ 0x20)
        elif byte != 0x7D:
            found.append(byte)
        escaped = byte == 0x7D and not escaped
    assert unescape(data) == bytes(found)


def test_what_does_not_fit_in_a_frame_is_refused() -> None:
    for data in (b"", bytes(MAX_DATA + 1)):
        with pytest.raises(RangeError, match="1 to 300"):
            encode(data, ApiMode.PLAIN)


# -- frames ------------------------------------------------------------------------------------------------------------

ADDRESS = XBee64BitAddress(IEEE.to_bytes(8, "big"))
SHORT = XBee16BitAddress(b"\x27\x9b")
OURS: list[tuple[frames.XbeeFrame, Any]] = [
    (frames.AtCommand(1, b"NJ", b"\x3c"), ATCommPacket(1, "NJ", b"\x3c")),
    (frames.AtCommand(2, b"AI"), ATCommPacket(2, "AI")),
    (frames.QueuedAtCommand(3, b"ID", bytes(8)), ATCommQueuePacket(3, "ID", bytes(8))),
    (
        frames.ExplicitTransmit(
            4, IEEE, 0x279B, 0x5E, 1, 0x0702, 0x0109, 0, frames.TransmitOption.APS_ENCRYPTION, b"\x00\x01\x00\x00\x00"
        ),
        ExplicitAddressingPacket(4, ADDRESS, SHORT, 0x5E, 1, 0x0702, 0x0109, 0, 0x20, b"\x00\x01\x00\x00\x00"),
    ),
    (frames.CreateSourceRoute(0, IEEE, 0x279B, 0, (1, 0x7E11)), None),
    (
        frames.RegisterDevice(5, IEEE, key=KEY),
        RegisterJoiningDevicePacket(5, ADDRESS, RegisterKeyOptions.LINK_KEY, KEY),
    ),
    (
        frames.AtResponse(6, b"VR", AtStatus.OK, b"\x31\x10"),
        ATCommResponsePacket(6, "VR", ATCommandStatus.OK, b"\x31\x10"),
    ),
    (frames.ModemStatus(ModemStatusCode.COORDINATOR_STARTED), ModemStatusPacket(TheirModemStatus.COORDINATOR_STARTED)),
    (
        frames.TransmitStatus(7, 0x279B, 2, DeliveryStatus.NO_NETWORK_ACK, DiscoveryStatus.ADDRESS_AND_ROUTE),
        TransmitStatusPacket(7, SHORT, 2, TheirTransmitStatus.NETWORK_ACK_FAILURE, TheirDiscovery.ADDRESS_AND_ROUTE),
    ),
    (
        frames.ExplicitReceive(
            IEEE, 0x279B, 1, 0x5E, 0x0702, 0x0109, frames.ReceiveOption(0x21), bytes.fromhex("18010a00002501")
        ),
        ExplicitRXIndicatorPacket(ADDRESS, SHORT, 1, 0x5E, 0x0702, 0x0109, 0x21, bytes.fromhex("18010a00002501")),
    ),
    (
        frames.RegisterStatus(8, RegistrationStatus.KEY_NOT_FOUND),
        RegisterDeviceStatusPacket(8, ZigbeeRegisterStatus.KEY_NOT_FOUND),
    ),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("ours", "theirs"), OURS, ids=lambda found: type(found).__name__)
def test_our_frames_are_those_of_digi(mode: ApiMode, ours: frames.XbeeFrame, theirs: Any) -> None:
    wire = encode(ours.to_data(), mode)
    if theirs is not None:
        assert wire == bytes(theirs.output(escaped=mode is ApiMode.ESCAPED))
        read = build_frame(bytearray(encode(ours.to_data(), ApiMode.PLAIN)), OperatingMode.API_MODE)
        assert read.get_frame_type() == ApiFrameType.get(ours.TYPE)
        assert bytes(read.output()) == bytes(theirs.output())
    [found] = fed(wire, mode, make=frames.read)
    assert found == ours


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("a20013a20040401122279b00", frames.DeviceAuthenticated(IEEE, 0x279B, 0)),
        ("a50000279b0013a2004040112201", frames.JoinNotification(0, 0x279B, IEEE, JoinStatus.JOINED)),
        ("a5110000279b0013a2004040112200", frames.JoinNotification(0, 0x279B, IEEE, JoinStatus.SECURED_REJOIN)),
        ("a30013a20040401122000000", frames.ManyToOneRoute(IEEE, 0, 0)),
        ("a10013a20040401122279b01020001a2b3", frames.RouteRecord(
            IEEE, 0x279B, frames.ReceiveOption.ACKNOWLEDGED, (0x0001, 0xA2B3))),
        ("8a10", frames.ModemStatus(ModemStatusCode.KEY_ESTABLISHMENT_COMPLETE)),
        ("8acc", frames.ModemStatus(ModemStatusCode(0xCC))),
        ("fe02", frames.FrameError(2)),
        ("7701", frames.Unknown(0x77, b"\x01")),
    ],
)  # fmt: skip
def test_what_only_smart_energy_firmware_says(data: str, expected: object) -> None:
    assert frames.read(bytes.fromhex(data)) == expected


@pytest.mark.parametrize("kind", frames.FRAMES.values(), ids=lambda kind: kind.__name__)
def test_a_frame_that_is_cut_short_is_a_codec_error(kind: type[frames.XbeeFrame]) -> None:
    for size in range(kind.MINIMUM):
        with pytest.raises(CodecError):
            frames.read(bytes((kind.TYPE,)) + bytes(size))
    assert isinstance(frames.read(bytes((kind.TYPE,)) + bytes(kind.MINIMUM)), kind)


@given(st.binary(min_size=1, max_size=60))
def test_any_data_is_a_frame_or_a_codec_error(data: bytes) -> None:
    try:
        found = frames.read(data)
    except CodecError:
        return
    repr(found)
    if isinstance(found, frames.XbeeFrame):
        again = frames.read(found.to_data())
        assert again == found


def test_keys_are_never_shown() -> None:
    secret = KEY.hex()
    shown = [
        frames.AtCommand(1, b"KY", KEY), frames.QueuedAtCommand(1, b"nk", KEY), frames.RegisterDevice(1, IEEE, key=KEY),
        frames.AtResponse(1, b"KY", AtStatus.OK, KEY), frames.RemoteAtCommand(1, IEEE, 0, 0, b"ZV", KEY),
        frames.RemoteAtResponse(1, IEEE, 0, b"KY", AtStatus.OK, KEY),
    ]  # fmt: skip
    for frame in shown:
        assert secret not in repr(frame)
        assert str(KEY) not in repr(frame)
    assert repr(frames.AtCommand(1, b"NJ", b"\x3c")) == "AtCommand(NJ=3c)"
    assert repr(frames.AtResponse(1, b"VR", AtStatus.OK, b"\x31\x10")) == "AtResponse(VR=3110, OK)"


# -- registers ---------------------------------------------------------------------------------------------------------


def test_values_have_as_few_bytes_as_hold_them_and_one_for_nothing() -> None:
    assert at.to_value(0) == b"\x00"
    assert at.to_value(0xFF) == b"\xff"
    assert at.to_value(0x100) == b"\x01\x00"
    assert at.to_number(b"\x00\x01\x02") == 0x102
    with pytest.raises(RangeError, match="0 and more"):
        at.to_value(-1)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OP", b"\x01", "reading only"),
        ("SC", b"\x00", "register SC is 0, allowed: 1 to 65535 (0x1 to 0xFFFF)"),
        ("SD", b"\x08", "0 to 7"),
        ("NJ", b"\xff", "0 to 254 (0x0 to 0xFE)"),
        ("KY", bytes(8), "32 hex digits (16 bytes), or 00 to clear"),
        ("ID", bytes(9), "at most 8"),
        ("NT", b"\x01\x00\x00", "register NT is 65536, allowed: 0 to 65535 (0x0 to 0xFFFF)"),
    ],
)
def test_what_a_register_does_not_take_is_refused(name: str, value: bytes, said: str) -> None:
    with pytest.raises(RangeError, match=re.escape(said)):
        at.register(name).check(value)


def test_registers_are_found_whatever_their_case_and_strange_ones_are_let_through() -> None:
    assert at.register("nj").name == "NJ"
    assert at.register("%v").unit == "mV"
    assert at.register("Q?").can_write
    at.register("KY").check(b"\x00")
    for bad in ("", "A", "ABC", "é1", "\n1"):
        with pytest.raises(RangeError, match="two characters"):
            at.register(bad)
    assert {name for name, row in at.REGISTERS.items() if row.is_secret} == {"KY", "NK", "ZV"}
    assert {"AP", "AO", "BD", "NB", "RE"} <= {
        name for name, row in at.REGISTERS.items() if row.effect is at.Effect.LINK
    }


def test_channel_masks() -> None:
    assert at.channel_mask((11, 26)) == 0x8001
    for bad in ((), (10,), (27,)):
        with pytest.raises(RangeError, match="11 to 26"):
            at.channel_mask(bad)


def test_statuses_that_nobody_has_named_are_kept() -> None:
    assert AssociationStatus(0x77).name == "UNKNOWN_0x77"
    assert DeliveryStatus.SELF_ADDRESSED.is_delivered
    assert not DeliveryStatus.NOT_JOINED.is_silence_of_the_far_end
    assert DeliveryStatus.NO_ROUTE.is_silence_of_the_far_end
    assert ModemStatusCode.SOFTWARE_RESET.is_reset
    assert not ModemStatusCode.JOINED.is_reset
