"""What a ZiGate's firmware can do, by its version (ZIGATE: 0x8010, and the tables of changes)."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.zigate.responses import Version

_V2_MAJORS = frozenset((0x0005, 0x0105))
"""ZiGate+ and V2; the first builds of V2 gave 0x0105."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """A version, and what follows from it."""

    name: str
    """"3.1e"."""
    model: str
    is_v2: bool
    has_raw: bool
    """Raw APS mode, both ways: from 3.1a on."""
    has_confirms: bool
    """0x8012 for each frame, with counters to be trusted; acknowledged and extended-address sending: from 3.1e."""
    is_mistaken_about_sends: bool
    """3.1d answers most sends with INVALID_PARAMETER although the frame goes out."""
    has_groups_and_broadcasts: bool
    """By 0x0530: from 3.23, and V2. Between 3.1e and 3.21 they are acknowledged and not sent."""
    sends_broadcasts_only_to_all: bool
    in_flight: int
    """Acknowledged frames at once, one below what the stack has slots for: its own requests need one too."""

    @property
    def mode(self) -> str:
        """How the driver uses it, for people."""
        if not self.has_raw:
            return "native commands"
        return "raw APS, acknowledged" if self.has_confirms else "raw APS, unacknowledged"


def firmware_of(version: Version) -> Firmware:
    """The row for a version; what is not known is taken for its nearest elder."""
    number = version.installer
    is_v2 = version.major in _V2_MAJORS
    kind = "ZiGate V2" if is_v2 else "ZiGate V1" + (" (OptiPDM)" if version.major == 0x0004 else "")
    confirms = is_v2 or number >= 0x031E
    # V2 has 3 slots for acknowledged frames and V1 3 until 3.1d, 7 from then on; of those 4 are filled: its 14 APDUs
    # are also for what it receives meanwhile.
    return Firmware(
        name=f"{number >> 8:x}.{number & 0xFF:x}" if number & 0xF0 else f"{number >> 8:x}.0{number & 0xFF:x}",
        model=kind,
        is_v2=is_v2,
        has_raw=is_v2 or number >= 0x031A,
        has_confirms=confirms,
        is_mistaken_about_sends=not is_v2 and number == 0x031D,
        has_groups_and_broadcasts=is_v2 or number >= 0x0323,
        sends_broadcasts_only_to_all=True,
        in_flight=2 if is_v2 or not confirms else 4,
    )
