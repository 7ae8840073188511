"""The registry: every entry of the manual with its default and type, on disk, and with an effect that a test shows."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub import registry
from hub.registry import ENTRIES, RegistryValue
from hub.zigbee.model import Side
from protocols.zcl.clusters import TIME
from protocols.zcl.header import parse_header
from radios.emulators.device import EmulatedDevice
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from tests.flows.test_xbee_home import is_interviewed, name_of
from tests.hub.waiting import eventually
from tests.web.conftest import Served, serving
from tests.web.rpc.engines import Gate
from tests.web.rpc.modules import home
from tests.web.rpc.test_rpc_http import rci
from web.rpc.response import Severity

ROOT = Path(__file__).parents[3]
CHECKLIST: dict[str, dict[str, Any]] = json.loads((ROOT / "tests" / "golden" / "rpc_checklist.json").read_text())[
    "registry"
]
HERE = "tests/web/rpc/test_rpc_registry.py"
PUSH = "tests/web/rpc/test_rpc_push.py"
TIMES = (
    "tests/web/rpc/test_rpc_time.py::test_time_servers_are_asked_where_the_machine_does_not_say_that_its_clock_is_right"
)
EFFECTS = {
    registry.DEFAULT_TIMEOUT: (
        "tests/hub/test_zigbee_service.py::test_commands_and_scans_wait_no_longer_than_the_registry_says"
    ),
    registry.TX_STATUS_TIMEOUT: (
        "tests/flows/test_xbee_delivery.py::test_silences_of_the_far_end_are_counted_and_make_it_inactive"
    ),
    registry.MAX_SOCKET_RETRIES: (
        "tests/flows/test_xbee_delivery.py::test_a_module_without_room_is_asked_again_as_often_as_the_registry_says"
    ),
    registry.NTP_SERVER_1: TIMES,
    registry.NTP_SERVER_2: TIMES,
    registry.NTP_SYNC_RATE: f"{HERE}::test_entries_of_the_network_have_their_effects",
    registry.DEBUG_PRINT_SEVERITY: f"{HERE}::test_messages_are_told_and_logged_by_their_severity",
    registry.DEBUG_RPC_SEVERITY: f"{HERE}::test_messages_are_told_and_logged_by_their_severity",
    registry.MAX_BUFFER_ITEMS: "tests/web/rpc/test_rpc_http.py::test_the_registry_is_told_set_and_has_its_effect",
    registry.USE_TIMESTAMPS: "tests/web/rpc/test_rpc_http.py::test_the_registry_is_told_set_and_has_its_effect",
    registry.SYNCHRONOUS_REQUEST_TIMEOUT: f"{HERE}::test_a_request_blocks_as_long_as_the_registry_says",
    registry.PRINTED_REPLY_LAYOUT: "tests/web/rpc/test_rpc_http.py::test_the_printed_layout_is_a_setting",
    registry.USE_PUSH: f"{PUSH}::test_a_head_end_switches_it_on",
    registry.PUSHED_FILE_PREFIX: f"{PUSH}::test_a_head_end_switches_it_on",
    registry.PUSHED_FILE_EXTENSION: f"{PUSH}::test_a_head_end_switches_it_on",
    registry.DISABLE_DEFAULT_RESPONSE: f"{HERE}::test_entries_of_the_network_have_their_effects",
    registry.REFRESH_RATE: f"{HERE}::test_entries_of_the_network_have_their_effects",
    registry.MAX_SEQUENTIAL_TX_FAILURES: (
        "tests/hub/test_zigbee_home.py::test_a_device_is_inactive_after_failures_in_a_row_and_active_when_it_is_heard"
    ),
    registry.REQUIRE_EXPLICIT_DEVICE_ADD: (
        "tests/hub/test_zigbee_home.py::test_only_devices_that_were_added_may_come_when_that_is_asked_for"
    ),
    registry.DISABLE_APS_ENCRYPTION: (
        "tests/hub/test_zigbee_security.py::test_what_ought_to_be_encrypted_is_refused_unless_that_is_switched_off"
    ),
    registry.JOIN_INTERVAL: (
        "tests/flows/test_xbee_roles.py::test_it_joins_finds_its_trust_centre_and_reads_its_meter"
    ),
}
"""Entry -> the test that sets it, and sees that the hub does something else."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    monkeypatch.setattr("hub.zigbee.presence.LOOK_S", 0.1)


async def set_entry(served: Served, name: str, value: RegistryValue) -> None:
    """As an administrator's client does it."""
    [told] = await rci(
        served,
        f'<registry_configuration synchronous="TRUE"><name>{name}</name><value>{value}</value>'
        "</registry_configuration>",
    )
    assert told.child("write_status").text == "TRUE", name  # type: ignore[union-attr]


@pytest.mark.parametrize("name", CHECKLIST)
def test_every_entry_of_the_manual_is_there_with_its_type_and_default(name: str) -> None:
    entry, wanted = ENTRIES[name], CHECKLIST[name]
    assert entry.kind == {"string": "str"}.get(wanted["type"], wanted["type"])
    assert wanted["default"] in (None, entry.default)
    assert entry.takes(entry.default)


def test_every_entry_has_a_test_of_its_effect() -> None:
    assert set(EFFECTS) == set(ENTRIES)
    constants = {value: name for name, value in vars(registry).items() if isinstance(value, str) and name.isupper()}
    for entry, place in EFFECTS.items():
        path, _, name = place.partition("::")
        text = (ROOT / path).read_text(encoding="utf-8")
        found = re.search(rf"async def {name}\(.*?(?=\n(?:async )?def |\n@|\Z)", text, re.DOTALL)
        assert found is not None, place
        ways = (entry, entry.rpartition(".")[2], constants[entry])
        names_it = any(way in found.group(0) for way in ways)
        assert names_it or entry in (registry.NTP_SERVER_1, registry.NTP_SERVER_2), place


async def test_every_entry_is_set_and_told_over_http_and_survives_a_restart(tmp_path: Path) -> None:
    values: dict[str, RegistryValue] = {}
    for name, entry in ENTRIES.items():
        if entry.is_switch:
            values[name] = not entry.default
        elif entry.is_text:
            values[name] = "other"
        else:
            values[name] = entry.maximum
    # Replies stay as the test reads them.
    del values[registry.PRINTED_REPLY_LAYOUT]
    async with serving(tmp_path) as served:
        for name, value in values.items():
            await set_entry(served, name, value)
    async with serving(tmp_path) as served:
        for name, value in values.items():
            answer = await served.ask("POST", "/api/v1/rpc/registry_configuration", {"name": name})
            assert answer.json["parameters"] == {"name": name, "value": value}
            [told] = await rci(
                served, f'<registry_configuration synchronous="TRUE"><name>{name}</name></registry_configuration>'
            )
            shown = told.child("value")
            assert shown is not None
            kind = {"str": "string"}.get(ENTRIES[name].kind, ENTRIES[name].kind)
            text = str(value).upper() if isinstance(value, bool) else f"{value:#x}" if kind == "int" else value
            assert (shown.get("type"), shown.text) == (kind, text)
        [listed] = await rci(served, '<help synchronous="TRUE"><registry/></help>')
        assert len(listed.children[0].children) == len(ENTRIES)


async def test_an_entry_is_found_in_any_case_and_unset_by_none_and_its_near_names_are_told(served: Served) -> None:
    ask = '<registry_configuration synchronous="TRUE"><name>{}</name>{}</registry_configuration>'
    await set_entry(served, registry.MAX_BUFFER_ITEMS, 17)
    [told] = await rci(served, ask.format(" rpc_manager.MAX_buffer_items ", ""))
    assert [child.text for child in told.children] == [registry.MAX_BUFFER_ITEMS, "0x11"]
    [told] = await rci(served, ask.format(registry.MAX_BUFFER_ITEMS, "<value/>"))
    assert told.child("write_status").text == "TRUE"  # type: ignore[union-attr]
    assert served.hub.registry.number(registry.MAX_BUFFER_ITEMS) == ENTRIES[registry.MAX_BUFFER_ITEMS].default
    for value in ("", "<value>1</value>"):
        [told] = await rci(served, ask.format("max_buffer", value))
        assert registry.MAX_BUFFER_ITEMS in "".join(child.text for child in told.children)


async def test_messages_are_told_and_logged_by_their_severity(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "web.rpc")
    engine = served.server._services.rpc.engine

    async def told() -> list[str]:
        caplog.clear()
        for severity in Severity:
            engine.message(severity, f"of {severity.name}")
        mail = (await served.get("/api/v1/rpc/responses"))["responses"]
        return [one["parameters"]["description"] for one in mail]

    assert await told() == ["of WARNING", "of ERROR"]
    assert "of DEBUG" in caplog.text
    await set_entry(served, registry.DEBUG_RPC_SEVERITY, 0)
    await set_entry(served, registry.DEBUG_PRINT_SEVERITY, 2)
    assert await told() == ["of DEBUG", "of WARNING", "of ERROR"]
    assert [one.message for one in caplog.records if one.name == "web.rpc.engine"] == ["of ERROR"]
    await set_entry(served, registry.DEBUG_RPC_SEVERITY, 3)
    await set_entry(served, registry.DEBUG_PRINT_SEVERITY, 3)
    assert await told() == []
    assert "of ERROR" not in caplog.text


async def test_a_request_blocks_as_long_as_the_registry_says(served: Served) -> None:
    engine, gate = served.server._services.rpc.engine, Gate({"device_address": "x"})
    assert isinstance(engine.handlers, dict)
    engine.handlers["enable_joining"] = gate
    await set_entry(served, registry.SYNCHRONOUS_REQUEST_TIMEOUT, 1)
    async with asyncio.timeout(20):
        [late] = await rci(served, '<enable_joining synchronous="TRUE"><join_time>60</join_time></enable_joining>')
    assert "takes longer than 1 s" in late.child("description").text  # type: ignore[union-attr]
    gate.open.set()
    await eventually(lambda: engine.under_way == 0)


def requests_to(device: EmulatedDevice, cluster: int) -> list[bool]:
    """Of each ZCL request that the device heard: whether its default response was disabled."""
    found = [parse_header(frame.payload)[0] for frame in device.heard if frame.cluster == cluster]
    return [header.disable_default_response for header in found]


async def test_entries_of_the_network_have_their_effects(tmp_path: Path) -> None:
    start = XbeeConfig(devices=("plug",), joined=(0,))
    async with XbeeEmulator(start) as module, home(module, tmp_path) as served:
        [plug] = module.devices
        hub = served.hub
        plug.report_now(1, 0x0006, 0x0000)
        await eventually(lambda: is_interviewed(hub, plug), 30)
        body = {"endpoint": 1, "cluster": "on_off", "attributes": ["on_off"]}
        for disable in (True, False):
            await set_entry(served, registry.DISABLE_DEFAULT_RESPONSE, disable)
            plug.heard.clear()
            answer = await served.ask("POST", f"/api/v1/devices/{name_of(plug)}/attributes/read", body)
            assert answer.status == 200, answer.body
            assert requests_to(plug, 0x0006)[0] is disable

        # NTP_client.sync_rate: for how long a corrected clock counts as right.
        local = hub.networks.network("han").local
        assert local is not None
        server = local.hosted(0x5E, TIME, Side.SERVER)
        assert server is not None
        hub.clock.confirm()
        spans = []
        for seconds in (60, 86400):
            await set_entry(served, registry.NTP_SYNC_RATE, seconds)
            since, until = (server.read(number, 0.0).value for number in (8, 9))
            assert isinstance(since, int)
            assert isinstance(until, int)
            spans.append(timedelta(seconds=until - since))
        assert spans == [timedelta(minutes=1), timedelta(days=1)]

        # A device that says nothing is asked as often as the rate says.
        await eventually(lambda: not len(hub.household.networks["han"].conversations))
        plug.heard.clear()
        await set_entry(served, registry.REFRESH_RATE, 1)
        await eventually(lambda: len(plug.heard) >= 2, 15)
