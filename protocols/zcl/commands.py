"""Payloads of the cluster commands that we send or understand, by cluster and direction (ZCL8).

Commands without fields (on, off, toggle ...) have only their ids, in `OnOff` and the like.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, ClassVar

from protocols.fields import U8, U16, s8, u8, u16, u32
from protocols.packet import Counted, Packet, PrefixedText
from protocols.record import record


class ClusterPayload(Packet):
    """Base of payloads with fields."""

    __slots__ = ()
    CLUSTER: ClassVar[int]
    COMMAND: ClassVar[int]
    TO_SERVER: ClassVar[bool] = True


class OnOff(IntEnum):
    """To the On/Off server (3.8.2.3)."""

    OFF = 0x00
    ON = 0x01
    TOGGLE = 0x02
    OFF_WITH_EFFECT = 0x40
    ON_WITH_RECALL_GLOBAL_SCENE = 0x41
    ON_WITH_TIMED_OFF = 0x42


@record
class Identify(ClusterPayload):
    """Show yourself for some seconds; 0: stop (3.5.2.2.1)."""

    CLUSTER, COMMAND = 0x0003, 0x00
    duration_s: u16


IDENTIFY_QUERY = 0x01


@record
class IdentifyQueryResponse(ClusterPayload):
    """For how long we still identify (3.5.2.3.1)."""

    CLUSTER, COMMAND, TO_SERVER = 0x0003, 0x00, False
    timeout_s: u16


@record
class TriggerEffect(ClusterPayload):
    """Show an effect to identify (3.5.2.2.3)."""

    CLUSTER, COMMAND = 0x0003, 0x40
    effect: u8
    variant: u8


@record
class MoveToLevel(ClusterPayload):
    """Go to a level; the light's on/off state stays (3.10.2.4.1)."""

    CLUSTER, COMMAND = 0x0008, 0x00
    level: u8
    transition: u16
    """0.1 s; 0xFFFF: as fast as it likes."""


@record
class MoveToLevelWithOnOff(MoveToLevel):
    """Go to a level, and switch on before or off after (3.10.2.4.5)."""

    COMMAND = 0x04


@record
class MoveLevel(ClusterPayload):
    """Change the level at a rate: 0 up, 1 down (3.10.2.4.2)."""

    CLUSTER, COMMAND = 0x0008, 0x01
    mode: u8
    rate: u8


@record
class StepLevel(ClusterPayload):
    """Change the level by a step: 0 up, 1 down (3.10.2.4.3)."""

    CLUSTER, COMMAND = 0x0008, 0x02
    mode: u8
    size: u8
    transition: u16


@record
class AddGroup(ClusterPayload):
    """Become a member of a group (3.6.2.2.2)."""

    CLUSTER, COMMAND = 0x0004, 0x00
    group: u16
    name: Annotated[str, PrefixedText()] = ""


@record
class GetGroupMembership(ClusterPayload):
    """In which of these groups; none: in which groups (3.6.2.2.4)."""

    CLUSTER, COMMAND = 0x0004, 0x02
    groups: Annotated[tuple[int, ...], Counted(U8, U16)] = ()


@record
class SetpointRaiseLower(ClusterPayload):
    """Change a thermostat's setpoints by 0.1 °C steps (6.3.2.3.1)."""

    CLUSTER, COMMAND = 0x0201, 0x00
    mode: u8
    """0 heat, 1 cool, 2 both."""
    amount: s8


@record
class ZoneEnrollResponse(ClusterPayload):
    """Accept an alarm zone (8.2.2.3.1): code 0 success."""

    CLUSTER, COMMAND = 0x0500, 0x00
    code: u8
    zone: u8


@record
class ZoneStatusChange(ClusterPayload):
    """An alarm zone's state (8.2.2.4.1)."""

    CLUSTER, COMMAND, TO_SERVER = 0x0500, 0x00, False
    zone_status: u16
    extended_status: u8 | None = None
    zone: u8 | None = None
    delay: u16 | None = None


@record
class ZoneEnrollRequest(ClusterPayload):
    """An alarm zone asks to be accepted (8.2.2.4.2)."""

    CLUSTER, COMMAND, TO_SERVER = 0x0500, 0x01, False
    zone_type: u16
    manufacturer: u16


CHECK_IN = 0x00
"""To the Poll Control client (3.16.5.3): a sleepy device is awake and listens."""


@record
class CheckInResponse(ClusterPayload):
    """Answer to a check-in (3.16.5.4.1)."""

    CLUSTER, COMMAND = 0x0020, 0x00
    start_fast_polling: u8
    fast_poll_timeout: u16
    """0.25 s."""


@record
class QueryNextImage(ClusterPayload):
    """A device asks for newer firmware (11.13.4)."""

    CLUSTER, COMMAND = 0x0019, 0x01
    field_control: u8
    manufacturer: u16
    image_type: u16
    file_version: u32
    hardware_version: u16 | None = None


NO_IMAGE_AVAILABLE = bytes((0x98,))
"""Payload of Query Next Image Response (11.13.5) when there is none."""
