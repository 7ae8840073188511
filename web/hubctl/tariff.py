"""`hubctl price tariff`: blocks and tiers, which devices read from our Price server."""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, now, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.output import Column, Table, line, print_json, show
from web.hubctl.smart_energy import radio_option
from web.hubctl.units import UNKNOWN, local

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_smart_energy import Tariff


@click.command("tariff")
@click.option("--file", "source", type=click.Path(path_type=Path), metavar="TARIFF.toml", help="Set it from a file.")
@click.option("--clear", is_flag=True, help="Tell nothing any more.")
@radio_option
@json_option
@pass_app
def tariff(app: App, source: Path | None, clear: bool, radio: str | None, as_json: bool) -> None:
    """Show blocks and tiers; set them from a file:

    \b
    tier_labels = ["night", "day"]
    block_thresholds = [100, 500]          # kWh: where block 1, 2 ... ends
    standing_charge = 0.35                 # a day
    block_prices = [{tier = 1, prices = [0.21, 0.24, 0.3]}, {tier = 2, prices = [0.28, 0.31, 0.4]}]
    period_start = 2026-11-01T00:00:00+01:00
    period_min = 43200
    """
    if source is not None and clear:
        raise HubctlError("--file and --clear: one or the other", Exit.USAGE)
    body: dict[str, object] | None = {} if clear else None if source is None else _read(source)

    async def work(hub: HubClient) -> None:
        named = {} if radio is None else {"radio": radio}
        found = await (hub.tariff(radio) if body is None else hub.set_tariff({**body, **named}))
        if as_json:
            print_json(found)
        else:
            _show(found)

    app.run(work)


def _read(source: Path) -> dict[str, object]:
    try:
        table = tomllib.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise HubctlError(f"{source}: {error.strerror}", Exit.USAGE) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HubctlError(f"{source} is not valid TOML: {error}", Exit.USAGE) from None
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in table.items()}


def _show(found: Tariff) -> None:
    if not (found.tier_labels or found.block_thresholds or found.block_prices or found.standing_charge is not None):
        line("no blocks and tiers are told: hubctl price tariff --file TARIFF.toml sets them")
        return
    if found.standing_charge is not None:
        line(f"standing charge  {found.standing_charge:g} a day")
    if found.period_min is not None:
        start = UNKNOWN if found.period_start is None else local(found.period_start, now())
        line(f"block period     {found.period_min} min from {start}")
    prices = {row.tier: row.prices for row in found.block_prices}
    tiers = sorted({*prices, *range(1, len(found.tier_labels) + 1)})
    bounds = [f"to {one:g}" for one in found.block_thresholds]
    longest = max([len(row) for row in prices.values()], default=0)
    bounds += [f"above {found.block_thresholds[-1]:g}"] if found.block_thresholds and longest > len(bounds) else []
    blocks = [bounds[place] if place < len(bounds) else f"block {place + 1}" for place in range(longest)]
    columns = (Column("Tier", right=True), Column("Label"), *(Column(title, right=True) for title in blocks))
    rows = []
    for tier in tiers:
        label = found.tier_labels[tier - 1] if 0 < tier <= len(found.tier_labels) else ""
        cells = [f"{one:g}" for one in prices.get(tier, ())]
        rows.append((str(tier or UNKNOWN), label or UNKNOWN, *cells, *[UNKNOWN] * (longest - len(cells))))
    if rows:
        show(Table(columns, rows))
