"""A meter's profile, what it counted in each of its intervals, asked for page by page (Smart Energy 1.1b, D.3.2.3.1.1).

A meter returns a few intervals in one answer, the newest first. The next question is for what came before: its end time
is that of the answer less the intervals in it. It goes on until the wanted span is covered, the meter has no more, or
enough was asked. Pure: questions come out, answers go in; times are the standard's seconds.

An interval belongs to the span in which it ends, so that spans one behind the other have each interval once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from protocols.se.base import INVALID_UTC
from protocols.se.metering import INTERVAL_S, GetProfile, GetProfileResponse, IntervalChannel, ProfileStatus

MAX_QUESTIONS = 160
"""Of one profile: 40 days of quarters of an hour from a meter that returns its usual 24 (`MaxNumberOfPeriodsDelivered`)
need as many; a meter that goes on for ever ends here."""
PERIODS = 24
"""Asked for at once where the meter does not say what it returns: the default of MaxNumberOfPeriodsDelivered."""
INVALID = 0xFFFFFF
"""An interval that the meter knows no value of."""
NEWEST = 0
"""As an end time: the newest block."""


class ProfileEnd(StrEnum):
    """Why no more is asked."""

    COVERED = "covered"
    """All of the span was told."""
    NO_MORE = "no_more"
    """The meter has nothing that is older."""
    ENOUGH = "enough"
    """It was asked so often as one profile may."""
    STUCK = "stuck"
    """It tells the same again, or what cannot be understood."""
    UNSUPPORTED = "unsupported"
    """It has no such channel."""


@dataclass(frozen=True, slots=True)
class Interval:
    """What was counted from `start` to before `end`."""

    start: int
    end: int
    count: int


class ProfileReader:
    """One profile of one channel of a meter, from `start` to `end`."""

    def __init__(
        self, channel: IntervalChannel, start: int, end: int, now: int, periods: int = PERIODS, most: int = 0xFF
    ) -> None:
        """`end` may lie ahead of `now`. `periods`: what the meter returns at once; `most`: what an answer can carry."""
        if start >= end:
            raise ValueError("a span has a length")
        self.channel, self.start, self.end = channel, start, end
        self._most = max(1, min(periods, most))
        self._before = NEWEST if end >= now else end
        self._edge = max(end, now) + max(INTERVAL_S.values())
        """Nothing that ends later is taken: the begin of what is known, and at first some time that is yet to come."""
        self.questions = 0
        self.interval_s: int | None = None
        """Length of the intervals of the last answer."""
        self.ended: ProfileEnd | None = None
        self._asked = 0
        """Intervals that the last question was for."""
        self._repeats = False
        """The meter told nothing new to a question for few: it repeats some that it told before."""
        self._found: list[Interval] = []

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """What the meter has told of the span, oldest first; none lies over another."""
        return tuple(reversed(self._found))

    def question(self) -> GetProfile | None:
        """What to ask now; None: nothing more."""
        if self.ended is not None:
            return None
        if self.questions >= MAX_QUESTIONS:
            self.ended = ProfileEnd.ENOUGH
            return None
        self.questions += 1
        self._asked = self._wanted()
        return GetProfile(self.channel, self._before, self._asked)

    def _wanted(self) -> int:
        """Not more intervals than the span has still."""
        if self.interval_s is None or self._before == NEWEST or self._repeats:
            return self._most
        left = -(-(self._before - self.start) // self.interval_s)
        return max(1, min(self._most, left))

    def take(self, answer: GetProfileResponse) -> None:
        """What the meter has answered to the last question."""
        match answer.status:
            case ProfileStatus.SUCCESS:
                self._page(answer)
            case ProfileStatus.TOO_MANY_PERIODS:
                # What is there is taken; the next questions are for as much, or for half where nothing came.
                if answer.intervals:
                    self._most = max(1, min(self._most, len(answer.intervals)))
                    self._page(answer)
                elif self._most == 1:
                    self.ended = ProfileEnd.STUCK
                else:
                    self._most //= 2
            case ProfileStatus.NO_INTERVALS | ProfileStatus.INVALID_END_TIME:
                self.ended = ProfileEnd.NO_MORE
            case ProfileStatus.UNDEFINED_CHANNEL | ProfileStatus.CHANNEL_NOT_SUPPORTED:
                self.ended = ProfileEnd.UNSUPPORTED
            case _:
                self.ended = ProfileEnd.STUCK

    def _page(self, answer: GetProfileResponse) -> None:
        length = INTERVAL_S.get(answer.interval)
        if length is None or answer.end_time in (NEWEST, INVALID_UTC):
            self.ended = ProfileEnd.STUCK
            return
        if not answer.intervals:
            self.ended = ProfileEnd.NO_MORE
            return
        self.interval_s = length
        for place, count in enumerate(answer.intervals):
            end = answer.end_time - place * length
            # Pages may overlap, and begin within each other where the length has changed: the first that told counts.
            if end <= self._edge:
                self._edge = end - length
                if count != INVALID and self.start < end <= self.end:
                    self._found.append(Interval(end - length, end, count))
        before = answer.end_time - len(answer.intervals) * length
        if before <= self.start:
            self.ended = ProfileEnd.COVERED
        elif self._before != NEWEST and before >= self._before:
            if self._asked < self._most:
                self._repeats = True
            else:
                self.ended = ProfileEnd.STUCK  # it goes no further back, whatever it is asked
        else:
            self._before = before
