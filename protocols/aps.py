"""The application support layer's data unit: the one thing that every Zigbee radio carries, both ways."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from protocols.ids import FIRST_BROADCAST, Eui64


class Delivery(Enum):
    """To whom a frame goes."""

    UNICAST = "unicast"
    GROUP = "group"
    BROADCAST = "broadcast"


class Security(Enum):
    """How a frame is protected on the air."""

    NONE = "none"
    NETWORK = "network"
    """The network key only: every member of the network can read it."""
    LINK_KEY = "link_key"
    """APS encryption with a key that only the two ends have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApsFrame:
    """A data request (ours) or a data indication (theirs). Zigbee R21, 2.2.4.1."""

    profile: int
    cluster: int
    source_endpoint: int
    destination_endpoint: int
    payload: bytes
    """Of ZCL or ZDO, without any APS or network header."""
    source: int | None = None
    """Network address of the sender; None in a frame that we send, or when the radio only told `source_ieee`."""
    source_ieee: Eui64 | None = None
    """Extended address of the sender where the radio tells it."""
    destination: int | None = None
    """Network address, group or broadcast address, by `delivery`. In an indication None if the radio does not tell."""
    destination_ieee: Eui64 | None = None
    """To be used in place of a network address that is not known."""
    delivery: Delivery = Delivery.UNICAST
    security: Security = Security.NETWORK
    ack: bool = True
    """Ask the far end's APS layer for an acknowledgement. Unicast only."""
    radius: int = 0
    """Hops at most; 0: the network's maximum."""
    counter: int | None = None
    """APS counter of an indication where the radio tells it."""
    lqi: int | None = None
    """Link quality of the last hop, 0 to 255, where the radio tells it."""
    rssi_dbm: int | None = None

    def __post_init__(self) -> None:
        if self.delivery is Delivery.UNICAST and self.destination is not None and self.destination >= FIRST_BROADCAST:
            object.__setattr__(self, "delivery", Delivery.BROADCAST)
