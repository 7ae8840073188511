"""The RPC over HTTP: XML in its envelopes, JSON beside it. Both go to one engine.

A request in XML is always answered with 200, as a gateway answered; what went wrong is a message in it. The same in
JSON is problem+json with its status.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated, Literal

import msgspec
from aiohttp import hdrs
from aiohttp import web as aioweb
from msgspec import UNSET, Meta, Struct, UnsetType

from hub.errors import InvalidError
from web import schema
from web.errors import PROBLEM_TYPE, TYPE_PREFIX, BadRequestError, FieldError
from web.errors import Problem as HttpProblem
from web.roles import Role
from web.routes import API, Call, Route
from web.rpc import as_json
from web.rpc.check import Problem, Reason
from web.rpc.describe import RpcInfo, describe, request_schemas
from web.rpc.engine import Engine
from web.rpc.envelope import TAKES, Envelope, answer
from web.rpc.response import Response
from web.rpc.rows.shared import REQUEST_IDENTIFIER
from web.rpc.table import TABLE
from web.schema_base import Json

XML = "application/xml"
_JSON_HEADERS = {hdrs.CONTENT_TYPE: "application/json"}
MAX_REQUESTS = 100
"""In one body."""
_STATUS: dict[Reason, tuple[int, str, str]] = {
    Reason.MALFORMED: (400, "invalid", "Invalid request"),
    Reason.ARGUMENTS: (400, "invalid", "Invalid request"),
    Reason.ALIAS: (400, "invalid", "Invalid request"),
    Reason.UNKNOWN_REQUEST: (404, "not-found", "Not found"),
    Reason.NOT_FOUND: (404, "not-found", "Not found"),
    Reason.ROLE: (403, "forbidden", "Not allowed"),
    Reason.PENDING: (501, "not-implemented", "Not implemented yet"),
    Reason.BUSY: (503, "unavailable", "Not available"),
    Reason.REFUSED: (409, "refused", "Refused"),
    Reason.FAILED: (502, "failed", "The request failed"),
}


class RpcQuery(Struct, frozen=True, forbid_unknown_fields=True, rename={"is_async": "async"}):
    """`?async` or `?async=true`: the response comes by the mailbox."""

    is_async: Literal["", "true", "false"] = "false"


class MailboxQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """At most so many responses."""

    limit: Annotated[int, Meta(ge=0, le=1_000_000)] | UnsetType = UNSET


class RpcResponse(Struct, frozen=True):
    """A response: its name, its parameters, and when it was made (RPC_Manager.use_timestamps)."""

    response: str
    parameters: dict[str, Json]
    time: schema.Time | UnsetType = UNSET


class RpcOutcome(Struct, frozen=True):
    """What came of one request of several: a response, a problem, or nothing when it comes by the mailbox."""

    request: str
    response: RpcResponse | UnsetType = UNSET
    problem: HttpProblem | UnsetType = UNSET


class RpcOutcomes(Struct, frozen=True):
    """What came of each request, in their order."""

    outcomes: list[RpcOutcome]


class RpcAccepted(Struct, frozen=True):
    """A request whose response comes by the mailbox, or that has none."""

    accepted: str


class Mail(Struct, frozen=True):
    """Responses that nobody had waited for, the oldest first, and how many are left."""

    responses: list[RpcResponse]
    remaining: int


class RpcRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A request of several."""

    request: str
    parameters: dict[str, Json] = {}
    synchronous: bool = True


# -- XML -------------------------------------------------------------------------------------------------------------


async def rpc_xml(call: Call[None, bytes]) -> aioweb.Response:
    """Make RPC requests in XML, bare or in an RCI envelope."""
    return await _xml(call, Envelope.NONE)


async def rci(call: Call[None, bytes]) -> aioweb.Response:
    """Make RPC requests in an RCI envelope, as a ConnectPort X2 takes them."""
    return await _xml(call, Envelope.RCI)


async def sci(call: Call[None, bytes]) -> aioweb.Response:
    """Make RPC requests in an SCI envelope, as the service between head-ends and gateways took them."""
    return await _xml(call, Envelope.SCI)


async def _xml(call: Call[None, bytes], assumed: Envelope) -> aioweb.Response:
    role = call.principal.token.role
    post = call.services.rpc.post(role, lambda: _is_gone(call.request))
    text = await answer(call.body, call.request.charset, assumed, post)
    return aioweb.Response(body=text.encode(), headers={hdrs.CONTENT_TYPE: f"{XML}; charset=utf-8"})


def _is_gone(request: aioweb.BaseRequest) -> bool:
    return request.transport is None or request.transport.is_closing()


# -- JSON ------------------------------------------------------------------------------------------------------------


async def describe_rpc(call: Call[None, None]) -> RpcInfo:
    """List every RPC request, response, record and alias, with a JSON Schema of each request."""
    rpc = call.services.rpc
    engine = rpc.engine
    aliases = {name: engine.first_request(name) for name in engine.aliases.all()}
    return describe(engine.table, frozenset(engine.pending), rpc.device_id, len(engine.mailbox), aliases)


async def rpc_request(call: Call[RpcQuery, bytes]) -> aioweb.Response:
    """Make one RPC request: parameters in, response out.

    202 when its response comes by the mailbox (`?async`), or when it has none. A message in place of its response says
    what a device did.
    """
    engine, name = call.services.rpc.engine, call.path["request"]
    waits = call.query.is_async == "false"
    parameters, role = _object(call.body), call.principal.token.role
    requests = engine.stands_for(name)
    outcome: Response | Problem | None
    if requests is None:
        outcome = await engine.request_json(name, parameters, role, synchronous=waits)
    elif isinstance(requests, Problem):
        outcome = requests
    elif parameters or len(requests) != 1:
        outcome = _no_single(name, len(requests), parameters)
    else:
        outcome = await engine.request_element(requests[0], role, waits=waits)
    if isinstance(outcome, Problem):
        problem = http_problem(outcome, call.request.path)
        return aioweb.Response(status=problem.status, body=schema.encode(problem), content_type=PROBLEM_TYPE)
    if outcome is not None and _is_gone(call.request):
        engine.deliver([outcome])
    if outcome is None:
        return _json(HTTPStatus.ACCEPTED, RpcAccepted(name))
    return _json(HTTPStatus.OK, rendered(outcome, engine))


async def rpc_requests(call: Call[None, bytes]) -> RpcOutcomes:
    """Make several RPC requests, one after the other: a list of `{"request", "parameters"?, "synchronous"?}`."""
    engine, role = call.services.rpc.engine, call.principal.token.role
    outcomes: list[RpcOutcome] = []
    for one in _list(call.body):
        requests = engine.stands_for(one.request)
        if requests is None:
            done = await engine.request_json(one.request, one.parameters, role, synchronous=one.synchronous)
            outcomes.append(_outcome(one.request, done, engine))
        elif isinstance(requests, Problem):
            outcomes.append(_outcome(one.request, requests, engine))
        elif one.parameters:
            outcomes.append(_outcome(one.request, _no_single(one.request, 1, one.parameters), engine))
        else:
            for request in requests:
                outcomes.append(
                    _outcome(request.tag, await engine.request_element(request, role, waits=one.synchronous), engine)
                )
    return RpcOutcomes(outcomes)


def _outcome(name: str, done: Response | Problem | None, engine: Engine) -> RpcOutcome:
    if isinstance(done, Problem):
        return RpcOutcome(name, problem=http_problem(done))
    return RpcOutcome(name, response=UNSET if done is None else rendered(done, engine))


def _no_single(name: str, requests: int, parameters: Mapping[str, object]) -> Problem:
    """Why an alias is not done as one request."""
    if parameters:
        return Problem(Reason.ARGUMENTS, f"the alias {name} stands for whole requests; allowed: no parameters")
    return Problem(
        Reason.ARGUMENTS, f"the alias {name} stands for {requests} requests; allowed: one, or a list at /api/v1/rpc"
    )


async def rpc_responses(call: Call[MailboxQuery, None]) -> Mail:
    """Take RPC responses out of the mailbox: they are there no more afterwards, for anybody."""
    engine, limit = call.services.rpc.engine, call.query.limit
    if call.request.method == hdrs.METH_HEAD:
        # Who asks for the headers alone reads no responses, so none may be lost.
        return Mail([], len(engine.mailbox))
    taken, remaining = engine.mailbox.take(None if limit is UNSET else limit)
    return Mail([rendered(one, engine) for one in taken], remaining)


def rendered(response: Response, engine: Engine) -> RpcResponse:
    """A response as JSON."""
    row = engine.table.responses.get(response.name)
    stamp = response.timestamp
    time = UNSET if stamp is None else _moment(stamp)
    return RpcResponse(response.name, as_json.write_response(response, row, engine.table.records), time)


def _moment(stamp: float) -> str:
    """Seconds since 1970 as `web.schema.time` has them."""
    milliseconds = round(stamp * 1000)
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03}Z"


@lru_cache(maxsize=16)
def _second(number: int) -> str:
    # Responses come many in a second, or none for hours.
    return datetime.fromtimestamp(number, UTC).isoformat()[:-6]


def http_problem(problem: Problem, instance: str = "") -> HttpProblem:
    """Why a request is not done, as every other call tells it."""
    status, slug, title = _STATUS[problem.reason]
    errors = [FieldError(field.where, field.allowed, field.value) for field in problem.fields]
    identifier = problem.identifier
    return HttpProblem(
        TYPE_PREFIX + slug,
        title,
        status,
        problem.text,
        instance or UNSET,
        errors or UNSET,
        list(problem.near) or UNSET,
        request_identifier=UNSET if identifier is None else as_json.write(identifier, REQUEST_IDENTIFIER.type, {}),
    )


def _json(status: int, value: Struct) -> aioweb.Response:
    return aioweb.Response(status=status, body=schema.encode(value), headers=_JSON_HEADERS)


def _decoded(raw: bytes) -> object:
    try:
        return msgspec.json.decode(raw)
    except RecursionError:
        raise BadRequestError("the body is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequestError(f"the body is not JSON: {error}") from None


def _object(raw: bytes) -> dict[str, object]:
    """The parameters of a request; none at all where it takes none."""
    value = _decoded(raw) if raw.strip() else {}
    if not isinstance(value, dict):
        raise BadRequestError("the body is not a JSON object; allowed: an object of parameters")
    return value


def _list(raw: bytes) -> list[RpcRequest]:
    value = _decoded(raw)
    if not isinstance(value, list) or len(value) > MAX_REQUESTS:
        given = f"{len(value)} requests" if isinstance(value, list) else "no list"
        raise InvalidError("body", given, f"a list of at most {MAX_REQUESTS} requests")
    found: list[RpcRequest] = []
    for index, one in enumerate(value):
        try:
            found.append(msgspec.convert(one, RpcRequest))
        except msgspec.ValidationError as error:
            allowed = '{"request": name, "parameters": {...}, "synchronous": true}'
            raise InvalidError(f"body[{index}]", str(error), allowed) from None
    return found


ROUTES = (
    Route("POST", "/rpc", Role.VIEWER, rpc_xml, content=XML, accepts=XML, tag="rpc"),
    Route("POST", "/UE/rci", Role.VIEWER, rci, content=XML, accepts=XML, tag="rpc"),
    Route("POST", "/ws/sci", Role.VIEWER, sci, content=XML, accepts=XML, tag="rpc"),
    Route("GET", f"{API}/rpc", Role.VIEWER, describe_rpc, tag="rpc"),
    Route("POST", f"{API}/rpc", Role.VIEWER, rpc_requests, tag="rpc"),
    Route("GET", f"{API}/rpc/responses", TAKES, rpc_responses, tag="rpc"),
    Route(
        "POST",
        f"{API}/rpc/{{request}}",
        Role.VIEWER,
        rpc_request,
        fails=(409, 501, 502, 503),
        answers=((200, RpcResponse), (202, RpcAccepted)),
        bodies=lambda: request_schemas(TABLE),
        tag="rpc",
    ),
)
