"""The EZSP driver: a Silicon Labs stick as trust centre or router of a Smart Energy network, driven by bellows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import bellows.types as t

from protocols.aps import ApsFrame, Delivery, Security
from protocols.ids import FIRST_BROADCAST, Eui64
from radios.api import (
    NetworkChanged,
    NetworkInfo,
    NetworkSettings,
    NoReplyError,
    NotReachableError,
    NotSupportedError,
    RadioConfig,
    RadioLostError,
)
from radios.ezsp.application import EzspApplication, ok
from radios.ezsp.backup import EzspRestoration, read_backup
from radios.ezsp.fragments import blocks_of, room_of
from radios.ezsp.keys import KeyTable
from radios.ezsp.network import Place, forget, form, initial_security, parameters_of, place_of
from radios.ezsp.options import DEFAULT_CHANNELS, EzspOptions, parse_options
from radios.ezsp.router import ALL_CHANNELS, LOOKING, Joining, Wish, attempt
from radios.ezsp.versions import EzspVersion, capabilities_of, version_of
from radios.options import told_apart
from radios.zigpy_backend import address_of, eui64_of, nowhere, settings_for
from radios.zigpy_backup import Restoration
from radios.zigpy_radio import ZigpyRadio

log = logging.getLogger(__name__)

SCAN_S_PER_CHANNEL = 1.0
SCAN_DURATION = 3
"""Exponent: 2^3 + 1 times 15 ms for each channel."""
KEYS = 32
"""Rows that are asked for in the stick's key table; a stick without the memory keeps what it has."""
ZDO_FLAGS = 0x0E
"""The host answers about endpoints and bindings, and what the stack does not know, and does not see the rest."""
ALLOW_JOINS, ALLOW_REJOINS = 0x01, 0x02
POLICIES: Mapping[str, int] = {
    "BINDING_MODIFICATION_POLICY": 0x10,
    "UNICAST_REPLIES_POLICY": 0x20,
    "POLL_HANDLER_POLICY": 0x30,
    "MESSAGE_CONTENTS_IN_CALLBACK_POLICY": 0x40,
    "TC_KEY_REQUEST_POLICY": 0x50,
    "APP_KEY_REQUEST_POLICY": 0x61,
}
"""Nobody writes the stick's bindings, it says nothing for us, and it sends no trust centre keys: Smart Energy devices
get theirs by certificates. Keys that two devices ask for together, for each other, are given."""
MAKES_KEYS = 0x52
"""Devices that joined with the key that everybody knows get one of their own when they ask (Zigbee R21, 4.7.3.8)."""


class EzspRadio(ZigpyRadio):
    """A `radios.api.ZigbeeRadio`."""

    kind = "EZSP stick"

    def __init__(
        self,
        config: RadioConfig,
        options: EzspOptions,
        trace: Callable[[str, bytes, str], None] | None = None,
    ) -> None:
        super().__init__(config, options.url, trace)
        self._options = options
        peer = options.url.peer
        self._stick_app = EzspApplication(
            settings_for(
                options.url,
                use_thread=False,
                ezsp_config={
                    "CONFIG_APPLICATION_ZDO_FLAGS": ZDO_FLAGS,
                    "CONFIG_KEY_TABLE_SIZE": KEYS,
                    "CONFIG_TC_REJOINS_USING_WELL_KNOWN_KEY_TIMEOUT_S": 0,
                },
            ),
            self,
            self._spawn,
            None if trace is None else lambda direction, data: trace(direction, data, peer),
            self._flights,
        )
        self._version = EzspVersion(0)
        self._keys = KeyTable(self._stick_app, self._version)
        self._longest = 0
        """Bytes of one frame."""
        self._model = self._firmware = ""
        self._ieee = Eui64(0)
        self._wish = Wish(options.link_key, options.extended_pan_id, options.channels)
        self._joining: Joining | None = None
        """What keeps a router on a network; None for a trust centre."""
        if config.joins:
            self._joining = Joining(config.name, lambda: self._told(attempt(self._stick_app, self._wish)), self._tried)

    @property
    def _stick(self) -> Any:
        return self._stick_app.stick

    # -- life --------------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        await self._stick_app.connect()
        self._version = version_of(self._stick.ezsp_version)
        self._keys = KeyTable(self._stick_app, self._version)
        self._capabilities = capabilities_of(is_router=self._joining is not None)
        (ieee,) = await self._stick.getEui64()
        self._ieee = eui64_of(ieee)
        maker, board, version = await self._stick.get_board_info()
        self._model = " ".join(part for part in (maker, board) if part) or "EZSP stick"
        self._firmware = f"{version or 'unknown'} ({self._version.name})"

    async def _start(self) -> None:
        await self._stick_app.set_up()
        if not await self._stick_app.resume():
            if self._joining is not None:
                self._network = self._off(LOOKING)
                return
            log.info("%s: the stick knows no network; one is formed", self.name)
            await self._form()
        await self._settle()
        told_apart(
            self.name, self.network, self._options.extended_pan_id, self._options.channels or self._usual_channels
        )

    async def __aenter__(self) -> Self:
        """See `ZigbeeRadio`. A router's network is not waited for: `network.waits_for` tells, and `NetworkChanged`."""
        await super().__aenter__()
        if self._joining is not None:
            self._pulses.append(
                self._tasks.create_task(self._joining.run(lambda: self._is_settled), name=f"{self.name} joining")
            )
        return self

    @property
    def _usual_channels(self) -> tuple[int, ...] | None:
        return DEFAULT_CHANNELS if self._joining is None else None

    @property
    def _is_settled(self) -> bool:
        return self._coming_back or self.network.is_operational

    async def _tried(self, why: str) -> None:
        """A router has tried to join. `why` it is on no network; empty: it is on one."""
        before = self._network
        if why:
            self._network = self._off(why)
        else:
            await self._told(self._settle())
        if self._network != before:
            self._events.tell(NetworkChanged(self.network))

    def network_moved(self) -> None:
        """See `Listener`. What happens while it joins is told when it is ready, or has failed."""
        if self._joining is None or (self._is_open and self.network.is_operational):
            super().network_moved()

    async def _restart(self) -> None:
        await self._stick_app.reset()
        await self._stick_app.set_up()
        if await self._stick_app.resume():
            await self._settle()
        elif self._joining is not None:
            self._network = self._off(LOOKING)
        else:
            raise RadioLostError("it knows its network no more: a new one has to be formed")

    def _came_back(self) -> None:
        if self._joining is not None:
            self._joining.wake()

    async def _settle(self) -> None:
        """On its network: policies, power, where it is."""
        makes_keys = {"TC_KEY_REQUEST_POLICY": MAKES_KEYS} if self._options.well_known_key else {}
        for name, decision in {**POLICIES, **makes_keys}.items():
            await self._decide(name, decision)
        await self._close_joining()
        (longest,) = await self._stick.maximumPayloadLength()
        self._longest = int(longest)
        await self._look()
        if self._options.tx_power is not None:
            await self.set_tx_power(self._options.tx_power)

    async def _form(self) -> None:
        channels = self._wish.channels if self._wish.channels != ALL_CHANNELS else DEFAULT_CHANNELS
        energy = await self._energy(channels)
        channel = min(channels, key=lambda one: energy.get(one, 255))
        (status,) = await self._stick.setInitialSecurityState(state=initial_security())
        ok(status, "the keys of a new network")
        await form(self._stick_app, parameters_of(channel=channel, extended_pan_id=self._wish.extended_pan_id))

    async def _look(self) -> None:
        if self._joining is not None and not await self._stick_app.is_up():
            self._network = self._off("joining: it was made to leave its network")
            self._joining.wake()
            return
        place = await place_of(self._stick_app)
        if place.is_router and self._joining is None:
            raise RadioLostError(
                "the stick is a router or an end device on somebody else's network, and hub.role wants a trust centre: "
                "it is left as it is; have it leave that network with the program that made it join"
            )
        if not place.is_router and self._joining is not None:
            raise RadioLostError(
                "the stick is trust centre of a network of its own, and hub.role wants a router: it is left as it is; "
                "set hub.role to esi_coordinator, and erase it there if that network is not needed"
            )
        self._network = self._info(place)

    @property
    def _mode(self) -> str:
        return f"{self._version.name}, {'router' if self._joining is not None else 'trust centre'}"

    def _off(self, waits_for: str) -> NetworkInfo:
        return nowhere(self._ieee, self._model, self._firmware, self._mode, waits_for)

    def _info(self, place: Place) -> NetworkInfo:
        hashed = ", keys derived from one of another program" if place.has_hashed_keys else ""
        return NetworkInfo(
            ieee=place.ieee,
            short=place.short,
            pan_id=place.pan_id,
            extended_pan_id=place.extended_pan_id,
            channel=place.channel,
            is_coordinator=not place.is_router,
            model=self._model,
            firmware=self._firmware,
            mode=self._mode + hashed,
        )

    async def _leave_air(self) -> None:
        await self._stick_app.silence()

    async def _disconnect(self) -> None:
        await self._stick_app.disconnect()

    async def _ask(self) -> None:
        await self._stick.nop()

    def _is_restart(self, reason: BaseException | None) -> bool:
        return self._stick_app.is_restart(reason)

    # -- out ---------------------------------------------------------------------------------------------------------

    async def _put(self, frame: ApsFrame) -> None:
        encrypted = frame.security is Security.LINK_KEY
        options = t.EmberApsOption.APS_OPTION_ENABLE_ROUTE_DISCOVERY
        if encrypted:
            options |= t.EmberApsOption.APS_OPTION_ENCRYPTION
        if frame.ack and frame.delivery is Delivery.UNICAST:
            options |= t.EmberApsOption.APS_OPTION_RETRY
        aps = t.EmberApsFrame(
            profileId=frame.profile,
            clusterId=frame.cluster,
            sourceEndpoint=frame.source_endpoint,
            destinationEndpoint=frame.destination_endpoint,
            options=options,
            groupId=0,
            sequence=0,
        )
        is_long = len(frame.payload) > room_of(self._longest, encrypted=encrypted)
        if frame.delivery is not Delivery.UNICAST:
            if is_long:
                raise NotSupportedError(f"a broadcast carries {self._longest} bytes, not {len(frame.payload)}")
            short = frame.destination or 0
            if frame.delivery is Delivery.GROUP:
                await self._stick_app.to_group(aps.replace(groupId=short), frame.radius, frame.payload)
            else:
                await self._stick_app.to_many(short, aps, frame.radius, frame.payload)
            return
        short = frame.destination if frame.destination is not None else await self._short_of(frame.destination_ieee)
        if not is_long:
            await self._stick_app.unicast(short, aps, frame.payload)
            return
        # All blocks have the counter of the first, and each goes when the one before it was acknowledged.
        blocks = blocks_of(frame.payload, self._longest, encrypted=encrypted)
        options |= t.EmberApsOption.APS_OPTION_FRAGMENT | t.EmberApsOption.APS_OPTION_RETRY
        sequence = 0
        for index, block in enumerate(blocks):
            group = index | (len(blocks) << 8 if index == 0 else 0)
            part = aps.replace(options=options, groupId=group, sequence=sequence)
            sequence = await self._stick_app.unicast(short, part, block)

    async def _short_of(self, ieee: Eui64 | None) -> int:
        """A device's network address, as far as the stick knows it."""
        assert ieee is not None
        *status, short = await self._stick.lookupNodeIdByEui64(eui64=address_of(ieee))
        if any(one != t.sl_Status.OK for one in status) or int(short) >= FIRST_BROADCAST:
            raise NotReachableError(f"the stick does not know the network address of {ieee}")
        return int(short)

    # -- trust centre ------------------------------------------------------------------------------------------------

    async def _decide(self, name: str, decision: int) -> None:
        (status,) = await self._stick.setPolicy(policyId=t.EzspPolicyId[name], decisionId=decision)
        ok(status, name)

    @property
    def _rejoins_allowed(self) -> int:
        """Devices with keys of their own may come back at any time; the key that everybody knows proves nothing."""
        return 0 if self._options.well_known_key else ALLOW_REJOINS

    async def _open_joining(self, seconds: int, *, here: bool) -> None:
        if self._joining is None:
            if self._options.well_known_key:
                await self._keys.let_anybody()
            await self._decide("TRUST_CENTER_POLICY", ALLOW_JOINS | ALLOW_REJOINS)
        (status,) = await self._stick.permitJoining(duration=seconds if here else 0)
        ok(status, "to open joining")

    async def _close_joining(self) -> None:
        if self._joining is None:
            await self._decide("TRUST_CENTER_POLICY", self._rejoins_allowed)
            await self._keys.let_nobody()
        (status,) = await self._stick.permitJoining(duration=0)
        ok(status, "to close joining")

    async def register_key(self, ieee: Eui64, key: bytes) -> None:
        """See `ZigbeeRadio`."""
        self._need_trust_centre()
        await self._until_up()
        await self._told(self._keys.set(ieee, key))

    def _need_trust_centre(self) -> None:
        if self._joining is not None:
            raise NotSupportedError("only the trust centre of its network lets devices in, and makes them leave")

    async def set_link_key(self, ieee: Eui64, key: bytes) -> None:
        """See `ZigbeeRadio`."""
        await self._until_up()
        await self._told(self._keys.set(ieee, key))

    async def remove_key(self, ieee: Eui64) -> None:
        """See `ZigbeeRadio`."""
        self._need_trust_centre()
        await self._until_up()
        await self._told(self._keys.remove(ieee))

    async def remove(self, ieee: Eui64, parent: Eui64 | None = None) -> None:
        """See `ZigbeeRadio`."""
        self._need_trust_centre()
        await self._until_up()
        await self._told(self._remove(ieee, parent))

    async def _remove(self, ieee: Eui64, parent: Eui64 | None) -> None:
        through = parent if parent not in (None, self.network.ieee) else ieee
        assert through is not None
        short = await self._short_of(through)
        (status,) = await self._stick.removeDevice(
            destShort=short, destLong=address_of(through), targetLong=address_of(ieee)
        )
        ok(status, "to remove a device")

    # -- the network -------------------------------------------------------------------------------------------------

    async def energy_scan(self, channels: Sequence[int]) -> Mapping[int, int]:
        """See `ZigbeeRadio`."""
        self._need_own_network()
        await self._until_up()
        found: Mapping[int, int] = await self._told(self._energy(channels))
        return found

    async def _energy(self, channels: Sequence[int]) -> Mapping[int, int]:
        async with asyncio.timeout(5.0 + SCAN_S_PER_CHANNEL * len(channels)):
            found = await self._stick_app.energy_scan(
                t.Channels.from_channel_list(channels), duration_exp=SCAN_DURATION, count=1
            )
        return {int(channel): round(level) for channel, level in found.items()}

    async def set_channel(self, channel: int) -> None:
        """See `ZigbeeRadio`."""
        self._need_own_network()
        await super().set_channel(channel)

    async def _update_id(self) -> int:
        return (await place_of(self._stick_app)).update_id

    def _need_own_network(self) -> None:
        if self._joining is not None:
            raise NotSupportedError("this radio is a router: that is for the trust centre of its network")

    async def _move(self, channel: int) -> None:
        (status,) = await self._stick.setRadioChannel(channel=channel)
        ok(status, "to change its channel")
        await self._look()
        if self.network.channel != channel:
            raise NoReplyError(f"the network is still on channel {self.network.channel}")

    async def set_tx_power(self, level: int) -> int:
        """See `ZigbeeRadio`. dBm."""
        (status,) = await self._told(self._stick.setRadioPower(power=level))
        ok(status, f"{level} dBm")
        _, _, parameters = await self._told(self._stick.getNetworkParameters())
        return int(parameters.radioTxPower)

    async def _anew(self) -> None:
        await forget(self._stick_app)
        await self._stick_app.reset()
        await self._stick_app.set_up()
        if self._joining is not None:
            self._network = self._off(LOOKING)
            return
        await self._form()
        await self._settle()

    async def configure(self, settings: NetworkSettings) -> None:
        """See `ZigbeeRadio`. What is wished is kept until the stick is on such a network: then its flash has it."""
        if settings.join_interval_s is not None and self._joining is not None:
            self._joining.try_every(settings.join_interval_s)
        if settings.tx_status_timeout_s is not None:
            self._flights.delivered_s = settings.tx_status_timeout_s
        if settings.send_retries is not None:
            self._retries = settings.send_retries
        if settings.changes_network:
            if settings.link_key is not None and self._joining is None:
                raise NotSupportedError("each device of a trust centre has a key of its own: it has none to join with")
            self._wish = self._wish.changed(settings)
            await self.erase()

    # -- backup ------------------------------------------------------------------------------------------------------

    async def backup(self) -> Mapping[str, object]:
        """See `ZigbeeRadio`."""
        self._need_own_network()
        await self._until_ready()
        found: Mapping[str, object] = await self._told(read_backup(self._stick_app, self._keys))
        return found

    def _restoration(self, kept: Mapping[str, object]) -> Restoration:
        self._need_own_network()
        return EzspRestoration(kept, self._stick_app, self._keys)

    async def leave(self) -> None:
        """See `ZigbeeRadio`."""
        if self._joining is None:
            raise NotSupportedError("a trust centre cannot leave the network that it holds: erase it")
        await self.erase()


class EzspDriver:
    """The driver as `radios.loader` finds it."""

    carries = "zigbee"
    joins = True

    def check(self, config: RadioConfig) -> None:
        """Raise `OptionError` when the configuration is wrong."""
        parse_options(config)

    def open(self, config: RadioConfig, trace: Callable[[str, bytes, str], None] | None) -> EzspRadio:
        """A radio that is not open yet."""
        return EzspRadio(config, parse_options(config), trace)


DRIVER = EzspDriver()
