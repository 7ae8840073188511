"""hubctl on a real hub with an emulated ZiGate, each command as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from test_rest_zigbee import SECRET_CODE, Service, service

from hub.zigbee.control import MAX_IDENTIFY_S

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


class Shell:
    """A shell of somebody on the hub's machine."""

    def __init__(self, home: Service, data_dir: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HEH_")}
        self._environment = {**kept, "HEH_URL": home.url, "HEH_DATA_DIR": str(data_dir), "PYTHONPATH": str(ROOT)}

    async def start(self, *arguments: str, stdin: bool = False) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "web.hubctl",
            *arguments,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE if stdin else None,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *arguments: str) -> Ran:
        process = await self.start(*arguments)
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert process.returncode is not None
        assert b"Traceback" not in err, err.decode()
        return Ran(process.returncode, out.decode(), err.decode())


async def test_devices_are_looked_at_and_controlled_by_name(tmp_path: Path) -> None:
    async with service(tmp_path, "plug", "thermostat") as home:
        shell = Shell(home, tmp_path)
        for kind, name in (("plug", "Kettle"), ("thermostat", "Hall")):
            assert (await shell.run("device", "set", home.id(kind), "--name", name)).code == 0
        ran = await shell.run("off", "kettle")
        assert (ran.code, ran.out.strip()) == (0, "Kettle: off (confirmed)")
        ran = await shell.run("setpoint", "hall", "22.5", "--json")
        assert (ran.code, json.loads(ran.out)["argument"]) == (0, "heating 22.5 °C")
        ran = await shell.run("setpoint", "hall", "77")
        assert (ran.code, "5 to 30" in ran.err) == (2, True)
        ran = await shell.run("level", "hall", "40")
        assert (ran.code, "it has: " in ran.err) == (1, True)
        assert (await shell.run("identify", "kettle", "--seconds", "3")).code == 0
        ran = await shell.run("attr", "read", "kettle", "metering", "current_summation_delivered", "0x0302")
        assert (ran.code, "divisor" in ran.out, "1000" in ran.out) == (0, True, True)
        ran = await shell.run("attr", "write", "hall", "basic", "model_identifier", "x")
        assert (ran.code, "READ_ONLY" in ran.err) == (1, True)
        ran = await shell.run("attr", "read", "kettle", "thermostat", "0")
        assert (ran.code, "Kettle has no thermostat; it has basic" in ran.err) == (3, True)
        ran = await shell.run("attr", "read", "kettle", "meterng", "0")
        assert ran.code == 2
        assert ran.err.strip() == (
            "hubctl: there is no cluster 'meterng'; allowed: a cluster's name or its number, 0 to 0xFFFF; "
            "did you mean metering?"
        )
        ran = await shell.run("attr", "read", "kettle", "metering", "0x99999")
        assert (ran.code, "'0x99999'; allowed: 0 to 0xFFFF, or a name" in ran.err) == (2, True)
        ran = await shell.run("identify", "kettle", "--seconds", str(MAX_IDENTIFY_S + 1))
        assert (ran.code, f"0<=x<={MAX_IDENTIFY_S}" in ran.err) == (2, True)
        ran = await shell.run("attr", "discover", "hall", "thermostat")
        assert "occupied_heating_setpoint" in ran.out
        ran = await shell.run("attr", "report", "hall", "thermostat", "local_temperature", "--min", "5", "--max", "60")
        assert (ran.code, "at least every 60 s" in ran.out) == (0, True)
        ran = await shell.run("device", "inside", "hall")
        assert (ran.code, "endpoint 1" in ran.out, "0x0201 thermostat" in ran.out) == (0, True, True)
        ran = await shell.run("device", "remove", "kettle")
        assert (ran.code, home.stick.device("plug").is_joined) == (0, False)


async def test_networks_are_looked_at_and_set_up(tmp_path: Path) -> None:
    async with service(tmp_path, "plug") as home:
        shell = Shell(home, tmp_path)
        ran = await shell.run("network", "list", "--json")
        assert json.loads(ran.out)["networks"][0]["radio"] == "han"
        ran = await shell.run("network", "show")
        assert "ZiGate V1 3.23" in ran.out
        ran = await shell.run("network", "show", "hna")
        assert (ran.code, "there are han" in ran.err) == (3, True)
        ran = await shell.run("network", "permit", "--close")
        assert "joining closed" in ran.out
        assert (await shell.run("network", "scan")).out.count("the hub's stick") == 2
        assert "<- here" in (await shell.run("network", "energy")).out
        ran = await shell.run("network", "erase", "han", "--confirm", "yes")
        assert (ran.code, "'han'" in ran.err) == (2, True)
        assert (await shell.run("network", "erase", "--confirm", "han")).code == 2
        assert "RADIO must be named" in (await shell.run("network", "erase", "--help")).out
        home.stick._time = 0
        ran = await shell.run("network", "set", "--set-time")
        assert (ran.code, ran.out.strip(), home.stick._time > 0) == (0, "han: set", True)
        ran = await shell.run("network", "channel", "20")
        assert (ran.code, ran.out.strip()) == (0, "han: on channel 20")
        ran = await shell.run("network", "channel", "han", "25")
        assert (ran.code, ran.out.strip()) == (0, "han: on channel 25")
        ran = await shell.run("network", "channel", "han", "attic", "25")
        assert (ran.code, "one RADIO at most" in ran.err) == (2, True)
        ran = await shell.run("network", "channel", "han")
        assert (ran.code, "'han' is not a valid integer" in ran.err) == (2, True)
        ran = await shell.run("network", "add", "00124b0000000001")
        assert (ran.code, "expected on han; open joining (hubctl join han)" in ran.out) == (0, True)
        assert (await shell.run("network", "add", "han", "00124b0000000002", "--name", "Lamp")).code == 0
        ran = await shell.run("registry", "set", "ZDO_Device_Manager.refresh_rate", "60")
        assert (ran.code, ran.out.strip()) == (0, "ZDO_Device_Manager.refresh_rate = 60 s")
        ran = await shell.run("registry", "set", "ZDO_Device_Manager.refresh", "60")
        assert (ran.code, "refresh_rate" in ran.err) == (3, True)
        ran = await shell.run("registry", "set", "Nope", "3")
        assert ran.code == 3
        assert "did you mean" in ran.err
        assert "hubctl registry list shows all" in ran.err


async def test_ctrl_c_closes_joining(tmp_path: Path) -> None:
    async with service(tmp_path) as home:
        process = await Shell(home, tmp_path).start("join", "--seconds", "60")
        assert process.stderr is not None
        async with asyncio.timeout(30):
            told = await process.stderr.readline()
            assert told == b"han: joining is open for 1 min 0 s; start the joining of your device now\n"
            assert home.hub.networks.get("han").joining_until is not None
            process.send_signal(signal.SIGINT)
            out, err = await process.communicate()
        assert (process.returncode, out, err) == (0, b"", b"joining is closed\n")
        assert home.hub.networks.get("han").joining_until is None


async def test_many_devices_are_added_from_a_file(tmp_path: Path) -> None:
    async with service(tmp_path) as home:
        shell, file = Shell(home, tmp_path), tmp_path / "devices"
        file.write_text(f"0013a20040000001 name=Lamp\n0013a20040000002 install_code={SECRET_CODE}\n")
        ran = await shell.run("network", "add", "--file", str(file))
        assert (ran.code, ran.err.splitlines()[-1]) == (2, "hubctl: 1 line is wrong; nothing was sent")
        assert "line 2: han takes no installation codes" in ran.err
        assert SECRET_CODE not in ran.err
        assert home.hub.devices.all() == []
        file.write_text("0013a20040000001 name=Lamp\n0013a20040000002\n")
        ran = await shell.run("network", "add", "--file", str(file))
        assert (ran.code, "2 added" in ran.out) == (0, True)
        assert [device.id for device in home.hub.devices.all()] == [
            "zigbee-0013a20040000001",
            "zigbee-0013a20040000002",
        ]
        assert home.hub.devices.get("zigbee-0013a20040000001").name == "Lamp"


async def test_joining_is_seen_live_and_closed_at_the_end(tmp_path: Path) -> None:
    async with service(tmp_path, "plug", "cube") as home:
        await home.hub.networks.permit_join("han", 0)
        await home.hub.networks.remove(home.id("cube"), force=True)
        shell = Shell(home, tmp_path)
        process = await shell.start("join", "--seconds", "60", "--count", "1", "--json")
        assert process.stdout is not None
        async with asyncio.timeout(30):
            while home.hub.networks.get("han").joining_until is None:  # noqa: ASYNC110 - another process does it
                await asyncio.sleep(0.05)
            cube = home.stick.device("cube")
            while not cube.is_joined:
                home.stick.press(cube)
                await asyncio.sleep(0.1)
            out, err = await process.communicate()
        events = [json.loads(line) for line in out.decode().splitlines()]
        assert process.returncode == 0, err.decode()
        assert events[0]["event"] == "device_announced"
        assert events[-1]["step"] == "done"
        assert home.hub.networks.get("han").joining_until is None
        assert "give it a name with hubctl device set" in err.decode()
