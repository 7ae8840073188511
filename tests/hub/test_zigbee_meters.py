"""Meters on a network: what they count in may change, and whoever is no meter is not asked as one."""

from __future__ import annotations

from pathlib import Path

import pytest
from zigbee_home import joined, plug, running, sensor

from hub.errors import InvalidError, NotFoundError, UnsupportedError
from hub.model import Channel, Quantity
from tests.hub.waiting import eventually

pytestmark = pytest.mark.usefixtures("quick_zigbee")
ENERGY = Channel.TOTAL, Quantity.ENERGY_DELIVERED


async def test_the_scaling_is_read_again_after_a_strange_report(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        device = plug()
        name = await joined(hub, room, device)
        await eventually(lambda: hub.devices.latest(name).values.get(ENERGY) == 123_456)
        # Another firmware counts tenths of a watt-hour, and says so only where it is asked.
        device.put(1, 0x0702, 0x0302, 10_000)
        device.put(1, 0x0702, 0x0000, 1_234_560)
        member = hub.household.members[device.ieee]
        room.report(device, 1, 0x0702, x0000=1_234_560)
        await eventually(lambda: (found := member.value(1, 0x0702, 0x0302)) is not None and found.value == 10_000)
        assert hub.devices.latest(name).values[ENERGY] == 123_456  # the leap was not believed
        room.report(device, 1, 0x0702, x0000=1_234_570)
        room.report(device, 1, 0x0702, x0000=1_234_670)
        await eventually(lambda: hub.devices.latest(name).values[ENERGY] == 123_466)
        # A meter that leaps again and again is not asked each time.
        device.put(1, 0x0702, 0x0302, 77)
        for number in range(4):
            room.report(device, 1, 0x0702, x0000=900_000_000 * (number + 2))
            room.report(device, 1, 0x0702, x0000=1_234_680 + number)
        await eventually(lambda: (found := member.value(1, 0x0702, 0x0000)) is not None and found.value == 1_234_683)
        assert (found := member.value(1, 0x0702, 0x0302)) is not None
        assert found.value == 10_000


async def test_who_is_no_meter_is_not_asked_as_one(tmp_path: Path) -> None:
    async with running(tmp_path) as (hub, room):
        warm, metered = sensor(), plug()
        warm.capability = 0x8E
        cold = await joined(hub, room, warm)
        name = await joined(hub, room, metered)
        with pytest.raises(UnsupportedError, match="is no meter"):
            await hub.meters.totals(cold)
        with pytest.raises(InvalidError, match="an endpoint that meters: 1"):
            await hub.meters.totals(name, 7)
        with pytest.raises(UnsupportedError, match="keeps no sums"):
            await hub.meters.totals(name)
        with pytest.raises(NotFoundError):
            hub.fast_polls.of(name)
        with pytest.raises(InvalidError, match="1 to 15"):
            await hub.fast_polls.begin(name, 5, 16)
