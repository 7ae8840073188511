"""Link keys of devices in a Z-Stack stick: asked for by its commands, and their counters in its flash.

A key is in three places: with its counters among the keys of applications (frames are encrypted with it), as the key
of an installation code from 3.0 on (a device joins with it), and, when other programs have let devices in, as a number
from which it follows with the stick's seed. A key that the stick has already is not written again: its counters would
begin anew, and a device that has seen higher ones takes no more frames.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import zigpy_znp.commands as c
import zigpy_znp.types as t
from zigpy_znp.exceptions import SecurityError
from zigpy_znp.types.nvids import ExNvIds, OsalNvIds
from zigpy_znp.znp.security import read_addr_manager_entries

from protocols.ids import Eui64
from radios.zigpy_backend import ANYBODY, WELL_KNOWN, address_of, eui64_of, key_of
from radios.znp.application import ZnpApplication, ok
from radios.znp.versions import ZnpVersion


@dataclass(frozen=True, slots=True)
class Row:
    """A device's key, how far its counters are, and where in flash it is."""

    ieee: Eui64
    key: bytes = field(repr=False)
    sent: int
    heard: int
    place: int


class KeyTable:
    """The stick's keys."""

    def __init__(self, application: ZnpApplication, version: ZnpVersion) -> None:
        self._application, self._version = application, version

    @property
    def _stick(self) -> Any:
        return self._application.stick

    # -- single keys -------------------------------------------------------------------------------------------------

    async def get(self, ieee: Eui64) -> bytes | None:
        """A device's key."""
        answer = await self._stick.request(c.ZDO.GetLinkKey.Req(IEEE=address_of(ieee)))
        return bytes(answer.LinkKeyData.serialize()) if answer.Status == t.Status.SUCCESS else None

    async def set(self, ieee: Eui64, key: bytes) -> None:
        """Use this key with a device. Raises `DeliveryError` when there is no room."""
        if await self.get(ieee) != key:
            await self.add(ieee, key, await self.short_of(ieee))

    async def add(self, ieee: Eui64, key: bytes, short: int) -> None:
        """The same, of a key that the stick does not have; `short` may be `UNKNOWN_ADDRESS`."""
        answer = await self._stick.request(
            c.ZDO.SetLinkKey.Req(NWK=short, IEEE=address_of(ieee), LinkKeyData=key_of(key))
        )
        ok(answer, "the key: its table may be full, remove a device then")

    async def let_join(self, ieee: Eui64, key: bytes) -> None:
        """A device may join with this key, and use it from then on."""
        had_none = await self.get(ieee) is None
        await self.set(ieee, key)
        if self._version.has_commissioning:
            try:
                await self._code(ieee, key)
            except BaseException:
                if had_none:
                    await self._stick.request(c.ZDO.RemoveLinkKey.Req(IEEE=address_of(ieee)))
                raise

    async def _code(self, ieee: Eui64, key: bytes) -> None:
        form = c.app_config.InstallCodeFormat.KeyDerivedFromInstallCode
        answer = await self._stick.request(
            c.AppConfig.BDBAddInstallCode.Req(InstallCodeFormat=form, IEEE=address_of(ieee), InstallCode=t.Bytes(key))
        )
        ok(answer, "the key that a device is to join with")

    async def remove(self, ieee: Eui64) -> None:
        """Forget a device's key, if there is one."""
        if await self.get(ieee) is None:
            return
        if self._version.has_commissioning:
            # No command takes back an installation code: one that nobody knows takes its place.
            await self._code(ieee, secrets.token_bytes(16))
        answer = await self._stick.request(c.ZDO.RemoveLinkKey.Req(IEEE=address_of(ieee)))
        if answer.Status != t.Status.FAILURE:  # it had none among those
            ok(answer, "to forget the key")
        if self._version.has_commissioning and await self.get(ieee) is not None:
            await self._forget_derived(ieee)

    async def short_of(self, ieee: Eui64) -> int:
        """A device's network address as far as the stick knows it, or `UNKNOWN_ADDRESS`."""
        return int((await self._stick.request(c.UTIL.AddrMgrExtAddrLookup.Req(IEEE=address_of(ieee)))).NWK)

    # -- flash -------------------------------------------------------------------------------------------------------

    async def rows(self) -> list[Row]:
        """All keys that are in flash as they are."""
        return [row async for row in self._rows()]

    async def _rows(self) -> AsyncIterator[Row]:
        flash = self._stick.nvram
        whole = await flash.osal_read(OsalNvIds.APS_LINK_KEY_TABLE, item_type=t.Bytes)
        links = flash.deserialize(whole, t.APSLinkKeyTable, allow_trailing=True)
        if not links:
            return
        addresses = await read_addr_manager_entries(self._stick)
        first = 0 if self._version.has_tables else int(OsalNvIds.LEGACY_APS_LINK_KEY_DATA_START)
        for link in links:
            if link.AuthenticationState != t.AuthenticationOption.AuthenticatedCBCK:
                continue
            ieee = eui64_of(addresses[link.AddressManagerIndex].extAddr)
            place = int(link.LinkKeyNvId) - first
            try:
                found = await self._entry(place)
            except SecurityError:  # builds that show keys by their command only
                key = await self.get(ieee)
                if key is not None:
                    yield Row(ieee, key, 0, 0, place)
                continue
            yield Row(ieee, bytes(found.Key.serialize()), int(found.TxFrameCounter), int(found.RxFrameCounter), place)

    async def _entry(self, place: int) -> Any:
        flash, kind = self._stick.nvram, t.APSKeyDataTableEntry
        if self._version.has_tables:
            return await flash.read(item_id=ExNvIds.APS_KEY_DATA_TABLE, sub_id=place, item_type=kind)
        return await flash.osal_read(OsalNvIds.LEGACY_APS_LINK_KEY_DATA_START + place, item_type=kind)

    async def _forget_derived(self, ieee: Eui64) -> None:
        """Of a key that follows from the seed, forget the number."""
        flash, kind, place = self._stick.nvram, t.TCLKDevEntry, 0
        tables, first = ExNvIds.TCLK_TABLE, OsalNvIds.LEGACY_TCLK_TABLE_START
        if self._version.has_tables:
            found = flash.read_table(item_id=tables, item_type=kind)
        else:
            found = flash.osal_read_table(first, OsalNvIds.LEGACY_TCLK_TABLE_END, item_type=kind)
        async for entry in found:
            if eui64_of(entry.extAddr) == ieee:
                break
            place += 1
        else:
            return
        nobody = kind(
            txFrmCntr=0, rxFrmCntr=0, extAddr=address_of(0), keyAttributes=t.KeyAttributes.DEFAULT_KEY,
            keyType=t.KeyType.NONE, SeedShift_IcIndex=0,
        )  # fmt: skip
        if self._version.has_tables:
            await flash.write(item_id=tables, sub_id=place, value=nobody, create=False)
        else:
            await flash.osal_write(first + place, nobody)

    async def advance(self, row: Row, sent: int, heard: int) -> None:
        """Set a key's counters. The stick takes them with its next start."""
        entry = t.APSKeyDataTableEntry(Key=key_of(row.key), TxFrameCounter=sent, RxFrameCounter=heard)
        flash = self._stick.nvram
        if self._version.has_tables:
            await flash.write(item_id=ExNvIds.APS_KEY_DATA_TABLE, sub_id=row.place, value=entry, create=False)
        else:
            await flash.osal_write(OsalNvIds.LEGACY_APS_LINK_KEY_DATA_START + row.place, entry)

    async def room(self) -> int:
        """How many keys fit in all."""
        flash = self._stick.nvram
        whole = await flash.osal_read(OsalNvIds.APS_LINK_KEY_TABLE, item_type=t.Bytes)
        entry = t.APSLinkKeyTableEntry(
            AddressManagerIndex=0, LinkKeyNvId=0, AuthenticationState=t.AuthenticationOption.NotAuthenticated
        )
        return (len(whole) - 2) // len(flash.serialize(entry))

    # -- those who have none -----------------------------------------------------------------------------------------

    async def let_anybody(self) -> None:
        """Devices without a key of their own may join with the one that everybody knows."""
        if self._version.has_commissioning:
            await self._only_codes(False)
        else:
            await self.share(WELL_KNOWN)

    async def let_nobody(self) -> None:
        """The end of that."""
        if self._version.has_commissioning:
            await self._only_codes(True)
        else:
            await self.share(secrets.token_bytes(16))

    async def _only_codes(self, wanted: bool) -> None:
        ok(
            await self._stick.request(c.AppConfig.BDBSetJoinUsesInstallCodeKey.Req(BdbJoinUsesInstallCodeKey=wanted)),
            "its policy for devices that join",
        )

    async def share(self, key: bytes) -> None:
        """Of versions that have one key for all who have none of their own: that key."""
        await self._stick.nvram.osal_write(
            OsalNvIds.TCLK_SEED,
            t.TCLinkKey(ExtAddr=address_of(ANYBODY), Key=key_of(key), TxFrameCounter=0, RxFrameCounter=0),
            create=True,
        )
