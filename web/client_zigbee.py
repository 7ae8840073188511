"""The client's calls of Zigbee networks and of what can be controlled: a part of `web.client.HubClient`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from msgspec import Struct

from web.client_calls import COMMAND_TIMEOUT_S, Calls
from web.client_model import Command
from web.client_zigbee_model import (
    AtRegister,
    Attribute,
    Certificate,
    EnergyScan,
    Network,
    RegistryEntry,
    Reporting,
    Topology,
    Written,
    ZigbeeDevice,
)

SCAN_TIMEOUT_S = 900.0
"""For a scan of who hears whom: 200 routers of which each tenth is silent take some minutes."""


class _Networks(Struct, frozen=True):
    networks: tuple[Network, ...]


class _Attributes(Struct, frozen=True):
    attributes: tuple[Attribute, ...]


class _Registry(Struct, frozen=True):
    entries: tuple[RegistryEntry, ...]


class ZigbeeCalls(Calls):
    """Calls of /api/v1/networks, and of a device's attributes and controls."""

    # -- networks --------------------------------------------------------------------------------------------------

    async def networks(self) -> tuple[Network, ...]:
        """All Zigbee networks."""
        return (await self._call("GET", "/api/v1/networks", _Networks)).networks

    async def network(self, radio: str) -> Network:
        """One network, by the name of its radio."""
        return await self._call("GET", _network(radio), Network)

    async def permit_join(self, radio: str, duration_s: int = 254, via: str | None = None) -> Network:
        """Open joining, everywhere or on one router (`via`, a device id); 0 s closes it."""
        body = _given(duration_s=duration_s, via=via)
        return await self._call("POST", _network(radio, "permit-join"), Network, body=body, timeout_s=COMMAND_TIMEOUT_S)

    async def add_device(
        self,
        radio: str,
        eui64: str,
        *,
        name: str | None = None,
        install_code: str | None = None,
        link_key: str | None = None,
        join_time_s: int | None = None,
    ) -> ZigbeeDevice:
        """Make a device known before it joins, and open joining for so long; the secrets are never told again."""
        body = _given(eui64=eui64, name=name, install_code=install_code, link_key=link_key, join_time_s=join_time_s)
        path = _network(radio, "devices")
        return await self._call("POST", path, ZigbeeDevice, body=body, timeout_s=COMMAND_TIMEOUT_S)

    async def certificate(self, radio: str) -> Certificate:
        """Whether a Smart Energy radio has a certificate."""
        return await self._call("GET", _network(radio, "certificate"), Certificate, timeout_s=COMMAND_TIMEOUT_S)

    async def install_certificate(self, radio: str, text: str) -> Certificate:
        """Install a certificate in the authority's text form; it is never told again."""
        path = _network(radio, "certificate")
        return await self._call("PUT", path, Certificate, body={"text": text}, timeout_s=COMMAND_TIMEOUT_S)

    async def revert_certificate(self, radio: str) -> Certificate:
        """Remove the certificate."""
        return await self._call("DELETE", _network(radio, "certificate"), Certificate, timeout_s=COMMAND_TIMEOUT_S)

    async def at_command(
        self, radio: str, command: str, value: int | str | None = None, *, confirm: str | None = None
    ) -> AtRegister:
        """Read a register of the radio, write it (a number or hex digits), or carry out a command.

        `confirm` is the radio's name, needed where the network is formed anew by it.
        """
        body = _given(command=command, value=value, confirm=confirm)
        return await self._call("POST", _network(radio, "at"), AtRegister, body=body, timeout_s=COMMAND_TIMEOUT_S)

    async def scan_topology(self, radio: str) -> Topology:
        """Ask every router whom it hears; the answer comes at the end, progress on the websocket."""
        return await self._call("POST", _network(radio, "topology"), Topology, timeout_s=SCAN_TIMEOUT_S)

    async def topology(self, radio: str) -> Topology:
        """The last scan; `ProblemError` 404 before the first."""
        return await self._call("GET", _network(radio, "topology"), Topology)

    async def energy_scan(self, radio: str) -> EnergyScan:
        """How much is going on on each channel."""
        return await self._call("POST", _network(radio, "energy-scan"), EnergyScan, timeout_s=COMMAND_TIMEOUT_S)

    async def set_channel(self, radio: str, channel: int) -> Network:
        """Move the network to another channel, 11 to 26."""
        path = _network(radio, "channel")
        return await self._call("POST", path, Network, body={"channel": channel}, timeout_s=COMMAND_TIMEOUT_S)

    async def configure_radio(
        self,
        radio: str,
        *,
        led: bool | None = None,
        tx_power: int | None = None,
        certification: str | None = None,
        set_time: bool = False,
    ) -> Network:
        """Set what is not None of the stick itself; `set_time` sets its clock to the hub's."""
        body = _given(led=led, tx_power=tx_power, certification=certification, set_time=set_time or None)
        return await self._call("PATCH", _network(radio), Network, body=body, timeout_s=COMMAND_TIMEOUT_S)

    async def erase(self, radio: str, confirm: str) -> Network:
        """Erase the stick's memory: its network is gone. `confirm` is the radio's name."""
        path = _network(radio, "erase")
        return await self._call("POST", path, Network, body={"confirm": confirm}, timeout_s=COMMAND_TIMEOUT_S)

    async def configure_network(
        self,
        radio: str,
        *,
        confirm: str = "",
        extended_pan_id: str | None = None,
        channels: Sequence[int] | None = None,
        install_code: str | None = None,
        link_key: str | None = None,
        join_interval_s: int | None = None,
    ) -> Network:
        """Form or join another network. `confirm` is the radio's name."""
        body = _given(
            confirm=confirm or None,
            extended_pan_id=extended_pan_id,
            channels=None if channels is None else list(channels),
            install_code=install_code,
            link_key=link_key,
            join_interval_s=join_interval_s,
        )
        path = _network(radio, "configure")
        return await self._call("POST", path, Network, body=body, timeout_s=COMMAND_TIMEOUT_S)

    async def leave_network(self, radio: str, confirm: str) -> Network:
        """Leave the network that a router has joined. `confirm` is the radio's name."""
        path = _network(radio, "leave")
        return await self._call("POST", path, Network, body={"confirm": confirm}, timeout_s=COMMAND_TIMEOUT_S)

    # -- registry --------------------------------------------------------------------------------------------------

    async def registry(self) -> tuple[RegistryEntry, ...]:
        """The settings of the gateway's registry."""
        return (await self._call("GET", "/api/v1/registry", _Registry)).entries

    async def set_registry(self, name: str, value: bool | int | str) -> RegistryEntry:
        """Change a setting."""
        path = f"/api/v1/registry/{segment(name)}"
        return await self._call("PUT", path, RegistryEntry, body={"value": value})

    # -- Zigbee devices --------------------------------------------------------------------------------------------

    async def zigbee_device(self, device_id: str) -> ZigbeeDevice:
        """Endpoints, clusters, attributes and reporting of a device."""
        return await self._call("GET", _device(device_id, "zigbee"), ZigbeeDevice)

    async def interview(self, device_id: str) -> None:
        """Ask the device everything again, in the background; the websocket tells of each step."""
        await self._request("POST", _device(device_id, "interview"))

    async def read_attributes(
        self,
        device_id: str,
        endpoint: int,
        cluster: int | str,
        attributes: Sequence[int | str],
        *,
        manufacturer: int | None = None,
        side: str | None = None,
    ) -> tuple[Attribute, ...]:
        """Attributes as the device says them now, by number or name."""
        body = _given(
            endpoint=endpoint, cluster=cluster, attributes=list(attributes), manufacturer=manufacturer, side=side
        )
        path = _device(device_id, "attributes/read")
        return (await self._call("POST", path, _Attributes, body=body, timeout_s=COMMAND_TIMEOUT_S)).attributes

    async def write_attribute(
        self,
        device_id: str,
        endpoint: int,
        cluster: int | str,
        attribute: int | str,
        value: object,
        *,
        data_type: str | int | None = None,
        manufacturer: int | None = None,
        side: str | None = None,
    ) -> Written:
        """Write one attribute; a refusal is `ProblemError` with the ZCL status in `problem.zcl_status`."""
        body = _given(
            endpoint=endpoint,
            cluster=cluster,
            attribute=attribute,
            type=data_type,
            manufacturer=manufacturer,
            side=side,
        )
        # Null is a value here: the data type's "invalid".
        body["value"] = value
        path = _device(device_id, "attributes/write")
        return await self._call("POST", path, Written, body=body, timeout_s=COMMAND_TIMEOUT_S)

    async def discover_attributes(
        self,
        device_id: str,
        endpoint: int,
        cluster: int | str,
        *,
        manufacturer: int | None = None,
        side: str | None = None,
    ) -> tuple[Attribute, ...]:
        """Which attributes a cluster has, with their types."""
        body = _given(endpoint=endpoint, cluster=cluster, manufacturer=manufacturer, side=side)
        path = _device(device_id, "attributes/discover")
        return (await self._call("POST", path, _Attributes, body=body, timeout_s=COMMAND_TIMEOUT_S)).attributes

    async def configure_reporting(
        self,
        device_id: str,
        endpoint: int,
        cluster: int | str,
        attribute: int | str,
        *,
        min_s: int,
        max_s: int,
        change: float | None = None,
        pseudo: bool = False,
        manufacturer: int | None = None,
    ) -> Reporting:
        """Have an attribute reported, or polled in place of that (`pseudo`)."""
        body = _given(
            endpoint=endpoint,
            cluster=cluster,
            attribute=attribute,
            min_s=min_s,
            max_s=max_s,
            change=change,
            pseudo=pseudo or None,
            manufacturer=manufacturer,
        )
        return await self._call(
            "PUT", _device(device_id, "reporting"), Reporting, body=body, timeout_s=COMMAND_TIMEOUT_S
        )

    async def read_reporting(
        self,
        device_id: str,
        endpoint: int,
        cluster: int | str,
        attribute: int | str,
        *,
        manufacturer: int | None = None,
    ) -> Reporting:
        """How the device itself says that it reports."""
        body = _given(endpoint=endpoint, cluster=cluster, attribute=attribute, manufacturer=manufacturer)
        path = _device(device_id, "reporting/read")
        return await self._call("POST", path, Reporting, body=body, timeout_s=COMMAND_TIMEOUT_S)

    async def stop_reporting(
        self,
        device_id: str,
        endpoint: int,
        cluster: int | str,
        attribute: int | str,
        *,
        manufacturer: int | None = None,
    ) -> None:
        """No more reports of an attribute."""
        query = {
            "endpoint": str(endpoint),
            "cluster": str(cluster),
            "attribute": str(attribute),
            "manufacturer": None if manufacturer is None else str(manufacturer),
        }
        await self._request("DELETE", _device(device_id, "reporting"), query=query, timeout_s=COMMAND_TIMEOUT_S)

    # -- control ---------------------------------------------------------------------------------------------------

    async def switch(self, device_id: str, action: str, endpoint: int | None = None) -> Command:
        """`on`, `off` or `toggle`: the confirmed command, else `ProblemError` with the command."""
        if action not in ("on", "off", "toggle"):
            raise ValueError(f"{action!r} is not something a switch does; allowed: on, off, toggle")
        return await self._control("POST", device_id, action, _given(endpoint=endpoint))

    async def set_level(
        self, device_id: str, level_percent: float, transition_s: float | None = None, endpoint: int | None = None
    ) -> Command:
        """0 to 100 %."""
        body = _given(level_percent=level_percent, transition_s=transition_s, endpoint=endpoint)
        return await self._control("PUT", device_id, "level", body)

    async def set_setpoint(
        self,
        device_id: str,
        *,
        heating_c: float | None = None,
        cooling_c: float | None = None,
        endpoint: int | None = None,
    ) -> Command:
        """The temperature to heat up to, or to cool down to."""
        body = _given(heating_c=heating_c, cooling_c=cooling_c, endpoint=endpoint)
        return await self._control("PUT", device_id, "setpoint", body)

    async def set_mode(self, device_id: str, mode: str, endpoint: int | None = None) -> Command:
        """What a thermostat does: off, auto, cool, heat ..."""
        return await self._control("PUT", device_id, "mode", _given(mode=mode, endpoint=endpoint))

    async def identify(self, device_id: str, duration_s: int | None = None, endpoint: int | None = None) -> Command:
        """The device blinks, beeps or clicks for so long; 0: stop."""
        return await self._control("POST", device_id, "identify", _given(duration_s=duration_s, endpoint=endpoint))

    async def _control(self, method: str, device_id: str, what: str, body: Mapping[str, object]) -> Command:
        return await self._call(method, _device(device_id, what), Command, body=body, timeout_s=COMMAND_TIMEOUT_S)


def segment(text: str) -> str:
    """One segment of a path, whatever is in it."""
    if not text.strip("."):
        # "", "." and ".." would name another address.
        raise ValueError(f"{text!r} is not an id")
    return quote(text, safe="")


def _given(**values: object) -> dict[str, object]:
    return {key: value for key, value in values.items() if value is not None}


def _network(radio: str, what: str = "") -> str:
    return f"/api/v1/networks/{segment(radio)}" + (f"/{what}" if what else "")


def _device(device_id: str, what: str) -> str:
    return f"/api/v1/devices/{segment(device_id)}/{what}"
