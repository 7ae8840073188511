"""`@record`: a frozen dataclass with slots that is made in a quarter of the time; the frames of all protocols are such.

There are some four hundred, and each start of the program makes them anew: `dataclasses` writes and evaluates six
functions for each. Four of those can be the same for all, in a base; only the initializer remains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, FrozenInstanceError, dataclass, field, fields
from typing import Any, ClassVar, TypeVar, dataclass_transform, overload

T = TypeVar("T")


@overload
def record(cls: type[T], /) -> type[T]: ...


@overload
def record(*, kw_only: bool = False) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T] | None = None, /, *, kw_only: bool = False) -> type[T] | Callable[[type[T]], type[T]]:
    """Make a class that derives from `Record` a frozen dataclass with slots."""
    made = dataclass(slots=True, eq=False, repr=False, kw_only=kw_only)
    return made if cls is None else made(cls)


class Record:
    """What all records have in common: they are equal by their fields, and do not change."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __setattr__(self, name: str, value: object) -> None:
        # The initializer comes here once for each field, while that has no value.
        if hasattr(self, name):
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _names(type(self)))

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in _names(type(self))))

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in _shown(type(self)))
        return f"{type(self).__qualname__}({values})"


def _names(cls: type) -> tuple[str, ...]:
    found = _NAMES.get(cls)
    if found is None:
        found = _NAMES[cls] = tuple(one.name for one in fields(cls) if one.compare)
    return found


def _shown(cls: type) -> tuple[str, ...]:
    found = _SHOWN.get(cls)
    if found is None:
        found = _SHOWN[cls] = tuple(one.name for one in fields(cls) if one.repr)
    return found


_NAMES: dict[type, tuple[str, ...]] = {}
"""Fields of each class that was compared."""
_SHOWN: dict[type, tuple[str, ...]] = {}
"""Fields of each class that was shown: not the secret ones."""
