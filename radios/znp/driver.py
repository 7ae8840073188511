"""The Z-Stack driver: a Texas Instruments stick as trust centre of a Smart Energy network, driven by zigpy-znp."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

import zigpy_znp.commands as c
import zigpy_znp.types as t

from protocols.aps import ApsFrame, Delivery, Security
from protocols.ids import FIRST_BROADCAST, Eui64, Profile
from protocols.zdo import MgmtPermitJoiningRequest, SimpleDescriptor
from radios.api import (
    DeliveryError,
    NetworkInfo,
    NetworkSettings,
    NoReplyError,
    NotReachableError,
    NotSupportedError,
    RadioConfig,
    RadioLostError,
)
from radios.options import told_apart
from radios.zigpy_backend import address_of, eui64_of, nowhere, settings_for
from radios.zigpy_backup import Restoration
from radios.zigpy_radio import CHANNEL_CHANGE, ZigpyRadio
from radios.znp.application import ZnpApplication, ok
from radios.znp.backup import ZnpRestoration, read_backup
from radios.znp.keys import KeyTable
from radios.znp.link import Link
from radios.znp.network import Nowhere, Place, form, place_of, set_down
from radios.znp.options import COORDINATOR_ONLY, DEFAULT_CHANNELS, ZnpOptions, parse_options
from radios.znp.versions import ENCRYPTION_BYTES, MAX_WHOLE, VERSIONS, capabilities_of, version_of

log = logging.getLogger(__name__)

SCAN_S = 5.0
SCAN_S_PER_CHANNEL = 1.0
SCAN_DURATION = 3
"""Exponent: 2^3 + 1 times 15 ms for each channel."""
MOVED_S, LOOK_S = 10.0, 0.2
"""For the stick to be on another channel, and how often it is looked."""
SCAN_ANSWER = 0x8038
"""Of a device object, about the energy on channels (Zigbee R21, 2.4.4.3.9): status, mask, two counts, levels."""


class ZnpRadio(ZigpyRadio):
    """A `radios.api.ZigbeeRadio`."""

    kind = "Z-Stack stick"

    def __init__(
        self,
        config: RadioConfig,
        options: ZnpOptions,
        trace: Callable[[str, bytes, str], None] | None = None,
    ) -> None:
        super().__init__(config, options.url, trace)
        self._options = options
        peer = options.url.peer
        self._stick_app = ZnpApplication(
            settings_for(options.url),
            self,
            self._spawn,
            None if trace is None else lambda direction, data: trace(direction, data, peer),
            self._flights,
        )
        self._version = VERSIONS[1.2]
        self._keys = KeyTable(self._stick_app, self._version)
        self._firmware = ""
        self._ieee = Eui64(0)
        self._extended_pan_id = options.extended_pan_id
        self._channels = options.channels or DEFAULT_CHANNELS
        """Of a network that has yet to be formed."""

    @property
    def _stick(self) -> Link:
        return self._stick_app.stick

    # -- life --------------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        await self._stick_app.open(has_pins=self._url.kind == "serial")
        told = await self._stick.request(c.SYS.Version.Req())
        build = int(told.CodeRevision or 0)
        self._version = version_of(self._stick.version, build)
        self._keys = KeyTable(self._stick_app, self._version)
        self._capabilities = capabilities_of()
        self._window = asyncio.Semaphore(self._version.in_flight)
        release = f"{told.MajorRel}.{told.MinorRel}.{told.MaintRel}"
        self._firmware = f"{self._version.name}, {release}" + (f", build {build}" if build else "")
        self._ieee = eui64_of((await self._stick.request(c.SYS.GetExtAddr.Req())).ExtAddr)

    async def _start(self) -> None:
        found = await place_of(self._stick_app, self._version)
        if isinstance(found, Nowhere) and found.refusal:
            log.warning("%s: %s", self.name, found.refusal)
            self._network = self._off(found.refusal)
            return
        await set_down(self._stick_app)
        await self._stick.reset()
        if isinstance(found, Nowhere):
            log.info("%s: the stick is blank; a network is formed", self.name)
            await self._form()
        else:
            await self._come_up()
        told_apart(self.name, self.network, self._options.extended_pan_id, self._channels)

    async def _form(self) -> None:
        await self._stick_app.set_up()
        await form(
            self._stick_app,
            self._version,
            self._keys,
            channels=self._channels,
            extended_pan_id=self._extended_pan_id,
        )
        await self._settle()

    async def _come_up(self) -> None:
        await self._stick_app.set_up()
        await self._stick.start_network()
        await self._settle()

    async def _restart(self) -> None:
        found = await place_of(self._stick_app, self._version)
        if isinstance(found, Place):
            await self._come_up()
        elif found.refusal:
            self._network = self._off(found.refusal)
        else:
            raise RadioLostError("it knows its network no more: a new one has to be formed")

    async def _settle(self) -> None:
        """On its network: policies, power, where it is."""
        if self._version.has_commissioning:
            # Nobody comes back with the key that everybody knows; and Smart Energy devices, which establish keys by
            # certificates, are not sent away because they do not ask for one as Zigbee 3.0 has it.
            for policy in (
                c.AppConfig.SetAllowRejoinTCPolicy.Req(AllowRejoin=False),
                c.AppConfig.BDBSetTcRequireKeyExchange.Req(BdbTrustCenterRequireKeyExchange=False),
            ):
                if not await self._stick.wished(policy):
                    log.warning("%s: this build of Z-Stack does not take %s", self.name, policy)
        await self._close_joining()
        await self._look()
        if self._options.tx_power is not None:
            await self._power(self._options.tx_power)

    async def _look(self) -> None:
        found = await place_of(self._stick_app, self._version)
        self._network = self._info(found) if isinstance(found, Place) else self._off(found.refusal or "it has left")

    def _info(self, place: Place) -> NetworkInfo:
        self._ieee = place.ieee
        return NetworkInfo(
            ieee=place.ieee,
            short=place.short,
            pan_id=place.pan_id,
            extended_pan_id=place.extended_pan_id,
            channel=place.channel,
            is_coordinator=True,
            model=self._model,
            firmware=self._firmware,
            mode=self._mode,
        )

    @property
    def _model(self) -> str:
        return f"Texas Instruments {self._version.chips}"

    @property
    def _mode(self) -> str:
        return f"{self._version.name}, trust centre"

    def _off(self, waits_for: str) -> NetworkInfo:
        return nowhere(self._ieee, self._model, self._firmware, self._mode, waits_for)

    async def _leave_air(self) -> None:
        if self.network.is_operational:
            await self._stick.silence()

    async def _disconnect(self) -> None:
        await self._stick_app.disconnect()

    async def _ask(self) -> None:
        await self._stick.ping()

    def _is_restart(self, reason: BaseException | None) -> bool:
        return self._stick_app.is_restart(reason)

    # -- out ---------------------------------------------------------------------------------------------------------

    async def _put(self, frame: ApsFrame) -> None:
        application = self._stick_app
        if frame.profile == Profile.ZDO and frame.cluster == MgmtPermitJoiningRequest.CLUSTER:
            mode = t.AddrMode.NWK if frame.delivery is Delivery.UNICAST else t.AddrMode.Broadcast
            await application.permit_at(mode, await self._address(frame), frame.payload[1])
            return
        await self._need_endpoint(frame)
        encrypted = frame.security is Security.LINK_KEY
        room = MAX_WHOLE - (ENCRYPTION_BYTES if encrypted else 0)
        is_long = len(frame.payload) > room
        options = c.af.TransmitOptions.SUPPRESS_ROUTE_DISC_NETWORK
        if encrypted:
            options |= c.af.TransmitOptions.ENABLE_SECURITY
        if frame.delivery is not Delivery.UNICAST:
            if is_long:
                raise NotSupportedError(f"a broadcast carries {room} bytes, not {len(frame.payload)}")
            mode = t.AddrMode.Group if frame.delivery is Delivery.GROUP else t.AddrMode.Broadcast
            await application.send(mode, frame.destination or 0, frame, options, is_confirmed=False)
            return
        if frame.ack or is_long:  # blocks are acknowledged one by one
            options |= c.af.TransmitOptions.ACK_REQUEST
        # The stick does not tell what becomes of frames of its own device object.
        is_confirmed = frame.source_endpoint != 0
        await application.send(t.AddrMode.NWK, await self._address(frame), frame, options, is_confirmed=is_confirmed)

    async def host(self, endpoints: Sequence[SimpleDescriptor]) -> None:
        """See `ZigbeeRadio`. The stick answers for endpoints that it knows, and lets nothing through to others."""
        self._stick_app.endpoints = tuple(endpoints)
        if self.network.is_operational:
            await self._until_ready()
            await self._told(self._stick_app.register_all())

    async def _need_endpoint(self, frame: ApsFrame) -> None:
        """A frame leaves with the profile that its endpoint was registered with."""
        endpoint = frame.source_endpoint
        if endpoint == 0:
            return
        profile = self._stick_app.profile_of(endpoint)
        if profile is None:
            await self._stick_app.register(SimpleDescriptor(endpoint, frame.profile, 0, 0, (), ()))
        elif profile != frame.profile:
            raise NotSupportedError(
                f"endpoint {endpoint} of this stick sends with profile 0x{profile:04x}, not 0x{frame.profile:04x}"
            )

    async def _address(self, frame: ApsFrame) -> int:
        if frame.destination is not None:
            return frame.destination
        assert frame.destination_ieee is not None
        return await self._short_of(frame.destination_ieee)

    async def _short_of(self, ieee: Eui64) -> int:
        short = await self._keys.short_of(ieee)
        if short >= FIRST_BROADCAST:
            raise NotReachableError(f"the stick does not know the network address of {ieee}")
        return short

    # -- trust centre ------------------------------------------------------------------------------------------------

    async def _open_joining(self, seconds: int, *, here: bool) -> None:
        if self._options.well_known_key:
            await self._keys.let_anybody()
        if here or self._version.needs_own_window:
            await self._stick_app.permit(seconds)

    async def _close_joining(self) -> None:
        await self._keys.let_nobody()
        await self._stick_app.permit(0)

    async def register_key(self, ieee: Eui64, key: bytes) -> None:
        """See `ZigbeeRadio`."""
        await self._until_ready()
        await self._told(self._keys.let_join(ieee, key))

    async def set_link_key(self, ieee: Eui64, key: bytes) -> None:
        """See `ZigbeeRadio`."""
        await self._until_ready()
        await self._told(self._keys.set(ieee, key))

    async def remove_key(self, ieee: Eui64) -> None:
        """See `ZigbeeRadio`."""
        await self._until_ready()
        await self._told(self._keys.remove(ieee))

    async def remove(self, ieee: Eui64, parent: Eui64 | None = None) -> None:
        """See `ZigbeeRadio`."""
        await self._until_ready()
        await self._told(self._remove(ieee, parent))

    async def _remove(self, ieee: Eui64, parent: Eui64 | None) -> None:
        through = ieee if parent is None or parent == self.network.ieee else parent
        ok(
            await self._stick.request(
                c.ZDO.MgmtLeaveReq.Req(
                    DstAddr=await self._short_of(through),
                    IEEE=address_of(ieee),
                    RemoveChildren_Rejoin=c.zdo.LeaveOptions.NONE,
                )
            ),
            "to remove a device",
        )

    # -- the network -------------------------------------------------------------------------------------------------

    async def energy_scan(self, channels: Sequence[int]) -> Mapping[int, int]:
        """See `ZigbeeRadio`."""
        await self._until_ready()
        found: Mapping[int, int] = await self._told(self._energy(channels))
        return found

    async def _energy(self, channels: Sequence[int]) -> Mapping[int, int]:
        short = self._stick_app.short
        told = self._stick.wait_for_response(
            c.ZDO.MsgCbIncoming.Callback(partial=True, Src=short, ClusterId=SCAN_ANSWER)
        )
        try:
            await self._updated(channels, SCAN_DURATION, 1)
            async with asyncio.timeout(SCAN_S + SCAN_S_PER_CHANNEL * len(channels)):
                answer = bytes((await told).Data)
        finally:
            told.cancel()
        if answer[0] != 0:
            raise DeliveryError("the stick does not scan", f"STATUS_{answer[0]:X}", answer[0], is_silence=False)
        mask = int.from_bytes(answer[1:5], "little")
        levels = answer[10 : 10 + answer[9]]
        return dict(zip((channel for channel in range(11, 27) if mask >> channel & 1), levels, strict=False))

    async def _updated(self, channels: Sequence[int], duration: int, times: int) -> None:
        """The stick scans, or moves."""
        ok(
            await self._stick.request(
                c.ZDO.MgmtNWKUpdateReq.Req(
                    Dst=self._stick_app.short,
                    DstAddrMode=t.AddrMode.NWK,
                    Channels=t.Channels.from_channel_list(channels),
                    ScanDuration=duration,
                    ScanCount=times,
                    NwkManagerAddr=self._stick_app.short,
                )
            ),
            "to scan or to move",
        )

    async def _update_id(self) -> int:
        found = await place_of(self._stick_app, self._version)
        return found.update_id if isinstance(found, Place) else 0

    async def _move(self, channel: int) -> None:
        await self._look()
        if self.network.channel != channel:  # it has not listened to its own broadcast
            await self._updated((channel,), CHANNEL_CHANGE, 0)
        try:
            async with asyncio.timeout(MOVED_S):
                while self.network.channel != channel:
                    await asyncio.sleep(LOOK_S)
                    await self._look()
        except TimeoutError:
            raise NoReplyError(f"the network is still on channel {self.network.channel}") from None

    async def set_tx_power(self, level: int) -> int:
        """See `ZigbeeRadio`. dBm."""
        await self._until_up()
        found: int = await self._told(self._power(level))
        return found

    async def _power(self, level: int) -> int:
        """Newer versions say whether it could be, older ones what it is now."""
        answer = await self._stick.request(c.SYS.SetTxPower.Req(TXPower=level))
        told = int(answer.StatusOrPower)
        if not self._version.has_tables:
            return told
        if told != t.Status.SUCCESS:
            raise DeliveryError(f"the stick refuses {level} dBm", f"STATUS_{told & 0xFF:X}", told, is_silence=False)
        return level

    async def _anew(self) -> None:
        await self._stick.reset_network_info()
        await set_down(self._stick_app)
        await self._stick.reset()
        await self._form()

    async def configure(self, settings: NetworkSettings) -> None:
        """See `ZigbeeRadio`."""
        if settings.tx_status_timeout_s is not None:
            self._flights.delivered_s = settings.tx_status_timeout_s
        if settings.send_retries is not None:
            self._retries = settings.send_retries
        if settings.changes_network:
            if settings.link_key is not None:
                raise NotSupportedError("each device of a trust centre has a key of its own: it has none to join with")
            if settings.extended_pan_id is not None:
                self._extended_pan_id = settings.extended_pan_id or None
            self._channels = settings.channels or self._channels
            await self.erase()

    async def leave(self) -> None:
        """See `ZigbeeRadio`."""
        raise NotSupportedError(f"{COORDINATOR_ONLY}: there is nothing to leave; erase it to have another network")

    # -- backup ------------------------------------------------------------------------------------------------------

    async def backup(self) -> Mapping[str, object]:
        """See `ZigbeeRadio`."""
        await self._until_ready()
        found: Mapping[str, object] = await self._told(read_backup(self._stick_app, self._keys))
        return found

    def _restoration(self, kept: Mapping[str, object]) -> Restoration:
        return ZnpRestoration(kept, self._stick_app, self._version, self._keys)


class ZnpDriver:
    """The driver as `radios.loader` finds it."""

    carries = "zigbee"
    joins = False

    def check(self, config: RadioConfig) -> None:
        """Raise `OptionError` when the configuration is wrong."""
        parse_options(config)

    def open(self, config: RadioConfig, trace: Callable[[str, bytes, str], None] | None) -> ZnpRadio:
        """A radio that is not open yet."""
        return ZnpRadio(config, parse_options(config), trace)


DRIVER = ZnpDriver()
