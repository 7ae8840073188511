"""Keys of the breakers: how long they live, and new ones. A key goes in and never comes out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.keys import KeyUpdate
from web import schema
from web.auth import Role
from web.routes import API, Call, Route

KeyText = Annotated[str, Meta(min_length=1, max_length=200)]
"""A key in hexadecimal or base64."""


class KeysRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """New keys; the radio may be left out when there is only one."""

    radio: str | UnsetType = UNSET
    broadcast_key: KeyText | UnsetType = UNSET
    unicast_keys: dict[str, KeyText] | UnsetType = UNSET
    """16 hexadecimal digits of a breaker -> its key."""
    issued_at: Annotated[datetime, Meta(tz=True)] | UnsetType = UNSET
    """When they were made: they live for seven days from then. Now, if left out."""

    def __repr__(self) -> str:
        return "KeysRequest(...)"


class KeyList(Struct, frozen=True):
    """The life of every key."""

    keys: list[schema.Key]


async def list_keys(call: Call[None, None]) -> KeyList:
    """List how long the keys live."""
    return KeyList([schema.key(status) for status in call.hub.keys.statuses()])


async def set_keys(call: Call[None, KeysRequest]) -> KeyList:
    """Set new keys, without a restart."""
    body = call.body
    await call.hub.keys.set(
        KeyUpdate(
            radio=None if body.radio is UNSET else body.radio,
            broadcast_key=None if body.broadcast_key is UNSET else body.broadcast_key,
            unicast_keys={} if body.unicast_keys is UNSET else body.unicast_keys,
            issued_at=None if body.issued_at is UNSET else body.issued_at,
        )
    )
    return KeyList([schema.key(status) for status in call.hub.keys.statuses()])


ROUTES = (
    Route("GET", f"{API}/breakers/keys", Role.VIEWER, list_keys, tag="keys"),
    Route("PUT", f"{API}/breakers/keys", Role.ADMIN, set_keys, fails=(404, 507), tag="keys"),
)
