"""An application on an in-premise gateway: what an energy service interface sends is told, and answered by RPC."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_se_premises import EVENT, MESSAGE, PRICE, interface, known, statuses

from hub.config import parse
from hub.hub import Hub
from radios.emulators.trust_centre import InterfaceTrustCentre
from tests.hub.waiting import eventually
from tests.web.rpc.asking import Asker, record
from web.server import serve


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    monkeypatch.setattr("radios.xbee.router.LOOK_S", 0.1)
    monkeypatch.setattr("hub.smart_energy.premises.LOOK_S", 0.1)
    monkeypatch.setattr("hub.smart_energy.premises.STORM_S", 0.2)


@asynccontextmanager
async def under(folder: Path) -> AsyncIterator[tuple[Hub, InterfaceTrustCentre, Asker]]:
    """The hub under an energy service interface, and somebody who asks it."""
    async with interface() as (module, centre):
        table = {**tomllib.loads(module.toml("han")), "hub": {"role": "aux_gateway"}, "web": {"listen": "127.0.0.1:0"}}
        async with Hub(parse(table, data_dir=folder)) as hub, serve(hub) as server:
            await known(hub, centre)
            async with Asker(server.url, (folder / "token").read_text().strip()) as rpc:
                yield hub, centre, rpc


def sender(centre: InterfaceTrustCentre, cluster: int) -> dict[str, object]:
    address = ":".join(f"{octet:02X}" for octet in centre.ieee.to_bytes(8, "big"))
    return {
        "source_address": address,
        "source_endpoint_id": 10,
        "destination_endpoint_id": 0x5E,
        "cluster_id": cluster,
    }


async def both(rpc: Asker, name: str, inside: str = "", **parameters: Any) -> dict[str, Any]:
    """A request whose answer does not change when it is made again: the same in XML and in JSON."""
    answer = await rpc.xml(name, inside)
    assert answer.name == f"{name}_response", answer
    status, body = await rpc.json(name, **parameters)
    assert (status, body) == (200, answer.parameters)
    return answer.parameters


def numbers(rows: list[dict[str, Any]], name: str = "issuer_event_id") -> list[int]:
    return [row[name] for row in rows]


async def test_demand_response(tmp_path: Path) -> None:
    async with under(tmp_path) as (_, centre, rpc):
        place = {"source_endpoint_id": 0x5E, "cluster_id": 0x0701}
        peer = sender(centre, 0x0701)

        # An event comes, and is active.
        centre.drlc.create(replace(EVENT, duty_cycle=40))
        received = (await rpc.until("received_DRLC_event"))[0]
        assert received.parameters == {
            "status": 0,
            **peer,
            "record": {
                "issuer_event_id": 7, "device_class": 0x0FFF, "utility_enrollment_group": 0, "start_time": 0,
                "duration_in_minutes": 60, "criticality_level": 2, "cooling_temperature_offset": 255,
                "heating_temperature_offset": 255, "cooling_temperature_set_point": -0x8000,
                "heating_temperature_set_point": -0x8000, "average_load_adjustment_percentage": -0x80,
                "duty_cycle": 40, "event_control": 0,
            },
        }  # fmt: skip
        [updated] = await rpc.until("updated_active_DRLC_events")
        assert (updated["destination_endpoint_id"], updated["cluster_id"]) == (0x5E, 0x0701)
        [active] = updated["record_list"]
        assert {**active, "start_time": 0} == received["record"]
        assert active["start_time"] > 800_000_000
        assert rpc.mail.index(received) < rpc.mail.index(updated)
        events = await both(rpc, "get_DRLC_events")
        assert events == {"endpoint_id": 0x5E, "events_record_list": [active]}
        inside = "<server_or_client>1</server_or_client>"
        assert await both(rpc, "get_DRLC_events", inside, server_or_client=1) == events

        # The interface is asked again what it has: what we know is told as a duplicate.
        await eventually(lambda: statuses(centre, 7) == ["received", "started"])
        asked = await rpc.xml("get_scheduled_DRLC_events")
        assert asked.parameters == {**place, "device_list": [peer["source_address"]]}
        again = await rpc.find("received_DRLC_event", lambda one: one["status"] == 0x8A)
        assert again["record"]["issuer_event_id"] == 7
        inside = record("GetScheduledEventsRecord", number_of_events=1)
        asked_for = {"start_time": 0, "number_of_events": 1}
        answer = await both(rpc, "get_scheduled_DRLC_events", inside, record={"number_of_events": 1})
        assert answer == {**place, "record": asked_for, "device_list": [peer["source_address"]]}

        # One that cannot be is refused, and a cancel of what is not known is not found.
        centre.drlc.publish(0x00, replace(EVENT, issuer_event_id=8, criticality_level=0).pack())
        refused = await rpc.find("received_DRLC_event", lambda one: one["record"]["issuer_event_id"] == 8)
        assert refused["status"] == 0x85
        centre.drlc.cancel(99)
        [cancel] = await rpc.until("received_DRLC_cancel_event")
        assert cancel.parameters == {
            "status": 0x8B,
            **peer,
            "record": {
                "issuer_event_id": 99, "device_class": 0x0FFF, "utility_enrollment_group": 0, "cancel_control": 0,
                "effective_time": 0,
            },
        }  # fmt: skip

        # A person opts out and in.
        inside = "<issuer_event_id>7</issuer_event_id>"
        chosen = {"endpoint_id": 0x5E, "issuer_event_id": 7, "status": 0}
        assert await both(rpc, "opt_out_DRLC_event", inside, issuer_event_id=7) == chosen
        await eventually(lambda: statuses(centre, 7)[-1] == "opted_out")
        assert await both(rpc, "opt_in_DRLC_event", inside, issuer_event_id=7) == chosen
        await eventually(lambda: statuses(centre, 7)[-1] == "opted_in")
        inside = "<issuer_event_id>99</issuer_event_id>"
        unknown = await both(rpc, "opt_out_DRLC_event", inside, issuer_event_id=99)
        assert unknown == {"endpoint_id": 0x5E, "issuer_event_id": 99, "status": 0x8B}
        assert (await both(rpc, "opt_in_DRLC_event", inside, issuer_event_id=99))["status"] == 0x8B
        centre.drlc.create(replace(EVENT, issuer_event_id=9, criticality_level=7, device_class=0x0400))
        await rpc.find("received_DRLC_event", lambda one: one["record"]["issuer_event_id"] == 9)
        answer = await rpc.xml("opt_out_DRLC_event", "<issuer_event_id>9</issuer_event_id>")
        assert answer["status"] == 0x85
        await rpc.take()
        assert "opt_out_DRLC_event: event 9 is of level emergency" in rpc.named("message")[-1]["description"]

        # It is cancelled; then all are.
        centre.drlc.cancel(7)
        assert (await rpc.until("received_DRLC_cancel_event", 2))[1]["status"] == 0
        await _until_active(rpc, "updated_active_DRLC_events", [9])
        centre.drlc.cancel_all(1)
        [every] = await rpc.until("received_DRLC_cancel_all_events")
        assert every.parameters == {"status": 0, **peer, "record": {"cancel_control": 1}}
        await _until_active(rpc, "updated_active_DRLC_events", [])

        # What is forgotten here is at the interface still.
        centre.drlc.create(replace(EVENT, issuer_event_id=17))
        await _until_active(rpc, "updated_active_DRLC_events", [17])
        assert (await both(rpc, "clear_DRLC_events")) == place
        await _until_active(rpc, "updated_active_DRLC_events", [])
        assert (await both(rpc, "get_DRLC_events"))["events_record_list"] == []
        await rpc.xml("get_scheduled_DRLC_events", "<request_identifier>3</request_identifier>")
        await _until_active(rpc, "updated_active_DRLC_events", [17])

        # We receive events here, and make none.
        event = record("LoadControlEventRecord", issuer_event_id=1, duration_in_minutes=1)
        for name, inside in (
            ("create_DRLC_event", event),
            ("cancel_DRLC_event", record("CancelLoadControlEventRecord", issuer_event_id=1)),
            ("cancel_all_DRLC_events", record("CancelAllLoadControlEventsRecord")),
            ("get_DRLC_event_status", "<issuer_event_id>7</issuer_event_id>"),
            ("get_DRLC_events", "<server_or_client>0</server_or_client>"),
        ):
            wrong = await rpc.refused(name, inside)
            assert "hub.role aux_gateway has a DRLC client alone; allowed: esi_coordinator, esi_router" in wrong
        wrong = await rpc.refused("clear_DRLC_events", "<source_endpoint_id>1</source_endpoint_id>")
        assert "source_endpoint_id is 0x1; allowed: 0x5e, which has the DRLC client" in wrong

        # An interface that is away is told as the field knows it.
        centre.set_power(False)
        failed = await rpc.xml("get_scheduled_DRLC_events")
        assert (failed.name, failed["severity"], failed["cluster_id"]) == ("message", 2, 0x0701)
        assert failed["description"].startswith(
            f"Error during conversation with ({peer['source_address']}, 0xa, 0x109, 0x701): "
        )
        assert failed["device_address"] == peer["source_address"]


async def _until_active(rpc: Asker, name: str, wanted: list[int]) -> None:
    """Until the last that was told of a kind is that these are active."""
    count = max(1, len(rpc.named(name)))
    while numbers((await rpc.until(name, count))[-1]["record_list"]) != wanted:
        count = len(rpc.named(name)) + 1


async def test_prices_and_messages(tmp_path: Path) -> None:
    async with under(tmp_path) as (hub, centre, rpc):
        place = {"source_endpoint_id": 0x5E, "cluster_id": 0x0700}
        peer = sender(centre, 0x0700)

        centre.price.create(replace(PRICE, current_time=int(centre.utc())))
        received = (await rpc.until("received_price_event"))[0]
        assert {**received.parameters, "record": None} == {"status": 0, **peer, "record": None}
        told = received["record"]
        assert (told["issuer_event_id"], told["price"], told["rate_label"], told["currency"]) == (5, 2500, "peak", 978)
        assert (told["alternate_cost_deliverd"], told["unit_of_measure"]) == (0xFFFFFFFF, 0)
        [updated] = await rpc.until("updated_active_price_events")
        assert (updated["destination_endpoint_id"], updated["cluster_id"]) == (0x5E, 0x0700)
        assert numbers(updated["record_list"]) == [5]
        prices = await both(rpc, "get_price_events")
        assert (prices["server_or_client"], numbers(prices["events_record_list"])) == (1, [5])
        answer = await rpc.xml("get_current_price_event")
        assert answer.parameters == {
            "status": 0, "endpoint_id": 0x5E, "cluster_id": 0x0700, "device_list": [peer["source_address"]],
        }  # fmt: skip
        await rpc.find("received_price_event", lambda one: one["status"] == 0x8A)
        assert await both(rpc, "get_current_price_event") == answer.parameters
        inside = record("GetScheduledPricesRecord", number_of_events=2)
        answer = await rpc.xml("get_scheduled_price_events", inside)
        assert answer.parameters == {
            **place,
            "record": {"start_time": 0, "number_of_events": 2},
            "device_list": [peer["source_address"]],
        }
        everything = await both(rpc, "get_scheduled_price_events")
        assert everything == {**place, "device_list": [peer["source_address"]]}
        assert await both(rpc, "clear_price_events") == place
        updated = (await rpc.until("updated_active_price_events", 2))[1]
        assert updated["record_list"] == []
        price = record("PublishPriceRecord", issuer_event_id=1, duration_in_minutes=1, price=1)
        assert "has a Price client alone" in await rpc.refused("create_price_event", price)
        assert "has a Price client alone" in await rpc.refused("cancel_all_price_events")

        # Messages.
        place, peer = {**place, "cluster_id": 0x0703}, sender(centre, 0x0703)
        nothing = await both(rpc, "confirm_message")
        assert nothing == {"status": 0x8B, **place, "device_list": []}
        centre.messaging.create(MESSAGE)
        received = (await rpc.until("received_message_event"))[0]
        shown = {
            "message_id": 9, "message_control": 0x80, "start_time": received["record"]["start_time"],
            "duration_in_minutes": 10, "message": "Grüße",
        }  # fmt: skip
        assert received.parameters == {"status": 0, **peer, "record": shown}
        [updated] = await rpc.until("updated_active_message_events")
        assert (updated["destination_endpoint_id"], updated["cluster_id"]) == (0x5E, 0x0703)
        [active] = updated["record_list"]
        assert {**active, "start_time": 0} == {**shown, "start_time": 0}
        assert "cancel_message_control" not in active
        found = await both(rpc, "get_message_events")
        assert found == {"endpoint_id": 0x5E, "events_record_list": [active]}
        answer = await rpc.xml("get_last_message_event")
        assert answer.parameters == {"status": 0, **place, "device_list": [peer["source_address"]]}
        await rpc.find("received_message_event", lambda one: one["status"] == 0x8A)
        assert await both(rpc, "get_last_message_event") == answer.parameters

        # It is confirmed: the one on the display, and at a time that the application says.
        inside = record("MessageConfirmationRecord", message_id=99)
        unknown = await rpc.xml("confirm_message", inside)
        assert (unknown["status"], unknown["record"]["message_id"], unknown["device_list"]) == (0x8B, 99, [])
        confirmation = {"message_id": 9, "confirmation_time": 850_000_000}
        answer = await rpc.xml("confirm_message", record("MessageConfirmationRecord", **confirmation))
        assert answer.parameters == {
            "status": 0, **place, "record": confirmation, "device_list": [peer["source_address"]],
        }  # fmt: skip
        await eventually(lambda: bool(centre.messaging.shown()[0]["confirmed"]))
        assert (await both(rpc, "confirm_message")) == {"status": 0x85, **place, "device_list": []}
        await rpc.take()
        assert "confirm_message: message 9 wants no confirmation, or has it" in rpc.named("message")[-1]["description"]

        # It is taken away, and that is to be confirmed: until then it is told.
        centre.messaging.cancel(9, confirm=True)
        [cancel] = await rpc.until("received_message_cancel_event")
        taken = {"message_id": 9, "message_control": 0x80}
        assert cancel.parameters == {"status": 0, **peer, "record": taken}
        updated = (await rpc.until("updated_active_message_events", 2))[-1]
        assert updated["record_list"] == [{**active, "cancel_message_control": 0x80}]
        assert (await both(rpc, "get_message_events"))["events_record_list"] == []
        before = hub.premises.client("han").messages.messages[9]
        answer = await rpc.xml("confirm_message")
        assert (answer["status"], answer["device_list"]) == (0, [peer["source_address"]])
        assert "record" not in answer.parameters
        assert before.confirmed_at is not None
        updated = (await rpc.until("updated_active_message_events", 3))[-1]
        assert updated["record_list"] == []

        centre.messaging.create(replace(MESSAGE, message_id=10))
        await rpc.until("updated_active_message_events", 4)
        assert await both(rpc, "clear_message_events") == place
        assert (await rpc.until("updated_active_message_events", 5))[-1]["record_list"] == []
        centre.messaging.cancel(10)
        assert (await rpc.until("received_message_cancel_event", 2))[-1]["status"] == 0x8B

        message = record("DisplayMessageRecord", message_id=1, duration_in_minutes=1, message="x")
        for name, inside in (
            ("create_message_event", message),
            ("cancel_message_event", record("CancelMessageRecord", message_id=1)),
            ("cancel_all_message_events", ""),
        ):
            assert "has a Messaging client alone; allowed: esi_coordinator" in await rpc.refused(name, inside)
