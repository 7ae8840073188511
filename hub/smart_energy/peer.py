"""Who is at the other end: an endpoint of a device."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.aps import ApsFrame
from protocols.ids import Eui64


@dataclass(frozen=True, slots=True)
class Peer:
    """Servers know their clients by it, clients their servers."""

    ieee: Eui64
    endpoint: int

    def __str__(self) -> str:
        return f"{self.ieee}/{self.endpoint}"


@dataclass(frozen=True, slots=True)
class Unreached:
    """Why an endpoint did not get what it was sent."""

    cause: str
    """A sentence; the name of `status`, as KEY_NOT_AUTHORIZED, where there is one."""
    status: int | None = None
    """What the radio says of a transmission that it has tried."""


def peer_of(frame: ApsFrame) -> Peer | None:
    """Who sent a frame; None when the radio does not say."""
    return Peer(frame.source_ieee, frame.source_endpoint) if frame.source_ieee is not None else None


def peer_from(text: str) -> Peer:
    """As `str` wrote it. Raises `ValueError`."""
    ieee, _, endpoint = text.partition("/")
    return Peer(Eui64.parse(ieee), int(endpoint))
