"""The hub as a client of the time of the network that it has joined."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from test_hubctl_zigbee import Shell
from test_se_premises import EVENT, PRICE, interface
from test_xbee_roles import name_of, served

from hub.hub import Hub
from hub.smart_energy.drlc_client import State
from hub.smart_energy.utc import to_utc
from hub.zigbee.model import NetworkClock
from tests.hub.waiting import eventually

AHEAD_S = 7200


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    monkeypatch.setattr("radios.xbee.router.LOOK_S", 0.1)
    monkeypatch.setattr("hub.smart_energy.premises.LOOK_S", 0.1)
    monkeypatch.setattr("hub.smart_energy.premises.STORM_S", 0.2)


def machine(hub: Hub) -> int:
    return to_utc(hub.clock.now())


async def test_events_go_by_the_time_of_the_network_and_people_by_the_machines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with interface() as (module, centre), served(module, tmp_path) as home:
        hub = home.hub
        centre.clock.set(machine(hub) + AHEAD_S)
        await eventually(lambda: hub.networks.get("han").clock is not None, 40)
        assert abs(hub.premises.utc("han") - centre.utc()) <= 2
        assert re.search(r"(7199|7200) s ahead of the machine's", caplog.text)
        code, found = await home.ask("GET", "/networks/han")
        clock = found["clock"]
        assert (code, clock["server"], clock["master"], clock["followed"]) == (200, name_of(centre), True, True)
        assert abs(clock["offset_s"] - AHEAD_S) <= 2
        ran = await Shell(home, tmp_path).run("network", "show", "han")
        assert (ran.code, f"of {name_of(centre)}/10 (master)" in ran.out) == (0, True)
        assert "s ahead, read " in ran.out
        assert "events, prices and messages go by it" in ran.out
        # What the interface says is meant by its clock.
        client = hub.premises.client("han")
        servers = (centre.drlc, centre.price)
        await eventually(lambda: all(server.subscribers for server in servers), 20)
        centre.drlc.create(replace(EVENT, start_time=int(centre.utc()) + 600))
        centre.price.create(replace(PRICE, current_time=int(centre.utc())))
        await eventually(lambda: bool(client.drlc.events and client.prices.prices), 10)
        assert client.drlc.events[7].state is State.SCHEDULED
        await eventually(lambda: bool(client.prices.active(hub.premises.utc("han"))))  # whole seconds are one apart
        _, received = await home.ask("GET", "/events/received")
        assert [one["state"] for one in received["prices"]] == ["running"]
        # It is read once a day; set right meanwhile, ours is the machine's again.
        reads = sum(frame.cluster == 0x000A for frame in centre.heard)
        centre.clock.set(machine(hub))
        [server] = hub.premises.times["han"].client.servers.values()
        assert server.due_at - hub.clock.monotonic() > 86_000
        server.due_at = 0.0
        await eventually(lambda: not _clock_of(hub).followed)
        assert sum(frame.cluster == 0x000A for frame in centre.heard) > reads
        assert abs(hub.premises.utc("han") - machine(hub)) <= 1
        assert client.drlc.events[7].state is State.SCHEDULED  # it begins later now, and begins once


async def test_a_price_that_brings_another_time_has_it_read_again_and_everybody_asked_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.smart_energy.time_client.DOUBT_S", 0.0)
    async with interface() as (module, centre), served(module, tmp_path) as home:
        hub = home.hub
        centre.clock.set(machine(hub))
        await eventually(lambda: hub.networks.get("han").clock is not None, 40)
        client = hub.premises.client("han")
        await eventually(lambda: bool(centre.price.subscribers and centre.drlc.subscribers), 20)
        # Its clock is set back by two hours: by ours what it publishes is over, and refused.
        centre.clock.set(machine(hub) - AHEAD_S)
        centre.drlc.create(EVENT)
        centre.price.create(replace(PRICE, current_time=int(centre.utc())))
        await eventually(lambda: abs(hub.premises.utc("han") - centre.utc()) <= 2)
        await eventually(lambda: bool(client.prices.prices), 20)
        await eventually(lambda: 7 in client.drlc.events, 20)


def _clock_of(hub: Hub) -> NetworkClock:
    clock = hub.networks.get("han").clock
    assert clock is not None
    return clock


async def test_a_server_that_does_not_know_the_time_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.smart_energy.time_client.PAUSES_S", (0.3,))
    async with interface() as (module, centre), served(module, tmp_path) as home:
        attribute = centre.endpoints[0x0A].servers[0x000A].attributes[0x0000]
        known, attribute.value = attribute.value, 0xFFFFFFFF
        times = home.hub.premises.times["han"]
        await eventually(lambda: any(one.tries > 2 for one in times.client.servers.values()), 40)
        assert home.hub.networks.get("han").clock is None
        assert "clock" not in (await home.ask("GET", "/networks/han"))[1]
        assert abs(home.hub.premises.utc("han") - machine(home.hub)) <= 1
        attribute.value = known
        await eventually(lambda: home.hub.networks.get("han").clock is not None, 10)


async def test_resync_time_reads_the_networks_time_again(tmp_path: Path) -> None:
    async with interface() as (module, centre), served(module, tmp_path) as home:
        hub = home.hub
        centre.clock.set(machine(hub))
        await eventually(lambda: hub.networks.get("han").clock is not None, 40)
        centre.clock.set(machine(hub) + AHEAD_S)
        code, told = await home.ask("POST", "/rpc/resync_time")
        assert (code, told["response"], told["parameters"]) == (200, "resync_time_response", {})
        assert abs(hub.premises.utc("han") - centre.utc()) <= 2
        hub.premises.times["han"].client.servers.clear()
        code, told = await home.ask("POST", "/rpc/resync_time")
        assert (code, told["detail"]) == (502, "resync_time: no device on the network tells the time")
