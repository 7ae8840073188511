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

RegistryValue = bool | int | str
PART_OF_A_FILE_NAME = "[A-Za-z0-9_-]{1,32}"
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
    pattern: str = ""
    """What a text has to match as a whole."""

    @property
    def is_text(self) -> bool:
        """Whether it is text."""
        return isinstance(self.default, str)

    @property
    def is_switch(self) -> bool:
        """Whether it is true or false."""
        return isinstance(self.default, bool)


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
        Entry(USE_PUSH, False, "RPC responses are pushed to where hub.toml says, and leave the mailbox by that"),
        Entry(
            PUSHED_FILE_PREFIX,
            "RPC_Response",
            "what names of pushed files begin with",
            pattern=PART_OF_A_FILE_NAME,
        ),
        Entry(PUSHED_FILE_EXTENSION, "xml", "what names of pushed files end in", pattern=PART_OF_A_FILE_NAME),
        Entry(USE_TIMESTAMPS, True, "RPC responses tell when they were made"),
        Entry(SYNCHRONOUS_REQUEST_TIMEOUT, 60, "how long a synchronous RPC request may block its caller", "s", 1, 3600),
        Entry(
            PRINTED_REPLY_LAYOUT,
            False,
            "RPC replies by the letter of the manual: no tag around responses, nothing of ours",
        ),
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
                text = str(value)
                self._values[entry.name] = text if entry.is_text else text == "1" if entry.is_switch else int(text)

    def all(self) -> dict[str, RegistryValue]:
        """Every entry with its value."""
        return {name: self._values.get(name, entry.default) for name, entry in ENTRIES.items()}

    def seconds(self, name: str) -> int:
        """A number's value."""
        return int(self._values.get(name, ENTRIES[name].default))

    def number(self, name: str) -> int:
        """A number's value, of any unit."""
        return int(self._values.get(name, ENTRIES[name].default))

    def is_on(self, name: str) -> bool:
        """A switch's value."""
        return bool(self._values.get(name, ENTRIES[name].default))

    def text(self, name: str) -> str:
        """A text's value."""
        return str(self._values.get(name, ENTRIES[name].default))

    async def set(self, name: str, value: RegistryValue) -> None:
        """Change an entry. Raises `NotFoundError`, `InvalidError`, `StorageError`."""
        entry = ENTRIES.get(name)
        if entry is None:
            raise NotFoundError("registry entry", name, _near(name))
        if entry.is_text:
            if not isinstance(value, str) or re.fullmatch(entry.pattern, value) is None:
                raise InvalidError(name, value, f"text that matches {entry.pattern}")
        elif entry.is_switch:
            if not isinstance(value, bool):
                raise InvalidError(name, value, "true or false")
        elif isinstance(value, bool) or not isinstance(value, int) or not entry.minimum <= value <= entry.maximum:
            raise InvalidError(name, value, f"a whole number from {entry.minimum} to {entry.maximum}")
        text = value if isinstance(value, str) else str(int(value))
        await self._store.write(("INSERT OR REPLACE INTO registry (name, value) VALUES (?, ?)", [(name, text)]))
        self._values[name] = value
        if name in self._watchers:
            await self._watchers[name]()


def _near(name: str) -> tuple[str, ...]:
    """The entries that look like a name, of any case, with or without what is before the dot; one at least."""
    wanted = name.lower()

    def likeness(entry: str) -> float:
        whole = entry.lower()
        return max(difflib.SequenceMatcher(None, wanted, text).ratio() for text in (whole, whole.partition(".")[2]))

    ranked = sorted(ENTRIES, key=likeness, reverse=True)
    return tuple(entry for entry in ranked[:NEAR] if likeness(entry) >= ALIKE) or tuple(ranked[:1])
