"""On/Off (ZCL8, 3.8) and Level (3.10): a switch, and how much."""

from __future__ import annotations

from hub.model import Quantity, SwitchState
from hub.zigbee.capabilities import Facts
from hub.zigbee.model import AttributeValue, ReportingRow
from hub.zigbee.translate.findings import Findings, Places, Wanted, truth, whole
from protocols.zcl.clusters import LEVEL, ON_OFF
from protocols.zcl.datatypes import BOOL, UINT8
from protocols.zcl.header import ZclHeader

MAX_LEVEL = 254
"""CurrentLevel of full (3.10.2.3.1)."""


class Switching:
    """Switches of a device; its first is the device's."""

    clusters = (ON_OFF, LEVEL)

    def __init__(self, facts: Facts, places: Places) -> None:
        self._facts, self._places = facts, places
        self._state = SwitchState()
        self._first = min(facts.servers(ON_OFF) + facts.servers(LEVEL), default=None)
        self._level_endpoint = min(facts.servers(LEVEL), default=None)

    def take(self, value: AttributeValue, found: Findings) -> None:
        if value.status or value.manufacturer is not None or value.attribute != 0x0000:
            return
        if value.cluster == ON_OFF:
            if self._first is not None and value.endpoint != self._first:
                return
            state = SwitchState(on=truth(value), level_percent=self._state.level_percent)
        else:
            raw, channel = whole(value), self._places.channel(LEVEL, value.endpoint)
            percent = None if raw is None or raw > MAX_LEVEL else round(raw * 100 / MAX_LEVEL, 1)
            if channel is not None:
                found.gauge(Quantity.LEVEL, channel, percent)
            if self._level_endpoint is not None and value.endpoint != self._level_endpoint:
                return
            state = SwitchState(on=self._state.on, level_percent=percent)
        if state != self._state:
            self._state = state
            found.switch = state

    def command(self, endpoint: int, cluster: int, header: ZclHeader, payload: bytes, found: Findings) -> None:
        """Commands that a switch sends are a remote's business."""

    def wanted(self) -> list[Wanted]:
        return [(endpoint, cluster, 0, None) for cluster in self.clusters for endpoint in self._facts.servers(cluster)]

    def reporting(self) -> list[ReportingRow]:
        rows = [
            ReportingRow(endpoint=endpoint, cluster=ON_OFF, attribute=0, data_type=BOOL, min_s=0, max_s=300)
            for endpoint in self._facts.servers(ON_OFF)
        ]
        rows += [
            ReportingRow(endpoint=endpoint, cluster=LEVEL, attribute=0, data_type=UINT8, min_s=1, max_s=600, change=2)
            for endpoint in self._facts.servers(LEVEL)
        ]
        return rows
