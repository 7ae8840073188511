"""A hub with a room of scripted Zigbee devices, and the devices that most tests want there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from zigbee_room import DRIVER, SLEEPER, Device, Room

from hub.config import parse
from hub.hub import Hub
from hub.zigbee.model import InterviewStep
from protocols.ids import Eui64
from protocols.zcl.datatypes import BOOL, ENUM8, INT16, INT24, STRING, UINT8, UINT16, UINT24, UINT48
from protocols.zcl.status import Status
from tests.hub.waiting import eventually

PLUG, LAMP, SENSOR, WARMTH = (Eui64(0x00158D0000000000 + number) for number in (1, 2, 3, 4))


def basic(model: str) -> dict[tuple[int, int], tuple[int, object]]:
    return {(0, 4): (STRING, "Example"), (0, 5): (STRING, model), (0, 7): (ENUM8, 1), (0, 0): (UINT8, 3)}


def plug(short: int = 0x2001) -> Device:
    def obeys(device: Device, cluster: int, command: int, payload: bytes) -> Status:
        if cluster == 6:
            _, on = device.endpoints[1][6, 0]
            device.put(1, 6, 0, {0: False, 1: True}.get(command, not on))
        return Status.SUCCESS

    attributes = {
        **basic("plug"),
        (3, 0): (UINT16, 0),
        (6, 0): (BOOL, False),
        (0x0702, 0x0000): (UINT48, 123_456),
        (0x0702, 0x0300): (ENUM8, 0),
        (0x0702, 0x0301): (UINT24, 1),
        (0x0702, 0x0302): (UINT24, 1000),
        (0x0702, 0x0400): (INT24, 60),
    }
    return Device(PLUG, short, {1: attributes}, obeys=obeys)  # type: ignore[dict-item]


def sensor(short: int = 0x3001) -> Device:
    attributes = {**basic("sensor"), (0x0402, 0): (INT16, 2150)}
    return Device(SENSOR, short, {1: attributes}, {1: 0x0302}, capability=SLEEPER)  # type: ignore[dict-item]


def thermostat(short: int = 0x4001) -> Device:
    attributes = {
        **basic("thermostat"),
        (0x0201, 0x0000): (INT16, 2000),
        (0x0201, 0x0003): (INT16, 500),
        (0x0201, 0x0004): (INT16, 2800),
        (0x0201, 0x0012): (INT16, 2100),
        (0x0201, 0x001B): (ENUM8, 2),
        (0x0201, 0x001C): (ENUM8, 4),
    }
    return Device(WARMTH, short, {1: attributes}, {1: 0x0301})  # type: ignore[dict-item]


@asynccontextmanager
async def running(tmp_path: Path, *names: str) -> AsyncIterator[tuple[Hub, Room]]:
    names = names or ("han",)
    table = {"radio": [{"name": name, "driver": "room", "pipe": "pty:/dev/null"} for name in names]}
    for name in names:
        DRIVER.rooms.setdefault(name, Room())
    async with Hub(parse(table, data_dir=tmp_path)) as hub:
        room = DRIVER.rooms[names[0]]
        await eventually(lambda: all(status.state == "up" for status in hub.networks.all()))
        yield hub, room


def device_id(ieee: Eui64) -> str:
    return f"zigbee-{ieee}"


def interviewed(hub: Hub, ieee: Eui64) -> bool:
    member = hub.household.members.get(ieee)
    return member is not None and member.interview is InterviewStep.DONE


async def joined(hub: Hub, room: Room, device: Device) -> str:
    room.join(device)
    await eventually(lambda: interviewed(hub, device.ieee))
    return device_id(device.ieee)
