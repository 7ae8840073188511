"""Block and tier data of the Price server: what its attributes tell beside the prices that are published. Pure.

Smart Energy profile 1.1b, D.4.2.2 (price tier, block threshold, block period, commodity and block price sets).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

from hub.errors import InvalidError
from protocols.zcl.datatypes import Value

MAX_LABEL = 12
"""Bytes of a tier's label."""
MAX_TIERS, MAX_THRESHOLDS = 15, 15
MAX_BLOCKS = MAX_THRESHOLDS + 1
MAX_U24, MAX_U32, MAX_U48 = 0xFFFFFE, 0xFFFFFFFE, 0xFFFFFFFFFFFE
"""Their invalid values are one more."""

TIER_LABEL, BLOCK_THRESHOLD, THRESHOLD_COUNT = 0x0000, 0x0100, 0x010F
PERIOD_START, PERIOD_DURATION, MULTIPLIER, DIVISOR = 0x0200, 0x0201, 0x0202, 0x0203
COMMODITY_TYPE, STANDING_CHARGE = 0x0300, 0x0301
BLOCK_PRICE, TIER_STEP = 0x0400, 0x10


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What is left out has no attribute."""

    tier_labels: tuple[str, ...] = ()
    """Of tier 1 on, 12 bytes of UTF-8 each; empty: none."""
    block_thresholds: tuple[int, ...] = ()
    """Where each block ends, rising; in the commodity's unit by multiplier and divisor. One more block follows."""
    threshold_multiplier: int | None = None
    threshold_divisor: int | None = None
    period_start: int | None = None
    """UTC: when the block period began."""
    period_min: int | None = None
    commodity_type: int | None = None
    """As MeteringDeviceType has it: 0 electric, 1 gas, 2 water."""
    standing_charge: int | None = None
    """By day, in the digits of the published prices."""
    block_prices: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """By tier (0: none), of block 1 on, in the digits of the published prices."""
    digits: int = 4
    """Behind the point of its prices. No attribute of 1.1: a client takes those of the price that holds."""

    def __post_init__(self) -> None:
        """Raises `InvalidError` that names the field."""
        for name, value, is_right, allowed in self._checks():
            if not is_right:
                raise InvalidError(name, value, allowed)

    def _checks(self) -> Iterator[tuple[str, object, bool, str]]:
        yield "tier_labels", f"{len(self.tier_labels)} labels", len(self.tier_labels) <= MAX_TIERS, f"up to {MAX_TIERS}"
        for label in self.tier_labels:
            size = len(label.encode("utf-8", "surrogateescape"))
            yield "tier_labels", label[:40], size <= MAX_LABEL, f"at most {MAX_LABEL} bytes of UTF-8"
        rising = self.block_thresholds
        yield "block_thresholds", f"{len(rising)} thresholds", len(rising) <= MAX_THRESHOLDS, f"up to {MAX_THRESHOLDS}"
        is_rising = all(low < high for low, high in zip((0, *rising), rising, strict=False))
        yield "block_thresholds", list(rising), is_rising and max(rising, default=0) <= MAX_U48, "rising, above 0"
        for name, most in (
            ("threshold_multiplier", MAX_U24),
            ("threshold_divisor", MAX_U24),
            ("period_start", MAX_U32),
            ("period_min", MAX_U24),
            ("commodity_type", 0xFE),
            ("standing_charge", MAX_U32),
            ("digits", 9),
        ):
            value = getattr(self, name)
            least = 0 if name in ("commodity_type", "standing_charge", "digits") else 1
            yield name, value, value is None or least <= value <= most, f"{least} to {most}"
        for tier, prices in self.block_prices.items():
            yield "block_prices", f"tier {tier}", 0 <= tier <= MAX_TIERS, f"tiers 0 (none) to {MAX_TIERS}"
            yield "block_prices", f"{len(prices)} blocks", len(prices) <= MAX_BLOCKS, f"up to {MAX_BLOCKS}"
            yield "block_prices", list(prices), all(0 <= one <= MAX_U32 for one in prices), f"0 to {MAX_U32}"

    def attributes(self) -> dict[int, Value]:
        """Values by attribute id."""
        found: dict[int, Value] = {
            TIER_LABEL + place: label.encode() for place, label in enumerate(self.tier_labels) if label
        }
        found |= {BLOCK_THRESHOLD + place: value for place, value in enumerate(self.block_thresholds)}
        if self.block_thresholds:
            found[THRESHOLD_COUNT] = len(self.block_thresholds)
        for tier, prices in self.block_prices.items():
            found |= {BLOCK_PRICE + TIER_STEP * tier + place: value for place, value in enumerate(prices)}
        single = {
            PERIOD_START: self.period_start,
            PERIOD_DURATION: self.period_min,
            MULTIPLIER: self.threshold_multiplier,
            DIVISOR: self.threshold_divisor,
            COMMODITY_TYPE: self.commodity_type,
            STANDING_CHARGE: self.standing_charge,
        }
        return found | {number: value for number, value in single.items() if value is not None}


def to_text(tariff: Tariff) -> str:
    """As it is kept."""
    return json.dumps(asdict(tariff))


def from_text(text: str) -> Tariff:
    """As it was kept. Raises `ValueError`."""
    try:
        state = json.loads(text)
        state["block_prices"] = {int(tier): tuple(prices) for tier, prices in state["block_prices"].items()}
        for name in ("tier_labels", "block_thresholds"):
            state[name] = tuple(state[name])
        return Tariff(**state)
    except (KeyError, TypeError, AttributeError, InvalidError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
