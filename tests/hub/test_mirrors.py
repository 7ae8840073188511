"""The table of mirrors, and what a mirror tells of a meter: pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hub.smart_energy.mirror_clusters import MeteringClientCluster, MirroredCluster
from hub.smart_energy.mirror_table import FIRST_MIRROR, LAST_MIRROR, MirrorTable
from hub.smart_energy.peer import Peer
from hub.smart_energy.utc import to_utc
from hub.zigbee.member import Member
from hub.zigbee.model import AttributeValue
from protocols.aps import ApsFrame
from protocols.ids import Eui64, Profile
from protocols.zcl.clusters import BASIC, METERING
from protocols.zcl.datatypes import ENUM8, MAP8, UINT16, UINT48, Value
from protocols.zcl.datatypes import UTC as UTC_TIME
from protocols.zcl.header import Direction, FrameType, ZclHeader
from protocols.zcl.status import Status

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
MAKER = 0x1234


def meter(number: int, endpoint: int = 10) -> Peer:
    return Peer(Eui64(0x00124B0000000000 + number), endpoint)


def test_a_meter_gets_one_endpoint_and_the_same_again() -> None:
    table = MirrorTable(4)
    assert table.request(meter(1)) == FIRST_MIRROR
    assert table.request(meter(2)) == FIRST_MIRROR + 1
    assert table.request(meter(1)) == FIRST_MIRROR
    assert table.request(meter(1, 11)) == FIRST_MIRROR + 2  # another meter in the same device
    assert [endpoint for endpoint, _ in table] == [FIRST_MIRROR, FIRST_MIRROR + 1, FIRST_MIRROR + 2]
    assert (table.at(FIRST_MIRROR), table.at(1)) == (meter(1), None)


def test_who_has_a_mirror_keeps_it_when_there_is_no_room() -> None:
    table = MirrorTable(1)
    assert table.request(meter(1)) == FIRST_MIRROR
    assert not table.has_room
    assert table.request(meter(2)) is None
    assert table.request(meter(1)) == FIRST_MIRROR
    assert table.remove(FIRST_MIRROR) == meter(1)
    assert table.remove(FIRST_MIRROR) is None
    assert table.request(meter(2)) == FIRST_MIRROR + 1


def test_a_freed_endpoint_is_given_again_last() -> None:
    table = MirrorTable(2)
    given = []
    for number in range(LAST_MIRROR - FIRST_MIRROR + 2):
        endpoint = table.request(meter(number))
        assert endpoint is not None
        given.append(endpoint)
        table.remove(endpoint)
    assert given[:-1] == list(range(FIRST_MIRROR, LAST_MIRROR + 1))
    assert given[-1] == FIRST_MIRROR


def test_a_device_that_goes_frees_all_that_it_had() -> None:
    table = MirrorTable(4)
    for peer in (meter(1), meter(2), meter(1, 11)):
        table.request(peer)
    assert table.forget(meter(1).ieee) == [FIRST_MIRROR, FIRST_MIRROR + 2]
    assert [peer for _, peer in table] == [meter(2)]
    assert table.forget(meter(1).ieee) == []


def test_mirrors_are_taken_up_after_a_restart_unless_they_are_off() -> None:
    kept = [(FIRST_MIRROR + 3, meter(1)), (FIRST_MIRROR + 4, meter(1)), (1, meter(2)), (FIRST_MIRROR + 9, meter(3))]
    table = MirrorTable(1)
    table.load(kept)
    assert list(table) == [(FIRST_MIRROR + 3, meter(1)), (FIRST_MIRROR + 9, meter(3))]
    assert table.request(meter(4)) is None
    assert table.request(meter(3)) == FIRST_MIRROR + 9
    off = MirrorTable(0)
    off.load(kept)
    assert (list(off), off.request(meter(1))) == ([], None)


# -- what a mirror tells -----------------------------------------------------------------------------------------------


def told(attribute: int, data_type: int, value: Value, **more: object) -> AttributeValue:
    fields: dict[str, object] = {"endpoint": 10, "cluster": METERING, "time": AT, "source": "report", **more}
    return AttributeValue(attribute=attribute, data_type=data_type, value=value, **fields)  # type: ignore[arg-type]


class Mirrored:
    """A mirror of a device, and what its meter has written to it."""

    def __init__(self, *values: AttributeValue, cluster: int = METERING) -> None:
        self.member = Member(meter(1).ieee, "han")
        self.member.keep(values)
        self.written: list[tuple[int, int, int, Value]] = []
        self.is_there = True
        self.side = MirroredCluster(
            cluster, meter(1), lambda: self.member if self.is_there else None, lambda *row: self.written.append(row)
        )

    def facing(self, peer: Peer) -> MirroredCluster:
        frame = ApsFrame(
            profile=Profile.SMART_ENERGY, cluster=METERING, source_endpoint=peer.endpoint, destination_endpoint=0x80,
            payload=b"", source=0x1234, source_ieee=peer.ieee,
        )  # fmt: skip
        found = self.side.facing(frame)
        assert isinstance(found, MirroredCluster)
        return found


def test_a_mirror_has_the_meters_own_attributes_and_types() -> None:
    mirror = Mirrored(
        told(0x0000, UINT48, 1234),
        told(0x0300, ENUM8, 0x81),
        told(0x0301, UINT16, 7),  # not the standard's type: the meter's
        told(0x0001, UINT48, 5, endpoint=11),  # another meter in the same device
        told(0x0002, UINT48, None, status=0x86),  # it has none
        told(0xFFFD, UINT16, 9),
        told(0x0005, UINT16, 3, manufacturer=MAKER),
    )
    side = mirror.side
    rows = {(row.manufacturer, row.id): row for row in side.attributes}
    assert set(rows) == {(None, 0x0000), (None, 0x0007), (None, 0x0300), (None, 0x0301), (None, 0xFFFD), (MAKER, 5)}
    assert (rows[None, 0x0301].type, rows[None, 0x0301].get(0)) == (UINT16, 7)
    assert rows[None, 0x0300].get(0) == 0x81
    assert rows[None, 0xFFFD].get(0) == 1  # ours
    assert side.manufacturers == {None, MAKER}
    assert (rows[None, 0x0000].reportable, rows[None, 0x0301].reportable) == (True, False)
    assert side.read(0x0001, 0).status is Status.UNSUPPORTED_ATTRIBUTE


@pytest.mark.parametrize(("kind", "shown"), [(0, 127), (1, 128), (2, 129), (9, 136), (128, 128)])
def test_the_device_type_says_that_it_is_a_mirror(kind: int, shown: int) -> None:
    assert Mirrored(told(0x0306, MAP8, kind)).side.read(0x0306, 0).value == shown


def test_how_old_counts_are_is_told_by_the_meter_or_by_when_they_came() -> None:
    later = AT.replace(hour=13)
    mirror = Mirrored(told(0x0000, UINT48, 1), told(0x0001, UINT48, 2, time=later), told(0x0200, MAP8, 0))
    assert mirror.side.read(0x0007, 0).value == to_utc(later)
    mirror.member.keep((told(0x0007, UTC_TIME, 42, time=later),))
    assert mirror.side.read(0x0007, 0).value == 42
    nothing = Mirrored(told(0x0200, MAP8, 0))
    assert (nothing.side.read(0x0007, 0).status, nothing.side.read(0x0007, 0).value) == (Status.SUCCESS, None)
    mirror.is_there = False
    assert mirror.side.read(0x0007, 0).value is None
    assert mirror.side.read(0x0000, 0).status is Status.UNSUPPORTED_ATTRIBUTE


def test_basic_of_a_mirror_is_the_meters_with_what_it_must_have() -> None:
    values = (replace(told(0x0005, 0x42, "gas"), cluster=BASIC), replace(told(0x0007, ENUM8, 1), cluster=BASIC))
    side = Mirrored(*values, cluster=BASIC).side
    assert [side.read(number, 0).value for number in (0x0000, 0x0005, 0x0007)] == [3, "gas", 1]
    assert Mirrored(cluster=BASIC).side.read(0x0007, 0).value == 3  # a battery


def test_the_meter_alone_writes_and_only_what_fits() -> None:
    mirror = Mirrored(told(0x0000, UINT48, 1), told(0x0301, UINT16, 7))
    own, others = mirror.facing(meter(1)), mirror.facing(meter(2))
    assert mirror.facing(meter(1, 11)) is mirror.side  # another meter in the same device is another one
    assert others.write(0x0000, UINT48, 2, 0) is Status.READ_ONLY
    assert others.write(0x0200, MAP8, 2, 0) is Status.UNSUPPORTED_ATTRIBUTE
    assert own.write(0x0000, UINT48, 2, 0) is Status.SUCCESS
    assert own.write(0x0301, UINT16, 8, 0) is Status.SUCCESS  # as it told it before
    assert own.write(0x0200, MAP8, None, 0) is Status.SUCCESS  # the invalid value
    assert own.write(0x0007, UTC_TIME, 99, 0) is Status.SUCCESS
    assert own.write(0x0300, UINT16, 1, 0) is Status.INVALID_DATA_TYPE
    assert own.write(0x7ABC, UINT16, 1, 0) is Status.UNSUPPORTED_ATTRIBUTE
    assert own.write(0xFFFD, UINT16, 1, 0) is Status.READ_ONLY
    assert mirror.written == [
        (METERING, 0x0000, UINT48, 2),
        (METERING, 0x0301, UINT16, 8),
        (METERING, 0x0200, MAP8, None),
        (METERING, 0x0007, UTC_TIME, 99),
    ]


# -- what meters ask ---------------------------------------------------------------------------------------------------


class Mirroring:
    def __init__(self, *, has: bool) -> None:
        self.has = has
        self.asked: list[str] = []

    def requested(self, radio: str, frame: ApsFrame, header: ZclHeader) -> None:
        self.asked.append(f"request {radio}")

    def unwanted(self, radio: str, frame: ApsFrame, header: ZclHeader) -> bool:
        self.asked.append(f"remove {radio}")
        return self.has


def test_our_metering_client_takes_what_meters_send() -> None:
    frame = ApsFrame(
        profile=Profile.SMART_ENERGY, cluster=METERING, source_endpoint=10, destination_endpoint=0x5E, payload=b"",
    )  # fmt: skip

    def header(command: int, manufacturer: int | None = None) -> ZclHeader:
        return ZclHeader(FrameType.CLUSTER, Direction.TO_CLIENT, 7, command, False, manufacturer)

    mirroring = Mirroring(has=True)
    side = MeteringClientCluster("han", mirroring)
    assert side.command(header(0x01), b"", frame, 0).silent
    assert side.command(header(0x02), b"", frame, 0).silent
    mirroring.has = False
    assert side.command(header(0x02), b"", frame, 0).status is Status.NOT_FOUND
    assert mirroring.asked == ["request han", "remove han", "remove han"]
    profile = bytes.fromhex("00000000 05 00 00")
    assert side.command(header(0x00), profile, frame, 0).status is Status.SUCCESS
    assert side.command(header(0x77), b"", frame, 0).status is Status.UNSUP_CLUSTER_COMMAND
    assert side.command(header(0x01, MAKER), b"", frame, 0).status is not Status.SUCCESS
    assert len(mirroring.asked) == 3
