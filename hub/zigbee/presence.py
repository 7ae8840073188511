"""Whether devices are there: active and inactive, and the periodic refresh.

As in the gateway manual (CPX2-SE, Transmission Retries; Periodic Refresh): failures in a row make a device inactive,
whatever is heard of it makes it active again, and every `refresh_rate` seconds a Match Descriptor request for Key
Establishment is broadcast, which a Smart Energy device answers or fails.

Chosen: the manual knows Smart Energy devices only. A device without Key Establishment has nothing to say to that
broadcast; if it is always awake and was silent for a whole period, it is asked for its address by itself. A sleepy
device is not asked: it is away when it was silent for three of its own reporting intervals, or `SLEEPY_SILENCE_S`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable

from hub.clock import Clock
from hub.errors import HubError
from hub.registry import REFRESH_RATE, TX_STATUS_TIMEOUT, Registry
from hub.zigbee.member import Member
from hub.zigbee.network import Network
from protocols import zdo
from protocols.ids import BroadcastAddress, Profile
from protocols.zcl.clusters import KEY_ESTABLISHMENT
from radios.api import RadioError

log = logging.getLogger(__name__)

SLEEPY_SILENCE_S = 2 * 3600 + 600.0
"""A sleepy device that says nothing for so long is away: common sensors speak once an hour at least."""
LOOK_S = 10.0
CHECKS_AT_ONCE = 4


def silence_allowed_s(member: Member, refresh_s: float) -> float:
    """Seconds that a device may be silent before it is asked, or taken for away if it sleeps."""
    if not member.is_sleepy:
        return refresh_s
    intervals = [row.max_s for row in member.reporting.values() if 0 < row.max_s < 0xFFFF and row.state != "refused"]
    return max(SLEEPY_SILENCE_S, 3.0 * max(intervals, default=0))


class Presence:
    """Refreshes the members of all networks."""

    def __init__(
        self,
        clock: Clock,
        registry: Registry,
        networks: Callable[[], Iterable[Network]],
        away: Callable[[Member, str], None],
    ) -> None:
        """`away(member, why)` is told of a device that should be taken for inactive."""
        self._clock, self._registry, self._networks, self._away = clock, registry, networks, away
        self._asked: dict[int, float] = {}
        self._limit = asyncio.Semaphore(CHECKS_AT_ONCE)

    async def run(self) -> None:
        """Look every few seconds; ends by cancellation."""
        last_broadcast: dict[str, float] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                await asyncio.sleep(LOOK_S)
                period = self._registry.seconds(REFRESH_RATE)
                if period == 0:
                    continue
                now = self._clock.monotonic()
                for network in self._networks():
                    if network.radio is None:
                        continue
                    smart = [member for member in network.members.values() if member.servers(KEY_ESTABLISHMENT)]
                    can = network.radio.capabilities.broadcast_send
                    if smart and can and now - last_broadcast.get(network.name, -1e9) >= period:
                        last_broadcast[network.name] = now
                        tasks.create_task(self._contained(self._broadcast(network, smart)), name="refresh")
                    for member in list(network.members.values()):
                        if not (member in smart and can) and self._is_due(member, now, period):
                            self._asked[member.ieee] = now
                            tasks.create_task(self._contained(self._check(network, member)), name="refresh")

    async def refresh(self, network: Network, member: Member) -> None:
        """Ask a device now whether it is there. One that sleeps is not asked: it is heard when it wakes."""
        if not member.is_sleepy:
            await self._contained(self._check(network, member))

    async def _contained(self, work: Coroutine[None, None, None]) -> None:
        try:
            async with self._limit:
                await work
        except (RadioError, HubError) as error:
            log.debug("refresh: %s", error)
        except Exception:  # a task's top
            log.exception("refreshing failed by a fault of ours")

    def _is_due(self, member: Member, now: float, period: float) -> bool:
        if member.heard_at is None and not member.is_active:
            return False  # never heard since the start: it is asked by its interview, or when it comes
        silent = now - (member.heard_at if member.heard_at is not None else 0.0)
        asked = now - self._asked.get(member.ieee, -1e9)
        return silent >= silence_allowed_s(member, period) and asked >= period

    async def _check(self, network: Network, member: Member) -> None:
        """Ask a silent device whether it is there."""
        if member.is_sleepy:
            self._away(member, "it was silent for longer than it should be: its battery, or its way to the network")
            return
        if member.short is None:
            return
        # A failure is counted by the network, which tells when there are too many.
        await network.zdo_request(member, zdo.IeeeAddressRequest(member.short), zdo.IeeeAddressResponse)

    async def _broadcast(self, network: Network, smart: list[Member]) -> None:
        request = zdo.MatchDescriptorRequest(
            int(BroadcastAddress.RECEIVER_ON_WHEN_IDLE), Profile.SMART_ENERGY, (KEY_ESTABLISHMENT,)
        )
        answers = await network.zdo_broadcast(
            request, BroadcastAddress.RECEIVER_ON_WHEN_IDLE, self._registry.seconds(TX_STATUS_TIMEOUT)
        )
        shorts = {short for short, _ in answers}
        for member in smart:
            if member.short not in shorts and not member.is_sleepy:
                network.count_failure(member)
