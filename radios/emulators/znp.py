"""An emulated Z-Stack stick (Texas Instruments): its firmware over a pseudo terminal or TCP, with a room around it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from radios.emulators.air import COORDINATOR, AirFrame, Credentials, Station
from radios.emulators.cursor import Cursor, TruncatedError, u16, u64
from radios.emulators.errors import EmulatorError
from radios.emulators.mt_line import ASYNCHRONOUS, RESPONSE, SYNCHRONOUS, Reader, written
from radios.emulators.own_object import OwnObject
from radios.emulators.stick import EmulatedStick, StickConfig
from radios.emulators.znp_core import Core, Handler
from radios.emulators.znp_firmware import DEFAULT_FIRMWARE, FIRMWARES
from radios.emulators.znp_keys import CHILD, Keys
from radios.emulators.znp_messages import Messages
from radios.emulators.znp_network import Network
from radios.emulators.znp_nvram import EXTENDED_ADDRESS, NETWORK_LAYOUT, NIB, Nvram
from radios.emulators.znp_system import SystemCommands

IEEE = 0x00124B001CA10001
BOOT_S, MOVE_S = 0.1, 0.3
RESET_INDICATION, REFUSED = 0x0180, 0x6000
RESET = 0x0100
POWERED_UP, BY_HOST, WATCHDOG = 0, 1, 2
"""Why it was reset."""
NO_SUBSYSTEM, NO_COMMAND, BAD_LENGTH = 1, 2, 4
JOINED, LEFT = 0x05CA, 0x05C9
COMMANDS_KEPT = 512
MAX_EARLY = 256
"""Bytes in the buffer of its serial port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZnpConfig(StickConfig):
    """How the emulator is set up."""

    devices: tuple[str, ...] = ("plug", "meter", "thermostat", "smart-meter")
    firmware: str = DEFAULT_FIRMWARE
    is_formed: bool = False
    """It has a network already; so it has when devices are `joined`."""


class ZnpEmulator(EmulatedStick):
    """`async with ZnpEmulator(config) as stick`: it is plugged in, and has booted."""

    def __init__(self, config: ZnpConfig = ZnpConfig(), room: EmulatedStick | None = None) -> None:
        firmware = FIRMWARES.get(config.firmware)
        if firmware is None:
            raise EmulatorError(f"firmware {config.firmware!r} is not known; there are {', '.join(FIRMWARES)}")
        super().__init__(config, room=room)
        self.config, self.firmware = config, firmware
        self.ieee = IEEE + (config.seed << 24) + (0x100 if room is not None else 0)
        self.nvram = Nvram(firmware, self.random, self.ieee)
        self.keys = Keys(self.nvram)
        self.core = Core(
            firmware=firmware,
            nvram=self.nvram,
            keys=self.keys,
            air=self.air,
            random=self.random,
            statuses=self.statuses,
            own=OwnObject(self.air, self.ieee),
            say=self._call_back,
            after=self._after,
            spawn=self._spawn,
        )
        self.core.own.move = self._move
        self.system = SystemCommands(self.core)
        self.messages = Messages(self.core)
        self.network = Network(self.core, self._hold, self._silence)
        self.commands: list[tuple[int, bytes]] = []
        """The last commands of the host."""
        self._is_up = asyncio.Event()
        """It has booted for the first time."""
        self._early = bytearray()
        """What the host has said while it boots: its serial port listens before the rest does."""
        self._reader = Reader()
        self._handlers: Mapping[int, Handler] = {
            **self.system.commands,
            **self.messages.commands,
            **self.network.commands,
        }

    # -- life ----------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        config = self.config
        self._furnish()
        await self.end.__aenter__()
        self._give_keys()
        if config.is_formed or config.joined:
            self.network.form(self.air)
            self.network.up()
        for number in config.joined or ():
            device = self.devices[number]
            self.air.join(device, quietly=True)
            if device.link_key is not None:
                device.is_authenticated = True
                self.keys.store(device.ieee, device.short, device.link_key)
            self._adopt(device.ieee)
        self._boot(POWERED_UP)
        await self._is_up.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.network.stop()
        await super().__aexit__(kind, error, trace)

    def toml(self, name: str = "zigbee") -> str:
        """The lines for hub.toml."""
        return f'[[radio]]\nname = "{name}"\ndriver = "znp"\npipe = "{self.pipe_url}"\n'

    def _boot(self, reason: int) -> None:
        self._booting = True
        for task in list(self._tasks):
            task.cancel()
        if self.nvram.boot():
            self.keys.codes.clear()
        self.ieee = self.core.own.ieee = self.nvram.number(EXTENDED_ADDRESS)
        self.keys.restarted()
        self.messages.restarted()
        self.network.restarted()

        def up() -> None:
            self._booting = False
            self._is_up.set()
            self._reader = Reader()
            self._call_back(RESET_INDICATION, bytes((reason,)) + self.system.version)
            early = bytes(self._early)
            self._early.clear()
            self._received(early)

        self._after(BOOT_S, up)

    def _restarted(self) -> None:
        self._boot(POWERED_UP)

    def kill(self) -> None:
        """See `EmulatedStick`: nobody on the air hears it any more."""
        super().kill()
        self.network.restarted()

    def crash(self) -> None:
        """Its watchdog bites: it restarts, and nobody has asked for it."""
        self._boot(WATCHDOG)

    def overflow(self, count: int) -> None:
        """See `EmulatedStick`."""
        self.messages.overflow = count

    # -- the line ------------------------------------------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        if self.is_mute:
            return
        if self._booting:
            self._early += data[: MAX_EARLY - len(self._early)]
            return
        for command, fields in self._reader.feed(data):
            if self._booting:
                self._early += written(command, fields)  # it came behind a reset
            elif self.end.survives():
                self._command(command, fields)

    def _say(self, command: int, data: bytes) -> None:
        if not self.is_mute and not self._booting:
            self.end.send_frame(written(command, data))

    def _call_back(self, number: int, data: bytes) -> None:
        self._say(number | ASYNCHRONOUS << 8, data)

    def _command(self, command: int, fields: bytes) -> None:
        self.commands.append((command, fields))
        del self.commands[:-COMMANDS_KEPT]
        kind, number = command >> 8 & 0xE0, command & 0x1FFF
        if kind == ASYNCHRONOUS:
            if number == RESET:
                self._boot(BY_HOST)
            return None
        if kind != SYNCHRONOUS:
            return None
        handler = self._handlers.get(number)
        if handler is None:
            is_known = any(known >> 8 == number >> 8 for known in self._handlers)
            return self._refuse(command, NO_COMMAND if is_known else NO_SUBSYSTEM)
        try:
            answer = handler(Cursor(fields))
        except TruncatedError:
            return self._refuse(command, BAD_LENGTH)
        if answer is not None:
            self._say(number | RESPONSE << 8, answer)
        return None

    def _refuse(self, command: int, reason: int) -> None:
        self._say(REFUSED, bytes((reason,)) + command.to_bytes(2, "big"))

    # -- on the air ----------------------------------------------------------------------------------------------------

    def _hold(self, network: Credentials, channel: int, pan_id: int) -> None:
        self.air.hold(self, network, channel, pan_id)

    def _silence(self) -> None:
        self.air.release(self)

    def _move(self, channel: int) -> None:
        """To another channel; everybody goes along."""

        def moved() -> None:
            base, aligned = self.nvram.get(NIB), self.firmware.is_aligned
            self.nvram.put(NIB, NETWORK_LAYOUT.changed(base, "channel", channel, aligned=aligned))
            self.air.channel = channel

        self._after(MOVE_S, moved)

    def can_read(self, frame: AirFrame) -> bool:
        """See `air.Coordinator`."""
        place = self.air.place_of(frame.source)
        return not frame.encrypted or place is None or self.keys.fits(place.station)

    def receive(self, frame: AirFrame, lqi: int) -> None:
        """See `air.Coordinator`."""
        if not self._booting:
            self.messages.receive(frame, lqi)

    def admits(self, station: Station) -> bool:
        """See `air.Coordinator`."""
        return self.network.trusts and self.keys.admits(station)

    @property
    def leaves_keys_to_host(self) -> bool:
        """See `air.Coordinator`."""
        return True

    def authenticate(self, ieee: int) -> bool:
        """See `air.Coordinator`: for devices without certificates the key that they joined with is as good."""
        place = self.air.places.get(ieee)
        is_known = place is not None and self.keys.key_for(ieee) is not None
        return place is not None and is_known and self.core.is_up and self.keys.fits(place.station)

    def _adopt(self, ieee: int) -> None:
        """An end device hangs on the stick."""
        place = self.air.places[ieee]
        if not place.is_router and place.parent == 0:
            self.keys.note(ieee, place.short, CHILD)

    def joined(self, ieee: int, short: int, capability: int, *, rejoin: bool) -> None:
        """See `air.Coordinator`."""
        del capability, rejoin
        place = self.air.places[ieee]
        self.core.heard[ieee] = short
        self._adopt(ieee)
        parent = self.air.places[place.parent].short if place.parent in self.air.places else COORDINATOR
        self._call_back(JOINED, u16(short) + u64(ieee) + u16(parent))

    def left(self, ieee: int, *, rejoin: bool) -> None:
        """See `air.Coordinator`."""
        short = self.core.heard.pop(ieee, self.keys.short_of(ieee))
        self.keys.forget_use(ieee, CHILD)
        if self.core.is_up:
            told = u16(0xFFFE if short is None else short) + u64(ieee)
            self._call_back(LEFT, told + bytes((0, 0, rejoin)))
