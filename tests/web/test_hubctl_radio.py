"""`hubctl radio`: what it asks the hub, what it prints, and which mistakes never reach the hub."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.web.fake_hub import FakeHub, problem
from tests.web.hubctl_runs import Hubctl
from tests.web.hubctl_runs import alone as alone
from tests.web.hubctl_runs import fake as fake
from tests.web.hubctl_runs import hubctl as hubctl

RADIOS = "/api/v1/radios"
METER = "zigbee-00158d00000000a1"
ID = "2026-11-21T020000"
SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
MADE: dict[str, Any] = {
    "id": ID,
    "time": "2026-11-21T02:00:00.000Z",
    "source": "bellows",
    "coordinator": "00158d00000000ff",
    "extended_pan_id": "1122334455667788",
    "pan_id": "0x1a2b",
    "channel": 15,
    "key_sequence": 0,
    "devices": 4,
    "link_keys": 3,
    "diff": {
        "devices_added": [],
        "devices_gone": [],
        "keys_added": [],
        "keys_gone": [METER],
        "keys_changed": [],
        "network": [{"what": "channel", "before": "11", "after": "15"}],
    },
}
ALARM = {
    "since": "2026-11-21T02:00:00.000Z",
    "text": "the link key of 00158d00000000a1 disappeared",
    "missing": [{"device_id": METER, "what": "link_key", "last_in": "2026-11-20T020000"}],
}
STATE: dict[str, Any] = {"radio": "han", "kept": 2, "last": MADE, "alarm": ALARM, "failure": ""}
HAN: dict[str, Any] = {
    "name": "han",
    "driver": "ezsp",
    "pipe": "serial:/dev/ttyUSB0",
    "carries": "zigbee",
    "state": "up",
    "detail": "",
    "model": "EmberStick",
    "firmware": "7.4.4",
    "mode": "EZSP 13, trust centre",
    "capabilities": ["permit_join", "link_keys", "backup"],
    "backup": STATE,
}
BREAKERS: dict[str, Any] = {
    "name": "breakers",
    "driver": "emcb",
    "pipe": "udp:192.0.2.255:32866",
    "carries": "breakers",
    "state": "up",
}
DONE: dict[str, Any] = {
    "radio": "han",
    "backup": ID,
    "time": "2026-11-21T02:00:00.000Z",
    "coordinator": "00158d00000000ff",
    "extended_pan_id": "1122334455667788",
    "saved": "2026-11-21T090000",
    "warning": "The stick that had this network before must not be on the air again.",
}


@pytest.fixture
def home(fake: FakeHub) -> FakeHub:
    fake.answers["GET", RADIOS] = (200, {"radios": [HAN, BREAKERS]})
    fake.answers["GET", f"{RADIOS}/han"] = (200, HAN)
    fake.answers["GET", f"{RADIOS}/han/backups"] = (200, {"backups": [MADE, {**MADE, "id": "a", "diff": None}]})
    fake.answers["POST", f"{RADIOS}/han/backups"] = (201, MADE)
    fake.answers["GET", f"{RADIOS}/han/backups/{ID}"] = (200, {"network_key": {"key": SECRET}})
    fake.answers["POST", f"{RADIOS}/han/restore"] = (200, DONE)
    fake.answers["POST", f"{RADIOS}/han/replace"] = (200, DONE)
    fake.answers["POST", f"{RADIOS}/han/acknowledge"] = (200, {**STATE, "alarm": None})
    return fake


def test_radios_are_shown_with_what_they_can_do_and_the_alarm(hubctl: Hubctl, home: FakeHub) -> None:
    ran = hubctl("radio", "info")
    assert ran.code == 0
    for told in ("han  ezsp", "EmberStick", "7.4.4", "link keys, backup", ID, ALARM["text"], "breakers  emcb"):
        assert told in ran.out
    assert "breakers" not in hubctl("radio", "info", "han").out
    assert hubctl("radio", "info", "han", "--json").json["firmware"] == "7.4.4"
    ran = hubctl("radio", "info", "hna")
    assert (ran.code, "there are han, breakers" in ran.err) == (3, True)


def test_a_backup_is_made_and_says_what_changed(hubctl: Hubctl, home: FakeHub) -> None:
    ran = hubctl("radio", "backup")
    assert ran.code == 0
    assert ran.lines[0] == f"han: backup {ID}: 4 devices, 3 link keys"
    assert f"link key gone: {METER}" in ran.out
    assert "channel: 11 -> 15" in ran.out
    assert "hubctl radio acknowledge han" in ran.out
    assert not any(asked.path.endswith(ID) for asked in home.of("GET")), "keys stay in the hub unless they are wanted"


def test_a_whole_backup_comes_out_for_its_owner_alone(hubctl: Hubctl, home: FakeHub, tmp_path: Path) -> None:
    file = tmp_path / "han.json"
    file.write_text("before")
    file.chmod(0o644)
    ran = hubctl("radio", "backup", "han", "--output", str(file))
    assert (ran.code, ran.out) == (0, "")
    assert "the network key and 3 link keys" in ran.err
    assert json.loads(file.read_text())["network_key"]["key"] == SECRET
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert SECRET not in ran.err
    assert hubctl("radio", "backup", "han", "--output", "-").json["network_key"]["key"] == SECRET
    ran = hubctl("radio", "backup", "han", "--output", str(tmp_path / "none" / "han.json"))
    assert (ran.code, "cannot be written" in ran.err) == (1, True)


def test_backups_are_listed(hubctl: Hubctl, home: FakeHub) -> None:
    ran = hubctl("radio", "backups", "han")
    assert ran.code == 0
    assert "0x1a2b 1122334455667788" in ran.out
    assert f"link key gone: {METER}" in ran.out
    assert len(hubctl("radio", "backups", "han", "--json").json["backups"]) == 2
    assert hubctl("radio", "backups").code == 2


def test_nothing_is_replaced_without_yes(hubctl: Hubctl, home: FakeHub) -> None:
    for words in (("restore", "han", ID), ("replace", "han")):
        ran = hubctl("radio", *words)
        assert (ran.code, "say --yes" in ran.err) == (2, True)
    assert not home.of("POST")


def test_a_backup_is_restored_by_its_name_or_from_a_file(hubctl: Hubctl, home: FakeHub, tmp_path: Path) -> None:
    ran = hubctl("radio", "restore", "han", ID, "--yes")
    assert ran.code == 0
    assert "must not be on the air" in ran.out
    assert "2026-11-21T090000" in ran.out
    file = tmp_path / "old.json"
    file.write_text(json.dumps({"network_key": {"key": SECRET}}))
    ran = hubctl("radio", "restore", "han", str(file), "--yes")
    assert ran.code == 0
    assert SECRET not in ran.out + ran.err
    assert [asked.body for asked in home.of("POST")] == [
        {"confirm": "han", "backup": ID},
        {"confirm": "han", "document": {"network_key": {"key": SECRET}}},
    ]
    for spoilt in ("{", "[]", ""):
        file.write_text(spoilt)
        ran = hubctl("radio", "restore", "han", str(file), "--yes")
        assert (ran.code, "no JSON object" in ran.err) == (2, True)
    assert len(home.of("POST")) == 2


def test_a_new_stick_takes_over_and_the_old_one_is_warned_of(hubctl: Hubctl, home: FakeHub) -> None:
    ran = hubctl("radio", "replace", "han", "--yes")
    assert (ran.code, "must not be on the air" in ran.out) == (0, True)
    hubctl("radio", "replace", "han", "--yes", "--overwrite")
    assert [asked.body for asked in home.of("POST")] == [
        {"confirm": "han", "overwrite": False},
        {"confirm": "han", "overwrite": True},
    ]
    home.answers["POST", f"{RADIOS}/han/replace"] = problem(409, "refused", "the stick has another network")
    ran = hubctl("radio", "replace", "han", "--yes")
    assert (ran.code, "another network" in ran.err) == (1, True)


def test_the_alarm_is_acknowledged(hubctl: Hubctl, home: FakeHub) -> None:
    assert hubctl("radio", "acknowledge", "han").out.strip() == "han: acknowledged"
    assert hubctl("radio", "acknowledge", "han", "--json").json["alarm"] is None


def test_where_no_radio_can_it_is_said(hubctl: Hubctl, home: FakeHub) -> None:
    home.answers["GET", RADIOS] = (200, {"radios": [BREAKERS]})
    ran = hubctl("radio", "backup")
    assert (ran.code, "no radio of this hub can be backed up" in ran.err) == (1, True)
