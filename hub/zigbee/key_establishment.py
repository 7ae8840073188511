"""Key establishment by the hub, on one network: for radios that encrypt with link keys and leave their making to us.

The exchange itself is `protocols.se.key_exchange`; here it gets its messages, its time and its computations, which run
in threads. As trust centre we answer devices that have joined, as a router we begin, with the trust centre, and try
again as its Terminate says (Smart Energy profile, 5.4.7 and C.3):

    BAD_MESSAGE, NO_RESOURCES, silence    after the time that it has told
    UNSUPPORTED_SUITE                     in the other suite, if both have it
    UNKNOWN_ISSUER, BAD_KEY_CONFIRM ...   not again: certificates have to be exchanged first

What comes out is on disk (`LinkKeys`) and in the radio before the other side hears that we have it, and taken back when
it says that it has not. The messages are protected with the network key alone.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Final

from hub.errors import HubError, ZclStatusError
from hub.zigbee import attributes
from hub.zigbee.key_clusters import KeyClient, KeyServer
from hub.zigbee.link_keys import EstablishedKey, LinkKeys
from hub.zigbee.member import Member
from hub.zigbee.network import Network
from hub.zigbee.own_certificates import Held, OwnCertificates
from hub.zigbee.servers.base import ClusterServer
from protocols.aps import ApsFrame, Delivery
from protocols.ids import COORDINATOR, Eui64, Profile
from protocols.se import key_establishment as wire
from protocols.se import key_exchange
from protocols.se.base import SeCommand, SeVersion
from protocols.se.binary_curve import Arithmetic
from protocols.se.ecqv import Credentials
from protocols.se.key_establishment import CERTIFICATE_SIZES, Suite, TerminateStatus
from protocols.se.key_exchange import (
    NO_SUITE,
    Compute,
    Established,
    Failed,
    Initiator,
    Outcome,
    Own,
    Responder,
    Retry,
    Send,
    Step,
)
from protocols.zcl.general import ReadAttributes, ReadAttributesResponse
from protocols.zcl.header import Direction, FrameType, ZclHeader
from radios.api import DeviceAuthenticated, KeysBy, RadioError, ZigbeeRadio

log = logging.getLogger(__name__)

MAX_AT_ONCE: Final = 8
"""Exchanges at once: after a loss of power all devices come together, and each takes a tenth of a second of a core."""
INBOX: Final = 8
"""Messages of one device that wait for the computation before them; an exchange has three."""
JOIN_S: Final = 1200.0
"""For keys with the trust centre, from joining on (Smart Energy profile, 5.4.7)."""
LOOK_S: Final = 1.0
"""How often it is looked whether the trust centre is known by now, and where it has its cluster."""
SILENT_S: Final = 20.0
"""Before a trust centre is asked again that did not answer which suites it has."""
_MESSAGE_OVERHEAD: Final = 3 + 4
"""Bytes of Initiate Key Establishment beside the certificate: ZCL header, suite and two times."""
EITHER: Final = Suite.SECT163K1 | Suite.SECT283K1
_ENDED: Final = (Step.DONE, Step.FAILED)

Spawn = Callable[[Coroutine[None, None, None], str], "asyncio.Task[None]"]


@dataclass(slots=True, eq=False)
class _Exchange:
    """One exchange with a device."""

    engine: Initiator | Responder
    member: Member
    endpoint: int
    """Of the device."""
    tsn: int = 0
    """Of the last message from there: answers carry it."""
    inbox: asyncio.Queue[tuple[ZclHeader, int, bytes]] = field(default_factory=lambda: asyncio.Queue(INBOX))
    before: EstablishedKey | None = None
    """The key that was there before this exchange put another in its place."""
    ended: Established | Failed | None = None
    is_told: bool = False

    @property
    def is_running(self) -> bool:
        """It has not come to an end; one that has may still be asked for its last word."""
        return self.engine.step not in _ENDED


class KeyEstablishment:
    """All exchanges of one network."""

    def __init__(
        self,
        network: Network,
        certificates: OwnCertificates,
        link_keys: LinkKeys,
        arithmetic: Arithmetic,
        spawn: Spawn,
        keys_lost: Callable[[Member], None],
        standing_changed: Callable[[Network], None],
        version: SeVersion = SeVersion.V1_0,
    ) -> None:
        """`keys_lost(member)`: keys that were told of are none. `standing_changed`: `standing` is another."""
        self._network, self._certificates, self._link_keys = network, certificates, link_keys
        self._arithmetic, self._spawn, self._keys_lost, self._version = arithmetic, spawn, keys_lost, version
        self.held = Held()
        """Our certificates."""
        self.standing = ""
        """As a router, what keeps us from having keys with the trust centre, for people; empty: nothing."""
        self._standing_changed = standing_changed
        self._exchanges: dict[Eui64, _Exchange] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._joiner: asyncio.Task[None] | None = None
        self._barred = NO_SUITE
        """Suites that the trust centre has refused."""
        self._restored = asyncio.Event()
        self._restored.set()
        network.keys = self

    # -- what is there -----------------------------------------------------------------------------------------------

    @property
    def is_ours(self) -> bool:
        """Whether the radio leaves key establishment to us; False while it is away."""
        radio = self._network.radio
        return radio is not None and radio.capabilities.keys_by is KeysBy.HUB

    @property
    def under_way(self) -> Collection[Eui64]:
        """Devices with which an exchange goes on."""
        return [ieee for ieee, one in self._exchanges.items() if one.is_running]

    def clusters(self) -> list[ClusterServer]:
        """Both sides, to be hosted."""
        return [KeyServer(self, self.suites), KeyClient(self, self.suites)]

    def suites(self) -> Suite:
        """What we can."""
        found = NO_SUITE
        for one in self._own_credentials():
            found |= one.suite
        return found

    def _own_credentials(self) -> list[Credentials]:
        """Those whose certificates fit into a frame of this radio."""
        radio = self._network.radio
        room = radio.capabilities.max_payload - _MESSAGE_OVERHEAD if radio is not None else 0
        return [one for one in self.held.credentials if CERTIFICATE_SIZES[one.suite] <= room]

    def _own(self) -> Own | None:
        found = tuple(self._own_credentials())
        if not found:
            return None
        return Own(credentials=found, random=secrets.token_bytes, arithmetic=self._arithmetic, version=self._version)

    def signing_key(self, ieee: Eui64) -> bytes | None:
        """What a device's signatures verify with, compressed: of suite 1; None: no such certificate of it is known."""
        known = self._link_keys.established(self._network.name).get(ieee)
        return known.public_key if known is not None and known.suite == Suite.SECT163K1 else None

    # -- what the network asks (security.LinkKeyHolder) --------------------------------------------------------------

    def has_key(self, ieee: int) -> bool:
        """Whether we have established keys with a device; True where the radio does that, which knows best."""
        return not self.is_ours or ieee in self._link_keys.established(self._network.name)

    async def ready(self) -> None:
        """What is secret waits for the keys of before the radio's start; not for a network that is not there."""
        radio = self._network.radio
        if radio is not None and radio.network.is_operational:
            await self._restored.wait()

    def left(self, ieee: Eui64) -> None:
        """See `LinkKeyHolder`: what was established is over, and the radio expects the key that it joined with."""
        radio, member = self._network.radio, self._network.members.get(ieee)
        if radio is None or member is None or not self.is_ours or not radio.network.is_coordinator:
            return
        exchange = self._exchanges.get(ieee)
        if exchange is not None:
            exchange.before = None
        if self.has_key(ieee):
            self._keys_lost(member)
            self._start(self._take_back(member, None), f"the key that {member.device_id} joins with")

    # -- life --------------------------------------------------------------------------------------------------------

    def up(self, radio: ZigbeeRadio) -> None:
        """A radio is there; `restore` follows once it is on its network."""
        if radio.capabilities.keys_by is KeysBy.HUB:
            self._restored.clear()

    async def restore(self) -> None:
        """The radio is on its network: give it the keys that it had, and as a router see to those with the centre."""
        try:
            await self._give_keys()
        finally:
            self._restored.set()
        await self.load()
        self._begin_joining()

    async def _give_keys(self) -> None:
        radio = self._network.radio
        if radio is None or not self.is_ours:
            return
        for ieee, kept in dict(self._link_keys.established(self._network.name)).items():
            try:
                await radio.set_link_key(ieee, kept.key)
            except RadioError as error:
                log.error("%s: the key of %s could not be given to the radio: %s", self._network.name, ieee, error)

    async def load(self) -> None:
        """Look for our certificates again."""
        radio = self._network.radio
        if radio is not None and self.is_ours:
            self.held = await self._certificates.load(self._network.name, radio.network.ieee)

    async def certified(self) -> None:
        """Our certificates are others than before: what was given up is tried again."""
        await self.load()
        if self._joiner is not None:
            self._joiner.cancel()
            self._joiner = None
        self._begin_joining()

    def down(self) -> None:
        """The radio is gone, and with it all that was going on: the other sides begin anew."""
        for task in tuple(self._tasks):
            task.cancel()
        self._joiner, self.standing = None, ""
        self._exchanges.clear()
        self._restored.set()

    def _start(self, work: Coroutine[None, None, None], label: str) -> asyncio.Task[None]:
        task = self._spawn(work, label)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- what comes (key_clusters.Heard) -----------------------------------------------------------------------------

    def heard(self, header: ZclHeader, payload: bytes, frame: ApsFrame, *, to_server: bool) -> None:
        """A message: of an exchange that goes on, or of a new one. Others are refused or passed over."""
        member = self._network.members.get(frame.source_ieee) if frame.source_ieee is not None else None
        if member is None or frame.delivery is not Delivery.UNICAST:
            return
        known = self._exchanges.get(member.ieee)
        if known is not None and isinstance(known.engine, Responder if to_server else Initiator):
            if not known.inbox.full():
                known.inbox.put_nowait((header, frame.source_endpoint, payload))
            return
        if not to_server or header.command == wire.TerminateByInitiator.COMMAND:
            return  # an answer, or the end, of what is over
        if header.command != wire.InitiateKeyEstablishmentRequest.COMMAND:
            # It goes on with what we know nothing of: we have been restarted meanwhile.
            self._refuse(member, header, frame, TerminateStatus.BAD_MESSAGE)
            return
        own, running = self._own(), len(self.under_way)
        if known is not None or running >= MAX_AT_ONCE or own is None:
            if own is None:
                log.error("%s: %s cannot establish keys: we have no certificate", self._network.name, member.device_id)
            self._refuse(member, header, frame, TerminateStatus.NO_RESOURCES)
            return
        exchange = _Exchange(Responder(own, member.ieee), member, frame.source_endpoint)
        exchange.inbox.put_nowait((header, frame.source_endpoint, payload))
        self._exchanges[member.ieee] = exchange
        self._start(self._run(exchange, ()), f"keys with {member.device_id}")

    def _refuse(self, member: Member, header: ZclHeader, frame: ApsFrame, status: TerminateStatus) -> None:
        command = wire.TerminateByResponder(status, key_exchange.WAIT_S, self.suites())
        work = self._deliver(member, frame.source_endpoint, command, header.tsn)
        self._start(_ignored(work), f"refusal of keys with {member.device_id}")

    # -- an exchange -------------------------------------------------------------------------------------------------

    async def _run(self, exchange: _Exchange, outcomes: Sequence[Outcome]) -> None:
        """Follow it to its end."""
        engine, clock = exchange.engine, asyncio.get_running_loop().time
        try:
            await self._do(exchange, outcomes)
            while engine.deadline is not None or not exchange.inbox.empty():
                try:
                    async with asyncio.timeout_at(engine.deadline):
                        header, exchange.endpoint, payload = await exchange.inbox.get()
                except TimeoutError:
                    outcomes = engine.tick(clock())
                else:
                    exchange.tsn = header.tsn
                    outcomes = engine.receive(header.command, payload, clock())
                    if header.command == wire.InitiateKeyEstablishmentRequest.COMMAND and _begins(engine, outcomes):
                        exchange.ended, exchange.is_told = None, False
                await self._do(exchange, outcomes)
        finally:
            if self._exchanges.get(exchange.member.ieee) is exchange:
                del self._exchanges[exchange.member.ieee]

    async def _do(self, exchange: _Exchange, outcomes: Sequence[Outcome]) -> None:
        # The key is in use before the other side hears that it is.
        todo = deque(sorted(outcomes, key=lambda one: isinstance(one, Send)))
        is_delivered = True
        while todo:
            match todo.popleft():
                case Send(command):
                    tsn = None if isinstance(exchange.engine, Initiator) else exchange.tsn
                    is_delivered = await self._deliver(exchange.member, exchange.endpoint, command, tsn)
                case Compute() as work:
                    todo.extend(await self._compute(exchange, work))
                case Established() as done:
                    if not await self._install(exchange, done):
                        todo = deque(exchange.engine.abort())
                case Failed() as failed:
                    await self._failed(exchange, failed)
        if isinstance(exchange.ended, Established) and is_delivered and not exchange.is_told:
            exchange.is_told = True
            member = exchange.member
            self._network.hear(DeviceAuthenticated(member.ieee, member.short or 0))

    async def _compute(self, exchange: _Exchange, work: Compute) -> Sequence[Outcome]:
        try:
            found = await asyncio.to_thread(work.run)
        except Exception:  # whatever the arithmetic fails with, the other side is told
            log.exception("%s: a computation with curves failed by a fault of ours", self._network.name)
            return exchange.engine.abort(reason="a computation failed")
        return exchange.engine.computed(found, asyncio.get_running_loop().time())

    async def _deliver(self, member: Member, endpoint: int, command: SeCommand, tsn: int | None) -> bool:
        """Send a message; `tsn`: of the one that it answers. Whether it is known to have come."""
        network = self._network
        direction = Direction.TO_SERVER if command.TO_SERVER else Direction.TO_CLIENT
        number = network.conversations.next_tsn() if tsn is None else tsn
        header = ZclHeader(FrameType.CLUSTER, direction, number, command.COMMAND, True)
        frame = network.frame(member, endpoint, wire.CLUSTER, header, command.encode(), profile=Profile.SMART_ENERGY)
        try:
            await network.send(member, frame)
        except (RadioError, HubError) as error:
            log.info("%s: %s did not reach %s: %s", network.name, type(command).__name__, member.device_id, error)
            return False
        return True

    async def _install(self, exchange: _Exchange, done: Established) -> bool:
        """Keep what was established, and have the radio use it; whether it does."""
        network, ieee = self._network, exchange.member.ieee
        exchange.before = self._link_keys.established(network.name).get(ieee)
        key = EstablishedKey(done.link_key, done.suite, done.public_key.encode())
        exchange.ended = done
        try:
            self._link_keys.establish(network.name, ieee, key)
            await network.need_radio().set_link_key(ieee, done.link_key)
        except (RadioError, HubError) as error:
            log.error("%s: the key of %s cannot be used: %s", network.name, exchange.member.device_id, error)
            reason = "we have no room for its key"
            failed = Failed(
                status=TerminateStatus.NO_RESOURCES, by_peer=False, wait_s=key_exchange.WAIT_S, reason=reason
            )
            await self._failed(exchange, failed)
            return False
        log.info("%s: keys with %s, suite %d", network.name, exchange.member.device_id, int(done.suite))
        return True

    async def _failed(self, exchange: _Exchange, failed: Failed) -> None:
        """It ended without a key; after our last word that takes back what we have put in place."""
        name, member = self._network.name, exchange.member
        is_installed = isinstance(exchange.ended, Established)
        exchange.ended = failed
        log.warning("%s: no keys with %s: %s: %s", name, member.device_id, failed.status.name, failed.reason)
        if not is_installed:
            return
        await self._take_back(member, exchange.before)
        if exchange.before is None and exchange.is_told:
            self._keys_lost(member)
        exchange.is_told = False

    async def _take_back(self, member: Member, before: EstablishedKey | None) -> None:
        """In place of what was established: what was before, or else the key that the device joins with."""
        name = self._network.name
        joined_with = self._link_keys.of(name).get(member.ieee)
        try:
            self._link_keys.establish(name, member.ieee, before)
            radio = self._network.need_radio()
            if before is not None:
                await radio.set_link_key(member.ieee, before.key)
            elif joined_with is not None:
                await radio.register_key(member.ieee, joined_with)
            elif radio.capabilities.link_keys:
                await radio.remove_key(member.ieee)
        except (RadioError, HubError) as error:
            log.error("%s: the key before could not be restored for %s: %s", name, member.device_id, error)

    # -- as a router -------------------------------------------------------------------------------------------------

    def _begin_joining(self) -> None:
        radio = self._network.radio
        is_going_on = self._joiner is not None and not self._joiner.done()
        if radio is None or not self.is_ours or radio.network.is_coordinator or is_going_on:
            return
        self._barred = NO_SUITE
        centre = self._network.at(COORDINATOR)
        if centre is None or not centre.is_authenticated or not self.has_key(centre.ieee):
            self._stand("keys with the trust centre are being established")
        self._joiner = self._start(self._join(), f"keys of {self._network.name} with its trust centre")

    def _stand(self, standing: str) -> None:
        if standing != self.standing:
            self.standing = standing
            self._standing_changed(self._network)

    async def _join(self) -> None:
        """Establish keys with the trust centre, as long as there is time for it."""
        clock, name = asyncio.get_running_loop().time, self._network.name
        until = clock() + JOIN_S
        while clock() < until:
            pause_s = await self._try()
            if pause_s is None:
                return
            await asyncio.sleep(min(pause_s, max(0.0, until - clock())))
        log.error("%s: no keys with the trust centre within %d minutes: it is given up", name, JOIN_S // 60)
        self._stand(f"no keys with the trust centre came about within {JOIN_S / 60:g} minutes")

    async def _try(self) -> float | None:
        """One exchange with the trust centre; seconds until the next, None: there is to be no other."""
        centre = self._network.at(COORDINATOR)
        if centre is None:
            return LOOK_S
        if centre.is_authenticated and self.has_key(centre.ieee):
            self._stand("")
            return None
        own = self._own()
        if own is None:
            need = (
                f"keys with the trust centre take a certificate: hubctl certificate install FILE {self._network.name}"
            )
            log.error("%s: %s", self._network.name, need)
            self._stand(need)
            return None
        endpoint = next((one for one in centre.servers(wire.CLUSTER) if _speaks(centre, one)), None)
        if endpoint is None or centre.ieee in self._exchanges:
            return LOOK_S
        try:
            suites = await self._suites_of(centre, endpoint) & ~self._barred
        except (RadioError, HubError) as error:
            log.info("%s: the trust centre does not say which suites it has: %s", self._network.name, error)
            return SILENT_S
        engine = Initiator(own, centre.ieee)
        exchange = _Exchange(engine, centre, endpoint)
        self._exchanges[centre.ieee] = exchange
        await self._run(exchange, engine.start(asyncio.get_running_loop().time(), suites))
        failed = exchange.ended
        if not isinstance(failed, Failed):
            self._stand("")
            return None
        if failed.retry is Retry.AFTER_WAIT:
            return max(LOOK_S, failed.wait_s)
        tried = [one.suite for one in own.credentials if one.suite & suites]
        if failed.retry is Retry.OTHER_SUITE and tried:
            self._barred |= max(tried)
            if own.suites & ~self._barred:
                return LOOK_S
        log.error("%s: no keys with the trust centre, and none without another certificate", self._network.name)
        self._stand(
            f"no keys with the trust centre, for its certificate or ours: {failed.status.name}, {failed.reason}"
        )
        return None

    async def _suites_of(self, centre: Member, endpoint: int) -> Suite:
        """The trust centre's attribute; without it, it has the first suite. Raises `RadioError`, `HubError`."""
        question = ReadAttributes((wire.KEY_ESTABLISHMENT_SUITE,))
        try:
            answer = await attributes.ask(self._network, centre, endpoint, wire.CLUSTER, question)
        except ZclStatusError:
            return Suite.SECT163K1
        found = answer.records[0].value if isinstance(answer, ReadAttributesResponse) and answer.records else None
        return Suite(found) & EITHER if isinstance(found, int) else Suite.SECT163K1


def _begins(engine: Initiator | Responder, outcomes: Sequence[Outcome]) -> bool:
    """Whether an Initiate has begun an exchange, in place of one that is over; even if it was the end of that, too."""
    return engine.step not in _ENDED or any(isinstance(one, Failed) for one in outcomes)


def _speaks(member: Member, endpoint: int) -> bool:
    return member.profile(endpoint) == Profile.SMART_ENERGY


async def _ignored(work: Coroutine[None, None, bool]) -> None:
    await work
