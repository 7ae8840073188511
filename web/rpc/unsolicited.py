"""What happens, told to clients without being asked for: messages in the gateway's words.

Clients look for parts of these texts (field evidence of a head-end): "Received device announce message from known
device .. (NWK: ..)", "detected and marked as active", "marked as inactive". What they say is also in parameters.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hub.bus import Bus, SubscriberLaggedError
from hub.events import (
    BackupChanged,
    DeviceAnnounced,
    DeviceAuthenticated,
    DeviceChanged,
    DeviceLeft,
    DeviceRemoved,
    HubEvent,
    IdentifyRequested,
    NetworkChanged,
    StorageChanged,
)
from hub.model import Availability, Device, StorageState
from hub.zigbee.model import NetworkState
from web.rpc.engine import Engine
from web.rpc.response import Severity
from web.rpc.values import Mac, Values

log = logging.getLogger(__name__)

_PREFIX = "zigbee-"
"""Of the ids of Zigbee devices; the gateway knew no others."""
_TYPES = (
    DeviceAnnounced,
    DeviceAuthenticated,
    DeviceChanged,
    DeviceLeft,
    DeviceRemoved,
    NetworkChanged,
    StorageChanged,
    BackupChanged,
    IdentifyRequested,
)


@dataclass(frozen=True, slots=True)
class Told:
    """A message about an event."""

    text: str
    severity: Severity = Severity.WARNING
    """As gateways had it for all of these: what is a warning comes by the mailbox."""
    parameters: Values = field(default_factory=dict)


class Narrator:
    """Events -> messages. It remembers how devices and networks were, since events tell how they are."""

    def __init__(self, devices: Iterable[Device] = ()) -> None:
        self._active = {device.id: _is_active(device) for device in devices}
        self._networks: dict[str, NetworkState] = {}

    def told(self, event: HubEvent) -> Told | None:
        """What there is to say of an event; None: nothing new."""
        match event:
            case DeviceAnnounced():
                return _announced(event)
            case DeviceChanged(device=device):
                return self._changed(device)
            case DeviceAuthenticated(device_id=device_id):
                return _of_device(device_id, "{} has established keys")
            case DeviceLeft(device_id=device_id):
                return _of_device(device_id, "{} left the network")
            case DeviceRemoved(device_id=device_id):
                self._active.pop(device_id, None)
                return _of_device(device_id, "{} was removed from the list of known devices")
            case NetworkChanged():
                return self._network(event)
            case StorageChanged(storage=status):
                if status.state is StorageState.OK:
                    return Told("the database takes records again")
                return Told(f"the database takes no records: {status.detail}", Severity.ERROR)
            case BackupChanged(radio=radio, what="alarm", status=status) if status.alarm is not None:
                text = f"The last backup of {radio} is not as it should be: {status.alarm}"
                return Told(text, Severity.ERROR, {"radio": radio})
            case BackupChanged(radio=radio, what="failed", detail=detail):
                return Told(f"{radio}: backing up or restoring failed: {detail}", Severity.ERROR, {"radio": radio})
            case BackupChanged(radio=radio, what="well"):
                return Told(f"The last backup of {radio} has everything again", parameters={"radio": radio})
            case IdentifyRequested(endpoint=endpoint, duration_s=seconds):
                return Told(
                    f"Identify on endpoint {endpoint:#x} for {seconds} s",
                    parameters={"endpoint_id": endpoint, "identify_time": seconds},
                )
        return None

    def _changed(self, device: Device) -> Told | None:
        is_active, was_active = _is_active(device), self._active.get(device.id)
        self._active[device.id] = is_active
        if is_active == was_active or (was_active is None and not is_active):
            return None
        return _of_device(device.id, "{} detected and marked as active" if is_active else "{} marked as inactive")

    def _network(self, event: NetworkChanged) -> Told | None:
        network = event.network
        was = self._networks.get(network.radio)
        self._networks[network.radio] = network.state
        if network.state is was:
            return None
        parameters: Values = {"radio": network.radio, "network_state": network.state.value}
        detail = f": {network.detail}" if network.detail else ""
        return Told(f"The ZigBee network of {network.radio} is {network.state.value}{detail}", parameters=parameters)


def _is_active(device: Device) -> bool:
    return device.availability is Availability.AVAILABLE


def _address(device_id: str) -> Mac | None:
    if not device_id.startswith(_PREFIX):
        return None
    try:
        return Mac.parse(device_id.removeprefix(_PREFIX))
    except ValueError:
        return None


def _of_device(device_id: str, text: str) -> Told | None:
    address = _address(device_id)
    if address is None:
        return None
    return Told(text.format(f"Device {address}"), parameters={"device_address": address})


def _announced(event: DeviceAnnounced) -> Told | None:
    address = _address(event.device_id)
    if address is None:
        return None
    known = "unknown" if not event.accepted else "new" if event.is_new else "known"
    return Told(
        f"Received device announce message from {known} device {address} (NWK: {event.short:04X})",
        parameters={"device_address": address, "addr_short": Mac.of(event.short)},
    )


async def tell(bus: Bus, engine: Engine, devices: Callable[[], Iterable[Device]]) -> None:
    """Have the engine tell what happens, for ever."""
    while True:
        narrator = Narrator(devices())
        async with bus.subscribe(*_TYPES) as events:
            try:
                async for event in events:
                    told = narrator.told(event)
                    if told is not None:
                        engine.message(told.severity, told.text, **told.parameters)
            except SubscriberLaggedError:
                log.warning("messages about events were missed: more happened than could be told")
