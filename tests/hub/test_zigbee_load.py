"""Two hundred devices with sixty reports a second for ten minutes of their time: nothing grows."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from waiting import eventually
from zigbee_home import basic, joined, running
from zigbee_room import Device, Room

from hub.hub import Hub
from protocols.ids import Eui64
from protocols.zcl.datatypes import INT16, UINT16

pytestmark = pytest.mark.usefixtures("quick_zigbee")

DEVICES, PER_SECOND, SECONDS = 200, 60, 600
BATCH = 600
FIRST = 0x00158D0000001000


def plug(number: int) -> Device:
    attributes = {
        **basic("plug"),
        (0x0B04, 0x0604): (UINT16, 1),
        (0x0B04, 0x0605): (UINT16, 10),
        (0x0B04, 0x050B): (INT16, 100),
    }
    return Device(Eui64(FIRST + number), 0x1000 + number, {1: attributes})  # type: ignore[dict-item]


def sizes(hub: Hub) -> dict[str, int]:
    network = hub.household.networks["han"]
    return {
        "conversations": len(network.conversations),
        "attributes": sum(len(member.attributes) for member in hub.household.members.values()),
        "dirty": sum(len(member.dirty) for member in hub.household.members.values()),
        "remembered": len(network._recent),
        "reported": sum(len(member.reported_at) for member in hub.household.members.values()),
        "tasks": len(hub._chores),
    }


async def test_neither_memory_nor_queues_grow(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        devices = [plug(number) for number in range(DEVICES)]
        for device in devices[:-1]:
            room.join(device)
        await joined(hub, room, devices[-1])
        await eventually(lambda: all(m.interview == "done" for m in hub.household.members.values()), 60)
        total = PER_SECOND * SECONDS
        await _reports(hub, room, devices, 0, total // 4)
        gc.collect()
        before, objects = sizes(hub), len(gc.get_objects())
        await _reports(hub, room, devices, total // 4, total)
        gc.collect()
        after = sizes(hub)
        assert after["conversations"] == before["conversations"] == 0
        assert after["attributes"] == before["attributes"]
        assert after["dirty"] <= after["attributes"]
        assert after["remembered"] <= 513
        assert after["reported"] == before["reported"]
        assert after["tasks"] <= before["tasks"] + 1
        # Readings that wait for their second's transaction come and go; what stays does not.
        assert len(gc.get_objects()) - objects < 20_000


async def _reports(hub: Hub, room: Room, devices: list[Device], first: int, last: int) -> None:
    for start in range(first, last, BATCH):
        for number in range(start, min(start + BATCH, last)):
            room.report(devices[number % DEVICES], 1, 0x0B04, x050B=number % 3000)
        await eventually(lambda: room.events_waiting.empty())
