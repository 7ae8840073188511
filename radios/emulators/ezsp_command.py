"""`python -m radios.emulators ezsp`: the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from radios.emulators.errors import EmulatorError
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.emulators.ezsp_versions import DEFAULT_FIRMWARE, FIRMWARES
from radios.emulators.se_console import number
from radios.emulators.stick_command import Commands, add_certificates, parser, serve, settings_of, started
from radios.emulators.trust_centre import TRUST_CENTRES

LONGEST_WINDOW_S = 86_400.0


def stick_commands(stick: EzspEmulator) -> Commands:
    """What only this stick does, and what is done at whoever holds the network."""

    def crash(_: Sequence[str]) -> str:
        stick.crash()
        return "restarts by itself"

    def fail(_: Sequence[str]) -> str:
        stick.fail()
        return "its line protocol has given up"

    def keys(_: Sequence[str]) -> str:
        rows = stick.flash.link_keys
        return " ".join(f"{at}:{row.ieee:016x}:{row.key.hex()}" for at, row in rows.items()) or "none"

    def open_(arguments: Sequence[str]) -> str:
        seconds = number("open", arguments[0])
        if not 0 <= seconds <= LONGEST_WINDOW_S:
            raise EmulatorError(f"open {seconds:g}: must be from 0 (close) to {LONGEST_WINDOW_S:g} seconds")
        stick.air.permit(seconds)
        return f"open for {seconds:g} s" if seconds else "closed"

    def register(_: Sequence[str]) -> str:
        stick.register()
        return f"{stick.ieee:016x} {stick.factory_key.hex()}"

    def expel(_: Sequence[str]) -> str:
        if not stick.air.drop(stick.ieee, told=True):
            raise EmulatorError("the stick is on no network")
        return "the stick has left"

    own: Commands = {"crash": ("", crash), "fail": ("", fail), "keys": ("", keys)}
    if stick.trust_centre is None:
        return own
    return {**own, "open": ("SECONDS", open_), "register": ("", register), "expel": ("", expel)}


def main(arguments: Sequence[str]) -> int:
    """Run the emulator; the exit code."""
    made = parser("ezsp", "An emulated EZSP stick with devices around it.", "plug,meter,thermostat,smart-meter")
    add = made.add_argument
    releases = tuple(FIRMWARES)
    add(
        "--firmware", default=DEFAULT_FIRMWARE, choices=releases, help=f"EmberZNet release (default {DEFAULT_FIRMWARE})"
    )
    add("--formed", action="store_true", help="the stick has a network already")
    add("--trust-centre", choices=tuple(TRUST_CENTRES), help="who holds a network that the stick may join as a router")
    add("--unregistered", action="store_true", help="the trust centre does not know the stick's link key")
    add("--closed", action="store_true", help="the trust centre lets nobody join until it is told to")
    add_certificates(made)
    options = made.parse_args(arguments)
    if options.trust_centre is None and (options.unregistered or options.closed):
        made.error("--unregistered and --closed are for --trust-centre")

    async def run() -> None:
        config = EzspConfig(
            **settings_of(options),
            firmware=options.firmware,
            is_formed=options.formed,
            trust_centre=options.trust_centre,
            is_registered=not options.unregistered,
            is_open=not options.closed,
        )
        async with EzspEmulator(config) as stick:
            await serve(stick, options.control, more=stick_commands(stick))

    return started("ezsp", lambda: asyncio.run(run()))
