"""Smart Energy on every Zigbee radio: one home, whoever encrypts there, and whoever establishes keys.

A row for each radio. An XBee establishes keys by its firmware; for an EZSP or Z-Stack stick the hub does, with a
certificate of its own, and devices do their part over the air. A ZiGate has no link keys: what it refuses is in its
row.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Final

import pytest
from test_se_mirrors import METERING, mirrored, read
from test_se_tunnels import ECHO, LONG, received
from test_se_two_hubs import CODE, End, QuickClock
from test_xbee_home import is_interviewed, name_of

from hub.events import ReadingsTaken, TunnelData
from hub.model import Channel, Quantity
from hub.zigbee.link_keys import FILE_NAME
from hub.zigbee.model import NetworkState
from hub.zigbee.own_certificates import FOLDER
from protocols.ids import Eui64
from protocols.install_code import InstallCode
from protocols.se.ecqv import CURVES, Authority
from protocols.se.key_establishment import Suite
from radios.api import KeysBy
from radios.emulators import se_tunnels, zcl
from radios.emulators.air import AirFrame
from radios.emulators.device import EmulatedDevice
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.emulators.se_devices import Display, LoadControl, SeThermostat, SmartMeter
from radios.emulators.se_endpoint import SmartEnergyDevice
from radios.emulators.se_sleepy_meters import GasMeter
from radios.emulators.se_tunnels import TunnelMeter
from radios.emulators.stick import EmulatedStick, install_code_of, link_key_of
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from radios.emulators.zigate import ZigateConfig, ZigateEmulator
from radios.emulators.znp import ZnpConfig, ZnpEmulator
from tests.hub.waiting import eventually

SPEED = 40.0
"""Of everybody's clock: an event of a minute takes a second and a half."""
AUTHORITY = Authority(Suite.SECT163K1, CURVES[Suite.SECT163K1].scalar(bytes(range(1, 45))))
"""Of all certificates here."""
ESI, DRLC, GET_SCHEDULED_EVENTS = 0x5E, 0x0701, 0x01
ASKED_AS = 0xF7
"""A transaction number that no device comes to here."""

SHED: Final = {
    "device_classes": ["pool_pump"],
    "duration_min": 60,
    "criticality": 4,
    "randomize_start": False,
    "randomize_end": False,
}
"""An event that begins when it comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A radio, and what is different about it."""

    make: Callable[[tuple[str, ...], Path], AbstractAsyncContextManager[EmulatedStick]]
    """With kinds of devices, and the folder of their certificates."""
    keys_by: KeysBy
    refuses: Mapping[str, str] = field(default_factory=dict)
    """What it cannot do, and what is said then."""


def ezsp(firmware: str) -> Row:
    def make(kinds: tuple[str, ...], lab: Path) -> EzspEmulator:
        return EzspEmulator(EzspConfig(devices=kinds, speed=SPEED, firmware=firmware, certificates=lab))

    return Row(make=make, keys_by=KeysBy.HUB)


def znp(firmware: str) -> Row:
    def make(kinds: tuple[str, ...], lab: Path) -> ZnpEmulator:
        return ZnpEmulator(ZnpConfig(devices=kinds, speed=SPEED, firmware=firmware, certificates=lab))

    return Row(make=make, keys_by=KeysBy.HUB)


RADIOS = {
    "xbee": Row(
        make=lambda kinds, _: XbeeEmulator(XbeeConfig(devices=kinds, speed=SPEED)),
        keys_by=KeysBy.RADIO,
    ),
    "ezsp": ezsp("9.0.0"),
    "znp": znp("3.x"),
    "zigate": Row(
        make=lambda kinds, _: ZigateEmulator(ZigateConfig(devices=kinds, speed=SPEED)),
        keys_by=KeysBy.NOBODY,
        refuses={
            "code": "needs a radio that keeps such keys",
            "drlc": "and APS encryption",
            "price": "and APS encryption",
            "message": "and APS encryption",
            "reports": "NOT_AUTHORIZED",
        },
    ),
}
WITH_KEYS = {name: row for name, row in RADIOS.items() if row.keys_by is not KeysBy.NOBODY}
WITHOUT_KEYS = {name: row for name, row in RADIOS.items() if row.keys_by is KeysBy.NOBODY}
JOINS = {**WITH_KEYS, "ezsp 6.10.3": ezsp("6.10.3"), "znp 1.2": znp("1.2"), "znp 3.0": znp("3.0")}
"""Commands for keys are others in old firmware; the rest of the flows is the same."""


def each(rows: Mapping[str, Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows.values(), ids=rows)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    for name, seconds in (
        ("radios.xbee.driver.LOOK_S", 0.1),
        ("radios.emulators.se_endpoint.SEARCH_AGAIN_S", 0.3),
        ("radios.emulators.ezsp.BOOT_S", 0.01),
        ("radios.emulators.znp.BOOT_S", 0.01),
        ("radios.emulators.air.FAST_POLL_S", 0.02),
        ("radios.emulators.se_sleepy_meters.SEARCH_AGAIN_S", 0.5),
        ("radios.emulators.se_sleepy_meters.SEARCH_LATER_S", 1.0),
        ("hub.history.RECORD_INTERVAL_S", 0.1),
        ("hub.smart_energy.service.LOOK_S", 0.05),
        ("hub.smart_energy.tunneling.LOOK_S", 0.05),
    ):
        monkeypatch.setattr(name, seconds)


@asynccontextmanager
async def plugged(row: Row, folder: Path, *kinds: str) -> AsyncIterator[End]:
    """A hub on a stick, with devices that have not joined yet."""
    lab = folder / "lab"
    lab.mkdir()
    private = AUTHORITY.private_key.to_bytes(21, "big").hex()
    public = AUTHORITY.public_key.encode().hex()
    (lab / "test-ca.key").write_text(f"CA Private Key: {private}\nCA Public Key: {public}\n")
    async with row.make(kinds, lab) as stick:
        end = End(stick, "esi_coordinator", folder / "data", QuickClock(SPEED))
        if row.keys_by is KeysBy.HUB:
            random = Random(9)
            place = folder / "data" / FOLDER / "han" / "one.txt"
            place.parent.mkdir(parents=True)
            place.touch(0o600)
            place.write_text(AUTHORITY.equip(Eui64(stick.ieee), random.randbytes(44), random.randbytes(44)).to_text())
        try:
            await started(end)
            yield end
        finally:
            await end.stop()


async def started(end: End) -> None:
    await end.start()
    await eventually(lambda: end.hub.networks.get("han").state is NetworkState.UP)


async def add(end: End, device: EmulatedDevice, code: bytes) -> None:
    body = {"eui64": f"{device.ieee:016x}", "install_code": code.hex(), "join_time_s": 600}
    await end.ask("POST", "/networks/han/devices", body)


async def become_ready(end: End) -> None:
    """Keys are established with every device, on both sides, and it is known what it is."""
    members, devices = end.hub.household.members, end.module.devices
    await eventually(lambda: all(device.is_authenticated for device in devices))
    await eventually(lambda: all(members[Eui64(device.ieee)].is_authenticated for device in devices))
    await eventually(lambda: all(is_interviewed(end.hub, device) for device in devices), 40)


async def let_in(end: End) -> None:
    """Every device joins with its installation code."""
    for device in end.module.devices:
        await add(end, device, install_code_of(device.ieee))
        assert end.module.press(device)
    await become_ready(end)


def exchanges(device: EmulatedDevice) -> int:
    """How often a device has established keys with a hub."""
    assert isinstance(device, SmartEnergyDevice)
    return device.keys.established


@each(JOINS)
async def test_a_device_joins_with_its_installation_code_and_gets_keys(row: Row, tmp_path: Path) -> None:
    async with plugged(row, tmp_path, "smart-meter") as end:
        [meter] = end.module.devices
        assert end.hub.household.networks["han"].capabilities.keys_by is row.keys_by
        other = install_code_of(meter.ieee + 1)
        await add(end, meter, other)
        assert not end.module.press(meter)
        code = install_code_of(meter.ieee)
        joined_with = InstallCode.from_bytes(code).link_key
        await add(end, meter, code)
        assert end.module.press(meter)
        await become_ready(end)
        shown = await end.ask("GET", f"/devices/{name_of(meter)}/zigbee")
        assert (shown["stage"], shown["has_key"], shown["authenticated"]) == ("active", True, True)
        if row.keys_by is KeysBy.HUB:
            assert exchanges(meter) == 1
            assert meter.link_key not in (None, joined_with)
            kept = json.loads((tmp_path / "data" / FILE_NAME).read_text())["established"]["han"]
            assert kept[f"{meter.ieee:016x}"]["key"] == meter.link_key.hex()  # type: ignore[union-attr]
        else:
            assert meter.link_key == joined_with
        secret = [frame for frame in meter.heard if frame.cluster == 0x0702]
        assert secret
        assert all(frame.encrypted for frame in secret)


async def kept(end: End, path: str) -> list[object]:
    """What the history has."""
    points: list[dict[str, object]] = (await end.ask("GET", path))["points"]  # type: ignore[assignment]
    return [point["value"] for point in points]


@each(WITH_KEYS)
async def test_what_a_meter_counts_is_told_and_kept(row: Row, tmp_path: Path) -> None:
    async with plugged(row, tmp_path, "smart-meter") as end:
        [meter] = end.module.devices
        assert isinstance(meter, SmartMeter)
        meter.meter.stand_still(9_000_000)
        async with end.hub.bus.subscribe(ReadingsTaken) as told:
            await let_in(end)
            meter.meter.export(750)
            wanted = {(Quantity.ENERGY_DELIVERED, 9_000_000.0), (Quantity.POWER, -750.0)}
            found: set[tuple[Quantity, float]] = set()

            def is_told() -> bool:
                taken = [event for event in told.drain() if isinstance(event, ReadingsTaken)]
                found.update((one.quantity, one.value) for event in taken for one in event.readings)
                return wanted <= found

            await eventually(is_told)
        for quantity, value in wanted:
            path = f"/readings?device={name_of(meter)}&quantity={quantity}&channel={Channel.TOTAL}&resolution=raw"
            async with asyncio.timeout(20):
                while value not in await kept(end, path):  # noqa: ASYNC110 - what was told is on its way to the disk
                    await asyncio.sleep(0.02)


async def statuses(end: End, number: int) -> dict[str, list[str]]:
    """The matrix of an event: what each device has reported, in order and without repeats."""
    shown = await end.ask("GET", f"/events/drlc/{number}")
    clients: list[dict[str, list[dict[str, str]]]] = shown["clients"]  # type: ignore[assignment]
    return {
        str(client["device_id"]): [status for status, _ in groupby(one["status"] for one in client["statuses"])]
        for client in clients
    }


@each(WITH_KEYS)
async def test_an_event_is_followed_to_its_end_and_another_one_until_it_is_cancelled(row: Row, tmp_path: Path) -> None:
    async with plugged(row, tmp_path, "se-thermostat", "load-control") as end:
        await let_in(end)
        thermostat, box = end.module.devices
        assert isinstance(thermostat, SeThermostat)
        assert isinstance(box, LoadControl)
        both = {"device_classes": ["hvac", "pool_pump"], "cooling_offset_c": 2, "issuer_event_id": 1}
        await end.ask("POST", "/events/drlc", {**SHED, **both, "duration_min": 1})
        await eventually(lambda: not box.is_closed and thermostat.drlc.current is not None)
        assert thermostat.shown()["cooling_c"] == 26.5
        told = end.hub.smart_energy.event("han", 1).told
        await eventually(lambda: [rows[-1].status.name for rows in told.values()] == ["COMPLETED"] * 2)
        course = ["received", "started", "completed"]
        assert await statuses(end, 1) == {name_of(thermostat): course, name_of(box): course}
        assert box.is_closed
        await end.ask("POST", "/events/drlc", {**SHED, "issuer_event_id": 2})
        await eventually(lambda: not box.is_closed)
        await end.ask("DELETE", "/events/drlc/2")
        told = end.hub.smart_energy.event("han", 2).told
        await eventually(lambda: bool(told) and all(rows[-1].status.name == "CANCELLED" for rows in told.values()))
        assert await statuses(end, 2) == {name_of(thermostat): [], name_of(box): ["received", "started", "cancelled"]}
        assert box.is_closed


@each(WITH_KEYS)
async def test_a_price_is_shown_and_a_message_is_confirmed(row: Row, tmp_path: Path) -> None:
    async with plugged(row, tmp_path, "display") as end:
        await let_in(end)
        [display] = end.module.devices
        assert isinstance(display, Display)
        await end.ask("POST", "/events/price", {"price": 0.2834, "rate_label": "PEAK", "tier": 2, "duration_min": 60})
        await eventually(lambda: display.price.current is not None)
        [price] = display.shown()["prices"]  # type: ignore[misc]
        assert (price["amount"], price["label"], price["tier"]) == (0.2834, "PEAK", 2)
        message = {"text": "Grüße", "confirm": True, "duration_min": 120, "message_id": 4}
        await end.ask("POST", "/events/message", message)
        await eventually(lambda: display.shown()["message"] == "Grüße")
        sent = end.hub.smart_energy.services["han"].messages.messages[4]
        await eventually(lambda: bool(sent.confirmed))
        [shown] = (await end.ask("GET", "/events/message"))["messages"]  # type: ignore[misc]
        [client] = shown["clients"]
        assert (client["device_id"], client["acknowledged"] is None) == (name_of(display), False)


def asked_in_the_clear(device: EmulatedDevice) -> AirFrame:
    """A device asks for load control events, and does not encrypt that."""
    question = zcl.frame(ASKED_AS, GET_SCHEDULED_EVENTS, bytes(5), is_cluster=True, to_client=False)
    return AirFrame(
        source=device.short, destination=0, source_endpoint=10, destination_endpoint=ESI, profile=0x0109, cluster=DRLC,
        payload=question, counter=0xF0,
    )  # fmt: skip


@each(WITH_KEYS)
async def test_what_is_not_encrypted_is_refused(row: Row, tmp_path: Path) -> None:
    async with plugged(row, tmp_path, "load-control") as end:
        await let_in(end)
        [box] = end.module.devices
        assert isinstance(box, LoadControl)
        assert box.air is not None
        await end.ask("POST", "/events/drlc", SHED)
        await eventually(lambda: not box.is_closed)
        counters, refusal = end.hub.household.networks["han"].counters, bytes((GET_SCHEDULED_EVENTS, zcl.FAILURE))
        before = counters["too_open"]
        box.heard.clear()
        box.air.transmit(asked_in_the_clear(box))
        await eventually(lambda: any(frame.payload[1:2] == bytes((ASKED_AS,)) for frame in box.heard))
        [answer] = [frame for frame in box.heard if frame.payload[1:2] == bytes((ASKED_AS,))]
        assert (counters["too_open"], answer.cluster) == (before + 1, DRLC)
        header, payload = zcl.read_header(answer.payload)
        assert (header.command, payload) == (zcl.DEFAULT_RESPONSE, refusal)


@each(WITH_KEYS)
async def test_keys_outlast_a_restart_of_the_hub_and_a_device_that_comes_back(row: Row, tmp_path: Path) -> None:
    async with plugged(row, tmp_path, "load-control") as end:
        await let_in(end)
        [box] = end.module.devices
        assert isinstance(box, LoadControl)
        assert box.air is not None
        air, key, established = box.air, box.link_key, exchanges(box)
        await end.stop()
        assert air.drop(box.ieee, rejoin=True)
        await started(end)
        assert air.join(box, rejoin=True)
        await become_ready(end)
        await end.ask("POST", "/events/drlc", SHED)
        await eventually(lambda: not box.is_closed)
        assert (box.link_key, exchanges(box), box.is_authenticated) == (key, established, True)
        secret = [frame for frame in box.heard if frame.cluster == DRLC]
        assert secret
        assert all(frame.encrypted for frame in secret)


@each(WITH_KEYS)
async def test_a_device_that_has_left_comes_again_with_its_code_and_gets_other_keys(row: Row, tmp_path: Path) -> None:
    async with plugged(row, tmp_path, "load-control") as end:
        await let_in(end)
        [box] = end.module.devices
        assert box.air is not None
        air, member, before = box.air, end.hub.household.members[Eui64(box.ieee)], box.link_key
        assert air.drop(box.ieee, told=True)
        await eventually(lambda: member.announced_at is None)
        assert box.link_key == link_key_of(box.ieee)
        await eventually(lambda: end.module.press(box))
        await become_ready(end)
        assert (box.link_key == before) is (row.keys_by is KeysBy.RADIO)
        await end.ask("POST", "/events/drlc", SHED)
        assert isinstance(box, LoadControl)
        await eventually(lambda: not box.is_closed)


@each(WITHOUT_KEYS)
async def test_a_radio_without_link_keys_says_what_it_cannot(row: Row, tmp_path: Path) -> None:
    async with plugged(row, tmp_path, "smart-meter") as end:
        [meter] = end.module.devices
        assert end.home is not None
        assert end.hub.household.networks["han"].capabilities.keys_by is row.keys_by
        said: dict[str, str] = {}
        for what, path, body in (
            ("code", "/networks/han/devices", {"eui64": "0013a20040000009", "install_code": CODE}),
            ("drlc", "/events/drlc", SHED),
            ("price", "/events/price", {"price": 0.2}),
            ("message", "/events/message", {"text": "Hello"}),
        ):
            status, problem = await end.home.ask("POST", path, body)
            assert status == 409, (what, problem)
            said[what] = problem["detail"]
        # A meter that joins with the key that everybody knows is seen, and keeps its secrets.
        await end.ask("POST", "/networks/han/permit-join", {"duration_s": 60})
        assert end.module.press(meter)
        await eventually(lambda: is_interviewed(end.hub, meter), 40)
        shown = await end.ask("GET", f"/devices/{name_of(meter)}/zigbee")
        assert (shown["has_key"], shown["authenticated"], meter.is_authenticated) == (False, None, False)
        assert end.hub.devices.latest(name_of(meter)).values == {}
        [said["reports"]] = {row["status"] for row in shown["reporting"]}  # type: ignore[attr-defined]
        assert {what: part for what, part in row.refuses.items() if part in said[what]} == row.refuses, said


@each(WITH_KEYS)
async def test_a_sleepy_meter_gets_its_mirror_and_a_display_reads_it_there(row: Row, tmp_path: Path) -> None:
    async with plugged(row, tmp_path, "gas-meter", "display") as end:
        await let_in(end)
        gas, display = end.module.devices
        assert isinstance(gas, GasMeter)
        volume = (Channel.TOTAL, Quantity.VOLUME_DELIVERED)
        endpoint = await mirrored(gas)
        gas.volume_m3 += 0.04
        told = gas.volume_m3
        gas.report_to_mirror()
        latest = end.hub.devices.latest
        await eventually(lambda: latest(name_of(gas)).values.get(volume, 0.0) >= told - 0.001)
        found = await read(display, endpoint, METERING, 0x0000)
        assert abs(int(str(found[0x0000][1])) - 1000 * told) < 50


@each(WITH_KEYS)
async def test_a_tunnel_carries_more_than_a_packet_both_ways(row: Row, tmp_path: Path) -> None:
    async with plugged(row, tmp_path, "tunnel-meter") as end:
        await let_in(end)
        [meter] = end.module.devices
        assert isinstance(meter, TunnelMeter)
        async with end.hub.bus.subscribe(TunnelData) as told:
            tunnel = await end.hub.tunnels.open(name_of(meter), None, ECHO, flow_control=False)
            end.hub.tunnels.send("han", tunnel.id, LONG)
            assert await received(told, len(LONG)) == LONG
        assert all(frame.encrypted for frame in meter.heard if frame.cluster == se_tunnels.TUNNELING)
        end.hub.tunnels.close("han", tunnel.id)
        await eventually(lambda: not meter.served)
