"""Start-up and memory of hubd with four breakers."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from bench.measure import Result

ROUNDS = 5
IMPORTS = "import aiohttp, sqlite3, cryptography"
ALLOWED_FACTOR = 1.5
ALLOWED_EXTRA_S = 0.5
RSS_PROMISE_MB = 90.0
SETTLE_S = 5.0
PORT = 18973
LONGEST_S = 20.0


def installed(cache: Path) -> Mapping[str, str]:
    """The environment of both sides: bytecode of an earlier start is there, wherever the benchmark runs."""
    return os.environ | {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(cache)}


def import_time(environment: Mapping[str, str]) -> float:
    """Seconds that the bare imports take in a new process."""
    # cryptography is not a dependency yet; where it is missing the reference is smaller and the comparison stricter.
    imports = IMPORTS if find_spec("cryptography") else IMPORTS.replace(", cryptography", "")
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", imports], check=True, env=environment)
    return time.perf_counter() - started


def start_time(data_dir: Path, environment: Mapping[str, str]) -> tuple[float, float]:
    """Seconds from start to the API's first answer, and MB of memory once it has run for a while."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "web.daemon", "--demo", "--data-dir", str(data_dir), "--listen", f"127.0.0.1:{PORT}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/v1/health", timeout=1):
                    break
            except (urllib.error.URLError, ConnectionError):
                if time.perf_counter() - started > LONGEST_S:
                    raise
                time.sleep(0.005)
        took = time.perf_counter() - started
        time.sleep(SETTLE_S)
        return took, _rss_mb(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def run() -> Iterator[Result]:
    """Two rows: time, memory. The demo's emulated breakers are in the same process and counted against us."""
    if not Path("/proc/self/status").exists():
        return
    imports, starts, sizes = [], [], []
    with tempfile.TemporaryDirectory() as directory:
        environment, home = installed(Path(directory) / "bytecode"), Path(directory) / "home"
        for number in range(1 + ROUNDS):
            bare = import_time(environment)
            took, rss = start_time(home, environment)
            # The first ones compile; they are not counted on either side.
            if number:
                imports.append(bare)
                starts.append(took)
                sizes.append(rss)
    allowed = [ALLOWED_FACTOR * bare + ALLOWED_EXTRA_S for bare in imports]
    ratio = statistics.median(a / b for a, b in zip(starts, allowed, strict=True))
    yield Result(
        "hubd --demo: API answers / 1.5 x imports + 0.5 s",
        statistics.median(starts) * 1000, statistics.median(allowed) * 1000, "ms", "<= 1.00", ratio <= 1, ratio,
    )  # fmt: skip
    size = statistics.median(sizes)
    yield Result(
        "hubd --demo: resident memory / promise", size, RSS_PROMISE_MB, "MB", "<= 1.00", size <= RSS_PROMISE_MB,
        size / RSS_PROMISE_MB,
    )  # fmt: skip
