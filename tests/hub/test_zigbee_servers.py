"""Hosted clusters: general commands on attributes, Basic, Identify and Time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from hub.clock import ManualClock
from hub.zigbee.servers.base import Answer, ClusterServer, HostedAttribute, PlainClient, bound, constant
from hub.zigbee.servers.basic import MANUFACTURER, BasicFacts, BasicServer
from hub.zigbee.servers.identify import Effect, IdentifyServer
from hub.zigbee.servers.utc_time import TimeServer, dst_rules
from protocols.aps import ApsFrame
from protocols.errors import CodecError
from protocols.zcl.datatypes import STRING, UINT8, UINT16, Value
from protocols.zcl.datatypes import UTC as UTC_TYPE
from protocols.zcl.header import parse_header
from protocols.zcl.status import Status

FRAME = ApsFrame(profile=0x0104, cluster=0, source_endpoint=1, destination_endpoint=1, payload=b"", source=0x1234)
BERLIN, SYDNEY = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Sydney")


class Thing(ClusterServer):
    """A cluster with what can go wrong with attributes."""

    CLUSTER = 0xFC00
    RECEIVES, GENERATES = (0x02, 0x00, 0x01), (0x00,)

    def __init__(self) -> None:
        self.level, self.since, self.refuses = 7, 100, False
        super().__init__(
            (
                HostedAttribute(
                    id=0x0001,
                    name="level",
                    type=UINT8,
                    get=lambda _: self.level,
                    set=self._set_level,
                    minimum=1,
                    maximum=100,
                    reportable=True,
                ),
                HostedAttribute(id=0x0002, name="since", type=UTC_TYPE, get=lambda _: self.since, set=self._set_since),
                HostedAttribute(id=0x0003, name="text", type=STRING, get=constant("x" * 50)),
                HostedAttribute(id=0x0004, name="broken", type=UINT8, get=constant(300)),
                HostedAttribute(id=0x0005, name="absent", type=UINT16, get=constant(None)),
                HostedAttribute(id=0x0001, name="own", type=UINT8, get=constant(9), manufacturer=0x1037),
            )
        )

    def _set_level(self, value: Value, _now: float) -> Status:
        assert isinstance(value, int)
        self.level = value
        return Status.SUCCESS

    def _set_since(self, value: Value, _now: float) -> Status:
        if self.refuses or not isinstance(value, int):
            return Status.ACTION_DENIED
        self.since = value
        return Status.SUCCESS


def ask(server: ClusterServer, text: str, limit: int = 60, now: float = 0.0) -> Answer:
    """What a server says to a general command, given from its header on."""
    header, payload = parse_header(bytes.fromhex(text))
    return server.general(header, payload, limit, now)


def said(server: ClusterServer, text: str, limit: int = 60, now: float = 0.0) -> str:
    """The only response to a general command: its id and payload, as hex."""
    [response] = ask(server, text, limit, now).responses
    return f"{response.command:02x} {response.payload.hex()}"


def command(server: ClusterServer, text: str, now: float = 0.0) -> Answer:
    """What a server says to a command of its cluster."""
    header, payload = parse_header(bytes.fromhex(text))
    return server.command(header, payload, FRAME, now)


# -- general commands ------------------------------------------------------------------------------------------------


def test_a_read_gives_each_attribute_with_its_status_and_the_invalid_value_for_what_is_absent() -> None:
    assert said(Thing(), "00 01 00 0100 9900 0500") == "01 " + "0100002007" + "990086" + "05000021ffff"


def test_a_getter_that_is_wrong_spoils_only_its_own_attribute() -> None:
    assert said(Thing(), "00 01 00 0400 0100") == "01 0400c1" + "0100002007"


def test_a_read_answer_is_cut_at_a_record_and_a_record_too_long_for_any_frame_says_so() -> None:
    read = "00 01 00 0100 0300 0100"
    text = "03000042" + "32" + "78" * 50
    assert said(Thing(), read, limit=60) == "01 " + "0100002007" + text
    assert said(Thing(), read, limit=59) == "01 " + "0100002007"
    assert said(Thing(), read, limit=54) == "01 " + "0100002007" + "030089" + "0100002007"


def test_a_manufacturers_attribute_is_only_found_with_its_code() -> None:
    assert said(Thing(), "04 3710 01 00 0100 0200") == "01 0100002009" + "020086"
    assert ask(Thing(), "04 5f11 01 00 0100") == Answer(Status.UNSUP_MANUF_GENERAL_COMMAND)


@pytest.mark.parametrize(
    ("record", "status"),
    [
        ("9900 20 05", "869900"),
        ("0100 21 0500", "8d0100"),
        ("0300 42 0161", "880300"),
        ("0300 20 01", "8d0300"),  # of the wrong type comes before read only
        ("0100 20 00", "870100"),
        ("0100 20 65", "870100"),
        ("0100 20 ff", "870100"),  # the invalid value
        ("0100 f5 01", "8d0100"),  # a type that nobody knows
    ],
)
def test_a_write_that_is_not_taken_says_why_and_the_others_are_taken(record: str, status: str) -> None:
    thing = Thing()
    assert said(thing, f"00 01 02 0200 e2 05000000 {record}") == f"04 {status}"
    assert (thing.since, thing.level) == (5, 7)


def test_a_write_of_everything_is_one_success() -> None:
    thing = Thing()
    assert said(thing, "00 01 02 0100 20 05 0200 23 06000000") == "04 00"
    assert (thing.level, thing.since) == (5, 6)


def test_a_write_that_breaks_off_changes_nothing() -> None:
    thing = Thing()
    with pytest.raises(ValueError, match="needs 4 bytes, got 2"):
        ask(thing, "00 01 02 0100 20 05 0200 23 0600")
    assert (thing.level, thing.since) == (7, 100)


def test_an_undivided_write_is_all_or_nothing() -> None:
    thing = Thing()
    assert said(thing, "00 01 03 0100 20 05 0300 42 0161") == "04 880300"
    assert thing.level == 7
    assert said(thing, "00 01 03 0100 20 05 0200 e2 06000000") == "04 00"
    assert (thing.level, thing.since) == (5, 6)


def test_an_undivided_write_goes_back_when_a_setter_refuses() -> None:
    thing = Thing()
    thing.refuses = True
    assert said(thing, "00 01 03 0100 20 05 0200 e2 06000000") == "04 930200"
    assert (thing.level, thing.since) == (7, 100)


def test_a_write_without_response_writes_and_says_nothing() -> None:
    thing = Thing()
    assert ask(thing, "00 01 05 0100 20 05 0300 42 0161") == Answer(silent=True)
    assert thing.level == 5


def test_discovery_goes_on_where_it_stopped_and_says_when_it_is_complete() -> None:
    assert said(Thing(), "00 01 0c 0000 02") == "0d 00" + "010020" + "0200e2"
    assert said(Thing(), "00 01 0c 0300 ff") == "0d 01" + "030042" + "040020" + "050021" + "fdff21"
    assert said(Thing(), "00 01 0c 0000 ff", limit=9) == "0d 00" + "010020" + "0200e2"
    assert said(Thing(), "00 01 0c feff ff") == "0d 01"


def test_extended_discovery_tells_what_may_be_done() -> None:
    assert said(Thing(), "00 01 15 0000 03") == "16 00" + "01002007" + "0200e203" + "03004201"


def test_commands_are_discovered_each_way() -> None:
    assert said(Thing(), "00 01 11 00 02") == "12 000001"
    assert said(Thing(), "00 01 11 02 ff") == "12 0102"
    assert said(Thing(), "00 01 13 00 ff") == "14 0100"
    assert said(Thing(), "04 3710 01 11 00 ff") == "12 01"


def test_structured_access_to_a_plain_attribute_takes_the_whole_of_it_only() -> None:
    thing = Thing()
    assert said(thing, "00 01 0e 0100 00 0100 01 0100") == "01 0100002007" + "01008e"
    assert said(thing, "00 01 0f 0100 00 20 05") == "10 00"
    assert thing.level == 5
    assert said(thing, "00 01 0f 0100 01 0100 20 06") == "10 8e0100010100"
    assert thing.level == 5


@pytest.mark.parametrize("payload", ["0e", "0f", "02", "0f 0100 00", "0e 0100 01 01", "03 0100"])
def test_a_list_that_is_empty_or_breaks_off_is_malformed(payload: str) -> None:
    with pytest.raises(CodecError):
        ask(Thing(), f"00 01 {payload}")


def test_structured_access_to_what_is_not_there_is_unsupported() -> None:
    assert said(Thing(), "00 01 0f 9900 01 0000 20 05") == "10 869900010000"
    assert said(Thing(), "00 01 0f 9900 00 20 05") == "10 86990000"


def test_one_id_twice_is_our_own_mistake() -> None:
    row = HostedAttribute(id=1, name="a", type=UINT8, get=constant(1))
    with pytest.raises(ValueError, match="two attributes of one id"):
        ClusterServer((row, row), cluster=0xFC01)
    with pytest.raises(ValueError, match="cluster 0x0000 has no row for attribute 0x7777"):
        bound(0, 0x7777, constant(1))


def test_a_plain_client_takes_the_commands_that_its_server_has() -> None:
    assert command(PlainClient(0x0500), "09 01 00 0100") == Answer()
    assert command(PlainClient(0x0500), "09 01 77") == Answer(Status.UNSUP_CLUSTER_COMMAND)
    assert command(PlainClient(0xFC77), "09 01 77") == Answer()
    assert command(PlainClient(0x0500), "0d 5f11 01 00") == Answer(Status.UNSUP_MANUF_CLUSTER_COMMAND)


# -- Basic -----------------------------------------------------------------------------------------------------------


def test_basic_tells_what_we_are() -> None:
    server = BasicServer(BasicFacts(model="hub", date_code="20261121", software_build="1.2.3"))
    assert said(server, "00 01 00 0000 0400 0700", limit=80) == (
        "01 00000020080400" + "0042" + "0f" + MANUFACTURER.encode().hex() + "0700003001"
    )
    assert said(server, "00 01 00 0500 0600 0040 1200", limit=80) == (
        "01 05000042" + "03687562" + "06000042" + "083230323631313231" + "00400042" + "05312e322e33" + "1200001001"
    )


def test_the_location_can_be_written_and_is_told() -> None:
    told: list[str] = []
    server = BasicServer(BasicFacts(), location="hall", on_location=told.append)
    assert said(server, "00 01 02 1000 42 05" + b"attic".hex()) == "04 00"
    assert (told, server.location) == (["attic"], "attic")
    assert said(server, "00 01 02 1000 42 11" + "61" * 17) == "04 871000"
    assert said(server, "00 01 00 1000") == "01 10000042" + "05" + b"attic".hex()


def test_nobody_on_the_network_resets_or_disables_the_hub() -> None:
    server = BasicServer(BasicFacts())
    assert command(server, "01 01 00") == Answer(Status.UNSUP_CLUSTER_COMMAND)
    assert said(server, "00 01 11 00 ff") == "12 01"
    assert said(server, "00 01 02 1200 10 00") == "04 881200"


def test_a_text_that_is_too_long_for_the_cluster_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="at most 16 bytes of UTF-8"):
        BasicFacts(date_code="2026-11-21 04:00:00")


# -- Identify --------------------------------------------------------------------------------------------------------


def identify() -> tuple[IdentifyServer, list[tuple[int, int]], list[tuple[int, Effect, int]]]:
    """A server, and what it has told."""
    shown: list[tuple[int, int]] = []
    effects: list[tuple[int, Effect, int]] = []
    server = IdentifyServer(9, lambda *told: shown.append(told), lambda *told: effects.append(told))
    return server, shown, effects


def test_identify_time_runs_down_by_itself() -> None:
    server, shown, _ = identify()
    assert command(server, "01 01 00 3c00", now=100.0) == Answer()
    assert shown == [(9, 60)]
    left = [said(server, "00 01 00 0000", now=now)[-4:] for now in (100.0, 100.5, 101.0, 159.5, 160.0, 1e9)]
    assert left == ["3c00", "3c00", "3b00", "0100", "0000", "0000"]


def test_writing_identify_time_starts_and_stops_it() -> None:
    server, shown, _ = identify()
    assert said(server, "00 01 02 0000 21 0a00", now=5.0) == "04 00"
    assert said(server, "00 01 02 0000 21 0000", now=6.0) == "04 00"
    assert said(server, "00 01 02 0000 21 0000", now=7.0) == "04 00"
    assert shown == [(9, 10), (9, 0)]
    assert said(server, "00 01 02 0000 21 ffff") == "04 870000"
    assert command(server, "01 01 00 ffff") == Answer(Status.INVALID_VALUE)


def test_a_query_is_answered_only_while_identifying() -> None:
    server, _, _ = identify()
    assert command(server, "01 01 01", now=0.0) == Answer()
    command(server, "01 01 00 0a00", now=0.0)
    [response] = command(server, "01 01 01", now=4.2).responses
    assert (response.command, response.payload.hex()) == (0x00, "0600")
    assert command(server, "01 01 01", now=10.0) == Answer()


def test_effects_are_told_and_unknown_ones_refused() -> None:
    server, _, effects = identify()
    assert command(server, "01 01 40 02 07") == Answer()
    assert command(server, "01 01 40 33 00") == Answer(Status.INVALID_FIELD)
    assert effects == [(9, Effect.OKAY, 7)]
    assert command(server, "05 5f11 01 00 0100") == Answer(Status.UNSUP_MANUF_CLUSTER_COMMAND)


# -- Time ------------------------------------------------------------------------------------------------------------


def seconds(*at: int) -> int:
    """Seconds from 2000 to a time of day in UTC."""
    return int(datetime(*at, tzinfo=UTC).timestamp()) - 946684800  # type: ignore[arg-type, misc]


def values(server: TimeServer) -> list[Value]:
    """All attributes, by id, the revision left out."""
    return [server.read(number, 0.0).value for number in range(10)]


def test_time_in_summer_with_ntp() -> None:
    clock = ManualClock(datetime(2026, 7, 1, 10, tzinfo=UTC))
    server = TimeServer(clock, BERLIN, lambda: datetime(2026, 7, 1, 9, tzinfo=UTC))
    now = seconds(2026, 7, 1, 10)
    assert values(server) == [
        now,
        0x0D,  # master, of zone and summer time too, and the better clock
        3600,
        seconds(2026, 3, 29, 1),
        seconds(2026, 10, 25, 1),
        3600,
        now + 3600,
        now + 7200,
        now - 3600,
        now - 3600 + 86400,
    ]
    assert said(server, "00 01 00 0000") == "01 000000e2" + now.to_bytes(4, "little").hex()


def test_time_in_winter_without_ntp() -> None:
    clock = ManualClock(datetime(2026, 12, 1, 10, tzinfo=UTC))
    server = TimeServer(clock, BERLIN, lambda: None)
    now = seconds(2026, 12, 1, 10)
    assert values(server)[:2] == [now, 0x05]
    assert values(server)[3:8] == [seconds(2026, 3, 29, 1), seconds(2026, 10, 25, 1), 3600, now + 3600, now + 3600]
    assert values(server)[8:] == [None, None]


def test_a_clock_that_was_never_set_tells_no_time() -> None:
    server = TimeServer(ManualClock(datetime(1970, 1, 1, 0, 5, tzinfo=UTC)), BERLIN, lambda: None)
    assert said(server, "00 01 00 0000 0100") == "01 000000e2ffffffff" + "0100001800"
    assert [server.read(number, 0.0).value for number in (6, 7)] == [None, None]


@pytest.mark.parametrize("record", ["0000 e2 01000000", "0100 18 02", "0200 2b 00000000", "0300 23 01000000"])
def test_nobody_sets_the_masters_time(record: str) -> None:
    server = TimeServer(ManualClock(), BERLIN, lambda: None)
    assert said(server, f"00 01 02 {record}") == "04 88" + record[:4]


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        ((2026, 1, 15), (2025, 10, 4, 16), (2026, 4, 4, 16)),  # inside the period that began last year
        ((2026, 7, 1), (2026, 10, 3, 16), (2027, 4, 3, 16)),  # the next one
        ((2026, 11, 1), (2026, 10, 3, 16), (2027, 4, 3, 16)),
    ],
)
def test_summer_over_the_turn_of_the_year(now: tuple[int, ...], start: tuple[int, ...], end: tuple[int, ...]) -> None:
    rules = dst_rules(SYDNEY, datetime(*now, tzinfo=UTC))  # type: ignore[arg-type, misc]
    assert (rules.zone_s, rules.shift_s) == (36000, 3600)
    assert rules.start == datetime(*start, tzinfo=UTC)  # type: ignore[arg-type, misc]
    assert rules.end == datetime(*end, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize("name", ["Europe/Berlin", "Australia/Sydney", "Europe/Dublin", "America/New_York"])
def test_the_standards_formula_gives_local_time_all_year(name: str) -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    server = TimeServer(clock, ZoneInfo(name), lambda: None)
    for _ in range(730):
        now, _, _, start, end, shift, standard, local = values(server)[:8]
        assert isinstance(now, int)
        assert isinstance(start, int)
        assert isinstance(end, int)
        assert isinstance(shift, int)
        assert isinstance(standard, int)
        assert local == standard + (shift if start <= now < end else 0)
        clock.advance(12 * 3600 + 25 * 60)


def test_a_zone_without_summer_time() -> None:
    server = TimeServer(ManualClock(), timezone(timedelta(hours=-3, minutes=-30)), lambda: None)
    assert values(server)[2:6] == [-12600, None, None, 0]
    assert said(server, "00 01 00 0300 0500") == "01 03000023ffffffff" + "0500002b00000000"
