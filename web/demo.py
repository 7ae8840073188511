"""`hubd --demo`: a home with emulated radios, and what happens in it by itself.

Breakers on loopback UDP, a ZiGate with devices of Home Automation, and an XBee that holds a Smart Energy network. The
hub connects to them as to real ones. The Smart Energy devices can be told what to do with `hubctl simulate`; they get
prices, messages and now and then a demand response event (`web.demo_supplier`).
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import re
import tomllib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hub.config import Config, default_data_dir, parse
from hub.errors import ConfigError
from radios.emulators.emcb import EmcbConfig, EmcbEmulator
from radios.emulators.errors import EmulatorError
from radios.emulators.se_devices import Display, LoadControl, SeThermostat
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from radios.emulators.zigate import ZigateConfig, ZigateEmulator

if TYPE_CHECKING:
    from hub.hub import Hub
    from hub.model import Device
    from hub.smart_energy.drlc_server import ServerEvent
    from radios.emulators.device import EmulatedDevice
    from radios.emulators.se_endpoint import SmartEnergyDevice
    from radios.emulators.stick import EmulatedStick
    from web.demo_supplier import Supplier

log = logging.getLogger(__name__)

BREAKERS = {
    "refrigerator": "Refrigerator",
    "ev_charger": "Car charger",
    "solar": "Solar inverter",
    "water_heater": "Water heater",
}
"""What the breakers feed, and what they are called."""
START_S = 17.3 * 3600
"""It begins late in the afternoon, with sun on the roof and the car about to come home."""
SPEED = 30.0
"""The breakers' day passes in 48 minutes, so that a visitor sees the compressor start and the sun move."""
LOCKOUT_S = 10.0
"""Emulated breakers refuse a command within 10 s of another, as real ones are said to (EMCB-LIB)."""
ZIGBEE = {
    "plug": "Coffee machine",
    "meter": "Electricity meter",
    "thermostat": "Living room",
    "cube": "Magic cube",
}
"""What is around the emulated ZiGate, and what it is called. The last one joins while the visitor watches."""
ZIGBEE_SPEED = 4.0
"""Rooms warm up and cubes are played with a little faster than in life."""
SMART_ENERGY = {
    "smart-meter": "Utility meter",
    "display": "Kitchen display",
    "se-thermostat": "Bedroom",
    "load-control": "Pool pump",
}
"""What is around the emulated XBee, and what it is called."""
SMART_ENERGY_SEED = 2
"""Not the ZiGate's, whose devices would have the same addresses."""
SMART_ENERGY_SPEED = 1.0
"""Load control events are known by the clock on the wall, so theirs goes as that does."""
ZIGBEE_RADIO, SMART_ENERGY_RADIO = "zigbee", "han"
PRESS_S = 1.5
"""Between one device's joining and the next."""
WAIT_S = 25.0
"""A visitor who has not opened joining by then sees the demo do it."""
PLACE_FILE = "simulate"
"""In the data directory, for `hubctl simulate`: where the Smart Energy devices take their commands."""
PRICE_LOOK_S = 60.0
"""How often the supplier looks whether the prices of now and of later are known."""
PEAK_AFTER_S = 10.0
"""From the first price to the first peak: both within three minutes, while the visitor watches."""
PEAK_EVERY_S = 12 * 3600.0
"""From the end of one to the next."""
LEAD_S = 20
"""A peak is made known so long before it starts."""
FIRST_PEAK_MIN, PEAK_MIN = 1, 30
OPTS_OUT_AFTER_S = 15.0
"""Somebody in the bedroom is cold."""
DEFAULT_NAME = r"Breaker .*|(New device|Plug|Meter|Thermostat|Remote|Display|Load control|Router) [0-9a-f]{4}"
"""What a device is called before a person, or the demo, calls it something."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo does by itself once the hub runs."""

    names: Mapping[str, str]
    """Device id -> what it is called."""
    zigate: ZigateEmulator
    xbee: XbeeEmulator

    def summary(self) -> str:
        """For the greeting."""
        devices = len(self.zigate.devices) + len(self.xbee.devices)
        return f"demo with {len(BREAKERS)} emulated breakers and {devices} Zigbee devices"


@asynccontextmanager
async def demo_home(given: argparse.Namespace) -> AsyncIterator[tuple[Config, Demo]]:
    """The emulators, and the configuration to connect to them. Raises `ConfigError`."""
    if given.config is not None:
        raise ConfigError("--config", "does not go with --demo, which brings its own")
    zigbee = ZigateConfig(devices=tuple(ZIGBEE), speed=ZIGBEE_SPEED, start_of_day_s=START_S)
    han = XbeeConfig(
        devices=tuple(SMART_ENERGY), start_of_day_s=START_S, seed=SMART_ENERGY_SEED, speed=SMART_ENERGY_SPEED
    )
    home = EmcbConfig(
        count=len(BREAKERS),
        loads=tuple(BREAKERS),
        bind="127.86.0.2",
        start_of_day_s=START_S,
        speed=SPEED,
        lockout_s=LOCKOUT_S,
        used_before=False,  # each start of the demo is new breakers to the eye; the hub's own totals go on
    )
    try:
        async with EmcbEmulator(home) as breakers, ZigateEmulator(zigbee) as zigate, XbeeEmulator(han) as xbee:
            table = tomllib.loads(breakers.toml())
            table["radio"] += tomllib.loads(zigate.toml(ZIGBEE_RADIO))["radio"]
            table["radio"] += tomllib.loads(xbee.toml(SMART_ENERGY_RADIO))["radio"]
            table["hub"] = {"name": "demo home"}
            data_dir = given.data_dir or default_data_dir() / "demo"
            names = {f"emcb-{breaker.device_id}": BREAKERS[breaker.load] for breaker in breakers.breakers}
            for device in (*zigate.devices, *xbee.devices):
                names[_id(device)] = (ZIGBEE | SMART_ENERGY)[device.kind]
            yield parse(table, data_dir=data_dir), Demo(names, zigate, xbee)
    except EmulatorError as error:
        raise ConfigError("--demo", str(error)) from None


@asynccontextmanager
async def played(hub: Hub, demo: Demo) -> AsyncIterator[None]:
    """What happens by itself, and a place where the Smart Energy devices take commands."""
    from radios.emulators.console import ControlServer
    from radios.emulators.stick_command import Console
    from radios.emulators.xbee_command import ALIASES

    console = Console(demo.xbee, _nobody_quits, ALIASES)
    async with ControlServer(console.answer) as control, asyncio.TaskGroup() as tasks:
        place = hub.config.data_dir / PLACE_FILE
        _tell_place(place, control.place)
        running = [
            tasks.create_task(work, name=f"demo {label}")
            for work, label in (
                (_name_devices(hub, demo.names), "names"),
                (_join_zigbee(hub, demo.zigate), "joining"),
                (_join_smart_energy(hub, demo.xbee), "joining with keys"),
                (_supply(hub, demo.xbee), "supplier"),
            )
        ]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            with suppress(OSError):
                place.unlink(missing_ok=True)


def _nobody_quits() -> None:
    raise EmulatorError("the demo ends with Ctrl-C where hubd runs")


def _tell_place(path: Path, place: str) -> None:
    try:
        path.write_text(f"{place}\n", encoding="ascii")
    except OSError as error:
        log.info("%s cannot be written (%s): hubctl simulate needs --at %s", path, error.strerror, place)


def _id(device: EmulatedDevice) -> str:
    return f"zigbee-{device.ieee:016x}"


async def _name_devices(hub: Hub, names: Mapping[str, str]) -> None:
    """Call the emulated devices what they are, unless the visitor has called them something else."""
    from hub.events import DeviceAdded

    async with hub.bus.subscribe(DeviceAdded) as events:
        for device in hub.devices.all():
            await _name(hub, device, names)
        async for event in events:
            await _name(hub, event.device, names)


async def _name(hub: Hub, device: Device, names: Mapping[str, str]) -> None:
    from hub.errors import HubError

    if device.id in names and re.fullmatch(DEFAULT_NAME, device.name):
        try:
            await hub.devices.update(device.id, name=names[device.id])
        except HubError as error:
            log.info("%s keeps its name: %s", device.id, error)


async def _until_up(hub: Hub, radio: str) -> None:
    from hub.events import NetworkChanged

    async with hub.bus.subscribe(NetworkChanged) as events:
        while hub.networks.get(radio).state != "up":
            await events.get()


async def _press(sticks: EmulatedStick, devices: list[EmulatedDevice]) -> None:
    for device in devices:
        sticks.press(device)
        await asyncio.sleep(PRESS_S)


async def _join_zigbee(hub: Hub, stick: ZigateEmulator) -> None:
    """Have the devices join one after the other; the last one when the visitor opens joining, or after a while.

    Their network is as new as the emulated stick: what a demo before this one knew of them comes back as it was.
    """
    from hub.errors import HubError
    from hub.events import NetworkChanged

    *first, last = stick.devices
    try:
        await _until_up(hub, ZIGBEE_RADIO)
        await hub.networks.permit_join(ZIGBEE_RADIO, 60)
        await _press(stick, first)
        await hub.networks.permit_join(ZIGBEE_RADIO, 0)
        async with hub.bus.subscribe(NetworkChanged) as events:
            try:
                async with asyncio.timeout(WAIT_S):
                    while hub.networks.get(ZIGBEE_RADIO).joining_until is None:
                        await events.get()
            except TimeoutError:
                await hub.networks.permit_join(ZIGBEE_RADIO, 60)
        await asyncio.sleep(PRESS_S)
        stick.press(last)
    except HubError as error:
        log.info("the demo's devices do not join: %s", error)


async def _join_smart_energy(hub: Hub, stick: XbeeEmulator) -> None:
    """Register each device's link key, as one would type it from its label, and have them join."""
    from hub.errors import HubError

    try:
        await _until_up(hub, SMART_ENERGY_RADIO)
        for device in stick.devices:
            assert device.link_key is not None
            await hub.networks.add_device(
                SMART_ENERGY_RADIO, f"{device.ieee:016x}", link_key=device.link_key.hex(), join_time_s=60
            )
        await _press(stick, stick.devices)
        await hub.networks.permit_join(SMART_ENERGY_RADIO, 0)
    except HubError as error:
        log.info("the demo's Smart Energy devices do not join: %s", error)


async def _supply(hub: Hub, stick: XbeeEmulator) -> None:
    """Prices, messages and peaks, as soon as the devices that they are for can take them."""
    from web.demo_supplier import Supplier

    display, thermostat, box = (stick.device(kind) for kind in ("display", "se-thermostat", "load-control"))
    assert isinstance(display, Display)
    assert isinstance(thermostat, SeThermostat)
    assert isinstance(box, LoadControl)
    supplier = Supplier(hub, SMART_ENERGY_RADIO)
    await _until_served(hub, display)
    with _told_if_not("the price is not published"):
        await supplier.begin()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_prices(supplier), name="demo prices")
        tasks.create_task(_peaks(hub, supplier, thermostat, box), name="demo peaks")


@contextmanager
def _told_if_not(what: str) -> Iterator[None]:
    """The demo goes on without what cannot be done."""
    from hub.errors import HubError

    try:
        yield
    except HubError as error:
        log.info("%s: %s", what, error)


async def _until_served(hub: Hub, *devices: SmartEnergyDevice) -> None:
    """Wait until devices have joined since the start, know the time, and are known with all their clients."""
    from hub.events import DeviceAuthenticated, DeviceChanged, InterviewProgress

    for device in devices:
        is_set = asyncio.Event()
        device.clock.first_set.append(lambda jump, is_set=is_set: is_set.set())  # type: ignore[misc]
        if not device.clock.is_set:
            await is_set.wait()
    async with hub.bus.subscribe(DeviceAuthenticated, DeviceChanged, InterviewProgress) as events:
        while not all(_is_served(hub, device) for device in devices):
            await events.get()


def _is_served(hub: Hub, device: SmartEnergyDevice) -> bool:
    """Whether keys are established, at both ends, and the interview is over."""
    from hub.errors import NotFoundError
    from hub.zigbee.model import Stage

    try:
        known = hub.networks.device(_id(device))
    except NotFoundError:
        return False
    return device.is_authenticated and known.authenticated is True and known.stage is Stage.ACTIVE


async def _prices(supplier: Supplier) -> None:
    while True:
        await asyncio.sleep(PRICE_LOOK_S)
        with _told_if_not("the next price is not published"):
            await supplier.look()


async def _peaks(hub: Hub, supplier: Supplier, thermostat: SeThermostat, box: LoadControl) -> None:
    """One soon, and then one now and again: the pump follows it, somebody in the bedroom does not."""
    from web.demo_supplier import THANKS

    await _until_served(hub, thermostat, box)
    await asyncio.sleep(PEAK_AFTER_S)
    minutes = FIRST_PEAK_MIN
    while True:
        with _told_if_not("there is no peak"):
            made = await supplier.peak(LEAD_S, minutes)
            with suppress(TimeoutError):
                async with asyncio.timeout(made.end - hub.smart_energy.now()):
                    await _opt_out(hub, made, thermostat)
            await _until(hub, made.end)
            if not made.cancelled:
                await supplier.say(THANKS)
        minutes = PEAK_MIN
        await asyncio.sleep(PEAK_EVERY_S)


async def _opt_out(hub: Hub, made: ServerEvent, thermostat: SeThermostat) -> None:
    """Once the thermostat has said that it follows an event, somebody opts out of it there."""
    from hub.events import SmartEnergyChanged
    from protocols.se.drlc import EventStatus

    def has_started() -> bool:
        said = [told.status for peer, rows in made.told.items() if peer.ieee == thermostat.ieee for told in rows]
        return EventStatus.STARTED in said

    async with hub.bus.subscribe(SmartEnergyChanged) as events:
        while not has_started():
            await events.get()
    await asyncio.sleep(OPTS_OUT_AFTER_S)
    with suppress(EmulatorError):  # a visitor has cancelled it
        thermostat.drlc.opt_out(made.number)


async def _until(hub: Hub, moment: int) -> None:
    """Wait for a time of the standard, however the clock is set meanwhile."""
    while (left := moment - hub.smart_energy.now()) > 0:  # noqa: ASYNC110 - a clock has no event
        await asyncio.sleep(min(left, 1.0))
