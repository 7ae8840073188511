"""Occupancy (ZCL8, 4.8), illuminance (4.2), alarm zones (8.2) and batteries (3.3)."""

from __future__ import annotations

from hub.model import Quantity
from hub.zigbee.capabilities import Facts
from hub.zigbee.model import AttributeValue, ReportingRow
from hub.zigbee.translate.findings import Findings, Places, Wanted, whole
from protocols.errors import CodecError
from protocols.zcl.clusters import IAS_ZONE, ILLUMINANCE, OCCUPANCY, POWER_CONFIGURATION
from protocols.zcl.commands import ZoneStatusChange
from protocols.zcl.datatypes import MAP8, MAP16, UINT8, UINT16
from protocols.zcl.header import Direction, ZclHeader

ZONE_STATUS = 0x0002
_ALARMS = 0b11
"""Alarm 1 and Alarm 2 of Zone Status (8.2.2.2.1.3)."""
BATTERY_VOLTAGE, BATTERY_PERCENTAGE = 0x0020, 0x0021
_HALF_PERCENT, _FULL = 0.5, 200
_TENTH = 0.1
ILLUMINANCE_DECADE = 10_000
"""MeasuredValue is 10 000 times the decimal logarithm of the illuminance in lx, plus 1; 0: too low to be measured."""
_ATTRIBUTES = {OCCUPANCY: 0x0000, ILLUMINANCE: 0x0000, IAS_ZONE: ZONE_STATUS}


class Sensing:
    """Sensors of a device."""

    clusters = (OCCUPANCY, ILLUMINANCE, IAS_ZONE, POWER_CONFIGURATION)

    def __init__(self, facts: Facts, places: Places) -> None:
        self._facts, self._places = facts, places
        self._absent: set[tuple[int, int, int]] = set()

    def take(self, value: AttributeValue, found: Findings) -> None:
        if value.manufacturer is not None:
            return
        if value.status:
            self._absent.add((value.endpoint, value.cluster, value.attribute))
            return
        channel, raw = self._places.channel(value.cluster, value.endpoint), whole(value)
        if channel is None:
            return
        if value.cluster == POWER_CONFIGURATION:
            if value.attribute == BATTERY_PERCENTAGE:
                valid = raw is not None and raw <= _FULL
                found.gauge(Quantity.BATTERY, channel, raw * _HALF_PERCENT if valid and raw is not None else None)
            elif value.attribute == BATTERY_VOLTAGE:
                found.gauge(Quantity.BATTERY_VOLTAGE, channel, None if raw is None else round(raw * _TENTH, 1))
        elif value.attribute != _ATTRIBUTES[value.cluster]:
            return
        elif value.cluster == OCCUPANCY:
            found.gauge(Quantity.OCCUPANCY, channel, None if raw is None else float(raw & 1))
        elif value.cluster == ILLUMINANCE:
            found.gauge(Quantity.ILLUMINANCE, channel, None if raw is None else illuminance_lx(raw))
        else:
            found.gauge(Quantity.ALARM, channel, None if raw is None else float(bool(raw & _ALARMS)))

    def command(self, endpoint: int, cluster: int, header: ZclHeader, payload: bytes, found: Findings) -> None:
        """Zone Status Change Notification."""
        if cluster != IAS_ZONE or header.command != ZoneStatusChange.COMMAND:
            return
        if header.direction is not Direction.TO_CLIENT:
            return
        channel = self._places.channel(IAS_ZONE, endpoint)
        try:
            change = ZoneStatusChange.decode(payload)
        except CodecError:
            return
        if channel is not None:
            found.gauge(Quantity.ALARM, channel, float(bool(change.zone_status & _ALARMS)))

    def wanted(self) -> list[Wanted]:
        wanted: list[Wanted] = []
        for cluster, attribute in _ATTRIBUTES.items():
            wanted.extend((endpoint, cluster, attribute, None) for endpoint in self._facts.servers(cluster))
        for endpoint in self._facts.servers(IAS_ZONE):
            wanted.append((endpoint, IAS_ZONE, 0x0001, None))
        for endpoint in self._facts.servers(POWER_CONFIGURATION):
            wanted += [
                (endpoint, POWER_CONFIGURATION, attribute, None) for attribute in (BATTERY_VOLTAGE, BATTERY_PERCENTAGE)
            ]
        return wanted

    def reporting(self) -> list[ReportingRow]:
        if self._facts.is_lumi_sensor:
            return []
        rows: list[ReportingRow] = []
        for cluster, attribute, data_type, min_s, max_s, change in _REPORTS:
            for endpoint in self._facts.servers(cluster):
                if (endpoint, cluster, attribute) not in self._absent:
                    rows.append(
                        ReportingRow(
                            endpoint=endpoint,
                            cluster=cluster,
                            attribute=attribute,
                            data_type=data_type,
                            min_s=min_s,
                            max_s=max_s,
                            change=change,
                        )
                    )
        return rows


_REPORTS: tuple[tuple[int, int, int, int, int, int | None], ...] = (
    (OCCUPANCY, 0x0000, MAP8, 0, 3600, None),
    (ILLUMINANCE, 0x0000, UINT16, 30, 3600, 500),
    (IAS_ZONE, ZONE_STATUS, MAP16, 0, 3600, None),
    (POWER_CONFIGURATION, BATTERY_PERCENTAGE, UINT8, 300, 21_600, 2),
    (POWER_CONFIGURATION, BATTERY_VOLTAGE, UINT8, 300, 21_600, 1),
)
"""Cluster, attribute, type, shortest and longest interval in seconds, least change in raw units."""


def illuminance_lx(raw: int) -> float:
    """Lux of a MeasuredValue; 0 for what is too dark to be measured (below 1 lx)."""
    return 0.0 if raw == 0 else float(10 ** ((min(raw, 0xFFFE) - 1) / ILLUMINANCE_DECADE))
