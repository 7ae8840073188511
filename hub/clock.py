"""Time. Everything above layer 1 takes a `Clock`; only this module asks the machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

NTP_LOOK_S = 60.0
"""How often it is looked whether the machine's clock follows NTP."""
TIME_ERROR = 5
"""What adjtimex(2) answers while nothing keeps the clock right: 16 s of error or a daemon that says so."""
_TIMEX_BYTES = 512
"""More than struct timex has on any machine; all zero it changes nothing."""


def kernel_follows_ntp() -> bool:
    """Whether a daemon of the machine keeps its clock right, as adjtimex(2) tells; False where it cannot be told."""
    import ctypes

    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return False
    return bool(0 <= state < TIME_ERROR)


class Clock(Protocol):
    """Wall time for people and records, monotonic time for intervals."""

    def now(self) -> datetime:
        """The time of day, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an unknown start; never steps."""
        ...

    def corrected_at(self) -> datetime | None:
        """When the time of day was last known to be right, by NTP; None while it never was."""
        ...

    def look(self) -> datetime | None:
        """As `corrected_at` by the machine's own word, asked for now; None while the machine does not follow NTP."""
        ...

    def confirm(self) -> None:
        """A time server was asked, and the time of day is right."""
        ...


class SystemClock:
    """The machine's clocks."""

    def __init__(self, follows_ntp: Callable[[], bool] | None = None) -> None:
        """`follows_ntp`: None: the kernel is asked."""
        self._follows_ntp = follows_ntp or kernel_follows_ntp
        self._looked: float | None = None
        self._corrected_at: datetime | None = None
        self._confirmed_at: datetime | None = None

    def now(self) -> datetime:
        """The time of day, aware, UTC."""
        return datetime.fromtimestamp(time.time(), UTC)

    def monotonic(self) -> float:
        """Seconds from an unknown start; never steps."""
        return time.monotonic()

    def corrected_at(self) -> datetime | None:
        """When the time of day was last known to be right: followed NTP, at most `NTP_LOOK_S` ago, or was confirmed."""
        if self._looked is None or self.monotonic() - self._looked >= NTP_LOOK_S:
            self.look()
        return self._corrected_at or self._confirmed_at

    def look(self) -> datetime | None:
        """The time of day if the machine follows NTP now; None while it does not."""
        self._looked = self.monotonic()
        self._corrected_at = self.now() if self._follows_ntp() else None
        return self._corrected_at

    def confirm(self) -> None:
        """A time server was asked, and the time of day is right."""
        self._confirmed_at = self.now()


class ManualClock:
    """A clock that moves when told to, for tests."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic = 0.0
        self._confirmed_at: datetime | None = None

    def now(self) -> datetime:
        """The time of day as last set."""
        return self._now

    def monotonic(self) -> float:
        """Seconds advanced so far."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def corrected_at(self) -> datetime | None:
        """When it was confirmed; nothing else corrects it."""
        return self._confirmed_at

    def look(self) -> datetime | None:
        """It follows nothing."""
        return None

    def confirm(self) -> None:
        """It is right now."""
        self._confirmed_at = self._now

    def step(self, seconds: float) -> None:
        """Set the time of day forward or back, as NTP or a person does; monotonic time stays."""
        self._now += timedelta(seconds=seconds)
