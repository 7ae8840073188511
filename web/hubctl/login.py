"""`hubctl login`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, now, pass_app
from web.hubctl.output import line, print_json
from web.hubctl.units import local, parse_time, span

if TYPE_CHECKING:
    from web.client import HubClient


@click.command()
@json_option
@pass_app
def login(app: App, as_json: bool) -> None:
    """A link that opens the dashboard in a browser, good for one use."""

    async def work(hub: HubClient) -> None:
        link = await hub.login_link()
        if as_json:
            print_json(link)
            return
        click.echo(link.url)
        moment = now()
        left = span((parse_time(link.expires_at) - moment).total_seconds())
        line(f"good once, for {left} (until {local(link.expires_at, moment)})", "dim", err=True)

    app.run(work)
