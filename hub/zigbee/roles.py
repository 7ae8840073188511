"""What the hub is on a Smart Energy network, by `hub.role` (CPX2-SE, ConnectPort X2 for Smart Energy, Description).

===============  ==========================  =================  =======================================================
role             Smart Energy device type    node type          event clusters (Time, Price, DRLC, Messaging)
===============  ==========================  =================  =======================================================
esi_coordinator  Energy Service Interface    trust centre       servers: we make the events
esi_router       Energy Service Interface    router             servers, on a network that another one holds
aux_gateway      In-Premise Display          router             clients: we receive the events
===============  ==========================  =================  =======================================================

All are Metering clients. A radio that cannot join is coordinator of a network of its own whatever the role is, and has
the first one there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from protocols.zcl import clusters

ENERGY_SERVICE_INTERFACE, IN_PREMISE_DISPLAY = 0x0500, 0x0502
"""Device types of the Smart Energy profile."""
EVENT_CLUSTERS: Final = (clusters.TIME, clusters.PRICE, clusters.DEMAND_RESPONSE, clusters.MESSAGING)


@dataclass(frozen=True, slots=True)
class SmartEnergyRole:
    """A row of the table."""

    name: str
    joins: bool
    """It is a router on a network that another one holds."""
    device_type: int
    servers: tuple[int, ...]
    """Event clusters whose server we are."""
    clients: tuple[int, ...]
    """Clusters whose client we are."""


ROLES: Final[Mapping[str, SmartEnergyRole]] = {
    role.name: role
    for role in (
        SmartEnergyRole("esi_coordinator", False, ENERGY_SERVICE_INTERFACE, EVENT_CLUSTERS, (clusters.METERING,)),
        SmartEnergyRole("esi_router", True, ENERGY_SERVICE_INTERFACE, EVENT_CLUSTERS, (clusters.METERING,)),
        SmartEnergyRole("aux_gateway", True, IN_PREMISE_DISPLAY, (), (*EVENT_CLUSTERS, clusters.METERING)),
    )
}


def role_of(name: str, *, joins: bool) -> SmartEnergyRole:
    """The role on a radio's network; `joins`: the radio is a router there."""
    role = ROLES[name]
    return role if role.joins is joins else ROLES["esi_coordinator"]
