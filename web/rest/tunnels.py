"""Tunnels: which there are, opening, sending, closing, and the protocols that a program answers."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.errors import InvalidError, NotFoundError
from hub.smart_energy.tunneling import DEFAULT_LEASE_S, MAX_LEASE_S
from hub.smart_energy.tunnels import MAX_WAITING_BYTES, Protocol
from protocols.se.tunneling import NO_MANUFACTURER, TunnelProtocol
from web import schema_tunnels
from web.auth import Role
from web.routes import API, Call, Route

FAILS = (409, 503)
MAX_BASE64 = (MAX_WAITING_BYTES + 2) // 3 * 4

Manufacturer = Annotated[int, Meta(ge=0, le=0xFFFE)]


class NewTunnel(Struct, frozen=True, forbid_unknown_fields=True):
    """A tunnel to a device; protocols from 200 on have a `manufacturer`. `endpoint`: else the first that has any."""

    device_id: Annotated[str, Meta(min_length=1, max_length=64)]
    protocol: Annotated[int, Meta(ge=0, le=254)]
    manufacturer: Manufacturer | UnsetType = UNSET
    endpoint: Annotated[int, Meta(ge=1, le=240)] | UnsetType = UNSET
    flow_control: bool = False


class TunnelBytes(Struct, frozen=True, forbid_unknown_fields=True):
    """Data for the other end, in base64."""

    data: Annotated[str, Meta(max_length=MAX_BASE64)]


class AnswerProtocol(Struct, frozen=True, forbid_unknown_fields=True):
    """For how long somebody answers a protocol from now on."""

    manufacturer: Manufacturer | UnsetType = UNSET
    flow_control: bool = True
    lease_s: Annotated[int, Meta(ge=1, le=MAX_LEASE_S)] = DEFAULT_LEASE_S


class WhichMaker(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose protocol, from 200 on."""

    manufacturer: Manufacturer | UnsetType = UNSET


async def list_tunnels(call: Call[None, None]) -> schema_tunnels.TunnelList:
    """List tunnels, and the protocols of which devices may open some."""
    tunnels, radio, now = call.hub.tunnels, call.path["radio"], call.hub.clock.now()
    return schema_tunnels.TunnelList(
        tunnels=[schema_tunnels.tunnel(found) for found in tunnels.all(radio)],
        answered=[schema_tunnels.answered(found, now) for found in tunnels.answered(radio)],
    )


async def open_tunnel(call: Call[None, NewTunnel]) -> schema_tunnels.Tunnel:
    """Open a tunnel to a device. What comes through it is `tunnel_data` on the websocket: connect that first."""
    body, hub = call.body, call.hub
    radio = hub.networks.get(call.path["radio"]).radio
    if hub.devices.get(body.device_id).radio != radio:
        raise NotFoundError(f"device of {radio}", body.device_id)
    found = await hub.tunnels.open(
        body.device_id,
        None if body.endpoint is UNSET else body.endpoint,
        _protocol(body.protocol, body.manufacturer),
        flow_control=body.flow_control,
    )
    return schema_tunnels.tunnel(found)


async def send_data(call: Call[None, TunnelBytes]) -> schema_tunnels.Tunnel:
    """Send data through a tunnel; `waiting` in the answer is what has not gone yet."""
    try:
        data = b64decode(call.body.data, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidError("data", call.body.data[:40], "base64") from None
    return schema_tunnels.tunnel(call.hub.tunnels.send(call.path["radio"], _number(call.path["id"]), data))


async def close_tunnel(call: Call[None, None]) -> schema_tunnels.Tunnel:
    """Close a tunnel; the device is told."""
    return schema_tunnels.tunnel(call.hub.tunnels.close(call.path["radio"], _number(call.path["id"])))


async def answer_protocol(call: Call[None, AnswerProtocol]) -> schema_tunnels.AnsweredProtocol:
    """Answer a protocol: devices may open tunnels of it to us, for `lease_s` from now on. Say so again in time."""
    body = call.body
    found = call.hub.tunnels.answer(
        call.path["radio"],
        _protocol(_of_path(call.path["protocol"]), body.manufacturer),
        body.lease_s,
        flow_control=body.flow_control,
    )
    return schema_tunnels.answered(found, call.hub.clock.now())


async def stop_protocol(call: Call[WhichMaker, None]) -> schema_tunnels.TunnelList:
    """Answer a protocol no more: its tunnels are closed."""
    number = _of_path(call.path["protocol"])
    call.hub.tunnels.stop(call.path["radio"], _protocol(number, call.query.manufacturer))
    tunnels, now = call.hub.tunnels, call.hub.clock.now()
    return schema_tunnels.TunnelList(
        tunnels=[schema_tunnels.tunnel(found) for found in tunnels.all(call.path["radio"])],
        answered=[schema_tunnels.answered(found, now) for found in tunnels.answered(call.path["radio"])],
    )


def _protocol(number: int, manufacturer: int | UnsetType) -> Protocol:
    try:
        return Protocol(TunnelProtocol(number), NO_MANUFACTURER if manufacturer is UNSET else manufacturer)
    except ValueError as error:
        raise InvalidError("protocol", number, f"0 to 199, or 200 to 254 with a manufacturer code ({error})") from None


def _of_path(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 3):
        raise InvalidError("protocol", text[:20], "a number from 0 to 254")
    return int(text)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise InvalidError("id", text[:20], "the number of a tunnel")
    return int(text)


_NETWORK = f"{API}/networks/{{radio}}"
_TUNNELS, _PROTOCOL = f"{_NETWORK}/tunnels", f"{_NETWORK}/tunnel-protocols/{{protocol}}"
_TAG = "smart energy"
ROUTES = (
    Route("GET", _TUNNELS, Role.VIEWER, list_tunnels, tag=_TAG),
    Route("POST", _TUNNELS, Role.ADMIN, open_tunnel, status=201, fails=FAILS, tag=_TAG),
    Route("POST", f"{_TUNNELS}/{{id}}/data", Role.ADMIN, send_data, fails=FAILS, tag=_TAG),
    Route("DELETE", f"{_TUNNELS}/{{id}}", Role.ADMIN, close_tunnel, fails=(400,), tag=_TAG),
    Route("PUT", _PROTOCOL, Role.ADMIN, answer_protocol, fails=FAILS, tag=_TAG),
    Route("DELETE", _PROTOCOL, Role.ADMIN, stop_protocol, fails=(400, *FAILS), tag=_TAG),
)
