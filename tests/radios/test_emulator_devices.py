"""Emulated Zigbee devices by themselves: ZCL servers, reports, bindings, groups, and what the air does to frames."""

from __future__ import annotations

import asyncio
import itertools
import struct
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radios.emulators import zcl
from radios.emulators.air import DELIVERED, EXPIRED, NO_APS_ACK, NO_MAC_ACK, Air, AirFrame, Station
from radios.emulators.device import EmulatedDevice
from radios.emulators.devices import DEVICES, Cube, Plug, make
from radios.emulators.home import Home


class Listener:
    """A coordinator that only listens."""

    ieee = 0x00158D00000000FE

    def __init__(self) -> None:
        self.heard: list[AirFrame] = []

    def receive(self, frame: AirFrame, lqi: int) -> None:
        assert 1 <= lqi <= 255
        self.heard.append(frame)

    def can_read(self, frame: AirFrame) -> bool:
        return True

    def admits(self, station: Station) -> bool:
        return True

    @property
    def leaves_keys_to_host(self) -> bool:
        return False

    def authenticate(self, ieee: int) -> bool:
        return False

    def joined(self, ieee: int, short: int, capability: int, *, rejoin: bool) -> None:
        return None

    def left(self, ieee: int, *, rejoin: bool) -> None:
        return None


def room(kind: str) -> tuple[Air, Listener, EmulatedDevice]:
    air, listener = Air(Random(1), delay_s=0.0), Listener()
    air.attach(listener)
    air.channel = 15
    device = make(kind, 1, 1, Home(1, 0.0, 1.0, 0.0))
    assert air.join(device, quietly=True)
    return air, listener, device


def say(device: EmulatedDevice, cluster: int, payload: bytes, *, profile: int = 0x0104, endpoint: int = 1) -> None:
    device.receive(
        AirFrame(
            source=0,
            destination=device.short,
            source_endpoint=1 if profile else 0,
            destination_endpoint=endpoint if profile else 0,
            profile=profile,
            cluster=cluster,
            payload=payload,
        )
    )


async def answers(listener: Listener) -> list[bytes]:
    await asyncio.sleep(0.01)
    found = [frame.payload for frame in listener.heard if frame.profile]
    listener.heard.clear()
    return found


async def test_a_device_is_a_zcl_server() -> None:
    air, listener, _ = room("thermostat")
    device = air.places[next(iter(air.places))].station
    assert isinstance(device, EmulatedDevice)
    read = zcl.frame(5, zcl.READ, struct.pack("<HH", 0x0012, 0x0099), to_client=False)
    say(device, 0x0201, read)
    assert await answers(listener) == [bytes.fromhex("180501120000290208990086")]
    for value, type_id, status in ((2200, 0x29, b"\x00"), (9000, 0x29, b"\x87\x12\x00"), (5, 0x20, b"\x8d\x12\x00")):
        body = struct.pack("<HB", 0x0012, type_id) + zcl.pack(type_id, value)
        say(device, 0x0201, zcl.frame(6, zcl.WRITE, body, to_client=False))
        assert await answers(listener) == [bytes((0x18, 6, zcl.WRITE_RESPONSE)) + status]
    say(device, 0x0201, zcl.frame(7, 0x55, b"", to_client=False, is_cluster=True))
    assert await answers(listener) == [bytes((0x18, 7, 0x0B, 0x55, zcl.UNSUP_CLUSTER_COMMAND))]
    say(device, 0x0702, zcl.frame(8, zcl.READ, b"\x00\x00", to_client=False))
    assert await answers(listener) == [bytes((0x18, 8, 0x0B, 0x00, zcl.UNSUPPORTED_CLUSTER))]
    air.close()


@pytest.mark.parametrize(
    ("cluster", "attribute", "data", "status"),
    [
        (0x0006, 0x4003, b"\x30\x02", 0),
        (0x0006, 0x4003, b"\x30\xff", 0),
        (0x0006, 0x4003, b"\x30\x09", zcl.INVALID_VALUE),
        (0x0000, 0x0010, b"\x42\x10" + b"x" * 16, 0),
        (0x0000, 0x0010, b"\x42\x10" + b"\xe4" * 16, 0),
        (0x0000, 0x0010, b"\x42\x11" + b"x" * 17, zcl.INVALID_VALUE),
        (0x0000, 0x0010, b"\x42\x1c" + b"x" * 28, zcl.INVALID_VALUE),
    ],
)
async def test_what_the_standard_does_not_allow_is_not_written(
    cluster: int, attribute: int, data: bytes, status: int
) -> None:
    air, listener, plug = room("plug")
    before = plug.endpoints[1].servers[cluster].attributes[attribute].get()
    body = struct.pack("<H", attribute) + data
    say(plug, cluster, zcl.frame(6, zcl.WRITE, body, to_client=False))
    [answer] = await answers(listener)
    assert answer[3] == status
    if status:
        assert plug.endpoints[1].servers[cluster].attributes[attribute].get() == before
    air.close()


async def test_reports_need_a_binding_and_keep_their_least_change() -> None:
    air, listener, device = room("lamp")
    body = struct.pack("<BHBHHB", 0, 0, 0x20, 0, 60, 10)
    say(device, 8, zcl.frame(1, zcl.CONFIGURE, body, to_client=False))
    assert await answers(listener) == [b"\x18\x01\x07\x00"]
    device.changed()
    assert await answers(listener) == []
    bind = b"\x01" + struct.pack("<QBHBQB", device.ieee, 1, 8, 3, listener.ieee, 1)
    say(device, 0x0021, bind, profile=0)
    device.changed()
    assert [payload[2] for payload in await answers(listener)] == [zcl.REPORT]
    for level, told in ((205, 0), (215, 1)):
        device.endpoints[1].servers[8].attributes[0].value = level
        device.changed()
        assert len(await answers(listener)) == told
    air.close()


async def test_a_sleeping_child_gets_its_frames_when_it_is_awake() -> None:
    air, _, device = room("cube")
    frame = AirFrame(
        source=0, destination=device.short, source_endpoint=1, destination_endpoint=1, profile=0x0104, cluster=0,
        payload=b"\x00\x01\x00\x05\x00",
    )  # fmt: skip
    assert isinstance(device, Cube)
    task = asyncio.ensure_future(air.send(frame))
    await asyncio.sleep(0.05)
    assert not task.done()
    device.gesture("shake")
    assert await asyncio.wait_for(task, 5) == 0x00
    assert device.heard
    air.close()


@pytest.mark.parametrize("kind", DEVICES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cluster=st.integers(0, 0x0B10), payload=st.binary(max_size=40), profile=st.sampled_from((0, 0x0104)))
def test_no_frame_breaks_a_device(kind: str, cluster: int, payload: bytes, profile: int) -> None:
    async def hear() -> None:
        air, _, device = room(kind)
        number, endpoint = next(iter(device.endpoints.items()))
        for found in (cluster, *endpoint.servers):
            say(device, found, payload, profile=profile and endpoint.profile, endpoint=number)
        air.close()

    asyncio.run(hear())


def add_group(device: EmulatedDevice, group: int, command: int = 0) -> None:
    say(device, 0x0004, zcl.frame(9, command, struct.pack("<HB", group, 0), to_client=False, is_cluster=True))


def to_group(device: EmulatedDevice, group: int, command: int) -> None:
    payload = zcl.frame(3, command, b"", to_client=False, is_cluster=True, quiet=False)
    device.receive(
        AirFrame(
            source=0, destination=0xFFFF, source_endpoint=1, destination_endpoint=0xFF, profile=0x0104, cluster=6,
            payload=payload, group=group,
        )
    )  # fmt: skip


async def test_a_groupcast_moves_members_only_and_is_never_answered() -> None:
    air, listener, plug = room("plug")
    assert isinstance(plug, Plug)
    to_group(plug, 0x0012, 0)
    assert plug.is_on
    add_group(plug, 0x0012)
    assert await answers(listener) == [bytes.fromhex("19 09 00 00 1200")]
    to_group(plug, 0x0013, 0)
    assert plug.is_on
    to_group(plug, 0x0012, 0)
    assert not plug.is_on
    add_group(plug, 0x0012, command=3)
    assert await answers(listener) == [bytes.fromhex("19 09 03 00 1200")]
    to_group(plug, 0x0012, 1)
    assert not plug.is_on
    assert await answers(listener) == []
    air.close()


async def test_a_binding_reports_to_the_device_that_it_names() -> None:
    air, listener, lamp = room("lamp")
    other = make("plug", 2, 1, Home(1, 0.0, 1.0, 0.0))
    assert air.join(other, quietly=True)
    body = struct.pack("<BHBHHB", 0, 0, 0x20, 0, 60, 10)
    say(lamp, 8, zcl.frame(1, zcl.CONFIGURE, body, to_client=False))
    say(lamp, 0x0021, b"\x01" + struct.pack("<QBHBQB", lamp.ieee, 1, 8, 3, other.ieee, 1), profile=0)
    await answers(listener)
    lamp.changed()
    assert await answers(listener) == []
    assert [frame.source for frame in other.heard] == [lamp.short]
    # One that names nobody here is of no consequence.
    say(lamp, 0x0021, b"\x01" + struct.pack("<QBHBQB", lamp.ieee, 1, 8, 3, 0x99, 1), profile=0)
    lamp.endpoints[1].servers[8].attributes[0].value = 20
    lamp.changed()
    assert await answers(listener) == []
    air.close()


async def test_a_default_response_is_never_answered() -> None:
    air, listener, lamp = room("lamp")
    for cluster in (6, 0x0702):
        say(lamp, cluster, zcl.frame(1, zcl.DEFAULT_RESPONSE, b"\x00\x81", to_client=False, quiet=False))
    assert await answers(listener) == []
    air.close()


async def test_a_thermostat_keeps_to_the_limits_that_are_written() -> None:
    air, listener, thermostat = room("thermostat")
    attributes = thermostat.endpoints[1].servers[0x0201].attributes

    async def write(attribute: int, value: int) -> int:
        body = struct.pack("<HBh", attribute, 0x29, value)
        say(thermostat, 0x0201, zcl.frame(6, zcl.WRITE, body, to_client=False))
        [answer] = await answers(listener)
        return answer[3]

    assert await write(0x0016, 2000) == 0
    assert attributes[0x0012].get() == 2000
    assert await write(0x0012, 2100) == zcl.INVALID_VALUE
    assert await write(0x0015, 400) == zcl.INVALID_VALUE
    assert await write(0x0015, 1500) == 0
    say(thermostat, 0x0201, zcl.frame(7, 0x00, b"\x00\x9c", to_client=False, is_cluster=True))
    assert attributes[0x0012].get() == 1500
    air.close()


async def test_a_cube_tells_its_battery_every_fifty_minutes() -> None:
    air, listener, _ = room("plug")
    hour = [0.0]
    cube = Cube(1, 1, lambda: hour[0])
    assert air.join(cube, quietly=True)
    told = []
    for minute in range(0, 160):
        hour[0] = minute * 60.0
        cube.tick()
        told += [minute for payload in await answers(listener) if payload[0] & 4]
    assert [after - before for before, after in itertools.pairwise(told)] == pytest.approx([50.0] * 3, abs=4)
    air.close()


async def test_a_lost_acknowledgement_makes_a_frame_come_twice_and_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radios.emulators.air.APS_WAIT_S", 0.0)
    air, listener, plug = room("plug")
    lost = iter((False, True, False, False))  # the frame, its acknowledgement; both again
    monkeypatch.setattr(air, "_is_lost", lambda: next(lost, False))
    toggle = zcl.frame(3, 2, b"", to_client=False, is_cluster=True)
    frame = AirFrame(
        source=0, destination=plug.short, source_endpoint=1, destination_endpoint=1, profile=0x0104, cluster=6,
        payload=toggle, counter=77, ack=True,
    )  # fmt: skip
    assert await air.send(frame) == 0x00
    assert isinstance(plug, Plug)
    assert not plug.is_on
    assert len(plug.heard) == 1
    assert next(lost, None) is None
    # The same number is a repetition; every acknowledgement lost is told as such.
    monkeypatch.setattr(air, "_is_lost", lambda: True)
    assert await air.send(frame) == NO_APS_ACK
    await answers(listener)
    air.close()


async def test_a_stick_that_was_reset_begins_its_numbers_anew_and_is_heard() -> None:
    air, _, plug = room("plug")
    for network_counter in (5, 1001):
        toggle = zcl.frame(3, 2, b"", to_client=False, is_cluster=True)
        frame = AirFrame(
            source=0, destination=plug.short, source_endpoint=1, destination_endpoint=1, profile=0x0104, cluster=6,
            payload=toggle, counter=1, ack=True, network_counter=network_counter,
        )  # fmt: skip
        assert await air.send(frame) == await air.send(frame) == DELIVERED
    assert [frame.network_counter for frame in plug.heard] == [5, 1001]
    air.close()


async def test_what_others_overtake_is_no_recording() -> None:
    air, _, plug = room("plug")
    air.delay_s = 0.005

    def frame(counter: int, destination: int, **more: bool) -> AirFrame:
        return AirFrame(
            source=0, destination=destination, source_endpoint=1, destination_endpoint=1, profile=0x0104,
            cluster=0x0000, payload=bytes((0x00, counter, 0x00, 0x04, 0x00)), counter=counter,
            network_counter=counter, **more,
        )  # fmt: skip

    first = asyncio.create_task(air.send(frame(5, plug.short, ack=True)))
    await asyncio.sleep(0)
    air.broadcast(frame(6, 0xFFFD))
    assert await first == DELIVERED
    await asyncio.sleep(0.02)
    assert sorted(one.counter for one in plug.heard) == [5, 6]
    assert await air.send(frame(4, plug.short)) == DELIVERED  # to its radio, which drops what is older
    assert sorted(one.counter for one in plug.heard) == [5, 6]


async def test_a_child_without_power_fetches_nothing() -> None:
    air, _, sensor = room("sensor")
    frame = AirFrame(
        source=0, destination=sensor.short, source_endpoint=1, destination_endpoint=1, profile=0x0104, cluster=0,
        payload=b"\x00\x01\x00\x05\x00",
    )  # fmt: skip
    air.places[sensor.ieee].poll_s = 0.2
    task = asyncio.ensure_future(air.send(frame))
    await asyncio.sleep(0)
    sensor.set_power(False)
    assert await task == EXPIRED
    air.close()


async def test_a_plug_without_power_is_not_heard_by_its_neighbours() -> None:
    air, _, plug = room("plug")
    plug.set_power(False)
    frame = AirFrame(
        source=0, destination=plug.short, source_endpoint=1, destination_endpoint=1, profile=0x0104, cluster=0,
        payload=b"\x00\x01\x00\x05\x00",
    )  # fmt: skip
    assert await air.send(frame) == NO_MAC_ACK
    air.close()


async def test_joining_is_open_where_it_was_opened() -> None:
    air, listener, plug = room("plug")
    lamp = make("lamp", 2, 1, Home(1, 0.0, 1.0, 0.0))
    assert not air.join(lamp)
    say(plug, 0x0036, b"\x05\x3c\x00", profile=0)
    assert air.is_open
    assert air.join(lamp)
    assert air.places[lamp.ieee].parent == plug.ieee
    say(plug, 0x0036, b"\x06\x00\x00", profile=0)
    assert not air.is_open
    assert [frame.payload for frame in listener.heard if frame.cluster == 0x8036] == []
    await asyncio.sleep(0.01)
    assert [frame.payload for frame in listener.heard if frame.cluster == 0x8036] == [b"\x05\x00", b"\x06\x00"]
    air.close()


async def test_the_air_carries_only_so_many_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radios.emulators.air.MAX_ON_AIR", 5)
    air, listener, plug = room("plug")
    for number in range(20):
        plug.say(1, 6, bytes((0x18, number, 0x0A)))
    assert len(await answers(listener)) == 5
    air.close()
