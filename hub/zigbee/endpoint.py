"""The endpoints that we host on a network, and the rules by which they answer.

`LocalEndpoints.handle` takes a ZCL request to one of them and gives the frames that answer it. Pure: time is an
argument, sending is the caller's. The rules (ZCL8, 2.5.12):

==========================================================  =======================================================
a command that has a response of its own                    that response, to the sender alone
any other command, to us alone                              Default Response: always for a failure, for success unless
                                                            the sender has asked not to
any other command, by broadcast, to a group, to all ends    silence
a response, a default response included                     silence (`is_request` says no)
an endpoint or profile that we do not have                  silence, as the APS layer of a stick would
a cluster that the endpoint does not have                   Default Response UNSUPPORTED_CLUSTER
a payload cut short                                         Default Response MALFORMED_COMMAND
bytes behind the last field                                 ignored: a newer revision has more fields
==========================================================  =======================================================

An answer goes the way the request came: endpoints swapped, same transaction, other direction, same security.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hub.zigbee.model import Side
from hub.zigbee.own_reporting import OwnReporting
from hub.zigbee.servers.base import Answer, ClusterServer, PlainClient
from protocols.aps import ApsFrame, Delivery
from protocols.errors import CodecError
from protocols.ids import BROADCAST_ENDPOINT, MAX_APPLICATION_ENDPOINT
from protocols.zcl.general import RESPONSES, DefaultResponse, General, ReportAttributes
from protocols.zcl.header import (
    Direction,
    FrameType,
    ZclHeader,
    parse_header,
    wants_default_response,
)
from protocols.zcl.status import Status
from protocols.zdo import BindTarget, SimpleDescriptor

log = logging.getLogger(__name__)

UNKNOWN_CLUSTER = Status.UNSUPPORTED_CLUSTER
"""What a command for a cluster gets that its endpoint does not have: 0xC3, which ZCL8, 2.6.3 has for just that. Chosen:
for general commands too. Before ZCL6 stacks said UNSUP_CLUSTER_COMMAND; a sender takes both for a failure."""
WILDCARD_PROFILE = 0xFFFF
"""A profile in a request that every endpoint takes for its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEndpoint:
    """One of our endpoints: what it is, and the clusters that it hosts."""

    endpoint: int
    profile: int
    device_type: int
    version: int = 1
    """Version of the device type."""
    servers: tuple[ClusterServer, ...] = ()
    """Hosted clusters: the server's side, or by their `SIDE` the client's."""
    client_clusters: tuple[int, ...] = ()
    """Clusters of which we are the client, without attributes or commands that we host."""
    is_added: bool = False
    """Somebody has added it to those that we have by ourselves."""
    encryption: Mapping[int, bool] = field(default_factory=dict)
    """Clusters that encrypt for their two ends, or do not, whatever the profile says."""
    _hosted: dict[tuple[int, Side], ClusterServer] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.endpoint <= MAX_APPLICATION_ENDPOINT:
            raise ValueError(f"endpoint is {self.endpoint}; allowed: 1 to {MAX_APPLICATION_ENDPOINT}")
        hosted = {(server.cluster, server.SIDE): server for server in self.servers}
        if len(hosted) != len(self.servers):
            raise ValueError(f"endpoint {self.endpoint} hosts a cluster twice")
        for cluster in self.client_clusters:
            hosted.setdefault((cluster, Side.CLIENT), PlainClient(cluster))
        object.__setattr__(self, "_hosted", hosted)

    def hosted(self, cluster: int, side: Side) -> ClusterServer | None:
        """The side of a cluster, if it is here."""
        return self._hosted.get((cluster, side))

    def clusters(self, side: Side) -> tuple[int, ...]:
        """Ids of the clusters of one side, lowest first."""
        return tuple(sorted(cluster for cluster, found in self._hosted if found is side))

    def simple_descriptor(self) -> SimpleDescriptor:
        """What we say of it to others."""
        return SimpleDescriptor(
            self.endpoint,
            self.profile,
            self.device_type,
            self.version,
            self.clusters(Side.SERVER),
            self.clusters(Side.CLIENT),
        )


def is_request(header: ZclHeader) -> bool:
    """Whether a command asks something of us, so that `LocalEndpoints.handle` may answer it.

    A response of the general commands never does. A command of a cluster always does, in both directions, since its
    header does not tell whether it answers one of ours: who keeps the pending requests has taken those away before.
    """
    if header.frame_type is FrameType.GENERAL:
        return header.command not in RESPONSES
    return header.frame_type is FrameType.CLUSTER


def answer_frame(request: ApsFrame, endpoint: LocalEndpoint, payload: bytes) -> ApsFrame | None:
    """A frame back to the sender of `request`; None if the radio has not told who that is."""
    if request.source is None and request.source_ieee is None:
        return None
    return ApsFrame(
        profile=endpoint.profile if request.profile == WILDCARD_PROFILE else request.profile,
        cluster=request.cluster,
        source_endpoint=endpoint.endpoint,
        destination_endpoint=request.source_endpoint,
        payload=payload,
        destination=request.source,
        destination_ieee=request.source_ieee,
        security=request.security,
    )


def is_to_us_alone(frame: ApsFrame) -> bool:
    """Whether nobody else gets this frame: no broadcast, no group, one endpoint."""
    return frame.delivery is Delivery.UNICAST and frame.destination_endpoint != BROADCAST_ENDPOINT


def default_response(header: ZclHeader, status: Status) -> bytes:
    """The payload that answers a command with its status only."""
    answer = header.answer(General.DEFAULT_RESPONSE, FrameType.GENERAL)
    return answer.encode() + DefaultResponse(header.command, status).encode()


def _nothing_bound(_endpoint: int, _cluster: int) -> tuple[BindTarget, ...]:
    return ()


class LocalEndpoints:
    """All endpoints that we host on one network."""

    def __init__(
        self,
        endpoints: Iterable[LocalEndpoint] = (),
        *,
        max_payload: int,
        next_tsn: Callable[[], int],
        bound: Callable[[int, int], Sequence[BindTarget]] = _nothing_bound,
        radio_confirms: bool = False,
        on_reporting_changed: Callable[[], None] | None = None,
    ) -> None:
        """`max_payload`: bytes of an APS payload (`Capabilities.max_payload`). `next_tsn`: for reports of ours.

        `bound(endpoint, cluster)`: where our bindings lead, as `hub.zigbee.zdo_server` keeps them.
        `radio_confirms`: the radio sends default responses of success itself (`Capabilities.answers_default_response`).

        `on_reporting_changed`: `reporting.rows()` are others than before, store them.
        """
        self._endpoints: dict[int, LocalEndpoint] = {}
        self.on_changed: Callable[[], None] = lambda: None
        """Called when there is another endpoint or one less, or one has other clusters."""
        self._max_payload = max_payload
        self.reporting = OwnReporting(
            self.hosted, bound, next_tsn, profile=self._profile, max_payload=max_payload, on_change=on_reporting_changed
        )
        self._radio_confirms = radio_confirms
        for endpoint in endpoints:
            self.add(endpoint)

    def add(self, endpoint: LocalEndpoint) -> None:
        """Host one more endpoint. Raises `ValueError` when its number is taken."""
        if endpoint.endpoint in self._endpoints:
            raise ValueError(f"there is an endpoint {endpoint.endpoint} already")
        self._endpoints[endpoint.endpoint] = endpoint
        self.on_changed()

    def remove(self, endpoint: int) -> None:
        """Host an endpoint no more, and report nothing of it. One that is not here is no fault."""
        if self._endpoints.pop(endpoint, None) is not None:
            self.reporting.forget_endpoint(endpoint)
            self.on_changed()

    def replace(self, endpoint: LocalEndpoint) -> None:
        """Host an endpoint in place of the one of its number."""
        self._endpoints[endpoint.endpoint] = endpoint
        self.on_changed()

    def get(self, endpoint: int) -> LocalEndpoint | None:
        """The endpoint with this number."""
        return self._endpoints.get(endpoint)

    def encryption(self, endpoint: int, cluster: int) -> bool | None:
        """Whether a cluster of an endpoint encrypts for its two ends; None: as its profile has it."""
        found = self._endpoints.get(endpoint)
        return found.encryption.get(cluster) if found is not None else None

    def hosted(self, endpoint: int, cluster: int, side: Side) -> ClusterServer | None:
        """A side of a cluster on one of them, if it is there."""
        found = self._endpoints.get(endpoint)
        return found.hosted(cluster, side) if found is not None else None

    def _profile(self, endpoint: int) -> int:
        return self._endpoints[endpoint].profile

    def __iter__(self) -> Iterator[LocalEndpoint]:
        """All of them, lowest number first."""
        return iter(sorted(self._endpoints.values(), key=lambda found: found.endpoint))

    def __len__(self) -> int:
        return len(self._endpoints)

    def handle(self, frame: ApsFrame, now: float) -> list[ApsFrame]:
        """The answers to a ZCL request, at monotonic time `now`; none where the rules say silence. Never raises."""
        return self._back(frame, lambda endpoint, header, payload: self._answer(endpoint, header, payload, frame, now))

    def confirm(self, frame: ApsFrame, status: Status = Status.SUCCESS) -> list[ApsFrame]:
        """The answers to a command that was dealt with elsewhere: a default response where the rules want one."""
        return self._back(frame, lambda *_: Answer(status))

    def _back(self, frame: ApsFrame, answer: Callable[[LocalEndpoint, ZclHeader, bytes], Answer]) -> list[ApsFrame]:
        """What each endpoint that a request is for sends back."""
        try:
            header, payload = parse_header(frame.payload)
        except CodecError:
            # Not even a transaction number to answer to.
            return []
        if not is_request(header):
            return []
        found: list[ApsFrame] = []
        for endpoint in self._addressed(frame):
            for body in self._bodies(header, frame, answer(endpoint, header, payload)):
                back = answer_frame(frame, endpoint, body)
                if back is not None:
                    found.append(back)
        return found

    def _addressed(self, frame: ApsFrame) -> Iterator[LocalEndpoint]:
        if frame.destination_endpoint == BROADCAST_ENDPOINT:
            candidates = list(self)
        else:
            only = self._endpoints.get(frame.destination_endpoint)
            candidates = [only] if only is not None else []
        return (found for found in candidates if frame.profile in (found.profile, WILDCARD_PROFILE))

    def _answer(
        self, endpoint: LocalEndpoint, header: ZclHeader, payload: bytes, frame: ApsFrame, now: float
    ) -> Answer:
        is_general = header.frame_type is FrameType.GENERAL
        try:
            if is_general and header.command == General.REPORT_ATTRIBUTES:
                # Whoever keeps remote attributes has had it before us, also of clusters that no endpoint of ours names.
                return Answer(Status.MALFORMED_COMMAND if ReportAttributes.decode(payload).rest else Status.SUCCESS)
            side = Side.SERVER if header.direction is Direction.TO_SERVER else Side.CLIENT
            server = endpoint.hosted(frame.cluster, side)
            if server is None:
                return Answer(UNKNOWN_CLUSTER)
            server = server.facing(frame)
            if not is_general:
                return server.command(header, payload, frame, now)
            limit = self._max_payload - len(header.encode())
            if header.command in (General.CONFIGURE_REPORTING, General.READ_REPORTING_CONFIGURATION):
                return self.reporting.answer(endpoint.endpoint, server, header, payload, frame, limit, now)
            return server.general(header, payload, limit, now)
        except CodecError as error:
            log.debug(
                "endpoint %d cluster 0x%04X command 0x%02X: %s", endpoint.endpoint, frame.cluster, header.command, error
            )
            return Answer(Status.MALFORMED_COMMAND)
        except Exception:  # what a module has added may have faults of its own
            log.exception("endpoint %d cluster 0x%04X failed", endpoint.endpoint, frame.cluster)
            return Answer(Status.SOFTWARE_FAILURE)

    def _bodies(self, header: ZclHeader, frame: ApsFrame, answer: Answer) -> Iterator[bytes]:
        for response in answer.responses:
            yield header.answer(response.command).encode() + response.payload
        if answer.silent or (self._radio_confirms and answer.status is Status.SUCCESS):
            return
        if wants_default_response(
            header,
            is_unicast=is_to_us_alone(frame),
            is_default_response=False,
            has_response=bool(answer.responses),
            status=answer.status,
        ):
            yield default_response(header, answer.status)
