"""A believable home: what its loads draw at a time of day, and the grid that feeds them.

Every model is a pure function of the model time and a seed, so that a home can be asked at any moment, in any order,
and two runs with one seed agree. Watts are positive for consumption and negative for generation; vars are positive for
inductive loads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import floor, pi, sin
from typing import ClassVar, NamedTuple

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S

_MASK_64 = (1 << 64) - 1


def noise(seed: int, index: int) -> float:
    """A number in [0, 1) that looks random and is always the same for one seed and index."""
    mixed = (index * 0x9E3779B97F4A7C15 + seed * 0xD1B54A32D192ED03 + 0x2545F4914F6CDD1D) & _MASK_64
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK_64
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK_64
    return (mixed ^ (mixed >> 31)) / (_MASK_64 + 1)


def drift(seed: int, time_s: float, period_s: float) -> float:
    """A slowly wandering number in [0, 1): a new aim every `period_s`, straight lines between."""
    place = time_s / period_s
    index = floor(place)
    start = noise(seed, index)
    return start + (noise(seed, index + 1) - start) * (place - index)


class Demand(NamedTuple):
    """What a load draws over all its poles."""

    watts: float
    vars: float


@dataclass(frozen=True, slots=True)
class Load(ABC):
    """One load behind one breaker."""

    seed: int
    kind: ClassVar[str]
    two_pole: ClassVar[bool] = False
    """Between both legs, 240 V; else 120 V from one leg on pole 0."""

    @abstractmethod
    def demand(self, time_s: float) -> Demand:
        """The draw at `time_s` seconds of model time; its remainder by 86,400 is the time of day."""


class Refrigerator(Load):
    """A compressor with a starting peak, about 40 % of the time on, and a defrost heater twice a day."""

    __slots__ = ()
    kind = "refrigerator"

    def demand(self, time_s: float) -> Demand:
        period_s = 2400.0 + 900.0 * noise(self.seed, 1)
        place = time_s / period_s + noise(self.seed, 2)
        into_s = (place - floor(place)) * period_s
        wobble = noise(self.seed, floor(time_s))
        if (time_s + DAY_S * noise(self.seed, 3)) % (DAY_S / 2) < 1200.0:
            return Demand(415.0 + 6.0 * wobble, 5.0)
        if into_s < 0.4 * period_s:
            starting = 60.0 * max(0.0, 1.0 - into_s / 45.0)
            watts = 128.0 + 8.0 * wobble + starting
            return Demand(watts, 0.75 * watts)
        return Demand(1.6 + 0.4 * wobble, -3.0)


class EvCharger(Load):
    """A car that charges in the evening and again in the small hours, with a taper at the end."""

    __slots__ = ()
    kind = "ev_charger"
    two_pole = True

    def demand(self, time_s: float) -> Demand:
        day = floor(time_s / DAY_S)
        hour = time_s % DAY_S / HOUR_S
        wobble = noise(self.seed, floor(time_s))
        for session, (start_h, length_h) in enumerate(((17.75, 4.0), (1.0, 2.5))):
            begin = start_h + 0.5 * noise(self.seed + session, day)
            left_h = begin + length_h - hour
            if hour >= begin and left_h > 0:
                watts = 7150.0 * min(1.0, 0.25 + left_h / 0.4) + 40.0 * wobble
                return Demand(watts, -0.05 * watts)
        return Demand(5.0 + wobble, -14.0)


class Solar(Load):
    """A roof: a bell from morning to evening with passing clouds, which flows out of the house."""

    __slots__ = ()
    kind = "solar"
    two_pole = True
    peak_w: ClassVar[float] = 5200.0

    def demand(self, time_s: float) -> Demand:
        hour = time_s % DAY_S / HOUR_S
        sun = sin(pi * (hour - 6.25) / 13.0) if 6.25 < hour < 19.25 else 0.0
        if sun <= 0.01:
            return Demand(3.5, -22.0)
        day_kind = 0.55 + 0.45 * noise(self.seed, floor(time_s / DAY_S))
        cloud = drift(self.seed + 1, time_s, 240.0)
        shade = 1.0 if cloud < 0.6 else 1.0 - 1.4 * (cloud - 0.6)
        flicker = 0.995 + 0.01 * noise(self.seed + 2, floor(time_s))
        watts = self.peak_w * sun**1.2 * day_kind * shade * flicker
        return Demand(-watts, 0.02 * watts)


class WaterHeater(Load):
    """A resistive 4.5 kW element: after the morning and evening showers, and to hold the temperature."""

    __slots__ = ()
    kind = "water_heater"
    two_pole = True

    def demand(self, time_s: float) -> Demand:
        hour = time_s % DAY_S / HOUR_S
        holding = (time_s + HOUR_S * noise(self.seed, 4)) % (3 * HOUR_S) < 420.0
        if 6.6 <= hour < 7.3 or 19.4 <= hour < 19.9 or holding:
            return Demand(4490.0 + 25.0 * noise(self.seed, floor(time_s)), 0.0)
        return Demand(0.0, 0.0)


class Kitchen(Load):
    """Appliances in stand-by, kettle and toaster in the morning, a thermostat-switched oven around dinner."""

    __slots__ = ()
    kind = "kitchen"

    def demand(self, time_s: float) -> Demand:
        hour = time_s % DAY_S / HOUR_S
        wobble = noise(self.seed, floor(time_s))
        watts = 9.0 + 2.0 * wobble
        if 6.8 <= hour < 7.5 and noise(self.seed + 1, floor(time_s / 150.0)) < 0.5:
            watts += 1380.0
        elif 12.0 <= hour < 12.6 and noise(self.seed + 2, floor(time_s / 90.0)) < 0.6:
            watts += 1120.0
        elif 17.6 <= hour < 18.8:
            watts += 1620.0 if time_s % 140.0 < 80.0 else 90.0
        return Demand(watts, 0.08 * watts)


class Hvac(Load):
    """A heat pump that runs longer the warmer the afternoon."""

    __slots__ = ()
    kind = "hvac"
    two_pole = True

    def demand(self, time_s: float) -> Demand:
        hour = time_s % DAY_S / HOUR_S
        wobble = noise(self.seed, floor(time_s))
        warmth = 0.5 + 0.5 * sin(2 * pi * (hour - 9.5) / 24.0)
        place = time_s / 1260.0 + noise(self.seed, 5)
        if place - floor(place) < 0.18 + 0.5 * warmth:
            watts = 2650.0 + 300.0 * warmth + 30.0 * wobble
            return Demand(watts, 0.42 * watts)
        return Demand(11.0 + wobble, 6.0)


class Lighting(Load):
    """Stand-by of everything that is never off, and lights in the evening: switched supplies, so capacitive."""

    __slots__ = ()
    kind = "lighting"

    def demand(self, time_s: float) -> Demand:
        hour = time_s % DAY_S / HOUR_S
        watts = 62.0 + 9.0 * drift(self.seed, time_s, 600.0) + 2.0 * noise(self.seed, floor(time_s))
        if 17.5 <= hour < 23.2:
            watts += 90.0 + 160.0 * round(3.0 * noise(self.seed + 1, floor(time_s / 900.0))) / 3.0
        elif 6.3 <= hour < 7.8:
            watts += 120.0
        return Demand(watts, -0.35 * watts)


LOADS: dict[str, type[Load]] = {
    load.kind: load for load in (Refrigerator, EvCharger, Solar, Kitchen, Hvac, WaterHeater, Lighting)
}
"""By kind, in the order in which a home's breakers get them."""


def load_for(kind: str, seed: int) -> Load:
    """The load called `kind`. Raises `KeyError`."""
    return LOADS[kind](seed)


FIRST_UTC_S = 846_720_000.0
"""2026-10-31 00:00 UTC: where nobody says when it is."""


@dataclass(frozen=True, slots=True)
class Home:
    """The house's clock and its grid connection, two legs of 120 V at 60 Hz."""

    seed: int
    start_of_day_s: float
    """The time of day when the emulator started."""
    speed: float
    """Model seconds per second. It moves the time of day alone: volts, watts and meters keep real seconds."""
    origin_s: float
    """The monotonic time when the emulator started."""
    start_utc_s: float = FIRST_UTC_S
    """What devices that know the time took it for then, in seconds since 2000-01-01 UTC."""

    def model_time(self, monotonic_s: float) -> float:
        """Seconds of model time at a monotonic time."""
        return self.start_of_day_s + (monotonic_s - self.origin_s) * self.speed

    def utc(self, monotonic_s: float) -> float:
        """Seconds since 2000-01-01 UTC at a monotonic time, for devices that know it; as fast as model time."""
        return self.start_utc_s + (monotonic_s - self.origin_s) * self.speed

    def leg_mv(self, leg: int, monotonic_s: float) -> int:
        """RMS voltage of leg 0 or 1 to neutral, mV."""
        wander = drift(self.seed + 11 + leg, monotonic_s, 45.0) - 0.5
        return 121_400 + round(2600.0 * wander + 240.0 * (noise(self.seed + leg, floor(monotonic_s)) - 0.5))

    def frequency_mhz(self, monotonic_s: float) -> int:
        """Line frequency, mHz."""
        return 60_000 + round(60.0 * (drift(self.seed + 21, monotonic_s, 12.0) - 0.5))
