"""Prometheus metrics, computed when asked for. The library is imported with the first scrape: it costs 50 ms."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hub.hub import Hub
from hub.model import Availability, Outcome, Position, Quantity, RadioState, StorageState
from hub.zigbee.model import NetworkState
from web.ws import Fanout

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
JOULE_PER_WH = 3600.0


class _Collector:
    """The hub as metric families; a registry of its own asks it."""

    def __init__(self, hub: Hub, fanout: Fanout, database_bytes: int) -> None:
        self._hub, self._fanout, self._database_bytes = hub, fanout, database_bytes

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        yield from self._of_hub()
        yield from self._of_radios()
        yield from self._of_networks()
        yield from self._of_devices()

    def _of_hub(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        hub = self._hub
        build = GaugeMetricFamily("hub_build_info", "Version of the hub", labels=["version", "python"])
        build.add_metric([hub.version, platform.python_version()], 1)
        yield build
        yield GaugeMetricFamily("hub_uptime_seconds", "Time since the start", value=hub.uptime_s())
        status = hub.store.status
        state = GaugeMetricFamily("hub_storage_state", "1 for the state the database is in", labels=["state"])
        for one in StorageState:
            state.add_metric([one.value], float(status.state is one))
        yield state
        yield GaugeMetricFamily("hub_storage_waiting_rows", "Records not on disk yet", value=status.waiting)
        yield CounterMetricFamily("hub_storage_lost_rows", "Records given up for want of memory", value=status.lost)
        yield GaugeMetricFamily("hub_storage_bytes", "Size of the database on disk", value=self._database_bytes)
        yield GaugeMetricFamily("hub_websocket_clients", "Open websockets", value=self._fanout.clients)
        yield CounterMetricFamily(
            "hub_websocket_slow_clients",
            "Websockets cut off because they did not read",
            value=self._fanout.slow_clients,
        )
        commands = CounterMetricFamily("hub_commands", "Commands that ended", labels=["outcome"])
        for outcome in Outcome:
            if outcome is not Outcome.PENDING:
                commands.add_metric([outcome.value], self._fanout.outcomes[outcome])
        yield commands
        house = hub.energy.house()
        if house.power_w is not None:
            yield GaugeMetricFamily(
                "hub_house_power_watts", "Power of the home, negative while it exports", value=house.power_w
            )
        energy = CounterMetricFamily("hub_house_energy_joules", "Energy of the home", labels=["direction"])
        for direction, value in (("delivered", house.energy_delivered_wh), ("received", house.energy_received_wh)):
            if value is not None:
                energy.add_metric([direction], value * JOULE_PER_WH)
        yield energy

    def _of_radios(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        up = GaugeMetricFamily("hub_radio_up", "Whether the radio is up", labels=["radio", "driver"])
        restarts = CounterMetricFamily("hub_radio_restarts", "Times the radio was lost", labels=["radio"])
        datagrams = CounterMetricFamily("hub_radio_datagrams", "What the driver counts", labels=["radio", "kind"])
        for radio in self._hub.radios():
            up.add_metric([radio.name, radio.driver], float(radio.state is RadioState.UP))
            restarts.add_metric([radio.name], radio.restarts)
            for kind, count in radio.counters.items():
                datagrams.add_metric([radio.name, kind], count)
        yield from (up, restarts, datagrams)
        expires = GaugeMetricFamily(
            "hub_key_expires_seconds",
            "Life left of a key, negative when it has expired; device is empty for a broadcast key",
            labels=["radio", "device"],
        )
        now = self._hub.clock.now()
        for key in self._hub.keys.statuses():
            if key.expires_at is not None:
                expires.add_metric([key.radio, key.device_id or ""], (key.expires_at - now).total_seconds())
        yield expires

    def _of_networks(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        up = GaugeMetricFamily("hub_zigbee_network_up", "Whether the network is up", labels=["radio"])
        devices = GaugeMetricFamily("hub_zigbee_devices", "Devices of the network", labels=["radio"])
        pending = GaugeMetricFamily(
            "hub_zigbee_pending_requests", "Requests that wait for an answer or for their turn", labels=["radio"]
        )
        joining = GaugeMetricFamily("hub_zigbee_joining", "1 while devices may join", labels=["radio"])
        aged = GaugeMetricFamily("hub_backup_age_seconds", "Since the last backup", labels=["radio"])
        alarm = GaugeMetricFamily(
            "hub_backup_alarm", "1 while a backup failed, or something is missing in the last one", labels=["radio"]
        )
        now = self._hub.clock.now()
        for network in self._hub.networks.all():
            labels = [network.radio]
            up.add_metric(labels, float(network.state is NetworkState.UP))
            devices.add_metric(labels, network.devices)
            pending.add_metric(labels, network.pending)
            joining.add_metric(labels, float(network.joining_until is not None))
            backup = network.backup
            if backup is not None:
                alarm.add_metric(labels, float(backup.alarm is not None or bool(backup.failure)))
                if backup.last is not None:
                    aged.add_metric(labels, (now - backup.last.time).total_seconds())
        yield from (up, devices, pending, joining, aged, alarm)

    def _of_devices(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        available = GaugeMetricFamily("hub_device_available", "Whether it can be reached", labels=["device", "name"])
        closed = GaugeMetricFamily(
            "hub_breaker_closed", "1 closed, 0 open; absent when unknown", labels=["device", "name"]
        )
        power = GaugeMetricFamily(
            "hub_device_power_watts", "Power, negative while it exports", labels=["device", "name", "channel"]
        )
        energy = CounterMetricFamily(
            "hub_device_energy_joules", "Energy since the hub first saw it", labels=["device", "name", "direction"]
        )
        lqi = GaugeMetricFamily("hub_device_lqi", "Link quality of its last frame, 0 to 255", labels=["device", "name"])
        directions = {Quantity.ENERGY_DELIVERED: "delivered", Quantity.ENERGY_RECEIVED: "received"}
        for device in self._hub.devices.all():
            available.add_metric([device.id, device.name], float(device.availability is Availability.AVAILABLE))
            if device.breaker is not None and device.breaker.position in (Position.OPEN, Position.CLOSED):
                closed.add_metric([device.id, device.name], float(device.breaker.position is Position.CLOSED))
            for (channel, quantity), value in self._hub.devices.latest(device.id).values.items():
                if quantity is Quantity.POWER:
                    power.add_metric([device.id, device.name, channel.value], value)
                elif quantity in directions and channel.value == "total":
                    energy.add_metric([device.id, device.name, directions[quantity]], value * JOULE_PER_WH)
            if device.lqi is not None:
                lqi.add_metric([device.id, device.name], device.lqi)
        yield from (available, closed, power, energy, lqi)


async def exposition(hub: Hub, fanout: Fanout) -> bytes:
    """All metrics in the text format."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(hub, fanout, await hub.store.size_bytes()))
    return generate_latest(registry)
