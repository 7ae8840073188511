"""Lines that emulated sticks obey: Smart Energy devices, faults on demand, and the same over TCP."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hub.clock import SystemClock
from radios.emulators import console
from radios.emulators.clock import parse_time
from radios.emulators.console import ControlServer
from radios.emulators.errors import EmulatorError
from radios.emulators.se_devices import EnergyServiceInterface
from radios.emulators.stick import StatusFaults
from radios.emulators.stick_command import Console
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from radios.emulators.xbee_command import ALIASES
from tests.hub.waiting import eventually

ROOT = Path(__file__).parents[2]
DEADLINE_S = 20.0
DEVICES = ("smart-meter", "display", "load-control", "se-thermostat", "esi", "sensor", "plug")


@asynccontextmanager
async def home(speed: float = 600.0) -> AsyncIterator[tuple[XbeeEmulator, Console]]:
    config = XbeeConfig(devices=DEVICES, joined=tuple(range(len(DEVICES))), speed=speed)
    async with XbeeEmulator(config) as module:
        yield module, Console(module, lambda: None, ALIASES)


def told(line: str) -> Any:
    assert line.startswith("ok "), line
    return json.loads(line.removeprefix("ok "))


# -- what devices are told ---------------------------------------------------------------------------------------------


async def test_a_home_is_run_by_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radios.emulators.se_endpoint.SEARCH_AGAIN_S", 0.1)
    async with home() as (_, lines):
        answer = lines.answer
        show = lambda name: told(answer(f"show {name}"))  # noqa: E731
        await eventually(lambda: len(show("esi")["clients"]["0x0701"]) == 2)
        await eventually(lambda: len(show("esi")["clients"]["0x0700"]) == 1)
        await eventually(lambda: show("load-control")["time"] is not None and show("display")["time"] is not None)
        assert show("display")["authenticated"] is True
        assert answer("confirm display by-hand") == "ok confirms by-hand"

        assert answer("price esi 0.2375 tier=2 label=PEAK ack=yes id=5") == "ok price 5 to 1 client"
        await eventually(lambda: bool(show("esi")["prices"][0]["acknowledged"]))
        # At this speed the display's clock is behind by what the answer with the time took: the price is still to come.
        await eventually(lambda: show("display")["price"] is not None)
        price = show("display")["price"]
        assert (price["amount"], price["tier"], price["label"]) == (0.2375, 2, "PEAK")

        assert answer("message esi importance=high confirm=yes id=6 Peak hours from 5 pm") == "ok message 6 to 1 client"
        await eventually(lambda: show("display")["message"] == "Peak hours from 5 pm")
        assert answer("confirm display") == "ok message 6"
        await eventually(lambda: bool(show("esi")["messages"][0]["confirmed"]))
        assert answer("cancel esi message") == "ok message 6 to 1 client"
        await eventually(lambda: show("display")["message"] is None)

        assert answer("drlc esi 1440 id=7 cooling-offset=1.5 criticality=3") == "ok event 7 to 2 clients"
        await eventually(lambda: show("load-control")["relay"] == "open")
        await eventually(lambda: show("thermostat")["cooling_c"] == 26.0)
        assert answer("opt-out load-control") == "ok event 7"
        assert show("load-control")["relay"] == "closed"
        assert answer("opt-in load-control 7") == "ok event 7"
        assert answer("cancel esi drlc 7") == "ok event 7 to 2 clients"
        statuses = ["0x01 received", "0x02 started", "0x04 opted out", "0x05 opted in", "0x06 cancelled"]
        await eventually(lambda: show("load-control")["events"][0]["statuses"] == statuses)
        await eventually(lambda: sorted(map(len, show("esi")["events"][0]["statuses"].values())) == [3, 5])
        assert answer("cancel esi drlc all randomised") == "ok all events to 2 clients"

        assert answer("usage meter fixed 5000") == "ok usage fixed 5000"
        assert show("meter")["delivered_wh"] == 5000
        assert answer("tier meter 3") == "ok tier 3"
        assert answer("usage meter rising 1000") == "ok usage rising 1000"
        assert answer("export 1 400") == "ok export 400"
        assert (show("meter")["watts"], show("meter")["tier"]) == (600, 3)
        assert answer("usage meter home") == "ok usage home"


async def test_bad_input_is_one_line_that_says_what_is_allowed() -> None:
    async with home() as (module, lines):
        for line, said in (
            ("show lamp", "'lamp' is no device here; there are 1 to 7, or a kind; try list"),
            ("usage plug home", "plug is no smart meter"),
            ("usage meter", "use: usage N|KIND home|fixed|rising [WH|WATTS]"),
            ("usage meter fixed", "must be home, fixed WH, or rising WATTS"),
            ("usage meter home 5", "must be home, fixed WH, or rising WATTS"),
            ("usage meter fixed much", "usage 'much': not a number"),
            ("usage meter rising nan", "must be from 0 to 8e+06 W"),
            ("export meter -1", "must be from 0 to"),
            ("tier meter 5", "must be a whole number from 0 to 4"),
            ("confirm meter", "smart-meter is no display"),
            ("confirm display", "no message is shown that has to be confirmed"),
            ("confirm display now", "must be one of auto, by-hand"),
            ("opt-out display", "display is no device that follows load control events"),
            ("opt-out load-control", "there is no event"),
            ("opt-in load-control x", "must be a whole number from 0 to"),
            ("price display 1", "display is no energy service interface"),
            ("price esi cheap", "must be a price such as 0.2375"),
            ("price esi 999999999.999999", "must be a price such as 0.2375"),
            ("price esi 1 colour=red", "'colour=red' is no option; options are minutes=, start=, tier="),
            ("price esi 1 label=thirteen-byte", "must have at most 12 bytes"),
            ("price esi 1 ack=perhaps", "must be one of no, yes"),
            ("message esi", "use: message N|KIND [NAME=VALUE...] TEXT..."),
            ("message esi minutes=5", "1 to 54 bytes"),
            ("message esi " + "x" * 55, "1 to 54 bytes"),
            ("message esi minutes=0 hello", "must be a whole number from 1 to 65534"),
            ("drlc esi 1441", "minutes '1441': must be a whole number from 1 to 1440"),
            ("drlc esi 5 duty=101", "must be a whole number from 0 to 100"),
            ("drlc esi 5 cooling=-300", "must be from -273.15 to 327.67"),
            ("drlc esi 5 random=often", "must be one of none, start, end, both"),
            ("cancel esi price", "must be drlc or message"),
            ("cancel esi drlc x", "must be a whole number from 0 to"),
            ("cancel esi drlc 5 twice", "only randomised may come"),
            ("cancel esi message", "there is no message"),
            ("cancel esi message all", "one message at a time"),
            ("sleep plug", "plug is always awake; take its power away with: power plug off"),
            ("failed-status 2", "failed-status 2.0: must be from 0 to 1"),
            ("lost-status x", "lost-status 'x': not a number"),
        ):
            answer = lines.answer(line)
            assert answer.startswith("error: "), line
            assert said in answer, line
            assert "\n" not in answer
        module.air.drop(module.device("sensor").ieee)
        assert lines.answer("wake sensor") == "error: sensor is not on the network"


@pytest.mark.parametrize("start", [None, 900_000_000.0])
async def test_an_interface_has_the_time_of_the_machine_or_another_one(start: float | None) -> None:
    before = SystemClock().now().timestamp() - 946_684_800
    async with XbeeEmulator(XbeeConfig(devices=("esi",), start_utc_s=start)) as module:
        esi = module.device("esi")
        assert isinstance(esi, EnergyServiceInterface)
        assert 0 <= esi.utc() - (before if start is None else start) < DEADLINE_S


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2000-01-01", 0),
        ("2026-10-31T18:00Z", 846_784_800),
        ("2026-10-31T18:00", 846_784_800),
        ("2026-10-31T14:00-04:00", 846_784_800),
    ],
)
def test_times_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


async def test_what_is_no_link_is_not_replaced_by_one(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(EmulatorError, match="notes cannot be made: File exists"):
        async with XbeeEmulator(XbeeConfig(link=tmp_path / "notes")):
            pass
    assert (tmp_path / "notes").read_text() == "mine"
    (tmp_path / "stick").symlink_to("/nowhere")
    async with XbeeEmulator(XbeeConfig(link=tmp_path / "stick")):
        assert (tmp_path / "stick").exists()


async def test_faults_are_on_demand_and_listed() -> None:
    async with home() as (module, lines):
        assert lines.answer("lost-status 0.5") == "ok lost-status 0.5"
        assert lines.answer("failed-status 0.25") == "ok failed-status 0.25"
        assert lines.answer("air-loss 0.1") == "ok air-loss 0.1"
        faults = told(lines.answer("faults"))
        assert (faults["lost_status"], faults["failed_status"], faults["air_loss"], faults["loss"]) == (
            0.5,
            0.25,
            0.1,
            0,
        )
        with pytest.raises(EmulatorError):
            StatusFaults(lost_status=1.5)
        place = module.air.places[module.device("sensor").ieee]
        assert lines.answer("sleep sensor") == "ok asleep"
        assert (place.poll_s, place.awake_until) == (0.0, 0.0)
        assert lines.answer("wake sensor") == "ok awake"
        assert place.poll_s == 5.0
        before = Path(module.pipe_url.removeprefix("pty:")).readlink()
        assert lines.answer("power-loss") == "ok"
        assert Path(module.pipe_url.removeprefix("pty:")).exists()
        assert before


# -- over TCP ----------------------------------------------------------------------------------------------------------


Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(server: ControlServer) -> AsyncIterator[Client]:
    host, _, port = server.place.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def ask(client: Client, line: bytes) -> bytes:
    client[1].write(line + b"\n")
    async with asyncio.timeout(DEADLINE_S):
        return await client[0].readline()


async def test_several_programs_are_answered_line_by_line() -> None:
    async with ControlServer(lambda line: f"ok {line}") as server:
        assert server.place.startswith("127.0.0.1:")
        async with connected(server) as one, connected(server) as two:
            assert await ask(one, b"first") == b"ok first\n"
            assert await ask(two, b"second\r") == b"ok second\n"
            one[1].write(b"\n \nin ")
            assert await ask(one, b"pieces\nand more") == b"ok in pieces\n"
            assert await one[0].readline() == b"ok and more\n"
            assert await ask(one, b"\xff\xfe") == "ok ��\n".encode()


async def test_long_lines_web_pages_and_too_many_clients_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "MAX_CLIENTS", 2)
    obeyed: list[str] = []

    def answer(line: str) -> str:
        obeyed.append(line)
        return "ok"

    async with ControlServer(answer) as server:
        for sent, said in (
            (b"x" * 5000, b"error: a line has at most 4096 bytes\n"),
            (b"x" * 5000 + b"\nkill\n", b"error: a line has at most 4096 bytes\n"),
            (b"POST / HTTP/1.1\r\n\r\nkill\n", b"error: this is no web server\n"),
        ):
            async with connected(server) as client:
                client[1].write(sent)
                async with asyncio.timeout(DEADLINE_S):
                    assert await client[0].read() == said
        await eventually(lambda: not server.clients)
        async with connected(server) as one, connected(server) as two:
            assert await ask(one, b"a") == await ask(two, b"b") == b"ok\n"
            async with connected(server) as three, asyncio.timeout(DEADLINE_S):
                assert await three[0].read() == b"error: 2 are connected already\n"
    assert obeyed == ["a", "b"]


async def test_who_does_not_read_is_not_heard_either_and_holds_up_nobody() -> None:
    obeyed = 0

    def answer(line: str) -> str:
        nonlocal obeyed
        obeyed += 1
        return "x" * 20_000

    async with ControlServer(answer) as server, connected(server) as (_, writer):
        writer.write(b"line\n" * 20_000)
        await eventually(lambda: any(transport.get_write_buffer_size() for transport in server.clients))
        before = -1
        while before != obeyed:
            before = obeyed
            async with connected(server) as other:
                assert len(await ask(other, b"hello")) == 20_001
            before += 1
        assert obeyed < 20_000


async def test_a_port_that_is_taken_is_told() -> None:
    async with ControlServer(str) as server:
        with pytest.raises(EmulatorError, match=f"control port {server.port} cannot be used"):
            async with ControlServer(str, server.port):
                pass
    with pytest.raises(EmulatorError, match="must be from 0 to 65535"):
        async with ControlServer(str, 70_000):
            pass


async def test_the_xbee_emulator_has_smart_energy_devices_and_obeys_over_tcp() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "radios.emulators", "xbee", "--control", "0",
        cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        lines = []
        async with asyncio.timeout(DEADLINE_S):
            while not lines or not lines[-1].startswith("# ready"):
                lines.append((await process.stdout.readline()).decode().strip())
        [place] = [line.removeprefix("# control tcp:") for line in lines if line.startswith("# control")]
        host, _, port = place.partition(":")
        assert host == "127.0.0.1"
        reader, writer = await asyncio.open_connection(host, int(port))
        rows = told((await ask((reader, writer), b"list")).decode())
        assert [row["kind"] for row in rows] == ["smart-meter", "display", "se-thermostat", "load-control"]
        assert await ask((reader, writer), b"quit") == b"ok bye\n"
        writer.close()
        async with asyncio.timeout(DEADLINE_S):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
