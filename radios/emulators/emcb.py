"""Emulated Eaton EMCB breakers on loopback UDP.

Each breaker has a socket of its own on consecutive loopback addresses, all on one port; one more socket is bound to the
broadcast address and hands what it gets to every breaker, each of which answers from its own address (EMCB chapter 3).

    async with EmcbEmulator(EmcbConfig(count=4)) as emulator:
        emulator.pipe_url, emulator.broadcast_key, emulator.unicast_keys   # what a radio needs
        emulator.breakers[0].trip()
        emulator.faults.loss = 0.2
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random, SystemRandom
from types import TracebackType
from typing import Self

from radios.emulators.emcb_breaker import KEY_SIZE, MAX_DATAGRAM, Breaker
from radios.emulators.emcb_evse import Evse
from radios.emulators.emcb_meter import Meter
from radios.emulators.errors import EmulatorError
from radios.emulators.faults import Faults, Wire
from radios.emulators.home import DAY_S, HOUR_S, LOADS, Home, load_for

DEFAULT_PORT = 32866
"""EMCB chapter 3: "Eaton" on a telephone's keys."""
FIRST_ADDRESS = "127.0.0.2"
BROADCAST_ADDRESS = "127.255.255.255"
MAX_BREAKERS = 1000
"""File descriptors: one socket each, and 1024 are a usual limit."""
EVSE = "evse"
LOAD_KINDS = (*LOADS, EVSE)
RECEIVE_BUFFER_BYTES = 1 << 20
DATAGRAMS_PER_WAKE = 32
PORT_ATTEMPTS = 50
"""A port that is free on the broadcast address may be taken on a breaker's address; then another is tried."""
_LONGER_THAN_ANY = MAX_DATAGRAM + 1

Address = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmcbConfig:
    """How many breakers there are, where, and what is behind them."""

    count: int = 4
    evse: int = 0
    """So many of them, the last ones, are EVSE."""
    bind: str = FIRST_ADDRESS
    """Address of the first breaker; the others follow it."""
    port: int = 0
    """0: one that is free on all addresses."""
    seed: int = 1
    """Device ids, keys, loads and faults follow from it."""
    loads: Sequence[str] = ()
    """Kinds of load, see `LOAD_KINDS`, breaker by breaker; beyond it the usual order of a home."""
    start_of_day_s: float = 18 * HOUR_S + 1200.0
    """Time of day at the start. Chosen: 18:20, when the last sun, the car and the kitchen all are at work."""
    speed: float = 1.0
    """Model seconds per second, of the loads' time of day only."""
    lockout_s: float = 0.0
    """Seconds after a breaker command in which the next is refused (EMCB-LIB: 10; the document: none)."""
    keep_energies: bool = True
    """Energies outlive a reboot."""
    used_before: bool = True
    """Energies start as after months of use, else at 0."""
    consumption_positive: tuple[bool, bool] = (False, False)
    """Poles fed so that consumption counts as positive."""

    def __post_init__(self) -> None:
        if not 0 <= self.count <= MAX_BREAKERS:
            raise EmulatorError(f"count {self.count}: must be from 0 to {MAX_BREAKERS}")
        if not 0 <= self.evse <= self.count:
            raise EmulatorError(f"evse {self.evse}: must be from 0 to the number of breakers, {self.count}")
        if not 0 <= self.port <= 65535:
            raise EmulatorError(f"port {self.port}: must be from 1 to 65535, or 0 for any that is free")
        if not 0 < self.speed <= 100_000:
            raise EmulatorError(f"speed {self.speed:g}: must be above 0 and at most 100000")
        if not 0 <= self.start_of_day_s < DAY_S:
            raise EmulatorError(f"start of day {self.start_of_day_s:g}: must be from 0 to {DAY_S:g} seconds")
        if not 0 <= self.lockout_s <= DAY_S:
            raise EmulatorError(f"lockout {self.lockout_s:g}: must be from 0 to {DAY_S:g} seconds")
        for kind in self.loads:
            _check_kind(kind)
        _loopback(self.bind, "bind")


class EmulatedBreaker(Breaker):
    """A breaker with its place on the network. Made by `EmcbEmulator`."""

    number: int
    """Counts from 1 in the order of making, and is never given again."""
    published_key: bytes
    """The key that the coordinator was told."""

    muted = False
    """It hears and obeys, and its answers are lost."""

    def attach(self, udp: socket.socket, faults: Faults, randomness: Random) -> None:
        """Take its socket; from now on it is heard."""
        self._socket = udp
        self.address: str = udp.getsockname()[0]
        self._port: int = udp.getsockname()[1]
        self._inward = Wire(faults, randomness, self._arrive)
        self._outward = Wire(faults, randomness, self._leave)
        self.send_failures = 0
        asyncio.get_running_loop().add_reader(udp.fileno(), self._readable)

    def detach(self) -> None:
        """Leave the network."""
        self._inward.close()
        self._outward.close()
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()

    def move_to(self, address: str) -> None:
        """Get another address, as from a DHCP server. Raises `EmulatorError` when it is taken."""
        udp = open_socket(_loopback(address, "address"), self._port)
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket, self.address = udp, address
        loop.add_reader(udp.fileno(), self._readable)

    def use_wrong_key(self) -> None:
        """Its unicast key is another than published, as when the keys were renewed without the coordinator."""
        self.set_key(bytes(octet ^ 0x5A for octet in self.published_key))

    def use_published_key(self) -> None:
        """Its unicast key is the published one again."""
        self.set_key(self.published_key)

    def deliver(self, datagram: bytes, source: Address, broadcast: bool) -> None:
        """A datagram is on its way to it."""
        self._inward.carry(datagram, source, broadcast)

    @property
    def lost(self) -> int:
        """Datagrams that the wire lost, both ways."""
        return self._inward.lost + self._outward.lost

    def _readable(self) -> None:
        for _ in range(DATAGRAMS_PER_WAKE):
            try:
                datagram, source = self._socket.recvfrom(_LONGER_THAN_ANY)
            except OSError as error:
                if error.errno in _NOTHING_TO_READ:
                    return
                continue  # an ICMP error for an earlier answer; the socket is still good
            self._inward.carry(datagram, source, False)

    def _arrive(self, datagram: bytes, source: Address, broadcast: bool) -> None:
        if not answerable(source[0]):
            self.counters["received"] += 1
            self.counters["dropped_source"] += 1
            return
        answer = self.receive(datagram, broadcast=broadcast)
        if answer is not None and not self.muted:
            self._outward.carry(answer, source)

    def _leave(self, answer: bytes, destination: Address) -> None:
        try:
            self._socket.sendto(answer, destination)
        except OSError:
            self.send_failures += 1  # as good as lost on the way


class EmcbEmulator:
    """Breakers on one port, as an async context manager."""

    def __init__(
        self,
        config: EmcbConfig | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        randomness: Random | None = None,
    ) -> None:
        """`clock` gives monotonic seconds; `randomness` the sequence numbers at boot, the system's if not given."""
        self.config = config or EmcbConfig()
        self.faults = Faults()
        self.breakers: list[EmulatedBreaker] = []
        self.port = 0
        seed = self.config.seed
        self.broadcast_key = Random(f"{seed} broadcast").randbytes(KEY_SIZE)
        self._clock = clock
        self._boot_randomness = randomness or SystemRandom()
        self._fault_randomness = Random(f"{seed} faults")
        self._home = Home(seed, self.config.start_of_day_s, self.config.speed, clock())
        self._numbers = 0
        self._broadcast: socket.socket | None = None

    async def __aenter__(self) -> Self:
        if not sys.platform.startswith("linux"):
            raise EmulatorError(
                f"the EMCB emulator needs Linux: {sys.platform} has no loopback addresses besides 127.0.0.1"
            )
        try:
            self._open()
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @property
    def pipe_url(self) -> str:
        """What to give to a radio."""
        return f"udp:{BROADCAST_ADDRESS}:{self.port}"

    @property
    def unicast_keys(self) -> Mapping[str, bytes]:
        """Device id -> published key."""
        return {breaker.device_id: breaker.published_key for breaker in self.breakers}

    def toml(self, name: str = "breakers") -> str:
        """The lines for hub.toml."""
        lines = [
            "[[radio]]",
            f'name = "{name}"',
            'driver = "emcb"',
            f'pipe = "{self.pipe_url}"',
            f'broadcast_key = "{self.broadcast_key.hex()}"',
            "[radio.unicast_keys]",
            *(f'"{device_id}" = "{key.hex()}"' for device_id, key in self.unicast_keys.items()),
        ]
        return "\n".join(lines)

    def breaker(self, number: int) -> EmulatedBreaker:
        """The breaker of that number. Raises `EmulatorError`."""
        for breaker in self.breakers:
            if breaker.number == number:
                return breaker
        numbers = ", ".join(str(breaker.number) for breaker in self.breakers) or "none"
        raise EmulatorError(f"there is no breaker {number}; there are: {numbers}")

    def add_breaker(self, load: str | None = None) -> EmulatedBreaker:
        """One more, on the next free address. `load`: one of `LOAD_KINDS`. It starts closed."""
        if len(self.breakers) >= MAX_BREAKERS:
            raise EmulatorError(f"there are {MAX_BREAKERS} breakers already")
        kind = _check_kind(load) if load is not None else self._usual_load(self._numbers)
        first = int(ipaddress.IPv4Address(self.config.bind))
        used = {breaker.address for breaker in self.breakers}
        for offset in range(self._numbers, self._numbers + PORT_ATTEMPTS):
            address = _loopback(str(ipaddress.IPv4Address(first + offset)), "bind")
            if address in used:
                continue
            try:
                udp = open_socket(address, self.port)
            except EmulatorError:
                continue
            return self._make(kind, udp)
        raise EmulatorError(f"no free address for another breaker on port {self.port}")

    def remove_breaker(self, breaker: EmulatedBreaker) -> None:
        """Take one away for good."""
        self.breakers.remove(breaker)
        breaker.detach()

    def _usual_load(self, index: int) -> str:
        config = self.config
        if index < len(config.loads):
            return config.loads[index]
        if config.count - config.evse <= index < config.count:
            return EVSE
        kinds = tuple(LOADS)
        return kinds[index % len(kinds)]

    def _make(self, kind: str, udp: socket.socket) -> EmulatedBreaker:
        config, home, number = self.config, self._home, self._numbers + 1
        seed = config.seed * 1_000_003 + number
        evse = Evse(home) if kind == EVSE else None
        load = load_for(kind, seed) if evse is None else evse
        meter = Meter(
            home,
            load.demand,
            two_pole=load.two_pole,
            leg=number % 2,
            consumption_positive=config.consumption_positive,
            on_consumed=evse.consumed if evse is not None else None,
        )
        if config.used_before:
            meter.live_through_the_past(Random(f"{config.seed} past {number}"))
        key = Random(f"{config.seed} key {number}").randbytes(KEY_SIZE)
        breaker = EmulatedBreaker(
            device_id=f"30000c2a69{(Random(f'{config.seed} ids').getrandbits(23) + number):06x}",
            load=kind,
            keys=(key,),
            broadcast_keys=(self.broadcast_key,),
            meter=meter,
            clock=self._clock,
            randomness=self._boot_randomness,
            evse=evse,
            lockout_s=config.lockout_s,
            keep_energies=config.keep_energies,
        )
        breaker.number, breaker.published_key = number, key
        self._numbers = number
        breaker.attach(udp, self.faults, self._fault_randomness)
        self.breakers.append(breaker)
        return breaker

    def _open(self) -> None:
        config = self.config
        first = int(ipaddress.IPv4Address(config.bind))
        addresses = [_loopback(str(ipaddress.IPv4Address(first + index)), "bind") for index in range(config.count)]
        for attempt in range(PORT_ATTEMPTS):
            opened: list[socket.socket] = []
            try:
                # A port of one's choice may be shared with other emulators, like a network's broadcast address; one
                # that we choose is ours alone.
                opened.append(open_socket(BROADCAST_ADDRESS, config.port, shared=config.port != 0))
                port = opened[0].getsockname()[1]
                for address in addresses:
                    opened.append(open_socket(address, port))
                break
            except EmulatorError:
                for udp in opened:
                    udp.close()
                if config.port or not opened or attempt == PORT_ATTEMPTS - 1:
                    raise
        self.port = port
        self._broadcast, *unicast = opened
        for index, udp in enumerate(unicast):
            self._make(self._usual_load(index), udp)
        asyncio.get_running_loop().add_reader(self._broadcast.fileno(), self._broadcast_readable)

    def _close(self) -> None:
        for breaker in self.breakers:
            breaker.detach()
        if self._broadcast is not None:
            asyncio.get_running_loop().remove_reader(self._broadcast.fileno())
            self._broadcast.close()
            self._broadcast = None

    def _broadcast_readable(self) -> None:
        for _ in range(DATAGRAMS_PER_WAKE):
            if self._broadcast is None:
                return
            try:
                datagram, source = self._broadcast.recvfrom(_LONGER_THAN_ANY)
            except OSError:
                return
            for breaker in tuple(self.breakers):
                breaker.deliver(datagram, source, True)


_NOTHING_TO_READ = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EBADF})


def open_socket(address: str, port: int, *, shared: bool = False) -> socket.socket:
    """A UDP socket bound to `address`. Raises `EmulatorError`."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        udp.setblocking(False)
        if shared:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        udp.bind((address, port))
    except OSError as error:
        udp.close()
        raise EmulatorError(f"cannot bind UDP {address}:{port}: {error.strerror}") from error
    return udp


def answerable(source: str) -> bool:
    """Whether a breaker answers that address: private ones only (EMCB 2.1). Chosen: loopback is private too."""
    if source.startswith(("127.", "10.", "192.168.")):
        return True
    first, second, *_ = source.split(".")
    return first == "172" and 16 <= int(second) <= 31


def _loopback(text: str, name: str) -> str:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise EmulatorError(f"{name} {text!r}: not an IPv4 address") from None
    if not address.is_loopback or text == BROADCAST_ADDRESS:
        raise EmulatorError(f"{name} {text}: must be a loopback address, 127.0.0.1 to 127.255.255.254")
    return str(address)


def _check_kind(kind: str) -> str:
    if kind not in LOAD_KINDS:
        raise EmulatorError(f"load {kind!r}: must be one of {', '.join(LOAD_KINDS)}")
    return kind
