"""A bad wire on demand, for every emulator that speaks in datagrams: loss, duplicates, reordering, delay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from random import Random
from typing import Generic, TypeVarTuple

from radios.emulators.errors import EmulatorError

MAX_DELAY_S = 60.0
"""More is a datagram that nobody waits for any more."""
MAX_UNDER_WAY = 256
"""Datagrams under way on one wire; one more is lost, as in a full queue."""
REORDER_HOLD_S = 0.05
"""A datagram picked for reordering waits so long for another one to overtake it."""


@dataclass(slots=True)
class Faults:
    """What the wire does to a datagram. Applied to each direction by itself; may be changed at any time."""

    loss: float = 0.0
    """Probability, 0 to 1."""
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0
    """Seconds, each way."""
    jitter: float = 0.0
    """Seconds; up to so much more delay, evenly spread."""

    def __setattr__(self, name: str, value: float) -> None:
        limit = MAX_DELAY_S if name in ("delay", "jitter") else 1.0
        if not 0.0 <= value <= limit:
            raise EmulatorError(f"{name} {value!r}: must be from 0 to {limit:g}")
        object.__setattr__(self, name, float(value))

    @property
    def none(self) -> bool:
        """The wire is good."""
        return not (self.loss or self.duplicate or self.reorder or self.delay or self.jitter)


FAULT_NAMES = tuple(field.name for field in fields(Faults))

Arguments = TypeVarTuple("Arguments")


class Wire(Generic[*Arguments]):
    """One direction between two stations. What is under way when it is closed is lost."""

    def __init__(self, faults: Faults, randomness: Random, deliver: Callable[[*Arguments], None]) -> None:
        self._faults = faults
        self._random = randomness
        self._deliver = deliver
        self._under_way: set[asyncio.TimerHandle] = set()
        self._held: tuple[asyncio.TimerHandle, Callable[[], None]] | None = None
        self.lost = 0

    def carry(self, *arguments: *Arguments) -> None:
        """Deliver now, later, twice, or not at all."""
        faults = self._faults
        if faults.none:
            self._deliver(*arguments)
            return
        if self._random.random() < faults.loss:
            self.lost += 1
            return
        copies = 2 if self._random.random() < faults.duplicate else 1
        for _ in range(copies):
            delivery: Callable[[], None] = partial(self._deliver, *arguments)
            if self._held is None and self._random.random() < faults.reorder:
                self._hold(delivery)
            else:
                self._pass_on(delivery)

    def close(self) -> None:
        """Drop what is under way."""
        for handle in self._under_way:
            handle.cancel()
        self._under_way.clear()
        if self._held is not None:
            self._held[0].cancel()
            self._held = None

    def _hold(self, delivery: Callable[[], None]) -> None:
        handle = asyncio.get_running_loop().call_later(REORDER_HOLD_S, self._release)
        self._held = (handle, delivery)

    def _release(self) -> None:
        if self._held is not None:
            handle, delivery = self._held
            self._held = None
            handle.cancel()
            self._later(delivery)

    def _pass_on(self, delivery: Callable[[], None]) -> None:
        self._later(delivery)
        self._release()  # the one that was held comes after this one

    def _later(self, delivery: Callable[[], None]) -> None:
        delay = self._faults.delay + self._faults.jitter * self._random.random()
        if delay <= 0:
            delivery()
            return
        if len(self._under_way) >= MAX_UNDER_WAY:
            self.lost += 1
            return

        def arrive() -> None:
            self._under_way.discard(handle)
            delivery()

        handle = asyncio.get_running_loop().call_later(delay, arrive)
        self._under_way.add(handle)
