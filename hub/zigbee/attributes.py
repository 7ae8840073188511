"""Attributes of remote clusters: read, write, discover, and have them reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from hub.errors import InvalidError, ZclStatusError
from hub.zigbee.member import Member
from hub.zigbee.model import AttributeValue, ReportingRow, Side, WriteResult
from hub.zigbee.network import Network
from hub.zigbee.transactions import ZclAnswer, ZclRequest
from protocols.errors import CodecError, RangeError
from protocols.ids import Eui64
from protocols.zcl import datatypes
from protocols.zcl.clusters import attribute_def, cluster_name
from protocols.zcl.datatypes import Value, encode_value, is_analog, type_name
from protocols.zcl.general import (
    ConfigureReporting,
    ConfigureReportingResponse,
    DefaultResponse,
    DiscoverAttributes,
    DiscoverAttributesResponse,
    General,
    GeneralCommand,
    ReadAttributes,
    ReadAttributesResponse,
    ReadReportingConfiguration,
    ReadReportingConfigurationResponse,
    WriteAttributes,
    WriteAttributesResponse,
    WriteAttributesUndivided,
    decode_general,
)
from protocols.zcl.header import Direction
from protocols.zcl.records import SENT, ReportingAnswer, ReportingQuery, ReportingRecord, WriteRecord
from protocols.zcl.status import Status
from protocols.zdo import Binding, BindRequest, BindResponse, BindTarget, ZdoStatus
from radios.api import NoReplyError

READ_AT_ONCE = 6
"""Attributes in one read: six of the longest numbers fill 78 of the 80 bytes that an answer surely carries."""
DISCOVER_AT_ONCE = 16
MAX_DISCOVERIES = 64
"""Discover commands for one cluster: a thousand attributes. A device that never says "complete" ends here."""

Now = Callable[[], datetime]


class Asks(Protocol):
    """A way to clusters: that of a network (`Network.request`), or one by an endpoint that the asker has chosen."""

    async def request(self, member: Member, endpoint: int, cluster: int, asked: ZclRequest) -> ZclAnswer:
        """See `Network.request`."""
        ...


async def ask(
    network: Asks,
    member: Member,
    endpoint: int,
    cluster: int,
    command: GeneralCommand,
    *,
    side: Side = Side.SERVER,
    manufacturer: int | None = None,
    timeout_s: float | None = None,
    more: Callable[[GeneralCommand], bool] | None = None,
) -> GeneralCommand:
    """Send a general command and read its answer; `more(answer)` is told each, and says whether to wait for another.

    Raises `ZclStatusError` for a default response that refuses, `NoReplyError` for an answer that cannot be read.
    """
    direction = Direction.TO_SERVER if side is Side.SERVER else Direction.TO_CLIENT
    answer = await network.request(
        member,
        endpoint,
        cluster,
        ZclRequest(
            command=command.COMMAND,
            payload=command.encode(),
            direction=direction,
            manufacturer=manufacturer,
            timeout_s=timeout_s,
            more=(lambda found: more(_read(found))) if more is not None else None,
        ),
    )
    found = _read(answer)
    if isinstance(found, DefaultResponse):
        asked = General(command.COMMAND).name.lower().replace("_", " ")
        where = f"{cluster_name(cluster)} of endpoint {endpoint}: {asked}"
        raise ZclStatusError(where, found.status, found.status.name)
    return found


def _read(answer: ZclAnswer) -> GeneralCommand:
    try:
        found = decode_general(answer.header.command, answer.payload)
    except CodecError as error:
        raise NoReplyError(f"the answer cannot be read: {error}") from None
    assert found is not None
    return found


def values_of(
    answer: ReadAttributesResponse,
    endpoint: int,
    cluster: int,
    side: Side,
    manufacturer: int | None,
    now: datetime,
    source: str,
) -> Iterator[AttributeValue]:
    """What an answer says of each attribute."""
    for record in answer.records:
        yield AttributeValue(
            endpoint=endpoint,
            cluster=cluster,
            side=side,
            attribute=record.attribute,
            manufacturer=manufacturer,
            data_type=record.type,
            value=record.value,
            status=int(record.status),
            time=now,
            source=source,
        )


async def read(
    network: Asks,
    member: Member,
    endpoint: int,
    cluster: int,
    attributes: Sequence[int],
    *,
    now: Now,
    side: Side = Side.SERVER,
    manufacturer: int | None = None,
    source: str = "read",
    timeout_s: float | None = None,
) -> tuple[AttributeValue, ...]:
    """Read attributes, in the order asked. One that is left out of the answer is asked for again by itself."""
    found: dict[int, AttributeValue] = {}
    wanted = list(dict.fromkeys(attributes))

    async def some(part: list[int]) -> None:
        def take(answer: GeneralCommand) -> bool:
            """Whether something is missing still."""
            if isinstance(answer, ReadAttributesResponse):
                for value in values_of(answer, endpoint, cluster, side, manufacturer, now(), source):
                    found[value.attribute] = value
            return isinstance(answer, ReadAttributesResponse) and any(one not in found for one in part)

        await ask(
            network,
            member,
            endpoint,
            cluster,
            ReadAttributes(tuple(part)),
            side=side,
            manufacturer=manufacturer,
            timeout_s=timeout_s,
            more=take,
        )

    for start in range(0, len(wanted), READ_AT_ONCE):
        part = wanted[start : start + READ_AT_ONCE]
        await some(part)
        for attribute in part:
            if attribute not in found and len(part) > 1:
                await some([attribute])
    return tuple(found[attribute] for attribute in wanted if attribute in found)


async def write(
    network: Asks,
    member: Member,
    endpoint: int,
    cluster: int,
    values: Mapping[int, Value],
    *,
    data_types: Mapping[int, int],
    side: Side = Side.SERVER,
    manufacturer: int | None = None,
    timeout_s: float | None = None,
    undivided: bool = False,
) -> tuple[WriteResult, ...]:
    """Write attributes; each has its own result. Raises `InvalidError` for a value that its type cannot hold.

    `undivided`: all of them or none; those that could have been written are FAILURE, then.
    """
    records: list[WriteRecord] = []
    for attribute, value in values.items():
        type_id = type_of(member, endpoint, cluster, attribute, manufacturer, side, data_types)
        check(cluster, attribute, type_id, value, side, manufacturer)
        records.append(WriteRecord(attribute, type_id, value))
    answer = await ask(
        network,
        member,
        endpoint,
        cluster,
        (WriteAttributesUndivided if undivided else WriteAttributes)(tuple(records)),
        side=side,
        manufacturer=manufacturer,
        timeout_s=timeout_s,
    )
    assert isinstance(answer, WriteAttributesResponse)
    failed = {record.attribute: record.status for record in answer.records}
    others = Status.FAILURE if undivided and failed else Status.SUCCESS
    return tuple(WriteResult(attribute=attribute, status=int(failed.get(attribute, others))) for attribute in values)


def type_of(
    member: Member,
    endpoint: int,
    cluster: int,
    attribute: int,
    manufacturer: int | None,
    side: Side,
    given: Mapping[int, int],
) -> int:
    """An attribute's data type: as given, as the device told, as the standard says. Raises `InvalidError`."""
    if attribute in given:
        return given[attribute]
    known = member.attributes.get((endpoint, cluster, side, attribute, manufacturer))
    if known is not None and known.data_type is not None:
        return known.data_type
    row = attribute_def(cluster, attribute, manufacturer, client=side is Side.CLIENT)
    if row is not None and row.type != datatypes.UNKNOWN:
        return row.type
    raise InvalidError(
        "type", f"none, for attribute 0x{attribute:04x} of {cluster_name(cluster)}", "a data type: it is not known here"
    )


def check(cluster: int, attribute: int, type_id: int, value: Value, side: Side, manufacturer: int | None) -> None:
    """Raise `InvalidError` for a value that the type or the standard's range does not allow."""
    row = attribute_def(cluster, attribute, manufacturer, client=side is Side.CLIENT)
    name = row.name if row is not None else f"0x{attribute:04x}"
    try:
        encode_value(type_id, value)
    except RangeError as error:
        raise InvalidError(name, value, f"{error.allowed} ({type_name(type_id)})") from None
    except CodecError as error:
        raise InvalidError("type", type_name(type_id), str(error)) from None
    if row is None or not isinstance(value, int) or isinstance(value, bool):
        return
    if (row.minimum is not None and value < row.minimum) or (row.maximum is not None and value > row.maximum):
        raise InvalidError(name, value, f"{row.minimum} to {row.maximum}")


async def discover(
    network: Asks,
    member: Member,
    endpoint: int,
    cluster: int,
    *,
    side: Side = Side.SERVER,
    manufacturer: int | None = None,
) -> tuple[AttributeValue, ...]:
    """Which attributes a cluster has, with their data types; no values."""
    found: dict[int, int] = {}
    first = 0
    for _ in range(MAX_DISCOVERIES):
        answer = await ask(
            network,
            member,
            endpoint,
            cluster,
            DiscoverAttributes(first, DISCOVER_AT_ONCE),
            side=side,
            manufacturer=manufacturer,
        )
        assert isinstance(answer, DiscoverAttributesResponse)
        new = {record.attribute: record.type for record in answer.records if record.attribute >= first}
        found.update(new)
        if answer.complete or not new or max(new) == 0xFFFF:
            break
        first = max(new) + 1
    return tuple(
        AttributeValue(
            endpoint=endpoint,
            cluster=cluster,
            side=side,
            attribute=attribute,
            manufacturer=manufacturer,
            data_type=type_id,
        )
        for attribute, type_id in sorted(found.items())
    )


# -- reporting -------------------------------------------------------------------------------------------------------


async def bind(
    network: Network,
    member: Member,
    endpoint: int,
    cluster: int,
    ours: Eui64,
    timeout_s: float | None = None,
    *,
    to_endpoint: int | None = None,
) -> ZdoStatus:
    """Make a cluster of a device report to us: to an endpoint, or to the one that speaks its profile."""
    if to_endpoint is None:
        profile = member.profile(endpoint)
        to_endpoint = network.own_endpoint(profile if profile is not None else 0x0104)
    target = BindTarget(ieee=ours, endpoint=to_endpoint)
    request = BindRequest(Binding(member.ieee, endpoint, cluster, target))
    answer = await network.zdo_request(member, request, BindResponse, timeout_s)
    assert isinstance(answer.status, ZdoStatus)
    return answer.status


async def configure(network: Asks, member: Member, row: ReportingRow, timeout_s: float | None = None) -> ReportingRow:
    """Ask for reports of one attribute; the row as the device took it. Raises as `ask`, but not for a refusal."""
    change: Value = None
    if is_analog(row.data_type):
        change = _raw_change(row)
    record = ReportingRecord(SENT, row.attribute, row.data_type, row.min_s, row.max_s, change)
    try:
        command = ConfigureReporting((record,))
        command.encode()
    except RangeError as error:
        raise InvalidError("change", row.change, f"{error.allowed} ({type_name(row.data_type)})") from None
    try:
        answer = await ask(
            network,
            member,
            row.endpoint,
            row.cluster,
            command,
            side=row.side,
            manufacturer=row.manufacturer,
            timeout_s=timeout_s,
        )
    except ZclStatusError as error:
        return replace(row, state="refused", status=error.status)
    assert isinstance(answer, ConfigureReportingResponse)
    for found in answer.records:
        if found.status is not Status.SUCCESS and found.attribute in (row.attribute, 0):
            return replace(row, state="refused", status=int(found.status))
    return replace(row, state="configured", status=0)


def _raw_change(row: ReportingRow) -> Value:
    """The least change in the attribute's type. None given: any change, which is 0 (1 for whole numbers)."""
    if row.data_type in (datatypes.SEMI, datatypes.SINGLE, datatypes.DOUBLE):
        return float(row.change or 0)
    return round(row.change) if row.change else 1


async def read_configuration(
    network: Asks,
    member: Member,
    endpoint: int,
    cluster: int,
    attribute: int,
    manufacturer: int | None,
    *,
    side: Side = Side.SERVER,
    direction: int = SENT,
) -> ReportingAnswer:
    """How a device itself says that it reports an attribute, or (direction RECEIVED) expects it to be reported."""
    answer = await ask(
        network,
        member,
        endpoint,
        cluster,
        ReadReportingConfiguration((ReportingQuery(direction, attribute),)),
        side=side,
        manufacturer=manufacturer,
    )
    assert isinstance(answer, ReadReportingConfigurationResponse)
    for found in answer.records:
        if found.attribute == attribute:
            return found
    raise NoReplyError(f"the answer does not speak of attribute 0x{attribute:04x}")
