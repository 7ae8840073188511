"""A hub that answers as the contract says, or as a test tells it to, over real HTTP on loopback.

It has a thread and a loop of its own, so that `hubctl` can be called in the test's thread.
"""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web as aioweb

TOKEN = "heh_fake-token-of-the-tests"
FRIDGE = "emcb-30000c2a69113173"
SOLAR = "emcb-30000c2a69113174"
KITCHEN = "emcb-30000c2b00000001"
DROP = object()
"""As an answer: the connection breaks after the request was read."""
SILENT = object()
"""As an answer: none, until the client goes away."""


def breaker(device_id: str = FRIDGE, name: str = "Refrigerator", **more: Any) -> dict[str, Any]:
    return {
        "id": device_id,
        "radio": "breakers",
        "kind": "breaker",
        "name": name,
        "area": "Kitchen",
        "manufacturer": "Eaton",
        "model": "EMCB",
        "address": "127.0.0.2:32866",
        "capabilities": ["breaker", "meter", "leds"],
        "availability": "available",
        "availability_detail": "",
        "protected": False,
        "first_seen": "2026-11-20T10:00:00.000Z",
        "last_seen": "2026-11-20T12:00:00.000Z",
        "sleepy": False,
        "breaker": {"position": "closed", "commanded": None, "changed_at": None, "cause": "discovered"},
        "readings_at": "2026-11-20T12:00:00.000Z",
        "readings": {
            "total": {"power_w": 152.1, "energy_delivered_wh": 1234567.0, "line_to_line_voltage_v": 0.114},
            "pole_0": {"power_w": 152.1, "voltage_v": 121.25, "current_a": 1.257},
        },
        "a_field_of_a_newer_hub": {"x": 1},
        **more,
    }


def command(outcome: str = "confirmed", device_id: str = FRIDGE, **more: Any) -> dict[str, Any]:
    return {
        "id": "c-000017",
        "device_id": device_id,
        "action": "open",
        "requested_at": "2026-11-20T12:00:00.000Z",
        "requested_by": "admin",
        "outcome": outcome,
        "detail": "",
        "position": "open" if outcome == "confirmed" else None,
        "finished_at": "2026-11-20T12:00:01.000Z",
        **more,
    }


def problem(status: int, slug: str, detail: str, **more: Any) -> tuple[int, dict[str, Any]]:
    return status, {
        "type": f"urn:home-energy-hub:problem:{slug}",
        "title": slug,
        "status": status,
        "detail": detail,
        **more,
    }


HOUSE = {
    "power_w": -1234.5,
    "complete": False,
    "missing": [SOLAR],
    "energy_delivered_wh": 12345.0,
    "energy_received_wh": None,
    "today": {"energy_delivered_wh": 1000.0, "energy_received_wh": 2500.0, "since": "2026-11-20T00:00:00.000Z"},
    "time": "2026-11-20T12:00:00.000Z",
}
SYSTEM = {
    "name": "home",
    "version": "0.1.0",
    "uptime_s": 3700.5,
    "python": "3.11.7",
    "radios": [
        {
            "name": "breakers",
            "driver": "emcb",
            "state": "up",
            "detail": "",
            "since": "2026-11-20T10:00:00.000Z",
            "restarts": 2,
            "counters": {"sent": 1234, "received": 1200, "dropped_signature": 3, "dropped_replayed": 0},
        }
    ],
    "storage": {"state": "full", "detail": "the disk is full", "waiting": 12, "lost": 0},
    "keys": [
        {"radio": "breakers", "device_id": None, "state": "valid", "expires_at": "2099-11-27T12:00:00.000Z"},
        {"radio": "breakers", "device_id": FRIDGE, "state": "expired", "expires_at": "2026-01-01T00:00:00.000Z"},
    ],
    "database_bytes": 4_400_000,
    "devices": {"total": 3, "available": 2},
}


def network(radio: str = "han", **more: Any) -> dict[str, Any]:
    return {"radio": radio, "driver": "zigate", "state": "up", "model": "ZiGate V1", "can": {}, **more}


def topology(asked: int, total: int, **more: Any) -> dict[str, Any]:
    return {"radio": "han", "started": "2026-11-20T12:00:00.000Z", "asked": asked, "total": total, **more}


def snapshot(seq: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "event": "snapshot",
        "seq": seq,
        "time": "2026-11-20T12:00:00.000Z",
        "hub": {"name": "home", "version": "0.1.0"},
        "devices": [breaker()],
        "house": HOUSE,
        "radios": SYSTEM["radios"],
        "storage": {"state": "ok", "detail": "", "waiting": 0, "lost": 0},
        "keys": [],
        "commands": [],
        **more,
    }


def event(name: str, seq: int, **more: Any) -> dict[str, Any]:
    return {"event": name, "seq": seq, "time": "2026-11-20T12:00:01.000Z", **more}


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


@dataclass
class FakeHub:
    """`answers[("GET", "/api/v1/devices")] = status, body`; `streams`: what each websocket says before it is closed."""

    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    streams: list[list[Any]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    revoked: bool = False
    """From when there are no more streams: so that a watch ends, which would try any other error again."""

    def __post_init__(self) -> None:
        devices = [
            breaker(),
            breaker(SOLAR, "Solar roof", area="", availability="unavailable", availability_detail="it does not answer"),
            breaker(KITCHEN, "Kitchen"),
        ]
        self.answers = {
            ("GET", "/api/v1/devices"): (200, {"devices": devices}),
            ("GET", "/api/v1/breakers"): (200, {"breakers": devices}),
            ("GET", "/api/v1/energy"): (200, HOUSE),
            ("GET", "/api/v1/system"): (200, SYSTEM),
            ("GET", "/api/v1/session"): (200, {"name": "admin", "role": "admin"}),
            ("GET", "/api/v1/health"): (200, {"status": "ok", "version": "0.1.0", "uptime_s": 1, "radios": []}),
            **self.answers,
        }

    def of(self, method: str) -> list[Asked]:
        return [one for one in self.asked if one.method == method]

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake hub")
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._leave.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)
            self._loop.close()

    async def _serve(self) -> None:
        self._leave = asyncio.Event()
        app = aioweb.Application()
        app.router.add_route("*", "/{tail:.*}", self._handle)
        runner = aioweb.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site = aioweb.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._up.set()
        await self._leave.wait()
        await runner.cleanup()

    async def _handle(self, request: aioweb.Request) -> aioweb.StreamResponse:
        raw = await request.read()
        is_xml = request.content_type == "application/xml"
        body = raw.decode() if is_xml else json.loads(raw) if raw else None
        self.asked.append(
            Asked(request.method, request.raw_path.partition("?")[0], dict(request.query), body, dict(request.headers))
        )
        wrong_token = self.revoked or request.headers.get("Authorization") != f"Bearer {TOKEN}"
        if wrong_token and request.path != "/api/v1/health":
            return self._json(*problem(401, "unauthenticated", "the token is not valid"))
        if request.path == "/api/v1/ws":
            return await self._stream(request)
        missing = problem(404, "no-such-call", f"{request.path} is nothing")
        answer = self.answers.get((request.method, request.raw_path.partition("?")[0]), missing)
        if answer is DROP:
            assert request.transport is not None
            request.transport.abort()
            return aioweb.Response()
        if answer is SILENT:
            await asyncio.Event().wait()
        if isinstance(answer, aioweb.Response):
            return answer
        return self._json(*answer)

    async def _stream(self, request: aioweb.Request) -> aioweb.StreamResponse:
        if not self.streams:
            self.revoked = True
            return self._json(*problem(401, "unauthenticated", "the token was revoked"))
        said = self.streams.pop(0)
        socket = aioweb.WebSocketResponse()
        await socket.prepare(request)
        for message in said:
            if isinstance(message, int):
                await socket.close(code=message)
                return socket
            if message is SILENT:
                await socket.receive()
                return socket
            await socket.send_str(message if isinstance(message, str) else json.dumps(message))
        await socket.close()
        return socket

    def _json(self, status: int, body: Any) -> aioweb.Response:
        kind = "application/problem+json" if status >= 400 else "application/json"
        data = b"" if body is None else json.dumps(body).encode()
        return aioweb.Response(status=status, body=data, content_type=kind)
