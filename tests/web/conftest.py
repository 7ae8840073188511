"""A hub with its web server on a loopback port of its own, and a client that holds the admin token."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.clock import Clock, SystemClock
from hub.config import Config, WebSection
from hub.hub import Hub
from hub.model import (
    Availability,
    BreakerState,
    Capability,
    Channel,
    Device,
    DeviceKind,
    Position,
    Quantity,
    Reading,
)
from web.server import WebServer, serve

FRIDGE = "emcb-30000c2a69113173"


@dataclass
class Answer:
    """An HTTP answer, read."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def problem(self, status: int) -> Any:
        """The problem, after checking that it is one, and of `status`."""
        assert self.status == status, (self.status, self.body)
        assert self.headers["Content-Type"] == "application/problem+json"
        problem = self.json
        assert problem["status"] == status
        assert problem["type"].startswith("urn:home-energy-hub:problem:")
        assert problem["title"]
        assert problem["detail"]
        return problem


@dataclass
class Served:
    """A hub that serves, and a session to ask it with."""

    hub: Hub
    server: WebServer
    session: aiohttp.ClientSession
    token: str
    data_dir: Path
    bearer: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.bearer = {"Authorization": f"Bearer {self.token}"}

    async def ask(
        self, method: str, path: str, json: object = None, *, token: str | None = "", **options: Any
    ) -> Answer:
        """One request; with the admin token unless `token` is another one, or None."""
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers.setdefault("Authorization", f"Bearer {token or self.token}")
        if json is not None:
            options["json"] = json
        async with self.session.request(
            method, self.server.url + path, headers=headers, allow_redirects=False, **options
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def get(self, path: str, **options: Any) -> Any:
        answer = await self.ask("GET", path, **options)
        assert answer.status == 200, (answer.status, answer.body)
        return answer.json

    async def new_token(self, name: str, role: str) -> str:
        answer = await self.ask("POST", "/api/v1/tokens", {"name": name, "role": role})
        assert answer.status == 201, answer.body
        token = answer.json["token"]
        assert isinstance(token, str)
        return token

    def websocket(self, token: str = "", **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {token or self.token}", **options.pop("headers", {})}
        return self.session.ws_connect(f"{self.server.url}/api/v1/ws", headers=headers, **options)


@asynccontextmanager
async def serving(
    data_dir: Path, *, clock: Clock | None = None, dist: Path | None = None, **web: Any
) -> AsyncIterator[Served]:
    """A hub without radios, served."""
    config = Config(data_dir=data_dir, web=WebSection(listen=("127.0.0.1", 0), **web))
    async with (
        Hub(config, clock or SystemClock()) as hub,
        serve(hub, dist=dist or data_dir / "no-dashboard") as server,
        # A cookie of an earlier answer must never decide a test.
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        token = server.token or (data_dir / "token").read_text().strip()
        yield Served(hub, server, session, token, data_dir)


def fridge(device_id: str = FRIDGE) -> Device:
    return Device(
        id=device_id,
        radio="breakers",
        kind=DeviceKind.BREAKER,
        name="Refrigerator",
        area="Kitchen",
        manufacturer="Eaton",
        model="EMCB",
        address="127.0.0.2:32866",
        capabilities=(Capability.BREAKER, Capability.METER, Capability.LEDS),
        availability=Availability.AVAILABLE,
        breaker=BreakerState(position=Position.CLOSED),
    )


def power(watts: float, volts: float = 120.1234) -> tuple[Reading, ...]:
    return (
        Reading(Quantity.POWER, Channel.TOTAL, watts),
        Reading(Quantity.ENERGY_DELIVERED, Channel.TOTAL, 1234.5),
        Reading(Quantity.VOLTAGE, Channel.POLE_0, volts),
    )


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as one:
        yield one
