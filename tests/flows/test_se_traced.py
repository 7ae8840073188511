"""A running hub writes what it says and hears into a pcap, and tshark decodes all of it."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest
from test_se_esi import event, known, price, statuses

from hub.config import parse
from hub.hub import Hub
from hub.smart_energy.peer import Peer
from hub.zigbee.model import NetworkState
from protocols.ids import Eui64
from protocols.se.drlc import CancelLoadControlEvent, DeviceClass, EventStatus
from protocols.se.messaging import DisplayMessage, Importance, message_control
from radios.emulators.se_devices import Display, LoadControl
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from tests.analyser import Packet, decode, needs_tshark
from tests.hub.waiting import eventually

DRLC, PRICE, MESSAGING = 0x0701, 0x0700, 0x0703


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)


async def lived(folder: Path, trace: Path) -> XbeeEmulator:
    """A home gets to know its devices, an event runs, a price is published, a message is read."""
    start = XbeeConfig(devices=("load-control", "display", "smart-meter"), joined=(0, 1, 2))
    async with XbeeEmulator(start) as module:
        table = tomllib.loads(module.toml("han"))
        table["radio"][0]["trace"] = str(trace)
        async with Hub(parse(table, data_dir=folder)) as hub:
            await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
            await known(hub, module)
            box, display, _ = module.devices
            assert isinstance(box, LoadControl)
            assert isinstance(display, Display)
            made = await hub.smart_energy.create_event(None, event(hub))
            peer = Peer(Eui64(box.ieee), 10)
            await eventually(lambda: EventStatus.STARTED in statuses(made, peer))
            await hub.smart_energy.publish_price(None, price(5))
            await eventually(lambda: display.price.current is not None)
            control = message_control(Importance.HIGH, confirm=True)
            sent = await hub.smart_energy.send_message(
                None, DisplayMessage(message_id=9, control=control, duration_min=10, message="Grüße")
            )
            await eventually(lambda: display.messaging.on_screen is not None)
            display.messaging.confirm()
            await eventually(lambda: bool(sent.confirmed))
            await hub.smart_energy.cancel_event(
                None, CancelLoadControlEvent(issuer_event_id=1, device_class=DeviceClass.POOL_PUMP)
            )
            await eventually(lambda: statuses(made, peer)[-1] is EventStatus.CANCELLED)
    return module


def commands(packets: list[Packet], cluster: int, *, is_ours: bool) -> set[tuple[int, bool]]:
    """Commands of a cluster, and whether they are for the server."""
    return {
        packet.command
        for packet in packets
        if packet.values.get("zbee_aps.cluster") == f"0x{cluster:04x}"
        and packet.values.get("zbee_zcl.type") == "0x01"
        and (packet.values["zbee_nwk.src"] == "0x0000") is is_ours
    }


@needs_tshark
async def test_all_that_a_hub_says_and_hears_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "han.pcap"
    module = await lived(tmp_path, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    packets = decode(path)
    wrong = [(packet.layers, packet.malformed, packet.left) for packet in packets if packet.malformed or packet.left]
    assert wrong == []
    assert commands(packets, DRLC, is_ours=True) == {(0x00, False), (0x01, False)}
    assert commands(packets, DRLC, is_ours=False) >= {(0x00, True)}
    assert commands(packets, PRICE, is_ours=True) == {(0x00, False)}
    assert commands(packets, MESSAGING, is_ours=True) == {(0x00, False)}
    assert (0x01, True) in commands(packets, MESSAGING, is_ours=False)
    assert {packet.layers[3] for packet in packets} == {"zbee_zcl", "zbee_zdp"}
    assert {packet.values["wpan.dst_pan"] for packet in packets} == {f"0x{module.air.pan_id:04x}"}
    told = [packet for packet in packets if packet.values.get("zbee_zcl_se.msg.message.id") == "0x00000009"]
    assert told[0].values["zbee_zcl_se.msg.message.duration"] == "10"
    # Keys are in no trace.
    data = path.read_bytes()
    assert all(device.link_key is not None and device.link_key not in data for device in module.devices)


async def test_a_text_has_what_stick_and_driver_say(tmp_path: Path) -> None:
    path = tmp_path / "han.txt"
    module = await lived(tmp_path, path)
    lines = path.read_text().splitlines()
    assert {line.split(" ")[1] for line in lines} == {"tx", "rx"}
    assert all(line.split(" ")[3].startswith("7e") for line in lines if " tx " in line)
    keys = [device.link_key for device in module.devices if device.link_key is not None]
    assert not any(key.hex() in line for key in keys for line in lines)
