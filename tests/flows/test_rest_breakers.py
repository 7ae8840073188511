"""`hubctl breaker open` and back: from an HTTP request through signed UDP to an emulated breaker, and up again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.config import WebSection
from hub.hub import Hub
from hub.model import Availability
from radios.emulators.emcb import EmcbConfig, EmcbEmulator, EmulatedBreaker
from tests.hub.conftest import hub_config
from tests.hub.conftest import loopback as loopback
from tests.hub.waiting import eventually
from tests.web.conftest import Served
from web.server import serve


@asynccontextmanager
async def served_home(loopback: str, data_dir: Path, number: int = 3) -> AsyncIterator[tuple[Served, EmcbEmulator]]:
    async with EmcbEmulator(EmcbConfig(count=number, bind=loopback)) as emulator:
        config = replace(hub_config(emulator, data_dir), web=WebSection(listen=("127.0.0.1", 0)))
        async with (
            Hub(config) as hub,
            serve(hub) as server,
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        ):
            await eventually(
                lambda: sum(device.availability is Availability.AVAILABLE for device in hub.devices.all()) == number
            )
            token = (data_dir / "token").read_text().strip()
            yield Served(hub, server, session, token, data_dir), emulator


def identity(breaker: EmulatedBreaker) -> str:
    return f"emcb-{breaker.device_id}"


def mute_after_the_first_command(breaker: EmulatedBreaker) -> None:
    """It obeys a command, and from that moment on nobody hears it any more."""
    receive = breaker.receive

    def receive_and_mute(datagram: bytes, *, broadcast: bool) -> bytes | None:
        answer = receive(datagram, broadcast=broadcast)
        breaker.muted = bool(breaker.commands_applied)
        return answer

    breaker.receive = receive_and_mute  # type: ignore[method-assign]


async def test_a_breaker_opens_over_rest_and_the_websocket_tells_it(loopback: str, tmp_path: Path) -> None:
    async with served_home(loopback, tmp_path) as (served, emulator):
        breaker = emulator.breakers[0]
        device_id = identity(breaker)
        told: list[Any] = []
        async with served.websocket() as socket:
            assert (await socket.receive_json())["event"] == "snapshot"
            answer = await served.ask("POST", f"/api/v1/breakers/{device_id}/open")
            assert answer.status == 200
            command = answer.json
            assert (command["outcome"], command["position"], command["requested_by"]) == ("confirmed", "open", "admin")
            assert breaker.state == 0
            async with asyncio.timeout(10):
                while not told or told[-1].get("command", {}).get("outcome") != "confirmed":
                    told.append(await socket.receive_json())
            await socket.send_json({"id": 5, "command": "breaker.close", "args": {"device": device_id}})
            async with asyncio.timeout(30):
                while (reply := await socket.receive_json()).get("id") != 5:
                    pass
            assert (reply["result"]["outcome"], breaker.state) == ("confirmed", 1)
        outcomes = [event["command"]["outcome"] for event in told if event["event"] == "command_changed"]
        assert (outcomes[0], outcomes[-1]) == ("pending", "confirmed")
        [moved] = [event for event in told if event["event"] == "breaker_changed"]
        assert (moved["device_id"], moved["previous"], moved["position"], moved["cause"]) == (
            device_id, "closed", "open", "command",
        )  # fmt: skip
        listed = (await served.get(f"/api/v1/commands?device={device_id}&limit=5"))["commands"]
        assert [one["action"] for one in listed] == ["close", "open"]
        assert listed[1] == command


async def test_readings_flow_from_the_meter_to_every_face(loopback: str, tmp_path: Path) -> None:
    async with served_home(loopback, tmp_path) as (served, emulator):
        device_id = identity(emulator.breakers[0])
        async with served.websocket() as socket, asyncio.timeout(20):
            snapshot = await socket.receive_json()
            assert {device["id"] for device in snapshot["devices"]} == {identity(one) for one in emulator.breakers}
            while True:
                told = await socket.receive_json()
                if told["event"] == "readings_taken" and told["device_id"] == device_id:
                    total = told["readings"].get("total", {})
                    if "power_w" in total:
                        break
        async with asyncio.timeout(20):
            while not (await served.get(f"/api/v1/readings?device={device_id}&resolution=raw"))["points"]:
                pass
        metrics = (await served.ask("GET", "/metrics")).body.decode()
        assert f'hub_device_power_watts{{channel="total",device="{device_id}"' in metrics
        assert 'hub_radio_up{driver="emcb"' in metrics
        assert 'hub_radio_datagrams_total{kind="received"' in metrics
        assert "hub_key_expires_seconds{" in metrics
        assert (await served.get("/api/v1/health", token=None))["status"] == "ok"


async def test_a_toggle_that_nobody_answers_is_504_and_was_sent_once(loopback: str, tmp_path: Path) -> None:
    async with served_home(loopback, tmp_path) as (served, emulator):
        breaker = emulator.breakers[1]
        mute_after_the_first_command(breaker)
        problem = (await served.ask("POST", f"/api/v1/breakers/{identity(breaker)}/toggle")).problem(504)
        assert problem["type"].endswith(":unknown-outcome")
        assert problem["command"]["outcome"] == "unknown"
        assert problem["commands"] == [problem["command"]]
        assert len(breaker.commands_applied) == 1
        metrics = (await served.ask("GET", "/metrics")).body.decode()
        assert 'hub_commands_total{outcome="unknown"} 1.0' in metrics


async def test_a_silent_breaker_is_refused_or_unavailable_and_never_confirmed(loopback: str, tmp_path: Path) -> None:
    async with served_home(loopback, tmp_path) as (served, emulator):
        breaker = emulator.breakers[0]
        breaker.muted = True
        answer = await served.ask("POST", f"/api/v1/breakers/{identity(breaker)}/open")
        problem = answer.problem(answer.status)
        assert answer.status in (409, 503, 504)
        if answer.status == 504:
            assert problem["command"]["outcome"] == "unknown"


async def test_a_protected_breaker_is_refused_with_409(loopback: str, tmp_path: Path) -> None:
    async with served_home(loopback, tmp_path) as (served, emulator):
        breaker = emulator.breakers[0]
        await served.ask("PATCH", f"/api/v1/devices/{identity(breaker)}", {"protected": True})
        assert (
            "protected"
            in (await served.ask("POST", f"/api/v1/breakers/{identity(breaker)}/open")).problem(409)["detail"]
        )
        problem = (await served.ask("POST", "/api/v1/breakers/groups/open", {"all": True})).problem(409)
        assert problem["outcome"] == "refused"
        outcomes = {one["device_id"]: one["outcome"] for one in problem["commands"]}
        assert outcomes.pop(identity(breaker)) == "refused"
        assert set(outcomes.values()) == {"confirmed"}
        assert breaker.state == 1


async def test_a_group_moves_together(loopback: str, tmp_path: Path) -> None:
    async with served_home(loopback, tmp_path) as (served, emulator):
        everybody = await served.ask("POST", "/api/v1/breakers/groups/open", {"all": True})
        assert everybody.status == 200, everybody.body
        assert everybody.json["outcome"] == "confirmed"
        assert [breaker.state for breaker in emulator.breakers] == [0, 0, 0]
        two = [identity(breaker) for breaker in emulator.breakers[:2]]
        some = await served.ask("POST", "/api/v1/breakers/groups/close", {"breakers": two})
        assert [command["device_id"] for command in some.json["commands"]] == two
        assert [breaker.state for breaker in emulator.breakers] == [1, 1, 0]
        contradictions: list[dict[str, Any]] = [{}, {"all": False}, {"all": True, "breakers": two}, {"breakers": []}]
        for wrong in contradictions:
            (await served.ask("POST", "/api/v1/breakers/groups/open", wrong)).problem(400)
        (await served.ask("POST", "/api/v1/breakers/groups/open", {"breakers": [*two, "emcb-0"]})).problem(404)
        assert [breaker.state for breaker in emulator.breakers] == [1, 1, 0]


async def test_leds_show_what_was_asked_for(loopback: str, tmp_path: Path) -> None:
    async with served_home(loopback, tmp_path, 1) as (served, emulator):
        path = f"/api/v1/breakers/{identity(emulator.breakers[0])}/led"
        leds = [{"color": "#00ff00"}, {"color": "#FF0000", "blinking": True}, *[{"color": "#000000"}] * 3]
        answer = await served.ask("PUT", path, {"leds": leds, "duration_s": 5})
        assert (answer.status, answer.json["action"], answer.json["outcome"]) == (200, "led", "confirmed")
        assert (await served.ask("PUT", path, {"off": True})).json["outcome"] == "confirmed"


async def test_new_keys_are_used_at_once_and_shown_never(loopback: str, tmp_path: Path) -> None:
    async with served_home(loopback, tmp_path, 1) as (served, emulator):
        breaker = emulator.breakers[0]
        key = bytes(range(32)).hex()
        listed = await served.get("/api/v1/breakers/keys")
        assert {one["device_id"] for one in listed["keys"]} == {None, identity(breaker)}
        assert all(one["expires_at"] for one in listed["keys"])
        breaker.set_key(bytes(range(32)))
        answer = await served.ask("PUT", "/api/v1/breakers/keys", {"unicast_keys": {breaker.device_id: key}})
        assert answer.status == 200, answer.body
        assert key.encode() not in answer.body
        async with asyncio.timeout(20):
            while (await served.ask("POST", f"/api/v1/breakers/{identity(breaker)}/open")).status != 200:
                pass
        assert breaker.state == 0
        for wrong in ("abc", "zz" * 32, "00" * 31):
            refused = await served.ask("PUT", "/api/v1/breakers/keys", {"unicast_keys": {breaker.device_id: wrong}})
            refused.problem(400)
            assert wrong.encode() not in refused.body
        assert key not in json.dumps(await served.get("/api/v1/system"))


async def test_a_client_that_hangs_up_does_not_stop_its_command(loopback: str, tmp_path: Path) -> None:
    async with served_home(loopback, tmp_path, 1) as (served, emulator):
        breaker = emulator.breakers[0]
        with pytest.raises(TimeoutError):
            await served.ask(
                "POST", f"/api/v1/breakers/{identity(breaker)}/open", timeout=aiohttp.ClientTimeout(total=0.001)
            )
        # It may not even have been sent; but if it was recorded, it comes to an end.
        async with asyncio.timeout(20):
            while any(one["outcome"] == "pending" for one in (await served.get("/api/v1/commands"))["commands"]):
                pass
        recorded = (await served.get("/api/v1/commands"))["commands"]
        assert breaker.state == (0 if recorded else 1)
