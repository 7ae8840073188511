"""What all drivers of Zigbee sticks have: what is known of the stick, and what it has told."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from protocols.ids import Eui64
from protocols.zdo import SimpleDescriptor
from radios.api import Capabilities, NetworkInfo, NetworkSettings, NotSupportedError, RadioLostError, ZigbeeEvent
from radios.events import EventQueue


class ZigbeeStick:
    """A base for the parts of `radios.api.ZigbeeRadio` that say how things are."""

    def __init__(self, name: str, lose: Callable[[str], None]) -> None:
        """`lose(reason)` ends the stick: nobody takes its events."""
        self.name = name
        self._counters: Counter[str] = Counter()
        self._events = EventQueue[ZigbeeEvent](lose)
        self._capabilities: Capabilities | None = None
        self._network: NetworkInfo | None = None

    @property
    def capabilities(self) -> Capabilities:
        """See `ZigbeeRadio`."""
        if self._capabilities is None:
            raise RadioLostError("the stick is not open yet")
        return self._capabilities

    @property
    def network(self) -> NetworkInfo:
        """See `ZigbeeRadio`."""
        if self._network is None:
            raise RadioLostError("the stick is not open yet")
        return self._network

    @property
    def counters(self) -> Mapping[str, int]:
        """See `ZigbeeRadio`."""
        return self._counters

    async def at_command(self, name: str, value: bytes | None = None) -> bytes:
        """See `ZigbeeRadio`. Most sticks have no registers."""
        raise NotSupportedError("this stick has no AT commands")

    async def host(self, endpoints: Sequence[SimpleDescriptor]) -> None:
        """See `ZigbeeRadio`. Most sticks leave their endpoints to the host, or have their own."""

    async def set_link_key(self, ieee: Eui64, key: bytes) -> None:
        """See `ZigbeeRadio`. Most sticks have their keys from elsewhere."""
        raise NotSupportedError("this stick takes no keys that the hub has established")

    def events(self) -> AsyncIterator[ZigbeeEvent]:
        """See `ZigbeeRadio`."""
        return self._events.take()

    async def configure(self, settings: NetworkSettings) -> None:
        """See `ZigbeeRadio`."""
        raise NotSupportedError("this stick forms its network by itself: erase it to have another one")

    async def backup(self) -> Mapping[str, object]:
        """See `ZigbeeRadio`."""
        raise NotSupportedError("this stick does not let its keys out: its network cannot be saved")

    async def restore(self, kept: Mapping[str, object]) -> None:
        """See `ZigbeeRadio`."""
        raise NotSupportedError("this stick takes no network of another one")

    async def leave(self) -> None:
        """See `ZigbeeRadio`."""
        raise NotSupportedError("this stick holds its network, which it cannot leave")
