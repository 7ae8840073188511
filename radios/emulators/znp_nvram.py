"""Flash of an emulated Z-Stack stick: items by number, as all versions have them, and tables, as the newest have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from radios.emulators.znp_firmware import Firmware

EXTENDED_ADDRESS, BOOTS, STARTUP_OPTION = 0x0001, 0x0002, 0x0003
NIB, ADDRESSES, BROADCAST_TIME, EXTENDED_PAN_ID = 0x0021, 0x0023, 0x0030, 0x002D
ACTIVE_KEY, OTHER_KEY, LINK_KEY_TABLE, USED_EXTENDED_PAN_ID = 0x003A, 0x003B, 0x004C, 0x0047
IS_ON_NETWORK, NETWORK_KEY, KEY_IS_SET, COUNTERS_OLD, KEY_AND_COUNTER = 0x0055, 0x0062, 0x0063, 0x0075, 0x0082
CONCENTRATOR = 0x0032
PAN_ID, CHANNELS, ROLE, DIRECT_CALLBACKS = 0x0083, 0x0084, 0x0087, 0x008F
SEED, HASHED_KEYS_OLD, LINK_KEYS_OLD = 0x0101, 0x0111, 0x0201
"""Numbers of items (OSAL NV ids)."""
SYSTEM = 1
PLAIN, ADDRESS_TABLE, HASHED_KEYS, LINK_KEYS, COUNTERS = 0, 1, 4, 6, 7
"""Numbers of tables (extended NV ids); plain items are subitems of the first."""
CLEAR_CONFIGURATION, CLEAR_STATE = 0x01, 0x02
"""Bits of the startup option."""
KEYS_OLD, COUNTER_ROWS_OLD, COUNTER_ROWS, LINK_KEY_ROWS = 40, 12, 4, 20
NO_ADDRESS = b"\xff" * 8
FIRST_CHANNELS = 0x00000800
WELL_KNOWN = b"ZigBeeAlliance09"
STATE = (NIB, ACTIVE_KEY, OTHER_KEY, EXTENDED_PAN_ID, IS_ON_NETWORK, KEY_AND_COUNTER, LINK_KEY_TABLE, ADDRESSES, SEED)
"""Items about the network."""
HIDDEN = frozenset((0x0069, 0x006A, 0x006B, ACTIVE_KEY, OTHER_KEY, NETWORK_KEY, SEED))

Key = tuple[int, int, int]
"""System, table, row."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the fields of a structure lie."""

    fields: Sequence[tuple[str, int, int]]
    """Name, size, and what the place is a multiple of where structures have gaps."""

    def _places(self, *, aligned: bool) -> dict[str, tuple[int, int]]:
        at, places = 0, {}
        for name, size, unit in self.fields:
            at += -at % unit if aligned else 0
            places[name] = at, size
            at += size
        return places

    def size(self, *, aligned: bool) -> int:
        """Bytes."""
        places = self._places(aligned=aligned)
        end = max(at + size for at, size in places.values())
        largest = max(unit for _, _, unit in self.fields)
        return end + (-end % largest if aligned else 0)

    def written(self, values: Mapping[str, int | bytes], *, aligned: bool, filler: bytes = b"\x00") -> bytes:
        """A structure; fields that are not named are 0."""
        made = bytearray(filler * self.size(aligned=aligned))
        for name, (at, size) in self._places(aligned=aligned).items():
            value = values.get(name, 0)
            made[at : at + size] = value if isinstance(value, bytes) else value.to_bytes(size, "little")
        return bytes(made)

    def changed(self, data: bytes, name: str, value: int, *, aligned: bool) -> bytes:
        """The same with another number in one field."""
        at, size = self._places(aligned=aligned)[name]
        return data[:at] + value.to_bytes(size, "little") + data[at + size :]

    def read(self, data: bytes, name: str, *, aligned: bool) -> bytes:
        """One field."""
        at, size = self._places(aligned=aligned)[name]
        return data[at : at + size]

    def number(self, data: bytes, name: str, *, aligned: bool) -> int:
        """One field that is a number."""
        return int.from_bytes(self.read(data, name, aligned=aligned), "little")


def _bytes(*names: str) -> list[tuple[str, int, int]]:
    return [(name, 1, 1) for name in names]


NETWORK_LAYOUT = Layout(
    (
        *_bytes("sequence", "passive_ack", "broadcast_retries", "children", "depth", "routers", "spare_neighbours"),
        *_bytes("broadcast_time", "constant_cost", "route_retries", "spare_routes", "secure_all", "security_level"),
        *_bytes("symmetric", "capabilities"),
        ("persistence", 2, 2),
        *_bytes("protocol", "discovery_time", "expiry_time"),
        ("short", 2, 2),
        ("channel", 1, 1),
        ("coordinator", 2, 2),
        ("coordinator_address", 8, 1),
        ("pan_id", 2, 2),
        ("state", 1, 1),
        ("channels", 4, 4),
        *_bytes("beacon_order", "superframe_order", "scan_duration", "battery"),
        ("router_addresses", 4, 4),
        ("device_addresses", 4, 4),
        ("own_depth", 1, 1),
        ("extended_pan_id", 8, 1),
        ("key_loaded", 1, 1),
        ("spare_key_1", 17, 1),
        ("spare_key_2", 17, 1),
        *_bytes("spare_3", "spare_4", "link_status_period", "router_age", "multicast", "concentrator"),
        *_bytes("concentrator_time", "concentrator_radius", "all_fresh"),
        ("manager", 2, 2),
        ("transmissions", 2, 2),
        ("update_id", 1, 1),
    )
)
"""The network information base, `nwkIB_t`."""
ADDRESS_LAYOUT = Layout((("use", 1, 1), ("short", 2, 2), ("address", 8, 1)))
LINK_ROW_LAYOUT = Layout((("row", 2, 2), ("item", 2, 2), ("state", 1, 1)))
HASHED_LAYOUT = Layout(
    (("sent", 4, 4), ("received", 4, 4), ("address", 8, 1), ("attributes", 1, 1), ("kind", 1, 1), ("shift", 1, 1))
)
KEY_LAYOUT = Layout((("key", 16, 1), ("sent", 4, 4), ("received", 4, 4)))
COUNTER_LAYOUT = Layout((("counter", 4, 4), ("extended_pan_id", 8, 1)))
KEY_AND_COUNTER_LAYOUT = Layout((("sequence", 1, 1), ("key", 16, 1), ("counter", 4, 4)))
STARTED = 9
"""State of a network that is up, as the base holds it."""
LINK_ROWS = 20
FREE_ADDRESS, FREE_ADDRESS_OLD = 0xFF, 0x00
"""Use of a row that nobody uses."""


class Nvram:
    """What is in flash. `items` may be looked at."""

    def __init__(self, firmware: Firmware, random: Random, factory_address: int) -> None:
        self.firmware, self._random, self._factory_address = firmware, random, factory_address
        self.items: dict[Key, bytearray] = {}
        self.writes = 0
        self.boot()

    # -- items ---------------------------------------------------------------------------------------------------------

    def get(self, item: int) -> bytes:
        """A plain item; empty: there is none."""
        return bytes(self.items.get((SYSTEM, PLAIN, item), b""))

    def put(self, item: int, data: bytes) -> None:
        """Write a plain item, whatever it was before."""
        self.items[SYSTEM, PLAIN, item] = bytearray(data)

    def number(self, item: int) -> int:
        """A plain item that is a number; 0 when there is none."""
        return int.from_bytes(self.get(item), "little")

    def drop(self, item: int) -> None:
        """Remove a plain item."""
        self.items.pop((SYSTEM, PLAIN, item), None)

    # -- start ---------------------------------------------------------------------------------------------------------

    def boot(self) -> bool:
        """Obey the startup option, and make what is missing; whether the network with all keys was forgotten."""
        option = self.number(STARTUP_OPTION)
        is_cleared = bool(option & CLEAR_STATE)
        if is_cleared:
            for item in STATE:
                self.drop(item)
            for key in [key for key in self.items if key[1] != PLAIN or self._is_old_row(key[2])]:
                del self.items[key]
        if option & CLEAR_CONFIGURATION:
            for item in self._configuration():
                self.drop(item)
        self.put(STARTUP_OPTION, b"\x00")
        for item, data in self._configuration().items():
            self._make(item, data)
        self._make(EXTENDED_ADDRESS, self._factory_address.to_bytes(8, "little"))
        self._make(BOOTS, bytes(2))
        self.put(BOOTS, (self.number(BOOTS) + 1 & 0xFFFF).to_bytes(2, "little"))
        self._make_tables()
        return is_cleared

    @staticmethod
    def _is_old_row(item: int) -> bool:
        return (
            COUNTERS_OLD <= item < COUNTERS_OLD + COUNTER_ROWS_OLD
            or HASHED_KEYS_OLD <= item < HASHED_KEYS_OLD + KEYS_OLD
            or LINK_KEYS_OLD <= item < LINK_KEYS_OLD + LINK_KEY_ROWS
        )

    def _configuration(self) -> dict[int, bytes]:
        return {
            0x0004: bytes(1), BROADCAST_TIME: b"\x1e", CONCENTRATOR: bytes(1), 0x0033: b"\x78", 0x0034: b"\x0a",
            0x0036: b"\x01", 0x0038: b"\xff", 0x0039: b"\x0d", 0x003D: b"\x01", 0x003E: b"\x01",
            USED_EXTENDED_PAN_ID: bytes(8), 0x0048: b"\x01", 0x0061: b"\x05", NETWORK_KEY: b"\xff" * 16,
            KEY_IS_SET: b"\x00", 0x0064: b"\x01", 0x006D: b"\x01", PAN_ID: b"\xff\xff",
            CHANNELS: FIRST_CHANNELS.to_bytes(4, "little"), 0x0086: b"\x03", ROLE: b"\x00", DIRECT_CALLBACKS: b"\x00",
        }  # fmt: skip

    def _make(self, item: int, data: bytes) -> None:
        self.items.setdefault((SYSTEM, PLAIN, item), bytearray(data))

    def _make_tables(self) -> None:
        firmware = self.firmware
        aligned = firmware.is_aligned
        rows = firmware.devices
        if firmware.has_tables:
            for at in range(rows):
                self.items.setdefault((SYSTEM, ADDRESS_TABLE, at), bytearray(self.free_address))
        else:
            self._make(ADDRESSES, self.free_address * rows)
        size = 2 + LINK_ROWS * LINK_ROW_LAYOUT.size(aligned=aligned)
        self._make(LINK_KEY_TABLE, bytes(size))
        for key in self._rows(HASHED_KEYS, HASHED_KEYS_OLD, rows):
            self.items.setdefault(key, bytearray(HASHED_LAYOUT.written({"attributes": 0xFF}, aligned=aligned)))
        for key in self._rows(LINK_KEYS, LINK_KEYS_OLD, LINK_KEY_ROWS):
            self.items.setdefault(key, bytearray(KEY_LAYOUT.size(aligned=aligned)))
        if firmware.has_commissioning:
            for key in self.counter_rows:
                self.items.setdefault(key, bytearray(COUNTER_LAYOUT.size(aligned=aligned)))
            self._make(IS_ON_NETWORK, b"\x00")
            self._make(SEED, self._random.randbytes(16))
        else:
            self._make(KEY_AND_COUNTER, bytes(KEY_AND_COUNTER_LAYOUT.size(aligned=aligned)))
            self._make(SEED, NO_ADDRESS + WELL_KNOWN + bytes(8))

    def _rows(self, table: int, first: int, count: int) -> list[Key]:
        if self.firmware.has_tables:
            return [(SYSTEM, table, at) for at in range(count)]
        return [(SYSTEM, PLAIN, first + at) for at in range(count)]

    @property
    def free_address(self) -> bytes:
        """A row of addresses that nobody uses."""
        use = FREE_ADDRESS if self.firmware.has_tables else FREE_ADDRESS_OLD
        return ADDRESS_LAYOUT.written(
            {"use": use, "short": 0xFFFF, "address": NO_ADDRESS}, aligned=self.firmware.is_aligned, filler=b"\xff"
        )

    @property
    def hashed_rows(self) -> list[Key]:
        """Of keys that follow from the seed."""
        return self._rows(HASHED_KEYS, HASHED_KEYS_OLD, self.firmware.devices)

    @property
    def key_rows(self) -> list[Key]:
        """Of keys as they are."""
        return self._rows(LINK_KEYS, LINK_KEYS_OLD, LINK_KEY_ROWS)

    @property
    def counter_rows(self) -> list[Key]:
        """Of counters of networks."""
        return self._rows(COUNTERS, COUNTERS_OLD, COUNTER_ROWS if self.firmware.has_tables else COUNTER_ROWS_OLD)

    # -- the table of addresses ----------------------------------------------------------------------------------------

    @property
    def addresses(self) -> list[bytes]:
        """All rows."""
        if self.firmware.has_tables:
            return [bytes(self.items[SYSTEM, ADDRESS_TABLE, at]) for at in range(self.firmware.devices)]
        size, whole = len(self.free_address), self.get(ADDRESSES)
        return [whole[at : at + size] for at in range(0, len(whole), size)]

    def put_address(self, at: int, row: bytes) -> None:
        """Write a row."""
        if self.firmware.has_tables:
            self.items[SYSTEM, ADDRESS_TABLE, at] = bytearray(row)
        else:
            self.items[SYSTEM, PLAIN, ADDRESSES][at * len(row) : (at + 1) * len(row)] = row
