"""The gateway's files of settings: lines of each, read and written (CPX2-SE, Global Saved Files).

```
registry_settings.ini  name [int|bool|str value]
devices.ini            extended address
modules.ini            module
interfaces.ini         class
endpoints.ini          class endpoint_id [profile_id [device_id [device_version]]]
clusters.ini           class endpoint_id [server_or_client [cluster_id [enable_APS_encryption]]]
```

Numbers are decimal or hex after 0x. Empty lines, and those that begin with `#`, are skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from hub.errors import HubError
from hub.registry import ENTRIES, RegistryValue, entry_of, near
from hub.zigbee.model import Side
from protocols.errors import RangeError
from protocols.ids import MAX_APPLICATION_ENDPOINT, Eui64
from web.rpc.types import SHOWN, int_of
from web.rpc.values import Mac

MAX_LINES = 10_000
"""Of a file; the largest real ones have some hundred."""


class Ini(StrEnum):
    """The files, by their names."""

    REGISTRY = "registry_settings.ini"
    DEVICES = "devices.ini"
    MODULES = "modules.ini"
    INTERFACES = "interfaces.ini"
    ENDPOINTS = "endpoints.ini"
    CLUSTERS = "clusters.ini"


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refused:
    """What is wrong in a line, and what is allowed."""

    line: int
    what: str
    value: str
    allowed: str
    cause: HubError | None = None

    def __str__(self) -> str:
        return f"line {self.line}: {self.what} is {self.value[:SHOWN]!r}; allowed: {self.allowed}"


class IniError(Exception):
    """Lines that cannot be taken, so that none is."""

    def __init__(self, file: Ini, refused: Iterable[Refused]) -> None:
        self.file, self.refused = file, tuple(refused)
        super().__init__(f"{file.value}: " + "; ".join(map(str, self.refused)))


@dataclass(frozen=True, slots=True)
class Line(Generic[T]):
    """What a line says, with its number in the file."""

    number: int
    value: T


@dataclass(frozen=True, slots=True)
class EndpointLine:
    """An endpoint: None is what its class has."""

    endpoint_class: str
    number: int
    profile: int | None = None
    device_type: int | None = None
    version: int | None = None

    def __str__(self) -> str:
        numbers = (f"{self.number:#04x}", _hex(self.profile), _hex(self.device_type), _hex(self.version))
        return " ".join((self.endpoint_class, *_filled(numbers)))


@dataclass(frozen=True, slots=True)
class ClusterLine:
    """A cluster: None is what its class has."""

    cluster_class: str
    endpoint: int
    side: Side | None = None
    cluster: int | None = None
    encrypted: bool | None = None

    def __str__(self) -> str:
        side = None if self.side is None else str(SIDES.index(self.side))
        encrypted = None if self.encrypted is None else str(self.encrypted)
        return " ".join((self.cluster_class, f"{self.endpoint:#04x}", *_filled((side, _hex(self.cluster), encrypted))))


SIDES = (Side.SERVER, Side.CLIENT)
"""By their number."""
DEFAULT = "-"
"""Chosen: a value that is left to the class although one behind it is given, which the manual has no way to say."""


def _hex(number: int | None) -> str | None:
    return None if number is None else f"{number:#06x}"


def _filled(values: tuple[str | None, ...]) -> list[str]:
    """Without what is missing at the end."""
    last = max((at + 1 for at, value in enumerate(values) if value is not None), default=0)
    return [DEFAULT if value is None else value for value in values[:last]]


# -- reading ---------------------------------------------------------------------------------------------------------


class _LineError(Exception):
    def __init__(self, what: str, value: str, allowed: str) -> None:
        super().__init__(what)
        self.what, self.value, self.allowed = what, value, allowed


def parse(file: Ini, text: str, read: Callable[[str], T]) -> list[Line[T]]:
    """The lines of a file. Raises `IniError` with all that are wrong."""
    lines = text.lstrip("\ufeff").splitlines()
    if len(lines) > MAX_LINES:
        raise IniError(file, (Refused(MAX_LINES + 1, "the file", f"{len(lines)} lines", f"at most {MAX_LINES}"),))
    found: list[Line[T]] = []
    refused: list[Refused] = []
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            found.append(Line(number, read(line)))
        except _LineError as error:
            refused.append(Refused(number, error.what, error.value, error.allowed))
    if refused:
        raise IniError(file, refused)
    return found


def read_name(line: str) -> str:
    """A module, or a class of interfaces."""
    if len(line.split()) != 1:
        raise _LineError("line", line, "one name")
    return line


def read_device(line: str) -> Eui64:
    """An extended address, in any of the usual forms."""
    try:
        address = Mac.parse(line).eui64
    except (ValueError, RangeError):
        address = None
    if address is None or not address.names_a_device:
        raise _LineError("address", line, "16 hex digits, as 00:11:22:33:44:55:66:77")
    return address


def write_device(address: Eui64) -> str:
    """As gateways wrote it."""
    return str(Mac.of(address))


def read_registry(line: str) -> tuple[str, RegistryValue]:
    """An entry, by its name in any case. One without a value has its default."""
    given, kind, text = (*line.split(maxsplit=2), "", "")[:3]
    entry = entry_of(given)
    if entry is None:
        raise _LineError("registry_name", given, f"{' or '.join(near(given))} and others: hubctl registry list")
    if not kind:
        return entry.name, entry.default
    if kind.lower() != entry.kind:
        raise _LineError(f"type of {entry.name}", kind, entry.kind)
    value = _registry_value(entry.kind, text.strip())
    if value is None or not entry.takes(value):
        raise _LineError(entry.name, text, entry.allowed)
    return entry.name, value


def _registry_value(kind: str, text: str) -> RegistryValue | None:
    if kind == "bool":
        return {"true": True, "false": False, "1": True, "0": False}.get(text.lower())
    if kind == "str":
        return text
    try:
        return int_of(text)
    except ValueError:
        return None


def write_registry(name: str, value: RegistryValue) -> str:
    """As gateways wrote it."""
    return f"{name} {ENTRIES[name].kind} {value}"


def read_endpoint(line: str) -> EndpointLine:
    """An endpoint."""
    words = _words(line, 2, 5, "endpoint_class_name endpoint_id [profile_id [device_id [device_version]]]")
    return EndpointLine(
        words[0],
        _endpoint(words[1]),
        _maybe_number("profile_id", words, 2, 0xFFFF),
        _maybe_number("device_id", words, 3, 0xFFFF),
        _maybe_number("device_version", words, 4, 0xF),
    )


def read_cluster(line: str) -> ClusterLine:
    """A cluster."""
    form = "cluster_class_name endpoint_id [server_or_client [cluster_id [enable_APS_encryption]]]"
    words = _words(line, 2, 5, form)
    side = _maybe_number("server_or_client", words, 2, 1, "0 (server) or 1 (client)")
    encrypted = None
    if len(words) > 4 and words[4] != DEFAULT:
        encrypted = {"true": True, "1": True, "false": False, "0": False}.get(words[4].lower())
        if encrypted is None:
            raise _LineError("enable_APS_encryption", words[4], "True or False")
    cluster = _maybe_number("cluster_id", words, 3, 0xFFFF)
    return ClusterLine(words[0], _endpoint(words[1]), None if side is None else SIDES[side], cluster, encrypted)


def _words(line: str, least: int, most: int, form: str) -> list[str]:
    words = line.split()
    if not least <= len(words) <= most:
        raise _LineError("line", line, form)
    return words


def _endpoint(word: str) -> int:
    number = _number("endpoint_id", word, MAX_APPLICATION_ENDPOINT, f"0x1 to {MAX_APPLICATION_ENDPOINT:#x}")
    if not number:
        raise _LineError("endpoint_id", word, f"0x1 to {MAX_APPLICATION_ENDPOINT:#x}")
    return number


def _number(what: str, word: str, most: int, allowed: str) -> int:
    try:
        number = int_of(word)
    except ValueError:
        number = -1
    if not 0 <= number <= most:
        raise _LineError(what, word, allowed)
    return number


def _maybe_number(what: str, words: list[str], at: int, most: int, allowed: str = "") -> int | None:
    if at >= len(words) or words[at] == DEFAULT:
        return None
    return _number(what, words[at], most, allowed or f"0x0 to {most:#x}")
