"""Frames that come twice: a sender repeats what it has got no acknowledgement for."""

from __future__ import annotations

from collections import OrderedDict

from protocols.aps import ApsFrame

DUPLICATE_S = 2.0
"""A frame that comes again within this time, byte for byte with its transaction number, is an APS repeat: the sender's
APS layer waits 1.6 s for an acknowledgement before it repeats (Zigbee R21, 2.2.7.2)."""
DUPLICATES_KEPT = 512


class Repeats:
    """What was heard lately."""

    def __init__(self) -> None:
        self._recent: OrderedDict[tuple[object, ...], float] = OrderedDict()

    def clear(self) -> None:
        """Nothing was."""
        self._recent.clear()

    def is_one(self, frame: ApsFrame, use: int, now: float) -> bool:
        """Whether a frame that arrives at monotonic time `now` was heard already.

        `use` tells apart frames that are alike and belong to different requests.
        """
        source = frame.source if frame.source is not None else frame.source_ieee
        key: tuple[object, ...]
        if frame.counter is not None:
            key = (source, frame.source_endpoint, frame.counter, frame.cluster)
        else:
            key = (source, frame.source_endpoint, frame.destination_endpoint, frame.cluster, frame.payload, use)
        before = self._recent.get(key)
        if before is not None and now - before < DUPLICATE_S:
            return True  # the time is the first one's: who always says the same is heard now and then
        self._recent[key] = now
        self._recent.move_to_end(key)
        if len(self._recent) > DUPLICATES_KEPT:
            self._recent.popitem(last=False)
        return False
