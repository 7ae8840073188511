"""Emulated devices of a Smart Energy network: they speak its profile, establish keys, and insist on encryption."""

from __future__ import annotations

from radios.emulators.device import KEY_ESTABLISHMENT, SMART_ENERGY, Cluster, EmulatedDevice, Endpoint
from radios.emulators.home import Lighting, Load, Refrigerator, Solar, WaterHeater
from radios.emulators.servers import Meter, basic, identify

METERING_DEVICE = 0x0501
TIME, METERING = 0x000A, 0x0702


class SmartMeter(EmulatedDevice):
    """The utility's electricity meter."""

    kind = "smart-meter"
    manufacturer, model = "Example", "utility-meter"

    def build(self) -> None:
        """One endpoint of the Smart Energy profile."""
        self._loads: tuple[Load, ...] = (
            Lighting(self.seed),
            Refrigerator(self.seed + 1),
            WaterHeater(self.seed + 2),
            Solar(self.seed + 3),
        )
        self.meter = Meter(self, self._watts, 8_120_000 + self.seed % 9000)
        self.endpoints = {
            0x0A: Endpoint(
                METERING_DEVICE,
                {
                    0x0000: basic(self),
                    0x0003: identify(self),
                    KEY_ESTABLISHMENT: Cluster(),
                    METERING: self.meter.cluster(both_ways=True),
                },
                (TIME, KEY_ESTABLISHMENT),
                profile=SMART_ENERGY,
            )
        }

    def _watts(self) -> float:
        now = self.model_time()
        return sum(load.demand(now).watts for load in self._loads)

    def tick(self) -> None:
        """Count energy."""
        self.meter.tick()
