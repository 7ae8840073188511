"""A head-end makes events, prices and messages by RPC, with emulated clients: what it is answered, and what comes."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from test_se_esi import known

from hub.config import parse
from hub.hub import Hub
from hub.zigbee.model import NetworkState
from radios.emulators.se_devices import Display, LoadControl
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from tests.hub.waiting import eventually
from tests.web.rpc.asking import Asker, record
from web.server import serve

EVENT, CANCEL, CANCEL_ALL = (
    "LoadControlEventRecord",
    "CancelLoadControlEventRecord",
    "CancelAllLoadControlEventsRecord",
)
MESSAGE, CANCEL_MESSAGE, PRICE = "DisplayMessageRecord", "CancelMessageRecord", "PublishPriceRecord"
DEFAULT_EVENT = {
    "device_class": 0x0FFF,
    "utility_enrollment_group": 0,
    "start_time": 0,
    "criticality_level": 1,
    "cooling_temperature_offset": 255,
    "heating_temperature_offset": 255,
    "cooling_temperature_set_point": -0x8000,
    "heating_temperature_set_point": -0x8000,
    "average_load_adjustment_percentage": -0x80,
    "duty_cycle": 255,
    "event_control": 3,
}
"""Of a LoadControlEventRecord (CPX2-SE, Record Reference)."""
DEFAULT_PRICE = {
    "provider_id": 0xFFFFFFFF,
    "rate_label": "",
    "currency": 840,
    "price_trailing_digit_and_price_tier": 0x20,
    "number_of_price_tiers_and_register_tier": 0,
    "start_time": 0,
    "price_ratio": 0xFF,
    "generation_price": 0xFFFFFFFF,
    "generation_price_ratio": 0xFF,
    "alternate_cost_deliverd": 0xFFFFFFFF,
    "alternate_cost_unit": 1,
    "alternate_cost_trailing_digit": 0xFF,
}
BROKEN_EVENTS = {
    "duration_in_minutes": 1441,
    "criticality_level": 16,
    "duty_cycle": 101,
    "average_load_adjustment_percentage": -101,
    "cooling_temperature_set_point": -27316,
    "device_class": 0,
    "event_control": 4,
    "start_time": 1,
}
"""Values that fit their octets, and that no event may have."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)


@asynccontextmanager
async def home(folder: Path, *kinds: str) -> AsyncIterator[tuple[Hub, XbeeEmulator, Asker]]:
    start = XbeeConfig(devices=kinds, joined=tuple(range(len(kinds))), speed=5.0)
    async with XbeeEmulator(start) as module:
        table = {**tomllib.loads(module.toml("han")), "web": {"listen": "127.0.0.1:0"}}
        async with Hub(parse(table, data_dir=folder)) as hub, serve(hub) as server:
            await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
            await known(hub, module)
            async with Asker(server.url, (folder / "token").read_text().strip()) as rpc:
                yield hub, module, rpc


def address(device: object) -> str:
    return ":".join(f"{octet:02X}" for octet in device.ieee.to_bytes(8, "big"))  # type: ignore[attr-defined]


async def both(rpc: Asker, name: str, inside: str = "", **parameters: Any) -> dict[str, Any]:
    """A request whose answer does not change when it is made again: the same in XML and in JSON."""
    answer = await rpc.xml(name, inside)
    assert answer.name == f"{name}_response", answer
    status, body = await rpc.json(name, **parameters)
    assert (status, body) == (200, answer.parameters)
    return answer.parameters


async def test_demand_response(tmp_path: Path) -> None:
    async with home(tmp_path, "load-control", "display") as (hub, module, rpc):
        box, _ = module.devices
        assert isinstance(box, LoadControl)
        place = {"source_endpoint_id": 0x5E, "cluster_id": 0x0701}

        # What is left out has the manual's default; the answer has all of it, and who it was sent to.
        answer = await rpc.xml(
            "create_DRLC_event",
            record(
                EVENT,
                issuer_event_id=" 7\n",
                duration_in_minutes="60",
                device_class="0x8",
                duty_cycle=0,
                event_control=0,
            )
            + '<request_identifier type="string">first</request_identifier>',
        )
        chosen = {"issuer_event_id": 7, "duration_in_minutes": 60, "device_class": 8, "duty_cycle": 0}
        wanted = {**DEFAULT_EVENT, **chosen, "event_control": 0}
        assert answer.parameters == {
            **place, "status": 0, "record": wanted, "device_list": [address(box)], "request_identifier": "first",
        }  # fmt: skip
        status, body = await rpc.json(
            "create_DRLC_event",
            source_endpoint_id=0x5E,
            record={"issuer_event_id": 8, "duration_in_minutes": 5, "start_time": 0xF0000000},
        )
        assert (status, body) == (
            200,
            {
                **place,
                "status": 0,
                "record": {
                    **DEFAULT_EVENT, "issuer_event_id": 8, "duration_in_minutes": 5, "start_time": 0xF0000000,
                },
                "device_list": [address(box)],
            },
        )  # fmt: skip

        # Reports of the devices are responses of their own.
        reports = await rpc.until("received_report_event_status", 3)
        assert {(one["source_address"], one["source_endpoint_id"]) for one in reports} == {(address(box), 10)}
        assert {(one["cluster_id"], one["destination_endpoint_id"]) for one in reports} == {(0x0701, 0x5E)}
        said = [(one["record"]["issuer_event_id"], one["record"]["event_status"]) for one in reports]
        assert sorted(said) == [(7, 1), (7, 2), (8, 1)]
        first = reports[0]["record"]
        assert first["cooling_temperature_set_point_applied"] == 0x8000
        assert first["average_load_adjustment_percentage_applied"] == 0x80
        assert len(bytes.fromhex(first["signature"])) == 42

        # Valid events, each with the time when it begins.
        events = await both(rpc, "get_DRLC_events")
        assert [one["issuer_event_id"] for one in events["events_record_list"]] == [7, 8]
        assert events["endpoint_id"] == 0x5E
        assert events["events_record_list"][0]["start_time"] > 800_000_000
        inside = "<endpoint_id>94</endpoint_id><server_or_client>0</server_or_client>"
        assert await both(rpc, "get_DRLC_events", inside, endpoint_id=94, server_or_client=0) == events

        # What each device says.
        event = hub.smart_energy.event("han", 7)
        await eventually(lambda: any(len(told) > 1 for told in event.told.values()))
        inside = "<issuer_event_id>7</issuer_event_id>"
        [row] = (await both(rpc, "get_DRLC_event_status", inside, issuer_event_id=7))["device_status_list"]
        assert (row["device_address"], row["device_endpoint_id"]) == (address(box), 10)
        assert (row["delivered"], row["event_status"], row["is_signed"]) == (True, 2, False)
        inside = "<issuer_event_id>99</issuer_event_id>"
        unknown = await both(rpc, "get_DRLC_event_status", inside, issuer_event_id=99)
        assert unknown == {"endpoint_id": 0x5E, "issuer_event_id": 99, "status": 0x8B}

        # A number in use, and values that no event may have: a status, and a message that says why.
        again = await rpc.xml("create_DRLC_event", record(EVENT, issuer_event_id=7, duration_in_minutes=60))
        assert (again["status"], again["device_list"]) == (0x8A, [])
        for name, value in BROKEN_EVENTS.items():
            fields = {"issuer_event_id": 50, "duration_in_minutes": 60, name: value}
            answer = await rpc.xml("create_DRLC_event", record(EVENT, **fields))
            assert (answer.name, answer["status"]) == ("create_DRLC_event_response", 0x85), name
            assert (answer["record"][name], answer["device_list"]) == (value, [])
            await rpc.take()
            why = rpc.named("message")[-1]
            assert why["severity"] == 1
            assert f"create_DRLC_event: record.{name} is {value}; allowed: " in why["description"]

        # A cancel never fails here, whether it is for some classes, for all, or of something that nobody knows.
        fields = {"issuer_event_id": 7, "device_class": 8, "utility_enrollment_group": 0, "cancel_control": 0}
        cancelled = await rpc.xml("cancel_DRLC_event", record(CANCEL, **fields, effect_time=0))
        assert cancelled.parameters == {
            **place, "status": 0, "record": {**fields, "effective_time": 0}, "device_list": [address(box)],
        }  # fmt: skip
        await eventually(lambda: any(told[-1].status == 6 for told in event.told.values()))
        half = {"issuer_event_id": 8, "device_class": 0x0008}
        await rpc.json("cancel_DRLC_event", record=half)
        [left] = (await rpc.xml("get_DRLC_events"))["events_record_list"]
        assert (left["issuer_event_id"], left["device_class"]) == (8, 0x0FF7)
        unknown = await both(
            rpc, "cancel_DRLC_event", record(CANCEL, issuer_event_id=99), record={"issuer_event_id": 99}
        )
        assert (unknown["status"], unknown["record"]["device_class"], unknown["record"]["cancel_control"]) == (
            0, 0x0FFF, 1,
        )  # fmt: skip
        # The device refuses that, and what it reports comes although the event is not ours.
        await rpc.until("received_report_event_status", 6)
        last = rpc.named("received_report_event_status")[-1]["record"]
        assert (last["issuer_event_id"], last["event_status"], last["criticality_level_applied"]) == (99, 0xFD, 0)
        inside = record(CANCEL_ALL)
        assert await both(rpc, "cancel_all_DRLC_events", inside, record={"cancel_control": 1}) == {
            **place, "status": 0, "record": {"cancel_control": 1}, "device_list": [address(box)],
        }  # fmt: skip
        assert (await both(rpc, "get_DRLC_events"))["events_record_list"] == []

        # What cannot be read at all is a message, and in JSON a problem.
        assert "record is missing" in await rpc.refused("create_DRLC_event")
        assert "issuer_event_id is missing" in await rpc.refused("create_DRLC_event", record(EVENT, duty_cycle=0))
        wrong = await rpc.refused("create_DRLC_event", record(PRICE, issuer_event_id=1))
        assert "a PublishPriceRecord; allowed: LoadControlEventRecord" in wrong
        wrong = await rpc.refused("cancel_DRLC_event", record(CANCEL, issuer_event_id=1, device_class=0x10000))
        assert "record.device_class is" in wrong
        assert (await rpc.json("cancel_DRLC_event", record={"issuer_event_id": "x"}))[0] == 400
        wrong = await rpc.refused("get_DRLC_events", "<endpoint_id>0x5F</endpoint_id>")
        assert "endpoint_id is 0x5f; allowed: 0x5e, which has the DRLC server" in wrong
        # We make events here, and receive none.
        number = "<issuer_event_id>7</issuer_event_id>"
        for name, inside in (
            ("get_DRLC_events", "<server_or_client>1</server_or_client>"),
            ("get_scheduled_DRLC_events", ""),
            ("clear_DRLC_events", ""),
            ("opt_out_DRLC_event", number),
            ("opt_in_DRLC_event", number),
        ):
            wrong = await rpc.refused(name, inside)
            assert "hub.role esi_coordinator has a DRLC server alone; allowed: aux_gateway" in wrong
        assert (await rpc.json("clear_DRLC_events"))[0] == 409


async def test_messages_and_prices(tmp_path: Path) -> None:
    async with home(tmp_path, "display", "load-control") as (_, module, rpc):
        display = module.devices[0]
        assert isinstance(display, Display)
        everybody = [address(device) for device in module.devices if _has_messaging(device)]
        place = {"source_endpoint_id": 0x5E, "cluster_id": 0x0703}

        # The manual's own example.
        manual = {"message_id": 1234, "duration_in_minutes": 5, "message": "NOBODY expects the Spanish Inquisition!"}
        answer = await rpc.xml("create_message_event", record(MESSAGE, **manual))
        shown = {"message_id": 1234, "message_control": 0, "start_time": 0, **manual}
        assert answer.parameters == {**place, "status": 0, "record": shown, "device_list": everybody}
        await eventually(lambda: display.messaging.on_screen is not None)
        wants = {"message_id": 12, "message_control": 0x8C, "duration_in_minutes": 0xFFFF, "message": "Grüße <&> 5"}
        status, body = await rpc.json("create_message_event", record=wants)
        assert (status, body["record"]) == (200, {**wants, "start_time": 0})

        found = await both(rpc, "get_message_events")
        assert (found["endpoint_id"], [one["message_id"] for one in found["events_record_list"]]) == (0x5E, [1234, 12])
        assert found["events_record_list"][1]["message"] == "Grüße <&> 5"
        assert found["events_record_list"][1]["start_time"] > 800_000_000

        await eventually(lambda: display.messaging.on_screen.message.message_id == 12)  # type: ignore[union-attr]
        display.messaging.confirm()
        [confirmed] = await rpc.until("received_message_confirmation")
        assert (confirmed["source_address"], confirmed["cluster_id"]) == (address(display), 0x0703)
        assert confirmed["record"]["message_id"] == 12
        assert confirmed["record"]["confirmation_time"] > 0
        assert "destination_endpoint_id" not in confirmed.parameters

        again = await rpc.xml("create_message_event", record(MESSAGE, **manual))
        assert (again["status"], again["device_list"]) == (0x8A, [])
        for name, value in {"duration_in_minutes": 0, "message": "x" * 200, "start_time": 1}.items():
            answer = await rpc.xml("create_message_event", record(MESSAGE, **{**manual, "message_id": 13, name: value}))
            assert answer["status"] == 0x85, name
            await rpc.take()
            said = "'200 bytes'" if name == "message" else value
            assert f"create_message_event: record.{name} is {said}; " in rpc.named("message")[-1]["description"]
        assert "record.message is missing" in await rpc.refused(
            "create_message_event", record(MESSAGE, message_id=1, duration_in_minutes=1)
        )
        assert "cancel_message_control is part of answers only" in await rpc.refused(
            "create_message_event", record(MESSAGE, **manual, cancel_message_control=1)
        )

        inside = record(CANCEL_MESSAGE, message_id=12, message_control=0x80)
        cancel = {"message_id": 12, "message_control": 0x80}
        answer = await both(rpc, "cancel_message_event", inside, record=cancel)
        assert answer == {**place, "status": 0, "record": cancel, "device_list": everybody}
        answer = await both(
            rpc, "cancel_message_event", record(CANCEL_MESSAGE, message_id=99), record={"message_id": 99}
        )
        assert (answer["status"], answer["record"]) == (0, {"message_id": 99, "message_control": 0})
        answer = await rpc.xml("cancel_all_message_events")
        assert answer.parameters == {**place, "status": 0, "device_list": everybody}
        nothing = await both(rpc, "cancel_all_message_events")  # there is none left to take away
        assert (nothing["status"], nothing["device_list"]) == (0, [])
        assert (await both(rpc, "get_message_events"))["events_record_list"] == []
        await eventually(lambda: display.messaging.on_screen is None)
        for name in ("get_last_message_event", "confirm_message", "clear_message_events"):
            assert "has a Messaging server alone; allowed: aux_gateway" in await rpc.refused(name)

        # Prices.
        place = {"source_endpoint_id": 0x5E, "cluster_id": 0x0700}
        given = {"issuer_event_id": 5, "duration_in_minutes": 60, "price": 2512}
        answer = await rpc.xml("create_price_event", record(PRICE, **given, alternate_cost_delivered=0xFFFFFFFF))
        made = dict(answer["record"])
        assert made.pop("utc_time") > 800_000_000
        assert made == {**DEFAULT_PRICE, **given, "unit_of_measure": 0}
        assert {**answer.parameters, "record": None} == {
            **place, "status": 0, "record": None, "device_list": [address(display)],
        }  # fmt: skip
        await eventually(lambda: display.price.current is not None)
        assert display.price.current is not None
        assert display.price.current.price.amount == 25.12
        newer = {"issuer_event_id": 6, "duration_in_minutes": 0xFFFF, "price": 3, "start_time": 0xE0000000}
        status, body = await rpc.json("create_price_event", record=newer)
        assert (status, body["status"]) == (200, 0)

        prices = (await rpc.xml("get_price_events", "<server_or_client>0</server_or_client>")).parameters
        assert (prices["endpoint_id"], prices["cluster_id"], prices["server_or_client"]) == (0x5E, 0x0700, 0)
        assert [one["issuer_event_id"] for one in prices["events_record_list"]] == [5, 6]
        assert [one["duration_in_minutes"] for one in prices["events_record_list"]] == [60, 0xFFFF]
        status, body = await rpc.json("get_price_events")
        assert [_timeless(one) for one in body["events_record_list"]] == [
            _timeless(one) for one in prices["events_record_list"]
        ]
        again = await rpc.xml("create_price_event", record(PRICE, **given))
        assert (again["status"], again["device_list"]) == (0x8A, [])
        older = await rpc.xml("create_price_event", record(PRICE, **{**given, "issuer_event_id": 4}))
        assert older["status"] == 0x85
        await rpc.take()
        assert "price 5 overlaps it and is newer" in rpc.named("message")[-1]["description"]
        for name, value in {"duration_in_minutes": 0, "price_ratio": 0, "rate_label": "thirteen long"}.items():
            answer = await rpc.xml("create_price_event", record(PRICE, **{**given, "issuer_event_id": 9, name: value}))
            assert (answer["status"], answer["record"][name]) == (0x85, value), name
            await rpc.take()
            assert f"create_price_event: record.{name} is " in rpc.named("message")[-1]["description"]
        answer = await rpc.xml("cancel_all_price_events")
        assert answer.parameters == {"source_endpoint_id": 0x5E, "status": 0}
        assert await both(rpc, "cancel_all_price_events") == answer.parameters
        assert (await both(rpc, "get_price_events"))["events_record_list"] == []
        for name in ("get_current_price_event", "get_scheduled_price_events", "clear_price_events"):
            assert "has a Price server alone; allowed: aux_gateway" in await rpc.refused(name)


async def test_of_several_networks_none_is_taken_for_the_one_that_is_meant(tmp_path: Path) -> None:
    async with XbeeEmulator(XbeeConfig(devices=())) as first, XbeeEmulator(XbeeConfig(devices=(), seed=2)) as second:
        tables = [tomllib.loads(module.toml(name)) for module, name in ((first, "attic"), (second, "cellar"))]
        radios = {"radio": [section for table in tables for section in table["radio"]]}
        table = {**tables[0], **radios, "web": {"listen": "127.0.0.1:0"}}
        async with Hub(parse(table, data_dir=tmp_path)) as hub, serve(hub) as server:
            for name in ("attic", "cellar"):
                await eventually(lambda name=name: hub.networks.get(name).state is NetworkState.UP)  # type: ignore[misc]
            async with Asker(server.url, (tmp_path / "token").read_text().strip()) as rpc:
                event = record(EVENT, issuer_event_id=1, duration_in_minutes=1)
                for name, inside in (("create_DRLC_event", event), ("get_price_events", "")):
                    why = await rpc.refused(name, inside)
                    assert "several Smart Energy networks, attic, cellar, and the request cannot say which" in why
                assert (await rpc.json("cancel_all_message_events"))[0] == 409
            assert not any(service.drlc.events for service in hub.smart_energy.services.values())


def _timeless(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "utc_time"}


def _has_messaging(device: object) -> bool:
    return hasattr(device, "messaging")
