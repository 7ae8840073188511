"""Requests about attributes, reports and commands of clusters (CPX2-SE, ZCL Requests/Responses)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from hub.errors import InvalidError
from hub.hub import Hub
from hub.smart_energy.utc import to_utc
from hub.zigbee.direct import Target
from hub.zigbee.direct_reports import KnownReport, WantedReport
from hub.zigbee.model import AttributeValue, ReportingRow, Side
from hub.zigbee.transactions import ZclAnswer
from hub.zigbee.ways import RawCommand
from protocols.aps import Security
from protocols.ids import Eui64
from protocols.zcl.clusters import IDENTIFY
from protocols.zcl.commands import Identify
from protocols.zcl.datatypes import UNKNOWN, is_analog
from protocols.zcl.datatypes import Value as ZclValue
from protocols.zcl.header import Direction, FrameType
from protocols.zcl.records import ReportingRecord
from protocols.zcl.status import Status
from web.rpc import fields
from web.rpc.check import Checked
from web.rpc.engine import Engine, Handler
from web.rpc.handlers.payloads import payload_of
from web.rpc.handlers.targets import Targets, conversing, number_of, side_of, told
from web.rpc.handlers.zcl_values import taken
from web.rpc.handlers.zcl_values import told as value_of
from web.rpc.response import IDENTIFIER, Response
from web.rpc.rows.zcl import WRITE_UNDIVIDED
from web.rpc.types import ValueRefusedError
from web.rpc.values import Mac, Octets, Record, Value, Values

MAX_RECORDS = 64
"""Attributes of one request."""
_Stop = Callable[[Target, Sequence[int]], Awaitable[tuple[tuple[int, Status], ...]]]
SENT = 0
"""Direction of reports: from the cluster that is meant."""


class Zcl:
    """Handlers of requests about clusters."""

    def __init__(self, engine: Engine, hub: Hub, targets: Targets) -> None:
        self._engine, self._hub, self._targets = engine, hub, targets

    def handlers(self) -> dict[str, Handler]:
        """By the names of their requests."""
        return {
            "read_attributes": self.read_attributes,
            "write_attributes": self.write_attributes,
            "discover_attributes": self.discover_attributes,
            "start_receiving_reports": self.start_receiving_reports,
            "stop_receiving_reports": self.stop_receiving_reports,
            "stop_sending_reports": self.stop_sending_reports,
            "get_local_reporting_configurations": self.get_local_reporting_configurations,
            "read_reporting_configuration": self.read_reporting_configuration,
            "identify": self.identify,
            "send_ZCL": self.send_zcl,
        }

    # -- attributes ----------------------------------------------------------------------------------------------

    async def read_attributes(self, request: Checked) -> Values:
        """Each attribute with its value, or with why there is none."""
        given = request.arguments
        target, ids = self._targets.target(given), _ids(given)
        with conversing(target):
            found = await self._hub.direct.read(target, ids)
        return {**self._targets.answer(target), "record_list": [_read(one) for one in found]}

    async def write_attributes(self, request: Checked) -> Values:
        """Each attribute with how that went; type and value as they were given."""
        given = request.arguments
        target, records = self._targets.target(given), _records(given)
        types: dict[int, int] = {}
        values: dict[int, ZclValue] = {}
        with conversing(target):
            for at, (attribute, record) in enumerate(records.items()):
                type_id = self._type(target, attribute, record, f"record_list[{at}]")
                types[attribute] = type_id
                values[attribute] = taken(record.fields["value"], type_id, f"record_list[{at}].value")
            undivided = fields.number(given, "command_identifier") == WRITE_UNDIVIDED
            found = await self._hub.direct.write(target, values, types, undivided=undivided)
        return {
            **self._targets.answer(target),
            "record_list": [
                Record("WriteAttributeResponseRecord", {"status": one.status, **records[one.attribute].fields})
                for one in found
            ],
        }

    async def discover_attributes(self, request: Checked) -> Values:
        """Each attribute with its data type."""
        target = self._targets.target(request.arguments)
        with conversing(target):
            found = await self._hub.direct.discover(target)
        listed: list[Value] = [
            Record("AttributeInformationRecord", {"attribute_id": one.attribute, "attribute_type": one.data_type})
            for one in found
        ]
        return {**self._targets.answer(target), "record_list": listed}

    def _type(self, target: Target, attribute: int, record: Record, where: str) -> int:
        given = fields.number(record.fields, "attribute_type")
        try:
            return self._hub.direct.type_of(target, attribute, given)
        except InvalidError as error:
            raise ValueRefusedError(f"{where}.attribute_type", f"{given:#x}", error.allowed) from None

    # -- reports -------------------------------------------------------------------------------------------------

    async def start_receiving_reports(self, request: Checked) -> Values:
        """Each attribute with whether it will be reported."""
        given = request.arguments
        target, records = self._targets.target(given), _records(given)
        wanted: list[WantedReport] = []
        with conversing(target):
            for at, (attribute, record) in enumerate(records.items()):
                where = f"record_list[{at}]"
                type_id = self._type(target, attribute, record, where)
                wanted.append(
                    WantedReport(
                        attribute=attribute,
                        data_type=type_id,
                        min_s=fields.number(record.fields, "min_interval"),
                        max_s=fields.number(record.fields, "max_interval"),
                        change=_change(record, type_id, f"{where}.reportable_change"),
                        timeout_s=fields.number(record.fields, "timeout"),
                    )
                )
            pseudo = fields.maybe_is_on(given, "pseudo_reporting")
            found = await self._hub.direct_reports.start(target, wanted, pseudo)
        listed: list[Value] = [_started(row, records[row.attribute]) for row in found]
        return {**self._targets.answer(target), "record_list": listed}

    async def stop_receiving_reports(self, request: Checked) -> Values:
        """Each attribute with whether it is reported no more."""
        return await self._stop(request, self._hub.direct_reports.stop)

    async def stop_sending_reports(self, request: Checked) -> Values:
        """Each attribute with whether we report it no more."""
        return await self._stop(request, self._hub.direct_reports.stop_sending)

    async def _stop(self, request: Checked, stop: _Stop) -> Values:
        given = request.arguments
        target, ids = self._targets.target(given), _ids(given)
        with conversing(target):
            found = await stop(target, ids)
        listed: list[Value] = [
            Record("StopReportingStatusRecord", {"status": int(status), "attribute_id": attribute})
            for attribute, status in found
        ]
        return {**self._targets.answer(target), "record_list": listed}

    async def get_local_reporting_configurations(self, request: Checked) -> Values:
        """All reports that we send and expect."""
        return {"record_list": [_local(one) for one in self._hub.direct_reports.known()]}

    async def read_reporting_configuration(self, request: Checked) -> Values:
        """How attributes are reported, as the device says or as we have it."""
        given = request.arguments
        target, ids = self._targets.target(given), _ids(given)
        direction = fields.number(given, "reporting_direction")
        remote = fields.is_on(given, "remote_configuration")
        listed: list[Value]
        if remote:
            with conversing(target):
                found = await self._hub.direct_reports.read_remote(target, direction, ids)
            listed = [_configuration(attribute, status, record) for attribute, status, record in found]
        else:
            known = self._hub.direct_reports.read_local(target, is_received=direction == SENT, ids=ids)
            listed = [
                Record(_ANSWER, {"status": int(Status.NOT_FOUND), "attribute_id": attribute})
                if one is None
                else Record(_ANSWER, {"status": 0, **_kept(one)})
                for attribute, one in zip(ids, known, strict=True)
            ]
        return {"remote_configuration": remote, **self._targets.answer(target), "record_list": listed}

    # -- commands ------------------------------------------------------------------------------------------------

    async def identify(self, request: Checked) -> Values:
        """Have a device, or us, or everybody, show which one it is."""
        given = request.arguments
        to = fields.maybe_mac(given, "destination_address")
        if to is not None and to.is_broadcast:
            return await self._identify_all(given)
        target = self._targets.target(given, cluster=IDENTIFY, side=Side.SERVER)
        seconds = fields.number(given, "identify_time")
        with conversing(target):
            await self._hub.direct.identify(target, seconds)
        return {**self._targets.answer(target, with_side=False), "identify_time": seconds}

    async def _identify_all(self, given: Values) -> Values:
        """Nobody has to answer a broadcast: it was sent, and the address says to whom."""
        seconds, endpoint = fields.number(given, "identify_time"), fields.number(given, "destination_endpoint_id")
        with told():
            source, profile, _ = await self._hub.direct.broadcast(
                self._targets.radio(),
                endpoint,
                IDENTIFY,
                RawCommand(command=Identify.COMMAND, payload=Identify(seconds).encode(), confirm=False),
                source_endpoint=fields.maybe_number(given, "source_endpoint_id"),
                further=lambda answer, source, profile: None,
            )
        return {
            "cluster_id": IDENTIFY,
            "profile_id": profile,
            "source_endpoint_id": endpoint,
            "destination_endpoint_id": source,
            "source_address": fields.mac(given, "destination_address"),
            "identify_time": seconds,
        }

    async def send_zcl(self, request: Checked) -> Values | None:
        """Send any command: what came back, or None of a broadcast that names no answer."""
        given = request.arguments
        raw, base = self._raw(given), _base(given["payload"])
        encrypts = "enable_aps_encryption" in given
        if fields.mac(given, "destination_address").is_broadcast:
            return await self._broadcast(request, raw, base, encrypts=encrypts)
        target = self._targets.target(given)
        with conversing(target):
            answer = await self._hub.direct.command(target, raw)
        return {
            "cluster_id": target.cluster,
            "server_or_client": number_of(target.side),
            "profile_id": target.profile,
            "source_endpoint_id": answer.endpoint,
            "destination_endpoint_id": target.source_endpoint,
            "source_address": Mac.of(target.member.ieee),
            **_came(answer, base, encrypts=encrypts),
        }

    def _raw(self, given: Values) -> RawCommand:
        kind = FrameType(fields.number(given, "command_type"))
        response = fields.maybe_number(given, "response_command_identifier")
        wanted = fields.maybe_number(given, "response_command_type")
        encrypted = fields.maybe_is_on(given, "enable_aps_encryption")
        return RawCommand(
            command=fields.number(given, "command_identifier"),
            payload=payload_of(given["payload"], to_utc(self._hub.clock.now())),
            frame_type=kind,
            direction=Direction.TO_SERVER if side_of(given) is Side.SERVER else Direction.TO_CLIENT,
            manufacturer=fields.maybe_number(given, "manufacturer_code"),
            response=None if response is None else (kind if wanted is None else FrameType(wanted), response),
            security=None if encrypted is None else Security.LINK_KEY if encrypted else Security.NETWORK,
            confirm=response is None,
        )

    async def _broadcast(self, request: Checked, raw: RawCommand, base: int, *, encrypts: bool) -> Values | None:
        """The first answer; those behind it come by the mailbox."""
        given, radio = request.arguments, self._targets.radio()

        def answer_of(answer: ZclAnswer, source: int, profile: int) -> Values:
            return {
                "cluster_id": fields.number(given, "cluster_id"),
                "server_or_client": fields.number(given, "server_or_client"),
                "profile_id": profile,
                "source_endpoint_id": answer.endpoint,
                "destination_endpoint_id": source,
                "source_address": Mac.of(Eui64(answer.device)),
                **_came(answer, base, encrypts=encrypts),
            }

        def further(answer: ZclAnswer, source: int, profile: int) -> None:
            parameters = answer_of(answer, source, profile)
            if request.identifier is not None:
                parameters[IDENTIFIER] = request.identifier
            self._engine.unsolicited(Response("send_ZCL_response", parameters))

        with told():
            source, profile, first = await self._hub.direct.broadcast(
                radio,
                fields.number(given, "destination_endpoint_id"),
                fields.number(given, "cluster_id"),
                raw,
                source_endpoint=fields.number(given, "source_endpoint_id"),
                further=further,
            )
        return None if first is None else answer_of(first, source, profile)


_ANSWER = "ReadReportingConfigurationResponseRecord"


def _records(given: Values) -> dict[int, Record]:
    """Records by their attributes, each once. Raises `ValueRefusedError`."""
    records = fields.records(given, "record_list")
    if not 1 <= len(records) <= MAX_RECORDS:
        raise ValueRefusedError("record_list", f"of {len(records)} records", f"1 to {MAX_RECORDS}")
    found: dict[int, Record] = {}
    for at, record in enumerate(records):
        attribute = fields.number(record.fields, "attribute_id")
        if attribute in found:
            raise ValueRefusedError(f"record_list[{at}].attribute_id", f"{attribute:#x} once more", "each once")
        found[attribute] = record
    return found


def _ids(given: Values) -> tuple[int, ...]:
    return tuple(_records(given))


def _change(record: Record, type_id: int, where: str) -> int | float | None:
    """The least change; None: any, or the data type has none."""
    if not is_analog(type_id):
        return None
    value = taken(record.fields["reportable_change"], type_id, where)
    if not isinstance(value, int | float) or value < 0:
        raise ValueRefusedError(where, repr(value)[:60], "a number from 0 on")
    return value or None


def _base(payload: Value) -> int:
    """In which base the answer's payload is written."""
    return payload.base if isinstance(payload, Octets) else 16


def _came(answer: ZclAnswer, base: int, *, encrypts: bool) -> Values:
    header = answer.header
    found: Values = {"command_identifier": header.command, "command_type": int(header.frame_type)}
    if header.manufacturer is not None:
        found["manufacturer_code"] = header.manufacturer
    if encrypts:
        found["enable_aps_encryption"] = answer.security is Security.LINK_KEY
    found["payload"] = Octets(answer.payload, 64 if base == 64 else 16)
    return found


# -- records ---------------------------------------------------------------------------------------------------------


def _read(one: AttributeValue) -> Record:
    found: dict[str, Value] = {"status": one.status, "attribute_id": one.attribute}
    if one.status == 0 and one.data_type is not None:
        found |= {"attribute_type": one.data_type, "value": value_of(one.value, one.data_type)}
    return Record("ReadAttributeStatusRecord", found)


def _started(row: ReportingRow, asked: Record) -> Record:
    """As it was asked for; of a refusal nothing but why."""
    found: dict[str, Value] = {"status": row.status, "attribute_id": row.attribute}
    if row.status == 0:
        found |= asked.fields
        if asked.fields["attribute_type"] == UNKNOWN:
            found["attribute_type"] = row.data_type
    return Record("AttributeReportingConfigurationResponseRecord", found)


def _fields(attribute: int, direction: int, type_id: int, min_s: int, max_s: int, change: Value) -> dict[str, Value]:
    return {
        "attribute_id": attribute,
        "direction": direction,
        "attribute_type": type_id,
        "min_interval": min_s,
        "max_interval": max_s,
        "reportable_change": 0 if change is None else change,
        "timeout": 0,
    }


def _kept(one: KnownReport) -> dict[str, Value]:
    wanted, direction = one.wanted, int(one.is_received)
    found = _fields(wanted.attribute, direction, wanted.data_type, wanted.min_s, wanted.max_s, wanted.change)
    return {**found, "timeout": wanted.timeout_s}


def _local(one: KnownReport) -> Record:
    found: dict[str, Value] = {
        "device_address": Mac.of(one.ieee),
        "device_endpoint_id": one.device_endpoint,
        "endpoint_id": one.endpoint,
        "cluster_id": one.cluster,
        "server_or_client": number_of(one.side),
        "reporting_direction": int(one.is_received),
    }
    if one.is_received:
        found["pseudo_reporting"] = one.pseudo
    found["record"] = Record("AttributeReportingConfigurationRecord", _kept(one))
    return Record("LocalReportingConfigurationRecord", found)


def _configuration(attribute: int, status: Status, record: ReportingRecord | None) -> Record:
    if status is not Status.SUCCESS or record is None:
        return Record(_ANSWER, {"status": int(status), "attribute_id": attribute})
    found = _fields(
        attribute, record.direction, record.type, record.min_s, record.max_s, value_of(record.change, record.type)
    )
    if record.direction != SENT:
        found |= {"attribute_type": UNKNOWN, "reportable_change": 0, "timeout": record.timeout_s}
    return Record(_ANSWER, {"status": 0, **found})
