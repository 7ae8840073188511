"""An emulated XBee with Smart Energy router firmware: it joins the network of a trust centre in its room.

The trust centre is an emulated device, or another emulated XBee: two hubs then meet on one air.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from typing import Self

from radios.emulators.air import Air, AirFrame, Coordinator
from radios.emulators.device import KEY_ESTABLISHMENT, SMART_ENERGY
from radios.emulators.devices import make_one
from radios.emulators.errors import EmulatorError
from radios.emulators.stick import link_key_of
from radios.emulators.trust_centre import TRUST_CENTRES, TrustCentre
from radios.emulators.xbee import BOOT_S, XbeeConfig, XbeeEmulator

ROUTER_CAPABILITY = 0x8E
SCAN_S, KEY_SEARCH_S, KEYS_S = 0.3, 0.2, 0.3
"""A scan of all channels; from joining to the search for key establishment, and from its answer to the end."""
TRUST_CENTRE_CHANNEL = 20
SCANNING, NO_PAN, NO_VALID_PAN, CLOSED, REFUSED = 0xFF, 0x21, 0x22, 0x23, 0x27
SEARCH_TSN = 0xE1
"""Of the stack's own search for key establishment: its host's have other numbers, mostly."""
ESTABLISH_KEYS = 0x08
"""Bit of register EO."""
MATCH_ANSWER, LEAVE = 0x8006, 0x0034


@dataclass(frozen=True, slots=True, kw_only=True)
class XbeeRouterConfig(XbeeConfig):
    """How a router's emulator is set up."""

    firmware: str = "3319"
    trust_centre: str = "smart-meter"
    """Kind of device that holds the network, unless another module does."""
    is_registered: bool = True
    """The trust centre knows the module's link key."""
    is_open: bool = True
    """The trust centre lets devices join, for the first hour."""
    was_joined: bool = False
    """The module is on the network already, with its keys."""


class XbeeRouter(XbeeEmulator):
    """`async with XbeeRouter(config) as module`. It is a station on the air, beside the other devices."""

    capability = ROUTER_CAPABILITY

    def __init__(self, config: XbeeRouterConfig = XbeeRouterConfig(), under: XbeeEmulator | None = None) -> None:
        """`under`: a module that holds the network, is open before this one, and is closed after it. Its room is this
        one's too, and the devices there are its own: this one brings none. Their seeds, and so their addresses, differ.
        """
        if config.trust_centre not in TRUST_CENTRES:
            known = ", ".join(TRUST_CENTRES)
            raise EmulatorError(f"trust centre {config.trust_centre!r} is not known; there are {known}")
        if under is not None and config.devices:
            raise EmulatorError(f"devices {', '.join(config.devices)}: must be the ones of the module with the network")
        super().__init__(config, under.air if under is not None else None)
        if under is not None and under.ieee == self.ieee:
            raise EmulatorError(f"seed {config.seed}: is the one of the module that holds the network; must be another")
        self.router_config, self.under = config, under
        self.trust_centre: TrustCentre
        """Where no other module holds the network."""
        self.registers.keys["KY"] = self.factory_key
        self.registers.keep()
        self.registers.writes = 0

    @property
    def factory_key(self) -> bytes:
        """The link key that it was made with."""
        return link_key_of(self.ieee)

    @property
    def link_key(self) -> bytes | None:
        """See `air.Station`."""
        return self.registers.keys.get("KY")

    @property
    def is_on_network(self) -> bool:
        """It has a place there, though perhaps no keys yet."""
        return self.ieee in self.air.places

    async def __aenter__(self) -> Self:
        config = self.router_config
        await self.end.__aenter__()
        self._furnish()
        if self.under is None:
            self._furnish_trust_centre()
        if config.is_registered:
            self.register()
        if config.is_open:
            self.air.permit(3600.0)
        if config.was_joined:
            self.register()
            self.registers.flash["EO"] = self.registers.now["EO"] = bytes((ESTABLISH_KEYS,))
            self.air.join(self, quietly=True)
            self._finish()
        else:
            self._try_to_join()
        return self

    def _furnish_trust_centre(self) -> None:
        config = self.router_config
        found = make_one(TRUST_CENTRES[config.trust_centre], len(self.devices) + 1, config.seed, self.home)
        assert isinstance(found, TrustCentre)
        self.trust_centre = found
        found.hold(self.air, self.random, TRUST_CENTRE_CHANNEL)
        for number in config.joined or ():
            device = self.devices[number]
            found.table[device.ieee] = device.link_key or b""
            device.is_authenticated = True
            found.with_keys.add(device.ieee)
            self.air.join(device, quietly=True)
        self.devices.append(found)

    def toml(self, name: str = "han") -> str:
        """The lines for hub.toml."""
        return f'[hub]\nrole = "aux_gateway"\n\n{super().toml(name)}'

    async def __aexit__(self, *about: object) -> None:
        if self.under is None:
            self.trust_centre.stop()
        else:
            self.air.drop(self.ieee)
        await super().__aexit__(None, None, None)

    def register(self) -> None:
        """The trust centre learns the key that the module was made with."""
        centre = self.trust_centre if self.under is None else self.under
        centre.table[self.ieee] = self.factory_key

    @property
    def _centre(self) -> Coordinator:
        return self.trust_centre if self.under is None else self.under

    def _power(self, on: bool) -> None:
        place = self.air.places.get(self.ieee)
        if place is not None:
            place.power = on

    # -- joining -------------------------------------------------------------------------------------------------------

    def _boot(self, status: int) -> None:
        self._booting, self._association, self._out = True, SCANNING, 0
        self._power(False)
        self.registers.restart()

        def up() -> None:
            self._booting = False
            self._reader.feed(b"")
            self._power(True)
            self._say(bytes((0x8A, status)))
            if self.is_on_network and self.air.is_coordinator_on:
                # It has kept network and keys.
                self._after(SCAN_S, self._back)
            else:
                self._try_to_join()

        self._after(BOOT_S, up)

    def _back(self) -> None:
        if self.is_on_network:
            self._say(b"\x8a\x02")
            if self._centre.ieee in self._authenticated or not self._wants_keys:
                self._association = 0x00
            else:
                self._search_keys()

    def _leave(self) -> None:
        """It leaves, or has another network to look for; and looks for one."""
        if self.is_on_network:
            self.air.drop(self.ieee, told=True)
        self._try_to_join()

    def _try_to_join(self) -> None:
        self._association = SCANNING
        self._after(SCAN_S, self._attempt)

    def _attempt(self) -> None:
        if self.is_on_network or self._association != SCANNING or self._booting:
            return
        air, wanted = self.air, self.registers.number("ID")
        if not self.air.is_coordinator_on:
            self._association = NO_PAN
        elif not self.registers.number("SC") >> (air.channel - 11) & 1 or wanted not in (0, air.extended_pan_id):
            self._association = NO_VALID_PAN
        elif not air.is_open:
            self._association = CLOSED
        elif not air.join(self):
            self._association = REFUSED

    def network_joined(self, air: Air, short: int) -> None:
        """See `air.Station`."""
        self.short = short
        self._association = SCANNING
        self._authenticated.clear()
        self._say(b"\x8a\x02")
        if not self._wants_keys:
            self._association = 0x00
        else:
            self._after(KEY_SEARCH_S, self._search_keys)

    def network_left(self, *, rejoin: bool) -> None:
        """See `air.Station`."""
        self.short, self._association = 0xFFFE, SCANNING
        self._authenticated.clear()
        self._say(b"\x8a\x03")

    @property
    def _wants_keys(self) -> bool:
        return bool(self.registers.number("EO") & ESTABLISH_KEYS)

    def _search_keys(self) -> None:
        """Its stack looks for the trust centre's key establishment endpoint; the host hears the answer too."""
        if not self.is_on_network or self._centre.ieee in self._authenticated:
            return
        body = struct.pack("<BHHBHB", SEARCH_TSN, 0, SMART_ENERGY, 1, KEY_ESTABLISHMENT, 0)
        self.air.transmit(
            AirFrame(
                source=self.short,
                destination=0,
                source_endpoint=0,
                destination_endpoint=0,
                profile=0,
                cluster=0x0006,
                payload=body,
            )
        )

    def _finish(self) -> None:
        """Keys are established, if the trust centre agrees and both have certificates."""
        is_certified = self._at("VC", b"")[1] == b"\x01"
        if not self.is_on_network or not is_certified or not self._centre.authenticate(self.ieee):
            return
        self._authenticated.add(self._centre.ieee)
        self._association = 0x00
        self._say(b"\x8a\x10")

    # -- frames --------------------------------------------------------------------------------------------------------

    def _register(self, frame: bytes) -> int:
        return 0x01 if len(frame) > 29 else 0xFF  # no router keeps others' keys

    def _spread(self, frame: AirFrame) -> None:
        self.air.transmit(frame)

    def receive(self, frame: AirFrame, lqi: int = 0) -> None:
        """See `air.Station`."""
        if frame.profile == 0 and frame.destination_endpoint == 0:
            if frame.cluster == MATCH_ANSWER and frame.source == 0 and self._asked_for(frame):
                self._after(KEYS_S, self._finish)
            elif frame.cluster == LEAVE and frame.destination == self.short:
                self._reply(frame, LEAVE | 0x8000, frame.payload[:1] + b"\x00")
                asyncio.get_running_loop().call_later(4 * self.air.delay_s, lambda: self.air.drop(self.ieee, told=True))
                return
        super().receive(frame, lqi)

    def _asked_for(self, frame: AirFrame) -> bool:
        """An answer to the stack's own search that names an endpoint."""
        known = self._centre.ieee in self._authenticated
        is_ours = frame.payload[:1] == bytes((SEARCH_TSN,))
        return is_ours and not known and len(frame.payload) > 5 and frame.payload[1] == 0 and frame.payload[4] > 0
