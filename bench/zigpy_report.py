"""An attribute report on the line of a stick that zigpy's libraries drive: through its library to a Reading on our bus,
against the library and zigpy alone to zigpy's own listener."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from bench.measure import Result, compare_async
from bench.zigbee_report import FIRST_IEEE, household, report
from bench.zigpy_sticks import Kind, kinds, ours, quiet, theirs
from hub.events import ReadingsTaken
from protocols.zcl.clusters import ELECTRICAL_MEASUREMENT
from radios.emulators.air import AirFrame
from radios.emulators.stick import EmulatedStick

REPORTS, BATCH, ROUNDS = 2000, 40, 7
PROMISE = 1.0
ARRIVE_S, LONGEST_S = 5.0, 600.0
SENDERS, FIRST_SENDER = 10, 0x1000
"""Devices that take turns: each has counters of its own, which come again after 256 of its reports."""
HOME_AUTOMATION = 0x0104


class Nowhere:
    """Where acknowledgements go while reports are measured: the stick has not said what we are told."""

    def write(self, data: bytes) -> None:
        """Drop it."""

    def is_closing(self) -> bool:
        """It is always there."""
        return False


@contextmanager
def unasked() -> Iterator[None]:
    """Nobody asks the stick for signs of life: the answers would come between reports that it has not made."""
    from radios import zigpy_radio

    before = zigpy_radio.ASKED_AFTER_S, zigpy_radio.MUTE_S
    zigpy_radio.ASKED_AFTER_S = zigpy_radio.MUTE_S = LONGEST_S
    try:
        yield
    finally:
        zigpy_radio.ASKED_AFTER_S, zigpy_radio.MUTE_S = before


@contextmanager
def cut_off(protocol: Any) -> Iterator[None]:
    """The library's line leads nowhere meanwhile."""
    transport, protocol._transport = protocol._transport, Nowhere()
    try:
        yield
    finally:
        protocol._transport = transport


def reports(kind: Kind, stick: EmulatedStick, first: int, count: int) -> list[bytes]:
    """What the stick says of that many reports."""
    frames = (
        AirFrame(
            source=FIRST_SENDER + number % SENDERS,
            destination=0,
            source_endpoint=1,
            destination_endpoint=1,
            profile=HOME_AUTOMATION,
            cluster=ELECTRICAL_MEASUREMENT,
            payload=report(number),
            counter=number // SENDERS & 0xFF,
        )
        for number in range(first, first + count)
    )
    return [kind.says(stick, frame) for frame in frames]


@asynccontextmanager
async def our_side(kind: Kind) -> AsyncIterator[tuple[Any, Any, EmulatedStick]]:
    """The protocol, the readings that are on the bus, and the stick."""
    async with kind.new() as stick, household(SENDERS) as (home, bus), bus.subscribe(ReadingsTaken) as readings:
        network = home.networks["han"]
        async with ours(kind, stick.pipe_url) as radio:

            async def listen() -> None:
                async for event in radio.events():
                    network.hear(event)

            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(listen(), name="events")
                yield kind.protocol(radio._stick_app), readings, stick  # type: ignore[attr-defined]
                listening.cancel()


@asynccontextmanager
async def their_side(kind: Kind) -> AsyncIterator[tuple[Any, list[object], EmulatedStick]]:
    """The protocol, what zigpy's listener has heard, and the stick."""
    import zigpy.types as t
    from zigpy.device import Device
    from zigpy.endpoint import Status
    from zigpy.profiles import zha
    from zigpy.zdo.types import NodeDescriptor

    async with kind.new() as stick:
        app = theirs(kind, stick.pipe_url)
        await app.startup(auto_form=False)
        try:
            told: list[object] = []
            for number in range(SENDERS):
                ieee = t.EUI64((FIRST_IEEE + number).to_bytes(8, "little"))
                device = Device(app, ieee, FIRST_SENDER + number)
                app.devices[ieee] = device
                device.node_desc = NodeDescriptor(1, 64, 142, 4447, 82, 255, 11264, 255, 0)
                endpoint = device.add_endpoint(1)
                endpoint.profile_id, endpoint.device_type = HOME_AUTOMATION, zha.DeviceType.SMART_PLUG
                endpoint.status = Status.ZDO_INIT
                device.status = type(device.status).ENDPOINTS_INIT
                device.model, device.manufacturer = "plug", "Example"
                endpoint.add_input_cluster(ELECTRICAL_MEASUREMENT).on_event("attribute_report", told.append)
            yield kind.protocol(app), told, stick
        finally:
            await app.shutdown(db=False)


async def rate(protocol: Any, kind: Kind, said: Sequence[bytes], heard: Any) -> float:
    """Reports per second; `heard()` says how many have arrived since it was last asked."""
    spent = 0.0
    for at in range(0, len(said), BATCH):
        line = kind.line(protocol, said[at : at + BATCH])
        started = time.perf_counter()
        for frame in line:
            protocol.data_received(frame)
        seen = heard()
        async with asyncio.timeout(ARRIVE_S):
            while seen < len(line):
                await asyncio.sleep(0)
                seen += heard()
        spent += time.perf_counter() - started
        await asyncio.sleep(0)
    return len(said) / spent


async def _run(kind: Kind) -> Result:
    async with our_side(kind) as (protocol, readings, stick), their_side(kind) as (other, told, other_stick):
        number = 0

        def taken() -> int:
            return len(readings.drain())

        def listened() -> int:
            count = len(told)
            told.clear()
            return count

        async def one(protocol: Any, stick: EmulatedStick, heard: Any) -> float:
            nonlocal number
            said = reports(kind, stick, number, REPORTS + BATCH)
            number += REPORTS + BATCH
            with cut_off(protocol):
                # The first ones find what has to be found only once.
                await rate(protocol, kind, said[:BATCH], heard)
                return await rate(protocol, kind, said[BATCH:], heard)

        return await compare_async(
            f"{kind.driver}: report bytes -> Reading on the bus / {kind.library} + zigpy",
            lambda: one(protocol, stick, taken),
            lambda: one(other, other_stick, listened),
            unit="per s",
            at_least=PROMISE,
            rounds=ROUNDS,
        )


def run() -> Iterator[Result]:
    """A row for each kind of stick."""
    logging.getLogger("hub").setLevel(logging.ERROR)
    quiet()
    for kind in kinds():
        with unasked():
            yield asyncio.run(_run(kind))
