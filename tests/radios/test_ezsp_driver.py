"""The EZSP driver: the contract against the emulated stick, on clean and hostile wires, and what only EZSP has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from zigbee_contract import Far, ZigbeeContract, hastening

from radios import zigpy_radio
from radios.api import RadioConfig
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.emulators.stream import StreamFaults
from radios.ezsp.driver import DRIVER, EzspRadio

VERSIONS = {"EZSP 8": "6.10.3", "EZSP 13": "7.4.4", "EZSP 14": "8.0.2", "EZSP 18": "9.0.0"}
WIRES = {
    **{name: EzspConfig(firmware=firmware) for name, firmware in VERSIONS.items()},
    "clean tcp": EzspConfig(tcp_port=0),
    "one byte at a time": EzspConfig(faults=StreamFaults(one_byte=True)),
    "delay": EzspConfig(faults=StreamFaults(delay=0.02)),
    "EZSP 8, noise": EzspConfig(firmware=VERSIONS["EZSP 8"], faults=StreamFaults(noise=0.1)),
    "EZSP 13, damage": EzspConfig(firmware=VERSIONS["EZSP 13"], faults=StreamFaults(damage=0.1, cut=0.05)),
    "EZSP 14, lossy": EzspConfig(firmware=VERSIONS["EZSP 14"], faults=StreamFaults(loss=0.04)),
    "EZSP 18, damage": EzspConfig(firmware=VERSIONS["EZSP 18"], faults=StreamFaults(damage=0.05, noise=0.05)),
    "lost statuses": EzspConfig(lost_status=0.3),
}
LOSSY = frozenset(name for name in WIRES if name.endswith(("noise", "lossy", "damage", "statuses")))
"""On such a wire the line protocol repeats what is lost, so that it is late; only a lost status is lost for good."""


def config(pipe: str, **options: object) -> RadioConfig:
    return RadioConfig(name="han", driver="ezsp", pipe=pipe, options=options)


@asynccontextmanager
async def opened_on(stick: EzspEmulator, **options: object) -> AsyncIterator[EzspRadio]:
    async with DRIVER.open(config(stick.pipe_url, **options), None) as radio:
        yield radio


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.zigpy_radio.MOVE_S", 0.1)
    # The line protocol's own timers, at both ends.
    monkeypatch.setattr("bellows.ash.T_RX_ACK_INIT", 0.3)
    monkeypatch.setattr("bellows.ash.T_RX_ACK_MAX", 0.3)
    monkeypatch.setattr("radios.emulators.ash.ACK_WAIT_S", 0.25)


class TestEzsp(ZigbeeContract):
    """The contract."""

    @pytest.fixture(params=WIRES)
    async def opened(
        self, request: pytest.FixtureRequest, quick: None, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[Far]:
        if request.param in LOSSY:
            monkeypatch.setattr("radios.zigpy_flights.DELIVERED_S", 1.0)

        names = ("TICK_S", "ASKED_AFTER_S", "MUTE_S") if request.param != "EZSP 18" else ()
        async with EzspEmulator(WIRES[request.param]) as stick, opened_on(stick, well_known_key=True) as radio:
            yield Far(
                radio,
                {device.kind: device for device in stick.devices},
                stick.press,
                stick.mute,
                stick.reset,
                stick.kill,
                is_clean=request.param not in LOSSY,
                hasten=hastening(monkeypatch, zigpy_radio, *names),
            )
