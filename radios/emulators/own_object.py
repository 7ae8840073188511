"""The device object (ZDO) of a stick, as its firmware answers for it: who it is, its endpoints, whom it hears."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from radios.emulators.air import Air
from radios.emulators.device_object import neighbour_rows, table

NWK_ADDRESS, IEEE_ADDRESS, NODE, POWER, SIMPLE, ACTIVE, MATCH = 0x0000, 0x0001, 0x0002, 0x0003, 0x0004, 0x0005, 0x0006
DEVICE_ANNOUNCE = 0x0013
BIND, UNBIND = 0x0021, 0x0022
NEIGHBOURS, ROUTES, BINDINGS, LEAVE, PERMIT, UPDATE = 0x0031, 0x0032, 0x0033, 0x0034, 0x0036, 0x0038
OF_ENDPOINTS = frozenset((SIMPLE, ACTIVE, MATCH))
OF_BINDINGS = frozenset((BIND, UNBIND, BINDINGS))
OF_STACK = frozenset((NWK_ADDRESS, IEEE_ADDRESS, NODE, POWER, NEIGHBOURS, ROUTES, PERMIT, UPDATE))
SUPPORTED = OF_STACK | OF_ENDPOINTS | OF_BINDINGS
LONGEST_SCAN, CHANNEL_CHANGE = 5, 0xFE
"""Durations of an update request that are a scan, and that mean something else."""
_BAD_REQUEST = b"\x80"
_OK, _BAD_ENDPOINT, _NOT_ACTIVE, _NOT_SUPPORTED, _NOT_AUTHORIZED = b"\x00", b"\x82", b"\x83", b"\x84", b"\x8d"
MAX_TRANSFER, SERVER_MASK = 82, 0x2C41
"""Bytes; primary trust centre, network manager, stack of revision 22 (node descriptor, Zigbee R22, 2.3.2.3)."""
ANY_PROFILE = 0xFFFF


@dataclass(frozen=True, slots=True)
class OwnEndpoint:
    """An endpoint that the host has declared."""

    number: int
    profile: int
    device: int
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def descriptor(self) -> bytes:
        """Simple descriptor."""
        made = struct.pack("<BHHB", self.number, self.profile, self.device, self.version)
        for clusters in (self.inputs, self.outputs):
            made += bytes((len(clusters),)) + b"".join(cluster.to_bytes(2, "little") for cluster in clusters)
        return made


class OwnObject:
    """Answers for the stick. `ieee`, `short` and `manufacturer` are set by whoever owns it."""

    def __init__(self, air: Air, ieee: int) -> None:
        self._air = air
        self.ieee, self.short, self.manufacturer = ieee, 0, 0
        self.endpoints: dict[int, OwnEndpoint] = {}
        self.move: Callable[[int], None] = lambda _: None
        """Go to another channel."""

    def answer(self, cluster: int, body: bytes, *, is_broadcast: bool) -> bytes | None:
        """What the firmware says to a request, without its transaction number; None: nothing."""
        try:
            return self._answer(cluster, body, is_broadcast=is_broadcast)
        except (struct.error, IndexError):
            return None if is_broadcast else _BAD_REQUEST

    def _answer(self, cluster: int, body: bytes, *, is_broadcast: bool) -> bytes | None:
        short = self.short.to_bytes(2, "little")
        wide = self.ieee.to_bytes(8, "little")
        if cluster == NWK_ADDRESS:
            is_meant = body[:8] == wide
            return _OK + wide + short if is_meant else None if is_broadcast else b"\x81" + body[:8] + b"\xff\xff"
        if cluster in (IEEE_ADDRESS, NODE, POWER, SIMPLE, ACTIVE) and body[:2] != short:
            return None if is_broadcast else b"\x80" + body[:2]
        match cluster:
            case 0x0001:
                return _OK + wide + short
            case 0x0002:
                logical = 0 if self.short == 0 else 1
                about = (logical, 0x40, 0x8F, self.manufacturer, MAX_TRANSFER, MAX_TRANSFER, SERVER_MASK)
                return _OK + short + struct.pack("<BBBHBHHHB", *about, MAX_TRANSFER, 0)
            case 0x0003:
                return _OK + short + b"\x10\xc1"
            case 0x0004:
                return self._simple(short, body[2])
            case 0x0005:
                return _OK + short + bytes((len(self.endpoints), *self.endpoints))
            case 0x0006:
                return self._match(short, body, is_broadcast=is_broadcast)
            case 0x0031:
                return table(neighbour_rows(self._air, 0 if self.short == 0 else self.ieee), body[0])
            case 0x0032:
                return table(self._routes(), body[0])
            case 0x0033:
                return table([], body[0])
            case 0x0036:
                self._air.permit(body[0], via=0 if self.short == 0 else self.ieee)
                return None if is_broadcast else _OK
            case 0x0038:
                return self._update(int.from_bytes(body[:4], "little"), body[4])
            case 0x0021 | 0x0022 | 0x0034:
                return _NOT_SUPPORTED
        return None if is_broadcast else _NOT_SUPPORTED

    def _simple(self, short: bytes, number: int) -> bytes:
        found = self.endpoints.get(number)
        if found is None:
            return (_NOT_ACTIVE if 0 < number < 0xF1 else _BAD_ENDPOINT) + short + b"\x00"
        return _OK + short + bytes((len(found.descriptor),)) + found.descriptor

    def _match(self, short: bytes, body: bytes, *, is_broadcast: bool) -> bytes | None:
        about, profile, servers = struct.unpack_from("<HHB", body)
        if about != self.short and about < 0xFFF8:
            return None if is_broadcast else b"\x80" + body[:2] + b"\x00"
        wanted = set(struct.unpack_from(f"<{servers}H", body, 5))
        at = 5 + 2 * servers
        clients = set(struct.unpack_from(f"<{body[at]}H", body, at + 1))
        found = [
            endpoint.number
            for endpoint in self.endpoints.values()
            if profile in (endpoint.profile, ANY_PROFILE)
            and (wanted & set(endpoint.inputs) or clients & set(endpoint.outputs))
        ]
        if not found and (is_broadcast or about >= 0xFFF8):
            return None
        return _OK + short + bytes((len(found), *found))

    def _update(self, mask: int, duration: int) -> bytes | None:
        """Energy on channels, or a move to another one."""
        channels = [channel for channel in range(11, 27) if mask >> channel & 1]
        if duration == CHANNEL_CHANGE and len(channels) == 1:
            self.move(channels[0])
            return None
        if duration > LONGEST_SCAN or not channels:
            return _BAD_REQUEST
        levels = bytes(self._air.energy(channel) for channel in channels)
        return _OK + struct.pack("<IHHB", mask, 0, 0, len(levels)) + levels

    def _routes(self) -> list[bytes]:
        """One to each router: they all hear each other."""
        rows = self._air.neighbours(0 if self.short == 0 else self.ieee)
        return [struct.pack("<HBH", short, 0, short) for _, short, kind, *_ in rows if kind == 1]
