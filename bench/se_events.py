"""A demand response event among 500, from its being on disk to the last client's frame at the radio.

200 clients against 50, by the time that each one takes. The one write before that is left out: it would hide the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

from bench.measure import Result, median_ratio
from hub.bus import Bus
from hub.clock import SystemClock
from hub.devices import Devices
from hub.metering import Metering
from hub.registry import Registry
from hub.smart_energy.drlc_server import MAX_EVENTS, ServerEvent
from hub.smart_energy.esi import EnergyService
from hub.smart_energy.peer import Peer
from hub.smart_energy.service import SmartEnergy
from hub.store import Store
from hub.zigbee.household import Household
from hub.zigbee.model import InterviewStep
from hub.zigbee.roles import role_of
from protocols.aps import ApsFrame
from protocols.ids import Eui64, Profile
from protocols.se.drlc import CLUSTER, PUNCTUAL, Criticality, DeviceClass, LoadControlEvent
from protocols.zdo import SimpleDescriptor
from radios.api import Capabilities, NetworkInfo, ZigbeeRadio

MANY, FEW = 200, 50
ROUNDS = 9
AT_MOST = 1.2
FIRST_IEEE = 0x0013A20000000000
ENDPOINT, LOAD_CONTROL_DEVICE = 10, 0x0504


class FakeRadio:
    """Takes frames, and says when it has as many as were expected."""

    def __init__(self) -> None:
        self.capabilities = Capabilities(
            answers_zdo=True, answers_default_response=False, aps_encryption=True, install_codes=True, link_keys=True,
            router=True, group_send=True, broadcast_send=True, acks=True, max_payload=80, energy_scan=False,
            channel_change=False, led=False, tx_power=False, certification=False, erase=False,
        )  # fmt: skip
        self.network = NetworkInfo(
            ieee=Eui64(1), short=0, pan_id=1, extended_pan_id=1, channel=11, is_coordinator=True, model="fake",
            firmware="1",
        )  # fmt: skip
        self.counters: Mapping[str, int] = {}
        self.left, self.last = 0, 0.0
        self.done = asyncio.Event()

    async def send(self, frame: ApsFrame) -> None:
        """It is acknowledged at the next turn of the loop."""
        self.left -= 1
        if not self.left:
            self.last = time.perf_counter()
            self.done.set()
        await asyncio.sleep(0)


def event(number: int, start: int) -> LoadControlEvent:
    """An hour for a pump."""
    return LoadControlEvent(
        issuer_event_id=number,
        device_class=DeviceClass.POOL_PUMP,
        start_time=start,
        duration_min=60,
        criticality=Criticality.LEVEL_1,
        event_control=PUNCTUAL,
    )


@contextlib.asynccontextmanager
async def served(count: int) -> AsyncIterator[tuple[SmartEnergy, FakeRadio]]:
    """A network of `count` clients, and as many events as are kept."""
    with tempfile.TemporaryDirectory() as folder:
        clock, bus, radio = SystemClock(), Bus(), FakeRadio()
        async with Store(Path(folder) / "hub.db", clock, lambda status: None) as store, asyncio.TaskGroup() as tasks:

            def spawn(work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
                return tasks.create_task(work, name=name)

            registry = Registry(store)
            await registry.load()
            devices = Devices(store, bus, clock)
            home = Household(
                {"han": role_of("esi_coordinator", joins=False)}, lambda radio: (), lambda radio: (), store, registry,
                devices, Metering(store, bus, clock, devices, ()), bus, clock, ZoneInfo("UTC"), spawn,
                lambda network: None,
            )  # fmt: skip
            network = home.networks["han"]
            network.up(cast("ZigbeeRadio", radio))
            peers = set()
            for number in range(count):
                member = home.add(network, Eui64(FIRST_IEEE + number))
                network.place(member, 0x1000 + number)
                member.endpoint_ids = (ENDPOINT,)
                member.endpoints[ENDPOINT] = SimpleDescriptor(
                    ENDPOINT, Profile.SMART_ENERGY, LOAD_CONTROL_DEVICE, 0, (0, 3), (CLUSTER,)
                )
                member.interview, member.is_active = InterviewStep.DONE, True
                peers.add(Peer(member.ieee, ENDPOINT))
            service = EnergyService(
                "han",
                lambda: energy.now(),
                spawn,
                lambda name, item, what: energy.changed(name, item, what),
                lambda name, peer, report: None,
            )
            service.network = network
            energy = SmartEnergy(
                {"han": service}, lambda name: network, home.members.get, store, bus, clock  # type: ignore[arg-type]
            )  # fmt: skip
            first = energy.now() + 3600
            service.drlc.load(
                ServerEvent(
                    event=event(number, first + 7200 * number),
                    start=first + 7200 * number,
                    classes=DeviceClass.POOL_PUMP,
                    delivered=set(peers),
                )
                for number in range(1, MAX_EVENTS)
            )
            yield energy, radio


async def per_client(energy: SmartEnergy, radio: FakeRadio, count: int, number: int) -> float:
    """Microseconds of one client."""
    events = energy.services["han"].drlc.events
    radio.left = count
    radio.done.clear()
    made = await energy.create_event("han", event(number, energy.now() + 3600 + 7200 * number))
    started = time.perf_counter()
    await radio.done.wait()
    took = radio.last - started
    while len(made.delivered) < count:  # noqa: ASYNC110 - what the last acknowledgement does is not measured
        await asyncio.sleep(0)
    del events[made.number]
    return 1e6 * took / count


def run() -> list[Result]:
    """The one row."""

    async def measure() -> list[Result]:
        many: list[float] = []
        few: list[float] = []
        async with served(MANY) as (large, large_radio), served(FEW) as (small, small_radio):
            for number in range(MAX_EVENTS, MAX_EVENTS + ROUNDS):
                many.append(await per_client(large, large_radio, MANY, number))
                few.append(await per_client(small, small_radio, FEW, number))
        ratio = median_ratio(many, few)
        name = f"SE: an event among 500 to {MANY} clients / to {FEW}, a client"
        return [
            Result(
                name,
                statistics.median(many),
                statistics.median(few),
                "us",
                f"<= {AT_MOST:.2f}",
                ratio <= AT_MOST,
                ratio,
            )
        ]

    return asyncio.run(measure())
