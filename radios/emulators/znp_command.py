"""`python -m radios.emulators znp`: the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from radios.emulators.stick_command import Commands, add_certificates, parser, serve, settings_of, started
from radios.emulators.znp import ZnpConfig, ZnpEmulator
from radios.emulators.znp_firmware import DEFAULT_FIRMWARE, FIRMWARES


def stick_commands(stick: ZnpEmulator) -> Commands:
    """What only this stick does."""

    def crash(_: Sequence[str]) -> str:
        stick.crash()
        return "restarts by itself"

    def keys(_: Sequence[str]) -> str:
        known = ((device.ieee, stick.keys.key_for(device.ieee)) for device in stick.devices)
        return " ".join(f"{ieee:016x}:{key.hex()}" for ieee, key in known if key is not None) or "none"

    return {"crash": ("", crash), "keys": ("", keys)}


def main(arguments: Sequence[str]) -> int:
    """Run the emulator; the exit code."""
    made = parser("znp", "An emulated Z-Stack stick with devices around it.", "plug,meter,thermostat,smart-meter")
    add = made.add_argument
    text = f"Z-Stack version: 1.2 and 3.0 of CC2531, 3.x of CC2652 (default {DEFAULT_FIRMWARE})"
    add("--firmware", default=DEFAULT_FIRMWARE, choices=tuple(FIRMWARES), help=text)
    add("--formed", action="store_true", help="the stick has a network already")
    add_certificates(made)
    options = made.parse_args(arguments)

    async def run() -> None:
        config = ZnpConfig(**settings_of(options), firmware=options.firmware, is_formed=options.formed)
        async with ZnpEmulator(config) as stick:
            await serve(stick, options.control, more=stick_commands(stick))

    return started("znp", lambda: asyncio.run(run()))
