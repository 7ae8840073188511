"""The server of prices: what was published here, what holds now, who has acknowledged it. Pure.

Smart Energy profile 1.1b, D.4.2; the gateway manual, Price. A larger issuer event id is a newer price. There is no
command that takes a price back: a newer one that overlaps it takes its place, and what is cut off does not come back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from hub.errors import InvalidError, RefusedError
from hub.smart_energy.peer import Peer
from hub.smart_energy.tariff import MAX_LABEL, TIER_LABEL, Tariff
from protocols.se.base import INVALID_UTC
from protocols.se.price import UNTIL_CHANGED, PublishPrice
from protocols.zcl.datatypes import Value

MAX_PRICES = 500
"""Kept at once; the profile asks for 5 at least."""
BCD = 0x80
"""Bit of a unit: its numbers are binary coded decimals."""

Commodity = tuple[int, int]
"""Provider, and unit of measure: prices of one do not meet those of another."""


def commodity_of(price: PublishPrice) -> Commodity:
    """Whose price of what."""
    return price.provider_id, price.unit_of_measure & ~BCD


def tier_of(price: PublishPrice) -> int:
    """1 to 15; 0: none."""
    return price.price_trailing_digit_and_tier & 0x0F


def amount_of(price: PublishPrice) -> float:
    """The price in units of its currency."""
    digits: int = price.price_trailing_digit_and_tier >> 4
    return price.price / float(10**digits)


@dataclass(slots=True, kw_only=True)
class ServerPrice:
    """A price that was published here."""

    price: PublishPrice
    """As it was asked for."""
    start: int
    end: int | None
    """None: until another one takes its place."""
    delivered: set[Peer] = field(default_factory=set)
    acknowledged: dict[Peer, int] = field(default_factory=dict)
    """Clients that have said so, with the time by their clocks."""
    is_told: bool = False
    """It has begun, and everybody was told."""

    @property
    def number(self) -> int:
        """Its issuer event id."""
        return self.price.issuer_event_id

    def holds(self, now: int) -> bool:
        """Whether it is the price of a moment."""
        return self.start <= now and (self.end is None or now < self.end)

    def is_valid(self, now: int) -> bool:
        """It holds, or will."""
        return self.end is None or self.end > now

    def overlaps(self, start: int, end: int | None) -> bool:
        """Whether there is a moment of both."""
        return (end is None or self.start < end) and (self.end is None or start < self.end)

    @property
    def minutes(self) -> int:
        """How long it holds: less than was asked for where another price has cut it."""
        return UNTIL_CHANGED if self.end is None else max(1, -(-(self.end - self.start) // 60))

    def command(self, now: int) -> PublishPrice:
        """As it is sent at a moment."""
        return replace(self.price, current_time=now & 0xFFFFFFFF, start_time=self.start, duration_min=self.minutes)


class PriceServer:
    """All prices of one server endpoint."""

    def __init__(self) -> None:
        self.prices: dict[int, ServerPrice] = {}
        """By issuer event id."""
        self.tariff = Tariff()

    def attributes(self) -> dict[int, Value]:
        """Values of the server's attributes by id: of the tariff, and labels of tiers that only the prices have."""
        found: dict[int, Value] = {}
        for one in self.prices.values():
            if tier_of(one.price) and one.price.rate_label:
                label = one.price.rate_label.encode("utf-8", "surrogateescape")
                found[TIER_LABEL + tier_of(one.price) - 1] = label
        return found | self.tariff.attributes()

    def load(self, prices: Iterable[ServerPrice]) -> None:
        """Go on with what was kept before a restart."""
        self.prices = {one.number: one for one in prices}

    def create(self, price: PublishPrice, now: int) -> ServerPrice:
        """Take a price. Raises `InvalidError` that names the field, `RefusedError` for a number or a time in use.

        A number is free again once its price is over.
        """
        _check(price)
        known = self.prices.get(price.issuer_event_id)
        if known is not None and known.is_valid(now):
            raise RefusedError(f"there is a price {price.issuer_event_id} already; each needs a number of its own")
        start = price.start_time or now
        end = None if price.duration_min == UNTIL_CHANGED else start + 60 * price.duration_min
        if end is not None and end <= now:
            raise InvalidError("start_time", price.start_time, "a start from which the duration reaches past now")
        commodity = commodity_of(price)
        for other in self.prices.values():
            if (
                commodity_of(other.price) == commodity
                and other.overlaps(start, end)
                and other.number > price.issuer_event_id
                and other.is_valid(now)
            ):
                raise RefusedError(
                    f"price {other.number} overlaps it and is newer: a newer price has a larger issuer_event_id"
                )
        self.prices.pop(price.issuer_event_id, None)
        self._forget(now)
        if len(self.prices) >= MAX_PRICES:
            raise RefusedError(f"{MAX_PRICES} prices are waiting already")
        for other in [one for one in self.prices.values() if commodity_of(one.price) == commodity]:
            if not other.overlaps(start, end):
                continue
            if other.start < start:
                other.end = start
            else:
                del self.prices[other.number]
        new = self.prices[price.issuer_event_id] = ServerPrice(price=price, start=start, end=end)
        return new

    def _forget(self, now: int) -> None:
        """Prices that are over make room, oldest first."""
        over = [one.number for one in self.prices.values() if one.end is not None and one.end <= now]
        for number in over[: max(0, len(self.prices) - MAX_PRICES + 1)]:
            del self.prices[number]

    def cancel_all(self) -> int:
        """Forget all prices, here alone: there is no command for it; how many those were."""
        count = len(self.prices)
        self.prices.clear()
        return count

    def clear(self, now: int) -> int:
        """Forget prices that are over; how many those were."""
        over = [one.number for one in self.prices.values() if one.end is not None and one.end <= now]
        for number in over:
            del self.prices[number]
        return len(over)

    def current(self, now: int) -> list[ServerPrice]:
        """What it costs now: one of each commodity and provider, the newest first."""
        found = [one for one in self.prices.values() if one.holds(now)]
        return sorted(found, key=lambda one: -one.number)

    def scheduled(self, start_time: int, count: int, now: int) -> list[ServerPrice]:
        """What Get Scheduled Prices is answered with: what ends after a time (0: now), earliest start first."""
        least = max(start_time, now)
        found = [one for one in self.prices.values() if one.end is None or one.end > least]
        found.sort(key=lambda one: (one.start, one.number))
        return found[:count] if count else found

    def missing(self, client: Peer, now: int) -> list[ServerPrice]:
        """Prices that a client has not got yet."""
        return [one for one in self.scheduled(0, 0, now) if client not in one.delivered]

    def begun(self, now: int) -> list[ServerPrice]:
        """Prices that hold since the last time that this was asked."""
        found = [one for one in self.current(now) if not one.is_told]
        for one in found:
            one.is_told = True
        return found

    def acknowledge(self, client: Peer, provider_id: int, number: int, time: int) -> ServerPrice | None:
        """Price Acknowledgement; None for a price that is not ours."""
        known = self.prices.get(number)
        if known is None or known.price.provider_id != provider_id:
            return None
        known.acknowledged[client] = time
        known.delivered.add(client)
        return known

    def next_time(self, now: int) -> int | None:
        """When the next price begins; None: none does."""
        return min((one.start for one in self.prices.values() if one.start > now), default=None)


def _check(price: PublishPrice) -> None:
    tiers = price.number_of_price_tiers_and_register_tier >> 4
    label = price.rate_label.encode("utf-8", "surrogateescape")
    checks = (
        ("rate_label", f"{len(label)} bytes", len(label) <= MAX_LABEL, f"at most {MAX_LABEL} bytes of UTF-8"),
        ("start_time", price.start_time, price.start_time != INVALID_UTC, "0 (now), or a time before 2136"),
        ("duration_min", price.duration_min, price.duration_min > 0, "1 to 65534 minutes, or 65535: until changed"),
        ("price_ratio", price.price_ratio, price.price_ratio > 0, "0.1 to 25.4, or 255: unused"),
        (
            "generation_price_ratio",
            price.generation_price_ratio,
            price.generation_price_ratio > 0,
            "0.1 to 25.4, or 255: unused",
        ),
        (
            "price_tier",
            tier_of(price),
            tier_of(price) <= tiers or not tiers,
            f"0 (none) to {tiers}, the number of tiers",
        ),
    )
    for name, value, is_right, allowed in checks:
        if not is_right:
            raise InvalidError(name, value, allowed)
