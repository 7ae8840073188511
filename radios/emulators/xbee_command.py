"""`python -m radios.emulators xbee`: the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from radios.emulators.stick_command import devices_of, faults_of, parser, serve, started
from radios.emulators.xbee import FIRMWARES, XbeeConfig, XbeeEmulator


def main(arguments: Sequence[str]) -> int:
    """Run the emulator; the exit code."""
    made = parser(
        "xbee", "An emulated XBee with Smart Energy firmware, and devices around it.", "plug,meter,thermostat"
    )
    made.add_argument("--firmware", default="3119", choices=tuple(FIRMWARES), help="register VR (default 3119)")
    made.add_argument("--no-certificate", action="store_true", help="no device can establish keys with the module")
    options = made.parse_args(arguments)

    async def run() -> None:
        devices, joined = devices_of(options)
        config = XbeeConfig(
            devices=devices,
            joined=joined,
            firmware=options.firmware,
            is_certified=not options.no_certificate,
            tcp_port=options.tcp,
            link=options.link,
            seed=options.seed,
            speed=options.speed,
            loss=options.air_loss,
            lost_status=options.lost_status,
            faults=faults_of(options),
        )
        async with XbeeEmulator(config) as module:
            await serve(module)

    return started("xbee", lambda: asyncio.run(run()))
