"""Commands of an emulated Z-Stack stick about itself: system, flash, utilities."""

from __future__ import annotations

import asyncio

from radios.emulators.cursor import Cursor, block, u16, u32, u64
from radios.emulators.znp_core import BAD_PARAMETER, FAILED, OK, Core, Handler, Handlers
from radios.emulators.znp_keys import CHILD
from radios.emulators.znp_nvram import CHANNELS, HIDDEN, NETWORK_KEY, PAN_ID, PLAIN, SYSTEM, Key

MADE, NOT_THERE, BAD_LENGTH = b"\x09", b"\x0a", b"\x0c"
"""Statuses of flash: the item is new; the operation failed; the length is another one."""
MAX_READ = 240
TRANSPORT = 2
UNKNOWN_SHORT, NO_ADDRESS = 0xFFFE, 0xFFFFFFFFFFFFFFFF
NOT_USED, OF_CHILD_ASLEEP, OF_CHILD_AWAKE = 0xFF, 1, 2
"""How an associated device is related to the stick."""
MAX_POWER, MIN_POWER = 20, -20
ALL_TYPES = 7
RANDOM_BYTES = 100


class SystemCommands:
    """SYS, UTIL and SAPI."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._time = 0
        self.leds: dict[int, int] = {}

    @property
    def commands(self) -> Handlers:
        """By subsystem and number."""
        core = self._core
        told: dict[int, Handler] = {
            0x0101: lambda _: u16(core.firmware.capabilities),
            0x0102: lambda _: self.version + u32(core.firmware.build),
            0x0103: self._set_address,
            0x0104: lambda _: u64(core.own.ieee),
            0x0107: self._init_item,
            0x0108: lambda fields: self._read_item(fields.u16(), fields.u8()),
            0x0109: lambda fields: self._write_item(fields.u16(), fields.u8(), fields.block()),
            0x010C: lambda _: core.random.randbytes(2),
            0x0110: self._set_time,
            0x0111: lambda _: u32(self._time) + bytes(7),
            0x0112: self._delete_item,
            0x0113: lambda fields: u16(len(self._plain(fields.u16()) or b"")),
            0x0114: self._set_power,
            0x011C: lambda fields: self._read_item(fields.u16(), fields.u16()),
            0x011D: lambda fields: self._write_item(fields.u16(), fields.u16(), fields.take(fields.u16())),
            0x0700: self._device_info,
            0x0701: self._settings,
            0x0706: lambda _: OK,
            0x0709: lambda _: u32(int(asyncio.get_running_loop().time())),
            0x070A: self._set_led,
            0x0710: lambda fields: fields.rest(),
            0x0740: lambda fields: u16(self._short_of(fields.u64())),
            0x0741: lambda fields: u64(self._address_of(fields.u16())),
            0x0748: lambda _: u16(len(self._children)),
            0x0749: self._find_associated,
            0x074A: self._associated,
            0x074C: lambda _: core.random.randbytes(RANDOM_BYTES),
            0x0763: self._dissociate,
            0x0764: self._associate,
        }
        if core.firmware.has_tables:
            told |= {
                0x0130: self._create,
                0x0131: self._delete,
                0x0132: lambda fields: u32(len(core.nvram.items.get(self._key(fields), b""))),
                0x0133: self._read,
                0x0134: self._write,
            }
        if core.firmware.hides_keys:
            told |= {0x0604: self._read_configuration, 0x0605: self._write_configuration}
        return told

    @property
    def version(self) -> bytes:
        """Of transport, product and release: as after a reset."""
        return bytes((TRANSPORT, self._core.firmware.product, *self._core.firmware.release))

    # -- flash, items in a row -----------------------------------------------------------------------------------------

    def _plain(self, item: int) -> bytearray | None:
        return self._core.nvram.items.get((SYSTEM, PLAIN, item))

    def _init_item(self, fields: Cursor) -> bytes:
        item, length, first = fields.u16(), fields.u16(), fields.block()
        if self._plain(item) is not None:
            return OK
        if not length:
            return NOT_THERE
        self._core.nvram.put(item, first[:length].ljust(length, b"\xff"))
        return MADE

    def _read_item(self, item: int, offset: int) -> bytes:
        found = self._plain(item)
        if found is None or offset > len(found):
            return NOT_THERE + b"\x00"
        if item in HIDDEN and self._core.firmware.hides_keys:
            return BAD_PARAMETER + b"\x00"
        return OK + block(bytes(found[offset : offset + MAX_READ]))

    def _write_item(self, item: int, offset: int, data: bytes) -> bytes:
        found = self._plain(item)
        if found is None or offset + len(data) > len(found):
            return NOT_THERE
        found[offset : offset + len(data)] = data
        self._core.nvram.writes += 1
        return OK

    def _delete_item(self, fields: Cursor) -> bytes:
        item, length = fields.u16(), fields.u16()
        found = self._plain(item)
        if found is None:
            return MADE
        if len(found) != length:
            return BAD_LENGTH
        self._core.nvram.drop(item)
        return OK

    def _read_configuration(self, fields: Cursor) -> bytes:
        item = fields.u8()
        found = self._plain(item)
        if found is None:
            return NOT_THERE + bytes((item, 0))
        return OK + bytes((item,)) + block(bytes(found[:MAX_READ]))

    def _write_configuration(self, fields: Cursor) -> bytes:
        return self._write_item(fields.u8(), 0, fields.block())

    # -- flash, tables -------------------------------------------------------------------------------------------------

    @staticmethod
    def _key(fields: Cursor) -> Key:
        return fields.u8(), fields.u16(), fields.u16()

    def _create(self, fields: Cursor) -> bytes:
        key, length = self._key(fields), fields.u32()
        if key in self._core.nvram.items:
            return OK
        if not 0 < length <= 0xFFFF:
            return BAD_PARAMETER
        self._core.nvram.items[key] = bytearray(b"\xff" * length)
        return MADE

    def _delete(self, fields: Cursor) -> bytes:
        return OK if self._core.nvram.items.pop(self._key(fields), None) is not None else MADE

    def _read(self, fields: Cursor) -> bytes:
        key, offset, length = self._key(fields), fields.u16(), fields.u8()
        found = self._core.nvram.items.get(key)
        if found is None or offset > len(found):
            return NOT_THERE + b"\x00"
        return OK + block(bytes(found[offset : offset + min(length, MAX_READ)]))

    def _write(self, fields: Cursor) -> bytes:
        key, offset, data = self._key(fields), fields.u16(), fields.block()
        found = self._core.nvram.items.get(key)
        if found is None or offset + len(data) > len(found):
            return NOT_THERE
        found[offset : offset + len(data)] = data
        self._core.nvram.writes += 1
        return OK

    # -- the stick -----------------------------------------------------------------------------------------------------

    def _set_address(self, fields: Cursor) -> bytes:
        self._core.nvram.put(0x0001, fields.take(8))
        return OK

    def _set_time(self, fields: Cursor) -> bytes:
        self._time = fields.u32()
        return OK

    def _set_power(self, fields: Cursor) -> bytes:
        """Newer versions say whether it could be; older ones, what it is now."""
        asked = int.from_bytes(fields.take(1), "little", signed=True)
        power = max(MIN_POWER, min(MAX_POWER, asked))
        return OK if self._core.firmware.has_tables else power.to_bytes(1, "little", signed=True)

    def _set_led(self, fields: Cursor) -> bytes:
        self.leds[fields.u8()] = fields.u8()
        return OK

    def _device_info(self, _: Cursor) -> bytes:
        core, children = self._core, [short for _, short in self._children]
        head = OK + u64(core.own.ieee) + u16(core.own.short) + bytes((ALL_TYPES, core.state, len(children)))
        return head + b"".join(map(u16, children))

    def _settings(self, _: Cursor) -> bytes:
        nvram = self._core.nvram
        key = bytes(16) if self._core.firmware.hides_keys else nvram.get(NETWORK_KEY)
        return OK + u64(self._core.own.ieee) + nvram.get(CHANNELS) + nvram.get(PAN_ID) + b"\x05" + key

    # -- who is who ----------------------------------------------------------------------------------------------------

    def _short_of(self, ieee: int) -> int:
        found = self._core.heard.get(ieee)
        kept = self._core.keys.short_of(ieee) if found is None else found
        return UNKNOWN_SHORT if kept is None else kept

    def _address_of(self, short: int) -> int:
        return next((ieee for ieee, known in self._core.heard.items() if known == short), NO_ADDRESS)

    @property
    def _children(self) -> list[tuple[int, int]]:
        return self._core.keys.children()

    def _record(self, ieee: int, short: int, relation: int) -> bytes:
        """`associated_devices_t`, with its gaps where this version has them; the size is what hosts look at."""
        row = self._core.keys.row_of(ieee) if ieee else None
        head = u16(short) + u16(0xFFFF if row is None else row) + bytes((relation, 0, 0, 0))
        return head.ljust(36 if self._core.firmware.is_aligned else 28, b"\x00")

    def _find_associated(self, fields: Cursor) -> bytes:
        at, children = fields.u8(), self._children
        if at >= len(children):
            return self._record(0, 0xFFFF, NOT_USED)
        return self._record(*children[at], OF_CHILD_ASLEEP)

    def _associated(self, fields: Cursor) -> bytes:
        wide, short = fields.u64(), fields.u16()
        for ieee, known in self._children:
            if ieee == wide or (not wide and known == short):
                return self._record(ieee, known, OF_CHILD_ASLEEP)
        return self._record(0, 0xFFFF, NOT_USED)

    def _dissociate(self, fields: Cursor) -> bytes:
        ieee = fields.u64()
        found = any(child == ieee for child, _ in self._children)
        self._core.keys.forget_use(ieee, CHILD)
        return OK if found else FAILED

    def _associate(self, fields: Cursor) -> bytes:
        short, ieee = fields.u16(), fields.u64()
        return OK if self._core.keys.note(ieee, short, CHILD) is not None else FAILED
