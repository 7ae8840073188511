"""The life of a stick that zigpy's radio libraries drive: heartbeat, restarts, what it hears, joining windows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, ClassVar, Self

import zigpy.types

from protocols.aps import ApsFrame, Delivery, Security
from protocols.certificate import DeviceCertificate
from protocols.errors import CodecError
from protocols.ids import BroadcastAddress, Eui64, Profile
from protocols.zdo import (
    DeviceAnnounce,
    MgmtNwkUpdateRequest,
    MgmtPermitJoiningRequest,
    ZdoRequest,
    decode_zdo,
    encode_zdo,
)
from radios.api import (
    DeliveryError,
    DeviceJoined,
    DeviceLeft,
    FrameReceived,
    NetworkChanged,
    NoReplyError,
    NotReachableError,
    NotSupportedError,
    PipeError,
    RadioConfig,
    RadioError,
    RadioLostError,
)
from radios.stream import StreamUrl
from radios.zigbee_stick import ZigbeeStick
from radios.zigpy_backend import NoBuffersError, frame_of, silence_libraries
from radios.zigpy_backup import Restoration
from radios.zigpy_flights import Flights

log = logging.getLogger(__name__)

TICK_S = 0.5
ASKED_AFTER_S = 2.5
"""A stick that says nothing for so long is asked something harmless."""
MUTE_S = 7.5
"""And given up after so long: repetitions of the line protocol take less, and a hub notices within ten seconds."""
READY_S = 8.0
"""A frame waits so long for a stick that has restarted."""
CLOSING_S = 3.0
IN_FLIGHT = 6
"""Frames at once; sticks have few buffers, and need some for what they send by themselves."""
BACK_OFFS_S = (0.05, 0.2, 0.8)
"""Between attempts while the stick is out of buffers: nothing was sent then."""
MOVE_S = 3.0
"""For a broadcast to get through the network before we follow it to the other channel."""
CHANNEL_CHANGE = 0xFE
"""Duration of a network update request that means another channel (Zigbee R21, 2.4.3.3.9)."""
MAX_OPEN_S = 254
COORDINATOR = 0x0000
RESPONSE_BIT = 0x8000
KNOWN_JOININGS = 256


class ZigpyRadio(ZigbeeStick):
    """A base for `radios.api.ZigbeeRadio`: life, events, joining windows. The drivers say how their stick does it."""

    kind: ClassVar[str]
    """What it is called when it does not answer: "EZSP stick"."""

    def __init__(self, config: RadioConfig, url: StreamUrl, trace: Callable[[str, bytes, str], None] | None) -> None:
        super().__init__(config.name, self._lose)
        self._url, self._trace = url, trace
        self._tasks = asyncio.TaskGroup()
        self._pulses: list[asyncio.Task[None]] = []
        """Tasks that go on for as long as the radio is there."""
        self._ping: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        """Waits for the end of a joining window."""
        self._window = asyncio.Semaphore(IN_FLIGHT)
        self._flights = Flights()
        self._ready = asyncio.Event()
        self._ready_until = 0.0
        self._heard_at = 0.0
        self._is_open = self._coming_back = False
        self._rejoins: dict[Eui64, bool | None] = {}
        self._tsn = 0
        self._retries = len(BACK_OFFS_S)
        """Of a frame that the stick has no room for."""

    # -- what a driver says ------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        """Open the port, find the stick, and set it up; no network yet."""
        raise NotImplementedError

    async def _start(self) -> None:
        """Resume its network or form one, and set `_capabilities` and `_network`."""
        raise NotImplementedError

    async def _restart(self) -> None:
        """After a restart of its own: as `_connect` and `_start`, over the same port; never form."""
        raise NotImplementedError

    async def _look(self) -> None:
        """Set `_network` again."""
        raise NotImplementedError

    async def _leave_air(self) -> None:
        """The hub ends, and the stick is well: nothing that is sent to it shall be acknowledged from now on."""
        raise NotImplementedError

    async def _disconnect(self) -> None:
        """Close the port."""
        raise NotImplementedError

    async def _ask(self) -> None:
        """Ask the stick something harmless."""
        raise NotImplementedError

    async def _put(self, frame: ApsFrame) -> None:
        """Send a frame once and wait for its fate. Raises `NoBuffersError` when nothing was sent for want of room."""
        raise NotImplementedError

    async def _open_joining(self, seconds: int, *, here: bool) -> None:
        """Let devices in; `here`: through the stick itself, too."""
        raise NotImplementedError

    async def _close_joining(self) -> None:
        """Back to the trust centre's policy outside of joining windows."""
        raise NotImplementedError

    async def _update_id(self) -> int:
        """How often the network has moved: its update id, 0 to 255."""
        raise NotImplementedError

    async def _move(self, channel: int) -> None:
        """The others have been told: follow them to the channel, and set `_network`."""
        raise NotImplementedError

    async def _anew(self) -> None:
        """Forget the network, and begin another one; set `_network`."""
        raise NotImplementedError

    def _restoration(self, kept: Mapping[str, object]) -> Restoration:
        """The work of becoming the stick of a backup. Raises `DeliveryError` when it is none."""
        raise NotImplementedError

    # -- life --------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Open the pipe, identify the stick, resume its network or form one. Raises `PipeError`, `RadioLostError`."""
        silence_libraries()
        try:
            await self._opened(self._connect())
            await self._told(self._start())
        except NoReplyError as error:
            await self._disconnect()
            raise RadioLostError(str(error)) from None
        except BaseException:
            await self._disconnect()
            raise
        await self._tasks.__aenter__()
        self.heard()
        self._ready.set()
        self._is_open = True
        self._pulses.append(self._tasks.create_task(self._watch(), name=f"{self.name} heartbeat"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_open and self._events.lost is None and self._closing is not None:
            # Nobody is there to close the window later.
            try:
                async with asyncio.timeout(CLOSING_S):
                    await self._told(self._close_joining())
            except (RadioError, TimeoutError):
                log.warning("%s: joining could not be closed", self.name)
        is_well = self._is_open and self._events.lost is None
        self._is_open = False
        if is_well:
            with suppress(RadioError):
                await self._told(self._leave_air())
        self._lose("closed")
        for task in (*self._pulses, self._ping, self._closing):
            if task is not None:
                task.cancel()
        await self._disconnect()
        await self._tasks.__aexit__(None, None, None)

    async def _opened(self, work: Coroutine[Any, Any, None]) -> None:
        peer = self._url.peer
        try:
            await work
        except FileNotFoundError:
            raise PipeError(f"there is no {peer}") from None
        except PermissionError:
            raise PipeError(
                f"{peer} may not be opened: add this user to its group, as by `sudo usermod -aG dialout $USER`, "
                "and log in again"
            ) from None
        except TimeoutError:
            raise RadioLostError(
                f"no {self.kind} answers at {peer}: is it this port, is the rate of {self._url.baud} baud right, "
                "and is nothing else using it?"
            ) from None
        except OSError as error:
            raise PipeError(f"{peer} cannot be opened: {error.strerror or error}") from None
        except RadioError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the library makes of a stick that is none
            raise RadioLostError(f"what answers at {peer} is no {self.kind}: {error!r}") from None

    async def _told(self, work: Awaitable[Any]) -> Any:
        """The outcome of a library's work, its errors as ours."""
        if self._events.lost is not None:
            if isinstance(work, Coroutine):
                work.close()
            raise RadioLostError(self._events.lost)
        try:
            return await work
        except RadioError:
            raise
        except Exception as error:  # noqa: BLE001 - its errors have no common base
            if self._events.lost is not None:
                raise RadioLostError(self._events.lost) from None
            if isinstance(error, TimeoutError):
                raise NoReplyError("the stick did not answer") from None
            raise NoReplyError(f"the stick did not do it: {error!r}") from None

    def _spawn(self, work: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None] | None:
        """Do something that nobody waits for, while the radio is open."""
        if not self._is_open or self._events.lost is not None:
            work.close()
            return None
        return self._tasks.create_task(self._alone(work, what), name=f"{self.name} {what}")

    async def _alone(self, work: Coroutine[Any, Any, None], what: str) -> None:
        try:
            await self._told(work)
        except RadioError as error:
            log.debug("%s: %s: %s", self.name, what, error)

    def _lose(self, reason: str) -> None:
        reason = self._events.end(reason)
        self._ready.set()  # whoever waits for it hears why it is gone
        self._flights.fail(reason)
        for task in self._pulses:
            if task is not asyncio.current_task():
                task.cancel()

    async def _watch(self) -> None:
        """Ask a silent stick, and give up a mute one."""
        loop = asyncio.get_running_loop()
        while self._events.lost is None:
            await asyncio.sleep(TICK_S)
            silent_s = loop.time() - self._heard_at
            if silent_s >= MUTE_S:
                self._lose(f"the stick says nothing for {MUTE_S:g} s")
                return
            if silent_s >= ASKED_AFTER_S and not self._coming_back and (self._ping is None or self._ping.done()):
                self._ping = self._spawn(self._ask(), "heartbeat")

    async def _come_back(self) -> None:
        try:
            await self._told(self._restart())
        except RadioError as error:
            self._lose(f"the stick has restarted and is not itself: {error}")
        else:
            self._ready.set()
            self._events.tell(NetworkChanged(self.network))
        finally:
            self._coming_back = False
            self._came_back()

    def _came_back(self) -> None:
        """It is itself again after a restart, or lost."""

    # -- in ----------------------------------------------------------------------------------------------------------

    def heard(self) -> None:
        """See `Listener`."""
        self._heard_at = asyncio.get_running_loop().time()

    def received(self, packet: zigpy.types.ZigbeePacket) -> None:
        """See `Listener`."""
        self.arrived(frame_of(packet))

    def arrived(self, frame: ApsFrame) -> None:
        """See `Listener`. An announce of a device is its joining."""
        if frame.profile == Profile.ZDO and frame.cluster == DeviceAnnounce.CLUSTER:
            try:
                _, announce = decode_zdo(frame.cluster, frame.payload)
            except CodecError:
                self.unreadable()
                return
            if isinstance(announce, DeviceAnnounce):
                self._events.tell(
                    DeviceJoined(
                        ieee=announce.ieee,
                        short=announce.short,
                        mac_capability=announce.mac_capability,
                        rejoined=self._rejoins.pop(announce.ieee, None),
                        lqi=frame.lqi,
                    )
                )
                return
        self._events.tell(FrameReceived(frame))

    def joined(self, ieee: Eui64, *, rejoined: bool | None) -> None:
        """See `Listener`. Told with the announce, which has the device's address and capabilities."""
        self._rejoins[ieee] = rejoined
        if len(self._rejoins) > KNOWN_JOININGS:
            del self._rejoins[next(iter(self._rejoins))]

    def left(self, ieee: Eui64, *, rejoin: bool = False) -> None:
        """See `Listener`."""
        self._events.tell(DeviceLeft(ieee, rejoin=rejoin))

    def unreadable(self) -> None:
        """See `Listener`."""
        self._counters["unreadable"] += 1

    def stick_lost(self, reason: BaseException | None) -> None:
        """See `Listener`. A closed port is an end; a restart is none."""
        if not self._is_open or self._events.lost is not None:
            return
        if not self._is_restart(reason):
            self._lose(f"{self._url.peer}: {reason or 'the far side closed it'}")
            return
        self._counters["restarts"] += 1
        self._flights.fail("the stick has restarted")
        if self._coming_back:
            return
        log.warning("%s: the stick has restarted (%r)", self.name, reason)
        self._coming_back = True
        self._ready.clear()
        self._ready_until = asyncio.get_running_loop().time() + READY_S
        # The joining window went with the stick's memory.
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        self._tasks.create_task(self._come_back(), name=f"{self.name} restart")

    def _is_restart(self, reason: BaseException | None) -> bool:
        """Whether the port is still open."""
        raise NotImplementedError

    def network_moved(self) -> None:
        """See `Listener`."""
        if not self._coming_back:
            self._spawn(self._look_again(), "look")

    async def _look_again(self) -> None:
        before = self._network
        await self._look()
        if self._network != before:
            self._events.tell(NetworkChanged(self.network))

    # -- out ---------------------------------------------------------------------------------------------------------

    async def _until_up(self) -> None:
        """A stick that has restarted is itself again in a second or two."""
        if not self._ready.is_set():
            try:
                async with asyncio.timeout(max(0.0, self._ready_until - asyncio.get_running_loop().time())):
                    await self._ready.wait()
            except TimeoutError:
                raise NotReachableError(
                    f"the stick has restarted, and is not on its network after {READY_S:g} s"
                ) from None
        if self._events.lost is not None:
            raise RadioLostError(self._events.lost)

    async def _until_ready(self) -> None:
        await self._until_up()
        if not self.network.is_operational:
            raise NotReachableError(f"the stick is not on its network ({self.network.waits_for})")

    async def send(self, frame: ApsFrame) -> None:
        """See `ZigbeeRadio`. Answers of device objects wait for nobody: who asks gives up after two seconds."""
        self._check(frame)
        await self._until_ready()
        if frame.profile == Profile.ZDO and frame.cluster & RESPONSE_BIT:
            await self._told(self._carry(frame))
            return
        async with self._window:
            await self._told(self._carry(frame))

    async def _carry(self, frame: ApsFrame) -> None:
        """Every frame is tried once; only a stick without buffers is asked again."""
        for tried in range(self._retries + 1):
            try:
                await self._put(frame)
            except NoBuffersError:
                if tried == self._retries:
                    raise
            else:
                return
            self._counters["backed_off"] += 1
            await asyncio.sleep(BACK_OFFS_S[min(tried, len(BACK_OFFS_S) - 1)])

    def _check(self, frame: ApsFrame) -> None:
        """Raise `NotSupportedError` for what cannot be sent."""
        can = self.capabilities
        if len(frame.payload) > can.max_payload:
            raise NotSupportedError(f"this stick carries {can.max_payload} bytes, not {len(frame.payload)}")
        if frame.security is Security.LINK_KEY and frame.delivery is not Delivery.UNICAST:
            raise NotSupportedError("only a frame to one device can be encrypted with a link key")
        if frame.destination is None and (frame.destination_ieee is None or frame.delivery is not Delivery.UNICAST):
            raise NotSupportedError("a frame needs an address")

    async def _say(self, request: ZdoRequest, to: int) -> None:
        self._tsn = (self._tsn + 1) & 0xFF
        await self.send(
            ApsFrame(
                profile=Profile.ZDO,
                cluster=request.CLUSTER,
                source_endpoint=0,
                destination_endpoint=0,
                payload=encode_zdo(self._tsn, request),
                destination=to,
            )
        )

    # -- joining -----------------------------------------------------------------------------------------------------

    async def permit_join(self, duration_s: int, via: int | None = None) -> None:
        """See `ZigbeeRadio`. The trust centre's policy is put back when the window closes."""
        if not 0 <= duration_s <= MAX_OPEN_S:
            raise NotSupportedError(f"joining opens for 0 to {MAX_OPEN_S} s at once, not {duration_s}")
        await self._until_ready()
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        if duration_s:
            # Already before the stick hears of it: a window whose answer was lost is closed as well.
            self._closing = self._spawn(self._close_later(duration_s), "end of joining")
            await self._told(self._open_joining(duration_s, here=via in (None, COORDINATOR)))
        else:
            await self._told(self._close_joining())
        request = MgmtPermitJoiningRequest(duration_s, 0)
        if via is None:
            try:
                await self._say(request, BroadcastAddress.ALL_ROUTERS_AND_COORDINATOR)
            except DeliveryError:
                log.debug("%s: nobody repeats it", self.name)
        elif via != COORDINATOR:
            await self._say(request, via)

    async def _close_later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._close_joining()
        self._closing = None

    # -- the network -------------------------------------------------------------------------------------------------

    async def set_channel(self, channel: int) -> None:
        """See `ZigbeeRadio`. Devices are told by broadcast first; the stick follows when that has had its time."""
        await self._until_up()
        update_id = await self._told(self._update_id())
        await self._say(
            MgmtNwkUpdateRequest(1 << channel, CHANNEL_CHANGE, (update_id + 1) & 0xFF), BroadcastAddress.ALL_DEVICES
        )
        await asyncio.sleep(MOVE_S)
        await self._told(self._move(channel))
        self._events.tell(NetworkChanged(self.network))

    async def erase(self) -> None:
        """See `ZigbeeRadio`. The stick begins a new network, as configured."""
        await self._until_up()
        self._coming_back = True
        try:
            await self._told(self._anew())
        finally:
            self._coming_back = False
            self._came_back()
        self._events.tell(NetworkChanged(self.network))

    async def restore(self, kept: Mapping[str, object]) -> None:
        """See `ZigbeeRadio`."""
        work = self._restoration(kept)
        await self._until_up()
        await self._told(work.check())
        self._coming_back = True
        self._network = replace(
            self.network, waits_for="it is being restored; if that has failed, restore it again", channel=0
        )
        try:
            await self._told(work.write())
            await self._told(self._restart())
        finally:
            self._coming_back = False
            self._events.tell(NetworkChanged(self.network))

    # -- what these sticks have not ----------------------------------------------------------------------------------

    async def has_certificate(self) -> bool:
        """See `ZigbeeRadio`."""
        raise NotSupportedError("this stick holds no certificate: the hub does")

    async def install_certificate(self, certificate: DeviceCertificate) -> None:
        """See `ZigbeeRadio`."""
        raise NotSupportedError("this stick holds no certificate: the hub does")

    async def remove_certificate(self) -> None:
        """See `ZigbeeRadio`."""
        raise NotSupportedError("this stick holds no certificate: the hub does")

    async def set_led(self, on: bool) -> None:
        """See `ZigbeeRadio`."""
        raise NotSupportedError("this stick has no LED of its own")

    async def set_certification(self, region: str) -> None:
        """See `ZigbeeRadio`."""
        raise NotSupportedError("this stick is made for its region")

    async def set_time(self, utc_s: int) -> None:
        """See `ZigbeeRadio`. The stick has no clock."""

    async def energy_scan(self, channels: Sequence[int]) -> Mapping[int, int]:
        """See `ZigbeeRadio`."""
        raise NotImplementedError
