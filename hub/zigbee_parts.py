"""All parts between the Zigbee radios and the interfaces, made and wired to each other; `Hub` starts and stops them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from random import randint

from hub.breakers import Ended
from hub.bus import Bus
from hub.clock import Clock
from hub.config import BackupSection, HubSection, RadioSection
from hub.devices import Devices
from hub.history import History
from hub.metering import Metering
from hub.registry import JOIN_INTERVAL, MAX_SOCKET_RETRIES, TX_STATUS_TIMEOUT, Registry
from hub.smart_energy.esi import EnergyService
from hub.smart_energy.fast_polls import FastPolls
from hub.smart_energy.meter_link import MeterLink
from hub.smart_energy.metering_client import MeteringClient
from hub.smart_energy.mirror import Mirrors
from hub.smart_energy.network_time import NetworkTime
from hub.smart_energy.premises import EnergyClient, Premises
from hub.smart_energy.service import SmartEnergy
from hub.smart_energy.signatures import Signatures
from hub.smart_energy.tunneling import Tunnels
from hub.store import Store
from hub.zigbee import start
from hub.zigbee.at_commands import AtCommands
from hub.zigbee.backups import Backups
from hub.zigbee.certificates import Certificates
from hub.zigbee.control import Controls
from hub.zigbee.direct import Direct
from hub.zigbee.direct_reports import DirectReports
from hub.zigbee.household import Household
from hub.zigbee.key_establishment import KeyEstablishment
from hub.zigbee.link_keys import LinkKeys
from hub.zigbee.own_certificates import BestArithmetic, OwnCertificates
from hub.zigbee.remote_attributes import RemoteAttributes
from hub.zigbee.roles import role_of
from hub.zigbee.servers.base import ClusterServer
from hub.zigbee.service import Networks
from hub.zigbee.setup import NetworkSetup
from hub.zone import local_zone
from protocols.se.binary_curve import Arithmetic
from protocols.se.drlc import CLUSTER as DRLC_CLUSTER
from protocols.se.key_establishment import Suite


class ZigbeeParts:
    """All of it. Some parts need each other: those are asked for when they are needed."""

    def __init__(
        self,
        sections: tuple[RadioSection, ...],
        hub: HubSection,
        backup: BackupSection,
        data_dir: Path,
        registry: Registry,
        store: Store,
        history: History,
        devices: Devices,
        energy: Metering,
        bus: Bus,
        clock: Clock,
        background: Callable[[Coroutine[None, None, None], str], asyncio.Task[None]],
        spawn: Callable[[Coroutine[None, None, Ended]], asyncio.Task[Ended | Exception]],
    ) -> None:
        """`sections`: Zigbee radios. `background`: work that nobody waits for; `spawn`: a command that goes on."""
        roles = {section.name: role_of(hub.role, joins=section.radio.joins) for section in sections}
        arithmetic = BestArithmetic()
        signatures = {name: self._signatures(name, arithmetic) for name in roles}
        services = {
            name: EnergyService(
                name,
                lambda: self.smart_energy.now(),
                background,
                lambda radio, item, what: self.smart_energy.changed(radio, item, what),
                lambda *report: self.smart_energy.reported(*report),
                hub.se_version,
                signatures=signatures[name],
            )
            for name, role in roles.items()
            if DRLC_CLUSTER in role.servers
        }
        clients = {
            name: EnergyClient(
                name,
                lambda name=name: self.premises.utc(name),  # type: ignore[misc]
                background,
                lambda radio, kind, number, what: self.premises.changed(radio, kind, number, what),
                lambda most: randint(0, most),
                hub.se_version,
                signatures=signatures[name],
            )
            for name, role in roles.items()
            if DRLC_CLUSTER in role.clients
        }

        self.mirrors = Mirrors(
            tuple(services),
            hub.mirrors,
            lambda radio: self.networks.network(radio),
            lambda device_id: self.household.find(device_id),
            lambda member, values: self.household.learn(member, values),
            lambda radio, endpoint: self.household.unhost(radio, endpoint),
            store,
            bus,
            clock,
            background,
        )

        self.tunnels = Tunnels(
            tuple(services),
            lambda radio: self.networks.network(radio),
            lambda device_id: self.household.find(device_id),
            bus,
            clock,
            background,
        )

        def hosted(radio: str) -> Iterator[ClusterServer]:
            if radio in services:
                yield from services[radio].servers(roles[radio].servers)
                yield from self.tunnels.clusters(radio)
            if radio in clients:
                yield from clients[radio].hosted(roles[radio].clients)

        self.household = Household(
            roles,
            hosted,
            lambda radio: self.key_establishments[radio].clusters(),
            store,
            registry,
            devices,
            energy,
            bus,
            clock,
            local_zone(),
            background,
            lambda network: self.networks.moved(network),
            self.mirrors,
        )
        self.link_keys = LinkKeys(data_dir)
        own_certificates = OwnCertificates(data_dir, arithmetic)
        self.key_establishments: dict[str, KeyEstablishment] = {
            name: KeyEstablishment(
                network,
                own_certificates,
                self.link_keys,
                arithmetic,
                background,
                self.household.keys_lost,
                lambda network: self.networks.changed(network),
                hub.se_version,
            )
            for name, network in self.household.networks.items()
        }
        self.networks: Networks = Networks(
            sections,
            self.household,
            registry,
            devices,
            self.link_keys,
            self.key_establishments,
            bus,
            clock,
            background,
            lambda radio: self.premises.clock_of(radio),
            lambda radio: self.backups.status(radio),
        )
        self.backups: Backups = Backups(
            backup,
            data_dir,
            self.household.networks,
            self.networks.network,
            self.household.members.get,
            lambda radio, addresses: start.returned(self.household.networks[radio], self.household, addresses),
            bus,
            clock,
            local_zone(),
            background,
        )
        self.networks.on_erased = self.backups.formed_anew
        self.link_keys.on_removed = self.backups.key_removed
        self.network_setup = NetworkSetup(
            registry, self.networks.network, lambda: list(self.household.networks.values())
        )
        self.network_setup.on_left = self.backups.formed_anew
        for name in (JOIN_INTERVAL, TX_STATUS_TIMEOUT, MAX_SOCKET_RETRIES):
            registry.watch(name, self.network_setup.settings_changed)
        self.at_commands = AtCommands(self.networks.network)
        find = self.household.find
        self.smart_energy: SmartEnergy = SmartEnergy(services, self.networks.network, find, store, bus, clock)
        times = {
            name: NetworkTime(
                name,
                clock,
                background,
                lambda radio: self.networks.changed(self.networks.network(radio)),
            )
            for name in clients
        }
        self.premises: Premises = Premises(clients, times, self.networks.network, find, store, bus, clock)
        link = MeterLink(self.networks.find, self.household.learn, clock)
        self.meters = MeteringClient(link, self.premises.utc, history, clock, background)
        energy.on_doubt = self.meters.doubted
        self.fast_polls = FastPolls(link, self.premises.utc, background, bus, clock)
        self.certificates = Certificates(
            self.networks.network, own_certificates, self.key_establishments, self.networks.changed
        )
        self.direct = Direct(self.networks, self.household, registry, clock, background)
        self.direct_reports = DirectReports(self.direct, self.household)
        self.attributes = RemoteAttributes(self.networks, self.household, clock)
        self.controls = Controls(
            devices,
            history,
            registry,
            bus,
            clock,
            self.networks.find,
            self.household.learn,
            spawn,
        )

    async def load(self) -> None:
        """Read back what was known at the last stop."""
        await self.household.load()
        await self.smart_energy.load()
        await self.mirrors.load()
        await self.premises.load()
        self.link_keys.load()
        await self.backups.load()

    def services(self) -> Iterator[tuple[Coroutine[None, None, None], str]]:
        """What goes on as long as the hub does; nothing where there is no network."""
        if self.household.networks:
            yield self.household.keeper.run(), "reports"
            yield self.household.presence.run(), "presence"
            yield self.household.run_reports(), "own reports"
            yield self.household.run_persist(), "attributes"
            yield self.smart_energy.run(), "Smart Energy"
            yield self.premises.run(), "premises"
            yield self.fast_polls.run(), "fast polls"
            yield self.mirrors.run(), "mirrors"
            yield self.tunnels.run(), "tunnels"
            yield self.backups.run(), "backups"

    def persist(self) -> None:
        """Let what has changed join the next batch of the database."""
        self.household.persist()
        self.smart_energy.persist()
        self.premises.persist()
        self.backups.persist()

    def _signatures(self, radio: str, arithmetic: Arithmetic) -> Signatures:
        """Who signs and verifies reports on a network: with what key establishment by the hub has and leaves."""
        return Signatures(
            lambda: self.key_establishments[radio].held.of(Suite.SECT163K1),
            lambda ieee: self.key_establishments[radio].signing_key(ieee),
            arithmetic,
        )
