"""Registers of an emulated XBee: what is kept in flash, what a restart loses, who may write what."""

from __future__ import annotations

OK, ERROR, UNKNOWN, BAD_PARAMETER = 0, 1, 2, 3

_SIZES = {
    "ID": 8, "SC": 2, "SD": 1, "NJ": 1, "EO": 1, "DO": 1, "BR": 1, "AP": 1, "AO": 1, "NH": 1, "BH": 1, "AR": 1, "SP": 2,
    "PL": 1, "PM": 1, "BD": 4, "NB": 1, "D5": 1, "D6": 1, "D7": 1, "NT": 2, "RO": 1, "II": 2, "LT": 1, "GT": 2, "CC": 1,
    "CT": 2, "DH": 4, "DL": 4, "V+": 2, "CE": 1,
}  # fmt: skip
_DEFAULTS = {"SC": 0x1FFE, "SD": 3, "NJ": 0xFE, "AP": 1, "AO": 1, "NH": 0x1E, "AR": 0xFF, "SP": 0x20, "PL": 4, "PM": 1,
             "BD": 7, "D7": 1, "BR": 1, "II": 0xFFFF, "CC": 0x2B, "CT": 100, "GT": 1000, "NT": 60, "RO": 3}  # fmt: skip
_RANGES = {"SC": (1, 0xFFFF), "SD": (0, 7), "NJ": (0, 0xFE), "AP": (1, 2), "AO": (1, 3), "PL": (0, 4), "PM": (0, 1),
           "BR": (0, 1), "BH": (0, 0x1E), "CE": (0, 1)}  # fmt: skip
_KEYS = {"KY": 16, "NK": 16, "ZU": 22, "ZT": 48, "ZV": 21}
"""Bytes of what can be written and not read."""


class Registers:
    """`flash` is what WR keeps; `now` what counts until the next restart."""

    def __init__(self, *, is_either: bool = False) -> None:
        """`is_either`: firmware for all roles, which has a register for the role."""
        self.flash: dict[str, bytes] = {
            name: _DEFAULTS.get(name, 0).to_bytes(size, "big").lstrip(b"\x00") or b"\x00"
            for name, size in _SIZES.items()
            if name != "CE" or is_either
        }
        self.keys_in_flash: dict[str, bytes] = {}
        self.now = dict(self.flash)
        self.keys = dict(self.keys_in_flash)
        self.queued: dict[str, bytes] = {}
        self.writes = 0
        """Times that flash was written."""

    def restart(self) -> None:
        """Power was lost, or FR came."""
        self.now, self.keys = dict(self.flash), dict(self.keys_in_flash)
        self.queued.clear()

    def keep(self) -> None:
        """WR."""
        self.flash, self.keys_in_flash = dict(self.now), dict(self.keys)
        self.writes += 1

    def number(self, name: str) -> int:
        """A register's value."""
        return int.from_bytes(self.now[name], "big")

    def of(self, name: str) -> bytes | None:
        """What a register or a key is now."""
        return self.now.get(name, self.keys.get(name))

    def read(self, name: str) -> tuple[int, bytes]:
        """Status and value of a register that can be read here; the rest the module answers itself."""
        if name in self.now:
            return OK, self.now[name]
        if name in _KEYS:
            return OK, b"\x00"
        return UNKNOWN, b""

    def write(self, name: str, value: bytes) -> int:
        """Set a register; its status."""
        if name in _KEYS:
            if value == b"\x00":
                self.keys.pop(name, None)
                return OK
            if len(value) != _KEYS[name]:
                return BAD_PARAMETER
            self.keys[name] = value
            return OK
        if name not in self.now:
            return UNKNOWN
        number = int.from_bytes(value, "big")
        low, high = _RANGES.get(name, (0, (1 << 8 * _SIZES[name]) - 1))
        if not low <= number <= high or len(value) > _SIZES[name]:
            return BAD_PARAMETER
        self.now[name] = value.lstrip(b"\x00") or b"\x00"
        return OK
