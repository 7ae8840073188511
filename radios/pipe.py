"""What carries a radio's bytes. A pipe is named by a URL; this slice has datagrams only:

udp:192.168.1.255:32866                      broadcast address and port
udp:192.168.1.255,10.0.0.255:32866           several interfaces
udp:auto:32866                               the broadcast address of every private interface that is up
udp:192.168.1.255:32866?local=192.168.1.4    sent from this address only
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

from radios.api import OptionError, PipeError

log = logging.getLogger(__name__)

Address = tuple[str, int]
"""An IPv4 address and a port."""

RECEIVE_BUFFER_BYTES = 1 << 20
"""Asked of the kernel: 200 breakers may answer one broadcast at once, with 310 bytes each and the kernel's overhead."""
MAX_DATAGRAM_BYTES = 2048
"""Longer than any datagram of a radio that we carry, so that an oversize one is seen as such."""
DATAGRAMS_PER_WAKE = 64
"""Read at most so many before other tasks get their turn."""
_SIOCGIFBRDADDR = 0x8919
_SIOCGIFFLAGS = 0x8913
_IFF_UP, _IFF_BROADCAST = 0x1, 0x2


@dataclass(frozen=True, slots=True)
class UdpUrl:
    """A parsed `udp:` URL. `targets` is empty for `auto`."""

    targets: tuple[str, ...]
    port: int
    local: str | None


def parse_udp_url(url: str) -> UdpUrl:
    """Read a `udp:` URL. Raises `OptionError` that names the part which is wrong."""
    scheme, _, rest = url.partition(":")
    if scheme != "udp":
        raise OptionError("pipe", f"{url!r}: this driver takes udp:ADDRESS[,ADDRESS...]:PORT")
    place, _, query = rest.partition("?")
    hosts, separator, port_text = place.rpartition(":")
    if not separator or not port_text.isdecimal() or not 0 < int(port_text) < 65536:
        raise OptionError("pipe", f"{url!r}: the port must be 1 to 65535, as in udp:192.168.1.255:32866")
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(set(options) - {"local"})
    if unknown:
        raise OptionError("pipe", f"{url!r}: unknown option {unknown[0]!r}; known is local")
    targets = () if hosts == "auto" else tuple(_private(url, host) for host in hosts.split(","))
    local = _private(url, options["local"]) if "local" in options else None
    return UdpUrl(targets, int(port_text), local)


def _private(url: str, text: str) -> str:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise OptionError("pipe", f"{url!r}: {text!r} is not an IPv4 address") from None
    if not (address.is_private or address.is_loopback) or address.is_unspecified or address == BROADCAST_ALL:
        raise OptionError(
            "pipe", f"{url!r}: {text} is not an address of a private network (10/8, 172.16/12, 192.168/16)"
        )
    return str(address)


BROADCAST_ALL = ipaddress.IPv4Address("255.255.255.255")
"""Refused: breakers listen on their network's own broadcast address (EMCB chapter 3)."""


def interface_broadcasts() -> tuple[str, ...]:
    """The broadcast address of every interface that is up and private, loopback left out. Linux only; else empty."""
    try:
        import fcntl
    except ImportError:  # pragma: no cover - no such call on this system
        return ()
    found: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                flags = struct.unpack_from("<H", fcntl.ioctl(probe, _SIOCGIFFLAGS, request), 16)[0]
                if flags & (_IFF_UP | _IFF_BROADCAST) != _IFF_UP | _IFF_BROADCAST:
                    continue
                raw = fcntl.ioctl(probe, _SIOCGIFBRDADDR, request)[20:24]
            except OSError:
                continue
            address = ipaddress.IPv4Address(raw)
            if address.is_private and not address.is_loopback and not address.is_unspecified:
                found.append(str(address))
    return tuple(dict.fromkeys(found))


class DatagramPipe:
    """A UDP socket that can broadcast. Received datagrams go straight to `on_datagram`, in the loop's thread."""

    def __init__(self, url: str, on_datagram: Callable[[bytes, Address], None]) -> None:
        self.url = parse_udp_url(url)
        self._on_datagram = on_datagram
        self._socket: socket.socket | None = None
        self.send_failures = 0

    async def __aenter__(self) -> Self:
        local = self.url.local or ("127.0.0.1" if self._is_loopback() else "0.0.0.0")
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.setblocking(False)
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            udp.bind((local, 0))
        except OSError as error:
            udp.close()
            raise PipeError(f"cannot open a UDP socket on {local}: {error.strerror}") from error
        self._socket = udp
        asyncio.get_running_loop().add_reader(udp.fileno(), self._readable)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _is_loopback(self) -> bool:
        return bool(self.url.targets) and all(ipaddress.IPv4Address(host).is_loopback for host in self.url.targets)

    @property
    def broadcast_addresses(self) -> tuple[Address, ...]:
        """Where a broadcast goes; read anew each time for `auto`, since interfaces come and go."""
        return tuple((host, self.url.port) for host in self.url.targets or interface_broadcasts())

    def send(self, datagram: bytes, address: Address) -> bool:
        """Send one datagram. False when the system refused it, which is as good as a datagram lost on the way."""
        if self._socket is None:
            return False
        try:
            self._socket.sendto(datagram, address)
        except OSError as error:
            self.send_failures += 1
            if error.errno not in _PASSING:
                log.warning("%s:%s: cannot send: %s", *address, error.strerror)
            return False
        return True

    def _readable(self) -> None:
        for _ in range(DATAGRAMS_PER_WAKE):
            if self._socket is None:
                return
            try:
                datagram, address = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                # An ICMP "port unreachable" for an earlier datagram comes back here; the socket is still good.
                log.debug("udp: %s", error.strerror)
                continue
            self._on_datagram(datagram, address)


_PASSING = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH})
"""Refusals that come and go with the network; counted, not logged one by one."""
