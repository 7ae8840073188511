"""Where a Smart Energy request goes: to a server or client of ours, by endpoint and cluster; and to whom it went."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from hub.errors import HubError, InvalidError, RefusedError, UnsupportedError
from hub.hub import Hub
from hub.smart_energy.esi import EnergyService
from hub.smart_energy.peer import Peer, Unreached
from hub.smart_energy.premises import EnergyClient
from hub.zigbee.local import SE_ENDPOINT
from hub.zigbee.model import Side
from hub.zigbee.network import Network
from protocols.ids import Profile
from protocols.se import drlc, messaging, price
from protocols.se.base import SeCommand
from web.rpc import fields
from web.rpc.check import Checked
from web.rpc.engine import Engine, RequestFailedError, conversation_failed
from web.rpc.response import Severity
from web.rpc.se_records import field_name
from web.rpc.types import ValueRefusedError
from web.rpc.values import Mac, Value, Values

CLUSTERS = {price.CLUSTER: "Price", drlc.CLUSTER: "DRLC", messaging.CLUSTER: "Messaging"}
SERVER, CLIENT = 0, 1
"""`server_or_client`."""
_ENDPOINTS = ("source_endpoint_id", "endpoint_id")
"""Parameters with the endpoint of ours, by the names that the manual has for it."""
Place = TypeVar("Place", EnergyService, EnergyClient)


def endpoint_in(request: Checked) -> int:
    """The endpoint of ours that a request names."""
    return fields.number(request.arguments, _endpoint_name(request))


def _endpoint_name(request: Checked) -> str:
    return next(name for name in _ENDPOINTS if name in request.arguments)


def hosts(network: Network | None, endpoint: int, cluster: int, side: Side) -> bool:
    """Whether an endpoint of ours has a side of a cluster; while the radio is away the usual one is said to."""
    if network is None or network.local is None:
        return endpoint == SE_ENDPOINT
    return network.local.hosted(endpoint, cluster, side) is not None


def our_endpoint(network: Network | None) -> int:
    """The endpoint of ours with the Smart Energy clusters."""
    known = network is not None and network.local is not None
    return network.own_endpoint(Profile.SMART_ENERGY) if network is not None and known else SE_ENDPOINT


def devices(peers: Iterable[Peer]) -> list[Value]:
    """A `device_list`: each device once, however many endpoints it has."""
    return [Mac.of(ieee) for ieee in dict.fromkeys(peer.ieee for peer in peers)]


class Places:
    """Our servers and clients of a hub."""

    def __init__(self, hub: Hub, engine: Engine) -> None:
        self.hub, self._engine = hub, engine

    # -- whom a request is for ---------------------------------------------------------------------------------------

    def server(self, request: Checked, cluster: int) -> EnergyService:
        """Our server of a cluster. Raises `UnsupportedError`, `RefusedError`, `ValueRefusedError`."""
        able = [self.hub.smart_energy.services[name] for name in self.hub.smart_energy.able()]
        if not able:
            raise UnsupportedError(self._none(cluster, Side.SERVER))
        return self._one(able, request, cluster, Side.SERVER)

    def client(self, request: Checked, cluster: int) -> EnergyClient:
        """Our client of a cluster. Raises `UnsupportedError`, `RefusedError`, `ValueRefusedError`."""
        found = list(self.hub.premises.clients.values())
        if not found:
            raise UnsupportedError(self._none(cluster, Side.CLIENT))
        return self._one(found, request, cluster, Side.CLIENT)

    def either(self, request: Checked, cluster: int) -> EnergyService | EnergyClient:
        """The side that a request names; the one that its endpoint has, if it names none."""
        side = fields.maybe_number(request.arguments, "server_or_client")
        if side == CLIENT:
            return self.client(request, cluster)
        if side == SERVER or self.hub.smart_energy.able():
            return self.server(request, cluster)
        if self.hub.premises.clients:
            return self.client(request, cluster)
        raise UnsupportedError("no radio of this hub is on a Smart Energy network: that takes APS encryption")

    def _one(self, found: list[Place], request: Checked, cluster: int, side: Side) -> Place:
        endpoint = endpoint_in(request)
        there = [one for one in found if hosts(one.network, endpoint, cluster, side)]
        if not there:
            usual = " or ".join(f"{number:#x}" for number in sorted({our_endpoint(one.network) for one in found}))
            allowed = f"{usual}, which has the {CLUSTERS[cluster]} {side.value}"
            raise ValueRefusedError(_endpoint_name(request), f"{endpoint:#x}", allowed)
        if len(there) > 1:
            names = ", ".join(one.name for one in there)
            raise RefusedError(f"there are several Smart Energy networks, {names}, and the request cannot say which")
        return there[0]

    def _none(self, cluster: int, side: Side) -> str:
        name = CLUSTERS[cluster]
        role = self.hub.config.hub.role
        if side is Side.SERVER and self.hub.premises.clients:
            return (
                f"hub.role {role} has a {name} client alone; allowed: esi_coordinator, esi_router, which have a server"
            )
        if side is Side.CLIENT and self.hub.smart_energy.able():
            return f"hub.role {role} has a {name} server alone; allowed: aux_gateway, which has a client"
        return f"no radio of this hub has a {name} {side.value}: that takes one with APS encryption"

    # -- what came of it ---------------------------------------------------------------------------------------------

    def refused(self, request: Checked, error: HubError, status: int) -> int:
        """The status of a response that cannot say why: a message says it, by the request's own names."""
        why = str(error)
        record = fields.maybe_record(request.arguments, "record")
        if isinstance(error, InvalidError) and record is not None:
            # The hub's own names and enumerations are nothing to a client.
            value = int(error.value) if isinstance(error.value, int) else error.value
            why = str(InvalidError(f"record.{field_name(record.name, error.field)}", value, error.allowed))
        more: Values = {} if request.identifier is None else {"request_identifier": request.identifier}
        self._engine.message(Severity.WARNING, f"{request.row.name}: {why}", **more)
        return status

    async def ask(self, client: EnergyClient, command: SeCommand) -> list[Peer]:
        """Ask every server something; who was reached.

        Raises `RequestFailedError` where there are servers and none was reached. Of each that was not there is a
        message if others were.
        """
        outcomes = await client.question(command)
        told = [_failure(server, command.CLUSTER, why) for server, why in outcomes.items() if why is not None]
        if told and len(told) == len(outcomes):
            raise told[0]
        for one in told:
            self._engine.message(one.severity, one.description, **one.more)
        return [server for server, why in outcomes.items() if why is None]


def _failure(server: Peer, cluster: int, why: Unreached) -> RequestFailedError:
    # KEY_NOT_AUTHORIZED is "Key not authorized" to clients that look for it.
    cause = why.cause if why.status is None else why.cause.replace("_", " ").capitalize()
    return conversation_failed(server.ieee, server.endpoint, Profile.SMART_ENERGY, cluster, cause, why.status)
