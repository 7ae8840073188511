"""What a hosted cluster is made of: attributes bound to their values, and the general commands upon them.

A `ClusterServer` is one side of one cluster on one of our endpoints: the server nearly always, the client where a
client has attributes or takes commands of its own (`SIDE`). It answers with an `Answer`: what there is to say. Whether
it is said, and to whom, is for `hub.zigbee.endpoint`, which knows the rules of the default response.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from hub.zigbee.model import Side
from protocols.aps import ApsFrame
from protocols.errors import RangeError, TruncatedError
from protocols.zcl import general as g
from protocols.zcl.clusters import attribute_def, cluster
from protocols.zcl.datatypes import UINT16, UINT32, UTC, Value, encode_value
from protocols.zcl.header import ZclHeader, unsupported_command
from protocols.zcl.records import (
    READABLE,
    REPORTABLE,
    WRITABLE,
    AttributeAccess,
    AttributeType,
    ReadRecord,
    StatusRecord,
    StructuredQuery,
    StructuredStatus,
    WriteRecord,
)
from protocols.zcl.status import Status

log = logging.getLogger(__name__)

CLUSTER_REVISION = 0xFFFD
"""Global attribute that every cluster of ZCL8 has."""
_SAME_ON_WRITE = frozenset((frozenset((UTC, UINT32)),))
"""Types that are taken for each other in a write: old stacks write times as plain 32-bit numbers."""

Get = Callable[[float], Value]
"""An attribute's value at a monotonic time; None: the type's invalid value."""
Set = Callable[[Value, float], Status]
"""Take a value at a monotonic time, or say why not. Type and range have been checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedAttribute:
    """An attribute of a cluster that we host, bound to where its value lives."""

    id: int
    name: str
    type: int
    """ZCL data type id."""
    get: Get
    set: Set | None = None
    """None: read only."""
    reportable: bool = False
    manufacturer: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    """Range that a write must keep to, beside the type's own."""
    max_bytes: int | None = None
    """Longest string that a write may bring."""
    takes_invalid: bool = False
    """Whether the type's invalid value may be written."""

    def allows(self, value: Value) -> bool:
        """Whether `value`, of the right type, may be written."""
        if value is None:
            return self.takes_invalid
        if isinstance(value, int):
            return (self.minimum is None or value >= self.minimum) and (self.maximum is None or value <= self.maximum)
        if isinstance(value, str | bytes) and self.max_bytes is not None:
            raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
            return len(raw) <= self.max_bytes
        return True

    @property
    def access(self) -> int:
        """Access bits as in Discover Attributes Extended Response."""
        return READABLE | (WRITABLE if self.set is not None else 0) | (REPORTABLE if self.reportable else 0)


def bound(
    cluster: int,
    attribute: int,
    get: Get,
    put: Set | None = None,
    *,
    reportable: bool | None = None,
    max_bytes: int | None = None,
    side: Side = Side.SERVER,
) -> HostedAttribute:
    """The attribute of a standard cluster, by its row in `protocols.zcl.clusters`, bound to where its value lives.

    Without `put` it is read only, whatever the standard would let others do; `reportable` None: as the row says.
    """
    row = attribute_def(cluster, attribute, client=side is Side.CLIENT)
    if row is None:
        raise ValueError(f"cluster 0x{cluster:04X} has no row for attribute 0x{attribute:04X}")
    return HostedAttribute(
        id=row.id,
        name=row.name,
        type=row.type,
        get=get,
        set=put,
        reportable=row.is_reportable if reportable is None else reportable,
        manufacturer=row.manufacturer,
        minimum=row.minimum,
        maximum=row.maximum,
        max_bytes=max_bytes,
    )


def constant(value: Value) -> Get:
    """A getter of what never changes."""
    return lambda _now: value


@dataclass(frozen=True, slots=True)
class Response:
    """A command that answers a command, of the same frame type."""

    command: int
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a hosted cluster says to a command."""

    status: Status = Status.SUCCESS
    """For the default response, where no response says it."""
    responses: tuple[Response, ...] = ()
    silent: bool = False
    """Nothing is to be said, although there is no response: the command asks for none."""


@dataclass(frozen=True, slots=True)
class _Write:
    """One record of a write: with `status` when its value cannot even be read."""

    attribute: int
    type: int = 0
    value: Value = None
    status: Status = Status.SUCCESS


class ClusterServer:
    """One side of a cluster that we host. A subclass names the cluster, its attributes and what its commands do."""

    CLUSTER: ClassVar[int]
    SIDE: ClassVar[Side] = Side.SERVER
    REVISION: ClassVar[int] = 1
    """ClusterRevision: the revision of the cluster that we follow."""
    RECEIVES: ClassVar[tuple[int, ...]] = ()
    """Ids of the cluster's commands that we understand."""
    GENERATES: ClassVar[tuple[int, ...]] = ()
    """Ids of the cluster's commands that we send."""

    def __init__(self, attributes: Iterable[HostedAttribute] = (), *, cluster: int | None = None) -> None:
        self.cluster = self.CLUSTER if cluster is None else cluster
        self.host(attributes)

    def host(self, attributes: Iterable[HostedAttribute]) -> None:
        """Have these attributes, and the revision, in place of those of before."""
        revision = HostedAttribute(
            id=CLUSTER_REVISION, name="cluster_revision", type=UINT16, get=constant(self.REVISION)
        )
        found = sorted((*attributes, revision), key=lambda row: (row.manufacturer or 0, row.id))
        self._attributes = {(row.manufacturer, row.id): row for row in found}
        if len(self._attributes) != len(found):
            raise ValueError(f"cluster 0x{self.cluster:04X} has two attributes of one id")
        self._manufacturers = frozenset(row.manufacturer for row in found)

    @property
    def attributes(self) -> tuple[HostedAttribute, ...]:
        """All attributes, by id."""
        return tuple(self._attributes.values())

    def attribute(self, attribute: int, manufacturer: int | None = None) -> HostedAttribute | None:
        """The attribute with this id."""
        return self._attributes.get((manufacturer, attribute))

    @property
    def manufacturers(self) -> frozenset[int | None]:
        """Whose attributes these are; None: the standard's."""
        return self._manufacturers

    def facing(self, frame: ApsFrame) -> ClusterServer:
        """The cluster as the sender of a frame sees it: to most clusters all are alike."""
        return self

    def command(self, header: ZclHeader, payload: bytes, frame: ApsFrame, now: float) -> Answer:
        """Carry out a command of the cluster. May raise `CodecError`, which means that the payload is malformed."""
        return Answer(unsupported_command(header))

    # -- attributes by themselves ------------------------------------------------------------------------------------

    def read(self, attribute: int, now: float, manufacturer: int | None = None) -> ReadRecord:
        """An attribute as a read response tells it."""
        row = self.attribute(attribute, manufacturer)
        if row is None:
            return ReadRecord(attribute, Status.UNSUPPORTED_ATTRIBUTE)
        value = row.get(now)
        try:
            encode_value(row.type, value)
        except RangeError as error:
            # Our own fault: the asker gets a status instead of the value, and the other attributes all the same.
            log.error("cluster 0x%04X attribute %s: %s", self.cluster, row.name, error)
            return ReadRecord(attribute, Status.SOFTWARE_FAILURE)
        return ReadRecord(attribute, Status.SUCCESS, row.type, value)

    def check_write(self, attribute: int, type_id: int, value: Value, manufacturer: int | None = None) -> Status:
        """Whether a write would be taken, in the order of ZCL8, 2.5.3.3: known, right type, writable, allowed."""
        row = self.attribute(attribute, manufacturer)
        if row is None:
            return Status.UNSUPPORTED_ATTRIBUTE
        if type_id != row.type and frozenset((type_id, row.type)) not in _SAME_ON_WRITE:
            return Status.INVALID_DATA_TYPE
        if row.set is None:
            return Status.READ_ONLY
        return Status.SUCCESS if row.allows(value) else Status.INVALID_VALUE

    def write(self, attribute: int, type_id: int, value: Value, now: float, manufacturer: int | None = None) -> Status:
        """Write one attribute, if that is allowed."""
        status = self.check_write(attribute, type_id, value, manufacturer)
        row = self.attribute(attribute, manufacturer)
        if status is not Status.SUCCESS or row is None or row.set is None:
            return status
        return row.set(value, now)

    # -- general commands --------------------------------------------------------------------------------------------

    def general(self, header: ZclHeader, payload: bytes, limit: int, now: float) -> Answer:
        """Carry out a general command, reporting excepted. The answer's payload is cut to `limit` bytes.

        May raise `CodecError`, which means that the payload is malformed.
        """
        code = header.manufacturer
        if header.command not in _GENERAL or code not in self.manufacturers:
            # A manufacturer's code that we have nothing of makes the whole command unknown (ZCL8, 2.6.3).
            return Answer(unsupported_command(header))
        match header.command:
            case g.General.WRITE_ATTRIBUTES:
                return self._write_each(_parse_writes(payload), code, limit, now)
            case g.General.WRITE_ATTRIBUTES_NO_RESPONSE:
                self._write_each(_parse_writes(payload), code, limit, now)
                return Answer(silent=True)
            case g.General.WRITE_ATTRIBUTES_UNDIVIDED:
                return self._write_all_or_none(_parse_writes(payload), code, limit, now)
            case _:
                pass
        command = g.decode_general(header.command, payload)
        if getattr(command, "rest", b""):
            raise TruncatedError(type(command).__name__, len(payload) + 1, len(payload))
        match command:
            case g.ReadAttributes():
                return self._read(command.attributes, code, limit, now)
            case g.ReadStructured():
                return self._read_structured(command, code, limit, now)
            case g.WriteStructured():
                return self._write_structured(command, code, limit, now)
            case g.DiscoverAttributesExtended():
                return self._discover(command, code, limit, extended=True)
            case g.DiscoverAttributes():
                return self._discover(command, code, limit, extended=False)
            case g.DiscoverCommandsGenerated():
                return self._discover_commands(command, self.GENERATES, code, limit)
            case g.DiscoverCommandsReceived():
                return self._discover_commands(command, self.RECEIVES, code, limit)
            case _:
                return Answer(unsupported_command(header))

    def _read(self, attributes: tuple[int, ...], code: int | None, limit: int, now: float) -> Answer:
        if not attributes:
            raise TruncatedError("ReadAttributes", 2, 0)
        return _read_response((self.read(attribute, now, code) for attribute in attributes), limit)

    def _read_structured(self, command: g.ReadStructured, code: int | None, limit: int, now: float) -> Answer:
        if not command.records:
            raise TruncatedError("ReadStructured", 3, 0)

        def record(query: StructuredQuery) -> ReadRecord:
            found = self.read(query.attribute, now, code)
            if found.status is Status.SUCCESS and query.selector.indices:
                # None of the attributes that we host is an array or structure, so that none has parts.
                return ReadRecord(query.attribute, Status.INVALID_SELECTOR)
            return found

        return _read_response((record(query) for query in command.records), limit)

    def _write_each(self, records: list[_Write], code: int | None, limit: int, now: float) -> Answer:
        failed = []
        for row in records:
            status = row.status
            if status is Status.SUCCESS:
                status = self.write(row.attribute, row.type, row.value, now, code)
            if status is not Status.SUCCESS:
                failed.append(StatusRecord(status, row.attribute))
        return _write_response(failed, limit)

    def _write_all_or_none(self, records: list[_Write], code: int | None, limit: int, now: float) -> Answer:
        failed = []
        for row in records:
            status = row.status
            if status is Status.SUCCESS:
                status = self.check_write(row.attribute, row.type, row.value, code)
            if status is not Status.SUCCESS:
                failed.append(StatusRecord(status, row.attribute))
        if failed:
            return _write_response(failed, limit)
        before: list[tuple[HostedAttribute, Value]] = []
        for row in records:
            attribute = self.attribute(row.attribute, code)
            assert attribute is not None, "checked above"
            assert attribute.set is not None, "checked above"
            old = attribute.get(now)
            status = attribute.set(row.value, now)
            if status is not Status.SUCCESS:
                # A setter may still refuse; what was written before it goes back to what it was.
                for done, value in reversed(before):
                    assert done.set is not None
                    done.set(value, now)
                return _write_response([StatusRecord(status, row.attribute)], limit)
            before.append((attribute, old))
        return _write_response([], limit)

    def _write_structured(self, command: g.WriteStructured, code: int | None, limit: int, now: float) -> Answer:
        if not command.records:
            raise TruncatedError("WriteStructured", 4, 0)
        failed = []
        for row in command.records:
            if row.selector.indices or row.selector.action:
                known = self.attribute(row.attribute, code) is not None
                status = Status.INVALID_SELECTOR if known else Status.UNSUPPORTED_ATTRIBUTE
            else:
                status = self.write(row.attribute, row.type, row.value, now, code)
            if status is not Status.SUCCESS:
                failed.append(StructuredStatus(status, row.attribute, row.selector))
        payload = fit((record.write() for record in failed), limit) or bytes((Status.SUCCESS,))
        return Answer(responses=(Response(g.General.WRITE_STRUCTURED_RESPONSE, payload),))

    def _discover(self, command: g.DiscoverAttributes, code: int | None, limit: int, *, extended: bool) -> Answer:
        rows = [row for row in self.attributes if row.manufacturer == code and row.id >= command.first]
        room = (limit - 1) // (4 if extended else 3)
        shown = list(islice(rows, min(command.maximum, max(room, 0))))
        complete = len(shown) == len(rows)
        if extended:
            records = tuple(AttributeAccess(row.id, row.type, row.access) for row in shown)
            payload = g.DiscoverAttributesExtendedResponse(complete, records).encode()
            return Answer(responses=(Response(g.General.DISCOVER_ATTRIBUTES_EXTENDED_RESPONSE, payload),))
        types = tuple(AttributeType(row.id, row.type) for row in shown)
        payload = g.DiscoverAttributesResponse(complete, types).encode()
        return Answer(responses=(Response(g.General.DISCOVER_ATTRIBUTES_RESPONSE, payload),))

    def _discover_commands(
        self, command: g.DiscoverCommandsReceived, ids: tuple[int, ...], code: int | None, limit: int
    ) -> Answer:
        # Our commands are all the standard's: of a manufacturer's there are none.
        rows = [] if code is not None else sorted(number for number in ids if number >= command.first)
        shown = bytes(rows[: min(command.maximum, max(limit - 1, 0))])
        payload = bytes((len(shown) == len(rows),)) + shown
        return Answer(responses=(Response(g.REQUIRED_RESPONSE[command.COMMAND], payload),))


class PlainClient(ClusterServer):
    """The client side of a cluster whose commands others in the hub deal with: it only says that it is there."""

    SIDE = Side.CLIENT

    def __init__(self, cluster: int) -> None:
        super().__init__(cluster=cluster)

    def command(self, header: ZclHeader, payload: bytes, frame: ApsFrame, now: float) -> Answer:
        """A command of the remote server, which whoever listens has had before us.

        Chosen: of a cluster whose commands we have no rows of, all are taken; of others those that have a row.
        """
        rows = cluster(self.cluster)
        known = rows is None or not rows.commands or rows.command(header.command, to_server=False) is not None
        return Answer() if known and header.manufacturer is None else Answer(unsupported_command(header))


class PlainServer(ClusterServer):
    """The server side of a cluster that the radio's firmware deals with: it only says that it is there."""

    def __init__(self, cluster: int) -> None:
        super().__init__(cluster=cluster)

    def command(self, header: ZclHeader, payload: bytes, frame: ApsFrame, now: float) -> Answer:
        """A command that the firmware has not taken."""
        return Answer(unsupported_command(header))


_GENERAL = frozenset(g.REQUIRED_RESPONSE) | {g.General.WRITE_ATTRIBUTES_NO_RESPONSE}


def fit(parts: Iterable[bytes], limit: int) -> bytes:
    """As many whole records as fit into `limit` bytes, from the first on."""
    found, size = [], 0
    for part in parts:
        size += len(part)
        if size > limit:
            break
        found.append(part)
    return b"".join(found)


def _read_response(records: Iterable[ReadRecord], limit: int) -> Answer:
    """Records as far as they fit. One that would not fit into a frame of its own says so instead of its value."""
    parts = []
    for record in records:
        part = record.write()
        if len(part) > limit:
            part = ReadRecord(record.attribute, Status.INSUFFICIENT_SPACE).write()
        parts.append(part)
    return Answer(responses=(Response(g.General.READ_ATTRIBUTES_RESPONSE, fit(parts, limit)),))


def _write_response(failed: list[StatusRecord], limit: int) -> Answer:
    payload = fit((record.write() for record in failed), limit) or bytes((Status.SUCCESS,))
    return Answer(responses=(Response(g.General.WRITE_ATTRIBUTES_RESPONSE, payload),))


def _parse_writes(payload: bytes) -> list[_Write]:
    """The records of a write. A data type that nobody knows ends the list, since its length is not known either."""
    found: list[_Write] = []
    at = 0
    while at < len(payload):
        try:
            record, at = WriteRecord.read(payload, at)
        except RangeError:
            found.append(_Write(payload[at] | payload[at + 1] << 8, status=Status.INVALID_DATA_TYPE))
            break
        found.append(_Write(*record))
    if not found:
        raise TruncatedError("WriteAttributes", 3, 0)
    return found
