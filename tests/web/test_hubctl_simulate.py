"""hubctl simulate: lines to an emulator over TCP, and its answers as tables, rows, JSON and exit codes."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from radios.emulators.console import ControlServer
from radios.emulators.stick_command import Console
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from radios.emulators.xbee_command import ALIASES
from tests.web.hubctl_runs import Hubctl
from tests.web.hubctl_runs import alone as alone
from tests.web.test_hubctl_program import Terminal, environment
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.simulate import parse_place, tell

DEADLINE_S = 20.0


class Background:
    """Something asynchronous in a thread of its own, at a place."""

    def __init__(self, answer: Callable[[str], str] | None) -> None:
        self.place = ""
        self._answer = answer
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    async def _run(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        config = XbeeConfig(devices=("smart-meter", "esi", "load-control"), joined=(0, 1, 2))
        async with XbeeEmulator(config) as module:
            lines = Console(module, lambda: None, ALIASES)
            async with ControlServer(self._answer or lines.answer) as server:
                self.place = server.place
                self._ready.set()
                await self._end.wait()

    def __enter__(self) -> Background:
        self._thread.start()
        assert self._ready.wait(DEADLINE_S)
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._loop is not None
        assert self._end is not None
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(DEADLINE_S)


@pytest.fixture
def emulator() -> Iterator[Background]:
    with Background(None) as found:
        yield found


@pytest.fixture
def simulate(alone: Hubctl, emulator: Background, monkeypatch: pytest.MonkeyPatch) -> Hubctl:
    monkeypatch.setenv("HEH_SIMULATE", emulator.place)
    return lambda *words: alone("simulate", *words)


def test_a_list_is_a_table_and_a_device_is_rows(simulate: Hubctl) -> None:
    done = simulate("list")
    assert (done.code, done.err) == (0, "")
    assert done.lines[0].split()[:4] == ["NUMBER", "KIND", "IEEE", "SHORT"]
    assert [row.split()[1] for row in done.lines[1:]] == ["smart-meter", "esi", "load-control"]
    assert simulate("usage", "meter", "fixed", "5000").out == "usage fixed 5000\n"
    rows = dict(row.split(maxsplit=1) for row in simulate("show", "meter").lines if len(row.split()) == 2)
    assert rows["usage"] == "fixed"
    assert "delivered wh     5000" in simulate("show", "meter").out
    assert simulate("drlc", "esi", "60", "id=7", "load=-20").out.startswith("event 7 to ")
    told = simulate("show", "esi").out
    assert "\nevents\n  id 7, cancelled no, start " in told


def test_json_is_what_the_emulator_said(simulate: Hubctl) -> None:
    assert [row["kind"] for row in simulate("list", "--json").json] == ["smart-meter", "esi", "load-control"]
    assert simulate("--json", "show", "1").json["kind"] == "smart-meter"
    assert simulate("tier", "meter", "2", "--json").json == {"answer": "tier 2"}


def test_an_error_of_the_emulator_is_exit_code_1_and_help_a_line_for_each_command(simulate: Hubctl) -> None:
    done = simulate("export", "meter", "-5")
    assert (done.code, done.out) == (1, "")
    assert done.err == "hubctl: export -5: must be from 0 to 8e+06 W\n"
    assert simulate("explode").err == "hubctl: 'explode' is not a command; try help\n"
    told = simulate("help")
    assert "opt-out         N|KIND [EVENT]" in told.lines
    assert simulate("show", "x" * 5000).code == 2
    assert simulate("show", "a\nkill").code == 2
    assert simulate("reset").out == "ok\n"


def test_lines_of_a_program_are_carried_out_one_by_one(simulate: Hubctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("tier meter 2\n\nexplode\ntier meter 3\nexit\ntier meter 4\n"))
    done = simulate()
    assert (done.code, done.out) == (1, "tier 2\ntier 3\n")
    assert done.err == "'explode' is not a command; try help\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("tier meter 1"))
    assert simulate().code == 0


def test_a_person_gets_a_prompt_and_leaves_with_exit(emulator: Background) -> None:
    with Terminal(environment(HEH_SIMULATE=emulator.place), "simulate") as terminal:
        terminal.see("simulate> ")
        terminal.type("tier meter 2\nexplode\nlist\nexit\n")
        terminal.see("tier 2", "is not a command; try help", "smart-meter")
        assert terminal.leave() == 0


def test_the_place_is_the_option_before_the_environment_before_the_demos_file(
    alone: Hubctl, emulator: Background, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = alone("simulate", "list")
    assert done.code == 5
    assert "no demo has left its place" in done.err
    assert "--control PORT" in done.err
    (tmp_path / "simulate").write_text(f"{emulator.place}\n")
    assert alone("simulate", "list").code == 0
    monkeypatch.setenv("HEH_SIMULATE", "127.0.0.1:1")
    assert alone("simulate", "list").code == 5
    port = emulator.place.rpartition(":")[2]
    assert alone("simulate", "--at", port, "list").code == 0
    assert alone("simulate", "--at", f"tcp:{emulator.place}", "list").code == 0


def test_a_file_never_sends_it_to_another_machine(alone: Hubctl, tmp_path: Path) -> None:
    (tmp_path / "simulate").write_text("192.0.2.1:80\n")
    done = alone("simulate", "list")
    assert done.code == 2
    assert "is not this machine" in done.err
    for wrong in (b"\xff\xfe", b"", b"127.0.0.1", b"127.0.0.1:0", b"127.0.0.1:99999"):
        (tmp_path / "simulate").write_bytes(wrong)
        done = alone("simulate", "list")
        assert done.code == 2
        assert "allowed: HOST:PORT, or PORT" in done.err


@pytest.mark.parametrize("said", ["", "host", "host:", "host:http", "host:0", "host:65536", "host:٣", ":" * 9])
def test_what_is_no_place_is_told(said: str) -> None:
    with pytest.raises(HubctlError, match="allowed: HOST:PORT, or PORT") as caught:
        parse_place(said, "--at")
    assert caught.value.code is Exit.USAGE


def test_places_as_people_write_them() -> None:
    assert parse_place("4711", "") == ("127.0.0.1", 4711)
    assert parse_place(" tcp:127.0.0.1:4711\n", "") == ("127.0.0.1", 4711)
    assert parse_place("[::1]:4711", "") == ("::1", 4711)
    assert parse_place("pi:4711", "") == ("pi", 4711)


def test_nobody_there_and_somebody_else_there_are_exit_code_5(alone: Hubctl) -> None:
    done = alone("simulate", "--at", "127.0.0.1:1", "list")
    assert done.code == 5
    assert "no emulator at 127.0.0.1:1: Connection refused" in done.err
    with Background(lambda _: "SSH-2.0") as other:
        done = alone("simulate", "--at", other.place, "list")
        assert (done.code, done.err) == (5, f"hubctl: what listens at {other.place} is no emulator\n")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        closer = threading.Thread(target=lambda: silent.accept()[0].close(), daemon=True)
        closer.start()
        done = alone("simulate", "--at", place, "list")
        assert done.code == 5
        closer.join(DEADLINE_S)


def test_somebody_silent_is_not_waited_for_forever(alone: Hubctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.hubctl.simulate.PATIENCE_S", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        done = alone("simulate", "--at", f"127.0.0.1:{silent.getsockname()[1]}", "list")
        assert done.code == 5
        assert "it does not answer" in done.err


@pytest.mark.parametrize(
    "answer", ["{", "[" * 5000, "[1, null, true]", "[]", "{}", '[{"a": 1}, 2]', '{"a": {"b": []}}', "\x1b[31m", "[{}]"]
)
def test_whatever_is_answered_is_printed(answer: str, capsys: pytest.CaptureFixture[str]) -> None:
    tell(answer, as_json=False)
    assert "\x1b" not in capsys.readouterr().out
