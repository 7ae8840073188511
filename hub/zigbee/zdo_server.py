"""Our side of ZDO: what we say of ourselves, on radios that leave that to the host (Zigbee R21, 2.4).

Pure: `ZdoServer.handle` gives the answers to a request; sending is the caller's. Answered are address, descriptor,
match and binding requests, the neighbour and the binding table. Chosen: requests that would change the network (leave,
permit joining) are refused with NOT_AUTHORIZED, since the home's people do that by way of the hub, not any device that
has the network key. Everything else that wants an answer gets NOT_SUPPORTED; announcements and responses get none.

To a broadcast only those answer whom it is about: a failure is never told to all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from hub.zigbee.endpoint import WILDCARD_PROFILE, LocalEndpoint, LocalEndpoints
from hub.zigbee.model import Side
from protocols.aps import ApsFrame, Delivery
from protocols.errors import CodecError
from protocols.ids import FIRST_BROADCAST, MAX_APPLICATION_ENDPOINT, ZDO_ENDPOINT, Eui64, Profile
from protocols.zdo import (
    RESPONSE_BIT,
    ActiveEndpointsRequest,
    ActiveEndpointsResponse,
    Binding,
    BindRequest,
    BindResponse,
    BindTarget,
    DeviceAnnounce,
    IeeeAddressRequest,
    IeeeAddressResponse,
    LogicalType,
    MacCapability,
    MatchDescriptorRequest,
    MatchDescriptorResponse,
    MgmtBindRequest,
    MgmtBindResponse,
    MgmtLeaveRequest,
    MgmtLeaveResponse,
    MgmtLqiRequest,
    MgmtLqiResponse,
    MgmtPermitJoiningRequest,
    MgmtPermitJoiningResponse,
    NeighbourRow,
    NodeDescriptor,
    NodeDescriptorRequest,
    NodeDescriptorResponse,
    NwkAddressRequest,
    NwkAddressResponse,
    ParentAnnounce,
    PowerDescriptor,
    PowerDescriptorRequest,
    PowerDescriptorResponse,
    SimpleDescriptorRequest,
    SimpleDescriptorResponse,
    UnbindRequest,
    UnbindResponse,
    ZdoResponse,
    ZdoStatus,
    decode_zdo,
    encode_zdo,
)

log = logging.getLogger(__name__)

MAX_BINDINGS = 128
"""Rows of our binding table, at most. Chosen: sticks hold 16 to 32; ten displays with a dozen clusters each fit."""
NO_MANUFACTURER_CODE = 0x0000
"""The project has no code of the alliance's."""
MAX_BUFFER = 82
"""Bytes of an APS payload without fragments under network security alone, in our node descriptor."""
_CHILD = 1
"""Relationship of a neighbour row (R21, 2.4.4.3.2)."""
_BAND_2400_MHZ = 0x40
_TRUST_CENTRE, _NETWORK_MANAGER, _REVISION_21 = 0x0001, 0x0040, 21 << 9
_MAINS = PowerDescriptor(mode_and_sources=0x10, source_and_level=0xC1)
"""Receiver always on, mains is the only source, and full."""
_SINGLE, _EXTENDED = 0, 1
"""Request types of address requests: ourselves, or with our children."""
_NO_SHORT, _NO_IEEE = 0xFFFF, Eui64((1 << 64) - 1)
"""In place of an address that was asked for and is not known."""
_ANNOUNCEMENTS = frozenset((DeviceAnnounce.CLUSTER, ParentAnnounce.CLUSTER))
_ANSWERED = frozenset(
    row.CLUSTER
    for row in (
        NwkAddressRequest,
        IeeeAddressRequest,
        NodeDescriptorRequest,
        PowerDescriptorRequest,
        SimpleDescriptorRequest,
        ActiveEndpointsRequest,
        MatchDescriptorRequest,
        BindRequest,
        UnbindRequest,
        MgmtBindRequest,
        MgmtLqiRequest,
        MgmtLeaveRequest,
        MgmtPermitJoiningRequest,
    )
)
_HEAD_BYTES = 5
"""Transaction number, status, total, start and count, before the rows of a table."""
_Row = TypeVar("_Row", Binding, NeighbourRow)


class NetworkFacts(Protocol):
    """What the ZDO server needs to know of our network."""

    @property
    def ieee(self) -> Eui64:
        """Our extended address."""
        ...

    @property
    def short(self) -> int:
        """Our network address."""
        ...

    @property
    def is_coordinator(self) -> bool:
        """Coordinator and trust centre, or else a router."""
        ...

    def neighbours(self) -> Sequence[NeighbourRow]:
        """Whom we hear, children included; empty where the radio does not tell."""
        ...


class BindingTable:
    """Where the clusters of our endpoints are bound to."""

    def __init__(self, on_change: Callable[[], None] | None = None) -> None:
        """`on_change`: the rows are others than before, store them."""
        self._rows: dict[tuple[int, int, BindTarget], Binding] = {}
        self._on_change = on_change

    def rows(self) -> tuple[Binding, ...]:
        """All bindings, oldest first, to be stored."""
        return tuple(self._rows.values())

    def load(self, rows: Iterable[Binding]) -> None:
        """Take up stored bindings in place of those that there are."""
        self._rows = {_binding_key(row): row for row in rows}

    def targets(self, endpoint: int, cluster: int) -> tuple[BindTarget, ...]:
        """Where a cluster of one of our endpoints is bound to."""
        return tuple(row.target for row in self._rows.values() if (row.endpoint, row.cluster) == (endpoint, cluster))

    def add(self, row: Binding) -> ZdoStatus:
        """Make a binding; one that is there already stays."""
        key = _binding_key(row)
        if key in self._rows:
            return ZdoStatus.SUCCESS
        if len(self._rows) >= MAX_BINDINGS:
            return ZdoStatus.TABLE_FULL
        self._rows[key] = row
        self._changed()
        return ZdoStatus.SUCCESS

    def remove(self, row: Binding) -> ZdoStatus:
        """Undo a binding."""
        if self._rows.pop(_binding_key(row), None) is None:
            return ZdoStatus.NO_ENTRY
        self._changed()
        return ZdoStatus.SUCCESS

    def forget(self, ieee: Eui64) -> None:
        """A device has gone: undo what leads to it."""
        gone = [key for key, row in self._rows.items() if row.target.ieee == ieee]
        for key in gone:
            del self._rows[key]
        if gone:
            self._changed()

    def forget_endpoint(self, endpoint: int) -> None:
        """An endpoint of ours is gone: undo what starts at it."""
        gone = [key for key, row in self._rows.items() if row.endpoint == endpoint]
        for key in gone:
            del self._rows[key]
        if gone:
            self._changed()

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change()


def _binding_key(row: Binding) -> tuple[int, int, BindTarget]:
    # Our own extended address is no part of it: the table outlives a change of stick.
    return row.endpoint, row.cluster, row.target


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request: its frame, whether it came to us alone, and its transaction number."""

    frame: ApsFrame
    is_unicast: bool
    tsn: int


class ZdoServer:
    """Answers ZDO requests to us."""

    def __init__(
        self,
        endpoints: LocalEndpoints,
        facts: NetworkFacts,
        bindings: BindingTable,
        *,
        max_payload: int,
        manufacturer_code: int = NO_MANUFACTURER_CODE,
    ) -> None:
        self._endpoints, self._facts, self._bindings = endpoints, facts, bindings
        self._max_payload, self._manufacturer_code = max_payload, manufacturer_code

    def node_descriptor(self) -> NodeDescriptor:
        """What we are: a coordinator or router on the mains that always listens."""
        coordinator = self._facts.is_coordinator
        return NodeDescriptor(
            flags=LogicalType.COORDINATOR if coordinator else LogicalType.ROUTER,
            bands=_BAND_2400_MHZ,
            mac_capability=MacCapability.FULL_FUNCTION
            | MacCapability.MAINS_POWERED
            | MacCapability.RECEIVER_ON_WHEN_IDLE
            | MacCapability.ALLOCATE_ADDRESS,
            manufacturer=self._manufacturer_code,
            max_buffer=MAX_BUFFER,
            max_incoming=MAX_BUFFER,
            server_mask=(_TRUST_CENTRE | _NETWORK_MANAGER if coordinator else 0) | _REVISION_21,
            max_outgoing=MAX_BUFFER,
            descriptor_capability=0,
        )

    def handle(self, frame: ApsFrame) -> list[ApsFrame]:
        """The answers to a ZDO request; none to a response, an announcement, or what is not about us. Never raises."""
        if frame.profile != Profile.ZDO or frame.destination_endpoint != ZDO_ENDPOINT or not frame.payload:
            return []
        if frame.cluster & RESPONSE_BIT or frame.cluster in _ANNOUNCEMENTS:
            return []
        asked = _Asked(frame, frame.delivery is Delivery.UNICAST, frame.payload[0])
        if frame.cluster not in _ANSWERED:
            return self._refuse(asked, ZdoStatus.NOT_SUPPORTED)
        try:
            _, request = decode_zdo(frame.cluster, frame.payload)
        except CodecError as error:
            log.debug("ZDO request 0x%04X: %s", frame.cluster, error)
            return self._refuse(asked, ZdoStatus.INV_REQUESTTYPE)
        match request:
            case NwkAddressRequest() | IeeeAddressRequest():
                return self._address(asked, request)
            case MatchDescriptorRequest():
                return self._match(asked, request)
            case _ if not asked.is_unicast:
                return []
            case NodeDescriptorRequest():
                status = self._about(request.short)
                found = self.node_descriptor() if status is ZdoStatus.SUCCESS else None
                return self._reply(asked, NodeDescriptorResponse(status, request.short, found))
            case PowerDescriptorRequest():
                status = self._about(request.short)
                power = _MAINS if status is ZdoStatus.SUCCESS else None
                return self._reply(asked, PowerDescriptorResponse(status, request.short, power))
            case SimpleDescriptorRequest():
                return self._simple(asked, request)
            case ActiveEndpointsRequest():
                status = self._about(request.short)
                numbers = tuple(row.endpoint for row in self._endpoints) if status is ZdoStatus.SUCCESS else ()
                return self._reply(asked, ActiveEndpointsResponse(status, request.short, numbers))
            case BindRequest():
                status = self._check_binding(request.binding) or self._bindings.add(request.binding)
                return self._reply(asked, BindResponse(status))
            case UnbindRequest():
                status = self._check_binding(request.binding) or self._bindings.remove(request.binding)
                return self._reply(asked, UnbindResponse(status))
            case MgmtBindRequest():
                return self._binding_table(asked, request.start_index)
            case MgmtLqiRequest():
                return self._neighbour_table(asked, request.start_index)
            case MgmtLeaveRequest():
                return self._reply(asked, MgmtLeaveResponse(ZdoStatus.NOT_AUTHORIZED))
            case MgmtPermitJoiningRequest():
                return self._reply(asked, MgmtPermitJoiningResponse(ZdoStatus.NOT_AUTHORIZED))
            case _:
                return self._refuse(asked, ZdoStatus.NOT_SUPPORTED)

    # -- who it is about ---------------------------------------------------------------------------------------------

    def _children(self) -> list[NeighbourRow]:
        return [row for row in self._facts.neighbours() if row.relationship == _CHILD]

    def _about(self, short: int) -> ZdoStatus:
        """Whether a request is about us: of our children we keep no descriptors, of others we know nothing."""
        if short == self._facts.short:
            return ZdoStatus.SUCCESS
        if any(row.short == short for row in self._children()):
            return ZdoStatus.NO_DESCRIPTOR
        return ZdoStatus.DEVICE_NOT_FOUND

    def _address(self, asked: _Asked, request: NwkAddressRequest | IeeeAddressRequest) -> list[ApsFrame]:
        """The two addresses of us, or of one of our children, which sleep and leave the answer to us."""
        children = self._children()
        known = ((self._facts.ieee, self._facts.short), *((row.ieee, row.short) for row in children))
        if isinstance(request, NwkAddressRequest):
            kind: type[NwkAddressResponse | IeeeAddressResponse] = NwkAddressResponse
            found = next((pair for pair in known if pair[0] == request.ieee), None)
            asked_for = request.ieee, _NO_SHORT
        else:
            kind = IeeeAddressResponse
            found = next((pair for pair in known if pair[1] == request.short), None)
            asked_for = _NO_IEEE, request.short
        if found is None:
            status = ZdoStatus.DEVICE_NOT_FOUND
        elif request.request_type not in (_SINGLE, _EXTENDED):
            status = ZdoStatus.INV_REQUESTTYPE
        elif request.request_type == _SINGLE or found != known[0]:
            return self._reply(asked, kind(ZdoStatus.SUCCESS, *found))
        else:
            return self._reply(
                asked, kind(ZdoStatus.SUCCESS, *found, *self._listed_children(children, request.start_index))
            )
        return self._reply(asked, kind(status, *(found or asked_for))) if asked.is_unicast else []

    def _listed_children(
        self, children: list[NeighbourRow], start: int
    ) -> tuple[int] | tuple[int, int, tuple[int, ...]]:
        """Number of children, and, unless there is none, from where on and which."""
        if not children:
            return (0,)
        room = max(0, (self._max_payload - 14) // 2)
        return min(len(children), 0xFF), start, tuple(row.short for row in children[start : start + room])

    # -- descriptors -------------------------------------------------------------------------------------------------

    def _simple(self, asked: _Asked, request: SimpleDescriptorRequest) -> list[ApsFrame]:
        status = self._about(request.short)
        found: LocalEndpoint | None = None
        if status is ZdoStatus.SUCCESS:
            found = self._endpoints.get(request.endpoint)
            if not 1 <= request.endpoint <= MAX_APPLICATION_ENDPOINT:
                status = ZdoStatus.INVALID_EP
            elif found is None:
                status = ZdoStatus.NOT_ACTIVE
        descriptor = found.simple_descriptor() if found is not None else None
        return self._reply(asked, SimpleDescriptorResponse(status, request.short, descriptor))

    def _match(self, asked: _Asked, request: MatchDescriptorRequest) -> list[ApsFrame]:
        status = ZdoStatus.SUCCESS if request.short >= FIRST_BROADCAST else self._about(request.short)
        if status is not ZdoStatus.SUCCESS:
            answer = MatchDescriptorResponse(status, request.short, ())
            return self._reply(asked, answer) if asked.is_unicast else []
        found = tuple(row.endpoint for row in self._endpoints if matches(row, request))
        if not found:
            answer = MatchDescriptorResponse(ZdoStatus.NO_MATCH, self._facts.short, ())
            return self._reply(asked, answer) if asked.is_unicast else []
        return self._reply(asked, MatchDescriptorResponse(ZdoStatus.SUCCESS, self._facts.short, found))

    # -- tables ------------------------------------------------------------------------------------------------------

    def _check_binding(self, row: Binding) -> ZdoStatus | None:
        """What is wrong with a binding; None: nothing. Those of others we do not keep."""
        if row.ieee != self._facts.ieee:
            return ZdoStatus.NOT_SUPPORTED
        return None if self._endpoints.get(row.endpoint) is not None else ZdoStatus.INVALID_EP

    def _binding_table(self, asked: _Asked, start: int) -> list[ApsFrame]:
        rows = tuple(replace(row, ieee=self._facts.ieee) for row in self._bindings.rows())
        shown = self._fit(rows[start:])
        return self._reply(asked, MgmtBindResponse(ZdoStatus.SUCCESS, len(rows), start, shown))

    def _neighbour_table(self, asked: _Asked, start: int) -> list[ApsFrame]:
        rows = tuple(self._facts.neighbours())[:0xFF]
        shown = self._fit(rows[start:])
        return self._reply(asked, MgmtLqiResponse(ZdoStatus.SUCCESS, len(rows), start, shown))

    def _fit(self, rows: tuple[_Row, ...]) -> tuple[_Row, ...]:
        """As many rows as go into one frame."""
        size, number = _HEAD_BYTES, 0
        for row in rows:
            size += len(row.encode())
            if size > self._max_payload:
                break
            number += 1
        return rows[:number]

    # -- replies -----------------------------------------------------------------------------------------------------

    def _reply(self, asked: _Asked, response: ZdoResponse) -> list[ApsFrame]:
        return self._send(asked, response.CLUSTER, encode_zdo(asked.tsn, response))

    def _refuse(self, asked: _Asked, status: ZdoStatus) -> list[ApsFrame]:
        """A response of a status only, where the request came to us alone."""
        if not asked.is_unicast:
            return []
        return self._send(asked, asked.frame.cluster | RESPONSE_BIT, bytes((asked.tsn, status)))

    @staticmethod
    def _send(asked: _Asked, cluster: int, payload: bytes) -> list[ApsFrame]:
        request = asked.frame
        if request.source is None and request.source_ieee is None:
            return []
        return [
            ApsFrame(
                profile=Profile.ZDO,
                cluster=cluster,
                source_endpoint=ZDO_ENDPOINT,
                destination_endpoint=request.source_endpoint,
                payload=payload,
                destination=request.source,
                destination_ieee=request.source_ieee,
                security=request.security,
            )
        ]


def matches(endpoint: LocalEndpoint, request: MatchDescriptorRequest) -> bool:
    """Whether an endpoint has one of the clusters that a match descriptor request names, in its profile.

    A request for the wildcard profile matches every profile.
    """
    if request.profile not in (endpoint.profile, WILDCARD_PROFILE):
        return False
    servers, clients = endpoint.clusters(Side.SERVER), endpoint.clusters(Side.CLIENT)
    return any(row in servers for row in request.input_clusters) or any(
        row in clients for row in request.output_clusters
    )
