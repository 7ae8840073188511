"""`hubctl token create|list|revoke`."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, now, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.output import Cell, Column, Table, clean, line, print_json, show
from web.hubctl.units import age, local

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_model import Token

ROLES = ("viewer", "operator", "admin")
_ROLE_STYLES = {"admin": "bold red", "operator": "yellow", "viewer": "green"}


@click.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="viewer",
    show_default=True,
    help="A viewer sees, an operator also switches, an admin also removes devices and sets keys and tokens.",
)
@json_option
@pass_app
def create(app: App, name: str, role: str, as_json: bool) -> None:
    """A new token called NAME; it is shown once."""

    async def work(hub: HubClient) -> None:
        token = await hub.create_token(name, role)
        if as_json:
            print_json(token)
            return
        # The token alone on stdout, so that TOKEN=$(hubctl token create ...) holds it and nothing else.
        click.echo(token.token if isinstance(token.token, str) else "")
        line(f"{token.name} ({token.role}, {token.id}): shown this once; keep it as a password", "dim", err=True)

    app.run(work)


@click.command("list")
@json_option
@pass_app
def list_(app: App, as_json: bool) -> None:
    """All tokens, never their secrets."""

    async def work(hub: HubClient) -> None:
        found = await hub.tokens()
        if as_json:
            print_json({"tokens": found})
            return
        moment = now()
        rows = [
            (
                Cell(token.name, "bold"),
                Cell(token.role, _ROLE_STYLES.get(token.role, "")),
                local(token.created_at, moment),
                age(token.last_used_at, moment),
                Cell(token.id, "dim"),
            )
            for token in found
        ]
        show(Table((Column("Name"), Column("Role"), Column("Made", rank=1), Column("Used"), Column("ID")), rows))

    app.run(work)


@click.command()
@click.argument("token", metavar="ID|NAME")
@pass_app
def revoke(app: App, token: str) -> None:
    """Make a token worthless, at once and for ever."""

    async def work(hub: HubClient) -> None:
        found = _find(await hub.tokens(), token)
        await hub.revoke_token(found.id)
        line(f"{found.name} ({found.id}): revoked")

    app.run(work)


def _find(tokens: Sequence[Token], said: str) -> Token:
    for found in (
        [token for token in tokens if token.id == said],
        [token for token in tokens if token.name.casefold() == said.casefold()],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(token.id for token in found)
            raise HubctlError(f"several tokens are called {clean(said)!r}; say the id: {ids}", Exit.USAGE)
    if said.startswith("heh_"):
        # Somebody gave the secret itself; it must not come back on a screen.
        raise HubctlError("that is a token, not its id or name; see: hubctl token list", Exit.USAGE)
    near = difflib.get_close_matches(said, [token.name for token in tokens], 2)
    hint = f"did you mean {' or '.join(map(clean, near))}?" if near else "see: hubctl token list"
    raise HubctlError(f"there is no token {clean(said)!r}; {hint}", Exit.NOT_FOUND)
