"""What Smart Energy devices have in common: a clock that a server sets, and clients that look for their servers."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from radios.emulators import zcl
from radios.emulators.air import BROADCAST_AWAKE, COORDINATOR, AirFrame
from radios.emulators.attributes import Attribute
from radios.emulators.device import KEY_ESTABLISHMENT, SMART_ENERGY, Cluster, EmulatedDevice, Endpoint
from radios.emulators.se_keys import KeyInitiator
from radios.emulators.se_payloads import NEVER_SET
from radios.emulators.servers import basic, identify

ENDPOINT = 0x0A
MATCH_DESCRIPTOR, MATCH_DESCRIPTOR_RESPONSE = 0x0006, 0x8006
SEARCH_AGAIN_S, SEARCHES, SEARCH_LATER_S = 3.0, 5, 300.0
"""From one search for a server to the next, how many, and then. These are seconds of the person who looks on: whoever
answers does not live faster than that, however fast the devices' time goes."""
ASK_AGAIN_S, ASKED_AT_MOST, LEAST_POLL_S = 3.0, 3, 10.0
"""The same of a question to a server, and the shortest time from one answer to the next question."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The other side of a cluster."""

    short: int
    endpoint: int


class Clock:
    """Counts the device's own seconds until a server has told it the time."""

    def __init__(self, model_time: Callable[[], float]) -> None:
        self._model_time = model_time
        self._ahead = 0.0
        self.is_set = False
        self.first_set: list[Callable[[float], None]] = []
        """Told once how far the clock jumped when it was set first: what was measured by it jumps along."""

    @property
    def now(self) -> float:
        """Seconds since 2000-01-01 UTC, once it is set."""
        return self._model_time() + self._ahead

    @property
    def stamp(self) -> int:
        """The time as frames carry it; the invalid one while nobody has told it."""
        return int(self.now) & 0xFFFFFFFF if self.is_set else NEVER_SET

    def set(self, utc: float) -> None:
        """Somebody knows the time."""
        jump = utc - self.now
        self._ahead += jump
        if not self.is_set:
            self.is_set = True
            for told in self.first_set:
                told(jump)


class Client:
    """A base: the client side of one cluster. It asks its server when it is found, and now and then."""

    cluster: ClassVar[int]
    poll_s: ClassVar[float] = 0.0
    """Its own time from an answer to the next question; 0: it asks nothing."""

    def __init__(self, device: SmartEnergyDevice, attributes: dict[int, Attribute] | None = None) -> None:
        self.device, self.clock = device, device.clock
        self.side = Cluster(attributes or {}, hear=self._hear)
        self._asked = 0
        self._due = 0.0

    @property
    def server(self) -> Peer | None:
        """Whom it asks; None: nobody is found yet."""
        return self.device.servers.get(self.cluster)

    def found(self) -> None:
        """Its server is found: ask with the next tick."""
        self._asked, self._due = 0, 0.0

    def forget(self) -> None:
        """The device has left its network."""

    def ask(self, server: Peer) -> None:
        """Send the question."""

    def heard(self, peer: Peer, header: zcl.Header, payload: bytes) -> int | None:
        """A command came. Gives its status, or None: it was answered."""
        return zcl.UNSUP_CLUSTER_COMMAND

    def read(self, values: dict[int, zcl.Value]) -> None:
        """Attributes of the server came."""

    def answered(self, peer: Peer, header: zcl.Header, payload: bytes) -> None:
        """A general command came that answers another one."""

    def tick(self) -> None:
        """Ask when it is time."""
        now, server = asyncio.get_running_loop().time(), self.server
        if not self.poll_s or server is None or now < self._due:
            return
        self._asked += 1
        self._due = now + (ASK_AGAIN_S if self._asked < ASKED_AT_MOST else self._pause())
        self.ask(server)

    def _pause(self) -> float:
        return max(self.poll_s / self.device.speed, LEAST_POLL_S)

    def settled(self) -> None:
        """The server has answered: no question for a while."""
        self._asked, self._due = 0, asyncio.get_running_loop().time() + self._pause()

    def say(
        self,
        peer: Peer,
        command: int,
        payload: bytes,
        *,
        tsn: int | None = None,
        quiet: bool = True,
        is_cluster: bool = True,
    ) -> int:
        """Send a command to a server; its transaction number."""
        number = self.device.next_tsn() if tsn is None else tsn
        body = zcl.frame(number, command, payload, is_cluster=is_cluster, to_client=False, quiet=quiet)
        self.device.say(ENDPOINT, self.cluster, body, to=peer.short, to_endpoint=peer.endpoint)
        return number

    def read_from(self, peer: Peer, *attributes: int) -> None:
        """Send a Read Attributes."""
        self.say(peer, zcl.READ, struct.pack(f"<{len(attributes)}H", *attributes), is_cluster=False)

    def _hear(self, frame: AirFrame, header: zcl.Header, payload: bytes) -> int | None:
        peer = Peer(frame.source, frame.source_endpoint)
        if header.is_cluster:
            status = self.heard(peer, header, payload)
            if peer == self.server:
                self.settled()
            return status
        if header.command == zcl.READ_RESPONSE:
            self.read(zcl.records(payload))
        elif header.command == zcl.REPORT:
            self.read(_reported(payload))
        elif header.command == zcl.DEFAULT_RESPONSE and peer == self.server:
            self.settled()
        self.answered(peer, header, payload)
        return None


def _reported(payload: bytes) -> dict[int, zcl.Value]:
    found: dict[int, zcl.Value] = {}
    at = 0
    while at < len(payload):
        attribute, type_id = struct.unpack_from("<HB", payload, at)
        found[attribute], at = zcl.unpack(type_id, payload, at + 3)
    return found


class SmartEnergyDevice(EmulatedDevice):
    """A base: one endpoint of the Smart Energy profile. Its clients look for servers once keys are established."""

    device_type: ClassVar[int]

    def build(self) -> None:
        """The endpoint, with the clients of the class that derives from it."""
        self.clock = Clock(self.model_time)
        self.keys = KeyInitiator(self)
        self._joining_key: bytes | None = None
        """That another one has taken the place of."""
        self.servers: dict[int, Peer] = {}
        """Found ones, by cluster."""
        self.clients: dict[int, Client] = {client.cluster: client for client in self.make_clients()}
        self._searches: dict[int, tuple[int, float]] = {}
        self._asked_for: dict[int, int] = {}
        self.endpoints = {
            ENDPOINT: Endpoint(
                self.device_type,
                {0x0000: basic(self), 0x0003: identify(self), KEY_ESTABLISHMENT: self.keys.server},
                (*self.clients, KEY_ESTABLISHMENT),
                profile=SMART_ENERGY,
                client_sides=self.client_sides(),
            )
        }

    def client_sides(self) -> dict[int, Cluster]:
        """Of its endpoint."""
        sides = {cluster: client.side for cluster, client in self.clients.items()}
        return {**sides, KEY_ESTABLISHMENT: self.keys.client}

    def make_clients(self) -> tuple[Client, ...]:
        """Its clients, in the order in which they look for their servers."""
        return ()

    def shown(self) -> dict[str, object]:
        """What it knows, for those who look on."""
        keys: dict[str, object] = {}
        if self.keys.certificate is not None:
            keys = {"keys_established": self.keys.established, "keys_refused": self.keys.refusal or None}
        return {"time": self.clock.stamp if self.clock.is_set else None, **keys}

    # -- keys ----------------------------------------------------------------------------------------------------------

    def establish_keys(self, endpoint: int) -> bool:
        """See `EmulatedDevice`."""
        self.keys.begin(endpoint)
        return self.keys.certificate is not None

    def say_keys(self, body: bytes, endpoint: int) -> None:
        """A message of key establishment, to an endpoint of the coordinator."""
        self.say(ENDPOINT, KEY_ESTABLISHMENT, body, to_endpoint=endpoint)

    def has_new_key(self, link_key: bytes) -> None:
        """Keys are established with the coordinator's host."""
        if self._joining_key is None:
            self._joining_key = self.link_key
        self.link_key, self.is_authenticated = link_key, True
        self.authenticated()

    def authenticated(self) -> None:
        """Look for servers anew."""
        self.servers.clear()
        self._asked_for.clear()
        self._searches = dict.fromkeys(self.clients, (0, 0.0))

    def network_left(self, *, rejoin: bool) -> None:
        """A device that left forgets its servers, and what they told it."""
        super().network_left(rejoin=rejoin)
        self.keys.forget()
        if not rejoin and self._joining_key is not None:
            self.link_key, self._joining_key = self._joining_key, None
        self._searches.clear()
        self.servers.clear()
        if not rejoin:
            for client in self.clients.values():
                client.forget()

    def tick(self) -> None:
        """Look for a server, ask those that are found."""
        if self.is_authenticated:
            self._search()
            for client in self.clients.values():
                client.tick()

    def _search(self) -> None:
        """One search at a time: the coordinator first, then everybody."""
        now = asyncio.get_running_loop().time()
        for cluster, (searches, due) in self._searches.items():
            if now < due:
                continue
            self._searches[cluster] = searches + 1, now + (SEARCH_AGAIN_S if searches < SEARCHES else SEARCH_LATER_S)
            tsn = self.next_tsn()
            self._asked_for[tsn] = cluster
            to = BROADCAST_AWAKE if searches % 2 or self.short == COORDINATOR else COORDINATOR
            body = struct.pack("<BHHBHB", tsn, to, SMART_ENERGY, 1, cluster, 0)
            self._send(0, 0, 0, MATCH_DESCRIPTOR, body, to)
            return

    def object_answered(self, cluster: int, tsn: int, body: bytes) -> None:
        """Somebody has a server that is looked for."""
        wanted = self._asked_for.get(tsn)
        if cluster != MATCH_DESCRIPTOR_RESPONSE or wanted is None or wanted in self.servers:
            return
        if len(body) < 5 or body[0] != 0 or body[3] == 0:
            return
        self._searches.pop(wanted, None)
        self.servers[wanted] = Peer(body[1] | body[2] << 8, body[4])
        self.clients[wanted].found()
