"""Get what the tests need beyond Python packages: Chromium, from Debian's packages where that is allowed.

Says plainly what is missing and how to get it; the tests that need it are then skipped, except in CI, where they fail.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
INSTALL = ("apt-get", "install", "-y", "--no-install-recommends", "chromium")


def find_browser() -> str | None:
    """The path of a Chromium, if there is one."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


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


def main() -> int:
    """Install what is missing; 0 always but in CI, where a missing browser is a failure."""
    if find_browser():
        return 0
    prefix = may_install()
    if prefix is not None:
        print("installing Chromium for the dashboard's tests (Debian package chromium)", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (("apt-get", "update"), INSTALL):
            done = subprocess.run([*prefix, *command], env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{' '.join(command)} failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
                break
    if find_browser():
        return 0
    print(
        "missing: Chromium. The dashboard's browser tests are skipped.\n"
        "         To run them, install it (Debian: apt-get install chromium) and say make test again.",
        file=sys.stderr,
    )
    return 1 if os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
