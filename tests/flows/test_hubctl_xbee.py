"""REST and hubctl on a real hub with an emulated XBee: keys, joining, registers, certificates."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from test_hubctl_zigbee import Shell
from test_rest_zigbee import Service
from test_xbee_home import PRIVATE, certificate_text, is_interviewed

from hub.config import parse
from hub.hub import Hub
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from tests.hub.waiting import eventually
from web.rest.at_commands import AtCommand
from web.rest.certificates import NewCertificate
from web.server import serve


@asynccontextmanager
async def served(module: XbeeEmulator, folder: Path) -> AsyncIterator[Service]:
    table = tomllib.loads(module.toml("han"))
    table["web"] = {"listen": "127.0.0.1:0"}
    async with Hub(parse(table, data_dir=folder)) as hub, serve(hub) as server:
        await eventually(lambda: hub.networks.get("han").state == "up")
        yield Service(hub, module, server.url, (folder / "token").read_text().strip())  # type: ignore[arg-type]


async def test_a_device_joins_with_the_key_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    async with XbeeEmulator(XbeeConfig(devices=("plug",))) as module, served(module, tmp_path) as home:
        [plug] = module.devices
        shell = Shell(home, tmp_path)
        ran = await shell.run("network", "show", "--json")
        assert json.loads(ran.out)["can"] == {
            "permit_join": True, "install_codes": True, "link_keys": True, "aps_encryption": True,
            "energy_scan": False, "channel_change": False, "led": False, "tx_power": True, "certification": False,
            "erase": True, "certificates": True, "router": False, "configurable": True, "at_commands": True,
            "backup": False,
        }  # fmt: skip
        assert plug.link_key is not None
        file = tmp_path / "devices"
        file.write_text(f'{plug.ieee:016x} name="Kettle" link_key={plug.link_key.hex()}\n')
        ran = await shell.run("network", "add", "--file", str(file))
        assert (ran.code, plug.link_key.hex() in ran.out + ran.err) == (0, False)
        assert (await home.ask("POST", "/networks/han/permit-join"))[0] == 200
        assert module.press(plug)
        await eventually(lambda: is_interviewed(home.hub, plug))
        ran = await shell.run("off", "kettle")
        assert (ran.code, ran.out.strip()) == (0, "Kettle: off (confirmed)")
        ran = await shell.run("network", "energy")
        assert (ran.code, "has no energy scan" in ran.err) == (1, True)


async def test_a_device_is_added_with_its_key_and_followed_until_it_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    async with XbeeEmulator(XbeeConfig(devices=("smart-meter",))) as module, served(module, tmp_path) as home:
        [meter] = module.devices
        assert meter.link_key is not None
        name = f"zigbee-{meter.ieee:016x}"
        process = await Shell(home, tmp_path).start(
            "device", "add", f"{meter.ieee:016x}", "--link-key", meter.link_key.hex(), "--join-time", "600"
        )
        async with asyncio.timeout(60):
            while home.hub.networks.get("han").joining_until is None:  # noqa: ASYNC110 - another process does it
                await asyncio.sleep(0.05)
            assert home.hub.networks.device(name).stage == "registered"
            assert module.press(meter)
            out, err = await process.communicate()
        told, said = out.decode(), err.decode()
        assert process.returncode == 0, said
        steps = ("announces itself: a new device", "keys established", "is ready")
        assert [step for line in told.splitlines() for step in steps if step in line] == list(steps)
        assert [line.split(";")[0] for line in said.splitlines()] == [
            f"{name}: registered",
            "han: joining is open for 10 min 0 s",
            "joining is closed",
        ]
        assert meter.link_key.hex() not in told + said
        assert home.hub.networks.get("han").joining_until is None
        status, found = await home.ask("GET", f"/devices/{name}/zigbee")
        assert (status, found["stage"], found["has_key"], found["authenticated"]) == (200, "active", True, True)


async def test_ctrl_c_closes_joining_and_the_device_stays_listed(tmp_path: Path) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("plug",))) as module, served(module, tmp_path) as home:
        ieee = f"{module.devices[0].ieee:016x}"
        process = await Shell(home, tmp_path).start(
            "device", "add", ieee, "--link-key", "5a" * 16, "--join-time", "600"
        )
        assert process.stderr is not None
        async with asyncio.timeout(30):
            while not (await process.stderr.readline()).startswith(b"han: joining is open"):
                pass
            process.send_signal(signal.SIGINT)
            await process.communicate()
        assert process.returncode == 0
        assert home.hub.networks.get("han").joining_until is None
        assert home.hub.networks.device(f"zigbee-{ieee}").stage == "registered"


async def test_a_code_that_the_hub_refuses_opens_nothing(tmp_path: Path) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("plug",))) as module, served(module, tmp_path) as home:
        code = "83FED3407A939723A5C639B26916D505C3B6"
        ieee = f"{module.devices[0].ieee:016x}"
        ran = await Shell(home, tmp_path).run("device", "add", ieee, "--install-code", code, "--join-time", "600")
        assert (ran.code, "not the CRC" in ran.err, code in ran.err) == (2, True, False)
        assert home.hub.networks.get("han").joining_until is None
        assert home.hub.devices.all() == []


async def test_joining_is_opened_when_a_device_is_listed(tmp_path: Path) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("plug",))) as module, served(module, tmp_path) as home:
        device = {"eui64": f"{module.devices[0].ieee:016x}", "link_key": "5a" * 16}
        before = len(module.commands)
        for wrong in (-1, 3601, "600"):
            status, problem = await home.ask("POST", "/networks/han/devices", {**device, "join_time_s": wrong})
            assert (status, problem["errors"][0]["field"]) == (400, "join_time_s")
        assert not any(frame[0] == 0x24 for frame in module.commands[before:])
        assert home.hub.devices.all() == []
        status, found = await home.ask("POST", "/networks/han/devices", {**device, "join_time_s": 600})
        assert (status, found["stage"], found["has_key"], found["authenticated"]) == (201, "registered", True, False)
        _, network = await home.ask("GET", "/networks/han")
        assert 590 < network["joining_s"] <= 600
        assert (await home.ask("POST", "/networks/han/devices", device))[0] == 201
        assert (await home.ask("GET", "/networks/han"))[1]["joining_s"] > 590
        assert (await home.ask("POST", "/networks/han/devices", {**device, "join_time_s": 0}))[0] == 201
        assert "joining_s" not in (await home.ask("GET", "/networks/han"))[1]


def frames_of(module: XbeeEmulator) -> list[bytes]:
    """What the host has sent, without the driver's own looking after the module."""
    return [frame for frame in module.commands if frame[0] != 0x08 or frame[2:4] != b"AI"]


KEY = "0a" * 16


async def test_registers_are_read_and_written_by_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    caplog.set_level(logging.DEBUG)
    async with XbeeEmulator() as module, served(module, tmp_path) as home:

        async def at(**body: Any) -> tuple[int, Any]:
            return await home.ask("POST", "/networks/han/at", body)

        assert await at(command="nt") == (
            200,
            {"command": "NT", "value": 60, "value_hex": "3c", "meaning": "discovery timeout", "unit": "100 ms"},
        )
        for value, sent in ((0x1234, b"\x12\x34"), (0, b"\x00"), ("0x0102", b"\x01\x02"), ("7", b"\x07")):
            status, found = await at(command="NT", value=value)
            assert (status, found["value"], found["value_hex"]) == (200, None, None)
            assert frames_of(module)[-1][2:] == b"NT" + sent
        assert (await at(command="NT"))[1]["value"] == 7
        assert (await at(command="WR"))[0] == 200
        assert module.registers.flash["NT"] == b"\x07"
        for value in (KEY, ":".join(["0b"] * 16), int(KEY, 16) | 0x10 << 120):
            status, found = await at(command="KY", value=value, confirm="han")
            assert (status, found["value"], found["value_hex"]) == (200, None, None)
        assert module.registers.keys["KY"] == b"\x1a" + b"\x0a" * 15
        module.refuses.add("TP")
        status, problem = await at(command="TP")
        assert (status, "the module refuses TP: UNKNOWN_COMMAND" in problem["detail"]) == (409, True)
    assert KEY not in caplog.text
    assert str(bytes.fromhex(KEY)) not in caplog.text


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"command": "NX", "value": 1}, 404, "there is no AT command 'NX'; did you mean N"),
        ({"command": "NTT"}, 404, "did you mean NT"),
        ({"command": "ü"}, 404, "there is no AT command"),
        ({"command": ""}, 400, "command"),
        ({"command": "OP", "value": 1}, 400, "to be read only"),
        ({"command": "NT", "value": 0x10000}, 400, "value is 65536; allowed: 0 to 65535 (0x0 to 0xFFFF)"),
        ({"command": "NT", "value": "000001"}, 400, "value is '3 bytes'; allowed: at most 2 bytes"),
        ({"command": "NT", "value": -1}, 400, "value is -1; allowed: 0 to 65535"),
        ({"command": "SP", "value": 5}, 400, "value is 5; allowed: 32 to 2800 (0x20 to 0xAF0)"),
        ({"command": "NI", "value": 1 << 160}, 400, "allowed: at most 20 bytes"),
        ({"command": "NT", "value": 1.5}, 400, "value"),
        ({"command": "NT", "value": "fast"}, 400, "not all hex digits"),
        ({"command": "NT", "value": ""}, 400, "not all hex digits"),
        ({"command": "PL", "value": 5}, 400, "value is 5; allowed: 0 to 4"),
        ({"command": "KY"}, 400, "written only"),
        ({"command": "KY", "value": KEY[2:], "confirm": "han"}, 400, "15 bytes"),
        ({"command": "KY", "value": KEY + "x", "confirm": "han"}, 400, "33 characters"),
        ({"command": "KY", "value": KEY[1:], "confirm": "han"}, 400, "31 hex digits"),
        ({"command": "KY", "value": [KEY], "confirm": "han"}, 400, "value is wrong"),
        ({"command": "KY", "value": KEY}, 400, "confirm"),
        ({"command": "ID", "value": 5}, 400, "the network is formed or joined anew"),
        ({"command": "ID", "value": 5, "confirm": "nah"}, 400, "'nah'"),
        ({"command": "NR"}, 400, "confirm"),
        ({"command": "CB", "value": 4}, 400, "confirm"),
        ({"command": "CB"}, 400, "1 to 4"),
        ({"command": "WR", "value": 1}, 400, "carried out without one"),
        ({"command": "AP", "value": 2}, 409, "it would break the link to the module"),
        ({"command": "BD", "value": 3}, 409, "it would break the link to the module"),
        ({"command": "RE", "confirm": "han"}, 409, "it would break the link to the module"),
    ],
)
async def test_what_is_wrong_with_an_at_command_is_said_before_anything_is_sent(
    tmp_path: Path, body: dict[str, Any], status: int, said: str
) -> None:
    async with XbeeEmulator() as module, served(module, tmp_path) as home:
        await asyncio.sleep(0.1)
        before = frames_of(module)
        answer, problem = await home.ask("POST", "/networks/han/at", body)
        assert (answer, said in problem["detail"]) == (status, True), problem
        assert KEY[2:] not in json.dumps(problem)
        assert frames_of(module) == before


async def test_registers_at_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    async with XbeeEmulator() as module, served(module, tmp_path) as home:
        shell = Shell(home, tmp_path)
        ran = await shell.run("network", "at", "SP")
        assert (ran.code, ran.out.split("  ")[0]) == (0, "SP = 32 x 10 ms")
        ran = await shell.run("network", "at", "han", "PL", "3")
        assert (ran.code, ran.out.strip(), module.registers.number("PL")) == (0, "PL: set", 3)
        ran = await shell.run("network", "at", "pl", "0x2", "--json")
        assert json.loads(ran.out)["command"] == "PL"
        assert (await shell.run("network", "at", "han", "PL")).out.startswith("PL = 2  0x02")
        ran = await shell.run("network", "at", "WR")
        assert (ran.code, ran.out.strip()) == (0, "WR: done")
        before = frames_of(module)
        ran = await shell.run("network", "at", "ID", "5")
        assert (ran.code, "say --yes" in ran.err) == (2, True)
        ran = await shell.run("network", "at", "P", "5")
        assert (ran.code, "'P'; did you mean" in ran.err) == (3, True)
        ran = await shell.run("network", "at", "BD", "5", "--yes")
        assert (ran.code, "break the link" in ran.err) == (1, True)
        assert frames_of(module) == before
        ran = await shell.run("network", "at", "KY", f"0x{KEY}", "--yes")
        assert (ran.code, ran.out.strip()) == (0, "KY: set")
        assert module.registers.keys["KY"].hex() == KEY
        digits = "12345678" * 4  # a key of decimal digits is no number
        ran = await shell.run("network", "at", "ky", "-".join((digits[:16], digits[16:])), "--yes")
        assert (ran.code, module.registers.keys["KY"].hex()) == (0, digits)


async def test_a_certificate_is_looked_at_installed_and_reverted(tmp_path: Path) -> None:
    async with XbeeEmulator(XbeeConfig(is_certified=False)) as module, served(module, tmp_path) as home:
        shell = Shell(home, tmp_path)
        ran = await shell.run("certificate", "status")
        assert (ran.code, ran.out.strip()) == (
            0,
            f"han: there is no certificate; one for {module.ieee:016x} is needed",
        )
        file = tmp_path / "certificate.txt"
        file.write_text(certificate_text(module.ieee + 1))
        ran = await shell.run("certificate", "install", str(file))
        assert ran.code == 2
        assert f"one for {module.ieee:016x}" in ran.err
        assert PRIVATE not in ran.err
        file.write_text(certificate_text(module.ieee))
        ran = await shell.run("certificate", "install", str(file))
        assert (ran.code, ran.out.strip()) == (0, f"han: there is a certificate for {module.ieee:016x}")
        ran = await shell.run("certificate", "revert", "--json")
        nothing = {"installed": False, "keys_by": "radio", "certificates": [], "problems": []}
        assert json.loads(ran.out) == {"radio": "han", "ieee": f"{module.ieee:016x}", **nothing}
        await shell.run("certificate", "install", str(file))
        status, found = await home.ask("GET", "/networks/han/certificate")
        assert found["certificates"] == [
            {"suite": 1, "subject": f"{module.ieee:016x}", "issuer": None, "is_test": None, "place": "radio",
             "valid_from": None, "valid_until": None}
        ]  # fmt: skip
        status, problem = await home.ask("PUT", "/networks/han/certificate", {"text": "nothing"})
        assert (status, "without CA Public Key" in problem["detail"]) == (400, True)


def test_a_value_that_is_sent_is_never_shown() -> None:
    assert KEY not in repr(AtCommand("KY", KEY))


def test_a_certificate_that_is_sent_is_never_shown() -> None:
    assert PRIVATE not in repr(NewCertificate(certificate_text(1)))
