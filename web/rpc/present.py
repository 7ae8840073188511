"""What was added and is there now: modules with their classes, interfaces, endpoints, clusters.

`new_*` and `resolve_*` find out whether something can be, and change nothing; `take_*` and `drop_*` cannot fail.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hub.errors import HubError, NotFoundError, RefusedError
from hub.smart_energy.mirror_table import FIRST_MIRROR, LAST_MIRROR
from hub.zigbee.added import AddedCluster, AddedEndpoint, AddedEndpoints
from hub.zigbee.local import HA_ENDPOINT, SE_ENDPOINT
from hub.zigbee.model import Side
from hub.zigbee.security import security_of
from hub.zigbee.servers.base import ClusterServer
from protocols.aps import Security
from protocols.ids import MAX_APPLICATION_ENDPOINT, Profile
from web.rpc import as_json, as_xml
from web.rpc.check import Checked
from web.rpc.declare import RequestRow
from web.rpc.engine import Engine, Handler, RequestFailedError
from web.rpc.extension import (
    HOSTED_ANYWAY,
    OWN_CLUSTERS,
    OWN_ENDPOINTS,
    Cluster,
    Endpoint,
    Interface,
    Place,
    Surroundings,
    ZCL_Cluster,
)
from web.rpc.ini import ClusterLine, EndpointLine
from web.rpc.interfaces import INTERFACES
from web.rpc.modules import Module, ModuleDirectory
from web.rpc.response import Response
from web.rpc.table import Table, near
from web.rpc.types import ValueRefusedError
from web.rpc.values import Values

log = logging.getLogger(__name__)

OWN_MODULES = frozenset(name for name, _ in INTERFACES.values())
"""What gateways had modules of, and interface classes by the same names: here they are always there."""
RESERVED = frozenset((HA_ENDPOINT, SE_ENDPOINT, *range(FIRST_MIRROR, LAST_MIRROR + 1)))
"""Endpoints of ours: by themselves, and for mirrors of meters."""


class NotTakenError(RefusedError):
    """A line names what there is not, or what cannot be: which part, and what is allowed."""

    def __init__(self, what: str, value: str, allowed: str) -> None:
        super().__init__(f"{what} is {value!r}; allowed: {allowed}")
        self.what, self.value, self.allowed = what, value, allowed


@dataclass(frozen=True, slots=True)
class ResolvedCluster:
    """A cluster with what its class adds to its line."""

    line: ClusterLine
    made_of: type[Cluster]
    cluster: int
    side: Side
    encrypted: bool | None

    @property
    def place(self) -> tuple[int, int, Side]:
        """Which one it is."""
        return self.line.endpoint, self.cluster, self.side


@dataclass(frozen=True, slots=True)
class ResolvedEndpoint:
    """An endpoint with what its class adds to its line."""

    line: EndpointLine
    made_of: type[Endpoint]
    profile: int
    device_type: int
    version: int
    is_there_anyway: bool


class Present:
    """What is there."""

    def __init__(
        self,
        engine: Engine,
        handlers: dict[str, Handler],
        directory: ModuleDirectory,
        added: AddedEndpoints,
        around: Surroundings,
    ) -> None:
        """`handlers` are the engine's: those of interfaces come and go there."""
        self._engine, self._handlers, self._directory, self._added = engine, handlers, directory, added
        self._around = around
        self._base: Table = engine.table
        self.modules: dict[str, Module] = {}
        """Those that have been run, removed ones too."""
        self.interfaces: dict[str, Interface | None] = {}
        """None: one that is always there."""
        self.endpoints: dict[int, ResolvedEndpoint] = {}
        self.clusters: dict[tuple[int, int, Side], ResolvedCluster] = {}

    def interface_classes(self) -> dict[str, type[Interface]]:
        """Of all modules."""
        return {name: found for module in self.modules.values() for name, found in module.interfaces.items()}

    def endpoint_classes(self) -> dict[str, type[Endpoint]]:
        """Of all modules, and those that are always there."""
        found = {**OWN_ENDPOINTS, **{name: one for name, (one, _) in HOSTED_ANYWAY.items()}}
        return found | {name: one for module in self.modules.values() for name, one in module.endpoints.items()}

    def cluster_classes(self) -> dict[str, type[Cluster]]:
        """Of all modules, and those that are always there."""
        return OWN_CLUSTERS | {name: one for module in self.modules.values() for name, one in module.clusters.items()}

    def module_of(self, name: str) -> str:
        """Where a class or record of a module is from; empty for one of ours."""
        return next((module.name for module in self.modules.values() if name in module.names()), "")

    def interface_of(self, row: RequestRow) -> str:
        """The added interface that a request is from; empty for one of ours."""
        return next(
            (name for name, one in self.interfaces.items() if one is not None and row.name in _requests(one)),
            "",
        )

    def directories(self) -> list[str]:
        """Where modules are looked for."""
        return [] if self._directory.path is None else [str(self._directory.path)]

    # -- modules and interfaces ----------------------------------------------------------------------------------

    def new_modules(self, names: Iterable[str], besides: Mapping[str, Module] | None = None) -> dict[str, Module]:
        """Run modules that have not been. Raises `HubError` for one that cannot be, or whose names are taken."""
        found: dict[str, Module] = {}
        for name in names:
            if name in self.modules or name in OWN_MODULES:
                continue
            module = self._directory.load(name)
            taken = {*self.interface_classes(), *self.endpoint_classes(), *self.cluster_classes(), *OWN_MODULES}
            taken |= set(self._engine.table.records)
            taken |= {one for other in (besides or {}).values() for one in other.names()}
            doubled = sorted(taken.intersection(module.names()))
            if doubled:
                raise RefusedError(f"the module {name!r} has {', '.join(doubled)}, which is there already")
            found[name] = module
        return found

    def take_modules(self, fresh: Mapping[str, Module]) -> None:
        self.modules |= fresh
        self._renew_table()

    def new_interfaces(
        self, names: Iterable[str], besides: Mapping[str, Interface | None] | None = None, going: Iterable[str] = ()
    ) -> dict[str, Interface | None]:
        """Make interfaces. Raises `HubError` for a class that there is not, that fails, or whose requests are taken."""
        classes, leaving = self.interface_classes(), tuple(going)
        found: dict[str, Interface | None] = {}
        for name in names:
            if name in OWN_MODULES:
                found[name] = None
                continue
            if name not in classes:
                raise NotFoundError("interface class", name[:60], near(name, (*classes, *OWN_MODULES)))
            taken: set[str] = {*self._base.requests, *self._base.responses}
            others = {one: made for one, made in self.interfaces.items() if one not in leaving}
            for other in (*others.values(), *(besides or {}).values()):
                taken |= _rows(other) if other is not None else set()
            doubled = sorted(taken & _rows(classes[name]))
            if doubled:
                raise RefusedError(f"{name} has {', '.join(doubled)}, which is there already")
            try:
                found[name] = classes[name](self._around)
            except Exception as error:  # not ours
                log.exception("the interface %s cannot be made", name)
                raise RefusedError(f"{name} cannot be made: {type(error).__name__}: {str(error)[:200]}") from error
        return found

    def take_interfaces(self, fresh: Mapping[str, Interface | None]) -> None:
        self.interfaces |= fresh
        self._renew_table()
        for made in fresh.values():
            for row in made.REQUESTS if made is not None else ():
                assert made is not None
                self._handlers[row.name] = self._contained(row, getattr(made, row.name))

    def drop_interface(self, name: str) -> None:
        made = self.interfaces.pop(name)
        for request in _requests(made) if made is not None else ():
            self._handlers.pop(request, None)
        self._renew_table()

    def _renew_table(self) -> None:
        made = [one for one in self.interfaces.values() if one is not None]
        self._engine.table = self._base.with_rows(
            [replace(row, is_ours=True) for one in made for row in one.REQUESTS],
            [replace(row, is_ours=True) for one in made for row in one.RESPONSES],
            [replace(row, is_ours=True) for module in self.modules.values() for row in module.records.values()],
        )

    def _contained(self, row: RequestRow, method: Handler) -> Handler:
        """A request of a module: what it gives must be what a response can carry."""

        async def handle(request: Checked) -> Values | None:
            try:
                found = await method(request)
            except (RequestFailedError, ValueRefusedError, HubError):
                raise
            except (Exception, SystemExit) as error:  # not ours
                log.exception("%s failed in its module", row.name)
                text = f"{row.name} failed in its module: {type(error).__name__}: {str(error)[:200]}"
                raise RequestFailedError(text) from error
            if found is None or row.response is None:
                return None
            table = self._engine.table
            answer = table.responses[row.response]
            try:
                response = Response(answer.name, dict(found))
                as_xml.write_response(response, answer)
                as_json.write_response(response, answer, table.records)
            except Exception as error:  # not ours
                log.exception("what %s gives is no response", row.name)
                raise RequestFailedError(f"{row.name}: what its module gives is no {row.response}") from error
            return dict(found)

        return handle

    # -- endpoints and clusters ----------------------------------------------------------------------------------

    def free_endpoint(self, named: Iterable[int]) -> int:
        """The lowest number that no endpoint has, `named` taken for such. Raises `RefusedError` when all are taken."""
        taken = {*RESERVED, *named}
        for number in range(1, MAX_APPLICATION_ENDPOINT + 1):
            if number not in taken and not self._added.is_taken(number):
                return number
        raise RefusedError("no endpoint is free")

    def resolve_endpoint(self, line: EndpointLine, going: Iterable[int] = ()) -> ResolvedEndpoint:
        """What a line is with its class. Raises `HubError` when it cannot be; `going` leave before it comes."""
        classes = self.endpoint_classes()
        found = classes.get(line.endpoint_class)
        if found is None:
            known = ", ".join(near(line.endpoint_class, classes) or sorted(classes))
            raise NotTakenError("endpoint_class", line.endpoint_class[:60], f"a class of an added module, or {known}")
        self._added.need_host()
        profile = line.profile if line.profile is not None else found.PROFILE
        if profile is None:
            raise NotTakenError("profile_id", "missing", f"an int: {line.endpoint_class} has no profile of its own")
        device_type = found.DEVICE if line.device_type is None else line.device_type
        version = found.VERSION if line.version is None else line.version
        resolved = ResolvedEndpoint(line, found, profile, device_type, version, line.endpoint_class in HOSTED_ANYWAY)
        number = f"{line.number:#x}"
        if resolved.is_there_anyway:
            there = HOSTED_ANYWAY[line.endpoint_class][1]
            if line.number != there:
                raise NotTakenError("endpoint_id", number, f"{there:#x}, where the hub has {line.endpoint_class}")
            return resolved
        if line.number in RESERVED:
            allowed = f"0x2 to {MAX_APPLICATION_ENDPOINT:#x} without {SE_ENDPOINT:#x}, {FIRST_MIRROR:#x} to "
            raise NotTakenError("endpoint_id", number, f"{allowed}{LAST_MIRROR:#x}, which the hub needs")
        if line.number not in going and (line.number in self.endpoints or self._added.is_taken(line.number)):
            raise RefusedError(f"there is an endpoint {number} already")
        for cluster in found.CLUSTERS:
            self._try(cluster, cluster.SIDE, Place("", line.number, cluster.CLUSTER, self._around))
        return resolved

    def resolve_cluster(self, line: ClusterLine, going: Iterable[tuple[int, int, Side]] = ()) -> ResolvedCluster:
        """What a line is with its class. Raises `HubError` when it cannot be; `going` leave before it comes."""
        classes = self.cluster_classes()
        found = classes.get(line.cluster_class)
        if found is None:
            known = ", ".join(near(line.cluster_class, classes) or sorted(classes))
            raise NotTakenError("cluster_class", line.cluster_class[:60], f"a class of an added module, or {known}")
        self._added.need_host()
        cluster = line.cluster if line.cluster is not None else getattr(found, "CLUSTER", None)
        if cluster is None:
            raise NotTakenError("cluster_id", "missing", f"an int: {line.cluster_class} has no id of its own")
        side = line.side or (found.SIDE if found.HAS_SIDE else None)
        if side is None:
            raise NotTakenError("server_or_client", "missing", f"0 or 1: {line.cluster_class} has no side of its own")
        if line.endpoint not in (HA_ENDPOINT, SE_ENDPOINT) and line.endpoint not in self.endpoints:
            there = ", ".join(f"{one:#x}" for one in sorted((HA_ENDPOINT, SE_ENDPOINT, *self.endpoints)))
            raise NotTakenError("endpoint_id", f"{line.endpoint:#x}", f"an endpoint of the hub that is there: {there}")
        encrypted = found.ENCRYPTED if line.encrypted is None else line.encrypted
        resolved = ResolvedCluster(line, found, cluster, side, encrypted)
        is_there = resolved.place in self.clusters or self._added.hosted(line.endpoint, cluster, side)
        if is_there and resolved.place not in going:
            raise RefusedError(f"endpoint {line.endpoint:#x} has the {side.value} of cluster {cluster:#06x} already")
        self._try(found, side, Place("", line.endpoint, cluster, self._around))
        return resolved

    def is_encrypted(self, found: ResolvedCluster) -> bool:
        """Whether a cluster encrypts for its two ends: by itself, or as the profile of its endpoint has it."""
        if found.encrypted is not None:
            return found.encrypted
        added = self.endpoints.get(found.line.endpoint)
        own = Profile.SMART_ENERGY if found.line.endpoint == SE_ENDPOINT else Profile.HOME_AUTOMATION
        profile = added.profile if added is not None else own
        return security_of(profile, found.cluster) is Security.LINK_KEY

    def _try(self, made_of: type[Cluster], side: Side, place: Place) -> None:
        """Whether a cluster can be made. Raises `RefusedError`."""
        try:
            _make(made_of, side, place)
        except Exception as error:  # not ours
            log.exception("the cluster %s cannot be made", made_of.__name__)
            raise RefusedError(
                f"{made_of.__name__} cannot be made: {type(error).__name__}: {str(error)[:200]}"
            ) from error

    def take_endpoint(self, endpoint: ResolvedEndpoint) -> None:
        number = endpoint.line.number
        if not endpoint.is_there_anyway:
            clusters = tuple(
                self._cluster(one, one.CLUSTER, one.SIDE, one.ENCRYPTED) for one in endpoint.made_of.CLUSTERS
            )
            self._added.add(
                AddedEndpoint(
                    number=number,
                    profile=endpoint.profile,
                    device_type=endpoint.device_type,
                    version=endpoint.version,
                    clusters=clusters,
                )
            )
        self.endpoints[number] = endpoint

    def drop_endpoint(self, number: int) -> None:
        if not self.endpoints.pop(number).is_there_anyway:
            self._added.remove(number)
            for place in [one for one in self.clusters if one[0] == number]:
                del self.clusters[place]

    def take_cluster(self, found: ResolvedCluster) -> None:
        self._added.add_cluster(
            found.line.endpoint, self._cluster(found.made_of, found.cluster, found.side, found.encrypted)
        )
        self.clusters[found.place] = found

    def drop_cluster(self, place: tuple[int, int, Side]) -> None:
        del self.clusters[place]
        self._added.remove_cluster(*place)

    def _cluster(self, made_of: type[Cluster], cluster: int, side: Side, encrypted: bool | None) -> AddedCluster:
        def make(radio: str, endpoint: int) -> ClusterServer:
            place = Place(radio, endpoint, cluster, self._around)
            try:
                return _make(made_of, side, place)
            except Exception:  # not ours; it could be made before, and must not keep a radio from coming up
                log.exception("the cluster %s cannot be made on %s", made_of.__name__, radio)
                return _make(ZCL_Cluster, side, place)

        return AddedCluster(cluster=cluster, side=side, make=make, encrypted=encrypted)


def _make(made_of: type[Cluster], side: Side, place: Place) -> Cluster:
    if made_of.SIDE is not side:
        made_of = type(made_of.__name__, (made_of,), {"SIDE": side})
    return made_of(place)


def _requests(interface: Interface | type[Interface]) -> set[str]:
    return {row.name for row in interface.REQUESTS}


def _rows(interface: Interface | type[Interface]) -> set[str]:
    return _requests(interface) | {row.name for row in interface.RESPONSES}
