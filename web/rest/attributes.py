"""A Zigbee device's inside: endpoints, clusters, attributes, reporting."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.errors import InvalidError, ZclStatusError
from hub.zigbee.model import Side
from protocols.errors import RangeError
from protocols.zcl.clusters import attribute_def, cluster_name, find_attribute, find_cluster
from protocols.zcl.status import Status
from web import schema_zigbee, zcl_values
from web.auth import Role
from web.rest.networks import RADIO_FAILS
from web.routes import API, Call, Route
from web.schema_base import Json

DEVICE_FAILS = (*RADIO_FAILS, 504)
Endpoint = Annotated[int, Meta(ge=1, le=240)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Number = Annotated[int, Meta(ge=0, le=0xFFFF)]
ClusterRef = Annotated[Number | Name, Meta(description="a cluster's name or number, 0 to 0xFFFF")]
AttributeRef = Annotated[Number | Name, Meta(description="an attribute's name or number, 0 to 0xFFFF")]
TypeRef = Annotated[Number | Name, Meta(description="a data type's name or number")]
ManufacturerCode = Annotated[int, Meta(ge=1, le=0xFFFF)]


class ClusterPlace(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A cluster of an endpoint, by number or name."""

    endpoint: Endpoint
    cluster: ClusterRef
    manufacturer: ManufacturerCode | UnsetType = UNSET
    side: Side = Side.SERVER


class ReadRequest(ClusterPlace, frozen=True, kw_only=True):
    """Which attributes to read, by number or name."""

    attributes: Annotated[list[AttributeRef], Meta(min_length=1, max_length=64)]


class WriteRequest(ClusterPlace, frozen=True, kw_only=True):
    """Attribute and value; `type` only where neither the hub nor the device has told it."""

    attribute: AttributeRef
    value: Json
    type: TypeRef | UnsetType = UNSET


class ReportingPlace(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An attribute of a server, by number or name."""

    endpoint: Endpoint
    cluster: ClusterRef
    attribute: AttributeRef
    manufacturer: ManufacturerCode | UnsetType = UNSET


class ReportingRequest(ReportingPlace, frozen=True, kw_only=True):
    """At least every `max_s` (0: only on change), at most every `min_s`; the least `change` is in raw units."""

    min_s: Annotated[int, Meta(ge=0, le=0xFFFE)]
    max_s: Annotated[int, Meta(ge=0, le=0xFFFE)]
    change: float | UnsetType = UNSET
    pseudo: bool = False
    """The hub reads it every `min_s` in place of the device, which cannot report."""


class ReportingQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An attribute of a server, by number or name."""

    endpoint: Endpoint
    cluster: Name
    attribute: Name
    manufacturer: ManufacturerCode | UnsetType = UNSET


class AttributeList(Struct, frozen=True):
    """Attributes of one cluster."""

    attributes: list[schema_zigbee.Attribute]


class Written(Struct, frozen=True):
    """A write that was taken."""

    attribute: int
    name: str
    status: str


def cluster_of(given: int | str, field: str = "cluster") -> int:
    """A cluster by number or name. Raises `InvalidError` with what is near."""
    if isinstance(given, int):
        return given
    try:
        return find_cluster(given)
    except RangeError as error:
        raise InvalidError(field, given, error.allowed) from None


def attribute_of(cluster: int, given: int | str, side: Side, field: str = "attribute") -> int:
    """An attribute by number or name. Raises `InvalidError` with what is near."""
    if isinstance(given, int):
        return given
    try:
        return find_attribute(cluster, given, client=side is Side.CLIENT).id
    except RangeError as error:
        raise InvalidError(field, given, error.allowed) from None


def _code(given: int | UnsetType) -> int | None:
    return None if given is UNSET else given


def _name(cluster: int, attribute: int, manufacturer: int | None, side: Side) -> str:
    row = attribute_def(cluster, attribute, manufacturer, client=side is Side.CLIENT)
    return row.name if row is not None else f"0x{attribute:04x}"


async def show_zigbee(call: Call[None, None]) -> schema_zigbee.ZigbeeDevice:
    """Show endpoints, clusters, attributes and reporting of a Zigbee device."""
    return schema_zigbee.zigbee_device(call.hub.networks.device(call.path["id"]))


async def interview(call: Call[None, None]) -> None:
    """Ask a device everything again.

    It goes on in the background; `interview_progress` on the websocket tells of each step.
    """
    await call.hub.networks.interview(call.path["id"])


async def read_attributes(call: Call[None, ReadRequest]) -> AttributeList:
    """Read attributes now; each has its own status."""
    body = call.body
    cluster = cluster_of(body.cluster)
    ids = tuple(attribute_of(cluster, given, body.side, "attributes") for given in body.attributes)
    values = await call.hub.attributes.read_attributes(
        call.path["id"], body.endpoint, cluster, ids, manufacturer=_code(body.manufacturer), side=body.side
    )
    return AttributeList([schema_zigbee.attribute(value) for value in values])


async def write_attribute(call: Call[None, WriteRequest]) -> Written:
    """Write one attribute.

    A refusal is 409 with the ZCL status in `zcl_status`.
    """
    body, device_id = call.body, call.path["id"]
    cluster = cluster_of(body.cluster)
    attribute = attribute_of(cluster, body.attribute, body.side)
    code = _code(body.manufacturer)
    given = {} if body.type is UNSET else {attribute: zcl_values.type_id_of(body.type)}
    type_id = call.hub.attributes.type_of(
        device_id, body.endpoint, cluster, attribute, data_types=given, manufacturer=code, side=body.side
    )
    row = attribute_def(cluster, attribute, code, client=body.side is Side.CLIENT)
    value = zcl_values.from_json(body.value, type_id, row)
    [result] = await call.hub.attributes.write_attributes(
        device_id, body.endpoint, cluster, {attribute: value}, data_types=given, manufacturer=code, side=body.side
    )
    name = _name(cluster, attribute, code, body.side)
    status = Status(result.status)
    if status is not Status.SUCCESS:
        raise ZclStatusError(f"{device_id} refuses {cluster_name(cluster)}.{name}", status, status.name)
    return Written(attribute, name, status.name)


async def discover_attributes(call: Call[None, ClusterPlace]) -> AttributeList:
    """Ask a device which attributes a cluster has."""
    body = call.body
    found = await call.hub.attributes.discover_attributes(
        call.path["id"],
        body.endpoint,
        cluster_of(body.cluster),
        manufacturer=_code(body.manufacturer),
        side=body.side,
    )
    return AttributeList([schema_zigbee.attribute(value) for value in found])


async def configure_reporting(call: Call[None, ReportingRequest]) -> schema_zigbee.Reporting:
    """Have an attribute reported, or polled in place of that (`pseudo`)."""
    body = call.body
    cluster = cluster_of(body.cluster)
    row = await call.hub.attributes.configure_reporting(
        call.path["id"],
        body.endpoint,
        cluster,
        attribute_of(cluster, body.attribute, Side.SERVER),
        min_s=body.min_s,
        max_s=body.max_s,
        change=None if body.change is UNSET else body.change,
        manufacturer=_code(body.manufacturer),
        pseudo=body.pseudo,
    )
    return schema_zigbee.reporting(row)


async def read_reporting(call: Call[None, ReportingPlace]) -> schema_zigbee.Reporting:
    """Ask a device how it reports an attribute."""
    body = call.body
    cluster = cluster_of(body.cluster)
    row = await call.hub.attributes.read_reporting(
        call.path["id"],
        body.endpoint,
        cluster,
        attribute_of(cluster, body.attribute, Side.SERVER),
        manufacturer=_code(body.manufacturer),
    )
    return schema_zigbee.reporting(row)


async def stop_reporting(call: Call[ReportingQuery, None]) -> None:
    """Have an attribute not reported, or not polled, any more."""
    query = call.query
    cluster = cluster_of(query.cluster)
    await call.hub.attributes.stop_reporting(
        call.path["id"],
        query.endpoint,
        cluster,
        attribute_of(cluster, query.attribute, Side.SERVER),
        manufacturer=_code(query.manufacturer),
    )


_ONE = f"{API}/devices/{{id}}"
ROUTES = (
    Route("GET", f"{_ONE}/zigbee", Role.VIEWER, show_zigbee, fails=RADIO_FAILS, tag="zigbee devices"),
    Route("POST", f"{_ONE}/interview", Role.ADMIN, interview, status=202, fails=RADIO_FAILS, tag="zigbee devices"),
    *(
        Route("POST", f"{_ONE}/attributes/{name}", role, handler, fails=DEVICE_FAILS, tag="zigbee devices")
        for name, role, handler in (
            ("read", Role.OPERATOR, read_attributes),
            ("write", Role.ADMIN, write_attribute),
            ("discover", Role.OPERATOR, discover_attributes),
        )
    ),
    Route("PUT", f"{_ONE}/reporting", Role.ADMIN, configure_reporting, fails=DEVICE_FAILS, tag="zigbee devices"),
    Route("POST", f"{_ONE}/reporting/read", Role.OPERATOR, read_reporting, fails=DEVICE_FAILS, tag="zigbee devices"),
    Route(
        "DELETE",
        f"{_ONE}/reporting",
        Role.ADMIN,
        stop_reporting,
        status=204,
        fails=DEVICE_FAILS,
        tag="zigbee devices",
    ),
)
