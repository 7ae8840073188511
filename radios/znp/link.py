"""zigpy-znp's line to the stick, made to bear what a line does: lost frames, noise, answers that never come.

MT (Monitor and Test, over UART) has a checksum and nothing else: nobody repeats what is lost. So what may be asked
twice is asked again here; what may not (frames, forming) is asked once, and its outcome is looked for.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal, cast

import zigpy.serial
import zigpy_znp.commands as c
import zigpy_znp.types as t
from zigpy.datastructures import PriorityLock
from zigpy_znp.api import ZNP
from zigpy_znp.commands.ubl import BootloaderRunMode
from zigpy_znp.exceptions import CommandNotRecognized, InvalidCommandResponse
from zigpy_znp.frames import GeneralFrame, TransportFrame
from zigpy_znp.types.nvids import OsalNvIds
from zigpy_znp.uart import ZnpMtProtocol
from zigpy_znp.utils import OneShotResponseListener

from radios.api import NoReplyError

ANSWER_S = 3.0
"""For the answer to a command: a few milliseconds, but for a stick that tidies its flash."""
ATTEMPTS = 4
"""Of what may be asked again."""
PING_S = 1.0
FIND_S = 8.0
"""For a stick to answer at all."""
PIN_S = 0.15
RESET_S, RESETS = 5.0, 3
"""For a stick to say that it has restarted, and how often it is told to."""
UP_S, POLL_S, AGAIN_S = 60.0, 0.5, 5.0
"""For it to be on its network: forming takes the longest. How often it is asked, and told again if it does nothing."""
SILENT_S = 1.0
"""For a stick to restart when the hub ends."""
GAP_S = 0.5
"""Bytes of a frame follow each other faster than this: what waits for its rest for longer is none."""
PINS = ((False, False), (False, True), (False, False))
"""DTR and RTS, one after the other: out of the serial boot loader, where a board has them wired to it."""
SKIP_BOOT_LOADER = bytes((BootloaderRunMode.FORCE_RUN,)) * 256
"""CC253x: start the firmware now, not in a minute."""
ONCE = (c.AppConfig.BDBStartCommissioning.Req, c.SYS.ResetReq.Req)
REPEATED = (
    c.AF.Register.Req, c.AF.DataRetrieve.Req, c.ZDO.MsgCallbackRegister.Req, c.ZDO.SetLinkKey.Req, c.ZDO.GetLinkKey.Req,
    c.ZDO.RemoveLinkKey.Req, c.ZDO.MgmtPermitJoinReq.Req,
)  # fmt: skip
"""May be asked again, beside all commands of the subsystems below: they read, or set to the same once more."""
REPEATED_SUBSYSTEMS = frozenset((t.Subsystem.SYS, t.Subsystem.UTIL, t.Subsystem.SAPI, t.Subsystem.APPConfig))
DONE_BEFORE = {
    c.SYS.OSALNVItemInit.Req: t.Status.SUCCESS,
    c.SYS.OSALNVDelete.Req: t.Status.NV_ITEM_UNINIT,
    c.SYS.NVDelete.Req: t.Status.NV_ITEM_UNINIT,
    c.ZDO.RemoveLinkKey.Req: t.Status.FAILURE,
    c.AF.Register.Req: t.Status.APS_DUPLICATE_ENTRY,
}
"""What they say the second time, when only the answer to the first one was lost."""
WITH_KEYS = frozenset((
    (1, 0x07), (1, 0x08), (1, 0x09), (1, 0x1C), (1, 0x1D), (1, 0x33), (1, 0x34), (5, 0x23), (5, 0x25), (5, 0x42),
    (6, 0x04), (6, 0x05), (7, 0x01), (7, 0x44), (15, 0x04), (15, 0x07),
))  # fmt: skip
"""Subsystem and number of commands with keys in them, or with items of flash: a trace shows zeros in their place."""


class StickRestartedError(Exception):
    """It has restarted, and nobody told it to."""


class Line(ZnpMtProtocol):  # type: ignore[misc]
    """Frames on the line."""

    def __init__(self, link: Link, url: str) -> None:
        super().__init__(link, url=url)
        self._link = link
        self._rest: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Bytes arrived; what looks like the beginning of a frame and stays one is dropped."""
        super().data_received(data)
        self._no_rest()
        if self._buffer:
            self._rest = asyncio.get_running_loop().call_later(GAP_S, self._drop)

    def _drop(self) -> None:
        del self._buffer[:1]
        self.data_received(b"")

    def _no_rest(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """The far side closed it, or we did."""
        self._no_rest()
        super().connection_lost(exc)

    def close(self) -> None:
        """Close the port."""
        self._no_rest()
        super().close()

    def send(self, payload: GeneralFrame) -> None:
        """A frame to the stick."""
        self._link.traced("tx", payload)
        super().send(payload)


class Link(ZNP):  # type: ignore[misc]
    """One connection to the stick, with zigpy-znp's tables of commands and its reading of flash."""

    def __init__(
        self,
        config: dict[str, Any],
        owner: Any,
        *,
        heard: Callable[[], None],
        unreadable: Callable[[], None],
        messages: Mapping[Any, Callable[[bytes], None]],
        trace: Callable[[str, bytes], None] | None,
    ) -> None:
        """`owner` is told when the connection is lost, or the stick has restarted by itself.

        `messages`: who reads the data of a command by itself, by its header. zigpy-znp takes ten times as long, and
        cannot read all.
        """
        super().__init__(config)
        self.set_application(owner)
        self._heard, self._unreadable, self._messages, self._trace = heard, unreadable, messages, trace
        self._resetting: asyncio.Future[None] | None = None
        self._turn = PriorityLock()

    # -- life --------------------------------------------------------------------------------------------------------

    async def open(self, path: str, baud: int, flow: Literal["hardware"] | None, *, has_pins: bool) -> None:
        """Open the port, and find out what is there; nothing about the stick changes. Raises what the port raises."""
        _, made = await zigpy.serial.create_serial_connection(
            asyncio.get_running_loop(), lambda: Line(self, path), url=path, baudrate=baud, flow_control=flow
        )
        line = self._uart = cast("Line", made)
        await line.wait_until_connected()
        if has_pins:
            await self._leave_boot_loader(line)
        self.capabilities = (await self._found(line)).Capabilities
        await self.nvram.determine_alignment()
        self.version = await self.detect_zstack_version()

    @staticmethod
    async def _leave_boot_loader(line: Line) -> None:
        with suppress(OSError, NotImplementedError):  # not all that is called a serial port has pins
            for dtr, rts in PINS:
                await line.set_dtr_rts(dtr=dtr, rts=rts)
                await asyncio.sleep(PIN_S)

    async def _found(self, line: Line) -> Any:
        async with asyncio.timeout(FIND_S):
            while True:
                try:
                    return await super().request(c.SYS.Ping.Req(), timeout=PING_S)
                except TimeoutError:
                    line.write(SKIP_BOOT_LOADER)

    async def ping(self) -> None:
        """Something harmless."""
        await super().request(c.SYS.Ping.Req(), timeout=PING_S)

    async def reset(self, *, wait_for_reset: bool = True) -> None:
        """Restart the firmware; it is silent on the air until it is started. Raises `TimeoutError`."""
        for _ in range(RESETS):
            self._resetting = asyncio.get_running_loop().create_future()
            try:
                await super().reset(wait_for_reset=False)
                async with asyncio.timeout(RESET_S):
                    await self._resetting
                return
            except TimeoutError:
                continue
            finally:
                self._resetting = None
        raise TimeoutError

    async def silence(self) -> None:
        """Take the stick off the air: it would acknowledge what nobody hears, and nobody would send that again."""
        self._resetting = asyncio.get_running_loop().create_future()
        await super().reset(wait_for_reset=False)
        async with asyncio.timeout(SILENT_S):
            await self._resetting

    async def start_network(self) -> None:
        """Bring up the network that flash has, or form one as flash says. Raises `NoReplyError`, `DeliveryError`.

        zigpy-znp waits for what the stick says meanwhile; here it is asked, since what it says may be lost.
        """
        loop = asyncio.get_running_loop()
        started = c.ZDO.StateChangeInd.Callback(State=t.DeviceState.StartedAsCoordinator)
        tell_at = 0.0
        try:
            async with asyncio.timeout(UP_S):
                while True:
                    state = (await self.request(c.UTIL.GetDeviceInfo.Req())).DeviceState
                    if state == t.DeviceState.StartedAsCoordinator:
                        break
                    told = self.wait_for_response(started)
                    try:
                        if state != t.DeviceState.StartingAsCoordinator and loop.time() >= tell_at:
                            tell_at = loop.time() + AGAIN_S
                            with suppress(TimeoutError):  # it may have heard it all the same
                                await self._begin()
                        with suppress(TimeoutError):
                            async with asyncio.timeout(POLL_S):
                                await told
                    finally:
                        told.cancel()
                while not await self._has_base():  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise NoReplyError(
                f"it is not on its network after {UP_S:g} s: is something near it that disturbs, as a USB 3 port?"
            ) from None

    async def _begin(self) -> None:
        if self.version > 1.2:
            await self.request(
                c.AppConfig.BDBStartCommissioning.Req(Mode=c.app_config.BDBCommissioningMode.NwkFormation),
                RspStatus=t.Status.SUCCESS,
            )
        else:
            await self.request(c.ZDO.StartupFromApp.Req(StartDelay=100))

    async def _has_base(self) -> bool:
        """Whether flash says already what the network is: that takes a second or two."""
        try:
            base = await self.nvram.osal_read(OsalNvIds.NIB, item_type=t.NIB)
        except KeyError:
            return False
        return bool(base.nwkLogicalChannel != 0 and base.nwkPanId != 0xFFFE)

    # -- commands ----------------------------------------------------------------------------------------------------

    async def request(self, request: Any, timeout: float | None = None, **expected: Any) -> Any:
        """As zigpy-znp's: a command and its answer. What may be asked again is. Raises `TimeoutError`."""
        kind = type(request)
        attempts = ATTEMPTS if self._is_repeated(request) else 1
        for attempt in range(1, attempts + 1):
            try:
                return await self._asked(request, timeout or ANSWER_S, expected)
            except TimeoutError:
                if attempt == attempts:
                    raise
            except CommandNotRecognized:
                # zigpy-znp's own words have the whole request in them, keys too.
                raise CommandNotRecognized(f"its firmware has no {kind.__qualname__}") from None
            except InvalidCommandResponse as error:
                if attempt == 1 or DONE_BEFORE.get(kind) != error.response.Status:
                    raise
                return error.response
        raise AssertionError

    async def _asked(self, request: Any, limit_s: float, expected: dict[str, Any]) -> Any:
        if isinstance(request, c.SYS.ResetReq.Req):
            return await super().request(request, timeout=limit_s, **expected)
        async with self._turn(priority=self.get_request_priority(request)):
            try:
                return await super().request(request, timeout=limit_s, **expected)
            except TimeoutError:
                # Its answer may still come, and would be taken for that to the next command of its kind: nothing else
                # is asked before something harmless was answered, since the stick answers in order.
                with suppress(TimeoutError):
                    await super().request(c.SYS.Ping.Req(), timeout=PING_S)
                raise

    @staticmethod
    def _is_repeated(request: Any) -> bool:
        return type(request) not in ONCE and (
            type(request) in REPEATED or request.header.subsystem in REPEATED_SUBSYSTEMS
        )

    async def wished(self, request: Any) -> bool:
        """A command that some builds do not know; whether it was done."""
        try:
            answer = await self.request(request)
        except CommandNotRecognized:
            return False
        return bool(answer.Status == t.Status.SUCCESS)

    # -- in ----------------------------------------------------------------------------------------------------------

    def frame_received(self, frame: GeneralFrame) -> bool | None:
        """A frame of the stick. zigpy-znp would log those that it cannot read, with the keys in them."""
        self._heard()
        self.traced("rx", frame)
        reader = self._messages.get(frame.header)
        if reader is not None:
            try:
                reader(bytes(frame.data))
            except struct.error:
                self._unreadable()
            return True
        kind = c.COMMANDS_BY_ID.get(frame.header)
        if kind is c.SYS.ResetInd.Callback:
            self._restarted()
        if kind is None:
            self._unreadable()
            return False
        try:
            handled: bool | None = super().frame_received(frame)
        except ValueError:
            self._unreadable()
            return False
        return handled

    def connection_lost(self, exc: BaseException | None) -> None:
        """The port is closed: nobody waits for an answer any more."""
        self._abandon(ConnectionResetError("the port is closed"))
        super().connection_lost(exc)

    async def disconnect(self) -> None:
        """Close the port. zigpy-znp would cancel who waits, as if they had been told to stop."""
        self._abandon(ConnectionResetError("the port is closed"))
        await super().disconnect()

    def _abandon(self, error: Exception) -> None:
        """What was asked is not answered any more."""
        waiting = [
            one.future
            for listeners in self._listeners.values()
            for one in listeners
            if isinstance(one, OneShotResponseListener)
        ]
        if self._resetting is not None:
            waiting.append(self._resetting)
        for future in waiting:
            if not future.done():
                future.set_exception(error)
                future.exception()  # who waits gets it; who does not any more, need not

    def _restarted(self) -> None:
        if self._resetting is None:
            self._abandon(TimeoutError())
            if self._app is not None:
                self._app.connection_lost(StickRestartedError("it has restarted"))
        elif not self._resetting.done():
            self._resetting.set_result(None)

    def traced(self, direction: str, frame: GeneralFrame) -> None:
        """Show a frame, without keys."""
        if self._trace is None:
            return
        head = frame.header.serialize()
        if (head[0] & 0x1F, head[1]) in WITH_KEYS:
            frame = GeneralFrame(frame.header, t.Bytes(bytes(len(frame.data))))
        self._trace(direction, bytes(TransportFrame(frame).serialize()))
