"""Records of our prices are kept between requests, and are never those of another price or another moment."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from hub.smart_energy.esi import EnergyService
from hub.smart_energy.price_server import PriceServer
from protocols.se.price import PublishPrice
from web.rpc.handlers.places import Places
from web.rpc.handlers.price import Prices
from web.rpc.se_records import record_of

NOW = 848_000_000
PRICE = PublishPrice(
    provider_id=1,
    rate_label="PEAK",
    issuer_event_id=7,
    current_time=0,
    unit_of_measure=0,
    currency=840,
    price_trailing_digit_and_tier=0x21,
    number_of_price_tiers_and_register_tier=0x21,
    start_time=NOW,
    duration_min=60,
    price=1234,
)


class Service:
    """As much of an energy service as prices need."""

    def __init__(self, name: str) -> None:
        self.name, self.prices = name, PriceServer()


def service(name: str = "han") -> EnergyService:
    return cast("EnergyService", Service(name))


def test_a_record_is_that_of_the_command_at_its_moment() -> None:
    prices, han = Prices(cast("Places", None)), service()
    kept = han.prices.create(PRICE, NOW)
    for moment in (NOW, NOW, NOW + 1, NOW + 59):
        assert prices._records(han, moment) == [record_of(kept.command(moment))]


def test_a_record_that_somebody_has_does_not_change() -> None:
    prices, han = Prices(cast("Places", None)), service()
    han.prices.create(PRICE, NOW)
    [first] = prices._records(han, NOW)
    [second] = prices._records(han, NOW + 5)
    assert (first.fields["utc_time"], second.fields["utc_time"]) == (NOW, NOW + 5)


def test_an_end_that_moves_another_price_of_the_number_and_another_network_are_told() -> None:
    prices, han, other = Prices(cast("Places", None)), service(), service("other")
    kept = han.prices.create(PRICE, NOW)
    other.prices.create(replace(PRICE, price=5), NOW)
    assert prices._records(han, NOW)[0].fields["duration_in_minutes"] == 60
    assert prices._records(other, NOW)[0].fields["price"] == 5
    kept.end = NOW + 30 * 60
    assert prices._records(han, NOW)[0].fields["duration_in_minutes"] == 30
    han.prices.prices.clear()
    assert prices._records(han, NOW) == []
    han.prices.create(replace(PRICE, price=9), NOW)
    assert prices._records(han, NOW)[0].fields["price"] == 9
