"""Our dataclasses as JSON for the database, and back."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from protocols.ids import Eui64

T = TypeVar("T")


def to_builtins(value: object) -> object:
    """What JSON can hold; extended addresses become text."""
    return msgspec.to_builtins(value, enc_hook=_text)


def from_builtins(value: object, kind: type[T]) -> T:
    """A dataclass as it was. Raises `msgspec.ValidationError`, a `ValueError`, for what does not fit (any more)."""
    return msgspec.convert(value, kind, dec_hook=_address)


def _text(value: object) -> str:
    if isinstance(value, Eui64):
        return str(value)
    raise NotImplementedError(type(value))


def _address(kind: type, value: object) -> object:
    if kind is Eui64 and isinstance(value, str):
        return Eui64.parse(value)
    raise NotImplementedError(kind)
