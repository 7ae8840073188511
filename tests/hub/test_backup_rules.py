"""The pure part of backups: when they are due, what is read of them, what differs, and what raises the alarm."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from zigbee_room import NETWORK_KEY, Room, document_of

from hub.errors import InvalidError
from hub.zigbee.backup_form import CoordinatorBackup, NetworkChange, NetworkField, compare, parse
from hub.zigbee.backup_rules import (
    RETRY,
    Lost,
    Missing,
    Standing,
    acknowledged,
    formed_anew,
    is_due,
    judge,
    last_due,
    removed,
)
from protocols.ids import Eui64

BERLIN = ZoneInfo("Europe/Berlin")
AT = time(3, 0)
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
METER, PLUG, LAMP = (Eui64(0x00158D0000000000 + number) for number in (1, 2, 3))
KEY = bytes(range(16))


def room_with(*keyed: Eui64, listed: tuple[Eui64, ...] = ()) -> Room:
    room = Room()
    room.keys = dict.fromkeys(keyed, KEY)
    room.listed = set(listed)
    return room


def backup(*keyed: Eui64, listed: tuple[Eui64, ...] = ()) -> CoordinatorBackup:
    return parse(document_of(room_with(*keyed, listed=listed)))


# -- when ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-01-10T01:59:59", "2026-01-09T02:00:00"),
        ("2026-01-10T02:00:00", "2026-01-10T02:00:00"),
        ("2026-07-10T12:00:00", "2026-07-10T01:00:00"),  # summer time
        ("2026-10-25T02:30:00", "2026-10-25T02:00:00"),  # the night of 25 hours
    ],
)
def test_a_night_is_the_homes(now: str, due: str) -> None:
    assert last_due(datetime.fromisoformat(f"{now}+00:00"), BERLIN, AT) == datetime.fromisoformat(f"{due}+00:00")


def test_a_time_that_the_clocks_leave_out_is_there_once_and_one_that_comes_twice_is_the_first() -> None:
    half_past_two = time(2, 30)
    spring = datetime(2026, 3, 29, 12, tzinfo=UTC)  # 02:00 becomes 03:00
    assert last_due(spring, BERLIN, half_past_two) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    autumn = datetime(2026, 10, 25, 12, tzinfo=UTC)
    assert last_due(autumn, BERLIN, half_past_two) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_one_backup_a_night_and_a_missed_one_is_made_up_for() -> None:
    night = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)
    assert is_due(night, BERLIN, AT, night - timedelta(hours=24), None)
    assert not is_due(night + timedelta(hours=23), BERLIN, AT, night, None)
    assert not is_due(night - timedelta(seconds=1), BERLIN, AT, night - timedelta(hours=23), None)
    assert is_due(night + timedelta(hours=9), BERLIN, AT, night - timedelta(hours=24), None), "off at night"
    assert is_due(night + timedelta(hours=9), BERLIN, AT, None, None), "never made one"


def test_a_failure_is_tried_again_and_a_wrong_clock_holds_nothing_up() -> None:
    old = NOW - timedelta(days=2)
    assert not is_due(NOW, BERLIN, AT, old, NOW - RETRY / 2)
    assert is_due(NOW, BERLIN, AT, old, NOW - RETRY)
    assert is_due(NOW, BERLIN, AT, NOW + timedelta(days=900), NOW + timedelta(days=900)), "made in a wrong future"


# -- what is read ----------------------------------------------------------------------------------------------------


def test_a_document_is_read_and_shows_no_key() -> None:
    found = backup(METER, listed=(PLUG,))
    assert (found.pan_id, found.channel, found.link_keys, len(found.devices)) == (0x1A2B, 15, 1, 2)
    assert found.network.extended_pan_id == 0x1122334455667788
    assert found.devices[METER].link_key == KEY
    assert found.network_key.hex() == NETWORK_KEY
    for shown in (repr(found), repr(found.devices[METER])):
        assert NETWORK_KEY not in shown
        assert KEY.hex() not in shown
        assert repr(KEY) not in shown


def changed(path: str, value: object) -> dict[str, Any]:
    found: dict[str, Any] = document_of(room_with(METER))
    *places, last = path.split(".")
    at: Any = found
    for place in places:
        at = at[int(place)] if place.isdigit() else at[place]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return found


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("metadata", None, "metadata"),
        ("metadata.format", "other", "format"),
        ("metadata.version", 2, "version 1"),
        ("channel", 27, "11 to 26"),
        ("channel", "15", "channel"),
        ("pan_id", "1a2", "4 hex digits"),
        ("coordinator_ieee", "zz" * 8, "16 hex digits"),
        ("network_key.key", "5ec4e7", "32 hex digits"),
        ("network_key", "5ec4e7", "network_key"),
        ("devices.0.link_key.key", "5ec4e7" * 2, "32 hex digits"),
        ("devices.0.ieee_address", "1", "16 hex digits"),
        ("devices", {}, "devices"),
        ("pan_id", "ffff", "0000 to fffe"),
        ("extended_pan_id", "0" * 16, "neither all 0"),
        ("nwk_update_id", 999, "nwk_update_id"),
        ("nwk_update_id", None, "nwk_update_id"),
        ("channel_mask", [15, "x"], "channel_mask"),
        ("network_key.sequence_number", 300, "sequence_number"),
        ("network_key.frame_counter", 1 << 32, "frame_counter"),
        ("devices.0.link_key.tx_counter", -1, "tx_counter"),
        ("metadata.internal.tx_power", "loud", "tx_power"),
        ("metadata.internal.node", {"nwk": "0000", "type": "router"}, "a coordinator's"),
        ("metadata.internal.node", {"nwk": "1234"}, "a coordinator's"),
        ("metadata.internal.network", {"tc_link_key": {"key": "5ec4e7"}}, "32 hex digits"),
        ("stack_specific", {"ezsp": {"hashed_tclk": "5ec4e7"}}, "hashed_tclk"),
        ("stack_specific", {"zstack": {"tclk_seed": 7}}, "tclk_seed"),
    ],
)
def test_what_is_no_backup_is_named_without_showing_a_key(path: str, value: object, named: str) -> None:
    with pytest.raises(InvalidError, match=named) as raised:
        parse(changed(path, value))
    assert "5ec4e7" not in str(raised.value)
    assert NETWORK_KEY not in str(raised.value)


def test_a_backup_of_another_program_is_read_although_it_says_less() -> None:
    """As Zigbee2MQTT writes: addresses without leading zeros, nothing of zigpy's; and rows that are not in use."""
    document = changed("devices.0.nwk_address", "abc")
    document["metadata"]["internal"] = {"date": "2026-01-01T00:00:00.000Z", "znpVersion": 1}
    document["devices"].append({"ieee_address": "f" * 16, "nwk_address": "fffe", "is_child": False})
    assert [(one.ieee, one.short) for one in parse(document).devices.values()] == [(METER, 0x0ABC)]
    del document["metadata"]["internal"], document["stack_specific"]
    assert parse(document).link_keys == 1


def test_a_device_that_is_there_twice_is_named() -> None:
    document = changed("channel", 15)
    document["devices"] *= 2
    with pytest.raises(InvalidError, match=f"{METER} twice"):
        parse(document)


# -- what differs ----------------------------------------------------------------------------------------------------


def test_devices_and_keys_that_came_went_and_changed_are_told() -> None:
    before = backup(METER, PLUG, listed=(LAMP,))
    room = room_with(METER, LAMP, listed=(METER,))
    room.keys[METER] = bytes(16)
    found = compare(before, parse(document_of(room)))
    assert (found.devices_added, found.devices_gone) == ((), (PLUG,))
    assert (found.keys_added, found.keys_gone, found.keys_changed) == ((LAMP,), (PLUG,), (METER,))
    assert found.network == ()
    assert compare(before, before).is_empty


def test_changes_of_the_network_are_told_and_frame_counters_are_none() -> None:
    room = room_with(METER)
    before = document_of(room)
    room.network = replace(room.network, pan_id=0x9999, channel=20)
    after: dict[str, Any] = document_of(room)
    after["network_key"] = {"key": "00" * 16, "sequence_number": 1, "frame_counter": 123_456_789}
    after["devices"][0]["link_key"]["tx_counter"] = 99_999
    found = compare(parse(before), parse(after))
    assert found.network == (
        NetworkChange(NetworkField.PAN_ID, "0x1a2b", "0x9999"),
        NetworkChange(NetworkField.CHANNEL, "15", "20"),
        NetworkChange(NetworkField.KEY_SEQUENCE, "0", "1"),
        NetworkChange(NetworkField.NETWORK_KEY, "", ""),
    )
    assert found == replace(compare(parse(before), parse(before)), network=found.network)


# -- the alarm -------------------------------------------------------------------------------------------------------


class Story:
    """Backups one after the other, named by letters."""

    def __init__(self) -> None:
        self.standing = Standing()
        self.kept: dict[str, CoordinatorBackup] = {}
        self.members: set[int] = set()
        self.heard: set[int] = set()

    def then(self, name: str, found: CoordinatorBackup) -> Standing:
        before = self.kept.get(self.standing.latest)
        self.standing, _ = judge(
            self.standing, before, found, name, NOW, self.members.__contains__, self.heard.__contains__
        )
        self.kept[name] = found
        return self.standing


def test_a_key_that_disappeared_raises_the_alarm_until_it_is_there_again() -> None:
    story = Story()
    assert story.then("a", backup(METER, PLUG)).alarm is None
    alarm = story.then("b", backup(PLUG, listed=(METER,))).alarm
    assert alarm is not None
    assert alarm.missing == (Missing(METER, Lost.LINK_KEY, "a"),)
    assert str(METER) in str(alarm)
    assert story.standing.good == "a"
    assert story.then("c", backup(PLUG, listed=(METER,))).alarm == alarm, "although it is as it was the night before"
    assert story.standing.needed == {"a", "c"}
    assert story.then("d", backup(METER, PLUG)).alarm is None
    assert story.standing.good == "d"


def test_a_device_without_key_is_missed_only_if_it_is_silent() -> None:
    story = Story()
    story.heard = {PLUG}
    story.then("a", backup(METER, listed=(PLUG, LAMP)))
    alarm = story.then("b", backup(METER)).alarm
    assert alarm is not None
    assert alarm.missing == (Missing(LAMP, Lost.DEVICE, "a"),)


def test_a_device_that_was_removed_raises_no_alarm_and_one_that_is_there_again_does() -> None:
    story = Story()
    story.then("a", backup(METER, PLUG))
    story.standing = removed(story.standing, METER)
    assert story.then("b", backup(METER, PLUG)).alarm is None, "the stick has yet to forget it"
    assert story.then("c", backup(PLUG)).alarm is None
    assert story.standing.removed == frozenset()
    story.then("d", backup(METER, PLUG))
    story.members = {METER}
    story.standing = removed(story.standing, METER)
    story.then("e", backup(METER, PLUG))
    assert story.then("f", backup(PLUG)).alarm is not None, "it had been added again"


def test_removing_what_is_missing_ends_the_alarm() -> None:
    story = Story()
    story.then("a", backup(METER, PLUG))
    assert story.then("b", backup(PLUG)).alarm is not None
    story.standing = removed(story.standing, METER)
    assert story.standing.alarm is None
    assert story.then("c", backup(PLUG)).alarm is None


def test_an_acknowledged_alarm_does_not_come_back() -> None:
    story = Story()
    story.then("a", backup(METER, PLUG))
    assert story.then("b", backup(PLUG)).alarm is not None
    story.standing = acknowledged(story.standing, "b", story.kept["b"].network)
    assert story.standing.alarm is None
    assert story.then("c", backup(PLUG)).alarm is None
    assert story.standing.needed == {"c"}


def test_another_network_on_the_stick_is_an_alarm_and_never_what_is_compared_with() -> None:
    story = Story()
    story.then("a", backup(METER))
    room = room_with()
    room.network = replace(room.network, extended_pan_id=0x55)
    other = parse(document_of(room))
    alarm = story.then("b", other).alarm
    assert alarm is not None
    assert (alarm.other, alarm.missing) == (other.network, ())
    assert "0000000000000055" in str(alarm)
    assert (story.standing.latest, story.standing.good) == ("a", "a")
    assert story.then("c", backup(METER)).alarm is None, "the stick before is back"
    story.then("d", other)
    story.standing = acknowledged(story.standing, "d", other.network)
    assert story.then("e", other).alarm is None


def test_a_network_that_somebody_has_left_is_not_missed() -> None:
    story = Story()
    story.then("a", backup(METER))
    story.standing = formed_anew(story.standing)
    room = room_with()
    room.network = replace(room.network, extended_pan_id=0x55)
    assert story.then("b", parse(document_of(room))).alarm is None
    assert story.standing.good == "b"
