"""One Zigbee device as the hub knows it: addresses, descriptors, attributes, reporting."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from hub.store import Statement
from hub.zigbee.kept import from_builtins, to_builtins
from hub.zigbee.model import (
    DEVICE_PREFIX,
    AttributeValue,
    InterviewStep,
    LogicalType,
    RemoteCluster,
    RemoteEndpoint,
    ReportingRow,
    Side,
    ZigbeeDevice,
)
from protocols import zdo
from protocols.errors import CodecError
from protocols.ids import Eui64
from protocols.zcl.datatypes import decode_value, encode_value

AttributeKey = tuple[int, int, Side, int, int | None]
"""Endpoint, cluster, side, attribute, manufacturer code."""
MAX_ATTRIBUTES = 2000
"""Kept of one device: more than any has; a device that makes them up does not fill the memory."""

_LOGICAL = {
    zdo.LogicalType.COORDINATOR: LogicalType.COORDINATOR,
    zdo.LogicalType.ROUTER: LogicalType.ROUTER,
    zdo.LogicalType.END_DEVICE: LogicalType.END_DEVICE,
}


def device_id_of(ieee: Eui64) -> str:
    """The device id of an extended address."""
    return f"{DEVICE_PREFIX}{ieee}"


def ieee_of(device_id: str) -> Eui64:
    """The extended address in a device id. Raises `RangeError`."""
    return Eui64.parse(device_id.removeprefix(DEVICE_PREFIX))


@dataclass(slots=True)
class Member:
    """A device of a network."""

    ieee: Eui64
    radio: str
    short: int | None = None
    added_by_hand: bool = False
    node: zdo.NodeDescriptor | None = None
    power: zdo.PowerDescriptor | None = None
    mac_capability: int | None = None
    endpoint_ids: tuple[int, ...] | None = None
    """Of the Active Endpoints answer; None: not asked yet."""
    endpoints: dict[int, zdo.SimpleDescriptor] = field(default_factory=dict)
    attributes: dict[AttributeKey, AttributeValue] = field(default_factory=dict)
    reporting: dict[AttributeKey, ReportingRow] = field(default_factory=dict)
    steps_done: set[InterviewStep] = field(default_factory=set)
    interview: InterviewStep = InterviewStep.ANNOUNCE
    interview_detail: str = ""
    is_active: bool = False
    is_authenticated: bool = False
    """Keys are established with it."""
    failures: int = 0
    lqi: int | None = None
    rssi_dbm: int | None = None
    announced_at: datetime | None = None
    heard_at: float | None = None
    """Monotonic seconds."""
    left_at: float | None = None
    """Monotonic seconds; None once it is back."""
    reported_at: dict[AttributeKey, tuple[float, datetime]] = field(default_factory=dict)
    """When each reported attribute came last, on both clocks."""
    dirty: set[AttributeKey] = field(default_factory=set)
    """Attributes that are not on disk yet."""
    device_id: str = field(init=False)
    """The id in the device list."""

    def __post_init__(self) -> None:
        self.device_id = device_id_of(self.ieee)

    @property
    def capability(self) -> int | None:
        """MAC capability bits: of the node descriptor, else of the announce."""
        return self.node.mac_capability if self.node is not None else self.mac_capability

    @property
    def is_sleepy(self) -> bool:
        """It hears us only when it polls."""
        bits = self.capability
        return bits is not None and not bits & zdo.MacCapability.RECEIVER_ON_WHEN_IDLE

    @property
    def is_router(self) -> bool:
        """It carries frames of others."""
        if self.node is not None:
            return self.node.logical_type is not zdo.LogicalType.END_DEVICE
        return self.mac_capability is not None and bool(self.mac_capability & zdo.MacCapability.FULL_FUNCTION)

    @property
    def logical_type(self) -> LogicalType:
        """What it is to the network."""
        if self.node is not None:
            return _LOGICAL.get(self.node.logical_type, LogicalType.UNKNOWN)
        return LogicalType.UNKNOWN

    def servers(self, cluster: int) -> list[int]:
        """Endpoints with the cluster's server side, lowest first."""
        return sorted(number for number, found in self.endpoints.items() if cluster in found.input_clusters)

    def profile(self, endpoint: int) -> int | None:
        """The profile of an endpoint; None for one that it does not have."""
        found = self.endpoints.get(endpoint)
        return found.profile if found is not None else None

    def value(
        self, endpoint: int, cluster: int, attribute: int, manufacturer: int | None = None
    ) -> AttributeValue | None:
        """What is known of a server attribute."""
        return self.attributes.get((endpoint, cluster, Side.SERVER, attribute, manufacturer))

    def unconfigure(self) -> None:
        """It has left, or the network is another one: it has forgotten its bindings, what it shall report, its keys."""
        self.is_authenticated = False
        for key, row in self.reporting.items():
            if not row.pseudo and row.state != "refused":
                self.reporting[key] = replace(row, state="wanted")
        self.steps_done.discard(InterviewStep.REPORTING)
        self.steps_done.discard(InterviewStep.ATTRIBUTES)

    def keep(self, values: Iterable[AttributeValue]) -> None:
        """Remember attributes; a failed read never overwrites a value that is known."""
        for value in values:
            key = key_of(value)
            before = self.attributes.get(key)
            if before is None and len(self.attributes) >= MAX_ATTRIBUTES:
                continue
            if value.status != 0 and before is not None and before.status == 0 and before.data_type is not None:
                value = replace(before, status=value.status) if before.value is None else before
            elif value.time is None and before is not None and before.time is not None:
                continue  # only its existence was told
            self.attributes[key] = value
            self.dirty.add(key)

    def snapshot(self, *, has_key: bool, authenticates: bool) -> ZigbeeDevice:
        """Everything, frozen. `authenticates`: whether devices of its network establish keys with the radio."""
        source = self.attributes.get((min(self.endpoints, default=1), 0, Side.SERVER, 7, None))
        return ZigbeeDevice(
            device_id=self.device_id,
            radio=self.radio,
            ieee=self.ieee,
            short=self.short,
            logical_type=self.logical_type,
            manufacturer_code=self.node.manufacturer if self.node is not None else None,
            receiver_on_when_idle=None if self.capability is None else not self.is_sleepy,
            mains_powered=None if self.capability is None else bool(self.capability & zdo.MacCapability.MAINS_POWERED),
            power_source=_power_source(source),
            max_buffer=self.node.max_buffer if self.node is not None else None,
            endpoints=tuple(self._endpoint(number) for number in sorted(self.endpoints)),
            reporting=tuple(self._reporting_row(key) for key in sorted(self.reporting, key=_order)),
            interview=self.interview,
            interview_detail=self.interview_detail,
            is_active=self.is_active,
            failures=self.failures,
            lqi=self.lqi,
            rssi_dbm=self.rssi_dbm,
            announced_at=self.announced_at,
            has_key=has_key,
            authenticated=self.is_authenticated if authenticates else None,
        )

    def _reporting_row(self, key: AttributeKey) -> ReportingRow:
        last = self.reported_at.get(key)
        return replace(self.reporting[key], last_report=last[1]) if last is not None else self.reporting[key]

    def _endpoint(self, number: int) -> RemoteEndpoint:
        found = self.endpoints[number]
        values: dict[tuple[int, Side], list[AttributeValue]] = {}
        for key in sorted((key for key in self.attributes if key[0] == number), key=_order):
            values.setdefault((key[1], key[2]), []).append(self.attributes[key])
        listed = [(cluster, Side.SERVER) for cluster in found.input_clusters]
        listed += [(cluster, Side.CLIENT) for cluster in found.output_clusters]
        # Clusters that it did not name, but told attributes of: makers' own, mostly.
        listed += [place for place in values if place not in listed]
        clusters = tuple(
            RemoteCluster(cluster=cluster, side=side, attributes=tuple(values.get((cluster, side), ())))
            for cluster, side in dict.fromkeys(listed)
        )
        return RemoteEndpoint(
            endpoint=number,
            profile=found.profile,
            device_type=found.device_type,
            version=found.version & 0x0F,
            clusters=clusters,
        )


def key_of(value: AttributeValue | ReportingRow) -> AttributeKey:
    """Where an attribute, or its reporting, is kept."""
    return (value.endpoint, value.cluster, value.side, value.attribute, value.manufacturer)


def _order(key: AttributeKey) -> tuple[int, int, str, int, int]:
    return (key[0], key[1], key[2], key[3], -1 if key[4] is None else key[4])


def _power_source(value: AttributeValue | None) -> str:
    from protocols.zcl.clusters import BASIC, attribute_def

    row = attribute_def(BASIC, 7)
    if value is None or not isinstance(value.value, int) or row is None:
        return ""
    return row.values.get(value.value, "").replace("_", " ")


# -- on disk ---------------------------------------------------------------------------------------------------------


def to_row(member: Member) -> Statement:
    """The statement that keeps a member's own state."""
    state = {
        "added_by_hand": member.added_by_hand,
        "node": member.node.encode().hex() if member.node is not None else None,
        "power": member.power.encode().hex() if member.power is not None else None,
        "mac_capability": member.mac_capability,
        "endpoint_ids": member.endpoint_ids,
        "endpoints": [found.encode().hex() for found in member.endpoints.values()],
        "reporting": [to_builtins(row) for row in member.reporting.values()],
        "steps": sorted(member.steps_done),
        "interview": member.interview.value,
        "detail": member.interview_detail,
        "announced_at": member.announced_at.isoformat() if member.announced_at is not None else None,
        "authenticated": member.is_authenticated,
    }
    return (
        "INSERT OR REPLACE INTO zigbee_device (id, radio, short, state) VALUES (?, ?, ?, ?)",
        [(member.device_id, member.radio, member.short, json.dumps(state))],
    )


def from_row(device_id: str, radio: str, short: int | None, text: str) -> Member:
    """A member as it was kept. Raises `ValueError`, `KeyError` or `CodecError` for a state that is not ours."""
    state = json.loads(text)
    member = Member(ieee_of(device_id), radio, short)
    member.added_by_hand = bool(state["added_by_hand"])
    if state["node"] is not None:
        member.node = zdo.NodeDescriptor.decode(bytes.fromhex(state["node"]))
    if state["power"] is not None:
        member.power = zdo.PowerDescriptor.decode(bytes.fromhex(state["power"]))
    member.mac_capability = state["mac_capability"]
    if state["endpoint_ids"] is not None:
        member.endpoint_ids = tuple(int(number) for number in state["endpoint_ids"])
    for encoded in state["endpoints"]:
        found = zdo.SimpleDescriptor.decode(bytes.fromhex(encoded))
        member.endpoints[found.endpoint] = found
    for row in state["reporting"]:
        known = from_builtins(row, ReportingRow)
        member.reporting[key_of(known)] = known
    member.steps_done = {InterviewStep(step) for step in state["steps"]}
    member.interview = InterviewStep(state["interview"])
    member.interview_detail = str(state["detail"])
    if state["announced_at"] is not None:
        member.announced_at = datetime.fromisoformat(state["announced_at"])
    member.is_authenticated = bool(state.get("authenticated", False))
    return member


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise ValueError(f"{value!r} is not a number")
    return value


_ATTRIBUTE = (
    "INSERT OR REPLACE INTO zigbee_attribute "
    "(device, endpoint, cluster, side, attribute, manufacturer, type, value, status, time, source) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_NO_MANUFACTURER = -1


def attributes_to_rows(member: Member) -> Statement | None:
    """The statement that keeps what is dirty, which is clean then; None when nothing is."""
    if not member.dirty:
        return None
    rows: list[tuple[object, ...]] = []
    for key in member.dirty:
        value = member.attributes.get(key)
        if value is None:
            continue
        try:
            raw = encode_value(value.data_type, value.value) if value.data_type is not None else None
        except CodecError:
            continue
        rows.append(
            (
                member.device_id,
                value.endpoint,
                value.cluster,
                value.side.value,
                value.attribute,
                _NO_MANUFACTURER if value.manufacturer is None else value.manufacturer,
                value.data_type,
                raw,
                value.status,
                round(value.time.timestamp() * 1000) if value.time is not None else None,
                value.source,
            )
        )
    member.dirty.clear()
    return (_ATTRIBUTE, rows)


def attributes_from_rows(rows: Iterable[tuple[object, ...]]) -> Iterator[tuple[str, AttributeValue]]:
    """Device ids with their attributes; rows that cannot be read are left out."""
    for device, endpoint, cluster, side, attribute, manufacturer, type_id, raw, status, time, source in rows:
        try:
            value = None
            if isinstance(type_id, int) and isinstance(raw, bytes):
                value, _ = decode_value(type_id, raw)
            yield (
                str(device),
                AttributeValue(
                    endpoint=_integer(endpoint),
                    cluster=_integer(cluster),
                    side=Side(str(side)),
                    attribute=_integer(attribute),
                    manufacturer=None if manufacturer == _NO_MANUFACTURER else _integer(manufacturer),
                    data_type=_integer(type_id) if type_id is not None else None,
                    value=value,
                    status=_integer(status),
                    time=datetime.fromtimestamp(_integer(time) / 1000, UTC) if time is not None else None,
                    source=str(source),
                ),
            )
        except (ValueError, CodecError):
            continue
