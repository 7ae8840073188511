"""`hubctl radio list`, over real pseudo terminals, without a hub."""

from __future__ import annotations

import asyncio
import threading
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from hub.config import load
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.emulators.stick import EmulatedStick
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from tests.made_up_ports import path_of, plug_in
from tests.web.hubctl_runs import Hubctl
from tests.web.hubctl_runs import alone as alone

ZBT_1 = "usb-Nabu_Casa_SkyConnect_v1.0_3abe54797c91ed118fc3-if00-port0"
BRIDGE = "usb-Silicon_Labs_CP2102N_USB_to_UART_Bridge_Controller_a215650c-if00-port0"


@contextmanager
def plugged(*sticks: EmulatedStick) -> Iterator[Sequence[EmulatedStick]]:
    """Emulated sticks that run beside this thread."""
    loop, up = asyncio.new_event_loop(), threading.Event()
    leave = asyncio.Event()

    async def run() -> None:
        async with AsyncExitStack() as room:
            for stick in sticks:
                await room.enter_async_context(stick)
            up.set()
            await leave.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), name="sticks")
    thread.start()
    try:
        assert up.wait(10)
        yield sticks
    finally:
        loop.call_soon_threadsafe(leave.set)
        thread.join(10)
        assert not thread.is_alive()
        loop.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the made-up ports are; beside hubctl's own data directory."""
    made = tmp_path / "machine"
    made.mkdir()
    return made


def test_sticks_are_listed_with_lines_that_a_hub_takes(alone: Hubctl, root: Path, tmp_path: Path) -> None:
    with plugged(EzspEmulator(EzspConfig()), EzspEmulator(EzspConfig()), XbeeEmulator(XbeeConfig())) as sticks:
        first = plug_in(root, "ttyUSB0", path_of(sticks[0]), link=ZBT_1)
        second = plug_in(root, "ttyUSB1", path_of(sticks[1]), maker="Nabu Casa", name="SkyConnect v1.0")
        third = plug_in(root, "ttyUSB2", path_of(sticks[2]), link=BRIDGE)
        ran = alone("radio", "list", "--root", str(root))
        told = alone("radio", "list", "--root", str(root), "--json")
    assert ran.code == told.code == 0
    assert ran.lines[0].split() == ["PORT", "MAKE", "DRIVER", "FIRMWARE", "STATE"]
    assert ran.lines[1].split() == [
        *(str(first), "Home", "Assistant", "Connect", "ZBT-1", "ezsp", "7.4.4", "(EZSP", "13)", "found")
    ]
    pasted = "\n".join(ran.lines[4:])
    assert tomllib.loads(pasted)["radio"] == [
        {"name": "ezsp", "driver": "ezsp", "pipe": f"serial:{first}?rtscts=1"},
        {"name": "ezsp2", "driver": "ezsp", "pipe": f"serial:{second}?rtscts=1"},
        {"name": "xbee", "driver": "xbee", "pipe": f"serial:{third}"},
    ]
    file = tmp_path / "hub.toml"
    file.write_text(pasted, encoding="utf-8")
    assert [one.name for one in load(file).radios] == ["ezsp", "ezsp2", "xbee"]
    sticks_told = told.json["sticks"]
    assert [(one["state"], one["driver"], one["usb"]) for one in sticks_told] == [
        ("found", "ezsp", "10c4:ea60"),
        ("found", "ezsp", "10c4:ea60"),
        ("found", "xbee", "10c4:ea60"),
    ]
    assert tomllib.loads("".join(one["toml"] for one in sticks_told)) == tomllib.loads(pasted)


def test_a_pipe_that_is_named_is_asked_too(alone: Hubctl, root: Path) -> None:
    with plugged(XbeeEmulator(XbeeConfig(tcp_port=0))) as (stick,):
        place = stick.pipe_url
        ran = alone("radio", "list", "--root", str(root), place.replace("tcp:", "tcp://"))
    assert ran.code == 0
    assert f'pipe = "{place}"' in ran.lines


def test_without_probing_lines_say_that_nobody_was_asked(alone: Hubctl, root: Path) -> None:
    path = plug_in(root, "ttyUSB0", "/dev/null", link=ZBT_1)
    ran = alone("radio", "list", "--root", str(root), "--no-probe")
    assert ran.code == 0
    assert f'pipe = "serial:{path}?rtscts=1"' in ran.lines
    assert any(line.startswith("# by its USB device alone") for line in ran.lines)


def test_no_stick_says_what_was_looked_at_and_what_to_try(alone: Hubctl, root: Path) -> None:
    none = alone("radio", "list", "--root", str(root))
    assert none.code == 3
    assert not none.out
    assert f"{root}/sys/class/tty" in none.err
    assert "serial:/dev/ttyAMA0" in none.err

    plug_in(root, "ttyACM0", "/dev/null", "1cf1:0030", maker="dresden elektronik", name="ConBee II")
    other = alone("radio", "list", "--root", str(root))
    assert other.code == 3
    assert "deCONZ" in other.out
    assert "no stick answers" in other.err
    assert alone("radio", "list", "--root", str(root), "--json").json["sticks"][0]["toml"] == ""


def test_a_port_in_use_is_left_alone_and_told(alone: Hubctl, root: Path) -> None:
    with plugged(XbeeEmulator(XbeeConfig())) as (stick,):
        plug_in(root, "ttyUSB0", path_of(stick), link=BRIDGE)
        files = root / "proc/4242/fd"
        files.mkdir(parents=True)
        (files / "7").symlink_to(path_of(stick))
        ran = alone("radio", "list", "--root", str(root))
        assert not stick.commands
    assert ran.code == 3
    assert "in use" in ran.out
    assert "process (4242) has it" in ran.out
    assert "in use" in ran.err


def test_a_port_that_may_not_be_opened_names_the_group(
    alone: Hubctl,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from radios.errors import PortForbiddenError

    path = plug_in(root, "ttyUSB0", "/dev/null", link=BRIDGE)

    def refuse(url: object) -> int:
        raise PortForbiddenError(f"{path} may not be opened")

    monkeypatch.setattr("radios.stream._open_terminal", refuse)
    ran = alone("radio", "list", "--root", str(root))
    assert ran.code == 1
    assert "dialout" in ran.err


def test_a_pipe_that_is_none_is_wrong_usage(alone: Hubctl) -> None:
    ran = alone("radio", "list", "ttyUSB0")
    assert ran.code == 2
    assert "allowed are serial:/dev/" in ran.err
