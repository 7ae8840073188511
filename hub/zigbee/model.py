"""What is known of Zigbee networks and their devices, as people and programs see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum

from hub.zigbee.backup_rules import BackupStatus
from protocols.ids import Eui64
from protocols.zcl.datatypes import Value

DEVICE_PREFIX = "zigbee-"
"""Of a Zigbee device's id; its EUI64 follows, so that the id outlives addresses and sticks."""


class LogicalType(StrEnum):
    """What a device is to its network (node descriptor, Zigbee R21, 2.3.2.3.1)."""

    COORDINATOR = "coordinator"
    ROUTER = "router"
    END_DEVICE = "end_device"
    UNKNOWN = "unknown"


class Side(StrEnum):
    """Which side of a cluster: the server has the attributes that people mean, the client asks."""

    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """What may be told of a certificate: nothing of its private key."""

    suite: int
    """1: over sect163k1, 2: over sect283k1."""
    subject: Eui64
    issuer: bytes | None
    """8 bytes; None where the radio keeps it and does not tell."""
    is_test: bool | None
    """The public test authority's, or one that calls itself so."""
    place: str
    """Where it lives: a file of the hub's, or "radio"."""
    valid_from: datetime | None = None
    """Of suite 2. Told, and not looked at in key establishment."""
    valid_until: datetime | None = None
    """None: for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateStatus:
    """Whether there is a Smart Energy certificate for a radio."""

    radio: str
    ieee: Eui64
    """For whom it has to be."""
    installed: bool
    keys_by: str
    """Who establishes keys with it: "radio" or "hub"."""
    certificates: tuple[CertificateFacts, ...] = ()
    problems: tuple[str, ...] = ()
    """Of files that are there and are not used."""


class InterviewStep(StrEnum):
    """The questions to a new device, in the order of the gateway manual (Device Detection)."""

    ANNOUNCE = "announce"
    MATCH_DESCRIPTOR = "match_descriptor"
    NODE_DESCRIPTOR = "node_descriptor"
    POWER_DESCRIPTOR = "power_descriptor"
    ACTIVE_ENDPOINTS = "active_endpoints"
    SIMPLE_DESCRIPTOR = "simple_descriptor"
    BASIC = "basic"
    """Manufacturer, model, power source, software build."""
    ATTRIBUTES = "attributes"
    """What its clusters measure now: formatting, units, state."""
    REPORTING = "reporting"
    DONE = "done"


class Stage(StrEnum):
    """How far a device has come into the home."""

    REGISTERED = "registered"
    """Listed by a person; it has yet to join, or to join again."""
    ANNOUNCED = "announced"
    AUTHENTICATED = "authenticated"
    """Keys are established with it; left out where the network's radio has no link keys."""
    INTERVIEWED = "interviewed"
    """Everything was asked and answered; it is not heard now."""
    ACTIVE = "active"


class StepState(StrEnum):
    """How a step of an interview goes."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    """It did not answer, or said no; the interview goes on, and asks again when the device is heard."""
    WAITING = "waiting"
    """A sleepy device that does not answer now; asked again when it is heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeValue:
    """An attribute of a remote cluster: its newest value and where it came from."""

    endpoint: int
    cluster: int
    side: Side = Side.SERVER
    attribute: int
    manufacturer: int | None = None
    """Manufacturer code of a manufacturer-specific attribute; None: the standard's."""
    data_type: int | None = None
    """ZCL data type id; None while only its existence is known."""
    value: Value = None
    """None: invalid by the data type's rule, or never read."""
    status: int = 0
    """ZCL status of the last read: 0 success, 0x86 unsupported ..."""
    time: datetime | None = None
    source: str = ""
    """How it came: "report", "read", "write", "pseudo"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCluster:
    """A cluster that a remote endpoint says it has."""

    cluster: int
    side: Side
    attributes: tuple[AttributeValue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteEndpoint:
    """A simple descriptor (Zigbee R21, 2.3.2.5) with what is known of its clusters."""

    endpoint: int
    profile: int
    device_type: int
    version: int = 0
    clusters: tuple[RemoteCluster, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportingRow:
    """One attribute that we asked a device to report, or that we poll in its place."""

    endpoint: int
    cluster: int
    side: Side = Side.SERVER
    attribute: int
    manufacturer: int | None = None
    data_type: int
    min_s: int
    max_s: int
    """0xFFFF: never by time; 0: only on change."""
    change: int | float | None = None
    """Least change, in the attribute's raw units; None for discrete types."""
    pseudo: bool = False
    """We read it periodically: the device cannot report."""
    state: str = "wanted"
    """"wanted" (not accepted yet), "configured", "refused", "overdue" (reports stopped, asked again)."""
    status: int = 0
    """ZCL status with which the device refused."""
    last_report: datetime | None = None
    to_endpoint: int | None = None
    """Endpoint of ours that they go to; None: the one that speaks its profile."""
    timeout_s: int = 0
    """Seconds of silence after which one is missed; 0: by the maximum interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZigbeeDevice:
    """Everything that is known of a Zigbee device beside what `hub.model.Device` says."""

    device_id: str
    radio: str
    ieee: Eui64
    short: int | None
    logical_type: LogicalType = LogicalType.UNKNOWN
    manufacturer_code: int | None = None
    receiver_on_when_idle: bool | None = None
    mains_powered: bool | None = None
    power_source: str = ""
    max_buffer: int | None = None
    endpoints: tuple[RemoteEndpoint, ...] = ()
    reporting: tuple[ReportingRow, ...] = ()
    interview: InterviewStep = InterviewStep.ANNOUNCE
    """The step reached; DONE when everything was asked and answered."""
    interview_detail: str = ""
    is_active: bool = False
    """Inactive after `max_sequential_TX_failures` failures; active again when heard."""
    failures: int = 0
    """Transmissions failed in a row."""
    lqi: int | None = None
    rssi_dbm: int | None = None
    announced_at: datetime | None = None
    """None before it joins, and once it has left for good."""
    has_key: bool = False
    """A link key is registered for it."""
    authenticated: bool | None = None
    """Whether keys are established with it; None where the network's radio has no link keys."""

    @property
    def stage(self) -> Stage:
        """The furthest that it has come."""
        if self.interview is InterviewStep.DONE and self.is_active:
            return Stage.ACTIVE
        if self.announced_at is None or self.short is None:
            return Stage.REGISTERED
        if self.interview is InterviewStep.DONE:
            return Stage.INTERVIEWED
        return Stage.AUTHENTICATED if self.authenticated else Stage.ANNOUNCED


class NetworkState(StrEnum):
    """Where a network is in its life."""

    STARTING = "starting"
    JOINING = "joining"
    """The radio is there, and not on its network yet."""
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioCan:
    """What the radio of a network can do, for interfaces that show only what works."""

    permit_join: bool = True
    install_codes: bool = False
    link_keys: bool = False
    aps_encryption: bool = False
    energy_scan: bool = False
    channel_change: bool = False
    led: bool = False
    tx_power: bool = False
    certification: bool = False
    erase: bool = False
    certificates: bool = False
    router: bool = False
    configurable: bool = False
    at_commands: bool = False
    backup: bool = False

    def names(self) -> list[str]:
        """Of what it can."""
        return [one.name for one in fields(self) if getattr(self, one.name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkClock:
    """The time of a network on which we are a client, and whose it is."""

    server: str
    """Device id."""
    endpoint: int
    master: bool
    synchronized: bool
    superseding: bool
    offset_s: float
    """The network's time less the machine's."""
    read_at: datetime
    followed: bool
    """Smart Energy goes by it, since the machine's clock is more than a minute away from it, or was never set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkStatus:
    """One Zigbee network, by the name of its radio."""

    radio: str
    driver: str
    state: NetworkState
    detail: str = ""
    ieee: Eui64 | None = None
    short: int | None = None
    pan_id: int | None = None
    extended_pan_id: int | None = None
    channel: int | None = None
    role: str = ""
    """What we are there (`hub.zigbee.roles`)."""
    trust_centre: Eui64 | None = None
    """Who holds the network and its keys; None: nobody, or not found yet."""
    model: str = ""
    firmware: str = ""
    mode: str = ""
    can: RadioCan = field(default_factory=RadioCan)
    joining_until: datetime | None = None
    """When the joining window closes; None: closed."""
    devices: int = 0
    explicit_add: bool = False
    """Only devices that were added by hand become part of the home (`require_explicit_device_add`)."""
    pending: int = 0
    """Requests that wait for an answer or for their turn."""
    clock: NetworkClock | None = None
    """Its time, where we are a client of that; None: nobody tells it."""
    backup: BackupStatus | None = None
    """How it is with backups; None: the radio cannot be backed up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A row of a router's neighbour table (Mgmt_Lqi_rsp, Zigbee R21, 2.4.4.3.2)."""

    ieee: Eui64
    short: int
    device_id: str | None
    """None: not one of ours (the coordinator, or a stranger)."""
    logical_type: LogicalType
    relationship: str
    """"parent", "child", "sibling", "none", "previous_child"."""
    depth: int
    lqi: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologyDevice:
    """A router and whom it hears."""

    ieee: Eui64
    short: int
    device_id: str | None
    logical_type: LogicalType
    answered: bool
    neighbours: tuple[Neighbour, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Who hears whom and how well, from one scan."""

    radio: str
    started: datetime
    finished: datetime | None
    """None while the scan is going on."""
    asked: int
    total: int
    """Routers known so far; grows while the scan finds more."""
    devices: tuple[TopologyDevice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """How a write of one attribute ended."""

    attribute: int
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyScan:
    """Energy on each channel, 0 quiet to 255."""

    radio: str
    time: datetime
    channels: Mapping[int, int]
