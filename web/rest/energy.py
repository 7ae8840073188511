"""The whole home."""

from __future__ import annotations

from web import schema
from web.auth import Role
from web.routes import API, Call, Route


async def show_house(call: Call[None, None]) -> schema.House:
    """Power and energy of the whole home now."""
    return schema.house(call.hub.energy.house())


ROUTES = (Route("GET", f"{API}/energy", Role.VIEWER, show_house, tag="readings"),)
