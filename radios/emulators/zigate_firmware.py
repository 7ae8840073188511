"""What versions of ZiGate's firmware do differently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Firmware:
    """A row of `FIRMWARES`: what a version does."""

    major: int
    installer: int
    has_raw: bool
    status_size: int
    has_confirms: bool
    """0x8012, acknowledged sending, counters to be trusted."""
    has_groups: bool
    """0x0530 sends groups and broadcasts; between 3.1e and 3.21 it only says so."""
    filters_announces: bool
    """In raw mode a device announce comes as 0x004D only."""
    slots: int
    """Acknowledged frames at once."""
    says_a6: bool = False
    """Sends, and answers that the parameters are wrong."""
    is_v2: bool = False


FIRMWARES: Mapping[str, Firmware] = {
    "3.0f": Firmware(3, 0x030F, False, 4, False, False, False, 3),
    "3.1a": Firmware(3, 0x031A, True, 4, False, False, False, 3),
    "3.1d": Firmware(3, 0x031D, True, 6, False, False, False, 3, says_a6=True),
    "3.1e": Firmware(3, 0x031E, True, 8, True, False, False, 7),
    "3.21": Firmware(3, 0x0321, True, 8, True, False, True, 7),
    "3.23": Firmware(3, 0x0323, True, 8, True, True, True, 7),
    "v2-3.22": Firmware(5, 0x0322, True, 8, True, True, True, 3, is_v2=True),
}
