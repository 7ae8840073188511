"""Reading the time of the network on which we are a client, and the Smart Energy clock that follows from it.

People's times and the history stay the machine's, which nobody sets from here. Our clients of events, prices and
messages go by the network's time where the machine's was never set, or is more than a minute away from it: what a
server says is meant by its own clock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from datetime import timedelta

from hub.clock import Clock
from hub.errors import HubError
from hub.smart_energy.peer import Peer
from hub.smart_energy.time_client import LIMIT_S, MASTER, SUPERSEDING, SYNCHRONIZED, TimeAnswer, TimeClient, answer_of
from hub.smart_energy.utc import EPOCH
from hub.startup import TIME_IS_SET
from hub.zigbee import attributes
from hub.zigbee.member import Member, device_id_of
from hub.zigbee.model import NetworkClock
from hub.zigbee.network import Network
from protocols.ids import Profile
from protocols.zcl.clusters import TIME
from radios.api import RadioError

log = logging.getLogger(__name__)

TIME_ATTRIBUTE, STATUS_ATTRIBUTE = 0x0000, 0x0001

Spawn = Callable[[Coroutine[None, None, None], str], object]


class NetworkTime:
    """The time of one network."""

    def __init__(self, name: str, clock: Clock, spawn: Spawn, changed: Callable[[str], None]) -> None:
        """`changed(radio)`: whose time it is, or whether ours agrees with it, is not what it was."""
        self._name, self._clock, self._spawn, self._changed = name, clock, spawn, changed
        self.client = TimeClient()
        self.network: Network | None = None
        self._was_off = False
        self._seen: tuple[int, float] | None = None
        """The Smart Energy clock when it was looked at last, and the monotonic one then."""

    @property
    def _machine(self) -> float:
        return (self._clock.now() - EPOCH) / timedelta(seconds=1)

    def now(self) -> int:
        """The Smart Energy clock; 0 while nobody knows the time."""
        is_set = self._clock.now() >= TIME_IS_SET
        return self.client.now(self._clock.monotonic(), self._machine, is_set=is_set)

    def told(self, utc: int) -> None:
        """A server has said in passing what time it is; where that is far from ours, it is read again."""
        now = self.now()
        if now and answer_of(utc, 0).utc is not None and abs(utc - now) > LIMIT_S:
            self.client.doubt(self._clock.monotonic())

    def has_stepped(self) -> bool:
        """Whether the Smart Energy clock stands elsewhere than it would have gone to since this was asked last."""
        now, monotonic = self.now(), self._clock.monotonic()
        before, self._seen = self._seen, (now, monotonic)
        if not now or before is None or not before[0]:
            return False
        return abs(now - before[0] - (monotonic - before[1])) > LIMIT_S

    def came(self, member: Member) -> None:
        """A device is there: its Time servers are read."""
        for number, found in sorted(member.endpoints.items()):
            if found.profile == Profile.SMART_ENERGY and TIME in found.input_clusters and member.short is not None:
                self.client.came(Peer(member.ieee, number), member.short, self._clock.monotonic())

    def look(self) -> None:
        """Ask whoever is to be asked now, and tell when the clocks are apart."""
        network = self.network
        if network is None or network.radio is None:
            return
        self.client.keep(peer for peer in self.client.servers if peer.ieee in network.members)
        for peer in self.client.due(self._clock.monotonic()):
            self._spawn(self._read(network, peer), f"time of {peer}")
        self._judge()

    async def resync(self) -> bool:
        """Read every Time server again, now; whether one has told the time."""
        network = self.network
        if network is None or network.radio is None:
            return False
        began = self._clock.monotonic()
        for peer in list(self.client.servers):
            await self._read(network, peer)
        server = self.client.chosen()
        return server is not None and server.read_at >= began

    def _judge(self) -> None:
        is_off = self.client.is_off(self._clock.monotonic(), self._machine)
        if is_off == self._was_off:
            return
        self._was_off = is_off
        offset = self.client.offset_s(self._clock.monotonic(), self._machine)
        if is_off and offset is not None:
            log.warning(
                "%s: the network's time is %s: events, prices and messages go by that; people's times do not",
                self._name,
                apart(offset),
            )
        else:
            log.info("%s: the network's time and the machine's agree again", self._name)
        self._changed(self._name)

    async def _read(self, network: Network, peer: Peer) -> None:
        member = network.members.get(peer.ieee)
        try:
            if member is None or not member.is_active:
                raise HubError("the device is away")
            values = await attributes.read(
                network, member, peer.endpoint, TIME, (TIME_ATTRIBUTE, STATUS_ATTRIBUTE), now=self._clock.now
            )
        except (RadioError, HubError) as error:
            log.info("%s: the time of %s was not read: %s", self._name, peer, error)
            self.client.failed(peer, self._clock.monotonic())
            return
        told = {value.attribute: value.value for value in values if not value.status}
        answer = answer_of(told.get(TIME_ATTRIBUTE), told.get(STATUS_ATTRIBUTE))
        self.client.answered(peer, answer, self._clock.monotonic())
        if answer.utc is None:
            log.info("%s: %s does not know the time yet", self._name, peer)
        self._judge()
        self._changed(self._name)

    def shown(self) -> NetworkClock | None:
        """For people; None while nobody tells the time."""
        server, monotonic = self.client.chosen(), self._clock.monotonic()
        offset = self.client.offset_s(monotonic, self._machine)
        if server is None or server.answer is None or offset is None:
            return None
        answer: TimeAnswer = server.answer
        now = self._clock.now()
        return NetworkClock(
            server=device_id_of(server.peer.ieee),
            endpoint=server.peer.endpoint,
            master=bool(answer.status & MASTER),
            synchronized=bool(answer.status & SYNCHRONIZED),
            superseding=bool(answer.status & SUPERSEDING),
            offset_s=round(offset, 1),
            read_at=now - timedelta(seconds=monotonic - server.read_at),
            followed=now < TIME_IS_SET or abs(offset) > LIMIT_S,
        )


def apart(offset_s: float) -> str:
    """How far the network's time is from the machine's."""
    return f"{abs(offset_s):.0f} s {'ahead of' if offset_s > 0 else 'behind'} the machine's"
