"""Two emulated XBees on one air: what one host sends is what the other one hears, with the outcomes of the layers."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from radios.emulators.errors import EmulatorError
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from radios.emulators.xbee_router import XbeeRouter, XbeeRouterConfig
from tests.hub.waiting import eventually

DELIVERED, NO_MAC_ACK, NO_APS_ACK, NO_KEY = 0x00, 0x01, 0x21, 0xBB
LOWER = XbeeRouterConfig(devices=(), seed=2)
ENCRYPTED = 0x20


class Host:
    """What a module tells its host."""

    def __init__(self, module: XbeeEmulator) -> None:
        self.module = module
        self.said: list[bytes] = []
        module._say = self.said.append  # type: ignore[method-assign]

    def send(self, to: XbeeEmulator, payload: bytes, *, encrypted: bool = False) -> None:
        options = ENCRYPTED if encrypted else 0
        about = struct.pack(">BQHBBHHBB", 7, to.ieee, 0xFFFE, 0x5E, 0x5E, 0x0701, 0x0109, 0, options)
        self.module._frame(b"\x11" + about + payload)

    def outcomes(self) -> list[int]:
        return [frame[5] for frame in self.said if frame[0] == 0x8B]

    def heard(self) -> list[bytes]:
        return [frame[18:] for frame in self.said if frame[0] == 0x91 and frame[12] == 0x5E]


@asynccontextmanager
async def two() -> AsyncIterator[tuple[Host, Host]]:
    """Both are on the network of the first, with keys."""
    async with XbeeEmulator(XbeeConfig(devices=())) as above, XbeeRouter(LOWER, above) as below:
        hosts = Host(above), Host(below)
        below.register()
        assert above.air.join(below) or below.is_on_network
        above.knows(below.ieee, below.factory_key)
        below._finish()
        yield hosts


async def test_frames_go_both_ways_and_tell_whether_they_were_encrypted() -> None:
    async with two() as (above, below):
        above.send(below.module, b"down", encrypted=True)
        below.send(above.module, b"up", encrypted=True)
        below.send(above.module, b"open")
        await eventually(lambda: len(above.heard()) == 2 and len(below.heard()) == 1)
        assert (above.heard(), below.heard()) == ([b"up", b"open"], [b"down"])
        options = [frame[17] & ENCRYPTED for frame in above.said if frame[0] == 0x91 and frame[12] == 0x5E]
        assert options == [ENCRYPTED, 0]
        await eventually(lambda: below.outcomes() == [DELIVERED] * 2 and above.outcomes() == [DELIVERED])
        rows = [(row[0], row[1]) for row in above.module.air.neighbours(0)]
        assert rows == [(below.module.ieee, below.module.short)]


async def test_without_keys_nothing_is_sent_and_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radios.emulators.air.APS_WAIT_S", 0.01)
    async with two() as (above, below):
        below.module._authenticated.clear()
        below.send(above.module, b"up", encrypted=True)
        assert below.outcomes() == [NO_KEY]
        above.send(below.module, b"down", encrypted=True)
        await eventually(lambda: above.outcomes() == [NO_APS_ACK])
        assert below.heard() == []


async def test_a_module_without_power_confirms_nothing() -> None:
    async with two() as (above, below):
        below.module.kill()
        above.send(below.module, b"down")
        await eventually(lambda: above.outcomes() == [NO_MAC_ACK])
        below.module.revive()
        place = below.module.air.places[below.module.ieee]
        await eventually(lambda: place.power)
        above.module.kill()
        below.send(above.module, b"up")
        await eventually(lambda: below.outcomes() == [NO_MAC_ACK])
        above.module.revive()
        await eventually(lambda: above.module.is_on_network)
        below.send(above.module, b"up")
        await eventually(lambda: below.outcomes() == [NO_MAC_ACK, DELIVERED])


async def test_a_frame_whose_confirmation_is_lost_comes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radios.emulators.air.APS_WAIT_S", 0.01)
    async with two() as (above, below):
        lost = iter((False, True, False, False))  # the frame comes, its confirmation does not; both come
        monkeypatch.setattr(above.module.air, "_is_lost", lambda: next(lost))
        below.send(above.module, b"up")
        await eventually(lambda: below.outcomes() == [DELIVERED])
        assert above.heard() == [b"up"]


async def test_a_guest_brings_no_devices_and_has_an_address_of_its_own() -> None:
    async with XbeeEmulator(XbeeConfig(devices=())) as above:
        with pytest.raises(EmulatorError, match="seed 1: is the one of the module that holds the network"):
            XbeeRouter(XbeeRouterConfig(devices=()), above)
        with pytest.raises(EmulatorError, match="devices plug: must be the ones of the module"):
            XbeeRouter(XbeeRouterConfig(devices=("plug",), seed=2), above)
