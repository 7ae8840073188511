"""A Smart Energy device on the air, with an interface whose frames are made by hand."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from random import Random

from radios.emulators import zcl
from radios.emulators.air import Air, AirFrame, Station
from radios.emulators.device import EmulatedDevice
from radios.emulators.devices import make
from radios.emulators.home import Home
from radios.emulators.se_payloads import CancelLoadControlEvent, LoadControlEvent, ReportEventStatus

FAST = 1200.0
"""A minute of the devices takes 50 ms."""
NOON = 846_763_200
POOL_PUMP = 1 << 3
UNSET, NOBODY = -0x8000, -0x80


class Interface:
    """An energy service interface at the coordinator's place, whose frames are made by hand."""

    ieee = 0x00158D00000000FE

    def __init__(self, *, has_servers: bool = True) -> None:
        self.heard: list[AirFrame] = []
        self.has_servers = has_servers
        self.tsn = 0x80
        self.utc: Callable[[], int] = lambda: 0xFFFFFFFF
        self.device: EmulatedDevice

    def receive(self, frame: AirFrame, lqi: int) -> None:
        self.heard.append(frame)
        if frame.profile == 0 and frame.cluster == 0x0006 and self.has_servers:
            tsn, _, _, _, cluster, _ = struct.unpack("<BHHBHB", frame.payload)
            answer = (
                struct.pack("<BBHBB", tsn, 0, 0, 1, 0x5E) if cluster != 0x0702 else struct.pack("<BBHB", tsn, 0, 0, 0)
            )
            self._to(0, 0, 0, 0x8006, answer)
        elif frame.cluster == 0x000A and frame.payload[2] == zcl.READ:
            body = struct.pack("<HBBI", 0, 0, 0xE2, self.utc())
            self._to(0x5E, 0x0A, 0x0109, 0x000A, zcl.frame(frame.payload[1], zcl.READ_RESPONSE, body))
        elif frame.profile and not frame.payload[0] & 0x10 and frame.payload[0] & 3 == 1:
            told = zcl.frame(frame.payload[1], zcl.DEFAULT_RESPONSE, bytes((frame.payload[2], 0)))
            self._to(0x5E, 0x0A, 0x0109, frame.cluster, told)

    def _to(self, source: int, to: int, profile: int, cluster: int, payload: bytes, *, encrypted: bool = True) -> None:
        self.device.receive(
            AirFrame(
                source=0, destination=self.device.short, source_endpoint=source, destination_endpoint=to,
                profile=profile, cluster=cluster, payload=payload, encrypted=encrypted,
            )
        )  # fmt: skip

    def say(self, cluster: int, command: int, payload: bytes, *, quiet: bool = True, encrypted: bool = True) -> int:
        self.tsn = (self.tsn + 1) & 0xFF
        body = zcl.frame(self.tsn, command, payload, is_cluster=True, quiet=quiet)
        self._to(0x5E, 0x0A, 0x0109, cluster, body, encrypted=encrypted)
        return self.tsn

    def commands(self, cluster: int, command: int) -> list[bytes]:
        """Payloads of a cluster's command that came, without their headers."""
        return [
            frame.payload[3:]
            for frame in self.heard
            if frame.cluster == cluster and frame.payload[0] & 0x0B == 1 and frame.payload[2] == command
        ]

    def statuses(self, number: int) -> list[int]:
        """Of an event, in the order in which they were reported."""
        reports = [ReportEventStatus.unpack(payload) for payload in self.commands(0x0701, 0)]
        return [report.event_status for report in reports if report.issuer_event_id == number]

    def can_read(self, frame: AirFrame) -> bool:
        return True

    def admits(self, station: Station) -> bool:
        return True

    @property
    def leaves_keys_to_host(self) -> bool:
        return False

    def authenticate(self, ieee: int) -> bool:
        return True

    def joined(self, ieee: int, short: int, capability: int, *, rejoin: bool) -> None:
        return None

    def left(self, ieee: int, *, rejoin: bool) -> None:
        return None


class Room:
    """A device on the air with an interface that knows the time."""

    def __init__(self, kind: str, *, speed: float = FAST, knows_time: bool = True, has_servers: bool = True) -> None:
        loop = asyncio.get_running_loop()
        self.home = Home(1, 0.0, speed, loop.time())
        self.air, self.interface = Air(Random(1), delay_s=0.0), Interface(has_servers=has_servers)
        self.air.attach(self.interface)
        self.air.channel = 15
        self.device = self.interface.device = make(kind, 1, 1, self.home)
        if knows_time:
            self.interface.utc = self.utc
        self.enter(self.device)

    def enter(self, device: EmulatedDevice) -> None:
        device.link_key, device.is_authenticated = bytes(16), True
        assert self.air.join(device, quietly=True)

    def utc(self) -> int:
        return NOON + int(self.device.model_time())


def event(number: int = 0x1234, minutes: int = 60, **more: int) -> bytes:
    return LoadControlEvent(issuer_event_id=number, device_class=0x0FFF, duration_in_minutes=minutes, **more).pack()


def cancel(number: int, device_class: int = 0x0FFF, **more: int) -> bytes:
    return CancelLoadControlEvent(issuer_event_id=number, device_class=device_class, **more).pack()
