"""The hub on emulated EZSP sticks: an ordinary home, and two hubs that establish keys with each other over the air."""

from __future__ import annotations

import random
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub.config import parse
from hub.hub import Hub
from hub.model import Action, Outcome
from hub.zigbee.attributes import ask
from hub.zigbee.model import InterviewStep, NetworkState
from hub.zigbee.own_certificates import FOLDER
from protocols.ids import Eui64
from protocols.install_code import InstallCode
from protocols.se.ecqv import CURVES, Authority
from protocols.se.key_establishment import Suite
from protocols.zcl.general import ReadAttributes, ReadAttributesResponse
from radios.emulators.devices import Plug
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.emulators.znp import ZnpEmulator
from tests.hub.waiting import eventually

FIRMWARES = ["6.10.3", "7.4.4", "8.0.2"]
CODE = "83FED3407A939723A5C639B26916D505C3B5"
"""An install code from the profile's examples."""
RNG = random.Random(7)


@asynccontextmanager
async def hub_on(
    stick: EzspEmulator | ZnpEmulator, folder: Path, role: str = "esi_coordinator", **options: object
) -> AsyncIterator[Hub]:
    table = tomllib.loads(stick.toml("han"))
    table["radio"][0].update(options)
    table["hub"] = {"role": role}
    async with Hub(parse(table, data_dir=folder)) as hub:
        yield hub


def name_of(stick: EzspEmulator, kind: str) -> str:
    return f"zigbee-{stick.device(kind).ieee:016x}"


@pytest.mark.parametrize("firmware", FIRMWARES)
async def test_a_plug_joins_is_switched_and_is_there_after_the_stick_was_pulled_out(
    tmp_path: Path, firmware: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = EzspConfig(devices=("plug",), firmware=firmware, speed=5.0)
    async with EzspEmulator(config) as stick, hub_on(stick, tmp_path) as hub:
        await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
        before = hub.networks.get("han").extended_pan_id
        [plug] = stick.devices
        assert isinstance(plug, Plug)
        await hub.networks.permit_join("han", 120)
        assert stick.press(plug)
        member_of = hub.household.members.get
        await eventually(
            lambda: (found := member_of(Eui64(plug.ieee))) is not None and found.interview is InterviewStep.DONE, 40
        )
        name = name_of(stick, "plug")
        assert (await hub.controls.switch(name, Action.OFF, "test")).outcome is Outcome.CONFIRMED
        assert not plug.is_on
        stick.kill()
        await eventually(lambda: hub.networks.get("han").state is not NetworkState.UP)
        stick.revive()
        await eventually(lambda: hub.networks.get("han").state is NetworkState.UP, 30)
        assert hub.networks.get("han").extended_pan_id == before
        assert (await hub.controls.switch(name, Action.ON, "test")).outcome is Outcome.CONFIRMED
        assert plug.is_on


def certify(folder: Path, ieee: int, suites: tuple[Suite, ...]) -> None:
    """Put certificates of one authority where a hub looks for them."""
    place = folder / FOLDER / "han"
    place.mkdir(parents=True)
    for suite in suites:
        authority = Authority(suite, CURVES[suite].scalar(random.Random(1).randbytes(44)), b"TESTSECA")
        path = place / f"{int(suite)}.txt"
        path.touch(0o600)
        path.write_text(authority.equip(Eui64(ieee), RNG.randbytes(44), RNG.randbytes(44)).to_text())


def secrets_of(stick: EzspEmulator, cluster: int) -> list[bool]:
    """Of each frame that a hub had its stick send to a Smart Energy cluster: whether it was encrypted."""
    sent = [fields for number, fields in stick.commands if number == 0x0034]
    head = b"\x09\x01" + cluster.to_bytes(2, "little")
    return [bool(fields[9] & 0x20) for fields in sent if fields[3:7] == head]


@pytest.mark.parametrize("suite", [Suite.SECT163K1, Suite.SECT283K1], ids=["suite 1", "suite 2"])
@pytest.mark.parametrize("firmware", FIRMWARES)
async def test_two_hubs_establish_keys_and_ask_each_other_in_secret(
    tmp_path: Path, firmware: str, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radios.ezsp.router.JOIN_INTERVAL_S", 0.5)
    (tmp_path / "centre").mkdir()
    (tmp_path / "guest").mkdir()
    async with (
        EzspEmulator(EzspConfig(devices=(), firmware=firmware)) as above,
        EzspEmulator(EzspConfig(devices=(), firmware=firmware, seed=2), above) as below,
    ):
        certify(tmp_path / "centre", above.ieee, (suite,))
        certify(tmp_path / "guest", below.ieee, (suite,))
        async with hub_on(above, tmp_path / "centre") as centre:
            await eventually(lambda: centre.networks.get("han").state is NetworkState.UP)
            await centre.networks.add_device("han", f"{below.ieee:016x}", install_code=CODE, join_time_s=250)
            async with hub_on(below, tmp_path / "guest", "aux_gateway", install_code=CODE) as guest:
                await eventually(lambda: guest.networks.get("han").state is NetworkState.UP)
                for hub, other in ((centre, below), (guest, above)):
                    members, ieee = hub.household.members, Eui64(other.ieee)
                    await eventually(lambda members=members, ieee=ieee: ieee in members)  # type: ignore[misc]
                    member = members[ieee]
                    await eventually(lambda member=member: member.is_authenticated, 40)  # type: ignore[misc]
                keys = {above.security.key_for(below.ieee), below.security.key_for(above.ieee)}
                assert len(keys) == 1
                assert InstallCode.parse(CODE).link_key not in keys
                member = centre.household.members[Eui64(below.ieee)]
                await eventually(lambda: member.interview is InterviewStep.DONE, 60)
                # The time is secret: whoever has another key neither hears the question nor is heard.
                network, member = guest.household.networks["han"], guest.household.members[Eui64(above.ieee)]
                await eventually(lambda: 0x5E in member.endpoints, 40)
                answer = await ask(network, member, 0x5E, 0x000A, ReadAttributes((0x0000,)))
                assert isinstance(answer, ReadAttributesResponse)
                assert isinstance(answer.records[0].value, int)
                for stick in (above, below):
                    assert secrets_of(stick, 0x000A)
                    assert all(secrets_of(stick, 0x000A))
                    assert not any(secrets_of(stick, 0x0800))
