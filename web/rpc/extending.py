"""What was added to the running hub, as the gateway's files list it: modules, interfaces, endpoints, clusters.

Each kind is a list of lines. A change gives the list as it is to be: what is new in it is checked first, all of it;
then it is on disk; then it is there. At a start each line counts for itself: one that cannot be taken, say because its
module is away, is told, stays in the list, and does nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from hub.errors import HubError, RefusedError
from hub.zigbee.model import Side
from web.rpc.extension import Interface, Surroundings
from web.rpc.ini import (
    ClusterLine,
    EndpointLine,
    Ini,
    IniError,
    Line,
    Refused,
    parse,
    read_cluster,
    read_endpoint,
)
from web.rpc.kept import Kept
from web.rpc.modules import Module
from web.rpc.present import RESERVED, NotTakenError, Present, ResolvedCluster, ResolvedEndpoint
from web.rpc.response import Severity

T = TypeVar("T")


class Extending:
    """The four lists."""

    def __init__(self, present: Present, kept: Kept, around: Surroundings) -> None:
        self.present, self._kept, self._around = present, kept, around
        self.lock = asyncio.Lock()
        """One change after the other: each begins with what the one before has left. Held by who calls `set_*`."""
        self.modules: list[str] = []
        self.interfaces: list[str] = []
        self.endpoints: list[EndpointLine] = []
        self.clusters: list[ClusterLine] = []

    # -- a start -------------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Have everything again that was there at the last stop. Raises `StorageError`."""
        for name in await self._kept.lines(Ini.MODULES):
            self.modules.append(name)
            self._again(Ini.MODULES, name, self._take_module)
        for name in await self._kept.lines(Ini.INTERFACES):
            self.interfaces.append(name)
            self._again(Ini.INTERFACES, name, self._take_interface)
        for endpoint in parse(Ini.ENDPOINTS, "\n".join(await self._kept.lines(Ini.ENDPOINTS)), read_endpoint):
            self.endpoints.append(endpoint.value)
            self._again(Ini.ENDPOINTS, endpoint.value, self._take_endpoint)
        for cluster in parse(Ini.CLUSTERS, "\n".join(await self._kept.lines(Ini.CLUSTERS)), read_cluster):
            self.clusters.append(cluster.value)
            self._again(Ini.CLUSTERS, cluster.value, self._take_cluster)

    def _take_module(self, name: str) -> None:
        self.present.take_modules(self.present.new_modules([name]))

    def _take_interface(self, name: str) -> None:
        self.present.take_interfaces(self.present.new_interfaces([name]))

    def _take_endpoint(self, line: EndpointLine) -> None:
        self.present.take_endpoint(self.present.resolve_endpoint(line))

    def _take_cluster(self, line: ClusterLine) -> None:
        self.present.take_cluster(self.present.resolve_cluster(line))

    def _again(self, file: Ini, line: T, take: Callable[[T], None]) -> None:
        try:
            take(line)
        except HubError as error:
            self._around.message(Severity.ERROR, f"'{line}' of {file.value} is not there: {error}")

    # -- changes -------------------------------------------------------------------------------------------------
    #
    # `anew`: lines that are there already, and do nothing, are tried again, too; else they are left as they are.

    async def set_modules(self, lines: Sequence[Line[str]], *, anew: bool = True) -> None:
        """Have these modules. Those that are in the list no more stay until the next start. Raises `IniError`."""
        names = _unique(Ini.MODULES, lines)
        refused: list[Refused] = []
        fresh: dict[str, Module] = {}
        for line in lines:
            if anew or line.value not in self.modules:
                with _told(refused, line.number, "module_name", line.value):
                    fresh |= self.present.new_modules([line.value], fresh)
        _raise(Ini.MODULES, refused)
        await self._kept.keep_lines({Ini.MODULES: names})
        self.modules = names
        self.present.take_modules(fresh)

    async def set_interfaces(self, lines: Sequence[Line[str]], *, anew: bool = True) -> None:
        """Have these interfaces and no other ones. Raises `IniError`."""
        names = _unique(Ini.INTERFACES, lines)
        going = [name for name in self.present.interfaces if name not in names]
        refused: list[Refused] = []
        fresh: dict[str, Interface | None] = {}
        for line in lines:
            if line.value not in self.present.interfaces and (anew or line.value not in self.interfaces):
                with _told(refused, line.number, "interface_class", line.value):
                    fresh |= self.present.new_interfaces([line.value], fresh, going)
        _raise(Ini.INTERFACES, refused)
        await self._kept.keep_lines({Ini.INTERFACES: names})
        self.interfaces = names
        for name in going:
            self.present.drop_interface(name)
        self.present.take_interfaces(fresh)

    async def set_endpoints(self, lines: Sequence[Line[EndpointLine]], *, anew: bool = True) -> None:
        """Have these endpoints and no other added ones, with their clusters. Raises `IniError`."""
        wanted = [line.value for line in lines]
        staying = {number for number, one in self.present.endpoints.items() if one.line in wanted}
        going = [number for number in self.present.endpoints if number not in staying]
        refused: list[Refused] = []
        fresh: list[ResolvedEndpoint] = []
        seen: set[int] = set()
        for line in lines:
            with _told(refused, line.number, "endpoint_id", f"{line.value.number:#x}"):
                if line.value.number in seen:
                    raise RefusedError("it is in the list twice")
                seen.add(line.value.number)
                if line.value.number not in staying and (anew or line.value not in self.endpoints):
                    fresh.append(self.present.resolve_endpoint(line.value, going))
        _raise(Ini.ENDPOINTS, refused)
        clusters = [one for one in self.clusters if one.endpoint not in going or one.endpoint in RESERVED]
        await self._kept.keep_lines(
            {
                Ini.ENDPOINTS: [str(one) for one in wanted],
                Ini.CLUSTERS: [str(one) for one in clusters],
            }
        )
        self.endpoints, self.clusters = wanted, clusters
        for number in going:
            self.present.drop_endpoint(number)
        for endpoint in fresh:
            self.present.take_endpoint(endpoint)

    async def set_clusters(self, lines: Sequence[Line[ClusterLine]], *, anew: bool = True) -> None:
        """Have these clusters and no other added ones. Raises `IniError`."""
        wanted = [line.value for line in lines]
        staying = {place for place, one in self.present.clusters.items() if one.line in wanted}
        going = [place for place in self.present.clusters if place not in staying]
        refused: list[Refused] = []
        fresh: list[ResolvedCluster] = []
        seen: set[tuple[int, int, Side]] = set()
        kept = [one.line for place, one in self.present.clusters.items() if place in staying]
        if not anew:
            kept = list(self.clusters)
        for line in lines:
            with _told(refused, line.number, "cluster_id", str(line.value)):
                if line.value in kept:
                    kept.remove(line.value)
                    continue
                found = self.present.resolve_cluster(line.value, going)
                if found.place in seen:
                    raise RefusedError("it is in the list twice")
                seen.add(found.place)
                fresh.append(found)
        _raise(Ini.CLUSTERS, refused)
        await self._kept.keep_lines({Ini.CLUSTERS: [str(one) for one in wanted]})
        self.clusters = wanted
        for place in going:
            self.present.drop_cluster(place)
        for cluster in fresh:
            self.present.take_cluster(cluster)


@contextmanager
def _told(refused: list[Refused], line: int, what: str, value: str) -> Iterator[None]:
    """What cannot be taken becomes a refused line."""
    try:
        yield
    except NotTakenError as error:
        refused.append(Refused(line, error.what, error.value, error.allowed, error))
    except HubError as error:
        refused.append(Refused(line, what, value, f"none of that: {error}", error))


def _unique(file: Ini, lines: Sequence[Line[str]]) -> list[str]:
    found: list[str] = []
    refused = []
    for line in lines:
        if line.value in found:
            refused.append(Refused(line.number, "name", line.value, "each name once"))
        found.append(line.value)
    _raise(file, refused)
    return found


def _raise(file: Ini, refused: Sequence[Refused]) -> None:
    if refused:
        raise IniError(file, refused)
