"""The table of calls: what a row says is what routing, authorization, checking and the OpenAPI document follow.

A row names a method, a path, a role and a handler. The handler's annotations say the rest:

    async def rename(call: Call[None, DeviceUpdate]) -> schema.Device:
        '''Rename, place or protect a device.'''

`Call[query, body]` are the structs that the request must fit, the return type is the answer, the docstring the summary.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import unquote

import msgspec
from aiohttp import web as aioweb

from web.auth import Auth, Principal, Role
from web.errors import MethodError, NoSuchCallError, UnauthenticatedError

if TYPE_CHECKING:
    from hub.hub import Hub
    from web.rpc.service import RpcService
    from web.static import Dashboard
    from web.ws import Fanout

API = "/api/v1"
SWITCHING_PROTOCOLS = 101

Q = TypeVar("Q")
B = TypeVar("B")


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What handlers work with."""

    hub: Hub
    auth: Auth
    fanout: Fanout
    dashboard: Dashboard
    rpc: RpcService
    routes: tuple[Route, ...]


class Call(msgspec.Struct, Generic[Q, B], frozen=True, kw_only=True):
    """One request, authorized and checked."""

    services: Services
    request: aioweb.BaseRequest
    address: str
    """Whom it comes from, as the socket says."""
    path: Mapping[str, str]
    query: Q
    body: B
    caller: Principal | None

    @property
    def hub(self) -> Hub:
        """The hub that is asked."""
        return self.services.hub

    @property
    def auth(self) -> Auth:
        """Tokens and sessions."""
        return self.services.auth

    @property
    def principal(self) -> Principal:
        """Who asks; only where the row asks for a role."""
        if self.caller is None:
            raise UnauthenticatedError("send a token: Authorization: Bearer heh_...")
        return self.caller


A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Response(Generic[A]):
    """An answer with headers of its own."""

    value: A
    headers: Mapping[str, str]


Answer = msgspec.Struct | aioweb.StreamResponse | Response[msgspec.Struct] | Response[None] | None
Handler = Callable[..., Awaitable[object]]
"""Takes a `Call`; gives an `Answer`, of which its annotation says the exact kind."""


@dataclass(frozen=True, slots=True)
class Route:
    """A row of the table."""

    method: str
    path: str
    role: Role | None
    """The least role that may; None: nobody is asked for a token."""
    handler: Handler
    status: int = 200
    fails: tuple[int, ...] = ()
    """Statuses beside those that follow from the row itself."""
    content: str = "application/json"
    tag: str = "system"
    origin_checked: bool = False
    """A browser's request from another site is refused although the method is safe (a websocket)."""
    documented: bool = True
    accepts: str = "application/json"
    """What a body is that the handler reads by itself (`Call[query, bytes]`)."""
    answers: tuple[tuple[int, type[msgspec.Struct]], ...] = ()
    """Good answers that the handler makes by itself, for the OpenAPI document."""
    bodies: Callable[[], Mapping[str, Mapping[str, object]]] | None = None
    """JSON Schemas by name, one of which a body that the handler reads by itself should fit."""
    query: type[msgspec.Struct] | None = field(init=False)
    body: type[msgspec.Struct] | None = field(init=False)
    is_raw: bool = field(init=False)
    """The handler reads the body by itself."""
    answer: type | None = field(init=False)
    summary: str = field(init=False)
    description: str = field(init=False)

    def __post_init__(self) -> None:
        hints = get_type_hints(self.handler)
        query, body = get_args(hints["call"])
        answer = hints["return"]
        if get_origin(answer) is Response:
            [answer] = get_args(answer)
        lines = (self.handler.__doc__ or "").strip().partition("\n")
        for name, value in (
            ("query", None if query is type(None) else query),
            ("body", None if body in (type(None), bytes) else body),
            ("is_raw", body is bytes),
            ("answer", None if answer is type(None) else answer),
            ("summary", lines[0].rstrip(".")),
            ("description", " ".join(lines[2].split())),
        ):
            object.__setattr__(self, name, value)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the variable parts of the path."""
        return tuple(re.findall(r"\{(\w+)\}", self.path))

    @property
    def is_safe(self) -> bool:
        """Whether it changes nothing."""
        return self.method == "GET"


SEEN = 512
"""Paths that are remembered: some of each of 200 devices."""
LONGEST_SEEN = 200
"""Characters of such a path: nobody without a token is to fill the memory."""
_NO_VALUES: Mapping[str, str] = {}
_NOUN = 3
"""Place of the first segment after /api/v1: no table has a variable there."""


class _Pattern:
    """A path with variable parts."""

    __slots__ = ("_fixed", "methods", "names", "segments")

    def __init__(self, segments: tuple[str, ...]) -> None:
        self.segments = segments
        self.methods: dict[str, Route] = {}
        self.names = tuple((place, one[1:-1]) for place, one in enumerate(segments) if one.startswith("{"))
        self._fixed = tuple((place, one) for place, one in enumerate(segments) if not one.startswith("{"))

    def fits(self, segments: list[str]) -> bool:
        """Whether a path of as many segments is such a one; no variable part is empty."""
        for place, text in self._fixed:
            if segments[place] != text:
                return False
        return all(segments[place] for place, _ in self.names)


class Router:
    """Finds the row for a request."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._fixed: dict[str, dict[str, Route]] = {}
        self._variable: dict[tuple[int, str], list[_Pattern]] = {}
        """By the number of segments and the noun, in the table's order."""
        self._seen: dict[str, tuple[dict[str, Route], Mapping[str, str]]] = {}
        """Paths with variable parts that were asked for, with what they are: programs ask for the same ones."""
        for route in routes:
            segments = tuple(route.path.split("/"))
            if route.parameters:
                alike = self._variable.setdefault((len(segments), segments[_NOUN]), [])
                found = next((one for one in alike if one.segments == segments), None)
                if found is None:
                    found = _Pattern(segments)
                    alike.append(found)
                methods = found.methods
            else:
                methods = self._fixed.setdefault(route.path, {})
            assert route.method not in methods, f"{route.method} {route.path} stands twice in the table"
            methods[route.method] = route

    def find(self, method: str, raw_path: str) -> tuple[Route, Mapping[str, str]]:
        """The row and the path's variable parts. Raises `NoSuchCallError`, `MethodError`."""
        methods, values = self._fixed.get(raw_path), _NO_VALUES
        if methods is None:
            found = self._seen.get(raw_path)
            if found is None:
                found = self._match(raw_path.split("/"))
                if len(self._seen) >= SEEN:
                    self._seen.clear()
                if len(raw_path) <= LONGEST_SEEN:
                    self._seen[raw_path] = found
            methods, values = found
        wanted = "GET" if method == "HEAD" else method
        route = methods.get(wanted)
        if route is None or (method == "HEAD" and route.status == SWITCHING_PROTOCOLS):
            raise MethodError(method[:20], tuple(sorted(methods)))
        return route, values

    def _match(self, segments: list[str]) -> tuple[dict[str, Route], Mapping[str, str]]:
        noun = segments[_NOUN] if len(segments) > _NOUN else ""
        for one in self._variable.get((len(segments), noun), ()):
            if one.fits(segments):
                return one.methods, {name: unquote(segments[place]) for place, name in one.names}
        raise NoSuchCallError("there is nothing at this address; GET /api/v1/openapi.json lists what there is")
