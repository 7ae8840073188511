"""The EZSP driver: the contract against the emulated stick, on clean and hostile wires, and what only EZSP has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from zigbee_contract import Far, ZigbeeContract

from radios.api import RadioConfig
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.ezsp.driver import DRIVER, EzspRadio

VERSIONS = {"EZSP 8": "6.10.3", "EZSP 13": "7.4.4", "EZSP 14": "8.0.2", "EZSP 18": "9.0.0"}
WIRES = {
    **{name: EzspConfig(firmware=firmware) for name, firmware in VERSIONS.items()},
    "clean tcp": EzspConfig(tcp_port=0),
}
LOSSY: frozenset[str] = frozenset()


def config(pipe: str, **options: object) -> RadioConfig:
    return RadioConfig(name="han", driver="ezsp", pipe=pipe, options=options)


@asynccontextmanager
async def opened_on(stick: EzspEmulator, **options: object) -> AsyncIterator[EzspRadio]:
    async with DRIVER.open(config(stick.pipe_url, **options), None) as radio:
        yield radio


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.ezsp.driver.MOVE_S", 0.1)


class TestEzsp(ZigbeeContract):
    """The contract."""

    @pytest.fixture(params=WIRES)
    async def opened(self, request: pytest.FixtureRequest, quick: None) -> AsyncIterator[Far]:
        async with EzspEmulator(WIRES[request.param]) as stick, opened_on(stick, well_known_key=True) as radio:
            yield Far(
                radio,
                {device.kind: device for device in stick.devices},
                stick.press,
                stick.mute,
                stick.reset,
                stick.kill,
                is_clean=request.param not in LOSSY,
            )
