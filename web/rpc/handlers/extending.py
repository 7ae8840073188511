"""Requests that extend the running hub: modules, interfaces, endpoints, clusters (CPX2-SE, add_module and on)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from hub.errors import NotFoundError, RefusedError
from hub.zigbee.model import Side
from web.rpc import fields
from web.rpc.check import Checked
from web.rpc.engine import Handler
from web.rpc.extending import Extending
from web.rpc.ini import SIDES, ClusterLine, EndpointLine, IniError, Line
from web.rpc.present import OWN_MODULES, NotTakenError, ResolvedCluster
from web.rpc.table import near
from web.rpc.types import SHOWN, ValueRefusedError
from web.rpc.values import Values

T = TypeVar("T")


class ExtendingRequests:
    """Handlers of these requests."""

    def __init__(self, extending: Extending) -> None:
        self._extending, self._present = extending, extending.present

    def handlers(self) -> dict[str, Handler]:
        """By the names of their requests."""
        return {
            "add_module": self.add_module,
            "remove_module": self.remove_module,
            "add_interface": self.add_interface,
            "remove_interface": self.remove_interface,
            "add_endpoint": self.add_endpoint,
            "remove_endpoint": self.remove_endpoint,
            "add_cluster": self.add_cluster,
            "remove_cluster": self.remove_cluster,
        }

    async def add_module(self, request: Checked) -> Values:
        """Run a module of the module directory, and keep it."""
        name = fields.text(request.arguments, "module_name")
        async with self._extending.lock:
            if name not in self._extending.modules or name not in self._present.modules:
                kept = [one for one in self._extending.modules if one != name]
                await _set(self._extending.set_modules, [*kept, name])
        return {"module_name": name}

    async def remove_module(self, request: Checked) -> Values:
        """Do not run a module at the next start. One that there is not is no fault (CPX2-SE)."""
        name = fields.text(request.arguments, "module_name")
        async with self._extending.lock:
            if name in self._extending.modules:
                await _set(self._extending.set_modules, [one for one in self._extending.modules if one != name])
            elif name in OWN_MODULES:
                raise RefusedError(f"{name} is part of the hub; allowed: modules that add_module has added")
        return {"module_name": name}

    async def add_interface(self, request: Checked) -> Values:
        """Make an interface, and keep it."""
        name = fields.text(request.arguments, "interface_class")
        async with self._extending.lock:
            if name not in self._extending.interfaces or name not in self._present.interfaces:
                kept = [one for one in self._extending.interfaces if one != name]
                await _set(self._extending.set_interfaces, [*kept, name])
        return {"interface_class": name}

    async def remove_interface(self, request: Checked) -> Values:
        """Take an interface away that was added."""
        name = fields.text(request.arguments, "interface_class")
        async with self._extending.lock:
            names = self._extending.interfaces
            if name in names:
                await _set(self._extending.set_interfaces, [one for one in names if one != name])
            elif name in OWN_MODULES:
                raise RefusedError(f"{name} is part of the hub; allowed: interfaces that add_interface has made")
            else:
                raise NotFoundError("interface", name[:SHOWN], near(name, names))
        return {"interface_class": name}

    async def add_endpoint(self, request: Checked) -> Values:
        """Make an endpoint, and keep it."""
        given, extending = request.arguments, self._extending
        async with extending.lock:
            number = fields.maybe_number(given, "endpoint_id")
            if number is None:
                number = self._present.free_endpoint(one.number for one in extending.endpoints)
            line = EndpointLine(
                fields.text(given, "endpoint_class"),
                number,
                fields.maybe_number(given, "profile_id"),
                fields.maybe_number(given, "device_id"),
                fields.maybe_number(given, "device_version"),
            )
            there = self._present.endpoints.get(number)
            if there is None or not there.is_there_anyway or there.line != line:
                if any(one.number == number for one in extending.endpoints):
                    raise RefusedError(f"there is an endpoint {number:#x} already")
                await _set(extending.set_endpoints, [*extending.endpoints, line])
            made = self._present.endpoints[number]
        return {
            "endpoint_class": line.endpoint_class,
            "endpoint_id": number,
            "profile_id": made.profile,
            "device_id": made.device_type,
            "device_version": made.version,
        }

    async def remove_endpoint(self, request: Checked) -> Values:
        """Take an endpoint away that was added."""
        number, extending = fields.number(request.arguments, "endpoint_id"), self._extending
        async with extending.lock:
            if not any(one.number == number for one in extending.endpoints):
                added = tuple(f"{one.number:#x}" for one in extending.endpoints)
                raise NotFoundError("added endpoint", f"{number:#x}", added)
            await _set(extending.set_endpoints, [one for one in extending.endpoints if one.number != number])
        return {"endpoint_id": number}

    async def add_cluster(self, request: Checked) -> Values:
        """Make a cluster on an endpoint, and keep it."""
        given, extending = request.arguments, self._extending
        line = ClusterLine(
            fields.text(given, "cluster_class"),
            fields.number(given, "endpoint_id"),
            _side(fields.maybe_number(given, "server_or_client")),
            fields.maybe_number(given, "cluster_id"),
            fields.maybe_is_on(given, "enable_APS_encryption"),
        )
        async with extending.lock:
            await _set(extending.set_clusters, [*extending.clusters, line])
            made = self._added(lambda one: one.line is line)[0]
        return {
            "endpoint_id": line.endpoint,
            "cluster_class": line.cluster_class,
            "cluster_id": made.cluster,
            "server_or_client": SIDES.index(made.side),
            "enable_APS_encryption": self._present.is_encrypted(made),
        }

    async def remove_cluster(self, request: Checked) -> Values:
        """Take a cluster away that was added, by its class, or its identifier and side."""
        given, extending = request.arguments, self._extending
        # A class of blanks is none.
        endpoint, name = fields.number(given, "endpoint_id"), fields.maybe_text(given, "cluster_class") or None
        cluster, side = fields.maybe_number(given, "cluster_id"), _side(fields.maybe_number(given, "server_or_client"))
        if name is None:
            for what, needed in (("cluster_id", cluster), ("server_or_client", side)):
                if needed is None:
                    raise ValueRefusedError(what, "missing", "an int, where no cluster_class is given")
        async with extending.lock:
            found = self._added(
                lambda one: (
                    one.line.endpoint == endpoint
                    and name in (None, one.line.cluster_class)
                    and cluster in (None, one.cluster)
                    and side in (None, one.side)
                )
            )
            if not found:
                there = tuple(map(_told, self._added(lambda one: one.line.endpoint == endpoint)))
                what = name or f"{cluster:#06x} ({side.value if side else ''})"
                raise NotFoundError(f"added cluster on endpoint {endpoint:#x}", what[:SHOWN], there)
            if len(found) > 1:
                several = ", ".join(map(_told, found))
                raise RefusedError(f"{name} is there several times: {several}; say cluster_id and server_or_client")
            [gone] = found
            await _set(extending.set_clusters, [one for one in extending.clusters if one != gone.line])
        answer: Values = {"endpoint_id": endpoint}
        if name is not None:
            answer["cluster_class"] = name
        return answer | {"cluster_id": gone.cluster, "server_or_client": SIDES.index(gone.side)}

    def _added(self, is_meant: Callable[[ResolvedCluster], bool]) -> list[ResolvedCluster]:
        return [one for one in self._present.clusters.values() if is_meant(one)]


def _told(found: ResolvedCluster) -> str:
    return f"{found.cluster:#06x} ({found.side.value})"


def _side(number: int | None) -> Side | None:
    return None if number is None else SIDES[number]


async def _set(change: Callable[..., Awaitable[None]], values: Sequence[T]) -> None:
    """Have a list as it is to be; what is wrong with a line is wrong with the request."""
    try:
        await change([Line(number, value) for number, value in enumerate(values, 1)], anew=False)
    except IniError as error:
        cause = error.refused[0].cause
        if isinstance(cause, NotTakenError):
            raise ValueRefusedError(cause.what, cause.value, cause.allowed) from None
        raise cause or RefusedError(str(error)) from None
