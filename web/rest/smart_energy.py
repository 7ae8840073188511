"""Demand response events, prices and messages that we make as energy service interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.errors import InvalidError
from hub.smart_energy.utc import to_utc
from protocols.se.base import SeVersion
from protocols.se.drlc import (
    UNUSED_DUTY_CYCLE,
    UNUSED_LOAD_ADJUSTMENT,
    UNUSED_OFFSET,
    UNUSED_SET_POINT,
    CancelControl,
    CancelLoadControlEvent,
    Criticality,
    DeviceClass,
    EventControl,
    LoadControlEvent,
)
from protocols.se.messaging import UNTIL_CHANGED, DisplayMessage, message_control
from protocols.se.price import UNUSED_8, UNUSED_32, AlternateCostUnit, PriceControl, PublishPrice
from web import schema_se
from web.auth import Role
from web.routes import API, Call, Route

FAILS = (404, 409, 503, 507)
"""No such network or item, in use, the radio is down or cannot, the disk."""
DEFAULT_DIGITS = 4
ALL_CLASSES = DeviceClass(0x0FFF)
GIVEN_AS = {"start_time": "start", "price_tier": "tier", "message": "text"}
"""Fields of commands by the names that they have in bodies here, where those differ."""

Radio = Annotated[str, Meta(min_length=1, max_length=64)]
When = Annotated[datetime, Meta(tz=True)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Uint32 = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
Minutes = Annotated[int, Meta(ge=1, le=0xFFFE)]


class WhichRadio(Struct, frozen=True, forbid_unknown_fields=True):
    """By the name of its radio; the only one where it is left out."""

    radio: Radio | UnsetType = UNSET


class NewEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """A demand response event. `issuer_event_id` is the time where it is left out, `start` is now.

    A thermostat is moved by offsets or set points, a switch by `duty_cycle_percent` or `load_adjustment_percent`.
    """

    device_classes: Annotated[list[schema_se.Class], Meta(min_length=1, max_length=12)]
    duration_min: Annotated[int, Meta(ge=1, le=1440)]
    criticality: Annotated[int, Meta(ge=1, le=15)] = 1
    radio: Radio | UnsetType = UNSET
    issuer_event_id: Uint32 | UnsetType = UNSET
    utility_enrollment_group: Annotated[int, Meta(ge=0, le=255)] = 0
    start: When | UnsetType = UNSET
    cooling_offset_c: Annotated[float, Meta(ge=0, le=25.4)] | UnsetType = UNSET
    heating_offset_c: Annotated[float, Meta(ge=0, le=25.4)] | UnsetType = UNSET
    cooling_set_point_c: Annotated[float, Meta(ge=-273.15, le=327.67)] | UnsetType = UNSET
    heating_set_point_c: Annotated[float, Meta(ge=-273.15, le=327.67)] | UnsetType = UNSET
    load_adjustment_percent: Annotated[int, Meta(ge=-100, le=100)] | UnsetType = UNSET
    duty_cycle_percent: Percent | UnsetType = UNSET
    randomize_start: bool = True
    randomize_end: bool = True


class DrlcList(Struct, frozen=True):
    """All demand response events, earliest start first."""

    events: list[schema_se.DrlcEvent]


class CancelQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`classes`, comma between them: for these only; `group`: for devices of that group of the utility, 0: for all.

    `randomize`: running devices end when they have drawn.
    """

    radio: Radio | UnsetType = UNSET
    classes: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    group: Annotated[int, Meta(ge=0, le=255)] = 0
    randomize: bool = False


class CancelAllQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`randomize`: running devices end when they have drawn. No command cancels all for some classes or a group."""

    radio: Radio | UnsetType = UNSET
    randomize: bool = False


class Cancelled(Struct, frozen=True):
    """What was cancelled, and how many clients are told. Events that are not known here may be known to clients."""

    cancelled: list[int]
    clients: int


class NewPrice(Struct, frozen=True, forbid_unknown_fields=True):
    """A price, in units of the currency; `duration_min` null: until another takes its place.

    `issuer_event_id` is the time where it is left out; a larger one is newer. `unit_of_measure` as the Metering
    attribute has it: 0 is kWh, 1 m3.
    """

    price: Annotated[float, Meta(ge=0, le=4_294_967_295)]
    duration_min: Minutes | None = None
    radio: Radio | UnsetType = UNSET
    issuer_event_id: Uint32 | UnsetType = UNSET
    provider_id: Uint32 = 0
    rate_label: Annotated[str, Meta(max_length=12)] = ""
    unit_of_measure: Annotated[int, Meta(ge=0, le=255)] = 0
    currency: Annotated[int, Meta(ge=0, le=0xFFFF)] = 978
    """ISO 4217: 978 EUR, 840 USD, 826 GBP, 756 CHF."""
    digits: Annotated[int, Meta(ge=0, le=9)] = DEFAULT_DIGITS
    """Behind the point."""
    tier: Annotated[int, Meta(ge=0, le=15)] = 0
    tiers: Annotated[int, Meta(ge=0, le=15)] = 0
    acknowledge: bool = False
    """Devices are to say that they have it, which Smart Energy has from 1.1 on (`hub.se_version`)."""
    start: When | UnsetType = UNSET


class PriceList(Struct, frozen=True):
    """All prices, earliest start first."""

    prices: list[schema_se.Price]


class Forgotten(Struct, frozen=True):
    """How many were forgotten, and what that means."""

    forgotten: int
    note: str


class NewMessage(Struct, frozen=True, forbid_unknown_fields=True):
    """A message for people; `duration_min` null: until another one is sent. How long it may be its radio says."""

    text: Annotated[str, Meta(min_length=1)]
    duration_min: Minutes | None = None
    importance: schema_se.ImportanceName = "low"
    confirm: bool = False
    """Somebody is to confirm it."""
    radio: Radio | UnsetType = UNSET
    message_id: Uint32 | UnsetType = UNSET
    start: When | UnsetType = UNSET


class MessageList(Struct, frozen=True):
    """All messages, oldest first."""

    messages: list[schema_se.Message]


class CancelMessageQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`confirm`: somebody is to confirm that it was taken away."""

    radio: Radio | UnsetType = UNSET
    confirm: bool = False


def radio_of(given: str | UnsetType) -> str | None:
    """The radio that is meant; None: the only one."""
    return None if given is UNSET else given


@contextmanager
def fields_of(body: NewEvent | NewPrice | NewMessage) -> Iterator[None]:
    """What the engines find wrong with a field of the command is told of the field that was given."""
    try:
        yield
    except InvalidError as error:
        name = GIVEN_AS.get(error.field, error.field)
        is_start = name == "start" and body.start is not UNSET
        raise InvalidError(name, str(body.start) if is_start else error.value, error.allowed) from None


def start_of(given: datetime | UnsetType, name: str = "start") -> int:
    """A time in the standard's seconds; 0, now, where it is left out. Raises `InvalidError`."""
    if given is UNSET:
        return 0
    seconds = to_utc(given)
    if not 0 < seconds < 0xFFFFFFFF:
        raise InvalidError(name, given.isoformat(), "2000 to 2136")
    return seconds


def number_of(text: str) -> int:
    """A number in a path. Raises `InvalidError`."""
    if not (text.isascii() and text.isdecimal()) or int(text) > 0xFFFFFFFF:
        raise InvalidError("id", text[:20], "0 to 4294967295")
    return int(text)


# -- demand response ---------------------------------------------------------------------------------------------------


async def list_events(call: Call[WhichRadio, None]) -> DrlcList:
    """List demand response events with what each device says to them."""
    hub, now = call.hub, call.hub.clock.now()
    names = hub.smart_energy.listed() if call.query.radio is UNSET else [call.query.radio]
    found = [(name, one) for name in names for one in hub.smart_energy.service(name).drlc.events.values()]
    found.sort(key=lambda pair: (pair[1].start, pair[1].number))
    return DrlcList([schema_se.drlc_event(name, one, now) for name, one in found])


async def create_event(call: Call[None, NewEvent]) -> schema_se.DrlcEvent:
    """Make a demand response event, and send it to every device with a load control client.

    `smart_energy_changed` on the websocket tells of every status that comes back.
    """
    hub, body = call.hub, call.body
    service = hub.smart_energy.service(radio_of(body.radio))

    def tenths(given: float | UnsetType) -> int:
        return UNUSED_OFFSET if given is UNSET else round(10 * given)

    def hundredths(given: float | UnsetType) -> int:
        return UNUSED_SET_POINT if given is UNSET else round(100 * given)

    event = LoadControlEvent(
        issuer_event_id=hub.smart_energy.next_number(service.drlc.events)
        if body.issuer_event_id is UNSET
        else body.issuer_event_id,
        device_class=schema_se.mask_of(body.device_classes),
        utility_enrollment_group=body.utility_enrollment_group,
        start_time=start_of(body.start),
        duration_min=body.duration_min,
        criticality=Criticality(body.criticality),
        cooling_offset=tenths(body.cooling_offset_c),
        heating_offset=tenths(body.heating_offset_c),
        cooling_set_point=hundredths(body.cooling_set_point_c),
        heating_set_point=hundredths(body.heating_set_point_c),
        load_adjustment=UNUSED_LOAD_ADJUSTMENT
        if body.load_adjustment_percent is UNSET
        else body.load_adjustment_percent,
        duty_cycle=UNUSED_DUTY_CYCLE if body.duty_cycle_percent is UNSET else body.duty_cycle_percent,
        event_control=(EventControl.RANDOMIZE_START if body.randomize_start else EventControl(0))
        | (EventControl.RANDOMIZE_END if body.randomize_end else EventControl(0)),
    )
    with fields_of(body):
        made = await hub.smart_energy.create_event(service.name, event)
    return schema_se.drlc_event(service.name, made, hub.clock.now())


async def show_event(call: Call[WhichRadio, None]) -> schema_se.DrlcEvent:
    """Show a demand response event and every status that its devices have reported."""
    hub, radio = call.hub, radio_of(call.query.radio)
    found = hub.smart_energy.event(radio, number_of(call.path["id"]))
    return schema_se.drlc_event(hub.smart_energy.service(radio).name, found, hub.clock.now())


async def cancel_event(call: Call[CancelQuery, None]) -> Cancelled:
    """Cancel a demand response event, whole or for some classes or one group of devices."""
    query, control = call.query, CancelControl.WITH_RANDOMIZATION if call.query.randomize else CancelControl(0)
    classes = ALL_CLASSES
    if query.classes is not UNSET:
        try:
            classes = schema_se.mask_of([schema_se.Class(name) for name in query.classes.split(",")])
        except ValueError:
            raise InvalidError("classes", query.classes[:60], f"some of {', '.join(schema_se.Class)}") from None
    cancel = CancelLoadControlEvent(
        issuer_event_id=number_of(call.path["id"]),
        device_class=classes,
        utility_enrollment_group=query.group,
        cancel_control=control,
    )
    known_event, clients = await call.hub.smart_energy.cancel_event(radio_of(query.radio), cancel)
    return Cancelled([known_event.number] if known_event is not None else [], clients)


async def cancel_all_events(call: Call[CancelAllQuery, None]) -> Cancelled:
    """Cancel all demand response events."""
    control = CancelControl.WITH_RANDOMIZATION if call.query.randomize else CancelControl(0)
    found, clients = await call.hub.smart_energy.cancel_all_events(radio_of(call.query.radio), control)
    return Cancelled([one.number for one in found], clients)


# -- prices ------------------------------------------------------------------------------------------------------------


async def list_prices(call: Call[WhichRadio, None]) -> PriceList:
    """List prices, past ones too while they are kept."""
    hub, service = call.hub, call.hub.smart_energy.service(radio_of(call.query.radio))
    found = sorted(service.prices.prices.values(), key=lambda one: (one.start, one.number))
    return PriceList([schema_se.price(service.name, one, hub.clock.now()) for one in found])


async def current_prices(call: Call[WhichRadio, None]) -> PriceList:
    """Show what it costs now, for each provider and unit."""
    hub, service = call.hub, call.hub.smart_energy.service(radio_of(call.query.radio))
    found = service.prices.current(hub.smart_energy.now())
    return PriceList([schema_se.price(service.name, one, hub.clock.now()) for one in found])


async def publish_price(call: Call[None, NewPrice]) -> schema_se.Price:
    """Publish a price to every display and device that takes prices."""
    hub, body = call.hub, call.body
    service = hub.smart_energy.service(radio_of(body.radio))
    if body.acknowledge and service.version < SeVersion.V1_1:
        raise InvalidError("acknowledge", True, "false while hub.se_version is 1.0, which has no such question")
    amount = round(body.price * 10**body.digits)
    if amount > 0xFFFFFFFF:
        raise InvalidError("price", f"{body.price:g} with {body.digits} digits", "at most 4294967295 in all digits")
    wire = PublishPrice(
        provider_id=body.provider_id,
        rate_label=body.rate_label,
        issuer_event_id=hub.smart_energy.next_number(service.prices.prices)
        if body.issuer_event_id is UNSET
        else body.issuer_event_id,
        current_time=0,
        unit_of_measure=body.unit_of_measure,
        currency=body.currency,
        price_trailing_digit_and_tier=body.digits << 4 | body.tier,
        number_of_price_tiers_and_register_tier=body.tiers << 4 | body.tier,
        start_time=start_of(body.start),
        duration_min=UNTIL_CHANGED if body.duration_min is None else body.duration_min,
        price=amount,
        alternate_cost_delivered=UNUSED_32,
        alternate_cost_unit=AlternateCostUnit.NONE,
        alternate_cost_trailing_digit=UNUSED_8,
        number_of_block_thresholds=UNUSED_8,
        price_control=PriceControl.ACKNOWLEDGE if body.acknowledge else PriceControl(0),
    )
    with fields_of(body):
        made = await hub.smart_energy.publish_price(service.name, wire)
    return schema_se.price(service.name, made, hub.clock.now())


async def cancel_all_prices(call: Call[WhichRadio, None]) -> Forgotten:
    """Forget all prices here. No command takes a published price back: publish another one for that."""
    count = await call.hub.smart_energy.cancel_all_prices(radio_of(call.query.radio))
    note = "forgotten here only: devices keep the prices that they have until a newer one takes their place"
    return Forgotten(count, note)


# -- messages ----------------------------------------------------------------------------------------------------------


async def list_messages(call: Call[WhichRadio, None]) -> MessageList:
    """List messages, and who has confirmed them."""
    hub, service = call.hub, call.hub.smart_energy.service(radio_of(call.query.radio))
    found, replaced = service.messages.messages.values(), service.messages.replaced(hub.smart_energy.now())
    return MessageList(
        [schema_se.message(service.name, one, hub.clock.now(), is_replaced=one.number in replaced) for one in found]
    )


async def send_message(call: Call[None, NewMessage]) -> schema_se.Message:
    """Have a message shown on every display."""
    hub, body = call.hub, call.body
    service = hub.smart_energy.service(radio_of(body.radio))
    message = DisplayMessage(
        message_id=hub.smart_energy.next_number(service.messages.messages)
        if body.message_id is UNSET
        else body.message_id,
        control=message_control(schema_se.importance(body.importance), confirm=body.confirm),
        start_time=start_of(body.start),
        duration_min=UNTIL_CHANGED if body.duration_min is None else body.duration_min,
        message=body.text,
    )
    with fields_of(body):
        made = await hub.smart_energy.send_message(service.name, message)
    return schema_se.message(service.name, made, hub.clock.now())


async def cancel_message(call: Call[CancelMessageQuery, None]) -> Cancelled:
    """Take a message away."""
    query = call.query
    known, clients = await call.hub.smart_energy.cancel_message(
        radio_of(query.radio), number_of(call.path["id"]), confirm=query.confirm
    )
    return Cancelled([known.number] if known is not None else [], clients)


async def cancel_all_messages(call: Call[CancelMessageQuery, None]) -> Cancelled:
    """Take all messages away."""
    query = call.query
    found, clients = await call.hub.smart_energy.cancel_all_messages(radio_of(query.radio), confirm=query.confirm)
    return Cancelled([one.number for one in found], clients)


_EVENTS = f"{API}/events"
ROUTES = tuple(
    Route(method, f"{_EVENTS}/{path}", role, handler, status=status, fails=FAILS, tag="smart energy")
    for method, path, role, handler, status in (
        ("GET", "drlc", Role.VIEWER, list_events, 200),
        ("POST", "drlc", Role.OPERATOR, create_event, 201),
        ("DELETE", "drlc", Role.OPERATOR, cancel_all_events, 200),
        ("GET", "drlc/{id}", Role.VIEWER, show_event, 200),
        ("DELETE", "drlc/{id}", Role.OPERATOR, cancel_event, 200),
        ("GET", "price", Role.VIEWER, list_prices, 200),
        ("GET", "price/current", Role.VIEWER, current_prices, 200),
        ("POST", "price", Role.OPERATOR, publish_price, 201),
        ("DELETE", "price", Role.OPERATOR, cancel_all_prices, 200),
        ("GET", "message", Role.VIEWER, list_messages, 200),
        ("POST", "message", Role.OPERATOR, send_message, 201),
        ("DELETE", "message", Role.OPERATOR, cancel_all_messages, 200),
        ("DELETE", "message/{id}", Role.OPERATOR, cancel_message, 200),
    )
)
