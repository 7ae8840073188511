"""What the RPC keeps over a restart: aliases, and by which identifier SCI knows us."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from secrets import token_bytes

from hub.store import Statement, Store

ALIAS, DEVICE = "alias", "device"
_DEVICE_ID = "id"
_LOCAL, _GROUP = 0x02, 0x01
"""Bits of a MAC address's first octet: not made by a maker, for many."""


class Kept:
    """The rows of the database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def aliases(self) -> dict[str, str]:
        """Name -> markup."""
        rows = await self._store.read("SELECT name, value FROM rpc WHERE kind = ? ORDER BY name", (ALIAS,))
        return {str(name): str(value) for name, value in rows}

    async def keep_alias(self, name: str, markup: str | None) -> None:
        """Keep an alias, or forget it. On disk when this returns. Raises `StorageError`."""
        if markup is None:
            await self._store.write(("DELETE FROM rpc WHERE kind = ? AND name = ?", [(ALIAS, name)]))
        else:
            await self._put(ALIAS, name, markup)

    async def device_id(self) -> str:
        """Our identifier, which is made once. Raises `StorageError` when it cannot be read."""
        rows = await self._store.read("SELECT value FROM rpc WHERE kind = ?", (DEVICE,))
        if rows:
            return str(rows[0][0])
        made = device_id_of(token_bytes(6))
        self._store.append(
            ("INSERT OR REPLACE INTO rpc (kind, name, value) VALUES (?, ?, ?)", [(DEVICE, _DEVICE_ID, made)])
        )
        return made

    async def lines(self, file: str) -> list[str]:
        """What a file of the gateway's lists, in its order."""
        rows = await self._store.read("SELECT value FROM rpc WHERE kind = ? ORDER BY name", (file,))
        return [str(value) for (value,) in rows]

    async def keep_lines(self, files: Mapping[str, Iterable[str]]) -> None:
        """Keep what files list, in place of what they did: all of them. On disk when this returns.

        Raises `StorageError`.
        """
        statements: list[Statement] = []
        for file, lines in files.items():
            rows = [(file, f"{number:06d}", line) for number, line in enumerate(lines)]
            statements.append(("DELETE FROM rpc WHERE kind = ?", [(file,)]))
            if rows:
                statements.append(("INSERT INTO rpc (kind, name, value) VALUES (?, ?, ?)", rows))
        await self._store.write(*statements)

    async def _put(self, kind: str, name: str, value: str) -> None:
        statement = "INSERT OR REPLACE INTO rpc (kind, name, value) VALUES (?, ?, ?)"
        await self._store.write((statement, [(kind, name, value)]))


def device_id_of(address: bytes) -> str:
    """An identifier in the form that gateways had: their Ethernet address with FFFF in the middle.

    Ours is no maker's address, and says so in its second digit.
    """
    first = (address[0] | _LOCAL) & ~_GROUP
    digits = bytes([first, *address[1:3]]).hex().upper(), address[3:].hex().upper()
    return f"00000000-00000000-{digits[0]}FF-FF{digits[1]}"
