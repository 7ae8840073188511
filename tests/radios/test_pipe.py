"""UDP pipes: the URL, and real datagrams over loopback."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest

from radios.api import OptionError, PipeError
from radios.pipe import Address, DatagramPipe, interface_broadcasts, parse_udp_url


def test_the_url_names_targets_port_and_local_address() -> None:
    assert parse_udp_url("udp:192.168.1.255:32866").targets == ("192.168.1.255",)
    several = parse_udp_url("udp:192.168.1.255,10.0.0.255:32866?local=192.168.1.4")
    assert (several.targets, several.port, several.local) == (("192.168.1.255", "10.0.0.255"), 32866, "192.168.1.4")
    assert parse_udp_url("udp:auto:32866").targets == ()


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("serial:/dev/ttyUSB0", "takes udp:ADDRESS"),
        ("udp:192.168.1.255", "the port must be 1 to 65535"),
        ("udp:192.168.1.255:0", "the port must be 1 to 65535"),
        ("udp:192.168.1.255:70000", "the port must be 1 to 65535"),
        ("udp:breakers.local:32866", "'breakers.local' is not an IPv4 address"),
        ("udp:8.8.8.8:32866", "8.8.8.8 is not an address of a private network"),
        ("udp:255.255.255.255:32866", "255.255.255.255 is not an address"),
        ("udp:0.0.0.0:32866", "0.0.0.0 is not an address"),
        ("udp:10.0.0.255:32866?ttl=3", "unknown option 'ttl'"),
        ("udp:10.0.0.255:32866?local=example", "'example' is not an IPv4 address"),
    ],
)
def test_what_is_wrong_with_a_url_is_named(url: str, named: str) -> None:
    with pytest.raises(OptionError, match=re.escape(named)):
        parse_udp_url(url)


async def test_datagrams_go_both_ways_and_a_broadcast_arrives() -> None:
    received: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.255.255.255", 0))
        far.settimeout(2)
        port = far.getsockname()[1]
        async with DatagramPipe(
            f"udp:127.255.255.255:{port}", lambda data, address: received.put_nowait((data, address))
        ) as pipe:
            assert pipe.broadcast_addresses == (("127.255.255.255", port),)
            assert pipe.send(b"who is there", pipe.broadcast_addresses[0])
            data, address = far.recvfrom(100)
            assert data == b"who is there"
            assert address[0] == "127.0.0.1", "a loopback target is never asked from another address"
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as breaker:
                breaker.bind(("127.0.0.9", 0))
                breaker.sendto(b"me", address)
                async with asyncio.timeout(2):
                    assert await received.get() == (b"me", breaker.getsockname())
        assert not pipe.send(b"late", ("127.0.0.1", port)), "closed"


async def test_an_oversize_datagram_is_seen_as_oversize() -> None:
    received: asyncio.Queue[bytes] = asyncio.Queue()
    async with DatagramPipe("udp:127.255.255.255:9", lambda data, _: received.put_nowait(data)) as pipe:
        assert pipe._socket is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
            far.sendto(b"x" * 5000, pipe._socket.getsockname())
        async with asyncio.timeout(2):
            assert len(await received.get()) > 1500


async def test_a_local_address_that_this_machine_does_not_have_is_a_clear_error() -> None:
    with pytest.raises(PipeError, match=r"cannot open a UDP socket on 192\.168\.213\.77"):
        await DatagramPipe("udp:127.255.255.255:9?local=192.168.213.77", lambda *_: None).__aenter__()


async def test_nobody_at_the_other_end_is_not_an_error_of_ours() -> None:
    async with DatagramPipe("udp:127.255.255.255:9", lambda *_: None) as pipe:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
            unused.bind(("127.0.0.8", 0))
            address = unused.getsockname()
        for _ in range(3):
            pipe.send(b"x", address)
            await asyncio.sleep(0)


def test_the_interfaces_broadcast_addresses_are_private_and_not_loopback() -> None:
    for address in interface_broadcasts():
        assert parse_udp_url(f"udp:{address}:1").targets == (address,)
        assert not address.startswith("127.")
