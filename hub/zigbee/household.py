"""The members of all Zigbee networks: who is there, what they say, what they are to the people of the home.

It hears what networks hear (`network.Listener`), keeps what interviews find out (`interview.Household`), and turns both
into devices, readings and events.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo

from hub.bus import Bus
from hub.clock import Clock
from hub.devices import Devices
from hub.events import (
    DeviceAnnounced,
    DeviceAuthenticated,
    DeviceLeft,
    IdentifyRequested,
    InterviewProgress,
)
from hub.metering import Metering
from hub.model import Availability
from hub.registry import MAX_SEQUENTIAL_TX_FAILURES, NTP_SYNC_RATE, REFRESH_RATE, REQUIRE_EXPLICIT_DEVICE_ADD, Registry
from hub.store import Store
from hub.zigbee import client_clusters, start
from hub.zigbee.added import AddedEndpoints
from hub.zigbee.attributes import values_of
from hub.zigbee.interview import Interview
from hub.zigbee.listener import Taken
from hub.zigbee.local import Mirroring, OurSide, Recognised
from hub.zigbee.meaning import Meaning
from hub.zigbee.member import Member, attributes_from_rows, attributes_to_rows, device_id_of, from_row, ieee_of, to_row
from hub.zigbee.model import DEVICE_PREFIX, AttributeValue, InterviewStep, ReportingRow, Side, StepState
from hub.zigbee.network import Network
from hub.zigbee.presence import Presence, silence_allowed_s
from hub.zigbee.reporting import ReportKeeper
from hub.zigbee.roles import SmartEnergyRole
from hub.zigbee.servers.base import ClusterServer
from protocols.aps import ApsFrame
from protocols.errors import CodecError
from protocols.ids import COORDINATOR, Eui64
from protocols.zcl.general import ReadAttributesResponse, ReportAttributes
from protocols.zcl.header import Direction, ZclHeader
from radios.api import DeviceAuthenticated as RadioDeviceAuthenticated
from radios.api import DeviceJoined, NetworkInfo, RadioError, ZigbeeRadio
from radios.api import DeviceLeft as RadioDeviceLeft

log = logging.getLogger(__name__)

PERSIST_INTERVAL_S = 60.0
"""Attributes go to disk so often; what they measure is in the history already, readings and all."""
OWN_REPORTS_S = 1.0
"""How often our own attributes are looked at for reports to others."""
ANNOUNCE_AGAIN_S = 5.0
"""A second announce within this time is the same joining: sticks tell each twice, devices broadcast it thrice."""

LEAVING_S = 5.0
"""Frames of a device that has left are taken for stragglers so long, unless it announces itself."""
INTERVIEW_AGAIN_S = 300.0
"""An interview with unanswered questions is taken up again so long after, when the device is heard."""
ZIGBEE_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

Spawn = Callable[[Coroutine[None, None, None], str], "asyncio.Task[None]"]


class Household:
    """All Zigbee devices of all networks."""

    def __init__(
        self,
        roles: Mapping[str, SmartEnergyRole],
        event_servers: Callable[[str], Iterable[ClusterServer]],
        key_clusters: Callable[[str], Iterable[ClusterServer]],
        store: Store,
        registry: Registry,
        devices: Devices,
        metering: Metering,
        bus: Bus,
        clock: Clock,
        zone: tzinfo,
        spawn: Spawn,
        network_moved: Callable[[Network], None],
        mirroring: Mirroring | None = None,
    ) -> None:
        """`roles`: what we are on each Zigbee radio's network; `event_servers(radio)`: event clusters hosted there.

        `key_clusters(radio)`: both sides of Key Establishment, hosted where the radio leaves that to us.
        `network_moved` is told when a network is not what it was.
        """
        self._store, self._registry, self._devices, self._metering = store, registry, devices, metering
        self._bus, self._clock, self._spawn, self._network_moved = bus, clock, spawn, network_moved
        self.members: dict[int, Member] = {}
        self._meaning = Meaning(devices, metering, bus, clock)
        self._interviews: dict[int, tuple[Interview, asyncio.Task[None]]] = {}
        self.networks: dict[str, Network] = {}
        self._ours: dict[str, OurSide] = {}
        self.added = AddedEndpoints(roles, self.unhost)
        self._on_network: set[str] = set()
        """Radios that are on their network."""
        for name, role in roles.items():
            network = Network(name, registry, clock, self, lambda work, label: self._quietly(work, label))
            self.networks[name] = network
            self._ours[name] = OurSide(
                name,
                store,
                clock,
                zone,
                role,
                lambda name=name: event_servers(name),  # type: ignore[misc]
                lambda name=name: key_clusters(name),  # type: ignore[misc]
                network.conversations.next_tsn,
                lambda endpoint, seconds, name=name: self._identify(name, endpoint, seconds),  # type: ignore[misc]
                mirroring,
                self.added,
                lambda: timedelta(seconds=registry.seconds(NTP_SYNC_RATE)),
                self._quietly,
            )
        self.keeper = ReportKeeper(clock, self.network_of, self.learn, self.save)
        self.presence = Presence(clock, registry, lambda: self.networks.values(), self._away)

    def _quietly(self, work: Coroutine[None, None, None], label: str) -> None:
        self._spawn(work, label)

    # -- life ----------------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read all members back after a start."""
        for device_id, radio, short, state in await self._store.read(
            "SELECT id, radio, short, state FROM zigbee_device"
        ):
            try:
                member = from_row(str(device_id), str(radio), short if isinstance(short, int) else None, str(state))
            except (ValueError, KeyError, TypeError, CodecError) as error:
                log.warning("%s cannot be read back, it is interviewed again: %s", device_id, error)
                continue
            self.members[member.ieee] = member
            network = self.networks.get(member.radio)
            if network is not None:
                network.add(member)
        rows = await self._store.read(
            "SELECT device, endpoint, cluster, side, attribute, manufacturer, type, value, status, time, source "
            "FROM zigbee_attribute"
        )
        by_id = {member.device_id: member for member in self.members.values()}
        for device_id, value in attributes_from_rows(rows):
            owner = by_id.get(device_id)
            if owner is not None:
                owner.keep((value,))
                owner.dirty.clear()
        for ours in self._ours.values():
            await ours.load()
        for member in self.members.values():
            self._meaning.restore(member)
            self.keeper.watch(member)

    async def run_reports(self) -> None:
        """Send the reports of our own attributes that others configured; ends by cancellation."""
        while True:
            await asyncio.sleep(OWN_REPORTS_S)
            for name, network in self.networks.items():
                endpoints = self._ours[name].endpoints
                if network.radio is None or endpoints is None:
                    continue
                for frame in endpoints.reporting.due(self._clock.monotonic()):
                    if frame.destination_ieee is not None:
                        # To no device that is away (CPX2-SE, ZCL Reporting and Device Activity).
                        member = network.members.get(frame.destination_ieee)
                        if member is not None and not member.is_active:
                            continue
                    network.send_soon(frame)

    async def run_persist(self) -> None:
        """Keep attributes every minute; ends by cancellation."""
        while True:
            await asyncio.sleep(PERSIST_INTERVAL_S)
            self.persist()

    async def flush(self) -> None:
        """What was saved so far is on disk when this returns. Raises `StorageError`."""
        await self._store.flush()

    def persist(self) -> None:
        """Hand what is not on disk to the database."""
        for member in self.members.values():
            if member.dirty:
                statement = attributes_to_rows(member)
                if statement is not None:
                    self._store.append(statement)

    def radio_up(self, name: str, radio: ZigbeeRadio) -> None:
        """A radio is there: its members are looked for."""
        network, ours = self.networks[name], self._ours[name]
        network.up(radio)
        ours.up(radio)
        network.local = ours.endpoints
        network.answer_zdo = ours.zdo.handle if ours.zdo is not None else None
        self._settle(network, radio.network)

    def _settle(self, network: Network, info: NetworkInfo) -> None:
        """The radio says where it is: on its network, or what it waits for."""
        if not info.is_operational:
            self._on_network.discard(network.name)
            self._unreachable(network, f"its radio is on no network: {info.waits_for}")
            return
        self._recognise(network, info)
        self._spawn(self._set_clock(network), f"clock of {network.name}")
        self._resume(network)
        if network.name in self._on_network:
            return
        self._on_network.add(network.name)
        for member in network.members.values():
            if member.is_sleepy:
                self.presume_asleep(member)
        self._spawn(start.look_around(network, self), f"members of {network.name}")

    def _unreachable(self, network: Network, detail: str) -> None:
        for member in network.members.values():
            member.is_active = False
            self._available(member, Availability.UNAVAILABLE, detail)

    def _recognise(self, network: Network, info: NetworkInfo) -> None:
        """After a change of stick or of network devices have to be bound anew, or to join again."""
        found = self._ours[network.name].recognise(info)
        if found is Recognised.SAME:
            return
        log.warning("%s: %s than before, %016x by %s", network.name, found.value, info.extended_pan_id, info.ieee)
        if found is Recognised.OTHER_NETWORK:
            network.lose_addresses()
        for member in network.members.values():
            member.unconfigure()
            if found is Recognised.OTHER_NETWORK:
                member.is_active = False
                self._available(member, Availability.UNAVAILABLE, "the network is another one: join it again")
            elif member.interview is InterviewStep.DONE:
                member.interview = InterviewStep.REPORTING
            self.save(member)

    def radio_down(self, name: str, reason: str) -> None:
        """A radio is gone: its members cannot be reached."""
        network = self.networks[name]
        network.down(reason)
        self._on_network.discard(name)
        self._unreachable(network, f"its radio is down: {reason}")

    async def _set_clock(self, network: Network) -> None:
        """A stick that has a clock of its own has no time after a start."""
        if network.radio is None:
            return
        try:
            await network.radio.set_time(round((self._clock.now() - ZIGBEE_EPOCH).total_seconds()))
        except RadioError as error:
            log.info("%s: its clock could not be set: %s", network.name, error)

    def presume_asleep(self, member: Member) -> None:
        """A sleepy device was heard not long ago: it is taken for there, although it has not spoken since the start."""
        device = self._devices.find(member.device_id)
        if device is None or device.last_seen is None:
            return
        allowed = silence_allowed_s(member, self._registry.seconds(REFRESH_RATE))
        silent = (self._clock.now() - device.last_seen).total_seconds()
        if silent < allowed:
            member.is_active = True
            member.heard_at = self._clock.monotonic() - max(0.0, silent)
            self._available(member, Availability.AVAILABLE, "")

    def _resume(self, network: Network) -> None:
        """Go on with interviews that a restart of the radio, or of the hub, has stopped."""
        for member in network.members.values():
            if member.short is not None and member.interview is not InterviewStep.DONE:
                self.start_interview(member)
                running = self._interviews.get(member.ieee)
                if running is not None:
                    running[0].radio_restarted()
        self._spawn(start.find(network, self), f"addresses of {network.name}")

    def unhost(self, radio: str, endpoint: int) -> None:
        """An endpoint of ours is gone."""
        self._ours[radio].remove(endpoint)

    def role_of(self, radio: str) -> SmartEnergyRole:
        """What we are on a radio's network."""
        return self._ours[radio].role

    def trust_centre_of(self, network: Network) -> Eui64 | None:
        """Who holds the network and its keys; None: nobody does, or it has not been found yet."""
        radio = network.radio
        if radio is None or not (radio.capabilities.link_keys or radio.capabilities.router):
            return None
        if radio.capabilities.link_keys:
            return radio.network.ieee
        found = network.at(COORDINATOR)
        return found.ieee if found is not None else None

    def ask_state(self, member: Member) -> None:
        """A device is back: it may be switched otherwise than it was."""
        member.steps_done.discard(InterviewStep.ATTRIBUTES)
        self.start_interview(member, again=True)

    # -- members -------------------------------------------------------------------------------------------------

    def find(self, device_id: str) -> Member | None:
        """The Zigbee device with an id of the device list; None for other devices too."""
        return self.members.get(ieee_of(device_id)) if device_id.startswith(DEVICE_PREFIX) else None

    def network_of(self, member: Member) -> Network | None:
        """The network of a member; None if its radio is not configured any more."""
        return self.networks.get(member.radio)

    def add(self, network: Network, ieee: Eui64, *, by_hand: bool = False, is_heard: bool = True) -> Member:
        """A device becomes part of a network; it keeps its id and history wherever it was before."""
        member = self.members.get(ieee)
        if member is None:
            member = self.members[ieee] = Member(ieee, network.name)
        member.added_by_hand = member.added_by_hand or by_hand
        if by_hand:
            network.forget_strangers()
        if network.members.get(ieee) is not member:
            before = self.networks.get(member.radio)
            if before is not None:
                before.remove(member)
            if before is not network:
                member.unconfigure()
            member.radio = network.name
            member.short = None if before is not None and before is not network else member.short
            network.add(member)
        if self._devices.find(member.device_id) is None:
            self._meaning.add(member, is_heard=is_heard)
        self.save(member)
        return member

    def forget(self, member: Member) -> None:
        """A person removed a device."""
        network = self.network_of(member)
        if network is not None:
            network.remove(member)
            ours = self._ours[network.name]
            ours.bindings.forget(member.ieee)
            if ours.endpoints is not None:
                ours.endpoints.reporting.forget(member.ieee)
        running = self._interviews.pop(member.ieee, None)
        if running is not None:
            running[1].cancel()
        self.keeper.forget(member)
        self.members.pop(member.ieee, None)
        self._meaning.forget(member)
        self._store.append(
            ("DELETE FROM zigbee_device WHERE id = ?", [(member.device_id,)]),
            ("DELETE FROM zigbee_attribute WHERE device = ?", [(member.device_id,)]),
        )

    def start_interview(self, member: Member, *, again: bool = False, anew: bool = False) -> None:
        """Interview a device, if that is not going on. `again`: read its state anew; `anew`: ask everything anew."""
        network = self.network_of(member)
        if network is None or network.radio is None:
            return
        running = self._interviews.get(member.ieee)
        if running is not None and not running[1].done():
            if not anew:
                return
            running[1].cancel()
        if anew:
            member.steps_done.clear()
            member.endpoint_ids = None
            member.endpoints.clear()
            member.interview = InterviewStep.ANNOUNCE
        interview = Interview(network, member, self, again=again or anew)
        task = self._spawn(interview.run(), f"interview {member.device_id}")
        self._interviews[member.ieee] = (interview, task)

    def _available(self, member: Member, availability: Availability, detail: str) -> None:
        device = self._devices.find(member.device_id)
        if device is None:
            return
        address = f"0x{member.short:04x}" if member.short is not None else ""
        if availability is not Availability.AVAILABLE and device.availability is Availability.AVAILABLE:
            self._metering.interrupt(member.device_id)
        self._devices.change(
            replace(
                device,
                availability=availability,
                availability_detail=detail,
                radio=member.radio,
                address=address,
                lqi=member.lqi,
                sleepy=member.is_sleepy,
            )
        )

    def _away(self, member: Member, reason: str) -> None:
        if member.is_active:
            log.warning("%s: inactive: %s", member.device_id, reason)
        member.is_active = False
        self._available(member, Availability.UNAVAILABLE, reason)

    # -- what networks hear (network.Listener) -------------------------------------------------------------------

    def heard(self, member: Member) -> None:
        """A frame of a known device arrived."""
        now = self._clock.monotonic()
        if member.left_at is not None:
            if now - member.left_at < LEAVING_S:
                return  # it was on its way when the device left
            member.left_at = None
        member.heard_at = now
        member.failures = 0
        if not member.is_active:
            member.is_active = True
            self._available(member, Availability.AVAILABLE, "")
            if member.interview is not InterviewStep.DONE:
                self.start_interview(member)
        self._devices.seen(member.device_id, member.lqi)
        running = self._interviews.get(member.ieee)
        if running is not None:
            running[0].heard()
            if member.interview is not InterviewStep.DONE and running[0].is_over_since(now - INTERVIEW_AGAIN_S):
                self.start_interview(member)

    def announced(self, network: Network, event: DeviceJoined) -> None:
        """A device is there: new, back, or with another network address."""
        now = self._clock.now()
        known = self.members.get(event.ieee)
        accepted = known is not None or not self._registry.is_on(REQUIRE_EXPLICIT_DEVICE_ADD)
        if not accepted:
            log.info("%s announced itself on %s and was not added before: left alone", event.ieee, network.name)
            self._bus.publish(
                DeviceAnnounced(now, network.name, device_id_of(event.ieee), event.short, is_new=True, accepted=False)
            )
            return
        is_new = known is None or (known.announced_at is None and known.interview is InterviewStep.ANNOUNCE)
        is_elsewhere = known is not None and known.radio != network.name
        member = self.add(network, event.ieee)
        again = member.announced_at is not None and (now - member.announced_at).total_seconds() < ANNOUNCE_AGAIN_S
        is_same = member.short == event.short and not is_elsewhere
        network.place(member, event.short)
        if event.mac_capability is not None:
            member.mac_capability = event.mac_capability
        if event.lqi:
            member.lqi = event.lqi
        member.announced_at = now
        member.left_at = None
        self.heard(member)
        self._available(member, Availability.AVAILABLE, "")
        if again and is_same:
            self.save(member)
            return
        self._bus.publish(DeviceAnnounced(now, network.name, member.device_id, event.short, is_new, accepted=True))
        self.progress(member, InterviewStep.ANNOUNCE, StepState.DONE, 0, 1, f"address 0x{event.short:04x}")
        self.save(member)
        if member.interview is InterviewStep.DONE:
            self.ask_state(member)
        else:
            self.start_interview(member)

    def stranger(self, network: Network, ieee: Eui64, short: int) -> Member | None:
        """Somebody spoke whom we do not know: detected by its message (CPX2-SE, Device Detection)."""
        if self._registry.is_on(REQUIRE_EXPLICIT_DEVICE_ADD) and ieee not in self.members:
            return None
        self.announced(network, DeviceJoined(ieee=ieee, short=short))
        return self.members.get(ieee)

    def authenticated(self, network: Network, event: RadioDeviceAuthenticated) -> None:
        """A device has established keys with us."""
        member = network.members.get(event.ieee)
        log.info("%s: keys are established with %s", network.name, event.ieee)
        if member is None:
            return
        member.is_authenticated = True
        self.save(member)
        self._bus.publish(DeviceAuthenticated(self._clock.now(), network.name, member.device_id))
        running = self._interviews.get(member.ieee)
        if running is not None:
            running[0].authenticated()
        if member.interview is not InterviewStep.DONE:
            self.start_interview(member)

    def keys_lost(self, member: Member) -> None:
        """A device has said that it does not have the keys that we took for established."""
        member.is_authenticated = False
        self.save(member)

    def left(self, network: Network, event: RadioDeviceLeft) -> None:
        """A device left."""
        member = network.members.get(event.ieee)
        if member is None:
            return
        detail = "it left the network and will come back" if event.rejoin else "it left the network; join it again"
        self._away(member, detail)
        member.left_at = self._clock.monotonic()
        if not event.rejoin:
            member.announced_at = None
            member.unconfigure()
            self.save(member)
        self._bus.publish(DeviceLeft(self._clock.now(), network.name, member.device_id, event.rejoin))

    def reported(self, member: Member, frame: ApsFrame, header: ZclHeader, payload: bytes) -> bool:
        """Attributes came by themselves."""
        try:
            report = ReportAttributes.decode(payload)
        except CodecError as error:
            log.debug("%s: report: %s", member.device_id, error)
            return False
        side = Side.SERVER if header.direction is Direction.TO_CLIENT else Side.CLIENT
        now = self._clock.now()
        endpoint, cluster, code = frame.source_endpoint, frame.cluster, header.manufacturer
        values = tuple(
            AttributeValue(
                endpoint=endpoint,
                cluster=cluster,
                side=side,
                attribute=record.attribute,
                manufacturer=code,
                data_type=record.type,
                value=record.value,
                time=now,
                source="report",
            )
            for record in report.records
        )
        for record in report.records:
            self.keeper.came(member, (endpoint, cluster, side, record.attribute, code), now)
        self.learn(member, values)
        return not report.rest

    def answered(self, member: Member, frame: ApsFrame, header: ZclHeader, payload: bytes) -> None:
        """Attributes were read, and nobody waits for them any more."""
        try:
            answer = ReadAttributesResponse.decode(payload)
        except CodecError as error:
            log.debug("%s: late answer: %s", member.device_id, error)
            return
        side = Side.SERVER if header.direction is Direction.TO_CLIENT else Side.CLIENT
        place = frame.source_endpoint, frame.cluster, side, header.manufacturer
        self.learn(member, tuple(values_of(answer, *place, self._clock.now(), "read")))

    def commanded(self, network: Network, member: Member, frame: ApsFrame, header: ZclHeader, payload: bytes) -> Taken:
        """A cluster command of a device."""
        is_understood = self._meaning.command(member, frame, header, payload)
        if client_clusters.answer(network, member, frame, header, payload):
            return Taken.ANSWERED
        return Taken.UNDERSTOOD if is_understood else Taken.UNKNOWN

    def moved(self, network: Network, info: NetworkInfo) -> None:
        """The radio's network is not what it was."""
        log.info("%s: %s", network.name, info.waits_for or f"channel {info.channel}, PAN 0x{info.pan_id:04x}")
        self._settle(network, info)
        self._network_moved(network)

    def failed(self, member: Member) -> None:
        """A transmission failed."""
        limit = self._registry.seconds(MAX_SEQUENTIAL_TX_FAILURES)
        if member.failures >= limit and member.is_active:
            self._away(member, f"{member.failures} transmissions in a row were not delivered: out of power or range")

    # -- what interviews find out (interview.Household) ------------------------------------------------------------

    def progress(
        self, member: Member, step: InterviewStep, state: StepState, done: int, total: int, detail: str
    ) -> None:
        """Tell how far an interview is."""
        self._bus.publish(
            InterviewProgress(self._clock.now(), member.radio, member.device_id, step, state, done, total, detail)
        )

    def save(self, member: Member) -> None:
        """Keep what is known now."""
        self._store.append(to_row(member))
        self.keeper.watch(member)

    def described(self, member: Member) -> None:
        """All endpoints are known, or the model is: what the device can do may have changed."""
        self._meaning.described(member)

    def learn(self, member: Member, values: Sequence[AttributeValue]) -> None:
        """Attributes were reported or read."""
        self._meaning.learn(member, values)

    def wanted(self, member: Member) -> Sequence[tuple[int, int, int, int | None]]:
        """What to read of a new device."""
        return self._meaning.translator(member).wanted()

    def reporting(self, member: Member) -> Sequence[ReportingRow]:
        """What to have reported."""
        return self._meaning.translator(member).reporting()

    def now(self) -> datetime:
        """The time of day."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self._clock.monotonic()

    def _identify(self, name: str, endpoint: int, seconds: int) -> None:
        self._bus.publish(IdentifyRequested(self._clock.now(), name, endpoint, seconds))
