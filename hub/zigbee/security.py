"""Which frames have to be encrypted for their two ends alone: the one place that says so.

On the Smart Energy profile that is everything but what a device needs before it has keys (Smart Energy profile, 5.4.6;
sources differ about Time and Alarms: both are sent encrypted). The registry's `Cluster.disable_APS_encryption` switches
the rule off, and a radio that cannot encrypt single frames does not have it.
"""

from __future__ import annotations

from typing import Final, Protocol

from protocols.aps import ApsFrame, Security
from protocols.ids import Eui64, Profile
from protocols.zcl.clusters import ALARMS, BASIC, IDENTIFY, KEY_ESTABLISHMENT, POWER_CONFIGURATION
from radios.api import Capabilities, NoLinkKeyError, NotSupportedError

KEEP_ALIVE: Final = 0x0025
OPEN_CLUSTERS: Final = frozenset((BASIC, POWER_CONFIGURATION, IDENTIFY, KEEP_ALIVE, KEY_ESTABLISHMENT))
"""Of the Smart Energy profile: network security is enough, both ways."""
ACCEPTED_OPEN: Final = OPEN_CLUSTERS | {ALARMS}
"""Taken without encryption, although we send them encrypted."""

SECURITY_FAIL: Final = 0xAD
"""What a stack says to a frame that it has no key for (Zigbee R21, 2.2.9)."""


def security_of(profile: int, cluster: int, chosen: bool | None = None) -> Security:
    """How a frame of ours is to be protected; `chosen`: whether its cluster was made to encrypt, or not to."""
    if chosen is not None:
        return Security.LINK_KEY if chosen else Security.NETWORK
    if profile == Profile.SMART_ENERGY and cluster not in OPEN_CLUSTERS:
        return Security.LINK_KEY
    return Security.NETWORK


def is_too_open(profile: int, cluster: int, security: Security, chosen: bool | None = None) -> bool:
    """Whether a frame that arrived ought to have been encrypted; `chosen` as above."""
    if chosen is not None:
        return chosen and security is not Security.LINK_KEY
    return profile == Profile.SMART_ENERGY and cluster not in ACCEPTED_OPEN and security is not Security.LINK_KEY


class LinkKeyHolder(Protocol):
    """Who knows which devices have a key with us."""

    def has_key(self, ieee: int) -> bool:
        """Whether keys are established with a device."""
        ...

    async def ready(self) -> None:
        """Wait until the radio has the keys that it had before its start."""
        ...

    def left(self, ieee: Eui64) -> None:
        """A device has left for good: it may come again with the key that it joins with."""
        ...


class RadioHolds:
    """The radio's firmware knows: it says so when it is asked for what it cannot encrypt."""

    def has_key(self, ieee: int) -> bool:
        """See `LinkKeyHolder`."""
        return True

    async def ready(self) -> None:
        """See `LinkKeyHolder`."""

    def left(self, ieee: Eui64) -> None:
        """See `LinkKeyHolder`: keys to join with stay in the radio."""


async def check_sendable(frame: ApsFrame, radio: str, can: Capabilities, keys: LinkKeyHolder) -> None:
    """Raise `NotSupportedError`, or `NoLinkKeyError` where keys are to be established first, or nothing."""
    if len(frame.payload) > can.max_payload:
        raise NotSupportedError(f"radio {radio!r} carries {can.max_payload} bytes, not {len(frame.payload)}")
    if frame.security is not Security.LINK_KEY:
        return
    if not can.aps_encryption:
        raise NotSupportedError(f"radio {radio!r} cannot encrypt with link keys")
    await keys.ready()
    if frame.destination_ieee is not None and not keys.has_key(frame.destination_ieee):
        raise NoLinkKeyError("keys are not established with it yet", "SECURITY_FAIL", SECURITY_FAIL)
