"""Devices: list, look at, rename, place, protect, remove."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.model import Availability, DeviceKind
from hub.zigbee.model import DEVICE_PREFIX
from web import schema
from web.auth import Role
from web.routes import API, Call, Route


class DevicesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which devices."""

    kind: DeviceKind | UnsetType = UNSET
    availability: Availability | UnsetType = UNSET


class DeviceUpdate(Struct, frozen=True, forbid_unknown_fields=True):
    """What a person may change of a device; what is left out stays."""

    name: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    area: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    protected: bool | UnsetType = UNSET
    """Never opened by this hub."""


class DeviceList(Struct, frozen=True):
    """Devices, in the order in which they were first seen."""

    devices: list[schema.Device]


def _or_none(value: str | UnsetType) -> str | None:
    return None if value is UNSET else value


async def list_devices(call: Call[DevicesQuery, None]) -> DeviceList:
    """List devices with their latest readings."""
    wanted = call.query
    found = [
        device
        for device in call.hub.devices.all()
        if wanted.kind in (UNSET, device.kind) and wanted.availability in (UNSET, device.availability)
    ]
    return DeviceList(schema.devices(found, call.hub.devices))


async def show_device(call: Call[None, None]) -> schema.Device:
    """Show one device with its latest readings."""
    device = call.hub.devices.get(call.path["id"])
    return schema.device(device, call.hub.devices.latest(device.id))


async def update_device(call: Call[None, DeviceUpdate]) -> schema.Device:
    """Rename, place or protect a device."""
    body = call.body
    device = await call.hub.devices.update(
        call.path["id"],
        name=_or_none(body.name),
        area=_or_none(body.area),
        protected=None if body.protected is UNSET else body.protected,
    )
    return schema.device(device, call.hub.devices.latest(device.id))


class RemoveQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`force`: forget a Zigbee device although it does not answer that it leaves."""

    force: bool = False


async def remove_device(call: Call[RemoveQuery, None]) -> None:
    """Remove a device.

    Its history stays, and it is listed again when it is heard again. A Zigbee device has to leave its network first.
    """
    device = call.hub.devices.get(call.path["id"])
    if device.id.startswith(DEVICE_PREFIX):
        await call.hub.networks.remove(device.id, force=call.query.force)
    else:
        await call.hub.devices.remove(device.id)


ROUTES = (
    Route("GET", f"{API}/devices", Role.VIEWER, list_devices, tag="devices"),
    Route("GET", f"{API}/devices/{{id}}", Role.VIEWER, show_device, tag="devices"),
    Route("PATCH", f"{API}/devices/{{id}}", Role.OPERATOR, update_device, fails=(507,), tag="devices"),
    Route(
        "DELETE", f"{API}/devices/{{id}}", Role.ADMIN, remove_device, status=204, fails=(409, 503, 507), tag="devices"
    ),
)
