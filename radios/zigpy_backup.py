"""A network in the open coordinator format, whichever stick it was read from: what is the same for all of them.

The format is that of zigpy, Zigbee2MQTT and others (open-coordinator-backup, version 1), so a network can move from one
make of stick to another.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

import zigpy.application
import zigpy.types
import zigpy.zdo.types
from zigpy.backups import NetworkBackup

from protocols.errors import RangeError
from protocols.ids import Eui64
from radios.api import DeliveryError
from radios.zigpy_backend import WELL_KNOWN

COUNTER_MARGIN: Final = 100_000
"""Added to frame counters: devices take nothing that has a lower one than they have seen, and the stick has gone on
sending since the backup was made. A home sends less in many nights, and there are 4 thousand million."""
_MAX_COUNTER: Final = 0xFFFFFFFF
_BAD_BACKUP: Final = 0x21
_TABLE_FULL: Final = 0xC7
_KEY_BYTES: Final = 16
_SECURITY_LEVEL: Final = 5
"""Of every network of Zigbee PRO (R21, 4.4.1.2); some programs write 0 where their stick does not say."""
_OF_STACKS: Final = (("ezsp", "hashed_tclk"), ("zstack", "tclk_seed"))
"""What both sides know of the other: keys that those of devices follow from."""


def forward(*counters: int | None) -> int:
    """A counter that is beyond all of these, and beyond what was sent since they were read."""
    return min(max(counter or 0 for counter in counters) + COUNTER_MARGIN, _MAX_COUNTER)


def backup_of(application: zigpy.application.ControllerApplication) -> dict[str, object]:
    """What the library has read of the stick, in the open coordinator format. It holds all keys."""
    return dict(application.backups.from_network_state().as_open_coordinator_json())


def parse_backup(backup: Mapping[str, object]) -> NetworkBackup:
    """Read the open coordinator format. Raises `DeliveryError` when it is none."""
    try:
        return NetworkBackup.from_open_coordinator_json(_as_zigpy_has_it(deepcopy(dict(backup))))
    except (KeyError, ValueError, TypeError, AttributeError, RangeError) as error:
        raise bad_backup(f"this is no backup in the open coordinator format ({error!r})") from None


def bad_backup(why: str) -> DeliveryError:
    """Nothing was written."""
    return DeliveryError(why, "BAD_BACKUP", _BAD_BACKUP, is_silence=False)


def _as_zigpy_has_it(document: dict[str, Any]) -> dict[str, Any]:
    """With the parts that zigpy misses when other programs leave them out.

    Without those that are nobody's network: routes, and words to the libraries themselves, as that an address may be
    burned in, or that nothing but a new network shall be made (`i_understand...`, `form_quickly`).
    """
    internal = document["metadata"].get("internal") or {}
    kept = {name: internal[name] for name in ("node", "network", "tx_power") if internal.get(name) is not None}
    if not kept.get("network", {}).get("tc_link_key"):
        kept.pop("network", None)
    else:
        kept["network"].setdefault("tc_address", document["coordinator_ieee"])
    document["metadata"] = {"source": "", **document["metadata"], "internal": kept}
    stacks = document.get("stack_specific") or {}
    document["stack_specific"] = {
        stack: {name: stacks[stack][name]} for stack, name in _OF_STACKS if (stacks.get(stack) or {}).get(name)
    }
    document["devices"] = [row for row in document["devices"] if Eui64.parse(row["ieee_address"]).names_a_device]
    for device in document["devices"]:
        device.setdefault("nwk_address", None)
        if device.get("link_key", True) is None:
            del device["link_key"]
    document["channel_mask"] = sorted({*document["channel_mask"], document["channel"]})
    document["security_level"] = _SECURITY_LEVEL
    return document


class Restoration:
    """One backup that is to be written. Making it reads the backup, and changes nothing. The drivers write it."""

    def __init__(self, backup: Mapping[str, object]) -> None:
        """Raises `DeliveryError` when it is no backup of a trust centre."""
        found = parse_backup(backup)
        self._network, self._node = found.network_info, found.node_info
        if int(self._node.nwk) != 0 or self._node.logical_type is not zigpy.zdo.types.LogicalType.Coordinator:
            raise bad_backup("the backup is of a router, not of a trust centre")

    def _of_stack(self, stack: str, name: str) -> bytes | None:
        """A key that other keys follow from. Raises `DeliveryError` when it is none."""
        text = self._network.stack_specific.get(stack, {}).get(name)
        if text is None:
            return None
        try:
            kept = bytes.fromhex(text)
        except (TypeError, ValueError):
            kept = b""
        if len(kept) != _KEY_BYTES:
            raise bad_backup(f"{name} of the backup is no key of {2 * _KEY_BYTES} hex digits")
        return kept

    def _need_room(self, keys: int, room: int) -> None:
        """Raise `DeliveryError` when the stick has no room for so many link keys."""
        if keys > room:
            raise DeliveryError(
                f"the backup has {keys} link keys of devices, and the stick has room for {room}",
                "TABLE_FULL",
                _TABLE_FULL,
                is_silence=False,
            )

    @property
    def _shared_key(self) -> bytes:
        """The link key of devices that have none of their own: never the one that everybody knows."""
        kept = bytes(self._network.tc_link_key.key.serialize())
        return secrets.token_bytes(16) if kept == WELL_KNOWN else kept

    async def check(self) -> None:
        """Raise `DeliveryError` when the stick cannot be the one of the backup. Changes nothing."""
        raise NotImplementedError

    async def write(self) -> None:
        """Forget what the stick has, and make it the one of the backup. It has to be started afterwards."""
        raise NotImplementedError
