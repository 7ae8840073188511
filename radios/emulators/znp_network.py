"""How an emulated Z-Stack stick forms its network, comes back to it, opens it, and what it is told of link keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from radios.emulators.air import BROADCAST_ROUTERS, COORDINATOR, Air, AirFrame, Credentials
from radios.emulators.cursor import Cursor, u16, u64
from radios.emulators.keyed_hash import BLOCK, key_of
from radios.emulators.znp_core import BAD_PARAMETER, FAILED, NO_MEMORY, OK, Core, DeviceState, Handler, Handlers
from radios.emulators.znp_keys import UNKNOWN_SHORT
from radios.emulators.znp_nvram import (
    ACTIVE_KEY,
    CHANNELS,
    COUNTER_LAYOUT,
    EXTENDED_PAN_ID,
    IS_ON_NETWORK,
    KEY_AND_COUNTER,
    KEY_AND_COUNTER_LAYOUT,
    NETWORK_KEY,
    NETWORK_LAYOUT,
    NIB,
    OTHER_KEY,
    PAN_ID,
    ROLE,
    STARTED,
    USED_EXTENDED_PAN_ID,
)

START_S, FORM_S = 0.1, 0.2
STATE_CHANGED, PERMITTED, PERMIT_ANSWER, SCANNED, COMMISSIONED = 0x05C0, 0x05CB, 0x05B6, 0x05B8, 0x0F80
SUCCESS, IN_PROGRESS, FORMATION_FAILED = 0, 1, 8
"""What came of commissioning. That a network is there already is a failure to form one."""
FORM, NONE = 0x04, 0x00
"""Modes of commissioning."""
RESTORED, NEW, NOT_STARTED = b"\x00", b"\x01", b"\x02"
ANY_PAN = 0xFFFF
ALWAYS, LONGEST_S = 0xFF, 1e9
BROADCAST_MODE = 0x0F
NO_KEY = b"\xff" * 16
COUNTER_STEP, COUNTER_KEPT = 1000, 100
"""So much further the counter is after each start, for those frames that flash does not know of; and how often it is
written there."""
CODE, KEY = 1, 2
"""Forms of an installation code."""
CHANNEL_CHANGE = 0xFE
MANAGED = 0x05
"""Largest duration that means a scan."""


class Network:
    """Commands about the network."""

    def __init__(self, core: Core, hold: Callable[[Credentials, int, int], None], silence: Callable[[], None]) -> None:
        self._core, self._hold, self._silence = core, hold, silence
        self._primary = 0
        self._trusts_until = 0.0
        self._counter = self._life = 0
        """Frame counter, and what grows with each reset."""
        core.next_counter = self._next_counter
        self._closing: asyncio.TimerHandle | None = None

    def restarted(self) -> None:
        """It is silent until it is told to start."""
        core = self._core
        self._life += 1
        core.state = DeviceState.HELD
        core.own.short = UNKNOWN_SHORT
        core.heard.clear()
        core.clusters.clear()
        self._primary, self._trusts_until = 0, 0.0
        self.stop()
        self._silence()

    def stop(self) -> None:
        """Nobody waits for the end of joining any more."""
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None

    @property
    def commands(self) -> Handlers:
        """By subsystem and number."""
        told: dict[int, Handler] = {
            0x0523: self._set_link_key,
            0x0524: self._remove_link_key,
            0x0525: self._link_key,
            0x0536: self._permit,
            0x0540: self._start,
            0x0542: self._set_link_key,
            0x0544: self._remove_link_key,
            0x0545: lambda _: OK,
            0x0546: lambda _: OK,
            0x0550: self._info,
            0x0552: lambda _: b"",
            0x0554: self._start,
        }
        if not self._core.firmware.has_commissioning:
            return told
        return told | {
            0x0F01: lambda _: OK,
            0x0F03: lambda _: OK,
            0x0F04: self._add_code,
            0x0F05: self._commission,
            0x0F06: self._only_codes,
            0x0F07: lambda _: OK,
            0x0F08: self._set_channels,
            0x0F09: lambda _: OK,
            0x0FFF: self._set_counter,
        }

    # -- start ---------------------------------------------------------------------------------------------------------

    @property
    def _aligned(self) -> bool:
        return self._core.firmware.is_aligned

    @property
    def is_formed(self) -> bool:
        """Flash has a network."""
        nvram = self._core.nvram
        base = nvram.get(NIB)
        if len(base) != NETWORK_LAYOUT.size(aligned=self._aligned):
            return False
        if self._core.firmware.has_commissioning and nvram.number(IS_ON_NETWORK) != 1:
            return False
        return bool(NETWORK_LAYOUT.number(base, "channel", aligned=self._aligned))

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        """Unless it is reset before."""
        life = self._life
        self._core.after(seconds, lambda: act() if life == self._life else None)

    def _start(self, _: Cursor) -> bytes:
        """Start from what flash says; older versions form a network when there is none."""
        if self.is_formed:
            self._later(START_S, self.up)
            return RESTORED
        if self._core.firmware.has_commissioning:
            return NOT_STARTED
        self._later(FORM_S, lambda: self._formed(None))
        self._changed(DeviceState.STARTING)
        return NEW

    def _commission(self, fields: Cursor) -> bytes:
        mode = fields.u8()
        if mode == NONE:
            if self.is_formed:
                self._later(START_S, self.up)
            return OK
        if mode != FORM:
            self._tell(FORMATION_FAILED, mode, NONE)
            return OK
        if self.is_formed:

            def restored() -> None:
                self.up()
                self._tell(FORMATION_FAILED, FORM, NONE)

            self._later(START_S, restored)
            return OK
        if self._core.nvram.number(ROLE) != 0:
            self._tell(FORMATION_FAILED, FORM, NONE)
            return OK
        self._changed(DeviceState.STARTING)
        self._later(FORM_S / 2, lambda: self._tell(IN_PROGRESS, FORM, FORM))
        self._later(FORM_S, lambda: self._formed(SUCCESS))
        return OK

    def _formed(self, told: int | None) -> None:
        self.form(self._core.air)
        self.up()
        if told is not None:
            self._tell(told, FORM, NONE)

    def _tell(self, status: int, mode: int, remaining: int) -> None:
        self._core.after(0.0, lambda: self._core.say(COMMISSIONED, bytes((status, mode, remaining))))

    def _changed(self, state: DeviceState) -> None:
        self._core.state = state
        self._core.after(0.0, lambda: self._core.say(STATE_CHANGED, bytes((state,))))

    def form(self, air: Air) -> None:
        """A new network, as flash wants it, laid down there."""
        core = self._core
        nvram, random = core.nvram, core.random
        mask = self._primary or nvram.number(CHANNELS)
        channels = [channel for channel in range(11, 27) if mask >> channel & 1] or [11]
        pan_id = nvram.number(PAN_ID)
        wide = nvram.get(USED_EXTENDED_PAN_ID)
        if not any(wide):
            wide = core.own.ieee.to_bytes(8, "little")
        key = nvram.get(NETWORK_KEY)
        if key == NO_KEY or not any(key):
            key = random.randbytes(16)
            nvram.put(NETWORK_KEY, key)
        base: dict[str, int | bytes] = {
            "children": 50, "depth": 20, "routers": 50, "broadcast_time": 30, "secure_all": 1, "security_level": 5,
            "capabilities": 0x8F, "protocol": 2, "short": COORDINATOR, "channel": min(channels, key=air.energy),
            "coordinator": COORDINATOR, "pan_id": random.randint(1, 0xFFFE) if pan_id == ANY_PAN else pan_id,
            "state": STARTED, "channels": mask, "extended_pan_id": wide, "key_loaded": 1, "manager": COORDINATOR,
        }  # fmt: skip
        nvram.put(NIB, NETWORK_LAYOUT.written(base, aligned=self._aligned))
        for item in (ACTIVE_KEY, OTHER_KEY):
            nvram.put(item, b"\x00" + key)
        nvram.put(EXTENDED_PAN_ID, wide)
        if core.firmware.has_commissioning:
            nvram.put(IS_ON_NETWORK, b"\x01")
        else:
            made: dict[str, int | bytes] = {"key": key, "counter": 0}
            nvram.put(KEY_AND_COUNTER, KEY_AND_COUNTER_LAYOUT.written(made, aligned=self._aligned))
        self.counter = 1

    def up(self) -> None:
        """On the air, with the network that flash has."""
        core = self._core
        if not self.is_formed or core.is_up:
            return
        base = core.nvram.get(NIB)

        def number(name: str) -> int:
            return NETWORK_LAYOUT.number(base, name, aligned=self._aligned)

        core.own.short = number("short")
        wide = NETWORK_LAYOUT.read(base, "extended_pan_id", aligned=self._aligned)
        key = core.nvram.get(ACTIVE_KEY)[1:17]
        self._hold(Credentials(int.from_bytes(wide, "little"), key), number("channel"), number("pan_id"))
        self.counter = self._counter = self.counter + COUNTER_STEP
        self._changed(DeviceState.COORDINATOR)

    def _next_counter(self) -> int:
        self._counter += 1
        if self._counter % COUNTER_KEPT == 0:
            self.counter = self._counter
        return self._counter

    # -- the frame counter ---------------------------------------------------------------------------------------------

    @property
    def _wide(self) -> bytes:
        return NETWORK_LAYOUT.read(self._core.nvram.get(NIB), "extended_pan_id", aligned=self._aligned)

    @property
    def counter(self) -> int:
        """Of the network's frames, as flash has it."""
        nvram = self._core.nvram
        if not self._core.firmware.has_commissioning:
            kept = nvram.get(KEY_AND_COUNTER)
            return KEY_AND_COUNTER_LAYOUT.number(kept, "counter", aligned=self._aligned)
        for key in nvram.counter_rows:
            row = bytes(nvram.items.get(key, b""))
            if row and COUNTER_LAYOUT.read(row, "extended_pan_id", aligned=self._aligned) == self._wide:
                return COUNTER_LAYOUT.number(row, "counter", aligned=self._aligned)
        return 0

    @counter.setter
    def counter(self, value: int) -> None:
        nvram = self._core.nvram
        if not self._core.firmware.has_commissioning:
            kept = nvram.get(KEY_AND_COUNTER)
            names = ("sequence", "key")
            made: dict[str, int | bytes] = {
                name: KEY_AND_COUNTER_LAYOUT.read(kept, name, aligned=self._aligned) for name in names
            }
            made["counter"] = value & 0xFFFFFFFF
            nvram.put(KEY_AND_COUNTER, KEY_AND_COUNTER_LAYOUT.written(made, aligned=self._aligned))
            return
        free: tuple[int, int, int] | None = None
        for key in nvram.counter_rows:
            row = bytes(nvram.items.get(key, b""))
            wide = COUNTER_LAYOUT.read(row, "extended_pan_id", aligned=self._aligned) if row else b""
            if wide == self._wide:
                free = key
                break
            if free is None and not any(wide):
                free = key
        row = COUNTER_LAYOUT.written(
            {"counter": value & 0xFFFFFFFF, "extended_pan_id": self._wide}, aligned=self._aligned
        )
        nvram.items[free or nvram.counter_rows[0]] = bytearray(row)

    def _set_counter(self, fields: Cursor) -> bytes:
        value = fields.u32()
        if not self.is_formed:
            return FAILED
        self.counter = self._counter = value
        return OK

    # -- joining -------------------------------------------------------------------------------------------------------

    @property
    def trusts(self) -> bool:
        """The trust centre gives the network key to those who join now."""
        return self._core.is_up and asyncio.get_running_loop().time() < self._trusts_until

    def _permit(self, fields: Cursor) -> bytes:
        core = self._core
        mode, to, seconds, _ = fields.u8(), fields.u16(), fields.u8(), fields.u8()
        if not core.is_up:
            return FAILED
        length = LONGEST_S if seconds == ALWAYS else float(seconds)
        is_all = mode == BROADCAST_MODE or to >= BROADCAST_ROUTERS
        if is_all or to == core.own.short or not core.firmware.needs_own_window:
            self._trusts_until = asyncio.get_running_loop().time() + length
        if is_all or to == core.own.short:
            core.air.permit(length, via=0)
            self._told_open(seconds)
            if is_all:
                core.air.broadcast(self._request(to, bytes((0, seconds, 1))))
            core.after(0.0, lambda: core.say(PERMIT_ANSWER, u16(core.own.short) + b"\x00"))
            return OK
        core.spawn(self._ask(self._request(to, bytes((0, seconds, 1)))))
        return OK

    def _request(self, to: int, body: bytes) -> AirFrame:
        return AirFrame(
            source=self._core.own.short,
            destination=to,
            source_endpoint=0,
            destination_endpoint=0,
            profile=0,
            cluster=0x0036,
            payload=body,
            network_counter=self._core.next_counter(),
        )

    async def _ask(self, frame: AirFrame) -> None:
        await self._core.air.send(frame)

    def _told_open(self, seconds: int) -> None:
        """Versions without the newest flash say so, and when it is over."""
        core = self._core
        if core.firmware.has_tables:
            return
        self.stop()
        core.after(0.0, lambda: core.say(PERMITTED, bytes((seconds,))))
        if seconds not in (0, ALWAYS):
            self._closing = asyncio.get_running_loop().call_later(seconds, lambda: core.say(PERMITTED, b"\x00"))

    def _set_channels(self, fields: Cursor) -> bytes:
        is_primary, mask = fields.u8(), fields.u32()
        if is_primary:
            self._primary = mask
        return OK

    def _info(self, _: Cursor) -> bytes:
        core, air = self._core, self._core.air
        if not core.is_up:
            return u16(UNKNOWN_SHORT) + u16(ANY_PAN) + u16(UNKNOWN_SHORT) + bytes(8 + 8 + 1)
        head = u16(core.own.short) + u16(air.pan_id) + u16(COORDINATOR) + u64(air.extended_pan_id)
        return head + bytes(8) + bytes((air.channel,))

    # -- link keys -----------------------------------------------------------------------------------------------------

    def _set_link_key(self, fields: Cursor) -> bytes:
        short, ieee, key = fields.u16(), fields.u64(), fields.take(BLOCK)
        return OK if self._core.keys.store(ieee, short, key) else NO_MEMORY

    def _remove_link_key(self, fields: Cursor) -> bytes:
        return OK if self._core.keys.remove(fields.u64()) else FAILED

    def _link_key(self, fields: Cursor) -> bytes:
        ieee = fields.u64()
        key = self._core.keys.key_for(ieee)
        return (OK if key is not None else FAILED) + u64(ieee) + (key or bytes(BLOCK))

    def _add_code(self, fields: Cursor) -> bytes:
        form, ieee, code = fields.u8(), fields.u64(), fields.rest()
        key = key_of(code) if form == CODE else code if form == KEY and len(code) == BLOCK else None
        if key is None:
            return BAD_PARAMETER
        self._core.keys.codes[ieee] = key
        return OK

    def _only_codes(self, fields: Cursor) -> bytes:
        self._core.keys.only_codes = bool(fields.u8())
        return OK
