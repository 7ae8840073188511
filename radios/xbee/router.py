"""A router's way onto somebody else's network: attempts until one works, then keys, and what to do when it is lost.

==========================================  ======================================================================
where the module is                         what is done
==========================================  ======================================================================
on no network                               `NR0` every join interval: it scans, and joins who lets it in; what the
                                            configuration says is written before
on a network, keys not established          waited for; after `KEYS_S` the network is left, and the next one tried
on a network, with keys (AI = 0)            nothing but a look every `CHECK_S`: a modem status may get lost
==========================================  ======================================================================

Modem statuses (joined, keys established, disassociated, restarted) only make it look sooner.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from protocols.xbee.status import AssociationStatus
from radios.api import NoReplyError, RadioLostError
from radios.xbee.bringup import NETWORK, Place, carry_out, place_of
from radios.xbee.formation import renew
from radios.xbee.link import AtError, XbeeLink

log = logging.getLogger(__name__)

JOIN_INTERVAL_S: Final = 30.0
"""Between attempts unless told otherwise; a scan of all channels takes about eight seconds."""
KEYS_S: Final = 300.0
"""For keys to be established, which takes seconds where it works at all. Chosen: the profile lets a device wait for 20
minutes (5.4.7), but a trust centre that has not answered by then has forgotten about it."""
LOOK_S, CHECK_S = 1.0, 60.0

LOOKING: Final = "joining: it looks for a network"
KEYS: Final = "keys: it has joined, and establishes keys with the trust centre"
_WHY: Final = {
    AssociationStatus.NO_PAN_FOUND: "joining: no network is heard; is the trust centre on, and in range?",
    AssociationStatus.NO_VALID_PAN: "joining: no network with the extended PAN id and channels asked for is heard",
    AssociationStatus.JOINING_NOT_ALLOWED: "joining: the networks heard are closed; open joining at the trust centre",
    AssociationStatus.NO_JOINABLE_BEACON: "joining: no network that can be joined is heard; open joining there",
    AssociationStatus.JOIN_FAILED: "joining: refused; is this radio registered with the key that it joins with?",
    AssociationStatus.WRONG_LINK_KEY: "joining: refused for a wrong link key; register the one that it joins with",
    AssociationStatus.NETWORK_KEY_NOT_RECEIVED: "joining: no network key came; is its link key registered?",
    AssociationStatus.NETWORK_KEY_UNSECURED: "joining: the network gives its key to anybody; such are not joined",
    AssociationStatus.LEAVE_FAILED: "joining: the network before this one could not be left",
    AssociationStatus.SCANNING: LOOKING,
}


def waits_for(place: Place) -> str:
    """What a router waits for, for people; empty once it is operational."""
    if place.is_operational:
        return ""
    if place.is_on_network:
        return KEYS
    return _WHY.get(place.association, f"joining: {place.association.name.lower().replace('_', ' ')}")


class Joining:
    """Keeps a router on a network. `run` in a task of its own."""

    def __init__(
        self, name: str, link: XbeeLink, told: Callable[[Place], None], prepare: Callable[[], Awaitable[None]]
    ) -> None:
        """`told` hears where the module is, each time that this was looked up; `prepare` says what it shall join."""
        self._name, self._link, self._told, self._prepare = name, link, told, prepare
        self._is_prepared = self._is_expelled = False
        self._interval_s = JOIN_INTERVAL_S
        self.attempts = 0
        self._woken = asyncio.Event()
        self._next = 0.0
        self._joined_at: float | None = None
        self._said = ""

    def waits_for(self, place: Place) -> str:
        """What the router waits for, for people; empty once it is operational."""
        if self._is_expelled and not place.is_on_network:
            return f"joining: it was made to leave its network; it looks for one every {self._interval_s:g} s"
        return waits_for(place)

    def expelled(self) -> None:
        """It was made to leave."""
        self._is_expelled = True
        self.wake()

    def restarted(self) -> None:
        """The module joins by itself after a restart, and has forgotten what is not in its flash."""
        self._is_prepared = False
        self.postpone()

    def wake(self) -> None:
        """Something has happened: look now."""
        self._woken.set()

    def try_every(self, interval_s: float) -> None:
        """Attempts are so far from each other from now on."""
        self._interval_s = interval_s
        self._next = min(self._next, asyncio.get_running_loop().time() + interval_s)

    def postpone(self) -> None:
        """The module is at it, or was told to leave: the next attempt is a whole interval away."""
        self._next = asyncio.get_running_loop().time() + self._interval_s
        self._joined_at = None
        self.wake()

    async def run(self) -> None:
        """Look, attempt, wait; ends by cancellation, or by `RadioLostError`."""
        self.postpone()  # it joins by itself after a start
        while True:
            self._woken.clear()
            pause = LOOK_S
            try:
                place = place_of(await carry_out(self._link, NETWORK))
                if self._woken.is_set():
                    continue  # something happened while it was asked: what was read may be older than that
                self._told(place)
                await self._act(place)
                pause = CHECK_S if place.is_operational else LOOK_S
            except (NoReplyError, AtError) as error:
                log.info("%s: %s", self._name, error)
            except RadioLostError:
                if self._link.is_lost:
                    raise
                # It has only restarted.
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    async def _act(self, place: Place) -> None:
        now = asyncio.get_running_loop().time()
        self._say(self.waits_for(place))
        if not place.is_on_network:
            self._joined_at = None
            if not self._is_prepared and place.association is not AssociationStatus.SCANNING:
                self._next = now  # it has tried by itself, without knowing what is configured
        else:
            self._is_expelled = False
            self._joined_at = self._joined_at or now
        if place.is_operational:
            return
        if self._joined_at is not None:
            if now - self._joined_at < KEYS_S:
                return
            log.warning("%s: no keys were established within %g s: the network is left", self._name, KEYS_S)
        elif now < self._next:
            return
        self.attempts += 1
        self.postpone()
        self._is_expelled = False
        if not place.is_on_network:
            self._is_prepared = True
            await self._prepare()
        await renew(self._link)

    def _say(self, state: str) -> None:
        """Once for each state: attempts go on for days where nobody opens joining."""
        if state != self._said:
            log.debug("%s: %s", self._name, state or "it is on its network")
            self._said = state
