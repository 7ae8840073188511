"""A ZiGate as a Zigbee radio: raw APS mode for everything that its firmware would swallow or reinterpret."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from protocols.aps import ApsFrame, Delivery, Security
from protocols.certificate import DeviceCertificate
from protocols.errors import CodecError
from protocols.ids import Eui64, Profile
from protocols.packet import Packet
from protocols.zdo import DeviceAnnounce, MgmtNwkUpdateNotify, decode_zdo
from protocols.zigate.commands import (
    Certification,
    Command,
    ErasePersistentData,
    GetNetworkState,
    GetVersion,
    NetworkUpdateRequest,
    PermitJoining,
    RawMode,
    RemoveDevice,
    SendAps,
    SetCertification,
    SetChannelMask,
    SetExtendedPanId,
    SetLed,
    SetRawMode,
    SetTime,
    SetTxPower,
    StartNetwork,
)
from protocols.zigate.frames import Unknown
from protocols.zigate.responses import (
    ApsAck,
    ApsConfirm,
    ApsConfirmFailed,
    ApsIndication,
    LeaveIndication,
    NetworkStarted,
    NetworkState,
    NetworkUpdateNotify,
    RestartedFactoryNew,
    RestartedOnNetwork,
    StackError,
    TxPower,
    Version,
)
from protocols.zigate.responses import DeviceAnnounce as Announced
from protocols.zigate.status import SerialStatus, StackStatus
from radios.api import (
    DeliveryError,
    DeliveryFailed,
    DeviceJoined,
    DeviceLeft,
    FrameReceived,
    NetworkChanged,
    NetworkInfo,
    NoReplyError,
    NotSupportedError,
    RadioConfig,
    RadioLostError,
    ZigbeeEvent,
)
from radios.options import told_apart
from radios.zigate.aps import MAX_ASDU, OUR_ENDPOINT, address_of, capabilities_of, frame_of
from radios.zigate.delivery import Flight, Flights, not_sent
from radios.zigate.firmware import Firmware, firmware_of
from radios.zigate.link import ZigateLink
from radios.zigate.native import Native
from radios.zigate.options import ZigateOptions, parse_options
from radios.zigbee_stick import ZigbeeStick

log = logging.getLogger(__name__)

VERSION_S = 1.0
FORM_S = 20.0
"""For a network to be formed: the stick scans each channel first."""
ACKNOWLEDGED_S = 8.0
"""For the far end: the stack waits 1.6 s and repeats thrice, so that its own verdict comes after 7 s at most."""
CONFIRMED_S = 4.0
"""For the first hop."""
BACK_OFFS_S = (0.05, 0.2, 0.8)
"""Between attempts while the stick is out of buffers: nothing was sent then."""
SCAN_S = 15.0
CHANNEL_MOVES = 10
CHANNEL_LOOK_S = 1.0
RESTART_S = 8.0
SAME_FRAME_S = 1.0
"""The same indication again within this time is the firmware's repeat (ZIGATE issue 346)."""
FRAMES_REMEMBERED = 256
SAME_JOINING_S = 5.0
"""Each joining is told twice or thrice: by the network layer, by the device, and in raw mode as an APS frame."""
NO_NETWORK = 0xFFFF
ALL_ROUTERS = 0xFFFC
_OUT_OF_BUFFERS = frozenset((0x03, 0x15, 0x80))
"""Statuses of 0x0530 with which nothing was sent: busy, out of resources, no free NPDU."""


class ZigateRadio(ZigbeeStick):
    """A `radios.api.ZigbeeRadio`."""

    def __init__(
        self,
        config: RadioConfig,
        options: ZigateOptions,
        trace: Callable[[str, bytes, str], None] | None = None,
    ) -> None:
        super().__init__(config.name, lambda reason: self._link.lose(reason))
        self._options = options
        self._link = ZigateLink(options.url, self._take, self._lose, trace, self._counters)
        self._flights = Flights()
        self._native = Native(lambda frame: self._tell(FrameReceived(frame)))
        self._firmware: Firmware | None = None
        self._window = asyncio.Semaphore(1)
        self._tasks = asyncio.TaskGroup()
        self._watch: asyncio.Task[None] | None = None
        self._recent: OrderedDict[tuple[int, int, int, bytes], float] = OrderedDict()
        self._joined: dict[int, tuple[int, float]] = {}
        self._started: asyncio.Future[NetworkStarted] | None = None
        self._scanned: asyncio.Future[tuple[int, tuple[int, ...]]] | None = None
        self._restarting: asyncio.Event | None = None
        self._is_open = False
        self._back_off_until = 0.0

    # -- life ----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Open the pipe, identify the stick, resume its network or form one. Raises `PipeError`, `RadioLostError`."""
        await self._link.__aenter__()
        try:
            self._firmware = firmware_of(await self._version())
            self._capabilities = capabilities_of(self._firmware)
            if not self._firmware.has_raw:
                log.warning(
                    "%s: firmware %s has no raw mode, so only what it has commands for can be sent; 3.23 can do all",
                    self.name,
                    self._firmware.name,
                )
            self._window = asyncio.Semaphore(self._firmware.in_flight)
            await self._set_up()
            if not self._network or not self._network.channel:
                await self._form()
            told_apart(self.name, self.network, self._options.extended_pan_id, self._options.channels)
        except NoReplyError as error:
            await self._link.__aexit__(None, None, None)
            raise RadioLostError(str(error)) from None
        except BaseException:
            await self._link.__aexit__(None, None, None)
            raise
        await self._tasks.__aenter__()
        self._watch = self._tasks.create_task(self._link.watch(), name=f"{self.name} heartbeat")
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        if self._watch is not None:
            self._watch.cancel()
        await self._link.__aexit__(None, None, None)
        self._lose("closed")
        await self._tasks.__aexit__(None, None, None)

    async def _version(self) -> Version:
        try:
            return await self._link.ask(GetVersion(), Version, VERSION_S)
        except (NoReplyError, RadioLostError) as error:
            raise RadioLostError(
                f"no ZiGate answers at {self._options.url.peer} ({error}): is it this port, are 115200 baud right, "
                "and is nothing else using it?"
            ) from None

    async def _set_up(self) -> None:
        """What the stick forgets with a restart or an erasure, and where it is. The hub sets its clock."""
        if self._need_firmware().has_raw:
            await self._link.command(SetRawMode(RawMode.RAW))
        if self._options.certification is not None:
            await self._prefer(SetCertification(self._options.certification), "certification")
        if self._options.led is not None:
            await self._prefer(SetLed(int(self._options.led)), "led")
        if self._options.tx_power is not None:
            await self._prefer(SetTxPower(self._options.tx_power), "tx_power")
        await self._look()

    async def _prefer(self, command: Command, option: str) -> None:
        """A setting that this firmware may not know: a home goes on without it."""
        status = await self._link.command(command)
        if status.status is not SerialStatus.SUCCESS:
            log.warning("%s: the stick refuses option %s: %s", self.name, option, status.status.name)

    async def _look(self) -> None:
        state = await self._link.ask(GetNetworkState(), NetworkState)
        assert self._firmware is not None
        is_there = state.short != NO_NETWORK and state.channel != 0
        self._network = NetworkInfo(
            ieee=Eui64(state.ieee),
            short=state.short if is_there else 0,
            pan_id=state.pan_id,
            extended_pan_id=state.extended_pan_id,
            channel=state.channel if is_there else 0,
            is_coordinator=state.short == 0,
            model=self._firmware.model,
            firmware=self._firmware.name,
            mode=self._firmware.mode,
        )

    async def _form(self) -> None:
        """Form a network: this stick has none."""
        log.info("%s: the stick knows no network; one is formed", self.name)
        if self._options.extended_pan_id is not None:
            await self._wish(SetExtendedPanId(self._options.extended_pan_id), "extended_pan_id")
        await self._wish(SetChannelMask(self._options.channel_mask), "channels")
        started: asyncio.Future[NetworkStarted] = asyncio.get_running_loop().create_future()
        self._started = started
        try:
            status = await self._link.command(StartNetwork())
            if status.status not in (SerialStatus.SUCCESS, SerialStatus.STACK_ALREADY_STARTED):
                raise RadioLostError(f"the stick cannot form a network: {status.status.name}")
            async with asyncio.timeout(FORM_S):
                found = await started
        except TimeoutError:
            raise RadioLostError(f"the stick did not form a network within {FORM_S:g} s") from None
        finally:
            self._started = None
        await self._look()
        if not self.network.channel:
            raise RadioLostError(f"the stick could not form a network: {found.status.name}")

    async def _wish(self, command: Command, option: str) -> None:
        """What a network is formed with: not formed in another way than was asked for."""
        status = await self._link.command(command)
        if status.status is not SerialStatus.SUCCESS:
            raise RadioLostError(f"the stick refuses option {option}: {status.status.name}")

    def _lose(self, reason: str) -> None:
        self._native.close()
        self._flights.fail_all(self._events.end(reason))

    def _need_firmware(self) -> Firmware:
        if self._firmware is None:
            raise RadioLostError("the stick is not open yet")
        return self._firmware

    def _tell(self, event: ZigbeeEvent) -> None:
        self._events.tell(event)

    # -- in ------------------------------------------------------------------------------------------------------

    def _take(self, frame: Packet | Unknown, lqi: int) -> None:
        match frame:
            case ApsIndication():
                self._indication(frame, lqi)
            case ApsConfirmFailed() if self._firmware is not None and not self._firmware.has_confirms:
                if frame.status.is_silence_of_the_far_end:
                    self._tell(DeliveryFailed(frame.destination.value, frame.status.name, int(frame.status)))
                else:
                    self._counters["not_sent"] += 1
            case ApsAck() | ApsConfirm() | ApsConfirmFailed():
                if not self._flights.take(frame):
                    self._counters["stray_confirm"] += 1
            case Announced():
                self._announced(Eui64(frame.ieee), frame.short, frame.mac_capability, lqi)
            case LeaveIndication():
                self._tell(DeviceLeft(Eui64(frame.ieee), bool(frame.rejoin)))
            case NetworkStarted():
                if self._started is not None and not self._started.done():
                    self._started.set_result(frame)
            case NetworkUpdateNotify():
                self._scan_result(frame.channels, frame.energy)
            case RestartedOnNetwork() | RestartedFactoryNew():
                self._restarted()
            case StackError():
                self._stack_error(frame)
            case Packet() if self._firmware is not None and not self._firmware.has_raw:
                self._native.take(frame, lqi)

    def _indication(self, frame: ApsIndication, lqi: int) -> None:
        source = frame.source
        place = (source.value, frame.source_endpoint, frame.cluster, frame.data)
        now = asyncio.get_running_loop().time()
        before = self._recent.get(place)
        if before is not None and now - before < SAME_FRAME_S:
            self._counters["duplicates"] += 1
            return
        self._recent[place] = now
        self._recent.move_to_end(place)
        if len(self._recent) > FRAMES_REMEMBERED:
            self._recent.popitem(last=False)
        if frame.profile == Profile.ZDO and self._is_news(frame, lqi):
            return
        self._tell(FrameReceived(frame_of(frame, lqi)))

    def _is_news(self, frame: ApsIndication, lqi: int) -> bool:
        """Device announces and scan results come as ZDO frames too, by firmware."""
        if frame.cluster not in (DeviceAnnounce.CLUSTER, MgmtNwkUpdateNotify.CLUSTER):
            return False
        try:
            _, command = decode_zdo(frame.cluster, frame.data)
        except CodecError:
            return False
        if isinstance(command, DeviceAnnounce):
            self._announced(command.ieee, command.short, command.mac_capability, lqi)
            return True
        if isinstance(command, MgmtNwkUpdateNotify) and self._scanned is not None:
            self._scan_result(command.channels or 0, command.energy or ())
            return True
        return False

    def _announced(self, ieee: Eui64, short: int, capability: int, lqi: int) -> None:
        now = asyncio.get_running_loop().time()
        before = self._joined.get(ieee)
        self._joined[ieee] = (short, now)
        if before is not None and before[0] == short and now - before[1] < SAME_JOINING_S:
            self._counters["repeated_announces"] += 1
            return
        if len(self._joined) > FRAMES_REMEMBERED:
            del self._joined[next(iter(self._joined))]
        self._tell(DeviceJoined(ieee=ieee, short=short, mac_capability=capability, lqi=lqi or None))

    def _scan_result(self, channels: int, energy: Sequence[int]) -> None:
        if self._scanned is not None and not self._scanned.done():
            self._scanned.set_result((channels, tuple(energy)))

    def _stack_error(self, frame: StackError) -> None:
        self._counters["stack_errors"] += 1
        if frame.error < 0x80:
            self._link.lose(f"the stick's stack has given up (error 0x{int(frame.error):02X}): it is opened again")
            return
        log.debug("%s: %s", self.name, frame.error.name)
        # Out of some resource: what is next waits a little.
        self._back_off_until = asyncio.get_running_loop().time() + BACK_OFFS_S[-1]

    def _restarted(self) -> None:
        """The stick has restarted: by itself, or since it was told to."""
        self._counters["restarts"] += 1
        if self._restarting is not None:
            self._restarting.set()
            return
        if not self._is_open:
            return
        log.warning("%s: the stick has restarted", self.name)
        self._flights.fail_all("the stick has restarted")
        self._restarting = asyncio.Event()
        self._tasks.create_task(self._come_back(), name=f"{self.name} restart")

    async def _come_back(self) -> None:
        try:
            await self._set_up()
        except NoReplyError as error:
            self._link.lose(f"the stick has restarted and is not itself: {error}")
        except RadioLostError:
            return
        else:
            if not self.network.channel:
                self._link.lose("the stick has restarted and knows its network no more: a new one has to be formed")
                return
            self._tell(NetworkChanged(self.network))
        finally:
            self._restarting = None

    # -- out -----------------------------------------------------------------------------------------------------

    async def send(self, frame: ApsFrame) -> None:
        """See `ZigbeeRadio`. Every frame is tried once; only a stick without buffers is asked again."""
        firmware = self._need_firmware()
        if len(frame.payload) > MAX_ASDU:
            raise NotSupportedError(f"a ZiGate carries {MAX_ASDU} bytes, not {len(frame.payload)}")
        if frame.security is Security.LINK_KEY:
            raise NotSupportedError("a ZiGate cannot encrypt single frames with a link key")
        if not firmware.has_raw:
            async with self._window:
                await self._native.send(frame, self._link)
            return
        address, acknowledged = address_of(frame, firmware)
        endpoint = 0 if frame.profile == Profile.ZDO else OUR_ENDPOINT
        command = SendAps(
            destination=address,
            source_endpoint=endpoint,
            destination_endpoint=frame.destination_endpoint,
            cluster=frame.cluster,
            profile=frame.profile,
            security=0,
            radius=frame.radius,
            data=frame.payload,
        )
        async with self._window:
            await self._fly(command, frame, acknowledged, firmware)

    async def _fly(self, command: SendAps, frame: ApsFrame, acknowledged: bool, firmware: Firmware) -> None:
        flight = Flight(
            short=frame.destination,
            endpoint=frame.destination_endpoint,
            cluster=frame.cluster,
            is_acknowledged=acknowledged,
        )
        self._flights.begin(flight)
        try:
            await self._launch(command, flight, firmware)
            if not firmware.has_confirms or frame.delivery is not Delivery.UNICAST:
                return
            limit = ACKNOWLEDGED_S if acknowledged else CONFIRMED_S
            try:
                async with asyncio.timeout(limit):
                    await flight.done
            except TimeoutError:
                self._counters["unconfirmed"] += 1
                raise NoReplyError(f"the stick did not say within {limit:g} s whether it was delivered") from None
        finally:
            self._flights.end(flight)

    async def _launch(self, command: SendAps, flight: Flight, firmware: Firmware) -> None:
        """Give it to the stick, again while it has no room."""
        for pause in (*BACK_OFFS_S, None):
            wait = self._back_off_until - asyncio.get_running_loop().time()
            if wait > 0:
                await asyncio.sleep(wait)
            try:
                status = await self._link.command(command, attempts=1)
            except NoReplyError:
                if flight.done.done():
                    return  # only the status was lost: the far end has confirmed
                if firmware.has_confirms and flight.is_acknowledged:
                    # It may be on its way: the acknowledgement tells.
                    return
                raise
            code = int(status.status)
            if code == SerialStatus.SUCCESS or (
                firmware.is_mistaken_about_sends and code == StackStatus.APS_INVALID_PARAMETER
            ):
                if firmware.has_confirms:
                    self._flights.numbered(
                        flight, status.aps_counter if status.aps_counter is not None else status.sequence
                    )
                return
            if code not in _OUT_OF_BUFFERS or pause is None:
                raise not_sent(code)
            self._counters["backed_off"] += 1
            await asyncio.sleep(pause)

    async def _do(self, command: Packet, what: str) -> None:
        status = await self._link.command(command)  # type: ignore[arg-type]
        if status.status is not SerialStatus.SUCCESS:
            raise DeliveryError(f"the stick refuses {what}", status.status.name, int(status.status))

    async def permit_join(self, duration_s: int, via: int | None = None) -> None:
        """See `ZigbeeRadio`. By the stick's own command: raw broadcasts are not sent by firmware 3.1e to 3.21."""
        if not 0 <= duration_s <= 254:
            raise NotSupportedError(f"joining opens for 0 to 254 s at once, not {duration_s}")
        if via is not None:
            await self._do(PermitJoining(via, duration_s, 0), "to open joining")
            return
        # To the routers, and to the stick itself, which does not count itself among them in every version.
        await self._do(PermitJoining(0x0000, duration_s, 0), "to open joining")
        await self._do(PermitJoining(ALL_ROUTERS, duration_s, 0), "to open joining")

    async def remove(self, ieee: Eui64, parent: Eui64 | None = None) -> None:
        """See `ZigbeeRadio`."""
        await self._do(RemoveDevice(parent if parent is not None else self.network.ieee, ieee), "to remove a device")

    async def register_key(self, ieee: Eui64, key: bytes) -> None:
        """See `ZigbeeRadio`."""
        raise NotSupportedError("a ZiGate has one key for all devices that join")

    async def remove_key(self, ieee: Eui64) -> None:
        """See `ZigbeeRadio`."""
        raise NotSupportedError("a ZiGate has one key for all devices that join")

    async def has_certificate(self) -> bool:
        """See `ZigbeeRadio`."""
        raise NotSupportedError("a ZiGate has no certificate")

    async def install_certificate(self, certificate: DeviceCertificate) -> None:
        """See `ZigbeeRadio`."""
        raise NotSupportedError("a ZiGate has no certificate")

    async def remove_certificate(self) -> None:
        """See `ZigbeeRadio`."""
        raise NotSupportedError("a ZiGate has no certificate")

    async def energy_scan(self, channels: Sequence[int]) -> Mapping[int, int]:
        """See `ZigbeeRadio`."""
        if self._scanned is not None:
            raise NotSupportedError("a scan is going on already")
        mask = sum(1 << channel for channel in channels)
        scanned: asyncio.Future[tuple[int, tuple[int, ...]]] = asyncio.get_running_loop().create_future()
        self._scanned = scanned
        try:
            await self._do(NetworkUpdateRequest(0x0000, mask, 3, 1, 0, 0), "to scan")
            async with asyncio.timeout(SCAN_S):
                found, energy = await scanned
        except TimeoutError:
            raise NoReplyError(f"the stick did not finish its scan within {SCAN_S:g} s") from None
        finally:
            self._scanned = None
        return dict(zip((channel for channel in range(11, 27) if found >> channel & 1), energy, strict=False))

    async def set_channel(self, channel: int) -> None:
        """See `ZigbeeRadio`."""
        await self._do(NetworkUpdateRequest(0x0000, 1 << channel, 0xFE, 0, 0, 0), "to change the channel")
        for _ in range(CHANNEL_MOVES):
            await asyncio.sleep(CHANNEL_LOOK_S)
            await self._look()
            if self.network.channel == channel:
                self._tell(NetworkChanged(self.network))
                return
        raise NoReplyError(f"the network is still on channel {self.network.channel}")

    async def set_led(self, on: bool) -> None:
        """See `ZigbeeRadio`."""
        await self._do(SetLed(int(on)), "to switch its LED")

    async def set_tx_power(self, level: int) -> int:
        """See `ZigbeeRadio`."""
        return (await self._link.ask(SetTxPower(level), TxPower)).level

    async def set_certification(self, region: str) -> None:
        """See `ZigbeeRadio`."""
        await self._do(SetCertification(Certification[region]), "to change its certification")

    async def set_time(self, utc_s: int) -> None:
        """See `ZigbeeRadio`."""
        await self._do(SetTime(utc_s), "the time")

    async def erase(self) -> None:
        """See `ZigbeeRadio`. The stick restarts, and forms a new network."""
        restarting = self._restarting = asyncio.Event()
        try:
            try:
                await self._link.command(ErasePersistentData(), attempts=1)
            except NoReplyError:
                log.info("%s: erasing: the restart was faster than the status", self.name)
            async with asyncio.timeout(RESTART_S):
                await restarting.wait()
            self._restarting = None
            await self._set_up()
            if not self.network.channel:
                await self._form()
        except TimeoutError:
            raise NoReplyError(f"the stick did not restart within {RESTART_S:g} s after erasing") from None
        finally:
            self._restarting = None
        self._tell(NetworkChanged(self.network))


class ZigateDriver:
    """The driver as `radios.loader` finds it."""

    carries = "zigbee"
    joins = False

    def check(self, config: RadioConfig) -> None:
        """Raise `OptionError` when the configuration is wrong."""
        parse_options(config)

    def open(self, config: RadioConfig, trace: Callable[[str, bytes, str], None] | None) -> ZigateRadio:
        """A radio that is not open yet."""
        return ZigateRadio(config, parse_options(config), trace)


DRIVER = ZigateDriver()
