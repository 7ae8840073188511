"""The client of prices: what it costs now and later, by what servers publish. Pure.

Smart Energy profile 1.1b, D.4.3 and D.4.4. A price with a larger issuer event id takes the place of what it overlaps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hub.smart_energy.peer import Peer
from hub.smart_energy.price_server import Commodity, commodity_of
from protocols.se.price import UNTIL_CHANGED, PriceAcknowledgement, PriceControl, PublishPrice
from protocols.zcl.status import Status

MAX_PRICES = 100
"""Kept at once; the profile asks for 2 at least."""
REMEMBERED_S = 24 * 3600
"""People see for a day what it cost; no document asks for it."""


@dataclass(slots=True, kw_only=True)
class ClientPrice:
    """A price that a server has published."""

    price: PublishPrice
    servers: list[Peer]
    start: int
    end: int | None
    """None: until another one takes its place."""

    @property
    def key(self) -> tuple[int, int]:
        """Provider and issuer event id: two providers may use one number."""
        return self.price.provider_id, self.price.issuer_event_id

    def holds(self, now: int) -> bool:
        """Whether it is the price of a moment."""
        return self.start <= now and (self.end is None or now < self.end)


@dataclass(frozen=True, slots=True)
class PriceTaken:
    """What became of Publish Price: the status of a default response, or an acknowledgement in its place."""

    status: Status = Status.SUCCESS
    acknowledgement: PriceAcknowledgement | None = None
    is_new: bool = False


@dataclass(slots=True)
class PriceClient:
    """All prices of one client endpoint."""

    prices: dict[tuple[int, int], ClientPrice] = field(default_factory=dict)
    _active: dict[Commodity, tuple[int, int]] = field(default_factory=dict)
    """What was told to be active last."""

    def load(self, prices: Iterable[ClientPrice]) -> None:
        """Go on with what was kept before a restart."""
        self.prices = {one.key: one for one in prices}

    def receive(self, price: PublishPrice, server: Peer, now: int) -> PriceTaken:
        """Publish Price."""
        start = price.start_time or now
        end = None if price.duration_min == UNTIL_CHANGED else start + 60 * price.duration_min
        if end is not None and end <= now:
            return PriceTaken(Status.FAILURE)
        acknowledgement = None
        if price.price_control is not None and price.price_control & PriceControl.ACKNOWLEDGE:
            acknowledgement = PriceAcknowledgement(
                price.provider_id, price.issuer_event_id, now & 0xFFFFFFFF, price.price_control
            )
        known = self.prices.get((price.provider_id, price.issuer_event_id))
        if known is not None:
            if server not in known.servers:
                known.servers.append(server)
            return PriceTaken(Status.DUPLICATE_EXISTS if acknowledgement is None else Status.SUCCESS, acknowledgement)
        self._forget(now)
        if not self._make_way(price, start, end):
            return PriceTaken(Status.SUCCESS, acknowledgement)  # an older one: it has come, and does not hold
        if len(self.prices) >= MAX_PRICES:
            return PriceTaken(Status.INSUFFICIENT_SPACE)
        new = ClientPrice(price=price, servers=[server], start=start, end=end)
        self.prices[new.key] = new
        return PriceTaken(Status.SUCCESS, acknowledgement, is_new=True)

    def _make_way(self, price: PublishPrice, start: int, end: int | None) -> bool:
        """The newer price wins; whether that is this one."""
        meets = [
            one
            for one in self.prices.values()
            if commodity_of(one.price) == commodity_of(price)
            and (end is None or one.start < end)
            and (one.end is None or start < one.end)
        ]
        if any(one.price.issuer_event_id > price.issuer_event_id for one in meets):
            return False
        for other in meets:
            if other.start < start:
                other.end = start
            else:
                del self.prices[other.key]
        return True

    def _forget(self, now: int) -> None:
        """What was over a day ago, and of what is over the oldest where there is no room."""
        over = sorted((one.end, one.key) for one in self.prices.values() if one.end is not None and one.end <= now)
        for end, key in over:
            if end <= now - REMEMBERED_S or len(self.prices) >= MAX_PRICES:
                del self.prices[key]

    def active(self, now: int) -> dict[Commodity, ClientPrice]:
        """What it costs now."""
        return {commodity_of(one.price): one for one in self.prices.values() if one.holds(now)}

    def due(self, now: int) -> bool:
        """Whether what is active has changed since this was asked last."""
        active = {commodity: one.key for commodity, one in self.active(now).items()}
        has_changed = active != self._active
        self._active = active
        return has_changed

    def clear(self) -> None:
        """Forget all prices."""
        self.prices.clear()

    def next_time(self, now: int) -> int | None:
        """When something begins or ends next; None: never."""
        times = [time for one in self.prices.values() for time in (one.start, one.end) if time is not None]
        return min((time for time in times if time > now), default=None)
