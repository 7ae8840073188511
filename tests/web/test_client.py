"""HubClient: typed answers, and errors that say whether anything may have happened."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from aiohttp import web as aioweb

import web.client
from tests.ports import free_port
from tests.web.conftest import FRIDGE as REAL_FRIDGE
from tests.web.conftest import Served
from tests.web.fake_hub import DROP, FRIDGE, SILENT, TOKEN, FakeHub, breaker, command, event, problem, snapshot
from web.client import (
    AnswerLostError,
    HubClient,
    HubUnreachableError,
    NotAHubError,
    ProblemError,
    StreamLostError,
)
from web.client_model import BreakerChanged, Event, Led, ReadingsTaken, Snapshot
from web.client_zigbee_model import SmartEnergyChanged

OPEN = ("POST", f"/api/v1/breakers/{FRIDGE}/open")


@pytest.fixture
def fake() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        yield hub


async def test_answers_are_typed_and_fields_of_a_newer_hub_are_left_out(fake: FakeHub) -> None:
    async with HubClient(fake.url, TOKEN) as hub:
        devices = await hub.devices(kind="breaker")
    assert [device.name for device in devices] == ["Refrigerator", "Solar roof", "Kitchen"]
    assert devices[0].breaker is not None
    assert devices[0].breaker.position == "closed"
    assert devices[0].reading("voltage_v") == 121.25
    assert devices[0].reading("frequency_hz") is None
    assert fake.asked[0].query == {"kind": "breaker"}


async def test_nobody_there_is_unreachable() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with HubClient(url, TOKEN) as hub:
        with pytest.raises(HubUnreachableError, match="connection refused") as caught:
            await hub.move(FRIDGE, "open")
    assert url in str(caught.value)


async def test_a_lost_answer_is_told_as_such_and_the_command_is_not_sent_again(fake: FakeHub) -> None:
    fake.answers[OPEN] = DROP
    async with HubClient(fake.url, TOKEN) as hub:
        # A connection that was good before is where clients like to repeat by themselves.
        await hub.devices()
        with pytest.raises(AnswerLostError):
            await hub.move(FRIDGE, "open")
    assert len(fake.of("POST")) == 1


async def test_a_silent_hub_is_a_lost_answer(fake: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.client, "COMMAND_TIMEOUT_S", 0.1)
    fake.answers[OPEN] = SILENT
    async with HubClient(fake.url, TOKEN) as hub:
        with pytest.raises(AnswerLostError, match="no answer in time"):
            await hub.move(FRIDGE, "open")


async def test_a_problem_carries_what_the_hub_said(fake: FakeHub) -> None:
    fake.answers[OPEN] = problem(409, "refused", "it is protected", command=command("refused"), near=["Kitchen"])
    async with HubClient(fake.url, TOKEN) as hub:
        with pytest.raises(ProblemError) as caught:
            await hub.move(FRIDGE, "open")
    error = caught.value
    assert (error.status, error.title, error.detail) == (409, "refused", "it is protected")
    assert error.command is not None
    assert error.command.outcome == "refused"
    assert error.problem.near == ("Kitchen",)


@pytest.mark.parametrize(
    "answer",
    [
        aioweb.Response(text="<html>my router</html>", content_type="text/html"),
        aioweb.Response(status=502, text="<html>bad gateway</html>", content_type="text/html"),
        aioweb.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
        (200, {"devices": [{"id": 5}]}),
    ],
)
async def test_something_else_at_the_address_is_no_hub(fake: FakeHub, answer: object) -> None:
    fake.answers[("GET", "/api/v1/devices")] = answer
    async with HubClient(fake.url, TOKEN) as hub:
        with pytest.raises(NotAHubError):
            await hub.devices()


@pytest.mark.parametrize(("status", "outcome"), [(409, "refused"), (504, "unknown")])
async def test_a_group_tells_every_outcome_and_does_not_raise(fake: FakeHub, status: int, outcome: str) -> None:
    commands = [command(), command(outcome, "emcb-2")]
    fake.answers[("POST", "/api/v1/breakers/groups/open")] = problem(status, "x", "some", commands=commands)
    async with HubClient(fake.url, TOKEN) as hub:
        result = await hub.move_group("open", [FRIDGE, "emcb-2"])
        assert (result.outcome, [one.outcome for one in result.commands]) == (outcome, ["confirmed", outcome])
        assert fake.asked[-1].body == {"breakers": [FRIDGE, "emcb-2"]}
        fake.answers[("POST", "/api/v1/breakers/groups/open")] = problem(403, "forbidden", "viewers only look")
        with pytest.raises(ProblemError, match="viewers only look"):
            await hub.move_group("open")
        assert fake.asked[-1].body == {"all": True}


async def test_lights_and_updates_send_what_was_said_and_no_more(fake: FakeHub) -> None:
    fake.answers[("PUT", f"/api/v1/breakers/{FRIDGE}/led")] = (200, command(action="led"))
    fake.answers[("PATCH", f"/api/v1/devices/{FRIDGE}")] = (200, breaker(area=""))
    fake.answers[("DELETE", f"/api/v1/devices/{FRIDGE}")] = (204, None)
    async with HubClient(fake.url, TOKEN) as hub:
        await hub.set_leds(FRIDGE, [Led("#ff0000", True)] * 5, 60)
        assert fake.asked[-1].body == {"leds": [{"color": "#ff0000", "blinking": True}] * 5, "duration_s": 60}
        await hub.set_leds(FRIDGE, None)
        assert fake.asked[-1].body == {"off": True}
        await hub.update_device(FRIDGE, area="", protected=False)
        assert fake.asked[-1].body == {"area": "", "protected": False}
        await hub.remove_device(FRIDGE)


async def test_an_id_is_one_segment_of_the_address_whatever_is_in_it(fake: FakeHub) -> None:
    async with HubClient(fake.url, TOKEN) as hub:
        with pytest.raises(ProblemError):
            await hub.device("../tokens?x")
        assert fake.asked[-1].path == "/api/v1/devices/..%2Ftokens%3Fx"
        for none in ("", ".", ".."):
            with pytest.raises(ValueError, match="is not an id"):
                await hub.device(none)


async def test_misuse_is_refused_at_once() -> None:
    for wrong in ("", "127.0.0.1:8080", "ftp://x", "http://"):
        with pytest.raises(ValueError, match="allowed: http://HOST:PORT"):
            HubClient(wrong)
    with pytest.raises(RuntimeError, match="async with"):
        await HubClient("http://127.0.0.1:1").devices()


# -- events ------------------------------------------------------------------------------------------------------------


async def collect(hub: HubClient) -> tuple[list[Event], StreamLostError]:
    events: list[Event] = []
    with pytest.raises(StreamLostError) as caught:
        async with asyncio.timeout(10):
            async for one in hub.events():
                events.append(one)
    return events, caught.value


async def test_events_are_a_snapshot_and_what_follows_until_the_hub_goes_away(fake: FakeHub) -> None:
    fake.streams = [
        [
            snapshot(seq=7),
            event("readings_taken", 8, device_id=FRIDGE, readings={"total": {"power_w": 3.5}}),
            event("something_of_a_newer_hub", 9, what=[1, 2]),
            event("breaker_changed", 10, device_id=FRIDGE, position="open", previous="closed", cause="command"),
            {"id": 1, "result": {}},
            1001,
        ]
    ]
    async with HubClient(fake.url, TOKEN) as hub:
        events, lost = await collect(hub)
    assert [type(one) for one in events] == [Snapshot, ReadingsTaken, BreakerChanged]
    assert lost.code == 1001
    assert "going away" in str(lost)


async def test_what_an_energy_service_interface_says_is_heard_by_programs_too(fake: FakeHub) -> None:
    told = event("smart_energy_changed", 8, radio="han", kind="message", id=9, what="confirmed")
    fake.streams = [[snapshot(seq=7), told, 1001]]
    async with HubClient(fake.url, TOKEN) as hub:
        events, _ = await collect(hub)
    [heard] = [one for one in events if isinstance(one, SmartEnergyChanged)]
    assert (heard.kind, heard.id, heard.what) == ("message", 9, "confirmed")


async def test_a_gap_in_the_numbers_is_a_loss(fake: FakeHub) -> None:
    fake.streams = [[snapshot(seq=7), event("device_removed", 9, device_id=FRIDGE), SILENT]]
    async with HubClient(fake.url, TOKEN) as hub:
        events, lost = await collect(hub)
    assert len(events) == 1
    assert "events 8 to 8 are missing" in str(lost)


async def test_a_websocket_without_a_valid_token_says_so(fake: FakeHub) -> None:
    async with HubClient(fake.url, "heh_wrong") as hub:
        with pytest.raises(ProblemError, match="token is not valid") as caught:
            async for _ in hub.events():
                pass
    assert "heh_wrong" not in repr(caught.value)
    async with HubClient(f"http://127.0.0.1:{free_port()}", TOKEN) as hub:
        with pytest.raises(HubUnreachableError):
            async for _ in hub.events():
                pass


async def test_a_websocket_that_says_nonsense_is_no_hub(fake: FakeHub) -> None:
    fake.streams = [["{nonsense"], [{"event": "snapshot", "seq": 1, "devices": "none"}]]
    async with HubClient(fake.url, TOKEN) as hub:
        for _ in range(2):
            with pytest.raises(NotAHubError, match="cannot be read"):
                async for _ in hub.events():
                    pass


# -- the real hub ------------------------------------------------------------------------------------------------------


async def test_every_answer_of_the_real_hub_fits_the_models(served: Served) -> None:
    async with HubClient(served.server.url, served.token) as hub:
        assert (await hub.health()).status == "ok"
        system = await hub.system()
        assert (system.devices.total, system.storage.state) == (0, "ok")
        assert (await hub.session()).role == "admin"
        assert (await hub.house()).power_w is None
        events = hub.events()
        first = await anext(events)
        assert isinstance(first, Snapshot)
        assert first.devices == ()
        await events.aclose()
        created = await hub.create_token("kiosk", "viewer")
        assert isinstance(created.token, str)
        assert {token.name for token in await hub.tokens()} == {"admin", "kiosk"}
        await hub.revoke_token(created.id)
        assert (await hub.login_link()).url.startswith(f"{served.server.url}/login?code=")
        assert await hub.keys() == ()
        assert await hub.commands(limit=5) == ()
        with pytest.raises(ProblemError) as caught:
            await hub.device(REAL_FRIDGE)
        assert caught.value.status == 404
        with pytest.raises(ProblemError, match="resolution"):
            await hub.readings("house", "power_w", resolution="2m")
