"""Values as people read them: power, energy, times, bars."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from web.hubctl.exits import Exit, HubctlError

UNKNOWN = "-"
"""Stands for a value that nobody knows."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_STEPS = "▁▂▃▄▅▆▇█"
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|w)", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
SMALLEST_REACH = 0.1
"""Of the greatest value, over the whole height of a sparkline."""
SPAN_ALLOWED = "90s, 15m, 1h, 2d or 1w"


def number(value: float | None, unit: str, decimals: int) -> str:
    """`1,234.5 W`"""
    if value is None:
        return UNKNOWN
    # A negative number that rounds to nothing is nothing, not -0.0.
    return f"{round(value, decimals) + 0.0:,.{decimals}f} {unit}"


def power(value: float | None) -> str:
    """Watts; negative: to the grid."""
    return number(value, "W", 1)


def energy(watt_hours: float | None) -> str:
    """Kilowatt-hours to the watt-hour."""
    return number(None if watt_hours is None else watt_hours / 1000, "kWh", 3)


def size(count: int) -> str:
    """Bytes."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def parse_time(text: str) -> datetime:
    """A time of the interface. Raises `ValueError`."""
    return datetime.fromisoformat(text)


def local(text: str | None, today: datetime | None = None) -> str:
    """A time of the interface on the clock on the wall; the date is left out when it is that of `today`."""
    if not text:
        return UNKNOWN
    moment = parse_time(text).astimezone()
    if today is not None and moment.date() == today.astimezone().date():
        return moment.strftime("%H:%M:%S")
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def age(text: str | None, now: datetime) -> str:
    """`12 s ago`"""
    if not text:
        return "never"
    return f"{span((now - parse_time(text)).total_seconds())} ago"


def heard(text: str | None, now: datetime) -> str:
    """When a device was heard last, for a column: nothing where it never was."""
    return age(text, now) if text else UNKNOWN


def span(seconds: float) -> str:
    """A length of time in the one or two units that matter."""
    whole = max(0, round(seconds))
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def parse_span(text: str, option: str) -> timedelta:
    """`1h30m` as a length of time. Raises `HubctlError`."""
    parts = _SPAN.findall(text)
    seconds = sum(float(amount) * _SECONDS[unit.lower()] for amount, unit in parts)
    if not parts or _SPAN.sub("", text).strip() or not 0 < seconds <= 36_525 * 86_400:
        raise HubctlError(f"{option} is {text!r}; allowed: {SPAN_ALLOWED}", Exit.USAGE)
    return timedelta(seconds=seconds)


def parse_moment(text: str, now: datetime, option: str) -> datetime:
    """A time, or how long before `now`. Raises `HubctlError`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            return now - parse_span(text, option)
        except HubctlError:
            allowed = f"{SPAN_ALLOWED} ago, or a time as 2026-11-20 or 2026-11-20T18:00:00Z"
            raise HubctlError(f"{option} is {text!r}; allowed: {allowed}", Exit.USAGE) from None
        except OverflowError:
            raise HubctlError(f"{option} is {text!r}: longer ago than there are dates", Exit.USAGE) from None
    # A time without a zone is meant as the clock on the wall shows it.
    return moment.astimezone(UTC)


def rfc3339(moment: datetime) -> str:
    """A time for the interface."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def bar(value: float | None, greatest: float, width: int) -> str:
    """A bar of `value` out of `greatest`, in eighths of a column; something, however little, is seen."""
    if not value or greatest <= 0:
        return ""
    eighths = max(1, round(min(abs(value) / greatest, 1.0) * width * 8))
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def sparkline(values: Sequence[float | None], width: int | None = None) -> str:
    """The last `width` values as a line of blocks, scaled to their reach; a gap where there is none.

    A reach below a tenth of the values is shown as the trembling that it is, not blown up to the full height.
    """
    shown = list(values if width is None else values[-width:])
    known = [value for value in shown if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    least_reach = SMALLEST_REACH * max(abs(low), abs(high))
    if high - low < least_reach:
        low -= (least_reach - (high - low)) / 2
        high = low + least_reach
    reach = (high - low) or 1.0
    top = len(_STEPS) - 1
    return "".join(" " if value is None else _STEPS[round((value - low) / reach * top)] for value in shown)
