"""Whoever holds the network of an emulated router: a meter or an energy service interface, and what is done at it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from radios.emulators.errors import EmulatorError
from radios.emulators.stick_command import Console
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from radios.emulators.xbee_command import ALIASES, beside_commands, trust_centre_commands
from radios.emulators.xbee_router import XbeeRouter, XbeeRouterConfig
from tests.hub.waiting import eventually

ROOT = Path(__file__).parents[2]
KEY = "0a" * 16


def console(module: XbeeRouter) -> Console:
    return Console(module, lambda: None, ALIASES, trust_centre_commands(module))


def shown(at: Console, kind: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(at.answer(f"show {kind}").removeprefix("ok "))
    return found


async def test_an_interface_that_holds_the_network_publishes_to_devices_it_has_keys_with() -> None:
    start = XbeeRouterConfig(devices=("display", "load-control"), trust_centre="esi", speed=5.0)
    async with XbeeRouter(start) as module:
        at = console(module)
        for device in module.devices[:2]:
            assert at.answer(f"join {device.kind}").startswith("error: its key is not the one")
            assert device.link_key is not None
            assert at.answer(f"register {device.ieee:016x} {device.link_key.hex()}").startswith("ok")
            assert at.answer(f"join {device.kind}").startswith("ok")
        await eventually(lambda: all(device.is_authenticated for device in module.devices))
        await eventually(lambda: {"0x0700", "0x0703", "0x0701"} == {
            cluster for cluster, clients in shown(at, "esi")["clients"].items() if clients  # type: ignore[attr-defined]
        })  # fmt: skip
        assert at.answer("price esi 0.25").startswith("ok price")
        assert at.answer("message esi Good morning").startswith("ok message")
        await eventually(lambda: shown(at, "display")["message"] == "Good morning")
        await eventually(lambda: shown(at, "display")["price"] is not None)
        assert len(shown(at, "esi")["with_keys"]) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("open 90000", "error: open 90000: must be from 0 (close) to 86400 seconds"),
        ("open soon", "error: open 'soon': not a number"),
        ("open", "error: use: open SECONDS"),
        ("open 0", "ok closed"),
        ("forget", "ok nobody may join"),
        ("expel", "error: the module is on no network"),
        ("register module", "ok 0013a20040410001, with the key that it was made with"),
    ],
)
async def test_what_a_technician_does_is_checked(line: str, said: str) -> None:
    async with XbeeRouter(XbeeRouterConfig(devices=(), is_open=False)) as module:
        assert console(module).answer(line) == said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("register", "use: register module|EUI64 [KEY]"),
        ("register modul", "EUI64: 4 of 5 characters are no hex digits; must be the word module, or 16 hex digits"),
        (f"register module {KEY}", "no key may follow"),
        ("register 0013a2004052290a", "use: register EUI64 KEY with a KEY of 32 hex digits"),
        (f"register 0x13a2004052290a {KEY}", "1 of 16 characters are no hex digits"),
        (f"register -013a2004052290a {KEY}", "EUI64: 15 hex digits; must be the word module, or 16 hex digits"),
        (f"register 0013a200_052290a {KEY}", "1 of 16 characters are no hex digits"),
        (f"register 0000000000000000 {KEY}", "no device has it; must not be all 0 or all f"),
        (f"register ffffffffffffffff {KEY}", "no device has it; must not be all 0 or all f"),
        (f"register 0013a2004052290a {KEY[1:]}", "KEY: 31 hex digits; must be 32 hex digits"),
        (f"register 0013a2004052290a {KEY[1:]}x", "KEY: 1 of 32 characters are no hex digits; must be 32 hex digits"),
        (f"register 0013a2004052290a {'0' * 32}", "KEY: all zero; must be 32 hex digits that are not all 0"),
        ("open nan", "must be from 0 (close) to 86400 seconds"),
    ],
)
async def test_a_trust_centre_registers_nothing_that_is_wrong(line: str, said: str) -> None:
    async with XbeeRouter(XbeeRouterConfig(is_registered=False)) as module:
        lines = console(module)
        assert said in lines.answer(line)
        assert lines.answer(line).startswith("error: ")
        assert not module.trust_centre.table
        assert lines.answer(f"register 00:13:A2:00:40:52:29:0A {KEY}") == "ok 0013a2004052290a"
        assert lines.answer("register module") == f"ok {module.ieee:016x}, with the key that it was made with"
        assert module.trust_centre.table == {0x0013A2004052290A: bytes.fromhex(KEY), module.ieee: module.factory_key}


def test_an_unknown_trust_centre_is_refused() -> None:
    with pytest.raises(EmulatorError, match="there are smart-meter, esi"):
        XbeeRouter(XbeeRouterConfig(trust_centre="toaster"))


async def run(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "radios.emulators", "xbee", *arguments, cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(20):
        out, err = await process.communicate(b"list\nopen 60\nquit\n")
    return process.returncode or 0, out.decode(), err.decode()


async def test_a_router_is_started_from_the_command_line() -> None:
    code, out, err = await run("--role", "router", "--trust-centre", "esi", "--closed", "--unregistered")
    assert (code, err) == (0, "")
    assert 'role = "aux_gateway"' in out
    assert '"kind": "esi"' in out
    assert "ok open for 60 s" in out
    code, _, err = await run("--closed")
    assert (code, "are for --role router" in err) == (2, True)


async def test_a_second_module_for_a_second_hub_is_started_beside_the_first() -> None:
    code, out, err = await run("--beside", "--devices", "display")
    assert (code, err) == (0, "")
    pipes = [line for line in out.splitlines() if line.startswith("pty:")]
    assert len(set(pipes)) == 2
    assert out.index("link key") < out.index('role = "aux_gateway"')
    code, _, err = await run("--role", "router", "--beside")
    assert (code, "--beside is for --role coordinator" in err) == (2, True)


async def test_things_happen_to_the_module_beside() -> None:
    guest = XbeeRouterConfig(devices=(), seed=2, is_open=False)
    async with XbeeEmulator(XbeeConfig(devices=())) as module, XbeeRouter(guest, module) as beside:
        at = Console(module, lambda: None, ALIASES, beside_commands(beside))
        assert at.answer("beside mute") == f"ok {beside.ieee:016x} mute"
        assert beside.is_mute
        assert not module.is_mute
        assert at.answer("beside explode").startswith("error: beside 'explode': must be mute, unmute")
        assert at.answer("beside") == "error: use: beside mute|unmute|reset|kill|revive"
