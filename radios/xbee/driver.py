"""An XBee with Smart Energy firmware as a Zigbee radio, with APS encryption frame by frame.

It is trust centre of a network that it forms, with a link key for each device, or a router that joins one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Self

from protocols.aps import ApsFrame, Security
from protocols.certificate import DeviceCertificate
from protocols.errors import CodecError
from protocols.ids import COORDINATOR, BroadcastAddress, Eui64, Profile
from protocols.xbee import frames
from protocols.xbee.at import to_number, to_value
from protocols.xbee.frames import ExplicitReceive, JoinNotification, ModemStatus, ReceiveOption, XbeeFrame
from protocols.xbee.status import AssociationStatus, DeliveryStatus, JoinStatus, ModemStatusCode, RegistrationStatus
from protocols.zdo import DeviceAnnounce, MgmtLeaveRequest, MgmtPermitJoiningRequest, ZdoRequest, decode_zdo
from radios.api import (
    DeliveryError,
    DeviceAuthenticated,
    DeviceJoined,
    DeviceLeft,
    FrameReceived,
    NetworkChanged,
    NetworkInfo,
    NetworkSettings,
    NoReplyError,
    NotReachableError,
    NotSupportedError,
    RadioConfig,
    RadioLostError,
)
from radios.options import told_apart
from radios.xbee.aps import (
    Patience,
    Sleepers,
    address_of,
    capabilities_of,
    check_size,
    frame_of,
    refused_key,
    request_frame,
    transmit_of,
    undelivered,
)
from radios.xbee.bringup import (
    IDENTITY,
    NETWORK,
    NO_NETWORK,
    NOWHERE,
    ON_CLOSING,
    ROLE,
    ROUTER,
    TRUST_CENTRE,
    VOLATILE,
    Firmware,
    Place,
    Step,
    carry_out,
    firmware_of,
    ieee_of,
    keep,
    place_of,
)
from radios.xbee.formation import FOUND_NONE, configure, renew, write
from radios.xbee.guard import allowed
from radios.xbee.link import AtError, XbeeLink
from radios.xbee.options import XbeeOptions, parse_options
from radios.xbee.router import KEYS, Joining
from radios.zigbee_stick import ZigbeeStick

log = logging.getLogger(__name__)

TRANSMIT_STATUS_S = 10.0
"""For the status of a transmission, unless told otherwise (CPX2-SE, registry `Conversation.TX_status_timeout`)."""
IN_FLIGHT = 6
"""Transmissions at once; the module has few buffers, and refuses more."""
BACK_OFFS_S = (0.05, 0.2, 0.8)
"""Between attempts while the module is out of buffers: nothing was sent then."""
NETWORK_S = 60.0
"""For a network to be formed: the module scans each channel first."""
FORMING_S = 20.0
"""After so long a module without a network, which says nothing of why, is told which one to form."""
LOOK_S = 1.0
CLOSING_S = 1.0
READY_S = 8.0
"""A frame waits so long for a module that has restarted."""
_OUT_OF_BUFFERS = frozenset((DeliveryStatus.NO_BUFFERS, DeliveryStatus.NO_RESOURCES, DeliveryStatus.NO_RESOURCES_2))


class XbeeRadio(ZigbeeStick):
    """A `radios.api.ZigbeeRadio`."""

    def __init__(
        self,
        config: RadioConfig,
        options: XbeeOptions,
        trace: Callable[[str, bytes, str], None] | None = None,
    ) -> None:
        super().__init__(config.name, lambda reason: self._link.lose(reason))
        self._options = options
        self._link = XbeeLink(options.url, self._take, self._lose, trace, self._counters)
        self._joining: Joining | None = None
        """What keeps a router on a network; None for a coordinator."""
        if config.joins:
            self._joining = Joining(
                config.name, self._link, self._set_network, lambda: configure(self._link, self._options)
            )
        self._firmware = ""
        self._ieee = Eui64(0)
        self._max_payload = 0
        self._patience = Patience(status_s=TRANSMIT_STATUS_S, retries=len(BACK_OFFS_S))
        self._window = asyncio.Semaphore(IN_FLIGHT)
        self._lanes: dict[tuple[Eui64, int], tuple[asyncio.Lock, int]] = {}
        self._sleepers = Sleepers()
        self._tasks = asyncio.TaskGroup()
        self._services: list[asyncio.Task[None]] = []
        self._is_open = False
        self._coming_back = self._was_reset = False
        self._ready = asyncio.Event()
        """The module is on its network."""
        self._ready_until = -READY_S
        """When it was last, by the loop's clock."""
        self._tsn = 0

    # -- life ----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Find the module, make it ours, resume its network or form one. Raises `PipeError`, `RadioLostError`.

        A router's network is not waited for: `network.waits_for` tells how far joining is, and `NetworkChanged` more.
        """
        await self._link.__aenter__()
        try:
            values = await carry_out(self._link, (*VOLATILE, *IDENTITY))
            self._firmware, self._ieee = firmware_of(values).name, ieee_of(values)
            await self._take_role(firmware_of(values))
            self._max_payload = to_number(values["NP"])
            self._capabilities = capabilities_of(self._max_payload, is_router=self._joining is not None)
            if values.get("VC") == b"\x00":
                log.warning("%s: the module has no certificate: no keys can be established with it", self.name)
            if self._options.tx_power is not None:
                await self._link.at("PL", to_value(self._options.tx_power))
            await self._settle(may_configure=True)
            if self.network.is_operational:
                told_apart(self.name, self.network, self._options.extended_pan_id, self._options.channels)
        except (NoReplyError, AtError) as error:
            await self._link.__aexit__(None, None, None)
            raise RadioLostError(str(error)) from None
        except BaseException:
            await self._link.__aexit__(None, None, None)
            raise
        await self._tasks.__aenter__()
        self._services = [self._tasks.create_task(self._link.watch(), name=f"{self.name} heartbeat")]
        if self._joining is not None:
            self._services.append(
                self._tasks.create_task(self._stay_joined(self._joining), name=f"{self.name} joining")
            )
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        for task in self._services:
            task.cancel()
        if self._events.lost is None:
            # So that devices can authenticate while no hub is there.
            with suppress(NoReplyError, RadioLostError, AtError):
                await self._link.at(ON_CLOSING.name, ON_CLOSING.value or b"", timeout_s=CLOSING_S)
        await self._link.__aexit__(None, None, None)
        self._lose("closed")
        await self._tasks.__aexit__(None, None, None)

    async def _take_role(self, firmware: Firmware) -> None:
        """Make it trust centre or router, as its firmware allows. Raises `RadioLostError` with what to do."""
        is_router = self._joining is not None
        if firmware.is_either:
            await keep(self._link, (Step(ROLE, bytes((not is_router,)), "its role", is_optional=True),))
        elif firmware.is_router and not is_router:
            raise RadioLostError(
                f"the module has router firmware {firmware.name}: load coordinator firmware, 31xx, with XCTU, "
                "or set hub.role to esi_router or aux_gateway"
            )
        elif is_router and not firmware.is_router:
            raise RadioLostError(
                f"the module has coordinator firmware {firmware.name}, and hub.role wants a router: load router "
                "firmware, 33xx, with XCTU, or set hub.role to esi_coordinator"
            )
        if not is_router:
            await carry_out(self._link, TRUST_CENTRE)
        elif await keep(self._link, ROUTER) and place_of(await carry_out(self._link, NETWORK)).is_on_network:
            # It has joined without being told to establish keys, and takes that for all there is to do.
            await renew(self._link)

    async def _stay_joined(self, joining: Joining) -> None:
        try:
            await joining.run()
        except RadioLostError as error:
            self._link.lose(str(error))

    async def _settle(self, *, may_configure: bool = False) -> None:
        """Wait until the module is on its network; a router is not waited for.

        A module that starts is on no network for a while either: `may_configure` lets one that has found none form the
        one that is configured, never one that is still at it.
        """
        place = place_of(await carry_out(self._link, NETWORK))
        if self._joining is not None:
            self._set_network(place)
            return
        began = asyncio.get_running_loop().time()
        while place.association is not AssociationStatus.ON_NETWORK:
            waited = asyncio.get_running_loop().time() - began
            if waited >= NETWORK_S:
                raise RadioLostError(
                    f"the module has no network after {NETWORK_S:g} s: AI says {place.association.name}"
                )
            if may_configure and (place.association in FOUND_NONE or waited >= FORMING_S):
                may_configure = False
                await configure(self._link, self._options)
            await asyncio.sleep(LOOK_S)
            place = place_of(await carry_out(self._link, NETWORK))
        self._set_network(place)

    def _set_network(self, place: Place) -> None:
        is_router = self._joining is not None
        before, self._network = (
            self._network,
            NetworkInfo(
                ieee=self._ieee,
                short=place.short if is_router or place.short != NO_NETWORK else COORDINATOR,
                pan_id=place.pan_id,
                extended_pan_id=place.extended_pan_id,
                channel=place.channel,
                is_coordinator=not is_router,
                model="XBee Smart Energy",
                firmware=self._firmware,
                mode=f"API {self._link.mode}, {'router' if is_router else 'trust centre'}",
                waits_for=self._joining.waits_for(place) if self._joining is not None else "",
            ),
        )
        if self._network.is_operational:
            self._ready.set()
        if is_router and self._is_open and self._network != before:
            self._events.tell(NetworkChanged(self._network))

    def _lose(self, reason: str) -> None:
        self._events.end(reason)
        self._ready.set()  # whoever waits for it hears why it is gone

    # -- in ------------------------------------------------------------------------------------------------------

    def _take(self, frame: XbeeFrame) -> None:
        match frame:
            case ExplicitReceive():
                self._received(frame)
            case ModemStatus():
                self._modem(frame.status)
            case frames.DeviceAuthenticated():
                if frame.status == 0:
                    self._events.tell(DeviceAuthenticated(frame.ieee, frame.short))
            case JoinNotification():
                if frame.status is JoinStatus.LEFT:
                    self._events.tell(DeviceLeft(frame.ieee, rejoin=False))

    def _received(self, frame: ExplicitReceive) -> None:
        if frame.options & ReceiveOption.FROM_END_DEVICE:
            self._sleepers.add(frame.short)
        if frame.profile == Profile.ZDO and frame.cluster == DeviceAnnounce.CLUSTER:
            try:
                _, announce = decode_zdo(frame.cluster, frame.data)
            except CodecError:
                self._counters["unreadable"] += 1
                return
            if isinstance(announce, DeviceAnnounce):
                self._sleepers.announced(announce)
                self._events.tell(
                    DeviceJoined(ieee=announce.ieee, short=announce.short, mac_capability=announce.mac_capability)
                )
                return
        self._events.tell(FrameReceived(frame_of(frame)))

    def _modem(self, status: ModemStatusCode) -> None:
        log.debug("%s: %s", self.name, status.name)
        if not self._is_open:
            return
        if status.is_reset:
            self._counters["restarts"] += 1
            self._was_reset = True
            log.warning("%s: the module has restarted (%s)", self.name, status.name)
            self._pause()
            self._link.fail_all("the module has restarted")
        elif status is ModemStatusCode.DISASSOCIATED:
            self._pause()
            log.warning("%s: the module is on no network any more", self.name)
            if self._joining is not None:
                self._joining.expelled()
        elif self._joining is not None:
            self._joining.wake()
            return
        elif status not in (ModemStatusCode.COORDINATOR_STARTED, ModemStatusCode.NETWORK_KEY_UPDATED):
            return
        if not self._coming_back:
            self._start_coming_back()

    def _start_coming_back(self) -> None:
        self._coming_back = True
        self._tasks.create_task(self._come_back(), name=f"{self.name} restart")

    async def _come_back(self) -> None:
        try:
            await self._return()
        except RadioLostError as error:
            self._link.lose(str(error))
        except (NoReplyError, AtError) as error:
            self._link.lose(f"the module has restarted and is not itself: {error}")
        else:
            if self._joining is None:
                self._events.tell(NetworkChanged(self.network))
        finally:
            self._coming_back = False

    async def _return(self) -> None:
        """Make the module ours again and wait until it is on its network; from the start when it restarts meanwhile."""
        while True:
            self._was_reset = False
            try:
                await carry_out(self._link, VOLATILE)
                if self._joining is not None:
                    self._joining.restarted()
                else:
                    await carry_out(self._link, TRUST_CENTRE)
                    await self._settle()
            except RadioLostError:
                if self._link.is_lost or not self._was_reset:
                    raise
                continue
            if not self._was_reset:
                return

    # -- out -----------------------------------------------------------------------------------------------------

    async def send(self, frame: ApsFrame) -> None:
        """See `ZigbeeRadio`. One frame at a time to each device; answers of device objects go before all others.

        What is no secret goes before there are keys. Each is tried once; only a module without buffers is asked again.
        """
        address = address_of(frame)
        check_size(frame, self._max_payload)
        is_answer = frame.profile == Profile.ZDO and bool(frame.cluster & 0x8000)
        if frame.security is Security.LINK_KEY or self.network.waits_for != KEYS:
            await self._until_ready()
        sleeps, limit = frame.destination in self._sleepers, self._patience.status_s
        async with self._turn(address, is_urgent=is_answer):
            for pause in self._patience.pauses(BACK_OFFS_S):
                status = await self._link.transmit(lambda number: transmit_of(frame, number, sleeps=sleeps), limit)
                if pause is None or status.delivery not in _OUT_OF_BUFFERS:
                    break
                self._counters["backed_off"] += 1
                await asyncio.sleep(pause)
        if status.retries:
            self._counters["retries"] += status.retries
        if not status.delivery.is_delivered:
            raise undelivered(status.delivery)

    async def _until_ready(self) -> None:
        """After a restart the module is back in a second or two; what is sent meanwhile would be refused."""
        if self._ready.is_set():
            return
        left = self._ready_until + READY_S - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(0.0, left)):
                await self._ready.wait()
        except TimeoutError:
            why = self.network.waits_for or f"it has restarted, and is not back after {READY_S:g} s"
            raise NotReachableError(f"the module is not on its network ({why})") from None

    def _pause(self) -> None:
        """The module is not on its network for a while."""
        if self._ready.is_set():
            self._ready_until = asyncio.get_running_loop().time()
        self._ready.clear()

    @asynccontextmanager
    async def _turn(self, address: tuple[Eui64, int], *, is_urgent: bool) -> AsyncIterator[None]:
        """A device that asks gives up after two seconds, so its answer waits for nobody."""
        if is_urgent:
            yield
            return
        lock, users = self._lanes.get(address, (asyncio.Lock(), 0))
        self._lanes[address] = lock, users + 1
        try:
            async with lock, self._window:
                yield
        finally:
            lock, users = self._lanes[address]
            if users > 1:
                self._lanes[address] = lock, users - 1
            else:
                del self._lanes[address]

    def _next_tsn(self) -> int:
        self._tsn = (self._tsn + 1) & 0xFF
        return self._tsn

    async def _say(self, request: ZdoRequest, *, to: int | None = None, ieee: Eui64 | None = None) -> None:
        await self.send(request_frame(request, self._next_tsn(), to, ieee))

    async def permit_join(self, duration_s: int, via: int | None = None) -> None:
        """See `ZigbeeRadio`. The module's timer starts only when its register changes, so it is closed first."""
        if not 0 <= duration_s <= 254:
            raise NotSupportedError(f"joining opens for 0 to 254 s at once, not {duration_s}")
        await self._until_ready()
        request = MgmtPermitJoiningRequest(duration_s, 0)
        if via is not None and via != COORDINATOR:
            await self._say(request, to=via)
            return
        await self._set("NJ", b"\x00")
        if duration_s:
            await self._set("NJ", to_value(duration_s))
        if via is None:
            with suppress(DeliveryError):  # nobody repeats it where there are no routers
                await self._say(request, to=BroadcastAddress.ALL_ROUTERS_AND_COORDINATOR)

    async def _set(self, name: str, value: bytes) -> None:
        try:
            await self._link.at(name, value, attempts=3)
        except AtError as error:
            raise DeliveryError(f"the module refuses {name}", error.status.name, int(error.status)) from None

    async def register_key(self, ieee: Eui64, key: bytes) -> None:
        """See `ZigbeeRadio`."""
        await self._register(ieee, key)

    async def remove_key(self, ieee: Eui64) -> None:
        """See `ZigbeeRadio`."""
        await self._register(ieee, b"")

    async def _register(self, ieee: Eui64, key: bytes) -> None:
        status = await self._link.register_device(ieee, key)
        if status is RegistrationStatus.KEY_NOT_FOUND and not key:
            return
        if status is not RegistrationStatus.OK:
            raise refused_key(status)

    async def at_command(self, name: str, value: bytes | None = None) -> bytes:
        """Read a register (None), write it, or carry out a command (`xbee_AT` of the gateway).

        Refused before anything is sent: what would break the link to the module, what is read only, what does not fit.
        Raises `OptionError` for these, `DeliveryError` when the module refuses.
        """
        row = allowed(self.name, name, value)
        try:
            return await self._link.at(row.name, value or b"")
        except AtError as error:
            raise DeliveryError(f"the module refuses {row.name}", error.status.name, int(error.status)) from None

    async def has_certificate(self) -> bool:
        """See `ZigbeeRadio`."""
        try:
            return to_number(await self._link.at("VC")) == 1
        except AtError as error:
            raise NotSupportedError(f"this firmware does not say whether it has a certificate ({error})") from None

    async def install_certificate(self, certificate: DeviceCertificate) -> None:
        """See `ZigbeeRadio`."""
        await self._certify((certificate.authority_key, certificate.implicit, certificate.private_key))
        if not await self.has_certificate():
            raise DeliveryError("the module does not take the certificate", "NO_CERTIFICATE", 0)

    async def remove_certificate(self) -> None:
        """See `ZigbeeRadio`."""
        await self._certify((b"\x00", b"\x00", b"\x00"))

    async def _certify(self, parts: Sequence[bytes]) -> None:
        """Write the parts, keep them over a loss of power, and restart: they count from then on."""
        for name, part in zip(("ZU", "ZT", "ZV"), parts, strict=True):
            await self._set(name, part)
        await self._set("WR", b"")
        self._pause()
        await self._set("FR", b"")
        await self._until_ready()

    async def remove(self, ieee: Eui64, parent: Eui64 | None = None) -> None:
        """See `ZigbeeRadio`. Leave goes first, so that it still goes out while the key is there."""
        if self._joining is not None:
            raise NotSupportedError("only the trust centre of its network makes a device leave")
        with suppress(DeliveryError):
            await self._say(MgmtLeaveRequest(ieee, 0), ieee=ieee)
        await self._register(ieee, b"")

    async def energy_scan(self, channels: Sequence[int]) -> Mapping[int, int]:
        """See `ZigbeeRadio`."""
        raise NotSupportedError("an XBee with Smart Energy firmware has no energy scan")

    async def set_channel(self, channel: int) -> None:
        """See `ZigbeeRadio`."""
        raise NotSupportedError("an XBee chooses its channel when it forms its network, and keeps it")

    async def set_led(self, on: bool) -> None:
        """See `ZigbeeRadio`."""
        raise NotSupportedError("an XBee has no LED of its own")

    async def set_tx_power(self, level: int) -> int:
        """See `ZigbeeRadio`."""
        await self._set("PL", to_value(level))
        return to_number(await self._link.at("PL"))

    async def set_certification(self, region: str) -> None:
        """See `ZigbeeRadio`."""
        raise NotSupportedError("an XBee is made for its region")

    async def set_time(self, utc_s: int) -> None:
        """See `ZigbeeRadio`. The module has no clock."""

    async def erase(self) -> None:
        """See `ZigbeeRadio`. The module leaves its network and forms the one that is configured, or joins one again."""
        before = self.network

        async def act() -> None:
            if self._joining is None:
                await configure(self._link, self._options)
            await renew(self._link)

        await self._anew(act)
        now = self.network
        if self._joining is None and (before.pan_id, before.extended_pan_id) == (now.pan_id, now.extended_pan_id):
            raise NoReplyError("the module is on the same network as before: try again")

    async def leave(self) -> None:
        """See `ZigbeeRadio`."""
        if self._joining is None:
            raise NotSupportedError("a coordinator cannot leave the network that it holds: erase it")
        await self.erase()

    async def configure(self, settings: NetworkSettings) -> None:
        """See `ZigbeeRadio`. The registers count together, and are kept in flash."""
        self._patience = self._patience.changed(settings)
        if settings.join_interval_s is not None and self._joining is not None:
            self._joining.try_every(settings.join_interval_s)
        if settings.changes_network:
            await self._anew(lambda: write(self._link, settings))

    async def _anew(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do what makes the module leave its network, and wait for the next one; a router is not waited for.

        However that ends, the module is made ours again.
        """
        self._pause()
        if self._joining is not None:
            self._joining.postpone()
            await act()
            self._set_network(NOWHERE)
            self._joining.wake()
            return
        self._coming_back = True
        is_done = False
        try:
            await act()
            await asyncio.sleep(LOOK_S)
            await self._return()
            is_done = True
        except AtError as error:
            raise NoReplyError(str(error)) from None
        except RadioLostError:
            if self._link.is_lost:
                raise
            raise NoReplyError("the module has restarted meanwhile; see on which network it is") from None
        finally:
            self._coming_back = False
            if not is_done and self._is_open and not self._link.is_lost:
                self._start_coming_back()
        self._events.tell(NetworkChanged(self.network))


class XbeeDriver:
    """The driver as `radios.loader` finds it."""

    carries = "zigbee"
    joins = True

    def check(self, config: RadioConfig) -> None:
        """Raise `OptionError` when the configuration is wrong."""
        parse_options(config)

    def open(self, config: RadioConfig, trace: Callable[[str, bytes, str], None] | None) -> XbeeRadio:
        """A radio that is not open yet."""
        return XbeeRadio(config, parse_options(config), trace)


DRIVER = XbeeDriver()
