"""The hub, or its XBee, loses power at any step of a join with a link key: nothing is lost, doubled or left open."""

from __future__ import annotations

import json
import shutil
import sqlite3
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest

from hub.events import AttributesReported
from hub.hub import DATABASE_NAME, Hub
from hub.model import Availability
from hub.zigbee.link_keys import FILE_NAME
from hub.zigbee.model import NetworkState
from radios.emulators.device import EmulatedDevice
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from tests.flows.test_xbee_home import hub_on, is_interviewed, name_of
from tests.hub.waiting import eventually

SPEED = 20.0
"""Of the devices; what they wait for among themselves is patched to suit."""
METERING = 0x0702
READ, CONFIGURE = 0x00, 0x06


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds; a device looks for keys until it has them."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    monkeypatch.setattr("radios.xbee.driver.CLOSING_S", 0.05)
    monkeypatch.setattr("hub.supervisor.FIRST_PAUSE_S", 0.2)
    monkeypatch.setattr("hub.zigbee.interview.ANSWER_S", 1.0)
    for name, seconds in (("KEY_SEARCH_S", 0.05), ("KEY_SEARCH_AGAIN_S", 0.5), ("KEY_ESTABLISHMENT_S", 0.05)):
        monkeypatch.setattr(f"radios.emulators.device.{name}", seconds * SPEED)
    monkeypatch.setattr("radios.emulators.device.KEY_SEARCHES", 100)


class Fragile(XbeeEmulator):
    """A module at which something happens as it gets a certain frame, or once a device has authenticated."""

    trap: Callable[[bytes], bool] | None = None
    on_authentication = False
    is_sprung = False

    def spring(self) -> bool:
        """The power fails; whether the module still has it."""
        raise NotImplementedError

    def _fire(self) -> bool:
        self.trap, self.on_authentication, self.is_sprung = None, False, True
        return self.spring()

    def _frame(self, frame: bytes) -> None:
        if self.trap is not None and self.trap(frame) and not self._fire():
            return
        super()._frame(frame)

    def authenticate(self, ieee: int) -> bool:
        done = super().authenticate(ieee)
        if done and self.on_authentication:
            self._fire()
        return done


def asks(cluster: int, command: int | None = None, *, nth: int = 1) -> Callable[[], Callable[[bytes], bool]]:
    """A trap for the nth transmission to a cluster of the device object, or of an application with its command."""

    def make() -> Callable[[bytes], bool]:
        left = nth

        def matches(frame: bytes) -> bool:
            nonlocal left
            if frame[0] != 0x11:
                return False
            found, profile = struct.unpack_from(">HH", frame, 14)
            if found != cluster or (profile == 0) != (command is None):
                return False
            left -= command is None or frame[22] == command
            return left == 0

        return matches

    return make


REGISTERED, OPEN, PRESSED, AUTHENTICATED = (
    "its key is registered",
    "joining is open",
    "it has just joined",
    "it has just authenticated",
)
ASKED = {
    "it is asked for Smart Energy": asks(0x0006),
    "its search for keys is answered": asks(0x8006),
    "it is asked for its node descriptor": asks(0x0002),
    "it is asked for its power descriptor": asks(0x0003),
    "it is asked for its endpoints": asks(0x0005),
    "it is asked for a simple descriptor": asks(0x0004),
    "it is asked who made it": asks(0x0000, READ),
    "its secrets are asked for": asks(METERING, READ),
    "its secrets are asked for again": asks(METERING, READ, nth=2),
    "it is bound": asks(0x0021),
    "its first report is configured": asks(METERING, CONFIGURE),
    "its second report is configured": asks(METERING, CONFIGURE, nth=2),
}
MOMENTS = (REGISTERED, OPEN, PRESSED, AUTHENTICATED, *ASKED)


@asynccontextmanager
async def one_meter() -> AsyncIterator[tuple[Fragile, EmulatedDevice]]:
    async with Fragile(XbeeConfig(devices=("smart-meter",), speed=SPEED)) as module:
        yield module, module.devices[0]


async def join_until(hub: Hub, module: Fragile, meter: EmulatedDevice, moment: str) -> datetime | None:
    """Join the meter up to the moment at which the power fails; until when joining is open."""
    assert meter.link_key is not None
    await hub.networks.add_device("han", f"{meter.ieee:016x}", name="Meter", link_key=meter.link_key.hex())
    if moment == REGISTERED:
        module.spring()
        return None
    until = (await hub.networks.permit_join("han", 254)).joining_until
    if moment == OPEN:
        module.spring()
        return until
    module.on_authentication = moment == AUTHENTICATED
    module.trap = ASKED[moment]() if moment in ASKED else None
    assert module.press(meter)
    if moment == PRESSED:
        module.spring()
    else:
        await eventually(lambda: module.is_sprung)
    return until


async def ends_well(hub: Hub, module: Fragile, meter: EmulatedDevice) -> None:
    """The meter is a member like any other, once."""
    if not meter.is_joined:
        assert module.press(meter)
    await eventually(lambda: meter.is_authenticated)
    await eventually(lambda: is_interviewed(hub, meter))
    # The word of it may have been lost with the power: what came encrypted said it.
    assert hub.household.members[meter.ieee].is_authenticated
    assert hub.household.members[meter.ieee].interview_detail == ""
    assert [device.id for device in hub.devices.all()] == [name_of(meter)]
    assert list(hub.household.members) == [meter.ieee]
    assert hub.household.networks["han"].members[meter.ieee].short == meter.short
    assert hub.devices.get(name_of(meter)).name == "Meter"
    assert meter.reports
    assert len(set(meter.bindings)) == len(meter.bindings)
    async with hub.bus.subscribe(AttributesReported) as reports:
        await eventually(lambda: any(event.device_id == name_of(meter) for event in reports.drain()))
    assert hub.devices.get(name_of(meter)).availability is Availability.AVAILABLE
    assert module.table == {meter.ieee: meter.link_key}
    assert hub.networks.get("han").state is NetworkState.UP


def keeps_its_key(folder: Path, meter: EmulatedDevice) -> None:
    assert meter.link_key is not None
    file = folder / FILE_NAME
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_bytes()) == {"radios": {"han": {f"{meter.ieee:016x}": meter.link_key.hex()}}}


def readings(folder: Path) -> set[tuple[object, ...]]:
    """All that the history has on disk."""
    database = sqlite3.connect(folder / DATABASE_NAME)
    try:
        rows = database.execute(
            "SELECT device, channel, quantity, time, value FROM raw JOIN series ON series.id = raw.series"
        )
        return {tuple(row) for row in rows}
    finally:
        database.close()


def loses_power(module: Fragile, folder: Path, copy: Path) -> bool:
    """The hub's disk is as it is in this moment; what the module says from now on is heard by nobody."""
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*-shm"))
    module.mute()
    return True


@pytest.mark.parametrize("moment", MOMENTS)
async def test_the_hub_loses_its_power(tmp_path: Path, moment: str) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    async with one_meter() as (module, meter):
        module.spring = lambda: loses_power(module, before, after)  # type: ignore[method-assign]
        async with hub_on(module, before) as hub:
            await join_until(hub, module, meter, moment)
        acknowledged = readings(after)
        keeps_its_key(after, meter)
        module.unmute()
        async with hub_on(module, after) as hub:
            # Whoever opened joining is not there any more to close it.
            await eventually(lambda: not module.air.is_open)
            assert hub.networks.get("han").joining_until is None
            assert [device.id for device in hub.devices.all()] == [name_of(meter)]
            if not meter.is_joined:
                assert not module.press(meter)
                await hub.networks.permit_join("han", 254)
            await ends_well(hub, module, meter)
        keeps_its_key(after, meter)
        assert acknowledged <= readings(after)


@pytest.mark.parametrize("is_hub_there", [True, False])
async def test_a_radio_that_has_forgotten_everything_gets_the_keys_back(tmp_path: Path, is_hub_there: bool) -> None:
    async with one_meter() as (module, meter), AsyncExitStack() as stack:
        module.spring = lambda: True  # type: ignore[method-assign]
        hub = await stack.enter_async_context(hub_on(module, tmp_path))
        await join_until(hub, module, meter, AUTHENTICATED)
        await ends_well(hub, module, meter)
        if not is_hub_there:
            await stack.aclose()
        module.kill()
        module.forget()
        if is_hub_there:
            await eventually(lambda: hub.networks.get("han").state is NetworkState.DOWN)
        module.revive()
        if not is_hub_there:
            hub = await stack.enter_async_context(hub_on(module, tmp_path))
        await eventually(lambda: module.table == {meter.ieee: meter.link_key})
        said = "the network is another one: join it again"
        await eventually(lambda: hub.devices.get(name_of(meter)).availability_detail == said)
        await hub.networks.permit_join("han", 254)
        await ends_well(hub, module, meter)
        await stack.aclose()
        keeps_its_key(tmp_path, meter)


@pytest.mark.parametrize("is_pulled", [False, True], ids=["restarts", "is pulled out"])
@pytest.mark.parametrize("moment", MOMENTS)
async def test_the_radio_loses_its_power(tmp_path: Path, moment: str, is_pulled: bool) -> None:
    async with one_meter() as (module, meter), AsyncExitStack() as stack:

        def fails() -> bool:
            module.kill() if is_pulled else module.reset()
            return False

        module.spring = fails  # type: ignore[method-assign]
        hub = await stack.enter_async_context(hub_on(module, tmp_path))
        until = await join_until(hub, module, meter, moment)
        if is_pulled:
            await eventually(lambda: hub.networks.get("han").state is NetworkState.DOWN)
            assert hub.networks.get("han").joining_until is None
            module.revive()
        await eventually(lambda: module.registers.number("AO") == 1)
        await eventually(lambda: module.registers.number("AO") == 3)
        if moment == REGISTERED:
            await eventually(lambda: not module.air.is_open)
            assert hub.networks.get("han").joining_until is None
            await hub.networks.permit_join("han", 254)
        else:
            await eventually(lambda: module.air.is_open)
            await eventually(lambda: hub.networks.get("han").joining_until is not None)
            again = hub.networks.get("han").joining_until
            assert until is not None and again is not None  # noqa: PT018 - for the type checker
            assert abs((again - until).total_seconds()) < 1
        await ends_well(hub, module, meter)
        await stack.aclose()
        keeps_its_key(tmp_path, meter)
