"""Payloads of ZCL commands out of records, for `send_ZCL`: the fields as they go on the air, least octet first.

ZCL records as ZCL8, 2.5 has them; Smart Energy records as SE 1.0 r15 has its commands. Records of answers that are put
together for a person (StopReportingRecord and its like) are no part of any command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from protocols.zcl import datatypes
from web.rpc import fields
from web.rpc.handlers.zcl_values import encoded
from web.rpc.types import ValueRefusedError
from web.rpc.values import Octets, Record, Value

MAX_LABEL = 12
"""Octets of a rate label (SE 1.0, D.4.2.4.1)."""
LONGEST_TEXT = 0xFE
RECEIVED = 1

_LAYOUTS: Mapping[str, tuple[tuple[str, int | str], ...]] = {
    # Octets of each field; of `text` the length goes before it.
    "LoadControlEventRecord": (
        ("issuer_event_id", 4),
        ("device_class", 2),
        ("utility_enrollment_group", 1),
        ("start_time", 4),
        ("duration_in_minutes", 2),
        ("criticality_level", 1),
        ("cooling_temperature_offset", 1),
        ("heating_temperature_offset", 1),
        ("cooling_temperature_set_point", 2),
        ("heating_temperature_set_point", 2),
        ("average_load_adjustment_percentage", 1),
        ("duty_cycle", 1),
        ("event_control", 1),
    ),
    "CancelLoadControlEventRecord": (
        ("issuer_event_id", 4),
        ("device_class", 2),
        ("utility_enrollment_group", 1),
        ("cancel_control", 1),
        ("effective_time", 4),
    ),
    "CancelAllLoadControlEventsRecord": (("cancel_control", 1),),
    "ReportEventStatusRecord": (
        ("issuer_event_id", 4),
        ("event_status", 1),
        ("event_status_time", 4),
        ("criticality_level_applied", 1),
        ("cooling_temperature_set_point_applied", 2),
        ("heating_temperature_set_point_applied", 2),
        ("average_load_adjustment_percentage_applied", 1),
        ("duty_cycle_applied", 1),
        ("event_control", 1),
        ("signature_type", 1),
        ("signature", "octets"),
    ),
    "GetScheduledEventsRecord": (("start_time", 4), ("number_of_events", 1)),
    "DisplayMessageRecord": (
        ("message_id", 4),
        ("message_control", 1),
        ("start_time", 4),
        ("duration_in_minutes", 2),
        ("message", "text"),
    ),
    "CancelMessageRecord": (("message_id", 4), ("message_control", 1)),
    "MessageConfirmationRecord": (("message_id", 4), ("confirmation_time", 4)),
    "PublishPriceRecord": (
        ("provider_id", 4),
        ("rate_label", "text"),
        ("issuer_event_id", 4),
        ("utc_time", 4),
        ("unit_of_measure", 1),
        ("currency", 2),
        ("price_trailing_digit_and_price_tier", 1),
        ("number_of_price_tiers_and_register_tier", 1),
        ("start_time", 4),
        ("duration_in_minutes", 2),
        ("price", 4),
        ("price_ratio", 1),
        ("generation_price", 4),
        ("generation_price_ratio", 1),
        ("alternate_cost_deliverd", 4),
        ("alternate_cost_unit", 1),
        ("alternate_cost_trailing_digit", 1),
    ),
    "GetScheduledPricesRecord": (("start_time", 4), ("number_of_events", 1)),
    "ReadAttributeRecord": (("attribute_id", 2),),
    "AttributeInformationRecord": (("attribute_id", 2), ("attribute_type", 1)),
}
_TEXT_LIMITS = {"rate_label": MAX_LABEL}


def payload_of(value: Value, now: int, where: str = "payload") -> bytes:
    """Octets, a record, or a list of records as octets. `now`: seconds since 2000 UTC, for times at sending.

    Raises `ValueRefusedError`.
    """
    match value:
        case Octets():
            return value.data
        case Record():
            return _record(value, now, where)
        case list():
            return b"".join(payload_of(one, now, f"{where}[{at}]") for at, one in enumerate(value))
    raise ValueRefusedError(where, "of another type", "base16, base64, a record or a list of records")


def _record(value: Record, now: int, where: str) -> bytes:
    layout = _LAYOUTS.get(value.name)
    if layout is not None:
        return b"".join(_field(value, name, size, now, where) for name, size in layout)
    write = _OTHERS.get(value.name)
    if write is None:
        allowed = ", ".join(sorted((*_LAYOUTS, *_OTHERS)))
        raise ValueRefusedError(where, f"a {value.name}, which is part of no command", allowed)
    return write(value, where)


def _field(value: Record, name: str, size: int | str, now: int, where: str) -> bytes:
    found = value.fields.get(name)
    if found is None and name == "utc_time":
        found = now
    if isinstance(found, Octets):
        return found.data
    if isinstance(found, str):
        raw, most = found.encode(), _TEXT_LIMITS.get(name, LONGEST_TEXT)
        if len(raw) > most:
            raise ValueRefusedError(f"{where}.{name}", f"{len(raw)} octets", f"at most {most}")
        return bytes((len(raw),)) + raw
    assert isinstance(found, int)
    assert isinstance(size, int)
    return (found & (1 << 8 * size) - 1).to_bytes(size, "little")


# -- records whose layout depends on what is in them -------------------------------------------------------------------


def _type(value: Record, where: str) -> int:
    type_id = fields.number(value.fields, "attribute_type")
    if type_id == datatypes.UNKNOWN or type_id not in datatypes.TYPES:
        raise ValueRefusedError(
            f"{where}.attribute_type", f"{type_id:#x}", "a data type of the ZCL: it goes on the air"
        )
    return type_id


def _attribute(value: Record) -> bytes:
    return fields.number(value.fields, "attribute_id").to_bytes(2, "little")


def _with_value(value: Record, where: str) -> bytes:
    type_id = _type(value, where)
    return _attribute(value) + bytes((type_id,)) + encoded(value.fields["value"], type_id, f"{where}.value")


def _read_status(value: Record, where: str) -> bytes:
    status = fields.number(value.fields, "status")
    head = _attribute(value) + bytes((status,))
    if status:
        return head
    if "attribute_type" not in value.fields or "value" not in value.fields:
        raise ValueRefusedError(where, "without type and value", "both, where the status is 0")
    type_id = _type(value, where)
    return head + bytes((type_id,)) + encoded(value.fields["value"], type_id, f"{where}.value")


def _write_status(value: Record, where: str) -> bytes:
    return bytes((fields.number(value.fields, "status"),)) + _attribute(value)


def _reporting(value: Record, where: str) -> bytes:
    given = value.fields
    head = bytes((fields.number(given, "direction"),)) + _attribute(value)
    if fields.number(given, "direction") == RECEIVED:
        return head + fields.number(given, "timeout").to_bytes(2, "little")
    type_id = _type(value, where)
    body = bytes((type_id,))
    body += b"".join(fields.number(given, name).to_bytes(2, "little") for name in ("min_interval", "max_interval"))
    if datatypes.is_analog(type_id):
        body += encoded(given["reportable_change"], type_id, f"{where}.reportable_change")
    return head + body


def _reporting_status(value: Record, where: str) -> bytes:
    given = value.fields
    return bytes((fields.number(given, "status"), fields.number(given, "direction"))) + _attribute(value)


def _reporting_answer(value: Record, where: str) -> bytes:
    status = fields.number(value.fields, "status")
    if status:
        return _reporting_status(value, where)
    return bytes((status,)) + _reporting(value, where)


def _reporting_query(value: Record, where: str) -> bytes:
    return b"\x00" + _attribute(value)


_OTHERS: Mapping[str, Callable[[Record, str], bytes]] = {
    "WriteAttributeRecord": _with_value,
    "AttributeReportRecord": _with_value,
    "ReadAttributeStatusRecord": _read_status,
    "WriteAttributeResponseRecord": _write_status,
    "AttributeReportingConfigurationRecord": _reporting,
    "AttributeReportingConfigurationResponseRecord": _reporting_status,
    "ReadReportingConfigurationRecord": _reporting_query,
    "ReadReportingConfigurationResponseRecord": _reporting_answer,
}
