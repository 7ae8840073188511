"""The Z-Stack driver: the contract against the emulated stick, on clean and hostile wires, and how it is set up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from zigbee_contract import Far, ZigbeeContract, hastening

from radios import zigpy_radio
from radios.api import NotSupportedError, OptionError, RadioConfig
from radios.emulators.stream import StreamFaults
from radios.emulators.znp import ZnpConfig, ZnpEmulator
from radios.emulators.znp_firmware import FIRMWARES
from radios.znp.driver import DRIVER, ZnpRadio

WIRES = {
    "1.2": ZnpConfig(firmware="1.2"),
    "3.0": ZnpConfig(firmware="3.0", tcp_port=0),
    "3.x": ZnpConfig(),
    "one byte at a time": ZnpConfig(faults=StreamFaults(one_byte=True)),
    "lost statuses": ZnpConfig(lost_status=0.3),
}
BAD_WIRES = {
    "lossy": StreamFaults(loss=0.1),
    "noise and damage": StreamFaults(noise=0.1, damage=0.05, cut=0.05),
}
BAD_OF_OLDER = {"1.2, noise and damage": "noise and damage", "3.0, lossy": "lossy"}
LOSSY = frozenset((*BAD_WIRES, *BAD_OF_OLDER, "lost statuses"))
"""On such a wire what may be asked again is; a frame, or the word of its fate, is lost for good."""


def config(pipe: str, **options: object) -> RadioConfig:
    return RadioConfig(name="han", driver="znp", pipe=pipe, options=options)


@asynccontextmanager
async def opened_on(stick: ZnpEmulator, **options: object) -> AsyncIterator[ZnpRadio]:
    async with DRIVER.open(config(stick.pipe_url, **options), None) as radio:
        yield radio


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.zigpy_radio.MOVE_S", 0.1)
    monkeypatch.setattr("radios.emulators.znp.BOOT_S", 0.01)
    monkeypatch.setattr("radios.emulators.znp_network.START_S", 0.01)
    monkeypatch.setattr("radios.emulators.znp_network.FORM_S", 0.02)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.fixture
def patient(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As is needed where much gets lost."""
    monkeypatch.setattr("radios.zigpy_flights.DELIVERED_S", 0.5)
    monkeypatch.setattr("radios.znp.link.RESET_S", 0.6)
    monkeypatch.setattr("radios.znp.link.RESETS", 6)
    monkeypatch.setattr("radios.znp.link.ANSWER_S", 0.12)
    monkeypatch.setattr("radios.znp.link.PING_S", 0.12)
    monkeypatch.setattr("radios.znp.link.ATTEMPTS", 9)
    monkeypatch.setattr("radios.znp.link.GAP_S", 0.03)
    monkeypatch.setattr("radios.znp.link.AGAIN_S", 0.8)
    monkeypatch.setattr("radios.znp.link.POLL_S", 0.1)


class TestZnp(ZigbeeContract):
    """The contract."""

    @pytest.fixture(params=(*WIRES, *BAD_WIRES, *BAD_OF_OLDER))
    async def opened(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Far]:
        wire = request.param
        names = ("TICK_S", "ASKED_AFTER_S", "MUTE_S") if wire != "3.x" else ()
        if wire in LOSSY:
            request.getfixturevalue("patient")
        start = WIRES.get(wire.split(",")[0], ZnpConfig())
        async with ZnpEmulator(start) as stick, opened_on(stick, well_known_key=True) as radio:
            stick.end.faults = replace(BAD_WIRES.get(BAD_OF_OLDER.get(wire, wire), stick.end.faults))
            yield Far(
                radio,
                {device.kind: device for device in stick.devices},
                stick.press,
                stick.mute,
                stick.reset,
                stick.kill,
                is_clean=wire not in LOSSY,
                hasten=hastening(monkeypatch, zigpy_radio, *names),
            )


@pytest.mark.parametrize("wire", BAD_WIRES)
async def test_a_network_is_formed_and_found_again_on_a_bad_wire(wire: str, patient: None) -> None:
    async with ZnpEmulator(ZnpConfig(devices=(), faults=BAD_WIRES[wire])) as stick:
        async with opened_on(stick) as radio:
            network = radio.network
            assert network.is_operational
            assert network.extended_pan_id == stick.air.extended_pan_id
        async with opened_on(stick) as radio:
            assert radio.network == network


@pytest.mark.parametrize(
    ("firmware", "named"), [("1.2", "Z-Stack 1.2"), ("3.0", "Z-Stack 3.0"), ("3.x-20210120", "Z-Stack 3.x")]
)
async def test_versions_are_recognised_and_shown(firmware: str, named: str) -> None:
    async with ZnpEmulator(ZnpConfig(devices=(), firmware=firmware)) as stick, opened_on(stick) as radio:
        build = FIRMWARES[firmware].build
        assert radio.network.firmware.startswith(f"{named}, 2.")
        assert radio.network.firmware.endswith(f"build {build}")
        assert radio.network.mode == f"{named}, trust centre"


async def test_it_is_a_coordinator_only_and_says_so() -> None:
    for key in ("install_code", "link_key"):
        with pytest.raises(OptionError, match="joins no other one") as caught:
            DRIVER.check(config("pty:/dev/pts/1", **{key: "00" * 16}))
        assert caught.value.key == key
    joining = RadioConfig(name="han", driver="znp", pipe="pty:/dev/pts/1", joins=True)
    with pytest.raises(OptionError, match="coordinator of its own network"):
        DRIVER.check(joining)
    assert not DRIVER.joins
    with pytest.raises(OptionError, match=r"known are channels, extended_pan_id, tx_power, well_known_key"):
        DRIVER.check(config("pty:/dev/pts/1", led=True))
    async with ZnpEmulator(ZnpConfig(devices=())) as stick, opened_on(stick) as radio:
        with pytest.raises(NotSupportedError, match="nothing to leave"):
            await radio.leave()


@pytest.mark.parametrize(("firmware", "told"), [("1.2", 20), ("3.x", 20)])
async def test_power_is_set_at_the_start_and_told(firmware: str, told: int) -> None:
    async with ZnpEmulator(ZnpConfig(devices=(), firmware=firmware)) as stick, opened_on(stick, tx_power=9) as radio:
        assert [fields for command, fields in stick.commands if command == 0x2114] == [b"\x09"]
        assert await radio.set_tx_power(20) == told
