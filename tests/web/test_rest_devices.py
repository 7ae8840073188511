"""Devices, readings, energy, system, keys: what is asked for comes back, in the documented shape."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from hub.clock import ManualClock
from hub.model import Availability
from tests.web.conftest import FRIDGE, Served, fridge, power, serving
from web.metrics import CONTENT_TYPE


async def test_a_device_has_the_documented_shape(tmp_path: Path) -> None:
    async with serving(tmp_path, clock=ManualClock()) as served:
        served.hub.devices.add(fridge())
        served.hub.devices.take(FRIDGE, power(152.0567))
        device = await served.get(f"/api/v1/devices/{FRIDGE}")
        assert device == {
            "id": FRIDGE,
            "radio": "breakers",
            "kind": "breaker",
            "name": "Refrigerator",
            "area": "Kitchen",
            "manufacturer": "Eaton",
            "model": "EMCB",
            "address": "127.0.0.2:32866",
            "capabilities": ["breaker", "meter", "leds"],
            "availability": "available",
            "availability_detail": "",
            "protected": False,
            "first_seen": "2026-01-01T00:00:00.000Z",
            "last_seen": "2026-01-01T00:00:00.000Z",
            "sleepy": False,
            "breaker": {"position": "closed", "commanded": None, "changed_at": None, "cause": None},
            "readings_at": "2026-01-01T00:00:00.000Z",
            "readings": {
                "total": {"power_w": 152.1, "energy_delivered_wh": 1234.5},
                "pole_0": {"voltage_v": 120.123},
            },
        }
        assert (await served.get("/api/v1/devices"))["devices"] == [device]
        assert (await served.get("/api/v1/breakers"))["breakers"] == [device]


async def test_a_device_that_said_nothing_has_no_readings(served: Served) -> None:
    served.hub.devices.add(fridge())
    device = await served.get(f"/api/v1/devices/{FRIDGE}")
    assert (device["readings"], device["readings_at"]) == ({}, None)


async def test_devices_are_filtered(served: Served) -> None:
    served.hub.devices.add(fridge())
    served.hub.devices.add(replace(fridge("emcb-30000c2a69113174"), availability=Availability.NO_KEY))
    found = await served.get("/api/v1/devices?availability=no_key&kind=breaker")
    assert [device["id"] for device in found["devices"]] == ["emcb-30000c2a69113174"]
    problem = (await served.ask("GET", "/api/v1/devices?availability=gone")).problem(400)
    assert problem["errors"] == [
        {"field": "availability", "value": "gone", "allowed": "one of available, unavailable, no_key, key_expired"}
    ]
    assert "twice" in (await served.ask("GET", "/api/v1/devices?kind=breaker&kind=evse")).problem(400)["detail"]


async def test_a_mistyped_id_gets_a_hint(served: Served) -> None:
    served.hub.devices.add(fridge())
    problem = (await served.ask("GET", "/api/v1/devices/emcb-30000c2a69113172")).problem(404)
    assert problem["near"] == [FRIDGE]
    assert problem["instance"] == "/api/v1/devices/emcb-30000c2a69113172"


async def test_names_areas_and_protection_are_changed_and_stay(tmp_path: Path) -> None:
    path = f"/api/v1/devices/{FRIDGE}"
    async with serving(tmp_path) as served:
        served.hub.devices.add(fridge())
        await served.hub.store.flush()
        changed = (await served.ask("PATCH", path, {"name": " Freezer ", "protected": True})).json
        assert (changed["name"], changed["area"], changed["protected"]) == ("Freezer", "Kitchen", True)
        assert (await served.ask("PATCH", path, {"area": ""})).json["area"] == ""
        (await served.ask("PATCH", path, {"name": "   "})).problem(400)
        (await served.ask("PATCH", path, {"name": None})).problem(400)
        (await served.ask("PATCH", path, {"position": "open"})).problem(400)
        assert "protected" in (await served.ask("POST", f"/api/v1/breakers/{FRIDGE}/open")).problem(409)["detail"]
    async with serving(tmp_path) as served:
        device = await served.get(path)
        assert (device["name"], device["protected"]) == ("Freezer", True)
        assert (await served.ask("DELETE", path)).status == 204
        (await served.ask("GET", path)).problem(404)


async def test_raw_readings_come_back_as_they_were_taken(tmp_path: Path) -> None:
    clock = ManualClock()
    async with serving(tmp_path, clock=clock) as served:
        served.hub.devices.add(fridge())
        for watts in (100.0, 101.5, 99.25):
            clock.advance(1)
            served.hub.devices.take(FRIDGE, power(watts))
        # The recorder is one more subscriber of the bus: let it have its turn.
        async with asyncio.timeout(10):
            series: Any = {"points": []}
            while len(series["points"]) < 3:
                series = await served.get(
                    f"/api/v1/readings?device={FRIDGE}&from=2026-01-01T00:00:00Z&to=2026-01-01T00:01:00Z&resolution=raw"
                )
        assert series == {
            "device_id": FRIDGE,
            "quantity": "power_w",
            "channel": "total",
            "unit": "W",
            "resolution": "raw",
            "from": "2026-01-01T00:00:00.000Z",
            "to": "2026-01-01T00:01:00.000Z",
            "points": [
                {"time": "2026-01-01T00:00:01.000Z", "value": 100.0},
                {"time": "2026-01-01T00:00:02.000Z", "value": 101.5},
                {"time": "2026-01-01T00:00:03.000Z", "value": 99.2},
            ],
        }
        minutes = await served.get(f"/api/v1/readings?device={FRIDGE}&to=2026-01-01T00:01:00%2B00:00&resolution=1m")
        assert minutes["points"] == [
            {"time": "2026-01-01T00:00:00.000Z", "value": 100.2, "min": 99.2, "max": 101.5},
        ]
        # What was removed keeps its history; what never was is a mistake.
        await served.hub.devices.remove(FRIDGE)
        again = await served.get(f"/api/v1/readings?device={FRIDGE}&to=2026-01-01T00:01:00Z&resolution=1m")
        assert again["points"] == minutes["points"]
        (await served.ask("GET", "/api/v1/readings?device=emcb-0")).problem(404)


async def test_bad_questions_about_history_are_answered_clearly(served: Served) -> None:
    for query, field in (
        ("", "device"),
        ("device=house&quantity=watts", "quantity"),
        ("device=house&channel=all", "channel"),
        ("device=house&resolution=5m", "resolution"),
        ("device=house&from=yesterday", "from"),
        ("device=house&from=2026-01-01T00:00:00", "from"),
        ("device=house&from=2026-01-01T00:00:00+00:00", "from"),
        ("device=house&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from"),
        ("device=house&from=0001-01-01T00:00:00%2B14:00", "from"),
        ("device=house&to=9999-12-31T23:59:59-12:00", "to"),
        ("device=house&limit=5", "limit"),
    ):
        problem = (await served.ask("GET", f"/api/v1/readings?{query}")).problem(400)
        assert problem["errors"][0]["field"] == field, query


async def test_the_house_is_there_before_anything_was_counted(served: Served) -> None:
    house = await served.get("/api/v1/energy")
    assert (house["power_w"], house["today"]["energy_delivered_wh"]) == (None, None)
    assert house["missing"] == []


async def test_health_needs_no_token_and_tells_little(served: Served) -> None:
    health = await served.get("/api/v1/health", token=None)
    assert health.keys() == {"status", "startup", "version", "uptime_s", "radios", "storage"}
    assert (health["status"], health["radios"], health["storage"]) == ("ok", [], {"state": "ok"})


async def test_health_is_degraded_when_nothing_can_be_stored(tmp_path: Path) -> None:
    blocked = tmp_path / "a-file"
    blocked.write_text("not a directory")
    async with serving(blocked / "data") as served:
        health = await served.get("/api/v1/health", token=None)
        assert health["status"] == "degraded"
        assert health["storage"]["state"] != "ok"


async def test_the_system_counts_what_there_is(served: Served) -> None:
    served.hub.devices.add(fridge())
    served.hub.devices.add(replace(fridge("emcb-30000c2a69113174"), availability=Availability.UNAVAILABLE))
    state = await served.get("/api/v1/system")
    assert state["name"] == "home"
    assert state["devices"] == {"total": 2, "available": 1}
    assert state["database_bytes"] > 0
    assert state["storage"]["state"] == "ok"


async def test_metrics_are_there_for_prometheus(served: Served) -> None:
    served.hub.devices.add(replace(fridge(), name='A "quoted"\nname'))
    served.hub.devices.take(FRIDGE, power(152.0))
    answer = await served.ask("GET", "/metrics")
    assert answer.headers["Content-Type"] == CONTENT_TYPE
    text = answer.body.decode()
    labels = f'device="{FRIDGE}",name="A \\"quoted\\"\\nname"'
    for line in (
        f"hub_device_available{{{labels}}} 1.0",
        f"hub_breaker_closed{{{labels}}} 1.0",
        f'hub_device_power_watts{{channel="total",{labels}}} 152.0',
        f"hub_device_energy_joules_total{{{labels.replace(',name', ',direction=DELIVERED,name')}}} 4.4442e+06".replace(
            "DELIVERED", '"delivered"'
        ),
        'hub_storage_state{state="ok"} 1.0',
        'hub_commands_total{outcome="unknown"} 0.0',
        "hub_websocket_clients 0.0",
        "hub_build_info{",
    ):
        assert line in text, line
    (await served.ask("GET", "/metrics", token=None)).problem(401)


async def test_keys_need_a_radio_and_an_admin(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        assert await served.get("/api/v1/breakers/keys") == {"keys": []}
        (await served.ask("PUT", "/api/v1/breakers/keys", {"broadcast_key": "00" * 32})).problem(400)
        viewer = await served.new_token("v", "viewer")
        (await served.ask("PUT", "/api/v1/breakers/keys", {}, token=viewer)).problem(403)
