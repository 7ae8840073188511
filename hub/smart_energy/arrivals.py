"""When a device is there for Smart Energy: it was away and is heard again, has keys, or is known at last."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from hub.bus import Bus
from hub.events import DeviceAuthenticated, DeviceChanged, InterviewProgress
from hub.model import Availability
from hub.zigbee.member import Member
from hub.zigbee.model import InterviewStep, StepState


async def arrivals(bus: Bus, find: Callable[[str], Member | None]) -> AsyncIterator[Member]:
    """Zigbee devices, each time that they come. `find(device id)`: None for other devices."""
    there: set[str] = set()
    async with bus.subscribe(DeviceChanged, DeviceAuthenticated, InterviewProgress) as events:
        async for event in events:
            device_id = ""
            match event:
                case DeviceChanged(device=device):
                    is_there = device.availability is Availability.AVAILABLE
                    if is_there and device.id not in there:
                        device_id = device.id
                    (there.add if is_there else there.discard)(device.id)
                case DeviceAuthenticated():
                    device_id = event.device_id
                case InterviewProgress(step=InterviewStep.DONE, state=StepState.DONE):
                    device_id = event.device_id
            member = find(device_id) if device_id else None
            if member is not None:
                yield member
