"""hubctl against a real hub: from the command line through signed UDP to an emulated breaker, and back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from radios.emulators.emcb import EmcbEmulator
from tests.flows.test_rest_breakers import identity, mute_after_the_first_command, served_home
from tests.hub.conftest import loopback as loopback
from tests.hub.waiting import eventually
from tests.web.conftest import Served
from web.client import HubClient
from web.client_model import BreakerChanged

ROOT = Path(__file__).parent.parent.parent
LONGEST_S = 60.0


@dataclass
class Ran:
    """What the program printed, and how it ended."""

    code: int | None
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shell:
    """An account on the hub's machine: it knows where the hub is and where its data is, and no token."""

    def __init__(self, served: Served) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HEH_")}
        self.env = {
            **kept,
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            "HEH_URL": served.server.url,
            "HEH_DATA_DIR": str(served.data_dir),
        }

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "web.hubctl", *arguments),
            env=self.env,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def hubctl(self, *arguments: str, stdin: str = "") -> Ran:
        process = await self.start(*arguments)
        async with asyncio.timeout(LONGEST_S):
            out, err = await process.communicate(stdin.encode())
        assert b"Traceback" not in err, err.decode()
        return Ran(process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def house(loopback: str, data_dir: Path) -> AsyncIterator[tuple[Shell, Served, EmcbEmulator]]:
    async with served_home(loopback, data_dir) as (served, emulator):
        await eventually(lambda: all(served.hub.devices.latest(one.id).values for one in served.hub.devices.all()))
        yield Shell(served), served, emulator


async def test_a_breaker_is_opened_from_the_command_line(loopback: str, tmp_path: Path) -> None:
    async with house(loopback, tmp_path) as (shell, served, emulator):
        breaker = emulator.breakers[0]
        name = served.hub.devices.get(identity(breaker)).name
        ran = await shell.hubctl("breaker", "open", identity(breaker)[-6:])
        assert (ran.code, ran.out, ran.err) == (0, f"{name}: open (confirmed)\n", "")
        assert breaker.state == 0
        history = (await shell.hubctl("commands", "--json")).json["commands"]
        assert [(one["action"], one["outcome"], one["requested_by"]) for one in history] == [
            ("open", "confirmed", "admin")
        ]
        assert "open" in (await shell.hubctl("breaker", "list")).out


async def test_a_protected_breaker_is_refused_and_stays_closed(loopback: str, tmp_path: Path) -> None:
    async with house(loopback, tmp_path) as (shell, _, emulator):
        breaker = emulator.breakers[1]
        named = await shell.hubctl("device", "set", identity(breaker), "--name", "Freezer", "--protected")
        assert named.out == f"Freezer ({identity(breaker)}): no area, protected\n"
        ran = await shell.hubctl("breaker", "open", "freezer")
        assert ran.code == 1
        assert "protected" in ran.out + ran.err
        assert breaker.state == 1


async def test_a_breaker_that_nobody_hears_is_unknown_with_exit_code_4(loopback: str, tmp_path: Path) -> None:
    async with house(loopback, tmp_path) as (shell, _, emulator):
        breaker = emulator.breakers[0]
        mute_after_the_first_command(breaker)
        ran = await shell.hubctl("breaker", "toggle", identity(breaker))
        assert ran.code == 4
        assert "unknown: " in ran.out
        assert "look at the breaker" in ran.out
        # It did move: "unknown" was the truth, "failed" would not have been.
        assert breaker.state == 0


async def test_all_breakers_move_as_a_group(loopback: str, tmp_path: Path) -> None:
    async with house(loopback, tmp_path) as (shell, _, emulator):
        ran = await shell.hubctl("breaker", "open", "--all")
        assert ran.code == 0, ran
        assert ran.out.count("open (confirmed)") == len(emulator.breakers)
        assert [breaker.state for breaker in emulator.breakers] == [0, 0, 0]


async def test_lights_reach_the_breaker(loopback: str, tmp_path: Path) -> None:
    async with house(loopback, tmp_path) as (shell, _, emulator):
        ran = await shell.hubctl(
            "breaker",
            "led",
            identity(emulator.breakers[0]),
            "-c",
            "#102030",
            "-c",
            "red",
            "--blink",
            "--duration",
            "5m",
        )
        assert (ran.code, "for 5 min 0 s (confirmed)" in ran.out) == (0, True)
        ran = await shell.hubctl("breaker", "led", identity(emulator.breakers[0]), "--off")
        assert ran.out.endswith("lights as usual (confirmed)\n")


async def test_everything_that_can_be_read_is_read(loopback: str, tmp_path: Path) -> None:
    async with house(loopback, tmp_path) as (shell, served, emulator):
        device_id = identity(emulator.breakers[0])
        status = await shell.hubctl("status")
        assert (status.code, status.err) == (0, "")
        assert "3 of 3 available" in status.out
        assert (await shell.hubctl("status", "--json")).json["radios"][0]["counters"]["received"] > 0
        assert len((await shell.hubctl("devices", "--json")).json["devices"]) == 3
        assert "line-to-line voltage" in (await shell.hubctl("device", "show", device_id)).out
        assert "power_w" in (await shell.hubctl("energy", "--json")).json
        assert device_id in (await shell.hubctl("breaker", "keys")).out
        await served.hub.store.flush()
        for arguments in ((), ("voltage",), ("energy",)):
            ran = await shell.hubctl("readings", device_id, *arguments, "--since", "5m", "--json")
            assert ran.code == 0, ran
            assert ran.json["device_id"] == device_id
        assert (await shell.hubctl("readings", device_id, "--csv")).out.startswith("time,power_w")
        link = await shell.hubctl("login")
        async with served.session.get(link.out.strip(), allow_redirects=False) as answer:
            assert answer.status == 303


async def test_tokens_live_and_die_by_the_command_line(loopback: str, tmp_path: Path) -> None:
    async with house(loopback, tmp_path) as (shell, _, emulator):
        token = (await shell.hubctl("token", "create", "kiosk")).out.strip()
        shell.env["HEH_TOKEN"] = token
        assert (await shell.hubctl("devices")).code == 0
        refused = await shell.hubctl("breaker", "open", identity(emulator.breakers[0]))
        assert refused.code == 1
        assert emulator.breakers[0].state == 1
        del shell.env["HEH_TOKEN"]
        assert (await shell.hubctl("token", "revoke", "kiosk")).code == 0
        shell.env["HEH_TOKEN"] = token
        dead = await shell.hubctl("devices")
        assert dead.code == 1
        assert "token" in dead.err
        assert token not in dead.err


async def test_keys_are_set_from_standard_input(loopback: str, tmp_path: Path) -> None:
    async with house(loopback, tmp_path) as (shell, _, emulator):
        bare = emulator.breakers[0].device_id
        wrong = await shell.hubctl("breaker", "set-keys", "-", stdin=json.dumps({"unicast_keys": {bare: "c2hvcnQ="}}))
        assert wrong.code == 2, wrong
        assert "c2hvcnQ" not in wrong.err
        fresh = await shell.hubctl(
            "breaker", "set-keys", "-", "--json", stdin=json.dumps({"unicast_keys": {bare: "ab" * 32}})
        )
        assert fresh.code == 0, fresh
        assert "ab" * 32 not in fresh.out
        assert any(key["device_id"] == f"emcb-{bare}" for key in fresh.json["keys"])


async def test_watch_tells_what_happens_while_it_happens(loopback: str, tmp_path: Path) -> None:
    async with house(loopback, tmp_path) as (shell, _, emulator):
        watching = await shell.start("watch", "--json")
        assert watching.stdout is not None
        async with asyncio.timeout(LONGEST_S):
            assert json.loads(await watching.stdout.readline())["event"] == "snapshot"
            await shell.hubctl("breaker", "open", identity(emulator.breakers[0]))
            while (event := json.loads(await watching.stdout.readline()))["event"] != "breaker_changed":
                pass
        assert (event["device_id"], event["position"]) == (identity(emulator.breakers[0]), "open")
        watching.send_signal(signal.SIGINT)
        _, err = await watching.communicate()
        assert (watching.returncode, err) == (0, b"")


async def test_the_client_hears_what_it_did(loopback: str, tmp_path: Path) -> None:
    async with (
        house(loopback, tmp_path) as (_, served, emulator),
        HubClient(served.server.url, served.token) as hub,
    ):
        device_id = identity(emulator.breakers[0])
        events = hub.events()
        snapshot = await anext(events)
        assert device_id in {device.id for device in snapshot.devices}  # type: ignore[union-attr]
        command = await hub.move(device_id, "open")
        assert (command.outcome, command.position) == ("confirmed", "open")
        async with asyncio.timeout(LONGEST_S):
            async for event in events:
                if isinstance(event, BreakerChanged):
                    assert (event.device_id, event.position, event.cause) == (device_id, "open", "command")
                    break
        await events.aclose()


@pytest.mark.parametrize("arguments", [("devices",), ("breaker", "open", "anything")])
async def test_a_hub_that_is_gone_is_exit_code_5(loopback: str, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    async with served_home(loopback, tmp_path, number=1) as (served, _):
        shell = Shell(served)
    ran = await shell.hubctl(*arguments)
    assert ran.code == 5
    assert "no hub answers" in ran.err
