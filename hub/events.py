"""Everything that happens, as frozen dataclasses. `HubEvent` is their union.

In prose "event" alone means a Smart Energy event; what is on the bus is a hub event.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.model import (
    ChangeCause,
    Command,
    Device,
    HouseStatus,
    KeyStatus,
    Position,
    RadioStatus,
    Reading,
    StorageStatus,
)


@dataclass(frozen=True, slots=True)
class DeviceAdded:
    """A device was seen for the first time."""

    time: datetime
    device: Device


@dataclass(frozen=True, slots=True)
class DeviceChanged:
    """A device's name, area, address, availability or protection changed."""

    time: datetime
    device: Device


@dataclass(frozen=True, slots=True)
class DeviceRemoved:
    """A device was removed by a person."""

    time: datetime
    device_id: str


@dataclass(frozen=True, slots=True)
class ReadingsTaken:
    """Readings of one device taken at one moment."""

    time: datetime
    device_id: str
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """A breaker's contacts are somewhere else than before."""

    time: datetime
    device_id: str
    position: Position
    previous: Position
    cause: ChangeCause


@dataclass(frozen=True, slots=True)
class CommandChanged:
    """A command was recorded, or ended."""

    time: datetime
    command: Command


@dataclass(frozen=True, slots=True)
class KeyChanged:
    """A key was set, expires within a day, or expired."""

    time: datetime
    key: KeyStatus


@dataclass(frozen=True, slots=True)
class RadioChanged:
    """A radio came up or went down."""

    time: datetime
    radio: RadioStatus


@dataclass(frozen=True, slots=True)
class StorageChanged:
    """The database stopped taking records, or takes them again."""

    time: datetime
    storage: StorageStatus


@dataclass(frozen=True, slots=True)
class HouseChanged:
    """The sums over the home, about once a second."""

    time: datetime
    house: HouseStatus


HubEvent = (
    DeviceAdded
    | DeviceChanged
    | DeviceRemoved
    | ReadingsTaken
    | BreakerChanged
    | CommandChanged
    | KeyChanged
    | RadioChanged
    | StorageChanged
    | HouseChanged
)
