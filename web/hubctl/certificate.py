"""`hubctl certificate`: what a Smart Energy radio shows to devices that establish keys with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, pass_app
from web.hubctl.files import read_text
from web.hubctl.networks import radio_argument, the_radio
from web.hubctl.output import clean, line, print_json
from web.hubctl.progress import waiting

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_zigbee_model import Certificate


def _show(found: Certificate, as_json: bool) -> None:
    if as_json:
        print_json(found)
    elif found.installed:
        line(f"{found.radio}: there is a certificate for {found.ieee}")
    else:
        line(f"{found.radio}: there is no certificate; one for {found.ieee} is needed", "yellow")
    if as_json:
        return
    for one in found.certificates:
        if one.place != "radio":
            issuer = f" by {clean(one.issuer)}" if one.issuer is not None else ""
            line(f"  suite {one.suite}{issuer}, {clean(one.place)}", "dim")
    for problem in found.problems:
        line(f"  not used: {clean(problem)}", "yellow")


@click.command()
@radio_argument
@json_option
@pass_app
def status(app: App, radio: str | None, as_json: bool) -> None:
    """Whether there is one, by whom, and for which address it has to be; of the hub's own, where they are."""

    async def work(hub: HubClient) -> None:
        _show(await hub.certificate(await the_radio(hub, radio)), as_json)

    app.run(work)


@click.command()
@click.argument("file", metavar="FILE|-", type=click.Path(allow_dash=True))
@radio_argument
@json_option
@pass_app
def install(app: App, file: str, radio: str | None, as_json: bool) -> None:
    """Install a certificate as the authority sends it; the network stays.

    A radio that establishes keys itself gets it, and restarts. For others the hub keeps it, one of each suite.
    """
    _, text = read_text(file, "paste the certificate, then Ctrl-D")

    async def work(hub: HubClient) -> None:
        name = await the_radio(hub, radio)
        with waiting(f"{name}: installing the certificate"):
            found = await hub.install_certificate(name, text)
        _show(found, as_json)

    app.run(work)


@click.command()
@radio_argument
@json_option
@pass_app
def revert(app: App, radio: str | None, as_json: bool) -> None:
    """Remove it: the radio goes back to the one that it was made with, if it has one. Of the hub's, all are deleted."""

    async def work(hub: HubClient) -> None:
        name = await the_radio(hub, radio)
        with waiting(f"{name}: removing the certificate"):
            found = await hub.revert_certificate(name)
        _show(found, as_json)

    app.run(work)
