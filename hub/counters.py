"""Counters of any meter become totals that never fall, whatever the device does.

Of each counter its own value last seen (the base) and our lifetime total are kept. A total is the base's total plus
what was counted since, in whole counts, so nothing adds up but the counts themselves.

- A counter that falls a little (`JITTER`: a device that rounds) has not moved: the total waits until it is passed.
- One that wraps at its size goes on.
- One that falls to what can have been counted since it was heard last has been restarted: all that it shows is new.
- Any other fall, and a leap that no meter can have counted in the time, is not believed until the device insists
  (`INSISTENCE` values in a row that agree with each other); then counting goes on from there, and nothing is invented.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from hub.model import Channel, Quantity

JITTER = 0.1
"""Fall of a counter, in the kilo unit that people read (kWh, m3), that is a device's rounding and not a restart."""
INSISTENCE = 5
"""As for breakers: values in a row that agree with each other, but not with the ledger, until they are believed."""
GRACE_S = 60.0
"""Added to the time between two values: devices round, and report what they counted some time ago."""
PLAUSIBLE: dict[Quantity, float] = {
    Quantity.VOLUME_DELIVERED: 25.0 / 3600,
    # A domestic G16 gas meter lets through 25 m3/h; water meters less.
}
PLAUSIBLE_PER_S = 100_000 / 3600
"""Of other counters in units (Wh, varh) each second: 100 kW, more than a home's connection carries."""
_SMALL: dict[Quantity, float] = {Quantity.VOLUME_DELIVERED: 1.0}
_KILO = 1000.0


@dataclass(frozen=True, slots=True)
class CounterSample:
    """What a counter showed: `raw` counts, each worth `unit` of the quantity."""

    quantity: Quantity
    channel: Channel
    raw: int
    unit: float
    modulus: int
    """One more than the largest count: where it wraps."""


@dataclass(slots=True)
class CounterLedger:
    """One counter's base, in counts and as our total."""

    raw: int | None = None
    """The device's value last believed."""
    total: float = 0.0
    """Ours at `anchor`, in units of the quantity."""
    anchor: int = 0
    unit: float = 1.0
    doubted: int | None = None
    doubts: int = 0

    @property
    def value(self) -> float | None:
        """Our lifetime total now; None before the first value."""
        return None if self.raw is None else self.total + (self.raw - self.anchor) * self.unit

    def take(self, sample: CounterSample, elapsed_s: float) -> bool:
        """Follow the counter. False when what it shows is not believed; then nothing changes."""
        raw = sample.raw
        if self.raw is None:
            # The first value: our lifetime total begins with the device's own.
            self.raw, self.anchor, self.unit, self.total = raw, raw, sample.unit, raw * sample.unit
            return True
        if sample.unit != self.unit:
            # Another scaling: the device's words for the same counts changed, not what was counted before.
            known = self.value or 0.0
            self.total, self.unit = known, sample.unit
            self.anchor = self.raw = raw
            return True
        limit = PLAUSIBLE.get(sample.quantity, PLAUSIBLE_PER_S) * (elapsed_s + GRACE_S) / self.unit
        counted = raw - self.raw
        if 0 <= counted <= limit:
            return self._believe(raw)
        if counted < 0:
            if -counted * self.unit <= JITTER * _SMALL.get(sample.quantity, _KILO):
                self.doubted, self.doubts = None, 0
                return True
            wrapped = counted + sample.modulus
            if 0 <= wrapped <= limit:
                self._rebase(raw, wrapped)
                return True
            if 0 <= raw <= limit:
                self._rebase(raw, raw)
                return True
        return self._doubt(raw, limit)

    def _believe(self, raw: int) -> bool:
        self.raw = raw
        self.doubted, self.doubts = None, 0
        return True

    def _rebase(self, raw: int, counted: int) -> None:
        self.total = (self.value or 0.0) + counted * self.unit
        self.anchor = raw
        self._believe(raw)

    def _doubt(self, raw: int, limit: float) -> bool:
        agrees = self.doubted is not None and 0 <= raw - self.doubted <= limit
        self.doubted = raw
        self.doubts = self.doubts + 1 if agrees else 1
        if self.doubts < INSISTENCE:
            return False
        self._rebase(raw, 0)
        return True

    def to_json(self) -> str:
        """As it is kept on disk."""
        return json.dumps({"raw": self.raw, "total": self.total, "anchor": self.anchor, "unit": self.unit})

    @classmethod
    def from_json(cls, text: str) -> CounterLedger:
        """As it was kept. Raises `ValueError`, `KeyError` or `TypeError`."""
        state = json.loads(text)
        raw = state["raw"]
        return cls(
            raw=None if raw is None else int(raw),
            total=float(state["total"]),
            anchor=int(state["anchor"]),
            unit=float(state["unit"]),
        )
