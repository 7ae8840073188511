"""Publish Price, as a display decodes it: against a zigpy Struct with the same fields."""

import time

from bench.measure import Result, compare
from protocols.se.price import UNUSED_8, UNUSED_32, AlternateCostUnit, PriceControl, PublishPrice

PRICES = 1000
PROMISE = 20.0


def payloads() -> list[bytes]:
    """As SE 1.1 has them, a new number and price each time."""
    return [
        PublishPrice(
            provider_id=0x0A0B0C0D,
            rate_label="EVENING",
            issuer_event_id=850_000_000 + number,
            current_time=850_000_000,
            unit_of_measure=0,
            currency=840,
            price_trailing_digit_and_tier=0x43,
            number_of_price_tiers_and_register_tier=0x43,
            start_time=850_000_000,
            duration_min=300,
            price=3360 + number,
            alternate_cost_delivered=UNUSED_32,
            alternate_cost_unit=AlternateCostUnit.KG_CO2,
            alternate_cost_trailing_digit=UNUSED_8,
            number_of_block_thresholds=0,
            price_control=PriceControl.ACKNOWLEDGE,
        ).encode()
        for number in range(PRICES)
    ]


def run() -> list[Result]:
    """The one row."""
    import zigpy.types as t

    class Unit(t.enum8):
        """What an alternate cost is."""

        KG_CO2 = 0x01

    class Control(t.bitmap8):
        """Of a price."""

        ACKNOWLEDGE = 0x01

    class Price(t.Struct):
        """The same fields in the same order; those of 1.2 are not there."""

        provider_id: t.uint32_t
        rate_label: t.CharacterString
        issuer_event_id: t.uint32_t
        current_time: t.UTCTime
        unit_of_measure: t.uint8_t
        currency: t.uint16_t
        price_trailing_digit_and_tier: t.uint8_t
        number_of_price_tiers_and_register_tier: t.uint8_t
        start_time: t.UTCTime
        duration_min: t.uint16_t
        price: t.uint32_t
        price_ratio: t.uint8_t
        generation_price: t.uint32_t
        generation_price_ratio: t.uint8_t
        alternate_cost_delivered: t.uint32_t = t.StructField(optional=True)
        alternate_cost_unit: Unit = t.StructField(optional=True, type=Unit)
        alternate_cost_trailing_digit: t.uint8_t = t.StructField(optional=True)
        number_of_block_thresholds: t.uint8_t = t.StructField(optional=True)
        price_control: Control = t.StructField(optional=True, type=Control)

    wires = payloads()
    price, _ = Price.deserialize(wires[7])
    mine = PublishPrice.decode(wires[7])
    assert (price.price, price.price_control) == (mine.price, mine.price_control)

    def ours() -> float:
        decode = PublishPrice.decode
        started = time.perf_counter()
        for wire in wires:
            decode(wire)
        return PRICES / (time.perf_counter() - started)

    def theirs() -> float:
        decode = Price.deserialize
        started = time.perf_counter()
        for wire in wires:
            decode(wire)
        return PRICES / (time.perf_counter() - started)

    ours()
    return [compare("SE: decode Publish Price / zigpy Struct", ours, theirs, unit="per s", at_least=PROMISE)]
