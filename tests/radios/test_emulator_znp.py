"""The emulated Z-Stack stick by itself: raw bytes over its pseudo terminal, as TI's interface guide writes them."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from random import Random

import pytest

from radios.emulators.air import AirFrame
from radios.emulators.errors import EmulatorError
from radios.emulators.keyed_hash import key_of, mmo_hash
from radios.emulators.mt_line import Reader, written
from radios.emulators.stick import link_key_of
from radios.emulators.stick_command import Console
from radios.emulators.znp import ZnpConfig, ZnpEmulator
from radios.emulators.znp_command import stick_commands
from radios.emulators.znp_firmware import FIRMWARES
from tests.hub.waiting import eventually


class Host:
    """The far end of the line."""

    def __init__(self, file: int) -> None:
        self.file = file
        self.frames: list[tuple[int, bytes]] = []
        self._reader = Reader()
        asyncio.get_running_loop().add_reader(file, self._readable)

    def _readable(self) -> None:
        with suppress(BlockingIOError):
            self.frames.extend(self._reader.feed(os.read(self.file, 4096)))

    def send(self, command: int, data: bytes = b"") -> None:
        os.write(self.file, written(command, data))

    async def until(self, command: int, wanted: Callable[[bytes], bool] = lambda _: True) -> bytes:
        async with asyncio.timeout(10):
            while True:
                for at, (found, data) in enumerate(self.frames):
                    if found == command and wanted(data):
                        del self.frames[at]
                        return data
                await asyncio.sleep(0.005)

    async def ask(self, command: int, data: bytes = b"") -> bytes:
        """A synchronous command, and its answer."""
        self.send(command, data)
        return await self.until(command | 0x4000)

    async def reset(self) -> bytes:
        self.frames.clear()
        self.send(0x4100, b"\x01")
        return await self.until(0x4180)


@asynccontextmanager
async def plugged(config: ZnpConfig) -> AsyncIterator[tuple[ZnpEmulator, Host]]:
    async with ZnpEmulator(config) as stick:
        file = os.open(stick.pipe_url.removeprefix("pty:"), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        host = Host(file)
        broken: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, about: broken.append(about))
        try:
            yield stick, host
        finally:
            asyncio.get_running_loop().remove_reader(file)
            os.close(file)
    assert not broken


async def started(host: Host) -> None:
    """Up, with the network that is in flash."""
    assert await host.ask(0x2540, b"\x64\x00") == b"\x00"
    assert await host.until(0x45C0) == b"\x09"


def test_frames_are_those_of_the_reference() -> None:
    # SYS_PING of the interface guide: FE 00 21 01 20; its answer with capabilities 0x0179.
    assert written(0x2101, b"") == bytes.fromhex("fe00210120")
    assert written(0x6101, b"\x79\x01") == bytes.fromhex("fe026101790 11a".replace(" ", ""))
    reader = Reader()
    good = written(0x2101, b"")
    assert reader.feed(b"\x00\xfe\xff" + good[:3]) == []
    assert reader.feed(good[3:] + b"\xfe\x00\x21\x01\x21" + good) == [(0x2101, b""), (0x2101, b"")]
    assert reader.bad
    with pytest.raises(ValueError, match="251 bytes: at most 250"):
        written(0x2101, bytes(251))


@pytest.mark.parametrize("name", FIRMWARES)
async def test_each_firmware_tells_what_it_can(name: str) -> None:
    firmware = FIRMWARES[name]
    async with plugged(ZnpConfig(devices=(), firmware=name)) as (_, host):
        os.write(host.file, bytes.fromhex("fe00210120"))
        assert await host.until(0x6101) == firmware.capabilities.to_bytes(2, "little")
        told = await host.ask(0x2102)
        assert told == bytes((2, firmware.product, *firmware.release)) + struct.pack("<I", firmware.build)
        assert await host.reset() == bytes((1, 2, firmware.product, *firmware.release))
        # The size of this record is how hosts see whether structures have gaps.
        assert len(await host.ask(0x2749, b"\x00")) == (36 if firmware.is_aligned else 28)
        host.send(0x2132, struct.pack("<BHH", 1, 4, 0))
        if firmware.has_tables:
            assert await host.until(0x6132) == struct.pack("<I", 20)
        else:
            assert await host.until(0x6000) == b"\x02\x21\x32"
        host.send(0x2F05, b"\x00")
        if firmware.has_commissioning:
            assert await host.until(0x6F05) == b"\x00"
        else:
            assert await host.until(0x6000) == b"\x01\x2f\x05"
        host.send(0x2113, b"\x01")
        assert await host.until(0x6000) == b"\x04\x21\x13"
        power = await host.ask(0x2114, b"\x7f")
        assert power == (b"\x00" if firmware.has_tables else b"\x14")


async def test_items_of_flash_are_made_written_read_and_removed() -> None:
    async with plugged(ZnpConfig(devices=())) as (stick, host):
        item = struct.pack("<H", 0x0060)
        assert await host.ask(0x2113, item) == b"\x00\x00"
        assert await host.ask(0x2107, item + struct.pack("<HB", 4, 2) + b"\x01\x02") == b"\x09"
        assert await host.ask(0x2107, item + struct.pack("<HB", 4, 0)) == b"\x00"
        assert await host.ask(0x2113, item) == b"\x04\x00"
        assert await host.ask(0x2108, item + b"\x00") == b"\x00\x04\x01\x02\xff\xff"
        assert await host.ask(0x211D, item + struct.pack("<HH", 2, 2) + b"\x03\x04") == b"\x00"
        assert await host.ask(0x211C, item + b"\x01\x00") == b"\x00\x03\x02\x03\x04"
        assert await host.ask(0x2109, item + b"\x03\x02\x09\x09") == b"\x0a"  # over its end
        await host.reset()
        assert await host.ask(0x2108, item + b"\x00") == b"\x00\x04\x01\x02\x03\x04"
        assert await host.ask(0x2112, item + b"\x03\x00") == b"\x0c"
        assert await host.ask(0x2112, item + b"\x04\x00") == b"\x00"
        assert await host.ask(0x2112, item + b"\x04\x00") == b"\x09"
        # The same item, as a row of the table of plain ones.
        await host.ask(0x2130, struct.pack("<BHHI", 1, 0, 0x0060, 3))
        assert await host.ask(0x2134, struct.pack("<BHHHB", 1, 0, 0x0060, 0, 3) + b"abc") == b"\x00"
        assert await host.ask(0x2133, struct.pack("<BHHHB", 1, 0, 0x0060, 1, 9)) == b"\x00\x02bc"
        assert await host.ask(0x2108, item + b"\x00") == b"\x00\x03abc"
        assert await host.ask(0x2131, struct.pack("<BHH", 1, 0, 0x0060)) == b"\x00"
        # An address that was removed is the one of the chip again.
        await host.ask(0x2103, struct.pack("<Q", 0x1122334455667788))
        await host.reset()
        assert await host.ask(0x2104) == struct.pack("<Q", 0x1122334455667788)
        await host.ask(0x2112, b"\x01\x00\x08\x00")
        await host.reset()
        assert await host.ask(0x2104) == struct.pack("<Q", stick.ieee)


async def test_the_oldest_version_reads_keys_only_through_the_simple_interface() -> None:
    async with plugged(ZnpConfig(devices=(), firmware="1.2", is_formed=True)) as (stick, host):
        assert (await host.ask(0x211C, b"\x3a\x00\x00\x00"))[0] == 2
        told = await host.ask(0x2604, b"\x3a")
        assert stick.air.network is not None
        assert told == b"\x00\x3a\x11\x00" + stick.air.network.key


async def test_base_device_commissioning_forms_a_network_once() -> None:
    async with plugged(ZnpConfig(devices=())) as (stick, host):
        assert await host.ask(0x2540, b"\x00\x00") == b"\x02"
        assert await host.ask(0x2F08, b"\x01" + struct.pack("<I", 1 << 20)) == b"\x00"
        assert await host.ask(0x2F05, b"\x04") == b"\x00"
        assert await host.until(0x45C0) == b"\x08"
        assert await host.until(0x4F80) == b"\x01\x04\x04"
        assert await host.until(0x45C0) == b"\x09"
        assert await host.until(0x4F80) == b"\x00\x04\x00"
        assert stick.air.channel == 20
        network = stick.air.network
        info = await host.ask(0x2550)
        assert struct.unpack_from("<HHHQ", info) == (0, stick.air.pan_id, 0, stick.air.extended_pan_id)
        await host.reset()
        assert await host.ask(0x2540, b"\x00\x00") == b"\x00"
        await host.reset()  # while it starts
        await asyncio.sleep(0.15)
        assert stick.air.channel == 0
        assert await host.ask(0x2F05, b"\x04") == b"\x00"
        assert await host.until(0x45C0) == b"\x09"
        assert await host.until(0x4F80) == b"\x08\x04\x00"  # there is one: formation has failed
        assert stick.air.network == network
        # Cleared by the startup option, there is none.
        await host.ask(0x2109, b"\x03\x00\x00\x01\x03")
        await host.reset()
        assert await host.ask(0x2540, b"\x00\x00") == b"\x02"


async def test_messages_are_confirmed_and_show_whether_they_were_encrypted() -> None:
    async with plugged(ZnpConfig(devices=("smart-meter", "plug"), joined=(0, 1))) as (stick, host):
        meter, plug = stick.device("smart-meter"), stick.device("plug")
        await started(host)
        own = struct.pack("<BHHBBBHHBH", 0x5E, 0x0109, 0x0500, 0, 0, 2, 0x0700, 0x0800, 1, 0x0702)
        assert await host.ask(0x2400, own) == b"\x00"
        assert await host.ask(0x2400, own) == b"\xb8"
        read = b"\x00\x01\x00\x00\x00"

        def message(short: int, to: int, options: int, tsn: int, data: bytes = read, source: int = 0x5E) -> bytes:
            head = struct.pack("<BQBHBHBBBH", 2, short, to, 0, source, 0x0702, tsn, options, 30, len(data))
            return head + data

        assert await host.ask(0x2402, message(meter.short, 0x0A, 0x50, 7)) == b"\x00"
        assert await host.until(0x4480) == b"\x00\x5e\x07"
        told = await host.until(0x4481)
        group, cluster, source, there, here, is_broadcast, _, secured = struct.unpack_from("<HHHBBBBB", told)
        assert (group, cluster, source, there, here) == (0, 0x0702, meter.short, 0x0A, 0x5E)
        assert (is_broadcast, secured) == (0, 1)
        assert told[17:21] == b"\x18\x01\x01\x00"
        assert await host.ask(0x2402, message(meter.short, 0x0A, 0x10, 8)) == b"\x00"
        told = await host.until(0x4481)
        assert told[17:22] == b"\x18\x01\x0b\x00\x7e"  # in the clear it does not tell
        # No such endpoint of ours; no key; too long for one frame, and for no acknowledgement.
        assert await host.ask(0x2402, message(meter.short, 0x0A, 0x50, 9, source=2)) == b"\x02"
        assert await host.ask(0x2402, message(plug.short, 1, 0x50, 9)) == b"\xa1"
        assert await host.ask(0x2402, message(plug.short, 1, 0x00, 9, bytes(100))) == b"\x02"
        assert await host.ask(0x2402, message(plug.short, 1, 0x10, 10, bytes(100))) == b"\x00"
        assert await host.until(0x4480, lambda data: data[2] == 10) == b"\x00\x5e\x0a"
        stick.overflow(1)
        assert await host.ask(0x2402, message(plug.short, 1, 0x10, 11)) == b"\x11"
        plug.set_power(on=False)
        await host.ask(0x2402, message(plug.short, 1, 0x00, 12))
        assert await host.until(0x4480, lambda data: data[2] == 12) == b"\xe9\x5e\x0c"
        await host.ask(0x2402, message(0x4321, 1, 0x00, 13))
        assert await host.until(0x4480, lambda data: data[2] == 13) == b"\xcd\x5e\x0d"
        assert await host.ask(0x2404, b"\x5e") == b"\x00"
        # Another key than the meter's: it cannot read that, and we cannot read the meter.
        await host.ask(0x2400, own)
        new = struct.pack("<HQ", meter.short, meter.ieee) + bytes(range(16))
        assert await host.ask(0x2523, new) == b"\x00"
        await host.ask(0x2402, message(meter.short, 0x0A, 0x50, 14))
        assert await host.until(0x4480, lambda data: data[2] == 14) == b"\xb7\x5e\x0e"


async def test_long_messages_that_arrive_are_fetched() -> None:
    async with plugged(ZnpConfig(devices=("plug",), joined=(0,))) as (stick, host):
        await started(host)
        await host.ask(0x2400, struct.pack("<BHHBBBB", 1, 0x0104, 5, 0, 0, 0, 0))
        whole = Random(3).randbytes(400)
        short = stick.device("plug").short
        stick.receive(
            AirFrame(source=short, destination=0, source_endpoint=1, destination_endpoint=1, profile=0x0104,
                     cluster=0x0702, payload=whole, counter=9), 200,
        )  # fmt: skip
        told = await host.until(0x4482)
        stamp, _, length = struct.unpack_from("<IBH", told, 20)
        assert length == 400
        parts = b""
        while len(parts) < length:
            answer = await host.ask(0x2412, struct.pack("<IHB", stamp, len(parts), 200))
            assert answer[0] == 0
            parts += answer[2:]
        assert parts == whole
        assert await host.ask(0x2412, struct.pack("<IHB", stamp, 0, 0)) == b"\x00\x00"
        assert (await host.ask(0x2412, struct.pack("<IHB", stamp, 0, 9)))[0] == 1


async def test_joining_is_up_to_the_trust_centre_and_the_host_hears_of_all_of_it() -> None:
    async with plugged(ZnpConfig(devices=("plug", "contact"), is_formed=True)) as (stick, host):
        await started(host)
        plug = stick.device("plug")
        await host.ask(0x253E, b"\xff\xff")
        stick.air.permit(60)  # routers are open, the trust centre is not
        assert not stick.press(plug)
        assert await host.ask(0x2536, struct.pack("<BHBB", 0x0F, 0xFFFC, 60, 0)) == b"\x00"
        assert await host.until(0x45B6) == b"\x00\x00\x00"
        assert stick.press(plug)
        joined = struct.pack("<HQ", plug.short, plug.ieee)
        assert await host.until(0x45CA) == joined + b"\x00\x00"
        assert (await host.until(0x45C1))[2:] == joined + bytes((plug.capability,))
        heard = await host.until(0x45FF)
        assert heard[:2] == plug.short.to_bytes(2, "little")
        assert heard[3:5] == b"\x13\x00"
        # Its device object, by the command that is made for it, and the answer in both forms.
        await host.ask(0x2109, b"\x8f\x00\x00\x01\x01")
        assert await host.ask(0x2505, struct.pack("<HH", plug.short, plug.short)) == b"\x00"
        head = plug.short.to_bytes(2, "little")
        assert await host.until(0x4585) == head + b"\x00" + head + b"\x01\x01"
        heard = await host.until(0x45FF, lambda data: data[3:5] == b"\x05\x80")
        assert heard[9:] == b"\x00" + head + b"\x01\x01"
        assert await host.ask(0x2500, struct.pack("<QBB", plug.ieee, 0, 0)) == b"\x00"
        assert (await host.until(0x4580))[:11] == b"\x00" + struct.pack("<QH", plug.ieee, plug.short)
        assert await host.ask(0x2741, head) == struct.pack("<Q", plug.ieee)
        # Energy on two channels, and a move to one of them.
        assert await host.ask(0x2537, struct.pack("<HBIBBH", 0, 2, 1 << 22 | 1 << 26, 2, 1, 0)) == b"\x00"
        told = await host.until(0x45B8)
        assert told[:2] + told[11:12] == b"\x00\x00\x02"
        assert told[12] > told[13]
        await host.ask(0x2537, struct.pack("<HBIBBH", 0, 2, 1 << 26, 0xFE, 0, 0))
        await eventually(lambda: stick.air.channel == 26)
        assert await host.ask(0x2534, struct.pack("<HQB", plug.short, plug.ieee, 0)) == b"\x00"
        assert (await host.until(0x45C9))[:10] == joined
        # Children are in the table of addresses.
        contact = stick.device("contact")
        assert stick.press(contact)
        record = await host.ask(0x274A, struct.pack("<QH", contact.ieee, 0))
        assert struct.unpack_from("<H", record)[0] == contact.short
        assert await host.ask(0x2763, struct.pack("<Q", contact.ieee)) == b"\x00"
        assert (await host.ask(0x274A, struct.pack("<QH", contact.ieee, 0)))[4] == 0xFF


async def test_link_keys_and_installation_codes() -> None:
    # The example of the Smart Energy specification: a code of 16 bytes, its checksum, its key.
    code = bytes.fromhex("83fed3407a939723a5c639b26916d505c3b5")
    assert key_of(code) == bytes.fromhex("66b6900981e1ee3ca4206b6b861c02bb")
    assert key_of(code[:-1] + b"\x00") is None
    assert len(mmo_hash(b"")) == 16
    async with plugged(ZnpConfig(devices=("smart-meter",), is_formed=True)) as (stick, host):
        await started(host)
        meter = stick.device("smart-meter")
        key = link_key_of(meter.ieee)
        await host.ask(0x2536, struct.pack("<BHBB", 2, 0, 60, 0))
        assert not stick.press(meter)
        wide = struct.pack("<Q", meter.ieee)
        assert await host.ask(0x2F04, b"\x01" + wide + code) == b"\x00"
        assert not stick.press(meter)  # that is another key
        assert await host.ask(0x2F04, b"\x01" + wide + code[:-1] + b"\x00") == b"\x02"
        assert await host.ask(0x2F04, b"\x02" + wide + key) == b"\x00"
        await host.ask(0x2F06, b"\x01")
        assert stick.press(meter)
        assert await host.ask(0x2525, wide) == b"\x00" + wide + key
        new = bytes(range(16))
        assert await host.ask(0x2523, struct.pack("<H", meter.short) + wide + new) == b"\x00"
        assert await host.ask(0x2525, wide) == b"\x00" + wide + new
        await host.reset()
        assert await host.ask(0x2525, wide) == b"\x00" + wide + new
        assert await host.ask(0x2524, wide) == b"\x00"
        assert (await host.ask(0x2525, wide))[0] in (0, 1)
        # The table has an end.
        rows = [await host.ask(0x2523, struct.pack("<HQ", 1, 0x5000 + at) + new) for at in range(30)]
        assert rows[:20] == [b"\x00"] * 20
        assert rows[20:] == [b"\x10"] * 10


async def test_the_oldest_versions_open_routers_only_with_themselves() -> None:
    async with plugged(ZnpConfig(devices=("plug",), firmware="3.0", is_formed=True)) as (stick, host):
        await started(host)
        await host.ask(0x2536, struct.pack("<BHBB", 2, 0x1234, 60, 0))
        stick.air.permit(60)
        assert not stick.press(stick.device("plug"))
        await host.ask(0x2536, struct.pack("<BHBB", 2, 0x0000, 60, 0))
        assert await host.until(0x45CB) == b"\x3c"
        assert stick.press(stick.device("plug"))


async def test_a_mute_stick_says_nothing_and_the_console_tells_of_keys() -> None:
    async with plugged(ZnpConfig(devices=("smart-meter",), joined=(0,))) as (stick, host):
        console = Console(stick, lambda: None, more=stick_commands(stick))
        meter = stick.device("smart-meter")
        assert console.answer("keys") == f"ok {meter.ieee:016x}:{link_key_of(meter.ieee).hex()}"
        await host.until(0x4180)
        assert console.answer("mute") == "ok"
        host.send(0x2101)
        await asyncio.sleep(0.1)
        assert not host.frames
        assert console.answer("unmute") == "ok"
        assert await host.ask(0x2101)
        assert console.answer("crash") == "ok restarts by itself"
        assert (await host.until(0x4180))[0] == 2
        assert 'driver = "znp"' in stick.toml()


@pytest.mark.parametrize(("firmware", "is_formed"), [("3.x", False), ("3.x", True), ("3.0", True), ("1.2", True)])
async def test_garbage_moves_nothing(firmware: str, is_formed: bool) -> None:
    randomness = Random(6)
    async with plugged(ZnpConfig(devices=("plug",), firmware=firmware, is_formed=is_formed)) as (stick, host):
        if is_formed:
            await started(host)
            await host.ask(0x253E, b"\xff\xff")
            for cluster in range(0x40):
                body = randomness.randbytes(randomness.randrange(12))
                stick.receive(
                    AirFrame(source=7, destination=randomness.choice((0, 0xFFFD)), source_endpoint=0,
                             destination_endpoint=0, profile=0, cluster=cluster, payload=body), 200,
                )  # fmt: skip
        for command in (kind << 8 | number for kind in (0x21, 0x24, 0x25, 0x27, 0x2F) for number in range(0x60)):
            if command not in (0x2112, 0x2131):  # which would remove items
                host.send(command, randomness.randbytes(randomness.randrange(30)))
        os.write(host.file, randomness.randbytes(40).replace(b"\xfe", b"") + bytes(300))
        assert await host.ask(0x2101)


def test_what_cannot_be_is_refused_by_name() -> None:
    with pytest.raises(EmulatorError, match=r"firmware '9' is not known; there are 1\.2, 3\.0"):
        ZnpEmulator(ZnpConfig(firmware="9"))
