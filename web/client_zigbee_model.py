"""What a hub says of Zigbee networks and devices, as its clients know it; the rules of web/client_model.py hold."""

from __future__ import annotations

from msgspec import Struct


class Switch(Struct, frozen=True):
    """Something that is on or off, and perhaps how much."""

    on: bool | None = None
    level_percent: float | None = None


class Thermostat(Struct, frozen=True):
    """What a thermostat measures, wants and does."""

    temperature_c: float | None = None
    heating_setpoint_c: float | None = None
    cooling_setpoint_c: float | None = None
    mode: str | None = None
    running: str | None = None
    min_heating_c: float | None = None
    max_heating_c: float | None = None
    min_cooling_c: float | None = None
    max_cooling_c: float | None = None
    modes: tuple[str, ...] = ()


class NetworkAbilities(Struct, frozen=True):
    """What the radio of a network can do."""

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


class NetworkClock(Struct, frozen=True):
    """The time of a network on which the hub is a client."""

    server: str
    endpoint: int = 0
    master: bool = False
    synchronized: bool = False
    superseding: bool = False
    offset_s: float = 0.0
    read_at: str | None = None
    followed: bool = False


class BackupDiff(Struct, frozen=True):
    """What changed since the backup before, as ids of devices."""

    devices_added: tuple[str, ...] = ()
    devices_gone: tuple[str, ...] = ()
    keys_added: tuple[str, ...] = ()
    keys_gone: tuple[str, ...] = ()
    keys_changed: tuple[str, ...] = ()
    network: tuple[BackupNetworkChange, ...] = ()


class BackupNetworkChange(Struct, frozen=True):
    """A part of the network that is another one; the network key is never told."""

    what: str
    before: str = ""
    after: str = ""


class Backup(Struct, frozen=True):
    """A kept backup, without what is secret in it."""

    id: str
    time: str
    source: str = ""
    coordinator: str = ""
    extended_pan_id: str = ""
    pan_id: str = ""
    channel: int = 0
    key_sequence: int = 0
    devices: int = 0
    link_keys: int = 0
    diff: BackupDiff | None = None


class BackupMissing(Struct, frozen=True):
    """A device, or its link key, that nobody removed and that is gone."""

    device_id: str
    what: str
    last_in: str = ""


class BackupAlarm(Struct, frozen=True):
    """What is wrong with the last backup."""

    since: str
    text: str = ""
    missing: tuple[BackupMissing, ...] = ()
    other_network: str | None = None


class BackupState(Struct, frozen=True):
    """How it is with a radio's backups."""

    radio: str
    kept: int = 0
    last: Backup | None = None
    alarm: BackupAlarm | None = None
    failure: str = ""


class BackupChanged(Struct, frozen=True, tag_field="event", tag="backup_changed", kw_only=True):
    """A coordinator's backups are not as they were; `what` says how."""

    seq: int
    time: str
    radio: str
    what: str
    detail: str = ""
    backup: BackupState


class Network(Struct, frozen=True):
    """One Zigbee network, by the name of its radio."""

    radio: str
    driver: str
    state: str
    detail: str = ""
    ieee: str | None = None
    short: str | None = None
    pan_id: str | None = None
    extended_pan_id: str | None = None
    channel: int | None = None
    role: str = ""
    trust_centre: str | None = None
    model: str = ""
    firmware: str = ""
    mode: str = ""
    can: NetworkAbilities = NetworkAbilities()
    joining_until: str | None = None
    joining_s: int | None = None
    devices: int = 0
    explicit_add: bool = False
    pending: int = 0
    clock: NetworkClock | None = None
    backup: BackupState | None = None


class Attribute(Struct, frozen=True):
    """An attribute of a cluster: `value` for programs, `text` for people."""

    attribute: int
    name: str = ""
    endpoint: int | None = None
    cluster: int | None = None
    cluster_name: str = ""
    type: str | None = None
    value: object = None
    text: str = ""
    unit: str | None = None
    status: str = ""
    manufacturer: int | None = None
    time: str | None = None
    source: str = ""


class Cluster(Struct, frozen=True):
    """A cluster of an endpoint, with what is known of its attributes."""

    cluster: int
    name: str
    side: str = "server"
    attributes: tuple[Attribute, ...] = ()


class Endpoint(Struct, frozen=True):
    """An endpoint as its simple descriptor says."""

    endpoint: int
    profile: int = 0
    profile_name: str = ""
    device_type: int = 0
    device_type_name: str = ""
    version: int = 0
    clusters: tuple[Cluster, ...] = ()


class Reporting(Struct, frozen=True):
    """An attribute that its device reports to the hub, or that the hub polls in place of that (`pseudo`)."""

    endpoint: int
    cluster: int
    attribute: int
    cluster_name: str = ""
    name: str = ""
    type: str = ""
    min_s: int = 0
    max_s: int = 0
    change: float | None = None
    pseudo: bool = False
    state: str = ""
    status: str | None = None
    last_report: str | None = None
    manufacturer: int | None = None


class ZigbeeDevice(Struct, frozen=True):
    """Everything that is known of a Zigbee device beside what `Device` says."""

    device_id: str
    radio: str
    ieee: str
    short: str | None = None
    logical_type: str = "unknown"
    manufacturer_code: int | None = None
    receiver_on_when_idle: bool | None = None
    mains_powered: bool | None = None
    power_source: str = ""
    max_buffer: int | None = None
    endpoints: tuple[Endpoint, ...] = ()
    reporting: tuple[Reporting, ...] = ()
    interview: str = ""
    interview_detail: str = ""
    is_active: bool = False
    failures: int = 0
    lqi: int | None = None
    rssi_dbm: int | None = None
    announced_at: str | None = None
    has_key: bool = False
    authenticated: bool | None = None
    stage: str = ""

    def endpoints_with(self, cluster: int, side: str = "server") -> tuple[int, ...]:
        """Numbers of the endpoints that have this cluster."""
        return tuple(
            one.endpoint
            for one in self.endpoints
            if any(having.cluster == cluster and having.side == side for having in one.clusters)
        )


class RegistryEntry(Struct, frozen=True):
    """A setting of the gateway's registry."""

    name: str
    value: bool | int | str
    default: bool | int | str
    meaning: str = ""
    unit: str = ""


class Written(Struct, frozen=True):
    """How a write of one attribute ended."""

    attribute: int
    name: str
    status: str


class Neighbour(Struct, frozen=True):
    """Whom a router hears, and how well."""

    ieee: str
    short: str
    device_id: str | None = None
    logical_type: str = "unknown"
    relationship: str = ""
    depth: int = 0
    lqi: int = 0


class TopologyDevice(Struct, frozen=True):
    """A router and whom it hears."""

    ieee: str
    short: str
    device_id: str | None = None
    logical_type: str = "unknown"
    answered: bool = False
    neighbours: tuple[Neighbour, ...] = ()


class Topology(Struct, frozen=True):
    """Who hears whom, from one scan; `finished` is None while it goes on."""

    radio: str
    started: str
    finished: str | None = None
    asked: int = 0
    total: int = 0
    devices: tuple[TopologyDevice, ...] = ()


class CertificateKnown(Struct, frozen=True):
    """A certificate, without its private key."""

    suite: int
    subject: str
    place: str
    issuer: str | None = None
    is_test: bool | None = None
    valid_from: str | None = None
    valid_until: str | None = None


class Certificate(Struct, frozen=True):
    """Whether there is a certificate for a Smart Energy radio, and for whom it has to be."""

    radio: str
    ieee: str
    installed: bool
    keys_by: str = "radio"
    certificates: tuple[CertificateKnown, ...] = ()
    problems: tuple[str, ...] = ()


class AtRegister(Struct, frozen=True):
    """A register of a radio; `value` and `value_hex` are None where it gives none, or is a key."""

    command: str
    value: int | None = None
    value_hex: str | None = None
    meaning: str = ""
    unit: str = ""


class EnergyScan(Struct, frozen=True):
    """Energy on each channel, 0 quiet to 255, by the channel's number as text."""

    radio: str
    time: str
    channels: dict[str, int] = {}


# -- events ------------------------------------------------------------------------------------------------------------


class NetworkChanged(Struct, frozen=True, tag_field="event", tag="network_changed", kw_only=True):
    """A network came up, went down, opened or closed for joining, or moved."""

    seq: int
    time: str
    network: Network


class DeviceAnnounced(Struct, frozen=True, tag_field="event", tag="device_announced", kw_only=True):
    """A device said that it is there; not `accepted` where devices are added by hand only."""

    seq: int
    time: str
    radio: str
    device_id: str
    short: str = ""
    is_new: bool = False
    accepted: bool = True


class DeviceAuthenticated(Struct, frozen=True, tag_field="event", tag="device_authenticated", kw_only=True):
    """Keys are established with a device."""

    seq: int
    time: str
    radio: str
    device_id: str


class SmartEnergyChanged(Struct, frozen=True, tag_field="event", tag="smart_energy_changed", kw_only=True):
    """A demand response event, a price or a message is not what it was."""

    seq: int
    time: str
    radio: str
    kind: str
    id: int
    what: str


class InterviewProgress(Struct, frozen=True, tag_field="event", tag="interview_progress", kw_only=True):
    """A step of a device's interview; `done` of `total` questions are answered."""

    seq: int
    time: str
    radio: str
    device_id: str
    step: str
    state: str
    done: int = 0
    total: int = 0
    detail: str = ""


class AttributesReported(Struct, frozen=True, tag_field="event", tag="attributes_reported", kw_only=True):
    """A device told attributes, by itself or because it was asked."""

    seq: int
    time: str
    device_id: str
    attributes: tuple[Attribute, ...] = ()


class GestureMade(Struct, frozen=True, tag_field="event", tag="gesture_made", kw_only=True):
    """A person did something with a remote."""

    seq: int
    time: str
    device_id: str
    gesture: str
    value: float | None = None


class DeviceLeft(Struct, frozen=True, tag_field="event", tag="device_left", kw_only=True):
    """A device left its network."""

    seq: int
    time: str
    radio: str
    device_id: str
    rejoin: bool = False


class TopologyScanned(Struct, frozen=True, tag_field="event", tag="topology_scanned", kw_only=True):
    """A scan went on, or ended."""

    seq: int
    time: str
    topology: Topology


class IdentifyRequested(Struct, frozen=True, tag_field="event", tag="identify_requested", kw_only=True):
    """Somebody on the air asks the hub to show itself."""

    seq: int
    time: str
    radio: str
    endpoint: int
    duration_s: int
