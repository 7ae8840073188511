"""Price, cluster 0x0700: tariffs, blocks, billing, and what else it has beside prices (profile 1.1b and 1.2, D.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from protocols.errors import RangeError
from protocols.fields import U8, OpenEnum, u8, u16, u32
from protocols.packet import U48, Counted, Packet, Repeated, u24
from protocols.record import record
from protocols.se import price
from protocols.se.base import Commands, SeCommand, SeVersion, label12, label20, label24, utc
from protocols.se.price import CLUSTER

_V1_2 = SeVersion.V1_2


class CppAuthorization(OpenEnum):
    """State of a critical peak price."""

    PENDING = 0
    ACCEPTED = 1
    REJECTED = 2
    FORCED = 3


@record
class PublishBlockPeriod(SeCommand):
    """Server to client: when blocks of consumption begin anew (SE 1.1). SE 1.2 has other fields at the end."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x01, False
    provider_id: u32
    issuer_event_id: u32
    block_period_start: utc
    duration: u24
    """Minutes; from SE 1.2 on in units of `duration_type`."""
    tiers_and_thresholds: u8
    """SE 1.1: number of tiers and of thresholds; from SE 1.2 on the control."""
    control_or_duration_type: u8
    """SE 1.1: the control; from SE 1.2 on the duration's type."""
    tariff_type: u8 | None = None
    tariff_resolution: u8 | None = None


@record
class PublishConversionFactor(SeCommand):
    """Server to client: from volume at the meter to standard volume, of gas."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x02, False
    issuer_event_id: u32
    start_time: utc
    conversion_factor: u32
    trailing_digit: u8


@record
class PublishCalorificValue(SeCommand):
    """Server to client: heat in a quantity of gas; unit 1: MJ/m3, 2: MJ/kg."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x03, False
    issuer_event_id: u32
    start_time: utc
    calorific_value: u32
    unit: u8
    trailing_digit: u8


@record(kw_only=True)
class PublishTariffInformation(SeCommand):
    """Server to client: what a tariff is made of (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x04, False
    provider_id: u32
    issuer_event_id: u32
    tariff_id: u32
    start_time: utc
    type_and_scheme: u8
    label: label24
    tiers_in_use: u8
    thresholds_in_use: u8
    unit_of_measure: u8
    currency: u16
    price_trailing_digit: u8
    standing_charge: u32
    tier_block_mode: u8
    threshold_multiplier: u24
    threshold_divisor: u24


@record
class MatrixPrice(Packet):
    """A price of a matrix."""

    tier_block_id: u8
    price: u32


@record(kw_only=True)
class PublishPriceMatrix(SeCommand):
    """Server to client: the prices of a tariff (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x05, False
    provider_id: u32
    issuer_event_id: u32
    start_time: utc
    tariff_id: u32
    command_index: u8
    total_commands: u8
    sub_payload_control: u8
    """Bit 0: by time of use only."""
    prices: Annotated[tuple[MatrixPrice, ...], Repeated(MatrixPrice)] = ()


class _Thresholds:
    """Thresholds behind their number in the low nibble of the byte before them."""

    def read(self, data: bytes, offset: int, order: str) -> tuple[tuple[int, ...], int]:
        """See `protocols.packet.Wire`."""
        found = []
        for _ in range(data[offset - 1] & 0x0F):
            value, offset = U48.read(data, offset, order)
            found.append(value)
        return tuple(found), offset

    def write(self, value: tuple[int, ...], order: str) -> bytes:
        """See `protocols.packet.Wire`."""
        if len(value) > 15:
            raise ValueError("at most 15 thresholds")
        return b"".join(U48.write(one, order) for one in value)


@record
class TierThresholds(Packet):
    """The thresholds of a tier; `tier_and_count` has the tier in its high nibble, their number in its low one."""

    tier_and_count: u8
    thresholds: Annotated[tuple[int, ...], _Thresholds()]

    def __post_init__(self) -> None:
        if self.tier_and_count & 0x0F != len(self.thresholds):
            allowed = f"{len(self.thresholds)} in its low nibble: the number of thresholds"
            raise RangeError("TierThresholds.tier_and_count", self.tier_and_count, allowed)


@record(kw_only=True)
class PublishBlockThresholds(SeCommand):
    """Server to client: where blocks of consumption end (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x06, False
    provider_id: u32
    issuer_event_id: u32
    start_time: utc
    tariff_id: u32
    command_index: u8
    total_commands: u8
    sub_payload_control: u8
    """Bit 0: for all tiers."""
    tiers: Annotated[tuple[TierThresholds, ...], Repeated(TierThresholds)] = ()


@record
class PublishCO2Value(SeCommand):
    """Server to client: CO2 in a unit; unit 1: kg/kWh, 2: kg per gallon of gasoline, 3: kg/therm (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x07, False
    provider_id: u32
    issuer_event_id: u32
    start_time: utc
    tariff_type: u8
    co2_value: u32
    unit: u8
    trailing_digit: u8


@record
class TierLabel(Packet):
    """A tier's name."""

    tier_id: u8
    label: label12


@record
class PublishTierLabels(SeCommand):
    """Server to client: what tiers are called (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x08, False
    provider_id: u32
    issuer_event_id: u32
    tariff_id: u32
    command_index: u8
    total_commands: u8
    labels: Annotated[tuple[TierLabel, ...], Counted(U8, TierLabel)]


@record
class PublishBillingPeriod(SeCommand):
    """Server to client: for which time is billed (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x09, False
    provider_id: u32
    issuer_event_id: u32
    start_time: utc
    duration: u24
    duration_type: u8
    tariff_type: u8


@record
class PublishConsolidatedBill(SeCommand):
    """Server to client: a bill (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x0A, False
    provider_id: u32
    issuer_event_id: u32
    period_start: utc
    duration: u24
    duration_type: u8
    tariff_type: u8
    bill: u32
    currency: u16
    trailing_digit: u8


@record
class PublishCPPEvent(SeCommand):
    """Server to client: a critical peak price (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x0B, False
    provider_id: u32
    issuer_event_id: u32
    start_time: utc
    duration_min: u16
    tariff_type: u8
    price_tier: u8
    authorization: Annotated[CppAuthorization, U8]


@record
class PublishCreditPayment(SeCommand):
    """Server to client: a payment (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x0C, False
    provider_id: u32
    issuer_event_id: u32
    due_date: utc
    overdue_amount: u32
    status: u8
    payment: u32
    payment_date: utc
    reference: label20


@record
class PublishCurrencyConversion(SeCommand):
    """Server to client: another currency (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x0D, False
    provider_id: u32
    issuer_event_id: u32
    start_time: utc
    old_currency: u16
    new_currency: u16
    conversion_factor: u32
    trailing_digit: u8
    change_control: u32


@record
class CancelTariff(SeCommand):
    """Server to client: a tariff is over (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x0E, False
    provider_id: u32
    tariff_id: u32
    tariff_type: u8


@record
class GetBlockPeriods(SeCommand):
    """Client to server: when blocks begin anew (SE 1.1)."""

    CLUSTER, COMMAND = CLUSTER, 0x03
    SINCE: ClassVar[Mapping[str, SeVersion]] = {"tariff_type": _V1_2}
    start_time: utc
    number_of_events: u8
    tariff_type: u8 | None = None


@record
class GetConversionFactor(SeCommand):
    """Client to server: Publish Conversion Factor, please."""

    CLUSTER, COMMAND = CLUSTER, 0x04
    earliest_start_time: utc
    min_issuer_event_id: u32
    number_of_commands: u8


@record
class GetCalorificValue(GetConversionFactor):
    """Client to server: Publish Calorific Value, please."""

    COMMAND = 0x05


@record
class GetTariffInformation(SeCommand):
    """Client to server: Publish Tariff Information, please (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x06
    earliest_start_time: utc
    min_issuer_event_id: u32
    number_of_commands: u8
    tariff_type: u8


@record
class GetPriceMatrix(SeCommand):
    """Client to server: Publish Price Matrix, please (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x07
    tariff_id: u32


@record
class GetBlockThresholds(GetPriceMatrix):
    """Client to server: Publish Block Thresholds, please (SE 1.2)."""

    COMMAND = 0x08


@record
class GetCO2Value(SeCommand):
    """Client to server: Publish CO2 Value, please (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x09
    earliest_start_time: utc
    min_issuer_event_id: u32
    number_of_commands: u8
    tariff_type: u8 | None = None


@record
class GetTierLabels(GetPriceMatrix):
    """Client to server: Publish Tier Labels, please (SE 1.2)."""

    COMMAND = 0x0A


@record
class GetBillingPeriod(GetCO2Value):
    """Client to server: Publish Billing Period, please (SE 1.2)."""

    COMMAND = 0x0B


@record
class GetConsolidatedBill(GetCO2Value):
    """Client to server: Publish Consolidated Bill, please (SE 1.2)."""

    COMMAND = 0x0C


@record
class CPPEventResponse(SeCommand):
    """Client to server: whether a critical peak price is accepted (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x0D
    issuer_event_id: u32
    authorization: Annotated[CppAuthorization, U8]


@record
class GetCreditPayment(SeCommand):
    """Client to server: Publish Credit Payment, please (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x0E
    latest_end_time: utc
    number_of_records: u8


@record
class GetCurrencyConversion(SeCommand):
    """Client to server: Publish Currency Conversion, please (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x0F


@record
class GetTariffCancellation(SeCommand):
    """Client to server: Cancel Tariff, please (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x10


COMMANDS = Commands(
    CLUSTER,
    *price.COMMANDS.known.values(),
    PublishBlockPeriod,
    PublishConversionFactor,
    PublishCalorificValue,
    PublishTariffInformation,
    PublishPriceMatrix,
    PublishBlockThresholds,
    PublishCO2Value,
    PublishTierLabels,
    PublishBillingPeriod,
    PublishConsolidatedBill,
    PublishCPPEvent,
    PublishCreditPayment,
    PublishCurrencyConversion,
    CancelTariff,
    GetBlockPeriods,
    GetConversionFactor,
    GetCalorificValue,
    GetTariffInformation,
    GetPriceMatrix,
    GetBlockThresholds,
    GetCO2Value,
    GetTierLabels,
    GetBillingPeriod,
    GetConsolidatedBill,
    CPPEventResponse,
    GetCreditPayment,
    GetCurrencyConversion,
    GetTariffCancellation,
)
"""All of the cluster."""
