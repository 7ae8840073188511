"""UDP keys that live for seven days: where they come from, when they end, and a hook that fetches new ones.

Keys come from hub.toml, from `PUT /api/v1/breakers/keys`, or from the hook. The last two are kept in `keys.json` in the
data directory, mode 0600; where a key stands in both, the one issued later counts. A key without a stated time of issue
counts from when it was first seen, which is remembered by a digest of the key.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from hub.bus import Bus
from hub.clock import Clock
from hub.config import RadioSection
from hub.errors import InvalidError, NotFoundError
from hub.events import KeyChanged
from hub.model import Availability, KeyState, KeyStatus
from hub.private_file import write_private
from radios.api import OptionError, UdpKeys
from radios.keys import parse_keys

log = logging.getLogger(__name__)

KEY_LIFETIME = timedelta(days=7)
"""UDP keys expire after 7 days (EMCB chapter 1)."""
WARNING = timedelta(hours=24)
"""A key's state is EXPIRING for the last day of its life."""
REFRESH = timedelta(hours=48)
"""The hook is asked when a key has less left than this, so that it has a day to succeed before anybody is warned."""
CHECK_INTERVAL_S = 60.0
HOOK_TIMEOUT_S = 60.0
HOOK_GAP = timedelta(minutes=15)
"""Least time between two calls of the hook."""
MAX_HOOK_ANSWER = 1 << 20
FILE_NAME = "keys.json"
NO_KEY_DETAIL = "there is no unicast key for it: add one to hub.toml or with hubctl breaker set-keys"
_LATENESS = timedelta(minutes=5)
"""How far in the future a stated time of issue may lie: clocks differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUpdate:
    """New keys, as text (hex or base64); the radio may be left out when there is only one."""

    radio: str | None = None
    broadcast_key: str | None = None
    unicast_keys: Mapping[str, str] = field(default_factory=dict)
    issued_at: datetime | None = None

    def __repr__(self) -> str:
        return f"KeyUpdate(radio={self.radio!r}, keys for {sorted(self.unicast_keys)})"


@dataclass(frozen=True, slots=True)
class _Key:
    """One or two keys of one place, and when the newest was issued."""

    pair: tuple[bytes, ...]
    issued_at: datetime

    def __repr__(self) -> str:
        return f"_Key(..., {self.issued_at})"


class _KeptKey(msgspec.Struct):
    """An entry of keys.json."""

    device: str | None
    keys: list[str]
    issued_at: str


class _Kept(msgspec.Struct):
    """keys.json."""

    seen: dict[str, str] = {}
    radios: dict[str, list[_KeptKey]] = {}


class Keys:
    """The keys of all radios. `None` as a device stands for a radio's broadcast key."""

    def __init__(
        self,
        sections: tuple[RadioSection, ...],
        data_dir: Path,
        bus: Bus,
        clock: Clock,
        apply: Callable[[str, UdpKeys], None],
        device_prefix: str,
    ) -> None:
        """`apply(radio, keys)` hands keys to a radio that is up."""
        self._sections = {section.name: section for section in sections if section.radio.driver == "emcb"}
        self._path = data_dir / FILE_NAME
        self._bus, self._clock, self._apply = bus, clock, apply
        self._prefix = device_prefix
        self._keys: dict[tuple[str, str | None], _Key] = {}
        self._own: set[tuple[str, str | None]] = set()
        """Those that are kept in the file."""
        self._seen: dict[str, datetime] = {}
        """Digest of a key -> when it was first seen, or issued."""
        self._known: dict[str, set[str]] = {name: set() for name in self._sections}
        """Breakers of each radio that need a key."""
        self._told: dict[tuple[str, str | None], KeyState] = {}
        self._asked: datetime | None = None

    # -- start ---------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Read the file and the configuration. A file that cannot be read is said so and left alone."""
        kept = self._read()
        self._seen = {digest: datetime.fromisoformat(time) for digest, time in kept.seen.items()}
        for section in self._sections.values():
            options = section.radio.options
            keys = parse_keys(options.get("broadcast_key"), options.get("unicast_keys", {}))
            self._take(section.name, keys, section.keys_issued_at, own=False)
        for radio, entries in kept.radios.items():
            if radio in self._sections:
                for entry in entries:
                    pair = tuple(bytes.fromhex(key) for key in entry.keys)
                    self._put((radio, entry.device), _Key(pair, datetime.fromisoformat(entry.issued_at)), own=True)
        self._told = {(status.radio, self._place(status)): status.state for status in self.statuses()}
        self._write()

    def keys_of(self, radio: str) -> UdpKeys:
        """All keys of a radio, to be handed to it when it comes up."""
        broadcast = self._keys.get((radio, None))
        return UdpKeys(
            broadcast=broadcast.pair if broadcast else (),
            unicast={
                device: key.pair for (name, device), key in self._keys.items() if name == radio and device is not None
            },
        )

    # -- people --------------------------------------------------------------------------------------------------

    def statuses(self) -> list[KeyStatus]:
        """Every key's life, the broadcast keys first; breakers that were seen and have no key are MISSING."""
        found: list[KeyStatus] = []
        for radio in self._sections:
            places: set[str | None] = {device for name, device in self._keys if name == radio}
            places |= self._known[radio] | {None}
            for place in sorted(places, key=lambda place: place or ""):
                key = self._keys.get((radio, place))
                found.append(
                    KeyStatus(
                        radio=radio,
                        device_id=None if place is None else self._prefix + place,
                        state=KeyState.MISSING if key is None else self._state(key),
                        expires_at=None if key is None else key.issued_at + KEY_LIFETIME,
                    )
                )
        return found

    async def set(self, update: KeyUpdate) -> list[KeyStatus]:
        """Use new keys at once and keep them over restarts. Raises `InvalidError`, `NotFoundError`, without a key."""
        radio = update.radio or (next(iter(self._sections)) if len(self._sections) == 1 else None)
        if radio is None:
            raise InvalidError("radio", update.radio, f"one of {', '.join(self._sections) or 'no EMCB radio'}")
        if radio not in self._sections:
            raise NotFoundError("EMCB radio", radio, tuple(self._sections))
        now = self._clock.now()
        issued = update.issued_at or now
        if issued > now + _LATENESS or issued < now - KEY_LIFETIME:
            raise InvalidError("issued_at", issued.isoformat(), "within the last 7 days")
        unicast = {place.removeprefix(self._prefix): key for place, key in update.unicast_keys.items()}
        if any(text.startswith("file:") for text in (update.broadcast_key or "", *unicast.values())):
            raise InvalidError("unicast_keys", "file:...", "the key itself: files are for hub.toml only")
        try:
            keys = parse_keys(update.broadcast_key, unicast)
        except OptionError as error:
            raise InvalidError(error.key, "(not shown)", error.problem) from None
        if not keys.broadcast and not keys.unicast:
            raise InvalidError("unicast_keys", {}, "at least one key, or a broadcast_key")
        self._take(radio, keys, issued, own=True)
        await asyncio.to_thread(self._write)
        self._apply(radio, keys)
        self._tell()
        return [status for status in self.statuses() if status.radio == radio]

    def detail(self, radio: str, device: str) -> tuple[Availability, str] | None:
        """Why a silent breaker is silent, if its key explains it."""
        key = self._keys.get((radio, device))
        if key is None:
            return (
                Availability.NO_KEY,
                "there is no unicast key for it: add one to hub.toml or with hubctl breaker set-keys",
            )
        if self._state(key) is KeyState.EXPIRED:
            ended = (key.issued_at + KEY_LIFETIME).strftime("%Y-%m-%d %H:%M UTC")
            return Availability.KEY_EXPIRED, f"its key expired on {ended}: set a new one with hubctl breaker set-keys"
        return None

    def seen(self, radio: str, device: str) -> None:
        """A breaker was seen that needs a key."""
        if radio in self._known:
            self._known[radio].add(device)

    # -- time ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Watch the keys: events when one is about to expire or has, and the hook in time before that."""
        while True:
            self._tell()
            for section in self._sections.values():
                await self._refresh(section)
            await asyncio.sleep(CHECK_INTERVAL_S)

    def _tell(self) -> None:
        """Publish what changed since it was told last."""
        now = self._clock.now()
        for status in self.statuses():
            place = (status.radio, self._place(status))
            if self._told.get(place) is not status.state:
                self._told[place] = status.state
                if status.state in (KeyState.EXPIRING, KeyState.EXPIRED):
                    log.warning(
                        "%s: key of %s is %s", status.radio, status.device_id or "broadcasts", status.state.value
                    )
                self._bus.publish(KeyChanged(now, status))

    def _state(self, key: _Key) -> KeyState:
        left = key.issued_at + KEY_LIFETIME - self._clock.now()
        if left <= timedelta(0):
            return KeyState.EXPIRED
        return KeyState.EXPIRING if left <= WARNING else KeyState.VALID

    def _place(self, status: KeyStatus) -> str | None:
        return None if status.device_id is None else status.device_id.removeprefix(self._prefix)

    # -- hook ----------------------------------------------------------------------------------------------------

    async def _refresh(self, section: RadioSection) -> None:
        if not section.key_command and not section.key_url:
            return
        now = self._clock.now()
        ends = [status.expires_at for status in self.statuses() if status.radio == section.name]
        if all(end is not None and end - now > REFRESH for end in ends):
            return
        if self._asked is not None and timedelta(0) <= now - self._asked < HOOK_GAP:
            return
        self._asked = now
        question = json.dumps({"radio": section.name, "devices": sorted(self._known[section.name])}).encode()
        try:
            async with asyncio.timeout(HOOK_TIMEOUT_S):
                if section.key_command:
                    answer = await _run_command(section.key_command, question)
                else:
                    answer = await asyncio.to_thread(_post, section.key_url, question)
            update = _update_from_json(section.name, answer)
            await self.set(update)
            log.info("%s: the key hook gave new keys for %d breakers", section.name, len(update.unicast_keys))
        except (OSError, ValueError, TimeoutError, InvalidError, NotFoundError, _HookError) as error:
            log.error("%s: the key hook failed: %s", section.name, error)

    # -- file ----------------------------------------------------------------------------------------------------

    def _take(self, radio: str, keys: UdpKeys, issued: datetime | None, *, own: bool) -> None:
        if keys.broadcast:
            self._put((radio, None), _Key(keys.broadcast, self._issued(keys.broadcast, issued)), own=own)
        for device, pair in keys.unicast.items():
            self._put((radio, device), _Key(pair, self._issued(pair, issued)), own=own)

    def _put(self, place: tuple[str, str | None], key: _Key, *, own: bool) -> None:
        before = self._keys.get(place)
        if before is not None and before.issued_at > key.issued_at:
            return
        self._keys[place] = key
        (self._own.add if own else self._own.discard)(place)

    def _issued(self, pair: tuple[bytes, ...], stated: datetime | None) -> datetime:
        """When the newest of `pair` was issued, as stated or as first seen."""
        now = self._clock.now()
        return max(self._seen.setdefault(_digest(key), stated or now) for key in pair)

    def _read(self) -> _Kept:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return _Kept()
        except (OSError, msgspec.DecodeError) as error:
            log.error("%s cannot be read: %s; keys of hub.toml are used", self._path, error)
            return _Kept()

    def _write(self) -> None:
        """Put the file in place in one step, 0600 from the first byte."""
        used = {_digest(key) for entry in self._keys.values() for key in entry.pair}
        kept = _Kept(
            seen={digest: time.isoformat() for digest, time in self._seen.items() if digest in used},
            radios={
                radio: [
                    _KeptKey(
                        device,
                        [key.hex() for key in self._keys[radio, device].pair],
                        self._keys[radio, device].issued_at.isoformat(),
                    )
                    for name, device in sorted(self._own, key=lambda place: (place[0], place[1] or ""))
                    if name == radio
                ]
                for radio in self._sections
            },
        )
        if not self._sections:
            return
        try:
            write_private(self._path, msgspec.json.encode(kept))
        except OSError as error:
            log.error("%s cannot be written: %s; new keys are lost at the next start", self._path, error.strerror)


class _HookError(Exception):
    """The hook answered, but not with keys."""


def _digest(key: bytes) -> str:
    """Names a key without giving it away: 256 random bits cannot be found from their digest."""
    return hashlib.sha256(b"home-energy-hub key " + key).hexdigest()[:32]


async def _run_command(command: tuple[str, ...], question: bytes) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=MAX_HOOK_ANSWER,
    )
    try:
        answer, _ = await process.communicate(question)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise _HookError(f"{command[0]} ended with {process.returncode}")
    return answer


def _post(url: str, question: bytes) -> bytes:
    request = urllib.request.Request(url, data=question, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=HOOK_TIMEOUT_S) as response:
        answer: bytes = response.read(MAX_HOOK_ANSWER)
    return answer


def _update_from_json(radio: str, answer: bytes) -> KeyUpdate:
    try:
        table = json.loads(answer)
    except ValueError:
        raise _HookError("its answer is not JSON") from None
    if not isinstance(table, dict):
        raise _HookError("its answer is not a JSON object")
    unicast, broadcast, issued = table.get("unicast_keys", {}), table.get("broadcast_key"), table.get("issued_at")
    if not isinstance(unicast, dict) or not all(isinstance(key, str) for key in unicast.values()):
        raise _HookError("unicast_keys is not an object of texts")
    if broadcast is not None and not isinstance(broadcast, str):
        raise _HookError("broadcast_key is not text")
    return KeyUpdate(
        radio=radio,
        broadcast_key=broadcast,
        unicast_keys=unicast,
        issued_at=datetime.fromisoformat(issued) if isinstance(issued, str) else None,
    )
