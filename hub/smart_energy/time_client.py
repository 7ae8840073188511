"""The time of a network on which we are a client: whose it is, when it is read, and how far ours is from it
(ZCL8, 3.12; Smart Energy 1.1b, 5.12.1.1).

Pure: what devices answer goes in, with the machine's two clocks. The machine's clock is never set by what a network
says. A server is read when it comes, and once a day; one that does not answer, or does not know the time yet, is asked
again after a while. The time is kept against monotonic seconds: who sets the machine's clock does not move it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

from hub.smart_energy.peer import Peer
from protocols.se.base import INVALID_UTC

MASTER, SYNCHRONIZED, SUPERSEDING = 0x01, 0x02, 0x08
"""Bits of TimeStatus (ZCL8, 3.12.2.2.2)."""
COORDINATOR = 0x0000
DAY_S = 86_400.0
"""A server is read no more often, unless it joins again."""
LIMIT_S = 60.0
"""How far clocks may be apart (Smart Energy 1.1b, 5.12.1.1): beyond it somebody is told."""
JUST_NOW_S = 60.0
"""A device that joins is told of more than once."""
DOUBT_S = 600.0
"""A server is read again for what others say no more often."""
ASKED = inf
"""When a server is asked next that has not answered the last question."""
PAUSES_S = (30.0, 120.0, 600.0, 3600.0)
"""Before a server is asked again that did not answer, or did not know the time; the last one again and again."""


@dataclass(frozen=True, slots=True)
class TimeAnswer:
    """What a server says: its time, None while it is not set, and its TimeStatus."""

    utc: int | None
    status: int


@dataclass(slots=True)
class TimeServer:
    """A Time server that was found."""

    peer: Peer
    short: int
    answer: TimeAnswer | None = None
    """None: it has not answered yet."""
    read_at: float = 0.0
    """Monotonic seconds of its answer."""
    due_at: float = 0.0
    """When it is asked next."""
    tries: int = 0
    """Since it told the time last."""

    @property
    def rank(self) -> tuple[int, int] | None:
        """The lowest is taken; None: it tells no time that others may take."""
        if self.answer is None or self.answer.utc is None:
            return None
        status = self.answer.status
        if status & MASTER and status & SUPERSEDING:
            order = 0 if self.short == COORDINATOR else 1
        elif status & MASTER:
            order = 2
        elif status & SYNCHRONIZED:
            order = 3
        else:
            return None
        return order, self.short

    def time(self, monotonic: float) -> float | None:
        """Its time now, as it goes on since it was read; None while it is not known."""
        if self.answer is None or self.answer.utc is None:
            return None
        return self.answer.utc + (monotonic - self.read_at)


@dataclass(slots=True)
class TimeClient:
    """The time of one network."""

    servers: dict[Peer, TimeServer] = field(default_factory=dict)

    # -- who there is ------------------------------------------------------------------------------------------------

    def came(self, peer: Peer, short: int, monotonic: float) -> None:
        """A server is there, for the first time or again: it is asked at once, unless it was just now."""
        known = self.servers.setdefault(peer, TimeServer(peer, short))
        known.short = short
        is_fresh = known.answer is not None and known.answer.utc is not None and monotonic - known.read_at < JUST_NOW_S
        if not is_fresh and known.due_at < ASKED:
            known.due_at, known.tries = monotonic, 0

    def doubt(self, monotonic: float) -> None:
        """Somebody says that it is another time: the server is read again, though not for every word."""
        server = self.chosen()
        if server is not None and server.due_at < ASKED and monotonic - server.read_at >= DOUBT_S:
            server.due_at = monotonic

    def keep(self, there: Iterable[Peer]) -> None:
        """Forget those that are not in the home any more."""
        left = set(there)
        for peer in [peer for peer in self.servers if peer not in left]:
            del self.servers[peer]

    def chosen(self) -> TimeServer | None:
        """Whose time it is: of the coordinator that is master and supersedes others; of such a master; of a master; of
        one that is synchronized; among equals of that with the lowest network address. None: nobody tells it."""
        ranked = [(rank, server) for server in self.servers.values() if (rank := server.rank) is not None]
        return min(ranked, key=lambda found: found[0])[1] if ranked else None

    # -- reading -----------------------------------------------------------------------------------------------------

    def due(self, monotonic: float) -> list[Peer]:
        """Whom to ask now; until it has answered or failed nobody is asked a second time."""
        found = [server for server in self.servers.values() if server.due_at <= monotonic]
        for server in found:
            server.due_at = ASKED
        return [server.peer for server in found]

    def answered(self, peer: Peer, answer: TimeAnswer, monotonic: float) -> None:
        """A server has answered."""
        known = self.servers.get(peer)
        if known is None:
            return
        if answer.utc is None and known.answer is not None and known.answer.utc is not None:
            # It has lost its time, as after a start: what it said before goes on until it knows better.
            self.failed(peer, monotonic)
            return
        known.answer, known.read_at = answer, monotonic
        if answer.utc is None:
            self.failed(peer, monotonic)
        else:
            known.tries, known.due_at = 0, monotonic + DAY_S

    def failed(self, peer: Peer, monotonic: float) -> None:
        """A server has not answered, or does not know the time."""
        known = self.servers.get(peer)
        if known is not None:
            known.due_at = monotonic + PAUSES_S[min(known.tries, len(PAUSES_S) - 1)]
            known.tries += 1

    # -- the time ----------------------------------------------------------------------------------------------------

    def time(self, monotonic: float) -> float | None:
        """The network's time in the standard's seconds; None while nobody tells it."""
        server = self.chosen()
        return server.time(monotonic) if server is not None else None

    def offset_s(self, monotonic: float, machine: float) -> float | None:
        """The network's time less the machine's, `machine` in the standard's seconds; None while nobody tells it."""
        time = self.time(monotonic)
        return None if time is None else time - machine

    def is_off(self, monotonic: float, machine: float) -> bool:
        """The machine's clock is further from the network's than clocks may be."""
        offset = self.offset_s(monotonic, machine)
        return offset is not None and abs(offset) > LIMIT_S

    def now(self, monotonic: float, machine: float, *, is_set: bool) -> int:
        """The Smart Energy clock: what begins and ends when, on this network. 0: nobody knows the time.

        It is the machine's as long as that agrees with the network's, and the network's where it does not, or where the
        machine's was never set: the events of a network are meant by the network's clock.
        """
        time = self.time(monotonic)
        if time is None:
            return int(machine) if is_set else 0
        return int(time) if not is_set or abs(time - machine) > LIMIT_S else int(machine)


def answer_of(utc: object, status: object) -> TimeAnswer:
    """What was read of Time and TimeStatus; the invalid time is none."""
    time = utc if isinstance(utc, int) and not isinstance(utc, bool) and 0 < utc < INVALID_UTC else None
    return TimeAnswer(time, status if isinstance(status, int) else 0)
