"""Who hears what a network says."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

from hub.zigbee.member import Member
from protocols.aps import ApsFrame
from protocols.ids import Eui64
from protocols.zcl.header import ZclHeader
from radios.api import DeviceAuthenticated, DeviceJoined, DeviceLeft, NetworkInfo

if TYPE_CHECKING:
    from hub.zigbee.network import Network


class Taken(Enum):
    """What became of a cluster command of a device."""

    ANSWERED = "answered"
    """With a command of its own: nothing more is said."""
    UNDERSTOOD = "understood"
    """It meant something: the device hears so if it wants to."""
    UNKNOWN = "unknown"
    """It is for our own endpoints, or for nobody."""


class Listener(Protocol):
    """Who hears what a network says."""

    def heard(self, member: Member) -> None:
        """A frame of a known device arrived."""
        ...

    def announced(self, network: Network, event: DeviceJoined) -> None:
        """A device is there: new, back, or with another network address."""
        ...

    def stranger(self, network: Network, ieee: Eui64, short: int) -> Member | None:
        """A frame came of a device that is not in the list; the member if it may be in it now."""
        ...

    def authenticated(self, network: Network, event: DeviceAuthenticated) -> None:
        """A device has established keys with us."""
        ...

    def left(self, network: Network, event: DeviceLeft) -> None:
        """A device left."""
        ...

    def reported(self, member: Member, frame: ApsFrame, header: ZclHeader, payload: bytes) -> bool:
        """Attributes came by themselves; whether all of them could be read."""
        ...

    def answered(self, member: Member, frame: ApsFrame, header: ZclHeader, payload: bytes) -> None:
        """Attributes were read, and nobody waits for them any more: a late answer, or one more."""
        ...

    def commanded(self, network: Network, member: Member, frame: ApsFrame, header: ZclHeader, payload: bytes) -> Taken:
        """A cluster command of a device."""
        ...

    def moved(self, network: Network, info: NetworkInfo) -> None:
        """The radio's network is not what it was."""
        ...

    def failed(self, member: Member) -> None:
        """A transmission failed; `member.failures` counts those in a row."""
        ...
