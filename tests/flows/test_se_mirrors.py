"""Sleepy gas and water meters that the hub mirrors, and displays that read them there, over a real pseudo terminal."""

from __future__ import annotations

import struct
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from test_hubctl_xbee import served
from test_hubctl_zigbee import Shell
from test_rest_zigbee import service
from test_xbee_home import hub_on, name_of
from test_xbee_roles import asked
from test_xbee_roles import hub_on as router_on

from hub.config import parse
from hub.errors import NotFoundError, StorageError
from hub.events import MirrorChanged
from hub.hub import Hub
from hub.model import Channel, Quantity
from hub.smart_energy.utc import to_utc
from hub.zigbee.model import InterviewStep, NetworkState
from protocols import zdo
from radios.emulators import zcl
from radios.emulators.device import EmulatedDevice
from radios.emulators.se_devices import Display
from radios.emulators.se_sleepy_meters import GasMeter, SleepyMeter, WaterMeter
from radios.emulators.stick_command import Console
from radios.emulators.trust_centre import InterfaceTrustCentre
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from radios.emulators.xbee_router import XbeeRouter, XbeeRouterConfig
from tests.hub.waiting import eventually
from web.client import HubClient
from web.client_mirrors import MirrorChanged as Told

METERING, ENDPOINT = 0x0702, 0x0A
VOLUME = (Channel.TOTAL, Quantity.VOLUME_DELIVERED)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    monkeypatch.setattr("radios.emulators.se_sleepy_meters.SEARCH_AGAIN_S", 0.5)
    monkeypatch.setattr("radios.emulators.se_sleepy_meters.SEARCH_LATER_S", 1.0)


def config(*kinds: str) -> XbeeConfig:
    return XbeeConfig(devices=kinds, joined=tuple(range(len(kinds))), speed=20.0)


async def mirrored(meter: SleepyMeter) -> int:
    """Where, once it has told something there."""
    await eventually(lambda: meter.mirror is not None and meter.reports_told > 0, 40)
    assert meter.mirror is not None
    return meter.mirror


def announce(*devices: EmulatedDevice) -> None:
    """They were on the network before the hub was there."""
    for device in devices:
        body = b"\x01" + device.short.to_bytes(2, "little") + device.ieee.to_bytes(8, "little") + b"\x80"
        device._send(0, 0, 0, 0x0013, body, 0xFFFD)


async def interviewed(hub: Hub, *devices: EmulatedDevice) -> None:
    announce(*devices)
    for device in devices:
        await eventually(lambda ieee=device.ieee: ieee in hub.household.members, 20)  # type: ignore[misc]
        member = hub.household.members[device.ieee]
        await eventually(lambda member=member: member.interview is InterviewStep.DONE, 60)  # type: ignore[misc]


async def read(reader: EmulatedDevice, endpoint: int, cluster: int, *attributes: int) -> dict[int, tuple[int, object]]:
    """What a device reads at an endpoint of ours: type and value of each attribute that is there."""
    tsn, before = reader.next_tsn(), list(reader.heard)
    body = zcl.frame(tsn, zcl.READ, struct.pack(f"<{len(attributes)}H", *attributes), to_client=False)
    reader.say(ENDPOINT, cluster, body, to=0, to_endpoint=endpoint)

    def answers() -> list[bytes]:
        return [
            frame.payload[3:]
            for frame in reader.heard
            if frame not in before
            and (frame.source_endpoint, frame.cluster) == (endpoint, cluster)
            and frame.payload[1:3] == bytes((tsn, zcl.READ_RESPONSE))
        ]

    await eventually(lambda: bool(answers()), 20)
    payload, at, found = answers()[0], 0, {}
    while at < len(payload):
        attribute, status = struct.unpack_from("<HB", payload, at)
        at += 3
        if status == zcl.SUCCESS:
            kind = payload[at]
            value, at = zcl.unpack(kind, payload, at + 1)
            found[attribute] = (kind, value)
    return found


@asynccontextmanager
async def home(folder: Path, *kinds: str) -> AsyncIterator[tuple[Hub, XbeeEmulator]]:
    async with XbeeEmulator(config(*kinds)) as module, hub_on(module, folder) as hub:
        yield hub, module


async def test_a_gas_meter_is_mirrored_and_a_display_reads_it_there(tmp_path: Path) -> None:
    async with home(tmp_path, "gas-meter", "display") as (hub, module):
        gas, display = module.devices
        assert isinstance(gas, GasMeter)
        assert isinstance(display, Display)
        async with hub.bus.subscribe(MirrorChanged) as changes:
            await interviewed(hub, display, gas)
            endpoint = await mirrored(gas)
            [change] = [event for event in changes.drain() if event.what == "made"]
        assert (change.radio, change.endpoint, change.device_id) == ("han", endpoint, name_of(gas))
        await eventually(lambda: VOLUME in hub.devices.latest(name_of(gas)).values, 20)
        # A report to the mirror is a report of the meter.
        gas.volume_m3 += 0.04
        told = gas.volume_m3
        gas.report_to_mirror()
        await eventually(lambda: hub.devices.latest(name_of(gas)).values[VOLUME] >= told - 0.001, 20)
        found = await read(display, endpoint, METERING, 0x0000, 0x0300, 0x0302, 0x0306, 0x0200, 0x0007, 0x0001)
        assert found[0x0000][0] == zcl.UINT48
        assert abs(int(str(found[0x0000][1])) - 1000 * gas.volume_m3) < 50
        assert found[0x0300] == (zcl.ENUM8, 0x01)
        assert found[0x0302] == (zcl.UINT24, 1000)
        assert found[0x0306] == (zcl.MAP8, 128)  # a mirrored gas meter
        assert found[0x0200] == (zcl.MAP8, 0)
        assert found[0x0007][0] == zcl.UTC
        assert 0 <= to_utc(hub.clock.now()) - int(str(found[0x0007][1])) < 30
        assert 0x0001 not in found  # the meter has none
        assert (await read(display, endpoint, 0x0000, 0x0004, 0x0005))[0x0005] == (zcl.STRING, "gas-meter")
        assert (await read(display, 0x5E, 0x0000, 0x0011))[0x0011] == (zcl.ENUM8, 0x01)  # there is room for more
        answer = await asked(display, zdo.ActiveEndpointsRequest(0), 0)
        assert endpoint in answer[4:]
        # A display may have the mirror report to it.
        least = zcl.pack(zcl.UINT48, 1)
        wanted = struct.pack("<BHBHH", 0, 0x0000, zcl.UINT48, 1, 600) + least
        body = zcl.frame(display.next_tsn(), zcl.CONFIGURE, wanted, to_client=False)
        display.say(ENDPOINT, METERING, body, to=0, to_endpoint=endpoint)
        gas.volume_m3 += 0.04
        gas.report_to_mirror()

        def reports() -> list[bytes]:
            return [
                frame.payload[3:]
                for frame in display.heard
                if frame.source_endpoint == endpoint and frame.payload[2] == zcl.REPORT and frame.encrypted
            ]

        await eventually(lambda: bool(reports()), 20)
        assert reports()[0][:3] == struct.pack("<HB", 0x0000, zcl.UINT48)


async def test_only_the_meter_may_write_to_its_mirror(tmp_path: Path) -> None:
    async with home(tmp_path, "water-meter", "display") as (hub, module):
        water, display = module.devices
        assert isinstance(water, WaterMeter)
        await interviewed(hub, display, water)
        endpoint = await mirrored(water)
        await eventually(lambda: VOLUME in hub.devices.latest(name_of(water)).values, 20)
        litres = round(1000 * water.volume_m3) + 30
        volume = struct.pack("<HB", 0x0000, zcl.UINT48) + zcl.pack(zcl.UINT48, litres)

        def write(writer: EmulatedDevice, body: bytes) -> bytes:
            """What it hears."""
            header = zcl.frame(writer.next_tsn(), zcl.WRITE, body, to_client=False)
            writer.say(ENDPOINT, METERING, header, to=0, to_endpoint=endpoint)
            return header[1:2] + bytes((zcl.WRITE_RESPONSE,))

        async def heard(writer: EmulatedDevice, start: bytes) -> bytes:
            def found() -> list[bytes]:
                return [frame.payload[3:] for frame in writer.heard if frame.payload[1:3] == start]

            await eventually(lambda: bool(found()), 20)
            return found()[-1]

        refused = await heard(display, write(display, volume))
        assert refused == struct.pack("<BH", zcl.READ_ONLY, 0x0000)
        assert await heard(water, write(water, volume)) == b"\x00"
        await eventually(lambda: hub.devices.latest(name_of(water)).values[VOLUME] >= litres / 1000, 10)
        kind, found = (await read(display, endpoint, METERING, 0x0000))[0x0000]
        assert (kind, int(str(found)) >= litres) == (zcl.UINT48, True)
        # What it has not told yet, of the standard's type and of another; and what nobody knows.
        site = struct.pack("<HB", 0x0307, zcl.OCTETS) + zcl.pack(zcl.OCTETS, b"cellar")
        assert await heard(water, write(water, site)) == b"\x00"
        assert (await read(display, endpoint, METERING, 0x0307))[0x0307] == (zcl.OCTETS, b"cellar")
        wrong = struct.pack("<HBH", 0x0308, zcl.UINT16, 5)
        assert await heard(water, write(water, wrong)) == struct.pack("<BH", zcl.INVALID_TYPE, 0x0308)
        unknown = struct.pack("<HBB", 0x7ABC, zcl.UINT8, 5)
        assert await heard(water, write(water, unknown)) == struct.pack("<BH", zcl.UNSUPPORTED_ATTRIBUTE, 0x7ABC)


async def test_a_mirror_outlives_a_restart_and_is_given_again(tmp_path: Path) -> None:
    async with XbeeEmulator(config("gas-meter", "water-meter", "display")) as module:
        gas, water, display = module.devices
        assert isinstance(gas, GasMeter)
        assert isinstance(water, WaterMeter)
        async with hub_on(module, tmp_path) as hub:
            await interviewed(hub, gas, water, display)
            places = await mirrored(gas), await mirrored(water)
            assert places[0] != places[1]
        counted = gas.volume_m3
        async with hub_on(module, tmp_path) as hub:
            assert [(one.endpoint, one.meter) for one in sorted(hub.mirrors.all("han"), key=lambda one: one.meter)] == [
                (places[0], "gas"),
                (places[1], "water"),
            ]
            # Before the meter has said anything, a display reads what it said last.
            found = await read(display, places[0], METERING, 0x0000, 0x0306)
            assert abs(int(str(found[0x0000][1])) - 1000 * counted) < 3000
            assert found[0x0306] == (zcl.MAP8, 128)
            reports = gas.reports_told
            await eventually(lambda: gas.reports_told > reports + 1, 30)
            await eventually(lambda: abs(hub.devices.latest(name_of(gas)).values[VOLUME] - gas.volume_m3) < 0.5, 20)
            gas.forget_mirror()
            assert gas.mirror is None
            assert await mirrored(gas) == places[0]
            assert len(hub.mirrors.all("han")) == 2


async def test_a_mirror_is_removed_by_its_meter_by_people_and_with_its_device(tmp_path: Path) -> None:
    async with home(tmp_path, "gas-meter", "display") as (hub, module):
        gas, display = module.devices
        assert isinstance(gas, GasMeter)
        await interviewed(hub, gas, display)
        first = await mirrored(gas)
        assert gas.remove_mirror() == first
        await eventually(lambda: gas.mirror is None, 20)
        assert hub.mirrors.all("han") == []
        answer = await asked(display, zdo.SimpleDescriptorRequest(0, first), 0)
        assert answer[0] == zdo.ZdoStatus.NOT_ACTIVE
        gas.request_mirror()
        second = await mirrored(gas)
        assert second != first  # who still reads the old one gets nothing, not another meter
        with pytest.raises(NotFoundError, match=str(first)):
            await hub.mirrors.remove("han", first)
        removed = await hub.mirrors.remove("han", second)
        assert (removed.device_id, removed.meter, removed.device_endpoint) == (name_of(gas), "gas", ENDPOINT)
        await eventually(lambda: gas.mirror is None, 20)
        gas.request_mirror()
        third = await mirrored(gas)
        await hub.networks.remove(name_of(gas), force=True)
        await eventually(lambda: hub.mirrors.all("han") == [], 20)
        assert hub.household.networks["han"].local is not None
        assert hub.household.networks["han"].local.get(third) is None
    async with XbeeEmulator(config()) as module, hub_on(module, tmp_path) as hub:
        assert hub.mirrors.all("han") == []


async def test_there_is_room_for_so_many_and_none_where_it_is_off(tmp_path: Path) -> None:
    async with XbeeEmulator(config("gas-meter", "water-meter")) as module:
        gas, water = module.devices
        assert isinstance(gas, GasMeter)
        assert isinstance(water, WaterMeter)
        table = tomllib.loads(module.toml("han"))
        async with Hub(parse({**table, "hub": {"mirrors": 0}}, data_dir=tmp_path)) as hub:
            await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
            await interviewed(hub, gas, water)
            await eventually(lambda: gas.refusals > 0 and water.refusals > 0, 40)
            assert (gas.mirror, hub.mirrors.room("han")) == (None, 0)
        async with Hub(parse({**table, "hub": {"mirrors": 1}}, data_dir=tmp_path)) as hub:
            await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
            await eventually(lambda: (gas.mirror is None) != (water.mirror is None), 40)
            has, has_not = (gas, water) if gas.mirror is not None else (water, gas)
            refusals = has_not.refusals
            await eventually(lambda: has_not.refusals > refusals, 40)
            assert [one.device_id for one in hub.mirrors.all("han")] == [name_of(has)]


async def test_a_home_without_mirrors_says_so(tmp_path: Path) -> None:
    async with XbeeEmulator(config()) as module, served(module, tmp_path) as home:
        ran = await Shell(home, tmp_path).run("network", "mirrors")
        assert (ran.code, ran.out.strip()) == (0, "no meter is mirrored")


async def test_people_see_and_remove_mirrors_by_hubctl_and_rest(tmp_path: Path) -> None:
    async with XbeeEmulator(config("gas-meter")) as module, served(module, tmp_path) as home:
        shell, [gas] = Shell(home, tmp_path), module.devices
        assert isinstance(gas, GasMeter)
        await interviewed(home.hub, gas)
        endpoint = await mirrored(gas)
        await eventually(lambda: VOLUME in home.hub.devices.latest(name_of(gas)).values, 20)
        path = f"/readings?device={name_of(gas)}&quantity=volume_delivered_m3&resolution=raw"
        code, kept = await home.ask("GET", path)
        assert (code, bool(kept["points"])) == (200, True)
        code, found = await home.ask("GET", "/networks/han/mirrors")
        [row] = found["mirrors"]
        assert (code, found["room"], row["endpoint"], row["device_id"]) == (200, 15, endpoint, name_of(gas))
        await eventually(lambda: [one.meter for one in home.hub.mirrors.all("han")] == ["gas"], 20)
        ran = await shell.run("network", "mirrors")
        assert (ran.code, str(endpoint) in ran.out, "gas" in ran.out) == (0, True, True)
        assert (await home.ask("DELETE", "/networks/han/mirrors/1"))[0] == 404
        assert (await home.ask("DELETE", "/networks/han/mirrors/x"))[0] == 400
        assert (await home.ask("GET", "/networks/attic/mirrors"))[0] == 404
        async with HubClient(home.url, home.token) as client:
            events = client.events()
            await anext(events)
            ran = await shell.run("network", "mirrors", "--remove", str(endpoint))
            assert (ran.code, "no more" in ran.out) == (0, True)
            told = await anext(event async for event in events if isinstance(event, Told))
            await events.aclose()
        assert (told.endpoint, told.device_id, told.what) == (endpoint, name_of(gas), "removed")
        assert (await shell.run("network", "mirrors", "--remove", str(endpoint))).code == 3
        await eventually(lambda: gas.mirror is None, 20)
        console = Console(module, lambda: None)
        assert console.answer("mirror gas-meter report") == "error: it has no mirror"
        assert console.answer("mirror gas-meter request") == "ok mirror request"
        again = await mirrored(gas)
        assert console.answer("mirror gas-meter report") == "ok mirror report"
        assert console.answer("mirror gas-meter remove") == f"ok removes mirror {again}"
        assert console.answer("mirror gas-meter forget") == "ok mirror forget"
        assert console.answer("mirror gas-meter x").startswith("error: mirror 'x': must be")


async def test_a_radio_whose_endpoints_are_fixed_mirrors_nobody(tmp_path: Path) -> None:
    async with service(tmp_path, "meter") as home:
        [meter] = home.stick.devices
        tsn = meter.next_tsn()
        meter.say(1, METERING, zcl.frame(tsn, 0x01, b"", is_cluster=True, quiet=False), to=0, to_endpoint=1)
        answer = zcl.frame(tsn, 0x01, b"\xff\xff", is_cluster=True, to_client=False)
        await eventually(lambda: any(frame.payload == answer for frame in meter.heard), 20)
        assert await home.ask("GET", "/networks/han/mirrors") == (200, {"mirrors": [], "room": 0})


async def test_who_asks_without_encryption_gets_no_mirror(tmp_path: Path) -> None:
    async with home(tmp_path, "gas-meter") as (hub, module):
        [gas] = module.devices
        assert isinstance(gas, GasMeter)
        await interviewed(hub, gas)
        await mirrored(gas)
        gas.remove_mirror()
        await eventually(lambda: gas.mirror is None, 20)
        gas.is_authenticated = False
        tsn = gas.next_tsn()
        gas.say(ENDPOINT, METERING, zcl.frame(tsn, 0x01, b"", is_cluster=True, quiet=False), to_endpoint=0x5E)
        refused = zcl.default_response(zcl.Header(True, True, False, None, tsn, 0x01), zcl.FAILURE)
        await eventually(lambda: any(frame.payload == refused for frame in gas.heard), 20)
        assert hub.mirrors.all("han") == []


async def test_what_cannot_be_kept_is_no_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with home(tmp_path, "gas-meter") as (hub, module):
        [gas] = module.devices
        assert isinstance(gas, GasMeter)

        async def full(*_: object) -> None:
            raise StorageError("no space is left")

        with monkeypatch.context() as patch:
            patch.setattr(hub.store, "write", full)
            await interviewed(hub, gas)
            await eventually(lambda: gas.refusals > 0, 40)
            assert (gas.mirror, hub.mirrors.all("han")) == (None, [])
        await mirrored(gas)


async def test_a_router_mirrors_too(tmp_path: Path) -> None:
    config = XbeeRouterConfig(devices=(), trust_centre="esi", was_joined=True)
    async with XbeeRouter(config) as module, router_on(module, tmp_path, "esi_router") as hub:
        centre = module.trust_centre
        assert isinstance(centre, InterfaceTrustCentre)
        await eventually(lambda: hub.networks.get("han").state is NetworkState.UP, 20)
        await eventually(lambda: centre.ieee in hub.household.members, 20)
        tsn = centre.next_tsn()
        request = zcl.frame(tsn, 0x01, b"", is_cluster=True, quiet=False)
        centre.say(ENDPOINT, METERING, request, to=module.short, to_endpoint=0x5E)

        def answers() -> list[tuple[bytes, bool]]:
            start = zcl.frame(tsn, 0x01, b"", is_cluster=True, to_client=False)
            return [(frame.payload[3:], frame.encrypted) for frame in centre.heard if frame.payload[:3] == start]

        await eventually(lambda: bool(answers()), 20)
        [mirror] = hub.mirrors.all("han")
        assert answers() == [(struct.pack("<H", mirror.endpoint), True)]
