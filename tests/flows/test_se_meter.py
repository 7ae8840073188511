"""The utility's meter is asked for what it keeps: profiles, days and tiers; and often, for a while."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import pytest
from test_hubctl_zigbee import Shell
from test_rest_zigbee import Service
from test_xbee_roles import hub_on, name_of, served

from hub.events import ReadingsTaken
from hub.history import Resolution
from hub.model import Channel, Quantity, Reading
from hub.smart_energy.utc import from_utc, to_utc
from hub.zigbee.model import InterviewStep, NetworkState
from protocols.se.metering import IntervalChannel
from radios.emulators.se_devices import SmartMeter
from radios.emulators.se_profile import Profile
from radios.emulators.trust_centre import MeterTrustCentre
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from radios.emulators.xbee_router import XbeeRouter, XbeeRouterConfig
from tests.hub.waiting import eventually


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    monkeypatch.setattr("radios.xbee.router.LOOK_S", 0.1)


@asynccontextmanager
async def meter(folder: Path) -> AsyncIterator[tuple[Service, MeterTrustCentre, str]]:
    """A served hub on the network that the utility's meter holds, and knows what that counts in."""
    async with XbeeRouter(XbeeRouterConfig(devices=(), was_joined=True)) as module:
        centre = module.trust_centre
        assert isinstance(centre, MeterTrustCentre)
        centre.clock.set(to_utc(datetime.now(UTC)))
        async with served(module, folder) as home:
            await eventually(lambda: home.hub.networks.get("han").state is NetworkState.UP)
            await eventually(lambda: centre.ieee in home.hub.household.members)
            member = home.hub.household.members[centre.ieee]
            await eventually(lambda: member.interview is InterviewStep.DONE, 40)
            yield home, centre, name_of(centre)


def span(start: datetime, end: datetime) -> str:
    return f"from={quote(start.isoformat())}&to={quote(end.isoformat())}"


def stamp(moment: datetime) -> str:
    """As the interface tells it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def kept(profile: Profile, start: datetime, end: datetime, place: int = 0) -> list[tuple[str, float]]:
    """What the emulated meter keeps of a span: end and Wh."""
    ends = to_utc(start), to_utc(end)
    return [
        (stamp(from_utc(one.end)), float(int(one.both[place]))) for one in profile._kept if ends[0] < one.end <= ends[1]
    ]


async def test_the_profile_of_two_days_is_read_page_by_page(tmp_path: Path) -> None:
    async with meter(tmp_path) as (home, centre, device):
        profile = centre.meter.profile
        profile.tick()
        end = datetime.now(UTC)
        start = end - timedelta(days=2)
        path = f"/devices/{device}/metering/profile?{span(start, end)}"
        for most, channel, place in ((6, "delivered", 0), (24, "received", 1)):
            profile.most = most
            code, found = await home.ask("GET", f"{path}&channel={channel}")
            assert (code, found["complete"], found["interval_s"], found["unit"]) == (200, True, 1800, "Wh"), found
            told = [(one["end"], one["value"]) for one in found["intervals"]]
            assert told == kept(profile, start, end, place)
            assert len(told) == 96
            assert sum(value for _, value in told) > 0
        # It keeps ten days; what was before is not made up.
        start = end - timedelta(days=12)
        code, found = await home.ask("GET", f"/devices/{device}/metering/profile?{span(start, end)}")
        assert (code, found["complete"], "nothing that is older" in found["detail"]) == (200, False, True)
        assert len(found["intervals"]) == len(kept(profile, start, end)) == 480
        for bad, field in (
            (f"?{span(end, start)}", "from"),
            (f"?{span(end - timedelta(days=500), end)}", "from"),
            ("?channel=both", "channel"),
            ("?endpoint=99", "endpoint"),
        ):
            code, problem = await home.ask("GET", f"/devices/{device}/metering/profile{bad}")
            assert (code, problem["errors"][0]["field"]) == (400, field)
        assert (await home.ask("GET", "/devices/zigbee-0000000000000001/metering/profile"))[0] == 404


async def test_hubctl_shows_the_profile_and_the_sums(tmp_path: Path) -> None:
    async with meter(tmp_path) as (home, centre, device):
        shell = Shell(home, tmp_path)
        ran = await shell.run("device", "profile", device, "--from", "6h", "--json")
        assert ran.code == 0, ran.err
        found = json.loads(ran.out)
        assert [one["value"] for one in found["intervals"]] == [
            wh
            for _, wh in kept(
                centre.meter.profile, datetime.fromisoformat(found["start"]), datetime.fromisoformat(found["end"])
            )
        ]
        ran = await shell.run("device", "profile", device, "--from", "12d")
        assert (ran.code, "480 intervals" in ran.out, "nothing that is older" in ran.out) == (0, True, True)
        ran = await shell.run("device", "profile", device, "--from", "1h", "--to", "2h")
        assert (ran.code, "is not before" in ran.err) == (2, True)
        ran = await shell.run("device", "consumption", device)
        assert (ran.code, "yesterday" in ran.out, "8 days ago" in ran.out, "tier 4" in ran.out) == (0, True, True, True)
        code, sums = await home.ask("GET", f"/devices/{device}/metering/consumption")
        days = {one["ago"]: one for one in sums["spans"] if one["span"] == "day"}
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        expected = sum(
            one.both[0] for one in centre.meter.profile._kept if to_utc(today) - 86_400 < one.end <= to_utc(today)
        )
        assert (code, len(days), days[1]["delivered"]) == (200, 9, int(expected))
        assert [one["tier"] for one in sums["tiers"]] == [1, 2, 3, 4]
        assert re.fullmatch(r"00812\d\.\d{3} kWh", sums["display_delivered"])
        assert "on its display" in ran.out
        # Tiers are counters of their own, with a history.
        centre.meter.use_tier(2)
        second = (Channel.TIER_2, Quantity.ENERGY_DELIVERED)
        await eventually(lambda: second in home.hub.devices.latest(device).values)
        assert home.hub.devices.latest(device).values[second] == pytest.approx(sums["tiers"][1]["delivered"], abs=50)
        ran = await shell.run("readings", device, "energy", "--channel", "tier_2", "--json")
        assert (ran.code, json.loads(ran.out)["channel"], bool(json.loads(ran.out)["points"])) == (0, "tier_2", True)


async def test_a_meter_without_a_profile_says_so(tmp_path: Path) -> None:
    async with meter(tmp_path) as (home, centre, device):
        del centre.endpoints[0x0A].servers[0x0702].commands[0x00]
        code, problem = await home.ask("GET", f"/devices/{device}/metering/profile")
        assert (code, "does not keep a profile" in problem["detail"]) == (409, True)
        centre.meter.profile.is_fast = False
        code, problem = await home.ask("POST", f"/devices/{device}/metering/fast-poll", {})
        assert (code, "which is of Smart Energy 1.1: it answers UNSUP_CLUSTER_COMMAND" in problem["detail"]) == (
            409,
            True,
        )


async def test_a_meter_is_asked_often_and_that_ends_by_itself(tmp_path: Path) -> None:
    async with meter(tmp_path) as (home, centre, device):
        path = f"/devices/{device}/metering/fast-poll"
        assert (await home.ask("GET", path))[0] == 404
        # Somebody else has begun it: the meter grants what is going on already, which is over soon.
        centre.meter.profile.fast_until, centre.meter.profile.fast_period_s = centre.clock.stamp + 4, 1
        async with home.hub.bus.subscribe(ReadingsTaken) as told:
            code, found = await home.ask("POST", path, {"period_s": 5, "duration_min": 10})
            assert (code, found["running"], found["period_s"]) == (200, True, 1)
            assert (await home.ask("POST", path, {}))[0] == 409
            await eventually(lambda: not home.hub.fast_polls.of(device).running, 20)
            kinds = {
                (reading.channel, reading.quantity)
                for event in told.drain()
                if event.device_id == device
                for reading in event.readings
            }
        assert {(Channel.TOTAL, Quantity.POWER), (Channel.TOTAL, Quantity.ENERGY_DELIVERED)} <= kinds
        code, found = await home.ask("GET", path)
        assert (code, found["running"], found["detail"]) == (200, False, "its time is over")
        assert 3 <= found["readings"] <= 5
        for body, field in (({"period_s": 0}, "period_s"), ({"duration_min": 16}, "duration_min")):
            code, problem = await home.ask("POST", path, body)
            assert (code, problem["errors"][0]["field"]) == (400, field)


async def test_people_end_it_and_it_ends_with_the_meter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.smart_energy.fast_polls.FAILURES", 1)
    async with meter(tmp_path) as (home, centre, device):
        shell = Shell(home, tmp_path)
        ran = await shell.run("device", "fast-poll", device, "--period", "1", "--duration", "1")
        assert (ran.code, "asked every 2 s" in ran.out) == (0, True), ran.err  # the meter's own least
        await eventually(lambda: home.hub.fast_polls.of(device).readings > 0)
        ran = await shell.run("device", "fast-poll", device, "--end", "--json")
        assert (ran.code, json.loads(ran.out)["detail"]) == (0, "somebody has ended it")
        assert home.hub.fast_polls._polls[device].task is not None
        ran = await shell.run("device", "fast-poll", device, "--show")
        assert "somebody has ended it" in ran.out
        centre.meter.profile.fast_until = 0
        assert (await home.ask("POST", f"/devices/{device}/metering/fast-poll", {"period_s": 2}))[0] == 200
        centre.set_power(False)
        await eventually(lambda: not home.hub.fast_polls.of(device).running, 20)
        assert (
            "not answered" in home.hub.fast_polls.of(device).detail or "away" in home.hub.fast_polls.of(device).detail
        )


async def test_a_gap_of_the_history_is_filled_with_the_profile(tmp_path: Path) -> None:
    async with meter(tmp_path) as (home, centre, device):
        history, profile = home.hub.history, centre.meter.profile
        place = (Channel.TOTAL, Quantity.ENERGY_DELIVERED)
        await eventually(lambda: place in home.hub.devices.latest(device).values)
        profile.tick()
        # The hub was off from the end of one interval on, until somewhere in an interval that is over.
        ends = [from_utc(one.end) for one in profile._kept[-13:]]
        since, until = ends[0], ends[-2] + timedelta(minutes=10)
        counted = sum(int(one.both[0]) for one in profile._kept[-12:-1])
        tail = int(profile._kept[-1].both[0]) / 3
        last = home.hub.devices.latest(device).values[place]
        for at, value in ((since, last - counted - tail), (until, last)):
            history.record(ReadingsTaken(at, device, (Reading(place[1], place[0], value),)))
        body = {"from": since.isoformat(), "to": until.isoformat()}
        code, found = await home.ask("POST", f"/devices/{device}/metering/history", body)
        assert (code, [(one["readings"], one["problem"]) for one in found["gaps"]]) == (200, [(11, "")]), found
        # The last whole interval ends before the gap does: the third of the next one is what is left.
        series = await history.series(device, place[1], place[0], since, until + timedelta(minutes=1), Resolution.RAW)
        told = [point for point in series.points if point.time > since]
        expected = [int(one.both[0]) for one in profile._kept[-12:-1]]
        values = [last - counted - tail, *(point.value for point in told)]
        assert [round(two - one) for one, two in pairwise(values)][:-1] == expected
        assert [point.time for point in told][:-1] == ends[1:-1]
        # There is nothing left to fill; and hubctl says so.
        ran = await Shell(home, tmp_path).run(
            "device", "profile", device, "--from", since.isoformat(), "--to", until.isoformat(), "--fill"
        )
        assert (ran.code, "has no gap" in ran.out) == (0, True), ran.err


async def test_a_meter_on_our_own_network_takes_our_time_and_is_asked_for_its_profile(tmp_path: Path) -> None:
    start = XbeeConfig(devices=("smart-meter",), joined=(0,))
    async with XbeeEmulator(start) as module, hub_on(module, tmp_path, "esi_coordinator") as hub:
        [found] = module.devices
        assert isinstance(found, SmartMeter)
        await eventually(lambda: found.ieee in hub.household.members, 20)
        member = hub.household.members[found.ieee]
        await eventually(lambda: member.interview is InterviewStep.DONE, 40)
        await eventually(lambda: found.clock.is_set, 20)
        assert abs(found.clock.now - to_utc(hub.clock.now())) <= 2
        end = hub.clock.now()
        start_of = end - timedelta(hours=8)
        profile = await hub.meters.profile(name_of(found), IntervalChannel.DELIVERED, start_of, end)
        told = [(stamp(one.end), one.value) for one in profile.intervals]
        assert told == kept(found.meter.profile, start_of, end)
        assert (len(told), profile.complete, profile.quantity) == (16, True, Quantity.ENERGY_DELIVERED)
        status = await hub.fast_polls.begin(name_of(found), 5, 1)
        assert status.period_s == 5
        assert abs((status.ends_at - status.started_at).total_seconds() - 60) <= 2
        # Whoever removes the meter ends it.
        await hub.networks.remove(name_of(found), force=True)
        await eventually(lambda: name_of(found) not in hub.fast_polls._polls)
