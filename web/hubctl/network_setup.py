"""`hubctl network configure` and `hubctl network leave`: which network a radio forms or joins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.networks import named_radio_argument, radio_argument, the_radio
from web.hubctl.output import clean, line, print_json
from web.hubctl.progress import waiting
from web.hubctl.secret import ASK, install_code_option, link_key_option, secrets_of

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_zigbee_model import Network


def _channels(_ctx: click.Context, _: click.Parameter, said: str | None) -> list[int] | None:
    if said is None:
        return None
    words = said.replace(",", " ").split()
    if not words or not all(word.isdecimal() and 11 <= int(word) <= 26 for word in words):
        raise click.BadParameter(f"{clean(said)!r}: one at least of 11 to 26, as 11,15,20")
    return [int(word) for word in words]


@click.command()
@radio_argument
@click.option("--confirm", metavar="RADIO", default="", help="The radio's name once more: it leaves its network.")
@click.option("--extended-pan-id", metavar="HEX|any", help="16 hex digits; any: no filter, or a random one to form.")
@click.option("--channels", metavar="N,...", callback=_channels, help="Of 11 to 26.")
@install_code_option("The installation code to join with.")
@link_key_option("The link key to join with.")
@click.option("--join-interval", type=click.IntRange(5, 86400), metavar="SECONDS", help="Between attempts to join.")
@json_option
@pass_app
def configure(
    app: App,
    radio: str | None,
    confirm: str,
    extended_pan_id: str | None,
    channels: list[int] | None,
    install_code: str | None,
    link_key: str | None,
    join_interval: int | None,
    as_json: bool,
) -> None:
    """Form another network, or join one: what is not said stays. A coordinator loses its devices by this. RADIO must be
    named.

    A code or key is taken as `hubctl device add` takes it: asked for, piped in or said.
    """
    if radio is None and confirm:
        # The name of the radio behind an option without a value.
        if install_code == confirm:
            radio, install_code = install_code, ASK
        elif link_key == confirm:
            radio, link_key = link_key, ASK
    if radio is None:
        raise HubctlError("which radio? it must be named: hubctl network configure RADIO ...", Exit.USAGE)
    code, key = secrets_of(install_code, link_key)

    async def work(hub: HubClient) -> None:
        name = await the_radio(hub, radio)
        with waiting(f"{name}: configuring"):
            network = await hub.configure_network(
                name,
                confirm=confirm,
                extended_pan_id=extended_pan_id,
                channels=channels,
                install_code=code,
                link_key=key,
                join_interval_s=join_interval,
            )
        _tell(network, "configured", as_json)

    app.run(work)


@click.command()
@named_radio_argument
@click.option("--confirm", metavar="RADIO", required=True, help="The radio's name once more.")
@json_option
@pass_app
def leave(app: App, radio: str, confirm: str, as_json: bool) -> None:
    """Leave the network that a router has joined; it looks for one at once, and then at the join interval."""

    async def work(hub: HubClient) -> None:
        name = await the_radio(hub, radio)
        with waiting(f"{name}: leaving"):
            network = await hub.leave_network(name, confirm)
        _tell(network, "left its network", as_json)

    app.run(work)


def _tell(network: Network, what: str, as_json: bool) -> None:
    if as_json:
        print_json(network)
    elif network.state == "up":
        line(f"{network.radio}: {what}; it is on channel {network.channel}, PAN {network.pan_id}")
    else:
        line(f"{network.radio}: {what}; {network.detail or network.state} (hubctl network list shows how far it is)")
