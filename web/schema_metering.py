"""Meters in JSON: profiles, sums by day, week, month and tier, and how they are asked often."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from hub.model import QUANTITIES, Channel, Quantity
from hub.smart_energy import metering_client as model
from hub.smart_energy.consumption import Span
from hub.smart_energy.fast_polls import FastPollStatus
from web.schema_base import Count, Time, time


class MeterInterval(Struct, frozen=True):
    """What was counted from `start` to before `end`."""

    start: Time
    end: Time
    value: float


class Profile(Struct, frozen=True):
    """Intervals of a meter, oldest first, in the unit that `quantity` ends in."""

    device: str
    endpoint: int
    quantity: Quantity
    unit: str
    start: Time
    end: Time
    intervals: list[MeterInterval]
    complete: bool
    """The meter has told all of the span."""
    detail: str
    """Why not."""
    interval_s: Count | UnsetType = UNSET


def profile(value: model.MeterProfile) -> Profile:
    """A profile."""
    return Profile(
        device=value.device_id,
        endpoint=value.endpoint,
        quantity=value.quantity,
        unit=QUANTITIES[value.quantity].unit,
        start=time(value.start),
        end=time(value.end),
        intervals=[MeterInterval(time(one.start), time(one.end), one.value) for one in value.intervals],
        complete=value.complete,
        detail=value.detail,
        interval_s=UNSET if value.interval_s is None else value.interval_s,
    )


class FilledGap(Struct, frozen=True):
    """A gap in the recorded history, and how many readings it has got."""

    since: Time
    until: Time
    counted: float
    """Between both ends."""
    readings: Count
    problem: str
    """Why it has got none."""


class FilledHistory(Struct, frozen=True):
    """Gaps in the history of a meter's counter, the latest first, filled as far as its profile tells."""

    device: str
    quantity: Quantity
    channel: Channel
    unit: str
    gaps: list[FilledGap]


def filled_history(value: model.FilledHistory) -> FilledHistory:
    """Gaps that were filled, or not."""
    return FilledHistory(
        device=value.device_id,
        quantity=value.quantity,
        channel=value.channel,
        unit=QUANTITIES[value.quantity].unit,
        gaps=[
            FilledGap(time(one.since), time(one.until), one.counted, one.readings, one.problem) for one in value.gaps
        ],
    )


class Consumed(Struct, frozen=True):
    """A day, week or month of a meter; `ago` 0: the one that goes on."""

    span: Span
    ago: Count
    delivered: float | UnsetType = UNSET
    received: float | UnsetType = UNSET


class TierTotal(Struct, frozen=True):
    """What was counted in a tier since ever."""

    tier: Count
    delivered: float | UnsetType = UNSET
    received: float | UnsetType = UNSET


class Consumption(Struct, frozen=True):
    """A meter's sums, in `unit`."""

    device: str
    endpoint: int
    quantity: Quantity
    unit: str
    read_at: Time
    spans: list[Consumed]
    tiers: list[TierTotal]
    display_delivered: str | UnsetType = UNSET
    """As the meter's own display shows it, with its unit."""
    display_received: str | UnsetType = UNSET


def _known(value: float | None) -> float | UnsetType:
    return UNSET if value is None else value


def consumption(value: model.MeterTotals) -> Consumption:
    """A meter's sums."""
    quantity, _ = value.quantities
    return Consumption(
        device=value.device_id,
        endpoint=value.endpoint,
        quantity=quantity,
        unit=QUANTITIES[quantity].unit,
        read_at=time(value.read_at),
        spans=[Consumed(one.span, one.ago, _known(one.delivered), _known(one.received)) for one in value.spans],
        tiers=[TierTotal(one.tier, _known(one.delivered), _known(one.received)) for one in value.tiers],
        display_delivered=UNSET if value.registers[0] is None else value.registers[0],
        display_received=UNSET if value.registers[1] is None else value.registers[1],
    )


class FastPoll(Struct, frozen=True):
    """How a meter is asked often; `detail` says how that has ended."""

    device: str
    endpoint: int
    running: bool
    period_s: Count
    """As the meter has granted it."""
    started_at: Time
    ends_at: Time
    readings: Count
    """Times that it has answered."""
    detail: str


def fast_poll(value: FastPollStatus) -> FastPoll:
    """How a meter is asked often."""
    return FastPoll(
        device=value.device_id,
        endpoint=value.endpoint,
        running=value.running,
        period_s=value.period_s,
        started_at=time(value.started_at),
        ends_at=time(value.ends_at),
        readings=value.readings,
        detail=value.detail,
    )
