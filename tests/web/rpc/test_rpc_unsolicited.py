"""What happens is told, in the words that clients look for (field evidence, tests/golden/rpc_examples.json)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hub.events import (
    BackupChanged,
    DeviceAnnounced,
    DeviceChanged,
    DeviceLeft,
    DeviceRemoved,
    IdentifyRequested,
    NetworkChanged,
    StorageChanged,
)
from hub.model import Availability, Device, DeviceKind, StorageState, StorageStatus
from hub.zigbee.backup_rules import BackupAlarm, BackupStatus, Lost, Missing
from hub.zigbee.model import NetworkState, NetworkStatus
from protocols.ids import Eui64
from tests.hub.waiting import eventually
from tests.web.conftest import Served, fridge
from web.rpc.response import Severity
from web.rpc.unsolicited import Narrator
from web.rpc.values import Mac

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PHRASES = json.loads((Path(__file__).parents[2] / "golden" / "rpc_examples.json").read_text())["field"]["phrases"]
ADDRESS = "000cc1002719c4d1"


def meter(availability: Availability) -> Device:
    return replace(fridge(f"zigbee-{ADDRESS}"), kind=DeviceKind.METER, availability=availability)


def text(narrator: Narrator, event: object) -> str | None:
    told = narrator.told(event)  # type: ignore[arg-type]
    return told.text if told is not None else None


def test_a_device_that_announces_itself() -> None:
    for is_new, accepted, known in ((False, True, "known"), (True, True, "new"), (True, False, "unknown")):
        told = Narrator().told(DeviceAnnounced(NOW, "han", f"zigbee-{ADDRESS}", 0xE0BB, is_new, accepted))
        assert told is not None
        assert told.text == f"Received device announce message from {known} device 00:0C:C1:00:27:19:C4:D1 (NWK: E0BB)"
        assert told.severity is Severity.WARNING
        assert told.parameters == {"device_address": Mac(bytes.fromhex(ADDRESS)), "addr_short": Mac(b"\xe0\xbb")}
    assert PHRASES[0] in told.text.replace("unknown", "known")


def test_active_and_inactive_are_told_when_they_change() -> None:
    narrator = Narrator([meter(Availability.UNAVAILABLE)])
    here, gone = (DeviceChanged(NOW, meter(one)) for one in (Availability.AVAILABLE, Availability.UNAVAILABLE))
    assert text(narrator, gone) is None
    first = text(narrator, here)
    assert first is not None
    assert PHRASES[1] in first
    assert text(narrator, here) is None
    last = text(narrator, gone)
    assert last is not None
    assert PHRASES[2] in last
    assert "00:0C:C1:00:27:19:C4:D1" in last
    # One that is only heard of is not inactive: it has never been active.
    assert text(Narrator(), gone) is None


def test_breakers_are_none_of_the_gateways_devices() -> None:
    narrator = Narrator([fridge()])
    assert text(narrator, DeviceChanged(NOW, replace(fridge(), availability=Availability.UNAVAILABLE))) is None
    assert text(narrator, DeviceRemoved(NOW, fridge().id)) is None
    assert text(narrator, DeviceLeft(NOW, "han", "zigbee-nonsense", rejoin=False)) is None


def test_networks_the_database_and_identify() -> None:
    narrator = Narrator()
    up = NetworkChanged(NOW, NetworkStatus(radio="han", driver="xbee", state=NetworkState.UP))
    assert text(narrator, up) == "The ZigBee network of han is up"
    assert text(narrator, up) is None, "it opened for joining, which is no news of it"
    broken = narrator.told(StorageChanged(NOW, StorageStatus(state=StorageState.FULL, detail="disk full")))
    assert broken is not None
    assert (broken.severity, broken.text) == (Severity.ERROR, "the database takes no records: disk full")
    assert text(narrator, StorageChanged(NOW, StorageStatus())) == "the database takes records again"
    assert text(narrator, IdentifyRequested(NOW, "han", 0x5E, 30)) == "Identify on endpoint 0x5e for 30 s"


def test_what_is_wrong_with_a_backup_is_an_error_and_that_it_is_right_again_is_told() -> None:
    missing = Missing(Eui64(int(ADDRESS, 16)), Lost.LINK_KEY, "2026-01-01T020000")
    status = BackupStatus(radio="han", alarm=BackupAlarm(since=NOW, missing=(missing,)))
    told = Narrator().told(BackupChanged(NOW, "han", "alarm", "", status))
    assert told is not None
    assert (told.severity, told.parameters) == (Severity.ERROR, {"radio": "han"})
    assert told.text == f"The last backup of han is not as it should be: the link key of {ADDRESS} disappeared"
    well = BackupStatus(radio="han")
    assert text(Narrator(), BackupChanged(NOW, "han", "well", "", well)) == (
        "The last backup of han has everything again"
    )
    failed = text(Narrator(), BackupChanged(NOW, "han", "failed", "the disk is full", well))
    assert failed == "han: backing up or restoring failed: the disk is full"
    assert text(Narrator(), BackupChanged(NOW, "han", "made", "", well)) is None


async def test_it_comes_by_the_mailbox_of_a_running_hub(served: Served) -> None:
    engine = served.server._services.rpc.engine
    served.hub.bus.publish(DeviceAnnounced(NOW, "han", f"zigbee-{ADDRESS}", 0xE0BB, is_new=False, accepted=True))
    await eventually(lambda: len(engine.mailbox) == 1)
    mail = await served.get("/api/v1/rpc/responses")
    [message] = mail["responses"]
    assert message["response"] == "message"
    assert message["parameters"] == {
        "description": "Received device announce message from known device 00:0C:C1:00:27:19:C4:D1 (NWK: E0BB)",
        "severity": 1,
        "device_address": {"type": "MAC", "value": "00:0C:C1:00:27:19:C4:D1"},
        "addr_short": {"type": "MAC", "value": "E0BB"},
    }


async def test_who_falls_behind_is_told_of_what_comes_after(served: Served) -> None:
    engine = served.server._services.rpc.engine
    event = DeviceAnnounced(NOW, "han", f"zigbee-{ADDRESS}", 0xE0BB, is_new=False, accepted=True)
    for _ in range(5000):
        served.hub.bus.publish(event)
    await eventually(lambda: engine.mailbox.dropped > 3000)
    engine.mailbox.take()
    served.hub.bus.publish(event)
    await eventually(lambda: len(engine.mailbox) == 1)
