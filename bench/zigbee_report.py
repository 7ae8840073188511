"""An attribute report, from the bytes of its frame to a Reading on the bus: against zigpy's packet to listener.

And what a report costs among 1,000 devices, against 10.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from zoneinfo import ZoneInfo

from bench.measure import Result, compare_async
from hub.bus import Bus
from hub.clock import SystemClock
from hub.devices import Devices
from hub.events import ReadingsTaken
from hub.metering import Metering
from hub.registry import Registry
from hub.store import Store
from hub.zigbee.household import Household
from hub.zigbee.model import AttributeValue, InterviewStep
from hub.zigbee.roles import role_of
from protocols.aps import ApsFrame, Delivery
from protocols.ids import Eui64
from protocols.zcl.clusters import ELECTRICAL_MEASUREMENT
from protocols.zdo import SimpleDescriptor
from radios.api import FrameReceived

REPORTS, BATCH = 4000, 50
PROMISE = 10.0
AT_MOST_LARGER = 1.3
ACTIVE_POWER = 0x050B
FIRST_IEEE = 0x00158D0000000000


def report(number: int) -> bytes:
    """ZCL: Report Attributes of the active power, a new value and transaction number each time: repeats are dropped."""
    return bytes((0x18, number & 0xFF, 0x0A)) + bytes.fromhex("0b0529") + (number % 32749).to_bytes(2, "little")


@contextlib.asynccontextmanager
async def household(count: int) -> AsyncIterator[tuple[Household, Bus]]:
    """`count` smart plugs that were interviewed, and what keeps them."""
    with tempfile.TemporaryDirectory() as folder:
        clock, bus = SystemClock(), Bus()
        async with Store(Path(folder) / "hub.db", clock, lambda status: None) as store:
            registry = Registry(store)
            await registry.load()
            devices = Devices(store, bus, clock)
            metering = Metering(store, bus, clock, devices, ())
            home = Household(
                {"han": role_of("esi_coordinator", joins=False)},
                lambda radio: (),
                lambda radio: (),
                store,
                registry,
                devices,
                metering,
                bus,
                clock,
                ZoneInfo("UTC"),
                _spawn,
                lambda network: None,
            )
            network = home.networks["han"]
            for number in range(count):
                member = home.add(network, Eui64(FIRST_IEEE + number))
                network.place(member, 0x1000 + number)
                member.endpoint_ids = (1,)
                member.endpoints[1] = SimpleDescriptor(1, 0x0104, 0x0051, 1, (0, 3, 6, ELECTRICAL_MEASUREMENT))
                member.interview = InterviewStep.DONE
                member.is_active = True
                home.described(member)
                scaling = [
                    AttributeValue(endpoint=1, cluster=ELECTRICAL_MEASUREMENT, attribute=attribute, value=value)
                    for attribute, value in ((0x0604, 1), (0x0605, 10))
                ]
                home.learn(member, scaling)
            await asyncio.sleep(0)
            yield home, bus


def _spawn(work: object, name: str) -> asyncio.Task[None]:
    raise AssertionError(f"nothing has to be asked here: {name}")


async def ours(count: int) -> float:
    """Reports per second with `count` devices that take turns."""
    async with household(count) as (home, bus), bus.subscribe(ReadingsTaken) as readings:
        network = home.networks["han"]

        def frame(number: int) -> ApsFrame:
            return ApsFrame(
                profile=0x0104,
                cluster=ELECTRICAL_MEASUREMENT,
                source_endpoint=1,
                destination_endpoint=1,
                payload=report(number),
                source=0x1000 + number % count,
                destination=0,
                delivery=Delivery.UNICAST,
                lqi=200,
            )

        # Every device has spoken before: "last seen" goes to disk once a minute, not with each report.
        for number in range(count):
            network.hear(FrameReceived(frame(number)))
            readings.drain()
        seen, spent = 0, 0.0
        for at in range(count, count + REPORTS, BATCH):
            started = time.perf_counter()
            for number in range(at, at + BATCH):
                network.hear(FrameReceived(frame(number)))
            seen += len(readings.drain())
            spent += time.perf_counter() - started
        assert seen == REPORTS
        return seen / spent


def _zigpy() -> Callable[[int], float]:
    """zigpy's application with one plug, and a function that feeds it reports."""
    import zigpy.config
    import zigpy.types as t
    from zigpy.application import ControllerApplication
    from zigpy.device import Device
    from zigpy.endpoint import Status
    from zigpy.profiles import zha
    from zigpy.zdo.types import NodeDescriptor

    logging.getLogger("zigpy").setLevel(logging.ERROR)

    class App(ControllerApplication):
        """No radio."""

        async def nothing(self, *_: object, **__: object) -> None:
            return None

        connect = disconnect = start_network = force_remove = add_endpoint = send_packet = nothing
        permit_ncp = permit_with_link_key = write_network_info = load_network_info = reset_network_info = nothing

    app = App({zigpy.config.CONF_DEVICE: {zigpy.config.CONF_DEVICE_PATH: "/dev/null"}})
    ieee = t.EUI64.convert("00:15:8d:00:00:00:00:00")
    device = Device(app, ieee, 0x1000)
    app.devices[ieee] = device
    device.node_desc = NodeDescriptor(1, 64, 142, 4447, 82, 255, 11264, 255, 0)
    endpoint = device.add_endpoint(1)
    endpoint.profile_id, endpoint.device_type = 0x0104, zha.DeviceType.SMART_PLUG
    endpoint.status = Status.ZDO_INIT
    device.status = type(device.status).ENDPOINTS_INIT
    device.model, device.manufacturer = "plug", "Example"
    cluster = endpoint.add_input_cluster(ELECTRICAL_MEASUREMENT)
    told: list[object] = []
    numbers = itertools.count()

    cluster.on_event("attribute_report", told.append)

    def feed(count: int) -> float:
        told.clear()
        packets = [
            t.ZigbeePacket(
                src=t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=0x1000),
                src_ep=1,
                dst=t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=0),
                dst_ep=1,
                tsn=number & 0xFF,
                profile_id=0x0104,
                cluster_id=ELECTRICAL_MEASUREMENT,
                data=t.SerializableBytes(report(number)),
                lqi=200,
                rssi=-50,
            )
            for number in itertools.islice(numbers, count)
        ]
        started = time.perf_counter()
        for packet in packets:
            app.packet_received(packet)
        elapsed = time.perf_counter() - started
        assert len(told) >= count, len(told)
        return count / elapsed

    return feed


def run() -> list[Result]:
    """Both rows."""
    logging.getLogger("hub").setLevel(logging.ERROR)

    async def measure() -> list[Result]:
        feed = _zigpy()

        async def theirs() -> float:
            return feed(REPORTS // 4)

        first = await compare_async(
            "Zigbee: report in -> Reading on the bus / zigpy packet_received",
            lambda: ours(10),
            theirs,
            unit="per s",
            at_least=PROMISE,
        )
        second = await compare_async(
            "Zigbee: reports with 1,000 devices / with 10",
            lambda: ours(1000),
            lambda: ours(10),
            unit="per s",
            at_least=1 / AT_MOST_LARGER,
        )
        return [first, second]

    return asyncio.run(measure())
