"""What a mirror hosts, and the Metering client that meters ask for one.

A mirrored cluster has what its meter has told of its own, by reports, writes or when it was asked: the same types, the
same values. They live with the device (`hub.zigbee.member`), so that a report to the mirror is one of the device. Only
Metering Device Type says that it is a mirror's (SE 1.1b, D.3.2.2.4.7), and Reading Snapshot Time how old the counts
are, where the meter has none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hub.smart_energy.peer import Peer, peer_of
from hub.smart_energy.utc import to_utc
from hub.zigbee.member import Member
from hub.zigbee.model import AttributeValue, Side
from hub.zigbee.servers.base import CLUSTER_REVISION, Answer, ClusterServer, HostedAttribute, bound, constant
from hub.zigbee.servers.basic import SMART_ENERGY_ZCL_VERSION
from protocols.aps import ApsFrame
from protocols.se import metering
from protocols.zcl.clusters import BASIC, METERING, attribute_def, cluster
from protocols.zcl.datatypes import Value
from protocols.zcl.header import Direction, ZclHeader, unsupported_command
from protocols.zcl.status import Status

SNAPSHOT_TIME, DEVICE_TYPE = 0x0007, 0x0306
SUMMATIONS = (0x0000, 0x0001)
"""Delivered and received: what Reading Snapshot Time is about."""
MIRRORED = 127
"""Added to Metering Device Type by a mirror: 127 is a mirrored electricity meter, 128 gas, 129 water."""
ZCL_VERSION, POWER_SOURCE, PHYSICAL_ENVIRONMENT = 0x0000, 0x0007, 0x0011
BATTERY = 0x03
MIRROR_CAPACITY, NO_MIRROR_CAPACITY = 0x01, 0x00
"""Physical Environment of an energy service interface: whether it can mirror one more meter."""

Find = Callable[[], Member | None]
Put = Callable[[int, int, int, Value], None]
"""A meter has written: cluster, attribute, type and value."""


class MirroredCluster(ClusterServer):
    """A server of a meter's, as the meter has told it. For all but the meter itself it is read only."""

    def __init__(self, cluster_id: int, meter: Peer, find: Find, put: Put, *, is_meters: bool = False) -> None:
        """`find()`: the meter's device, None while it is not known. `is_meters`: as the meter itself sees it."""
        super().__init__(_own(cluster_id, meter, find), cluster=cluster_id)
        self._meter, self._find, self._put, self._is_meters = meter, find, put, is_meters

    def facing(self, frame: ApsFrame) -> ClusterServer:
        """The meter may write."""
        if self._is_meters or peer_of(frame) != self._meter:
            return self
        return MirroredCluster(self.cluster, self._meter, self._find, self._put, is_meters=True)

    @property
    def manufacturers(self) -> frozenset[int | None]:
        """See `ClusterServer`."""
        return frozenset(row.manufacturer for row in self.attributes)

    @property
    def attributes(self) -> tuple[HostedAttribute, ...]:
        """What the meter has told, and what the mirror adds."""
        told = {(row.manufacturer, row.attribute): self._hosted(row) for row in self._told()}
        rows = {(row.manufacturer, row.id): row for row in super().attributes} | told
        return tuple(sorted(rows.values(), key=lambda row: (row.manufacturer or 0, row.id)))

    def attribute(self, attribute: int, manufacturer: int | None = None) -> HostedAttribute | None:
        """See `ClusterServer`. The meter may write what it has not told yet, if the standard knows the attribute."""
        for told in self._told():
            if (told.attribute, told.manufacturer) == (attribute, manufacturer):
                return self._hosted(told)
        standard = attribute_def(self.cluster, attribute)
        if not self._is_meters or manufacturer is not None or attribute == CLUSTER_REVISION or standard is None:
            return super().attribute(attribute, manufacturer)
        own = super().attribute(attribute)
        return HostedAttribute(
            id=attribute,
            name=standard.name,
            type=standard.type,
            get=own.get if own is not None else constant(None),
            set=self._setter(attribute, standard.type),
            takes_invalid=True,
        )

    def _told(self) -> list[AttributeValue]:
        member = self._find()
        if member is None:
            return []
        place = (self._meter.endpoint, self.cluster, Side.SERVER)
        return [
            value
            for value in member.attributes.values()
            if (value.endpoint, value.cluster, value.side) == place
            and value.status == Status.SUCCESS
            and value.data_type is not None
            and value.time is not None
            and value.attribute != CLUSTER_REVISION
        ]

    def _hosted(self, told: AttributeValue) -> HostedAttribute:
        assert told.data_type is not None, "left out by _told"
        value, standard = told.value, attribute_def(self.cluster, told.attribute, manufacturer=told.manufacturer)
        if (self.cluster, told.attribute, told.manufacturer) == (METERING, DEVICE_TYPE, None) and (
            isinstance(value, int) and value < MIRRORED
        ):
            value += MIRRORED
        may_write = self._is_meters and told.manufacturer is None
        return HostedAttribute(
            id=told.attribute,
            name=standard.name if standard is not None else f"0x{told.attribute:04x}",
            type=told.data_type,
            get=constant(value),
            set=self._setter(told.attribute, told.data_type) if may_write else None,
            reportable=standard is not None and standard.is_reportable,
            manufacturer=told.manufacturer,
            takes_invalid=True,
        )

    def _setter(self, attribute: int, type_id: int) -> Callable[[Value, float], Status]:
        def put(value: Value, _now: float) -> Status:
            self._put(self.cluster, attribute, type_id, value)
            return Status.SUCCESS

        return put


def _own(cluster_id: int, meter: Peer, find: Find) -> list[HostedAttribute]:
    """What a mirror says while its meter does not."""
    if cluster_id == BASIC:
        return [
            bound(BASIC, ZCL_VERSION, constant(SMART_ENERGY_ZCL_VERSION)),
            bound(BASIC, POWER_SOURCE, constant(BATTERY)),
        ]

    def counted_at(_now: float) -> Value:
        member = find()
        if member is None:
            return None
        found = (member.value(meter.endpoint, METERING, attribute) for attribute in SUMMATIONS)
        times = [value.time for value in found if value is not None and value.time is not None and not value.status]
        return to_utc(max(times)) if times else None

    return [bound(METERING, SNAPSHOT_TIME, counted_at)]


class Mirroring(Protocol):
    """Who makes and removes mirrors, and answers then."""

    def requested(self, radio: str, frame: ApsFrame, header: ZclHeader) -> None:
        """A meter wants to be mirrored."""
        ...

    def unwanted(self, radio: str, frame: ApsFrame, header: ZclHeader) -> bool:
        """A meter wants its mirror removed; False: it has none."""
        ...


class MeteringClientCluster(ClusterServer):
    """Metering: what meters send to those who read them."""

    CLUSTER = METERING
    SIDE = Side.CLIENT
    RECEIVES = (metering.RequestMirror.COMMAND, metering.RemoveMirror.COMMAND)
    GENERATES = (metering.RequestMirrorResponse.COMMAND, metering.MirrorRemoved.COMMAND)

    def __init__(self, radio: str, mirroring: Mirroring) -> None:
        super().__init__()
        self._radio, self._mirroring = radio, mirroring

    def command(self, header: ZclHeader, payload: bytes, frame: ApsFrame, now: float) -> Answer:
        """See `ClusterServer`. Commands that the standard has and nobody asked for are taken, and mean nothing."""
        rows = cluster(METERING)
        if header.manufacturer is not None or header.direction is not Direction.TO_CLIENT:
            return Answer(unsupported_command(header))
        match metering.COMMANDS.read(header.command, payload, to_server=False):
            case metering.RequestMirror():
                self._mirroring.requested(self._radio, frame, header)
                return Answer(silent=True)
            case metering.RemoveMirror():
                # Chosen: no mirror to remove is NOT_FOUND, since Mirror Removed has no way to say so.
                if self._mirroring.unwanted(self._radio, frame, header):
                    return Answer(silent=True)
                return Answer(Status.NOT_FOUND)
            case None if rows is None or rows.command(header.command, to_server=False) is None:
                return Answer(unsupported_command(header))
        return Answer()


def response(header: ZclHeader, command: metering.RequestMirrorResponse | metering.MirrorRemoved) -> bytes:
    """The ZCL frame that answers a command of a meter."""
    return header.answer(command.COMMAND).encode() + command.encode()
