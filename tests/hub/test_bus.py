"""The bus: typed, ordered, bounded, and never waiting for a subscriber."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from hub.bus import Bus, SubscriberLaggedError
from hub.events import DeviceRemoved, HubEvent, KeyChanged
from hub.model import KeyState, KeyStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = KeyChanged(NOW, KeyStatus(radio="r", device_id=None, state=KeyState.VALID))


def removed(number: int) -> DeviceRemoved:
    return DeviceRemoved(NOW, str(number))


async def test_a_subscriber_gets_its_types_in_order_and_nothing_else() -> None:
    bus = Bus()
    async with bus.subscribe(DeviceRemoved) as events:
        bus.publish(removed(1))
        bus.publish(KEY)
        bus.publish(removed(2))
        assert [(await events.get()).device_id, (await events.get()).device_id] == ["1", "2"]
        assert events.drain() == []


async def test_two_types_come_through_one_subscription() -> None:
    bus = Bus()
    async with bus.subscribe(DeviceRemoved, KeyChanged) as events:
        bus.publish(KEY)
        bus.publish(removed(1))
        assert events.drain() == [KEY, removed(1)]


async def test_what_is_published_between_subscribing_and_entering_is_not_missed() -> None:
    bus = Bus()
    subscription = bus.subscribe(DeviceRemoved)
    bus.publish(removed(1))
    async with subscription as events:
        assert await events.get() == removed(1)


async def test_a_waiting_subscriber_wakes() -> None:
    bus = Bus()
    async with bus.subscribe(DeviceRemoved) as events, asyncio.TaskGroup() as group, asyncio.timeout(2):
        waiting = group.create_task(events.get())
        await asyncio.sleep(0)
        bus.publish(removed(7))
        assert await waiting == removed(7)


async def test_a_subscriber_that_falls_behind_gets_what_came_before_the_gap_and_is_told_of_it() -> None:
    bus = Bus()
    got: list[HubEvent] = []
    async with bus.subscribe(DeviceRemoved, limit=3) as slow, bus.subscribe(DeviceRemoved) as quick:
        for number in range(5):
            bus.publish(removed(number))
        with pytest.raises(SubscriberLaggedError, match="more than 3 events behind"):
            async for event in slow:
                got.append(event)
        assert got == [removed(0), removed(1), removed(2)]
        assert len(quick.drain()) == 5, "the others lose nothing"


async def test_after_leaving_nothing_is_delivered_and_nothing_kept() -> None:
    bus = Bus()
    async with bus.subscribe(DeviceRemoved) as events:
        pass
    bus.publish(removed(1))
    assert events.drain() == []
    assert bus._by_type[DeviceRemoved] == []
