"""Link keys of devices that may join, by network. A trust centre cannot be asked for them, and may forget them.

They are kept in `link_keys.json` in the data directory, mode 0600, and given to the radio whenever it comes up.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec

from hub.errors import InvalidError
from hub.private_file import write_private
from protocols.errors import RangeError
from protocols.ids import Eui64
from protocols.install_code import KEY_SIZE, InstallCode, parse_link_key

log = logging.getLogger(__name__)

FILE_NAME = "link_keys.json"


class _Kept(msgspec.Struct):
    """link_keys.json: radio, extended address, key in hex."""

    radios: dict[str, dict[str, str]] = {}


def key_of(install_code: str | None, link_key: str | None) -> bytes | None:
    """The link key that a person has given, in either form. Raises `InvalidError`, which never shows it."""
    if install_code is not None and link_key is not None:
        raise InvalidError("link_key", "given beside install_code", "one of the two")
    try:
        if install_code is not None:
            return InstallCode.parse(install_code).link_key
        if link_key is not None:
            return parse_link_key(link_key)
    except RangeError as error:
        field = "install_code" if install_code is not None else "link_key"
        raise InvalidError(field, error.value, error.allowed) from None
    return None


class LinkKeys:
    """The link keys of all networks."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE_NAME
        self._keys: dict[str, dict[Eui64, bytes]] = {}

    def load(self) -> None:
        """Read the file. One that cannot be read is said so and left alone."""
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
            self._keys = {
                radio: {Eui64.parse(ieee): _checked(key) for ieee, key in rows.items()}
                for radio, rows in kept.radios.items()
            }
        except FileNotFoundError:
            return
        except (OSError, ValueError, msgspec.DecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not what was written"
            log.error("%s cannot be read: %s; its devices have to be added again", self._path, reason)

    def of(self, radio: str) -> Mapping[Eui64, bytes]:
        """Keys of one network."""
        return self._keys.get(radio, {})

    def put(self, radio: str, ieee: Eui64, key: bytes) -> None:
        """Keep a device's key; it is on disk when this returns."""
        self._keys.setdefault(radio, {})[ieee] = key
        self._write()

    def forget(self, ieee: Eui64) -> None:
        """Forget a device's keys, on every network."""
        holders = [rows for rows in self._keys.values() if ieee in rows]
        for rows in holders:
            del rows[ieee]
        if holders:
            self._write()

    def _write(self) -> None:
        kept = _Kept(
            {radio: {str(ieee): key.hex() for ieee, key in rows.items()} for radio, rows in self._keys.items() if rows}
        )
        try:
            write_private(self._path, msgspec.json.encode(kept))
        except OSError as error:
            log.error("%s cannot be written: %s; new keys are lost at the next start", self._path, error.strerror)


def _checked(text: str) -> bytes:
    key = bytes.fromhex(text)
    if len(key) != KEY_SIZE:
        raise ValueError
    return key
