"""Finding sticks: which ports there are, whom each is asked for, what comes back, and what is left alone."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
import tty
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from radios.api import OptionError, RadioConfig
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.emulators.ezsp_versions import FIRMWARES as EZSP_FIRMWARES
from radios.emulators.stick import EmulatedStick
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from radios.emulators.zigate import ZigateConfig, ZigateEmulator
from radios.emulators.znp import ZnpConfig, ZnpEmulator
from radios.loader import load_driver
from radios.ports import usb_ports
from radios.probes import PROBES, Line
from radios.sticks import PortReport, PortState, look_for_sticks, parse_place
from radios.stream import StreamPipe, StreamUrl, parse_stream_url
from radios.usb_ids import KNOWN, known_usb
from tests.made_up_ports import path_of, plug_in

SOON, HALF = 0.1, 0.5
"""Patience with ports that do not answer, and with sticks that answer at once."""
SONOFF_E = "usb-ITEAD_SONOFF_Zigbee_3.0_USB_Dongle_Plus_V2_20240122184111-if00"
SONOFF_P = "usb-ITead_Sonoff_Zigbee_3.0_USB_Dongle_Plus_b8b49abd27a6ed11-if00-port0"
ZBT_1 = "usb-Nabu_Casa_SkyConnect_v1.0_3abe54797c91ed118fc3-if00-port0"


async def one(place: str, patience: float = 1.0) -> PortReport:
    """What is at a place."""
    [found] = await look_for_sticks([place], patience=patience, root=Path("/nonexistent"))
    return found


@contextmanager
def far_side(answer: Callable[[bytes], bytes] | None = None) -> Iterator[tuple[str, bytearray]]:
    """A port that says what `answer` makes of what it hears; its path, and all that it has heard."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    heard = bytearray()
    loop = asyncio.get_running_loop()

    def readable() -> None:
        data = os.read(master, 4096)
        heard.extend(data)
        if answer is not None:
            os.write(master, answer(data))

    loop.add_reader(master, readable)
    try:
        yield os.ttyname(slave), heard
    finally:
        loop.remove_reader(master)
        os.close(slave)
        os.close(master)


# -- who answers -----------------------------------------------------------------------------------------------------


async def test_each_kind_of_stick_is_known_by_what_it_says_over_pty_and_tcp() -> None:
    sticks: list[EmulatedStick] = [
        XbeeEmulator(XbeeConfig()),
        ZigateEmulator(ZigateConfig()),
        ZnpEmulator(ZnpConfig()),
        EzspEmulator(EzspConfig(tcp_port=0)),
    ]
    told: list[str] = []
    async with AsyncExitStack() as room:
        for stick in sticks:
            await room.enter_async_context(stick)
        urls = [stick.pipe_url for stick in sticks]
        found = await look_for_sticks(urls, told=told.append, root=Path("/nonexistent"), patience=HALF)
    assert [(one.driver, one.make, one.firmware, one.state) for one in found] == [
        ("xbee", "XBee", "3119", PortState.FOUND),
        ("zigate", "ZiGate V1", "3.23", PortState.FOUND),
        ("znp", "Z-Stack stick", "Z-Stack 3.x, 2.7.1, build 20230507", PortState.FOUND),
        ("ezsp", "EZSP stick", "7.4.4 (EZSP 13)", PortState.FOUND),
    ]
    assert [one.url.text for one in found] == urls
    # The one that has to restart its stick is asked last, and of the others nobody is asked who need not be.
    asked = [line.partition(": ")[2] for line in told if line.startswith(found[3].url.peer)]
    assert asked == ["XBee?", "ZiGate?", "Z-Stack stick?", "EZSP stick?"]
    assert [line for line in told if line.startswith(found[0].url.peer)] == [f"{found[0].url.peer}: XBee?"]


async def test_every_firmware_is_known_and_its_device_decides_who_is_asked_first(tmp_path: Path) -> None:
    expected, told = [], list[str]()
    async with AsyncExitStack() as room:
        for number, (firmware, dialect) in enumerate(EZSP_FIRMWARES.items()):
            ezsp = await room.enter_async_context(EzspEmulator(EzspConfig(firmware=firmware)))
            plug_in(tmp_path, f"ttyUSB{number}", path_of(ezsp), name="SkyConnect v1.0", maker="Nabu Casa")
            release = ".".join(map(str, dialect.release))
            expected.append(("ezsp", f"{release} (EZSP {dialect.version})"))
        for number, (firmware, says) in enumerate(
            (
                ("1.2", "Z-Stack 1.2, 2.6.3, build 20190608"),
                ("3.0", "Z-Stack 3.0, 2.7.2, build 20190425"),
                ("3.x", "Z-Stack 3.x, 2.7.1, build 20230507"),
            ),
            start=len(EZSP_FIRMWARES),
        ):
            znp = await room.enter_async_context(ZnpEmulator(ZnpConfig(firmware=firmware)))
            plug_in(tmp_path, f"ttyUSB{number}", path_of(znp), "0451:16a8", name="TI CC2531 USB CDC")
            expected.append(("znp", says))
        found = await look_for_sticks(root=tmp_path, told=told.append)
    assert [(one.driver, one.firmware) for one in found] == expected
    assert len(told) == len(found)
    assert {(one.make, one.url.text.partition("?")[2]) for one in found} == {
        ("Home Assistant Connect ZBT-1", "rtscts=1"),
        ("TI CC2531", ""),
    }


@pytest.mark.parametrize(
    ("firmware", "state", "says"),
    [
        ("5132", PortState.FOUND, ""),
        ("3319", PortState.FOUND, "esi_router"),
        ("21A7", PortState.NOT_TAKEN, "load Smart Energy firmware"),
    ],
)
@pytest.mark.parametrize("api_mode", [1, 2])
async def test_an_xbee_says_its_role_in_both_modes(firmware: str, state: PortState, says: str, api_mode: int) -> None:
    async with XbeeEmulator(XbeeConfig(firmware=firmware, api_mode=api_mode)) as stick:
        before, writes = dict(stick.registers.now), stick.registers.writes
        found = await one(stick.pipe_url)
        assert (stick.registers.now, stick.registers.writes) == (before, writes)
    assert (found.state, found.firmware, found.driver) == (state, firmware, "xbee")
    assert says in found.detail + found.hint


async def test_asking_changes_nothing_on_the_stick() -> None:
    async with ZnpEmulator(ZnpConfig(is_formed=True)) as znp, EzspEmulator(EzspConfig(is_formed=True)) as ezsp:
        items, writes = {key: bytes(item) for key, item in znp.nvram.items.items()}, znp.nvram.writes
        network = repr(ezsp.flash.network)
        assert "Network" in network
        found = await look_for_sticks([znp.pipe_url, ezsp.pipe_url], root=Path("/nonexistent"), patience=HALF)
        assert [one.driver for one in found] == ["znp", "ezsp"]
        assert {key: bytes(item) for key, item in znp.nvram.items.items()} == items
        assert znp.nvram.writes == writes
        assert repr(ezsp.flash.network) == network


async def test_a_stick_that_is_too_old_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    async with EzspEmulator(EzspConfig(firmware="6.7.8")) as stick:
        monkeypatch.setattr("radios.ezsp.versions.OLDEST", 9)
        found = await one(stick.pipe_url, HALF)
    assert (found.state, found.firmware) == (PortState.NOT_TAKEN, "6.7.8 (EZSP 8)")
    assert "older than 9" in found.detail


# -- who does not ----------------------------------------------------------------------------------------------------


async def test_a_mute_port_is_given_up_in_time_and_an_echo_or_noise_is_no_stick() -> None:
    loop, noise = asyncio.get_running_loop(), bytes(range(256)) * 8
    with far_side() as (mute, heard), far_side(lambda data: data) as (echo, _), far_side(lambda _: noise) as (loud, _):
        begun = loop.time()
        places = [f"serial:{mute}", f"serial:{echo}", f"serial:{loud}"]
        found = await look_for_sticks(places, patience=SOON, root=Path("/nonexistent"))
        took = loop.time() - begun
    assert [one.state for one in found] == [PortState.SILENT, PortState.STRANGE, PortState.STRANGE]
    assert not any(one.driver for one in found)
    for probe in PROBES.values():
        assert bytes(heard).count(probe.steps[0].ask) >= probe.steps[0].times
    waits = sum(probe.steps[0].wait_s * len(probe.lines) for probe in PROBES.values())
    assert waits <= 4.0  # of a port that nothing is known of, with all patience
    assert took < 1.0


async def test_a_port_that_is_pulled_out_meanwhile_is_told_as_such() -> None:
    async with ZnpEmulator(ZnpConfig()) as stick:
        found = await look_for_sticks(
            [stick.pipe_url], root=Path("/nonexistent"), told=lambda said: stick.kill() if "ZiGate" in said else None
        )
    assert found[0].state is PortState.NOT_OPENED
    assert "unplugged" in found[0].detail


async def test_a_port_that_another_program_has_open_hears_nothing() -> None:
    lost: list[str] = []
    with far_side() as (path, heard):
        async with StreamPipe(parse_stream_url(f"serial:{path}"), lambda _: None, lost.append):
            found = await one(f"serial:{path}", patience=SOON)
            assert found.state is PortState.IN_USE
            assert not heard
            assert not lost


@pytest.mark.parametrize(
    ("driver", "new"),
    [("ezsp", lambda: EzspEmulator(EzspConfig(is_formed=True))), ("xbee", lambda: XbeeEmulator(XbeeConfig()))],
)
async def test_the_stick_of_a_running_hub_is_not_disturbed(driver: str, new: Callable[[], EmulatedStick]) -> None:
    async with new() as stick:
        radio = load_driver(driver).open(RadioConfig(name="han", driver=driver, pipe=stick.pipe_url), None)
        async with radio:
            found = await one(stick.pipe_url, patience=SOON)
            assert found.state is PortState.IN_USE
            assert not radio.counters.get("restarts")
            await radio.permit_join(0)  # type: ignore[union-attr]


async def test_a_port_that_a_process_has_open_without_a_lock_hears_nothing(tmp_path: Path) -> None:
    with far_side() as (path, heard):
        plug_in(tmp_path, "ttyUSB0", path)
        files = tmp_path / "proc/4242/fd"
        files.mkdir(parents=True)
        (files / "7").symlink_to(path)
        (tmp_path / "proc/4242/comm").write_text("zigbee2mqtt\n", encoding="ascii")
        [found] = await look_for_sticks(root=tmp_path, patience=SOON)
        assert (found.state, found.detail) == (PortState.IN_USE, "zigbee2mqtt (4242) has it")
        assert not heard


async def test_a_port_that_this_user_may_not_open_names_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    with far_side() as (path, _):
        opened = os.open

        def refuse(name: str, *more: int) -> int:
            if name == path:
                raise PermissionError(13, "Permission denied", name)
            return opened(name, *more)

        monkeypatch.setattr(os, "open", refuse)
        found = await one(f"serial:{path}", patience=SOON)
    assert found.state is PortState.FORBIDDEN
    assert "dialout" in found.detail


# -- which ports there are -------------------------------------------------------------------------------------------


def test_usb_ports_are_found_by_their_numbers_and_opened_by_links_that_stay(tmp_path: Path) -> None:
    plug_in(tmp_path, "ttyUSB10", "/dev/null", name="")
    path = plug_in(tmp_path, "ttyUSB9", "/dev/null", maker="ITead", link=SONOFF_P)
    plug_in(tmp_path, "ttyACM0", "/dev/null", "1a86:55d4", maker="ITEAD", name="SONOFF Zigbee 3.0 USB Dongle Plus V2")
    plug_in(tmp_path, "ttyUSB11", "/dev/null", "zz:ea60")
    board = tmp_path / "sys/devices/platform/serial8250/tty/ttyS0"
    board.mkdir(parents=True)
    (board / "device").symlink_to(Path("../.."))
    (tmp_path / "sys/class/tty/ttyS0").symlink_to(board)
    (tmp_path / "sys/class/tty/console").symlink_to(tmp_path / "nowhere")
    found = usb_ports(tmp_path)
    assert [port.path for port in found] == [
        str(tmp_path / "dev/ttyACM0"),
        str(path),
        str(tmp_path / "dev/ttyUSB10"),
    ]
    assert [(port.ids, port.maker, port.name) for port in found] == [
        ("1a86:55d4", "ITEAD", "SONOFF Zigbee 3.0 USB Dongle Plus V2"),
        ("10c4:ea60", "ITead", "CP2102N USB to UART Bridge Controller"),
        ("10c4:ea60", "Silicon Labs", ""),
    ]
    known = [known_usb(port) for port in found]
    assert [row.driver if row else None for row in known] == ["ezsp", "znp", None]
    assert usb_ports(tmp_path / "empty") == []


async def test_what_is_known_for_something_else_is_never_asked(tmp_path: Path) -> None:
    with far_side() as (path, heard):
        plug_in(tmp_path, "ttyACM0", path, "1cf1:0030", maker="dresden elektronik", name="ConBee II")
        [found] = await look_for_sticks(root=tmp_path)
        assert (found.state, found.make) == (PortState.NOT_ASKED, "ConBee")
        assert "deCONZ" in found.detail
        assert not heard


async def test_without_probing_the_device_alone_says_what_it_is(tmp_path: Path) -> None:
    with far_side() as (path, heard):
        plug_in(tmp_path, "ttyUSB0", path, link=ZBT_1)
        plug_in(tmp_path, "ttyUSB1", "/dev/null", maker="FTDI", name="FT232R", ids="0403:6001")
        found = await look_for_sticks(probes=False, root=tmp_path)
        assert not heard
    assert [(one.state, one.driver, one.make, one.usb) for one in found] == [
        (PortState.NOT_ASKED, "ezsp", "Home Assistant Connect ZBT-1", "10c4:ea60"),
        (PortState.NOT_ASKED, "", "FTDI FT232R", "0403:6001"),
    ]
    assert found[0].url.text == f"serial:{tmp_path}/dev/serial/by-id/{ZBT_1}?rtscts=1"
    [named, _] = await look_for_sticks([f"{tmp_path}/dev/ttyUSB0"], probes=False, root=tmp_path)
    assert named.url.text == f"serial:{tmp_path}/dev/ttyUSB0?rtscts=1"


async def test_a_device_with_other_firmware_than_it_is_known_for_is_what_it_says(tmp_path: Path) -> None:
    async with ZnpEmulator(ZnpConfig()) as stick:
        plug_in(tmp_path, "ttyACM0", path_of(stick), "1a86:55d4", link=SONOFF_E)
        [found] = await look_for_sticks(root=tmp_path, patience=HALF)
    assert (found.driver, found.make, found.state) == ("znp", "Z-Stack stick", PortState.FOUND)


async def test_a_port_that_is_named_too_is_asked_once_as_it_was_named(tmp_path: Path) -> None:
    async with XbeeEmulator(XbeeConfig()) as stick:
        plug_in(tmp_path, "ttyUSB0", path_of(stick))
        place = f"serial:{tmp_path}/dev/ttyUSB0?baud=57600"
        found = await look_for_sticks([place], root=tmp_path)
    assert [(one.driver, one.url.text, one.usb) for one in found] == [("xbee", place, "10c4:ea60")]


def test_places_are_written_as_people_write_them() -> None:
    assert parse_place("tcp://127.0.0.1:9999") == StreamUrl("tcp", host="127.0.0.1", port=9999)
    assert parse_place("/dev/ttyAMA0") == StreamUrl("serial", path="/dev/ttyAMA0")
    assert parse_place("/dev/pts/3") == StreamUrl("pty", path="/dev/pts/3")
    for text, says in (("ttyUSB0", "is none; allowed are serial:/dev/"), ("serial:/dev/x?baud=1", "115200")):
        with pytest.raises(OptionError, match=says):
            parse_place(text)


@pytest.mark.parametrize("text", ["serial:/dev/x", "serial:/dev/x?baud=57600&rtscts=1", "pty:/dev/pts/1", "tcp:a:1"])
def test_a_pipe_is_written_as_it_is_read(text: str) -> None:
    assert parse_stream_url(text).text == text


def test_the_table_of_devices_names_what_there_is() -> None:
    for row in KNOWN:
        assert row.driver in PROBES or not row.driver, row
        assert row.never or row.driver, row
        assert row.line is None or (row.driver and parse_stream_url(f"serial:/dev/x?baud={row.line.baud}"))
    assert Line() == Line(115200, rtscts=False)


def test_looking_for_sticks_imports_no_library_of_a_stick() -> None:
    libraries = ("zigpy", "bellows", "zigpy_znp", "serialx")
    program = f"import sys, radios.sticks; print([name for name in {libraries} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert ran.stdout.strip() == "[]"
