"""hubd: the configuration, the signals, and `async with Hub(...) as hub, serve(hub)`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hub import VERSION
from hub.config import Config, default_data_dir, load, parse_listen
from hub.errors import ConfigError

if TYPE_CHECKING:
    from hub.hub import Hub
    from hub.model import Device
    from radios.emulators.zigate import ZigateEmulator

EXIT_CONFIG = 2
DEFAULT_NAME = r"Breaker .*|New device [0-9a-f]{4}|(Plug|Meter|Thermostat|Remote) [0-9a-f]{4}"
"""What a device is called before a person, or the demo, calls it something."""
OUR_PACKAGES = ("protocols", "radios", "hub", "web")
DEMO_HOME = {
    "refrigerator": "Refrigerator",
    "ev_charger": "Car charger",
    "solar": "Solar inverter",
    "water_heater": "Water heater",
}
"""What the demo's breakers feed, and what they are called."""
DEMO_START_S = 17.3 * 3600
"""The demo begins late in the afternoon, with sun on the roof and the car about to come home."""
DEMO_SPEED = 30.0
"""The demo's day passes in 48 minutes, so that a visitor sees the compressor start and the sun move."""
DEMO_ZIGBEE = {
    "plug": "Coffee machine",
    "meter": "Electricity meter",
    "thermostat": "Living room",
    "cube": "Magic cube",
}
"""What is around the demo's emulated ZiGate, and what it is called. The last one joins while the visitor watches."""
DEMO_ZIGBEE_SPEED = 4.0
"""Rooms warm up and cubes are played with a little faster than in life."""
DEMO_RADIO = "zigbee"
DEMO_PRESS_S = 1.5
"""Between one device's joining and the next."""
DEMO_WAIT_S = 25.0
"""A visitor who has not opened joining by then sees the demo do it."""
DEMO_LOCKOUT_S = 10.0
"""Emulated breakers refuse a command within 10 s of another, as real ones are said to (EMCB-LIB)."""


def arguments() -> argparse.ArgumentParser:
    """What hubd takes."""
    found = argparse.ArgumentParser(prog="hubd", description="The home-energy-hub service.")
    found.add_argument("--config", type=Path, metavar="FILE", help="hub.toml (default: $HEH_CONFIG, ./hub.toml, ...)")
    found.add_argument("--data-dir", type=Path, metavar="DIR", help="where state is kept (default: $HEH_DATA_DIR, ...)")
    found.add_argument("--listen", metavar="HOST:PORT", help="in place of web.listen")
    found.add_argument("--demo", action="store_true", help="run on emulated breakers; no hardware, no configuration")
    found.add_argument(
        "--log-level", default="info", choices=("debug", "info", "warning", "error"), help="(default: info)"
    )
    found.add_argument("--version", action="version", version=f"hubd {VERSION}")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop. 0: left on a signal, 1: failed, 2: wrong configuration."""
    given = arguments().parse_args(argv)
    logging.basicConfig(
        level=given.log_level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr
    )
    try:
        _check_packages()
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_run(given))
    except ConfigError as error:
        sys.stderr.write(f"hubd: {error}\n")
        return EXIT_CONFIG
    except KeyboardInterrupt:
        return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed (the optional extra), else asyncio's own loop."""
    if find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    return factory


def _check_packages() -> None:
    """Our import names are common words: make sure that all four are ours. Raises `ConfigError`."""
    home = Path(__file__).resolve().parent.parent
    for name in OUR_PACKAGES:
        spec = find_spec(name)
        place = Path(spec.origin).resolve().parent.parent if spec is not None and spec.origin else None
        if place != home:
            raise ConfigError(
                f"package {name}", f"comes from {place}, not from {home}: install into an environment of its own"
            )


async def _run(given: argparse.Namespace) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        demo: _Demo | None = None
        if given.demo:
            config, demo = await stack.enter_async_context(_demo(given))
        else:
            config = _load(given)
        # Imported here, so that a wrong option or configuration is answered at once.
        from hub.hub import Hub
        from web.server import serve

        hub = await stack.enter_async_context(Hub(config))
        server = await stack.enter_async_context(serve(hub))
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        if demo is not None:
            for work, label in ((_name_devices(hub, demo.names), "names"), (_join_devices(hub, demo.stick), "joining")):
                stack.callback(tasks.create_task(work, name=f"demo {label}").cancel)
        _welcome(config, server.login_url(), server.token, demo=given.demo)
        await stop.wait()
        logging.getLogger(__name__).info("stopping")
    return 0


def _load(given: argparse.Namespace) -> Config:
    return _with_options(load(given.config, data_dir=given.data_dir), given)


def _with_options(config: Config, given: argparse.Namespace) -> Config:
    if given.listen is not None:
        config = replace(config, web=replace(config.web, listen=parse_listen("--listen", given.listen)))
    return config


def _welcome(config: Config, login_url: str, token: str | None, *, demo: bool) -> None:
    """Print where to click. On standard output, which is not the log: the link signs in."""
    host, port = config.web.listen
    program = Path(sys.argv[0])
    hubctl = str(program.with_name("hubctl")) if program.name == "hubd" and program.parent != Path() else "hubctl"
    settings = f"HEH_DATA_DIR={shlex.quote(str(config.data_dir))} " if config.data_dir != default_data_dir({}) else ""
    if (host, port) != ("127.0.0.1", 8080):
        settings += f"HEH_URL={login_url.partition('/login')[0]} "
    what = f"{len(config.radios)} radio(s)"
    if demo:
        what = f"demo with {len(DEMO_HOME)} emulated breakers and {len(DEMO_ZIGBEE)} Zigbee devices"
    lines = [
        f"home-energy-hub {VERSION}: {what}, data in {config.data_dir}",
        "",
        f"  dashboard   {login_url}",
        f"  terminal    {settings}{_shortest(hubctl)} watch",
        "",
        f"  The link signs one browser in; `{settings}{_shortest(hubctl)} login` prints another. Ctrl-C stops the hub.",
    ]
    if token is not None:
        lines.append(f"  The data directory cannot be written. Admin token until the next start: {token}")
    if not config.radios:
        lines.append("  No radio is configured: see docs/operations.md, or try hubd --demo.")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _shortest(program: str) -> str:
    """The program's path relative to here where that is shorter."""
    relative = os.path.relpath(program) if os.sep in program else program
    return relative if len(relative) < len(program) else program


# -- demo ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Demo:
    """What the demo does by itself once the hub runs."""

    names: Mapping[str, str]
    """Device id -> what it is called."""
    stick: ZigateEmulator


@asynccontextmanager
async def _demo(given: argparse.Namespace) -> AsyncIterator[tuple[Config, _Demo]]:
    """Emulated breakers on loopback UDP and an emulated ZiGate on a pseudo terminal.

    Gives the configuration to connect to them as to real ones, and what to do with them.
    """
    import tomllib

    from hub.config import parse
    from radios.emulators.emcb import EmcbConfig, EmcbEmulator
    from radios.emulators.errors import EmulatorError
    from radios.emulators.zigate import ZigateConfig, ZigateEmulator

    zigbee = ZigateConfig(devices=tuple(DEMO_ZIGBEE), speed=DEMO_ZIGBEE_SPEED, start_of_day_s=DEMO_START_S)
    home = EmcbConfig(
        count=len(DEMO_HOME),
        loads=tuple(DEMO_HOME),
        bind="127.86.0.2",
        start_of_day_s=DEMO_START_S,
        speed=DEMO_SPEED,
        lockout_s=DEMO_LOCKOUT_S,
        used_before=False,  # each start of the demo is new breakers to the eye; the hub's own totals go on
    )
    try:
        async with EmcbEmulator(home) as emulator, ZigateEmulator(zigbee) as stick:
            table = tomllib.loads(emulator.toml())
            table["radio"] += tomllib.loads(stick.toml(DEMO_RADIO))["radio"]
            table["hub"] = {"name": "demo home"}
            data_dir = given.data_dir or default_data_dir() / "demo"
            if given.config is not None:
                raise ConfigError("--config", "does not go with --demo, which brings its own")
            names = {f"emcb-{breaker.device_id}": DEMO_HOME[breaker.load] for breaker in emulator.breakers}
            names |= {f"zigbee-{device.ieee:016x}": DEMO_ZIGBEE[device.kind] for device in stick.devices}
            yield _with_options(parse(table, data_dir=data_dir), given), _Demo(names, stick)
    except EmulatorError as error:
        raise ConfigError("--demo", str(error)) from None


async def _name_devices(hub: Hub, names: Mapping[str, str]) -> None:
    """Call the emulated devices what they feed, unless the visitor has called them something else."""
    from hub.events import DeviceAdded

    async with hub.bus.subscribe(DeviceAdded) as events:
        for device in hub.devices.all():
            await _name(hub, device, names)
        async for event in events:
            await _name(hub, event.device, names)


async def _join_devices(hub: Hub, stick: ZigateEmulator) -> None:
    """Have the Zigbee devices join one after the other; the last one when the visitor opens joining, or after a while.

    Their network is as new as the emulated stick: what a demo before this one knew of them comes back as it was.
    """
    from hub.errors import HubError
    from hub.events import NetworkChanged

    *first, last = stick.devices
    try:
        async with hub.bus.subscribe(NetworkChanged) as events:
            while hub.networks.get(DEMO_RADIO).state != "up":
                await events.get()
            await hub.networks.permit_join(DEMO_RADIO, 60)
            for device in first:
                stick.press(device)
                await asyncio.sleep(DEMO_PRESS_S)
            await hub.networks.permit_join(DEMO_RADIO, 0)
            events.drain()
            try:
                async with asyncio.timeout(DEMO_WAIT_S):
                    while hub.networks.get(DEMO_RADIO).joining_until is None:
                        await events.get()
            except TimeoutError:
                await hub.networks.permit_join(DEMO_RADIO, 60)
        await asyncio.sleep(DEMO_PRESS_S)
        stick.press(last)
    except HubError as error:
        logging.getLogger(__name__).info("the demo's devices do not join: %s", error)


async def _name(hub: Hub, device: Device, names: Mapping[str, str]) -> None:
    from hub.errors import HubError

    if device.id in names and re.fullmatch(DEFAULT_NAME, device.name):
        try:
            await hub.devices.update(device.id, name=names[device.id])
        except HubError as error:
            logging.getLogger(__name__).info("%s keeps its name: %s", device.id, error)


if __name__ == "__main__":
    sys.exit(main())
