"""Reports of our own attributes: by time, by change, to whom, and how they are configured (ZCL8, 2.5.7 to 2.5.11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.zigbee.endpoint import LocalEndpoint, LocalEndpoints
from hub.zigbee.model import Side
from hub.zigbee.own_reporting import CHECK_INTERVAL_S, MAX_CONFIGURATIONS, MAX_EXPECTED, MAX_SUBSCRIBERS, Subscriber
from hub.zigbee.servers.base import ClusterServer, HostedAttribute, constant
from protocols.aps import ApsFrame, Delivery, Security
from protocols.ids import Eui64
from protocols.zcl.datatypes import INT24, MAP8, STRING, UINT8, Value
from protocols.zcl.status import Status
from protocols.zdo import BindTarget

DISPLAY, OTHER = Eui64(0x00137A00000123FC), Eui64(0x00137A0000000777)
METERING = 0x0702


@dataclass
class Bench:
    """A meter on endpoint 0x5E whose values a test sets."""

    max_payload: int = 60
    more: tuple[HostedAttribute, ...] = ()
    side: Side = Side.SERVER
    demand: Value = 1000
    status: Value = 0
    bound: tuple[BindTarget, ...] = ()
    changes: int = 0
    tsn: int = 0
    endpoints: LocalEndpoints = field(init=False)

    def __post_init__(self) -> None:
        class Meter(ClusterServer):
            CLUSTER, SIDE = METERING, self.side

        rows = (
            HostedAttribute(id=0x0400, name="demand", type=INT24, get=lambda _: self.demand, reportable=True),
            HostedAttribute(id=0x0200, name="status", type=MAP8, get=lambda _: self.status, reportable=True),
            HostedAttribute(id=0x0300, name="unit", type=UINT8, get=constant(0)),
        )
        endpoint = LocalEndpoint(
            endpoint=0x5E, profile=0x0109, device_type=0x0501, servers=(Meter((*rows, *self.more)),)
        )
        self.endpoints = LocalEndpoints(
            (endpoint,),
            max_payload=self.max_payload,
            next_tsn=self._next_tsn,
            bound=lambda number, cluster: self.bound if (number, cluster) == (0x5E, METERING) else (),
            on_reporting_changed=self._changed,
        )

    def _next_tsn(self) -> int:
        self.tsn += 1
        return self.tsn & 0xFF

    def _changed(self) -> None:
        self.changes += 1

    def ask(self, payload: str, now: float = 0.0, sender: Eui64 = DISPLAY, short: int = 0x1234) -> str:
        """The payload of the only answer to a frame from endpoint 9 of a device."""
        frame = ApsFrame(
            profile=0x0109,
            cluster=METERING,
            source_endpoint=9,
            destination_endpoint=0x5E,
            payload=bytes.fromhex(payload),
            source=short,
            source_ieee=sender,
            security=Security.LINK_KEY,
        )
        [answer] = self.endpoints.handle(frame, now)
        return answer.payload.hex()

    def due(self, now: float) -> list[str]:
        """The reports of a moment, as hex without their transaction number."""
        found = [frame.payload for frame in self.endpoints.reporting.due(now)]
        return [payload[:1].hex() + " " + payload[2:].hex() for payload in found]


DEMAND = "00 07 06 00 0004 2a 0a00 3c00 320000"
"""Report the demand at least every 60 s, at most every 10 s, upon a change of 50."""
DONE = "18070700"


def report(demand: int) -> str:
    return "18 0a" + "00042a" + demand.to_bytes(3, "little", signed=True).hex()


def test_a_report_comes_after_the_maximum_interval_although_nothing_changes() -> None:
    bench = Bench()
    assert bench.ask(DEMAND, now=100.0) == DONE
    assert bench.due(159.9) == []
    assert bench.due(160.0) == [report(1000)]
    assert bench.due(160.0) == []
    assert bench.due(220.0) == [report(1000)]


def test_a_change_is_reported_once_it_is_large_enough_and_the_minimum_interval_is_over() -> None:
    bench = Bench()
    bench.ask(DEMAND)
    bench.demand = 1049
    assert bench.due(20.0) == []
    bench.demand = 950
    assert bench.due(9.9) == []
    assert bench.due(21.0) == [report(950)]
    bench.demand = 1100
    assert bench.due(30.9) == []
    assert bench.due(31.0) == [report(1100)]
    bench.demand = 1060
    assert bench.due(50.0) == []
    assert bench.due(91.0) == [report(1060)]


def test_a_value_that_becomes_invalid_or_valid_has_changed() -> None:
    bench = Bench()
    bench.ask(DEMAND)
    bench.demand = None
    assert bench.due(10.0) == ["18 0a" + "00042a" + "000080"]
    bench.demand = 1000
    assert bench.due(20.0) == [report(1000)]


def test_a_maximum_of_0_reports_by_change_only_and_a_discrete_value_by_any_change() -> None:
    bench = Bench()
    assert bench.ask("00 07 06 00 0002 18 0000 0000") == DONE
    assert bench.due(1e6) == []
    bench.status = 1
    assert bench.due(1e6) == ["18 0a" + "000218" + "01"]
    bench.status = 0
    # A minimum of 0 does not mean a report at every look: one a second is the most.
    assert bench.due(1e6 + CHECK_INTERVAL_S / 2) == []
    assert bench.due(1e6 + CHECK_INTERVAL_S) == ["18 0a" + "000218" + "00"]


@pytest.mark.parametrize("stop", ["0a00 ffff 320000", "ffff 0000 320000", "0000 ffff 000000"])
def test_reporting_is_stopped_by_a_maximum_of_never(stop: str) -> None:
    bench = Bench()
    bench.ask(DEMAND)
    assert bench.ask(f"00 07 06 00 0004 2a {stop}") == DONE
    assert bench.due(1e6) == []
    assert bench.endpoints.reporting.rows() == ()
    assert bench.endpoints.reporting.next_due(0.0) is None
    assert bench.changes == 2


@pytest.mark.parametrize(
    ("record", "status"),
    [
        ("00 9999 20 0100 0200 01", "86 00 9999"),
        ("00 0003 20 0100 0200 01", "8c 00 0003"),
        ("00 0004 2b 0100 0200 01000000", "8d 00 0004"),
        ("00 0004 2a 0b00 0a00 010000", "87 00 0004"),
    ],
)
def test_what_cannot_be_reported_is_refused_and_the_rest_configured(record: str, status: str) -> None:
    bench = Bench()
    assert bench.ask(f"00 07 06 {record} 00 0002 18 0000 0a00") == "180707" + status.replace(" ", "")
    assert [row.attribute for row in bench.endpoints.reporting.rows()] == [0x0200]


def test_a_configuration_cut_short_changes_nothing() -> None:
    bench = Bench()
    assert bench.ask("00 07 06 00 0002 18 0000 0a00 00 0004 2a 01") == "18070b0680"
    assert bench.ask("00 07 06") == "18070b0680"
    assert bench.ask("00 07 08 00 00") == "18070b0880"
    assert bench.endpoints.reporting.rows() == ()


def test_the_configuration_can_be_read_back() -> None:
    bench = Bench()
    bench.ask(DEMAND)
    assert bench.ask("00 08 08 00 0004 00 0002 00 0003 00 9999 01 0004 02 0004") == (
        "180809" + "00000004" + "2a0a003c00320000" + "8b000002" + "8c000003" + "86009999" + "8b010004" + "87020004"
    )


def test_what_others_will_report_to_us_is_remembered_for_each() -> None:
    bench = Bench()
    assert bench.ask("00 07 06 01 0004 2c01") == DONE
    assert bench.ask("00 08 08 01 0004") == "180809" + "00010004" + "2c01"
    assert bench.ask("00 08 08 01 0004", sender=OTHER, short=0x4321) == "180809" + "8b010004"


def test_reports_go_to_who_configured_them_by_extended_address_with_the_security_of_the_request() -> None:
    bench = Bench()
    bench.ask(DEMAND)
    bench.ask(DEMAND, sender=OTHER, short=0x4321)
    bench.ask(DEMAND, sender=OTHER, short=0x5555)  # the same device at another network address
    frames = bench.endpoints.reporting.due(60.0)
    assert frames == [
        ApsFrame(
            profile=0x0109,
            cluster=METERING,
            source_endpoint=0x5E,
            destination_endpoint=9,
            payload=bytes((0x18, number)) + bytes.fromhex("0a 0004 2a e80300"),
            destination_ieee=ieee,
            security=Security.LINK_KEY,
        )
        for number, ieee in ((1, DISPLAY), (2, OTHER))
    ]


def test_bindings_say_where_reports_go_if_there_are_any() -> None:
    bench = Bench()
    bench.ask(DEMAND)
    bench.bound = (BindTarget(ieee=OTHER, endpoint=4), BindTarget(group=0x0010))
    first, second = bench.endpoints.reporting.due(60.0)
    assert (first.destination_ieee, first.destination, first.destination_endpoint) == (OTHER, None, 4)
    assert (first.delivery, first.security) == (Delivery.UNICAST, Security.LINK_KEY)
    assert (second.delivery, second.destination, second.destination_ieee) == (Delivery.GROUP, 0x0010, None)
    assert second.security is Security.NETWORK


def test_attributes_that_are_due_together_share_a_frame_as_far_as_they_fit() -> None:
    texts = tuple(
        HostedAttribute(id=number, name=f"t{number}", type=STRING, get=constant("x" * 20), reportable=True)
        for number in range(1, 4)
    )
    bench = Bench(max_payload=60, more=texts)
    bench.ask("00 07 06 00 0100 42 0000 0a00 00 0200 42 0000 0a00 00 0300 42 0000 0a00")
    text = "42" + "14" + "78" * 20
    assert bench.due(10.0) == ["18 0a" + "0100" + text + "0200" + text, "18 0a" + "0300" + text]


def test_an_attribute_that_fits_no_frame_does_not_stop_the_others() -> None:
    long = HostedAttribute(id=1, name="long", type=STRING, get=constant("x" * 80), reportable=True)
    bench = Bench(more=(long,))
    bench.ask("00 07 06 00 0100 42 0000 0a00 00 0002 18 0000 0a00")
    assert bench.due(10.0) == ["18 0a" + "000218" + "00"]


def test_a_value_that_cannot_be_encoded_does_not_stop_the_others() -> None:
    bench = Bench()
    bench.ask(DEMAND)
    bench.ask("00 07 06 00 0002 18 0000 3c00")
    bench.status = 300
    assert bench.due(60.0) == [report(1000)]


def test_a_client_reports_to_the_server() -> None:
    bench = Bench(side=Side.CLIENT)
    assert bench.ask("08 07 06 00 0004 2a 0a00 3c00 320000") == "10070700"
    assert bench.due(60.0) == ["10 0a" + "00042a" + "e80300"]


def test_a_manufacturer_without_attributes_here_has_no_reporting_either() -> None:
    assert Bench().ask("04 5f11 07 06 00 0004 2a 0a00 3c00 320000") == "1c5f11070b0684"


def test_next_due_tells_when_to_look_again() -> None:
    bench = Bench()
    bench.ask(DEMAND, now=100.0)
    reporting = bench.endpoints.reporting
    assert reporting.next_due(100.0) == 110.0  # nothing can be due before the minimum is over
    assert reporting.next_due(120.0) == 120.0 + CHECK_INTERVAL_S
    assert reporting.next_due(159.5) == 160.0
    assert reporting.next_due(500.0) == 500.0


def test_configurations_outlive_a_restart_and_those_of_what_is_gone_are_dropped() -> None:
    bench = Bench()
    bench.ask(DEMAND)
    rows = bench.endpoints.reporting.rows()
    after = Bench()
    after.endpoints.reporting.load((*rows, replace(rows[0], attribute=0x7777), replace(rows[0], endpoint=3)), 0.0)
    assert after.endpoints.reporting.rows() == rows
    assert after.due(60.0) == [report(1000)]
    assert after.changes == 0


def test_a_device_that_has_gone_gets_no_more_reports() -> None:
    bench = Bench()
    bench.ask(DEMAND)
    bench.ask(DEMAND, sender=OTHER, short=0x4321)
    bench.endpoints.reporting.forget(DISPLAY)
    assert [frame.destination_ieee for frame in bench.endpoints.reporting.due(60.0)] == [OTHER]
    bench.endpoints.reporting.forget(OTHER)
    bench.endpoints.reporting.forget(OTHER)
    assert bench.endpoints.reporting.rows() == ()
    assert bench.changes == 4


def test_the_same_configuration_again_is_no_change_to_be_stored() -> None:
    bench = Bench()
    bench.ask(DEMAND)
    bench.ask(DEMAND)
    assert bench.changes == 1


def test_subscribers_and_configurations_are_bounded() -> None:
    many = tuple(
        HostedAttribute(id=0x1000 + number, name=f"a{number}", type=UINT8, get=constant(0), reportable=True)
        for number in range(MAX_CONFIGURATIONS)
    )
    bench = Bench(more=many)
    for number in range(MAX_CONFIGURATIONS):
        low, high = (0x1000 + number) & 0xFF, (0x1000 + number) >> 8
        assert bench.ask(f"00 07 06 00 {low:02x}{high:02x} 20 0000 0a00 01") == DONE
    assert bench.ask(DEMAND) == "180707" + "89000004"
    for number in range(MAX_SUBSCRIBERS + 2):
        bench.ask("00 07 06 00 0010 20 0000 0a00 01", sender=Eui64(number), short=number)
    subscribers = bench.endpoints.reporting.rows()[0].subscribers
    assert [row.ieee for row in subscribers] == [Eui64(number) for number in range(2, MAX_SUBSCRIBERS + 2)]


@given(
    min_s=st.integers(0, 300),
    max_s=st.integers(0, 300),
    change=st.integers(0, 50),
    steps=st.lists(st.tuples(st.floats(0.1, 100), st.integers(-100, 100)), max_size=40),
)
def test_the_intervals_hold_for_any_course_of_values(
    min_s: int, max_s: int, change: int, steps: list[tuple[float, int]]
) -> None:
    bench = Bench()
    record = "00 07 06 00 0004 2a" + min_s.to_bytes(2, "little").hex() + max_s.to_bytes(2, "little").hex()
    if bench.ask(record + change.to_bytes(3, "little").hex()) != DONE:
        assert min_s > max_s > 0
        return
    now, sent_at, sent = 0.0, 0.0, 1000
    for seconds, value in steps:
        now += seconds
        bench.demand = value
        reports = bench.due(now)
        elapsed, is_due_by_time = now - sent_at, max_s > 0 and now - sent_at >= max_s
        if reports:
            assert reports == [report(value)]
            assert is_due_by_time or (elapsed >= min_s and value != sent and abs(value - sent) >= change)
            sent_at, sent = now, value
        else:
            assert not is_due_by_time
            assert elapsed < max(min_s, CHECK_INTERVAL_S) or abs(value - sent) < max(change, 1)


def test_what_is_bound_stays_configured_when_who_configured_it_goes() -> None:
    bench = Bench(bound=(BindTarget(ieee=OTHER, endpoint=4),))
    bench.ask(DEMAND)
    bench.endpoints.reporting.forget(DISPLAY)
    [frame] = bench.endpoints.reporting.due(60.0)
    assert (frame.destination_ieee, frame.security) == (OTHER, Security.NETWORK)


def test_announcements_of_reports_to_us_are_bounded_and_the_newest_stay() -> None:
    bench = Bench()
    for number in range(MAX_EXPECTED + 1):
        bench.ask("00 07 06 01 0004 2c01", sender=Eui64(number), short=number)
    assert bench.ask("00 08 08 01 0004", sender=Eui64(0), short=0)[6:] == "8b010004"
    assert bench.ask("00 08 08 01 0004", sender=Eui64(MAX_EXPECTED), short=MAX_EXPECTED)[6:] == "00010004" + "2c01"


def test_a_subscriber_without_an_extended_address_is_told_by_its_network_address() -> None:
    bench = Bench()
    frame = ApsFrame(
        profile=0x0109,
        cluster=METERING,
        source_endpoint=9,
        destination_endpoint=0x5E,
        payload=bytes.fromhex(DEMAND),
        source=0x1234,
    )
    for _ in range(2):
        bench.endpoints.handle(frame, 0.0)
    [told] = bench.endpoints.reporting.due(60.0)
    assert (told.destination, told.destination_ieee) == (0x1234, None)


def test_reports_are_stopped_for_one_and_go_on_for_others_unless_a_binding_is_for_both() -> None:
    bench, place = Bench(), (0x5E, METERING, Side.SERVER, None, 0x0400)
    reporting = bench.endpoints.reporting

    def to(ieee: Eui64) -> Callable[[Subscriber], bool]:
        return lambda one: one.ieee == ieee

    assert reporting.stop(place, to(DISPLAY)) is Status.NOT_FOUND
    bench.ask(DEMAND)
    bench.ask(DEMAND, sender=OTHER, short=0x4321)
    changes = bench.changes
    assert reporting.stop(place, to(DISPLAY)) is Status.SUCCESS
    assert bench.changes == changes + 1
    [row] = reporting.rows()
    assert [one.ieee for one in reporting.destinations(row)] == [OTHER]
    assert reporting.stop(place, to(DISPLAY)) is Status.NOT_FOUND
    # A binding is for all attributes of the cluster, and for all that it leads to.
    bench.bound = (BindTarget(ieee=DISPLAY, endpoint=9), BindTarget(ieee=OTHER, endpoint=9))
    assert reporting.stop(place, to(DISPLAY)) is Status.FAILURE
    assert reporting.stop(place, lambda _: True) is Status.SUCCESS
    assert reporting.rows() == ()
