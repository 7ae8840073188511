"""`hubctl device add`, `hubctl network add`: devices that are listed before they join, one by its label or many from a
file."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from web.hubctl.context import App, json_option, pass_app
from web.hubctl.exits import Exit, HubctlError
from web.hubctl.files import read_text
from web.hubctl.join import follow
from web.hubctl.networks import radio_argument, the_radio
from web.hubctl.output import line, print_json
from web.hubctl.secret import ASK, install_code_option, link_key_option, secrets_of
from web.hubctl.units import span

if TYPE_CHECKING:
    from web.client import HubClient
    from web.client_zigbee_model import Network, ZigbeeDevice
    from web.hubctl.joining import Joining

LONGEST_NAME = 64
LEAST_DIGITS = 8
"""Of a word that is taken for half an address; a shorter one may be a radio's name."""
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
@install_code_option("The installation code.")
@link_key_option("The link key.")
@click.option(
    "--join-time", metavar="SECONDS", type=click.IntRange(1, 3600), help="Then open joining, and see the device come."
)
@click.option("--no-wait", is_flag=True, help="With --join-time: do not wait; joining stays open for its time.")
@click.option("--file", metavar="FILE|-", type=click.Path(allow_dash=True), help="Many devices, one a line.")
@json_option
@pass_app
def add(
    app: App,
    radio: str | None,
    eui64: str | None,
    name: str | None,
    install_code: str | None,
    link_key: str | None,
    join_time: int | None,
    no_wait: bool,
    file: str | None,
    as_json: bool,
) -> int:
    """List devices before they join: one by the 16 hex digits on its label, or those of a file or of what is piped in.

    \b
    # the ground floor
    00124b0014d90101
    00124b0014d90102  name="Hall plug"
    00124b0014d90103  install_code=83FED3407A939723A5C639B26916D505C3B5
    00124b0014d90104  link_key=... name=Meter

    Nothing is sent while a line is wrong. Codes and keys are never shown; what stands on a command line can be read by
    everybody on the machine while the command runs, so let them be asked for. With --join-time joining is open until
    the devices are ready, the time is over, or Ctrl-C; --json and --no-wait only open it.
    """
    waits = join_time is not None and not no_wait and not as_json
    if file is not None:
        if eui64 is not None or name is not None or install_code is not None or link_key is not None:
            raise HubctlError("--file says it all: no EUI64, --name, --install-code or --link-key with it", Exit.USAGE)
        where, text = read_text(file, "paste the devices, one a line, then Ctrl-D")
        return _add(app, radio, _read(where, text), where, join_time, waits, as_json)
    if eui64 is None and radio is not None and _is_address(radio):
        radio, eui64 = None, radio
    if eui64 is None and install_code is not None and _is_address(install_code):
        eui64, install_code = install_code, ASK
    if eui64 is None and link_key is not None and _is_address(link_key):
        eui64, link_key = link_key, ASK
    if eui64 is None:
        counted = "" if radio is None else _counted(radio)
        raise HubctlError(f"which device? say EUI64, the 16 hex digits on its label{counted}, or --file", Exit.USAGE)
    code, key = secrets_of(install_code, link_key)
    one = _NewDevice(0, eui64, name, code, key)
    return _add(app, radio, [one], None, join_time, waits, as_json)


def _counted(said: str) -> str:
    """How many digits there are in what may be an address that was not typed to its end."""
    from protocols.install_code import hex_digits

    digits = hex_digits(said)
    is_hex = len(digits) >= LEAST_DIGITS and set(digits) <= set(string.hexdigits)
    return f" (there are {len(digits)})" if is_hex else ""


def _is_address(said: str) -> bool:
    from protocols.errors import RangeError
    from protocols.ids import Eui64

    try:
        Eui64.parse(said)
    except RangeError:
        return False
    return True


def _add(
    app: App,
    radio: str | None,
    wanted: Sequence[_NewDevice],
    where: str | None,
    join_time: int | None,
    waits: bool,
    as_json: bool,
) -> int:
    """List one device, or those of the file `where`; joining is opened with the last of them."""

    async def prepared(hub: HubClient) -> str:
        name = await the_radio(hub, radio)
        if where is not None:
            _check_radio(await hub.network(name), wanted, where)
        return name

    async def added_to(hub: HubClient, name: str, *, tells: bool) -> list[ZigbeeDevice]:
        added: list[ZigbeeDevice] = []
        for one in wanted:
            opens = join_time if len(added) + 1 == len(wanted) else None
            added.append(await _add_one(hub, name, one, where, len(added), len(wanted), opens))
            if tells and where is not None:
                line(f"{added[-1].device_id}: expected on {name}")
        return added

    async def opened(hub: HubClient) -> Joining:
        from web.hubctl.joining import Joining

        name = await prepared(hub)
        return Joining(hub, name, None, False, lambda: added_to(hub, name, tells=False))

    async def work(hub: HubClient) -> None:
        name = await prepared(hub)
        added = await added_to(hub, name, tells=not as_json)
        if as_json:
            print_json(added[0] if where is None else {"devices": added})
            return
        what = f"{added[0].device_id}: expected on {name}" if where is None else f"{len(added)} added"
        then = "switch it on" if where is None else "switch them on"
        if join_time is None:
            line(f"{what}; open joining (hubctl join {name}) and {then}")
        else:
            line(f"{what}; joining is open for {span(join_time)}: {then}")

    if waits and join_time is not None:
        return follow(app, opened, join_time)
    app.run(work)
    return Exit.OK


async def _add_one(
    hub: HubClient, radio: str, one: _NewDevice, where: str | None, before: int, total: int, join_time: int | None
) -> ZigbeeDevice:
    from web.client import ClientError
    from web.hubctl.failures import explain

    try:
        return await hub.add_device(
            radio,
            one.eui64,
            name=one.name,
            install_code=one.install_code,
            link_key=one.link_key,
            join_time_s=join_time,
        )
    except ClientError as error:
        told = explain(error)
        if where is None or told is None:
            raise
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
        eui64 = Eui64.parse(first)
    except RangeError as error:
        raise _LineError(f"its first word is no extended address; allowed: {error.allowed}") from None
    if not eui64.names_a_device:
        raise _LineError("its first word is no device's address, which is never all 0 or all f")
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
    return _NewDevice(number, str(eui64), **values)


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


def _check_radio(network: Network, wanted: Sequence[_NewDevice], where: str) -> None:
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
