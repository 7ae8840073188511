"""`hubctl certificate test-ca`: a test authority of one's own, so that a laboratory needs nobody's permission.

Works on files alone, without a hub. Whoever has the authority's key makes devices that its other devices trust; no
production network knows it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import click

from web.hubctl.exits import Exit, HubctlError
from web.hubctl.output import line

if TYPE_CHECKING:
    from protocols.ids import Eui64
    from protocols.se.ecqv import Authority

KEY_FILES = {1: "test-ca.key", 2: "test-ca-2.key"}
"""By suite: each has an authority of its own."""
_PRIVATE, _PUBLIC = "CA Private Key", "CA Public Key"
LONGEST_KEY_FILE = 4096
"""Characters; ours has some three hundred."""

_suite = click.option(
    "--suite", type=click.Choice(("1", "2")), default="1", show_default=True, help="2: over sect283k1, from SE 1.2 on."
)
_directory = click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))


@click.command()
@_directory
@_suite
def new(directory: Path, suite: str) -> None:
    """Make a test authority: its private key in DIR, which is made when it is not there."""
    import secrets

    from protocols.se.ecqv import CURVES, Authority
    from protocols.se.key_establishment import Suite

    kind = Suite(int(suite))
    curve = CURVES[kind]
    authority = Authority(kind, curve.scalar(secrets.token_bytes(curve.seed_size)))
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HubctlError(f"{directory} cannot be made: {error.strerror}", Exit.USAGE) from None
    path, public = directory / KEY_FILES[int(suite)], authority.public_key.encode().hex()
    _write_new(
        path,
        "The private key of a test authority: whoever has it makes devices that this authority's devices trust.\n\n"
        f"{_PRIVATE}: {authority.private_key.to_bytes(curve.scalar_size, 'big').hex()}\n"
        f"{_PUBLIC}: {public}\n",
    )
    line(f"{path}: a test authority with the public key {public}")


@click.command()
@_directory
@click.argument("eui64", metavar="EUI64")
@_suite
@click.option("--out", metavar="FILE|-", help="Where to.  [default: DIR/EUI64.txt, of suite 2 DIR/EUI64-2.txt]")
def issue(directory: Path, eui64: str, suite: str, out: str | None) -> None:
    """Issue a certificate for the device with the address EUI64, as `hubctl certificate install` takes it.

    `hubctl certificate status` tells which address a radio's has to be for. The file holds the device's private
    key. All devices of a network need certificates of the same authority.
    """
    import secrets

    from hub.clock import SystemClock
    from protocols.se.ecqv import SERIAL_SIZE

    subject, authority = _subject(eui64), _read(directory, int(suite))
    size = authority.public_key.curve.seed_size
    made = authority.equip(
        subject,
        secrets.token_bytes(size),
        secrets.token_bytes(size),
        serial=secrets.token_bytes(SERIAL_SIZE),
        valid_from=int(SystemClock().now().timestamp()),
    )
    text = made.to_text()
    if out == "-":
        click.echo(text, nl=False)
        return
    path = directory / f"{subject}{'' if suite == '1' else '-2'}.txt" if out is None else Path(out)
    _write_new(path, text)
    line(f"{path}: a test certificate for {subject}")


def _subject(text: str) -> Eui64:
    from protocols.errors import RangeError
    from protocols.ids import Eui64

    try:
        found = Eui64.parse(text)
    except RangeError as error:
        raise HubctlError(str(error), Exit.USAGE) from None
    if not found.names_a_device:
        raise HubctlError(f"{found} is no device's address", Exit.USAGE)
    return found


def _write_new(path: Path, text: str) -> None:
    """Write a file that only its owner can read; refuse to write over another."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise HubctlError(f"{path} is there already and stays as it is; say another place, or move it away") from None
    except OSError as error:
        raise HubctlError(f"{path} cannot be written: {error.strerror}", Exit.USAGE) from None
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise HubctlError(f"{path} cannot be written: {error.strerror}") from None


def _read(directory: Path, suite: int) -> Authority:
    """The authority of a suite. Its key is in no error."""
    from protocols.errors import RangeError
    from protocols.se.ecqv import CURVES, Authority
    from protocols.se.key_establishment import Suite

    path, curve = directory / KEY_FILES[suite], CURVES[Suite(suite)]
    try:
        with path.open(encoding="ascii") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                line(f"{path} can be read by others than its owner: chmod 600 it", "yellow", err=True)
            text = file.read(LONGEST_KEY_FILE)
    except FileNotFoundError:
        raise HubctlError(
            f"no test authority in {directory}: `hubctl certificate test-ca new {directory}"
            f"{'' if suite == 1 else ' --suite 2'}` makes one",
            Exit.NOT_FOUND,
        ) from None
    except OSError as error:
        raise HubctlError(f"{path} cannot be read: {error.strerror}", Exit.USAGE) from None
    except UnicodeDecodeError:
        text = ""
    parts = dict(row.split(": ", 1) for row in text.splitlines() if row.startswith((_PRIVATE, _PUBLIC)) and ": " in row)
    try:
        authority = Authority(Suite(suite), curve.read_scalar(bytes.fromhex(parts[_PRIVATE])))
        if bytes.fromhex(parts[_PUBLIC]) != authority.public_key.encode():
            raise HubctlError(f"{path} is damaged: its two keys do not belong together", Exit.USAGE)
    except (KeyError, ValueError, RangeError):
        digits = 2 * curve.scalar_size, 2 * curve.point_size
        wanted = f"lines `{_PRIVATE}: <{digits[0]} hex digits>` and `{_PUBLIC}: <{digits[1]} hex digits>`"
        raise HubctlError(f"{path} is not the key of a test authority: {wanted} are wanted", Exit.USAGE) from None
    return authority
