"""Link keys of devices in an EZSP stick's key table, by the commands that its version has.

A key that the table has already is not written again: with each writing the stack begins the counters of that key anew,
and a device that has seen higher ones takes no more frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import bellows.types as t

from protocols.ids import Eui64
from radios.api import DeliveryError
from radios.ezsp.application import EzspApplication, ok
from radios.ezsp.versions import EzspVersion
from radios.zigpy_backend import ANYBODY, WELL_KNOWN, address_of, eui64_of, key_of

NOT_THERE = 0xFF


@dataclass(frozen=True, slots=True)
class Row:
    """A device's key, and how far its counters are."""

    ieee: Eui64
    key: bytes = field(repr=False)
    sent: int
    heard: int


class KeyTable:
    """The stick's table."""

    def __init__(self, application: EzspApplication, version: EzspVersion) -> None:
        self._application, self._version = application, version

    @property
    def _stick(self) -> Any:
        return self._application.stick

    async def _place_of(self, ieee: int) -> int:
        """Where a device's key is, `NOT_THERE` when it is nowhere; of address 0: the first free place."""
        (place,) = await self._stick.findKeyTableEntry(address=address_of(ieee), linkKey=True)
        return int(place)

    async def get(self, ieee: Eui64) -> bytes | None:
        """A device's key."""
        place = await self._place_of(ieee)
        row = await self._row(place) if place != NOT_THERE else None
        return row.key if row is not None else None

    async def _row(self, place: int) -> Row | None:
        """What is at a place. bellows' own reading takes the fields of EZSP 13, and finds no key from 14 on."""
        if not self._version.has_security_manager:
            status, found = await self._stick.getKeyTableEntry(index=place)
            ieee, key, sent, heard = (
                found.partnerEUI64,
                found.key,
                found.outgoingFrameCounter,
                found.incomingFrameCounter,
            )
        else:
            values = await self._stick.exportLinkKeyByIndex(index=place)
            if self._version.has_wide_messages:
                status, context, key, about = values
                ieee = context.eui64
            else:
                ieee, key, about, status = values
            sent, heard = about.outgoing_frame_counter, about.incoming_frame_counter
        if t.sl_Status.from_ember_status(status) != t.sl_Status.OK:
            return None
        return Row(eui64_of(ieee), bytes(key.serialize()), int(sent), int(heard))

    async def room(self) -> int:
        """How many keys fit in all."""
        status, size = await self._stick.getConfigurationValue(configId=t.EzspConfigId.CONFIG_KEY_TABLE_SIZE)
        ok(status, "to say how many keys it can hold")
        return int(size)

    async def rows(self) -> list[Row]:
        """All keys."""
        found = [await self._row(place) for place in range(await self.room())]
        return [row for row in found if row is not None and row.ieee.names_a_device]

    async def set(self, ieee: Eui64, key: bytes) -> None:
        """Use this key with a device. Raises `DeliveryError` when the table is full."""
        if await self.get(ieee) == key:
            return
        what = "the key"
        if not self._version.has_security_manager:
            (status,) = await self._stick.addOrUpdateKeyTableEntry(
                address=address_of(ieee), linkKey=True, keyData=key_of(key)
            )
        else:
            place = await self._place_of(ieee)
            if place == NOT_THERE:
                place = await self._place_of(0)
            if place == NOT_THERE:
                full = t.sl_Status.FULL
                raise DeliveryError(
                    "the stick's key table is full: remove a device first", full.name, int(full), is_silence=False
                )
            (status,) = await self._stick.importLinkKey(index=place, address=address_of(ieee), key=key_of(key))
        ok(status, what)

    async def remove(self, ieee: Eui64) -> None:
        """Forget a device's key, if there is one."""
        place = await self._place_of(ieee)
        if place != NOT_THERE:
            (status,) = await self._stick.eraseKeyTableEntry(index=place)
            ok(status, "to forget the key")

    async def let_anybody(self) -> None:
        """For some minutes, devices may join with the key that everybody knows."""
        ok(
            await self._stick.add_transient_link_key(address_of(ANYBODY), key_of(WELL_KNOWN)),
            "the key that everybody knows",
        )

    async def let_nobody(self) -> None:
        """The end of that."""
        await self._stick.clearTransientLinkKeys()
