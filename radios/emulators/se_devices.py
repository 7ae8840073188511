"""Emulated devices of a Smart Energy network: they speak its profile, establish keys, and insist on encryption."""

from __future__ import annotations

from math import floor
from typing import ClassVar

from radios.emulators.air import BROADCAST_AWAKE, COORDINATOR, Air, AirFrame
from radios.emulators.device import SMART_ENERGY
from radios.emulators.home import FIRST_UTC_S, Demand, Load, drift
from radios.emulators.se_clients import MessagingClient, MeteringClient, PriceClient, TimeClient
from radios.emulators.se_drlc import Applied, DrlcClient
from radios.emulators.se_endpoint import (
    ENDPOINT,
    MATCH_DESCRIPTOR,
    MATCH_DESCRIPTOR_RESPONSE,
    Client,
    Peer,
    SmartEnergyDevice,
)
from radios.emulators.se_meter import UtilityMeter
from radios.emulators.se_payloads import (
    DRLC,
    MESSAGING,
    METERING,
    NO_BYTE,
    NO_LOAD,
    NO_SET_POINT,
    PRICE,
    TIME,
    LoadControlEvent,
)
from radios.emulators.se_servers import DrlcServer, MessagingServer, PriceServer, Server, time_server
from radios.emulators.servers import Meter, WholeHome

ENERGY_SERVICE_INTERFACE, METERING_DEVICE, IN_PREMISE_DISPLAY = 0x0500, 0x0501, 0x0502
PROGRAMMABLE_COMMUNICATING_THERMOSTAT, LOAD_CONTROL_DEVICE = 0x0503, 0x0504
HVAC, STRIP_HEATER, POOL_PUMP, SIMPLE_MISC = 1 << 0, 1 << 1, 1 << 3, 1 << 7
"""Bits of a device class."""
DUTY_PERIOD_S = 1800.0
"""A box with a duty cycle is on for the first part of each such period."""
MAX_ASKED = 64
"""Questions for clients that may still be answered."""


class SmartMeter(SmartEnergyDevice, WholeHome):
    """The utility's electricity meter. It takes the time from whoever holds its network."""

    kind = "smart-meter"
    manufacturer, model = "Example", "utility-meter"
    device_type = METERING_DEVICE
    start_wh = 8_120_000
    meter: UtilityMeter

    def build(self) -> None:
        """One endpoint of the Smart Energy profile."""
        SmartEnergyDevice.build(self)
        WholeHome.build(self)
        self.endpoints[ENDPOINT].servers[METERING] = self.meter.cluster(both_ways=True)

    def make_clients(self) -> tuple[Client, ...]:
        """Time."""
        return (TimeClient(self),)

    def _meter(self, start_wh: int) -> UtilityMeter:
        def past(utc: float) -> float:
            return self._watts_at(self.model_time() + utc - self.clock.now)

        return UtilityMeter(self, self._watts, start_wh, self.clock, past)

    def tick(self) -> None:
        """The clock, then energy."""
        SmartEnergyDevice.tick(self)
        self.meter.tick()

    def shown(self) -> dict[str, object]:
        """What it has counted, for those who look on."""
        return super().shown() | self.meter.shown()


class Display(SmartEnergyDevice):
    """An in-premise display: it shows the price, the message and the meter."""

    kind = "display"
    manufacturer, model = "Example", "in-premise-display"
    device_type = IN_PREMISE_DISPLAY

    def make_clients(self) -> tuple[Client, ...]:
        """Clients of what it shows."""
        self.price, self.messaging, self.metering = PriceClient(self), MessagingClient(self), MeteringClient(self)
        return TimeClient(self), self.price, self.messaging, self.metering

    def shown(self) -> dict[str, object]:
        """What is on it."""
        return super().shown() | self.price.shown() | self.messaging.shown() | self.metering.shown()


class DrlcDevice(SmartEnergyDevice):
    """A base of devices that follow load control events."""

    device_class: ClassVar[int]

    def make_clients(self) -> tuple[Client, ...]:
        """Time, and Demand Response and Load Control."""
        self.drlc = DrlcClient(self, self.device_class, self.applied)
        return TimeClient(self), self.drlc

    def applied(self, event: LoadControlEvent) -> Applied:
        """What it makes of an event."""
        raise NotImplementedError

    def shown(self) -> dict[str, object]:
        """Its events."""
        return super().shown() | self.drlc.shown()


class SeThermostat(DrlcDevice):
    """A programmable communicating thermostat: it moves its setpoints while an event runs."""

    kind = "se-thermostat"
    manufacturer, model = "Example", "communicating-thermostat"
    device_type = PROGRAMMABLE_COMMUNICATING_THERMOSTAT
    device_class = HVAC | STRIP_HEATER

    def build(self) -> None:
        """A room with somebody's setpoints, 0.01 °C."""
        self.cooling, self.heating = 2450, 2000
        self.room_c = 21.0 + (self.seed % 20) / 10
        self._at: float | None = None
        super().build()

    def applied(self, event: LoadControlEvent) -> Applied:
        """Setpoints before offsets; it has nothing to do with a load in percent or a duty cycle."""
        cooling, heating = event.cooling_temperature_set_point, event.heating_temperature_set_point
        if cooling == NO_SET_POINT and event.cooling_temperature_offset != NO_BYTE:
            cooling = self.cooling + 10 * event.cooling_temperature_offset
        if heating == NO_SET_POINT and event.heating_temperature_offset != NO_BYTE:
            heating = self.heating - 10 * event.heating_temperature_offset
        return cooling, heating, NO_LOAD, NO_BYTE

    def _set_points(self) -> tuple[int, int]:
        event = self.drlc.current
        cooling, heating, _, _ = self.applied(event) if event is not None else (NO_SET_POINT, NO_SET_POINT, 0, 0)
        return (
            self.cooling if cooling == NO_SET_POINT else cooling,
            self.heating if heating == NO_SET_POINT else heating,
        )

    def tick(self) -> None:
        """Events, and a room that follows the setpoints."""
        super().tick()
        now = self.model_time()
        hours = 0.0 if self._at is None else max(0.0, now - self._at) / 3600
        self._at = now
        cooling, heating = self._set_points()
        outside = 14.0 + 14.0 * drift(self.seed, now, 7200.0)
        change = 3.0 * self._runs(cooling, heating) - (self.room_c - outside) * 0.1  # °C in an hour
        self.room_c = max(-20.0, min(60.0, self.room_c + change * min(hours, 1.0)))

    def _runs(self, cooling: int, heating: int) -> int:
        """1: it heats; -1: it cools."""
        return int(self.room_c * 100 < heating) - int(self.room_c * 100 > cooling)

    def shown(self) -> dict[str, object]:
        """Its room and its setpoints as they are now, °C."""
        cooling, heating = self._set_points()
        state = {0: "idle", 1: "heating", -1: "cooling"}[self._runs(cooling, heating)]
        return super().shown() | {
            "room_c": round(self.room_c, 2),
            "cooling_c": cooling / 100,
            "heating_c": heating / 100,
            "state": state,
        }


class PoolPump(Load):
    """A pump that always runs."""

    __slots__ = ()
    kind = "pool_pump"

    def demand(self, time_s: float) -> Demand:
        watts = 1120.0 + 60.0 * drift(self.seed, time_s, 30.0)
        return Demand(watts, 0.6 * watts)


class LoadControl(DrlcDevice):
    """A load control device: a relay before a pool pump.

    What the relay does is to be seen at the device, as at a real one; a meter of its own would look like a home's.
    """

    kind = "load-control"
    manufacturer, model = "Example", "load-control-switch"
    device_type = LOAD_CONTROL_DEVICE
    device_class = POOL_PUMP | SIMPLE_MISC

    def build(self) -> None:
        """The pump behind the relay."""
        self._load = PoolPump(self.seed)
        self.meter = Meter(self, self._watts, 41_000 + self.seed % 900)
        super().build()

    def applied(self, event: LoadControlEvent) -> Applied:
        """Load in percent, or a duty cycle; it has no setpoints."""
        return NO_SET_POINT, NO_SET_POINT, event.average_load_adjustment_percentage, event.duty_cycle

    @property
    def share(self) -> float:
        """Of the time, that its load may be on now."""
        event = self.drlc.current
        if event is None:
            return 1.0
        if event.duty_cycle != NO_BYTE:
            return event.duty_cycle / 100
        if event.average_load_adjustment_percentage != NO_LOAD:
            return max(0.0, min(1.0, 1 + event.average_load_adjustment_percentage / 100))
        return 0.0

    @property
    def is_closed(self) -> bool:
        """Whether the relay lets current through."""
        return self.model_time() % DUTY_PERIOD_S < self.share * DUTY_PERIOD_S

    def _watts(self) -> float:
        return self._load.demand(self.model_time()).watts if self.is_closed else 0.0

    def tick(self) -> None:
        """Events, then energy."""
        super().tick()
        self.meter.tick()

    def shown(self) -> dict[str, object]:
        """Its relay and what flows."""
        return super().shown() | {
            "relay": "closed" if self.is_closed else "open",
            "shed": self.drlc.current is not None,
            "share": self.share,
            "watts": round(self.meter.power_w),
            "delivered_wh": floor(self.meter.delivered_wh),
        }


class EnergyServiceInterface(SmartEnergyDevice):
    """The utility's end of the network: it publishes prices, messages and load control events.

    It publishes to clients that have asked it something, and to those of devices that it hears announcing themselves.
    Where another device holds the network it takes the time from that one, so that all clocks there agree.
    """

    kind = "esi"
    manufacturer, model = "Example", "energy-service-interface"
    device_type = ENERGY_SERVICE_INTERFACE

    def build(self) -> None:
        """The servers, and a clock that always goes; `clock.set` gives it another date, as whoever made it does."""
        super().build()
        self.clock.set(FIRST_UTC_S + self.model_time())
        self.price = PriceServer(self, ENDPOINT, self.utc)
        self.messaging = MessagingServer(self, ENDPOINT, self.utc)
        self.drlc = DrlcServer(self, ENDPOINT, self.utc)
        self._published: tuple[Server, ...] = (self.price, self.messaging, self.drlc)
        self._asked_clients: dict[int, Server] = {}
        self.endpoints[ENDPOINT].servers |= {
            TIME: time_server(self.utc),
            PRICE: self.price.side,
            DRLC: self.drlc.side,
            MESSAGING: self.messaging.side,
        }

    def make_clients(self) -> tuple[Client, ...]:
        """The time of whoever holds the network, and the meter."""
        self.metering = MeteringClient(self)
        return TimeClient(self), self.metering

    def utc(self) -> float:
        """Seconds since 2000-01-01 UTC, as it counts them."""
        return self.clock.now

    def authenticated(self) -> None:
        """Look for the clients of whoever holds the network, and of those who are on it."""
        super().authenticated()
        if self.short == COORDINATOR:
            del self._searches[TIME]
        else:
            self.look_for_clients(COORDINATOR)
        self.look_for_clients(BROADCAST_AWAKE)

    def look_for_clients(self, short: int) -> None:
        """Ask a device, or all, for clients of what this one serves."""
        for server in self._published:
            tsn = self.next_tsn()
            self._asked_clients.pop(tsn, None)
            self._asked_clients[tsn] = server
            while len(self._asked_clients) > MAX_ASKED:
                del self._asked_clients[next(iter(self._asked_clients))]
            body = tsn.to_bytes(1, "little") + short.to_bytes(2, "little") + SMART_ENERGY.to_bytes(2, "little")
            self._send(0, 0, 0, MATCH_DESCRIPTOR, body + b"\x00\x01" + server.cluster.to_bytes(2, "little"), short)

    def object_answered(self, cluster: int, tsn: int, body: bytes) -> None:
        """Somebody has clients, or servers."""
        super().object_answered(cluster, tsn, body)
        server = self._asked_clients.get(tsn)
        if cluster != MATCH_DESCRIPTOR_RESPONSE or server is None or len(body) < 4 or body[0] != 0:
            return
        for endpoint in body[4 : 4 + body[3]]:
            server.add(Peer(body[1] | body[2] << 8, endpoint))

    def receive(self, frame: AirFrame) -> None:
        """A device that announces itself is asked for its clients."""
        super().receive(frame)
        if frame.profile == 0 and frame.cluster == 0x0013 and self.is_authenticated and frame.source != self.short:
            self.look_for_clients(frame.source)

    def network_joined(self, air: Air, short: int) -> None:
        """Clients of another network are not here."""
        super().network_joined(air, short)
        for server in self._published:
            server.subscribers.clear()

    def shown(self) -> dict[str, object]:
        """What is out, and what clients said to it."""
        return super().shown() | {
            "clients": {
                f"0x{server.cluster:04x}": [f"0x{peer.short:04x}/{peer.endpoint}" for peer in server.subscribers]
                for server in self._published
            },
            "prices": self.price.shown(),
            "messages": self.messaging.shown(),
            "events": self.drlc.shown(),
            **self.metering.shown(),
        }
