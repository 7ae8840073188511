"""The client's calls of mirrors: a part of `web.client.HubClient`, with the answers as it takes them."""

from __future__ import annotations

from urllib.parse import quote

from msgspec import Struct

from web.client_calls import Calls


class Mirror(Struct, frozen=True):
    """A meter, and the endpoint of the hub that keeps its values."""

    radio: str
    endpoint: int
    device_id: str
    device_endpoint: int
    meter: str = ""
    attributes: int = 0
    heard_at: str | None = None


class Mirrors(Struct, frozen=True):
    """The mirrors of a network, and for how many more there is room."""

    mirrors: tuple[Mirror, ...]
    room: int = 0


class MirrorChanged(Struct, frozen=True, tag_field="event", tag="mirror_changed", kw_only=True):
    """A meter is mirrored, or is no more."""

    seq: int
    time: str
    radio: str
    endpoint: int
    device_id: str
    what: str


class MirrorCalls(Calls):
    """Calls of /api/v1/networks/{radio}/mirrors."""

    async def mirrors(self, radio: str) -> Mirrors:
        """The mirrors of a network."""
        return await self._call("GET", f"/api/v1/networks/{quote(radio, safe='')}/mirrors", Mirrors)

    async def remove_mirror(self, radio: str, endpoint: int) -> Mirror:
        """Remove one."""
        return await self._call("DELETE", f"/api/v1/networks/{quote(radio, safe='')}/mirrors/{endpoint}", Mirror)
