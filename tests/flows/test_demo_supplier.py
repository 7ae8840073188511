"""The demo's supplier: prices, a message and a demand response event, by the whole demo, over its pseudo terminals."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from hub.clock import SystemClock
from hub.events import SmartEnergyChanged
from hub.hub import Hub
from hub.smart_energy.drlc_server import ServerEvent
from hub.smart_energy.peer import Peer
from hub.smart_energy.utc import from_utc, to_utc
from protocols.ids import Eui64
from protocols.se.drlc import DeviceClass, EventStatus, LoadControlEvent
from protocols.se.messaging import DisplayMessage
from radios.emulators.se_devices import Display, DrlcDevice
from radios.emulators.xbee import XbeeEmulator
from tests.hub.waiting import eventually
from web import demo, demo_supplier
from web.demo_supplier import AHEAD, DAY, EVENING, NIGHT, PEAK, THANKS, rate_at

SPEED = 12.0
ENDPOINT = 10
HOME = ZoneInfo("America/New_York")


class QuickClock(SystemClock):
    """A clock on the wall whose minutes take five seconds, as the demo's devices' do here."""

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self._from, self._ahead = super().now(), ahead

    def now(self) -> datetime:
        return self._from + (super().now() - self._from) * SPEED + self._ahead


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for minutes."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    monkeypatch.setattr(demo, "SMART_ENERGY_SPEED", SPEED)
    for name, seconds in (("PRESS_S", 0.1), ("PEAK_AFTER_S", 0.1), ("OPTS_OUT_AFTER_S", 0.5), ("PRICE_LOOK_S", 0.2)):
        monkeypatch.setattr(demo, name, seconds)


@asynccontextmanager
async def at_home(folder: Path, ahead: timedelta = timedelta()) -> AsyncIterator[tuple[Hub, XbeeEmulator]]:
    given = argparse.Namespace(config=None, data_dir=folder)
    async with demo.demo_home(given) as (config, made), Hub(config, QuickClock(ahead)) as hub, demo.played(hub, made):
        yield hub, made.xbee


def said(event: ServerEvent, device: DrlcDevice) -> list[EventStatus]:
    """What a device has reported, without repeats: it says again what nobody has acknowledged."""
    rows = event.told.get(Peer(Eui64(device.ieee), ENDPOINT), [])
    return [status for status, _ in groupby(told.status for told in rows)]


async def test_a_price_changes_a_message_is_read_and_a_peak_runs_through_all_its_states(tmp_path: Path) -> None:
    async with at_home(tmp_path) as (hub, han):
        display, thermostat, box = (han.device(kind) for kind in ("display", "se-thermostat", "load-control"))
        assert isinstance(display, Display)
        assert isinstance(thermostat, DrlcDevice)
        assert isinstance(box, DrlcDevice)
        service = hub.smart_energy.services["han"]
        labels: list[str] = []
        relay: set[object] = set()

        def look() -> bool:
            now = display.price.current
            if now is not None and now.price.rate_label not in labels[-1:]:
                labels.append(now.price.rate_label)
            relay.add(box.shown()["relay"])
            return len(labels) == 3

        async with hub.bus.subscribe(SmartEnergyChanged) as changes:
            await eventually(look, 60)
            assert labels[1] == PEAK.label
            assert {labels[0], labels[2]} <= {NIGHT.label, DAY.label, EVENING.label}
            [event] = service.drlc.events.values()
            await eventually(lambda: said(event, box)[-1:] == [EventStatus.COMPLETED])
            assert said(event, box) == [EventStatus.RECEIVED, EventStatus.STARTED, EventStatus.COMPLETED]
            await eventually(lambda: said(event, thermostat)[-1:] == [EventStatus.PARTIAL_OPTED_OUT])
            assert said(event, thermostat) == [
                EventStatus.RECEIVED,
                EventStatus.STARTED,
                EventStatus.OPTED_OUT,
                EventStatus.PARTIAL_OPTED_OUT,
            ]
            assert relay == {"open", "closed"}
            ahead = next(iter(service.messages.messages.values()))
            assert ahead.message.message == AHEAD
            assert set(ahead.confirmed) == {Peer(Eui64(display.ieee), ENDPOINT)}
            await eventually(lambda: display.messaging.on_screen is not None)
            await eventually(lambda: display.messaging.shown()["message"] == THANKS)
            told = {(change.kind, change.what) for change in changes.drain()}
        assert told >= {("price", "active"), ("message", "confirmed"), ("drlc", "reported"), ("drlc", "delivered")}
        assert all(one.price.currency == 840 for one in service.prices.prices.values())


async def test_the_next_start_publishes_again_and_days_leave_nothing_behind(tmp_path: Path) -> None:
    async with at_home(tmp_path) as (hub, _):
        service = hub.smart_energy.services["han"]
        await eventually(lambda: bool(service.drlc.events), 60)
        await hub.smart_energy.send_message(
            "han", DisplayMessage(message_id=9, control=0, duration_min=1, message="mine")
        )
        before = set(service.prices.prices)
        [peak] = service.drlc.events
        await eventually(lambda: len(service.prices.prices) >= 4)
    async with at_home(tmp_path, timedelta(days=3)) as (hub, _):
        service = hub.smart_energy.services["han"]
        assert before <= set(service.prices.prices)
        await eventually(
            lambda: peak not in service.drlc.events and any(one.delivered for one in service.drlc.events.values()), 60
        )
        assert not before & set(service.prices.prices)
        assert "mine" in {one.message.message for one in service.messages.messages.values()}
        kept = await hub.store.read("SELECT id FROM se_item WHERE kind = 'drlc'")
        assert [number for (number,) in kept] == list(service.drlc.events)


@pytest.mark.parametrize(
    ("moment", "rate", "until"),
    [
        (datetime(2026, 11, 20, 0, 0, tzinfo=HOME), NIGHT, datetime(2026, 11, 20, 7, tzinfo=HOME)),
        (datetime(2026, 11, 20, 15, 59, 59, tzinfo=HOME), DAY, datetime(2026, 11, 20, 16, tzinfo=HOME)),
        (datetime(2026, 11, 20, 16, 0, tzinfo=HOME), EVENING, datetime(2026, 11, 20, 21, tzinfo=HOME)),
        (datetime(2026, 10, 31, 23, 0, tzinfo=HOME), NIGHT, datetime(2026, 11, 1, 0, tzinfo=HOME)),
        # The night in which clocks are set back is an hour longer.
        (datetime(2026, 11, 1, 0, 0, tzinfo=HOME), NIGHT, datetime(2026, 11, 1, 12, tzinfo=UTC)),
    ],
)
def test_the_tariff_follows_the_clock_on_the_wall(moment: datetime, rate: object, until: datetime) -> None:
    assert rate_at(moment) == (rate, until)


def test_a_peak_of_a_person_is_not_taken_for_the_demos() -> None:
    made = LoadControlEvent(
        issuer_event_id=1, device_class=DeviceClass.EV, duration_min=5, criticality=demo_supplier.SHED.criticality
    )
    assert not demo_supplier._is_peak(made)
    assert demo_supplier._is_peak(demo_supplier.SHED)
    assert from_utc(to_utc(datetime(2026, 1, 1, tzinfo=UTC))) == datetime(2026, 1, 1, tzinfo=UTC)
