"""Backups as files: `backups/RADIO/YYYY-MM-DDTHHMMSS.json` in the data directory, mode 0600, times in UTC.

Each is a document in the open coordinator format and nothing else, so that other programs read it. What is to be
remembered beside them is in `state.json`, which has no keys. A file that is cut off or was changed by hand is left out
and told in the log. All of this blocks: it is for a thread.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from hub.errors import InvalidError, NotFoundError, StorageError
from hub.private_file import folder_name, write_private
from hub.zigbee.backup_form import CoordinatorBackup, NetworkId, parse
from hub.zigbee.backup_rules import BackupAlarm, Lost, Missing, Standing
from protocols.errors import RangeError
from protocols.ids import Eui64

log = logging.getLogger(__name__)

FOLDER: Final = "backups"
STATE_NAME: Final = "state.json"
MAX_BYTES: Final = 1 << 20
"""A row takes 250: thousands of devices."""
_TIME: Final = "%Y-%m-%dT%H%M%S"
_NAME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{6}")

Document = Mapping[str, object]


class _KeptNetwork(msgspec.Struct):
    ieee: str
    extended_pan_id: str


class _KeptMissing(msgspec.Struct):
    ieee: str
    what: Lost
    last_in: str


class _KeptAlarm(msgspec.Struct):
    since: datetime
    missing: list[_KeptMissing]
    other: _KeptNetwork | None = None


class _KeptState(msgspec.Struct, omit_defaults=True):
    network: _KeptNetwork | None = None
    latest: str = ""
    good: str = ""
    made_at: datetime | None = None
    alarm: _KeptAlarm | None = None
    removed: list[str] = []
    restoring: str = ""


def time_of(name: str) -> datetime:
    """When a backup was made. Raises `ValueError`."""
    return datetime.strptime(name, _TIME).replace(tzinfo=UTC)


class BackupFiles:
    """The backups of all radios."""

    def __init__(self, data_dir: Path, keep: int) -> None:
        """`keep`: of each radio, beside those that are needed."""
        self._root, self._keep = data_dir / FOLDER, keep

    def folder(self, radio: str) -> Path:
        """Where a radio's are."""
        return self._root / folder_name(radio)

    def names(self, radio: str) -> list[str]:
        """Of all that are there, oldest first."""
        try:
            paths = list(self.folder(radio).iterdir())
        except OSError:
            return []
        return sorted(path.stem for path in paths if path.suffix == ".json" and _is_name(path.stem))

    def read(self, radio: str, name: str) -> Document:
        """One of them. Raises `NotFoundError`, and `StorageError` when it is there and cannot be read."""
        path = self.folder(radio) / f"{name}.json"
        if not _is_name(name):
            raise NotFoundError("backup", name[:40], tuple(self.names(radio)[-3:]))
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            raise NotFoundError("backup", name, tuple(self.names(radio)[-3:])) from None
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror}") from None
        try:
            if len(raw) > MAX_BYTES:
                raise ValueError
            return msgspec.json.decode(raw, type=dict[str, object])
        except (msgspec.DecodeError, ValueError):
            raise StorageError(f"{path} is not what was written there") from None

    def all(self, radio: str) -> Iterator[tuple[str, CoordinatorBackup]]:
        """All that can be read, newest first."""
        for name in reversed(self.names(radio)):
            try:
                yield name, parse(self.read(radio, name))
            except (NotFoundError, StorageError, InvalidError) as error:
                log.warning("%s: backup %s is left out: %s", radio, name, error)

    def of_network(
        self, radio: str, network: NetworkId | None, latest: str = ""
    ) -> tuple[str, CoordinatorBackup] | None:
        """The newest one of a network, which is `latest` unless that is not there any more."""
        found: tuple[str, CoordinatorBackup] | None = None
        for name, kept in self.all(radio):
            if kept.network == network:
                if name == latest:
                    return name, kept
                found = found or (name, kept)
        return found

    def write(self, radio: str, now: datetime, document: Document) -> str:
        """Keep one more; its name. Raises `StorageError`."""
        folder, taken = self.folder(radio), set(self.names(radio))
        at = now.astimezone(UTC)
        while (name := at.strftime(_TIME)) in taken:
            at += timedelta(seconds=1)
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            write_private(folder / f"{name}.json", msgspec.json.format(msgspec.json.encode(document), indent=2))
        except OSError as error:
            with suppress(OSError):
                (folder / f"{name}.new").unlink()
            raise StorageError(f"the backup cannot be written to {folder}: {error.strerror}") from None
        return name

    def discard(self, radio: str, name: str) -> None:
        """Delete one, as far as that is possible."""
        with suppress(OSError):
            (self.folder(radio) / f"{name}.json").unlink()

    def tidy(self, radio: str, needed: Collection[str]) -> None:
        """Delete the oldest that are too many and not needed."""
        folder, names = self.folder(radio), self.names(radio)
        for name in [one for one in names if one not in needed][: max(0, len(names) - self._keep)]:
            try:
                (folder / f"{name}.json").unlink()
            except OSError as error:
                log.warning("%s: the old backup %s cannot be deleted: %s", radio, name, error.strerror)
        for path in folder.glob("*.new"):  # of a hub that was killed while it wrote
            with suppress(OSError):
                path.unlink()

    # -- state -----------------------------------------------------------------------------------------------------

    def standing(self, radio: str) -> Standing:
        """What was remembered; where that is lost, what the newest backup says."""
        path = self.folder(radio) / STATE_NAME
        try:
            return _standing(msgspec.json.decode(path.read_bytes(), type=_KeptState))
        except FileNotFoundError:
            pass
        except (OSError, msgspec.DecodeError, RangeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not what was written"
            log.error("%s cannot be read: %s; alarms that it had are forgotten", path, reason)
        for name, kept in self.all(radio):
            return Standing(network=kept.network, latest=name, good=name, made_at=time_of(name))
        return Standing()

    def remember(self, radio: str, standing: Standing) -> None:
        """Keep what is to be remembered. Raises `StorageError`."""
        path = self.folder(radio) / STATE_NAME
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            write_private(path, msgspec.json.encode(_kept(standing)))
        except OSError as error:
            raise StorageError(f"{path} cannot be written: {error.strerror}") from None


def _is_name(text: str) -> bool:
    if not _NAME.fullmatch(text):
        return False
    try:
        time_of(text)
    except ValueError:
        return False
    return True


def _network(kept: _KeptNetwork | None) -> NetworkId | None:
    return None if kept is None else NetworkId(Eui64.parse(kept.ieee), int(kept.extended_pan_id, 16))


def _kept_network(network: NetworkId | None) -> _KeptNetwork | None:
    return None if network is None else _KeptNetwork(str(network.ieee), f"{network.extended_pan_id:016x}")


def _standing(kept: _KeptState) -> Standing:
    alarm = None
    if kept.alarm is not None:
        rows = tuple(Missing(Eui64.parse(one.ieee), one.what, one.last_in) for one in kept.alarm.missing)
        alarm = BackupAlarm(since=kept.alarm.since, missing=rows, other=_network(kept.alarm.other))
    return Standing(
        network=_network(kept.network),
        latest=kept.latest,
        good=kept.good,
        made_at=kept.made_at,
        alarm=alarm,
        removed=frozenset(map(Eui64.parse, kept.removed)),
        restoring=kept.restoring,
    )


def _kept(standing: Standing) -> _KeptState:
    alarm = None
    if standing.alarm is not None:
        rows = [_KeptMissing(str(one.ieee), one.what, one.last_in) for one in standing.alarm.missing]
        alarm = _KeptAlarm(standing.alarm.since, rows, _kept_network(standing.alarm.other))
    return _KeptState(
        network=_kept_network(standing.network),
        latest=standing.latest,
        good=standing.good,
        made_at=standing.made_at,
        alarm=alarm,
        removed=sorted(map(str, standing.removed)),
        restoring=standing.restoring,
    )
