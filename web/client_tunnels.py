"""The client's calls of tunnels: a part of `web.client.HubClient`, with the answers as it takes them."""

from __future__ import annotations

from base64 import b64decode, b64encode
from urllib.parse import quote

from msgspec import Struct

from web.client_calls import COMMAND_TIMEOUT_S, Calls


class TunnelProtocol(Struct, frozen=True):
    """What goes through tunnels."""

    protocol: int
    name: str = ""
    manufacturer: int | None = None


class Tunnel(Struct, frozen=True):
    """A tunnel; `sent`, `received` and `waiting` are bytes."""

    radio: str
    id: int
    device_id: str
    endpoint: int
    opened_by: str
    protocol: TunnelProtocol
    flow_control: bool = False
    sent: int = 0
    received: int = 0
    waiting: int = 0


class AnsweredProtocol(Struct, frozen=True):
    """A protocol of which devices may open tunnels."""

    radio: str
    protocol: TunnelProtocol
    until: str
    flow_control: bool = True


class Tunnels(Struct, frozen=True):
    """The tunnels of a network, and the protocols that somebody answers."""

    tunnels: tuple[Tunnel, ...] = ()
    answered: tuple[AnsweredProtocol, ...] = ()


class TunnelChanged(Struct, frozen=True, tag_field="event", tag="tunnel_changed", kw_only=True):
    """A tunnel was opened or closed, or data of ours were lost."""

    seq: int
    time: str
    radio: str
    tunnel: int
    device_id: str
    what: str
    detail: str = ""


class TunnelData(Struct, frozen=True, tag_field="event", tag="tunnel_data", kw_only=True):
    """A device has sent data through a tunnel."""

    seq: int
    time: str
    radio: str
    tunnel: int
    device_id: str
    data: str

    @property
    def raw(self) -> bytes:
        """The data themselves. Raises `ValueError`."""
        return b64decode(self.data, validate=True)


class TunnelCalls(Calls):
    """Calls of /api/v1/networks/{radio}/tunnels."""

    async def tunnels(self, radio: str) -> Tunnels:
        """The tunnels of a network."""
        return await self._call("GET", _path(radio), Tunnels)

    async def open_tunnel(
        self,
        radio: str,
        device_id: str,
        protocol: int,
        *,
        manufacturer: int | None = None,
        endpoint: int | None = None,
        flow_control: bool = False,
    ) -> Tunnel:
        """Open one to a device."""
        body: dict[str, object] = {"device_id": device_id, "protocol": protocol, "flow_control": flow_control}
        if manufacturer is not None:
            body["manufacturer"] = manufacturer
        if endpoint is not None:
            body["endpoint"] = endpoint
        return await self._call("POST", _path(radio), Tunnel, body=body, timeout_s=COMMAND_TIMEOUT_S)

    async def send_tunnel(self, radio: str, number: int, data: bytes) -> Tunnel:
        """Send data through one."""
        body = {"data": b64encode(data).decode("ascii")}
        return await self._call("POST", f"{_path(radio)}/{number}/data", Tunnel, body=body)

    async def close_tunnel(self, radio: str, number: int) -> Tunnel:
        """Close one."""
        return await self._call("DELETE", f"{_path(radio)}/{number}", Tunnel)

    async def answer_protocol(
        self, radio: str, protocol: int, *, manufacturer: int | None = None, lease_s: int
    ) -> AnsweredProtocol:
        """Answer a protocol for a while: devices may open tunnels of it."""
        body: dict[str, object] = {"lease_s": lease_s}
        if manufacturer is not None:
            body["manufacturer"] = manufacturer
        return await self._call("PUT", _protocol_path(radio, protocol), AnsweredProtocol, body=body)

    async def stop_protocol(self, radio: str, protocol: int, *, manufacturer: int | None = None) -> Tunnels:
        """Answer it no more."""
        query = {"manufacturer": None if manufacturer is None else str(manufacturer)}
        return await self._call("DELETE", _protocol_path(radio, protocol), Tunnels, query=query)


def _path(radio: str) -> str:
    return f"/api/v1/networks/{quote(radio, safe='')}/tunnels"


def _protocol_path(radio: str, protocol: int) -> str:
    return f"/api/v1/networks/{quote(radio, safe='')}/tunnel-protocols/{protocol}"
