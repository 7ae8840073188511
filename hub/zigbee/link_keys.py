"""Link keys of devices that may join, by network. A trust centre cannot be asked for them, and may forget them.

They are kept in `link_keys.json` in the data directory, mode 0600, and given to the radio whenever it comes up. Devices
that were forgotten while the radio was away stay on a list, without their keys, until it has removed theirs.

Keys that the hub has established with a device (`hub.zigbee.key_establishment`) are kept beside the one that it joined
with, whose place they take; a new key to join with ends them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from hub.errors import InvalidError, StorageError
from hub.private_file import write_private
from protocols.errors import RangeError
from protocols.ids import Eui64
from protocols.install_code import KEY_SIZE, InstallCode, parse_link_key
from protocols.se.key_establishment import POINT_SIZES, Suite

log = logging.getLogger(__name__)

FILE_NAME = "link_keys.json"

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class EstablishedKey:
    """What has come of key establishment with a device."""

    key: bytes = field(repr=False)
    """The link key."""
    suite: Suite
    public_key: bytes
    """Of its certificate, compressed: what its signatures are verified with."""


class _KeptEstablished(msgspec.Struct):
    key: str
    suite: int
    public_key: str

    def __repr__(self) -> str:
        return f"_KeptEstablished(suite={self.suite})"


class _Kept(msgspec.Struct, omit_defaults=True):
    """link_keys.json: radio, extended address, key in hex; and what each radio has still to remove."""

    radios: dict[str, dict[str, str]] = {}
    forgotten: dict[str, list[str]] = {}
    established: dict[str, dict[str, _KeptEstablished]] = {}


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
        self._established: dict[str, dict[Eui64, EstablishedKey]] = {}
        self.on_removed: Callable[[str, Eui64], None] = lambda radio, ieee: None
        """Told before a radio is made to forget the key of a device."""

    def load(self) -> None:
        """Read the file. One that cannot be read is said so and left alone."""
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
            self._keys = {
                radio: {Eui64.parse(ieee): _checked(key) for ieee, key in rows.items()}
                for radio, rows in kept.radios.items()
            }
            self._forgotten = {radio: set(map(Eui64.parse, rows)) for radio, rows in kept.forgotten.items()}
            self._established = {
                radio: {Eui64.parse(ieee): _established(row) for ieee, row in rows.items()}
                for radio, rows in kept.established.items()
            }
        except FileNotFoundError:
            return
        except (OSError, ValueError, msgspec.DecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not what was written"
            log.error("%s cannot be read: %s; its devices have to be added again", self._path, reason)

    def of(self, radio: str) -> Mapping[Eui64, bytes]:
        """Keys of one network."""
        return self._keys.get(radio, {})

    def established(self, radio: str) -> Mapping[Eui64, EstablishedKey]:
        """Keys that the hub has established with devices of one network."""
        return self._established.get(radio, {})

    def establish(self, radio: str, ieee: Eui64, key: EstablishedKey | None) -> None:
        """Keep what was established with a device, or nothing (None). Raises `StorageError`: then all is as before."""
        rows = self._established.setdefault(radio, {})
        before = rows.get(ieee)
        if key is None:
            self.on_removed(radio, ieee)
        _put(rows, ieee, key)
        try:
            self._write()
        except StorageError:
            _put(rows, ieee, before)
            raise

    def forgotten(self, radio: str) -> Collection[Eui64]:
        """Devices whose keys this network's radio has still to remove."""
        return self._forgotten.get(radio, ())

    def put(self, radio: str, ieee: Eui64, key: bytes) -> None:
        """Keep a device's key to join with; on disk when this returns. Raises `StorageError`: then it is not kept."""
        rows, forgotten = self._keys.setdefault(radio, {}), self._forgotten.setdefault(radio, set())
        established = self._established.setdefault(radio, {})
        before, was_forgotten, was_established = rows.get(ieee), ieee in forgotten, established.pop(ieee, None)
        rows[ieee] = key
        forgotten.discard(ieee)
        try:
            self._write()
        except StorageError:
            _put(rows, ieee, before)
            _put(established, ieee, was_established)
            if was_forgotten:
                forgotten.add(ieee)
            raise

    def forget(self, ieee: Eui64) -> None:
        """Forget a device's keys, on every network; their radios have still to remove them. Raises `StorageError`."""
        tables = (self._keys, self._established)
        holders = sorted({radio for table in tables for radio, rows in table.items() if ieee in rows})
        for radio in holders:
            self._keys.get(radio, {}).pop(ieee, None)
            self._established.get(radio, {}).pop(ieee, None)
            self._forgotten.setdefault(radio, set()).add(ieee)
            self.on_removed(radio, ieee)
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
            {
                radio: {
                    str(ieee): _KeptEstablished(one.key.hex(), int(one.suite), one.public_key.hex())
                    for ieee, one in rows.items()
                }
                for radio, rows in self._established.items()
                if rows
            },
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


def _established(row: _KeptEstablished) -> EstablishedKey:
    suite, point = Suite(row.suite), bytes.fromhex(row.public_key)
    if len(point) != POINT_SIZES.get(suite):
        raise ValueError
    return EstablishedKey(_checked(row.key), suite, point)


def _put(rows: dict[Eui64, V], ieee: Eui64, value: V | None) -> None:
    if value is None:
        rows.pop(ieee, None)
    else:
        rows[ieee] = value
