"""The client's calls of the gateway's files of settings: a part of `web.client.HubClient`."""

from __future__ import annotations

from urllib.parse import quote

from msgspec import Struct

from web.client_calls import COMMAND_TIMEOUT_S, Calls


class IniFile(Struct, frozen=True):
    """A file: its name, and what is in it."""

    file: str
    text: str


class IniTaken(Struct, frozen=True):
    """How many lines were taken."""

    file: str
    lines: int


class IniCalls(Calls):
    """Calls of files of settings."""

    async def ini_file(self, file: str) -> IniFile:
        """A file as a gateway had it, as `registry_settings.ini`."""
        return await self._call("GET", _path(file), IniFile)

    async def set_ini_file(self, file: str, text: str, radio: str | None = None) -> IniTaken:
        """Take a file in: all of it, or `ProblemError` with every line that cannot be. `radio`: for `devices.ini`."""
        body = {"text": text} | ({} if radio is None else {"radio": radio})
        return await self._call("PUT", _path(file), IniTaken, body=body, timeout_s=COMMAND_TIMEOUT_S)


def _path(file: str) -> str:
    return f"/api/v1/rpc/files/{quote(file, safe='')}"
