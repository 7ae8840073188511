"""When a backup is due, and what of it raises the alarm. Pure; times are arguments.

The last backup of the radio's own network is what a new one is compared with. Which network is its own was seen by the
first backup, and changes when somebody says so: by restoring, erasing or configuring it, or by acknowledging the alarm
that another network raises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from hub.zigbee.backup_form import BackupDiff, CoordinatorBackup, NetworkId, compare
from protocols.ids import Eui64

RETRY: Final = timedelta(minutes=15)
"""After a failure: a full disk or a stick that is busy may be better by then, and nothing is lost meanwhile."""


def last_due(now: datetime, zone: tzinfo, at: time) -> datetime:
    """The last time that a nightly backup was to be made: today's `at` in `zone`, or yesterday's. UTC.

    A time that the clocks leave out when summer time begins is as long after midnight as on other days; of one that
    comes twice it is the first.
    """
    day = now.astimezone(zone).date()
    today = datetime.combine(day, at, tzinfo=zone).astimezone(UTC)
    if today <= now:
        return today
    return datetime.combine(day - timedelta(days=1), at, tzinfo=zone).astimezone(UTC)


def is_due(now: datetime, zone: tzinfo, at: time, made_at: datetime | None, tried_at: datetime | None) -> bool:
    """Whether a nightly backup is to be made now, or made up for.

    `made_at`: the last good one; one in the future was made while the clock was wrong. `tried_at`: the last that failed
    since then.
    """
    if tried_at is not None and timedelta(0) <= now - tried_at < RETRY:
        return False
    return made_at is None or made_at > now or made_at < last_due(now, zone, at)


# -- what has disappeared --------------------------------------------------------------------------------------------


class Lost(StrEnum):
    """What of a device is not there any more."""

    DEVICE = "device"
    LINK_KEY = "link_key"
    """And the device with it, perhaps: without the key it cannot be talked to in secret, and cannot come back."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A device, or its link key, disappeared, and nobody removed it."""

    ieee: Eui64
    what: Lost
    last_in: str
    """The backup that had it last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupAlarm:
    """What is wrong with the last backup, until it is acknowledged or a later one is right again."""

    since: datetime
    missing: tuple[Missing, ...] = ()
    other: NetworkId | None = None
    """The stick has this network, which is not the radio's."""

    def __str__(self) -> str:
        texts = []
        if self.other is not None:
            texts.append(f"the stick has another network, {self.other}")
        for what, one, many in ((Lost.LINK_KEY, "the link key", "the link keys"), (Lost.DEVICE, "device", "devices")):
            found = [str(row.ieee) for row in self.missing if row.what is what]
            if found:
                of = " of " if what is Lost.LINK_KEY else " "
                more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
                texts.append(f"{one if len(found) == 1 else many}{of}{', '.join(found[:SHOWN])}{more} disappeared")
        return "; ".join(texts)


SHOWN: Final = 5
"""Addresses in a sentence; the rest are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is remembered of a radio's backups beside the backups."""

    network: NetworkId | None = None
    """The radio's own; None: the next backup says."""
    latest: str = ""
    """The last backup of that network; empty: none."""
    good: str = ""
    """The last of them that had everything."""
    made_at: datetime | None = None
    """When the last one was made, of whatever network."""
    alarm: BackupAlarm | None = None
    removed: frozenset[Eui64] = frozenset()
    """Devices that were removed, or left by themselves: the stick may forget them."""
    restoring: str = ""
    """What was being restored and is not there yet, for people; empty: nothing."""

    @property
    def needed(self) -> frozenset[str]:
        """Backups that are never deleted."""
        missing = self.alarm.missing if self.alarm is not None else ()
        return frozenset((self.latest, self.good, *(one.last_in for one in missing))) - {""}


def judge(
    standing: Standing,
    before: CoordinatorBackup | None,
    after: CoordinatorBackup,
    name: str,
    now: datetime,
    is_member: Callable[[Eui64], bool],
    is_heard: Callable[[Eui64], bool],
) -> tuple[Standing, BackupDiff | None]:
    """A new backup, called `name`, beside the one of `standing.latest` (`before`; None: it is not there any more).

    `is_member`: the home lists the device. `is_heard`: it is alive on the network; if it had no link key, the stick has
    only stopped keeping its address (it has another parent), which harms nobody.
    """
    made = replace(standing, made_at=now, restoring="")
    diff = compare(before, after) if before is not None else None
    if standing.network is not None and after.network != standing.network:
        since = standing.alarm.since if standing.alarm is not None else now
        missing = standing.alarm.missing if standing.alarm is not None else ()
        return replace(made, alarm=BackupAlarm(since=since, missing=missing, other=after.network)), diff
    missing = _missing(standing, diff, after, is_heard)
    alarm = None
    if missing:
        since = standing.alarm.since if standing.alarm is not None else now
        alarm = BackupAlarm(since=since, missing=missing)
    return replace(
        made,
        network=after.network,
        latest=name,
        good=name if alarm is None else standing.good,
        alarm=alarm,
        removed=frozenset(ieee for ieee in standing.removed if ieee in after.devices and not is_member(ieee)),
    ), diff


def _missing(
    standing: Standing, diff: BackupDiff | None, after: CoordinatorBackup, is_heard: Callable[[Eui64], bool]
) -> tuple[Missing, ...]:
    if standing.network is None:
        return ()  # whatever was before was of another network

    def is_back(row: Missing) -> bool:
        there = after.devices.get(row.ieee)
        return there is not None and (row.what is Lost.DEVICE or there.link_key is not None)

    found = {
        row.ieee: row for row in (standing.alarm.missing if standing.alarm is not None else ()) if not is_back(row)
    }
    if diff is not None:
        for ieee in diff.devices_gone:
            if ieee not in found and ieee not in diff.keys_gone and not is_heard(ieee):
                found[ieee] = Missing(ieee, Lost.DEVICE, standing.latest)
        for ieee in diff.keys_gone:
            found[ieee] = Missing(ieee, Lost.LINK_KEY, standing.latest)
    return tuple(found[ieee] for ieee in sorted(found) if ieee not in standing.removed)


def removed(standing: Standing, ieee: Eui64) -> Standing:
    """A device was removed by the household, or left: that it is not in later backups is no alarm."""
    alarm = standing.alarm
    if alarm is not None:
        rest = tuple(row for row in alarm.missing if row.ieee != ieee)
        alarm = replace(alarm, missing=rest) if rest or alarm.other is not None else None
    return replace(standing, alarm=alarm, removed=standing.removed | {ieee})


def acknowledged(standing: Standing, newest: str, network: NetworkId | None) -> Standing:
    """A person has seen the alarm: things are as they should be, as `newest`, a backup of `network`, has them."""
    if network is None:
        return replace(standing, alarm=None)
    return replace(standing, alarm=None, network=network, latest=newest, good=newest)


def formed_anew(standing: Standing) -> Standing:
    """Somebody had the radio leave its network for another: the next backup says which."""
    return replace(standing, network=None, alarm=None, removed=frozenset(), restoring="")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSummary:
    """A kept backup, without what is secret in it."""

    name: str
    time: datetime
    source: str
    network: NetworkId
    pan_id: int
    channel: int
    key_sequence: int
    devices: int
    link_keys: int
    diff: BackupDiff | None = None
    """What changed since the one before it that is kept; None: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupStatus:
    """How it is with the backups of a radio."""

    radio: str
    kept: int = 0
    last: BackupSummary | None = None
    alarm: BackupAlarm | None = None
    failure: str = ""
    """Why the last attempt failed, for people; empty: it did not."""


def summary(name: str, at: datetime, kept: CoordinatorBackup, before: CoordinatorBackup | None) -> BackupSummary:
    """What may be told of a backup."""
    return BackupSummary(
        name=name,
        time=at,
        source=kept.source,
        network=kept.network,
        pan_id=kept.pan_id,
        channel=kept.channel,
        key_sequence=kept.key_sequence,
        devices=len(kept.devices),
        link_keys=kept.link_keys,
        diff=None if before is None else compare(before, kept),
    )
