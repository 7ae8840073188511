"""The hub as a router on somebody else's Smart Energy network, and what each role hosts."""

from __future__ import annotations

import json
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from test_hubctl_zigbee import Shell
from test_rest_zigbee import Service

from hub.config import parse
from hub.errors import ConfigError, RefusedError, UnavailableError
from hub.hub import Hub
from hub.model import Availability, Channel, DeviceKind, Quantity
from hub.startup import StartupStep
from hub.zigbee.model import InterviewStep, NetworkState
from protocols import zdo
from protocols.zcl.header import Direction, FrameType, ZclHeader, parse_header
from radios.emulators.air import AirFrame
from radios.emulators.device import EmulatedDevice
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from radios.emulators.xbee_router import XbeeRouter, XbeeRouterConfig
from tests.hub.waiting import eventually
from web.server import serve

EVENTS = {0x000A, 0x0700, 0x0701, 0x0703}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    monkeypatch.setattr("radios.xbee.router.LOOK_S", 0.1)


def table(module: XbeeEmulator, role: str) -> dict[str, object]:
    return {**tomllib.loads(module.toml("han")), "hub": {"role": role}, "web": {"listen": "127.0.0.1:0"}}


@asynccontextmanager
async def hub_on(module: XbeeEmulator, folder: Path, role: str = "aux_gateway") -> AsyncIterator[Hub]:
    async with Hub(parse(table(module, role), data_dir=folder)) as hub:
        yield hub


@asynccontextmanager
async def served(module: XbeeEmulator, folder: Path, role: str = "aux_gateway") -> AsyncIterator[Service]:
    async with hub_on(module, folder, role) as hub, serve(hub) as server:
        yield Service(hub, module, server.url, (folder / "token").read_text().strip())  # type: ignore[arg-type]


def name_of(device: EmulatedDevice) -> str:
    return f"zigbee-{device.ieee:016x}"


def answers(device: EmulatedDevice, cluster: int) -> list[AirFrame]:
    return [frame for frame in device.heard if frame.cluster == cluster]


async def asked(device: EmulatedDevice, request: zdo.ZdoRequest, short: int) -> bytes:
    """What our device object says to a device; the payload behind the transaction number."""
    before = len(device.heard)
    device._send(0, 0, 0, request.CLUSTER, zdo.encode_zdo(0x61, request), short)
    cluster = request.CLUSTER | 0x8000
    await eventually(lambda: any(frame.payload[0] == 0x61 for frame in answers(device, cluster)))
    assert len(device.heard) > before
    return next(frame for frame in reversed(answers(device, cluster)) if frame.payload[0] == 0x61).payload[1:]


async def test_it_joins_finds_its_trust_centre_and_reads_its_meter(tmp_path: Path) -> None:
    start = XbeeRouterConfig(devices=(), is_open=False)
    async with XbeeRouter(start) as module:
        centre = module.trust_centre
        async with hub_on(module, tmp_path) as hub:
            await eventually(lambda: "open joining" in hub.networks.get("han").detail)
            status = hub.networks.get("han")
            assert (status.state, status.role, status.channel) == (NetworkState.JOINING, "aux_gateway", None)
            assert hub.startup().step is StartupStep.NETWORK
            assert "open joining" in hub.startup().detail
            with pytest.raises(UnavailableError, match="joining on 'han': the module is not on its network"):
                await hub.networks.permit_join("han", 60)
            module.air.permit(600)
            await hub.registry.set("ZDO_Device_Manager.join_interval", 5)
            await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
            assert hub.startup().step is StartupStep.OPERATIONAL
            await eventually(lambda: centre.ieee in hub.household.members)
            member = hub.household.members[centre.ieee]
            await eventually(lambda: member.interview is InterviewStep.DONE, 40)
            assert (member.short, member.interview_detail) == (0, "")
            assert hub.networks.get("han").trust_centre == centre.ieee
            assert hub.devices.get(name_of(centre)).kind is DeviceKind.METER
            place = (Channel.TOTAL, Quantity.POWER)
            await eventually(lambda: place in hub.devices.latest(name_of(centre)).values)
            secret = answers(centre, 0x0702)
            assert secret
            assert all(frame.encrypted for frame in secret)
        # The next start finds all of it again, and asks nobody to be let in.
        module.air.permit(0)
        async with hub_on(module, tmp_path) as hub:
            await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
            assert hub.networks.get("han").trust_centre == centre.ieee
            await eventually(lambda: hub.devices.get(name_of(centre)).availability is Availability.AVAILABLE)


async def test_devices_of_the_utilitys_network_are_forgotten_and_not_sent_away(tmp_path: Path) -> None:
    start = XbeeRouterConfig(devices=("meter",), was_joined=True)
    async with XbeeRouter(start) as module, hub_on(module, tmp_path) as hub:
        [meter, centre] = module.devices
        await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
        await eventually(lambda: centre.ieee in hub.household.members)
        module.trust_centre.table[meter.ieee] = meter.link_key or b""
        assert module.press(meter)
        await eventually(lambda: meter.ieee in hub.household.members)
        member = hub.household.members[meter.ieee]
        # It has secrets, and keys with its trust centre only: that ends the question, not the interview.
        await eventually(lambda: member.interview is InterviewStep.DONE, 40)
        with pytest.raises(RefusedError, match="hubctl network leave han"):
            await hub.networks.remove(name_of(centre))
        await hub.networks.remove(name_of(meter))
        assert hub.devices.find(name_of(meter)) is None
        assert meter.is_joined
        assert not answers(meter, zdo.MgmtLeaveRequest.CLUSTER)


@pytest.mark.parametrize(
    ("role", "device_type", "servers", "clients"),
    [
        ("esi_router", 0x0500, EVENTS, {0x0702}),
        ("aux_gateway", 0x0502, set(), EVENTS | {0x0702}),
        ("esi_coordinator", 0x0500, EVENTS, {0x0702}),
    ],
)
async def test_a_role_decides_what_is_hosted(
    tmp_path: Path, role: str, device_type: int, servers: set[int], clients: set[int]
) -> None:
    joins = role != "esi_coordinator"
    module = (
        XbeeRouter(XbeeRouterConfig(devices=(), was_joined=True))
        if joins
        else XbeeEmulator(XbeeConfig(devices=("smart-meter",), joined=(0,)))
    )
    async with module, hub_on(module, tmp_path, role) as hub:
        await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
        [device] = module.devices
        short = hub.networks.get("han").short
        assert short is not None
        found = zdo.SimpleDescriptorResponse.decode(
            await asked(device, zdo.SimpleDescriptorRequest(short, 0x5E), short)
        )
        assert found.descriptor is not None
        assert (found.descriptor.profile, found.descriptor.device_type) == (0x0109, device_type)
        assert set(found.descriptor.input_clusters) & EVENTS == servers
        assert set(found.descriptor.output_clusters) & (EVENTS | {0x0702}) == clients
        assert 0x0800 in found.descriptor.input_clusters
        logical = zdo.NodeDescriptorResponse.decode(await asked(device, zdo.NodeDescriptorRequest(short), short))
        assert logical.descriptor is not None
        assert logical.descriptor.logical_type is (zdo.LogicalType.ROUTER if joins else zdo.LogicalType.COORDINATOR)


@pytest.mark.parametrize(
    ("cluster", "command", "size"), [(0x0700, 0x00, 1), (0x0700, 0x01, 5), (0x0701, 0x01, 5), (0x0703, 0x00, 0)]
)
async def test_who_asks_for_events_that_there_are_not_hears_so(
    tmp_path: Path, cluster: int, command: int, size: int
) -> None:
    start = XbeeConfig(devices=("smart-meter",), joined=(0,))
    async with XbeeEmulator(start) as module, hub_on(module, tmp_path, "esi_coordinator") as hub:
        await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
        [meter] = module.devices
        header = ZclHeader(FrameType.CLUSTER, Direction.TO_SERVER, 0x51, command, True)
        meter.say(0x0A, cluster, header.encode() + bytes(size), to_endpoint=0x5E)
        await eventually(lambda: bool(answers(meter, cluster)))
        frame = answers(meter, cluster)[-1]
        found, payload = parse_header(frame.payload)
        assert (found.tsn, found.command, payload) == (0x51, 0x0B, bytes((command, 0x8B)))
        assert frame.encrypted


async def test_a_network_is_left_and_another_one_joined_by_rest_and_hubctl(tmp_path: Path) -> None:
    async with (
        XbeeRouter(XbeeRouterConfig(devices=(), was_joined=True)) as module,
        served(module, tmp_path) as home,
    ):
        shell = Shell(home, tmp_path)
        await eventually(lambda: home.hub.networks.get("han").state is NetworkState.UP)
        ran = await shell.run("network", "leave", "han", "--confirm", "hen")
        assert (ran.code, "the radio's name, 'han'" in ran.err) == (2, True)
        assert module.is_on_network
        module.air.permit(0)  # nobody lets it in again
        ran = await shell.run("network", "leave", "han", "--confirm", "han")
        assert (ran.code, "left its network" in ran.out) == (0, True)
        await eventually(lambda: home.hub.networks.get("han").state is NetworkState.JOINING)
        code, health = await home.ask("GET", "/health")
        assert (code, health["startup"]) == (200, "network")
        ran = await shell.run("status")
        assert "step 3 of 4, network" in ran.out
        for body, said in (
            ({"confirm": "han", "channels": []}, "one at least of 11 to 26"),
            ({"confirm": "han", "channels": [11, 27]}, "one at least of 11 to 26"),
            ({"confirm": "han", "extended_pan_id": "12"}, "16 hex digits"),
            ({"confirm": "han", "link_key": "12"}, "32 hex digits"),
            ({"confirm": "han", "install_code": "83FED3407A93"}, "6, 8, 12 or 16 bytes and the 2 of the CRC"),
            ({"channels": [11]}, "the radio's name, 'han'"),
        ):
            code, problem = await home.ask("POST", "/networks/han/configure", body)
            assert (code, said in json.dumps(problem)) == (400, True), problem
        writes = module.registers.writes
        code, found = await home.ask("POST", "/networks/han/configure", {"join_interval_s": 5})
        assert (code, found["state"], module.registers.writes) == (200, "joining", writes)
        assert home.hub.registry.seconds("ZDO_Device_Manager.join_interval") == 5
        module.air.permit(600)
        ran = await shell.run("network", "configure", "han", "--channels", "15,20", "--confirm", "han")
        assert ran.code == 0, ran.err
        await eventually(lambda: home.hub.networks.get("han").state is NetworkState.UP)
        assert module.registers.flash["SC"] == (1 << 4 | 1 << 9).to_bytes(2, "big")


async def test_a_coordinator_forms_another_network_and_cannot_leave(tmp_path: Path) -> None:
    start = XbeeConfig(devices=("plug",), joined=(0,))
    async with XbeeEmulator(start) as module, served(module, tmp_path, "esi_coordinator") as home:
        await eventually(lambda: home.hub.networks.get("han").state is NetworkState.UP)
        assert home.hub.networks.get("han").trust_centre == module.ieee
        assert (await home.ask("POST", "/networks/han/leave", {"confirm": "han"}))[0] == 409
        body = {"confirm": "han", "extended_pan_id": "1122334455667788", "channels": [25]}
        code, found = await home.ask("POST", "/networks/han/configure", body)
        assert (code, found["extended_pan_id"], found["channel"]) == (200, "1122334455667788", 25)
        code, problem = await home.ask("POST", "/networks/han/configure", {"join_interval_s": 9})
        assert (code, "joins no network" in problem["detail"]) == (400, True)


def test_a_role_needs_a_radio_that_can_join(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs a radio that can join a network"):
        parse(
            {"hub": {"role": "esi_router"}, "radio": [{"name": "z", "driver": "zigate", "pipe": "pty:/dev/null"}]},
            data_dir=tmp_path,
        )
