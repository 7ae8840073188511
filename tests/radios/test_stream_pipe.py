"""Serial ports, pseudo terminals, TCP: their URLs, and what happens when they go."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import pty
import tty
from pathlib import Path

import pytest

from radios.api import OptionError, PipeError, RadioLostError
from radios.stream import MAX_UNSENT_BYTES, StreamPipe, StreamUrl, parse_stream_url


@pytest.mark.parametrize(
    ("url", "parsed"),
    [
        ("serial:/dev/ttyUSB0", StreamUrl("serial", "/dev/ttyUSB0")),
        ("serial:/dev/ttyUSB0?baud=1000000&rtscts=1", StreamUrl("serial", "/dev/ttyUSB0", 1_000_000, True)),
        ("pty:/dev/pts/7", StreamUrl("pty", "/dev/pts/7")),
        ("tcp:192.168.1.40:9999", StreamUrl("tcp", host="192.168.1.40", port=9999)),
        ("tcp:zigate.local", StreamUrl("tcp", host="zigate.local", port=9999)),
    ],
)
def test_urls_are_read(url: str, parsed: StreamUrl) -> None:
    assert parse_stream_url(url) == parsed


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("/dev/ttyUSB0", "serial:/dev/"),
        ("udp:127.0.0.1:9", "serial:/dev/"),
        ("serial:ttyUSB0", "a path is needed"),
        ("serial:/dev/ttyUSB0?baud=123", "115200"),
        ("serial:/dev/ttyUSB0?boud=9600", "known are baud, rtscts"),
        ("serial:/dev/ttyUSB0?rtscts=yes", "neither 0 nor 1"),
        ("pty:/dev/pts/7?baud=9600", "takes none"),
        ("tcp:192.168.1.40:99999", "1 to 65535"),
        ("tcp:8.8.8.8:9999", "private network"),
        ("tcp::9999", "a host"),
    ],
)
def test_a_wrong_url_is_refused_by_its_part(url: str, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        parse_stream_url(url)


class Ends:
    """What a pipe says."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.lost: list[str] = []

    def pipe(self, url: str) -> StreamPipe:
        return StreamPipe(parse_stream_url(url), self.data.extend, self.lost.append)


async def until(condition: object) -> None:
    async with asyncio.timeout(5):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110 - no one event
            await asyncio.sleep(0.01)


async def test_bytes_go_both_ways_unchanged_and_an_unplugged_port_is_told_once() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    ends = Ends()
    everything = bytes(range(256))
    async with ends.pipe(f"pty:{os.ttyname(slave)}") as pipe:
        pipe.write(everything)
        await asyncio.sleep(0.05)
        assert os.read(master, 1000) == everything
        os.write(master, everything)
        await until(lambda: len(ends.data) == 256)
        assert bytes(ends.data) == everything
        os.close(slave)
        os.close(master)
        await until(lambda: ends.lost)
        assert "unplugged" in ends.lost[0]
        with pytest.raises(RadioLostError):
            pipe.write(b"x")
    assert len(ends.lost) == 1


async def test_a_port_that_takes_nothing_is_lost_and_memory_does_not_grow() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    ends = Ends()
    async with ends.pipe(f"pty:{os.ttyname(slave)}") as pipe:
        with pytest.raises(RadioLostError, match="takes no bytes"):
            for _ in range(2 * MAX_UNSENT_BYTES // 1024 + 64):
                pipe.write(bytes(1024))
        assert ends.lost
    os.close(slave)
    os.close(master)


async def test_a_tcp_stick_that_hangs_up_is_lost() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ends = Ends()
    async with server, ends.pipe(f"tcp:127.0.0.1:{port}"):
        await until(lambda: ends.lost)
    assert bytes(ends.data) == b"hello"
    assert "closed it" in ends.lost[0]


async def test_what_cannot_be_opened_says_what_to_do(tmp_path: Path) -> None:
    plain = tmp_path / "file"
    plain.write_text("")
    for url, says in (
        (f"serial:{tmp_path}/ttyUSB9", "there is no"),
        (f"serial:{plain}", "no serial port"),
        ("tcp:127.0.0.1:1", "cannot connect"),
    ):
        with pytest.raises(PipeError, match=says):
            async with Ends().pipe(url):
                pass


async def test_two_programs_do_not_share_a_port() -> None:
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    async with Ends().pipe(f"pty:{name}"):
        with pytest.raises(PipeError, match="in use by another program"):
            async with Ends().pipe(f"pty:{name}"):
                pass
    os.close(slave)
    os.close(master)


async def test_a_closed_port_may_be_opened_again_while_its_far_side_stays_open() -> None:
    far, near = pty.openpty()
    path = os.ttyname(near)
    os.close(near)
    try:
        async with Ends().pipe(f"pty:{path}"):
            assert is_exclusive(path)
        assert not is_exclusive(path)
    finally:
        os.close(far)


def is_exclusive(path: str) -> bool:
    """Whether only root may open it (TIOCGEXCL, which termios does not name); who may not open it knows too."""
    try:
        file = os.open(path, os.O_RDWR | os.O_NOCTTY)
    except OSError as error:
        assert error.errno == errno.EBUSY
        return True
    try:
        return fcntl.ioctl(file, 0x80045440, bytes(4)) != bytes(4)
    finally:
        os.close(file)
