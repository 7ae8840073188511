"""The gateway's ZigBee requests, by XML over HTTP to a hub on an emulated Smart Energy module, and the same in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rpc_home import Program, address, home, markup_of
from test_xbee_home import certificate_text
from test_xbee_roles import served

from hub.events import InterviewProgress
from hub.zigbee.model import InterviewStep, NetworkState
from protocols.certificate import DeviceCertificate
from protocols.install_code import InstallCode
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from radios.emulators.xbee_router import XbeeRouter, XbeeRouterConfig
from tests.hub.waiting import eventually

GOLDEN: Any = json.loads((Path(__file__).parents[1] / "golden" / "rpc_zcl.json").read_text())["manual"]
ROLE = "esi_coordinator"
CODE = "83FED3407A939723A5C639B26916D505C3B5"
"""An installation code of 128 bits with its CRC, low octet first."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    monkeypatch.setattr("radios.xbee.router.LOOK_S", 0.1)


async def test_devices_are_told_refreshed_bound_and_removed(tmp_path: Path) -> None:
    async with home(tmp_path, "smart-meter", "se-thermostat") as (program, module):
        meter, thermostat = module.devices
        found = await program.both("get_device_information")
        [ours, first, second] = found.values["record_list"]
        # The first is us, as the manual has it.
        own = module.ieee.to_bytes(8).hex(":").upper()
        assert (ours["active"], ours["addr_extended"], ours["addr_short"], ours["node_type"]) == (True, own, "0000", 0)
        assert ours["simple_descriptors"]["endpoint_0x5E"]["device_id"] == 0x0500
        assert ours["node_descriptor"]["logical_type"] == 0
        assert (await program.both("get_device_information", {"device_address": own})).values["record_list"] == [ours]
        assert [first["addr_extended"], second["addr_extended"]] == [address(meter), address(thermostat)]
        assert (first["record"], first["active"], first["addr_short"]) == (
            "ZDODeviceRecord",
            True,
            f"{meter.short:04X}",
        )
        assert (first["node_type"], first["manufacturer_id"], first["active_endpoints"]) == (1, 0x1234, [0x0A])
        assert first["node_descriptor"]["nwk_addr"] == meter.short
        assert first["power_descriptor"]["current_power_source_level"] == 0x0C
        [simple] = first["simple_descriptors"].values()
        assert list(first["simple_descriptors"]) == ["endpoint_0x0A"]
        assert (simple["profile_id"], simple["device_id"], simple["input_clusters"][-1]) == (0x0109, 0x0501, 0x0702)
        one = await program.both("get_device_information", {"device_address": address(thermostat)})
        assert one.values["record_list"] == [second]
        # As the gateway wrote it: types on everything, lower-case hex.
        text = one.markup.child("record_list").children[0]  # type: ignore[union-attr]
        assert (text.get("type"), text.child("addr_short").get("type")) == ("ZDODeviceRecord", "MAC")  # type: ignore[union-attr]

        place = {"destination_endpoint_id": 0x0A, "source_endpoint_id": 0x5E, "cluster_id": 0x0702}
        to_meter = {"destination_address": address(meter), **place}
        before = len(meter.bindings)
        bound = await program.both("bind", to_meter)
        assert bound.values == {"status": 0, **to_meter}
        assert len(meter.bindings) >= before
        removed = await program.both("unbind", to_meter, is_steady=False)
        assert (removed.values["status"], len(meter.bindings)) == (0, before - 1)
        ours = {**to_meter, "destination_address": module.ieee.to_bytes(8).hex(), "destination_endpoint_id": 0x5E}
        assert (await program.both("bind", ours)).values["status"] == 0
        assert (await program.ask("unbind", markup_of(ours))).values["status"] == 0
        assert (await program.ask("unbind", markup_of(ours))).values["status"] == 0x88, "NO_ENTRY: it is gone already"
        await program.refused("bind", {**to_meter, "source_endpoint_id": 9}, "source_endpoint_id is 9; allowed: one of")
        await program.refused("bind", {**to_meter, "destination_address": "1397"}, "the extended address of one device")

        assert (await program.both("refresh_device_information")).values == {}
        member = program.hub.household.members[thermostat.ieee]
        wish = {"device_address": address(thermostat), "full_refresh": True}
        async with program.hub.bus.subscribe(InterviewProgress) as told:
            assert (await program.both("refresh_device_information", wish)).values == {}
            await eventually(lambda: member.interview is InterviewStep.DONE, 40)
            steps = {event.step for event in told.drain()}
        assert {InterviewStep.NODE_DESCRIPTOR, InterviewStep.SIMPLE_DESCRIPTOR, InterviewStep.DONE} <= steps

        # One that is away is only looked for: what is known of it stays.
        away = program.hub.household.members[meter.ieee]
        away.is_active = False
        asked = len([frame for frame in meter.heard if frame.cluster == 0x0001])
        assert (await program.ask("refresh_device_information", "<full_refresh>TRUE</full_refresh>")).values == {}
        assert list(away.endpoints) == [0x0A]
        await eventually(lambda: len([frame for frame in meter.heard if frame.cluster == 0x0001]) > asked)
        await eventually(lambda: member.interview is InterviewStep.DONE and away.is_active, 40)

        gone = await program.ask("remove_device", f"<device_address>{address(thermostat)}</device_address>")
        assert (gone.name, gone.values) == ("remove_device_response", {"device_address": address(thermostat)})
        assert thermostat.ieee not in program.hub.household.members
        for name in ("remove_device", "get_device_information", "refresh_device_information"):
            await program.refused(name, {"device_address": address(thermostat)}, "there is no device")
        await program.refused(
            "get_device_information", {"device_address": "somebody"}, "MAC, as 00:11:22:33:44:55:66:77"
        )


async def test_devices_are_let_in_as_a_utility_does_it(tmp_path: Path) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("smart-meter",))) as module, served(module, tmp_path, ROLE) as service:
        await eventually(lambda: service.hub.networks.get("han").state is NetworkState.UP)
        program, [meter] = Program(service), module.devices
        # As a head-end sent it: blanks, no types, a code as string with its CRC, 900 seconds.
        found = await program.ask(
            "add_device",
            f'<device_address type="mac">\n {address(meter)} </device_address><join_time> 900 </join_time>'
            f'<installation_code type="string">{CODE[:18]}-{CODE[18:]}</installation_code>',
        )
        assert (found.name, found.values) == (
            "add_device_response",
            {"device_address": address(meter), "join_time": 900},
        )
        [record] = (await program.both("get_device_information", {"device_address": address(meter)})).values[
            "record_list"
        ]
        # It has yet to join.
        assert record == {"record": "ZDODeviceRecord", "active": False, "addr_extended": address(meter)}
        assert module.table[meter.ieee] == InstallCode.parse(CODE).link_key
        assert service.hub.networks.get("han").joining_until is not None
        # Its real key, in each of the forms; the code beside it does not count.
        assert meter.link_key is not None
        key = meter.link_key
        for form in (
            {"type": "base16", "value": key.hex(":")},
            {"type": "int", "value": hex(int.from_bytes(key))},
        ):
            told = await program.both(
                "add_device", {"device_address": address(meter), "link_key": form, "installation_code": "nonsense 1"}
            )
            assert told.values == {"device_address": address(meter)}
            assert module.table[meter.ieee] == key
        assert module.press(meter)
        await eventually(lambda: meter.is_authenticated)
        assert (await program.both("enable_joining", {"join_time": 0})).values == {"join_time": 0}
        assert service.hub.networks.get("han").joining_until is None
        assert (await program.both("enable_joining", {"join_time": 60})).values == {"join_time": 60}
        # The door is never open for longer than an hour, and the answer says so.
        assert (await program.both("enable_joining", {"join_time": 0xFFFF})).values == {"join_time": 3600}
        device = {"device_address": address(meter)}
        await program.refused("add_device", {**device, "installation_code": "xyz"}, "installation_code is")
        await program.refused("add_device", {**device, "installation_code": "0123456789"}, "installation_code is")
        await program.refused("add_device", {**device, "link_key": {"type": "base16", "value": "00"}}, "link_key")
        await program.refused("add_device", {"device_address": "FF:FF:FF:FF:FF:FF:FF:FF"}, "device_address is")
        await program.refused("enable_joining", {"join_time": 70_000}, "join_time is 70000; allowed")
        await program.ask("remove_device", markup_of(device))
        await eventually(lambda: meter.ieee not in module.table)
        texts = [one.text for one in await program.mailbox("message", 4)]
        # Phrases that head-ends look for.
        for phrase in (" registered with XBee", "detected and marked as active", " unregistered from XBee"):
            assert f"Device {address(meter)} {phrase.strip()}" in texts, phrase


async def test_the_module_is_read_and_set(tmp_path: Path) -> None:
    async with home(tmp_path) as (program, module):
        assert (await program.both("xbee_AT", {"command": "vr"})).values == {"command": "vr", "value": 0x3119}
        found = await program.both("xbee_AT", {"command": "NJ", "value": 0x20})
        assert found.values == {"command": "NJ", "value": 0x20}
        assert module.registers.number("NJ") == 0x20
        spelled = {"command": "NJ", "value": {"type": "base16", "value": "21"}}
        assert (await program.both("xbee_AT", spelled)).values == {"command": "NJ", "value": "21"}
        # A key that was set is told to nobody.
        key = {"command": "KY", "value": {"type": "base16", "value": "00" * 16}}
        assert (await program.both("xbee_AT", key)).values == {"command": "KY"}
        await program.refused("xbee_AT", {"command": "XX"}, "there is no AT command 'XX'")
        await program.refused("xbee_AT", {"command": "BD", "value": 3}, "it would break the link to the module")
        await program.refused("xbee_AT", {"command": "VR", "value": 3}, "command is VR; allowed: to be read only")
        await program.refused("xbee_AT", {"command": "NJ", "value": 300}, "value is")


async def test_a_certificate_is_installed_as_the_manual_says_and_by_requests_of_ours(tmp_path: Path) -> None:
    async with (
        XbeeEmulator(XbeeConfig(devices=(), is_certified=False)) as module,
        served(module, tmp_path, ROLE) as one,
    ):
        await eventually(lambda: one.hub.networks.get("han").state is NetworkState.UP)
        program = Program(one)
        assert (await program.both("get_certificate_info")).values == {"status": 1}
        made = DeviceCertificate.parse(certificate_text(module.ieee))
        parts = {
            "ca_public_key": made.authority_key.hex(),
            "implicit_certificate": made.implicit.hex(),
            "private_key": made.private_key.hex(),
        }
        other = {**parts, "implicit_certificate": DeviceCertificate.parse(certificate_text(1)).implicit.hex()}
        await program.refused("install_certificate", other, "implicit_certificate is")
        for name, digits in parts.items():
            await program.refused("install_certificate", {**parts, name: digits[2:]}, f"{name} is")
        assert "ZV" not in module.registers.keys
        found = await program.both("install_certificate", parts)
        assert found.values == {"status": 0, "subject": module.ieee.to_bytes(8).hex(":").upper()}
        assert module.registers.keys["ZV"] == made.private_key
        assert (await program.both("get_certificate_info")).values == found.values
        values = {"authority": parts["ca_public_key"], "certificate": parts["implicit_certificate"]}
        module.registers.keys.clear()
        for request in GOLDEN["certificate"]:
            [answer] = (await program.post(request % {**values, "key": parts["private_key"]})).children
            assert (answer.tag, answer.child("value")) == ("xbee_AT_response", None), "a key is told to nobody"
        assert module.registers.keys["ZT"] == made.implicit
        assert (await program.ask("get_certificate_info")).values["status"] == 0
        # And "reset network": it is formed anew, as the request of old says, without asking back.
        before = module.air.extended_pan_id
        assert (await program.ask("xbee_AT", "<command>NR</command><value>0</value>")).name == "xbee_AT_response"
        await eventually(lambda: one.hub.networks.get("han").state is NetworkState.UP)
        await eventually(lambda: one.hub.networks.get("han").extended_pan_id not in (None, before))


async def test_a_network_is_told_and_formed_anew(tmp_path: Path) -> None:
    async with home(tmp_path) as (program, module):
        air = module.air
        found = await program.both("get_zigbee_network_status")
        assert found.values == {
            "status": 0,
            "status_description": "Successfully formed or joined a network",
            "extended_pan_id": air.extended_pan_id,
            "pan_id": air.pan_id,
            "channel": air.channel,
            "addr_short": "0000",
            "addr_extended": module.ieee.to_bytes(8).hex(":").upper(),
            "configured_extended_pan_id": 0,
        }
        [status] = (await program.post(GOLDEN["status"])).children
        assert status.tag == "get_zigbee_network_status_response"
        # What a coordinator leaves is nothing.
        assert (await program.both("leave_network")).values == {}
        assert program.hub.networks.get("han").state is NetworkState.UP
        before = (await program.both("configure_zigbee_network")).values
        assert before == {"extended_pan_id": 0, "channel_mask": 0x1FFE, "join_interval": 30}
        wish = {"extended_pan_id": "0x1122334455667788", "channel_mask": 0x0010, "join_interval": 45}
        formed = await program.both("configure_zigbee_network", wish)
        assert formed.values == {"extended_pan_id": 0x1122334455667788, "channel_mask": 0x10, "join_interval": 45}
        assert program.hub.registry.seconds("ZDO_Device_Manager.join_interval") == 45
        await eventually(lambda: program.hub.networks.get("han").channel == 15)
        status = (await program.both("get_zigbee_network_status")).values
        assert (status["channel"], status["configured_extended_pan_id"]) == (15, 0x1122334455667788)
        await program.refused("configure_zigbee_network", {"channel_mask": 0}, "channel_mask is 0x0")
        await program.refused("configure_zigbee_network", {"channel_mask": 0x10000}, "channel_mask is 65536")
        await program.refused("configure_zigbee_network", {"join_interval": 1}, "join_interval")
        await program.refused("configure_zigbee_network", {"installation_code": "0123"}, "installation_code is")


async def test_a_router_leaves_and_looks_for_another_network(tmp_path: Path) -> None:
    start = XbeeRouterConfig(devices=(), was_joined=True)
    async with XbeeRouter(start) as module, served(module, tmp_path, "aux_gateway") as service:
        await eventually(lambda: service.hub.networks.get("han").state is NetworkState.UP)
        program = Program(service)
        module.air.permit(0)
        assert (await program.ask("leave_network")).name == "leave_network_response"
        await eventually(lambda: service.hub.networks.get("han").state is NetworkState.JOINING)
        status = (await program.both("get_zigbee_network_status", is_steady=False)).values
        assert status["status"] != 0
        assert (status["channel"], status["pan_id"], status["addr_short"]) == (0, 0xFFFF, "FFFE")
        found = await program.both("configure_zigbee_network", {"extended_pan_id": 0x77, "join_interval": 5})
        assert found.values["extended_pan_id"] == 0x77
        assert service.hub.registry.seconds("ZDO_Device_Manager.join_interval") == 5
