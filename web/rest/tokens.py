"""Tokens, sessions, login links."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web as aioweb
from msgspec import Meta, Struct

from web import schema
from web.auth import COOKIE, LONGEST_NAME, Principal, Role, Token
from web.errors import UnauthenticatedError
from web.routes import API, Call, Response, Route

COOKIE_LIFE_S = 400 * 86400
"""The longest that browsers keep a cookie; when the session ends is for the hub to say."""


class TokenInfo(Struct, frozen=True):
    """A token, without its text."""

    id: str
    name: str
    role: Role
    created_at: schema.Time
    last_used_at: schema.Time | None


class TokenList(Struct, frozen=True):
    """Every token, oldest first."""

    tokens: list[TokenInfo]


class TokenRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A new token."""

    name: Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
    role: Role


class NewToken(Struct, frozen=True):
    """A new token; `token` is shown this once."""

    id: str
    name: str
    role: Role
    created_at: schema.Time
    last_used_at: schema.Time | None
    token: str

    def __repr__(self) -> str:
        return f"NewToken({self.id!r})"


class LoginRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A token, to be exchanged for a session."""

    token: Annotated[str, Meta(min_length=1, max_length=200)]

    def __repr__(self) -> str:
        return "LoginRequest(...)"


class Session(Struct, frozen=True):
    """Who is signed in."""

    name: str
    role: Role


class LoginLink(Struct, frozen=True):
    """A page address that signs a browser in once."""

    url: str
    expires_at: schema.Time


def _info(token: Token) -> TokenInfo:
    return TokenInfo(
        token.id, token.name, token.role, schema.time(token.created_at), schema.time_or_none(token.last_used_at)
    )


def _session(principal: Principal) -> Session:
    return Session(principal.token.name, principal.token.role)


def session_cookie(secret: str, *, secure: bool) -> str:
    """The Set-Cookie header of a session; an empty `secret` takes it away."""
    life = COOKIE_LIFE_S if secret else 0
    return f"{COOKIE}={secret}; Path=/; Max-Age={life}; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")


async def list_tokens(call: Call[None, None]) -> TokenList:
    """List tokens."""
    return TokenList([_info(token) for token in call.auth.tokens()])


async def create_token(call: Call[None, TokenRequest]) -> NewToken:
    """Create a token; its text is shown this once."""
    token, text = await call.auth.create(call.body.name, call.body.role)
    return NewToken(token.id, token.name, token.role, schema.time(token.created_at), None, text)


async def revoke_token(call: Call[None, None]) -> None:
    """Revoke a token, with its sessions and websockets."""
    await call.auth.revoke(call.path["id"])


async def log_in(call: Call[None, LoginRequest]) -> Response[Session]:
    """Exchange a token for a session cookie."""
    principal = call.auth.by_token(call.body.token)
    if principal is None:
        call.auth.failed(call.address)
        raise UnauthenticatedError("the token is not valid: it is wrong, or was revoked")
    secret = await call.auth.log_in(principal.token)
    return Response(_session(principal), {"Set-Cookie": session_cookie(secret, secure=call.request.secure)})


async def log_out(call: Call[None, None]) -> Response[None]:
    """End the session of this browser."""
    call.auth.log_out(call.principal)
    return Response(None, {"Set-Cookie": session_cookie("", secure=call.request.secure)})


async def show_session(call: Call[None, None]) -> Session:
    """Who is signed in."""
    return _session(call.principal)


async def create_login_link(call: Call[None, None]) -> LoginLink:
    """Make an address that signs a browser in once, within ten minutes."""
    url, expires = call.auth.login_link(call.principal.token)
    return LoginLink(url, schema.time(expires))


class LoginQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The code of a login link."""

    code: Annotated[str, Meta(max_length=200)] = ""


_USED_UP = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>This link does not work any more</title>
<h1>This link does not work any more</h1>
<p>A login link works once, and for ten minutes. Get a new one in a terminal on the hub's machine:</p>
<pre>hubctl login</pre>
<p>Or <a href="/">sign in with a token</a>.</p>
"""


async def redeem_link(call: Call[LoginQuery, None]) -> aioweb.Response:
    """Sign a browser in by a login link."""
    if call.request.method == "HEAD":
        # Programs that look ahead at links must not use them up.
        return aioweb.Response(status=200, content_type="text/html")
    if not call.query.code:
        return aioweb.Response(status=303, headers={"Location": "/"})
    secret = await call.auth.redeem(call.query.code, call.address)
    if secret is None:
        return aioweb.Response(status=410, text=_USED_UP, content_type="text/html")
    cookie = session_cookie(secret, secure=call.request.secure)
    return aioweb.Response(status=303, headers={"Location": "/", "Set-Cookie": cookie})


ROUTES = (
    Route("GET", f"{API}/tokens", Role.ADMIN, list_tokens, tag="access"),
    Route("POST", f"{API}/tokens", Role.ADMIN, create_token, status=201, fails=(409, 507), tag="access"),
    Route("DELETE", f"{API}/tokens/{{id}}", Role.ADMIN, revoke_token, status=204, fails=(409, 507), tag="access"),
    Route("POST", f"{API}/login", None, log_in, fails=(401, 403, 429), tag="access"),
    Route("POST", f"{API}/logout", Role.VIEWER, log_out, status=204, tag="access"),
    Route("GET", f"{API}/session", Role.VIEWER, show_session, tag="access"),
    Route("POST", f"{API}/login-links", Role.VIEWER, create_login_link, status=201, tag="access"),
    Route("GET", "/login", None, redeem_link, status=303, fails=(410, 429), content="text/html", tag="access"),
)
