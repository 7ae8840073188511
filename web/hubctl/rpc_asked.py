"""Requests that the built-in table lacks: those of added modules, and aliases. The hub is asked for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App
from web.hubctl.exits import HubctlError
from web.hubctl.find import asked_quietly
from web.hubctl.output import clean
from web.rpc.declare import RequestRow
from web.rpc.table import TABLE, Table

if TYPE_CHECKING:
    from web.client import HubClient
    from web.rpc.describe import RpcInfo

_KEPT = "web.hubctl.rpc_asked"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the hub has beyond the built-in table."""

    table: Table = TABLE
    aliases: Mapping[str, str | None] = field(default_factory=dict)
    """Each with the first request that it stands for."""
    refusal: str = ""
    """Why the hub could not be asked."""

    @property
    def added(self) -> list[RequestRow]:
        """Requests that the built-in table lacks."""
        return [row for name, row in self.table.requests.items() if name not in TABLE.requests]

    @property
    def callable_aliases(self) -> dict[str, RequestRow]:
        """Aliases that stand for requests, with the first of those; a request of the same name comes first."""
        return {
            name: row
            for name, request in self.aliases.items()
            if request is not None and (row := self.table.request(request)) is not None
            if self.table.request(name) is None
        }

    def alias(self, said: str) -> str | None:
        """An alias that stands for requests, by its name: as it is, or the only one that is called so in any case."""
        names = self.callable_aliases
        if said in names:
            return said
        alike = [name for name in names if _plain(name) == _plain(said)]
        return alike[0] if len(alike) == 1 else None


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def ask(ctx: click.Context, *, quietly: bool = False) -> Asked:
    """What the hub has, asked once. `quietly`: it may be away, which nobody is told, and has to answer at once."""
    found = ctx.meta.get(_KEPT)
    if isinstance(found, Asked):
        return found
    asked = _quietly(ctx) if quietly or ctx.resilient_parsing else _plainly(ctx)
    ctx.meta[_KEPT] = asked
    return asked


def _quietly(ctx: click.Context) -> Asked:
    async def question(hub: HubClient) -> Sequence[RpcInfo]:
        return [await hub.rpc_info()]

    infos = asked_quietly(ctx, question)
    return _told(infos[0]) if infos else Asked()


def _plainly(ctx: click.Context) -> Asked:
    from web.client import ClientError
    from web.hubctl.failures import explain

    app = ctx.find_object(App)
    assert app is not None
    try:
        return _told(app.run(lambda hub: hub.rpc_info()))
    except HubctlError as error:
        return Asked(refusal=str(error))
    except ClientError as error:
        return Asked(refusal=str(explain(error) or clean(str(error))))


def _told(info: RpcInfo) -> Asked:
    from web.rpc.described import table_of

    return Asked(table_of(info), {one.name: one.request for one in info.aliases})
