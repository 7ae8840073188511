"""Messages of an emulated EZSP stick: what the host sends and what comes of it, what arrives, fragments, device object.

Fragments are the host's business on these sticks: long messages go in and out in blocks, and each is acknowledged.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from radios.emulators.air import BROADCAST_AWAKE, DELIVERED, EXPIRED, NO_MAC_ACK, AirFrame, Place
from radios.emulators.cursor import Cursor, block, u16, u32, u64
from radios.emulators.ezsp_core import Core, Counter, Handler, Handlers
from radios.emulators.ezsp_security import Security
from radios.emulators.ezsp_settings import CONTENTS_POLICY, CONTENTS_TOO, FRAGMENT_WINDOW, UNICASTS, ZDO_FLAGS
from radios.emulators.ezsp_store import NO_ADDRESS
from radios.emulators.ezsp_tables import Tables
from radios.emulators.ezsp_versions import Outcome
from radios.emulators.own_object import DEVICE_ANNOUNCE, OF_BINDINGS, OF_ENDPOINTS, SUPPORTED

MAX_PAYLOAD, ENCRYPTION = 82, 9
"""Bytes of a message, and what a link key takes of them."""
ENCRYPTED, RETRY, ROUTE, ANSWER_WANTED, FRAGMENT = 0x0020, 0x0040, 0x0100, 0x4000, 0x8000
"""APS options."""
DIRECT, VIA_ADDRESS_TABLE, VIA_BINDING, MULTICAST, MULTICAST_ALIAS, BROADCAST_ALIAS, BROADCAST = range(7)
"""Ways out; the next are ways in."""
UNICAST_IN, MULTICAST_IN, BROADCAST_IN = 0, 2, 4
SENT, ARRIVED, ROUTE_RECORD = 0x003F, 0x0045, 0x0059
HOST_SEES_SUPPORTED, HOST_ANSWERS_OTHERS, HOST_ANSWERS_ENDPOINTS, HOST_ANSWERS_BINDINGS = 1, 2, 4, 8
NO_ROW = 0xFF
ACK_WAIT_S, TRIES = 1.6, 3
"""Of a block, and how often it is sent."""
PARTS_KEPT_S = 10.0
QUIET_DBM, RANGE_DB = -100, 70
OUTCOMES = {DELIVERED: Outcome.OK, EXPIRED: Outcome.INDIRECT_TIMEOUT}
RESPONSE = 0x8000
PERMIT_REQUEST = 0x0036


@dataclass(frozen=True, slots=True)
class Aps:
    """The part of a frame that is for applications."""

    profile: int
    cluster: int
    source: int
    destination: int
    options: int
    group: int
    sequence: int

    @classmethod
    def read(cls, fields: Cursor) -> Aps:
        """Of a command. Raises `TruncatedError`."""
        return cls(fields.u16(), fields.u16(), fields.u8(), fields.u8(), fields.u16(), fields.u16(), fields.u8())

    def written(self) -> bytes:
        """As it came."""
        head = u16(self.profile) + u16(self.cluster) + bytes((self.source, self.destination))
        return head + u16(self.options) + u16(self.group) + bytes((self.sequence,))


def rssi(lqi: int) -> int:
    """Signal strength for a link quality, dBm in two's complement."""
    return (QUIET_DBM + lqi * RANGE_DB // 255) & 0xFF


class Messages:
    """Everything that goes over the air for the host."""

    def __init__(self, core: Core, security: Security, tables: Tables) -> None:
        self._core, self._security, self._tables = core, security, tables
        self.outcomes: list[Outcome | None] = []
        """Of the next messages, which are not sent then; None: nothing is heard of them."""
        self.restarted()

    def restarted(self) -> None:
        """Nothing is on its way."""
        self._sequence = self._under_way = self.overflow = 0
        self._parts: dict[tuple[int, int], dict[int, bytes]] = {}
        self._totals: dict[tuple[int, int], int] = {}
        self._ways: dict[int, tuple[int, ...]] = {}
        self._acknowledged: dict[tuple[int, int, int], asyncio.Event] = {}

    @property
    def commands(self) -> Handlers:
        """By number."""
        told: dict[int, Handler] = {
            0x0033: lambda _: bytes((MAX_PAYLOAD,)),
            0x0034: self._unicast,
            0x0036: self._broadcast,
            0x0038: self._multicast,
            0x0039: self._reply,
            0x0041: lambda _: self._stack(Outcome.OK),
        }
        if self._core.dialect.has_unified_statuses:
            return told
        return told | {0x0037: self._proxy_broadcast, 0x003A: self._multicast_with_alias}

    def _stack(self, outcome: Outcome) -> bytes:
        return self._core.dialect.stack(outcome)

    def _next(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFF
        return self._sequence

    def _frame(self, aps: Aps, destination: int, payload: bytes, *, ack: bool) -> AirFrame:
        self._core.flash.network_counter += 1
        return AirFrame(
            source=self._core.own.short,
            destination=destination,
            source_endpoint=aps.source,
            destination_endpoint=aps.destination,
            profile=aps.profile,
            cluster=aps.cluster,
            payload=payload,
            counter=aps.sequence,
            ack=ack,
            encrypted=bool(aps.options & ENCRYPTED),
            network_counter=self._core.flash.network_counter,
        )

    # -- out -----------------------------------------------------------------------------------------------------------

    def _tag(self, fields: Cursor) -> int:
        return fields.number(self._core.dialect.message_tag_size)

    def _unicast(self, fields: Cursor) -> bytes:
        way, to, aps, tag = fields.u8(), fields.u16(), Aps.read(fields), self._tag(fields)
        payload = fields.block()
        if not aps.options & FRAGMENT:
            aps = replace(aps, sequence=self._next())
        outcome = self._start(way, to, aps, tag, payload)
        return self._stack(outcome) + bytes((aps.sequence,))

    def _start(self, way: int, to: int, aps: Aps, tag: int, payload: bytes) -> Outcome:
        core = self._core
        if not core.is_up:
            return Outcome.NOT_JOINED
        if self.overflow:
            self.overflow -= 1
            return Outcome.NO_BUFFERS
        if self._under_way >= core.settings[UNICASTS]:
            return Outcome.MESSAGE_LIMIT
        short = self._destination(way, to)
        if short is None:
            return Outcome.BAD_INDEX
        encrypted = bool(aps.options & ENCRYPTED)
        if len(payload) > MAX_PAYLOAD - (ENCRYPTION if encrypted else 0):
            return Outcome.TOO_LONG
        if encrypted and not self._has_key(short):
            core.count(Counter.NO_KEY)
            return Outcome.ENCRYPTION_ERROR
        if self.outcomes:
            told = self.outcomes.pop(0)
            if told is not None:
                core.after(0.0, lambda: self._sent(way, to, aps, tag, told, payload))
            return Outcome.OK
        self._under_way += 1
        core.spawn(self._carry(way, to, short, aps, tag, payload))
        return Outcome.OK

    def _destination(self, way: int, to: int) -> int | None:
        """Network address; None: the table has no such row."""
        if way == VIA_ADDRESS_TABLE:
            row = self._tables.addresses.get(to)
            return row[1] if row is not None else None
        if way == VIA_BINDING:
            binding = self._core.flash.bindings.get(to)
            return self._tables.short_of(int.from_bytes(binding[5:13], "little")) if binding is not None else None
        return to

    def _has_key(self, short: int) -> bool:
        ieee = self._address_of(short)
        return ieee is not None and self._security.key_for(ieee) is not None

    def _address_of(self, short: int) -> int | None:
        place = self._core.air.place_of(short)
        if place is not None:
            return place.station.ieee
        centre = self._core.air.coordinator
        return centre.ieee if short == 0 and centre is not None else None

    async def _carry(self, way: int, to: int, short: int, aps: Aps, tag: int, payload: bytes) -> None:
        core = self._core
        try:
            outcome = await self._put(short, aps, payload)
        finally:
            self._under_way -= 1
        core.count(Counter.DELIVERED if outcome is Outcome.OK else Counter.UNDELIVERED)
        self._sent(way, to, aps, tag, outcome, payload)

    async def _put(self, short: int, aps: Aps, payload: bytes) -> Outcome:
        """Onto the air, and what comes of it."""
        core = self._core
        if short == core.own.short:
            self._to_itself(aps, payload)
            return Outcome.OK
        if aps.options & FRAGMENT:
            whole = self._collected(short, aps, payload)
            if whole is None:
                await asyncio.sleep(core.air.delay_s)
                return Outcome.OK
            payload = whole
        frame = self._frame(aps, short, payload, ack=bool(aps.options & RETRY))
        place = core.air.place_of(short)
        if frame.encrypted and place is not None and not self._security.fits(place.station):
            # Nobody there can read it, so nobody acknowledges it.
            await asyncio.sleep(core.air.delay_s)
            return Outcome.DELIVERY_FAILED if frame.ack else Outcome.OK
        if core.statuses.failed_status and core.random.random() < core.statuses.failed_status:
            return OUTCOMES.get(NO_MAC_ACK, Outcome.DELIVERY_FAILED)
        return OUTCOMES.get(await core.air.send(frame), Outcome.DELIVERY_FAILED)

    def _collected(self, short: int, aps: Aps, payload: bytes) -> bytes | None:
        """All blocks of a long message, once the last one is there."""
        key, number = (short, aps.sequence), aps.group & 0xFF
        if number == 0:
            self._totals[key] = aps.group >> 8
            self._parts[key] = {}
            self._core.after(PARTS_KEPT_S, lambda: self._drop(key))
        parts = self._parts.setdefault(key, {})
        parts[number] = payload
        if len(parts) < self._totals.get(key, NO_ROW):
            return None
        whole = b"".join(parts[at] for at in sorted(parts))
        self._drop(key)
        return whole

    def _drop(self, key: tuple[int, int]) -> None:
        self._parts.pop(key, None)
        self._totals.pop(key, None)

    def _sent(self, way: int, to: int, aps: Aps, tag: int, outcome: Outcome, payload: bytes) -> None:
        core = self._core
        lost = core.statuses.lost_status
        if lost and core.random.random() < lost:
            return
        told = block(payload if core.policies[CONTENTS_POLICY] == CONTENTS_TOO else b"")
        status = self._stack(outcome)
        if core.dialect.has_unified_statuses:
            core.say(SENT, status + bytes((way,)) + u16(to) + aps.written() + u16(tag) + told)
        else:
            core.say(SENT, bytes((way,)) + u16(to) + aps.written() + bytes((tag,)) + status + told)

    def _broadcast(self, fields: Cursor) -> bytes:
        alias = fields.u16() if self._core.dialect.has_unified_statuses else NO_ADDRESS
        to = fields.u16()
        if self._core.dialect.has_unified_statuses:
            fields.u8()
        aps, _, tag = Aps.read(fields), fields.u8(), self._tag(fields)
        return self._spread(BROADCAST, to, aps, tag, fields.block(), alias)

    def _proxy_broadcast(self, fields: Cursor) -> bytes:
        alias, to, _ = fields.u16(), fields.u16(), fields.u8()
        aps, _, tag = Aps.read(fields), fields.u8(), self._tag(fields)
        return self._spread(BROADCAST_ALIAS, to, aps, tag, fields.block(), alias)

    def _multicast(self, fields: Cursor) -> bytes:
        aps, _, to = Aps.read(fields), fields.u8(), BROADCAST_AWAKE
        if self._core.dialect.has_unified_statuses:
            to = fields.u16()
            fields.take(3)
        else:
            fields.u8()
        return self._spread(MULTICAST, to, aps, self._tag(fields), fields.block())

    def _multicast_with_alias(self, fields: Cursor) -> bytes:
        aps = Aps.read(fields)
        fields.take(2)
        alias, _, tag = fields.u16(), fields.u8(), self._tag(fields)
        return self._spread(MULTICAST_ALIAS, BROADCAST_AWAKE, aps, tag, fields.block(), alias)

    def _spread(self, way: int, to: int, aps: Aps, tag: int, payload: bytes, alias: int = NO_ADDRESS) -> bytes:
        """To all, or to a group.

        `alias`: a network address that it claims to come from. Nobody here hears such frames: they are Green Power's.
        """
        core = self._core
        aps = replace(aps, sequence=self._next())
        outcome = Outcome.OK
        if not core.is_up:
            outcome = Outcome.NOT_JOINED
        elif self.overflow:
            self.overflow -= 1
            outcome = Outcome.NO_BUFFERS
        elif aps.options & ENCRYPTED:
            outcome = Outcome.ENCRYPTION_ERROR
        elif len(payload) > MAX_PAYLOAD:
            outcome = Outcome.TOO_LONG
        if outcome is not Outcome.OK:
            return self._stack(outcome) + bytes((aps.sequence,))
        core.count(Counter.SENT_BROADCAST)
        frame = self._frame(aps, to, payload, ack=False)
        if way in (MULTICAST, MULTICAST_ALIAS):
            frame = replace(frame, group=aps.group)
        if alias in (NO_ADDRESS, 0xFFFF, core.own.short):
            if core.own.short == 0:
                core.air.broadcast(frame)
            else:
                core.air.transmit(frame)
        where = aps.group if way in (MULTICAST, MULTICAST_ALIAS) else to
        core.after(core.air.delay_s, lambda: self._sent(way, where, aps, tag, Outcome.OK, payload))
        return self._stack(Outcome.OK) + bytes((aps.sequence,))

    def _reply(self, fields: Cursor) -> bytes:
        """An answer within an acknowledgement; of interest here: that of a block."""
        to, aps = fields.u16(), Aps.read(fields)
        payload = fields.block()
        if aps.options & FRAGMENT:
            waiting = self._acknowledged.get((to, aps.sequence, aps.group & 0xFF))
            if waiting is None:
                return self._stack(Outcome.INVALID_CALL)
            waiting.set()
            return self._stack(Outcome.OK)
        return self._stack(self._start(DIRECT, to, replace(aps, sequence=self._next()), 0, payload))

    # -- in ------------------------------------------------------------------------------------------------------------

    def can_read(self, frame: AirFrame) -> bool:
        """It has the key that a frame is encrypted with, if it is."""
        place = self._core.air.place_of(frame.source)
        if not frame.encrypted or place is None or self._security.fits(place.station):
            return True
        self._core.count(Counter.NOT_DECRYPTED)
        return False

    def receive(self, frame: AirFrame, lqi: int) -> None:
        """A frame arrived."""
        core = self._core
        if not core.is_up:
            return
        place = core.air.place_of(frame.source)
        if place is not None:
            core.heard[place.station.ieee] = frame.source
            if core.is_concentrator:
                self._tell_way(place, lqi)
        is_broadcast = frame.destination >= 0xFFF8
        core.count(Counter.RECEIVED_BROADCAST if is_broadcast else Counter.RECEIVED_UNICAST)
        options = ROUTE
        if frame.profile == 0 and frame.destination_endpoint == 0 and not frame.cluster & RESPONSE:
            told = self._asked(frame, is_broadcast=is_broadcast)
            if told is None:
                return
            options |= told
        elif not self._is_for_us(frame):
            return
        options |= (ENCRYPTED if frame.encrypted else 0) | (RETRY if frame.ack else 0)
        group = frame.group or 0
        aps = Aps(
            frame.profile,
            frame.cluster,
            frame.source_endpoint,
            frame.destination_endpoint,
            options,
            group,
            frame.counter,
        )
        way = MULTICAST_IN if frame.group is not None else BROADCAST_IN if is_broadcast else UNICAST_IN
        longest = MAX_PAYLOAD - (ENCRYPTION if frame.encrypted else 0)
        if len(frame.payload) > longest:
            core.spawn(self._in_blocks(frame.source, aps, frame.payload, longest, lqi))
        else:
            self._tell(way, aps, frame.source, frame.payload, lqi)

    def _tell_way(self, place: Place, lqi: int) -> None:
        """A route record comes before the first frame on a new way."""
        relays = self._core.air.relays_to(place)
        if self._ways.get(place.short, ()) == relays:
            return
        self._ways[place.short] = relays
        head = u16(place.short) + u64(place.station.ieee) + bytes((lqi, rssi(lqi), len(relays)))
        self._core.say(ROUTE_RECORD, head + b"".join(map(u16, relays)))

    def _is_for_us(self, frame: AirFrame) -> bool:
        """Groups have to be in the table; endpoints that the stick does not know are the host's affair."""
        return frame.group is None or frame.group in {group for group, _ in self._tables.groups.values()}

    def _asked(self, frame: AirFrame, *, is_broadcast: bool) -> int | None:
        """A request to the device object: more APS options for the host; None: it does not get to see it."""
        flags, cluster = self._core.settings[ZDO_FLAGS], frame.cluster
        if cluster == DEVICE_ANNOUNCE:
            return 0
        is_hosts = (cluster in OF_ENDPOINTS and flags & HOST_ANSWERS_ENDPOINTS) or (
            cluster in OF_BINDINGS and flags & HOST_ANSWERS_BINDINGS
        )
        if is_hosts or (cluster not in SUPPORTED and flags & HOST_ANSWERS_OTHERS):
            return ANSWER_WANTED
        answer = self._core.own.answer(cluster, frame.payload[1:], is_broadcast=is_broadcast)
        if answer is not None:
            self._core.spawn(self._answer(frame, frame.payload[:1] + answer))
        return 0 if flags & HOST_SEES_SUPPORTED and cluster in SUPPORTED else None

    async def _answer(self, frame: AirFrame, payload: bytes) -> None:
        aps = Aps(0, frame.cluster | RESPONSE, 0, frame.source_endpoint, RETRY, 0, self._next())
        await self._put(frame.source, aps, payload)

    def _to_itself(self, aps: Aps, payload: bytes) -> None:
        """The host asks its own stick."""
        core = self._core
        if aps.profile == 0 and aps.destination == 0 and not aps.cluster & RESPONSE:
            answer = core.own.answer(aps.cluster, payload[1:], is_broadcast=False)
            if answer is None:
                return
            aps = replace(aps, cluster=aps.cluster | RESPONSE, sequence=self._next())
            payload = payload[:1] + answer
        aps = replace(aps, source=aps.destination, destination=aps.source, options=0)
        core.after(0.0, lambda: self._tell(UNICAST_IN, aps, core.own.short, payload, 255))

    async def _in_blocks(self, source: int, aps: Aps, payload: bytes, longest: int, lqi: int) -> None:
        """A message that is too long for one frame: block by block, the next window when the host has these."""
        blocks = [payload[at : at + longest] for at in range(0, len(payload), longest)]
        window = max(1, self._core.settings[FRAGMENT_WINDOW])
        for first in range(0, len(blocks), window):
            numbers = range(first, min(first + window, len(blocks)))
            for number in numbers:
                self._acknowledged[source, aps.sequence, number] = asyncio.Event()
            try:
                if not await self._window(source, aps, numbers, blocks, lqi):
                    return
            finally:
                for number in numbers:
                    self._acknowledged.pop((source, aps.sequence, number), None)

    async def _window(self, source: int, aps: Aps, numbers: range, blocks: list[bytes], lqi: int) -> bool:
        last = self._acknowledged[source, aps.sequence, numbers[-1]]
        for _ in range(TRIES):
            for number in numbers:
                if not self._acknowledged[source, aps.sequence, number].is_set():
                    group = number | (len(blocks) << 8 if number == 0 else 0)
                    part = replace(aps, options=aps.options | FRAGMENT, group=group)
                    self._tell(UNICAST_IN, part, source, blocks[number], lqi)
            try:
                async with asyncio.timeout(ACK_WAIT_S):
                    await last.wait()
                return True
            except TimeoutError:
                continue
        return False

    def _tell(self, way: int, aps: Aps, source: int, payload: bytes, lqi: int) -> None:
        core = self._core
        if not core.dialect.has_unified_statuses:
            core.say(
                ARRIVED,
                bytes((way,))
                + aps.written()
                + bytes((lqi, rssi(lqi)))
                + u16(source)
                + bytes((NO_ROW, NO_ROW))
                + block(payload),
            )
            return
        ieee = self._tables.address_of(source)
        head = bytes((way,)) + aps.written() + u16(source) + u64(NO_ADDRESS if ieee is None else ieee)
        time_ms = int(asyncio.get_running_loop().time() * 1000) & 0xFFFFFFFF
        core.say(ARRIVED, head + bytes((NO_ROW, NO_ROW, lqi, rssi(lqi))) + u32(time_ms) + block(payload))
