"""The contract between a radio and the hub: all that the hub knows of a driver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from protocols.emcb import Ack, DeviceStatus, HandleAction, HandlePosition, Led
from radios.errors import (
    NoReplyError,
    NotReachableError,
    NotSupportedError,
    OptionError,
    PipeError,
    RadioError,
    RadioLostError,
)
from radios.keys import UdpKeys

__all__ = [
    "BreakerAck",
    "BreakerEvent",
    "BreakerRadio",
    "BreakerReported",
    "BreakerSeen",
    "BreakerUnanswered",
    "Driver",
    "NoReplyError",
    "NotReachableError",
    "NotSupportedError",
    "OptionError",
    "PipeError",
    "RadioConfig",
    "RadioError",
    "RadioLostError",
    "UdpKeys",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioConfig:
    """One `[[radio]]` of hub.toml. What is below `options` belongs to the driver, which checks it."""

    name: str
    driver: str
    pipe: str
    options: Mapping[str, object] = field(default_factory=dict)


# -- breakers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BreakerSeen:
    """A breaker answered discovery: new, or at another address than before, or restarted."""

    device_id: str
    address: str
    has_key: bool
    """Whether there is a unicast key for it; without one it can be shown, not used."""
    restarted: bool


@dataclass(frozen=True, slots=True)
class BreakerReported:
    """A breaker answered a poll."""

    device_id: str
    status: DeviceStatus
    received: float
    """Monotonic seconds of the loop's clock."""


@dataclass(frozen=True, slots=True)
class BreakerUnanswered:
    """A breaker left a poll unanswered."""

    device_id: str
    misses: int
    """In a row, this one included."""
    answers_discovery: bool
    """It answered broadcast discovery meanwhile: it is there, but its unicast key is not valid any more."""


BreakerEvent = BreakerSeen | BreakerReported | BreakerUnanswered


@dataclass(frozen=True, slots=True)
class BreakerAck:
    """A breaker's own answer to a command."""

    ack: Ack
    position: HandlePosition


class BreakerRadio(Protocol):
    """A radio that carries smart breakers. One object lives once: after `RadioLostError` it is not used again."""

    async def __aenter__(self) -> Self:
        """Open the pipe and begin discovery and polling. Raises `PipeError`."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def counters(self) -> Mapping[str, int]:
        """Datagrams sent, received and dropped, with one entry for each reason."""
        ...

    def events(self) -> AsyncIterator[BreakerEvent]:
        """What the breakers say, in order; ends by raising `RadioLostError`."""
        ...

    async def position(self, device_id: str) -> HandlePosition:
        """Read the feedback position, with repeats. Raises `NoReplyError`, `NotReachableError`."""
        ...

    async def move(self, device_id: str, action: HandleAction) -> BreakerAck:
        """Send one command, once. Raises `NoReplyError`, or `NotReachableError` when nothing was sent."""
        ...

    async def move_all(self, action: HandleAction) -> Mapping[str, BreakerAck | None]:
        """Send one command to every breaker by broadcast; None for a breaker that did not answer.

        It acts on every device that holds the broadcast key. Raises `NotSupportedError` without a broadcast key.
        """
        ...

    async def set_leds(self, device_id: str, leds: tuple[Led, ...] | None, duration_s: int) -> Ack:
        """Show five colours for `duration_s` (0: until told otherwise), or None: back to normal."""
        ...

    def set_keys(self, keys: UdpKeys) -> None:
        """Use these keys from now on; kinds and breakers that are not named keep theirs."""
        ...

    def forget(self, device_id: str) -> None:
        """Drop what is known of a breaker; it comes back if it answers discovery again."""
        ...


class Driver(Protocol):
    """What `radios.loader` finds under a driver's name."""

    def check(self, config: RadioConfig) -> None:
        """Raise `OptionError` when the configuration is wrong. Opens nothing."""
        ...

    def open(self, config: RadioConfig, trace: Callable[[str, bytes, str], None] | None) -> BreakerRadio:
        """A radio that is not open yet. `trace(direction, frame, peer)` is told every frame."""
        ...
