"""Emulated sleepy meters, and the meter with tunnels, over the air under a coordinator that is made by hand."""

from __future__ import annotations

import asyncio
import struct
from random import Random

import pytest

from radios.emulators import se_tunnels, zcl
from radios.emulators.air import Air, AirFrame, Station
from radios.emulators.devices import make
from radios.emulators.errors import EmulatorError
from radios.emulators.home import Home
from radios.emulators.se_sleepy_meters import GasMeter, SleepyMeter, WaterMeter
from radios.emulators.se_tunnels import Down, TunnelMeter, Up
from tests.hub.waiting import eventually

METERING, MIRROR = 0x0702, 0x80
ECHO = struct.pack("<BH", se_tunnels.PROTOCOL, se_tunnels.MAKER)


class Interface:
    """At the coordinator's place: it says where its clients and servers are, and what a test wants."""

    ieee = 0x00158D00000000FE

    def __init__(self, kind: str) -> None:
        self.heard: list[AirFrame] = []
        self.mirror = MIRROR
        """What Request Mirror is answered."""
        self.air = Air(Random(1), delay_s=0.0)
        self.air.attach(self)
        self.air.channel = 15
        self.device = make(kind, 1, 1, Home(1, 0.0, 600.0, asyncio.get_running_loop().time()))
        self.device.link_key, self.device.is_authenticated = bytes(16), True
        assert self.air.join(self.device, quietly=True)

    def receive(self, frame: AirFrame, lqi: int) -> None:
        self.heard.append(frame)
        if frame.profile == 0 and frame.cluster == 0x0006:
            self._to(0, 0, 0, 0x8006, struct.pack("<BBHBB", frame.payload[0], 0, 0, 1, 0x5E))
        elif frame.cluster == METERING and frame.payload[0] & 3 == 1 and frame.payload[2] == 0x01:
            self.say(METERING, 0x01, struct.pack("<H", self.mirror), to_client=False)
        elif frame.cluster == METERING and frame.payload[0] & 3 == 1 and frame.payload[2] == 0x02:
            self.say(METERING, 0x02, struct.pack("<H", self.mirror), to_client=False)

    def _to(self, source: int, to: int, profile: int, cluster: int, payload: bytes) -> None:
        self.device.receive(
            AirFrame(
                source=0, destination=self.device.short, source_endpoint=source, destination_endpoint=to,
                profile=profile, cluster=cluster, payload=payload, encrypted=True,
            )
        )  # fmt: skip

    def say(self, cluster: int, command: int, payload: bytes, *, to_client: bool, endpoint: int = 0x5E) -> None:
        body = zcl.frame(7, command, payload, is_cluster=True, to_client=to_client)
        self._to(endpoint, 0x0A, 0x0109, cluster, body)

    def reports(self) -> list[set[int]]:
        """Attributes of each report to the mirror."""
        found = []
        for frame in self.heard:
            if frame.destination_endpoint == MIRROR and frame.payload[2] == zcl.REPORT and frame.encrypted:
                numbers, at = set(), 3
                while at < len(frame.payload):
                    number, kind = struct.unpack_from("<HB", frame.payload, at)
                    numbers.add(number)
                    _, at = zcl.unpack(kind, frame.payload, at + 3)
                found.append(numbers)
        return found

    def tunnel(self, command: int) -> list[bytes]:
        """Payloads of commands of the tunnels' server or client."""
        found = [frame for frame in self.heard if frame.cluster == se_tunnels.TUNNELING and frame.payload[0] & 3 == 1]
        return [frame.payload[3:] for frame in found if frame.payload[2] == command]

    def admits(self, station: Station) -> bool:
        return True

    def can_read(self, frame: AirFrame) -> bool:
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


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radios.emulators.se_sleepy_meters.SEARCH_LATER_S", 0.1)
    monkeypatch.setattr("radios.emulators.se_sleepy_meters.LEAST_REPORT_S", 0.1)


@pytest.mark.parametrize(("kind", "cls", "unit"), [("gas-meter", GasMeter, 0x01), ("water-meter", WaterMeter, 0x07)])
async def test_a_sleepy_meter_tells_its_mirror_first_how_to_read_it(
    kind: str, cls: type[SleepyMeter], unit: int
) -> None:
    room = Interface(kind)
    meter = room.device
    assert isinstance(meter, cls)
    await eventually(lambda: len(room.reports()) > 1)
    first, second = room.reports()[:2]
    assert {0x0000, 0x0300, 0x0301, 0x0302, 0x0303, 0x0306} <= first
    assert second == {0x0000, 0x0200, 0x0400}
    assert meter.endpoints[0x0A].servers[METERING].attributes[0x0300].get() == unit
    assert meter.shown()["mirror"] == MIRROR


async def test_a_sleepy_meter_asks_again_when_it_is_refused_or_has_forgotten_and_stops_when_removed() -> None:
    room = Interface("gas-meter")
    meter = room.device
    assert isinstance(meter, GasMeter)
    room.mirror = 0xFFFF
    await eventually(lambda: meter.refusals > 1)
    with pytest.raises(EmulatorError, match="no mirror"):
        meter.report_to_mirror()
    room.mirror = MIRROR
    await eventually(lambda: meter.mirror == MIRROR and meter.reports_told > 0)
    meter.forget_mirror()
    assert meter.mirror is None
    await eventually(lambda: meter.mirror == MIRROR)
    room.say(METERING, 0x02, struct.pack("<H", 99), to_client=False)
    assert meter.mirror == MIRROR  # another one is meant
    assert meter.remove_mirror() == MIRROR
    await eventually(lambda: meter.mirror is None)
    with pytest.raises(EmulatorError, match="no mirror"):
        meter.remove_mirror()


async def test_what_flows_is_counted() -> None:
    meter = Interface("gas-meter").device
    assert isinstance(meter, GasMeter)
    before, at = meter.volume_m3, meter.model_time()
    await eventually(lambda: meter.volume_m3 > before, 20)
    assert meter.volume_m3 - before <= 1.9 * (meter.model_time() - at) / 3600 + 0.01


async def said(room: Interface, command: int, count: int) -> list[bytes]:
    """What the device has said, once it is so much."""
    await eventually(lambda: len(room.tunnel(command)) >= count)
    return room.tunnel(command)


async def asked(room: Interface, count: int, protocol: bytes = ECHO, *, flow_control: bool = False) -> tuple[int, int]:
    """Tunnel and status of the `count`th request."""
    room.say(se_tunnels.TUNNELING, Up.REQUEST, protocol + bytes((flow_control,)), to_client=False)
    number, status, transfer = struct.unpack("<HBH", (await said(room, Down.REQUESTED, count))[-1])
    assert transfer == se_tunnels.TRANSFER
    return number, status


async def test_a_meter_with_tunnels_echoes_and_refuses() -> None:
    room = Interface("tunnel-meter")
    meter = room.device
    assert isinstance(meter, TunnelMeter)
    sml = struct.pack("<BH", 4, 0xFFFF)
    assert await asked(room, 1, sml) == (se_tunnels.NO_TUNNEL, se_tunnels.NOT_SUPPORTED)
    first, status = await asked(room, 2)
    assert status == se_tunnels.OPEN
    second, _ = await asked(room, 3, flow_control=True)
    assert await asked(room, 4) == (se_tunnels.NO_TUNNEL, se_tunnels.NO_MORE)

    def send(number: int, data: bytes, endpoint: int = 0x5E) -> None:
        body = struct.pack("<H", number) + data
        room.say(se_tunnels.TUNNELING, Up.DATA, body, to_client=False, endpoint=endpoint)

    send(first, b"hello")
    assert await said(room, Down.DATA, 1) == [struct.pack("<H", first) + b"hello"]
    send(first, bytes(se_tunnels.TRANSFER + 1))
    send(77, b"x")
    send(first, b"x", endpoint=0x10)
    assert [(struct.unpack("<HB", body)) for body in await said(room, Down.ERROR, 3)] == [
        (first, se_tunnels.OVERFLOW),
        (77, se_tunnels.NO_SUCH_TUNNEL),
        (first, se_tunnels.WRONG_DEVICE),
    ]
    # With flow control it acknowledges, and waits for acknowledgements and room.
    room.heard.clear()
    send(second, b"a" * 80)
    assert await said(room, Down.ACKNOWLEDGE, 1) == [struct.pack("<HH", second, se_tunnels.TRANSFER)]
    room.say(se_tunnels.TUNNELING, Up.ACKNOWLEDGE, struct.pack("<HH", second, 0), to_client=False)
    send(first, b"after")  # what was allowed has come before this
    pieces = await said(room, Down.DATA, 2)
    assert [body[2:] for body in pieces] == [b"a" * se_tunnels.PACKET, b"after"]
    room.say(se_tunnels.TUNNELING, Up.READY, struct.pack("<HH", second, 80), to_client=False)
    assert (await said(room, Down.DATA, 3))[2][2:] == b"a" * (80 - se_tunnels.PACKET)
    room.say(se_tunnels.TUNNELING, Up.CLOSE, struct.pack("<H", first), to_client=False)
    assert list(meter.served) == [second]


async def test_a_meter_opens_tunnels_of_its_own() -> None:
    room = Interface("tunnel-meter")
    meter = room.device
    assert isinstance(meter, TunnelMeter)
    meter.open_tunnel()
    assert [body[:4] for body in await said(room, Up.REQUEST, 1)] == [ECHO + b"\x00"]
    room.say(se_tunnels.TUNNELING, Down.REQUESTED, struct.pack("<HB", 0xFFFF, 1), to_client=True)
    assert (meter.status, meter.own) == (se_tunnels.BUSY, {})
    meter.open_tunnel()
    room.say(se_tunnels.TUNNELING, Down.REQUESTED, struct.pack("<HB", 5, 0), to_client=True)
    room.say(se_tunnels.TUNNELING, Down.DATA, struct.pack("<H", 5) + b"reading?", to_client=True)
    assert meter.own[5].received == b"reading?"
    meter.send(5, b"17")
    assert await said(room, Up.DATA, 1) == [struct.pack("<H", 5) + b"17"]
    room.say(se_tunnels.TUNNELING, Down.CLOSED, struct.pack("<H", 5), to_client=True)
    with pytest.raises(EmulatorError, match="tunnel 5"):
        meter.send(5, b"more")
