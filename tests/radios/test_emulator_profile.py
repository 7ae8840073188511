"""What an emulated meter keeps of its counting, and how it answers who asks."""

from __future__ import annotations

import struct

import pytest

from radios.emulators import zcl
from radios.emulators.device import Cluster
from radios.emulators.se_endpoint import Clock
from radios.emulators.se_profile import DAYS_KEPT, Profile

NOON = 848_577_600.0
"""A noon, in seconds since 2000-01-01 UTC."""


class Meter:
    """Registers that somebody moves, and a home that has used 960 W by day since ever, and returns 240 W at night."""

    def __init__(self) -> None:
        self.time = 0.0
        self.totals = (5000.0, 70.0)
        self.clock = Clock(lambda: self.time)
        self.profile = Profile(self.clock, lambda: self.totals, lambda utc: 960.0 if utc % 86_400 >= 21_600 else -240.0)
        self.cluster = Cluster()
        self.profile.add_to(self.cluster)

    def ask(self, channel: int, end: float, count: int) -> tuple[int, int, int, list[int]]:
        answer = self.cluster.commands[0x00](struct.pack("<BIB", channel, int(end), count))
        assert isinstance(answer, tuple)
        command, body = answer
        assert command == 0x00
        newest, status, period, number = struct.unpack_from("<IBBB", body)
        counts = [int.from_bytes(body[at : at + 3], "little") for at in range(7, len(body), 3)]
        assert len(counts) == number
        return newest, status, period, counts

    def value(self, attribute: int) -> zcl.Value | None:
        return self.cluster.attributes[attribute].get()


def test_without_a_time_of_day_there_is_no_profile() -> None:
    meter = Meter()
    meter.profile.tick()
    assert meter.ask(0, 0, 4)[1:] == (5, 2, [])
    assert meter.value(0x0401) is None


def test_the_past_is_what_the_home_would_have_used_and_the_present_what_was_counted() -> None:
    meter = Meter()
    meter.clock.set(NOON + 600)
    meter.profile.tick()
    assert meter.ask(0, 0, 3) == (int(NOON), 0, 2, [480, 480, 480])
    # 10 of these 30 minutes were before anybody counted.
    meter.time, meter.totals = 1300.0, (5400.0, 70.0)
    assert meter.ask(0, 0, 2) == (int(NOON) + 1800, 0, 2, [560, 480])
    assert meter.ask(1, NOON - 6 * 3600, 2)[3] == [120, 120]
    # Hours that nobody looked are divided.
    meter.time, meter.totals = 1300.0 + 3600, (5600.0, 70.0)
    assert meter.ask(0, 0, 2)[3] == [100, 100]


def test_a_question_for_too_many_gets_a_few_and_one_for_another_time_none() -> None:
    meter = Meter()
    meter.clock.set(NOON)
    meter.profile.tick()
    newest, status, _, counts = meter.ask(0, 0, 24)
    assert (newest, status, len(counts)) == (int(NOON), 4, 6)
    assert meter.value(0x0500) == 6
    assert meter.ask(2, 0, 1)[1] == 1
    assert meter.ask(0, NOON + 7200, 1)[1] == 3
    assert meter.ask(0, NOON - DAYS_KEPT * 86_400 - 1, 1)[1] == 5
    assert meter.ask(0, NOON - 60, 1)[0] == int(NOON) - 1800  # the last one that ended before


def test_days_are_sums_of_their_intervals() -> None:
    meter = Meter()
    meter.clock.set(NOON)
    assert (meter.value(0x0401), meter.value(0x0402)) == (5760, 1440)  # since midnight
    assert (meter.value(0x0403), meter.value(0x0404)) == (17_280, 1440)
    assert meter.value(0x042C) == 17_280


@pytest.mark.parametrize(("period", "minutes", "granted"), [(5, 10, (5, 600)), (1, 99, (2, 900))])
def test_a_fast_poll_has_its_limits_and_stays_as_it_was_granted(
    period: int, minutes: int, granted: tuple[int, int]
) -> None:
    meter = Meter()
    meter.clock.set(NOON)
    expected = (0x03, struct.pack("<BI", granted[0], int(NOON) + granted[1]))
    assert meter.cluster.commands[0x03](bytes((period, minutes))) == expected
    assert meter.cluster.commands[0x03](bytes((60, 1))) == expected
    meter.profile.is_fast = False
    assert meter.cluster.commands[0x03](bytes((5, 5))) == zcl.UNSUP_CLUSTER_COMMAND
