"""Where the hub is, what opens it, and how a command talks to it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import click

from web.hubctl.exits import Exit, HubctlError

if TYPE_CHECKING:
    from datetime import datetime

    from web.client import HubClient

DEFAULT_URL = "http://127.0.0.1:8080"
APPLICATION = "home-energy-hub"
"""Directory below the platform's data directory, as hub/config.py has it: importing that costs 90 ms."""
TOKEN_FILE = "token"
LONGEST_TOKEN_FILE = 4096
"""Bytes; a token has some fifty."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class App:
    """What the global options and the environment say."""

    url: str
    token: str | None = field(repr=False)
    """As said; None: to be found."""
    data_dir: str | None
    """As said; None: the platform's."""

    @classmethod
    def from_environment(cls, url: str | None, token: str | None, environ: Mapping[str, str]) -> App:
        """Options before environment before defaults. Raises `HubctlError` for an address that is none."""
        said = url or environ.get("HEH_URL") or DEFAULT_URL
        return cls(
            url=_checked_url(said, "--url" if url else "HEH_URL"),
            token=token or environ.get("HEH_TOKEN") or None,
            data_dir=environ.get("HEH_DATA_DIR") or None,
        )

    def client(self) -> HubClient:
        """The hub, with a token. Raises `HubctlError` when none is found."""
        from web.client import HubClient

        return HubClient(self.url, self.token or self._token_of_this_machine())

    def run(self, work: Callable[[HubClient], Coroutine[None, None, T]]) -> T:
        """Do `work` with the hub, to its end."""
        import asyncio

        async def with_client() -> T:
            async with self._client_or_reason() as hub:
                return await work(hub)

        return asyncio.run(with_client())

    def _client_or_reason(self) -> _Opening:
        return _Opening(self)

    def token_path(self) -> Path:
        """Where the hub on this account leaves its token."""
        if self.data_dir is None:
            from platformdirs import user_data_dir

            return Path(user_data_dir(APPLICATION)) / TOKEN_FILE
        return Path(self.data_dir) / TOKEN_FILE

    def _token_of_this_machine(self) -> str:
        path = self.token_path()
        if self.data_dir is None and not _is_this_machine(urlsplit(self.url).hostname or ""):
            # The token in the default place opens the hub of this machine; no other host needs to see it.
            raise HubctlError(f"{self.url} is another machine and needs a token of its own: --token or HEH_TOKEN")
        try:
            with path.open(encoding="ascii") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise HubctlError(f"{path} is not a file; it should hold the hub's token")
                token = file.read(LONGEST_TOKEN_FILE).strip()
        except OSError as error:
            raise HubctlError(
                f"no token: {path} cannot be read ({error.strerror}); say --token or HEH_TOKEN, "
                "or with HEH_DATA_DIR where the hub's data is"
            ) from None
        except UnicodeDecodeError:
            token = ""
        if not token or any(not sign.isprintable() or sign == " " for sign in token):
            raise HubctlError(f"no token: {path} does not hold one")
        return token


class _Opening:
    """The hub's client; where no token is found it is first asked whether there is a hub at all."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._client: HubClient | None = None

    async def __aenter__(self) -> HubClient:
        try:
            self._client = self._app.client()
        except HubctlError:
            from web.client import HubClient

            async with HubClient(self._app.url) as hub:
                await hub.health()
            raise
        return await self._client.__aenter__()

    async def __aexit__(self, *exc: object) -> None:
        if self._client is not None:
            await self._client.__aexit__(*exc)


pass_app = click.make_pass_decorator(App)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")


def now() -> datetime:
    """The time of day here."""
    from hub.clock import SystemClock

    return SystemClock().now()


def is_terminal(*streams: str) -> bool:
    """Whether all of "stdin", "stdout", "stderr" that are named belong to a person."""
    return all(getattr(sys, name).isatty() for name in streams)


def _checked_url(said: str, where: str) -> str:
    url = said.strip() if "://" in said else f"http://{said.strip()}"
    allowed = "http://HOST:PORT or https://HOST:PORT"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises for a port that is none
    except ValueError as error:
        raise HubctlError(f"{where} is {said!r} ({error}); allowed: {allowed}", Exit.USAGE) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise HubctlError(f"{where} is {said!r}; allowed: {allowed}", Exit.USAGE)
    return url.rstrip("/")


def _is_this_machine(host: str) -> bool:
    """Whether an address is one of ours: one that we may bind is."""
    import ipaddress
    import socket

    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == socket.gethostname()
    if address.is_loopback:
        return True
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return not address.is_multicast
