"""What each field of a load control event may be (Smart Energy profile 1.1b, D.2.2.3.1), for both sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protocols.se.base import INVALID_UTC
from protocols.se.drlc import (
    MAX_DURATION_MIN,
    UNUSED_DUTY_CYCLE,
    UNUSED_LOAD_ADJUSTMENT,
    UNUSED_SET_POINT,
    Criticality,
    LoadControlEvent,
)

LOWEST_SET_POINT: Final = -27315
"""0.01 °C: nothing is colder."""
KNOWN_CLASSES, KNOWN_CONTROL = 0x0FFF, 0x03


@dataclass(frozen=True, slots=True)
class Limit:
    """Of a field: what it is called, whether a value is right, and what is allowed, for people."""

    field: str
    is_right: Callable[[LoadControlEvent], bool]
    allowed: str
    is_ours: bool = False
    """Only an event that we make has to keep to it: on receipt reserved bits are ignored."""


def _is_set_point(value: int) -> bool:
    return value == UNUSED_SET_POINT or value >= LOWEST_SET_POINT


LIMITS: Final = (
    Limit("device_class", lambda one: 0 < one.device_class <= KNOWN_CLASSES, "some of 0x0FFF", True),
    Limit("criticality", lambda one: 1 <= one.criticality <= max(Criticality), "1 (green) to 15"),
    Limit("duration_min", lambda one: 1 <= one.duration_min <= MAX_DURATION_MIN, f"1 to {MAX_DURATION_MIN} minutes"),
    Limit("start_time", lambda one: one.start_time != INVALID_UTC, "0 (now), or a time before 2136"),
    Limit(
        "cooling_set_point", lambda one: _is_set_point(one.cooling_set_point), "-273.15 to 327.67 °C, or 0x8000: unused"
    ),
    Limit(
        "heating_set_point", lambda one: _is_set_point(one.heating_set_point), "-273.15 to 327.67 °C, or 0x8000: unused"
    ),
    Limit(
        "load_adjustment",
        lambda one: one.load_adjustment == UNUSED_LOAD_ADJUSTMENT or abs(one.load_adjustment) <= 100,
        "-100 to 100 %, or 0x80: unused",
    ),
    Limit(
        "duty_cycle",
        lambda one: one.duty_cycle == UNUSED_DUTY_CYCLE or one.duty_cycle <= 100,
        "0 to 100 %, or 0xFF: unused",
    ),
    Limit("event_control", lambda one: one.event_control & ~KNOWN_CONTROL == 0, "bits 0 and 1", True),
)


def broken_limit(event: LoadControlEvent, *, is_ours: bool = False) -> Limit | None:
    """The first limit that an event breaks; None: it is right."""
    return next((limit for limit in LIMITS if (is_ours or not limit.is_ours) and not limit.is_right(event)), None)
