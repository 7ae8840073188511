"""Requests about aliases (CPX2-SE, Aliasing Commands)."""

from __future__ import annotations

from hub.errors import RefusedError
from web.rpc.aliases import Aliases, AliasRefusedError
from web.rpc.check import Checked
from web.rpc.engine import Handler
from web.rpc.values import Values, Xml


class Aliasing:
    """Handlers of requests about aliases."""

    def __init__(self, aliases: Aliases) -> None:
        self._aliases = aliases

    def handlers(self) -> dict[str, Handler]:
        """By the names of their requests."""
        return {"add_alias": self.add_alias, "remove_alias": self.remove_alias, "list_aliases": self.list_aliases}

    async def add_alias(self, request: Checked) -> Values:
        """Make an alias. Raises `RefusedError`."""
        name = request.given_name
        body = request.arguments[name]
        assert isinstance(body, Xml)
        try:
            await self._aliases.add(name, body.markup)
        except AliasRefusedError as error:
            raise RefusedError(str(error)) from None
        return {"alias_name": name}

    async def remove_alias(self, request: Checked) -> Values:
        """Remove an alias; FALSE when there is none."""
        name = request.given_name
        return {name: await self._aliases.remove(name)}

    async def list_aliases(self, request: Checked) -> Values:
        """All aliases, each under its name."""
        return {"alias_list": {name: Xml(markup) for name, markup in sorted(self._aliases.all().items())}}
