"""Asking a meter often for a while (Request Fast Poll Mode, Smart Energy 1.1b, D.3.2.3.1.4): what was asked for, and
what the meter has granted. Pure: time is an argument.

The meter says how often it has something new, and until when; both are obeyed, and it is never asked often for more
than 15 minutes in one go.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocols.se.base import INVALID_UTC
from protocols.se.metering import MAX_FAST_POLL_MIN, RequestFastPollModeResponse

DEFAULT_PERIOD_S, DEFAULT_DURATION_MIN = 5, MAX_FAST_POLL_MIN
"""The default of the attribute FastPollUpdatePeriod, and the most that the standard allows."""
MAX_PERIOD_S = 0xFF
LONGEST_S = 60 * MAX_FAST_POLL_MIN


@dataclass(frozen=True, slots=True)
class Granted:
    """So often, for so long from now on."""

    period_s: int
    duration_s: int


def granted(answer: RequestFastPollModeResponse, period_s: int, duration_min: int, now: int) -> Granted | None:
    """What a meter has granted; None: it grants nothing, what it says is over already.

    `now`: the standard's time; 0 while nobody knows it. Where the end cannot be meant by our clock, as it lies further
    ahead than any may or is the invalid time, the meter's clock is another one, and what was asked for counts.
    """
    asked_s = min(60 * duration_min, LONGEST_S)
    left = answer.end_time - now
    if answer.end_time == 0:
        return None
    if not now or answer.end_time == INVALID_UTC or not -LONGEST_S <= left <= LONGEST_S + 60:
        left = asked_s
    if left <= 0:
        return None
    # A meter that says no period has something new as often as it was asked for.
    return Granted(max(1, answer.update_period_s or period_s), min(left, LONGEST_S))
