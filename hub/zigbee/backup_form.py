"""A coordinator's backup in the open coordinator format, read and compared with another one. Pure.

Open ZigBee Coordinator Backup Format, version 1: the network with its key, and the coordinator's devices with the link
keys that they share with it. Frame counters are in it, too; they go on all the time, so they are no difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from hub.errors import InvalidError
from protocols.ids import Eui64

FORMAT: Final = "zigpy/open-coordinator-backup"
VERSION: Final = 1
KEY_BYTES: Final = 16
CHANNELS: Final = range(11, 27)
MAX_DEVICES: Final = 4096
"""Far more rows than the memory of any stick has."""
_ANY_PAN: Final = 0xFFFF
_COORDINATOR_SHORT: Final = "0000"
_COORDINATOR_TYPE: Final = "coordinator"


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


_Octet = Annotated[int, msgspec.Meta(ge=0, le=0xFF)]
_Counter = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]
_Power = Annotated[int, msgspec.Meta(ge=-128, le=127)]
_Channel = Annotated[int, msgspec.Meta(ge=CHANNELS.start, le=CHANNELS.stop - 1)]


class _Key(msgspec.Struct):
    key: str

    def __repr__(self) -> str:
        return "_Key(...)"


class _NetworkKey(_Key):
    sequence_number: _Octet
    frame_counter: _Counter


class _LinkKey(_Key):
    tx_counter: _Counter
    rx_counter: _Counter


class _CentreKey(_Key):
    frame_counter: _Counter | None = None


class _Device(msgspec.Struct):
    ieee_address: str
    nwk_address: str | None = None
    is_child: bool = False
    link_key: _LinkKey | None = None


class _Coordinator(msgspec.Struct):
    nwk: str = _COORDINATOR_SHORT
    type: str = _COORDINATOR_TYPE


class _Centre(msgspec.Struct):
    tc_link_key: _CentreKey | None = None
    tc_address: str | None = None
    nwk_manager: str | None = None


class _Internal(msgspec.Struct):
    """What zigpy says besides; other programs have their own there."""

    node: _Coordinator = msgspec.field(default_factory=_Coordinator)
    network: _Centre = msgspec.field(default_factory=_Centre)
    tx_power: _Power | None = None


class _Metadata(msgspec.Struct):
    format: str
    version: int
    source: str = ""
    internal: _Internal | None = None


class _OfEzsp(msgspec.Struct):
    hashed_tclk: str | None = None

    def __repr__(self) -> str:
        return "_OfEzsp(...)"


class _OfZStack(msgspec.Struct):
    tclk_seed: str | None = None

    def __repr__(self) -> str:
        return "_OfZStack(...)"


class _OfStacks(msgspec.Struct):
    ezsp: _OfEzsp = msgspec.field(default_factory=_OfEzsp)
    zstack: _OfZStack = msgspec.field(default_factory=_OfZStack)


class _Document(msgspec.Struct):
    """All that is ever put on a stick: what is wrong is found before anything is."""

    metadata: _Metadata
    coordinator_ieee: str
    pan_id: str
    extended_pan_id: str
    nwk_update_id: _Octet
    security_level: _Octet
    channel: int
    channel_mask: list[_Channel]
    network_key: _NetworkKey
    devices: list[_Device]
    stack_specific: _OfStacks | None = None


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
    pan_id = _number("pan_id", found.pan_id, 2)
    if pan_id == _ANY_PAN:
        raise InvalidError("pan_id", found.pan_id, "0000 to fffe")
    _check_besides(found)
    return CoordinatorBackup(
        source=about.source[:60],
        network=NetworkId(
            _address("coordinator_ieee", found.coordinator_ieee),
            _address("extended_pan_id", found.extended_pan_id),
        ),
        pan_id=pan_id,
        channel=found.channel,
        key_sequence=found.network_key.sequence_number,
        network_key=_key("network_key", found.network_key.key),
        devices=_devices(found.devices),
    )


def _devices(rows: list[_Device]) -> dict[Eui64, BackupDevice]:
    devices: dict[Eui64, BackupDevice] = {}
    for row in rows:
        ieee = Eui64(_number("ieee_address of a device", row.ieee_address, 8))
        if not ieee.names_a_device:  # a row of the stick's that is not in use
            continue
        if ieee in devices:
            raise InvalidError("devices", f"a list that has {ieee} twice", "each device once")
        devices[ieee] = BackupDevice(
            ieee=ieee,
            # Zigbee2MQTT leaves leading zeros out.
            short=None if row.nwk_address is None else _number(f"nwk_address of {ieee}", row.nwk_address.zfill(4), 2),
            is_child=row.is_child,
            link_key=None if row.link_key is None else _key(f"link_key of {ieee}", row.link_key.key),
        )
    return devices


def _check_besides(found: _Document) -> None:
    """What is not compared, but put on a stick."""
    internal, stacks = found.metadata.internal or _Internal(), found.stack_specific or _OfStacks()
    node, centre = internal.node, internal.network
    if node.type != _COORDINATOR_TYPE or _number("nwk of the coordinator", node.nwk, 2) != 0:
        raise InvalidError("metadata", f"of a {node.type[:20]} at {node.nwk[:8]}", "a coordinator's, whose nwk is 0000")
    for name, key in (
        ("tc_link_key", centre.tc_link_key.key if centre.tc_link_key is not None else None),
        ("hashed_tclk", stacks.ezsp.hashed_tclk),
        ("tclk_seed", stacks.zstack.tclk_seed),
    ):
        if key is not None:
            _key(name, key)
    for name, text, size in (("tc_address", centre.tc_address, 8), ("nwk_manager", centre.nwk_manager, 2)):
        if text is not None:
            _number(name, text, size)


def _number(name: str, text: str, size: int) -> int:
    """Of hex digits, the most significant first."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != size:
        raise InvalidError(name, text[:40], f"{2 * size} hex digits")
    return int.from_bytes(raw, "big")


def _address(name: str, text: str) -> Eui64:
    found = Eui64(_number(name, text, 8))
    if not found.names_a_device:
        raise InvalidError(name, text, "16 hex digits, neither all 0 nor all f")
    return found


def _key(name: str, text: str) -> bytes:
    try:
        raw = bytes.fromhex(text)
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
