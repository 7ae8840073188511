"""`hubctl energy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, now, pass_app
from web.hubctl.devices import power_style
from web.hubctl.output import pieces, print_json
from web.hubctl.units import energy as energy_text
from web.hubctl.units import local, power

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_model import House


@click.command()
@json_option
@pass_app
def energy(app: App, as_json: bool) -> None:
    """Power and energy of the whole house."""

    async def work(hub: HubClient) -> None:
        house = await hub.house()
        if as_json:
            print_json(house)
        else:
            tell_house(house)
            missing = dict.fromkeys(house.missing, "")
            if missing:
                missing.update((device.id, device.name) for device in await hub.devices() if device.id in missing)
                names = ", ".join(name or device_id for device_id, name in missing.items())
                pieces(("  missing", "dim"), (f"    {names}", "yellow"))

    app.run(work)


def tell_house(house: House) -> None:
    """The house in four lines."""
    moment = now()
    pieces(("house", "bold"), (f"  {power(house.power_w)}", f"bold {power_style(house.power_w)}"), house_words(house))
    today = house.today
    since = "" if today.since is None else f"  since {local(today.since, moment)}"
    values = [
        ("today", today.energy_delivered_wh, today.energy_received_wh, since),
        ("ever", house.energy_delivered_wh, house.energy_received_wh, ""),
    ]
    wide = max(len(energy_text(value)) for _, delivered, received, _ in values for value in (delivered, received))
    for title, delivered, received, note in values:
        pieces(
            (f"  {title:<9}", "dim"),
            (f"{energy_text(delivered):>{wide}} used", "cyan"),
            (f"  {energy_text(received):>{wide}} given to the grid", "green"),
            (note, "dim"),
        )


def house_words(house: House) -> tuple[str, str]:
    """What the number of the house is worth."""
    if house.power_w is None:
        return ("  nobody knows: no device has said its power", "yellow")
    if not house.complete:
        count = len(house.missing)
        return (f"  without {count} device{'' if count == 1 else 's'} that did not say", "yellow")
    return ("  exporting" if house.power_w < 0 else "", "green")
