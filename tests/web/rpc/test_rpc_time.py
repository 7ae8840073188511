"""set_time and resync_time over HTTP, with time servers of the test's own."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.clock import ManualClock, SystemClock
from hub.errors import InvalidError
from hub.ntp import address
from hub.registry import NTP_SERVER_1, NTP_SERVER_2, NTP_SYNC_RATE
from hub.zigbee.servers.utc_time import TimeServer
from protocols import sntp
from protocols.errors import CodecError
from tests.web.conftest import Served, serving
from tests.web.rpc.test_rpc_http import rci

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NTP_1970 = 2_208_988_800


@dataclass
class TimeService(asyncio.DatagramProtocol):
    """A time server, by how much it is ahead."""

    ahead_s: float = 0.0
    stratum: int = 2
    is_forger: bool = False
    """It does not know which question it answers."""
    asked: int = 0
    port: int = 0
    transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, source: Any) -> None:
        self.asked += 1
        assert (len(data), data[0]) == (48, 0x23)
        stamp = int((NOW.timestamp() + NTP_1970 + self.ahead_s) * 2**32)
        nonce = bytes(8) if self.is_forger else data[40:48]
        head = struct.pack(">BBbb8s4sQ", 0x24, self.stratum, 6, -20, bytes(8), b"TEST", stamp)
        self.transport.sendto(head + nonce + struct.pack(">QQ", stamp, stamp), source)


@asynccontextmanager
async def time_service(**how: Any) -> AsyncIterator[TimeService]:
    service = TimeService(**how)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: service, local_addr=("127.0.0.1", 0)
    )
    service.port = transport.get_extra_info("sockname")[1]
    yield service
    transport.close()


async def use(served: Served, *services: TimeService) -> None:
    for name, service in zip((NTP_SERVER_1, NTP_SERVER_2), services, strict=False):
        await served.hub.registry.set(name, f"127.0.0.1:{service.port}")


async def resync(served: Served) -> str:
    """What comes of it in XML: the name of the response, or what is said; and the same in JSON."""
    [told] = await rci(served, '<resync_time synchronous="TRUE"/>')
    answer = await served.ask("POST", "/api/v1/rpc/resync_time")
    if told.tag == "message":
        text = told.child("description").text  # type: ignore[union-attr]
        assert answer.json["detail"] == text
        return text
    assert (answer.status, answer.json["response"], answer.json["parameters"]) == (200, told.tag, {})
    assert told.children == []
    return told.tag


async def test_the_time_is_not_set_and_one_that_needs_no_setting_is_confirmed(tmp_path: Path) -> None:
    async with serving(tmp_path, clock=ManualClock(NOW)) as served:
        seconds = int(NOW.timestamp())
        for name, value in (("UTC_1970", seconds + 5), ("UTC_2000", seconds - 946_684_800 - 5)):
            [told] = await rci(served, f'<set_time synchronous="TRUE"><{name}>{value}</{name}></set_time>')
            answer = await served.ask("POST", "/api/v1/rpc/set_time", {name: value})
            assert told.tag == answer.json["response"] == "set_time_response"
            assert [(one.tag, one.text) for one in told.children] == [
                ("UTC_1970", f"{seconds:#x}"),
                ("UTC_2000", f"{seconds - 946_684_800:#x}"),
            ]
            assert answer.json["parameters"] == {"UTC_1970": seconds, "UTC_2000": seconds - 946_684_800}
        refused = (await served.ask("POST", "/api/v1/rpc/set_time", {"UTC_1970": seconds + 3600})).problem(409)
        assert "3600 s behind the time given" in refused["detail"]
        assert "timedatectl" in refused["detail"]
        for given, words in (
            ({}, "UTC_1970 is missing; allowed: an int, here or as UTC_2000"),
            ({"UTC_1970": seconds, "UTC_2000": 5}, "allowed: the time of UTC_1970, 2026-01-01T00:00:00Z"),
            ({"UTC_2000": -1}, "UTC_2000 is -1"),
        ):
            assert words in (await served.ask("POST", "/api/v1/rpc/set_time", given)).problem(400)["detail"]
        viewer = await served.new_token("view", "viewer")
        answer = await served.ask("POST", "/api/v1/rpc/set_time", {"UTC_1970": seconds}, token=viewer)
        assert answer.status == 403


async def test_time_servers_are_asked_where_the_machine_does_not_say_that_its_clock_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.ntp.ANSWER_S", 0.3)
    clock = ManualClock(NOW)
    async with (
        serving(tmp_path, clock=clock) as served,
        time_service(ahead_s=0.4) as right,
        time_service(ahead_s=-7200.0) as wrong,
        time_service(stratum=16) as lost,
        time_service(is_forger=True) as forger,
    ):
        assert clock.corrected_at() is None
        await use(served, lost, forger)
        told = await resync(served)
        assert told.count("did not answer within 0.3 s") == 2
        assert clock.corrected_at() is None
        await use(served, wrong, right)
        assert f"7200 s ahead of that of 127.0.0.1:{wrong.port}" in await resync(served)
        assert (clock.corrected_at(), right.asked) == (None, 0)
        await use(served, lost, right)
        assert await resync(served) == "resync_time_response"
        assert (clock.corrected_at(), right.asked) == (NOW, 2)
        for name in (NTP_SERVER_1, NTP_SERVER_2):
            await served.hub.registry.set(name, "")
        assert "no time server is named in the registry" in await resync(served)


def test_a_corrected_clock_counts_as_right_for_the_rate_of_the_registry() -> None:
    clock, rate = ManualClock(NOW), timedelta(hours=2)
    server = TimeServer(clock, UTC, clock.corrected_at, lambda: rate)
    assert server.read(1, 0.0).value == 0x05
    clock.confirm()
    set_at = int(NOW.timestamp()) - 946_684_800
    assert [server.read(number, 0.0).value for number in (1, 8, 9)] == [0x0D, set_at, set_at + 7200]
    clock.advance(7201)
    assert [server.read(number, 0.0).value for number in (1, 8, 9)] == [0x05, None, None]


async def test_the_machines_own_word_is_taken_first(tmp_path: Path) -> None:
    follows = [False]
    clock = SystemClock(lambda: follows[0])
    async with serving(tmp_path, clock=clock) as served:
        await served.hub.registry.set(NTP_SYNC_RATE, 60)
        for name in (NTP_SERVER_1, NTP_SERVER_2):
            await served.hub.registry.set(name, "")
        assert clock.corrected_at() is None
        follows[0] = True
        assert clock.corrected_at() is None, "it is looked once a minute"
        assert await resync(served) == "resync_time_response"
        assert clock.corrected_at() is not None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("pool.ntp.org", ("pool.ntp.org", 123)),
        ("127.0.0.1:1123", ("127.0.0.1", 1123)),
        ("[::1]", ("::1", 123)),
        ("[::1]:1123", ("::1", 1123)),
    ],
)
def test_a_time_server_may_have_a_port(text: str, wanted: tuple[str, int]) -> None:
    assert address(text) == wanted


def test_what_is_no_answer_is_refused() -> None:
    with pytest.raises(InvalidError):
        address("host:0")
    good = bytearray(struct.pack(">BBbb8s4sQQQQ", 0x24, 1, 6, -20, bytes(8), b"GPS\0", 0, 7, 5 << 32, 6 << 32))
    assert sntp.parse(bytes(good), 7) == sntp.Answer(5 + 2**32 - NTP_1970, 6 + 2**32 - NTP_1970)
    for at, value in ((0, 0x23), (0, 0xE4), (1, 0), (1, 16), (31, 8)):
        bad = bytearray(good)
        bad[at] = value
        with pytest.raises(CodecError):
            sntp.parse(bytes(bad), 7)
    with pytest.raises(CodecError):
        sntp.parse(bytes(good[:47]), 7)
