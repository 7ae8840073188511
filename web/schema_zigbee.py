"""The one table of Zigbee networks and their devices -> JSON; a part of web/schema.py, whose rules hold.

Numbers that people know in hex (network addresses, PAN ids) are text, clusters and attributes are numbers with names.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import UNSET, Struct, UnsetType

from hub.zigbee import model
from protocols.ids import Profile
from protocols.zcl.clusters import attribute_def, cluster_name
from protocols.zcl.datatypes import type_name
from protocols.zcl.status import Status
from web import schema_backup, zcl_values
from web.schema_base import Count, Json, Time, time, time_or_none

PROFILES = {
    Profile.HOME_AUTOMATION: "home automation",
    Profile.BUILDING_AUTOMATION: "building automation",
    Profile.SMART_ENERGY: "smart energy",
    Profile.LIGHT_LINK: "light link",
    Profile.GREEN_POWER: "green power",
}
_GENERAL_TYPES = {
    0x0000: "on/off switch", 0x0001: "level control switch", 0x0002: "on/off output", 0x0003: "level output",
    0x0004: "scene selector", 0x0005: "configuration tool", 0x0006: "remote control", 0x0007: "combined interface",
    0x0008: "range extender", 0x0009: "mains outlet", 0x000A: "door lock", 0x000B: "door lock controller",
    0x000C: "simple sensor", 0x000D: "consumption awareness device", 0x0050: "home gateway", 0x0051: "smart plug",
    0x0052: "white goods", 0x0053: "meter interface", 0x0100: "on/off light", 0x0101: "dimmable light",
    0x0102: "colour light", 0x0103: "on/off light switch", 0x0104: "dimmer switch", 0x0105: "colour dimmer switch",
    0x0106: "light sensor", 0x0107: "occupancy sensor", 0x0200: "shade", 0x0201: "shade controller",
    0x0202: "window covering", 0x0203: "window covering controller", 0x0300: "heating/cooling unit",
    0x0301: "thermostat", 0x0302: "temperature sensor", 0x0303: "pump", 0x0304: "pump controller",
    0x0305: "pressure sensor", 0x0306: "flow sensor", 0x0400: "IAS control and indicating equipment",
    0x0401: "IAS ancillary control equipment", 0x0402: "IAS zone", 0x0403: "IAS warning device",
}  # fmt: skip
"""Device types of the Home Automation profile; the generic ones are Smart Energy's too."""
_ENERGY_TYPES = {
    0x0500: "energy service interface", 0x0501: "metering device", 0x0502: "in-premise display",
    0x0503: "programmable communicating thermostat", 0x0504: "load control device", 0x0505: "smart appliance",
    0x0506: "prepayment terminal", 0x0507: "physical device",
}  # fmt: skip
_LIGHT_LINK_TYPES = {
    0x0000: "on/off light", 0x0010: "on/off plug", 0x0100: "dimmable light", 0x0110: "dimmable plug",
    0x0200: "colour light", 0x0210: "extended colour light", 0x0220: "colour temperature light",
    0x0800: "colour controller", 0x0810: "colour scene controller", 0x0820: "non-colour controller",
    0x0830: "non-colour scene controller", 0x0840: "control bridge", 0x0850: "on/off sensor",
}  # fmt: skip
DEVICE_TYPES = {
    Profile.HOME_AUTOMATION: _GENERAL_TYPES,
    Profile.SMART_ENERGY: {**_GENERAL_TYPES, **_ENERGY_TYPES},
    Profile.LIGHT_LINK: _LIGHT_LINK_TYPES,
}


def hex16(value: int) -> str:
    """A network address or PAN id."""
    return f"0x{value:04x}"


# -- networks ----------------------------------------------------------------------------------------------------------


class NetworkAbilities(Struct, frozen=True):
    """What the radio of a network can do; what it cannot is refused with 409."""

    permit_join: bool
    install_codes: bool
    link_keys: bool
    aps_encryption: bool
    energy_scan: bool
    channel_change: bool
    led: bool
    tx_power: bool
    certification: bool
    erase: bool
    certificates: bool
    router: bool
    configurable: bool
    at_commands: bool
    backup: bool


class NetworkClock(Struct, frozen=True):
    """The time of a network on which the hub is a client: whose it is, and how far it is from the machine's.

    `followed`: events, prices and messages go by it; people's times and the history never do.
    """

    server: str
    endpoint: int
    master: bool
    synchronized: bool
    superseding: bool
    offset_s: float
    read_at: Time
    followed: bool


def _clock(value: model.NetworkClock | None) -> NetworkClock | UnsetType:
    if value is None:
        return UNSET
    return NetworkClock(
        server=value.server,
        endpoint=value.endpoint,
        master=value.master,
        synchronized=value.synchronized,
        superseding=value.superseding,
        offset_s=value.offset_s,
        read_at=time(value.read_at),
        followed=value.followed,
    )


class Network(Struct, frozen=True):
    """A Zigbee network, by the name of its radio.

    Addresses and the channel are absent until the radio told them. `role` is what the hub is there: `esi_coordinator`,
    `esi_router` or `aux_gateway`; `trust_centre` is the address of whoever holds the keys. `backup` is absent where the
    radio cannot be backed up.
    """

    radio: str
    driver: str
    state: model.NetworkState
    detail: str
    model: str
    firmware: str
    mode: str
    can: NetworkAbilities
    devices: Count
    explicit_add: bool
    pending: Count
    ieee: str | UnsetType = UNSET
    short: str | UnsetType = UNSET
    pan_id: str | UnsetType = UNSET
    extended_pan_id: str | UnsetType = UNSET
    channel: int | UnsetType = UNSET
    role: str = ""
    trust_centre: str | UnsetType = UNSET
    joining_until: Time | UnsetType = UNSET
    joining_s: Count | UnsetType = UNSET
    clock: NetworkClock | UnsetType = UNSET
    backup: schema_backup.BackupState | UnsetType = UNSET


def network(value: model.NetworkStatus, now: datetime) -> Network:
    """A network; `now` for what is left of its joining window."""
    can = value.can
    until = value.joining_until if value.joining_until is not None and value.joining_until > now else None
    return Network(
        radio=value.radio,
        driver=value.driver,
        state=value.state,
        detail=value.detail,
        model=value.model,
        firmware=value.firmware,
        mode=value.mode,
        can=NetworkAbilities(**{name: getattr(can, name) for name in NetworkAbilities.__struct_fields__}),
        devices=value.devices,
        explicit_add=value.explicit_add,
        pending=value.pending,
        ieee=UNSET if value.ieee is None else str(value.ieee),
        short=UNSET if value.short is None else hex16(value.short),
        pan_id=UNSET if value.pan_id is None else hex16(value.pan_id),
        extended_pan_id=UNSET if value.extended_pan_id is None else f"{value.extended_pan_id:016x}",
        channel=UNSET if value.channel is None else value.channel,
        role=value.role,
        trust_centre=UNSET if value.trust_centre is None else str(value.trust_centre),
        joining_until=UNSET if until is None else time(until),
        joining_s=UNSET if until is None else round((until - now).total_seconds()),
        clock=_clock(value.clock),
        backup=UNSET if value.backup is None else schema_backup.state(value.backup),
    )


class Neighbour(Struct, frozen=True):
    """Whom a router hears, and how well: `lqi` 0 to 255. `device_id` is null for the hub's stick and for strangers."""

    ieee: str
    short: str
    device_id: str | None
    logical_type: model.LogicalType
    relationship: str
    depth: Count
    lqi: Count


class TopologyDevice(Struct, frozen=True):
    """A router and whom it hears."""

    ieee: str
    short: str
    device_id: str | None
    logical_type: model.LogicalType
    answered: bool
    neighbours: list[Neighbour]


class Topology(Struct, frozen=True):
    """Who hears whom; `finished` is null while the scan goes on, `total` grows while it finds more."""

    radio: str
    started: Time
    finished: Time | None
    asked: Count
    total: Count
    devices: list[TopologyDevice]


def topology(value: model.Topology) -> Topology:
    """A scan, finished or not."""
    return Topology(
        value.radio,
        time(value.started),
        time_or_none(value.finished),
        value.asked,
        value.total,
        [
            TopologyDevice(
                str(one.ieee),
                hex16(one.short),
                one.device_id,
                one.logical_type,
                one.answered,
                [
                    Neighbour(
                        str(near.ieee),
                        hex16(near.short),
                        near.device_id,
                        near.logical_type,
                        near.relationship,
                        near.depth,
                        near.lqi,
                    )
                    for near in one.neighbours
                ],
            )
            for one in value.devices
        ],
    )


class EnergyScan(Struct, frozen=True):
    """Energy on each channel, 0 quiet to 255, by the channel's number."""

    radio: str
    time: Time
    channels: dict[str, int]


def energy_scan(value: model.EnergyScan) -> EnergyScan:
    """A scan of the channels."""
    return EnergyScan(value.radio, time(value.time), {str(one): value.channels[one] for one in sorted(value.channels)})


# -- devices -----------------------------------------------------------------------------------------------------------


class Attribute(Struct, frozen=True):
    """An attribute: `value` for programs, `text` for people. `status` is the ZCL status of the last read.

    `value` is a boolean, a number, text, octets as hex text, or a list of {"type", "value"}; null when it is invalid or
    was never read (then `time` is null too).
    """

    attribute: int
    name: str
    type: str | None
    value: Json
    text: str
    status: str
    time: Time | None
    source: str
    unit: str | UnsetType = UNSET
    manufacturer: int | UnsetType = UNSET


class PlacedAttribute(Attribute, frozen=True, kw_only=True):
    """An attribute, with where it is."""

    endpoint: int
    cluster: int
    cluster_name: str
    side: model.Side


def attribute(value: model.AttributeValue) -> Attribute:
    """An attribute of a cluster that is known from the context."""
    row = attribute_def(value.cluster, value.attribute, value.manufacturer, client=value.side is model.Side.CLIENT)
    return Attribute(
        attribute=value.attribute,
        name=row.name if row is not None else hex16(value.attribute),
        type=None if value.data_type is None else type_name(value.data_type),
        value=zcl_values.to_json(value.value, value.data_type, row if is_told(value) else None),
        text=attribute_text(value),
        status=Status(value.status).name,
        time=time_or_none(value.time),
        source=value.source,
        unit=row.unit if row is not None and row.unit else UNSET,
        manufacturer=UNSET if value.manufacturer is None else value.manufacturer,
    )


def is_told(value: model.AttributeValue) -> bool:
    """Whether a device has told a value, if only that it is invalid."""
    return value.value is not None or (not value.status and value.time is not None)


def attribute_text(value: model.AttributeValue) -> str:
    """An attribute's value for people; empty when it was never told, the status' name when the device refused."""
    if not is_told(value):
        return Status(value.status).name if value.status else ""
    row = attribute_def(value.cluster, value.attribute, value.manufacturer, client=value.side is model.Side.CLIENT)
    return zcl_values.text_of(value.value, value.data_type, row)


def placed_attribute(value: model.AttributeValue) -> PlacedAttribute:
    """An attribute with its endpoint and cluster."""
    plain = attribute(value)
    return PlacedAttribute(
        endpoint=value.endpoint,
        cluster=value.cluster,
        cluster_name=cluster_name(value.cluster),
        side=value.side,
        **{name: getattr(plain, name) for name in Attribute.__struct_fields__},
    )


class Cluster(Struct, frozen=True):
    """A cluster that an endpoint has, with what is known of its attributes."""

    cluster: int
    name: str
    side: model.Side
    attributes: list[Attribute]


class Endpoint(Struct, frozen=True):
    """An endpoint as its simple descriptor says."""

    endpoint: int
    profile: int
    profile_name: str
    device_type: int
    device_type_name: str
    version: int
    clusters: list[Cluster]


class Reporting(Struct, frozen=True):
    """An attribute that its device reports to the hub, or that the hub polls in place of that (`pseudo`).

    `change` is in the attribute's raw units. `state`: wanted, configured, refused (`status` says why), overdue.
    """

    endpoint: int
    cluster: int
    cluster_name: str
    attribute: int
    name: str
    type: str
    min_s: int
    max_s: int
    pseudo: bool
    state: str
    change: float | UnsetType = UNSET
    status: str | UnsetType = UNSET
    last_report: Time | UnsetType = UNSET
    manufacturer: int | UnsetType = UNSET


class ZigbeeDevice(Struct, frozen=True):
    """Everything that is known of a Zigbee device beside what Device says.

    `stage` is the furthest that it has come. `authenticated`: whether keys are established with it; null where the
    network's radio has no link keys, and the stage of that name is left out then.
    """

    device_id: str
    radio: str
    ieee: str
    short: str | None
    logical_type: model.LogicalType
    manufacturer_code: int | None
    receiver_on_when_idle: bool | None
    mains_powered: bool | None
    power_source: str
    max_buffer: int | None
    endpoints: list[Endpoint]
    reporting: list[Reporting]
    interview: model.InterviewStep
    interview_detail: str
    is_active: bool
    failures: int
    lqi: int | None
    rssi_dbm: int | None
    announced_at: Time | None
    has_key: bool
    authenticated: bool | None
    stage: model.Stage


def endpoint(value: model.RemoteEndpoint) -> Endpoint:
    """An endpoint with its clusters."""
    profile = Profile(value.profile)
    types = DEVICE_TYPES.get(profile, {})
    return Endpoint(
        value.endpoint,
        value.profile,
        PROFILES.get(profile, hex16(value.profile)),
        value.device_type,
        types.get(value.device_type, hex16(value.device_type)),
        value.version,
        [
            Cluster(one.cluster, cluster_name(one.cluster), one.side, [attribute(found) for found in one.attributes])
            for one in value.clusters
        ],
    )


def reporting(value: model.ReportingRow) -> Reporting:
    """A row of a device's reporting."""
    row = attribute_def(value.cluster, value.attribute, value.manufacturer)
    return Reporting(
        endpoint=value.endpoint,
        cluster=value.cluster,
        cluster_name=cluster_name(value.cluster),
        attribute=value.attribute,
        name=row.name if row is not None else hex16(value.attribute),
        type=type_name(value.data_type),
        min_s=value.min_s,
        max_s=value.max_s,
        pseudo=value.pseudo,
        state=value.state,
        change=UNSET if value.change is None else value.change,
        status=Status(value.status).name if value.status else UNSET,
        last_report=UNSET if value.last_report is None else time(value.last_report),
        manufacturer=UNSET if value.manufacturer is None else value.manufacturer,
    )


def zigbee_device(value: model.ZigbeeDevice) -> ZigbeeDevice:
    """A Zigbee device with all its endpoints."""
    return ZigbeeDevice(
        device_id=value.device_id,
        radio=value.radio,
        ieee=str(value.ieee),
        short=None if value.short is None else hex16(value.short),
        logical_type=value.logical_type,
        manufacturer_code=value.manufacturer_code,
        receiver_on_when_idle=value.receiver_on_when_idle,
        mains_powered=value.mains_powered,
        power_source=value.power_source,
        max_buffer=value.max_buffer,
        endpoints=[endpoint(one) for one in value.endpoints],
        reporting=[reporting(one) for one in value.reporting],
        interview=value.interview,
        interview_detail=value.interview_detail,
        is_active=value.is_active,
        failures=value.failures,
        lqi=value.lqi,
        rssi_dbm=value.rssi_dbm,
        announced_at=time_or_none(value.announced_at),
        has_key=value.has_key,
        authenticated=value.authenticated,
        stage=value.stage,
    )


def attributes(values: Iterable[model.AttributeValue]) -> list[PlacedAttribute]:
    """Attributes, each with its place."""
    return [placed_attribute(one) for one in values]
