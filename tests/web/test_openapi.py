"""The OpenAPI document is the table of calls, and the hub answers as it says."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import jsonschema_rs
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode, checks
from schemathesis.core.result import Ok

from tests.web.conftest import FRIDGE, Served, fridge, power
from web import openapi
from web.auth import Role
from web.server import ROUTES

CASES_PER_CALL = 6
"""Bounded, so that a run takes seconds; `make test` runs it each time, and time adds up the cases."""


async def document(served: Served) -> Any:
    return await served.get("/api/v1/openapi.json")


def test_every_call_says_what_it_needs_and_gives() -> None:
    for route in ROUTES:
        assert route.summary, route
        assert route.tag in openapi.TAGS, route
        if route.role is None:
            assert route.path in ("/api/v1/health", "/api/v1/login", "/login"), f"{route.path} asks for no token"
        if not route.is_safe and route.path not in ("/api/v1/login", "/api/v1/logout", "/api/v1/login-links"):
            if route.tag == "rpc":
                # Each request asks for a role of its own (tests/web/rpc/test_rpc_table.py).
                continue
            assert route.role in (Role.OPERATOR, Role.ADMIN), f"{route.path} changes something for viewers"


async def test_the_document_lists_every_call(served: Served) -> None:
    paths = (await document(served))["paths"]
    listed = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert listed == {(route.method, route.path) for route in ROUTES}
    for methods in paths.values():
        for operation in methods.values():
            assert operation["responses"].keys() >= {"default"}
            assert operation["operationId"]
    ids = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


async def test_the_document_is_sound(served: Served) -> None:
    """Every reference leads somewhere, every schema is one, every path parameter is declared."""
    found = await document(served)
    assert found["openapi"] == "3.1.0"
    assert found["components"]["securitySchemes"].keys() == {"bearer", "basic", "session"}
    schemas = found["components"]["schemas"]
    references: list[str] = []

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                references.append(part["$ref"])
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(found)
    assert references
    used = {reference.removeprefix("#/components/schemas/") for reference in references}
    assert used <= schemas.keys()
    assert schemas.keys() - used <= {"WebsocketMessage"}
    for schema in schemas.values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    for path, methods in found["paths"].items():
        for operation in methods.values():
            declared = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert all(f"{{{name}}}" in path for name in declared)
            assert path.count("{") == len(declared)


async def test_answers_and_websocket_messages_fit_their_schemas(served: Served) -> None:
    served.hub.devices.add(fridge())
    served.hub.devices.take(FRIDGE, power(1.0))
    found = await document(served)

    def fits(name: str, value: object) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": found["components"]}
        jsonschema_rs.validate(schema, value)

    fits("DeviceList", await served.get("/api/v1/devices"))
    fits("System", await served.get("/api/v1/system"))
    fits("House", await served.get("/api/v1/energy"))
    fits("Problem", (await served.ask("GET", "/api/v1/devices/x")).problem(404))
    async with served.websocket() as socket, asyncio.timeout(10):
        fits("WebsocketMessage", await socket.receive_json())
        served.hub.devices.take(FRIDGE, power(2.0))
        while True:
            told = await socket.receive_json()
            fits("WebsocketMessage", told)
            if told["event"] == "readings_taken":
                break


async def test_the_hub_keeps_what_the_document_promises(served: Served, tmp_path: Path) -> None:
    """Generated requests, good and bad: no answer outside of what is documented, and never a 5xx of our own making."""
    served.hub.devices.add(fridge())
    served.hub.devices.take(FRIDGE, power(1.0))
    schema = schemathesis.openapi.from_dict(await document(served))
    schema.config.base_url = served.server.url
    # The first would sign us out in the middle; the second is no HTTP call.
    wanted = schema.exclude(path=["/api/v1/ws", "/login"])
    headers = dict(served.bearer)
    tried: list[str] = []

    def run() -> None:
        for operation in (result.ok() for result in wanted.get_all_operations() if isinstance(result, Ok)):

            @settings(
                max_examples=CASES_PER_CALL,
                deadline=None,
                database=None,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def check(case: Any) -> None:
                case.call_and_validate(
                    headers=headers,
                    checks=[
                        checks.not_a_server_error,
                        checks.CHECKS.get_one("status_code_conformance"),
                        checks.CHECKS.get_one("content_type_conformance"),
                        checks.CHECKS.get_one("response_schema_conformance"),
                        checks.CHECKS.get_one("response_headers_conformance"),
                    ],
                )

            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                with contextlib.suppress(Unsatisfiable):
                    # Where everything is allowed, or nothing can be varied, there is nothing to generate.
                    given(case=operation.as_strategy(generation_mode=mode))(check)()
            tried.append(operation.label)

    await asyncio.to_thread(run)
    assert len(tried) == len(ROUTES) - 2
