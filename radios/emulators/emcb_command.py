"""`python -m radios.emulators emcb`: the command line, and the commands that it takes on standard input."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from radios.emulators.console import STDERR, USAGE_ERROR, CommandParser, obey, print_line
from radios.emulators.emcb import (
    DEFAULT_PORT,
    FIRST_ADDRESS,
    LOAD_KINDS,
    EmcbConfig,
    EmcbEmulator,
    EmulatedBreaker,
)
from radios.emulators.errors import EmulatorError
from radios.emulators.faults import FAULT_NAMES, Faults


def _time_of_day(text: str) -> float:
    hours, separator, minutes = text.partition(":")
    if not (separator and hours.isdecimal() and minutes.isdecimal() and int(hours) < 24 and int(minutes) < 60):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time of day such as 17:30")
    return int(hours) * 3600.0 + int(minutes) * 60.0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = CommandParser(
        prog="python -m radios.emulators emcb",
        description="Emulated Eaton EMCB breakers on loopback UDP. Prints the pipe URL, then the lines for hub.toml.",
        allow_abbrev=False,
    )
    add = made.add_argument
    add("--count", type=int, default=4, help="how many breakers (default 4)")
    add("--evse", type=int, default=0, help="so many of them, the last ones, are EVSE (default 0)")
    add("--bind", default=FIRST_ADDRESS, help=f"address of the first, the others follow (default {FIRST_ADDRESS})")
    add("--port", type=int, default=DEFAULT_PORT, help=f"UDP port, 0 for a free one (default {DEFAULT_PORT})")
    add("--seed", type=int, default=1, help="device ids, keys and loads follow from it (default 1)")
    add("--load", action="append", default=[], metavar="KIND", help=f"breaker by breaker: {', '.join(LOAD_KINDS)}")
    add(
        "--time-of-day",
        type=_time_of_day,
        default="18:20",
        metavar="HH:MM",
        help="the loads' clock at the start (18:20)",
    )
    add("--speed", type=float, default=1.0, help="how fast the loads' time of day goes (default 1)")
    add("--lockout", type=float, default=0.0, metavar="SECONDS", help="refuse a breaker command so soon after another")
    add("--reset-energies", action="store_true", help="energies restart from 0 at a reboot")
    add("--new", action="store_true", help="energies start at 0")
    add(
        "--consumption-positive", action="append", type=int, choices=(0, 1), default=[], help="pole fed so (repeatable)"
    )
    for name in ("loss", "duplicate", "reorder"):
        add(f"--{name}", type=float, default=0.0, metavar="PROBABILITY", help=f"{name} of a datagram, each way")
    for name in ("delay", "jitter"):
        add(f"--{name}", type=float, default=0.0, metavar="SECONDS", help=f"{name} of a datagram, each way")
    add("--wrong-key", action="append", type=int, default=[], metavar="N", help="breaker N has another unicast key")
    return made


@dataclass(frozen=True, slots=True)
class _Command:
    arguments: str
    run: Callable[[Sequence[str]], str]


class Console:
    """The line protocol: each command gets one line back, `ok ...` or `error: ...`."""

    def __init__(self, emulator: EmcbEmulator, quit_: Callable[[], None]) -> None:
        self._emulator = emulator
        self._quit = quit_
        each = self._each
        self._commands: dict[str, _Command] = {
            "help": _Command("", self._help),
            "list": _Command("", self._list),
            "faults": _Command("", self._faults),
            **{name: _Command("VALUE", self._fault(name)) for name in FAULT_NAMES},
            "reboot": each(EmulatedBreaker.reboot),
            "trip": each(EmulatedBreaker.trip),
            "hand": _Command("N open|closed", self._choice("open", "closed", self._by_hand)),
            "mismatch": each(lambda breaker: breaker.set_mismatch(True)),
            "no-mismatch": each(lambda breaker: breaker.set_mismatch(False)),
            "power": _Command("N on|off", self._choice("off", "on", self._power)),
            "line": _Command("N on|off", self._choice("off", "on", self._line)),
            "wrong-key": each(EmulatedBreaker.use_wrong_key),
            "right-key": each(EmulatedBreaker.use_published_key),
            "mute": each(lambda breaker: setattr(breaker, "muted", True)),
            "unmute": each(lambda breaker: setattr(breaker, "muted", False)),
            "move": _Command("N ADDRESS", self._move),
            "add": _Command("[KIND]", self._add),
            "remove": _Command("N", self._remove),
            "quit": _Command("", self._leave),
        }

    def answer(self, line: str) -> str:
        """Carry out one line."""
        name, *arguments = line.split() or ["help"]
        command = self._commands.get(name)
        if command is None:
            return f"error: {name!r} is not a command; try help"
        least = sum(not word.startswith("[") for word in command.arguments.split())
        if not least <= len(arguments) <= len(command.arguments.split()):
            return f"error: use: {name} {command.arguments}".rstrip()
        try:
            return f"ok {command.run(arguments)}".rstrip()
        except EmulatorError as error:
            return f"error: {error}"

    def _help(self, _: Sequence[str]) -> str:
        return "; ".join(f"{name} {command.arguments}".rstrip() for name, command in self._commands.items())

    def _list(self, _: Sequence[str]) -> str:
        return json.dumps([_row(breaker) for breaker in self._emulator.breakers])

    def _faults(self, _: Sequence[str]) -> str:
        return json.dumps({name: getattr(self._emulator.faults, name) for name in FAULT_NAMES})

    def _fault(self, name: str) -> Callable[[Sequence[str]], str]:
        def run(arguments: Sequence[str]) -> str:
            try:
                value = float(arguments[0])
            except ValueError:
                raise EmulatorError(f"{name} {arguments[0]!r}: not a number") from None
            setattr(self._emulator.faults, name, value)
            return f"{name} {value:g}"

        return run

    def _each(self, act: Callable[[EmulatedBreaker], None]) -> _Command:
        def run(arguments: Sequence[str]) -> str:
            breaker = self._breaker(arguments[0])
            act(breaker)
            return breaker.device_id

        return _Command("N", run)

    def _choice(
        self, no: str, yes: str, act: Callable[[EmulatedBreaker, bool], None]
    ) -> Callable[[Sequence[str]], str]:
        def run(arguments: Sequence[str]) -> str:
            breaker = self._breaker(arguments[0])
            if arguments[1] not in (no, yes):
                raise EmulatorError(f"{arguments[1]!r}: must be {no} or {yes}")
            act(breaker, arguments[1] == yes)
            return breaker.device_id

        return run

    @staticmethod
    def _by_hand(breaker: EmulatedBreaker, closed: bool) -> None:
        breaker.set_state_by_hand(closed=closed)

    @staticmethod
    def _power(breaker: EmulatedBreaker, on: bool) -> None:
        if on:
            breaker.power_on()
        else:
            breaker.power_off()

    @staticmethod
    def _line(breaker: EmulatedBreaker, live: bool) -> None:
        breaker.set_line(live=live)

    def _move(self, arguments: Sequence[str]) -> str:
        breaker = self._breaker(arguments[0])
        breaker.move_to(arguments[1])
        return f"{breaker.device_id} {breaker.address}"

    def _add(self, arguments: Sequence[str]) -> str:
        breaker = self._emulator.add_breaker(*arguments)
        return f'{breaker.number} {breaker.address} "{breaker.device_id}" = "{breaker.published_key.hex()}"'

    def _remove(self, arguments: Sequence[str]) -> str:
        breaker = self._breaker(arguments[0])
        self._emulator.remove_breaker(breaker)
        return breaker.device_id

    def _leave(self, _: Sequence[str]) -> str:
        self._quit()
        return "bye"

    def _breaker(self, text: str) -> EmulatedBreaker:
        if not text.isdecimal():
            raise EmulatorError(f"{text!r}: must be the number of a breaker; try list")
        return self._emulator.breaker(int(text))


def _row(breaker: EmulatedBreaker) -> dict[str, object]:
    return {
        "number": breaker.number,
        "device_id": breaker.device_id,
        "address": breaker.address,
        "load": breaker.load,
        "state": ("open", "closed", "mismatch")[breaker.state],
        "on": breaker.is_on,
        "muted": breaker.muted,
        "expected_sequence": breaker.expected,
        "commands": len(breaker.commands_applied),
        "lost": breaker.lost,
        "counters": dict(breaker.counters),
    }


async def run(config: EmcbConfig, faults: Faults, wrong_keys: Sequence[int]) -> None:
    """Emulate until SIGINT, SIGTERM or `quit`."""
    async with EmcbEmulator(config) as emulator:
        for name in FAULT_NAMES:
            setattr(emulator.faults, name, getattr(faults, name))
        for number in wrong_keys:
            emulator.breaker(number).use_wrong_key()
        rows = [f"# {b.number} {b.device_id} {b.address} {b.load}" for b in emulator.breakers]
        await obey((emulator.pipe_url, emulator.toml(), *rows), lambda quit_: Console(emulator, quit_))


def main(arguments: Sequence[str]) -> int:
    """Run the emulator; the exit code."""
    options = parser().parse_args(arguments)
    try:
        config = EmcbConfig(
            count=options.count,
            evse=options.evse,
            bind=options.bind,
            port=options.port,
            seed=options.seed,
            loads=tuple(options.load),
            start_of_day_s=options.time_of_day,
            speed=options.speed,
            lockout_s=options.lockout,
            keep_energies=not options.reset_energies,
            used_before=not options.new,
            consumption_positive=(0 in options.consumption_positive, 1 in options.consumption_positive),
        )
        faults = Faults(**{name: getattr(options, name) for name in FAULT_NAMES})
        asyncio.run(run(config, faults, options.wrong_key))
    except EmulatorError as error:
        print_line(f"python -m radios.emulators emcb: {error}", STDERR)
        return USAGE_ERROR
    return 0
