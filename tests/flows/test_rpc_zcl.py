"""The gateway's ZCL requests, by XML over HTTP to a hub on an emulated Smart Energy module, and the same in JSON."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rpc_home import address, home, markup_of

from hub.events import IdentifyRequested
from hub.smart_energy.utc import to_utc
from protocols.zcl.header import Direction, FrameType, ZclHeader
from tests.hub.waiting import eventually
from web.rpc.markup import write_inside

GOLDEN: Any = json.loads((Path(__file__).parents[1] / "golden" / "rpc_zcl.json").read_text())
ENDPOINT, OURS = 0x0A, 0x5E
READ, WRITE, REPORT, STOP = (
    "ReadAttributeRecord",
    "WriteAttributeRecord",
    "AttributeReportingConfigurationRecord",
    "StopReportingRecord",
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)


def to(device: Any, cluster: int, side: int = 0) -> dict[str, Any]:
    return {
        "destination_address": address(device),
        "destination_endpoint_id": ENDPOINT,
        "source_endpoint_id": OURS,
        "cluster_id": cluster,
        "server_or_client": side,
    }


def records(kind: str, *fields: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": kind, **one} for one in fields]


def ids(kind: str, *attributes: int) -> dict[str, Any]:
    return {"record_list": records(kind, *({"attribute_id": one} for one in attributes))}


async def test_attributes_of_devices_are_read_written_and_discovered(tmp_path: Path) -> None:
    async with home(tmp_path, "se-thermostat", "smart-meter") as (program, module):
        thermostat, meter = module.devices
        group = {"attribute_id": 0, "value": 3}
        written = await program.both(
            "write_attributes", {**to(thermostat, 0x0701, 1), "record_list": records(WRITE, group)}
        )
        [result] = written.values.pop("record_list")
        assert result == {"record": "WriteAttributeResponseRecord", "status": 0, "attribute_type": 0xFF, **group}
        answer = {
            "cluster_id": 0x0701,
            "server_or_client": 1,
            "profile_id": 0x0109,
            "source_endpoint_id": ENDPOINT,
            "destination_endpoint_id": OURS,
            "source_address": address(thermostat),
        }
        assert written.values == answer
        # A head-end's own words, and those that it reads.
        [element] = (await program.post(GOLDEN["request"] % address(thermostat))).children
        assert element.tag == "read_attributes_response"
        for item in GOLDEN["items"]:
            assert item in write_inside(element), item
        found = await program.both("read_attributes", {**to(meter, 0x0702), **ids(READ, 0x0300, 0x0303, 0x9999)})
        first, _, third = found.values["record_list"]
        assert (first["status"], first["attribute_type"], first["value"]) == (0, 0x30, 0)
        assert third == {"record": "ReadAttributeStatusRecord", "status": 0x86, "attribute_id": 0x9999}
        basic = {**to(meter, 0), "manufacturer_code": None, **ids(READ, 4)}
        del basic["manufacturer_code"]
        assert (await program.both("read_attributes", basic)).values["record_list"][0]["value"] == "Example"
        listed = await program.both("discover_attributes", to(thermostat, 0x0701, 1))
        told = [(one["attribute_id"], one["attribute_type"]) for one in listed.values["record_list"]]
        assert told == [(0, 0x20), (1, 0x20), (2, 0x20), (3, 0x21)]
        # Two are written one by one, or both or none.
        two = records(WRITE, {"attribute_id": 1, "value": 5}, {"attribute_id": 9, "attribute_type": 0x21, "value": 1})
        both = {**to(thermostat, 0x0701, 1), "record_list": two}
        each = (await program.both("write_attributes", both)).values["record_list"]
        none = (await program.both("write_attributes", {**both, "command_identifier": 5})).values["record_list"]
        assert [one["status"] for one in each] == [0, 0x86]
        assert 0 not in [one["status"] for one in none]
        for wrong, text in (
            ({"record_list": []}, "record_list is of 0 records; allowed: 1 to 64"),
            (ids(READ, 1, 1), "record_list[1].attribute_id is 0x1 once more"),
            ({"source_endpoint_id": 7, **ids(READ, 1)}, "source_endpoint_id is 7; allowed: one of ours: 0x1, 0x5e"),
            ({"destination_endpoint_id": 0, **ids(READ, 1)}, "destination_endpoint_id is 0; allowed: 1 to 240"),
            ({"destination_address": "00:11:22:33:44:55:66:77", **ids(READ, 1)}, "there is no device"),
        ):
            await program.refused("read_attributes", {**to(meter, 0x0702), **wrong}, text)
        for field, text in (
            (
                {"attribute_id": 0, "value": "three"},
                "record_list[0].value is 'three'; allowed: int, for the data type uint8",
            ),
            (
                {"attribute_id": 0, "value": 300},
                "utility_enrollment_group is 300; allowed: a whole number from 0 to 255",
            ),
            ({"attribute_id": 0x7777, "value": 3}, "record_list[0].attribute_type is 0xff; allowed: a data type"),
            ({"attribute_id": 0, "attribute_type": 0x42, "value": 7}, 'string, with type="string"'),
        ):
            wish = {**to(thermostat, 0x0701, 1), "record_list": records(WRITE, field)}
            await program.refused("write_attributes", wish, text)


async def test_attributes_of_ours_are_read_and_written_as_those_of_others(tmp_path: Path) -> None:
    async with home(tmp_path) as (program, module):
        ours = {"destination_endpoint_id": OURS, "cluster_id": 0, "server_or_client": 0}
        told = {"cluster_id": 0, "server_or_client": 0, "profile_id": 0x0109, "source_endpoint_id": OURS}
        text = {"attribute_id": 0x10, "value": {"type": "string", "value": "0815"}}
        wish = {**ours, "record_list": records(WRITE, text, {"attribute_id": 0, "value": 1})}
        found = await program.both("write_attributes", wish)
        first, second = found.values.pop("record_list")
        assert (first["status"], second["status"], found.values) == (0, 0x88, told)
        # With our own address it is the same.
        for here in (ours, {**ours, "destination_address": module.ieee.to_bytes(8).hex()}):
            found = await program.both("read_attributes", {**here, **ids(READ, 0x10, 0x4444)})
            first, second = found.values.pop("record_list")
            assert (first["value"], first["attribute_type"], second["status"], found.values) == (
                "0815",
                0x42,
                0x86,
                told,
            )
        found = await program.both("discover_attributes", ours)
        assert {0, 4, 5, 0x10} <= {one["attribute_id"] for one in found.values["record_list"]}
        await program.refused(
            "read_attributes",
            {**ours, "destination_endpoint_id": 9, **ids(READ, 0)},
            "destination_endpoint_id is 9; allowed",
        )
        await program.refused("read_attributes", {**ours, "cluster_id": 0x0999, **ids(READ, 0)}, "default response")
        wish = {**ours, "record_list": records(REPORT, {"attribute_id": 0x10})}
        await program.refused("start_receiving_reports", wish, "our own clusters do not report to ourselves")
        async with program.hub.bus.subscribe(IdentifyRequested) as events:
            found = await program.both("identify", {"destination_endpoint_id": OURS, "identify_time": 7})
            assert [(one.endpoint, one.duration_s) for one in events.drain()] == [(OURS, 7)] * 2
        assert found.values == {"cluster_id": 3, "profile_id": 0x0109, "source_endpoint_id": OURS, "identify_time": 7}
        assert "Identify on endpoint 0x5e for 7 s" in [one.text for one in await program.mailbox("message", 2)]


async def test_a_device_that_is_not_reached_is_told_in_the_gateways_words(tmp_path: Path) -> None:
    async with home(tmp_path, "se-thermostat") as (program, module):
        [thermostat] = module.devices
        wish = {**to(thermostat, 0x0701, 1), **ids(READ, 0)}
        module.outcomes += [0xBB]
        [element] = (await program.post(GOLDEN["request"] % address(thermostat))).children
        assert element.tag == "message"
        assert GOLDEN["failure"] % (address(thermostat), "0xa") in write_inside(element)
        module.outcomes += [0xBB]
        code, told = await program.json("read_attributes", wish)
        assert (code, told["TX_status"], told["device_address"]["value"]) == (200, 0xBB, address(thermostat))
        module.outcomes += [0x21] * 8
        await program.refused(
            "read_attributes", wish, "Conversation received unsuccessful TX status: 0x21, No network ack"
        )
        module.outcomes.clear()
        # Delivered, and no answer.
        await program.hub.registry.set("Conversation.default_timeout", 1)
        module.outcomes += [0x00] * 8
        await program.refused("read_attributes", wish, "Conversation timed out: it did not answer within 1 s")
        module.outcomes.clear()
        module.outcomes += [0x24] * 8
        bind = {key: value for key, value in to(thermostat, 0x0701).items() if key != "server_or_client"}
        await program.refused("bind", bind, "(" + address(thermostat) + ", 0x0, 0x0, 0x21): Conversation received")


async def test_reports_are_started_told_listed_and_stopped(tmp_path: Path) -> None:
    async with home(tmp_path, "smart-meter", "se-thermostat") as (program, module):
        meter, thermostat = module.devices
        place, demand = to(meter, 0x0702), 0x0400
        wanted = {
            "attribute_id": demand,
            "min_interval": 0,
            "max_interval": 600,
            "reportable_change": 100_000,
            "timeout": 700,
        }
        wish = {**place, "record_list": records(REPORT, wanted)}
        started = await program.both("start_receiving_reports", wish)
        assert started.values["record_list"] == [
            {
                "record": "AttributeReportingConfigurationResponseRecord",
                "status": 0,
                "direction": 0,
                "attribute_type": 0x2A,
                **wanted,
            }
        ]
        assert meter.reports[ENDPOINT, 0x0702, demand, None].maximum == 600
        await program.post("<get_responses/>", "RPC_response")
        meter.report_now(ENDPOINT, 0x0702, demand, 0x0300)
        reports = await program.mailbox("attribute_report", 2)
        by_attribute = {one.values["record"]["attribute_id"]: one.values for one in reports}
        told = by_attribute[0x0300]
        assert told.pop("record") == {
            "record": "AttributeReportRecord",
            "attribute_id": 0x0300,
            "attribute_type": 0x30,
            "value": 0,
        }
        assert told == {
            "cluster_id": 0x0702,
            "server_or_client": 0,
            "profile_id": 0x0109,
            "source_endpoint_id": ENDPOINT,
            "destination_endpoint_id": OURS,
            "source_address": address(meter),
        }

        def ours(found: Any) -> list[dict[str, Any]]:
            return [one for one in found.values["record_list"] if one["record"]["attribute_id"] == demand]

        [known] = ours(await program.both("get_local_reporting_configurations"))
        assert (known["device_address"], known["endpoint_id"], known["server_or_client"]) == (address(meter), OURS, 1)
        assert (known["reporting_direction"], known["pseudo_reporting"], known["record"]["timeout"]) == (1, False, 700)
        query = {**place, "reporting_direction": 0, **ids("ReadReportingConfigurationRecord", demand, 0x7777)}
        here, missing = (await program.both("read_reporting_configuration", query)).values["record_list"]
        assert (here["direction"], here["max_interval"], missing["status"]) == (1, 600, 0x8B)
        query["remote_configuration"] = True
        found = await program.both("read_reporting_configuration", query)
        there, unknown = found.values["record_list"]
        assert (found.values["remote_configuration"], there["direction"], there["max_interval"]) == (True, 0, 600)
        assert (there["reportable_change"], unknown.keys()) == (100_000, {"record", "status", "attribute_id"})
        stopped = await program.both("stop_receiving_reports", {**place, **ids(STOP, demand)})
        assert stopped.values["record_list"] == [
            {"record": "StopReportingStatusRecord", "status": 0, "attribute_id": demand}
        ]
        assert (ENDPOINT, 0x0702, demand, None) not in meter.reports
        assert not ours(await program.both("get_local_reporting_configurations"))

        # What does not report is read in place of that, if nobody says otherwise; and so where it is asked for.
        silent = {"attribute_id": 0, "min_interval": 1, "max_interval": 2, "attribute_type": 0x20}
        wish = {**to(thermostat, 0x0701, 1), "record_list": records(REPORT, silent)}
        refused = await program.both("start_receiving_reports", {**wish, "pseudo_reporting": False})
        [record] = refused.values["record_list"]
        assert (record.keys(), record["status"] != 0) == ({"record", "status", "attribute_id"}, True)
        taken = await program.both("start_receiving_reports", wish)
        assert taken.values["record_list"][0]["status"] == 0
        polled: list[Any] = []
        while len(polled) < 2:
            reports = await program.mailbox("attribute_report")
            polled += [one.values for one in reports if one.values["source_address"] == address(thermostat)]
        assert {one["server_or_client"] for one in polled} == {1}
        assert {one["record"]["attribute_id"] for one in polled} == {0}
        configurations = (await program.both("get_local_reporting_configurations")).values["record_list"]
        [pseudo] = [
            one for one in configurations if one["device_address"] == address(thermostat) and one["pseudo_reporting"]
        ]
        assert (pseudo["cluster_id"], pseudo["server_or_client"], pseudo["record"]["min_interval"]) == (0x0701, 0, 1)
        ended = await program.both(
            "stop_receiving_reports", {**to(thermostat, 0x0701, 1), **ids(STOP, 0)}, is_steady=False
        )
        assert ended.values["record_list"][0]["status"] == 0
        for wrong, text in (
            ({**wanted, "min_interval": 700}, "max_interval is 600; allowed: 0 (only on change), or 700"),
            ({**wanted, "reportable_change": "much"}, "record_list[0].reportable_change is 'much'"),
            ({**wanted, "attribute_id": 0x7777}, "record_list[0].attribute_type is 0xff"),
        ):
            await program.refused("start_receiving_reports", {**place, "record_list": records(REPORT, wrong)}, text)


async def test_reports_of_ours_are_listed_and_stopped(tmp_path: Path) -> None:
    async with home(tmp_path, "se-thermostat") as (program, module):
        [thermostat] = module.devices
        zone = 0x0002  # TimeZone, which others may have reported
        header = ZclHeader(FrameType.GENERAL, Direction.TO_SERVER, 0x41, 0x06, True).encode()
        body = struct.pack("<BHBHHi", 0, zone, 0x2B, 5, 600, 1)
        thermostat.say(ENDPOINT, 0x000A, header + body, to_endpoint=OURS)
        reporting = program.hub.household.networks["han"].local
        assert reporting is not None
        await eventually(lambda: bool(reporting.reporting.rows()))

        async def listed() -> list[dict[str, Any]]:
            found = await program.both("get_local_reporting_configurations")
            return [one for one in found.values["record_list"] if one["reporting_direction"] == 0]

        [row] = await listed()
        assert (row["device_address"], row["device_endpoint_id"], row["endpoint_id"]) == (
            address(thermostat),
            ENDPOINT,
            OURS,
        )
        assert (row["cluster_id"], row["server_or_client"], row["record"]["max_interval"]) == (0x000A, 0, 600)
        assert "pseudo_reporting" not in row
        # The other end is the client of our server.
        other = to(thermostat, 0x000A, 1)
        query = {**other, "reporting_direction": 1, **ids("ReadReportingConfigurationRecord", zone)}
        [here] = (await program.both("read_reporting_configuration", query)).values["record_list"]
        assert (here["status"], here["direction"], here["min_interval"]) == (0, 0, 5)
        stopped = await program.ask("stop_sending_reports", markup_of({**other, **ids(STOP, zone)}))
        assert stopped.values["record_list"][0]["status"] == 0
        assert await listed() == []
        again = await program.both("stop_sending_reports", {**other, **ids(STOP, zone)})
        assert again.values["record_list"][0]["status"] == 0x8B


async def test_any_command_is_sent_and_its_answer_found(tmp_path: Path) -> None:
    async with home(tmp_path, "smart-meter", "se-thermostat") as (program, module):
        meter, thermostat = module.devices
        metering = to(meter, 0x0702)
        profile = {**metering, "command_identifier": 0, "payload": {"type": "base16", "value": "00 00000000 01"}}
        found = await program.both("send_ZCL", {**profile, "response_command_identifier": 0})
        assert (found.values["command_identifier"], found.values["command_type"]) == (0, 1)
        assert "enable_aps_encryption" not in found.values
        assert len(bytes.fromhex(found.values["payload"])) >= 7
        encrypted = {**profile, "enable_aps_encryption": True, "payload": {"type": "base64", "value": "AAAAAAAB"}}
        found = await program.both("send_ZCL", encrypted)
        assert found.values["enable_aps_encryption"] is True
        assert found.markup.child("payload").get("type") == "base64"  # type: ignore[union-attr]
        # A general command out of records, and its answer, which nobody had to name.
        two = records(READ, {"attribute_id": 0x0300}, {"attribute_id": 0x9999})
        general = {**metering, "command_identifier": 0, "command_type": 0, "payload": two}
        found = await program.both("send_ZCL", general)
        assert (found.values["command_identifier"], found.values["command_type"]) == (1, 0)
        assert found.values["payload"] == "0003003000999986"
        # A command that nobody knows is refused by a default response, whatever answer was named.
        unknown = {**metering, "command_identifier": 0x77, "payload": {"type": "base16", "value": ""}}
        for named in ({}, {"response_command_identifier": 0x78}):
            found = await program.both("send_ZCL", {**unknown, **named})
            assert (found.values["command_identifier"], found.values["command_type"]) == (0x0B, 0)
            assert found.values["payload"] == "7781"
        # An event out of its record reaches the thermostat as any other.
        now = to_utc(datetime.now(UTC))
        event = {
            "type": "LoadControlEventRecord",
            "issuer_event_id": 77,
            "start_time": now + 3600,
            "duration_in_minutes": 5,
        }
        sent = {
            **to(thermostat, 0x0701, 1),
            "command_identifier": 0,
            "payload": event,
            "response_command_identifier": 0,
        }
        status = await program.ask("send_ZCL", markup_of(sent))
        assert (status.name, status.values["command_identifier"]) == ("send_ZCL_response", 0), status.values
        assert status.values["payload"].startswith("4D00000001")
        # To everybody: the first answer is the response, further ones come by the mailbox.
        for device in module.devices:
            shown = {"destination_address": address(device), "destination_endpoint_id": ENDPOINT, "identify_time": 60}
            found = await program.both("identify", shown)
            assert (found.values["identify_time"], found.values["source_address"]) == (60, address(device))
        # To all endpoints of a device, as the manual has it: none has to answer, delivered is enough.
        [element] = (await program.post(GOLDEN["manual"]["identify"] % address(meter))).children
        assert (element.tag, element.child("identify_time").text) == ("identify_response", "0x1e")  # type: ignore[union-attr]
        query = {
            **to(meter, 3),
            "destination_address": "00:00:00:00:00:00:00:FF:FF",
            "command_identifier": 1,
            "response_command_identifier": 0,
            "payload": {"type": "base16", "value": ""},
        }
        await program.hub.registry.set("Conversation.default_timeout", 2)
        first = await program.ask("send_ZCL", markup_of(query) + "<request_identifier>5</request_identifier>")
        [second] = await program.mailbox("send_ZCL_response")
        senders = {first.values["source_address"], second.values["source_address"]}
        assert senders == {address(meter), address(thermostat)}
        assert second.values["request_identifier"] == 5
        # Where no answer is named, nobody is waited for.
        del query["response_command_identifier"]
        assert (await program.post(f'<send_ZCL synchronous="TRUE">{markup_of(query)}</send_ZCL>')).children == []
        assert (await program.home.ask("POST", "/rpc/send_ZCL", query))[0] in (202, 204)
        query |= {"cluster_id": 0x0B04, "response_command_identifier": 0}
        await program.refused(
            "send_ZCL", query, "(00:00:00:00:00:00:FF:FF, 0xa, 0x109, 0xb04): nobody answered within 2 s"
        )
        await program.refused("send_ZCL", {**query, "enable_aps_encryption": True}, "enable_aps_encryption is wanted")
        record = {"type": STOP, "attribute_id": 0}
        await program.refused(
            "send_ZCL", {**metering, "command_identifier": 0, "payload": record}, "part of no command"
        )


async def test_everybody_is_told_to_identify(tmp_path: Path) -> None:
    async with home(tmp_path, "smart-meter", "se-thermostat") as (program, module):
        await program.hub.registry.set("Conversation.default_timeout", 2)
        everybody = {"destination_address": "00:00:00:00:00:00:00:FF:FF", "destination_endpoint_id": ENDPOINT}
        query = {
            **everybody,
            "source_endpoint_id": OURS,
            "cluster_id": 3,
            "server_or_client": 0,
            "command_identifier": 1,
            "response_command_identifier": 0,
            "payload": {"type": "base16", "value": ""},
        }
        await program.refused("send_ZCL", query, "nobody answered within 2 s")
        found = await program.both("identify", {**everybody, "identify_time": 60})
        assert found.values == {
            "cluster_id": 3,
            "profile_id": 0x0109,
            "source_endpoint_id": ENDPOINT,
            "destination_endpoint_id": OURS,
            "source_address": "00:00:00:00:00:00:FF:FF",
            "identify_time": 60,
        }
        # Only who identifies answers the query.
        first = await program.ask("send_ZCL", markup_of(query))
        [second] = await program.mailbox("send_ZCL_response")
        senders = {first.values["source_address"], second.values["source_address"]}
        assert senders == {address(device) for device in module.devices}
        await program.refused("identify", {**everybody, "source_endpoint_id": 9, "identify_time": 60}, "9")
