"""A coordinator's backup in the open coordinator format, read and compared with another one. Pure.

Open ZigBee Coordinator Backup Format, version 1: the network with its key, and the coordinator's devices with the link
keys that they share with it. Frame counters are in it, too; they go on all the time, so they are no difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import msgspec

from hub.errors import InvalidError
from protocols.ids import Eui64

FORMAT: Final = "zigpy/open-coordinator-backup"
VERSION: Final = 1
KEY_BYTES: Final = 16
CHANNELS: Final = range(11, 27)
MAX_DEVICES: Final = 4096
"""Far more rows than the memory of any stick has."""


@dataclass(frozen=True, slots=True)
class NetworkId:
    """What a network is told apart by: trust centre and extended PAN id. PAN id, channel and key may change."""

    ieee: Eui64
    extended_pan_id: int

    def __str__(self) -> str:
        return f"{self.extended_pan_id:016x} of {self.ieee}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupDevice:
    """A device that the coordinator knows."""

    ieee: Eui64
    short: int | None = None
    is_child: bool = False
    link_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorBackup:
    """What is in a backup, as far as it is compared and shown."""

    source: str
    """Which program made it."""
    network: NetworkId
    pan_id: int
    channel: int
    key_sequence: int
    network_key: bytes = field(repr=False)
    devices: Mapping[Eui64, BackupDevice] = field(repr=False)

    @property
    def link_keys(self) -> int:
        """How many devices have a link key in it."""
        return sum(one.link_key is not None for one in self.devices.values())


class _Key(msgspec.Struct):
    key: str

    def __repr__(self) -> str:
        return "_Key(...)"


class _NetworkKey(_Key):
    sequence_number: int = 0


class _Device(msgspec.Struct):
    ieee_address: str
    nwk_address: str | None = None
    is_child: bool = False
    link_key: _Key | None = None


class _Metadata(msgspec.Struct):
    format: str
    version: int
    source: str = ""


class _Document(msgspec.Struct):
    metadata: _Metadata
    coordinator_ieee: str
    pan_id: str
    extended_pan_id: str
    channel: int
    network_key: _NetworkKey
    devices: list[_Device]


def parse(document: Mapping[str, object]) -> CoordinatorBackup:
    """Read a backup. Raises `InvalidError`, which names the field and never shows a key."""
    try:
        found = msgspec.convert(dict(document), _Document)
    except msgspec.ValidationError as error:
        # It names the place and the types, not the values.
        raise InvalidError("backup", f"wrong ({error})", f"a document of format {FORMAT}") from None
    about = found.metadata
    if about.format != FORMAT or about.version != VERSION:
        raise InvalidError("metadata", f"{about.format[:60]} {about.version}", f"format {FORMAT}, version {VERSION}")
    if found.channel not in CHANNELS:
        raise InvalidError("channel", found.channel, "11 to 26")
    if len(found.devices) > MAX_DEVICES:
        raise InvalidError("devices", f"a list of {len(found.devices)}", f"{MAX_DEVICES} at most")
    devices: dict[Eui64, BackupDevice] = {}
    for row in found.devices:
        ieee = Eui64(_number("ieee_address of a device", row.ieee_address, 8))
        devices[ieee] = BackupDevice(
            ieee=ieee,
            short=None if row.nwk_address is None else _number(f"nwk_address of {ieee}", row.nwk_address, 2),
            is_child=row.is_child,
            link_key=None if row.link_key is None else _key(f"link_key of {ieee}", row.link_key),
        )
    return CoordinatorBackup(
        source=about.source[:60],
        network=NetworkId(
            Eui64(_number("coordinator_ieee", found.coordinator_ieee, 8)),
            _number("extended_pan_id", found.extended_pan_id, 8),
        ),
        pan_id=_number("pan_id", found.pan_id, 2),
        channel=found.channel,
        key_sequence=found.network_key.sequence_number,
        network_key=_key("network_key", found.network_key),
        devices=devices,
    )


def _number(name: str, text: str, size: int) -> int:
    """Of hex digits, the most significant first."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != size:
        raise InvalidError(name, text[:40], f"{2 * size} hex digits")
    return int.from_bytes(raw, "big")


def _key(name: str, kept: _Key) -> bytes:
    try:
        raw = bytes.fromhex(kept.key)
    except ValueError:
        raw = b""
    if len(raw) != KEY_BYTES:
        raise InvalidError(name, "something else", f"a key of {2 * KEY_BYTES} hex digits")
    return raw


# -- differences -----------------------------------------------------------------------------------------------------


class NetworkField(StrEnum):
    """What of a network may be another one in a later backup."""

    COORDINATOR = "coordinator"
    EXTENDED_PAN_ID = "extended_pan_id"
    PAN_ID = "pan_id"
    CHANNEL = "channel"
    KEY_SEQUENCE = "key_sequence"
    NETWORK_KEY = "network_key"


@dataclass(frozen=True, slots=True)
class NetworkChange:
    """A part of the network is another one."""

    what: NetworkField
    before: str
    """Empty for the network key, as `after` is: it is never told."""
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupDiff:
    """What is not in a backup as it was in the one before. Keys are told by whose they are."""

    devices_added: tuple[Eui64, ...] = ()
    devices_gone: tuple[Eui64, ...] = ()
    keys_added: tuple[Eui64, ...] = ()
    keys_gone: tuple[Eui64, ...] = ()
    keys_changed: tuple[Eui64, ...] = ()
    network: tuple[NetworkChange, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing changed."""
        return self == _NOTHING


_NOTHING = BackupDiff()


def compare(before: CoordinatorBackup, after: CoordinatorBackup) -> BackupDiff:
    """What changed from one backup to a later one."""
    old_keys = {one.ieee: one.link_key for one in before.devices.values() if one.link_key is not None}
    new_keys = {one.ieee: one.link_key for one in after.devices.values() if one.link_key is not None}
    rows = (
        (NetworkField.COORDINATOR, str(before.network.ieee), str(after.network.ieee)),
        (
            NetworkField.EXTENDED_PAN_ID,
            f"{before.network.extended_pan_id:016x}",
            f"{after.network.extended_pan_id:016x}",
        ),
        (NetworkField.PAN_ID, f"0x{before.pan_id:04x}", f"0x{after.pan_id:04x}"),
        (NetworkField.CHANNEL, str(before.channel), str(after.channel)),
        (NetworkField.KEY_SEQUENCE, str(before.key_sequence), str(after.key_sequence)),
    )
    changes = [NetworkChange(what, old, new) for what, old, new in rows if old != new]
    if before.network_key != after.network_key:
        changes.append(NetworkChange(NetworkField.NETWORK_KEY, "", ""))
    return BackupDiff(
        devices_added=tuple(sorted(after.devices.keys() - before.devices.keys())),
        devices_gone=tuple(sorted(before.devices.keys() - after.devices.keys())),
        keys_added=tuple(sorted(new_keys.keys() - old_keys.keys())),
        keys_gone=tuple(sorted(old_keys.keys() - new_keys.keys())),
        keys_changed=tuple(
            sorted(ieee for ieee in old_keys.keys() & new_keys.keys() if old_keys[ieee] != new_keys[ieee])
        ),
        network=tuple(changes),
    )
