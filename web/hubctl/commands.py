"""`hubctl commands`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, now, pass_app
from web.hubctl.find import complete_device, find_device
from web.hubctl.output import OUTCOME_STYLES, Cell, Column, Table, print_json, show, words
from web.hubctl.units import local

if TYPE_CHECKING:
    from web.client import HubClient

DEFAULT_LIMIT = 20
MOST_AT_ONCE = 1000


@click.command()
@click.option("--device", metavar="DEVICE", shell_complete=complete_device, help="Only those of one device.")
@click.option(
    "--limit", type=click.IntRange(1, MOST_AT_ONCE), default=DEFAULT_LIMIT, show_default=True, help="How many."
)
@json_option
@pass_app
def commands(app: App, device: str | None, limit: int, as_json: bool) -> None:
    """What was asked of devices, by whom, and how it ended; newest first."""

    async def work(hub: HubClient) -> None:
        only = None if device is None else (await find_device(hub, device)).id
        found = await hub.commands(only, limit)
        if as_json:
            print_json({"commands": found})
            return
        names = {one.id: one.name for one in await hub.devices()} if found else {}
        moment = now()
        rows = [
            (
                Cell(local(command.requested_at, moment), "dim"),
                Cell(names.get(command.device_id, command.device_id), "bold"),
                command.action,
                Cell(words(command.outcome), OUTCOME_STYLES.get(command.outcome, "")),
                command.requested_by,
                Cell(command.id, "dim"),
                command.detail,
            )
            for command in found
        ]
        columns = (
            Column("When"),
            Column("Device"),
            Column("Action"),
            Column("Outcome"),
            Column("By", rank=1),
            Column("ID", rank=2),
            Column("Detail"),
        )
        show(Table(columns, rows, "no commands yet"))

    app.run(work)
