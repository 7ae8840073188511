"""The hub on emulated Z-Stack sticks: an ordinary home, and two hubs that establish keys with each other."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from test_ezsp_home import CODE, certify, hub_on

from hub.errors import UnavailableError
from hub.model import Action, Outcome
from hub.zigbee.attributes import ask
from hub.zigbee.endpoint import LocalEndpoint
from hub.zigbee.model import InterviewStep, NetworkState
from protocols.ids import Eui64
from protocols.install_code import InstallCode
from protocols.se.key_establishment import Suite
from protocols.zcl.general import ReadAttributes, ReadAttributesResponse
from radios.emulators.devices import Plug
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.emulators.znp import ZnpConfig, ZnpEmulator
from tests.hub.waiting import eventually


@pytest.mark.parametrize("firmware", ["1.2", "3.x"])
async def test_a_plug_joins_is_switched_and_is_there_after_the_stick_was_pulled_out(
    tmp_path: Path, firmware: str
) -> None:
    config = ZnpConfig(devices=("plug",), firmware=firmware, speed=5.0)
    async with ZnpEmulator(config) as stick, hub_on(stick, tmp_path, well_known_key=True) as hub:
        await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
        before = hub.networks.get("han").extended_pan_id
        ours = hub.household.networks["han"].local
        assert ours is not None
        for one in ours:  # the firmware says of the hub's endpoints what the hub would say
            said, registered = one.simple_descriptor(), stick.core.own.endpoints[one.endpoint]
            assert (registered.profile, registered.device) == (said.profile, said.device_type)
            assert (registered.inputs, registered.outputs) == (said.input_clusters, said.output_clusters)
        assert len([command for command, _ in stick.commands if command == 0x2400]) == len(ours)  # from the start
        ours.add(LocalEndpoint(endpoint=0x21, profile=0x0109, device_type=0x0507))
        await eventually(lambda: 0x21 in stick.core.own.endpoints)
        ours.remove(0x21)
        await eventually(lambda: 0x21 not in stick.core.own.endpoints)
        [plug] = stick.devices
        assert isinstance(plug, Plug)
        await hub.networks.permit_join("han", 120)
        assert stick.press(plug)
        member_of = hub.household.members.get
        await eventually(
            lambda: (found := member_of(Eui64(plug.ieee))) is not None and found.interview is InterviewStep.DONE, 40
        )
        name = f"zigbee-{plug.ieee:016x}"
        assert (await hub.controls.switch(name, Action.OFF, "test")).outcome is Outcome.CONFIRMED
        assert not plug.is_on
        stick.kill()
        await eventually(lambda: hub.networks.get("han").state is not NetworkState.UP)
        stick.revive()
        await eventually(lambda: hub.networks.get("han").state is NetworkState.UP, 30)
        assert hub.networks.get("han").extended_pan_id == before
        assert (await hub.controls.switch(name, Action.ON, "test")).outcome is Outcome.CONFIRMED
        assert plug.is_on


@pytest.mark.parametrize(
    ("firmware", "suite"),
    [("1.2", Suite.SECT163K1), ("3.0", Suite.SECT163K1), ("3.x", Suite.SECT283K1)],
    ids=["1.2, suite 1", "3.0, suite 1", "3.x, suite 2"],
)
async def test_two_hubs_establish_keys_and_ask_each_other_in_secret(
    tmp_path: Path, firmware: str, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radios.ezsp.router.JOIN_INTERVAL_S", 0.5)
    for name in ("centre", "guest"):
        (tmp_path / name).mkdir()
    async with (
        ZnpEmulator(ZnpConfig(devices=(), firmware=firmware)) as above,
        EzspEmulator(EzspConfig(devices=(), seed=2), above) as below,
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
                established = above.keys.key_for(below.ieee)
                assert established == below.security.key_for(above.ieee)
                assert established != InstallCode.parse(CODE).link_key
                # The time is secret: whoever has another key neither hears the question nor is heard.
                network, member = guest.household.networks["han"], guest.household.members[Eui64(above.ieee)]
                await eventually(lambda: 0x5E in member.endpoints, 40)
                answer = await ask(network, member, 0x5E, 0x000A, ReadAttributes((0x0000,)))
                assert isinstance(answer, ReadAttributesResponse)
                assert isinstance(answer.records[0].value, int)
                sent = [fields for command, fields in above.commands if command == 0x2402]
                times = [fields[16] for fields in sent if fields[13:15] == b"\x0a\x00"]
                assert times
                assert all(options & 0x40 for options in times)  # encrypted
                assert not [one for one in sent if one[13:15] == b"\x00\x08" and one[16] & 0x40]


async def test_a_z_stack_stick_takes_the_place_of_an_ezsp_one_and_the_plug_obeys(tmp_path: Path) -> None:
    config = EzspConfig(devices=("plug",), firmware="7.4.4", speed=5.0)
    async with EzspEmulator(config) as old:
        plug = old.device("plug")
        assert isinstance(plug, Plug)
        name = f"zigbee-{plug.ieee:016x}"
        async with hub_on(old, tmp_path, well_known_key=True) as hub:
            await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
            await hub.networks.permit_join("han", 120)
            assert old.press(plug)
            members = hub.household.members
            await eventually(
                lambda: (found := members.get(Eui64(plug.ieee))) is not None and found.interview is InterviewStep.DONE,
                40,
            )
            await hub.backups.make("han")
            before = hub.networks.get("han")
        old.kill()
        async with ZnpEmulator(ZnpConfig(devices=(), seed=5, speed=5.0), old) as new, hub_on(new, tmp_path) as hub:
            await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
            assert hub.networks.get("han").extended_pan_id != before.extended_pan_id
            # It is pulled out in the middle of it, and there is nothing but a blank stick then.
            network = hub.household.networks["han"]
            lost = network.need_radio()
            caller = asyncio.create_task(hub.backups.replace("han", "han", overwrite=True))
            await eventually(lambda: not new.network.is_formed)
            new.kill()
            with pytest.raises(UnavailableError):
                await caller
            new.revive()
            # Up, or with half a network in its flash that it does not use.
            await eventually(lambda: network.radio not in (None, lost), 30)
            await hub.backups.replace("han", "han", overwrite=True)
            await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
            after = hub.networks.get("han")
            for part in ("ieee", "pan_id", "extended_pan_id", "channel"):
                assert getattr(after, part) == getattr(before, part)
            action = Action.OFF if plug.is_on else Action.ON
            assert (await hub.controls.switch(name, action, "test")).outcome is Outcome.CONFIRMED
            assert plug.is_on is (action is Action.ON)
