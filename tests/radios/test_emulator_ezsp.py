"""The emulated EZSP stick by itself: raw bytes over its pseudo terminal, as the vendor's documents write them."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random

import pytest

from radios.emulators import ash
from radios.emulators.air import AirFrame
from radios.emulators.errors import EmulatorError
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.emulators.ezsp_command import stick_commands
from radios.emulators.ezsp_messages import MAX_PAYLOAD
from radios.emulators.ezsp_versions import FIRMWARES
from radios.emulators.stick import link_key_of
from radios.emulators.stick_command import Console
from tests.hub.waiting import eventually

RESET = bytes.fromhex("1ac038bc7e")
RESET_DONE = bytes.fromhex("c1020b0a527e")
"""RST and RSTACK (software reset) of UG101."""
LEAVING = frozenset((0x0020, 0x0077, 0x00FE, 0x0104))
"""Commands after which there is no network, or no connection."""
METER_READ = struct.pack("<HHBBHHB", 0x0109, 0x0702, 0x5E, 0x0A, 0x0060, 0, 0)
"""APS frame: encrypted and acknowledged, from our endpoint to the meter's."""


class Host:
    """The far end of the line: it acknowledges all it gets, unless told not to."""

    def __init__(self, file: int) -> None:
        self.file = file
        self.raw = b""
        self.frames: list[bytes] = []
        """All frames of the stick, their data in the clear."""
        self.acknowledges = True
        self._reader = ash.Reader()
        self._out = self._in = self.sequence = 0
        self.version = 0
        asyncio.get_running_loop().add_reader(file, self._readable)

    def _readable(self) -> None:
        with suppress(BlockingIOError):
            data = os.read(self.file, 4096)
            self.raw += data
            for frame in self._reader.feed(data):
                assert frame is not None
                if frame[0] < 0x80:
                    self.frames.append(frame[:1] + ash.randomised(frame[1:]))
                    self._in = (frame[0] >> 4) + 1 & 7
                    if self.acknowledges:
                        os.write(self.file, ash.written(0x80 | self._in))
                else:
                    self.frames.append(frame)

    async def until(self, wanted: object) -> bytes:
        """The first frame for which `wanted` holds."""
        assert callable(wanted)
        async with asyncio.timeout(10):
            while True:
                for at, frame in enumerate(self.frames):
                    if wanted(frame):
                        del self.frames[: at + 1]
                        return frame
                await asyncio.sleep(0.005)

    def put(self, data: bytes, *, again: bool = False) -> None:
        """An EZSP frame."""
        if not again:
            self._out = (self._out + 1) & 7
        number = (self._out - 1) & 7
        os.write(self.file, ash.written(number << 4 | (8 if again else 0) | self._in, ash.randomised(data)))

    def command(self, number: int, fields: bytes = b"") -> bytes:
        """A command in the long form."""
        self.sequence = (self.sequence + 1) & 0xFF
        data = bytes((self.sequence, 0, 1)) + struct.pack("<H", number) + fields
        self.put(data)
        return data

    async def ask(self, number: int, fields: bytes = b"") -> bytes:
        """A command, and the fields of its answer."""
        self.command(number, fields)
        sequence = self.sequence
        answer = await self.until(lambda f: f[0] < 0x80 and f[1] == sequence and f[2] == 0x80)
        assert struct.unpack_from("<H", answer, 4)[0] == number, answer.hex()
        return answer[6:]

    async def told(self, number: int) -> bytes:
        """The fields of what nobody asked for."""
        wanted = struct.pack("<H", number)
        return (await self.until(lambda f: f[0] < 0x80 and f[2] & 0x10 and f[4:6] == wanted))[6:]

    async def agree(self, version: int) -> None:
        """Reset, and the same version for both."""
        os.write(self.file, RESET)
        await self.until(lambda f: f == b"\xc1\x02\x0b")
        self._out = self._in = 0
        self.put(b"\x00\x00\x00\x04")
        answer = await self.until(lambda f: f[0] < 0x80)
        assert answer[1:5] == bytes((0, 0x80, 0, version))
        assert (await self.ask(0x0000, bytes((version,))))[:2] == bytes((version, 2))


@asynccontextmanager
async def plugged(config: EzspConfig, *, agreed: bool = True) -> AsyncIterator[tuple[EzspEmulator, Host]]:
    async with EzspEmulator(config) as stick:
        file = os.open(stick.pipe_url.removeprefix("pty:"), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        host = Host(file)
        broken: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, about: broken.append(about))
        try:
            if agreed:
                await host.agree(FIRMWARES[config.firmware].version)
            yield stick, host
        finally:
            asyncio.get_running_loop().remove_reader(file)
            os.close(file)
    assert not broken


def test_frames_are_those_of_the_reference() -> None:
    # UG101, chapter 3 and 4: an example of each.
    assert ash.written(0xC0) == bytes.fromhex("c038bc7e")
    assert ash.written(0xC1, b"\x02\x02") == bytes.fromhex("c102029b7b7e")
    assert ash.written(0x81) == bytes.fromhex("8160597e")
    assert ash.written(0xA6) == bytes.fromhex("a634dc7e")
    assert ash.pseudo_random(5) == bytes.fromhex("4221a8542a")
    assert ash.written(0x25, ash.randomised(bytes.fromhex("00000002"))) == bytes.fromhex("254221a856a6097e")


async def test_a_reset_and_a_version_in_both_forms() -> None:
    async with plugged(EzspConfig(devices=()), agreed=False) as (_, host):
        os.write(host.file, RESET)
        await host.until(lambda f: f == b"\xc1\x02\x0b")
        assert RESET_DONE in host.raw
        # Nothing goes before the version is agreed upon: EZSP_ERROR_VERSION_NOT_SET.
        host.put(b"\x00\x00\x01\x26\x00")
        assert (await host.until(lambda f: f[0] < 0x80))[1:] == bytes.fromhex("008001580030")
        host.put(b"\x01\x00\x00\x04")
        assert (await host.until(lambda f: f[0] < 0x80))[1:] == bytes.fromhex("018000") + b"\x0d\x02\x40\x74"
        assert await host.ask(0x0000, b"\x0d") == b"\x0d\x02\x40\x74"
        assert len(await host.ask(0x0026)) == 8


@pytest.mark.parametrize("firmware", FIRMWARES)
async def test_statuses_are_as_wide_as_the_version_has_them(firmware: str) -> None:
    async with plugged(EzspConfig(devices=(), firmware=firmware)) as (_, host):
        is_wide = FIRMWARES[firmware].version >= 14
        assert await host.ask(0x0052, b"\xee") == (b"\x21\0\0\0" if is_wide else b"\x37") + b"\x00\x00"
        # Not joined: EMBER_NOT_JOINED, SL_STATUS_NOT_JOINED.
        assert await host.ask(0x0017, b"\x00\x00") == (b"\x17\0\0\0" if is_wide else b"\x93")
        host.command(0x0777)
        refused = await host.until(lambda f: f[0] < 0x80)
        assert refused[4:] == b"\x58\x00" + (b"\x48\0\0\0" if is_wide else b"\x31")
        host.command(0x0053, b"\x05")
        refused = await host.until(lambda f: f[0] < 0x80)
        assert refused[4:] == b"\x58\x00" + (b"\x48\0\0\0" if is_wide else b"\x33")
        tokens = await host.ask(0x0000, bytes((FIRMWARES[firmware].version,)))
        assert tokens[0] == FIRMWARES[firmware].version


async def test_what_is_damaged_is_asked_for_again_once_and_carried_out_once() -> None:
    async with plugged(EzspConfig(devices=())) as (stick, host):
        before = len(stick.commands)
        good = ash.written(2 << 4, ash.randomised(b"\x07\x00\x01\x05\x00"))
        bad = bytearray(good)
        bad[3] ^= 1
        os.write(host.file, bytes(bad))
        nak = await host.until(lambda f: f[0] & 0xE0 == 0xA0)
        assert nak == b"\xa2"
        os.write(host.file, bytes(bad))
        host.put(b"\x07\x00\x01\x05\x00")
        assert (await host.until(lambda f: f[0] < 0x80))[1:] == bytes.fromhex("0780010500")
        host.put(b"\x07\x00\x01\x05\x00", again=True)
        await host.until(lambda f: f == b"\x83")
        assert len(stick.commands) == before + 1
        assert not [frame for frame in host.frames if frame[0] & 0xE0 == 0xA0]
        # A cancelled frame, a substituted byte, flow control: none of them is a frame.
        os.write(host.file, b"\x01\x02\x1a" + b"\x55\x18\x66\x7e" + b"\x11\x13\x7e\x7e")
        assert await host.ask(0x0005) == b""


async def test_what_nobody_acknowledges_is_repeated_and_then_the_line_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ash, "ACK_WAIT_S", 0.03)
    async with plugged(EzspConfig(devices=())) as (_, host):
        host.acknowledges = False
        data = host.command(0x0005)
        first = await host.until(lambda f: f[0] < 0x80 and not f[0] & 8)
        again = [await host.until(lambda f: f[0] < 0x80) for _ in range(4)]
        assert {frame[1:] for frame in again} == {first[1:]}
        assert {frame[0] & 0xF8 for frame in again} == {first[0] & 0xF8 | 8}
        assert first[1] == data[0]
        assert await host.until(lambda f: f[0] == 0xC2) == b"\xc2\x02\x51"
        host.put(data)
        assert await host.until(lambda f: f[0] == 0xC2)
        host.acknowledges = True
        await host.agree(13)
        assert await host.ask(0x0005) == b""


async def test_a_host_that_is_not_ready_is_spared_callbacks_for_a_while() -> None:
    async with plugged(EzspConfig(devices=("plug",), is_formed=True)) as (stick, host):
        await host.ask(0x0017, b"\x00\x00")
        await host.told(0x0019)
        host.frames.clear()
        os.write(host.file, ash.written(0x88 | host._in))
        await asyncio.sleep(0.05)
        stick.air.permit(60)
        stick.core.policies[0] = 1
        stick.security._remember(0xFFFFFFFFFFFFFFFF, b"ZigBeeAlliance09")
        assert stick.press(stick.device("plug"))
        await asyncio.sleep(0.1)
        assert not host.frames
        os.write(host.file, ash.written(0x80 | host._in))
        assert (await host.told(0x0024))[2:10] == stick.device("plug").ieee.to_bytes(8, "little")


async def formed(host: Host, security: int = 0x0304) -> None:
    """Security state, and a network on channel 20."""
    state = struct.pack("<H16s16sBQ", security, b"ZigBeeAlliance09", bytes(range(16)), 0, 0)
    assert await host.ask(0x0068, state) == b"\x00"
    about = struct.pack("<QHBBBHBI", 0x1122334455667788, 0x1A62, 8, 20, 0, 0, 0, 0x07FFF800)
    assert await host.ask(0x001E, about) == b"\x00"
    assert await host.told(0x0019) == b"\x90"


async def test_a_network_is_formed_kept_over_a_reset_and_left() -> None:
    async with plugged(EzspConfig(devices=())) as (stick, host):
        # Without a security state there is no network; nor on channel 27, nor with 21 dBm.
        about = struct.pack("<QHBBBHBI", 1, 2, 8, 20, 0, 0, 0, 0)
        assert await host.ask(0x001E, about) == b"\xa8"
        await host.ask(0x0068, struct.pack("<H16s16sBQ", 0x0300, bytes(16), bytes(16), 0, 0))
        assert await host.ask(0x001E, struct.pack("<QHBBBHBI", 1, 2, 8, 27, 0, 0, 0, 0)) == b"\x8a"
        assert await host.ask(0x001E, struct.pack("<QHBBBHBI", 1, 2, 21, 20, 0, 0, 0, 0)) == b"\x8b"
        await formed(host)
        assert (stick.air.channel, stick.air.pan_id) == (20, 0x1A62)
        assert await host.ask(0x0018) == b"\x02"
        await host.agree(13)
        assert (stick.air.channel, await host.ask(0x0018)) == (0, b"\x00")
        # Reset while it comes up, it does not.
        host.command(0x0017, b"\x00\x00")
        await host.agree(13)
        await asyncio.sleep(0.1)
        assert (stick.air.channel, await host.ask(0x0018)) == (0, b"\x00")
        assert await host.ask(0x0017, b"\x00\x00") == b"\x00"
        assert await host.told(0x0019) == b"\x90"
        told = await host.ask(0x0028)
        assert told[:2] == b"\x00\x01"
        assert struct.unpack_from("<QHBB", told, 2) == (0x1122334455667788, 0x1A62, 8, 20)
        assert await host.ask(0x0020) == b"\x00"
        assert await host.told(0x0019) == b"\x91"
        assert await host.ask(0x0017, b"\x00\x00") == b"\x93"


async def test_keys_are_imported_exported_erased_and_the_table_has_an_end() -> None:
    async with plugged(EzspConfig(devices=())) as (_, host):
        await formed(host)
        for place in range(12):
            fields = struct.pack("<BQ", 0xFF, 0x1000 + place) + bytes((place,)) * 16
            assert await host.ask(0x010E, fields) == bytes(4)
        assert await host.ask(0x010E, struct.pack("<BQ", 0xFF, 0x2000) + bytes(16)) == b"\x1c\0\0\0"
        assert await host.ask(0x0075, struct.pack("<QB", 0x1003, 1)) == b"\x03"
        told = await host.ask(0x010F, b"\x03")
        assert (told[:8], told[8:24], told[-4:]) == ((0x1003).to_bytes(8, "little"), b"\x03" * 16, bytes(4))
        assert await host.ask(0x0076, b"\x03") == b"\x00"
        assert (await host.ask(0x010F, b"\x03"))[-4:] == b"\x2d\0\0\0"
        assert await host.ask(0x0075, struct.pack("<QB", 0x1003, 1)) == b"\xff"
        # The network key, by its kind.
        told = await host.ask(0x0114, b"\x01" + bytes(17))
        assert told == bytes(range(16)) + bytes(4)
        # What the security manager has replaced is gone; key establishment in firmware was never there.
        host.command(0x0066, bytes(25))
        assert (await host.until(lambda f: f[0] < 0x80))[4:6] == b"\x58\x00"
        assert await host.ask(0x00A4) == b"\xb5"


async def test_keys_of_the_newest_versions_come_in_another_order() -> None:
    settings = {"devices": ("smart-meter",), "joined": (0,), "firmware": "8.0.2"}
    async with plugged(EzspConfig(**settings)) as (stick, host):  # type: ignore[arg-type]
        meter = stick.device("smart-meter")
        told = await host.ask(0x010F, b"\x00")
        assert told[:4] == bytes(4)
        assert told[8:16] == meter.ieee.to_bytes(8, "little")
        assert told[22:38] == link_key_of(meter.ieee)
        assert len(told) == 4 + 18 + 16 + 12


async def test_messages_are_refused_when_there_is_no_room_and_told_of_when_they_are_out() -> None:
    async with plugged(EzspConfig(devices=("plug",), joined=(0,))) as (stick, host):
        short = stick.device("plug").short
        aps = struct.pack("<HHBBHHB", 0x0104, 0x0000, 1, 1, 0x0040, 0, 0)
        one = struct.pack("<BH", 0, short) + aps + b"\x2a" + b"\x05\x00\x01\x00\x00\x00"
        assert (await host.ask(0x0034, one))[:1] == b"\x93"  # not joined: it was not told to come up
        await host.ask(0x0017, b"\x00\x00")
        await host.told(0x0019)
        stick.overflow(1)
        assert (await host.ask(0x0034, one))[:1] == b"\x18"
        too_long = struct.pack("<BH", 0, short) + aps + b"\x2a" + bytes((MAX_PAYLOAD + 1,)) + bytes(MAX_PAYLOAD + 1)
        assert (await host.ask(0x0034, too_long))[:1] == b"\x74"
        status, sequence = await host.ask(0x0034, one)
        assert status == 0
        sent = await host.told(0x003F)
        assert (sent[:3], sent[13], sent[14], sent[15]) == (b"\x00" + short.to_bytes(2, "little"), sequence, 0x2A, 0)
        arrived = await host.told(0x0045)
        assert arrived[0] == 0
        assert struct.unpack_from("<HHBB", arrived, 1) == (0x0104, 0x0000, 1, 1)
        assert struct.unpack_from("<H", arrived, 14)[0] == short
        assert arrived[19:23] == b"\x18\x01\x01\x00"
        # With contents in the callback.
        assert await host.ask(0x0055, b"\x04\x41") == b"\x00"
        await host.ask(0x0034, one)
        assert (await host.told(0x003F))[16:] == b"\x05\x00\x01\x00\x00\x00"
        # More at once than there are buffers for.
        stick.air.delay_s = 5.0
        stick.core.settings[0x03] = 2
        statuses = [(await host.ask(0x0034, one))[0] for _ in range(3)]
        assert statuses == [0, 0, 0x72]


async def test_without_a_link_key_nothing_is_encrypted() -> None:
    async with plugged(EzspConfig(devices=("smart-meter",), joined=(0,))) as (stick, host):
        await host.ask(0x0017, b"\x00\x00")
        await host.told(0x0019)
        meter = stick.device("smart-meter")
        one = struct.pack("<BH", 0, meter.short) + METER_READ + b"\x01" + b"\x05\x00\x01\x00\x00\x00"
        assert (await host.ask(0x0034, one))[0] == 0
        assert (await host.told(0x003F))[15] == 0
        assert (await host.told(0x0045))[7:9] == struct.pack("<H", 0x0120)
        # Another key: nobody there can read it.
        await host.ask(0x010E, struct.pack("<BQ", 0, meter.ieee) + bytes(range(16)))
        await host.ask(0x0034, one)
        assert (await host.told(0x003F))[15] == 0x66
        await host.ask(0x0076, b"\x00")
        assert (await host.ask(0x0034, one))[0] == 0xA6


async def test_long_messages_come_and_go_in_blocks() -> None:
    async with plugged(EzspConfig(devices=("plug",), joined=(0,))) as (stick, host):
        await host.ask(0x0017, b"\x00\x00")
        await host.told(0x0019)
        plug = stick.device("plug")
        whole = Random(1).randbytes(200)
        frame = AirFrame(source=plug.short, destination=0, source_endpoint=1, destination_endpoint=1, profile=0x0104,
                         cluster=0x0702, payload=whole, counter=9)  # fmt: skip
        stick.receive(frame, 200)
        blocks = []
        for number, group in enumerate((0x0300, 0x0001, 0x0002)):
            told = await host.told(0x0045)
            aps = told[1:12]
            options, found = struct.unpack_from("<HH", aps, 6)
            assert options & 0x8000
            assert found == group
            blocks.append(told[19:])
            ack = aps[:4] + bytes((aps[5], aps[4])) + aps[6:8] + struct.pack("<HB", 0xFF00 | number, aps[10])
            assert await host.ask(0x0039, struct.pack("<H", plug.short) + ack + b"\x00") == b"\x00"
        assert b"".join(blocks) == whole
        plug.heard.clear()
        for number, part in enumerate((whole[:80], whole[80:160], whole[160:])):
            group = number | (0x0300 if number == 0 else 0)
            aps = struct.pack("<HHBBHHB", 0x0104, 0x0702, 1, 1, 0x8040, group, 77)
            fields = struct.pack("<BH", 0, plug.short) + aps + b"\x05" + bytes((len(part),)) + part
            assert await host.ask(0x0034, fields) == b"\x00\x4d"
            assert (await host.told(0x003F))[15] == 0
        assert [found.payload for found in plug.heard if found.cluster == 0x0702] == [whole]


async def test_the_device_object_is_the_stacks_or_the_hosts_as_the_flags_say() -> None:
    async with plugged(EzspConfig(devices=("plug",), joined=(0,))) as (stick, host):
        plug = stick.device("plug")
        endpoint = struct.pack("<BHHBBBHHH", 0x5E, 0x0109, 0x0500, 0, 2, 1, 0x0700, 0x0800, 0x0702)
        assert await host.ask(0x0002, endpoint) == b"\x00"
        assert await host.ask(0x0002, endpoint) == b"\x38"
        await host.ask(0x0017, b"\x00\x00")
        await host.told(0x0019)
        match = AirFrame(source=plug.short, destination=0, source_endpoint=0, destination_endpoint=0, profile=0,
                         cluster=6, payload=struct.pack("<BHHBHB", 1, 0, 0x0109, 1, 0x0800, 0))  # fmt: skip
        plug.heard.clear()
        stick.receive(match, 200)
        await eventually(lambda: bool(plug.heard))
        assert plug.heard[-1].payload == b"\x01\x00\x00\x00\x01\x5e"
        assert not [frame for frame in host.frames if frame[4:6] == b"\x45\x00"]
        plug.heard.clear()
        await host.ask(0x0053, b"\x2a\x05\x00")  # the host hears of all, and answers about endpoints
        stick.receive(match, 200)
        assert struct.unpack_from("<H", await host.told(0x0045), 7)[0] & 0x4000
        await asyncio.sleep(0.05)
        assert not plug.heard
        # It answers about itself when its own host asks.
        aps = struct.pack("<HHBBHHB", 0, 0x0002, 0, 0, 0, 0, 0)
        await host.ask(0x0034, struct.pack("<BH", 0, 0) + aps + b"\x01\x03\x07\x00\x00")
        assert (await host.told(0x0045))[19:23] == b"\x07\x00\x00\x00"


async def test_as_a_router_it_finds_and_joins_the_network_of_a_trust_centre() -> None:
    settings = {"devices": (), "trust_centre": "smart-meter", "is_registered": False}
    async with plugged(EzspConfig(**settings)) as (stick, host):  # type: ignore[arg-type]
        assert await host.ask(0x001A, struct.pack("<BIB", 1, 1 << 20 | 1 << 15, 3)) == b"\x00"
        channel, pan_id, wide, is_open = struct.unpack_from("<BHQB", await host.told(0x001B))
        await host.told(0x001C)
        assert (channel, pan_id, is_open) == (20, stick.air.pan_id, 1)
        state = struct.pack("<H16s16sBQ", 0x0100, stick.factory_key, bytes(16), 0, 0)
        about = struct.pack("<QHBBBHBI", wide, pan_id, 8, channel, 0, 0, 0, 0)
        assert await host.ask(0x0068, state) == b"\x00"
        assert await host.ask(0x001F, b"\x02" + about) == b"\x00"
        assert await host.told(0x0019) == b"\xad"  # no network key received: nobody knows it there
        stick.register()
        assert await host.ask(0x001F, b"\x02" + about) == b"\x00"
        assert await host.told(0x0019) == b"\x90"
        short = await host.ask(0x0027)
        assert stick.air.places[stick.ieee].short == int.from_bytes(short, "little") != 0
        assert (await host.ask(0x0028))[1] == 2
        assert stick.trust_centre is not None
        # The trust centre is its partner: what goes there may be encrypted.
        aps = struct.pack("<HHBBHHB", 0x0109, 0x0702, 0x5E, 0x0A, 0x0060, 0, 0)
        await host.ask(0x0034, struct.pack("<BH", 0, 0) + aps + b"\x01" + b"\x05\x00\x01\x00\x00\x00")
        assert (await host.told(0x003F))[15] == 0
        assert (await host.told(0x0045))[19:24] == b"\x18\x01\x01\x00\x00"
        # It comes back after a reset, and is gone when it is sent away.
        await host.agree(13)
        assert await host.ask(0x0017, b"\x00\x00") == b"\x00"
        assert await host.told(0x0019) == b"\x90"
        assert await host.ask(0x0027) == short
        assert stick.air.drop(stick.ieee, told=True)
        assert await host.told(0x0019) == b"\x91"
        # It forms no network of its own in this room.
        assert await host.ask(0x001E, about) == b"\x70"


async def test_the_console_has_what_only_this_stick_does() -> None:
    async with plugged(EzspConfig(devices=("smart-meter",), joined=(0,))) as (stick, host):
        console = Console(stick, lambda: None, more=stick_commands(stick))
        meter = stick.device("smart-meter")
        assert console.answer("keys") == f"ok 0:{meter.ieee:016x}:{link_key_of(meter.ieee).hex()}"
        assert console.answer("fail") == "ok its line protocol has given up"
        assert await host.until(lambda f: f[0] == 0xC2) == b"\xc2\x02\x06"
        assert console.answer("crash") == "ok restarts by itself"
        assert await host.until(lambda f: f[0] == 0xC1) == b"\xc1\x02\x03"
        assert 'driver = "ezsp"' in stick.toml()


@pytest.mark.parametrize(
    ("firmware", "is_formed"), [("7.4.4", False), ("7.4.4", True), ("6.10.3", True), ("8.0.2", True)]
)
async def test_garbage_moves_nothing(firmware: str, is_formed: bool) -> None:
    randomness = Random(5)
    config = EzspConfig(devices=("plug",), firmware=firmware, is_formed=is_formed)
    async with plugged(config) as (stick, host):
        if is_formed:
            await host.ask(0x0017, b"\x00\x00")
            await host.told(0x0019)
            for cluster in range(0x40):
                body = randomness.randbytes(randomness.randrange(12))
                stick.receive(
                    AirFrame(source=7, destination=randomness.choice((0, 0xFFFD)), source_endpoint=0,
                             destination_endpoint=0, profile=0, cluster=cluster, payload=body), 200,
                )  # fmt: skip
        for number in (one for one in range(0x0120) if one not in LEAVING):
            host.command(number, randomness.randbytes(randomness.randrange(40)))
            await host.until(lambda f: f[0] < 0x80 and f[2] == 0x80)
            os.write(host.file, randomness.randbytes(8).replace(b"\x7e", b""))
            os.write(host.file, b"\x7e")
        await host.agree(FIRMWARES[firmware].version)
        assert await host.ask(0x0005) == b""


def test_what_cannot_be_is_refused_by_name() -> None:
    with pytest.raises(EmulatorError, match=r"firmware '5\.0' is not known; there are 6\.7\.8"):
        EzspEmulator(EzspConfig(firmware="5.0"))
    with pytest.raises(EmulatorError, match="trust centre 'cube' is not known"):
        EzspEmulator(EzspConfig(trust_centre="cube"))
    with pytest.raises(EmulatorError, match="has no network of its own"):
        EzspEmulator(EzspConfig(trust_centre="smart-meter", is_formed=True))
