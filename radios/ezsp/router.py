"""A router's way onto somebody else's network: scan, join who lets it in with our link key, again until one does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import bellows.types as t

from radios.api import NetworkSettings, RadioError
from radios.ezsp.application import EzspApplication, ok
from radios.zigpy_backend import address_of, eui64_of, key_of

log = logging.getLogger(__name__)

JOIN_INTERVAL_S = 30.0
"""Between attempts."""
JOIN_S = 20.0
"""For one attempt: association, and the network key from the trust centre."""
SCAN_S = 15.0
SCAN_DURATION = 3
DEFAULT_POWER_DBM = 8
ALL_CHANNELS: Final = tuple(range(11, 27))
ZIGBEE_PRO = 2
"""Stack profile of beacons."""

LOOKING: Final = "joining: it looks for a network"
NO_KEY: Final = "joining: no key to join with is configured; set install_code or link_key of the radio"
NOTHING_HEARD: Final = "joining: no network is heard; is the trust centre on, and in range?"
NOT_THE_WANTED: Final = "joining: no network with the extended PAN id and channels asked for is heard"
CLOSED: Final = "joining: the networks heard are closed; open joining at the trust centre"
_WHY: Final = {
    "NO_BEACONS": "joining: the network that was heard does not answer",
    "NOT_JOINED": "joining: refused; is this radio registered with the key it joins with?",
    "ZIGBEE_NO_NETWORK_KEY_RECEIVED": "joining: no network key came; is this radio registered with its link key?",
    "ZIGBEE_RECEIVED_KEY_IN_THE_CLEAR": "joining: the network gives its key to anybody; such are not joined",
}


class Wish:
    """What shall be joined."""

    def __init__(self, link_key: bytes | None, extended_pan_id: int | None, channels: Sequence[int] | None) -> None:
        """None: any network, any channel; without a key nothing can be joined."""
        self.link_key, self.extended_pan_id = link_key, extended_pan_id
        self.channels = tuple(channels or ALL_CHANNELS)

    def changed(self, settings: NetworkSettings) -> Wish:
        """The same, as far as nothing else is said."""
        wanted = self.extended_pan_id if settings.extended_pan_id is None else settings.extended_pan_id or None
        return Wish(settings.link_key or self.link_key, wanted, settings.channels or self.channels)


async def _beacons(application: EzspApplication, channels: Sequence[int]) -> list[Any]:
    """Networks that are heard."""
    async with asyncio.timeout(SCAN_S):
        found = await application.stick.startScan(
            scanType=t.EzspNetworkScanType.ACTIVE_SCAN,
            channelMask=t.Channels.from_channel_list(channels),
            duration=SCAN_DURATION,
        )
    return [beacon for beacon, *_ in found if beacon.stackProfile == ZIGBEE_PRO]


async def attempt(application: EzspApplication, wish: Wish) -> str:
    """Try once; empty when it is on a network now, else why it is not. Raises `DeliveryError`, `TimeoutError`."""
    if wish.link_key is None:
        return NO_KEY
    heard = await _beacons(application, wish.channels)
    if not heard:
        return NOTHING_HEARD if wish.channels == ALL_CHANNELS else NOT_THE_WANTED
    wanted = [one for one in heard if wish.extended_pan_id in (None, int(eui64_of(one.extendedPanId)))]
    if not wanted:
        return NOT_THE_WANTED
    found = next((one for one in wanted if one.allowingJoin), None)
    if found is None:
        return CLOSED
    bits = t.EmberInitialSecurityBitmask
    (status,) = await application.stick.setInitialSecurityState(
        state=t.EmberInitialSecurityState(
            bitmask=bits.HAVE_PRECONFIGURED_KEY | bits.REQUIRE_ENCRYPTED_KEY,
            preconfiguredKey=key_of(wish.link_key),
            networkKey=key_of(bytes(16)),
            networkKeySequenceNumber=0,
            preconfiguredTrustCenterEui64=address_of(0),
        )
    )
    ok(status, "the key to join with")
    parameters = t.EmberNetworkParameters(
        extendedPanId=found.extendedPanId,
        panId=found.panId,
        radioTxPower=DEFAULT_POWER_DBM,
        radioChannel=found.channel,
        joinMethod=t.EmberJoinMethod.USE_MAC_ASSOCIATION,
        nwkManagerId=0,
        nwkUpdateId=found.nwkUpdateId,
        channels=t.Channels.from_channel_list(wish.channels),
    )
    told: asyncio.Queue[Any] = asyncio.Queue(16)
    with application.stick.callback_for_commands(
        {"stackStatusHandler"}, lambda _, values: told.put_nowait(t.sl_Status.from_ember_status(values[0]))
    ):
        (status,) = await application.stick.joinNetwork(nodeType=t.EmberNodeType.ROUTER, parameters=parameters)
        ok(status, "to join a network")
        async with asyncio.timeout(JOIN_S):
            outcome = await told.get()
    if outcome == t.sl_Status.NETWORK_UP:
        return ""
    return _WHY.get(outcome.name, f"joining: {outcome.name.lower().replace('_', ' ')}")


class Joining:
    """Keeps a router on a network. `run` in a task of its own."""

    def __init__(self, name: str, work: Callable[[], Awaitable[str]], told: Callable[[str], Awaitable[None]]) -> None:
        """`work` tries once, and says why it is on no network; `told` hears that, or the empty text of success."""
        self._name, self._work, self._told = name, work, told
        self._woken = asyncio.Event()
        self._interval_s: float | None = None
        self.attempts = 0

    def try_every(self, interval_s: float) -> None:
        """Attempts are so far from each other from now on."""
        if interval_s != self._interval_s:
            self._interval_s = interval_s
            self.wake()

    def wake(self) -> None:
        """It is on no network: try now."""
        self._woken.set()

    async def run(self, is_there: Callable[[], bool]) -> None:
        """Try while it is not there; ends by cancellation."""
        while True:
            self._woken.clear()
            pause: float | None = None
            if not is_there():
                self.attempts += 1
                pause = JOIN_INTERVAL_S if self._interval_s is None else self._interval_s
                try:
                    why = await self._work()
                    await self._told(why)
                    if not why:
                        continue
                except RadioError as error:
                    log.info("%s: %s", self._name, error)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()
