"""Demand Response and Load Control, cluster 0x0701 (Smart Energy profile 1.1b, D.2)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntFlag
from typing import Annotated, ClassVar

from protocols.fields import U8, U16, Octets, OpenEnum, s8, s16, u8, u16, u32
from protocols.record import record
from protocols.se.base import Commands, SeCommand, SeVersion, utc

CLUSTER = 0x0701
MAX_DURATION_MIN = 1440
UNUSED_OFFSET, UNUSED_SET_POINT, UNUSED_LOAD_ADJUSTMENT, UNUSED_DUTY_CYCLE = 0xFF, -0x8000, -0x80, 0xFF
SIGNATURE_SIZE = 42
ALL_EVENTS, ANY_EVENT = 0, 0xFFFFFFFF
"""Get Scheduled Events: no limit to their number; no event from which on."""


class DeviceClass(IntFlag):
    """What a load is."""

    HVAC = 1 << 0
    """Compressor or furnace."""
    STRIP_HEATER = 1 << 1
    """Strip or baseboard heater."""
    WATER_HEATER = 1 << 2
    POOL_PUMP = 1 << 3
    """Pool pump, spa, jacuzzi."""
    SMART_APPLIANCE = 1 << 4
    IRRIGATION_PUMP = 1 << 5
    COMMERCIAL_LOAD = 1 << 6
    """Managed commercial and industrial loads."""
    SIMPLE_LOAD = 1 << 7
    """Simple miscellaneous loads: on and off."""
    EXTERIOR_LIGHTING = 1 << 8
    INTERIOR_LIGHTING = 1 << 9
    EV = 1 << 10
    """Electric vehicle."""
    GENERATION = 1 << 11


class Criticality(OpenEnum):
    """How urgent an event is. Up to `LEVEL_5` taking part is voluntary."""

    GREEN = 1
    LEVEL_1 = 2
    LEVEL_2 = 3
    LEVEL_3 = 4
    LEVEL_4 = 5
    LEVEL_5 = 6
    EMERGENCY = 7
    PLANNED_OUTAGE = 8
    SERVICE_DISCONNECT = 9
    UTILITY_1 = 0x0A
    UTILITY_2 = 0x0B
    UTILITY_3 = 0x0C
    UTILITY_4 = 0x0D
    UTILITY_5 = 0x0E
    UTILITY_6 = 0x0F


class EventControl(IntFlag):
    """What is drawn by lot, so that not all loads move at once."""

    RANDOMIZE_START = 1
    RANDOMIZE_END = 2


class CancelControl(IntFlag):
    """How an event is cancelled."""

    WITH_RANDOMIZATION = 1
    """Its end is drawn by lot, as the event itself wanted; else it ends at once."""


PUNCTUAL, AT_ONCE = EventControl(0), CancelControl(0)
"""Nothing is drawn by lot."""


class EventStatus(OpenEnum):
    """What a device reports of an event."""

    RECEIVED = 0x01
    STARTED = 0x02
    COMPLETED = 0x03
    OPTED_OUT = 0x04
    OPTED_IN = 0x05
    CANCELLED = 0x06
    SUPERSEDED = 0x07
    PARTIAL_OPTED_OUT = 0x08
    """Completed in part: the user opted out."""
    PARTIAL_OPTED_IN = 0x09
    """Completed in part: the user opted in late."""
    NO_PARTICIPATION = 0x0A
    """Completed: the user had opted out before."""
    INVALID_OPT_OUT = 0xF6
    NOT_FOUND = 0xF7
    REJECTED_CANCEL = 0xF8
    REJECTED_EFFECTIVE_TIME = 0xF9
    REJECTED_EXPIRED = 0xFB
    """It was over when it came."""
    REJECTED_UNDEFINED = 0xFD
    """Cancelled although it was never known."""
    REJECTED = 0xFE


class SignatureType(OpenEnum):
    """What the signature of a report is."""

    NONE = 0
    ECDSA = 1


@record(kw_only=True)
class LoadControlEvent(SeCommand):
    """Server to client: ask devices of a class to shed load."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x00, False
    issuer_event_id: u32
    device_class: Annotated[DeviceClass, U16]
    utility_enrollment_group: u8 = 0
    """0: all."""
    start_time: utc = 0
    """0: now."""
    duration_min: u16
    """1 to 1440."""
    criticality: Annotated[Criticality, U8]
    cooling_offset: u8 = UNUSED_OFFSET
    """0.1 °C."""
    heating_offset: u8 = UNUSED_OFFSET
    cooling_set_point: s16 = UNUSED_SET_POINT
    """0.01 °C."""
    heating_set_point: s16 = UNUSED_SET_POINT
    load_adjustment: s8 = UNUSED_LOAD_ADJUSTMENT
    """Percent of the average load, -100 to 100."""
    duty_cycle: u8 = UNUSED_DUTY_CYCLE
    """Percent of the time that the load may be on."""
    event_control: Annotated[EventControl, U8] = EventControl.RANDOMIZE_START | EventControl.RANDOMIZE_END


@record(kw_only=True)
class CancelLoadControlEvent(SeCommand):
    """Server to client: end an event, or keep it from beginning, for some classes."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x01, False
    issuer_event_id: u32
    device_class: Annotated[DeviceClass, U16]
    utility_enrollment_group: u8 = 0
    cancel_control: Annotated[CancelControl, U8] = AT_ONCE
    effective_time: utc = 0
    """0: now; the only one that SE 1.2 allows."""


@record
class CancelAllLoadControlEvents(SeCommand):
    """Server to client: end all events."""

    CLUSTER, COMMAND, TO_SERVER = CLUSTER, 0x02, False
    cancel_control: Annotated[CancelControl, U8]


@record(kw_only=True)
class ReportEventStatus(SeCommand):
    """Client to server: what has become of an event here. The signature stands without a length before it."""

    CLUSTER, COMMAND = CLUSTER, 0x00
    issuer_event_id: u32
    status: Annotated[EventStatus, U8]
    status_time: utc
    criticality_applied: Annotated[Criticality, U8]
    cooling_set_point_applied: s16 = UNUSED_SET_POINT
    heating_set_point_applied: s16 = UNUSED_SET_POINT
    load_adjustment_applied: s8 = UNUSED_LOAD_ADJUSTMENT
    duty_cycle_applied: u8 = UNUSED_DUTY_CYCLE
    event_control: Annotated[EventControl, U8] = PUNCTUAL
    signature_type: Annotated[SignatureType, U8] = SignatureType.NONE
    signature: Annotated[bytes, Octets(SIGNATURE_SIZE)] | None = None
    """Absent in what many devices send, and from SE 1.2 on."""


@record(kw_only=True)
class GetScheduledEvents(SeCommand):
    """Client to server: which events there are."""

    CLUSTER, COMMAND = CLUSTER, 0x01
    SINCE: ClassVar[Mapping[str, SeVersion]] = {"issuer_event_id": SeVersion.V1_2}
    start_time: utc = 0
    number_of_events: u8 = ALL_EVENTS
    issuer_event_id: u32 | None = None


COMMANDS = Commands(
    CLUSTER,
    LoadControlEvent,
    CancelLoadControlEvent,
    CancelAllLoadControlEvents,
    ReportEventStatus,
    GetScheduledEvents,
)
