"""Get what the tests need beyond Python packages: Chromium and tshark, from Debian's packages where that is allowed.

Says plainly what is missing and how to get it; the tests that need it are then skipped, except in CI, where they fail.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Program:
    """What tests start."""

    name: str
    package: str
    """Debian's."""
    commands: tuple[str, ...]
    """Any of these is it."""
    tests: str

    def find(self) -> str | None:
        """Its path, if it is there."""
        return next((path for command in self.commands if (path := shutil.which(command))), None)


PROGRAMS = (
    Program("Chromium", "chromium", ("chromium", "chromium-browser", "google-chrome"), "the dashboard's browser tests"),
    Program("tshark", "tshark", ("tshark",), "the tests that have every frame decoded by tshark"),
)


def may_install() -> list[str] | None:
    """The words to put before apt-get: none for root, sudo where it asks for nothing, None where it is not allowed."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return ["sudo", "-n"]
    return None


def install(prefix: list[str], programs: list[Program]) -> None:
    """Install programs one by one, so that one that cannot be had takes none of the others with it.

    Nothing asks: tshark's package would, whether everybody may capture, which no test does.
    """
    quiet = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]  # sudo keeps no environment
    commands = [["update"]]
    commands += [["install", "-y", "--no-install-recommends", program.package] for program in programs]
    for command in commands:
        done = subprocess.run([*quiet, *command], capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"apt-get {' '.join(command)} failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)


def main() -> int:
    """Install what is missing; 0 always but in CI, where what is missing is a failure."""
    wanted = [program for program in PROGRAMS if program.find() is None]
    prefix = may_install()
    if wanted and prefix is not None:
        for program in wanted:
            print(f"installing {program.name} for {program.tests} (Debian package {program.package})", flush=True)
        install(prefix, wanted)
    missing = [program for program in PROGRAMS if program.find() is None]
    for program in missing:
        print(
            f"missing: {program.name}. Skipped are {program.tests}.\n"
            f"         To run them, install it (Debian: apt-get install {program.package}) and say make test again.",
            file=sys.stderr,
        )
    return 1 if missing and os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
