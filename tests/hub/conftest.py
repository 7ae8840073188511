"""A real hub on emulated breakers, for the tests of this folder."""

from __future__ import annotations

import os
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from hub.config import Config, parse
from hub.hub import Hub
from hub.model import Availability
from radios.emulators.emcb import EmcbConfig, EmcbEmulator
from tests.hub.waiting import eventually

_numbers = count()


@pytest.fixture
def loopback() -> str:
    """The first of a few hundred loopback addresses that no other test of this run uses."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return f"127.{130 + worker % 100}.{1 + next(_numbers) % 250}.2"


def hub_config(emulator: EmcbEmulator, data_dir: Path, **radio: object) -> Config:
    """A configuration for the emulated breakers, polled quickly and without lockout unless told otherwise."""
    table = tomllib.loads(emulator.toml())
    table["radio"][0].update({"poll_interval_s": 0.3, "command_lockout_s": 0, "unavailable_after": 3, **radio})
    return parse(table, data_dir=data_dir)


@asynccontextmanager
async def running_hub(emulator: EmcbEmulator, data_dir: Path, **radio: object) -> AsyncIterator[Hub]:
    """A hub whose breakers have all answered."""
    async with Hub(hub_config(emulator, data_dir, **radio)) as hub:
        devices = hub.devices
        await eventually(
            lambda: (
                sum(device.availability is Availability.AVAILABLE for device in devices.all()) == len(emulator.breakers)
            )
        )
        yield hub


@asynccontextmanager
async def home(
    loopback: str, data_dir: Path, number: int = 3, **radio: object
) -> AsyncIterator[tuple[Hub, EmcbEmulator]]:
    """A hub and its emulated breakers."""
    async with (
        EmcbEmulator(EmcbConfig(count=number, bind=loopback)) as emulator,
        running_hub(emulator, data_dir, **radio) as hub,
    ):
        yield hub, emulator


@pytest.fixture
def quick_zigbee(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The room's driver is known, and nobody waits for seconds."""
    from zigbee_room import DRIVER

    from hub.zigbee import interview
    from radios import loader

    monkeypatch.setattr(loader, "SHIPPED", {**loader.SHIPPED, "room": "zigbee_room:DRIVER"})
    monkeypatch.setattr(interview, "ANSWER_S", 0.2)
    monkeypatch.setattr(interview, "PAUSES_S", (0.01, 0.01))
    monkeypatch.setattr("hub.zigbee.control.ANSWER_S", 0.2)
    monkeypatch.setattr("hub.zigbee.control.READ_BACK_S", 0.2)
    DRIVER.rooms.clear()
    yield
    DRIVER.rooms.clear()
