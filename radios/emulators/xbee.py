"""An emulated XBee with Smart Energy firmware, over a pseudo terminal or TCP, with a room around it.

`XbeeEmulator` is the coordinator and trust centre; `xbee_router.XbeeRouter` joins the network of another one.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Self

from radios.emulators.air import (
    BROADCAST_ALL,
    DELIVERED,
    EXPIRED,
    NO_APS_ACK,
    NO_MAC_ACK,
    NO_ROUTE,
    Air,
    AirFrame,
    Station,
)
from radios.emulators.device_object import neighbour_rows, table
from radios.emulators.errors import EmulatorError
from radios.emulators.stick import EmulatedStick, StickConfig, link_key_of
from radios.emulators.xbee_line import Reader, write
from radios.emulators.xbee_registers import BAD_PARAMETER, OK, UNKNOWN, Registers

IEEE = 0x0013A20040400001
FIRMWARES = {"3119": 0x3119, "5132": 0x5132, "5156": 0x5156, "3319": 0x3319, "21A7": 0x21A7}
"""Values of VR: coordinator, S2C twice, router, and ZB firmware that is not Smart Energy's."""
EITHER = frozenset(("5132", "5156"))
"""Firmware whose role is up to register CE."""
BOOT_S, START_S, RESET_S = 0.2, 0.3, 0.3
MAX_KEYS = 10
MAX_PAYLOAD, ENCRYPTION, MAX_BROADCAST = 0x80, 9, 66
LONGER_SINCE, LONGER_PAYLOAD = 0x5156, 0xFF
"""Firmware whose frames may be longer."""
MAX_KNOWN = 32
"""Frames that are known again when they are repeated: more than come within the repetitions of one."""
MAX_OUT = 8
"""Transmissions that the module has buffers for."""
DEVICE_ANNOUNCE = 0x0013
OF_THE_NETWORK = frozenset(("ID", "SC", "KY"))
"""Registers upon whose change the network is formed or joined anew."""
OF_THE_STACK = frozenset((0x0000, 0x0001, 0x0002, 0x0003, 0x0031))
"""Device object requests that the stack answers whatever AO says."""
_STATUS = {DELIVERED: 0x00, NO_APS_ACK: 0x21, NO_ROUTE: 0x24, NO_MAC_ACK: 0x01, EXPIRED: 0x21}
_NO_BUFFERS, _NOT_JOINED, _SELF, _BROADCAST_ENCRYPTED, _TOO_LARGE, _NO_KEY = 0x18, 0x22, 0x23, 0x2D, 0x74, 0xBB


@dataclass(frozen=True, slots=True, kw_only=True)
class XbeeConfig(StickConfig):
    """How the emulator is set up. Keys of devices that are `joined` are registered."""

    devices: tuple[str, ...] = ("plug", "meter", "thermostat")
    firmware: str = "3119"
    is_certified: bool = True
    api_mode: int | None = None
    """That cannot be changed; None: it is 1, and can."""


def form(air: Air, random: Random, mask: int, extended_pan_id: int) -> None:
    """A network on one of the channels of a mask; extended PAN id 0: a random one."""
    channels = [11 + bit for bit in range(16) if mask >> bit & 1]
    air.channel = min(channels, key=air.energy)
    air.pan_id = random.randint(1, 0xFFFE)
    air.extended_pan_id = extended_pan_id or random.getrandbits(63) | 1


class XbeeEmulator(EmulatedStick):
    """`async with XbeeEmulator(config) as module`: it is plugged in, and has its network."""

    def __init__(self, config: XbeeConfig = XbeeConfig(), air: Air | None = None) -> None:
        if config.firmware not in FIRMWARES:
            raise EmulatorError(f"firmware {config.firmware!r} is not known; there are {', '.join(FIRMWARES)}")
        super().__init__(config, air)
        self.config = config
        self.ieee = IEEE + (config.seed << 16)
        self.registers = Registers(is_either=config.firmware in EITHER)
        if config.api_mode is not None:
            self.registers.write("AP", bytes((config.api_mode,)))
            self.registers.keep()
        self.table: dict[int, bytes] = {}
        """Link keys of devices that may join, by extended address."""
        self.commands: list[bytes] = []
        """The last frames of the host."""
        self.outcomes: list[int | None] = []
        """Delivery statuses that the next transmissions get without being sent; None: they get no status."""
        self.refuses: set[str] = set()
        """AT commands that this module says it does not have."""
        self._authenticated: set[int] = set()
        self._reader = Reader()
        self._known: deque[tuple[int, int]] = deque(maxlen=MAX_KNOWN)
        self._association = 0xFF
        self._out = 0
        self._is_changed = False
        """What was queued changes the network."""

    # -- life ----------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        config = self.config
        await self.end.__aenter__()
        self.air.attach(self)
        form(self.air, self.random, self.registers.number("SC"), self.registers.number("ID"))
        self._association = 0x00
        self._furnish()
        for number in config.joined or ():
            device = self.devices[number]
            self.table[device.ieee] = device.link_key or b""
            device.is_authenticated = True
            self._authenticated.add(device.ieee)
            self.air.join(device, quietly=True)
        return self

    def toml(self, name: str = "han") -> str:
        """The lines for hub.toml."""
        return f'[[radio]]\nname = "{name}"\ndriver = "xbee"\npipe = "{self.pipe_url}"\n'

    def restart(self) -> None:
        """It restarts by itself."""
        self._boot(0x01)

    def kill(self) -> None:
        """See `EmulatedStick`: nobody on the air hears it any more."""
        super().kill()
        self._power(False)

    def _power(self, on: bool) -> None:
        """Whether its radio works."""
        self.air.is_coordinator_on = on

    def knows(self, ieee: int, key: bytes) -> None:
        """A device has been on its network for a while, with its keys."""
        self.table[ieee] = key
        self._authenticated.add(ieee)

    def forget(self) -> None:
        """Its flash is gone, or it is another one of its kind: another network, without keys and devices."""
        self.table.clear()
        self._authenticated.clear()
        self.air.forget_all()
        form(self.air, self.random, self.registers.number("SC"), self.registers.number("ID"))

    def _restarted(self) -> None:
        self._reader = Reader()
        self._boot(0x00)

    def _boot(self, status: int) -> None:
        self._booting, self._association, self._out = True, 0xFF, 0
        self._power(False)
        for task in list(self._tasks):
            task.cancel()  # what was on its way is not known any more
        self.air.permit(0, via=0)
        self.registers.restart()

        def up() -> None:
            self._booting = False
            self._reader = Reader()
            self._say(bytes((0x8A, status)))
            self._after(START_S, started)

        def started() -> None:
            self._association = 0x00
            self._power(True)
            self.air.permit(self.registers.number("NJ"), via=0)
            self._say(b"\x8a\x06")

        self._after(BOOT_S, up)

    def _furnish(self) -> None:
        super()._furnish()
        for device in self.devices:
            device.link_key = link_key_of(device.ieee)

    @property
    def is_on_network(self) -> bool:
        """It has formed, or joined."""
        return self._association == 0x00

    @property
    def _longest(self) -> int:
        return LONGER_PAYLOAD if FIRMWARES[self.config.firmware] >= LONGER_SINCE else MAX_PAYLOAD

    # -- the line ------------------------------------------------------------------------------------------------------

    def _say(self, data: bytes) -> None:
        if not self.is_mute and not self._booting:
            self.end.send_frame(write(data, escaped=self.registers.number("AP") == 2))

    def _received(self, data: bytes) -> None:
        if self.is_mute or self._booting:
            return
        self._reader.escaped = self.registers.number("AP") == 2
        for frame in self._reader.feed(data):
            if not self.end.survives():
                continue
            self.commands.append(frame)
            del self.commands[:-256]
            try:
                self._frame(frame)
            except (struct.error, IndexError):
                self._reader.bad += 1
            self._reader.escaped = self.registers.number("AP") == 2

    def _frame(self, frame: bytes) -> None:
        match frame[0]:
            case 0x08 | 0x09:
                name, value = frame[2:4].decode("ascii", "replace").upper(), frame[4:]
                if frame[0] == 0x09:
                    self.registers.queued[name] = value
                    status, answer = OK, b""
                else:
                    self._apply()
                    status, answer = self._at(name, value)
                if frame[1]:
                    self._say(b"\x88" + frame[1:4] + bytes((status,)) + answer)
                if frame[0] == 0x08:
                    self._act(name, status)
            case 0x11:
                self._transmit(frame)
            case 0x24:
                status = self._register(frame)
                if frame[1]:
                    self._say(b"\xa4" + frame[1:2] + bytes((status,)))

    # -- AT commands ---------------------------------------------------------------------------------------------------

    def _apply(self) -> None:
        for name, value in self.registers.queued.items():
            before = self.registers.of(name)
            self.registers.write(name, value)
            self._is_changed |= name in OF_THE_NETWORK and self.registers.of(name) != before
        self.registers.queued.clear()

    def _at(self, name: str, value: bytes) -> tuple[int, bytes]:
        """Status and value; what it starts comes in `_act`, once the answer is out."""
        if name in self.refuses:
            return UNKNOWN, b""
        air = self.air
        known = {
            "VR": FIRMWARES[self.config.firmware].to_bytes(2, "big"),
            "HV": b"\x19\x4a",
            "SH": self.ieee.to_bytes(8, "big")[:4],
            "SL": self.ieee.to_bytes(8, "big")[4:],
            "AI": bytes((self._association,)),
            "CH": bytes((air.channel if self.is_on_network else 0,)),
            "OI": air.pan_id.to_bytes(2, "big"),
            "OP": air.extended_pan_id.to_bytes(8, "big"),
            "MY": self.short.to_bytes(2, "big") if self.is_on_network else b"\xff\xfe",
            "NP": bytes((self._longest,)),
            "NC": b"\x0a",
            "ZS": b"\x02",
            "VC": bytes((self.config.is_certified or {"ZU", "ZT", "ZV"} <= set(self.registers.keys),)),
            "%V": b"\x0c\xe4",
            "TP": b"\x00\x19",
            "PP": b"\x12",
            "MP": b"\xff\xfe",
            "CK": b"\x12\x34",
        }
        if name in known:
            return (OK, known[name]) if not value else (BAD_PARAMETER, b"")
        match name:
            case "WR":
                self.registers.keep()
                return OK, b""
            case "FR" | "AC" | "RE":
                return OK, b""
            case "NR":
                return (OK, b"") if value in (b"", b"\x00", b"\x01") else (BAD_PARAMETER, b"")
            case "CB":
                return (OK, b"") if value in (b"\x01", b"\x02", b"\x04") else (BAD_PARAMETER, b"")
        if not value:
            return self.registers.read(name)
        if name == "AP" and self.config.api_mode is not None:
            return BAD_PARAMETER, b""
        before = self.registers.of(name)
        status = self.registers.write(name, value)
        self._is_changed |= name in OF_THE_NETWORK and self.registers.of(name) != before
        if name == "NJ" and status == OK and self.registers.of(name) != before:
            # The timer starts only when the value changes.
            self.air.permit(self.registers.number("NJ"), via=0)
        return status, b""

    def _act(self, name: str, status: int) -> None:
        if status != OK:
            return
        if name == "FR":
            self._after(RESET_S, lambda: self._boot(0x01))
        elif name == "NR":
            self._leave()
        elif name == "CB":
            self.air.permit(60)
        elif self._is_changed:
            self._leave()
        self._is_changed = False

    def _leave(self) -> None:
        """The network is gone; another one is formed."""
        self._association = 0xFF
        self._authenticated.clear()
        self.air.forget_all()

        def formed() -> None:
            form(self.air, self.random, self.registers.number("SC"), self.registers.number("ID"))
            self._association = 0x00
            self._say(b"\x8a\x06")

        self._after(START_S, formed)

    def _register(self, frame: bytes) -> int:
        ieee, key = int.from_bytes(frame[2:10], "big"), frame[13:]
        if ieee in (0, 0xFFFF, 0xFFFFFFFFFFFFFFFF):
            return 0xB3
        if not any(key):
            return OK if self.table.pop(ieee, None) is not None else 0xFF
        if len(key) > 16:
            return 0x01
        if ieee not in self.table and len(self.table) >= MAX_KEYS:
            return 0xB4
        self.table[ieee] = key.rjust(16, b"\x00")
        return OK

    # -- frames out ----------------------------------------------------------------------------------------------------

    def _transmit(self, frame: bytes) -> None:
        number, wide, short, source, to, cluster, profile, _, options = struct.unpack_from(">BQHBBHHBB", frame, 1)
        data = frame[20:]
        encrypted = bool(options & 0x20)
        is_broadcast = wide == 0xFFFF
        if self.outcomes:
            outcome = self.outcomes.pop(0)
            return None if outcome is None else self._status(number, short, outcome)
        if len(data) > (MAX_BROADCAST if is_broadcast else self._longest - (ENCRYPTION if encrypted else 0)):
            return self._status(number, short, _TOO_LARGE)
        if not self.is_on_network:
            return self._status(number, 0xFFFD, _NOT_JOINED)
        if self._overflow:
            self._overflow -= 1
            return self._status(number, 0xFFFD, _NO_BUFFERS)
        if self._out >= MAX_OUT:
            return self._status(number, 0xFFFD, _NO_BUFFERS)
        if is_broadcast and encrypted:
            return self._status(number, 0xFFFE, _BROADCAST_ENCRYPTED)
        target = self._target(wide, short)
        if target is None:
            return self._status(number, 0xFFFD, 0x24)
        ieee, address = target
        if ieee == self.ieee:
            return self._status(number, self.short, _SELF)
        if encrypted and ieee not in self._authenticated:
            return self._status(number, address, _NO_KEY)
        self._counter = (self._counter + 1) & 0xFF
        found = AirFrame(
            source=self.short,
            destination=address,
            source_endpoint=source,
            destination_endpoint=to,
            profile=profile,
            cluster=cluster,
            payload=data,
            counter=self._counter,
            ack=not is_broadcast,
            encrypted=encrypted,
        )
        if is_broadcast:
            if profile == 0 and cluster == 0x0036 and len(data) >= 2:
                self.air.permit(data[1])
            self._spread(found)
            return self._status(number, 0xFFFE, OK)
        self._out += 1
        self._spawn(self._carry(number, found))
        return None

    def _spread(self, frame: AirFrame) -> None:
        """Broadcast."""
        self.air.broadcast(frame)

    def _target(self, wide: int, short: int) -> tuple[int, int] | None:
        """Extended and network address; None: nobody knows it."""
        if wide == 0xFFFF:
            return wide, BROADCAST_ALL if short in (0xFFFE, 0xFFFF) else short
        if wide == 0:
            return (self.air.coordinator.ieee, 0) if self.air.coordinator is not None else None
        if wide == self.ieee:
            return self.ieee, self.short
        if self.air.coordinator is not None and wide == self.air.coordinator.ieee:
            return wide, 0
        if wide == 0xFFFFFFFFFFFFFFFF:
            place = self.air.place_of(short)
            return (place.station.ieee, short) if place is not None else None
        place = self.air.places.get(wide)
        if place is not None:
            return wide, place.short
        return (wide, short) if short < 0xFFF8 else None

    async def _carry(self, number: int, frame: AirFrame) -> None:
        outcome = await self._deliver(frame)
        self._out = max(0, self._out - 1)
        self._status(number, frame.destination, _STATUS.get(outcome, outcome))

    def _status(self, number: int, short: int, delivery: int) -> None:
        lost = self.statuses.lost_status
        if not number or (lost and self.random.random() < lost):
            return
        self._say(struct.pack(">BBHBBB", 0x8B, number, short, 0, delivery, 0))

    # -- frames in -----------------------------------------------------------------------------------------------------

    def can_read(self, frame: AirFrame) -> bool:
        """See `air.Coordinator` and `air.Station`."""
        place = self.air.place_of(frame.source)
        centre = self.air.coordinator
        ieee = place.station.ieee if place is not None else centre.ieee if centre is not None else None
        return not frame.encrypted or ieee in self._authenticated

    def receive(self, frame: AirFrame, lqi: int = 0) -> None:
        """See `air.Coordinator` and `air.Station`."""
        del lqi  # the module does not tell it
        if not self.is_on_network or self._is_repeated(frame):
            return
        place = self.air.place_of(frame.source)
        ieee = place.station.ieee if place is not None else 0xFFFFFFFFFFFFFFFF
        if frame.source == 0 and self.air.coordinator is not None:
            ieee = self.air.coordinator.ieee
        if frame.profile == 0 and frame.destination_endpoint == 0 and not frame.cluster & 0x8000:
            is_request = frame.cluster != DEVICE_ANNOUNCE
            if is_request and (frame.cluster in OF_THE_STACK or self.registers.number("AO") != 3):
                answer = self._device_object(frame)
                if answer is not None:
                    self._reply(frame, frame.cluster | 0x8000, frame.payload[:1] + answer)
                return
        options = 0x02 if frame.destination >= 0xFFF8 else 0x01
        options |= (0x20 if frame.encrypted else 0) | (0x40 if place is not None and not place.is_router else 0)
        self._say(
            struct.pack(
                ">BQHBBHHB",
                0x91,
                ieee,
                frame.source,
                frame.source_endpoint,
                frame.destination_endpoint,
                frame.cluster,
                frame.profile,
                options,
            )
            + frame.payload
        )

    def _is_repeated(self, frame: AirFrame) -> bool:
        """Its acknowledgement got lost."""
        number = frame.source, frame.counter
        is_known = frame.ack and number in self._known
        if frame.ack and not is_known:
            self._known.append(number)
        return is_known

    def _device_object(self, frame: AirFrame) -> bytes | None:
        """What the stack says of itself. With AO=1 it has the key establishment endpoint, and no other."""
        body, short = frame.payload[1:], self.short.to_bytes(2, "little")
        match frame.cluster:
            case 0x0000 if int.from_bytes(body[:8], "little") != self.ieee:
                return None  # somebody else is meant
            case 0x0000 | 0x0001:
                return b"\x00" + self.ieee.to_bytes(8, "little") + short
            case 0x0002:
                logical = 0 if self.short == 0 else 1
                about = struct.pack("<BBBHBHHHB", logical, 0x40, 0x8F, 0x101E, 84, 128, 0x2C00, 128, 0)
                return b"\x00" + short + about
            case 0x0003:
                return b"\x00" + short + b"\x10\xc1"
            case 0x0006:
                wanted = set(struct.unpack_from(f"<{body[4]}H", body, 5))
                found = struct.unpack_from("<H", body, 2)[0] == 0x0109 and 0x0800 in wanted
                return b"\x00" + short + (b"\x01\x5e" if found else b"\x00")
            case 0x0031:
                return table(neighbour_rows(self.air, 0 if self.short == 0 else self.ieee), body[0])
        return b"\x84" if frame.destination < 0xFFF8 else None

    def admits(self, station: Station) -> bool:
        """See `air.Coordinator`: whoever has the key that is registered for it."""
        return station.link_key is not None and self.table.get(station.ieee) == station.link_key

    @property
    def leaves_keys_to_host(self) -> bool:
        """See `air.Coordinator`."""
        return False

    def authenticate(self, ieee: int) -> bool:
        """See `air.Coordinator`. Without a certificate nobody can establish keys with the module."""
        place = self.air.places.get(ieee)
        if place is None or self._association != 0 or self._at("VC", b"")[1] != b"\x01":
            return False
        self._authenticated.add(ieee)
        self._say(struct.pack(">BQHB", 0xA2, ieee, place.short, 0))
        return True

    def joined(self, ieee: int, short: int, capability: int, *, rejoin: bool) -> None:
        """See `air.Coordinator`."""
        self._notify(ieee, short, 0 if rejoin else 1)

    def left(self, ieee: int, *, rejoin: bool) -> None:
        """See `air.Coordinator`."""
        self._authenticated.discard(ieee)
        self._notify(ieee, 0xFFFE, 2)

    def _notify(self, ieee: int, short: int, status: int) -> None:
        if self.registers.number("DO") & 2:
            self._say(struct.pack(">BHHQB", 0xA5, 0, short, ieee, status))
