"""Thermostat (ZCL8, 6.3), Temperature (4.4) and Relative Humidity (4.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hub.model import Quantity, Running, ThermostatMode, ThermostatState
from hub.zigbee.capabilities import Facts
from hub.zigbee.model import AttributeValue, ReportingRow
from hub.zigbee.translate.findings import Findings, Places, Wanted, whole
from protocols.zcl.clusters import HUMIDITY, TEMPERATURE, THERMOSTAT
from protocols.zcl.datatypes import ENUM8, INT16, MAP16, UINT8, UINT16
from protocols.zcl.header import ZclHeader

HUNDREDTH = 0.01
LOCAL_TEMPERATURE, COOLING_DEMAND, HEATING_DEMAND = 0x0000, 0x0007, 0x0008
COOLING_SETPOINT, HEATING_SETPOINT = 0x0011, 0x0012
CONTROL_SEQUENCE, SYSTEM_MODE, RUNNING_MODE, RUNNING_STATE = 0x001B, 0x001C, 0x001E, 0x0029
_MODES: Mapping[int, ThermostatMode] = {
    0: ThermostatMode.OFF,
    1: ThermostatMode.AUTO,
    3: ThermostatMode.COOL,
    4: ThermostatMode.HEAT,
    5: ThermostatMode.EMERGENCY_HEATING,
    6: ThermostatMode.PRECOOLING,
    7: ThermostatMode.FAN_ONLY,
    8: ThermostatMode.DRY,
    9: ThermostatMode.SLEEP,
}
_COOLS, _HEATS = (ThermostatMode.OFF, ThermostatMode.COOL), (ThermostatMode.OFF, ThermostatMode.HEAT)
_BOTH = (ThermostatMode.OFF, ThermostatMode.AUTO, ThermostatMode.COOL, ThermostatMode.HEAT)
_SEQUENCES: Mapping[int, tuple[ThermostatMode, ...]] = {0: _COOLS, 1: _COOLS, 2: _HEATS, 3: _HEATS, 4: _BOTH, 5: _BOTH}
_HEATING_BITS, _COOLING_BITS = 0b001001, 0b010010
"""Running State: first and second stage (6.3.2.2.2.22)."""
_RUNNING_MODES = {0: Running.IDLE, 3: Running.COOLING, 4: Running.HEATING}


class Climate:
    """Thermostats, thermometers and hygrometers of a device; its first thermostat is the device's."""

    clusters = (THERMOSTAT, TEMPERATURE, HUMIDITY)

    def __init__(self, facts: Facts, places: Places) -> None:
        self._facts, self._places = facts, places
        self._thermostats = facts.servers(THERMOSTAT)
        self._has_thermometer = bool(facts.servers(TEMPERATURE))
        self._raw: dict[int, int] = {}
        """Limits and what runs, of the first thermostat, in raw units."""
        self._state = ThermostatState()
        self._absent: set[tuple[int, int, int]] = set()

    def take(self, value: AttributeValue, found: Findings) -> None:
        if value.manufacturer is not None:
            return
        if value.status:
            self._absent.add((value.endpoint, value.cluster, value.attribute))
        elif value.cluster == THERMOSTAT:
            self._thermostat(value, found)
        elif value.attribute == 0:
            self._measured(value, found)

    def _measured(self, value: AttributeValue, found: Findings) -> None:
        channel, raw = self._places.channel(value.cluster, value.endpoint), whole(value)
        if channel is None:
            return
        quantity = Quantity.TEMPERATURE if value.cluster == TEMPERATURE else Quantity.HUMIDITY
        if quantity is Quantity.HUMIDITY and raw is not None and not 0 <= raw <= 10_000:
            raw = None
        found.gauge(quantity, channel, None if raw is None else raw * HUNDREDTH)

    def _thermostat(self, value: AttributeValue, found: Findings) -> None:
        channel = self._places.channel(THERMOSTAT, value.endpoint)
        is_first = not self._thermostats or value.endpoint == self._thermostats[0]
        raw, attribute = whole(value), value.attribute
        degrees = None if raw is None else raw * HUNDREDTH
        if channel is not None:
            if attribute == LOCAL_TEMPERATURE and not self._has_thermometer:
                found.gauge(Quantity.TEMPERATURE, channel, degrees)
            elif attribute == HEATING_SETPOINT:
                found.gauge(Quantity.HEATING_SETPOINT, channel, degrees)
            elif attribute == COOLING_SETPOINT:
                found.gauge(Quantity.COOLING_SETPOINT, channel, degrees)
            elif attribute in (HEATING_DEMAND, COOLING_DEMAND):
                quantity = Quantity.HEATING_DEMAND if attribute == HEATING_DEMAND else Quantity.COOLING_DEMAND
                found.gauge(quantity, channel, float(raw) if raw is not None and raw <= 100 else None)
        if not is_first:
            return
        if raw is None:
            self._raw.pop(attribute, None)
        else:
            self._raw[attribute] = raw
        state = self._derived()
        if state != self._state:
            self._state = state
            found.thermostat = state

    def _derived(self) -> ThermostatState:
        raw = self._raw

        def degrees(attribute: int) -> float | None:
            known = raw.get(attribute)
            return None if known is None else known * HUNDREDTH

        state = ThermostatState(
            temperature_c=degrees(LOCAL_TEMPERATURE),
            heating_setpoint_c=degrees(HEATING_SETPOINT),
            cooling_setpoint_c=degrees(COOLING_SETPOINT),
            mode=_MODES.get(raw.get(SYSTEM_MODE, -1)),
            running=self._running(),
            modes=_SEQUENCES.get(raw.get(CONTROL_SEQUENCE, -1), ()),
        )
        return replace(
            state,
            min_heating_c=self._limit(0x0015, 0x0003, state.min_heating_c),
            max_heating_c=self._limit(0x0016, 0x0004, state.max_heating_c),
            min_cooling_c=self._limit(0x0017, 0x0005, state.min_cooling_c),
            max_cooling_c=self._limit(0x0018, 0x0006, state.max_cooling_c),
        )

    def _limit(self, limit: int, absolute: int, standard: float) -> float:
        """A limit that a person may have set, else the device's absolute one, else the standard's (6.3.2.2.2)."""
        raw = self._raw.get(limit, self._raw.get(absolute))
        return standard if raw is None else raw * HUNDREDTH

    def _running(self) -> Running | None:
        raw = self._raw
        if RUNNING_STATE in raw:
            bits = raw[RUNNING_STATE]
            if bits & _HEATING_BITS:
                return Running.HEATING
            return Running.COOLING if bits & _COOLING_BITS else Running.IDLE
        if RUNNING_MODE in raw:
            return _RUNNING_MODES.get(raw[RUNNING_MODE])
        if HEATING_DEMAND in raw or COOLING_DEMAND in raw:
            if raw.get(HEATING_DEMAND, 0):
                return Running.HEATING
            return Running.COOLING if raw.get(COOLING_DEMAND, 0) else Running.IDLE
        return None

    def command(self, endpoint: int, cluster: int, header: ZclHeader, payload: bytes, found: Findings) -> None:
        """Commands of a thermostat tell nothing that its attributes do not."""

    def wanted(self) -> list[Wanted]:
        wanted: list[Wanted] = [
            (endpoint, THERMOSTAT, attribute, None)
            for endpoint in self._thermostats
            for attribute in (
                LOCAL_TEMPERATURE,
                *(0x0003, 0x0004, 0x0005, 0x0006, 0x0015, 0x0016, 0x0017, 0x0018),
                *(COOLING_DEMAND, HEATING_DEMAND, COOLING_SETPOINT, HEATING_SETPOINT),
                *(CONTROL_SEQUENCE, SYSTEM_MODE, RUNNING_MODE, RUNNING_STATE),
            )
        ]
        for cluster in (TEMPERATURE, HUMIDITY):
            wanted.extend((endpoint, cluster, 0x0000, None) for endpoint in self._facts.servers(cluster))
        return wanted

    def reporting(self) -> list[ReportingRow]:
        rows = [
            _row(endpoint, THERMOSTAT, *row)
            for endpoint in self._thermostats
            for row in _THERMOSTAT_REPORTS
            if (endpoint, THERMOSTAT, row[0]) not in self._absent
        ]
        if not self._facts.is_lumi_sensor:
            longest = 3600 if self._facts.is_sleepy else 600
            for endpoint in self._facts.servers(TEMPERATURE):
                rows.append(_row(endpoint, TEMPERATURE, 0x0000, INT16, 30, longest, 10))
            for endpoint in self._facts.servers(HUMIDITY):
                rows.append(_row(endpoint, HUMIDITY, 0x0000, UINT16, 30, longest, 100))
        return rows


_THERMOSTAT_REPORTS: tuple[tuple[int, int, int, int, int | None], ...] = (
    (LOCAL_TEMPERATURE, INT16, 10, 600, 10),
    (HEATING_SETPOINT, INT16, 1, 3600, 10),
    (COOLING_SETPOINT, INT16, 1, 3600, 10),
    (HEATING_DEMAND, UINT8, 10, 3600, 5),
    (COOLING_DEMAND, UINT8, 10, 3600, 5),
    (SYSTEM_MODE, ENUM8, 1, 3600, None),
    (RUNNING_STATE, MAP16, 1, 3600, None),
)
"""Attribute, type, shortest and longest interval in seconds, least change in raw units."""


def _row(
    endpoint: int, cluster: int, attribute: int, data_type: int, min_s: int, max_s: int, change: int | None
) -> ReportingRow:
    return ReportingRow(
        endpoint=endpoint,
        cluster=cluster,
        attribute=attribute,
        data_type=data_type,
        min_s=min_s,
        max_s=max_s,
        change=change,
    )
