"""A gap in the recorded history of a counter, filled with what the meter itself kept of that time. Pure.

Before and behind the gap the counter is known; the meter's intervals say how it went from the one to the other. What
lies in whole intervals is the meter's own word. What is left, before the first whole interval and behind the last, is
what was counted in all less those, and is divided between both ends as the intervals there counted. So nothing is added
to what the counter shows, and nothing is counted twice. Where the intervals do not fit what was counted, nothing is
filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

SLACK = 0.02
"""Of what was counted, that intervals and counter may disagree by: meters do not end all of them in the same moment."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing was recorded between two readings of a counter."""

    since: datetime
    before: float
    until: datetime
    after: float


@dataclass(frozen=True, slots=True)
class Span:
    """What was counted in an interval, in the counter's unit."""

    start: datetime
    end: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Filling:
    """Readings for a gap; none, and why."""

    points: tuple[tuple[datetime, float], ...] = ()
    problem: str = ""


def fill(gap: Gap, spans: Sequence[Span], count: float = 0.0) -> Filling:
    """The counter at the end of each interval within a gap. `spans`: oldest first, none over another.

    `count`: what one count of the meter is worth; each interval is cut to whole ones.
    """
    whole = [span for span in spans if gap.since <= span.start and span.end <= gap.until]
    if not whole:
        return Filling(problem="no interval of the meter lies within it")
    if any(one.end != two.start for one, two in pairwise(whole)):
        return Filling(problem="the meter knows no value of some intervals within it")
    head = _across(spans, whole[0].start, gap.since, before=True)
    tail = _across(spans, whole[-1].end, gap.until, before=False)
    if head is None or tail is None:
        return Filling(problem="the meter does not keep all of it, or its last interval is not over yet")
    counted = gap.after - gap.before
    within = sum(span.value for span in whole)
    rest = counted - within
    slack = SLACK * max(counted, within) + count * (len(whole) + 2)
    if rest < -slack or rest > head.value + tail.value + slack:
        return Filling(problem=f"the meter's intervals do not fit what was counted: {within:.6g} of {counted:.6g}")
    first = max(0.0, rest) * _share(head, whole[0].start - gap.since, tail, gap.until - whole[-1].end)
    value = gap.before + first
    points = [(whole[0].start, value)] if whole[0].start > gap.since else []
    for span in whole:
        value += span.value
        if span.end < gap.until:
            # Each interval is cut to whole counts; a counter never falls behind the gap.
            points.append((span.end, min(value, gap.after)))
    return Filling(tuple(points))


def _across(spans: Sequence[Span], edge: datetime, limit: datetime, *, before: bool) -> Span | None:
    """The interval over one end of the gap; one of nothing where the gap ends at the edge of a whole one."""
    if edge == limit:
        return Span(edge, edge, 0.0)
    for span in spans:
        if before and span.end == edge and span.start < limit:
            return span
        if not before and span.start == edge and span.end > limit:
            return span
    return None


def _share(head: Span, head_part: timedelta, tail: Span, tail_part: timedelta) -> float:
    """How much of the rest lies before the first whole interval, 0 to 1."""
    expected = [
        span.value * (part / (span.end - span.start)) if span.end > span.start else 0.0
        for span, part in ((head, head_part), (tail, tail_part))
    ]
    if sum(expected) > 0:
        return expected[0] / sum(expected)
    both = head_part + tail_part
    return head_part / both if both else 0.0
