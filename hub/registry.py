"""The gateway manual's registry: settings that change how the hub behaves, by their names there; power-safe.

Each row names its type, default, unit and meaning (CPX2-SE, Registry, Settings and Defaults). More rows come with the
requests that they belong to.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from hub.errors import InvalidError, NotFoundError
from hub.store import Store

DEFAULT_TIMEOUT = "Conversation.default_timeout"
TX_STATUS_TIMEOUT = "Conversation.TX_status_timeout"
DISABLE_DEFAULT_RESPONSE = "ZCL_Cluster.disable_default_response"
MAX_SEQUENTIAL_TX_FAILURES = "ZDO_Device_Manager.max_sequential_TX_failures"
REFRESH_RATE = "ZDO_Device_Manager.refresh_rate"
DISABLE_APS_ENCRYPTION = "Cluster.disable_APS_encryption"
REQUIRE_EXPLICIT_DEVICE_ADD = "ZDO_Device_Manager.require_explicit_device_add"
JOIN_INTERVAL = "ZDO_Device_Manager.join_interval"
DEBUG_PRINT_SEVERITY = "RPC_General_Interface.debug_print_severity"
DEBUG_RPC_SEVERITY = "RPC_General_Interface.debug_rpc_severity"
MAX_BUFFER_ITEMS = "RPC_Manager.max_buffer_items"
USE_TIMESTAMPS = "RPC_Manager.use_timestamps"
SYNCHRONOUS_REQUEST_TIMEOUT = "RPC_Manager.synchronous_request_timeout"
PRINTED_REPLY_LAYOUT = "RPC_Manager.printed_reply_layout"
USE_PUSH = "RPC_Manager.use_push"
PUSHED_FILE_PREFIX = "RPC_Manager.pushed_file_prefix"
PUSHED_FILE_EXTENSION = "RPC_Manager.pushed_file_extension"
MAX_SOCKET_RETRIES = "Endpoint.max_socket_retries"
NTP_SERVER_1, NTP_SERVER_2 = "NTP_client.server1", "NTP_client.server2"
NTP_SYNC_RATE = "NTP_client.sync_rate"

RegistryValue = bool | int | str
_FILE_NAME = re.compile("[A-Za-z0-9_-]{1,32}")
_HOST = re.compile(r"[A-Za-z0-9._-]{0,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
NEAR, ALIKE = 3, 0.6
"""Names that are shown for one that does not exist, and how much they must be alike."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the registry."""

    name: str
    default: RegistryValue
    meaning: str
    unit: str = ""
    minimum: int = 0
    maximum: int = 0x7FFFFFFF
    pattern: re.Pattern[str] | None = None
    """Of a text."""
    form: str = ""
    """What the pattern allows, in words."""

    @property
    def is_switch(self) -> bool:
        """Whether it is true or false."""
        return isinstance(self.default, bool)

    @property
    def is_text(self) -> bool:
        """Whether it is a text."""
        return isinstance(self.default, str)

    @property
    def kind(self) -> str:
        """Its type by the name that it has in registry_settings.ini: bool, int or str."""
        return type(self.default).__name__

    @property
    def allowed(self) -> str:
        """What it may be."""
        if self.is_switch:
            return "true or false"
        return self.form if self.is_text else f"a whole number from {self.minimum} to {self.maximum}"

    def takes(self, value: object) -> bool:
        """Whether it may be that."""
        if self.is_switch:
            return isinstance(value, bool)
        if self.is_text:
            return isinstance(value, str) and (self.pattern is None or self.pattern.fullmatch(value) is not None)
        return isinstance(value, int) and not isinstance(value, bool) and self.minimum <= value <= self.maximum


def _file_name(name: str, default: str, meaning: str) -> Entry:
    form = "1 to 32 letters, digits, dashes and underscores"
    return Entry(name, default, meaning, pattern=_FILE_NAME, form=form)


def _host(name: str, default: str, meaning: str) -> Entry:
    return Entry(
        name, default, meaning, pattern=_HOST, form="name or address of a host, with :PORT or without; empty: none"
    )


ENTRIES: Mapping[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            DEFAULT_TIMEOUT, 40, "how long an answer to a unicast may take; how long a broadcast collects", "s", 1, 3600
        ),
        Entry(TX_STATUS_TIMEOUT, 10, "how long a radio may take to say whether it has sent something", "s", 1, 600),
        Entry(DISABLE_DEFAULT_RESPONSE, True, "ask devices not to confirm what they have an answer for"),
        Entry(MAX_SEQUENTIAL_TX_FAILURES, 3, "failed transmissions in a row that make a device inactive", "", 1, 1000),
        Entry(REFRESH_RATE, 120, "how often devices are asked whether they are there; 0: never", "s", 0, 86400),
        Entry(JOIN_INTERVAL, 30, "how often a router that is on no network tries to join one", "s", 5, 86400),
        Entry(DEBUG_PRINT_SEVERITY, 0, "least severity of RPC messages in the log; 0: debug ... 3: none", "", 0, 3),
        Entry(DEBUG_RPC_SEVERITY, 1, "least severity of RPC messages by the mailbox; 0: debug ... 3: none", "", 0, 3),
        Entry(MAX_BUFFER_ITEMS, 250, "RPC responses in the mailbox; beyond it the oldest is dropped", "", 1, 100_000),
        Entry(USE_TIMESTAMPS, True, "RPC responses tell when they were made"),
        Entry(SYNCHRONOUS_REQUEST_TIMEOUT, 60, "how long a synchronous RPC request may block its caller", "s", 1, 3600),
        Entry(PRINTED_REPLY_LAYOUT, False, "RPC replies as the manual prints them, without a tag around the responses"),
        Entry(USE_PUSH, False, "RPC responses are pushed as they come: to a directory, an address ([rpc] in hub.toml)"),
        _file_name(PUSHED_FILE_PREFIX, "RPC_Response", "what the names of pushed files begin with"),
        _file_name(PUSHED_FILE_EXTENSION, "xml", "what the names of pushed files end in, behind a dot"),
        Entry(MAX_SOCKET_RETRIES, 3, "how often an XBee is given a frame again that it had no room for", "", 0, 100),
        _host(NTP_SERVER_1, "north-america.pool.ntp.org", "who is asked for the time by resync_time"),
        _host(NTP_SERVER_2, "pool.ntp.org", "who is asked when the first server does not answer"),
        Entry(NTP_SYNC_RATE, 86400, "for how long a corrected clock counts as right", "s", 60, 31_536_000),
        Entry(DISABLE_APS_ENCRYPTION, False, "let Smart Energy clusters do without encryption: for tests only"),
        Entry(REQUIRE_EXPLICIT_DEVICE_ADD, False, "only devices that were added by hand become part of the home"),
    )
}


class Registry:
    """The settings as they are now. On disk when `set` returns."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._values: dict[str, RegistryValue] = {}
        self._watchers: dict[str, Callable[[], Awaitable[None]]] = {}

    def watch(self, name: str, changed: Callable[[], Awaitable[None]]) -> None:
        """Have `changed` awaited after each change of an entry."""
        self._watchers[name] = changed

    async def load(self) -> None:
        """Read what differs from the defaults."""
        for name, value in await self._store.read("SELECT name, value FROM registry"):
            entry = ENTRIES.get(str(name))
            if entry is not None:
                self._values[entry.name] = _read(entry, str(value))

    def all(self) -> dict[str, RegistryValue]:
        """Every entry with its value."""
        return {name: self._values.get(name, entry.default) for name, entry in ENTRIES.items()}

    def seconds(self, name: str) -> int:
        """A number's value."""
        return int(self._values.get(name, ENTRIES[name].default))

    def number(self, name: str) -> int:
        """A number's value, of any unit."""
        return int(self._values.get(name, ENTRIES[name].default))

    def text(self, name: str) -> str:
        """A text's value."""
        return str(self._values.get(name, ENTRIES[name].default))

    def is_on(self, name: str) -> bool:
        """A switch's value."""
        return bool(self._values.get(name, ENTRIES[name].default))

    async def set(self, name: str, value: RegistryValue) -> None:
        """Change an entry. Raises `NotFoundError`, `InvalidError`, `StorageError`."""
        await self.set_all({name: value})

    async def set_all(self, values: Mapping[str, RegistryValue]) -> None:
        """Change several entries, all of them or none. Raises `NotFoundError`, `InvalidError`, `StorageError`."""
        for name, value in values.items():
            entry = ENTRIES.get(name)
            if entry is None:
                raise NotFoundError("registry entry", name, near(name))
            if not entry.takes(value):
                raise InvalidError(name, value, entry.allowed)
        rows = [(name, value if isinstance(value, str) else str(int(value))) for name, value in values.items()]
        await self._store.write(("INSERT OR REPLACE INTO registry (name, value) VALUES (?, ?)", rows))
        changed = {name for name, value in values.items() if self.all()[name] != value}
        self._values.update(values)
        for name in values:
            if name in self._watchers and (name in changed or len(values) == 1):
                await self._watchers[name]()


_BY_LOWER = {name.lower(): entry for name, entry in ENTRIES.items()}


def entry_of(name: str) -> Entry | None:
    """An entry by its name in any case, as a gateway's clients and files write it."""
    return _BY_LOWER.get(name.strip().lower())


def _read(entry: Entry, value: str) -> RegistryValue:
    if entry.is_text:
        return value
    return value == "1" if entry.is_switch else int(value)


def near(name: str) -> tuple[str, ...]:
    """The entries that look like a name, of any case, with or without what is before the dot; one at least."""
    wanted = name.lower()

    def likeness(entry: str) -> float:
        whole = entry.lower()
        return max(difflib.SequenceMatcher(None, wanted, text).ratio() for text in (whole, whole.partition(".")[2]))

    ranked = sorted(ENTRIES, key=likeness, reverse=True)
    return tuple(entry for entry in ranked[:NEAR] if likeness(entry) >= ALIKE) or tuple(ranked[:1])
