"""Price, cluster 0x0700 (Smart Energy profile 1.0 r15, 1.1b and 1.2, D.4): what it costs, now and later."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntFlag
from typing import Annotated, ClassVar

from protocols.fields import U8, OpenEnum, u8, u16, u32
from protocols.record import record
from protocols.se.base import Commands, SeCommand, SeVersion, label12, utc

CLUSTER = 0x0700
UNTIL_CHANGED = 0xFFFF
UNUSED_8, UNUSED_32 = 0xFF, 0xFFFFFFFF
_V1_0, _V1_1, _V1_2 = SeVersion.V1_0, SeVersion.V1_1, SeVersion.V1_2


class PriceControl(IntFlag):
    """Of a price."""

    ACKNOWLEDGE = 1
    EXTENDED_TIERS = 2
    """More than 15 tiers; SE 1.2."""


class CommandOptions(IntFlag):
    """Of Get Current Price."""

    RECEIVER_ON_WHEN_IDLE = 1


class AlternateCostUnit(OpenEnum):
    """What an alternate cost is."""

    KG_CO2 = 1
    NONE = 0xFF


@record(kw_only=True)
class PublishPrice(SeCommand):
    """Server to client: a price, now or later. Until `generation_price_ratio` as in r14; later revisions went on."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x00, False
    SINCE: ClassVar[Mapping[str, SeVersion]] = {
        "number_of_block_thresholds": _V1_1,
        "price_control": _V1_1,
        "number_of_generation_tiers": _V1_2,
        "generation_tier": _V1_2,
        "extended_number_of_price_tiers": _V1_2,
        "extended_price_tier": _V1_2,
        "extended_register_tier": _V1_2,
    }
    provider_id: u32
    rate_label: label12 = ""
    issuer_event_id: u32
    """Larger is newer."""
    current_time: utc
    """Of the server, when it was sent."""
    unit_of_measure: u8
    """As the Metering attribute."""
    currency: u16
    """ISO 4217, as a number."""
    price_trailing_digit_and_tier: u8
    """High nibble: digits behind the point; low nibble: tier, 0: none."""
    number_of_price_tiers_and_register_tier: u8
    start_time: utc = 0
    """0: now."""
    duration_min: u16
    """0xFFFF: until changed."""
    price: u32
    price_ratio: u8 = UNUSED_8
    """0.1; 0xFF: unused."""
    generation_price: u32 = UNUSED_32
    generation_price_ratio: u8 = UNUSED_8
    alternate_cost_delivered: u32 | None = None
    alternate_cost_unit: Annotated[AlternateCostUnit, U8] | None = None
    alternate_cost_trailing_digit: u8 | None = None
    """High nibble."""
    number_of_block_thresholds: u8 | None = None
    price_control: Annotated[PriceControl, U8] | None = None
    number_of_generation_tiers: u8 | None = None
    generation_tier: u8 | None = None
    extended_number_of_price_tiers: u8 | None = None
    extended_price_tier: u8 | None = None
    extended_register_tier: u8 | None = None


@record
class GetCurrentPrice(SeCommand):
    """Client to server: what it costs now."""

    CLUSTER, COMMAND = CLUSTER, 0x00
    options: Annotated[CommandOptions, U8]


@record
class GetScheduledPrices(SeCommand):
    """Client to server: what it costs from a time on; at most so many prices, 0: all."""

    CLUSTER, COMMAND = CLUSTER, 0x01
    start_time: utc
    number_of_events: u8


@record
class PriceAcknowledgement(SeCommand):
    """Client to server: a price has come (SE 1.1)."""

    CLUSTER, COMMAND = CLUSTER, 0x02
    provider_id: u32
    issuer_event_id: u32
    acknowledge_time: utc
    control: Annotated[PriceControl, U8]


COMMANDS = Commands(CLUSTER, PublishPrice, GetCurrentPrice, GetScheduledPrices, PriceAcknowledgement)
"""Those that every server and client has; `protocols.se.tariff` has all."""
