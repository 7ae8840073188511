"""Who hears whom, and how well: the neighbour tables of all routers, asked one after the other."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from hub.clock import Clock
from hub.errors import HubError, UnavailableError
from hub.registry import DEFAULT_TIMEOUT, Registry
from hub.zigbee.member import Member, device_id_of
from hub.zigbee.model import LogicalType, Neighbour, Topology, TopologyDevice
from hub.zigbee.network import Network
from protocols import zdo
from protocols.ids import COORDINATOR, FIRST_BROADCAST, Eui64
from radios.api import RadioError, RadioLostError

log = logging.getLogger(__name__)

MAX_ROUTERS = 200
"""Asked in one scan; a network has no more, a loop of made-up neighbours may."""
MAX_ROWS = 255
"""Of one neighbour table: its index is one byte."""
ANSWER_S = 10.0
"""Of a router that is there; the registry's default timeout may be shorter."""

_TYPES = {0: LogicalType.COORDINATOR, 1: LogicalType.ROUTER, 2: LogicalType.END_DEVICE}
_RELATIONSHIPS = {0: "parent", 1: "child", 2: "sibling", 3: "none", 4: "previous_child"}


async def scan(network: Network, registry: Registry, clock: Clock, progress: Callable[[Topology], None]) -> Topology:
    """Ask the coordinator and every router that turns up. `progress` is told after each answer."""
    info = network.need_radio().network
    known: dict[int, tuple[Eui64, LogicalType]] = {COORDINATOR: (info.ieee, LogicalType.COORDINATOR)}
    waiting: deque[int] = deque((COORDINATOR,))
    for member in network.members.values():
        if member.is_router and member.short is not None:
            known[member.short] = (member.ieee, LogicalType.ROUTER)
            waiting.append(member.short)
    topology = Topology(radio=network.name, started=clock.now(), finished=None, asked=0, total=len(waiting), devices=())
    progress(topology)
    found: list[TopologyDevice] = []
    while waiting and len(found) < MAX_ROUTERS:
        short = waiting.popleft()
        ieee, logical_type = known[short]
        rows = await _table(network, short, ieee, min(ANSWER_S, registry.seconds(DEFAULT_TIMEOUT)))
        for row in rows or ():
            if row.logical_type == 1 and row.short not in known and row.short < FIRST_BROADCAST:
                known[row.short] = (row.ieee, LogicalType.ROUTER)
                waiting.append(row.short)
        found.append(
            TopologyDevice(
                ieee=ieee,
                short=short,
                device_id=_device_id(network, ieee),
                logical_type=logical_type,
                answered=rows is not None,
                neighbours=tuple(_neighbour(network, row) for row in rows or ()),
            )
        )
        topology = replace(topology, asked=len(found), total=len(found) + len(waiting), devices=tuple(found))
        progress(topology)
    topology = replace(topology, finished=clock.now())
    progress(topology)
    return topology


async def _table(network: Network, short: int, ieee: Eui64, timeout_s: float) -> list[zdo.NeighbourRow] | None:
    """A router's neighbours; None if it does not answer."""
    rows: list[zdo.NeighbourRow] = []
    member: Member | int = network.members.get(ieee) or short
    while len(rows) < MAX_ROWS:
        try:
            answer = await network.zdo_request(member, zdo.MgmtLqiRequest(len(rows)), zdo.MgmtLqiResponse, timeout_s)
        except (RadioLostError, UnavailableError):
            raise
        except (RadioError, HubError) as error:
            log.info("0x%04x does not tell its neighbours: %s", short, error)
            return rows or None
        if answer.status is not zdo.ZdoStatus.SUCCESS:
            return rows or None
        part = answer.neighbours or ()
        rows.extend(part)
        if not part or len(rows) >= (answer.total or 0):
            break
    return rows


def _neighbour(network: Network, row: zdo.NeighbourRow) -> Neighbour:
    return Neighbour(
        ieee=row.ieee,
        short=row.short,
        device_id=_device_id(network, row.ieee),
        logical_type=_TYPES.get(row.logical_type, LogicalType.UNKNOWN),
        relationship=_RELATIONSHIPS.get(row.relationship, "none"),
        depth=row.depth,
        lqi=row.lqi,
    )


def _device_id(network: Network, ieee: Eui64) -> str | None:
    return device_id_of(ieee) if ieee in network.members else None
