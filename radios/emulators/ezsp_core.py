"""What the parts of an emulated EZSP stick share: its state, its flash, its line to the host."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from random import Random

from radios.emulators.air import Air
from radios.emulators.cursor import Cursor
from radios.emulators.ezsp_store import Flash
from radios.emulators.ezsp_versions import Dialect
from radios.emulators.own_object import OwnObject
from radios.emulators.stick import StatusFaults

Handler = Callable[[Cursor], bytes]
"""Takes the fields of a command; gives those of its response. Raises `TruncatedError`."""
Handlers = Mapping[int, Handler]
"""By the command's number."""


class NetworkState(IntEnum):
    """As `networkState` tells it."""

    NONE = 0
    JOINING = 1
    JOINED = 2
    JOINED_WITHOUT_PARENT = 3
    LEAVING = 4


class Counter(IntEnum):
    """What the stick counts, by place in its list."""

    RECEIVED_BROADCAST = 6
    SENT_BROADCAST = 7
    RECEIVED_UNICAST = 8
    DELIVERED = 9
    REPEATED = 10
    UNDELIVERED = 11
    JOINS = 16
    CHILDREN_REMOVED = 17
    NO_KEY = 24
    NOT_DECRYPTED = 26


COUNTERS = 40


@dataclass(slots=True, kw_only=True)
class Core:
    """One stick. Its parts read and change it."""

    dialect: Dialect
    flash: Flash
    air: Air
    random: Random
    statuses: StatusFaults
    own: OwnObject
    say: Callable[[int, bytes], None]
    """Tell the host what nobody asked for: the frame's number, and its fields."""
    after: Callable[[float, Callable[[], None]], None]
    spawn: Callable[[Coroutine[None, None, None]], None]
    settings: dict[int, int] = field(default_factory=dict)
    """Configuration, by number."""
    policies: dict[int, int] = field(default_factory=dict)
    values: dict[int, bytes] = field(default_factory=dict)
    state: NetworkState = NetworkState.NONE
    is_concentrator: bool = False
    """Devices tell it the way that their frames have come."""
    counters: list[int] = field(default_factory=lambda: [0] * COUNTERS)
    heard: dict[int, int] = field(default_factory=dict)
    """Extended addresses of those whom the stick knows since its start, and their network addresses."""

    @property
    def is_up(self) -> bool:
        """It is on a network."""
        return self.state is NetworkState.JOINED

    def count(self, what: Counter) -> None:
        """It happened once more."""
        self.counters[what] = (self.counters[what] + 1) & 0xFFFF
