"""Prepayment, cluster 0x0705 (Smart Energy profile 1.2, D.7)."""

from __future__ import annotations

from typing import Annotated

from protocols.fields import U8, OpenEnum, s32, u8, u16, u32
from protocols.packet import Packet, Repeated, Rest
from protocols.record import record
from protocols.se.base import Commands, SeCommand, label12, label24, label25, utc

CLUSTER = 0x0705


class OriginatingDevice(OpenEnum):
    """Where a request comes from."""

    ENERGY_SERVICE_INTERFACE = 0
    METER = 1
    IN_HOME_DISPLAY = 2


class TopUpResult(OpenEnum):
    """How a top-up went."""

    ACCEPTED = 0
    INVALID = 1
    DUPLICATE = 2
    ERROR = 3
    MAX_CREDIT = 4
    KEYPAD_LOCK = 5
    TOO_LARGE = 6
    SUPPLY_ENABLED = 0x10
    SUPPLY_DISABLED = 0x11
    SUPPLY_ARMED = 0x12


# -- to the server -----------------------------------------------------------------------------------------------------


@record
class SelectAvailableEmergencyCredit(SeCommand):
    """Client to server: use the emergency credit. The draft of SE 1.1 had two names behind it."""

    CLUSTER, COMMAND = CLUSTER, 0x00
    issue_time: utc
    originating_device: Annotated[OriginatingDevice, U8]
    site_id: label24 | None = None
    meter_serial_number: label24 | None = None


@record
class ChangeDebt(SeCommand):
    """Client to server."""

    CLUSTER, COMMAND = CLUSTER, 0x02
    issuer_event_id: u32
    label: label12
    amount: s32
    recovery_method: u8
    amount_type: u8
    recovery_start_time: utc
    collection_time_min: u16
    recovery_frequency: u8
    recovery_amount: s32
    recovery_balance_percentage: u16
    """0.01 %."""


@record
class EmergencyCreditSetup(SeCommand):
    """Client to server."""

    CLUSTER, COMMAND = CLUSTER, 0x03
    issuer_event_id: u32
    start_time: utc
    limit: u32
    threshold: u32


@record
class ConsumerTopUp(SeCommand):
    """Client to server: the code of a top-up."""

    CLUSTER, COMMAND = CLUSTER, 0x04
    originating_device: Annotated[OriginatingDevice, U8]
    code: label25


@record
class CreditAdjustment(SeCommand):
    """Client to server; type 0: incremental, 1: absolute."""

    CLUSTER, COMMAND = CLUSTER, 0x05
    issuer_event_id: u32
    start_time: utc
    adjustment_type: u8
    value: s32


@record
class ChangePaymentMode(SeCommand):
    """Client to server."""

    CLUSTER, COMMAND = CLUSTER, 0x06
    provider_id: u32
    issuer_event_id: u32
    implementation_time: utc
    payment_control: u16
    cut_off: s32


@record
class GetPrepaySnapshot(SeCommand):
    """Client to server."""

    CLUSTER, COMMAND = CLUSTER, 0x07
    earliest_time: utc
    latest_time: utc
    offset: u8
    cause: u32


@record
class GetTopUpLog(SeCommand):
    """Client to server."""

    CLUSTER, COMMAND = CLUSTER, 0x08
    latest_end_time: utc
    number_of_records: u8


@record
class SetLowCreditWarningLevel(SeCommand):
    """Client to server."""

    CLUSTER, COMMAND = CLUSTER, 0x09
    level: u32


@record
class GetDebtRepaymentLog(SeCommand):
    """Client to server; type 0xFF: all."""

    CLUSTER, COMMAND = CLUSTER, 0x0A
    latest_end_time: utc
    number_of_debts: u8
    debt_type: u8


@record
class SetMaximumCreditLimit(SeCommand):
    """Client to server."""

    CLUSTER, COMMAND = CLUSTER, 0x0B
    provider_id: u32
    issuer_event_id: u32
    implementation_time: utc
    max_level: u32
    max_per_top_up: u32


@record
class SetOverallDebtCap(SeCommand):
    """Client to server."""

    CLUSTER, COMMAND = CLUSTER, 0x0C
    provider_id: u32
    issuer_event_id: u32
    implementation_time: utc
    cap: s32


# -- to the client -----------------------------------------------------------------------------------------------------


@record
class PublishPrepaySnapshot(SeCommand):
    """Server to client: a snapshot, whose payload depends on its type."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x01, False
    snapshot_id: u32
    snapshot_time: utc
    total_found: u8
    command_index: u8
    total_commands: u8
    cause: u32
    payload_type: u8
    payload: Annotated[bytes, Rest()] = b""


@record
class ChangePaymentModeResponse(SeCommand):
    """Server to client."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x02, False
    friendly_credit: u8
    calendar_id: u32
    emergency_credit_limit: u32
    emergency_credit_threshold: u32


@record
class ConsumerTopUpResponse(SeCommand):
    """Server to client."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x03, False
    result: Annotated[TopUpResult, U8]
    value: s32
    source: u8
    credit_remaining: s32


@record
class TopUp(Packet):
    """A row of the log."""

    code: label25
    amount: s32
    time: utc


@record
class PublishTopUpLog(SeCommand):
    """Server to client."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x05, False
    command_index: u8
    total_commands: u8
    top_ups: Annotated[tuple[TopUp, ...], Repeated(TopUp)] = ()


@record
class Debt(Packet):
    """A row of the log."""

    time: utc
    amount: u32
    debt_type: u8
    outstanding: u32


@record
class PublishDebtLog(SeCommand):
    """Server to client."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x06, False
    command_index: u8
    total_commands: u8
    debts: Annotated[tuple[Debt, ...], Repeated(Debt)] = ()


COMMANDS = Commands(
    CLUSTER,
    SelectAvailableEmergencyCredit,
    ChangeDebt,
    EmergencyCreditSetup,
    ConsumerTopUp,
    CreditAdjustment,
    ChangePaymentMode,
    GetPrepaySnapshot,
    GetTopUpLog,
    SetLowCreditWarningLevel,
    GetDebtRepaymentLog,
    SetMaximumCreditLimit,
    SetOverallDebtCap,
    PublishPrepaySnapshot,
    ChangePaymentModeResponse,
    ConsumerTopUpResponse,
    PublishTopUpLog,
    PublishDebtLog,
)
