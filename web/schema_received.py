"""What energy service interfaces have told us, in JSON: events, prices and messages that came to us as a client."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from msgspec import Struct

from hub.smart_energy.drlc_client import ClientEvent
from hub.smart_energy.messages import ClientMessage
from hub.smart_energy.peer import Peer
from hub.smart_energy.premises import EnergyClient
from hub.smart_energy.price_client import ClientPrice
from hub.smart_energy.utc import from_utc
from hub.zigbee.member import device_id_of
from web.schema_base import Time, time_or_none
from web.schema_se import EventFields, ItemState, MessageFields, PriceFields, event_fields, message_fields, price_fields


class ReceivedEvent(EventFields, frozen=True, kw_only=True):
    """A demand response event; `start` and `end` with what was drawn, `status` as last reported, `servers`: ids."""

    state: ItemState
    status: str
    opted_out: bool
    cancels: Time | None
    """When a cancel that has come takes effect."""
    servers: list[str]


class ReceivedPrice(PriceFields, frozen=True, kw_only=True):
    """A price, in units of its currency (ISO 4217, as a number). `end` null: until another takes its place."""

    servers: list[str]


class MessageShown(Enum):
    """What has become of a message."""

    WAITING = "waiting"
    SHOWN = "shown"
    OVER = "over"
    REPLACED = "replaced"
    CANCELLED = "cancelled"


class ReceivedMessage(MessageFields, frozen=True, kw_only=True):
    """A message for people; `waits_for_person`: somebody is to confirm it."""

    state: MessageShown
    waits_for_person: bool
    confirmed: Time | None
    servers: list[str]


class Received(Struct, frozen=True, kw_only=True):
    """All of it, by start; what is over for a day, so that people see it."""

    events: list[ReceivedEvent]
    prices: list[ReceivedPrice]
    messages: list[ReceivedMessage]


def received(clients: list[EnergyClient], now: Callable[[str], int]) -> Received:
    """What has come to these clients; `now(radio)`: the standard's time on a network."""
    return Received(
        events=sorted(
            (
                event(client, one)
                for client in clients
                for one in (*client.drlc.past.values(), *client.drlc.events.values())
            ),
            key=lambda row: row.start,
        ),
        prices=sorted(
            (price(client, one, now(client.name)) for client in clients for one in client.prices.prices.values()),
            key=lambda row: row.start,
        ),
        messages=[message(client, one) for client in clients for one in client.messages.messages.values()],
    )


def event(client: EnergyClient, one: ClientEvent) -> ReceivedEvent:
    """An event as interfaces see it."""
    ends = one.ends(client.version)
    if one.ended_at is not None and one.begins < one.ended_at < ends:
        ends = one.ended_at
    fields = event_fields(client.name, one.event, one.classes, one.begins, ends)
    return ReceivedEvent(
        **fields,
        state=ItemState(one.state.value),
        status=one.last_status.name.lower(),
        opted_out=one.is_out,
        cancels=time_or_none(None if one.cancel_at is None else from_utc(one.cancel_at)),
        servers=_servers(one.issuers),
    )


def price(client: EnergyClient, one: ClientPrice, now: int) -> ReceivedPrice:
    """A price as interfaces see it."""
    return ReceivedPrice(**price_fields(client.name, one.price, one.start, one.end, now), servers=_servers(one.servers))


def message(client: EnergyClient, one: ClientMessage) -> ReceivedMessage:
    """A message as interfaces see it."""
    return ReceivedMessage(
        **message_fields(client.name, one.message, one.start, one.end),
        state=MessageShown(one.state.value),
        waits_for_person=one.waits_for_person,
        confirmed=time_or_none(None if one.confirmed_at is None else from_utc(one.confirmed_at)),
        servers=_servers(one.servers),
    )


def _servers(peers: list[Peer]) -> list[str]:
    return [device_id_of(peer.ieee) for peer in peers]
