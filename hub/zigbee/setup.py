"""Which network a radio forms or joins, changed while it runs (CPX2-SE, configure_zigbee_network, leave_network)."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence

from hub.errors import InvalidError, UnsupportedError
from hub.registry import JOIN_INTERVAL, MAX_SOCKET_RETRIES, TX_STATUS_TIMEOUT, Registry
from hub.zigbee.link_keys import key_of
from hub.zigbee.network import Network
from hub.zigbee.service import CHANNELS, told
from radios.api import NetworkSettings, RadioError, ZigbeeRadio

log = logging.getLogger(__name__)


class NetworkSetup:
    """`hub.network_setup`."""

    def __init__(
        self, registry: Registry, network: Callable[[str], Network], networks: Callable[[], Sequence[Network]]
    ) -> None:
        """`network(radio)` raises `NotFoundError`."""
        self._registry, self._network, self._networks = registry, network, networks
        self.on_left: Callable[[str], None] = lambda _: None
        """Told of a radio that has left its network since somebody wanted that."""

    async def radio_up(self, radio: ZigbeeRadio) -> None:
        """It waits for statuses, and a router tries to join, as the registry says."""
        if radio.capabilities.configurable:
            await radio.configure(
                NetworkSettings(
                    join_interval_s=self._registry.seconds(JOIN_INTERVAL),
                    tx_status_timeout_s=self._registry.seconds(TX_STATUS_TIMEOUT),
                    send_retries=self._registry.number(MAX_SOCKET_RETRIES),
                )
            )

    async def configure(
        self,
        radio: str,
        confirm: str,
        *,
        extended_pan_id: str | None = None,
        channels: Sequence[int] | None = None,
        install_code: str | None = None,
        link_key: str | None = None,
        join_interval_s: int | None = None,
    ) -> None:
        """Leave the network for the one that is described; what is None stays as it is.

        A coordinator loses all its devices by this, so `confirm` is the radio's name. A new join interval by itself
        changes nothing else, and needs no confirmation.
        """
        network = self._network(radio)
        settings = NetworkSettings(
            extended_pan_id=_extended_pan_id(extended_pan_id),
            channels=_channels(channels),
            link_key=key_of(install_code, link_key),
        )
        can = network.capabilities
        if not can.configurable:
            raise UnsupportedError(f"{radio!r} forms its network by itself: erase it to have another one")
        if join_interval_s is not None:
            if not can.router:
                raise InvalidError("join_interval_s", join_interval_s, "nothing: this radio joins no network")
            await self._registry.set(JOIN_INTERVAL, join_interval_s)
        if join_interval_s is None or settings.changes_network:
            if confirm != radio:
                raise InvalidError("confirm", confirm[:40], f"the radio's name, {radio!r}, since it leaves its network")
            async with told(f"configuring {radio!r}"):
                await network.need_radio().configure(settings)
            log.warning("%s: it was told which network to %s", radio, "join" if can.router else "form")
            self.on_left(radio)

    async def leave(self, radio: str, confirm: str) -> None:
        """As a router: leave the network. Joining is tried again at the join interval, where joining is open."""
        network = self._network(radio)
        if not network.capabilities.router:
            raise UnsupportedError(f"{radio!r} holds its network, which it cannot leave: erase it")
        if confirm != radio:
            raise InvalidError("confirm", confirm[:40], f"the radio's name, {radio!r}, since it leaves its network")
        async with told(f"leaving the network of {radio!r}"):
            await network.need_radio().leave()
        log.warning("%s: it has left its network", radio)

    async def settings_changed(self) -> None:
        """The registry's join interval or time for a status is another one."""
        for network in self._networks():
            if network.radio is not None:
                try:
                    await self.radio_up(network.radio)
                except RadioError as error:
                    log.warning("%s: what the registry says could not be set: %s", network.name, error)


def _extended_pan_id(text: str | None) -> int | None:
    if text is None:
        return None
    digits = text.replace(":", "").removeprefix("0x")
    if digits in ("0", "any"):
        return 0
    if not re.fullmatch("[0-9A-Fa-f]{16}", digits) or int(digits, 16) == 0xFFFFFFFFFFFFFFFF:
        raise InvalidError("extended_pan_id", text[:40], '16 hex digits, as "12ab34cd56ef7890", or "any"')
    return int(digits, 16)


def _channels(channels: Sequence[int] | None) -> tuple[int, ...] | None:
    if channels is None:
        return None
    if not channels or any(channel not in CHANNELS for channel in channels):
        shown = ", ".join(str(channel) for channel in channels[:20]) or "none"
        raise InvalidError("channels", shown, "one at least of 11 to 26")
    return tuple(sorted(set(channels)))
