"""Our side of a network: the endpoints that we host there and the ZDO server, with what others configured in them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from enum import Enum
from typing import Protocol

from hub import VERSION
from hub.clock import Clock
from hub.store import Statement, Store
from hub.zigbee.added import AddedEndpoints
from hub.zigbee.endpoint import LocalEndpoint, LocalEndpoints
from hub.zigbee.kept import from_builtins, to_builtins
from hub.zigbee.own_reporting import OwnReport
from hub.zigbee.roles import SmartEnergyRole
from hub.zigbee.servers.base import ClusterServer, PlainServer
from hub.zigbee.servers.basic import BasicFacts, BasicServer
from hub.zigbee.servers.identify import IdentifyServer
from hub.zigbee.servers.utc_time import VALID_FOR, TimeServer
from hub.zigbee.zdo_server import BindingTable, ZdoServer
from protocols.errors import CodecError
from protocols.ids import Eui64, Profile
from protocols.zcl import clusters
from protocols.zdo import Binding, NeighbourRow
from radios.api import Capabilities, KeysBy, NetworkInfo, RadioError, ZigbeeRadio

log = logging.getLogger(__name__)

HOME_GATEWAY = 0x0050
"""Device type of the Home Automation profile (07-5367, 5.8)."""
HA_ENDPOINT, SE_ENDPOINT = 0x01, 0x5E
"""Ours where the radio lets us choose; 0x5E is the gateway manual's."""
CLIENT_CLUSTERS = (
    clusters.POWER_CONFIGURATION,
    clusters.IDENTIFY,
    clusters.GROUPS,
    clusters.ON_OFF,
    clusters.LEVEL,
    clusters.POLL_CONTROL,
    clusters.THERMOSTAT,
    clusters.TEMPERATURE,
    clusters.HUMIDITY,
    clusters.OCCUPANCY,
    clusters.ILLUMINANCE,
    clusters.IAS_ZONE,
    clusters.METERING,
    clusters.ELECTRICAL_MEASUREMENT,
)
"""What we ask others for."""


class Mirroring(Protocol):
    """Who keeps mirrors of meters."""

    def client(self, radio: str) -> ClusterServer:
        """The Metering client, which every endpoint of ours has that asks meters."""
        ...

    def environment(self, radio: str) -> int:
        """PhysicalEnvironment of our Smart Energy endpoint: whether one more meter can be mirrored."""
        ...

    def endpoints(self, radio: str) -> Iterable[LocalEndpoint]:
        """An endpoint for each meter that is mirrored."""
        ...


class Recognised(Enum):
    """What a radio's network is to the one that it had before."""

    SAME = "same"
    OTHER_COORDINATOR = "other coordinator"
    """The network was moved to another stick: devices are there, and are bound to the old one."""
    OTHER_NETWORK = "other network"
    """Erased, or a stick with a network of its own: no device of before is on it."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the ZDO server is told of our network."""

    radio: ZigbeeRadio

    @property
    def _info(self) -> NetworkInfo:
        return self.radio.network

    @property
    def ieee(self) -> Eui64:
        return self._info.ieee

    @property
    def short(self) -> int:
        return self._info.short

    @property
    def is_coordinator(self) -> bool:
        return self._info.is_coordinator

    def neighbours(self) -> Sequence[NeighbourRow]:
        return ()


class OurSide:
    """Everything that we host on one network."""

    def __init__(
        self,
        name: str,
        store: Store,
        clock: Clock,
        zone: tzinfo,
        role: SmartEnergyRole,
        event_servers: Callable[[], Iterable[ClusterServer]],
        key_clusters: Callable[[], Iterable[ClusterServer]],
        next_tsn: Callable[[], int],
        on_identify: Callable[[int, int], None],
        mirroring: Mirroring | None = None,
        added: AddedEndpoints | None = None,
        valid_for: Callable[[], timedelta] = lambda: VALID_FOR,
        spawn: Callable[[Coroutine[None, None, None], str], object] | None = None,
    ) -> None:
        """`valid_for()`: for how long a clock that was corrected counts as right. `spawn`: tell a radio what is hosted,
        where it has to know."""
        self._spawn = spawn
        self._added, self._valid_for = added, valid_for
        self._name, self._store, self._clock, self._zone, self.role = name, store, clock, zone, role
        self._event_servers, self._key_clusters = event_servers, key_clusters
        self._next_tsn, self._on_identify, self._mirroring = next_tsn, on_identify, mirroring
        self.bindings = BindingTable(self._bindings_changed)
        self._location = ""
        self._network: tuple[int, int] | None = None
        self._reports: tuple[OwnReport, ...] = ()
        self.endpoints: LocalEndpoints | None = None
        self.zdo: ZdoServer | None = None

    async def load(self) -> None:
        """Read back what others bound and configured before the last stop."""
        rows = await self._store.read("SELECT what, state FROM zigbee_local WHERE radio = ?", (self._name,))
        for what, state in rows:
            try:
                found = json.loads(str(state))
                if what == "bindings":
                    self.bindings.load(Binding.decode(bytes.fromhex(row)) for row in found)
                elif what == "network":
                    self._network = int(found[0], 16), int(found[1], 16)
                elif what == "location":
                    self._location = str(found)
                elif what == "reports":
                    self._reports = tuple(from_builtins(row, OwnReport) for row in found)
            except (ValueError, KeyError, TypeError, CodecError) as error:
                log.warning("%s: %s cannot be read back: %s", self._name, what, error)

    def recognise(self, info: NetworkInfo) -> Recognised:
        """Whether a radio's network is the one of before; it is remembered from now on."""
        before, now = self._network, (int(info.ieee), info.extended_pan_id)
        if before == now:
            return Recognised.SAME
        self._network = now
        self._keep("network", [f"{now[0]:016x}", f"{now[1]:016x}"])
        if before is None:
            return Recognised.SAME
        return Recognised.OTHER_COORDINATOR if before[1] == now[1] else Recognised.OTHER_NETWORK

    def up(self, radio: ZigbeeRadio) -> None:
        """The radio is there: host what it lets us host."""
        can = radio.capabilities
        self.endpoints = LocalEndpoints(
            (*self._endpoints(can), *self._mirrors(can)),
            max_payload=can.max_payload,
            next_tsn=self._next_tsn,
            bound=self.bindings.targets,
            radio_confirms=can.answers_default_response,
            on_reporting_changed=self._reports_changed,
        )
        if self._added is not None:
            self._added.up(self._name, can, self.endpoints)
        self.endpoints.reporting.load(self._reports, self._clock.monotonic())
        self.zdo = ZdoServer(self.endpoints, _Facts(radio), self.bindings, max_payload=can.max_payload)
        if can.answers_zdo and not can.endpoints:
            self.endpoints.on_changed = lambda: self._tell_endpoints(radio)
            self._tell_endpoints(radio)

    def _tell_endpoints(self, radio: ZigbeeRadio) -> None:
        """The firmware answers for our endpoints: it has to know them."""
        if self.endpoints is None or self._spawn is None:
            return
        hosted = [one.simple_descriptor() for one in self.endpoints]

        async def tell() -> None:
            try:
                await radio.host(hosted)
            except RadioError as error:
                log.warning("%s: its stick does not know our endpoints: %s", self._name, error)

        self._spawn(tell(), f"endpoints of {self._name}")

    def _endpoints(self, can: Capabilities) -> list[LocalEndpoint]:
        if can.endpoints:
            return [
                LocalEndpoint(
                    endpoint=fixed.endpoint,
                    profile=fixed.profile,
                    device_type=fixed.device_type,
                    servers=self._servers(fixed.endpoint),
                    client_clusters=fixed.client_clusters or CLIENT_CLUSTERS,
                )
                for fixed in can.endpoints
            ]
        return [
            LocalEndpoint(
                endpoint=HA_ENDPOINT,
                profile=Profile.HOME_AUTOMATION,
                device_type=HOME_GATEWAY,
                servers=self._servers(HA_ENDPOINT),
                client_clusters=CLIENT_CLUSTERS,
            ),
            LocalEndpoint(
                endpoint=SE_ENDPOINT,
                profile=Profile.SMART_ENERGY,
                device_type=self.role.device_type,
                servers=(*self._servers(SE_ENDPOINT), *self._smart_energy_servers(can)),
                client_clusters=(*self.role.clients, clusters.KEY_ESTABLISHMENT),
            ),
        ]

    def _mirrors(self, can: Capabilities) -> Iterable[LocalEndpoint]:
        if self._mirroring is None or can.endpoints or not can.aps_encryption:
            return ()
        return self._mirroring.endpoints(self._name)

    def remove(self, endpoint: int) -> None:
        """An endpoint is gone, with what others bound and configured there."""
        if self.endpoints is not None:
            self.endpoints.remove(endpoint)
        self.bindings.forget_endpoint(endpoint)

    def _servers(self, endpoint: int) -> tuple[ClusterServer, ...]:
        facts = BasicFacts(software_build=VERSION[:16])
        mirroring = self._mirroring if endpoint == SE_ENDPOINT else None
        environment = (lambda: mirroring.environment(self._name)) if mirroring is not None else None
        found: tuple[ClusterServer, ...] = (
            BasicServer(facts, location=self._location, on_location=self._location_changed, environment=environment),
            IdentifyServer(endpoint, self._on_identify),
        )
        if clusters.TIME in self.role.servers:
            found += (TimeServer(self._clock, self._zone, self._clock.corrected_at, self._valid_for),)
        if self._mirroring is not None:
            found += (self._mirroring.client(self._name),)
        return found

    def _smart_energy_servers(self, can: Capabilities) -> Iterator[ClusterServer]:
        if not can.aps_encryption:
            return
        # Devices look for it, and do not authenticate where nobody says that it is there.
        if can.keys_by is KeysBy.HUB:
            yield from self._key_clusters()
        else:
            yield PlainServer(clusters.KEY_ESTABLISHMENT)
        yield from self._event_servers()

    # -- on disk -------------------------------------------------------------------------------------------------

    def _keep(self, what: str, state: object) -> None:
        statement: Statement = (
            "INSERT OR REPLACE INTO zigbee_local (radio, what, state) VALUES (?, ?, ?)",
            [(self._name, what, json.dumps(state))],
        )
        self._store.append(statement)

    def _bindings_changed(self) -> None:
        self._keep("bindings", [row.encode().hex() for row in self.bindings.rows()])

    def _location_changed(self, location: str) -> None:
        self._location = location
        self._keep("location", location)

    def _reports_changed(self) -> None:
        if self.endpoints is not None:
            self._reports = self.endpoints.reporting.rows()
            self._keep("reports", [to_builtins(row) for row in self._reports])
