"""Demand response events, prices and messages that come to us as a client, and what people say to them."""

from __future__ import annotations

from web import schema_received
from web.auth import Role
from web.rest.smart_energy import FAILS, WhichRadio, number_of, radio_of
from web.routes import API, Call, Route


async def list_all(call: Call[WhichRadio, None]) -> schema_received.Received:
    """List what energy service interfaces have told us. Empty where `hub.role` makes us no client."""
    hub = call.hub
    radio = radio_of(call.query.radio)
    clients = list(hub.premises.clients.values()) if radio is None else [hub.premises.client(radio)]
    return schema_received.received(clients, hub.premises.utc)


async def opt_out(call: Call[WhichRadio, None]) -> schema_received.ReceivedEvent:
    """Do not take part in an event, from now on. The interface is told."""
    client = call.hub.premises.client(radio_of(call.query.radio))
    chosen = client.opt_out(number_of(call.path["id"]))
    await call.hub.premises.keep()
    return schema_received.event(client, chosen)


async def opt_in(call: Call[WhichRadio, None]) -> schema_received.ReceivedEvent:
    """Take part in an event after all. The interface is told."""
    client = call.hub.premises.client(radio_of(call.query.radio))
    chosen = client.opt_in(number_of(call.path["id"]))
    await call.hub.premises.keep()
    return schema_received.event(client, chosen)


async def confirm(call: Call[WhichRadio, None]) -> schema_received.ReceivedMessage:
    """Confirm that somebody has read a message. The interface is told."""
    client = call.hub.premises.client(radio_of(call.query.radio))
    confirmed = client.confirm(number_of(call.path["id"]))
    await call.hub.premises.keep()
    return schema_received.message(client, confirmed)


_EVENTS = f"{API}/events"
ROUTES = (
    Route("GET", f"{_EVENTS}/received", Role.VIEWER, list_all, fails=FAILS, tag="smart energy"),
    Route("POST", f"{_EVENTS}/drlc/{{id}}/opt-out", Role.OPERATOR, opt_out, fails=FAILS, tag="smart energy"),
    Route("POST", f"{_EVENTS}/drlc/{{id}}/opt-in", Role.OPERATOR, opt_in, fails=FAILS, tag="smart energy"),
    Route("POST", f"{_EVENTS}/message/{{id}}/confirm", Role.OPERATOR, confirm, fails=FAILS, tag="smart energy"),
)
