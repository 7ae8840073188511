"""Pipes that carry a stream of bytes: serial ports, pseudo terminals, TCP.

serial:/dev/serial/by-id/usb-...-port0               115200 baud, 8N1
serial:/dev/ttyUSB0?baud=1000000&rtscts=1            another rate, with flow control
pty:/dev/pts/7                                       an emulator on this machine
tcp:192.168.1.40:9999                                a stick on the LAN
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import ipaddress
import logging
import os
import socket
import termios
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

from radios.api import OptionError, PipeError, RadioLostError
from radios.errors import PortForbiddenError, PortInUseError

log = logging.getLogger(__name__)

DEFAULT_BAUD = 115200
DEFAULT_TCP_PORT = 9999
"""Of the WiFi ZiGate (ZIGATE, transport)."""
CONNECT_S = 5.0
READ_BYTES = 4096
READS_PER_WAKE = 16
"""Read at most so often before other tasks get their turn."""
MAX_UNSENT_BYTES = 64 * 1024
"""A stick that takes nothing for so long is lost, not slow: its whole send buffer is 150 bytes."""
_BAUDS = {
    int(name[1:]): getattr(termios, name) for name in dir(termios) if name.startswith("B") and name[1:].isdecimal()
}
FORMS = "serial:/dev/...[?baud=115200&rtscts=1], pty:/dev/pts/N or tcp:HOST:PORT"


@dataclass(frozen=True, slots=True)
class StreamUrl:
    """A parsed URL. `path` of a serial port or pseudo terminal, else `host` and `port`."""

    kind: str
    path: str = ""
    baud: int = DEFAULT_BAUD
    rtscts: bool = False
    host: str = ""
    port: int = 0

    @property
    def peer(self) -> str:
        """The far side, for traces."""
        return self.path or f"{self.host}:{self.port}"

    @property
    def text(self) -> str:
        """As it is written in hub.toml: without what goes without saying."""
        said = {"baud": (self.baud, DEFAULT_BAUD), "rtscts": (int(self.rtscts), 0)}
        options = "&".join(f"{name}={value}" for name, (value, usual) in said.items() if value != usual)
        return f"{self.kind}:{self.peer}{'?' if options else ''}{options}"


def parse_stream_url(url: str, default_port: int = DEFAULT_TCP_PORT) -> StreamUrl:
    """Read a stream URL. Raises `OptionError` that names the part which is wrong."""
    kind, _, rest = url.partition(":")
    place, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    known = {"serial": {"baud", "rtscts"}, "pty": set[str](), "tcp": set[str]()}.get(kind)
    if known is None:
        raise OptionError("pipe", f"{url!r}: this driver takes {FORMS}")
    unknown = sorted(set(options) - known)
    if unknown:
        allowed = f"known are {', '.join(sorted(known))}" if known else f"{kind}: takes none"
        raise OptionError("pipe", f"{url!r}: unknown option {unknown[0]!r}; {allowed}")
    if kind == "tcp":
        return _tcp(url, place, default_port)
    if not place.startswith("/"):
        raise OptionError(
            "pipe", f"{url!r}: a path is needed, as in {kind}:/dev/{'ttyUSB0' if kind == 'serial' else 'pts/7'}"
        )
    baud_text, flow = options.get("baud", str(DEFAULT_BAUD)), options.get("rtscts", "0")
    if not baud_text.isdecimal() or int(baud_text) not in _BAUDS or not int(baud_text):
        rates = ", ".join(str(rate) for rate in sorted(_BAUDS) if rate >= 9600)
        raise OptionError("pipe", f"{url!r}: baud {baud_text!r} is none of {rates}")
    if flow not in ("0", "1"):
        raise OptionError("pipe", f"{url!r}: rtscts {flow!r} is neither 0 nor 1")
    return StreamUrl(kind, path=place, baud=int(baud_text), rtscts=flow == "1")


def _tcp(url: str, place: str, default_port: int) -> StreamUrl:
    host, separator, port_text = place.rpartition(":")
    if not separator:
        host, port_text = place, str(default_port)
    if not host or not port_text.isdecimal() or not 0 < int(port_text) < 65536:
        raise OptionError("pipe", f"{url!r}: a host and a port from 1 to 65535 are needed, as in tcp:192.168.1.40:9999")
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        pass  # a name: of this network, it is to be hoped; an address can be checked
    else:
        if not (address.is_private or address.is_loopback) or address.is_unspecified:
            raise OptionError("pipe", f"{url!r}: {host} is not an address of a private network")
    return StreamUrl("tcp", host=host, port=int(port_text))


class StreamPipe:
    """An open stream. What is received goes straight to `on_bytes`, in the loop's thread; the end to `on_lost`."""

    def __init__(self, url: StreamUrl, on_bytes: Callable[[bytes], None], on_lost: Callable[[str], None]) -> None:
        self.url = url
        self._on_bytes, self._on_lost = on_bytes, on_lost
        self._file: int | None = None
        self._socket: socket.socket | None = None
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0

    async def __aenter__(self) -> Self:
        """Open it. Raises `PipeError` that says what to do."""
        if self.url.kind == "tcp":
            self._socket = await _connect(self.url)
            self._file = self._socket.fileno()
        else:
            self._file = _open_terminal(self.url)
        asyncio.get_running_loop().add_reader(self._file, self._readable)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._file is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._file)
        loop.remove_writer(self._file)
        if self._socket is not None:
            self._socket.close()
        else:
            with suppress(OSError, termios.error):
                # A pseudo terminal stays exclusive while its far side is open; a port that was pulled out has no say.
                fcntl.ioctl(self._file, termios.TIOCNXCL)
            os.close(self._file)
        self._file = self._socket = None
        self._unsent.clear()
        self._unsent_bytes = 0

    def write(self, data: bytes) -> None:
        """Send bytes, now or when the far side takes them. Raises `RadioLostError` when it is closed or stuck."""
        if self._file is None:
            raise RadioLostError(f"{self.url.peer} is closed")
        if self._unsent_bytes + len(data) > MAX_UNSENT_BYTES:
            self._lost("takes no bytes any more")
            raise RadioLostError(f"{self.url.peer} takes no bytes any more")
        self._unsent.append(data)
        self._unsent_bytes += len(data)
        if len(self._unsent) > 1:
            return  # its turn comes when there is room
        self._writable()
        if self._file is not None and self._unsent:
            asyncio.get_running_loop().add_writer(self._file, self._written)

    def _written(self) -> None:
        """There is room again."""
        self._writable()
        if self._file is not None and not self._unsent:
            asyncio.get_running_loop().remove_writer(self._file)

    def _writable(self) -> None:
        """Write what goes now."""
        while self._file is not None and self._unsent:
            data = self._unsent[0]
            try:
                sent = os.write(self._file, data)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._lost(_why(error))
                return
            self._unsent_bytes -= sent
            if sent < len(data):
                self._unsent[0] = data[sent:]
                return
            self._unsent.popleft()

    def _readable(self) -> None:
        for _ in range(READS_PER_WAKE):
            if self._file is None:
                return
            try:
                data = os.read(self._file, READ_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._lost(_why(error))
                return
            if not data:
                self._lost("the far side closed it" if self._socket is not None else "it was unplugged")
                return
            self._on_bytes(data)

    def _lost(self, why: str) -> None:
        self._close()
        self._on_lost(f"{self.url.peer}: {why}")


def _why(error: OSError) -> str:
    if error.errno in (errno.EIO, errno.ENXIO, errno.ENODEV, errno.EBADF):
        return "it was unplugged"
    return error.strerror or str(error)


async def _connect(url: StreamUrl) -> socket.socket:
    loop = asyncio.get_running_loop()
    stream: socket.socket | None = None
    try:
        async with asyncio.timeout(CONNECT_S):
            found = await loop.getaddrinfo(url.host, url.port, family=socket.AF_INET, type=socket.SOCK_STREAM)
            stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            stream.setblocking(False)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            await loop.sock_connect(stream, found[0][4])
    except TimeoutError:
        _drop(stream)
        raise PipeError(
            f"{url.peer} does not answer within {CONNECT_S:g} s: is it on, and is the address right?"
        ) from None
    except OSError as error:
        _drop(stream)
        raise PipeError(f"cannot connect to {url.peer}: {error.strerror or error}") from None
    except BaseException:
        _drop(stream)
        raise
    return stream


def _drop(stream: socket.socket | None) -> None:
    if stream is not None:
        stream.close()


def _open_terminal(url: StreamUrl) -> int:
    try:
        file = os.open(url.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        there = sorted(map(str, Path("/dev/serial/by-id").glob("*")))
        hint = f"there are {', '.join(there)}" if there else "no USB serial port is plugged in"
        raise PipeError(f"there is no {url.path}: {hint}") from None
    except PermissionError:
        raise PortForbiddenError(
            f"{url.path} may not be opened: add this user to its group, as by `sudo usermod -aG dialout $USER`, "
            "and log in again"
        ) from None
    except OSError as error:
        if error.errno == errno.EBUSY:  # opened exclusively; root is let through, and meets the lock
            raise PortInUseError(f"{url.path} is in use by another program") from None
        raise PipeError(f"{url.path} cannot be opened: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.ioctl(file, termios.TIOCEXCL)
        _make_raw(file, url)
    except BlockingIOError:
        os.close(file)
        raise PortInUseError(f"{url.path} is in use by another program") from None
    except (OSError, termios.error) as error:
        os.close(file)
        raise PipeError(f"{url.path} is no serial port: {error.args[-1]}") from None
    return file


def _make_raw(file: int, url: StreamUrl) -> None:
    """8N1, no echo, no translation of any byte."""
    iflag, oflag, cflag, lflag, ispeed, ospeed, characters = termios.tcgetattr(file)
    iflag &= ~(
        termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP
        | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON | termios.IXOFF
    )  # fmt: skip
    oflag &= ~termios.OPOST
    lflag &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    cflag &= ~(termios.CSIZE | termios.PARENB | termios.CSTOPB | termios.CRTSCTS)
    cflag |= termios.CS8 | termios.CREAD | termios.CLOCAL
    if url.rtscts:
        cflag |= termios.CRTSCTS
    if url.kind == "serial":
        ispeed = ospeed = _BAUDS[url.baud]
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    termios.tcsetattr(file, termios.TCSANOW, [iflag, oflag, cflag, lflag, ispeed, ospeed, characters])
    termios.tcflush(file, termios.TCIFLUSH)
