"""A trust centre's network in the open coordinator format: read from an EZSP stick, and written to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import bellows.types as t
import zigpy.exceptions
import zigpy.state

from protocols.ids import Eui64
from radios.api import DeliveryError
from radios.ezsp.application import EzspApplication, ok
from radios.ezsp.keys import KeyTable
from radios.ezsp.network import DEFAULT_POWER_DBM, form, parameters_of
from radios.zigpy_backend import address_of, eui64_of, key_of
from radios.zigpy_backup import Restoration, backup_of, forward

_MAX_POWER_DBM: Final = 20


async def read_backup(application: EzspApplication, keys: KeyTable) -> dict[str, object]:
    """Everything, keys too. Raises what bellows raises."""
    await application.load_network_info(load_devices=True)
    application.state.network_info.key_table = [
        zigpy.state.Key(
            key=key_of(row.key),
            tx_counter=t.uint32_t(row.sent),
            rx_counter=t.uint32_t(row.heard),
            partner_ieee=address_of(row.ieee),
        )
        for row in await keys.rows()
    ]
    return backup_of(application)


def _security(network: Any, shared_key: bytes, hashed: bytes | None, centre: Any) -> Any:
    """As `network.initial_security`, with the keys of the backup."""
    bits = t.EmberInitialSecurityBitmask
    mask = (
        bits.HAVE_PRECONFIGURED_KEY
        | bits.HAVE_NETWORK_KEY
        | bits.REQUIRE_ENCRYPTED_KEY
        | bits.HAVE_TRUST_CENTER_EUI64
        | bits.NO_FRAME_COUNTER_RESET
    )
    if hashed is not None:
        mask |= bits.TRUST_CENTER_USES_HASHED_LINK_KEY
    return t.EmberInitialSecurityState(
        bitmask=mask,
        preconfiguredKey=key_of(shared_key if hashed is None else hashed),
        networkKey=key_of(network.network_key.key.serialize()),
        networkKeySequenceNumber=network.network_key.seq or 0,
        preconfiguredTrustCenterEui64=centre,
    )


class EzspRestoration(Restoration):
    """A backup that is to be written to an EZSP stick."""

    def __init__(self, backup: Mapping[str, object], application: EzspApplication, keys: KeyTable) -> None:
        super().__init__(backup)
        self._application, self._keys = application, keys
        self._hashed = self._of_stack("ezsp", "hashed_tclk")

    async def check(self) -> None:
        """See `Restoration`. The stick may not be able to take the address that the backup's devices know."""
        try:
            await self._application.can_write_network_settings(network_info=self._network, node_info=self._node)
        except (zigpy.exceptions.CannotWriteNetworkSettings, zigpy.exceptions.DestructiveWriteNetworkSettings):
            raise DeliveryError(
                "the stick cannot take the extended address of the one before it, or only once for all: "
                "load newer firmware (EmberZNet 7.0 on)",
                "ADDRESS_FIXED",
                0x0F,
                is_silence=False,
            ) from None
        self._need_room(len(self._network.key_table), await self._keys.room())

    async def write(self) -> None:
        """See `Restoration`."""
        application, keys, network = self._application, self._keys, self._network
        stick = application.stick
        await application.reset_network_info()
        ieee = address_of(eui64_of(self._node.ieee))
        (own,) = await stick.getEui64()
        if own != ieee and eui64_of(self._node.ieee).names_a_device:
            await stick.write_custom_eui64(ieee)
            await application.reset()
            await application.set_up()
            (own,) = await stick.getEui64()
        await stick.write_nwk_frame_counter(forward(network.network_key.tx_counter))
        await stick.write_aps_frame_counter(
            forward(network.tc_link_key.tx_counter, *(key.tx_counter for key in network.key_table))
        )
        (status,) = await stick.setInitialSecurityState(state=_security(network, self._shared_key, self._hashed, own))
        ok(status, "the keys of the backup")
        for key in network.key_table:
            await keys.set(Eui64(eui64_of(key.partner_ieee)), key.key.serialize())
        power = network.tx_power if network.tx_power is not None else DEFAULT_POWER_DBM
        await form(
            application,
            parameters_of(
                channel=int(network.channel),
                extended_pan_id=int(eui64_of(network.extended_pan_id)),
                pan_id=int(network.pan_id),
                power_dbm=min(power, _MAX_POWER_DBM),
                update_id=int(network.nwk_update_id),
            ),
        )
        if network.nwk_update_id:
            await stick.write_nwk_update_id(network.nwk_update_id)
        await stick.write_child_data(
            {ieee: network.nwk_addresses[ieee] for ieee in network.children if ieee in network.nwk_addresses}
        )
