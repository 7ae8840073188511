"""The radio waves of an emulated home: who is on the network, who hears whom, and what gets lost.

A chip (the far side of a driver) attaches as the coordinator; devices are added to the room, join when the network is
open, and exchange `AirFrame`s with it. Nothing here knows ZCL, or any serial protocol. Random numbers are the room's
own, so that a run can be repeated; nobody asks for the time of day.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

BROADCAST_ALL, BROADCAST_AWAKE, BROADCAST_ROUTERS = 0xFFFF, 0xFFFD, 0xFFFC
COORDINATOR = 0x0000

DELIVERED, NO_APS_ACK, NO_ROUTE, NO_MAC_ACK, EXPIRED = 0x00, 0xA7, 0xD0, 0xE9, 0xF0
"""Outcomes of a transmission, by the layers' own numbers."""
HOP_S = 0.006
"""One hop of a small frame at 250 kbit/s, with its wait for a free channel."""
CHILD_TIMEOUT_S = 7.68
"""A parent keeps a frame for a sleepy child so long (Zigbee R21, 3.6.1.3)."""
APS_WAIT_S = 1.6
"""Between an APS frame and its repetition."""
AWAKE_S, FAST_POLL_S = 3.0, 0.25
"""A child that has business polls so often for so long."""
MAX_CHILD_FRAMES = 8
"""A parent has few buffers for children that sleep."""
MAX_ON_AIR = 1024
"""Frames on their way; more collide."""
ROUTER_CAPABILITY, SLEEPY_CAPABILITY = 0x8E, 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class AirFrame:
    """One APS data frame on the air."""

    source: int
    destination: int
    """Network address; 0xFFFC, 0xFFFD, 0xFFFF for broadcasts."""
    source_endpoint: int
    destination_endpoint: int
    profile: int
    cluster: int
    payload: bytes
    counter: int = 0
    """APS counter of the sender."""
    ack: bool = False
    encrypted: bool = False
    """With the link key of the two ends."""
    group: int | None = None
    network_counter: int | None = None
    """Frame counter of the sender's network layer; None: nobody looks at it."""


class Coordinator(Protocol):
    """What the air needs of the chip that holds the network."""

    ieee: int

    def receive(self, frame: AirFrame, lqi: int) -> None:
        """A frame arrived."""
        ...

    def can_read(self, frame: AirFrame) -> bool:
        """Whether it has the key that a frame is encrypted with, if it is; what it cannot read it does not confirm."""
        ...

    def admits(self, station: Station) -> bool:
        """Whether a device that joins has the key that it needs."""
        ...

    @property
    def leaves_keys_to_host(self) -> bool:
        """Its firmware establishes no keys: messages of key establishment are for the host."""
        ...

    def authenticate(self, ieee: int) -> bool:
        """A device establishes keys with its firmware; whether that worked."""
        ...

    def joined(self, ieee: int, short: int, capability: int, *, rejoin: bool) -> None:
        """A device is on the network now."""
        ...

    def left(self, ieee: int, *, rejoin: bool) -> None:
        """A device is not on it any more."""
        ...


class Station(Protocol):
    """A device in the room."""

    ieee: int
    capability: int

    @property
    def link_key(self) -> bytes | None:
        """That it joins with; None: it uses the key that everybody knows."""
        ...

    def receive(self, frame: AirFrame) -> None:
        """A frame arrived."""
        ...

    def can_read(self, frame: AirFrame) -> bool:
        """See `Coordinator`."""
        ...

    def network_joined(self, air: Air, short: int) -> None:
        """It is on the network now."""
        ...

    def network_left(self, *, rejoin: bool) -> None:
        """It was made to leave."""
        ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """What makes a network the same one, whichever chip holds it."""

    extended_pan_id: int
    key: bytes = field(repr=False)
    """Network key."""


@dataclass(slots=True)
class Place:
    """A device's place on the network."""

    station: Station
    short: int
    parent: int
    """Extended address of the router that it hangs on; 0: the coordinator."""
    lqi: int
    power: bool = True
    poll_s: float = 0.0
    """Of a sleepy child: it fetches its frames so often. 0: only for a while after it has said something."""
    awake_until: float = 0.0
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    network: Credentials | None = None
    """That it has joined; None: there is only one in this room."""
    heard_counter: int = -1
    """Highest frame counter of the chip that it has heard."""

    @property
    def is_sleepy(self) -> bool:
        """Its receiver is off while it is idle."""
        return not self.station.capability & 0x08

    @property
    def is_router(self) -> bool:
        """It carries others' frames."""
        return bool(self.station.capability & 0x02)


class Air:
    """The room. `loss` is the share of transmissions that nobody hears, each hop's retries included."""

    def __init__(self, randomness: Random, *, loss: float = 0.0, delay_s: float = HOP_S) -> None:
        self.random = randomness
        self.loss, self.delay_s = loss, delay_s
        self.coordinator: Coordinator | None = None
        self.places: dict[int, Place] = {}
        """By extended address."""
        self._by_short: dict[int, Place] = {}
        self._open: dict[int | None, float] = {}
        """Until when, by whom a device may join through; None: anybody."""
        self.channel, self.pan_id, self.extended_pan_id = 0, 0xFFFF, 0
        self.is_coordinator_on = True
        """It has power."""
        self.network: Credentials | None = None
        """That the coordinator holds, if it tells."""
        self._timers: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task[int]] = set()

    # -- the network -----------------------------------------------------------------------------------------------

    def attach(self, coordinator: Coordinator) -> None:
        """A chip holds the network from now on."""
        self.coordinator = coordinator

    def permit(self, seconds: float, via: int | None = None) -> None:
        """Open joining, or close it with 0. `via`: through one router only, by its extended address; 0: coordinator."""
        if via is None:
            self._open.clear()
        self._open[via] = asyncio.get_running_loop().time() + seconds

    def hold(self, coordinator: Coordinator, network: Credentials, channel: int, pan_id: int) -> None:
        """A chip holds a network from now on. Devices that joined another one are out of reach until theirs is back."""
        self.coordinator, self.network = coordinator, network
        self.channel, self.pan_id, self.extended_pan_id = channel, pan_id, network.extended_pan_id
        self._open.clear()

    def release(self, coordinator: Coordinator) -> None:
        """A chip is silent; whoever is on its network stays there."""
        if self.coordinator is coordinator:
            self.channel = 0
            self._open.clear()

    def _is_here(self, place: Place) -> bool:
        """It is on the network that the coordinator holds."""
        return place.network == self.network

    @property
    def is_open(self) -> bool:
        """Whether devices may join anywhere."""
        return any(self._is_open_at(ieee) for ieee in (0, *self._routers()))

    def _routers(self) -> list[int]:
        return [
            place.station.ieee
            for place in self.places.values()
            if place.is_router and place.power and self._is_here(place)
        ]

    def _is_open_at(self, parent: int) -> bool:
        return asyncio.get_running_loop().time() < self._open.get(parent, self._open.get(None, 0.0))

    def forget_all(self) -> None:
        """The network is gone: the coordinator has erased itself."""
        for ieee in list(self.places):
            self.drop(ieee)

    def short_of(self, ieee: int) -> int | None:
        """A station's network address; None: it is not here."""
        if self.coordinator is not None and ieee == self.coordinator.ieee:
            return COORDINATOR
        place = self.places.get(ieee)
        return place.short if place is not None and self._is_here(place) else None

    def relays_to(self, place: Place) -> tuple[int, ...]:
        """Network addresses of the routers between a device and the coordinator, its own parent first."""
        parent = self.places.get(place.parent)
        return () if parent is None else (parent.short,)

    def place_of(self, short: int) -> Place | None:
        """Who has a network address."""
        place = self._by_short.get(short)
        return place if place is not None and self._is_here(place) else None

    def join(self, station: Station, *, rejoin: bool = False, quietly: bool = False) -> bool:
        """A device joins, if the network is there and open to it; whether it did. It announces itself.

        `quietly`: it was on the network before anybody watched.
        """
        if self.coordinator is None or not self._is_coordinator_there:
            return False
        if not (rejoin or quietly) and not (self.is_open and self.coordinator.admits(station)):
            return False
        before = self.places.get(station.ieee)
        short = self._free_short()
        if before is not None:
            self._by_short.pop(before.short, None)
        parent = self._parent_for(station, anywhere=rejoin or quietly)
        place = Place(station, short, parent, self.random.randint(90, 250), network=self.network)
        self.places[station.ieee] = place
        self._by_short[short] = place
        station.network_joined(self, short)
        if not quietly:
            self.coordinator.joined(station.ieee, short, station.capability, rejoin=rejoin)
            announce = short.to_bytes(2, "little") + station.ieee.to_bytes(8, "little") + bytes((station.capability,))
            self.transmit(
                AirFrame(
                    source=short,
                    destination=BROADCAST_AWAKE,
                    source_endpoint=0,
                    destination_endpoint=0,
                    profile=0,
                    cluster=0x0013,
                    payload=b"\x01" + announce,
                )
            )
        return True

    def drop(self, ieee: int, *, rejoin: bool = False, told: bool = False) -> bool:
        """A device leaves, or is made to. `told`: the coordinator hears of it."""
        place = self.places.pop(ieee, None)
        if place is None:
            return False
        self._by_short.pop(place.short, None)
        place.station.network_left(rejoin=rejoin)
        if told and self.coordinator is not None:
            self.coordinator.left(ieee, rejoin=rejoin)
        return True

    def _free_short(self) -> int:
        while True:
            short = self.random.randint(0x0001, 0xFFF7)
            if short not in self._by_short:
                return short

    def _parent_for(self, station: Station, *, anywhere: bool) -> int:
        routers = [ieee for ieee in self._routers() if ieee != station.ieee]
        parents = [0, *routers] if anywhere else [ieee for ieee in (0, *routers) if self._is_open_at(ieee)]
        if 0 in parents and (station.capability & 0x02 or len(parents) == 1 or self.random.random() < 0.5):
            return 0
        return self.random.choice([ieee for ieee in parents if ieee])

    def energy(self, channel: int) -> int:
        """Energy on a channel: a WiFi access point nearby, and noise."""
        wifi = {11: 40, 12: 55, 13: 52, 14: 38, 21: 90, 22: 110, 23: 108, 24: 70}
        return min(255, wifi.get(channel, 18) + self.random.randint(0, 9))

    def neighbours(self, ieee: int) -> list[tuple[int, int, int, int, int, int]]:
        """Whom a router hears: extended and network address, device type, relationship, depth, LQI. 0: coordinator."""
        rows: list[tuple[int, int, int, int, int, int]] = []
        if ieee != 0 and self.coordinator is not None:
            own = self.places[ieee]
            rows.append((self.coordinator.ieee, COORDINATOR, 0, 0 if own.parent == 0 else 2, 0, own.lqi))
        for place in self.places.values():
            if place.station.ieee == ieee or not place.power or not self._is_here(place):
                continue
            if place.is_router:
                relation = 1 if ieee == 0 and place.parent == 0 else 2
                own_lqi = place.lqi if ieee == 0 else (place.lqi + self.places[ieee].lqi) // 2
                rows.append((place.station.ieee, place.short, 1, relation, 1, own_lqi))
            elif place.parent == ieee:
                rows.append((place.station.ieee, place.short, 2, 1, 1 if ieee == 0 else 2, place.lqi))
        return rows

    # -- frames ------------------------------------------------------------------------------------------------------

    async def send(self, frame: AirFrame) -> int:
        """From a chip to one device; the outcome, by the layers' numbers, when the stack knows it.

        An acknowledgement gets lost as easily as a frame; the device then hears the frame again.
        """
        if frame.destination == COORDINATOR:
            return await self._send_up(frame)
        place = self.place_of(frame.destination)
        if place is None:
            await asyncio.sleep(self.delay_s)
            return NO_ROUTE
        is_fresh = self._is_fresh(place, frame)  # as it goes out: others overtake it, or it is sent once more
        for _ in range(4 if frame.ack else 1):
            if place.is_sleepy:
                if not await self._until_polled(place):
                    return EXPIRED
            else:
                await asyncio.sleep(self.delay_s * (1 if place.parent == 0 else 2))
            if self._by_short.get(frame.destination) is not place:
                return NO_ROUTE
            if not place.power:
                return NO_MAC_ACK
            if not self._is_lost():
                self.wake(place)
                if is_fresh and self._reaches(place, frame):
                    place.station.receive(frame)
                    if not (frame.ack and self._is_lost()):
                        return DELIVERED
                elif not frame.ack:
                    return DELIVERED  # to the radio, which is all that anybody learns
            if frame.ack:
                await asyncio.sleep(APS_WAIT_S)
        return NO_APS_ACK if frame.ack else NO_MAC_ACK

    async def _send_up(self, frame: AirFrame) -> int:
        """From a router's chip to the coordinator."""
        source = self._by_short.get(frame.source)
        if source is None:
            return NO_ROUTE
        for _ in range(4 if frame.ack else 1):
            await asyncio.sleep(self.delay_s * (1 if source.parent == 0 else 2))
            if self.coordinator is None or not self._is_coordinator_there:
                return NO_MAC_ACK
            if not source.power:
                return NO_MAC_ACK
            if not self._is_lost():
                if self.coordinator.can_read(frame):
                    self.coordinator.receive(frame, source.lqi)
                    if not (frame.ack and self._is_lost()):
                        return DELIVERED
                elif not frame.ack:
                    return DELIVERED
            if frame.ack:
                await asyncio.sleep(APS_WAIT_S)
        return NO_APS_ACK if frame.ack else NO_MAC_ACK

    async def _until_polled(self, place: Place) -> bool:
        """Wait until a sleepy child fetches its frames; False when it does not in time."""
        if place.waiting >= MAX_CHILD_FRAMES:
            return False
        loop = asyncio.get_running_loop()
        if place.power and loop.time() < place.awake_until:
            await asyncio.sleep(FAST_POLL_S * self.random.random())
            return place.power
        wait = place.poll_s * self.random.random() if place.poll_s and place.power else CHILD_TIMEOUT_S + 1
        place.waiting += 1
        place.woken.clear()
        try:
            async with asyncio.timeout(min(wait, CHILD_TIMEOUT_S)):
                await place.woken.wait()
        except TimeoutError:
            return wait <= CHILD_TIMEOUT_S and place.power
        finally:
            place.waiting -= 1
        return place.power

    def wake(self, place: Place) -> None:
        """A sleepy child listens for a while: it has just said or heard something."""
        place.awake_until = asyncio.get_running_loop().time() + AWAKE_S
        place.woken.set()

    def broadcast(self, frame: AirFrame) -> None:
        """From the coordinator to everybody that a broadcast or group address means."""
        for place in list(self.places.values()):
            if not place.power or self._is_lost() or not self._is_here(place) or not self._is_fresh(place, frame):
                continue
            if place.is_sleepy and frame.destination in (BROADCAST_AWAKE, BROADCAST_ROUTERS):
                continue
            if not place.is_router and frame.destination == BROADCAST_ROUTERS:
                continue
            self._later(self.delay_s, place, frame)

    def transmit(self, frame: AirFrame) -> None:
        """From a device to the coordinator, to another device, or to all."""
        if frame.source == COORDINATOR:  # it is a device itself
            if not self.is_coordinator_on:
                return
            if frame.destination >= 0xFFF8:
                self.broadcast(frame)
            else:
                task = asyncio.get_running_loop().create_task(self.send(frame))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            return
        source = self._by_short.get(frame.source)
        if source is None or not source.power:
            return
        self.wake(source)
        if frame.destination == COORDINATOR or frame.destination >= 0xFFF8:
            if self._is_here(source) and not self._is_lost():
                self._later(self.delay_s * (1 if source.parent == 0 else 2), None, frame, source)
            if frame.destination == COORDINATOR:
                return
        targets: Iterable[Place] = self.places.values()
        if frame.destination < 0xFFF8:
            found = self._by_short.get(frame.destination)
            targets = [found] if found is not None else []
        for place in list(targets):
            if place is not source and place.power and not place.is_sleepy and not self._is_lost():
                self._later(self.delay_s, place, frame)

    @property
    def _is_coordinator_there(self) -> bool:
        return self.coordinator is not None and bool(self.channel) and self.is_coordinator_on

    @staticmethod
    def _is_fresh(place: Place, frame: AirFrame) -> bool:
        """Frames whose counter has gone back are somebody's recording: they are dropped."""
        return frame.network_counter is None or frame.network_counter >= place.heard_counter

    @staticmethod
    def _reaches(place: Place, frame: AirFrame) -> bool:
        """It has come to a device's radio: whether that can read it."""
        if frame.network_counter is not None:
            place.heard_counter = max(place.heard_counter, frame.network_counter)
        return place.station.can_read(frame)

    def _is_lost(self) -> bool:
        return self.loss > 0 and self.random.random() < self.loss

    def _later(self, delay: float, place: Place | None, frame: AirFrame, source: Place | None = None) -> None:
        if len(self._timers) >= MAX_ON_AIR:
            return

        def arrive() -> None:
            self._timers.discard(handle)
            if place is not None:
                if place.power and self._by_short.get(place.short) is place and self._reaches(place, frame):
                    place.station.receive(frame)
            elif self.coordinator is not None and self._is_coordinator_there and self.coordinator.can_read(frame):
                lqi = source.lqi if source is not None else 255
                self.coordinator.receive(frame, max(1, min(255, lqi + self.random.randint(-6, 6))))

        handle = asyncio.get_running_loop().call_later(delay, arrive)
        self._timers.add(handle)

    def close(self) -> None:
        """Nothing is on its way any more."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for task in self._tasks:
            task.cancel()
        for place in list(self.places.values()):  # one that leaves takes its place away
            place.station.network_left(rejoin=False)
        self.places.clear()
        self._by_short.clear()
