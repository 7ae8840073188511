"""Commands that remotes and wall switches send to us: what a person did, as gestures."""

from __future__ import annotations

from collections.abc import Mapping

from hub.zigbee.capabilities import Facts
from hub.zigbee.model import AttributeValue, ReportingRow
from hub.zigbee.translate.findings import Findings, Wanted
from hub.zigbee.translate.switching import MAX_LEVEL
from protocols.zcl.clusters import LEVEL, ON_OFF, SCENES
from protocols.zcl.header import Direction, ZclHeader

_ON_OFF: Mapping[int, str] = {
    0x00: "off",
    0x01: "on",
    0x02: "toggle",
    0x40: "off",
    0x41: "on",
    0x42: "on",
}
_MOVE, _STEP, _MOVE_ON_OFF, _STEP_ON_OFF = 0x01, 0x02, 0x05, 0x06
_TO_LEVEL, _TO_LEVEL_ON_OFF = 0x00, 0x04
_STOP = frozenset((0x03, 0x07))
_DIRECTIONS = {0: "up", 1: "down"}
_RECALL_SCENE = 0x05


class Remote:
    """Client sides of On/Off, Level and Scenes."""

    clusters = (ON_OFF, LEVEL, SCENES)

    def __init__(self, facts: Facts) -> None:
        del facts  # a remote is known by its commands

    def take(self, value: AttributeValue, found: Findings) -> None:
        """Attributes of these clusters are a switch's business."""

    def command(self, endpoint: int, cluster: int, header: ZclHeader, payload: bytes, found: Findings) -> None:
        if header.direction is not Direction.TO_SERVER:
            return
        gesture = _gesture(cluster, header.command, payload)
        if gesture is not None:
            found.gestures.append(gesture)

    def wanted(self) -> list[Wanted]:
        return []

    def reporting(self) -> list[ReportingRow]:
        return []


def _gesture(cluster: int, command: int, payload: bytes) -> tuple[str, float | None] | None:
    if cluster == ON_OFF:
        name = _ON_OFF.get(command)
        return (name, None) if name is not None else None
    if cluster == SCENES:
        return ("scene", float(payload[2])) if command == _RECALL_SCENE and len(payload) >= 3 else None
    if command in _STOP:
        return "stop", None
    if not payload:
        return None
    if command in (_TO_LEVEL, _TO_LEVEL_ON_OFF):
        return "level", round(min(payload[0], MAX_LEVEL) * 100 / MAX_LEVEL, 1)
    way = _DIRECTIONS.get(payload[0])
    if way is None:
        return None
    if command in (_MOVE, _MOVE_ON_OFF):
        return f"move_{way}", None
    if command in (_STEP, _STEP_ON_OFF):
        return f"step_{way}", round(payload[1] * 100 / MAX_LEVEL, 1) if len(payload) > 1 else None
    return None
