"""What versions of TI's Z-Stack do differently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SYS, AF, ZDO, SAPI, UTIL, APP, GREEN_POWER, APP_CONFIG = 0x001, 0x008, 0x010, 0x020, 0x040, 0x100, 0x200, 0x400
"""Subsystems that a firmware has, as it answers a ping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """A row of `FIRMWARES`: what a version does."""

    product: int
    release: tuple[int, int, int]
    build: int
    """Date of the build, as a decimal number."""
    capabilities: int
    is_aligned: bool
    """Structures in flash have gaps, so that numbers lie at multiples of their size."""
    has_tables: bool
    """Flash has items with subitems (and commands for them), where others number all items in one row."""
    hides_keys: bool
    """Items with keys are not read by the usual command, only by that of the simple interface."""
    devices: int
    """Rows of the tables of addresses and keys."""
    needs_own_window: bool
    """Devices join at routers only while the stick itself is open too."""
    checks_profile: bool
    """Messages for another profile than that of the endpoint are dropped."""

    @property
    def has_commissioning(self) -> bool:
        """Networks are formed by Base Device Behaviour (BDB)."""
        return bool(self.capabilities & APP_CONFIG)


_SYSTEM = SYS | AF | ZDO | UTIL
FIRMWARES: Mapping[str, Firmware] = {
    "1.2": Firmware(
        product=0, release=(2, 6, 3), build=20190608, capabilities=_SYSTEM | SAPI | APP, is_aligned=False,
        has_tables=False, hides_keys=True, devices=40, needs_own_window=True, checks_profile=True,
    ),
    "3.0": Firmware(
        product=1, release=(2, 7, 2), build=20190425, capabilities=_SYSTEM | GREEN_POWER | APP_CONFIG,
        is_aligned=False, has_tables=False, hides_keys=False, devices=40, needs_own_window=True, checks_profile=True,
    ),
    "3.x-20210120": Firmware(
        product=1, release=(2, 7, 1), build=20210120, capabilities=_SYSTEM | GREEN_POWER | APP_CONFIG,
        is_aligned=True, has_tables=True, hides_keys=False, devices=50, needs_own_window=True, checks_profile=True,
    ),
    "3.x": Firmware(
        product=1, release=(2, 7, 1), build=20230507, capabilities=_SYSTEM | GREEN_POWER | APP_CONFIG,
        is_aligned=True, has_tables=True, hides_keys=False, devices=50, needs_own_window=False, checks_profile=False,
    ),
}  # fmt: skip
"""1.2 and 3.0 are those of CC2531 sticks, 3.x those of CC1352 and CC2652."""
DEFAULT_FIRMWARE = "3.x"
