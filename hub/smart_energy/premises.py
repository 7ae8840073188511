"""`hub.premises`: what energy service interfaces tell us where we are a client: events, prices and messages.

One client endpoint for each network on which `hub.role` makes us an in-premise display. What has come is on disk, and
goes on after a start; then, and when a server comes back, it is asked what we may have missed (CPX2-SE, SE Client
Clusters). Reports of an event go to their issuer in order, and are sent again when they are not delivered.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import defaultdict
from collections.abc import Callable, Container, Coroutine, Iterable, Mapping
from typing import Final

from hub.bus import Bus
from hub.clock import Clock
from hub.errors import HubError, NotFoundError, RefusedError, StorageError
from hub.events import SmartEnergyChanged
from hub.smart_energy import kept, kept_client
from hub.smart_energy.arrivals import arrivals
from hub.smart_energy.chosen import chosen
from hub.smart_energy.client_clusters import DrlcClientCluster, MessagingClientCluster, PriceClientCluster
from hub.smart_energy.drlc_client import ClientEvent, DrlcClient, DrlcPolicy, Report, State
from hub.smart_energy.heard import Listeners
from hub.smart_energy.kept import DRLC, MESSAGE, PRICE
from hub.smart_energy.messages import ClientMessage, MessageClient
from hub.smart_energy.network_time import NetworkTime
from hub.smart_energy.peer import Peer, Unreached
from hub.smart_energy.price_client import PriceClient
from hub.smart_energy.signatures import Signatures
from hub.smart_energy.utc import to_utc
from hub.startup import TIME_IS_SET
from hub.store import Statement, Store
from hub.zigbee.member import Member
from hub.zigbee.model import NetworkClock
from hub.zigbee.network import Network
from hub.zigbee.servers.base import ClusterServer
from protocols.ids import Profile
from protocols.se import drlc, messaging, price
from protocols.se.base import SeCommand, SeVersion
from protocols.se.drlc import EventStatus
from protocols.zcl.header import Direction, FrameType, ZclHeader
from protocols.zcl.status import Status
from radios.api import DeliveryError, RadioError

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often it is looked at what begins and ends."""
PAUSES_S: Final = (5.0, 30.0, 120.0)
"""Before a report is sent again that was not delivered."""
MAX_UNHEARD: Final = 256
"""Reports that an issuer has not heard: more than a day has; the oldest give way."""
STORM_S = 5.0
"""A report that answers nothing waits for up to so long, drawn for each: events begin and end everywhere at once."""
ASK_PRICE_S = 86_400
"""A price is asked for when none has come for so long (SE 1.1b, D.4.3)."""
ASKED_S = 5.0
"""A question that was delivered is not asked again for so long: a device is there by several signs at once."""
ALL = 0
"""In requests for scheduled events and prices: all there are."""
ALL_CLUSTERS: Final = (price.CLUSTER, drlc.CLUSTER, messaging.CLUSTER)
_KEPT = "_client"
"""Behind the kind of a row: what a client has, in one row."""

Spawn = Callable[[Coroutine[None, None, None], str], object]


class EnergyClient:
    """Our clients on one network."""

    def __init__(
        self,
        name: str,
        now: Callable[[], int],
        spawn: Spawn,
        changed: Callable[[str, str, int, str], None],
        draw: Callable[[int], int],
        version: SeVersion = SeVersion.V1_0,
        signatures: Signatures | None = None,
    ) -> None:
        """`now`: the standard's time, 0 while the clock is not set. `draw(most)`: 0 to `most`, for randomisation.

        `changed(radio, kind, number, what)`: keep it and tell it.
        """
        self.name, self._now, self._spawn, self._changed, self.version = name, now, spawn, changed, version
        self._draw, self._signatures = draw, signatures or Signatures()
        self.drlc = DrlcClient(DrlcPolicy(version=version), draw)
        self.prices, self.messages = PriceClient(), MessageClient(version)
        self.network: Network | None = None
        self.on_time: Callable[[int], None] = lambda _: None
        """Told what time a server says that it is."""
        self.on_heard: Callable[[], object] = lambda: None
        """Told when an issuer has heard a report, which need not be kept any longer."""
        self.commands = Listeners()
        """Who hears what servers send."""
        self._telling: set[int] = set()
        """Reports that are on their way, by identity."""
        self._waits_for_time = False
        self._price_heard: int | None = None
        """When the last price came, or was asked for."""
        self._lanes: defaultdict[Peer, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._asked: dict[tuple[Peer, type[SeCommand]], float] = {}
        """Until when a question is not asked again, by the loop's time; infinite while it is on its way."""

    def hosted(self, clusters: Iterable[int]) -> list[ClusterServer]:
        """What an endpoint hosts of these clusters."""
        made: dict[int, ClusterServer] = {
            price.CLUSTER: PriceClientCluster(self.prices, self._now, self, self.version),
            drlc.CLUSTER: DrlcClientCluster(self.drlc, self._now, self, self.version),
            messaging.CLUSTER: MessagingClientCluster(self.messages, self._now, self, self.version),
        }
        return [made[cluster] for cluster in clusters if cluster in made]

    @property
    def kept(self) -> Mapping[str, kept_client.Client]:
        """What goes to disk, by kind."""
        return {DRLC: self.drlc, PRICE: self.prices, MESSAGE: self.messages}

    # -- what servers tell (client_clusters.Heard) --------------------------------------------------------------------

    def received(self, server: Peer, command: SeCommand, status: Status) -> None:
        """A command has come."""
        self.commands.tell(self.name, server, command, status)

    def report(self, report: drlc.ReportEventStatus, issuer: Peer, tsn: int | None) -> None:
        """Tell an issuer; again, and again, where it does not hear, and when it is there again."""
        one = Report(issuer, report)
        self.drlc.unheard.append(one)
        for lost in self.drlc.unheard[:-MAX_UNHEARD]:
            self.drlc.unheard.remove(lost)
        self._report_soon(one, tsn)

    def _report_soon(self, one: Report, tsn: int | None = None) -> None:
        wait_s = 0.0 if tsn is not None else self._draw(round(1000 * STORM_S)) / 1000

        async def work() -> None:
            try:
                is_heard = await self._deliver(one.status, one.issuer, tsn, PAUSES_S, wait_s)
            finally:
                self._telling.discard(id(one))
            if is_heard:
                self.drlc.unheard = [other for other in self.drlc.unheard if other is not one]
                self.on_heard()

        self._telling.add(id(one))
        self._spawn(work(), f"report of event {one.status.issuer_event_id} to {one.issuer}")

    def event_changed(self, number: int, status: EventStatus | None) -> None:
        """An event is not what it was."""
        self._changed(self.name, DRLC, number, "cancelled" if status is None else status.name.lower())

    def prices_changed(self, number: int) -> None:
        """A price has come."""
        self._price_heard = self._now()
        self._changed(self.name, PRICE, number, "received")

    def time_told(self, utc: int) -> None:
        """A price says what time it is by its server's clock."""
        self.on_time(utc)

    def message_changed(self, number: int, what: str) -> None:
        """A message is not what it was."""
        self._changed(self.name, MESSAGE, number, what)

    def policy_changed(self) -> None:
        """For which loads and which group we take events, or how much of them is drawn."""
        self._changed(self.name, DRLC, 0, "settings")

    # -- time --------------------------------------------------------------------------------------------------------

    def due(self) -> None:
        """Begin and end what is due."""
        now = self._now()
        if not now:
            self._waits_for_time = True
            return
        if self._waits_for_time:
            self._waits_for_time = False
            self.ask()
        if self._price_heard is None or not 0 <= now - self._price_heard < ASK_PRICE_S:
            if self._price_heard is not None:
                self.ask((price.CLUSTER,))
            self._price_heard = now
        self._told(self.drlc.due(now))
        if self.prices.due(now):
            for active in self.prices.active(now).values():
                self._changed(self.name, PRICE, active.price.issuer_event_id, "active")
            if not self.prices.active(now):
                self._changed(self.name, PRICE, 0, "none")
        before = {number: one.state for number, one in self.messages.messages.items()}
        self.messages.due(now)
        for number, one in self.messages.messages.items():
            if before[number] is not one.state:
                self.message_changed(number, one.state)

    def _told(self, reports: Iterable[Report]) -> None:
        for report in reports:
            self.report(report.status, report.issuer, None)
            self.event_changed(report.status.issuer_event_id, report.status.status)

    # -- what people say ----------------------------------------------------------------------------------------------

    def opt_out(self, number: int) -> ClientEvent:
        """Not to take part in an event. Raises `NotFoundError`, `RefusedError`."""
        known = self._event(number)
        try:
            reports = self.drlc.opt_out(number, self._now())
        except PermissionError:
            level = known.event.criticality.name.lower().replace("_", " ")
            raise RefusedError(f"event {number} is of level {level}: nobody may opt out of that") from None
        self._told(reports)
        self._changed(self.name, DRLC, number, "opted_out")
        return known

    def opt_in(self, number: int) -> ClientEvent:
        """To take part again. Raises `NotFoundError`."""
        known = self._event(number)
        self._told(self.drlc.opt_in(number, self._now()))
        self._changed(self.name, DRLC, number, "opted_in")
        return known

    def _event(self, number: int) -> ClientEvent:
        known = self.drlc.events.get(number)
        if known is None or known.state is State.OVER:
            raise NotFoundError("demand response event", str(number))
        return known

    def confirm(self, number: int, at: int | None = None) -> ClientMessage:
        """Somebody has read a message, now or at a time. Raises `NotFoundError`, `RefusedError` where nobody asks."""
        known = self.messages.messages.get(number)
        if known is None:
            raise NotFoundError("message", str(number))
        try:
            confirmation, servers = self.messages.confirm(number, self._now() if at is None else at)
        except ValueError:
            raise RefusedError(f"message {number} wants no confirmation, or has it already") from None
        for server in servers:
            self._spawn(self._tell(confirmation, server), f"confirmation of message {number} to {server}")
        self._changed(self.name, MESSAGE, number, "confirmed")
        return known

    def clear(self, kind: str) -> None:
        """Forget the events, prices or messages that have come, and tell nobody on the air: their servers keep them."""
        part = self.kept[kind]
        part.clear()
        self._changed(self.name, kind, 0, "cleared")

    # -- out ----------------------------------------------------------------------------------------------------------

    def servers(self, cluster: int) -> list[Peer]:
        """Endpoints of active devices with a server of a cluster."""
        return [
            Peer(member.ieee, number)
            for member in (self.network.members.values() if self.network is not None else ())
            for number, found in sorted(member.endpoints.items())
            if member.is_active and found.profile == Profile.SMART_ENERGY and cluster in found.input_clusters
        ]

    async def question(self, command: SeCommand) -> dict[Peer, Unreached | None]:
        """Ask every server of the command's cluster something; of each why it was not reached, None: it was.

        What they answer comes as if they had sent it by themselves.
        """
        outcomes: dict[Peer, Unreached | None] = dict.fromkeys(self.servers(command.CLUSTER))

        async def one(server: Peer) -> None:
            try:
                await self._send(command, server, None)
            except DeliveryError as error:
                outcomes[server] = Unreached(error.status, error.code)
            except (RadioError, HubError) as error:
                outcomes[server] = Unreached(str(error))

        async with asyncio.TaskGroup() as tasks:
            for server in outcomes:
                tasks.create_task(one(server), name=f"{type(command).__name__} to {server}")
        return outcomes

    def ask(self, clusters: Container[int] = ALL_CLUSTERS) -> None:
        """Ask everybody what there is: what came before the clock was set was not taken."""
        for member in self.network.members.values() if self.network is not None else ():
            self.came(member, clusters, again=True)

    def came(self, member: Member, clusters: Container[int] = ALL_CLUSTERS, *, again: bool = False) -> None:
        """A device is there: its servers are asked what there is; `again`: although they may just have been."""
        for one in self.drlc.unheard:
            if one.issuer.ieee == member.ieee and member.is_active and id(one) not in self._telling:
                self._report_soon(one)
        now = self._now()
        questions: Mapping[int, tuple[SeCommand, ...]] = {
            price.CLUSTER: (
                price.GetCurrentPrice(price.CommandOptions.RECEIVER_ON_WHEN_IDLE),
                price.GetScheduledPrices(now, ALL),
            ),
            drlc.CLUSTER: (drlc.GetScheduledEvents(start_time=now, number_of_events=ALL),),
            messaging.CLUSTER: (messaging.GetLastMessage(),),
        }
        for number, found in sorted(member.endpoints.items()):
            if not member.is_active or found.profile != Profile.SMART_ENERGY:
                continue
            peer = Peer(member.ieee, number)
            for cluster in found.input_clusters:
                for question in questions.get(cluster, ()) if cluster in clusters else ():
                    work = self._ask(question, peer, again=again)
                    self._spawn(work, f"{type(question).__name__} to {peer}")

    async def _ask(self, question: SeCommand, server: Peer, *, again: bool) -> None:
        """Once, where keys, interview and the first sign of life come together."""
        loop = asyncio.get_running_loop()
        key = server, type(question)
        if not again and loop.time() < self._asked.get(key, 0.0):
            return
        self._asked[key] = math.inf
        try:
            is_delivered = await self._deliver(question, server)
        except BaseException:
            del self._asked[key]
            raise
        self._asked[key] = loop.time() + ASKED_S if is_delivered else 0.0

    async def _tell(
        self,
        command: SeCommand,
        server: Peer,
        tsn: int | None = None,
        pauses: Iterable[float] = (),
        wait_s: float = 0.0,
    ) -> None:
        await self._deliver(command, server, tsn, pauses, wait_s)

    async def _deliver(
        self,
        command: SeCommand,
        server: Peer,
        tsn: int | None = None,
        pauses: Iterable[float] = (),
        wait_s: float = 0.0,
    ) -> bool:
        """One after another, for each server; whether it was delivered. `tsn`: of the command that this answers."""
        async with self._lanes[server]:
            await asyncio.sleep(wait_s)
            if isinstance(command, drlc.ReportEventStatus):
                command = await self._signatures.finished(command, self.version)
            for pause in (*pauses, None):
                try:
                    await self._send(command, server, tsn)
                except (RadioError, HubError) as error:
                    log.info("%s: %s was not delivered to %s: %s", self.name, type(command).__name__, server, error)
                    if pause is not None:
                        await asyncio.sleep(pause)
                else:
                    return True
            return False

    async def _send(self, command: SeCommand, server: Peer, tsn: int | None) -> None:
        member = self.network.members.get(server.ieee) if self.network is not None else None
        if self.network is None or member is None:
            raise NotFoundError("server", str(server.ieee))
        number = self.network.conversations.next_tsn() if tsn is None else tsn
        header = ZclHeader(FrameType.CLUSTER, Direction.TO_SERVER, number, command.COMMAND, tsn is not None)
        payload = command.cut(self.version).encode()
        frame = self.network.frame(
            member, server.endpoint, command.CLUSTER, header, payload, profile=Profile.SMART_ENERGY
        )
        await self.network.send(member, frame)


class Premises:
    """All networks on which we are a client."""

    def __init__(
        self,
        clients: Mapping[str, EnergyClient],
        times: Mapping[str, NetworkTime],
        network: Callable[[str], Network],
        find: Callable[[str], Member | None],
        store: Store,
        bus: Bus,
        clock: Clock,
    ) -> None:
        """`network(radio)` raises `NotFoundError`; `find(device id)`."""
        self.clients, self.times, self._network, self._find = clients, times, network, find
        self._store, self._bus, self._clock = store, bus, clock
        self._stale: set[tuple[str, str]] = set()
        """Radio and kind of what is not on disk as it is now."""

    async def load(self) -> None:
        """Read back what had come before the last stop."""
        rows = await self._store.read("SELECT radio, kind, state FROM se_item WHERE kind LIKE '%' || ?", (_KEPT,))
        for radio, kind, state in rows:
            client = self.clients.get(str(radio))
            part = client.kept.get(str(kind).removesuffix(_KEPT)) if client is not None else None
            if part is None:
                continue
            try:
                kept_client.restore(part, str(state))
            except ValueError as error:
                log.warning("%s: %s cannot be read back: %s", radio, kind, error)
        for radio, client in self.clients.items():
            client.network = self.times[radio].network = self._network(radio)
            client.on_time = self.times[radio].told
            client.on_heard = lambda radio=radio: self._stale.add((radio, DRLC))  # type: ignore[misc]

    async def run(self) -> None:
        """Begin and end what is due, and ask servers that come; ends by cancellation."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_time(), name="clients' events")
            tasks.create_task(self._watch_devices(), name="servers")

    async def _watch_time(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            for name, time in self.times.items():
                time.look()
                if time.has_stepped():
                    self.clients[name].ask()  # what was over, or far away, by the clock of before may hold now
            for client in self.clients.values():
                client.due()
            self.persist()

    async def _watch_devices(self) -> None:
        async for member in arrivals(self._bus, self._find):
            if member.radio in self.clients:
                self.times[member.radio].came(member)
                self.clients[member.radio].came(member)

    def client(self, radio: str | None) -> EnergyClient:
        """Our clients on a network; on the only one where none is named. Raises `NotFoundError`, `InvalidError`."""
        none = "no energy service interface sends us events: that takes hub.role aux_gateway"
        return chosen(radio, self.clients, list(self.clients), "network of an energy service interface", none)

    def now(self) -> int:
        """The standard's time; 0 while the clock is not set."""
        now = self._clock.now()
        return to_utc(now) if now >= TIME_IS_SET else 0

    def utc(self, radio: str) -> int:
        """The standard's time on a radio's network; 0 while nobody knows it."""
        return self.times[radio].now() if radio in self.times else self.now()

    def clock_of(self, radio: str) -> NetworkClock | None:
        """The time of a network on which we are a client; None while nobody tells it."""
        return self.times[radio].shown() if radio in self.times else None

    def changed(self, radio: str, kind: str, number: int, what: str) -> None:
        """Something is not what it was: keep it, and tell everybody."""
        self._stale.add((radio, kind))
        self._bus.publish(SmartEnergyChanged(self._clock.now(), radio, kind, number, what))

    def persist(self) -> None:
        """Let what has changed join the next batch: all that a client has, once, however much of it has changed."""
        rows = self._rows()
        if rows:
            self._store.append(*rows)

    async def keep(self) -> None:
        """What people have chosen is on disk when this returns, like what they make; if it can be."""
        stale = set(self._stale)
        rows = self._rows()
        try:
            if rows:
                await self._store.write(*rows)
        except StorageError as error:
            log.error("what was chosen holds, and may be forgotten with a restart: %s", error)
            self._stale |= stale

    def _rows(self) -> list[Statement]:
        rows = [
            kept.row(radio, kind + _KEPT, 0, kept_client.to_text(self.clients[radio].kept[kind]))
            for radio, kind in sorted(self._stale)
        ]
        self._stale.clear()
        return rows
