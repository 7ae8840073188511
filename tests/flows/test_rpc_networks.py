"""A home with two networks: which of them the gateway's requests mean, and devices of either."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from rpc_home import Program, address
from test_rest_zigbee import Service

from hub.config import parse
from hub.hub import Hub
from hub.zigbee.model import InterviewStep, NetworkState
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from radios.emulators.zigate import ZigateConfig, ZigateEmulator
from tests.hub.waiting import eventually
from web.server import serve

READ = "ReadAttributeRecord"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)


async def test_the_smart_energy_network_is_meant_and_devices_of_both_are_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="web.rpc.engine")
    async with (
        ZigateEmulator(ZigateConfig(devices=("thermostat",), speed=5.0)) as stick,
        XbeeEmulator(XbeeConfig(devices=())) as module,
    ):
        table = tomllib.loads(stick.toml("lights"))
        radios = [*table["radio"], *tomllib.loads(module.toml("han"))["radio"]]
        table |= {"radio": radios, "web": {"listen": "127.0.0.1:0"}, "hub": {"role": "esi_coordinator"}}
        async with Hub(parse(table, data_dir=tmp_path)) as hub, serve(hub) as server:
            token = (tmp_path / "token").read_text().strip()
            program = Program(Service(hub, stick, server.url, token))
            assert [one.radio for one in hub.networks.all()] == ["lights", "han"]
            await eventually(lambda: all(one.state is NetworkState.UP for one in hub.networks.all()))
            status = await program.both("get_zigbee_network_status")
            assert status.values["addr_extended"] == module.ieee.to_bytes(8).hex(":").upper()
            await program.both("enable_joining", {"join_time": 60})
            assert [one.joining_until is None for one in hub.networks.all()] == [True, False]
            assert "Of 2 ZigBee networks, that of han is meant" in caplog.text
            # A device of the other network is found by its address, and asked by the endpoint that speaks its profile.
            await hub.networks.permit_join("lights", 60)
            [thermostat] = stick.devices
            stick.press(thermostat)
            await eventually(lambda: thermostat.ieee in hub.household.members)
            member = hub.household.members[thermostat.ieee]
            await eventually(lambda: member.interview is InterviewStep.DONE, 40)
            place = {
                "destination_address": address(thermostat),
                "destination_endpoint_id": 1,
                "cluster_id": 0x0201,
                "server_or_client": 0,
            }
            wish = {
                **place,
                "record_list": [{"type": READ, "attribute_id": 0x0012}, {"type": READ, "attribute_id": 0x001B}],
            }
            found = await program.both("read_attributes", wish)
            assert (found.values["profile_id"], found.values["destination_endpoint_id"]) == (0x0104, 1)
            assert [one["status"] for one in found.values["record_list"]] == [0, 0]
            setpoint = {"type": "WriteAttributeRecord", "attribute_id": 0x0012, "value": 2150}
            await program.both("write_attributes", {**place, "record_list": [setpoint]})
            again = await program.both("read_attributes", {**place, "record_list": [{"attribute_id": 0x0012}]})
            assert again.values["record_list"][0]["value"] == 2150
            assert len((await program.both("get_device_information")).values["record_list"]) == 1
            await program.refused("read_attributes", {**wish, "source_endpoint_id": 0x5E}, "allowed: one of ours: 0x1")
