"""An emulated EZSP stick (Silicon Labs EmberZNet): its firmware over a pseudo terminal or TCP, with a room around it.

It is coordinator and trust centre, or router on the network of a trust centre that is in its room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from radios.emulators import ash
from radios.emulators.air import COORDINATOR, ROUTER_CAPABILITY, Air, AirFrame, Credentials
from radios.emulators.air import Station as AirStation
from radios.emulators.ash import Ash
from radios.emulators.cursor import Cursor, TruncatedError, u16, u64
from radios.emulators.devices import make_one
from radios.emulators.errors import EmulatorError
from radios.emulators.ezsp_core import Core, Counter, Handler
from radios.emulators.ezsp_messages import Messages
from radios.emulators.ezsp_network import ANY_PAN, Network, Station
from radios.emulators.ezsp_security import WELL_KNOWN, Security
from radios.emulators.ezsp_settings import Settings
from radios.emulators.ezsp_store import (
    COORDINATOR_TYPE,
    END_DEVICE_TYPE,
    HAS_LINK_KEY,
    HAS_NETWORK_KEY,
    ROUTER_TYPE,
    SLEEPY_TYPE,
    Flash,
    InitialSecurity,
    LinkKey,
    Parameters,
    StoredNetwork,
)
from radios.emulators.ezsp_tables import Tables
from radios.emulators.ezsp_versions import (
    DEFAULT_FIRMWARE,
    FIRMWARES,
    TRUNCATED,
    UNKNOWN_FRAME,
    VERSION_NOT_SET,
    Header,
    read,
    written,
)
from radios.emulators.own_object import OwnObject
from radios.emulators.stick import EmulatedStick, StickConfig, link_key_of
from radios.emulators.trust_centre import TRUST_CENTRES, TrustCentre

IEEE = 0x0C4314FFFE000001
BOOT_S = 0.1
VERSION, INVALID_COMMAND, RESET = 0x0000, 0x0058, 0x0104
MESH = 2
"""Type of the stack."""
CHILD_JOINED, DEVICE_JOINED = 0x0023, 0x0024
SECURED_REJOIN, UNSECURED_JOIN, LEFT = 0, 1, 2
WITH_OWN_KEY, DENIED = 0, 2
"""What the trust centre decided."""
CHANNEL, TRUST_CENTRE_CHANNEL = 15, 20
COMMANDS_KEPT = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class EzspConfig(StickConfig):
    """How the emulator is set up."""

    devices: tuple[str, ...] = ("plug", "meter", "thermostat", "smart-meter")
    firmware: str = DEFAULT_FIRMWARE
    is_formed: bool = False
    """It has a network already; so it has when devices are `joined`."""
    trust_centre: str | None = None
    """Kind of device that holds a network in the room, for the stick to join; None: the stick forms its own."""
    is_registered: bool = True
    """The trust centre knows the stick's link key."""
    is_open: bool = True
    """The trust centre lets devices join, for the first hour."""


class EzspEmulator(EmulatedStick):
    """`async with EzspEmulator(config) as stick`: it is plugged in, and has booted."""

    capability = ROUTER_CAPABILITY

    def __init__(self, config: EzspConfig = EzspConfig(), room: EmulatedStick | None = None) -> None:
        dialect = FIRMWARES.get(config.firmware)
        if dialect is None:
            raise EmulatorError(f"firmware {config.firmware!r} is not known; there are {', '.join(FIRMWARES)}")
        if config.trust_centre is not None and config.trust_centre not in TRUST_CENTRES:
            known = ", ".join(TRUST_CENTRES)
            raise EmulatorError(f"trust centre {config.trust_centre!r} is not known; there are {known}")
        if config.trust_centre is not None and (config.is_formed or room is not None):
            raise EmulatorError("with a trust centre in the room the stick has no network of its own")
        super().__init__(config, room=room)
        self.config = config
        self.trust_centre: TrustCentre | None = None
        self.flash = Flash(IEEE + (config.seed << 16) + (0x100 if room is not None else 0))
        self.ieee = self.flash.address
        self.core = Core(
            dialect=dialect,
            flash=self.flash,
            air=self.air,
            random=self.random,
            statuses=self.statuses,
            own=OwnObject(self.air, self.ieee),
            say=self._call_back,
            after=self._after,
            spawn=self._spawn,
        )
        self.settings = Settings(self.core)
        self.security = Security(self.core)
        self.tables = Tables(self.core)
        self.messages = Messages(self.core, self.security, self.tables)
        station = Station(
            self.core,
            hold=self._hold,
            join=lambda: self.air.join(self),
            silence=self._silence,
            is_guest=config.trust_centre is not None,
        )
        self.network = Network(self.core, self.security, station)
        self.commands: list[tuple[int, bytes]] = []
        """The last commands of the host."""
        self.ash = Ash(self._write, self._command, self._reset_by_host)
        self.ash.survives = self.end.survives
        self._is_up = asyncio.Event()
        """It has booted for the first time."""
        self._sequence = 0
        self._is_agreed = False
        """The host knows the version."""
        self._handlers: Mapping[int, Handler] = {
            **self.settings.commands,
            **self.security.commands,
            **self.tables.commands,
            **self.messages.commands,
            **self.network.commands,
        }

    # -- life ----------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        config = self.config
        self._furnish()
        await self.end.__aenter__()
        self._give_keys()
        if config.trust_centre is not None:
            self._invite(config.trust_centre)
        elif config.is_formed or config.joined:
            self._form()
        for number in config.joined or ():
            self._settle(number)
        if self._room is None and config.trust_centre is None:
            self.air.release(self)
        self._boot(ash.POWER_ON)
        await self._is_up.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ash.close()
        self.network.stop()
        if self.trust_centre is not None:
            self.trust_centre.stop()
        await super().__aexit__(kind, error, trace)

    def toml(self, name: str = "zigbee") -> str:
        """The lines for hub.toml."""
        radio = f'[[radio]]\nname = "{name}"\ndriver = "ezsp"\npipe = "{self.pipe_url}"\n'
        if self.trust_centre is None and (not self.devices or any(one.link_key is None for one in self.devices)):
            return f"{radio}well_known_key = true\n"  # its ordinary devices have no other
        if self.trust_centre is None:
            return radio
        return f'[hub]\nrole = "aux_gateway"\n\n{radio}link_key = "{self.factory_key.hex()}"\n'

    def _form(self) -> None:
        """It had a network before anybody watched."""
        about = Parameters(
            self.random.getrandbits(63) | 1, self.random.randint(1, 0xFFFE), 8, CHANNEL, mask=1 << CHANNEL
        )
        keys = InitialSecurity(HAS_LINK_KEY | HAS_NETWORK_KEY, WELL_KNOWN, self.random.randbytes(16), 0, self.ieee)
        self.flash.network = StoredNetwork(about, keys, COORDINATOR_TYPE, COORDINATOR, self.ieee)
        self.air.hold(self, Credentials(about.extended_pan_id, keys.network_key), about.channel, about.pan_id)

    def _invite(self, kind: str) -> None:
        """Somebody holds a network here."""
        found = make_one(TRUST_CENTRES[kind], len(self.devices) + 1, self.config.seed, self.home)
        assert isinstance(found, TrustCentre)
        self.trust_centre = found
        found.hold(self.air, self.random, TRUST_CENTRE_CHANNEL)
        self.devices.append(found)
        if self.config.is_registered:
            self.register()
        if self.config.is_open:
            self.air.permit(3600.0)

    def register(self) -> None:
        """The trust centre learns the key that the stick was made with."""
        if self.trust_centre is not None:
            self.trust_centre.table[self.ieee] = self.factory_key

    @property
    def factory_key(self) -> bytes:
        """The link key that is on its box, for networks of others."""
        return link_key_of(self.ieee)

    def _settle(self, number: int) -> None:
        """A device has been on the network for long."""
        device, centre = self.devices[number], self.trust_centre
        if device.link_key is not None:
            device.is_authenticated = True
            if centre is not None:
                centre.table[device.ieee] = device.link_key
                centre.with_keys.add(device.ieee)
            else:
                self.flash.link_keys[len(self.flash.link_keys)] = LinkKey(device.ieee, device.link_key)
        self.air.join(device, quietly=True)
        if centre is None:
            self.tables.adopt(self.air.places[device.ieee])

    def _boot(self, reason: int) -> None:
        self._booting = True
        for task in list(self._tasks):
            task.cancel()
        self.ash.close()
        self.network.stop()
        self.settings.restarted()
        self.security.restarted()
        self.tables.restarted()
        self.messages.restarted()
        self.network.restarted()
        self.ieee = self.core.own.ieee = self.flash.address
        self.flash.boots += 1
        self._is_agreed, self._sequence = False, 0

        def up() -> None:
            self._booting = False
            self._is_up.set()
            if not self.is_mute:
                self.ash.connected(reason)

        self._after(BOOT_S, up)

    def _restarted(self) -> None:
        self._boot(ash.POWER_ON)

    def _reset_by_host(self) -> None:
        if not self._booting:
            self._boot(ash.SOFTWARE)

    def kill(self) -> None:
        """See `EmulatedStick`: nobody on the air hears it any more."""
        super().kill()
        self.network.restarted()

    def crash(self) -> None:
        """Its watchdog bites: it restarts, and nobody has asked for it."""
        self._boot(ash.WATCHDOG)

    def fail(self, code: int = ash.ASSERT) -> None:
        """Its line protocol gives up until the host resets it."""
        self.ash.fail(code)

    def overflow(self, count: int) -> None:
        """See `EmulatedStick`."""
        self.messages.overflow = count

    # -- the line ------------------------------------------------------------------------------------------------------

    def _write(self, frame: bytes) -> None:
        if not self.is_mute and not self._booting:
            self.end.send_frame(frame)

    def _received(self, data: bytes) -> None:
        if not self.is_mute and not self._booting:
            self.ash.feed(data)

    def _command(self, data: bytes) -> None:
        parsed = read(data)
        if parsed is None:
            return None
        header, fields = parsed
        self._sequence = header.sequence
        self.commands.append((header.command, fields))
        del self.commands[:-COMMANDS_KEPT]
        handler = self._handlers.get(header.command)
        if header.command == VERSION:
            handler = self._version
        elif not self._is_agreed:
            return self._refuse(header, VERSION_NOT_SET)
        elif header.command == RESET and self.core.dialect.has_tokens:
            self._after(0.0, self._reset_by_host)
            handler = lambda _: b""  # noqa: E731
        if handler is None:
            return self._refuse(header, UNKNOWN_FRAME)
        try:
            answer = handler(Cursor(fields))
        except TruncatedError:
            return self._refuse(header, TRUNCATED)
        self.ash.send(written(header, answer, asked=True))
        return None

    def _refuse(self, header: Header, reason: int) -> None:
        refused = Header(header.sequence, INVALID_COMMAND, header.form)
        self.ash.send(written(refused, self.core.dialect.invalid(reason), asked=True))

    def _version(self, fields: Cursor) -> bytes:
        dialect = self.core.dialect
        self._is_agreed = fields.u8() == dialect.version
        return bytes((dialect.version, MESH)) + u16(dialect.stack_version)

    def _call_back(self, number: int, fields: bytes) -> None:
        if self._is_agreed and not self._booting:
            self.ash.send(written(Header(self._sequence, number, 8), fields, asked=False))

    # -- on the air ----------------------------------------------------------------------------------------------------

    def _hold(self, network: Credentials, channel: int, pan_id: int) -> None:
        self.air.hold(self, network, channel, pan_id)

    def _silence(self) -> None:
        """Nothing of it is on the air."""
        if self.trust_centre is None:
            self.air.release(self)
        elif self.ieee in self.air.places:
            self.air.places[self.ieee].power = False

    def can_read(self, frame: AirFrame) -> bool:
        """See `air.Coordinator` and `air.Station`."""
        return self.messages.can_read(frame)

    def receive(self, frame: AirFrame, lqi: int = 200) -> None:
        """See `air.Coordinator` and `air.Station`."""
        if not self._booting:
            self.messages.receive(frame, lqi)

    def admits(self, station: AirStation) -> bool:
        """See `air.Coordinator`."""
        is_welcome = self.core.is_up and self.security.admits(station)
        if not is_welcome and self.core.is_up:
            self._tell_joined(ANY_PAN - 1, station.ieee, UNSECURED_JOIN, DENIED, COORDINATOR)
        return is_welcome

    @property
    def leaves_keys_to_host(self) -> bool:
        """See `air.Coordinator`."""
        return True

    def authenticate(self, ieee: int) -> bool:
        """See `air.Coordinator`: for devices without certificates the key that they joined with is as good."""
        place = self.air.places.get(ieee)
        return place is not None and self.core.is_up and self.security.fits(place.station)

    def joined(self, ieee: int, short: int, capability: int, *, rejoin: bool) -> None:
        """See `air.Coordinator`."""
        core, place = self.core, self.air.places[ieee]
        core.heard[ieee] = short
        core.count(Counter.JOINS)
        at = self.tables.adopt(place)
        if at is not None:
            kind = END_DEVICE_TYPE if capability & 0x08 else SLEEPY_TYPE
            core.say(CHILD_JOINED, bytes((at, 1)) + u16(short) + u64(ieee) + bytes((kind,)))
        elif place.parent == 0:
            core.say(CHILD_JOINED, bytes((0xFF, 1)) + u16(short) + u64(ieee) + bytes((ROUTER_TYPE,)))
        parent = self.air.places[place.parent].short if place.parent in self.air.places else COORDINATOR
        self._tell_joined(short, ieee, SECURED_REJOIN if rejoin else UNSECURED_JOIN, WITH_OWN_KEY, parent)

    def left(self, ieee: int, *, rejoin: bool) -> None:
        """See `air.Coordinator`."""
        short = self.core.heard.pop(ieee, self.tables.short_of(ieee))
        self.tables.disown(ieee)
        if not rejoin and self.core.is_up:
            self._tell_joined(0xFFFE if short is None else short, ieee, LEFT, 3, COORDINATOR)

    def _tell_joined(self, short: int, ieee: int, what: int, decision: int, parent: int) -> None:
        self.core.say(DEVICE_JOINED, u16(short) + u64(ieee) + bytes((what, decision)) + u16(parent))

    # -- as a router ---------------------------------------------------------------------------------------------------

    @property
    def link_key(self) -> bytes | None:
        """See `air.Station`: that it has with its trust centre, or tries to join with."""
        network = self.flash.network
        if self.core.is_up and network is not None and network.role == ROUTER_TYPE:
            return self.security.key_for(network.trust_centre)
        wished = self.network.wished
        return wished.link_key if wished is not None and wished.bits & HAS_LINK_KEY else None

    def network_joined(self, air: Air, short: int) -> None:
        """See `air.Station`. Its host establishes no keys here: the preconfigured one is as good."""
        del air
        self.core.own.short = short
        if self.trust_centre is not None:
            self._after(0.0, self._share_keys)

    def _share_keys(self) -> None:
        if self.trust_centre is not None:
            self.trust_centre.authenticate(self.ieee)

    def network_left(self, *, rejoin: bool) -> None:
        """See `air.Station`."""
        del rejoin
        self.network.made_to_leave()
