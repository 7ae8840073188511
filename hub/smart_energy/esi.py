"""The energy service interface on one network: events, prices and messages go out to every client, and come back.

An item is unicast to each active client, encrypted for it alone, and again to those that come back without having it
(CPX2-SE, SE Server Clusters). What a client has is known by the radio's acknowledgement, or by what it answers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterable

from hub.errors import HubError
from hub.smart_energy.drlc_server import DrlcServer, ServerEvent, Told
from hub.smart_energy.heard import Listeners
from hub.smart_energy.kept import Item
from hub.smart_energy.messages import MessageServer, ServerMessage
from hub.smart_energy.peer import Peer
from hub.smart_energy.price_server import PriceServer, ServerPrice
from hub.smart_energy.server_clusters import DrlcServerCluster, MessagingServerCluster, PriceServerCluster
from hub.smart_energy.signatures import Signature, Signatures
from hub.zigbee.member import Member
from hub.zigbee.network import Network
from hub.zigbee.servers.base import ClusterServer
from protocols.ids import Profile
from protocols.se import drlc, messaging, price
from protocols.se.base import SeCommand, SeVersion
from protocols.zcl.header import Direction, FrameType, ZclHeader
from protocols.zcl.status import Status
from radios.api import RadioError

log = logging.getLogger(__name__)

AGAIN_S = 30.0
"""Between two tries to give a client what it has missed: one that is heard may sleep again already."""


class EnergyService:
    """Servers of one network. `hub.smart_energy` is what interfaces call."""

    def __init__(
        self,
        name: str,
        now: Callable[[], int],
        spawn: Callable[[Coroutine[None, None, None], str], object],
        changed: Callable[[str, Item, str], None],
        reported: Callable[[str, Peer, drlc.ReportEventStatus, bool], None],
        version: SeVersion = SeVersion.V1_0,
        signatures: Signatures | None = None,
    ) -> None:
        """`changed(radio, item, what)`: an item is to be kept and told. `reported`: each report; is its event ours?"""
        self.name, self._now, self._spawn = name, now, spawn
        self._changed, self._reported, self.version = changed, reported, version
        self._signatures = signatures or Signatures()
        self.drlc, self.prices, self.messages = DrlcServer(), PriceServer(), MessageServer()
        self.network: Network | None = None
        self.commands = Listeners()
        """Who hears what people confirm."""
        self._missed: dict[Peer, tuple[int, float | None]] = {}
        """Clients that something was not delivered to: when that was, and when they had been heard before."""

    def servers(self, clusters: Iterable[int]) -> list[ClusterServer]:
        """What an endpoint hosts of these clusters."""
        made: dict[int, ClusterServer] = {
            price.CLUSTER: PriceServerCluster(self.prices, self._now, self, self.version),
            drlc.CLUSTER: DrlcServerCluster(self.drlc, self._now, self, self.version),
            messaging.CLUSTER: MessagingServerCluster(self.messages, self._now, self, self.version),
        }
        return [made[cluster] for cluster in clusters if cluster in made]

    # -- what clients tell (server_clusters.Heard) --------------------------------------------------------------------

    def received(self, client: Peer, command: SeCommand, status: Status) -> None:
        """A command has come."""
        self.commands.tell(self.name, client, command, status)

    def reported(self, peer: Peer, report: drlc.ReportEventStatus, event: ServerEvent | None) -> None:
        """A client has reported a status."""
        self._reported(self.name, peer, report, event is not None)
        if event is None:
            return
        self._changed(self.name, event, "reported")
        told = event.told[peer][-1]
        if told.signature is Signature.UNVERIFIED and self._signatures.can_verify(peer.ieee):
            self._spawn(self._verify(peer, report, event, told), f"signature of {peer}")

    async def _verify(self, peer: Peer, report: drlc.ReportEventStatus, event: ServerEvent, told: Told) -> None:
        """A report is kept whatever its signature is worth, which is told beside it."""
        found = await self._signatures.verified(peer.ieee, report)
        if found is Signature.INVALID:
            what = f"{report.status.name} of event {report.issuer_event_id}"
            log.warning("%s: %s of %s: its signature is another's or another report's", self.name, what, peer)
        if self.drlc.verified(event, peer, told, found):
            self._changed(self.name, event, f"signature_{found}")

    def acknowledged(self, peer: Peer, item: ServerPrice) -> None:
        """A client has a price."""
        self._changed(self.name, item, "acknowledged")

    def confirmed(self, peer: Peer, item: ServerMessage) -> None:
        """Somebody has read a message."""
        self._changed(self.name, item, "confirmed")

    def has(self, peer: Peer, items: list[ServerEvent] | list[ServerPrice] | list[ServerMessage]) -> None:
        """A client was given what it has asked for."""
        for item in items:
            self._delivered(peer, item)

    def asked(self, peer: Peer, cluster: int) -> None:
        """A client has started, or wonders what it has missed: cancels are among that."""
        member = self.network.members.get(peer.ieee) if self.network is not None else None
        if member is None:
            return
        now = self._now()
        if cluster == drlc.CLUSTER:
            self._catch_up(member, peer, now)
        elif cluster == messaging.CLUSTER:
            for message in self.messages.unheard(peer, now, again=True):
                self._withdraw_soon(member, peer, message.withdrawal(), message)

    # -- clients -----------------------------------------------------------------------------------------------------

    def clients(self, cluster: int) -> list[tuple[Member, Peer]]:
        """Endpoints of active devices with the client side of a cluster."""
        if self.network is None:
            return []
        return [found for member in self.network.members.values() for found in clients_of(member, cluster)]

    def came(self, member: Member) -> None:
        """A device is there: it gets what it has not."""
        now = self._now()
        for peer in [one for one in self._missed if one.ieee == member.ieee]:
            del self._missed[peer]
        for _, peer in clients_of(member, drlc.CLUSTER):
            for event in self.drlc.missing(peer, now):
                if (command := event.retold()) is not None:
                    self._send_soon(member, peer, event, command)
            self._catch_up(member, peer, now)
        for _, peer in clients_of(member, price.CLUSTER):
            for one in self.prices.missing(peer, now):
                self._send_soon(member, peer, one, one.command(now))
        for _, peer in clients_of(member, messaging.CLUSTER):
            for message in self.messages.missing(peer, now):
                self._send_soon(member, peer, message, message.command())
            for message in self.messages.unheard(peer, now):
                self._withdraw_soon(member, peer, message.withdrawal(), message)

    def _catch_up(self, member: Member, peer: Peer, now: int) -> None:
        """Cancels that a client has missed."""
        for event in self.drlc.unheard(peer, now):
            self._withdraw_soon(member, peer, event.withdrawal())
        for event in self.drlc.wide(peer, now):
            for cancel in event.narrowings():
                self._withdraw_soon(member, peer, cancel, event)

    def try_again(self) -> None:
        """Clients that were asleep, or in a bad place, and were heard since: they get what they have missed."""
        if self.network is None:
            return
        for peer, (failed, heard_at) in list(self._missed.items()):
            member = self.network.members.get(peer.ieee)
            if member is None:
                del self._missed[peer]
            elif member.heard_at != heard_at and abs(self._now() - failed) >= AGAIN_S:
                self.came(member)

    # -- out ---------------------------------------------------------------------------------------------------------

    def publish(self, item: Item) -> int:
        """Send an item to every client; to how many."""
        match item:
            case ServerEvent():
                cluster, command = drlc.CLUSTER, item.command()
            case ServerPrice():
                cluster, command = price.CLUSTER, item.command(self._now())  # type: ignore[assignment]
            case ServerMessage():
                cluster, command = messaging.CLUSTER, item.command()  # type: ignore[assignment]
        found = self.clients(cluster)
        for member, peer in found:
            self._send_soon(member, peer, item, command)
        return len(found)

    def withdraw(self, command: SeCommand, item: ServerMessage | ServerEvent | None = None) -> int:
        """Send a cancel to every client; to how many. Those that are away hear it later, of what we know."""
        found = self.clients(command.CLUSTER)
        for member, peer in found:
            self._withdraw_soon(member, peer, command, item)
        return len(found)

    def begin(self) -> None:
        """Prices that hold from now on are published again."""
        now = self._now()
        for item in self.prices.begun(now):
            if item.start < now or item.price.start_time:
                self.publish(item)
            self._changed(self.name, item, "active")

    def _send_soon(self, member: Member, peer: Peer, item: Item, command: SeCommand) -> None:
        async def work() -> None:
            if await self._send(member, peer, command):
                self._delivered(peer, item)
                for cancel in item.withdrawals_for_groups() if isinstance(item, ServerEvent) else ():
                    await self._send(member, peer, cancel)

        self._spawn(work(), f"{type(command).__name__} to {peer}")

    def _withdraw_soon(
        self, member: Member, peer: Peer, command: SeCommand, item: ServerMessage | ServerEvent | None = None
    ) -> None:
        async def work() -> None:
            if await self._send(member, peer, command) and item is not None:
                (item.withdrawn if isinstance(item, ServerMessage) else item.narrowed).add(peer)
                self._changed(self.name, item, "withdrawn")

        self._spawn(work(), f"{type(command).__name__} to {peer}")

    async def _send(self, member: Member, peer: Peer, command: SeCommand) -> bool:
        """Whether it was delivered."""
        network = self.network
        if network is None:
            return False
        tsn = network.conversations.next_tsn()
        header = ZclHeader(FrameType.CLUSTER, Direction.TO_CLIENT, tsn, command.COMMAND, True)
        payload = command.cut(self.version).encode()
        # Who asks before it is known is a Smart Energy device too.
        frame = network.frame(member, peer.endpoint, command.CLUSTER, header, payload, profile=Profile.SMART_ENERGY)
        try:
            await network.send(member, frame)
        except (RadioError, HubError) as error:
            log.info("%s: %s was not delivered to %s: %s", self.name, type(command).__name__, peer, error)
            self._missed[peer] = self._now(), member.heard_at
            return False
        return True

    def _delivered(self, peer: Peer, item: Item) -> None:
        if peer not in item.delivered:
            item.delivered.add(peer)
            if isinstance(item, ServerEvent):
                item.narrowed.add(peer)  # it has come as it is now
            self._changed(self.name, item, "delivered")


def clients_of(member: Member, cluster: int) -> list[tuple[Member, Peer]]:
    """A device's endpoints with the client side of a cluster, while it is active."""
    if not member.is_active:
        return []
    return [
        (member, Peer(member.ieee, number))
        for number, found in sorted(member.endpoints.items())
        if found.profile == Profile.SMART_ENERGY and cluster in found.output_clusters
    ]
