"""Backups of coordinators in JSON, without what is secret in them, and what the websocket says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import UNSET, Struct, UnsetType

from hub import events
from hub.zigbee import backup_form, backup_rules
from hub.zigbee.member import device_id_of
from hub.zigbee.radio_backups import Restored
from protocols.ids import Eui64
from web.schema_base import Count, EventMessage, Time, time, time_or_none


class BackupNetworkChange(Struct, frozen=True, kw_only=True):
    """A part of the network that is another one; before and after are empty for the network key."""

    what: backup_form.NetworkField
    before: str
    after: str


class BackupDiff(Struct, frozen=True, kw_only=True):
    """What changed since the backup before: ids of devices, and of those whose link keys came, went or changed."""

    devices_added: list[str]
    devices_gone: list[str]
    keys_added: list[str]
    keys_gone: list[str]
    keys_changed: list[str]
    network: list[BackupNetworkChange]


class Backup(Struct, frozen=True, kw_only=True):
    """A kept backup: of which network, and how much is in it. `diff` is null for the oldest that is kept."""

    id: str
    time: Time
    source: str
    coordinator: str
    extended_pan_id: str
    pan_id: str
    channel: int
    key_sequence: int
    devices: Count
    link_keys: Count
    diff: BackupDiff | None


class BackupMissing(Struct, frozen=True, kw_only=True):
    """A device, or its link key, that nobody removed and that is gone; `last_in` is the last backup that has it."""

    device_id: str
    what: backup_rules.Lost
    last_in: str


class BackupAlarm(Struct, frozen=True, kw_only=True):
    """What is wrong with the last backup. `other_network`: the stick has that one, which is not the radio's own."""

    since: Time
    text: str
    missing: list[BackupMissing]
    other_network: str | UnsetType = UNSET


class BackupState(Struct, frozen=True, kw_only=True):
    """How it is with a radio's backups. `failure`: why the last attempt failed; empty while none has."""

    radio: str
    kept: Count
    last: Backup | None
    alarm: BackupAlarm | None
    failure: str


class BackupChangedMessage(EventMessage, frozen=True, tag="backup_changed", kw_only=True):
    """A coordinator's backups are not as they were.

    `what`: made, well (nothing is missing any more), failed, alarm, acknowledged, restored; `detail` is for people.
    """

    radio: str
    what: str
    detail: str
    backup: BackupState


class RestoredNetwork(Struct, frozen=True, kw_only=True):
    """A backup is on the stick. `backup` (made at `time`) is what was restored, `saved` what was on the stick before.

    Both are empty where there is none. `warning` has to be seen to now.
    """

    radio: str
    backup: str
    time: Time | None
    coordinator: str
    extended_pan_id: str
    saved: str
    warning: str


def _ids(rows: Iterable[Eui64]) -> list[str]:
    return [device_id_of(ieee) for ieee in rows]


def _diff(value: backup_form.BackupDiff) -> BackupDiff:
    return BackupDiff(
        devices_added=_ids(value.devices_added),
        devices_gone=_ids(value.devices_gone),
        keys_added=_ids(value.keys_added),
        keys_gone=_ids(value.keys_gone),
        keys_changed=_ids(value.keys_changed),
        network=[BackupNetworkChange(what=one.what, before=one.before, after=one.after) for one in value.network],
    )


def backup(value: backup_rules.BackupSummary) -> Backup:
    """A kept backup."""
    return Backup(
        id=value.name,
        time=time(value.time),
        source=value.source,
        coordinator=str(value.network.ieee),
        extended_pan_id=f"{value.network.extended_pan_id:016x}",
        pan_id=f"0x{value.pan_id:04x}",
        channel=value.channel,
        key_sequence=value.key_sequence,
        devices=value.devices,
        link_keys=value.link_keys,
        diff=None if value.diff is None else _diff(value.diff),
    )


def _alarm(value: backup_rules.BackupAlarm) -> BackupAlarm:
    return BackupAlarm(
        since=time(value.since),
        text=str(value),
        missing=[
            BackupMissing(device_id=device_id_of(one.ieee), what=one.what, last_in=one.last_in) for one in value.missing
        ],
        other_network=UNSET if value.other is None else f"{value.other.extended_pan_id:016x}",
    )


def state(value: backup_rules.BackupStatus) -> BackupState:
    """How it is with a radio's backups."""
    return BackupState(
        radio=value.radio,
        kept=value.kept,
        last=None if value.last is None else backup(value.last),
        alarm=None if value.alarm is None else _alarm(value.alarm),
        failure=value.failure,
    )


def restored(value: Restored) -> RestoredNetwork:
    """What was restored."""
    return RestoredNetwork(
        radio=value.radio,
        backup=value.backup,
        time=time_or_none(value.made_at),
        coordinator=str(value.network.ieee),
        extended_pan_id=f"{value.network.extended_pan_id:016x}",
        saved=value.saved,
        warning=value.warning,
    )


def _changed(event: events.BackupChanged, seq: int) -> BackupChangedMessage:
    return BackupChangedMessage(
        seq=seq,
        time=time(event.time),
        radio=event.radio,
        what=event.what,
        detail=event.detail,
        backup=state(event.status),
    )


MAKERS: Mapping[type[events.HubEvent], Callable[..., BackupChangedMessage]] = {events.BackupChanged: _changed}
"""How each event is told; each takes the event and its number."""
