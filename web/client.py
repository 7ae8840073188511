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

No request is ever repeated. Models take what they know and leave out what a newer hub adds; words that may grow
(positions, outcomes, states) are plain text.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Self, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec
from msgspec import UNSET, Struct, UnsetType

CONNECT_TIMEOUT_S = 5.0
"""For a connection: a hub stands in the same house, or behind one VPN."""
ANSWER_TIMEOUT_S = 30.0
"""For an answer to a question; a year of history takes a Raspberry Pi some seconds."""
COMMAND_TIMEOUT_S = 120.0
"""For a command: a breaker takes one in 10 s, four may wait for it, and each may be sent three times."""
STREAM_SILENCE_S = 45.0
"""A websocket that says nothing, not even the answer to a ping sent at a third of this, is lost."""
STREAM_MESSAGE_BYTES = 16 * 1024 * 1024
"""Longest message: a snapshot of 1,000 breakers with all readings takes 3 MB."""
CLOSE_TIMEOUT_S = 2.0
"""For the closing handshake of a websocket: nobody waits longer for a goodbye."""
SHOWN_BYTES = 120
"""Of an answer that is no hub's, for the error."""

Readings = dict[str, dict[str, float]]
"""Channel -> quantity -> value. Unknown values are absent."""


# -- models ------------------------------------------------------------------------------------------------------------


class Breaker(Struct, frozen=True):
    """Where a breaker's contacts are."""

    position: str
    commanded: str | None = None
    changed_at: str | None = None
    cause: str | None = None


class Device(Struct, frozen=True):
    """A device with its latest readings."""

    id: str
    radio: str
    kind: str
    name: str
    area: str = ""
    manufacturer: str = ""
    model: str = ""
    address: str = ""
    capabilities: tuple[str, ...] = ()
    availability: str = ""
    availability_detail: str = ""
    protected: bool = False
    first_seen: str | None = None
    last_seen: str | None = None
    breaker: Breaker | None = None
    readings_at: str | None = None
    readings: Readings = {}

    def reading(self, quantity: str, *channels: str) -> float | None:
        """The latest value of the first of `channels` that has one; None when none has."""
        for channel in channels or ("total", "pole_0", "pole_1"):
            value = self.readings.get(channel, {}).get(quantity)
            if value is not None:
                return value
        return None


class Command(Struct, frozen=True):
    """What somebody asked of a device, and what became of it."""

    id: str
    device_id: str
    action: str
    requested_at: str
    requested_by: str
    outcome: str
    detail: str = ""
    position: str | None = None
    finished_at: str | None = None


class GroupResult(Struct, frozen=True):
    """A group command: `outcome` is the worst of its commands'."""

    outcome: str
    commands: tuple[Command, ...] = ()
    detail: str = ""


class Today(Struct, frozen=True):
    """Energy since local midnight."""

    energy_delivered_wh: float | None = None
    energy_received_wh: float | None = None
    since: str | None = None


class House(Struct, frozen=True):
    """The whole home; `power_w` is negative while it exports."""

    power_w: float | None = None
    complete: bool = False
    missing: tuple[str, ...] = ()
    energy_delivered_wh: float | None = None
    energy_received_wh: float | None = None
    today: Today = Today()
    time: str | None = None


class Radio(Struct, frozen=True):
    """A radio and what its driver counts."""

    name: str
    driver: str
    state: str
    detail: str = ""
    since: str | None = None
    restarts: int = 0
    counters: dict[str, int] = {}


class Storage(Struct, frozen=True):
    """The database's state."""

    state: str
    detail: str = ""
    waiting: int = 0
    lost: int = 0


class Key(Struct, frozen=True):
    """The life of a key; `device_id` is None for a radio's broadcast key."""

    radio: str
    device_id: str | None
    state: str
    expires_at: str | None = None


class DeviceCount(Struct, frozen=True):
    """How many devices there are, and how many of them answer."""

    total: int = 0
    available: int = 0


class System(Struct, frozen=True):
    """The hub itself."""

    name: str
    version: str
    uptime_s: float = 0.0
    python: str = ""
    radios: tuple[Radio, ...] = ()
    storage: Storage = Storage("ok")
    keys: tuple[Key, ...] = ()
    database_bytes: int = 0
    devices: DeviceCount = DeviceCount()


class HealthRadio(Struct, frozen=True):
    """A radio as everybody may see it."""

    name: str
    driver: str
    state: str


class Health(Struct, frozen=True):
    """What the hub tells everybody."""

    status: str
    version: str
    uptime_s: float = 0.0
    radios: tuple[HealthRadio, ...] = ()


class Point(Struct, frozen=True, omit_defaults=True):
    """A reading, or a bucket of them with its least and greatest."""

    time: str
    value: float
    min: float | UnsetType = UNSET
    max: float | UnsetType = UNSET


class Series(Struct, frozen=True):
    """Points of one quantity, oldest first."""

    device_id: str
    quantity: str
    channel: str
    unit: str
    resolution: str
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    points: tuple[Point, ...] = ()


class Token(Struct, frozen=True):
    """A token as it may be listed; `token` itself only in the answer that made it."""

    id: str
    name: str
    role: str
    created_at: str | None = None
    last_used_at: str | None = None
    token: str | UnsetType = UNSET


class Session(Struct, frozen=True):
    """Who we are to the hub."""

    name: str
    role: str


class LoginLink(Struct, frozen=True):
    """An address that logs a browser in, once."""

    url: str
    expires_at: str


class Led(Struct, frozen=True):
    """One light of the bargraph: `#rrggbb`."""

    color: str
    blinking: bool = False


class FieldProblem(Struct, frozen=True):
    """One value that the hub did not take."""

    field: str = ""
    allowed: str = ""
    value: object = None


class Problem(Struct, frozen=True):
    """An error as the hub tells it."""

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    errors: tuple[FieldProblem, ...] = ()
    near: tuple[str, ...] = ()
    outcome: str = ""
    command: Command | None = None
    commands: tuple[Command, ...] = ()


# -- events ------------------------------------------------------------------------------------------------------------


class HubIdentity(Struct, frozen=True):
    """Who speaks on a websocket."""

    name: str = ""
    version: str = ""


class Snapshot(Struct, frozen=True, tag_field="event", tag="snapshot", kw_only=True):
    """Everything as it is now; always the first event."""

    seq: int
    time: str
    hub: HubIdentity = HubIdentity()
    devices: tuple[Device, ...] = ()
    house: House = House()
    radios: tuple[Radio, ...] = ()
    storage: Storage = Storage("ok")
    keys: tuple[Key, ...] = ()
    commands: tuple[Command, ...] = ()


class ReadingsTaken(Struct, frozen=True, tag_field="event", tag="readings_taken", kw_only=True):
    """New readings of a device, to be merged into what is known."""

    seq: int
    time: str
    device_id: str
    readings: Readings


class HouseChanged(Struct, frozen=True, tag_field="event", tag="house_changed", kw_only=True):
    """The sums over the home."""

    seq: int
    time: str
    house: House


class DeviceAdded(Struct, frozen=True, tag_field="event", tag="device_added", kw_only=True):
    """A device was heard for the first time."""

    seq: int
    time: str
    device: Device


class DeviceChanged(Struct, frozen=True, tag_field="event", tag="device_changed", kw_only=True):
    """A device as it is now."""

    seq: int
    time: str
    device: Device


class DeviceRemoved(Struct, frozen=True, tag_field="event", tag="device_removed", kw_only=True):
    """A person removed a device."""

    seq: int
    time: str
    device_id: str


class BreakerChanged(Struct, frozen=True, tag_field="event", tag="breaker_changed", kw_only=True):
    """A breaker's contacts moved."""

    seq: int
    time: str
    device_id: str
    position: str
    previous: str
    cause: str


class CommandChanged(Struct, frozen=True, tag_field="event", tag="command_changed", kw_only=True):
    """A command was recorded, or ended."""

    seq: int
    time: str
    command: Command


class KeyChanged(Struct, frozen=True, tag_field="event", tag="key_changed", kw_only=True):
    """A key was set, expires soon, or expired."""

    seq: int
    time: str
    key: Key


class RadioChanged(Struct, frozen=True, tag_field="event", tag="radio_changed", kw_only=True):
    """A radio came up or went down."""

    seq: int
    time: str
    radio: Radio


class StorageChanged(Struct, frozen=True, tag_field="event", tag="storage_changed", kw_only=True):
    """The database stopped taking records, or takes them again."""

    seq: int
    time: str
    storage: Storage


Event = (
    Snapshot
    | ReadingsTaken
    | HouseChanged
    | DeviceAdded
    | DeviceChanged
    | DeviceRemoved
    | BreakerChanged
    | CommandChanged
    | KeyChanged
    | RadioChanged
    | StorageChanged
)
"""What the websocket says."""


class _Envelope(Struct, frozen=True):
    event: str = ""
    seq: int | None = None


_EVENT_NAMES = frozenset(
    (
        "snapshot",
        "readings_taken",
        "house_changed",
        "device_added",
        "device_changed",
        "device_removed",
        "breaker_changed",
        "command_changed",
        "key_changed",
        "radio_changed",
        "storage_changed",
    )
)
_envelope = msgspec.json.Decoder(_Envelope)
_event = msgspec.json.Decoder(Event)


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


T = TypeVar("T")
Query = Mapping[str, str | None]


class HubClient:
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

    async def remove_device(self, device_id: str) -> None:
        """Forget a device; one that still answers is found again."""
        await self._request("DELETE", f"/api/v1/devices/{_segment(device_id)}")

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

    async def messages(self) -> AsyncGenerator[str, None]:
        """What the websocket says, as JSON text: a snapshot, then events. Ends by raising `StreamLostError`."""
        stream = await self._connect()
        try:
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
        body: Mapping[str, object] | None = None,
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
        body: Mapping[str, object] | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> bytes:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=timeout_s)
        params = {key: value for key, value in (query or {}).items() if value is not None}
        headers = {} if body is None else {"Content-Type": "application/json"}
        data = None if body is None else msgspec.json.encode(body)
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


def _segment(text: str) -> str:
    """One segment of a path, whatever is in it."""
    if not text.strip("."):
        # "", "." and ".." would name another address.
        raise ValueError(f"{text!r} is not an id")
    return quote(text, safe="")


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
