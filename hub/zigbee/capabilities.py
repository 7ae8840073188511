"""What a Zigbee device is to the people of the home, by the clusters that it has.

Kinds follow the application, not the radio: a smart plug is what switches and measures, a thermostat is what holds a
setpoint. Where clusters leave it open (a light and a switch both have On/Off), the device type of the endpoint decides
(Home Automation profile, table of device ids; Zigbee 3.0 and Light Link use the same numbers for lights).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hub.model import Capability, DeviceKind
from hub.zigbee.member import Member
from protocols.ids import Profile
from protocols.zcl import clusters as zcl

_LIGHTS = frozenset((0x0100, 0x0101, 0x0102, 0x010C, 0x010D, 0x0200, 0x0210, 0x0220))
"""On/off, dimmable and colour lights, of Home Automation, Zigbee 3.0 and Light Link."""
_PLUGS = frozenset((0x0009, 0x0010, 0x0051, 0x010A, 0x010B, 0x0110))
"""Mains power outlet, smart plug, plug-in units."""
_REMOTES = frozenset((0x0000, 0x0001, 0x0004, 0x0005, 0x0006, 0x0103, 0x0104, 0x0105, 0x0800, 0x0810, 0x0820, 0x0830))
"""Switches and remotes: they command, and have On/Off or Level only as clients."""
_SMART_ENERGY_KINDS = {
    0x0500: DeviceKind.ENERGY_SERVICE,
    0x0502: DeviceKind.DISPLAY,
    0x0503: DeviceKind.THERMOSTAT,
    0x0504: DeviceKind.LOAD_CONTROL,
}
"""By Smart Energy device id, for devices without clusters that say more."""
_SMART_ENERGY_METERS = frozenset((0x0501, 0x0506))
"""Metering device, prepayment terminal."""

_BY_CLUSTER: tuple[tuple[int, Capability], ...] = (
    (zcl.ON_OFF, Capability.SWITCH),
    (zcl.LEVEL, Capability.LEVEL),
    (zcl.METERING, Capability.METER),
    (zcl.ELECTRICAL_MEASUREMENT, Capability.METER),
    (zcl.THERMOSTAT, Capability.THERMOSTAT),
    (zcl.THERMOSTAT, Capability.TEMPERATURE),
    (zcl.TEMPERATURE, Capability.TEMPERATURE),
    (zcl.HUMIDITY, Capability.HUMIDITY),
    (zcl.ILLUMINANCE, Capability.ILLUMINANCE),
    (zcl.OCCUPANCY, Capability.OCCUPANCY),
    (zcl.IAS_ZONE, Capability.ALARM),
    (zcl.POWER_CONFIGURATION, Capability.BATTERY),
    (zcl.IDENTIFY, Capability.IDENTIFY),
)
_SENSES = frozenset(
    (
        Capability.TEMPERATURE,
        Capability.HUMIDITY,
        Capability.ILLUMINANCE,
        Capability.OCCUPANCY,
        Capability.ALARM,
    )
)


@dataclass(frozen=True, slots=True)
class EndpointFacts:
    """A simple descriptor, as far as meaning depends on it."""

    profile: int
    device_type: int
    servers: frozenset[int]
    clients: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a device before any of its values."""

    endpoints: Mapping[int, EndpointFacts] = field(default_factory=dict)
    manufacturer: str = ""
    model: str = ""
    is_router: bool = False
    is_sleepy: bool = False

    def servers(self, cluster: int) -> tuple[int, ...]:
        """Endpoints with the server of a cluster, lowest first."""
        return tuple(sorted(number for number, found in self.endpoints.items() if cluster in found.servers))

    @property
    def is_lumi(self) -> bool:
        """Made by LUMI (Xiaomi, Aqara): much of what it says is in the maker's own way."""
        return self.model.startswith("lumi.") or self.manufacturer.upper() in ("LUMI", "XIAOMI")

    @property
    def is_lumi_sensor(self) -> bool:
        """A battery device of LUMI: its On/Off is a button or a contact, and it reports by itself."""
        return self.is_lumi and self.model.startswith(("lumi.sensor", "lumi.weather", "lumi.remote", "lumi.vibration"))


@dataclass(frozen=True, slots=True)
class Description:
    """What a device is and what it can do."""

    kind: DeviceKind
    capabilities: tuple[Capability, ...]


def facts_of(member: Member) -> Facts:
    """The facts of a member, by what its interview has found so far."""
    return Facts(
        endpoints={
            number: EndpointFacts(
                found.profile, found.device_type, frozenset(found.input_clusters), frozenset(found.output_clusters)
            )
            for number, found in member.endpoints.items()
        },
        manufacturer=_text(member, 4),
        model=_text(member, 5),
        is_router=member.is_router,
        is_sleepy=member.is_sleepy,
    )


def describe(facts: Facts) -> Description:
    """Kind and capabilities by endpoints, clusters and model."""
    found = set(_capabilities(facts))
    kind = _kind(facts, found)
    return Description(kind, tuple(capability for capability in Capability if capability in found))


def _capabilities(facts: Facts) -> Iterable[Capability]:
    servers = {cluster for endpoint in facts.endpoints.values() for cluster in endpoint.servers}
    for cluster, capability in _BY_CLUSTER:
        if cluster in servers and not (facts.is_lumi_sensor and capability in (Capability.SWITCH, Capability.LEVEL)):
            yield capability
    if facts.is_lumi_sensor:
        yield Capability.BATTERY
        if "magnet" in facts.model or "vibration" in facts.model:
            yield Capability.ALARM
        if any(word in facts.model for word in ("cube", "switch", "remote")):
            yield Capability.GESTURES
    elif _is_remote(facts):
        yield Capability.GESTURES


def _kind(facts: Facts, can: set[Capability]) -> DeviceKind:
    types = {endpoint.device_type for endpoint in facts.endpoints.values()}
    energy = {endpoint.device_type for endpoint in facts.endpoints.values() if endpoint.profile == Profile.SMART_ENERGY}
    if Capability.THERMOSTAT in can:
        return DeviceKind.THERMOSTAT
    if energy & _SMART_ENERGY_METERS:
        return DeviceKind.METER
    if Capability.SWITCH in can:
        if types & _PLUGS:
            return DeviceKind.PLUG
        if types & _LIGHTS and not (Capability.METER in can and Capability.LEVEL not in can):
            return DeviceKind.LIGHT
        return DeviceKind.PLUG if Capability.METER in can else DeviceKind.SWITCH
    if Capability.METER in can:
        return DeviceKind.METER
    for device_type, kind in _SMART_ENERGY_KINDS.items():
        if device_type in energy:
            return kind
    if Capability.GESTURES in can:
        return DeviceKind.REMOTE
    if can & _SENSES:
        return DeviceKind.SENSOR
    if facts.is_router and facts.endpoints:
        return DeviceKind.ROUTER
    return DeviceKind.OTHER


def _is_remote(facts: Facts) -> bool:
    """Whether it commands others and cannot be commanded itself."""
    for endpoint in facts.endpoints.values():
        commands = endpoint.clients & {zcl.ON_OFF, zcl.LEVEL}
        serves = endpoint.servers & {zcl.ON_OFF, zcl.METERING, zcl.THERMOSTAT, zcl.OCCUPANCY}
        if commands and not serves and (endpoint.device_type in _REMOTES or not facts.is_router):
            return True
    return False


def _text(member: Member, attribute: int) -> str:
    for endpoint in member.servers(zcl.BASIC):
        found = member.value(endpoint, zcl.BASIC, attribute)
        if found is not None and isinstance(found.value, str):
            return "".join(letter for letter in found.value if letter.isprintable()).strip()
    return ""
