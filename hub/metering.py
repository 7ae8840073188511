"""Meters of all devices and the home as a whole: readings to the bus, ledgers to the disk."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from hub.bus import Bus
from hub.clock import Clock
from hub.counters import CounterLedger, CounterSample
from hub.devices import Devices
from hub.energy import MILLIJOULE_PER_WH, BreakerMeter, PoleLedger
from hub.events import HouseChanged, ReadingsTaken
from hub.model import HOUSE, Availability, Capability, Channel, Device, DeviceKind, HouseStatus, Quantity, Reading
from hub.store import Statement, Store
from protocols.emcb import MeterRecord

log = logging.getLogger(__name__)

PERSIST_INTERVAL_S = 10.0
"""Ledgers go to disk so often. What a device counted since is not lost by a power cut: its counter still shows it."""
HOUSE_INTERVAL_S = 1.0

_CHANNELS = (Channel.POLE_0, Channel.POLE_1)
Series = tuple[Channel, Quantity]

_FLOWS = (Quantity.ENERGY_DELIVERED, Quantity.ENERGY_RECEIVED)
_LEDGER = "INSERT OR REPLACE INTO ledger (device, channel, state, time) VALUES (?, ?, ?, ?)"


class Metering:
    """Follows every meter's counters, and sums the home."""

    def __init__(
        self, store: Store, bus: Bus, clock: Clock, devices: Devices, mains: tuple[str, ...], zone: tzinfo | None = None
    ) -> None:
        """`mains`: devices that carry the whole home; empty: all of them add up. `zone`: whose midnight a day begins
        at; None: the machine's."""
        self._store, self._bus, self._clock, self._devices = store, bus, clock, devices
        self._meters: dict[str, BreakerMeter] = {}
        self._restored: dict[str, tuple[tuple[PoleLedger, PoleLedger], float]] = {}
        self._dirty: set[str] = set()
        self._counters: dict[str, dict[Series, CounterLedger]] = {}
        self._counted_at: dict[tuple[str, Series], float] = {}
        self._dirty_counters: set[tuple[str, Series]] = set()
        self.on_doubt: Callable[[str], None] = lambda _: None
        """Told of a device whose counter leaps: it may count in something else than before."""
        self._home = _Home(mains, zone)

    async def load(self) -> None:
        """Read the ledgers back after a start."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        found: dict[str, dict[str, PoleLedger]] = {}
        heard: dict[str, float] = {}
        for device, channel, state, time in await self._store.read("SELECT device, channel, state, time FROM ledger"):
            if device == HOUSE:
                self._home.restore(str(state))
                continue
            idle = now.timestamp() - (time / 1000 if isinstance(time, int) else 0)
            place, _, quantity = str(channel).partition("/")
            if quantity:
                series = (Channel(place), Quantity(quantity))
                self._counters.setdefault(str(device), {})[series] = CounterLedger.from_json(str(state))
                self._counted_at[str(device), series] = monotonic - max(0.0, idle)
                continue
            found.setdefault(str(device), {})[str(channel)] = _ledger_from_json(str(state))
            heard[str(device)] = monotonic - max(0.0, idle)
        for device, poles in found.items():
            pair = (poles.get(Channel.POLE_0, PoleLedger()), poles.get(Channel.POLE_1, PoleLedger()))
            self._restored[device] = (pair, heard[device])

    def take(self, device_id: str, record: MeterRecord, monotonic: float, signs: tuple[int, int]) -> None:
        """A meter record came: publish what it says."""
        meter = self._meters.get(device_id)
        if meter is None:
            ledgers, heard = self._restored.pop(device_id, (None, monotonic))
            meter = self._meters[device_id] = BreakerMeter(device_id, signs, ledgers, heard)
        known = meter.ledgers[0].base is not None
        before = _flows(meter) if known else None
        readings = meter.take(record, monotonic)
        if not readings:
            return
        self._dirty.add(device_id)
        if before is not None and self._counts(device_id):
            delivered, received = _flows(meter)
            self._home.add(self._clock.now(), delivered - before[0], received - before[1])
        self._devices.take(device_id, readings)

    def take_counters(self, device_id: str, samples: Sequence[CounterSample], monotonic: float) -> None:
        """Counters of any other meter came: publish our totals of those that are believed."""
        ledgers = self._counters.setdefault(device_id, {})
        readings: list[Reading] = []
        flows = dict.fromkeys(_FLOWS, 0)
        for sample in samples:
            series = (sample.channel, sample.quantity)
            ledger = ledgers.setdefault(series, CounterLedger())
            before = ledger.value
            if not ledger.take(sample, max(0.0, monotonic - self._counted_at.get((device_id, series), monotonic))):
                if ledger.doubts == 1:
                    log.warning("%s: %s leaps; not believed yet", device_id, sample.quantity.value)
                    self.on_doubt(device_id)
                continue
            self._counted_at[device_id, series] = monotonic
            self._dirty_counters.add((device_id, series))
            after = ledger.value
            if after is None:
                continue
            readings.append(Reading(sample.quantity, sample.channel, after))
            if before is not None and sample.channel is Channel.TOTAL and sample.quantity in flows:
                flows[sample.quantity] = round(after * MILLIJOULE_PER_WH) - round(before * MILLIJOULE_PER_WH)
        if any(flows.values()) and self._counts(device_id):
            self._home.add(self._clock.now(), *flows.values())
        self._devices.take(device_id, tuple(readings))

    def _counts(self, device_id: str) -> bool:
        """Whether a device is part of the home's sums.

        `home.mains` decides where it is given. Else breakers add up; what is plugged in behind them is in their sum
        already and never counts twice. A home without breakers is measured by its only electricity meter; where there
        are several, nobody but a person knows which of them carries the home.
        """
        if self._home.mains:
            return device_id in self._home.mains
        device = self._devices.find(device_id)
        if device is None or device.kind is DeviceKind.BREAKER:
            return True
        if device.kind is not DeviceKind.METER or not self._is_electric(device_id):
            return False
        return not any(
            other.id != device_id
            and (other.kind is DeviceKind.BREAKER or (other.kind is DeviceKind.METER and self._is_electric(other.id)))
            for other in self._devices.all()
        )

    def _is_electric(self, device_id: str) -> bool:
        if (Channel.TOTAL, Quantity.ENERGY_DELIVERED) in self._counters.get(device_id, {}):
            return True
        return (Channel.TOTAL, Quantity.POWER) in self._devices.latest(device_id).values

    def interrupt(self, device_id: str) -> None:
        """A device was silent or restarted: its next record gives no power, and its last gauges are unknown now."""
        meter = self._meters.get(device_id)
        if meter is not None:
            meter.interrupt()
        self._devices.forget_readings(device_id)

    def house(self) -> HouseStatus:
        """The sums over the home now."""
        counted = [
            device
            for device in self._devices.all()
            if Capability.METER in device.capabilities
            and self._counts(device.id)
            # A breaker without a key has never been part of the sum; it is shown as such, not as a hole in it.
            and device.availability is not Availability.NO_KEY
        ]
        powers = {device.id: self._power(device) for device in counted}
        missing = tuple(device_id for device_id, power in powers.items() if power is None)
        known = [power for power in powers.values() if power is not None]
        return self._home.status(self._clock.now(), sum(known) if known else None, missing)

    def tick(self) -> None:
        """Publish the home's sums; call about once a second."""
        house = self.house()
        time = self._clock.now()
        readings: list[Reading] = []
        # A sum without one of its parts would be a wrong reading: it is shown, with what is missing, but not recorded.
        if house.power_w is not None and house.complete:
            readings.append(Reading(Quantity.POWER, Channel.TOTAL, house.power_w))
        if house.energy_delivered_wh is not None and house.energy_received_wh is not None:
            readings.append(Reading(Quantity.ENERGY_DELIVERED, Channel.TOTAL, house.energy_delivered_wh))
            readings.append(Reading(Quantity.ENERGY_RECEIVED, Channel.TOTAL, house.energy_received_wh))
        if readings:
            self._bus.publish(ReadingsTaken(time, HOUSE, tuple(readings)))
        self._bus.publish(HouseChanged(time, house))

    def persist(self) -> None:
        """Hand what changed to the database; call every `PERSIST_INTERVAL_S` and before closing."""
        if not self._dirty and not self._dirty_counters:
            return
        now = int(self._clock.now().timestamp() * 1000)
        rows = [
            (device_id, channel.value, _ledger_to_json(ledger), now)
            for device_id in sorted(self._dirty)
            for channel, ledger in zip(_CHANNELS, self._meters[device_id].ledgers, strict=True)
        ]
        rows += [
            (device_id, f"{series[0].value}/{series[1].value}", self._counters[device_id][series].to_json(), now)
            for device_id, series in sorted(self._dirty_counters)
        ]
        rows.append((HOUSE, Channel.TOTAL.value, self._home.to_json(), now))
        self._dirty.clear()
        self._dirty_counters.clear()
        statement: Statement = (_LEDGER, rows)
        self._store.append(statement)

    def _power(self, device: Device) -> float | None:
        if device.availability is not Availability.AVAILABLE:
            return None
        return self._devices.latest(device.id).values.get((Channel.TOTAL, Quantity.POWER))


@dataclass(slots=True)
class _Day:
    """A day of the home: when counting began, and the totals then, in mJ."""

    since: datetime
    delivered: int
    received: int


class _Home:
    """Energy of the whole home: only differences are added, so adding or removing a breaker makes no jump."""

    def __init__(self, mains: tuple[str, ...], zone: tzinfo | None) -> None:
        self.mains = frozenset(mains)
        self._zone = zone
        self._delivered = self._received = 0
        self._started = False
        self._day: _Day | None = None

    def add(self, now: datetime, delivered: int, received: int) -> None:
        self._turn_day(now)
        self._delivered += delivered
        self._received += received
        self._started = True

    def status(self, now: datetime, power_w: float | None, missing: tuple[str, ...]) -> HouseStatus:
        self._turn_day(now)
        day = self._day
        if not self._started or day is None:
            return HouseStatus(time=now, power_w=power_w, complete=not missing, missing=missing)
        return HouseStatus(
            time=now,
            power_w=power_w,
            complete=not missing,
            missing=missing,
            energy_delivered_wh=self._delivered / MILLIJOULE_PER_WH,
            energy_received_wh=self._received / MILLIJOULE_PER_WH,
            today_since=day.since,
            today_delivered_wh=(self._delivered - day.delivered) / MILLIJOULE_PER_WH,
            today_received_wh=(self._received - day.received) / MILLIJOULE_PER_WH,
        )

    def _turn_day(self, now: datetime) -> None:
        local = now.astimezone(self._zone)
        day = self._day
        if day is not None and day.since.astimezone(self._zone).date() == local.date():
            return
        if day is not None and now < day.since:
            return  # the clock was set back over midnight: yesterday is over
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        # Where nothing was counted before, the day begins now, not at a midnight that nobody saw.
        since = midnight if day is not None else local
        self._day = _Day(since.astimezone(now.tzinfo), self._delivered, self._received)

    def to_json(self) -> str:
        day = self._day
        return json.dumps(
            {
                "delivered": self._delivered,
                "received": self._received,
                "day": [day.since.isoformat(), day.delivered, day.received] if day is not None else None,
            }
        )

    def restore(self, text: str) -> None:
        state = json.loads(text)
        self._delivered, self._received = int(state["delivered"]), int(state["received"])
        self._started = True
        if state["day"] is not None:
            since, delivered, received = state["day"]
            self._day = _Day(datetime.fromisoformat(since), int(delivered), int(received))


def _flows(meter: BreakerMeter) -> tuple[int, int]:
    delivered, received = (sum(ledger.totals.get(flow, 0) for ledger in meter.ledgers) for flow in _FLOWS)
    return delivered, received


def _ledger_to_json(ledger: PoleLedger) -> str:
    return json.dumps({"base": ledger.base, "totals": ledger.totals})


def _ledger_from_json(text: str) -> PoleLedger:
    state = json.loads(text)
    base = state["base"]
    return PoleLedger(
        base=None if base is None else tuple(int(value) for value in base),
        totals={Quantity(name): int(value) for name, value in state["totals"].items()},
    )
