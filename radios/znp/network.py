"""Where a Z-Stack stick is; whether it may be given a network; forming one for Smart Energy, forgetting it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import zigpy_znp.commands as c
import zigpy_znp.const
import zigpy_znp.types as t
from zigpy_znp.api import NVRAM_MIGRATION_ID
from zigpy_znp.types.nvids import OsalNvIds

from protocols.ids import Eui64
from radios.zigpy_backend import address_of, eui64_of
from radios.znp.application import ZnpApplication, ok
from radios.znp.keys import KeyTable
from radios.znp.versions import ZnpVersion

ANY_PAN = 0xFFFF
COORDINATOR = 0x0000
IS_COORDINATOR = 0
IS_ON_NETWORK = 1
ERASE_FIRST = "it is left as it is; erase this radio to have a network of its own on it"
SETTINGS = {
    OsalNvIds.CONCENTRATOR_ENABLE: t.Bool(True),
    OsalNvIds.CONCENTRATOR_DISCOVERY: t.uint8_t(120),
    OsalNvIds.CONCENTRATOR_RC: t.Bool(True),
    OsalNvIds.SRC_RTG_EXPIRY_TIME: t.uint8_t(255),
    OsalNvIds.NWK_CHILD_AGE_ENABLE: t.Bool(False),
    OsalNvIds.BCAST_DELIVERY_TIME: t.uint8_t(30),
    OsalNvIds.ZDO_DIRECT_CB: t.Bool(True),
}
"""Routes by way of the stick, children that are not forgotten, and answers of device objects for the host: what
zigpy-znp runs sticks with. Written only where flash has something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The network that a stick's flash has."""

    ieee: Eui64
    short: int
    pan_id: int
    extended_pan_id: int
    channel: int
    update_id: int


@dataclass(frozen=True, slots=True)
class Nowhere:
    """It has none."""

    refusal: str = ""
    """Why none may be formed unasked. Empty: it is blank."""


async def _item(application: ZnpApplication, item: Any, kind: Any) -> Any:
    """An item of flash; None: there is none."""
    try:
        return await application.stick.nvram.osal_read(item, item_type=kind)
    except KeyError:
        return None


async def place_of(application: ZnpApplication, version: ZnpVersion) -> Place | Nowhere:
    """Read the stick's flash; nothing is changed, and the stick need not run."""
    role = await _item(application, OsalNvIds.LOGICAL_TYPE, t.uint8_t)
    if role not in (None, IS_COORDINATOR):
        return Nowhere(f"the stick is set up as a router or an end device; {ERASE_FIRST}")
    base = await _item(application, OsalNvIds.NIB, t.NIB)
    if base is None or base.nwkLogicalChannel == 0 or not base.nwkKeyLoaded:
        return Nowhere()
    if int(base.nwkDevAddress) != COORDINATOR:
        return Nowhere(f"the stick is on somebody else's network; {ERASE_FIRST}")
    if version.has_commissioning:
        flag = await _item(application, OsalNvIds.BDBNODEISONANETWORK, t.uint8_t)
        if flag != IS_ON_NETWORK:
            return Nowhere(f"the stick's flash has a network that its firmware does not take for whole; {ERASE_FIRST}")
    ieee = await application.stick.nvram.osal_read(OsalNvIds.EXTADDR, item_type=t.EUI64)
    application.short = int(base.nwkDevAddress)
    return Place(
        ieee=eui64_of(ieee),
        short=int(base.nwkDevAddress),
        pan_id=int(base.nwkPanId),
        extended_pan_id=int(eui64_of(base.extendedPANID)),
        channel=int(base.nwkLogicalChannel),
        update_id=int(base.nwkUpdateId),
    )


async def set_down(application: ZnpApplication) -> None:
    """Settings that the stick takes with its next start."""
    flash = application.stick.nvram
    for item, wanted in SETTINGS.items():
        if await _item(application, item, type(wanted)) != wanted:
            await flash.osal_write(item, wanted, create=True)


async def form(
    application: ZnpApplication,
    version: ZnpVersion,
    keys: KeyTable,
    *,
    channels: Sequence[int],
    extended_pan_id: int | None,
) -> None:
    """Form a network on the quietest of the channels, as the stick finds. Raises `NoReplyError`, `DeliveryError`.

    The stick has no network. It has been reset, and not been started.
    """
    flash, stick = application.stick.nvram, application.stick
    wide = extended_pan_id if extended_pan_id is not None else int.from_bytes(secrets.token_bytes(8), "little") | 1
    mask = t.Channels.from_channel_list(channels)
    for item, value in {
        OsalNvIds.LOGICAL_TYPE: t.uint8_t(IS_COORDINATOR),
        OsalNvIds.PANID: t.uint16_t(ANY_PAN),
        OsalNvIds.APS_USE_EXT_PANID: address_of(wide),
        OsalNvIds.PRECFGKEY: secrets.token_bytes(16),
        # The network key is never sent in the clear.
        OsalNvIds.PRECFGKEYS_ENABLE: t.Bool(False),
        OsalNvIds.CHANLIST: mask,
    }.items():
        await flash.osal_write(item, value, create=True)
    if version.has_commissioning:  # these do not look at the item
        for is_primary, of in ((True, mask), (False, t.Channels.NO_CHANNELS)):
            answer = await stick.request(c.AppConfig.BDBSetChannel.Req(IsPrimary=is_primary, Channel=of))
            ok(answer, "the channels of a new network")
    else:
        await keys.let_nobody()
    await stick.start_network()
    await mark_as_formed(application, version)


async def mark_as_formed(application: ZnpApplication, version: ZnpVersion) -> None:
    """So that other programs take the network for whole, and do not form one of their own over it."""
    flash = application.stick.nvram
    mark = OsalNvIds.HAS_CONFIGURED_ZSTACK3 if version.has_commissioning else OsalNvIds.HAS_CONFIGURED_ZSTACK1
    await flash.osal_write(mark, zigpy_znp.const.ZSTACK_CONFIGURE_SUCCESS, create=True)
    await flash.osal_write(OsalNvIds.ZIGPY_ZNP_MIGRATION_ID, t.uint8_t(NVRAM_MIGRATION_ID), create=True)
