"""REST and hubctl for demand response events, prices and messages, on a real hub with emulated clients."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from test_hubctl_xbee import served
from test_hubctl_zigbee import Shell
from test_se_esi import known

from protocols.se.base import SeVersion
from protocols.se.drlc import EventStatus
from radios.emulators.se_devices import Display, LoadControl
from radios.emulators.se_endpoint import Peer as EmulatedPeer
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from tests.hub.waiting import eventually


async def test_an_event_is_made_watched_and_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    async with (
        XbeeEmulator(XbeeConfig(devices=("load-control",), joined=(0,))) as module,
        served(module, tmp_path) as home,
    ):
        [box] = module.devices
        assert isinstance(box, LoadControl)
        shell = Shell(home, tmp_path)
        await known(home.hub, module)
        ran = await shell.run("event", "drlc", "list")
        assert (ran.code, ran.out.strip()) == (0, "no demand response events")
        ran = await shell.run(
            "event", "drlc", "create", "--class", "pool_pump,ev", "--duration", "60", "--criticality", "3",
            "--duty-cycle", "0", "--sharp", "--id", "77",
        )  # fmt: skip
        assert (ran.code, "event 77: running" in ran.out) == (0, True), ran.err
        await eventually(lambda: not box.is_closed, 20)

        made = home.hub.smart_energy.event(None, 77)
        await eventually(
            lambda: any(told.status is EventStatus.STARTED for rows in made.told.values() for told in rows), 20
        )
        code, found = await home.ask("GET", "/events/drlc/77")
        assert (code, found["clients"][0]["status"], found["state"]) == (200, "started", "running")
        ran = await shell.run("event", "drlc", "show", "77")
        assert (ran.code, "received" in ran.out, "pool pump, ev" in ran.out) == (0, True, True)
        watching = asyncio.create_task(shell.run("event", "drlc", "show", "77", "--watch"))
        ran = await shell.run("event", "drlc", "cancel", "77", "--class", "pool_pump")
        assert (ran.code, ran.out.strip()) == (0, "cancelled: 77; 1 device(s) told")
        await eventually(lambda: box.is_closed, 20)
        ran = await shell.run("event", "drlc", "list", "--json")
        [event] = json.loads(ran.out)["events"]
        assert (event["state"], event["device_classes"]) == ("running", ["ev"])
        ran = await shell.run("event", "drlc", "cancel", "all")
        assert ran.out.strip() == "cancelled: 77; 1 device(s) told"
        async with asyncio.timeout(30):  # it ends by itself, since the event is over
            ran = await watching
        assert (ran.code, ran.out.count("started"), "cancelled" in ran.out) == (0, 1, True), ran.out
        ran = await shell.run("event", "drlc", "cancel", "5")
        assert ran.out.strip() == "cancelled: 5, not known here; 1 device(s) told"

        # For one group of the utility: the event is valid for the others.
        await shell.run("event", "drlc", "create", "--class", "ev", "--duration", "60", "--sharp", "--id", "78")
        await shell.run("event", "drlc", "create", "--class", "ev", "--duration", "60", "--start", "+10m", "--id", "79")
        ran = await shell.run("event", "drlc", "list")
        assert [row.split()[:2] for row in ran.out.splitlines()[-2:]] == [["78", "superseded"], ["79", "scheduled"]]
        ran = await shell.run("event", "drlc", "show", "78")
        assert "event 78  running, superseded by 79" in ran.out
        ran = await shell.run("event", "drlc", "cancel", "78", "--group", "4")
        assert ran.out.strip() == "cancelled: 78; 1 device(s) told"
        code, found = await home.ask("GET", "/events/drlc/78")
        assert (code, found["state"], found["device_classes"]) == (200, "running", ["ev"])


async def test_prices_and_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    async with (
        XbeeEmulator(XbeeConfig(devices=("display",), joined=(0,))) as module,
        served(module, tmp_path) as home,
    ):
        [display] = module.devices
        assert isinstance(display, Display)
        shell = Shell(home, tmp_path)
        await known(home.hub, module)
        ran = await shell.run("price", "current")
        assert ran.out.strip() == "no price holds now"
        ran = await shell.run("price", "publish", "0.2834", "--label", "PEAK", "--tier", "2", "--duration", "2h")
        assert (ran.code, "0.2834 EUR" in ran.out) == (0, True), ran.err
        await eventually(lambda: display.price.current is not None, 20)
        assert display.price.current is not None
        assert (display.price.current.price.amount, display.price.current.price.tier) == (0.2834, 2)
        ran = await shell.run("price", "publish", "0.3", "--acknowledge")
        assert (ran.code, "acknowledge is True; allowed: false while hub.se_version is 1.0" in ran.err) == (2, True)
        home.hub.smart_energy.services["han"].version = SeVersion.V1_1
        again = ("--label", "PEAK", "--duration", "2h", "--acknowledge")
        ran = await shell.run("price", "publish", "0.2834", *again)
        assert ran.code == 0, ran.err
        newest = max(home.hub.smart_energy.services["han"].prices.prices.values(), key=lambda one: one.number)
        await eventually(lambda: bool(newest.acknowledged), 20)
        home.hub.smart_energy.services["han"].version = SeVersion.V1_0
        ran = await shell.run("price", "current")
        assert "PEAK" in ran.out
        ran = await shell.run("price", "forget")
        assert (ran.code, "devices keep the prices" in ran.out) == (0, True)
        ran = await shell.run("message", "send", "Grüße vom Werk", "--confirm", "--importance", "high", "--id", "4")
        assert (ran.code, ran.out.strip()) == (0, "message 4: running"), ran.err
        await eventually(lambda: display.messaging.on_screen is not None, 20)
        display.messaging.confirm()
        await eventually(lambda: bool(home.hub.smart_energy.service(None).messages.messages[4].confirmed), 20)
        ran = await shell.run("message", "list")
        assert (ran.code, "Grüße vom Werk" in ran.out) == (0, True)
        ran = await shell.run("message", "cancel", "some")
        assert (ran.code, "its number, or all" in ran.err) == (2, True)
        ran = await shell.run("message", "cancel", "4")
        assert ran.out.strip() == "message 4 is taken away; 1 device(s) told"
        await eventually(lambda: display.messaging.on_screen is None, 20)
        ran = await shell.run("message", "send", "Noch etwas", "--id", "5")
        await eventually(lambda: display.messaging.on_screen is not None, 20)
        assert (await shell.run("message", "send", "Und noch etwas", "--id", "6")).code == 0
        ran = await shell.run("message", "list", "--json")
        assert {one["message_id"]: one["state"] for one in json.loads(ran.out)["messages"]} == {
            4: "cancelled", 5: "replaced", 6: "running",
        }  # fmt: skip
        ran = await shell.run("message", "cancel", "all")
        assert ran.out.strip() == "5, 6 are taken away; 1 device(s) told"
        await eventually(lambda: display.messaging.on_screen is None, 20)
        ran = await shell.run("message", "cancel", "all")
        assert ran.out.strip() == "nothing is taken away; 0 device(s) told"
        ran = await shell.run("message", "cancel", "999")
        assert ran.out.strip() == "message 999 is not known here; 1 device(s) told to take it away"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("event", "drlc", "create", "--class", "toaster", "--duration", "5"), 2, "some of hvac, strip_heater"),
        (("event", "drlc", "create", "--class", "ev", "--duration", "2000"), 2, "1440"),
        (("event", "drlc", "create", "--class", "ev", "--duration", "soon"), 2, "90s, 15m, 1h"),
        (("event", "drlc", "create", "--class", "ev", "--duration", "0"), 2, "from 1 to 1440"),
        (("event", "drlc", "create", "--class", "ev", "--duration", "5", "--start", "2020-01-01"), 2, "start is '2020"),
        (("event", "drlc", "create", "--class", "ev", "--duration", "5", "--start", "0001-01-01"), 2, "whole time"),
        (("message", "send", "Gr\udcfc\udcdfe"), 2, "allowed: text in UTF-8"),
        (("price", "publish", "1", "--label", "\udcff"), 2, "allowed: text in UTF-8"),
        (("event", "drlc", "cancel", "all", "--class", "ev"), 2, "no command cancels all events for some classes"),
        (("event", "drlc", "create", "--class", "ev", "--duration", "5", "--start", "noon"), 2, "18:00 (the next one)"),
        (("event", "drlc", "show", "12"), 3, "demand response event"),
        (("event", "drlc", "cancel", "some"), 2, "its number, or all"),
        (("price", "publish", "1", "--label", "a label too long"), 2, "12"),
        (("price", "publish", "5000000000"), 2, "4294967295"),
        (("price", "publish", "nan"), 2, "nan is no price"),
        (("price", "publish", "1", "--tier", "3", "--tiers", "2"), 2, "tier is 3; allowed: 0 (none) to 2"),
        (("message", "send", "x" * 200), 2, "text is '200 bytes'; allowed: 1 to 104 bytes"),
        (("message", "send", "x" * 300), 2, "text is '300 bytes'; allowed: 1 to 104 bytes"),
        (("message", "send", "x", "--radio", "hen"), 3, "hen"),
    ],
)
async def test_what_is_wrong_is_said(tmp_path: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    async with XbeeEmulator(XbeeConfig(devices=())) as module, served(module, tmp_path) as home:
        ran = await Shell(home, tmp_path).run(*arguments)
        assert (ran.code, said in ran.err) == (code, True), ran.err


TARIFF = """
tier_labels = ["night", "day"]
block_thresholds = [100, 500.5]
standing_charge = 0.35
block_prices = [{tier = 1, prices = [0.21, 0.24, 0.3]}, {tier = 2, prices = [0.28]}]
period_start = 2026-11-01T00:00:00Z
period_min = 43200
commodity = "electric"
"""


async def test_a_tariff_of_blocks_and_tiers_is_set_from_a_file_and_read_over_the_air(tmp_path: Path) -> None:
    async with (
        XbeeEmulator(XbeeConfig(devices=("display",), joined=(0,))) as module,
        served(module, tmp_path) as home,
    ):
        [display] = module.devices
        await known(home.hub, module)
        shell = Shell(home, tmp_path)
        ran = await shell.run("price", "tariff")
        assert (ran.code, "no blocks and tiers are told" in ran.out) == (0, True)
        file = tmp_path / "tariff.toml"
        file.write_text(TARIFF)
        ran = await shell.run("price", "tariff", "--file", str(file))
        assert ran.code == 0, ran.err
        said = " ".join(ran.out.split())
        assert "standing charge 0.35 a day block period 43200 min from" in said
        assert "TIER LABEL TO 100 TO 500.5 ABOVE 500.5" in said
        assert "1 night 0.21 0.24 0.3" in said
        assert isinstance(display, Display)
        display.price.read_from(EmulatedPeer(0, 0x5E), 0x0001, 0x0101, 0x0410, 0x0423)
        answer = bytes.fromhex("0100 00 41 03 646179  0101 00 25 14a307000000  1004 00 23 34080000  2304 86")
        await eventually(lambda: any(frame.payload[3:] == answer for frame in display.heard), 20)
        file.write_text(TARIFF.replace("[100, 500.5]", "[500.5, 100]"))
        ran = await shell.run("price", "tariff", "--file", str(file))
        assert (ran.code, "500.5, 100" in ran.err, "rising, above 0" in ran.err) == (2, True, True)
        file.write_text(TARIFF.replace("0.28", "500000"))
        ran = await shell.run("price", "tariff", "--file", str(file))
        assert (ran.code, "block_prices" in ran.err, "4294967294" in ran.err) == (2, True, True)
        ran = await shell.run("price", "tariff", "--clear")
        assert (ran.code, "no blocks and tiers are told" in ran.out) == (0, True)
