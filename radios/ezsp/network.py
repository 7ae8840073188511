"""The network of an EZSP stick: where it is, forming one for Smart Energy, forgetting it."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any

import bellows.types as t

from protocols.ids import Eui64
from radios.ezsp.application import NETWORK_UP_S, EzspApplication, ok
from radios.zigpy_backend import address_of, eui64_of, key_of

DEFAULT_POWER_DBM = 8
ALL_CHANNELS = 0x07FFF800
HASHED = 0x0080
"""Of the security state: link keys of devices are derived from one key, and the table is not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a stick is."""

    ieee: Eui64
    short: int
    pan_id: int
    extended_pan_id: int
    channel: int
    update_id: int
    is_router: bool
    has_hashed_keys: bool


async def place_of(application: EzspApplication) -> Place:
    """Ask the stick, which is on its network. Raises `DeliveryError` when it is not."""
    stick = application.stick
    status, role, parameters = await stick.getNetworkParameters()
    ok(status, "to say on which network it is")
    (short,) = await stick.getNodeId()
    (ieee,) = await stick.getEui64()
    application.know_own_address(short)
    status, security = await stick.getCurrentSecurityState()
    ok(status, "to say how its network is protected")
    return Place(
        ieee=eui64_of(ieee),
        short=int(short),
        pan_id=int(parameters.panId),
        extended_pan_id=int(eui64_of(parameters.extendedPanId)),
        channel=int(parameters.radioChannel),
        update_id=int(parameters.nwkUpdateId),
        is_router=role != t.EmberNodeType.COORDINATOR,
        has_hashed_keys=bool(int(security.bitmask) & HASHED),
    )


def initial_security() -> Any:
    """Of a Smart Energy network: each device has a link key of its own; no network key is sent in the clear."""
    bits = t.EmberInitialSecurityBitmask
    return t.EmberInitialSecurityState(
        bitmask=bits.HAVE_PRECONFIGURED_KEY | bits.HAVE_NETWORK_KEY | bits.REQUIRE_ENCRYPTED_KEY,
        preconfiguredKey=key_of(secrets.token_bytes(16)),
        networkKey=key_of(secrets.token_bytes(16)),
        networkKeySequenceNumber=0,
        preconfiguredTrustCenterEui64=address_of(0),
    )


def parameters_of(
    *,
    channel: int,
    extended_pan_id: int | None = None,
    pan_id: int | None = None,
    power_dbm: int = DEFAULT_POWER_DBM,
    update_id: int = 0,
) -> Any:
    """Of a network that is to be formed; None: by chance."""
    wide = extended_pan_id if extended_pan_id is not None else int.from_bytes(secrets.token_bytes(8), "little") | 1
    return t.EmberNetworkParameters(
        extendedPanId=address_of(wide),
        panId=pan_id if pan_id is not None else 1 + secrets.randbelow(0xFFFD),
        radioTxPower=power_dbm,
        radioChannel=channel,
        joinMethod=t.EmberJoinMethod.USE_MAC_ASSOCIATION,
        nwkManagerId=0,
        nwkUpdateId=update_id,
        channels=t.Channels(ALL_CHANNELS),
    )


async def form(application: EzspApplication, parameters: Any) -> None:
    """Form a network, with the keys that the stick was given: it has none. Raises `DeliveryError`, `TimeoutError`."""
    stick = application.stick
    with stick.wait_for_stack_status(t.sl_Status.NETWORK_UP) as up:
        # bellows' own command of this name waits too, and would tell less of a refusal.
        (status,) = await stick._command("formNetwork", parameters=parameters)  # noqa: SLF001
        ok(status, "to form a network")
        async with asyncio.timeout(NETWORK_UP_S):
            await up


async def forget(application: EzspApplication) -> None:
    """Leave the network and forget its keys; the stick's own address stays. It has to be reset afterwards."""
    await application.stick.clearKeyTable()
    await application.stick.clearTransientLinkKeys()
    if await application.is_up():
        await application.stick.leaveNetwork()
