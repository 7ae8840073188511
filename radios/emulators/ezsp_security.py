"""Keys of an emulated EZSP stick: initial state, key table, transient keys, and both ways to ask for them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from radios.emulators.air import Station
from radios.emulators.cursor import Cursor, u16, u32, u64
from radios.emulators.ezsp_core import Core, Handler, Handlers
from radios.emulators.ezsp_settings import (
    ALLOW_JOINS,
    KEY_TABLE,
    ONLY_INSTALL_CODES,
    TRANSIENT_KEYS_S,
    TRUST_CENTRE_POLICY,
)
from radios.emulators.ezsp_store import GLOBAL_KEY, HASHED_KEYS, InitialSecurity, LinkKey, StoredNetwork
from radios.emulators.ezsp_versions import Outcome

ANYBODY = 0xFFFFFFFFFFFFFFFF
WELL_KNOWN = b"ZigBeeAlliance09"
NO_KEY = bytes(16)
ANY_PLACE, NOT_IN_TABLE = 0xFF, 0xFF
NETWORK, TRUST_CENTRE_LINK, TRANSIENT, APPLICATION_LINK = 1, 2, 3, 4
"""Kinds of keys of the security manager."""
OLD_TRUST_CENTRE_LINK, OLD_NETWORK, OLD_APPLICATION_LINK = 1, 3, 5
"""The same before."""
HAS_SEQUENCE, HAS_OUTGOING, HAS_INCOMING, HAS_PARTNER = 0x01, 0x02, 0x04, 0x08
HAVE_LINK_KEY = 0x10
CBKE = (0x00A4, 0x009F, 0x00A1, 0x00A5, 0x00A2)
"""Key establishment in firmware: its library is not in these."""


@dataclass(frozen=True, slots=True)
class TransientKey:
    """With which a device may join, for some minutes."""

    ieee: int
    key: bytes
    until: float


class Security:
    """The stick's keys."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.restarted()

    def restarted(self) -> None:
        """Only flash is left."""
        self.initial: InitialSecurity | None = None
        self.transient: dict[int, TransientKey] = {}

    # -- what the rest of the stick asks -------------------------------------------------------------------------------

    def _lasting(self, ieee: int) -> LinkKey | None:
        return next((row for row in self._core.flash.link_keys.values() if row.ieee == ieee), None)

    def _passing(self, ieee: int) -> bytes | None:
        found = self.transient.get(ieee)
        if found is None or found.until < asyncio.get_running_loop().time():
            self.transient.pop(ieee, None)
            return None
        return found.key

    def key_for(self, ieee: int) -> bytes | None:
        """The link key with somebody; None: there is none but the network's own."""
        row = self._lasting(ieee)
        if row is not None:
            return row.key
        passing = self._passing(ieee)
        if passing is not None:
            return passing
        network = self._core.flash.network
        if network is not None and ieee == network.trust_centre and network.short:
            return network.security.link_key
        return None

    def admits(self, station: Station) -> bool:
        """Whether a device that joins gets the network key in a form that it can read."""
        policy = self._core.policies[TRUST_CENTRE_POLICY]
        network = self._core.flash.network
        if network is None or not policy & ALLOW_JOINS:
            return False
        wanted = station.link_key
        own = self.key_for(station.ieee)
        if own is not None:
            return own == (wanted or WELL_KNOWN)
        if policy & ONLY_INSTALL_CODES:
            return False
        bits = network.security.bits
        shared = [self._passing(ANYBODY)]
        if bits & GLOBAL_KEY and not bits & HASHED_KEYS:
            shared.append(network.security.link_key)
        return (wanted or WELL_KNOWN) in shared

    def fits(self, station: Station) -> bool:
        """Whether a device and the stick have the same link key with each other."""
        own = self.key_for(station.ieee)
        return own is not None and own == (station.link_key or WELL_KNOWN)

    # -- commands ------------------------------------------------------------------------------------------------------

    @property
    def commands(self) -> Handlers:
        """By number."""
        told: dict[int, Handler] = {
            0x0068: self._set_initial,
            0x0069: self._current,
            0x006B: self._clear_transient,
            0x0075: self._find,
            0x0076: self._erase,
            0x0094: self._encrypt,
            0x00B1: self._clear,
            **dict.fromkeys(CBKE, self._no_library),
        }
        if self._core.dialect.has_security_manager:
            return told | {
                0x0077: self._factory_reset,
                0x010C: self._key_info,
                0x010D: self._export_by_address,
                0x010E: self._import_link_key,
                0x010F: self._export_by_index,
                0x0110: self._check,
                0x0111: self._import_transient,
                0x0113: self._export_transient,
                0x0114: self._export,
                0x0116: self._network_key_info,
            }
        return told | {
            0x0066: self._add_or_update,
            0x006A: self._key,
            0x0071: self._table_entry,
            0x0072: self._set_table_entry,
            0x00AF: self._add_transient,
            0x00CE: self._get_transient,
        }

    def _no_library(self, _: Cursor) -> bytes:
        return self._core.dialect.stack(Outcome.NO_LIBRARY)

    def _set_initial(self, fields: Cursor) -> bytes:
        state = InitialSecurity.read(fields)
        if self._core.is_up:
            return self._core.dialect.stack(Outcome.INVALID_CALL)
        self.initial = state
        return self._core.dialect.stack(Outcome.OK)

    def _current(self, _: Cursor) -> bytes:
        network = self._core.flash.network
        if network is None or not self._core.is_up:
            return self._core.dialect.stack(Outcome.NOT_JOINED) + bytes(10)
        bits = network.security.bits & 0x87 | HAVE_LINK_KEY
        return self._core.dialect.stack(Outcome.OK) + u16(bits) + u64(network.trust_centre)

    def _clear_transient(self, _: Cursor) -> bytes:
        self.transient.clear()
        return b""

    def _remember(self, ieee: int, key: bytes) -> Outcome:
        now = asyncio.get_running_loop().time()
        self.transient[ieee] = TransientKey(ieee, key, now + self._core.settings[TRANSIENT_KEYS_S])
        return Outcome.OK

    @property
    def _size(self) -> int:
        return self._core.settings[KEY_TABLE]

    def _store(self, place: int, ieee: int, key: bytes) -> Outcome:
        """Into the key table; any place will do for 0xFF."""
        rows = self._core.flash.link_keys
        if ieee in (0, ANYBODY):
            return Outcome.BAD_ARGUMENT
        if place == ANY_PLACE:
            at = next((at for at, row in rows.items() if row.ieee == ieee), None)
            if at is None:
                at = next((free for free in range(self._size) if free not in rows), None)
            if at is None:
                return Outcome.TABLE_FULL
            place = at
        if place >= self._size:
            return Outcome.BAD_INDEX
        rows[place] = LinkKey(ieee, key)
        return Outcome.OK

    def _find(self, fields: Cursor) -> bytes:
        ieee, is_link = fields.u64(), fields.u8()
        rows = self._core.flash.link_keys if is_link else {}
        place = next((at for at, row in rows.items() if row.ieee == ieee), NOT_IN_TABLE)
        if ieee == 0:  # the first free one is looked for
            place = next((free for free in range(self._size) if free not in rows), NOT_IN_TABLE)
        return bytes((place,))

    def _erase(self, fields: Cursor) -> bytes:
        place = fields.u8()
        if place >= self._size:
            return self._core.dialect.stack(Outcome.BAD_INDEX)
        found = self._core.flash.link_keys.pop(place, None)
        return self._core.dialect.stack(Outcome.OK if found is not None else Outcome.ERASED)

    def _clear(self, _: Cursor) -> bytes:
        self._core.flash.link_keys.clear()
        return self._core.dialect.stack(Outcome.OK)

    def _encrypt(self, fields: Cursor) -> bytes:
        text, key = fields.take(16), fields.take(16)
        made = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
        return made.update(text) + made.finalize()

    def _network(self) -> StoredNetwork | None:
        return self._core.flash.network if self._core.is_up else None

    # -- before the security manager -----------------------------------------------------------------------------------

    def _add_or_update(self, fields: Cursor) -> bytes:
        ieee, _, key = fields.u64(), fields.u8(), fields.take(16)
        return self._core.dialect.stack(self._store(ANY_PLACE, ieee, key))

    def _set_table_entry(self, fields: Cursor) -> bytes:
        place, ieee, _, key = fields.u8(), fields.u64(), fields.u8(), fields.take(16)
        outcome = Outcome.BAD_INDEX if place >= self._size else self._store(place, ieee, key)
        return self._core.dialect.stack(outcome)

    def _key(self, fields: Cursor) -> bytes:
        kind, network = fields.u8(), self._network()
        if network is None or kind not in (OLD_TRUST_CENTRE_LINK, OLD_NETWORK):
            return self._core.dialect.stack(Outcome.BAD_KEY) + bytes(36)
        flash, security = self._core.flash, network.security
        if kind == OLD_NETWORK:
            body = u16(HAS_SEQUENCE | HAS_OUTGOING) + bytes((kind,)) + security.network_key
            body += u32(flash.network_counter) + u32(0) + bytes((security.sequence,)) + u64(0)
        else:
            body = u16(HAS_OUTGOING | HAS_PARTNER) + bytes((kind,)) + security.link_key
            body += u32(flash.link_counter) + u32(0) + b"\x00" + u64(network.trust_centre)
        return self._core.dialect.stack(Outcome.OK) + body

    def _table_entry(self, fields: Cursor) -> bytes:
        place = fields.u8()
        row = self._core.flash.link_keys.get(place)
        if row is None:
            outcome = Outcome.ERASED if place < self._size else Outcome.BAD_INDEX
            return self._core.dialect.stack(outcome) + bytes(36)
        body = u16(HAS_OUTGOING | HAS_INCOMING | HAS_PARTNER) + bytes((OLD_APPLICATION_LINK,)) + row.key
        body += u32(row.outgoing) + u32(row.incoming) + b"\x00" + u64(row.ieee)
        return self._core.dialect.stack(Outcome.OK) + body

    def _add_transient(self, fields: Cursor) -> bytes:
        return self._core.dialect.stack(self._remember(fields.u64(), fields.take(16)))

    def _get_transient(self, fields: Cursor) -> bytes:
        ieee = fields.u64()
        key = self._passing(ieee)
        if key is None:
            return self._core.dialect.stack(Outcome.NOT_FOUND) + bytes(28)
        left = int(self.transient[ieee].until - asyncio.get_running_loop().time())
        return self._core.dialect.stack(Outcome.OK) + u64(ieee) + key + u16(0) + u16(left)

    # -- the security manager ------------------------------------------------------------------------------------------

    def _factory_reset(self, fields: Cursor) -> bytes:
        spares_counters, _ = fields.u8(), fields.u8()
        self._core.flash.forget(counters=not spares_counters)
        return b""

    def _context(self, fields: Cursor) -> bytes:
        """Which key is meant: kind, place, derivation, address, network, flags, algorithm."""
        return fields.take(18)

    def _meant(self, context: bytes) -> bytes | None:
        kind, place, ieee = context[0], context[1], int.from_bytes(context[4:12], "little")
        network = self._network()
        match kind:
            case 1:
                return network.security.network_key if network is not None else None
            case 2:
                return network.security.link_key if network is not None else None
            case 3:
                return self._passing(ieee)
            case 4:
                row = self._lasting(ieee) or self._core.flash.link_keys.get(place)
                return row.key if row is not None else None
        return None

    def _export(self, fields: Cursor) -> bytes:
        context = self._context(fields)
        key = self._meant(context)
        status = self._core.dialect.security(Outcome.OK if key is not None else Outcome.NOT_FOUND)
        if self._core.dialect.has_unified_statuses:
            return status + (key or NO_KEY) + context
        return (key or NO_KEY) + status

    def _check(self, fields: Cursor) -> bytes:
        found = self._meant(self._context(fields))
        return self._core.dialect.security(Outcome.OK if found is not None else Outcome.NOT_FOUND)

    @staticmethod
    def _about(row: LinkKey | None) -> bytes:
        """Bits, both counters, and for how many seconds a key counts."""
        if row is None:
            return bytes(12)
        return u16(HAS_OUTGOING | HAS_INCOMING | HAS_PARTNER) + u32(row.outgoing) + u32(row.incoming) + u16(0)

    def _key_info(self, fields: Cursor) -> bytes:
        context = self._context(fields)
        ieee = int.from_bytes(context[4:12], "little")
        row = self._lasting(ieee) or self._core.flash.link_keys.get(context[1])
        status = self._core.dialect.security(Outcome.OK if row is not None else Outcome.NOT_FOUND)
        if self._core.dialect.has_unified_statuses:
            return status + self._about(row) + context
        return u64(row.ieee if row is not None else 0) + self._about(row) + status

    @staticmethod
    def _context_of(place: int, ieee: int, kind: int = APPLICATION_LINK) -> bytes:
        return bytes((kind, place)) + u16(0) + u64(ieee) + b"\x00\x03" + u32(0)

    def _export_by_index(self, fields: Cursor) -> bytes:
        place = fields.u8()
        row = self._core.flash.link_keys.get(place)
        missing = Outcome.NOT_FOUND if place < self._size else Outcome.BAD_INDEX
        status = self._core.dialect.security(Outcome.OK if row is not None else missing)
        ieee, key = (row.ieee, row.key) if row is not None else (0, NO_KEY)
        if self._core.dialect.has_unified_statuses:
            return status + self._context_of(place, ieee) + key + self._about(row)
        return u64(ieee) + key + self._about(row) + status

    def _export_by_address(self, fields: Cursor) -> bytes:
        ieee = fields.u64()
        rows = self._core.flash.link_keys
        place = next((at for at, row in rows.items() if row.ieee == ieee), NOT_IN_TABLE)
        row = rows.get(place)
        status = self._core.dialect.security(Outcome.OK if row is not None else Outcome.NOT_FOUND)
        key = row.key if row is not None else NO_KEY
        if self._core.dialect.has_unified_statuses:
            return status + self._context_of(place, ieee) + key + self._about(row)
        return key + bytes((place,)) + self._about(row) + status

    def _import_link_key(self, fields: Cursor) -> bytes:
        place, ieee, key = fields.u8(), fields.u64(), fields.take(16)
        return self._core.dialect.security(self._store(place, ieee, key))

    def _import_transient(self, fields: Cursor) -> bytes:
        return self._core.dialect.security(self._remember(fields.u64(), fields.take(16)))

    def _export_transient(self, fields: Cursor) -> bytes:
        ieee = fields.u64()
        key = self._passing(ieee)
        status = self._core.dialect.security(Outcome.OK if key is not None else Outcome.NOT_FOUND)
        context = self._context_of(0, ieee, TRANSIENT)
        if self._core.dialect.has_unified_statuses:
            return status + context + (key or NO_KEY) + self._about(None)
        return context + (key or NO_KEY) + self._about(None) + status

    def _network_key_info(self, _: Cursor) -> bytes:
        network = self._network()
        if network is None:
            return self._core.dialect.security(Outcome.OK) + bytes(8)
        told = bytes((1, 0, network.security.sequence, 0)) + u32(self._core.flash.network_counter)
        return self._core.dialect.security(Outcome.OK) + told
