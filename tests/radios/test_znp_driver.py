"""The Z-Stack driver: the contract against the emulated stick, on clean and hostile wires, and what only Z-Stack has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from zigbee_contract import Far, ZigbeeContract

from radios.api import RadioConfig
from radios.emulators.stream import StreamFaults
from radios.emulators.znp import ZnpConfig, ZnpEmulator
from radios.znp.driver import DRIVER, ZnpRadio

WIRES = {
    "1.2": ZnpConfig(firmware="1.2"),
    "3.0": ZnpConfig(firmware="3.0"),
    "3.x": ZnpConfig(),
    "clean tcp": ZnpConfig(tcp_port=0),
    "one byte at a time": ZnpConfig(faults=StreamFaults(one_byte=True)),
    "delay": ZnpConfig(faults=StreamFaults(delay=0.02), is_formed=True),
    "noise": ZnpConfig(faults=StreamFaults(noise=0.1)),
    "lossy": ZnpConfig(faults=StreamFaults(loss=0.1), is_formed=True),
    "damage": ZnpConfig(faults=StreamFaults(damage=0.1, cut=0.05), is_formed=True),
    "lost statuses": ZnpConfig(lost_status=0.3),
}
LOSSY = frozenset(("noise", "lossy", "damage", "lost statuses"))
"""On such a wire what may be asked again is; a frame, or the word of its fate, is lost for good."""


def config(pipe: str, **options: object) -> RadioConfig:
    return RadioConfig(name="han", driver="znp", pipe=pipe, options=options)


@asynccontextmanager
async def opened_on(stick: ZnpEmulator, **options: object) -> AsyncIterator[ZnpRadio]:
    async with DRIVER.open(config(stick.pipe_url, **options), None) as radio:
        yield radio


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.zigpy_radio.MOVE_S", 0.1)
    monkeypatch.setattr("radios.zigpy_radio.ASKED_AFTER_S", 1.0)
    monkeypatch.setattr("radios.zigpy_radio.MUTE_S", 4.0)
    monkeypatch.setattr("radios.znp.link.RESET_S", 0.6)
    monkeypatch.setattr("radios.znp.link.PING_S", 0.5)


class TestZnp(ZigbeeContract):
    """The contract."""

    @pytest.fixture(params=WIRES)
    async def opened(
        self, request: pytest.FixtureRequest, quick: None, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[Far]:
        if request.param in LOSSY:
            monkeypatch.setattr("radios.znp.application.DELIVERED_S", 0.6)
            monkeypatch.setattr("radios.znp.link.ANSWER_S", 0.25)
            monkeypatch.setattr("radios.znp.link.ATTEMPTS", 8)
            monkeypatch.setattr("radios.znp.link.GAP_S", 0.05)
            monkeypatch.setattr("radios.znp.link.AGAIN_S", 1.0)
        async with ZnpEmulator(WIRES[request.param]) as stick, opened_on(stick, well_known_key=True) as radio:
            yield Far(
                radio,
                {device.kind: device for device in stick.devices},
                stick.press,
                stick.mute,
                stick.reset,
                stick.kill,
                is_clean=request.param not in LOSSY,
            )
