"""`hubctl network add`: devices that are listed before they join, one by its label or many from a file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.files import read_text
from web.hubctl.networks import radio_argument, the_radio
from web.hubctl.output import line, print_json

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_zigbee_model import Network, ZigbeeDevice

LONGEST_NAME = 64
FIELDS = ("name", "install_code", "link_key")
_FIELD = re.compile(r'(?P<name>[a-z_]+)=(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"]+))(?=\s|$)')


class _LineError(Exception):
    """What is wrong with a line; it never shows what stands there, which may be a secret in the wrong place."""


@dataclass(frozen=True, slots=True)
class _NewDevice:
    """A line of the file."""

    number: int
    eui64: str
    name: str | None = None
    install_code: str | None = field(default=None, repr=False)
    link_key: str | None = field(default=None, repr=False)


@click.command()
@radio_argument
@click.argument("eui64", required=False)
@click.option("--name", metavar="TEXT", help="What people call it.")
@click.option("--install-code", is_flag=True, help="Ask for the installation code, which is not shown.")
@click.option("--link-key", is_flag=True, help="Ask for the link key, which is not shown.")
@click.option("--file", metavar="FILE|-", type=click.Path(allow_dash=True), help="Many devices, one a line.")
@json_option
@pass_app
def add(
    app: App,
    radio: str | None,
    eui64: str | None,
    name: str | None,
    install_code: bool,
    link_key: bool,
    file: str | None,
    as_json: bool,
) -> None:
    """List devices before they join: one by the 16 hex digits on its label, or those of a file or of what is piped in.

    \b
    # the ground floor
    00124b0014d90101
    00124b0014d90102  name="Hall plug"
    00124b0014d90103  install_code=83FED3407A939723A5C639B26916D505C3B5
    00124b0014d90104  link_key=... name=Meter

    Nothing is sent while a line is wrong. Codes and keys never stand on a command line, and are never shown.
    """
    if file is not None:
        if eui64 is not None or name is not None or install_code or link_key:
            raise HubctlError("--file says it all: no EUI64, --name, --install-code or --link-key with it", Exit.USAGE)
        _add_many(app, radio, file, as_json)
        return
    if eui64 is None and radio is not None and _is_address(radio):
        radio, eui64 = None, radio
    if eui64 is None:
        raise HubctlError("which device? say EUI64, the 16 hex digits on its label, or --file", Exit.USAGE)
    code = click.prompt("Installation code", hide_input=True, err=True) if install_code else None
    key = click.prompt("Link key", hide_input=True, err=True) if link_key else None

    async def work(hub: HubClient) -> None:
        where = await the_radio(hub, radio)
        device = await hub.add_device(where, eui64, name=name, install_code=code, link_key=key)
        if as_json:
            print_json(device)
        else:
            line(f"{device.device_id}: expected on {where}; open joining (hubctl join {where}) and switch it on")

    app.run(work)


def _is_address(said: str) -> bool:
    from protocols.errors import RangeError
    from protocols.ids import Eui64

    try:
        Eui64.parse(said)
    except RangeError:
        return False
    return True


def _add_many(app: App, radio: str | None, file: str, as_json: bool) -> None:
    where, text = read_text(file, "paste the devices, one a line, then Ctrl-D")
    wanted = _read(where, text)

    async def work(hub: HubClient) -> None:
        name = await the_radio(hub, radio)
        _check_radio(await hub.network(name), wanted, where)
        added: list[ZigbeeDevice] = []
        for one in wanted:
            added.append(await _add_one(hub, name, one, where, len(added), len(wanted)))
            if not as_json:
                line(f"{added[-1].device_id}: expected on {name}")
        if as_json:
            print_json({"devices": added})
        else:
            line(f"{len(added)} added; open joining (hubctl join {name}) and switch them on")

    app.run(work)


async def _add_one(hub: HubClient, radio: str, one: _NewDevice, where: str, before: int, total: int) -> ZigbeeDevice:
    from web.client import ClientError
    from web.hubctl.failures import explain

    try:
        return await hub.add_device(
            radio, one.eui64, name=one.name, install_code=one.install_code, link_key=one.link_key
        )
    except ClientError as error:
        told = explain(error)
        assert told is not None
        raise HubctlError(
            f"{where}: line {one.number}: {told}; {before} of {total} were added before it, none after it", told.code
        ) from None


def _read(where: str, text: str) -> list[_NewDevice]:
    """The devices of a file. Raises `HubctlError` after telling what is wrong with each line."""
    found: dict[str, _NewDevice] = {}
    wrong: list[tuple[int, str]] = []
    for number, row in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        said = row.strip()
        if not said or said.startswith("#"):
            continue
        try:
            one = _device(number, said)
            if one.eui64 in found:
                raise _LineError(f"{one.eui64} stands on line {found[one.eui64].number} already")
            found[one.eui64] = one
        except _LineError as error:
            wrong.append((number, str(error)))
    _refuse(where, wrong)
    if not found:
        raise HubctlError(f"{where} names no device; a line is EUI64 and perhaps {_fields()}", Exit.USAGE)
    return list(found.values())


def _device(number: int, said: str) -> _NewDevice:
    from protocols.errors import RangeError
    from protocols.ids import Eui64

    first, _, rest = said.replace("\t", " ").partition(" ")
    try:
        eui64 = str(Eui64.parse(first))
    except RangeError as error:
        raise _LineError(f"its first word is no extended address; allowed: {error.allowed}") from None
    values: dict[str, str] = {}
    rest = rest.strip()
    while rest and not rest.startswith("#"):
        match = _FIELD.match(rest)
        if match is None or match["name"] not in FIELDS:
            place = "behind the address" if not values else f"behind {list(values)[-1]}"
            raise _LineError(f"what stands {place} is no field; allowed: {_fields()}")
        name, value = match["name"], match["quoted"] if match["quoted"] is not None else match["plain"]
        if name in values:
            raise _LineError(f"{name} is given twice")
        _check(name, value)
        values[name] = value
        rest = rest[match.end() :].strip()
    return _NewDevice(number, eui64, **values)


def _check(name: str, value: str) -> None:
    from protocols.errors import RangeError
    from protocols.install_code import InstallCode, parse_link_key

    try:
        if name == "install_code":
            InstallCode.parse(value)
        elif name == "link_key":
            parse_link_key(value)
        elif not 1 <= len(value) <= LONGEST_NAME:
            raise RangeError("name", f"{len(value)} characters", f"1 to {LONGEST_NAME} characters")
    except RangeError as error:
        # These errors tell lengths and places, never the secret.
        raise _LineError(f"{name} is {error.value}; allowed: {error.allowed}") from None


def _fields() -> str:
    return 'name="...", install_code=... and link_key=...'


def _check_radio(network: Network, wanted: list[_NewDevice], where: str) -> None:
    """Refuse keys that the radio cannot keep before anything is sent."""
    wrong = []
    for one in wanted:
        if one.install_code is not None and not network.can.install_codes:
            wrong.append((one.number, f"{network.radio} takes no installation codes; add the device without one"))
        elif one.link_key is not None and not network.can.link_keys:
            wrong.append((one.number, f"{network.radio} takes no link keys; add the device without one"))
    _refuse(where, wrong)


def _refuse(where: str, wrong: list[tuple[int, str]]) -> None:
    """Tell what is wrong with each line; nothing is sent then."""
    if not wrong:
        return
    for number, problem in wrong:
        line(f"{where}: line {number}: {problem}", "red", err=True)
    count = "1 line is wrong" if len(wrong) == 1 else f"{len(wrong)} lines are wrong"
    raise HubctlError(f"{count}; nothing was sent", Exit.USAGE)
