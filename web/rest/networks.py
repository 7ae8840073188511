"""Zigbee networks: what they are, joining, adding, scans, the stick's own settings; and the registry."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.errors import NotFoundError
from hub.registry import ENTRIES
from hub.zigbee.model import NetworkStatus
from hub.zigbee.service import MAX_JOINING_S
from web import schema_zigbee
from web.auth import Role
from web.routes import API, Call, Route

RADIO_FAILS = (409, 503)
"""The radio cannot, or is down."""
DEFAULT_JOINING_S = 254
"""Of a radio's own timer at most: a person has four minutes to walk to the device."""

Id = Annotated[str, Meta(min_length=1, max_length=64)]


class NetworkList(Struct, frozen=True):
    """All Zigbee networks."""

    networks: list[schema_zigbee.Network]


class PermitJoin(Struct, frozen=True, forbid_unknown_fields=True):
    """Open joining for so long (0 closes it), everywhere or only at the router `via`, a device id."""

    duration_s: Annotated[int, Meta(ge=0, le=MAX_JOINING_S)] = DEFAULT_JOINING_S
    via: Id | UnsetType = UNSET


class NewDevice(Struct, frozen=True, forbid_unknown_fields=True):
    """A device that has yet to join. The secrets are never told again."""

    eui64: Annotated[str, Meta(min_length=1, max_length=40)]
    name: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    install_code: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    link_key: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    join_time_s: Annotated[int, Meta(ge=0, le=MAX_JOINING_S)] | UnsetType = UNSET
    """Open joining for so long once the device is listed; 0 closes it."""

    def __repr__(self) -> str:
        return "NewDevice(...)"


class ChannelRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The channel to move to; devices follow, sleepy ones when they wake."""

    channel: Annotated[int, Meta(ge=11, le=26)]


class RadioSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the stick itself; what is left out stays."""

    led: bool | UnsetType = UNSET
    tx_power: Annotated[int, Meta(ge=0, le=255)] | UnsetType = UNSET
    """In the stick's own steps."""
    certification: Annotated[str, Meta(pattern="^(CE|FCC)$")] | UnsetType = UNSET
    set_time: bool = False
    """Set the stick's own clock to the hub's, in UTC, as at each start."""


class EraseRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`confirm` is the radio's name: every device of it is lost by this."""

    confirm: Annotated[str, Meta(max_length=64)]


class RegistryEntry(Struct, frozen=True):
    """A setting by its name in the gateway's registry."""

    name: str
    value: bool | int | str
    default: bool | int | str
    meaning: str
    unit: str
    minimum: int | UnsetType = UNSET
    maximum: int | UnsetType = UNSET


class RegistryList(Struct, frozen=True):
    """All settings."""

    entries: list[RegistryEntry]


class RegistryUpdate(Struct, frozen=True, forbid_unknown_fields=True):
    """The new value of a setting."""

    value: bool | int | Annotated[str, Meta(max_length=300)]


def _network(call: Call[None, None], status: NetworkStatus) -> schema_zigbee.Network:
    return schema_zigbee.network(status, call.hub.clock.now())


async def list_networks(call: Call[None, None]) -> NetworkList:
    """List Zigbee networks, one for each radio that carries Zigbee."""
    return NetworkList([_network(call, status) for status in call.hub.networks.all()])


async def show_network(call: Call[None, None]) -> schema_zigbee.Network:
    """Show one network."""
    return _network(call, call.hub.networks.get(call.path["radio"]))


async def permit_join(call: Call[None, PermitJoin]) -> schema_zigbee.Network:
    """Open joining, or close it with 0.

    The websocket tells of every device that announces itself, and of each step of its interview.
    """
    via = None if call.body.via is UNSET else call.body.via
    status = await call.hub.networks.permit_join(call.path["radio"], call.body.duration_s, via)
    return schema_zigbee.network(status, call.hub.clock.now())


async def add_device(call: Call[None, NewDevice]) -> schema_zigbee.ZigbeeDevice:
    """List a device before it joins.

    While only devices that were added by hand may come (`require_explicit_device_add`), it is one of them then. With
    `join_time_s` joining is opened too; `network_changed` on the websocket tells until when.
    """
    body = call.body
    device = await call.hub.networks.add_device(
        call.path["radio"],
        body.eui64,
        name=None if body.name is UNSET else body.name,
        install_code=None if body.install_code is UNSET else body.install_code,
        link_key=None if body.link_key is UNSET else body.link_key,
        join_time_s=None if body.join_time_s is UNSET else body.join_time_s,
    )
    return schema_zigbee.zigbee_device(device)


async def scan_topology(call: Call[None, None]) -> schema_zigbee.Topology:
    """Ask every router whom it hears.

    The answer comes at the end; `topology_scanned` on the websocket tells how far it is.
    """
    return schema_zigbee.topology(await call.hub.networks.scan_topology(call.path["radio"]))


async def show_topology(call: Call[None, None]) -> schema_zigbee.Topology:
    """Show the last scan; 404 before the first."""
    found = call.hub.networks.topology(call.path["radio"])
    if found is None:
        raise NotFoundError("scan of", call.path["radio"])
    return schema_zigbee.topology(found)


async def energy_scan(call: Call[None, None]) -> schema_zigbee.EnergyScan:
    """Measure how much is going on on each channel."""
    return schema_zigbee.energy_scan(await call.hub.networks.energy_scan(call.path["radio"]))


async def set_channel(call: Call[None, ChannelRequest]) -> schema_zigbee.Network:
    """Move the network to another channel."""
    status = await call.hub.networks.set_channel(call.path["radio"], call.body.channel)
    return schema_zigbee.network(status, call.hub.clock.now())


async def configure_radio(call: Call[None, RadioSettings]) -> schema_zigbee.Network:
    """Set up the stick itself."""
    body = call.body
    status = await call.hub.networks.configure_radio(
        call.path["radio"],
        led=None if body.led is UNSET else body.led,
        tx_power=None if body.tx_power is UNSET else body.tx_power,
        certification=None if body.certification is UNSET else body.certification,
        set_time=body.set_time,
    )
    return schema_zigbee.network(status, call.hub.clock.now())


async def erase(call: Call[None, EraseRequest]) -> schema_zigbee.Network:
    """Make the stick forget its network; every device has to be joined again."""
    status = await call.hub.networks.erase(call.path["radio"], call.body.confirm)
    return schema_zigbee.network(status, call.hub.clock.now())


async def list_registry(call: Call[None, None]) -> RegistryList:
    """List the settings that the gateway's registry has."""
    return RegistryList([_entry(name, value) for name, value in call.hub.registry.all().items()])


async def set_registry(call: Call[None, RegistryUpdate]) -> RegistryEntry:
    """Change a setting; it is on disk when this returns."""
    await call.hub.registry.set(call.path["name"], call.body.value)
    return _entry(call.path["name"], call.body.value)


def _entry(name: str, value: bool | int | str) -> RegistryEntry:
    row = ENTRIES[name]
    is_number = not row.is_switch and not row.is_text
    return RegistryEntry(
        name,
        value,
        row.default,
        row.meaning,
        row.unit,
        row.minimum if is_number else UNSET,
        row.maximum if is_number else UNSET,
    )


_ONE = f"{API}/networks/{{radio}}"
ROUTES = (
    Route("GET", f"{API}/networks", Role.VIEWER, list_networks, tag="networks"),
    Route("GET", _ONE, Role.VIEWER, show_network, tag="networks"),
    Route("PATCH", _ONE, Role.ADMIN, configure_radio, fails=RADIO_FAILS, tag="networks"),
    Route("POST", f"{_ONE}/permit-join", Role.ADMIN, permit_join, fails=RADIO_FAILS, tag="networks"),
    Route("POST", f"{_ONE}/devices", Role.ADMIN, add_device, status=201, fails=(*RADIO_FAILS, 507), tag="networks"),
    Route("POST", f"{_ONE}/topology", Role.OPERATOR, scan_topology, fails=RADIO_FAILS, tag="networks"),
    Route("GET", f"{_ONE}/topology", Role.VIEWER, show_topology, tag="networks"),
    Route("POST", f"{_ONE}/energy-scan", Role.OPERATOR, energy_scan, fails=RADIO_FAILS, tag="networks"),
    Route("POST", f"{_ONE}/channel", Role.ADMIN, set_channel, fails=RADIO_FAILS, tag="networks"),
    Route("POST", f"{_ONE}/erase", Role.ADMIN, erase, fails=RADIO_FAILS, tag="networks"),
    Route("GET", f"{API}/registry", Role.VIEWER, list_registry, tag="networks"),
    Route("PUT", f"{API}/registry/{{name}}", Role.ADMIN, set_registry, fails=(507,), tag="networks"),
)
