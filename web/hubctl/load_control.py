"""`hubctl event load-control`: for which loads we take demand response events, as a client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, pass_app
from web.hubctl.output import line, print_json, words
from web.hubctl.smart_energy import CLASSES, classes_of_words, radio_option

if TYPE_CHECKING:
    from web.client import HubClient

MINUTES = click.IntRange(0, 60)


@click.command("load-control")
@click.option("--class", "device_classes", metavar="CLASS,...", callback=classes_of_words, help=", ".join(CLASSES))
@click.option("--group", "utility_enrollment_group", type=click.IntRange(0, 255), help="Of the utility; 0: all.")
@click.option("--randomize-start", "start_randomize_min", type=MINUTES, metavar="MINUTES", help="At most, by lot.")
@click.option("--randomize-stop", "stop_randomize_min", type=MINUTES, metavar="MINUTES", help="At most, by lot.")
@radio_option
@json_option
@pass_app
def load_control(app: App, /, radio: str | None, as_json: bool, **changes: object) -> None:
    """Show for which loads we take events that come to us; with options, change it from the next event on."""
    body = {name: value for name, value in changes.items() if value is not None}

    async def work(hub: HubClient) -> None:
        named = {} if radio is None else {"radio": radio}
        found = await (hub.change_load_control({**named, **body}) if body else hub.load_control(radio))
        if as_json:
            print_json(found)
            return
        group = found.utility_enrollment_group
        line(f"classes    {', '.join(map(words, found.device_classes)) or 'none'}")
        line(f"group      {group or 'all'}")
        line(f"randomize  start up to {found.start_randomize_min} min, end up to {found.stop_randomize_min} min")

    app.run(work)
