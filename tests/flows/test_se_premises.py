"""The hub as in-premise display under an emulated energy service interface: events, prices and messages come in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
from test_hubctl_zigbee import Shell
from test_xbee_roles import hub_on, served

from hub.errors import NotFoundError, RefusedError, StorageError
from hub.events import SmartEnergyChanged
from hub.hub import Hub
from hub.smart_energy.drlc_client import State
from hub.smart_energy.messages import Shown
from hub.smart_energy.premises import EnergyClient
from hub.smart_energy.utc import to_utc
from hub.zigbee.model import InterviewStep, NetworkState
from protocols.ids import Eui64
from protocols.se.drlc import EventStatus
from radios.emulators.se_payloads import DisplayMessage, LoadControlEvent, PublishPrice
from radios.emulators.trust_centre import InterfaceTrustCentre
from radios.emulators.xbee_router import XbeeRouter, XbeeRouterConfig
from tests.hub.waiting import eventually

EVENT = LoadControlEvent(
    duration_in_minutes=60, device_class=0x0FFF, criticality_level=2, event_control=0, issuer_event_id=7
)
PRICE = PublishPrice(
    provider_id=1, rate_label="peak", issuer_event_id=5, current_time=0, unit_of_measure=0, currency=978,
    trailing_digits_and_tier=0x41, tiers_and_register=0x10, duration_in_minutes=60, price=2500, price_control=1,
)  # fmt: skip
MESSAGE = DisplayMessage(message_id=9, message_control=0x80, duration_in_minutes=10, message="Grüße")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    monkeypatch.setattr("radios.xbee.router.LOOK_S", 0.1)
    monkeypatch.setattr("hub.smart_energy.premises.LOOK_S", 0.1)
    monkeypatch.setattr("hub.smart_energy.premises.STORM_S", 0.2)
    monkeypatch.setattr("hub.smart_energy.premises.PAUSES_S", (0.3, 0.3, 0.3))


@asynccontextmanager
async def interface() -> AsyncIterator[tuple[XbeeRouter, InterfaceTrustCentre]]:
    """A module on the network of an energy service interface."""
    async with XbeeRouter(XbeeRouterConfig(devices=(), trust_centre="esi", was_joined=True)) as module:
        centre = module.trust_centre
        assert isinstance(centre, InterfaceTrustCentre)
        yield module, centre


@asynccontextmanager
async def under(
    module: XbeeRouter, centre: InterfaceTrustCentre, folder: Path
) -> AsyncIterator[tuple[Hub, EnergyClient]]:
    """The hub, known to the interface."""
    async with hub_on(module, folder) as hub:
        yield hub, await known(hub, centre)


async def known(hub: Hub, centre: InterfaceTrustCentre) -> EnergyClient:
    """Our clients, once the interface publishes to them."""
    centre.clock.set(to_utc(hub.clock.now()))
    await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
    await eventually(lambda: centre.ieee in hub.household.members)
    member = hub.household.members[centre.ieee]
    await eventually(lambda: member.interview is InterviewStep.DONE, 40)
    servers = (centre.drlc, centre.price, centre.messaging)
    await eventually(lambda: all(server.subscribers for server in servers), 20)
    return hub.premises.client("han")


def statuses(centre: InterfaceTrustCentre, number: int) -> list[str]:
    """What we have reported of an event, by name."""
    [found] = [row for row in centre.drlc.shown() if row["id"] == number]
    told = found["statuses"]
    assert isinstance(told, dict)
    return [EventStatus(int(text.split(" ")[0], 16)).name.lower() for rows in told.values() for text in rows]


async def test_an_event_is_received_started_opted_out_of_and_cancelled(tmp_path: Path) -> None:
    async with interface() as (module, centre), under(module, centre, tmp_path) as (hub, client):
        async with hub.bus.subscribe(SmartEnergyChanged) as told:
            assert centre.drlc.create(EVENT)
            await eventually(lambda: len(statuses(centre, 7)) == 2, 10)
            assert client.drlc.events[7].state is State.RUNNING
            client.opt_out(7)
            await eventually(lambda: len(statuses(centre, 7)) == 3, 10)
            client.opt_in(7)
            await eventually(lambda: len(statuses(centre, 7)) == 4, 10)
            centre.drlc.cancel(7)
            await eventually(lambda: len(statuses(centre, 7)) == 5, 10)
            changes = [change.what for change in told.drain() if change.kind == "drlc"]
        assert statuses(centre, 7) == ["received", "started", "opted_out", "opted_in", "cancelled"]
        assert changes == ["received", "started", "opted_out", "opted_out", "opted_in", "opted_in", "cancelled"]
        with pytest.raises(NotFoundError, match="7"):
            client.opt_in(7)
        assert centre.drlc.create(replace(EVENT, issuer_event_id=8, criticality_level=7))
        await eventually(lambda: 8 in client.drlc.events, 10)
        with pytest.raises(RefusedError, match="nobody may opt out"):
            client.opt_out(8)
        assert all(frame.encrypted for frame in centre.heard if frame.cluster in (0x0700, 0x0701, 0x0703))


async def test_prices_are_acknowledged_and_messages_shown_and_confirmed(tmp_path: Path) -> None:
    async with interface() as (module, centre), under(module, centre, tmp_path) as (hub, client):
        assert centre.price.create(replace(PRICE, current_time=int(centre.utc())))
        await eventually(lambda: bool(centre.price.shown()[0]["acknowledged"]), 10)
        [active] = client.prices.active(hub.premises.now()).values()
        assert (active.price.price, active.price.rate_label) == (2500, "peak")
        assert centre.messaging.create(MESSAGE)
        await eventually(lambda: client.messages.active is not None, 10)
        client.confirm(9)
        await eventually(lambda: bool(centre.messaging.shown()[0]["confirmed"]), 10)
        with pytest.raises(RefusedError, match="has it already"):
            client.confirm(9)
        centre.messaging.cancel(9)
        await eventually(lambda: client.messages.messages[9].state is Shown.CANCELLED, 10)


async def test_what_has_come_outlives_a_restart_and_what_was_missed_is_asked_for(tmp_path: Path) -> None:
    async with interface() as (module, centre):
        async with under(module, centre, tmp_path) as (_, client):
            centre.drlc.create(EVENT)
            centre.price.create(replace(PRICE, current_time=int(centre.utc())))
            centre.messaging.create(MESSAGE)
            await eventually(lambda: 7 in client.drlc.events and client.messages.active is not None, 10)
            await eventually(lambda: statuses(centre, 7) == ["received", "started"], 10)
            await eventually(lambda: not client.drlc.unheard, 10)
            client.opt_out(7)
        for server in (centre.drlc, centre.price, centre.messaging):
            server.subscribers.clear()
        centre.drlc.create(replace(EVENT, issuer_event_id=17, device_class=0x0001, criticality_level=3))
        async with under(module, centre, tmp_path) as (hub, client):
            assert client.drlc.events[7].is_out
            assert client.messages.active is not None
            assert client.prices.active(hub.premises.now())
            await eventually(lambda: 17 in client.drlc.events, 10)  # it asks who is there what there is
            await eventually(lambda: "started" in statuses(centre, 17), 10)
            assert statuses(centre, 7).count("started") == 1


async def test_a_report_is_sent_again_until_the_interface_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "hub.smart_energy.premises")
    async with interface() as (module, centre), under(module, centre, tmp_path) as (_, client):
        centre.drlc.create(EVENT)
        await eventually(lambda: statuses(centre, 7) == ["received", "started"], 10)
        centre.set_power(False)
        client.opt_out(7)
        client.opt_in(7)
        await eventually(lambda: "ReportEventStatus was not delivered" in caplog.text, 10)
        centre.set_power(True)
        await eventually(lambda: statuses(centre, 7) == ["received", "started", "opted_out", "opted_in"], 20)


async def test_a_report_that_was_not_heard_outlives_a_restart(tmp_path: Path) -> None:
    async with interface() as (module, centre):
        async with under(module, centre, tmp_path) as (_, client):
            centre.drlc.create(EVENT)
            await eventually(lambda: statuses(centre, 7) == ["received", "started"], 10)
            await eventually(lambda: not client.drlc.unheard, 10)
            centre.set_power(False)
            client.opt_out(7)
            assert [one.status.status for one in client.drlc.unheard] == [EventStatus.OPTED_OUT]
        centre.set_power(True)
        async with under(module, centre, tmp_path) as (_, client):
            await eventually(lambda: statuses(centre, 7) == ["received", "started", "opted_out"], 20)
            await eventually(lambda: not client.drlc.unheard, 10)
            assert statuses(centre, 7) == ["received", "started", "opted_out"]


async def test_people_see_what_came_and_answer_by_hubctl_and_rest(tmp_path: Path) -> None:
    async with interface() as (module, centre), served(module, tmp_path) as home:
        hub, shell = home.hub, Shell(home, tmp_path)
        await known(hub, centre)
        client = hub.premises.client("han")
        ran = await shell.run("event", "received")
        assert (ran.code, "nothing has come" in ran.out) == (0, True)
        centre.drlc.create(replace(EVENT, start_time=int(centre.utc()) + 3600))
        centre.price.create(replace(PRICE, current_time=int(centre.utc())))
        centre.messaging.create(MESSAGE)
        await eventually(lambda: bool(client.drlc.events and client.prices.prices and client.messages.messages), 10)
        ran = await shell.run("event", "received")
        assert all(text in ran.out for text in ("0.2500 EUR", "Grüße", "hubctl message confirm 9"))
        ran = await shell.run("event", "drlc", "opt-out", "7")
        assert (ran.code, "when it starts" in ran.out) == (0, True)
        code, found = await home.ask("GET", "/events/received")
        [event], [message] = found["events"], found["messages"]
        assert (code, event["state"], event["opted_out"], event["duration_min"]) == (200, "scheduled", True, 60)
        assert message["waits_for_person"]
        assert (await shell.run("event", "drlc", "opt-in", "7")).code == 0
        assert (await shell.run("message", "confirm", "9")).code == 0
        await eventually(lambda: bool(centre.messaging.shown()[0]["confirmed"]), 10)
        for path, status in (("drlc/8/opt-out", 404), ("drlc/x/opt-in", 400), ("message/9/confirm", 409)):
            assert (await home.ask("POST", f"/events/{path}"))[0] == status
        assert (await home.ask("GET", "/events/received?radio=attic"))[0] == 404
        ran = await shell.run("price", "publish", "0.2")
        assert (ran.code, "that takes hub.role esi_coordinator or esi_router" in ran.err) == (1, True)


async def test_what_people_choose_is_on_disk_when_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def kept(kind: str) -> str:
        [[state]] = await home.hub.store.read("SELECT state FROM se_item WHERE kind LIKE ?", (f"{kind}%",))
        return str(state)

    async with interface() as (module, centre), served(module, tmp_path) as home:
        await known(home.hub, centre)
        premises = home.hub.premises
        centre.drlc.create(replace(EVENT, start_time=int(centre.utc()) + 3600))
        centre.messaging.create(MESSAGE)
        client = premises.client("han")
        await eventually(lambda: bool(client.drlc.events and client.messages.active), 10)
        monkeypatch.setattr(type(premises), "persist", lambda _: None)  # the power fails before the next batch
        assert (await home.ask("POST", "/events/drlc/7/opt-out"))[0] == 200
        out = await kept("drlc")
        assert (await home.ask("POST", "/events/drlc/7/opt-in"))[0] == 200
        assert out != await kept("drlc")
        shown = await kept("message")
        assert (await home.ask("POST", "/events/message/9/confirm"))[0] == 200
        assert shown != await kept("message")
        before = await kept("drlc")
        assert (await home.ask("PATCH", "/events/received/load-control", {"utility_enrollment_group": 3}))[0] == 200
        assert before != await kept("drlc")

        async def full(*_: object) -> None:
            raise StorageError("the disk is full")

        monkeypatch.setattr(home.hub.store, "write", full)
        status, found = await home.ask("POST", "/events/drlc/7/opt-out")
        assert (status, found["opted_out"], "may be forgotten with a restart" in caplog.text) == (200, True, True)


async def test_it_is_said_for_which_loads_events_are_taken(tmp_path: Path) -> None:
    async with interface() as (module, centre), served(module, tmp_path) as home:
        ours, shell = await known(home.hub, centre), Shell(home, tmp_path)
        ran = await shell.run("event", "load-control", "--class", "ev,hvac", "--group", "3", "--randomize-start", "0")
        said = " ".join(ran.out.split())
        assert (ran.code, said) == (0, "classes hvac, ev group 3 randomize start up to 0 min, end up to 30 min")
        status, found = await home.ask("GET", "/events/received/load-control")
        assert (status, found["device_classes"], found["utility_enrollment_group"]) == (200, ["hvac", "ev"], 3)
        status, problem = await home.ask("PATCH", "/events/received/load-control", {"start_randomize_min": 61})
        assert (status, "60" in str(problem)) == (400, True)
        centre.drlc.create(replace(EVENT, device_class=0x0008, issuer_event_id=8, utility_enrollment_group=3))
        centre.drlc.create(replace(EVENT, device_class=0x0400, issuer_event_id=9, utility_enrollment_group=3))
        await eventually(lambda: statuses(centre, 9)[:2] == ["received", "started"], 20)
        assert (statuses(centre, 8), list(ours.drlc.events)) == ([], [9])
    async with interface() as (module, centre), served(module, tmp_path) as home:
        assert home.hub.premises.client("han").drlc.policy.utility_enrollment_group == 3


async def test_a_server_that_is_there_by_several_signs_at_once_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def questions() -> int:
        """Get Scheduled Events, as they came."""
        return len(
            [one for one in centre.heard if one.cluster == 0x0701 and one.payload[0] & 3 == 1 and one.payload[2]]
        )

    async with interface() as (module, centre), under(module, centre, tmp_path) as (hub, client):
        await eventually(lambda: questions() > 0)
        member = hub.household.members[Eui64(centre.ieee)]
        await eventually(lambda: not any(until == inf for until in client._asked.values()))
        centre.heard.clear()
        monkeypatch.setattr("hub.smart_energy.premises.ASKED_S", 60.0)
        client._asked.clear()
        for _ in range(3):
            client.came(member)
        await eventually(lambda: questions() > 0 and inf not in client._asked.values())
        client.came(member)
        assert questions() == 1
        # When our clock has been set, what was answered before was not taken.
        client.ask()
        await eventually(lambda: questions() == 2)
        # One that was not delivered is asked again at the next sign of life.
        centre.set_power(False)
        client.ask()
        await eventually(lambda: set(client._asked.values()) == {0.0}, 40)
        centre.set_power(True)
        centre.heard.clear()
        client.came(member)
        await eventually(lambda: questions() == 1)
