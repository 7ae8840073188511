"""The hub for programs: every call of the HTTP interface as a method, the websocket as an iterator of events.

    async with HubClient("http://127.0.0.1:8080", token) as hub:
        command = await hub.move("emcb-30000c2a69113173", "open")

What goes wrong is one tree, and says whether anything may have happened:

ClientError
├── HubUnreachableError   nobody answers at the address: nothing was sent
├── AnswerLostError       the request was sent and no answer came: nobody here knows whether it was done
├── NotAHubError          something answers, but not as a hub does
├── StreamLostError       the websocket ended
└── ProblemError          the hub said no (RFC 9457), with the commands that it recorded

No request is ever repeated. The values are those of web/client_model.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Self, get_args
from urllib.parse import urlsplit

import aiohttp
import msgspec
from msgspec import Struct

from web.client_backups import BackupCalls
from web.client_calls import ANSWER_TIMEOUT_S, COMMAND_TIMEOUT_S, Query, T
from web.client_ini import IniCalls
from web.client_metering import MeteringCalls
from web.client_mirrors import MirrorCalls
from web.client_model import (
    Command,
    Device,
    Event,
    GroupResult,
    Health,
    House,
    Key,
    Led,
    LoginLink,
    Problem,
    Series,
    Session,
    System,
    Token,
)
from web.client_rpc import RPC_SUBSCRIBE, Heard, RpcCalls, RpcResponse
from web.client_smart_energy import SmartEnergyCalls
from web.client_tunnels import TunnelCalls
from web.client_zigbee import ZigbeeCalls
from web.client_zigbee import segment as _segment

CONNECT_TIMEOUT_S = 5.0
"""For a connection: a hub stands in the same house, or behind one VPN."""
STREAM_SILENCE_S = 45.0
"""A websocket that says nothing, not even the answer to a ping sent at a third of this, is lost."""
STREAM_MESSAGE_BYTES = 16 * 1024 * 1024
"""Longest message: a snapshot of 1,000 breakers with all readings takes 3 MB."""
CLOSE_TIMEOUT_S = 2.0
"""For the closing handshake of a websocket: nobody waits longer for a goodbye."""
SHOWN_BYTES = 120
"""Of an answer that is no hub's, for the error."""


class _Envelope(Struct, frozen=True):
    event: str = ""
    seq: int | None = None


_EVENT_NAMES = frozenset(kind.__struct_config__.tag for kind in get_args(Event))
"""Of all that this client knows."""
_envelope = msgspec.json.Decoder(_Envelope)
_event = msgspec.json.Decoder(Event)
_heard = msgspec.json.Decoder(Heard)


class _Devices(Struct, frozen=True):
    devices: tuple[Device, ...]


class _Breakers(Struct, frozen=True):
    breakers: tuple[Device, ...]


class _Commands(Struct, frozen=True):
    commands: tuple[Command, ...]


class _Keys(Struct, frozen=True):
    keys: tuple[Key, ...]


class _Tokens(Struct, frozen=True):
    tokens: tuple[Token, ...]


# -- errors ------------------------------------------------------------------------------------------------------------


class ClientError(Exception):
    """Base of what the client raises; the text is one sentence for people."""


class HubUnreachableError(ClientError):
    """Nobody answers at `url`; nothing was sent."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"no hub answers at {url}: {reason}")
        self.url, self.reason = url, reason


class AnswerLostError(ClientError):
    """The request was sent and no answer came back."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"the hub at {url} was asked and gave no answer: {reason}")
        self.url, self.reason = url, reason


class NotAHubError(ClientError):
    """Something else listens at `url`."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"what answers at {url} is not a home-energy-hub: {reason}")
        self.url, self.reason = url, reason


class StreamLostError(ClientError):
    """The websocket ended; `code` is its closing code, None when the connection just broke."""

    def __init__(self, reason: str, code: int | None = None) -> None:
        super().__init__(f"the connection to the hub was lost: {reason}")
        self.reason, self.code = reason, code


class ProblemError(ClientError):
    """The hub said no. `commands` are those that it recorded for the request, with their outcomes."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail or problem.title or f"HTTP status {problem.status}")
        self.problem = problem
        self.status, self.title, self.detail = problem.status, problem.title, str(self)
        self.command = problem.command or (problem.commands[0] if len(problem.commands) == 1 else None)
        self.commands = problem.commands or ((problem.command,) if problem.command else ())


class HubClient(
    ZigbeeCalls, BackupCalls, SmartEnergyCalls, MeteringCalls, MirrorCalls, TunnelCalls, RpcCalls, IniCalls
):
    """A hub at `url`. Enter it, call it, leave it; it does not connect before the first call."""

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not the address of a hub; allowed: http://HOST:PORT or https://HOST:PORT")
        self.url = url.rstrip("/")
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = {"Accept": "application/json", "User-Agent": "home-energy-hub-client"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        self._session = aiohttp.ClientSession(headers=headers)
        return self

    async def __aexit__(self, *exc: object) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # -- the hub -------------------------------------------------------------------------------------------------------

    async def health(self) -> Health:
        """Needs no token."""
        return await self._get("/api/v1/health", Health)

    async def system(self) -> System:
        """The hub, its radios, its database, its keys."""
        return await self._get("/api/v1/system", System)

    async def session(self) -> Session:
        """Whose token this is."""
        return await self._get("/api/v1/session", Session)

    async def house(self) -> House:
        """The whole home now."""
        return await self._get("/api/v1/energy", House)

    # -- devices -------------------------------------------------------------------------------------------------------

    async def devices(self, kind: str | None = None, availability: str | None = None) -> tuple[Device, ...]:
        """All devices, or those of a kind or availability."""
        query = {"kind": kind, "availability": availability}
        return (await self._get("/api/v1/devices", _Devices, query)).devices

    async def device(self, device_id: str) -> Device:
        """One device."""
        return await self._get(f"/api/v1/devices/{_segment(device_id)}", Device)

    async def update_device(
        self, device_id: str, *, name: str | None = None, area: str | None = None, protected: bool | None = None
    ) -> Device:
        """Set what is not None."""
        wanted: dict[str, object] = {"name": name, "area": area, "protected": protected}
        body = {key: value for key, value in wanted.items() if value is not None}
        return await self._call("PATCH", f"/api/v1/devices/{_segment(device_id)}", Device, body=body)

    async def remove_device(self, device_id: str, *, force: bool = False) -> None:
        """Forget a device; one that still answers is found again. A Zigbee device is asked to leave its network first.

        `force`: forget it although it does not answer.
        """
        query = {"force": "true"} if force else None
        path = f"/api/v1/devices/{_segment(device_id)}"
        await self._request("DELETE", path, query=query, timeout_s=COMMAND_TIMEOUT_S)

    # -- breakers ------------------------------------------------------------------------------------------------------

    async def breakers(self) -> tuple[Device, ...]:
        """All breakers."""
        return (await self._get("/api/v1/breakers", _Breakers)).breakers

    async def move(self, device_id: str, action: str) -> Command:
        """`open`, `close` or `toggle` one breaker: the confirmed command, else `ProblemError` with the command."""
        path = f"/api/v1/breakers/{_segment(device_id)}/{_segment(action)}"
        return await self._call("POST", path, Command, timeout_s=COMMAND_TIMEOUT_S)

    async def move_group(self, action: str, device_ids: Sequence[str] | None = None) -> GroupResult:
        """`open` or `close` some breakers, or all: every one's outcome, whatever it is."""
        body: dict[str, object] = {"all": True} if device_ids is None else {"breakers": list(device_ids)}
        path = f"/api/v1/breakers/groups/{_segment(action)}"
        try:
            return await self._call("POST", path, GroupResult, body=body, timeout_s=COMMAND_TIMEOUT_S)
        except ProblemError as error:
            if not error.commands:
                raise
            outcome = error.problem.outcome or ("unknown" if error.status == 504 else "refused")
            return GroupResult(outcome, tuple(error.commands), error.detail)

    async def set_leds(self, device_id: str, leds: Sequence[Led] | None, duration_s: int = 0) -> Command:
        """Colours of the five lights, for a time (0: until told otherwise); None gives them back to the breaker."""
        body: dict[str, object] = {"off": True} if leds is None else {"leds": list(leds), "duration_s": duration_s}
        path = f"/api/v1/breakers/{_segment(device_id)}/led"
        return await self._call("PUT", path, Command, body=body, timeout_s=COMMAND_TIMEOUT_S)

    async def keys(self) -> tuple[Key, ...]:
        """Which keys there are and how long they live, never the keys."""
        return (await self._get("/api/v1/breakers/keys", _Keys)).keys

    async def set_keys(self, update: Mapping[str, object]) -> tuple[Key, ...]:
        """Give the hub fresh keys: `radio`, `broadcast_key`, `unicast_keys`, `issued_at`."""
        return (await self._call("PUT", "/api/v1/breakers/keys", _Keys, body=dict(update))).keys

    # -- history -------------------------------------------------------------------------------------------------------

    async def commands(self, device_id: str | None = None, limit: int | None = None) -> tuple[Command, ...]:
        """Commands, newest first."""
        query = {"device": device_id, "limit": None if limit is None else str(limit)}
        return (await self._get("/api/v1/commands", _Commands, query)).commands

    async def readings(
        self,
        device_id: str,
        quantity: str,
        *,
        channel: str | None = None,
        start: str | None = None,
        end: str | None = None,
        resolution: str | None = None,
    ) -> Series:
        """One quantity over time; times are RFC 3339."""
        query = {
            "device": device_id,
            "quantity": quantity,
            "channel": channel,
            "from": start,
            "to": end,
            "resolution": resolution,
        }
        return await self._get("/api/v1/readings", Series, query)

    # -- tokens --------------------------------------------------------------------------------------------------------

    async def tokens(self) -> tuple[Token, ...]:
        """Who may talk to the hub."""
        return (await self._get("/api/v1/tokens", _Tokens)).tokens

    async def create_token(self, name: str, role: str) -> Token:
        """A new token; its secret is in this answer and nowhere else."""
        return await self._call("POST", "/api/v1/tokens", Token, body={"name": name, "role": role})

    async def revoke_token(self, token_id: str) -> None:
        """The token is worth nothing from now on."""
        await self._request("DELETE", f"/api/v1/tokens/{_segment(token_id)}")

    async def login_link(self) -> LoginLink:
        """A link that logs a browser in once, as an absolute address."""
        link = await self._call("POST", "/api/v1/login-links", LoginLink)
        return LoginLink(self.url + link.url if link.url.startswith("/") else link.url, link.expires_at)

    # -- events --------------------------------------------------------------------------------------------------------

    async def messages(self, *commands: str) -> AsyncGenerator[str, None]:
        """What the websocket says, as JSON text: a snapshot, then events, and the answers to `commands`.

        Ends by raising `StreamLostError`.
        """
        stream = await self._connect()
        try:
            for command in commands:
                await stream.send_str(msgspec.json.encode({"id": command, "command": command}).decode())
            while True:
                message = await stream.receive()
                if message.type is aiohttp.WSMsgType.TEXT:
                    yield message.data
                elif message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED):
                    code = stream.close_code
                    raise StreamLostError(_CLOSE_REASONS.get(code or 0, "the hub closed it"), code)
                elif message.type is aiohttp.WSMsgType.ERROR:
                    raise StreamLostError(_reason(message.data))
        finally:
            await stream.close()

    async def events(self) -> AsyncGenerator[Event, None]:
        """What the websocket says: a `Snapshot`, then events. Ends by raising `StreamLostError`.

        Events that this client does not know are left out; a gap in the numbers is a loss too.
        """
        last: int | None = None
        messages = self.messages()
        try:
            async for text in messages:
                try:
                    envelope = _envelope.decode(text)
                    event = _event.decode(text) if envelope.event in _EVENT_NAMES else None
                except msgspec.DecodeError as error:
                    raise NotAHubError(self.url, f"its websocket says what cannot be read ({error})") from None
                if envelope.seq is not None and envelope.event:
                    if last is not None and envelope.seq != last + 1 and envelope.event != "snapshot":
                        raise StreamLostError(f"events {last + 1} to {envelope.seq - 1} are missing")
                    last = envelope.seq
                if event is not None:
                    yield event
        finally:
            await messages.aclose()

    async def rpc_heard(self) -> AsyncGenerator[RpcResponse, None]:
        """RPC responses as they come to the mailbox, where they stay. Ends by raising `StreamLostError`."""
        messages = self.messages(RPC_SUBSCRIBE)
        try:
            async for text in messages:
                try:
                    said = _heard.decode(text)
                except msgspec.DecodeError as error:
                    raise NotAHubError(self.url, f"its websocket says what cannot be read ({error})") from None
                if said.error is not None:
                    raise ProblemError(said.error)
                if said.response is not None:
                    yield said.response
        finally:
            await messages.aclose()

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        timeout = aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S + ANSWER_TIMEOUT_S):
                return await self._open().ws_connect(
                    self.url + "/api/v1/ws",
                    heartbeat=STREAM_SILENCE_S * 2 / 3,
                    max_msg_size=STREAM_MESSAGE_BYTES,
                    timeout=timeout,
                    autoclose=True,
                )
        except aiohttp.WSServerHandshakeError as error:
            if error.status in (401, 403):
                # aiohttp does not hand out the body of a refused upgrade; an ordinary call says it in full.
                await self.session()
            raise NotAHubError(self.url, f"its websocket answers with HTTP status {error.status}") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise HubUnreachableError(self.url, _reason(error)) from None

    # -- requests ------------------------------------------------------------------------------------------------------

    async def _get(self, path: str, kind: type[T], query: Query | None = None) -> T:
        return await self._call("GET", path, kind, query=query)

    async def _call(
        self,
        method: str,
        path: str,
        kind: type[T],
        *,
        query: Query | None = None,
        body: Mapping[str, object] | Sequence[object] | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> T:
        answer = await self._request(method, path, query=query, body=body, timeout_s=timeout_s)
        try:
            return msgspec.json.decode(answer, type=kind)
        except msgspec.DecodeError as error:
            raise NotAHubError(self.url, f"{method} {path} cannot be read ({error})") from None

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, object] | Sequence[object] | bytes | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> bytes:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=timeout_s)
        params = {key: value for key, value in (query or {}).items() if value is not None}
        is_xml = isinstance(body, bytes)
        headers = {} if body is None else {"Content-Type": "application/xml" if is_xml else "application/json"}
        data = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        try:
            async with self._open().request(
                method,
                self.url + path,
                params=params,
                data=data,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                answer = await response.read()
                if response.status >= 300:
                    raise self._problem(response, answer)
                return answer
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise HubUnreachableError(self.url, _reason(error)) from None
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError, OSError) as error:
            raise AnswerLostError(self.url, _reason(error)) from None
        except aiohttp.ClientError as error:
            raise NotAHubError(self.url, _reason(error)) from None

    def _problem(self, response: aiohttp.ClientResponse, answer: bytes) -> ClientError:
        if response.content_type in ("application/problem+json", "application/json"):
            try:
                problem = msgspec.json.decode(answer, type=Problem)
            except msgspec.DecodeError:
                pass
            else:
                return ProblemError(msgspec.structs.replace(problem, status=problem.status or response.status))
        text = answer[:SHOWN_BYTES].decode("utf-8", "replace").strip()
        return NotAHubError(self.url, f"HTTP status {response.status}, {text!r}")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("HubClient is used outside of `async with`")
        return self._session


_CLOSE_REASONS: Mapping[int, str] = {
    1000: "the hub closed it",
    1001: "the hub is going away",
    1006: "it broke",
    1008: "the hub does not accept this token any more",
    1012: "the hub is restarting",
    1013: "events came faster than they were read",
}
"""Websocket closing codes (RFC 6455 and its registry) as people may read them."""


def _reason(error: BaseException | object) -> str:
    """Why a connection failed, without the address that the caller knows already."""
    if isinstance(error, aiohttp.ClientConnectorError):
        inner = error.os_error
        if isinstance(inner, ConnectionRefusedError):
            return "connection refused"
        return inner.strerror or str(inner)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it closed the connection"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
