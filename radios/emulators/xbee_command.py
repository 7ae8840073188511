"""`python -m radios.emulators xbee`: the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from radios.emulators.errors import EmulatorError
from radios.emulators.se_console import number
from radios.emulators.stick_command import Commands, parser, serve, settings_of, started
from radios.emulators.trust_centre import TRUST_CENTRES
from radios.emulators.xbee import FIRMWARES, XbeeConfig, XbeeEmulator
from radios.emulators.xbee_router import XbeeRouter, XbeeRouterConfig

ALIASES = {
    "meter": "smart-meter",
    "thermostat": "se-thermostat",
    "ha-meter": "meter",
    "ha-thermostat": "thermostat",
}
"""Around a Smart Energy module a meter is a utility's; those of Home Automation have names that say so."""


LONGEST_WINDOW_S = 86_400.0
WHAT_MAY_HAPPEN = ("mute", "unmute", "reset", "kill", "revive")
"""To the module beside."""


def beside_commands(module: XbeeRouter) -> Commands:
    """What is done to the module beside, for a second hub."""

    def act(arguments: Sequence[str]) -> str:
        if arguments[0] not in WHAT_MAY_HAPPEN:
            raise EmulatorError(f"beside {arguments[0]!r}: must be {', '.join(WHAT_MAY_HAPPEN)}")
        getattr(module, arguments[0])()
        return f"{module.ieee:016x} {arguments[0]}"

    return {"beside": ("|".join(WHAT_MAY_HAPPEN), act)}


def trust_centre_commands(module: XbeeRouter) -> Commands:
    """What a utility's technician does at whoever holds the network."""
    centre = module.trust_centre

    def open_(arguments: Sequence[str]) -> str:
        seconds = number("open", arguments[0])
        if not 0 <= seconds <= LONGEST_WINDOW_S:
            raise EmulatorError(f"open {seconds:g}: must be from 0 (close) to {LONGEST_WINDOW_S:g} seconds")
        module.air.permit(seconds)
        return f"open for {seconds:g} s" if seconds else "closed"

    def register(arguments: Sequence[str]) -> str:
        if arguments[0] == "module":
            if len(arguments) > 1:
                raise EmulatorError("register module: no key may follow: it is the one that the module was made with")
            module.register()
            return f"{module.ieee:016x}, with the key that it was made with"
        digits = _digits("EUI64", arguments[0], 16, "the word module, or 16 hex digits")
        if set(digits) in ({"0"}, {"f"}):
            raise EmulatorError(f"EUI64 {arguments[0]}: no device has it; must not be all 0 or all f")
        if len(arguments) < 2:
            raise EmulatorError("use: register EUI64 KEY with a KEY of 32 hex digits")
        key = bytes.fromhex(_digits("KEY", arguments[1], 32, "32 hex digits"))
        if not any(key):
            raise EmulatorError("KEY: all zero; must be 32 hex digits that are not all 0")
        centre.table[int(digits, 16)] = key
        return digits

    def forget(_: Sequence[str]) -> str:
        centre.table.clear()
        centre.with_keys.clear()
        return "nobody may join"

    def expel(_: Sequence[str]) -> str:
        if not module.air.drop(module.ieee, told=True):
            raise EmulatorError("the module is on no network")
        return "the module has left"

    return {
        "open": ("SECONDS", open_),
        "register": ("module|EUI64 [KEY]", register),
        "forget": ("", forget),
        "expel": ("", expel),
    }


def _digits(name: str, text: str, count: int, allowed: str) -> str:
    """Hex digits, perhaps with : or - between them."""
    digits = text.replace(":", "").replace("-", "").lower()
    wrong = sum(character not in "0123456789abcdef" for character in digits)
    if wrong:
        raise EmulatorError(f"{name}: {wrong} of {len(digits)} characters are no hex digits; must be {allowed}")
    if len(digits) != count:
        raise EmulatorError(f"{name}: {len(digits)} hex digits; must be {allowed}")
    return digits


def main(arguments: Sequence[str]) -> int:
    """Run the emulator; the exit code."""
    made = parser(
        "xbee",
        "An emulated XBee with Smart Energy firmware, and devices around it.",
        "meter,display,thermostat,load-control",
        ALIASES,
    )
    add = made.add_argument
    add("--role", default="coordinator", choices=("coordinator", "router"), help="(default coordinator)")
    add("--firmware", choices=tuple(FIRMWARES), help="register VR (default 3119, of a router 3319)")
    add("--no-certificate", action="store_true", help="no keys can be established with the module")
    add("--trust-centre", choices=tuple(TRUST_CENTRES), help="of a router: who holds the network (default smart-meter)")
    add("--unregistered", action="store_true", help="of a router: the trust centre does not know its link key")
    add("--closed", action="store_true", help="of a router: the trust centre lets nobody join until it is told to")
    text = (
        "a router beside it on its air, on a pseudo terminal of its own: for a second hub, which joins the first one's"
    )
    add("--beside", action="store_true", help=text)
    options = made.parse_args(arguments)
    is_router = options.role == "router"
    if not is_router and (options.trust_centre or options.unregistered or options.closed):
        made.error("--trust-centre, --unregistered and --closed are for --role router")

    if is_router and options.beside:
        made.error("--beside is for --role coordinator")

    async def run() -> None:
        settings = settings_of(options, ALIASES) | {"is_certified": not options.no_certificate}
        if options.firmware is not None:
            settings["firmware"] = options.firmware
        if is_router:
            router = XbeeRouterConfig(
                **settings,
                trust_centre=options.trust_centre or "smart-meter",
                is_registered=not options.unregistered,
                is_open=not options.closed,
            )
            async with XbeeRouter(router) as joining:
                await serve(joining, options.control, ALIASES, trust_centre_commands(joining))
        else:
            async with XbeeEmulator(XbeeConfig(**settings)) as module:
                if not options.beside:
                    await serve(module, options.control, ALIASES)
                    return
                guest = XbeeRouterConfig(devices=(), seed=options.seed + 1, is_registered=False, is_open=False)
                async with XbeeRouter(guest, module) as beside:
                    named = f"# beside {beside.ieee:016x} link key {beside.factory_key.hex()}"
                    about = (named, beside.pipe_url, beside.toml())
                    await serve(module, options.control, ALIASES, beside_commands(beside), about)

    return started("xbee", lambda: asyncio.run(run()))
