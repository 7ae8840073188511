"""When a device is there for Smart Energy: it was away and is heard again, has keys, or is known at last."""

from __future__ import annotations

from collections.abc import AsyncIterator

from hub.bus import Bus
from hub.events import DeviceAuthenticated, DeviceChanged, InterviewProgress
from hub.model import Availability
from hub.zigbee.model import InterviewStep, StepState


async def arrivals(bus: Bus) -> AsyncIterator[str]:
    """Ids of devices, each time that they come."""
    there: set[str] = set()
    async with bus.subscribe(DeviceChanged, DeviceAuthenticated, InterviewProgress) as events:
        async for event in events:
            match event:
                case DeviceChanged(device=device):
                    is_there = device.availability is Availability.AVAILABLE
                    if is_there and device.id not in there:
                        yield device.id
                    (there.add if is_there else there.discard)(device.id)
                case DeviceAuthenticated():
                    yield event.device_id
                case InterviewProgress(step=InterviewStep.DONE, state=StepState.DONE):
                    yield event.device_id
