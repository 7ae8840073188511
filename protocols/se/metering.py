"""Metering (Simple Metering), cluster 0x0702 (Smart Energy profile 1.0, 1.1b and 1.2, D.3)."""

from __future__ import annotations

from typing import Annotated

from protocols.fields import U8, U16, U32, OpenEnum, u8, u16, u32
from protocols.packet import U24, Counted, Packet, Repeated, Rest, u24
from protocols.record import record
from protocols.se.base import Commands, SeCommand, utc

CLUSTER = 0x0702
NO_MIRROR = 0xFFFF
"""In Request Mirror Response: no room for one."""
MAX_FAST_POLL_MIN = 15


class IntervalChannel(OpenEnum):
    """Which way energy went."""

    DELIVERED = 0
    RECEIVED = 1


class ProfileStatus(OpenEnum):
    """How Get Profile went."""

    SUCCESS = 0
    UNDEFINED_CHANNEL = 1
    CHANNEL_NOT_SUPPORTED = 2
    INVALID_END_TIME = 3
    TOO_MANY_PERIODS = 4
    NO_INTERVALS = 5


class ProfileInterval(OpenEnum):
    """How long an interval of a profile is."""

    DAILY = 0
    MINUTES_60 = 1
    MINUTES_30 = 2
    MINUTES_15 = 3
    MINUTES_10 = 4
    MINUTES_7_5 = 5
    MINUTES_5 = 6
    MINUTES_2_5 = 7
    MINUTES_1 = 8


INTERVAL_S = {
    ProfileInterval.DAILY: 86_400,
    ProfileInterval.MINUTES_60: 3600,
    ProfileInterval.MINUTES_30: 1800,
    ProfileInterval.MINUTES_15: 900,
    ProfileInterval.MINUTES_10: 600,
    ProfileInterval.MINUTES_7_5: 450,
    ProfileInterval.MINUTES_5: 300,
    ProfileInterval.MINUTES_2_5: 150,
    ProfileInterval.MINUTES_1: 60,
}


# -- to the server -----------------------------------------------------------------------------------------------------


@record
class GetProfile(SeCommand):
    """Client to server: what was counted in each interval, up to a time; 0: the newest."""

    CLUSTER, COMMAND = CLUSTER, 0x00
    interval_channel: Annotated[IntervalChannel, U8]
    end_time: utc
    number_of_periods: u8


@record
class RequestMirrorResponse(SeCommand):
    """Client to server: the endpoint that mirrors it; 0xFFFF: none."""

    CLUSTER, COMMAND = CLUSTER, 0x01
    endpoint: u16


@record
class MirrorRemoved(SeCommand):
    """Client to server: an endpoint mirrors it no more."""

    CLUSTER, COMMAND = CLUSTER, 0x02
    endpoint: u16


@record
class RequestFastPollMode(SeCommand):
    """Client to server: may I ask often for a while (SE 1.1)."""

    CLUSTER, COMMAND = CLUSTER, 0x03
    update_period_s: u8
    duration_min: u8


@record
class SnapshotSchedule(Packet):
    """When snapshots are taken."""

    schedule_id: u8
    start_time: utc
    schedule: u24
    payload_type: u8
    cause: u32


@record
class ScheduleSnapshot(SeCommand):
    """Client to server: take snapshots so (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x04
    issuer_event_id: u32
    command_index: u8
    total_commands: u8
    schedules: Annotated[tuple[SnapshotSchedule, ...], Repeated(SnapshotSchedule)] = ()


@record
class TakeSnapshot(SeCommand):
    """Client to server: take one now (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x05
    cause: u32


@record
class GetSnapshot(SeCommand):
    """Client to server: Publish Snapshot, please (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x06
    earliest_time: utc
    latest_time: utc
    offset: u8
    cause: u32


@record
class StartSampling(SeCommand):
    """Client to server: keep samples (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x07
    issuer_event_id: u32
    start_time: utc
    sample_type: u8
    interval_s: u16
    max_samples: u16


@record
class GetSampledData(SeCommand):
    """Client to server: the samples, please (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x08
    sample_id: u16
    earliest_time: utc
    sample_type: u8
    number_of_samples: u16


@record
class MirrorReportAttributeResponse(SeCommand):
    """Client to server: what waits for a mirrored meter (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x09
    notification_scheme: u8
    flags: Annotated[tuple[int, ...], Repeated(U32)] = ()


@record
class ResetLoadLimitCounter(SeCommand):
    """Client to server (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x0A
    provider_id: u32
    issuer_event_id: u32


@record
class ChangeSupply(SeCommand):
    """Client to server: switch the supply (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x0B
    provider_id: u32
    issuer_event_id: u32
    request_time: utc
    implementation_time: utc
    supply_status: u8
    control: u8


@record
class LocalChangeSupply(SeCommand):
    """Client to server: switch the supply, somebody is there (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x0C
    supply_status: u8


@record
class SetSupplyStatus(SeCommand):
    """Client to server: what the supply does when something is wrong (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x0D
    issuer_event_id: u32
    tamper_state: u8
    depletion_state: u8
    uncontrolled_flow_state: u8
    load_limit_state: u8


@record
class SetUncontrolledFlowThreshold(SeCommand):
    """Client to server (SE 1.2)."""

    CLUSTER, COMMAND = CLUSTER, 0x0E
    provider_id: u32
    issuer_event_id: u32
    threshold: u16
    unit_of_measure: u8
    multiplier: u16
    divisor: u16
    stabilisation_period: u8
    measurement_period: u16


# -- to the client -----------------------------------------------------------------------------------------------------


@record
class GetProfileResponse(SeCommand):
    """Server to client: what was counted in each interval, newest first."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x00, False
    end_time: utc
    status: Annotated[ProfileStatus, U8]
    interval: Annotated[ProfileInterval, U8]
    intervals: Annotated[tuple[int, ...], Counted(U8, U24)]


@record
class RequestMirror(SeCommand):
    """Server to client: keep my values for others while I sleep."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x01, False


@record
class RemoveMirror(SeCommand):
    """Server to client: keep them no more."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x02, False


@record
class RequestFastPollModeResponse(SeCommand):
    """Server to client: how often, and until when (SE 1.1)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x03, False
    update_period_s: u8
    end_time: utc


@record
class ScheduleConfirmation(Packet):
    """Whether a schedule was taken."""

    schedule_id: u8
    confirmation: u8


@record
class ScheduleSnapshotResponse(SeCommand):
    """Server to client (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x04, False
    issuer_event_id: u32
    confirmations: Annotated[tuple[ScheduleConfirmation, ...], Repeated(ScheduleConfirmation)] = ()


@record
class TakeSnapshotResponse(SeCommand):
    """Server to client (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x05, False
    snapshot_id: u32
    confirmation: u8


@record
class PublishSnapshot(SeCommand):
    """Server to client: a snapshot, whose payload depends on its type (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x06, False
    snapshot_id: u32
    snapshot_time: utc
    total_found: u8
    command_index: u8
    total_commands: u8
    cause: u32
    payload_type: u8
    payload: Annotated[bytes, Rest()] = b""


@record
class GetSampledDataResponse(SeCommand):
    """Server to client: samples (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x07, False
    sample_id: u16
    start_time: utc
    sample_type: u8
    interval_s: u16
    samples: Annotated[tuple[int, ...], Counted(U16, U24)]


@record
class ConfigureMirror(SeCommand):
    """Server to client (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x08, False
    issuer_event_id: u32
    reporting_interval_s: u24
    notification_reporting: u8
    notification_scheme: u8


@record
class ConfigureNotificationScheme(SeCommand):
    """Server to client (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x09, False
    issuer_event_id: u32
    notification_scheme: u8
    flag_order: u32


@record
class ConfigureNotificationFlags(SeCommand):
    """Server to client (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x0A, False
    issuer_event_id: u32
    notification_scheme: u8
    flag_attribute: u16
    cluster: u16
    manufacturer: u16
    commands: Annotated[tuple[int, ...], Counted(U8, U8)]


@record
class GetNotifiedMessage(SeCommand):
    """Server to client (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x0B, False
    notification_scheme: u8
    flag_attribute: u16
    flags: u32


@record
class SupplyStatusResponse(SeCommand):
    """Server to client (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x0C, False
    provider_id: u32
    issuer_event_id: u32
    implementation_time: utc
    supply_status: u8


@record
class StartSamplingResponse(SeCommand):
    """Server to client (SE 1.2)."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x0D, False
    sample_id: u16


COMMANDS = Commands(
    CLUSTER,
    GetProfile,
    RequestMirrorResponse,
    MirrorRemoved,
    RequestFastPollMode,
    ScheduleSnapshot,
    TakeSnapshot,
    GetSnapshot,
    StartSampling,
    GetSampledData,
    MirrorReportAttributeResponse,
    ResetLoadLimitCounter,
    ChangeSupply,
    LocalChangeSupply,
    SetSupplyStatus,
    SetUncontrolledFlowThreshold,
    GetProfileResponse,
    RequestMirror,
    RemoveMirror,
    RequestFastPollModeResponse,
    ScheduleSnapshotResponse,
    TakeSnapshotResponse,
    PublishSnapshot,
    GetSampledDataResponse,
    ConfigureMirror,
    ConfigureNotificationScheme,
    ConfigureNotificationFlags,
    GetNotifiedMessage,
    SupplyStatusResponse,
    StartSamplingResponse,
)
