"""A program's view of Zigbee: REST on a hub with an emulated ZiGate; what goes right, and every mistake by its name."""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from test_zigate_home import eventually, is_interviewed

from hub.config import parse
from hub.hub import Hub
from radios.emulators.zigate import ZigateConfig, ZigateEmulator
from web.client import HubClient, ProblemError
from web.rest.networks import NewDevice
from web.server import serve

SECRET_CODE = "83FED3407A939723A5C639B26916D505C3B5"


class Service:
    """A served hub, a stick, and somebody who asks."""

    def __init__(self, hub: Hub, stick: ZigateEmulator, url: str, token: str) -> None:
        self.hub, self.stick, self.url, self.token = hub, stick, url, token

    def id(self, kind: str) -> str:
        return f"zigbee-{self.stick.device(kind).ieee:016x}"

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, f"{self.url}/api/v1{path}", json=body) as answer,
        ):
            text = await answer.text()
            return answer.status, json.loads(text) if text else None


@asynccontextmanager
async def service(tmp_path: Path, *kinds: str) -> AsyncIterator[Service]:
    async with ZigateEmulator(ZigateConfig(devices=kinds, speed=5.0)) as stick:
        table = tomllib.loads(stick.toml("han"))
        table["web"] = {"listen": "127.0.0.1:0"}
        async with Hub(parse(table, data_dir=tmp_path)) as hub, serve(hub) as server:
            await eventually(lambda: hub.networks.get("han").state == "up")
            found = Service(hub, stick, server.url, (tmp_path / "token").read_text().strip())
            assert (await found.ask("POST", "/networks/han/permit-join"))[0] == 200
            for device in stick.devices:
                stick.press(device)
            await eventually(lambda: all(is_interviewed(hub, f"zigbee-{one.ieee:016x}") for one in stick.devices))
            yield found


async def test_a_program_sees_and_switches_everything(tmp_path: Path) -> None:
    async with service(tmp_path, "plug", "thermostat") as home, HubClient(home.url, home.token) as client:
        [network] = await client.networks()
        assert (network.radio, network.state, network.devices) == ("han", "up", 2)
        assert network.joining_s is not None
        assert (await client.permit_join("han", 0)).joining_s is None
        plug, warmth = home.id("plug"), home.id("thermostat")
        assert (await client.switch(plug, "off")).outcome == "confirmed"
        [value] = await client.read_attributes(plug, 1, "on_off", ["on_off"])
        assert (value.value, value.text, value.type) == (False, "false", "bool")
        assert (await client.set_setpoint(warmth, heating_c=22.5)).argument == "heating 22.5 °C"
        written = await client.write_attribute(warmth, 1, "thermostat", "occupied_heating_setpoint", 2000)
        assert written.status == "SUCCESS"
        row = await client.configure_reporting(
            warmth, 1, "thermostat", "local_temperature", min_s=5, max_s=60, change=20
        )
        assert (row.state, row.max_s) == ("configured", 60)
        assert (await client.read_reporting(warmth, 1, "thermostat", "local_temperature")).max_s == 60
        await client.stop_reporting(warmth, 1, "thermostat", "local_temperature")
        with pytest.raises(ProblemError):
            await client.read_reporting(warmth, 1, "thermostat", "local_temperature")
        found = await client.discover_attributes(warmth, 1, "thermostat")
        assert "system_mode" in {one.name for one in found}
        inside = await client.zigbee_device(warmth)
        assert inside.interview == "done"
        scan = await client.scan_topology("han")
        assert scan.finished is not None
        assert set((await client.energy_scan("han")).channels) == {str(channel) for channel in range(11, 27)}
        assert (await client.set_channel("han", 25)).channel == 25
        entry = await client.set_registry("ZDO_Device_Manager.require_explicit_device_add", True)
        assert entry.value is True
        assert (await client.network("han")).explicit_add
        await client.remove_device(plug)
        assert [device.id for device in await client.devices()] == [warmth]


async def test_every_mistake_is_named_with_what_is_possible(tmp_path: Path) -> None:
    async with service(tmp_path, "thermostat") as home:
        warm = f"/devices/{home.id('thermostat')}"
        place = {"endpoint": 1, "cluster": "thermostat"}
        cases: list[tuple[str, str, Any, int, str]] = [
            ("GET", "/networks/hna", None, 404, "hna"),
            ("GET", "/devices/zigbee-0000000000000000/zigbee", None, 404, "zigbee-0000000000000000"),
            ("POST", f"{warm}/attributes/read", {**place, "endpoint": 9, "attributes": [0]}, 400, "endpoint"),
            (
                "POST",
                f"{warm}/attributes/read",
                {**place, "cluster": "termostat", "attributes": [0]},
                400,
                "thermostat",
            ),
            ("POST", f"{warm}/attributes/read", {**place, "cluster": "metering", "attributes": [0]}, 400, "thermostat"),
            ("POST", f"{warm}/attributes/read", {**place, "attributes": ["local_temp"]}, 400, "local_temperature"),
            (
                "POST",
                f"{warm}/attributes/read",
                {**place, "attributes": [70_000]},
                400,
                "attributes[0] is '70000'; allowed: an attribute's name or number, 0 to 0xFFFF",
            ),
            (
                "POST",
                f"{warm}/attributes/write",
                {**place, "endpoint": 9, "attribute": 0x9999, "value": 1},
                400,
                "endpoint is 9; allowed: an endpoint of this device: 1",
            ),
            ("POST", f"{warm}/attributes/write", {**place, "attribute": 0x9999, "value": 1}, 400, "a data type"),
            ("POST", f"{warm}/identify", {"duration_s": 3601}, 400, "from 0 to 3600"),
            (
                "POST",
                f"{warm}/attributes/write",
                {**place, "attribute": "occupied_heating_setpoint", "value": "warm"},
                400,
                "int16",
            ),
            ("POST", f"{warm}/attributes/write", {**place, "attribute": 0x0012, "value": 70_000}, 400, "-32"),
            ("POST", f"{warm}/attributes/write", {**place, "attribute": 0x0000, "value": 1}, 409, "READ_ONLY"),
            ("PUT", f"{warm}/setpoint", {"heating_c": 99}, 400, "5 to 30"),
            ("PUT", f"{warm}/mode", {"mode": "cool"}, 400, "off, heat"),
            ("PUT", f"{warm}/level", {"level_percent": 40}, 409, "thermostat"),
            ("POST", f"{warm}/on", None, 409, "thermostat"),
            ("POST", "/networks/han/permit-join", {"duration_s": 9999}, 400, "3600"),
            ("POST", "/networks/han/devices", {"eui64": "12345678901234567z"}, 400, "eui64"),
            ("POST", "/networks/han/devices", {"eui64": "0013a2004052290"}, 400, "(it has 15)"),
            ("POST", "/networks/han/devices", {"eui64": "ff:ff:ff:ff:ff:ff:ff:ff"}, 400, "never all 0 or all f"),
            (
                "POST",
                "/networks/han/devices",
                {"eui64": "0013a20040000001", "install_code": SECRET_CODE},
                409,
                "window open",
            ),
            ("POST", "/networks/han/erase", {"confirm": "yes"}, 400, "han"),
            ("POST", "/networks/han/channel", {"channel": 27}, 400, "26"),
            ("PUT", "/registry/ZDO_Device_Manager.refresh_rat", {"value": 1}, 404, "refresh_rate"),
            ("PUT", "/registry/ZDO_Device_Manager.refresh_rate", {"value": True}, 400, "86400"),
        ]
        for method, path, body, status, says in cases:
            got, problem = await home.ask(method, path, body)
            assert (got, problem["status"]) == (status, status), (path, problem)
            assert says in json.dumps(problem), (path, problem)
            assert SECRET_CODE not in json.dumps(problem)
        refused = await home.ask("POST", f"{warm}/attributes/write", {**place, "attribute": 0x0000, "value": 1})
        assert refused[1]["zcl_status"] == "READ_ONLY"
        assert refused[1]["detail"].count("READ_ONLY") == 1


CLUSTER = "a cluster's name or number, 0 to 0xFFFF"
ATTRIBUTE = "an attribute's name or number, 0 to 0xFFFF"


async def test_a_wrong_cluster_or_attribute_is_told_what_is_allowed(tmp_path: Path) -> None:
    cases: list[tuple[Any, Any, str, str]] = [
        ("onof", 0, "cluster", "a cluster's name or its number, 0 to 0xFFFF; did you mean on_off?"),
        ("qqqq", 0, "cluster", "a cluster's name or its number, 0 to 0xFFFF"),
        ("0x10000", 0, "cluster", "a cluster's name or its number, 0 to 0xFFFF"),
        (70_000, 0, "cluster", CLUSTER),
        (True, 0, "cluster", CLUSTER),
        ("", 0, "cluster", CLUSTER),
        (
            "on_off",
            "onof",
            "attributes",
            "the name of an attribute of on_off or its number, 0 to 0xFFFF; did you mean on_off?",
        ),
        ("0xfff0", "x", "attributes", "a number, 0 to 0xFFFF"),
        ("on_off", False, "attributes[0]", ATTRIBUTE),
    ]
    async with service(tmp_path, "plug") as home:
        path = f"/devices/{home.id('plug')}/attributes/read"
        for cluster, attribute, field, allowed in cases:
            body = {"endpoint": 1, "cluster": cluster, "attributes": [attribute]}
            status, problem = await home.ask("POST", path, body)
            [error] = problem["errors"]
            assert (status, error["field"], error["allowed"]) == (400, field, allowed)
            assert problem["detail"].endswith(f"; allowed: {allowed}")
        status, problem = await home.ask("POST", path, {"endpoint": 1, "attributes": [0]})
        assert problem["detail"] == f"cluster is missing; allowed: {CLUSTER}"
        status, problem = await home.ask("PUT", "/registry/ZDO_Device_Manager.refresh_rate", {"value": "x"})
        assert problem["errors"][0]["allowed"] == "a whole number from 0 to 86400"


async def test_a_value_that_its_type_calls_invalid_is_told_by_its_name(tmp_path: Path) -> None:
    async with service(tmp_path, "plug") as home, HubClient(home.url, home.token) as client:
        plug = home.id("plug")
        written = await client.write_attribute(plug, 1, "on_off", "start_up_on_off", "previous")
        assert written.status == "SUCCESS"
        [value] = await client.read_attributes(plug, 1, "on_off", ["start_up_on_off"])
        assert (value.value, value.text) == (0xFF, "previous")
        [value] = await client.read_attributes(plug, 1, "on_off", [0x4002])
        assert (value.value, value.text) == (None, "UNSUPPORTED_ATTRIBUTE")


async def test_the_sticks_own_clock_is_set(tmp_path: Path) -> None:
    async with service(tmp_path) as home, HubClient(home.url, home.token) as client:
        home.stick._time = 0
        assert (await home.ask("PATCH", "/networks/han", {"led": True}))[0] == 200
        assert home.stick._time == 0
        assert (await home.ask("PATCH", "/networks/han", {"set_time": True}))[0] == 200
        now = datetime.now(UTC).timestamp() - datetime(2000, 1, 1, tzinfo=UTC).timestamp()
        assert abs(home.stick._time - now) < 60
        home.stick._time = 0
        assert (await client.configure_radio("han", set_time=True)).radio == "han"
        assert home.stick._time > 0


async def test_a_radio_that_is_down_is_said_for_what_it_is(tmp_path: Path) -> None:
    async with service(tmp_path, "plug") as home:
        home.stick.kill()
        await eventually(lambda: home.hub.networks.get("han").state == "down")
        status, problem = await home.ask("POST", "/networks/han/permit-join", {"duration_s": 60})
        assert (status, "han" in problem["detail"]) == (503, True)
        status, problem = await home.ask("POST", f"/devices/{home.id('plug')}/on")
        assert status == 503
        assert "down" in problem["detail"]


async def test_the_websocket_tells_of_joining_step_by_step(tmp_path: Path) -> None:
    async with service(tmp_path, "plug", "cube") as home, HubClient(home.url, home.token) as client:
        cube = home.id("cube")
        await home.hub.networks.remove(cube, force=True)
        await eventually(lambda: not home.stick.device("cube").is_joined)
        steps: list[str] = []
        events = client.events()
        async with asyncio.timeout(30):
            async for event in events:
                name = type(event).__name__
                if name == "Snapshot":
                    assert [network.radio for network in event.networks] == ["han"]  # type: ignore[union-attr]
                    await client.permit_join("han", 60)
                    home.stick.press(home.stick.device("cube"))
                elif name == "InterviewProgress" and event.state == "done":  # type: ignore[union-attr]
                    steps.append(event.step)  # type: ignore[union-attr]
                    if steps[-1] == "done":
                        break
        await events.aclose()
        assert steps[:3] == ["announce", "match_descriptor", "node_descriptor"]
        assert steps.count("simple_descriptor") == 3


@pytest.mark.parametrize("wrong", [SECRET_CODE * 3, [SECRET_CODE], {"code": SECRET_CODE}])
@pytest.mark.parametrize("field", ["install_code", "link_key"])
async def test_a_secret_of_the_wrong_form_is_not_shown_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, field: str, wrong: object
) -> None:
    async with service(tmp_path) as home:
        status, problem = await home.ask("POST", "/networks/han/devices", {"eui64": "0013a20040000001", field: wrong})
    assert status == 400
    assert problem["errors"][0]["field"] == field
    assert "0 to 64 characters" in problem["detail"]
    assert SECRET_CODE not in json.dumps(problem)
    assert SECRET_CODE not in caplog.text


def test_a_device_to_be_added_does_not_print_its_secrets() -> None:
    assert SECRET_CODE not in repr(NewDevice("0013a20040000001", install_code=SECRET_CODE, link_key=SECRET_CODE))


async def test_metrics_tell_of_the_network_and_its_links(tmp_path: Path) -> None:
    async with service(tmp_path, "plug") as home:
        headers = {"Authorization": f"Bearer {home.token}"}
        async with aiohttp.ClientSession(headers=headers) as session, session.get(f"{home.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        name = home.hub.devices.get(home.id("plug")).name
    for line in (
        'hub_zigbee_network_up{radio="han"} 1.0',
        'hub_zigbee_devices{radio="han"} 1.0',
        'hub_zigbee_joining{radio="han"} 1.0',
    ):
        assert line in lines
    assert any(line.startswith('hub_zigbee_pending_requests{radio="han"} ') for line in lines)
    start = f'hub_device_lqi{{device="{home.id("plug")}",name="{name}"}} '
    [lqi] = [line for line in lines if line.startswith(start)]
    assert 0 < float(lqi.removeprefix(start)) <= 255
    documented = (Path(__file__).parent.parent.parent / "docs" / "operations.md").read_text()
    for line in lines:
        if line.startswith("# TYPE "):
            assert f"`{line.split()[2]}`" in documented, line
