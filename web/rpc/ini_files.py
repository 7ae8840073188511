"""The gateway's files of settings, out of the hub and into it: all of a file, or nothing.

Into: entries that `registry_settings.ini` leaves out stay as they are, and so do devices that `devices.ini` leaves out
(only `remove_device` removes any). Of the other files the list is as it is afterwards.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

from hub.errors import HubError, InvalidError, NotFoundError, RefusedError
from hub.hub import Hub
from hub.registry import RegistryValue
from hub.zigbee.member import device_id_of
from protocols.ids import Eui64
from web.rpc.extending import Extending
from web.rpc.ini import (
    Ini,
    IniError,
    Line,
    Refused,
    parse,
    read_cluster,
    read_device,
    read_endpoint,
    read_name,
    read_registry,
    write_device,
    write_registry,
)

log = logging.getLogger(__name__)


class IniFiles:
    """The files of a hub."""

    def __init__(self, hub: Hub, extending: Extending) -> None:
        self._hub, self._extending = hub, extending

    def text(self, file: Ini) -> str:
        """A file, as a gateway wrote it."""
        extending = self._extending
        match file:
            case Ini.REGISTRY:
                lines = [write_registry(name, value) for name, value in sorted(self._hub.registry.all().items())]
            case Ini.DEVICES:
                lines = [write_device(Eui64(ieee)) for ieee in sorted(self._hub.household.members)]
            case Ini.MODULES:
                lines = list(extending.modules)
            case Ini.INTERFACES:
                lines = list(extending.interfaces)
            case Ini.ENDPOINTS:
                lines = [str(one) for one in extending.endpoints]
            case Ini.CLUSTERS:
                lines = [str(one) for one in extending.clusters]
        return "".join(f"{line}\n" for line in lines)

    async def take(self, file: Ini, text: str, radio: str | None = None) -> int:
        """Take a file in; how many lines it has. `radio`: whose network devices are listed for; None: the only one.

        Raises `IniError` with every line that cannot be taken, `HubError`.
        """
        extending = self._extending
        match file:
            case Ini.REGISTRY:
                return await self._registry(parse(file, text, read_registry))
            case Ini.DEVICES:
                return await self._devices(parse(file, text, read_device), radio)
            case Ini.MODULES | Ini.INTERFACES:
                names = parse(file, text, read_name)
                async with extending.lock:
                    await (extending.set_modules if file is Ini.MODULES else extending.set_interfaces)(names)
                return len(names)
            case Ini.ENDPOINTS:
                endpoints = parse(file, text, read_endpoint)
                async with extending.lock:
                    await extending.set_endpoints(endpoints)
                return len(endpoints)
            case Ini.CLUSTERS:
                clusters = parse(file, text, read_cluster)
                async with extending.lock:
                    await extending.set_clusters(clusters)
                return len(clusters)

    async def _registry(self, lines: Sequence[Line[tuple[str, RegistryValue]]]) -> int:
        values: dict[str, RegistryValue] = {}
        refused: list[Refused] = []
        for line in lines:
            name, value = line.value
            if name in values:
                refused.append(Refused(line.number, "registry_name", name, "each name once"))
            values[name] = value
        if refused:
            raise IniError(Ini.REGISTRY, refused)
        if values:
            await self._hub.registry.set_all(values)
        return len(lines)

    async def _devices(self, lines: Sequence[Line[Eui64]], radio: str | None) -> int:
        name = self._radio(radio)
        network = self._hub.networks.network(name)
        own = network.need_radio().network.ieee
        members = self._hub.household.members
        refused: list[Refused] = []
        for line in lines:
            known = members.get(line.value)
            if line.value == own:
                refused.append(Refused(line.number, "address", write_device(own), "a device; this is the radio itself"))
            elif known is not None and known.is_active and known.radio != name:
                allowed = f"a device that is no active member of {known.radio!r}"
                refused.append(Refused(line.number, "address", write_device(line.value), allowed))
        if refused:
            raise IniError(Ini.DEVICES, refused)
        added: list[Eui64] = []
        for line in lines:
            try:
                if line.value not in members:
                    added.append(line.value)
                await self._hub.networks.add_device(name, f"{line.value:016x}")
            except HubError:
                await self._take_back(added)
                raise
        return len(lines)

    async def _take_back(self, devices: Sequence[Eui64]) -> None:
        for device in devices:
            if device in self._hub.household.members:
                with suppress(HubError):
                    await self._hub.networks.remove(device_id_of(device), force=True)

    def _radio(self, wanted: str | None) -> str:
        names = tuple(self._hub.household.networks)
        if wanted is not None:
            if wanted not in names:
                raise NotFoundError("network", wanted[:60], names)
            return wanted
        if not names:
            raise RefusedError("no Zigbee radio is configured, so there is no network to list devices for")
        if len(names) > 1:
            raise InvalidError("radio", "missing", f"the network that the devices are for: {', '.join(names)}")
        return names[0]
