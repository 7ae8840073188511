"""Backups of a hub on emulated EZSP sticks: a key that a stick lost, and another stick in the place of the first."""

from __future__ import annotations

import asyncio
import json
import logging
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub.clock import Clock, ManualClock, SystemClock
from hub.config import parse
from hub.errors import RefusedError, UnavailableError
from hub.hub import Hub
from hub.model import Action, Outcome
from hub.zigbee.backup_rules import BackupStatus, Lost
from hub.zigbee.backups import SETTLE_S
from hub.zigbee.model import InterviewStep, NetworkState
from protocols.ids import Eui64
from radios.emulators.devices import Plug
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from tests.hub.waiting import eventually

HOME = EzspConfig(devices=("plug", "smart-meter"), joined=(1,), speed=5.0)


@asynccontextmanager
async def hub_on(
    stick: EzspEmulator, folder: Path, clock: Clock | None = None, *, nightly: bool = False
) -> AsyncIterator[Hub]:
    table = tomllib.loads(stick.toml("han"))
    table["backup"] = {"nightly": nightly}
    async with Hub(parse(table, data_dir=folder), clock or SystemClock()) as hub:
        await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
        yield hub


def status(hub: Hub) -> BackupStatus:
    found = hub.backups.status("han")
    assert found is not None
    return found


def whole(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(sorted((folder / "backups" / "han").glob("2*.json"))[-1].read_text())
    return found


async def test_a_key_that_the_stick_lost_raises_the_alarm_at_night_and_one_that_was_removed_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    clock = ManualClock()
    async with EzspEmulator(HOME) as stick, hub_on(stick, tmp_path, clock, nightly=True) as hub:
        meter = Eui64(stick.device("smart-meter").ieee)
        await hub.backups.look()
        clock.advance(SETTLE_S)
        await hub.backups.look()
        last = status(hub).last
        assert last is not None
        assert last.link_keys == 1
        [row] = stick.flash.link_keys.values()
        stick.flash.link_keys.clear()
        clock.advance(24 * 3600)
        await hub.backups.look()
        alarm = status(hub).alarm
        assert alarm is not None
        assert [(one.ieee, one.what, one.last_in) for one in alarm.missing] == [(meter, Lost.LINK_KEY, last.name)]
        stick.flash.link_keys[0] = row
        await hub.backups.make("han")
        assert status(hub).alarm is None
        await hub.networks.add_device("han", str(meter))
        await hub.networks.remove(f"zigbee-{meter}", force=True)
        stick.flash.link_keys.clear()
        made = await hub.backups.make("han")
        assert made.diff is not None
        assert made.diff.keys_gone == (meter,)
        assert status(hub).alarm is None
        key = whole(tmp_path)["network_key"]
        assert isinstance(key, dict)
        for secret in (key["key"], row.key.hex()):
            assert secret not in caplog.text


async def test_another_stick_takes_the_place_and_the_plug_obeys_without_joining_anew(tmp_path: Path) -> None:
    async with EzspEmulator(HOME) as old:
        plug = old.device("plug")
        assert isinstance(plug, Plug)
        name = f"zigbee-{plug.ieee:016x}"
        async with hub_on(old, tmp_path) as hub:
            members = hub.household.members
            await hub.networks.permit_join("han", 120)
            assert old.press(plug)
            await eventually(
                lambda: (found := members.get(plug.ieee)) is not None and found.interview is InterviewStep.DONE, 40
            )
            await hub.backups.make("han")
            before = hub.networks.get("han")
        kept = whole(tmp_path)
        old.kill()
        config = EzspConfig(devices=(), firmware="8.0.2", seed=5, speed=5.0)
        async with EzspEmulator(config, old) as new, hub_on(new, tmp_path) as hub:
            assert hub.networks.get("han").extended_pan_id != before.extended_pan_id
            await hub.backups.make("han")
            assert status(hub).alarm is not None, "another network is no silent change"
            with pytest.raises(RefusedError, match="another network"):
                await hub.backups.replace("han", "han")
            assert hub.networks.get("han").extended_pan_id != before.extended_pan_id

            # The stick is pulled out in the middle of it.
            caller = asyncio.create_task(hub.backups.replace("han", "han", overwrite=True))
            await eventually(lambda: new.flash.network is None)
            new.kill()
            with pytest.raises(UnavailableError):
                await caller
            assert "restoring" in status(hub).failure
            new.revive()
            await eventually(lambda: hub.networks.get("han").state is NetworkState.UP, 30)

            done = await hub.backups.replace("han", "han", overwrite=True)
            assert "must not be on the air" in done.warning
            await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
            after = hub.networks.get("han")
            assert (after.ieee, after.pan_id, after.extended_pan_id, after.channel) == (
                before.ieee,
                before.pan_id,
                before.extended_pan_id,
                before.channel,
            )
            assert (status(hub).alarm, status(hub).failure) == (None, "")
            again = whole(tmp_path)
            for part in ("coordinator_ieee", "pan_id", "extended_pan_id", "channel"):
                assert again[part] == kept[part]
            assert hub.devices.get(name).id == name
            was_on = plug.is_on
            action = Action.OFF if was_on else Action.ON
            assert (await hub.controls.switch(name, action, "test")).outcome is Outcome.CONFIRMED
            assert plug.is_on is not was_on
