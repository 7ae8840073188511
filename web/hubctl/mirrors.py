"""`hubctl network mirrors`: sleepy meters whose values the hub keeps for others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, now, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.networks import radio_argument, the_radio
from web.hubctl.output import Cell, Column, Table, line, print_json, show
from web.hubctl.units import UNKNOWN, local

if TYPE_CHECKING:
    from web.client import HubClient

HIGHEST_ENDPOINT = 0xF0


@click.command()
@radio_argument
@click.option("--remove", metavar="ENDPOINT", type=click.IntRange(1, HIGHEST_ENDPOINT), help="Remove this one.")
@json_option
@pass_app
def mirrors(app: App, radio: str | None, remove: int | None, as_json: bool) -> None:
    """Gas and water meters that sleep, and the endpoints where displays read them meanwhile."""

    async def work(hub: HubClient) -> None:
        name = await the_radio(hub, radio)
        if remove is not None:
            await _remove(hub, name, remove, as_json=as_json)
            return
        found = await hub.mirrors(name)
        if as_json:
            print_json(found)
            return
        names = {device.id: device.name for device in await hub.devices()} if found.mirrors else {}
        columns = (
            Column("Endpoint", right=True),
            Column("Meter"),
            Column("Kind"),
            Column("Attributes", right=True, rank=2),
            Column("Told last", rank=1),
            Column("ID", rank=2),
        )
        rows = [
            (
                str(one.endpoint),
                Cell(names.get(one.device_id, one.device_id), "bold"),
                one.meter or UNKNOWN,
                str(one.attributes),
                UNKNOWN if one.heard_at is None else local(one.heard_at, now()),
                Cell(one.device_id, "dim"),
            )
            for one in found.mirrors
        ]
        none = "no meter is mirrored" + ("" if found.room else ", and none can be here (hub.mirrors, hub.role)")
        show(Table(columns, rows, none))

    app.run(work)


async def _remove(hub: HubClient, radio: str, endpoint: int, *, as_json: bool) -> None:
    from web.client import ProblemError
    from web.hubctl.failures import code_of
    from web.hubctl.output import clean

    try:
        gone = await hub.remove_mirror(radio, endpoint)
    except ProblemError as error:
        if code_of(error) is not Exit.NOT_FOUND:
            raise
        raise HubctlError(f"{clean(error.detail)} (hubctl network mirrors shows all)", Exit.NOT_FOUND) from None
    if as_json:
        print_json(gone)
    else:
        line(f"{radio}: endpoint {gone.endpoint} mirrors {gone.device_id} no more")
