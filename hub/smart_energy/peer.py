"""Who is at the other end: an endpoint of a device."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.ids import Eui64


@dataclass(frozen=True, slots=True)
class Peer:
    """Servers know their clients by it, clients their servers."""

    ieee: Eui64
    endpoint: int

    def __str__(self) -> str:
        return f"{self.ieee}/{self.endpoint}"
