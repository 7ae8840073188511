"""A home with two networks: which of them the gateway's requests mean, and devices of either."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from rpc_home import Program, address
from test_rest_zigbee import Service, service

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
            listed = (await program.both("get_device_information")).values["record_list"]
            own = [one.ieee.to_bytes(8).hex(":").upper() for one in (stick, module)]
            assert [one["addr_extended"] for one in listed] == [*own, address(thermostat)]
            command = {
                **place,
                "source_endpoint_id": 1,
                "command_identifier": 0,
                "payload": {"type": "base16", "value": ""},
            }
            secret = {**command, "enable_aps_encryption": True}
            await program.refused("send_ZCL", secret, "radio 'lights' cannot encrypt with link keys")
            await program.refused("read_attributes", {**wish, "source_endpoint_id": 0x5E}, "allowed: one of ours: 0x1")


async def test_a_home_without_a_smart_energy_module_says_what_it_has_not(tmp_path: Path) -> None:
    async with service(tmp_path, "plug") as one:
        program = Program(one)
        found = (await program.both("get_zigbee_network_status")).values
        status = one.hub.networks.get("han")
        assert (found["status"], found["channel"], found["pan_id"]) == (0, status.channel, status.pan_id)
        assert (await program.both("leave_network")).values == {}
        assert (await program.both("enable_joining", {"join_time": 60})).values == {"join_time": 60}
        await program.refused("xbee_AT", {"command": "VR"}, "'han' has no AT commands: only XBee radios do")
        await program.refused("get_certificate_info", {}, "has no certificate: only Smart Energy radios do")
        await program.refused("configure_zigbee_network", {"channel_mask": 0x10}, "forms its network by itself")
        key = {"device_address": "00:11:22:33:44:55:66:77", "link_key": {"type": "base16", "value": "00" * 16}}
        await program.refused("add_device", key, "joining with a link key needs a radio that keeps such keys")


async def test_without_its_radio_requests_say_so(tmp_path: Path) -> None:
    async with XbeeEmulator(XbeeConfig(devices=())) as module:
        table = {**tomllib.loads(module.toml("han")), "web": {"listen": "127.0.0.1:0"}}
        table["hub"] = {"role": "esi_coordinator"}
        async with Hub(parse(table, data_dir=tmp_path)) as hub, serve(hub) as server:
            await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
            program = Program(Service(hub, module, server.url, (tmp_path / "token").read_text().strip()))  # type: ignore[arg-type]
            module.kill()
            await eventually(lambda: hub.networks.get("han").state is NetworkState.DOWN)
            for name in ("get_zigbee_network_status", "leave_network", "configure_zigbee_network"):
                await program.refused(name, {}, "radio 'han' is down")
            await program.refused("enable_joining", {"join_time": 60}, "radio 'han' is down")
            assert (await program.both("get_device_information")).values == {"record_list": []}
            assert (await program.both("get_local_reporting_configurations")).values == {"record_list": []}
