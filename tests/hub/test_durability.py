"""The power goes at random moments: a real process, a real kill, many times."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
KILLS = 40
LONGEST_LIFE_S = 0.35


def run_until_killed(path: Path, first: int, life_s: float) -> list[str]:
    """Start the writer, kill it after `life_s` of writing; what it had acknowledged."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "durable_writer.py"), str(path), str(first)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(life_s)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    with process.stdout:
        return [line.strip() for line in process.stdout if line.endswith("\n")]


@pytest.mark.slow
def test_everything_acknowledged_is_there_after_every_kill(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    chance = random.Random(11)
    next_reading, last_command, lines = 0, 0, 0
    for _ in range(KILLS):
        said = run_until_killed(path, next_reading, chance.uniform(0, LONGEST_LIFE_S))
        lines += len(said)
        acknowledged = max([next_reading, *(int(s.split()[1]) for s in said if s.startswith("readings"))])
        commands = max([last_command, *(int(s.split("-")[1]) for s in said if s.startswith("command"))])
        with sqlite3.connect(path) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            values = [value for (value,) in database.execute("SELECT value FROM raw ORDER BY time")]
            assert values == [float(number) for number in range(len(values))], "each once, none missing between"
            assert len(values) >= acknowledged
            for level in (60, 900, 3600, 86400):
                sums = database.execute(
                    "SELECT time, count, sum, min, max, last FROM rollup WHERE level = ? ORDER BY time", (level,)
                ).fetchall()
                again = database.execute(
                    "SELECT time - time % ?1, count(*), sum(value), min(value), max(value), max(value) "
                    "FROM raw GROUP BY 1 ORDER BY 1",
                    (level * 1000,),
                ).fetchall()
                assert sums == again, "sums and readings share every transaction"
            [(number,)] = database.execute("SELECT count(*) FROM command").fetchall()
            [(newest,)] = database.execute("SELECT coalesce(max(number), 0) FROM command").fetchall()
            assert newest >= commands
            assert number == newest, "no number is lost or used twice"
        database.close()
        next_reading, last_command = len(values), newest
    assert lines > KILLS, "the writer really wrote"
    assert next_reading > 100
