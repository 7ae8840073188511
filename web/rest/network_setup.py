"""Which network a radio forms or joins, and leaving it."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from web import schema_zigbee
from web.auth import Role
from web.routes import API, Call, Route

FAILS = (409, 503)
"""The radio cannot, or is down."""


class NetworkConfiguration(Struct, frozen=True, forbid_unknown_fields=True):
    """The network to form or to join; what is left out stays. `confirm` is the radio's name, since it leaves its own.

    `extended_pan_id` is 16 hex digits or `any`. The installation code or link key is the one that it joins with; it is
    never told again. A new `join_interval_s` by itself needs no `confirm`.
    """

    confirm: Annotated[str, Meta(max_length=64)] = ""
    extended_pan_id: Annotated[str, Meta(max_length=24)] | UnsetType = UNSET
    channels: Annotated[list[int], Meta(max_length=16)] | UnsetType = UNSET
    install_code: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    link_key: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    join_interval_s: Annotated[int, Meta(ge=5, le=86400)] | UnsetType = UNSET

    def __repr__(self) -> str:
        return "NetworkConfiguration(...)"


class LeaveRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`confirm` is the radio's name."""

    confirm: Annotated[str, Meta(max_length=64)]


async def configure(call: Call[None, NetworkConfiguration]) -> schema_zigbee.Network:
    """Form or join another network; the answer shows how far that is, and `network_changed` on the websocket the rest.

    A coordinator loses its devices by this: they have to be joined again.
    """
    hub, radio, body = call.hub, call.path["radio"], call.body
    await hub.network_setup.configure(
        radio,
        body.confirm,
        extended_pan_id=None if body.extended_pan_id is UNSET else body.extended_pan_id,
        channels=None if body.channels is UNSET else body.channels,
        install_code=None if body.install_code is UNSET else body.install_code,
        link_key=None if body.link_key is UNSET else body.link_key,
        join_interval_s=None if body.join_interval_s is UNSET else body.join_interval_s,
    )
    return schema_zigbee.network(hub.networks.get(radio), hub.clock.now())


async def leave(call: Call[None, LeaveRequest]) -> schema_zigbee.Network:
    """Leave the network that a router has joined; it looks for one at once, and then at the join interval."""
    hub, radio = call.hub, call.path["radio"]
    await hub.network_setup.leave(radio, call.body.confirm)
    return schema_zigbee.network(hub.networks.get(radio), hub.clock.now())


_ONE = f"{API}/networks/{{radio}}"
ROUTES = (
    Route("POST", f"{_ONE}/configure", Role.ADMIN, configure, fails=(*FAILS, 507), tag="networks"),
    Route("POST", f"{_ONE}/leave", Role.ADMIN, leave, fails=FAILS, tag="networks"),
)
