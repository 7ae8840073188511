"""The HTTP server: one table of calls, and for each request the same steps in the same order:

host, route, token, role, origin, query and body, handler, answer. Whatever goes wrong on the way, in the parser even,
comes out as problem+json. aiohttp gives the connection and the HTTP parser; its application framework is not used,
since the table is the router.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache, lru_cache
from pathlib import Path

import msgspec
from aiohttp import HttpVersion11, hdrs
from aiohttp import web as aioweb

from hub.errors import ConfigError
from hub.hub import Hub
from web import checks, schema, ws
from web.auth import Auth, Principal, check_origin
from web.errors import (
    PROBLEM_TYPE,
    REALM,
    BadRequestError,
    ForbiddenError,
    MediaTypeError,
    MethodError,
    MisdirectedError,
    NoSuchCallError,
    Problem,
    RequestError,
    TooLargeError,
    UnauthenticatedError,
    problem_of,
    problem_of_status,
    row_of,
)
from web.rest import (
    at_commands,
    attributes,
    breakers,
    certificates,
    controls,
    devices,
    energy,
    ini_files,
    keys,
    load_control,
    metering,
    mirrors,
    network_setup,
    networks,
    radios,
    readings,
    received,
    smart_energy,
    system,
    tariff,
    tokens,
    tunnels,
)
from web.routes import Call, Response, Route, Router, Services
from web.rpc import http as rpc
from web.rpc import live
from web.rpc.service import RpcService
from web.static import DIST, Dashboard
from web.ws import Fanout

log = logging.getLogger(__name__)

ROUTES: tuple[Route, ...] = (
    *system.ROUTES,
    *devices.ROUTES,
    *breakers.ROUTES,
    *networks.ROUTES,
    *radios.ROUTES,
    *certificates.ROUTES,
    *network_setup.ROUTES,
    *smart_energy.ROUTES,
    *load_control.ROUTES,
    *tariff.ROUTES,
    *received.ROUTES,
    *mirrors.ROUTES,
    *tunnels.ROUTES,
    *at_commands.ROUTES,
    *attributes.ROUTES,
    *controls.ROUTES,
    *metering.ROUTES,
    *keys.ROUTES,
    *readings.ROUTES,
    *energy.ROUTES,
    *tokens.ROUTES,
    *ini_files.ROUTES,
    *rpc.ROUTES,
    *ws.ROUTES,
)
"""Every call there is; beside them only the dashboard's files."""

MAX_BODY_BYTES = 1 << 20
"""Of a request; keys for 1000 breakers take a tenth."""
BODY_TIMEOUT_S = 30.0
"""A body may take so long to arrive: 1 MiB over a bad mobile connection."""
JSON = "application/json"
TYPES = 64
"""Content types that are remembered with what they amount to."""
HOSTS = 64
"""Names of this hub that are remembered with what they amount to: a home has a handful."""
SHUTDOWN_S = 0.4
"""Requests under way may take so long to end, and as long again once they are told to; a hub leaves within 2 s."""
BACKLOG = 128
LOCAL_NAMES = ("localhost",)
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?", re.ASCII)

SECURITY_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_POLICY = (
    "default-src 'self'; img-src 'self' data:; connect-src 'self'{live}; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)


class _Handler(aioweb.RequestHandler):
    """aiohttp's connection, with our own words for what its parser refuses."""

    def handle_error(
        self,
        request: aioweb.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> aioweb.StreamResponse:
        """The answer to a request that is not HTTP, or that failed outside of `WebServer.handle`."""
        if status >= 500:
            log.error("a request failed by a fault of ours", exc_info=exc)
            answer = _problem_response(problem_of(exc or RuntimeError()))
        else:
            text = " ".join((message or "").split())[:200]
            answer = _problem_response(problem_of_status(status, f"this is not a valid HTTP request: {text}"))
        answer.headers.update(SECURITY_HEADERS)
        answer.headers["Content-Security-Policy"] = _POLICY.format(live="")
        answer.force_close()
        return answer


class _Listener(aioweb.Server):
    """Makes a `_Handler` for each connection."""

    def __call__(self) -> aioweb.RequestHandler:
        # The access log takes 40 % of the requests per second.
        return _Handler(self, loop=asyncio.get_running_loop(), access_log=None)  # type: ignore[arg-type]


class WebServer:
    """Answers requests; `serve()` makes one that listens."""

    def __init__(self, services: Services, allowed_hosts: tuple[str, ...]) -> None:
        self._services = services
        self._router = Router(services.routes)
        self._allowed_hosts = frozenset(name.lower() for name in (*LOCAL_NAMES, *allowed_hosts))
        self.url = ""
        """Where a browser on this machine finds the dashboard, without a slash at the end."""

    @property
    def token(self) -> str | None:
        """The admin token if it could not be written to its file: to be printed, never logged."""
        return self._services.auth.memory_token

    def login_url(self) -> str:
        """An address that signs a browser in once, as admin; without an admin token of ours the plain address."""
        return self.url + (self._services.auth.local_link() or "/")

    async def handle(self, request: aioweb.BaseRequest) -> aioweb.StreamResponse:
        """Answer one request."""
        host = request.headers.get(hdrs.HOST)
        try:
            answer = await self._answer(request, host)
        except aioweb.HTTPException as error:
            detail = " ".join((error.text or error.reason or "").split())
            answer = _problem_response(problem_of_status(error.status, detail))
        except Exception as error:  # a request's top
            if row_of(error) is None:
                log.exception("%s %s failed by a fault of ours", request.method, request.path)
            answer = _problem_response(problem_of(error, request.path))
            if isinstance(error, RequestError):
                answer.headers.update(error.headers)
            if isinstance(error, TooLargeError):
                answer.force_close()
        if not answer.prepared:
            answer.headers.update(SECURITY_HEADERS)
            answer.headers[hdrs.CONTENT_SECURITY_POLICY] = _policy(host)
            answer.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
        return answer

    async def _answer(self, request: aioweb.BaseRequest, host: str | None) -> aioweb.StreamResponse:
        self._check_host(host)
        address = request.remote or ""
        try:
            route, values = self._router.find(request.method, request.rel_url.raw_path)
        except NoSuchCallError:
            if request.path.startswith(("/api/", "/metrics/")):
                raise
            if request.method not in ("GET", "HEAD"):
                raise MethodError(request.method[:20], ("GET",)) from None
            return self._services.dashboard.answer(request.path, request.headers)
        caller: Principal | None = None
        if route.role is not None:
            caller = self._authenticated(route, request, address)
            if not caller.token.role.covers(route.role):
                raise ForbiddenError(f"this needs the role {route.role.value}; yours is {caller.token.role.value}")
        if not route.is_safe or route.origin_checked:
            check_origin(caller, request.headers.get(hdrs.ORIGIN), host, strict=True)
        call = Call(
            services=self._services,
            request=request,
            address=address,
            path=values,
            query=_query(request, route.query or _NoQuery) if _has_query(route) else None,
            body=await _body(request, route),
            caller=caller,
        )
        result = await route.handler(call)
        if isinstance(result, aioweb.StreamResponse):
            return result
        headers: Mapping[str, str] = {}
        if isinstance(result, Response):
            result, headers = result.value, result.headers
        if result is None:
            return aioweb.Response(status=route.status, headers=headers)
        return aioweb.Response(
            status=route.status, body=schema.encode(result), content_type="application/json", headers=headers
        )

    def _authenticated(self, route: Route, request: aioweb.BaseRequest, address: str) -> Principal:
        try:
            # A token goes before a session; to read cookies that are not looked at takes time.
            cookies = {} if hdrs.AUTHORIZATION in request.headers else request.cookies
            return self._services.auth.authenticate(request.headers, cookies, address)
        except UnauthenticatedError as error:
            if route.accepts == rpc.XML:
                # A gateway's clients send a name and a password only when they are asked for them.
                error.headers[hdrs.WWW_AUTHENTICATE] = f'Basic realm="{REALM}"'
            raise

    def _check_host(self, host: str | None) -> None:
        """Refuse names that are not ours: a page of another site may have had its name pointed here (DNS rebinding)."""
        if host is None:
            return
        if not _is_ours(host, self._allowed_hosts):
            raise MisdirectedError(
                f"this hub is not called {host[:80]!r}; allowed: its IP address, localhost, "
                "and the names in web.allowed_hosts of hub.toml"
            )


@lru_cache(maxsize=HOSTS)
def _is_ours(host: str, allowed: frozenset[str]) -> bool:
    match = _HOST.fullmatch(host)
    name = match["name"].lower().removesuffix(".") if match is not None else ""
    if name in allowed or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


class _NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call that takes no query."""


def _query(request: aioweb.BaseRequest, kind: type[msgspec.Struct]) -> msgspec.Struct:
    pairs = list(request.query.items())
    return checks.query(pairs, kind) if pairs else _without_query(kind)


@cache
def _without_query(kind: type[msgspec.Struct]) -> msgspec.Struct:
    """Defaults alone, of each kind in the table of calls."""
    return checks.query([], kind)


def _has_query(route: Route) -> bool:
    # The websocket is opened by clients of all kinds, some of which add parameters of their own.
    return not route.origin_checked


async def _body(request: aioweb.BaseRequest, route: Route) -> msgspec.Struct | bytes | None:
    """The body as the row wants it. Raises `BadRequestError`, `MediaTypeError`, `TooLargeError`."""
    if route.is_safe:
        return None
    length = request.content_length
    too_large = f"the body is longer than {MAX_BODY_BYTES} bytes"
    if length is not None and length > MAX_BODY_BYTES:
        raise TooLargeError(too_large)
    try:
        if request.content.is_eof():
            # It came with its head, as nearly all do: a time-out would cost more than the reading.
            raw = request.content.read_nowait()
            if len(raw) > MAX_BODY_BYTES:
                raise TooLargeError(too_large)
        else:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                await _go_on(request)
                raw = await request.read()
    except aioweb.HTTPRequestEntityTooLarge:
        raise TooLargeError(too_large) from None
    except TimeoutError:
        raise BadRequestError(f"the body did not arrive within {BODY_TIMEOUT_S:.0f} s") from None
    except (aioweb.PayloadAccessError, aioweb.RequestPayloadError, ValueError) as error:
        raise BadRequestError(f"the body cannot be read: {type(error).__name__}") from None
    kind = request.headers.get(hdrs.CONTENT_TYPE)
    if route.is_raw:
        # XML comes under all kinds of names, and is told from anything else by the first tag.
        if raw and kind is not None and route.accepts == JSON and not _is_json(kind):
            raise MediaTypeError(kind)
        return raw
    if route.body is None:
        checks.no_body(raw)
        return None
    # Clients name a type for no body at all, too.
    if raw and kind is not None and not _is_json(kind):
        raise MediaTypeError(kind)
    return checks.body(raw, route.body)


async def _go_on(request: aioweb.BaseRequest) -> None:
    """Tell a client to send its body if it waits for that: .NET does always, curl from a certain length on."""
    if request.headers.get(hdrs.EXPECT, "").strip().lower() != "100-continue" or request.version < HttpVersion11:
        return
    writer = request.writer
    await writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    # The answer itself begins after it.
    writer.output_size = 0


@lru_cache(maxsize=TYPES)
def _is_json(content_type: str) -> bool:
    media, _, parameters = content_type.partition(";")
    media = media.strip().lower()
    charset = parameters.lower().replace(" ", "").replace('"', "")
    return media == JSON and charset in ("", "charset=utf-8")


def _problem_response(problem: Problem) -> aioweb.Response:
    return aioweb.Response(status=problem.status, body=schema.encode(problem), content_type=PROBLEM_TYPE)


@lru_cache(maxsize=HOSTS)
def _policy(host: str | None) -> str:
    return _POLICY.format(live=_live_sources(host))


def _live_sources(host: str | None) -> str:
    """The websocket of this very host, for browsers in which 'self' does not cover it (Safari before 15.4)."""
    if host is None or _HOST.fullmatch(host) is None:
        return ""
    return f" ws://{host} wss://{host}"


# -- listening ---------------------------------------------------------------------------------------------------


@asynccontextmanager
async def serve(hub: Hub, *, dist: Path = DIST, stop: Callable[[], None] | None = None) -> AsyncIterator[WebServer]:
    """Listen where the configuration says, until the block is left: a second at most, open requests or not.

    `stop` ends the program, where a client may ask for that. Raises `ConfigError` when the address cannot be had.
    """
    async with RpcService(hub, stop) as requests:
        auth = Auth(hub.store, hub.clock, hub.config.data_dir)
        await auth.start()
        fanout = Fanout(hub, auth)
        services = Services(hub=hub, auth=auth, fanout=fanout, dashboard=Dashboard(dist), rpc=requests, routes=ROUTES)
        host, port = hub.config.web.listen
        server = WebServer(services, (*hub.config.web.allowed_hosts, host))
        runner = aioweb.ServerRunner(_Listener(server.handle), shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        try:
            await _listen(runner, host, port)
        except BaseException:
            await runner.cleanup()
            raise
        server.url = _url(host, runner.addresses[0][1])
        failure: Exception | None = None
        unfollow = live.follow(requests, fanout.tell_rpc)
        async with asyncio.TaskGroup() as tasks:
            feeding = tasks.create_task(fanout.run(), name="websockets")
            try:
                yield server
            except Exception as error:  # noqa: BLE001 - raised below: the group would wrap what is the caller's own
                failure = error
            finally:
                unfollow()
                fanout.close()
                await runner.cleanup()
                fanout.abort()
                feeding.cancel()
        if failure is not None:
            raise failure


async def _listen(runner: aioweb.ServerRunner, host: str, port: int) -> None:
    try:
        await aioweb.TCPSite(runner, host, port, backlog=BACKLOG, reuse_address=True).start()
    except OSError as error:
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        match error.errno:
            case errno.EADDRINUSE:
                problem = "is in use by another program; allowed: an address and a port that are free"
            case errno.EACCES:
                problem = "is not for everybody; allowed: a port of 1024 or above"
            case errno.EADDRNOTAVAIL:
                problem = "is not an address of this machine; allowed: one of its own, or 0.0.0.0 or [::] for all"
            case _:
                problem = f"cannot be listened on: {error.strerror or error}"
        raise ConfigError("web.listen", f"{shown!r} {problem}") from None


def _url(host: str, port: int) -> str:
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
