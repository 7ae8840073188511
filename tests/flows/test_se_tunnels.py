"""Tunnels between the hub and an emulated device, both ways, over a real pseudo terminal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from test_hubctl_xbee import served
from test_hubctl_zigbee import Shell
from test_rest_zigbee import service
from test_se_mirrors import interviewed
from test_se_premises import interface
from test_xbee_home import hub_on, name_of
from test_xbee_roles import hub_on as display_on

from hub.bus import Subscription
from hub.errors import NotFoundError, RefusedError, UnsupportedError
from hub.events import TunnelChanged, TunnelData
from hub.hub import Hub
from hub.smart_energy.tunnels import Closed, Protocol
from hub.zigbee.model import NetworkState
from protocols.se.tunneling import TunnelProtocol
from radios.emulators import se_tunnels, zcl
from radios.emulators.se_tunnels import TunnelMeter
from radios.emulators.stick_command import Console
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from tests.hub.waiting import eventually
from web.client import HubClient
from web.client_tunnels import TunnelData as Said

ECHO = Protocol(TunnelProtocol(se_tunnels.PROTOCOL), se_tunnels.MAKER)
LONG = bytes(range(256)) * 3
"""More than one packet, and more than the device takes at once."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr("radios.xbee.driver.LOOK_S", 0.1)
    monkeypatch.setattr("hub.smart_energy.tunneling.LOOK_S", 0.05)


@asynccontextmanager
async def home(folder: Path, *others: str) -> AsyncIterator[tuple[Hub, TunnelMeter, XbeeEmulator]]:
    kinds = ("tunnel-meter", *others)
    config = XbeeConfig(devices=kinds, joined=tuple(range(len(kinds))))
    async with XbeeEmulator(config) as module, hub_on(module, folder) as hub:
        await interviewed(hub, *module.devices)
        meter = module.devices[0]
        assert isinstance(meter, TunnelMeter)
        yield hub, meter, module


async def received(told: Subscription[TunnelData], size: int) -> bytes:
    found = b""
    while len(found) < size:
        found += (await told.get()).data
    return found


@pytest.mark.parametrize("flow_control", [False, True])
async def test_the_hub_opens_a_tunnel_and_what_it_sends_comes_back(tmp_path: Path, flow_control: bool) -> None:
    async with home(tmp_path) as (hub, meter, _), hub.bus.subscribe(TunnelData) as told:
        tunnel = await hub.tunnels.open(name_of(meter), None, ECHO, flow_control=flow_control)
        assert (tunnel.is_served, tunnel.endpoint, tunnel.flow_control) == (False, 10, flow_control)
        hub.tunnels.send("han", tunnel.id, LONG)
        assert await received(told, len(LONG)) == LONG
        [line] = meter.served.values()
        assert (line.received, line.flow_control) == (LONG, flow_control)
        [seen] = hub.tunnels.all("han")
        assert (seen.sent, seen.received, seen.waiting) == (len(LONG), len(LONG), 0)
        assert all(frame.encrypted for frame in meter.heard if frame.cluster == se_tunnels.TUNNELING)
        assert all(len(frame.payload) <= 5 + se_tunnels.TRANSFER for frame in meter.heard)
        assert hub.tunnels.close("han", tunnel.id).id == tunnel.id
        await eventually(lambda: not meter.served, 10)
        with pytest.raises(NotFoundError, match="tunnel"):
            hub.tunnels.send("han", tunnel.id, b"x")


async def test_why_a_device_opens_no_tunnel_is_told(tmp_path: Path) -> None:
    async with home(tmp_path, "display") as (hub, meter, module):
        sml = Protocol(TunnelProtocol.SML)
        with pytest.raises(RefusedError, match="does not support the protocol"):
            await hub.tunnels.open(name_of(meter), None, sml, flow_control=False)
        for _ in range(se_tunnels.MAX_TUNNELS):
            await hub.tunnels.open(name_of(meter), 10, ECHO, flow_control=False)
        with pytest.raises(RefusedError, match="no tunnel left"):
            await hub.tunnels.open(name_of(meter), None, ECHO, flow_control=False)
        with pytest.raises(UnsupportedError, match="does not serve tunnels"):
            await hub.tunnels.open(name_of(module.devices[1]), None, ECHO, flow_control=False)
        with pytest.raises(NotFoundError):
            await hub.tunnels.open("zigbee-0000000000000001", None, ECHO, flow_control=False)


async def test_a_tunnel_ends_when_the_device_closes_it_forgets_it_or_goes(tmp_path: Path) -> None:
    async with home(tmp_path) as (hub, meter, _), hub.bus.subscribe(TunnelChanged) as told:

        async def closed() -> str:
            while True:
                event = await told.get()
                if event.what == "closed":
                    return event.detail

        await hub.tunnels.open(name_of(meter), None, ECHO, flow_control=False)
        meter.close_served()
        assert await closed() == Closed.THERE
        tunnel = await hub.tunnels.open(name_of(meter), None, ECHO, flow_control=False)
        meter.served.clear()  # it was restarted
        hub.tunnels.send("han", tunnel.id, b"anybody?")
        assert await closed() == Closed.UNKNOWN_THERE
        tunnel = await hub.tunnels.open(name_of(meter), None, ECHO, flow_control=False)
        meter.set_power(False)
        hub.tunnels.send("han", tunnel.id, b"anybody?")
        assert await closed() == Closed.UNDELIVERED
        meter.set_power(True)
        meter.served.clear()
        await hub.tunnels.open(name_of(meter), None, ECHO, flow_control=False)
        await hub.networks.remove(name_of(meter), force=True)
        assert await closed() == Closed.DEVICE_GONE
        assert hub.tunnels.all("han") == []


@pytest.mark.parametrize("flow_control", [False, True])
async def test_a_device_opens_a_tunnel_once_a_program_answers_its_protocol(tmp_path: Path, flow_control: bool) -> None:
    async with home(tmp_path) as (hub, meter, _), hub.bus.subscribe(TunnelData) as told:
        meter.open_tunnel(flow_control=flow_control)
        await eventually(lambda: meter.status == se_tunnels.NOT_SUPPORTED, 10)
        meter.ask_protocols()
        await eventually(lambda: meter.supported == [], 10)
        hub.tunnels.answer("han", ECHO, 60, flow_control=True)
        meter.ask_protocols()
        await eventually(lambda: meter.supported == [(se_tunnels.MAKER, se_tunnels.PROTOCOL)], 10)
        meter.open_tunnel(flow_control=flow_control)
        await eventually(lambda: bool(meter.own), 10)
        [seen] = hub.tunnels.all("han")
        assert (seen.is_served, seen.device_id, seen.flow_control) == (True, name_of(meter), flow_control)
        meter.send(seen.number, LONG)
        assert await received(told, len(LONG)) == LONG
        hub.tunnels.send("han", seen.id, LONG[::-1])
        await eventually(lambda: meter.own[seen.number].received == LONG[::-1], 20)
        # Who has not opened it gets nothing out of it.
        meter.own[seen.number + 1] = meter.own[seen.number]
        meter.send(seen.number + 1, b"x")
        await eventually(lambda: meter.errors == [(seen.number + 1, se_tunnels.NO_SUCH_TUNNEL)], 10)
        meter.close(seen.number)
        await eventually(lambda: hub.tunnels.all("han") == [], 10)


async def test_a_tunnel_of_ours_ends_in_time_and_with_the_program(tmp_path: Path) -> None:
    async with home(tmp_path) as (hub, meter, _):
        server = hub.tunnels.ends["han"].server
        hub.tunnels.answer("han", ECHO, 60, flow_control=True)
        meter.open_tunnel()
        await eventually(lambda: bool(meter.own), 10)
        server.close_timeout_s = 0
        await eventually(lambda: not meter.own and hub.tunnels.all("han") == [], 10)
        server.close_timeout_s = 300
        meter.open_tunnel()
        await eventually(lambda: bool(meter.own), 10)
        hub.tunnels.stop("han", ECHO)
        await eventually(lambda: not meter.own and hub.tunnels.answered("han") == [], 10)
        hub.tunnels.answer("han", ECHO, 60, flow_control=True)
        meter.open_tunnel()
        await eventually(lambda: bool(meter.own), 10)
        hub.tunnels.ends["han"].leases[ECHO] = hub.clock.monotonic()  # nobody has said so again
        await eventually(lambda: not meter.own and hub.tunnels.answered("han") == [], 10)


async def test_after_a_restart_devices_hear_that_their_tunnels_are_gone(tmp_path: Path) -> None:
    async with XbeeEmulator(XbeeConfig(devices=("tunnel-meter",), joined=(0,))) as module:
        [meter] = module.devices
        assert isinstance(meter, TunnelMeter)
        async with hub_on(module, tmp_path) as hub:
            await interviewed(hub, meter)
            hub.tunnels.answer("han", ECHO, 60, flow_control=True)
            meter.open_tunnel()
            await eventually(lambda: bool(meter.own), 10)
            [number] = meter.own
        async with hub_on(module, tmp_path) as hub:
            meter.send(number, b"still there?")
            await eventually(lambda: meter.errors == [(number, se_tunnels.NO_SUCH_TUNNEL)], 10)
            assert hub.tunnels.all("han") == []


async def test_nobody_tunnels_where_the_hub_is_no_interface_or_cannot_encrypt(tmp_path: Path) -> None:
    async with interface() as (module, centre), display_on(module, tmp_path / "display") as hub:
        await eventually(lambda: hub.networks.get("han").state is NetworkState.UP)
        await eventually(lambda: centre.ieee in hub.household.members, 20)
        with pytest.raises(UnsupportedError, match=r"hub\.role"):
            await hub.tunnels.open(name_of(centre), None, ECHO, flow_control=False)
        with pytest.raises(UnsupportedError, match=r"hub\.role"):
            hub.tunnels.answer("han", ECHO, 60, flow_control=False)
        assert (hub.tunnels.all("han"), hub.tunnels.clusters("han")) == ([], [])
        with pytest.raises(NotFoundError):
            hub.tunnels.all("attic")
    async with service(tmp_path / "zigate", "plug") as home_:
        with pytest.raises(UnsupportedError, match="cannot encrypt"):
            home_.hub.tunnels.answer("han", ECHO, 60, flow_control=False)
        with pytest.raises(UnsupportedError, match="cannot encrypt"):
            await home_.hub.tunnels.open(home_.id("plug"), None, ECHO, flow_control=False)


async def test_who_asks_without_encryption_gets_no_tunnel(tmp_path: Path) -> None:
    async with home(tmp_path) as (hub, meter, _):
        hub.tunnels.answer("han", ECHO, 60, flow_control=True)
        meter.open_tunnel()
        await eventually(lambda: bool(meter.own), 10)
        [number] = meter.own
        meter.is_authenticated = False
        meter.send(number, b"for everybody")
        failure = bytes((0x02, zcl.FAILURE))
        await eventually(lambda: any(frame.payload[3:] == failure for frame in meter.heard), 10)
        meter.open_tunnel()
        await eventually(lambda: sum(frame.payload[3:] == b"\x00\x01" for frame in meter.heard) > 0, 10)
        [seen] = hub.tunnels.all("han")
        assert (seen.number, seen.received, meter.status) == (number, 0, None)


async def test_people_open_answer_list_and_close_tunnels_by_hubctl(tmp_path: Path) -> None:
    config = XbeeConfig(devices=("tunnel-meter",), joined=(0,))
    async with XbeeEmulator(config) as module, served(module, tmp_path) as home_:
        shell, [meter] = Shell(home_, tmp_path), module.devices
        assert isinstance(meter, TunnelMeter)
        await interviewed(home_.hub, meter)
        ran = await shell.run("tunnel", "list")
        assert (ran.code, ran.out.strip()) == (0, "no tunnels")
        echo = ("--protocol", "200", "--manufacturer", "0x1234")
        # What goes in comes back, and a while after the end of input the tunnel is closed.
        process = await shell.start("tunnel", "open", name_of(meter), *echo, "--quiet", "1.5", stdin=True)
        out, err = await asyncio.wait_for(process.communicate(LONG), 60)
        assert (process.returncode, out, err) == (0, LONG, b"")
        assert (home_.hub.tunnels.all("han"), meter.served) == ([], {})
        # The device closes it.
        process = await shell.start("tunnel", "open", name_of(meter), *echo, "--flow-control", stdin=True)
        await eventually(lambda: bool(home_.hub.tunnels.all("han")), 20)
        ran = await shell.run("tunnel", "list")
        assert (ran.code, "200 of 0x1234" in ran.out, "hub" in ran.out) == (0, True, True)
        meter.close_served()
        _, err = await asyncio.wait_for(process.communicate(), 60)
        assert (process.returncode, b"closed by the device" in err) == (0, True)
        # Somebody else closes it.
        process = await shell.start("tunnel", "open", name_of(meter), *echo, stdin=True)
        await eventually(lambda: bool(home_.hub.tunnels.all("han")), 20)
        [tunnel] = home_.hub.tunnels.all("han")
        assert (await shell.run("tunnel", "close", str(tunnel.id))).code == 0
        assert (await shell.run("tunnel", "close", str(tunnel.id))).code == 3
        await asyncio.wait_for(process.communicate(), 60)
        # A device opens one to us.
        process = await shell.start("tunnel", "answer", *echo, stdin=True)
        await eventually(lambda: bool(home_.hub.tunnels.answered("han")), 20)
        console = Console(module, lambda: None)
        assert console.answer("tunnel tunnel-meter open") == "ok asks for a tunnel"
        await eventually(lambda: bool(meter.own), 20)
        [number] = meter.own
        assert console.answer(f"tunnel tunnel-meter send {number} good morning") == "ok tunnel send"
        assert process.stdout is not None
        assert process.stdin is not None
        assert await asyncio.wait_for(process.stdout.readexactly(12), 20) == b"good morning"
        process.stdin.write(b"and to you")
        await eventually(lambda: meter.own[number].received == b"and to you", 20)
        assert console.answer(f"tunnel tunnel-meter close {number}") == "ok tunnel close"
        await asyncio.wait_for(process.communicate(), 60)
        assert (process.returncode, home_.hub.tunnels.answered("han")) == (0, [])
        # What is wrong is told.
        for words in (("--protocol", "sml"), ("--protocol", "200"), ("--protocol", "300"), ("--protocol", "soup")):
            ran = await shell.run("tunnel", "open", name_of(meter), *words)
            assert ran.code != 0
        assert console.answer("tunnel tunnel-meter sing").startswith("error: must be open")


async def test_a_program_uses_tunnels_by_rest_and_the_websocket(tmp_path: Path) -> None:
    config = XbeeConfig(devices=("tunnel-meter",), joined=(0,))
    async with XbeeEmulator(config) as module, served(module, tmp_path) as home_:
        [meter] = module.devices
        assert isinstance(meter, TunnelMeter)
        await interviewed(home_.hub, meter)
        ask, wanted = home_.ask, {"device_id": name_of(meter), "protocol": 200, "manufacturer": 0x1234}
        code, tunnel = await ask("POST", "/networks/han/tunnels", wanted)
        assert (code, tunnel["opened_by"]) == (201, "hub")
        assert tunnel["protocol"] == {"protocol": 200, "name": "", "manufacturer": 0x1234}
        async with HubClient(home_.url, home_.token) as client:
            events = client.events()
            await anext(events)
            code, seen = await ask("POST", f"/networks/han/tunnels/{tunnel['id']}/data", {"data": "aGVsbG8="})
            assert (code, seen["radio"]) == (200, "han")
            said = await anext(event async for event in events if isinstance(event, Said))
            await events.aclose()
        assert (said.raw, said.tunnel, said.device_id) == (b"hello", tunnel["id"], name_of(meter))
        code, until = await ask("PUT", "/networks/han/tunnel-protocols/4", {"lease_s": 60})
        assert (code, until["protocol"]["name"]) == (200, "sml")
        code, found = await ask("GET", "/networks/han/tunnels")
        assert [row["id"] for row in found["tunnels"]] == [tunnel["id"]]
        assert [row["protocol"]["protocol"] for row in found["answered"]] == [4]
        assert (await ask("DELETE", "/networks/han/tunnel-protocols/4"))[1]["answered"] == []
        assert (await ask("DELETE", f"/networks/han/tunnels/{tunnel['id']}"))[0] == 200
        for method, path, body, status in (
            ("DELETE", "tunnels/99", None, 404),
            ("DELETE", "tunnels/x", None, 400),
            ("DELETE", "tunnel-protocols/4", None, 404),
            ("PUT", "tunnel-protocols/200", {}, 400),
            ("PUT", "tunnel-protocols/x", {}, 400),
            ("PUT", "tunnel-protocols/4", {"lease_s": 0}, 400),
            ("POST", "tunnels", {**wanted, "device_id": "zigbee-1"}, 404),
            ("POST", "tunnels", {**wanted, "endpoint": 11}, 400),
            ("POST", "tunnels", {**wanted, "protocol": 4}, 400),
            ("POST", "tunnels", {"device_id": name_of(meter), "protocol": 4}, 409),
            ("POST", "tunnels/99/data", {"data": "aGVsbG8="}, 404),
            ("POST", "tunnels/99/data", {"data": "?"}, 400),
        ):
            assert (await ask(method, f"/networks/han/{path}", body))[0] == status, (method, path)
