"""ZDO requests and responses: bytes written by hand from the Zigbee specification (R21, 2.4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import zdo
from protocols.errors import CodecError, TruncatedError
from protocols.ids import Eui64
from protocols.zdo import CLASSES, ZdoStatus, decode_zdo, encode_zdo

CUBE = Eui64(0x00158D0001A2B3C4)
CUBE_HEX = "c4b3a201008d1500"
HUB = Eui64(0x0013A20040000001)
HUB_HEX = "0100004000a21300"
NODE = zdo.NodeDescriptor(0x01, 0x40, 0x8E, 0x115F, 0x52, 0x52, 0x2C00, 0x52, 0x00)
OK = ZdoStatus.SUCCESS

GOLDEN: list[tuple[str, zdo.ZdoRequest | zdo.ZdoResponse]] = [
    (f"{CUBE_HEX} 00 00", zdo.NwkAddressRequest(CUBE)),
    (f"00 {CUBE_HEX} 9b27", zdo.NwkAddressResponse(OK, CUBE, 0x279B)),
    (f"00 {CUBE_HEX} 9b27 02 00 01000200", zdo.NwkAddressResponse(OK, CUBE, 0x279B, 2, 0, (1, 2))),
    ("81", zdo.NwkAddressResponse(ZdoStatus.DEVICE_NOT_FOUND)),
    ("9b27 00 00", zdo.IeeeAddressRequest(0x279B)),
    (f"00 {CUBE_HEX} 9b27", zdo.IeeeAddressResponse(OK, CUBE, 0x279B)),
    ("9b27", zdo.NodeDescriptorRequest(0x279B)),
    ("00 9b27 01 40 8e 5f11 52 5200 002c 5200 00", zdo.NodeDescriptorResponse(OK, 0x279B, NODE)),
    ("80 9b27", zdo.NodeDescriptorResponse(ZdoStatus.INV_REQUESTTYPE, 0x279B)),
    ("9b27", zdo.PowerDescriptorRequest(0x279B)),
    ("00 9b27 10c1", zdo.PowerDescriptorResponse(OK, 0x279B, zdo.PowerDescriptor(0x10, 0xC1))),
    ("9b27 02", zdo.SimpleDescriptorRequest(0x279B, 2)),
    (
        "00 9b27 12 02 0401 025f 01 02 0300 1200 03 0400 0300 0500",
        zdo.SimpleDescriptorResponse(
            OK, 0x279B, zdo.SimpleDescriptor(2, 0x0104, 0x5F02, 1, (0x0003, 0x0012), (0x0004, 0x0003, 0x0005))
        ),
    ),
    ("82 9b27 00", zdo.SimpleDescriptorResponse(ZdoStatus.INVALID_EP, 0x279B)),
    ("9b27", zdo.ActiveEndpointsRequest(0x279B)),
    ("00 9b27 03 010203", zdo.ActiveEndpointsResponse(OK, 0x279B, (1, 2, 3))),
    ("fdff 0901 02 0008 0000 00", zdo.MatchDescriptorRequest(0xFFFD, 0x0109, (0x0800, 0x0000))),
    ("00 9b27 01 05", zdo.MatchDescriptorResponse(OK, 0x279B, (5,))),
    (f"9b27 {CUBE_HEX} 80", zdo.DeviceAnnounce(0x279B, CUBE, 0x80)),
    (f"01 {CUBE_HEX}", zdo.ParentAnnounce((CUBE,))),
    (
        f"{CUBE_HEX} 01 0207 03 {HUB_HEX} 0a",
        zdo.BindRequest(zdo.Binding(CUBE, 1, 0x0702, zdo.BindTarget(ieee=HUB, endpoint=10))),
    ),
    (f"{CUBE_HEX} 01 0600 01 3412", zdo.UnbindRequest(zdo.Binding(CUBE, 1, 6, zdo.BindTarget(group=0x1234)))),
    ("8c", zdo.BindResponse(ZdoStatus.TABLE_FULL)),
    ("88", zdo.UnbindResponse(ZdoStatus.NO_ENTRY)),
    ("00", zdo.MgmtLqiRequest(0)),
    (
        f"00 01 00 01 8877665544332211 {CUBE_HEX} 9b27 12 02 0f c8",
        zdo.MgmtLqiResponse(OK, 1, 0, (zdo.NeighbourRow(0x1122334455667788, CUBE, 0x279B, 0x12, 0x02, 0x0F, 0xC8),)),
    ),
    ("84", zdo.MgmtLqiResponse(ZdoStatus.NOT_SUPPORTED)),
    ("00", zdo.MgmtRoutingRequest(0)),
    ("00 01 00 01 9b27 00 0100", zdo.MgmtRoutingResponse(OK, 1, 0, (zdo.RoutingRow(0x279B, 0, 1),))),
    ("00", zdo.MgmtBindRequest(0)),
    (
        f"00 01 00 01 {CUBE_HEX} 01 0600 01 3412",
        zdo.MgmtBindResponse(OK, 1, 0, (zdo.Binding(CUBE, 1, 6, zdo.BindTarget(group=0x1234)),)),
    ),
    (f"{CUBE_HEX} 80", zdo.MgmtLeaveRequest(CUBE, zdo.REJOIN)),
    ("00", zdo.MgmtLeaveResponse(OK)),
    ("fe 01", zdo.MgmtPermitJoiningRequest(254)),
    ("00", zdo.MgmtPermitJoiningResponse(OK)),
    ("00f8ff07 03 01", zdo.MgmtNwkUpdateRequest(0x07FFF800, 3, 1)),
    ("00008000 fe 02", zdo.MgmtNwkUpdateRequest(1 << 23, 0xFE, 2)),
    ("00 00180000 0500 0000 02 2b30", zdo.MgmtNwkUpdateNotify(OK, 0x1800, 5, 0, (0x2B, 0x30))),
]


@pytest.mark.parametrize(("raw", "command"), GOLDEN, ids=[type(row[1]).__name__ for row in GOLDEN])
def test_a_frame_has_the_bytes_of_the_specification(raw: str, command: zdo.ZdoRequest | zdo.ZdoResponse) -> None:
    data = bytes.fromhex("2a" + raw.replace(" ", ""))
    assert decode_zdo(command.CLUSTER, data) == (0x2A, command)
    assert encode_zdo(0x2A, command) == data


def test_every_class_has_a_golden_frame() -> None:
    assert {type(command) for _, command in GOLDEN} == set(CLASSES.values())


def test_descriptors_say_what_a_device_is() -> None:
    assert NODE.logical_type is zdo.LogicalType.ROUTER
    assert NODE.mac_capability & zdo.MacCapability.RECEIVER_ON_WHEN_IDLE
    power = zdo.PowerDescriptor(0x10, 0x44)
    assert not power.is_on_mains
    assert power.level_percent == 33
    assert zdo.PowerDescriptor(0, 0xC1).is_on_mains
    assert zdo.PowerDescriptor(0, 0x54).level_percent is None


def test_the_lengths_of_a_simple_descriptor_may_be_wrong() -> None:
    # Devices are seen whose length byte is too great or whose cluster list breaks off: what is there is taken.
    data = bytes.fromhex("2a009b2720010401000000020000030000")
    _, answer = decode_zdo(0x8004, data)
    assert isinstance(answer, zdo.SimpleDescriptorResponse)
    assert answer.descriptor is not None
    assert answer.descriptor.input_clusters == (0, 3)


def test_what_is_not_described_is_kept_as_it_came() -> None:
    assert decode_zdo(0x0015, b"\x07abc") == (7, zdo.UnknownZdo(0x0015, b"abc"))


def test_nothing_at_all_is_an_error() -> None:
    with pytest.raises(TruncatedError):
        decode_zdo(0x8002, b"")


@pytest.mark.parametrize(("raw", "command"), GOLDEN, ids=[type(row[1]).__name__ for row in GOLDEN])
def test_a_frame_cut_anywhere_is_read_or_refused(raw: str, command: zdo.ZdoRequest | zdo.ZdoResponse) -> None:
    data = bytes.fromhex("2a" + raw.replace(" ", ""))
    for length in range(len(data)):
        try:
            tsn, part = decode_zdo(command.CLUSTER, data[:length])
        except CodecError:
            continue
        assert tsn == 0x2A
        # Only a length of nothing may be missing.
        assert part != command or data[length:] == b"\x00"


@given(cluster=st.sampled_from(sorted(CLASSES)), data=st.binary(max_size=100))
def test_any_bytes_are_a_command_or_a_codec_error(cluster: int, data: bytes) -> None:
    try:
        tsn, command = decode_zdo(cluster, data)
    except CodecError:
        return
    assert not isinstance(command, zdo.UnknownZdo)
    assert decode_zdo(cluster, encode_zdo(tsn, command)) == (tsn, command)
