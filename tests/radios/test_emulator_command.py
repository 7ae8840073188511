"""`python -m radios.emulators`: the command as a user or a script runs it."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import signal
import socket
import struct
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEADLINE_S = 20.0
COMMAND = (sys.executable, "-m", "radios.emulators")


@contextlib.asynccontextmanager
async def running(
    *arguments: str, stdin: int | None = asyncio.subprocess.PIPE
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "emcb", "--port", "0", *arguments, cwd=ROOT, stdin=stdin, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        return (await process.stdout.readline()).decode().rstrip("\n")


async def start_lines(process: asyncio.subprocess.Process) -> list[str]:
    lines = [await line(process)]
    while not lines[-1].startswith("# ready"):
        lines.append(await line(process))
    return lines


async def tell(process: asyncio.subprocess.Process, text: str) -> str:
    assert process.stdin is not None
    process.stdin.write(text.encode() + b"\n")
    return await line(process)


async def leaves(process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(DEADLINE_S):
        return await process.wait()


async def discover(url: str, key: bytes, answers: int) -> set[str]:
    """The device ids that answer one broadcast."""
    _, host, port = url.split(":")
    body = b"ETNM" + struct.pack("<IHI", 0, 0, 77)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        udp.setblocking(False)
        udp.sendto(body + hmac.digest(key, body, "sha256"), (host, int(port)))
        found = set()
        async with asyncio.timeout(DEADLINE_S):
            for _ in range(answers):
                found.add((await asyncio.get_running_loop().sock_recv(udp, 2048))[14:30].decode())
        return found


async def test_it_prints_the_url_then_toml_and_obeys_standard_input() -> None:
    async with running("--count", "3", "--bind", "127.0.0.12", "--wrong-key", "2", "--time-of-day", "20:00") as process:
        url, *lines = await start_lines(process)
        (radio,) = tomllib.loads("\n".join(lines))["radio"]
        assert url == radio["pipe"]
        assert radio["driver"] == "emcb"
        assert len(radio["unicast_keys"]) == 3
        assert await discover(url, bytes.fromhex(radio["broadcast_key"]), 3) == set(radio["unicast_keys"])

        first = next(iter(radio["unicast_keys"]))
        assert await tell(process, "loss 0.25") == "ok loss 0.25"
        assert await tell(process, "loss 7") == "error: loss 7.0: must be from 0 to 1"
        assert await tell(process, "loss much") == "error: loss 'much': not a number"
        assert json.loads((await tell(process, "faults")).removeprefix("ok "))["loss"] == 0.25
        assert await tell(process, "loss 0") == "ok loss 0"
        for command in ("reboot 1", "mute 1", "unmute 1", "wrong-key 1", "right-key 1", "mismatch 1", "no-mismatch 1"):
            assert await tell(process, command) == f"ok {first}"
        for command in (
            "trip 1",
            "hand 1 closed",
            "power 1 off",
            "power 1 on",
            "line 1 off",
            "line 1 on",
            "hand 1 open",
        ):
            assert await tell(process, command) == f"ok {first}"
        assert await tell(process, "hand 1 ajar") == "error: 'ajar': must be open or closed"
        assert await tell(process, "hand 1") == "error: use: hand N open|closed"
        assert await tell(process, "trip 9") == "error: there is no breaker 9; there are: 1, 2, 3"
        assert await tell(process, "trip all") == "error: 'all': must be the number of a breaker; try list"
        assert await tell(process, "explode") == "error: 'explode' is not a command; try help"
        assert (await tell(process, "help")).startswith("ok help; list; ")
        assert await tell(process, "move 1 127.0.0.99") == f"ok {first} 127.0.0.99"
        assert (await tell(process, "add solar")).startswith("ok 4 127.0.0.15 ")
        assert (await tell(process, "remove 3")).startswith("ok ")
        rows = json.loads((await tell(process, "list")).removeprefix("ok "))
        assert [(row["number"], row["address"], row["state"]) for row in rows] == [
            (1, "127.0.0.99", "open"),
            (2, "127.0.0.13", "closed"),
            (4, "127.0.0.15", "closed"),
        ]
        assert await tell(process, "quit") == "ok bye"
        assert await leaves(process) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_goes_on_without_standard_input_until_a_signal(number: signal.Signals) -> None:
    async with running("--count", "2", stdin=asyncio.subprocess.DEVNULL) as process:
        url, *lines = await start_lines(process)
        (radio,) = tomllib.loads("\n".join(lines))["radio"]
        assert len(await discover(url, bytes.fromhex(radio["broadcast_key"]), 2)) == 2
        assert process.returncode is None
        process.send_signal(number)
        assert await leaves(process) == 0


async def test_a_reader_that_leaves_and_a_closed_standard_input_do_not_end_it() -> None:
    async with running("--count", "1") as process:
        url, *lines = await start_lines(process)
        (radio,) = tomllib.loads("\n".join(lines))["radio"]
        assert process.stdin is not None
        process.stdin.write(b"list\n" * 3 + b"loss 0\n" + b"x" * 20_000)
        await process.stdin.drain()
        process.stdin.close()
        process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        assert len(await discover(url, bytes.fromhex(radio["broadcast_key"]), 1)) == 1
        process.terminate()
        assert await leaves(process) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no name given; known emulators are: emcb"),
        (("toaster",), "'toaster' given; known emulators are: emcb"),
        (("emcb", "--count", "many"), "argument --count: invalid int value: 'many'"),
        (("emcb", "--bind", "192.168.1.1"), "bind 192.168.1.1: must be a loopback address"),
        (("emcb", "--loss", "2"), "loss 2.0: must be from 0 to 1"),
        (("emcb", "--port", "0", "--wrong-key", "5"), "there is no breaker 5; there are: 1, 2, 3, 4"),
        (("emcb", "--time-of-day", "25:00"), "'25:00' is not a time of day such as 17:30"),
        (("emcb", "--load", "toaster"), "load 'toaster': must be one of refrigerator"),
        (("xbee", "--tcp", "99999"), "port 99999 cannot be used: must be from 0 (any) to 65535"),
        (("zigate", "--tcp", "-1"), "port -1 cannot be used: must be from 0 (any) to 65535"),
        (("xbee", "--link", "/nonexistent/x"), "link /nonexistent/x cannot be made: No such file or directory"),
        (("zigate", "--link", "/"), "link / cannot be made: File exists"),
        (("xbee", "--speed", "nan"), "speed nan: must be above 0 and at most 100000"),
        (("xbee", "--speed", "inf"), "speed inf: must be above 0 and at most 100000"),
        (("xbee", "--role", "router", "--speed", "-1"), "speed -1: must be above 0 and at most 100000"),
        (("zigate", "--speed", "0"), "speed 0: must be above 0 and at most 100000"),
        (("xbee", "--utc", "yesterday"), "'yesterday' is not a time such as 2026-10-31T18:00Z"),
        (("xbee", "--utc", "1999-12-31"), "'1999-12-31': must be from 2000-01-01 to 2136-02-07"),
        (("zigate", "--air-loss", "1.5"), "air-loss 1.5: must be from 0 to 1"),
        (("xbee", "--air-loss", "nan"), "air-loss nan: must be from 0 to 1"),
        (("zigate", "--join-after", "nan"), "--join-after: nan: must be from 0 to 86400 seconds"),
        (("xbee", "--devices", "meter,lamppost"), "--devices: 'lamppost' is not known; there are "),
        (("xbee", "--devices", "lamppost"), ", meter, thermostat, ha-meter, ha-thermostat"),
        (("ezsp", "--closed"), "--unregistered and --closed are for --trust-centre"),
        (("ezsp", "--trust-centre", "esi", "--formed"), "with a trust centre in the room the stick has no network"),
        (("ezsp", "--firmware", "5"), "argument --firmware: invalid choice: '5'"),
        (("ezsp", "--certificates", "/nonexistent"), "/nonexistent: no such folder"),
        (("znp", "--firmware", "2.0"), "argument --firmware: invalid choice: '2.0'"),
        (("znp", "--tcp", "99999"), "port 99999 cannot be used: must be from 0 (any) to 65535"),
        (("zigate", "--devices", "ha-meter"), "--devices: 'ha-meter' is not known; there are "),
    ],
)
async def test_bad_arguments_are_one_line_and_exit_code_2(arguments: tuple[str, ...], message: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(DEADLINE_S):
        out, error = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert message in error.decode()
    assert error.count(b"\n") == 1


async def test_help_names_the_emulators_and_their_options() -> None:
    for arguments, word in ((("--help",), b"emcb"), (("emcb", "--help"), b"--lockout")):
        process = await asyncio.create_subprocess_exec(*COMMAND, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        assert process.returncode == 0
        assert word in out
