"""Totals of meters: they never fall, invent nothing and survive resets, wraps, rounding and restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.bus import Bus
from hub.clock import SystemClock
from hub.counters import GRACE_S, INSISTENCE, CounterLedger, CounterSample
from hub.devices import Devices
from hub.events import ReadingsTaken
from hub.metering import Metering
from hub.model import Availability, Capability, Channel, Device, DeviceKind, Quantity
from hub.store import Store

MODULUS = 1 << 48
MINUTE = 60.0


def sample(
    raw: int, unit: float = 1.0, modulus: int = MODULUS, quantity: Quantity = Quantity.ENERGY_DELIVERED
) -> CounterSample:
    return CounterSample(quantity, Channel.TOTAL, raw, unit, modulus)


def test_the_first_value_is_the_beginning_and_differences_add_up() -> None:
    ledger = CounterLedger()
    assert ledger.value is None
    assert ledger.take(sample(1_000_000), 0)
    assert ledger.value == 1_000_000
    assert ledger.take(sample(1_000_120), MINUTE)
    assert ledger.value == 1_000_120


def test_a_counter_that_wraps_goes_on() -> None:
    ledger = CounterLedger()
    ledger.take(sample(MODULUS - 10), 0)
    assert ledger.take(sample(20), MINUTE)
    assert ledger.value == MODULUS + 20


def test_a_counter_that_begins_again_from_zero_loses_nothing() -> None:
    ledger = CounterLedger()
    ledger.take(sample(500_000), 0)
    assert ledger.take(sample(40), MINUTE)
    assert ledger.value == 500_040


def test_a_device_that_rounds_does_not_fall() -> None:
    ledger = CounterLedger()
    ledger.take(sample(10_000), 0)
    assert ledger.take(sample(9_950), MINUTE)
    assert ledger.value == 10_000
    assert ledger.take(sample(10_010), MINUTE)
    assert ledger.value == 10_010


def test_a_leap_is_not_believed_until_the_device_insists_and_adds_nothing() -> None:
    ledger = CounterLedger()
    ledger.take(sample(10_000), 0)
    for number in range(INSISTENCE - 1):
        assert not ledger.take(sample(90_000_000 + number), MINUTE)
        assert ledger.value == 10_000
    assert ledger.take(sample(90_000_000 + INSISTENCE), MINUTE)
    assert ledger.value == 10_000
    assert ledger.take(sample(90_000_000 + INSISTENCE + 7), MINUTE)
    assert ledger.value == 10_007


def test_one_wrong_value_among_good_ones_changes_nothing() -> None:
    ledger = CounterLedger()
    ledger.take(sample(10_000), 0)
    for raw in (10_010, 4_000_000_000, 10_020, 0xFFFFFFFF, 10_030):
        ledger.take(sample(raw), MINUTE)
    assert ledger.value == 10_030


def test_another_scaling_is_no_jump() -> None:
    ledger = CounterLedger()
    ledger.take(sample(10_000), 0)
    assert ledger.take(sample(1_000, unit=10.0), MINUTE)
    assert ledger.value == 10_000
    assert ledger.take(sample(1_001, unit=10.0), MINUTE)
    assert ledger.value == 10_010


def test_gas_cannot_be_counted_as_fast_as_watt_hours() -> None:
    ledger = CounterLedger()
    gas = Quantity.VOLUME_DELIVERED
    ledger.take(sample(1000, 0.01, quantity=gas), 0)
    assert not ledger.take(sample(1500, 0.01, quantity=gas), MINUTE)
    assert ledger.take(sample(1010, 0.01, quantity=gas), MINUTE)
    assert ledger.value == pytest.approx(10.1)


def test_a_ledger_comes_back_from_disk_as_it_was() -> None:
    ledger = CounterLedger()
    for raw in (MODULUS - 10, 20, 50):
        ledger.take(sample(raw, 0.1), MINUTE)
    again = CounterLedger.from_json(ledger.to_json())
    assert again.value == ledger.value
    assert again.take(sample(60, 0.1), MINUTE)
    assert again.value == pytest.approx((ledger.value or 0) + 1.0)


@given(
    steps=st.lists(st.tuples(st.integers(0, MODULUS - 1), st.floats(0, 1e6, allow_nan=False)), max_size=40),
    unit=st.sampled_from((1.0, 0.1, 1000.0, 0.28316846592)),
)
def test_a_total_never_falls_and_grows_no_faster_than_a_home_can(steps: list[tuple[int, float]], unit: float) -> None:
    ledger = CounterLedger()
    total: float | None = None
    for raw, elapsed in steps:
        before = total
        ledger.take(sample(raw, unit), elapsed)
        total = ledger.value
        assert total is not None
        if before is not None:
            assert total >= before - 1e-6 * max(1.0, before)
            assert total - before <= 100_000 / 3600 * (elapsed + GRACE_S) + unit + 1e-6 * max(1.0, before)


# -- the home ----------------------------------------------------------------------------------------------------------


class House:
    """Metering over a real store, without radios."""

    def __init__(self, store: Store, bus: Bus, clock: SystemClock, mains: tuple[str, ...]) -> None:
        self.devices = Devices(store, bus, clock)
        self.metering = Metering(store, bus, clock, self.devices, mains)
        self.bus = bus
        self.time = clock.monotonic()

    def add(self, device_id: str, kind: DeviceKind) -> None:
        self.devices.add(
            Device(
                id=device_id,
                radio="han",
                kind=kind,
                name=device_id,
                capabilities=(Capability.METER,),
                availability=Availability.AVAILABLE,
            )
        )

    def counts(self, device_id: str, *raws: int, quantity: Quantity = Quantity.ENERGY_DELIVERED) -> None:
        for raw in raws:
            self.time += MINUTE
            self.metering.take_counters(device_id, (sample(raw, quantity=quantity),), self.time)


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[tuple[Store, Bus, SystemClock]]:
    clock = SystemClock()
    async with Store(tmp_path / "hub.db", clock, lambda status: None) as store:
        yield store, Bus(), clock


async def test_a_home_without_breakers_is_measured_by_its_only_electricity_meter(
    opened: tuple[Store, Bus, SystemClock],
) -> None:
    house = House(*opened, mains=())
    house.add("zigbee-meter", DeviceKind.METER)
    house.add("zigbee-gas", DeviceKind.METER)
    house.add("zigbee-plug", DeviceKind.PLUG)
    house.counts("zigbee-gas", 10, 11, quantity=Quantity.VOLUME_DELIVERED)
    house.counts("zigbee-meter", 1000, 1100, 1150)
    house.counts("zigbee-plug", 500, 540)
    status = house.metering.house()
    assert status.energy_delivered_wh == 150
    assert status.missing == ("zigbee-meter",)


async def test_what_is_plugged_in_behind_breakers_never_counts_twice(opened: tuple[Store, Bus, SystemClock]) -> None:
    house = House(*opened, mains=())
    house.add("emcb-1", DeviceKind.BREAKER)
    house.add("zigbee-meter", DeviceKind.METER)
    house.add("zigbee-plug", DeviceKind.PLUG)
    house.counts("zigbee-meter", 1000, 1100)
    house.counts("zigbee-plug", 500, 540)
    assert house.metering.house().energy_delivered_wh is None


async def test_mains_named_by_a_person_are_the_home_and_nothing_else_is(opened: tuple[Store, Bus, SystemClock]) -> None:
    house = House(*opened, mains=("zigbee-plug",))
    house.add("emcb-1", DeviceKind.BREAKER)
    house.add("zigbee-meter", DeviceKind.METER)
    house.add("zigbee-plug", DeviceKind.PLUG)
    house.counts("zigbee-meter", 1000, 1100)
    house.counts("zigbee-plug", 500, 540)
    house.counts("zigbee-plug", 640, quantity=Quantity.ENERGY_RECEIVED)
    house.counts("zigbee-plug", 650, quantity=Quantity.ENERGY_RECEIVED)
    status = house.metering.house()
    assert (status.energy_delivered_wh, status.energy_received_wh) == (40, 10)


async def test_ledgers_come_back_after_a_restart(tmp_path: Path) -> None:
    clock, bus = SystemClock(), Bus()
    async with Store(tmp_path / "hub.db", clock, lambda status: None) as store:
        house = House(store, bus, clock, mains=())
        house.add("zigbee-meter", DeviceKind.METER)
        house.counts("zigbee-meter", 1000, 1100, 20)
        house.metering.persist()
    async with Store(tmp_path / "hub.db", clock, lambda status: None) as store:
        again = House(store, bus, clock, mains=())
        await again.devices.load()
        await again.metering.load()
        async with bus.subscribe(ReadingsTaken) as events:
            again.counts("zigbee-meter", 50)
            taken = await anext(aiter(events))
        assert isinstance(taken, ReadingsTaken)
        assert [reading.value for reading in taken.readings] == [1150]
        assert again.metering.house().energy_delivered_wh == 150
