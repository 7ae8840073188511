"""The client's calls of radios and of their backups: a part of `web.client.HubClient`."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from msgspec import Struct

from web.client_calls import COMMAND_TIMEOUT_S, Calls
from web.client_zigbee_model import Backup, BackupState

RESTORE_TIMEOUT_S = 400.0
"""For a stick to be read out, written, and read again."""


class RadioInfo(Struct, frozen=True):
    """A radio as configured, and what its stick says it is."""

    name: str
    driver: str
    pipe: str = ""
    carries: str = ""
    state: str = ""
    detail: str = ""
    model: str = ""
    firmware: str = ""
    mode: str = ""
    capabilities: tuple[str, ...] = ()
    backup: BackupState | None = None


class RestoredNetwork(Struct, frozen=True):
    """A backup is on the stick."""

    radio: str
    backup: str = ""
    time: str | None = None
    coordinator: str = ""
    extended_pan_id: str = ""
    saved: str = ""
    warning: str = ""


class _Radios(Struct, frozen=True):
    radios: tuple[RadioInfo, ...]


class _Backups(Struct, frozen=True):
    backups: tuple[Backup, ...]


class BackupCalls(Calls):
    """Calls of /api/v1/radios."""

    async def radios(self) -> tuple[RadioInfo, ...]:
        """All radios."""
        return (await self._call("GET", "/api/v1/radios", _Radios)).radios

    async def radio(self, name: str) -> RadioInfo:
        """One radio."""
        return await self._call("GET", _radio(name), RadioInfo)

    async def backups(self, name: str) -> tuple[Backup, ...]:
        """Backups that are kept, newest first."""
        return (await self._call("GET", _radio(name, "backups"), _Backups)).backups

    async def make_backup(self, name: str) -> Backup:
        """Back up a coordinator now."""
        return await self._call("POST", _radio(name, "backups"), Backup, timeout_s=COMMAND_TIMEOUT_S + 30)

    async def backup_document(self, name: str, backup: str) -> bytes:
        """A whole backup with all keys, as the file that it is."""
        return await self._request("GET", _radio(name, "backups", backup))

    async def restore_backup(
        self, name: str, confirm: str, *, backup: str | None = None, document: Mapping[str, object] | None = None
    ) -> RestoredNetwork:
        """Have the stick be as in a kept backup, or in a whole document. `confirm` is the radio's name."""
        body: dict[str, object] = {"confirm": confirm}
        if backup is not None:
            body["backup"] = backup
        if document is not None:
            body["document"] = document
        path = _radio(name, "restore")
        return await self._call("POST", path, RestoredNetwork, body=body, timeout_s=RESTORE_TIMEOUT_S)

    async def replace_radio(self, name: str, confirm: str, *, overwrite: bool = False) -> RestoredNetwork:
        """Have the stick that is there now take the network of the one before it. `confirm` is the radio's name."""
        body = {"confirm": confirm, "overwrite": overwrite}
        path = _radio(name, "replace")
        return await self._call("POST", path, RestoredNetwork, body=body, timeout_s=RESTORE_TIMEOUT_S)

    async def acknowledge_backup(self, name: str) -> BackupState:
        """Acknowledge the alarm about a backup."""
        return await self._call("POST", _radio(name, "acknowledge"), BackupState)


def _radio(name: str, *rest: str) -> str:
    return "/".join(("/api/v1/radios", *(quote(one, safe="") for one in (name, *rest))))
