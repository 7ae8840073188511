"""What translation finds: the result, and the sheet on which families of clusters note it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hub.counters import CounterSample
from hub.model import Channel, Quantity, Reading, SwitchState, ThermostatState
from hub.zigbee.capabilities import Facts
from hub.zigbee.model import AttributeValue, ReportingRow
from protocols.zcl.header import ZclHeader

Wanted = tuple[int, int, int, int | None]
"""Endpoint, cluster, attribute, manufacturer code."""
Series = tuple[Channel, Quantity]

_FURTHER = (
    Channel.EP_2,
    Channel.EP_3,
    Channel.EP_4,
    Channel.EP_5,
    Channel.EP_6,
    Channel.EP_7,
    Channel.EP_8,
)


@dataclass(frozen=True, slots=True)
class Translation:
    """What attributes or a command mean. Empty members: nothing of that sort."""

    readings: tuple[Reading, ...] = ()
    gone: tuple[Series, ...] = ()
    """Gauges that the device says it does not know now: what they were is not true any more."""
    switch: SwitchState | None = None
    thermostat: ThermostatState | None = None
    gestures: tuple[tuple[str, float | None], ...] = ()
    identity: Mapping[str, str] = field(default_factory=dict)
    """"manufacturer", "model", as the device names them."""
    counters: tuple[CounterSample, ...] = ()


NOTHING = Translation()


@dataclass(slots=True)
class Findings:
    """Filled by families while they read one report."""

    readings: list[Reading] = field(default_factory=list)
    gone: list[Series] = field(default_factory=list)
    switch: SwitchState | None = None
    thermostat: ThermostatState | None = None
    gestures: list[tuple[str, float | None]] = field(default_factory=list)
    identity: dict[str, str] = field(default_factory=dict)
    counters: list[CounterSample] = field(default_factory=list)

    def gauge(self, quantity: Quantity, channel: Channel, value: float | None) -> None:
        """A value of now; None: the device does not know it."""
        if value is None:
            self.gone.append((channel, quantity))
        else:
            self.readings.append(Reading(quantity, channel, value))

    def translation(self) -> Translation:
        """The result."""
        return Translation(
            tuple(self.readings),
            tuple(self.gone),
            self.switch,
            self.thermostat,
            tuple(self.gestures),
            self.identity,
            tuple(self.counters),
        )


class Family(Protocol):
    """The clusters that mean one sort of thing, and what is known of them of one device."""

    @property
    def clusters(self) -> tuple[int, ...]:
        """Clusters whose attributes and commands it reads."""
        ...

    def take(self, value: AttributeValue, found: Findings) -> None:
        """An attribute became known: its value (None: invalid), or that the device has none (status not 0)."""
        ...

    def command(self, endpoint: int, cluster: int, header: ZclHeader, payload: bytes, found: Findings) -> None:
        """A cluster command came."""
        ...

    def wanted(self) -> list[Wanted]:
        """What to read of a new device."""
        ...

    def reporting(self) -> list[ReportingRow]:
        """What to have reported."""
        ...


class Places:
    """Which channel each endpoint's values belong to: the first endpoint with a cluster is the device's total."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._known: dict[tuple[int, int], Channel | None] = {}

    def channel(self, cluster: int, endpoint: int) -> Channel | None:
        """None for more endpoints than there are channels."""
        key = (cluster, endpoint)
        if key not in self._known:
            endpoints = self._facts.servers(cluster)
            index = endpoints.index(endpoint) if endpoint in endpoints else (1 if endpoints else 0)
            self._known[key] = (Channel.TOTAL, *_FURTHER)[index] if index <= len(_FURTHER) else None
        return self._known[key]


def number(value: AttributeValue) -> float | None:
    """A number; None for what is invalid or not a number."""
    raw = value.value
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    return raw


def whole(value: AttributeValue) -> int | None:
    """A whole number; None for what is invalid or not one."""
    raw = value.value
    return raw if isinstance(raw, int) and not isinstance(raw, bool) else None


def truth(value: AttributeValue) -> bool | None:
    """On or off; devices give it as a bool, some as a number."""
    raw = value.value
    return bool(raw) if isinstance(raw, bool | int) else None
