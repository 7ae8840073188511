"""Messages of an emulated Z-Stack stick: endpoints, what the host sends and what comes of it, what arrives."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from radios.emulators.air import (
    BROADCAST_AWAKE,
    DELIVERED,
    EXPIRED,
    NO_APS_ACK,
    NO_MAC_ACK,
    NO_ROUTE,
    AirFrame,
)
from radios.emulators.cursor import Cursor, block, u16, u32
from radios.emulators.own_object import DEVICE_ANNOUNCE, OwnEndpoint
from radios.emulators.znp_core import BAD_PARAMETER, FAILED, OK, Core, Handler, Handlers
from radios.emulators.znp_nvram import CONCENTRATOR, DIRECT_CALLBACKS

CONFIRM, ARRIVED, ARRIVED_LONG, OBJECT = 0x0480, 0x0481, 0x0482, 0x05FF
ANNOUNCED, WAY = 0x05C1, 0x05C4
DUPLICATE, NO_KEY, NOT_JOINED, BUFFERS_FULL = b"\xb8", b"\xa1", b"\xc2", b"\x11"
GROUP_MODE, SHORT_MODE, WIDE_MODE, BROADCAST_MODE = 1, 2, 3, 0x0F
WILDCARD, ACKNOWLEDGED, SECURED = 0x02, 0x10, 0x40
"""Options of a message."""
ANY_PROFILE, ANY_CLUSTER, EVERYBODY = 0xFFFF, 0xFFFF, 0xFF
RESPONSE = 0x8000
MAX_BLOCK, ENCRYPTION = 82, 9
"""Bytes of a message in one frame; longer ones go in blocks, and only where they are acknowledged."""
MAX_PAYLOAD, MAX_SHOWN = 230, 220
"""Longest message out; longest that is told at once when it arrives: the rest of a longer one is fetched."""
KEPT_S = 10.0
MAX_OUT = 16
STATUSES = {DELIVERED: 0x00, NO_APS_ACK: 0xB7, NO_ROUTE: 0xCD, NO_MAC_ACK: 0xE9, EXPIRED: 0xF0}
REQUESTS = {0x0502: 0x0002, 0x0503: 0x0003, 0x0504: 0x0004, 0x0505: 0x0005, 0x0506: 0x0006, 0x0521: 0x0021,
            0x0522: 0x0022, 0x0530: 0x0030, 0x0531: 0x0031, 0x0532: 0x0032, 0x0533: 0x0033,
            0x0534: 0x0034}  # fmt: skip
"""Commands that are a request to a device object, whose address comes first; and their clusters."""
ANSWERS = {0x8000: 0x0580, 0x8001: 0x0581, 0x8002: 0x0582, 0x8003: 0x0583, 0x8004: 0x0584, 0x8005: 0x0585,
           0x8006: 0x0586, 0x8021: 0x05A1, 0x8022: 0x05A2, 0x8031: 0x05B1, 0x8032: 0x05B2, 0x8033: 0x05B3,
           0x8034: 0x05B4, 0x8036: 0x05B6, 0x8038: 0x05B8}  # fmt: skip
"""Answers of device objects that have a message of their own for the host."""
OF_ADDRESSES = frozenset((0x8000, 0x8001))


class Messages:
    """AF, and requests to device objects."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.outcomes: list[int | None] = []
        """Statuses of the next messages, which are not sent then; None: nothing is heard of them."""
        self.restarted()

    def restarted(self) -> None:
        """Nothing is on its way, and no endpoint is known."""
        self._core.own.endpoints.clear()
        self._sequence = self._tsn = self._out = self.overflow = 0
        self._long: dict[int, bytes] = {}
        self._ways: dict[int, tuple[int, ...]] = {}
        self.groups: set[tuple[int, int]] = set()

    @property
    def commands(self) -> Handlers:
        """By subsystem and number."""
        told: dict[int, Handler] = {
            0x0400: self._register,
            0x0401: self._request,
            0x0402: self._request_long,
            0x0403: self._request_routed,
            0x0404: self._delete,
            0x0412: self._retrieve,
            0x0413: lambda _: OK,
            0x0500: self._short_wanted,
            0x0501: self._address_wanted,
            0x0537: self._scan,
            0x053E: self._want,
            0x053F: self._want_no_more,
            0x0547: self._leave_group,
            0x0548: self._leave_groups,
            0x054B: self._join_group,
            0x054C: lambda _: bytes((len(self.groups),)),
        }
        return told | {command: self._asker(cluster) for command, cluster in REQUESTS.items()}

    # -- endpoints and groups ------------------------------------------------------------------------------------------

    def _register(self, fields: Cursor) -> bytes:
        own = self._core.own
        number, profile, device, version, _ = fields.u8(), fields.u16(), fields.u16(), fields.u8(), fields.u8()
        inputs = tuple(fields.u16() for _ in range(fields.u8()))
        outputs = tuple(fields.u16() for _ in range(fields.u8()))
        if number in own.endpoints:
            return DUPLICATE
        if not 0 < number <= 0xF2:
            return BAD_PARAMETER
        own.endpoints[number] = OwnEndpoint(number, profile, device, version, inputs, outputs)
        return OK

    def _delete(self, fields: Cursor) -> bytes:
        return OK if self._core.own.endpoints.pop(fields.u8(), None) is not None else BAD_PARAMETER

    def _join_group(self, fields: Cursor) -> bytes:
        self.groups.add((fields.u8(), fields.u16()))
        return OK

    def _leave_group(self, fields: Cursor) -> bytes:
        row = fields.u8(), fields.u16()
        if row not in self.groups:
            return FAILED
        self.groups.discard(row)
        return OK

    def _leave_groups(self, fields: Cursor) -> bytes:
        number = fields.u8()
        self.groups = {row for row in self.groups if row[0] != number}
        return OK

    # -- out -----------------------------------------------------------------------------------------------------------

    def _request(self, fields: Cursor) -> bytes:
        to, there, here, cluster = fields.u16(), fields.u8(), fields.u8(), fields.u16()
        tsn, options, _ = fields.u8(), fields.u8(), fields.u8()
        return self._send(SHORT_MODE, to, there, here, cluster, tsn, options, fields.block())

    def _request_long(self, fields: Cursor) -> bytes:
        mode, to, there, _, here = fields.u8(), fields.u64(), fields.u8(), fields.u16(), fields.u8()
        cluster, tsn, options, _ = fields.u16(), fields.u8(), fields.u8(), fields.u8()
        payload = fields.take(fields.u16())
        return self._send(mode, to if mode == WIDE_MODE else to & 0xFFFF, there, here, cluster, tsn, options, payload)

    def _request_routed(self, fields: Cursor) -> bytes:
        to, there, here, cluster = fields.u16(), fields.u8(), fields.u8(), fields.u16()
        tsn, options, _, relays = fields.u8(), fields.u8(), fields.u8(), fields.u8()
        fields.take(2 * relays)
        return self._send(SHORT_MODE, to, there, here, cluster, tsn, options, fields.block())

    def _send(
        self, mode: int, to: int, there: int, here: int, cluster: int, tsn: int, options: int, payload: bytes
    ) -> bytes:
        """Onto the air; the status for the host. What becomes of it comes later, unless it is for a device object."""
        core = self._core
        endpoint = core.own.endpoints.get(here)
        if (endpoint is None and here != 0) or len(payload) > MAX_PAYLOAD:
            return BAD_PARAMETER
        if not core.is_up:
            return NOT_JOINED
        if self.overflow or self._out >= MAX_OUT:
            self.overflow = max(0, self.overflow - 1)
            return BUFFERS_FULL
        short: int | None = to
        if mode == WIDE_MODE:
            short = core.air.short_of(to)
        elif mode == GROUP_MODE:
            short = BROADCAST_AWAKE
        if short is None:
            return BAD_PARAMETER
        is_one = mode in (SHORT_MODE, WIDE_MODE) and short < 0xFFF8
        secured, acknowledged = bool(options & SECURED) and is_one, bool(options & ACKNOWLEDGED) and is_one
        longest = MAX_BLOCK - (ENCRYPTION if secured else 0)
        if len(payload) > longest and not acknowledged:
            return BAD_PARAMETER
        place = core.air.place_of(short) if is_one else None
        if secured and place is not None and core.keys.key_for(place.station.ieee) is None:
            return NO_KEY
        self._sequence = (self._sequence + 1) & 0xFF
        profile = 0 if endpoint is None else ANY_PROFILE if options & WILDCARD else endpoint.profile
        frame = AirFrame(
            source=core.own.short,
            destination=short,
            source_endpoint=here,
            destination_endpoint=there,
            profile=profile,
            cluster=cluster,
            payload=payload,
            counter=self._sequence,
            ack=acknowledged,
            encrypted=secured,
            group=to if mode == GROUP_MODE else None,
            network_counter=core.next_counter(),
        )
        if short == core.own.short:
            core.after(0.0, lambda: self.receive(frame, EVERYBODY))
            if there:
                core.after(0.0, lambda: self._confirm(0, here, tsn))
        elif not is_one:
            core.air.broadcast(frame)
            if short in (0xFFFC, 0xFFFD, 0xFFFF) and there == 0:
                core.after(0.0, lambda: self.receive(frame, EVERYBODY))  # a broadcast reaches its sender too
            core.after(core.air.delay_s, lambda: self._confirm(0, here, tsn))
        elif self.outcomes:
            told = self.outcomes.pop(0)
            if told is not None:
                core.after(0.0, lambda: self._confirm(told, here, tsn))
        else:
            self._out += 1
            core.spawn(self._carry(frame, here, tsn, is_told=there != 0))
        return OK

    async def _carry(self, frame: AirFrame, here: int, tsn: int, *, is_told: bool) -> None:
        try:
            status = await self._put(frame)
        finally:
            self._out -= 1
        if is_told:
            self._confirm(status, here, tsn)

    async def _put(self, frame: AirFrame) -> int:
        core = self._core
        place = core.air.place_of(frame.destination)
        if frame.encrypted and place is not None and not core.keys.fits(place.station):
            # Nobody there can read it, so nobody acknowledges it.
            await asyncio.sleep(core.air.delay_s)
            return STATUSES[NO_APS_ACK] if frame.ack else 0
        if core.statuses.failed_status and core.random.random() < core.statuses.failed_status:
            return STATUSES[NO_MAC_ACK]
        outcome = await core.air.send(frame)
        return STATUSES.get(outcome, outcome)

    def _confirm(self, status: int, here: int, tsn: int) -> None:
        core = self._core
        lost = core.statuses.lost_status
        if not (lost and core.random.random() < lost):
            core.say(CONFIRM, bytes((status, here, tsn)))

    # -- device objects ------------------------------------------------------------------------------------------------

    def _asker(self, cluster: int) -> Handler:
        def ask(fields: Cursor) -> bytes:
            return self._ask(fields.u16(), cluster, fields.rest())

        return ask

    def _ask(self, to: int, cluster: int, body: bytes) -> bytes:
        self._tsn = (self._tsn + 1) & 0xFF
        mode = BROADCAST_MODE if to >= 0xFFF8 else SHORT_MODE
        return self._send(mode, to, 0, 0, cluster, self._tsn, 0, bytes((self._tsn,)) + body)

    def _short_wanted(self, fields: Cursor) -> bytes:
        return self._ask(BROADCAST_AWAKE, 0x0000, fields.rest())

    def _address_wanted(self, fields: Cursor) -> bytes:
        to = fields.u16()
        return self._ask(to, 0x0001, u16(to) + fields.rest())

    def _scan(self, fields: Cursor) -> bytes:
        to, _ = fields.u16(), fields.u8()
        return self._ask(to, 0x0038, fields.rest())

    def _want(self, fields: Cursor) -> bytes:
        self._core.clusters.add(fields.u16())
        return OK

    def _want_no_more(self, fields: Cursor) -> bytes:
        self._core.clusters.discard(fields.u16())
        return OK

    # -- in ------------------------------------------------------------------------------------------------------------

    def receive(self, frame: AirFrame, lqi: int) -> None:
        """A frame arrived."""
        core = self._core
        if not core.is_up:
            return
        place = core.air.place_of(frame.source)
        if place is not None:
            core.heard[place.station.ieee] = frame.source
            relays = core.air.relays_to(place)
            if core.nvram.number(CONCENTRATOR) and self._ways.get(place.short, ()) != relays:
                self._ways[place.short] = relays
                core.say(WAY, u16(place.short) + bytes((len(relays),)) + b"".join(map(u16, relays)))
        if frame.destination_endpoint == 0:
            if frame.profile == 0:
                self._object(frame)
            return
        for number in self._endpoints_for(frame):
            self._tell(replace(frame, destination_endpoint=number), lqi)

    def _endpoints_for(self, frame: AirFrame) -> list[int]:
        endpoints = self._core.own.endpoints
        if frame.group is not None:
            wanted = [number for number, group in self.groups if group == frame.group]
        elif frame.destination_endpoint == EVERYBODY:
            wanted = list(endpoints)
        else:
            wanted = [frame.destination_endpoint]
        checks = self._core.firmware.checks_profile
        return [
            number
            for number in wanted
            if number in endpoints
            and (not checks or ANY_PROFILE in (frame.profile, endpoints[number].profile)
                 or frame.profile == endpoints[number].profile)
        ]  # fmt: skip

    def _tell(self, frame: AirFrame, lqi: int) -> None:
        core, stamp = self._core, int(asyncio.get_running_loop().time() * 3125) & 0xFFFFFFFF
        is_broadcast = frame.destination >= 0xFFF8
        group, tail = u16(frame.group or 0) + u16(frame.cluster), u16(frame.source) + b"\x1e"
        about = bytes((frame.destination_endpoint, is_broadcast, lqi, frame.encrypted))
        end = u32(stamp) + bytes((frame.counter,))
        if len(frame.payload) <= MAX_SHOWN:
            head = group + u16(frame.source) + bytes((frame.source_endpoint,)) + about + end
            core.say(ARRIVED, head + block(frame.payload) + tail)
            return
        while stamp in self._long:
            stamp += 1
        self._long[stamp] = frame.payload
        core.after(KEPT_S, lambda: self._drop(stamp))
        head = group + bytes((SHORT_MODE,)) + u16(frame.source) + bytes(6) + bytes((frame.source_endpoint,)) + u16(0)
        core.say(ARRIVED_LONG, head + about + u32(stamp) + bytes((frame.counter,)) + u16(len(frame.payload)) + tail)

    def _drop(self, stamp: int) -> None:
        self._long.pop(stamp, None)

    def _retrieve(self, fields: Cursor) -> bytes:
        """A part of a message that was too long to be told; length 0: it is not wanted any more."""
        stamp, at, length = fields.u32(), fields.u16(), fields.u8()
        found = self._long.get(stamp)
        if found is None:
            return FAILED + b"\x00"
        if not length:
            del self._long[stamp]
            return OK + b"\x00"
        return OK + block(found[at : at + length])

    def _object(self, frame: AirFrame) -> None:
        """To the device object: requests are the stick's to answer; the host hears of all that it wants to hear of."""
        core, cluster = self._core, frame.cluster
        if cluster == DEVICE_ANNOUNCE and frame.source != core.own.short:
            body = frame.payload[1:]
            short, ieee = int.from_bytes(body[:2], "little"), int.from_bytes(body[2:10], "little")
            core.heard[ieee] = short
            core.say(ANNOUNCED, u16(frame.source) + body)
        elif not cluster & RESPONSE:
            is_broadcast = frame.destination >= 0xFFF8
            answer = core.own.answer(cluster, frame.payload[1:], is_broadcast=is_broadcast)
            if answer is not None:
                self._answer(frame, frame.payload[:1] + answer)
        elif core.nvram.number(DIRECT_CALLBACKS) and cluster in ANSWERS:
            self._tell_directly(frame)
        if core.clusters & {cluster, ANY_CLUSTER}:
            is_broadcast = frame.destination >= 0xFFF8
            head = u16(frame.source) + bytes((is_broadcast,)) + u16(cluster) + bytes((frame.encrypted,))
            core.say(OBJECT, head + frame.payload[:1] + u16(core.own.short) + frame.payload[1:])

    def _tell_directly(self, frame: AirFrame) -> None:
        body = frame.payload[1:]
        if frame.cluster in OF_ADDRESSES:
            self._core.say(ANSWERS[frame.cluster], body[:11] + b"\x00\x00")
        else:
            self._core.say(ANSWERS[frame.cluster], u16(frame.source) + body)

    def _answer(self, frame: AirFrame, payload: bytes) -> None:
        core = self._core
        self._sequence = (self._sequence + 1) & 0xFF
        back = AirFrame(
            source=core.own.short,
            destination=frame.source,
            source_endpoint=0,
            destination_endpoint=0,
            profile=0,
            cluster=frame.cluster | RESPONSE,
            payload=payload,
            counter=self._sequence,
            network_counter=core.next_counter(),
        )
        if frame.source == core.own.short:
            core.after(0.0, lambda: self.receive(back, EVERYBODY))
        else:
            core.spawn(self._quietly(back))

    async def _quietly(self, frame: AirFrame) -> None:
        await self._core.air.send(frame)
