"""What a module of the module directory is made of: interfaces, endpoints, clusters and records (CPX2-SE, add_module).

A module is a Python file. When it is added it is scanned for

- subclasses of `Interface`: their requests can be made once `add_interface` has made one of them,
- subclasses of `Endpoint` and `Cluster`, for `add_endpoint` and `add_cluster`,
- `RecordRow`s: records that requests can have from then on,
- `__version__` and `__version_extended__`, which `get_version` tells.

It runs inside the hub and may do all that the hub may: add what you trust. docs/rpc.md has an example.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from hub.hub import Hub
from hub.zigbee.model import Side
from hub.zigbee.servers.base import Answer, ClusterServer, Get, HostedAttribute, PlainClient, Set
from protocols.aps import ApsFrame
from protocols.ids import Profile
from protocols.zcl.datatypes import Value as ZclValue
from protocols.zcl.header import ZclHeader, unsupported_command
from protocols.zcl.status import Status
from web.auth import Role
from web.rpc.check import Checked
from web.rpc.declare import Chapter, Default, Outcome, Param, RecordRow, RequestRow, ResponseRow
from web.rpc.response import Response, Severity
from web.rpc.types import BOOL, FLOAT, INT, MAC, TEXT, U8, U16, U32, dict_of, list_of, one_of, record
from web.rpc.values import Mac, Octets, Record, Values

__all__ = [
    "BOOL",
    "FLOAT",
    "INT",
    "MAC",
    "TEXT",
    "U8",
    "U16",
    "U32",
    "Answer",
    "Chapter",
    "Checked",
    "Cluster",
    "Default",
    "Endpoint",
    "HostedAttribute",
    "Interface",
    "Mac",
    "Octets",
    "Outcome",
    "Param",
    "Place",
    "Record",
    "RecordRow",
    "RequestRow",
    "Response",
    "ResponseRow",
    "Role",
    "Severity",
    "Side",
    "Surroundings",
    "Values",
    "dict_of",
    "list_of",
    "one_of",
    "record",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a class of a module works with."""

    hub: Hub
    message: Callable[[Severity, str], None]
    """Tell everybody how things are."""
    unsolicited: Callable[[Response], None]
    """Put a response into the mailbox that answers no request."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cluster is."""

    radio: str
    endpoint: int
    cluster: int
    around: Surroundings


class Interface:
    """A class of requests. The public coroutine called as a row of `REQUESTS` does that request."""

    REQUESTS: ClassVar[tuple[RequestRow, ...]] = ()
    RESPONSES: ClassVar[tuple[ResponseRow, ...]] = ()
    """Responses to them, and unsolicited ones."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around


class Cluster(ClusterServer):
    """One side of a cluster. `CLUSTER`, where there is one, is what `add_cluster` takes without a `cluster_id`.

    Each network has an instance of its own. Attributes are given to `super().__init__`; a fault in one of theirs reads
    as the type's invalid value, and one in `command` is answered with SOFTWARE_FAILURE.
    """

    CLUSTER: ClassVar[int]
    HAS_SIDE: ClassVar[bool] = True
    """Whether `SIDE` is what `add_cluster` takes without a `server_or_client`."""
    ENCRYPTED: ClassVar[bool | None] = None
    """Whether it encrypts for its two ends; None: as its profile has it."""

    def __init__(self, place: Place, attributes: Iterable[HostedAttribute] = ()) -> None:
        self.place = place
        super().__init__((_contained(one) for one in attributes), cluster=place.cluster)


class Endpoint:
    """A class of endpoints. What it does not say, `add_endpoint` must or may."""

    PROFILE: ClassVar[int | None] = None
    DEVICE: ClassVar[int] = 0
    VERSION: ClassVar[int] = 0
    CLUSTERS: ClassVar[tuple[type[Cluster], ...]] = ()
    """Those that it begins with; each has a `CLUSTER`."""


def _contained(attribute: HostedAttribute) -> HostedAttribute:
    get, put = attribute.get, attribute.set
    return replace(
        attribute, get=_getter(attribute.name, get), set=None if put is None else _setter(attribute.name, put)
    )


def _getter(name: str, get: Get) -> Get:
    def contained(now: float) -> ZclValue:
        try:
            return get(now)
        except Exception:  # not ours
            log.exception("attribute %s of an added cluster failed", name)
            return None

    return contained


def _setter(name: str, put: Set) -> Set:
    def contained(value: ZclValue, now: float) -> Status:
        try:
            return put(value, now)
        except Exception:  # not ours
            log.exception("attribute %s of an added cluster failed", name)
            return Status.SOFTWARE_FAILURE

    return contained


# -- classes that gateways had ---------------------------------------------------------------------------------------


class ZCL_Cluster(Cluster):  # noqa: N801 - the gateway's name
    """Any cluster: it says that it is there. What comes for its client's side is told to whoever listens."""

    HAS_SIDE = False

    def command(self, header: ZclHeader, payload: bytes, frame: ApsFrame, now: float) -> Answer:
        """No command of a server is known; a client takes what its cluster has."""
        if self.SIDE is Side.SERVER:
            return Answer(unsupported_command(header))
        return PlainClient(self.cluster).command(header, payload, frame, now)


class ZCL_Endpoint(Endpoint):  # noqa: N801 - the gateway's name
    """Any endpoint, of the profile that is given, without clusters."""


class SE_EnergyServicePortal(Endpoint):  # noqa: N801 - the gateway's name
    """The Smart Energy endpoint that this hub has by itself where its radio lets it."""

    PROFILE = Profile.SMART_ENERGY
    DEVICE = 0x0500
    VERSION = 1


OWN_ENDPOINTS: dict[str, type[Endpoint]] = {"ZCL_Endpoint": ZCL_Endpoint}
OWN_CLUSTERS: dict[str, type[Cluster]] = {"ZCL_Cluster": ZCL_Cluster}
HOSTED_ANYWAY: dict[str, tuple[type[Endpoint], int]] = {"SE_EnergyServicePortal": (SE_EnergyServicePortal, 0x5E)}
"""Endpoints that are there without being added, by the gateway's names: adding them changes nothing."""
