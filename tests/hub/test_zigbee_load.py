"""Two hundred devices with sixty reports in each second of ten minutes: nothing grows, with reports or with time."""

from __future__ import annotations

import asyncio
import gc
from importlib import import_module
from pathlib import Path

import pytest
from zigbee_home import basic, device_id, joined, running
from zigbee_room import Device, Room

from hub.clock import ManualClock
from hub.hub import Hub
from hub.zigbee.interview import POLL_AT_LEAST_S
from protocols.ids import Eui64
from protocols.zcl.datatypes import INT16, UINT16
from tests.hub.waiting import eventually

pytestmark = pytest.mark.usefixtures("quick_zigbee")

DEVICES, PER_SECOND, SECONDS = 200, 60, 600
POLLED, SILENT = 10, 10
"""Devices that cannot report and are asked, and devices whose reports stay away."""
WARM_UP_S = 240
SPEED = 150.0
"""Seconds of the devices' time in one of the test's."""
INTERVALS = (
    "hub.history.RECORD_INTERVAL_S",
    "hub.store.FLUSH_INTERVAL_S",
    "hub.hub.HOUSE_INTERVAL_S",
    "hub.hub.PERSIST_INTERVAL_S",
    "hub.zigbee.household.PERSIST_INTERVAL_S",
    "hub.zigbee.household.OWN_REPORTS_S",
    "hub.zigbee.presence.LOOK_S",
    "hub.zigbee.reporting.LOOK_S",
)
"""What the hub does by its loop's time, which cannot be set."""
FIRST = 0x00158D0000001000
MEASUREMENT, POWER = 0x0B04, 0x050B
READ, CONFIGURE = "0b04:00", "0b04:06"
"""As a device notes what it was asked."""


def plug(number: int) -> Device:
    attributes = {
        **basic("plug"),
        (MEASUREMENT, 0x0604): (UINT16, 1),
        (MEASUREMENT, 0x0605): (UINT16, 10),
        (MEASUREMENT, POWER): (INT16, 100),
    }
    able = number >= POLLED
    return Device(Eui64(FIRST + number), 0x1000 + number, {1: attributes}, reportable=able)  # type: ignore[dict-item]


def sizes(hub: Hub) -> dict[str, int]:
    network, keeper = hub.household.networks["han"], hub.household.keeper
    members = hub.household.members.values()
    return {
        "conversations": len(network.conversations),
        "attributes": sum(len(member.attributes) for member in members),
        "dirty": sum(len(member.dirty) for member in members),
        "remembered": len(network._repeats._recent),
        "reported": sum(len(member.reported_at) for member in members),
        "tasks": len(hub._chores),
        "rows": sum(len(member.reporting) for member in members),
        "due": len(keeper._due),
        "planned": len(keeper._planned),
        "polled": len(keeper._polled),
        "retried": len(keeper._retry),
        "series": len(hub.history._newest),
    }


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in INTERVALS:
        module, _, constant = name.rpartition(".")
        monkeypatch.setattr(name, getattr(import_module(module), constant) / SPEED)


async def test_neither_memory_nor_queues_grow(tmp_path: Path, fast: None, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    monkeypatch.setattr("hub.hub.SystemClock", lambda: clock)
    async with running(tmp_path) as (hub, room):
        devices = [plug(number) for number in range(DEVICES)]
        for device in devices[:-1]:
            room.join(device)
        await joined(hub, room, devices[-1])
        await eventually(lambda: all(m.interview == "done" for m in hub.household.members.values()), 60)
        polled, silent, loud = devices[:POLLED], devices[POLLED : POLLED + SILENT], devices[POLLED + SILENT :]
        for device in silent:
            await hub.attributes.configure_reporting(
                device_id(device.ieee), 1, MEASUREMENT, POWER, min_s=1, max_s=30, change=1
            )
        for device in devices:
            device.asked.clear()
        await _pass(room, loud, clock, WARM_UP_S)
        await _settle(hub)
        before, objects = sizes(hub), len(gc.get_objects())
        await _pass(room, loud, clock, SECONDS - WARM_UP_S)
        await _settle(hub)
        after = sizes(hub)
        assert before["conversations"] == 0
        assert after["dirty"] <= after["attributes"]
        assert after["remembered"] <= 513
        assert after["tasks"] <= before["tasks"] + 1
        # A plan that was made anew leaves a void one behind until that is due.
        assert after["planned"] <= after["due"] <= after["rows"] + SILENT
        for name in ("attributes", "reported", "rows", "planned", "polled", "retried", "series"):
            assert after[name] == before[name], name
        # Readings that wait for their second's transaction come and go; what stays does not.
        assert len(gc.get_objects()) - objects < 20_000
        assert hub.store.status.waiting < 1_000
        assert hub.store.status.lost == 0
        # It was time that passed, and not only reports.
        assert all(device.asked.count(READ) >= SECONDS // POLL_AT_LEAST_S // 2 for device in polled)
        assert all(device.asked.count(CONFIGURE) >= 2 for device in silent)
        [(rows,)] = await hub.store.read("SELECT count(*) FROM raw")
        assert isinstance(rows, int)
        assert rows >= 0.9 * PER_SECOND * SECONDS


async def _settle(hub: Hub) -> None:
    """Let what is under way end, and what waits for the disk reach it."""
    await asyncio.sleep(0.2)
    await eventually(lambda: not (hub.household.networks["han"].conversations or hub.household.keeper._busy))
    await hub.store.flush()
    gc.collect()


async def _pass(room: Room, devices: list[Device], clock: ManualClock, seconds: int) -> None:
    loop = asyncio.get_running_loop()
    for second in range(seconds):
        end = loop.time() + 1 / SPEED
        for number in range(second * PER_SECOND, (second + 1) * PER_SECOND):
            room.report(devices[number % len(devices)], 1, MEASUREMENT, x050B=number % 3000)
        clock.advance(1)
        await asyncio.sleep(max(0, end - loop.time()))
        while not room.events_waiting.empty():  # noqa: ASYNC110 - a queue has no event for being empty
            await asyncio.sleep(0)
