"""Whom an emulated EZSP stick knows: addresses, children, neighbours, routes, groups, bindings."""

from __future__ import annotations

from radios.emulators.air import Place
from radios.emulators.cursor import Cursor, u16, u64
from radios.emulators.ezsp_core import Core, Handler, Handlers
from radios.emulators.ezsp_settings import ADDRESS_TABLE, BINDINGS, CHILDREN, MULTICAST_TABLE
from radios.emulators.ezsp_store import COORDINATOR_TYPE, END_DEVICE_TYPE, NO_ADDRESS, SLEEPY_TYPE, Child
from radios.emulators.ezsp_versions import Outcome

NOBODY = 0xFFFF
BINDING_SIZE = 14
NO_BINDING = bytes(BINDING_SIZE)


class Tables:
    """Tables of addresses and the like."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.restarted()

    def restarted(self) -> None:
        """Only children and bindings are in flash."""
        self.addresses: dict[int, tuple[int, int]] = {}
        """Extended and network address, by place."""
        self._slow: set[int] = set()
        """Those that get more time to acknowledge."""
        self.groups: dict[int, tuple[int, int]] = {}
        """Group and endpoint, by place."""
        self.relays: dict[int, tuple[int, ...]] = {}
        """Source routes, by destination."""

    @property
    def commands(self) -> Handlers:
        """By number."""
        told: dict[int, Handler] = {
            0x0029: self._parent,
            0x002A: self._clear_bindings,
            0x002B: self._set_binding,
            0x002C: self._binding,
            0x002D: self._delete_binding,
            0x004A: self._child,
            0x005B: lambda fields: bytes((fields.u8() in self.addresses,)),
            0x0060: self._short_of,
            0x0061: self._address_of,
            0x0063: self._group,
            0x0064: self._set_group,
            0x0079: self._neighbour,
            0x007A: lambda _: bytes((len(self._neighbours),)),
            0x007B: self._route,
            0x007E: self._set_slow,
            0x007F: self._is_slow,
            0x0082: self._replace,
            0x00AE: self._set_source_route,
        }
        if self._core.dialect.has_tokens:
            told[0x00AC] = self._set_child
        if self._core.dialect.has_unified_statuses:
            return told | {0x005C: self._set_entry, 0x005E: self._entry}
        return told | {
            0x005C: self._set_entry_address,
            0x005D: self._set_entry_short,
            0x005E: lambda fields: u64(self.addresses.get(fields.u8(), (NO_ADDRESS, NOBODY))[0]),
            0x005F: lambda fields: u16(self.addresses.get(fields.u8(), (NO_ADDRESS, NOBODY))[1]),
        }

    def _stack(self, outcome: Outcome) -> bytes:
        return self._core.dialect.stack(outcome)

    # -- who is who ----------------------------------------------------------------------------------------------------

    def short_of(self, ieee: int) -> int | None:
        """A network address that the stick knows."""
        if ieee == self._core.own.ieee:
            return self._core.own.short
        known = dict(self.addresses.values()) | {row.ieee: row.short for row in self._core.flash.children.values()}
        return self._core.heard.get(ieee, known.get(ieee))

    def address_of(self, short: int) -> int | None:
        """An extended address that the stick knows."""
        if short == self._core.own.short:
            return self._core.own.ieee
        for ieee, known in (
            *self._core.heard.items(),
            *((row.ieee, row.short) for row in self._core.flash.children.values()),
            *self.addresses.values(),
        ):
            if known == short:
                return ieee
        return None

    def _short_of(self, fields: Cursor) -> bytes:
        found = self.short_of(fields.u64())
        if not self._core.dialect.has_unified_statuses:
            return u16(NOBODY if found is None else found)
        return self._stack(Outcome.NOT_FOUND if found is None else Outcome.OK) + u16(NOBODY if found is None else found)

    def _address_of(self, fields: Cursor) -> bytes:
        found = self.address_of(fields.u16())
        return self._stack(Outcome.FAILED if found is None else Outcome.OK) + u64(
            NO_ADDRESS if found is None else found
        )

    # -- address table -------------------------------------------------------------------------------------------------

    @property
    def _places(self) -> int:
        return self._core.settings[ADDRESS_TABLE]

    def _store(self, place: int, ieee: int, short: int) -> Outcome:
        if place >= self._places:
            return Outcome.BAD_INDEX
        if ieee in (0, NO_ADDRESS):
            self.addresses.pop(place, None)
        else:
            self.addresses[place] = ieee, short
        return Outcome.OK

    def _set_entry(self, fields: Cursor) -> bytes:
        return self._stack(self._store(fields.u8(), fields.u64(), fields.u16()))

    def _entry(self, fields: Cursor) -> bytes:
        found = self.addresses.get(fields.u8())
        ieee, short = found or (NO_ADDRESS, NOBODY)
        return self._stack(Outcome.NOT_FOUND if found is None else Outcome.OK) + u16(short) + u64(ieee)

    def _set_entry_address(self, fields: Cursor) -> bytes:
        place, ieee = fields.u8(), fields.u64()
        return self._stack(self._store(place, ieee, self.addresses.get(place, (0, NOBODY))[1]))

    def _set_entry_short(self, fields: Cursor) -> bytes:
        place, short = fields.u8(), fields.u16()
        if place in self.addresses:
            self.addresses[place] = self.addresses[place][0], short
        return b""

    def _replace(self, fields: Cursor) -> bytes:
        place, ieee, short, slow = fields.u8(), fields.u64(), fields.u16(), bool(fields.u8())
        before, before_short = self.addresses.get(place, (NO_ADDRESS, NOBODY))
        was_slow = before in self._slow
        outcome = self._store(place, ieee, short)
        if outcome is Outcome.OK:
            self._slow.discard(before)
            self._note_slow(ieee, slow)
        return self._stack(outcome) + u64(before) + u16(before_short) + bytes((was_slow,))

    def _note_slow(self, ieee: int, slow: bool) -> None:
        if slow:
            self._slow.add(ieee)
        else:
            self._slow.discard(ieee)

    def _set_slow(self, fields: Cursor) -> bytes:
        """Only those whom the stick knows: there is no row to note it in for others."""
        ieee, slow = fields.u64(), bool(fields.u8())
        is_known = self.short_of(ieee) is not None
        if is_known:
            self._note_slow(ieee, slow)
        if not self._core.dialect.has_unified_statuses:
            return b""
        return self._stack(Outcome.OK if is_known else Outcome.NOT_FOUND)

    def _is_slow(self, fields: Cursor) -> bytes:
        slow = fields.u64() in self._slow
        if not self._core.dialect.has_unified_statuses:
            return bytes((slow,))
        return self._stack(Outcome.OK if slow else Outcome.FAILED)

    # -- children and neighbours ---------------------------------------------------------------------------------------

    def adopt(self, place: Place) -> int | None:
        """An end device joined through the stick: its place in the table; None: it is none, or there is no room."""
        children = self._core.flash.children
        if place.is_router or place.parent != 0:
            return None
        self.disown(place.station.ieee)
        free = next((at for at in range(self._core.settings[CHILDREN]) if at not in children), None)
        if free is not None:
            kind = SLEEPY_TYPE if place.is_sleepy else END_DEVICE_TYPE
            children[free] = Child(place.station.ieee, place.short, kind)
        return free

    def disown(self, ieee: int) -> None:
        """A child is gone."""
        children = self._core.flash.children
        for at in [at for at, child in children.items() if child.ieee == ieee]:
            del children[at]

    def _child(self, fields: Cursor) -> bytes:
        row = self._core.flash.children.get(fields.u8())
        size = 3 if self._core.dialect.version < 10 else 7
        if row is None:
            return self._stack(Outcome.NOT_JOINED) + bytes(11 + size)
        head = u64(row.ieee) + bytes((row.type,)) + u16(row.short)
        return self._stack(Outcome.OK) + head + bytes(size)

    def _set_child(self, fields: Cursor) -> bytes:
        place, ieee, kind, short = fields.u8(), fields.u64(), fields.u8(), fields.u16()
        fields.take(3 if self._core.dialect.version < 10 else 7)
        if place >= self._core.settings[CHILDREN]:
            return self._stack(Outcome.BAD_INDEX)
        self._core.flash.children[place] = Child(ieee, short, kind)
        return self._stack(Outcome.OK)

    def _parent(self, _: Cursor) -> bytes:
        network = self._core.flash.network
        is_router = network is not None and network.role != COORDINATOR_TYPE
        ieee, short = (network.trust_centre, 0) if network is not None and is_router else (0, NOBODY)
        return bytes((len(self._core.flash.children),)) + u64(ieee) + u16(short)

    @property
    def _neighbours(self) -> list[tuple[int, int, int]]:
        """Routers that the stick hears: extended and network address, and how well."""
        if not self._core.is_up:
            return []
        own = 0 if self._core.own.short == 0 else self._core.own.ieee
        rows = self._core.air.neighbours(own)
        return [(ieee, short, lqi) for ieee, short, kind, _, _, lqi in rows if kind != 2][:16]

    def _neighbour(self, fields: Cursor) -> bytes:
        place, rows = fields.u8(), self._neighbours
        if place >= len(rows):
            return self._stack(Outcome.FAILED) + bytes(14)
        ieee, short, lqi = rows[place]
        return self._stack(Outcome.OK) + u16(short) + bytes((lqi, 1, 1, 3)) + u64(ieee)

    def _route(self, fields: Cursor) -> bytes:
        place, rows = fields.u8(), self._neighbours
        if place >= len(rows):
            return self._stack(Outcome.FAILED if place >= 16 else Outcome.OK) + u16(NOBODY) * 2 + b"\x03\x00\x00\x00"
        short = rows[place][1]
        return self._stack(Outcome.OK) + u16(short) + u16(short) + bytes(4)

    # -- groups, bindings, routes --------------------------------------------------------------------------------------

    def _group(self, fields: Cursor) -> bytes:
        place = fields.u8()
        group, endpoint = self.groups.get(place, (0, 0))
        is_there = place < self._core.settings[MULTICAST_TABLE]
        return self._stack(Outcome.OK if is_there else Outcome.BAD_INDEX) + u16(group) + bytes((endpoint, 0))

    def _set_group(self, fields: Cursor) -> bytes:
        place, group, endpoint = fields.u8(), fields.u16(), fields.u8()
        if place >= self._core.settings[MULTICAST_TABLE]:
            return self._stack(Outcome.BAD_INDEX)
        if endpoint:
            self.groups[place] = group, endpoint
        else:
            self.groups.pop(place, None)
        return self._stack(Outcome.OK)

    def _clear_bindings(self, _: Cursor) -> bytes:
        self._core.flash.bindings.clear()
        return self._stack(Outcome.OK)

    def _set_binding(self, fields: Cursor) -> bytes:
        place, row = fields.u8(), fields.take(BINDING_SIZE)
        if place >= self._core.settings[BINDINGS]:
            return self._stack(Outcome.BAD_INDEX)
        self._core.flash.bindings[place] = row
        return self._stack(Outcome.OK)

    def _binding(self, fields: Cursor) -> bytes:
        place = fields.u8()
        is_there = place < self._core.settings[BINDINGS]
        row = self._core.flash.bindings.get(place, NO_BINDING)
        return self._stack(Outcome.OK if is_there else Outcome.BAD_INDEX) + row

    def _delete_binding(self, fields: Cursor) -> bytes:
        found = self._core.flash.bindings.pop(fields.u8(), None)
        return self._stack(Outcome.OK if found is not None else Outcome.BAD_INDEX)

    def _set_source_route(self, fields: Cursor) -> bytes:
        destination, count = fields.u16(), fields.u8()
        self.relays[destination] = tuple(fields.u16() for _ in range(count))
        return self._stack(Outcome.OK)
