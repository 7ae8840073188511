"""Radios and their backups over HTTP and the websocket: who may, what is told, and that no key is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from hub.config import parse
from hub.hub import Hub
from protocols.ids import Eui64
from radios import loader
from radios.api import DeliveryError
from tests.hub.waiting import eventually
from tests.hub.zigbee_room import CAPABILITIES, DRIVER, NETWORK_KEY, Room, document_of
from tests.web.conftest import Served
from web.client import HubClient
from web.server import serve

METER = Eui64(0x00158D00000000A1)
KEY = bytes(range(0x40, 0x50))
RADIOS = "/api/v1/radios"
HAN = f"{RADIOS}/han"


class Home(Served):
    """A served hub, and the stick of its radio."""

    room: Room


@pytest.fixture
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Home]:
    monkeypatch.setattr(loader, "SHIPPED", {**loader.SHIPPED, "room": "tests.hub.zigbee_room:DRIVER"})
    room = Room()
    room.capabilities = replace(CAPABILITIES, backup=True, link_keys=True)
    room.keys = {METER: KEY}
    monkeypatch.setattr(DRIVER, "rooms", {"han": room})
    table = {
        "radio": [{"name": "han", "driver": "room", "pipe": "pty:/dev/null"}],
        "web": {"listen": "127.0.0.1:0"},
        "backup": {"nightly": False},
    }
    async with (
        Hub(parse(table, data_dir=tmp_path)) as hub,
        serve(hub, dist=tmp_path / "none") as server,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
    ):
        await eventually(lambda: hub.networks.get("han").state == "up")
        found = Home(hub, server, session, (tmp_path / "token").read_text().strip(), tmp_path)
        found.room = room
        yield found


async def test_a_radio_says_what_it_is_and_can_do(home: Home) -> None:
    [found] = (await home.get(RADIOS))["radios"]
    assert found == await home.get(HAN)
    assert (found["driver"], found["pipe"], found["model"], found["firmware"]) == ("room", "pty:/dev/null", "room", "1")
    assert {"backup", "link_keys", "energy_scan"} <= set(found["capabilities"])
    assert "certificates" not in found["capabilities"]
    assert found["backup"] == {"radio": "han", "kept": 0, "last": None, "alarm": None, "failure": ""}
    home.room.is_absent = True
    home.room.lose()
    await eventually(lambda: home.hub.networks.get("han").state == "down")
    found = await home.get(HAN)
    assert (found["state"], found["capabilities"], found["model"]) == ("down", [], "")
    (await home.ask("GET", f"{RADIOS}/hna")).problem(404)


async def test_backups_are_listed_without_keys_and_downloaded_by_administrators_alone(home: Home) -> None:
    made = await home.ask("POST", f"{HAN}/backups")
    assert made.status == 201
    assert (made.json["devices"], made.json["link_keys"], made.json["diff"]) == (1, 1, None)
    home.room.keys = {}
    home.room.listed = {METER}
    async with home.websocket() as socket:
        snapshot = await socket.receive_json()
        assert snapshot["networks"][0]["backup"]["last"]["id"] == made.json["id"]
        second = await home.ask("POST", f"{HAN}/backups")
        event = await socket.receive_json()
    assert (event["event"], event["what"], event["radio"]) == ("backup_changed", "alarm", "han")
    assert event["backup"]["alarm"]["missing"] == [
        {"device_id": f"zigbee-{METER}", "what": "link_key", "last_in": made.json["id"]}
    ]
    rows = (await home.get(f"{HAN}/backups"))["backups"]
    assert [row["id"] for row in rows] == [second.json["id"], made.json["id"]]
    assert rows[0]["diff"]["keys_gone"] == [f"zigbee-{METER}"]
    told = json.dumps([event, snapshot, rows, made.json, await home.get(RADIOS), await home.get("/api/v1/networks")])
    for secret in (NETWORK_KEY, KEY.hex()):
        assert secret not in told
    path = f"{HAN}/backups/{made.json['id']}"
    operator = await home.new_token("panel", "operator")
    viewer = await home.new_token("frame", "viewer")
    (await home.ask("GET", path, token=operator)).problem(403)
    (await home.ask("POST", f"{HAN}/backups", token=viewer)).problem(403)
    assert (await home.ask("GET", f"{HAN}/backups", token=viewer)).status == 200
    whole = await home.ask("GET", path)
    assert whole.json["network_key"]["key"] == NETWORK_KEY
    assert whole.json["devices"][0]["link_key"]["key"] == KEY.hex()
    assert whole.headers["Cache-Control"] == "no-store"
    (await home.ask("GET", f"{HAN}/backups/state")).problem(404)


async def test_the_alarm_is_acknowledged_by_an_administrator(home: Home) -> None:
    (await home.ask("POST", f"{HAN}/acknowledge")).problem(409)
    await home.ask("POST", f"{HAN}/backups")
    home.room.keys = {}
    await home.ask("POST", f"{HAN}/backups")
    operator = await home.new_token("panel", "operator")
    (await home.ask("POST", f"{HAN}/acknowledge", token=operator)).problem(403)
    assert 'hub_backup_alarm{radio="han"} 1.0' in (await home.ask("GET", "/metrics")).body.decode()
    done = await home.ask("POST", f"{HAN}/acknowledge")
    assert (done.status, done.json["alarm"]) == (200, None)
    assert 'hub_backup_alarm{radio="han"} 0.0' in (await home.ask("GET", "/metrics")).body.decode()
    mail = [one["parameters"]["description"] for one in (await home.get("/api/v1/rpc/responses"))["responses"]]
    assert any(f"the link key of {METER} disappeared" in text for text in mail)


async def test_a_backup_is_restored_with_the_radios_name_and_refusals_say_why(home: Home) -> None:
    made = (await home.ask("POST", f"{HAN}/backups")).json
    document = document_of(home.room)
    for body, status in (
        ({"confirm": "yes", "backup": made["id"]}, 400),
        ({"backup": made["id"]}, 400),
        ({"confirm": "han"}, 400),
        ({"confirm": "han", "backup": made["id"], "document": document}, 400),
        ({"confirm": "han", "backup": "2020-01-01T000000"}, 404),
        ({"confirm": "han", "document": {**document, "channel": 3}}, 400),
        ({"confirm": "han", "document": {**document, "network_key": {"key": NETWORK_KEY[:-2]}}}, 400),
    ):
        problem = (await home.ask("POST", f"{HAN}/restore", body)).problem(status)
        assert NETWORK_KEY[:-2] not in json.dumps(problem)
    assert home.room.restored == []
    home.room.restore_fails = DeliveryError("it cannot have the address of the one before it", "ADDRESS_FIXED", 15)
    problem = (await home.ask("POST", f"{HAN}/restore", {"confirm": "han", "backup": made["id"]})).problem(409)
    assert "it cannot have the address" in problem["detail"]
    home.room.restore_fails = None
    home.room.network = replace(home.room.network, extended_pan_id=7, pan_id=7)
    done = await home.ask("POST", f"{HAN}/restore", {"confirm": "han", "document": document})
    assert done.status == 200
    assert done.json["extended_pan_id"] == document["extended_pan_id"]
    assert "must not be on the air" in done.json["warning"]
    assert home.room.network.pan_id == 0x1A2B


async def test_the_client_has_all_of_it(home: Home) -> None:
    async with HubClient(home.server.url, home.token) as client:
        made = await client.make_backup("han")
        assert [one.id for one in await client.backups("han")] == [made.id]
        assert json.loads(await client.backup_document("han", made.id)) == document_of(home.room)
        home.room.network = replace(home.room.network, extended_pan_id=7, pan_id=7)
        home.room.keys = {}
        await client.make_backup("han")
        state = (await client.radio("han")).backup
        assert state is not None
        assert state.alarm is not None
        assert state.alarm.other_network == f"{7:016x}"
        done = await client.replace_radio("han", "han", overwrite=True)
        assert (done.backup, home.room.network.pan_id) == (made.id, 0x1A2B)
        assert (await client.networks())[0].backup == (await client.radios())[0].backup
        home.room.keys = {}
        await client.make_backup("han")
        assert (await client.acknowledge_backup("han")).alarm is None
        await client.restore_backup("han", "han", backup=made.id)
        assert home.room.keys == {METER: KEY}
