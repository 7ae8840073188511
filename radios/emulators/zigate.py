"""An emulated ZiGate: the stick's firmware over a pseudo terminal or TCP, with a room of devices around it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

from radios.emulators.air import (
    BROADCAST_ALL,
    DELIVERED,
    NO_APS_ACK,
    AirFrame,
    Station,
)
from radios.emulators.errors import EmulatorError
from radios.emulators.stick import EmulatedStick, StickConfig
from radios.emulators.zcl import BadFrameError
from radios.emulators.zigate_firmware import FIRMWARES
from radios.emulators.zigate_line import Reader, write
from radios.emulators.zigate_native import NativeCommands
from radios.emulators.zigate_object import default_response, device_object

IEEE = 0x00158D0000FE0001
BOOT_S = 0.3
FORM_S = 0.4
SCAN_S_PER_CHANNEL = 0.02
MOVE_S = 0.5
MAX_ASDU = 100
OK, BAD_PARAMETERS, UNHANDLED, BUSY, STARTED, NO_ROOM = 0, 1, 2, 3, 4, 0x15
NO_APS_ACK_SLOT = 0x83


@dataclass(frozen=True, slots=True, kw_only=True)
class ZigateConfig(StickConfig):
    """How the emulator is set up."""

    devices: tuple[str, ...] = ("cube", "plug", "meter", "thermostat")
    press_when_open_s: float | None = None
    """Devices that are not joined are told to join so long after joining was opened; None: somebody presses their
    buttons."""
    firmware: str = "3.23"
    factory_new: bool = False


class ZigateEmulator(EmulatedStick):
    """`async with ZigateEmulator(config) as stick`: it is plugged in, and has booted."""

    def __init__(self, config: ZigateConfig = ZigateConfig()) -> None:
        firmware = FIRMWARES.get(config.firmware)
        if firmware is None:
            raise EmulatorError(f"firmware {config.firmware!r} is not known; there are {', '.join(FIRMWARES)}")
        super().__init__(config)
        self.config, self.firmware = config, firmware
        self.ieee = IEEE + (config.seed << 16)
        self.commands: list[tuple[int, bytes]] = []
        """The last commands of the host."""
        self._reader = Reader()
        self._raw = 0
        self._in_flight = 0
        self._channel_mask = 0x07FFF800
        self._wanted_epid = 0
        self._time = 0
        self._power = 0
        self.led = True
        self.region = 1
        self._native = NativeCommands(self._put, self._say)
        self._native.short_of = self._short_of
        self._handlers: Mapping[int, Callable[[bytes], int | None]] = {
            **{code: partial(self._native.carry_out, code) for code in NativeCommands.CODES},
            0x0002: self._set_raw,
            0x0003: lambda _: OK,
            0x0008: lambda _: OK if self.firmware.is_v2 else UNHANDLED,
            0x0009: self._network_state,
            0x0010: self._version,
            0x0011: lambda _: self._restart(erase=False),
            0x0012: lambda _: self._restart(erase=True),
            0x0014: lambda _: self._say_after(0x8014, bytes((self.air.is_open,))),
            0x0015: self._device_list,
            0x0016: self._set_time,
            0x0017: lambda _: self._say_after(0x8017, struct.pack(">I", self._time)),
            0x0018: self._set_led,
            0x0019: self._set_region,
            0x0020: self._set_epid,
            0x0021: self._set_channels,
            0x0024: self._start,
            0x0026: self._remove,
            0x0049: self._permit,
            0x004A: self._network_update,
            0x0530: self._send_aps,
            0x0806: self._set_power,
            0x0807: lambda _: self._say_after(0x8807, bytes((self._power,))),
        }

    # -- life ----------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        config = self.config
        await self.end.__aenter__()
        self.air.attach(self)
        if not config.factory_new:
            self._form(20, 0x1A00 + config.seed % 0xFF, 0x9C0F3A5500000000 + config.seed)
        self._furnish()
        for number in config.joined or ():
            if not self.air.join(self.devices[number], quietly=True):
                raise EmulatorError("devices cannot be on a network that is not formed yet: leave factory_new away")
        self._boot()
        return self

    def toml(self, name: str = "zigbee") -> str:
        """The lines for hub.toml."""
        return f'[[radio]]\nname = "{name}"\ndriver = "zigate"\npipe = "{self.pipe_url}"\n'

    def _restarted(self) -> None:
        self._reader = Reader()
        self._boot()

    def _boot(self) -> None:
        self._in_flight = 0
        self._booting = True

        def up() -> None:
            self._booting = False
            if self.firmware.status_size >= 6:
                self._say(0x0302, b"\x00")
            if self.air.channel:
                self._say(0x8006, b"\x01")
            else:
                self._say(0x8007, b"\x00")

        self._after(BOOT_S, up)

    # -- the line ------------------------------------------------------------------------------------------------------

    def _say(self, code: int, payload: bytes, lqi: int = 0) -> None:
        if not self.is_mute and not self._booting:
            self.end.send_frame(write(code, payload, lqi))

    def _say_after(self, code: int, payload: bytes) -> int:
        """Once the status of this command is out."""
        self._after(0.0, lambda: self._say(code, payload))
        return OK

    def _status(self, code: int, status: int, sequence: int = 0, sent: int = 0) -> None:
        lost = self.statuses.lost_status
        if lost and self.random.random() < lost:
            return
        body = struct.pack(">BBH", status, sequence, code)
        if self.firmware.status_size >= 6:
            body += bytes((sent, sequence))
        if self.firmware.status_size >= 8:
            body += bytes((0, self._in_flight))
        self._say(0x8000, body)

    def _received(self, data: bytes) -> None:
        if self.is_mute or self._booting:
            return
        for code, payload in self._reader.feed(data):
            if not self.end.survives():
                continue
            self.commands.append((code, payload))
            del self.commands[:-256]
            handler = self._handlers.get(code)
            if handler is None:
                self._status(code, UNHANDLED)
                continue
            try:
                status = handler(payload)
            except (struct.error, IndexError):
                status = BAD_PARAMETERS
            if status is not None:
                self._status(code, status)

    # -- local commands ------------------------------------------------------------------------------------------------

    def _set_raw(self, payload: bytes) -> int:
        if not self.firmware.has_raw:
            return UNHANDLED
        self._raw = payload[0]
        return OK

    def _version(self, _: bytes) -> int:
        return self._say_after(0x8010, struct.pack(">HH", self.firmware.major, self.firmware.installer))

    def _network_state(self, _: bytes) -> int:
        if not self.air.channel:
            body = struct.pack(">HQHQB", 0xFFFF, self.ieee, 0xFFFF, 0, 0)
        else:
            body = struct.pack(">HQHQB", 0, self.ieee, self.air.pan_id, self.air.extended_pan_id, self.air.channel)
        return self._say_after(0x8009, body)

    def _restart(self, *, erase: bool) -> int | None:
        self._status(0x0012 if erase else 0x0011, OK)
        if erase:
            self.air.forget_all()
            self.air.channel, self.air.pan_id, self.air.extended_pan_id = 0, 0xFFFF, 0
            self._raw = 0
        self._boot()
        return None

    def _device_list(self, _: bytes) -> int:
        body = b""
        for number, place in enumerate(self.air.places.values()):
            body += struct.pack(
                ">BHQBB", number, place.short, place.station.ieee, place.station.capability >> 2 & 1, place.lqi
            )
        return self._say_after(0x8015, body[: 13 * 70])

    def _set_time(self, payload: bytes) -> int:
        self._time = struct.unpack(">I", payload)[0]
        return OK

    def _set_led(self, payload: bytes) -> int:
        self.led = bool(payload[0])
        return OK

    def _set_region(self, payload: bytes) -> int:
        if payload[0] not in (1, 2):
            return BAD_PARAMETERS
        self.region = payload[0]
        return OK

    def _set_power(self, payload: bytes) -> int:
        self._power = payload[0]
        return self._say_after(0x8806, bytes((self._power,)))

    # -- the network ---------------------------------------------------------------------------------------------------

    def _set_epid(self, payload: bytes) -> int:
        if self.air.channel:
            return STARTED
        self._wanted_epid = struct.unpack(">Q", payload)[0]
        return OK

    def _set_channels(self, payload: bytes) -> int:
        mask = struct.unpack(">I", payload)[0]
        self._channel_mask = 1 << mask if 11 <= mask <= 26 else mask
        return OK

    def _start(self, _: bytes) -> int:
        if self.air.channel:
            self._after(0.0, lambda: self._say(0x8024, struct.pack(">BHQB", 4, 0, self.ieee, self.air.channel)))
            return STARTED

        def formed() -> None:
            channels = [channel for channel in range(11, 27) if self._channel_mask >> channel & 1] or [11]
            best = min(channels, key=self.air.energy)
            pan = self.random.randint(1, 0xFFFE)
            self._form(best, pan, self._wanted_epid or self.random.getrandbits(63) | 1)
            self._say(0x8024, struct.pack(">BHQB", 1, 0, self.ieee, best))

        self._after(FORM_S, formed)
        return OK

    def _form(self, channel: int, pan_id: int, extended_pan_id: int) -> None:
        self.air.channel, self.air.pan_id, self.air.extended_pan_id = channel, pan_id, extended_pan_id

    def _remove(self, payload: bytes) -> int:
        _, child = struct.unpack(">QQ", payload)
        self._after(0.05, lambda: self._dropped(child))
        return OK

    def _dropped(self, ieee: int) -> None:
        self.air.drop(ieee, told=True)

    def _permit(self, payload: bytes) -> int:
        target, seconds, _ = struct.unpack(">HBB", payload)
        place = self.air.place_of(target)
        if target == 0xFFFC:
            self.air.permit(seconds)
            press = self.config.press_when_open_s
            if seconds and press is not None:
                self._after(press, self._press_all)
        elif target == 0x0000:
            self.air.permit(seconds, via=0)
        elif place is not None and place.is_router:
            self.air.permit(seconds, via=place.station.ieee)
        else:
            return 0xD0
        return OK

    def _press_all(self) -> None:
        for found in self.devices:
            if not found.is_joined:
                self.air.join(found)

    def _network_update(self, payload: bytes) -> int:
        _, mask, duration = struct.unpack_from(">HIB", payload)
        channels = [channel for channel in range(11, 27) if mask >> channel & 1]
        if duration == 0xFE:
            if len(channels) != 1:
                return BAD_PARAMETERS
            self._after(MOVE_S, lambda: setattr(self.air, "channel", channels[0]))
            return OK

        def scanned() -> None:
            energy = bytes(self.air.energy(channel) for channel in channels)
            body = struct.pack(">BBHHIB", 0, 0, 12, 0, sum(1 << channel for channel in channels), len(energy))
            self._say(0x804A, body + energy + b"\x00\x00")

        self._after(SCAN_S_PER_CHANNEL * len(channels), scanned)
        return OK

    # -- frames out ----------------------------------------------------------------------------------------------------

    def _send_aps(self, payload: bytes) -> int | None:
        firmware = self.firmware
        if not firmware.has_raw:
            return UNHANDLED
        mode = payload[0]
        size = 8 if mode in (3, 8) and firmware.has_confirms else 2
        address = int.from_bytes(payload[1 : 1 + size], "big")
        source, to, cluster, profile, _, _, length = struct.unpack_from(">BBHHBBB", payload, 1 + size)
        data = payload[10 + size :]
        if len(data) != length:
            return BAD_PARAMETERS
        if length > MAX_ASDU:
            return 0x14
        acknowledged = firmware.has_confirms and mode in (2, 3)
        if self._overflow:
            self._overflow -= 1
            return NO_ROOM
        if acknowledged and self._in_flight >= firmware.slots:
            self._say(0x9999, bytes((NO_APS_ACK_SLOT,)))
            return NO_ROOM
        if size == 8:
            place = self.air.places.get(address)
            if place is None:
                return 0xA9
            address = place.short
        self._counter = (self._counter + 1) & 0xFF
        counter = self._counter
        is_zdo = source == 0
        frame = AirFrame(
            source=0x0000,
            destination=address,
            source_endpoint=source,
            destination_endpoint=to,
            profile=0 if is_zdo else profile,
            cluster=cluster,
            payload=data,
            counter=counter,
            ack=acknowledged,
            group=address if mode == 1 else None,
        )
        self._status(0x0530, 0xA6 if firmware.says_a6 else OK, counter, 2 if is_zdo else 1)
        if mode in (1, 4):
            if firmware.has_groups:
                to_all = replace(frame, destination=BROADCAST_ALL, destination_endpoint=0xFF)
                self.air.broadcast(frame if mode == 4 else to_all)  # members of a group know themselves
                self._confirm(0x8012, OK, frame, mode)
            return None
        if address == 0:
            self._to_self(frame)
            if firmware.has_confirms:
                self._confirm(0x8012, OK, frame, mode)
                if acknowledged:
                    self._acknowledge(OK, frame)
            return None
        if acknowledged:
            self._in_flight += 1
        self._spawn(self._carry(frame, mode))
        return None

    async def _carry(self, frame: AirFrame, mode: int) -> None:
        outcome = await self._deliver(frame)
        if frame.ack:
            self._in_flight = max(0, self._in_flight - 1)
        if outcome in (DELIVERED, NO_APS_ACK):
            if self.firmware.has_confirms:
                self._confirm(0x8012, OK, frame, mode)
                if frame.ack:
                    self._acknowledge(outcome, frame)
            return
        self._confirm(0x8702, outcome, frame, mode)

    def _confirm(self, code: int, status: int, frame: AirFrame, mode: int) -> None:
        if not self.firmware.has_confirms and code == 0x8012:
            return
        destination = bytes((2,)) + struct.pack(">H", frame.destination)
        if code == 0x8702 and self.firmware.installer < 0x031A:
            destination = bytes((2,)) + struct.pack(">HHHH", frame.destination, 0, 0, 0)
        body = (
            bytes((status, frame.source_endpoint, frame.destination_endpoint)) + destination + bytes((frame.counter,))
        )
        if self.firmware.status_size >= 8:
            body += bytes((0, self._in_flight))
        self._say(code, body)

    def _acknowledge(self, status: int, frame: AirFrame) -> None:
        self._say(
            0x8011,
            struct.pack(">BHBHB", status, frame.destination, frame.destination_endpoint, frame.cluster, frame.counter),
        )

    def _to_self(self, frame: AirFrame) -> None:
        """The host asks the stick's own device object."""
        if frame.profile != 0 or frame.destination_endpoint != 0:
            return
        answer = device_object(self.air, self.ieee, frame.cluster, frame.payload[1:])
        if answer is not None:
            own = AirFrame(
                source=0,
                destination=0,
                source_endpoint=0,
                destination_endpoint=0,
                profile=0,
                cluster=frame.cluster | 0x8000,
                payload=frame.payload[:1] + answer,
            )
            self._after(0.01, lambda: self._indicate(own, 0))

    # -- frames in -----------------------------------------------------------------------------------------------------

    def receive(self, frame: AirFrame, lqi: int) -> None:
        """See `air.Coordinator`."""
        if frame.profile == 0 and frame.destination_endpoint == 0:
            if frame.cluster == 0x0013:
                self._announced(frame, lqi)
                return
            if not frame.cluster & 0x8000:
                self._asked(frame)
                return
        elif self.firmware.has_confirms:
            answer = default_response(frame)
            if answer is not None:
                self._reply(frame, frame.cluster, answer)
        self._indicate(frame, lqi)

    def _put(self, frame: AirFrame) -> None:
        """A frame that the firmware made of a command of its own."""
        if frame.destination == 0:
            self._to_self(frame)
            return
        self._spawn(self._carry(frame, 2))

    def _short_of(self, ieee: int) -> int:
        place = self.air.places.get(ieee)
        return place.short if place is not None else 0xFFFE

    def _indicate(self, frame: AirFrame, lqi: int) -> None:
        if not self._raw:
            with suppress(BadFrameError, struct.error, IndexError):
                self._native.tell(frame, lqi)
            return
        body = struct.pack(
            ">BHHBBBHBH",
            0,
            frame.profile,
            frame.cluster,
            frame.source_endpoint,
            frame.destination_endpoint,
            2,
            frame.source,
            2,
            frame.destination,
        )
        self._say(0x8002, body + frame.payload, lqi)

    def _announced(self, frame: AirFrame, lqi: int) -> None:
        short, ieee, capability = struct.unpack_from("<HQB", frame.payload, 1)
        if self._raw and not self.firmware.filters_announces:
            self._indicate(frame, lqi)
        else:
            self._say(0x004D, struct.pack(">HQB", short, ieee, capability), lqi)

    def admits(self, station: Station) -> bool:
        """See `air.Coordinator`: whoever knows the key that everybody knows."""
        return station.link_key is None

    @property
    def leaves_keys_to_host(self) -> bool:
        """See `air.Coordinator`."""
        return False

    def authenticate(self, ieee: int) -> bool:
        """See `air.Coordinator`. A ZiGate does not establish keys."""
        return False

    def joined(self, ieee: int, short: int, capability: int, *, rejoin: bool) -> None:
        """See `air.Coordinator`: the first of two announces, from the network layer."""
        self._say(0x004D, struct.pack(">HQBB", short, ieee, capability, int(rejoin)), 0)

    def left(self, ieee: int, *, rejoin: bool) -> None:
        """See `air.Coordinator`."""
        self._say(0x8048, struct.pack(">QB", ieee, int(rejoin)))

    def _asked(self, frame: AirFrame) -> None:
        """A device asks the stick's device object: the firmware answers."""
        answer = device_object(self.air, self.ieee, frame.cluster, frame.payload[1:])
        if answer is None:
            return
        self._reply(frame, frame.cluster | 0x8000, frame.payload[:1] + answer)
