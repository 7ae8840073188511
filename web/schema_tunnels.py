"""Tunnels in JSON, and what the websocket says of them. Data are base64 (RFC 4648, 4)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from hub import events
from hub.smart_energy import tunneling as model
from hub.smart_energy.tunnels import Protocol
from protocols.se.tunneling import NO_MANUFACTURER
from web.schema_base import Count, EventMessage, Time, time


class TunnelProtocol(Struct, frozen=True, kw_only=True):
    """What goes through tunnels: the standard's, or by its code a `manufacturer`'s."""

    protocol: int
    name: str
    manufacturer: int | None


class Tunnel(Struct, frozen=True, kw_only=True):
    """A tunnel. `opened_by`: the `device`, to us, or the `hub`, to it; `number`: as the tunnel's server has given it.

    `sent`, `received` and `waiting` are bytes.
    """

    radio: str
    id: int
    device_id: str
    endpoint: int
    opened_by: str
    protocol: TunnelProtocol
    flow_control: bool
    number: int
    sent: Count
    received: Count
    waiting: Count


class AnsweredProtocol(Struct, frozen=True, kw_only=True):
    """A protocol that a program answers until then, unless it says so again."""

    radio: str
    protocol: TunnelProtocol
    flow_control: bool
    until: Time


class TunnelList(Struct, frozen=True, kw_only=True):
    """The tunnels of a network, and the protocols of which devices may open some."""

    tunnels: list[Tunnel]
    answered: list[AnsweredProtocol]


class TunnelChangedMessage(EventMessage, frozen=True, tag="tunnel_changed", kw_only=True):
    """A tunnel was `opened`, was `closed` (`detail` says why), or the device had no room for our data (`overflow`)."""

    radio: str
    tunnel: int
    device_id: str
    what: str
    detail: str


class TunnelDataMessage(EventMessage, frozen=True, tag="tunnel_data", kw_only=True):
    """A device has sent data through a tunnel, in base64."""

    radio: str
    tunnel: int
    device_id: str
    data: str


TunnelMessage = TunnelChangedMessage | TunnelDataMessage


def protocol(found: Protocol) -> TunnelProtocol:
    """A protocol as interfaces see it."""
    is_makers = found.manufacturer != NO_MANUFACTURER
    return TunnelProtocol(
        protocol=int(found.number),
        name="" if is_makers else found.number.name.lower(),
        manufacturer=found.manufacturer if is_makers else None,
    )


def tunnel(found: model.TunnelView) -> Tunnel:
    """A tunnel as interfaces see it."""
    return Tunnel(
        radio=found.radio,
        id=found.id,
        device_id=found.device_id,
        endpoint=found.endpoint,
        opened_by="device" if found.is_served else "hub",
        protocol=protocol(found.protocol),
        flow_control=found.flow_control,
        number=found.number,
        sent=found.sent,
        received=found.received,
        waiting=found.waiting,
    )


def answered(found: model.Answered, now: datetime) -> AnsweredProtocol:
    """An answered protocol as interfaces see it."""
    return AnsweredProtocol(
        radio=found.radio,
        protocol=protocol(found.protocol),
        flow_control=found.flow_control,
        until=time(now + timedelta(seconds=found.seconds_left)),
    )


def _changed(event: events.TunnelChanged, seq: int) -> TunnelMessage:
    return TunnelChangedMessage(
        seq=seq,
        time=time(event.time),
        radio=event.radio,
        tunnel=event.tunnel,
        device_id=event.device_id,
        what=event.what,
        detail=event.detail,
    )


def _data(event: events.TunnelData, seq: int) -> TunnelMessage:
    return TunnelDataMessage(
        seq=seq,
        time=time(event.time),
        radio=event.radio,
        tunnel=event.tunnel,
        device_id=event.device_id,
        data=b64encode(event.data).decode("ascii"),
    )


MAKERS: Mapping[type[events.HubEvent], Callable[..., TunnelMessage]] = {
    events.TunnelChanged: _changed,
    events.TunnelData: _data,
}
"""How each event is told; each takes the event and its number."""
