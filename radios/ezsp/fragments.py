"""Long messages in blocks, as EZSP hands them to its host: index in the low byte of the group, count in the high one.

The firmware leaves both ways to the host: it acknowledges each block that arrives, and sends the next one when the one
before it was acknowledged.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

MESSAGES_AT_ONCE = 16
MAX_BLOCKS = 32
"""Of a message: 32 blocks of 82 bytes are more than any cluster of ours sends."""
KEPT_S = 10.0
"""After its last block a message that is not whole is dropped, and one that is whole is still known."""
OVERHEAD_BYTES = 2
"""What the number of a block takes of a frame."""
ENCRYPTION_BYTES = 9
"""What a link key takes of it."""

Place = tuple[int, int, int, int, int]
"""Sender, APS counter, profile, cluster, endpoint: which message a block belongs to."""


@dataclass(slots=True)
class _Partial:
    until: float
    count: int = 0
    blocks: dict[int, bytes] = field(default_factory=dict)
    is_told: bool = False


class Reassembly:
    """Puts messages together. Time is an argument, in seconds of any clock that only goes on."""

    def __init__(self) -> None:
        self._messages: OrderedDict[Place, _Partial] = OrderedDict()

    def take(self, place: Place, group: int, payload: bytes, now: float) -> bytes | None:
        """Add a block; the whole message with the block that completes it, once. Blocks come again, in any order."""
        for old in [key for key, one in self._messages.items() if one.until < now]:
            del self._messages[old]
        index, count = group & 0xFF, group >> 8
        message = self._messages.setdefault(place, _Partial(now + KEPT_S))
        self._messages.move_to_end(place)
        while len(self._messages) > MESSAGES_AT_ONCE:
            self._messages.popitem(last=False)
        message.until = now + KEPT_S
        if index == 0:
            message.count = count
        if message.is_told or index >= MAX_BLOCKS or message.count > MAX_BLOCKS:
            return None
        message.blocks[index] = payload
        if not message.count or any(number not in message.blocks for number in range(message.count)):
            return None
        whole = b"".join(message.blocks[number] for number in range(message.count))
        message.is_told = True
        message.blocks.clear()
        return whole


def room_of(longest: int, *, encrypted: bool) -> int:
    """Bytes of a frame that is sent whole. `longest`: what the stick says that a frame carries."""
    return longest - (ENCRYPTION_BYTES if encrypted else 0)


def blocks_of(payload: bytes, longest: int, *, encrypted: bool) -> list[bytes]:
    """The blocks of a message that is too long for one frame."""
    size = room_of(longest, encrypted=encrypted) - OVERHEAD_BYTES
    return [payload[at : at + size] for at in range(0, len(payload), size)]
