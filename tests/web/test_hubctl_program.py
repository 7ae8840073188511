"""hubctl as a program: what its help costs, pipes that break, terminals, Ctrl-C, completion."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.web.fake_hub import (
    FRIDGE,
    SILENT,
    TOKEN,
    FakeHub,
    breaker,
    command,
    event,
    network,
    problem,
    snapshot,
    topology,
)
from tests.web.hubctl_runs import fake as fake
from web.hubctl.lazy import LazyGroup
from web.hubctl.root import cli

ROOT = Path(__file__).parent.parent.parent
HUBCTL = (sys.executable, "-m", "web.hubctl")
LONGEST_S = 20.0
HEAVY = ("aiohttp", "asyncio", "rich", "msgspec", "platformdirs", "hub", "web.client")


def environment(fake: FakeHub | None = None, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HEH_", "NO_COLOR"))}
    ours = {} if fake is None else {"HEH_URL": fake.url, "HEH_TOKEN": TOKEN}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", "LANG": "C.UTF-8", **ours, **more}


def ran(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HUBCTL, *arguments], env=env or environment(), capture_output=True, text=True, timeout=LONGEST_S, check=False
    )


# -- what help costs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["--help"], ["breaker", "--help"], ["breaker", "open", "--help"], ["watch", "-h"]]
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys; from web.hubctl import main\n"
        f"sys.argv = ['hubctl', *{arguments!r}]\n"
        "code = main()\n"
        f"print(code, sorted(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=True,
    )
    assert done.stdout.startswith("Usage: hubctl")
    assert done.stderr.strip() == "0 []"


def test_completion_of_commands_imports_nothing_heavy() -> None:
    program = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print(sorted(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr))\n"
        "from web.hubctl import main\n"
        "main()"
    )
    env = environment(COMP_WORDS="hubctl br", COMP_CWORD="1", _HUBCTL_COMPLETE="bash_complete")
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=LONGEST_S, check=True
    )
    assert (done.stdout, done.stderr.strip()) == ("plain,breaker\n", "[]")


def groups(group: LazyGroup) -> Iterator[tuple[LazyGroup, str, click.Command]]:
    with click.Context(group) as ctx:
        for name in group.list_commands(ctx):
            found = group.get_command(ctx, name)
            assert found is not None
            yield group, name, found
            if isinstance(found, LazyGroup):
                yield from groups(found)


def test_every_row_of_the_tables_is_a_command_of_that_name_with_help() -> None:
    assert isinstance(cli, LazyGroup)
    rows = list(groups(cli))
    assert len(rows) >= 26
    for group, name, found in rows:
        assert found.name == name
        assert found.help
        assert group.table[name].help.endswith(".")
        for parameter in found.params:
            assert not isinstance(parameter, click.Option) or parameter.help, (name, parameter.name)


def test_every_reading_command_has_json() -> None:
    assert isinstance(cli, LazyGroup)
    writes_text = {"completion", "remove", "revoke", "device", "breaker", "token", "config"}
    writes_text |= {"network", "attr", "registry", "interview", "certificate", "test-ca", "new", "issue"}
    writes_text |= {"event", "drlc", "price", "message", "tunnel", "export", "radio"}
    pipes = {("tunnel", "open"), ("tunnel", "answer")}
    for group, name, found in groups(cli):
        if name not in writes_text and (group.name, name) not in pipes:
            assert any("--json" in parameter.opts for parameter in found.params), name


def test_a_mistyped_command_suggests_the_right_one() -> None:
    done = ran("breaker", "opne")
    assert done.returncode == 2
    assert "Did you mean" in done.stderr
    assert "open" in done.stderr


# -- completion --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed_and_understood_by_their_shell(shell: str, tmp_path: Path) -> None:
    done = ran("completion", shell, env=environment(PATH=os.environ["PATH"]))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"_HUBCTL_COMPLETE={shell}_complete" in done.stdout
    program = shutil.which(shell)
    if program is not None:
        script = tmp_path / "script"
        script.write_text(done.stdout)
        subprocess.run([program, "-n", str(script)], check=True, timeout=LONGEST_S)


def completed(fake: FakeHub | None, *words: str) -> list[str]:
    env = environment(fake, COMP_WORDS=" ".join(("hubctl", *words)), COMP_CWORD=str(len(words)))
    done = ran(env={**env, "_HUBCTL_COMPLETE": "bash_complete"})
    assert done.stderr == ""
    return [line.removeprefix("plain,") for line in done.stdout.splitlines()]


def test_completion_knows_the_names_of_devices(fake: FakeHub) -> None:
    assert completed(fake, "breaker", "open", "ref") == ["Refrigerator"]
    assert completed(fake, "device", "show", "emcb-30000c2b") == ["emcb-30000c2b00000001"]
    assert completed(fake, "readings", "Kitchen", "volt") == ["voltage_v"]
    assert completed(fake, "breaker", "led", "Kitchen", "--color", "or") == ["orange"]


@pytest.mark.parametrize(
    "words",
    [
        *(("network", name) for name in ("show", "permit", "scan", "energy", "channel", "set", "erase", "add")),
        ("join",),
    ],
)
def test_completion_knows_the_names_of_networks(fake: FakeHub, words: tuple[str, ...]) -> None:
    fake.answers["GET", "/api/v1/networks"] = (200, {"networks": [network("han"), network("hall"), network("attic")]})
    assert completed(fake, *words, "ha") == ["han", "hall"]


def test_completion_without_a_hub_is_quiet() -> None:
    env = environment(HEH_URL="http://127.0.0.1:1", HEH_TOKEN="x", COMP_WORDS="hubctl breaker open r", COMP_CWORD="3")
    done = ran(env={**env, "_HUBCTL_COMPLETE": "bash_complete"})
    assert (done.stdout.strip(), done.stderr) == ("", "")


# -- pipes and signals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [("devices",), ("devices", "--json"), ("watch", "--json"), ("--help",)])
def test_a_reader_that_goes_away_leaves_no_traceback(fake: FakeHub, arguments: tuple[str, ...]) -> None:
    many = [breaker(f"emcb-{number:016x}", f"Breaker {number}") for number in range(2000)]
    fake.answers["GET", "/api/v1/devices"] = (200, {"devices": many})
    fake.streams = [[snapshot(seq=number) for number in range(1, 400)]]
    read_end, write_end = os.pipe()
    process = subprocess.Popen([*HUBCTL, *arguments], env=environment(fake), stdout=write_end, stderr=subprocess.PIPE)
    os.close(write_end)
    os.close(read_end)
    _, err = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 141
    assert err == b""


def test_ctrl_c_ends_a_watch_without_a_traceback(fake: FakeHub) -> None:
    fake.streams = [[snapshot(), SILENT]]
    process = subprocess.Popen(
        [*HUBCTL, "watch"], env=environment(fake), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert "connected" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=LONGEST_S)
    assert (process.returncode, err) == (0, "")


def test_ctrl_c_during_a_command_says_that_the_hub_goes_on(fake: FakeHub) -> None:
    fake.answers["POST", f"/api/v1/breakers/{FRIDGE}/open"] = SILENT
    process = subprocess.Popen(
        [*HUBCTL, "breaker", "open", "Refrigerator"], env=environment(fake), stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + LONGEST_S
    while not fake.of("POST"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 130
    assert err.strip() == "Refrigerator: the hub goes on without us; hubctl commands tells how it ended"


# -- terminals ---------------------------------------------------------------------------------------------------------


class Terminal:
    """hubctl in a pseudo terminal; left behind, it is ended."""

    def __init__(self, env: dict[str, str], *arguments: str) -> None:
        self.shown = ""
        self._side, other = pty.openpty()
        self.process = subprocess.Popen(
            [*HUBCTL, *arguments],
            env={**env, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
        )
        os.close(other)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(LONGEST_S)
        with contextlib.suppress(OSError):
            os.close(self._side)

    def see(self, *expected: str) -> None:
        """Read until all of it was shown."""
        deadline = time.monotonic() + LONGEST_S
        while not all(text in self.shown for text in expected):
            assert time.monotonic() < deadline, self.shown
            if not self._read():
                raise AssertionError(self.shown)

    def type(self, text: str) -> None:
        os.write(self._side, text.encode())

    def leave(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        code = self.process.wait(LONGEST_S)
        assert "Traceback" not in self.shown
        return code

    def _read(self) -> bool:
        ready, _, _ = select.select([self._side], [], [], LONGEST_S)
        assert ready, self.shown
        try:
            data = os.read(self._side, 65536)
        except OSError:  # the far side is closed
            return False
        self.shown += data.decode("utf-8", "replace")
        return bool(data)


def test_a_terminal_gets_colours_and_bars(fake: FakeHub) -> None:
    with Terminal(environment(fake), "breaker", "list") as terminal:
        assert terminal.leave() == 0
        assert re.search(r"\x1b\[[0-9;]*32m *closed", terminal.shown)
        assert "█" in terminal.shown


def test_no_color_is_honoured(fake: FakeHub) -> None:
    with Terminal(environment(fake, NO_COLOR="1"), "breaker", "list") as terminal:
        assert terminal.leave() == 0
        assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", terminal.shown)
        assert "closed" in terminal.shown


def test_a_group_is_confirmed_by_a_person_in_a_terminal(fake: FakeHub) -> None:
    fake.answers["POST", "/api/v1/breakers/groups/open"] = (200, {"outcome": "confirmed", "commands": [command()]})
    for answer, code, posts in (("n\n", 1, 0), ("\n", 1, 0), ("y\n", 0, 1)):
        with Terminal(environment(fake), "breaker", "open", "Refrigerator", "kitchen") as terminal:
            terminal.see("opening 2 breakers: Refrigerator, Kitchen", "[y/N]")
            terminal.type(answer)
            assert terminal.leave() == code
            assert len(fake.of("POST")) == posts
    with Terminal(environment(fake), "breaker", "open", "--all", "--yes") as terminal:
        assert terminal.leave() == 0
        assert "[y/N]" not in terminal.shown


def test_a_slow_command_shows_that_it_is_under_way(fake: FakeHub) -> None:
    fake.answers["POST", f"/api/v1/breakers/{FRIDGE}/open"] = SILENT
    with Terminal(environment(fake), "breaker", "open", "Refrigerator") as terminal:
        terminal.see("Refrigerator: opening", "0:00:01")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.leave() == 130


@pytest.fixture
def zigbee(fake: FakeHub) -> FakeHub:
    fake.answers["GET", "/api/v1/networks"] = (200, {"networks": [network()]})
    fake.answers["POST", "/api/v1/networks/han/permit-join"] = (200, network(joining_s=70))
    return fake


def asked(hub: FakeHub, posts: int) -> None:
    """Wait until the hub was asked so often to do something."""
    deadline = time.monotonic() + LONGEST_S
    while len(hub.of("POST")) < posts:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_joining_counts_down_below_the_steps_and_ctrl_c_closes_it(zigbee: FakeHub) -> None:
    step = {"radio": "han", "device_id": FRIDGE, "step": "node_descriptor", "done": 1, "total": 5}
    zigbee.streams = [
        [
            snapshot(),
            event("interview_progress", 2, state="started", **step),
            event("interview_progress", 3, state="done", **step),
            SILENT,
        ]
    ]
    with Terminal(environment(zigbee), "join", "--seconds", "70") as terminal:
        terminal.see("[1/5] node descriptor", "\rhan: joining is open, 1 min 9 s left", "1 min 8 s left")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.leave() == 0
    last = re.split("[\r\n]+", re.sub(r"\x1b\[[0-9;]*m", "", terminal.shown).strip())
    assert last[-1] == "joining is closed"
    assert not last[-2].strip()
    assert [one.body["duration_s"] for one in zigbee.of("POST")] == [70, 0]


def test_ctrl_c_while_joining_is_being_opened_closes_it(zigbee: FakeHub) -> None:
    zigbee.streams = [[snapshot(), SILENT]]
    opened = zigbee.answers["POST", "/api/v1/networks/han/permit-join"]
    zigbee.answers["POST", "/api/v1/networks/han/permit-join"] = SILENT
    with Terminal(environment(zigbee), "join") as terminal:
        asked(zigbee, 1)
        zigbee.answers["POST", "/api/v1/networks/han/permit-join"] = opened
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.leave() == 0
        assert "joining is closed" in terminal.shown
    assert zigbee.of("POST")[-1].body == {"duration_s": 0}


def test_the_countdown_follows_a_window_that_somebody_else_changes(zigbee: FakeHub) -> None:
    zigbee.streams = [[snapshot(), event("network_changed", 2, network=network(joining_s=600)), SILENT]]
    with Terminal(environment(zigbee), "join", "--seconds", "70") as terminal:
        terminal.see("han: joining is open, 9 min 59 s left")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.leave() == 0


def test_who_does_not_wait_for_joining_to_be_closed_is_told_so(zigbee: FakeHub) -> None:
    zigbee.streams = [[snapshot(), SILENT]]
    with Terminal(environment(zigbee), "join") as terminal:
        terminal.see("Ctrl-C closes it")
        zigbee.answers["POST", "/api/v1/networks/han/permit-join"] = SILENT
        terminal.process.send_signal(signal.SIGINT)
        asked(zigbee, 2)
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.leave() == 4
        assert "joining may still be open; close it with hubctl network permit --close" in terminal.shown


def test_joining_that_cannot_be_closed_is_told(zigbee: FakeHub) -> None:
    zigbee.streams = [[snapshot(), SILENT]]
    with Terminal(environment(zigbee), "join") as terminal:
        terminal.see("Ctrl-C closes it")
        zigbee.answers["POST", "/api/v1/networks/han/permit-join"] = problem(503, "unavailable", "han is down")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.leave() == 1
        assert "joining could not be closed; it ends by itself in 4 min 1" in terminal.shown
        assert "hubctl: han is down" in terminal.shown


def test_joining_tells_a_pipe_its_start_and_end_only(zigbee: FakeHub) -> None:
    zigbee.streams = [[snapshot(), event("network_changed", 2, network=network())]]
    done = ran("join", "--seconds", "70", env=environment(zigbee))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines()[:2] == [
        "han: joining is open for 1 min 10 s; start the joining of your device now",
        "joining is closed",
    ]
    assert "left" not in done.stderr


def test_a_scan_shows_how_many_routers_were_asked(zigbee: FakeHub) -> None:
    others = topology(9, 10, radio="attic")
    far = [event("topology_scanned", 2, topology=topology(1, 12)), event("topology_scanned", 3, topology=others)]
    zigbee.streams = [[snapshot(), *far, SILENT]]
    zigbee.answers["POST", "/api/v1/networks/han/topology"] = SILENT
    with Terminal(environment(zigbee), "network", "scan") as terminal:
        terminal.see("han: asking every router whom it hears, 1 of 12 asked", "0:00:01")
        assert "9 of 10" not in terminal.shown
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.leave() == 130


def test_a_scan_goes_on_without_its_progress(zigbee: FakeHub) -> None:
    zigbee.streams = [[snapshot(), 1001]]
    zigbee.answers["POST", "/api/v1/networks/han/topology"] = (200, topology(12, 12))
    with Terminal(environment(zigbee), "network", "scan") as terminal:
        assert terminal.leave() == 0
        assert "12 of 12 routers asked" in terminal.shown


def test_the_live_screen_comes_and_goes(fake: FakeHub) -> None:
    fake.streams = [[snapshot(), 1001], [snapshot(), SILENT]]
    with Terminal(environment(fake), "watch") as terminal:
        terminal.see("\x1b[?1049h", "Refrigerator", "trying again", "live")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.leave() == 0
    # The person's own screen is back, with its cursor.
    assert terminal.shown.rstrip().endswith(("\x1b[?1049l", "\x1b[?25h"))


def test_many_points_are_told_in_few_rows_with_a_sparkline(fake: FakeHub) -> None:
    points = [
        {"time": f"2026-11-20T11:{minute:02}:{second:02}.000Z", "value": float(minute)}
        for minute in range(60)
        for second in range(0, 60, 10)
    ]
    fake.answers["GET", "/api/v1/readings"] = (
        200,
        {
            "device_id": "house", "quantity": "power_w", "channel": "total", "unit": "W", "resolution": "raw",
            "from": "2026-11-20T11:00:00.000Z", "to": "2026-11-20T12:00:00.000Z", "points": points,
        },
    )  # fmt: skip
    with Terminal(environment(fake), "readings", "house") as terminal:
        assert terminal.leave() == 0
        assert "360 points in 30 rows" in terminal.shown
        assert "▁▂▂" in terminal.shown or "▁▁" in terminal.shown
    with Terminal(environment(fake), "readings", "house", "--all") as terminal:
        assert terminal.leave() == 0
        assert terminal.shown.count("2026-11-20") == 360
