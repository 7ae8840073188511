"""Block and tier data of our Price server, which devices read as attributes."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.errors import InvalidError
from hub.smart_energy.esi import EnergyService
from hub.smart_energy.tariff import Tariff
from hub.smart_energy.utc import from_utc
from web.auth import Role
from web.rest.smart_energy import DEFAULT_DIGITS, FAILS, Radio, When, WhichRadio, radio_of, start_of
from web.routes import API, Call, Route
from web.schema_base import Time, time_or_none

Amount = Annotated[float, Meta(ge=0, le=4_294_967_294)]
Divisor = Annotated[int, Meta(ge=1, le=0xFFFFFE)]
COMMODITIES = ("electric", "gas", "water")


class BlockPrices(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a unit costs in block 1, 2 ... of a tier; 0: where there are no tiers."""

    tier: Annotated[int, Meta(ge=0, le=15)] = 0
    prices: Annotated[list[Amount], Meta(min_length=1, max_length=16)]


class TariffFields(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is left out is not told. `block_thresholds`: where block 1, 2 ... ends, in the commodity's unit (kWh, m3).

    Prices are in units of the currency, and are told in `digits` behind the point, as published prices are.
    """

    tier_labels: Annotated[list[str], Meta(max_length=15)] = []
    block_thresholds: Annotated[list[Amount], Meta(max_length=15)] = []
    threshold_divisor: Divisor = 1000
    block_prices: Annotated[list[BlockPrices], Meta(max_length=16)] = []
    digits: Annotated[int, Meta(ge=0, le=9)] = DEFAULT_DIGITS
    standing_charge: Amount | None = None
    """By day."""
    commodity: str | None = None
    """electric, gas or water."""
    period_min: Annotated[int, Meta(ge=1, le=0xFFFFFE)] | None = None
    """Minutes of a block period."""


class NewTariff(TariffFields, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A tariff; it takes the place of the one before."""

    radio: Radio | UnsetType = UNSET
    period_start: When | UnsetType = UNSET


class ShownTariff(TariffFields, frozen=True, kw_only=True):
    """The tariff of a network."""

    radio: str
    period_start: Time | None = None


def _raw(amount: float, digits: int, name: str) -> int:
    found = round(amount * 10.0**digits)
    if found > 0xFFFFFFFE:
        raise InvalidError(name, f"{amount:g} with {digits} digits", "at most 4294967294 in all digits")
    return found


async def set_tariff(call: Call[None, NewTariff]) -> ShownTariff:
    """Set block and tier data of the Price server. Devices read them as attributes."""
    body = call.body
    if body.commodity is not None and body.commodity not in COMMODITIES:
        raise InvalidError("commodity", body.commodity[:20], ", ".join(COMMODITIES))
    rising = body.block_thresholds
    if any(low >= high for low, high in zip([0.0, *rising], rising, strict=False)):
        raise InvalidError("block_thresholds", rising, "rising, above 0")
    tiers = [row.tier for row in body.block_prices]
    if len(set(tiers)) != len(tiers):
        raise InvalidError("block_prices", tiers, "each tier once")
    tariff = Tariff(
        tier_labels=tuple(body.tier_labels),
        block_thresholds=tuple(round(one * body.threshold_divisor) for one in body.block_thresholds),
        threshold_multiplier=1 if body.block_thresholds else None,
        threshold_divisor=body.threshold_divisor if body.block_thresholds else None,
        period_start=None if body.period_start is UNSET else start_of(body.period_start, "period_start"),
        period_min=body.period_min,
        commodity_type=None if body.commodity is None else COMMODITIES.index(body.commodity),
        standing_charge=None
        if body.standing_charge is None
        else _raw(body.standing_charge, body.digits, "standing_charge"),
        block_prices={
            row.tier: tuple(_raw(one, body.digits, "block_prices") for one in row.prices) for row in body.block_prices
        },
        digits=body.digits,
    )
    service = call.hub.smart_energy.service(radio_of(body.radio))
    await call.hub.smart_energy.set_tariff(service.name, tariff)
    return _shown(service)


async def show_tariff(call: Call[WhichRadio, None]) -> ShownTariff:
    """Show block and tier data of the Price server."""
    return _shown(call.hub.smart_energy.service(radio_of(call.query.radio)))


def _shown(service: EnergyService) -> ShownTariff:
    tariff = service.prices.tariff
    divisor, unit = tariff.threshold_divisor or 1000, 10.0**tariff.digits
    return ShownTariff(
        radio=service.name,
        tier_labels=list(tariff.tier_labels),
        block_thresholds=[one * (tariff.threshold_multiplier or 1) / divisor for one in tariff.block_thresholds],
        threshold_divisor=divisor,
        block_prices=[
            BlockPrices(tier=tier, prices=[one / unit for one in prices])
            for tier, prices in sorted(tariff.block_prices.items())
        ],
        digits=tariff.digits,
        standing_charge=None if tariff.standing_charge is None else tariff.standing_charge / unit,
        commodity=None if tariff.commodity_type is None else COMMODITIES[tariff.commodity_type],
        period_start=time_or_none(None if tariff.period_start is None else from_utc(tariff.period_start)),
        period_min=tariff.period_min,
    )


_PATH = f"{API}/events/price/tariff"
ROUTES = (
    Route("GET", _PATH, Role.VIEWER, show_tariff, fails=FAILS, tag="smart energy"),
    Route("PUT", _PATH, Role.OPERATOR, set_tariff, fails=FAILS, tag="smart energy"),
)
