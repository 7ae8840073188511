"""`hubctl registry export|import`, `hubctl device export|import`: the gateway's files of settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.files import read_text
from web.hubctl.output import line, print_json

if TYPE_CHECKING:
    from web.client import HubClient

KINDS = {
    "registry": "registry_settings.ini",
    "modules": "modules.ini",
    "interfaces": "interfaces.ini",
    "endpoints": "endpoints.ini",
    "clusters": "clusters.ini",
}
DEVICES = "devices.ini"
_what = click.option(
    "--what", type=click.Choice(tuple(KINDS)), help="Which file; without it by FILE's name, else the registry."
)
_file = click.argument("file", metavar="FILE|-", type=click.Path(allow_dash=True))


def _named(file: str, what: str | None) -> str:
    """Which of the gateway's files is meant."""
    if what is not None:
        return KINDS[what]
    name = Path(file).name
    return name if name in KINDS.values() else KINDS["registry"]


@click.command("export")
@_file
@_what
@pass_app
def registry_export(app: App, file: str, what: str | None) -> None:
    """Write settings to FILE as a gateway kept them: registry_settings.ini, or what --what says."""
    _export(app, _named(file, what), file)


@click.command("import")
@_file
@_what
@json_option
@pass_app
def registry_import(app: App, file: str, what: str | None, as_json: bool) -> None:
    """Take settings from FILE as a gateway kept them: all of it, or nothing where a line cannot be taken.

    Settings that registry_settings.ini leaves out stay. Of the other files the list is as it is afterwards.
    """
    _import(app, _named(file, what), file, None, as_json)


@click.command("export")
@_file
@pass_app
def device_export(app: App, file: str) -> None:
    """Write the addresses of all Zigbee devices to FILE, as a gateway kept them (devices.ini)."""
    _export(app, DEVICES, file)


@click.command("import")
@_file
@click.option("--radio", metavar="RADIO", help="Whose network; not needed where there is one.")
@json_option
@pass_app
def device_import(app: App, file: str, radio: str | None, as_json: bool) -> None:
    """List the devices of a gateway's devices.ini, so that they may join: all of them, or nothing."""
    _import(app, DEVICES, file, radio, as_json)


def _export(app: App, kind: str, file: str) -> None:
    async def work(hub: HubClient) -> None:
        found = await hub.ini_file(kind)
        if file == "-":
            click.echo(found.text, nl=False)
            return
        _write(file, found.text)
        line(f"{file}: {found.text.count(chr(10))} lines of {kind}")

    app.run(work)


def _write(file: str, text: str) -> None:
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise HubctlError(f"{file} cannot be written: {error.strerror}", Exit.FAILED) from None


def _import(app: App, kind: str, file: str, radio: str | None, as_json: bool) -> None:
    where, text = read_text(file, f"paste {kind}, then Ctrl-D")

    async def work(hub: HubClient) -> None:
        taken = await hub.set_ini_file(kind, text, radio)
        if as_json:
            print_json(taken)
        else:
            line(f"{where}: {taken.lines} lines of {kind} taken")

    app.run(work)
