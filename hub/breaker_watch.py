"""What smart breakers say: it becomes devices, readings, positions and availability."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from hub.bus import Bus
from hub.clock import Clock
from hub.config import RadioSection
from hub.devices import Devices
from hub.events import BreakerChanged
from hub.keys import NO_KEY_DETAIL
from hub.metering import Metering
from hub.model import Availability, BreakerState, Capability, ChangeCause, Device, DeviceKind, Position
from protocols.emcb import HandlePosition
from radios.api import BreakerEvent, BreakerReported, BreakerSeen, BreakerUnanswered

log = logging.getLogger(__name__)

DEVICE_PREFIX = "emcb-"

_POSITIONS: Mapping[HandlePosition, Position] = {
    HandlePosition.OPEN: Position.OPEN,
    HandlePosition.CLOSED: Position.CLOSED,
    HandlePosition.FEEDBACK_MISMATCH: Position.MISMATCH,
}


class BreakerWatch:
    """Follows all breakers of all radios."""

    def __init__(
        self,
        sections: tuple[RadioSection, ...],
        devices: Devices,
        metering: Metering,
        bus: Bus,
        clock: Clock,
        key_detail: Callable[[str, str], tuple[Availability, str] | None],
        is_moving: Callable[[str], bool],
    ) -> None:
        """`key_detail(radio, emcb id)` says when a breaker's key is known to be expired.

        `is_moving(device id)` says whether a command to it is under way.
        """
        self._sections = {section.name: section for section in sections}
        self._devices, self._metering = devices, metering
        self._bus, self._clock = bus, clock
        self._key_detail, self._is_moving = key_detail, is_moving
        self._expected: dict[str, Position] = {}
        """Where a command that is under way, or of unknown outcome, will put the contacts."""

    def hear(self, radio: str, event: BreakerEvent) -> None:
        """An event of a radio."""
        match event:
            case BreakerReported():
                self._reported(radio, event)
            case BreakerSeen():
                self._seen(radio, event)
            case BreakerUnanswered():
                self._unanswered(radio, event)

    def radio_down(self, name: str, detail: str) -> None:
        """A radio is gone: its breakers cannot be reached."""
        for device in self._devices.all():
            if device.radio == name:
                self._metering.interrupt(device.id)
                self._devices.change(replace(device, availability=Availability.UNAVAILABLE, availability_detail=detail))

    def commanded(self, device_id: str, wanted: Position) -> None:
        """A command is on its way that puts the contacts to `wanted`."""
        self._expected[device_id] = wanted
        device = self._devices.get(device_id)
        self._devices.change(replace(device, breaker=replace(device.breaker or BreakerState(), commanded=wanted)))

    def settled(self, device_id: str) -> None:
        """The command has ended, and everybody knows how."""
        self._expected.pop(device_id, None)

    def _seen(self, radio: str, event: BreakerSeen) -> None:
        device = self._device(radio, event.device_id)
        changed = replace(device, address=event.address, radio=radio)
        if not event.has_key:
            changed = replace(
                changed,
                availability=Availability.NO_KEY,
                availability_detail=NO_KEY_DETAIL,
            )
        if event.restarted:
            log.info("%s: restarted", device.id)
            self._metering.interrupt(device.id)
        self._devices.change(changed)

    def _reported(self, radio: str, event: BreakerReported) -> None:
        device = self._device(radio, event.device_id)
        if device.availability is not Availability.AVAILABLE or device.radio != radio:
            device = self._devices.change(
                replace(device, radio=radio, availability=Availability.AVAILABLE, availability_detail="")
            )
        self._devices.seen(device.id)
        self.observe(device.id, position_of(event.status.position))
        signs = self._sections[radio].consumption_signs(event.device_id)
        self._metering.take(device.id, event.status.meter, event.received, signs)

    def _unanswered(self, radio: str, event: BreakerUnanswered) -> None:
        section = self._sections[radio]
        device = self._devices.find(DEVICE_PREFIX + event.device_id)
        if device is None or event.misses < section.unavailable_after or device.radio != radio:
            return
        known = self._key_detail(radio, event.device_id)
        if known is not None:
            availability, detail = known
        elif event.answers_discovery:
            availability = Availability.KEY_EXPIRED
            detail = "it answers discovery but not its unicast key: the key has expired or is wrong; set a new one"
        else:
            availability = Availability.UNAVAILABLE
            detail = "does not answer: without power, out of Wi-Fi range, or its keys have expired"
        if device.availability is Availability.AVAILABLE:
            log.warning("%s: %s after %d unanswered polls", device.id, availability.value, event.misses)
            self._metering.interrupt(device.id)
        self._devices.change(replace(device, availability=availability, availability_detail=detail))

    def _device(self, radio: str, emcb_id: str) -> Device:
        device = self._devices.find(DEVICE_PREFIX + emcb_id)
        if device is None:
            device = self._devices.add(
                Device(
                    id=DEVICE_PREFIX + emcb_id,
                    radio=radio,
                    kind=DeviceKind.BREAKER,
                    name=f"Breaker {emcb_id[-4:]}",
                    capabilities=(Capability.BREAKER, Capability.METER, Capability.LEDS),
                    manufacturer="Eaton",
                    model="EMCB",
                    breaker=BreakerState(),
                    availability_detail="not heard yet",
                )
            )
        return device

    def observe(self, device_id: str, position: Position) -> None:
        """The contacts are at `position`: if that is news, say so and why."""
        device = self._devices.get(device_id)
        state = device.breaker or BreakerState()
        if position is state.position:
            return
        if self._expected.get(device_id) is position:
            cause = ChangeCause.COMMAND
        elif state.position is Position.UNKNOWN:
            cause = ChangeCause.DISCOVERED
        else:
            cause = ChangeCause.UNSOLICITED
            log.warning("%s: %s, was %s, and nobody here asked for it", device_id, position.value, state.position.value)
        if not self._is_moving(device_id):
            self._expected.pop(device_id, None)
        now = self._clock.now()
        self._devices.change(replace(device, breaker=replace(state, position=position, changed_at=now, cause=cause)))
        self._bus.publish(BreakerChanged(now, device_id, position, state.position, cause))


def position_of(position: HandlePosition) -> Position:
    """A breaker's own word for its contacts, in ours."""
    return _POSITIONS.get(position, Position.UNKNOWN)
