"""Which endpoint of ours mirrors which meter. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hub.smart_energy.peer import Peer
from protocols.ids import Eui64

FIRST_MIRROR, LAST_MIRROR = 0x80, 0xBF
"""Endpoint numbers of mirrors. Chosen: within what Request Mirror Response may say (1 to 0xF0), far from our others."""


class MirrorTable:
    """The mirrors of one network."""

    def __init__(self, most: int) -> None:
        """`most`: mirrors at once; 0: there are none."""
        self.most = most
        self._meters: dict[int, Peer] = {}
        self._last = LAST_MIRROR
        """The number that was given last: a display may still take a freed one for the meter of before."""

    def load(self, rows: Iterable[tuple[int, Peer]]) -> None:
        """Take up mirrors that were kept, also such as are more than would be made now; none while they are off."""
        for endpoint, peer in rows if self.most else ():
            if FIRST_MIRROR <= endpoint <= LAST_MIRROR and self.of(peer) is None:
                self._meters[endpoint] = peer
                self._last = endpoint

    def __iter__(self) -> Iterator[tuple[int, Peer]]:
        """Endpoints and their meters, lowest number first."""
        return iter(sorted(self._meters.items()))

    def __len__(self) -> int:
        return len(self._meters)

    @property
    def has_room(self) -> bool:
        """Whether one more meter can be mirrored."""
        return len(self._meters) < self.most

    def of(self, peer: Peer) -> int | None:
        """The endpoint that mirrors a meter."""
        return next((endpoint for endpoint, found in self._meters.items() if found == peer), None)

    def at(self, endpoint: int) -> Peer | None:
        """The meter that an endpoint mirrors."""
        return self._meters.get(endpoint)

    def request(self, peer: Peer) -> int | None:
        """The endpoint for a meter: the one that it has, else a new one; None: there is no room."""
        known = self.of(peer)
        if known is not None or not self.has_room:
            return known
        numbers = (*range(self._last + 1, LAST_MIRROR + 1), *range(FIRST_MIRROR, LAST_MIRROR + 1))
        self._last = next(number for number in numbers if number not in self._meters)
        self._meters[self._last] = peer
        return self._last

    def remove(self, endpoint: int) -> Peer | None:
        """Free an endpoint; whose it was."""
        return self._meters.pop(endpoint, None)

    def forget(self, ieee: Eui64) -> list[int]:
        """A device is gone: the endpoints that are free now."""
        gone = [endpoint for endpoint, peer in self if peer.ieee == ieee]
        for endpoint in gone:
            del self._meters[endpoint]
        return gone
