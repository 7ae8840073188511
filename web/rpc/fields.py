"""Values of checked parameters and record fields by their kind, for handlers.

A request that was checked has what its row requires, of the kind that its row says, so that a wrong kind here is a
fault of ours: `KeyError` or `TypeError`. `maybe_*` are for what may be missing; a none is as good as missing.

    async def enable_joining(self, request: Checked) -> Values:
        seconds = fields.number(request.arguments, "join_time")
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from protocols.ids import Eui64
from web.rpc.types import ValueRefusedError
from web.rpc.values import Mac, Octets, Record, Value

Given = Mapping[str, Value]
V = TypeVar("V")


def _of(given: Given, name: str, kind: type[V]) -> V:
    value = given[name]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{name} is a {type(value).__name__}, not a {kind.__name__}")
    return value


def number(given: Given, name: str) -> int:
    """An int."""
    return _of(given, name, int)


def maybe_number(given: Given, name: str) -> int | None:
    """An int that may be missing."""
    return number(given, name) if given.get(name) is not None else None


def is_on(given: Given, name: str) -> bool:
    """A bool."""
    return _of(given, name, bool)


def maybe_is_on(given: Given, name: str) -> bool | None:
    """A bool that may be missing."""
    return is_on(given, name) if given.get(name) is not None else None


def text(given: Given, name: str) -> str:
    """A string."""
    return _of(given, name, str)


def maybe_text(given: Given, name: str) -> str | None:
    """A string that may be missing."""
    return text(given, name) if given.get(name) is not None else None


def mac(given: Given, name: str) -> Mac:
    """An address of either size, or that of everybody."""
    return _of(given, name, Mac)


def maybe_mac(given: Given, name: str) -> Mac | None:
    """An address that may be missing."""
    return mac(given, name) if given.get(name) is not None else None


def device(given: Given, name: str) -> Eui64:
    """An extended address of one device. Raises `ValueRefusedError` for a short one and for everybody."""
    found = mac(given, name)
    if found.eui64 is None:
        raise ValueRefusedError(name, str(found), "MAC: the extended address of one device")
    return found.eui64


def octets(given: Given, name: str) -> Octets:
    """Octets with the base that they were written in."""
    return _of(given, name, Octets)


def record(given: Given, name: str) -> Record:
    """A record."""
    return _of(given, name, Record)


def maybe_record(given: Given, name: str) -> Record | None:
    """A record that may be missing."""
    return record(given, name) if given.get(name) is not None else None


def records(given: Given, name: str) -> list[Record]:
    """The records of a list."""
    found = _of(given, name, list)
    return [one for one in found if isinstance(one, Record)]
