"""Emulated gas and water meters: they sleep, and have the energy service interface mirror what they count."""

from __future__ import annotations

import asyncio
import struct
from math import floor
from typing import ClassVar

from radios.emulators import zcl
from radios.emulators.air import BROADCAST_AWAKE, COORDINATOR, SLEEPY_CAPABILITY, AirFrame
from radios.emulators.attributes import Attribute
from radios.emulators.device import KEY_ESTABLISHMENT, SMART_ENERGY, Cluster, Endpoint
from radios.emulators.errors import EmulatorError
from radios.emulators.home import drift
from radios.emulators.se_clients import TimeClient
from radios.emulators.se_endpoint import (
    ENDPOINT,
    MATCH_DESCRIPTOR,
    MATCH_DESCRIPTOR_RESPONSE,
    SEARCH_AGAIN_S,
    SEARCH_LATER_S,
    SEARCHES,
    Client,
    Peer,
    SmartEnergyDevice,
)
from radios.emulators.se_payloads import METERING, TIME
from radios.emulators.servers import basic, identify, power_configuration

A = Attribute
METERING_DEVICE = 0x0501
REQUEST_MIRROR, REMOVE_MIRROR = 0x01, 0x02
REQUEST_MIRROR_RESPONSE, MIRROR_REMOVED = 0x01, 0x02
NO_MIRROR = 0xFFFF
REPORT_S, LEAST_REPORT_S = 300.0, 2.0
"""Its own time from one report to the mirror to the next, and the shortest time for whoever looks on."""
ALL_FIRST = (0x0300, 0x0301, 0x0302, 0x0303, 0x0306, 0x0200, 0x0000, 0x0400)
"""What the first report to a mirror has: how to read the rest, then the rest."""
AFTERWARDS = (0x0200, 0x0000, 0x0400)


class SleepyMeter(SmartEnergyDevice):
    """A base: a meter of volumes on a battery.

    Once keys are established it looks for a Metering client, asks it for a mirror, and reports to that now and then.
    """

    device_type = METERING_DEVICE
    capability = SLEEPY_CAPABILITY
    power_source = 0x03
    poll_s = 3.0
    device_kind: ClassVar[int]
    """MeteringDeviceType."""
    unit: ClassVar[int]
    """UnitOfMeasure."""
    divisor: ClassVar[int]
    counts_m3: ClassVar[float]
    """Of its counts, in a cubic metre."""
    start_m3: ClassVar[float]

    def build(self) -> None:
        """One endpoint of the Smart Energy profile, with a Metering server."""
        super().build()
        self.volume_m3 = self.start_m3 + self.seed % 500
        self.esi: Peer | None = None
        """Whom it asks for a mirror."""
        self.mirror: int | None = None
        """The endpoint there."""
        self.refusals = self.reports_told = 0
        self._counted_at: float | None = None
        self._wants_mirror = True
        self._is_new = True
        self._asked_esi: int | None = None
        self._tries, self._due = 0, 0.0
        attributes = {
            0x0000: A(zcl.UINT48, lambda: floor(self.volume_m3 * self.counts_m3), reportable=True),
            0x0200: A(zcl.MAP8, 0, reportable=True),
            0x0300: A(zcl.ENUM8, self.unit),
            0x0301: A(zcl.UINT24, 1),
            0x0302: A(zcl.UINT24, self.divisor),
            0x0303: A(zcl.MAP8, 0b0_0101_011),
            0x0306: A(zcl.MAP8, self.device_kind),
            0x0400: A(zcl.INT24, lambda: round(self.rate_m3_h() * self.counts_m3), reportable=True),
        }
        self.endpoints[ENDPOINT] = Endpoint(
            METERING_DEVICE,
            {
                0x0000: basic(self),
                0x0001: power_configuration(self, 3600),
                0x0003: identify(self),
                KEY_ESTABLISHMENT: self.keys.server,
                METERING: Cluster(attributes, hear=self._hear),
            },
            (TIME, KEY_ESTABLISHMENT),
            profile=SMART_ENERGY,
            client_sides=self.client_sides(),
        )

    def make_clients(self) -> tuple[Client, ...]:
        """It wants to know the time."""
        return (TimeClient(self),)

    def rate_m3_h(self) -> float:
        """What flows now."""
        raise NotImplementedError

    # -- the mirror ----------------------------------------------------------------------------------------------------

    def request_mirror(self) -> None:
        """Ask for a mirror with the next tick, whether or not it has one."""
        self._wants_mirror, self._tries, self._due = True, 0, 0.0

    def forget_mirror(self) -> None:
        """A new battery: it knows of no mirror, and asks for one."""
        self.esi, self.mirror, self._is_new = None, None, True
        self.request_mirror()

    def remove_mirror(self) -> int:
        """Have the mirror removed, and ask for none any more; which it was. Raises `EmulatorError`."""
        if self.esi is None or self.mirror is None:
            raise EmulatorError("it has no mirror")
        self._wants_mirror = False
        self._tell(self.esi, REMOVE_MIRROR)
        return self.mirror

    def _tell(self, peer: Peer, command: int) -> None:
        body = zcl.frame(self.next_tsn(), command, b"", is_cluster=True, quiet=False)
        self.say(ENDPOINT, METERING, body, to=peer.short, to_endpoint=peer.endpoint)

    def _hear(self, frame: AirFrame, header: zcl.Header, payload: bytes) -> int | None:
        """What a Metering client says to it."""
        if not header.is_cluster:
            return None
        if header.command == REQUEST_MIRROR_RESPONSE:
            [endpoint] = struct.unpack_from("<H", payload)
            self._tries = 0
            if endpoint == NO_MIRROR:
                self.refusals += 1
                self._due = asyncio.get_running_loop().time() + SEARCH_LATER_S
            else:
                self.mirror, self._wants_mirror, self._is_new, self._due = endpoint, False, True, 0.0
            return zcl.SUCCESS
        if header.command == MIRROR_REMOVED:
            if struct.unpack_from("<H", payload)[0] == self.mirror:
                self.mirror = None
            return zcl.SUCCESS
        return zcl.UNSUP_CLUSTER_COMMAND

    def tick(self) -> None:
        """Count, and care for the mirror."""
        super().tick()
        now = self.model_time()
        hours = 0.0 if self._counted_at is None else max(0.0, now - self._counted_at) / 3600
        self._counted_at = now
        self.volume_m3 += self.rate_m3_h() * hours
        if self.is_authenticated and asyncio.get_running_loop().time() >= self._due:
            self._act()

    def _act(self) -> None:
        now = asyncio.get_running_loop().time()
        if self.mirror is not None and self.esi is not None and not self._wants_mirror:
            self._due = now + max(REPORT_S / self.speed, LEAST_REPORT_S)
            self.report_to_mirror()
            return
        if not self._wants_mirror:
            return
        self._tries += 1
        self._due = now + (SEARCH_AGAIN_S if self._tries < SEARCHES else SEARCH_LATER_S)
        if self.esi is None:
            self._asked_esi = self.next_tsn()
            to = BROADCAST_AWAKE if self._tries % 2 == 0 else COORDINATOR
            body = struct.pack("<BHHBBH", self._asked_esi, to, SMART_ENERGY, 0, 1, METERING)
            self._send(0, 0, 0, MATCH_DESCRIPTOR, body, to)
        else:
            self._tell(self.esi, REQUEST_MIRROR)

    def report_to_mirror(self) -> None:
        """Report now. Raises `EmulatorError` where there is no mirror."""
        if self.esi is None or self.mirror is None:
            raise EmulatorError("it has no mirror")
        rows = self.endpoints[ENDPOINT].servers[METERING].attributes
        told = ALL_FIRST if self._is_new else AFTERWARDS
        self._is_new = False
        self.reports_told += 1
        records = b"".join(
            struct.pack("<HB", number, rows[number].type) + zcl.pack(rows[number].type, rows[number].get())
            for number in told
        )
        body = zcl.frame(self.next_tsn(), zcl.REPORT, records)
        self.say(ENDPOINT, METERING, body, to=self.esi.short, to_endpoint=self.mirror)

    def object_answered(self, cluster: int, tsn: int, body: bytes) -> None:
        """Somebody has a Metering client."""
        super().object_answered(cluster, tsn, body)
        if cluster != MATCH_DESCRIPTOR_RESPONSE or tsn != self._asked_esi or self.esi is not None:
            return
        if len(body) >= 5 and body[0] == 0 and body[3] > 0:
            self.esi = Peer(body[1] | body[2] << 8, body[4])
            self._tries, self._due = 0, 0.0

    def network_left(self, *, rejoin: bool) -> None:
        """On another network it has no mirror."""
        super().network_left(rejoin=rejoin)
        if not rejoin:
            self.forget_mirror()

    def shown(self) -> dict[str, object]:
        """What it has counted, and where that is mirrored."""
        return super().shown() | {
            "volume_m3": round(self.volume_m3, 3),
            "flow_m3_h": round(self.rate_m3_h(), 3),
            "mirror": self.mirror,
            "refused": self.refusals,
        }


class GasMeter(SleepyMeter):
    """A boiler burns behind it, now and then."""

    kind = "gas-meter"
    manufacturer, model = "Example", "gas-meter"
    device_kind = 1
    unit, divisor, counts_m3 = 0x01, 1000, 1000.0
    start_m3 = 4210.0

    def rate_m3_h(self) -> float:
        """Cubic metres an hour."""
        return 1.9 if drift(self.seed, self.model_time(), 1200.0) > 0.5 else 0.0


class WaterMeter(SleepyMeter):
    """Somebody opens a tap behind it, now and then. It counts litres."""

    kind = "water-meter"
    manufacturer, model = "Example", "water-meter"
    device_kind = 2
    unit, divisor, counts_m3 = 0x07, 1, 1000.0
    start_m3 = 318.0

    def rate_m3_h(self) -> float:
        """Cubic metres an hour."""
        return 0.54 if drift(self.seed, self.model_time(), 300.0) > 0.7 else 0.0
