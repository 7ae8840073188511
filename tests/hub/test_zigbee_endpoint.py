"""The rules by which our endpoints answer: who gets a response, who a default response, who silence (ZCL8, 2.5.12)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.clock import ManualClock
from hub.zigbee.endpoint import LocalEndpoint, LocalEndpoints, default_response, is_request
from hub.zigbee.model import Side
from hub.zigbee.servers.base import ClusterServer
from hub.zigbee.servers.basic import BasicFacts, BasicServer
from hub.zigbee.servers.identify import IdentifyServer
from hub.zigbee.servers.utc_time import TimeServer
from protocols.aps import ApsFrame, Delivery, Security
from protocols.ids import Eui64
from protocols.zcl.general import RESPONSES
from protocols.zcl.header import Direction, FrameType, ZclHeader, parse_header
from protocols.zcl.status import Status

DISPLAY = Eui64(0x00137A00000123FC)
MAX_PAYLOAD = 60
BASIC, IDENTIFY, PRICE, ON_OFF, TIME = 0x0000, 0x0003, 0x0700, 0x0006, 0x000A


def endpoints(max_payload: int = MAX_PAYLOAD, *, radio_confirms: bool = False) -> LocalEndpoints:
    """An ESI on 0x5E, and a home automation gateway on 1."""
    tsn = count()

    def servers(endpoint: int) -> tuple[ClusterServer, ...]:
        time = TimeServer(ManualClock(), UTC, lambda: None)
        return BasicServer(BasicFacts()), IdentifyServer(endpoint, lambda *_: None), time

    return LocalEndpoints(
        (
            LocalEndpoint(endpoint=0x5E, profile=0x0109, device_type=0x0500, servers=servers(0x5E)),
            LocalEndpoint(endpoint=1, profile=0x0104, device_type=5, servers=servers(1), client_clusters=(ON_OFF,)),
        ),
        max_payload=max_payload,
        next_tsn=lambda: next(tsn) & 0xFF,
        radio_confirms=radio_confirms,
    )


def request(payload: str | bytes, cluster: int = BASIC, **changes: object) -> ApsFrame:
    """A frame to our endpoint 1."""
    frame = ApsFrame(
        profile=0x0104,
        cluster=cluster,
        source_endpoint=3,
        destination_endpoint=1,
        payload=bytes.fromhex(payload) if isinstance(payload, str) else payload,
        source=0x1234,
        source_ieee=DISPLAY,
        destination=0,
    )
    return replace(frame, **changes)  # type: ignore[arg-type]


def bodies(frame: ApsFrame, **options: bool) -> list[str]:
    """The payloads that answer a frame, as hex."""
    return [found.payload.hex() for found in endpoints(**options).handle(frame, 0.0)]


def test_a_read_is_answered_to_its_sender_with_the_endpoints_swapped_and_the_same_security() -> None:
    frame = request("10 2a 00 0000", security=Security.LINK_KEY)
    [answer] = endpoints().handle(frame, 0.0)
    assert answer == ApsFrame(
        profile=0x0104,
        cluster=BASIC,
        source_endpoint=1,
        destination_endpoint=3,
        payload=bytes.fromhex("18 2a 01 0000 00 20 08"),
        destination=0x1234,
        destination_ieee=DISPLAY,
        security=Security.LINK_KEY,
    )


def test_an_unknown_cluster_command_gets_a_default_response_although_the_sender_wants_none() -> None:
    assert bodies(request("11 07 55", IDENTIFY)) == ["18070b5581"]


def test_success_is_told_unless_the_sender_asks_not_to() -> None:
    assert bodies(request("01 07 00 0500", IDENTIFY)) == ["18070b0000"]
    assert bodies(request("11 07 00 0500", IDENTIFY)) == []


def test_a_radio_that_confirms_success_itself_is_left_to_do_so_but_failures_are_ours() -> None:
    assert bodies(request("01 07 00 0500", IDENTIFY), radio_confirms=True) == []
    assert bodies(request("01 07 55", IDENTIFY), radio_confirms=True) == ["18070b5581"]


@pytest.mark.parametrize(
    "changes",
    [
        {"delivery": Delivery.BROADCAST, "destination": 0xFFFD},
        {"delivery": Delivery.GROUP, "destination": 0x0010},
        {"destination_endpoint": 0xFF},
        {"destination": 0xFFFF, "destination_endpoint": 0xFF},
    ],
)
def test_what_many_hear_gets_no_default_response_but_its_own_response(changes: dict[str, object]) -> None:
    assert bodies(request("01 07 55", IDENTIFY, **changes)) == []
    assert bodies(request("01 07 00 0500", IDENTIFY, **changes)) == []
    assert bodies(request("00 07 00 0700", BASIC, **changes)) == ["1807010700003001"]


def test_the_broadcast_endpoint_reaches_every_endpoint_of_the_profile() -> None:
    hosted = endpoints()
    hosted.add(LocalEndpoint(endpoint=2, profile=0x0104, device_type=5, servers=(BasicServer(BasicFacts()),)))
    found = hosted.handle(request("00 07 00 0000", destination_endpoint=0xFF), 0.0)
    assert [answer.source_endpoint for answer in found] == [1, 2]


@pytest.mark.parametrize("command", sorted(RESPONSES))
def test_a_general_response_is_never_answered(command: int) -> None:
    assert not is_request(ZclHeader(FrameType.GENERAL, Direction.TO_SERVER, 1, command))
    assert bodies(request(bytes((0x00, 1, command, 0x00, 0x86)))) == []


@pytest.mark.parametrize("changes", [{"destination_endpoint": 7}, {"profile": 0x0105}, {"destination_endpoint": 0x5E}])
def test_an_endpoint_or_profile_that_is_not_ours_gets_silence(changes: dict[str, object]) -> None:
    assert bodies(request("00 07 00 0000", BASIC, **changes)) == []


def test_the_wildcard_profile_is_answered_in_the_endpoints_own() -> None:
    [answer] = endpoints().handle(request("00 07 00 0000", profile=0xFFFF), 0.0)
    assert answer.profile == 0x0104


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        ("01 09 00", "18090b00c3"),
        ("00 09 00 0000", "18090b00c3"),
        ("11 09 00", "18090b00c3"),
    ],
)
def test_a_cluster_that_the_endpoint_does_not_have_is_unsupported(payload: str, answer: str) -> None:
    assert bodies(request(payload, PRICE)) == [answer]


def test_the_other_side_of_a_cluster_is_not_this_side() -> None:
    # On/Off is there as a client: a command to a server of it finds none, one from a server is taken.
    assert bodies(request("01 09 01", ON_OFF)) == ["18090b01c3"]
    assert bodies(request("08 09 00 0000", ON_OFF)) == ["1009010000" + "86"]


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        ("00 09 2a", "18090b2a82"),
        ("01 09 2a", "18090b2a81"),
        ("05 5f11 09 2a", "1c5f11090b2a83"),
        ("04 5f11 09 00 0000", "1c5f11090b0084"),
        ("04 5f11 09 06 00 0000 20 0100 0100 01", "1c5f11090b0684"),
    ],
)
def test_unknown_commands_say_whose_they_are(payload: str, answer: str) -> None:
    assert bodies(request(payload, IDENTIFY)) == [answer]


@pytest.mark.parametrize(
    ("payload", "cluster"),
    [
        ("01 09 00 05", IDENTIFY),  # half a number of seconds
        ("01 09 40 00", IDENTIFY),
        ("00 09 00 000004", BASIC),  # half an attribute id
        ("00 09 00", BASIC),  # nothing to read
        ("00 09 02 1000 42 05 61", BASIC),  # a string that breaks off
        ("00 09 0c 0000", BASIC),
        ("00 09 11 00", BASIC),
        ("00 09 06 00 0000 20 01", BASIC),
        ("00 09 08 00", BASIC),
        ("00 09 0a 0000 20", BASIC),
    ],
)
def test_what_is_cut_short_is_malformed(payload: str, cluster: int) -> None:
    [answer] = bodies(request(payload, cluster))
    assert answer == "18090b" + bytes.fromhex(payload)[2:3].hex() + "80"


def test_bytes_behind_the_last_field_are_ignored_as_a_newer_revision() -> None:
    assert bodies(request("01 09 00 0500 aabb", IDENTIFY)) == ["18090b0000"]
    assert bodies(request("00 09 0c 0000 01 ffff")) == ["18090d" + "00" + "000020"]


def test_a_report_is_only_acknowledged_whatever_its_cluster() -> None:
    assert bodies(request("08 09 0a 0000 29 c409", 0x0402)) == ["10090b0a00"]
    assert bodies(request("18 09 0a 0000 29 c409", 0x0402)) == []


def test_a_sender_whom_the_radio_does_not_tell_cannot_be_answered() -> None:
    assert bodies(request("00 09 00 0000", source=None, source_ieee=None)) == []
    [answer] = endpoints().handle(request("00 09 00 0000", source=None), 0.0)
    assert (answer.destination, answer.destination_ieee) == (None, DISPLAY)


@pytest.mark.parametrize("payload", ["", "00", "00 09", "04 5f11 09"])
def test_a_frame_without_a_whole_header_has_nothing_to_be_answered_to(payload: str) -> None:
    assert bodies(request(payload)) == []


@pytest.mark.parametrize("frame_type", [FrameType.RESERVED_2, FrameType.RESERVED_3])
def test_a_reserved_frame_type_gets_silence(frame_type: FrameType) -> None:
    assert bodies(request(bytes((frame_type, 9, 0, 0, 0)))) == []


def test_what_we_host_can_be_looked_up() -> None:
    hosted = endpoints()
    assert [row.endpoint for row in hosted] == [1, 0x5E]
    assert len(hosted) == 2
    server = hosted.hosted(1, BASIC, Side.SERVER)
    assert isinstance(server, BasicServer)
    assert hosted.hosted(1, BASIC, Side.CLIENT) is None
    assert hosted.hosted(7, BASIC, Side.SERVER) is None


def test_a_default_response_keeps_the_manufacturer_code_and_turns_the_direction() -> None:
    header, _ = parse_header(bytes.fromhex("0d 5f11 21 02"))
    assert default_response(header, Status.SUCCESS).hex() == "145f11210b0200"


def test_the_simple_descriptor_lists_both_sides_in_order() -> None:
    class DemandClient(ClusterServer):
        CLUSTER, SIDE = 0x0701, Side.CLIENT

    endpoint = LocalEndpoint(
        endpoint=0x5E,
        profile=0x0109,
        device_type=0x0500,
        servers=(IdentifyServer(0x5E, lambda *_: None), BasicServer(BasicFacts()), DemandClient()),
        client_clusters=(0x0702, 0x0003),
    )
    # endpoint, profile, device, version, servers, clients: R21, 2.3.2.5
    assert endpoint.simple_descriptor().encode().hex() == "5e0901000501" + "0200000300" + "03030001070207"


def test_a_wrong_endpoint_says_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="endpoint is 241; allowed: 1 to 240"):
        LocalEndpoint(endpoint=241, profile=0x0104, device_type=5)
    with pytest.raises(ValueError, match="endpoint 1 hosts a cluster twice"):
        LocalEndpoint(
            endpoint=1, profile=0x0104, device_type=5, servers=(BasicServer(BasicFacts()), BasicServer(BasicFacts()))
        )
    with pytest.raises(ValueError, match="there is an endpoint 1 already"):
        endpoints().add(LocalEndpoint(endpoint=1, profile=0x0104, device_type=5))


@given(
    control=st.integers(0, 0xFF),
    command=st.integers(0, 0x18) | st.integers(0, 0xFF),
    rest=st.binary(max_size=90),
    cluster=st.sampled_from((BASIC, IDENTIFY, ON_OFF, PRICE, TIME)),
    endpoint=st.sampled_from((1, 2, 0x5E, 0xFF)),
    delivery=st.sampled_from(tuple(Delivery)),
    max_payload=st.sampled_from((40, 60, 82)),
)
def test_whatever_arrives_the_rules_hold(
    control: int, command: int, rest: bytes, cluster: int, endpoint: int, delivery: Delivery, max_payload: int
) -> None:
    frame = request(
        bytes((control,)) + (b"\x5f\x11" if control & 4 else b"") + bytes((7, command)) + rest,
        cluster,
        destination_endpoint=endpoint,
        delivery=delivery,
        profile=0xFFFF,
    )
    for answer in endpoints(max_payload).handle(frame, 1.0):
        asked, _ = parse_header(frame.payload)
        header, payload = parse_header(answer.payload)
        assert header.tsn == asked.tsn
        assert header.direction is not asked.direction
        assert header.manufacturer == asked.manufacturer
        assert header.disable_default_response
        assert (answer.destination, answer.destination_endpoint) == (0x1234, 3)
        assert answer.delivery is Delivery.UNICAST
        assert len(answer.payload) <= max_payload
        assert is_request(asked)
        if header.frame_type is FrameType.GENERAL and header.command == 0x0B:
            assert delivery is Delivery.UNICAST
            assert endpoint != 0xFF
            assert payload[0] == asked.command
            assert payload[1] != 0 or not asked.disable_default_response
        elif header.frame_type is FrameType.GENERAL:
            assert header.command in RESPONSES
