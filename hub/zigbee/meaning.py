"""What Zigbee devices say, and what that makes them to people: devices, readings, counters, gestures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hub.bus import Bus
from hub.clock import Clock
from hub.devices import Devices
from hub.events import AttributesReported, GestureMade
from hub.metering import Metering
from hub.model import Device, DeviceKind
from hub.zigbee.capabilities import describe, facts_of
from hub.zigbee.member import Member
from hub.zigbee.model import AttributeValue
from hub.zigbee.translate.findings import NOTHING
from hub.zigbee.translate.translator import Translation, Translator
from protocols.aps import ApsFrame
from protocols.zcl.header import ZclHeader

JUST_SAID = timedelta(minutes=10)
"""An attribute that came so lately still tells how it is, once it is known what it means."""


class Meaning:
    """Turns attributes and commands of members into what the device list and the bus tell."""

    def __init__(self, devices: Devices, metering: Metering, bus: Bus, clock: Clock) -> None:
        self._devices, self._metering, self._bus, self._clock = devices, metering, bus, clock
        self._translators: dict[int, Translator] = {}

    def forget(self, member: Member) -> None:
        """A device is gone."""
        self._translators.pop(member.ieee, None)

    def restore(self, member: Member) -> None:
        """What a device was before the restart: its scaling and its state, no readings."""
        translator = self.translator(member)
        learnt = translator.learn(list(member.attributes.values()))
        device = self._devices.find(member.device_id)
        if device is None:
            self.add(member, is_heard=member.short is not None)
        else:
            self._devices.change(
                replace(
                    device,
                    switch=learnt.switch or device.switch,
                    thermostat=learnt.thermostat or device.thermostat,
                    sleepy=member.is_sleepy,
                )
            )

    def add(self, member: Member, *, is_heard: bool) -> None:
        """Put a new device into the list, heard just now or not yet."""
        found = describe(facts_of(member))
        self._devices.add(
            Device(
                id=member.device_id,
                radio=member.radio,
                kind=found.kind,
                name=self._default_name(member, found.kind),
                capabilities=found.capabilities,
                manufacturer=_text(member, 4),
                model=_text(member, 5),
                availability_detail="not heard yet",
                sleepy=member.is_sleepy,
            ),
            is_heard=is_heard,
        )

    def _default_name(self, member: Member, kind: DeviceKind) -> str:
        what = "New device" if kind is DeviceKind.OTHER else kind.value.replace("_", " ").capitalize()
        return f"{what} {str(member.ieee)[-4:]}"

    def described(self, member: Member) -> None:
        """All endpoints are known, or the model is: what the device can do may have changed."""
        self._translators.pop(member.ieee, None)
        translator = self.translator(member)
        learnt = translator.learn(list(member.attributes.values()))
        device = self._devices.find(member.device_id)
        if device is None:
            return
        # What was said before it was known what it means.
        since = self._clock.now() - JUST_SAID
        recent = [value for value in member.attributes.values() if value.time is not None and value.time >= since]
        self._apply(member, replace(translator.learn(recent), gestures=()))
        device = self._devices.get(member.device_id)
        found = describe(facts_of(member))
        manufacturer, model = _text(member, 4) or device.manufacturer, _text(member, 5) or device.model
        name = device.name
        if name in (self._default_name(member, kind) for kind in DeviceKind):
            name = self._default_name(member, found.kind)
        self._devices.change(
            replace(
                device,
                kind=found.kind,
                capabilities=found.capabilities,
                manufacturer=manufacturer,
                model=model,
                name=name,
                sleepy=member.is_sleepy,
                switch=learnt.switch or device.switch,
                thermostat=learnt.thermostat or device.thermostat,
            )
        )

    def learn(self, member: Member, values: Sequence[AttributeValue]) -> None:
        """Attributes were reported or read."""
        if not values:
            return
        member.keep(values)
        self._apply(member, self.translator(member).learn(values))
        if self._bus.has_listeners(AttributesReported):
            self._bus.publish(AttributesReported(self._clock.now(), member.device_id, tuple(values)))

    def command(self, member: Member, frame: ApsFrame, header: ZclHeader, payload: bytes) -> bool:
        """A cluster command of a device; whether it meant something."""
        found = self.translator(member).command(frame.source_endpoint, frame.cluster, header, payload)
        self._apply(member, found)
        return found != NOTHING

    def translator(self, member: Member) -> Translator:
        """How a device's values are to be understood, by the endpoints that are known of it."""
        found = self._translators.get(member.ieee)
        if found is None:
            found = self._translators[member.ieee] = Translator(facts_of(member))
        return found

    def _apply(self, member: Member, learnt: Translation) -> None:
        """What attributes or a command mean for the device."""
        device_id = member.device_id
        if learnt.gone:
            self._devices.forget_gauges(device_id, learnt.gone)
        if learnt.readings:
            self._devices.take(device_id, learnt.readings)
        if learnt.counters:
            self._metering.take_counters(device_id, learnt.counters, self._clock.monotonic())
        if learnt.switch is not None or learnt.thermostat is not None or learnt.identity:
            device = self._devices.find(device_id)
            if device is not None:
                self._devices.change(
                    replace(
                        device,
                        switch=learnt.switch or device.switch,
                        thermostat=learnt.thermostat or device.thermostat,
                        manufacturer=learnt.identity.get("manufacturer", device.manufacturer),
                        model=learnt.identity.get("model", device.model),
                    )
                )
        for gesture, value in learnt.gestures:
            self._bus.publish(GestureMade(self._clock.now(), device_id, gesture, value))


def _text(member: Member, attribute: int) -> str:
    """A text of the Basic cluster, as far as it can be shown."""
    for endpoint in sorted(member.endpoints):
        found = member.value(endpoint, 0, attribute)
        if found is not None and isinstance(found.value, str):
            return "".join(letter for letter in found.value if letter.isprintable()).strip()
    return ""
