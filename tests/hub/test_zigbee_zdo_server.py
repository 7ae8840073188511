"""What we say of ourselves over ZDO; bytes after the layouts of Zigbee R21, 2.4."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.zigbee.endpoint import LocalEndpoint, LocalEndpoints
from hub.zigbee.servers.basic import BasicFacts, BasicServer
from hub.zigbee.zdo_server import MAX_BINDINGS, BindingTable, ZdoServer
from protocols.aps import ApsFrame, Delivery
from protocols.ids import Eui64
from protocols.zdo import RESPONSE_BIT, Binding, BindTarget, NeighbourRow, ZdoStatus

OURS, CHILD, ROUTER = Eui64(0x00158D0000000001), Eui64(0x00137A00000123FC), Eui64(0x00137A0000000777)
OURS_WIRE, CHILD_WIRE, ROUTER_WIRE = "01000000008d1500", "fc230100007a1300", "770700000 07a1300".replace(" ", "")
STRANGER_WIRE = "0102030405060708"


def neighbour(ieee: Eui64, short: int, flags: int) -> NeighbourRow:
    return NeighbourRow(0xDDDDDDDDDDDDDDDD, ieee, short, flags, 2, 1, 200)


@dataclass
class Facts:
    """A coordinator with a sleepy child and a router that it hears."""

    ieee: Eui64 = OURS
    short: int = 0x0000
    is_coordinator: bool = True
    rows: list[NeighbourRow] = field(
        default_factory=lambda: [neighbour(CHILD, 0x1A2B, 0x12), neighbour(ROUTER, 0x3C4D, 0x35)]
    )

    def neighbours(self) -> list[NeighbourRow]:
        return self.rows


class Bench:
    """A ZDO server with two endpoints."""

    def __init__(self, max_payload: int = 82) -> None:
        self.facts = Facts()
        self.changes = 0
        self.bindings = BindingTable(self._changed)
        endpoints = LocalEndpoints(
            (
                LocalEndpoint(
                    endpoint=1,
                    profile=0x0104,
                    device_type=0x0005,
                    servers=(BasicServer(BasicFacts()),),
                    client_clusters=(0x0006, 0x0402),
                ),
                LocalEndpoint(endpoint=0x5E, profile=0x0109, device_type=0x0500, servers=(BasicServer(BasicFacts()),)),
            ),
            max_payload=max_payload,
            next_tsn=lambda: 0,
        )
        self.server = ZdoServer(endpoints, self.facts, self.bindings, max_payload=max_payload)

    def _changed(self) -> None:
        self.changes += 1

    def frames(self, cluster: int, payload: str, *, broadcast: bool = False) -> list[ApsFrame]:
        """The answers to a request from 0x1234."""
        return self.server.handle(request(cluster, bytes.fromhex(payload), broadcast=broadcast))

    def said(self, cluster: int, payload: str, *, broadcast: bool = False) -> str:
        """The payload of the only answer, without its transaction number."""
        [answer] = self.frames(cluster, "77" + payload, broadcast=broadcast)
        assert answer.cluster == cluster | RESPONSE_BIT
        assert answer.payload[0] == 0x77
        return answer.payload[1:].hex()


def request(cluster: int, payload: bytes, *, broadcast: bool = False) -> ApsFrame:
    return ApsFrame(
        profile=0,
        cluster=cluster,
        source_endpoint=0,
        destination_endpoint=0,
        payload=payload,
        source=0x1234,
        destination=0xFFFD if broadcast else 0,
        delivery=Delivery.BROADCAST if broadcast else Delivery.UNICAST,
    )


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_answer_goes_from_endpoint_0_to_the_sender_alone(bench: Bench) -> None:
    [answer] = bench.frames(0x0005, "77 0000")
    assert answer == ApsFrame(
        profile=0,
        cluster=0x8005,
        source_endpoint=0,
        destination_endpoint=0,
        payload=bytes.fromhex("77 00 0000 02 01 5e"),
        destination=0x1234,
    )


def test_the_node_descriptor_is_that_of_a_coordinator_on_the_mains(bench: Bench) -> None:
    # flags, 2.4 GHz, MAC capability, manufacturer, buffer, incoming, servers of revision 21, outgoing, capability
    assert bench.said(0x0002, "0000") == "000000" + "00408e0000525200412a520000"
    bench.facts.is_coordinator = False
    assert bench.said(0x0002, "0000") == "000000" + "01408e0000525200002a520000"


def test_the_power_descriptor_says_mains(bench: Bench) -> None:
    assert bench.said(0x0003, "0000") == "000000" + "10c1"


@pytest.mark.parametrize("cluster", [0x0002, 0x0003])
def test_of_others_there_is_no_descriptor(bench: Bench, cluster: int) -> None:
    assert bench.said(cluster, "2b1a") == "892b1a"  # our child
    assert bench.said(cluster, "4d3c") == "814d3c"  # a router


def test_active_endpoints_of_others_are_none(bench: Bench) -> None:
    assert bench.said(0x0005, "4d3c") == "814d3c00"


def test_simple_descriptors(bench: Bench) -> None:
    assert bench.said(0x0004, "0000 01") == "000000" + "0e" + "010401050001" + "010000" + "0206000204"
    assert bench.said(0x0004, "0000 5e") == "000000" + "0a" + "5e0901000501" + "010000" + "00"


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("0000 02", "83000000"),
        ("0000 00", "82000000"),
        ("0000 f1", "82000000"),
        ("2b1a 01", "892b1a00"),
        ("9999 01", "81999900"),
    ],
)
def test_an_endpoint_that_is_not_there_has_a_descriptor_of_length_0(bench: Bench, asked: str, answer: str) -> None:
    assert bench.said(0x0004, asked) == answer


@pytest.mark.parametrize(
    ("asked", "endpoints"),
    [
        ("0000 0401 01 0000 00", "0101"),
        ("0000 0901 01 0000 00", "015e"),
        ("0000 ffff 01 0000 00", "02015e"),
        ("fdff 0401 00 02 0300 0600", "0101"),
        ("ffff 0401 01 9999 01 0204", "0101"),
    ],
)
def test_match_descriptor_finds_one_cluster_of_either_list(bench: Bench, asked: str, endpoints: str) -> None:
    assert bench.said(0x0006, asked) == "000000" + endpoints
    assert bench.said(0x0006, asked, broadcast=True) == "000000" + endpoints


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("0000 0401 01 0600 00", "86000000"),  # On/Off is there as a client only
        ("0000 5ec0 01 0000 00", "86000000"),
        ("0000 0401 00 00", "86000000"),
        ("2b1a 0401 01 0000 00", "892b1a00"),
        ("4d3c 0401 01 0000 00", "814d3c00"),
    ],
)
def test_no_match_is_told_to_one_who_asks_us_and_not_to_a_broadcast(bench: Bench, asked: str, answer: str) -> None:
    assert bench.said(0x0006, asked) == answer
    assert bench.frames(0x0006, "77" + asked, broadcast=True) == []


def test_addresses_of_ours_and_of_our_children_are_told_also_to_a_broadcast(bench: Bench) -> None:
    for broadcast in (False, True):
        assert bench.said(0x0000, OURS_WIRE + "0000", broadcast=broadcast) == "00" + OURS_WIRE + "0000"
        assert bench.said(0x0000, CHILD_WIRE + "0000", broadcast=broadcast) == "00" + CHILD_WIRE + "2b1a"
        assert bench.said(0x0001, "0000 0000", broadcast=broadcast) == "00" + OURS_WIRE + "0000"
        assert bench.said(0x0001, "2b1a 0000", broadcast=broadcast) == "00" + CHILD_WIRE + "2b1a"


def test_addresses_of_others_are_not_found_and_to_a_broadcast_not_even_that(bench: Bench) -> None:
    assert bench.said(0x0000, ROUTER_WIRE + "0000") == "81" + ROUTER_WIRE + "ffff"
    assert bench.said(0x0001, "4d3c 0000") == "81" + "ff" * 8 + "4d3c"
    assert bench.frames(0x0000, "77" + ROUTER_WIRE + "0000", broadcast=True) == []
    assert bench.frames(0x0001, "77" + "4d3c0000", broadcast=True) == []


def test_an_extended_answer_lists_our_children_from_where_it_was_asked(bench: Bench) -> None:
    bench.facts.rows.append(neighbour(Eui64(5), 0x5E6F, 0x12))
    head = "00" + OURS_WIRE + "0000"
    assert bench.said(0x0000, OURS_WIRE + "0100") == head + "0200" + "2b1a" + "6f5e"
    assert bench.said(0x0001, "0000 0101") == head + "0201" + "6f5e"
    assert bench.said(0x0001, "0000 0109") == head + "0209"
    bench.facts.rows.clear()
    assert bench.said(0x0000, OURS_WIRE + "0100") == head + "00"


def test_a_request_type_that_nobody_knows_is_refused(bench: Bench) -> None:
    assert bench.said(0x0000, OURS_WIRE + "0700") == "80" + OURS_WIRE + "0000"
    assert bench.frames(0x0000, "77" + OURS_WIRE + "0700", broadcast=True) == []


BIND = OURS_WIRE + "01" + "0000" + "03" + CHILD_WIRE + "02"
BIND_GROUP = OURS_WIRE + "01" + "0000" + "01" + "1000"


def test_bindings_are_made_listed_and_undone(bench: Bench) -> None:
    assert bench.said(0x0021, BIND) == "00"
    assert bench.said(0x0021, BIND_GROUP) == "00"
    assert bench.said(0x0021, BIND) == "00"
    assert bench.changes == 2
    assert bench.bindings.targets(1, 0x0000) == (BindTarget(ieee=CHILD, endpoint=2), BindTarget(group=0x0010))
    assert bench.bindings.targets(1, 0x0001) == ()
    assert bench.said(0x0033, "00") == "00020002" + BIND + BIND_GROUP
    assert bench.said(0x0033, "01") == "00020101" + BIND_GROUP
    assert bench.said(0x0033, "05") == "00020500"
    assert bench.said(0x0022, BIND) == "00"
    assert bench.said(0x0022, BIND) == "88"
    assert bench.changes == 3
    assert bench.said(0x0033, "00") == "00010001" + BIND_GROUP


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (STRANGER_WIRE + BIND[16:], "84"),
        (OURS_WIRE + "07" + BIND[18:], "82"),
        (OURS_WIRE + "01" + "0000" + "02" + CHILD_WIRE + "02", "80"),  # an address mode that bindings do not have
        (BIND[:-2], "80"),
    ],
)
def test_a_binding_that_cannot_be_is_refused(bench: Bench, asked: str, status: str) -> None:
    assert bench.said(0x0021, asked) == status
    assert bench.said(0x0022, asked) == status
    assert bench.bindings.rows() == ()


def test_the_binding_table_is_bounded_and_a_table_too_long_for_a_frame_is_told_in_parts(bench: Bench) -> None:
    for number in range(MAX_BINDINGS):
        target = BindTarget(ieee=Eui64(number), endpoint=1)
        assert bench.bindings.add(Binding(OURS, 1, 0x0000, target)) is ZdoStatus.SUCCESS
    assert bench.said(0x0021, BIND) == "8c"
    told: list[str] = []
    while len(told) < MAX_BINDINGS:
        part = bytes.fromhex(bench.said(0x0033, f"{len(told):02x}"))
        assert part[:3] == bytes((0, MAX_BINDINGS, len(told)))
        assert 0 < part[3] == (len(part) - 4) // 21 <= 3
        told.extend(part[4 + 21 * row : 25 + 21 * row].hex() for row in range(part[3]))
    assert len(set(told)) == MAX_BINDINGS


def test_bindings_outlive_a_restart_and_another_stick(bench: Bench) -> None:
    bench.said(0x0021, BIND)
    after = Bench()
    after.bindings.load(bench.bindings.rows())
    after.facts.ieee = ROUTER
    assert after.said(0x0033, "00") == "00010001" + ROUTER_WIRE + BIND[16:]
    assert after.said(0x0022, ROUTER_WIRE + BIND[16:]) == "00"
    assert after.bindings.rows() == ()


def test_a_device_that_has_gone_is_bound_no_more(bench: Bench) -> None:
    bench.said(0x0021, BIND)
    bench.said(0x0021, BIND_GROUP)
    bench.bindings.forget(CHILD)
    bench.bindings.forget(CHILD)
    assert bench.bindings.targets(1, 0x0000) == (BindTarget(group=0x0010),)
    assert bench.changes == 3


def test_the_neighbour_table_is_told_in_parts() -> None:
    bench = Bench(max_payload=30)
    row = "dd" * 8 + CHILD_WIRE + "2b1a" + "12" + "02" + "01" + "c8"
    assert bench.said(0x0031, "00") == "00020001" + row
    assert bench.said(0x0031, "01") == "00020101" + "dd" * 8 + ROUTER_WIRE + "4d3c" + "35" + "02" + "01" + "c8"
    assert bench.said(0x0031, "02") == "00020200"


def test_nobody_on_the_network_makes_us_leave_or_open_joining(bench: Bench) -> None:
    assert bench.said(0x0034, "00" * 8 + "00") == "8d"
    assert bench.said(0x0036, "b400") == "8d"
    assert bench.frames(0x0036, "77b401", broadcast=True) == []


@pytest.mark.parametrize("cluster", [0x0010, 0x0032, 0x0038, 0x0999])
def test_what_we_do_not_know_is_not_supported(bench: Bench, cluster: int) -> None:
    assert bench.said(cluster, "00f8ff0702010000") == "84"
    assert bench.frames(cluster, "7700f8ff0702010000", broadcast=True) == []


@pytest.mark.parametrize(
    ("cluster", "payload"),
    [(0x0013, "2b1a" + CHILD_WIRE + "80"), (0x001F, "01" + CHILD_WIRE), (0x8005, "00000000"), (0x8999, "00")],
)
def test_announcements_and_responses_get_no_answer(bench: Bench, cluster: int, payload: str) -> None:
    assert bench.frames(cluster, "77" + payload) == []


def test_a_request_cut_short_is_refused_and_one_without_a_number_is_not_answered(bench: Bench) -> None:
    assert bench.said(0x0004, "0000") == "80"
    assert bench.frames(0x0004, "") == []
    assert bench.frames(0x0004, "770000", broadcast=True) == []


def test_frames_to_other_endpoints_or_profiles_are_not_ours(bench: Bench) -> None:
    frame = request(0x0005, bytes.fromhex("770000"))
    assert bench.server.handle(replace(frame, destination_endpoint=1)) == []
    assert bench.server.handle(replace(frame, profile=0x0104)) == []
    assert bench.server.handle(replace(frame, source=None)) == []
    assert len(bench.server.handle(frame)) == 1


@given(
    cluster=st.one_of(st.integers(0, 0x40), st.integers(0, 0xFFFF)),
    payload=st.binary(max_size=40),
    broadcast=st.booleans(),
    max_payload=st.sampled_from((40, 82)),
)
def test_whatever_arrives_there_is_one_answer_at_most_and_it_fits(
    cluster: int, payload: bytes, broadcast: bool, max_payload: int
) -> None:
    found = Bench(max_payload).server.handle(request(cluster, payload, broadcast=broadcast))
    assert len(found) <= 1
    for answer in found:
        assert not cluster & RESPONSE_BIT
        assert answer.cluster == cluster | RESPONSE_BIT
        assert answer.payload[0] == payload[0]
        assert len(answer.payload) <= max_payload
        if broadcast:
            assert answer.payload[1] == ZdoStatus.SUCCESS
