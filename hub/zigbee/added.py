"""Endpoints and clusters that were added to ours while the hub runs, on every network that lets us host some.

They are there again when a radio comes back. Who adds them keeps them over a restart of the hub.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from hub.errors import RefusedError
from hub.zigbee.endpoint import LocalEndpoint, LocalEndpoints
from hub.zigbee.model import Side
from hub.zigbee.servers.base import ClusterServer
from radios.api import Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedCluster:
    """One side of a cluster."""

    cluster: int
    side: Side
    make: Callable[[str, int], ClusterServer]
    """Radio and endpoint -> the cluster there: each network has one of its own."""
    encrypted: bool | None = None
    """Whether it encrypts for its two ends and insists on that; None: as its profile has it."""

    @property
    def place(self) -> tuple[int, Side]:
        """Which one of its endpoint it is."""
        return self.cluster, self.side


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedEndpoint:
    """An endpoint with the clusters that it begins with."""

    number: int
    profile: int
    device_type: int
    version: int
    clusters: tuple[AddedCluster, ...] = ()


class AddedEndpoints:
    """What was added, and the networks that host it."""

    def __init__(self, radios: Iterable[str], unhost: Callable[[str, int], None]) -> None:
        """`unhost(radio, endpoint)`: an endpoint is gone, with what others bound and configured there."""
        self._unhost = unhost
        self._unknown = set(radios)
        """Radios that have not been there yet: they may host endpoints."""
        self._hosts: dict[str, LocalEndpoints] = {}
        self._endpoints: dict[int, AddedEndpoint] = {}
        self._clusters: dict[tuple[int, int, Side], AddedCluster] = {}

    def up(self, radio: str, can: Capabilities, endpoints: LocalEndpoints) -> None:
        """A radio is there, with what it hosts of itself. One whose endpoints are fixed gets nothing."""
        self._unknown.discard(radio)
        if can.endpoints:
            return
        self._hosts[radio] = endpoints
        for endpoint in self._endpoints.values():
            self._host(radio, endpoints, endpoint)
        for (number, _, _), cluster in self._clusters.items():
            _extend(radio, endpoints, number, cluster)

    def need_host(self) -> None:
        """Raises `RefusedError` where no radio lets us host endpoints."""
        if not self._hosts and not self._unknown:
            raise RefusedError(
                "no radio of this hub lets it host more endpoints; allowed: with a Zigbee radio whose endpoints are "
                'free, as driver "xbee"'
            )

    def is_taken(self, number: int) -> bool:
        """Whether there is an endpoint of this number, on any network."""
        return number in self._endpoints or any(host.get(number) is not None for host in self._hosts.values())

    def hosted(self, number: int, cluster: int, side: Side) -> bool:
        """Whether an endpoint has this side of a cluster, on any network."""
        return any(host.hosted(number, cluster, side) is not None for host in self._hosts.values())

    def add(self, endpoint: AddedEndpoint) -> None:
        """Host an endpoint from now on. Raises `RefusedError` when its number is taken."""
        if self.is_taken(endpoint.number):
            raise RefusedError(f"there is an endpoint {endpoint.number:#x} already")
        self._endpoints[endpoint.number] = endpoint
        for radio, host in self._hosts.items():
            self._host(radio, host, endpoint)

    def remove(self, number: int) -> None:
        """Host an endpoint that was added, and all its clusters, no more."""
        if self._endpoints.pop(number, None) is None:
            return
        self._clusters = {place: found for place, found in self._clusters.items() if place[0] != number}
        for radio in self._hosts:
            self._unhost(radio, number)

    def add_cluster(self, number: int, cluster: AddedCluster) -> None:
        """Have a cluster on an endpoint from now on. Raises `RefusedError` when it is there already."""
        if self.hosted(number, *cluster.place):
            what = f"cluster {cluster.cluster:#06x} ({cluster.side.value})"
            raise RefusedError(f"endpoint {number:#x} has a {what} already")
        self._clusters[number, cluster.cluster, cluster.side] = cluster
        for radio, host in self._hosts.items():
            _extend(radio, host, number, cluster)

    def remove_cluster(self, number: int, cluster: int, side: Side) -> None:
        """Have a cluster that was added no more."""
        if self._clusters.pop((number, cluster, side), None) is None:
            return
        for host in self._hosts.values():
            found = host.get(number)
            if found is not None:
                host.replace(_without(found, cluster, side))

    @staticmethod
    def _host(radio: str, host: LocalEndpoints, endpoint: AddedEndpoint) -> None:
        found = LocalEndpoint(
            endpoint=endpoint.number,
            profile=endpoint.profile,
            device_type=endpoint.device_type,
            version=endpoint.version,
            is_added=True,
        )
        for cluster in endpoint.clusters:
            found = _with(radio, found, cluster)
        host.add(found)


def _extend(radio: str, host: LocalEndpoints, number: int, cluster: AddedCluster) -> None:
    found = host.get(number)
    if found is not None and found.hosted(*cluster.place) is None:
        host.replace(_with(radio, found, cluster))


def _with(radio: str, endpoint: LocalEndpoint, added: AddedCluster) -> LocalEndpoint:
    encryption = dict(endpoint.encryption)
    if added.encrypted is not None:
        encryption[added.cluster] = added.encrypted
    servers = (*endpoint.servers, added.make(radio, endpoint.endpoint))
    return replace(endpoint, servers=servers, encryption=encryption)


def _without(endpoint: LocalEndpoint, cluster: int, side: Side) -> LocalEndpoint:
    servers = tuple(one for one in endpoint.servers if (one.cluster, one.SIDE) != (cluster, side))
    encryption = {number: wanted for number, wanted in endpoint.encryption.items() if number != cluster}
    return replace(endpoint, servers=servers, encryption=encryption)
