"""Commands of the event clusters as they come, for interfaces that tell each one just as it was sent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from hub.smart_energy.peer import Peer
from protocols.se.base import SeCommand
from protocols.zcl.status import Status

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HeardCommand:
    """A command that a device has sent to a server or client of ours, and what became of it."""

    radio: str
    sender: Peer
    command: SeCommand
    status: Status
    """SUCCESS: taken. An event that is refused is INVALID_FIELD, one that is known DUPLICATE_EXISTS, a cancel of what
    is not known NOT_FOUND, whatever else tells the device so."""


Listener = Callable[[HeardCommand], None]


class Listeners:
    """Who wants to hear them, at once and in their order."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def add(self, listener: Listener) -> Callable[[], None]:
        """`listener` hears every command until the function that is given back is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def tell(self, radio: str, sender: Peer, command: SeCommand, status: Status) -> None:
        """A command has come."""
        heard = HeardCommand(radio, sender, command, status)
        for listener in tuple(self._listeners):
            try:
                listener(heard)
            except Exception:  # the device is answered, whatever is wrong with those who listen
                log.exception("%s: a %s of %s could not be told", radio, type(command).__name__, sender)
