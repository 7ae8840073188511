"""The house as `hubctl watch` knows it: a snapshot, and what the events made of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from web import client_model as told
from web import client_zigbee_model as zigbee
from web.client_mirrors import MirrorChanged
from web.client_smart_energy import EventStatusReported
from web.client_tunnels import TunnelChanged
from web.hubctl.output import words
from web.hubctl.units import number

if TYPE_CHECKING:
    from web.client_model import Event

REMEMBERED = 120
"""Powers of each device: two minutes at one a second."""
LATEST = 50
"""Happenings kept for the screen."""


class HouseView:
    """State of the house, kept up to date by `apply`."""

    def __init__(self) -> None:
        self.hub = told.HubIdentity()
        self.house = told.House()
        self.devices: dict[str, told.Device] = {}
        self.radios: dict[str, told.Radio] = {}
        self.storage = told.Storage("ok")
        self.powers: dict[str, deque[float | None]] = {}
        """Of each device, oldest first; None: the hub was not there."""
        self.house_powers: deque[float | None] = deque(maxlen=REMEMBERED)
        self.happenings: deque[tuple[str, str, str]] = deque(maxlen=LATEST)
        """Time, device or part of the hub, what happened to it."""

    def apply(self, event: Event) -> None:
        """Let an event change the view."""
        happened = happening(event, self.devices)
        if happened is not None:
            self.happenings.append((event.time, *happened))
        match event:
            case told.Snapshot():
                for powers in (*self.powers.values(), self.house_powers):
                    powers.append(None)
                self.hub, self.house, self.storage = event.hub, event.house, event.storage
                self.devices = {device.id: device for device in event.devices}
                self.radios = {radio.name: radio for radio in event.radios}
            case told.DeviceAdded() | told.DeviceChanged():
                self.devices[event.device.id] = event.device
            case told.DeviceRemoved():
                self.devices.pop(event.device_id, None)
                self.powers.pop(event.device_id, None)
            case told.ReadingsTaken():
                self._take(event)
            case told.HouseChanged():
                self.house = event.house
                if event.house.power_w is not None:
                    self.house_powers.append(event.house.power_w)
            case told.BreakerChanged():
                self._move(event)
            case told.RadioChanged():
                self.radios[event.radio.name] = event.radio
            case told.StorageChanged():
                self.storage = event.storage
            case _:
                pass

    def names(self) -> dict[str, str]:
        """Device id -> name."""
        return {device.id: device.name for device in self.devices.values()}

    def _take(self, event: told.ReadingsTaken) -> None:
        import msgspec

        device = self.devices.get(event.device_id)
        if device is None:
            return
        merged = {channel: dict(values) for channel, values in device.readings.items()}
        for channel, values in event.readings.items():
            merged.setdefault(channel, {}).update(values)
        self.devices[device.id] = msgspec.structs.replace(device, readings=merged, readings_at=event.time)
        power = event.readings.get("total", {}).get("power_w")
        if power is not None:
            self.powers.setdefault(device.id, deque(maxlen=REMEMBERED)).append(power)

    def _move(self, event: told.BreakerChanged) -> None:
        import msgspec

        device = self.devices.get(event.device_id)
        if device is None or device.breaker is None:
            return
        breaker = msgspec.structs.replace(
            device.breaker, position=event.position, cause=event.cause, changed_at=event.time
        )
        self.devices[device.id] = msgspec.structs.replace(device, breaker=breaker)


def happening(event: Event, before: Mapping[str, told.Device]) -> tuple[str, str] | None:
    """Whom an event is about, and what it says; None when nothing happened that a person would tell another."""
    names = {device.id: device.name for device in before.values()}
    match event:
        case told.BreakerChanged():
            return names.get(event.device_id, event.device_id), f"{words(event.position)} ({words(event.cause)})"
        case told.CommandChanged():
            command = event.command
            detail = f": {command.detail}" if command.detail else ""
            text = f"{command.action} by {command.requested_by}: {words(command.outcome)}{detail}"
            return names.get(command.device_id, command.device_id), text
        case told.DeviceAdded():
            return event.device.name, f"found ({event.device.id})"
        case told.DeviceChanged():
            return _changed(event.device, before.get(event.device.id))
        case told.DeviceRemoved():
            return names.get(event.device_id, event.device_id), "removed"
        case told.KeyChanged():
            key = event.key
            return f"key of {names.get(key.device_id or '', key.device_id or f'{key.radio} broadcasts')}", words(
                key.state
            )
        case told.RadioChanged():
            return f"radio {event.radio.name}", f"{words(event.radio.state)}{_after(event.radio.detail)}"
        case zigbee.NetworkChanged():
            network = event.network
            left = f", joining is open for {network.joining_s} s" if network.joining_s is not None else ""
            return f"network {network.radio}", f"{words(network.state)}{left}{_after(network.detail)}"
        case zigbee.BackupChanged():
            what = "the backup has everything again" if event.what == "well" else f"backup {words(event.what)}"
            return f"radio {event.radio}", f"{what}{_after(event.detail)}"
        case zigbee.DeviceAnnounced():
            what = "a new device" if event.is_new else "it is back"
            note = what if event.accepted else "left alone, since it was not added before"
            return names.get(event.device_id, event.device_id), f"announces itself: {note}"
        case zigbee.DeviceAuthenticated():
            return names.get(event.device_id, event.device_id), "keys established"
        case zigbee.SmartEnergyChanged():
            return event.radio, f"{event.kind} {event.id}: {event.what}"
        case EventStatusReported() if not event.is_known:
            what = f"reports {words(event.status)} of event {event.id}, which is not ours"
            return names.get(event.device_id, event.device_id), what
        case TunnelChanged():
            what = f"tunnel {event.tunnel} {event.what}{_after(event.detail)}"
            return names.get(event.device_id, event.device_id), what
        case MirrorChanged():
            return names.get(event.device_id, event.device_id), f"mirror at endpoint {event.endpoint}: {event.what}"
        case zigbee.InterviewProgress() if event.state != "started":
            step = f"{words(event.step)} {words(event.state)} ({event.done} of {event.total})"
            return names.get(event.device_id, event.device_id), f"{step}{_after(event.detail)}"
        case zigbee.GestureMade():
            value = "" if event.value is None else f" {event.value:g}"
            return names.get(event.device_id, event.device_id), f"{words(event.gesture)}{value}"
        case zigbee.DeviceLeft():
            return names.get(event.device_id, event.device_id), "left its network" + (
                " and will come back" if event.rejoin else ""
            )
        case told.StorageChanged():
            return "database", f"{words(event.storage.state)}{_after(event.storage.detail)}"
        case _:
            return None


def readings_line(event: told.ReadingsTaken) -> str:
    """The readings that a person asks for first, on one line."""
    values = [value for channel in event.readings.values() for value in channel.items()]
    texts = []
    for name, unit, decimals in (("power_w", "W", 1), ("voltage_v", "V", 1), ("current_a", "A", 2)):
        total = event.readings.get("total", {}).get(name)
        value = total if total is not None else next((value for key, value in values if key == name), None)
        if value is not None:
            texts.append(number(value, unit, decimals))
    return "  ".join(texts)


def _changed(device: told.Device, before: told.Device | None) -> tuple[str, str] | None:
    if before is None or before.availability != device.availability:
        return device.name, f"{words(device.availability)}{_after(device.availability_detail)}"
    if before.name != device.name:
        return device.name, f"was called {before.name}"
    if before.area != device.area:
        return device.name, f"is in {device.area}" if device.area else "is nowhere"
    if before.protected != device.protected:
        return device.name, "is protected" if device.protected else "is not protected any more"
    return None


def _after(detail: str) -> str:
    return f": {detail}" if detail else ""
