"""`hubctl config check`: what the hub would say of its configuration, without starting it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from web.hubctl.context import json_option
from web.hubctl.exits import Exit
from web.hubctl.output import line, pieces, print_json

if TYPE_CHECKING:
    from hub.config import Config


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
def check(file: Path | None, as_json: bool) -> int:
    """Read FILE as the hub would, and say what is wrong.

    Without FILE: $HEH_CONFIG, ./hub.toml, or hub.toml in the platform's configuration directory. Variables
    HEH_SECTION__KEY count, as they do for the hub. Exit code 2 when something is wrong.
    """
    from hub.config import load
    from hub.errors import ConfigError

    try:
        config = load(file)
    except ConfigError as error:
        if as_json:
            print_json({"ok": False, "problems": [{"key": error.key, "problem": error.problem}]})
        else:
            line(f"{error.key}: {error.problem}", "red", err=True)
        return Exit.USAGE
    if as_json:
        radios = [{"name": one.name, "driver": one.radio.driver} for one in config.radios]
        source = None if config.source is None else str(config.source)
        print_json({"ok": True, "source": source, "data_dir": str(config.data_dir), "radios": radios, "problems": []})
    else:
        _tell(config)
    return Exit.OK


def _tell(config: Config) -> None:
    host, port = config.web.listen
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    radios = ", ".join(f"{one.name} ({one.radio.driver})" for one in config.radios) or "none: add [[radio]]"
    where = "no hub.toml found, so the defaults hold" if config.source is None else str(config.source)
    pieces((where, "bold"), (": ok", "green"))
    for title, told in (
        ("hub", f"{config.hub.name}, {config.hub.role}"),
        ("listens at", address),
        ("data in", str(config.data_dir)),
        ("radios", radios),
    ):
        pieces((f"  {title:<11}", "dim"), (told, ""))
