"""The websocket: a snapshot, then every event, and commands the other way.

One task hears the bus. It encodes and frames an event once and writes the same bytes to every client's transport, those
that are waiting together in one write. Between the snapshot of a new client and its first event there is neither a gap
nor a duplicate: what waits on the bus goes to the others first, and nothing is awaited from there to the snapshot.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec
from aiohttp import WSMsgType
from aiohttp import web as aioweb
from msgspec import Struct

from hub.bus import SubscriberLaggedError, Subscription
from hub.events import CommandChanged, HubEvent
from hub.hub import Hub
from hub.model import Action, Outcome
from web import checks, schema, schema_zigbee
from web.auth import Auth, Principal, Role
from web.errors import BadRequestError, ForbiddenError, Problem, TooManyError, problem_of, row_of
from web.routes import API, Call, Route
from web.rpc.envelope import TAKES

log = logging.getLogger(__name__)

MAX_WAITING_BYTES = 2 << 20
"""A client may leave so much unread: six seconds of 200 breakers at 1 Hz, or their snapshot and as much again. A
hundred clients that do not read then hold 200 MB for a moment, not for ever."""
MAX_MESSAGE_BYTES = 64 << 10
"""Of a client's message; the longest command has a hundred."""
MAX_COMMANDS = 16
"""Commands of one client under way at once."""
MAX_CLIENTS = 500
"""File descriptors and memory: 1024 is the usual limit, and the breakers need theirs."""
EVENTS_WAITING = 65_536
"""Events the task may be behind while the loop is busy elsewhere; far above what a client may leave unread."""
HEARTBEAT_S = 30.0
"""A ping so often; without an answer within half of it the client is gone (a phone that left the house)."""
CLOSE_TIMEOUT_S = 0.3
"""Wait so long for the other side's goodbye; the hub has 2 s for all its leave-taking."""
ABORT_AFTER_S = 5.0
"""A client that was cut off for not reading may still read why, so long."""

GOING_AWAY, UNSUPPORTED_DATA, TRY_AGAIN_LATER = 1001, 1003, 1013
TOKEN_ENDED = 4401
"""The token was revoked or the session ended: sign in again, do not just reconnect."""


def frame(payload: bytes) -> bytes:
    """A text message, whole, unmasked, uncompressed (RFC 6455 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def _abort(transport: asyncio.Transport) -> None:
    """Cut a connection; one that is gone already is left alone, for asyncio's transports do not bear that."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        transport.abort()


@dataclass(frozen=True, slots=True)
class _Goodbye:
    """Why the hub ends a connection."""

    code: int
    reason: str


_STOPPING = _Goodbye(GOING_AWAY, "the hub is stopping")
_ENDED = _Goodbye(TOKEN_ENDED, "the token was revoked, or the session ended")
_SLOW = _Goodbye(TRY_AGAIN_LATER, f"too slow: more than {MAX_WAITING_BYTES} bytes unread")


class _Client:
    """One websocket."""

    __slots__ = ("goodbye", "hears_rpc", "hears_xml", "principal", "transport")

    def __init__(self, transport: asyncio.Transport, principal: Principal) -> None:
        self.transport, self.principal = transport, principal
        self.hears_rpc = False
        """Whether it has asked for the responses to RPC requests."""
        self.hears_xml = False
        """Whether it has asked for them in XML, too."""
        self.goodbye: asyncio.Future[_Goodbye] = asyncio.get_running_loop().create_future()


class Fanout:
    """All websockets, and the one task that feeds them."""

    def __init__(self, hub: Hub, auth: Auth) -> None:
        self._hub, self._auth = hub, auth
        self._events: Subscription[HubEvent] = hub.bus.subscribe(*schema.EVENT_TYPES, limit=EVENTS_WAITING)
        self._clients: set[_Client] = set()
        self._cut_off: set[asyncio.Transport] = set()
        """Transports of clients that do not read; they are aborted after a while."""
        self._seq = 0
        self._closing = False
        self.slow_clients = 0
        """Clients cut off because they did not read, so far."""
        self.outcomes: Counter[Outcome] = Counter()
        """Commands that ended, by outcome."""
        auth.on_ended(self._end)

    @property
    def clients(self) -> int:
        """Websockets open now."""
        return len(self._clients)

    async def run(self) -> None:
        """Feed the clients, for ever."""
        while True:
            async with self._events as events:
                try:
                    while True:
                        first = await events.get()
                        self._send([first, *events.drain()])
                except SubscriberLaggedError as error:
                    log.warning("websockets: %s; all clients are told to begin anew", error)
                    self._drop_all(_Goodbye(TRY_AGAIN_LATER, "the hub was too busy; connect again"))
            self._events = self._hub.bus.subscribe(*schema.EVENT_TYPES, limit=EVENTS_WAITING)

    def close(self) -> None:
        """Say goodbye to everybody and let nobody in."""
        self._closing = True
        self._drop_all(_STOPPING)

    def abort(self) -> None:
        """Cut what is still open."""
        for transport in (*self._cut_off, *(client.transport for client in self._clients)):
            _abort(transport)
        self._cut_off.clear()

    # -- down to the clients -------------------------------------------------------------------------------------

    def _send(self, events: list[HubEvent]) -> None:
        """Number, encode, frame and write events, without awaiting anything."""
        for event in events:
            if type(event) is CommandChanged and event.command.outcome is not Outcome.PENDING:
                self.outcomes[event.command.outcome] += 1
        if not self._clients:
            self._seq += len(events)
            return
        frames: list[bytes] = []
        for event in events:
            self._seq += 1
            try:
                frames.append(frame(schema.message(event, self._seq, self._hub.devices)))
            except Exception:  # around a subscriber: one event that cannot be told must not silence the others
                log.exception("an event of type %s could not be encoded", type(event).__name__)
                self._seq -= 1
        if not frames:
            return
        data = frames[0] if len(frames) == 1 else b"".join(frames)
        slow: list[_Client] = []
        for client in self._clients:
            transport = client.transport
            if transport.get_write_buffer_size() > MAX_WAITING_BYTES:
                slow.append(client)
            else:
                transport.write(data)
        for client in slow:
            self.slow_clients += 1
            self._drop(client, _SLOW)

    def tell_rpc(self, encoded: Callable[[bool], bytes]) -> None:
        """Write an RPC response to those who have asked for them; it is encoded once for all who want it in one way.

        `encoded` says how: True, with its XML.
        """
        for has_xml in (False, True):
            hearing = [client for client in self._clients if client.hears_rpc and client.hears_xml is has_xml]
            if not hearing:
                continue
            try:
                data = frame(encoded(has_xml))
            except Exception:  # around a subscriber: the mailbox and other listeners go on
                log.exception("an RPC response could not be encoded")
                continue
            for client in hearing:
                self._write(client, data)

    def _drop(self, client: _Client, goodbye: _Goodbye) -> None:
        self._clients.discard(client)
        if not client.goodbye.done():
            client.goodbye.set_result(goodbye)

    def _drop_all(self, goodbye: _Goodbye) -> None:
        for client in tuple(self._clients):
            self._drop(client, goodbye)

    def _end(self, concerns: Callable[[Principal], bool]) -> None:
        for client in tuple(self._clients):
            if concerns(client.principal):
                self._drop(client, _ENDED)

    def snapshot(self) -> schema.Snapshot:
        """Everything as it is after all events that were numbered so far."""
        self._send(self._events.drain())
        hub = self._hub
        return schema.Snapshot(
            seq=self._seq,
            time=schema.time(hub.clock.now()),
            hub=schema.Hub(hub.config.hub.name, hub.version),
            devices=schema.devices(hub.devices.all(), hub.devices),
            house=schema.house(hub.energy.house()),
            radios=[schema.radio(status) for status in hub.radios()],
            storage=schema.storage(hub.store.status),
            keys=[schema.key(status) for status in hub.keys.statuses()],
            commands=[schema.command(command) for command in (*hub.breakers.pending(), *hub.controls.pending())],
            networks=[schema_zigbee.network(status, hub.clock.now()) for status in hub.networks.all()],
        )

    # -- one client ----------------------------------------------------------------------------------------------

    async def serve(self, request: aioweb.BaseRequest, principal: Principal) -> aioweb.WebSocketResponse:
        """Talk to one client until one of both has enough."""
        if self._closing or len(self._clients) >= MAX_CLIENTS:
            raise TooManyError(f"{len(self._clients)} websockets are open already", ABORT_AFTER_S)
        socket = aioweb.WebSocketResponse(
            timeout=CLOSE_TIMEOUT_S, heartbeat=HEARTBEAT_S, compress=False, max_msg_size=MAX_MESSAGE_BYTES
        )
        try:
            await socket.prepare(request)
        except aioweb.HTTPBadRequest as error:
            raise BadRequestError(f"not a websocket handshake: {' '.join((error.text or '').split())}") from None
        transport = request.transport
        if transport is None:
            return socket
        client = _Client(transport, principal)
        # From here to `add` nothing is awaited: see the module's docstring.
        transport.write(frame(schema.encode(self.snapshot())))
        self._clients.add(client)
        # Either may have come to pass while the handshake was under way.
        if self._closing:
            self._drop(client, _STOPPING)
        elif not self._auth.still_holds(principal):
            self._drop(client, _ENDED)
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._read(socket, client, group), name="websocket")
                await asyncio.wait((reading, client.goodbye), return_when=asyncio.FIRST_COMPLETED)
                self._clients.discard(client)
                if client.goodbye.done():
                    goodbye = client.goodbye.result()
                    self._cut_later(transport)
                    await socket.close(code=goodbye.code, message=goodbye.reason.encode(), drain=False)
                raise _Left
        except* _Left:
            pass
        finally:
            self._clients.discard(client)
        return socket

    def _cut_later(self, transport: asyncio.Transport) -> None:
        """See that a connection really ends, whether or not the other side reads."""
        self._cut_off.add(transport)

        def cut() -> None:
            if transport in self._cut_off:
                self._cut_off.discard(transport)
                _abort(transport)

        asyncio.get_running_loop().call_later(ABORT_AFTER_S, cut)

    async def _read(self, socket: aioweb.WebSocketResponse, client: _Client, group: asyncio.TaskGroup) -> None:
        """Take messages until the other side goes. Commands run beside, so that pings are always answered."""
        running: set[asyncio.Task[None]] = set()
        while True:
            message = await socket.receive()
            if message.type is WSMsgType.BINARY:
                self._drop(client, _Goodbye(UNSUPPORTED_DATA, "messages are JSON in text"))
                return
            if message.type is not WSMsgType.TEXT:
                return
            if len(running) >= MAX_COMMANDS:
                error: Exception = TooManyError(f"{MAX_COMMANDS} commands are under way already", 1)
                self._reply(client, _ErrorReply(_id_of(message.data), problem_of(error)))
                continue
            task = group.create_task(self._answer(client, message.data), name="websocket command")
            running.add(task)
            task.add_done_callback(running.discard)

    async def _answer(self, client: _Client, text: str) -> None:
        request_id: int | str | None = None
        try:
            try:
                request = checks.body(text.encode("utf-8", "replace"), _Request, "message")
            except BadRequestError:
                request_id = _id_of(text)
                raise
            request_id = request.id
            result = await self._obey(client, request)
        except Exception as error:  # a task's top
            if row_of(error) is None:
                log.exception("a websocket command failed by a fault of ours")
            self._reply(client, _ErrorReply(request_id, problem_of(error)))
        else:
            self._reply(client, _ResultReply(request.id, result))

    async def _obey(self, client: _Client, request: _Request) -> Struct:
        row = COMMANDS.get(request.command)
        if row is None:
            raise BadRequestError(
                f"there is no command {request.command[:80]!r}; allowed: {', '.join(COMMANDS)}",
            )
        if not client.principal.token.role.covers(row.role):
            raise ForbiddenError(f"{request.command} needs the role {row.role.value}")
        args = checks.convert(request.args, row.args)
        return await row.run(self, client, args)

    def _reply(self, client: _Client, reply: Struct) -> None:
        self._write(client, frame(schema.encode(reply)))

    def _write(self, client: _Client, data: bytes) -> None:
        """Write what only some get."""
        if client.goodbye.done() or client.transport.is_closing():
            return
        if client.transport.get_write_buffer_size() > MAX_WAITING_BYTES:
            # It asks and does not read.
            self.slow_clients += 1
            self._drop(client, _SLOW)
            return
        client.transport.write(data)

    async def move(self, principal: Principal, device_id: str, action: Action) -> schema.Command:
        """A breaker command of a client."""
        return schema.command(await self._hub.breakers.move(device_id, action, principal.token.name))


class _Left(Exception):  # noqa: N818 - not an error: the way out of a client's task group
    """The client is gone; its tasks end."""


def _id_of(text: str) -> int | str | None:
    """The id of a request that is wrong elsewhere, so that its sender knows which."""
    with contextlib.suppress(msgspec.DecodeError, RecursionError, UnicodeError):
        return msgspec.json.decode(text, type=_Id).id
    return None


# -- commands ----------------------------------------------------------------------------------------------------


class _Id(Struct, frozen=True):
    id: int | str | None = None


class _Request(Struct, frozen=True, forbid_unknown_fields=True):
    """A command of a client; `id` comes back with the answer."""

    id: int | str
    command: str
    args: dict[str, object] = {}


class _ResultReply(Struct, frozen=True):
    id: int | str
    result: Struct


class _ErrorReply(Struct, frozen=True):
    id: int | str | None
    error: Problem


class NoArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """A command that takes nothing."""


class BreakerArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """Which breaker."""

    device: str


class HearArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """How RPC responses are to come: with `xml`, as they stand in a reply in XML, too."""

    xml: bool = False


class Hearing(Struct, frozen=True):
    """Whether RPC responses come from now on, and whether in XML, too."""

    rpc: bool
    xml: bool


class Pong(Struct, frozen=True):
    """The hub is there."""

    time: schema.Time


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A websocket command: the role it needs, what it takes, what it does."""

    role: Role
    args: type[Struct]
    run: Callable[[Fanout, _Client, Struct], Awaitable[Struct]]


async def _ping(fanout: Fanout, client: _Client, args: Struct) -> Struct:
    return Pong(schema.time(fanout._hub.clock.now()))  # noqa: SLF001 - the same module


async def _snapshot(fanout: Fanout, client: _Client, args: Struct) -> Struct:
    return fanout.snapshot()


def _mover(action: Action) -> Callable[[Fanout, _Client, Struct], Awaitable[Struct]]:
    async def run(fanout: Fanout, client: _Client, args: Struct) -> Struct:
        assert isinstance(args, BreakerArgs)
        return await fanout.move(client.principal, args.device, action)

    return run


async def _hear(fanout: Fanout, client: _Client, args: Struct) -> Struct:
    assert isinstance(args, HearArgs)
    client.hears_rpc, client.hears_xml = True, args.xml
    return Hearing(True, args.xml)


async def _hear_no_more(fanout: Fanout, client: _Client, args: Struct) -> Struct:
    client.hears_rpc = client.hears_xml = False
    return Hearing(False, False)


COMMANDS: Mapping[str, CommandRow] = {
    "ping": CommandRow(Role.VIEWER, NoArgs, _ping),
    "snapshot": CommandRow(Role.VIEWER, NoArgs, _snapshot),
    "breaker.open": CommandRow(Role.OPERATOR, BreakerArgs, _mover(Action.OPEN)),
    "breaker.close": CommandRow(Role.OPERATOR, BreakerArgs, _mover(Action.CLOSE)),
    "breaker.toggle": CommandRow(Role.OPERATOR, BreakerArgs, _mover(Action.TOGGLE)),
    # Who may take responses may also hear of them.
    "rpc.subscribe": CommandRow(TAKES, HearArgs, _hear),
    "rpc.unsubscribe": CommandRow(TAKES, NoArgs, _hear_no_more),
}


async def open_websocket(call: Call[None, None]) -> aioweb.WebSocketResponse:
    """Open a websocket: first a snapshot, then every event.

    The first message is a Snapshot; then come events, each with `seq` one higher than the message before: a gap means
    connect again. Send {"id": 1, "command": "breaker.open", "args": {"device": "emcb-..."}} and get
    {"id": 1, "result": Command} or {"id": 1, "error": Problem}. Commands: ping, snapshot, breaker.open, breaker.close,
    breaker.toggle, rpc.subscribe, rpc.unsubscribe. After rpc.subscribe RPC responses come, too, as they come to the
    mailbox, where they stay: RpcResponseMessage, without `seq`; with args {"xml": true} in XML as well. The hub closes
    with 1001 when it stops, 1003 on a binary message, 1009 on a message above 64 KiB, 1013 when a client does not read,
    4401 when its token was revoked.
    A browser's Origin must be this hub.
    """
    return await call.services.fanout.serve(call.request, call.principal)


ROUTES = (
    Route(
        "GET", f"{API}/ws", Role.VIEWER, open_websocket, status=101, fails=(400, 403), origin_checked=True, tag="live"
    ),
)
