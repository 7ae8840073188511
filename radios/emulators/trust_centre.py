"""Emulated devices that hold a Smart Energy network: the utility's meter, mostly, as trust centre for router radios."""

from __future__ import annotations

import asyncio
from random import Random

from radios.emulators.air import COORDINATOR, Air, AirFrame, Station
from radios.emulators.device import EmulatedDevice
from radios.emulators.home import FIRST_UTC_S
from radios.emulators.se_devices import EnergyServiceInterface, SmartMeter

FORMED_CAPABILITY = 0x8F
"""Of the announce that it never sends: an alternate coordinator on mains."""


class TrustCentre(EmulatedDevice):
    """A base for devices that hold the network. See `air.Coordinator`."""

    capability = FORMED_CAPABILITY

    def build(self) -> None:
        """Nobody may join yet."""
        super().build()
        self.table: dict[int, bytes] = {}
        """Link keys of devices that may join, by extended address."""
        self.with_keys: set[int] = set()
        """Devices that keys are established with."""
        self.refuses_keys = False
        """It lets devices join, and establishes no keys with them."""

    def hold(self, air: Air, random: Random, channel: int) -> None:
        """Form a network there."""
        self.air, self.short, self.is_authenticated = air, COORDINATOR, True
        air.attach(self)
        air.channel, air.pan_id = channel, random.randint(1, 0xFFFE)
        air.extended_pan_id = random.getrandbits(63) | 1
        self._arm()
        self.authenticated()

    def stop(self) -> None:
        """It is gone."""
        self.network_left(rejoin=True)

    @property
    def has_power(self) -> bool:
        """See `EmulatedDevice`."""
        return self.air is not None and self.air.is_coordinator_on

    def set_power(self, on: bool) -> None:
        """See `EmulatedDevice`."""
        if self.air is not None:
            self.air.is_coordinator_on = on

    def has_keys_with(self, short: int) -> bool:
        """See `EmulatedDevice`: with each device its own."""
        place = self.air.place_of(short) if self.air is not None else None
        return place is not None and place.station.ieee in self.with_keys

    def receive(self, frame: AirFrame, lqi: int = 0) -> None:
        """See `air.Coordinator`."""
        del lqi
        super().receive(frame)

    def admits(self, station: Station) -> bool:
        """See `air.Coordinator`: whoever has the key that is registered for it."""
        return station.link_key is not None and self.table.get(station.ieee) == station.link_key

    @property
    def leaves_keys_to_host(self) -> bool:
        """See `air.Coordinator`."""
        return False

    def authenticate(self, ieee: int) -> bool:
        """See `air.Coordinator`."""
        if self.refuses_keys or ieee not in self.table:
            return False
        self.with_keys.add(ieee)
        asyncio.get_running_loop().call_soon(self.keys_established, ieee)
        return True

    def keys_established(self, ieee: int) -> None:
        """A device can be sent what is secret now."""

    def shown(self) -> dict[str, object]:
        """Who may join, and whom it has keys with."""
        return super().shown() | {
            "registered": [f"{ieee:016x}" for ieee in self.table],
            "with_keys": [f"{ieee:016x}" for ieee in self.with_keys],
        }

    def joined(self, ieee: int, short: int, capability: int, *, rejoin: bool) -> None:
        """See `air.Coordinator`. Keys are established anew after each joining."""
        if not rejoin:
            self.with_keys.discard(ieee)

    def left(self, ieee: int, *, rejoin: bool) -> None:
        """See `air.Coordinator`."""
        if not rejoin:
            self.with_keys.discard(ieee)


class MeterTrustCentre(TrustCentre, SmartMeter):
    """The meter that the utility has put into the home, with its network."""

    def build(self) -> None:
        """Its clock always goes: nobody there could set it."""
        super().build()
        self.clock.set(FIRST_UTC_S + self.model_time())

    def authenticated(self) -> None:
        """It looks for nobody's time."""


class InterfaceTrustCentre(TrustCentre, EnergyServiceInterface):
    """An energy service interface that holds the network, and publishes there."""

    def keys_established(self, ieee: int) -> None:
        """See `TrustCentre`: it is asked for its clients."""
        place = self.air.places.get(ieee) if self.air is not None else None
        if place is not None:
            self.look_for_clients(place.short)


TRUST_CENTRES: dict[str, type[TrustCentre]] = {kind.kind: kind for kind in (MeterTrustCentre, InterfaceTrustCentre)}
"""By kind."""
