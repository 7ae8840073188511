"""After a start of a radio, or of the hub: who is there, who has joined unheard, what was going on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from hub.errors import HubError
from hub.zigbee.member import Member
from hub.zigbee.model import InterviewStep
from hub.zigbee.network import Network
from protocols.errors import CodecError
from protocols.ids import COORDINATOR, BroadcastAddress, Eui64
from protocols.zdo import IeeeAddressRequest, IeeeAddressResponse, NwkAddressRequest, NwkAddressResponse
from radios.api import DeviceJoined, RadioError

log = logging.getLogger(__name__)

FIND_S = 2.0
"""For members to say which address they have; broadcasts of a network are rare goods."""


class Household(Protocol):
    """Who has the members."""

    def add(self, network: Network, ieee: Eui64, *, by_hand: bool = False) -> Member:
        """A device becomes part of a network."""
        ...

    def announced(self, network: Network, event: DeviceJoined) -> None:
        """A device is there."""
        ...

    def ask_state(self, member: Member) -> None:
        """A device is back: it may be switched otherwise than it was."""
        ...

    def presume_asleep(self, member: Member) -> None:
        """A sleepy device was heard not long ago: it is taken for there."""
        ...

    def save(self, member: Member) -> None:
        """Keep what is known now."""
        ...


async def look_around(network: Network, household: Household) -> None:
    """Ask those that are known how they are."""
    if network.radio is not None and network.radio.capabilities.router:
        await _find_trust_centre(network, household)
    for member in list(network.members.values()):
        if network.radio is None:
            return
        # Others have an interview that goes on, or have to be found.
        if member.short is None or member.interview is not InterviewStep.DONE or member.is_sleepy:
            continue
        try:
            await network.zdo_request(member, IeeeAddressRequest(member.short), IeeeAddressResponse)
        except (RadioError, HubError) as error:
            log.info("%s: does not answer yet: %s", member.device_id, error)
            continue
        household.ask_state(member)


async def find(network: Network, household: Household) -> None:
    """Look for members whose address is not known: they may have joined while nobody was there to hear it."""
    for member in list(network.members.values()):
        if member.short is not None or network.radio is None or not network.radio.capabilities.broadcast_send:
            continue
        request = NwkAddressRequest(member.ieee)
        try:
            answers = await network.zdo_broadcast(request, BroadcastAddress.RECEIVER_ON_WHEN_IDLE, FIND_S)
        except (RadioError, HubError) as error:
            log.info("%s: could not be looked for: %s", member.device_id, error)
            return
        for _, payload in answers:
            with suppress(CodecError):
                found = NwkAddressResponse.decode(payload)
                if found.ieee == member.ieee and found.short is not None:
                    household.announced(network, DeviceJoined(ieee=member.ieee, short=found.short))
                    break


def returned(network: Network, household: Household, addresses: Mapping[Eui64, int]) -> None:
    """The network that was lost is back, since a backup of it was restored: sleepy devices are where they were.

    Those that are awake are found by asking (`find`), which sleepy ones do not hear.
    """
    for ieee, short in addresses.items():
        member = network.members.get(ieee)
        if member is not None and member.short is None and member.is_sleepy and network.at(short) is None:
            network.place(member, short)
            household.presume_asleep(member)
            household.save(member)


async def _find_trust_centre(network: Network, household: Household) -> None:
    """Who holds the network that we have joined has network address 0; it is one of our devices."""
    if network.at(COORDINATOR) is not None:
        return
    try:
        answer = await network.zdo_request(COORDINATOR, IeeeAddressRequest(COORDINATOR), IeeeAddressResponse)
    except (RadioError, HubError) as error:
        log.info("%s: its trust centre is found when it speaks: %s", network.name, error)
        return
    if answer.ieee is not None:
        household.add(network, answer.ieee, by_hand=True)
        household.announced(network, DeviceJoined(ieee=answer.ieee, short=COORDINATOR))
