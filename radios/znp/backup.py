"""A network in the open coordinator format: read from a Z-Stack stick, and written to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import zigpy.state
import zigpy_znp.types as t
from zigpy_znp.znp.security import find_key_shift

from protocols.ids import UNKNOWN_ADDRESS
from radios.zigpy_backend import address_of, eui64_of, key_of
from radios.zigpy_backup import Restoration, backup_of, forward
from radios.znp.application import ZnpApplication
from radios.znp.keys import KeyTable
from radios.znp.network import mark_as_formed, set_down
from radios.znp.versions import ZnpVersion


async def read_backup(application: ZnpApplication, keys: KeyTable) -> dict[str, object]:
    """Everything, keys too: those that zigpy-znp reads, and those that it does not know of in old versions."""
    await application.load_network_info(load_devices=True)
    network = application.state.network_info
    found = {key.partner_ieee: key for key in network.key_table}
    for row in await keys.rows():
        partner = address_of(row.ieee)
        found[partner] = zigpy.state.Key(
            key=key_of(row.key),
            tx_counter=t.uint32_t(row.sent),
            rx_counter=t.uint32_t(row.heard),
            partner_ieee=partner,
        )
    network.key_table = list(found.values())
    return backup_of(application)


class ZnpRestoration(Restoration):
    """A backup that is to be written to a Z-Stack stick."""

    def __init__(
        self, backup: Mapping[str, object], application: ZnpApplication, version: ZnpVersion, keys: KeyTable
    ) -> None:
        super().__init__(backup)
        self._application, self._version, self._keys = application, version, keys
        seed = self._of_stack("zstack", "tclk_seed")
        derived = [key for key in self._network.key_table if seed and self._is_derived(key, key_of(seed))]
        self._derived: list[Any] = derived if version.has_commissioning else []
        """Keys that follow from the seed of the stick before."""
        self._plain = [key for key in self._network.key_table if key not in self._derived]

    @staticmethod
    def _is_derived(key: Any, seed: Any) -> bool:
        return find_key_shift(key.partner_ieee, key.key, seed) is not None

    async def check(self) -> None:
        """See `Restoration`. The stick may not have room for all keys."""
        self._need_room(len(self._plain), await self._keys.room())

    async def write(self) -> None:
        """See `Restoration`."""
        application, keys, network = self._application, self._keys, self._network
        await application.write_network_info(
            network_info=network.replace(
                network_key=network.network_key.replace(tx_counter=forward(network.network_key.tx_counter)),
                tc_link_key=network.tc_link_key.replace(key=key_of(self._shared_key)),
                key_table=[key.replace(tx_counter=forward(key.tx_counter)) for key in self._derived],
            ),
            node_info=self._node,
        )
        counters = {}
        for key in self._plain:
            ieee = eui64_of(key.partner_ieee)
            await keys.add(ieee, key.key.serialize(), int(network.nwk_addresses.get(key.partner_ieee, UNKNOWN_ADDRESS)))
            counters[ieee] = forward(key.tx_counter), int(key.rx_counter or 0)
        for row in await keys.rows():
            if row.ieee in counters:
                await keys.advance(row, *counters[row.ieee])
        await mark_as_formed(application, self._version)
        await set_down(application)
        await application.stick.reset()
