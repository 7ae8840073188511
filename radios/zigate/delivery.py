"""APS frames on their way: from the status of the command to the acknowledgement of the far end.

0530 -> 8000 (with the APS counter) -> 8012 (first hop) -> 8011 (far end: ack, or none) | 8702 (not delivered); any of
them may be lost, late, or come before the one before it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from protocols.zigate.responses import ApsAck, ApsConfirm, ApsConfirmFailed
from protocols.zigate.status import SerialStatus, StackStatus
from radios.api import DeliveryError, RadioLostError

EARLY_KEPT = 32
"""Confirmations that came before their frame's counter was known."""

Confirmation = ApsAck | ApsConfirm | ApsConfirmFailed
_SERIAL = frozenset(int(status) for status in SerialStatus)


def not_sent(code: int) -> DeliveryError:
    """The error for a frame that the stick refuses, by the status of the command."""
    detail = "the stick did not send it"
    if code in _SERIAL:
        return DeliveryError(detail, SerialStatus(code).name, code, is_silence=False)
    status = StackStatus(code)
    return DeliveryError(detail, status.name, code, is_silence=status.is_silence_of_the_far_end)


@dataclass(slots=True, eq=False)
class Flight:
    """One frame in flight."""

    short: int | None
    endpoint: int
    cluster: int
    is_acknowledged: bool
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    counter: int | None = None
    """APS counter, known with the status."""


class Flights:
    """All frames in flight, matched to what the stick says of them."""

    def __init__(self) -> None:
        self._flying: list[Flight] = []
        self._early: deque[Confirmation] = deque(maxlen=EARLY_KEPT)

    def __len__(self) -> int:
        return len(self._flying)

    def begin(self, flight: Flight) -> None:
        """A frame is about to be sent."""
        self._flying.append(flight)

    def numbered(self, flight: Flight, counter: int) -> None:
        """The stick gave its counter: what was said of it already counts."""
        flight.counter = counter
        for confirmation in list(self._early):
            if confirmation.aps_counter == counter and self._belongs(flight, confirmation):
                self._early.remove(confirmation)
                self._settle(flight, confirmation)

    def end(self, flight: Flight) -> None:
        """Nobody waits for it any more."""
        if flight in self._flying:
            self._flying.remove(flight)
        if not self._flying:
            self._early.clear()

    def take(self, confirmation: Confirmation) -> bool:
        """What the stick said; False when it is of no frame of ours (its own polls, a late one)."""
        for flight in self._flying:
            if flight.counter == confirmation.aps_counter and self._belongs(flight, confirmation):
                self._settle(flight, confirmation)
                return True
        if isinstance(confirmation, ApsAck):
            # Its status was lost, or is not there yet: address, endpoint and cluster say which frame it was.
            for flight in self._flying:
                if flight.counter is None and self._belongs(flight, confirmation):
                    self._settle(flight, confirmation)
                    return True
        if any(flight.counter is None for flight in self._flying):
            self._early.append(confirmation)
            return True
        return False

    def _belongs(self, flight: Flight, confirmation: Confirmation) -> bool:
        """Counters are eight bits, and the stick's own frames use them too."""
        if flight.endpoint != confirmation.destination_endpoint:
            return False
        if isinstance(confirmation, ApsAck):
            same = flight.short in (None, confirmation.short)
            return flight.is_acknowledged and same and flight.cluster == confirmation.cluster
        return True

    def _settle(self, flight: Flight, confirmation: Confirmation) -> None:
        if flight.done.done():
            return
        if confirmation.status is not StackStatus.SUCCESS:
            status = StackStatus(confirmation.status)
            error = DeliveryError(
                "not delivered", status.name, int(status), is_silence=status.is_silence_of_the_far_end
            )
            flight.done.set_exception(error)
            flight.done.exception()
        elif isinstance(confirmation, ApsAck) or not flight.is_acknowledged:
            flight.done.set_result(None)

    def fail_all(self, reason: str) -> None:
        """The stick is gone, or has restarted: what was in flight is not heard of any more."""
        for flight in self._flying:
            if not flight.done.done():
                flight.done.set_exception(RadioLostError(reason))
                flight.done.exception()
