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
from hub.zigbee.backup_rules import BackupStatus
from hub.zigbee.model import AttributeValue, InterviewStep, NetworkStatus, StepState, Topology
from protocols.se.drlc import ReportEventStatus


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


@dataclass(frozen=True, slots=True)
class NetworkChanged:
    """A Zigbee network came up, went down, opened or closed for joining, or moved."""

    time: datetime
    network: NetworkStatus


@dataclass(frozen=True, slots=True)
class BackupChanged:
    """A coordinator was backed up or restored, or that failed, or something is missing in its last backup."""

    time: datetime
    radio: str
    what: str
    """made, well (nothing is missing any more), failed, alarm, acknowledged or restored."""
    detail: str
    """For people; no keys."""
    status: BackupStatus


@dataclass(frozen=True, slots=True)
class DeviceAnnounced:
    """A Zigbee device said that it is there: joined, rejoined, or moved to another network address."""

    time: datetime
    radio: str
    device_id: str
    short: int
    is_new: bool
    accepted: bool
    """False: the network takes only devices that were added by hand, and this one was not."""


@dataclass(frozen=True, slots=True)
class DeviceAuthenticated:
    """Keys are established with a Zigbee device: what is secret goes to it encrypted from now on."""

    time: datetime
    radio: str
    device_id: str


@dataclass(frozen=True, slots=True)
class SmartEnergyChanged:
    """A demand response event, a price or a message is not what it was."""

    time: datetime
    radio: str
    kind: str
    """drlc, price or message."""
    number: int
    """Issuer event id, or message id."""
    what: str
    """As a server: created, delivered, reported, acknowledged, confirmed, active, cancelled, withdrawn (a client has
    heard of a cancelled message, or of a cancel for some classes or a group); signature_valid and signature_invalid of
    what was reported; tariff, of number 0. As a client: what is reported of an event, in small letters (received,
    started, completed ...), opted_out and opted_in; received and active for a price, none, of number 0, when there is
    no active one left; waiting, shown, over, replaced, cancelled and confirmed for a message; settings and cleared, of
    number 0."""


@dataclass(frozen=True, slots=True)
class EventStatusReported:
    """A device has reported a status of a demand response event; every report is told, repeats too."""

    time: datetime
    radio: str
    device_id: str
    endpoint: int
    report: ReportEventStatus
    is_known: bool
    """The event is ours."""


@dataclass(frozen=True, slots=True)
class MirrorChanged:
    """A meter is mirrored at an endpoint of ours, or is no more."""

    time: datetime
    radio: str
    endpoint: int
    device_id: str
    what: str
    """made or removed."""


@dataclass(frozen=True, slots=True)
class TunnelChanged:
    """A tunnel is open, or closed, or has lost data of ours."""

    time: datetime
    radio: str
    tunnel: int
    device_id: str
    what: str
    """opened, closed or overflow."""
    detail: str


@dataclass(frozen=True, slots=True)
class TunnelData:
    """A device has sent data through a tunnel."""

    time: datetime
    radio: str
    tunnel: int
    device_id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class InterviewProgress:
    """A step of a Zigbee device's interview."""

    time: datetime
    radio: str
    device_id: str
    step: InterviewStep
    state: StepState
    done: int
    total: int
    """Questions answered and questions known so far; `total` grows with the endpoints."""
    detail: str
    """For people: "endpoints 1, 2, 3"."""


@dataclass(frozen=True, slots=True)
class AttributesReported:
    """A Zigbee device told attributes: by report, or in answer to a read (`AttributeValue.source` says which)."""

    time: datetime
    device_id: str
    attributes: tuple[AttributeValue, ...]


@dataclass(frozen=True, slots=True)
class GestureMade:
    """A person did something with a remote: pressed, turned, shook it."""

    time: datetime
    device_id: str
    gesture: str
    """"shake", "flip_90", "rotate", "on", "off", "step_up" ..."""
    value: float | None
    """Degrees of a rotation, the side of a cube, percent of a step; None where there is none."""


@dataclass(frozen=True, slots=True)
class DeviceLeft:
    """A Zigbee device left its network; it is kept until a person removes it."""

    time: datetime
    radio: str
    device_id: str
    rejoin: bool


@dataclass(frozen=True, slots=True)
class TopologyScanned:
    """A scan of who hears whom went on, or ended (`topology.finished`)."""

    time: datetime
    topology: Topology


@dataclass(frozen=True, slots=True)
class IdentifyRequested:
    """Somebody on the air asks us to show ourselves for `duration_s` (0: stop)."""

    time: datetime
    radio: str
    endpoint: int
    duration_s: int


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
    | NetworkChanged
    | BackupChanged
    | DeviceAnnounced
    | DeviceAuthenticated
    | SmartEnergyChanged
    | EventStatusReported
    | MirrorChanged
    | TunnelChanged
    | TunnelData
    | InterviewProgress
    | AttributesReported
    | GestureMade
    | DeviceLeft
    | TopologyScanned
    | IdentifyRequested
)
