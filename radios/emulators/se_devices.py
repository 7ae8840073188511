"""Emulated devices of a Smart Energy network: they speak its profile, establish keys, and insist on encryption."""

from __future__ import annotations

from radios.emulators.device import KEY_ESTABLISHMENT, SMART_ENERGY, Cluster, Endpoint
from radios.emulators.servers import WholeHome, basic, identify

METERING_DEVICE = 0x0501
TIME, METERING = 0x000A, 0x0702


class SmartMeter(WholeHome):
    """The utility's electricity meter."""

    kind = "smart-meter"
    manufacturer, model = "Example", "utility-meter"
    start_wh = 8_120_000

    def build(self) -> None:
        """One endpoint of the Smart Energy profile."""
        super().build()
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
