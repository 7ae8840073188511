"""A network in the open coordinator format, whichever stick it was read from: what is the same for all of them.

The format is that of zigpy, Zigbee2MQTT and others (open-coordinator-backup, version 1), so a network can move from one
make of stick to another.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from copy import deepcopy
from typing import Final

import zigpy.application
import zigpy.types
from zigpy.backups import NetworkBackup

from radios.api import DeliveryError
from radios.zigpy_backend import WELL_KNOWN

COUNTER_MARGIN: Final = 100_000
"""Added to frame counters: devices take nothing that has a lower one than they have seen, and the stick has gone on
sending since the backup was made. A home sends less in many nights, and there are 4 thousand million."""
_MAX_COUNTER: Final = 0xFFFFFFFF
_BAD_BACKUP: Final = 0x21


def forward(*counters: int | None) -> int:
    """A counter that is beyond all of these, and beyond what was sent since they were read."""
    return min(max(counter or 0 for counter in counters) + COUNTER_MARGIN, _MAX_COUNTER)


def backup_of(application: zigpy.application.ControllerApplication) -> dict[str, object]:
    """What the library has read of the stick, in the open coordinator format. It holds all keys."""
    return dict(application.backups.from_network_state().as_open_coordinator_json())


def parse_backup(backup: Mapping[str, object]) -> NetworkBackup:
    """Read the open coordinator format. Raises `DeliveryError` when it is none."""
    try:
        return NetworkBackup.from_open_coordinator_json(deepcopy(dict(backup)))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise DeliveryError(
            f"this is no backup in the open coordinator format ({error!r})",
            "BAD_BACKUP",
            _BAD_BACKUP,
            is_silence=False,
        ) from None


class Restoration:
    """One backup that is to be written. Making it reads the backup, and changes nothing. The drivers write it."""

    def __init__(self, backup: Mapping[str, object]) -> None:
        """Raises `DeliveryError` when it is no backup of a trust centre."""
        found = parse_backup(backup)
        self._network, self._node = found.network_info, found.node_info
        if int(self._node.nwk) != 0:
            raise DeliveryError(
                "the backup is of a router, not of a trust centre", "BAD_BACKUP", _BAD_BACKUP, is_silence=False
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
