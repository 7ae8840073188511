"""What the command lines of emulated Zigbee sticks have in common, and what they take on standard input."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from radios.emulators.air import Air, Place
from radios.emulators.clock import parse_time
from radios.emulators.console import STDERR, USAGE_ERROR, CommandParser, obey, print_line
from radios.emulators.device import EmulatedDevice
from radios.emulators.devices import DEVICES, Contact, Cube, Plug
from radios.emulators.errors import EmulatorError
from radios.emulators.se_console import SmartEnergyCommands, number
from radios.emulators.stick import STATUS_FAULT_NAMES, StatusFaults, install_code_of
from radios.emulators.stream import STREAM_FAULT_NAMES, StreamEnd, StreamFaults

NO_ALIASES: Mapping[str, str] = {}
Commands = Mapping[str, tuple[str, Callable[[Sequence[str]], str]]]
"""Of a console: how each is used, and what carries it out. It raises `EmulatorError`."""
NO_COMMANDS: Commands = {}
MAX_WORDS = 256
"""Of a command that ends with as many words as one likes."""
GESTURES = ("shake", "wake", "fall", "flip90", "flip180", "slide", "tap", "rotate")


class Stick(Protocol):
    """An emulated stick, whatever it speaks."""

    air: Air
    end: StreamEnd
    statuses: StatusFaults
    devices: list[EmulatedDevice]

    @property
    def pipe_url(self) -> str:
        """What the driver opens."""
        ...

    def toml(self) -> str:
        """The lines for hub.toml."""
        ...

    def press(self, device: EmulatedDevice) -> bool:
        """Somebody presses a device's button so that it joins; whether it could."""
        ...

    def mute(self) -> None:
        """It hangs."""
        ...

    def unmute(self) -> None:
        """It is well again."""
        ...

    def reset(self) -> None:
        """It restarts."""
        ...

    def overflow(self, count: int) -> None:
        """It has no room for the next frames."""
        ...

    def kill(self) -> None:
        """It is pulled out."""
        ...

    def revive(self) -> None:
        """It is put in again."""
        ...


def kinds_of(aliases: Mapping[str, str]) -> tuple[str, ...]:
    """What kinds of devices are called around a stick."""
    return *(kind for kind in DEVICES if kind not in aliases.values() and kind not in aliases), *aliases


def parser(
    name: str, description: str, devices: str, aliases: Mapping[str, str] = NO_ALIASES
) -> argparse.ArgumentParser:
    """The command line of a stick; `devices`: kinds that it has around it unless told otherwise.

    `aliases`: what kinds are called around this stick, if not by their own names.
    """
    made = CommandParser(
        prog=f"python -m radios.emulators {name}",
        description=f"{description} Prints the pipe URL, then the lines for hub.toml.",
        allow_abbrev=False,
    )
    add = made.add_argument
    line = made.add_mutually_exclusive_group()
    line.add_argument("--pty", action="store_true", help="serve a pseudo terminal (the default)")
    line.add_argument("--tcp", type=int, metavar="PORT", help="serve TCP on 127.0.0.1; 0: a free port")
    add("--link", type=Path, metavar="PATH", help="a link to the pseudo terminal, the same after each start")
    add("--devices", default=devices, metavar="KIND,...", help=f"of {', '.join(kinds_of(aliases))} (default {devices})")
    add("--joined", default="", metavar="N,...", help="numbers of devices that are on the network already (from 1)")
    add("--seed", type=int, default=1, help="addresses and loads follow from it (default 1)")
    add("--speed", type=float, default=1.0, help="how fast the devices' time goes (default 1)")
    text = "what an energy service interface takes for the time at the start, as 2026-10-31T18:00Z (default: now)"
    add("--utc", metavar="TIME", help=text)
    add("--air-loss", type=float, default=0.0, metavar="PROBABILITY", help="of a frame on the air")
    add("--lost-status", type=float, default=0.0, metavar="PROBABILITY", help="of the status of a command")
    for fault in ("loss", "noise", "damage", "cut"):
        text = f"{fault} of a frame on the line, each way"
        add(f"--{fault}", type=float, default=0.0, metavar="PROBABILITY", help=text)
    add("--delay", type=float, default=0.0, metavar="SECONDS", help="of a frame on the line, at most")
    add("--one-byte", action="store_true", help="every byte comes by itself")
    add("--control", type=int, metavar="PORT", help="obey lines over TCP on 127.0.0.1 too; 0: a free port")
    return made


def add_certificates(made: argparse.ArgumentParser) -> None:
    """For sticks whose firmware leaves key establishment to the hub."""
    text = (
        "certificates of the Smart Energy devices: a folder of `hubctl certificate test-ca`, with EUI64.txt files, or "
        "with test-ca.key, of which each device makes its own"
    )
    made.add_argument("--certificates", type=Path, metavar="DIR", help=text)


def settings_of(options: argparse.Namespace, aliases: Mapping[str, str] = NO_ALIASES) -> dict[str, Any]:
    """Fields of `StickConfig` by the command line. Raises `EmulatorError`."""
    words = [word for word in options.devices.split(",") if word]
    devices = tuple(aliases.get(word, word) for word in words)
    unknown = [word for word, kind in zip(words, devices, strict=True) if kind not in DEVICES]
    if unknown:
        raise EmulatorError(f"--devices: {unknown[0]!r} is not known; there are {', '.join(kinds_of(aliases))}")
    numbers = [word for word in options.joined.split(",") if word]
    if any(not word.isdecimal() or not 1 <= int(word) <= len(devices) for word in numbers):
        raise EmulatorError(f"--joined {options.joined!r}: must be numbers from 1 to {len(devices)}, as 1,3")
    return {
        "devices": devices,
        "joined": tuple(int(word) - 1 for word in numbers),
        "tcp_port": options.tcp,
        "link": options.link,
        "seed": options.seed,
        "speed": options.speed,
        "start_utc_s": None if options.utc is None else parse_time(options.utc),
        "certificates": getattr(options, "certificates", None),
        "loss": options.air_loss,
        "lost_status": options.lost_status,
        "faults": StreamFaults(**{name: getattr(options, name) for name in STREAM_FAULT_NAMES}),
    }


class Console:
    """The line protocol: each command gets one line back, `ok ...` or `error: ...`."""

    def __init__(
        self,
        stick: Stick,
        quit_: Callable[[], None],
        aliases: Mapping[str, str] = NO_ALIASES,
        more: Commands = NO_COMMANDS,
    ) -> None:
        self._stick, self._quit, self._aliases = stick, quit_, aliases
        self._commands: Commands = {
            "help": ("", self._help),
            "list": ("", self._list),
            "show": ("N|KIND", self._show),
            "join": ("N|KIND", self._join),
            "leave": ("N|KIND", self._leave_network),
            "power": ("N|KIND on|off", self._power),
            "sleep": ("N|KIND", self._sleep),
            "wake": ("N|KIND", self._wake),
            "press": ("N|KIND [GESTURE]", self._press),
            **SmartEnergyCommands(self._device).table,
            **more,
            "faults": ("", self._faults),
            **{name: ("VALUE", self._fault(name)) for name in STREAM_FAULT_NAMES},
            **{name.replace("_", "-"): ("VALUE", self._status_fault(name)) for name in STATUS_FAULT_NAMES},
            "air-loss": ("VALUE", self._air_loss),
            "mute": ("", self._act(stick.mute)),
            "unmute": ("", self._act(stick.unmute)),
            "reset": ("", self._act(stick.reset)),
            "overflow": ("N", self._overflow),
            "kill": ("", self._act(stick.kill)),
            "revive": ("", self._act(stick.revive)),
            "power-loss": ("", self._act(self._power_loss)),
            "quit": ("", self._end),
        }

    def answer(self, line: str) -> str:
        """Carry out one line."""
        name, *arguments = line.split() or ["help"]
        found = self._commands.get(name)
        if found is None:
            return f"error: {name!r} is not a command; try help"
        use, run = found
        words = use.split()
        least = sum(not word.startswith("[") for word in words)
        most = MAX_WORDS if "..." in use else len(words)
        if not least <= len(arguments) <= most:
            return f"error: use: {name} {use}".rstrip()
        try:
            return f"ok {run(arguments)}".rstrip()
        except EmulatorError as error:
            return f"error: {error}"

    def _device(self, text: str) -> EmulatedDevice:
        devices = self._stick.devices
        if text.isdecimal() and 1 <= int(text) <= len(devices):
            return devices[int(text) - 1]
        kind = self._aliases.get(text, text)
        for found in devices:
            if found.kind == kind:
                return found
        raise EmulatorError(f"{text!r} is no device here; there are 1 to {len(devices)}, or a kind; try list")

    def _help(self, _: Sequence[str]) -> str:
        return "; ".join(f"{name} {use}".rstrip() for name, (use, _) in self._commands.items())

    def _list(self, _: Sequence[str]) -> str:
        return json.dumps([self._row(device) for device in self._stick.devices])

    def _row(self, device: EmulatedDevice) -> dict[str, object]:
        return {
            "number": self._stick.devices.index(device) + 1,
            "kind": device.kind,
            "ieee": f"{device.ieee:016x}",
            "short": f"0x{device.short:04x}" if device.is_joined else None,
            "reports": len(device.reports),
            "link_key": device.link_key.hex() if device.link_key is not None else None,
            "install_code": _code(device),
            "authenticated": device.is_authenticated,
        }

    def _show(self, arguments: Sequence[str]) -> str:
        device = self._device(arguments[0])
        place = self._stick.air.places.get(device.ieee)
        more = {"power": place.power if place is not None else None, "bindings": len(device.bindings)}
        return json.dumps({**self._row(device), **more, **device.shown()})

    def _place(self, text: str) -> Place:
        device = self._device(text)
        place = self._stick.air.places.get(device.ieee)
        if place is None:
            raise EmulatorError(f"{device.kind} is not on the network")
        if not place.is_sleepy:
            raise EmulatorError(f"{device.kind} is always awake; take its power away with: power {text} off")
        return place

    def _sleep(self, arguments: Sequence[str]) -> str:
        """Until it is woken it fetches nothing."""
        place = self._place(arguments[0])
        place.poll_s, place.awake_until = 0.0, 0.0
        return "asleep"

    def _wake(self, arguments: Sequence[str]) -> str:
        place = self._place(arguments[0])
        place.poll_s = self._device(arguments[0]).poll_s
        self._stick.air.wake(place)
        return "awake"

    def _join(self, arguments: Sequence[str]) -> str:
        device = self._device(arguments[0])
        if device.is_joined:
            raise EmulatorError(f"{device.kind} is on the network already")
        if not self._stick.press(device):
            if not self._stick.air.is_open:
                raise EmulatorError("joining is closed: open it at the hub first")
            raise EmulatorError("its key is not the one that the hub has for it: add it there first; list shows it")
        return f"{device.kind} 0x{device.short:04x}"

    def _leave_network(self, arguments: Sequence[str]) -> str:
        device = self._device(arguments[0])
        if not self._stick.air.drop(device.ieee, told=True):
            raise EmulatorError(f"{device.kind} is not on the network")
        return device.kind

    def _power(self, arguments: Sequence[str]) -> str:
        device = self._device(arguments[0])
        if arguments[1] not in ("on", "off"):
            raise EmulatorError(f"{arguments[1]!r}: must be on or off")
        device.set_power(arguments[1] == "on")
        return device.kind

    def _press(self, arguments: Sequence[str]) -> str:
        device, what = self._device(arguments[0]), arguments[1] if len(arguments) > 1 else ""
        if isinstance(device, Cube):
            if (what or "shake") not in GESTURES:
                raise EmulatorError(f"{what!r} is nothing that a cube does; it can {', '.join(GESTURES)}")
            device.gesture(what or "shake")
        elif isinstance(device, Plug):
            device.press()
        elif isinstance(device, Contact):
            device.move(is_open=what != "close")
        else:
            raise EmulatorError(f"{device.kind} has no button")
        return f"{device.kind} {what}"

    def _faults(self, _: Sequence[str]) -> str:
        told = {name: getattr(self._stick.end.faults, name) for name in STREAM_FAULT_NAMES}
        told |= {name: getattr(self._stick.statuses, name) for name in STATUS_FAULT_NAMES}
        return json.dumps({**told, "air_loss": self._stick.air.loss})

    def _fault(self, name: str) -> Callable[[Sequence[str]], str]:
        def run(arguments: Sequence[str]) -> str:
            setattr(self._stick.end.faults, name, number(name, arguments[0]))
            return f"{name} {arguments[0]}"

        return run

    def _status_fault(self, name: str) -> Callable[[Sequence[str]], str]:
        shown = name.replace("_", "-")

        def run(arguments: Sequence[str]) -> str:
            setattr(self._stick.statuses, name, number(shown, arguments[0]))
            return f"{shown} {arguments[0]}"

        return run

    def _power_loss(self) -> None:
        self._stick.kill()
        self._stick.revive()

    def _air_loss(self, arguments: Sequence[str]) -> str:
        value = number("air-loss", arguments[0])
        if not 0 <= value <= 1:
            raise EmulatorError(f"air-loss {value:g}: must be from 0 to 1")
        self._stick.air.loss = value
        return f"air-loss {value:g}"

    def _overflow(self, arguments: Sequence[str]) -> str:
        if not arguments[0].isdecimal():
            raise EmulatorError(f"overflow {arguments[0]!r}: must be how many frames are refused")
        self._stick.overflow(int(arguments[0]))
        return f"overflow {arguments[0]}"

    @staticmethod
    def _act(act: Callable[[], None]) -> Callable[[Sequence[str]], str]:
        def run(_: Sequence[str]) -> str:
            act()
            return ""

        return run

    def _end(self, _: Sequence[str]) -> str:
        self._quit()
        return "bye"


def _code(device: EmulatedDevice) -> str | None:
    """The installation code that is printed on a device; None: it joins with the key that everybody knows."""
    return install_code_of(device.ieee).hex() if device.link_key is not None else None


async def serve(
    stick: Stick,
    control: int | None = None,
    aliases: Mapping[str, str] = NO_ALIASES,
    more: Commands = NO_COMMANDS,
    about: Sequence[str] = (),
) -> None:
    """Say where the stick is, and obey until SIGINT, SIGTERM or `quit`.

    `more`: commands that only this stick has; `about`: what else there is to say at the start.
    """
    rows = [*about] + [
        f"# {place} {device.ieee:016x} {device.kind}"
        + (f" link key {device.link_key.hex()}" if device.link_key else "")
        + (f" code {code}" if (code := _code(device)) is not None else "")
        for place, device in enumerate(stick.devices, 1)
    ]
    await obey((stick.pipe_url, stick.toml(), *rows), lambda quit_: Console(stick, quit_, aliases, more), control)


def started(name: str, run: Callable[[], None]) -> int:
    """Run an emulator; the exit code."""
    try:
        run()
    except EmulatorError as error:
        print_line(f"python -m radios.emulators {name}: {error}", STDERR)
        return USAGE_ERROR
    return 0
