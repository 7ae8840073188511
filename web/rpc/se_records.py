"""Records of Smart Energy, and the commands on the air that they stand for (CPX2-SE, Record Reference).

Both have the same values, by other names; what a record has and a command has not is said where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter

from protocols.se import drlc, messaging, price
from protocols.se.base import SeCommand
from protocols.se.drlc import CancelControl, Criticality, DeviceClass, EventControl
from protocols.se.price import AlternateCostUnit
from web.rpc.fields import number, text
from web.rpc.rows.records import SIGNATURE_OCTETS, UNUSED_8, UNUSED_32
from web.rpc.values import Octets, Record, Values

EVENT, CANCEL_EVENT, CANCEL_ALL_EVENTS = (
    "LoadControlEventRecord",
    "CancelLoadControlEventRecord",
    "CancelAllLoadControlEventsRecord",
)
REPORT, MESSAGE, PRICE = "ReportEventStatusRecord", "DisplayMessageRecord", "PublishPriceRecord"
CANCEL_MESSAGE, CONFIRMATION = "CancelMessageRecord", "MessageConfirmationRecord"

_EVENT = {
    "issuer_event_id": "issuer_event_id",
    "device_class": "device_class",
    "utility_enrollment_group": "utility_enrollment_group",
    "start_time": "start_time",
    "duration_in_minutes": "duration_min",
    "criticality_level": "criticality",
    "cooling_temperature_offset": "cooling_offset",
    "heating_temperature_offset": "heating_offset",
    "cooling_temperature_set_point": "cooling_set_point",
    "heating_temperature_set_point": "heating_set_point",
    "average_load_adjustment_percentage": "load_adjustment",
    "duty_cycle": "duty_cycle",
    "event_control": "event_control",
}
_CANCEL_EVENT = {
    "issuer_event_id": "issuer_event_id",
    "device_class": "device_class",
    "utility_enrollment_group": "utility_enrollment_group",
    "cancel_control": "cancel_control",
    "effective_time": "effective_time",
}
_REPORT = {
    "issuer_event_id": "issuer_event_id",
    "event_status": "status",
    "event_status_time": "status_time",
    "criticality_level_applied": "criticality_applied",
    "cooling_temperature_set_point_applied": "cooling_set_point_applied",
    "heating_temperature_set_point_applied": "heating_set_point_applied",
    "average_load_adjustment_percentage_applied": "load_adjustment_applied",
    "duty_cycle_applied": "duty_cycle_applied",
    "event_control": "event_control",
    "signature_type": "signature_type",
}
_MESSAGE = {
    "message_id": "message_id",
    "message_control": "control",
    "start_time": "start_time",
    "duration_in_minutes": "duration_min",
    "message": "message",
}
_PRICE = {
    "provider_id": "provider_id",
    "rate_label": "rate_label",
    "issuer_event_id": "issuer_event_id",
    "utc_time": "current_time",
    "unit_of_measure": "unit_of_measure",
    "currency": "currency",
    "price_trailing_digit_and_price_tier": "price_trailing_digit_and_tier",
    "number_of_price_tiers_and_register_tier": "number_of_price_tiers_and_register_tier",
    "start_time": "start_time",
    "duration_in_minutes": "duration_min",
    "price": "price",
    "price_ratio": "price_ratio",
    "generation_price": "generation_price",
    "generation_price_ratio": "generation_price_ratio",
    "alternate_cost_deliverd": "alternate_cost_delivered",
    "alternate_cost_unit": "alternate_cost_unit",
    "alternate_cost_trailing_digit": "alternate_cost_trailing_digit",
}
_UNSENT_COST = {
    "alternate_cost_deliverd": UNUSED_32,
    "alternate_cost_unit": int(AlternateCostUnit.KG_CO2),
    "alternate_cost_trailing_digit": UNUSED_8,
}
"""Of a price from before revision 15, which ends in front of them: the record's defaults."""
_ROWS: Mapping[type[SeCommand], tuple[str, Mapping[str, str]]] = {
    drlc.LoadControlEvent: (EVENT, _EVENT),
    drlc.CancelLoadControlEvent: (CANCEL_EVENT, _CANCEL_EVENT),
    drlc.CancelAllLoadControlEvents: (CANCEL_ALL_EVENTS, {"cancel_control": "cancel_control"}),
    drlc.ReportEventStatus: (REPORT, _REPORT),
    messaging.DisplayMessage: (MESSAGE, _MESSAGE),
    messaging.DisplayProtectedMessage: (MESSAGE, _MESSAGE),
    messaging.CancelMessage: (CANCEL_MESSAGE, {"message_id": "message_id", "message_control": "control"}),
    messaging.MessageConfirmation: (
        CONFIRMATION,
        {"message_id": "message_id", "confirmation_time": "confirmation_time"},
    ),
    price.PublishPrice: (PRICE, _PRICE),
}
"""Class of a record -> names of its fields, each with that of the command's field."""
_UNSIGNED = {
    "cooling_temperature_set_point_applied": 0xFFFF,
    "heating_temperature_set_point_applied": 0xFFFF,
    "average_load_adjustment_percentage_applied": 0xFF,
}
"""Fields that this one record has without sign, and the octets that they have on the air."""


_READERS = {kind: (name, tuple(names), attrgetter(*names.values())) for kind, (name, names) in _ROWS.items()}
"""As `_ROWS`, with what reads all fields of a command at once: a list has hundreds of records."""


def record_of(command: SeCommand) -> Record:
    """A command as its record."""
    name, names, read = _READERS[type(command)]
    values = read(command) if len(names) > 1 else (read(command),)
    found: Values = {
        field: value if type(value) is int else _plain(field, value) for field, value in zip(names, values, strict=True)
    }
    if isinstance(command, drlc.ReportEventStatus):
        for field, octets in _UNSIGNED.items():
            found[field] = number(found, field) & octets
        found["signature"] = Octets(command.signature or bytes(SIGNATURE_OCTETS))
    return Record(name, found)


def _plain(field: str, value: str | int | None) -> str | int:
    """What is no number: an enumeration is one, to clients; a price of before may end early; text is for people."""
    if value is None:
        return _UNSENT_COST[field]
    if isinstance(value, str):
        # What is not UTF-8 on the air comes as half of a surrogate, which no document may have.
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return int(value)


def field_name(record: str, field: str) -> str:
    """What a command calls one of its fields, by the name that a record has for it."""
    for name, names in _ROWS.values():
        if name == record:
            return next((ours for ours, theirs in names.items() if theirs == field), field)
    return field


def event_of(record: Record) -> drlc.LoadControlEvent:
    """A LoadControlEventRecord as the command."""
    given = record.fields
    return drlc.LoadControlEvent(
        issuer_event_id=number(given, "issuer_event_id"),
        device_class=DeviceClass(number(given, "device_class")),
        utility_enrollment_group=number(given, "utility_enrollment_group"),
        start_time=number(given, "start_time"),
        duration_min=number(given, "duration_in_minutes"),
        criticality=Criticality(number(given, "criticality_level")),
        cooling_offset=number(given, "cooling_temperature_offset"),
        heating_offset=number(given, "heating_temperature_offset"),
        cooling_set_point=number(given, "cooling_temperature_set_point"),
        heating_set_point=number(given, "heating_temperature_set_point"),
        load_adjustment=number(given, "average_load_adjustment_percentage"),
        duty_cycle=number(given, "duty_cycle"),
        event_control=EventControl(number(given, "event_control")),
    )


def cancel_event_of(record: Record) -> drlc.CancelLoadControlEvent:
    """A CancelLoadControlEventRecord as the command."""
    given = record.fields
    return drlc.CancelLoadControlEvent(
        issuer_event_id=number(given, "issuer_event_id"),
        device_class=DeviceClass(number(given, "device_class")),
        utility_enrollment_group=number(given, "utility_enrollment_group"),
        cancel_control=CancelControl(number(given, "cancel_control")),
        effective_time=number(given, "effective_time"),
    )


def message_of(record: Record) -> messaging.DisplayMessage:
    """A DisplayMessageRecord as the command."""
    given = record.fields
    return messaging.DisplayMessage(
        message_id=number(given, "message_id"),
        control=number(given, "message_control"),
        start_time=number(given, "start_time"),
        duration_min=number(given, "duration_in_minutes"),
        message=text(given, "message"),
    )


def price_of(record: Record, now: int) -> price.PublishPrice:
    """A PublishPriceRecord as the command; whatever its `utc_time` says, it is told the time when it is sent."""
    given = record.fields
    return price.PublishPrice(
        provider_id=number(given, "provider_id"),
        rate_label=text(given, "rate_label"),
        issuer_event_id=number(given, "issuer_event_id"),
        current_time=now,
        unit_of_measure=number(given, "unit_of_measure"),
        currency=number(given, "currency"),
        price_trailing_digit_and_tier=number(given, "price_trailing_digit_and_price_tier"),
        number_of_price_tiers_and_register_tier=number(given, "number_of_price_tiers_and_register_tier"),
        start_time=number(given, "start_time"),
        duration_min=number(given, "duration_in_minutes"),
        price=number(given, "price"),
        price_ratio=number(given, "price_ratio"),
        generation_price=number(given, "generation_price"),
        generation_price_ratio=number(given, "generation_price_ratio"),
        alternate_cost_delivered=number(given, "alternate_cost_deliverd"),
        alternate_cost_unit=AlternateCostUnit(number(given, "alternate_cost_unit")),
        alternate_cost_trailing_digit=number(given, "alternate_cost_trailing_digit"),
    )
