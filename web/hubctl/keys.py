"""`hubctl breaker keys` and `hubctl breaker set-keys`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, now, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.files import read_text
from web.hubctl.output import STATE_STYLES, Cell, Column, Table, print_json, show, words
from web.hubctl.units import UNKNOWN, local, parse_time, span

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_model import Key

FIELDS = ("radio", "broadcast_key", "unicast_keys", "issued_at")


@click.command()
@json_option
@pass_app
def keys(app: App, as_json: bool) -> None:
    """Which keys the hub has, and how long they live; never the keys."""

    async def work(hub: HubClient) -> None:
        _tell(await hub.keys(), as_json)

    app.run(work)


@click.command("set-keys")
@click.argument("file", metavar="FILE|-")
@json_option
@pass_app
def set_keys(app: App, file: str, as_json: bool) -> None:
    """Give the hub fresh keys from a JSON file, or from what is piped in (-).

    Keys never stand on a command line, where everybody on the machine could read them.

    \b
    {"radio": "breakers", "broadcast_key": "...", "issued_at": "2026-11-20T12:00:00Z",
     "unicast_keys": {"30000c2a69113173": "..."}}

    All of it is optional but one key; a key is hex or base64. Breakers that are not named keep theirs.
    """
    update = _read(file)

    async def work(hub: HubClient) -> None:
        _tell(await hub.set_keys(update), as_json)

    app.run(work)


def key_table(found: Sequence[Key]) -> Table:
    """Keys and the time they have left."""
    moment = now()
    rows = [
        (
            key.radio,
            key.device_id or "broadcast",
            Cell(words(key.state), STATE_STYLES.get(key.state, "")),
            UNKNOWN if key.expires_at is None else span((parse_time(key.expires_at) - moment).total_seconds()),
            local(key.expires_at, moment),
        )
        for key in found
    ]
    columns = (Column("Radio"), Column("Key of"), Column("State"), Column("Left", right=True), Column("Until", rank=1))
    return Table(columns, rows, "no keys")


def _tell(found: Sequence[Key], as_json: bool) -> None:
    if as_json:
        print_json({"keys": found})
    else:
        show(key_table(found))


def _read(file: str) -> dict[str, object]:
    import json

    where, text = read_text(file, "paste the JSON, then Ctrl-D")
    # Values are never shown: what is wrong may be a key that is nearly right.
    try:
        update = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        place = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "nested"
        raise HubctlError(f"{where} is not JSON ({place})", Exit.USAGE) from None
    if not isinstance(update, dict):
        raise HubctlError(f"{where} is not a JSON object; allowed: {', '.join(FIELDS)}", Exit.USAGE)
    for name in update:
        if name not in FIELDS:
            raise HubctlError(f"{where}: {name[:40]!r} is not known; allowed: {', '.join(FIELDS)}", Exit.USAGE)
    if not update.get("broadcast_key") and not update.get("unicast_keys"):
        raise HubctlError(f"{where} has no key; say broadcast_key, unicast_keys or both", Exit.USAGE)
    return update
