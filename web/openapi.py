"""The OpenAPI 3.1 document, made from the table of calls. What is not in the table cannot be in the document."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from http import HTTPStatus

import msgspec

from hub import VERSION
from web import schema
from web.auth import COOKIE, Role
from web.errors import PROBLEM_TYPE, Problem
from web.routes import API, Route
from web.rpc.live import RpcResponseMessage

Json = dict[str, object]

TAGS = {
    "devices": "Devices with their latest readings",
    "breakers": "Smart breakers: control with an honest outcome",
    "networks": "Zigbee networks: joining, scans, the stick",
    "radios": "What each radio is and can do; backups of coordinators, and restoring them",
    "zigbee devices": "Endpoints, clusters, attributes and reports of Zigbee devices",
    "metering": "What meters keep: profiles, days, tiers; and asking them often for a while",
    "smart energy": "Demand response events, prices and messages that we make",
    "keys": "Keys of the breakers, which live for seven days",
    "readings": "Readings now and over time",
    "live": "Everything as it happens",
    "access": "Tokens, sessions and login links",
    "rpc": "The ConnectPort X2's requests and responses, in XML and JSON",
    "system": "The hub itself",
}
_REFERENCE = "#/components/schemas/{name}"


@lru_cache(maxsize=1)
def document(routes: tuple[Route, ...]) -> bytes:
    """The document as JSON."""
    return msgspec.json.format(schema.encode(build(routes)), indent=1)


def build(routes: Iterable[Route]) -> Json:
    """The document."""
    rows = [route for route in routes if route.documented]
    kinds: dict[object, None] = {Problem: None, schema.Message: None, RpcResponseMessage: None}
    for route in rows:
        for kind in (route.query, route.body, _json_answer(route), *(kind for _, kind in route.answers)):
            if kind is not None:
                kinds[kind] = None
    references, components = msgspec.json.schema_components(tuple(kinds), ref_template=_REFERENCE)
    reference_of = dict(zip(kinds, references, strict=True))
    for route in rows:
        if route.bodies is not None:
            components.update({name: dict(body) for name, body in route.bodies().items()})
    components["WebsocketMessage"] = {
        "description": "Whatever the hub says on the websocket by itself; `event` tells which. RPC responses come to "
        "those who have said rpc.subscribe.",
        "anyOf": [reference_of[schema.Message], reference_of[RpcResponseMessage]],
    }
    paths: dict[str, dict[str, object]] = {}
    for route in rows:
        operation = _operation(route, lambda kind: reference_of[kind], components)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    used_as_query = {route.query.__name__ for route in rows if route.query is not None}
    for name in used_as_query:
        # A query is told as parameters, not as an object.
        components.pop(name, None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "home-energy-hub",
            "version": VERSION,
            "summary": "A home's energy devices behind one device model",
            "description": "Keys carry their unit, times are RFC 3339 in UTC, every error is application/problem+json. "
            f"Live data comes over a websocket at {API}/ws, see there and the schema WebsocketMessage.",
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token: heh_..."},
                "basic": {"type": "http", "scheme": "basic", "description": "Any name, the token as password"},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE,
                    "description": "Of a browser that has signed in; unsafe methods need the hub's own Origin",
                },
            },
        },
    }


def _json_answer(route: Route) -> type | None:
    return route.answer if route.answer is not None and issubclass(route.answer, msgspec.Struct) else None


def _operation(route: Route, reference: Callable[[object], Json], components: dict[str, Json]) -> Json:
    operation: Json = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "tags": [route.tag],
        "security": [] if route.role is None else [{"bearer": []}, {"basic": []}, {"session": []}],
        "responses": _responses(route, reference),
    }
    notes = [route.description] if route.description else []
    if route.role is not None:
        notes.append(f"Needs the role {route.role.value}.")
    operation["description"] = " ".join(notes) or route.summary
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in route.parameters
    ]
    if route.query is not None:
        query = components[route.query.__name__]
        required = query.get("required")
        properties = query["properties"]
        assert isinstance(properties, dict)
        parameters += [
            {
                "name": name,
                "in": "query",
                "required": isinstance(required, list) and name in required,
                "schema": value,
            }
            for name, value in properties.items()
        ]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": reference(route.body)}},
        }
    elif route.is_raw:
        schema: Json = {}
        if route.bodies is not None:
            # The last one: a module may have brought more since.
            schema = {"anyOf": [{"$ref": _REFERENCE.format(name=name)} for name in route.bodies()] + [{}]}
        operation["requestBody"] = {"required": False, "content": {route.accepts: {"schema": schema}}}
    return operation


def _responses(route: Route, reference: Callable[[object], Json]) -> Json:
    good: Json = {"description": _phrase(route.status)}
    answer = _json_answer(route)
    if answer is not None:
        good["content"] = {"application/json": {"schema": reference(answer)}}
    elif route.status == 200:
        good["content"] = {route.content: {"schema": {"type": "object" if "json" in route.content else "string"}}}
    responses: Json = {str(route.status): good}
    for status, kind in route.answers:
        content = {"application/json": {"schema": reference(kind)}}
        responses[str(status)] = {"description": _phrase(status), "content": content}
    for status in sorted(statuses_of(route)):
        media = "text/html" if status == HTTPStatus.GONE else PROBLEM_TYPE
        body: Json = {"type": "string"} if status == HTTPStatus.GONE else reference(Problem)
        responses[str(status)] = {"description": _phrase(status), "content": {media: {"schema": body}}}
    responses["default"] = {
        "description": "Any other error",
        "content": {PROBLEM_TYPE: {"schema": reference(Problem)}},
    }
    return responses


def statuses_of(route: Route) -> set[int]:
    """Statuses of the errors that a call may answer with."""
    found = set(route.fails)
    if route.role is not None:
        found |= {401, 429}
        if route.role is not Role.VIEWER or not route.is_safe:
            found.add(403)
    if route.query is not None or not route.is_safe:
        found.add(400)
    if route.body is not None or route.is_raw:
        found |= {413, 415}
    if route.parameters:
        found.add(404)
    return found


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase
