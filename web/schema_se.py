"""Smart Energy in JSON: demand response events with their matrix of statuses, prices, messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any, Literal

from msgspec import Struct

from hub import events
from hub.smart_energy.drlc_server import ServerEvent
from hub.smart_energy.messages import ServerMessage
from hub.smart_energy.peer import Peer
from hub.smart_energy.price_server import ServerPrice, amount_of, tier_of
from hub.smart_energy.utc import from_utc, to_utc
from hub.zigbee.member import device_id_of
from protocols.se.base import INVALID_UTC
from protocols.se.drlc import (
    UNUSED_DUTY_CYCLE,
    UNUSED_LOAD_ADJUSTMENT,
    UNUSED_OFFSET,
    UNUSED_SET_POINT,
    DeviceClass,
    EventControl,
    LoadControlEvent,
)
from protocols.se.messaging import DisplayMessage, Importance, importance_of, wants_confirmation
from protocols.se.price import PublishPrice
from web.schema_base import EventMessage, Time, time, time_or_none


class Class(StrEnum):
    """What a load is."""

    HVAC = "hvac"
    STRIP_HEATER = "strip_heater"
    WATER_HEATER = "water_heater"
    POOL_PUMP = "pool_pump"
    SMART_APPLIANCE = "smart_appliance"
    IRRIGATION_PUMP = "irrigation_pump"
    COMMERCIAL_LOAD = "commercial_load"
    SIMPLE_LOAD = "simple_load"
    EXTERIOR_LIGHTING = "exterior_lighting"
    INTERIOR_LIGHTING = "interior_lighting"
    EV = "ev"
    GENERATION = "generation"


def classes_of(mask: DeviceClass) -> list[Class]:
    """The classes of a mask."""
    return [one for one in Class if DeviceClass[one.name] & mask]


def mask_of(classes: list[Class]) -> DeviceClass:
    """The mask of classes."""
    mask = DeviceClass(0)
    for one in classes:
        mask |= DeviceClass[one.name]
    return mask


class ItemState(Enum):
    """Where an event, a price or a message is."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    OVER = "over"
    CANCELLED = "cancelled"


def state_of(start: int, end: int | None, now: int, *, cancelled: bool = False) -> ItemState:
    """By its times."""
    if cancelled:
        return ItemState.CANCELLED
    if end is not None and end <= now:
        return ItemState.OVER
    return ItemState.SCHEDULED if now < start else ItemState.RUNNING


class EventStatusTold(Struct, frozen=True):
    """A status that a device has reported: `time` by its clock, null where that is not set; `received` by ours.

    `signature` (SE 1.0): an invalid one is another's, or the report was changed; unverified: no certificate of the
    device is known.
    """

    status: str
    code: int
    time: Time | None
    received: Time
    signature: Literal["none", "valid", "invalid", "unverified"]


class EventStatusReportedMessage(EventMessage, frozen=True, tag="event_status_reported", kw_only=True):
    """A device has reported a status of a demand response event; `is_known`: the event is ours."""

    radio: str
    device_id: str
    endpoint: int
    id: int
    status: str
    code: int
    is_known: bool


def _event_status_reported(event: events.EventStatusReported, seq: int) -> EventStatusReportedMessage:
    return EventStatusReportedMessage(
        seq=seq,
        time=time(event.time),
        radio=event.radio,
        device_id=event.device_id,
        endpoint=event.endpoint,
        id=event.report.issuer_event_id,
        status=event.report.status.name.lower(),
        code=int(event.report.status),
        is_known=event.is_known,
    )


MAKERS: Mapping[type[events.HubEvent], Callable[..., EventStatusReportedMessage]] = {
    events.EventStatusReported: _event_status_reported
}
"""How each event is told; each takes the event and its number."""


class EventClient(Struct, frozen=True):
    """What a device says to an event; `status` is its last word."""

    device_id: str
    endpoint: int
    delivered: bool
    status: str | None
    statuses: list[EventStatusTold]


class EventFields(Struct, frozen=True, kw_only=True):
    """What a load control event asks for. Null: it does not say it."""

    radio: str
    issuer_event_id: int
    device_classes: list[Class]
    utility_enrollment_group: int
    start: Time
    end: Time
    duration_min: int
    criticality: int
    cooling_offset_c: float | None
    heating_offset_c: float | None
    cooling_set_point_c: float | None
    heating_set_point_c: float | None
    load_adjustment_percent: int | None
    duty_cycle_percent: int | None
    randomize_start: bool
    randomize_end: bool


def event_fields(radio: str, event: LoadControlEvent, classes: DeviceClass, start: int, end: int) -> dict[str, Any]:
    """Of `EventFields`."""
    return {
        "radio": radio,
        "issuer_event_id": event.issuer_event_id,
        "device_classes": classes_of(classes or event.device_class),
        "utility_enrollment_group": event.utility_enrollment_group,
        "start": time(from_utc(start)),
        "end": time(from_utc(end)),
        "duration_min": event.duration_min,
        "criticality": int(event.criticality),
        "cooling_offset_c": None if event.cooling_offset == UNUSED_OFFSET else event.cooling_offset / 10,
        "heating_offset_c": None if event.heating_offset == UNUSED_OFFSET else event.heating_offset / 10,
        "cooling_set_point_c": None if event.cooling_set_point == UNUSED_SET_POINT else event.cooling_set_point / 100,
        "heating_set_point_c": None if event.heating_set_point == UNUSED_SET_POINT else event.heating_set_point / 100,
        "load_adjustment_percent": None if event.load_adjustment == UNUSED_LOAD_ADJUSTMENT else event.load_adjustment,
        "duty_cycle_percent": None if event.duty_cycle == UNUSED_DUTY_CYCLE else event.duty_cycle,
        "randomize_start": bool(event.event_control & EventControl.RANDOMIZE_START),
        "randomize_end": bool(event.event_control & EventControl.RANDOMIZE_END),
    }


class DrlcEvent(EventFields, frozen=True, kw_only=True):
    """A demand response and load control event of ours."""

    state: ItemState
    superseded_by: int | None
    clients: list[EventClient]


def drlc_event(radio: str, item: ServerEvent, now: datetime) -> DrlcEvent:
    """An event as interfaces see it."""
    peers = sorted(item.delivered | set(item.told), key=str)
    return DrlcEvent(
        **event_fields(radio, item.event, item.classes, item.start, item.end),
        state=state_of(item.start, item.end, to_utc(now), cancelled=item.cancelled),
        superseded_by=item.superseded_by,
        clients=[_client(item, peer) for peer in peers],
    )


def _client(item: ServerEvent, peer: Peer) -> EventClient:
    told = item.told.get(peer, [])
    return EventClient(
        device_id=device_id_of(peer.ieee),
        endpoint=peer.endpoint,
        delivered=peer in item.delivered,
        status=told[-1].status.name.lower() if told else None,
        statuses=[
            EventStatusTold(
                one.status.name.lower(),
                int(one.status),
                time_or_none(None if one.time == INVALID_UTC else from_utc(one.time)),
                time(from_utc(one.received)),
                one.signature.value,
            )
            for one in told
        ],
    )


class ItemClient(Struct, frozen=True):
    """A device that has a price or a message, and whether somebody there has said so."""

    device_id: str
    endpoint: int
    acknowledged: Time | None


def _clients(delivered: set[Peer], said: dict[Peer, int]) -> list[ItemClient]:
    return [
        ItemClient(
            device_id_of(peer.ieee),
            peer.endpoint,
            time_or_none(from_utc(said[peer]) if said.get(peer, INVALID_UTC) != INVALID_UTC else None),
        )
        for peer in sorted(delivered | set(said), key=str)
    ]


class PriceFields(Struct, frozen=True, kw_only=True):
    """A price, in units of its currency (ISO 4217, as a number). `end` null: until another takes its place."""

    radio: str
    issuer_event_id: int
    state: ItemState
    provider_id: int
    rate_label: str
    unit_of_measure: int
    currency: int
    price: float
    tier: int
    start: Time
    end: Time | None


def price_fields(radio: str, wire: PublishPrice, start: int, end: int | None, now: int) -> dict[str, Any]:
    """Of `PriceFields`; `now` by the clock that the price goes by."""
    return {
        "radio": radio,
        "issuer_event_id": wire.issuer_event_id,
        "state": state_of(start, end, now),
        "provider_id": wire.provider_id,
        "rate_label": wire.rate_label,
        "unit_of_measure": wire.unit_of_measure,
        "currency": wire.currency,
        "price": amount_of(wire),
        "tier": tier_of(wire),
        **_span(start, end),
    }


def _span(start: int, end: int | None) -> dict[str, str | None]:
    return {"start": time(from_utc(start)), "end": time_or_none(None if end is None else from_utc(end))}


class Price(PriceFields, frozen=True, kw_only=True):
    """A price of ours, in units of its currency (ISO 4217, as a number). `end` null: until another takes its place."""

    clients: list[ItemClient]


def price(radio: str, item: ServerPrice, now: datetime) -> Price:
    """A price as interfaces see it."""
    return Price(
        **price_fields(radio, item.price, item.start, item.end, to_utc(now)),
        clients=_clients(item.delivered, item.acknowledged),
    )


ImportanceName = Literal["low", "medium", "high", "critical"]


class MessageFields(Struct, frozen=True, kw_only=True):
    """A message for people. `end` null: until another takes its place."""

    radio: str
    message_id: int
    text: str
    importance: str
    wants_confirmation: bool
    start: Time
    end: Time | None


def message_fields(radio: str, wire: DisplayMessage, start: int, end: int | None) -> dict[str, Any]:
    """Of `MessageFields`."""
    return {
        "radio": radio,
        "message_id": wire.message_id,
        "text": wire.message,
        "importance": importance_of(wire.control).name.lower(),
        "wants_confirmation": wants_confirmation(wire.control),
        **_span(start, end),
    }


class MessageState(Enum):
    """Where a message is; `replaced`: by a newer one, since a display shows one at a time."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    OVER = "over"
    CANCELLED = "cancelled"
    REPLACED = "replaced"


class Message(MessageFields, frozen=True, kw_only=True):
    """A message for people; `acknowledged` of a client is when somebody confirmed it there."""

    state: MessageState
    clients: list[ItemClient]


def message(radio: str, item: ServerMessage, now: datetime, *, is_replaced: bool = False) -> Message:
    """A message as interfaces see it; `is_replaced`: by a newer one."""
    state = state_of(item.start, item.end, to_utc(now), cancelled=item.cancelled)
    return Message(
        **message_fields(radio, item.message, item.start, item.end),
        state=MessageState.REPLACED if is_replaced and state is ItemState.RUNNING else MessageState(state.value),
        clients=_clients(item.delivered, item.confirmed),
    )


def importance(name: str) -> Importance:
    """By its name."""
    return Importance[name.upper()]
