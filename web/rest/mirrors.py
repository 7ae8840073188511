"""Mirrors of sleepy meters: which there are, and removing one."""

from __future__ import annotations

from hub.errors import InvalidError
from web import schema_mirrors
from web.auth import Role
from web.routes import API, Call, Route

HIGHEST_ENDPOINT = 0xF0


async def list_mirrors(call: Call[None, None]) -> schema_mirrors.MirrorList:
    """List the meters that the hub mirrors on a network."""
    mirrors, radio = call.hub.mirrors, call.path["radio"]
    return schema_mirrors.MirrorList(
        mirrors=[schema_mirrors.mirror(found) for found in mirrors.all(radio)], room=mirrors.room(radio)
    )


async def remove_mirror(call: Call[None, None]) -> schema_mirrors.Mirror:
    """Remove a mirror, and tell its meter. A meter that asks again gets another one."""
    text = call.path["endpoint"]
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:4]) <= HIGHEST_ENDPOINT):
        raise InvalidError("endpoint", text[:20], f"a number from 1 to {HIGHEST_ENDPOINT}")
    return schema_mirrors.mirror(await call.hub.mirrors.remove(call.path["radio"], int(text)))


_MIRRORS = f"{API}/networks/{{radio}}/mirrors"
ROUTES = (
    Route("GET", _MIRRORS, Role.VIEWER, list_mirrors, tag="smart energy"),
    Route("DELETE", f"{_MIRRORS}/{{endpoint}}", Role.ADMIN, remove_mirror, fails=(400, 507), tag="smart energy"),
)
