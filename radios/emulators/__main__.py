"""`python -m radios.emulators NAME ...`: run one emulator."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import cast

EMULATORS: Mapping[str, str] = {
    "emcb": "radios.emulators.emcb_command:main",
    "ezsp": "radios.emulators.ezsp_command:main",
    "xbee": "radios.emulators.xbee_command:main",
    "zigate": "radios.emulators.zigate_command:main",
    "znp": "radios.emulators.znp_command:main",
}
"""Name -> module:function of every emulator; the function takes the arguments and returns an exit code."""

USAGE_ERROR = 2


def main(arguments: Sequence[str]) -> int:
    """Run the emulator named by the first argument with the others."""
    names = ", ".join(EMULATORS)
    if arguments and arguments[0] in ("-h", "--help"):
        print(f"usage: python -m radios.emulators NAME ...\n\nNAME is one of: {names}. NAME --help tells its options.")
        return 0
    if not arguments or arguments[0] not in EMULATORS:
        asked = repr(arguments[0]) if arguments else "no name"
        print(f"radios.emulators: {asked} given; known emulators are: {names}", file=sys.stderr)
        return USAGE_ERROR
    module, _, function = EMULATORS[arguments[0]].partition(":")
    run = cast("Callable[[Sequence[str]], int]", getattr(import_module(module), function))
    return run(arguments[1:])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
