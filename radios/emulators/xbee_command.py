"""`python -m radios.emulators xbee`: the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from radios.emulators.stick_command import parser, serve, settings_of, started
from radios.emulators.xbee import FIRMWARES, XbeeConfig, XbeeEmulator

ALIASES = {
    "meter": "smart-meter",
    "thermostat": "se-thermostat",
    "ha-meter": "meter",
    "ha-thermostat": "thermostat",
}
"""Around a Smart Energy module a meter is a utility's; those of Home Automation have names that say so."""


def main(arguments: Sequence[str]) -> int:
    """Run the emulator; the exit code."""
    made = parser(
        "xbee",
        "An emulated XBee with Smart Energy firmware, and devices around it.",
        "meter,display,thermostat,load-control",
        ALIASES,
    )
    made.add_argument("--firmware", default="3119", choices=tuple(FIRMWARES), help="register VR (default 3119)")
    made.add_argument("--no-certificate", action="store_true", help="no device can establish keys with the module")
    options = made.parse_args(arguments)

    async def run() -> None:
        config = XbeeConfig(
            **settings_of(options, ALIASES),
            firmware=options.firmware,
            is_certified=not options.no_certificate,
        )
        async with XbeeEmulator(config) as module:
            await serve(module, options.control, ALIASES)

    return started("xbee", lambda: asyncio.run(run()))
