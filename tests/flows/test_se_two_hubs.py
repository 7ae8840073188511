"""Two hubs back to back: an energy service interface and a gateway under it, through two emulated sticks on one air.

XBees establish keys by themselves; for EZSP sticks the hubs do it, with certificates of their own.
"""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Self

import pytest
from test_hubctl_zigbee import Shell
from test_rest_zigbee import Service

from hub.clock import SystemClock
from hub.config import parse
from hub.hub import Hub
from hub.smart_energy.drlc_client import State
from hub.smart_energy.messages import Shown
from hub.smart_energy.peer import Peer
from hub.zigbee.model import InterviewStep, NetworkState
from hub.zigbee.own_certificates import FOLDER
from protocols.ids import Eui64
from protocols.se.ecqv import CURVES, Authority
from protocols.se.key_establishment import Suite
from radios.emulators.ezsp import EzspConfig, EzspEmulator
from radios.emulators.stick import EmulatedStick
from radios.emulators.xbee import XbeeConfig, XbeeEmulator
from radios.emulators.xbee_router import XbeeRouter, XbeeRouterConfig
from tests.hub.waiting import eventually
from web.server import serve

SPEED = 20.0
"""Minutes of events take three seconds here."""
CODE = "83FED3407A939723A5C639B26916D505C3B5"
"""An install code from the profile's examples."""
GATEWAY = 0x5E


class QuickClock(SystemClock):
    """The clock on the wall, so many times as fast: at both hubs."""

    def __init__(self, speed: float = SPEED) -> None:
        super().__init__(lambda: False)
        self._speed = speed
        self._from, self._counted = super().now(), super().monotonic()

    def now(self) -> datetime:
        return self._from + (super().now() - self._from) * self._speed

    def monotonic(self) -> float:
        """By it a gateway goes on from the time that the interface has told it."""
        return self._counted + (super().monotonic() - self._counted) * self._speed


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    for name, seconds in (
        ("radios.xbee.driver.LOOK_S", 0.1),
        ("radios.xbee.router.LOOK_S", 0.1),
        ("radios.xbee.router.JOIN_INTERVAL_S", 1.0),
        ("radios.ezsp.router.JOIN_INTERVAL_S", 1.0),
        ("hub.smart_energy.premises.LOOK_S", 0.05),
        ("hub.smart_energy.premises.STORM_S", 0.05),
        ("hub.smart_energy.service.LOOK_S", 0.05),
    ):
        monkeypatch.setattr(name, seconds)
    monkeypatch.setattr("hub.smart_energy.premises.PAUSES_S", (0.5, 0.5, 0.5))


@dataclass(slots=True)
class End:
    """A hub that is started, stopped and started again on what it has on disk."""

    module: EmulatedStick
    role: str
    folder: Path
    clock: QuickClock
    home: Service | None = None
    _open: AsyncExitStack | None = None

    @property
    def hub(self) -> Hub:
        assert self.home is not None
        return self.home.hub

    @property
    def shell(self) -> Shell:
        assert self.home is not None
        return Shell(self.home, self.folder)

    async def start(self) -> Self:
        table = {**tomllib.loads(self.module.toml("han")), "hub": {"role": self.role}, "web": {"listen": "127.0.0.1:0"}}
        async with AsyncExitStack() as stack:
            hub = await stack.enter_async_context(Hub(parse(table, data_dir=self.folder), self.clock))
            server = await stack.enter_async_context(serve(hub))
            token = (self.folder / "token").read_text().strip()
            self.home = Service(hub, self.module, server.url, token)  # type: ignore[arg-type]
            self._open = stack.pop_all()
        return self

    async def stop(self) -> None:
        if self._open is not None:
            await self._open.aclose()
        self._open = self.home = None

    async def ask(self, method: str, path: str, body: object = None) -> dict[str, object]:
        assert self.home is not None
        code, found = await self.home.ask(method, path, body)
        assert code < 300, found
        return found


@dataclass(slots=True)
class Two:
    """The interface and the gateway."""

    esi: End
    aux: End

    @property
    def peer(self) -> Peer:
        """The gateway, as the interface knows it."""
        return Peer(Eui64(self.aux.module.ieee), GATEWAY)

    def said(self, number: int) -> list[str]:
        """What the gateway has reported of an event, without repeats."""
        told = self.esi.hub.smart_energy.event("han", number).told.get(self.peer, [])
        return [status for status, _ in groupby(one.status.name.lower() for one in told)]

    async def know_each_other(self) -> None:
        for end, other in ((self.esi, self.aux), (self.aux, self.esi)):
            await eventually(lambda end=end: end.hub.networks.get("han").state is NetworkState.UP)  # type: ignore[misc]
            members = end.hub.household.members
            await eventually(lambda members=members, other=other: other.module.ieee in members)  # type: ignore[misc]
            member = members[Eui64(other.module.ieee)]
            await eventually(lambda member=member: member.interview is InterviewStep.DONE, 40)  # type: ignore[misc]


@pytest.fixture(params=["xbee", "ezsp"])
def kind(request: pytest.FixtureRequest) -> str:
    """Of both sticks."""
    return str(request.param)


@asynccontextmanager
async def xbees() -> AsyncIterator[tuple[EmulatedStick, EmulatedStick]]:
    """They have certificates, and establish keys by themselves."""
    apart = XbeeRouterConfig(devices=(), seed=2, is_registered=False, is_open=False)
    async with XbeeEmulator(XbeeConfig(devices=())) as above, XbeeRouter(apart, above) as below:
        yield above, below


@asynccontextmanager
async def ezsps(folder: Path) -> AsyncIterator[tuple[EmulatedStick, EmulatedStick]]:
    """They only encrypt: certificates are with the hubs."""
    async with (
        EzspEmulator(EzspConfig(devices=())) as above,
        EzspEmulator(EzspConfig(devices=(), seed=2), above) as below,
    ):
        suite = Suite.SECT163K1
        authority = Authority(suite, CURVES[suite].scalar(bytes(range(1, 45))), b"TESTSECA")
        random = Random(9)
        for name, ieee in (("esi", above.ieee), ("aux", below.ieee)):
            place = folder / name / FOLDER / "han"
            place.mkdir(parents=True)
            path = place / "one.txt"
            path.touch(0o600)
            path.write_text(authority.equip(Eui64(ieee), random.randbytes(44), random.randbytes(44)).to_text())
        yield above, below


@asynccontextmanager
async def two(folder: Path, kind: str) -> AsyncIterator[Two]:
    """Both hubs run; nobody has been let in yet."""
    (folder / "esi").mkdir()
    (folder / "aux").mkdir()
    async with xbees() if kind == "xbee" else ezsps(folder) as (above, below):
        clock = QuickClock()
        esi = End(above, "esi_coordinator", folder / "esi", clock)
        aux = End(below, "aux_gateway", folder / "aux", clock)
        try:
            yield Two(await esi.start(), await aux.start())
        finally:
            await aux.stop()
            await esi.stop()


async def give_code(pair: Two) -> None:
    """The gateway gets a code, which becomes the key that it joins with."""
    await eventually(lambda: pair.aux.hub.networks.get("han").state is NetworkState.JOINING)
    await eventually(lambda: pair.esi.hub.networks.get("han").state is NetworkState.UP)
    body = {"confirm": "han", "install_code": CODE, "join_interval_s": 5}
    await pair.aux.ask("POST", "/networks/han/configure", body)


async def meet(pair: Two) -> None:
    """The gateway gets a code; the interface is told it and opens joining."""
    await give_code(pair)
    named = {"eui64": f"{pair.aux.module.ieee:016x}", "name": "Gateway"}
    await pair.esi.ask("POST", "/networks/han/devices", {**named, "install_code": CODE, "join_time_s": 600})
    await pair.know_each_other()


@asynccontextmanager
async def acquainted(folder: Path, kind: str) -> AsyncIterator[Two]:
    """Both hubs run, and know each other."""
    async with two(folder, kind) as pair:
        await meet(pair)
        yield pair


async def create(pair: Two, number: int, minutes: int, *more: str) -> None:
    """A load control event, by hubctl at the interface."""
    ran = await pair.esi.shell.run(
        "event", "drlc", "create", "--class", "water_heater,ev", "--duration", str(minutes), "--criticality", "3",
        "--sharp", "--id", str(number), *more,
    )  # fmt: skip
    assert ran.code == 0, ran.err


async def test_a_gateway_is_added_by_its_code_and_interviewed(tmp_path: Path, kind: str) -> None:
    async with two(tmp_path, kind) as pair:
        module = pair.aux.module
        reason = "open joining" if kind == "xbee" else "no key to join with"  # an XBee has one of its maker's
        await eventually(lambda: reason in pair.aux.hub.networks.get("han").detail)
        assert pair.esi.hub.household.members == {}
        # A code that the interface was not told lets nobody in.
        await give_code(pair)
        await pair.esi.ask("POST", "/networks/han/permit-join", {"duration_s": 600})
        await eventually(lambda: "is this radio registered" in pair.aux.hub.networks.get("han").detail, 30)
        await meet(pair)
        name = f"zigbee-{module.ieee:016x}"
        member = pair.esi.hub.household.members[Eui64(module.ieee)]
        await eventually(lambda: member.is_authenticated)  # an interview is done before keys are, where hubs do both
        found = await pair.esi.ask("GET", f"/devices/{name}/zigbee")
        assert (found["stage"], found["has_key"], found["authenticated"]) == ("active", True, True)
        gateway = pair.esi.hub.household.members[Eui64(module.ieee)].endpoints[GATEWAY]
        assert (gateway.profile, gateway.device_type) == (0x0109, 0x0502)
        assert set(gateway.output_clusters) >= {0x000A, 0x0700, 0x0701, 0x0702, 0x0703}
        assert not {0x0700, 0x0701, 0x0703} & set(gateway.input_clusters)
        status = pair.aux.hub.networks.get("han")
        assert (status.trust_centre, status.channel) == (pair.esi.module.ieee, pair.esi.module.air.channel)
        interface = pair.aux.hub.household.members[Eui64(pair.esi.module.ieee)].endpoints[GATEWAY]
        assert set(interface.input_clusters) >= {0x000A, 0x0700, 0x0701, 0x0703}
        for end in (pair.esi, pair.aux):
            told = await end.ask("GET", "/health")
            assert (told["status"], told["startup"]) == ("ok", "operational")


async def test_events_run_through_their_states_and_their_reports_come_back(tmp_path: Path, kind: str) -> None:
    async with acquainted(tmp_path, kind) as pair:
        await create(pair, 1, 1)
        await eventually(lambda: pair.said(1) == ["received", "started", "completed"])
        assert 1 not in pair.aux.hub.premises.client("han").drlc.events
        await create(pair, 2, 60)
        await eventually(lambda: pair.said(2) == ["received", "started"])
        ran = await pair.aux.shell.run("event", "drlc", "opt-out", "2")
        assert ran.code == 0, ran.err
        await eventually(lambda: pair.said(2)[-1] == "opted_out")
        shown = await pair.esi.ask("GET", "/events/drlc/2")
        [client] = shown["clients"]  # type: ignore[misc]
        assert (client["status"], client["delivered"]) == ("opted_out", True)
        ran = await pair.esi.shell.run("event", "drlc", "cancel", "2")
        assert (ran.code, ran.out.strip()) == (0, "cancelled: 2; 1 device(s) told")
        await eventually(lambda: pair.said(2) == ["received", "started", "opted_out", "cancelled"])
        await create(pair, 3, 60)
        await create(pair, 4, 60)  # for the same classes: the one before it gives way
        await eventually(lambda: pair.said(4) == ["received", "started"])
        await eventually(lambda: pair.said(3) == ["received", "started", "superseded"])


async def test_a_price_holds_and_a_message_is_confirmed_by_whoever_reads_it(tmp_path: Path, kind: str) -> None:
    async with acquainted(tmp_path, kind) as pair:
        client = pair.aux.hub.premises.client("han")
        ran = await pair.esi.shell.run(
            "price", "publish", "0.2834", "--label", "PEAK", "--tier", "2", "--duration", "1h"
        )
        assert ran.code == 0, ran.err
        await eventually(lambda: bool(client.prices.prices))
        [price] = (await pair.aux.ask("GET", "/events/received"))["prices"]  # type: ignore[misc]
        assert (price["price"], price["rate_label"], price["state"]) == (0.2834, "PEAK", "running")
        ran = await pair.esi.shell.run("message", "send", "Grüße", "--confirm", "--duration", "2h", "--id", "4")
        assert ran.code == 0, ran.err
        await eventually(lambda: client.messages.active is not None)
        ran = await pair.aux.shell.run("message", "confirm", "4")
        assert ran.code == 0, ran.err
        sent = pair.esi.hub.smart_energy.services["han"].messages.messages[4]
        await eventually(lambda: list(sent.confirmed) == [pair.peer])
        [message] = (await pair.esi.ask("GET", "/events/message"))["messages"]  # type: ignore[misc]
        [told] = message["clients"]
        assert (told["device_id"], told["acknowledged"] is None) == (f"zigbee-{pair.aux.module.ieee:016x}", False)
        ran = await pair.esi.shell.run("message", "cancel", "4")
        assert ran.out.strip() == "message 4 is taken away; 1 device(s) told"
        await eventually(lambda: client.messages.messages[4].state is Shown.CANCELLED)


async def test_a_gateway_goes_on_after_a_restart_where_it_was(tmp_path: Path, kind: str) -> None:
    async with acquainted(tmp_path, kind) as pair:
        await create(pair, 1, 60)
        await create(pair, 2, 60, "--start", "+90m")
        await eventually(lambda: pair.said(1) == ["received", "started"])
        await eventually(lambda: pair.said(2) == ["received"])
        await pair.esi.shell.run("message", "send", "Hello", "--duration", "10h", "--id", "4")
        await eventually(lambda: pair.aux.hub.premises.client("han").messages.active is not None)
        pair.aux.hub.premises.client("han").opt_out(1)
        await eventually(lambda: pair.said(1)[-1] == "opted_out")
        await pair.aux.stop()
        pair.aux.module.mute()  # nobody reads what it hears, and confirms, meanwhile
        await pair.esi.shell.run("event", "drlc", "cancel", "2")
        await pair.esi.shell.run("message", "cancel", "4")
        service = pair.esi.hub.smart_energy.services["han"]
        if kind == "xbee":  # it confirms for a hub that is not there; an EZSP stick is off the air then
            await eventually(lambda: pair.peer in service.messages.messages[4].withdrawn)
        pair.aux.module.unmute()
        await pair.aux.start()
        await pair.know_each_other()
        client = pair.aux.hub.premises.client("han")
        assert (client.drlc.events[1].state, client.drlc.events[1].is_out) == (State.RUNNING, True)
        client.opt_in(1)
        await eventually(lambda: pair.said(1) == ["received", "started", "opted_out", "opted_in"])
        # What was cancelled meanwhile is cancelled here too.
        await eventually(lambda: pair.said(2)[:2] == ["received", "cancelled"], 40)
        await eventually(lambda: client.messages.messages[4].state is Shown.CANCELLED)
        assert 2 not in client.drlc.events or client.drlc.events[2].state is State.OVER


async def test_an_interface_goes_on_after_a_restart_and_is_still_told(tmp_path: Path, kind: str) -> None:
    async with acquainted(tmp_path, kind) as pair:
        await create(pair, 1, 60)
        await pair.esi.shell.run("message", "send", "Hello", "--confirm", "--duration", "10h", "--id", "4")
        await eventually(lambda: pair.said(1) == ["received", "started"])
        client = pair.aux.hub.premises.client("han")
        await eventually(lambda: client.messages.active is not None)
        await pair.esi.stop()
        pair.esi.module.air.is_coordinator_on = False  # a module that has power confirms what its host does not get
        client.opt_out(1)
        client.confirm(4)
        centre = pair.aux.hub.household.members[Eui64(pair.esi.module.ieee)]
        await eventually(lambda: centre.failures >= 2, 40)
        pair.esi.module.air.is_coordinator_on = True
        await pair.esi.start()
        await pair.know_each_other()
        await eventually(lambda: pair.said(1) == ["received", "started", "opted_out"], 40)
        service = pair.esi.hub.smart_energy.services["han"]
        await eventually(lambda: list(service.messages.messages[4].confirmed) == [pair.peer], 40)
        await pair.esi.shell.run("event", "drlc", "cancel", "1")
        await eventually(lambda: pair.said(1)[-1] == "cancelled")


async def test_a_gateway_out_of_reach_gets_what_it_has_missed(tmp_path: Path, kind: str) -> None:
    async with acquainted(tmp_path, kind) as pair:
        air, away = pair.esi.module.air, pair.aux.module.ieee
        await create(pair, 9, 60, "--start", "+300m")
        await eventually(lambda: pair.said(9) == ["received"])
        air.places[away].power = False
        await create(pair, 1, 60)
        await pair.esi.shell.run("event", "drlc", "cancel", "9")
        await pair.esi.shell.run("price", "publish", "0.5", "--duration", "10h")
        await pair.esi.shell.run("message", "send", "Hello", "--duration", "10h", "--id", "4")
        member = pair.esi.hub.household.members[Eui64(away)]
        await eventually(lambda: member.failures >= 3, 40)
        client = pair.aux.hub.premises.client("han")
        assert (pair.said(1), list(client.drlc.events)) == ([], [9])
        air.places[away].power = True
        pair.aux.module.reset()
        await eventually(lambda: pair.said(1) == ["received", "started"], 60)
        await eventually(lambda: pair.said(9)[:2] == ["received", "cancelled"], 40)
        await eventually(lambda: bool(client.prices.prices) and client.messages.active is not None, 40)


async def test_nothing_is_lost_or_doubled_where_frames_are(tmp_path: Path, kind: str) -> None:
    async with acquainted(tmp_path, kind) as pair:
        pair.esi.module.air.loss = 0.2
        await create(pair, 1, 5)
        client = pair.aux.hub.premises.client("han")
        await eventually(lambda: pair.said(1) == ["received", "started"], 40)
        client.opt_out(1)
        await eventually(lambda: pair.said(1)[-1] == "partial_opted_out", 60)
        assert pair.said(1) == ["received", "started", "opted_out", "partial_opted_out"]
