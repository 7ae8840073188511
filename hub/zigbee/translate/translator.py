"""One device's translator: attributes and commands in, what they mean out."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hub.model import QUANTITIES, QuantityKind
from hub.zigbee.capabilities import Facts
from hub.zigbee.model import AttributeValue, ReportingRow, Side
from hub.zigbee.translate.climate import Climate
from hub.zigbee.translate.electrical import Electrical
from hub.zigbee.translate.findings import NOTHING, Family, Findings, Places, Translation, Wanted
from hub.zigbee.translate.metering import Metering
from hub.zigbee.translate.remote import Remote
from hub.zigbee.translate.sensing import Sensing
from hub.zigbee.translate.switching import Switching
from hub.zigbee.translate.xiaomi import Xiaomi
from protocols.zcl.header import FrameType, ZclHeader

__all__ = ["Translation", "Translator"]


class Translator:
    """Pure: it knows what a device has told, and nothing of time, networks or disks."""

    def __init__(self, facts: Facts) -> None:
        places = Places(facts)
        electrical = Electrical(facts, places)
        metering = Metering(facts, places, electrical)
        families: list[Family] = [
            electrical,
            metering,
            Climate(facts, places),
            Sensing(facts, places),
            Remote(facts),
            # Last, and in Switching's place where a maker's On/Off is a contact or a button.
            *((Xiaomi(facts),) if facts.is_lumi else ()),
            *(() if facts.is_lumi_sensor else (Switching(facts, places),)),
        ]
        self._families = families
        self._by_cluster: dict[int, tuple[Family, ...]] = {}
        for family in families:
            for cluster in family.clusters:
                self._by_cluster[cluster] = (*self._by_cluster.get(cluster, ()), family)

    def learn(self, values: Sequence[AttributeValue]) -> Translation:
        """Values that were read or reported, in any order.

        What cannot be scaled yet is kept, and translated when its scaling becomes known.
        """
        found: Findings | None = None
        for value in values:
            families = self._by_cluster.get(value.cluster)
            if families is None or value.side is not Side.SERVER:
                continue
            found = found or Findings()
            for family in families:
                family.take(value, found)
        return _sound(found)

    def command(self, endpoint: int, cluster: int, header: ZclHeader, payload: bytes) -> Translation:
        """A cluster command that came from the device."""
        families = self._by_cluster.get(cluster)
        if families is None or header.frame_type is not FrameType.CLUSTER or header.manufacturer is not None:
            return NOTHING
        found = Findings()
        for family in families:
            family.command(endpoint, cluster, header, payload, found)
        return _sound(found)

    def wanted(self) -> tuple[Wanted, ...]:
        """What to read of the device, so that its values can be understood and its state is known."""
        return tuple(dict.fromkeys(row for family in self._families for row in family.wanted()))

    def reporting(self) -> tuple[ReportingRow, ...]:
        """What to have reported; ask when the scaling is known, since least changes depend on it."""
        return tuple(row for family in self._families for row in family.reporting())


def _sound(found: Findings | None) -> Translation:
    """Nothing that is not a number leaves: floats of devices may be infinite."""
    if found is None:
        return NOTHING
    for reading in found.readings:
        if not math.isfinite(reading.value):
            found.readings = [reading for reading in found.readings if math.isfinite(reading.value)]
            break
    assert not any(QUANTITIES[reading.quantity].kind is QuantityKind.COUNTER for reading in found.readings)
    return found.translation()
