"""Link keys of an emulated Z-Stack stick: plain ones in flash, those that follow from a seed, installation codes."""

from __future__ import annotations

from radios.emulators.air import Station
from radios.emulators.znp_nvram import (
    ADDRESS_LAYOUT,
    HASHED_LAYOUT,
    KEY_LAYOUT,
    LINK_KEY_TABLE,
    LINK_KEYS_OLD,
    LINK_ROW_LAYOUT,
    LINK_ROWS,
    NO_ADDRESS,
    SEED,
    WELL_KNOWN,
    Nvram,
)

CHILD, SECURED = 0x01, 0x02
"""Bits of how a row of addresses is used."""
AUTHENTICATED = 0x01
"""State of a link key."""
NOT_HASHED = 0xFF
"""Attributes of a row of hashed keys that nobody uses."""
UNKNOWN_SHORT = 0xFFFE


class Keys:
    """Who has which link key."""

    def __init__(self, nvram: Nvram) -> None:
        self._nvram = nvram
        self.codes: dict[int, bytes] = {}
        """Keys of devices that may join with their own, by extended address."""
        self.only_codes = False
        """Nobody else may join."""

    def restarted(self) -> None:
        """Settings of commissioning are not in flash."""
        self.only_codes = False

    @property
    def _aligned(self) -> bool:
        return self._nvram.firmware.is_aligned

    # -- addresses -----------------------------------------------------------------------------------------------------

    def row_of(self, ieee: int) -> int | None:
        """Where a device is in the table of addresses."""
        wanted = ieee.to_bytes(8, "little")
        for at, row in enumerate(self._nvram.addresses):
            if ADDRESS_LAYOUT.read(row, "address", aligned=self._aligned) == wanted:
                return at
        return None

    def short_of(self, ieee: int) -> int | None:
        """The network address that flash has for a device."""
        at = self.row_of(ieee)
        if at is None:
            return None
        return ADDRESS_LAYOUT.number(self._nvram.addresses[at], "short", aligned=self._aligned)

    def children(self) -> list[tuple[int, int]]:
        """Extended and network addresses of end devices that hang on the stick."""
        found: list[tuple[int, int]] = []
        for row in self._nvram.addresses:
            use, wide = (ADDRESS_LAYOUT.read(row, name, aligned=self._aligned) for name in ("use", "address"))
            if use[0] & CHILD and use[0] != 0xFF and wide != NO_ADDRESS:
                short = ADDRESS_LAYOUT.number(row, "short", aligned=self._aligned)
                found.append((int.from_bytes(wide, "little"), short))
        return found

    def note(self, ieee: int, short: int, use: int) -> int | None:
        """Into the table of addresses; where. None: it is full."""
        at = self.row_of(ieee)
        rows = self._nvram.addresses
        if at is None:
            free = self._nvram.free_address
            at = next((place for place, row in enumerate(rows) if row[-8:] == free[-8:]), None)
            if at is None:
                return None
        else:
            before = ADDRESS_LAYOUT.number(rows[at], "use", aligned=self._aligned)
            use |= before if before != 0xFF else 0
        row = ADDRESS_LAYOUT.written(
            {"use": use, "short": short, "address": ieee}, aligned=self._aligned, filler=b"\xff"
        )
        self._nvram.put_address(at, row)
        return at

    def forget_use(self, ieee: int, use: int) -> None:
        """A device is not used so any more; without any use it is not in the table."""
        at = self.row_of(ieee)
        if at is None:
            return
        row = self._nvram.addresses[at]
        left = ADDRESS_LAYOUT.number(row, "use", aligned=self._aligned) & ~use & 0xFF
        short = ADDRESS_LAYOUT.number(row, "short", aligned=self._aligned)
        made = {"use": left, "short": short, "address": ieee}
        row = ADDRESS_LAYOUT.written(made, aligned=self._aligned, filler=b"\xff") if left else self._nvram.free_address
        self._nvram.put_address(at, row)

    # -- plain keys ----------------------------------------------------------------------------------------------------

    @property
    def _links(self) -> list[tuple[int, int, int]]:
        """Row of addresses, row of keys and state of each key."""
        whole, size = self._nvram.get(LINK_KEY_TABLE), LINK_ROW_LAYOUT.size(aligned=self._aligned)
        first = 0 if self._nvram.firmware.has_tables else LINK_KEYS_OLD
        found: list[tuple[int, int, int]] = []
        for at in range(2, 2 + int.from_bytes(whole[:2], "little") * size, size):
            row = whole[at : at + size]
            names = (LINK_ROW_LAYOUT.number(row, name, aligned=self._aligned) for name in ("row", "item", "state"))
            address, item, state = names
            found.append((address, item - first, state))
        return found

    def _put_links(self, links: list[tuple[int, int, int]]) -> None:
        first = 0 if self._nvram.firmware.has_tables else LINK_KEYS_OLD
        made = len(links).to_bytes(2, "little")
        for address, place, state in links:
            row: dict[str, int | bytes] = {"row": address, "item": first + place, "state": state}
            made += LINK_ROW_LAYOUT.written(row, aligned=self._aligned)
        self._nvram.put(LINK_KEY_TABLE, made.ljust(len(self._nvram.get(LINK_KEY_TABLE)), b"\x00"))

    def plain(self, ieee: int) -> bytes | None:
        """A key that is in flash as it is."""
        at = self.row_of(ieee)
        for address, place, state in self._links:
            if address == at and state == AUTHENTICATED:
                row = bytes(self._nvram.items[self._nvram.key_rows[place]])
                return KEY_LAYOUT.read(row, "key", aligned=self._aligned)
        return None

    def store(self, ieee: int, short: int, key: bytes) -> bool:
        """A new key with a device, or its first; False: there is no room."""
        at = self.note(ieee, short, SECURED)
        if at is None:
            return False
        links = self._links
        taken = {place for _, place, _ in links}
        place = next((found for address, found, _ in links if address == at), None)
        if place is None:
            if len(links) >= LINK_ROWS:
                return False
            place = next(free for free in range(len(self._nvram.key_rows)) if free not in taken)
            self._put_links([*links, (at, place, AUTHENTICATED)])
        row = KEY_LAYOUT.written({"key": key}, aligned=self._aligned)
        self._nvram.items[self._nvram.key_rows[place]] = bytearray(row)
        return True

    def remove(self, ieee: int) -> bool:
        """Forget a device's key; whether there was one."""
        at = self.row_of(ieee)
        left = [link for link in self._links if link[0] != at]
        had_code = self.codes.pop(ieee, None) is not None
        found = len(left) < len(self._links) or had_code
        self._put_links(left)
        self.forget_use(ieee, SECURED)
        return found

    # -- keys from the seed --------------------------------------------------------------------------------------------

    def hashed(self, ieee: int) -> bytes | None:
        """A key that follows from the seed, the device's address and a number."""
        wide = ieee.to_bytes(8, "little")
        for key in self._nvram.hashed_rows:
            row = bytes(self._nvram.items.get(key, b""))
            if not row or HASHED_LAYOUT.read(row, "address", aligned=self._aligned) != wide:
                continue
            if HASHED_LAYOUT.number(row, "attributes", aligned=self._aligned) == NOT_HASHED:
                continue
            shift, seed = HASHED_LAYOUT.number(row, "shift", aligned=self._aligned), self._nvram.get(SEED)
            turned = seed[shift:] + seed[:shift]
            return bytes(one ^ other for one, other in zip(turned, wide * 2, strict=True))
        return None

    # -- what the rest of the stick asks -------------------------------------------------------------------------------

    def key_for(self, ieee: int) -> bytes | None:
        """The link key with somebody; None: there is none but the one that all share."""
        return (
            self.plain(ieee)
            or (self.hashed(ieee) if self._nvram.firmware.has_commissioning else None)
            or (self.codes.get(ieee))
        )

    @property
    def shared(self) -> bytes:
        """The link key of all who have none of their own."""
        return WELL_KNOWN if self._nvram.firmware.has_commissioning else self._nvram.get(SEED)[8:24]

    def admits(self, station: Station) -> bool:
        """Whether a device that joins gets the network key in a form that it can read."""
        own = self.key_for(station.ieee)
        wanted = station.link_key or WELL_KNOWN
        if own is not None:
            return own == wanted
        return not self.only_codes and wanted == self.shared

    def fits(self, station: Station) -> bool:
        """Whether a device and the stick have the same link key with each other."""
        own = self.key_for(station.ieee) or self.shared
        return own == (station.link_key or WELL_KNOWN)
