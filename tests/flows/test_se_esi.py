"""The hub as energy service interface with emulated clients, over a real pseudo terminal: bytes out, statuses back."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from test_xbee_home import hub_on, name_of

from hub.config import parse
from hub.errors import InvalidError, RefusedError, StorageError, UnsupportedError
from hub.events import EventStatusReported, SmartEnergyChanged
from hub.hub import Hub
from hub.smart_energy import kept
from hub.smart_energy.drlc_server import ServerEvent
from hub.smart_energy.peer import Peer
from hub.zigbee.model import NetworkState
from protocols.ids import Eui64
from protocols.se.drlc import (
    PUNCTUAL,
    CancelControl,
    CancelLoadControlEvent,
    Criticality,
    DeviceClass,
    EventStatus,
    LoadControlEvent,
)
from protocols.se.messaging import DisplayMessage, Importance, message_control
from protocols.se.price import PriceControl, PublishPrice
from radios.emulators.se_devices import Display, LoadControl
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from tests.hub.waiting import eventually

BOX_ENDPOINT = 10


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)


@asynccontextmanager
async def home(folder: Path, *kinds: str) -> AsyncIterator[tuple[Hub, XbeeEmulator]]:
    start = XbeeConfig(devices=kinds, joined=tuple(range(len(kinds))))
    async with XbeeEmulator(start) as module, hub_on(module, folder) as hub:
        await known(hub, module)
        yield hub, module


async def known(hub: Hub, module: XbeeEmulator) -> None:
    """Wait until every device is one of the home, with its clients."""
    for device in module.devices:
        device._send(
            0,
            0,
            0,
            0x0013,
            b"\x01" + device.short.to_bytes(2, "little") + device.ieee.to_bytes(8, "little") + b"\x8e",
            0xFFFD,
        )
    for device in module.devices:
        await eventually(lambda ieee=device.ieee: ieee in hub.household.members)  # type: ignore[misc]
        member = hub.household.members[device.ieee]
        await eventually(lambda member=member: member.interview.value == "done", 40)  # type: ignore[misc]


def event(hub: Hub, number: int = 1, minutes: int = 60, **more: object) -> LoadControlEvent:
    fields: dict[str, object] = {
        "issuer_event_id": number,
        "device_class": DeviceClass.POOL_PUMP,
        "duration_min": minutes,
        "criticality": Criticality.LEVEL_2,
        "event_control": PUNCTUAL,
        "duty_cycle": 0,
        **more,
    }
    return LoadControlEvent(**fields)  # type: ignore[arg-type]


def price(number: int) -> PublishPrice:
    return PublishPrice(
        provider_id=1, rate_label="peak", issuer_event_id=number, current_time=0, unit_of_measure=0, currency=978,
        price_trailing_digit_and_tier=0x41, number_of_price_tiers_and_register_tier=0x10, duration_min=60,
        price=2500, alternate_cost_delivered=0xFFFFFFFF, alternate_cost_unit=0xFF,
        alternate_cost_trailing_digit=0xFF, number_of_block_thresholds=0xFF, price_control=PriceControl.ACKNOWLEDGE,
    )  # fmt: skip


def statuses(made: ServerEvent, peer: Peer) -> list[EventStatus]:
    return [told.status for told in made.told.get(peer, [])]


async def test_an_event_goes_to_its_clients_and_their_statuses_come_back(tmp_path: Path) -> None:
    async with home(tmp_path, "load-control") as (hub, module):
        [box] = module.devices
        assert isinstance(box, LoadControl)
        peer = Peer(Eui64(box.ieee), BOX_ENDPOINT)
        async with hub.bus.subscribe(SmartEnergyChanged) as told:
            made = await hub.smart_energy.create_event(None, event(hub))
            await eventually(lambda: statuses(made, peer)[:2] == [EventStatus.RECEIVED, EventStatus.STARTED], 20)
            assert not box.is_closed
            cancel = CancelLoadControlEvent(issuer_event_id=1, device_class=DeviceClass.POOL_PUMP)
            known_event, clients = await hub.smart_energy.cancel_event("han", cancel)
            assert (known_event, clients) == (made, 1)
            await eventually(lambda: statuses(made, peer)[-1] is EventStatus.CANCELLED, 20)
            assert box.is_closed
            what = [change.what for change in told.drain()]
        assert what[0] == "created"
        assert {"delivered", "reported", "cancelled"} <= set(what)
        secret = [frame for frame in box.heard if frame.cluster == 0x0701]
        assert secret
        assert all(frame.encrypted for frame in secret)
        with pytest.raises(RefusedError, match="an event 1 already"):
            await hub.smart_energy.create_event(None, event(hub))
        with pytest.raises(InvalidError, match="duration_min"):
            await hub.smart_energy.create_event(None, event(hub, 2, 0))


async def test_prices_and_messages_are_shown_acknowledged_and_confirmed(tmp_path: Path) -> None:
    async with home(tmp_path, "display") as (hub, module):
        [display] = module.devices
        assert isinstance(display, Display)
        hub.smart_energy.services["han"].version = hub.smart_energy.services["han"].version.__class__.V1_1
        made = await hub.smart_energy.publish_price(None, price(5))
        await eventually(lambda: bool(made.acknowledged), 20)
        assert display.price.current is not None
        assert display.price.current.price.amount == 0.25
        message = DisplayMessage(
            message_id=9, control=message_control(Importance.HIGH, confirm=True), duration_min=10, message="Grüße"
        )
        sent = await hub.smart_energy.send_message(None, message)
        await eventually(lambda: display.messaging.on_screen is not None, 20)
        display.messaging.confirm()
        await eventually(lambda: bool(sent.confirmed), 20)
        await hub.smart_energy.cancel_message(None, 9, confirm=False)
        await eventually(lambda: display.messaging.on_screen is None, 20)
        with pytest.raises(InvalidError, match="so much the radio carries"):
            await hub.smart_energy.send_message(
                None, DisplayMessage(message_id=10, control=0, duration_min=1, message="x" * 200)
            )


async def test_every_report_is_told_also_of_an_event_that_is_not_ours(tmp_path: Path) -> None:
    async with home(tmp_path, "load-control") as (hub, module):
        [box] = module.devices
        async with hub.bus.subscribe(EventStatusReported) as told:
            made = await hub.smart_energy.create_event(None, event(hub, 6))
            await eventually(lambda: EventStatus.STARTED in statuses(made, Peer(Eui64(box.ieee), BOX_ENDPOINT)), 20)
            hub.smart_energy.services["han"].drlc.events.clear()
            cancel = CancelLoadControlEvent(issuer_event_id=6, device_class=DeviceClass.POOL_PUMP)
            assert (await hub.smart_energy.cancel_event("han", cancel))[0] is None
            reports: list[EventStatusReported] = []

            def is_over() -> bool:
                reports.extend(told.drain())
                return len(reports) >= 3

            await eventually(is_over, 20)
        assert [(one.report.status, one.is_known) for one in reports] == [
            (EventStatus.RECEIVED, True), (EventStatus.STARTED, True), (EventStatus.CANCELLED, False),
        ]  # fmt: skip
        assert {(one.device_id, one.endpoint) for one in reports} == {(name_of(box), BOX_ENDPOINT)}


async def test_what_was_made_goes_on_after_a_restart_and_reaches_those_who_were_away(tmp_path: Path) -> None:
    start = XbeeConfig(devices=("load-control",), joined=(0,))
    async with XbeeEmulator(start) as module:
        [box] = module.devices
        assert isinstance(box, LoadControl)
        peer = Peer(Eui64(box.ieee), BOX_ENDPOINT)
        async with hub_on(module, tmp_path) as hub:
            await known(hub, module)
            box.set_power(False)
            made = await hub.smart_energy.create_event("han", event(hub))
            await eventually(lambda: hub.household.members[box.ieee].failures > 0, 20)
            assert made.delivered == set()
        async with hub_on(module, tmp_path) as hub:
            again = hub.smart_energy.event("han", 1)
            assert again.event == made.event
            box.set_power(True)
            box.report_now(BOX_ENDPOINT, 0x0000, 0x0005)
            await eventually(lambda: EventStatus.STARTED in statuses(again, peer), 30)
        async with hub_on(module, tmp_path) as hub:
            assert EventStatus.STARTED in statuses(hub.smart_energy.event("han", 1), peer)
            found, _ = await hub.smart_energy.cancel_all_events("han", CancelControl(0))
            assert [one.number for one in found] == [1]
            assert name_of(box) in {device.id for device in hub.devices.all()}


async def test_who_was_asleep_gets_what_it_has_missed_as_soon_as_it_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.smart_energy.esi.AGAIN_S", 0)
    async with home(tmp_path, "load-control") as (hub, module):
        [box] = module.devices
        assert box.air is not None
        peer, member = Peer(Eui64(box.ieee), BOX_ENDPOINT), hub.household.members[box.ieee]
        before = await hub.smart_energy.create_event("han", event(hub))
        await eventually(lambda: EventStatus.STARTED in statuses(before, peer), 30)
        box.air.places[box.ieee].power = False
        made = await hub.smart_energy.create_event("han", event(hub, 2))
        await eventually(lambda: peer in hub.smart_energy.services["han"]._missed, 30)
        box.air.places[box.ieee].power = True
        assert (made.delivered, member.is_active) == (set(), True)
        box.report_now(BOX_ENDPOINT, 0x0000, 0x0005)
        await eventually(lambda: EventStatus.STARTED in statuses(made, peer), 30)


async def test_who_was_away_hears_that_an_event_is_not_for_its_class_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.smart_energy.esi.AGAIN_S", 0)
    async with home(tmp_path, "load-control") as (hub, module):
        [box] = module.devices
        assert isinstance(box, LoadControl)
        assert box.air is not None
        peer = Peer(Eui64(box.ieee), BOX_ENDPOINT)
        both = DeviceClass.POOL_PUMP | DeviceClass.EV
        made = await hub.smart_energy.create_event("han", event(hub, device_class=both))
        await eventually(lambda: EventStatus.STARTED in statuses(made, peer), 30)
        assert not box.is_closed
        box.air.places[box.ieee].power = False
        cancel = CancelLoadControlEvent(issuer_event_id=1, device_class=DeviceClass.POOL_PUMP)
        await hub.smart_energy.cancel_event("han", cancel)
        await eventually(lambda: peer in hub.smart_energy.services["han"]._missed, 30)
        assert (made.cancelled, box.is_closed, peer in made.narrowed) == (False, False, False)
        box.air.places[box.ieee].power = True
        box.report_now(BOX_ENDPOINT, 0x0000, 0x0005)
        await eventually(lambda: box.is_closed and peer in made.narrowed, 30)


async def test_what_takes_the_place_of_another_one_still_does_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.smart_energy.messages.MAX_MESSAGES", 2)
    async with home(tmp_path) as (hub, _):
        await hub.smart_energy.create_event(None, event(hub, 1))
        await hub.smart_energy.create_event(None, event(hub, 2))
        for number in (1, 2, 3):
            sent = DisplayMessage(message_id=number, control=0, duration_min=10, message="Hello")
            await hub.smart_energy.send_message(None, sent)
    async with home(tmp_path) as (hub, _):
        service = hub.smart_energy.services["han"]
        assert service.drlc.events[1].superseded_by == 2
        assert list(service.messages.messages) == [2, 3]


async def test_what_cannot_be_kept_takes_the_place_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with home(tmp_path) as (hub, _):
        service = hub.smart_energy.services["han"]
        await hub.smart_energy.create_event(None, event(hub, 1))
        first = await hub.smart_energy.publish_price(None, price(1))

        async def full(*_: object) -> None:
            raise StorageError("no space is left")

        monkeypatch.setattr(hub.store, "write", full)
        with pytest.raises(StorageError):
            await hub.smart_energy.create_event(None, event(hub, 2))
        with pytest.raises(StorageError):
            await hub.smart_energy.publish_price(None, price(2))
        assert [(one.number, one.superseded_by) for one in service.drlc.events.values()] == [(1, None)]
        assert [(one.number, one.end) for one in service.prices.prices.values()] == [(1, first.end)]
        assert first.end == first.start + 3600


async def test_a_cancel_reaches_devices_although_it_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with home(tmp_path, "load-control") as (hub, module):
        [box] = module.devices
        peer = Peer(Eui64(box.ieee), BOX_ENDPOINT)
        made = await hub.smart_energy.create_event(None, event(hub))
        await eventually(lambda: EventStatus.STARTED in statuses(made, peer), 20)
        with monkeypatch.context() as patch:

            async def full(*_: object) -> None:
                raise StorageError("no space is left")

            patch.setattr(hub.store, "write", full)
            cancel = CancelLoadControlEvent(issuer_event_id=1, device_class=DeviceClass.POOL_PUMP)
            assert await hub.smart_energy.cancel_event(None, cancel) == (made, 1)
        assert "drlc 1 is cancelled, and valid again after a restart: no space is left" in caplog.text
        await eventually(lambda: statuses(made, peer)[-1] is EventStatus.CANCELLED, 20)
        hub.smart_energy.persist()  # there is space again
        await hub.store.flush()
        [(state,)] = await hub.store.read("SELECT state FROM se_item WHERE kind = 'drlc'")
        assert kept.event_from(str(state)).cancelled


async def test_a_radio_that_cannot_encrypt_serves_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with home(tmp_path, "load-control") as (hub, module):
        network = hub.household.networks["han"]
        assert network.radio is not None
        service = hub.smart_energy
        assert service.able() == service.listed() == ["han"]
        plain = replace(network.radio.capabilities, aps_encryption=False)
        with monkeypatch.context() as patch:
            patch.setattr(type(network.radio), "capabilities", plain)
            for radio, said in (("han", "cannot encrypt"), (None, "and APS encryption")):
                with pytest.raises(UnsupportedError, match=said):
                    await service.create_event(radio, event(hub))
            assert service.able() == service.listed() == []
            # What it cannot while it is there, it cannot when it is away.
            module.kill()
            await eventually(lambda: network.radio is None)
            assert service.able() == service.listed() == []


async def test_a_radio_that_was_never_there_is_not_chosen_before_one_that_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.supervisor.FIRST_PAUSE_S", 60.0)
    async with XbeeEmulator(XbeeConfig(devices=())) as module:
        table = tomllib.loads(module.toml("han"))
        table["radio"].append({"name": "attic", "driver": "xbee", "pipe": f"pty:{tmp_path}/nothing"})
        async with Hub(parse(table, data_dir=tmp_path)) as hub:
            service = hub.smart_energy
            assert service.able() == ["han", "attic"]  # nobody knows yet
            await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
            assert (service.able(), service.listed()) == (["han"], ["han", "attic"])
            assert (await service.create_event(None, event(hub))).number == 1
            assert service.services["han"].drlc.events
            # By its name it is taken: what is made waits for it.
            await service.create_event("attic", event(hub))
            module.kill()
            await eventually(lambda: hub.networks.get("han").state is NetworkState.DOWN)
            assert service.able() == ["han"]
