"""`python -m radios.emulators zigate`: the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from radios.emulators.stick_command import parser, serve, settings_of, started
from radios.emulators.zigate import ZigateConfig, ZigateEmulator
from radios.emulators.zigate_firmware import FIRMWARES

LONGEST_JOIN_AFTER_S = 86_400.0


def main(arguments: Sequence[str]) -> int:
    """Run the emulator; the exit code."""
    made = parser("zigate", "An emulated ZiGate with devices around it.", "cube,plug,meter,thermostat")
    made.add_argument(
        "--join-after", type=float, metavar="SECONDS", help="the others join so long after joining was opened"
    )
    made.add_argument("--firmware", default="3.23", choices=tuple(FIRMWARES), help="of the stick (default 3.23)")
    made.add_argument("--factory-new", action="store_true", help="the stick knows no network yet")
    options = made.parse_args(arguments)

    after = options.join_after
    if after is not None and not 0 <= after <= LONGEST_JOIN_AFTER_S:
        made.error(f"argument --join-after: {after:g}: must be from 0 to {LONGEST_JOIN_AFTER_S:g} seconds")

    async def run() -> None:
        config = ZigateConfig(
            **settings_of(options),
            press_when_open_s=after,
            firmware=options.firmware,
            factory_new=options.factory_new,
        )
        async with ZigateEmulator(config) as stick:
            await serve(stick, options.control)

    return started("zigate", lambda: asyncio.run(run()))
