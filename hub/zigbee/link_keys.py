"""Link keys of devices that may join, by network. A trust centre cannot be asked for them, and may forget them.

They are kept in `link_keys.json` in the data directory, mode 0600, and given to the radio whenever it comes up. Devices
that were forgotten while the radio was away stay on a list, without their keys, until it has removed theirs.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from hub.errors import InvalidError, StorageError
from hub.private_file import write_private
from protocols.errors import RangeError
from protocols.ids import Eui64
from protocols.install_code import KEY_SIZE, InstallCode, parse_link_key

log = logging.getLogger(__name__)

FILE_NAME = "link_keys.json"


class _Kept(msgspec.Struct, omit_defaults=True):
    """link_keys.json: radio, extended address, key in hex; and what each radio has still to remove."""

    radios: dict[str, dict[str, str]] = {}
    forgotten: dict[str, list[str]] = {}


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
        self._forgotten: dict[str, set[Eui64]] = {}

    def load(self) -> None:
        """Read the file. One that cannot be read is said so and left alone."""
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
            self._keys = {
                radio: {Eui64.parse(ieee): _checked(key) for ieee, key in rows.items()}
                for radio, rows in kept.radios.items()
            }
            self._forgotten = {radio: set(map(Eui64.parse, rows)) for radio, rows in kept.forgotten.items()}
        except FileNotFoundError:
            return
        except (OSError, ValueError, msgspec.DecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not what was written"
            log.error("%s cannot be read: %s; its devices have to be added again", self._path, reason)

    def of(self, radio: str) -> Mapping[Eui64, bytes]:
        """Keys of one network."""
        return self._keys.get(radio, {})

    def forgotten(self, radio: str) -> Collection[Eui64]:
        """Devices whose keys this network's radio has still to remove."""
        return self._forgotten.get(radio, ())

    def put(self, radio: str, ieee: Eui64, key: bytes) -> None:
        """Keep a device's key; it is on disk when this returns. Raises `StorageError`: then it is not kept."""
        rows, forgotten = self._keys.setdefault(radio, {}), self._forgotten.setdefault(radio, set())
        before, was_forgotten = rows.get(ieee), ieee in forgotten
        rows[ieee] = key
        forgotten.discard(ieee)
        try:
            self._write()
        except StorageError:
            if before is None:
                del rows[ieee]
            else:
                rows[ieee] = before
            if was_forgotten:
                forgotten.add(ieee)
            raise

    def forget(self, ieee: Eui64) -> None:
        """Forget a device's keys, on every network; their radios have still to remove them. Raises `StorageError`."""
        holders = [radio for radio, rows in self._keys.items() if ieee in rows]
        for radio in holders:
            del self._keys[radio][ieee]
            self._forgotten.setdefault(radio, set()).add(ieee)
        if holders:
            self._write()

    def removed(self, radio: str, ieee: Eui64) -> None:
        """The radio has removed the key of a forgotten device. Raises `StorageError`."""
        if ieee in self.forgotten(radio):
            self._forgotten[radio].discard(ieee)
            self._write()

    def _write(self) -> None:
        kept = _Kept(
            {radio: {str(ieee): key.hex() for ieee, key in rows.items()} for radio, rows in self._keys.items() if rows},
            {radio: sorted(map(str, rows)) for radio, rows in self._forgotten.items() if rows},
        )
        try:
            write_private(self._path, msgspec.json.encode(kept))
        except OSError as error:
            raise StorageError(f"{self._path} cannot be written: {error.strerror}") from None


def _checked(text: str) -> bytes:
    key = bytes.fromhex(text)
    if len(key) != KEY_SIZE:
        raise ValueError
    return key
