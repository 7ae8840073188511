"""Identifiers of the Zigbee world: extended addresses, profiles, broadcast addresses."""

from __future__ import annotations

import re

from protocols.errors import RangeError
from protocols.fields import OpenEnum

_SEPARATORS = str.maketrans("", "", ":-.! ")


class Eui64(int):
    """An IEEE extended address. An integer whose text is 16 hex digits: `00137a00000123fc`."""

    __slots__ = ()

    def __new__(cls, value: int) -> Eui64:
        if not 0 <= value < 1 << 64:
            raise RangeError("EUI64", value, "64 bits")
        return super().__new__(cls, value)

    @classmethod
    def parse(cls, text: str) -> Eui64:
        """Read `00137a00000123fc`, with or without `0x`, `:`, `-`, a trailing `!`. Raises `RangeError`."""
        digits = text.strip().lower().translate(_SEPARATORS).removeprefix("0x")
        if not re.fullmatch("[0-9a-f]{16}", digits):
            is_hex = re.fullmatch("[0-9a-f]+", digits) is not None
            counted = f" (it has {len(digits)})" if is_hex else ""
            allowed = f"16 hex digits{counted}, as 00137a00000123fc or 00:13:7a:00:00:01:23:fc"
            raise RangeError("EUI64", text[:40], allowed)
        return cls(int(digits, 16))

    @property
    def names_a_device(self) -> bool:
        """Whether a device can have it: all zero is nobody's, and all ones says that it is not known."""
        return 0 < self < (1 << 64) - 1

    def __str__(self) -> str:
        return f"{int(self):016x}"

    def __repr__(self) -> str:
        return f"Eui64('{self}')"


class Profile(OpenEnum):
    """Application profiles that a home meets (ZCL8 and the profiles' own documents)."""

    ZDO = 0x0000
    HOME_AUTOMATION = 0x0104
    BUILDING_AUTOMATION = 0x0105
    SMART_ENERGY = 0x0109
    GREEN_POWER = 0xA1E0
    LIGHT_LINK = 0xC05E


class BroadcastAddress(OpenEnum):
    """Network addresses that many listen to (Zigbee R21, 3.6.5)."""

    ALL_ROUTERS_AND_COORDINATOR = 0xFFFC
    RECEIVER_ON_WHEN_IDLE = 0xFFFD
    ALL_DEVICES = 0xFFFF


COORDINATOR = 0x0000
"""Network address of every coordinator."""
UNKNOWN_ADDRESS = 0xFFFE
"""A network address that says: the short address is not known (Zigbee R21, 3.6.1.7)."""
FIRST_BROADCAST = 0xFFF8
"""Network addresses from here on are broadcasts or reserved."""
ZDO_ENDPOINT = 0
BROADCAST_ENDPOINT = 0xFF
MAX_APPLICATION_ENDPOINT = 240
