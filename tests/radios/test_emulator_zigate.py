"""The emulated ZiGate by itself: raw bytes over its pseudo terminal, as the pairing guide writes them."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from radios.emulators.errors import EmulatorError
from radios.emulators.stick_command import Console
from radios.emulators.zigate import ZigateConfig, ZigateEmulator
from radios.emulators.zigate_firmware import FIRMWARES
from radios.emulators.zigate_line import Reader, write


class Host:
    """Bytes to the stick and frames from it."""

    def __init__(self, file: int) -> None:
        self.file = file
        self.frames: list[tuple[int, bytes]] = []
        self._reader = Reader()
        asyncio.get_running_loop().add_reader(file, self._readable)

    def _readable(self) -> None:
        self.frames.extend(self._reader.feed(os.read(self.file, 4096)))

    def send(self, code: int, payload: bytes = b"") -> None:
        frame = write(code, payload)
        # The host's frames have no link quality byte.
        body = struct.pack(">HH", code, len(payload))
        check = 0
        for byte in body + payload:
            check ^= byte
        line = bytearray(frame[:1])
        for byte in body + bytes((check,)) + payload:
            line += bytes((2, byte ^ 0x10)) if byte < 0x10 else bytes((byte,))
        os.write(self.file, bytes(line) + b"\x03")

    async def until(self, code: int, wanted: Callable[[bytes], bool] = lambda _: True) -> bytes:
        async with asyncio.timeout(10):
            while True:
                for at, (found, payload) in enumerate(self.frames):
                    if found == code and wanted(payload):
                        del self.frames[: at + 1]
                        return payload
                await asyncio.sleep(0.01)


@asynccontextmanager
async def plugged(config: ZigateConfig) -> AsyncIterator[tuple[ZigateEmulator, Host]]:
    async with ZigateEmulator(config) as stick:
        file = os.open(stick.pipe_url.removeprefix("pty:"), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        host = Host(file)
        try:
            await host.until(0x8006)
            yield stick, host
        finally:
            asyncio.get_running_loop().remove_reader(file)
            os.close(file)


async def test_the_walk_of_the_pairing_guide() -> None:
    async with plugged(ZigateConfig(devices=("cube",))) as (stick, host):
        host.send(0x0002, b"\x01")
        assert (await host.until(0x8000))[0] == 0
        # Permit join: the guide's first frame, 0102104902100214b0fffcfe021003.
        os.write(host.file, bytes.fromhex("0102104902100214b0fffcfe021003"))
        assert (await host.until(0x8000, lambda p: p[2:4] == b"\x00\x49"))[0] == 0
        cube = stick.device("cube")
        assert stick.press(cube)
        announce = await host.until(0x004D)
        short, ieee, capability = struct.unpack_from(">HQB", announce)
        assert (short, ieee, capability) == (cube.short, cube.ieee, 0x80)
        # Active endpoints and a simple descriptor, as raw APS frames.
        for cluster, request in ((5, struct.pack("<H", short)), (4, struct.pack("<HB", short, 2))):
            asdu = b"\x11" + request
            head = bytes((2,)) + struct.pack(">HBBHHBBB", short, 0, 0, cluster, 0, 0, 0, len(asdu))
            host.send(0x0530, head + asdu)
            status = await host.until(0x8000, lambda p: p[2:4] == b"\x05\x30")
            assert status[0] == 0
            counter = status[5]
            confirm = await host.until(0x8012)
            assert (confirm[0], confirm[6]) == (0, counter)
            answer = await host.until(0x8002, lambda p, c=cluster: p[3:5] == struct.pack(">H", 0x8000 | c))  # type: ignore[misc]
            body = answer[13:-1]
            assert body[:2] == b"\x11\x00"
            if cluster == 5:
                assert body[4:8] == b"\x03\x01\x02\x03"
            else:
                assert body[5:10] == struct.pack("<BHH", 2, 0x0104, 0x5F02)


async def test_what_is_no_command_is_answered_by_its_status_or_not_at_all() -> None:
    async with plugged(ZigateConfig(devices=())) as (_, host):
        host.send(0x0777)
        assert (await host.until(0x8000))[:4] == b"\x02\x00\x07\x77"
        host.send(0x0049, b"\x00")
        assert (await host.until(0x8000))[0] == 1
        os.write(host.file, b"\x01\x02\x10\x55\x03garbage\x03\x01\x01")
        host.send(0x0010)
        assert (await host.until(0x8010))[:4] == struct.pack(">HH", 3, 0x0323)


@pytest.mark.parametrize("firmware", FIRMWARES)
async def test_each_firmware_has_its_own_status(firmware: str) -> None:
    async with plugged(ZigateConfig(devices=(), firmware=firmware)) as (_, host):
        host.send(0x0018, b"\x01")
        assert len(await host.until(0x8000)) == FIRMWARES[firmware].status_size + 1
        host.send(0x0002, b"\x01")
        assert (await host.until(0x8000))[0] == (0 if FIRMWARES[firmware].has_raw else 2)


async def test_a_stick_that_was_pulled_out_comes_back_at_the_same_place(tmp_path: Path) -> None:
    link = tmp_path / "stick"
    async with ZigateEmulator(ZigateConfig(devices=(), link=link)) as stick:
        assert stick.pipe_url == f"pty:{link}"
        first = link.readlink()
        stick.kill()
        assert not link.exists()
        stick.revive()
        assert link.exists()
        assert first


async def test_the_console_says_what_can_be_done() -> None:
    async with ZigateEmulator(ZigateConfig(devices=("cube", "plug"))) as stick:
        ended: list[bool] = []
        console = Console(stick, lambda: ended.append(True))
        assert console.answer("join plug").startswith("error: joining is closed")
        stick.air.permit(60)
        assert console.answer("join plug").startswith("ok plug 0x")
        assert console.answer("join 2") == "error: plug is on the network already"
        assert console.answer("press cube fly").startswith("error: 'fly' is nothing that a cube does")
        assert console.answer("press 1 shake") == "ok cube shake"
        assert console.answer("loss 2") == "error: loss 2.0: must be from 0 to 1"
        assert console.answer("loss 0.2") == "ok loss 0.2"
        assert console.answer("power 9 on").startswith("error: '9' is no device here")
        assert console.answer("overflow x") == "error: overflow 'x': must be how many frames are refused"
        assert console.answer("overflow 2") == "ok overflow 2"
        assert console.answer("nonsense").startswith("error: 'nonsense' is not a command")
        assert '"kind": "plug"' in console.answer("list")
        assert console.answer("quit") == "ok bye"
        assert ended == [True]


def test_what_cannot_be_emulated_is_refused_by_name() -> None:
    with pytest.raises(EmulatorError, match="there are cube, plug"):
        ZigateEmulator(ZigateConfig(devices=("toaster",)))
    with pytest.raises(EmulatorError, match=r"3\.1e"):
        ZigateEmulator(ZigateConfig(firmware="9.9"))
