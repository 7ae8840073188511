"""Tokens, roles, sessions, login links. Secrets are stored as SHA-256 only: they are 32 random bytes, so that there is
nothing to guess and a slow hash would buy nothing.

The first start writes an admin token to `<data-dir>/token`, which `hubctl` on the same account finds by itself. When
the data directory takes nothing, that token lives in memory and is handed to the caller to be printed.
"""

from __future__ import annotations

import binascii
import contextlib
import hashlib
import logging
import os
import secrets
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from hub.clock import Clock
from hub.errors import InvalidError, NotFoundError, RefusedError, StorageError
from hub.store import Store
from web.errors import ForbiddenError, TooManyError, UnauthenticatedError
from web.roles import Role as Role

log = logging.getLogger(__name__)

TOKEN_PREFIX = "heh_"
SECRET_BYTES = 32
TOKEN_LENGTH = len(TOKEN_PREFIX) + 43
"""Characters: 32 bytes in URL-safe base64 without padding are 43."""
TOKEN_FILE = "token"
LOCAL_ID = "local"
"""Id of the token in the file."""
LOCAL_NAME = "admin"
COOKIE = "heh_session"
SESSION_IDLE = timedelta(days=30)
"""A browser that was away for longer signs in anew."""
LINK_LIFE = timedelta(minutes=10)
"""Enough to carry a link from the terminal to a phone."""
SEEN_INTERVAL = timedelta(minutes=1)
"""`last_used_at` goes to disk no more often than this."""
MAX_TOKENS = 100
MAX_SESSIONS = 200
"""Browsers signed in; beyond it the one unused for longest is signed out."""
MAX_LINKS = 100
FAILURES_ALLOWED = 10
"""Wrong tokens from one address within the window; a person who mistypes stays below it."""
FAILURE_WINDOW_S = 60.0
FAILURE_ADDRESSES = 1024
"""Addresses remembered; beyond it the oldest is forgotten. Bounds memory, not safety: a token cannot be guessed."""
LONGEST_NAME = 64
USED_WITHIN = timedelta(seconds=1)
"""When a token was used last is told to a second: a client that asks a thousand times in it costs no more."""


class Via(StrEnum):
    """How somebody proved who they are."""

    BEARER = "bearer"
    BASIC = "basic"
    SESSION = "session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as it may be listed: never the token itself."""

    id: str
    name: str
    role: Role
    created_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who makes a request."""

    token: Token
    via: Via
    session: str = ""
    """Digest of the session, if it is one."""


@dataclass(slots=True)
class _Session:
    token_id: str
    created_at: datetime
    last_used_at: datetime


@dataclass(slots=True)
class _Failures:
    since: float
    count: int = 0


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def new_token() -> str:
    """A fresh token."""
    return TOKEN_PREFIX + secrets.token_urlsafe(SECRET_BYTES)


class Auth:
    """All tokens and sessions; they are few, so they live in memory and the database follows."""

    def __init__(self, store: Store, clock: Clock, data_dir: Path) -> None:
        self._store, self._clock = store, clock
        self._file = data_dir / TOKEN_FILE
        self._tokens: dict[str, Token] = {}
        """By digest."""
        self._sessions: dict[str, _Session] = {}
        """By digest."""
        self._links: dict[str, tuple[str, datetime]] = {}
        """Digest of a code -> token id and end."""
        self._failures: dict[str, _Failures] = {}
        self._written: dict[str, datetime] = {}
        """When the last use of a token or session was last sent to the disk."""
        self._ended: list[Callable[[Callable[[Principal], bool]], None]] = []
        self.memory_token: str | None = None
        """The admin token where it could not be written to a file; for the caller to print, never to log."""

    def on_ended(self, listener: Callable[[Callable[[Principal], bool]], None]) -> None:
        """`listener(concerns)` is called when a token or session ends, to close what it had opened."""
        self._ended.append(listener)

    # -- start ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Read tokens and sessions back, and see that an admin token is in the file."""
        await self._load()
        text = _read_token(self._file)
        if text is not None:
            known = self._tokens.get(digest(text))
            if known is not None and known.role is Role.ADMIN:
                return
            if not self._tokens:
                # The database was lost, or cannot be used now: who can read the file is the owner all the same.
                await self._keep_local(text)
                return
        text = new_token()
        try:
            _write_token(self._file, text)
        except OSError as error:
            log.warning("%s cannot be written (%s): the admin token lives until the hub stops", self._file, error)
            self.memory_token = text
            self._tokens[digest(text)] = self._local()
            return
        await self._keep_local(text)

    async def _load(self) -> None:
        rows = await self._store.read("SELECT id, name, role, hash, created_at, last_used_at FROM token")
        for token_id, name, role, hashed, created, used in rows:
            self._tokens[str(hashed)] = Token(
                id=str(token_id),
                name=str(name),
                role=Role(str(role)),
                created_at=_time(created),
                last_used_at=None if used is None else _time(used),
            )
        for hashed, token_id, created, used in await self._store.read(
            "SELECT hash, token, created_at, last_used_at FROM session"
        ):
            self._sessions[str(hashed)] = _Session(str(token_id), _time(created), _time(used))
        limit = self._clock.now() - SESSION_IDLE
        idle = [hashed for hashed, session in self._sessions.items() if session.last_used_at < limit]
        for hashed in idle:
            del self._sessions[hashed]
        if idle:
            self._store.append(("DELETE FROM session WHERE hash = ?", [(hashed,) for hashed in idle]))

    def _local(self) -> Token:
        return Token(id=LOCAL_ID, name=LOCAL_NAME, role=Role.ADMIN, created_at=self._clock.now())

    async def _keep_local(self, text: str) -> None:
        token = self._local()
        self._tokens = {hashed: other for hashed, other in self._tokens.items() if other.id != LOCAL_ID}
        self._tokens[digest(text)] = token
        self._sessions = {key: one for key, one in self._sessions.items() if one.token_id != LOCAL_ID}
        try:
            await self._store.write(
                ("DELETE FROM token WHERE id = ?", [(LOCAL_ID,)]), _insert_token(token, digest(text))
            )
        except StorageError as error:
            log.warning("the admin token is in its file but not in the database: %s", error)

    # -- requests ------------------------------------------------------------------------------------------------

    def authenticate(self, headers: Mapping[str, str], cookies: Mapping[str, str], address: str) -> Principal:
        """Who makes a request. Raises `UnauthenticatedError`, or `TooManyError` after many wrong tokens.

        A right token is never refused, however many wrong ones came from its address before.
        """
        header = headers.get("Authorization")
        if header is not None:
            secret, via = _credentials(header)
            principal = self.by_token(secret, via) if secret is not None else None
            if principal is None:
                self.failed(address)
                raise UnauthenticatedError("the token is not valid: it is wrong, or was revoked")
            return principal
        cookie = cookies.get(COOKIE)
        if cookie is None:
            raise UnauthenticatedError("send a token: Authorization: Bearer heh_...")
        principal = self._by_session(cookie)
        if principal is None:
            # Not counted as a failure: a forgotten tab that tries to reconnect is no attack.
            raise UnauthenticatedError("the session has ended: sign in again")
        return principal

    def by_token(self, secret: str, via: Via = Via.BEARER) -> Principal | None:
        """Who holds `secret`, or None."""
        hashed = digest(secret)
        token = self._tokens.get(hashed)
        if token is None:
            return None
        return Principal(token=self._used(hashed, token), via=via)

    def still_holds(self, principal: Principal) -> bool:
        """Whether the token, and the session if it is one, have not ended since."""
        return self._token_by_id(principal.token.id) is not None and (
            not principal.session or principal.session in self._sessions
        )

    def _by_session(self, cookie: str) -> Principal | None:
        hashed = digest(cookie)
        session = self._sessions.get(hashed)
        if session is None:
            return None
        now = self._clock.now()
        token = self._token_by_id(session.token_id)
        if token is None or now - session.last_used_at > SESSION_IDLE:
            self._drop_sessions([hashed])
            return None
        session.last_used_at = now
        if self._is_due(hashed, now):
            self._store.append(("UPDATE session SET last_used_at = ? WHERE hash = ?", [(_milliseconds(now), hashed)]))
        return Principal(token=self._used(*token), via=Via.SESSION, session=hashed)

    def _token_by_id(self, token_id: str) -> tuple[str, Token] | None:
        return next(((hashed, token) for hashed, token in self._tokens.items() if token.id == token_id), None)

    def _used(self, hashed: str, token: Token) -> Token:
        now = self._clock.now()
        if token.last_used_at is not None and timedelta(0) <= now - token.last_used_at < USED_WITHIN:
            return token
        token = self._tokens[hashed] = replace(token, last_used_at=now)
        if self._is_due(token.id, now):
            self._store.append(("UPDATE token SET last_used_at = ? WHERE id = ?", [(_milliseconds(now), token.id)]))
        return token

    def _is_due(self, what: str, now: datetime) -> bool:
        written = self._written.get(what)
        # A clock that was set back must not silence it for long.
        if written is not None and timedelta(0) <= now - written < SEEN_INTERVAL:
            return False
        self._written[what] = now
        return True

    def failed(self, address: str) -> None:
        """Count a wrong token from `address`. Raises `TooManyError` beyond what is allowed."""
        now = self._clock.monotonic()
        failures = self._failures.pop(address, None)
        if failures is None or now - failures.since >= FAILURE_WINDOW_S:
            failures = _Failures(now)
        failures.count += 1
        self._failures[address] = failures
        if len(self._failures) > FAILURE_ADDRESSES:
            del self._failures[next(iter(self._failures))]
        if failures.count > FAILURES_ALLOWED:
            wait = FAILURE_WINDOW_S - (now - failures.since)
            raise TooManyError(f"{failures.count} wrong tokens within a minute; wait {wait:.0f} s", wait)

    # -- tokens --------------------------------------------------------------------------------------------------

    def tokens(self) -> list[Token]:
        """Every token, oldest first."""
        return sorted(self._tokens.values(), key=lambda token: (token.created_at, token.id))

    async def create(self, name: str, role: Role) -> tuple[Token, str]:
        """A new token and its text, which is shown this once. Raises `InvalidError`, `RefusedError`, `StorageError`."""
        name = name.strip()
        if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
            raise InvalidError("name", name, f"1 to {LONGEST_NAME} printable characters")
        if any(token.name == name for token in self._tokens.values()):
            raise RefusedError(f"there is a token called {name!r} already: its name is how commands are told apart")
        if len(self._tokens) >= MAX_TOKENS:
            raise RefusedError(f"there are {MAX_TOKENS} tokens already: revoke one first")
        text = new_token()
        # The database knows milliseconds; what is answered now is what will be answered after a restart.
        created = _time(_milliseconds(self._clock.now()))
        token = Token(id=f"t-{secrets.token_hex(4)}", name=name, role=role, created_at=created)
        await self._store.write(_insert_token(token, digest(text)))
        self._tokens[digest(text)] = token
        return token, text

    async def revoke(self, token_id: str) -> None:
        """End a token, its sessions and its websockets. Raises `NotFoundError`, `RefusedError`, `StorageError`."""
        found = self._token_by_id(token_id)
        if found is None:
            raise NotFoundError("token", token_id, tuple(t.id for t in self._tokens.values() if t.name == token_id))
        hashed, token = found
        if token.role is Role.ADMIN and sum(one.role is Role.ADMIN for one in self._tokens.values()) == 1:
            raise RefusedError(f"{token.name!r} is the last admin token: make another one first")
        # The sessions go with it: the table says ON DELETE CASCADE.
        await self._store.write(("DELETE FROM token WHERE id = ?", [(token_id,)]))
        self._tokens.pop(hashed, None)
        self._written.pop(token_id, None)
        if token_id == LOCAL_ID:
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)
        self._sessions = {key: one for key, one in self._sessions.items() if one.token_id != token_id}
        self._links = {key: one for key, one in self._links.items() if one[0] != token_id}
        self._tell(lambda principal: principal.token.id == token_id)

    def _tell(self, concerns: Callable[[Principal], bool]) -> None:
        for listener in self._ended:
            listener(concerns)

    # -- browsers ------------------------------------------------------------------------------------------------

    async def log_in(self, token: Token) -> str:
        """A new session for the holder of `token`: the text for its cookie."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        now = self._clock.now()
        if len(self._sessions) >= MAX_SESSIONS:
            oldest = min(self._sessions, key=lambda hashed: self._sessions[hashed].last_used_at)
            self._drop_sessions([oldest])
        hashed = digest(secret)
        self._sessions[hashed] = _Session(token.id, now, now)
        self._written[hashed] = now
        row = (hashed, token.id, _milliseconds(now), _milliseconds(now))
        try:
            await self._store.write(
                ("INSERT INTO session (hash, token, created_at, last_used_at) VALUES (?, ?, ?, ?)", [row])
            )
        except StorageError as error:
            log.warning("a session lives only until the hub stops: %s", error)
        return secret

    def log_out(self, principal: Principal) -> None:
        """End a session and its websockets; without a session nothing happens."""
        if principal.session:
            self._drop_sessions([principal.session])

    def _drop_sessions(self, hashes: list[str]) -> None:
        for hashed in hashes:
            self._sessions.pop(hashed, None)
            self._written.pop(hashed, None)
        self._store.append(("DELETE FROM session WHERE hash = ?", [(hashed,) for hashed in hashes]))
        self._tell(lambda principal: principal.session in hashes)

    def login_link(self, token: Token) -> tuple[str, datetime]:
        """A page address that signs a browser in once, and when it ends."""
        now = self._clock.now()
        self._links = {key: one for key, one in self._links.items() if one[1] > now}
        while len(self._links) >= MAX_LINKS:
            del self._links[next(iter(self._links))]
        code = secrets.token_urlsafe(SECRET_BYTES)
        self._links[digest(code)] = (token.id, now + LINK_LIFE)
        return f"/login?code={code}", now + LINK_LIFE

    def local_link(self) -> str | None:
        """A login link of the admin token, for hubd to print."""
        found = self._token_by_id(LOCAL_ID)
        return None if found is None else self.login_link(found[1])[0]

    async def redeem(self, code: str, address: str) -> str | None:
        """The cookie text for a login link's code, or None when it was used or is too old. Raises `TooManyError`."""
        link = self._links.pop(digest(code), None)
        found = self._token_by_id(link[0]) if link is not None and link[1] > self._clock.now() else None
        if found is None:
            self.failed(address)
            return None
        return await self.log_in(found[1])


def check_origin(principal: Principal | None, origin: str | None, host: str | None, *, strict: bool) -> None:
    """Refuse what another site makes a browser send. Raises `ForbiddenError`.

    A bearer token is never sent by a browser on its own, so it needs no check. `strict`: a session must come with an
    Origin; every browser sends one with a POST or a websocket.
    """
    if principal is not None and principal.via is Via.BEARER:
        return
    if origin is None:
        if strict and principal is not None and principal.via is Via.SESSION:
            raise ForbiddenError("a session needs the Origin header of this hub; programs use a token instead")
        return
    scheme, separator, authority = origin.partition("://")
    if not separator or scheme not in ("http", "https") or host is None or authority.lower() != host.lower():
        raise ForbiddenError("the request comes from another site")


def _credentials(header: str) -> tuple[str | None, Via]:
    scheme, _, rest = header.partition(" ")
    match scheme.lower():
        case "bearer":
            return rest.strip(), Via.BEARER
        case "basic":
            try:
                _, _, password = b64decode(rest.strip(), validate=True).decode("utf-8").partition(":")
            except (binascii.Error, ValueError):
                return None, Via.BASIC
            return password, Via.BASIC
    return None, Via.BEARER


def _read_token(path: Path) -> str | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if text.startswith(TOKEN_PREFIX) and len(text) == TOKEN_LENGTH else None


def _write_token(path: Path, text: str) -> None:
    """Put the token into its file, 0600 from the first byte, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _insert_token(token: Token, hashed: str) -> tuple[str, list[tuple[object, ...]]]:
    row = (token.id, token.name, token.role.value, hashed, _milliseconds(token.created_at), None)
    return ("INSERT INTO token (id, name, role, hash, created_at, last_used_at) VALUES (?, ?, ?, ?, ?, ?)", [row])


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _time(value: object) -> datetime:
    return datetime.fromtimestamp(value / 1000 if isinstance(value, int) else 0, UTC)
