"""Run the benchmarks that are named, or all, and print a row for each."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib import import_module

BENCHMARKS = (
    "cbke",
    "drlc_due",
    "emcb_parse",
    "emcb_poll",
    "fanout",
    "rpc_requests",
    "se_events",
    "se_price",
    "startup",
    "xbee_at",
    "xbee_decode",
    "zigate_decode",
    "zigbee_report",
    "zigpy_report",
    "zigpy_startup",
)


def main() -> int:
    """0 when every promise was kept."""
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)} (default: all)")
    names = arguments.parse_args().names or BENCHMARKS
    for name in names:
        if name not in BENCHMARKS:
            arguments.error(f"{name!r} is not a benchmark; there are {', '.join(BENCHMARKS)}")
    print(f"CPython {platform.python_version()} on {os.cpu_count()} cores, {platform.machine()}")
    print(f"     {'':58} {'ours':>12} {'reference':>12} {'':10} {'ratio':>7}  promise")
    kept = True
    for name in names:
        for result in import_module(f"bench.{name}").run():
            print(result.row(), flush=True)
            kept = kept and result.kept
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
