"""The device list: what there is, what it is called, whether it can be reached, and what it said last."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from hub.bus import Bus
from hub.clock import Clock
from hub.errors import InvalidError, NotFoundError
from hub.events import DeviceAdded, DeviceChanged, DeviceRemoved, ReadingsTaken
from hub.model import (
    QUANTITIES,
    Availability,
    BreakerState,
    Capability,
    ChangeCause,
    Channel,
    Device,
    DeviceKind,
    LatestReadings,
    Position,
    Quantity,
    QuantityKind,
    Reading,
)
from hub.store import Statement, Store

log = logging.getLogger(__name__)

LONGEST_NAME = 64
"""Characters of a device's name or area: what a card on a phone can show in two lines."""
SEEN_INTERVAL_S = 60.0
"""`last_seen` goes to disk no more often than this."""

_COLUMNS = (
    "id, radio, kind, name, area, manufacturer, model, address, capabilities, protected, "
    "first_seen, last_seen, position, commanded, changed_at, cause"
)


class Devices:
    """All devices by id, in the order in which they were first seen. Changes are on disk before they are visible."""

    def __init__(self, store: Store, bus: Bus, clock: Clock) -> None:
        self._store, self._bus, self._clock = store, bus, clock
        self._devices: dict[str, Device] = {}
        self._latest: dict[str, dict[tuple[Channel, Quantity], float]] = {}
        self._latest_at: dict[str, datetime] = {}
        self._seen_written: dict[str, datetime] = {}
        self._heard: dict[str, tuple[datetime, int | None]] = {}
        """When devices were heard since they were last looked at, and how well: a copy of a device for each of its
        frames would cost more than the frame."""

    async def load(self) -> None:
        """Read the list back after a start; everything is unavailable until it has been heard."""
        for row in await self._store.read(f"SELECT {_COLUMNS} FROM device ORDER BY first_seen, id"):
            device = _from_row(row)
            self._devices[device.id] = device

    def all(self) -> list[Device]:
        """Every device, oldest first."""
        for device_id in list(self._heard):
            self.find(device_id)
        return list(self._devices.values())

    def get(self, device_id: str) -> Device:
        """One device. Raises `NotFoundError` with the ids that look alike."""
        device = self.find(device_id)
        if device is None:
            raise NotFoundError("device", device_id, tuple(difflib.get_close_matches(device_id, self._devices, 3)))
        return device

    def find(self, device_id: str) -> Device | None:
        """One device, or None."""
        device = self._devices.get(device_id)
        heard = self._heard.pop(device_id, None)
        if device is not None and heard is not None:
            time, lqi = heard
            device = replace(device, last_seen=time, lqi=lqi if lqi is not None else device.lqi)
            self._devices[device_id] = device
        return device

    def latest(self, device_id: str) -> LatestReadings:
        """What a device said last; empty before it said anything."""
        return LatestReadings(self._latest_at.get(device_id), self._latest.get(device_id, {}))

    def add(self, device: Device, *, is_heard: bool = True) -> Device:
        """A device is heard for the first time, or listed before it is (`is_heard`)."""
        now = self._clock.now()
        device = replace(device, first_seen=now, last_seen=now if is_heard else None)
        self._devices[device.id] = device
        self._store.append(_insert(device))
        self._bus.publish(DeviceAdded(now, device))
        return device

    def change(self, device: Device) -> Device:
        """A radio's news of a device: address, availability, contacts. Published only if something is different."""
        before = self.get(device.id)
        if device == before:
            return device
        self._devices[device.id] = device
        self._store.append(_insert(device))
        self._bus.publish(DeviceChanged(self._clock.now(), device))
        return device

    def seen(self, device_id: str, lqi: int | None = None) -> None:
        """A device was heard just now, with this link quality. Not worth an event; on disk once a minute."""
        if device_id not in self._devices:
            return  # removed by a person, and not taken up again yet
        now = self._clock.now()
        self._heard[device_id] = (now, lqi)
        written = self._seen_written.get(device_id)
        if written is None or (now - written).total_seconds() >= SEEN_INTERVAL_S:
            self._seen_written[device_id] = now
            self._store.append(_insert(self.get(device_id)))

    def take(self, device_id: str, readings: tuple[Reading, ...]) -> None:
        """Readings of a device arrived: keep them as the latest and publish them."""
        if not readings:
            return
        now = self._clock.now()
        latest = self._latest.setdefault(device_id, {})
        for reading in readings:
            latest[reading.channel, reading.quantity] = reading.value
        self._latest_at[device_id] = now
        self._bus.publish(ReadingsTaken(now, device_id, readings))

    def forget_readings(self, device_id: str) -> None:
        """What a device said last is not true any more: gauges of a silent device are unknown, not what they were."""
        latest = self._latest.get(device_id, {})
        for key in [key for key in latest if key[1] in _MOMENTARY]:
            del latest[key]

    def forget_gauges(self, device_id: str, series: Iterable[tuple[Channel, Quantity]]) -> None:
        """A device says that it does not know these now."""
        latest = self._latest.get(device_id, {})
        for key in series:
            latest.pop(key, None)

    async def update(
        self, device_id: str, name: str | None = None, area: str | None = None, protected: bool | None = None
    ) -> Device:
        """A person renames, places or protects a device. On disk when it returns. Raises `InvalidError`."""
        before = self.get(device_id)
        after = before
        if name is not None:
            after = replace(after, name=_label("name", name, at_least=1))
        if area is not None:
            after = replace(after, area=_label("area", area, at_least=0))
        if protected is not None:
            after = replace(after, protected=protected)
        if after == before:
            return before
        await self._store.write(_insert(after))
        current = replace(
            self.get(device_id), name=after.name, area=after.area, protected=after.protected
        )  # a radio may have had news meanwhile
        self._devices[device_id] = current
        self._bus.publish(DeviceChanged(self._clock.now(), current))
        return current

    async def remove(self, device_id: str) -> None:
        """A person removes a device. Its history stays; it is listed again if it is heard again."""
        self.get(device_id)
        await self._store.write(("DELETE FROM device WHERE id = ?", [(device_id,)]))
        self._devices.pop(device_id, None)
        self._heard.pop(device_id, None)
        self._latest.pop(device_id, None)
        self._latest_at.pop(device_id, None)
        self._bus.publish(DeviceRemoved(self._clock.now(), device_id))


_LASTING = frozenset((Quantity.BATTERY, Quantity.BATTERY_VOLTAGE))
"""Gauges that stay true while a device is silent: its battery is not charged by silence."""
_MOMENTARY = frozenset(
    quantity for quantity, info in QUANTITIES.items() if info.kind is QuantityKind.GAUGE and quantity not in _LASTING
)


def _label(field: str, text: str, at_least: int) -> str:
    text = text.strip()
    if not at_least <= len(text) <= LONGEST_NAME or not text.isprintable():
        raise InvalidError(field, text[:80], f"{at_least} to {LONGEST_NAME} printable characters")
    return text


def _milliseconds(time: datetime | None) -> int | None:
    return None if time is None else round(time.timestamp() * 1000)


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


def _insert(device: Device) -> Statement:
    breaker = device.breaker
    row = (
        device.id,
        device.radio,
        device.kind.value,
        device.name,
        device.area,
        device.manufacturer,
        device.model,
        device.address,
        ",".join(device.capabilities),
        int(device.protected),
        _milliseconds(device.first_seen),
        _milliseconds(device.last_seen),
        breaker.position.value if breaker else None,
        breaker.commanded.value if breaker and breaker.commanded else None,
        _milliseconds(breaker.changed_at) if breaker else None,
        breaker.cause.value if breaker and breaker.cause else None,
    )
    marks = ", ".join("?" * len(row))
    return (f"INSERT OR REPLACE INTO device ({_COLUMNS}) VALUES ({marks})", [row])


def _from_row(row: tuple[object, ...]) -> Device:
    (
        device_id, radio, kind, name, area, manufacturer, model, address, capabilities, protected,
        first_seen, last_seen, position, commanded, changed_at, cause,
    ) = row  # fmt: skip
    breaker = None
    if isinstance(position, str):
        breaker = BreakerState(
            # Where the contacts were; where they are now, the first poll will tell.
            position=Position(position),
            commanded=Position(commanded) if isinstance(commanded, str) else None,
            changed_at=_time(changed_at if isinstance(changed_at, int) else None),
            cause=ChangeCause(cause) if isinstance(cause, str) else None,
        )
    return Device(
        id=str(device_id),
        radio=str(radio),
        kind=DeviceKind(str(kind)),
        name=str(name),
        area=str(area),
        manufacturer=str(manufacturer),
        model=str(model),
        address=str(address),
        capabilities=tuple(Capability(item) for item in str(capabilities).split(",") if item),
        availability=Availability.UNAVAILABLE,
        availability_detail="not heard since the hub started",
        protected=bool(protected),
        first_seen=_time(first_seen if isinstance(first_seen, int) else None),
        last_seen=_time(last_seen if isinstance(last_seen, int) else None),
        breaker=breaker,
    )
